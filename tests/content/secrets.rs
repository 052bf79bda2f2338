//! No secret reaches an artifact, a host variable or the output, however much is printed and whatever fails.

use serde_json::{Value, json};

use super::bench::{Bench, launch, with};

const ADMIN: &str = "Adm1n-s3cret-of-the-guest";
const JOIN: &str = "J0in-s3cret-of-the-domain";

/// Runs with every secret there is in the environment, as verbose as can be, and looks for them in all that comes out.
fn scan(bench: &Bench, playbook: &str, vars: &Value, more: &[(&str, &str)]) {
    let token = bench.lab.lab.admin_token.clone();
    let password = bench.vcsim.endpoint.password.clone();
    let secrets = [ADMIN, JOIN, token.as_str(), password.as_str()];
    let mut environment = vec![
        ("CAUSEWAY_ADMIN_PASSWORD", ADMIN),
        ("CAUSEWAY_DOMAIN_JOIN_USER", "joiner"),
        ("CAUSEWAY_DOMAIN_JOIN_PASSWORD", JOIN),
        ("ANSIBLE_VERBOSITY", "4"),
    ];
    environment.extend_from_slice(more);
    let ran = bench.run_with(playbook, vars, &environment);
    let host = bench.host_variables("web01").map(|host| Value::Object(host).to_string()).unwrap_or_default();
    let artifacts = Value::Object(ran.artifacts.clone()).to_string();
    for secret in secrets {
        for (place, text) in [("output", &ran.output), ("artifacts", &artifacts), ("host variables", &host)] {
            let found = text.lines().find(|line| line.contains(secret));
            assert!(
                found.is_none(),
                "{playbook}: a secret in the {place}: {:.300}",
                found.unwrap_or_default()
            );
        }
    }
}

#[test]
fn no_secret_is_shown_by_what_succeeds_or_fails() {
    let bench = Bench::new();
    let windows =
        with(launch(), json!({"vm_os": "windows", "vm_os_version": "2022", "vm_template": "win2022"}));
    scan(&bench, "vm_provision", &windows, &[]);
    assert_eq!(bench.vms_in("prod"), ["web01"], "the scan looked at a run that did something");
    assert!(bench.record().contains("CustomizationSysprep"), "the guest was to be customised");
    scan(&bench, "inventory_write", &windows, &[]);
    let lost = with(windows.clone(), json!({"vm_nic": [{"network_name": "lost", "nic_type": "vmxnet3"}]}));
    scan(&bench, "network_configuration", &lost, &[]);
    // Modules that fail print what they were given.
    scan(&bench, "storage_configuration", &windows, &[("VMWARE_PORT", "9")]);
    scan(&bench, "inventory_write", &windows, &[("CONTROLLER_HOST", "http://127.0.0.1:9")]);
    let other = with(windows, json!({"vm_name": "web02", "vm_host_name": "web02", "vm_template": "gone"}));
    scan(&bench, "vm_provision", &other, &[]);
}
