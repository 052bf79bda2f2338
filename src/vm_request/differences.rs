//! What was asked against what vCenter and the inventory show, field by field.

use serde_json::{Map, Value};

use super::hold::{Difference, Side};
use super::sighting::{PowerState, VmSighting};
use super::spec::{Address, VmSpec};

/// What the shell saw when it looked for the VM.
#[derive(Debug, Clone, PartialEq)]
pub struct VerificationFacts {
    /// Every VM with the request's `vm_uid`.
    pub vms: Vec<VmSighting>,
    /// The host in the state inventory.
    pub host: Option<HostFacts>,
}

/// A host in the state inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct HostFacts {
    pub id: i64,
    pub variables: Map<String, Value>,
}

/// Every field in which what is there is not what was asked; empty when the request is done.
#[must_use]
pub fn differences(
    spec: &VmSpec,
    vm_uid: &str,
    execution_id: &str,
    facts: &VerificationFacts,
) -> Vec<Difference> {
    let mut found = Vec::new();
    match facts.vms.as_slice() {
        [] => found.push(difference(Side::Vcenter, "vm", format!("one VM with vm_uid {vm_uid}"), "none")),
        [vm] => {
            vm_differences(&mut found, spec, vm);
            host_differences(&mut found, spec, vm_uid, execution_id, vm, facts.host.as_ref());
        }
        several => {
            let moids: Vec<&str> = several.iter().map(|vm| vm.moid.as_str()).collect();
            let seen = format!("{}: {}", several.len(), moids.join(", "));
            found.push(difference(Side::Vcenter, "vm", format!("one VM with vm_uid {vm_uid}"), seen));
        }
    }
    found
}

fn vm_differences(found: &mut Vec<Difference>, spec: &VmSpec, vm: &VmSighting) {
    let mut compare = |field: &str, asked: String, seen: String| {
        if asked != seen {
            found.push(difference(Side::Vcenter, field, asked, seen));
        }
    };
    compare("name", spec.vm_name.clone(), vm.name.clone());
    compare("cpu", spec.cpu.to_string(), shown(vm.cpu));
    compare("memory_mib", spec.memory_mib.to_string(), shown(vm.memory_mib));
    compare("datacenter", spec.datacenter.clone(), shown(vm.datacenter.as_ref()));
    compare("folder", spec.folder.clone(), vm.folder.clone());
    compare("template", "false".to_owned(), vm.is_template.to_string());
    let power = match vm.power {
        Some(PowerState::PoweredOn) => "poweredOn",
        Some(PowerState::PoweredOff) => "poweredOff",
        Some(PowerState::Suspended) => "suspended",
        None => "unset",
    };
    compare("power", "poweredOn".to_owned(), power.to_owned());
    for (index, nic) in spec.nics.iter().enumerate() {
        let seen = vm.nics.get(index);
        let network = seen.and_then(|nic| nic.network.as_ref());
        compare(&format!("nics[{index}].network"), nic.network.clone(), shown(network));
        compare(
            &format!("nics[{index}].nic_type"),
            nic.nic_type.name().to_owned(),
            shown(seen.map(|nic| &nic.nic_type)),
        );
    }
    if vm.nics.len() > spec.nics.len() {
        compare("nics", spec.nics.len().to_string(), vm.nics.len().to_string());
    }
    disk_differences(found, spec, vm);
    address_difference(found, spec, vm);
}

/// Every data disk asked for needs a disk of that size of its own. The template's disks come first and are not named
/// in the request, so that sizes are matched as a multiset. The very first disk holds the system (a template without
/// one could not boot): it never stands for a data disk, however its size.
fn disk_differences(found: &mut Vec<Difference>, spec: &VmSpec, vm: &VmSighting) {
    let mut sizes: Vec<u64> = vm.disks.iter().skip(1).map(|disk| disk.capacity_mib).collect();
    for disk in &spec.disks {
        let wanted = disk.size_gib.saturating_mul(1024);
        if let Some(at) = sizes.iter().rposition(|size| *size == wanted) {
            sizes.remove(at);
        } else {
            let seen: Vec<String> =
                vm.disks.iter().map(|disk| format!("{} MiB", disk.capacity_mib)).collect();
            let asked = format!("{} GiB", disk.size_gib);
            found.push(difference(Side::Vcenter, &format!("disks[{}]", disk.name), asked, seen.join(", ")));
        }
    }
}

fn address_difference(found: &mut Vec<Difference>, spec: &VmSpec, vm: &VmSighting) {
    if !spec.expects_address {
        return;
    }
    let seen = shown(vm.ip_address.as_ref());
    let asked = match spec.nics.first().map(|nic| &nic.address) {
        // Compared as an address: an IPv6 address has several spellings.
        Some(Address::Static { ip, .. }) if vm.guest_address() == Some(*ip) => return,
        Some(Address::Static { ip, .. }) => ip.to_string(),
        Some(Address::Dhcp) | None if vm.ip_address.is_some() => return,
        Some(Address::Dhcp) | None => "an address".to_owned(),
    };
    found.push(difference(Side::Vcenter, "ip_address", asked, seen));
}

fn host_differences(
    found: &mut Vec<Difference>,
    spec: &VmSpec,
    vm_uid: &str,
    execution_id: &str,
    vm: &VmSighting,
    host: Option<&HostFacts>,
) {
    let Some(host) = host else {
        found.push(difference(Side::Inventory, "host", spec.host_name(), "none"));
        return;
    };
    let mut compare = |field: &str, asked: Value| {
        let seen = host.variables.get(field).unwrap_or(&Value::Null);
        if *seen != asked {
            found.push(difference(Side::Inventory, field, text(&asked), text(seen)));
        }
    };
    compare("vm_name", spec.vm_name.clone().into());
    compare("vm_id", vm.instance_uuid.clone().into());
    compare("vm_uid", vm_uid.into());
    compare("execution_id", execution_id.into());
    compare("os_type", spec.os.name().into());
    // Where no address is waited for, one that comes after the inventory was written is no difference.
    if let Some(ip) = vm.ip_address.as_ref().filter(|_| spec.expects_address) {
        compare("ip_address", ip.clone().into());
    }
    let state = host.variables.get("vm_state").and_then(Value::as_str).unwrap_or("unset");
    if !matches!(state, "created" | "configured" | "ready") {
        found.push(difference(Side::Inventory, "vm_state", "created, configured or ready", state));
    }
    let count = |field: &str| host.variables.get(field).and_then(Value::as_array).map(Vec::len);
    if count("networks") != Some(spec.nics.len()) {
        let asked = format!("{} entries", spec.nics.len());
        found.push(difference(Side::Inventory, "networks", asked, shown(count("networks"))));
    }
    if count("disks").is_none_or(|disks| disks < spec.disks.len()) {
        let asked = format!("at least {} entries", spec.disks.len());
        found.push(difference(Side::Inventory, "disks", asked, shown(count("disks"))));
    }
}

fn shown(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "unset".to_owned(), |value| value.to_string())
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "unset".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn difference(side: Side, field: &str, asked: impl Into<String>, seen: impl Into<String>) -> Difference {
    Difference { side, field: field.to_owned(), asked: asked.into(), seen: seen.into() }
}
