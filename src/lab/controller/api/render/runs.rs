//! Workflow jobs, their nodes, jobs, approvals. Recordings: `workflow_job_*`,
//! `workflow_nodes_*`, `job_*`, `jobs_of_workflow`, `workflow_approval_*`, `unified_jobs_*`.

use serde_json::{Map, Value, json};

use super::super::super::model::rows::{Job, WorkflowJobNode};
use super::super::super::model::{Id, LaunchType, Status};
use super::super::kind::Kind;
use super::{Show, elapsed, object, time, time_or_null};

impl Show<'_> {
    pub(super) fn workflow_job(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.workflow_jobs.get(&id)?;
        let template = row.workflow_job_template;
        let template_link = template.and_then(|id| self.link(Kind::WorkflowJobTemplate, id));
        let below = ["notifications", "workflow_nodes", "labels", "activity_stream", "relaunch", "cancel"];
        let user = self.link(Kind::User, row.created_by);
        let elsewhere = [
            ("created_by", user.clone()),
            ("modified_by", user),
            ("unified_job_template", template_link.clone()),
            ("workflow_job_template", template_link),
        ];
        let mut shown = json!({
            "related": self.related(Kind::WorkflowJob, id, &below, &elsewhere),
            "summary_fields": self.workflow_job_summary(id),
            "created": time(row.created), "modified": time(row.modified),
            "name": row.name, "description": "", "unified_job_template": template,
            "launch_type": row.launch_type.as_str(), "status": row.status.as_str(),
            "failed": row.status.counts_as_failed(), "started": time_or_null(row.started),
            "finished": time_or_null(row.finished), "canceled_on": time_or_null(row.canceled_on),
            "elapsed": elapsed(row.started, row.finished, self.now),
            "job_explanation": row.job_explanation, "launched_by": self.launched_by(row.created_by),
            "work_unit_id": null, "workflow_job_template": template,
            "extra_vars": self.controller.shown_variables(&row.extra_vars, &row.survey_passwords),
            "allow_simultaneous": row.allow_simultaneous, "job_template": null, "is_sliced_job": false,
            "inventory": row.prompts.inventory, "limit": row.prompts.limit,
            "scm_branch": row.prompts.scm_branch, "webhook_service": "", "webhook_credential": null,
            "webhook_guid": "", "skip_tags": row.prompts.skip_tags, "job_tags": row.prompts.job_tags,
        });
        if self.detail {
            object_mut(&mut shown).extend(object(json!({
                "job_args": "", "job_cwd": "", "job_env": {}, "result_traceback": "",
            })));
        }
        Some(self.object(Kind::WorkflowJob, id, shown))
    }

    fn workflow_job_summary(&self, id: Id) -> Value {
        let Some(row) = self.controller.rows.workflow_jobs.get(&id) else { return Value::Null };
        let mut summary = Map::new();
        summary.insert("organization".to_owned(), self.organization_summary(row.organization));
        if let Some(template) = row.workflow_job_template {
            let named = json!({"id": template, "name": row.name, "description": ""});
            summary.insert("workflow_job_template".to_owned(), named);
            summary.insert("unified_job_template".to_owned(), self.template_summary(template));
        }
        let own = row.created_by == self.caller.user;
        summary.insert("created_by".to_owned(), self.user_summary(row.created_by));
        summary.insert("modified_by".to_owned(), self.user_summary(row.created_by));
        let can = json!({"delete": self.is_superuser(), "start": self.is_superuser() || own});
        summary.insert("user_capabilities".to_owned(), can);
        summary.insert("labels".to_owned(), self.labels_summary(row.labels.iter()));
        Value::Object(summary)
    }

    pub(super) fn template_summary(&self, id: Id) -> Value {
        let Some((name, description, kind)) = self.controller.unified_template(id) else {
            return Value::Null;
        };
        json!({"id": id, "name": name, "description": description, "unified_job_type": kind})
    }

    fn launched_by(&self, user: Id) -> Value {
        let name = self.controller.username(user).unwrap_or_default();
        json!({"id": user, "name": name, "type": "user", "url": self.url(Kind::User, user)})
    }

    pub(super) fn workflow_node(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.workflow_nodes.get(&id)?;
        let below =
            ["labels", "credentials", "instance_groups", "success_nodes", "failure_nodes", "always_nodes"];
        let template = row.unified_job_template;
        let elsewhere = [
            ("unified_job_template", template.and_then(|id| self.template_link(id))),
            ("job", row.job.and_then(|id| self.job_link(id))),
            ("workflow_job", self.link(Kind::WorkflowJob, row.workflow_job)),
        ];
        let shown = json!({
            "related": self.related(Kind::WorkflowNode, id, &below, &elsewhere),
            "summary_fields": self.node_summary(row),
            "created": time(row.created), "modified": time(row.modified), "extra_data": row.extra_data,
            "inventory": null, "scm_branch": null, "job_type": null, "job_tags": null, "skip_tags": null,
            "limit": null, "diff_mode": null, "verbosity": null, "execution_environment": null,
            "forks": null, "job_slice_count": null, "timeout": null, "job": row.job,
            "workflow_job": row.workflow_job, "unified_job_template": template,
            "success_nodes": row.edges.success, "failure_nodes": row.edges.failure,
            "always_nodes": row.edges.always, "all_parents_must_converge": row.all_parents_must_converge,
            "do_not_run": row.do_not_run, "identifier": row.identifier,
        });
        Some(self.object(Kind::WorkflowNode, id, shown))
    }

    fn node_summary(&self, row: &WorkflowJobNode) -> Value {
        let rows = &self.controller.rows;
        let mut summary = Map::new();
        if let Some(job) = row.job.and_then(|id| self.job_summary(id)) {
            summary.insert("job".to_owned(), job);
        }
        if let Some(run) = rows.workflow_jobs.get(&row.workflow_job) {
            let named = json!({"id": run.id, "name": run.name, "description": ""});
            summary.insert("workflow_job".to_owned(), named);
        }
        if let Some(template) = row.unified_job_template {
            summary.insert("unified_job_template".to_owned(), self.template_summary(template));
        }
        Value::Object(summary)
    }

    /// `summary_fields.job`: the status of a step, readable without the right to read the job.
    pub(super) fn job_summary(&self, id: Id) -> Option<Value> {
        let rows = &self.controller.rows;
        let mut summary = if let Some(job) = rows.jobs.get(&id) {
            json!({"id": id, "name": job.name, "description": "", "status": job.status.as_str(),
                   "failed": job.status.counts_as_failed(), "type": "job",
                   "elapsed": elapsed(job.started, job.finished, self.now)})
        } else {
            let row = rows.approvals.get(&id)?;
            json!({"id": id, "name": row.name, "description": row.description,
                   "status": row.status.as_str(), "failed": row.status.counts_as_failed(),
                   "type": "workflow_approval",
                   "elapsed": elapsed(Some(row.created), row.finished, self.now)})
        };
        if rows.approvals.get(&id).is_some_and(|approval| approval.timed_out) {
            summary["timed_out"] = json!(true);
        }
        let canceled_on = rows.jobs.get(&id).and_then(|job| job.canceled_on);
        if let Some(at) = canceled_on {
            summary["canceled_on"] = json!(time(at));
        }
        Some(summary)
    }

    pub(super) fn template_link(&self, id: Id) -> Option<String> {
        let rows = &self.controller.rows;
        if rows.job_templates.contains_key(&id) {
            return self.link(Kind::JobTemplate, id);
        }
        if rows.approval_templates.contains_key(&id) {
            return Some(format!("{}workflow_approval_templates/{id}/", self.prefix));
        }
        rows.workflow_job_templates.contains_key(&id).then(|| self.url(Kind::WorkflowJobTemplate, id))
    }

    fn job_link(&self, id: Id) -> Option<String> {
        let kind = if self.controller.rows.jobs.contains_key(&id) { Kind::Job } else { Kind::Approval };
        self.link(kind, id)
    }

    fn run_of(&self, job: &Job) -> Option<Id> {
        let node = job.workflow_node.and_then(|id| self.controller.rows.workflow_nodes.get(&id));
        node.map(|node| node.workflow_job)
    }

    pub(super) fn job(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.jobs.get(&id)?;
        let begun = row.started.is_some();
        let node = if begun { "lab" } else { "" };
        let mut shown = json!({
            "related": self.job_related(row), "summary_fields": self.job_summary_fields(row),
            "created": time(row.created), "modified": time(row.modified), "name": row.name,
            "description": "", "unified_job_template": row.job_template,
            "launch_type": row.launch_type.as_str(), "status": row.status.as_str(),
            "execution_environment": begun.then_some(1), "failed": row.status.counts_as_failed(),
            "started": time_or_null(row.started), "finished": time_or_null(row.finished),
            "canceled_on": time_or_null(row.canceled_on),
            "elapsed": elapsed(row.started, row.finished, self.now),
            "job_explanation": row.job_explanation, "execution_node": node, "controller_node": node,
            "launched_by": self.launched_by(row.created_by), "work_unit_id": begun.then(|| format!("lab{id:05}")),
            "artifacts": self.artifacts(row), "instance_group": begun.then_some(2),
        });
        object_mut(&mut shown).extend(object(self.job_settings(row)));
        if self.detail {
            object_mut(&mut shown).extend(object(self.job_detail(row)));
        }
        Some(self.object(Kind::Job, id, shown))
    }

    /// What a job took over from its template and its launch.
    fn job_settings(&self, row: &Job) -> Value {
        json!({
            "job_type": "run", "inventory": row.inventory, "project": row.project, "playbook": row.playbook,
            "scm_branch": "", "forks": 0, "limit": row.prompts.limit.clone().unwrap_or_default(), "verbosity": 0,
            "extra_vars": self.controller.shown_variables(&row.extra_vars, &row.survey_passwords),
            "job_tags": row.prompts.job_tags.clone().unwrap_or_default(), "force_handlers": false,
            "skip_tags": row.prompts.skip_tags.clone().unwrap_or_default(), "start_at_task": "", "timeout": 0,
            "use_fact_cache": false, "organization": row.organization, "job_template": row.job_template,
            "passwords_needed_to_start": [], "allow_simultaneous": true, "scm_revision": "", "diff_mode": false,
            "job_slice_number": 0, "job_slice_count": 1, "webhook_service": "", "webhook_credential": null,
            "webhook_guid": "",
        })
    }

    fn job_detail(&self, row: &Job) -> Value {
        let mut detail = json!({
            "job_args": "", "job_cwd": "", "job_env": {}, "result_traceback": "",
            "event_processing_finished": row.event_processing_finished,
        });
        let launched_just_now = row.launch_type == LaunchType::Manual && row.status == Status::Pending;
        if !launched_just_now {
            let counts = row.recap.map_or(json!({}), |recap| {
                if recap.failures > 0 { json!({"failures": 1}) } else { json!({"ok": 1}) }
            });
            let tasks = row.recap.map_or(0, |recap| recap.ok + recap.failures + recap.skipped);
            detail["host_status_counts"] = counts;
            detail["playbook_counts"] = json!({"play_count": u32::from(tasks > 0), "task_count": tasks});
            detail["custom_virtualenv"] = Value::Null;
        }
        detail
    }

    /// The whole object hides behind a flag that Ansible sets (CONTRACT.md §7).
    fn artifacts(&self, row: &Job) -> Value {
        if row.artifacts.contains_key("_ansible_no_log") {
            return json!("$hidden due to Ansible no_log flag$");
        }
        json!(row.artifacts)
    }

    fn job_related(&self, row: &Job) -> Value {
        let below = [
            "labels",
            "credentials",
            "stdout",
            "job_events",
            "job_host_summaries",
            "activity_stream",
            "notifications",
            "create_schedule",
            "cancel",
            "relaunch",
        ];
        let template = row.job_template.and_then(|id| self.link(Kind::JobTemplate, id));
        let user = self.link(Kind::User, row.created_by);
        let manual = row.launch_type == LaunchType::Manual;
        let environment = row.started.map(|_| format!("{}execution_environments/1/", self.prefix));
        let elsewhere = [
            ("created_by", user.clone()),
            ("modified_by", user.filter(|_| manual)),
            ("inventory", row.inventory.and_then(|id| self.link(Kind::Inventory, id))),
            ("project", self.link(Kind::Project, row.project)),
            ("organization", self.link(Kind::Organization, row.organization)),
            ("unified_job_template", template.clone()),
            ("job_template", template),
            ("source_workflow_job", self.run_of(row).and_then(|id| self.link(Kind::WorkflowJob, id))),
            ("execution_environment", environment),
        ];
        Value::Object(self.related(Kind::Job, row.id, &below, &elsewhere))
    }

    fn job_summary_fields(&self, row: &Job) -> Value {
        let mut summary = object(json!({
            "organization": self.organization_summary(row.organization),
            "project": self.project_summary(row.project),
            "created_by": self.user_summary(row.created_by),
            "user_capabilities": {"delete": self.is_superuser(), "start": self.is_superuser()},
            "labels": {"count": 0, "results": []}, "credentials": [],
        }));
        let mut put = |key: &str, value: Value| summary.insert(key.to_owned(), value);
        if let Some(inventory) = row.inventory {
            put("inventory", self.inventory_summary(inventory));
        }
        if let Some(template) = row.job_template {
            put("job_template", json!({"id": template, "name": row.name, "description": ""}));
            put("unified_job_template", self.template_summary(template));
        }
        if row.launch_type == LaunchType::Manual {
            put("modified_by", self.user_summary(row.created_by));
        }
        if row.started.is_some() {
            put(
                "execution_environment",
                json!({"id": 1, "name": "Lab EE", "description": "", "image": "lab"}),
            );
            put("instance_group", json!({"id": 2, "name": "default", "is_container_group": false}));
        }
        if let Some(run) = self.run_of(row) {
            put("source_workflow_job", self.run_summary(run));
            if self.detail {
                put("ancestor_job", self.ancestor(run));
            }
        }
        Value::Object(summary)
    }

    fn run_summary(&self, id: Id) -> Value {
        let Some(run) = self.controller.rows.workflow_jobs.get(&id) else { return Value::Null };
        let mut summary = json!({
            "id": id, "name": run.name, "description": "", "status": run.status.as_str(),
            "failed": run.status.counts_as_failed(), "elapsed": elapsed(run.started, run.finished, self.now),
        });
        if let Some(at) = run.canceled_on {
            summary["canceled_on"] = json!(time(at));
        }
        summary
    }

    fn ancestor(&self, id: Id) -> Value {
        let name = self.controller.rows.workflow_jobs.get(&id).map_or("", |run| run.name.as_str());
        json!({"id": id, "name": name, "type": "workflow_job", "url": self.url(Kind::WorkflowJob, id)})
    }

    pub(super) fn approval(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.approvals.get(&id)?;
        let run = self.controller.run_of_approval(row)?;
        let template = format!("{}workflow_approval_templates/{}/", self.prefix, row.approval_template);
        let elsewhere = [
            ("created_by", self.link(Kind::User, row.created_by)),
            ("unified_job_template", Some(template.clone())),
            ("workflow_approval_template", Some(template)),
            ("source_workflow_job", self.link(Kind::WorkflowJob, run.id)),
            ("approved_or_denied_by", row.approved_or_denied_by.and_then(|id| self.link(Kind::User, id))),
        ];
        let named = |id: Option<Id>| json!({"id": id, "name": run.name, "description": ""});
        let timeout =
            self.controller.rows.approval_templates.get(&row.approval_template).map(|t| t.timeout_secs);
        let mut summary = json!({
            "workflow_job_template": named(run.workflow_job_template), "workflow_job": named(Some(run.id)),
            "workflow_approval_template": {"id": row.approval_template, "name": row.name,
                "description": row.description, "timeout": timeout},
            "unified_job_template": self.template_summary(row.approval_template),
            "created_by": self.user_summary(row.created_by),
            "user_capabilities": {"delete": self.is_superuser(), "start": true},
            "source_workflow_job": self.run_summary(run.id),
        });
        if self.detail {
            summary["ancestor_job"] = self.ancestor(run.id);
        }
        if let Some(user) = row.approved_or_denied_by {
            summary["approved_or_denied_by"] = self.user_summary(user);
        }
        let mut shown = json!({
            "related": self.related(Kind::Approval, id, &["approve", "deny"], &elsewhere),
            "summary_fields": summary, "created": time(row.created), "modified": time(row.modified),
            "name": row.name, "description": row.description, "unified_job_template": row.approval_template,
            "launch_type": "workflow", "status": row.status.as_str(), "execution_environment": null,
            "failed": row.status.counts_as_failed(), "started": time(row.created),
            "finished": time_or_null(row.finished), "canceled_on": time_or_null(row.canceled_on),
            "elapsed": elapsed(Some(row.created), row.finished, self.now),
            "job_explanation": row.job_explanation, "launched_by": self.launched_by(row.created_by),
            "work_unit_id": null,
            "can_approve_or_deny": row.status == Status::Pending
                && self.controller.may_approve(self.caller.user, row),
            "approval_expiration": time_or_null(row.expires), "timed_out": row.timed_out,
        });
        if self.detail {
            object_mut(&mut shown).extend(object(json!({
                "job_args": "", "job_cwd": "", "job_env": {}, "result_traceback": "",
                "event_processing_finished": true,
            })));
        }
        Some(self.object(Kind::Approval, id, shown))
    }
}

fn object_mut(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().expect("built as an object")
}
