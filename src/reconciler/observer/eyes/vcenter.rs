//! Looks at one vCenter: a sweep over everything at the start, after a gap and at intervals; in between, what updates
//! say was touched and what the actor asks for is read again, together with the events of the time.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::super::{Input, stopped};
use super::pause;
use crate::reconciler::neighbours::Neighbours;
use crate::vcenter::{Changes, EventCursor, Vcenter, VcenterError, VmEvent, VmListing, VmReading, Watcher};
use crate::vm_request::watch::policy::WatchPolicy;

/// Managed objects that are read in one look.
const LOOK_MAX: usize = 500;
/// How long vCenter may wait for something to happen before it answers that nothing did.
const WAIT_SECS_MAX: u64 = 20;

/// What was seen of a vCenter.
#[derive(Debug)]
pub(in crate::reconciler::observer) enum Saw {
    All {
        listing: VmListing,
        events: Vec<VmEvent>,
    },
    Some {
        reading: VmReading,
        events: Vec<VmEvent>,
    },
    /// Nothing: it is away, or does not let the bridge in.
    Nothing {
        why: String,
    },
}

/// The eye on one vCenter.
#[derive(Debug)]
pub(in crate::reconciler::observer) struct VcenterEye {
    name: String,
    client: Option<Vcenter>,
    sweep_every: Duration,
    inputs: mpsc::Sender<Input>,
    looks: mpsc::Receiver<Vec<String>>,
    stopping: watch::Receiver<bool>,
    /// Up to where events were read.
    cursor: Option<EventCursor>,
    failures: u32,
}

type Waiting = Pin<Box<dyn Future<Output = (Box<Watcher>, Result<Changes, VcenterError>)> + Send>>;

/// Why the eye opens.
enum Woken {
    Stop,
    Sweep,
    Look(Vec<String>),
    Changed(Box<Watcher>, Result<Changes, VcenterError>),
}

impl VcenterEye {
    pub fn new(
        name: &str,
        neighbours: &Arc<Neighbours>,
        policy: &WatchPolicy,
        inputs: mpsc::Sender<Input>,
        looks: mpsc::Receiver<Vec<String>>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            client: neighbours.vcenters.get(name).map(|handle| handle.client.clone()),
            sweep_every: Duration::from_secs(policy.sweep_secs),
            inputs,
            looks,
            stopping,
            cursor: None,
            failures: 0,
        }
    }

    /// Looks until the watch stops.
    pub async fn run(mut self) {
        let Some(client) = self.client.clone() else { return };
        let mut waiting = Some(wait(Box::new(client.watch()), None));
        let mut sweep_at: Option<Instant> = None;
        loop {
            match self.woken(&mut waiting, sweep_at).await {
                Woken::Stop => break,
                Woken::Sweep => sweep_at = Some(self.sweep(&client).await),
                Woken::Look(moids) => self.look(&client, moids).await,
                Woken::Changed(watcher, Ok(changes)) => {
                    self.failures = 0;
                    if changes.restarted {
                        sweep_at = Some(self.sweep(&client).await);
                    } else if !changes.is_empty() {
                        self.look(&client, changes.touched.into_iter().chain(changes.left).collect()).await;
                    }
                    waiting = Some(wait(watcher, None));
                }
                Woken::Changed(watcher, Err(error)) => {
                    // Without updates the sweeps still tell, later.
                    sweep_at = sweep_at.or_else(|| Some(Instant::now()));
                    let delay = self.failed(&error).await;
                    waiting = Some(wait(watcher, Some(delay)));
                }
            }
        }
        // The wait that is under way is dropped; the session's end takes what it leaves behind.
    }

    async fn woken(&mut self, waiting: &mut Option<Waiting>, sweep_at: Option<Instant>) -> Woken {
        let changed = OptionFuture::from(waiting.as_mut());
        let sweep = OptionFuture::from(sweep_at.map(tokio::time::sleep_until));
        let woken = tokio::select! {
            () = stopped(&mut self.stopping) => Woken::Stop,
            Some((watcher, changes)) = changed => Woken::Changed(watcher, changes),
            Some(moids) = self.looks.recv() => Woken::Look(moids),
            Some(()) = sweep => Woken::Sweep,
            else => Woken::Stop,
        };
        if matches!(woken, Woken::Changed(..)) {
            *waiting = None;
        }
        woken
    }

    /// Reads everything; when to do it again.
    async fn sweep(&mut self, client: &Vcenter) -> Instant {
        let read = async {
            let events = self.events(client).await;
            client.vms().await.map(|listing| Saw::All { listing, events })
        };
        match read.await {
            Ok(saw) => {
                self.failures = 0;
                self.tell(saw).await;
                Instant::now() + self.sweep_every
            }
            Err(error) => Instant::now() + self.failed(&error).await,
        }
    }

    /// Reads some managed objects, and whatever else was asked for meanwhile.
    async fn look(&mut self, client: &Vcenter, moids: Vec<String>) {
        let mut wanted: BTreeSet<String> = moids.into_iter().collect();
        while let Ok(more) = self.looks.try_recv() {
            wanted.extend(more);
        }
        let wanted: Vec<String> = wanted.into_iter().collect();
        for moids in wanted.chunks(LOOK_MAX) {
            let events = self.events(client).await;
            match client.read_vms(moids).await {
                Ok(reading) => {
                    self.failures = 0;
                    self.tell(Saw::Some { reading, events }).await;
                }
                Err(error) => {
                    self.failed(&error).await;
                }
            }
        }
    }

    /// What happened since the last look. Events explain; without them everything else goes on.
    async fn events(&mut self, client: &Vcenter) -> Vec<VmEvent> {
        match client.vm_events(self.cursor.as_ref()).await {
            Ok(found) => {
                self.cursor = Some(found.cursor);
                found.events
            }
            Err(error) => {
                tracing::debug!(vcenter = %self.name, %error, "the events of vCenter were not read");
                Vec::new()
            }
        }
    }

    async fn failed(&mut self, error: &VcenterError) -> Duration {
        self.failures = self.failures.saturating_add(1);
        tracing::warn!(vcenter = %self.name, %error, failures = self.failures, "vCenter cannot be watched now");
        self.tell(Saw::Nothing { why: error.to_string() }).await;
        pause(self.failures)
    }

    async fn tell(&self, saw: Saw) {
        // An actor that is gone has stopped: so does the eye, at its next turn.
        let _gone = self.inputs.send(Input::Eye { vcenter: self.name.clone(), saw }).await;
    }
}

fn wait(mut watcher: Box<Watcher>, delay: Option<Duration>) -> Waiting {
    Box::pin(async move {
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        let changes = watcher.next(WAIT_SECS_MAX).await;
        (watcher, changes)
    })
}
