//! What people may do with a request, at the same time as others.

#![allow(clippy::unwrap_used)]

mod http_support;

use std::sync::Arc;

use causeway::journal::Append;
use causeway::vm_request::event::{ByPerson, Event};
use causeway::vm_request::hold::Finding;
use causeway::vm_request::{Phase, RequestId};
use http_support::{Answer, Bridge, Request};
use serde_json::json;

async fn act(bridge: &Bridge, id: &RequestId, action: &str) -> Answer {
    let target = format!("/api/v1/vm-requests/{id}/actions/{action}");
    bridge.send(Request::approver("POST", &target).json(r#"{"comment":"because"}"#)).await
}

async fn append(bridge: &Bridge, id: &RequestId, events: Vec<Event>) {
    let state = bridge.state.journal.load_state(id).await.unwrap().unwrap();
    let at = causeway::clock::Clock::now(&*bridge.clock);
    let (append, _) = Append::following(&state, at, events).unwrap();
    bridge.state.journal.append(append).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_approve_deny_and_cancel_at_once_the_winners_follow_from_each_other() {
    for round in 0..10 {
        let bridge = Arc::new(Bridge::start());
        let id = bridge.make("web01", "prod", None).await;
        let actions = ["approve", "deny", "cancel", "approve", "deny", "cancel"];
        let sends = actions.map(|action| {
            let (bridge, id) = (bridge.clone(), id.clone());
            tokio::spawn(async move { act(&bridge, &id, action).await })
        });
        let mut done = Vec::new();
        for (action, send) in actions.into_iter().zip(sends) {
            let answer = send.await.unwrap();
            match answer.status {
                200 => done.push(action),
                409 => assert_eq!(answer.problem(), "action-not-valid"),
                other => panic!("{other}: {}", answer.text()),
            }
        }
        let journal = bridge.state.journal.load(&id).await.unwrap().unwrap();
        assert_eq!(journal.events.len(), 1 + done.len(), "round {round}: {done:?}");
        let decided = done.iter().filter(|action| **action != "cancel").count();
        assert!(decided <= 1, "approved or denied once: {done:?}");
        let expected = if done.contains(&"cancel") { Phase::Cancelling } else { Phase::Failed };
        assert_eq!(journal.state.phase, expected, "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_is_written_down_with_who_and_why_and_wakes() {
    let bridge = Bridge::start();
    let id = bridge.make("web01", "prod", None).await;
    bridge.woken.lock().unwrap().clear();
    let answer = act(&bridge, &id, "approve").await;
    assert_eq!(answer.json()["phase"], "received");
    let loaded = bridge.state.journal.load(&id).await.unwrap().unwrap();
    let by = ByPerson { by: "j.doe".to_owned(), comment: "because".to_owned() };
    assert_eq!(loaded.events[1].event, Event::Approved(by));
    assert_eq!(*bridge.woken.lock().unwrap(), [id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_request_offers_what_is_valid_and_does_it() {
    let bridge = Bridge::start();
    let id = bridge.make("web01", "test", None).await;
    let finding = Finding {
        code: "template_missing".to_owned(),
        subject: "template rhel9".to_owned(),
        detail: "vCenter has none".to_owned(),
        remedy: "make it".to_owned(),
    };
    append(&bridge, &id, vec![Event::PreflightDone { attempt_no: 1, findings: vec![finding] }]).await;
    let target = format!("/api/v1/vm-requests/{id}");
    let shown = bridge.send(Request::api("GET", &target)).await.json();
    assert_eq!(shown["hold"]["cause"], "preflight");
    assert_eq!(shown["waiting"], "for a person: preflight; possible now: retry, cancel, give_up");
    let offered = bridge.send(Request::api("GET", &format!("{target}/actions"))).await.json();
    let names: Vec<&str> =
        offered["items"].as_array().unwrap().iter().map(|action| action["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["retry", "cancel", "give_up"]);
    let href = offered["items"][0]["href"].as_str().unwrap();
    let answer = bridge.send(Request::api("POST", href).json("{}")).await;
    assert_eq!(answer.json()["phase"], "launching");
    assert_eq!(act(&bridge, &id, "give_up").await.status, 409);
    assert_eq!(act(&bridge, &id, "verify").await.status, 409);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_journal_and_evidence_tell_the_same_story() {
    let bridge = Bridge::start();
    let id = bridge.make("web01", "test", None).await;
    append(&bridge, &id, vec![Event::PreflightDone { attempt_no: 1, findings: vec![] }]).await;
    act(&bridge, &id, "cancel").await;
    let target = format!("/api/v1/vm-requests/{id}");
    let events = bridge.send(Request::api("GET", &format!("{target}/events"))).await.json();
    let types: Vec<&str> =
        events["items"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(
        types,
        [
            "dev.causeway.request.received.v1",
            "dev.causeway.preflight.done.v1",
            "dev.causeway.request.cancel_asked.v1"
        ]
    );
    assert_eq!(events["items"][2]["data"], json!({ "by": "j.doe", "comment": "because" }));
    assert_eq!(events["next_after_seq"], json!(null));
    let page = bridge.send(Request::api("GET", &format!("{target}/events?after_seq=1&limit=1"))).await.json();
    assert_eq!(page["items"][0], events["items"][1]);
    assert_eq!(page["next_after_seq"], 2);
    let journal = bridge.send(Request::api("GET", &format!("{target}/journal"))).await.json();
    let hashes = journal["items"].as_array().unwrap().iter().map(|row| row["hash"].as_str().unwrap().len());
    assert_eq!(hashes.collect::<Vec<_>>(), [64, 64, 64]);
    let evidence = bridge.send(Request::api("GET", &format!("{target}/evidence"))).await.json();
    assert_eq!(evidence["preflights"][0]["seq"], 2);
    assert_eq!(evidence["stages"].as_array().unwrap().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_paged_by_cursor_with_their_filters_kept() {
    let bridge = Bridge::start();
    for index in 0..5 {
        bridge.clock.advance(jiff::SignedDuration::from_secs(1));
        bridge.make(&format!("web0{index}"), "test", None).await;
        bridge.make(&format!("db0{index}"), "prod", None).await;
    }
    let mut target = "/api/v1/vm-requests?environment=test&limit=2".to_owned();
    let mut names = Vec::new();
    loop {
        let page = bridge.send(Request::api("GET", &target)).await.json();
        for item in page["items"].as_array().unwrap() {
            names.push(item["vm_name"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["links"]["next"].as_str() else { break };
        assert!(next.contains("environment=test&limit=2&cursor="), "{next}");
        target = next.to_owned();
    }
    assert_eq!(names, ["web04", "web03", "web02", "web01", "web00"]);
    let twice = bridge.send(Request::api("GET", "/api/v1/vm-requests?limit=1&limit=2")).await;
    assert_eq!(twice.json()["errors"][0]["detail"], "is given twice");
}
