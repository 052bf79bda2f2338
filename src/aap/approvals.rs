//! Approval nodes of a run. The run stays `running` while one waits (MEASURED 34).

use jiff::Timestamp;
use reqwest::Method;

use super::answer::WriteFailure;
use super::client::Controller;
use super::errors::ReadError;
use super::paging::{PAGE_SIZE_MAX, ignored_filter};
use super::wire;

/// An approval that waits for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// Its id; a node's `job`.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The run that waits for it.
    pub workflow_job: i64,
    /// Since when it waits.
    pub created: Timestamp,
    /// When it is denied by itself; `None`: never.
    pub expires: Option<Timestamp>,
    /// Whether this account may decide it.
    pub may_decide: bool,
}

/// What is known after an approval was decided once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApprovalAnswer {
    /// Decided as asked.
    Decided,
    /// Somebody, or the clock, decided before; how, its status tells.
    AlreadyDecided,
    /// Not decided; the account may not, or there is no such approval.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The controller's sentence.
        detail: String,
    },
    /// Not known: read it.
    Unknown {
        /// What happened, in one line.
        why: String,
    },
}

impl Controller {
    /// The approvals of a run that wait for a decision.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn pending_approvals(&self, workflow_job: i64) -> Result<Vec<Approval>, ReadError> {
        const APPROVALS: &str = "workflow_approvals/";
        let filters =
            [("status", "pending".to_owned()), ("unified_job_node__workflow_job", workflow_job.to_string())];
        let rows =
            self.rows::<wire::ApprovalRow>(APPROVALS, &filters, PAGE_SIZE_MAX, self.deadline()).await?.rows;
        let run_of =
            |row: &wire::ApprovalRow| row.summary_fields.source_workflow_job.as_ref().map(|run| run.id);
        if rows.iter().any(|row| row.status != "pending" || run_of(row) != Some(workflow_job)) {
            return Err(ignored_filter(APPROVALS, "status and unified_job_node__workflow_job"));
        }
        let approval = |row: wire::ApprovalRow| Approval {
            id: row.id,
            name: row.name,
            workflow_job,
            created: row.created,
            expires: row.approval_expiration,
            may_decide: row.can_approve_or_deny,
        };
        Ok(rows.into_iter().map(approval).collect())
    }

    /// Approves: one attempt.
    pub async fn approve(&self, approval: i64) -> ApprovalAnswer {
        self.decide(approval, "approve").await
    }

    /// Denies: one attempt. The node counts as failed.
    pub async fn deny(&self, approval: i64) -> ApprovalAnswer {
        self.decide(approval, "deny").await
    }

    async fn decide(&self, approval: i64, verb: &str) -> ApprovalAnswer {
        let path = format!("workflow_approvals/{approval}/{verb}/");
        let answer = match self.write(Method::POST, &path, None::<&()>, self.request_id()).await {
            Ok(answer) if answer.status == 204 => return ApprovalAnswer::Decided,
            Ok(answer) => answer,
            Err(lost) => return ApprovalAnswer::Unknown { why: lost.why },
        };
        match answer.write_failure() {
            WriteFailure::Refused { violations }
                if violations.iter().any(|v| v.field == "error" && v.message.contains("already been")) =>
            {
                ApprovalAnswer::AlreadyDecided
            }
            WriteFailure::Refused { .. } => {
                ApprovalAnswer::Refused { status: 400, detail: answer.describe() }
            }
            WriteFailure::NotNow { status, detail, .. } => ApprovalAnswer::Refused { status, detail },
            WriteFailure::Unknown { why } => ApprovalAnswer::Unknown { why },
        }
    }
}
