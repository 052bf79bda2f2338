//! Cloning: from what a caller names to a task, and from the task to a virtual machine. The name is checked
//! when the task begins and again when it ends, as vCenter does.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::event::{EventDetail, EventKind};
use super::fault::Fault;
use super::ids::{Kind, Moid};
use super::task::About;
use super::vm::{Disk, Nic, PowerState, VM_UID_KEY, Vm};
use super::{LAB_USER, NAME_CHARS_MAX, Vsphere};

/// What to clone and where to, by names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CloneSpec {
    /// The name of the new VM.
    pub name: String,
    /// The name of the template (or VM) to copy.
    pub template: String,
    pub datacenter: String,
    pub cluster: String,
    /// Path below the `vm` folder; empty for that folder itself.
    pub folder: String,
    /// `None` keeps the template's.
    pub datastore: Option<String>,
    /// `None` keeps the template's.
    pub cpu: Option<u32>,
    /// `None` keeps the template's.
    pub memory_mib: Option<u64>,
    /// The network of the first adapter; `None` keeps the template's.
    pub network: Option<String>,
    /// Written over the template's keys.
    pub extra_config: BTreeMap<String, String>,
    pub power_on: bool,
    /// Text in `TaskInfo.description`.
    pub description: Option<String>,
    /// The identity that this clone is made for, when the marker is written only later; counted by
    /// [`Vsphere::clones_of_uid`].
    pub created_for_uid: Option<String>,
    /// Who is named in task and events; `None` is the lab's own user.
    pub user: Option<String>,
}

/// A [`CloneSpec`] whose names have been found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClonePlan {
    pub name: String,
    pub source: Moid,
    /// The VM folder.
    pub folder: Moid,
    pub cluster: Moid,
    pub datastore: Moid,
    pub cpu: Option<u32>,
    pub memory_mib: Option<u64>,
    pub network: Option<Moid>,
    pub extra_config: BTreeMap<String, String>,
    pub power_on: bool,
    /// Whether the new one is a template.
    pub is_template: bool,
    pub description: Option<String>,
    pub created_for_uid: Option<String>,
    pub user: String,
}

impl Vsphere {
    /// Begins to clone; the VM appears when [`Vsphere::tick`] reaches `now + duration`.
    ///
    /// # Errors
    /// `NotFound` for a name that leads nowhere, `DuplicateName`, `InvalidName`, `InvalidArgument`.
    pub fn begin_clone(
        &mut self,
        spec: CloneSpec,
        duration: SignedDuration,
        now: Timestamp,
    ) -> Result<Moid, Fault> {
        let plan = self.plan_clone(spec)?;
        self.begin_planned_clone(plan, duration, now)
    }

    /// Begins to clone what has been resolved already (as `CloneVM_Task` does, which speaks in ids).
    ///
    /// # Errors
    /// `ManagedObjectNotFound`, `DuplicateName`, `InvalidName`, `InvalidArgument`.
    pub fn begin_planned_clone(
        &mut self,
        plan: ClonePlan,
        duration: SignedDuration,
        now: Timestamp,
    ) -> Result<Moid, Fault> {
        self.check_plan(&plan)?;
        let about = About { entity: plan.source, user: &plan.user.clone(), now };
        let moid = self.queue_task("VirtualMachine.clone", &about, duration);
        let detail = self.clone_detail(&plan, None);
        self.tell(EventKind::VmBeingCloned, &about, detail).task = Some(moid);
        if let Some(task) = self.tasks.get_mut(&moid) {
            task.target_name = Some(plan.name.clone());
            task.description.clone_from(&plan.description);
        }
        self.plans.insert(moid, plan);
        Ok(moid)
    }

    /// How many virtual machines were ever created for `vm_uid`, destroyed ones included: those cloned for it
    /// and those that were marked with it. A marker that a foreign clone merely inherited does not count.
    #[must_use]
    pub fn clones_of_uid(&self, vm_uid: &str) -> usize {
        self.created_for.get(vm_uid).map_or(0, std::collections::BTreeSet::len)
    }

    fn plan_clone(&self, spec: CloneSpec) -> Result<ClonePlan, Fault> {
        let datacenter = self.datacenter_by_name(&spec.datacenter)?;
        let mut sources = self.vms.values().filter(|vm| vm.name == spec.template);
        let is_here = |vm: &&Vm| self.datacenter_of(vm.moid).is_some_and(|one| one.moid == datacenter.moid);
        let source = sources.find(is_here).ok_or_else(|| Fault::not_found("template", &spec.template))?;
        let datastore = spec.datastore.as_deref();
        let datastore = datastore.map(|name| self.datastore_by_name(datacenter.moid, name)).transpose()?;
        let network = spec.network.as_deref();
        let network = network.map(|name| self.network_by_name(datacenter.moid, name)).transpose()?;
        Ok(ClonePlan {
            source: source.moid,
            folder: self.vm_folder_by_path(datacenter, &spec.folder)?,
            cluster: self.cluster_by_name(datacenter.moid, &spec.cluster)?.moid,
            datastore: datastore.unwrap_or(source.datastore),
            network,
            name: spec.name,
            cpu: spec.cpu,
            memory_mib: spec.memory_mib,
            extra_config: spec.extra_config,
            power_on: spec.power_on,
            is_template: false,
            description: spec.description,
            created_for_uid: spec.created_for_uid,
            user: spec.user.unwrap_or_else(|| LAB_USER.to_owned()),
        })
    }

    /// What must hold when a clone begins, and still when it ends.
    fn check_plan(&self, plan: &ClonePlan) -> Result<(), Fault> {
        for moid in [plan.source, plan.folder, plan.cluster, plan.datastore].into_iter().chain(plan.network) {
            if !self.exists(moid) {
                return Err(Fault::gone(moid));
            }
        }
        if plan.folder.kind() != Kind::VmFolder {
            return Err(Fault::InvalidArgument { property: "folder".to_owned() });
        }
        if plan.cpu == Some(0) {
            return Err(Fault::InvalidArgument { property: "spec.config.numCPUs".to_owned() });
        }
        if plan.memory_mib == Some(0) {
            return Err(Fault::InvalidArgument { property: "spec.config.memoryMB".to_owned() });
        }
        self.check_name(plan.folder, &plan.name)
    }

    /// Whether `name` may be given to a new child of `folder`.
    pub(super) fn check_name(&self, folder: Moid, name: &str) -> Result<(), Fault> {
        if name.is_empty() || name.contains('/') || name.chars().count() > NAME_CHARS_MAX {
            return Err(Fault::InvalidName { name: name.to_owned() });
        }
        match self.find_child(folder, name) {
            Some(object) => Err(Fault::DuplicateName { name: name.to_owned(), object }),
            None => Ok(()),
        }
    }

    /// Makes the VM of a clone task that is due.
    pub(super) fn perform_clone(&mut self, task: Moid, at: Timestamp) -> Result<Option<Moid>, Fault> {
        let Some(plan) = self.plans.remove(&task) else { return Ok(None) };
        let made = self.check_plan(&plan).and_then(|()| self.copy_vm(&plan, task, at));
        let entity = *made.as_ref().unwrap_or(&plan.source);
        let about = About { entity, user: &plan.user, now: at };
        let (kind, detail) = match &made {
            Ok(_) => {
                let source_name = self.name_of(plan.source).unwrap_or_default().to_owned();
                (EventKind::VmCloned, EventDetail::Cloned { source: plan.source, source_name })
            }
            Err(fault) => (EventKind::VmCloneFailed, self.clone_detail(&plan, Some(fault.clone()))),
        };
        self.tell(kind, &about, detail).task = Some(task);
        if plan.power_on && !plan.is_template && made.is_ok() {
            for kind in [EventKind::VmStarting, EventKind::VmPoweredOn] {
                self.tell(kind, &about, EventDetail::None);
            }
        }
        made.map(Some)
    }

    fn clone_detail(&self, plan: &ClonePlan, fault: Option<Fault>) -> EventDetail {
        let host = self.clusters.get(&plan.cluster).and_then(|cluster| cluster.hosts.first()).copied();
        EventDetail::Cloning { folder: plan.folder, host, name: plan.name.clone(), fault }
    }

    fn copy_vm(&mut self, plan: &ClonePlan, task: Moid, at: Timestamp) -> Result<Moid, Fault> {
        let source = self.vms.get(&plan.source).cloned().ok_or_else(|| Fault::gone(plan.source))?;
        let cluster = self.clusters.get(&plan.cluster).cloned().ok_or_else(|| Fault::gone(plan.cluster))?;
        let moid = self.next_moid(Kind::VirtualMachine);
        let mut vm = Vm {
            moid,
            name: plan.name.clone(),
            instance_uuid: self.derived_uuid("instance", moid),
            bios_uuid: self.derived_uuid("bios", moid),
            is_template: plan.is_template,
            parent: plan.folder,
            resource_pool: (!plan.is_template).then_some(cluster.resource_pool),
            host: self.pick_host(&cluster.hosts, moid).unwrap_or(source.host),
            cluster: cluster.moid,
            datastore: plan.datastore,
            cpu: plan.cpu.unwrap_or(source.cpu),
            memory_mib: plan.memory_mib.unwrap_or(source.memory_mib),
            power: PowerState::PoweredOff,
            guest_ip: None,
            guest_hostname: None,
            custom_values: BTreeMap::new(),
            created_at: at,
            created_by_task: Some(task),
            boot_time: None,
            config_changed_at: at,
            snapshots: Vec::new(),
            current_snapshot: None,
            ..source
        };
        vm.extra_config.extend(plan.extra_config.clone());
        self.copy_devices(&mut vm, plan.network);
        for uid in plan.extra_config.get(VM_UID_KEY).into_iter().chain(&plan.created_for_uid) {
            self.created_for.entry(uid.clone()).or_default().insert(moid);
        }
        if plan.power_on && !plan.is_template {
            vm.power = PowerState::PoweredOn;
            vm.boot_time = Some(at);
        }
        self.by_name.insert((vm.parent, vm.name.clone()), moid);
        self.vms.insert(moid, vm);
        Ok(moid)
    }

    fn copy_devices(&self, vm: &mut Vm, network: Option<Moid>) {
        let nics = std::mem::take(&mut vm.nics);
        let place = |(at, nic): (usize, Nic)| Nic {
            mac: self.derived_mac(vm.moid, nic.key),
            network: network.filter(|_| at == 0).unwrap_or(nic.network),
            ..nic
        };
        vm.nics = nics.into_iter().enumerate().map(place).collect();
        let disks = std::mem::take(&mut vm.disks);
        let place = |(at, disk): (usize, Disk)| Disk {
            datastore: vm.datastore,
            file: self.disk_file(vm.datastore, &vm.name, at),
            ..disk
        };
        vm.disks = disks.into_iter().enumerate().map(place).collect();
    }
}
