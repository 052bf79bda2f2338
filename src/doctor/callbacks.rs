//! The notification templates that wake the bridge. Without them every request still ends rightly, only later.

use super::Report;
use super::controller::unread;
use crate::aap::{Controller, NotificationAttachment, NotificationEvent, TemplateRef};
use crate::config::ControllerSection;

pub(super) async fn examine(
    report: &mut Report,
    section: &ControllerSection,
    client: &Controller,
    template: &TemplateRef,
    public_url: Option<&str>,
) {
    let subject = format!("notifications of {} on {}", section.workflow, section.name);
    if section.callback.is_none() {
        let remedy = "set `callback` with a secret, and the same in the notification template's headers";
        report.find("callback_not_configured", &subject, "the bridge would refuse them", remedy);
    }
    let attached = match client.notification_attachments(template.id).await {
        Ok(attached) => attached,
        Err(error) => return unread(report, &subject, &error),
    };
    let path = format!("/hooks/aap/{}", section.name);
    if attached.is_empty() {
        // An account without the right to see them gets an empty list, not an error (CONTRACT.md §8.5).
        let detail =
            format!("none can be seen: either none is attached, or this account may not see them (…{path})");
        let remedy = "attach a webhook template for success and error; with the organization's role Notification Admin the doctor can look";
        return report.warn("notification_unseen", &subject, detail, remedy);
    }
    let is_ours = |each: &&NotificationAttachment| {
        each.notification_type == "webhook"
            && each.url.as_deref().is_some_and(|url| {
                url.ends_with(&path) && public_url.is_none_or(|public| url.starts_with(public))
            })
    };
    let ours: Vec<&NotificationAttachment> = attached.iter().filter(is_ours).collect();
    for (event, name) in [(NotificationEvent::Success, "success"), (NotificationEvent::Error, "error")] {
        match ours.iter().find(|each| each.event == event) {
            Some(found) => report.well(format!("{subject}: {} is sent for {name}", found.name)),
            None => {
                let detail = format!("no webhook template for {name} leads to …{path}");
                let remedy = "attach one for success and error; until then runs are only polled";
                report.find("notification_missing", &subject, detail, remedy);
            }
        }
    }
    for custom in ours.iter().filter(|each| each.has_custom_body) {
        let detail = format!("{} has a body of its own", custom.name);
        let remedy = "leave the messages empty: a body that does not render can stall the whole controller";
        report.find("notification_custom_body", &subject, detail, remedy);
    }
}
