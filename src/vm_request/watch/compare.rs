//! What was asked, what the inventory says and what vCenter shows of one VM, field by field.
//!
//! | asked = vCenter | inventory | verdict |
//! |---|---|---|
//! | yes | says nothing, or the same | in sync: no drift |
//! | yes | says another thing | `inventory_stale` |
//! | no | what vCenter shows | `superseded`: somebody changed it by the usual way, and the request is old |
//! | no | what was asked, nothing, or a third thing | `vcenter_changed` |
//! | no, and only the VM's place differs | – | `benign_move` |
//! | nothing is asked | another thing than vCenter | `inventory_stale` |
//!
//! A value that vCenter left unset or would not show is never taken for a difference.

mod desired;
mod host;
mod values;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::VM_FIELD;
use crate::vm_request::sighting::{DiskSighting, NicSighting, VmSighting};
pub use desired::Desired;
pub use host::{HOST_KEYS, host_side};
use values::{
    Text, canonical, differ, disk_told, flag, joined, listed, networks_told, nic_told, number, owned, plain,
    power, power_told, text,
};

/// What is the matter with a field, from harmless to grave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftVerdict {
    /// The VM is elsewhere, as vMotion, DRS or a rebalanced datastore leave it.
    BenignMove,
    /// vCenter shows what was asked; the inventory does not.
    InventoryStale,
    /// vCenter and the inventory agree on another value than was asked.
    Superseded,
    /// vCenter shows another value than was asked.
    VcenterChanged,
    /// A side cannot be read, or contradicts itself.
    Unknown,
    /// vCenter no longer has the VM.
    Missing,
}

impl DriftVerdict {
    /// Every verdict, from harmless to grave.
    pub const ALL: [Self; 6] = [
        Self::BenignMove,
        Self::InventoryStale,
        Self::Superseded,
        Self::VcenterChanged,
        Self::Unknown,
        Self::Missing,
    ];

    /// The verdict's one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BenignMove => "benign_move",
            Self::InventoryStale => "inventory_stale",
            Self::Superseded => "superseded",
            Self::VcenterChanged => "vcenter_changed",
            Self::Unknown => "unknown",
            Self::Missing => "missing",
        }
    }

    /// The verdict of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

    /// Whether the inventory had to be read to tell.
    #[must_use]
    pub const fn needs_inventory(self) -> bool {
        matches!(self, Self::InventoryStale | Self::Superseded)
    }
}

/// A field on which the three sides do not agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDrift {
    /// E.g. `cpu`, `nics[4000].network`, `ip_address`.
    pub field: String,
    pub verdict: DriftVerdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inventory: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vcenter: Option<String>,
}

/// What vCenter shows of the VM.
#[derive(Debug, Clone, Copy)]
pub enum VmSide<'s> {
    Seen(&'s VmSighting),
    /// vCenter has no such VM any more, and that is certain.
    Gone,
    /// Several VMs bear the identity: their managed object ids.
    Several(&'s [String]),
    /// Not known now.
    Unknown,
}

/// What the inventory says of the VM.
#[derive(Debug, Clone, Copy)]
pub enum HostSide<'s> {
    Seen(&'s Map<String, Value>),
    /// There is no host of that name.
    None,
    /// Not known now, or no inventory belongs to it.
    Unknown,
}

/// What came of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Compared {
    pub drifts: Vec<FieldDrift>,
    /// Whether vCenter's side was known: only then is a finding about it over when it is not in `drifts`.
    pub vcenter_known: bool,
    pub inventory_known: bool,
}

/// Compares the three sides.
#[must_use]
pub fn compare(desired: &Desired, vm: VmSide<'_>, host: HostSide<'_>) -> Compared {
    let mut found = Comparison { desired, drifts: Vec::new() };
    let variables = match host {
        HostSide::Seen(variables) => Some(variables),
        HostSide::None | HostSide::Unknown => None,
    };
    let vcenter_known = match vm {
        VmSide::Seen(seen) => found.vm(seen, variables),
        VmSide::Gone => {
            found.gone(variables);
            true
        }
        VmSide::Several(moids) => {
            let one =
                desired.vm_uid.clone().map_or_else(|| "one VM".to_owned(), |uid| format!("one VM {uid}"));
            found.push("identity", DriftVerdict::Unknown, Some(one), None, Some(moids.join(", ")));
            false
        }
        VmSide::Unknown => false,
    };
    if vcenter_known && !matches!(vm, VmSide::Gone) {
        match host {
            HostSide::Seen(variables) => found.host(variables),
            HostSide::None => {
                if let Some(name) = &desired.host_name {
                    found.push("host", DriftVerdict::InventoryStale, Some(name.clone()), None, None);
                }
            }
            HostSide::Unknown => {}
        }
    }
    Compared {
        drifts: found.drifts,
        vcenter_known,
        inventory_known: vcenter_known && !matches!(host, HostSide::Unknown),
    }
}

struct Comparison<'d> {
    desired: &'d Desired,
    drifts: Vec<FieldDrift>,
}

impl Comparison<'_> {
    /// Compares what vCenter shows; false when it says itself that it may be old.
    fn vm(&mut self, seen: &VmSighting, host: Option<&Map<String, Value>>) -> bool {
        if let Some(connection) = seen.connection.as_deref().filter(|state| *state != "connected") {
            let asked = Some("connected".to_owned());
            self.push("connection", DriftVerdict::Unknown, asked, None, Some(connection.to_owned()));
            return false;
        }
        let asked = &self.desired.baseline;
        let told = |key: &str| host.and_then(|host| host.get(key)).and_then(Value::as_str).map(Cow::Borrowed);
        self.three("name", text(&asked.name), told("vm_name"), text(&seen.name));
        self.three("power", power(asked.power), host.and_then(power_told), power(seen.power));
        self.two("cpu", number(asked.cpu), number(seen.cpu));
        self.two("memory_mib", number(asked.memory_mib), number(seen.memory_mib));
        self.two("firmware", plain(&asked.firmware), plain(&seen.firmware));
        self.two("template", flag(asked.is_template), flag(seen.is_template));
        self.two("datacenter", plain(&asked.datacenter), plain(&seen.datacenter));
        self.two("folder", text(&asked.folder), text(&seen.folder));
        self.moved("cluster", plain(&asked.cluster), plain(&seen.cluster));
        self.moved("host_system", plain(&asked.host), plain(&seen.host));
        self.moved("datastores", joined(&asked.datastores), joined(&seen.datastores));
        self.three("instance_uuid", plain(&asked.instance_uuid), told("vm_id"), plain(&seen.instance_uuid));
        self.three("bios_uuid", plain(&asked.bios_uuid), told("vm_bios_uuid"), plain(&seen.bios_uuid));
        self.three("moid", None, told("vm_moid"), text(&seen.moid));
        self.identity(host, seen);
        self.address(told("ip_address"), seen);
        let networks = |nics: &[NicSighting]| -> Text<'static> {
            let names: Vec<&str> = nics.iter().filter_map(|nic| nic.network.as_deref()).collect();
            (names.len() == nics.len()).then(|| Cow::Owned(names.join(", ")))
        };
        let keys = |nics: &[NicSighting]| nics.iter().map(|nic| nic.key).collect::<Vec<_>>();
        let (told_networks, shown) = (host.and_then(networks_told), networks(&seen.nics));
        if keys(&asked.nics) == keys(&seen.nics) {
            self.three("networks", networks(&asked.nics), told_networks, shown);
            self.nics(&asked.nics, &seen.nics, false);
        } else {
            // An adapter came or went: whether the inventory knows tells by which way.
            let is_told = told_networks.is_some() && told_networks == shown;
            self.nics(&asked.nics, &seen.nics, is_told);
        }
        self.disks(&asked.disks, &seen.disks, asked.datastores != seen.datastores);
        self.two("snapshots", listed(&asked.snapshots), listed(&seen.snapshots));
        self.custom_values(asked, seen);
        true
    }

    fn identity(&mut self, host: Option<&Map<String, Value>>, seen: &VmSighting) {
        let told = host.and_then(|host| host.get("vm_uid")).and_then(Value::as_str).map(Cow::Borrowed);
        // The key being taken away is a change; elsewhere an unset value says nothing.
        let shown = seen.vm_uid.as_deref().unwrap_or_default();
        let asked = self.desired.vm_uid.as_deref().map(Cow::Borrowed);
        if asked.is_some() || !shown.is_empty() {
            self.three("vm_uid", asked, told, Some(Cow::Borrowed(shown)));
        }
    }

    /// A guest without an address may be one that is switched off: absence is no difference.
    fn address(&mut self, told: Text<'_>, seen: &VmSighting) {
        let shown = seen.ip_address.as_deref().map(|text| canonical(text));
        let asked = self.desired.address().map(Cow::Owned);
        let told = told.filter(|text| !text.is_empty()).map(|text| Cow::Owned(canonical(&text).into_owned()));
        self.three("ip_address", asked, told, shown);
    }

    fn nics(&mut self, asked: &[NicSighting], seen: &[NicSighting], is_told: bool) {
        let find = |nics: &'_ [NicSighting], key: i32| nics.iter().position(|nic| nic.key == key);
        let whole = if is_told { DriftVerdict::Superseded } else { DriftVerdict::VcenterChanged };
        let none = || Some("none".to_owned());
        // The name of a field is only made where it may matter.
        let has_accepted = !self.desired.accepted.is_empty();
        for nic in asked {
            let Some(now) = find(seen, nic.key).map(|at| &seen[at]) else {
                self.push_unless_accepted(&format!("nics[{}]", nic.key), whole, Some(nic_told(nic)), none());
                continue;
            };
            let mut part = |name: &str, asked: Text<'_>, seen: Text<'_>| {
                if has_accepted || differ(&asked, &seen) {
                    self.two(&format!("nics[{}].{name}", nic.key), asked, seen);
                }
            };
            part("nic_type", text(&nic.nic_type), text(&now.nic_type));
            part("mac", plain(&nic.mac), plain(&now.mac));
            part("connected", nic.connected.and_then(flag), now.connected.and_then(flag));
        }
        for nic in seen.iter().filter(|nic| find(asked, nic.key).is_none()) {
            self.push_unless_accepted(&format!("nics[{}]", nic.key), whole, none(), Some(nic_told(nic)));
        }
    }

    /// Disks are told apart by their device key; backups change `file` and leave `base_file`. A base file that moved
    /// together with the VM's datastores is a move.
    fn disks(&mut self, asked: &[DiskSighting], seen: &[DiskSighting], is_moved: bool) {
        let find = |disks: &'_ [DiskSighting], key: i32| disks.iter().position(|disk| disk.key == key);
        let has_accepted = !self.desired.accepted.is_empty();
        for disk in asked {
            let Some(now) = find(seen, disk.key).map(|at| &seen[at]) else {
                self.push_two(
                    &format!("disks[{}]", disk.key),
                    Some(disk_told(disk)),
                    Some("none".to_owned()),
                );
                continue;
            };
            if has_accepted || disk.capacity_mib != now.capacity_mib {
                let field = format!("disks[{}].capacity_mib", disk.key);
                self.two(&field, number(Some(disk.capacity_mib)), number(Some(now.capacity_mib)));
            }
            if has_accepted || differ(&plain(&disk.base_file), &plain(&now.base_file)) {
                let field = format!("disks[{}].base_file", disk.key);
                let (asked, shown) = (plain(&disk.base_file), plain(&now.base_file));
                if is_moved { self.moved(&field, asked, shown) } else { self.two(&field, asked, shown) }
            }
        }
        for disk in seen.iter().filter(|disk| find(asked, disk.key).is_none()) {
            self.push_two(&format!("disks[{}]", disk.key), Some("none".to_owned()), Some(disk_told(disk)));
        }
    }

    fn custom_values(&mut self, asked: &VmSighting, seen: &VmSighting) {
        if asked.custom_values == seen.custom_values {
            return;
        }
        let names: std::collections::BTreeSet<&String> =
            asked.custom_values.keys().chain(seen.custom_values.keys()).collect();
        for name in names {
            let value = |vm: &VmSighting| Some(vm.custom_values.get(name).cloned().unwrap_or_default());
            if value(asked) != value(seen) {
                self.push_two(&format!("custom_values[{name}]"), value(asked), value(seen));
            }
        }
    }

    /// What the inventory alone says.
    fn host(&mut self, variables: &Map<String, Value>) {
        let stale = DriftVerdict::InventoryStale;
        let shown = |key: &str| variables.get(key).and_then(Value::as_str);
        let state = shown("vm_state").unwrap_or("unset");
        if !matches!(state, "created" | "configured" | "ready" | "powered_off") {
            let asked = Some("created, configured or ready".to_owned());
            self.push("vm_state", stale, asked, Some(state.to_owned()), None);
        }
        let spec = self.desired.spec.as_ref();
        if let Some(os) = spec.map(|spec| spec.os.name()).filter(|os| shown("os_type") != Some(*os)) {
            self.push("os_type", stale, Some(os.to_owned()), shown("os_type").map(str::to_owned), None);
        }
        let run = shown("execution_id").unwrap_or("unset");
        if spec.is_some() && !self.desired.execution_ids.iter().any(|id| id.as_str() == run) {
            let asked = Some(self.desired.request.to_string());
            self.push("execution_id", DriftVerdict::Superseded, asked, Some(run.to_owned()), None);
        }
    }

    fn gone(&mut self, host: Option<&Map<String, Value>>) {
        let state = host.and_then(|host| host.get("vm_state")).and_then(Value::as_str);
        let asked = Some(self.desired.vm_uid.clone().unwrap_or_else(|| self.desired.baseline.name.clone()));
        let told = state.map(str::to_owned);
        self.push(VM_FIELD, DriftVerdict::Missing, asked, told, Some("none".to_owned()));
    }

    fn two(&mut self, field: &str, asked: Text<'_>, vcenter: Text<'_>) {
        self.three(field, asked, None, vcenter);
    }

    fn three(&mut self, field: &str, asked: Text<'_>, inventory: Text<'_>, vcenter: Text<'_>) {
        let Some(shown) = &vcenter else { return };
        let agrees = |side: &Text<'_>| side.as_ref().is_none_or(|side| side == shown);
        let asked = self.accepted_or(field, asked);
        let verdict = match (agrees(&asked), &inventory) {
            (true, told) if agrees(told) => return,
            (true, _) => DriftVerdict::InventoryStale,
            (false, Some(told)) if told == shown => DriftVerdict::Superseded,
            (false, _) => DriftVerdict::VcenterChanged,
        };
        self.push(field, verdict, owned(asked), owned(inventory), owned(vcenter));
    }

    fn moved(&mut self, field: &str, asked: Text<'_>, vcenter: Text<'_>) {
        let asked = self.accepted_or(field, asked);
        if differ(&asked, &vcenter) {
            self.push(field, DriftVerdict::BenignMove, owned(asked), None, owned(vcenter));
        }
    }

    fn push_two(&mut self, field: &str, asked: Option<String>, vcenter: Option<String>) {
        self.push_unless_accepted(field, DriftVerdict::VcenterChanged, asked, vcenter);
    }

    fn push_unless_accepted(
        &mut self,
        field: &str,
        verdict: DriftVerdict,
        asked: Option<String>,
        vcenter: Option<String>,
    ) {
        if self.desired.accepted.get(field) != vcenter.as_ref() {
            self.push(field, verdict, asked, None, vcenter);
        }
    }

    fn accepted_or<'t>(&self, field: &str, asked: Text<'t>) -> Text<'t> {
        self.desired.accepted.get(field).cloned().map(Cow::Owned).or(asked)
    }

    fn push(
        &mut self,
        field: &str,
        verdict: DriftVerdict,
        asked: Option<String>,
        inventory: Option<String>,
        vcenter: Option<String>,
    ) {
        self.drifts.push(FieldDrift { field: field.to_owned(), verdict, asked, inventory, vcenter });
    }
}
