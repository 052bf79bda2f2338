//! What comes after the deployment: power, size, snapshots, conversion to a template, deletion.

use serde_json::{Value, json};

use super::bench::{Bench, EXECUTION_ID, Ran, VM_UID, launch, with};

const OTHER_UID: &str = "11111111-1111-4111-8111-111111111111";
const VM: &str = "/DC0/vm/prod/web01";

/// The variables of a small VM: one adapter, no data disk.
fn lean() -> Value {
    with(launch(), json!({"vm_nic": [{"network_name": "prod-app", "nic_type": "vmxnet3"}], "vm_disk": []}))
}

/// The same with more of them.
fn asking(changes: Value) -> Value {
    with(lean(), changes)
}

/// A simulator with the VM, running.
fn bench_with_vm() -> Bench {
    let bench = Bench::new();
    bench.make_vm();
    bench
}

/// The simulator runs no guest; this lets it say that VMware Tools run.
fn run_tools(bench: &Bench) {
    bench.vcsim.endpoint.govc(&[
        "vm.change",
        "-vm",
        VM,
        "-e",
        "SET.guest.toolsRunningStatus=guestToolsRunning",
    ]);
}

fn power(bench: &Bench) -> String {
    bench.vm("prod/web01")["runtime"]["powerState"].as_str().unwrap_or_default().to_owned()
}

fn size(bench: &Bench) -> (u64, u64) {
    let vm = bench.vm("prod/web01");
    let hardware = &vm["config"]["hardware"];
    (hardware["numCPU"].as_u64().unwrap_or(0), hardware["memoryMB"].as_u64().unwrap_or(0))
}

fn extra_config(bench: &Bench, key: &str) -> String {
    let vm = bench.vm("prod/web01");
    let options = vm["config"]["extraConfig"].as_array().cloned().unwrap_or_default();
    let found = options.into_iter().find(|option| option["key"] == key);
    found.and_then(|option| option["value"].as_str().map(str::to_owned)).unwrap_or_default()
}

/// Wants the run to have stopped with this finding, and without a change.
fn wants_finding(ran: &Ran, stage: &str, code: &str) {
    let artifact = ran.artifact(stage);
    let findings = artifact["data"]["findings"].as_array().cloned().unwrap_or_default();
    assert!(findings.iter().any(|finding| finding["code"] == code), "no {code}: {findings:?}");
    assert_eq!(ran.changed, 0, "{}", ran.output);
}

#[test]
fn power_is_given_once_and_a_restart_every_time() {
    let bench = bench_with_vm();
    bench.passes("inventory_write", &lean());
    // A bare `on` of YAML is a truth value.
    let wishes = [
        (json!("suspend"), "suspended"),
        (json!("on"), "poweredOn"),
        (json!("off"), "poweredOff"),
        (json!(true), "poweredOn"),
    ];
    for (wanted, seen) in wishes {
        let told =
            bench.passes_twice("vm_power", &asking(json!({"vm_power_state": wanted}))).artifact("vm_power");
        assert_eq!(
            (&told["data"]["power"], &told["data"]["changed"]),
            (&json!(seen), &json!(true)),
            "{wanted}"
        );
        assert_eq!(power(&bench), seen);
        let state = bench.host_variables("web01").unwrap()["vm_state"].clone();
        assert_eq!(state, if seen == "poweredOff" { "powered_off" } else { "created" });
    }
    let refused = bench.fails("vm_power", &asking(json!({"vm_power_state": "shut_down"})));
    wants_finding(&refused, "vm_power", "tools_not_running");
    run_tools(&bench);
    bench.passes_twice("vm_power", &asking(json!({"vm_power_state": "shut_down"})));
    assert_eq!((power(&bench).as_str(), bench.requests("ShutdownGuest").len()), ("poweredOff", 1));
    wants_finding(
        &bench.fails("vm_power", &asking(json!({"vm_power_state": "restart"}))),
        "vm_power",
        "vm_not_running",
    );
    bench.passes("vm_power", &asking(json!({"vm_power_state": "on"})));
    let restart = asking(json!({"vm_power_state": "restart", "vm_power_may_force": true}));
    for _ in 0..2 {
        assert!(bench.passes("vm_power", &restart).changed > 0, "a restart is one every time");
    }
    bench.passes_twice(
        "vm_power",
        &asking(json!({"vm_power_state": "shut_down", "vm_power_may_force": true})),
    );
    assert_eq!(power(&bench), "poweredOff");
    wants_finding(
        &bench.fails("vm_power", &asking(json!({"vm_power_state": "sleep"}))),
        "vm_power",
        "vm_power_state_invalid",
    );
}

#[test]
fn a_vm_is_resized_hot_and_cold() {
    let bench = bench_with_vm();
    let more = json!({"vm_cpu": 4, "vm_memory": 8192});
    let refused = bench.fails("vm_resize", &asking(more.clone()));
    wants_finding(&refused, "vm_resize", "resize_needs_restart");
    assert_eq!(size(&bench), (2, 4096));
    assert_eq!(bench.host_variables("web01"), None, "a refusal makes no failed VM");

    // Cold: it is stopped, resized and started.
    let cold = json!({"vm_resize_may_restart": true, "vm_power_may_force": true});
    let told = bench.passes_twice("vm_resize", &asking(with(more, cold.clone()))).artifact("vm_resize");
    assert_eq!((&told["data"]["restarted"], &told["data"]["was"]["vm_cpu"]), (&json!(true), &json!(2)));
    assert_eq!((size(&bench), power(&bench).as_str()), ((4, 8192), "poweredOn"));
    assert_eq!(bench.requests("PowerOffVM_Task").len(), 1);

    // Hot: it runs on.
    bench.vcsim.endpoint.govc(&[
        "vm.change",
        "-vm",
        VM,
        "-cpu-hot-add-enabled=true",
        "-memory-hot-add-enabled=true",
    ]);
    let told = bench
        .passes_twice("vm_resize", &asking(json!({"vm_cpu": 8, "vm_memory": 16384})))
        .artifact("vm_resize");
    assert_eq!(told["data"]["restarted"], false);
    assert_eq!((size(&bench), power(&bench).as_str()), ((8, 16384), "poweredOn"));
    assert_eq!(bench.requests("PowerOffVM_Task").len(), 1);

    // Less memory is never hot; what is not given stays; one that is off stays off.
    let less = json!({"vm_cpu": null, "vm_memory": 8192});
    wants_finding(&bench.fails("vm_resize", &asking(less.clone())), "vm_resize", "resize_needs_restart");
    bench.vcsim.endpoint.govc(&["vm.power", "-off", VM]);
    bench.passes_twice("vm_resize", &asking(less));
    assert_eq!((size(&bench), power(&bench).as_str()), ((8, 8192), "poweredOff"));
}

#[test]
fn a_snapshot_is_taken_reverted_to_and_removed() {
    let bench = bench_with_vm();
    let act = |action: &str| asking(json!({"vm_snapshot_action": action, "vm_snapshot_name": "before"}));
    wants_finding(&bench.fails("vm_snapshot", &act("revert")), "vm_snapshot", "snapshot_missing");
    let made = bench.passes_twice("vm_snapshot", &act("create")).artifact("vm_snapshot");
    assert_eq!(made["data"]["snapshots"][0]["name"], "before");
    let listed = bench.passes_twice("vm_snapshot", &asking(json!({"vm_snapshot_action": "list"})));
    assert_eq!(
        (listed.changed, listed.artifact("vm_snapshot")["data"]["snapshots"].as_array().unwrap().len()),
        (0, 1)
    );
    wants_finding(&bench.fails("vm_template", &lean()), "vm_template", "vm_has_snapshots");

    // Once an execution, and again for another.
    bench.passes_twice("vm_snapshot", &act("revert"));
    assert_eq!(bench.requests("RevertToSnapshot_Task").len(), 1);
    assert_eq!(extra_config(&bench, "guestinfo.causeway.vm_uid"), VM_UID);
    assert_eq!(extra_config(&bench, "guestinfo.causeway.reverted"), format!("{EXECUTION_ID} before"));
    let later = with(act("revert"), json!({"execution_id": "req_01m7yhx300000000000000001b"}));
    bench.passes_twice("vm_snapshot", &later);
    assert_eq!(bench.requests("RevertToSnapshot_Task").len(), 2);

    let gone = bench.passes_twice("vm_snapshot", &act("remove")).artifact("vm_snapshot");
    assert_eq!(gone["data"]["snapshots"], json!([]));
}

#[test]
fn a_vm_becomes_a_template_and_loses_its_identity() {
    let bench = bench_with_vm();
    wants_finding(&bench.fails("vm_template", &lean()), "vm_template", "tools_not_running");
    run_tools(&bench);
    bench.passes("inventory_write", &lean());
    let told = bench.passes_twice("vm_template", &lean()).artifact("vm_template");
    assert_eq!(bench.host_variables("web01").unwrap()["vm_state"], "deleted");
    assert_eq!((&told["data"]["is_template"], &told["data"]["changed"]), (&json!(true), &json!(true)));
    assert_eq!(bench.vm("prod/web01")["config"]["template"], true);
    assert_eq!(extra_config(&bench, "guestinfo.causeway.vm_uid"), "");
    // It is nobody's VM any more.
    wants_finding(&bench.fails("vm_delete", &lean()), "vm_delete", "vm_not_ours");
}

#[test]
fn only_the_vm_that_bears_the_identity_is_deleted() {
    let bench = bench_with_vm();
    bench.passes("inventory_write", &lean());
    let foreign = asking(json!({"vm_uid": OTHER_UID}));
    wants_finding(&bench.fails("vm_delete", &foreign), "vm_delete", "vm_not_ours");
    let by_hand = asking(json!({"vm_uid": ""}));
    wants_finding(&bench.fails("vm_delete", &by_hand), "vm_delete", "vm_not_ours");
    assert_eq!(bench.vms_in("prod"), ["web01"]);
    assert_eq!(bench.host_variables("web01").unwrap()["vm_state"], "created");

    // One that was renamed is not gone.
    bench.vcsim.endpoint.govc(&["object.rename", VM, "web01-old"]);
    let renamed = bench.fails("vm_delete", &lean());
    let error = renamed.artifact("vm_delete")["data"]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.starts_with("identity_conflict: ") && error.contains("web01-old"), "{error}");
    assert_eq!(bench.host_variables("web01").unwrap()["vm_state"], "created");
    bench.vcsim.endpoint.govc(&["object.rename", "/DC0/vm/prod/web01-old", "web01"]);

    // It is found wherever it was moved to, beside a namesake in the folder that is asked for.
    let namesake =
        ["vm.clone", "-vm", "rhel9", "-folder", "/DC0/vm/dev", "-ds", "dev-ds", "-on=false", "web01"];
    bench.vcsim.endpoint.govc(&namesake);
    let told = bench.passes("vm_delete", &asking(json!({"vm_folder": "dev"}))).artifact("vm_delete");
    assert_eq!((&told["data"]["deleted"], &told["data"]["changed"]), (&json!(true), &json!(true)));
    assert_eq!((bench.vms_in("prod"), bench.vms_in("dev")), (Vec::<String>::new(), vec!["web01".to_owned()]));
    assert_eq!(bench.host_variables("web01").unwrap()["vm_state"], "deleted");
    bench.vcsim.endpoint.govc(&["vm.destroy", "/DC0/vm/dev/web01"]);
    assert_eq!(bench.passes("vm_delete", &lean()).changed, 0);
}

#[test]
fn by_hand_a_vm_without_an_identity_is_deleted_by_name_and_folder() {
    let bench = Bench::new();
    let by_hand = asking(json!({"vm_uid": "", "vm_environment": ""}));
    bench.passes("vm_provision", &by_hand);
    let elsewhere = with(by_hand.clone(), json!({"vm_folder": "dev"}));
    assert_eq!(bench.passes("vm_delete", &elsewhere).artifact("vm_delete")["data"]["deleted"], false);
    let nowhere = with(by_hand.clone(), json!({"vm_folder": ""}));
    wants_finding(&bench.fails("vm_delete", &nowhere), "vm_delete", "vm_folder_missing");
    assert_eq!(bench.vms_in("prod"), ["web01"]);
    bench.passes_twice("vm_delete", &by_hand);
    assert_eq!(bench.vms_in("prod"), Vec::<String>::new());
}
