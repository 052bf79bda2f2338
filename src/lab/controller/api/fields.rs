//! The fields that lists can be filtered and ordered by, with their types. A field that is not here is the
//! controller's 400; a protected one its 403 (CONTRACT.md §2, §4).

#![expect(clippy::wildcard_enum_match_arm, reason = "a kind without such a field is the rule")]

use jiff::Timestamp;

use super::super::model::{Controller, Id};
use super::kind::Kind;

/// A field of one row, or of no row (then it only tells its type).
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Int(Option<u64>),
    Text(Option<String>),
    Bool(Option<bool>),
    Time(Option<Timestamp>),
    /// A foreign key, or many rows.
    To(Kind, Vec<Id>),
    /// Not to be filtered by.
    Protected,
}

/// The field `name` of row `id`; `None` when the model has no such field.
#[must_use]
pub fn field(controller: &Controller, kind: Kind, id: Option<Id>, name: &str) -> Option<Field> {
    if matches!(name, "id" | "pk") {
        return Some(Field::Int(id));
    }
    match kind {
        Kind::WorkflowJob => workflow_job(controller, id, name),
        Kind::Job => job(controller, id, name),
        Kind::UnifiedJob => unified_job(controller, id, name),
        Kind::Approval => approval(controller, id, name),
        Kind::WorkflowNode => workflow_node(controller, id, name),
        Kind::TemplateNode => template_node(controller, id, name),
        Kind::WorkflowJobTemplate | Kind::JobTemplate | Kind::UnifiedJobTemplate => {
            template(controller, id, name)
        }
        Kind::Host => host(controller, id, name),
        Kind::Group => group(controller, id, name),
        Kind::Notification => notification(controller, id, name),
        Kind::Organization | Kind::Inventory | Kind::Label | Kind::Project | Kind::NotificationTemplate => {
            named(controller, kind, id, name)
        }
        Kind::User => user(controller, id, name),
        Kind::Token => token(controller, id, name),
        Kind::CredentialType | Kind::Credential | Kind::ExecutionEnvironment => {
            filed(controller, kind, id, name)
        }
        Kind::ApprovalTemplate | Kind::Role | Kind::JobEvent | Kind::Instance => None,
    }
}

fn text(value: Option<&str>) -> Field {
    Field::Text(value.map(str::to_owned))
}

fn to(kind: Kind, id: Option<Id>) -> Field {
    Field::To(kind, id.into_iter().collect())
}

fn workflow_job(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.workflow_jobs.get(&id));
    Some(match name {
        "name" => text(row.map(|r| r.name.as_str())),
        "description" => text(row.map(|_| "")),
        "status" => text(row.map(|r| r.status.as_str())),
        "launch_type" => text(row.map(|r| r.launch_type.as_str())),
        "job_explanation" => text(row.map(|r| r.job_explanation.as_str())),
        "webhook_guid" => text(row.map(|_| "")),
        "failed" => Field::Bool(row.map(|r| r.status.counts_as_failed())),
        "created" => Field::Time(row.map(|r| r.created)),
        "modified" => Field::Time(row.map(|r| r.modified)),
        "started" => Field::Time(row.and_then(|r| r.started)),
        "finished" => Field::Time(row.and_then(|r| r.finished)),
        "canceled_on" => Field::Time(row.and_then(|r| r.canceled_on)),
        "workflow_job_template" => to(Kind::WorkflowJobTemplate, row.and_then(|r| r.workflow_job_template)),
        "unified_job_template" => to(Kind::UnifiedJobTemplate, row.and_then(|r| r.workflow_job_template)),
        "organization" => to(Kind::Organization, row.map(|r| r.organization)),
        "created_by" => to(Kind::User, row.map(|r| r.created_by)),
        "labels" => {
            Field::To(Kind::Label, row.map(|r| r.labels.iter().copied().collect()).unwrap_or_default())
        }
        "workflow_nodes" | "workflow_job_nodes" => {
            let nodes = id.and_then(|id| c.rows.nodes_by_run.get(&id)).cloned();
            Field::To(Kind::WorkflowNode, nodes.unwrap_or_default())
        }
        "unified_job_node" => Field::To(Kind::WorkflowNode, Vec::new()),
        "char_prompts" => Field::Text(row.map(|r| {
            let prompts = [
                ("limit", &r.prompts.limit),
                ("scm_branch", &r.prompts.scm_branch),
                ("job_tags", &r.prompts.job_tags),
                ("skip_tags", &r.prompts.skip_tags),
            ];
            let set = prompts.into_iter().filter_map(|(key, value)| Some((key, value.clone()?)));
            serde_json::json!(set.collect::<std::collections::BTreeMap<_, _>>()).to_string()
        })),
        "extra_vars" | "survey_passwords" | "start_args" | "job_env" | "job_args" => Field::Protected,
        _ => return None,
    })
}

fn job(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.jobs.get(&id));
    Some(match name {
        "name" => text(row.map(|r| r.name.as_str())),
        "description" => text(row.map(|_| "")),
        "status" => text(row.map(|r| r.status.as_str())),
        "launch_type" => text(row.map(|r| r.launch_type.as_str())),
        "job_explanation" => text(row.map(|r| r.job_explanation.as_str())),
        "playbook" => text(row.map(|r| r.playbook.as_str())),
        "limit" => text(row.map(|r| r.prompts.limit.as_deref().unwrap_or_default())),
        "job_type" => text(row.map(|_| "run")),
        "failed" => Field::Bool(row.map(|r| r.status.counts_as_failed())),
        "created" => Field::Time(row.map(|r| r.created)),
        "modified" => Field::Time(row.map(|r| r.modified)),
        "started" => Field::Time(row.and_then(|r| r.started)),
        "finished" => Field::Time(row.and_then(|r| r.finished)),
        "canceled_on" => Field::Time(row.and_then(|r| r.canceled_on)),
        "job_template" => to(Kind::JobTemplate, row.and_then(|r| r.job_template)),
        "unified_job_template" => to(Kind::UnifiedJobTemplate, row.and_then(|r| r.job_template)),
        "organization" => to(Kind::Organization, row.map(|r| r.organization)),
        "inventory" => to(Kind::Inventory, row.and_then(|r| r.inventory)),
        "project" => to(Kind::Project, row.map(|r| r.project)),
        "created_by" => to(Kind::User, row.map(|r| r.created_by)),
        "labels" => Field::To(Kind::Label, Vec::new()),
        "unified_job_node" => to(Kind::WorkflowNode, row.and_then(|r| r.workflow_node)),
        "artifacts" => Field::Text(row.map(|r| serde_json::Value::Object(r.artifacts.clone()).to_string())),
        "extra_vars" | "survey_passwords" | "start_args" | "job_env" | "job_args" => Field::Protected,
        _ => return None,
    })
}

/// Only what every unified job has: `extra_vars` is no field here (`unified_jobs_extra_vars_filter_400`).
fn unified_job(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    if matches!(name, "extra_vars" | "playbook" | "limit" | "job_type" | "artifacts" | "char_prompts") {
        return None;
    }
    let is_job = id.is_some_and(|id| c.rows.jobs.contains_key(&id));
    if is_job || matches!(name, "job_template") { job(c, id, name) } else { workflow_job(c, id, name) }
}

fn approval(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.approvals.get(&id));
    Some(match name {
        "name" => text(row.map(|r| r.name.as_str())),
        "status" => text(row.map(|r| r.status.as_str())),
        "created" => Field::Time(row.map(|r| r.created)),
        "finished" => Field::Time(row.and_then(|r| r.finished)),
        "timed_out" => Field::Bool(row.map(|r| r.timed_out)),
        "unified_job_node" => to(Kind::WorkflowNode, row.map(|r| r.workflow_node)),
        _ => return None,
    })
}

fn workflow_node(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.workflow_nodes.get(&id));
    Some(match name {
        "identifier" => text(row.map(|r| r.identifier.as_str())),
        "do_not_run" => Field::Bool(row.map(|r| r.do_not_run)),
        "workflow_job" => to(Kind::WorkflowJob, row.map(|r| r.workflow_job)),
        "job" => to(Kind::UnifiedJob, row.and_then(|r| r.job)),
        "unified_job_template" => to(Kind::UnifiedJobTemplate, row.and_then(|r| r.unified_job_template)),
        "created" => Field::Time(row.map(|r| r.created)),
        "modified" => Field::Time(row.map(|r| r.modified)),
        _ => return None,
    })
}

fn template_node(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.template_nodes.get(&id));
    Some(match name {
        "identifier" => text(row.map(|r| r.identifier.as_str())),
        "workflow_job_template" => to(Kind::WorkflowJobTemplate, row.map(|r| r.workflow_job_template)),
        "unified_job_template" => to(Kind::UnifiedJobTemplate, row.and_then(|r| r.unified_job_template)),
        "created" => Field::Time(row.map(|r| r.created)),
        _ => return None,
    })
}

fn template(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let jt = id.and_then(|id| c.rows.job_templates.get(&id));
    let wf = id.and_then(|id| c.rows.workflow_job_templates.get(&id));
    Some(match name {
        "name" => text(jt.map(|r| r.name.as_str()).or(wf.map(|r| r.name.as_str()))),
        "description" => text(jt.map(|r| r.description.as_str()).or(wf.map(|r| r.description.as_str()))),
        "organization" => to(Kind::Organization, jt.map(|r| r.organization).or(wf.map(|r| r.organization))),
        "created" => Field::Time(jt.map(|r| r.created).or(wf.map(|r| r.created))),
        "modified" => Field::Time(jt.map(|r| r.modified).or(wf.map(|r| r.modified))),
        "playbook" => text(jt.map(|r| r.playbook.as_str())),
        "inventory" => to(Kind::Inventory, jt.and_then(|r| r.inventory)),
        "project" => to(Kind::Project, jt.map(|r| r.project)),
        "extra_vars" => Field::Protected,
        _ => return None,
    })
}

fn host(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.hosts.get(&id));
    Some(match name {
        "name" => text(row.map(|r| r.name.as_str())),
        "description" => text(row.map(|r| r.description.as_str())),
        "instance_id" => text(row.map(|r| r.instance_id.as_str())),
        "variables" => text(row.map(|r| r.variables.as_str())),
        "enabled" => Field::Bool(row.map(|r| r.enabled)),
        "created" => Field::Time(row.map(|r| r.created)),
        "modified" => Field::Time(row.map(|r| r.modified)),
        "inventory" => to(Kind::Inventory, row.map(|r| r.inventory)),
        "groups" => {
            let of =
                |group: &&super::super::model::rows::Group| id.is_some_and(|id| group.hosts.contains(&id));
            Field::To(Kind::Group, c.rows.groups.values().filter(of).map(|group| group.id).collect())
        }
        _ => return None,
    })
}

fn group(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.groups.get(&id));
    Some(match name {
        "name" => text(row.map(|r| r.name.as_str())),
        "description" => text(row.map(|r| r.description.as_str())),
        "inventory" => to(Kind::Inventory, row.map(|r| r.inventory)),
        "hosts" => Field::To(Kind::Host, row.map(|r| r.hosts.iter().copied().collect()).unwrap_or_default()),
        "created" => Field::Time(row.map(|r| r.created)),
        "modified" => Field::Time(row.map(|r| r.modified)),
        _ => return None,
    })
}

fn notification(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.notifications.get(&id));
    Some(match name {
        "status" => text(row.map(|r| r.status.as_str())),
        "error" => text(row.map(|r| r.error.as_str())),
        "recipients" => text(row.map(|r| r.recipients.as_str())),
        "notification_type" => text(row.map(|_| "webhook")),
        "notifications_sent" => Field::Int(row.map(|r| u64::from(r.notifications_sent))),
        "body" => Field::Text(row.map(|r| r.body.to_string())),
        "created" | "modified" => Field::Time(row.map(|r| r.created)),
        "notification_template" => to(Kind::NotificationTemplate, row.map(|r| r.notification_template)),
        "unifiedjob_notifications" => to(Kind::UnifiedJob, row.and_then(|r| r.unified_job)),
        _ => return None,
    })
}

fn named(c: &Controller, kind: Kind, id: Option<Id>, name: &str) -> Option<Field> {
    let rows = &c.rows;
    let row = id.and_then(|id| {
        Some(match kind {
            Kind::Organization => rows.organizations.get(&id).map(|r| (&r.name, r.id, r.created))?,
            Kind::Inventory => rows.inventories.get(&id).map(|r| (&r.name, r.organization, r.created))?,
            Kind::Label => rows.labels.get(&id).map(|r| (&r.name, r.organization, r.created))?,
            Kind::Project => rows.projects.get(&id).map(|r| (&r.name, r.organization, r.created))?,
            _ => rows.notification_templates.get(&id).map(|r| (&r.name, r.organization, r.created))?,
        })
    });
    Some(match name {
        "name" => text(row.map(|(name, _, _)| name.as_str())),
        "description" if kind != Kind::Label => text(row.map(|_| "")),
        "organization" if kind != Kind::Organization => {
            to(Kind::Organization, row.map(|(_, organization, _)| organization))
        }
        "created" | "modified" => Field::Time(row.map(|(_, _, created)| created)),
        "notification_type" if kind == Kind::NotificationTemplate => text(row.map(|_| "webhook")),
        "notification_configuration" if kind == Kind::NotificationTemplate => Field::Protected,
        _ => return None,
    })
}

fn filed(c: &Controller, kind: Kind, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.filed(kind.cabinet()?, id));
    Some(match name {
        "name" | "description" => text(row.map(|r| r.text(name))),
        "created" => Field::Time(row.map(|r| r.created)),
        "modified" => Field::Time(row.map(|r| r.modified)),
        "organization" if kind != Kind::CredentialType => {
            to(Kind::Organization, row.and_then(|r| r.link(name)))
        }
        "credential_type" if kind == Kind::Credential => {
            to(Kind::CredentialType, row.and_then(|r| r.link(name)))
        }
        "kind" | "namespace" if kind == Kind::CredentialType => text(row.map(|r| r.text(name))),
        "image" if kind == Kind::ExecutionEnvironment => text(row.map(|r| r.text(name))),
        "inputs" if kind == Kind::Credential => Field::Protected,
        _ => return None,
    })
}

fn user(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.users.get(&id));
    Some(match name {
        "username" => text(row.map(|r| r.username.as_str())),
        "is_superuser" => Field::Bool(row.map(|r| r.is_superuser)),
        "password" => Field::Protected,
        _ => return None,
    })
}

fn token(c: &Controller, id: Option<Id>, name: &str) -> Option<Field> {
    let row = id.and_then(|id| c.rows.tokens.get(&id));
    Some(match name {
        "description" => text(row.map(|r| r.description.as_str())),
        "user" => to(Kind::User, row.map(|r| r.user)),
        "created" => Field::Time(row.map(|r| r.created)),
        "expires" => Field::Time(row.map(|r| r.expires)),
        "token" => Field::Protected,
        _ => return None,
    })
}
