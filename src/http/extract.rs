//! What handlers ask for by naming a type: a bounded body, a caller who is known, parameters that are understood.

use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_web::body::{BodyStream, to_bytes_limited};
use actix_web::http::header::{self, HeaderMap};
use actix_web::web::{self, Bytes, Data};
use actix_web::{FromRequest, HttpRequest, dev};
use futures_util::future::LocalBoxFuture;

use super::access::Person;
use super::problem::{Kind, Problem};
use super::state::AppState;
use crate::intake::signature::{Header, Headers, SignatureError, bearer_token};
use crate::vm_request::RequestId;
use crate::vm_request::violation::Violation;

/// Headers as the signature schemes look them up.
pub(super) struct Sent<'a>(pub &'a HeaderMap);

impl Headers for Sent<'_> {
    fn header(&self, name: &str) -> Header<'_> {
        let mut values = self.0.get_all(name);
        match (values.next(), values.next()) {
            (None, _) => Header::Missing,
            (Some(value), None) => Header::One(value.as_bytes()),
            (Some(_), Some(_)) => Header::Many,
        }
    }
}

/// The shared state, which [`super::start`] always sets.
pub(super) fn state(request: &HttpRequest) -> Result<&Data<AppState>, Problem> {
    request.app_data::<Data<AppState>>().ok_or_else(|| Problem::internal(&"the state is not set"))
}

/// A JSON body of at most `body_bytes_max`, as raw bytes.
pub(super) struct JsonBody(pub Bytes);

impl FromRequest for JsonBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let limits = &state(&request)?.limits;
            check_media_type(request.headers())?;
            read_body(payload, limits.body_bytes_max, limits.body_read_secs).await.map(Self)
        })
    }
}

/// The body of a controller's notification: whatever it says it is.
pub(super) struct CallbackBody(pub Bytes);

impl FromRequest for CallbackBody {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let limits = &state(&request)?.limits;
            read_body(payload, limits.callback_body_bytes_max, limits.body_read_secs).await.map(Self)
        })
    }
}

async fn read_body(payload: dev::Payload, bytes_max: usize, secs: u64) -> Result<Bytes, Problem> {
    let whole = to_bytes_limited(BodyStream::new(payload), bytes_max);
    match tokio::time::timeout(Duration::from_secs(secs), whole).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(Problem::new(Kind::BodyTooSlow, "The connection broke before the body's end.")),
        Ok(Err(_)) => {
            Err(Problem::new(Kind::BodyTooLarge, format!("At most {bytes_max} bytes are read here.")))
        }
        Err(_) => Err(Problem::new(Kind::BodyTooSlow, format!("It has {secs} s to arrive as a whole."))),
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let refuse = |detail: &str| Err(Problem::new(Kind::UnsupportedMediaType, detail));
    if headers.contains_key(header::CONTENT_ENCODING) {
        return refuse("Send it as it is, without Content-Encoding.");
    }
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if is_json(value.split(';').next().unwrap_or_default().trim()) {
        return Ok(());
    }
    refuse("Send it with Content-Type: application/json (or a type that ends in +json).")
}

fn is_json(essence: &str) -> bool {
    let is_prefixed = essence.get(..12).is_some_and(|head| head.eq_ignore_ascii_case("application/"));
    let tail = essence.get(12..).unwrap_or_default();
    let ends_json = || {
        tail.len()
            .checked_sub(5)
            .and_then(|at| tail.get(at..))
            .is_some_and(|end| end.eq_ignore_ascii_case("+json"))
    };
    is_prefixed && (tail.eq_ignore_ascii_case("json") || ends_json())
}

/// A caller with a valid token.
pub(super) struct Caller(pub Person);

impl FromRequest for Caller {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        ready(known(request).map(Self))
    }
}

fn known(request: &HttpRequest) -> Result<Person, Problem> {
    let state = state(request)?;
    let access = state.access.get();
    let person = bearer_token(&Sent(request.headers()))
        .and_then(|token| access.tokens.person(token).cloned().ok_or(SignatureError::Mismatch));
    person.map_err(|reason| {
        state.counters.intake.add("api", "unauthenticated");
        tracing::debug!(reason = reason.name(), "a call without a valid token");
        Problem::new(Kind::Unauthenticated, "Send Authorization: Bearer with a token of this bridge.")
            .with_header(header::WWW_AUTHENTICATE, "Bearer realm=\"causeway\"")
    })
}

/// The id in the address. What is no id names no request.
pub(super) struct PathId(pub RequestId);

impl FromRequest for PathId {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut dev::Payload) -> Self::Future {
        let id = request.match_info().get("id").and_then(|id| id.parse().ok());
        ready(id.map(Self).ok_or_else(no_such_request))
    }
}

/// There is no request of the id in the address.
pub(super) fn no_such_request() -> Problem {
    Problem::new(Kind::NotFound, "There is no such request.")
}

/// Query parameters out of a known list, each at most once.
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    /// The query of `request`, which may hold `known` and nothing else.
    pub fn of(request: &HttpRequest, known: &[&str]) -> Result<Self, Problem> {
        let pairs =
            web::Query::<Vec<(String, String)>>::from_query(request.query_string()).map_err(|_| {
                Problem::query(vec![Violation::new("", "is not a query", "name=value&name=value")])
            })?;
        let mut values = BTreeMap::new();
        let mut found = Vec::new();
        for (name, value) in pairs.into_inner() {
            let at = crate::intake::pointer::child("", &name);
            if !known.contains(&name.as_str()) {
                let expected = if known.is_empty() { "no parameter".to_owned() } else { known.join(", ") };
                found.push(Violation::new(at, "is not a parameter here", expected));
            } else if values.insert(name, value).is_some() {
                found.push(Violation::new(at, "is given twice", "one value"));
            }
        }
        if found.is_empty() { Ok(Self(values)) } else { Err(Problem::query(found)) }
    }

    /// The text of a parameter.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// What `read` makes of a parameter; `expected` says what it takes.
    pub fn parsed<T>(
        &mut self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(text) = self.0.remove(name) else { return Ok(None) };
        let wrong =
            || Problem::query(vec![Violation::new(format!("/{name}"), "is not understood", expected)]);
        read(&text).map(Some).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_media_type() {
        for (essence, fits) in [
            ("application/json", true),
            ("Application/JSON", true),
            ("application/cloudevents+json", true),
            ("application/+json", true),
            ("text/json", false),
            ("application/jsonx", false),
            ("application/é+jsön", false),
            ("", false),
        ] {
            assert_eq!(is_json(essence), fits, "{essence}");
        }
    }
}
