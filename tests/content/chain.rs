//! The whole chain with real playbooks. That seven tickets come through it is for `causeway demo --real` to show; here is
//! what happens when somebody changes his mind.

use std::time::Duration;

use causeway::demo::{Rig, Tools, real_rig, real_tickets};
use causeway::vm_request::event::RunStatus;
use causeway::vm_request::stage::Stage;
use causeway::vm_request::state::{Phase, State};
use causeway::vm_request::{Event, RequestId};
use reqwest::Method;
use serde_json::json;

use super::bench::{content, root};

const SECS_MAX: u64 = 120;

/// Reads the journal along until `is_there` says so of an event, and gives the request it is of.
async fn until(rig: &Rig, is_there: impl Fn(&Event) -> bool) -> RequestId {
    let mut position = rig.journal().unwrap().position();
    let mut told = 0;
    loop {
        position.borrow_and_update();
        for recorded in rig.journal().unwrap().tail(told, 500).await.unwrap() {
            told = recorded.position;
            if is_there(&recorded.event) {
                return recorded.request_id;
            }
        }
        position.changed().await.unwrap();
    }
}

async fn cancel_while_it_provisions(rig: &Rig) -> State {
    let ticket = &real_tickets().unwrap()[6];
    assert_eq!(rig.send_ticket("msg_cancelled", ticket).await.unwrap().status, 202);
    let provisions = |event: &Event| matches!(event, Event::RunSeen(seen) if seen.stages.get(&Stage::VmProvision) == Some(&RunStatus::Running));
    let id = until(rig, provisions).await;
    let path = format!("/api/v1/vm-requests/{id}/actions/cancel");
    let answer = rig.api(Method::POST, &path, Some(&json!({"comment": "not any more"}))).await.unwrap();
    assert!((200..300).contains(&answer.status), "{answer:?}");
    until(rig, |event| matches!(event, Event::Cancelled { .. })).await;
    rig.journal().unwrap().load_state(&id).await.unwrap().unwrap()
}

#[test]
fn a_cancelled_request_stops_its_playbook_and_nothing_is_built_afterwards() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let tools = Tools { tools: root().join("target/test-tools"), content: content() };
        let rig = real_rig(1, tools).await.unwrap();
        let limit = Duration::from_secs(SECS_MAX);
        let state = tokio::time::timeout(limit, cancel_while_it_provisions(&rig)).await.expect("in time");
        assert_eq!(state.phase, Phase::Cancelled);
        let run = state.run.as_ref().expect("a run was accepted");
        assert_eq!(run.status, RunStatus::Canceled, "{run:?}");
        // Whatever the playbook had begun is named; what the claim forbids was never done.
        assert!(state.left_behind.iter().all(|vm| vm.name == "rhel9prod"), "{:?}", state.left_behind);
        let later = [Stage::NetworkConfiguration, Stage::StorageConfiguration, Stage::InventoryWrite];
        assert!(later.iter().all(|stage| !run.stages.contains_key(stage)), "{:?}", run.stages);
        assert!(rig.lab.world().state_of("rhel9prod").is_none(), "no host was written");
        rig.stop().await;
    });
}
