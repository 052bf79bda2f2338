//! Three sides, field by field.

use super::*;
use crate::vm_request::sighting::PowerState;
use crate::vm_request::watch::compare::{Compared, HostSide, VmSide, compare};

type Told<'t> = Vec<(&'t str, DriftVerdict)>;

fn told(compared: &Compared) -> Told<'_> {
    compared.drifts.iter().map(|drift| (drift.field.as_str(), drift.verdict)).collect()
}

/// Compares with `vm` in vCenter and the host as `edit` leaves it.
fn with(vm: &VmSighting, edit: impl FnOnce(&mut Map<String, Value>)) -> Compared {
    let desired = desired();
    let mut variables = host(&desired);
    edit(&mut variables);
    compare(&desired, VmSide::Seen(vm), HostSide::Seen(&variables))
}

#[test]
fn a_vm_as_it_was_verified_is_in_sync() {
    assert_eq!(told(&with(&fixtures::vm(), |_| ())), []);
}

#[test]
fn what_vcenter_shows_differently_is_told_field_by_field() {
    use DriftVerdict::{BenignMove, VcenterChanged};
    type Change = fn(&mut VmSighting);
    let table: [(Change, &str, DriftVerdict); 17] = [
        (|vm| vm.name = "other".into(), "name", VcenterChanged),
        (|vm| vm.power = Some(PowerState::PoweredOff), "power", VcenterChanged),
        (|vm| vm.cpu = Some(8), "cpu", VcenterChanged),
        (|vm| vm.memory_mib = Some(1), "memory_mib", VcenterChanged),
        (|vm| vm.firmware = Some("efi".into()), "firmware", VcenterChanged),
        (|vm| vm.is_template = true, "template", VcenterChanged),
        (|vm| vm.folder = "elsewhere".into(), "folder", VcenterChanged),
        (|vm| vm.cluster = Some("C9".into()), "cluster", BenignMove),
        (|vm| vm.host = Some("esx9".into()), "host_system", BenignMove),
        (|vm| vm.datastores = vec!["ds9".into()], "datastores", BenignMove),
        (|vm| vm.ip_address = Some("10.9.9.9".into()), "ip_address", VcenterChanged),
        (|vm| vm.nics[0].network = Some("dmz".into()), "networks", VcenterChanged),
        (|vm| vm.nics[0].mac = Some("00:50:56:00:00:99".into()), "nics[4000].mac", VcenterChanged),
        (|vm| vm.nics.clear(), "nics[4000]", VcenterChanged),
        (|vm| vm.disks[1].capacity_mib = 1, "disks[2001].capacity_mib", VcenterChanged),
        (|vm| drop(vm.disks.pop()), "disks[2001]", VcenterChanged),
        (|vm| vm.snapshots = vec!["before".into()], "snapshots", VcenterChanged),
    ];
    for (change, field, verdict) in table {
        assert_eq!(told(&with(&changed(change), |_| ())), [(field, verdict)], "{field}");
    }
}

#[test]
fn what_vcenter_left_unset_is_no_difference() {
    let bare = changed(|vm| {
        (vm.cpu, vm.memory_mib, vm.power, vm.firmware, vm.ip_address) = (None, None, None, None, None);
        (vm.cluster, vm.host, vm.instance_uuid, vm.bios_uuid) = (None, None, None, None);
        vm.datastores.clear();
    });
    assert_eq!(told(&with(&bare, |_| ())), []);
}

#[test]
fn a_backup_changes_a_disk_s_file_and_not_its_base_file() {
    let desired = {
        let mut desired = desired();
        desired.baseline.disks[0].base_file = Some("[ds1] web01/web01.vmdk".into());
        desired
    };
    let at_night = changed(|vm| {
        vm.disks[0].file = Some("[ds1] web01/web01-000001.vmdk".into());
        vm.disks[0].base_file = Some("[ds1] web01/web01.vmdk".into());
    });
    assert_eq!(told(&compare(&desired, VmSide::Seen(&at_night), HostSide::Unknown)), []);
    let replaced = changed(|vm| vm.disks[0].base_file = Some("[ds1] web01/other.vmdk".into()));
    let compared = compare(&desired, VmSide::Seen(&replaced), HostSide::Unknown);
    assert_eq!(told(&compared), [("disks[2000].base_file", DriftVerdict::VcenterChanged)]);
    let moved = changed(|vm| {
        vm.datastores = vec!["ds2".into()];
        vm.disks[0].base_file = Some("[ds2] web01/web01.vmdk".into());
    });
    let compared = compare(&desired, VmSide::Seen(&moved), HostSide::Unknown);
    let verdicts: Vec<DriftVerdict> = compared.drifts.iter().map(|drift| drift.verdict).collect();
    assert_eq!(verdicts, [DriftVerdict::BenignMove, DriftVerdict::BenignMove]);
}

#[test]
fn the_inventory_is_stale_where_it_contradicts_vcenter_and_agrees_with_nobody() {
    for (key, value, field) in [
        ("vm_id", json!("00000000-0000-0000-0000-000000000000"), "instance_uuid"),
        ("vm_name", json!("other"), "name"),
        ("vm_state", json!("powered_off"), "power"),
        ("vm_state", json!("failed"), "vm_state"),
        ("vm_moid", json!("vm-1"), "moid"),
        ("ip_address", json!("10.9.9.9"), "ip_address"),
        ("networks", json!([{ "network_name": "dmz" }]), "networks"),
        ("os_type", json!("windows"), "os_type"),
        ("vm_uid", json!("00000000-0000-0000-0000-000000000000"), "vm_uid"),
    ] {
        let compared = with(&fixtures::vm(), |host| drop(host.insert(key.to_owned(), value.clone())));
        assert_eq!(told(&compared), [(field, DriftVerdict::InventoryStale)], "{key}");
    }
}

#[test]
fn a_change_that_the_inventory_knows_of_supersedes_what_was_asked() {
    let off = changed(|vm| vm.power = Some(PowerState::PoweredOff));
    let compared = with(&off, |host| drop(host.insert("vm_state".to_owned(), json!("powered_off"))));
    assert_eq!(told(&compared), [("power", DriftVerdict::Superseded)]);
    let compared =
        with(&fixtures::vm(), |host| drop(host.insert("execution_id".to_owned(), json!("local_1"))));
    assert_eq!(told(&compared), [("execution_id", DriftVerdict::Superseded)]);
}

#[test]
fn what_cannot_be_told_is_told_as_that_and_nothing_else() {
    let away = changed(|vm| (vm.connection, vm.cpu) = (Some("disconnected".into()), Some(99)));
    let compared = with(&away, |_| ());
    assert_eq!(told(&compared), [("connection", DriftVerdict::Unknown)]);
    assert!(!compared.vcenter_known && !compared.inventory_known);
    let twice = ["vm-1".to_owned(), "vm-2".to_owned()];
    let compared = compare(&desired(), VmSide::Several(&twice), HostSide::None);
    assert_eq!(told(&compared), [("identity", DriftVerdict::Unknown)]);
    assert_eq!(told(&compare(&desired(), VmSide::Unknown, HostSide::None)), []);
}

#[test]
fn a_vm_that_is_gone_is_missing_and_a_host_that_is_not_there_is_stale() {
    assert_eq!(told(&compare(&desired(), VmSide::Gone, HostSide::None)), [("vm", DriftVerdict::Missing)]);
    let vm = fixtures::vm();
    let compared = compare(&desired(), VmSide::Seen(&vm), HostSide::None);
    assert_eq!(told(&compared), [("host", DriftVerdict::InventoryStale)]);
    assert!(told(&compare(&desired(), VmSide::Seen(&vm), HostSide::Unknown)).is_empty());
}

#[test]
fn what_a_person_accepted_is_what_is_asked() {
    let mut desired = desired();
    desired.accepted.insert("cpu".to_owned(), "8".to_owned());
    let eight = changed(|vm| vm.cpu = Some(8));
    assert_eq!(told(&compare(&desired, VmSide::Seen(&eight), HostSide::Unknown)), []);
    let back = fixtures::vm();
    let compared = compare(&desired, VmSide::Seen(&back), HostSide::Unknown);
    assert_eq!(
        told(&compared),
        [("cpu", DriftVerdict::VcenterChanged)],
        "two CPUs are not what is asked any more"
    );
}
