//! Against the lab: a request is done, then somebody changes the VM.

use causeway::clock::{Clock, SystemClock};
use causeway::demo::Rig;
use causeway::vm_request::state::{Phase, State};
use causeway::vm_request::watch::policy::{Response, Rule, WatchPolicy};
use causeway::vm_request::watch::{DriftVerdict, Handled};
use causeway::vm_request::{Event, RequestId};

use crate::live::{ask, events, lean, options, until, until_phase};

/// A watch that looks often and confirms quickly.
pub fn eager(rules: Vec<Rule>) -> WatchPolicy {
    WatchPolicy {
        sweep_secs: 2,
        inventory_poll_secs: 1,
        inventory_sweep_secs: 2,
        confirm_secs: 1,
        missing_confirm_secs: 2,
        flap_window_secs: 60,
        rules,
        ..WatchPolicy::default()
    }
}

/// Everything of these verdicts gets that response.
pub fn rule(response: Response, verdicts: &[DriftVerdict]) -> Rule {
    Rule { environments: Vec::new(), fields: Vec::new(), verdicts: verdicts.to_vec(), response }
}

async fn rig_with(seed: u64, rules: Vec<Rule>) -> Rig {
    Rig::start_with(options(seed, ""), |config| config.watch = eager(rules)).await.expect("a rig starts")
}

pub async fn done(rig: &Rig, name: &str) -> RequestId {
    let id = ask(rig, &lean(name)).await;
    until_phase(rig, &id, Phase::Done).await;
    id
}

pub fn set_cpu(rig: &Rig, id: &RequestId, cpu: u32) {
    let mut world = rig.lab.world();
    let now = SystemClock.now();
    let vm = world.vsphere.vms_by_uid(&id.vm_uid().to_string())[0].moid;
    world.vsphere.set_cpu(vm, cpu, now).expect("the VM takes it");
}

pub async fn until_finding(rig: &Rig, id: &RequestId, field: &str) -> State {
    until(rig, id, &format!("a finding about {field}"), |state| state.watch.open.contains_key(field)).await
}

pub async fn until_in_sync(rig: &Rig, id: &RequestId) -> State {
    until(rig, id, "in sync", |state| state.watch.open.is_empty() && !state.watch.cleared.is_empty()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_behind_the_bridge_is_a_finding_and_is_cleared_when_it_is_undone() {
    let rig = rig_with(71, Vec::new()).await;
    let id = done(&rig, "web71").await;
    set_cpu(&rig, &id, 8);
    let state = until_finding(&rig, &id, "cpu").await;
    let finding = &state.watch.open["cpu"];
    assert_eq!(finding.drift.verdict, DriftVerdict::VcenterChanged);
    assert_eq!(finding.drift.vcenter.as_deref(), Some("8"));
    assert_eq!(state.watch.open.len(), 1, "{:?}", state.watch.open);
    let asked: u32 = finding.drift.asked.as_ref().and_then(|cpu| cpu.parse().ok()).expect("what was asked");
    set_cpu(&rig, &id, asked);
    let state = until_in_sync(&rig, &id).await;
    assert_eq!(state.watch.cleared["cpu"].flaps, 0);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remediation_is_a_request_that_brings_the_value_back_once() {
    let rules = vec![rule(Response::Remediate, &[DriftVerdict::VcenterChanged])];
    let rig = rig_with(72, rules).await;
    let id = done(&rig, "web72").await;
    set_cpu(&rig, &id, 8);
    let state = until(&rig, &id, "remediated", |state| !state.watch.remediations.is_empty()).await;
    let remedy = state.watch.remediations.first().expect("a remediation").clone();
    until_phase(&rig, &remedy, Phase::Done).await;
    let state = until_in_sync(&rig, &id).await;
    assert_eq!(state.watch.remediations.len(), 1);
    let made = events(&rig, &id).await.into_iter().filter(|recorded| {
        matches!(&recorded.event, Event::DriftHandled { how: Handled::Request { .. }, .. })
    });
    assert_eq!(made.count(), 1);
    rig.stop().await;
}
