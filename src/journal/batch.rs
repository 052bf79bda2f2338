//! One transaction of the writer: decides about each item, writes it, and commits all of them.
//!
//! An item that must be refused is refused by a look before anything of it is written, so it leaves nothing to
//! undo and the others go on. Nobody is answered before the commit is durable.

use rusqlite::{Connection, OptionalExtension, Statement, params};

use super::chain::{self, Hash, OpenCheckpoint};
use super::error::{AdmitError, AppendError};
use super::lanes::Work;
use super::projection;
use super::sightings;
use super::vms;
use super::write::{AdmissionRows, Admitted, AppendRows, Appended, EventRow, KeyRow, SeenBy};
use crate::vm_request::{Phase, RequestId};

/// The writer's statements, prepared once.
pub(super) struct Statements<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    find_key: Statement<'c>,
    put_key: Statement<'c>,
    find_place: Statement<'c>,
    head: Statement<'c>,
    insert_event: Statement<'c>,
    insert_request: Statement<'c>,
    update_request: Statement<'c>,
    put_vm: Statement<'c>,
    drop_vm: Statement<'c>,
    insert_checkpoint: Statement<'c>,
    purge_look: Statement<'c>,
    purge: Statement<'c>,
    sightings: sightings::Statements<'c>,
}

impl<'c> Statements<'c> {
    pub fn prepare(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            find_key: connection
                .prepare("SELECT request_id, body_sha256, expires_at FROM keys WHERE kind = ?1 AND key = ?2")?,
            put_key: connection.prepare(
                "INSERT INTO keys (kind, key, request_id, body_sha256, expires_at) VALUES (?1, ?2, ?3, ?4, ?5) \
                 ON CONFLICT (kind, key) DO UPDATE SET request_id = excluded.request_id, \
                 body_sha256 = excluded.body_sha256, expires_at = excluded.expires_at",
            )?,
            find_place: connection.prepare("SELECT id FROM requests WHERE place_key = ?1")?,
            head: connection.prepare("SELECT head_seq, head_hash, place_key FROM requests WHERE id = ?1")?,
            insert_event: connection.prepare(
                "INSERT INTO events (position, request_id, seq, at, kind, body, hash) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?,
            insert_request: connection.prepare(projection::INSERT)?,
            update_request: connection.prepare(projection::UPDATE)?,
            put_vm: connection.prepare(vms::INSERT)?,
            drop_vm: connection.prepare(vms::DELETE)?,
            insert_checkpoint: connection
                .prepare("INSERT INTO checkpoints (position, at, hash) VALUES (?1, ?2, ?3)")?,
            purge_look: connection.prepare(
                "SELECT kind, key, expires_at FROM keys WHERE (kind, key) > (?1, ?2) ORDER BY kind, key LIMIT ?3",
            )?,
            purge: connection.prepare("DELETE FROM keys WHERE kind = ?1 AND key = ?2")?,
            sightings: sightings::Statements::prepare(connection)?,
        })
    }
}

/// Where the file's end is: all that the writer keeps in memory between two transactions.
#[derive(Debug, Clone)]
pub(super) struct Tip {
    /// Position of the last event; 0 when there is none.
    pub position: u64,
    pub checkpoint: OpenCheckpoint,
    /// The key after which the next purge looks.
    pub purged_up_to: (String, String),
}

/// What a transaction does beside its items.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chores {
    /// Microseconds.
    pub now: i64,
    pub checkpoint_every_events: u64,
    /// Keys to look at; 0: none in this transaction.
    pub purge_keys_max: u32,
}

/// A transaction that failed, and its items.
pub(super) struct Failed {
    pub error: rusqlite::Error,
    pub batch: Vec<Work>,
}

/// Writes `batch` in one transaction and returns it with its outcomes, durable and not yet told. After an error
/// nothing is written.
pub(super) fn write(
    connection: &Connection,
    statements: &mut Statements<'_>,
    tip: &mut Tip,
    mut batch: Vec<Work>,
    chores: Chores,
) -> Result<Vec<Work>, Failed> {
    let mut next = tip.clone();
    let mut run = || -> rusqlite::Result<()> {
        statements.begin.execute([])?;
        for work in &mut batch {
            match work {
                Work::Admit(ask) => ask.outcome = Some(admit(statements, &mut next, &ask.rows)?),
                Work::Append(ask) => ask.outcome = Some(append(statements, &mut next, &ask.rows)?),
                Work::See(ask) => ask.outcome = Some(Ok(statements.sightings.write(&ask.rows)?)),
            }
        }
        if next.checkpoint.events() >= chores.checkpoint_every_events {
            seal(statements, &mut next, chores.now)?;
        }
        if chores.purge_keys_max > 0 {
            purge(statements, &mut next, chores)?;
        }
        statements.commit.execute([])?;
        Ok(())
    };
    if let Err(error) = run() {
        roll_back(connection);
        return Err(Failed { error, batch });
    }
    *tip = next;
    Ok(batch)
}

/// Writes a checkpoint over what came since the last one, in a transaction of its own.
pub(super) fn seal_now(
    connection: &Connection,
    statements: &mut Statements<'_>,
    tip: &mut Tip,
    now: i64,
) -> rusqlite::Result<()> {
    if tip.checkpoint.events() == 0 {
        return Ok(());
    }
    let mut next = tip.clone();
    let mut run = || -> rusqlite::Result<()> {
        statements.begin.execute([])?;
        seal(statements, &mut next, now)?;
        statements.commit.execute([])?;
        Ok(())
    };
    run().inspect_err(|_| roll_back(connection))?;
    *tip = next;
    Ok(())
}

/// Whether the journal holds a request of this id.
pub(super) fn exists(statements: &mut Statements<'_>, id: &RequestId) -> rusqlite::Result<bool> {
    statements.head.exists([id.as_str()])
}

fn admit(
    statements: &mut Statements<'_>,
    tip: &mut Tip,
    rows: &AdmissionRows,
) -> rusqlite::Result<Result<Admitted, AdmitError>> {
    for key in &rows.keys {
        if let Some(seen) = look_up(statements, key, rows.at_micros)? {
            return Ok(Ok(seen));
        }
    }
    if let Some(place_key) = &rows.summary.place_key
        && let Some(id) = place_holder(statements, place_key)?
    {
        return Ok(Ok(Admitted::PlaceTaken { id, place_key: place_key.clone() }));
    }
    let id = rows.summary.id.as_str();
    for ((seq, event), hash) in (1..).zip(&rows.events).zip(&rows.hashes) {
        insert_event(statements, tip, id, seq, rows.at_micros, event, hash)?;
    }
    let head_hash = rows.hashes.last().copied().unwrap_or(chain::NOTHING_BEFORE);
    projection::insert(
        &mut statements.insert_request,
        &rows.summary,
        sql(rows.events.len() as u64),
        &head_hash,
    )?;
    if let Some(line) = &rows.summary.vm {
        vms::insert(&mut statements.put_vm, line)?;
    }
    for key in &rows.keys {
        statements.put_key.execute(params![key.kind, key.key, id, key.body_sha256, key.expires_at])?;
    }
    Ok(Ok(Admitted::New { position: tip.position }))
}

/// What `key` was used for, unless its time is over.
fn look_up(statements: &mut Statements<'_>, key: &KeyRow, now: i64) -> rusqlite::Result<Option<Admitted>> {
    type Found = (String, Option<String>, Option<i64>);
    let found: Option<Found> = statements
        .find_key
        .query_row([&key.kind, &key.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((id, body_sha256, expires_at)) = found else { return Ok(None) };
    if expires_at.is_some_and(|at| at <= now) {
        return Ok(None);
    }
    let id = request_id(&id)?;
    Ok(Some(match key.by {
        SeenBy::Idempotency if body_sha256 != key.body_sha256 => Admitted::IdempotencyConflict { id },
        by => Admitted::Seen { id, by },
    }))
}

fn append(
    statements: &mut Statements<'_>,
    tip: &mut Tip,
    rows: &AppendRows,
) -> rusqlite::Result<Result<Appended, AppendError>> {
    type Head = (i64, Hash, Option<String>);
    let id = rows.summary.id.as_str();
    let head: Option<Head> =
        statements.head.query_row([id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
    let Some((head_seq, mut hash, held_place)) = head else { return Ok(Err(AppendError::NoSuchRequest)) };
    let head_seq = unsigned(head_seq);
    if head_seq != rows.expected_seq {
        return Ok(Err(AppendError::Conflict { head_seq }));
    }
    if let Some(place_key) = &rows.summary.place_key
        && held_place.as_ref() != Some(place_key)
        && let Some(id) = place_holder(statements, place_key)?
    {
        return Ok(Err(AppendError::PlaceTaken { id }));
    }
    let mut seq = head_seq;
    for event in &rows.events {
        seq += 1;
        hash = chain::link(&hash, &event.digest);
        insert_event(statements, tip, id, seq, rows.at_micros, event, &hash)?;
    }
    projection::update(&mut statements.update_request, &rows.summary, sql(seq), &hash)?;
    match &rows.summary.vm {
        Some(line) => vms::insert(&mut statements.put_vm, line)?,
        None if rows.summary.phase == Phase::Done => drop(statements.drop_vm.execute([id])?),
        None => {}
    }
    Ok(Ok(Appended { head_seq: seq, position: tip.position }))
}

fn insert_event(
    statements: &mut Statements<'_>,
    tip: &mut Tip,
    id: &str,
    seq: u64,
    at_micros: i64,
    event: &EventRow,
    hash: &Hash,
) -> rusqlite::Result<()> {
    let position = tip.position + 1;
    statements.insert_event.execute(params![
        sql(position),
        id,
        sql(seq),
        at_micros,
        event.kind,
        event.body,
        hash
    ])?;
    tip.position = position;
    tip.checkpoint.push(hash);
    Ok(())
}

fn place_holder(statements: &mut Statements<'_>, place_key: &str) -> rusqlite::Result<Option<RequestId>> {
    let id: Option<String> = statements.find_place.query_row([place_key], |row| row.get(0)).optional()?;
    id.map(|id| request_id(&id)).transpose()
}

fn seal(statements: &mut Statements<'_>, tip: &mut Tip, now: i64) -> rusqlite::Result<()> {
    let hash = tip.checkpoint.seal(tip.position, now);
    statements.insert_checkpoint.execute(params![sql(tip.position), now, hash])?;
    tip.checkpoint = OpenCheckpoint::after(&hash);
    Ok(())
}

/// Looks at the next few keys and drops those whose time is over. A walk over all of them costs no index.
fn purge(statements: &mut Statements<'_>, tip: &mut Tip, chores: Chores) -> rusqlite::Result<()> {
    let (kind, key) = &tip.purged_up_to;
    let seen: Vec<(String, String, Option<i64>)> = statements
        .purge_look
        .query_map(params![kind, key, chores.purge_keys_max], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    for (kind, key, expires_at) in &seen {
        if expires_at.is_some_and(|at| at <= chores.now) {
            statements.purge.execute([kind, key])?;
        }
    }
    let is_round_done = seen.len() < chores.purge_keys_max as usize;
    tip.purged_up_to = match seen.into_iter().next_back() {
        Some((kind, key, _)) if !is_round_done => (kind, key),
        _ => (String::new(), String::new()),
    };
    Ok(())
}

fn roll_back(connection: &Connection) {
    // SQLite has rolled back by itself after some errors (disk full, out of memory).
    if connection.is_autocommit() {
        return;
    }
    if let Err(error) = connection.execute_batch("ROLLBACK") {
        tracing::error!(%error, "the journal could not roll back a transaction");
    }
}

fn request_id(text: &str) -> rusqlite::Result<RequestId> {
    text.parse().map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error))
    })
}

/// SQLite's integers are signed; a position or seq never gets near their end.
pub(super) fn sql(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back. A negative number stands in no file of ours.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
