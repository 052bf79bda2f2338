//! Who may do what (CONTRACT.md §1, §10; MEASURED 8, 17): users, tokens, and roles on objects. Roles are
//! flat: what each implies is spelled out in the questions at the end.

use jiff::{SignedDuration, Timestamp};

use super::refusal::Refusal;
use super::rows::{Id, Job, NotificationTemplate, Scope, Token, User, WorkflowJob};
use super::{Controller, Table};

/// A role on one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    pub user: Id,
    pub role: Role,
    pub object: Id,
}

/// The roles the lab knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Member of an organization: may create labels in it.
    OrganizationMember,
    /// Holder of an organization's notification-admin role: sees and edits its notification templates.
    NotificationAdmin,
    /// Admin on an inventory: reads and writes its hosts.
    InventoryAdmin,
    /// Read on an inventory.
    InventoryRead,
    /// Execute on a workflow job template: launch it, read it and its runs, cancel one's own.
    WorkflowExecute,
    /// Read on a workflow job template and its runs.
    WorkflowRead,
    /// Approve on a workflow job template.
    WorkflowApprove,
    /// Execute on a job template: launch it and read its jobs.
    JobTemplateExecute,
    /// Read on a job template and its jobs.
    JobTemplateRead,
}

/// Who asks, and with what right to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub user: Id,
    pub scope: Scope,
}

impl Controller {
    /// Adds a user. The password is the lab's and no secret.
    pub fn add_user(&mut self, username: &str, password: &str, is_superuser: bool, now: Timestamp) -> Id {
        let id = self.next_id(Table::User);
        let user = User {
            id,
            username: username.to_owned(),
            email: format!("{username}@example.com"),
            is_superuser,
            password: password.to_owned(),
            created: now,
        };
        self.rows.users.insert(id, user);
        id
    }

    /// Gives `user` a role on `object`.
    pub fn grant(&mut self, user: Id, role: Role, object: Id) {
        self.rows.grants.insert(Grant { user, role, object });
    }

    /// Takes a role away; nothing happens when it was not held.
    pub fn ungrant(&mut self, user: Id, role: Role, object: Id) {
        self.rows.grants.remove(&Grant { user, role, object });
    }

    /// Makes a personal access token and returns its row; `secret` is made up when not given.
    pub fn add_token(
        &mut self,
        user: Id,
        description: &str,
        scope: Scope,
        secret: Option<&str>,
        now: Timestamp,
    ) -> Token {
        let made_up = format!("{:016x}{:014x}", self.roll(), self.roll() >> 8);
        let token = Token {
            id: self.next_id(Table::Token),
            user,
            secret: secret.map_or(made_up, str::to_owned),
            description: description.to_owned(),
            scope,
            created: now,
            expires: now.checked_add(SignedDuration::from_secs(31_536_000_000)).unwrap_or(Timestamp::MAX),
        };
        self.rows.tokens.insert(token.id, token.clone());
        token
    }

    /// Deletes every token with this secret: from the next request on it is unknown.
    pub fn revoke_token(&mut self, secret: &str) {
        self.rows.tokens.retain(|_, token| token.secret != secret);
    }

    /// Lets the tokens with this secret expire at `at`.
    pub fn expire_token(&mut self, secret: &str, at: Timestamp) {
        for token in self.rows.tokens.values_mut().filter(|token| token.secret == secret) {
            token.expires = at;
        }
    }

    /// Who holds the bearer token `secret`.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] for an unknown, revoked or expired one.
    pub fn bearer(&self, secret: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let token = self.rows.tokens.values().find(|token| token.secret == secret && token.expires > now);
        token.map(|t| Caller { user: t.user, scope: t.scope }).ok_or(Refusal::Unauthenticated)
    }

    /// Who signs in with a password.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`] unless both fit.
    pub fn basic(&self, username: &str, password: &str) -> Result<Caller, Refusal> {
        let user = self.rows.users.values().find(|u| u.username == username && u.password == password);
        user.map(|u| Caller { user: u.id, scope: Scope::Write }).ok_or(Refusal::Unauthenticated)
    }

    /// The number of a user by name.
    #[must_use]
    pub fn user_id(&self, username: &str) -> Option<Id> {
        self.rows.users.values().find(|user| user.username == username).map(|user| user.id)
    }

    /// Whether `user` is a superuser.
    #[must_use]
    pub fn is_superuser(&self, user: Id) -> bool {
        self.rows.users.get(&user).is_some_and(|user| user.is_superuser)
    }

    /// Whether `user` was given `role` on `object`; being a superuser does not count.
    #[must_use]
    pub fn has_grant(&self, user: Id, role: Role, object: Id) -> bool {
        self.rows.grants.contains(&Grant { user, role, object })
    }

    pub(in crate::lab) fn holds(&self, user: Id, roles: &[Role], object: Id) -> bool {
        self.is_superuser(user) || roles.iter().any(|role| self.has_grant(user, *role, object))
    }

    pub(in crate::lab) fn reads_organization(&self, user: Id, organization: Id) -> bool {
        self.holds(user, &[Role::OrganizationMember, Role::NotificationAdmin], organization)
    }

    pub(in crate::lab) fn reads_inventory(&self, user: Id, inventory: Id) -> bool {
        self.holds(user, &[Role::InventoryAdmin, Role::InventoryRead], inventory)
    }

    pub(in crate::lab) fn writes_inventory(&self, user: Id, inventory: Id) -> bool {
        self.holds(user, &[Role::InventoryAdmin], inventory)
    }

    pub(in crate::lab) fn reads_workflow_template(&self, user: Id, template: Id) -> bool {
        self.holds(user, &[Role::WorkflowExecute, Role::WorkflowRead, Role::WorkflowApprove], template)
    }

    pub(in crate::lab) fn starts_workflow_template(&self, user: Id, template: Id) -> bool {
        self.holds(user, &[Role::WorkflowExecute], template)
    }

    pub(in crate::lab) fn reads_job_template(&self, user: Id, template: Id) -> bool {
        self.holds(user, &[Role::JobTemplateExecute, Role::JobTemplateRead], template)
    }

    pub(in crate::lab) fn starts_job_template(&self, user: Id, template: Id) -> bool {
        self.holds(user, &[Role::JobTemplateExecute], template)
    }

    /// Runs of a deleted template are seen by superusers only (CONTRACT.md §5).
    pub(in crate::lab) fn reads_workflow_job(&self, user: Id, run: &WorkflowJob) -> bool {
        match run.workflow_job_template {
            Some(template) => self.reads_workflow_template(user, template),
            None => self.is_superuser(user),
        }
    }

    pub(in crate::lab) fn reads_job(&self, user: Id, job: &Job) -> bool {
        match job.job_template {
            Some(template) => self.reads_job_template(user, template),
            None => self.is_superuser(user),
        }
    }

    pub(in crate::lab) fn reads_notification_template(&self, user: Id, row: &NotificationTemplate) -> bool {
        self.holds(user, &[Role::NotificationAdmin], row.organization)
    }
}
