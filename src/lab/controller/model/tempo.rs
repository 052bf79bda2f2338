//! How fast the controller is. The measured figures are those of MEASURED ("Latency", trace_workflow_happy)
//! and CONTRACT.md §5; [`Tempo::fast`] keeps their order and divides them.

use jiff::SignedDuration;

/// Delays between what happens inside the controller, all in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tempo {
    /// From a launch's commit (or a spawned job) to the task manager pass that takes it up.
    pub task_manager_ms: i64,
    /// From an ended job to the workflow manager pass that sees it.
    pub workflow_manager_ms: i64,
    /// From `waiting` to `running`.
    pub job_start_ms: i64,
    /// From asking to cancel a running job to its end.
    pub job_cancel_ms: i64,
    /// From a job's end to `event_processing_finished`.
    pub event_lag_ms: i64,
    /// From a state change to the callback about it.
    pub callback_ms: i64,
    /// What one stage's playbook takes, beyond what vCenter takes.
    pub stage_ms: i64,
    /// How long a clone takes in vCenter.
    pub clone_ms: i64,
    /// How often a playbook that waits for its claim looks at it.
    pub claim_poll_ms: i64,
    /// How long a playbook waits for its claim before it counts as lost.
    pub claim_wait_ms: i64,
    /// After this long in `pending`, a blocked run explains itself (CONTRACT.md §3.5: 30 s).
    pub explain_pending_ms: i64,
}

impl Tempo {
    /// As measured on the real controller.
    #[must_use]
    pub fn measured() -> Self {
        Self {
            task_manager_ms: 600,
            workflow_manager_ms: 400,
            job_start_ms: 450,
            job_cancel_ms: 900,
            event_lag_ms: 600,
            callback_ms: 120,
            stage_ms: 3_000,
            clone_ms: 5_000,
            claim_poll_ms: 1_000,
            claim_wait_ms: 60_000,
            explain_pending_ms: 30_000,
        }
    }

    /// The same order of things, twenty times as fast: for demos and tests through real HTTP.
    #[must_use]
    pub fn fast() -> Self {
        Self {
            task_manager_ms: 30,
            workflow_manager_ms: 20,
            job_start_ms: 22,
            job_cancel_ms: 45,
            event_lag_ms: 30,
            callback_ms: 6,
            stage_ms: 60,
            clone_ms: 120,
            claim_poll_ms: 20,
            claim_wait_ms: 5_000,
            explain_pending_ms: 1_500,
        }
    }

    pub(in crate::lab) fn span(ms: i64) -> SignedDuration {
        SignedDuration::from_millis(ms)
    }
}
