//! Problem documents (RFC 9457): the only place that makes them, and the one table from a kind of error to its status.
//!
//! A problem says to the caller what to do; what went wrong inside goes to the log, once, here.

use std::fmt;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use crate::journal::{AdmitError, AppendError, ReadError};
use crate::vm_request::violation::Violation;

/// Where the types of problems are described. The addresses never change.
pub const TYPE_BASE: &str = "https://causeway.dev/problems/";

/// How long a caller is told to wait when the journal cannot be written or read.
const UNAVAILABLE_RETRY_SECS: u64 = 5;

/// A kind of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    InvalidQuery,
    InvalidHeader,
    Unauthenticated,
    NotAllowed,
    NotFound,
    MethodNotAllowed,
    BodyTooSlow,
    NameTaken,
    ActionNotValid,
    BodyTooLarge,
    QueryTooLong,
    UnsupportedMediaType,
    InvalidRequest,
    IdempotencyKeyReused,
    RateLimited,
    HeadersTooLarge,
    Internal,
    QueueFull,
    Unavailable,
}

impl Kind {
    /// Every kind there is.
    pub const ALL: [Self; 19] = [
        Self::InvalidQuery,
        Self::InvalidHeader,
        Self::Unauthenticated,
        Self::NotAllowed,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTooSlow,
        Self::NameTaken,
        Self::ActionNotValid,
        Self::BodyTooLarge,
        Self::QueryTooLong,
        Self::UnsupportedMediaType,
        Self::InvalidRequest,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::QueueFull,
        Self::Unavailable,
    ];

    /// Status, last part of the type's address, and title.
    const fn row(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::InvalidQuery => (400, "invalid-query", "The query is not understood"),
            Self::InvalidHeader => (400, "invalid-header", "A header is not understood"),
            Self::Unauthenticated => (401, "unauthenticated", "The sender is not known"),
            Self::NotAllowed => (403, "not-allowed", "The caller may not do this"),
            Self::NotFound => (404, "not-found", "There is nothing here"),
            Self::MethodNotAllowed => (405, "method-not-allowed", "The method does not fit the address"),
            Self::BodyTooSlow => (408, "body-too-slow", "The body did not arrive in time"),
            Self::NameTaken => (409, "name-taken", "Another request holds the VM's place"),
            Self::ActionNotValid => (409, "action-not-valid", "The action is not possible now"),
            Self::BodyTooLarge => (413, "body-too-large", "The body is too large"),
            Self::QueryTooLong => (414, "query-too-long", "The query is too long"),
            Self::UnsupportedMediaType => (415, "unsupported-media-type", "The body is not JSON"),
            Self::InvalidRequest => (422, "invalid-request", "The request cannot be met"),
            Self::IdempotencyKeyReused => {
                (422, "idempotency-key-reused", "The Idempotency-Key was used for another body")
            }
            Self::RateLimited => (429, "rate-limited", "The source sends too fast"),
            Self::HeadersTooLarge => (431, "headers-too-large", "The headers are too many or too large"),
            Self::Internal => (500, "internal", "Something went wrong inside the bridge"),
            Self::QueueFull => (503, "queue-full", "Too many requests wait to be written"),
            Self::Unavailable => (503, "unavailable", "The journal cannot be used now"),
        }
    }

    /// The status.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.row().0).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The last part of the type's address.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// The title, the same for every problem of the kind.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.row().2
    }
}

/// An error as a caller sees it.
#[derive(Debug, Clone)]
pub struct Problem(Box<Parts>);

#[derive(Debug, Clone)]
struct Parts {
    kind: Kind,
    detail: String,
    errors: Vec<Violation>,
    more: Map<String, Value>,
    retry_after_secs: Option<u64>,
    /// A header of the kind: `WWW-Authenticate` or `Allow`.
    header: Option<(header::HeaderName, String)>,
}

impl Problem {
    /// A problem of that kind. `detail` says what this one is about and what to do.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            more: Map::new(),
            retry_after_secs: None,
            header: None,
        }))
    }

    /// Lists what is wrong with an input.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<Violation>) -> Self {
        self.0.errors = errors;
        self
    }

    /// Adds a member of its own.
    #[must_use]
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.0.more.insert(name.to_owned(), value);
        self
    }

    /// Says when to try again.
    #[must_use]
    pub fn retry_after(mut self, secs: u64) -> Self {
        self.0.retry_after_secs = Some(secs);
        self
    }

    /// Adds the header that goes with the kind.
    #[must_use]
    pub fn with_header(mut self, name: header::HeaderName, value: impl Into<String>) -> Self {
        self.0.header = Some((name, value.into()));
        self
    }

    /// The kind of it.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// A request that cannot be met, with everything wrong with it.
    #[must_use]
    pub fn invalid(errors: Vec<Violation>) -> Self {
        let detail = match errors.len() {
            1 => "One thing is wrong with it; see errors.".to_owned(),
            many => format!("{many} things are wrong with it; see errors."),
        };
        Self::new(Kind::InvalidRequest, detail).with_errors(errors)
    }

    /// What cannot be. `why` goes to the log only.
    pub fn internal(why: &dyn fmt::Display) -> Self {
        tracing::error!(error.message = %why, "a request to the bridge ran into an impossible state");
        Self::new(Kind::Internal, "It was logged. Nothing was changed; telling an operator helps.")
    }

    /// A journal that does not take or give anything now. `why` goes to the log only.
    pub fn unavailable(why: &dyn fmt::Display) -> Self {
        tracing::error!(error.message = %why, "the journal cannot be used");
        Self::new(Kind::Unavailable, "Nothing was written. Try again later.")
            .retry_after(UNAVAILABLE_RETRY_SECS)
    }

    fn document(&self) -> Value {
        let Parts { kind, detail, errors, more, .. } = &*self.0;
        let mut document = json!({
            "type": format!("{TYPE_BASE}{}", kind.name()),
            "title": kind.title(),
            "status": kind.status().as_u16(),
            "detail": detail,
        });
        if let Some(object) = document.as_object_mut() {
            if !errors.is_empty() {
                object.insert("errors".to_owned(), json!(errors));
            }
            object.extend(more.clone());
        }
        document
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.kind.title(), self.0.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.0.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut answer = HttpResponse::build(self.status_code());
        answer.insert_header((header::CONTENT_TYPE, "application/problem+json"));
        if let Some(secs) = self.0.retry_after_secs {
            answer.insert_header((header::RETRY_AFTER, secs.to_string()));
        }
        if let Some((name, value)) = &self.0.header {
            answer.insert_header((name.clone(), value.clone()));
        }
        answer.body(self.document().to_string())
    }
}

impl From<AdmitError> for Problem {
    fn from(error: AdmitError) -> Self {
        match error {
            AdmitError::Full { retry_after_secs } => {
                let detail = "Nothing was written. Send it again after Retry-After.";
                Self::new(Kind::QueueFull, detail).retry_after(retry_after_secs)
            }
            AdmitError::Closed | AdmitError::Storage(_) => Self::unavailable(&error),
            AdmitError::Illegal(_) | AdmitError::Unwritable(_) | AdmitError::IdTaken => {
                Self::internal(&error)
            }
        }
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        match &error {
            AppendError::NoSuchRequest => Self::new(Kind::NotFound, "There is no such request."),
            AppendError::PlaceTaken { id } => Self::new(
                Kind::NameTaken,
                format!("Request {id} holds the VM's place. Cancel it first, or leave this one."),
            )
            .with("request", json!(id)),
            AppendError::Conflict { .. } | AppendError::Closed | AppendError::Storage(_) => {
                Self::unavailable(&error)
            }
            AppendError::Illegal(_) | AppendError::Unwritable(_) => Self::internal(&error),
        }
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match &error {
            ReadError::BadCursor => {
                let violation =
                    Violation::new("/cursor", "is no cursor of this list", "next_cursor of a page");
                Self::query(vec![violation])
            }
            ReadError::Busy { .. } | ReadError::Closed | ReadError::Storage(_) => Self::unavailable(&error),
            ReadError::Unreadable { .. } | ReadError::Illegal { .. } => Self::internal(&error),
        }
    }
}

impl Problem {
    /// Query parameters that are not understood; the pointers name them.
    #[must_use]
    pub fn query(errors: Vec<Violation>) -> Self {
        Self::new(Kind::InvalidQuery, "Parameters are never passed over; see errors.").with_errors(errors)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_kind_has_an_address_of_its_own_and_a_status_of_an_error() {
        let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            assert!(kind.status().is_client_error() || kind.status().is_server_error(), "{kind:?}");
        }
    }

    #[test]
    fn what_the_journal_says_of_itself_stays_inside() {
        let secret = ReadError::Unreadable { position: 7, why: "hunter2".into() };
        let problem = Problem::from(secret);
        assert_eq!(problem.kind(), Kind::Internal);
        assert!(!problem.document().to_string().contains("hunter2"));
        let conflict = Problem::from(AppendError::Conflict { head_seq: 9 });
        assert_eq!(conflict.kind(), Kind::Unavailable);
    }
}
