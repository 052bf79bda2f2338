//! Templates, their nodes, and what `GET launch/` tells. Recordings: `wfjt_*`, `launch_get*`,
//! `launch_jt_get`, fixture `jt_detail`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::super::model::Id;
use super::super::super::model::filed::Holder;
use super::super::super::model::rows::{AskOnLaunch, JobTemplate, WorkflowJobTemplate};
use super::super::super::model::setup::variables_text;
use super::super::super::model::survey::Survey;
use super::super::kind::Kind;
use super::super::roles::object_roles;
use super::{Show, object, time, time_or_null};

/// How a template's last run is told: id, name, status, finished, canceled_on, created.
struct LastRun {
    id: Id,
    name: String,
    status: super::super::super::model::Status,
    finished: Option<jiff::Timestamp>,
    canceled_on: Option<jiff::Timestamp>,
}

impl Show<'_> {
    pub(super) fn workflow_job_template(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.workflow_job_templates.get(&id)?;
        let runs = self.runs_of_workflow_template(id);
        let last = runs.first().filter(|run| run.finished.is_some());
        let below = [
            "workflow_jobs",
            "schedules",
            "launch",
            "webhook_key",
            "workflow_nodes",
            "labels",
            "activity_stream",
            "notification_templates_started",
            "notification_templates_success",
            "notification_templates_error",
            "notification_templates_approvals",
            "access_list",
            "object_roles",
            "survey_spec",
            "copy",
        ];
        let mut related =
            self.template_related(Kind::WorkflowJobTemplate, id, row.organization, &below, &row.name);
        if let Some(run) = last {
            related.insert("last_job".to_owned(), json!(self.url(Kind::WorkflowJob, run.id)));
        }
        let start = self.controller.starts_workflow_template(self.caller.user, id);
        let mut summary =
            self.template_summary_fields(row.organization, (Kind::WorkflowJobTemplate, id), start, &runs);
        if let Some(survey) = &row.survey {
            summary.insert(
                "survey".to_owned(),
                json!({"title": survey.name, "description": survey.description}),
            );
        }
        let shown = json!({
            "related": related, "summary_fields": summary, "created": time(row.created),
            "modified": time(row.modified), "name": row.name, "description": row.description,
            "last_job_run": time_or_null(last.and_then(|run| run.finished)),
            "last_job_failed": last.is_some_and(|run| run.status.counts_as_failed()), "next_job_run": null,
            "status": template_status(&runs), "extra_vars": variables_text(&row.extra_vars),
            "organization": row.organization, "survey_enabled": row.survey_enabled,
            "allow_simultaneous": row.allow_simultaneous, "ask_variables_on_launch": row.ask.variables,
            "inventory": null, "limit": null, "scm_branch": null,
            "ask_inventory_on_launch": row.ask.inventory, "ask_scm_branch_on_launch": row.ask.scm_branch,
            "ask_limit_on_launch": row.ask.limit, "webhook_service": "", "webhook_credential": null,
            "ask_labels_on_launch": row.ask.labels, "ask_skip_tags_on_launch": row.ask.skip_tags,
            "ask_tags_on_launch": row.ask.tags, "skip_tags": null, "job_tags": null,
        });
        Some(self.object(Kind::WorkflowJobTemplate, id, shown))
    }

    pub(super) fn job_template(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.job_templates.get(&id)?;
        let runs = self.runs_of_job_template(id);
        let last = runs.first().filter(|run| run.finished.is_some());
        let below = [
            "labels",
            "credentials",
            "jobs",
            "schedules",
            "activity_stream",
            "launch",
            "webhook_key",
            "notification_templates_started",
            "notification_templates_success",
            "notification_templates_error",
            "access_list",
            "survey_spec",
            "object_roles",
            "instance_groups",
            "slice_workflow_jobs",
            "copy",
        ];
        let mut related = self.template_related(Kind::JobTemplate, id, row.organization, &below, &row.name);
        related.insert("project".to_owned(), json!(self.url(Kind::Project, row.project)));
        if let Some(inventory) = row.inventory {
            related.insert("inventory".to_owned(), json!(self.url(Kind::Inventory, inventory)));
        }
        if let Some(run) = last {
            related.insert("last_job".to_owned(), json!(self.url(Kind::Job, run.id)));
        }
        let start = self.controller.starts_job_template(self.caller.user, id);
        let mut summary =
            self.template_summary_fields(row.organization, (Kind::JobTemplate, id), start, &runs);
        summary.insert("project".to_owned(), self.project_summary(row.project));
        summary.insert("credentials".to_owned(), self.credentials_summary(Holder::Template, id));
        if let Some(inventory) = row.inventory {
            summary.insert("inventory".to_owned(), self.inventory_summary(inventory));
        }
        let mut shown = object(job_template_fields(row));
        shown.extend(object(json!({
            "related": related, "summary_fields": summary, "created": time(row.created),
            "modified": time(row.modified), "status": template_status(&runs),
            "last_job_run": time_or_null(last.and_then(|run| run.finished)),
            "last_job_failed": last.is_some_and(|run| run.status.counts_as_failed()),
        })));
        Some(self.object(Kind::JobTemplate, id, Value::Object(shown)))
    }

    fn template_related(
        &self,
        kind: Kind,
        id: Id,
        organization: Id,
        below: &[&str],
        name: &str,
    ) -> Map<String, Value> {
        let admin = self.link(Kind::User, 1);
        let elsewhere = [
            ("named_url", self.named_url(kind, &[name, self.organization_name(organization)])),
            ("created_by", admin.clone()),
            ("modified_by", admin),
            ("webhook_receiver", Some(String::new())),
            ("organization", self.link(Kind::Organization, organization)),
        ];
        self.related(kind, id, below, &elsewhere)
    }

    fn template_summary_fields(
        &self,
        organization: Id,
        (kind, id): (Kind, Id),
        start: bool,
        runs: &[LastRun],
    ) -> Map<String, Value> {
        let admin = self.is_superuser();
        let run_type = if kind == Kind::JobTemplate { "job" } else { "workflow_job" };
        let recent: Vec<Value> = runs
            .iter()
            .take(10)
            .map(|run| {
                json!({"id": run.id, "status": run.status.as_str(), "finished": time_or_null(run.finished),
                       "canceled_on": time_or_null(run.canceled_on), "type": run_type})
            })
            .collect();
        let mut summary = object(json!({
            "organization": self.organization_summary(organization),
            "created_by": self.user_summary(1), "modified_by": self.user_summary(1),
            "object_roles": object_roles(kind, id),
            "user_capabilities":
                {"edit": admin, "delete": admin, "start": start, "schedule": start, "copy": admin},
            "labels": self.labels_summary(self.controller.associated(Holder::Template, id, "labels").iter()),
            "recent_jobs": recent,
        }));
        if let Some(run) = runs.first().filter(|run| run.finished.is_some()) {
            let failed = run.status.counts_as_failed();
            let status = run.status.as_str();
            let told = json!({"id": run.id, "name": run.name, "description": "", "status": status, "failed": failed});
            let mut last = told.clone();
            last["finished"] = time_or_null(run.finished);
            summary.insert("last_job".to_owned(), last);
            summary.insert("last_update".to_owned(), told);
        }
        summary
    }

    fn runs_of_workflow_template(&self, id: Id) -> Vec<LastRun> {
        let rows = self.controller.rows.workflow_jobs.values().rev();
        rows.filter(|run| run.workflow_job_template == Some(id))
            .take(10)
            .map(|r| LastRun {
                id: r.id,
                name: r.name.clone(),
                status: r.status,
                finished: r.finished,
                canceled_on: r.canceled_on,
            })
            .collect()
    }

    fn runs_of_job_template(&self, id: Id) -> Vec<LastRun> {
        let rows = self.controller.rows.jobs.values().rev();
        rows.filter(|job| job.job_template == Some(id))
            .take(10)
            .map(|r| LastRun {
                id: r.id,
                name: r.name.clone(),
                status: r.status,
                finished: r.finished,
                canceled_on: r.canceled_on,
            })
            .collect()
    }

    pub(super) fn template_node(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.template_nodes.get(&id)?;
        let below = [
            "labels",
            "credentials",
            "instance_groups",
            "create_approval_template",
            "success_nodes",
            "failure_nodes",
            "always_nodes",
        ];
        let elsewhere = [
            ("unified_job_template", row.unified_job_template.and_then(|id| self.template_link(id))),
            ("workflow_job_template", self.link(Kind::WorkflowJobTemplate, row.workflow_job_template)),
        ];
        let workflow = self.controller.rows.workflow_job_templates.get(&row.workflow_job_template);
        let mut summary = object(json!({"workflow_job_template": {
            "id": row.workflow_job_template, "name": workflow.map_or("", |w| w.name.as_str()), "description": "",
        }}));
        if let Some(template) = row.unified_job_template {
            summary.insert("unified_job_template".to_owned(), self.template_summary(template));
        }
        let shown = json!({
            "related": self.related(Kind::TemplateNode, id, &below, &elsewhere), "summary_fields": summary,
            "created": time(row.created), "modified": time(row.created), "extra_data": row.extra_data,
            "inventory": null, "scm_branch": null, "job_type": null, "job_tags": null, "skip_tags": null,
            "limit": null, "diff_mode": null, "verbosity": null, "execution_environment": null, "forks": null,
            "job_slice_count": null, "timeout": null, "workflow_job_template": row.workflow_job_template,
            "unified_job_template": row.unified_job_template, "success_nodes": row.edges.success,
            "failure_nodes": row.edges.failure, "always_nodes": row.edges.always,
            "all_parents_must_converge": row.all_parents_must_converge, "identifier": row.identifier,
        });
        Some(self.object(Kind::TemplateNode, id, shown))
    }

    /// `GET workflow_job_templates/N/launch/`.
    #[must_use]
    pub fn workflow_launch_facts(&self, row: &WorkflowJobTemplate) -> Value {
        let needed = row.survey_on().map(Survey::needed).unwrap_or_default();
        let nodes = self.controller.rows.template_nodes.values();
        let missing: Vec<Id> = nodes
            .filter(|node| node.workflow_job_template == row.id)
            .filter(|node| {
                node.unified_job_template.is_none_or(|id| self.controller.unified_template(id).is_none())
            })
            .map(|node| node.id)
            .collect();
        let defaults = json!({"inventory": {"name": null, "id": null}, "limit": null, "scm_branch": null,
            "job_tags": null, "skip_tags": null, "extra_vars": variables_text(&row.extra_vars)});
        let mut shown = object(ask_flags(row.ask));
        shown.extend(object(json!({
            "can_start_without_user_input": needed.is_empty() && missing.is_empty(), "defaults": defaults,
            "survey_enabled": row.survey_enabled, "variables_needed_to_start": needed,
            "node_templates_missing": missing, "node_prompts_rejected": [],
            "workflow_job_template_data": {"name": row.name, "id": row.id, "description": row.description},
        })));
        Value::Object(shown)
    }

    /// `GET job_templates/N/launch/`.
    #[must_use]
    pub fn job_launch_facts(&self, row: &JobTemplate) -> Value {
        let inventory = row.inventory.and_then(|id| self.controller.rows.inventories.get(&id));
        let needed = row.survey_on().map(Survey::needed).unwrap_or_default();
        let mut shown = object(ask_flags(row.ask));
        shown.extend(never_prompted());
        let facts = json!({
            "can_start_without_user_input": !row.ask.variables && needed.is_empty(),
            "passwords_needed_to_start": [], "survey_enabled": row.survey_enabled,
            "variables_needed_to_start": needed, "credential_needed_to_start": false,
            "inventory_needed_to_start": row.inventory.is_none(),
            "job_template_data": {"name": row.name, "id": row.id, "description": row.description},
            "defaults": {
                "inventory": {"name": inventory.map(|i| i.name.clone()), "id": row.inventory}, "limit": "",
                "scm_branch": "", "job_tags": "", "skip_tags": "",
                "extra_vars": variables_text(&row.extra_vars), "diff_mode": false, "job_type": "run",
                "verbosity": 0, "execution_environment": {}, "forks": 0, "job_slice_count": 1, "timeout": 0,
                "instance_groups": [],
            },
        });
        shown.extend(object(facts));
        Value::Object(shown)
    }
}

fn template_status(runs: &[LastRun]) -> &'static str {
    runs.first().map_or("never updated", |run| run.status.as_str())
}

fn ask_flags(ask: AskOnLaunch) -> Value {
    json!({
        "ask_inventory_on_launch": ask.inventory, "ask_limit_on_launch": ask.limit,
        "ask_scm_branch_on_launch": ask.scm_branch, "ask_variables_on_launch": ask.variables,
        "ask_labels_on_launch": ask.labels, "ask_skip_tags_on_launch": ask.skip_tags,
        "ask_tags_on_launch": ask.tags,
    })
}

/// The prompts that only job templates have, none of which the lab's ask for.
fn never_prompted() -> Map<String, Value> {
    let names = [
        "diff_mode",
        "job_type",
        "verbosity",
        "credential",
        "execution_environment",
        "forks",
        "job_slice_count",
        "timeout",
        "instance_groups",
    ];
    let flags: BTreeMap<String, bool> = names.map(|name| (format!("ask_{name}_on_launch"), false)).into();
    object(json!(flags))
}

fn job_template_fields(row: &JobTemplate) -> Value {
    let mut fields = object(ask_flags(row.ask));
    fields.extend(never_prompted());
    fields.extend(object(json!({
        "name": row.name, "description": row.description, "job_type": "run", "inventory": row.inventory,
        "project": row.project, "playbook": row.playbook, "scm_branch": "", "forks": 0, "limit": "",
        "verbosity": 0, "extra_vars": variables_text(&row.extra_vars), "job_tags": "",
        "force_handlers": false, "skip_tags": "", "start_at_task": "", "timeout": 0, "use_fact_cache": false,
        "organization": row.organization, "next_job_run": null, "execution_environment": null,
        "host_config_key": "", "survey_enabled": row.survey_enabled, "become_enabled": false, "diff_mode": false,
        "allow_simultaneous": row.allow_simultaneous, "custom_virtualenv": null, "job_slice_count": 1,
        "webhook_service": "", "webhook_credential": null, "prevent_instance_group_fallback": false,
    })));
    Value::Object(fields)
}
