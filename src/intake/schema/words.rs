//! What would be right, in words, read out of the schema itself.

use serde_json::Value;

use super::target;

/// What the field of this subschema may be, e.g. `a whole number from 1 to 768`.
pub(super) fn describe(schema: Option<&'static Value>) -> String {
    let Some(outer) = schema else { return String::new() };
    let inner = target(outer).unwrap_or(outer);
    let get = |name: &str| inner.get(name).or_else(|| outer.get(name));
    if let Some(choices) = get("enum").and_then(Value::as_array) {
        let names: Vec<String> = choices.iter().map(|choice| format!("`{}`", plain(choice))).collect();
        return alternatives(&names);
    }
    let shape = match get("type").and_then(Value::as_str) {
        Some("integer") => format!("a whole number{}", range(inner, "minimum", "maximum", "")),
        Some("string") => format!("a string{}", range(inner, "minLength", "maxLength", " characters")),
        Some("boolean") => "true or false".to_owned(),
        Some("array") => format!("an array{}", range(inner, "minItems", "maxItems", " entries")),
        Some("object") => "an object".to_owned(),
        _ => "another value".to_owned(),
    };
    let mut text = shape;
    if let Some(step) = get("multipleOf") {
        text.push_str(&format!(", a multiple of {step}"));
    }
    let said = |schema: &Value| {
        let text = schema.get("description").and_then(Value::as_str)?;
        Some(text.trim_end_matches('.').to_owned())
    };
    let mut descriptions: Vec<String> = [outer, inner].into_iter().filter_map(said).collect();
    descriptions.dedup();
    if !descriptions.is_empty() {
        text.push_str(&format!(": {}", descriptions.join(". ")));
    }
    if let Some(pattern) = get("pattern").and_then(Value::as_str) {
        text.push_str(&format!(" (`{pattern}`)"));
    }
    text
}

/// What a value is, without the value.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a number with a fraction",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The known name that `name` was probably meant to be.
pub(super) fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    if name.len() > 64 {
        return None;
    }
    let name = name.to_lowercase().replace('-', "_");
    let with_prefix = format!("vm_{name}");
    let distances = known.iter().map(|known| {
        let distance = distance(&name, known).min(distance(&with_prefix, known));
        (distance, *known)
    });
    distances.filter(|(distance, known)| *distance <= known.len() / 3).min().map(|(_, known)| known)
}

/// `a, b or c`.
fn alternatives(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}

fn range(schema: &Value, low: &str, high: &str, unit: &str) -> String {
    match (schema.get(low), schema.get(high)) {
        (Some(low), Some(high)) => format!(" from {low} to {high}{unit}"),
        (Some(low), None) => format!(" of at least {low}{unit}"),
        (None, Some(high)) => format!(" of at most {high}{unit}"),
        (None, None) => String::new(),
    }
}

fn plain(choice: &Value) -> String {
    choice.as_str().map_or_else(|| choice.to_string(), str::to_owned)
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
