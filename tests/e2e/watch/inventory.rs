//! Host variables that somebody else wrote: repaired once where the policy says so, and nothing of theirs is lost.

use std::cell::Cell;

use causeway::clock::{Clock, SystemClock};
use causeway::demo::Rig;
use causeway::lab::controller::model::Id;
use causeway::vm_request::watch::policy::{Response, WatchPolicy};
use causeway::vm_request::watch::{DriftVerdict, Handled};
use causeway::vm_request::{RequestId, State};
use serde_json::{Map, Value, json};

use super::lab::{done, eager, rule, until_finding, until_in_sync};
use crate::live::{admin, options, state, until, until_answer};

/// How often the inventory is repaired for one finding, and how often one repair tries.
const REPAIRS_MAX: usize = 3;
const ROUNDS_MAX: usize = 3;

async fn repairing(seed: u64) -> (Rig, RequestId) {
    let rules = vec![rule(Response::RepairInventory, &[DriftVerdict::InventoryStale])];
    let policy: WatchPolicy = eager(rules);
    let rig = Rig::start_with(options(seed, ""), |config| config.watch = policy).await.expect("a rig starts");
    let id = done(&rig, &format!("web{seed}")).await;
    // The bridge's own mark is written after the request is done.
    until(&rig, &id, "marked", |state| !state.is_active()).await;
    (rig, id)
}

fn host(rig: &Rig, name: &str) -> (Id, Map<String, Value>) {
    let world = rig.lab.world();
    let id = world.controller.host_id(world.content.state_inventory, name).expect("a host");
    (id, world.controller.host_variables(id).expect("its variables"))
}

fn write(rig: &Rig, name: &str, variables: &Map<String, Value>) {
    let (id, _) = host(rig, name);
    let mut world = rig.lab.world();
    let caller = admin(&world);
    let now = SystemClock.now();
    world.controller.replace_variables(caller, id, variables, now).expect("the lab takes it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_host_is_repaired_once_and_foreign_keys_survive() {
    let (rig, id) = repairing(101).await;
    let (_, mut variables) = host(&rig, "web101");
    let right = variables["vm_id"].clone();
    variables.insert("vm_id".to_owned(), json!("00000000-0000-0000-0000-000000000000"));
    variables.insert("owner_team".to_owned(), json!("storage"));
    write(&rig, "web101", &variables);
    until_finding(&rig, &id, "instance_uuid").await;
    let after = until_in_sync(&rig, &id).await;
    let handled = after.watch.cleared["instance_uuid"].handled.clone();
    assert!(matches!(handled, Some(Handled::InventoryWritten { times: 1, .. })), "{handled:?}");
    let (_, variables) = host(&rig, "web101");
    assert_eq!((&variables["vm_id"], &variables["owner_team"]), (&right, &json!("storage")));
    assert!(variables.contains_key("causeway"), "the bridge's own key is still there");
    let seen =
        rig.journal().expect("the bridge runs").view().host_of(&id).await.expect("readable").expect("a host");
    assert!(!seen.variables.contains_key("owner_team"), "what is somebody else's is not kept");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_restores_old_rows_is_given_way_to_after_a_few_repairs() {
    let (rig, id) = repairing(102).await;
    let (_, mut old) = host(&rig, "web102");
    old.insert("vm_id".to_owned(), json!("00000000-0000-0000-0000-000000000000"));
    old.insert("owner_team".to_owned(), json!("storage"));
    // Whenever the bridge has repaired it, somebody saves the row again as it was before.
    let restored = Cell::new(0);
    write(&rig, "web102", &old);
    until_finding(&rig, &id, "instance_uuid").await;
    let is_given_up = |state: &State| {
        let handled = state.watch.open.get("instance_uuid").and_then(|finding| finding.handled.clone());
        // Undone within one merge, it is called contended; undone after it, it is repaired three times.
        matches!(handled, Some(Handled::InventoryWritten { times: 3, .. } | Handled::Refused { .. }))
            && host(&rig, "web102").1["vm_id"] == old["vm_id"]
    };
    let restore = async || {
        if host(&rig, "web102").1["vm_id"] != old["vm_id"] {
            write(&rig, "web102", &old);
            restored.set(restored.get() + 1);
        }
        state(&rig, &id).await
    };
    until_answer("given way to", restore, is_given_up).await;
    assert!(
        (1..=REPAIRS_MAX * ROUNDS_MAX).contains(&restored.get()),
        "{} repairs were undone",
        restored.get()
    );
    let (_, variables) = host(&rig, "web102");
    assert_eq!(variables["owner_team"], json!("storage"));
    assert_eq!(state(&rig, &id).await.watch.remediations.len(), 0);
    rig.stop().await;
}
