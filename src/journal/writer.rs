//! The one thread that writes. It takes everything that waits, writes it in one transaction, and takes again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::watch;

use super::batch::{self, Chores, Statements, Tip};
use super::error::{AdmitError, StorageError};
use super::lanes::{Lanes, Order, Turn, Work};
use super::log_room::LogRoom;
use super::open::Opened;
use super::options::{JournalOptions, JournalStats};
use super::rebuild;
use super::write_back::{LogSize, WriteBack};
use crate::clock::SharedClock;

/// Commits between two looks at the size of the write-ahead log.
const COMMITS_PER_LOG_LOOK: u64 = 16;

/// Microseconds between two purges of old keys.
const PURGE_EVERY_MICROS: i64 = 1_000_000;

/// Counters that the writer raises and anyone may read.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    events: AtomicU64,
    storage_failures: AtomicU64,
    last_commit_micros: AtomicU64,
    longest_commit_micros: AtomicU64,
    write_backs: AtomicU64,
}

impl Counters {
    pub fn read(&self, waiting: (usize, usize), position: u64) -> JournalStats {
        JournalStats {
            commits: self.commits.load(Ordering::Relaxed),
            events: self.events.load(Ordering::Relaxed),
            storage_failures: self.storage_failures.load(Ordering::Relaxed),
            intake_queue: waiting.0,
            reconciler_queue: waiting.1,
            last_commit_micros: self.last_commit_micros.load(Ordering::Relaxed),
            longest_commit_micros: self.longest_commit_micros.load(Ordering::Relaxed),
            write_backs: self.write_backs.load(Ordering::Relaxed),
            position,
        }
    }
}

/// What the writer's thread owns.
pub(super) struct Writer {
    pub opened: Opened,
    pub write_back: WriteBack,
    pub lanes: Arc<Lanes>,
    pub options: JournalOptions,
    pub clock: SharedClock,
    pub counters: Arc<Counters>,
    pub position: watch::Sender<u64>,
}

impl Writer {
    /// Writes until the lanes are closed and empty, then closes the file.
    pub fn run(self) {
        let Self { opened, write_back, lanes, options, clock, counters, position } = self;
        let Opened { connection, lock, tip } = opened;
        let shared = Shared {
            lanes: &lanes,
            options: &options,
            clock: &clock,
            counters: &counters,
            position: &position,
        };
        let ended = shared.write_until_closed(&connection, tip, &write_back);
        drop(write_back);
        let closed = ended.and_then(|()| close(connection));
        match closed {
            Ok(()) => lock.release_clean(),
            Err(error) => tracing::error!(%error, "the journal was not closed properly"),
        }
    }
}

/// The parts that outlive the connection.
struct Shared<'w> {
    lanes: &'w Lanes,
    options: &'w JournalOptions,
    clock: &'w SharedClock,
    counters: &'w Counters,
    position: &'w watch::Sender<u64>,
}

impl Shared<'_> {
    fn write_until_closed(
        &self,
        connection: &Connection,
        mut tip: Tip,
        write_back: &WriteBack,
    ) -> rusqlite::Result<()> {
        // From here on callers wait for answers: whatever fails must close the lanes, not leave them waiting.
        let _closes = CloseOnDrop(self.lanes);
        let mut statements = Statements::prepare(connection)?;
        let mut purged_at = i64::MIN;
        let mut room = None;
        loop {
            match self.lanes.next_turn(self.options.batch_max, self.options.batch_bytes_max) {
                Turn::Batch(batch) => {
                    self.write_batch(connection, &mut statements, &mut tip, batch, &mut purged_at);
                    self.tend_log(connection, write_back, &mut room);
                }
                Turn::Order(Order::Rebuild(answer)) => {
                    let _gone = answer.send(rebuild::run(connection));
                }
                Turn::End => break,
            }
        }
        batch::seal_now(connection, &mut statements, &mut tip, self.clock.now().as_microsecond())
    }

    fn write_batch(
        &self,
        connection: &Connection,
        statements: &mut Statements<'_>,
        tip: &mut Tip,
        batch: Vec<Work>,
        purged_at: &mut i64,
    ) {
        let now = self.clock.now().as_microsecond();
        let is_purge_due = now.saturating_sub(*purged_at) >= PURGE_EVERY_MICROS;
        let chores = Chores {
            now,
            checkpoint_every_events: self.options.checkpoint_every_events,
            purge_keys_max: if is_purge_due { self.options.keys_purge_step_max } else { 0 },
        };
        if is_purge_due {
            *purged_at = now;
        }
        let Err(failed) = self.commit(connection, statements, tip, batch, chores) else { return };
        let is_constraint = failed.error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation);
        if !is_constraint {
            self.fail(failed.batch, &failed.error);
            return;
        }
        // One item broke a rule of the schema, such as an id that is taken. Alone it harms only itself.
        for work in failed.batch {
            if let Err(alone) =
                self.commit(connection, statements, tip, vec![work], Chores { purge_keys_max: 0, ..chores })
            {
                self.fail_alone(statements, alone);
            }
        }
    }

    fn commit(
        &self,
        connection: &Connection,
        statements: &mut Statements<'_>,
        tip: &mut Tip,
        batch: Vec<Work>,
        chores: Chores,
    ) -> Result<(), batch::Failed> {
        let before = tip.position;
        let started = Instant::now();
        let decided = batch::write(connection, statements, tip, batch, chores)?;
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counters.commits.fetch_add(1, Ordering::Relaxed);
        self.counters.events.fetch_add(tip.position - before, Ordering::Relaxed);
        self.counters.last_commit_micros.store(micros, Ordering::Relaxed);
        self.counters.longest_commit_micros.fetch_max(micros, Ordering::Relaxed);
        if tip.position != before {
            self.position.send_replace(tip.position);
        }
        for work in decided {
            work.answer();
        }
        Ok(())
    }

    fn fail_alone(&self, statements: &mut Statements<'_>, failed: batch::Failed) {
        for work in failed.batch {
            let is_taken = match &work {
                Work::Admit(ask) => batch::exists(statements, &ask.rows.summary.id).unwrap_or(false),
                Work::Append(_) | Work::See(_) => false,
            };
            match work {
                Work::Admit(mut ask) if is_taken => {
                    ask.outcome = Some(Err(AdmitError::IdTaken));
                    Work::Admit(ask).answer();
                }
                other => self.fail(vec![other], &failed.error),
            }
        }
    }

    fn fail(&self, batch: Vec<Work>, error: &rusqlite::Error) {
        self.counters.storage_failures.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%error, items = batch.len(), "the journal could not write; nothing of it is on disk");
        let error = StorageError::from(error);
        for work in batch {
            work.fail(&error);
        }
    }

    /// Between two batches: the log is written back when it is long, and its file kept ahead of it.
    fn tend_log(&self, connection: &Connection, write_back: &WriteBack, room: &mut Option<LogRoom>) {
        let commits = self.counters.commits.load(Ordering::Relaxed);
        let grows = room.as_ref().is_some_and(|room| !room.is_complete());
        if !grows && !write_back.is_copied() && !commits.is_multiple_of(COMMITS_PER_LOG_LOOK) {
            return;
        }
        let tended = LogSize::read(connection).and_then(|log| {
            self.keep_room(room, log);
            write_back.between_batches(connection, log, self.options.wal_write_back_bytes)
        });
        match tended {
            Ok(true) => {
                self.counters.write_backs.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "writing the journal's log back failed; it grows meanwhile"),
        }
    }

    /// A disk that is too full for the room may still take the next batch, which is what counts.
    fn keep_room(&self, room: &mut Option<LogRoom>, log: LogSize) {
        let options = self.options;
        let kept = match room {
            Some(room) => room.keep_ahead_of(log.bytes),
            None => LogRoom::new(&options.path, options.wal_write_back_bytes)
                .and_then(|new| room.insert(new).keep_ahead_of(log.bytes)),
        };
        if let Err(error) = kept {
            tracing::debug!(%error, "the journal's log has no room ahead of it");
        }
    }
}

/// Closes the lanes when the writer ends, however it ends, and drops what still waits in them: its callers are told
/// that the journal is closed.
struct CloseOnDrop<'l>(&'l Lanes);

impl Drop for CloseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.close_and_drop();
    }
}

/// Writes the whole log back, empties it and closes the file.
fn close(connection: Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    connection.close().map_err(|(_, error)| error)
}
