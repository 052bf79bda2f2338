//! The one way of a new request into the journal, for webhooks and for the API.

use super::problem::{Kind, Problem};
use super::state::AppState;
use crate::intake::draft::Draft;
use crate::journal::{Admission, AdmissionKeys, Admitted, IdempotencyKey, journal_time};
use crate::vm_request::catalog::Catalog;
use crate::vm_request::event::Rejected;
use crate::vm_request::state::Origin;
use crate::vm_request::violation::Violation;
use crate::vm_request::{Event, Phase, RequestId, State};

/// By what a copy of a delivery is recognised, beside its ticket.
pub(super) struct Marks {
    pub delivery_id: Option<String>,
    pub idempotency: Option<IdempotencyKey>,
    pub traceparent: Option<String>,
}

/// What became of a draft. Whatever it is, it is on disk.
pub(super) enum Outcome {
    New {
        id: RequestId,
        phase: Phase,
    },
    /// It is known, and was accepted then.
    Seen {
        id: RequestId,
        phase: Phase,
    },
    /// It cannot be met, now or when it came first.
    Rejected {
        id: RequestId,
        violations: Vec<Violation>,
    },
}

impl Outcome {
    /// The outcome in one word, for counters.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::New { .. } => "new",
            Self::Seen { .. } => "seen",
            Self::Rejected { .. } => "invalid",
        }
    }
}

/// Journals what a signed source sent, invalid requests too: a ticket must be able to learn why nothing comes of it.
pub(super) async fn delivery(
    state: &AppState,
    catalog: &Catalog,
    draft: Draft,
    marks: Marks,
) -> Result<Outcome, Problem> {
    let refused = Rejected {
        source: draft.source.clone(),
        ticket: draft.ticket.clone(),
        body_sha256: draft.body_sha256.clone(),
        violations: Vec::new(),
    };
    let Step { id, event, keys, at } = step(state, catalog, draft, marks);
    match admit(state, id, event, keys.clone(), at).await? {
        Verdict::Is(outcome) => Ok(outcome),
        Verdict::PlaceTaken { by } => {
            let detail = format!("is held by request {by}");
            let violations = vec![Violation::new("/vm_name", detail, "a name that is free in its folder")];
            let event = Event::Rejected(Rejected { violations, ..refused });
            match admit(state, new_id(state), event, keys, at).await? {
                Verdict::Is(outcome) => Ok(outcome),
                Verdict::PlaceTaken { .. } => Err(Problem::internal(&"a rejected request takes no place")),
            }
        }
    }
}

/// Journals what an API caller sent, valid requests only: the caller is told at once, and nobody else asks.
pub(super) async fn call(
    state: &AppState,
    catalog: &Catalog,
    draft: Draft,
    marks: Marks,
) -> Result<Outcome, Problem> {
    let Step { id, event, keys, at } = step(state, catalog, draft, marks);
    if let Event::Rejected(rejected) = event {
        return Err(Problem::invalid(rejected.violations));
    }
    match admit(state, id, event, keys, at).await? {
        Verdict::Is(outcome) => Ok(outcome),
        Verdict::PlaceTaken { by } => {
            let detail = format!(
                "Request {by} holds the VM's name in its folder. Cancel it first, or take another name."
            );
            Err(Problem::new(Kind::NameTaken, detail).with("request", serde_json::json!(by)))
        }
    }
}

/// A draft that became an event.
struct Step {
    id: RequestId,
    event: Event,
    keys: AdmissionKeys,
    at: jiff::Timestamp,
}

fn step(state: &AppState, catalog: &Catalog, mut draft: Draft, marks: Marks) -> Step {
    let Marks { delivery_id, idempotency, traceparent } = marks;
    let delivery_id = delivery_id.or_else(|| draft.delivery_id.take());
    let request_key = draft.request_key();
    let is_marked = delivery_id.is_some() || idempotency.is_some();
    let is_call = draft.source == crate::intake::draft::API_SOURCE;
    let keys = AdmissionKeys {
        body_digest: (!is_marked && !is_call).then(|| (draft.source.clone(), draft.body_sha256.clone())),
        delivery: delivery_id.map(|id| (draft.source.clone(), id)),
        request_key,
        idempotency,
    };
    let id = new_id(state);
    let event = draft.into_event(catalog, &id, traceparent);
    Step { id, event, keys, at: journal_time(state.clock.now()) }
}

fn new_id(state: &AppState) -> RequestId {
    RequestId::from_parts(state.clock.now(), (state.dice)())
}

enum Verdict {
    Is(Outcome),
    PlaceTaken { by: RequestId },
}

async fn admit(
    state: &AppState,
    id: RequestId,
    event: Event,
    keys: AdmissionKeys,
    at: jiff::Timestamp,
) -> Result<Verdict, Problem> {
    let beginning = beginning(&event);
    let admission = Admission { id: id.clone(), at, events: vec![event], keys };
    match state.journal.admit(admission).await? {
        Admitted::New { .. } => Ok(Verdict::Is(match beginning {
            Beginning::Lives(phase) => {
                tracing::debug!(request.id = %id, "a request came in");
                (state.waker)(&id);
                Outcome::New { id, phase }
            }
            Beginning::Refused(violations) => {
                tracing::debug!(request.id = %id, violations = violations.len(), "a request was rejected");
                Outcome::Rejected { id, violations }
            }
        })),
        Admitted::Seen { id, .. } => known(state, id).await.map(Verdict::Is),
        Admitted::PlaceTaken { id, .. } => Ok(Verdict::PlaceTaken { by: id }),
        Admitted::IdempotencyConflict { id } => {
            let detail = "Send the same body again, or another key.";
            Err(Problem::new(Kind::IdempotencyKeyReused, detail).with("request", serde_json::json!(id)))
        }
    }
}

enum Beginning {
    Lives(Phase),
    Refused(Vec<Violation>),
}

fn beginning(event: &Event) -> Beginning {
    if let Event::Rejected(rejected) = event {
        return Beginning::Refused(rejected.violations.clone());
    }
    let waits = matches!(event, Event::Received(received) if received.approval_required);
    Beginning::Lives(if waits { Phase::AwaitingApproval } else { Phase::Received })
}

/// A copy is answered as the first one was: what was rejected then is rejected now.
async fn known(state: &AppState, id: RequestId) -> Result<Outcome, Problem> {
    let known: Option<State> = state.journal.load_state(&id).await?;
    let Some(known) = known else {
        return Err(Problem::internal(&"a key leads to a request that is not there"));
    };
    Ok(match known.origin {
        Origin::Received(_) | Origin::Adopted(_) => Outcome::Seen { id, phase: known.phase },
        Origin::Rejected(rejected) => Outcome::Rejected { id, violations: rejected.violations },
    })
}
