//! The controller's rows, one struct a table, in AWX's own words. Plain data: the rules that fill them are
//! in the modules beside this one, the JSON they appear as is in [`crate::lab::controller::api`].

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::notices::NoticeEvent;
use super::status::{LaunchType, Status};
use super::survey::Survey;

/// A row's number. Job templates, workflow job templates, projects and approval templates share one
/// sequence; jobs, workflow jobs and approvals share another, as on the real controller.
pub type Id = u64;

/// Someone who may sign in.
#[derive(Debug, Clone)]
pub struct User {
    pub id: Id,
    pub username: String,
    pub email: String,
    pub is_superuser: bool,
    /// The lab's password in clear: this is a model, nothing secret lives here.
    pub password: String,
    pub created: Timestamp,
}

/// What an OAuth2 token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    Read,
    Write,
}

/// A personal access token.
#[derive(Debug, Clone)]
pub struct Token {
    pub id: Id,
    pub user: Id,
    pub secret: String,
    pub description: String,
    pub scope: Scope,
    pub created: Timestamp,
    pub expires: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Organization {
    pub id: Id,
    pub name: String,
    pub description: String,
    pub created: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Inventory {
    pub id: Id,
    pub name: String,
    pub description: String,
    pub organization: Id,
    pub variables: String,
    pub created: Timestamp,
    pub modified: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Group {
    pub id: Id,
    pub name: String,
    pub description: String,
    pub inventory: Id,
    pub variables: String,
    pub hosts: BTreeSet<Id>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

/// A host. `variables` is a string, returned verbatim (CONTRACT.md §9).
#[derive(Debug, Clone)]
pub struct Host {
    pub id: Id,
    pub name: String,
    pub description: String,
    pub inventory: Id,
    pub enabled: bool,
    pub instance_id: String,
    pub variables: String,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub created_by: Option<Id>,
    pub modified_by: Option<Id>,
}

#[derive(Debug, Clone)]
pub struct Label {
    pub id: Id,
    pub name: String,
    pub organization: Id,
    pub created: Timestamp,
    pub created_by: Id,
}

#[derive(Debug, Clone)]
pub struct Project {
    pub id: Id,
    pub name: String,
    pub organization: Id,
    pub created: Timestamp,
}

/// Which fields a launch may set (`ask_*_on_launch`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AskOnLaunch {
    pub variables: bool,
    pub inventory: bool,
    pub limit: bool,
    pub scm_branch: bool,
    pub labels: bool,
    pub tags: bool,
    pub skip_tags: bool,
}

#[derive(Debug, Clone)]
pub struct JobTemplate {
    pub id: Id,
    pub name: String,
    pub description: String,
    pub organization: Id,
    pub inventory: Option<Id>,
    pub project: Id,
    pub playbook: String,
    pub extra_vars: Map<String, Value>,
    pub ask: AskOnLaunch,
    pub allow_simultaneous: bool,
    pub survey_enabled: bool,
    pub survey: Option<Survey>,
    pub notification_templates: BTreeMap<NoticeEvent, BTreeSet<Id>>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

impl JobTemplate {
    /// The survey, while it is on.
    #[must_use]
    pub fn survey_on(&self) -> Option<&Survey> {
        self.survey.as_ref().filter(|_| self.survey_enabled)
    }
}

impl WorkflowJobTemplate {
    /// The survey, while it is on.
    #[must_use]
    pub fn survey_on(&self) -> Option<&Survey> {
        self.survey.as_ref().filter(|_| self.survey_enabled)
    }
}

#[derive(Debug, Clone)]
pub struct WorkflowJobTemplate {
    pub id: Id,
    pub name: String,
    pub description: String,
    pub organization: Id,
    pub extra_vars: Map<String, Value>,
    pub ask: AskOnLaunch,
    pub allow_simultaneous: bool,
    pub survey_enabled: bool,
    pub survey: Option<Survey>,
    pub notification_templates: BTreeMap<NoticeEvent, BTreeSet<Id>>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

/// A node of a workflow job template; `identifier` is unique within its template.
#[derive(Debug, Clone)]
pub struct TemplateNode {
    pub id: Id,
    pub workflow_job_template: Id,
    pub unified_job_template: Option<Id>,
    pub identifier: String,
    pub extra_data: Map<String, Value>,
    pub edges: Edges,
    pub all_parents_must_converge: bool,
    pub created: Timestamp,
}

/// The children of a node by the kind of edge that leads to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edges {
    pub success: BTreeSet<Id>,
    pub failure: BTreeSet<Id>,
    pub always: BTreeSet<Id>,
}

#[derive(Debug, Clone)]
pub struct ApprovalTemplate {
    pub id: Id,
    pub name: String,
    pub description: String,
    /// Seconds until an open approval fails; 0 means never.
    pub timeout_secs: u32,
}

#[derive(Debug, Clone)]
pub struct WorkflowJob {
    pub id: Id,
    pub name: String,
    pub organization: Id,
    /// `None` once the template was deleted.
    pub workflow_job_template: Option<Id>,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub created_by: Id,
    pub launch_type: LaunchType,
    pub status: Status,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    /// When cancel was asked for, not when it took.
    pub canceled_on: Option<Timestamp>,
    pub job_explanation: String,
    /// In clear; names in `survey_passwords` are shown as `$encrypted$`.
    pub extra_vars: Map<String, Value>,
    pub survey_passwords: BTreeSet<String>,
    pub allow_simultaneous: bool,
    pub prompts: Prompts,
    pub labels: BTreeSet<Id>,
    /// The lab's fault `run_stuck_pending`: no task manager pass takes it up.
    pub stuck: bool,
}

/// What a launch may set beside the variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompts {
    pub inventory: Option<Id>,
    pub limit: Option<String>,
    pub scm_branch: Option<String>,
    pub job_tags: Option<String>,
    pub skip_tags: Option<String>,
}

#[derive(Debug, Clone)]
pub struct WorkflowJobNode {
    pub id: Id,
    pub workflow_job: Id,
    pub unified_job_template: Option<Id>,
    pub job: Option<Id>,
    pub identifier: String,
    pub extra_data: Map<String, Value>,
    pub edges: Edges,
    pub all_parents_must_converge: bool,
    pub do_not_run: bool,
    /// What its ancestors reported, handed on to its children; not serialized (CONTRACT.md §6).
    pub ancestor_artifacts: Map<String, Value>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

#[derive(Debug, Clone)]
pub struct Job {
    pub id: Id,
    pub name: String,
    pub organization: Id,
    pub job_template: Option<Id>,
    pub inventory: Option<Id>,
    pub project: Id,
    pub playbook: String,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub created_by: Id,
    pub launch_type: LaunchType,
    pub status: Status,
    pub started: Option<Timestamp>,
    pub finished: Option<Timestamp>,
    pub canceled_on: Option<Timestamp>,
    pub job_explanation: String,
    pub extra_vars: Map<String, Value>,
    pub survey_passwords: BTreeSet<String>,
    pub prompts: Prompts,
    pub artifacts: Map<String, Value>,
    pub event_processing_finished: bool,
    pub events: Vec<JobEvent>,
    /// Tasks of the one host `localhost`, once the run has a recap.
    pub recap: Option<Recap>,
    /// The node of a workflow job that spawned it.
    pub workflow_node: Option<Id>,
}

/// The name of a playbook: its file's, without the folders and the ending. The content names them after their stages.
#[must_use]
pub fn playbook_name(path: &str) -> &str {
    let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
    file.trim_end_matches(".yml")
}

/// The tasks' count by outcome of a finished play on `localhost`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recap {
    pub ok: u32,
    pub changed: u32,
    pub failures: u32,
    pub skipped: u32,
}

/// One event of a job, as the callback receiver stores it.
#[derive(Debug, Clone)]
pub struct JobEvent {
    pub id: Id,
    pub counter: u32,
    /// `playbook_on_start`, `runner_on_ok`, `runner_on_failed`, `playbook_on_stats`, …
    pub event: String,
    pub task: String,
    pub failed: bool,
    pub changed: bool,
    pub res: Map<String, Value>,
    pub stdout: String,
    pub start_line: u32,
    pub end_line: u32,
    pub created: Timestamp,
}

#[derive(Debug, Clone)]
pub struct WorkflowApproval {
    pub id: Id,
    pub name: String,
    pub description: String,
    pub approval_template: Id,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub created_by: Id,
    pub status: Status,
    pub finished: Option<Timestamp>,
    pub canceled_on: Option<Timestamp>,
    pub job_explanation: String,
    pub timed_out: bool,
    pub expires: Option<Timestamp>,
    pub approved_or_denied_by: Option<Id>,
    pub workflow_node: Id,
}

#[derive(Debug, Clone)]
pub struct NotificationTemplate {
    pub id: Id,
    pub name: String,
    pub description: String,
    pub organization: Id,
    pub url: String,
    pub http_method: String,
    pub headers: BTreeMap<String, String>,
    pub username: String,
    /// In clear here, shown as `$encrypted$`.
    pub password: String,
    pub disable_ssl_verification: bool,
    /// Custom messages as they were posted; the lab stores and shows them but always sends stock bodies.
    pub messages: Option<Value>,
    pub created: Timestamp,
    pub modified: Timestamp,
    pub created_by: Id,
}

/// Outcome of one callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationStatus {
    Pending,
    Successful,
    Failed,
}

impl NotificationStatus {
    /// AWX's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Successful => "successful",
            Self::Failed => "failed",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Notification {
    pub id: Id,
    pub notification_template: Id,
    pub created: Timestamp,
    pub status: NotificationStatus,
    pub error: String,
    pub notifications_sent: u32,
    pub recipients: String,
    pub body: Value,
    /// The job it tells of; `None` for the test button.
    pub unified_job: Option<Id>,
}
