//! The stock bodies of callbacks (CONTRACT.md §8.2; the recordings `notifications/default_*`). No event
//! name, no type, no artifacts: that is what a receiver has to live with.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Controller;
use super::rows::Id;
use super::status::Status;
use super::variables::python_json_object;

/// Where the controller says its pages are.
pub const UI_URL: &str = "https://platformhost";

/// What an approval's callback says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalWord {
    NeedsReview,
    Approved,
    Denied,
    TimedOut,
}

impl Controller {
    pub(super) fn workflow_job_body(&self, id: Id) -> Option<Value> {
        let run = self.rows.workflow_jobs.get(&id)?;
        let lines: Vec<String> = self.nodes_of(id).map(|node| self.node_line(node.id, node.job)).collect();
        Some(json!({
            "id": id,
            "name": run.name,
            "url": format!("{UI_URL}/jobs/workflow/{id}"),
            "created_by": self.username(run.created_by),
            "started": run.started.map(offset_time),
            "finished": run.finished.map(offset_time),
            "status": run.status.as_str(),
            "traceback": "",
            "body": format!("Workflow job summary:\n\n{}", lines.join("\n")),
            "inventory": run.prompts.inventory.and_then(|id| self.inventory_name(id)),
            "limit": run.prompts.limit,
            "extra_vars": self.shown_variables(&run.extra_vars, &run.survey_passwords),
        }))
    }

    fn node_line(&self, node: Id, job: Option<Id>) -> String {
        let spawned = job.and_then(|id| Some((id, self.unified_name(id)?, self.unified_status(id)?)));
        match spawned {
            Some((id, name, status)) => {
                let status = status.as_str();
                format!("- node #{node} spawns job #{id}, \"{name}\", which finished with status {status}.")
            }
            None => format!("- node #{node} spawns no job."),
        }
    }

    pub(super) fn job_body(&self, id: Id) -> Option<Value> {
        let job = self.rows.jobs.get(&id)?;
        let hosts = match job.recap {
            Some(recap) if job.status.is_terminal() => json!({"localhost": {
                "failed": recap.failures > 0, "changed": recap.changed, "dark": 0, "failures": recap.failures,
                "ok": recap.ok, "processed": 1, "skipped": recap.skipped, "rescued": 0, "ignored": 0,
            }}),
            _ => json!({}),
        };
        Some(json!({
            "id": id,
            "name": job.name,
            "url": format!("{UI_URL}/jobs/playbook/{id}"),
            "created_by": self.username(job.created_by),
            "started": job.started.map(offset_time),
            "finished": job.finished.map(offset_time),
            "status": job.status.as_str(),
            "traceback": "",
            "inventory": job.inventory.and_then(|id| self.inventory_name(id)),
            "project": self.rows.projects.get(&job.project).map(|project| project.name.clone()),
            "playbook": job.playbook,
            "credential": null,
            "limit": job.prompts.limit.clone().unwrap_or_default(),
            "extra_vars": self.shown_variables(&job.extra_vars, &job.survey_passwords),
            "hosts": hosts,
        }))
    }

    pub(super) fn approval_body(&self, id: Id, word: ApprovalWord) -> Option<Value> {
        let approval = self.rows.approvals.get(&id)?;
        let run = self.run_of_approval(approval)?.id;
        let said = match word {
            ApprovalWord::NeedsReview => "needs review. This node can be viewed at:",
            ApprovalWord::Approved => "was approved.",
            ApprovalWord::Denied => "was denied.",
            ApprovalWord::TimedOut => "has timed out.",
        };
        let name = &approval.name;
        Some(json!({"body": format!("The approval node \"{name}\" {said} {UI_URL}/jobs/workflow/{run}")}))
    }

    pub(super) fn test_body(template: Id) -> Value {
        json!({"body": format!("Test Notification {template} {UI_URL}")})
    }

    /// The body of the callback that contradicts `body`: the same, with the other end. The reaper and the
    /// runner of one job send such a pair (CONTRACT.md finding 8).
    #[must_use]
    pub fn contradicting_body(body: &Value) -> Value {
        let mut other = body.clone();
        let successful = body.get("status").and_then(Value::as_str) == Some(Status::Successful.as_str());
        let status = if successful { Status::Failed } else { Status::Successful };
        if let Some(map) = other.as_object_mut() {
            map.insert("status".to_owned(), json!(status.as_str()));
        }
        other
    }

    /// Variables as Python's JSON text, with survey passwords hidden.
    pub(in crate::lab) fn shown_variables(
        &self,
        variables: &serde_json::Map<String, Value>,
        passwords: &std::collections::BTreeSet<String>,
    ) -> String {
        let mut shown = variables.clone();
        for name in passwords {
            if let Some(value) = shown.get_mut(name) {
                *value = json!("$encrypted$");
            }
        }
        python_json_object(&shown)
    }

    pub(in crate::lab) fn username(&self, id: Id) -> Option<String> {
        self.rows.users.get(&id).map(|user| user.username.clone())
    }

    fn inventory_name(&self, id: Id) -> Option<String> {
        self.rows.inventories.get(&id).map(|inventory| inventory.name.clone())
    }

    fn unified_name(&self, id: Id) -> Option<String> {
        let job = self.rows.jobs.get(&id).map(|job| job.name.clone());
        job.or_else(|| self.rows.approvals.get(&id).map(|approval| approval.name.clone()))
            .or_else(|| self.rows.workflow_jobs.get(&id).map(|run| run.name.clone()))
    }
}

/// A time as callbacks write it: microseconds and `+00:00`.
fn offset_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}
