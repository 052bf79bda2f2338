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
        let target = || this.moid().ok_or_else(|| not_found(this));
        let (user, now) = (self.user(), self.now);
        let (what, entity, outcome) = match method.name.as_str() {
            "CloneVM_Task" => return self.clone_vm(method, target()?),
            "CreateFolder" => {
                let name = method.text_of("name").unwrap_or_default();
                return answer(Val::moref(self.vsphere.create_vm_folder(target()?, name)?));
            }
            "AddCustomFieldDef" | "SetField" => return self.custom_field(method),
            "ShutdownGuest" | "RebootGuest" => {
                let machine = self.machine(target()?)?;
                let (moid, power) = (machine.moid, machine.power);
                let requested = PowerState::PoweredOff;
                if power != PowerState::PoweredOn {
                    return Err(Fault::InvalidPowerState { existing: power, requested });
                }
                if method.name == "ShutdownGuest" {
                    self.vsphere.set_power(moid, requested, now)?;
                }
                return Ok(Reply::Answer(None));
            }
            "MarkAsTemplate" | "MarkAsVirtualMachine" => {
                self.vsphere.set_template(target()?, method.name == "MarkAsTemplate")?;
                return Ok(Reply::Answer(None));
            }
            "PowerOnVM_Task" => {
                let vm = self.machine(target()?)?.moid;
                ("VirtualMachine.powerOn", vm, self.vsphere.set_power(vm, PowerState::PoweredOn, now))
            }
            "PowerOffVM_Task" => {
                let vm = self.machine(target()?)?.moid;
                ("VirtualMachine.powerOff", vm, self.vsphere.set_power(vm, PowerState::PoweredOff, now))
            }
            "Rename_Task" => {
                let vm = self.machine(target()?)?.moid;
                let name = method.text_of("newName").unwrap_or_default();
                ("VirtualMachine.rename", vm, self.vsphere.rename(vm, name, now))
            }
            "Destroy_Task" => {
                let vm = self.machine(target()?)?.moid;
                ("VirtualMachine.destroy", vm, self.vsphere.destroy(vm, now))
            }
            "ReconfigVM_Task" => {
                let vm = self.machine(target()?)?.moid;
                let spec = method.child("spec").ok_or_else(|| bad("spec"))?;
                ("VirtualMachine.reconfigure", vm, self.reconfigure(vm, spec))
            }
            "MoveIntoFolder_Task" => {
                let folder = target()?;
                let vms = method.all("list").filter_map(|one| one.moref().moid());
                let moved = vms.into_iter().try_for_each(|vm| self.vsphere.move_into_folder(vm, folder));
                ("Folder.moveInto", folder, moved)
            }
            other => return Err(invalid_request(&format!("no vmomi type defined for '{other}'"))),
        };
        let task = self.vsphere.record_task(what, entity, &user, outcome.map(|()| None), now);
        answer(Val::moref(task))
    }

    fn machine(&self, moid: Moid) -> Result<&Vm, Fault> {
        self.vsphere.vm(moid).ok_or_else(|| Fault::gone(moid))
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

    /// What `spec` changes, in the order in which vSphere checks it. A fault leaves done what came before it.
    fn reconfigure(&mut self, vm: Moid, spec: &Element) -> Result<(), Fault> {
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
