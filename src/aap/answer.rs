//! One HTTP answer and what it proves. Here it is decided whether an answer is the controller's own JSON, and what
//! a refused or failed write means: the rules of the launch fence (DESIGN.md) in one place.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::errors::{ReadError, Violation};
use super::stats::CallOutcome;
use crate::config::Secret;

/// How much of a foreign text is ever repeated, in characters.
const EXCERPT_CHARS_MAX: usize = 120;
/// How much of one of the controller's sentences is kept, in characters.
const MESSAGE_CHARS_MAX: usize = 500;
/// A controller's tokens have 30 characters; a shorter one (the lab's) is no secret.
const TOKEN_CHARS_MIN: usize = 8;
/// How many faults of one answer are kept.
const VIOLATIONS_MAX: usize = 50;

/// A whole answer, its body within the limit.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) date: Option<Timestamp>,
    product_name: Option<String>,
    retry_after_secs: Option<u64>,
    location: Option<String>,
    content_type: String,
    body: Vec<u8>,
    token: Secret,
}

impl Answer {
    /// Takes an answer apart. `token` is kept to be taken out of whatever is told of the answer, should somebody
    /// echo it.
    pub(super) fn new(
        status: u16,
        headers: &HeaderMap,
        body: Vec<u8>,
        token: &Secret,
        now: Timestamp,
    ) -> Self {
        let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            status,
            date: header(DATE).and_then(|text| http_date(&text)),
            product_name: header(HeaderName::from_static("x-api-product-name")),
            retry_after_secs: header(RETRY_AFTER).and_then(|text| retry_after(&text, now)),
            location: header(LOCATION),
            content_type: header(CONTENT_TYPE).unwrap_or_default(),
            body,
            token: token.clone(),
        }
    }

    /// What the controller calls itself.
    pub(super) fn product_name(&self) -> Option<String> {
        self.product_name.as_deref().map(|name| excerpt(&self.clean(name)))
    }

    /// The body for telling of it: without the token, and not yet cut, so that no half of a token is left over.
    fn text(&self) -> String {
        self.clean(&String::from_utf8_lossy(&self.body))
    }

    /// The text without the token. What is shorter than any token is left alone: it would garble every sentence.
    fn clean(&self, text: &str) -> String {
        let token = self.token.expose();
        if token.len() < TOKEN_CHARS_MIN { text.to_owned() } else { text.replace(token, "[redacted]") }
    }

    /// The body as the controller's own JSON object, or `None` when something else spoke.
    pub(super) fn controller_json(&self) -> Option<Map<String, Value>> {
        if !is_json(&self.content_type) {
            return None;
        }
        serde_json::from_str(&self.text()).ok()
    }

    /// A success's body as `T`.
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, String> {
        if !is_json(&self.content_type) {
            return Err(format!("{} is not JSON", self.describe()));
        }
        // serde's message may quote a value; only the kind of trouble and its place are told.
        serde_json::from_slice(&self.body).map_err(|error| {
            let kind = if error.is_data() { "a field is missing or of another type" } else { "broken JSON" };
            let text = error.to_string();
            let field = text.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
            let field = field.map(|field| format!(" (no {field})")).unwrap_or_default();
            format!("HTTP {}: {kind}{field} at line {} column {}", self.status, error.line(), error.column())
        })
    }

    /// What this answer is to a read.
    pub(super) fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, ReadError> {
        let path = path.to_owned();
        match self.status {
            200..=299 => self.decode().map_err(|why| ReadError::Contract { path, why }),
            401 if self.controller_json().is_some() => Err(ReadError::Unauthorized),
            403 if self.controller_json().is_some() => Err(ReadError::Forbidden { path }),
            404 if self.controller_json().is_some() => Err(ReadError::NotFound { path }),
            429 => Err(ReadError::Throttled { retry_after_secs: self.retry_after_secs }),
            408 | 500..=599 => Err(ReadError::Unavailable { why: self.describe() }),
            _ => Err(ReadError::Contract { path, why: self.describe() }),
        }
    }

    /// What this answer is to a write that did not get the success it hoped for.
    pub(super) fn write_failure(&self) -> WriteFailure {
        let unknown = || WriteFailure::Unknown { why: self.describe() };
        let Some(json) = self.controller_json() else { return unknown() };
        match self.status {
            400 => WriteFailure::Refused { violations: violations(&json) },
            401 | 403 | 404 | 405 | 409 | 415 | 429 => WriteFailure::NotNow {
                status: self.status,
                detail: detail(&json),
                retry_after_secs: self.retry_after_secs,
            },
            _ => unknown(),
        }
    }

    /// One line for a person: status, where it points, and a short piece of what it says.
    pub(super) fn describe(&self) -> String {
        if let Some(json) = self.controller_json() {
            return format!("HTTP {}: {}", self.status, detail(&json));
        }
        if (300..400).contains(&self.status) {
            let to = self.clean(self.location.as_deref().unwrap_or("nowhere"));
            let to = to.split(['?', '#']).next().unwrap_or_default();
            return format!("HTTP {}: redirect to {}, not followed", self.status, excerpt(to));
        }
        let kind = self.clean(&self.content_type);
        let kind = kind.split(';').next().unwrap_or_default();
        let kind = if kind.is_empty() { "no content type".to_owned() } else { excerpt(kind) };
        match excerpt(&self.text()) {
            text if text.is_empty() => format!("HTTP {} ({kind})", self.status),
            text => format!("HTTP {} ({kind}): {text}", self.status),
        }
    }
}

fn is_json(content_type: &str) -> bool {
    content_type.starts_with("application/json")
}

/// What is known when a write did not succeed.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// The controller's 400: nothing happened.
    Refused { violations: Vec<Violation> },
    /// The controller's 401, 403, 404, 405, 409, 415 or 429: nothing happened.
    NotNow { status: u16, detail: String, retry_after_secs: Option<u64> },
    /// Anything else: it may have happened.
    Unknown { why: String },
}

/// No whole answer came.
#[derive(Debug)]
pub(super) struct Lost {
    pub(super) why: String,
    pub(super) outcome: CallOutcome,
}

impl Lost {
    pub(super) fn not_sent(why: &str) -> Self {
        Self { why: format!("not sent: {why}"), outcome: CallOutcome::Broken }
    }

    pub(super) fn timed_out(after: Duration) -> Self {
        let why = format!("no whole answer within {:.1} s", after.as_secs_f64());
        Self { why, outcome: CallOutcome::TimedOut }
    }

    pub(super) fn broken(error: reqwest::Error) -> Self {
        let outcome = if error.is_timeout() { CallOutcome::TimedOut } else { CallOutcome::Broken };
        // The URL holds names of machines and people in its query; the path is logged anyway.
        Self { why: excerpt(&super::client::chain(&error.without_url())), outcome }
    }

    pub(super) fn too_large(bytes_max: usize) -> Self {
        Self { why: format!("the answer is larger than {bytes_max} bytes"), outcome: CallOutcome::TooLarge }
    }

    pub(super) fn as_read_error(&self, path: &str) -> ReadError {
        if self.outcome == CallOutcome::TooLarge {
            return ReadError::Contract { path: path.to_owned(), why: self.why.clone() };
        }
        ReadError::Unavailable { why: self.why.clone() }
    }
}

/// Every sentence of a 400, with the field it belongs to. Shapes: CONTRACT.md §2, "Validation errors".
fn violations(json: &Map<String, Value>) -> Vec<Violation> {
    let mut found = Vec::new();
    for (field, value) in json {
        collect(field, value, &mut found);
    }
    found.truncate(VIOLATIONS_MAX);
    if found.is_empty() {
        found.push(Violation {
            field: "__all__".to_owned(),
            message: "refused without a reason".to_owned(),
            variable: None,
        });
    }
    found
}

fn collect(field: &str, value: &Value, found: &mut Vec<Violation>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(field, item, found)),
        Value::Object(map) => {
            map.iter().for_each(|(key, inner)| collect(&format!("{field}.{key}"), inner, found));
        }
        Value::String(text) => found.push(violation(field, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => found.push(violation(field, &value.to_string())),
    }
}

fn violation(field: &str, text: &str) -> Violation {
    let variable = (field == "variables_needed_to_start").then(|| survey_variable(text)).flatten();
    Violation { field: field.to_owned(), message: cut(text, MESSAGE_CHARS_MAX), variable }
}

/// The variable that a survey fault is about. Two sentence forms exist: `'name' value …` and
/// `Value … for 'name' expected …` (MEASURED 6).
fn survey_variable(text: &str) -> Option<String> {
    let name = match text.strip_prefix('\'') {
        Some(rest) => rest.split_once("' value")?.0,
        None => text.strip_prefix("Value ")?.split_once("' expected")?.0.rsplit_once(" for '")?.1,
    };
    Some(name.to_owned())
}

/// The controller's own sentence, else all its violations in one line.
fn detail(json: &Map<String, Value>) -> String {
    for key in ["detail", "error", "msg"] {
        if let Some(Value::String(text)) = json.get(key) {
            return cut(text, MESSAGE_CHARS_MAX);
        }
    }
    let all: Vec<String> =
        violations(json).into_iter().map(|v| format!("{}: {}", v.field, v.message)).collect();
    cut(&all.join("; "), MESSAGE_CHARS_MAX)
}

/// A short piece of a text that somebody else wrote: no tags, no control characters, one line.
pub(super) fn excerpt(text: &str) -> String {
    let mut plain = String::new();
    let mut in_tag = false;
    for c in text.chars().take(20 * EXCERPT_CHARS_MAX) {
        match c {
            '<' => in_tag = true,
            '>' => {
                in_tag = false;
                plain.push(' ');
            }
            _ if in_tag => {}
            _ if c.is_control() => plain.push(' '),
            _ => plain.push(c),
        }
    }
    let words: Vec<&str> = plain.split_whitespace().collect();
    cut(&words.join(" "), EXCERPT_CHARS_MAX)
}

/// The first `chars_max` characters, with a mark where something was cut off.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// `Retry-After`: seconds or a date (RFC 9110 §10.2.3).
fn retry_after(text: &str, now: Timestamp) -> Option<u64> {
    if let Ok(secs) = text.trim().parse() {
        return Some(secs);
    }
    http_date(text).map(|at| u64::try_from(at.as_second() - now.as_second()).unwrap_or(0))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_survey_fault_names_its_variable_in_both_sentence_forms() {
        let name = |text| survey_variable(text).unwrap_or_default();
        assert_eq!(name("'vm_name' value missing"), "vm_name");
        assert_eq!(name("'cpu' value 65 is too large (must be no more than 64)."), "cpu");
        assert_eq!(name("Value 4 for 'cpu' expected to be an integer."), "cpu");
        assert_eq!(name("Value a for 'x' for 'c' expected to be one of ['a', 'b']."), "c");
        assert_eq!(survey_variable("Something else entirely."), None);
    }

    #[test]
    fn an_excerpt_of_a_page_holds_no_tags_no_control_characters_and_is_short() {
        let page =
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\x1b[31m<hr>nginx</body></html>";
        assert_eq!(excerpt(page), "502 Bad Gateway [31m nginx");
        assert!(excerpt(&"x".repeat(10_000)).chars().count() <= EXCERPT_CHARS_MAX + 1);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-20T20:44:00Z".parse().unwrap();
        assert_eq!(retry_after("7", now), Some(7));
        assert_eq!(retry_after("Fri, 20 Nov 2026 20:44:23 GMT", now), Some(23));
        assert_eq!(retry_after("Fri, 20 Nov 2026 20:43:23 GMT", now), Some(0));
        assert_eq!(retry_after("soon", now), None);
    }
}
