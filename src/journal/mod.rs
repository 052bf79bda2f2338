//! The journal: every fact about every request, on disk before anyone is told.
//!
//! One SQLite file (WAL, `synchronous=FULL`), one thread that writes, a few connections that read. Callers fold,
//! serialise and hash on their side; the [`writer`] takes everything that waits, decides about each item inside one
//! transaction (de-duplication, `expected_seq`), commits, and only then answers ([`batch`]). The reconciler's appends
//! go before intake's admissions, and only admissions are refused when too many wait ([`lanes`]). Events are
//! insert-only and hash-chained ([`chain`]); the table `requests` is a projection that can be dropped and is filled
//! again by replay ([`rebuild`]); [`verify`] proves the whole file. [`open`] lets one bridge in, refuses a file of a
//! later version or of another kind, and leaves a damaged one as it is. [`write_back`] keeps the log short.
//!
//! It does not judge events (that is [`State::apply`](crate::vm_request::State::apply)), does not wake anyone (a
//! reader watches [`Journal::position`]) and does not know what a webhook is. Nothing above this module may assume
//! SQLite, and nothing else names rusqlite.

mod batch;
mod chain;
mod error;
mod lanes;
mod log_room;
mod migrations;
mod open;
mod options;
mod page;
mod projection;
mod read;
mod readers;
mod rebuild;
mod sightings;
mod verify;
mod view;
mod vms;
mod write;
mod write_back;
mod writer;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

pub use chain::Hash;
pub use error::{AdmitError, AppendError, OpenError, ReadError, SeeError, StorageError};
pub use options::{JournalOptions, JournalStats};
pub use page::{PAGE_MAX, Page, PageQuery};
pub use read::{Loaded, Recorded};
pub use rebuild::{RebuildError, RebuildReport};
pub use sightings::{RegisterQuery, RegisterRow, SIGHTINGS_MAX, SeenHost, SeenVm, Sightings};
pub use verify::{CheckpointHead, FAULTS_MAX, Fault, FaultKind, VerifyReport};
pub use view::JournalView;
pub use write::{Admission, AdmissionKeys, Admitted, Append, Appended, IdempotencyKey, SeenBy, journal_time};

use crate::clock::SharedClock;
use crate::vm_request::{Phase, RequestId, State, Summary};
use lanes::{Ask, Lanes, Order, Refused, Work};
use sightings::SightingRows;
use write::{AdmissionRows, AppendRows};
use write_back::WriteBack;
use writer::{Counters, Writer};

/// The most that [`Journal::tail`] and [`Journal::active`] return at once.
pub const TAIL_MAX: usize = 1_000;

/// The longest time that a refused sender is told to wait.
const RETRY_AFTER_SECS_MAX: u64 = 30;

/// An open journal. Clones share it; it is closed by [`Journal::close`] or when the last clone goes.
#[derive(Debug, Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: JournalOptions,
    lanes: Arc<Lanes>,
    view: JournalView,
    counters: Arc<Counters>,
    position: watch::Receiver<u64>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.lanes.close();
    }
}

impl Journal {
    /// Opens the journal, makes the file where there is none, and migrates an older one.
    ///
    /// # Errors
    /// [`OpenError`]; the file is then as it was.
    pub fn open(options: JournalOptions, clock: SharedClock) -> Result<Self, OpenError> {
        let opened = open::open(&options)?;
        let storage = |detail: String| OpenError::Storage { path: options.path.clone(), detail };
        let write_back = WriteBack::start(&options.path).map_err(storage)?;
        let lanes = Lanes::new(options.intake_queue_max, options.reconciler_queue_max);
        let counters = Arc::<Counters>::default();
        let (sender, position) = watch::channel(opened.tip.position);
        let writer = Writer {
            opened,
            write_back,
            lanes: Arc::clone(&lanes),
            options: options.clone(),
            clock,
            counters: Arc::clone(&counters),
            position: sender,
        };
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| storage(error.to_string()))?;
        let view = JournalView::new(&options);
        let writer = Mutex::new(Some(thread));
        Ok(Self { shared: Arc::new(Shared { options, lanes, view, counters, position, writer }) })
    }

    /// Brings a request in, unless it is known. When this returns, what it says is on disk. A caller that goes away
    /// does not stop the write.
    ///
    /// # Errors
    /// [`AdmitError::Full`] at once when too many wait; the others as they say. Nothing was written then.
    pub async fn admit(&self, admission: Admission) -> Result<Admitted, AdmitError> {
        let rows = AdmissionRows::prepare(admission, &self.shared.options)?;
        let (answer, answered) = oneshot::channel();
        let ask = Ask { rows, answer, outcome: None };
        self.shared.lanes.push_intake(Work::Admit(Box::new(ask))).map_err(|refused| match refused {
            Refused::Full { waiting } => {
                AdmitError::Full { retry_after_secs: self.retry_after_secs(waiting) }
            }
            Refused::Closed => AdmitError::Closed,
        })?;
        answered.await.map_err(|_| AdmitError::Closed)?
    }

    /// Appends events to a request that stands at `expected_seq`. Waits for room; goes before admissions.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was written then.
    pub async fn append(&self, append: Append) -> Result<Appended, AppendError> {
        let rows = AppendRows::prepare(append)?;
        let (answer, answered) = oneshot::channel();
        let ask = Ask { rows, answer, outcome: None };
        let work = Work::Append(Box::new(ask));
        self.shared.lanes.push_reconciler(work).await.map_err(|_| AppendError::Closed)?;
        answered.await.map_err(|_| AppendError::Closed)?
    }

    /// Replaces what was last seen of VMs and hosts. Waits for room; goes before admissions.
    ///
    /// # Errors
    /// [`SeeError`]; nothing was written then.
    pub async fn see(&self, sightings: Sightings) -> Result<(), SeeError> {
        if sightings.is_empty() {
            return Ok(());
        }
        let rows = SightingRows::prepare(sightings).map_err(|error| StorageError::new(&error.to_string()))?;
        let (answer, answered) = oneshot::channel();
        let work = Work::See(Box::new(Ask { rows, answer, outcome: None }));
        self.shared.lanes.push_reconciler(work).await.map_err(|_| SeeError::Closed)?;
        answered.await.map_err(|_| SeeError::Closed)?
    }

    /// The request's state and events; `None` when there is no such request.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn load(&self, id: &RequestId) -> Result<Option<Loaded>, ReadError> {
        self.shared.view.load(id).await
    }

    /// The request's state; `None` when there is no such request.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn load_state(&self, id: &RequestId) -> Result<Option<State>, ReadError> {
        Ok(self.load(id).await?.map(|loaded| loaded.state))
    }

    /// The line about a request; `None` when there is no such request.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn summary(&self, id: &RequestId) -> Result<Option<Summary>, ReadError> {
        let id = id.clone();
        self.shared.view.readers.run(move |connection| read::summary(connection, &id)).await
    }

    /// A page of requests, newest first.
    ///
    /// # Errors
    /// [`ReadError::BadCursor`] and the others.
    pub async fn page(&self, query: &PageQuery) -> Result<Page<Summary>, ReadError> {
        let query = query.clone();
        self.shared.view.readers.run(move |connection| page::read(connection, &query)).await
    }

    /// Ids of requests that the reconciler has something left to do for, in order, after `after`. At most `limit`
    /// and [`TAIL_MAX`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn active(&self, after: Option<RequestId>, limit: usize) -> Result<Vec<RequestId>, ReadError> {
        let limit = limit.min(TAIL_MAX);
        self.shared.view.readers.run(move |connection| read::active(connection, after.as_ref(), limit)).await
    }

    /// How many requests stand in each phase that is not an end.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open_by_phase(&self) -> Result<Vec<(Phase, u64)>, ReadError> {
        self.shared.view.readers.run(read::open_by_phase).await
    }

    /// The request whose last accepted run is `workflow_job` on `controller`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn find_by_run(
        &self,
        controller: &str,
        workflow_job: i64,
    ) -> Result<Option<RequestId>, ReadError> {
        let controller = controller.to_owned();
        self.shared
            .view
            .readers
            .run(move |connection| read::find_by_run(connection, &controller, workflow_job))
            .await
    }

    /// Events after a position, over all requests, in the order of commits. At most `limit` and [`TAIL_MAX`].
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn tail(&self, after_position: u64, limit: usize) -> Result<Vec<Recorded>, ReadError> {
        let limit = limit.min(TAIL_MAX);
        self.shared.view.readers.run(move |connection| read::tail(connection, after_position, limit)).await
    }

    /// The position of the last durable event, to be watched: when it rises, [`Journal::tail`] has more.
    #[must_use]
    pub fn position(&self) -> watch::Receiver<u64> {
        self.shared.position.clone()
    }

    /// Proves the whole file as it stands at one moment. Reads all of it; writing goes on meanwhile, and
    /// the write-ahead log grows until it is done.
    ///
    /// # Errors
    /// [`ReadError`] when the file cannot be read to the end. What is wrong with its content is in the report.
    pub async fn verify(&self) -> Result<VerifyReport, ReadError> {
        self.shared.view.verify().await
    }

    /// The part of it that reads.
    #[must_use]
    pub fn view(&self) -> &JournalView {
        &self.shared.view
    }

    /// Drops the projection and fills it by replay, in one transaction. Nothing else is written meanwhile.
    ///
    /// # Errors
    /// [`RebuildError`]; the projection is then as it was.
    pub async fn rebuild(&self) -> Result<RebuildReport, RebuildError> {
        let (answer, answered) = oneshot::channel();
        self.shared.lanes.push_order(Order::Rebuild(answer)).map_err(|_| RebuildError::Closed)?;
        answered.await.map_err(|_| RebuildError::Closed)?
    }

    /// Writes what was taken, seals the chain, writes the log back and closes the file. Calls on clones find the
    /// journal closed afterwards.
    pub async fn close(self) {
        self.shared.lanes.close();
        self.shared.view.readers.close();
        let thread = self.shared.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(thread) = thread else { return };
        let joined = tokio::task::spawn_blocking(move || thread.join().is_ok()).await;
        if !joined.unwrap_or(false) {
            tracing::error!("the journal's writer panicked");
        }
    }

    /// What it did so far and what waits now.
    #[must_use]
    pub fn stats(&self) -> JournalStats {
        self.shared.counters.read(self.shared.lanes.waiting(), *self.shared.position.borrow())
    }

    /// How long the queue needs at the pace of the last commit.
    fn retry_after_secs(&self, waiting: usize) -> u64 {
        let batches = 1 + (waiting / self.shared.options.batch_max) as u64;
        let micros = batches.saturating_mul(self.stats().last_commit_micros);
        micros.div_ceil(1_000_000).clamp(1, RETRY_AFTER_SECS_MAX)
    }
}

#[cfg(test)]
mod tests;
