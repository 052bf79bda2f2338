//! The two bounded queues before the writer. The reconciler's goes first; only intake's refuses.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

use super::error::{AdmitError, AppendError, SeeError, StorageError};
use super::rebuild::{RebuildError, RebuildReport};
use super::sightings::SightingRows;
use super::write::{AdmissionRows, Admitted, AppendRows, Appended};

/// Where an answer goes. Nobody may be there any more; the write happens all the same.
pub(super) type Answer<T> = oneshot::Sender<T>;

/// Rows to write, who waits for them, and what came of them: told only once that is durable.
#[derive(Debug)]
pub(super) struct Ask<R, T, E> {
    pub rows: R,
    pub answer: Answer<Result<T, E>>,
    pub outcome: Option<Result<T, E>>,
}

impl<R, T, E> Ask<R, T, E> {
    fn tell(self, otherwise: E) {
        // The one who asked may have gone; the write stands all the same.
        let _gone = self.answer.send(self.outcome.unwrap_or(Err(otherwise)));
    }
}

/// Something to write.
#[derive(Debug)]
pub(super) enum Work {
    Admit(Box<Ask<AdmissionRows, Admitted, AdmitError>>),
    Append(Box<Ask<AppendRows, Appended, AppendError>>),
    See(Box<Ask<SightingRows, (), SeeError>>),
}

impl Work {
    /// Tells what was decided.
    pub fn answer(self) {
        match self {
            Self::Admit(ask) => ask.tell(AdmitError::Closed),
            Self::Append(ask) => ask.tell(AppendError::Closed),
            Self::See(ask) => ask.tell(SeeError::Closed),
        }
    }

    /// Tells that the storage failed: nothing was written, whatever had been decided.
    pub fn fail(self, error: &StorageError) {
        match self {
            Self::Admit(mut ask) => {
                ask.outcome = None;
                ask.tell(AdmitError::Storage(error.clone()));
            }
            Self::Append(mut ask) => {
                ask.outcome = None;
                ask.tell(AppendError::Storage(error.clone()));
            }
            Self::See(mut ask) => {
                ask.outcome = None;
                ask.tell(SeeError::Storage(error.clone()));
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Admit(ask) => ask.rows.bytes(),
            Self::Append(ask) => ask.rows.bytes(),
            Self::See(ask) => ask.rows.bytes(),
        }
    }
}

/// Something that needs the writer for itself.
#[derive(Debug)]
pub(super) enum Order {
    Rebuild(Answer<Result<RebuildReport, RebuildError>>),
}

/// Why a queue did not take something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Full { waiting: usize },
    Closed,
}

/// What the writer does next.
#[derive(Debug)]
pub(super) enum Turn {
    Batch(Vec<Work>),
    Order(Order),
    /// Closed, and everything that was taken is written.
    End,
}

#[derive(Debug, Default)]
struct Queues {
    reconciler: VecDeque<Work>,
    intake: VecDeque<Work>,
    orders: VecDeque<Order>,
    is_closed: bool,
    /// Whether the writer sleeps. Waking one that does not costs a system call all the same.
    writer_sleeps: bool,
}

/// The queues, shared by callers and the writer.
#[derive(Debug)]
pub(super) struct Lanes {
    queues: Mutex<Queues>,
    something_waits: Condvar,
    reconciler_room: Semaphore,
    intake_queue_max: usize,
}

impl Lanes {
    pub fn new(intake_queue_max: usize, reconciler_queue_max: usize) -> Arc<Self> {
        Arc::new(Self {
            queues: Mutex::default(),
            something_waits: Condvar::new(),
            reconciler_room: Semaphore::new(reconciler_queue_max),
            intake_queue_max,
        })
    }

    /// Queues an admission, or refuses it at once.
    pub fn push_intake(&self, work: Work) -> Result<(), Refused> {
        let mut queues = self.lock();
        if queues.is_closed {
            return Err(Refused::Closed);
        }
        if queues.intake.len() >= self.intake_queue_max {
            return Err(Refused::Full { waiting: queues.intake.len() });
        }
        queues.intake.push_back(work);
        self.wake(queues);
        Ok(())
    }

    /// Queues an append as soon as there is room.
    pub async fn push_reconciler(&self, work: Work) -> Result<(), Refused> {
        let room = self.reconciler_room.acquire().await.map_err(|_| Refused::Closed)?;
        let mut queues = self.lock();
        if queues.is_closed {
            return Err(Refused::Closed);
        }
        room.forget(); // given back when the writer takes the work
        queues.reconciler.push_back(work);
        self.wake(queues);
        Ok(())
    }

    /// Queues an order; there are few, and each waits for its answer.
    pub fn push_order(&self, order: Order) -> Result<(), Refused> {
        let mut queues = self.lock();
        if queues.is_closed {
            return Err(Refused::Closed);
        }
        queues.orders.push_back(order);
        self.wake(queues);
        Ok(())
    }

    /// Refuses everything from now on. What was taken is still written.
    pub fn close(&self) {
        self.lock().is_closed = true;
        self.reconciler_room.close();
        self.something_waits.notify_one();
    }

    /// Closes and forgets what waits; whoever waits for it sees its answer's other end go.
    pub fn close_and_drop(&self) {
        self.close();
        let forgotten = std::mem::replace(&mut *self.lock(), Queues { is_closed: true, ..Queues::default() });
        drop(forgotten);
    }

    /// Everything that waits, up to `items_max` and about `bytes_max`. Waits while there is nothing.
    pub fn next_turn(&self, items_max: usize, bytes_max: usize) -> Turn {
        let mut queues = self.lock();
        loop {
            if let Some(order) = queues.orders.pop_front() {
                return Turn::Order(order);
            }
            let batch = self.take_batch(&mut queues, items_max, bytes_max);
            if !batch.is_empty() {
                return Turn::Batch(batch);
            }
            if queues.is_closed {
                return Turn::End;
            }
            queues.writer_sleeps = true;
            queues = self.something_waits.wait(queues).unwrap_or_else(PoisonError::into_inner);
            queues.writer_sleeps = false;
        }
    }

    /// How many wait: admissions, appends.
    pub fn waiting(&self) -> (usize, usize) {
        let queues = self.lock();
        (queues.intake.len(), queues.reconciler.len())
    }

    fn take_batch(&self, queues: &mut Queues, items_max: usize, bytes_max: usize) -> Vec<Work> {
        let waiting = queues.reconciler.len() + queues.intake.len();
        let mut batch = Vec::with_capacity(waiting.min(items_max));
        let mut bytes = 0;
        while batch.len() < items_max && bytes < bytes_max {
            let Some(work) = queues.reconciler.pop_front() else { break };
            self.reconciler_room.add_permits(1);
            bytes += work.bytes();
            batch.push(work);
        }
        while batch.len() < items_max && bytes < bytes_max {
            let Some(work) = queues.intake.pop_front() else { break };
            bytes += work.bytes();
            batch.push(work);
        }
        batch
    }

    /// Wakes the writer if it sleeps, after the lock is given back. Who comes first wakes it for all.
    fn wake(&self, mut queues: MutexGuard<'_, Queues>) {
        let sleeps = std::mem::take(&mut queues.writer_sleeps);
        drop(queues);
        if sleeps {
            self.something_waits.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
