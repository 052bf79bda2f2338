//! The same delivery however often, the same ticket, the same key: one request.

#![allow(clippy::unwrap_used)]

mod http_support;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use causeway::config::Secret;
use causeway::http::Limits;
use causeway::intake::signature::{sign_hub_256, sign_standard_webhooks};
use causeway::vm_request::event::Event;
use causeway::vm_request::{Phase, RequestId};
use http_support::{Answer, Bridge, HUB_SECRET, Request, SIGNING_SECRET, lean};
use jiff::{SignedDuration, Timestamp};

fn signed(id: &str, at: Timestamp, body: &str) -> Request {
    let signed = sign_standard_webhooks(&Secret::new(SIGNING_SECRET), id, at, body.as_bytes()).unwrap();
    let request = Request::new("POST", "/hooks/eda").json(body);
    signed.pairs().into_iter().fold(request, |request, (name, value)| request.header(name, value))
}

fn now(bridge: &Bridge) -> Timestamp {
    causeway::clock::Clock::now(&*bridge.clock)
}

async fn at_once(bridge: &Arc<Bridge>, requests: Vec<Request>) -> Vec<Answer> {
    let sends: Vec<_> = requests
        .into_iter()
        .map(|request| {
            let bridge = bridge.clone();
            tokio::spawn(async move { bridge.send(request).await })
        })
        .collect();
    let mut answers = Vec::new();
    for send in sends {
        answers.push(send.await.unwrap());
    }
    answers
}

fn statuses(answers: &[Answer]) -> BTreeMap<u16, usize> {
    answers.iter().fold(BTreeMap::new(), |mut counts, answer| {
        *counts.entry(answer.status).or_default() += 1;
        counts
    })
}

fn ids(answers: &[Answer]) -> BTreeSet<String> {
    answers.iter().map(|answer| answer.json()["id"].as_str().unwrap().to_owned()).collect()
}

async fn requests_in(bridge: &Bridge) -> usize {
    let page = bridge.state.journal.page(&causeway::journal::PageQuery::default()).await.unwrap();
    page.items.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_copies_of_one_delivery_at_once_make_one_request() {
    let bridge = Arc::new(Bridge::start());
    let delivery = signed("msg_1", now(&bridge), &lean("web01", "test"));
    let answers = at_once(&bridge, vec![delivery; 100]).await;
    assert_eq!(statuses(&answers), BTreeMap::from([(200, 99), (202, 1)]));
    assert_eq!(ids(&answers).len(), 1);
    assert_eq!(requests_in(&bridge).await, 1);
    assert_eq!(bridge.woken.lock().unwrap().len(), 1, "only what is new wakes");
    assert_eq!(bridge.state.counters.intake.get("eda", "seen"), 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_with_one_idempotency_key_at_once_make_one_request() {
    let bridge = Arc::new(Bridge::start());
    let call = Request::api("POST", "/api/v1/vm-requests")
        .json(&lean("web01", "test"))
        .header("Idempotency-Key", "one");
    let answers = at_once(&bridge, vec![call; 100]).await;
    assert_eq!(statuses(&answers), BTreeMap::from([(200, 99), (201, 1)]));
    assert_eq!(ids(&answers).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_two_callers_do_not_meet() {
    let bridge = Bridge::start();
    let path = "/api/v1/vm-requests";
    let ci = Request::api("POST", path).json(&lean("web01", "test")).header("Idempotency-Key", "one");
    let other = Request::approver("POST", path).json(&lean("web02", "test")).header("Idempotency-Key", "one");
    assert_eq!(bridge.send(ci.clone()).await.status, 201);
    assert_eq!(bridge.send(other).await.status, 201);
    let changed = Request::api("POST", path).json(&lean("web03", "test")).header("Idempotency-Key", "one");
    let answer = bridge.send(changed).await;
    assert_eq!((answer.status, answer.problem().as_str()), (422, "idempotency-key-reused"));
    assert_eq!(bridge.send(ci).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_ticket_makes_one_request_and_each_of_its_items_another() {
    let bridge = Arc::new(Bridge::start());
    let body = |name: &str, item: u32, note: &str| {
        format!(
            r#"{{"number":"RITM1","note":"{note}","variables":{{"vm_name":"{name}","environment":"test","vm_os":"suse",
            "vm_os_version":"15","size":"small","ticket":{{"id":"RITM1","item":"{item}"}}}}}}"#
        )
    };
    let hub = |body: &str| {
        let value = sign_hub_256(&Secret::new(HUB_SECRET), body.as_bytes()).unwrap();
        Request::new("POST", "/hooks/servicenow").json(body).header("X-Hub-Signature-256", value)
    };
    let copies = (0..20).map(|index| hub(&body("web01", 1, &format!("update {index}")))).collect();
    let answers = at_once(&bridge, copies).await;
    assert_eq!(statuses(&answers), BTreeMap::from([(200, 19), (202, 1)]));
    assert_eq!(bridge.send(hub(&body("web02", 2, ""))).await.status, 202);
    assert_eq!(requests_in(&bridge).await, 2);
    let id: RequestId = ids(&answers).first().unwrap().parse().unwrap();
    let state = bridge.state.journal.load_state(&id).await.unwrap().unwrap();
    assert_eq!(state.received().unwrap().ticket.as_ref().unwrap().item.as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_id_is_known_for_five_minutes_only() {
    let bridge = Bridge::start();
    let delivery = Request::hook("portal", &lean("web01", "test"));
    assert_eq!(bridge.send(delivery.clone()).await.status, 202);
    assert_eq!(bridge.send(delivery.clone()).await.status, 200);
    bridge.clock.advance(SignedDuration::from_secs(301));
    let answer = bridge.send(delivery).await;
    assert_eq!(answer.status, 422, "it is a new request for a name that is taken: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_but_cannot_be_met_is_journalled_as_rejected_and_answered_alike_again() {
    let bridge = Bridge::start();
    let body = r#"{"vm_name":"web01","environment":"nowhere","ticket":{"id":"OPS-1"}}"#;
    let delivery = signed("msg_1", now(&bridge), body);
    let first = bridge.send(delivery.clone()).await;
    assert_eq!((first.status, first.problem().as_str()), (422, "invalid-request"));
    let again = bridge.send(delivery).await;
    assert_eq!(first.json(), again.json(), "the copy names the same request and the same faults");
    let id: RequestId = first.json()["request"].as_str().unwrap().parse().unwrap();
    let loaded = bridge.state.journal.load(&id).await.unwrap().unwrap();
    assert_eq!(loaded.state.phase, Phase::Failed);
    let Event::Rejected(rejected) = &loaded.events[0].event else { panic!("{loaded:?}") };
    assert_eq!(rejected.ticket.as_ref().unwrap().id, "OPS-1");
    assert_eq!(rejected.violations[0].pointer, "/environment");
    assert!(bridge.woken.lock().unwrap().is_empty());

    let mended = body
        .replace("nowhere", "test")
        .replace("}}", "},\"vm_os\":\"suse\",\"vm_os_version\":\"15\",\"size\":\"small\"}");
    let answer = bridge.send(signed("msg_2", now(&bridge), &mended)).await;
    assert_eq!(answer.status, 202, "the mended request of the same ticket is new: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_signed_leaves_nothing_but_a_count() {
    let bridge = Bridge::start();
    let good = signed("msg_1", now(&bridge), &lean("web01", "test"));
    let without = |name: &str| {
        let headers = good.headers.iter().filter(|(known, _)| known != name).cloned().collect();
        Request { headers, ..good.clone() }
    };
    let mut bodies = BTreeSet::new();
    let forged = [
        without("webhook-id"),
        without("webhook-signature"),
        without("webhook-signature").header("webhook-signature", b"v1,\xff\xfe\xe9"),
        without("webhook-signature").header("webhook-signature", "v1,AAAA v1,BBBB"),
        good.clone().header("webhook-signature", "v1,AAAA"),
        Request { body: Some(lean("web02", "test").into_bytes()), ..good.clone() },
        signed("msg_1", now(&bridge) - SignedDuration::from_secs(301), &lean("web01", "test")),
        signed("msg_1", now(&bridge) + SignedDuration::from_secs(301), &lean("web01", "test")),
        Request { target: "/hooks/nobody".to_owned(), ..good.clone() },
        Request { target: "/hooks/portal".to_owned(), ..good.clone() },
    ];
    for request in forged {
        let answer = bridge.send(request.clone()).await;
        assert_eq!(answer.status, 401, "{request:?}");
        bodies.insert(answer.text());
    }
    assert_eq!(bodies.len(), 1, "nobody can tell the reasons apart");
    assert_eq!(bridge.state.counters.intake.get("eda", "unauthenticated"), 8);
    assert_eq!(bridge.state.counters.intake.get("(unknown)", "unauthenticated"), 1);
    assert_eq!(requests_in(&bridge).await, 0);
    // The secret that stands in the code opens nothing.
    let value = sign_hub_256(&Secret::new("nobody"), b"{}").unwrap();
    let request = Request::new("POST", "/hooks/nobody").json("{}").header("X-Hub-Signature-256", value);
    assert_eq!(bridge.send(request).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_over_its_rate_is_told_when_to_come_back_and_then_let_in() {
    let bridge = Bridge::start();
    assert_eq!(bridge.send(Request::hook("slow", &lean("web01", "test"))).await.status, 202);
    for _ in 0..5 {
        let unsigned = Request::new("POST", "/hooks/slow").json("{}");
        assert_eq!(bridge.send(unsigned).await.status, 401, "strangers do not use the rate up");
    }
    let answer = bridge.send(Request::hook("slow", &lean("web02", "test"))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    bridge.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(bridge.send(Request::hook("slow", &lean("web02", "test"))).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_for_one_name_at_once_make_one_that_lives() {
    let bridge = Arc::new(Bridge::start());
    let calls = (0..20)
        .map(|index| {
            let name = if index % 2 == 0 { "web01" } else { "WEB01" };
            Request::api("POST", "/api/v1/vm-requests").json(&lean(name, "test"))
        })
        .collect();
    let answers = at_once(&bridge, calls).await;
    assert_eq!(statuses(&answers), BTreeMap::from([(201, 1), (409, 19)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_there_after_a_restart_of_the_journal() {
    let bridge = Bridge::start();
    let answer = bridge.send(Request::hook("portal", &lean("web01", "test"))).await;
    let id: RequestId = answer.json()["id"].as_str().unwrap().parse().unwrap();
    let Bridge { state, server, folder, clock, .. } = bridge;
    server.stop().await.unwrap();
    state.journal.clone().close().await;
    drop(state);
    let options = causeway::journal::JournalOptions::at(folder.path().join("causeway.db"));
    let journal = causeway::journal::Journal::open(options, clock).unwrap();
    assert_eq!(journal.load_state(&id).await.unwrap().unwrap().phase, Phase::Received);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_context_and_the_words_of_the_sender_are_kept() {
    let bridge = Bridge::start();
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let request = Request::hook("portal", &lean("web01", "test")).header("traceparent", trace);
    let answer = bridge.send(request).await;
    let id: RequestId = answer.json()["id"].as_str().unwrap().parse().unwrap();
    let state = bridge.state.journal.load_state(&id).await.unwrap().unwrap();
    let received = state.received().unwrap();
    assert_eq!(received.traceparent.as_deref(), Some(trace));
    assert_eq!(received.asked, serde_json::from_str::<serde_json::Value>(&lean("web01", "test")).unwrap());
    assert_eq!(received.requested_by, "portal");
    assert_eq!(received.vm_uid, id.vm_uid());
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_before_anybody_is_asked_who_they_are() {
    let bridge = Bridge::with(Limits { body_bytes_max: 100, ..Limits::default() }, |options| options);
    for target in ["/hooks/portal", "/hooks/nobody"] {
        let large = Request { body: Some(vec![b'x'; 101]), ..Request::new("POST", target).json("") };
        assert_eq!(bridge.send(large).await.status, 413, "{target}");
        let form = Request::new("POST", target).header("Content-Type", "text/plain");
        assert_eq!(bridge.send(form).await.status, 415, "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_come_in_is_replaced_as_a_whole_while_running() {
    let bridge = Bridge::start();
    let delivery = |name: &str| Request::hook("portal", &lean(name, "test"));
    assert_eq!(bridge.send(delivery("web01")).await.status, 202);
    let nobody = causeway::http::access::Access::new(Default::default(), &[], &[], &[]).ok().unwrap();
    bridge.state.access.replace(nobody);
    assert_eq!(bridge.send(delivery("web02")).await.status, 401);
    assert_eq!(bridge.send(Request::api("GET", "/api/v1/vm-requests")).await.status, 401);
    bridge.state.access.replace(http_support::access());
    assert_eq!(bridge.send(delivery("web02")).await.status, 202);
}
