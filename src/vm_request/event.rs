//! Every fact that a request's journal may hold.
//!
//! An event says what happened, never what to do. Its CloudEvents type is `dev.causeway.` and [`Event::kind`];
//! the `.v1` at the end rises when a payload changes in a way that old readers could not read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::hold::{Difference, Finding, LeftBehind};
use super::spec::{Ticket, VmSpec};
use super::stage::{Stage, StageRecord};
use super::violation::Violation;
use super::watch::{Adopted, DriftAccepted, DriftFound, DriftIgnored, Handled, Lease, Pause, Remedies};

/// A fact about one request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// A valid request came in. Always the first event of a request that can live.
    Received(Box<Received>),
    /// A signed request came in that cannot be met. The first and only event of its request.
    Rejected(Rejected),
    /// A person approved it.
    Approved(ByPerson),
    /// A person refused to approve it.
    Denied(ByPerson),
    /// Controller and vCenter were looked at before attempt `attempt_no`; no findings means that it may start.
    PreflightDone {
        attempt_no: u32,
        findings: Vec<Finding>,
    },
    /// An attempt was decided. Durable before anything of it leaves the house.
    LaunchIntended(LaunchIntended),
    /// The claim names this attempt, and no holder yet.
    ClaimWritten {
        attempt_no: u32,
        claim_host: i64,
    },
    /// The claims inventory already held this number or a higher one; or, once a run is known, the claim was found
    /// to be somebody else's before the run could be recorded in it.
    ClaimFoundAhead {
        attempt_no: u32,
        found_attempt_no: u32,
    },
    /// The launch is about to be sent: from here on a run may exist.
    LaunchSent {
        attempt_no: u32,
    },
    /// The run of this attempt.
    LaunchAccepted {
        attempt_no: u32,
        workflow_job: i64,
        found_by: FoundBy,
    },
    /// The controller refused the launch for what it contains (JSON 400): no run exists.
    LaunchRefused {
        attempt_no: u32,
        violations: Vec<Violation>,
    },
    /// The controller would not take a launch now (JSON 401, 403, 404, 405, 409, 415, 429): no run exists.
    LaunchPutOff {
        attempt_no: u32,
        status: u16,
        detail: String,
    },
    /// Nobody knows whether a run exists: the answer was lost, or was not the controller's.
    LaunchUnknown {
        attempt_no: u32,
        why: String,
    },
    /// A complete, healthy listing after the settle time does not hold a run of this attempt.
    RunNotFound {
        attempt_no: u32,
    },
    /// The claim names the run as its holder: only now can it change anything.
    HolderRecorded {
        attempt_no: u32,
        workflow_job: i64,
    },
    /// More than one run carries this attempt. All but `kept` are cancelled; an alarm.
    SurplusRuns {
        attempt_no: u32,
        kept: i64,
        surplus: Vec<i64>,
    },
    /// The run or a stage of it was seen in another state than before.
    RunSeen(RunSeen),
    /// The run is over and every stage has its verdict.
    RunJudged(RunJudged),
    /// The controller no longer shows the run (deleted, or the right to see it was lost).
    RunVanished {
        workflow_job: i64,
    },
    /// A notification of the controller named this request. A hint, never evidence.
    CallbackSeen(CallbackSeen),
    /// vCenter and the inventory show what was asked.
    Verified(Box<Verified>),
    /// They do not, and the time for it is over.
    NotAsAsked {
        differences: Vec<Difference>,
    },
    /// The bridge's own key stands in the VM's host variables.
    HostMarked {
        host: i64,
    },
    /// The controller will not let the bridge write its key. The VM is as asked all the same.
    HostMarkRefused {
        why: String,
    },
    /// The overall deadline passed.
    DeadlinePassed {
        deadline_secs: u64,
    },
    /// An operator wants the unfinished stages run again.
    RetryAsked(ByPerson),
    /// An operator repaired something by hand and wants the bridge to look.
    VerifyAsked(ByPerson),
    /// An operator gave the request up.
    GivenUp(ByPerson),
    /// Somebody wants the request to end.
    CancelAsked(ByPerson),
    /// The claim's number was raised with no run to follow: whatever still starts, builds nothing.
    ClaimRaised {
        attempt_no: u32,
    },
    /// The controller was asked to cancel the run.
    CancelSent {
        workflow_job: i64,
    },
    /// The request is over; what vCenter shows of it is named.
    Cancelled {
        left_behind: Vec<LeftBehind>,
    },
    /// A VM that no request made was put under watch. The first event of its request.
    Adopted(Box<Adopted>),
    /// A field of the VM is not as it should be, or differs in another way than before.
    DriftFound(DriftFound),
    /// These fields are as they should be again.
    DriftCleared {
        fields: Vec<String>,
    },
    /// A person accepted what vCenter shows: it is what is asked from now on.
    DriftAccepted(DriftAccepted),
    /// A person does not want to hear of the field.
    DriftIgnored(DriftIgnored),
    /// A person wants the field brought back now.
    DriftRepairAsked {
        field: String,
        by: String,
    },
    /// Something was begun to mend these fields, or nothing can be.
    DriftHandled {
        fields: Vec<String>,
        how: Handled,
    },
    /// Nothing is mended by itself until the watch is resumed.
    WatchPaused(Pause),
    WatchResumed(ByPerson),
    /// The VM is lent until then; said again, the lease is renewed.
    LeaseSet(Lease),
}

/// A valid request as it came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Received {
    /// Name of the webhook source, or `api`.
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    pub requested_by: String,
    /// The request as its sender wrote it.
    pub asked: Value,
    /// What the catalog made of it.
    pub spec: VmSpec,
    pub vm_uid: Uuid,
    pub approval_required: bool,
    /// W3C trace context of the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What it mends, where it is a remediation: its VM is another request's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedies: Option<Remedies>,
}

/// A signed request that cannot be met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejected {
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    /// SHA-256 of the body, hex: the body itself may hold anything and is not kept.
    pub body_sha256: String,
    pub violations: Vec<Violation>,
}

/// Something a person did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByPerson {
    pub by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// An attempt as decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LaunchIntended {
    pub attempt_no: u32,
    /// Found again in `extra_vars.causeway_attempt`.
    pub attempt: Uuid,
    /// The stages that this attempt has to run, in order.
    pub stages: Vec<Stage>,
}

/// How the run of an attempt became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundBy {
    /// The answer to the launch named it.
    Answer,
    /// The answer was lost; the run was found among the template's recent runs.
    Look,
}

/// The status of a workflow job or job, as AWX spells it (CONTRACT.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    New,
    Pending,
    Waiting,
    Running,
    Successful,
    Failed,
    Error,
    Canceled,
    /// A word that no known controller uses.
    #[serde(other)]
    Unheard,
}

impl RunStatus {
    /// Whether the run is over.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Error | Self::Canceled)
    }

    /// The word itself.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Successful => "successful",
            Self::Failed => "failed",
            Self::Error => "error",
            Self::Canceled => "canceled",
            Self::Unheard => "unheard",
        }
    }

    /// The status of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        serde_json::from_value(Value::String(name.to_owned())).unwrap_or(Self::Unheard)
    }
}

/// A run as seen while it is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSeen {
    pub workflow_job: i64,
    pub status: RunStatus,
    /// The job's status of each stage that has one.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stages: BTreeMap<Stage, RunStatus>,
    /// `job_explanation`, where the controller gives one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub explanation: String,
}

/// A run that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunJudged {
    pub workflow_job: i64,
    pub attempt_no: u32,
    pub status: RunStatus,
    pub stages: BTreeMap<Stage, StageRecord>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub explanation: String,
}

/// A notification that named this request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallbackSeen {
    /// Name of the controller in the configuration.
    pub controller: String,
    /// The id in the body: of the workflow job or of one of its jobs.
    pub job: i64,
    pub kind: CallbackKind,
    pub status: RunStatus,
    /// Name of the template.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub template: String,
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallbackKind {
    WorkflowJob,
    Job,
}

/// What vCenter and the inventory showed when they showed what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub vm: super::sighting::VmSighting,
    /// The id of the host in the state inventory.
    pub host: i64,
    /// When it was seen.
    pub at: Timestamp,
}

impl Event {
    /// The event's type without the leading `dev.causeway.`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Received(_) => "request.received.v1",
            Self::Rejected(_) => "request.rejected.v1",
            Self::Approved(_) => "request.approved.v1",
            Self::Denied(_) => "request.denied.v1",
            Self::PreflightDone { .. } => "preflight.done.v1",
            Self::LaunchIntended(_) => "launch.intended.v1",
            Self::ClaimWritten { .. } => "claim.written.v1",
            Self::ClaimFoundAhead { .. } => "claim.found_ahead.v1",
            Self::LaunchSent { .. } => "launch.sent.v1",
            Self::LaunchAccepted { .. } => "launch.accepted.v1",
            Self::LaunchRefused { .. } => "launch.refused.v1",
            Self::LaunchPutOff { .. } => "launch.put_off.v1",
            Self::LaunchUnknown { .. } => "launch.unknown.v1",
            Self::RunNotFound { .. } => "run.not_found.v1",
            Self::HolderRecorded { .. } => "claim.holder_recorded.v1",
            Self::SurplusRuns { .. } => "run.surplus.v1",
            Self::RunSeen(_) => "run.seen.v1",
            Self::RunJudged(_) => "run.judged.v1",
            Self::RunVanished { .. } => "run.vanished.v1",
            Self::CallbackSeen(_) => "callback.seen.v1",
            Self::Verified(_) => "vm.verified.v1",
            Self::NotAsAsked { .. } => "vm.not_as_asked.v1",
            Self::HostMarked { .. } => "host.marked.v1",
            Self::HostMarkRefused { .. } => "host.mark_refused.v1",
            Self::DeadlinePassed { .. } => "request.deadline_passed.v1",
            Self::RetryAsked(_) => "request.retry_asked.v1",
            Self::VerifyAsked(_) => "request.verify_asked.v1",
            Self::GivenUp(_) => "request.given_up.v1",
            Self::CancelAsked(_) => "request.cancel_asked.v1",
            Self::ClaimRaised { .. } => "claim.raised.v1",
            Self::CancelSent { .. } => "cancel.sent.v1",
            Self::Cancelled { .. } => "request.cancelled.v1",
            Self::Adopted(_) => "vm.adopted.v1",
            Self::DriftFound(_) => "drift.found.v1",
            Self::DriftCleared { .. } => "drift.cleared.v1",
            Self::DriftAccepted(_) => "drift.accepted.v1",
            Self::DriftIgnored(_) => "drift.ignored.v1",
            Self::DriftRepairAsked { .. } => "drift.repair_asked.v1",
            Self::DriftHandled { .. } => "drift.handled.v1",
            Self::WatchPaused(_) => "watch.paused.v1",
            Self::WatchResumed(_) => "watch.resumed.v1",
            Self::LeaseSet(_) => "lease.set.v1",
        }
    }
}
