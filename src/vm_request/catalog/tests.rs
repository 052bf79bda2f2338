//! Tables: a request and what the catalog makes of it, or exactly what is wrong with it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Catalog;
use crate::vm_request::spec::{Address, NicType, VmRequest, VmSpec};
use crate::vm_request::violation::Violation;

const CATALOG: &str = r#"
[environments.prod]
controller = "aap"
vcenter = "vc1"
datacenter = "DC0"
cluster = "C0"
folder = "prod/app"
folders = ["prod/db"]
datastore = "ds1"
datastores = ["ds2"]
default_network = "app"
dns = ["10.0.0.53"]
domain = "example.com"

[environments.prod.networks.app]
cidr = "10.10.20.0/24"
gateway = "10.10.20.1"
dhcp = true

[environments.prod.networks.db]
cidr = "10.10.30.0/24"
gateway = "10.10.30.1"
dns = ["10.10.30.53"]

[environments.prod.networks.lan]
dhcp = true

[environments.dev]
controller = "aap"
vcenter = "vc1"
datacenter = "DC1"
cluster = "C1"
folder = "dev"
datastore = "ds1"
default_network = "lan"
expects_address = false
[environments.dev.networks.lan]
dhcp = true

[[images]]
vm_os = "redhat"
vm_os_version = "9"
template = "rhel9"
[[images]]
vm_os = "redhat"
vm_os_version = "8"
template = "rhel8"
environments = ["dev"]
[[images]]
vm_os = "windows"
vm_os_version = "2022"
template = "win2022"
environments = ["prod"]
memory_mib_min = 4096

[sizes.small]
cpu = 2
memory_mib = 4096
[sizes.tiny]
cpu = 1
memory_mib = 1024

[limits]
cpu_max = 16
memory_mib_max = 65536
disks_max = 2
disk_gib_max = 1000
nics_max = 3
"#;

fn catalog() -> Catalog {
    toml::from_str(CATALOG).unwrap()
}

/// The lean request with these fields changed; `null` takes a field away.
fn resolve(changes: Value) -> Result<VmSpec, Vec<Violation>> {
    let mut request = json!({
        "vm_name": "web01", "environment": "prod", "vm_os": "redhat", "vm_os_version": "9", "size": "small"
    });
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(request.as_object_mut().unwrap().remove(name)),
            value => request[name] = value.clone(),
        }
    }
    catalog().resolve(&serde_json::from_value::<VmRequest>(request).unwrap())
}

#[track_caller]
fn refused(changes: Value, wanted: &[(&str, &str)]) {
    let found = resolve(changes.clone()).expect_err(&format!("{changes} was accepted"));
    let found: Vec<(&str, &str)> =
        found.iter().map(|one| (one.pointer.as_str(), one.expected.as_str())).collect();
    assert_eq!(found, wanted, "{changes}");
}

fn dhcp(spec: &VmSpec) -> Vec<(&str, bool)> {
    spec.nics.iter().map(|nic| (nic.network.as_str(), nic.address == Address::Dhcp)).collect()
}

#[test]
fn a_lean_request_becomes_a_whole_vm() {
    let spec = resolve(json!({})).unwrap();
    assert_eq!((spec.cpu, spec.memory_mib, spec.template.as_str()), (2, 4096, "rhel9"));
    assert_eq!((spec.datacenter.as_str(), spec.cluster.as_str()), ("DC0", "C0"));
    assert_eq!((spec.folder.as_str(), spec.datastore.as_str()), ("prod/app", "ds1"));
    assert_eq!((spec.controller.as_str(), spec.vcenter.as_str()), ("aap", "vc1"));
    assert_eq!(dhcp(&spec), [("app", true)]);
    assert_eq!(spec.dns, ["10.0.0.53".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(spec.host_name(), "web01.example.com");
    assert!(spec.expects_address && spec.disks.is_empty());
    assert!(!resolve(json!({"environment": "dev"})).unwrap().expects_address);
}

#[test]
fn an_unknown_environment_does_not_hide_the_other_mistakes() {
    refused(json!({"environment": "test"}), &[("/environment", "dev or prod")]);
    refused(
        json!({"environment": "test", "size": "huge", "vm_os": "windows", "vm_name": "a-name-far-too-long",
               "disk_name": "d", "disk_size": 1001}),
        &[
            ("/environment", "dev or prod"),
            ("/size", "small or tiny"),
            ("/disk_size", "at most 1000 GiB"),
            ("/vm_name", "at most 15 characters for windows"),
        ],
    );
}

#[test]
fn size_or_cpu_and_memory_and_never_two_opinions() {
    let own = resolve(json!({"size": null, "vm_cpu": 3, "vm_memory": 2048})).unwrap();
    assert_eq!((own.cpu, own.memory_mib, own.size), (3, 2048, None));
    assert!(resolve(json!({"vm_cpu": 2, "vm_memory": 4096})).is_ok(), "they agree");
    let or_size = "a number, or a size: small or tiny";
    for (changes, wanted) in [
        (json!({"size": "huge"}), vec![("/size", "small or tiny")]),
        (json!({"size": null}), vec![("/vm_cpu", or_size), ("/vm_memory", or_size)]),
        (json!({"size": null, "vm_cpu": 1}), vec![("/vm_memory", or_size)]),
        (json!({"vm_cpu": 4}), vec![("/vm_cpu", "2 or none")]),
        (json!({"vm_memory": 8192}), vec![("/vm_memory", "4096 or none")]),
        (
            json!({"size": null, "vm_cpu": 17, "vm_memory": 65540}),
            vec![("/vm_cpu", "at most 16"), ("/vm_memory", "at most 65536 MiB")],
        ),
    ] {
        refused(changes, &wanted);
    }
    assert!(resolve(json!({"size": null, "vm_cpu": 16, "vm_memory": 65536})).is_ok(), "the limit itself");
}

#[test]
fn the_image_is_named_by_system_and_version_or_by_template() {
    let by_template = resolve(json!({"vm_os": null, "vm_os_version": null, "vm_template": "rhel9"})).unwrap();
    assert_eq!(by_template.os_version, "9");
    assert!(resolve(json!({"vm_template": "rhel9"})).is_ok(), "all three agree");
    let versions = "redhat 9 or windows 2022";
    for (changes, wanted) in [
        (
            json!({"vm_os": null, "vm_os_version": null}),
            vec![("/vm_os", "redhat or windows"), ("/vm_os_version", versions)],
        ),
        (json!({"vm_os": null}), vec![("/vm_os", "redhat or windows")]),
        (json!({"vm_os_version": null}), vec![("/vm_os_version", "redhat 9")]),
        (json!({"vm_os_version": "8"}), vec![("/vm_os_version", "redhat 9")]),
        (json!({"vm_os": "suse", "vm_os_version": "15"}), vec![("/vm_os_version", "none is defined")]),
        (json!({"vm_template": "rhel8"}), vec![("/vm_template", "rhel9 or win2022")]),
        (
            json!({"vm_template": "win2022"}),
            vec![("/vm_template", "a vm_os and vm_os_version that agree with it, or none")],
        ),
        (
            json!({"vm_os": "windows", "vm_os_version": "2022", "size": "tiny"}),
            vec![("/size", "at least 4096 MiB")],
        ),
        (
            json!({"vm_os": "windows", "vm_os_version": "2022", "size": null, "vm_cpu": 1, "vm_memory": 1024}),
            vec![("/vm_memory", "at least 4096 MiB")],
        ),
    ] {
        refused(changes, &wanted);
    }
    assert_eq!(resolve(json!({"environment": "dev", "vm_os_version": "8"})).unwrap().template, "rhel8");
}

#[test]
fn names_fit_the_guest() {
    let windows = |name: &str| json!({"vm_os": "windows", "vm_os_version": "2022", "vm_name": name});
    assert!(resolve(windows("exactly-15-long")).is_ok());
    refused(windows("sixteen-long-abc"), &[("/vm_name", "at most 15 characters for windows")]);
    refused(windows("12345"), &[("/vm_name", "at least one letter for windows")]);
    assert!(resolve(json!({"vm_name": "12345"})).is_ok());
    assert!(resolve(json!({"vm_name": "a".repeat(63)})).is_ok());
    refused(json!({"vm_name": "a".repeat(64)}), &[("/vm_name", "at most 63 characters for redhat")]);
}

#[test]
fn folders_and_datastores_are_those_open_to_requests() {
    let spec = resolve(json!({"vm_folder": "prod/db", "vm_datastore": "ds2"})).unwrap();
    assert_eq!((spec.folder.as_str(), spec.datastore.as_str()), ("prod/db", "ds2"));
    assert!(resolve(json!({"vm_folder": "prod/app", "vm_datastore": "ds1"})).is_ok(), "the defaults by name");
    refused(
        json!({"vm_folder": "prod", "vm_datastore": "ds3"}),
        &[("/vm_folder", "prod/app or prod/db"), ("/vm_datastore", "ds1 or ds2")],
    );
}

#[test]
fn addresses_are_hosts_of_their_network() {
    let fixed = resolve(json!({"vm_network": "db", "vm_ip_address": "10.10.30.41"})).unwrap();
    let Address::Static { ip, prefix, gateway } = &fixed.nics[0].address else { panic!() };
    assert_eq!((ip.to_string().as_str(), *prefix), ("10.10.30.41", 24));
    assert_eq!(gateway.map(|gateway| gateway.to_string()).as_deref(), Some("10.10.30.1"));
    let host = "a host's address in 10.10.20.0/24, not the gateway's";
    for (changes, wanted) in [
        (json!({"vm_network": "dmz"}), vec![("/vm_network", "app, db or lan")]),
        (json!({"vm_network": "db"}), vec![("/vm_ip_address", "a static address")]),
        (
            json!({"vm_network": "lan", "vm_ip_address": "10.1.1.1"}),
            vec![("/vm_ip_address", "no static address")],
        ),
        (json!({"vm_ip_address": "10.10.21.5"}), vec![("/vm_ip_address", host)]),
        (json!({"vm_ip_address": "10.10.20.0"}), vec![("/vm_ip_address", host)]),
        (json!({"vm_ip_address": "10.10.20.255"}), vec![("/vm_ip_address", host)]),
        (json!({"vm_ip_address": "10.10.20.1"}), vec![("/vm_ip_address", host)]),
        (json!({"vm_ip_address": "2001:db8::1"}), vec![("/vm_ip_address", host)]),
        (json!({"vm_ip_address": "10.10.20.9", "vm_gateway": "10.10.20.9"}), vec![("/vm_ip_address", host)]),
        (
            json!({"vm_ip_address": "10.10.20.9", "vm_gateway": "10.10.99.1"}),
            vec![("/vm_gateway", "an address in 10.10.20.0/24")],
        ),
        (json!({"vm_gateway": "10.10.20.1"}), vec![("/vm_gateway", "an address beside it, or none")]),
    ] {
        refused(changes, &wanted);
    }
}

#[test]
fn further_adapters_come_after_the_first_in_the_order_asked() {
    let spec = resolve(json!({
        "nic_type": "e1000e", "network_name": "lan",
        "vm_nic": [{"network_name": "db", "ip_address": "10.10.30.5", "nic_type": "e1000"}]
    }))
    .unwrap();
    assert_eq!(dhcp(&spec), [("app", true), ("db", false), ("lan", true)]);
    let types: Vec<NicType> = spec.nics.iter().map(|nic| nic.nic_type).collect();
    assert_eq!(types, [NicType::E1000e, NicType::E1000, NicType::E1000e]);
    let db = json!({"network_name": "db", "ip_address": "10.10.30.5"});
    for (changes, wanted) in [
        (json!({"vm_nic": [{"network_name": "dmz"}]}), vec![("/vm_nic/0/network_name", "app, db or lan")]),
        (json!({"vm_nic": [{"network_name": "db"}]}), vec![("/vm_nic/0/ip_address", "a static address")]),
        (json!({"vm_nic": [db, db]}), vec![("/vm_nic/1/ip_address", "a free address")]),
        (
            json!({"vm_nic": [{"network_name": "lan", "gateway": "10.1.1.1"}]}),
            vec![("/vm_nic/0/gateway", "an address beside it, or none")],
        ),
        (json!({"network_name": "dmz"}), vec![("/network_name", "app, db or lan")]),
        (
            json!({"network_name": "db"}),
            vec![("/network_name", "another network, or vm_nic with an ip_address")],
        ),
        (
            json!({"network_name": "lan", "vm_nic": [{"network_name": "lan"}, {"network_name": "lan"}]}),
            vec![("/vm_nic", "at most 3 adapters in all")],
        ),
    ] {
        refused(changes, &wanted);
    }
}

#[test]
fn disks_have_names_of_their_own_and_bounded_sizes() {
    let spec = resolve(json!({
        "disk_type": "thick", "disk_name": "log", "disk_size": 1000,
        "vm_disk": [{"disk_name": "data", "disk_size": 10, "disk_type": "eagerzeroedthick"}]
    }))
    .unwrap();
    let disks = serde_json::to_value(&spec.disks).unwrap();
    assert_eq!(
        disks,
        json!([
            {"name": "data", "size_gib": 10, "disk_type": "eagerzeroedthick"},
            {"name": "log", "size_gib": 1000, "disk_type": "thick"},
        ])
    );
    let disk = |name: &str, size: u64| json!({"disk_name": name, "disk_size": size});
    for (changes, wanted) in [
        (
            json!({"vm_disk": [disk("a", 1), disk("A", 1)]}),
            vec![("/vm_disk/1/disk_name", "a name of its own")],
        ),
        (json!({"vm_disk": [disk("a", 1001)]}), vec![("/vm_disk/0/disk_size", "at most 1000 GiB")]),
        (
            json!({"vm_disk": [disk("a", 1), disk("b", 1)], "disk_name": "c", "disk_size": 1}),
            vec![("/vm_disk", "at most 2")],
        ),
        (
            json!({"vm_disk": [disk("a", 1)], "disk_name": "a", "disk_size": 1}),
            vec![("/disk_name", "a name of its own")],
        ),
    ] {
        refused(changes, &wanted);
    }
}

#[test]
fn the_request_s_dns_wins_over_the_network_s_and_that_over_the_environment_s() {
    let dns = |changes| resolve(changes).unwrap().dns[0].to_string();
    assert_eq!(dns(json!({})), "10.0.0.53");
    let on_db = json!({"vm_network": "db", "vm_ip_address": "10.10.30.41"});
    assert_eq!(dns(on_db), "10.10.30.53");
    let own = json!({"vm_network": "db", "vm_ip_address": "10.10.30.41", "vm_dns": ["192.0.2.53"]});
    assert_eq!(dns(own), "192.0.2.53");
}

#[test]
fn everything_wrong_is_said_at_once() {
    refused(
        json!({"vm_os_version": "7", "size": "huge", "vm_folder": "x", "vm_datastore": "y", "vm_network": "z",
               "disk_name": "d", "disk_size": 5000}),
        &[
            ("/vm_os_version", "redhat 9"),
            ("/size", "small or tiny"),
            ("/vm_folder", "prod/app or prod/db"),
            ("/vm_datastore", "ds1 or ds2"),
            ("/vm_network", "app, db or lan"),
            ("/disk_size", "at most 1000 GiB"),
        ],
    );
}

fn catalog_violations(change: impl FnOnce(&mut Catalog)) -> Vec<String> {
    let mut catalog = catalog();
    change(&mut catalog);
    let named = |name: &str| BTreeSet::from([name.to_owned()]);
    catalog.violations(&named("aap"), &named("vc1")).into_iter().map(|found| found.pointer).collect()
}

#[test]
fn a_catalog_that_makes_no_sense_is_told_before_any_request_meets_it() {
    type Change = fn(&mut Catalog);
    let prod = |catalog: &mut Catalog| catalog.environments.remove("prod").unwrap();
    assert_eq!(catalog_violations(|_| ()), Vec::<String>::new());
    let table: [(Change, &str); 11] = [
        (
            |c| c.environments.get_mut("prod").unwrap().controller = "x".into(),
            "/catalog/environments/prod/controller",
        ),
        (
            |c| c.environments.get_mut("prod").unwrap().vcenter = "x".into(),
            "/catalog/environments/prod/vcenter",
        ),
        (
            |c| c.environments.get_mut("dev").unwrap().default_network = "x".into(),
            "/catalog/environments/dev/default_network",
        ),
        (
            |c| {
                c.environments.get_mut("prod").unwrap().networks.get_mut("app").unwrap().gateway =
                    Some("10.9.9.9".parse().unwrap())
            },
            "/catalog/environments/prod/networks/app/gateway",
        ),
        (
            |c| c.environments.get_mut("dev").unwrap().networks.get_mut("lan").unwrap().dhcp = false,
            "/catalog/environments/dev/networks/lan",
        ),
        (|c| c.images[1].environments = vec!["test".into()], "/catalog/images/1/environments"),
        (|c| c.images[1].vm_os_version = "9".into(), "/catalog/images/1"),
        (|c| c.images[0].memory_mib_min = 65_540, "/catalog/images/0/memory_mib_min"),
        (|c| c.sizes.get_mut("tiny").unwrap().cpu = 17, "/catalog/sizes/tiny/cpu"),
        (|c| c.sizes.get_mut("tiny").unwrap().memory_mib = 65_540, "/catalog/sizes/tiny/memory_mib"),
        (|c| c.sizes.get_mut("tiny").unwrap().memory_mib = 1023, "/catalog/sizes/tiny/memory_mib"),
    ];
    for (change, pointer) in table {
        assert_eq!(catalog_violations(change), [pointer]);
    }
    let renamed = catalog_violations(|catalog| {
        let mut moved = prod(catalog);
        moved.controller = "x".into();
        catalog.environments.insert("a/b~c".into(), moved);
        catalog.images[2].environments = vec!["a/b~c".into()];
    });
    assert_eq!(renamed, ["/catalog/environments/a~1b~0c/controller"]);
    let no_image = catalog_violations(|catalog| catalog.images.retain(|image| image.template == "rhel8"));
    assert_eq!(no_image, ["/catalog/environments/prod"]);
    assert!(
        catalog_violations(|catalog| catalog.environments.clear()).contains(&"/catalog/environments".into())
    );
}
