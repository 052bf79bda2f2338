//! The state of one request, and the only function that changes it.
//!
//! ```text
//!  Rejected ─▶ Failed
//!  Adopted ─▶ Done
//!  Received ─▶ AwaitingApproval ──Denied──────────────────────────────▶ Failed
//!      │             │ Approved
//!      ▼             ▼
//!   Received ──PreflightDone──▶ Launching ──LaunchAccepted──▶ Running ──RunJudged──▶ Verifying ──Verified──▶ Done
//!      │ findings                 │ ▲  refused                   │ a stage failed        │ differences
//!      ▼                          ▼ │ RetryAsked                 ▼                       ▼
//!     Held ◀────────────────────────┴────────────────────────── Held ◀──────────────── Held ──VerifyAsked──▶ Verifying
//!      │ GivenUp ─▶ Failed
//!      └ CancelAsked (from every phase that is not over) ─▶ Cancelling ──Cancelled──▶ Cancelled
//! ```
//!
//! Within `Launching` an attempt advances as [`Progress`] says: intended → claim written → sent → (accepted |
//! refused | put off | unknown). `Held` for [`Hold::Overdue`] keeps its open attempt and its run under watch; one held
//! for [`Hold::RunVanished`] is `Running` again when its run is seen again. News of a run that is not
//! [followed](State::followed_run) any more is illegal.
//! What happens to the VM after `Done` is the [watch](super::watch)'s.
//! Recovery replays the same events through the same [`State::apply`].

mod apply;
mod attempt;
mod run;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::{Event, Received, Rejected, RunStatus};
use super::hold::{Hold, LeftBehind, OperatorAction};
use super::ids::RequestId;
use super::sighting::VmSighting;
use super::spec::Ticket;
use super::stage::{Stage, StageRecord};
use super::watch::{Adopted, Watch};

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    Received,
    AwaitingApproval,
    Launching,
    Running,
    Verifying,
    Done,
    Held,
    Cancelling,
    Cancelled,
    /// Refused before anything was changed, or given up by a person.
    Failed,
}

impl Phase {
    /// Every phase, in the order of a request's life.
    pub const ALL: [Self; 10] = [
        Self::Received,
        Self::AwaitingApproval,
        Self::Launching,
        Self::Running,
        Self::Verifying,
        Self::Done,
        Self::Held,
        Self::Cancelling,
        Self::Cancelled,
        Self::Failed,
    ];

    /// The phase's one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Launching => "launching",
            Self::Running => "running",
            Self::Verifying => "verifying",
            Self::Done => "done",
            Self::Held => "held",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
        }
    }

    /// The phase of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.name() == name)
    }

    /// Whether the request is over: nothing more will be done for it by itself.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Failed)
    }
}

/// Everything that is known of a request: the fold of its events.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub id: RequestId,
    /// Number of events applied; the next event has this `seq`.
    pub seq: u64,
    pub phase: Phase,
    pub origin: Origin,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// When the first launch since the arrival, the approval or the last retry was sent: the overall deadline counts
    /// from here. `None` while no run can exist, so that a controller or vCenter that is away makes nobody overdue.
    pub launched_at: Option<Timestamp>,
    /// The highest attempt number of this request. It only rises.
    pub attempt_no: u32,
    /// The attempt that the last clean preflight was for.
    pub preflight_for: u32,
    /// The attempt whose run is not known yet.
    pub intent: Option<Intent>,
    /// The run of the last accepted attempt.
    pub run: Option<Run>,
    /// The last verdict of each stage.
    pub stages: BTreeMap<Stage, StageRecord>,
    pub verifying_since: Option<Timestamp>,
    pub hold: Option<Hold>,
    pub cancel: Option<Cancel>,
    /// The host in the claims inventory.
    pub claim_host: Option<i64>,
    /// The VM as last verified.
    pub vm: Option<VmSighting>,
    /// The host in the state inventory, once verified.
    pub host: Option<i64>,
    pub host_mark: HostMark,
    pub callbacks: u32,
    pub left_behind: Vec<LeftBehind>,
    /// What became of the VM after the request was done.
    pub watch: Watch,
}

/// How a request began.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    Received(Box<Received>),
    Rejected(Rejected),
    /// A VM that no request made.
    Adopted(Box<Adopted>),
}

/// An attempt on its way to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    pub attempt_no: u32,
    pub attempt: Uuid,
    pub stages: Vec<Stage>,
    pub intended_at: Timestamp,
    pub progress: Progress,
}

/// How far an attempt got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Decided; nothing has left the house.
    Intended,
    /// The claim names it; no launch was sent.
    ClaimWritten,
    /// The controller would not take it `times` times, last at `at`; no run exists.
    PutOff { at: Timestamp, times: u32 },
    /// Sent, and nobody knows whether a run exists: either the answer is still on its way to this process, or it
    /// was lost. `empty_listings` complete, healthy listings after the settle time did not hold it, the last at
    /// `last_listing_at`.
    Sent { at: Timestamp, empty_listings: u32, last_listing_at: Option<Timestamp>, put_off_times: u32 },
}

impl Progress {
    /// Whether a run may exist.
    #[must_use]
    pub const fn is_sent(&self) -> bool {
        matches!(self, Self::Sent { .. })
    }
}

/// What stands for the source of a request that adopted its VM.
pub const ADOPTION_SOURCE: &str = "adoption";

/// How many complete, healthy listings without the run make an attempt lost.
pub const EMPTY_LISTINGS_UNTIL_LOST: u32 = 2;

/// A run of the workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub workflow_job: i64,
    pub attempt_no: u32,
    pub attempt: Uuid,
    pub wanted: Vec<Stage>,
    pub accepted_at: Timestamp,
    /// Whether the claim names this run as its holder.
    pub holder_recorded: bool,
    /// Whether the claim was found to be somebody else's before the run could be recorded: it will stop by itself.
    pub claim_lost: bool,
    pub status: RunStatus,
    pub stages: BTreeMap<Stage, RunStatus>,
    pub explanation: String,
    /// Whether every stage got its verdict.
    pub judged: bool,
    pub vanished: bool,
    /// Other runs that carried the same attempt.
    pub surplus: Vec<i64>,
}

impl Run {
    /// Whether the run may still change something, or still has to be judged. A run that is over and not judged
    /// counts: to launch the next attempt without its verdicts would run finished stages again.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        !self.judged && !self.vanished
    }
}

/// A cancellation under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cancel {
    pub by: String,
    pub claim_raised: bool,
    /// The run that was asked to stop, and when.
    pub sent: Option<(i64, Timestamp)>,
}

/// Whether the bridge's own key stands in the host's variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostMark {
    Missing,
    Written,
    /// The controller will not have it.
    Refused,
}

/// An event that the state does not allow. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {event} is not possible in phase {phase}: {why}")]
pub struct IllegalEvent {
    pub event: &'static str,
    pub phase: &'static str,
    pub why: &'static str,
}

impl State {
    /// Folds `events` (each with its time) into a state.
    ///
    /// # Errors
    /// [`IllegalEvent`] when the first is not a beginning, or one does not follow from those before it.
    pub fn replay<'a>(
        id: &RequestId,
        events: impl IntoIterator<Item = (Timestamp, &'a Event)>,
    ) -> Result<Self, IllegalEvent> {
        let mut events = events.into_iter();
        let nothing = IllegalEvent {
            event: "none",
            phase: "none",
            why: "a request begins with received, rejected or adopted",
        };
        let (at, first) = events.next().ok_or(nothing)?;
        let mut state = Self::begin(id.clone(), at, first)?;
        for (at, event) in events {
            state.apply(at, event)?;
        }
        Ok(state)
    }

    /// The VM to build, for a request that was not rejected.
    #[must_use]
    pub fn received(&self) -> Option<&Received> {
        match &self.origin {
            Origin::Received(received) => Some(received),
            Origin::Rejected(_) | Origin::Adopted(_) => None,
        }
    }

    /// Who sent it, and for which ticket.
    #[must_use]
    pub fn came_from(&self) -> (&str, Option<&Ticket>) {
        match &self.origin {
            Origin::Received(received) => (&received.source, received.ticket.as_ref()),
            Origin::Rejected(rejected) => (&rejected.source, rejected.ticket.as_ref()),
            Origin::Adopted(_) => (ADOPTION_SOURCE, None),
        }
    }

    /// Whether the VM is under watch: it was verified or adopted, and the watch is not over. A remediation's VM is under
    /// watch through the request that made it.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        let is_remedy = self.received().is_some_and(|received| received.remedies.is_some());
        self.phase == Phase::Done && self.vm.is_some() && !is_remedy && !self.watch.ended
    }

    /// The stages that this request is about, in order.
    #[must_use]
    pub fn own_stages(&self) -> Vec<Stage> {
        match self.received().and_then(|received| received.remedies.as_ref()) {
            Some(remedies) => remedies.stages.clone(),
            None => Stage::DEPLOYMENT.to_vec(),
        }
    }

    /// Whether a run may exist that could still change something.
    #[must_use]
    pub fn has_live_run(&self) -> bool {
        self.run.as_ref().is_some_and(Run::is_live)
            || self.intent.as_ref().is_some_and(|intent| intent.progress.is_sent())
    }

    /// The run that news may still be about: accepted, not judged, and in a phase that minds it. A run that vanished
    /// is minded while nothing was decided since.
    #[must_use]
    pub fn followed_run(&self) -> Option<&Run> {
        let (follows, minds_vanished) = match (self.phase, &self.hold) {
            (Phase::Cancelling, _) | (Phase::Held, Some(Hold::RunVanished { .. })) => (true, true),
            (Phase::Running, _) | (Phase::Held, Some(Hold::Overdue { .. })) => (true, false),
            _ => (false, false),
        };
        self.run.as_ref().filter(|run| follows && !run.judged && (minds_vanished || !run.vanished))
    }

    /// The number of the attempt that would come next.
    #[must_use]
    pub const fn next_attempt_no(&self) -> u32 {
        self.attempt_no.saturating_add(1)
    }

    /// Whether a cancelled request may end: no run can follow, and none is under way.
    #[must_use]
    pub fn may_end_cancelled(&self) -> bool {
        let fenced = self.attempt_no == 0 || self.cancel.as_ref().is_some_and(|cancel| cancel.claim_raised);
        self.phase == Phase::Cancelling && fenced && !self.has_live_run()
    }

    /// The stages that have no `done` or `skipped` verdict yet, in order; with them the one that writes the inventory,
    /// where any is left: a failure stands at the host since, and only that stage takes it away again.
    #[must_use]
    pub fn unfinished_stages(&self) -> Vec<Stage> {
        let is_left = |stage: &Stage| !self.stages.get(stage).is_some_and(StageRecord::is_finished);
        let own = self.own_stages();
        let any_is_left = own.iter().any(is_left);
        let is_wanted = |stage: &Stage| is_left(stage) || (any_is_left && *stage == Stage::InventoryWrite);
        own.into_iter().filter(is_wanted).collect()
    }

    /// What an operator may do now.
    #[must_use]
    pub fn operator_actions(&self) -> Vec<OperatorAction> {
        OperatorAction::ALL.into_iter().filter(|action| self.allows(*action)).collect()
    }

    /// Whether an operator may do `action` now.
    #[must_use]
    pub fn allows(&self, action: OperatorAction) -> bool {
        match action {
            OperatorAction::Approve | OperatorAction::Deny => self.phase == Phase::AwaitingApproval,
            OperatorAction::Retry | OperatorAction::GiveUp => {
                self.phase == Phase::Held && !self.has_live_run()
            }
            OperatorAction::Verify => self.phase == Phase::Held && !self.has_live_run() && self.run.is_some(),
            OperatorAction::Cancel => !self.phase.is_over() && self.phase != Phase::Cancelling,
        }
    }

    /// Whether the reconciler has anything left to do or to watch for it.
    #[must_use]
    pub fn is_active(&self) -> bool {
        match self.phase {
            Phase::Received | Phase::Launching | Phase::Running | Phase::Verifying | Phase::Cancelling => {
                true
            }
            Phase::Held => self.has_live_run(),
            Phase::Done => self.host_mark == HostMark::Missing,
            Phase::AwaitingApproval | Phase::Cancelled | Phase::Failed => false,
        }
    }
}
