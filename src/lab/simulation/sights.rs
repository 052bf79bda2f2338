//! How vCenter's model is looked at: as the bridge's client sees it, and independently of the bridge's own
//! comparison, for the invariant that nothing is done that vCenter does not show.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::lab::vsphere::{PowerState, Vm, Vsphere};
use crate::vm_request::preflight::{DatacenterFacts, InventoryFacts};
use crate::vm_request::sighting::{DiskSighting, NicSighting, VmSighting};
use crate::vm_request::spec::{Address, VmSpec};

/// The VMs that carry `vm_uid`, and those of the name in the place, as the client's search finds them.
pub(super) fn find(
    vsphere: &Vsphere,
    vm_uid: Option<&str>,
    place: Option<&VmSpec>,
    now: Timestamp,
) -> Vec<VmSighting> {
    let carries = |vm: &Vm| vm_uid.is_some() && vm.vm_uid() == vm_uid;
    let in_place =
        |vm: &Vm| place.is_some_and(|spec| vm.name == spec.vm_name && vsphere.folder_path(vm) == spec.folder);
    vsphere.vms().filter(|vm| carries(vm) || in_place(vm)).map(|vm| sighting(vsphere, vm, now)).collect()
}

fn sighting(vsphere: &Vsphere, vm: &Vm, now: Timestamp) -> VmSighting {
    let named = |moid| vsphere.name_of(moid).map(str::to_owned);
    let nics = vm.nics.iter().map(|nic| NicSighting {
        key: nic.key,
        label: nic.label.clone(),
        nic_type: "vmxnet3".to_owned(),
        network: named(nic.network),
        mac: Some(nic.mac.clone()),
        connected: Some(nic.connected),
    });
    let disks = vm.disks.iter().map(|disk| DiskSighting {
        key: disk.key,
        label: disk.label.clone(),
        capacity_mib: disk.capacity_gib * 1_024,
        thin: Some(disk.thin),
        file: Some(disk.file.clone()),
        base_file: Some(disk.file.clone()),
    });
    VmSighting {
        seen_at: now,
        moid: vm.moid.to_string(),
        instance_uuid: Some(vm.instance_uuid.to_string()),
        bios_uuid: Some(vm.bios_uuid.to_string()),
        vm_uid: vm.vm_uid().map(str::to_owned),
        name: vm.name.clone(),
        is_template: vm.is_template,
        folder: vsphere.folder_path(vm),
        datacenter: vsphere.datacenter_of(vm.moid).map(|datacenter| datacenter.name.clone()),
        cluster: named(vm.cluster),
        host: named(vm.host),
        cpu: Some(vm.cpu),
        memory_mib: Some(vm.memory_mib),
        power: Some(vm.power),
        datastores: named(vm.datastore).into_iter().collect(),
        nics: nics.collect(),
        disks: disks.collect(),
        ip_address: vm.reported_ip().map(str::to_owned),
        guest_hostname: vm.reported_hostname().map(str::to_owned),
        firmware: None,
        connection: Some("connected".to_owned()),
        snapshots: Vec::new(),
        custom_values: BTreeMap::new(),
    }
}

/// The names that the preflight is told.
pub(super) fn inventory(vsphere: &Vsphere, datacenter: &str) -> InventoryFacts {
    let names = |found: Vec<&str>| found.into_iter().map(str::to_owned).collect::<BTreeSet<String>>();
    let resources = names(vsphere.resources().map(|one| one.name.as_str()).collect());
    let facts = vsphere.datacenter_by_name(datacenter).ok().map(|_| DatacenterFacts {
        clusters: names(vsphere.clusters().map(|one| one.name.as_str()).collect()),
        datastores: resources.clone(),
        networks: resources,
        folders: names(vsphere.folders().map(|one| one.name.as_str()).collect()),
        templates: names(vsphere.vms().filter(|vm| vm.is_template).map(|vm| vm.name.as_str()).collect()),
    });
    InventoryFacts { datacenter: facts, datacenters: BTreeSet::from([datacenter.to_owned()]) }
}

/// A clone of this name that vCenter has not finished.
pub(super) fn running_clone(vsphere: &Vsphere, name: &str) -> Option<String> {
    let mut tasks = vsphere.tasks();
    let clones = |name: &str, target: Option<&str>| target == Some(name);
    tasks
        .find(|task| !task.state.is_final() && clones(name, task.target_name.as_deref()))
        .map(|task| task.moid.to_string())
}

/// The VMs that came to be for `vm_uid`, marked or not.
pub(super) fn built_for(vsphere: &Vsphere, vm_uid: &str) -> BTreeSet<String> {
    let cloned_for = format!("causeway vm_uid={vm_uid}");
    let is_for = |vm: &&Vm| {
        let task = vm.created_by_task.and_then(|task| vsphere.task(task));
        vm.vm_uid() == Some(vm_uid)
            || task.is_some_and(|task| task.description.as_deref() == Some(&cloned_for))
    };
    vsphere.vms().filter(is_for).map(|vm| vm.moid.to_string()).collect()
}

/// What vCenter does not show of what was asked; written without the bridge's own comparison.
pub(super) fn not_shown(vsphere: &Vsphere, spec: &VmSpec, vm_uid: &str) -> Option<String> {
    let marked: Vec<&Vm> = vsphere.vms().filter(|vm| vm.vm_uid() == Some(vm_uid)).collect();
    let [vm] = marked.as_slice() else { return Some(format!("{} VMs carry the identity", marked.len())) };
    let plain = [
        ("name", vm.name == spec.vm_name),
        ("cpu", vm.cpu == spec.cpu),
        ("memory", vm.memory_mib == spec.memory_mib),
        ("folder", vsphere.folder_path(vm) == spec.folder),
        ("power", vm.power == PowerState::PoweredOn),
        ("template", !vm.is_template),
        ("adapters", vm.nics.len() == spec.nics.len()),
    ];
    if let Some((field, _)) = plain.iter().find(|(_, fits)| !fits) {
        return Some((*field).to_owned());
    }
    let on_network = |(nic, wanted): (&crate::lab::vsphere::Nic, &crate::vm_request::spec::NicSpec)| {
        vsphere.name_of(nic.network) == Some(wanted.network.as_str())
    };
    if !vm.nics.iter().zip(&spec.nics).all(on_network) {
        return Some("networks".to_owned());
    }
    let mut sizes: Vec<u64> = vm.disks.iter().skip(1).map(|disk| disk.capacity_gib).collect();
    let mut wanted: Vec<u64> = spec.disks.iter().map(|disk| disk.size_gib).collect();
    sizes.sort_unstable();
    wanted.sort_unstable();
    if sizes != wanted {
        return Some(format!("disks {sizes:?} instead of {wanted:?}"));
    }
    if !spec.expects_address {
        return None;
    }
    let fits = match spec.nics.first().map(|nic| &nic.address) {
        Some(Address::Static { ip, .. }) => vm.reported_ip() == Some(ip.to_string().as_str()),
        Some(Address::Dhcp) | None => vm.reported_ip().is_some(),
    };
    (!fits).then(|| "address".to_owned())
}
