//! Requests and answers without a socket, and the answers that are not about any row: errors in the
//! controller's own shapes, and the HTML of the proxy in front of it (CONTRACT.md §1, §2; MEASURED 8).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::model::Refusal;

/// Bodies above this are refused by the proxy (`launch_body_2MB_413`).
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Request lines above this are refused by the proxy (CONTRACT.md §12).
pub const URL_BYTES_MAX: usize = 8 * 1024;

/// One request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Upper case.
    pub method: String,
    /// Decoded, with its leading slash.
    pub path: String,
    /// As sent, without the question mark.
    pub query: String,
    /// By lower-case name.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Request {
    /// A header by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The query's pairs, decoded, in order.
    #[must_use]
    pub fn pairs(&self) -> Vec<(String, String)> {
        let parts = self.query.split('&').filter(|part| !part.is_empty());
        parts
            .map(|part| part.split_once('=').unwrap_or((part, "")))
            .map(|(key, value)| (percent_decode(key), percent_decode(value)))
            .collect()
    }
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
    /// The connection is cut instead of answering.
    pub lost: bool,
    /// Held back for so long, in milliseconds.
    pub delay_ms: u64,
}

impl Reply {
    /// JSON with a status.
    #[must_use]
    pub fn json(status: u16, value: &Value) -> Self {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Self { status, headers, body: value.to_string().into_bytes(), lost: false, delay_ms: 0 }
    }

    /// No body at all.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), lost: false, delay_ms: 0 }
    }

    /// HTML, from the proxy or from Django itself.
    #[must_use]
    pub fn html(status: u16, body: String) -> Self {
        let headers = vec![("Content-Type", "text/html; charset=utf-8".to_owned())];
        Self { status, headers, body: body.into_bytes(), lost: false, delay_ms: 0 }
    }

    /// The proxy's own error page.
    #[must_use]
    pub fn proxy(status: u16) -> Self {
        let title = match status {
            413 => "413 Request Entity Too Large",
            414 => "414 Request-URI Too Large",
            502 => "502 Bad Gateway",
            503 => "503 Service Temporarily Unavailable",
            _ => "504 Gateway Time-out",
        };
        let body = format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
        Self { headers: vec![("Content-Type", "text/html".to_owned())], ..Self::html(status, body) }
    }

    /// The path with its slash, for GET and POST alike (MEASURED 9).
    #[must_use]
    pub fn moved(request: &Request) -> Self {
        let query = if request.query.is_empty() { String::new() } else { format!("?{}", request.query) };
        Self::html(301, String::new()).with("Location", format!("{}/{query}", request.path))
    }

    /// An unknown path in 24.x (`api_v2_unknown_404`).
    #[must_use]
    pub fn unknown_path(v23: bool) -> Self {
        if v23 {
            return Self::json(404, &json!({"detail": "The requested resource could not be found."}));
        }
        let body = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Not Found</title>\n</head>\n<body>\n  \
                    <h1>Not Found</h1><p>The requested resource was not found on this server.</p>\n</body>\n</html>\n";
        Self::html(404, body.to_owned())
    }

    /// A server error in 24.x: Django's own page.
    #[must_use]
    pub fn server_error() -> Self {
        let body = "\n<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>Server Error (500)</title>\n</head>\n\
                    <body>\n  <h1>Server Error (500)</h1><p></p>\n</body>\n</html>\n";
        Self::html(500, body.to_owned())
    }

    /// What a refusal looks like on the wire.
    #[must_use]
    pub fn refused(refusal: &Refusal, v23: bool) -> Self {
        let detail = |status: u16, text: &str| Self::json(status, &json!({ "detail": text }));
        match refusal {
            Refusal::Unauthenticated => {
                let text = "Authentication credentials were not provided. To establish a login session, visit \
                            /api/login/.";
                detail(401, text).with(
                    "WWW-Authenticate",
                    "Bearer realm=api authorization_url=/api/o/authorize/".to_owned(),
                )
            }
            Refusal::Forbidden(text) => detail(403, text),
            Refusal::NotFound(_) if v23 => detail(404, "Not found."),
            Refusal::NotFound(model) => detail(404, &format!("No {model} matches the given query.")),
            Refusal::MethodNotAllowed(method) => detail(405, &format!("Method \"{method}\" not allowed.")),
            Refusal::Invalid(body) => Self::json(400, body),
            Refusal::Conflict(body) => Self::json(409, body),
        }
    }

    /// The same with one header more.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// Decodes `%41` and `+`; what is no escape stays.
#[must_use]
pub fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match (bytes[at], escape.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (b'+', _) => {
                out.push(b' ');
                at += 1;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Encodes what must not stand in a query value.
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
