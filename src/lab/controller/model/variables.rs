//! Variables as the controller reads and writes them: objects, JSON text or YAML text in, Python's JSON
//! text out. Of YAML only flat mappings of scalars and flow values are read; that is all a client sends.

use serde::Serialize;
use serde_json::ser::Formatter;
use serde_json::{Map, Value};

/// `value` as Python's `json.dumps` writes it: `", "` and `": "` between parts, ASCII only.
#[must_use]
pub fn python_json(value: &Value) -> String {
    let mut out = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, PythonFormatter);
    value.serialize(&mut serializer).expect("a JSON value writes into memory");
    String::from_utf8(out).expect("the formatter writes ASCII")
}

/// Like [`python_json`], for an object.
#[must_use]
pub fn python_json_object(map: &Map<String, Value>) -> String {
    python_json(&Value::Object(map.clone()))
}

struct PythonFormatter;

impl Formatter for PythonFormatter {
    fn begin_array_value<W: ?Sized + std::io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }
    fn begin_object_key<W: ?Sized + std::io::Write>(
        &mut self,
        w: &mut W,
        first: bool,
    ) -> std::io::Result<()> {
        if first { Ok(()) } else { w.write_all(b", ") }
    }
    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, w: &mut W) -> std::io::Result<()> {
        w.write_all(b": ")
    }
    fn write_string_fragment<W: ?Sized + std::io::Write>(
        &mut self,
        w: &mut W,
        fragment: &str,
    ) -> std::io::Result<()> {
        // Nearly everything is ASCII, and callbacks are many: this is the hottest loop of a simulated life.
        if fragment.is_ascii() {
            return w.write_all(fragment.as_bytes());
        }
        for c in fragment.chars() {
            if c.is_ascii() {
                w.write_all(&[c as u8])?;
            } else {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    write!(w, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }
}

/// `extra_vars` of a launch: an object, or JSON or YAML text of one. Absent, null and blank are empty.
///
/// # Errors
/// The controller's own text for what is neither.
pub fn parse_extra_vars(value: Option<&Value>) -> Result<Map<String, Value>, String> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(Value::String(text)) => parse_text(text),
        Some(Value::Array(_)) => Err(cannot_parse(
            "the JSON object must be str, bytes or bytearray, not list",
            "'list' object has no attribute 'read'",
        )),
        Some(Value::Number(_) | Value::Bool(_)) => Err(cannot_parse(
            "the JSON object must be str, bytes or bytearray, not int",
            "'int' object has no attribute 'read'",
        )),
    }
}

/// Variables given as text: JSON or YAML, and a mapping.
///
/// # Errors
/// The controller's own text for what is neither.
pub fn parse_text(text: &str) -> Result<Map<String, Value>, String> {
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let json_error = match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(map)) => return Ok(map),
        Ok(Value::Array(_)) => "Input type `list` is not a dictionary".to_owned(),
        Ok(_) => "Input type `str` is not a dictionary".to_owned(),
        Err(error) => error.to_string(),
    };
    parse_flat_yaml(text).ok_or_else(|| cannot_parse(&json_error, "not a mapping the lab can read"))
}

fn cannot_parse(json_error: &str, yaml_error: &str) -> String {
    format!("Cannot parse as JSON (error: {json_error}) or YAML (error: {yaml_error}).")
}

fn parse_flat_yaml(text: &str) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    for line in text.lines() {
        let line = line.trim_end();
        if line.is_empty() || line == "---" || line == "..." || line.trim_start().starts_with('#') {
            continue;
        }
        let (key, value) = line.split_once(':')?;
        let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
        if !plain || !(value.is_empty() || value.starts_with(' ')) {
            return None;
        }
        map.insert(key.to_owned(), yaml_scalar(value.trim()));
    }
    (!map.is_empty()).then_some(map)
}

fn yaml_scalar(text: &str) -> Value {
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" | "True" | "yes" => return Value::Bool(true),
        "false" | "False" | "no" => return Value::Bool(false),
        _ => {}
    }
    let unquoted = text.strip_prefix('\'').and_then(|t| t.strip_suffix('\''));
    match unquoted {
        Some(inner) => Value::String(inner.replace("''", "'")),
        None => serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn json_is_written_as_python_writes_it() {
        let value = json!({"a": [1, {"b": null}], "k": "ü"});
        assert_eq!(python_json(&value), r#"{"a": [1, {"b": null}], "k": "\u00fc"}"#);
    }

    #[test]
    fn variables_are_read_from_objects_json_and_yaml() {
        let expected = json!({"a": 1, "list": [1, 2], "s": "x y"});
        for given in
            [expected.clone(), json!(expected.to_string()), json!("---\na: 1\nlist: [1, 2]\ns: x y\n")]
        {
            assert_eq!(Value::Object(parse_extra_vars(Some(&given)).unwrap()), expected, "{given}");
        }
        assert!(parse_extra_vars(Some(&json!([1, 2]))).unwrap_err().contains("not list"));
        assert!(parse_text("{{{: [").unwrap_err().starts_with("Cannot parse as JSON (error: "));
    }
}
