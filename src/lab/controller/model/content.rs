//! What the lab's controller holds when it opens: the organization, inventories, templates, graph and users
//! that A12 and A13 name (REQUIREMENTS.md), set up as an operator following the guide would.

use jiff::Timestamp;

use super::access::Role;
use super::refusal::Refusal;
use super::rows::{Id, Scope};
use super::setup::EdgeKind;
use super::tempo::Tempo;
use super::{Controller, NoticeEvent};

/// The stages in their order, which are also the node identifiers, and the job templates that run them.
pub const STAGES: [(&str, &str); 6] = [
    ("vm_provision", "VM Provisioning Job"),
    ("network_configuration", "Network Configuration Job"),
    ("storage_configuration", "Storage Configuration Job"),
    ("inventory_write", "Inventory Write Job"),
    ("validation", "Validation Job"),
    ("error_handling", "Error Handling Job"),
];

/// Name of the organization.
pub const ORGANIZATION: &str = "Causeway Lab";
/// Name of the workflow job template.
pub const WORKFLOW: &str = "VM Deployment Workflow";
/// Name of the inventory that holds one host a VM (A12).
pub const STATE_INVENTORY: &str = "VM Deployment State";
/// Name of the inventory that holds the claims.
pub const CLAIMS_INVENTORY: &str = "Causeway Claims";
/// Name of the group in the state inventory.
pub const DEPLOYED_GROUP: &str = "Deployed VMs";

/// How to open the lab's controller.
#[derive(Debug, Clone)]
pub struct ControllerSetup {
    pub tempo: Tempo,
    pub seed: u64,
    /// Where callbacks go, with the static headers to send; `None` attaches no notification template.
    pub callback: Option<Callback>,
}

/// The notification template's receiver.
#[derive(Debug, Clone)]
pub struct Callback {
    pub url: String,
    pub headers: Vec<(String, String)>,
}

/// The numbers of the rows that the lab opens with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    pub admin: Id,
    /// Execute on the workflow, read on its job templates, admin on both inventories, member of the
    /// organization.
    pub bridge: Id,
    /// Execute on the workflow and nothing else (MEASURED 17).
    pub launcher: Id,
    pub organization: Id,
    pub state_inventory: Id,
    pub claims_inventory: Id,
    pub deployed_group: Id,
    pub workflow: Id,
    /// In the order of [`STAGES`].
    pub job_templates: [Id; 6],
    pub notification_template: Option<Id>,
}

/// The bearer tokens of the lab's users. Fixed, public and worthless outside it.
pub const ADMIN_TOKEN: &str = "lab-admin-token";
/// The bridge's.
pub const BRIDGE_TOKEN: &str = "lab-bridge-token";
/// The execute-only user's.
pub const LAUNCHER_TOKEN: &str = "lab-launcher-token";
/// Everybody's password.
pub const PASSWORD: &str = "lab";

impl Controller {
    /// Opens a controller with the lab's content.
    #[must_use]
    pub fn open(setup: &ControllerSetup, now: Timestamp) -> (Self, Content) {
        let mut controller = Self::empty(setup.tempo, setup.seed);
        let admin = controller.add_user("admin", PASSWORD, true, now);
        let bridge = controller.add_user("bridge", PASSWORD, false, now);
        let launcher = controller.add_user("launcher", PASSWORD, false, now);
        for (user, secret) in [(admin, ADMIN_TOKEN), (bridge, BRIDGE_TOKEN), (launcher, LAUNCHER_TOKEN)] {
            controller.add_token(user, "lab", Scope::Write, Some(secret), now);
        }
        controller.file_managed_types(now);
        controller.add_organization("Default", now);
        let organization = controller.add_organization(ORGANIZATION, now);
        let state_inventory = controller.add_inventory(organization, STATE_INVENTORY, now);
        let claims_inventory = controller.add_inventory(organization, CLAIMS_INVENTORY, now);
        let deployed_group = controller.add_group(state_inventory, DEPLOYED_GROUP, now);
        let project = controller.add_project(organization, "Causeway Playbooks", now);
        let job_templates = STAGES.map(|(stage, name)| {
            let playbook = format!("playbooks/{stage}.yml");
            controller.add_job_template(organization, (state_inventory, project), (name, &playbook), now)
        });
        let workflow = controller.add_workflow_job_template(organization, WORKFLOW, now);
        controller
            .draw_default_graph(workflow, job_templates, now)
            .expect("the default graph has unique identifiers and no cycle");
        let mut content = Content {
            admin,
            bridge,
            launcher,
            organization,
            state_inventory,
            claims_inventory,
            deployed_group,
            workflow,
            job_templates,
            notification_template: None,
        };
        controller.grant_default_roles(&content);
        if let Some(callback) = &setup.callback {
            content.notification_template = Some(controller.attach_default_callback(&content, callback, now));
        }
        (controller, content)
    }

    /// Success chains the stages; the failure of any leads to `error_handling` (A13).
    fn draw_default_graph(
        &mut self,
        workflow: Id,
        templates: [Id; 6],
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let mut nodes = Vec::with_capacity(STAGES.len());
        for ((identifier, _), template) in STAGES.iter().zip(templates) {
            nodes.push(self.add_node(workflow, template, identifier, now)?);
        }
        if let Some((handler, chain)) = nodes.split_last() {
            for pair in chain.windows(2) {
                self.add_edge(pair[0], EdgeKind::Success, pair[1])?;
            }
            for node in chain {
                self.add_edge(*node, EdgeKind::Failure, *handler)?;
            }
        }
        Ok(())
    }

    fn grant_default_roles(&mut self, content: &Content) {
        self.grant(content.bridge, Role::OrganizationMember, content.organization);
        self.grant(content.bridge, Role::WorkflowExecute, content.workflow);
        self.grant(content.launcher, Role::WorkflowExecute, content.workflow);
        for template in content.job_templates {
            self.grant(content.bridge, Role::JobTemplateRead, template);
        }
        for inventory in [content.state_inventory, content.claims_inventory] {
            self.grant(content.bridge, Role::InventoryAdmin, inventory);
        }
    }

    fn attach_default_callback(&mut self, content: &Content, callback: &Callback, now: Timestamp) -> Id {
        let headers: Vec<(&str, &str)> =
            callback.headers.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let row = Self::webhook_template(content.organization, "causeway", &callback.url, &headers, now);
        let id =
            self.add_notification_template(row).expect("the first notification template has a free name");
        for event in [NoticeEvent::Started, NoticeEvent::Success, NoticeEvent::Error] {
            self.attach_notification(content.workflow, event, id);
            for template in content.job_templates {
                self.attach_notification(template, event, id);
            }
        }
        self.attach_notification(content.workflow, NoticeEvent::Approvals, id);
        id
    }
}
