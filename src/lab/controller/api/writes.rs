//! Everything that changes something: launches, cancels, hosts, labels, tokens, notification templates, and
//! the setup that content-as-code does. Bodies are as CONTRACT.md §11 records them.

#![expect(clippy::wildcard_enum_match_arm, reason = "most kinds cannot be written")]

use serde_json::{Map, Value, json};

use super::super::super::world::{Delivery, World};
use super::super::model::hosts::HostFields;
use super::super::model::rows::{AskOnLaunch, Scope};
use super::super::model::setup::EdgeKind;
use super::super::model::survey::Survey;
use super::super::model::variables::parse_extra_vars;
use super::super::model::{Controller, Id, Refusal};
use super::kind::Kind;
use super::lists::notice_event;
use super::message::Reply;
use super::notifications::{edit_notification_template, parse_notification_template, test_notification};
use super::router::{Call, Route, visible};

pub(super) type Body = Map<String, Value>;

/// Answers POST, PUT, PATCH and DELETE.
pub(super) fn write(
    world: &mut World,
    call: &Call<'_>,
    route: Route<'_>,
    body: &Body,
) -> Result<Reply, Refusal> {
    // A token without `write` may do nothing but read (CONTRACT.md §1).
    if call.caller.scope == Scope::Read {
        return Err(Refusal::forbidden());
    }
    match (call.request.method.as_str(), route) {
        ("POST", Route::List(kind)) => create(world, call, kind, body),
        ("POST", Route::Below(kind, id, name)) => post_below(world, call, (kind, id, name), body),
        ("DELETE", Route::Detail(kind, id)) => delete(world, call, kind, id),
        ("DELETE", Route::Below(Kind::WorkflowJobTemplate, id, _)) => {
            administrator(world, call)?;
            world.controller.edit_workflow_job_template(id, |row| row.survey = None);
            Ok(Reply::json(200, &json!({})))
        }
        (method, Route::Detail(kind, id)) => edit(world, call, kind, id, (method == "PUT", body)),
        (_, Route::Below(Kind::Host, id, "variable_data")) => {
            visible(world, call, Kind::Host, id)?;
            world.controller.replace_variables(call.caller, id, body, call.now)?;
            Ok(Reply::json(200, &Value::Object(body.clone())))
        }
        (method, _) => Err(Refusal::MethodNotAllowed(method.to_owned())),
    }
}

fn administrator(world: &World, call: &Call<'_>) -> Result<(), Refusal> {
    if world.controller.is_superuser(call.caller.user) { Ok(()) } else { Err(Refusal::forbidden()) }
}

fn created(world: &World, call: &Call<'_>, kind: Kind, id: Id) -> Reply {
    let show = call.show(world, true);
    Reply::json(201, &show.row(kind, id)).with("Location", show.url(kind, id))
}

pub(super) fn required_id(body: &Body, key: &str) -> Result<Id, Refusal> {
    match body.get(key) {
        None | Some(Value::Null) => Err(Refusal::field(key, "This field is required.")),
        Some(value) => {
            value.as_u64().ok_or_else(|| Refusal::field(key, "Incorrect type. Expected pk value."))
        }
    }
}

pub(super) fn required_text<'b>(body: &'b Body, key: &str) -> Result<&'b str, Refusal> {
    let text = body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or_else(|| Refusal::field(key, "This field is required."))
}

fn create(world: &mut World, call: &Call<'_>, kind: Kind, body: &Body) -> Result<Reply, Refusal> {
    let id = match kind {
        Kind::Host => {
            let fields = HostFields::parse(body)?;
            let inventory = required_id(body, "inventory")?;
            world.controller.create_host(call.caller, inventory, fields, call.now)?
        }
        Kind::Label => {
            let organization = required_id(body, "organization")?;
            if !world.controller.reads_organization(call.caller.user, organization) {
                return Err(Refusal::forbidden());
            }
            let name = required_text(body, "name")?;
            world.controller.add_label(name, organization, call.caller.user, call.now)?
        }
        Kind::Token => return create_token(world, call, call.caller.user, body),
        Kind::NotificationTemplate => {
            let row = parse_notification_template(world, call, body)?;
            world.controller.add_notification_template(row)?
        }
        _ => {
            administrator(world, call)?;
            create_content(world, call, kind, body)?
        }
    };
    Ok(created(world, call, kind, id))
}

fn create_content(world: &mut World, call: &Call<'_>, kind: Kind, body: &Body) -> Result<Id, Refusal> {
    let (c, now) = (&mut world.controller, call.now);
    match kind {
        Kind::Organization => Ok(c.add_organization(required_text(body, "name")?, now)),
        Kind::Inventory => {
            let organization = required_id(body, "organization")?;
            Ok(c.add_inventory(organization, required_text(body, "name")?, now))
        }
        Kind::Group => {
            let inventory = required_id(body, "inventory")?;
            Ok(c.add_group(inventory, required_text(body, "name")?, now))
        }
        Kind::JobTemplate => {
            let (inventory, project) = (required_id(body, "inventory")?, required_id(body, "project")?);
            let names = (required_text(body, "name")?, required_text(body, "playbook")?);
            let id = c.add_job_template(world.content.organization, (inventory, project), names, now);
            let ask = ask(body, AskOnLaunch::default());
            c.edit_job_template(id, |row| row.ask = ask);
            Ok(id)
        }
        Kind::WorkflowJobTemplate => {
            let organization = required_id(body, "organization")?;
            let name = required_text(body, "name")?;
            if Kind::WorkflowJobTemplate.ids(c).iter().any(|id| {
                let row = &c.rows.workflow_job_templates[id];
                row.name == name && row.organization == organization
            }) {
                return Err(Refusal::all(
                    "WorkflowJobTemplate with this (name, organization) combination already exists.",
                ));
            }
            let id = c.add_workflow_job_template(organization, name, now);
            c.edit_workflow_job_template(id, |row| row.ask = AskOnLaunch::default());
            edit_workflow(c, id, body)?;
            Ok(id)
        }
        Kind::TemplateNode => {
            let workflow = required_id(body, "workflow_job_template")?;
            add_node(c, workflow, body, now)
        }
        _ => Err(Refusal::MethodNotAllowed("POST".to_owned())),
    }
}

fn add_node(c: &mut Controller, workflow: Id, body: &Body, now: jiff::Timestamp) -> Result<Id, Refusal> {
    let template = required_id(body, "unified_job_template")?;
    let made_up = format!("node-{}", c.rows.template_nodes.len() + 1);
    let identifier = body.get("identifier").and_then(Value::as_str).unwrap_or(&made_up);
    c.add_node(workflow, template, identifier, now)
}

fn ask(body: &Body, default: AskOnLaunch) -> AskOnLaunch {
    let flag = |name: &str, default: bool| body.get(name).and_then(Value::as_bool).unwrap_or(default);
    AskOnLaunch {
        variables: flag("ask_variables_on_launch", default.variables),
        inventory: flag("ask_inventory_on_launch", default.inventory),
        limit: flag("ask_limit_on_launch", default.limit),
        scm_branch: flag("ask_scm_branch_on_launch", default.scm_branch),
        labels: flag("ask_labels_on_launch", default.labels),
        tags: flag("ask_tags_on_launch", default.tags),
        skip_tags: flag("ask_skip_tags_on_launch", default.skip_tags),
    }
}

fn edit_workflow(c: &mut Controller, id: Id, body: &Body) -> Result<(), Refusal> {
    let extra_vars = match body.get("extra_vars") {
        None => None,
        given => Some(parse_extra_vars(given).map_err(|message| Refusal::field("extra_vars", message))?),
    };
    c.edit_workflow_job_template(id, |row| {
        row.ask = ask(body, row.ask);
        let flag = |name: &str, now: bool| body.get(name).and_then(Value::as_bool).unwrap_or(now);
        row.allow_simultaneous = flag("allow_simultaneous", row.allow_simultaneous);
        row.survey_enabled = flag("survey_enabled", row.survey_enabled);
        row.extra_vars = extra_vars.unwrap_or_else(|| row.extra_vars.clone());
        if let Some(name) = body.get("name").and_then(Value::as_str) {
            name.clone_into(&mut row.name);
        }
    });
    Ok(())
}

fn post_below(
    world: &mut World,
    call: &Call<'_>,
    (kind, id, name): (Kind, Id, &str),
    body: &Body,
) -> Result<Reply, Refusal> {
    let now = call.now;
    match (kind, name) {
        (Kind::WorkflowJobTemplate, "launch") => Ok(launch_workflow(world, call, id, body)),
        (Kind::JobTemplate, "launch") => launch_job(world, call, id, body),
        (Kind::WorkflowJob, "cancel") => {
            world.controller.cancel_workflow_job(call.caller, id, now).map(|()| Reply::empty(202))
        }
        (Kind::Job, "cancel") => {
            world.controller.cancel_job(call.caller, id, now).map(|()| Reply::empty(202))
        }
        (Kind::WorkflowJob, "relaunch") => {
            let again = world.controller.relaunch_workflow_job(call.caller, id, now)?;
            Ok(created(world, call, Kind::WorkflowJob, again))
        }
        (Kind::Approval, decision) => {
            let yes = decision == "approve";
            world.controller.decide_approval(call.caller, id, yes, now).map(|()| Reply::empty(204))
        }
        (Kind::Group, "hosts") => group_host(world, call, id, body),
        (Kind::Inventory, "hosts") => {
            let host = world.controller.create_host(call.caller, id, HostFields::parse(body)?, now)?;
            Ok(created(world, call, Kind::Host, host))
        }
        (Kind::NotificationTemplate, "test") => test_notification(world, call, id),
        (Kind::User, _) => {
            let own = id == call.caller.user || world.controller.is_superuser(call.caller.user);
            if own { create_token(world, call, id, body) } else { Err(Refusal::forbidden()) }
        }
        _ => {
            administrator(world, call)?;
            visible(world, call, kind, id)?;
            post_content(world, call, (kind, id, name), body)
        }
    }
}

fn post_content(
    world: &mut World,
    call: &Call<'_>,
    (kind, id, name): (Kind, Id, &str),
    body: &Body,
) -> Result<Reply, Refusal> {
    let c = &mut world.controller;
    match (kind, name) {
        (Kind::WorkflowJobTemplate, "survey_spec") => {
            let survey = Survey::parse(body).map_err(|error| Refusal::Invalid(json!({ "error": error })))?;
            c.edit_workflow_job_template(id, |row| row.survey = Some(survey));
            Ok(Reply::empty(200))
        }
        (Kind::WorkflowJobTemplate, "workflow_nodes") => {
            let node = add_node(c, id, body, call.now)?;
            Ok(created(world, call, Kind::TemplateNode, node))
        }
        (Kind::TemplateNode, name) => {
            let kind = match name {
                "success_nodes" => EdgeKind::Success,
                "failure_nodes" => EdgeKind::Failure,
                _ => EdgeKind::Always,
            };
            c.add_edge(id, kind, required_id(body, "id")?).map(|()| Reply::empty(204))
        }
        (Kind::Inventory, "groups") => {
            let group = c.add_group(id, required_text(body, "name")?, call.now);
            Ok(created(world, call, Kind::Group, group))
        }
        (Kind::WorkflowJobTemplate | Kind::JobTemplate, name) => {
            let event = notice_event(name).ok_or_else(|| Refusal::MethodNotAllowed("POST".to_owned()))?;
            let template = required_id(body, "id")?;
            if body.get("disassociate").and_then(Value::as_bool).unwrap_or(false) {
                c.detach_notification(id, event, template);
            } else {
                c.attach_notification(id, event, template);
            }
            Ok(Reply::empty(204))
        }
        _ => Err(Refusal::MethodNotAllowed("POST".to_owned())),
    }
}

fn launch_workflow(world: &mut World, call: &Call<'_>, template: Id, body: &Body) -> Reply {
    match world.post_launch(call.caller, template, body, call.now) {
        Delivery::Answered(Ok(launch)) => {
            let id = launch.workflow_job;
            let reply = created(world, call, Kind::WorkflowJob, id);
            let extra = json!({"workflow_job": id, "ignored_fields": {}});
            with_fields(reply, &extra)
        }
        Delivery::Answered(Err(refusal)) => Reply::refused(&refusal, call.mode.v23),
        Delivery::BadGateway => Reply::proxy(502),
        Delivery::Lost => Reply { lost: true, ..Reply::empty(500) },
    }
}

fn launch_job(world: &mut World, call: &Call<'_>, template: Id, body: &Body) -> Result<Reply, Refusal> {
    let launch = world.controller.launch_job(call.caller, template, body, call.now)?;
    let reply = created(world, call, Kind::Job, launch.job);
    Ok(with_fields(reply, &json!({"job": launch.job, "ignored_fields": launch.ignored_fields})))
}

pub(super) fn with_fields(mut reply: Reply, extra: &Value) -> Reply {
    if let (Ok(Value::Object(mut body)), Some(extra)) =
        (serde_json::from_slice(&reply.body), extra.as_object())
    {
        body.extend(extra.clone());
        reply.body = Value::Object(body).to_string().into_bytes();
    }
    reply
}

fn group_host(world: &mut World, call: &Call<'_>, group: Id, body: &Body) -> Result<Reply, Refusal> {
    if let Some(host) = body.get("id").and_then(Value::as_u64) {
        let leave = body.get("disassociate").and_then(Value::as_bool).unwrap_or(false);
        world.controller.associate_host(call.caller, group, host, !leave)?;
        return Ok(Reply::empty(204));
    }
    let row = world.controller.rows.groups.get(&group).ok_or(Refusal::NotFound("Group"))?;
    let host =
        world.controller.create_host(call.caller, row.inventory, HostFields::parse(body)?, call.now)?;
    world.controller.associate_host(call.caller, group, host, true)?;
    Ok(created(world, call, Kind::Host, host))
}

fn create_token(world: &mut World, call: &Call<'_>, user: Id, body: &Body) -> Result<Reply, Refusal> {
    let scope = match body.get("scope").and_then(Value::as_str).unwrap_or("write") {
        "read" => Scope::Read,
        "write" | "read write" => Scope::Write,
        _ => {
            let message = "Must be a simple space-separated string with allowed scopes ['read', 'write'].";
            return Err(Refusal::field("scope", message));
        }
    };
    let description = body.get("description").and_then(Value::as_str).unwrap_or_default();
    let token = world.controller.add_token(user, description, scope, None, call.now);
    // The only answer that ever shows the secret.
    Ok(with_fields(created(world, call, Kind::Token, token.id), &json!({"token": token.secret})))
}

fn edit(
    world: &mut World,
    call: &Call<'_>,
    kind: Kind,
    id: Id,
    (whole, body): (bool, &Body),
) -> Result<Reply, Refusal> {
    visible(world, call, kind, id)?;
    match kind {
        Kind::Host => {
            let host = world.controller.host(id).ok_or(Refusal::NotFound("Host"))?;
            let elsewhere =
                body.get("inventory").and_then(Value::as_u64).is_some_and(|i| i != host.inventory);
            if elsewhere {
                return Err(Refusal::Forbidden("Unable to change inventory on a host.".to_owned()));
            }
            let fields = HostFields::parse(body)?;
            if whole && fields.name.is_none() {
                return Err(Refusal::field("name", "This field is required."));
            }
            world.controller.edit_host(call.caller, id, fields, call.now)?;
        }
        Kind::WorkflowJobTemplate => {
            administrator(world, call)?;
            edit_workflow(&mut world.controller, id, body)?;
        }
        Kind::JobTemplate => {
            administrator(world, call)?;
            world.controller.edit_job_template(id, |row| row.ask = ask(body, row.ask));
        }
        Kind::NotificationTemplate => edit_notification_template(world, call, id, body),
        _ => return Err(Refusal::MethodNotAllowed(call.request.method.clone())),
    }
    Ok(Reply::json(200, &call.show(world, true).row(kind, id)))
}

fn delete(world: &mut World, call: &Call<'_>, kind: Kind, id: Id) -> Result<Reply, Refusal> {
    match kind {
        Kind::Host => world.controller.delete_host(call.caller, id)?,
        Kind::WorkflowJob => world.controller.delete_workflow_job(call.caller, id)?,
        Kind::Job | Kind::Approval => {
            visible(world, call, kind, id)?;
            world.controller.delete_unified_job(call.caller, id)?;
        }
        Kind::Token => {
            visible(world, call, kind, id)?;
            world.controller.rows.tokens.remove(&id);
        }
        Kind::NotificationTemplate => {
            visible(world, call, kind, id)?;
            world.controller.rows.notification_templates.remove(&id);
        }
        Kind::WorkflowJobTemplate | Kind::JobTemplate => {
            visible(world, call, kind, id)?;
            administrator(world, call)?;
            world.controller.delete_template(id);
        }
        _ => return Err(Refusal::MethodNotAllowed("DELETE".to_owned())),
    }
    Ok(Reply::empty(204))
}
