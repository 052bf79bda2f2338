//! The line about a request ([`Summary`]) as a row of `requests`, both ways.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Row, params};

use super::chain::Hash;
use super::error::ReadError;
use crate::vm_request::{Phase, Summary};

/// The columns of a summary, in the order in which [`read`] expects them.
pub(super) const COLUMNS: &str = "id, phase, hold, source, ticket, vm_name, environment, controller, workflow_job, \
     attempt_no, created_at, updated_at, is_active, place_key";

/// Adds a row: the columns, then `head_seq` and `head_hash`.
pub(super) const INSERT: &str = "INSERT INTO requests (id, phase, hold, source, ticket, vm_name, environment, controller, \
     workflow_job, attempt_no, created_at, updated_at, is_active, place_key, head_seq, head_hash) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

/// Replaces what an event after the first may change. Where it came from never changes, so those columns and
/// their indexes are left alone.
pub(super) const UPDATE: &str = "UPDATE requests SET phase = ?2, hold = ?3, workflow_job = ?4, attempt_no = ?5, \
     updated_at = ?6, is_active = ?7, place_key = ?8, head_seq = ?9, head_hash = ?10 WHERE id = ?1";

/// Runs [`INSERT`].
pub(super) fn insert(
    statement: &mut rusqlite::Statement<'_>,
    summary: &Summary,
    head_seq: i64,
    head_hash: &Hash,
) -> rusqlite::Result<()> {
    statement.execute(params![
        summary.id.as_str(),
        summary.phase.name(),
        summary.hold,
        summary.source,
        summary.ticket,
        summary.vm_name,
        summary.environment,
        summary.controller,
        summary.workflow_job,
        summary.attempt_no,
        summary.created_at.as_microsecond(),
        summary.updated_at.as_microsecond(),
        summary.is_active,
        summary.place_key,
        head_seq,
        head_hash,
    ])?;
    Ok(())
}

/// Runs [`UPDATE`].
pub(super) fn update(
    statement: &mut rusqlite::Statement<'_>,
    summary: &Summary,
    head_seq: i64,
    head_hash: &Hash,
) -> rusqlite::Result<()> {
    statement.execute(params![
        summary.id.as_str(),
        summary.phase.name(),
        summary.hold,
        summary.workflow_job,
        summary.attempt_no,
        summary.updated_at.as_microsecond(),
        summary.is_active,
        summary.place_key,
        head_seq,
        head_hash,
    ])?;
    Ok(())
}

/// The summary in `row`, whose first columns are [`COLUMNS`].
pub(super) fn read(row: &Row<'_>) -> Result<Summary, ReadError> {
    let id: String = row.get(0)?;
    let phase: String = row.get(1)?;
    let unreadable = |why: &str| ReadError::Unreadable {
        position: 0,
        why: Arc::from(format!("the line about {id}: {why}")),
    };
    let time = |column: usize| -> Result<Timestamp, ReadError> {
        Timestamp::from_microsecond(row.get(column)?).map_err(|_| unreadable("a time out of range"))
    };
    Ok(Summary {
        id: id.parse().map_err(|_| unreadable("not a request id"))?,
        phase: Phase::from_name(&phase).ok_or_else(|| unreadable("a phase that is not known"))?,
        hold: row.get(2)?,
        source: row.get(3)?,
        ticket: row.get(4)?,
        vm_name: row.get(5)?,
        environment: row.get(6)?,
        controller: row.get(7)?,
        workflow_job: row.get(8)?,
        attempt_no: row.get(9)?,
        created_at: time(10)?,
        updated_at: time(11)?,
        is_active: row.get(12)?,
        place_key: row.get(13)?,
        vm: None, // stands in a table of its own
    })
}
