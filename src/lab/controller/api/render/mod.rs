//! Rows as the JSON that the recordings show, key by key. A list's row has fewer keys than a detail.

#![expect(clippy::wildcard_enum_match_arm, reason = "only an object has fields")]

mod events;
mod filed;
mod inventory;
mod people;
mod runs;
mod templates;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::model::access::Caller;
use super::super::model::{Controller, Id};
use super::kind::Kind;

/// Shows rows to one caller under one prefix.
#[derive(Debug, Clone, Copy)]
pub struct Show<'a> {
    pub controller: &'a Controller,
    /// `/api/v2/`, or the gateway's.
    pub prefix: &'a str,
    pub caller: Caller,
    pub now: Timestamp,
    /// A single row, not one of a list.
    pub detail: bool,
}

impl Show<'_> {
    /// A row of `kind`; null when it is gone.
    #[must_use]
    pub fn row(&self, kind: Kind, id: Id) -> Value {
        let shown = match kind {
            Kind::Organization => self.organization(id),
            Kind::Inventory => self.inventory(id),
            Kind::Group => self.group(id),
            Kind::Host => self.host(id),
            Kind::Label => self.label(id),
            Kind::JobTemplate => self.job_template(id),
            Kind::WorkflowJobTemplate => self.workflow_job_template(id),
            Kind::UnifiedJobTemplate => self.job_template(id).or_else(|| self.workflow_job_template(id)),
            Kind::TemplateNode => self.template_node(id),
            Kind::WorkflowJob => self.workflow_job(id),
            Kind::WorkflowNode => self.workflow_node(id),
            Kind::Job => self.job(id),
            Kind::UnifiedJob => self.job(id).or_else(|| self.workflow_job(id)),
            Kind::Approval => self.approval(id),
            Kind::NotificationTemplate => self.notification_template(id),
            Kind::Notification => self.notification(id),
            Kind::Token => self.token(id),
            Kind::User => self.user(id),
            Kind::Project => self.project(id),
            Kind::CredentialType => self.credential_type(id),
            Kind::Credential => self.credential(id),
            Kind::ExecutionEnvironment => self.execution_environment(id),
            Kind::ApprovalTemplate => self.approval_template(id),
            Kind::Role | Kind::JobEvent | Kind::Instance => None,
        };
        shown.map_or(Value::Null, |shown| self.with_settings(kind, id, shown))
    }

    /// The same with what was set of it and the model does not read, where it is shown at all.
    fn with_settings(&self, kind: Kind, id: Id, mut shown: Value) -> Value {
        let settings = kind.holder().and_then(|holder| self.controller.settings(holder, id));
        for (key, value) in settings.into_iter().flatten() {
            if let Some(place) = shown.get_mut(key) {
                place.clone_from(value);
            }
        }
        shown
    }

    /// The path of a row.
    #[must_use]
    pub fn url(&self, kind: Kind, id: Id) -> String {
        format!("{}{}/{id}/", self.prefix, kind.path())
    }

    /// `id`, `type`, `url`, then the rest.
    fn object(&self, kind: Kind, id: Id, rest: Value) -> Value {
        let kind_name = super::filter::row_type(self.controller, kind, id);
        let mut map = object(json!({"id": id, "type": kind_name, "url": self.url(kind, id)}));
        map.extend(object(rest));
        Value::Object(map)
    }

    /// `related` of a row: links below it, and links elsewhere.
    fn related(
        &self,
        kind: Kind,
        id: Id,
        below: &[&str],
        elsewhere: &[(&str, Option<String>)],
    ) -> Map<String, Value> {
        let own = self.url(kind, id);
        let mut related: Map<String, Value> =
            below.iter().map(|name| ((*name).to_owned(), json!(format!("{own}{name}/")))).collect();
        for (name, url) in elsewhere {
            if let Some(url) = url {
                related.insert((*name).to_owned(), json!(url));
            }
        }
        related
    }

    fn link(&self, kind: Kind, id: Id) -> Option<String> {
        Some(self.url(kind, id))
    }

    fn named_url(&self, kind: Kind, parts: &[&str]) -> Option<String> {
        self.detail.then(|| format!("{}{}/{}/", self.prefix, kind.path(), parts.join("++")))
    }

    fn user_summary(&self, id: Id) -> Value {
        let username = self.controller.username(id).unwrap_or_default();
        json!({"id": id, "username": username, "first_name": "", "last_name": ""})
    }

    fn organization_name(&self, id: Id) -> &str {
        self.controller.rows.organizations.get(&id).map_or("", |row| row.name.as_str())
    }

    fn organization_summary(&self, id: Id) -> Value {
        let description = self.controller.rows.organizations.get(&id).map_or("", |o| o.description.as_str());
        json!({"id": id, "name": self.organization_name(id), "description": description})
    }

    fn inventory_summary(&self, id: Id) -> Value {
        let rows = &self.controller.rows;
        let Some(row) = rows.inventories.get(&id) else { return Value::Null };
        let hosts = rows.hosts.values().filter(|host| host.inventory == id).count();
        let groups = rows.groups.values().filter(|group| group.inventory == id).count();
        json!({
            "id": id, "name": row.name, "description": row.description, "has_active_failures": false,
            "total_hosts": hosts, "hosts_with_active_failures": 0, "total_groups": groups,
            "has_inventory_sources": false, "total_inventory_sources": 0,
            "inventory_sources_with_failures": 0, "organization_id": row.organization, "kind": "",
        })
    }

    fn labels_summary<'b>(&self, labels: impl Iterator<Item = &'b Id>) -> Value {
        let rows = labels.filter_map(|id| self.controller.rows.labels.get(id));
        let results: Vec<Value> = rows.map(|label| json!({"id": label.id, "name": label.name})).collect();
        json!({"count": results.len(), "results": results})
    }

    fn is_superuser(&self) -> bool {
        self.controller.is_superuser(self.caller.user)
    }
}

/// A time as the API writes it: microseconds, `Z`.
pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

pub(super) fn time_or_null(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, |at| json!(time(at)))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Seconds between start and end, or now while it runs, to the millisecond.
fn elapsed(started: Option<Timestamp>, finished: Option<Timestamp>, now: Timestamp) -> f64 {
    let Some(started) = started else { return 0.0 };
    let span = finished.unwrap_or(now).duration_since(started);
    (span.as_secs_f64().max(0.0) * 1_000.0).round() / 1_000.0
}
