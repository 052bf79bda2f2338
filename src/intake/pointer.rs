//! JSON pointers (RFC 6901), as configuration names places in a body and violations name fields.

use serde_json::Value;

/// The longest field name that is repeated in a pointer; a longer one is cut.
const NAME_CHARS_MAX: usize = 80;

/// `parent` and one step down to `name`.
#[must_use]
pub fn child(parent: &str, name: &str) -> String {
    let cut: String = name.chars().take(NAME_CHARS_MAX).collect();
    format!("{parent}/{}", cut.replace('~', "~0").replace('/', "~1"))
}

/// The steps of a pointer, unescaped.
pub fn steps(pointer: &str) -> impl Iterator<Item = String> {
    pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~"))
}

/// Whether `pointer` is one: empty, or parts that each begin with `/`.
#[must_use]
pub fn is_pointer(pointer: &str) -> bool {
    pointer.is_empty() || pointer.starts_with('/')
}

/// The text or whole number that `value` is, as text; `None` when it is neither, or blank.
#[must_use]
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => None,
    }
}
