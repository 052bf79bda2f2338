//! Stage `storage_configuration`: the data disks stand behind the template's own, in order; missing ones
//! are added, smaller ones grown, none is ever shrunk or removed.

use serde_json::{Value, json};

use super::super::vsphere::{Fault, Moid};
use super::Scene;
use super::report::Report;
use super::variables::DiskWanted;

impl Scene<'_, '_> {
    pub(super) fn configure_storage(&mut self) -> Report {
        let (vm, vm_name) = match self.own_vm() {
            Ok(vm) => (vm.moid, vm.name.clone()),
            Err(message) => return Report::failed(message),
        };
        match self.attach(vm) {
            Ok(changed) => {
                let disks = self.disks();
                let data = json!({"vm_name": vm_name, "disks": disks, "changed": changed});
                Report::done(changed, data, json!({"vm_state": "configured", "disks": disks}))
            }
            Err(fault) => Report::failed(fault.to_string()),
        }
    }

    /// The data disks asked for, as host variables hold them.
    pub(super) fn disks(&self) -> Value {
        let entry = |disk: &DiskWanted| json!({"disk_name": disk.disk_name, "disk_size": disk.disk_size_gib, "disk_type": disk.disk_type});
        self.variables.disks().iter().map(entry).collect()
    }

    fn attach(&mut self, vm: Moid) -> Result<bool, Fault> {
        let now = self.now;
        let own = self.template_disks();
        let vsphere = &mut self.hands.vsphere;
        let datacenter = vsphere.datacenter_of(vm).map(|one| one.moid).ok_or_else(|| Fault::gone(vm))?;
        let datastore = self.variables.text("vm_datastore");
        let datastore = datastore.map(|name| vsphere.datastore_by_name(datacenter, name)).transpose()?;
        let mut changed = false;
        for (index, wanted) in self.variables.disks().iter().enumerate() {
            let there = vsphere.vm(vm).and_then(|vm| vm.disks.get(own + index));
            match there.map(|disk| (disk.key, disk.capacity_gib)) {
                Some((_, size)) if size >= wanted.disk_size_gib => {}
                Some((key, _)) => {
                    vsphere.grow_disk(vm, key, wanted.disk_size_gib, now)?;
                    changed = true;
                }
                None => {
                    vsphere.add_disk(vm, wanted.disk_size_gib, datastore, now)?;
                    changed = true;
                }
            }
        }
        Ok(changed)
    }

    /// How many disks came with the template.
    fn template_disks(&self) -> usize {
        let template = self.variables.text("vm_template").unwrap_or_default();
        let named = self.hands.vsphere.vms_by_name(template);
        named.first().map_or(1, |template| template.disks.len())
    }
}
