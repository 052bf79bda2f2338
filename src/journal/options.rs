//! How a journal is opened, and what it tells about itself while it is open.

use std::path::PathBuf;

/// Where the journal lies and what limits it has.
#[derive(Debug, Clone)]
pub struct JournalOptions {
    /// The SQLite file. Beside it lie `-wal`, `-shm` and `.lock`.
    pub path: PathBuf,
    /// Admissions that may wait for the writer; one more is refused with [`super::AdmitError::Full`].
    pub intake_queue_max: usize,
    /// Appends that may wait for the writer; one more waits for room. Below `batch_max`, so that a busy
    /// reconciler leaves room for intake in every batch.
    pub reconciler_queue_max: usize,
    /// Items in one transaction.
    pub batch_max: usize,
    /// Bytes of event bodies after which a transaction takes no further item.
    pub batch_bytes_max: usize,
    /// Read-only connections.
    pub readers_max: usize,
    /// How long a read may wait for a connection.
    pub reader_wait_secs: u64,
    /// Events between two checkpoints of the chain.
    pub checkpoint_every_events: u64,
    /// Size of the write-ahead log at which it is written back into the file.
    pub wal_write_back_bytes: u64,
    /// The writer's page cache. SQLite walks through all of it at commits that grow the file, so more is not faster:
    /// MEASURED on a RAM disk, 64 MiB cost a tenth more CPU than 16 MiB, and no less with 600,000 requests in the file.
    pub cache_kib: u32,
    /// The largest size of the file; a write beyond it fails as on a full disk. `None`: as large as the disk.
    pub file_bytes_max: Option<u64>,
    /// The largest file that is checked as a whole when the bridge did not close it properly; a larger one is
    /// checked by [`super::Journal::verify`] only.
    pub check_at_open_bytes_max: u64,
    /// How long a delivery id is remembered. Senders retry for days.
    pub delivery_window_secs: u64,
    /// How long a body is remembered where its sender gives no id.
    pub body_digest_window_secs: u64,
    /// How long an `Idempotency-Key` is remembered.
    pub idempotency_window_secs: u64,
    /// Remembered keys that are looked at, and dropped when their time is over, in one step (once a second).
    pub keys_purge_step_max: u32,
}

impl Default for JournalOptions {
    fn default() -> Self {
        Self {
            path: PathBuf::from("causeway.db"),
            intake_queue_max: 4_096,
            reconciler_queue_max: 512,
            batch_max: 1_024,
            batch_bytes_max: 16 * 1_024 * 1_024,
            readers_max: 4,
            reader_wait_secs: 10,
            checkpoint_every_events: 10_000,
            wal_write_back_bytes: 64 * 1_024 * 1_024,
            cache_kib: 16 * 1_024,
            file_bytes_max: None,
            check_at_open_bytes_max: 512 * 1_024 * 1_024,
            delivery_window_secs: 7 * 24 * 3_600,
            body_digest_window_secs: 300,
            idempotency_window_secs: 7 * 24 * 3_600,
            keys_purge_step_max: 500,
        }
    }
}

impl JournalOptions {
    /// The defaults, with the file at `path`.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), ..Self::default() }
    }
}

/// What the journal did since it was opened, and what waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JournalStats {
    /// Transactions that became durable.
    pub commits: u64,
    /// Events that became durable.
    pub events: u64,
    /// Transactions that the disk or SQLite refused.
    pub storage_failures: u64,
    /// Admissions waiting now.
    pub intake_queue: usize,
    /// Appends waiting now.
    pub reconciler_queue: usize,
    /// How long the last commit took, in microseconds.
    pub last_commit_micros: u64,
    /// The longest commit so far, in microseconds.
    pub longest_commit_micros: u64,
    /// How often the write-ahead log was written back.
    pub write_backs: u64,
    /// Position of the last durable event.
    pub position: u64,
}
