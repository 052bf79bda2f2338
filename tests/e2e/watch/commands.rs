//! The commands about VMs under watch, as a person or a script meets them.

use std::process::Command;
use std::sync::Arc;

use causeway::bridge::plan_once;
use causeway::clock::{SharedClock, SystemClock};
use causeway::demo::Rig;
use causeway::vm_request::RequestId;
use causeway::vm_request::watch::DriftVerdict;
use causeway::vm_request::watch::policy::Response;
use serde_json::Value;

use super::lab::{done, eager, rule, set_cpu, until_finding, until_in_sync};
use crate::live::{options, until, until_answer};

/// Runs the binary against the rig's bridge; its code and what it printed.
fn causeway(rig: &Rig, arguments: &[&str]) -> (i32, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_causeway"))
        .args(arguments)
        .env("CAUSEWAY_URL", rig.url())
        .env("CAUSEWAY_TOKEN", rig.api_token())
        .output()
        .expect("the binary runs");
    let said = String::from_utf8(ran.stdout).expect("UTF-8") + &String::from_utf8_lossy(&ran.stderr);
    (ran.status.code().expect("an exit code"), said)
}

fn json(rig: &Rig, arguments: &[&str]) -> Value {
    let mut all = vec!["--json"];
    all.extend(arguments);
    let (code, said) = causeway(rig, &all);
    assert_eq!(code, 0, "{arguments:?}: {said}");
    serde_json::from_str(said.lines().next().unwrap_or_default())
        .unwrap_or_else(|error| panic!("{error}: {said}"))
}

async fn drifted(seed: u64, name: &str) -> (Rig, RequestId) {
    let policy = eager(vec![rule(Response::Report, &[])]);
    let rig = Rig::start_with(options(seed, ""), |config| config.watch = policy).await.expect("a rig starts");
    let id = done(&rig, name).await;
    set_cpu(&rig, &id, 8);
    until_finding(&rig, &id, "cpu").await;
    let shown = async || causeway(&rig, &["vm", "show", name]).0;
    until_answer("the register has it", shown, |code| *code == 0).await;
    (rig, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_finding_is_listed_shown_and_accepted() {
    let (rig, id) = drifted(111, "web111").await;
    let finding = json(&rig, &["drift", "list", "--verdict", "vcenter_changed"]);
    assert_eq!((&finding["field"], &finding["vcenter"]), (&"cpu".into(), &"8".into()), "{finding}");
    assert_eq!(finding["blame"]["event"], "VmReconfiguredEvent");
    let (code, told) = causeway(&rig, &["drift", "list"]);
    assert!(code == 0 && told.contains("web111") && told.contains("vcenter_changed"), "{told}");
    let vm = json(&rig, &["vm", "show", "web111"]);
    assert_eq!((&vm["vcenter_shows"]["cpu"], &vm["verdict"]), (&8.into(), &"vcenter_changed".into()), "{vm}");
    assert_eq!(json(&rig, &["vm", "list", "--verdict", "vcenter_changed"])["name"], "web111");

    let (code, said) = causeway(&rig, &["drift", "accept", "web111", "memory_mib"]);
    assert!(code == 1 && said.contains("open is cpu"), "{said}");
    assert_eq!(
        json(&rig, &["drift", "accept", "web111", "cpu", "--comment", "agreed"])["verdict"],
        "in_sync"
    );
    until(&rig, &id, "accepted", |state| state.watch.accepted.contains_key("cpu")).await;
    assert_eq!(json(&rig, &["vm", "pause", "web111"])["paused"], true);
    assert_eq!(json(&rig, &["vm", "resume", "web111"])["paused"], false);
    let lent = json(&rig, &["vm", "lease", "web111", "--until", "2020-01-01T00:00:00Z"]);
    assert_eq!(lent["lease"]["expires_at"], "2020-01-01T00:00:00Z");
    assert_eq!(json(&rig, &["vm", "list", "--expired"])["name"], "web111");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_a_field_brought_back_that_the_policy_only_reports() {
    let (rig, id) = drifted(112, "web112").await;
    json(&rig, &["drift", "repair", "web112", "cpu"]);
    let after = until_in_sync(&rig, &id).await;
    assert_eq!(after.watch.remediations.len(), 1);
    set_cpu(&rig, &id, 8);
    until_finding(&rig, &id, "cpu").await;
    json(&rig, &["drift", "repair", "web112", "cpu"]);
    until(&rig, &id, "mended once more", |state| state.watch.remediations.len() == 2).await;
    let story = causeway(&rig, &["request", "list"]).1;
    assert!(story.contains(after.watch.remediations.first().expect("one").as_str()), "{story}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_would_be_done_changes_nothing_and_is_the_same_text_twice() {
    let (rig, id) = drifted(114, "web114").await;
    let told = crate::live::events(&rig, &id).await.len();
    let mut config = rig.config().clone();
    config.watch.rules = vec![rule(Response::Remediate, &[DriftVerdict::VcenterChanged])];
    config.watch.stopped_vcenters = vec![config.vcenters[0].name.clone()];
    let clock: SharedClock = Arc::new(SystemClock);
    let plan = plan_once(&config, &clock).await.expect("a plan");
    let lines: Vec<String> = plan
        .items
        .iter()
        .map(|item| {
            let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
            let sides = [text(&item.asked), text(&item.inventory), text(&item.vcenter)].join(" / ");
            let would = format!("{}: {}; but {}", item.would.name(), text(&item.how), text(&item.but));
            format!("{} {} {} [{sides}] {would}", item.vm_name, item.field, item.verdict.name())
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"web114 cpu vcenter_changed [2 / - / 8] remediate: stages vm_provision, inventory_write, validation; but the stop switch is set");
    assert_eq!((plan.compared, plan.unread.len()), (1, 0));
    assert_eq!(plan_once(&config, &clock).await.expect("a plan"), plan);
    assert_eq!(crate::live::events(&rig, &id).await.len(), told, "nothing was written");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_is_what_ansible_expects_of_a_script() {
    let (rig, _) = drifted(113, "web113").await;
    let (code, said) = causeway(&rig, &["inventory", "--list"]);
    assert_eq!(code, 0, "{said}");
    let inventory: Value = serde_json::from_str(&said).expect("JSON");
    for group in ["environment_prod", "os_redhat", "power_poweredOn", "drifted"] {
        assert_eq!(inventory[group]["hosts"], serde_json::json!(["web113"]), "{group} in {inventory}");
    }
    let variables = &inventory["_meta"]["hostvars"]["web113"];
    let (_, one) = causeway(&rig, &["inventory", "--host", "web113"]);
    assert_eq!(&serde_json::from_str::<Value>(&one).expect("JSON"), variables);
    assert_eq!(
        (&variables["vm_cpu"], &variables["causeway_verdict"]),
        (&8.into(), &"vcenter_changed".into())
    );
    assert_eq!(causeway(&rig, &["inventory", "--host", "nobody"]).0, 1);
    rig.stop().await;
}
