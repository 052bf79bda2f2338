//! A VM that was verified, or adopted, stays under watch: what was asked, what the inventory says and what vCenter
//! shows are compared field by field, and what differs is a finding in the journal of the VM's request.
//!
//! ```text
//!                    drift.found                      drift.cleared
//!   (no difference) ────────────▶ open ──────────────────────────────────▶ cleared
//!                                 │  ▲ drift.found: another value            │
//!                                 │  └────────── drift.found: the same field within the flap window
//!                                 ├─ drift.accepted: the value becomes what is asked; the finding goes
//!                                 ├─ drift.ignored:  the field is not looked at any more; the finding goes
//!                                 └─ drift.handled:  a repair or a remediation was begun; once for each finding
//! ```
//!
//! Reading order: [`compare`] (three sides, field by field), [`policy`] (what to do about which), [`judge`](mod@judge)
//! (which facts follow from a comparison, and when to act), [`mass`] (when many VMs change at once), [`remedy`]
//! (what mends a finding), [`line`](mod@line) (one line about a VM, for lists).

pub mod action;
pub mod blame;
pub mod compare;
pub mod judge;
pub mod line;
pub mod mass;
pub mod policy;
pub mod remedy;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::event::Event;
use super::ids::RequestId;
use super::sighting::VmSighting;
use super::stage::Stage;

pub use compare::{DriftVerdict, FieldDrift};

/// The field that stands for the VM as a whole: `missing`, and the end of the watch when that is accepted.
pub const VM_FIELD: &str = "vm";

/// The most findings of one VM that are remembered after they were cleared, for their numbers.
const CLEARED_MAX: usize = 64;

/// What is known of a VM under watch. Part of [`super::State`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Watch {
    /// Findings that are open, by field.
    pub open: BTreeMap<String, Finding>,
    /// Findings that were cleared, by field: one that comes back soon is the same.
    pub cleared: BTreeMap<String, Finding>,
    /// Values that a person accepted: they are what is asked now.
    pub accepted: BTreeMap<String, String>,
    /// Fields that are not looked at, and until when; `None`: for good.
    pub ignored: BTreeMap<String, Option<Timestamp>>,
    /// While set, nothing is repaired or remediated: until then, or until it is resumed.
    pub paused: Option<Pause>,
    /// Requests that were made to mend this VM. Their ids may stand in the host as `execution_id`.
    pub remediations: BTreeSet<RequestId>,
    /// Fields that a person asked to be repaired now.
    pub repair_asked: BTreeSet<String>,
    /// When the VM is due to go, if it was lent.
    pub lease: Option<Lease>,
    /// The watch is over: that the VM is gone was accepted.
    pub ended: bool,
}

/// A VM was lent until then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub expires_at: Timestamp,
    pub by: String,
}

/// Nothing is mended meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// A field that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub drift: FieldDrift,
    pub blame: Option<Blame>,
    pub opened_at: Timestamp,
    pub cleared_at: Option<Timestamp>,
    /// How often it came back after it was cleared.
    pub flaps: u32,
    /// What was begun to mend it. A finding is remediated once.
    pub handled: Option<Handled>,
    pub handled_at: Option<Timestamp>,
}

/// The vCenter event that made the difference, where events tell ([`blame`](mod@blame)).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blame {
    /// As vCenter spells it, e.g. `VmReconfiguredEvent`.
    pub event: String,
    /// By vCenter's clock.
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub user: String,
    /// vCenter's sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// What was begun to mend a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum Handled {
    /// The bridge wrote the host's variables.
    InventoryWritten { host: i64, times: u32 },
    /// A request was made: it waits for approval where the policy only proposes.
    Request { id: RequestId, approval_required: bool },
    /// It could not be mended that way; a person has to.
    Refused { why: String },
}

/// A VM that was put under watch as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    pub by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Name of the vCenter in the configuration.
    pub vcenter: String,
    /// The environment whose rules hold for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Name of the controller whose inventory has its host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// What it was seen to be: that is asked of it from now on.
    pub vm: VmSighting,
}

/// What a remediation mends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedies {
    /// The request whose VM it is.
    pub request: RequestId,
    pub fields: Vec<String>,
    /// The stages that mend them, in order; no other is run.
    pub stages: Vec<Stage>,
}

/// Payload of [`Event::DriftFound`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftFound {
    #[serde(flatten)]
    pub drift: FieldDrift,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// Whether the field was cleared a short while ago: then it is the same finding.
    #[serde(default)]
    pub came_back: bool,
}

/// Payload of [`Event::DriftAccepted`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftAccepted {
    pub field: String,
    /// What vCenter shows, which is what is asked from now on; `None`: nothing is asked of the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    pub by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Payload of [`Event::DriftIgnored`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftIgnored {
    pub field: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    pub by: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// Why a fact about a watch cannot follow.
pub(super) type Step = Result<(), &'static str>;

impl Watch {
    /// Applies a fact about the watch; called by [`super::State::apply`] alone.
    pub(super) fn apply(&mut self, at: Timestamp, event: &Event) -> Step {
        if self.ended {
            return Err("the watch is over");
        }
        match event {
            Event::DriftFound(found) => self.found(at, found),
            Event::DriftCleared { fields } => return self.clear(at, fields),
            Event::DriftAccepted(accepted) => return self.accept(accepted),
            Event::DriftIgnored(ignored) => {
                self.open.remove(&ignored.field);
                self.ignored.insert(ignored.field.clone(), ignored.until);
            }
            Event::DriftRepairAsked { field, .. } => {
                if !self.open.contains_key(field) {
                    return Err("no such finding is open");
                }
                self.repair_asked.insert(field.clone());
            }
            Event::DriftHandled { fields, how } => self.handled(at, fields, how),
            Event::WatchPaused(pause) => self.paused = Some(pause.clone()),
            Event::WatchResumed(_) => self.paused = None,
            Event::LeaseSet(lease) => self.lease = Some(lease.clone()),
            _ => return Err("it is not about a watch"),
        }
        Ok(())
    }

    fn found(&mut self, at: Timestamp, found: &DriftFound) {
        let field = found.drift.field.clone();
        if let Some(open) = self.open.get_mut(&field) {
            open.drift = found.drift.clone();
            open.blame = found.blame.clone().or(open.blame.take());
            return;
        }
        let before = self.cleared.remove(&field).filter(|_| found.came_back);
        let fresh = Finding {
            drift: found.drift.clone(),
            blame: found.blame.clone(),
            opened_at: at,
            cleared_at: None,
            flaps: 0,
            handled: None,
            handled_at: None,
        };
        let finding = match before {
            None => fresh,
            Some(before) => Finding {
                opened_at: before.opened_at,
                flaps: before.flaps.saturating_add(1),
                handled: before.handled,
                handled_at: before.handled_at,
                ..fresh
            },
        };
        self.open.insert(field, finding);
    }

    fn clear(&mut self, at: Timestamp, fields: &[String]) -> Step {
        if !fields.iter().all(|field| self.open.contains_key(field)) {
            return Err("no such finding is open");
        }
        for field in fields {
            self.repair_asked.remove(field);
            if let Some(finding) = self.open.remove(field) {
                self.cleared.insert(field.clone(), Finding { cleared_at: Some(at), ..finding });
            }
        }
        while self.cleared.len() > CLEARED_MAX {
            let oldest = self.cleared.iter().min_by_key(|(_, finding)| finding.cleared_at);
            let Some(field) = oldest.map(|(field, _)| field.clone()) else { break };
            self.cleared.remove(&field);
        }
        Ok(())
    }

    fn accept(&mut self, accepted: &DriftAccepted) -> Step {
        let Some(finding) = self.open.remove(&accepted.field) else {
            return Err("no such finding is open");
        };
        self.repair_asked.remove(&accepted.field);
        if finding.drift.verdict == DriftVerdict::Missing {
            self.open.clear();
            self.ended = true;
            return Ok(());
        }
        match &accepted.value {
            Some(value) => self.accepted.insert(accepted.field.clone(), value.clone()),
            None => self.ignored.insert(accepted.field.clone(), None).map(|_| String::new()),
        };
        Ok(())
    }

    fn handled(&mut self, at: Timestamp, fields: &[String], how: &Handled) {
        if let Handled::Request { id, .. } = how {
            self.remediations.insert(id.clone());
        }
        for field in fields {
            self.repair_asked.remove(field);
            if let Some(finding) = self.open.get_mut(field) {
                finding.handled = Some(how.clone());
                finding.handled_at = Some(at);
            }
        }
    }

    /// Whether the field is left out of the comparison at `now`.
    #[must_use]
    pub fn ignores(&self, field: &str, now: Timestamp) -> bool {
        self.ignored.get(field).is_some_and(|until| until.is_none_or(|until| now < until))
    }

    /// Whether nothing may be mended at `now`.
    #[must_use]
    pub fn is_paused(&self, now: Timestamp) -> bool {
        self.paused.as_ref().is_some_and(|pause| pause.until.is_none_or(|until| now < until))
    }

    /// The gravest verdict of the open findings; `None` when the VM is in sync.
    #[must_use]
    pub fn verdict(&self) -> Option<DriftVerdict> {
        self.open.values().map(|finding| finding.drift.verdict).max()
    }
}

#[cfg(test)]
mod tests;
