//! A failure in each stage, and the resume that does only what is left.

use serde_json::{Value, json};

use super::bench::{Bench, Ran, launch, with};

const STAGES: [&str; 5] =
    ["vm_provision", "network_configuration", "storage_configuration", "inventory_write", "validation"];

/// The workflow's success path as the controller walks it: what each stage left goes to the later ones as variables,
/// below those of the launch. Ends at the first failure, which `error_handling` then gets.
fn workflow(bench: &Bench, vars: &Value, broken: Option<&str>, breakage: &Value) -> Vec<(String, Ran)> {
    let mut inherited = json!({"awx_workflow_job_id": 50});
    let mut ran = Vec::new();
    for (job, stage) in (51..).zip(STAGES) {
        let mut given = with(with(inherited.clone(), vars.clone()), json!({"awx_job_id": job}));
        if broken == Some(stage) {
            given = with(given, breakage.clone());
        }
        let one = bench.run(stage, &given);
        inherited = with(inherited, Value::Object(one.artifacts.clone()));
        let succeeded = one.succeeded;
        ran.push((stage.to_owned(), one));
        if !succeeded {
            let given = with(with(inherited.clone(), vars.clone()), json!({"awx_job_id": job + 1}));
            ran.push(("error_handling".to_owned(), bench.run("error_handling", &given)));
            break;
        }
    }
    ran
}

/// Lets `stage` fail for `breakage`, and then resumes as the bridge does: the finished stages are not listed any more.
fn fail_and_resume(stage: &str, breakage: Value) {
    let bench = Bench::new();
    let vars = launch();
    let first = workflow(&bench, &vars, Some(stage), &breakage);
    let (last, handled) = (&first[first.len() - 2], &first[first.len() - 1].1);
    assert_eq!((last.0.as_str(), last.1.succeeded), (stage, false), "{stage} has to fail");
    assert!(handled.succeeded, "error_handling failed: {}", handled.failures.join("; "));
    let host = bench.host_variables("web01").expect("the failure stands at the host");
    assert_eq!((&host["vm_state"], &host["last_task"]), (&json!("failed"), &json!(stage)));
    assert!(host["vm_error"].as_str().is_some_and(|error| !error.is_empty()));

    let at = STAGES.iter().position(|one| *one == stage).unwrap();
    // The bridge always lists the stage that writes the inventory: the failure stands there now.
    let is_left = |one: &str| one == "inventory_write" || STAGES[at..].contains(&one);
    let left: Vec<&str> = STAGES.into_iter().filter(|one| is_left(one)).collect();
    let resumed = with(vars, json!({"causeway_stages": left}));
    let second = workflow(&bench, &resumed, None, &json!({}));
    assert_eq!(second.len(), STAGES.len(), "{:?}", second.last().map(|(_, ran)| ran.failures.clone()));
    for (name, ran) in &second {
        assert!(ran.succeeded, "{name}: {}", ran.failures.join("; "));
        let status = ran.artifact(name)["task"]["status"].clone();
        assert_eq!(status, if is_left(name) { "successful" } else { "skipped" }, "{name}");
    }
    let host = bench.host_variables("web01").unwrap();
    assert!(host["vm_state"] == "created" && !host.contains_key("vm_error"), "{host:?}");
}

#[test]
fn the_first_stage_fails_and_is_resumed() {
    fail_and_resume("vm_provision", json!({"vm_template": "gone"}));
}

#[test]
fn the_network_stage_fails_and_is_resumed() {
    fail_and_resume(
        "network_configuration",
        json!({"vm_nic": [{"network_name": "gone", "nic_type": "vmxnet3", "ip_address": "10.10.20.17"}]}),
    );
}

#[test]
fn the_storage_stage_fails_and_is_resumed() {
    fail_and_resume("storage_configuration", json!({"vm_datastore": "gone"}));
}

#[test]
fn the_inventory_stage_fails_and_is_resumed() {
    fail_and_resume("inventory_write", json!({"vmware_vcenter80_inventory_name": "No Such Inventory"}));
}

#[test]
fn the_validation_fails_and_is_resumed() {
    fail_and_resume("validation", json!({"vm_cpu": 16}));
}
