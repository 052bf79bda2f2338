//! Why the controller says no, in its own words (CONTRACT.md §1, §2).

use serde_json::{Value, json};
use thiserror::Error;

/// A request that was refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// 401: no, unknown, revoked or expired credentials, or a wrong password. All look alike.
    #[error("not authenticated")]
    Unauthenticated,
    /// 403: signed in, not allowed.
    #[error("forbidden: {0}")]
    Forbidden(String),
    /// 404: no such row. Holds the model's name, e.g. `WorkflowJob`.
    #[error("no {0} matches the given query")]
    NotFound(&'static str),
    /// 405: the method does not apply, here and now.
    #[error("method {0} not allowed")]
    MethodNotAllowed(String),
    /// 400 with the body that names the fields.
    #[error("invalid: {0}")]
    Invalid(Value),
    /// 409: something is in use.
    #[error("conflict: {0}")]
    Conflict(Value),
}

/// 403's usual text.
pub const NO_PERMISSION: &str = "You do not have permission to perform this action.";

impl Refusal {
    /// 403 with the usual text.
    #[must_use]
    pub fn forbidden() -> Self {
        Self::Forbidden(NO_PERMISSION.to_owned())
    }

    /// 400 with one message on one field.
    #[must_use]
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(json!({ field: [message.into()] }))
    }

    /// 400 with a message on no field (`__all__`).
    #[must_use]
    pub fn all(message: impl Into<String>) -> Self {
        Self::field("__all__", message)
    }

    /// 400 with a bare `detail`.
    #[must_use]
    pub fn detail(message: impl Into<String>) -> Self {
        Self::Invalid(json!({ "detail": message.into() }))
    }
}
