//! What can be done to the configuration and the power of a virtual machine. Every verb acts at once; a caller
//! that needs a task on the wire records one with [`Vsphere::record_task`]. Where a machine stands, and how it
//! goes away, is in `place.rs`.

use jiff::Timestamp;

use super::Vsphere;
use super::event::{EventDetail, EventKind};
use super::fault::Fault;
use super::ids::{Kind, Moid};
use super::vm::{Disk, Nic, PowerState, VM_UID_KEY, Vm};

/// Adapters a VM may have (VM hardware version 20).
const NICS_MAX: usize = 10;
/// Disks a VM may have on the one controller that the model knows (unit 7 is the controller's own).
const DISKS_MAX: usize = 15;

impl Vsphere {
    /// Adds an adapter on `network` (a standard or distributed port group) and returns its device key.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`, `InvalidArgument` for what is no network or one adapter too many.
    pub fn add_nic(&mut self, vm: Moid, network: Moid, now: Timestamp) -> Result<i32, Fault> {
        if !matches!(network.kind(), Kind::Network | Kind::PortGroup) {
            return Err(Fault::InvalidArgument { property: "spec.deviceChange.device.backing".to_owned() });
        }
        if !self.exists(network) {
            return Err(Fault::gone(network));
        }
        let count = self.vm_or_gone(vm)?.nics.len();
        if count >= NICS_MAX {
            return Err(Fault::InvalidArgument { property: "spec.deviceChange".to_owned() });
        }
        let key = next_key(self.vm_or_gone(vm)?.nics.iter().map(|nic| nic.key), 4000);
        let label = format!("Network adapter {}", key - 3999);
        let nic = Nic { key, label, mac: self.derived_mac(vm, key), network, connected: true };
        self.change(vm, now, |vm| vm.nics.push(nic))?;
        Ok(key)
    }

    /// Puts an adapter that exists on another network.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`, `InvalidArgument` for an unknown adapter.
    pub fn set_nic_network(
        &mut self,
        vm: Moid,
        key: i32,
        network: Moid,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if !self.exists(network) {
            return Err(Fault::gone(network));
        }
        if !self.vm_or_gone(vm)?.nics.iter().any(|nic| nic.key == key) {
            return Err(Fault::InvalidArgument { property: "spec.deviceChange.device.key".to_owned() });
        }
        self.change(vm, now, |vm| {
            vm.nics.iter_mut().filter(|nic| nic.key == key).for_each(|nic| nic.network = network);
        })
    }

    /// Adds a disk of `capacity_gib` GiB on `datastore` (`None`: beside the VM) and returns its device key.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`, `InvalidArgument` for no capacity or one disk too many, `NoDiskSpace` when
    /// the disk alone is larger than the datastore.
    pub fn add_disk(
        &mut self,
        vm: Moid,
        capacity_gib: u64,
        datastore: Option<Moid>,
        now: Timestamp,
    ) -> Result<i32, Fault> {
        let machine = self.vm_or_gone(vm)?;
        let datastore = datastore.unwrap_or(machine.datastore);
        let place = self.resources.get(&datastore).ok_or_else(|| Fault::gone(datastore))?;
        if datastore.kind() != Kind::Datastore || capacity_gib == 0 || machine.disks.len() >= DISKS_MAX {
            return Err(Fault::InvalidArgument { property: "spec.deviceChange.device".to_owned() });
        }
        if capacity_gib > place.capacity_gib {
            return Err(Fault::NoDiskSpace { datastore: place.name.clone() });
        }
        let key = next_key(machine.disks.iter().map(|disk| disk.key), 2000);
        let at = key - 2000;
        let disk = Disk {
            key,
            label: format!("Hard disk {}", at + 1),
            capacity_gib,
            datastore,
            file: self.disk_file(datastore, &machine.name, usize::try_from(at).unwrap_or_default()),
            unit_number: if at >= 7 { at + 1 } else { at },
            thin: true,
        };
        self.change(vm, now, |vm| vm.disks.push(disk))?;
        Ok(key)
    }

    /// Makes a disk larger.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidArgument` for an unknown disk or a smaller size.
    pub fn grow_disk(&mut self, vm: Moid, key: i32, capacity_gib: u64, now: Timestamp) -> Result<(), Fault> {
        let disk = self.vm_or_gone(vm)?.disks.iter().find(|disk| disk.key == key);
        if disk.is_none_or(|disk| disk.capacity_gib > capacity_gib) {
            return Err(Fault::InvalidArgument { property: "spec.deviceChange.device.capacity".to_owned() });
        }
        self.change(vm, now, |vm| {
            vm.disks.iter_mut().filter(|disk| disk.key == key).for_each(|disk| {
                disk.capacity_gib = capacity_gib;
            });
        })
    }

    /// Sets a key of `extraConfig`; the empty value removes it, as in vSphere. A VM that gets the identity
    /// key counts as created for that identity from then on.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidArgument` for an empty key.
    pub fn set_extra_config(
        &mut self,
        vm: Moid,
        key: &str,
        value: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if key.is_empty() {
            return Err(Fault::InvalidArgument { property: "spec.extraConfig".to_owned() });
        }
        self.change(vm, now, |vm| {
            if value.is_empty() {
                vm.extra_config.remove(key);
            } else {
                vm.extra_config.insert(key.to_owned(), value.to_owned());
            }
        })?;
        if key == VM_UID_KEY && !value.is_empty() {
            self.created_for.entry(value.to_owned()).or_default().insert(vm);
        }
        Ok(())
    }

    /// Sets a custom attribute; an attribute that does not exist is defined.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidArgument` for an empty name.
    pub fn set_custom_value(
        &mut self,
        vm: Moid,
        name: &str,
        value: &str,
        now: Timestamp,
    ) -> Result<(), Fault> {
        if name.is_empty() {
            return Err(Fault::InvalidArgument { property: "key".to_owned() });
        }
        // Custom attributes are vCenter's own: the machine's configuration does not change with them.
        let machine = self.vms.get_mut(&vm).ok_or_else(|| Fault::gone(vm))?;
        machine.custom_values.insert(name.to_owned(), value.to_owned());
        if !self.custom_fields.iter().any(|known| known == name) {
            self.custom_fields.push(name.to_owned());
        }
        let key = self.custom_fields.iter().position(|known| known == name).unwrap_or_default();
        let detail = EventDetail::CustomField { key, name: name.to_owned(), value: value.to_owned() };
        self.tell_of(vm, now, EventKind::CustomFieldValueChanged, detail);
        Ok(())
    }

    /// Defines a custom attribute and returns its key.
    ///
    /// # Errors
    /// `InvalidName` for an empty name or one that is taken.
    pub fn define_custom_field(&mut self, name: &str) -> Result<usize, Fault> {
        if name.is_empty() || self.custom_fields.iter().any(|known| known == name) {
            return Err(Fault::InvalidName { name: name.to_owned() });
        }
        self.custom_fields.push(name.to_owned());
        Ok(self.custom_fields.len() - 1)
    }

    /// Changes the power state.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidPowerState` when it is in that state already, or is to be suspended and
    /// does not run; `NotSupported` for a template.
    pub fn set_power(&mut self, vm: Moid, power: PowerState, now: Timestamp) -> Result<(), Fault> {
        let machine = self.vm_or_gone(vm)?;
        if machine.is_template {
            return Err(Fault::NotSupported);
        }
        let off = machine.power == PowerState::PoweredOff;
        if machine.power == power || (power == PowerState::Suspended && off) {
            return Err(Fault::InvalidPowerState { existing: machine.power, requested: power });
        }
        let (first, then) = match power {
            PowerState::PoweredOn => (EventKind::VmStarting, EventKind::VmPoweredOn),
            PowerState::PoweredOff => (EventKind::VmStopping, EventKind::VmPoweredOff),
            PowerState::Suspended => (EventKind::VmSuspending, EventKind::VmSuspended),
        };
        self.tell_of(vm, now, first, EventDetail::None);
        if let Some(machine) = self.vms.get_mut(&vm) {
            machine.power = power;
            machine.boot_time = (power == PowerState::PoweredOn).then_some(now);
        }
        self.tell_of(vm, now, then, EventDetail::None);
        Ok(())
    }

    /// What the guest reports while it runs; `None` takes it back.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`.
    pub fn set_guest_ip(&mut self, vm: Moid, ip: Option<&str>, hostname: Option<&str>) -> Result<(), Fault> {
        let machine = self.vms.get_mut(&vm).ok_or_else(|| Fault::gone(vm))?;
        machine.guest_ip = ip.map(str::to_owned);
        machine.guest_hostname = hostname.map(str::to_owned);
        Ok(())
    }

    /// Sets the number of virtual CPUs.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidArgument` for none.
    pub fn set_cpu(&mut self, vm: Moid, cpu: u32, now: Timestamp) -> Result<(), Fault> {
        if cpu == 0 {
            return Err(Fault::InvalidArgument { property: "spec.numCPUs".to_owned() });
        }
        self.change(vm, now, |vm| vm.cpu = cpu)
    }

    /// Sets the memory in MiB.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidArgument` for none, or what is no multiple of 4.
    pub fn set_memory(&mut self, vm: Moid, memory_mib: u64, now: Timestamp) -> Result<(), Fault> {
        if memory_mib == 0 || !memory_mib.is_multiple_of(4) {
            return Err(Fault::InvalidArgument { property: "spec.memoryMB".to_owned() });
        }
        self.change(vm, now, |vm| vm.memory_mib = memory_mib)
    }

    /// Takes an adapter or a disk away; the disk's file with it.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidArgument` for an unknown device.
    pub fn remove_device(&mut self, vm: Moid, key: i32, now: Timestamp) -> Result<(), Fault> {
        let machine = self.vm_or_gone(vm)?;
        let known = machine.nics.iter().map(|nic| nic.key).chain(machine.disks.iter().map(|disk| disk.key));
        if !known.into_iter().any(|one| one == key) {
            return Err(Fault::InvalidArgument { property: "spec.deviceChange.device.key".to_owned() });
        }
        self.change(vm, now, |vm| {
            vm.nics.retain(|nic| nic.key != key);
            vm.disks.retain(|disk| disk.key != key);
        })
    }

    /// Sets the notes.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`.
    pub fn set_annotation(&mut self, vm: Moid, annotation: &str, now: Timestamp) -> Result<(), Fault> {
        self.change(vm, now, |vm| annotation.clone_into(&mut vm.annotation))
    }

    /// Sets how the machine boots.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `InvalidArgument` for what is neither `efi` nor `bios`.
    pub fn set_firmware(&mut self, vm: Moid, firmware: &str, now: Timestamp) -> Result<(), Fault> {
        if !["efi", "bios"].contains(&firmware) {
            return Err(Fault::InvalidArgument { property: "spec.firmware".to_owned() });
        }
        self.change(vm, now, |vm| firmware.clone_into(&mut vm.firmware))
    }

    pub(super) fn vm_or_gone(&self, vm: Moid) -> Result<&Vm, Fault> {
        self.vms.get(&vm).ok_or_else(|| Fault::gone(vm))
    }

    fn change(&mut self, vm: Moid, now: Timestamp, with: impl FnOnce(&mut Vm)) -> Result<(), Fault> {
        let machine = self.vms.get_mut(&vm).ok_or_else(|| Fault::gone(vm))?;
        with(machine);
        machine.config_changed(now);
        self.tell_reconfigured(vm, now);
        Ok(())
    }
}

/// The lowest key from `first` up that is not in use.
fn next_key(used: impl Iterator<Item = i32>, first: i32) -> i32 {
    let used: std::collections::BTreeSet<i32> = used.collect();
    let mut key = first;
    while used.contains(&key) {
        key += 1;
    }
    key
}
