//! Workflow job templates: found by name, asked whether a launch would work, and taken apart into nodes. Reads only;
//! the launch itself is in `launch.rs`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::client::Controller;
use super::errors::ReadError;
use super::paging::PAGE_SIZE_MAX;
use super::wire;

/// A workflow job template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateRef {
    /// Its id, which a launch needs.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The name of its organization.
    pub organization: Option<String>,
    /// Whether two of its runs may run at the same time. When not, a second run waits as `pending`.
    pub allow_simultaneous: bool,
    /// Whether it has a survey that is on.
    pub survey_enabled: bool,
    /// Whether this account may launch it; `None` when the controller does not say.
    pub may_start: Option<bool>,
}

/// What `GET launch/` says about a launch (CONTRACT.md §3.1). The `asks_*` flags are the template's prompts: what is
/// not prompted for is refused with 400 at launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LaunchReadiness {
    /// The id of the template, as the controller repeats it.
    pub template_id: i64,
    /// The name of the template.
    pub template_name: String,
    /// Extra vars beyond the survey's are accepted. The bridge cannot work without it.
    pub asks_variables: bool,
    /// An inventory may be given.
    pub asks_inventory: bool,
    /// A limit may be given.
    pub asks_limit: bool,
    /// A branch may be given.
    pub asks_scm_branch: bool,
    /// Labels may be given.
    pub asks_labels: bool,
    /// Job tags may be given.
    pub asks_job_tags: bool,
    /// Skip tags may be given.
    pub asks_skip_tags: bool,
    /// Whether an empty launch would work.
    pub can_start_without_user_input: bool,
    /// Whether a survey checks the extra vars.
    pub survey_enabled: bool,
    /// The survey's required variables without a default.
    pub variables_needed_to_start: Vec<String>,
    /// Nodes whose job template is gone: any makes the run fail.
    pub node_templates_missing: Vec<String>,
    /// Nodes whose prompts their template refuses: any makes the run fail.
    pub node_prompts_rejected: Vec<String>,
}

/// A node of a workflow job template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateNode {
    /// The node's id in the template (a run's nodes have their own ids).
    pub id: i64,
    /// The stable key of the step; a run's nodes carry it too.
    pub identifier: String,
    /// What it runs; `None` when that was deleted.
    pub unified_job_template: Option<i64>,
    /// The name of what it runs.
    pub template_name: Option<String>,
    /// `job`, `workflow_approval`, `workflow_job`, `project_update`, `inventory_update`.
    pub template_type: Option<String>,
    /// For job templates: whether this account may read it, and with it its jobs' artifacts (MEASURED 17). `None`
    /// for anything that is no job template.
    pub readable: Option<bool>,
}

impl Controller {
    /// The workflow job template of exactly this name, in `organization` or else in the configured one.
    /// `None` can also mean that the account may not see it (MEASURED 8).
    ///
    /// # Errors
    /// [`ReadError::Ambiguous`] when several organizations have one of that name, and the usual ones.
    pub async fn workflow_job_template(
        &self,
        name: &str,
        organization: Option<&str>,
    ) -> Result<Option<TemplateRef>, ReadError> {
        let filters = self.in_organization(organization);
        let row: Option<wire::TemplateRow> = self
            .one_named("workflow_job_templates/", name, &filters, |row: &wire::TemplateRow| &row.name)
            .await?;
        Ok(row.map(|row| TemplateRef {
            id: row.id,
            name: row.name,
            organization: row.summary_fields.organization.map(|organization| organization.name),
            allow_simultaneous: row.allow_simultaneous,
            survey_enabled: row.survey_enabled,
            may_start: row.summary_fields.user_capabilities.and_then(|may| may.start),
        }))
    }

    /// What a launch of this template asks for and what would make it fail.
    ///
    /// # Errors
    /// [`ReadError::Forbidden`] without the execute role, and the usual ones.
    pub async fn launch_readiness(&self, template_id: i64) -> Result<LaunchReadiness, ReadError> {
        let path = format!("workflow_job_templates/{template_id}/launch/");
        let facts: wire::LaunchFacts = self.get(&path, &[], self.deadline()).await?;
        Ok(LaunchReadiness {
            template_id: facts.workflow_job_template_data.id,
            template_name: facts.workflow_job_template_data.name,
            asks_variables: facts.ask_variables_on_launch,
            asks_inventory: facts.ask_inventory_on_launch,
            asks_limit: facts.ask_limit_on_launch,
            asks_scm_branch: facts.ask_scm_branch_on_launch,
            asks_labels: facts.ask_labels_on_launch,
            asks_job_tags: facts.ask_tags_on_launch,
            asks_skip_tags: facts.ask_skip_tags_on_launch,
            can_start_without_user_input: facts.can_start_without_user_input,
            survey_enabled: facts.survey_enabled,
            variables_needed_to_start: facts.variables_needed_to_start,
            node_templates_missing: facts.node_templates_missing.iter().map(plain).collect(),
            node_prompts_rejected: facts.node_prompts_rejected.iter().map(plain).collect(),
        })
    }

    /// The nodes of a template in order of their ids, each with whether what it runs may be read. Two requests.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn template_nodes(&self, template_id: i64) -> Result<Vec<TemplateNode>, ReadError> {
        let path = format!("workflow_job_templates/{template_id}/workflow_nodes/");
        let rows = self.rows::<wire::TemplateNodeRow>(&path, &[], PAGE_SIZE_MAX, self.deadline()).await?.rows;
        let mut nodes: Vec<TemplateNode> = rows.into_iter().map(template_node).collect();
        let job_templates: Vec<i64> =
            nodes.iter().filter(|node| is_job(node)).filter_map(|node| node.unified_job_template).collect();
        // The list holds only what the account may read, which one request tells for all nodes.
        let listed =
            self.rows_of::<wire::IdRow>("job_templates/", "id__in", &job_templates, PAGE_SIZE_MAX).await?;
        let listed: BTreeSet<i64> = listed.into_iter().map(|row| row.id).collect();
        for node in &mut nodes {
            let id = node.unified_job_template.filter(|_| is_job(node));
            node.readable = id.map(|id| listed.contains(&id));
        }
        Ok(nodes)
    }

    /// The filter for an organization's name: the call's, else the configured one.
    pub(super) fn in_organization(&self, organization: Option<&str>) -> Vec<(&'static str, String)> {
        let name = organization.or(self.config().organization.as_deref());
        name.map(|name| ("organization__name", name.to_owned())).into_iter().collect()
    }
}

fn is_job(node: &TemplateNode) -> bool {
    node.template_type.as_deref() == Some("job")
}

fn template_node(row: wire::TemplateNodeRow) -> TemplateNode {
    let template = row.summary_fields.unified_job_template;
    let (template_name, template_type) =
        template.map_or((None, None), |template| (Some(template.name), template.unified_job_type));
    TemplateNode {
        id: row.id,
        identifier: row.identifier,
        unified_job_template: row.unified_job_template,
        template_name,
        template_type,
        readable: None,
    }
}

/// A node as the controller names it here: its id, or a text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
