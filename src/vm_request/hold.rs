//! Why a request waits for a person, and what the person may do about it.

use serde::{Deserialize, Serialize};

use super::stage::{Reason, Stage};
use super::violation::Violation;

/// The closed list of causes for which a request is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum Hold {
    /// The preflight found something that a person has to mend.
    Preflight { findings: Vec<Finding> },
    /// The controller refused the launch.
    LaunchRefused { violations: Vec<Violation> },
    /// A stage failed or never ran.
    StageFailed { stage: Stage, reason: Option<Reason>, note: String },
    /// Somebody else cancelled the run.
    RunCanceled { workflow_job: i64 },
    /// The controller no longer shows the run.
    RunVanished { workflow_job: i64 },
    /// vCenter or the inventory does not show what was asked.
    NotAsAsked { differences: Vec<Difference> },
    /// The overall deadline passed. The run stays under watch.
    Overdue { deadline_secs: u64 },
}

impl Hold {
    /// The cause's one name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Preflight { .. } => "preflight",
            Self::LaunchRefused { .. } => "launch_refused",
            Self::StageFailed { .. } => "stage_failed",
            Self::RunCanceled { .. } => "run_canceled",
            Self::RunVanished { .. } => "run_vanished",
            Self::NotAsAsked { .. } => "not_as_asked",
            Self::Overdue { .. } => "overdue",
        }
    }
}

/// What an operator may do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorAction {
    Approve,
    Deny,
    /// Run the unfinished stages again.
    Retry,
    /// Look again: something was repaired by hand.
    Verify,
    Cancel,
    GiveUp,
}

impl OperatorAction {
    /// Every action there is.
    pub const ALL: [Self; 6] =
        [Self::Approve, Self::Deny, Self::Retry, Self::Verify, Self::Cancel, Self::GiveUp];

    /// The action's one name, as it stands in the address.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Deny => "deny",
            Self::Retry => "retry",
            Self::Verify => "verify",
            Self::Cancel => "cancel",
            Self::GiveUp => "give_up",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// Something that preflight found in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// One word for programs, e.g. `name_taken`, `template_missing`.
    pub code: String,
    /// What it is about, e.g. `folder prod/app`.
    pub subject: String,
    /// What is the matter.
    pub detail: String,
    /// What mends it.
    pub remedy: String,
}

/// One field in which what was asked and what was seen differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Where it was looked at.
    pub side: Side,
    /// E.g. `cpu`, `nics[1].network`, `vm_state`.
    pub field: String,
    pub asked: String,
    pub seen: String,
}

/// The side on which a difference shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Vcenter,
    Inventory,
}

/// A VM that vCenter shows of a request that ended without being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    pub moid: String,
    pub name: String,
    pub folder: String,
    /// Whether the VM carries the request's own `vm_uid`.
    pub ours: bool,
}
