//! What a controller's notification says (CONTRACT.md §8, MEASURED 24–33): stock bodies, the usual custom ones, and
//! the many that say nothing. A callback is a hint; whatever stands in it only makes a read due.

use serde_json::Value;

use super::json;
use crate::vm_request::event::{CallbackKind, CallbackSeen, RunStatus};
use crate::vm_request::ids::RequestId;

/// The longest template name that is kept, in characters.
const TEMPLATE_CHARS_MAX: usize = 200;

/// A notification about a workflow job or a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// Id of the workflow job or job.
    pub job: i64,
    pub kind: CallbackKind,
    pub status: RunStatus,
    /// `execution_id` out of `extra_vars`, which children carry too (MEASURED 24).
    pub execution_id: Option<RequestId>,
    /// Name of the template.
    pub template: String,
}

/// Why a notification says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Useless {
    /// A custom template that did not render to a JSON object (MEASURED 30), or a blank one.
    #[error("the body is an empty object")]
    Empty,
    /// A string, a list, a number, or not JSON at all.
    #[error("the body is no JSON object")]
    NoObject,
    /// Approval texts and the test button name no job (MEASURED 25), custom approval bodies name the approval's.
    #[error("the body is about an approval, or a test")]
    Approval,
    /// There is no id, no status, or nothing that says what kind of job it is.
    #[error("the body names no job")]
    NoJob,
}

impl Useless {
    /// The reason in one word, for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NoObject => "no_object",
            Self::Approval => "approval",
            Self::NoJob => "no_job",
        }
    }
}

impl Callback {
    /// Reads a notification.
    ///
    /// # Errors
    /// [`Useless`] when it names no job.
    pub fn read(body: &[u8]) -> Result<Self, Useless> {
        let Ok(Value::Object(root)) = json::parse(body) else { return Err(Useless::NoObject) };
        if root.is_empty() {
            return Err(Useless::Empty);
        }
        let root = Value::Object(root);
        // A custom body holds the stock one under a name of its author's choice.
        let meta = ["metadata", "meta", "job_metadata"].iter().find_map(|name| root.get(*name));
        let field = |name: &str| root.get(name).or_else(|| meta?.get(name));
        let (job, address) = (field("id").and_then(Value::as_i64), field("url").and_then(Value::as_str));
        let is_approval = root.get("approval_status").is_some();
        let about = address.and_then(of_address);
        let Some(job) = job.or(about.map(|(_, job)| job)).filter(|job| *job > 0 && !is_approval) else {
            let is_text = root.get("body").is_some_and(Value::is_string) || is_approval;
            return Err(if is_text { Useless::Approval } else { Useless::NoJob });
        };
        let kind = match (field("type").and_then(Value::as_str), about) {
            (Some("workflow_job"), _) => CallbackKind::WorkflowJob,
            (Some("job"), _) => CallbackKind::Job,
            // An approval's metadata carries its own id and its workflow's address.
            (_, Some((_, other))) if other != job => return Err(Useless::Approval),
            (_, Some((kind, _))) => kind,
            (_, None) => return Err(Useless::NoJob),
        };
        let status = field("status").and_then(Value::as_str).ok_or(Useless::NoJob)?;
        Ok(Self {
            job,
            kind,
            status: RunStatus::from_name(status),
            execution_id: field("extra_vars").and_then(execution_id),
            template: field("name").and_then(Value::as_str).map(cut).unwrap_or_default(),
        })
    }

    /// The fact for the journal.
    #[must_use]
    pub fn seen(self, controller: &str) -> CallbackSeen {
        let Self { job, kind, status, template, .. } = self;
        CallbackSeen { controller: controller.to_owned(), job, kind, status, template }
    }
}

/// `…/jobs/workflow/58` or `…/#/jobs/playbook/61` (≤ 24.6.1 has the `#`, CONTRACT.md §8.2).
fn of_address(address: &str) -> Option<(CallbackKind, i64)> {
    let (_, rest) = address.rsplit_once("/jobs/")?;
    let (kind, rest) = rest.split_once('/')?;
    let kind = match kind {
        "workflow" => CallbackKind::WorkflowJob,
        "playbook" => CallbackKind::Job,
        _ => return None,
    };
    let digits = rest.split(['/', '?', '#']).next()?;
    digits.parse().ok().map(|job| (kind, job))
}

/// Out of `extra_vars`, which is JSON in a string; an object is understood as well.
fn execution_id(extra_vars: &Value) -> Option<RequestId> {
    let inner = extra_vars.as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    inner.as_ref().unwrap_or(extra_vars).get("execution_id")?.as_str()?.parse().ok()
}

fn cut(name: &str) -> String {
    name.chars().take(TEMPLATE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_forms_of_the_address_are_understood() {
        for (address, expected) in [
            ("https://aap/#/jobs/workflow/58", Some((CallbackKind::WorkflowJob, 58))),
            ("https://aap/jobs/playbook/61/", Some((CallbackKind::Job, 61))),
            ("https://aap/ui/jobs/playbook/61?x=1", Some((CallbackKind::Job, 61))),
            ("https://aap/jobs/project/3", None),
            ("https://aap/jobs/workflow/x", None),
            ("https://aap", None),
        ] {
            assert_eq!(of_address(address), expected, "{address}");
        }
    }

    #[test]
    fn the_execution_is_found_in_extra_vars_as_string_or_object() {
        let id = "req_01m7yhx300000000000000001a";
        for extra_vars in
            [format!("\"{{\\\"execution_id\\\":\\\"{id}\\\"}}\""), format!("{{\"execution_id\":\"{id}\"}}")]
        {
            let body = format!(
                r#"{{"id":5,"url":"https://aap/jobs/playbook/5","status":"failed","extra_vars":{extra_vars}}}"#
            );
            let callback = Callback::read(body.as_bytes()).unwrap();
            assert_eq!(callback.execution_id.unwrap().as_str(), id);
        }
        let other = br#"{"id":5,"url":"https://aap/jobs/playbook/5","status":"odd","extra_vars":"- a: 1"}"#;
        let callback = Callback::read(other).unwrap();
        assert_eq!((callback.execution_id, callback.status), (None, RunStatus::Unheard));
    }

    #[test]
    fn what_says_nothing_is_told_apart() {
        for (body, why) in [
            ("{}", Useless::Empty),
            ("\"2\"", Useless::NoObject),
            ("", Useless::NoObject),
            ("{'id': 2}", Useless::NoObject),
            (r#"{"body":"Test Notification 1 https://aap"}"#, Useless::Approval),
            (r#"{"id":0,"url":"https://aap/jobs/playbook/0","status":"failed"}"#, Useless::NoJob),
            (r#"{"id":7,"status":"failed"}"#, Useless::NoJob),
            (r#"{"id":7,"url":"https://aap/jobs/playbook/7"}"#, Useless::NoJob),
        ] {
            assert_eq!(Callback::read(body.as_bytes()), Err(why), "{body}");
        }
    }
}
