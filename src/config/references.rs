//! Values that stand elsewhere: `{ env = "NAME" }` and `{ file = "PATH" }` are replaced by what they name before the
//! configuration is read.

use std::path::Path;

use toml::Value;

use crate::vm_request::violation::{Violation, token};

/// The longest text that a reference may bring in.
const TEXT_BYTES_MAX: u64 = 64 * 1024;

/// Replaces every reference below `value`; what cannot be resolved is told in `found`. Relative files are taken from
/// `base`. `env` looks a variable up. Returns the texts that were brought in: some of them are secrets.
pub(super) fn resolve(
    value: &mut Value,
    base: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    found: &mut Vec<Violation>,
) -> Vec<String> {
    let mut resolver = Resolver { base, env, found, brought_in: Vec::new() };
    resolver.visit(value, "");
    resolver.brought_in
}

struct Resolver<'a> {
    base: &'a Path,
    env: &'a dyn Fn(&str) -> Option<String>,
    found: &'a mut Vec<Violation>,
    brought_in: Vec<String>,
}

impl Resolver<'_> {
    fn visit(&mut self, value: &mut Value, at: &str) {
        if let Some(resolved) = reference(value, self.base, self.env) {
            match resolved {
                Ok(text) => {
                    self.brought_in.push(text.clone());
                    *value = Value::String(text);
                }
                Err((detail, expected)) => self.found.push(Violation::new(at, detail, expected)),
            }
            return;
        }
        match value {
            Value::Table(table) => {
                for (name, inner) in table.iter_mut() {
                    self.visit(inner, &format!("{at}/{}", token(name)));
                }
            }
            Value::Array(items) => {
                for (index, inner) in items.iter_mut().enumerate() {
                    self.visit(inner, &format!("{at}/{index}"));
                }
            }
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_) => {}
        }
    }
}

type Resolved = Result<String, (String, String)>;

fn reference(value: &Value, base: &Path, env: &dyn Fn(&str) -> Option<String>) -> Option<Resolved> {
    let table = value.as_table().filter(|table| table.len() == 1)?;
    if let Some(name) = table.get("env").and_then(Value::as_str) {
        let missing =
            || (format!("environment variable {name} is not set"), "a variable that is set".to_owned());
        return Some(env(name).filter(|text| !text.is_empty()).ok_or_else(missing));
    }
    let file = table.get("file").and_then(Value::as_str)?;
    Some(read(&base.join(file)))
}

/// The file's text without the line break that editors put at its end.
fn read(path: &Path) -> Resolved {
    let wrong = |why: String| (format!("file {} {why}", path.display()), "a readable text file".to_owned());
    let size = std::fs::metadata(path).map_err(|error| wrong(format!("cannot be read: {error}")))?.len();
    if size > TEXT_BYTES_MAX {
        return Err(wrong(format!("has {size} bytes, more than {TEXT_BYTES_MAX}")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let text = text.trim_end_matches(['\r', '\n']).to_owned();
    if text.is_empty() { Err(wrong("is empty".to_owned())) } else { Ok(text) }
}
