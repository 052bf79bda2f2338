//! Virtual machines: `config`, `summary`, `guest`, `runtime` and what hangs beside them.

use super::Scene;
use super::entity::green;
use super::resources::uses_datastore;
use super::vm_snapshots::{root_snapshots, snapshot_info};
use crate::lab::vcenter::value::Val;
use crate::lab::vsphere::{Kind, Moid, PowerState, Vm, power_state_name};

pub(super) const NAMES: [&str; 11] = [
    "config",
    "resourcePool",
    "runtime",
    "guest",
    "summary",
    "datastore",
    "network",
    "snapshot",
    "rootSnapshot",
    "guestHeartbeatStatus",
    "environmentBrowser",
];

impl Scene<'_> {
    pub(super) fn vm_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let vm = self.vsphere.vm(moid)?;
        Some(match name {
            "config" => self.config(vm),
            "runtime" => self.runtime(vm),
            "guest" => self.guest(vm),
            "summary" => self.summary(vm),
            "resourcePool" => Val::maybe(vm.resource_pool, Val::moref),
            "datastore" => {
                let all = self.vsphere.resources().map(|one| one.moid);
                let stores = all.filter(|one| one.kind() == Kind::Datastore && uses_datastore(vm, *one));
                Val::refs(stores)
            }
            "network" => {
                let networks: std::collections::BTreeSet<Moid> =
                    vm.nics.iter().map(|nic| nic.network).collect();
                Val::refs(networks)
            }
            "customValue" | "value" => self.custom_values(vm),
            "rootSnapshot" => root_snapshots(vm),
            "snapshot" => snapshot_info(vm),
            "guestHeartbeatStatus" => Val::Word("ManagedEntityStatus", "gray".to_owned()),
            "parentVApp" | "layout" | "layoutEx" | "storage" => Val::Unset,
            "environmentBrowser" | "capability" | "resourceConfig" => Val::Unset,
            other => return self.entity_property(moid, other),
        })
    }

    fn config(&self, vm: &Vm) -> Val {
        let option = |(key, value): (&String, &String)| {
            let value = Val::any(Val::text(value));
            Val::one_of("OptionValue", vec![("key", Val::text(key)), ("value", value)])
        };
        Val::of(
            "VirtualMachineConfigInfo",
            vec![
                ("changeVersion", Val::Text(vm.change_version())),
                ("modified", Val::Time(vm.config_changed_at)),
                ("name", Val::text(&vm.name)),
                ("guestFullName", Val::text(&vm.guest_full_name)),
                ("version", Val::text("vmx-20")),
                ("uuid", Val::Text(vm.bios_uuid.to_string())),
                ("createDate", Val::Time(vm.created_at)),
                ("instanceUuid", Val::Text(vm.instance_uuid.to_string())),
                ("locationId", Val::Unset),
                ("template", Val::Bool(vm.is_template)),
                ("guestId", Val::text(&vm.guest_id)),
                ("alternateGuestName", Val::text("")),
                ("annotation", Val::text(&vm.annotation)),
                ("files", self.files(vm)),
                ("tools", Val::Unset),
                ("hardware", self.hardware(vm)),
                ("cpuAllocation", Val::Unset),
                ("memoryAllocation", Val::Unset),
                ("memoryHotAddEnabled", Val::Bool(false)),
                ("cpuHotAddEnabled", Val::Bool(false)),
                ("extraConfig", Val::List("OptionValue", vm.extra_config.iter().map(option).collect())),
                ("datastoreUrl", Val::Unset),
                ("bootOptions", Val::Unset),
                ("vAppConfig", Val::Unset),
                ("firmware", Val::text(&vm.firmware)),
                ("managedBy", Val::Unset),
            ],
        )
    }

    fn hardware(&self, vm: &Vm) -> Val {
        Val::of(
            "VirtualHardware",
            vec![
                ("numCPU", Val::int(vm.cpu)),
                ("numCoresPerSocket", Val::Int(1)),
                ("memoryMB", Val::int(vm.memory_mib)),
                ("device", Val::List("VirtualDevice", self.devices(vm))),
            ],
        )
    }

    fn vm_path_name(&self, vm: &Vm) -> Val {
        let store = self.vsphere.name_of(vm.datastore).unwrap_or_default();
        Val::Text(format!("[{store}] {name}/{name}.vmx", name = vm.name))
    }

    fn files(&self, vm: &Vm) -> Val {
        Val::of("VirtualMachineFileInfo", vec![("vmPathName", self.vm_path_name(vm))])
    }

    fn runtime(&self, vm: &Vm) -> Val {
        let blank = |type_name: &'static str| {
            if self.blank_enums { Val::Word(type_name, String::new()) } else { Val::Unset }
        };
        Val::of(
            "VirtualMachineRuntimeInfo",
            vec![
                ("host", Val::moref(vm.host)),
                ("connectionState", Val::Word("VirtualMachineConnectionState", "connected".to_owned())),
                ("powerState", power(vm)),
                ("faultToleranceState", blank("VirtualMachineFaultToleranceState")),
                ("toolsInstallerMounted", Val::Bool(false)),
                ("suspendTime", Val::Unset),
                ("bootTime", Val::maybe(vm.boot_time, Val::Time)),
                ("question", Val::Unset),
                ("maxCpuUsage", Val::Unset),
                ("maxMemoryUsage", Val::int(vm.memory_mib)),
                ("numMksConnections", Val::Int(0)),
                ("recordReplayState", blank("VirtualMachineRecordReplayState")),
                ("consolidationNeeded", Val::Bool(false)),
            ],
        )
    }

    fn guest(&self, vm: &Vm) -> Val {
        let nic = |nic: &crate::lab::vsphere::Nic| {
            let first = vm.nics.first().is_some_and(|first| first.key == nic.key);
            let ip = vm.reported_ip().filter(|_| first);
            Val::of(
                "GuestNicInfo",
                vec![
                    ("network", Val::maybe(self.vsphere.name_of(nic.network), Val::text)),
                    ("ipAddress", Val::List("string", ip.map(Val::text).into_iter().collect())),
                    ("macAddress", Val::text(&nic.mac)),
                    ("connected", Val::Bool(nic.connected)),
                    ("deviceConfigId", Val::Int(nic.key)),
                ],
            )
        };
        let reports = tools_run(vm);
        let nics = if reports { vm.nics.iter().map(nic).collect() } else { Vec::new() };
        let state = if vm.power == PowerState::PoweredOn { "running" } else { "notRunning" };
        Val::of(
            "GuestInfo",
            vec![
                ("toolsStatus", tools_status(reports)),
                ("toolsVersionStatus", Val::text("guestToolsUnmanaged")),
                ("toolsVersionStatus2", Val::text("guestToolsUnmanaged")),
                ("toolsRunningStatus", tools_running(reports)),
                ("toolsVersion", Val::text("12352")),
                ("guestId", Val::maybe(Some(&vm.guest_id).filter(|_| reports), Val::text)),
                ("guestFamily", Val::Unset),
                ("guestFullName", Val::maybe(Some(&vm.guest_full_name).filter(|_| reports), Val::text)),
                ("hostName", Val::maybe(vm.reported_hostname(), Val::text)),
                ("ipAddress", Val::maybe(vm.reported_ip(), Val::text)),
                ("net", Val::List("GuestNicInfo", nics)),
                ("ipStack", Val::Unset),
                ("disk", Val::Unset),
                ("guestState", Val::text(state)),
                ("guestOperationsReady", Val::Bool(reports)),
                ("customizationInfo", Val::Unset),
            ],
        )
    }

    fn summary(&self, vm: &Vm) -> Val {
        let reports = tools_run(vm);
        let guest = vec![
            ("toolsStatus", tools_status(reports)),
            ("toolsRunningStatus", tools_running(reports)),
            ("hostName", Val::maybe(vm.reported_hostname(), Val::text)),
            ("ipAddress", Val::maybe(vm.reported_ip(), Val::text)),
        ];
        let config = vec![
            ("name", Val::text(&vm.name)),
            ("template", Val::Bool(vm.is_template)),
            ("vmPathName", self.vm_path_name(vm)),
            ("memorySizeMB", Val::int(vm.memory_mib)),
            ("cpuReservation", Val::Int(0)),
            ("memoryReservation", Val::Int(0)),
            ("numCpu", Val::int(vm.cpu)),
            ("numEthernetCards", Val::int(vm.nics.len())),
            ("numVirtualDisks", Val::int(vm.disks.len())),
            ("uuid", Val::Text(vm.bios_uuid.to_string())),
            ("instanceUuid", Val::Text(vm.instance_uuid.to_string())),
            ("guestId", Val::text(&vm.guest_id)),
            ("guestFullName", Val::text(&vm.guest_full_name)),
            ("annotation", Val::text(&vm.annotation)),
        ];
        let heartbeat = Val::Word("ManagedEntityStatus", "gray".to_owned());
        Val::of(
            "VirtualMachineSummary",
            vec![
                ("vm", Val::moref(vm.moid)),
                ("runtime", self.runtime(vm)),
                ("guest", Val::of("VirtualMachineGuestSummary", guest)),
                ("config", Val::of("VirtualMachineConfigSummary", config)),
                ("storage", Val::Unset),
                (
                    "quickStats",
                    Val::of("VirtualMachineQuickStats", vec![("guestHeartbeatStatus", heartbeat)]),
                ),
                ("overallStatus", green()),
            ],
        )
    }

    fn custom_values(&self, vm: &Vm) -> Val {
        let fields = self.vsphere.custom_fields().iter().enumerate();
        let value = |(key, name): (usize, &String)| {
            let value = vm.custom_values.get(name)?;
            let fields = vec![("key", Val::int(key)), ("value", Val::text(value))];
            Some(Val::one_of("CustomFieldStringValue", fields))
        };
        Val::List("CustomFieldValue", fields.filter_map(value).collect())
    }
}

fn power(vm: &Vm) -> Val {
    Val::Word("VirtualMachinePowerState", power_state_name(vm.power).to_owned())
}

/// The lab's guests have tools, and tools report from the moment the guest has an address or a name.
fn tools_run(vm: &Vm) -> bool {
    vm.reported_ip().is_some() || vm.reported_hostname().is_some()
}

fn tools_status(reports: bool) -> Val {
    let word = if reports { "toolsOk" } else { "toolsNotRunning" };
    Val::Word("VirtualMachineToolsStatus", word.to_owned())
}

fn tools_running(reports: bool) -> Val {
    Val::text(if reports { "guestToolsRunning" } else { "guestToolsNotRunning" })
}
