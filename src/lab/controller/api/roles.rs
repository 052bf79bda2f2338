//! The roles of objects: their names, their numbers, and who holds them (`roles/N/users/`, `users/N/roles/`).

use serde_json::{Map, Value, json};

use super::super::super::world::World;
use super::super::model::access::Role;
use super::super::model::filed::Holder;
use super::super::model::{Controller, Id, Refusal};
use super::kind::Kind;
use super::message::Reply;
use super::router::Call;
use super::writes::{Body, required_id};

/// Field, name and description of a role.
type RoleName = (&'static str, &'static str, &'static str);

const ORGANIZATION: [RoleName; 13] = [
    ("admin_role", "Admin", "Can manage all aspects of the organization"),
    ("execute_role", "Execute", "May run any executable resources in the organization"),
    ("project_admin_role", "Project Admin", "Can manage all projects of the organization"),
    ("inventory_admin_role", "Inventory Admin", "Can manage all inventories of the organization"),
    ("credential_admin_role", "Credential Admin", "Can manage all credentials of the organization"),
    ("workflow_admin_role", "Workflow Admin", "Can manage all workflows of the organization"),
    ("notification_admin_role", "Notification Admin", "Can manage all notifications of the organization"),
    ("job_template_admin_role", "Job Template Admin", "Can manage all job templates of the organization"),
    (
        "execution_environment_admin_role",
        "Execution Environment Admin",
        "Can manage all execution environments of the organization",
    ),
    ("auditor_role", "Auditor", "Can view all aspects of the organization"),
    ("member_role", "Member", "User is a member of the organization"),
    ("read_role", "Read", "May view settings for the organization"),
    ("approval_role", "Approve", "Can approve or deny a workflow approval node"),
];
const INVENTORY: [RoleName; 5] = [
    ("admin_role", "Admin", "Can manage all aspects of the inventory"),
    ("update_role", "Update", "May update the inventory"),
    ("adhoc_role", "Ad Hoc", "May run ad hoc commands on the inventory"),
    ("use_role", "Use", "Can use the inventory in a job template"),
    ("read_role", "Read", "May view settings for the inventory"),
];
const PROJECT: [RoleName; 4] = [
    ("admin_role", "Admin", "Can manage all aspects of the project"),
    ("use_role", "Use", "Can use the project in a job template"),
    ("update_role", "Update", "May update the project"),
    ("read_role", "Read", "May view settings for the project"),
];
const JOB_TEMPLATE: [RoleName; 3] = [
    ("admin_role", "Admin", "Can manage all aspects of the job template"),
    ("execute_role", "Execute", "May run the job template"),
    ("read_role", "Read", "May view settings for the job template"),
];
const WORKFLOW_JOB_TEMPLATE: [RoleName; 4] = [
    ("admin_role", "Admin", "Can manage all aspects of the workflow job template"),
    ("execute_role", "Execute", "May run the workflow job template"),
    ("read_role", "Read", "May view settings for the workflow job template"),
    ("approval_role", "Approve", "Can approve or deny a workflow approval node"),
];
const CREDENTIAL: [RoleName; 3] = [
    ("admin_role", "Admin", "Can manage all aspects of the credential"),
    ("use_role", "Use", "Can use the credential in a job template"),
    ("read_role", "Read", "May view settings for the credential"),
];

/// The roles of one object, as its `summary_fields.object_roles` tells them.
pub(super) fn object_roles(kind: Kind, id: Id) -> Value {
    let Some(holder) = kind.holder() else { return Value::Null };
    let mut told = Map::new();
    for (index, (field, name, description)) in (0..).zip(names(kind)) {
        let number = Controller::role_number(holder, id, index);
        let mut role = json!({"description": description, "name": name, "id": number});
        if kind == Kind::Organization && matches!(*field, "admin_role" | "member_role") {
            role["user_only"] = json!(true);
        }
        told.insert((*field).to_owned(), role);
    }
    Value::Object(told)
}

/// The users that hold a role; `None` when there is no such role.
pub(super) fn users(controller: &Controller, number: Id) -> Option<Vec<Id>> {
    let (kind, field) = find(controller, number)?;
    Some(controller.role_users(number, modelled(kind, field)))
}

/// Gives a role (`{"id": …}`) or takes it away (`"disassociate": true`).
pub(super) fn assign(world: &mut World, number: Id, user: Id, body: &Body) -> Result<Reply, Refusal> {
    let (kind, field) = find(&world.controller, number).ok_or(Refusal::NotFound("Role"))?;
    let leaves = body.get("disassociate").and_then(Value::as_bool).unwrap_or(false);
    world.controller.assign_role((number, modelled(kind, field)), user, !leaves)?;
    Ok(Reply::empty(204))
}

/// `POST roles/N/users/` names the user, `POST users/N/roles/` the role.
pub(super) fn post(
    world: &mut World,
    call: &Call<'_>,
    kind: Kind,
    id: Id,
    body: &Body,
) -> Result<Reply, Refusal> {
    if !world.controller.is_superuser(call.caller.user) {
        return Err(Refusal::forbidden());
    }
    let other = required_id(body, "id")?;
    let (number, user) = if kind == Kind::Role { (id, other) } else { (other, id) };
    assign(world, number, user, body)
}

fn names(kind: Kind) -> &'static [RoleName] {
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else has roles")]
    match kind {
        Kind::Organization => &ORGANIZATION,
        Kind::Inventory => &INVENTORY,
        Kind::Project => &PROJECT,
        Kind::JobTemplate => &JOB_TEMPLATE,
        Kind::WorkflowJobTemplate => &WORKFLOW_JOB_TEMPLATE,
        Kind::Credential => &CREDENTIAL,
        _ => &[],
    }
}

/// The object's kind and the role's field.
fn find(controller: &Controller, number: Id) -> Option<(Kind, &'static str)> {
    let (holder, id, index) = Controller::role_object(number)?;
    let kinds = [
        Kind::Organization,
        Kind::Inventory,
        Kind::Project,
        Kind::JobTemplate,
        Kind::WorkflowJobTemplate,
        Kind::Credential,
    ];
    let kind = kinds.into_iter().find(|kind| kind.holder() == Some(holder) && kind.exists(controller, id))?;
    names(kind).get(index).map(|(field, _, _)| (kind, *field))
}

/// The roles that the lab's rules ask for.
fn modelled(kind: Kind, field: &str) -> Option<Role> {
    Some(match (kind, field) {
        (Kind::Organization, "member_role") => Role::OrganizationMember,
        (Kind::Organization, "notification_admin_role") => Role::NotificationAdmin,
        (Kind::Inventory, "admin_role") => Role::InventoryAdmin,
        (Kind::Inventory, "read_role") => Role::InventoryRead,
        (Kind::WorkflowJobTemplate, "execute_role") => Role::WorkflowExecute,
        (Kind::WorkflowJobTemplate, "read_role") => Role::WorkflowRead,
        (Kind::WorkflowJobTemplate, "approval_role") => Role::WorkflowApprove,
        (Kind::JobTemplate, "execute_role") => Role::JobTemplateExecute,
        (Kind::JobTemplate, "read_role") => Role::JobTemplateRead,
        _ => return None,
    })
}

/// Whose numbers a kind's settings, associations and roles are filed under.
impl Kind {
    pub(super) fn holder(self) -> Option<Holder> {
        #[expect(clippy::wildcard_enum_match_arm, reason = "nothing hangs on the rest")]
        match self {
            Self::Organization => Some(Holder::Organization),
            Self::Inventory => Some(Holder::Inventory),
            Self::Group => Some(Holder::Group),
            Self::Project | Self::JobTemplate | Self::WorkflowJobTemplate => Some(Holder::Template),
            Self::TemplateNode => Some(Holder::TemplateNode),
            Self::Credential => Some(Holder::Credential),
            Self::User => Some(Holder::User),
            _ => None,
        }
    }
}
