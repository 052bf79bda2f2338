//! Ansible reads the bridge's inventory by the script that comes with it.

use std::process::Command;

use causeway::demo::{Rig, RigOptions};
use causeway::vm_request::Event;
use reqwest::Method;
use serde_json::{Value, json};

use super::bench::root;

#[test]
fn ansible_accepts_the_inventory_script() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let rig = Rig::start(RigOptions::quiet(121)).await.unwrap();
        let lean = json!({"vm_name": "web121", "environment": "prod", "vm_os": "redhat", "vm_os_version": "9", "size": "small"});
        assert_eq!(rig.api(Method::POST, "/api/v1/vm-requests", Some(&lean)).await.unwrap().status, 201);
        let mut position = rig.journal().unwrap().position();
        loop {
            position.borrow_and_update();
            let told = rig.journal().unwrap().tail(0, 500).await.unwrap();
            if told.iter().any(|one| matches!(one.event, Event::Verified(_))) {
                break;
            }
            position.changed().await.unwrap();
        }
        let listed = tokio::time::timeout(std::time::Duration::from_secs(60), async {
            let mut beat = tokio::time::interval(std::time::Duration::from_millis(50));
            loop {
                let inventory = ansible_inventory(&rig);
                if inventory["environment_prod"]["hosts"] == json!(["web121"]) {
                    return inventory;
                }
                beat.tick().await;
            }
        });
        let inventory = listed.await.expect("the VM is listed in time");
        assert_eq!(inventory["os_redhat"]["hosts"], json!(["web121"]));
        let variables = &inventory["_meta"]["hostvars"]["web121"];
        assert_eq!(variables["vm_name"], "web121");
        assert_eq!(variables["ansible_host"], variables["ip_address"]);
        rig.stop().await;
    });
}

fn ansible_inventory(rig: &Rig) -> Value {
    let ansible = root().join("target/test-tools/ansible/bin/ansible-inventory");
    let ran = Command::new(ansible)
        .arg("-i")
        .arg(root().join("deploy/inventory/causeway"))
        .arg("--list")
        .env("CAUSEWAY_BIN", env!("CARGO_BIN_EXE_causeway"))
        .env("CAUSEWAY_URL", rig.url())
        .env("CAUSEWAY_TOKEN", rig.api_token())
        .env("ANSIBLE_INVENTORY_UNPARSED_FAILED", "true")
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}
