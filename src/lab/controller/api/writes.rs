//! Everything that changes something: launches, cancels, hosts, labels, tokens, notification templates; what content
//! as code sets up is in [`setup`]. Bodies are as CONTRACT.md §11 records them.

#![expect(clippy::wildcard_enum_match_arm, reason = "most kinds cannot be written")]

use serde_json::{Map, Value, json};

use super::super::super::world::{Delivery, World};
use super::super::model::hosts::HostFields;
use super::super::model::rows::Scope;
use super::super::model::{Id, Refusal};
use super::kind::Kind;
use super::message::Reply;
use super::notifications::{edit_notification_template, parse_notification_template, test_notification};
use super::router::{Call, Route, visible};
use super::{roles, setup};

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
        ("DELETE", Route::Below(Kind::WorkflowJobTemplate | Kind::JobTemplate, id, _)) => {
            administrator(world, call)?;
            world.controller.set_survey(id, None);
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

pub(super) fn created(world: &World, call: &Call<'_>, kind: Kind, id: Id) -> Reply {
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
            setup::create(world, call, kind, body)?
        }
    };
    Ok(created(world, call, kind, id))
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
        (Kind::Role, _) | (Kind::User, "roles") => roles::post(world, call, kind, id, body),
        (Kind::User, _) => {
            let own = id == call.caller.user || world.controller.is_superuser(call.caller.user);
            if own { create_token(world, call, id, body) } else { Err(Refusal::forbidden()) }
        }
        _ => {
            administrator(world, call)?;
            visible(world, call, kind, id)?;
            setup::post(world, call, (kind, id, name), body)
        }
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
        Kind::NotificationTemplate => edit_notification_template(world, call, id, body),
        _ => {
            administrator(world, call)?;
            setup::edit(world, call, kind, id, body)?;
        }
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
        Kind::TemplateNode => {
            visible(world, call, kind, id)?;
            administrator(world, call)?;
            world.controller.delete_node(id);
        }
        _ => return Err(Refusal::MethodNotAllowed("DELETE".to_owned())),
    }
    Ok(Reply::empty(204))
}
