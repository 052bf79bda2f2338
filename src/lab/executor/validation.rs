//! Stage `validation`: the VM is what was asked for, it is switched on and its guest has an address. It changes
//! nothing.

use serde_json::json;

use super::super::vsphere::{PowerState, Vm};
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
        let mut data = identity_of(&vm);
        data["power"] = json!("poweredOn");
        data["ip_address"] = json!(vm.guest_ip);
        data["changed"] = json!(false);
        Report::done(false, data, json!({"vm_state": "ready", "ip_address": vm.guest_ip}))
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
        if vm.power != PowerState::PoweredOn {
            found.push("it is not switched on".to_owned());
        }
        if vm.guest_ip.is_none() {
            found.push("its guest reports no address".to_owned());
        }
        found
    }
}
