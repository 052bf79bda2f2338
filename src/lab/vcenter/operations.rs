//! What changes virtual machines. Everything but a clone is done at once; its task has ended when it is answered.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::methods::{Desk, Reply, answer, bad, invalid_request, not_found};
use super::value::{Ref, Val};
use super::xml::Element;
use crate::lab::vsphere::{ClonePlan, Fault, Kind, Moid, PowerState, Vm};

impl Desk<'_> {
    /// Performs a method that changes something.
    ///
    /// # Errors
    /// The fault; for a method that the lab does not serve, `InvalidRequest` (recording 30).
    pub(super) fn operate(&mut self, method: &Element, this: &Ref) -> Result<Reply, Fault> {
        let now = self.now;
        if let Some(reply) = self.at_once(method, this)? {
            return Ok(reply);
        }
        let target = || this.moid().ok_or_else(|| not_found(this));
        let vm = |desk: &Self| desk.machine(target()?).map(|machine| machine.moid);
        // What is done, to what, how it ended, and the machines whose events name the task.
        let (what, entity, outcome, told) = match method.name.as_str() {
            "PowerOnVM_Task" => {
                let vm = vm(self)?;
                ("VirtualMachine.powerOn", vm, self.vsphere.set_power(vm, PowerState::PoweredOn, now), vec![])
            }
            "PowerOffVM_Task" => {
                let vm = vm(self)?;
                (
                    "VirtualMachine.powerOff",
                    vm,
                    self.vsphere.set_power(vm, PowerState::PoweredOff, now),
                    vec![],
                )
            }
            "SuspendVM_Task" => {
                let vm = vm(self)?;
                ("VirtualMachine.suspend", vm, self.vsphere.set_power(vm, PowerState::Suspended, now), vec![])
            }
            "Rename_Task" => {
                let (vm, name) = (vm(self)?, method.text_of("newName").unwrap_or_default());
                ("VirtualMachine.rename", vm, self.vsphere.rename(vm, name, now), vec![])
            }
            "Destroy_Task" => {
                let vm = vm(self)?;
                ("VirtualMachine.destroy", vm, self.vsphere.destroy(vm, now), vec![])
            }
            "ReconfigVM_Task" => {
                let vm = vm(self)?;
                let spec = method.child("spec").ok_or_else(|| bad("spec"))?;
                ("VirtualMachine.reconfigure", vm, self.reconfigure(vm, spec), vec![])
            }
            "RelocateVM_Task" => {
                let vm = vm(self)?;
                let spec = method.child("spec").ok_or_else(|| bad("spec"))?;
                let to = |name: &str| spec.ref_of(name).and_then(|one| one.moid());
                let moved = self.vsphere.relocate(vm, to("host"), to("datastore"), now);
                ("VirtualMachine.relocate", vm, moved, vec![])
            }
            "MoveIntoFolder_Task" => {
                let folder = target()?;
                let vms: Vec<Moid> = method.all("list").filter_map(|one| one.moref().moid()).collect();
                vms.iter().try_for_each(|vm| self.machine(*vm).map(drop))?;
                let moved = vms.iter().try_for_each(|vm| self.vsphere.move_into_folder(*vm, folder));
                ("Folder.moveInto", folder, moved, vms)
            }
            "CreateSnapshot_Task" | "RemoveAllSnapshots_Task" | "RemoveSnapshot_Task" => {
                let (vm, what, done) = self.snapshot(method, this)?;
                (what, vm, done, vec![vm])
            }
            other => return Err(invalid_request(&format!("no vmomi type defined for '{other}'"))),
        };
        let user = self.user();
        let told = if outcome.is_ok() { told } else { Vec::new() };
        let task = self.vsphere.record_task(what, entity, &user, outcome.map(|()| None), now);
        told.into_iter().for_each(|vm| self.vsphere.tell_task(task, vm, now));
        answer(Val::moref(task))
    }

    /// What makes no task, or a task of its own; `None` for every other method.
    fn at_once(&mut self, method: &Element, this: &Ref) -> Result<Option<Reply>, Fault> {
        let target = || this.moid().ok_or_else(|| not_found(this));
        let now = self.now;
        match method.name.as_str() {
            "CloneVM_Task" => return self.clone_vm(method, target()?).map(Some),
            "CreateFolder" => {
                let name = method.text_of("name").unwrap_or_default();
                let folder = self.vsphere.create_vm_folder(target()?, name)?;
                return answer(Val::moref(folder)).map(Some);
            }
            "AddCustomFieldDef" | "SetField" => return self.custom_field(method).map(Some),
            "ShutdownGuest" | "RebootGuest" | "ResetVM_Task" => {
                let machine = self.machine(target()?)?;
                let (vm, power, requested) = (machine.moid, machine.power, PowerState::PoweredOff);
                if power != PowerState::PoweredOn {
                    return Err(Fault::InvalidPowerState { existing: power, requested });
                }
                if method.name == "ShutdownGuest" {
                    self.vsphere.set_power(vm, requested, now)?;
                }
                if method.name == "ResetVM_Task" {
                    let user = self.user();
                    let task = self.vsphere.record_task("VirtualMachine.reset", vm, &user, Ok(None), now);
                    return answer(Val::moref(task)).map(Some);
                }
            }
            "MarkAsTemplate" | "MarkAsVirtualMachine" => {
                let vm = self.machine(target()?)?.moid;
                self.vsphere.set_template(vm, method.name == "MarkAsTemplate")?;
            }
            "UnregisterVM" => {
                let vm = self.machine(target()?)?.moid;
                self.vsphere.unregister(vm, now)?;
            }
            _ => return Ok(None),
        }
        Ok(Some(Reply::Answer(None)))
    }

    /// The machine, what is done to its snapshots, and how that ended.
    fn snapshot(
        &mut self,
        method: &Element,
        this: &Ref,
    ) -> Result<(Moid, &'static str, Result<(), Fault>), Fault> {
        let now = self.now;
        if method.name == "RemoveSnapshot_Task" {
            let number = this.id.strip_prefix("snapshot-").and_then(|number| number.parse().ok());
            let number: u64 = number.ok_or_else(|| not_found(this))?;
            let vm = self.vsphere.vm_of_snapshot(number).ok_or_else(|| not_found(this))?;
            let vm = self.machine(vm)?.moid;
            let done = self.vsphere.remove_snapshot(number, method.flag_of("removeChildren"), now);
            return Ok((vm, "VirtualMachineSnapshot.remove", done));
        }
        let vm = self.machine(this.moid().ok_or_else(|| not_found(this))?)?.moid;
        if method.name == "RemoveAllSnapshots_Task" {
            return Ok((vm, "VirtualMachine.removeAllSnapshots", self.vsphere.remove_all_snapshots(vm, now)));
        }
        let text = |name: &str| method.text_of(name).unwrap_or_default();
        let made = self.vsphere.create_snapshot(vm, text("name"), text("description"), now);
        Ok((vm, "VirtualMachine.createSnapshot", made.map(drop)))
    }

    fn machine(&self, moid: Moid) -> Result<&Vm, Fault> {
        let machine = self.vsphere.vm(moid).ok_or_else(|| Fault::gone(moid))?;
        if self.hides(moid) {
            return Err(Fault::NoPermission { object: format!("VirtualMachine:{moid}") });
        }
        Ok(machine)
    }

    fn clone_vm(&mut self, method: &Element, source: Moid) -> Result<Reply, Fault> {
        let machine = self.machine(source)?;
        let folder = method.ref_of("folder").ok_or_else(|| bad("folder"))?;
        let spec = method.child("spec").ok_or_else(|| bad("spec"))?;
        let location = spec.child("location");
        let placed = |name: &str| location.and_then(|one| one.ref_of(name)).and_then(|one| one.moid());
        let (pool, host) = (placed("pool"), placed("host"));
        let by_pool = self.vsphere.clusters().find(|one| Some(one.resource_pool) == pool);
        let by_host = self.vsphere.clusters().find(|one| host.is_some_and(|host| one.hosts.contains(&host)));
        let config = spec.child("config");
        let changes = location.into_iter().chain(config).flat_map(|one| one.all("deviceChange"));
        let network =
            changes.filter_map(|one| one.child("device")).find_map(|one| self.network_of(source, one));
        let plan = ClonePlan {
            name: method.text_of("name").unwrap_or_default().to_owned(),
            source,
            folder: folder.moid().ok_or_else(|| not_found(&folder))?,
            cluster: by_pool.or(by_host).map_or(machine.cluster, |cluster| cluster.moid),
            datastore: placed("datastore").unwrap_or(machine.datastore),
            cpu: config.and_then(|one| one.number_of("numCPUs")),
            memory_mib: config.and_then(|one| one.number_of("memoryMB")),
            network,
            extra_config: config.map(extra_config).unwrap_or_default(),
            power_on: spec.flag_of("powerOn"),
            is_template: spec.flag_of("template"),
            description: None,
            created_for_uid: None,
            user: self.user(),
        };
        let duration = SignedDuration::from_millis(i64::try_from(self.clone_ms).unwrap_or(i64::MAX));
        answer(Val::moref(self.vsphere.begin_planned_clone(plan, duration, self.now)?))
    }

    /// What `spec` changes, told as one event. A fault leaves done what came before it.
    fn reconfigure(&mut self, vm: Moid, spec: &Element) -> Result<(), Fault> {
        self.vsphere.begin_reconfiguration();
        let done = self.change_parts(vm, spec);
        self.vsphere.end_reconfiguration(vm, self.now);
        done
    }

    /// The changes in the order in which vSphere checks them.
    fn change_parts(&mut self, vm: Moid, spec: &Element) -> Result<(), Fault> {
        let now = self.now;
        if let Some(name) = spec.text_of("name").filter(|name| !name.is_empty()) {
            self.vsphere.rename(vm, name, now)?;
        }
        if let Some(cpu) = spec.number_of("numCPUs").filter(|cpu| *cpu != 0) {
            self.vsphere.set_cpu(vm, cpu, now)?;
        }
        if let Some(memory) = spec.number_of("memoryMB").filter(|memory| *memory != 0) {
            self.vsphere.set_memory(vm, memory, now)?;
        }
        if let Some(annotation) = spec.text_of("annotation") {
            self.vsphere.set_annotation(vm, annotation, now)?;
        }
        if let Some(firmware) = spec.text_of("firmware").filter(|firmware| !firmware.is_empty()) {
            self.vsphere.set_firmware(vm, firmware, now)?;
        }
        for change in spec.all("deviceChange") {
            self.change_device(vm, change)?;
        }
        for (key, value) in extra_config(spec) {
            self.vsphere.set_extra_config(vm, &key, &value, now)?;
        }
        Ok(())
    }

    fn change_device(&mut self, vm: Moid, change: &Element) -> Result<(), Fault> {
        let now = self.now;
        let device = change.child("device").ok_or_else(|| bad("deviceChange.device"))?;
        let operation = change.text_of("operation").unwrap_or_default();
        let key = device.number_of("key").unwrap_or_default();
        if operation == "remove" {
            return self.vsphere.remove_device(vm, key, now);
        }
        if device.xsi_type.as_deref() == Some("VirtualDisk") {
            let kib = device.number_of::<u64>("capacityInKB");
            let bytes = device.number_of::<u64>("capacityInBytes");
            let gib = bytes.map(|bytes| bytes >> 30).or(kib.map(|kib| kib >> 20)).unwrap_or_default();
            let datastore = device.child("backing").and_then(|one| one.ref_of("datastore"));
            return match operation {
                "add" => {
                    let datastore = datastore.and_then(|one| one.moid());
                    self.vsphere.add_disk(vm, gib, datastore, now).map(drop)
                }
                "edit" => self.vsphere.grow_disk(vm, key, gib, now),
                _ => Err(bad("deviceChange.operation")),
            };
        }
        let network = self.network_of(vm, device).ok_or_else(|| bad("deviceChange.device.backing"))?;
        match operation {
            "add" => self.vsphere.add_nic(vm, network, now).map(drop),
            "edit" => self.vsphere.set_nic_network(vm, key, network, now),
            _ => Err(bad("deviceChange.operation")),
        }
    }

    /// The port group that an adapter's backing names: by key, by reference, or by name in the VM's data centre.
    fn network_of(&self, vm: Moid, device: &Element) -> Option<Moid> {
        let backing = device.child("backing")?;
        let is_network = |moid: &Moid| matches!(moid.kind(), Kind::Network | Kind::PortGroup);
        if let Some(key) = backing.child("port").and_then(|port| port.text_of("portgroupKey")) {
            return Moid::parse(key).filter(is_network);
        }
        let named = backing.ref_of("network").and_then(|one| one.moid()).filter(is_network);
        named.or_else(|| {
            let datacenter = self.vsphere.datacenter_of(vm)?.moid;
            self.vsphere.network_by_name(datacenter, backing.text_of("deviceName")?).ok()
        })
    }

    fn custom_field(&mut self, method: &Element) -> Result<Reply, Fault> {
        if method.name == "AddCustomFieldDef" {
            let name = method.text_of("name").unwrap_or_default();
            let key = self.vsphere.define_custom_field(name)?;
            let fields =
                vec![("key", Val::int(key)), ("name", Val::text(name)), ("type", Val::text("string"))];
            return answer(Val::of("CustomFieldDef", fields));
        }
        let vm = method.ref_of("entity").and_then(|one| one.moid()).ok_or_else(|| bad("entity"))?;
        let vm = self.machine(vm)?.moid;
        let key: usize = method.number_of("key").ok_or_else(|| bad("key"))?;
        let name = self.vsphere.custom_fields().get(key).cloned().ok_or_else(|| bad("key"))?;
        let value = method.text_of("value").unwrap_or_default();
        self.vsphere.set_custom_value(vm, &name, value, self.now)?;
        Ok(Reply::Answer(None))
    }
}

fn extra_config(spec: &Element) -> BTreeMap<String, String> {
    let option = |one: &Element| {
        let value = one.child("value").map(|value| value.text.clone()).unwrap_or_default();
        Some((one.text_of("key")?.to_owned(), value))
    };
    spec.all("extraConfig").filter_map(option).collect()
}
