//! Fills the projection anew by replay.

use rusqlite::{Connection, Statement, Transaction, TransactionBehavior};

use super::batch::sql;
use super::chain::Hash;
use super::error::StorageError;
use super::projection;
use super::read::{EVENT_COLUMNS, RawEvent};
use super::vms;
use crate::vm_request::{RequestId, State, Summary};

/// What a rebuild went through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RebuildReport {
    pub requests: u64,
    pub events: u64,
}

/// Why the projection was not rebuilt. It is as it was before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RebuildError {
    /// An event cannot be understood or does not follow. `verify` names the first one of each request.
    #[error("event {position} ({request_id}, seq {seq}) cannot be replayed: {why}")]
    BadEvent { position: u64, request_id: String, seq: u64, why: String },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// SQLite or the disk refused.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<rusqlite::Error> for RebuildError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(StorageError::from(&error))
    }
}

/// Empties the projection and fills it again, in one transaction. Called by the writer, which writes nothing else
/// meanwhile.
pub(super) fn run(connection: &Connection) -> Result<RebuildReport, RebuildError> {
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    transaction.execute_batch("DELETE FROM requests; DELETE FROM vms")?;
    let report = fill(&transaction)?;
    transaction.commit()?;
    Ok(report)
}

/// Fills the empty projection.
pub(super) fn fill(connection: &Connection) -> Result<RebuildReport, RebuildError> {
    let mut insert =
        Inserts { request: connection.prepare(projection::INSERT)?, vm: connection.prepare(vms::INSERT)? };
    let mut statement =
        connection.prepare(&format!("SELECT {EVENT_COLUMNS} FROM events ORDER BY request_id, seq"))?;
    let mut rows = statement.query([])?;
    let mut report = RebuildReport::default();
    let mut open: Option<(State, Hash)> = None;
    while let Some(row) = rows.next()? {
        let raw = RawEvent::read(row)?;
        report.events += 1;
        let belongs = open.as_ref().is_some_and(|(state, _)| state.id.as_str() == raw.request_id);
        if !belongs {
            report.requests += finish(open.take(), &mut insert)?;
        }
        let state =
            fold(open.take().map(|(state, _)| state), &raw).map_err(|why| RebuildError::BadEvent {
                position: raw.position,
                request_id: raw.request_id.clone(),
                seq: raw.seq,
                why,
            })?;
        open = Some((state, raw.hash));
    }
    report.requests += finish(open, &mut insert)?;
    Ok(report)
}

/// The state after `raw`.
pub(super) fn fold(before: Option<State>, raw: &RawEvent) -> Result<State, String> {
    let event = raw.event()?;
    let at = raw.at()?;
    let Some(mut state) = before else {
        let id: RequestId = raw.request_id.parse().map_err(|error| format!("{error}"))?;
        return State::begin(id, at, &event).map_err(|illegal| illegal.to_string());
    };
    state.apply(at, &event).map_err(|illegal| illegal.to_string())?;
    Ok(state)
}

struct Inserts<'c> {
    request: Statement<'c>,
    vm: Statement<'c>,
}

fn finish(open: Option<(State, Hash)>, insert: &mut Inserts<'_>) -> Result<u64, RebuildError> {
    let Some((state, hash)) = open else { return Ok(0) };
    let summary = Summary::of(&state);
    projection::insert(&mut insert.request, &summary, sql(state.seq), &hash)?;
    if let Some(line) = &summary.vm {
        vms::insert(&mut insert.vm, line)?;
    }
    Ok(1)
}
