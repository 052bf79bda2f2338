//! Writing notification templates: made, edited, tried out. Bodies are as CONTRACT.md §8.3 and §11 record them.

use serde_json::{Map, Value, json};

use super::super::super::world::World;
use super::super::model::Id;
use super::super::model::Refusal;
use super::super::model::access::Role;
use super::super::model::rows::NotificationTemplate;
use super::kind::Kind;
use super::message::Reply;
use super::router::{Call, visible};
use super::writes::{Body, required_id, required_text, with_fields};

pub(super) fn parse_notification_template(
    world: &World,
    call: &Call<'_>,
    body: &Body,
) -> Result<NotificationTemplate, Refusal> {
    let organization = required_id(body, "organization")?;
    let name = required_text(body, "name")?;
    let allowed = world.controller.holds(call.caller.user, &[Role::NotificationAdmin], organization);
    if !allowed {
        return Err(Refusal::forbidden());
    }
    let empty = Map::new();
    let config = body.get("notification_configuration").and_then(Value::as_object).unwrap_or(&empty);
    let missing: Vec<&str> =
        ["url", "headers"].into_iter().filter(|key| !config.contains_key(*key)).collect();
    if !missing.is_empty() {
        let listed: Vec<String> = missing.iter().map(|key| format!("'{key}'")).collect();
        let listed = listed.join(", ");
        return Err(Refusal::all(format!(
            "Missing required fields for Notification Configuration: [{listed}]."
        )));
    }
    let Some(headers) = config.get("headers").and_then(Value::as_object) else {
        return Err(Refusal::all("Configuration field 'headers' incorrect type, expected object."));
    };
    let text = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let method = text("http_method");
    Ok(NotificationTemplate {
        id: 0,
        name: name.to_owned(),
        description: String::new(),
        organization,
        url: text("url"),
        http_method: if method.is_empty() { "POST".to_owned() } else { method },
        headers: headers.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect(),
        username: text("username"),
        password: text("password"),
        disable_ssl_verification: config
            .get("disable_ssl_verification")
            .and_then(Value::as_bool)
            .unwrap_or(false),
        messages: body.get("messages").cloned(),
        created: call.now,
        modified: call.now,
        created_by: call.caller.user,
    })
}

/// PATCH merges: what is not sent stays (CONTRACT.md §8.3).
pub(super) fn edit_notification_template(world: &mut World, call: &Call<'_>, id: Id, body: &Body) {
    let Some(row) = world.controller.rows.notification_templates.get_mut(&id) else { return };
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        name.clone_into(&mut row.name);
    }
    let text =
        |key: &str| body.get("notification_configuration").and_then(|c| c.get(key)).and_then(Value::as_str);
    if let Some(url) = text("url") {
        url.clone_into(&mut row.url);
    }
    if let Some(headers) =
        body.get("notification_configuration").and_then(|c| c.get("headers")).and_then(Value::as_object)
    {
        row.headers = headers.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect();
    }
    if let Some(Value::Object(new)) = body.get("messages") {
        let mut merged = row.messages.take().and_then(|old| old.as_object().cloned()).unwrap_or_default();
        merged.extend(new.clone());
        row.messages = Some(Value::Object(merged));
    }
    row.modified = call.now;
}

pub(super) fn test_notification(world: &mut World, call: &Call<'_>, template: Id) -> Result<Reply, Refusal> {
    visible(world, call, Kind::NotificationTemplate, template)?;
    let id = world.controller.test_notification(template, call.now)?;
    let show = call.show(world, true);
    let reply = Reply::json(202, &show.row(Kind::Notification, id));
    let reply = reply.with("Location", show.url(Kind::Notification, id));
    Ok(with_fields(reply, &json!({"notification": id})))
}
