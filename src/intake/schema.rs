//! `schemas/vm-request.v1.schema.json`, compiled once, and its findings as violations that say what would be right.
//! No value out of the request is ever repeated: a secret may have slipped into any field.

mod words;

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::pointer::{child, steps};
use crate::vm_request::spec::VmRequest;
use crate::vm_request::violation::Violation;

/// The schema as it is served and checked.
pub const VM_REQUEST_SCHEMA: &str = include_str!("../../schemas/vm-request.v1.schema.json");

/// The most violations that are listed; a body beyond that is not a mistake.
const VIOLATIONS_MAX: usize = 50;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(VM_REQUEST_SCHEMA).expect("a test reads the embedded schema"));

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let options = jsonschema::options().should_validate_formats(true);
    options.build(&SCHEMA).expect("a test compiles the embedded schema")
});

/// Compiles the schema now rather than with the first request.
pub fn prepare() {
    LazyLock::force(&VALIDATOR);
}

/// The VM request that `asked` is.
///
/// # Errors
/// Everything that the schema finds wrong, in the order of the fields' pointers.
pub fn read(asked: &Value) -> Result<VmRequest, Vec<Violation>> {
    if !VALIDATOR.is_valid(asked) {
        return Err(violations(asked));
    }
    VmRequest::deserialize_from(asked)
        .map_err(|_| vec![Violation::new("", "does not make a VM request", "what the schema describes")])
}

impl VmRequest {
    fn deserialize_from(asked: &Value) -> Result<Self, serde_json::Error> {
        serde::Deserialize::deserialize(asked)
    }
}

fn violations(asked: &Value) -> Vec<Violation> {
    let mut found: Vec<Violation> = VALIDATOR.iter_errors(asked).flat_map(|error| explain(&error)).collect();
    found.sort();
    found.dedup();
    let more = found.len().saturating_sub(VIOLATIONS_MAX);
    if more > 0 {
        found.truncate(VIOLATIONS_MAX);
        found.push(Violation::new("", format!("and {more} more"), ""));
    }
    found
}

/// What one finding of the validator means for the sender. One finding may name several fields.
fn explain(error: &ValidationError<'_>) -> Vec<Violation> {
    let at = error.instance_path().as_str();
    let schema = place(at);
    #[expect(clippy::wildcard_enum_match_arm, reason = "keywords that the schema does not use")]
    let detail = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let pointer = child(at, name);
            let expected = words::describe(place(&pointer));
            let beside = error.schema_path().as_str().contains("/dependentRequired");
            let detail = if beside { "is required beside its other half" } else { "is required" };
            return vec![Violation::new(pointer, detail, expected)];
        }
        Kind::AdditionalProperties { unexpected } => {
            return unexpected.iter().map(|name| unknown(at, schema, name)).collect();
        }
        Kind::Type { .. } => format!("is {}", words::kind_of(error.instance())),
        Kind::Enum { .. } => "is none of the choices".to_owned(),
        Kind::Minimum { .. } => "is too small".to_owned(),
        Kind::Maximum { .. } => "is too large".to_owned(),
        Kind::MultipleOf { .. } => "is no multiple".to_owned(),
        Kind::MinLength { .. } => "is too short".to_owned(),
        Kind::MaxLength { .. } => "is too long".to_owned(),
        Kind::MaxItems { .. } => "has too many entries".to_owned(),
        Kind::Pattern { .. } => "does not have the form".to_owned(),
        Kind::AnyOf { .. } => "has none of the forms".to_owned(),
        _ => "is not as the schema wants it".to_owned(),
    };
    vec![Violation::new(at, detail, words::describe(schema))]
}

fn unknown(at: &str, schema: Option<&Value>, name: &str) -> Violation {
    let known: Vec<&str> = schema
        .and_then(|schema| schema["properties"].as_object())
        .map_or_else(Vec::new, |properties| properties.keys().map(String::as_str).collect());
    let expected = match words::closest(name, &known) {
        Some(close) => format!("`{close}`, perhaps"),
        None => format!("one of {}", known.join(", ")),
    };
    Violation::new(child(at, name), "is not a known field", expected)
}

/// The subschema of the field at `pointer`, before its `$ref`.
fn place(pointer: &str) -> Option<&'static Value> {
    steps(pointer).try_fold(&*SCHEMA, |schema, step| {
        let schema = target(schema).unwrap_or(schema);
        if step.bytes().all(|byte| byte.is_ascii_digit()) && schema.get("items").is_some() {
            return schema.get("items");
        }
        schema.get("properties")?.get(&step)
    })
}

/// Where a `$ref` within the schema leads.
fn target(schema: &Value) -> Option<&'static Value> {
    SCHEMA.pointer(schema.get("$ref")?.as_str()?.strip_prefix('#')?)
}

#[cfg(test)]
mod tests;
