//! `/api/v1/vm-requests/{id}/actions`: what a person may do with a request, and doing it. Doing is to write down who
//! wants what, and to wake whoever acts on it.

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::access::Person;
use super::extract::{Caller, JsonBody, PathId, Query, no_such_request, state};
use super::problem::{Kind, Problem};
use super::resource;
use super::state::AppState;
use crate::intake::json;
use crate::intake::pointer::child;
use crate::journal::{Append, AppendError};
use crate::vm_request::event::ByPerson;
use crate::vm_request::hold::OperatorAction;
use crate::vm_request::violation::Violation;
use crate::vm_request::{Event, RequestId, State};

/// The longest comment, in characters.
pub(super) const COMMENT_CHARS_MAX: usize = 2_000;

/// `GET`: the actions that are possible now.
pub(super) async fn list(request: HttpRequest, _: Caller, id: PathId) -> Result<HttpResponse, Problem> {
    Query::of(&request, &[])?;
    let known = state(&request)?.journal.load_state(&id.0).await?.ok_or_else(no_such_request)?;
    Ok(HttpResponse::Ok().json(json!({ "phase": known.phase, "items": resource::actions(&known) })))
}

/// `POST …/{action}`.
pub(super) async fn act(
    request: HttpRequest,
    caller: Caller,
    id: PathId,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    Query::of(&request, &[])?;
    let action = request.match_info().get("action").and_then(OperatorAction::from_name).ok_or_else(|| {
        let names = OperatorAction::ALL.map(OperatorAction::name).join(", ");
        Problem::new(Kind::NotFound, format!("There is no such action; there are {names}."))
    })?;
    let count = |outcome| state.counters.actions.add(action.name(), outcome);
    let needs_right = matches!(action, OperatorAction::Approve | OperatorAction::Deny);
    if needs_right && !caller.0.may_approve {
        count("not_allowed");
        let detail = format!("The token of {} may not approve or deny.", caller.0.name);
        return Err(Problem::new(Kind::NotAllowed, detail));
    }
    let comment = comment(&body.0)?;
    let after = perform(state, &id.0, action, &caller.0, &comment).await.inspect_err(|_| count("refused"))?;
    count("done");
    tracing::info!(request.id = %id.0, action = action.name(), by = caller.0.name, "a person acted");
    (state.waker)(&id.0);
    Ok(HttpResponse::Ok().json(resource::of(&after)))
}

/// Appends what `person` wants, at the state in which it is possible. Somebody else may append meanwhile, so it is
/// judged anew each time.
async fn perform(
    state: &AppState,
    id: &RequestId,
    action: OperatorAction,
    person: &Person,
    comment: &str,
) -> Result<State, Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        let known = state.journal.load_state(id).await?.ok_or_else(no_such_request)?;
        if !known.allows(action) {
            return Err(not_valid(&known, action));
        }
        let by = ByPerson { by: person.name.clone(), comment: comment.to_owned() };
        let events = vec![event(action, by)];
        let Ok((append, after)) = Append::following(&known, state.clock.now(), events) else {
            return Err(not_valid(&known, action));
        };
        match state.journal.append(append).await {
            Ok(_) => return Ok(after),
            Err(AppendError::Conflict { .. }) if tries < state.limits.append_tries_max => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn event(action: OperatorAction, by: ByPerson) -> Event {
    match action {
        OperatorAction::Approve => Event::Approved(by),
        OperatorAction::Deny => Event::Denied(by),
        OperatorAction::Retry => Event::RetryAsked(by),
        OperatorAction::Verify => Event::VerifyAsked(by),
        OperatorAction::Cancel => Event::CancelAsked(by),
        OperatorAction::GiveUp => Event::GivenUp(by),
    }
}

fn not_valid(known: &State, action: OperatorAction) -> Problem {
    let valid: Vec<&str> = known.operator_actions().into_iter().map(OperatorAction::name).collect();
    let possible = if valid.is_empty() { "nothing".to_owned() } else { valid.join(", ") };
    let (name, phase) = (action.name(), known.phase.name());
    let detail = format!("{name} is not possible in phase {phase}; possible now: {possible}.");
    Problem::new(Kind::ActionNotValid, detail)
        .with("phase", json!(known.phase))
        .with("valid_actions", resource::actions(known))
}

/// `{"comment": "…"}`, or `{}`.
fn comment(body: &Bytes) -> Result<String, Problem> {
    let read = json::parse(body).map_err(|violation| Problem::invalid(vec![violation]))?;
    let Value::Object(fields) = read else {
        return Err(Problem::invalid(vec![Violation::new("", "is no object", "an object, e.g. {}")]));
    };
    let mut comment = String::new();
    let mut found = Vec::new();
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("comment", Value::String(text)) if text.chars().count() <= COMMENT_CHARS_MAX => comment = text,
            ("comment", _) => {
                let expected = format!("a string of at most {COMMENT_CHARS_MAX} characters");
                found.push(Violation::new("/comment", "is no comment", expected));
            }
            (other, _) => found.push(Violation::new(child("", other), "is not a known field", "`comment`")),
        }
    }
    if found.is_empty() { Ok(comment) } else { Err(Problem::invalid(found)) }
}
