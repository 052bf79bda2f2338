//! From TOML to the sections, part by part, so that everything wrong is told at once and with its place. What a field
//! holds is never repeated: it may be a secret in the wrong place.

use serde::de::DeserializeOwned;
use toml::Value;

use super::sections::Config;
use crate::vm_request::violation::{Violation, token};

const EXAMPLE: &str = "as in deploy/causeway.example.toml";

/// Reads the whole configuration. `brought_in` are the texts that references brought in: none of them is ever shown.
pub(super) fn read(value: Value, brought_in: &[String]) -> Result<Config, Vec<Violation>> {
    let mut parts = Parts { found: Vec::new(), brought_in };
    parts.one(&value, &["http"], |config| &config.http);
    parts.one(&value, &["journal"], |config| &config.journal);
    parts.one(&value, &["policy"], |config| &config.policy);
    parts.one(&value, &["watch"], |config| &config.watch);
    parts.each(&value, &["api_tokens"], |config| &config.api_tokens);
    parts.each(&value, &["sources"], |config| &config.sources);
    parts.each(&value, &["controllers"], |config| &config.controllers);
    parts.each(&value, &["vcenters"], |config| &config.vcenters);
    parts.each(&value, &["catalog", "images"], |config| &config.catalog.images);
    parts.named(&value, &["catalog", "environments"], |config| config.catalog.environments.values());
    parts.named(&value, &["catalog", "sizes"], |config| config.catalog.sizes.values());
    parts.the_rest(value)
}

struct Parts<'a> {
    found: Vec<Violation>,
    brought_in: &'a [String],
}

impl Parts<'_> {
    /// A table. The getter only says of which type it is.
    fn one<T: DeserializeOwned>(&mut self, root: &Value, path: &[&str], _: fn(&Config) -> &T) {
        if let Some(part) = at(root, path) {
            self.probe::<T>(part, &pointer(path));
        }
    }

    /// The tables of an array.
    fn each<T: DeserializeOwned>(&mut self, root: &Value, path: &[&str], _: fn(&Config) -> &Vec<T>) {
        let items = at(root, path).and_then(Value::as_array).into_iter().flatten();
        for (index, item) in items.enumerate() {
            self.probe::<T>(item, &format!("{}/{index}", pointer(path)));
        }
    }

    /// The tables of a table.
    fn named<T: DeserializeOwned>(
        &mut self,
        root: &Value,
        path: &[&str],
        _: fn(&Config) -> std::collections::btree_map::Values<'_, String, T>,
    ) {
        let items = at(root, path).and_then(Value::as_table).into_iter().flatten();
        for (name, item) in items {
            self.probe::<T>(item, &format!("{}/{}", pointer(path), token(name)));
        }
    }

    fn probe<T: DeserializeOwned>(&mut self, part: &Value, pointer: &str) {
        if let Err(error) = part.clone().try_into::<T>() {
            self.found.push(violation(&error, pointer, self.brought_in));
        }
    }

    /// The whole: what is wrong outside the parts, or in a part that no probe knows.
    fn the_rest(mut self, value: Value) -> Result<Config, Vec<Violation>> {
        match value.try_into::<Config>() {
            Ok(config) if self.found.is_empty() => return Ok(config),
            Ok(_) => {}
            Err(error) => {
                let whole = violation(&error, "", self.brought_in);
                // The probes have told it already, with the number in its array.
                if self.found.is_empty() || whole.pointer.matches('/').count() <= 1 {
                    self.found.push(whole);
                }
            }
        }
        Err(self.found)
    }
}

fn at<'v>(root: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(root, |value, name| value.get(name))
}

fn pointer(path: &[&str]) -> String {
    path.iter().map(|name| format!("/{name}")).collect()
}

/// The error's place and meaning without the value it is about.
fn violation(error: &toml::de::Error, pointer: &str, brought_in: &[String]) -> Violation {
    let said = error.to_string();
    let keys = said.lines().last().and_then(|line| line.strip_prefix("in `")?.strip_suffix('`'));
    let keys = keys.into_iter().flat_map(|keys| keys.split('.'));
    let place = keys.fold(pointer.to_owned(), |place, key| format!("{place}/{}", token(key)));
    let (place, detail, expected) = meaning(error.message(), place);
    let shown =
        |text: &str| brought_in.iter().any(|secret| secret.len() > 3 && text.contains(secret.as_str()));
    let detail = if shown(&detail) { "cannot be used".to_owned() } else { detail };
    let expected = if shown(&expected) { EXAMPLE.to_owned() } else { expected };
    Violation::new(place, detail, expected)
}

/// serde's sentences (`serde::de::Error`), told as place, fault and what would be right.
fn meaning(message: &str, place: String) -> (String, String, String) {
    let quoted = |rest: &str| rest.split('`').next().unwrap_or_default().to_owned();
    let expected = |text: &str| text.rsplit_once(", expected ").map_or(EXAMPLE, |(_, rest)| rest).to_owned();
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let place = format!("{place}/{}", token(&quoted(rest)));
        // The list of known fields follows the name; the name itself could hold anything.
        return (place, "is not a known field".to_owned(), expected(rest));
    }
    if let Some(rest) = message.strip_prefix("missing field `") {
        let place = format!("{place}/{}", token(&quoted(rest)));
        return (place, "is missing".to_owned(), EXAMPLE.to_owned());
    }
    if let Some(rest) = message.strip_prefix("unknown variant `") {
        return (place, "is not a word that can stand here".to_owned(), expected(rest));
    }
    let unfit = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some(rest) = unfit {
        let kind = rest.split(['"', '`', ',']).next().unwrap_or_default().trim();
        return (place, format!("cannot be this {kind}"), expected(rest));
    }
    (place, message.trim().to_owned(), EXAMPLE.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sentence_repeats_the_value() {
        let cases = [
            ("invalid type: string \"hunter2, expected x\", expected a sequence", "a sequence"),
            ("invalid type: integer `4711`, expected a string", "a string"),
            (
                "invalid value: string \"hunter2\", expected relative URL without a base",
                "relative URL without a base",
            ),
            ("unknown variant `hunter2`, expected one of `bearer`, `basic`", "one of `bearer`, `basic`"),
        ];
        for (message, right) in cases {
            let (place, detail, expected) = meaning(message, "/here".to_owned());
            let all = format!("{place} {detail} {expected}");
            assert!(!all.contains("hunter2") && !all.contains("4711"), "{all}");
            assert_eq!(expected, right);
        }
    }

    #[test]
    fn a_field_is_named_where_it_stands() {
        let place = |message| meaning(message, "/controllers/1".to_owned()).0;
        assert_eq!(place("unknown field `tokn`, expected one of `name`, `token`"), "/controllers/1/tokn");
        assert_eq!(place("missing field `token`"), "/controllers/1/token");
    }
}
