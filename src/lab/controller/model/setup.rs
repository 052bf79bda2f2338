//! Making the rows that content-as-code makes: templates, graphs, inventories, groups, labels,
//! notification templates and what hangs on what (CONTRACT.md §11).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::notices::NoticeEvent;
use super::refusal::Refusal;
use super::rows::{
    ApprovalTemplate, AskOnLaunch, Edges, Group, Id, Inventory, JobTemplate, Label, NotificationTemplate,
    Organization, Project, TemplateNode, WorkflowJobTemplate,
};
use super::{Controller, Table};

/// The kind of an edge between two nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeKind {
    Success,
    Failure,
    Always,
}

impl Controller {
    /// Adds an organization.
    pub fn add_organization(&mut self, name: &str, now: Timestamp) -> Id {
        let id = self.next_id(Table::Organization);
        let row = Organization { id, name: name.to_owned(), description: "lab".to_owned(), created: now };
        self.rows.organizations.insert(id, row);
        id
    }

    /// Adds an inventory.
    pub fn add_inventory(&mut self, organization: Id, name: &str, now: Timestamp) -> Id {
        let id = self.next_id(Table::Inventory);
        let row = Inventory {
            id,
            name: name.to_owned(),
            description: String::new(),
            organization,
            variables: String::new(),
            created: now,
            modified: now,
        };
        self.rows.inventories.insert(id, row);
        id
    }

    /// Adds a group to an inventory.
    pub fn add_group(&mut self, inventory: Id, name: &str, now: Timestamp) -> Id {
        let id = self.next_id(Table::Group);
        let row = Group {
            id,
            name: name.to_owned(),
            description: String::new(),
            inventory,
            variables: String::new(),
            hosts: BTreeSet::new(),
            created: now,
            modified: now,
        };
        self.rows.groups.insert(id, row);
        id
    }

    /// Adds a project, which the lab never updates.
    pub fn add_project(&mut self, organization: Id, name: &str, now: Timestamp) -> Id {
        let id = self.next_id(Table::UnifiedJobTemplate);
        self.rows.projects.insert(id, Project { id, name: name.to_owned(), organization, created: now });
        id
    }

    /// Adds a job template that prompts for variables.
    pub fn add_job_template(
        &mut self,
        organization: Id,
        (inventory, project): (Id, Id),
        (name, playbook): (&str, &str),
        now: Timestamp,
    ) -> Id {
        let id = self.next_id(Table::UnifiedJobTemplate);
        let row = JobTemplate {
            id,
            name: name.to_owned(),
            description: String::new(),
            organization,
            inventory: Some(inventory),
            project,
            playbook: playbook.to_owned(),
            extra_vars: Map::new(),
            ask: AskOnLaunch { variables: true, ..AskOnLaunch::default() },
            allow_simultaneous: true,
            survey_enabled: false,
            survey: None,
            notification_templates: BTreeMap::new(),
            created: now,
            modified: now,
        };
        self.rows.job_templates.insert(id, row);
        id
    }

    /// Adds a workflow job template that prompts for variables and allows simultaneous runs.
    pub fn add_workflow_job_template(&mut self, organization: Id, name: &str, now: Timestamp) -> Id {
        let id = self.next_id(Table::UnifiedJobTemplate);
        let row = WorkflowJobTemplate {
            id,
            name: name.to_owned(),
            description: String::new(),
            organization,
            extra_vars: Map::new(),
            ask: AskOnLaunch { variables: true, ..AskOnLaunch::default() },
            allow_simultaneous: true,
            survey_enabled: false,
            survey: None,
            notification_templates: BTreeMap::new(),
            created: now,
            modified: now,
        };
        self.rows.workflow_job_templates.insert(id, row);
        id
    }

    /// Changes a workflow job template in place; nothing happens for an unknown one.
    pub fn edit_workflow_job_template(&mut self, id: Id, edit: impl FnOnce(&mut WorkflowJobTemplate)) {
        if let Some(row) = self.rows.workflow_job_templates.get_mut(&id) {
            edit(row);
        }
    }

    /// Changes a job template in place; nothing happens for an unknown one.
    pub fn edit_job_template(&mut self, id: Id, edit: impl FnOnce(&mut JobTemplate)) {
        if let Some(row) = self.rows.job_templates.get_mut(&id) {
            edit(row);
        }
    }

    /// Adds a node that runs `unified_job_template`; without one, nothing yet.
    ///
    /// # Errors
    /// 400 when the identifier is taken in this template.
    pub fn add_node(
        &mut self,
        template: Id,
        unified_job_template: impl Into<Option<Id>>,
        identifier: &str,
        now: Timestamp,
    ) -> Result<Id, Refusal> {
        let taken = |n: &TemplateNode| n.workflow_job_template == template && n.identifier == identifier;
        if self.rows.template_nodes.values().any(taken) {
            return Err(Refusal::all(
                "Workflow job template node with this Workflow job template and Identifier already exists.",
            ));
        }
        let id = self.next_id(Table::TemplateNode);
        let row = TemplateNode {
            id,
            workflow_job_template: template,
            unified_job_template: unified_job_template.into(),
            identifier: identifier.to_owned(),
            extra_data: Map::new(),
            edges: Edges::default(),
            all_parents_must_converge: false,
            created: now,
        };
        self.rows.template_nodes.insert(id, row);
        Ok(id)
    }

    /// Draws an edge.
    ///
    /// # Errors
    /// 404 for an unknown node; 400 for a cycle or a second kind of edge between the same two nodes.
    pub fn add_edge(&mut self, parent: Id, kind: EdgeKind, child: Id) -> Result<(), Refusal> {
        if !self.rows.template_nodes.contains_key(&child) {
            return Err(Refusal::NotFound("WorkflowJobTemplateNode"));
        }
        if parent == child || self.reaches(child, parent) {
            return Err(Refusal::Invalid(json!({"Error": "Cycle detected."})));
        }
        let node = self.rows.template_nodes.get_mut(&parent);
        let edges = &mut node.ok_or(Refusal::NotFound("WorkflowJobTemplateNode"))?.edges;
        let (set, others) = match kind {
            EdgeKind::Success => (&mut edges.success, [&edges.failure, &edges.always]),
            EdgeKind::Failure => (&mut edges.failure, [&edges.success, &edges.always]),
            EdgeKind::Always => (&mut edges.always, [&edges.success, &edges.failure]),
        };
        if others.iter().any(|other| other.contains(&child)) {
            return Err(Refusal::Invalid(json!({"Error": "Relationship not allowed."})));
        }
        set.insert(child);
        Ok(())
    }

    fn reaches(&self, from: Id, to: Id) -> bool {
        let mut open = vec![from];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if id == to {
                return true;
            }
            if let Some(node) = self.rows.template_nodes.get(&id).filter(|_| seen.insert(id)) {
                let edges = &node.edges;
                open.extend(edges.success.iter().chain(&edges.failure).chain(&edges.always));
            }
        }
        false
    }

    /// Adds an approval step before which the workflow waits for a person; 0 seconds never times out.
    ///
    /// # Errors
    /// As for [`Controller::add_node`].
    pub fn add_approval_node(
        &mut self,
        template: Id,
        (identifier, name): (&str, &str),
        timeout_secs: u32,
        now: Timestamp,
    ) -> Result<Id, Refusal> {
        let id = self.add_approval_template(name, timeout_secs);
        self.add_node(template, id, identifier, now)
    }

    /// Adds what an approval step asks; 0 seconds never times out.
    pub fn add_approval_template(&mut self, name: &str, timeout_secs: u32) -> Id {
        let id = self.next_id(Table::UnifiedJobTemplate);
        let row = ApprovalTemplate { id, name: name.to_owned(), description: String::new(), timeout_secs };
        self.rows.approval_templates.insert(id, row);
        id
    }

    /// Changes a node in place; nothing happens for an unknown one.
    pub fn edit_node(&mut self, id: Id, edit: impl FnOnce(&mut TemplateNode)) {
        if let Some(row) = self.rows.template_nodes.get_mut(&id) {
            edit(row);
        }
    }

    /// Takes an edge away; idempotent.
    pub fn remove_edge(&mut self, parent: Id, kind: EdgeKind, child: Id) {
        self.edit_node(parent, |node| {
            match kind {
                EdgeKind::Success => node.edges.success.remove(&child),
                EdgeKind::Failure => node.edges.failure.remove(&child),
                EdgeKind::Always => node.edges.always.remove(&child),
            };
        });
    }

    /// Deletes a node with the edges that lead to it.
    pub fn delete_node(&mut self, id: Id) {
        self.rows.template_nodes.remove(&id);
        for node in self.rows.template_nodes.values_mut() {
            for edges in [&mut node.edges.success, &mut node.edges.failure, &mut node.edges.always] {
                edges.remove(&id);
            }
        }
    }

    /// Adds a label.
    ///
    /// # Errors
    /// 400 when the organization has one of that name.
    pub fn add_label(&mut self, name: &str, organization: Id, by: Id, now: Timestamp) -> Result<Id, Refusal> {
        let taken = |l: &Label| l.organization == organization && l.name == name;
        if self.rows.labels.values().any(taken) {
            return Err(Refusal::all("Label with this Name and Organization already exists."));
        }
        let id = self.next_id(Table::Label);
        let row = Label { id, name: name.to_owned(), organization, created: now, created_by: by };
        self.rows.labels.insert(id, row);
        Ok(id)
    }

    /// Adds a webhook notification template; its `id` is given here, whatever the row says.
    ///
    /// # Errors
    /// 400 when the organization has one of that name.
    pub fn add_notification_template(&mut self, mut row: NotificationTemplate) -> Result<Id, Refusal> {
        let taken = |t: &NotificationTemplate| t.organization == row.organization && t.name == row.name;
        if self.rows.notification_templates.values().any(taken) {
            return Err(Refusal::all(
                "Notification template with this Organization and Name already exists.",
            ));
        }
        row.id = self.next_id(Table::NotificationTemplate);
        let id = row.id;
        self.rows.notification_templates.insert(id, row);
        Ok(id)
    }

    /// A notification template that posts to `url` with the static `headers`, ready for
    /// [`Controller::add_notification_template`].
    #[must_use]
    pub fn webhook_template(
        organization: Id,
        name: &str,
        url: &str,
        headers: &[(&str, &str)],
        now: Timestamp,
    ) -> NotificationTemplate {
        NotificationTemplate {
            id: 0,
            name: name.to_owned(),
            description: String::new(),
            organization,
            url: url.to_owned(),
            http_method: "POST".to_owned(),
            headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            username: String::new(),
            password: String::new(),
            disable_ssl_verification: false,
            messages: None,
            created: now,
            modified: now,
            created_by: 1,
        }
    }

    /// Attaches a notification template to a workflow or job template for `event`; idempotent.
    pub fn attach_notification(&mut self, template: Id, event: NoticeEvent, notification_template: Id) {
        if let Some(attached) = self.attachments_mut(template) {
            attached.entry(event).or_default().insert(notification_template);
        }
    }

    /// Detaches it again; idempotent.
    pub fn detach_notification(&mut self, template: Id, event: NoticeEvent, notification_template: Id) {
        if let Some(attached) = self.attachments_mut(template) {
            attached.entry(event).or_default().remove(&notification_template);
        }
    }

    fn attachments_mut(&mut self, template: Id) -> Option<&mut BTreeMap<NoticeEvent, BTreeSet<Id>>> {
        let workflow = self.rows.workflow_job_templates.get_mut(&template);
        let job = self.rows.job_templates.get_mut(&template);
        workflow.map(|row| &mut row.notification_templates).or(job.map(|row| &mut row.notification_templates))
    }

    /// Deletes a template: nodes that used it lose it, runs of a workflow template lose their link
    /// (CONTRACT.md §5).
    pub fn delete_template(&mut self, template: Id) {
        self.rows.job_templates.remove(&template);
        if self.rows.workflow_job_templates.remove(&template).is_some() {
            self.rows.template_nodes.retain(|_, node| node.workflow_job_template != template);
            for run in self.rows.workflow_jobs.values_mut() {
                if run.workflow_job_template == Some(template) {
                    run.workflow_job_template = None;
                }
            }
        }
        for node in self.rows.template_nodes.values_mut() {
            if node.unified_job_template == Some(template) {
                node.unified_job_template = None;
            }
        }
        for node in self.rows.workflow_nodes.values_mut() {
            if node.unified_job_template == Some(template) && node.job.is_none() {
                node.unified_job_template = None;
            }
        }
        for job in self.rows.jobs.values_mut() {
            if job.job_template == Some(template) {
                job.job_template = None;
            }
        }
    }

    /// The name of any unified job template, with the type of job it makes.
    pub(in crate::lab) fn unified_template(&self, id: Id) -> Option<(&str, &str, &'static str)> {
        let rows = &self.rows;
        if let Some(t) = rows.job_templates.get(&id) {
            return Some((&t.name, &t.description, "job"));
        }
        if let Some(t) = rows.workflow_job_templates.get(&id) {
            return Some((&t.name, &t.description, "workflow_job"));
        }
        if let Some(t) = rows.approval_templates.get(&id) {
            return Some((&t.name, &t.description, "workflow_approval"));
        }
        rows.projects.get(&id).map(|p| (p.name.as_str(), "", "project_update"))
    }
}

/// Python's JSON text of template variables: `""` for none.
pub(in crate::lab) fn variables_text(variables: &Map<String, Value>) -> String {
    if variables.is_empty() { String::new() } else { super::variables::python_json_object(variables) }
}
