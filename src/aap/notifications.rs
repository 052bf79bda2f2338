//! Which notification templates hang on a workflow job template, for the preflight: a bridge that hears nothing still
//! works by polling, but slower; a custom body can stall the whole controller (MEASURED 32). Notifications themselves
//! arrive elsewhere (module `http`).

use reqwest::Url;
use serde_json::Value;

use super::client::Controller;
use super::errors::ReadError;
use super::paging::PAGE_SIZE_MAX;
use super::wire;

/// When a notification is sent (CONTRACT.md §8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotificationEvent {
    /// The run began.
    Started,
    /// It ended successful.
    Success,
    /// It ended failed, in error or canceled.
    Error,
}

/// A notification template that hangs directly on a workflow job template. Those of its organization are sent too
/// but are not listed here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationAttachment {
    /// For which event.
    pub event: NotificationEvent,
    /// The id of the notification template.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// `webhook`, `email`, `slack`…
    pub notification_type: String,
    /// Where a webhook goes, without user, query and fragment, which may hold secrets.
    pub url: Option<String>,
    /// Whether a message of its own replaces the stock body.
    pub has_custom_body: bool,
}

impl Controller {
    /// The notification templates of a workflow job template for the events that the bridge lives on: one request for
    /// each of the three. An account without the right to see them gets an empty list, not an error (CONTRACT.md §8.5).
    ///
    /// # Errors
    /// The usual ones.
    pub async fn notification_attachments(
        &self,
        template_id: i64,
    ) -> Result<Vec<NotificationAttachment>, ReadError> {
        let events = [
            (NotificationEvent::Started, "started"),
            (NotificationEvent::Success, "success"),
            (NotificationEvent::Error, "error"),
        ];
        let deadline = self.deadline();
        let mut found = Vec::new();
        for (event, name) in events {
            let path = format!("workflow_job_templates/{template_id}/notification_templates_{name}/");
            let rows =
                self.rows::<wire::NotificationTemplateRow>(&path, &[], PAGE_SIZE_MAX, deadline).await?.rows;
            found.extend(rows.into_iter().map(|row| attachment(event, row)));
        }
        Ok(found)
    }
}

fn attachment(event: NotificationEvent, row: wire::NotificationTemplateRow) -> NotificationAttachment {
    let url = row.notification_configuration.get("url").and_then(Value::as_str);
    NotificationAttachment {
        event,
        id: row.id,
        name: row.name,
        notification_type: row.notification_type,
        url: url.and_then(|text| Url::parse(text).ok()).map(without_secrets),
        has_custom_body: row.messages.as_object().is_some_and(|messages| messages.values().any(has_body)),
    }
}

fn has_body(message: &Value) -> bool {
    message.get("body").and_then(Value::as_str).is_some_and(|body| !body.is_empty())
}

fn without_secrets(mut url: Url) -> String {
    url.set_query(None);
    url.set_fragment(None);
    // Only a URL that cannot have a user refuses to lose one.
    let cleared = url.set_username("").and_then(|()| url.set_password(None));
    if cleared.is_err() {
        return format!("{}:", url.scheme());
    }
    url.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_webhooks_address_is_shown_without_what_may_be_secret_in_it() {
        let shown = |text: &str| without_secrets(Url::parse(text).unwrap());
        assert_eq!(
            shown("https://u:hunter2@bridge:8443/hooks/aap/prod?k=hunter2#hunter2"),
            "https://bridge:8443/hooks/aap/prod"
        );
        assert_eq!(shown("mailto:hunter2@example.com"), "mailto:");
    }
}
