//! Stage `network_configuration`: the adapters in device order are put on the networks asked for; missing
//! ones are added. Those done before a failure stay.

use serde_json::json;

use super::super::vsphere::{Fault, Moid};
use super::Scene;
use super::report::Report;

impl Scene<'_, '_> {
    pub(super) fn configure_network(&mut self) -> Report {
        let (vm, vm_name) = match self.own_vm() {
            Ok(vm) => (vm.moid, vm.name.clone()),
            Err(message) => return Report::failed(message),
        };
        match self.connect(vm) {
            Ok(changed) => {
                let networks = self.networks(vm);
                let data = json!({"vm_name": vm_name, "networks": networks, "changed": changed});
                Report::done(changed, data, json!({"vm_state": "configured", "networks": networks}))
            }
            Err(fault) => Report::failed(fault.to_string()),
        }
    }

    fn connect(&mut self, vm: Moid) -> Result<bool, Fault> {
        let now = self.now;
        let vsphere = &mut self.hands.vsphere;
        let datacenter = vsphere.datacenter_of(vm).map(|one| one.moid).ok_or_else(|| Fault::gone(vm))?;
        let mut changed = false;
        for (index, wanted) in self.variables.nics().iter().enumerate() {
            let network = vsphere.network_by_name(datacenter, &wanted.network_name)?;
            let there = vsphere.vm(vm).and_then(|vm| vm.nics.get(index)).map(|nic| (nic.key, nic.network));
            match there {
                Some((_, on)) if on == network => {}
                Some((key, _)) => {
                    vsphere.set_nic_network(vm, key, network, now)?;
                    changed = true;
                }
                None => {
                    vsphere.add_nic(vm, network, now)?;
                    changed = true;
                }
            }
        }
        Ok(changed)
    }

    pub(super) fn networks(&self, vm: Moid) -> serde_json::Value {
        let vsphere = &self.hands.vsphere;
        let wanted = self.variables.nics();
        let nics = vsphere.vm(vm).map(|vm| vm.nics.clone()).unwrap_or_default();
        let shown = nics.iter().enumerate().map(|(index, nic)| {
            let asked = wanted.get(index);
            json!({
                "network_name": vsphere.name_of(nic.network).unwrap_or_default(),
                "nic_type": asked.map_or("vmxnet3", |nic| nic.nic_type.as_str()),
                "mac": nic.mac,
                "ip_address": asked.and_then(|nic| nic.ip_address.clone()),
            })
        });
        shown.collect()
    }
}
