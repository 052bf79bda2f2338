//! A machine's snapshots as `snapshot` and `rootSnapshot` show them.

use crate::lab::vcenter::value::{Ref, Val};
use crate::lab::vsphere::{Snapshot, Vm, power_state_name};

/// `VirtualMachineSnapshotInfo`; unset without snapshots, as in vcsim and vCenter.
pub(super) fn snapshot_info(vm: &Vm) -> Val {
    if vm.snapshots.is_empty() {
        return Val::Unset;
    }
    let fields = vec![
        ("currentSnapshot", Val::maybe(vm.current_snapshot, reference)),
        ("rootSnapshotList", trees(vm, None)),
    ];
    Val::of("VirtualMachineSnapshotInfo", fields)
}

/// References to the snapshots that have no parent.
pub(super) fn root_snapshots(vm: &Vm) -> Val {
    let roots = vm.snapshots.iter().filter(|one| one.parent.is_none());
    Val::List("ManagedObjectReference", roots.map(|one| reference(one.number)).collect())
}

/// How many snapshots the current state stands upon.
pub(super) fn chain_length(vm: &Vm) -> usize {
    let find = |number: u64| vm.snapshots.iter().find(|one| one.number == number);
    let first = vm.current_snapshot.and_then(find);
    std::iter::successors(first, |one| one.parent.and_then(find)).count()
}

fn reference(number: u64) -> Val {
    Val::Ref(Ref::new("VirtualMachineSnapshot", &format!("snapshot-{number}")))
}

fn trees(vm: &Vm, parent: Option<u64>) -> Val {
    let children = vm.snapshots.iter().filter(|one| one.parent == parent);
    Val::List("VirtualMachineSnapshotTree", children.map(|one| tree(vm, one)).collect())
}

fn tree(vm: &Vm, one: &Snapshot) -> Val {
    let state = Val::Word("VirtualMachinePowerState", power_state_name(one.power).to_owned());
    Val::of(
        "VirtualMachineSnapshotTree",
        vec![
            ("snapshot", reference(one.number)),
            ("vm", Val::moref(vm.moid)),
            ("name", Val::text(&one.name)),
            ("description", Val::text(&one.description)),
            ("id", Val::Int(one.id)),
            ("createTime", Val::Time(one.created_at)),
            ("state", state),
            ("quiesced", Val::Bool(false)),
            ("childSnapshotList", trees(vm, Some(one.number))),
            ("replaySupported", Val::Bool(false)),
        ],
    )
}
