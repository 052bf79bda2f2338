//! The reconciler against a lab over real HTTP, where something goes wrong that no scenario of the demo plays: claims
//! that stand or vanish, tokens and rights that come and go, runs that others end or delete, callbacks that mean
//! nothing, cancellations in every phase, restarts under load, and three hundred lives with seeded faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::live;
use crate::live::{act, ask, claim, lean, state, until, until_phase};
use crate::proxy::{Proxy, Verdict, When, is_launch};
use causeway::config::Config;
use causeway::demo::Rig;
use causeway::lab::controller::model::Status;
use causeway::lab::controller::model::access::Role;
use causeway::lab::controller::model::hosts::HostFields;
use causeway::lab::faults::{Fault, Rule};
use causeway::lab::world::World;
use causeway::vm_request::hold::{Hold, OperatorAction};
use causeway::vm_request::state::{Phase, Progress};
use causeway::vm_request::{Event, RequestId};
use reqwest::Method;
use serde_json::{Value, json};

/// A rig with a proxy between bridge and controller, and a changed configuration.
async fn proxied(seed: u64, faults: &str, edit: impl FnOnce(&mut Config)) -> (Rig, Proxy) {
    let mut proxy = None;
    let rig = Rig::start_with(live::options(seed, faults), |config| {
        let started = Proxy::start(&config.controllers[0].base_url);
        config.controllers[0].base_url.clone_from(&started.url);
        proxy = Some(started);
        edit(config);
    });
    let rig = rig.await.expect("a rig starts");
    (rig, proxy.expect("a proxy"))
}

async fn sound(rig: &Rig) {
    let verified = rig.journal().expect("the bridge runs").verify().await.expect("a journal");
    assert!(verified.is_sound(), "{:?}", verified.faults);
}

/// Ends the test: journal sound, nobody logged in at vCenter any more.
async fn end(rig: Rig) {
    sound(&rig).await;
    let vcenter = rig.vcenter.state.clone();
    rig.stop().await;
    assert_eq!(vcenter.session_count(), 0, "a session was left open in vCenter");
}

fn host_fields(name: &str, variables: &Value) -> HostFields {
    HostFields {
        name: Some(name.to_owned()),
        variables: Some(variables.to_string()),
        ..HostFields::default()
    }
}

// ---- preflight ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_a_guest_has_is_not_given_again() {
    let rig = live::rig(1, "").await;
    let with_address = |name: &str| {
        let mut body = lean(name);
        body["vm_ip_address"] = json!("10.10.20.44");
        body
    };
    let first = ask(&rig, &with_address("adr01")).await;
    until_phase(&rig, &first, Phase::Done).await;
    let second = ask(&rig, &with_address("adr02")).await;
    let held = until_phase(&rig, &second, Phase::Held).await;
    let Some(Hold::Preflight { findings }) = &held.hold else { panic!("{:?}", held.hold) };
    let found: Vec<&str> = findings.iter().map(|finding| finding.code.as_str()).collect();
    assert_eq!(found, ["address_taken"]);
    assert!(findings[0].detail.starts_with("adr01 ("), "{:?}", findings[0]);
    assert_eq!(held.attempt_no, 0, "nothing was launched");
    let counted = metrics(&rig).await;
    assert!(counted.contains(r#"causeway_requests_open{phase="held"} 1"#), "{counted}");
    for neighbour in ["controller lab", "vcenter lab"] {
        let made = format!(r#"causeway_neighbour_calls_total{{neighbour="{neighbour}",outcome="success"}} "#);
        let count = counted.lines().find_map(|line| line.strip_prefix(&made)).expect("it is counted");
        assert!(count.parse::<u64>().expect("a count") > 3, "{counted}");
    }
    end(rig).await;
}

// ---- the claim ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_somebody_left_with_a_higher_number_is_stepped_over() {
    let rig = live::rig(1, "").await;
    {
        let mut world = rig.lab.world();
        let (admin, inventory) = (live::admin(&world), world.content.claims_inventory);
        let left = json!({
            "vm_uid": "6f1c2f0e-5d0b-5c0f-9a3e-0123456789ab", "attempt_no": 7,
            "execution_id": "req_of_another_time", "workflow_job": 4,
        });
        let fields = host_fields("ahead01", &left);
        world.controller.create_host(admin, inventory, fields, jiff::Timestamp::UNIX_EPOCH).expect("a host");
    }
    let id = ask(&rig, &lean("ahead01")).await;
    let done = until_phase(&rig, &id, Phase::Done).await;
    assert_eq!(done.attempt_no, 8, "the number rises above what stands there");
    let ahead = |event: &Event| matches!(event, Event::ClaimFoundAhead { found_attempt_no: 7, .. });
    assert!(live::has_event(&rig, &id, ahead).await);
    assert_eq!(claim(&rig, "ahead01").expect("a claim")["attempt_no"], 8);
    assert_eq!(live::launched_runs(&rig, &id).len(), 1);
    live::assert_built_once(&rig, &id, "ahead01");
    end(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_deleted_before_the_holder_is_recorded_is_put_back() {
    let (rig, proxy) = proxied(1, "", |_| ()).await;
    let world = rig.lab.shared_world();
    proxy.set(move |seen, when| {
        if is_launch(seen) && when == When::After(201) {
            let mut world = world.lock().expect("the world");
            let (admin, inventory) = (live::admin(&world), world.content.claims_inventory);
            let host = world.controller.host_id(inventory, "gone01").expect("the claim was written");
            world.controller.delete_host(admin, host).expect("deleted");
        }
        Verdict::Pass
    });
    let id = ask(&rig, &lean("gone01")).await;
    let done = until_phase(&rig, &id, Phase::Done).await;
    let run = done.run.expect("a run").workflow_job;
    assert_eq!((done.attempt_no, &claim(&rig, "gone01").expect("a claim")["workflow_job"]), (1, &json!(run)));
    live::assert_built_once(&rig, &id, "gone01");
    end(rig).await;
}

// ---- what the controller will not have ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_refused_before_the_launch_only_puts_it_off() {
    let rig = live::rig_unwatched(1, "").await;
    rig.lab.world().refuse_tokens(Some(jiff::Timestamp::MAX));
    let id = ask(&rig, &lean("tok01")).await;
    let calls = rig.vcenter.state.clone();
    // The preflight reads vCenter first, then the controller: two logins' worth of reads show that it was tried again.
    live::until_true("tried twice", || calls.calls().get("RetrievePropertiesEx").copied().unwrap_or(0) >= 4)
        .await;
    assert_eq!(state(&rig, &id).await.phase, Phase::Received);
    assert_eq!(live::launched_runs(&rig, &id), Vec::<u64>::new());
    let told = trouble(&rig, &id).await;
    assert!(told.as_str().is_some_and(|text| text.contains("does not accept the token")), "{told}");
    rig.lab.world().refuse_tokens(None);
    until_phase(&rig, &id, Phase::Done).await;
    assert_eq!(trouble(&rig, &id).await, Value::Null, "nothing goes wrong any more");
    live::assert_built_once(&rig, &id, "tok01");
    end(rig).await;
}

/// What the API says goes wrong with the request now.
async fn trouble(rig: &Rig, id: &RequestId) -> Value {
    let shown = rig.api(Method::GET, &format!("/api/v1/vm-requests/{id}"), None).await.expect("an answer");
    shown.body["trouble"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_launch_that_is_answered_401_is_put_off_and_keeps_the_others_back() {
    const REQUESTS: usize = 8;
    let (rig, proxy) = proxied(1, "", |config| config.policy.overall_deadline_secs = 600).await;
    let refusing = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&refusing);
    proxy.set(move |seen, when| {
        if is_launch(seen) && when == When::Before && still.load(Ordering::SeqCst) {
            let text = "Authentication credentials were not provided. To establish a login session, visit /api/login/.";
            return Verdict::Answer(401, json!({"detail": text}));
        }
        Verdict::Pass
    });
    let start = Instant::now();
    let first = ask(&rig, &lean("off00")).await;
    let put_off = |state: &causeway::vm_request::State| {
        state.intent.as_ref().is_some_and(|intent| matches!(intent.progress, Progress::PutOff { .. }))
    };
    until(&rig, &first, "put off", put_off).await;
    let mut ids = vec![first];
    for number in 1..REQUESTS {
        ids.push(ask(&rig, &lean(&format!("off{number:02}"))).await);
    }
    let is_put_off = |event: &Event| matches!(event, Event::LaunchPutOff { status: 401, .. });
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    let mut put_offs = 0;
    while put_offs < 4 {
        assert!(start.elapsed() < live::DEADLINE, "only {put_offs} launches were tried");
        put_offs = 0;
        for id in &ids {
            let told = live::events(&rig, id).await;
            put_offs += told.iter().filter(|each| is_put_off(&each.event)).count();
        }
        beat.tick().await;
    }
    let (sent, secs) = (proxy.count(is_launch), start.elapsed().as_secs());
    let most = usize::try_from(secs).expect("few") + 2;
    assert!(sent <= most, "one a second is tried: {sent} were sent in {secs} s by {REQUESTS} requests");
    assert_eq!(rig.lab.world().controller.workflow_jobs_after(0).count(), 0);
    refusing.store(false, Ordering::SeqCst);
    for id in &ids {
        let done = until_phase(&rig, id, Phase::Done).await;
        assert_eq!(
            (done.attempt_no, live::launched_runs(&rig, id).len()),
            (1, 1),
            "the same attempt goes on"
        );
    }
    end(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_no_longer_prompts_holds_the_request_with_the_field_named() {
    let rig = live::rig(1, "").await;
    let before = ask(&rig, &lean("prm00")).await;
    until_phase(&rig, &before, Phase::Done).await;
    let workflow = rig.lab.world().content.workflow;
    let prompts = |asks: bool| {
        rig.lab.world().controller.edit_workflow_job_template(workflow, |row| row.ask.variables = asks);
    };
    prompts(false);
    let id = ask(&rig, &lean("prm01")).await;
    let held = until_phase(&rig, &id, Phase::Held).await;
    let Some(Hold::LaunchRefused { violations }) = &held.hold else { panic!("{:?}", held.hold) };
    assert!(
        violations.iter().any(|violation| violation.pointer.starts_with("/extra_vars")),
        "{violations:?}"
    );
    assert!(held.allows(OperatorAction::Retry));
    // Not mended: the preflight of the next attempt sees it before anything is launched.
    assert_eq!(act(&rig, &id, "retry").await.status, 200);
    let held =
        until(&rig, &id, "held by the preflight", |state| matches!(state.hold, Some(Hold::Preflight { .. })))
            .await;
    let Some(Hold::Preflight { findings }) = &held.hold else { panic!("{:?}", held.hold) };
    assert_eq!(findings[0].code, "workflow_does_not_prompt");
    prompts(true);
    assert_eq!(act(&rig, &id, "retry").await.status, 200);
    until_phase(&rig, &id, Phase::Done).await;
    assert_eq!(live::launched_runs(&rig, &id).len(), 1);
    live::assert_built_once(&rig, &id, "prm01");
    end(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_inventory_that_cannot_be_seen_is_a_finding_of_the_preflight() {
    let rig = live::rig(1, "").await;
    let content = rig.lab.world().content;
    for (name, inventory) in [("inv01", content.claims_inventory), ("inv02", content.state_inventory)] {
        rig.lab.world().controller.ungrant(content.bridge, Role::InventoryAdmin, inventory);
        // What is remembered of the inventories is forgotten with the first finding, or not yet known.
        let id = ask(&rig, &lean(name)).await;
        if name == "inv01" {
            let held = until_phase(&rig, &id, Phase::Held).await;
            let Some(Hold::Preflight { findings }) = &held.hold else { panic!("{:?}", held.hold) };
            assert_eq!(
                findings.iter().map(|each| each.code.as_str()).collect::<Vec<_>>(),
                ["inventory_missing"]
            );
            assert!(findings[0].remedy.contains("Admin"), "{findings:?}");
            assert_eq!(live::launched_runs(&rig, &id), Vec::<u64>::new());
        } else {
            until(&rig, &id, "past its preflight", |state| state.phase != Phase::Received).await;
        }
        rig.lab.world().controller.grant(content.bridge, Role::InventoryAdmin, inventory);
        if state(&rig, &id).await.phase == Phase::Held {
            assert_eq!(act(&rig, &id, "retry").await.status, 200);
        }
        until_phase(&rig, &id, Phase::Done).await;
        live::assert_built_once(&rig, &id, name);
    }
    end(rig).await;
}

// ---- runs that others end, delete or double ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_was_deleted_is_held_and_a_retry_builds_nothing_twice() {
    let options = causeway::demo::RigOptions { callbacks: false, ..live::options(1, "") };
    let started = Rig::start_with(options, |config| {
        config.policy.poll_interval_secs = 3_600;
        config.policy.overall_deadline_secs = 600;
    });
    let rig = started.await.expect("a rig starts");
    let id = ask(&rig, &lean("del01")).await;
    let running = until_phase(&rig, &id, Phase::Running).await;
    let job = u64::try_from(running.run.expect("a run").workflow_job).expect("an id");
    let is_over =
        |world: &World| world.controller.workflow_job(job).is_some_and(|run| run.status.is_terminal());
    live::until_true("the run is over", || is_over(&rig.lab.world())).await;
    {
        let mut world = rig.lab.world();
        let admin = live::admin(&world);
        world.controller.delete_workflow_job(admin, job).expect("deleted");
    }
    assert_eq!(callback(&rig, job, "successful", &id).await, (200, true));
    let held = until_phase(&rig, &id, Phase::Held).await;
    assert!(matches!(held.hold, Some(Hold::RunVanished { .. })), "{:?}", held.hold);
    assert_eq!(act(&rig, &id, "retry").await.status, 200);
    until(&rig, &id, "launched again", |state| state.run.as_ref().is_some_and(|run| run.attempt_no == 2))
        .await;
    live::until_quiet(&rig).await;
    let job = state(&rig, &id).await.run.expect("a run").workflow_job;
    callback(&rig, u64::try_from(job).expect("an id"), "successful", &id).await;
    until_phase(&rig, &id, Phase::Done).await;
    live::assert_built_once(&rig, &id, "del01");
    end(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_somebody_else_cancelled_is_held_and_can_be_retried() {
    let rig = live::rig(1, "run_stuck_pending").await;
    let id = ask(&rig, &lean("can01")).await;
    until(&rig, &id, "recorded", |state| state.run.as_ref().is_some_and(|run| run.holder_recorded)).await;
    let job = live::launched_runs(&rig, &id)[0];
    {
        let mut world = rig.lab.world();
        let admin = live::admin(&world);
        let now = rig_now();
        world.controller.cancel_workflow_job(admin, job, now).expect("cancelled");
    }
    let held = until_phase(&rig, &id, Phase::Held).await;
    assert!(matches!(held.hold, Some(Hold::RunCanceled { .. })), "{:?}", held.hold);
    assert_eq!(act(&rig, &id, "retry").await.status, 200);
    let done = until_phase(&rig, &id, Phase::Done).await;
    assert_eq!(done.attempt_no, 2);
    live::assert_built_once(&rig, &id, "can01");
    end(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_runs_of_one_attempt_one_is_kept_and_the_other_cancelled() {
    let (rig, proxy) = proxied(1, "double_run", |_| ()).await;
    let world = rig.lab.shared_world();
    proxy.set(move |seen, when| {
        if !is_launch(seen) || when != When::After(201) {
            return Verdict::Pass;
        }
        // The answer is held back until the second run is there, and then lost.
        let start = Instant::now();
        let both_there = || world.lock().expect("the world").controller.workflow_jobs_after(0).count() == 2;
        while !both_there() && start.elapsed() < live::DEADLINE {
            std::thread::yield_now();
        }
        Verdict::Answer(502, json!("Bad Gateway"))
    });
    let id = ask(&rig, &lean("two01")).await;
    let done = until_phase(&rig, &id, Phase::Done).await;
    live::until_quiet(&rig).await;
    let runs = live::launched_runs(&rig, &id);
    assert_eq!(runs.len(), 2, "{runs:?}");
    let surplus = |event: &Event| matches!(event, Event::SurplusRuns { surplus, .. } if surplus.len() == 1);
    assert!(live::has_event(&rig, &id, surplus).await, "the second run is recorded");
    let kept = u64::try_from(done.run.expect("a run").workflow_job).expect("an id");
    until(&rig, &id, "asked to stop", |state| state.run.as_ref().is_some_and(|run| run.surplus.is_empty()))
        .await;
    live::until_quiet(&rig).await;
    for run in rig.lab.world().runs_of(id.as_str()) {
        let wanted = run.id == kept;
        assert_eq!(run.status == Status::Successful, wanted, "run {} is {:?}", run.id, run.status);
    }
    live::assert_built_once(&rig, &id, "two01");
    end(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_ends_well_after_the_deadline_is_done_all_the_same() {
    let started = Rig::start_with(live::options(1, "run_stuck_pending"), |config| {
        config.policy.overall_deadline_secs = 1;
    });
    let rig = started.await.expect("a rig starts");
    let id = ask(&rig, &lean("late01")).await;
    let held = until_phase(&rig, &id, Phase::Held).await;
    assert!(matches!(held.hold, Some(Hold::Overdue { .. })), "{:?}", held.hold);
    assert!(!held.allows(OperatorAction::Retry), "not while a run is live");
    assert_eq!(act(&rig, &id, "retry").await.status, 409);
    until(&rig, &id, "recorded", |state| state.run.as_ref().is_some_and(|run| run.holder_recorded)).await;
    let job = live::launched_runs(&rig, &id)[0];
    rig.lab.world().controller.release_pending(job, rig_now());
    let done = until_phase(&rig, &id, Phase::Done).await;
    assert_eq!(done.attempt_no, 1);
    live::assert_built_once(&rig, &id, "late01");
    end(rig).await;
}

// ---- the state host ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_others_write_into_the_state_host_survives_the_bridges_own_key() {
    let (rig, proxy) = proxied(1, "", |_| ()).await;
    let world = rig.lab.shared_world();
    let mut lost_once = false;
    proxy.set(move |seen, when| {
        let mut world = world.lock().expect("the world");
        let inventory = world.content.state_inventory;
        let Some(host) = world.controller.host_id(inventory, "own01") else { return Verdict::Pass };
        let mut write = |key: &str| {
            let admin = live::admin(&world);
            let mut variables = world.controller.host_variables(host).expect("variables");
            variables.insert(key.to_owned(), json!("kept"));
            world.controller.replace_variables(admin, host, &variables, rig_now()).expect("written");
        };
        let is_write = !seen.starts_with("GET ") && seen.contains(&format!("/hosts/{host}/"));
        match when {
            // Somebody writes before each reading, and right after the first write, whose answer is lost.
            When::Before if seen.starts_with("GET ") && seen.contains("/hosts/") => write("before_a_read"),
            When::After(_) if is_write && !lost_once => {
                lost_once = true;
                write("after_the_write");
                return Verdict::Answer(502, json!("Bad Gateway"));
            }
            _ => {}
        }
        Verdict::Pass
    });
    let id = ask(&rig, &lean("own01")).await;
    until(&rig, &id, "marked", |state| state.phase == Phase::Done && !state.is_active()).await;
    let variables = rig.lab.world().state_of("own01").expect("the host");
    for key in ["before_a_read", "after_the_write"] {
        assert_eq!(variables.get(key), Some(&json!("kept")), "{key} was lost: {variables:?}");
    }
    assert_eq!(variables["causeway"]["request"], id.as_str());
    assert_eq!(variables["vm_state"], "created", "what the playbooks wrote stands too");
    end(rig).await;
}

// ---- callbacks ----

/// Posts a stock notification body about a workflow job; status, and whether it was about a request.
async fn callback(rig: &Rig, job: u64, status: &str, id: &RequestId) -> (u16, bool) {
    let body = json!({
        "id": job, "name": "VM Deployment Workflow", "url": format!("https://lab/#/jobs/workflow/{job}"),
        "created_by": "bridge", "started": "2026-11-20T20:46:20Z", "finished": "2026-11-20T20:46:30Z",
        "status": status, "traceback": "", "body": "", "inventory": null, "limit": null,
        "extra_vars": json!({"execution_id": id}).to_string(),
    });
    let token = live::environment(rig).into_iter().find(|(name, _)| *name == "DEMO_CALLBACK_TOKEN");
    let client = reqwest::Client::builder().timeout(live::DEADLINE).build().expect("a client");
    let call = client.post(format!("{}/hooks/aap/lab", rig.url()));
    let answer = call.bearer_auth(token.expect("a token").1).json(&body).send().await.expect("an answer");
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.expect("JSON");
    (status, body["used"] == true)
}

async fn metrics(rig: &Rig) -> String {
    let answer = rig.api(Method::GET, "/metrics", None).await.expect("an answer");
    answer.body.as_str().expect("text").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callbacks_about_other_runs_or_a_hundred_times_over_change_nothing_but_counters() {
    let (rig, proxy) = proxied(1, "run_stuck_pending:1000", |config| {
        config.policy.overall_deadline_secs = 600;
    })
    .await;
    let (one, other) = (ask(&rig, &lean("cb01")).await, ask(&rig, &lean("cb02")).await);
    for id in [&one, &other] {
        until(&rig, id, "recorded", |state| state.run.as_ref().is_some_and(|run| run.holder_recorded)).await;
    }
    let stranger: RequestId = "req_01k90000000000000000000000".parse().expect("an id");
    assert_eq!(callback(&rig, 424_242, "successful", &stranger).await, (200, false), "a run of nobody");
    let jobs: Vec<u64> = [&one, &other].map(|id| live::launched_runs(&rig, id)[0]).to_vec();
    // The run of one request with the execution of another: the run is what counts.
    assert_eq!(callback(&rig, jobs[1], "successful", &one).await, (200, true));
    let before = state(&rig, &one).await;
    proxy.forget();
    let start = Instant::now();
    let mut storm: tokio::task::JoinSet<(u16, bool)> = tokio::task::JoinSet::new();
    let rig = Arc::new(rig);
    for number in 0..200 {
        if storm.len() >= 4 {
            assert_eq!(storm.join_next().await.expect("some are open").expect("no panic").0, 200);
        }
        let (rig, id, job) = (Arc::clone(&rig), one.clone(), jobs[0]);
        let status = if number % 2 == 0 { "successful" } else { "failed" };
        storm.spawn(async move { callback(&rig, job, status, &id).await });
    }
    while let Some(answered) = storm.join_next().await {
        assert_eq!(answered.expect("no panic").0, 200);
    }
    let secs = start.elapsed().as_secs_f64();
    let reads = proxy.count(|_| true);
    // Two requests a reading, four readings a second, both requests, and what was under way.
    let most = 8 + (secs * 2.0 * 2.0 * 5.0).ceil() as usize;
    assert!(reads <= most, "200 callbacks in {secs:.1} s made {reads} requests, more than {most}");
    let after = state(&rig, &one).await;
    assert_eq!((after.phase, &after.run), (before.phase, &before.run), "nothing was believed");
    assert_eq!(after.callbacks, 100, "as many as the limit says are kept");
    let counted = metrics(&rig).await;
    assert!(counted.contains(r#"{controller="lab",reason="stranger"} 1"#), "{counted}");
    assert!(counted.contains(r#"reason="over_limit"} 100"#), "{counted}");
    assert!(counted.contains(r#"{template="VM Deployment Workflow",what="seen"} 201"#), "{counted}");
    let Ok(rig) = Arc::try_unwrap(rig) else { panic!("somebody holds the rig") };
    for id in [&one, &other] {
        assert_eq!(act(&rig, id, "cancel").await.status, 200);
        until_phase(&rig, id, Phase::Cancelled).await;
    }
    end(rig).await;
}

// ---- cancel ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_can_be_cancelled_in_every_phase_that_is_not_over() {
    let rig = live::rig(1, "").await;
    let mut approval = lean("ph01");
    approval["environment"] = json!("critical");
    let waiting = ask(&rig, &approval).await;
    until_phase(&rig, &waiting, Phase::AwaitingApproval).await;
    cancelled(&rig, &waiting, "ph01", 0).await;

    rig.vcenter_away(true);
    let received = ask(&rig, &lean("ph02")).await;
    assert_eq!(state(&rig, &received).await.phase, Phase::Received);
    assert_eq!(act(&rig, &received, "cancel").await.status, 200);
    rig.vcenter_away(false);
    until_phase(&rig, &received, Phase::Cancelled).await;
    assert_eq!(live::vms_of(&rig, &received), 0);

    let workflow = rig.lab.world().content.workflow;
    rig.lab.world().controller.edit_workflow_job_template(workflow, |row| row.ask.variables = false);
    let held = ask(&rig, &lean("ph03")).await;
    until_phase(&rig, &held, Phase::Held).await;
    rig.lab.world().controller.edit_workflow_job_template(workflow, |row| row.ask.variables = true);
    cancelled(&rig, &held, "ph03", 0).await;

    let done = ask(&rig, &lean("ph04")).await;
    until_phase(&rig, &done, Phase::Done).await;
    let refused = act(&rig, &done, "cancel").await;
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert_eq!(state(&rig, &done).await.phase, Phase::Done);
    end(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_can_be_cancelled_while_nobody_knows_whether_its_run_exists() {
    for (faults, vms) in [("late_commit", 0), ("answer_lost_after_commit,run_stuck_pending,slow:1000x12", 0)]
    {
        let rig = live::rig(1, faults).await;
        let id = ask(&rig, &lean("unk01")).await;
        let is_sent = |state: &causeway::vm_request::State| {
            state.intent.as_ref().is_some_and(|intent| intent.progress.is_sent())
        };
        until(&rig, &id, "sent", is_sent).await;
        cancelled(&rig, &id, "unk01", vms).await;
        live::until_quiet(&rig).await;
        assert_eq!(live::vms_of(&rig, &id), vms, "{faults}");
        end(rig).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_can_be_cancelled_while_its_vm_is_being_looked_at() {
    let started = Rig::start_with(live::options(1, ""), |config| config.policy.verify_deadline_secs = 600);
    let rig = started.await.expect("a rig starts");
    let id = ask(&rig, &lean("ver01")).await;
    until_phase(&rig, &id, Phase::Running).await;
    let world = rig.lab.shared_world();
    let uid = id.vm_uid().to_string();
    // Somebody takes memory away as soon as the VM is there, so that it never looks as asked.
    let spoil = move || {
        let mut world = world.lock().expect("the world");
        let vm = world.vsphere.vms_by_uid(&uid).first().map(|vm| vm.moid);
        vm.is_some_and(|vm| world.vsphere.set_memory(vm, 1_024, rig_now()).is_ok())
    };
    live::until_true("spoilt", spoil.clone()).await;
    until(&rig, &id, "verifying or held", |state| {
        spoil();
        matches!(state.phase, Phase::Verifying | Phase::Held)
    })
    .await;
    assert_eq!(act(&rig, &id, "cancel").await.status, 200);
    let over = until_phase(&rig, &id, Phase::Cancelled).await;
    assert_eq!(over.left_behind.len(), 1, "what is left is told: {:?}", over.left_behind);
    assert!(over.left_behind[0].ours);
    end(rig).await;
}

/// Cancels and waits for the end; `vms` of the request are told as left behind. The claim lets no run pass.
async fn cancelled(rig: &Rig, id: &RequestId, host: &str, vms: usize) {
    let answer = act(rig, id, "cancel").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let over = until_phase(rig, id, Phase::Cancelled).await;
    assert_eq!(over.left_behind.len(), vms, "{:?}", over.left_behind);
    if let Some(claim) = claim(rig, host) {
        assert_eq!(claim["workflow_job"], Value::Null, "{claim:?}");
    }
}

// ---- many at once ----

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_requests_at_once_all_end_done_with_one_vm_each_and_share_their_reads() {
    const REQUESTS: usize = 50;
    let (rig, proxy) =
        proxied(1, "callback_lost:1000", |config| config.policy.overall_deadline_secs = 90).await;
    let mut ids = Vec::new();
    for number in 0..REQUESTS {
        ids.push(ask(&rig, &lean(&format!("many{number:02}"))).await);
    }
    for (number, id) in ids.iter().enumerate() {
        until_phase(&rig, id, Phase::Done).await;
        live::assert_built_once(&rig, id, &format!("many{number:02}"));
        assert_eq!(live::launched_runs(&rig, id).len(), 1);
    }
    let per_run = proxy.count(|_| true) as f64 / REQUESTS as f64;
    assert!(per_run < 12.0, "{per_run:.1} requests a run: readings are not gathered");
    end(rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_is_stopped_in_the_middle_goes_on_where_it_was() {
    const REQUESTS: usize = 20;
    let mut rig = live::rig(7, "slow:200").await;
    let mut ids = Vec::new();
    for number in 0..REQUESTS {
        ids.push(ask(&rig, &lean(&format!("stop{number:02}"))).await);
        if number % 5 == 4 {
            rig.restart_bridge().await.expect("the bridge starts again");
        }
    }
    for (number, id) in ids.iter().enumerate() {
        let done = until_phase(&rig, id, Phase::Done).await;
        let runs = live::launched_runs(&rig, id).len();
        let told: Vec<Event> = live::events(&rig, id).await.into_iter().map(|each| each.event).collect();
        assert_eq!((done.attempt_no, runs), (1, 1), "a stop waits for what is under way: {told:?}");
        live::assert_built_once(&rig, id, &format!("stop{number:02}"));
    }
    end(rig).await;
}

// ---- lives ----

/// Every fault at some rate, and an operator who retries what is held and cancels what will not end.
const LIFE_FAULTS: &str = "answer_lost_after_commit:80,bad_gateway_after_accept:80,late_commit:30,slow:20,\
    unauthorized_mid_run:10,callback_lost:150,callback_doubled:100,callback_reordered:100,callback_contradictory:50,\
    node_failed_in_successful_workflow:20,artifacts_missing:20,vcenter_away:10,double_run:80,hand_relaunch:60,\
    run_deleted:20,run_stuck_pending:20";
const LIVES_A_LAB: usize = 100;
const LIVES_AT_ONCE: usize = 20;
/// A life that takes longer than this hangs.
const LIFE_SECS_MAX: u64 = 80;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_lives_with_seed_1() {
    lives(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_lives_with_seed_2() {
    lives(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_lives_with_seed_3() {
    lives(3).await;
}

async fn lives(seed: u64) {
    let rig = Arc::new(live::rig(seed, LIFE_FAULTS).await);
    let mut open = tokio::task::JoinSet::new();
    let mut ended = Vec::new();
    for number in 0..LIVES_A_LAB {
        if open.len() >= LIVES_AT_ONCE {
            ended.push(open.join_next().await.expect("some are open").expect("a life ends"));
        }
        let rig = Arc::clone(&rig);
        open.spawn(async move { life(&rig, format!("life{seed}x{number:03}")).await });
    }
    while let Some(life) = open.join_next().await {
        ended.push(life.expect("a life ends"));
    }
    live::until_quiet(&rig).await;
    let struck = rig.lab.world().faults.struck().clone();
    assert!(struck.len() >= 10, "hardly anything went wrong: {struck:?}");
    let done = ended.iter().filter(|(_, phase, _)| *phase == Phase::Done).count();
    assert!(done * 10 >= LIVES_A_LAB * 8, "only {done} of {LIVES_A_LAB} were done");
    for (id, phase, name) in &ended {
        let vms = live::vms_of(&rig, id);
        assert!(vms <= 1, "{name} was built {vms} times");
        if *phase == Phase::Done {
            live::assert_built_once(&rig, id, name);
        }
    }
    let Ok(rig) = Arc::try_unwrap(rig) else { panic!("somebody holds the rig") };
    end(rig).await;
}

async fn life(rig: &Rig, name: String) -> (RequestId, Phase, String) {
    let id = ask(rig, &lean(&name)).await;
    let start = Instant::now();
    let mut beat = tokio::time::interval(Duration::from_millis(25));
    let mut retries = 0;
    loop {
        let seen = state(rig, &id).await;
        if seen.phase.is_over() {
            return (id, seen.phase, name);
        }
        let secs = start.elapsed().as_secs();
        assert!(secs < LIFE_SECS_MAX, "{name} hangs in {:?}: {:?}", seen.phase, seen.hold);
        if seen.phase == Phase::Held {
            if seen.allows(OperatorAction::Retry) && retries < 3 {
                retries += 1;
                act(rig, &id, "retry").await;
            } else if retries >= 3 || matches!(seen.hold, Some(Hold::Overdue { .. })) {
                act(rig, &id, "cancel").await;
            }
        }
        beat.tick().await;
    }
}

#[test]
fn the_lives_know_every_fault() {
    let plan = causeway::lab::faults::FaultPlan::parse(LIFE_FAULTS, 1).expect("faults that exist");
    for (fault, name, _) in Fault::ALL {
        assert!(plan.has(fault), "{name} strikes no life");
    }
    assert_eq!(Rule::ONCE.times_max, 1);
}

fn rig_now() -> jiff::Timestamp {
    causeway::clock::Clock::now(&causeway::clock::SystemClock)
}

/// Switches of the lab that these tests use.
trait Switches {
    fn vcenter_away(&self, away: bool);
}

impl Switches for Rig {
    fn vcenter_away(&self, away: bool) {
        self.lab.world().set_vcenter_away(away.then_some(jiff::Timestamp::MAX));
    }
}
