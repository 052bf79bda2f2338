//! A virtual machine of the model: what it is made of and what its guest reports. How it changes is in
//! `change.rs`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::ids::Moid;
pub use crate::vm_request::sighting::PowerState;

/// Key in `config.extraConfig` that carries the identity the bridge gave (DESIGN.md, "identity").
pub const VM_UID_KEY: &str = "guestinfo.causeway.vm_uid";

/// The power state as vSphere spells it (`VirtualMachinePowerState`).
#[must_use]
pub fn power_state_name(power: PowerState) -> &'static str {
    match power {
        PowerState::PoweredOn => "poweredOn",
        PowerState::PoweredOff => "poweredOff",
        PowerState::Suspended => "suspended",
    }
}

/// A virtual machine or a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vm {
    pub moid: Moid,
    pub name: String,
    /// `config.instanceUuid`: new for every clone.
    pub instance_uuid: Uuid,
    /// `config.uuid`: the BIOS UUID, new for every clone.
    pub bios_uuid: Uuid,
    pub is_template: bool,
    /// The VM folder that holds it.
    pub parent: Moid,
    /// `None` for a template.
    pub resource_pool: Option<Moid>,
    pub host: Moid,
    pub cluster: Moid,
    /// Where its configuration file lies.
    pub datastore: Moid,
    /// `config.guestId`, e.g. `rhel9_64Guest`.
    pub guest_id: String,
    pub guest_full_name: String,
    pub annotation: String,
    pub cpu: u32,
    pub memory_mib: u64,
    pub power: PowerState,
    pub nics: Vec<Nic>,
    pub disks: Vec<Disk>,
    pub extra_config: BTreeMap<String, String>,
    /// Custom attributes by name.
    pub custom_values: BTreeMap<String, String>,
    /// What the guest would report; see [`Vm::reported_ip`].
    pub guest_ip: Option<String>,
    pub guest_hostname: Option<String>,
    pub created_at: Timestamp,
    /// The clone task that made it; `None` when it was there from the beginning.
    pub created_by_task: Option<Moid>,
    /// When it was last powered on; `None` while it is off.
    pub boot_time: Option<Timestamp>,
    /// `config.firmware`: `efi` or `bios`.
    pub firmware: String,
    /// When its configuration changed last; never the same twice, so that `config.changeVersion` rises.
    pub config_changed_at: Timestamp,
    /// Oldest first; each is the child of the one that was current when it was taken.
    pub snapshots: Vec<Snapshot>,
    /// The number of the snapshot that the VM runs on; `None` without snapshots.
    pub current_snapshot: Option<u64>,
}

impl Vm {
    /// The identity that the bridge gave, if it carries one.
    #[must_use]
    pub fn vm_uid(&self) -> Option<&str> {
        self.extra_config.get(VM_UID_KEY).map(String::as_str)
    }

    /// Notes that the configuration changed at `now`.
    pub(super) fn config_changed(&mut self, now: Timestamp) {
        let next = self.config_changed_at.checked_add(SignedDuration::from_micros(1));
        self.config_changed_at = next.map_or(now, |next| next.max(now));
    }

    /// `config.changeVersion`: a text without meaning that is larger after every change of the configuration, as a
    /// number and letter by letter.
    #[must_use]
    pub fn change_version(&self) -> String {
        format!("{:.6}", self.config_changed_at)
    }

    /// `guest.ipAddress`: only a running guest reports one.
    #[must_use]
    pub fn reported_ip(&self) -> Option<&str> {
        self.guest_ip.as_deref().filter(|_| self.power == PowerState::PoweredOn)
    }

    /// `guest.hostName`: only a running guest reports one.
    #[must_use]
    pub fn reported_hostname(&self) -> Option<&str> {
        self.guest_hostname.as_deref().filter(|_| self.power == PowerState::PoweredOn)
    }
}

/// A snapshot (`VirtualMachineSnapshotTree`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Its managed object is `snapshot-NUMBER`; never used twice.
    pub number: u64,
    /// Counts from 1 within the VM.
    pub id: i32,
    pub name: String,
    pub description: String,
    pub created_at: Timestamp,
    /// The VM's power state when it was taken.
    pub power: PowerState,
    /// The number of the snapshot that it was taken upon.
    pub parent: Option<u64>,
}

/// A virtual network adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Device key, 4000 and up.
    pub key: i32,
    /// E.g. `Network adapter 1`.
    pub label: String,
    pub mac: String,
    /// A standard or distributed port group.
    pub network: Moid,
    pub connected: bool,
}

/// A virtual disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Device key, 2000 and up.
    pub key: i32,
    /// E.g. `Hard disk 1`.
    pub label: String,
    pub capacity_gib: u64,
    pub datastore: Moid,
    /// `[datastore] folder/name.vmdk`.
    pub file: String,
    pub unit_number: i32,
    pub thin: bool,
}
