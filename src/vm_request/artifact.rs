//! The standard artifacts (version 2.0): found in what a job left behind, checked against
//! `schemas/artifact.v2.schema.json`, against the execution and stage that they must belong to, and for secrets.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ids::RequestId;
use super::stage::Stage;
use super::violation::{Violation, token};

const SCHEMA: &str = include_str!("../../schemas/artifact.v2.schema.json");

/// What a stage left behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageOutput {
    pub task: Task,
    /// What the stage has to tell.
    pub data: Map<String, Value>,
}

/// The artifact's account of its task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub name: String,
    pub status: TaskStatus,
    /// Seconds.
    pub duration: f64,
    pub retry_count: u64,
}

/// How a task says that it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskStatus {
    Running,
    Successful,
    Failed,
    Skipped,
}

/// Why a job's artifacts do not tell how its stage went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactProblem {
    /// No artifact has the stage's key. A job that was killed leaves none either (CONTRACT.md §7).
    Missing {
        key: String,
    },
    /// There is one, but of another execution or another stage.
    Foreign {
        note: String,
    },
    Invalid {
        violations: Vec<Violation>,
    },
    /// A value stands under a name that means a secret.
    Secret {
        pointer: String,
    },
}

/// The `set_stats` key of a stage's artifact.
#[must_use]
pub fn key(id: &RequestId, stage: Stage) -> String {
    format!("output_{id}_{stage}")
}

/// Finds and checks the artifact of `stage` in what its job left behind.
///
/// # Errors
/// [`ArtifactProblem`] says why there is no usable one.
pub fn parse(
    id: &RequestId,
    stage: Stage,
    artifacts: &Map<String, Value>,
) -> Result<StageOutput, ArtifactProblem> {
    let key = key(id, stage);
    let Some(artifact) = artifacts.get(&key) else {
        let other = artifacts.keys().find(|name| name.starts_with("output_") && name.ends_with(stage.name()));
        return Err(match other {
            Some(name) => ArtifactProblem::Foreign { note: format!("found {name} where {key} was expected") },
            None => ArtifactProblem::Missing { key },
        });
    };
    if let Some(pointer) = secret_in(artifact, "") {
        return Err(ArtifactProblem::Secret { pointer });
    }
    let violations: Vec<Violation> = validator()
        .iter_errors(artifact)
        .map(|error| Violation::new(error.instance_path().to_string(), error.to_string(), ""))
        .collect();
    if !violations.is_empty() {
        return Err(ArtifactProblem::Invalid { violations });
    }
    let at = |pointer: &str| artifact.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if at("/metadata/execution_id") != id.as_str() || at("/task/name") != stage.name() {
        let note = format!("{key} says it belongs to {} {}", at("/metadata/execution_id"), at("/task/name"));
        return Err(ArtifactProblem::Foreign { note });
    }
    StageOutput::deserialize(artifact).map_err(|error| ArtifactProblem::Invalid {
        violations: vec![Violation::new("", error.to_string(), "")],
    })
}

/// The pointer of the first value that stands under a name that means a secret and is not masked.
#[must_use]
pub fn secret_in(value: &Value, at: &str) -> Option<String> {
    match value {
        Value::Object(map) => map.iter().find_map(|(name, inner)| {
            let pointer = format!("{at}/{}", token(name));
            if means_secret(name) && !is_masked(inner) { Some(pointer) } else { secret_in(inner, &pointer) }
        }),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, inner)| secret_in(inner, &format!("{at}/{index}")))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn means_secret(name: &str) -> bool {
    const WORDS: [&str; 8] =
        ["password", "passwd", "secret", "token", "private_key", "api_key", "apikey", "credential"];
    let name = name.to_lowercase();
    WORDS.iter().any(|word| name.contains(word))
}

/// Empty, switched off, or what AWX and Ansible show instead of a secret.
fn is_masked(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(_) => true,
        Value::String(text) => {
            text.is_empty()
                || text == "$encrypted$"
                || text.starts_with("VALUE_SPECIFIED_IN_NO_LOG")
                || text == "********"
        }
        Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let schema: Value =
            serde_json::from_str(SCHEMA).expect("the embedded schema is JSON: a test reads it");
        jsonschema::validator_for(&schema).expect("the embedded schema is valid: a test compiles it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../schemas/examples/artifact.vm_provision.json");

    fn example() -> (RequestId, Map<String, Value>) {
        let id: RequestId = "req_01m7yhx300000000000000001a".parse().unwrap();
        let value: Value = serde_json::from_str(EXAMPLE).unwrap();
        (id.clone(), Map::from_iter([(key(&id, Stage::VmProvision), value)]))
    }

    fn changed(change: impl FnOnce(&mut Value)) -> Result<StageOutput, ArtifactProblem> {
        let (id, mut artifacts) = example();
        change(artifacts.get_mut(&key(&id, Stage::VmProvision)).unwrap());
        parse(&id, Stage::VmProvision, &artifacts)
    }

    #[test]
    fn the_example_is_understood() {
        let output = changed(|_| ()).unwrap();
        assert_eq!(output.task.status, TaskStatus::Successful);
        assert_eq!(output.data["vm_moid"], "vm-199");
    }

    #[test]
    fn a_missing_artifact_is_told_from_a_foreign_one() {
        let (id, artifacts) = example();
        assert!(matches!(parse(&id, Stage::Validation, &artifacts), Err(ArtifactProblem::Missing { .. })));
        let other = RequestId::from_parts("2026-11-21T08:00:00Z".parse().unwrap(), 7);
        assert!(matches!(
            parse(&other, Stage::VmProvision, &artifacts),
            Err(ArtifactProblem::Foreign { .. })
        ));
        let moved = changed(|artifact| artifact["task"]["name"] = "validation".into());
        assert!(matches!(moved, Err(ArtifactProblem::Foreign { .. })), "{moved:?}");
    }

    #[test]
    fn an_added_up_number_or_text_is_invalid() {
        // set_stats with aggregate: true concatenates strings and adds numbers (CONTRACT.md §7).
        let doubled = changed(|artifact| artifact["metadata"]["version"] = "2.02.0".into());
        let Err(ArtifactProblem::Invalid { violations }) = doubled else { panic!("{doubled:?}") };
        assert_eq!(violations[0].pointer, "/metadata/version");
    }

    #[test]
    fn a_secret_is_found_wherever_it_stands_and_a_masked_one_is_not() {
        let found = changed(|artifact| {
            artifact["data"]["guest"] = serde_json::json!([{"admin_password": "hunter2"}])
        });
        assert_eq!(found, Err(ArtifactProblem::Secret { pointer: "/data/guest/0/admin_password".into() }));
        assert!(changed(|artifact| artifact["data"]["admin_password"] = "$encrypted$".into()).is_ok());
    }
}
