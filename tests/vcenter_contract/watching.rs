//! Following changes that govc makes: which are told, what is read then, and which events name who made them.
//!
//! What the simulator tells and what it does not is a property of its pinned release; the table is in the module
//! documentation of `src/vcenter/updates.rs` and is proved here.

use std::collections::BTreeSet;
use std::time::Instant;

use causeway::vcenter::{Changes, EventCursor, Vcenter, VmEvent, VmReading, Watcher};
use causeway::vm_request::sighting::{PowerState, VmSighting};

use super::*;

/// Longest wait of one call. What is not told within it, although it was done before, is not told.
const WAIT_SECS_MAX: u64 = 1;

/// How a change is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Touched,
    Left,
    TouchedAndLeft,
    Not,
}

/// A change to a VM: what govc is told to do, how that is announced, what is read then, and the kinds of its events.
struct Change {
    what: &'static str,
    govc: &'static [&'static str],
    told: Told,
    shows: fn(&VmSighting) -> bool,
    kinds: &'static [&'static str],
}

/// One vCenter that is followed.
struct Followed<'e> {
    endpoint: &'e Endpoint,
    vcenter: Vcenter,
    watcher: Watcher,
    cursor: EventCursor,
}

impl<'e> Followed<'e> {
    async fn start(endpoint: &'e Endpoint) -> Self {
        let vcenter = client(endpoint);
        let mut watcher = vcenter.watch();
        let begun = watcher.next(WAIT_SECS_MAX).await.expect("a watch");
        assert_eq!(begun, Changes { restarted: true, ..Changes::default() });
        let start = vcenter.vm_events(None).await.expect("where the log stands");
        assert!(start.events.is_empty() && !start.truncated, "{start:?}");
        Self { endpoint, vcenter, watcher, cursor: start.cursor }
    }

    /// How the watcher tells what was done to `moid` before this call, and which other VMs it names.
    async fn told(&mut self, moid: &str) -> (Told, BTreeSet<String>) {
        let (mut touched, mut left) = (BTreeSet::new(), BTreeSet::new());
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < DEADLINE, "it never ends: {touched:?} {left:?}");
            let changes = self.watcher.next(WAIT_SECS_MAX).await.expect("changes");
            assert!(!changes.restarted, "the watch began anew");
            if changes == Changes::default() {
                break;
            }
            touched.extend(changes.touched);
            left.extend(changes.left);
        }
        let told = match (touched.remove(moid), left.remove(moid)) {
            (true, true) => Told::TouchedAndLeft,
            (true, false) => Told::Touched,
            (false, true) => Told::Left,
            (false, false) => Told::Not,
        };
        touched.append(&mut left);
        (told, touched)
    }

    async fn read(&self, moid: &str) -> VmReading {
        self.vcenter.read_vms(&[moid.to_owned()]).await.expect("a reading")
    }

    /// The events about `moid` since the last call.
    async fn events(&mut self, moid: &str) -> Vec<VmEvent> {
        let seen = self.vcenter.vm_events(Some(&self.cursor)).await.expect("events");
        assert!(!seen.truncated, "{seen:?}");
        assert!(seen.events.is_sorted_by_key(|event| event.key), "{seen:?}");
        assert!(seen.events.iter().all(|event| event.key > self.cursor.key), "{seen:?}");
        self.cursor = seen.cursor;
        seen.events.into_iter().filter(|event| event.moid == moid).collect()
    }

    fn moid(&self, path: &str) -> String {
        let (folder, name) = path.rsplit_once('/').expect("a path");
        let found = self.endpoint.govc(&["find", "-i", folder, "-type", "m", "-name", name]);
        found.split_once(':').map(|(_, id)| id.to_owned()).unwrap_or_else(|| panic!("{path}: {found:?}"))
    }

    /// Lets govc do all of `changes` to the VM `moid`, one after the other.
    async fn prove(&mut self, moid: &str, changes: &[Change]) {
        for Change { what, govc, told, shows, kinds } in changes {
            self.endpoint.govc(govc);
            assert_eq!(self.told(moid).await, (*told, BTreeSet::new()), "{what}");
            let reading = self.read(moid).await;
            let [seen] = &reading.vms[..] else { panic!("{what}: {reading:?}") };
            assert!(shows(seen), "{what}: {seen:?}");
            let events = self.events(moid).await;
            let seen: Vec<&str> = events.iter().map(|event| event.kind.as_str()).collect();
            assert_eq!(seen, *kinds, "{what}");
            assert!(events.iter().all(is_told_whole), "{what}: {events:?}");
        }
    }

    async fn end(self) {
        self.watcher.close().await;
        self.vcenter.logout().await;
        assert_eq!(self.vcenter.stats().logins, 1, "one session for everything");
    }
}

fn is_told_whole(event: &VmEvent) -> bool {
    event.user == "lab" && event.vm_name.is_some() && !event.message.is_empty()
}

const fn change(
    what: &'static str,
    govc: &'static [&'static str],
    told: Told,
    shows: fn(&VmSighting) -> bool,
    kinds: &'static [&'static str],
) -> Change {
    Change { what, govc, told, shows, kinds }
}

const WEB01: &str = "/DC0/vm/web01";
const MOVED: &str = "/DC0/vm/prod/web01b";
const RECONFIGURED: &[&str] = &["VmReconfiguredEvent"];

fn is(power: PowerState, vm: &VmSighting) -> bool {
    vm.power == Some(power)
}

/// What is done to one VM of the simulator, in this order.
const IN_THE_SIMULATOR: &[Change] = &[
    change(
        "power off",
        &["vm.power", "-off", WEB01],
        Told::Touched,
        |vm| is(PowerState::PoweredOff, vm),
        &["VmStoppingEvent", "VmPoweredOffEvent"],
    ),
    change(
        "CPU",
        &["vm.change", "-vm", WEB01, "-c", "8"],
        Told::Touched,
        |vm| vm.cpu == Some(8),
        RECONFIGURED,
    ),
    change(
        "memory",
        &["vm.change", "-vm", WEB01, "-m", "4096"],
        Told::Touched,
        |vm| vm.memory_mib == Some(4096),
        RECONFIGURED,
    ),
    change(
        "power on",
        &["vm.power", "-on", WEB01],
        Told::Touched,
        |vm| is(PowerState::PoweredOn, vm),
        &["VmStartingEvent", "VmPoweredOnEvent"],
    ),
    change("rename", &["object.rename", WEB01, "web01b"], Told::Touched, |vm| vm.name == "web01b", &[]),
    change(
        "move",
        &["object.mv", "/DC0/vm/web01b", "/DC0/vm/prod"],
        Told::Touched,
        |vm| vm.folder == "prod",
        &[],
    ),
    change(
        "adapter",
        &["vm.network.add", "-dc", "DC0", "-vm", MOVED, "-net", "DC0_DVPG0"],
        Told::Touched,
        |vm| vm.nics.len() == 4 && vm.nics.iter().any(|nic| nic.network.as_deref() == Some("DC0_DVPG0")),
        RECONFIGURED,
    ),
    change(
        "disk",
        &[
            "vm.disk.create",
            "-dc",
            "DC0",
            "-vm",
            MOVED,
            "-name",
            "web01/more",
            "-ds",
            "LocalDS_0",
            "-size",
            "1G",
        ],
        Told::Touched,
        |vm| vm.disks.iter().any(|disk| disk.capacity_mib == 1024),
        RECONFIGURED,
    ),
    change(
        "snapshot",
        &["snapshot.create", "-dc", "DC0", "-vm", MOVED, "third"],
        Told::Touched,
        |vm| vm.snapshots == ["clean", "init", "third"],
        &[],
    ),
    change(
        "snapshot removed",
        &["snapshot.remove", "-dc", "DC0", "-vm", MOVED, "third"],
        Told::Touched,
        |vm| vm.snapshots == ["clean", "init"],
        &[],
    ),
    change(
        "custom value",
        &["fields.set", "-dc", "DC0", "owner", "bob", MOVED],
        Told::Not,
        |vm| vm.custom_values.get("owner").map(String::as_str) == Some("bob"),
        &[],
    ),
    change(
        "guest address",
        &["vm.change", "-vm", MOVED, "-e", "SET.guest.ipAddress=10.20.30.41"],
        Told::Touched,
        |vm| vm.ip_address.as_deref() == Some("10.20.30.41"),
        RECONFIGURED,
    ),
];

#[tokio::test]
async fn changes_in_the_simulator_are_told_as_the_table_says() {
    let vcsim = seeded(&[]);
    let vc = &vcsim.endpoint;
    let mut followed = Followed::start(vc).await;
    let web01 = followed.moid(WEB01);
    followed.prove(&web01, IN_THE_SIMULATOR).await;

    clone_vm(vc, "new01", &[], None);
    let new = followed.moid("/DC0/vm/new01");
    // The simulator enters every VM again. Of all of them only web01 was changed before, so it counts once more.
    assert_eq!(followed.told(&new).await, (Told::Touched, BTreeSet::from([web01.clone()])));
    let events = followed.events(&new).await;
    assert!(
        events.iter().any(|event| event.kind == "VmClonedEvent") && events.iter().all(is_told_whole),
        "{events:?}"
    );
    clone_vm(vc, "new02", &[], None);
    let second = followed.moid("/DC0/vm/new02");
    let (told, others) = followed.told(&second).await;
    assert!(told == Told::Touched && !others.contains(&web01), "{told:?} {others:?}");
    followed.events(&second).await;

    vc.govc(&["vm.markastemplate", "/DC0/vm/new01"]);
    assert_eq!(followed.told(&new).await, (Told::Not, BTreeSet::new()));
    assert!(followed.read(&new).await.vms[0].is_template);
    for (verb, path, moid) in
        [("vm.unregister", "/DC0/vm/new01", &new), ("vm.destroy", "/DC0/vm/new02", &second)]
    {
        vc.govc(&[verb, path]);
        assert_eq!(followed.told(moid).await, (Told::Left, BTreeSet::new()), "{verb}");
        let reading = followed.read(moid).await;
        assert_eq!((reading.gone.as_slice(), reading.vms.len()), (&[moid.clone()][..], 0), "{verb}");
        let events = followed.events(moid).await;
        assert_eq!(
            events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(),
            ["VmRemovedEvent"],
            "{verb}"
        );
    }
    followed.end().await;
    let left = vc.govc(&["session.ls"]);
    assert!(!left.contains("causeway/"), "{left}");
}

#[tokio::test]
async fn a_watch_whose_session_is_ended_begins_anew_and_an_empty_vcenter_can_be_watched() {
    let vcsim = Vcsim::start_with(&[PLAIN, "-vm", "0"]);
    let vc = &vcsim.endpoint;
    let mut followed = Followed::start(vc).await;
    vc.govc(&[
        "vm.create",
        "-on=false",
        "-pool",
        "/DC0/host/DC0_C0/Resources",
        "-ds",
        "LocalDS_0",
        "-net",
        "VM Network",
        "first",
    ]);
    let first = followed.moid("/DC0/vm/first");
    assert_eq!(followed.told(&first).await, (Told::Touched, BTreeSet::new()));

    let sessions = vc.govc_json(&["session.ls", "-json"]);
    let own = sessions["sessionList"].as_array().into_iter().flatten();
    let own = own.filter(|s| s["userAgent"].as_str().is_some_and(|agent| agent.starts_with("causeway/")));
    own.for_each(|session| drop(vc.govc(&["session.rm", session["key"].as_str().expect("a key")])));
    let again = followed.watcher.next(WAIT_SECS_MAX).await.expect("a new watch");
    assert_eq!(again, Changes { restarted: true, ..Changes::default() });
    assert_eq!(followed.vcenter.stats().logins, 2);
    vc.govc(&["object.rename", "/DC0/vm/first", "renamed"]);
    assert_eq!(followed.told(&first).await, (Told::Touched, BTreeSet::new()));
    followed.watcher.close().await;
    followed.vcenter.logout().await;
}

/// What the lab serves of the same.
const IN_THE_LAB: &[Change] = &[
    change(
        "power off",
        &["vm.power", "-off", WEB01],
        Told::Touched,
        |vm| is(PowerState::PoweredOff, vm),
        &[],
    ),
    change("CPU", &["vm.change", "-vm", WEB01, "-c", "8"], Told::Touched, |vm| vm.cpu == Some(8), &[]),
    change(
        "memory",
        &["vm.change", "-vm", WEB01, "-m", "4096"],
        Told::Touched,
        |vm| vm.memory_mib == Some(4096),
        &[],
    ),
    change("power on", &["vm.power", "-on", WEB01], Told::Touched, |vm| is(PowerState::PoweredOn, vm), &[]),
    change("rename", &["object.rename", WEB01, "web01b"], Told::Touched, |vm| vm.name == "web01b", &[]),
    change(
        "move",
        &["object.mv", "/DC0/vm/web01b", "/DC0/vm/prod"],
        Told::Touched,
        |vm| vm.folder == "prod",
        &[],
    ),
];

/// The lab tells each of these at once and names nobody else.
pub async fn changes_in_the_lab_are_told(endpoint: &Endpoint) {
    let mut followed = Followed::start(endpoint).await;
    let web01 = followed.moid(WEB01);
    for Change { what, govc, told, shows, .. } in IN_THE_LAB {
        endpoint.govc(govc);
        assert_eq!(followed.told(&web01).await, (*told, BTreeSet::new()), "{what}");
        let reading = followed.read(&web01).await;
        assert!(reading.vms.len() == 1 && shows(&reading.vms[0]), "{what}: {reading:?}");
        let events = followed.events(&web01).await;
        assert!(events.iter().all(|event| !event.kind.is_empty()), "{what}: {events:?}");
    }
    endpoint.govc(&["vm.destroy", MOVED]);
    assert_eq!(followed.told(&web01).await, (Told::Left, BTreeSet::new()));
    assert_eq!(followed.read(&web01).await.gone, [web01]);
    followed.end().await;
}
