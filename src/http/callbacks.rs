//! `POST /hooks/aap/{controller}`: a controller's notification. It is a hint: it makes a read due and proves nothing.
//! AWX sends it once, never again, and waits for the answer without a timeout (MEASURED 27), so it is answered as soon
//! as the fact is on disk, and 200 whatever it says.

use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse};

use super::extract::{CallbackBody, Sent, state};
use super::problem::{Kind, Problem};
use super::state::AppState;
use crate::intake::callback::Callback;
use crate::journal::{Append, AppendError, ReadError};
use crate::vm_request::event::{CallbackKind, RunStatus};
use crate::vm_request::state::Run;
use crate::vm_request::{Event, RequestId, State};

/// Takes one notification.
pub(super) async fn receive(
    request: HttpRequest,
    controller: Path<String>,
    body: CallbackBody,
) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    let access = state.access.get();
    let verifier = access.controller(&controller);
    let sent = Sent(request.headers());
    let verdict = verifier.map(|verifier| verifier.verify(&sent, &body.0, state.clock.now()));
    if !matches!(verdict, Some(Ok(_))) {
        let label = if verifier.is_some() { controller.as_str() } else { "(unknown)" };
        state.counters.callbacks_unused.add(label, "unauthenticated");
        let detail = "There is no such controller, or the notification does not carry its token or password.";
        return Err(Problem::new(Kind::Unauthenticated, detail));
    }
    let unused = |reason| state.counters.callbacks_unused.add(&controller, reason);
    let used = match Callback::read(&body.0) {
        Err(useless) => {
            unused(useless.name());
            false
        }
        Ok(callback) => match find(state, &controller, &callback).await? {
            Some(known) => {
                take(state, &controller, callback, known).await?;
                true
            }
            None => {
                unused("stranger");
                false
            }
        },
    };
    let body = if used { r#"{"used":true}"# } else { r#"{"used":false}"# };
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

/// The request that a notification is about. A child's body does not name its workflow job, so it is found by the
/// execution in its extra vars; the controller has to be the one that the request runs on.
async fn find(state: &AppState, controller: &str, callback: &Callback) -> Result<Option<State>, ReadError> {
    let by_run = match callback.kind {
        CallbackKind::WorkflowJob => state.journal.find_by_run(controller, callback.job).await?,
        CallbackKind::Job => None,
    };
    let Some(id) = by_run.or_else(|| callback.execution_id.clone()) else { return Ok(None) };
    let known = state.journal.load_state(&id).await?;
    let runs_there =
        |known: &State| known.received().is_some_and(|received| received.spec.controller == controller);
    Ok(known.filter(runs_there))
}

/// Wakes the request first, where a read is due: whether the fact can be written or not. The fact itself changes
/// nothing that a turn would look at.
async fn take(state: &AppState, controller: &str, callback: Callback, known: State) -> Result<(), Problem> {
    let id = known.id.clone();
    if makes_a_read_due(&known, &callback) {
        (state.waker)(&id);
    }
    let is_late = known.phase.is_over() || known.run.as_ref().is_some_and(|run| run.judged);
    state.counters.callbacks.add(&callback.template, if is_late { "late" } else { "seen" });
    let written = append(state, &id, Event::CallbackSeen(callback.seen(controller)), known).await;
    if let Some(reason) = written? {
        state.counters.callbacks_unused.add(controller, reason);
    }
    Ok(())
}

/// Whether the run is to be read before its next tick. A notification template sends some fifteen notifications a run;
/// the progress among them is read at the next tick with every other open run's. What shortens the wait is a sign of a
/// run that the bridge is looking for, and the end of the run that it follows (or a status that nobody knows).
fn makes_a_read_due(known: &State, callback: &Callback) -> bool {
    if known.intent.as_ref().is_some_and(|intent| intent.progress.is_sent()) {
        return true;
    }
    let is_live = known.run.as_ref().is_some_and(Run::is_live);
    let is_end = callback.status.is_terminal() || callback.status == RunStatus::Unheard;
    is_live && is_end && callback.kind == CallbackKind::WorkflowJob
}

/// Why the fact was not written, if it was not. A hint is not worth more than a few tries: what it is about is read
/// anyway, and AWX would not send it again.
async fn append(
    state: &AppState,
    id: &RequestId,
    event: Event,
    mut known: State,
) -> Result<Option<&'static str>, Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        if known.callbacks >= state.limits.callbacks_per_request_max {
            return Ok(Some("over_limit"));
        }
        let following = Append::following(&known, state.clock.now(), vec![event.clone()]);
        let (append, _) = following.map_err(AppendError::from)?;
        match state.journal.append(append).await {
            Ok(_) => return Ok(None),
            Err(AppendError::Conflict { .. }) if tries < state.limits.append_tries_max => {}
            Err(AppendError::Conflict { .. }) => return Ok(Some("crowded")),
            Err(error) => return Err(error.into()),
        }
        let Some(again) = state.journal.load_state(id).await? else { return Ok(Some("stranger")) };
        known = again;
    }
}
