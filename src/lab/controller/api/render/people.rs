//! Users, tokens, notification templates and notifications. Recordings: `me*`, `token_*`,
//! `notification_*`, `notifications_*`.

use serde_json::{Map, Value, json};

use super::super::super::model::Id;
use super::super::super::model::rows::{NotificationTemplate, Scope};
use super::super::kind::Kind;
use super::{Show, time};

impl Show<'_> {
    pub(super) fn user(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.users.get(&id)?;
        let below = [
            "teams",
            "organizations",
            "admin_of_organizations",
            "projects",
            "credentials",
            "roles",
            "activity_stream",
            "access_list",
            "tokens",
            "authorized_tokens",
            "personal_tokens",
        ];
        let ansible_id = format!("00000002-0000-4000-8000-{id:012x}");
        let shown = json!({
            "related": self.related(Kind::User, id, &below, &[]),
            "summary_fields": {
                "resource": {"ansible_id": ansible_id, "resource_type": "shared.user"},
                "user_capabilities": {"edit": true, "delete": false},
            },
            "created": time(row.created), "modified": null, "username": row.username, "first_name": "",
            "last_name": "", "email": row.email, "is_superuser": row.is_superuser,
            "is_system_auditor": false, "password": "$encrypted$", "last_login": null,
        });
        Some(self.object(Kind::User, id, shown))
    }

    pub(super) fn token(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.tokens.get(&id)?;
        let elsewhere = [("user", self.link(Kind::User, row.user))];
        let scope = match row.scope {
            Scope::Read => "read",
            Scope::Write => "write",
        };
        let shown = json!({
            "related": self.related(Kind::Token, id, &["activity_stream"], &elsewhere),
            "summary_fields": {"user": self.user_summary(row.user)},
            "created": time(row.created), "modified": time(row.created), "description": row.description,
            "user": row.user, "token": "************", "refresh_token": null, "application": null,
            "expires": time(row.expires), "scope": scope,
        });
        Some(self.object(Kind::Token, id, shown))
    }

    pub(super) fn notification_template(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.notification_templates.get(&id)?;
        let organization = self.organization_name(row.organization);
        let user = self.link(Kind::User, row.created_by);
        let elsewhere = [
            ("named_url", self.named_url(Kind::NotificationTemplate, &[&row.name, organization])),
            ("created_by", user.clone()),
            ("modified_by", user),
            ("organization", self.link(Kind::Organization, row.organization)),
        ];
        let recent = self.controller.rows.notifications.values().rev();
        let recent: Vec<Value> = recent
            .filter(|notification| notification.notification_template == id)
            .take(5)
            .map(|n| {
                json!({"id": n.id, "status": n.status.as_str(), "created": time(n.created), "error": n.error})
            })
            .collect();
        let edit = self.controller.reads_notification_template(self.caller.user, row);
        let below = ["test", "notifications", "copy"];
        let shown = json!({
            "related": self.related(Kind::NotificationTemplate, id, &below, &elsewhere),
            "summary_fields": {
                "organization": self.organization_summary(row.organization),
                "created_by": self.user_summary(row.created_by),
                "modified_by": self.user_summary(row.created_by),
                "user_capabilities": {"edit": edit, "delete": edit, "copy": edit},
                "recent_notifications": recent,
            },
            "created": time(row.created), "modified": time(row.modified), "name": row.name,
            "description": row.description, "organization": row.organization, "notification_type": "webhook",
            "notification_configuration": configuration(row), "messages": messages(row),
        });
        Some(self.object(Kind::NotificationTemplate, id, shown))
    }

    pub(super) fn notification(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.notifications.get(&id)?;
        let template = row.notification_template;
        let template_row = self.controller.rows.notification_templates.get(&template);
        let elsewhere = [("notification_template", self.link(Kind::NotificationTemplate, template))];
        let name = template_row.map_or("", |row| row.name.as_str());
        let shown = json!({
            "related": self.related(Kind::Notification, id, &[], &elsewhere),
            "summary_fields": {"notification_template": {"id": template, "name": name, "description": ""}},
            "created": time(row.created), "modified": time(row.created), "notification_template": template,
            "error": row.error, "status": row.status.as_str(), "notifications_sent": row.notifications_sent,
            "notification_type": "webhook", "recipients": row.recipients, "body": row.body,
        });
        Some(self.object(Kind::Notification, id, shown))
    }
}

/// Headers are shown in clear, only the password is hidden (MEASURED 29).
fn configuration(row: &NotificationTemplate) -> Value {
    let password = if row.password.is_empty() { "" } else { "$encrypted$" };
    json!({
        "url": row.url, "http_method": row.http_method, "headers": row.headers, "username": row.username,
        "password": password, "disable_ssl_verification": row.disable_ssl_verification,
    })
}

fn messages(row: &NotificationTemplate) -> Value {
    let given = row.messages.as_ref().and_then(Value::as_object);
    let events = ["started", "success", "error", "workflow_approval"];
    let shown: Map<String, Value> = events
        .into_iter()
        .map(|event| (event.to_owned(), given.and_then(|map| map.get(event)).cloned().unwrap_or(Value::Null)))
        .collect();
    Value::Object(shown)
}
