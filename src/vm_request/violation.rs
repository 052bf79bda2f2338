//! What is wrong with an input: where, what, and what would be right.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing wrong with an input. Problems list all of them at once (RFC 9457 extension `errors`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Violation {
    /// JSON pointer (RFC 6901) to the field; empty for the whole document.
    pub pointer: String,
    /// What is wrong, without the value itself where the value could be a secret.
    pub detail: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub expected: String,
}

impl Violation {
    /// A violation at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), expected: expected.into() }
    }
}

/// A name as a part of a JSON pointer (RFC 6901 §3): networks and folders may be named with `/` or `~`.
#[must_use]
pub fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{place}: {}", self.detail)?;
        if self.expected.is_empty() { Ok(()) } else { write!(f, " (expected {})", self.expected) }
    }
}
