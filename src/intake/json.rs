//! Strict JSON: what two readers could understand differently is refused.
//!
//! A name that stands twice in one object is refused (RFC 8259 §4 leaves open which one counts, so a signed body could
//! mean one thing to the sender's proxy and another to us), and so is nesting deeper than [`DEPTH_MAX`]. Sizes are
//! limited before, by whoever reads the body.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Number, Value};

use crate::vm_request::violation::Violation;

/// The deepest nesting of objects and arrays.
pub const DEPTH_MAX: usize = 32;

/// Reads `body` as one JSON document.
///
/// # Errors
/// One violation for the whole document, which names line and column and repeats nothing of the body.
pub fn parse(body: &[u8]) -> Result<Value, Violation> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = Node { depth: 0 }.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| refused(&error))
}

fn refused(error: &serde_json::Error) -> Violation {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let what = [TWICE, TOO_DEEP].into_iter().find(|what| text.starts_with(what));
    let what = what.unwrap_or(match error.classify() {
        Category::Eof => "is not JSON: it ends too early",
        Category::Io | Category::Syntax | Category::Data => "is not JSON",
    });
    Violation::new(
        "",
        format!("{what} (line {line}, column {column})"),
        "one JSON document (RFC 8259) in UTF-8",
    )
}

const TWICE: &str = "holds an object with the same name twice";
const TOO_DEEP: &str = "is nested too deeply";

struct Node {
    depth: usize,
}

impl Node {
    fn below<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth == DEPTH_MAX { Err(E::custom(TOO_DEEP)) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.below()?)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(self.below()?)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_json_reads_as_serde_json_reads_it() {
        let text = r#"{"a":[1,-2,3.5,true,null,"x\u00e9"],"b":{"c":18446744073709551615}}"#;
        assert_eq!(parse(text.as_bytes()).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn what_is_not_is_refused_with_its_place_and_without_its_words() {
        let deep = "[".repeat(DEPTH_MAX + 2);
        for (body, words) in [
            ("", "ends too early (line 1, column 0)"),
            ("{\n\"a\": hunter2}", "is not JSON (line 2"),
            ("{} {}", "is not JSON (line 1, column 4)"),
            (r#"{"vm_name":"a","vm_name":"b"}"#, "same name twice"),
            (&deep, "nested too deeply"),
            ("{\"a\":1e999}", "is not JSON"),
        ] {
            let violation = parse(body.as_bytes()).unwrap_err();
            assert!(violation.detail.contains(words), "{body}: {violation}");
            assert!(!violation.to_string().contains("hunter2"));
        }
        assert!(parse(b"{\"a\":\"\xff\"}").is_err());
        assert!(parse(format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)).as_bytes()).is_ok());
    }
}
