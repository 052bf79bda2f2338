//! Which notifications were to come and never came, for those who run the controller: a notification template that was
//! detached or that fails makes every request slower, and nothing else tells (CONTRACT.md §8).

use std::sync::Arc;
use std::time::Duration;

use super::state::AppState;
use crate::journal::ReadError;
use crate::vm_request::event::{CallbackKind, Event};
use crate::vm_request::{RequestId, event::CallbackSeen};

/// How long after a run's end its last notification may still come (MEASURED 26: by up to 9 s).
const GRACE_SECS: u64 = 60;

/// Counts what is expected of the run `workflow_job` of `template`, and later whether it came.
pub fn run_over(state: &Arc<AppState>, id: RequestId, workflow_job: i64, template: String) {
    state.counters.callback_expected(&template);
    let state = Arc::clone(state);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(GRACE_SECS)).await;
        match state.journal.load(&id).await {
            Ok(Some(loaded)) => {
                let told = loaded.events.iter().any(|recorded| tells_the_end(&recorded.event, workflow_job));
                if !told {
                    state.counters.callback_never(&template);
                }
            }
            // The bridge has stopped meanwhile, and with it whoever would have counted.
            Ok(None) | Err(ReadError::Closed) => {}
            Err(error) => tracing::warn!(request = %id, %error, "cannot tell whether a notification came"),
        }
    });
}

fn tells_the_end(event: &Event, workflow_job: i64) -> bool {
    matches!(
        event,
        Event::CallbackSeen(CallbackSeen { job, kind: CallbackKind::WorkflowJob, status, .. })
            if *job == workflow_job && status.is_terminal()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm_request::event::RunStatus;

    #[test]
    fn only_the_runs_own_last_notification_counts() {
        let seen = |job, kind, status| {
            let (controller, template) = ("lab".to_owned(), String::new());
            tells_the_end(&Event::CallbackSeen(CallbackSeen { controller, job, kind, status, template }), 7)
        };
        assert!(seen(7, CallbackKind::WorkflowJob, RunStatus::Failed));
        assert!(!seen(7, CallbackKind::WorkflowJob, RunStatus::Running));
        assert!(!seen(7, CallbackKind::Job, RunStatus::Failed));
        assert!(!seen(8, CallbackKind::WorkflowJob, RunStatus::Failed));
    }
}
