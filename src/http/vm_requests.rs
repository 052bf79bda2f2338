//! `/api/v1/vm-requests`: make one, list them, look at one.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::admit::{self, Marks, Outcome};
use super::extract::{Caller, JsonBody, PathId, Query, Sent, no_such_request, state};
use super::problem::{Kind, Problem};
use super::resource;
use super::routes::{LIST_HREF, request_href};
use crate::intake::draft::{API_SOURCE, Draft, traceparent};
use crate::intake::signature::{Header, Headers};
use crate::journal::{IdempotencyKey, PAGE_MAX, PageQuery};
use crate::vm_request::{Phase, RequestId, Summary};

const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;
const PAGE_DEFAULT: usize = 50;

/// `POST`: a new request of an API caller.
pub(super) async fn create(
    request: HttpRequest,
    caller: Caller,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    let access = state.access.get();
    let count = |outcome| state.counters.intake.add(API_SOURCE, outcome);
    Query::of(&request, &[])?;
    let key = idempotency_key(&Sent(request.headers()))?;
    let draft = Draft::of_caller(&body.0, &caller.0.name);
    let idempotency = key.map(|key| IdempotencyKey {
        caller: caller.0.name.clone(),
        key,
        body_sha256: draft.body_sha256.clone(),
    });
    let traceparent =
        request.headers().get("traceparent").and_then(|value| traceparent(value.to_str().ok()?));
    let marks = Marks { delivery_id: None, idempotency, traceparent };
    let outcome = admit::call(state, &access.catalog, draft, marks).await.inspect_err(|problem| {
        let invalid = [Kind::InvalidRequest, Kind::NameTaken];
        let outcomes = [(Kind::IdempotencyKeyReused, "key_reused"), (Kind::QueueFull, "queue_full")];
        let known = outcomes.into_iter().find(|(kind, _)| *kind == problem.kind());
        let other = if invalid.contains(&problem.kind()) { "invalid" } else { "failed" };
        count(known.map_or(other, |(_, outcome)| outcome));
    })?;
    count(outcome.name());
    let (id, mut answer) = match outcome {
        Outcome::New { id, .. } => (id, HttpResponse::Created()),
        Outcome::Seen { id, .. } => (id, HttpResponse::Ok()),
        Outcome::Rejected { violations, .. } => return Err(Problem::invalid(violations)),
    };
    let body = one(state, &id).await?;
    Ok(answer.insert_header(("location", request_href(&id))).json(body))
}

/// `GET …/{id}`.
pub(super) async fn get(request: HttpRequest, _: Caller, id: PathId) -> Result<HttpResponse, Problem> {
    Query::of(&request, &[])?;
    let body = one(state(&request)?, &id.0).await?;
    Ok(HttpResponse::Ok().json(body))
}

async fn one(state: &super::AppState, id: &RequestId) -> Result<Value, Problem> {
    let known = state.journal.load_state(id).await?;
    let mut shown = known.as_ref().map(resource::of).ok_or_else(no_such_request)?;
    shown["trouble"] = json!((state.trouble)(id));
    Ok(shown)
}

/// `GET`: a page, newest first.
pub(super) async fn list(request: HttpRequest, _: Caller) -> Result<HttpResponse, Problem> {
    const KNOWN: [&str; 8] =
        ["phase", "vm_name", "environment", "ticket", "source", "text", "cursor", "limit"];
    let state = state(&request)?;
    let mut query = Query::of(&request, &KNOWN)?;
    let phases = Phase::ALL.map(Phase::name).join(", ");
    let in_range = |text: &str| text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    let page = PageQuery {
        phase: query.parsed("phase", &phases, Phase::from_name)?,
        limit: query.parsed("limit", &format!("1 to {PAGE_MAX}"), in_range)?.unwrap_or(PAGE_DEFAULT),
        vm_name: query.text("vm_name"),
        environment: query.text("environment"),
        ticket: query.text("ticket"),
        source: query.text("source"),
        text: query.text("text"),
        cursor: query.text("cursor"),
    };
    let found = state.journal.page(&page).await?;
    let items: Vec<Value> = found.items.iter().map(line).collect();
    let next = found.next_cursor.as_ref().map(|cursor| next_href(request.query_string(), cursor));
    let body = json!({ "items": items, "next_cursor": found.next_cursor, "links": { "next": next } });
    Ok(HttpResponse::Ok().json(body))
}

fn line(summary: &Summary) -> Value {
    let mut line = json!(summary);
    if let Some(fields) = line.as_object_mut() {
        fields.remove("place_key"); // how the journal compares places is its own business
        fields.insert("href".to_owned(), json!(request_href(&summary.id)));
    }
    line
}

/// The same query with another cursor. A cursor is made of characters that need no escaping.
fn next_href(query: &str, cursor: &str) -> String {
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let pairs: Vec<&str> = kept.collect();
    let rest = if pairs.is_empty() { String::new() } else { format!("{}&", pairs.join("&")) };
    format!("{LIST_HREF}?{rest}cursor={cursor}")
}

fn idempotency_key(sent: &Sent<'_>) -> Result<Option<String>, Problem> {
    let value = match sent.header("idempotency-key") {
        Header::Missing => return Ok(None),
        Header::One(value) => value,
        Header::Many => &[],
    };
    let good = (1..=IDEMPOTENCY_KEY_BYTES_MAX).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ');
    if good {
        return Ok(Some(String::from_utf8_lossy(value).into_owned()));
    }
    let detail = format!(
        "Idempotency-Key has to stand once, with 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible ASCII characters."
    );
    Err(Problem::new(Kind::InvalidHeader, detail))
}
