//! What the actor writes into the journal: the facts about one VM, and sightings in parts.

use jiff::Timestamp;

use crate::journal::{Append, AppendError, Journal, SIGHTINGS_MAX, Sightings};
use crate::vm_request::watch::Handled;
use crate::vm_request::watch::judge::{Judgement, Mend};
use crate::vm_request::{Event, RequestId, State};

/// What came of writing about one VM.
pub(super) enum Written {
    Done(Box<State>),
    /// The request moved on; what it says now.
    MovedOn(Option<Box<State>>),
    Failed,
}

/// The facts that follow from a judgement.
pub(super) fn events_of(judgement: &Judgement) -> Vec<Event> {
    let mut events: Vec<Event> = judgement.found.iter().cloned().map(Event::DriftFound).collect();
    if !judgement.cleared.is_empty() {
        events.push(Event::DriftCleared { fields: judgement.cleared.clone() });
    }
    for mend in &judgement.mend {
        if let Mend::Nothing { fields, why } = mend {
            let how = Handled::Refused { why: why.clone() };
            events.push(Event::DriftHandled { fields: fields.clone(), how });
        }
    }
    events
}

pub(super) async fn write(
    journal: &Journal,
    request: &RequestId,
    seq: u64,
    events: Vec<Event>,
    now: Timestamp,
) -> Written {
    let state = match journal.load_state(request).await {
        Ok(Some(state)) => state,
        Ok(None) => return Written::MovedOn(None),
        Err(error) => {
            tracing::warn!(%request, %error, "a request under watch was not read");
            return Written::Failed;
        }
    };
    if state.seq != seq {
        return Written::MovedOn(Some(Box::new(state)));
    }
    let (append, after) = match Append::following(&state, now.max(state.updated_at), events) {
        Ok(following) => following,
        Err(error) => {
            tracing::error!(%request, %error, "a finding does not follow");
            return Written::Failed;
        }
    };
    match journal.append(append).await {
        Ok(_) => Written::Done(Box::new(after)),
        Err(AppendError::Conflict { .. }) => Written::MovedOn(Some(Box::new(state))),
        Err(error) => {
            tracing::warn!(%request, %error, "a finding was not written");
            Written::Failed
        }
    }
}

/// At most [`SIGHTINGS_MAX`] rows each, drops first.
pub(super) fn parts(news: Sightings) -> Vec<Sightings> {
    let mut parts = Vec::new();
    let mut vms = news.vms.into_iter().peekable();
    let mut hosts = news.hosts.into_iter().peekable();
    let mut part = Sightings {
        vms_dropped: news.vms_dropped,
        hosts_dropped: news.hosts_dropped,
        ..Sightings::default()
    };
    loop {
        part.vms = vms.by_ref().take(SIGHTINGS_MAX).collect();
        part.hosts = hosts.by_ref().take(SIGHTINGS_MAX).collect();
        parts.push(std::mem::take(&mut part));
        if vms.peek().is_none() && hosts.peek().is_none() {
            return parts;
        }
    }
}
