//! The words a unified job's life is told in (CONTRACT.md §5).

use serde::{Deserialize, Serialize};

/// Status of a job, workflow job or approval, in AWX's spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Created, not yet taken up by a task manager pass.
    Pending,
    /// Handed to a node that has not started it yet; jobs only, never workflow jobs.
    Waiting,
    /// Started.
    Running,
    /// Ended well. A workflow job may be successful over a failed node.
    Successful,
    /// Ended with a failed task, or (workflow job) with a failed node that has no error path.
    Failed,
    /// Ended by a fault of the infrastructure.
    Error,
    /// Ended on request.
    Canceled,
}

impl Status {
    /// AWX's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Canceled => "canceled",
        }
    }

    /// Whether the job has ended.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Pending | Self::Waiting | Self::Running => false,
            Self::Successful | Self::Failed | Self::Error | Self::Canceled => true,
        }
    }

    /// The `failed` flag: true for failed, error and canceled (CONTRACT.md §5).
    #[must_use]
    pub fn counts_as_failed(self) -> bool {
        self.is_terminal() && self != Self::Successful
    }
}

/// How a unified job came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LaunchType {
    /// By a user, through `launch/`.
    Manual,
    /// By a user, through `relaunch/`.
    Relaunch,
    /// As a node of a workflow job.
    Workflow,
}

impl LaunchType {
    /// AWX's spelling.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Relaunch => "relaunch",
            Self::Workflow => "workflow",
        }
    }
}
