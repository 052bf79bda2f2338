//! Counts of what was sent: one count for each request that left, retries included.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// How one request ended, coarse enough for a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallOutcome {
    /// 2xx.
    Success,
    /// 3xx, never followed.
    Redirect,
    /// 4xx.
    ClientError,
    /// 5xx, and anything that is no HTTP status we know.
    ServerError,
    /// No whole answer within the deadline.
    TimedOut,
    /// Refused, reset, cut off, or no valid HTTP.
    Broken,
    /// The answer was larger than `body_bytes_max`.
    TooLarge,
}

impl CallOutcome {
    /// The label: `success`, `redirect`, `client_error`, `server_error`, `timed_out`, `broken`, `too_large`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Redirect => "redirect",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::TimedOut => "timed_out",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
        }
    }

    pub(super) const fn of_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

/// What one controller was sent since the client was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallStats {
    /// Requests sent, every attempt counted.
    pub requests: u64,
    /// The same by method (`GET`, `POST`, `PATCH`) and outcome.
    pub by_method: BTreeMap<(&'static str, CallOutcome), u64>,
}

#[derive(Debug, Default)]
pub(super) struct Counter(Mutex<CallStats>);

impl Counter {
    pub(super) fn count(&self, method: &'static str, outcome: CallOutcome) {
        let mut stats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stats.requests += 1;
        *stats.by_method.entry((method, outcome)).or_default() += 1;
    }

    pub(super) fn read(&self) -> CallStats {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
