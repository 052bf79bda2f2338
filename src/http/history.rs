//! What a request's journal holds: its events for readers, with their hashes for auditors, and the evidence in it.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::extract::{Caller, PathId, Query, no_such_request, state};
use super::problem::Problem;
use super::resource;
use super::routes::request_href;
use crate::journal::{Loaded, Recorded};
use crate::vm_request::{Event, RequestId};

/// The most events in one answer.
const EVENTS_MAX: usize = 500;

/// `GET …/{id}/events`: CloudEvents 1.0 (structured, JSON), oldest first.
pub(super) async fn events(request: HttpRequest, _: Caller, id: PathId) -> Result<HttpResponse, Problem> {
    part(&request, &id.0, |recorded, data| {
        json!({
            "specversion": "1.0",
            "id": format!("{}/{}", recorded.request_id, recorded.seq),
            "source": request_href(&recorded.request_id),
            "type": format!("dev.causeway.{}", recorded.kind),
            "time": recorded.at,
            "datacontenttype": "application/json",
            "data": data,
        })
    })
    .await
}

/// `GET …/{id}/journal`: the rows as they are chained. Each hash covers the row and the hash before it.
pub(super) async fn journal(request: HttpRequest, _: Caller, id: PathId) -> Result<HttpResponse, Problem> {
    part(&request, &id.0, |recorded, data| {
        json!({
            "position": recorded.position,
            "seq": recorded.seq,
            "at": recorded.at,
            "kind": recorded.kind,
            "data": data,
            "hash": hex(&recorded.hash),
        })
    })
    .await
}

/// `GET …/{id}/evidence`: what the verdicts rest on.
pub(super) async fn evidence(request: HttpRequest, _: Caller, id: PathId) -> Result<HttpResponse, Problem> {
    Query::of(&request, &[])?;
    let Loaded { state: known, events } = load(&request, &id.0).await?;
    let seen = |pick: fn(&Event) -> bool| -> Vec<Value> {
        let row =
            |recorded: &Recorded| json!({ "at": recorded.at, "seq": recorded.seq, "data": data(recorded) });
        events.iter().filter(|recorded| pick(&recorded.event)).map(row).collect()
    };
    let body = json!({
        "id": known.id,
        "phase": known.phase,
        "stages": resource::stages(&known),
        "run": known.run.as_ref().map(resource::run),
        "claim_host": known.claim_host,
        "vm": known.vm,
        "host": known.host,
        "hold": known.hold,
        "left_behind": known.left_behind,
        "preflights": seen(|event| matches!(event, Event::PreflightDone { .. })),
        "verdicts": seen(|event| matches!(event, Event::RunJudged(_))),
        "verifications": seen(|event| matches!(event, Event::Verified(_) | Event::NotAsAsked { .. })),
        "callbacks": seen(|event| matches!(event, Event::CallbackSeen(_))),
    });
    Ok(HttpResponse::Ok().json(body))
}

async fn part(
    request: &HttpRequest,
    id: &RequestId,
    show: impl Fn(&Recorded, Value) -> Value,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(request, &["after_seq", "limit"])?;
    let after = query.parsed("after_seq", "a whole number", |text| text.parse::<u64>().ok())?.unwrap_or(0);
    let in_range = |text: &str| text.parse().ok().filter(|limit| (1..=EVENTS_MAX).contains(limit));
    let limit = query.parsed("limit", &format!("1 to {EVENTS_MAX}"), in_range)?.unwrap_or(EVENTS_MAX);
    let loaded = load(request, id).await?;
    let mut rest = loaded.events.iter().filter(|recorded| recorded.seq > after);
    let items: Vec<&Recorded> = rest.by_ref().take(limit).collect();
    let next = items.last().filter(|_| rest.next().is_some()).map(|last| last.seq);
    let shown: Vec<Value> = items.into_iter().map(|recorded| show(recorded, data(recorded))).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": shown, "next_after_seq": next })))
}

async fn load(request: &HttpRequest, id: &RequestId) -> Result<Loaded, Problem> {
    state(request)?.journal.load(id).await?.ok_or_else(no_such_request)
}

fn data(recorded: &Recorded) -> Value {
    json!(recorded.event).get_mut("data").map(Value::take).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
