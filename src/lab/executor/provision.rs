//! Stage `vm_provision`: find the VM by its identity, else clone it, then mark it. The marker is written
//! after the clone, as the modules do it, so a play that stops in between leaves an unmarked VM; that one is
//! adopted by its clone task's description. Any other VM of the name is somebody else's. Clones that still
//! run are not looked for: that is the bridge's duty before a new attempt (DESIGN.md, "The launch fence").

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::vsphere::{CloneSpec, Fault, Moid, PowerState, TaskState, VM_UID_KEY, Vm};
use super::report::Report;
use super::{Scene, Step, Turn};

impl Scene<'_, '_> {
    pub(super) fn provision(&mut self, step: Step) -> Turn {
        match step {
            Step::Claim | Step::Work => self.find_or_clone(),
            Step::Cloning(task) => self.follow_clone(task),
            Step::Marking(vm) => match self.mark(vm, true) {
                Ok(report) => Turn::Over(report),
                Err(fault) => Turn::Over(Report::failed(fault.to_string())),
            },
        }
    }

    /// The VM that this run is about, by identity.
    pub(super) fn own_vm(&self) -> Result<&Vm, String> {
        let uid = self.variables.text("vm_uid");
        let by_uid = uid.map(|uid| self.hands.vsphere.vms_by_uid(uid)).unwrap_or_default();
        match (by_uid.as_slice(), uid) {
            ([one], _) => Ok(one),
            ([], Some(uid)) => Err(format!("no VM carries vm_uid {uid}")),
            ([], None) => self.by_name_only(),
            ([_, _, ..], _) => Err("identity_conflict: more than one VM carries this vm_uid".to_owned()),
        }
    }

    /// Content run by hand knows no identity.
    fn by_name_only(&self) -> Result<&Vm, String> {
        let named = self.hands.vsphere.vms_by_name(self.variables.vm_name());
        named.first().copied().ok_or_else(|| format!("no VM is called {}", self.variables.vm_name()))
    }

    fn find_or_clone(&mut self) -> Turn {
        let uid = self.variables.text("vm_uid").unwrap_or_default().to_owned();
        if self.hands.vsphere.vms_by_uid(&uid).len() > 1 {
            return Turn::Over(Report::failed("identity_conflict: more than one VM carries this vm_uid"));
        }
        if let Some(vm) = self.hands.vsphere.vms_by_uid(&uid).first().map(|vm| vm.moid) {
            return Turn::Over(
                self.mark(vm, false).unwrap_or_else(|fault| Report::failed(fault.to_string())),
            );
        }
        match self.same_name() {
            Some((vm, true)) => Turn::Again(Step::Marking(vm), 1),
            Some((_, false)) => {
                let name = self.variables.vm_name();
                Turn::Over(Report::failed(format!("name_taken: a VM called {name} exists and is not ours")))
            }
            None => self.clone_it(&uid),
        }
    }

    /// A VM of the wanted name in the wanted folder, and whether an unmarked clone of ours made it.
    fn same_name(&self) -> Option<(Moid, bool)> {
        let vsphere = &self.hands.vsphere;
        let folder = self.variables.text("vm_folder").unwrap_or_default().trim_matches('/');
        let named = vsphere.vms_by_name(self.variables.vm_name());
        let vm = named.into_iter().find(|vm| vsphere.folder_path(vm) == folder)?;
        let uid = self.variables.text("vm_uid").unwrap_or_default();
        let task = vm.created_by_task.and_then(|task| vsphere.task(task));
        let ours = task.is_some_and(|task| task.description.as_ref() == Some(&description(uid)));
        Some((vm.moid, ours && vm.vm_uid().is_none()))
    }

    fn clone_it(&mut self, uid: &str) -> Turn {
        let text = |key: &str| self.variables.text(key).unwrap_or_default().to_owned();
        let spec = CloneSpec {
            name: self.variables.vm_name().to_owned(),
            template: text("vm_template"),
            datacenter: text("vm_datacenter"),
            cluster: text("vm_cluster"),
            folder: text("vm_folder"),
            datastore: self.variables.text("vm_datastore").map(str::to_owned),
            cpu: self.cpu(),
            memory_mib: self.variables.number("vm_memory"),
            network: self.variables.nics().first().map(|nic| nic.network_name.clone()),
            extra_config: BTreeMap::new(),
            power_on: false,
            description: Some(description(uid)),
            created_for_uid: Some(uid.to_owned()),
            user: Some("automation".to_owned()),
        };
        let span = super::Tempo::span(self.tempo.clone_ms);
        match self.hands.vsphere.begin_clone(spec, span, self.now) {
            Ok(task) => Turn::Again(Step::Cloning(task), self.tempo.clone_ms),
            Err(fault) => Turn::Over(Report::failed(fault.to_string())),
        }
    }

    fn follow_clone(&self, moid: Moid) -> Turn {
        let Some(task) = self.hands.vsphere.task(moid) else {
            return Turn::Over(Report::failed("the clone task is gone"));
        };
        match (task.state, task.result, &task.error) {
            (TaskState::Success, Some(vm), _) => Turn::Again(Step::Marking(vm), self.tempo.stage_ms / 10),
            (TaskState::Error, _, Some(fault)) => Turn::Over(Report::failed(fault.to_string())),
            (TaskState::Success | TaskState::Error, _, _) => {
                Turn::Over(Report::failed("the clone ended without a VM"))
            }
            (TaskState::Queued | TaskState::Running, _, _) => {
                Turn::Again(Step::Cloning(moid), self.tempo.claim_poll_ms)
            }
        }
    }

    /// Gives the VM its identity and size and switches it on, so that its guest gets an address; what fits already is
    /// left alone.
    fn mark(&mut self, moid: Moid, created: bool) -> Result<Report, Fault> {
        let uid = self.variables.text("vm_uid").unwrap_or_default();
        let (cpu, memory) = (self.cpu(), self.variables.number("vm_memory"));
        let vm = self.hands.vsphere.vm(moid).ok_or_else(|| Fault::gone(moid))?.clone();
        let mut changed = created;
        if !uid.is_empty() && vm.vm_uid() != Some(uid) {
            self.hands.vsphere.set_extra_config(moid, VM_UID_KEY, uid, self.now)?;
            changed = true;
        }
        if let Some(cpu) = cpu.filter(|cpu| *cpu != vm.cpu) {
            self.hands.vsphere.set_cpu(moid, cpu, self.now)?;
            changed = true;
        }
        if let Some(memory) = memory.filter(|memory| *memory != vm.memory_mib) {
            self.hands.vsphere.set_memory(moid, memory, self.now)?;
            changed = true;
        }
        if vm.power != PowerState::PoweredOn {
            self.hands.vsphere.set_power(moid, PowerState::PoweredOn, self.now)?;
            changed = true;
        }
        let (address, host_name) = (self.address(&vm), self.variables.host_name());
        self.hands.vsphere.set_guest_ip(moid, Some(&address), Some(&host_name))?;
        let mut data = identity_of(&vm);
        data["ip_address"] = json!(address);
        data["vm_uid"] = json!((!uid.is_empty()).then_some(uid));
        data["created_at"] = json!(super::report::time(vm.created_at));
        data["changed"] = json!(changed);
        Ok(Report::done(changed, data, json!({"vm_state": "created"})))
    }

    /// The static address, else one that the lab's DHCP always gives to this VM.
    fn address(&self, vm: &Vm) -> String {
        let given = self.variables.nics().first().and_then(|nic| nic.ip_address.clone());
        given.or_else(|| vm.guest_ip.clone()).unwrap_or_else(|| dhcp_address(vm.moid))
    }

    fn cpu(&self) -> Option<u32> {
        self.variables.number("vm_cpu").and_then(|cpu| u32::try_from(cpu).ok())
    }
}

/// The names of a VM in its vCenter.
pub(super) fn identity_of(vm: &Vm) -> Value {
    json!({
        "vm_name": vm.name,
        "vm_id": vm.instance_uuid.to_string(),
        "vm_moid": vm.moid.to_string(),
        "vm_bios_uuid": vm.bios_uuid.to_string(),
        "vm_uid": vm.vm_uid(),
    })
}

/// What our clone tasks say of themselves.
fn description(uid: &str) -> String {
    format!("causeway vm_uid={uid}")
}

/// An address in TEST-NET-like private space, one per VM number.
fn dhcp_address(vm: Moid) -> String {
    let number = vm.number();
    format!("10.99.{}.{}", (number / 250) % 250, number % 250 + 1)
}
