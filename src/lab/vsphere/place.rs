//! Where a virtual machine stands, what it is called there, and how it goes away.

use jiff::Timestamp;

use super::Vsphere;
use super::event::{EventDetail, EventKind};
use super::fault::Fault;
use super::ids::{Kind, Moid};
use super::vm::PowerState;

impl Vsphere {
    /// Gives the VM another name.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`, `DuplicateName`, `InvalidName`.
    pub fn rename(&mut self, vm: Moid, name: &str, now: Timestamp) -> Result<(), Fault> {
        let machine = self.vm_or_gone(vm)?;
        if machine.name == name {
            return Ok(());
        }
        let (parent, old) = (machine.parent, machine.name.clone());
        self.check_name(parent, name)?;
        self.by_name.remove(&(parent, old.clone()));
        self.by_name.insert((parent, name.to_owned()), vm);
        if let Some(machine) = self.vms.get_mut(&vm) {
            name.clone_into(&mut machine.name);
            machine.config_changed(now);
        }
        let detail = EventDetail::Renamed { old, new: name.to_owned() };
        self.tell_of(vm, now, EventKind::VmRenamed, detail);
        Ok(())
    }

    /// Moves the VM into another VM folder.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`, `DuplicateName`, `InvalidArgument` for what is no VM folder.
    pub fn move_into_folder(&mut self, vm: Moid, folder: Moid) -> Result<(), Fault> {
        if folder.kind() != Kind::VmFolder {
            return Err(Fault::InvalidArgument { property: "folder".to_owned() });
        }
        if !self.exists(folder) {
            return Err(Fault::gone(folder));
        }
        let machine = self.vm_or_gone(vm)?;
        if machine.parent == folder {
            return Ok(());
        }
        let (parent, name) = (machine.parent, machine.name.clone());
        self.check_name(folder, &name)?;
        self.by_name.remove(&(parent, name.clone()));
        self.by_name.insert((folder, name), vm);
        if let Some(machine) = self.vms.get_mut(&vm) {
            machine.parent = folder;
        }
        Ok(())
    }

    /// Moves the VM to another host of its cluster's data centre, another datastore, or both; what is `None` stays.
    /// Its disks go where it goes. A running VM may move too.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `NotSupported` for a host without a cluster; `InvalidArgument` for what is no host or
    /// no datastore.
    pub fn relocate(
        &mut self,
        vm: Moid,
        host: Option<Moid>,
        datastore: Option<Moid>,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let before = self.vm_or_gone(vm)?.clone();
        for (moid, kind, property) in
            [(host, Kind::Host, "spec.host"), (datastore, Kind::Datastore, "spec.datastore")]
        {
            let Some(moid) = moid else { continue };
            if moid.kind() != kind {
                return Err(Fault::InvalidArgument { property: property.to_owned() });
            }
            if !self.exists(moid) {
                return Err(Fault::gone(moid));
            }
        }
        let (host, datastore) = (host.unwrap_or(before.host), datastore.unwrap_or(before.datastore));
        let mut clusters = self.clusters.values();
        let cluster = clusters.find(|one| one.hosts.contains(&host)).ok_or(Fault::NotSupported)?;
        let (cluster, pool) = (cluster.moid, cluster.resource_pool);
        let files = (0..before.disks.len()).map(|at| self.disk_file(datastore, &before.name, at));
        let files: Vec<String> = files.collect();
        if let Some(machine) = self.vms.get_mut(&vm) {
            (machine.host, machine.cluster) = (host, cluster);
            machine.resource_pool = Some(pool).filter(|_| !machine.is_template);
            if datastore != before.datastore {
                machine.datastore = datastore;
                for (disk, file) in machine.disks.iter_mut().zip(files) {
                    (disk.datastore, disk.file) = (datastore, file);
                }
                machine.config_changed(now);
            }
        }
        let detail = EventDetail::Migrated { host: before.host, datastore: before.datastore };
        self.tell_of(vm, now, EventKind::VmMigrated, detail);
        Ok(())
    }

    /// Destroys the VM with its disks. It stays counted in [`Vsphere::clones_of_uid`].
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidPowerState` unless it is off.
    pub fn destroy(&mut self, vm: Moid, now: Timestamp) -> Result<(), Fault> {
        let machine = self.vm_or_gone(vm)?;
        if machine.power != PowerState::PoweredOff {
            let (existing, requested) = (machine.power, PowerState::PoweredOff);
            return Err(Fault::InvalidPowerState { existing, requested });
        }
        self.tell_of(vm, now, EventKind::VmRemoved, EventDetail::None);
        if let Some(machine) = self.vms.remove(&vm) {
            self.by_name.remove(&(machine.parent, machine.name));
        }
        Ok(())
    }

    /// Takes the VM out of the inventory and leaves its files, which nothing here can find again. To whoever looks
    /// at the inventory it is the same as [`Vsphere::destroy`].
    ///
    /// # Errors
    /// As for [`Vsphere::destroy`].
    pub fn unregister(&mut self, vm: Moid, now: Timestamp) -> Result<(), Fault> {
        self.destroy(vm, now)
    }

    /// Turns a VM into a template, or back (then `cluster` says where it runs).
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidPowerState` unless it is off.
    pub fn set_template(&mut self, vm: Moid, is_template: bool) -> Result<(), Fault> {
        let machine = self.vm_or_gone(vm)?;
        if machine.power != PowerState::PoweredOff {
            let (existing, requested) = (machine.power, PowerState::PoweredOff);
            return Err(Fault::InvalidPowerState { existing, requested });
        }
        let pool = self.clusters.get(&machine.cluster).map(|cluster| cluster.resource_pool);
        if let Some(machine) = self.vms.get_mut(&vm) {
            machine.is_template = is_template;
            machine.config_changed(machine.config_changed_at);
            machine.resource_pool = pool.filter(|_| !is_template);
        }
        Ok(())
    }
}
