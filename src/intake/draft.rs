//! From a body to the first event of a request: what was asked, by whom, on which ticket, and by which keys a second
//! copy is recognised. Pure: ids, times and the catalog are arguments.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::pointer::text_of;
use super::source::SourceConfig;
use super::{json, schema};
use crate::vm_request::catalog::Catalog;
use crate::vm_request::event::{Event, Received, Rejected};
use crate::vm_request::ids::RequestId;
use crate::vm_request::spec::{Ticket, VmRequest};
use crate::vm_request::violation::Violation;

/// The source of requests that come straight to the API.
pub const API_SOURCE: &str = "api";

/// The longest ticket id, item and name of a person, in characters (as in the schema).
const TICKET_CHARS_MAX: usize = 100;
const PERSON_CHARS_MAX: usize = 200;
const URL_CHARS_MAX: usize = 500;

/// A body that was read: a request, or everything that is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    pub source: String,
    pub ticket: Option<Ticket>,
    pub requested_by: String,
    /// SHA-256 of the body, hex.
    pub body_sha256: String,
    /// The sender's id of the delivery, where it stands in the body.
    pub delivery_id: Option<String>,
    pub content: Result<Asked, Vec<Violation>>,
}

/// What was asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// As its sender wrote it.
    pub written: Value,
    pub request: VmRequest,
}

impl Draft {
    /// Reads what `source` sent.
    #[must_use]
    pub fn of_source(body: &[u8], source: &SourceConfig) -> Self {
        let mut draft = Self::empty(body, &source.name, source.name.clone());
        let mut whole = match json::parse(body) {
            Ok(whole) => whole,
            Err(violation) => {
                draft.content = Err(vec![violation]);
                return draft;
            }
        };
        let faults = draft.read_envelope(&whole, source);
        let Some(asked) = whole.pointer_mut(&source.payload_pointer).map(Value::take) else {
            let detail = "is missing: here the source's VM request stands";
            draft.content =
                Err(vec![Violation::new(&source.payload_pointer, detail, "an object as in vm-request.v1")]);
            return draft;
        };
        draft.read_request(asked, &source.payload_pointer);
        if !faults.is_empty() {
            let more = draft.content.err().unwrap_or_default();
            draft.content = Err(faults.into_iter().chain(more).collect());
        }
        draft
    }

    /// Reads what the API caller `caller` sent.
    #[must_use]
    pub fn of_caller(body: &[u8], caller: &str) -> Self {
        let mut draft = Self::empty(body, API_SOURCE, caller.to_owned());
        match json::parse(body) {
            Ok(asked) => {
                draft.read_request(asked, "");
                if draft.requested_by != caller {
                    // A caller may ask for somebody, and the journal names both.
                    draft.requested_by = format!("{} (through {caller})", draft.requested_by);
                }
            }
            Err(violation) => draft.content = Err(vec![violation]),
        }
        draft
    }

    /// Source, ticket and item: by these a request is known for ever. `None` without a ticket.
    #[must_use]
    pub fn request_key(&self) -> Option<String> {
        let ticket = self.ticket.as_ref()?;
        // A list in JSON, so that no choice of separator lets two tickets meet.
        Some(serde_json::json!([self.source, ticket.id, ticket.item]).to_string())
    }

    /// The first event of the request `id`: `Received` when the catalog can build it, else `Rejected`.
    #[must_use]
    pub fn into_event(self, catalog: &Catalog, id: &RequestId, traceparent: Option<String>) -> Event {
        let Self { source, ticket, requested_by, body_sha256, content, .. } = self;
        let resolved = content.and_then(|asked| catalog.resolve(&asked.request).map(|spec| (asked, spec)));
        match resolved {
            Ok((asked, spec)) => Event::Received(Box::new(Received {
                approval_required: approval_required(catalog, &spec.environment),
                source,
                ticket,
                requested_by,
                asked: asked.written,
                spec,
                vm_uid: id.vm_uid(),
                traceparent,
                remedies: None,
            })),
            Err(violations) => Event::Rejected(Rejected { source, ticket, body_sha256, violations }),
        }
    }

    fn empty(body: &[u8], source: &str, requested_by: String) -> Self {
        Self {
            source: source.to_owned(),
            ticket: None,
            requested_by,
            body_sha256: sha256_hex(body),
            delivery_id: None,
            content: Err(Vec::new()),
        }
    }

    /// Reads what stands beside the request, and says what cannot be read.
    fn read_envelope(&mut self, whole: &Value, source: &SourceConfig) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut at = |pointer: &Option<String>, chars_max: usize| {
            let pointer = pointer.as_deref()?;
            let value = whole.pointer(pointer).filter(|value| !value.is_null())?;
            let text = text_of(value).filter(|text| text.chars().count() <= chars_max);
            if text.is_none() {
                let expected = format!("a string or whole number of 1 to {chars_max} characters");
                found.push(Violation::new(pointer, "cannot be read", expected));
            }
            text
        };
        self.delivery_id = at(&source.delivery_id_pointer, PERSON_CHARS_MAX);
        let (item, url) = (
            at(&source.ticket_item_pointer, TICKET_CHARS_MAX),
            at(&source.ticket_url_pointer, URL_CHARS_MAX),
        );
        let url = url.filter(|url| is_web_address(url));
        self.ticket = at(&source.ticket_id_pointer, TICKET_CHARS_MAX).map(|id| Ticket { id, item, url });
        if let Some(person) = at(&source.requested_by_pointer, PERSON_CHARS_MAX) {
            self.requested_by = person;
        }
        found
    }

    /// What the request itself says of its ticket and its person goes before the envelope.
    fn read_request(&mut self, asked: Value, at: &str) {
        match schema::read(&asked) {
            Ok(request) => {
                if request.ticket.is_some() {
                    self.ticket.clone_from(&request.ticket);
                }
                if let Some(person) = &request.requested_by {
                    self.requested_by.clone_from(person);
                }
                self.content = Ok(Asked { written: asked, request });
            }
            Err(mut violations) => {
                for violation in &mut violations {
                    violation.pointer.insert_str(0, at);
                }
                self.content = Err(violations);
            }
        }
    }
}

/// SHA-256, hex.
#[must_use]
pub fn sha256_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        text.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        text.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
    }
    text
}

/// `traceparent` as W3C Trace Context, version 00, has it; anything else is dropped, as the specification wants.
#[must_use]
pub fn traceparent(header: &str) -> Option<String> {
    let parts: Vec<&str> = header.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { return None };
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let some = |text: &str| text.bytes().any(|byte| byte != b'0');
    let good =
        *version == "00" && hex(trace, 32) && some(trace) && hex(parent, 16) && some(parent) && hex(flags, 2);
    good.then(|| header.to_owned())
}

fn approval_required(catalog: &Catalog, environment: &str) -> bool {
    catalog.environments.get(environment).is_some_and(|environment| environment.approval)
}

fn is_web_address(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn source(text: &str) -> SourceConfig {
        let head = "name = 'snow'\nscheme = 'bearer'\nsecrets = ['x']\n";
        toml::from_str(&format!("{head}{text}")).unwrap()
    }

    #[test]
    fn an_envelope_is_read_by_the_source_s_pointers() {
        let source = source(
            "payload_pointer = '/variables'\nticket_id_pointer = '/number'\nticket_item_pointer = '/line'\n\
             requested_by_pointer = '/opened_by/name'\ndelivery_id_pointer = '/event_id'",
        );
        let body = br#"{"event_id":"e:12","number":"RITM1","line":3,"opened_by":{"name":"alice"},
            "variables":{"vm_name":"web01","environment":"prod"}}"#;
        let draft = Draft::of_source(body, &source);
        let ticket = Ticket { id: "RITM1".to_owned(), item: Some("3".to_owned()), url: None };
        assert_eq!(draft.ticket, Some(ticket));
        assert_eq!(draft.requested_by, "alice");
        assert_eq!(draft.delivery_id.as_deref(), Some("e:12"));
        assert_eq!(draft.request_key().unwrap(), r#"["snow","RITM1","3"]"#);
        let asked = draft.content.unwrap();
        assert_eq!(asked.request.vm_name, "web01");
        assert_eq!(asked.written, serde_json::json!({"vm_name": "web01", "environment": "prod"}));
    }

    #[test]
    fn violations_point_into_the_body_that_was_sent() {
        let source = source("payload_pointer = '/variables'\nticket_id_pointer = '/number'");
        let body = br#"{"number":"RITM1","variables":{"vm_name":7,"environment":"prod"}}"#;
        let draft = Draft::of_source(body, &source);
        assert_eq!(draft.ticket.as_ref().unwrap().id, "RITM1", "so that the ticket can be told");
        assert_eq!(draft.content.unwrap_err()[0].pointer, "/variables/vm_name");
        let elsewhere = Draft::of_source(br#"{"vm_name":"web01"}"#, &source);
        assert_eq!(elsewhere.content.unwrap_err()[0].pointer, "/variables");
    }

    #[test]
    fn what_stands_beside_the_request_is_refused_where_it_cannot_be_read() {
        let source =
            source("payload_pointer = '/vm'\nticket_id_pointer = '/number'\nticket_item_pointer = '/line'");
        let body =
            |number: &str| format!(r#"{{"number":{number},"vm":{{"vm_name":"a","environment":"b"}}}}"#);
        let long = format!("\"{}\"", "9".repeat(101));
        for number in ["{}", "true", "1.5", "\" \"", long.as_str()] {
            let found = Draft::of_source(body(number).as_bytes(), &source).content.unwrap_err();
            assert_eq!((found.len(), found[0].pointer.as_str()), (1, "/number"), "{number}");
        }
        let without = Draft::of_source(body("null").as_bytes(), &source);
        assert!(without.content.is_ok() && without.ticket.is_none());
    }

    #[test]
    fn who_asks_for_somebody_else_is_named_beside_them() {
        let body = |who: &str| format!(r#"{{"vm_name":"a","environment":"b"{who}}}"#);
        assert_eq!(Draft::of_caller(body("").as_bytes(), "ci").requested_by, "ci");
        let other = Draft::of_caller(body(r#","requested_by":"alice""#).as_bytes(), "ci");
        assert_eq!(other.requested_by, "alice (through ci)");
    }

    #[test]
    fn two_tickets_never_share_a_key() {
        let key = |id: &str, item: Option<&str>| {
            let mut draft = Draft::of_caller(b"{}", "ci");
            draft.ticket = Some(Ticket { id: id.to_owned(), item: item.map(str::to_owned), url: None });
            draft.request_key().unwrap()
        };
        assert_ne!(key("a/b", None), key("a", Some("b")));
        assert_ne!(key("a\",\"b", None), key("a", Some("b")));
    }

    #[test]
    fn a_traceparent_is_kept_only_when_it_is_one() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(traceparent(good).as_deref(), Some(good));
        for bad in ["", "00-0-0-01", &good.to_uppercase(), &good.replace("00-", "ff-"), &format!("{good}-x")]
        {
            assert_eq!(traceparent(bad), None, "{bad}");
        }
    }
}
