//! What the core makes of evidence: verdicts, findings, differences, and the variables of a launch.

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::Life;
use super::fixtures::{Node, artifacts_of, id, node, spec, vm};
use super::walkthrough::RUN;
use crate::vm_request::action::{Evidence, JobArtifacts, LaunchOutcome, NodeEvidence};
use crate::vm_request::differences::{HostFacts, VerificationFacts, differences};
use crate::vm_request::event::RunStatus;
use crate::vm_request::extra_vars::extra_vars;
use crate::vm_request::judge;
use crate::vm_request::preflight::{
    DatacenterFacts, InventoryFacts, PreflightFacts, WorkflowFacts, findings,
};
use crate::vm_request::sighting::{PowerState, VmSighting};
use crate::vm_request::spec::{Address, DiskSpec, DiskType, NicSpec, NicType};
use crate::vm_request::stage::{Reason, Stage, StageRecord, Verdict};
use crate::vm_request::state::Run;

fn run() -> Run {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, LaunchOutcome::Accepted { workflow_job: RUN });
    life.state.run.unwrap()
}

fn judged(nodes: Vec<NodeEvidence>) -> std::collections::BTreeMap<Stage, StageRecord> {
    judge::stages(
        &id(),
        &run(),
        &Evidence { status: RunStatus::Successful, explanation: String::new(), nodes },
    )
}

#[test]
fn each_look_of_a_node_has_its_verdict_and_reason() {
    let stage = Stage::Validation;
    let look = |status: RunStatus, artifacts: JobArtifacts, explanation: &str| {
        let mut seen = node(stage, Node::Done);
        let job = seen.job.as_mut().unwrap();
        (job.status, job.artifacts, job.explanation) = (status, artifacts, explanation.into());
        let record = judged(vec![seen]).remove(&stage).unwrap();
        (record.verdict, record.reason)
    };
    let with = |status: &str| JobArtifacts::Object(artifacts_of(stage, status));
    let changed = |change: fn(&mut Value)| {
        let mut artifacts = artifacts_of(stage, "successful");
        artifacts.values_mut().for_each(change);
        JobArtifacts::Object(artifacts)
    };
    let (ok, failed, unknown) = (RunStatus::Successful, Verdict::Failed, Verdict::Unknown);
    let reaped =
        "Task was marked as running but was not present in the job queue, so it has been marked as failed.";
    for (status, artifacts, explanation, wanted) in [
        (ok, with("successful"), "", (Verdict::Done, None)),
        (ok, with("skipped"), "", (Verdict::Skipped, None)),
        (ok, with("failed"), "", (failed, Some(Reason::ArtifactContradicts))),
        (ok, with("running"), "", (failed, Some(Reason::ArtifactContradicts))),
        (ok, JobArtifacts::Object(Map::new()), "", (unknown, Some(Reason::ArtifactMissing))),
        (ok, JobArtifacts::Hidden, "", (unknown, Some(Reason::ArtifactHidden))),
        (ok, JobArtifacts::Unreadable, "", (unknown, Some(Reason::JobUnreadable))),
        (
            ok,
            changed(|artifact| artifact["task"]["duration"] = json!("31")),
            "",
            (unknown, Some(Reason::ArtifactInvalid)),
        ),
        (
            ok,
            changed(|artifact| artifact["task"]["name"] = json!("vm_provision")),
            "",
            (unknown, Some(Reason::ArtifactForeign)),
        ),
        (
            ok,
            changed(|artifact| artifact["data"]["root_password"] = json!("x")),
            "",
            (unknown, Some(Reason::ArtifactHasSecret)),
        ),
        (RunStatus::Failed, with("successful"), "", (failed, Some(Reason::JobFailed))),
        (RunStatus::Failed, with("successful"), reaped, (failed, Some(Reason::JobError))),
        (RunStatus::Error, with("successful"), "", (failed, Some(Reason::JobError))),
        (RunStatus::Canceled, with("successful"), "", (failed, Some(Reason::JobCanceled))),
        (RunStatus::Running, with("successful"), "", (unknown, Some(Reason::JobUnfinished))),
        (RunStatus::Unheard, with("successful"), "", (unknown, Some(Reason::JobUnfinished))),
    ] {
        let shown = format!("{status:?} {artifacts:?} {explanation}");
        assert_eq!(look(status, artifacts, explanation), wanted, "{shown}");
    }
}

#[test]
fn nodes_that_are_missing_idle_or_not_ours_are_told_apart() {
    let foreign = NodeEvidence { identifier: "9f2c".into(), do_not_run: false, job: None };
    let idle = node(Stage::ErrorHandling, Node::NotRun);
    let records = judged(vec![foreign, idle, node(Stage::VmProvision, Node::NotRun)]);
    assert_eq!(records.len(), 5, "{records:?}");
    assert_eq!(records[&Stage::VmProvision].reason, Some(Reason::NotRun));
    assert_eq!(records[&Stage::Validation].reason, Some(Reason::NodeMissing));
    assert!(judged(vec![node(Stage::ErrorHandling, Node::Failed)]).contains_key(&Stage::ErrorHandling));
}

#[test]
fn a_long_failure_is_cut() {
    let mut failed = node(Stage::Validation, Node::Failed);
    failed.job.as_mut().unwrap().failure = "ü".repeat(5_000);
    assert_eq!(judged(vec![failed])[&Stage::Validation].note.chars().count(), StageRecord::NOTE_CHARS_MAX);
}

fn host() -> Map<String, Value> {
    let ready = include_str!("../../../schemas/examples/host-variables.ready.json");
    serde_json::from_str(ready).unwrap()
}

fn fields(
    vms: Vec<VmSighting>,
    host: Option<Map<String, Value>>,
    spec: &crate::vm_request::spec::VmSpec,
) -> Vec<String> {
    let facts = VerificationFacts { vms, host: host.map(|variables| HostFacts { id: 31, variables }) };
    let uid = id().vm_uid().to_string();
    let found = differences(spec, &uid, id().as_str(), &facts);
    found.into_iter().map(|found| found.field).collect()
}

#[test]
fn the_examples_are_as_asked() {
    assert_eq!(fields(vec![vm()], Some(host()), &spec()), Vec::<String>::new());
}

#[test]
fn every_field_of_the_vm_is_compared() {
    type Change = fn(&mut VmSighting);
    let table: [(Change, &[&str]); 18] = [
        (|vm| vm.name = "WEB01".into(), &["name"]),
        (|vm| vm.cpu = Some(1), &["cpu"]),
        (|vm| vm.cpu = None, &["cpu"]),
        (|vm| vm.memory_mib = None, &["memory_mib"]),
        (|vm| vm.datacenter = None, &["datacenter"]),
        (|vm| vm.folder = String::new(), &["folder"]),
        (|vm| vm.is_template = true, &["template"]),
        (|vm| vm.power = Some(PowerState::PoweredOff), &["power"]),
        (|vm| vm.power = None, &["power"]),
        (|vm| vm.nics[0].network = None, &["nics[0].network"]),
        (|vm| vm.nics[0].nic_type = "e1000".into(), &["nics[0].nic_type"]),
        (|vm| vm.nics.clear(), &["nics[0].network", "nics[0].nic_type"]),
        (|vm| vm.nics.push(vm.nics[0].clone()), &["nics"]),
        (|vm| vm.disks[1].capacity_mib -= 1, &["disks[data]"]),
        // A system disk as large as the data disk asked for does not stand for it.
        (|vm| drop(vm.disks.remove(0)), &["disks[data]"]),
        (|vm| vm.ip_address = None, &["ip_address"]),
        (|vm| vm.ip_address = Some("10.10.20.18".into()), &["ip_address", "ip_address"]),
        (|vm| vm.instance_uuid = Some("other".into()), &["vm_id"]),
    ];
    for (change, wanted) in table {
        let mut seen = vm();
        change(&mut seen);
        assert_eq!(fields(vec![seen], Some(host()), &spec()), wanted);
    }
}

#[test]
fn none_two_and_no_host_are_differences_of_their_own() {
    assert_eq!(fields(vec![], Some(host()), &spec()), ["vm"]);
    assert_eq!(fields(vec![vm(), vm()], Some(host()), &spec()), ["vm"]);
    assert_eq!(fields(vec![vm()], None, &spec()), ["host"]);
}

#[test]
fn every_variable_of_the_host_is_compared() {
    for (field, wrong) in [
        ("vm_name", json!("web02")),
        ("vm_id", Value::Null),
        ("vm_uid", json!("other")),
        ("execution_id", json!("req_other")),
        ("os_type", json!("windows")),
        ("ip_address", json!("10.10.20.99")),
        ("vm_state", json!("failed")),
        ("networks", json!([])),
        ("disks", json!([])),
    ] {
        let mut variables = host();
        variables.insert(field.into(), wrong);
        assert_eq!(fields(vec![vm()], Some(variables), &spec()), [field]);
        let mut variables = host();
        variables.remove(field);
        assert_eq!(fields(vec![vm()], Some(variables), &spec()), [field], "absent");
    }
}

#[test]
fn addresses_are_compared_as_addresses_and_only_where_one_is_expected() {
    let mut six = spec();
    let ip = "2001:db8::17".parse().unwrap();
    six.nics[0].address = Address::Static { ip, prefix: 64, gateway: None };
    let mut seen = vm();
    seen.ip_address = Some("2001:0DB8:0::17".into());
    let mut variables = host();
    variables.insert("ip_address".into(), json!("2001:0DB8:0::17"));
    assert_eq!(fields(vec![seen.clone()], Some(variables), &six), Vec::<String>::new());
    six.expects_address = false;
    assert_eq!(fields(vec![seen], Some(host()), &six), Vec::<String>::new(), "it came after the inventory");
    let mut any = spec();
    any.nics[0].address = Address::Dhcp;
    let mut none = vm();
    none.ip_address = None;
    assert_eq!(fields(vec![none], Some(host()), &any), ["ip_address"]);
}

fn ready() -> PreflightFacts {
    let set = |name: &str| [name.to_owned()].into();
    let datacenter = DatacenterFacts {
        clusters: set("C0"),
        datastores: set("ds1"),
        networks: set("prod-app"),
        folders: set("prod/app"),
        templates: set("rhel9"),
    };
    let workflow = WorkflowFacts {
        name: "VM Deployment Workflow".into(),
        is_visible: true,
        asks_variables: true,
        claims_inventory_visible: true,
        state_inventory_visible: true,
        ..WorkflowFacts::default()
    };
    let inventory = InventoryFacts { datacenter: Some(datacenter), datacenters: set("DC0") };
    PreflightFacts { vms: vec![], inventory, workflow }
}

fn codes(attempted: bool, change: impl FnOnce(&mut PreflightFacts)) -> Vec<String> {
    let mut facts = ready();
    change(&mut facts);
    let found = findings(&spec(), &id().vm_uid().to_string(), attempted, &facts);
    assert!(found.iter().all(|finding| !finding.remedy.is_empty() && !finding.subject.is_empty()));
    found.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn preflight_names_everything_that_stands_in_the_way() {
    assert_eq!(codes(false, |_| ()), Vec::<String>::new());
    let everything = codes(false, |facts| {
        facts.inventory.datacenter = Some(DatacenterFacts::default());
        facts.workflow.asks_variables = false;
        facts.workflow.broken_nodes = vec!["validation".into()];
        facts.workflow.variables_needed = vec!["vm_name".into(), "owner".into()];
        facts.workflow.claims_inventory_visible = false;
        facts.workflow.state_inventory_visible = false;
    });
    assert_eq!(
        everything,
        [
            "cluster_missing",
            "datastore_missing",
            "folder_missing",
            "template_missing",
            "network_missing",
            "workflow_does_not_prompt",
            "workflow_node_broken",
            "workflow_needs_variable",
            "inventory_missing",
            "inventory_missing",
        ]
    );
    assert_eq!(codes(false, |facts| facts.inventory.datacenter = None), ["datacenter_missing"]);
    assert_eq!(codes(false, |facts| facts.workflow.is_visible = false), ["workflow_missing"]);
}

#[test]
fn a_name_is_taken_by_a_vm_in_its_place_that_is_not_ours() {
    let there = |change: fn(&mut VmSighting)| {
        move |facts: &mut PreflightFacts| {
            let mut seen = vm();
            seen.ip_address = None;
            change(&mut seen);
            facts.vms.push(seen);
        }
    };
    let none = Vec::<String>::new();
    assert_eq!(codes(false, there(|_| ())), none, "ours");
    assert_eq!(codes(false, there(|vm| vm.vm_uid = Some("other".into()))), ["name_taken"]);
    assert_eq!(codes(true, there(|vm| vm.vm_uid = Some("other".into()))), ["name_taken"]);
    let unmarked: fn(&mut VmSighting) = |vm| (vm.vm_uid, vm.name) = (None, "WEB01".into());
    assert_eq!(codes(false, there(unmarked)), ["name_taken"]);
    assert_eq!(codes(true, there(unmarked)), none, "half made by an earlier attempt");
    assert_eq!(codes(false, there(|vm| (vm.vm_uid, vm.folder) = (None, "dev".into()))), none, "elsewhere");
    assert_eq!(codes(false, there(|vm| (vm.vm_uid, vm.datacenter) = (None, Some("DC1".into())))), none);
    assert_eq!(codes(true, |facts| facts.vms = vec![vm(), vm()]), ["identity_conflict"]);
}

#[test]
fn an_address_is_taken_by_a_guest_on_the_same_network() {
    let there = |change: fn(&mut VmSighting)| {
        move |facts: &mut PreflightFacts| {
            let mut seen = vm();
            (seen.vm_uid, seen.name) = (Some("other".into()), "web77".into());
            change(&mut seen);
            facts.vms.push(seen);
        }
    };
    let none = Vec::<String>::new();
    assert_eq!(codes(false, there(|_| ())), ["address_taken"]);
    assert_eq!(codes(true, there(|vm| vm.vm_uid = None)), ["address_taken"]);
    assert_eq!(codes(false, |facts| facts.vms.push(vm())), none, "ours");
    assert_eq!(codes(false, there(|vm| vm.ip_address = Some("10.10.20.18".into()))), none);
    assert_eq!(codes(false, there(|vm| vm.ip_address = None)), none, "it is off");
    assert_eq!(codes(false, there(|vm| vm.nics[0].network = Some("lab".into()))), none, "another network");
    assert_eq!(codes(false, there(|vm| vm.datacenter = Some("DC1".into()))), none, "another data centre");
}

fn validator() -> Validator {
    let text = include_str!("../../../schemas/extra-vars.v1.schema.json");
    jsonschema::options().should_validate_formats(true).build(&serde_json::from_str(text).unwrap()).unwrap()
}

#[test]
fn the_variables_of_a_launch_say_what_was_resolved() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1);
    let vars = extra_vars(&life.state, life.state.intent.as_ref().unwrap(), "causeway-1").unwrap();
    let vars = Value::Object(vars);
    let violations: Vec<String> = validator().iter_errors(&vars).map(|error| error.to_string()).collect();
    assert_eq!(violations, Vec::<String>::new());
    assert_eq!(vars["vm_netmask"], "255.255.255.0");
    assert_eq!(vars["causeway_attempt_no"], 1);
    assert_eq!(vars["causeway_stages"], json!(Stage::DEPLOYMENT));
    assert_eq!(vars["vm_disk"], json!([{"disk_name": "data", "disk_size": 200, "disk_type": "thin"}]));
    assert_eq!(
        vars["vm_nic"],
        json!([{"network_name": "prod-app", "nic_type": "vmxnet3", "ip_address": "10.10.20.17", "prefix": 24,
                "netmask": "255.255.255.0", "gateway": "10.10.20.1"}])
    );
    assert_eq!(vars.get("causeway_traceparent"), None);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_was_resolved_its_variables_satisfy_their_schema(
        cpu in 1u32..768, memory_mib in 1u64..6_000, prefix in 0u8..=32, six: bool, domain: Option<bool>,
        nic in prop::sample::select(vec![NicType::Vmxnet3, NicType::E1000, NicType::E1000e]),
        disk in prop::sample::select(vec![DiskType::Thin, DiskType::Thick, DiskType::EagerZeroedThick]),
        disks in 0usize..4, fixed: bool,
    ) {
        let mut life = Life::begin(false);
        life.comes_to_its_claim(1);
        let mut received = life.state.received().unwrap().clone();
        let ip = if six { "2001:db8::9".parse().unwrap() } else { "10.1.2.3".parse().unwrap() };
        let address =
            if fixed { Address::Static { ip, prefix, gateway: None } } else { Address::Dhcp };
        received.spec.nics.push(NicSpec { network: "n".into(), nic_type: nic, address: address.clone() });
        received.spec.nics[0].address = address;
        received.spec.disks =
            vec![DiskSpec { name: "d".into(), size_gib: 1, disk_type: disk }; disks];
        (received.spec.cpu, received.spec.memory_mib) = (cpu, memory_mib * 4);
        received.spec.domain = domain.map(|_| "example.com".into());
        life.state.origin = crate::vm_request::state::Origin::Received(Box::new(received));
        let vars = extra_vars(&life.state, life.state.intent.as_ref().unwrap(), "x").unwrap();
        let vars = Value::Object(vars);
        let violations: Vec<String> = validator().iter_errors(&vars).map(|error| error.to_string()).collect();
        prop_assert!(violations.is_empty(), "{violations:?}");
    }
}
