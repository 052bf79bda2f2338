//! What a call can end in when it does not end well, and the one table that says how grave each end is, whether
//! the same call may be tried again, and after what pause (requirement D5).

use thiserror::Error;

/// A read that gave no answer. It never says that something does not exist, except [`ReadError::NotFound`], which
/// itself only says that this account does not see it (CONTRACT.md §1).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// 401: the token is missing, wrong, revoked or expired; the controller does not tell which.
    #[error("the controller does not accept the token (401)")]
    Unauthorized,
    /// 403: the account may not read this.
    #[error("the controller's account may not read {path} (403)")]
    Forbidden {
        /// The path that was asked for, without its query.
        path: String,
    },
    /// 404 in the controller's own JSON.
    #[error("the controller has no {path} that this account may see (404)")]
    NotFound {
        /// The path that was asked for, without its query.
        path: String,
    },
    /// 429, from the controller or from what stands before it.
    #[error("the controller asks for fewer requests (429)")]
    Throttled {
        /// Seconds to wait, when the answer said so.
        retry_after_secs: Option<u64>,
    },
    /// No usable answer in time: refused, reset, cut off, too slow, or a 5xx.
    #[error("the controller is not available: {why}")]
    Unavailable {
        /// What happened, in one line.
        why: String,
    },
    /// More than one object has the name that was asked for.
    #[error("{count} objects at {path} are named {name:?}; name an organization to tell them apart")]
    Ambiguous {
        /// The list that was searched.
        path: String,
        /// The name that was asked for.
        name: String,
        /// How many have it.
        count: usize,
    },
    /// An answer that is not what the contract promises: a redirect, HTML, a refused filter, a missing field.
    #[error("unexpected answer from {path}: {why}")]
    Contract {
        /// The path that was asked for, without its query.
        path: String,
        /// What was wrong with the answer, in one line.
        why: String,
    },
}

impl ReadError {
    /// Which row of the table it is.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Unauthorized => ErrorKind::Unauthorized,
            Self::Forbidden { .. } => ErrorKind::Forbidden,
            Self::NotFound { .. } => ErrorKind::NotFound,
            Self::Throttled { .. } => ErrorKind::Throttled,
            Self::Unavailable { .. } => ErrorKind::Unavailable,
            Self::Ambiguous { .. } => ErrorKind::Ambiguous,
            Self::Contract { .. } => ErrorKind::Contract,
        }
    }

    /// How grave it is, whether the same read may be tried again, and after what pause.
    #[must_use]
    pub const fn class(&self) -> ErrorClass {
        self.kind().class()
    }
}

/// Every way in which a call ends badly, reads and writes alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorKind {
    /// The token is not accepted.
    Unauthorized,
    /// The account lacks a role.
    Forbidden,
    /// Not there, or not visible.
    NotFound,
    /// Too many requests.
    Throttled,
    /// No usable answer to a read.
    Unavailable,
    /// A name that several objects share.
    Ambiguous,
    /// The answer breaks the contract.
    Contract,
    /// A write was refused with its faults named; nothing happened.
    Refused,
    /// A write met a lock (409); nothing happened.
    Busy,
    /// A write whose effect is not known.
    Unknown,
}

impl ErrorKind {
    /// The table. An error that fits nowhere is [`ErrorKind::Contract`] or [`ErrorKind::Unknown`], both errors.
    #[must_use]
    pub const fn class(self) -> ErrorClass {
        let (severity, retryable, backoff) = match self {
            Self::Unauthorized => (Severity::Critical, false, Backoff::UntilSomebodyActs),
            Self::Forbidden | Self::Ambiguous | Self::Contract | Self::Refused => {
                (Severity::Error, false, Backoff::UntilSomebodyActs)
            }
            Self::NotFound => (Severity::Warning, false, Backoff::UntilSomebodyActs),
            Self::Throttled => (Severity::Warning, true, Backoff::AsToldElseExponential),
            Self::Unavailable | Self::Busy => (Severity::Warning, true, Backoff::Exponential),
            Self::Unknown => (Severity::Error, false, Backoff::LookFirst),
        };
        ErrorClass { severity, retryable, backoff }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorClass {
    /// How grave it is.
    pub severity: Severity,
    /// Whether the same call, unchanged, may succeed later without anybody doing anything.
    pub retryable: bool,
    /// What to wait for before the next try.
    pub backoff: Backoff,
}

/// How grave an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It passes by itself, or may be as it should be.
    Warning,
    /// One request is stuck until somebody looks at it.
    Error,
    /// Nothing works with this controller until somebody acts.
    Critical,
}

/// What to wait for before the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backoff {
    /// Exponential with full jitter.
    Exponential,
    /// The seconds that the answer names, else exponential with full jitter.
    AsToldElseExponential,
    /// Trying again changes nothing: an operator has to change something.
    UntilSomebodyActs,
    /// Find out by reading whether it happened; only then decide.
    LookFirst,
}

/// One fault that the controller named in a 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field as the controller spells it, e.g. `extra_vars`, `limit`, `variables_needed_to_start`, `__all__`, `detail`.
    pub field: String,
    /// The controller's sentence, cut after 500 characters. It may repeat a value that was sent.
    pub message: String,
    /// For survey faults: the variable that the sentence is about, where it could be told.
    pub variable: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_retryable_and_an_unknown_effect_is_looked_at_first() {
        let retryable: Vec<ErrorKind> = [
            ErrorKind::Unauthorized,
            ErrorKind::Forbidden,
            ErrorKind::NotFound,
            ErrorKind::Throttled,
            ErrorKind::Unavailable,
            ErrorKind::Ambiguous,
            ErrorKind::Contract,
            ErrorKind::Refused,
            ErrorKind::Busy,
            ErrorKind::Unknown,
        ]
        .into_iter()
        .filter(|kind| kind.class().retryable)
        .collect();
        assert_eq!(retryable, [ErrorKind::Throttled, ErrorKind::Unavailable, ErrorKind::Busy]);
        assert_eq!(ErrorKind::Unknown.class().backoff, Backoff::LookFirst);
        assert_eq!(ReadError::Unauthorized.class().severity, Severity::Critical);
    }
}
