//! What can go wrong with a journal, by what the caller can do about it.

use std::path::PathBuf;
use std::sync::Arc;

use crate::vm_request::RequestId;
use crate::vm_request::state::IllegalEvent;

/// Why a journal was not opened. The file is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another bridge has the file.
    #[error("the journal {} is in use by another bridge{}", path.display(), of_process(*pid))]
    InUse { path: PathBuf, pid: Option<u32> },
    /// A later version of the bridge wrote it.
    #[error("the journal {} has schema {found}, this version knows up to {known}: use a newer causeway", path.display())]
    Newer { path: PathBuf, found: i64, known: i64 },
    /// It is something else.
    #[error("{} is not a journal of causeway (application id {application_id:#x})", path.display())]
    Foreign { path: PathBuf, application_id: i64 },
    /// It is damaged. It is never deleted: a person restores a backup or saves what can be saved.
    #[error("the journal {} is damaged ({detail}) and was left as it was: restore a backup", path.display())]
    Damaged { path: PathBuf, detail: String },
    /// The options contradict themselves.
    #[error("journal option {option}: {why}")]
    Option { option: &'static str, why: &'static str },
    /// The file system or SQLite refused.
    #[error("cannot open the journal {}: {detail}", path.display())]
    Storage { path: PathBuf, detail: String },
}

fn of_process(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// SQLite or the disk refused a read or a write. Nothing of it was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the journal's storage failed: {detail}")]
pub struct StorageError {
    /// For the log, not for a caller of the bridge.
    pub detail: Arc<str>,
    /// Whether room is what is missing.
    pub is_full: bool,
}

impl StorageError {
    pub(super) fn new(detail: &str) -> Self {
        Self { detail: detail.into(), is_full: false }
    }
}

impl From<&rusqlite::Error> for StorageError {
    fn from(error: &rusqlite::Error) -> Self {
        let is_full = error.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
        Self { detail: error.to_string().into(), is_full }
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        Self::from(&error)
    }
}

/// Why a sighting was not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeeError {
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// SQLite or the disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a request was not admitted. Nothing of it is in the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// Too many wait already.
    #[error("the journal's intake queue is full; try again in {retry_after_secs} s")]
    Full { retry_after_secs: u64 },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// SQLite or the disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The events do not make a request.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// An event cannot be written as JSON.
    #[error("an event cannot be written as JSON: {0}")]
    Unwritable(Arc<str>),
    /// The journal holds a request of this id.
    #[error("a request of this id exists")]
    IdTaken,
}

/// Why events were not appended. None of them is in the journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Somebody else appended first: load the request again.
    #[error("the request's journal stands at {head_seq}, not where this turn began")]
    Conflict { head_seq: u64 },
    /// No request of this id was admitted.
    #[error("no such request")]
    NoSuchRequest,
    /// The place that the request would take is held by another.
    #[error("the VM's place is held by {id}")]
    PlaceTaken { id: RequestId },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// SQLite or the disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The events cannot follow.
    #[error(transparent)]
    Illegal(#[from] IllegalEvent),
    /// An event cannot be written as JSON.
    #[error("an event cannot be written as JSON: {0}")]
    Unwritable(Arc<str>),
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Too many readers for too long.
    #[error("no reader was free in {waited_secs} s")]
    Busy { waited_secs: u64 },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// The cursor is not one of ours.
    #[error("not a cursor of this list")]
    BadCursor,
    /// An event or a line about a request cannot be understood.
    #[error("event {position} of the journal cannot be read: {why}")]
    Unreadable { position: u64, why: Arc<str> },
    /// The events do not follow from each other.
    #[error("the journal of {id} does not fold: {illegal}")]
    Illegal { id: RequestId, illegal: IllegalEvent },
    /// SQLite or the disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(StorageError::from(&error))
    }
}
