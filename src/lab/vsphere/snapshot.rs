//! Snapshots: a tree per machine that can grow and be cut. Reverting to one is not modelled.

use jiff::Timestamp;

use super::Vsphere;
use super::fault::Fault;
use super::ids::Moid;
use super::vm::Snapshot;

/// Snapshots that one chain may have (vSphere's limit).
const SNAPSHOTS_MAX: usize = 32;

impl Vsphere {
    /// Takes a snapshot upon the current one and returns its number.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`; `NotSupported` for a template; `InvalidName` for no name; `SystemError` for one too
    /// many.
    pub fn create_snapshot(
        &mut self,
        vm: Moid,
        name: &str,
        description: &str,
        now: Timestamp,
    ) -> Result<u64, Fault> {
        let machine = self.vm_or_gone(vm)?;
        if machine.is_template {
            return Err(Fault::NotSupported);
        }
        if name.is_empty() {
            return Err(Fault::InvalidName { name: String::new() });
        }
        if machine.snapshots.len() >= SNAPSHOTS_MAX {
            return Err(Fault::SystemError { reason: format!("more than {SNAPSHOTS_MAX} snapshots") });
        }
        let number = self.next_number;
        self.next_number += 1;
        if let Some(machine) = self.vms.get_mut(&vm) {
            let id = machine.snapshots.iter().map(|one| one.id).max().unwrap_or_default() + 1;
            machine.snapshots.push(Snapshot {
                number,
                id,
                name: name.to_owned(),
                description: description.to_owned(),
                created_at: now,
                power: machine.power,
                parent: machine.current_snapshot,
            });
            machine.current_snapshot = Some(number);
            machine.config_changed(now);
        }
        Ok(number)
    }

    /// The VM that has the snapshot `number`.
    #[must_use]
    pub fn vm_of_snapshot(&self, number: u64) -> Option<Moid> {
        let mut vms = self.vms.values();
        vms.find(|vm| vm.snapshots.iter().any(|one| one.number == number)).map(|vm| vm.moid)
    }

    /// Removes one snapshot, and with `children` those that were taken upon it; else they move up to its parent.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`.
    pub fn remove_snapshot(&mut self, number: u64, children: bool, now: Timestamp) -> Result<(), Fault> {
        let gone = || Fault::ManagedObjectNotFound {
            type_name: "VirtualMachineSnapshot".to_owned(),
            moid: format!("snapshot-{number}"),
        };
        let vm = self.vm_of_snapshot(number).ok_or_else(gone)?;
        let machine = self.vms.get_mut(&vm).ok_or_else(gone)?;
        let parent = machine.snapshots.iter().find(|one| one.number == number).and_then(|one| one.parent);
        let mut removed = vec![number];
        // A child is younger than its parent, so one pass in their order finds the whole branch.
        for one in machine.snapshots.iter().filter(|_| children) {
            if one.parent.is_some_and(|parent| removed.contains(&parent)) {
                removed.push(one.number);
            }
        }
        machine.snapshots.retain(|one| !removed.contains(&one.number));
        machine.snapshots.iter_mut().filter(|one| one.parent == Some(number)).for_each(|one| {
            one.parent = parent;
        });
        if machine.current_snapshot.is_some_and(|current| removed.contains(&current)) {
            machine.current_snapshot = parent;
        }
        machine.config_changed(now);
        Ok(())
    }

    /// Removes all snapshots of a VM; none is fine.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`.
    pub fn remove_all_snapshots(&mut self, vm: Moid, now: Timestamp) -> Result<(), Fault> {
        let machine = self.vms.get_mut(&vm).ok_or_else(|| Fault::gone(vm))?;
        machine.snapshots.clear();
        machine.current_snapshot = None;
        machine.config_changed(now);
        Ok(())
    }
}
