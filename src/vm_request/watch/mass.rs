//! When many VMs seem to change at once, it is more likely that the view of them changed: rights that were lost, a
//! vCenter that is being restored. Then nothing is mended until a person says so, or the findings are gone.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::policy::WatchPolicy;
use crate::vm_request::ids::RequestId;

/// The VMs that got a grave finding lately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mass {
    recent: BTreeMap<RequestId, Timestamp>,
    since: Option<Timestamp>,
}

impl Mass {
    /// A VM got a grave finding.
    pub fn note(&mut self, request: &RequestId, now: Timestamp) {
        self.recent.insert(request.clone(), now);
    }

    /// A VM is in sync again, or no longer watched.
    pub fn forget(&mut self, request: &RequestId) {
        self.recent.remove(request);
    }

    /// Since when a mass change stops repairs and remediations. It lasts until a person [ends](Self::end) it, or
    /// until so many of the VMs are in sync again that it would not begin now.
    pub fn since(&mut self, watched: usize, policy: &WatchPolicy, now: Timestamp) -> Option<Timestamp> {
        if self.since.is_none() {
            let window =
                SignedDuration::from_secs(i64::try_from(policy.mass_window_secs).unwrap_or(i64::MAX));
            self.recent.retain(|_, at| now.duration_since(*at) <= window);
        }
        match (is_mass(self.recent.len(), watched, policy), self.since) {
            (true, None) => self.since = Some(now),
            (false, Some(_)) => self.end(),
            _ => {}
        }
        self.since
    }

    /// After a restart: a mass change that was journalled stops repairs and remediations still.
    pub fn wake(&mut self, watched: usize, policy: &WatchPolicy, now: Timestamp) {
        let window = SignedDuration::from_secs(i64::try_from(policy.mass_window_secs).unwrap_or(i64::MAX));
        let mut times: Vec<Timestamp> = self.recent.values().copied().collect();
        times.sort();
        let mut first = 0;
        for (last, at) in times.iter().enumerate() {
            while at.duration_since(times[first]) > window {
                first += 1;
            }
            if is_mass(last + 1 - first, watched, policy) {
                self.since = Some(now);
                return;
            }
        }
    }

    /// Goes on as if nothing had happened.
    pub fn end(&mut self) {
        self.recent.clear();
        self.since = None;
    }
}

fn is_mass(changed: usize, watched: usize, policy: &WatchPolicy) -> bool {
    let many = changed >= policy.mass_vms_min.max(1) as usize;
    many && changed.saturating_mul(100) >= watched.saturating_mul(policy.mass_percent as usize)
}
