//! Tests of the client against a server that misbehaves on purpose: a few lines over a bare socket, so that it can
//! cut, hang, redirect, echo and count as no polite server would.
#![allow(clippy::unwrap_used)]

mod hosts;
mod inventory;
mod lists;
mod transport;

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Controller, ControllerConfig};
use crate::clock::ManualClock;
use crate::config::Secret;

const TOKEN: &str = "s3cretT0ken";

/// A request as it arrived.
#[derive(Debug, Clone)]
struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Request {
    fn query(&self, key: &str) -> Option<&str> {
        self.query.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }

    fn header(&self, key: &str) -> Option<&str> {
        self.headers.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str())
    }
}

enum Reply {
    /// Status and JSON body.
    Json(u16, Value),
    /// Status, further header lines, content type and body.
    With(u16, &'static str, &'static str, String),
    /// These bytes, then the end of the connection.
    Raw(String),
    /// Nothing, until the client leaves.
    Hang,
}

struct Server {
    origin: String,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Starts a server that answers `GET /api/` itself and asks `handler` for the rest.
    async fn start(handler: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let mut handler = handler;
        Self::start_bare(move |request| match request.path.as_str() {
            "/api/" => Reply::Json(200, serde_json::json!({"current_version": "/api/v2/"})),
            _ => handler(request),
        })
        .await
    }

    async fn start_bare(handler: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (log, handler) = (Arc::clone(&seen), Arc::new(Mutex::new(handler)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, handler) = (Arc::clone(&log), Arc::clone(&handler));
                tokio::spawn(async move { serve(stream, &log, &handler).await });
            }
        });
        Self { origin, seen }
    }

    fn client(&self) -> Controller {
        self.client_with(|_| {})
    }

    fn client_with(&self, change: impl FnOnce(&mut ControllerConfig)) -> Controller {
        client_of(&self.origin, change)
    }

    /// Requests seen, without those for the API root.
    fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().iter().filter(|request| request.path != "/api/").cloned().collect()
    }
}

fn client_of(origin: &str, change: impl FnOnce(&mut ControllerConfig)) -> Controller {
    let mut cfg = ControllerConfig::new("lab", origin, Secret::new(TOKEN));
    cfg.backoff_first_ms = 1;
    cfg.backoff_longest_ms = 4;
    change(&mut cfg);
    let clock = ManualClock::new("2026-11-20T20:44:00Z".parse().unwrap());
    Controller::with_seed(cfg, Arc::new(clock), 7).unwrap()
}

/// One request on one connection.
async fn serve<H: FnMut(&Request) -> Reply>(
    mut stream: TcpStream,
    log: &Mutex<Vec<Request>>,
    handler: &Mutex<H>,
) {
    let Some(request) = receive(&mut stream).await else { return };
    log.lock().unwrap().push(request.clone());
    let reply = (*handler.lock().unwrap())(&request);
    let bytes = match reply {
        Reply::Json(status, body) => page(status, "", "application/json", &body.to_string()),
        Reply::With(status, headers, content_type, body) => page(status, headers, content_type, &body),
        Reply::Raw(bytes) => bytes,
        Reply::Hang => {
            // The client leaves when its deadline is over; then this read ends.
            drop(stream.read(&mut [0; 1]).await);
            return;
        }
    };
    // A client that has seen enough may be gone.
    drop(stream.write_all(bytes.as_bytes()).await);
    drop(stream.shutdown().await);
}

fn page(status: u16, headers: &str, content_type: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}

async fn receive(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?);
    let url = reqwest::Url::parse(&format!("http://x{target}")).unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(key, value)| (key.to_lowercase(), value.to_owned()))
        .collect();
    let length =
        headers.iter().find(|(key, _)| key == "content-length").map_or(0, |(_, n)| n.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Request {
        method,
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        headers,
        body: serde_json::from_slice(&bytes[head_end + 4..]).unwrap_or(Value::Null),
    })
}
