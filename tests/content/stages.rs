//! Each stage alone, twice, in its order and in others; the way back.

use serde_json::{Value, json};

use super::bench::{Bench, EXECUTION_ID, VM_UID, conforms, launch, with};

/// The devices in the order of their keys; vCenter lists one that was changed last.
fn devices(bench: &Bench, path: &str) -> Vec<Value> {
    let mut devices = bench.vm(path)["config"]["hardware"]["device"].as_array().unwrap().clone();
    devices.sort_by_key(|device| device["key"].as_i64());
    devices
}

fn networks(bench: &Bench, path: &str) -> Vec<String> {
    let devices = devices(bench, path);
    let cards = devices.iter().filter(|device| device.get("macAddress").is_some());
    cards.map(|card| card["deviceInfo"]["summary"].as_str().unwrap_or_default().to_owned()).collect()
}

fn disks_gib(bench: &Bench, path: &str) -> Vec<u64> {
    let devices = devices(bench, path);
    devices.iter().filter_map(|device| device["capacityInKB"].as_u64()).map(|kib| kib / 1024 / 1024).collect()
}

#[test]
fn the_whole_way_twice_and_back() {
    let bench = Bench::new();
    let vars = launch();
    let made = bench.passes_twice("vm_provision", &vars).artifact("vm_provision");
    assert_eq!(made["task"]["status"], "successful");
    assert_eq!(made["data"]["vm_uid"], VM_UID);
    assert_eq!(made["data"]["ip_address"], "10.10.20.17");
    assert_eq!(made["data"]["changed"], true);
    let told = bench.passes_twice("network_configuration", &vars).artifact("network_configuration");
    assert_eq!(told["data"]["networks"].as_array().unwrap().len(), 2);
    let told = bench.passes_twice("storage_configuration", &vars).artifact("storage_configuration");
    assert_eq!(told["data"]["disks"].as_array().unwrap().len(), 2);
    assert_eq!(disks_gib(&bench, "prod/web01"), [20, 50, 20]);
    assert_eq!(networks(&bench, "prod/web01").len(), 2);

    bench.passes_twice("inventory_write", &vars);
    let host = bench.host_variables("web01").expect("the host is there");
    conforms("host-variables.v1", &Value::Object(host.clone()));
    let vm = bench.vm("prod/web01");
    assert_eq!(host["vm_id"], vm["config"]["instanceUuid"]);
    assert_eq!((&host["os_type"], &host["ip_address"]), (&json!("redhat"), &json!("10.10.20.17")));
    assert_eq!(host["networks"].as_array().unwrap().len(), 2);
    assert_eq!(host["disks"].as_array().unwrap().len(), 2);
    let checked = bench.passes_twice("validation", &vars).artifact("validation");
    assert_eq!(
        (&checked["data"]["changed"], &checked["data"]["power"]),
        (&json!(false), &json!("poweredOn"))
    );

    bench.passes("rollback", &vars);
    assert_eq!(bench.vms_in("prod"), Vec::<String>::new(), "nothing is left");
    assert_eq!(bench.host_variables("web01").unwrap()["vm_state"], "deleted");
    let again = bench.passes("rollback", &vars);
    assert_eq!(again.changed, 0, "{}", again.output);
}

#[test]
fn stages_run_alone_and_in_any_order() {
    let bench = Bench::new();
    bench.make_vm();
    // Storage before network, each with what it alone is about.
    bench.passes_twice("storage_configuration", &launch());
    assert_eq!(disks_gib(&bench, "prod/web01"), [20, 50, 20]);
    assert_eq!(networks(&bench, "prod/web01").len(), 1, "storage has touched no adapter");
    bench.passes_twice("network_configuration", &launch());
    assert_eq!(networks(&bench, "prod/web01").len(), 2);

    // A disk more, then the first one larger; what is there stays.
    let more = json!([
        {"disk_name": "data", "disk_size": 60, "disk_type": "thin"},
        {"disk_name": "log", "disk_size": 20, "disk_type": "thin"},
        {"disk_name": "backup", "disk_size": 5, "disk_type": "thick"},
    ]);
    bench.passes_twice("storage_configuration", &with(launch(), json!({"vm_disk": more})));
    assert_eq!(disks_gib(&bench, "prod/web01"), [20, 60, 20, 5]);
    // The VM was made by other means, and has an address of the simulator's.
    let anywhere = json!({"vm_ip_address": null, "vm_nic": [{"network_name": "prod-app"}, {"network_name": "prod-db"}], "vm_disk": more});
    bench.passes("validation", &with(launch(), anywhere));
    // By hand one names the network that was added, wherever its adapter stands.
    let by_hand = json!({"vm_nic": null, "vm_network": null, "vm_ip_address": null, "network_name": "prod-db", "vm_disk": null});
    bench.passes("validation", &with(launch(), by_hand));

    // What a snapshot holds does not grow.
    bench.vcsim.endpoint.govc(&["snapshot.create", "-vm", "/DC0/vm/prod/web01", "-m=false", "before"]);
    let larger = json!([{"disk_name": "data", "disk_size": 70, "disk_type": "thin"}]);
    let refused = bench.fails("storage_configuration", &with(launch(), json!({"vm_disk": larger})));
    let error =
        refused.artifact("storage_configuration")["data"]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.starts_with("disk_has_snapshots: ") && error.contains("before"), "{error}");
    assert_eq!(disks_gib(&bench, "prod/web01"), [20, 60, 20, 5]);
}

#[test]
fn a_stage_that_is_not_wanted_reports_skipped_and_touches_nothing() {
    let bench = Bench::new();
    for stage in
        ["vm_provision", "network_configuration", "storage_configuration", "inventory_write", "validation"]
    {
        let vars = with(launch(), json!({"causeway_stages": [], "causeway_attempt_no": 3}));
        let artifact = bench.passes(stage, &vars).artifact(stage);
        assert_eq!(artifact["task"]["status"], "skipped");
    }
    assert_eq!((bench.changes(), bench.host_variables("web01")), (0, None));
}

#[test]
fn a_run_that_the_claim_does_not_name_builds_nothing_and_leaves_nothing() {
    let bench = Bench::new();
    let claim = |attempt_no: u32, holder: Value| json!({"vm_uid": VM_UID, "attempt_no": attempt_no, "execution_id": EXECUTION_ID, "workflow_job": holder});
    let run = json!({"causeway_attempt_no": 2, "causeway_claim_wait_secs": 2, "awx_job_id": 12, "awx_workflow_job_id": 10});
    let ours = with(launch(), run);
    let lost = |what: &str| {
        let ran = bench.fails("vm_provision", &ours);
        assert!(ran.output.contains("claim lost"), "{what}: {}", ran.failures.join("; "));
        assert!(ran.artifacts.is_empty(), "{what}: {:?}", ran.artifacts);
        assert_eq!(bench.changes(), 0, "{what}");
    };
    lost("there is no claim");
    bench.write_claim("web01", &claim(2, json!(10)));
    bench.passes("vm_provision", &ours);
    let changes = bench.changes();
    assert!(changes > 0);
    // The same host name in the inventory, another holder: a late run of the same attempt.
    let late = with(ours, json!({"awx_workflow_job_id": 11}));
    let ran = bench.fails("vm_provision", &late);
    assert!(ran.output.contains("claim lost"), "{}", ran.failures.join("; "));
    assert_eq!(bench.changes(), changes);
    let handled = bench.run("error_handling", &late);
    assert!(!handled.succeeded, "a loser tidies nothing up");
    assert_eq!(bench.host_variables("web01"), None);
}

#[test]
fn tags_choose_by_stage_environment_and_operating_system() {
    let bench = Bench::new();
    let vars = launch();
    for (name, value) in [
        ("ANSIBLE_SKIP_TAGS", "prod"),
        ("ANSIBLE_SKIP_TAGS", "redhat"),
        ("ANSIBLE_SKIP_TAGS", "vm_provision"),
        ("ANSIBLE_RUN_TAGS", "dev"),
        ("ANSIBLE_RUN_TAGS", "windows"),
    ] {
        assert!(bench.run_with("vm_provision", &vars, &[(name, value)]).succeeded, "{name} {value}");
        assert_eq!(bench.changes(), 0, "{name} {value} has to leave everything alone");
    }
    assert!(bench.run_with("vm_provision", &vars, &[("ANSIBLE_RUN_TAGS", "prod")]).succeeded);
    assert_eq!(bench.vms_in("prod"), ["web01"]);
    // What deletes must obey them too.
    assert!(bench.run_with("vm_delete", &vars, &[("ANSIBLE_SKIP_TAGS", "prod")]).succeeded);
    assert_eq!(bench.vms_in("prod"), ["web01"]);
}
