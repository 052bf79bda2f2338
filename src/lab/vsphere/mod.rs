//! A model of what a vCenter knows and does, as a value: no IO, no clock, no randomness of its own. The same
//! layout, seed and calls give the same inventory to the last id, so a simulated life can be played again.
//!
//! It stands in for vSphere in the simulation (called directly) and behind the lab's SOAP front
//! ([`crate::lab::vcenter`]). It deliberately knows no permissions and no storage accounting, a snapshot
//! that cannot be reverted to, and does not speak any protocol.

mod build;
mod change;
mod clone;
mod event;
mod fault;
mod ids;
mod inventory;
mod layout;
mod place;
mod snapshot;
mod task;
mod vm;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use uuid::Uuid;

pub use clone::{ClonePlan, CloneSpec};
pub use event::{Event, EventDetail, EventKind, Place};
pub use fault::Fault;
pub use ids::{Kind, Moid};
pub use inventory::{Cluster, Datacenter, Folder, Resource};
pub use layout::{ClusterLayout, DatacenterLayout, DatastoreLayout, Layout, NetworkLayout, TemplateLayout};
pub use task::{Task, TaskState};
pub use vm::{Disk, Nic, PowerState, Snapshot, VM_UID_KEY, Vm, power_state_name};

/// The id of a task.
pub type TaskMoid = Moid;

/// Who acts when a caller names nobody.
pub const LAB_USER: &str = "lab";

/// vSphere's limit for the name of an inventory object.
pub const NAME_CHARS_MAX: usize = 80;

/// One vCenter with everything in it.
#[derive(Debug, Clone)]
pub struct Vsphere {
    namespace: Uuid,
    next_number: u64,
    next_event: u64,
    root: Moid,
    folders: BTreeMap<Moid, Folder>,
    datacenters: BTreeMap<Moid, Datacenter>,
    clusters: BTreeMap<Moid, Cluster>,
    resources: BTreeMap<Moid, Resource>,
    vms: BTreeMap<Moid, Vm>,
    /// Parent and name of every VM: what makes names unique in a folder.
    by_name: BTreeMap<(Moid, String), Moid>,
    tasks: BTreeMap<Moid, Task>,
    open_tasks: BTreeSet<Moid>,
    plans: BTreeMap<Moid, ClonePlan>,
    events: VecDeque<Event>,
    /// Every VM ever created for an identity, destroyed ones included.
    created_for: BTreeMap<String, BTreeSet<Moid>>,
    custom_fields: Vec<String>,
    /// Whom events name; `None` is [`LAB_USER`].
    actor: Option<String>,
    /// While one reconfiguration of several changes is under way: whether anything changed yet.
    held_back: Option<bool>,
}

impl Vsphere {
    /// All virtual machines and templates, oldest first.
    pub fn vms(&self) -> impl Iterator<Item = &Vm> {
        self.vms.values()
    }

    /// The VM `moid`.
    #[must_use]
    pub fn vm(&self, moid: Moid) -> Option<&Vm> {
        self.vms.get(&moid)
    }

    /// The VM whose id is spelled `moid`.
    #[must_use]
    pub fn vm_by_moid(&self, moid: &str) -> Option<&Vm> {
        self.vm(Moid::parse(moid)?)
    }

    /// All VMs called `name`, in whatever folder, oldest first.
    #[must_use]
    pub fn vms_by_name(&self, name: &str) -> Vec<&Vm> {
        self.vms.values().filter(|vm| vm.name == name).collect()
    }

    /// All VMs that carry the identity `vm_uid` now, oldest first. More than one is an identity conflict.
    #[must_use]
    pub fn vms_by_uid(&self, vm_uid: &str) -> Vec<&Vm> {
        self.vms.values().filter(|vm| vm.vm_uid() == Some(vm_uid)).collect()
    }

    /// The VM with this instance UUID, or this BIOS UUID (`FindByUuid`).
    #[must_use]
    pub fn vm_by_uuid(&self, uuid: Uuid, instance: bool) -> Option<&Vm> {
        self.vms.values().find(|vm| uuid == if instance { vm.instance_uuid } else { vm.bios_uuid })
    }

    /// The custom attributes that are defined; an attribute's key is its position here.
    #[must_use]
    pub fn custom_fields(&self) -> &[String] {
        &self.custom_fields
    }

    /// This vCenter's own id (`about.instanceUuid`).
    #[must_use]
    pub fn instance_uuid(&self) -> Uuid {
        self.namespace
    }
}
