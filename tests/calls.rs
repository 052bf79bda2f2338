//! What one finished run costs its controller: no more requests than it needs, though it sends a notification about
//! everything it does.

#![allow(clippy::unwrap_used)]

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use causeway::bridge::Bridge;
use causeway::clock::{SharedClock, SystemClock};
use causeway::config::Secret;
use causeway::demo::{LabOnly, RigOptions};
use causeway::intake::signature::sign_standard_webhooks;
use causeway::journal::Journal;
use causeway::lab::controller::model::Tempo;
use causeway::vm_request::Event;
use serde_json::json;

/// A request that takes longer than this hangs.
const DONE_SECS_MAX: u64 = 60;
/// Claim, launch, holder, one reading, nodes, jobs, host, mark.
const CALLS_MAX: u64 = 8;
/// No tick falls into the test: the next multiple of this is years away.
const POLL_INTERVAL_SECS: u64 = 1_000_000_000;

#[test]
fn a_finished_run_costs_the_controller_eight_requests_however_many_notifications_it_sends() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        causeway::bridge::use_ring();
        let clock: SharedClock = Arc::new(SystemClock);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let neighbours = LabOnly::start(&RigOptions::quiet(1), Tempo::fast(), address, &clock).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut config = neighbours.config(&folder.path().join("journal.db")).unwrap();
        config.policy.poll_interval_secs = POLL_INTERVAL_SECS;
        config.policy.overall_deadline_secs = 3_600;
        let bridge = Bridge::start_on(listener, config, Arc::clone(&clock)).await.unwrap();
        let journal = bridge.journal();
        // The first request pays for what is remembered: discovery, the template, the inventories.
        send(&address.to_string(), &clock, 1).await;
        until_marked(journal, 1).await;
        let before: u64 = neighbours.lab.calls().values().sum();
        send(&address.to_string(), &clock, 2).await;
        until_marked(journal, 2).await;
        let calls = neighbours.lab.calls();
        let spent = calls.values().sum::<u64>() - before;
        assert!(spent <= CALLS_MAX, "{spent}: {calls:?}");
        assert!(callbacks(journal).await >= 20, "the controller sent notifications");
        bridge.stop().await;
        neighbours.stop().await;
    });
}

async fn send(address: &str, clock: &SharedClock, n: u32) {
    let body = json!({
        "vm_name": format!("calls{n:02}"), "environment": "prod", "vm_os": "redhat", "vm_os_version": "9",
        "size": "small", "ticket": {"id": format!("RITM{n:07}")},
    })
    .to_string();
    let secret = Secret::new(LabOnly::WEBHOOK_SECRET);
    let signed = sign_standard_webhooks(&secret, &format!("msg_{n}"), clock.now(), body.as_bytes()).unwrap();
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
    let mut call =
        http.post(format!("http://{address}/hooks/itsm")).header("Content-Type", "application/json");
    for (name, value) in signed.pairs() {
        call = call.header(name, value);
    }
    assert_eq!(call.body(body).send().await.unwrap().status(), 202);
}

/// Waits until `wanted` hosts bear the bridge's mark, the last thing that a request does.
async fn until_marked(journal: &Journal, wanted: usize) {
    let marked = async {
        let mut position = journal.position();
        loop {
            position.borrow_and_update();
            if count(journal, |event| matches!(event, Event::HostMarked { .. })).await >= wanted {
                return;
            }
            position.changed().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(DONE_SECS_MAX), marked).await.unwrap();
}

async fn callbacks(journal: &Journal) -> usize {
    count(journal, |event| matches!(event, Event::CallbackSeen(_))).await
}

async fn count(journal: &Journal, pick: fn(&Event) -> bool) -> usize {
    let recorded = journal.tail(0, 1_000).await.unwrap();
    recorded.iter().filter(|recorded| pick(&recorded.event)).count()
}
