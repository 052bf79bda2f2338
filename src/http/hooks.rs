//! `POST /hooks/{source}`: a signed delivery becomes a journalled request. The hot path.

use actix_web::http::StatusCode;
use actix_web::web::Path;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::json;

use super::admit::{self, Marks, Outcome};
use super::extract::{JsonBody, Sent, state};
use super::problem::{Kind, Problem};
use super::routes::request_href;
use crate::intake::draft::{Draft, traceparent};
use crate::intake::signature::{Header, Headers};
use crate::intake::source::SourceConfig;

/// Counters' label for a source that is none: a stranger must not make labels.
const UNKNOWN: &str = "(unknown)";

/// The headers that senders without a scheme for it put the delivery's id into.
const DELIVERY_ID_HEADERS: [&str; 2] = ["x-atlassian-webhook-identifier", "x-github-delivery"];
const DELIVERY_ID_BYTES_MAX: usize = 256;

/// Takes one delivery.
pub(super) async fn receive(
    request: HttpRequest,
    name: Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    let access = state.access.get();
    let body = &body.0;
    let known = access.sources.get(&name);
    let source = known.unwrap_or_else(|| access.sources.stand_in());
    let label = known.map_or(UNKNOWN, |source| source.config.name.as_str());
    let count = |outcome| state.counters.intake.add(label, outcome);

    let now = state.clock.now();
    let sent = Sent(request.headers());
    let proof = match (source.verifier.verify(&sent, body, now), known) {
        (Ok(proof), Some(_)) => proof,
        (verdict, _) => {
            let reason = verdict.err().map_or("unknown_source", |error| error.name());
            tracing::debug!(source.name = label, reason, "a delivery was not signed as it should be");
            count("unauthenticated");
            return Err(unauthenticated());
        }
    };
    if let Err(secs) = source.bucket.take(now) {
        count("rate_limited");
        let detail = format!("It may send {} deliveries a second.", source.config.rate_per_sec);
        return Err(Problem::new(Kind::RateLimited, detail).retry_after(secs));
    }
    let draft = Draft::of_source(body, &source.config);
    let delivery_id = match (&draft.delivery_id, proof.delivery_id) {
        (Some(_), _) => None, // out of the signed body
        (None, Some(id)) => Some(id),
        (None, None) => delivery_id(&sent, &source.config).inspect_err(|_| count("invalid_header"))?,
    };
    let traceparent =
        request.headers().get("traceparent").and_then(|value| traceparent(value.to_str().ok()?));
    let marks = Marks { delivery_id, idempotency: None, traceparent };
    match admit::delivery(state, &access.catalog, draft, marks).await {
        Ok(outcome) => {
            count(outcome.name());
            Ok(answer(outcome))
        }
        Err(problem) => {
            count(if problem.kind() == Kind::QueueFull { "queue_full" } else { "failed" });
            Err(problem)
        }
    }
}

/// An unknown source and a wrong signature answer alike, so that nobody can find out which names exist.
fn unauthenticated() -> Problem {
    let detail = "There is no such source, or the delivery is not signed as the source's deliveries are \
                  (see the signature's time, its secret, and the bytes that were signed).";
    Problem::new(Kind::Unauthenticated, detail)
}

fn answer(outcome: Outcome) -> HttpResponse {
    let (status, id, phase) = match outcome {
        Outcome::New { id, phase } => (StatusCode::ACCEPTED, id, phase),
        Outcome::Seen { id, phase } => (StatusCode::OK, id, phase),
        Outcome::Rejected { id, violations } => {
            return Problem::invalid(violations)
                .with("request", json!(id))
                .with("href", json!(request_href(&id)))
                .error_response();
        }
    };
    let href = request_href(&id);
    // Nothing in these texts needs escaping: an id, a word of ours, an address made of them.
    let body = format!(r#"{{"id":"{id}","phase":"{}","href":"{href}"}}"#, phase.name());
    HttpResponse::build(status).insert_header(("location", href)).content_type("application/json").body(body)
}

fn delivery_id(sent: &Sent<'_>, source: &SourceConfig) -> Result<Option<String>, Problem> {
    let configured = source.delivery_id_header.as_ref().map(|name| name.to_ascii_lowercase());
    let names: Vec<&str> = match &configured {
        Some(name) => vec![name.as_str()],
        None => DELIVERY_ID_HEADERS.to_vec(),
    };
    for name in names {
        match sent.header(name) {
            Header::Missing => {}
            Header::One(value) if is_id(value) => {
                return Ok(Some(String::from_utf8_lossy(value).into_owned()));
            }
            Header::One(_) | Header::Many => {
                let detail = format!(
                    "{name} has to stand once, with 1 to {DELIVERY_ID_BYTES_MAX} visible ASCII characters."
                );
                return Err(Problem::new(Kind::InvalidHeader, detail));
            }
        }
    }
    Ok(None)
}

fn is_id(value: &[u8]) -> bool {
    (1..=DELIVERY_ID_BYTES_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic)
}
