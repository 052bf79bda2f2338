//! What content as code sets up: organizations, projects, credentials, inventories, templates, nodes and edges, surveys,
//! what hangs on what. Only administrators get here. Bodies are as CONTRACT.md §11 records them.

#![expect(clippy::wildcard_enum_match_arm, reason = "most kinds cannot be set up")]

use serde_json::{Map, Value, json};

use super::super::super::world::World;
use super::super::model::rows::AskOnLaunch;
use super::super::model::setup::EdgeKind;
use super::super::model::survey::Survey;
use super::super::model::variables::parse_extra_vars;
use super::super::model::{Controller, Id, Refusal};
use super::kind::Kind;
use super::lists::notice_event;
use super::message::Reply;
use super::options::associates;
use super::router::Call;
use super::writes::{Body, created, required_id, required_text};

/// Answers POST on a list.
pub(super) fn create(world: &mut World, call: &Call<'_>, kind: Kind, body: &Body) -> Result<Id, Refusal> {
    let (c, now) = (&mut world.controller, call.now);
    let name = || required_text(body, "name");
    let organization = || existing(c, Kind::Organization, body, "organization");
    let id = match kind {
        Kind::Organization => {
            unique(c, kind, name()?, None)?;
            c.add_organization(name()?, now)
        }
        Kind::Inventory => {
            let organization = organization()?;
            unique(c, kind, name()?, Some(organization))?;
            c.add_inventory(organization, name()?, now)
        }
        Kind::Group => {
            let inventory = existing(c, Kind::Inventory, body, "inventory")?;
            c.add_group(inventory, name()?, now)
        }
        Kind::Project => {
            let organization = organization()?;
            unique(c, kind, name()?, Some(organization))?;
            c.add_project(organization, name()?, now)
        }
        Kind::JobTemplate => {
            let inventory = existing(c, Kind::Inventory, body, "inventory")?;
            let project = existing(c, Kind::Project, body, "project")?;
            let playbook = required_text(body, "playbook")?;
            // A job template belongs to its project's organization.
            let organization = c.rows.projects.get(&project).map_or(0, |project| project.organization);
            unique(c, kind, name()?, Some(organization))?;
            let id = c.add_job_template(organization, (inventory, project), (name()?, playbook), now);
            c.edit_job_template(id, |row| {
                row.ask = AskOnLaunch::default();
                row.allow_simultaneous = false;
            });
            id
        }
        Kind::WorkflowJobTemplate => {
            let organization = organization()?;
            unique(c, kind, name()?, Some(organization))?;
            let id = c.add_workflow_job_template(organization, name()?, now);
            c.edit_workflow_job_template(id, |row| {
                row.ask = AskOnLaunch::default();
                row.allow_simultaneous = false;
            });
            id
        }
        Kind::TemplateNode => {
            let workflow = existing(c, Kind::WorkflowJobTemplate, body, "workflow_job_template")?;
            add_node(c, workflow, body, now)?
        }
        Kind::User => {
            let username = required_text(body, "username")?;
            if c.user_id(username).is_some() {
                return Err(Refusal::field("username", "A user with that username already exists."));
            }
            let superuser = body.get("is_superuser").and_then(Value::as_bool).unwrap_or(false);
            c.add_user(username, required_text(body, "password")?, superuser, now)
        }
        Kind::CredentialType | Kind::Credential | Kind::ExecutionEnvironment => {
            return file(c, kind, body, now);
        }
        _ => return Err(Refusal::MethodNotAllowed("POST".to_owned())),
    };
    edit(world, call, kind, id, body)?;
    Ok(id)
}

/// Answers PATCH and PUT on a row: what is not sent stays.
pub(super) fn edit(
    world: &mut World,
    call: &Call<'_>,
    kind: Kind,
    id: Id,
    body: &Body,
) -> Result<(), Refusal> {
    let c = &mut world.controller;
    let mut rest = body.clone();
    match kind {
        Kind::JobTemplate | Kind::WorkflowJobTemplate => edit_template(c, kind, id, &mut rest)?,
        Kind::TemplateNode => edit_node(c, id, &mut rest)?,
        Kind::ApprovalTemplate => {
            if let Some(row) = c.rows.approval_templates.get_mut(&id) {
                set_text(&mut row.name, rest.remove("name"));
                set_text(&mut row.description, rest.remove("description"));
                let timeout = rest.remove("timeout").and_then(|secs| secs.as_u64());
                row.timeout_secs = timeout.and_then(|secs| secs.try_into().ok()).unwrap_or(row.timeout_secs);
            }
        }
        Kind::User => {
            // Never shown again.
            let password = rest.remove("password");
            if let Some(row) = c.rows.users.get_mut(&id) {
                set_text(&mut row.password, password);
            }
        }
        Kind::Organization | Kind::Inventory | Kind::Group | Kind::Project => {
            edit_named(c, kind, id, &mut rest)
        }
        _ => {
            let Some(cabinet) = kind.cabinet() else {
                return Err(Refusal::MethodNotAllowed(call.request.method.clone()));
            };
            let body = with_kept_secrets(c, kind, id, rest);
            c.refile(cabinet, id, &body, call.now);
            return Ok(());
        }
    }
    if let Some(holder) = kind.holder() {
        c.keep_settings(holder, id, rest);
    }
    Ok(())
}

/// Answers POST below a row.
pub(super) fn post(
    world: &mut World,
    call: &Call<'_>,
    (kind, id, name): (Kind, Id, &str),
    body: &Body,
) -> Result<Reply, Refusal> {
    let c = &mut world.controller;
    let leaves = body.get("disassociate").and_then(Value::as_bool).unwrap_or(false);
    if let (Some(listed), Some(holder)) = (associates(kind, name), kind.holder()) {
        let row = existing(c, listed, body, "id")?;
        c.associate((holder, id, name), row, !leaves);
        return Ok(Reply::empty(204));
    }
    match (kind, name) {
        (Kind::WorkflowJobTemplate | Kind::JobTemplate, "survey_spec") => {
            let survey = Survey::parse(body).map_err(|error| Refusal::Invalid(json!({ "error": error })))?;
            c.set_survey(id, Some(survey));
            Ok(Reply::empty(200))
        }
        (Kind::WorkflowJobTemplate, "workflow_nodes") => {
            let node = add_node(c, id, body, call.now)?;
            edit(world, call, Kind::TemplateNode, node, body)?;
            Ok(created(world, call, Kind::TemplateNode, node))
        }
        (Kind::TemplateNode, "create_approval_template") => {
            let name = required_text(body, "name")?;
            let timeout = body.get("timeout").and_then(Value::as_u64).unwrap_or(0);
            let template = c.add_approval_template(name, u32::try_from(timeout).unwrap_or(u32::MAX));
            c.edit_node(id, |node| node.unified_job_template = Some(template));
            edit(world, call, Kind::ApprovalTemplate, template, body)?;
            Ok(created(world, call, Kind::ApprovalTemplate, template))
        }
        (Kind::TemplateNode, name) => {
            let edge = match name {
                "success_nodes" => EdgeKind::Success,
                "failure_nodes" => EdgeKind::Failure,
                _ => EdgeKind::Always,
            };
            let child = required_id(body, "id")?;
            if leaves {
                c.remove_edge(id, edge, child);
            } else {
                c.add_edge(id, edge, child)?;
            }
            Ok(Reply::empty(204))
        }
        (Kind::Inventory, "groups") => {
            let group = c.add_group(id, required_text(body, "name")?, call.now);
            Ok(created(world, call, Kind::Group, group))
        }
        (Kind::WorkflowJobTemplate | Kind::JobTemplate, name) => {
            let event = notice_event(name).ok_or_else(|| Refusal::MethodNotAllowed("POST".to_owned()))?;
            let template = required_id(body, "id")?;
            if leaves {
                c.detach_notification(id, event, template);
            } else {
                c.attach_notification(id, event, template);
            }
            Ok(Reply::empty(204))
        }
        _ => Err(Refusal::MethodNotAllowed("POST".to_owned())),
    }
}

/// The row that `body` names under `key`.
fn existing(c: &Controller, kind: Kind, body: &Body, key: &str) -> Result<Id, Refusal> {
    let id = required_id(body, key)?;
    if kind.exists(c, id) {
        return Ok(id);
    }
    Err(Refusal::field(key, format!("Invalid pk \"{id}\" - object does not exist.")))
}

/// Names are unique in an organization (CONTRACT.md §11).
fn unique(c: &Controller, kind: Kind, name: &str, organization: Option<Id>) -> Result<(), Refusal> {
    let pairs = match organization {
        Some(id) => vec![("name", name.to_owned()), ("organization", id.to_string())],
        None => vec![("name", name.to_owned())],
    };
    let pairs: Vec<(String, String)> = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let filter = super::filter::Filter::parse(c, kind, &pairs)?;
    if filter.apply(c, kind, kind.ids(c), "id").is_empty() {
        return Ok(());
    }
    let model = kind.model();
    Err(match kind {
        Kind::JobTemplate | Kind::WorkflowJobTemplate | Kind::Project => {
            Refusal::all(format!("{model} with this (name, organization) combination already exists."))
        }
        _ if organization.is_some() => {
            Refusal::all(format!("{model} with this Name and Organization already exists."))
        }
        _ => Refusal::field("name", format!("{model} with this Name already exists.")),
    })
}

fn file(c: &mut Controller, kind: Kind, body: &Body, now: jiff::Timestamp) -> Result<Id, Refusal> {
    required_text(body, "name")?;
    if kind == Kind::Credential {
        existing(c, Kind::CredentialType, body, "credential_type")?;
    }
    if kind == Kind::ExecutionEnvironment {
        required_text(body, "image")?;
    }
    let cabinet = kind.cabinet().ok_or(Refusal::NotFound(kind.model()))?;
    Ok(c.file(cabinet, body.clone(), now))
}

/// A secret that comes back as it was shown stays what it was.
fn with_kept_secrets(c: &Controller, kind: Kind, id: Id, mut body: Body) -> Body {
    let old = kind.cabinet().and_then(|cabinet| c.filed(cabinet, id));
    let old = old.and_then(|row| row.fields.get("inputs")).and_then(Value::as_object);
    let inputs = body.get_mut("inputs").and_then(Value::as_object_mut);
    for (key, value) in inputs.into_iter().flatten() {
        if value.as_str() == Some("$encrypted$") {
            *value = old.and_then(|old| old.get(key)).cloned().unwrap_or(Value::Null);
        }
    }
    body
}

fn edit_named(c: &mut Controller, kind: Kind, id: Id, body: &mut Body) {
    let name = body.remove("name");
    let text = |value: &mut String| set_text(value, name.clone());
    match kind {
        Kind::Organization => c.rows.organizations.get_mut(&id).map(|row| text(&mut row.name)),
        Kind::Inventory => c.rows.inventories.get_mut(&id).map(|row| text(&mut row.name)),
        Kind::Group => c.rows.groups.get_mut(&id).map(|row| text(&mut row.name)),
        _ => c.rows.projects.get_mut(&id).map(|row| text(&mut row.name)),
    };
}

/// What the model reads of a template is taken out of `body`.
fn edit_template(c: &mut Controller, kind: Kind, id: Id, body: &mut Body) -> Result<(), Refusal> {
    let extra_vars = match body.remove("extra_vars") {
        None => None,
        given => {
            Some(parse_extra_vars(given.as_ref()).map_err(|message| Refusal::field("extra_vars", message))?)
        }
    };
    let common = Common {
        name: body.remove("name"),
        description: body.remove("description"),
        allow_simultaneous: take_flag(body, "allow_simultaneous"),
        survey_enabled: take_flag(body, "survey_enabled"),
        extra_vars,
    };
    body.remove("organization");
    if kind == Kind::WorkflowJobTemplate {
        c.edit_workflow_job_template(id, |row| {
            row.ask = ask(body, row.ask);
            row.survey_enabled = common.survey_enabled.unwrap_or(row.survey_enabled);
            common.apply(
                (&mut row.name, &mut row.description),
                &mut row.allow_simultaneous,
                &mut row.extra_vars,
            );
        });
        return Ok(());
    }
    let inventory = body.remove("inventory").and_then(|id| id.as_u64());
    let project = body.remove("project").and_then(|id| id.as_u64());
    let playbook = body.remove("playbook");
    c.edit_job_template(id, |row| {
        row.ask = ask(body, row.ask);
        row.survey_enabled = common.survey_enabled.unwrap_or(row.survey_enabled);
        row.inventory = inventory.or(row.inventory);
        row.project = project.unwrap_or(row.project);
        set_text(&mut row.playbook, playbook);
        common.apply((&mut row.name, &mut row.description), &mut row.allow_simultaneous, &mut row.extra_vars);
    });
    Ok(())
}

/// What job templates and workflow job templates have in common.
struct Common {
    name: Option<Value>,
    description: Option<Value>,
    allow_simultaneous: Option<bool>,
    survey_enabled: Option<bool>,
    extra_vars: Option<Map<String, Value>>,
}

impl Common {
    fn apply(
        self,
        (name, description): (&mut String, &mut String),
        allow_simultaneous: &mut bool,
        extra_vars: &mut Map<String, Value>,
    ) {
        set_text(name, self.name);
        set_text(description, self.description);
        *allow_simultaneous = self.allow_simultaneous.unwrap_or(*allow_simultaneous);
        if let Some(given) = self.extra_vars {
            *extra_vars = given;
        }
    }
}

fn ask(body: &mut Body, now: AskOnLaunch) -> AskOnLaunch {
    let mut flag = |name: &str, now: bool| take_flag(body, name).unwrap_or(now);
    AskOnLaunch {
        variables: flag("ask_variables_on_launch", now.variables),
        inventory: flag("ask_inventory_on_launch", now.inventory),
        limit: flag("ask_limit_on_launch", now.limit),
        scm_branch: flag("ask_scm_branch_on_launch", now.scm_branch),
        labels: flag("ask_labels_on_launch", now.labels),
        tags: flag("ask_tags_on_launch", now.tags),
        skip_tags: flag("ask_skip_tags_on_launch", now.skip_tags),
    }
}

/// A node may come without a template: an approval is given one afterwards.
fn add_node(c: &mut Controller, workflow: Id, body: &Body, now: jiff::Timestamp) -> Result<Id, Refusal> {
    let template = match body.get("unified_job_template") {
        None | Some(Value::Null) => None,
        Some(_) => Some(existing(c, Kind::UnifiedJobTemplate, body, "unified_job_template")?),
    };
    let made_up = format!("node-{}", c.rows.template_nodes.len() + 1);
    let identifier = body.get("identifier").and_then(Value::as_str).unwrap_or(&made_up);
    c.add_node(workflow, template, identifier, now)
}

fn edit_node(c: &mut Controller, id: Id, body: &mut Body) -> Result<(), Refusal> {
    let template = match body.get("unified_job_template") {
        None | Some(Value::Null) => None,
        Some(_) => Some(existing(c, Kind::UnifiedJobTemplate, body, "unified_job_template")?),
    };
    body.remove("unified_job_template");
    body.remove("workflow_job_template");
    let identifier = body.remove("identifier");
    let converge = take_flag(body, "all_parents_must_converge");
    let extra_data = body.remove("extra_data").and_then(|data| data.as_object().cloned());
    c.edit_node(id, |node| {
        node.unified_job_template = template.or(node.unified_job_template);
        set_text(&mut node.identifier, identifier);
        node.all_parents_must_converge = converge.unwrap_or(node.all_parents_must_converge);
        if let Some(data) = extra_data {
            node.extra_data = data;
        }
    });
    Ok(())
}

fn take_flag(body: &mut Body, name: &str) -> Option<bool> {
    body.remove(name).and_then(|flag| flag.as_bool())
}

fn set_text(text: &mut String, given: Option<Value>) {
    if let Some(Value::String(given)) = given {
        *text = given;
    }
}
