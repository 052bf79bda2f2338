//! What a failed run leaves: the call chain, the task that failed and its message, in artifact and host variables.

use serde_json::{Value, json};

use super::bench::{Bench, conforms, launch, with};

#[test]
fn a_failed_stage_run_by_itself_tells_its_host() {
    let bench = Bench::new();
    bench.make_vm();
    bench.passes("inventory_write", &launch());
    let lost = json!([{"network_name": "lost", "nic_type": "vmxnet3"}]);
    let ran =
        bench.fails("network_configuration", &with(launch(), json!({"vm_nic": lost, "awx_job_id": 77})));
    let artifact = ran.artifact("network_configuration");
    assert_eq!(artifact["task"]["status"], "failed");
    assert_eq!(artifact["context"]["call_chain"], "network_configuration->vmware_vcenter80_network");
    assert_eq!(artifact["context"]["tower_job_id"], 77);
    assert!(artifact["data"]["failed_task"].as_str().is_some_and(|task| !task.is_empty()), "{artifact:#}");
    assert!(artifact["data"]["error"].as_str().is_some_and(|error| error.contains("lost")), "{artifact:#}");
    assert_eq!(ran.artifacts["execution_summary"]["status"], "failed");

    let host = bench.host_variables("web01").unwrap();
    conforms("host-variables.v1", &Value::Object(host.clone()));
    assert_eq!(host["vm_state"], "failed");
    assert_eq!(host["last_task"], "network_configuration");
    assert_eq!(host["network_configuration_state"], "failed");
    assert!(
        host["network_configuration_error"].as_str().is_some_and(|error| error.contains("lost")),
        "{host:?}"
    );
    assert_eq!(
        host["call_chain_id"],
        host["call_stack"].as_array().map_or(Value::Null, |stack| {
            json!(stack.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("->"))
        })
    );
}

#[test]
fn a_vcenter_that_is_away_is_named() {
    let bench = Bench::new();
    let ran = bench.run_with("vm_provision", &launch(), &[("VMWARE_PORT", "9")]);
    assert!(!ran.succeeded);
    let artifact = ran.artifact("vm_provision");
    let error = artifact["data"]["error"].as_str().unwrap_or_default().to_lowercase();
    assert!(error.contains("vcenter") && !error.contains("hidden"), "{artifact:#}");
}
