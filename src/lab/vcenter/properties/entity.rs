//! What all inventory objects have, and folders and data centres.

use super::Scene;
use crate::lab::vcenter::value::Val;
use crate::lab::vsphere::{Kind, Moid};

/// Tasks that ended longer ago are not recent any more (vSphere Web Services API, `TaskManager.recentTask`).
const RECENT_TASK_SECS: i64 = 600;

pub(super) const NAMES: [&str; 13] = [
    "value",
    "availableField",
    "parent",
    "customValue",
    "overallStatus",
    "configStatus",
    "configIssue",
    "effectiveRole",
    "permission",
    "name",
    "disabledMethod",
    "recentTask",
    "tag",
];
pub(super) const FOLDER_NAMES: [&str; 2] = ["childType", "childEntity"];
pub(super) const DATACENTER_NAMES: [&str; 7] =
    ["vmFolder", "hostFolder", "datastoreFolder", "networkFolder", "datastore", "network", "configuration"];

pub(super) fn green() -> Val {
    Val::Word("ManagedEntityStatus", "green".to_owned())
}

impl Scene<'_> {
    pub(super) fn entity_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let empty = |item| Val::List(item, Vec::new());
        Some(match name {
            "name" => Val::maybe(self.vsphere.name_of(moid), Val::text),
            "parent" => Val::maybe(self.vsphere.parent_of(moid), Val::moref),
            "overallStatus" | "configStatus" => green(),
            "recentTask" => self.recent_tasks(Some(moid)),
            "customValue" | "value" => empty("CustomFieldValue"),
            "availableField" => self.custom_field_defs(),
            "effectiveRole" => Val::List("int", vec![Val::Int(-1)]),
            "configIssue" => empty("Event"),
            "permission" => empty("Permission"),
            "disabledMethod" => empty("string"),
            "tag" => empty("Tag"),
            "alarmActionsEnabled" => Val::Bool(true),
            "declaredAlarmState" | "triggeredAlarmState" => empty("AlarmState"),
            _ => return None,
        })
    }

    pub(super) fn folder_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let types: &[&str] = match moid.kind() {
            Kind::VmFolder => &["Folder", "VirtualMachine", "VirtualApp"],
            Kind::HostFolder => &["Folder", "ComputeResource"],
            Kind::DatastoreFolder => &["Folder", "Datastore", "StoragePod"],
            Kind::NetworkFolder => &["Folder", "Network", "DistributedVirtualSwitch"],
            Kind::RootFolder | Kind::Datacenter | Kind::Cluster | Kind::Host => &["Folder", "Datacenter"],
            Kind::ResourcePool | Kind::Datastore | Kind::Network | Kind::PortGroup => &[],
            Kind::VirtualMachine | Kind::Task => &[],
        };
        Some(match name {
            "childType" => Val::List("string", types.iter().map(|one| Val::text(*one)).collect()),
            "childEntity" => Val::refs(self.seen_children(moid)),
            "namespace" => Val::Unset,
            other => return self.entity_property(moid, other),
        })
    }

    pub(super) fn datacenter_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let datacenter = self.vsphere.datacenter(moid)?;
        Some(match name {
            "vmFolder" => Val::moref(datacenter.vm_folder),
            "hostFolder" => Val::moref(datacenter.host_folder),
            "datastoreFolder" => Val::moref(datacenter.datastore_folder),
            "networkFolder" => Val::moref(datacenter.network_folder),
            "datastore" => Val::refs(self.datastores_in(moid)),
            "network" => Val::refs(self.networks_in(moid)),
            "configuration" => Val::of("DatacenterConfigInfo", Vec::new()),
            other => return self.entity_property(moid, other),
        })
    }

    pub(super) fn datastores_in(&self, datacenter: Moid) -> Vec<Moid> {
        self.resources_in(datacenter, &[Kind::Datastore])
    }

    pub(super) fn networks_in(&self, datacenter: Moid) -> Vec<Moid> {
        self.resources_in(datacenter, &[Kind::Network, Kind::PortGroup])
    }

    fn resources_in(&self, datacenter: Moid, kinds: &[Kind]) -> Vec<Moid> {
        let here = |one: &&crate::lab::vsphere::Resource| {
            one.datacenter == datacenter && kinds.contains(&one.moid.kind())
        };
        self.vsphere.resources().filter(here).map(|one| one.moid).collect()
    }

    /// The tasks that are open or ended lately, of one entity or of all.
    pub(super) fn recent_tasks(&self, entity: Option<Moid>) -> Val {
        let recent = self.vsphere.tasks().filter(|task| {
            let ended = task.completed_at;
            let is_recent = ended.is_none_or(|at| self.now.duration_since(at).as_secs() <= RECENT_TASK_SECS);
            is_recent && entity.is_none_or(|entity| task.entity == entity || task.result == Some(entity))
        });
        Val::refs(recent.map(|task| task.moid))
    }
}
