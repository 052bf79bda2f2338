//! The virtual hardware of a machine as `config.hardware.device` shows it: one SCSI controller, disks, adapters.

use super::Scene;
use super::vm_snapshots::chain_length;
use crate::lab::vcenter::value::{Ref, Val};
use crate::lab::vsphere::{Disk, Kind, Nic, Vm};

/// Key of the one SCSI controller.
const CONTROLLER_KEY: i32 = 1000;
/// Key of the PCI controller that the adapters hang on.
const PCI_KEY: i32 = 100;

impl Scene<'_> {
    pub(super) fn devices(&self, vm: &Vm) -> Vec<Val> {
        let keys = |keys: Vec<i32>| Val::List("int", keys.into_iter().map(Val::Int).collect());
        let disk_keys = vm.disks.iter().map(|disk| disk.key).collect();
        let pci_keys = std::iter::once(CONTROLLER_KEY).chain(vm.nics.iter().map(|nic| nic.key)).collect();
        let pci = vec![
            ("key", Val::Int(PCI_KEY)),
            ("deviceInfo", described("PCI controller 0", "PCI controller 0")),
            ("busNumber", Val::Int(0)),
            ("device", keys(pci_keys)),
        ];
        let scsi = vec![
            ("key", Val::Int(CONTROLLER_KEY)),
            ("deviceInfo", described("SCSI controller 0", "VMware paravirtual SCSI")),
            ("controllerKey", Val::Int(PCI_KEY)),
            ("unitNumber", Val::Int(3)),
            ("busNumber", Val::Int(0)),
            ("device", keys(disk_keys)),
            ("hotAddRemove", Val::Bool(true)),
            ("sharedBus", Val::Word("VirtualSCSISharing", "noSharing".to_owned())),
            ("scsiCtlrUnitNumber", Val::Int(7)),
        ];
        let controllers =
            [Val::one_of("VirtualPCIController", pci), Val::one_of("ParaVirtualSCSIController", scsi)];
        let depth = chain_length(vm);
        let disks = vm.disks.iter().map(|disk| self.disk(disk, depth));
        let nics = vm.nics.iter().enumerate().map(|(at, nic)| self.nic(at, nic));
        controllers.into_iter().chain(disks).chain(nics).collect()
    }

    #[expect(clippy::unused_self, reason = "beside its sibling, which needs the names of networks")]
    fn disk(&self, disk: &Disk, depth: usize) -> Val {
        let capacity_kib = disk.capacity_gib.saturating_mul(1 << 20);
        Val::one_of(
            "VirtualDisk",
            vec![
                ("key", Val::Int(disk.key)),
                ("deviceInfo", described(&disk.label, &format!("{capacity_kib} KB"))),
                ("backing", disk_backing(disk, depth)),
                ("controllerKey", Val::Int(CONTROLLER_KEY)),
                ("unitNumber", Val::Int(disk.unit_number)),
                ("capacityInKB", Val::long(capacity_kib)),
                ("capacityInBytes", Val::long(capacity_kib.saturating_mul(1024))),
            ],
        )
    }

    fn nic(&self, at: usize, nic: &Nic) -> Val {
        let name = self.vsphere.name_of(nic.network).unwrap_or_default();
        let (summary, backing) = if nic.network.kind() == Kind::PortGroup {
            let port = vec![
                ("switchUuid", Val::Text(self.switch_uuid())),
                ("portgroupKey", Val::Text(nic.network.to_string())),
                ("portKey", Val::int(at)),
            ];
            let port = Val::of("DistributedVirtualSwitchPortConnection", port);
            let type_name = "VirtualEthernetCardDistributedVirtualPortBackingInfo";
            (format!("DVSwitch: {}", self.switch_uuid()), Val::one_of(type_name, vec![("port", port)]))
        } else {
            let fields = vec![
                ("deviceName", Val::text(name)),
                ("useAutoDetect", Val::Bool(false)),
                ("network", Val::moref(nic.network)),
            ];
            (name.to_owned(), Val::one_of("VirtualEthernetCardNetworkBackingInfo", fields))
        };
        let connectable = vec![
            ("startConnected", Val::Bool(true)),
            ("allowGuestControl", Val::Bool(true)),
            ("connected", Val::Bool(nic.connected)),
            ("status", Val::text("ok")),
        ];
        Val::one_of(
            "VirtualVmxnet3",
            vec![
                ("key", Val::Int(nic.key)),
                ("deviceInfo", described(&nic.label, &summary)),
                ("backing", backing),
                ("connectable", Val::of("VirtualDeviceConnectInfo", connectable)),
                ("controllerKey", Val::Int(PCI_KEY)),
                ("unitNumber", Val::int(at + 7)),
                ("addressType", Val::text("assigned")),
                ("macAddress", Val::text(&nic.mac)),
                ("wakeOnLanEnabled", Val::Bool(true)),
            ],
        )
    }

    pub(super) fn switch_uuid(&self) -> String {
        uuid::Uuid::new_v5(&self.vsphere.instance_uuid(), b"dvs").to_string()
    }

    /// The one distributed switch that all distributed port groups belong to.
    #[expect(clippy::unused_self, reason = "a vSphere has its switch, even if all have the same id")]
    pub(super) fn switch(&self) -> Ref {
        Ref::new("DistributedVirtualSwitch", "dvs-1")
    }
}

/// A disk's file, which is a new one upon the one before it for each snapshot.
fn disk_backing(disk: &Disk, depth: usize) -> Val {
    let file = match (depth, disk.file.strip_suffix(".vmdk")) {
        (0, _) | (_, None) => disk.file.clone(),
        (_, Some(stem)) => format!("{stem}-{depth:06}.vmdk"),
    };
    let parent = depth.checked_sub(1).map(|below| disk_backing(disk, below));
    let fields = vec![
        ("fileName", Val::Text(file)),
        ("datastore", Val::moref(disk.datastore)),
        ("diskMode", Val::text("persistent")),
        ("thinProvisioned", Val::Bool(disk.thin)),
        ("parent", parent.unwrap_or(Val::Unset)),
    ];
    Val::one_of("VirtualDiskFlatVer2BackingInfo", fields)
}

fn described(label: &str, summary: &str) -> Val {
    Val::one_of("Description", vec![("label", Val::text(label)), ("summary", Val::text(summary))])
}
