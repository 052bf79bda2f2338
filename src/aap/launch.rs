//! The launch: one POST, once, and an answer that says exactly what is known about it (CONTRACT.md §4, steps 3 and
//! 4). Settling an unknown answer is not done here.

use reqwest::Method;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::answer::{Answer, WriteFailure};
use super::client::Controller;
use super::errors::Violation;
use super::wire;

/// The largest launch body that is sent, in bytes: a proxy that takes no more than its default of 1 MiB answers 413
/// in HTML (recorded), which would have to count as unknown.
pub const LAUNCH_BODY_BYTES_MAX: usize = 1_000_000;

/// What a launch carries. The field names are the controller's; one that it does not know would be dropped without
/// a word (MEASURED 5), so there is no room for others. `None` and empty are not sent.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LaunchBody {
    /// Variables for every node. An integer must be a JSON integer (MEASURED 6).
    pub extra_vars: Map<String, Value>,
    /// Id of an inventory, where the template prompts for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<i64>,
    /// Host pattern, where the template prompts for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Branch, where the template prompts for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scm_branch: Option<String>,
    /// Ids of labels, where the template prompts for them. One that the account cannot read is a 403.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<i64>,
    /// Job tags, where the template prompts for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_tags: Option<String>,
    /// Skip tags, where the template prompts for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_tags: Option<String>,
}

/// What is known after a launch was tried once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchAnswer {
    /// 201: the run exists.
    Accepted {
        /// Its id.
        workflow_job: i64,
        /// Names of fields that the controller dropped. Empty for workflows so far measured; if not, the run is not
        /// the one that was asked for.
        ignored_fields: Vec<String>,
    },
    /// The controller's 400 (or, with the field named, too large to be sent): no run exists, and the same body will
    /// be refused again.
    Refused {
        /// Every fault that was named.
        violations: Vec<Violation>,
    },
    /// The controller's 401, 403, 404, 405, 409, 415 or 429: no run exists, and somebody or time must change that.
    NotNow {
        /// The HTTP status.
        status: u16,
        /// The controller's sentence.
        detail: String,
        /// Seconds to wait, when the answer said so.
        retry_after_secs: Option<u64>,
    },
    /// Anything else: no connection, no whole answer in time, 3xx, 5xx, HTML, a 2xx that cannot be read. A run may
    /// exist, or may yet come to exist: look for it.
    Unknown {
        /// What happened, in one line.
        why: String,
    },
}

impl Controller {
    /// Launches a workflow job template: exactly one attempt. `api_request_id` goes out as `X-API-Request-Id` and is
    /// echoed into the controller's log; it does not make the launch idempotent (MEASURED 2).
    pub async fn launch(&self, template_id: i64, body: &LaunchBody, api_request_id: Uuid) -> LaunchAnswer {
        let size = serde_json::to_vec(body).map_or(usize::MAX, |bytes| bytes.len());
        if size > LAUNCH_BODY_BYTES_MAX {
            let message = format!("the launch would be {size} bytes, more than {LAUNCH_BODY_BYTES_MAX}");
            let violation = Violation { field: "extra_vars".to_owned(), message, variable: None };
            return LaunchAnswer::Refused { violations: vec![violation] };
        }
        let path = format!("workflow_job_templates/{template_id}/launch/");
        let answer = match self.write(Method::POST, &path, Some(body), api_request_id).await {
            Ok(answer) => understood(&answer),
            Err(lost) => LaunchAnswer::Unknown { why: lost.why },
        };
        tracing::info!(
            controller = %self.name(),
            template_id,
            api_request_id = %api_request_id.simple(),
            answer = label(&answer),
            "launch"
        );
        answer
    }
}

fn understood(answer: &Answer) -> LaunchAnswer {
    if answer.status == 201 {
        return match answer.decode::<wire::Launched>() {
            Ok(launched) => LaunchAnswer::Accepted {
                workflow_job: launched.workflow_job,
                ignored_fields: launched.ignored_fields.into_iter().map(|(field, _)| field).collect(),
            },
            Err(why) => LaunchAnswer::Unknown { why },
        };
    }
    match answer.write_failure() {
        WriteFailure::Refused { violations } => LaunchAnswer::Refused { violations },
        WriteFailure::NotNow { status, detail, retry_after_secs } => {
            LaunchAnswer::NotNow { status, detail, retry_after_secs }
        }
        WriteFailure::Unknown { why } => LaunchAnswer::Unknown { why },
    }
}

const fn label(answer: &LaunchAnswer) -> &'static str {
    match answer {
        LaunchAnswer::Accepted { .. } => "accepted",
        LaunchAnswer::Refused { .. } => "refused",
        LaunchAnswer::NotNow { .. } => "not_now",
        LaunchAnswer::Unknown { .. } => "unknown",
    }
}
