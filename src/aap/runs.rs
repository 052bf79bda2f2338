//! Workflow jobs, here called runs: found again after a launch whose answer was lost, polled in batches, taken apart
//! into nodes, cancelled. A run's status is a claim: a workflow with a failed node may call itself successful
//! (MEASURED 14), so the nodes are read too.

use std::collections::BTreeSet;

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Map, Value};

use super::answer::WriteFailure;
use super::client::Controller;
use super::errors::ReadError;
use super::paging::{PAGE_SIZE_MAX, ignored_filter};
use super::wire;

const RUNS: &str = "workflow_jobs/";

/// The status of a run, a job or an approval (CONTRACT.md §5).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunStatus {
    /// Made, not yet queued.
    New,
    /// Queued.
    Pending,
    /// About to start (jobs only).
    Waiting,
    /// Under way. A run that is being cancelled stays `running` for seconds.
    Running,
    /// Ended; says nothing about the nodes.
    Successful,
    /// Ended badly.
    Failed,
    /// Ended by a fault of the infrastructure (jobs only).
    Error,
    /// Cancelled.
    Canceled,
    /// A status that this client does not know; it counts as not over.
    Other(String),
}

impl RunStatus {
    pub(super) fn of(text: String) -> Self {
        match text.as_str() {
            "new" => Self::New,
            "pending" => Self::Pending,
            "waiting" => Self::Waiting,
            "running" => Self::Running,
            "successful" => Self::Successful,
            "failed" => Self::Failed,
            "error" => Self::Error,
            "canceled" => Self::Canceled,
            _ => Self::Other(text),
        }
    }

    /// True when it is over. A job's first end may still be overwritten (CONTRACT.md §5, "Terminal is not final").
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Error | Self::Canceled)
    }

    /// As the controller spells it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Canceled => "canceled",
            Self::Other(text) => text,
        }
    }
}

/// What started a run. A relaunch carries the extra vars of the run it repeats, ours included (CONTRACT.md §5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchType {
    /// A user or an API client, as the bridge is one.
    Manual,
    /// Somebody repeated an older run.
    Relaunch,
    /// Anything else: `webhook`, `scheduled`, `workflow`, `callback`…
    Other(String),
}

/// A run as it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: i64,
    /// Its name, the template's.
    pub name: String,
    /// The template; `None` once that was deleted, and for bulk launches.
    pub workflow_job_template: Option<i64>,
    /// What started it.
    pub launch_type: LaunchType,
    /// Its status.
    pub status: RunStatus,
    /// True for failed, error and canceled alike (MEASURED 19).
    pub failed: bool,
    /// When it was made, by the controller's clock.
    pub created: Timestamp,
    /// When it began to run.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// When cancelling was asked for, not when it was done.
    pub canceled_on: Option<Timestamp>,
    /// What the scheduler says about it; often empty.
    pub job_explanation: String,
    /// The variables it runs with, the template's and the survey's included; survey passwords read `$encrypted$`.
    /// Empty when [`Run::extra_vars_unreadable`].
    pub extra_vars: Map<String, Value>,
    /// The variables are no JSON object. That is a template's own YAML, kept word for word because the launch gave
    /// no variables; such a run is none of the bridge's.
    pub extra_vars_unreadable: bool,
}

/// The runs of a template since an instant.
#[derive(Debug, Clone, PartialEq)]
pub struct RunListing {
    /// In order of their ids.
    pub runs: Vec<Run>,
    /// Whether every page was read. An incomplete listing proves no absence.
    pub complete: bool,
}

/// Runs that were asked for by id.
#[derive(Debug, Clone, PartialEq)]
pub struct RunsRead {
    /// Those that were found, in order of their ids.
    pub runs: Vec<Run>,
    /// Ids that the complete answer did not hold: deleted, or no longer visible to this account.
    pub missing: Vec<i64>,
}

/// A node of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunNode {
    /// The node's id.
    pub id: i64,
    /// The run it belongs to.
    pub workflow_job: i64,
    /// The stable key of the step.
    pub identifier: String,
    /// What it started, once it has.
    pub job: Option<NodeJob>,
    /// The scheduler decided against it; it has no job and never will.
    pub do_not_run: bool,
}

/// What a node started. Visible even where the job itself is not (MEASURED 17).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeJob {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: RunStatus,
    /// `job`, `workflow_approval`, `workflow_job`…; empty when the controller does not say.
    pub kind: String,
    /// An approval that ran out of time (its status is `failed`).
    pub timed_out: bool,
}

/// What is known after cancelling was asked for once. Asking again is harmless (MEASURED 19).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelAnswer {
    /// 202: it will end within seconds. A pending run is canceled at once, and no notification is sent for it.
    Requested,
    /// The run is over, read again after 405 or 403.
    AlreadyOver,
    /// The run goes on, and this account may not cancel it; or there is no such run (404).
    Refused {
        /// The HTTP status.
        status: u16,
        /// The controller's sentence.
        detail: String,
    },
    /// Not known whether the request arrived.
    Unknown {
        /// What happened, in one line.
        why: String,
    },
}

impl Controller {
    /// The runs of a template that were created at or after `since`, by the controller's clock. Ids do not commit
    /// in order and `created` is set before the commit (CONTRACT.md, finding 4): let `since` reach back further
    /// than the moment you care about.
    ///
    /// # Errors
    /// The usual ones. A listing is either read as far as [`RunListing::complete`] says, or an error.
    pub async fn runs_created_since(
        &self,
        template_id: i64,
        since: Timestamp,
    ) -> Result<RunListing, ReadError> {
        let filters =
            [("workflow_job_template", template_id.to_string()), ("created__gte", since.to_string())];
        let read = self.rows::<wire::RunRow>(RUNS, &filters, PAGE_SIZE_MAX, self.deadline()).await?;
        if read.rows.iter().any(|row| row.workflow_job_template != Some(template_id) || row.created < since) {
            return Err(ignored_filter(RUNS, "workflow_job_template and created__gte"));
        }
        Ok(RunListing { runs: read.rows.into_iter().map(run).collect(), complete: read.complete })
    }

    /// The runs with these ids, at most 200 a request.
    ///
    /// # Errors
    /// The usual ones; then nothing is known about any of them.
    pub async fn runs(&self, ids: &[i64]) -> Result<RunsRead, ReadError> {
        let wanted: BTreeSet<i64> = ids.iter().copied().collect();
        let rows = self.rows_of::<wire::RunRow>(RUNS, "id__in", ids, PAGE_SIZE_MAX).await?;
        if rows.iter().any(|row| !wanted.contains(&row.id)) {
            return Err(ignored_filter(RUNS, "id__in"));
        }
        let found: BTreeSet<i64> = rows.iter().map(|row| row.id).collect();
        let missing = wanted.difference(&found).copied().collect();
        Ok(RunsRead { runs: rows.into_iter().map(run).collect(), missing })
    }

    /// One run; `None` when the controller knows none of that id.
    ///
    /// # Errors
    /// [`ReadError::Forbidden`] when it exists and may not be read, and the usual ones.
    pub async fn run(&self, id: i64) -> Result<Option<Run>, ReadError> {
        match self.get::<wire::RunRow>(&format!("{RUNS}{id}/"), &[], self.deadline()).await {
            Ok(row) => Ok(Some(run(row))),
            Err(ReadError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The nodes of these runs, in order of their ids (which is not the order of execution), in as few requests as
    /// pages of 200 allow. A run's nodes exist from its launch: none at all means that the run is not visible.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn nodes(&self, workflow_jobs: &[i64]) -> Result<Vec<RunNode>, ReadError> {
        const NODES: &str = "workflow_job_nodes/";
        let rows =
            self.rows_of::<wire::NodeRow>(NODES, "workflow_job__in", workflow_jobs, PAGE_SIZE_MAX).await?;
        if rows.iter().any(|row| !workflow_jobs.contains(&row.workflow_job)) {
            return Err(ignored_filter(NODES, "workflow_job__in"));
        }
        Ok(rows.into_iter().map(node).collect())
    }

    /// Asks for the end of a run: one attempt. A refusal is followed by one reading of the run, because a run that is
    /// over answers 405 to an administrator and 403 to the account that may cancel it while it runs (MEASURED 19).
    pub async fn cancel(&self, workflow_job: i64) -> CancelAnswer {
        let path = format!("{RUNS}{workflow_job}/cancel/");
        let answer = match self.write(Method::POST, &path, None::<&()>, self.request_id()).await {
            Ok(answer) if answer.status == 202 => return CancelAnswer::Requested,
            Ok(answer) => answer,
            Err(lost) => return CancelAnswer::Unknown { why: lost.why },
        };
        match answer.write_failure() {
            WriteFailure::NotNow { status: status @ (403 | 405), detail, .. } => {
                self.after_refused_cancel(workflow_job, status, detail).await
            }
            WriteFailure::NotNow { status, detail, .. } => CancelAnswer::Refused { status, detail },
            WriteFailure::Refused { .. } => CancelAnswer::Refused { status: 400, detail: answer.describe() },
            WriteFailure::Unknown { why } => CancelAnswer::Unknown { why },
        }
    }

    async fn after_refused_cancel(&self, workflow_job: i64, status: u16, detail: String) -> CancelAnswer {
        match self.run(workflow_job).await {
            Ok(Some(run)) if run.status.is_over() => CancelAnswer::AlreadyOver,
            Ok(Some(_) | None) => CancelAnswer::Refused { status, detail },
            Err(error) => CancelAnswer::Unknown { why: format!("HTTP {status}, then: {error}") },
        }
    }
}

fn run(row: wire::RunRow) -> Run {
    let (extra_vars, extra_vars_unreadable) = match super::inventory::json_object(&row.extra_vars) {
        Some(map) => (map, false),
        None => (Map::new(), true),
    };
    Run {
        id: row.id,
        name: row.name,
        workflow_job_template: row.workflow_job_template,
        launch_type: match row.launch_type.as_str() {
            "manual" => LaunchType::Manual,
            "relaunch" => LaunchType::Relaunch,
            _ => LaunchType::Other(row.launch_type),
        },
        status: RunStatus::of(row.status),
        failed: row.failed,
        created: row.created,
        started: row.started,
        finished: row.finished,
        canceled_on: row.canceled_on,
        job_explanation: row.job_explanation.unwrap_or_default(),
        extra_vars,
        extra_vars_unreadable,
    }
}

fn node(row: wire::NodeRow) -> RunNode {
    // `job` may be set while its summary is not (the job was deleted): then there is nothing to read of it.
    let job = row.summary_fields.job.filter(|job| row.job == Some(job.id)).map(|job| NodeJob {
        id: job.id,
        name: job.name,
        status: RunStatus::of(job.status),
        kind: job.kind.unwrap_or_default(),
        timed_out: job.timed_out.unwrap_or(false),
    });
    RunNode {
        id: row.id,
        workflow_job: row.workflow_job,
        identifier: row.identifier,
        job,
        do_not_run: row.do_not_run,
    }
}
