//! What was seen: one virtual machine as a vCenter showed it at one instant. Plain data in the core's own
//! words; the vCenter client converts into it by hand.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A virtual machine as vCenter showed it.
///
/// A field that vCenter left unset is `None` or empty: absence is information, never an error
/// (vcenter.md A3: unset properties are simply missing from the answer).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSighting {
    /// When the answer arrived.
    pub seen_at: Timestamp,
    /// Managed object id, e.g. `vm-199`. It changes when a VM is registered anew.
    pub moid: String,
    /// `config.instanceUuid`: the identity within one vCenter (`vm_id` in the host variables).
    pub instance_uuid: Option<String>,
    /// `config.uuid`: the BIOS UUID; copies of a VM may share it.
    pub bios_uuid: Option<String>,
    /// `guestinfo.causeway.vm_uid` out of `config.extraConfig`: the identity that the bridge gave.
    pub vm_uid: Option<String>,
    /// The name: a label, not an identity.
    pub name: String,
    /// Whether it is a template (`config.template`).
    pub is_template: bool,
    /// Folder path below the data centre's `vm` folder, parts joined by `/`; empty for the root.
    pub folder: String,
    /// Name of the data centre that holds it.
    pub datacenter: Option<String>,
    /// Name of the cluster (or stand-alone compute resource) that runs it.
    pub cluster: Option<String>,
    /// Name of the ESXi host that runs it.
    pub host: Option<String>,
    /// `config.hardware.numCPU`.
    pub cpu: Option<u32>,
    /// `config.hardware.memoryMB`, which vSphere counts in MiB.
    pub memory_mib: Option<u64>,
    /// `runtime.powerState`.
    pub power: Option<PowerState>,
    /// Names of the datastores in use, sorted.
    pub datastores: Vec<String>,
    /// Network adapters in device order.
    pub nics: Vec<NicSighting>,
    /// Virtual disks in device order.
    pub disks: Vec<DiskSighting>,
    /// `guest.ipAddress`: what VMware Tools reports as the primary address.
    pub ip_address: Option<String>,
    /// `guest.hostName`.
    pub guest_hostname: Option<String>,
    /// `config.firmware`: `bios` or `efi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// `runtime.connectionState`. Anything but `connected` means that what is told of the VM may be old.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<String>,
    /// Names of all snapshots of the VM's tree, parents before children.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub snapshots: Vec<String>,
    /// Custom attributes by name (`customValue`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_values: BTreeMap<String, String>,
}

impl VmSighting {
    /// The guest's first address; `None` as long as there is none that can be read.
    #[must_use]
    pub fn guest_address(&self) -> Option<IpAddr> {
        self.ip_address.as_deref()?.trim().parse().ok()
    }
}

/// The power state as vSphere spells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PowerState {
    PoweredOn,
    PoweredOff,
    Suspended,
}

impl PowerState {
    /// The state's one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PoweredOn => "poweredOn",
            Self::PoweredOff => "poweredOff",
            Self::Suspended => "suspended",
        }
    }
}

/// A network adapter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSighting {
    /// Device key within the VM, e.g. 4000.
    pub key: i32,
    /// `deviceInfo.label`, e.g. `Network adapter 1`.
    pub label: String,
    /// Adapter type in lower case without the `Virtual` prefix: `vmxnet3`, `e1000`, …
    pub nic_type: String,
    /// Name of the port group or standard network it is backed by.
    pub network: Option<String>,
    /// MAC address, lower case.
    pub mac: Option<String>,
    /// Whether the adapter is connected.
    pub connected: Option<bool>,
}

/// A virtual disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSighting {
    /// Device key within the VM, e.g. 2000.
    pub key: i32,
    /// `deviceInfo.label`, e.g. `Hard disk 1`.
    pub label: String,
    /// Capacity in MiB, rounded down.
    pub capacity_mib: u64,
    /// Whether the backing is thin provisioned, where vCenter says so.
    pub thin: Option<bool>,
    /// Datastore path of the backing file, e.g. `[LocalDS_0] web01/web01.vmdk`.
    pub file: Option<String>,
    /// The first file of the backing's chain: what the disk is called without its snapshots. Backups that make
    /// snapshots change `file` every night and leave this as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_file: Option<String>,
}
