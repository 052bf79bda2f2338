//! What a launch hands to the workflow: `schemas/extra-vars.v1.schema.json`.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Map, Value, json};

use super::spec::{Address, DiskType, NicSpec};
use super::state::{Intent, State};

/// The variables that every launch carries: `required` in the schema.
pub const ALWAYS_SENT: [&str; 23] = [
    "execution_id",
    "causeway_instance",
    "causeway_attempt_no",
    "causeway_attempt",
    "causeway_stages",
    "vm_uid",
    "vm_name",
    "vm_environment",
    "vm_os",
    "vm_os_version",
    "vm_template",
    "vm_cpu",
    "vm_memory",
    "vm_datacenter",
    "vm_cluster",
    "vm_folder",
    "vm_datastore",
    "vm_network",
    "vm_nic",
    "vm_disk",
    "vm_dns",
    "vm_host_name",
    "vm_vcenter",
];

/// Those of `needed`, variables that a survey requires, that a launch may come without.
pub fn unsent(needed: &[String]) -> impl Iterator<Item = &String> {
    needed.iter().filter(|variable| !ALWAYS_SENT.contains(&variable.as_str()))
}

/// The `extra_vars` of the launch of `intent`, sent by the bridge named `instance`. `None` for a rejected request,
/// which has nothing to launch.
#[must_use]
pub fn extra_vars(state: &State, intent: &Intent, instance: &str) -> Option<Map<String, Value>> {
    let received = state.received()?;
    let spec = &received.spec;
    let first = spec.nics.first()?;
    let disks: Vec<Value> = spec
        .disks
        .iter()
        .map(|disk| {
            json!({"disk_name": disk.name, "disk_size": disk.size_gib, "disk_type": disk_type(disk.disk_type)})
        })
        .collect();
    let mut vars = object(json!({
        "execution_id": state.id,
        "causeway_instance": instance,
        "causeway_attempt_no": intent.attempt_no,
        "causeway_attempt": intent.attempt,
        "causeway_stages": intent.stages,
        "vm_uid": received.vm_uid,
        "vm_name": spec.vm_name,
        "vm_host_name": spec.host_name(),
        "vm_environment": spec.environment,
        "vm_vcenter": spec.vcenter,
        "vm_os": spec.os,
        "vm_os_version": spec.os_version,
        "vm_template": spec.template,
        "vm_cpu": spec.cpu,
        "vm_memory": spec.memory_mib,
        "vm_datacenter": spec.datacenter,
        "vm_cluster": spec.cluster,
        "vm_folder": spec.folder,
        "vm_datastore": spec.datastore,
        "vm_network": first.network,
        "vm_dns": spec.dns,
        "vm_nic": spec.nics.iter().map(nic).collect::<Vec<_>>(),
        "vm_disk": disks,
    }));
    if let Address::Static { ip, prefix, gateway } = &first.address {
        vars.insert("vm_ip_address".into(), json!(ip));
        put(&mut vars, "vm_netmask", netmask(*ip, *prefix).map(Value::from));
        put(&mut vars, "vm_gateway", gateway.map(|gateway| json!(gateway)));
    }
    put(&mut vars, "vm_domain", spec.domain.clone().map(Value::from));
    put(&mut vars, "causeway_traceparent", received.traceparent.clone().map(Value::from));
    Some(vars)
}

fn nic(nic: &NicSpec) -> Value {
    let mut entry = object(json!({"network_name": nic.network, "nic_type": nic.nic_type}));
    if let Address::Static { ip, prefix, gateway } = &nic.address {
        entry.insert("ip_address".into(), json!(ip));
        entry.insert("prefix".into(), json!(prefix));
        put(&mut entry, "netmask", netmask(*ip, *prefix).map(Value::from));
        put(&mut entry, "gateway", gateway.map(|gateway| json!(gateway)));
    }
    Value::Object(entry)
}

fn put(map: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value);
    }
}

fn netmask(ip: IpAddr, prefix: u8) -> Option<String> {
    match ip {
        IpAddr::V4(_) => {
            let host_bits = 32u32.saturating_sub(u32::from(prefix));
            Some(Ipv4Addr::from(u32::MAX.checked_shl(host_bits).unwrap_or(0)).to_string())
        }
        IpAddr::V6(_) => None,
    }
}

const fn disk_type(disk_type: DiskType) -> &'static str {
    match disk_type {
        DiskType::Thin => "thin",
        DiskType::Thick => "thick",
        DiskType::EagerZeroedThick => "eagerzeroedthick",
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
