//! The resources of the API: their path, their Django model, and which of their rows a caller may see.

#![expect(clippy::wildcard_enum_match_arm, reason = "the rare kinds share one slow way")]

use super::super::model::access::Caller;
use super::super::model::filed::Cabinet;
use super::super::model::{Controller, Id};
use super::roles;

/// A table as the API shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Organization,
    Inventory,
    Group,
    Host,
    Label,
    Project,
    JobTemplate,
    WorkflowJobTemplate,
    UnifiedJobTemplate,
    TemplateNode,
    WorkflowJob,
    WorkflowNode,
    Job,
    UnifiedJob,
    Approval,
    NotificationTemplate,
    Notification,
    Token,
    User,
    JobEvent,
    ExecutionEnvironment,
    CredentialType,
    Credential,
    ApprovalTemplate,
    Role,
    Instance,
}

/// Kind, path, Django model.
const KINDS: [(Kind, &str, &str); 26] = [
    (Kind::Organization, "organizations", "Organization"),
    (Kind::Inventory, "inventories", "Inventory"),
    (Kind::Group, "groups", "Group"),
    (Kind::Host, "hosts", "Host"),
    (Kind::Label, "labels", "Label"),
    (Kind::Project, "projects", "Project"),
    (Kind::JobTemplate, "job_templates", "JobTemplate"),
    (Kind::WorkflowJobTemplate, "workflow_job_templates", "WorkflowJobTemplate"),
    (Kind::UnifiedJobTemplate, "unified_job_templates", "UnifiedJobTemplate"),
    (Kind::TemplateNode, "workflow_job_template_nodes", "WorkflowJobTemplateNode"),
    (Kind::WorkflowJob, "workflow_jobs", "WorkflowJob"),
    (Kind::WorkflowNode, "workflow_job_nodes", "WorkflowJobNode"),
    (Kind::Job, "jobs", "Job"),
    (Kind::UnifiedJob, "unified_jobs", "UnifiedJob"),
    (Kind::Approval, "workflow_approvals", "WorkflowApproval"),
    (Kind::NotificationTemplate, "notification_templates", "NotificationTemplate"),
    (Kind::Notification, "notifications", "Notification"),
    (Kind::Token, "tokens", "OAuth2AccessToken"),
    (Kind::User, "users", "User"),
    (Kind::JobEvent, "job_events", "JobEvent"),
    (Kind::ExecutionEnvironment, "execution_environments", "ExecutionEnvironment"),
    (Kind::CredentialType, "credential_types", "CredentialType"),
    (Kind::Credential, "credentials", "Credential"),
    (Kind::ApprovalTemplate, "workflow_approval_templates", "WorkflowApprovalTemplate"),
    (Kind::Role, "roles", "Role"),
    (Kind::Instance, "instances", "Instance"),
];

impl Kind {
    /// The resource at a path's first part.
    #[must_use]
    pub fn from_path(segment: &str) -> Option<Self> {
        KINDS.iter().find(|(_, path, _)| *path == segment).map(|(kind, _, _)| *kind)
    }

    /// The path's first part.
    #[must_use]
    pub fn path(self) -> &'static str {
        KINDS.iter().find(|(kind, _, _)| *kind == self).map_or("", |(_, path, _)| path)
    }

    /// The Django model's name, as errors spell it.
    #[must_use]
    pub fn model(self) -> &'static str {
        KINDS.iter().find(|(kind, _, _)| *kind == self).map_or("", |(_, _, model)| model)
    }

    /// Resources with named URLs answer without a trailing slash in 24.x, below their list
    /// (`launch_no_trailing_slash`, `hosts_no_slash_post`).
    #[must_use]
    pub fn has_named_url(self) -> bool {
        matches!(
            self,
            Self::Organization
                | Self::Inventory
                | Self::Group
                | Self::Host
                | Self::Label
                | Self::Project
                | Self::JobTemplate
                | Self::WorkflowJobTemplate
                | Self::NotificationTemplate
                | Self::Credential
                | Self::CredentialType
        )
    }

    /// Where its documents are filed; `None` for what the model has rows of its own for.
    #[must_use]
    pub fn cabinet(self) -> Option<Cabinet> {
        match self {
            Self::CredentialType => Some(Cabinet::CredentialTypes),
            Self::Credential => Some(Cabinet::Credentials),
            Self::ExecutionEnvironment => Some(Cabinet::ExecutionEnvironments),
            _ => None,
        }
    }

    /// All rows of the table, in order of their ids.
    #[must_use]
    pub fn ids(self, controller: &Controller) -> Vec<Id> {
        let rows = &controller.rows;
        match self {
            Self::Organization => rows.organizations.keys().copied().collect(),
            Self::Inventory => rows.inventories.keys().copied().collect(),
            Self::Group => rows.groups.keys().copied().collect(),
            Self::Host => rows.hosts.keys().copied().collect(),
            Self::Label => rows.labels.keys().copied().collect(),
            Self::Project => rows.projects.keys().copied().collect(),
            Self::JobTemplate => rows.job_templates.keys().copied().collect(),
            Self::WorkflowJobTemplate => rows.workflow_job_templates.keys().copied().collect(),
            Self::UnifiedJobTemplate => {
                let mut ids = Self::JobTemplate.ids(controller);
                ids.extend(Self::WorkflowJobTemplate.ids(controller));
                ids.sort_unstable();
                ids
            }
            Self::TemplateNode => rows.template_nodes.keys().copied().collect(),
            Self::WorkflowJob => rows.workflow_jobs.keys().copied().collect(),
            Self::WorkflowNode => rows.workflow_nodes.keys().copied().collect(),
            Self::Job => rows.jobs.keys().copied().collect(),
            // Approvals are absent from unified_jobs (CONTRACT.md §6).
            Self::UnifiedJob => {
                let mut ids = Self::Job.ids(controller);
                ids.extend(Self::WorkflowJob.ids(controller));
                ids.sort_unstable();
                ids
            }
            Self::Approval => rows.approvals.keys().copied().collect(),
            Self::NotificationTemplate => rows.notification_templates.keys().copied().collect(),
            Self::Notification => rows.notifications.keys().copied().collect(),
            Self::Token => rows.tokens.keys().copied().collect(),
            Self::User => rows.users.keys().copied().collect(),
            Self::ApprovalTemplate => rows.approval_templates.keys().copied().collect(),
            Self::CredentialType | Self::Credential | Self::ExecutionEnvironment => {
                self.cabinet().map(|cabinet| controller.filed_ids(cabinet)).unwrap_or_default()
            }
            Self::Role | Self::JobEvent | Self::Instance => Vec::new(),
        }
    }

    /// Whether the row exists.
    #[must_use]
    pub fn exists(self, controller: &Controller, id: Id) -> bool {
        let rows = &controller.rows;
        match self {
            Self::Host => rows.hosts.contains_key(&id),
            Self::WorkflowJob => rows.workflow_jobs.contains_key(&id),
            Self::Job => rows.jobs.contains_key(&id),
            Self::WorkflowNode => rows.workflow_nodes.contains_key(&id),
            Self::Role => roles::users(controller, id).is_some(),
            _ => self.ids(controller).binary_search(&id).is_ok(),
        }
    }

    /// Whether `caller` may read the row (CONTRACT.md §10, MEASURED 17).
    #[must_use]
    pub fn readable(self, controller: &Controller, caller: Caller, id: Id) -> bool {
        let (rows, user) = (&controller.rows, caller.user);
        if controller.is_superuser(user) {
            return true;
        }
        match self {
            Self::Organization => controller.reads_organization(user, id),
            Self::Inventory => controller.reads_inventory(user, id),
            Self::Group => {
                rows.groups.get(&id).is_some_and(|g| controller.reads_inventory(user, g.inventory))
            }
            Self::Host => rows.hosts.get(&id).is_some_and(|h| controller.reads_inventory(user, h.inventory)),
            Self::Label => {
                rows.labels.get(&id).is_some_and(|l| controller.reads_organization(user, l.organization))
            }
            Self::JobTemplate => controller.reads_job_template(user, id),
            Self::WorkflowJobTemplate => controller.reads_workflow_template(user, id),
            Self::UnifiedJobTemplate => {
                controller.reads_job_template(user, id) || controller.reads_workflow_template(user, id)
            }
            Self::TemplateNode => {
                let node = rows.template_nodes.get(&id);
                node.is_some_and(|n| controller.reads_workflow_template(user, n.workflow_job_template))
            }
            Self::WorkflowJob => {
                rows.workflow_jobs.get(&id).is_some_and(|run| controller.reads_workflow_job(user, run))
            }
            Self::WorkflowNode => {
                let node = rows.workflow_nodes.get(&id);
                node.is_some_and(|n| Self::WorkflowJob.readable(controller, caller, n.workflow_job))
            }
            Self::Job => rows.jobs.get(&id).is_some_and(|job| controller.reads_job(user, job)),
            Self::UnifiedJob => {
                Self::Job.readable(controller, caller, id)
                    || Self::WorkflowJob.readable(controller, caller, id)
            }
            Self::Approval => {
                let run = rows.approvals.get(&id).and_then(|approval| controller.run_of_approval(approval));
                run.is_some_and(|run| controller.reads_workflow_job(user, run))
            }
            Self::NotificationTemplate => {
                let row = rows.notification_templates.get(&id);
                row.is_some_and(|row| controller.reads_notification_template(user, row))
            }
            Self::Notification => {
                let row = rows.notifications.get(&id);
                row.is_some_and(|n| {
                    Self::NotificationTemplate.readable(controller, caller, n.notification_template)
                })
            }
            Self::Token => rows.tokens.get(&id).is_some_and(|token| token.user == user),
            Self::User => id == user,
            // Everybody sees the types; the rest of what is filed is the administrator's.
            Self::CredentialType => true,
            Self::Project
            | Self::Credential
            | Self::ExecutionEnvironment
            | Self::ApprovalTemplate
            | Self::Role
            | Self::JobEvent
            | Self::Instance => false,
        }
    }
}
