//! What the end-to-end tests share: a rig, the words of an operator, and waiting on conditions.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use causeway::demo::{Answer, Rig, RigOptions};
use causeway::journal::Recorded;
use causeway::lab::controller::model::LaunchType;
use causeway::lab::controller::model::access::Caller;
use causeway::lab::controller::model::rows::Scope;
use causeway::lab::faults::FaultPlan;
use causeway::lab::world::World;
use causeway::vm_request::state::{Phase, State};
use causeway::vm_request::{Event, RequestId};
use reqwest::Method;
use serde_json::{Map, Value, json};

/// Longest wait for a condition. Generous: the machine may be busy.
pub const DEADLINE: Duration = Duration::from_secs(60);
const ASK: Duration = Duration::from_millis(10);

/// A rig on which `faults` strike.
pub async fn rig(seed: u64, faults: &str) -> Rig {
    Rig::start(options(seed, faults)).await.expect("a rig starts")
}

/// The same without a watch over VMs, for those who count what is asked of vCenter.
pub async fn rig_unwatched(seed: u64, faults: &str) -> Rig {
    let unwatched = Rig::start_with(options(seed, faults), |config| config.watch.enabled = false);
    unwatched.await.expect("a rig starts")
}

/// The options of such a rig.
pub fn options(seed: u64, faults: &str) -> RigOptions {
    let faults = FaultPlan::parse(faults, seed).expect("faults that exist");
    RigOptions { faults, ..RigOptions::quiet(seed) }
}

/// A lean request for a VM of that name.
pub fn lean(name: &str) -> Value {
    json!({"vm_name": name, "environment": "prod", "vm_os": "redhat", "vm_os_version": "9", "size": "small"})
}

/// Sends a request by the API and returns its id.
pub async fn ask(rig: &Rig, body: &Value) -> RequestId {
    let answer = rig.api(Method::POST, "/api/v1/vm-requests", Some(body)).await.expect("an answer");
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].as_str().expect("an id").parse().expect("a request's id")
}

/// Does what an operator may do.
pub async fn act(rig: &Rig, id: &RequestId, action: &str) -> Answer {
    let path = format!("/api/v1/vm-requests/{id}/actions/{action}");
    rig.api(Method::POST, &path, Some(&json!({"comment": "a test"}))).await.expect("an answer")
}

/// The request's state.
pub async fn state(rig: &Rig, id: &RequestId) -> State {
    let journal = rig.journal().expect("the bridge runs");
    journal.load_state(id).await.expect("the journal can be read").expect("the request is there")
}

/// The request's events.
pub async fn events(rig: &Rig, id: &RequestId) -> Vec<Recorded> {
    let journal = rig.journal().expect("the bridge runs");
    journal.load(id).await.expect("the journal can be read").expect("the request is there").events
}

/// Whether an event of that type stands in the request's journal.
pub async fn has_event(rig: &Rig, id: &RequestId, is: impl Fn(&Event) -> bool) -> bool {
    events(rig, id).await.iter().any(|recorded| is(&recorded.event))
}

/// Waits until the request's state is as `is` says.
pub async fn until(rig: &Rig, id: &RequestId, what: &str, is: impl Fn(&State) -> bool) -> State {
    let start = Instant::now();
    let mut beat = tokio::time::interval(ASK);
    loop {
        let seen = state(rig, id).await;
        if is(&seen) {
            return seen;
        }
        assert!(start.elapsed() < DEADLINE, "never {what}; last {:?} hold {:?}", seen.phase, seen.hold);
        beat.tick().await;
    }
}

/// Waits until the request is in `phase`.
pub async fn until_phase(rig: &Rig, id: &RequestId, phase: Phase) -> State {
    until(rig, id, phase.name(), |state| state.phase == phase).await
}

/// Waits until `is` holds of anything.
pub async fn until_true(what: &str, is: impl Fn() -> bool) {
    let start = Instant::now();
    let mut beat = tokio::time::interval(ASK);
    while !is() {
        assert!(start.elapsed() < DEADLINE, "never: {what}");
        beat.tick().await;
    }
}

/// Asks until `is` holds of the answer.
pub async fn until_answer<T>(what: &str, ask: impl AsyncFn() -> T, is: impl Fn(&T) -> bool) -> T {
    let start = Instant::now();
    let mut beat = tokio::time::interval(ASK);
    loop {
        let answer = ask().await;
        if is(&answer) {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "never: {what}");
        beat.tick().await;
    }
}

/// Waits until nothing happens in the lab by itself any more.
pub async fn until_quiet(rig: &Rig) {
    until_true("the lab is quiet", || rig.lab.world().next_due().is_none()).await;
}

/// The administrator of the lab's controller.
pub fn admin(world: &World) -> Caller {
    Caller { user: world.content.admin, scope: Scope::Write }
}

/// The claim of a VM, as it stands in the inventory.
pub fn claim(rig: &Rig, host_name: &str) -> Option<Map<String, Value>> {
    let world = rig.lab.world();
    let host = world.controller.host_id(world.content.claims_inventory, host_name)?;
    world.controller.host_variables(host)
}

/// The runs of a request that are no relaunch by hand, by id.
pub fn launched_runs(rig: &Rig, id: &RequestId) -> Vec<u64> {
    let world = rig.lab.world();
    let runs = world.runs_of(id.as_str());
    runs.into_iter().filter(|run| run.launch_type != LaunchType::Relaunch).map(|run| run.id).collect()
}

/// How many VMs were ever created for the request.
pub fn vms_of(rig: &Rig, id: &RequestId) -> usize {
    rig.lab.world().vsphere.clones_of_uid(&id.vm_uid().to_string())
}

/// What vCenter has to show of a request that is done, looked up in the model and not by the client: one VM with its
/// identity, of its name, switched on, and one clone ever.
pub fn assert_built_once(rig: &Rig, id: &RequestId, name: &str) {
    let world = rig.lab.world();
    let uid = id.vm_uid().to_string();
    let vms = world.vsphere.vms_by_uid(&uid);
    let names: Vec<&str> = vms.iter().map(|vm| vm.name.as_str()).collect();
    assert_eq!(names, [name], "vCenter shows the VM once");
    assert_eq!(world.vsphere.clones_of_uid(&uid), 1, "{name} was built once");
}

/// Asserts that `value` fits `schemas/<name>`.
pub fn assert_fits(schema: &str, value: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(schema);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let schema_value: Value = serde_json::from_str(&text).expect("a schema is JSON");
    let options = jsonschema::options().should_validate_formats(true);
    let validator = options.build(&schema_value).expect("a schema that can be used");
    let wrong: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{schema}: {wrong:#?}\n{value:#}");
}

/// The variables that the demo's configuration takes from the environment, for this rig.
pub fn environment(rig: &Rig) -> Vec<(&'static str, String)> {
    vec![
        ("DEMO_LISTEN", "127.0.0.1:0".to_owned()),
        ("DEMO_JOURNAL", rig.journal_path().display().to_string()),
        ("DEMO_API_TOKEN", rig.api_token().to_owned()),
        ("DEMO_WEBHOOK_SECRET", rig.webhook_secret().to_owned()),
        ("DEMO_CONTROLLER", rig.lab.controller_url.clone()),
        ("DEMO_CONTROLLER_TOKEN", rig.lab.token.clone()),
        ("DEMO_CALLBACK_TOKEN", "demo-callback-token-of-the-lab".to_owned()),
        ("DEMO_VCENTER", rig.vcenter.url.clone()),
        ("DEMO_VCENTER_PASSWORD", rig.vcenter.password().to_owned()),
    ]
}

/// The demo's configuration file.
pub fn demo_config() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/lab.toml")
}
