//! Wrong input is refused before anything is changed, with everything that is wrong with it at once.

use serde_json::{Value, json};

use super::bench::{Bench, launch, with};

/// Runs the first stage and wants exactly these findings, in any order, and an untouched vCenter.
fn refused(bench: &Bench, changes: Value, codes: &[&str]) {
    let before = bench.changes();
    let ran = bench.fails("vm_provision", &with(launch(), changes));
    let artifact = ran.artifact("vm_provision");
    let findings = artifact["data"]["findings"].as_array().cloned().unwrap_or_default();
    let mut found: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    found.sort_unstable();
    let mut wanted = codes.to_vec();
    wanted.sort_unstable();
    assert_eq!(found, wanted, "{findings:#?}");
    for finding in &findings {
        for field in ["subject", "detail", "remedy"] {
            assert!(finding[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {finding}");
        }
    }
    assert_eq!(artifact["task"]["status"], "failed");
    assert_eq!(bench.changes(), before, "something was changed");
}

#[test]
fn everything_that_is_wrong_is_found_at_once() {
    let bench = Bench::new();
    let wrong = json!({
        "vm_name": "web_01", "vm_cpu": 0, "vm_memory": "4096", "vm_ip_address": "10.10.20.300", "vm_customization": "cloudinit",
        "vm_netmask": null, "vm_gateway": null,
        "vm_nic": [{"network_name": "prod-app", "nic_type": "vmxnet9", "ip_address": "10.10.20.300"},
                   {"network_name": "prod-app", "ip_address": "10.10.20.9", "netmask": "255.255.255"},
                   // What is known of the network is IPv4.
                   {"network_name": "prod-app", "ip_address": "2001:db8::5", "gateway": "10.10.20.1"}],
        "vm_disk": [{"disk_name": "data", "disk_size": -1, "disk_type": "thin"}],
    });
    let ran = bench.fails("vm_provision", &with(launch(), wrong));
    let findings = ran.artifact("vm_provision")["data"]["findings"].clone();
    let subjects: Vec<&str> =
        findings.as_array().unwrap().iter().filter_map(|finding| finding["subject"].as_str()).collect();
    for field in [
        "vm_name",
        "vm_cpu",
        "vm_memory",
        "vm_nic[0].nic_type",
        "vm_nic[0].ip_address",
        "vm_nic[1].netmask",
        "vm_nic[2].prefix",
        "vm_nic[2].gateway",
        "vm_customization",
        "vm_disk[0].disk_size",
    ] {
        assert!(subjects.iter().any(|subject| subject.contains(field)), "{field} is not among {subjects:?}");
    }
    assert_eq!(bench.changes(), 0);
}

#[test]
fn what_vcenter_lacks_is_found_before_it_is_missed() {
    let bench = Bench::new();
    let nowhere = json!({
        "vm_template": "rhel7", "vm_folder": "nowhere", "vm_datastore": "tape",
        "vm_nic": [{"network_name": "lost", "nic_type": "vmxnet3"}],
    });
    refused(&bench, nowhere, &["template_missing", "folder_missing", "datastore_missing", "network_missing"]);
    // Which datastores a cluster reaches cannot be asked of one that is not there.
    refused(&bench, json!({"vm_cluster": "C9"}), &["cluster_missing"]);
}

#[test]
fn a_template_that_boots_otherwise_than_asked_is_refused() {
    let bench = Bench::new();
    // cloud-init could give both adapters the one address; a text, a mapping and a number stand where a list and a text belong.
    let several = json!({"vm_customization": "cloud_init", "vm_disk": {"disk_name": "data"}, "vm_domain": 5, "vm_nic": [
        {"network_name": "prod-app", "ip_address": "10.10.20.17", "prefix": "24a"}, {"network_name": "prod-db"},
    ]});
    refused(
        &bench,
        several,
        &["vm_disk_invalid", "prefix_invalid", "cloud_init_one_adapter", "netmask_invalid"],
    );
    let mapping = json!({"vm_nic": {"network_name": "prod-app"}});
    refused(&bench, mapping, &["vm_nic_invalid", "vm_network_missing", "template_has_more_adapters"]);
    refused(&bench, json!({"vm_firmware": "bios"}), &["firmware_mismatch"]);
}

#[test]
fn a_name_that_another_vm_has_is_left_to_it() {
    let bench = Bench::new();
    let govc = &bench.vcsim.endpoint;
    govc.govc(&[
        "vm.clone",
        "-vm",
        "/DC0/vm/templates/rhel9",
        "-folder",
        "/DC0/vm/prod",
        "-ds",
        "dev-ds",
        "-on=false",
        "web01",
    ]);
    refused(&bench, json!({}), &["name_taken"]);
}

#[test]
fn an_unknown_image_is_refused_where_no_template_is_given() {
    let bench = Bench::new();
    refused(&bench, json!({"vm_template": "", "vm_os_version": "7"}), &["image_unknown"]);
}
