//! Limits of the core, each with its unit in its name.

use serde::{Deserialize, Serialize};

/// How long things may take and how often they are looked at. Part of the configuration (`[policy]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// From the first launch (since the last retry) until the request is held as overdue (D3). Waiting for approval,
    /// or for a neighbour that is away, does not count.
    pub overall_deadline_secs: u64,
    /// How often an open run is read (D3).
    pub poll_interval_secs: u64,
    /// How long after a launch whose answer was lost its run may still appear in a listing. It only avoids
    /// waste: the claim is what keeps a late run from building anything.
    pub settle_secs: u64,
    /// Least time between two listings that count as evidence that a run does not exist.
    pub relist_gap_secs: u64,
    /// How often recent runs are listed until `settle_secs` is over.
    pub look_interval_secs: u64,
    /// First wait after the controller would not take a launch; it doubles each time.
    pub put_off_first_secs: u64,
    /// The longest such wait.
    pub put_off_longest_secs: u64,
    /// How long a finished run's VM may take to look as asked (addresses come late).
    pub verify_deadline_secs: u64,
    /// How often it is looked at meanwhile.
    pub verify_interval_secs: u64,
    /// How often a run is read that is overdue, or being cancelled and not yet over.
    pub watch_interval_secs: u64,
    /// After this time the cancel request is sent again.
    pub cancel_resend_secs: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            overall_deadline_secs: 1_800,
            poll_interval_secs: 5,
            settle_secs: 300,
            relist_gap_secs: 10,
            look_interval_secs: 10,
            put_off_first_secs: 10,
            put_off_longest_secs: 600,
            verify_deadline_secs: 300,
            verify_interval_secs: 5,
            watch_interval_secs: 10,
            cancel_resend_secs: 60,
        }
    }
}
