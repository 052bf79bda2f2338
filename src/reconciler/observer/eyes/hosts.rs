//! Looks at the state inventory of one controller: the hosts that changed, often; all of them, now and then.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::super::{Input, stopped};
use super::pause;
use crate::aap::{HostListing, ReadError};
use crate::clock::SharedClock;
use crate::reconciler::neighbours::{ControllerHandle, Neighbours};
use crate::vm_request::watch::policy::WatchPolicy;

/// Rows commit later than the time they carry: so much is read again.
const OVERLAP_SECS: i64 = 60;

/// What was seen of an inventory.
#[derive(Debug)]
pub(in crate::reconciler::observer) enum SawHosts {
    Some { listing: HostListing, is_whole: bool, began_at: Timestamp },
    Nothing { why: String },
}

/// The eye on one controller's state inventory.
#[derive(Debug)]
pub(in crate::reconciler::observer) struct HostsEye {
    name: String,
    neighbours: Arc<Neighbours>,
    poll_every: Duration,
    sweep_every: Duration,
    inputs: mpsc::Sender<Input>,
    stopping: watch::Receiver<bool>,
    clock: SharedClock,
}

impl HostsEye {
    pub fn new(
        name: &str,
        neighbours: &Arc<Neighbours>,
        policy: &WatchPolicy,
        inputs: mpsc::Sender<Input>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            neighbours: Arc::clone(neighbours),
            poll_every: Duration::from_secs(policy.inventory_poll_secs),
            sweep_every: Duration::from_secs(policy.inventory_sweep_secs),
            inputs,
            stopping,
            clock: neighbours.clock.clone(),
        }
    }

    /// Looks until the watch stops.
    pub async fn run(mut self) {
        let (mut sweep_at, mut failures, mut since) = (Instant::now(), 0, None);
        loop {
            let is_whole = Instant::now() >= sweep_at || since.is_none();
            let began_at = self.clock.now();
            let (saw, rest) = match self.look(since.filter(|_| !is_whole)).await {
                Ok(listing) => {
                    failures = 0;
                    if is_whole {
                        sweep_at = Instant::now() + self.sweep_every;
                    }
                    let read_at = listing.server_time.unwrap_or_else(|| self.clock.now());
                    since = read_at.checked_sub(SignedDuration::from_secs(OVERLAP_SECS)).ok();
                    let is_whole = is_whole && listing.complete;
                    (SawHosts::Some { listing, is_whole, began_at }, self.poll_every)
                }
                Err(why) => {
                    failures += 1;
                    // What changed meanwhile is not known: everything is read anew.
                    since = None;
                    tracing::warn!(controller = %self.name, %why, failures, "the inventory cannot be watched now");
                    (SawHosts::Nothing { why }, pause(failures))
                }
            };
            if self.inputs.send(Input::Hosts { controller: self.name.clone(), saw }).await.is_err() {
                return;
            }
            tokio::select! {
                () = stopped(&mut self.stopping) => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    async fn look(&self, since: Option<Timestamp>) -> Result<HostListing, String> {
        let handle: &ControllerHandle =
            self.neighbours.controllers.get(&self.name).ok_or("no such controller")?;
        let said = |error: ReadError| error.to_string();
        let inventory = handle.state_inventory().await.map_err(said)?;
        let inventory = inventory.ok_or("the controller does not show the state inventory")?;
        handle.client.hosts(inventory, since).await.map_err(said)
    }
}
