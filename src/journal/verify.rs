//! Proves the whole file: SQLite's own check, every request's chain, order and replay, the projection against the
//! replay, the positions and the checkpoints. It changes nothing and names the first bad event of each request.
//!
//! What it cannot see: a cut at the end of the whole file that also took the checkpoints and the projection along.
//! For that, note [`VerifyReport::head`] elsewhere and compare.

use std::fmt;

use rusqlite::{Connection, OptionalExtension};

use super::batch::unsigned;
use super::chain::{self, Hash, OpenCheckpoint};
use super::error::ReadError;
use super::open;
use super::projection;
use super::read::{EVENT_COLUMNS, RawEvent};
use super::rebuild;
use super::vms;
use crate::vm_request::{State, Summary};

/// Faults that are listed; all are counted.
pub const FAULTS_MAX: usize = 1_000;

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    pub requests: u64,
    pub events: u64,
    pub checkpoints: u64,
    /// The last checkpoint: whoever notes it can later prove that nothing before it was cut.
    pub head: Option<CheckpointHead>,
    /// At most [`FAULTS_MAX`].
    pub faults: Vec<Fault>,
    pub faults_total: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.faults_total == 0
    }

    fn add(&mut self, fault: Fault) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }
}

/// The last checkpoint of the chain over all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckpointHead {
    pub position: u64,
    pub hash: Hash,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// As it stands in the file, which may be no id at all.
    pub request_id: Option<String>,
    pub seq: Option<u64>,
    pub position: Option<u64>,
    pub kind: FaultKind,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// SQLite's own check.
    File(String),
    /// Another `seq` belongs here.
    SeqGap { expected: u64 },
    /// The hash does not follow from the event and the one before it.
    Hash,
    /// The `kind` is not the event's.
    Kind,
    /// The event cannot be understood or cannot follow.
    Replay(String),
    /// A position is missing before this one.
    PositionGap { expected: u64 },
    /// The checkpoint is not that of the events before it.
    Checkpoint,
    /// There is no line about the request.
    LineMissing,
    /// The line about the request is not what its events say.
    LineDiffers { columns: Vec<&'static str> },
    /// There is a line about a request that has no events.
    LineWithoutEvents,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.request_id {
            write!(f, "{id}")?;
            if let Some(seq) = self.seq {
                write!(f, " seq {seq}")?;
            }
            f.write_str(": ")?;
        }
        if let Some(position) = self.position {
            write!(f, "position {position}: ")?;
        }
        match &self.kind {
            FaultKind::File(finding) => write!(f, "SQLite reports: {finding}"),
            FaultKind::SeqGap { expected } => write!(f, "seq {expected} is missing before it"),
            FaultKind::Hash => f.write_str("the hash does not follow from the event and the one before it"),
            FaultKind::Kind => f.write_str("the kind is not the event's"),
            FaultKind::Replay(why) => write!(f, "cannot be replayed: {why}"),
            FaultKind::PositionGap { expected } => write!(f, "position {expected} is missing before it"),
            FaultKind::Checkpoint => f.write_str("the checkpoint is not that of the events before it"),
            FaultKind::LineMissing => f.write_str("the projection lacks it"),
            FaultKind::LineDiffers { columns } => {
                write!(f, "the projection differs in {}", columns.join(", "))
            }
            FaultKind::LineWithoutEvents => {
                f.write_str("the projection has it and the journal has no events of it")
            }
        }
    }
}

/// Verifies what `connection` sees at one moment.
pub(super) fn run(connection: &Connection) -> Result<VerifyReport, ReadError> {
    let snapshot = connection.unchecked_transaction()?;
    let mut report = VerifyReport::default();
    for finding in open::check(&snapshot, "integrity_check")? {
        report.add(Fault { request_id: None, seq: None, position: None, kind: FaultKind::File(finding) });
    }
    verify_requests(&snapshot, &mut report)?;
    verify_positions(&snapshot, &mut report)?;
    verify_lines_have_events(&snapshot, &mut report)?;
    snapshot.finish()?;
    Ok(report)
}

/// How far the walk through one request has come.
struct Walk {
    request_id: String,
    seq: u64,
    hash: Hash,
    state: Option<State>,
    /// Its first bad event was named; nothing after it can be judged.
    is_broken: bool,
}

fn verify_requests(connection: &Connection, report: &mut VerifyReport) -> Result<(), ReadError> {
    let mut statement =
        connection.prepare(&format!("SELECT {EVENT_COLUMNS} FROM events ORDER BY request_id, seq"))?;
    let mut rows = statement.query([])?;
    let mut walk: Option<Walk> = None;
    while let Some(row) = rows.next()? {
        let raw = RawEvent::read(row)?;
        report.events += 1;
        let belongs = walk.as_ref().is_some_and(|walk| walk.request_id == raw.request_id);
        if !belongs {
            finish(connection, walk.take(), report)?;
        }
        let walk = walk.get_or_insert_with(|| Walk {
            request_id: raw.request_id.clone(),
            seq: 0,
            hash: chain::NOTHING_BEFORE,
            state: None,
            is_broken: false,
        });
        if walk.is_broken {
            continue;
        }
        if let Err(kind) = step(walk, &raw) {
            walk.is_broken = true;
            report.add(Fault {
                request_id: Some(raw.request_id),
                seq: Some(raw.seq),
                position: Some(raw.position),
                kind,
            });
        }
    }
    finish(connection, walk, report)
}

fn step(walk: &mut Walk, raw: &RawEvent) -> Result<(), FaultKind> {
    let expected = walk.seq + 1;
    if raw.seq != expected {
        return Err(FaultKind::SeqGap { expected });
    }
    let digest =
        chain::content_digest(&raw.request_id, raw.seq, raw.at_micros, &raw.kind, raw.body.as_bytes());
    if chain::link(&walk.hash, &digest) != raw.hash {
        return Err(FaultKind::Hash);
    }
    if raw.event().is_ok_and(|event| event.kind() != raw.kind) {
        return Err(FaultKind::Kind);
    }
    walk.state = Some(rebuild::fold(walk.state.take(), raw).map_err(FaultKind::Replay)?);
    walk.seq = raw.seq;
    walk.hash = raw.hash;
    Ok(())
}

/// Compares the line about a request with what its events say.
fn finish(connection: &Connection, walk: Option<Walk>, report: &mut VerifyReport) -> Result<(), ReadError> {
    let Some(walk) = walk else { return Ok(()) };
    report.requests += 1;
    let Some(state) = walk.state.filter(|_| !walk.is_broken) else { return Ok(()) };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {}, head_seq, head_hash FROM requests WHERE id = ?1",
        projection::COLUMNS
    ))?;
    let mut rows = statement.query([&walk.request_id])?;
    let kind = match rows.next()? {
        None => Some(FaultKind::LineMissing),
        Some(row) => {
            let head: (i64, Hash) = (row.get("head_seq")?, row.get("head_hash")?);
            let is_head = unsigned(head.0) == walk.seq && head.1 == walk.hash;
            let columns = match projection::read(row) {
                Ok(mut line) => {
                    line.vm = vms::of(connection, &line.id)?.map(Box::new);
                    differing_columns(&line, &Summary::of(&state), is_head)
                }
                Err(_) => vec!["all: the line cannot be read"],
            };
            (!columns.is_empty()).then_some(FaultKind::LineDiffers { columns })
        }
    };
    if let Some(kind) = kind {
        report.add(Fault { request_id: Some(walk.request_id), seq: None, position: None, kind });
    }
    Ok(())
}

fn differing_columns(found: &Summary, told: &Summary, is_head: bool) -> Vec<&'static str> {
    let pairs = [
        ("phase", found.phase == told.phase),
        ("hold", found.hold == told.hold),
        ("source", found.source == told.source),
        ("ticket", found.ticket == told.ticket),
        ("vm_name", found.vm_name == told.vm_name),
        ("environment", found.environment == told.environment),
        ("controller", found.controller == told.controller),
        ("workflow_job", found.workflow_job == told.workflow_job),
        ("attempt_no", found.attempt_no == told.attempt_no),
        ("created_at", found.created_at == told.created_at),
        ("updated_at", found.updated_at == told.updated_at),
        ("is_active", found.is_active == told.is_active),
        ("place_key", found.place_key == told.place_key),
        ("vm", found.vm == told.vm),
        ("head", is_head),
    ];
    let columns: Vec<&'static str> =
        pairs.into_iter().filter(|(_, is_same)| !is_same).map(|(column, _)| column).collect();
    // A field that was added to the summary and not here must not pass as equal.
    if columns.is_empty() && found != told { vec!["another column"] } else { columns }
}

fn verify_positions(connection: &Connection, report: &mut VerifyReport) -> Result<(), ReadError> {
    let mut sealed = connection.prepare("SELECT at, hash FROM checkpoints WHERE position = ?1")?;
    let mut statement = connection.prepare("SELECT position, hash FROM events ORDER BY position")?;
    let mut rows = statement.query([])?;
    let mut open = OpenCheckpoint::after(&chain::NOTHING_BEFORE);
    let mut last = 0;
    let at_position = |position, kind| Fault { request_id: None, seq: None, position: Some(position), kind };
    while let Some(row) = rows.next()? {
        let (signed, hash): (i64, Hash) = (row.get(0)?, row.get(1)?);
        let position = unsigned(signed);
        if position != last + 1 {
            report.add(at_position(position, FaultKind::PositionGap { expected: last + 1 }));
        }
        last = position;
        open.push(&hash);
        let found: Option<(i64, Hash)> =
            sealed.query_row([signed], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((at_micros, checkpoint)) = found else { continue };
        report.checkpoints += 1;
        report.head = Some(CheckpointHead { position, hash: checkpoint });
        if open.seal(position, at_micros) != checkpoint {
            report.add(at_position(position, FaultKind::Checkpoint));
        }
        open = OpenCheckpoint::after(&checkpoint);
    }
    let mut stray = connection
        .prepare("SELECT position FROM checkpoints WHERE position NOT IN (SELECT position FROM events)")?;
    for position in stray.query_map([], |row| row.get(0))? {
        report.checkpoints += 1;
        report.add(at_position(unsigned(position?), FaultKind::Checkpoint));
    }
    Ok(())
}

fn verify_lines_have_events(connection: &Connection, report: &mut VerifyReport) -> Result<(), ReadError> {
    let mut statement = connection.prepare(
        "SELECT id FROM requests WHERE NOT EXISTS (SELECT 1 FROM events WHERE request_id = requests.id)",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let kind = FaultKind::LineWithoutEvents;
        report.add(Fault { request_id: Some(row.get(0)?), seq: None, position: None, kind });
    }
    Ok(())
}
