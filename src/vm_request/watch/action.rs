//! What a person may do with a VM of the register.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{DriftAccepted, DriftIgnored, Lease, Pause};
use crate::vm_request::event::{ByPerson, Event};
use crate::vm_request::state::State;

/// What a person may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VmAction {
    /// What vCenter shows is what is asked from now on. Of a VM that is missing: its watch ends.
    Accept,
    /// The field is not looked at, for good or until a time.
    Ignore,
    /// Bring the field back now.
    Repair,
    /// Nothing is mended by itself, for good or until a time.
    Pause,
    Resume,
    /// The VM is lent until a time; again: renewed.
    Lease,
    /// Put a VM under watch that no request made.
    Adopt,
}

/// What a person says with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VmActionInput {
    pub by: String,
    pub comment: String,
    pub field: Option<String>,
    pub until: Option<Timestamp>,
    pub environment: Option<String>,
}

impl VmAction {
    /// Every action there is.
    pub const ALL: [Self; 7] =
        [Self::Accept, Self::Ignore, Self::Repair, Self::Pause, Self::Resume, Self::Lease, Self::Adopt];

    /// The action's one name, as it stands in the address.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Ignore => "ignore",
            Self::Repair => "repair",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Lease => "lease",
            Self::Adopt => "adopt",
        }
    }

    /// The action of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// What it takes beside `comment`: names, and whether each has to be there.
    #[must_use]
    pub const fn takes(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::Accept | Self::Repair => &[("field", true)],
            Self::Ignore => &[("field", true), ("until", false)],
            Self::Pause => &[("until", false)],
            Self::Resume => &[],
            Self::Lease => &[("until", true)],
            Self::Adopt => &[("environment", false)],
        }
    }

    /// The actions that are possible with the VM of `state` now.
    #[must_use]
    pub fn possible(state: &State) -> Vec<Self> {
        let has_findings = !state.watch.open.is_empty();
        let is_possible = |action: &Self| match action {
            Self::Accept | Self::Ignore | Self::Repair => has_findings,
            Self::Pause => state.watch.paused.is_none(),
            Self::Resume => state.watch.paused.is_some(),
            Self::Lease => true,
            Self::Adopt => false,
        };
        Self::ALL.into_iter().filter(|action| state.is_watched() && is_possible(action)).collect()
    }

    /// The fact that doing it with the VM of `state` adds.
    ///
    /// # Errors
    /// Why it is not possible now.
    pub fn event(self, state: &State, input: VmActionInput) -> Result<Event, String> {
        let VmActionInput { by, comment, field, until, .. } = input;
        if !state.is_watched() {
            return Err("the VM is not under watch".to_owned());
        }
        let field = field.unwrap_or_default();
        let finding = state.watch.open.get(&field);
        let no_finding = || {
            let open: Vec<&str> = state.watch.open.keys().map(String::as_str).collect();
            let open = if open.is_empty() { "nothing".to_owned() } else { open.join(", ") };
            format!("no finding about `{field}` is open; open is {open}")
        };
        Ok(match self {
            Self::Accept => {
                let value = finding.ok_or_else(no_finding)?.drift.vcenter.clone();
                Event::DriftAccepted(DriftAccepted { field, value, by, comment })
            }
            Self::Ignore => {
                finding.ok_or_else(no_finding)?;
                Event::DriftIgnored(DriftIgnored { field, until, by, comment })
            }
            Self::Repair => {
                finding.ok_or_else(no_finding)?;
                Event::DriftRepairAsked { field, by }
            }
            Self::Pause => Event::WatchPaused(Pause { by, until, comment }),
            Self::Resume if state.watch.paused.is_some() => Event::WatchResumed(ByPerson { by, comment }),
            Self::Resume => return Err("its watch is not paused".to_owned()),
            Self::Lease => {
                let expires_at = until.ok_or("a lease needs a time in `until`")?;
                Event::LeaseSet(Lease { expires_at, by })
            }
            Self::Adopt => return Err("a request has it already".to_owned()),
        })
    }
}
