//! No secret in an answer, a log, the journal or a metric, whatever is sent and however it fails.

#![allow(clippy::unwrap_used)]

mod http_support;

use std::io::Write;
use std::sync::{Arc, Mutex};

use http_support::{Bridge, PORTAL_TOKEN, Request, SECRETS, lean};
use tracing_subscriber::fmt::MakeWriter;

/// Words that a sender put where they do not belong.
const SLIPPED: &str = "hunter2-slipped-in";

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_secret_comes_back_or_is_logged() {
    let log = Captured::default();
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).init();
    let bridge = Bridge::start();
    let id = bridge.make("web01", "prod", Some("k")).await;
    let list = "/api/v1/vm-requests";
    let bad = format!(
        r#"{{"vm_name":"{SLIPPED}!","environment":"{SLIPPED} x","password":"{SLIPPED}","vm_ip_address":"{SLIPPED}",
        "vm_cpu":"{SLIPPED}","description":["{SLIPPED}"],"vm_os":"{SLIPPED}"}}"#
    );
    let callback = format!(
        r#"{{"id":7,"url":"https://aap/jobs/workflow/7","status":"failed","name":"t","extra_vars":"{{\"x\":\"{SLIPPED}\"}}"}}"#
    );
    let requests = [
        Request::hook("portal", &lean("web02", "test")),
        Request::hook("portal", &bad),
        Request::hook("portal", &format!("{{\"a\": {SLIPPED}}}")),
        Request::hook("eda", &bad),
        Request::hook("servicenow", &bad),
        Request::hook("nobody", &bad),
        Request::hook("portal", &bad).header("X-GitHub-Delivery", format!("{SLIPPED} x")),
        Request::api("POST", list).json(&bad),
        Request::api("POST", list).json(&lean("web01", "prod")),
        Request::api("POST", list).json(&lean("web05", "prod")).header("Idempotency-Key", "k"),
        Request::api("GET", list),
        Request::api("GET", &format!("{list}?text={PORTAL_TOKEN}&x={SLIPPED}")),
        Request::api("GET", &format!("{list}/{id}")),
        Request::api("GET", &format!("{list}/{id}/evidence")),
        Request::api("POST", &format!("{list}/{id}/actions/approve")).json("{}"),
        Request::new("GET", list).header("Authorization", format!("Bearer {SLIPPED}")),
        Request::callback(&callback),
        Request::callback(&format!("{{{SLIPPED}")),
        Request::new("POST", "/hooks/aap/aap-prod").json("{}").header("X-Causeway-Token", SLIPPED),
        Request::new("GET", "/metrics"),
        Request::new("GET", "/openapi.json"),
    ];
    let mut said = String::new();
    for request in requests {
        let answer = bridge.send(request).await;
        assert_ne!(answer.status, 500, "{}", answer.text());
        said.push_str(&format!("{:?}\n{}\n", answer.headers, answer.text()));
    }
    let journalled = format!("{:?}", bridge.state.journal.tail(0, 1_000).await.unwrap());
    assert!(journalled.contains("Rejected"), "the scan looked at something");
    bridge.state.journal.clone().close().await;
    let metrics = bridge.send(Request::new("GET", "/metrics")).await;
    assert_eq!(metrics.status, 200, "figures come when the journal fails, and above all then");
    assert!(!metrics.text().contains("causeway_requests_open{"), "{}", metrics.text());
    bridge.send(Request::hook("portal", &lean("web09", "test"))).await;
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(
        logged.contains("a request came in") && logged.contains("the journal cannot be used"),
        "{logged}"
    );
    for (place, text) in [("an answer", &said), ("the log", &logged), ("the journal", &journalled)] {
        for secret in SECRETS.iter().chain([&SLIPPED]) {
            assert!(!text.contains(secret), "{secret} stands in {place}:\n{text}");
        }
    }
}
