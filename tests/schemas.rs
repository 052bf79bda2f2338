//! The schemas: the contract between Rust and Ansible, tested from Rust's side.

#![allow(clippy::unwrap_used)]

use causeway::vm_request::artifact::TaskStatus;
use causeway::vm_request::spec::{DiskType, NicType, OsFamily, VmRequest};
use causeway::vm_request::stage::Stage;
use jsonschema::Validator;
use proptest::prelude::*;
use serde::Serialize;
use serde_json::{Value, json};

const REQUEST: &str = "vm-request.v1";
const ARTIFACT: &str = "artifact.v2";
const SUMMARY: &str = "execution-summary.v2";
const HOST: &str = "host-variables.v1";
const CLAIM: &str = "claim.v1";
const EXTRA_VARS: &str = "extra-vars.v1";

const EXAMPLES: [(&str, &str); 8] = [
    (REQUEST, "vm-request.lean"),
    (REQUEST, "vm-request.full"),
    (ARTIFACT, "artifact.vm_provision"),
    (SUMMARY, "execution-summary"),
    (HOST, "host-variables.ready"),
    (HOST, "host-variables.failed"),
    (CLAIM, "claim"),
    (EXTRA_VARS, "extra-vars"),
];

fn json_of(path: &str) -> Value {
    let path = format!("{}/schemas/{path}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn schema(name: &str) -> Value {
    json_of(&format!("{name}.schema"))
}

fn example(name: &str) -> Value {
    json_of(&format!("examples/{name}"))
}

fn validator(name: &str) -> Validator {
    jsonschema::options().should_validate_formats(true).build(&schema(name)).unwrap()
}

#[test]
fn every_example_satisfies_its_schema() {
    for (schema, name) in EXAMPLES {
        let validator = validator(schema);
        let found: Vec<String> =
            validator.iter_errors(&example(name)).map(|error| error.to_string()).collect();
        assert_eq!(found, Vec::<String>::new(), "{name}");
    }
}

/// An example with one thing wrong (`-` takes the member away), and where that shows.
#[track_caller]
fn wrong(schema: &str, name: &str, at: &str, value: Value, pointer: &str) {
    let mut document = example(name);
    let (parent, member) = at.rsplit_once('/').unwrap();
    let Some(Value::Object(object)) = document.pointer_mut(parent) else { panic!("{at} leads nowhere") };
    if value == json!("-") {
        object.remove(member).unwrap();
    } else {
        object.insert(member.to_owned(), value.clone());
    }
    let validator = validator(schema);
    let found: Vec<String> =
        validator.iter_errors(&document).map(|error| error.instance_path().to_string()).collect();
    assert_eq!(found, [pointer], "{schema}: {at} = {value}");
}

#[test]
fn a_wrong_request_fails_where_it_is_wrong() {
    for (at, value, pointer) in [
        ("/vm_name", json!("-"), ""),
        ("/environment", json!("-"), ""),
        ("/vm_nam", json!("web01"), ""),
        ("/vm_name", json!("-web"), "/vm_name"),
        ("/vm_name", json!("web_01"), "/vm_name"),
        ("/vm_name", json!("web01\n"), "/vm_name"),
        ("/vm_name", json!("a".repeat(64)), "/vm_name"),
        ("/vm_name", json!(1), "/vm_name"),
        ("/environment", json!("../prod"), "/environment"),
        ("/vm_os", json!("linux"), "/vm_os"),
        ("/vm_os_version", json!(9), "/vm_os_version"),
        ("/vm_cpu", json!("4"), "/vm_cpu"),
        ("/vm_cpu", json!(true), "/vm_cpu"),
        ("/vm_cpu", json!(1.5), "/vm_cpu"),
        ("/vm_cpu", json!(0), "/vm_cpu"),
        ("/vm_cpu", json!(769), "/vm_cpu"),
        ("/vm_memory", json!(4095), "/vm_memory"),
        ("/vm_memory", Value::Null, "/vm_memory"),
        ("/vm_folder", json!("/prod"), "/vm_folder"),
        ("/vm_folder", json!("prod/"), "/vm_folder"),
        ("/vm_ip_address", json!("10.10.20.300"), "/vm_ip_address"),
        ("/vm_ip_address", json!("10.10.20.1/24"), "/vm_ip_address"),
        ("/vm_gateway", json!("gw"), "/vm_gateway"),
        ("/vm_dns", json!("10.10.0.53"), "/vm_dns"),
        ("/vm_dns", json!(["10.10.0.53", "ns1"]), "/vm_dns/1"),
        ("/vm_nic/0/network_name", json!("-"), "/vm_nic/0"),
        ("/vm_nic/0/nic_type", json!("ne2000"), "/vm_nic/0/nic_type"),
        ("/vm_disk/1/disk_size", json!("50"), "/vm_disk/1/disk_size"),
        ("/vm_disk/1/disk_size", json!(0), "/vm_disk/1/disk_size"),
        ("/vm_disk/1/extra", json!(1), "/vm_disk/1"),
        ("/disk_name", json!("d"), ""),
        ("/disk_size", json!(1), ""),
        ("/ticket/id", json!(""), "/ticket/id"),
        ("/ticket/url", json!("javascript:alert(1)"), "/ticket/url"),
        ("/description", json!("x".repeat(1001)), "/description"),
    ] {
        wrong(REQUEST, "vm-request.full", at, value, pointer);
    }
}

#[test]
fn a_wrong_artifact_or_summary_fails_where_it_is_wrong() {
    for (at, value, pointer) in [
        ("/metadata/version", json!("2.1"), "/metadata/version"),
        ("/metadata/format", json!("other"), "/metadata/format"),
        ("/metadata/generated_at", json!("yesterday"), "/metadata/generated_at"),
        ("/metadata/execution_id", json!("a-b"), "/metadata/execution_id"),
        ("/context/tower_job_id", json!("22"), "/context/tower_job_id"),
        ("/context/call_chain", json!(""), "/context/call_chain"),
        ("/task/status", json!("ok"), "/task/status"),
        ("/task/name", json!("VM Provision"), "/task/name"),
        ("/task/retry_count", json!(-1), "/task/retry_count"),
        ("/task/duration", json!("-"), "/task"),
        ("/data", json!([]), "/data"),
        ("/infrastructure/cluster", json!("-"), "/infrastructure"),
        ("/aap_state/task_history", json!([]), "/aap_state"),
    ] {
        wrong(ARTIFACT, "artifact.vm_provision", at, value, pointer);
    }
    for (at, value, pointer) in [
        ("/status", json!("done"), "/status"),
        ("/playbook", json!(""), "/playbook"),
        ("/duration", json!("34"), "/duration"),
        ("/aap_state", json!("-"), ""),
    ] {
        wrong(SUMMARY, "execution-summary", at, value, pointer);
    }
}

#[test]
fn wrong_host_variables_and_claims_fail_where_they_are_wrong() {
    let entry = json!({"task": "a", "status": "failed", "time": "2026-11-21T08:00:41Z"});
    for (at, value, pointer) in [
        ("/vm_state", json!("on"), "/vm_state"),
        ("/networks", json!("-"), ""),
        ("/disks", json!([{"disk_size": "200"}]), "/disks/0/disk_size"),
        ("/task_history", json!(vec![entry; 21]), "/task_history"),
        ("/output_history", json!([{"aap_state": {}}]), "/output_history/0"),
        ("/os_type", json!("linux"), "/os_type"),
        ("/created_at", json!("-"), ""),
        ("/call_depth", json!(-1), "/call_depth"),
    ] {
        wrong(HOST, "host-variables.ready", at, value, pointer);
    }
    wrong(HOST, "host-variables.failed", "/vm_error", json!("-"), "");
    for (at, value, pointer) in [
        ("/attempt_no", json!(0), "/attempt_no"),
        ("/attempt_no", json!("1"), "/attempt_no"),
        ("/workflow_job", json!(0), "/workflow_job"),
        ("/workflow_job", json!("-"), ""),
        ("/vm_uid", json!("web01"), "/vm_uid"),
    ] {
        wrong(CLAIM, "claim", at, value, pointer);
    }
}

#[test]
fn wrong_launch_variables_fail_where_they_are_wrong() {
    let disk = json!([{"disk_name": "d", "disk_size": 1, "disk_type": "Thin"}]);
    for (at, value, pointer) in [
        ("/causeway_attempt_no", json!(0), "/causeway_attempt_no"),
        ("/causeway_attempt", json!("x"), "/causeway_attempt"),
        ("/causeway_stages", json!(["preflight"]), "/causeway_stages/0"),
        ("/causeway_stages", json!(["validation", "validation"]), "/causeway_stages"),
        ("/execution_id", json!("42"), "/execution_id"),
        ("/vm_memory", json!("4096"), "/vm_memory"),
        ("/vm_nic", json!([]), "/vm_nic"),
        ("/vm_disk", disk, "/vm_disk/0/disk_type"),
        ("/vm_uid", json!("-"), ""),
    ] {
        wrong(EXTRA_VARS, "extra-vars", at, value, pointer);
    }
}

/// The words of a Rust enum, as serde writes them.
fn words<T: Serialize>(values: &[T]) -> Value {
    values.iter().map(|value| serde_json::to_value(value).unwrap()).collect()
}

#[test]
fn rust_and_the_schemas_use_the_same_words() {
    let os = words(&[OsFamily::Windows, OsFamily::Suse, OsFamily::Redhat]);
    let nic = words(&[NicType::Vmxnet3, NicType::E1000, NicType::E1000e]);
    let disk = words(&[DiskType::Thin, DiskType::Thick, DiskType::EagerZeroedThick]);
    let status =
        words(&[TaskStatus::Running, TaskStatus::Successful, TaskStatus::Failed, TaskStatus::Skipped]);
    let stages: Vec<Stage> = Stage::ALL.into_iter().filter(|stage| *stage != Stage::ErrorHandling).collect();
    for (name, pointer, wanted) in [
        (REQUEST, "/properties/vm_os/enum", &os),
        (EXTRA_VARS, "/properties/vm_os/enum", &os),
        (HOST, "/properties/os_type/enum", &os),
        (REQUEST, "/$defs/nic_type/enum", &nic),
        (EXTRA_VARS, "/properties/vm_nic/items/properties/nic_type/enum", &nic),
        (REQUEST, "/$defs/disk_type/enum", &disk),
        (EXTRA_VARS, "/properties/vm_disk/items/properties/disk_type/enum", &disk),
        (ARTIFACT, "/properties/task/properties/status/enum", &status),
        (SUMMARY, "/properties/status/enum", &status),
        (HOST, "/properties/last_task_status/enum", &status),
        (EXTRA_VARS, "/properties/causeway_stages/items/enum", &words(&stages)),
    ] {
        assert_eq!(schema(name).pointer(pointer), Some(wanted), "{name} {pointer}");
    }
    for kind in [NicType::Vmxnet3, NicType::E1000, NicType::E1000e] {
        assert_eq!(json!(kind), json!(kind.name()));
    }
}

#[test]
fn the_request_s_fields_are_the_same_in_rust_and_in_the_schema() {
    let mut every = example("vm-request.full");
    let rest = json!({
        "vm_template": "t", "size": "small", "network_name": "n", "nic_type": "e1000", "disk_name": "d",
        "disk_size": 1, "disk_type": "thin"
    });
    every.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
    let written = serde_json::to_value(serde_json::from_value::<VmRequest>(every).unwrap()).unwrap();
    let names = |object: &Value| {
        let mut names: Vec<String> = object.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(&written), names(&schema(REQUEST)["properties"]));
}

#[test]
fn a_whole_number_written_as_a_float_is_the_same_number() {
    let mut request = example("vm-request.full");
    request["vm_cpu"] = json!(4.0);
    request["vm_memory"] = json!(1.6384e4);
    request["vm_disk"][0]["disk_size"] = json!(200.0);
    assert!(validator(REQUEST).is_valid(&request));
    let read: VmRequest = serde_json::from_value(request).unwrap();
    assert_eq!((read.vm_cpu, read.vm_memory, read.vm_disk[0].disk_size), (Some(4), Some(16_384), 200));
    for cpu in [json!(1.5), json!(-1), json!("4"), json!(1e300), Value::Null] {
        let request = json!({"vm_name": "a", "environment": "b", "vm_cpu": cpu});
        assert!(serde_json::from_value::<VmRequest>(request).is_err(), "{cpu}");
    }
}

/// Values that may or may not do, for every field.
fn value() -> impl Strategy<Value = Value> {
    let words = [
        json!("10.1.2.3"),
        json!("2001:db8::1"),
        json!("::ffff:10.1.2.3"),
        json!("fe80::1%eth0"),
        json!("010.1.2.3"),
        json!("windows"),
        json!("thin"),
        json!("e1000e"),
        json!("https://a.example"),
        json!([]),
        json!(["10.1.2.3", "::1"]),
        json!([{"network_name": "n", "ip_address": "::1"}]),
        json!([{"disk_name": "n", "disk_size": 1e3, "disk_type": "thick"}]),
        json!({"id": "a", "item": "1"}),
        Value::Null,
        json!(true),
    ];
    prop_oneof![
        4 => prop::sample::select(words.to_vec()),
        1 => (0u64..40_000_000).prop_map(|number| json!(number)),
        1 => (0u32..900).prop_map(|number| json!(f64::from(number))),
        1 => (-9.0f64..900.0).prop_map(|number| json!(number)),
        1 => "[a-z0-9./:-]{0,20}".prop_map(Value::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_schema_accepts_is_understood(field in any::<prop::sample::Index>(), value in value()) {
        static REQUESTS: std::sync::OnceLock<(Validator, Vec<String>)> = std::sync::OnceLock::new();
        let (validator, names) = REQUESTS.get_or_init(|| {
            let names = schema(REQUEST)["properties"].as_object().unwrap().keys().cloned().collect();
            (validator(REQUEST), names)
        });
        let name = field.get(names).as_str();
        let mut request = json!({"vm_name": "web01", "environment": "prod"});
        match name {
            "disk_size" => request["disk_name"] = json!("d"),
            "disk_name" => request["disk_size"] = json!(1),
            _ => {}
        }
        request[name] = value;
        if validator.is_valid(&request) {
            let read = serde_json::from_value::<VmRequest>(request.clone());
            prop_assert!(read.is_ok(), "{request}: {:?}", read.err());
        }
    }
}

/// The doctor takes these for variables that a survey may require.
#[test]
fn what_every_launch_carries_is_what_its_schema_requires() {
    let schema = schema(EXTRA_VARS);
    let mut required: Vec<&str> =
        schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let mut sent = causeway::vm_request::extra_vars::ALWAYS_SENT.to_vec();
    required.sort_unstable();
    sent.sort_unstable();
    assert_eq!(sent, required);
}
