//! What callers hand to the writer and what it answers. Everything that needs no look at the file (folding, JSON,
//! digests) is done here, on the caller's side.

use jiff::Timestamp;

use super::chain::{self, Hash};
use super::error::{AdmitError, AppendError};
use super::options::JournalOptions;
use crate::vm_request::state::IllegalEvent;
use crate::vm_request::{Event, RequestId, State, Summary};

/// The journal's times have microseconds: `at`, cut to that. State and projection are folded from cut times only,
/// so that a replay gives the same.
#[must_use]
pub fn journal_time(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// A request on its way into the journal.
#[derive(Debug, Clone)]
pub struct Admission {
    pub id: RequestId,
    /// When it came in; cut to microseconds.
    pub at: Timestamp,
    /// What is known of it: first `Received` or `Rejected`.
    pub events: Vec<Event>,
    pub keys: AdmissionKeys,
}

/// By what a second copy of a request is recognised. Looked at in this order: idempotency key, delivery id,
/// request key, body digest; then the VM's place.
#[derive(Debug, Clone, Default)]
pub struct AdmissionKeys {
    /// Source and the sender's id of the delivery.
    pub delivery: Option<(String, String)>,
    /// Source and SHA-256 of the body, hex: only where the sender gives no id.
    pub body_digest: Option<(String, String)>,
    /// Source, ticket and item. Ignored for a rejected request, so that a mended one is not taken for a copy of it.
    pub request_key: Option<String>,
    pub idempotency: Option<IdempotencyKey>,
}

/// An `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header).
#[derive(Debug, Clone)]
pub struct IdempotencyKey {
    /// Who sent it: keys of different callers do not meet.
    pub caller: String,
    pub key: String,
    /// SHA-256 of the body, hex.
    pub body_sha256: String,
}

/// What became of an admission. Whatever it is, it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// It is a new request; `position` is that of its last event.
    New { position: u64 },
    /// It is known as `id`.
    Seen { id: RequestId, by: SeenBy },
    /// The idempotency key was used for another body, which became `id`.
    IdempotencyConflict { id: RequestId },
    /// The request `id` holds the VM's place.
    PlaceTaken { id: RequestId, place_key: String },
}

/// The key by which a copy was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenBy {
    Idempotency,
    Delivery,
    RequestKey,
    BodyDigest,
}

/// Events on their way into the journal of a request that exists.
#[derive(Debug, Clone)]
pub struct Append {
    pub id: RequestId,
    /// [`State::seq`] before `events`. Another head in the file is a conflict.
    pub expected_seq: u64,
    /// Cut to microseconds.
    pub at: Timestamp,
    pub events: Vec<Event>,
    /// The line about the request after `events`.
    pub summary: Summary,
}

impl Append {
    /// `events`, which follow `state` at `at`, and the state after them.
    ///
    /// # Errors
    /// [`IllegalEvent`] when one cannot follow.
    pub fn following(
        state: &State,
        at: Timestamp,
        events: Vec<Event>,
    ) -> Result<(Self, State), IllegalEvent> {
        let at = journal_time(at);
        let mut after = state.clone();
        for event in &events {
            after.apply(at, event)?;
        }
        let summary = Summary::of(&after);
        Ok((Self { id: state.id.clone(), expected_seq: state.seq, at, events, summary }, after))
    }
}

/// Where events went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The request's last `seq`.
    pub head_seq: u64,
    /// Position of the last event.
    pub position: u64,
}

/// An event as it will stand in the file; its hash still lacks the one before it.
#[derive(Debug)]
pub(super) struct EventRow {
    pub kind: &'static str,
    pub body: String,
    pub digest: Hash,
}

/// A row of `keys`.
#[derive(Debug)]
pub(super) struct KeyRow {
    pub by: SeenBy,
    pub kind: String,
    pub key: String,
    pub body_sha256: Option<String>,
    /// Microseconds; `None`: never.
    pub expires_at: Option<i64>,
}

/// An admission ready for the writer.
#[derive(Debug)]
pub(super) struct AdmissionRows {
    pub at_micros: i64,
    pub events: Vec<EventRow>,
    /// The hash of each event: a new request follows nothing, so its chain is known.
    pub hashes: Vec<Hash>,
    pub keys: Vec<KeyRow>,
    pub summary: Summary,
}

/// An append ready for the writer.
#[derive(Debug)]
pub(super) struct AppendRows {
    pub at_micros: i64,
    pub expected_seq: u64,
    pub events: Vec<EventRow>,
    pub summary: Summary,
}

impl AdmissionRows {
    pub fn prepare(admission: Admission, options: &JournalOptions) -> Result<Self, AdmitError> {
        let Admission { id, at, events, keys } = admission;
        let at = journal_time(at);
        let state = State::replay(&id, events.iter().map(|event| (at, event)))?;
        let at_micros = at.as_microsecond();
        let rows = event_rows(&id, 0, at_micros, &events)
            .map_err(|error| AdmitError::Unwritable(error.to_string().into()))?;
        let mut previous = chain::NOTHING_BEFORE;
        let hashes = rows
            .iter()
            .map(|row| {
                previous = chain::link(&previous, &row.digest);
                previous
            })
            .collect();
        let is_rejected = state.received().is_none();
        let keys = key_rows(keys, at_micros, is_rejected, options);
        Ok(Self { at_micros, events: rows, hashes, keys, summary: Summary::of(&state) })
    }

    pub fn bytes(&self) -> usize {
        self.events.iter().map(|row| row.body.len()).sum()
    }
}

impl AppendRows {
    pub fn prepare(append: Append) -> Result<Self, AppendError> {
        let at_micros = append.at.as_microsecond();
        let events = event_rows(&append.id, append.expected_seq, at_micros, &append.events)
            .map_err(|error| AppendError::Unwritable(error.to_string().into()))?;
        Ok(Self { at_micros, expected_seq: append.expected_seq, events, summary: append.summary })
    }

    pub fn bytes(&self) -> usize {
        self.events.iter().map(|row| row.body.len()).sum()
    }
}

fn event_rows(
    id: &RequestId,
    head_seq: u64,
    at_micros: i64,
    events: &[Event],
) -> Result<Vec<EventRow>, serde_json::Error> {
    let row = |(seq, event): (u64, &Event)| {
        let body = serde_json::to_string(event)?;
        let kind = event.kind();
        let digest = chain::content_digest(id.as_str(), seq, at_micros, kind, body.as_bytes());
        Ok(EventRow { kind, body, digest })
    };
    (head_seq + 1..).zip(events).map(row).collect()
}

fn key_rows(keys: AdmissionKeys, at_micros: i64, is_rejected: bool, options: &JournalOptions) -> Vec<KeyRow> {
    let until = |window_secs: u64| {
        let window_micros = i64::try_from(window_secs.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        Some(at_micros.saturating_add(window_micros))
    };
    let row = |by, kind: String, key, expires_at| KeyRow { by, kind, key, body_sha256: None, expires_at };
    let AdmissionKeys { delivery, body_digest, request_key, idempotency } = keys;
    let idempotency = idempotency.map(|found| KeyRow {
        by: SeenBy::Idempotency,
        kind: format!("idempotency:{}", found.caller),
        key: found.key,
        body_sha256: Some(found.body_sha256),
        expires_at: until(options.idempotency_window_secs),
    });
    let delivery = delivery.map(|(source, id)| {
        row(SeenBy::Delivery, format!("delivery:{source}"), id, until(options.delivery_window_secs))
    });
    let request_key = request_key
        .filter(|_| !is_rejected)
        .map(|key| row(SeenBy::RequestKey, "request".to_owned(), key, None));
    let body_digest = body_digest.map(|(source, digest)| {
        row(SeenBy::BodyDigest, format!("body:{source}"), digest, until(options.body_digest_window_secs))
    });
    [idempotency, delivery, request_key, body_digest].into_iter().flatten().collect()
}
