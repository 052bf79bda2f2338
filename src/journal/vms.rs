//! The line about a VM under watch ([`VmLine`]) as a row of `vms`, both ways.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::batch::sql;
use super::error::ReadError;
use crate::vm_request::RequestId;
use crate::vm_request::watch::line::VmLine;

/// Adds a row, or replaces it.
pub(super) const INSERT: &str = "INSERT INTO vms (request_id, vm_name, vcenter, environment, verdict, body) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (request_id) DO UPDATE SET vm_name = excluded.vm_name, \
     verdict = excluded.verdict, body = excluded.body";

/// Takes a row away.
pub(super) const DELETE: &str = "DELETE FROM vms WHERE request_id = ?1";

/// Runs [`INSERT`].
pub(super) fn insert(statement: &mut Statement<'_>, line: &VmLine) -> rusqlite::Result<()> {
    let body = serde_json::to_string(line)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    statement.execute(params![
        line.request.as_str(),
        line.vm_name,
        line.vcenter,
        line.environment,
        line.verdict.map(crate::vm_request::watch::DriftVerdict::name),
        body,
    ])?;
    Ok(())
}

/// The lines about VMs under watch whose requests come after `after`, in order.
pub(super) fn after(
    connection: &Connection,
    after: Option<&RequestId>,
    drifted_only: bool,
    limit: usize,
) -> Result<Vec<VmLine>, ReadError> {
    let drifted = if drifted_only { "AND verdict IS NOT NULL" } else { "" };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT body FROM vms WHERE request_id > ?1 {drifted} ORDER BY request_id LIMIT ?2"
    ))?;
    let rows =
        statement.query_map((after.map_or("", RequestId::as_str), sql(limit as u64)), |row| row.get(0))?;
    rows.map(|row| row.map_err(ReadError::from).and_then(|body: String| read(&body))).collect()
}

/// The line about the VM of one request.
pub(super) fn of(connection: &Connection, id: &RequestId) -> Result<Option<VmLine>, ReadError> {
    let mut statement = connection.prepare_cached("SELECT body FROM vms WHERE request_id = ?1")?;
    let body: Option<String> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    body.map(|body| read(&body)).transpose()
}

/// A row's line.
pub(super) fn read(body: &str) -> Result<VmLine, ReadError> {
    serde_json::from_str(body).map_err(|error| ReadError::Unreadable {
        position: 0,
        why: Arc::from(format!("the line about a VM: {error}")),
    })
}
