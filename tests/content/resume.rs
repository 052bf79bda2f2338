//! A failure in each stage, and the resume that does only what is left.

use serde_json::{Value, json};

use super::bench::{Bench, Ran, launch, with};

const STAGES: [&str; 5] =
    ["vm_provision", "network_configuration", "storage_configuration", "inventory_write", "validation"];

/// The workflow's success path as the controller walks it, from its stage `from` on: what each stage left goes to the later ones
/// as variables, below those of the launch. Ends at the first failure, which `error_handling` then gets.
fn workflow(
    bench: &Bench,
    vars: &Value,
    (from, broken): (usize, Option<&str>),
    breakage: &Value,
) -> Vec<(String, Ran)> {
    let mut inherited = json!({"awx_workflow_job_id": 50});
    let mut ran = Vec::new();
    for (job, stage) in (51..).zip(STAGES).skip(from) {
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

/// What lets each stage fail, and nothing before it.
fn breakages() -> [Value; 5] {
    [
        json!({"vm_template": "gone"}),
        json!({"vm_nic": [{"network_name": "gone", "nic_type": "vmxnet3", "ip_address": "10.10.20.17"}]}),
        json!({"vm_datastore": "gone"}),
        json!({"vmware_vcenter80_inventory_name": "No Such Inventory"}),
        json!({"vm_cpu": 16}),
    ]
}

/// The stages that a resume lists once those before `at` are done. The bridge always lists the one that writes the inventory: the
/// failure stands there.
fn left_from(at: usize) -> Vec<&'static str> {
    let is_left = |(position, stage): &(usize, &str)| *position >= at || *stage == "inventory_write";
    STAGES.into_iter().enumerate().filter(is_left).map(|(_, stage)| stage).collect()
}

fn wants_failure_of(stage: &str, bench: &Bench, ran: &[(String, Ran)]) {
    let (last, handled) = (&ran[ran.len() - 2], &ran[ran.len() - 1].1);
    assert_eq!((last.0.as_str(), last.1.succeeded), (stage, false), "{stage} has to fail");
    assert!(handled.succeeded, "error_handling failed: {}", handled.failures.join("; "));
    let host = bench.host_variables("web01").expect("the failure stands at the host");
    assert_eq!((&host["vm_state"], &host["last_task"]), (&json!("failed"), &json!(stage)));
    assert!(host["vm_error"].as_str().is_some_and(|error| !error.is_empty()));
}

/// Those that are left did their work, the others were skipped.
fn wants_only(left: &[&str], ran: &[(String, Ran)]) {
    for (name, ran) in ran {
        assert!(ran.succeeded, "{name}: {}", ran.failures.join("; "));
        let status = ran.artifact(name)["task"]["status"].clone();
        assert_eq!(status, if left.contains(&name.as_str()) { "successful" } else { "skipped" }, "{name}");
    }
}

/// One deployment that fails in each stage in turn: each resume does the stage that failed before and fails in the next one. The last
/// comes through, and skips what is done; in between the nodes that would only skip are left out, for they take their time.
#[test]
fn a_failure_in_every_stage_is_resumed() {
    let bench = Bench::new();
    for (at, breakage) in breakages().into_iter().enumerate() {
        let stage = STAGES[at];
        let from = at.saturating_sub(1);
        let left = left_from(from);
        let vars = with(launch(), json!({"causeway_stages": left}));
        let ran = workflow(&bench, &vars, (from, Some(stage)), &breakage);
        wants_failure_of(stage, &bench, &ran);
        wants_only(&left, &ran[..ran.len() - 2]);
    }
    let left = left_from(STAGES.len() - 1);
    let vars = with(launch(), json!({"causeway_stages": left}));
    let last = workflow(&bench, &vars, (0, None), &json!({}));
    assert_eq!(last.len(), STAGES.len());
    wants_only(&left, &last);
    let host = bench.host_variables("web01").unwrap();
    assert!(host["vm_state"] == "created" && !host.contains_key("vm_error"), "{host:?}");
}
