//! Events and requests as they are read back.

use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row};

use super::batch::{sql, unsigned};
use super::chain::Hash;
use super::error::ReadError;
use super::projection;
use crate::vm_request::{Event, Phase, RequestId, State, Summary};

/// An event as it stands in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Its place over all requests, in the order of commits; the first is 1.
    pub position: u64,
    pub request_id: RequestId,
    /// Its place in its request; the first is 1.
    pub seq: u64,
    pub at: Timestamp,
    pub event: Event,
    /// [`Event::kind`].
    pub kind: String,
    pub hash: Hash,
}

/// A request: what its events fold to, and they themselves.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub state: State,
    pub events: Vec<Recorded>,
}

/// The columns of an event, in the order in which [`RawEvent::read`] expects them.
pub(super) const EVENT_COLUMNS: &str = "position, request_id, seq, at, kind, body, hash";

/// An event's row, not yet understood.
#[derive(Debug)]
pub(super) struct RawEvent {
    pub position: u64,
    pub request_id: String,
    pub seq: u64,
    pub at_micros: i64,
    pub kind: String,
    pub body: String,
    pub hash: Hash,
}

impl RawEvent {
    pub fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            position: unsigned(row.get(0)?),
            request_id: row.get(1)?,
            seq: unsigned(row.get(2)?),
            at_micros: row.get(3)?,
            kind: row.get(4)?,
            body: row.get(5)?,
            hash: row.get(6)?,
        })
    }

    pub fn at(&self) -> Result<Timestamp, String> {
        Timestamp::from_microsecond(self.at_micros).map_err(|error| error.to_string())
    }

    pub fn event(&self) -> Result<Event, String> {
        serde_json::from_str(&self.body).map_err(|error| error.to_string())
    }

    pub fn understand(self) -> Result<Recorded, ReadError> {
        let position = self.position;
        let unreadable = |why: String| ReadError::Unreadable { position, why: Arc::from(why) };
        Ok(Recorded {
            position,
            request_id: self.request_id.parse().map_err(|error| unreadable(format!("{error}")))?,
            seq: self.seq,
            at: self.at().map_err(unreadable)?,
            event: self.event().map_err(unreadable)?,
            kind: self.kind,
            hash: self.hash,
        })
    }
}

/// The request's events in order; none when there is no such request.
pub(super) fn events_of(connection: &Connection, id: &RequestId) -> Result<Vec<Recorded>, ReadError> {
    let mut statement = connection
        .prepare_cached(&format!("SELECT {EVENT_COLUMNS} FROM events WHERE request_id = ?1 ORDER BY seq"))?;
    let rows = statement.query_map([id.as_str()], RawEvent::read)?;
    rows.map(|row| row.map_err(ReadError::from).and_then(RawEvent::understand)).collect()
}

/// The request's state and events.
pub(super) fn load(connection: &Connection, id: &RequestId) -> Result<Option<Loaded>, ReadError> {
    let events = events_of(connection, id)?;
    if events.is_empty() {
        return Ok(None);
    }
    let state = State::replay(id, events.iter().map(|recorded| (recorded.at, &recorded.event)))
        .map_err(|illegal| ReadError::Illegal { id: id.clone(), illegal })?;
    Ok(Some(Loaded { state, events }))
}

/// Events after a position, in order.
pub(super) fn tail(connection: &Connection, after: u64, limit: usize) -> Result<Vec<Recorded>, ReadError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {EVENT_COLUMNS} FROM events WHERE position > ?1 ORDER BY position LIMIT ?2"
    ))?;
    let rows = statement.query_map([sql(after), sql(limit as u64)], RawEvent::read)?;
    rows.map(|row| row.map_err(ReadError::from).and_then(RawEvent::understand)).collect()
}

/// The line about a request.
pub(super) fn summary(connection: &Connection, id: &RequestId) -> Result<Option<Summary>, ReadError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {} FROM requests WHERE id = ?1", projection::COLUMNS))?;
    let mut rows = statement.query([id.as_str()])?;
    rows.next()?.map(projection::read).transpose()
}

/// Ids of active requests after `after`, in order.
pub(super) fn active(
    connection: &Connection,
    after: Option<&RequestId>,
    limit: usize,
) -> Result<Vec<RequestId>, ReadError> {
    let mut statement = connection
        .prepare_cached("SELECT id FROM requests WHERE is_active = 1 AND id > ?1 ORDER BY id LIMIT ?2")?;
    let after = after.map_or("", RequestId::as_str);
    let rows = statement.query_map((after, sql(limit as u64)), |row| row.get::<_, String>(0))?;
    rows.map(|row| parse_id(&row?)).collect()
}

/// How many requests stand in each phase that is not an end. Ends grow for ever, and are not counted.
pub(super) fn open_by_phase(connection: &Connection) -> Result<Vec<(Phase, u64)>, ReadError> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM requests WHERE phase = ?1")?;
    let open = Phase::ALL.into_iter().filter(|phase| !phase.is_over());
    open.map(|phase| {
        let count = statement.query_row([phase.name()], |row| row.get::<_, i64>(0))?;
        Ok((phase, unsigned(count)))
    })
    .collect()
}

/// The request whose last accepted run this is.
pub(super) fn find_by_run(
    connection: &Connection,
    controller: &str,
    workflow_job: i64,
) -> Result<Option<RequestId>, ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM requests WHERE workflow_job = ?1 AND controller = ?2 ORDER BY id DESC LIMIT 1",
    )?;
    let found: Option<String> =
        statement.query_row((workflow_job, controller), |row| row.get(0)).optional()?;
    found.map(|id| parse_id(&id)).transpose()
}

fn parse_id(text: &str) -> Result<RequestId, ReadError> {
    text.parse()
        .map_err(|error| ReadError::Unreadable { position: 0, why: Arc::from(format!("{text}: {error}")) })
}
