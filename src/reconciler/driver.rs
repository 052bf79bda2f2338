//! Who is due: one task for each request that has something left to do.
//!
//! The driver knows requests by their ids alone. A wake-up starts the request's task or makes a waiting one look again;
//! it says nothing about what happened. Requests beyond [`Limits::live_max`] wait in line.

use std::collections::{BTreeMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::neighbours::Neighbours;
use super::turn;
use crate::journal::{Journal, ReadError};
use crate::vm_request::action::Action;
use crate::vm_request::{Policy, RequestId};

/// How many ids are read from the journal at a time at start.
const START_PAGE: usize = 500;

/// How much the reconciler does at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requests that have a task at the same time; the others wait in line.
    pub live_max: usize,
    /// Actions under way at the same time, the gathered readings of runs not counted.
    pub actions_max: usize,
    /// How long a stop waits for actions under way.
    pub drain_secs: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { live_max: 10_000, actions_max: 64, drain_secs: 20 }
    }
}

/// What a request is doing or waiting for, for those who ask. Known to this process alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub until: Option<Timestamp>,
    /// Name of the action, or of the reason for waiting.
    pub doing: &'static str,
    /// What went wrong last, while it goes wrong.
    pub trouble: Option<String>,
}

/// Hears that a run is over: the request, the run and the name of its controller. It must not block.
pub type RunOver = Arc<dyn Fn(&RequestId, i64, &str) + Send + Sync>;

/// Makes requests look again. Cheap to clone; never blocks.
#[derive(Debug, Clone)]
pub struct Waker {
    shared: Arc<Shared>,
}

impl Waker {
    /// Something may be new about `id`.
    pub fn wake(&self, id: &RequestId) {
        Shared::wake(&self.shared, id);
    }

    /// What the request is doing or waiting for, when it has a task.
    #[must_use]
    pub fn waiting(&self, id: &RequestId) -> Option<Waiting> {
        self.shared.book().live.get(id).map(|entry| entry.waiting.clone())
    }

    /// Number of requests that have a task, and of those in line.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        let book = self.shared.book();
        (book.live.len(), book.line.len())
    }
}

/// The reconciler: started once, stopped once.
#[derive(Debug)]
pub struct Reconciler {
    shared: Arc<Shared>,
}

impl Reconciler {
    /// Wakes every active request of the journal. Everything runs on the present tokio runtime from now on.
    ///
    /// # Errors
    /// [`ReadError`] when the journal cannot be read.
    pub async fn start(
        journal: Journal,
        neighbours: Arc<Neighbours>,
        policy: Policy,
        limits: Limits,
    ) -> Result<Self, ReadError> {
        neighbours.keep_launches_back_secs(policy.put_off_first_secs);
        let shared = Arc::new(Shared {
            journal,
            neighbours,
            policy: RwLock::new(Arc::new(policy)),
            limits,
            actions: Arc::new(Semaphore::new(limits.actions_max)),
            runtime: Handle::current(),
            book: Mutex::default(),
            run_over: RwLock::default(),
            stop: watch::Sender::new(false),
        });
        let mut after = None;
        loop {
            let ids = shared.journal.active(after.clone(), START_PAGE).await?;
            for id in &ids {
                Shared::wake(&shared, id);
            }
            match ids.last() {
                Some(last) if ids.len() == START_PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        Ok(Self { shared })
    }

    /// Tells `hear` of every run that is over from now on.
    pub fn on_run_over(&self, hear: RunOver) {
        *self.shared.run_over.write().unwrap_or_else(PoisonError::into_inner) = Some(Hearer(hear));
    }

    /// The waker of this reconciler.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker { shared: Arc::clone(&self.shared) }
    }

    /// Replaces the limits of the core (a reloaded configuration).
    pub fn set_policy(&self, policy: Policy) {
        self.shared.neighbours.keep_launches_back_secs(policy.put_off_first_secs);
        *self.shared.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// Stops: nothing new is begun, actions under way are given [`Limits::drain_secs`]. What is cut off is found again
    /// from the journal at the next start.
    pub async fn stop(self) {
        self.shared.stop.send_replace(true);
        let mut tasks = std::mem::take(&mut self.shared.book().tasks);
        let drained = async { while tasks.join_next().await.is_some() {} };
        let limit = Duration::from_secs(self.shared.limits.drain_secs);
        if tokio::time::timeout(limit, drained).await.is_err() {
            tracing::warn!(secs = limit.as_secs(), "stopped while actions were under way");
        }
        for vcenter in self.shared.neighbours.vcenters.values() {
            vcenter.client.logout().await;
        }
    }
}

/// What all tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub journal: Journal,
    pub neighbours: Arc<Neighbours>,
    policy: RwLock<Arc<Policy>>,
    limits: Limits,
    actions: Arc<Semaphore>,
    /// Where tasks run. A wake-up comes from any thread: on an HTTP worker's own runtime a task would end with the
    /// server, in the middle of what it does.
    runtime: Handle,
    book: Mutex<Book>,
    run_over: RwLock<Option<Hearer>>,
    stop: watch::Sender<bool>,
}

/// Somebody who hears of runs that are over.
struct Hearer(RunOver);

impl std::fmt::Debug for Hearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hearer")
    }
}

/// Who has a task and who waits for one.
#[derive(Debug, Default)]
struct Book {
    live: BTreeMap<RequestId, Entry>,
    line: VecDeque<RequestId>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    waiting: Waiting,
}

/// The way to wake one task.
#[derive(Debug, Clone, Default)]
pub(super) struct Ticket {
    bell: Arc<Notify>,
    /// Set under the book's lock: a task that is about to rest sees a wake-up that came meanwhile.
    rung: Arc<AtomicBool>,
}

impl Ticket {
    /// Ends when the request is woken.
    pub async fn woken(&self) {
        self.bell.notified().await;
        self.rung.store(false, Ordering::Release);
    }
}

impl Shared {
    fn wake(self: &Arc<Self>, id: &RequestId) {
        if self.is_stopping() {
            return;
        }
        let mut book = self.book();
        if let Some(entry) = book.live.get(id) {
            entry.ticket.rung.store(true, Ordering::Release);
            entry.ticket.bell.notify_one();
        } else if book.live.len() >= self.limits.live_max {
            if !book.line.contains(id) {
                book.line.push_back(id.clone());
            }
        } else {
            self.admit(&mut book, id.clone());
        }
    }

    fn admit(self: &Arc<Self>, book: &mut Book, id: RequestId) {
        // Finished tasks are dropped here, so that the set does not grow with every request ever served.
        while book.tasks.try_join_next().is_some() {}
        let ticket = Ticket::default();
        book.live.insert(id.clone(), Entry { ticket: ticket.clone(), waiting: Waiting::new() });
        let shared = Arc::clone(self);
        let runtime = self.runtime.clone();
        let turns = async move {
            loop {
                // A fault in one request's turns must not take its place in the book, nor anybody else's.
                let turns = AssertUnwindSafe(turn::live(&shared, &id, &ticket)).catch_unwind().await;
                let is_over = match turns {
                    Ok(turn::End::Stopped) => true,
                    Ok(turn::End::AtRest) => shared.leave(&id, &ticket),
                    Err(_panic) => {
                        tracing::error!(request = %id, "a turn panicked; the request rests until it is woken");
                        shared.leave(&id, &ticket)
                    }
                };
                if is_over {
                    break;
                }
            }
        };
        book.tasks.spawn_on(turns, &runtime);
    }

    /// Takes the request out of the book, unless it was woken meanwhile (false). The next in line gets its place.
    fn leave(self: &Arc<Self>, id: &RequestId, ticket: &Ticket) -> bool {
        let mut book = self.book();
        if ticket.rung.swap(false, Ordering::AcqRel) {
            return false;
        }
        book.live.remove(id);
        if let Some(next) = book.line.pop_front() {
            self.admit(&mut book, next);
        }
        true
    }

    /// Leave to act; `None` when the bridge stops. A reading of a run is gathered with others and needs none.
    pub async fn permit(&self, action: &Action) -> Option<Option<OwnedSemaphorePermit>> {
        if self.is_stopping() {
            return None;
        }
        if matches!(action, Action::ReadRun { .. }) {
            return Some(None);
        }
        tokio::select! {
            permit = Arc::clone(&self.actions).acquire_owned() => permit.ok().map(Some),
            () = self.stopping() => None,
        }
    }

    pub fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of a run that is over.
    pub fn run_over(&self, id: &RequestId, workflow_job: i64, controller: &str) {
        if let Some(hearer) = &*self.run_over.read().unwrap_or_else(PoisonError::into_inner) {
            (hearer.0)(id, workflow_job, controller);
        }
    }

    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Ends when the bridge stops.
    pub async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        // The sender lives in `self`, so that the wait can only end with the stop.
        let _closed = stop.wait_for(|stop| *stop).await;
    }

    pub fn note(&self, id: &RequestId, change: impl FnOnce(&mut Waiting)) {
        if let Some(entry) = self.book().live.get_mut(id) {
            change(&mut entry.waiting);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
