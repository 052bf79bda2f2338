//! What a run reported: the files that ansible-runner leaves in `artifacts/IDENT/job_events/`, one an event. The controller's
//! callback receiver gets the same documents (CONTRACT.md §7: artifacts are `artifact_data` of `playbook_on_stats`).

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::controller::model::rows::Recap;
use super::super::controller::model::{JobEnd, Reported, Status};

/// An event as ansible-runner writes it. Fields that the lab does not need are not read.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    counter: u64,
    event: String,
    #[serde(default)]
    stdout: String,
    #[serde(default)]
    event_data: EventData,
}

#[derive(Debug, Default, Deserialize)]
struct EventData {
    #[serde(default)]
    task: Option<String>,
    #[serde(default)]
    res: Option<Map<String, Value>>,
    #[serde(default)]
    artifact_data: Option<Map<String, Value>>,
    #[serde(default)]
    ignore_errors: Option<bool>,
    #[serde(default)]
    ok: Map<String, Value>,
    #[serde(default)]
    changed: Value,
    #[serde(default)]
    failures: Map<String, Value>,
    #[serde(default)]
    skipped: Map<String, Value>,
}

/// Reads the events of the run at `artifacts`, in order.
pub(super) fn read(artifacts: &Path) -> std::io::Result<Vec<Report>> {
    let mut reports = Vec::new();
    for entry in std::fs::read_dir(artifacts.join("job_events"))? {
        let path = entry?.path();
        // ansible-runner writes `….json.tmp` first and renames it.
        if path.extension().is_some_and(|extension| extension == "json") {
            let text = std::fs::read_to_string(&path)?;
            reports.push(serde_json::from_str::<Report>(&text)?);
        }
    }
    reports.sort_by_key(|report| report.counter);
    Ok(reports)
}

/// How the job ended, by what its run reported.
pub(super) fn end(status: Status, reports: Vec<Report>) -> JobEnd {
    let mut end = JobEnd::bare(status);
    for report in reports {
        let Report { event, stdout, event_data: data, .. } = report;
        let failed = event == "runner_on_failed" && data.ignore_errors != Some(true);
        let task = data.task.unwrap_or_default();
        let res = data.res.unwrap_or_default();
        if event == "playbook_on_stats" {
            end.artifacts = data.artifact_data.unwrap_or_default();
            let changed = data.changed.as_object().cloned().unwrap_or_default();
            end.recap = Recap {
                ok: sum(&data.ok),
                changed: sum(&changed),
                failures: sum(&data.failures),
                skipped: sum(&data.skipped),
            };
        }
        if failed {
            let message = res.get("msg").map_or_else(String::new, text);
            end.failure = Some((task.clone(), message));
        }
        let changed = res.get("changed") == Some(&Value::Bool(true));
        end.script.push(Reported { event, task, failed, changed, res, stdout });
    }
    if status == Status::Successful {
        // What failed on the way was rescued.
        end.failure = None;
    }
    end
}

fn sum(by_host: &Map<String, Value>) -> u32 {
    let total: u64 = by_host.values().filter_map(Value::as_u64).sum();
    u32::try_from(total).unwrap_or(u32::MAX)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a message is a text, or shown as JSON")]
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
