//! Faults that are played on purpose, by name. All are off by default.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::lab::vsphere::Moid;

/// How the vCenter fails to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Away {
    /// It answers.
    #[default]
    No,
    /// 503 from whatever stands before it; nothing was done.
    Unavailable,
    /// The connection breaks in the middle of the answer; what was asked for has been done.
    AnswerLost,
}

/// The switches; see [`super::VcenterState::set_faults`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSwitches {
    pub away: Away,
    /// Every answer comes this much later, in milliseconds.
    pub slow_ms: u64,
    /// Unset enumerations in `runtime` are written as empty elements, as govmomi's vcsim of August 2026 does.
    pub blank_enums: bool,
    /// Reading without a session answers 200 with a `missingSet`, as vcsim does, instead of a fault.
    pub missing_set_without_session: bool,
    /// Objects a page holds at most, whatever the caller asks for.
    pub page_max: usize,
    /// Machines that nobody has the right to see: they are in no view and found by no search, events about them are
    /// not told, each of their properties is answered with `NoPermission`, and so is whatever is to change them.
    pub hidden: Arc<BTreeSet<Moid>>,
    /// How far the server's clock goes before the true one, in seconds; behind it when negative. Every time that is
    /// told is shifted, and so are the bounds of a query for events; what is due when is not.
    pub clock_shift_secs: i64,
}

impl Default for FaultSwitches {
    fn default() -> Self {
        Self {
            away: Away::No,
            slow_ms: 0,
            blank_enums: false,
            missing_set_without_session: false,
            page_max: 10_000,
            hidden: Arc::default(),
            clock_shift_secs: 0,
        }
    }
}
