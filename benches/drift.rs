//! Compares many VMs in memory: asked, inventory and vCenter, field by field, and judges what follows.
//!
//! `./bench drift [VMS]`: 100,000 by default, one in a hundred of them changed. The baseline in the same run is `==`
//! over the same sightings, which says only that something differs.

#![allow(clippy::print_stdout, reason = "figures are its output")]
#![allow(clippy::unwrap_used, reason = "what is built here is known to be right")]
#![allow(clippy::cast_precision_loss, reason = "far below 2^52")]

use std::time::Instant;

use causeway::vm_request::event::Verified;
use causeway::vm_request::sighting::VmSighting;
use causeway::vm_request::watch::Watch;
use causeway::vm_request::watch::compare::{Desired, HostSide, VmSide, compare};
use causeway::vm_request::watch::judge::{Circumstances, Memory, judge};
use causeway::vm_request::watch::policy::WatchPolicy;
use causeway::vm_request::{Event, RequestId, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

const VMS: usize = 100_000;
/// One VM in so many is changed.
const CHANGED_EVERY: usize = 100;

struct Machine {
    desired: Desired,
    watch: Watch,
    memory: Memory,
    seen: VmSighting,
    host: Map<String, Value>,
}

fn start() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

fn sighting(number: usize, uid: &str) -> VmSighting {
    let nic = |key: i32| {
        json!({ "key": key, "label": format!("Network adapter {}", key - 3_999), "nic_type": "vmxnet3", "network": "prod-app",
                "mac": format!("00:50:56:{:02x}:{:02x}:{:02x}", number >> 8 & 255, number & 255, key & 255), "connected": true })
    };
    let disk = |key: i32| {
        json!({ "key": key, "label": format!("Hard disk {}", key - 1_999), "capacity_mib": 40_960, "thin": true,
                "file": format!("[ds1] vm{number}/vm{number}_{key}.vmdk"), "base_file": format!("[ds1] vm{number}/vm{number}_{key}.vmdk") })
    };
    let value = json!({
        "seen_at": start(), "moid": format!("vm-{number}"), "instance_uuid": format!("50114ad5-2a4f-4e53-b1d6-{number:012}"),
        "bios_uuid": format!("42114ad5-2a4f-4e53-b1d6-{number:012}"), "vm_uid": uid, "name": format!("vm{number}"),
        "is_template": false, "folder": "prod/app", "datacenter": "DC0", "cluster": "C0", "host": "esx1.example.com",
        "cpu": 2, "memory_mib": 4_096, "power": "poweredOn", "datastores": ["ds1"], "nics": [nic(4_000), nic(4_001)],
        "disks": [disk(2_000), disk(2_001)], "ip_address": "10.10.20.17", "guest_hostname": format!("vm{number}"),
        "firmware": "efi", "connection": "connected",
    });
    serde_json::from_value(value).unwrap()
}

fn machine(number: usize) -> Machine {
    let id = RequestId::from_parts(start(), number as u128);
    let uid = id.vm_uid();
    let seen = sighting(number, &uid.to_string());
    let received = json!({ "event": "received", "data": {
        "source": "bench", "requested_by": "bench", "asked": {}, "vm_uid": uid, "approval_required": false,
        "spec": { "vm_name": seen.name, "environment": "prod", "controller": "aap", "vcenter": "vc1", "os": "redhat",
                  "os_version": "9", "template": "rhel9", "cpu": 2, "memory_mib": 4_096, "datacenter": "DC0", "cluster": "C0",
                  "folder": "prod/app", "datastore": "ds1", "expects_address": true,
                  "nics": [{ "network": "prod-app", "nic_type": "vmxnet3", "address": "dhcp" }] } } });
    let received: Event = serde_json::from_value(received).unwrap();
    let mut state = State::begin(id.clone(), start(), &received).unwrap();
    state.phase = causeway::vm_request::Phase::Verifying;
    let verified = Verified { vm: seen.clone(), host: 1, at: start() };
    state.apply(start(), &Event::Verified(Box::new(verified))).unwrap();
    let host = json!({
        "vm_name": seen.name, "vm_id": seen.instance_uuid, "vm_bios_uuid": seen.bios_uuid, "vm_moid": seen.moid, "vm_uid": uid,
        "vm_state": "ready", "ip_address": seen.ip_address, "os_type": "redhat", "execution_id": id,
        "networks": [{ "network_name": "prod-app" }, { "network_name": "prod-app" }],
    });
    let host = host.as_object().unwrap().clone();
    Machine {
        desired: Desired::of(&state).unwrap(),
        watch: state.watch,
        memory: Memory::default(),
        seen,
        host,
    }
}

/// Resident memory of this process in KiB, as the kernel tells it.
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

fn main() {
    let given = std::env::args().skip(1).find_map(|argument| argument.parse().ok());
    let vms: usize = given.unwrap_or(VMS);
    let before = resident_kib();
    let mut machines: Vec<Machine> = (0..vms).map(machine).collect();
    let held = resident_kib().saturating_sub(before);
    for machine in machines.iter_mut().step_by(CHANGED_EVERY) {
        (machine.seen.cpu, machine.seen.name) = (Some(8), "renamed".to_owned());
    }
    let started = Instant::now();
    let unequal = machines.iter().filter(|machine| machine.seen != machine.desired.baseline).count();
    let equality = started.elapsed();
    let policy = WatchPolicy::default();
    let now = start() + SignedDuration::from_secs(60);
    let around = Circumstances { policy: &policy, now, stopped: None, is_budget_spent: false };
    let (mut drifted, mut findings) = (0, 0);
    let started = Instant::now();
    for machine in &mut machines {
        let compared = compare(&machine.desired, VmSide::Seen(&machine.seen), HostSide::Seen(&machine.host));
        let judgement =
            judge(&machine.watch, &machine.desired, &mut machine.memory, compared, &around, &|_| None);
        drifted += usize::from(!judgement.found.is_empty());
        findings += judgement.found.len();
    }
    let took = started.elapsed();
    assert_eq!(
        (drifted, unequal),
        (vms.div_ceil(CHANGED_EVERY), vms.div_ceil(CHANGED_EVERY)),
        "what was changed is found"
    );
    let per_10_000 = held as f64 / 1_024.0 * 10_000.0 / vms as f64;
    println!("{vms} VMs, {drifted} changed, {findings} findings (aim: 100,000 within a second)");
    println!(
        "drift vms={vms} compare_and_judge_secs={:.3} equality_alone_secs={:.3} ratio={:.1} held_mib_per_10000_vms={per_10_000:.1}",
        took.as_secs_f64(),
        equality.as_secs_f64(),
        took.as_secs_f64() / equality.as_secs_f64().max(1e-9),
    );
}
