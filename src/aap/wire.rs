//! The controller's JSON as it is on the wire. Private to this folder: everything is converted by hand at its edge.
//! A field is required only where the client cannot do without it; what a version may leave out is optional.

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::paging::Row;

#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    /// Rows from this window on, over all pages; absent when counting is switched off.
    #[serde(default)]
    pub(super) count: Option<u64>,
    /// Only its presence matters: see `paging.rs`.
    pub(super) next: Option<String>,
    pub(super) results: Vec<T>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ApiRoot {
    pub(super) current_version: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Ping {
    pub(super) version: String,
    pub(super) active_node: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: i64,
    pub(super) username: String,
    #[serde(default)]
    pub(super) is_superuser: bool,
    #[serde(default)]
    pub(super) is_system_auditor: bool,
}

/// `{id, name}` as it stands in `summary_fields`.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Capabilities {
    pub(super) start: Option<bool>,
    pub(super) edit: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TemplateSummary {
    #[serde(deserialize_with = "unless_empty")]
    pub(super) organization: Option<Named>,
    #[serde(deserialize_with = "unless_empty")]
    pub(super) user_capabilities: Option<Capabilities>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TemplateRow {
    pub(super) id: i64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) allow_simultaneous: bool,
    #[serde(default)]
    pub(super) survey_enabled: bool,
    #[serde(default)]
    pub(super) summary_fields: TemplateSummary,
}

#[derive(Debug, Deserialize)]
pub(super) struct LaunchFacts {
    #[serde(default)]
    pub(super) can_start_without_user_input: bool,
    #[serde(default)]
    pub(super) survey_enabled: bool,
    #[serde(default)]
    pub(super) variables_needed_to_start: Vec<String>,
    pub(super) node_templates_missing: Vec<Value>,
    pub(super) node_prompts_rejected: Vec<Value>,
    pub(super) ask_variables_on_launch: bool,
    #[serde(default)]
    pub(super) ask_inventory_on_launch: bool,
    #[serde(default)]
    pub(super) ask_limit_on_launch: bool,
    #[serde(default)]
    pub(super) ask_scm_branch_on_launch: bool,
    #[serde(default)]
    pub(super) ask_labels_on_launch: bool,
    #[serde(default)]
    pub(super) ask_tags_on_launch: bool,
    #[serde(default)]
    pub(super) ask_skip_tags_on_launch: bool,
    pub(super) workflow_job_template_data: Named,
}

#[derive(Debug, Deserialize)]
pub(super) struct UnifiedTemplate {
    pub(super) name: String,
    pub(super) unified_job_type: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct TemplateNodeSummary {
    #[serde(deserialize_with = "unless_empty")]
    pub(super) unified_job_template: Option<UnifiedTemplate>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TemplateNodeRow {
    pub(super) id: i64,
    pub(super) identifier: String,
    pub(super) unified_job_template: Option<i64>,
    #[serde(default)]
    pub(super) summary_fields: TemplateNodeSummary,
}

/// A row of which only the id matters.
#[derive(Debug, Deserialize)]
pub(super) struct IdRow {
    pub(super) id: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Launched {
    pub(super) workflow_job: i64,
    #[serde(default)]
    pub(super) ignored_fields: Map<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) workflow_job_template: Option<i64>,
    pub(super) launch_type: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) failed: bool,
    pub(super) created: Timestamp,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
    pub(super) canceled_on: Option<Timestamp>,
    #[serde(default)]
    pub(super) job_explanation: Option<String>,
    /// A string that holds JSON (or YAML, when nothing was given at launch).
    pub(super) extra_vars: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct NodeJobSummary {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) timed_out: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct NodeSummary {
    #[serde(deserialize_with = "unless_empty")]
    pub(super) job: Option<NodeJobSummary>,
}

#[derive(Debug, Deserialize)]
pub(super) struct NodeRow {
    pub(super) id: i64,
    pub(super) identifier: String,
    pub(super) workflow_job: i64,
    pub(super) job: Option<i64>,
    pub(super) do_not_run: bool,
    #[serde(default)]
    pub(super) summary_fields: NodeSummary,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobSummary {
    #[serde(deserialize_with = "unless_empty")]
    pub(super) source_workflow_job: Option<IdRow>,
}

#[derive(Debug, Deserialize)]
pub(super) struct JobRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) status: String,
    #[serde(default)]
    pub(super) job_explanation: Option<String>,
    /// Only in the detail, not in list rows.
    #[serde(default)]
    pub(super) result_traceback: Option<String>,
    pub(super) finished: Option<Timestamp>,
    /// An object, or a string when it is hidden (CONTRACT.md §7).
    #[serde(default)]
    pub(super) artifacts: Value,
    #[serde(default)]
    pub(super) summary_fields: JobSummary,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct EventData {
    pub(super) play: Option<String>,
    pub(super) task: Option<String>,
    pub(super) role: Option<String>,
    pub(super) host: Option<String>,
    pub(super) ignore_errors: Option<bool>,
    pub(super) res: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct EventRow {
    pub(super) event: String,
    #[serde(default)]
    pub(super) host_name: Option<String>,
    #[serde(default)]
    pub(super) event_data: EventData,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ApprovalSummary {
    #[serde(deserialize_with = "unless_empty")]
    pub(super) source_workflow_job: Option<IdRow>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ApprovalRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) status: String,
    pub(super) created: Timestamp,
    #[serde(default)]
    pub(super) can_approve_or_deny: bool,
    pub(super) approval_expiration: Option<Timestamp>,
    #[serde(default)]
    pub(super) summary_fields: ApprovalSummary,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedRow {
    pub(super) id: i64,
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct HostRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) inventory: i64,
    #[serde(default)]
    pub(super) instance_id: String,
    /// A string that holds JSON or YAML (MEASURED 35).
    #[serde(default)]
    pub(super) variables: String,
    pub(super) modified: Timestamp,
}

#[derive(Debug, Serialize)]
pub(super) struct NewHost<'a> {
    pub(super) name: &'a str,
    pub(super) inventory: i64,
    pub(super) enabled: bool,
    pub(super) instance_id: &'a str,
    pub(super) variables: String,
}

#[derive(Debug, Serialize)]
pub(super) struct HostVariables {
    pub(super) variables: String,
}

#[derive(Debug, Serialize)]
pub(super) struct HostRef {
    pub(super) id: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct NotificationTemplateRow {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) notification_type: String,
    /// Its `headers` hold secrets in clear (MEASURED 29): nothing but the URL is taken out of it.
    #[serde(default)]
    pub(super) notification_configuration: Map<String, Value>,
    /// An object by event, or `null`.
    #[serde(default)]
    pub(super) messages: Value,
}

/// A summary of something that was deleted is `{}` (recorded: a job whose workflow job was deleted), not `null`.
fn unless_empty<'de, D: Deserializer<'de>, T: DeserializeOwned>(from: D) -> Result<Option<T>, D::Error> {
    let summary = Value::deserialize(from)?;
    if summary.is_null() || summary.as_object().is_some_and(Map::is_empty) {
        return Ok(None);
    }
    serde_json::from_value(summary).map(Some).map_err(D::Error::custom)
}

macro_rules! rows {
    ($($row:ty),* $(,)?) => {
        $(impl Row for $row {
            fn id(&self) -> i64 {
                self.id
            }
        })*
    };
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct InventorySummary {
    #[serde(deserialize_with = "unless_empty")]
    pub(super) user_capabilities: Option<Capabilities>,
}

#[derive(Debug, Deserialize)]
pub(super) struct InventoryRow {
    pub(super) id: i64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: String,
    #[serde(default)]
    pub(super) pending_deletion: bool,
    #[serde(default)]
    pub(super) summary_fields: InventorySummary,
}

rows!(
    NotificationTemplateRow,
    InventoryRow,
    TemplateRow,
    TemplateNodeRow,
    IdRow,
    RunRow,
    NodeRow,
    JobRow,
    ApprovalRow,
    NamedRow,
    HostRow
);
