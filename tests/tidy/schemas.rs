//! The schemas: valid JSON Schema 2020-12, named and described, each with an example that satisfies it.

use serde_json::Value;

use super::finding::Finding;
use super::tree::Tree;

const FOLDER: &str = "schemas";
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Everything that is wrong with the schemas and their examples. An example belongs to the schema whose name without
/// version its own begins with: `vm-request.lean.json` to `vm-request.v1.schema.json`.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut stems = Vec::new();
    for name in tree.names_in(FOLDER) {
        let path = format!("{FOLDER}/{name}");
        let Some(stem) = name.strip_suffix(".schema.json").and_then(without_version) else {
            found.push(Finding::new(
                path,
                "is not named NAME.vN.schema.json",
                "rename it, or move it elsewhere",
            ));
            continue;
        };
        stems.push(stem);
        match parsed(tree, &path) {
            Ok(schema) => found.extend(schema_findings(tree, name, stem, &schema)),
            Err(finding) => found.push(finding),
        }
    }
    for example in examples(tree) {
        if !stems.iter().any(|stem| belongs(example, stem)) {
            let path = format!("{FOLDER}/examples/{example}");
            found.push(Finding::new(
                path,
                "belongs to no schema",
                "name it after one: NAME.json or NAME.CASE.json",
            ));
        }
    }
    found
}

fn schema_findings(tree: &Tree, name: &str, stem: &str, schema: &Value) -> Vec<Finding> {
    let path = format!("{FOLDER}/{name}");
    let mut found = Vec::new();
    let mut say = |what: String, instead: &str| found.push(Finding::new(path.as_str(), what, instead));
    let text = |key: &str| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    if text("$schema") != DIALECT {
        say("its $schema is not 2020-12".into(), DIALECT);
    }
    if !text("$id").ends_with(&format!("/{name}")) {
        say(format!("its $id is '{}'", text("$id")), "an $id that ends with the file's name");
    }
    for key in ["title", "description"] {
        if text(key).is_empty() {
            say(format!("it has no {key}"), "say in a sentence what the document is and who writes it");
        }
    }
    if let Err(error) = jsonschema::meta::validate(schema) {
        say(format!("it is no valid schema: {error}"), "mend it");
        return found;
    }
    let validator = match jsonschema::options().should_validate_formats(true).build(schema) {
        Ok(validator) => validator,
        Err(error) => {
            say(format!("it does not compile: {error}"), "mend it");
            return found;
        }
    };
    let mine: Vec<&str> = examples(tree).into_iter().filter(|example| belongs(example, stem)).collect();
    if mine.is_empty() {
        say("it has no example".into(), &format!("add schemas/examples/{stem}.json"));
    }
    for example in mine {
        let path = format!("{FOLDER}/examples/{example}");
        match parsed(tree, &path) {
            Ok(value) => found.extend(validator.iter_errors(&value).map(|error| {
                let what = format!("at '{}': {error}", error.instance_path());
                Finding::new(path.as_str(), what, format!("satisfy {name}"))
            })),
            Err(finding) => found.push(finding),
        }
    }
    found
}

fn without_version(stem: &str) -> Option<&str> {
    let (name, version) = stem.rsplit_once(".v")?;
    (!name.is_empty() && version.parse::<u32>().is_ok()).then_some(name)
}

fn examples(tree: &Tree) -> Vec<&str> {
    tree.names_in("schemas/examples")
}

fn belongs(example: &str, stem: &str) -> bool {
    example.strip_prefix(stem).is_some_and(|rest| rest.starts_with('.'))
}

fn parsed(tree: &Tree, path: &str) -> Result<Value, Finding> {
    serde_json::from_str(tree.text(path).unwrap_or_default())
        .map_err(|error| Finding::new(path, format!("is not JSON: {error}"), "mend it"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_none, assert_one};
    use super::*;

    const GOOD: &str = r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://x.dev/a.v1.schema.json",
        "title":"A","description":"An a.","type":"object","required":["n"],"properties":{"n":{"type":"integer"}}}"#;

    fn with(schema: &str, examples: &[(&str, &str)]) -> Vec<Finding> {
        let mut files = vec![("schemas/a.v1.schema.json", schema)];
        files.extend_from_slice(examples);
        check(&Tree::of(&files))
    }

    #[test]
    fn a_good_schema_with_an_example_is_no_finding() {
        assert_none(&with(
            GOOD,
            &[("schemas/examples/a.json", r#"{"n":1}"#), ("schemas/examples/a.b.json", r#"{"n":2}"#)],
        ));
    }

    #[test]
    fn what_is_wrong_with_a_schema_is_found() {
        let example = [("schemas/examples/a.json", r#"{"n":1}"#)];
        assert_one(&with(&GOOD.replace("2020-12", "2019-09"), &example), "not 2020-12");
        assert_one(&with(&GOOD.replace("a.v1.schema", "b.v1.schema"), &example), "its $id");
        assert_one(&with(&GOOD.replace("An a.", ""), &example), "no description");
        assert_one(&with(&GOOD.replace(r#""integer""#, r#""whole""#), &example), "no valid schema");
        assert_one(&with("{", &[]), "is not JSON");
        assert_one(&check(&Tree::of(&[("schemas/a.json", "{}")])), "NAME.vN.schema.json");
    }

    #[test]
    fn what_is_wrong_with_examples_is_found() {
        assert_one(&with(GOOD, &[]), "no example");
        assert_one(&with(GOOD, &[("schemas/examples/a.json", r#"{"n":"1"}"#)]), "at '/n'");
        let stray = [("schemas/examples/a.json", r#"{"n":1}"#), ("schemas/examples/ab.json", "{}")];
        assert_one(&with(GOOD, &stray), "belongs to no schema");
    }
}
