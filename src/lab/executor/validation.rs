//! Stage `validation`: the VM is what was asked for; then it is switched on and its guest has an address.

use serde_json::json;

use super::super::vsphere::{Moid, PowerState, Vm};
use super::Scene;
use super::provision::identity_of;
use super::report::Report;

impl Scene<'_, '_> {
    pub(super) fn validate(&mut self) -> Report {
        let vm = match self.own_vm() {
            Ok(vm) => vm.clone(),
            Err(message) => return Report::failed(message),
        };
        let differences = self.differences(&vm);
        if !differences.is_empty() {
            return Report::failed(format!("not as asked: {}", differences.join("; ")));
        }
        let was_off = vm.power != PowerState::PoweredOn;
        if was_off {
            if let Err(fault) = self.hands.vsphere.set_power(vm.moid, PowerState::PoweredOn, self.now) {
                return Report::failed(fault.to_string());
            }
        }
        let address = self.address(&vm);
        let host_name = self.variables.host_name();
        if let Err(fault) = self.hands.vsphere.set_guest_ip(vm.moid, Some(&address), Some(&host_name)) {
            return Report::failed(fault.to_string());
        }
        let mut data = identity_of(&vm);
        data["power"] = json!("poweredOn");
        data["ip_address"] = json!(address);
        data["changed"] = json!(was_off);
        Report::done(was_off, data, json!({"vm_state": "ready", "ip_address": address}))
    }

    fn differences(&self, vm: &Vm) -> Vec<String> {
        let mut found = Vec::new();
        let cpu = u64::from(vm.cpu);
        if let Some(wanted) = self.variables.number("vm_cpu").filter(|wanted| *wanted != cpu) {
            found.push(format!("vm_cpu is {cpu}, asked for {wanted}"));
        }
        let memory = vm.memory_mib;
        if let Some(wanted) = self.variables.number("vm_memory").filter(|wanted| *wanted != memory) {
            found.push(format!("vm_memory is {memory} MiB, asked for {wanted}"));
        }
        for (index, wanted) in self.variables.nics().iter().enumerate() {
            let network = vm.nics.get(index).and_then(|nic| self.hands.vsphere.name_of(nic.network));
            if network != Some(wanted.network_name.as_str()) {
                let on = network.unwrap_or("missing");
                found.push(format!("adapter {} is {on}, asked for {}", index + 1, wanted.network_name));
            }
        }
        found
    }

    /// The static address, else one that the lab's DHCP always gives to this VM.
    fn address(&self, vm: &Vm) -> String {
        let given = self.variables.nics().first().and_then(|nic| nic.ip_address.clone());
        given.or_else(|| vm.guest_ip.clone()).unwrap_or_else(|| dhcp_address(vm.moid))
    }
}

/// An address in TEST-NET-like private space, one per VM number.
fn dhcp_address(vm: Moid) -> String {
    let number = vm.number();
    format!("10.99.{}.{}", (number / 250) % 250, number % 250 + 1)
}
