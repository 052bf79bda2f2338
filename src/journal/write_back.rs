//! Writes the write-ahead log back into the file, mostly beside the writer.
//!
//! SQLite starts the log anew only when all of it is in the file at the moment of a write; under load a helper that
//! copies beside the writer never gets there. So the helper copies the bulk and syncs it while the writer goes on,
//! and then the writer copies the small rest between two batches, which is short.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::open;

const IDLE: u8 = 0;
const COPYING: u8 = 1;
const COPIED: u8 = 2;

/// The helper. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct WriteBack {
    stage: Arc<AtomicU8>,
    orders: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl WriteBack {
    /// Starts the helper for the journal at `path`.
    pub fn start(path: &Path) -> Result<Self, String> {
        let connection = open::write_back_connection(path).map_err(|error| error.to_string())?;
        let stage = Arc::new(AtomicU8::new(IDLE));
        let (orders, inbox) = sync_channel(1);
        let shared = Arc::clone(&stage);
        let thread = std::thread::Builder::new()
            .name("journal-back".to_owned())
            .spawn(move || run(&connection, &inbox, &shared))
            .map_err(|error| error.to_string())?;
        Ok(Self { stage, orders: Some(orders), thread: Some(thread) })
    }

    /// Called by the writer between two batches: starts a copy when `log` has `limit_bytes` that are not in the file
    /// yet, and finishes one whose bulk is done. Returns whether one was finished.
    pub fn between_batches(
        &self,
        connection: &Connection,
        log: LogSize,
        limit_bytes: u64,
    ) -> rusqlite::Result<bool> {
        match self.stage.load(Ordering::Acquire) {
            COPIED => {
                copy(connection)?;
                self.stage.store(IDLE, Ordering::Release);
                Ok(true)
            }
            IDLE if log.waiting_bytes >= limit_bytes => {
                self.order();
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Whether the writer has a rest to copy.
    pub fn is_copied(&self) -> bool {
        self.stage.load(Ordering::Acquire) == COPIED
    }

    fn order(&self) {
        let Some(orders) = &self.orders else { return };
        self.stage.store(COPYING, Ordering::Release);
        match orders.try_send(()) {
            Ok(()) | Err(TrySendError::Full(())) => {}
            // Without the helper the writer copies all of it by itself.
            Err(TrySendError::Disconnected(())) => self.stage.store(COPIED, Ordering::Release),
        }
    }
}

impl Drop for WriteBack {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the journal's write-back thread panicked");
        }
    }
}

fn run(connection: &Connection, inbox: &Receiver<()>, stage: &AtomicU8) {
    while inbox.recv().is_ok() {
        if let Err(error) = copy(connection) {
            tracing::warn!(%error, "writing the journal's log back failed; the writer tries again");
        }
        stage.store(COPIED, Ordering::Release);
    }
}

fn copy(connection: &Connection) -> rusqlite::Result<()> {
    connection.prepare_cached("PRAGMA wal_checkpoint(PASSIVE)")?.query_row([], |_| Ok(()))
}

/// How large the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LogSize {
    /// All of it.
    pub bytes: u64,
    /// What is not in the file yet.
    pub waiting_bytes: u64,
}

impl LogSize {
    /// SQLite's file format, "The WAL file": a header of 32 bytes, and one of 24 before each page.
    const HEADER_BYTES: u64 = 32;
    const FRAME_BYTES: u64 = open::PAGE_BYTES + 24;

    /// The log's size now.
    pub fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut statement = connection.prepare_cached("PRAGMA wal_checkpoint(NOOP)")?;
        let (log_pages, copied_pages): (i64, i64) =
            statement.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))?;
        let pages = |count: i64| u64::try_from(count).unwrap_or(0);
        Ok(Self {
            bytes: Self::HEADER_BYTES + pages(log_pages) * Self::FRAME_BYTES,
            waiting_bytes: pages(log_pages - copied_pages) * open::PAGE_BYTES,
        })
    }
}
