//! Several VMs in one run: each by itself, and one's failure is a warning.

use serde_json::{Value, json};

use super::bench::{Bench, EXECUTION_ID, Ran, with};

const OTHER_UID: &str = "11111111-1111-4111-8111-111111111111";

/// What is common to all clones.
fn common() -> Value {
    json!({
        "execution_id": EXECUTION_ID, "vm_environment": "prod", "vm_os": "redhat", "vm_os_version": "9",
        "vm_cpu": 2, "vm_memory": 4096, "vm_datacenter": "DC0", "vm_cluster": "C0", "vm_folder": "prod",
        "vm_datastore": "prod-ds", "vm_network": "prod-app", "vm_dns": ["10.10.0.53"], "retry_delay": 0,
    })
}

fn asking(changes: Value) -> Value {
    with(common(), changes)
}

/// Three of them, the first with a size and a disk of its own, the third with adapters of its own.
fn three() -> Value {
    asking(json!({"vm_clones": [
        {"vm_name": "web01", "ip_address": "10.10.20.21", "vm_uid": "7352aab3-93b2-55c4-8be7-36a818d2bd01",
         "vm_cpu": 4, "vm_disk": [{"disk_name": "data", "disk_size": 5}]},
        {"vm_name": "web02", "ip_address": "10.10.20.22", "vm_uid": "7352aab3-93b2-55c4-8be7-36a818d2bd02"},
        {"vm_name": "web03", "ip_address": "10.10.30.23", "vm_uid": "7352aab3-93b2-55c4-8be7-36a818d2bd03",
         "vm_nic": [{"network_name": "prod-db"}, {"network_name": "prod-app"}]},
    ]}))
}

/// Somebody else's VM takes a name.
fn take(bench: &Bench, name: &str) {
    let govc = &bench.vcsim.endpoint;
    govc.govc(&["vm.clone", "-vm", "rhel9", "-folder", "/DC0/vm/prod", "-ds", "prod-ds", "-on=false", name]);
    let mark = format!("guestinfo.causeway.vm_uid={OTHER_UID}");
    govc.govc(&["vm.change", "-vm", &format!("/DC0/vm/prod/{name}"), "-e", &mark]);
}

fn release(bench: &Bench, name: &str) {
    bench.vcsim.endpoint.govc(&["vm.destroy", &format!("/DC0/vm/prod/{name}")]);
}

/// Of each clone its name, status and address.
fn told(ran: &Ran) -> Vec<(String, String, Value)> {
    let artifact = ran.artifact("clones");
    let clones = artifact["data"]["clones"].as_array().cloned().unwrap_or_default();
    let text = |clone: &Value, key: &str| clone[key].as_str().unwrap_or_default().to_owned();
    clones
        .iter()
        .map(|clone| (text(clone, "vm_name"), text(clone, "status"), clone["ip_address"].clone()))
        .collect()
}

fn said(name: &str, status: &str, address: Value) -> (String, String, Value) {
    (name.to_owned(), status.to_owned(), address)
}

/// CPUs, disks beside the system's, adapters, and the address that the guest reports.
fn shape(bench: &Bench, name: &str) -> (u64, usize, usize, String) {
    let vm = bench.vm(&format!("prod/{name}"));
    let devices = vm["config"]["hardware"]["device"].as_array().cloned().unwrap_or_default();
    let count = |key: &str| devices.iter().filter(|device| !device[key].is_null()).count();
    (
        vm["config"]["hardware"]["numCPU"].as_u64().unwrap_or(0),
        count("capacityInKB") - 1,
        count("macAddress"),
        vm["guest"]["ipAddress"].as_str().unwrap_or_default().to_owned(),
    )
}

fn codes(ran: &Ran) -> Vec<String> {
    let artifact = ran.artifact("clones");
    let findings = artifact["data"]["findings"].as_array().cloned().unwrap_or_default();
    let line = |finding: &Value| format!("{} {}", finding["code"], finding["subject"]).replace('"', "");
    let mut codes: Vec<String> = findings.iter().map(line).collect();
    codes.sort();
    codes
}

#[test]
fn one_of_three_fails_and_the_others_are_made() {
    let bench = Bench::new();
    take(&bench, "web02");
    let before = bench.changes();
    let first = bench.passes("clones", &three());
    let expected = [
        said("web01", "created", json!("10.10.20.21")),
        said("web02", "failed", Value::Null),
        said("web03", "created", json!("10.10.30.23")),
    ];
    assert_eq!(told(&first), expected);
    let data = first.artifact("clones")["data"].clone();
    assert_eq!((&data["created"], &data["present"], &data["failed"]), (&json!(2), &json!(0), &json!(1)));
    assert_eq!(data["clones"][1]["findings"][0]["code"], "name_taken");
    let warning = data["warnings"][0].as_str().unwrap_or_default();
    assert!(warning.starts_with("web02 failed: preflight: 1 finding"), "{warning}");
    assert!(first.output.contains("Next: mend what is said of web02"), "{}", first.output);
    // What one has of its own is nobody else's.
    assert_eq!(shape(&bench, "web01"), (4, 1, 1, "10.10.20.21".to_owned()));
    assert_eq!(shape(&bench, "web03"), (2, 0, 2, "10.10.30.23".to_owned()));
    let host = bench.host_variables("web01.prod.example.com").unwrap();
    assert_eq!(
        (&host["vm_state"], &host["ip_address"], &host["vm_uid"]),
        (&json!("created"), &json!("10.10.20.21"), &json!("7352aab3-93b2-55c4-8be7-36a818d2bd01"))
    );
    assert_eq!(bench.host_variables("web03.prod.example.com").unwrap()["vm_state"], "created");
    let failed = bench.host_variables("web02.prod.example.com").unwrap();
    assert_eq!(
        (&failed["vm_state"], &failed["vm_id"], &failed["failed_call_chain"]),
        (&json!("failed"), &Value::Null, &json!("clones->vmware_vcenter80_clones"))
    );
    let made = bench.changes();
    assert!(made > before);

    let second = bench.passes("clones", &three());
    assert_eq!((second.changed, bench.changes()), (0, made), "{}", second.output);
    assert_eq!(second.artifact("clones")["data"]["present"], 2);

    // A new one comes first: its host is made, and the host that tells of the failure is there already. Nothing is done to those
    // that are there.
    release(&bench, "web02");
    let clones = bench.requests("CloneVM_Task").len();
    let before = bench.changes();
    let mut four = three();
    let new = json!({"vm_name": "web00", "vm_uid": "7352aab3-93b2-55c4-8be7-36a818d2bd00"});
    four["vm_clones"].as_array_mut().unwrap().insert(0, new);
    let third = bench.passes("clones", &four);
    let made = told(&third);
    assert_eq!((made[0].0.as_str(), made[0].1.as_str()), ("web00", "created"));
    let expected = [
        said("web01", "present", json!("10.10.20.21")),
        said("web02", "created", json!("10.10.20.22")),
        said("web03", "present", json!("10.10.30.23")),
    ];
    assert_eq!(made[1..], expected);
    let data = third.artifact("clones")["data"].clone();
    let clone_list = data["clones"].as_array().unwrap();
    let changed: Vec<bool> = clone_list.iter().map(|clone| clone["changed"] == true).collect();
    assert_eq!((changed, &data["warnings"]), (vec![true, false, true, false], &json!([])));
    assert_eq!(bench.requests("CloneVM_Task").len(), clones + 2);
    let later = bench.changing().split_off(before);
    let is_changed = |name: &str| {
        let seen = bench.vm(&format!("prod/{name}"));
        let moid = format!(">{}<", seen["self"]["value"].as_str().unwrap());
        later.iter().any(|body| body.contains(&moid))
    };
    assert_eq!(["web00", "web01", "web02", "web03"].map(is_changed), [true, false, true, false]);
    assert_eq!(shape(&bench, "web02"), (2, 0, 1, "10.10.20.22".to_owned()));
    assert_eq!(bench.host_variables("web02.prod.example.com").unwrap()["vm_state"], "created");
}

#[test]
fn a_bad_list_is_refused_with_everything_that_is_wrong_with_it() {
    let bench = Bench::new();
    let bad = bench.fails(
        "clones",
        &asking(json!({"vm_name": "web00", "vm_os_version": "77", "vm_clones": [
            {"vm_name": "web01", "ip_address": "10.10.20.21", "vm_cpus": 2},
            {"vm_name": "web02", "ip_address": "10.10.99.22", "vm_memory": "4096"},
            {"vm_name": "WEB02", "ip_address": "10.10.20.23"},
            {"ip_address": "10.10.20.23"},
            {"vm_name": "web05", "ip_address": 5, "vm_nic": "prod-app", "vm_uid": "five"},
            "web06",
        ]})),
    );
    let expected = [
        "clone_address_twice vm_clones[2] (WEB02), vm_clones[3]",
        "clone_invalid vm_clones[5]",
        "clone_key_unknown vm_clones[0] (web01): vm_cpus",
        "clone_name_twice vm_clones[1] (web02), vm_clones[2] (WEB02)",
        "clone_value_invalid vm_clones[4] (web05): ip_address",
        "clone_value_invalid vm_clones[4] (web05): vm_nic",
        "clone_value_invalid vm_clones[4] (web05): vm_uid",
        "image_unknown vm_os, vm_os_version",
        "ip_address_outside vm_clones[1] (web02): vm_nic[0].ip_address",
        "not_common vm_name",
        "vm_memory_invalid vm_clones[1] (web02): vm_memory",
        "vm_name_invalid vm_clones[3]: vm_name",
    ];
    assert_eq!(codes(&bad), expected);
    let counted = json!({"vm_count": "3", "vm_name_pattern": "web", "vm_ip_addresses": ["10.10.20.21"]});
    let bad_count = bench.fails("clones", &asking(counted));
    assert_eq!(
        codes(&bad_count),
        [
            "vm_count_invalid vm_count",
            "vm_ip_addresses_invalid vm_ip_addresses",
            "vm_name_pattern_invalid vm_name_pattern"
        ]
    );
    let many =
        json!({"vm_clones_max": 1, "vm_clones": [{"vm_name": "web01"}, {"vm_name": "web02"}], "vm_count": 2});
    let too_many = bench.fails("clones", &asking(many));
    assert_eq!(
        codes(&too_many),
        [
            "clones_ambiguous vm_clones, vm_count",
            "too_many_clones vm_clones",
            "vm_name_pattern_invalid vm_name_pattern"
        ]
    );
    let empty = bench.fails("clones", &asking(json!({"vm_clones": []})));
    assert_eq!(codes(&empty), ["clones_missing vm_clones"]);
    for ran in [bad, bad_count, too_many, empty] {
        assert_eq!((ran.changed, bench.changes()), (0, 0), "{}", ran.output);
    }
    assert_eq!(bench.vms_in("prod"), Vec::<String>::new());
}

#[test]
fn by_count_none_or_all_and_a_refused_credential_stops_at_the_first() {
    let bench = Bench::new();
    for name in ["web07", "web08"] {
        take(&bench, name);
    }
    let two = asking(json!({
        "vm_count": 2, "vm_name_pattern": "web%02d", "vm_first_number": 7,
        "vm_ip_addresses": ["10.10.20.27", "10.10.20.28"],
    }));
    let before = bench.changes();
    // Without a controller no host is written.
    let run = |secrets: &[(&str, &str)]| {
        let environment = [&[("CONTROLLER_HOST", "")], secrets].concat();
        bench.run_with("clones", &two, &environment)
    };
    let none = run(&[]);
    assert!(!none.succeeded, "{}", none.output);
    let data = none.artifact("clones")["data"].clone();
    let error = data["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("clones: not one of 2 is there: web07: "), "{error}");
    assert!(error.contains("web08: preflight: 1 finding"), "{error}");
    assert_eq!((&data["failed"], none.changed, bench.changes()), (&json!(2), 0, before), "{}", none.output);

    // Nothing that the last clone met is told of the next.
    let away = run(&[("VMWARE_PASSWORD", "wrong")]);
    assert!(!away.succeeded, "{}", away.output);
    let expected = [said("web07", "failed", Value::Null), said("web08", "not_tried", Value::Null)];
    assert_eq!(told(&away), expected);
    let data = away.artifact("clones")["data"].clone();
    let error = data["error"].as_str().unwrap_or_default();
    assert!(error.starts_with("clones: stopped, for no other clone could fare better: web07: "), "{error}");
    assert!(error.contains("vcenter_unreadable"), "{error}");
    assert_eq!(bench.changes(), before);

    for name in ["web07", "web08"] {
        release(&bench, name);
    }
    let all = run(&[]);
    assert!(all.succeeded, "{:#?}", all.failures);
    assert!(all.output.contains("no host was written"), "{}", all.output);
    let expected =
        [said("web07", "created", json!("10.10.20.27")), said("web08", "created", json!("10.10.20.28"))];
    assert_eq!(told(&all), expected);
    assert_eq!(bench.vms_in("prod"), ["web07", "web08"]);
    assert_eq!(shape(&bench, "web08").3, "10.10.20.28");
}
