//! Notifications of a controller: whatever they say, they are harmless, counted, and wake whom they are about.

#![allow(clippy::unwrap_used)]

mod http_support;

use causeway::http::Limits;
use causeway::journal::Append;
use causeway::vm_request::event::{CallbackKind, Event, FoundBy, LaunchIntended, RunStatus};
use causeway::vm_request::stage::Stage;
use causeway::vm_request::{Phase, RequestId};
use http_support::{Bridge, CALLBACK_TOKEN, Request};
use serde_json::{Value, json};

/// A request whose run is workflow job `run`.
async fn running(bridge: &Bridge, vm_name: &str, run: i64) -> RequestId {
    let id = bridge.make(vm_name, "test", None).await;
    let state = bridge.state.journal.load_state(&id).await.unwrap().unwrap();
    let intended =
        LaunchIntended { attempt_no: 1, attempt: uuid::Uuid::nil(), stages: Stage::DEPLOYMENT.to_vec() };
    let events = vec![
        Event::PreflightDone { attempt_no: 1, findings: vec![] },
        Event::LaunchIntended(intended),
        Event::ClaimWritten { attempt_no: 1, claim_host: 3 },
        Event::LaunchSent { attempt_no: 1 },
        Event::LaunchAccepted { attempt_no: 1, workflow_job: run, found_by: FoundBy::Answer },
    ];
    let at = causeway::clock::Clock::now(&*bridge.clock);
    let (append, after) = Append::following(&state, at, events).unwrap();
    assert_eq!(after.phase, Phase::Running);
    bridge.state.journal.append(append).await.unwrap();
    bridge.woken.lock().unwrap().clear();
    id
}

fn of_workflow(run: i64, status: &str) -> String {
    let url = format!("https://aap.example.com/#/jobs/workflow/{run}");
    json!({ "id": run, "name": "VM Deployment", "url": url, "status": status, "extra_vars": "{}" })
        .to_string()
}

fn of_job(job: i64, id: &RequestId) -> String {
    let url = format!("https://aap.example.com/jobs/playbook/{job}");
    let extra_vars = json!({ "execution_id": id }).to_string();
    json!({ "id": job, "name": "VM Provisioning", "url": url, "status": "successful", "extra_vars": extra_vars })
        .to_string()
}

async fn callbacks(bridge: &Bridge, id: &RequestId) -> Vec<(i64, CallbackKind, RunStatus)> {
    let loaded = bridge.state.journal.load(id).await.unwrap().unwrap();
    let seen = loaded.events.into_iter().filter_map(|recorded| match recorded.event {
        Event::CallbackSeen(seen) => Some((seen.job, seen.kind, seen.status)),
        _ => None,
    });
    seen.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_found_by_its_number_and_a_child_by_its_execution() {
    let bridge = Bridge::start();
    let id = running(&bridge, "web01", 58).await;
    for body in [of_workflow(58, "running"), of_job(61, &id)] {
        let answer = bridge.send(Request::callback(&body)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "used": true })), "{body}");
    }
    let expected =
        [(58, CallbackKind::WorkflowJob, RunStatus::Running), (61, CallbackKind::Job, RunStatus::Successful)];
    assert_eq!(callbacks(&bridge, &id).await, expected);
    assert!(bridge.woken.lock().unwrap().is_empty(), "progress is read at the next tick");
    let ended = bridge.send(Request::callback(&of_workflow(58, "successful"))).await;
    assert_eq!(ended.status, 200);
    assert_eq!(
        *bridge.woken.lock().unwrap(),
        std::slice::from_ref(&id),
        "the end of the run makes a read due"
    );
    assert_eq!(bridge.state.counters.callbacks.get("VM Deployment", "seen"), 2);
    let state = bridge.state.journal.load_state(&id).await.unwrap().unwrap();
    assert_eq!(state.phase, Phase::Running, "a callback decides nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_useless_bodies_and_other_controllers_runs_are_answered_and_counted() {
    let bridge = Bridge::start();
    let id = running(&bridge, "web01", 58).await;
    let elsewhere = of_job(61, &RequestId::from_parts("2026-11-21T08:00:00Z".parse().unwrap(), 7));
    for body in ["{}", "\"2\"", "not json", r#"{"body":"Test"}"#, &of_workflow(59, "failed"), &elsewhere] {
        let answer = bridge.send(Request::callback(body)).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "used": false })), "{body}");
    }
    assert!(callbacks(&bridge, &id).await.is_empty());
    assert!(bridge.woken.lock().unwrap().is_empty());
    let unused = |reason| bridge.state.counters.callbacks_unused.get("aap-prod", reason);
    assert_eq!((unused("empty"), unused("no_object"), unused("approval"), unused("stranger")), (1, 2, 1, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_journalled_up_to_the_limit_and_still_wakes() {
    let limits = Limits { callbacks_per_request_max: 3, ..Limits::default() };
    let bridge = Bridge::with(limits, |options| options);
    let id = running(&bridge, "web01", 58).await;
    for _ in 0..5 {
        bridge.woken.lock().unwrap().clear();
        assert_eq!(bridge.send(Request::callback(&of_workflow(58, "failed"))).await.status, 200);
        assert!(!bridge.woken.lock().unwrap().is_empty());
    }
    assert_eq!(callbacks(&bridge, &id).await.len(), 3);
    assert_eq!(bridge.state.counters.callbacks_unused.get("aap-prod", "over_limit"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_when_the_request_is_over_counts_as_late() {
    let bridge = Bridge::start();
    let id = running(&bridge, "web01", 58).await;
    let state = bridge.state.journal.load_state(&id).await.unwrap().unwrap();
    let judged = causeway::vm_request::event::RunJudged {
        workflow_job: 58,
        attempt_no: 1,
        status: RunStatus::Failed,
        stages: std::collections::BTreeMap::new(),
        explanation: String::new(),
    };
    let at = causeway::clock::Clock::now(&*bridge.clock);
    let (append, _) = Append::following(&state, at, vec![Event::RunJudged(judged)]).unwrap();
    bridge.state.journal.append(append).await.unwrap();
    bridge.send(Request::callback(&of_workflow(58, "failed"))).await;
    assert_eq!(bridge.state.counters.callbacks.get("VM Deployment", "late"), 1);
    let metrics = bridge.send(Request::new("GET", "/metrics")).await.text();
    assert!(
        metrics.contains(r#"causeway_callbacks_total{template="VM Deployment",what="late"} 1"#),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_nothing_is_read() {
    let bridge = Bridge::start();
    let id = running(&bridge, "web01", 58).await;
    let body = of_workflow(58, "failed");
    let plain = Request::new("POST", "/hooks/aap/aap-prod").json(&body);
    for request in [
        plain.clone(),
        plain.clone().header("X-Causeway-Token", "guess"),
        plain.clone().header("X-Causeway-Token", b"\xff\xfe"),
        plain.clone().header("X-Causeway-Token", CALLBACK_TOKEN).header("X-Causeway-Token", "x"),
        Request { target: "/hooks/aap/other".to_owned(), ..Request::callback(&body) },
    ] {
        assert_eq!(bridge.send(request.clone()).await.status, 401, "{request:?}");
    }
    assert!(callbacks(&bridge, &id).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_notification_is_answered() {
    let bridge = Bridge::start();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notifications");
    for entry in std::fs::read_dir(folder).unwrap() {
        let recording: Value =
            serde_json::from_slice(&std::fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let mut request = Request::callback(recording["body_raw"].as_str().unwrap());
        request.method = recording["method"].as_str().unwrap().to_owned();
        let answer = bridge.send(request).await;
        assert_eq!((answer.status, answer.json()), (200, json!({ "used": false })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forty_at_once_about_one_request_are_all_answered_and_harm_nothing() {
    let bridge = std::sync::Arc::new(Bridge::start());
    let id = running(&bridge, "web01", 58).await;
    let sends: Vec<_> = (0..40)
        .map(|_| {
            let bridge = bridge.clone();
            tokio::spawn(async move { bridge.send(Request::callback(&of_workflow(58, "failed"))).await })
        })
        .collect();
    for send in sends {
        assert_eq!(send.await.unwrap().status, 200);
    }
    assert_eq!(bridge.woken.lock().unwrap().len(), 40);
    let crowded = bridge.state.counters.callbacks_unused.get("aap-prod", "crowded");
    assert_eq!(callbacks(&bridge, &id).await.len() as u64 + crowded, 40);
    assert!(bridge.state.journal.verify().await.unwrap().is_sound());
}
