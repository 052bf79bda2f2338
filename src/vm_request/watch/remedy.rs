//! What mends a finding: which of the host's variables, or which stages of the workflow.

use serde_json::{Map, Value, json};

use super::compare::{Desired, DriftVerdict, FieldDrift};
use crate::vm_request::sighting::{PowerState, VmSighting};
use crate::vm_request::spec::VmSpec;
use crate::vm_request::stage::Stage;

/// The variables (A12) that make the host say what vCenter shows in `fields`, given what the host says now. Fields that
/// no variable stands for are left out.
#[must_use]
pub fn host_variables(
    desired: &Desired,
    seen: &VmSighting,
    host: &Map<String, Value>,
    fields: &[String],
) -> Map<String, Value> {
    fields.iter().filter_map(|field| host_variable(desired, seen, host, field)).collect()
}

/// Whether writing the host's variables mends `drift`.
#[must_use]
pub fn is_mended_by_inventory(drift: &FieldDrift) -> bool {
    const FIELDS: [&str; 9] = [
        "name",
        "power",
        "instance_uuid",
        "bios_uuid",
        "moid",
        "vm_uid",
        "ip_address",
        "networks",
        "os_type",
    ];
    drift.verdict == DriftVerdict::InventoryStale && FIELDS.contains(&drift.field.as_str())
}

fn host_variable(
    desired: &Desired,
    seen: &VmSighting,
    host: &Map<String, Value>,
    field: &str,
) -> Option<(String, Value)> {
    let (key, value) = match field {
        "name" => ("vm_name", json!(seen.name)),
        "power" if seen.power == Some(PowerState::PoweredOn) => ("vm_state", json!("ready")),
        "power" => ("vm_state", json!("powered_off")),
        "instance_uuid" => ("vm_id", json!(seen.instance_uuid)),
        "bios_uuid" => ("vm_bios_uuid", json!(seen.bios_uuid)),
        "moid" => ("vm_moid", json!(seen.moid)),
        "vm_uid" => ("vm_uid", json!(seen.vm_uid)),
        "ip_address" => ("ip_address", json!(seen.ip_address)),
        "networks" => ("networks", networks(seen, host)),
        "os_type" => ("os_type", json!(desired.spec.as_ref()?.os.name())),
        _ => return None,
    };
    Some((key.to_owned(), value))
}

/// The adapters that vCenter shows, with what the host says beside (an address of each, a key of somebody else's).
fn networks(seen: &VmSighting, host: &Map<String, Value>) -> Value {
    let told = host.get("networks").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let entry = |(index, nic): (usize, &crate::vm_request::sighting::NicSighting)| {
        let same = told.get(index).and_then(Value::as_object);
        let mut entry = same.cloned().unwrap_or_default();
        entry.insert("network_name".to_owned(), json!(nic.network.as_deref().unwrap_or_default()));
        entry.insert("nic_type".to_owned(), json!(nic.nic_type));
        entry.insert("mac".to_owned(), json!(nic.mac));
        Value::Object(entry)
    };
    seen.nics.iter().enumerate().map(entry).collect()
}

/// The stages of the workflow that bring `fields` back to what was asked; `None` when a field is among them that no
/// stage brings back (a name, a folder, a snapshot): a person has to.
#[must_use]
pub fn stages(drifts: &[&FieldDrift]) -> Option<Vec<Stage>> {
    let mut wanted = Vec::new();
    for drift in drifts {
        wanted.extend_from_slice(stages_of(drift)?);
    }
    let is_wanted = |stage: &Stage| wanted.contains(stage);
    Some(Stage::DEPLOYMENT.into_iter().filter(is_wanted).collect())
}

fn stages_of(drift: &FieldDrift) -> Option<&'static [Stage]> {
    let field = drift.field.as_str();
    let came_from_nowhere = drift.asked.as_deref() == Some("none");
    Some(match drift.verdict {
        DriftVerdict::Missing => &Stage::DEPLOYMENT,
        DriftVerdict::InventoryStale => &[Stage::InventoryWrite, Stage::Validation],
        DriftVerdict::VcenterChanged | DriftVerdict::Superseded => match field {
            "power" | "cpu" | "memory_mib" => &[Stage::VmProvision, Stage::InventoryWrite, Stage::Validation],
            "networks" => &[Stage::NetworkConfiguration, Stage::InventoryWrite, Stage::Validation],
            // What was added beyond the request is never taken away by itself.
            _ if came_from_nowhere => return None,
            _ if field.starts_with("nics[") && field.ends_with(']') => {
                &[Stage::NetworkConfiguration, Stage::InventoryWrite, Stage::Validation]
            }
            _ if field.starts_with("disks[") && field.ends_with(']') => {
                &[Stage::StorageConfiguration, Stage::InventoryWrite, Stage::Validation]
            }
            _ => return None,
        },
        DriftVerdict::BenignMove | DriftVerdict::Unknown => return None,
    })
}

/// What a remediation asks for: the request's own VM, with the values that were accepted since.
#[must_use]
pub fn spec(desired: &Desired) -> Option<VmSpec> {
    let mut spec = desired.spec.clone()?;
    let accepted = |field: &str| desired.accepted.get(field);
    if let Some(cpu) = accepted("cpu").and_then(|text| text.parse().ok()) {
        spec.cpu = cpu;
    }
    if let Some(memory) = accepted("memory_mib").and_then(|text| text.parse().ok()) {
        spec.memory_mib = memory;
    }
    // A VM that was renamed or moved with somebody's consent is asked for where it is now.
    if let Some(name) = accepted("name") {
        spec.vm_name.clone_from(name);
    }
    if let Some(folder) = accepted("folder") {
        spec.folder.clone_from(folder);
    }
    Some(spec)
}
