//! Against the lab, when the view of vCenter breaks: nothing is called missing, nothing is mended on doubt, nothing twice.

use causeway::demo::Rig;
use causeway::vm_request::state::Phase;
use causeway::vm_request::watch::policy::{Response, WatchPolicy};
use causeway::vm_request::watch::{DriftVerdict, Handled};
use causeway::vm_request::{Event, RequestId};
use reqwest::Method;

use super::lab::{done, eager, rule, set_cpu, until_finding, until_in_sync};
use crate::live::{events, options, state, until, until_answer, until_phase};

/// Everything that differs is remediated as far as the policy lets it.
fn bold() -> WatchPolicy {
    eager(vec![rule(Response::Remediate, &[])])
}

async fn rig_with(seed: u64, policy: WatchPolicy) -> Rig {
    Rig::start_with(options(seed, ""), |config| config.watch = policy).await.expect("a rig starts")
}

async fn watch_status(rig: &Rig) -> serde_json::Value {
    rig.api(Method::GET, "/api/v1/watch", None).await.expect("an answer").body["status"].clone()
}

/// Waits for so many sweeps of the vCenter that are begun after now.
async fn sweeps(rig: &Rig, times: usize) {
    for _ in 0..times {
        let swept = async || {
            let status = watch_status(rig).await;
            let eyes = status["vcenters"].as_object().cloned().unwrap_or_default();
            eyes.values().next().and_then(|eye| eye["last_sweep_at"].as_str()).unwrap_or_default().to_owned()
        };
        let before = swept().await;
        until_answer("a further sweep", swept, |now| *now > before).await;
    }
}

async fn handled(rig: &Rig, id: &RequestId) -> usize {
    events(rig, id).await.iter().filter(|one| matches!(one.event, Event::DriftHandled { .. })).count()
}

async fn found(rig: &Rig, id: &RequestId) -> Vec<(String, DriftVerdict)> {
    let told = events(rig, id).await.into_iter();
    told.filter_map(|one| match one.event {
        Event::DriftFound(found) => Some((found.drift.field, found.drift.verdict)),
        _ => None,
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_may_not_be_seen_for_a_while_are_not_missing_and_nothing_is_mended() {
    let rig = rig_with(91, bold()).await;
    let ids = [done(&rig, "web91a").await, done(&rig, "web91b").await];
    sweeps(&rig, 1).await;
    let hidden: Vec<String> = rig.vcenter.state.hide_every_second().iter().map(ToString::to_string).collect();
    let moids: Vec<String> = {
        let world = rig.lab.world();
        let of = |id: &RequestId| world.vsphere.vms_by_uid(&id.vm_uid().to_string())[0].moid.to_string();
        ids.iter().map(of).collect()
    };
    assert!(moids.iter().any(|moid| hidden.contains(moid)), "one of the two is hidden");
    sweeps(&rig, 4).await;
    rig.vcenter.state.hide([]);
    sweeps(&rig, 2).await;
    for id in &ids {
        assert_eq!(found(&rig, id).await, []);
        assert_eq!(handled(&rig, id).await, 0);
    }
    set_cpu(&rig, &ids[0], 8);
    until_finding(&rig, &ids[0], "cpu").await;
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_sessions_versions_and_a_skewed_clock_cost_a_read_and_nothing_is_overlooked() {
    let rig = rig_with(92, eager(Vec::new())).await;
    let id = done(&rig, "web92").await;
    for (cpu, break_it) in [
        (3, &(|| rig.vcenter.state.end_sessions()) as &dyn Fn()),
        (4, &|| rig.vcenter.state.lose_collector_versions()),
        (5, &|| rig.vcenter.state.shift_clock(3_600)),
        (6, &|| rig.vcenter.state.shift_clock(-3_600)),
    ] {
        break_it();
        set_cpu(&rig, &id, cpu);
        let wanted = cpu.to_string();
        until(&rig, &id, "the next value is found", |state| {
            state.watch.open.get("cpu").is_some_and(|finding| finding.drift.vcenter.as_ref() == Some(&wanted))
        })
        .await;
    }
    let fields = found(&rig, &id).await;
    assert!(
        fields.iter().all(|(field, verdict)| field == "cpu" && *verdict == DriftVerdict::VcenterChanged),
        "{fields:?}"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_machines_that_change_at_once_stop_all_mending_until_a_person_goes_on() {
    let policy = WatchPolicy { mass_vms_min: 2, mass_percent: 50, confirm_secs: 2, ..bold() };
    let rig = rig_with(93, policy).await;
    let ids = [done(&rig, "web93a").await, done(&rig, "web93b").await, done(&rig, "web93c").await];
    ids.iter().for_each(|id| set_cpu(&rig, id, 8));
    until_answer(
        "a mass change",
        async || watch_status(&rig).await,
        |status| status["mass_change_since"].is_string(),
    )
    .await;
    sweeps(&rig, 3).await;
    for id in &ids {
        assert_eq!(handled(&rig, id).await, 0, "nothing is mended while many change at once");
    }
    let path = "/api/v1/watch/actions/end_mass_change";
    let answer = rig.api(Method::POST, path, Some(&serde_json::json!({}))).await.expect("an answer");
    assert_eq!(answer.status, 202, "{}", answer.body);
    for id in &ids {
        until(&rig, id, "remediated", |state| !state.watch.remediations.is_empty()).await;
    }
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_stops_and_starts_in_the_middle_tells_and_mends_once() {
    let mut rig = rig_with(94, WatchPolicy { confirm_secs: 2, ..bold() }).await;
    let id = done(&rig, "web94").await;
    set_cpu(&rig, &id, 8);
    until_finding(&rig, &id, "cpu").await;
    rig.restart_bridge().await.expect("the bridge starts again");
    let after = until(&rig, &id, "remediated", |state| !state.watch.remediations.is_empty()).await;
    let remedy = after.watch.remediations.first().expect("a remediation").clone();
    rig.restart_bridge().await.expect("the bridge starts again");
    until_phase(&rig, &remedy, Phase::Done).await;
    until_in_sync(&rig, &id).await;
    sweeps(&rig, 2).await;
    assert_eq!(found(&rig, &id).await, [("cpu".to_owned(), DriftVerdict::VcenterChanged)]);
    assert_eq!(handled(&rig, &id).await, 1);
    assert_eq!(state(&rig, &id).await.watch.remediations.len(), 1);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proposed_waits_for_a_person_and_a_paused_machine_is_left_alone() {
    let rig = rig_with(95, eager(vec![rule(Response::Propose, &[DriftVerdict::VcenterChanged])])).await;
    let (id, paused) = (done(&rig, "web95a").await, done(&rig, "web95b").await);
    let path = format!("/api/v1/vms/{paused}/actions/pause");
    let pause = async || rig.api(Method::POST, &path, Some(&serde_json::json!({}))).await.expect("an answer");
    until_answer("the register has it", pause, |answer| answer.status == 200).await;
    set_cpu(&rig, &paused, 8);
    set_cpu(&rig, &id, 8);
    let after = until(&rig, &id, "proposed", |state| !state.watch.remediations.is_empty()).await;
    let handling = after.watch.open["cpu"].handled.clone();
    assert!(matches!(handling, Some(Handled::Request { approval_required: true, .. })), "{handling:?}");
    let remedy = after.watch.remediations.first().expect("a proposal").clone();
    until_phase(&rig, &remedy, Phase::AwaitingApproval).await;
    sweeps(&rig, 2).await;
    assert_eq!(state(&rig, &id).await.watch.remediations.len(), 1);
    assert_eq!(crate::live::act(&rig, &remedy, "approve").await.status, 200);
    until_phase(&rig, &remedy, Phase::Done).await;
    until_in_sync(&rig, &id).await;
    assert_eq!(handled(&rig, &paused).await, 0, "a paused VM is not mended");
    assert!(state(&rig, &paused).await.watch.open.contains_key("cpu"));
    rig.stop().await;
}
