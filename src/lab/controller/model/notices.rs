//! Callbacks as the controller makes them: once, after the change, unsigned (CONTRACT.md §8). A row is
//! recorded and an entry queued; whoever takes the queue delivers it, or plays with it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::bodies::ApprovalWord;
use super::refusal::Refusal;
use super::rows::{Id, Notification, NotificationStatus};
use super::{Controller, Table, after};

/// What a notification template can be attached for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NoticeEvent {
    Started,
    Success,
    /// Failed, error and canceled alike.
    Error,
    Approvals,
}

impl NoticeEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Started, Self::Success, Self::Error, Self::Approvals];

    /// The last part of `notification_templates_…`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Success => "success",
            Self::Error => "error",
            Self::Approvals => "approvals",
        }
    }
}

/// One POST to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The row that records it.
    pub notification: Id,
    /// Not before this.
    pub due: Timestamp,
    pub event: NoticeEvent,
    /// The job, workflow job or approval it tells of; `None` for the test button.
    pub unified_job: Option<Id>,
    pub url: String,
    pub http_method: String,
    pub headers: BTreeMap<String, String>,
    /// User and password, when configured.
    pub basic: Option<(String, String)>,
    pub body: Value,
}

impl Controller {
    pub(super) fn notify_workflow_job(&mut self, id: Id, event: NoticeEvent, now: Timestamp) {
        let template = self.rows.workflow_jobs.get(&id).and_then(|run| run.workflow_job_template);
        self.notify(template, (id, event), now, |controller| controller.workflow_job_body(id));
    }

    pub(super) fn notify_job(&mut self, id: Id, event: NoticeEvent, now: Timestamp) {
        let template = self.rows.jobs.get(&id).and_then(|job| job.job_template);
        self.notify(template, (id, event), now, |controller| controller.job_body(id));
    }

    pub(super) fn notify_approval(&mut self, id: Id, word: ApprovalWord, now: Timestamp) {
        let run = self.rows.approvals.get(&id).and_then(|approval| self.run_of_approval(approval));
        let template = run.and_then(|run| run.workflow_job_template);
        let body = |controller: &Self| controller.approval_body(id, word);
        self.notify(template, (id, NoticeEvent::Approvals), now, body);
    }

    /// A deleted template sends nothing (CONTRACT.md §8.4). The body is written only where somebody is told.
    fn notify(
        &mut self,
        template: Option<Id>,
        (job, event): (Id, NoticeEvent),
        now: Timestamp,
        body: impl Fn(&Self) -> Option<Value>,
    ) {
        let attached = template.and_then(|id| {
            let workflow = self.rows.workflow_job_templates.get(&id).map(|t| &t.notification_templates);
            workflow.or_else(|| self.rows.job_templates.get(&id).map(|t| &t.notification_templates))
        });
        let ids: Vec<Id> = attached.and_then(|map| map.get(&event)).into_iter().flatten().copied().collect();
        for id in ids {
            let Some(body) = body(self) else { return };
            self.queue_notice(id, Some(job), event, body, now);
        }
    }

    fn queue_notice(
        &mut self,
        template: Id,
        unified_job: Option<Id>,
        event: NoticeEvent,
        body: Value,
        now: Timestamp,
    ) -> Option<Id> {
        let row = self.rows.notification_templates.get(&template)?.clone();
        let id = self.next_id(Table::Notification);
        let notification = Notification {
            id,
            notification_template: template,
            created: now,
            status: NotificationStatus::Pending,
            error: String::new(),
            notifications_sent: 0,
            recipients: row.url.clone(),
            body: body.clone(),
            unified_job,
        };
        self.rows.notifications.insert(id, notification);
        self.notices.push(Notice {
            notification: id,
            due: after(now, self.tempo.callback_ms),
            event,
            unified_job,
            url: row.url,
            http_method: row.http_method,
            headers: row.headers,
            basic: (!row.username.is_empty()).then_some((row.username, row.password)),
            body,
        });
        Some(id)
    }

    /// `POST notification_templates/N/test/`: queues the test body and returns the notification's number.
    ///
    /// # Errors
    /// 404 for an unknown template.
    pub fn test_notification(&mut self, template: Id, now: Timestamp) -> Result<Id, Refusal> {
        let body = Self::test_body(template);
        self.queue_notice(template, None, NoticeEvent::Started, body, now)
            .ok_or(Refusal::NotFound("NotificationTemplate"))
    }

    /// The receiver answered with a status below 400. 299 and the redirects count as successful, though
    /// nothing was sent (CONTRACT.md §8.1).
    pub fn notice_delivered(&mut self, notification: Id, status: u16) {
        if let Some(row) = self.rows.notifications.get_mut(&notification) {
            row.status = NotificationStatus::Successful;
            row.notifications_sent = u32::from((200..299).contains(&status));
        }
    }

    /// The receiver refused, or could not be reached. There is no second attempt.
    pub fn notice_failed(&mut self, notification: Id, error: &str) {
        if let Some(row) = self.rows.notifications.get_mut(&notification) {
            row.status = NotificationStatus::Failed;
            error.clone_into(&mut row.error);
        }
    }
}
