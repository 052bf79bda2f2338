//! The jobs that a run's nodes started: their artifacts (which a workflow job itself does not have, MEASURED 11) and
//! the reasons of their failures (which stand in no field of a job, only in its events, MEASURED 16).

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::answer::cut;
use super::client::Controller;
use super::errors::ReadError;
use super::runs::RunStatus;
use super::wire;

/// Rows of jobs carry artifacts of any size, so their pages are small.
const JOBS_PAGE_SIZE: usize = 50;
/// How many failures of one job are read: the last ones, which made it stop.
const FAILURES_MAX: usize = 20;
/// How much of a failure's message is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;
/// How much of a traceback is kept, in bytes.
const TRACEBACK_BYTES_MAX: usize = 2_048;

/// What a job left with `set_stats`: its own only, not those of the nodes before it (MEASURED 11).
#[derive(Debug, Clone, PartialEq)]
pub enum Artifacts {
    /// None: it set none, or was killed before they arrived; the two look alike (CONTRACT.md §7).
    None,
    /// The controller hides them because of `no_log`.
    Hidden,
    /// At least one key. To be treated as clear text.
    Object(Map<String, Value>),
}

/// A job of a run, as far as the bridge needs it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// Its id; a node's `job`.
    pub id: i64,
    /// The run it belongs to; `None` when the run was deleted or the job stands alone.
    pub workflow_job: Option<i64>,
    /// Its name, the job template's.
    pub name: String,
    /// Its status. When [`JobReport::job_explanation`] says "so it has been marked as failed", it may still change.
    pub status: RunStatus,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// What it left.
    pub artifacts: Artifacts,
    /// What the scheduler says; empty for a failure inside Ansible.
    pub job_explanation: String,
    /// The first 2 KiB of the traceback of an infrastructure fault. Only [`Controller::job`] reads it; in a list it is
    /// always `None`.
    pub result_traceback: Option<String>,
}

/// One failed task on one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureReason {
    /// The host.
    pub host: String,
    /// The task's name.
    pub task: String,
    /// The role it stands in.
    pub role: Option<String>,
    /// The play it stands in.
    pub play: Option<String>,
    /// What it said; `(no message)` when it said nothing, and the controller's notice when `no_log` hides it.
    pub msg: String,
    /// The host could not be reached.
    pub unreachable: bool,
}

impl Controller {
    /// The jobs of these runs with their artifacts, in order of their ids. Jobs that the account may not read are
    /// not in the list, without a word (MEASURED 17): compare with the nodes.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn jobs_of(&self, workflow_jobs: &[i64]) -> Result<Vec<JobReport>, ReadError> {
        const JOBS: &str = "jobs/";
        let filter = "unified_job_node__workflow_job__in";
        let rows = self.rows_of::<wire::JobRow>(JOBS, filter, workflow_jobs, JOBS_PAGE_SIZE).await?;
        let stranger = |row: &wire::JobRow| {
            let source = row.summary_fields.source_workflow_job.as_ref();
            source.is_none_or(|run| !workflow_jobs.contains(&run.id))
        };
        if rows.iter().any(stranger) {
            return Err(super::paging::ignored_filter(JOBS, filter));
        }
        rows.into_iter().map(|row| report(row, JOBS)).collect()
    }

    /// One job, with its traceback; `None` when the controller knows none of that id.
    ///
    /// # Errors
    /// [`ReadError::Forbidden`] without read on its job template, and the usual ones.
    pub async fn job(&self, id: i64) -> Result<Option<JobReport>, ReadError> {
        let path = format!("jobs/{id}/");
        match self.get::<wire::JobRow>(&path, &[], self.deadline()).await {
            Ok(row) => report(row, &path).map(Some),
            Err(ReadError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Why a job failed: its last 20 failed or unreachable results in the order in which they happened, without
    /// those that the playbook ignores. Events may lag behind the job's status by a second.
    ///
    /// # Errors
    /// [`ReadError::Forbidden`] without read on its job template, and the usual ones.
    pub async fn failure_reasons(&self, job: i64) -> Result<Vec<FailureReason>, ReadError> {
        let query = [
            ("event__in", "runner_on_failed,runner_on_unreachable".to_owned()),
            ("order_by", "-counter".to_owned()),
            ("page_size", FAILURES_MAX.to_string()),
        ];
        let path = format!("jobs/{job}/job_events/");
        let page: wire::Page<wire::EventRow> = self.get(&path, &query, self.deadline()).await?;
        let rows = page.results.into_iter().rev();
        Ok(rows.filter(|row| row.event_data.ignore_errors != Some(true)).map(reason).collect())
    }
}

fn report(row: wire::JobRow, path: &str) -> Result<JobReport, ReadError> {
    let artifacts = match row.artifacts {
        Value::Null => Artifacts::None,
        Value::Object(map) if map.is_empty() => Artifacts::None,
        Value::Object(map) => Artifacts::Object(map),
        Value::String(_) => Artifacts::Hidden,
        Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            let why = format!("artifacts of job {} are no object", row.id);
            return Err(ReadError::Contract { path: path.to_owned(), why });
        }
    };
    Ok(JobReport {
        id: row.id,
        workflow_job: row.summary_fields.source_workflow_job.map(|run| run.id),
        name: row.name,
        status: RunStatus::of(row.status),
        finished: row.finished,
        artifacts,
        job_explanation: row.job_explanation.unwrap_or_default(),
        result_traceback: row.result_traceback.filter(|text| !text.is_empty()).map(first_bytes),
    })
}

fn first_bytes(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TRACEBACK_BYTES_MAX));
    text
}

fn reason(row: wire::EventRow) -> FailureReason {
    let data = row.event_data;
    let host = row.host_name.filter(|name| !name.is_empty()).or(data.host);
    FailureReason {
        host: host.unwrap_or_default(),
        task: data.task.unwrap_or_default(),
        role: data.role.filter(|name| !name.is_empty()),
        play: data.play.filter(|name| !name.is_empty()),
        msg: cut(&message(&data.res), MESSAGE_CHARS_MAX),
        unreachable: row.event == "runner_on_unreachable",
    }
}

/// What a result says: its message, with the output that explains it where the message alone is empty talk
/// ("non-zero return code", "One or more items failed").
fn message(res: &Value) -> String {
    let text = |key: &str| match res.get(key) {
        Some(Value::String(text)) => text.trim().to_owned(),
        Some(Value::Array(_) | Value::Object(_) | Value::Bool(_) | Value::Number(_)) => res[key].to_string(),
        Some(Value::Null) | None => String::new(),
    };
    let item = res.get("results").and_then(Value::as_array).and_then(|items| {
        let failed = items.iter().find(|item| item.get("failed") == Some(&Value::Bool(true)))?;
        failed.get("msg").and_then(Value::as_str).map(str::to_owned)
    });
    let parts = [text("censored"), text("msg"), text("reason"), item.unwrap_or_default(), text("stderr")];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "(no message)".to_owned() } else { parts.join(": ") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_is_completed_by_what_explains_it() {
        assert_eq!(message(&json!({"msg": "VLAN 42 not found"})), "VLAN 42 not found");
        assert_eq!(
            message(&json!({"msg": "non-zero return code", "stderr": "disk full\n"})),
            "non-zero return code: disk full"
        );
        let looped = json!({"msg": "One or more items failed", "results": [{"failed": false, "msg": "fine"}, {"failed": true, "msg": "no such network"}]});
        assert_eq!(message(&looped), "One or more items failed: no such network");
        assert_eq!(message(&json!({"msg": ["a", 1]})), r#"["a",1]"#);
        assert_eq!(message(&json!({"censored": "the output has been hidden"})), "the output has been hidden");
        assert_eq!(message(&json!({})), "(no message)");
        assert_eq!(message(&Value::Null), "(no message)");
    }

    #[test]
    fn artifacts_are_none_hidden_or_an_object_and_anything_else_breaks_the_contract() {
        let row = |artifacts: Value| -> wire::JobRow {
            serde_json::from_value(
                json!({"id": 7, "name": "j", "status": "successful", "artifacts": artifacts}),
            )
            .unwrap()
        };
        assert_eq!(report(row(json!({})), "jobs/").unwrap().artifacts, Artifacts::None);
        assert_eq!(report(row(Value::Null), "jobs/").unwrap().artifacts, Artifacts::None);
        let hidden = row(json!("$hidden due to Ansible no_log flag$"));
        assert_eq!(report(hidden, "jobs/").unwrap().artifacts, Artifacts::Hidden);
        assert!(
            matches!(report(row(json!({"a": 1})), "jobs/").unwrap().artifacts, Artifacts::Object(map) if map.len() == 1)
        );
        assert!(matches!(report(row(json!([1])), "jobs/"), Err(ReadError::Contract { .. })));
    }

    #[test]
    fn a_traceback_is_cut_between_characters() {
        let text = first_bytes("é".repeat(2_000));
        assert!(text.len() <= TRACEBACK_BYTES_MAX && text.len() > TRACEBACK_BYTES_MAX - 4);
    }
}
