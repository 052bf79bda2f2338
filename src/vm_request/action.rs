//! What the reconciler may be told to do, and what can come of it.
//!
//! An [`Action`] is decided by [`super::next::next`], performed by the shell (or by the simulation), and its
//! [`Outcome`] is given meaning by [`super::conclude::conclude`]. Neither holds a client's types.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::event::{Event, RunStatus};
use super::hold::{Difference, Finding, LeftBehind};
use super::sighting::VmSighting;
use super::stage::Stage;
use super::violation::Violation;

/// One thing to do for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask controller and vCenter whether attempt `attempt_no` may start.
    Preflight { attempt_no: u32 },
    /// Decide the attempt. Needs nothing but fresh randomness.
    IntendLaunch { attempt_no: u32, stages: Vec<Stage> },
    /// Write `attempt_no`, with no holder, into the claim.
    WriteClaim { attempt_no: u32 },
    /// Send the launch, once.
    Launch { attempt_no: u32 },
    /// List the template's recent runs and look for the attempt.
    FindRun { attempt_no: u32 },
    /// Write the run into the claim as its holder; when that cannot be done, see whether the run is over.
    RecordHolder { attempt_no: u32, workflow_job: i64 },
    /// Read the run's status.
    ReadRun { workflow_job: i64 },
    /// Read the nodes, artifacts and failures of a run that is over.
    Collect { workflow_job: i64 },
    /// Compare vCenter and the inventory with what was asked.
    Verify,
    /// Write the bridge's own key into the VM's host variables.
    MarkHost,
    /// Write down that the deadline passed. Needs nothing.
    NoteDeadline,
    /// Raise the claim's number, with no holder.
    RaiseClaim { attempt_no: u32 },
    /// Ask the controller to cancel the run.
    CancelRun { workflow_job: i64 },
    /// See what vCenter shows of a request that is being cancelled.
    Survey,
}

impl Action {
    /// The action's one name, for logs and metrics.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Preflight { .. } => "preflight",
            Self::IntendLaunch { .. } => "intend_launch",
            Self::WriteClaim { .. } => "write_claim",
            Self::Launch { .. } => "launch",
            Self::FindRun { .. } => "find_run",
            Self::RecordHolder { .. } => "record_holder",
            Self::ReadRun { .. } => "read_run",
            Self::Collect { .. } => "collect",
            Self::Verify => "verify",
            Self::MarkHost => "mark_host",
            Self::NoteDeadline => "note_deadline",
            Self::RaiseClaim { .. } => "raise_claim",
            Self::CancelRun { .. } => "cancel_run",
            Self::Survey => "survey",
        }
    }

    /// The fact that must be durable before the action is performed, because it cannot be repeated.
    #[must_use]
    pub const fn intent(&self) -> Option<Event> {
        match self {
            Self::Launch { attempt_no } => Some(Event::LaunchSent { attempt_no: *attempt_no }),
            _ => None,
        }
    }
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Nothing was learnt and nothing was changed for certain: try again later.
    Unavailable {
        neighbour: &'static str,
        why: String,
    },
    /// A clone of this VM is still running in vCenter.
    CloneStillRunning {
        task: String,
    },
    Preflight {
        findings: Vec<Finding>,
    },
    Intend {
        attempt: uuid::Uuid,
    },
    ClaimWritten {
        claim_host: i64,
    },
    ClaimAhead {
        attempt_no: u32,
    },
    Launched(LaunchOutcome),
    Listed(Listing),
    HolderRecorded,
    /// The claim no longer carries this attempt's number: somebody else wrote it.
    ClaimLost {
        attempt_no: u32,
    },
    Run(RunReading),
    /// The controller shows no such run.
    RunMissing,
    Evidence(Evidence),
    AsAsked {
        vm: Box<VmSighting>,
        host: i64,
    },
    Differs {
        differences: Vec<Difference>,
    },
    HostMarked {
        host: i64,
    },
    HostMarkRefused {
        why: String,
    },
    Noted,
    ClaimRaised {
        attempt_no: u32,
    },
    CancelSent,
    /// The run was over already.
    CancelTooLate,
    Surveyed {
        left_behind: Vec<LeftBehind>,
    },
}

/// What came of a launch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LaunchOutcome {
    Accepted { workflow_job: i64 },
    Refused { violations: Vec<Violation> },
    PutOff { status: u16, detail: String },
    Unknown { why: String },
}

/// The template's recent runs that carry the attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Runs whose `extra_vars.causeway_attempt` is the attempt's, relaunches left out, by id.
    pub matches: Vec<Match>,
    /// Whether the listing was complete and the controller healthy: same template, `GET launch/` answered, and a run
    /// known from before stood in the list (where there is one).
    pub is_healthy: bool,
}

/// A run that carries the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    pub workflow_job: i64,
    pub status: RunStatus,
}

/// A run as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunReading {
    pub status: RunStatus,
    /// The job's status of each stage, where the nodes were read as well.
    pub stages: BTreeMap<Stage, RunStatus>,
    pub explanation: String,
}

/// Everything the controller shows of a run that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    pub status: RunStatus,
    pub explanation: String,
    pub nodes: Vec<NodeEvidence>,
}

/// One node of the run, with its job.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeEvidence {
    /// The node's `identifier`.
    pub identifier: String,
    pub do_not_run: bool,
    pub job: Option<JobEvidence>,
}

/// The job of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEvidence {
    pub id: i64,
    pub status: RunStatus,
    pub artifacts: JobArtifacts,
    /// The failed task and its message, out of the job's events.
    pub failure: String,
    /// `job_explanation`.
    pub explanation: String,
}

/// What a job left behind by `set_stats`.
#[derive(Debug, Clone, PartialEq)]
pub enum JobArtifacts {
    /// The bridge may not read the job.
    Unreadable,
    /// The controller shows the `no_log` text instead.
    Hidden,
    /// The job's artifacts; empty when it set none.
    Object(Map<String, Value>),
}
