//! What a rule found, and how a test shows it.

use std::fmt;

/// One breach of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// File, or `file:line`.
    pub place: String,
    pub what: String,
    /// What to do instead.
    pub instead: String,
}

impl Finding {
    pub fn new(place: impl Into<String>, what: impl Into<String>, instead: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into(), instead: instead.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n    instead: {}", self.place, self.what, self.instead)
    }
}

/// Fails with all findings, if there are any.
#[track_caller]
pub fn assert_none(findings: &[Finding]) {
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), shown.join("\n"));
}

/// Fails unless there is exactly one finding and it holds `part`.
#[track_caller]
pub fn assert_one(findings: &[Finding], part: &str) {
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.len() == 1 && shown[0].contains(part), "expected one finding with {part:?}: {shown:#?}");
}
