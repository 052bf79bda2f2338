//! How the watch stands, for those who ask.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

/// How the watch stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WatchStatus {
    /// By name.
    pub vcenters: BTreeMap<String, EyeStatus>,
    /// By name.
    pub controllers: BTreeMap<String, EyeStatus>,
    /// VMs under watch.
    pub watched: usize,
    /// Open findings over all VMs.
    pub findings: usize,
    /// Since when a mass change stops repairs and remediations.
    pub mass_change_since: Option<Timestamp>,
}

/// How one neighbour is seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EyeStatus {
    /// VMs or hosts that were last seen.
    pub seen: usize,
    pub last_sweep_at: Option<Timestamp>,
    /// The last answer of any kind.
    pub last_seen_at: Option<Timestamp>,
    /// What goes wrong, while it goes wrong.
    pub trouble: Option<String>,
}

/// Where it is written.
#[derive(Debug, Default)]
pub(super) struct Board(Mutex<WatchStatus>);

impl Board {
    pub fn read(&self) -> WatchStatus {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut WatchStatus)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
