//! What the simulator cannot show, by the requests that reach it: customization of guests, cloud-init, firmware, vTPM, GPU,
//! the kinds of disks. And the handlers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::bench::{Bench, launch, with};

/// The text of the first element of that name.
fn element<'a>(body: &'a str, name: &str) -> &'a str {
    let start = body.find(&format!("<{name}>")).unwrap_or_else(|| panic!("no {name} in {body}"));
    let text = &body[start + name.len() + 2..];
    &text[..text.find(&format!("</{name}>")).unwrap()]
}

fn clone_request(bench: &Bench) -> String {
    let mut requests = bench.requests("CloneVM_Task");
    assert_eq!(requests.len(), 1);
    requests.remove(0)
}

/// One adapter with a fixed address, no data disk.
fn lean(changes: Value) -> Value {
    let base = json!({"vm_disk": [], "vm_nic": [launch()["vm_nic"][0]]});
    with(with(launch(), base), changes)
}

#[test]
fn windows_is_set_up_by_sysprep_with_virtual_tpm_and_gpu() {
    let bench = Bench::new();
    let vars = lean(json!({
        "vm_os": "windows", "vm_os_version": "2022", "vm_template": "win2022", "vm_vtpm": true, "vm_vgpu": "grid_p40-1q",
    }));
    let secret = [("CAUSEWAY_ADMIN_PASSWORD", "adm1n-of-the-guest")];
    let ran = bench.run_with("vm_provision", &vars, &secret);
    assert!(ran.succeeded, "{:?}", ran.failures);
    let request = clone_request(&bench);
    assert!(request.contains(r#"xsi:type="CustomizationSysprep""#), "{request}");
    // The record leaves out what it says.
    assert!(element(&request, "guiUnattended").starts_with("<password>"), "{request}");
    assert_eq!(element(element(&request, "userData"), "name"), "web01");
    assert_eq!(element(&request, "timeZone"), "85");
    assert_eq!(element(&request, "joinWorkgroup"), "WORKGROUP");
    assert_eq!(element(&request, "ipAddress"), "10.10.20.17");
    assert_eq!(element(&request, "subnetMask"), "255.255.255.0");
    assert_eq!(element(&request, "gateway"), "10.10.20.1");
    assert_eq!(element(&request, "efiSecureBootEnabled"), "true");
    let changes = bench.requests("ReconfigVM_Task").concat();
    assert_eq!(changes.matches(r#"xsi:type="VirtualTPM""#).count(), 1);
    assert_eq!(element(&changes, "vgpu"), "grid_p40-1q");

    let again = bench.run_with("vm_provision", &vars, &secret);
    assert_eq!((again.succeeded, again.changed), (true, 0), "{:?}", again.failures);
}

#[test]
fn linux_is_set_up_by_vmware_tools() {
    let bench = Bench::new();
    bench.passes("vm_provision", &lean(json!({"vm_os": "suse", "vm_os_version": "15", "vm_template": "suse15", "vm_domain": "example.com"})));
    let request = clone_request(&bench);
    assert!(request.contains(r#"xsi:type="CustomizationLinuxPrep""#), "{request}");
    let identity = &request[request.find("CustomizationLinuxPrep").unwrap()..];
    assert_eq!((element(identity, "name"), element(identity, "domain")), ("web01", "example.com"));
    assert_eq!(element(identity, "timeZone"), "Etc/UTC");
    assert_eq!(element(&request, "ipAddress"), "10.10.20.17");
    assert_eq!(element(&request, "dnsServerList"), "10.10.0.53");
}

#[test]
fn cloud_init_is_told_name_address_user_and_key() {
    let bench = Bench::new();
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIexample platform";
    let vars = lean(
        json!({"vm_customization": "cloud_init", "vm_user": "ops", "vm_ssh_keys": [key], "vm_domain": "example.com", "vm_is_ephemeral": true}),
    );
    let mut vars = vars;
    // The prefix follows from the netmask.
    vars["vm_nic"] =
        json!([{"network_name": "prod-app", "ip_address": "10.10.20.17", "netmask": "255.255.255.128"}]);
    // No cloud-init runs in the simulator, so the guest keeps the address that it started with, and is not taken for one that was set up.
    let waiting = bench.fails("vm_provision", &with(vars.clone(), json!({"vm_wait_for_address_secs": 2})));
    let error = waiting.artifact("vm_provision")["data"]["error"].as_str().unwrap_or_default().to_owned();
    assert!(error.starts_with("address_missing: ") && error.contains("asked for 10.10.20.17"), "{error}");
    assert_eq!(waiting.artifact("vm_provision")["task"]["retry_count"], 0, "no retry mends it");
    let again = bench.passes("vm_provision", &with(vars, json!({"vm_wait_for_address_secs": 0})));
    assert_eq!(again.changed, 0, "the VM is there, and on: {}", again.output);
    assert!(!clone_request(&bench).contains("<customization>"), "cloud-init does it alone");
    let vm = bench.vm("prod/web01");
    let options = vm["config"]["extraConfig"].as_array().unwrap();
    let option = |key: &str| {
        let option = options.iter().find(|option| option["key"] == key).unwrap();
        option["value"].as_str().unwrap()
    };
    let decoded = |key: &str| String::from_utf8(STANDARD.decode(option(key)).unwrap()).unwrap();
    let metadata: Value = serde_json::from_str(&decoded("guestinfo.metadata")).unwrap();
    assert_eq!(metadata["local-hostname"], "web01");
    let first = &metadata["network"]["ethernets"]["first"];
    assert_eq!((&first["dhcp4"], &first["addresses"]), (&json!(false), &json!(["10.10.20.17/25"])));
    assert_eq!(first["nameservers"]["addresses"], json!(["10.10.0.53"]));
    let text = decoded("guestinfo.userdata");
    let userdata: Value = serde_json::from_str(text.strip_prefix("#cloud-config\n").unwrap()).unwrap();
    assert_eq!((&userdata["hostname"], &userdata["fqdn"]), (&json!("web01"), &json!("web01.example.com")));
    assert_eq!(userdata["users"][1]["name"], "ops");
    assert_eq!(userdata["users"][1]["ssh_authorized_keys"], json!([key]));
    // Beside it: that a lifecycle may wipe this VM stands in it.
    assert_eq!(option("guestinfo.causeway.ephemeral"), "true");
}

#[test]
fn handlers_restart_shut_down_and_delete_only_what_is_ours() {
    let bench = Bench::new();
    let vars = lean(json!({}));
    bench.make_vm();
    let notify = |topic: &str, vars: &Value| {
        let handlers = "../../../tests/data/content/handlers";
        bench.passes(handlers, &with(vars.clone(), json!({"handlers_topic": topic})))
    };
    let foreign = with(vars.clone(), json!({"vm_uid": "11111111-1111-4111-8111-111111111111"}));
    assert!(
        !bench
            .run(
                "../../../tests/data/content/handlers",
                &with(foreign, json!({"handlers_topic": "vm_delete"}))
            )
            .succeeded
    );
    notify("vm_restart", &vars);
    assert_eq!(bench.requests("ResetVM_Task").len(), 1);
    notify("vm_shut_down", &vars);
    assert_eq!(bench.vm("prod/web01")["runtime"]["powerState"], "poweredOff");
    notify("vm_delete", &vars);
    assert_eq!(bench.vms_in("prod"), Vec::<String>::new());
}
