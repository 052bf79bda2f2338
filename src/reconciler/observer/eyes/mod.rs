//! What looks at the neighbours: one task for each vCenter, one for each controller. They report and decide nothing.

mod hosts;
mod vcenter;

use std::time::Duration;

pub(super) use hosts::{HostsEye, SawHosts};
pub(super) use vcenter::{Saw, VcenterEye};

/// First pause after a neighbour did not answer; it doubles each time.
const PAUSE_FIRST_SECS: u64 = 1;
/// The longest such pause.
const PAUSE_LONGEST_SECS: u64 = 60;

/// The pause after the `times`-th failure in a row, counted from 1.
fn pause(times: u32) -> Duration {
    let doubled = PAUSE_FIRST_SECS.checked_shl(times.saturating_sub(1)).unwrap_or(u64::MAX);
    Duration::from_secs(doubled.clamp(PAUSE_FIRST_SECS, PAUSE_LONGEST_SECS))
}
