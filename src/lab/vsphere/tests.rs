//! Tests of the model.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + secs).unwrap()
}

fn spec(name: &str, folder: &str) -> CloneSpec {
    CloneSpec {
        name: name.to_owned(),
        template: "rhel9".to_owned(),
        datacenter: "DC0".to_owned(),
        cluster: "C0".to_owned(),
        folder: folder.to_owned(),
        ..CloneSpec::default()
    }
}

fn marked(name: &str, uid: &str) -> CloneSpec {
    CloneSpec {
        extra_config: BTreeMap::from([(VM_UID_KEY.to_owned(), uid.to_owned())]),
        ..spec(name, "prod")
    }
}

/// Clones at once and returns the new VM.
fn make(vsphere: &mut Vsphere, spec: CloneSpec, now: Timestamp) -> Moid {
    let task = vsphere.begin_clone(spec, SignedDuration::ZERO, now).unwrap();
    vsphere.tick(now);
    vsphere.task(task).unwrap().result.unwrap()
}

#[test]
fn the_same_layout_and_seed_give_the_same_inventory() {
    let describe = |seed| format!("{:?}", Vsphere::with_default_layout(seed));
    assert_eq!(describe(7), describe(7));
    assert_ne!(describe(7), describe(8));
}

#[test]
fn the_default_layout_has_what_it_promises() {
    let vsphere = Vsphere::with_default_layout(1);
    let templates: Vec<&str> = vsphere.vms().map(|vm| vm.name.as_str()).collect();
    assert_eq!(templates, ["win2019", "win2022", "suse15", "rhel8", "rhel9"]);
    assert!(vsphere.vms().all(|vm| vm.is_template && vm.resource_pool.is_none()));
    for path in [
        "DC0/vm/prod",
        "DC0/vm/dev",
        "DC0/host/C0/Resources",
        "/DC0/network/prod-app",
        "DC0/datastore/dev-ds",
    ] {
        assert!(vsphere.find_by_inventory_path(path).is_some(), "{path}");
    }
    assert!(vsphere.find_by_inventory_path("DC0/vm/nowhere").is_none());
}

#[test]
fn a_clone_appears_only_when_its_task_is_due() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let wanted = CloneSpec {
        cpu: Some(8),
        memory_mib: Some(16_384),
        network: Some("prod-app".to_owned()),
        datastore: Some("dev-ds".to_owned()),
        power_on: true,
        description: Some("for REQ-1".to_owned()),
        ..marked("web-01", "u-1")
    };
    let task = vsphere.begin_clone(wanted, SECOND * 10, at(0)).unwrap();
    assert_eq!(vsphere.task(task).unwrap().state, TaskState::Queued);
    assert_eq!(vsphere.tick(at(5)), []);
    let running = vsphere.task(task).unwrap();
    assert_eq!((running.state, running.progress(at(5))), (TaskState::Running, Some(49)));
    assert!(vsphere.vms_by_name("web-01").is_empty());
    assert_eq!(vsphere.next_due(), Some(at(10)));

    assert_eq!(vsphere.tick(at(30)), [task]);
    let done = vsphere.task(task).unwrap().clone();
    assert_eq!((done.state, done.completed_at), (TaskState::Success, Some(at(10))));
    let vm = vsphere.vm(done.result.unwrap()).unwrap();
    assert_eq!((vm.cpu, vm.memory_mib, vm.power), (8, 16_384, PowerState::PoweredOn));
    assert_eq!(vsphere.name_of(vm.nics[0].network), Some("prod-app"));
    assert_eq!(vm.disks[0].file, "[dev-ds] web-01/web-01.vmdk");
    assert_eq!((vsphere.folder_path(vm).as_str(), vm.created_by_task), ("prod", Some(task)));
    let template = vsphere.vms_by_name("rhel9")[0];
    assert_ne!(vm.instance_uuid, template.instance_uuid);
    assert_ne!(vm.bios_uuid, template.bios_uuid);
    assert_ne!(vm.nics[0].mac, template.nics[0].mac);
    let told: Vec<EventKind> = vsphere.events().map(|event| event.kind).collect();
    let done = [EventKind::VmBeingCloned, EventKind::VmCloned, EventKind::VmStarting, EventKind::VmPoweredOn];
    assert_eq!(told, done);
}

#[test]
fn a_name_is_refused_when_the_clone_begins_and_again_when_it_ends() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let first = vsphere.begin_clone(spec("web-01", "prod"), SECOND * 5, at(0)).unwrap();
    let second = vsphere.begin_clone(spec("web-01", "prod"), SECOND * 9, at(1)).unwrap();
    let elsewhere = vsphere.begin_clone(spec("web-01", "dev"), SECOND * 9, at(1)).unwrap();
    vsphere.tick(at(20));
    assert_eq!(vsphere.task(first).unwrap().state, TaskState::Success);
    assert_eq!(vsphere.task(elsewhere).unwrap().state, TaskState::Success);
    let loser = vsphere.task(second).unwrap();
    assert_eq!(loser.error.as_ref().unwrap().name(), "DuplicateName");
    assert_eq!(vsphere.vms_by_name("web-01").len(), 2);
    let refused = vsphere.begin_clone(spec("web-01", "prod"), SECOND, at(21)).unwrap_err();
    assert_eq!(refused.name(), "DuplicateName");
}

#[test]
fn what_cannot_be_found_or_is_nonsense_is_a_fault() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let good = || spec("web-01", "prod");
    let bad = [
        CloneSpec { template: "none".to_owned(), ..good() },
        CloneSpec { datacenter: "none".to_owned(), ..good() },
        CloneSpec { cluster: "none".to_owned(), ..good() },
        CloneSpec { folder: "none".to_owned(), ..good() },
        CloneSpec { datastore: Some("none".to_owned()), ..good() },
        CloneSpec { network: Some("none".to_owned()), ..good() },
    ];
    for one in bad {
        assert_eq!(
            vsphere.begin_clone(one.clone(), SECOND, at(0)).unwrap_err().name(),
            "NotFound",
            "{one:?}"
        );
    }
    for name in ["", "a/b", &"x".repeat(81)] {
        let fault = vsphere.begin_clone(spec(name, "prod"), SECOND, at(0)).unwrap_err();
        assert_eq!(fault.name(), "InvalidName");
    }
    let none = CloneSpec { cpu: Some(0), ..good() };
    assert_eq!(vsphere.begin_clone(none, SECOND, at(0)).unwrap_err().name(), "InvalidArgument");
    assert_eq!(vsphere.tasks().count(), 0);
}

#[test]
fn an_identity_counts_every_machine_ever_made_for_it_but_not_inherited_markers() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let first = make(&mut vsphere, marked("web-01", "u-1"), at(0));
    assert_eq!(vsphere.clones_of_uid("u-1"), 1);
    let foreign = CloneSpec { template: "web-01".to_owned(), ..spec("copy", "dev") };
    make(&mut vsphere, foreign, at(1));
    assert_eq!((vsphere.clones_of_uid("u-1"), vsphere.vms_by_uid("u-1").len()), (1, 2));
    vsphere.destroy(first, at(2)).unwrap();
    assert_eq!((vsphere.clones_of_uid("u-1"), vsphere.vms_by_uid("u-1").len()), (1, 1));
    make(&mut vsphere, marked("web-01", "u-1"), at(3));
    assert_eq!(vsphere.clones_of_uid("u-1"), 2);
}

#[test]
fn a_marker_written_later_counts_the_machine_once() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let wanted = CloneSpec { created_for_uid: Some("u-2".to_owned()), ..spec("web-02", "prod") };
    let vm = make(&mut vsphere, wanted, at(0));
    assert_eq!((vsphere.clones_of_uid("u-2"), vsphere.vms_by_uid("u-2").len()), (1, 0));
    vsphere.set_extra_config(vm, VM_UID_KEY, "u-2", at(1)).unwrap();
    assert_eq!((vsphere.clones_of_uid("u-2"), vsphere.vms_by_uid("u-2").len()), (1, 1));
    vsphere.set_extra_config(vm, VM_UID_KEY, "", at(2)).unwrap();
    assert!(vsphere.vms_by_uid("u-2").is_empty());
}

#[test]
fn adapters_and_disks_are_added_beside_those_that_are_there() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let vm = make(&mut vsphere, spec("db-01", "prod"), at(0));
    let datacenter = vsphere.datacenters().next().unwrap().moid;
    let network = vsphere.network_by_name(datacenter, "prod-db").unwrap();
    assert_eq!(vsphere.add_nic(vm, network, at(1)), Ok(4001));
    assert_eq!(vsphere.add_disk(vm, 100, None, at(1)), Ok(2001));
    let machine = vsphere.vm(vm).unwrap();
    assert_eq!(machine.nics[1].label, "Network adapter 2");
    assert_eq!(machine.disks[1].file, "[prod-ds] db-01/db-01_1.vmdk");
    assert_ne!(machine.nics[0].mac, machine.nics[1].mac);
    vsphere.grow_disk(vm, 2001, 120, at(2)).unwrap();
    assert_eq!(vsphere.grow_disk(vm, 2001, 60, at(2)).unwrap_err().name(), "InvalidArgument");
    assert_eq!(vsphere.add_disk(vm, 1 << 40, None, at(2)).unwrap_err().name(), "NoDiskSpace");
    assert_eq!(vsphere.add_nic(vm, vm, at(2)).unwrap_err().name(), "InvalidArgument");
    for _ in 2..10 {
        vsphere.add_nic(vm, network, at(3)).unwrap();
    }
    assert_eq!(vsphere.add_nic(vm, network, at(3)).unwrap_err().name(), "InvalidArgument");
}

#[test]
fn power_decides_what_the_guest_reports_and_what_may_be_destroyed() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let vm = make(&mut vsphere, spec("web-01", "prod"), at(0));
    vsphere.set_guest_ip(vm, Some("10.1.2.3"), Some("web-01.example")).unwrap();
    assert_eq!(vsphere.vm(vm).unwrap().reported_ip(), None);
    vsphere.set_power(vm, PowerState::PoweredOn, at(1)).unwrap();
    assert_eq!(vsphere.vm(vm).unwrap().reported_ip(), Some("10.1.2.3"));
    assert_eq!(vsphere.set_power(vm, PowerState::PoweredOn, at(2)).unwrap_err().name(), "InvalidPowerState");
    assert_eq!(vsphere.destroy(vm, at(2)).unwrap_err().name(), "InvalidPowerState");
    vsphere.set_power(vm, PowerState::PoweredOff, at(3)).unwrap();
    vsphere.destroy(vm, at(4)).unwrap();
    assert_eq!(vsphere.destroy(vm, at(5)).unwrap_err().name(), "ManagedObjectNotFound");
    let template = vsphere.vms_by_name("rhel9")[0].moid;
    assert_eq!(vsphere.set_power(template, PowerState::PoweredOn, at(6)).unwrap_err().name(), "NotSupported");
}

#[test]
fn a_task_that_is_made_to_fail_makes_nothing_and_cannot_fail_twice() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let task = vsphere.begin_clone(marked("web-01", "u-1"), SECOND * 5, at(0)).unwrap();
    vsphere.fail_task(task, Fault::InsufficientResourcesFault, at(1)).unwrap();
    assert_eq!(vsphere.tick(at(10)), []);
    assert_eq!(vsphere.clones_of_uid("u-1"), 0);
    let again = vsphere.fail_task(task, Fault::RequestCanceled, at(11)).unwrap_err();
    assert_eq!(again.name(), "InvalidArgument");
    assert_eq!(vsphere.task(task).unwrap().error, Some(Fault::InsufficientResourcesFault));
    assert_eq!(vsphere.reschedule_task(task, at(99)).unwrap_err().name(), "InvalidArgument");
}

#[test]
fn a_clone_whose_template_is_gone_by_then_fails() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let task = vsphere.begin_clone(spec("web-01", "prod"), SECOND * 5, at(0)).unwrap();
    let template = vsphere.vms_by_name("rhel9")[0].moid;
    vsphere.destroy(template, at(1)).unwrap();
    vsphere.tick(at(5));
    assert_eq!(vsphere.task(task).unwrap().error.as_ref().unwrap().name(), "ManagedObjectNotFound");
}

#[test]
fn ids_are_read_only_as_they_are_written() {
    for text in ["vm-7", "group-d1", "group-v12", "domain-c3", "task-99", "dvportgroup-4", "network-4"] {
        assert_eq!(Moid::parse(text).unwrap().to_string(), text);
    }
    for text in ["", "vm-", "vm-07", "vm-+7", "host", "wm-7", "vm-7x"] {
        assert_eq!(Moid::parse(text), None, "{text}");
    }
}

#[test]
fn moving_and_renaming_keep_names_unique_in_their_folder() {
    let mut vsphere = Vsphere::with_default_layout(1);
    let here = make(&mut vsphere, spec("a", "prod"), at(0));
    let there = make(&mut vsphere, spec("a", "dev"), at(0));
    let dev = vsphere.find_by_inventory_path("DC0/vm/dev").unwrap();
    assert_eq!(vsphere.move_into_folder(here, dev).unwrap_err().name(), "DuplicateName");
    vsphere.rename(here, "b", at(1)).unwrap();
    vsphere.move_into_folder(here, dev).unwrap();
    assert_eq!(vsphere.rename(there, "b", at(2)).unwrap_err().name(), "DuplicateName");
    assert_eq!(vsphere.find_by_inventory_path("DC0/vm/dev/b"), Some(here));
    assert_eq!(vsphere.find_by_inventory_path("DC0/vm/prod/a"), None);
}

/// One thing that may happen to the model.
#[derive(Debug, Clone)]
enum Act {
    Clone { name: u8, folder: bool, uid: Option<u8>, secs: i64 },
    Tick(i64),
    Rename { vm: usize, name: u8 },
    Destroy(usize),
    Mark { vm: usize, uid: u8 },
    Power(usize, bool),
    Fail(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let clone = (0..4_u8, any::<bool>(), prop::option::of(0..3_u8), 0..20_i64)
        .prop_map(|(name, folder, uid, secs)| Act::Clone { name, folder, uid, secs });
    let act = prop_oneof![
        4 => clone,
        4 => (0..15_i64).prop_map(Act::Tick),
        1 => (0..12_usize, 0..4_u8).prop_map(|(vm, name)| Act::Rename { vm, name }),
        1 => (0..12_usize).prop_map(Act::Destroy),
        1 => (0..12_usize, 0..3_u8).prop_map(|(vm, uid)| Act::Mark { vm, uid }),
        1 => (0..12_usize, any::<bool>()).prop_map(|(vm, on)| Act::Power(vm, on)),
        1 => (0..12_usize).prop_map(Act::Fail),
    ];
    prop::collection::vec(act, 0..60)
}

/// Does one act; faults are answers, so they are left where they fall.
fn act(vsphere: &mut Vsphere, act: &Act, now: Timestamp) {
    let nth = |vsphere: &Vsphere, at: usize| vsphere.vms().nth(at).map(|vm| vm.moid);
    let outcome = match act {
        Act::Clone { name, folder, uid, secs } => {
            let folder = if *folder { "prod" } else { "dev" };
            let mark = uid.map(|uid| (VM_UID_KEY.to_owned(), format!("u-{uid}")));
            let spec =
                CloneSpec { extra_config: mark.into_iter().collect(), ..spec(&format!("vm-{name}"), folder) };
            vsphere.begin_clone(spec, SECOND * i32::try_from(*secs).unwrap(), now).map(drop)
        }
        Act::Tick(_) => {
            vsphere.tick(now);
            Ok(())
        }
        Act::Rename { vm, name } => {
            nth(vsphere, *vm).map_or(Ok(()), |vm| vsphere.rename(vm, &format!("vm-{name}"), now))
        }
        Act::Destroy(vm) => nth(vsphere, *vm).map_or(Ok(()), |vm| vsphere.destroy(vm, now)),
        // A marked template would hand its marker on: what is counted then is another test's business.
        Act::Mark { vm, uid } => nth(vsphere, *vm)
            .filter(|vm| !vsphere.vm(*vm).is_some_and(|vm| vm.is_template))
            .map_or(Ok(()), |vm| vsphere.set_extra_config(vm, VM_UID_KEY, &format!("u-{uid}"), now)),
        Act::Power(vm, on) => {
            let power = if *on { PowerState::PoweredOn } else { PowerState::PoweredOff };
            nth(vsphere, *vm).map_or(Ok(()), |vm| vsphere.set_power(vm, power, now))
        }
        Act::Fail(task) => {
            let task = vsphere.tasks().nth(*task).map(|task| task.moid);
            task.map_or(Ok(()), |task| vsphere.fail_task(task, Fault::RequestCanceled, now))
        }
    };
    drop(outcome);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_happens_names_are_unique_tasks_end_once_and_clones_are_counted(acts in acts()) {
        let mut vsphere = Vsphere::with_default_layout(3);
        let mut now = at(0);
        let mut ended: BTreeMap<Moid, Task> = BTreeMap::new();
        let mut carriers: BTreeMap<String, BTreeSet<Moid>> = BTreeMap::new();
        for one in &acts {
            if let Act::Tick(secs) = one {
                now += SECOND * i32::try_from(*secs).unwrap();
            }
            act(&mut vsphere, one, now);
            let names: BTreeSet<(Moid, &str)> = vsphere.vms().map(|vm| (vm.parent, vm.name.as_str())).collect();
            prop_assert_eq!(names.len(), vsphere.vms().count());
            for vm in vsphere.vms() {
                prop_assert_eq!(vsphere.find_child(vm.parent, &vm.name), Some(vm.moid));
                if let Some(uid) = vm.vm_uid() {
                    carriers.entry(uid.to_owned()).or_default().insert(vm.moid);
                }
            }
            for task in vsphere.tasks().filter(|task| task.state.is_final()) {
                let before = ended.entry(task.moid).or_insert_with(|| task.clone());
                prop_assert_eq!(&*before, task);
                prop_assert_eq!(task.error.is_some(), task.state == TaskState::Error);
            }
        }
        // Nothing in these lives clones a marked machine, so every carrier was made for its identity.
        for uid in ["u-0", "u-1", "u-2"] {
            let seen = carriers.get(uid).map_or(0, BTreeSet::len);
            prop_assert_eq!(vsphere.clones_of_uid(uid), seen, "{}", uid);
        }
    }
}
