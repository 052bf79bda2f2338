//! The watch over VMs that are done: eyes that look, one actor that compares and writes down, hands that mend.
//!
//! ```text
//!  vCenter ◀── VcenterEye: full sweeps, updates, single looks, events ──┐
//!  AAP     ◀── HostsEye: changed hosts, full sweeps ────────────────────┤
//!  journal ◀── follower: news about requests ──────────────────────────▶ Actor ──▶ findings, sightings ──▶ journal
//!                                                                         │
//!                                              Hands ◀── what is to be mended
//!                                              host variables, remediation requests
//! ```
//!
//! Updates of vCenter are hints: what they touch is read again, whole. What they do not tell, the sweep finds. The
//! actor is one task, so that everything about one VM is serial; it waits for the journal and for nobody else. What
//! it decides is decided by [`crate::vm_request::watch`].

mod actor;
mod eyes;
mod follower;
mod hands;
mod plan;
mod register;
mod status;
mod writing;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::driver::Waker;
use super::neighbours::Neighbours;
use crate::journal::{Journal, ReadError};
use crate::vm_request::RequestId;
use crate::vm_request::watch::policy::WatchPolicy;

pub use plan::{Plan, PlanItem, plan};
pub use status::{EyeStatus, WatchStatus};

/// Inputs that wait for the actor: eyes wait when it is behind.
const INPUTS_MAX: usize = 64;
/// Single looks that wait for one vCenter's eye.
const LOOKS_MAX: usize = 1_024;
/// How long a stop waits for a mend that was begun.
const STOP_SECS_MAX: u64 = 20;
/// Mends that wait for the hands.
const MENDS_MAX: usize = 256;

/// What the actor is told.
#[derive(Debug)]
enum Input {
    Eye {
        vcenter: String,
        saw: eyes::Saw,
    },
    Hosts {
        controller: String,
        saw: eyes::SawHosts,
    },
    /// There may be news about these requests in the journal.
    News(Vec<RequestId>),
    /// Hands are done with this VM.
    Mended {
        request: RequestId,
        outcome: hands::Outcome,
    },
    /// A person says that the mass change is none.
    EndMassChange,
}

/// A running watch.
#[derive(Debug)]
pub struct Observer {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    handle: WatchHandle,
}

/// What others may ask of the watch. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct WatchHandle {
    status: Arc<status::Board>,
    inputs: mpsc::WeakSender<Input>,
}

impl WatchHandle {
    /// How the watch stands.
    #[must_use]
    pub fn status(&self) -> WatchStatus {
        self.status.read()
    }

    /// Goes on with repairs and remediations after a mass change. `false`: the watch is not running, or is too far behind
    /// to be told; ask again.
    #[must_use]
    pub fn end_mass_change(&self) -> bool {
        self.inputs.upgrade().is_some_and(|inputs| inputs.try_send(Input::EndMassChange).is_ok())
    }
}

impl Observer {
    /// Starts watching everything that the journal has under watch.
    ///
    /// # Errors
    /// [`ReadError`] when the journal cannot be read.
    pub async fn start(
        journal: Journal,
        neighbours: Arc<Neighbours>,
        policy: WatchPolicy,
        waker: Waker,
    ) -> Result<Self, ReadError> {
        let (stop, stopping) = watch::channel(false);
        let (inputs, waiting) = mpsc::channel(INPUTS_MAX);
        let board = Arc::new(status::Board::default());
        let handle = WatchHandle { status: Arc::clone(&board), inputs: inputs.downgrade() };
        let mut tasks = JoinSet::new();
        let policy = Arc::new(policy);
        let from = *journal.position().borrow();
        let register = register::Register::load(journal.view()).await?;
        let mut looks = std::collections::BTreeMap::new();
        for name in neighbours.vcenters.keys() {
            let (look, wanted) = mpsc::channel(LOOKS_MAX);
            looks.insert(name.clone(), look);
            let eye =
                eyes::VcenterEye::new(name, &neighbours, &policy, inputs.clone(), wanted, stopping.clone());
            tasks.spawn(until_stopped(eye.run(), stopping.clone()));
        }
        for name in neighbours.controllers.keys() {
            let eye = eyes::HostsEye::new(name, &neighbours, &policy, inputs.clone(), stopping.clone());
            tasks.spawn(until_stopped(eye.run(), stopping.clone()));
        }
        tasks.spawn(follower::run(journal.clone(), from, inputs.clone(), stopping.clone()));
        let (mends, orders) = mpsc::channel(MENDS_MAX);
        let hands =
            hands::Hands::new(journal.clone(), Arc::clone(&neighbours), waker, inputs, stopping.clone());
        tasks.spawn(hands.run(orders));
        let actor = actor::Actor::new(journal, neighbours, policy, register, board, looks, mends);
        tasks.spawn(actor.run(waiting, stopping));
        Ok(Self { stop, tasks, handle })
    }

    /// What others may ask of it.
    #[must_use]
    pub fn handle(&self) -> WatchHandle {
        self.handle.clone()
    }

    /// Stops looking. What was seen and not yet written is seen again at the next start.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(Duration::from_secs(STOP_SECS_MAX), ended).await.is_err() {
            tracing::warn!(secs = STOP_SECS_MAX, "the watch was stopped in the middle of a mend");
        }
    }
}

/// Looks only read: they may be dropped in the middle.
async fn until_stopped(eye: impl Future<Output = ()>, mut stopping: watch::Receiver<bool>) {
    tokio::select! {
        () = eye => {}
        () = stopped(&mut stopping) => {}
    }
}

/// Ends when the watch stops.
async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _gone = stopping.wait_for(|stop| *stop).await;
}
