//! What somebody who watches the lab's vCenter gets to see: deeds from outside by `govc`, the events that tell them,
//! and the faults of watching.

use super::super::*;
use causeway::lab::vsphere::EventKind;

const EVENTS: &str = "<_this type='EventManager'>EventManager</_this>";

/// `QueryEvents` with what stands in the filter.
fn query(lab: &Lab, cookie: &str, filter: &str) -> String {
    let answer = lab.call("QueryEvents", &format!("{EVENTS}<filter>{filter}</filter>"), Some(cookie));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// The types of the events in an answer, in its order.
fn types(body: &str) -> Vec<&str> {
    let events = body.split("<returnval xsi:type=\"").skip(1);
    events.map(|one| one.split('"').next().unwrap()).collect()
}

fn about(vm: Moid) -> String {
    format!("<entity><entity type='VirtualMachine'>{vm}</entity><recursion>self</recursion></entity>")
}

#[test]
fn recorded_events_and_snapshots_have_the_same_shape() {
    let lab = Lab::start();
    let cookie = lab.login();
    let now = SystemClock.now();
    let vm = lab.with(|vsphere| {
        vsphere.begin_clone(clone_spec("clone1"), SignedDuration::ZERO, now).unwrap();
        vsphere.tick(now);
        let vm = vsphere.vms_by_name("clone1")[0].moid;
        let host = vsphere.vm(vm).unwrap().host;
        let other = vsphere.clusters().flat_map(|one| one.hosts.clone()).find(|one| *one != host).unwrap();
        for power in [PowerState::Suspended, PowerState::PoweredOn, PowerState::PoweredOff] {
            vsphere.set_power(vm, power, now).unwrap();
        }
        vsphere.set_cpu(vm, 2, now).unwrap();
        vsphere.set_custom_value(vm, "owner", "alice", now).unwrap();
        vsphere.relocate(vm, Some(other), None, now).unwrap();
        vsphere.create_snapshot(vm, "one", "", now).unwrap();
        vsphere.create_snapshot(vm, "two", "", now).unwrap();
        vm
    });
    let mut names = Names::default();
    names.0.insert("vm-76".to_owned(), vm.to_string());
    names.0.insert(recording("head/80-QueryEvents.txt").cookie.unwrap(), cookie);
    // vcsim says what was asked to be changed, the lab only that something was.
    let spec = format!("-{RESULT}/QueryEventsResponse/returnval:VmReconfiguredEvent/configSpec/*");
    replay(&lab, &mut names, "head/80-QueryEvents.txt", &[&spec]);
    replay(&lab, &mut names, "head/81-RetrievePropertiesEx-snapshot.txt", &[]);
}

/// What is told of the machine that [`what_govc_does_from_outside_is_told_as_events_in_its_name`] is about. Moves and
/// snapshots are tasks.
const DEEDS: [&str; 24] = [
    "VmClonedEvent",
    "VmStartingEvent",
    "VmPoweredOnEvent",
    "VmStoppingEvent",
    "VmPoweredOffEvent",
    "VmReconfiguredEvent",
    "VmRenamedEvent",
    "TaskEvent",
    "VmReconfiguredEvent",
    "VmReconfiguredEvent",
    "VmReconfiguredEvent",
    "CustomFieldValueChangedEvent",
    "TaskEvent",
    "TaskEvent",
    "TaskEvent",
    "TaskEvent",
    "VmStartingEvent",
    "VmPoweredOnEvent",
    "VmSuspendingEvent",
    "VmSuspendedEvent",
    "VmStoppingEvent",
    "VmPoweredOffEvent",
    "VmMigratedEvent",
    "VmRemovedEvent",
];

#[test]
fn what_govc_does_from_outside_is_told_as_events_in_its_name() {
    let (lab, home) = (Lab::start(), tempfile::tempdir().unwrap());
    let run = |arguments: &[&str]| govc_ok(&lab, home.path(), arguments);
    let vm = lab.machine("app-1");
    run(&["vm.power", "-off", "app-1"]);
    run(&["vm.change", "-vm", "app-1", "-c", "4", "-m", "4096", "-annotation", "by hand"]);
    run(&["object.rename", "/DC0/vm/prod/app-1", "web-1"]);
    run(&["folder.create", "/DC0/vm/prod/web"]);
    run(&["object.mv", "/DC0/vm/prod/web-1", "/DC0/vm/prod/web"]);
    run(&["vm.network.add", "-vm", "web-1", "-net", "prod-db", "-net.adapter", "vmxnet3"]);
    run(&["device.remove", "-vm", "web-1", "ethernet-1"]);
    run(&["vm.disk.create", "-vm", "web-1", "-name", "web-1/data", "-size", "10G", "-ds", "dev-ds"]);
    run(&["fields.add", "owner"]);
    run(&["fields.set", "owner", "alice", "/DC0/vm/prod/web/web-1"]);
    run(&["snapshot.create", "-vm", "web-1", "-m=false", "before"]);
    run(&["snapshot.create", "-vm", "web-1", "-m=false", "after"]);
    assert!(run(&["snapshot.tree", "-vm", "web-1"]).contains("after"));
    let taken = lab.with(|vsphere| vsphere.vm(vm).unwrap().clone());
    run(&["snapshot.remove", "-vm", "web-1", "before"]);
    run(&["snapshot.remove", "-vm", "web-1", "*"]);
    run(&["vm.power", "-on", "web-1"]);
    run(&["vm.power", "-suspend", "web-1"]);
    run(&["vm.power", "-off", "web-1"]);
    run(&["vm.migrate", "-host", "esx2.lab.example", "web-1"]);
    let there = run(&["events", "-json", "-n", "100", "/DC0/vm/prod/web/web-1"]);
    assert!(there.contains("Renamed web-1 from app-1 to web-1 in DC0"), "{there}");
    run(&["vm.unregister", "web-1"]);
    run(&["vm.destroy", "app-2"]);
    assert!(run(&["events", "-n", "100", "/DC0"]).contains("Removed app-2"));

    assert_eq!((taken.snapshots.len(), taken.snapshots[1].parent), (2, Some(taken.snapshots[0].number)));
    assert_eq!((taken.disks.len(), taken.nics.len(), taken.annotation.as_str()), (2, 1, "by hand"));
    let cookie = lab.login();
    let told = query(&lab, &cookie, &about(vm));
    assert_eq!(types(&told), DEEDS);
    assert!(told.contains("<oldName>app-1</oldName><newName>web-1</newName>"), "{told}");
    assert!(told.contains("Folder.moveInto") && told.contains("VirtualMachine.createSnapshot"), "{told}");
    let users: BTreeSet<String> =
        lab.with(|vsphere| vsphere.events().map(|event| event.user.clone()).collect());
    assert_eq!(users, BTreeSet::from(["lab".to_owned()]));
    assert_called(
        &lab,
        &[
            "CreateCollectorForEvents",
            "CreateSnapshot_Task",
            "RelocateVM_Task",
            "RemoveAllSnapshots_Task",
            "RemoveSnapshot_Task",
            "SetCollectorPageSize",
            "SuspendVM_Task",
            "UnregisterVM",
        ],
    );
}

#[test]
fn an_event_names_the_session_that_did_it_and_a_query_is_narrowed() {
    let lab = Lab::start();
    let this = "<_this type='SessionManager'>SessionManager</_this>";
    let login = format!("{this}<userName>lab@vsphere.local</userName><password>secret</password>");
    let cookie = text_at(&lab.call("Login", &login, None).body, "key").unwrap();
    let (vm, other) = (lab.machine("app-0"), lab.machine("app-1"));
    let begun = SystemClock.now();
    for vm in [vm, other] {
        let this = format!("<_this type='VirtualMachine'>{vm}</_this>");
        assert_eq!(lab.call("PowerOffVM_Task", &this, Some(&cookie)).status, 200);
    }
    let (folder, host) = lab.with(|vsphere| {
        let machine = vsphere.vm(vm).unwrap();
        (machine.parent, machine.host)
    });
    let since = format!("<time><beginTime>{begun}</beginTime></time>");
    let kind = "<eventTypeId>vim.event.VmPoweredOffEvent</eventTypeId>";
    let ask = |filter: &str| query(&lab, &cookie, filter);
    let both = ask(&format!("{since}{kind}"));
    assert_eq!(types(&both), ["VmPoweredOffEvent"; 2]);
    assert_eq!(both.matches("<userName>lab@vsphere.local</userName>").count(), 2, "{both}");
    assert!(both.contains(&format!("<vm><name>app-0</name><vm type=\"VirtualMachine\">{vm}</vm></vm>")));
    let keys: Vec<u64> =
        both.split("<key>").skip(1).map(|one| one.split('<').next().unwrap().parse().unwrap()).collect();
    assert!(keys[0] < keys[1]);
    let only = ask(&format!("{}{since}{kind}", about(other)));
    assert!(types(&only).len() == 1 && only.contains("app-1"), "{only}");
    let last = ask(&format!("{since}{kind}<maxCount>1</maxCount>"));
    assert!(types(&last).len() == 1 && last.contains("app-1"), "the newest is kept: {last}");
    assert_eq!(types(&ask(&format!("<time><endTime>{begun}</endTime></time>{kind}"))).len(), 0);
    let inside = |kind_of: &str, moid: Moid, recursion: &str| {
        let entity = format!(
            "<entity><entity type='{kind_of}'>{moid}</entity><recursion>{recursion}</recursion></entity>{since}{kind}"
        );
        types(&ask(&entity)).len()
    };
    let root = lab.with(|vsphere| vsphere.root_folder());
    assert_eq!(inside("Folder", root, "all"), 2);
    assert_eq!((inside("Folder", root, "children"), inside("Folder", root, "self")), (0, 0));
    assert_eq!(inside("Folder", folder, "children"), 2);
    assert!((1..=2).contains(&inside("HostSystem", host, "all")));

    let made = lab.call(
        "CreateCollectorForEvents",
        &format!("{EVENTS}<filter>{since}{kind}</filter>"),
        Some(&cookie),
    );
    let collector = text_at(&made.body, "returnval").unwrap();
    let this = format!("<_this type='EventHistoryCollector'>{collector}</_this>");
    let next = || {
        let answer = lab.call("ReadNextEvents", &format!("{this}<maxCount>1</maxCount>"), Some(&cookie));
        types(&answer.body).len()
    };
    assert_eq!([next(), next(), next()], [1, 1, 0]);
    assert_eq!(lab.call("DestroyCollector", &this, Some(&cookie)).status, 200);
    assert_eq!(lab.call("DestroyCollector", &this, Some(&cookie)).status, 500);
}

#[test]
fn a_change_version_rises_with_the_configuration_and_with_nothing_else() {
    let lab = Lab::start();
    let vm = lab.machine("app-0");
    let now = SystemClock.now();
    let version = || lab.with(|vsphere| vsphere.vm(vm).unwrap().change_version());
    let act = |act: &dyn Fn(&mut Vsphere)| lab.with(|vsphere| act(vsphere));
    let mut last = version();
    let changes: [&dyn Fn(&mut Vsphere); 6] = [
        &|vsphere| vsphere.set_cpu(vm, 3, now).unwrap(),
        &|vsphere| vsphere.set_extra_config(vm, "a", "b", now).unwrap(),
        &|vsphere| vsphere.rename(vm, "other", now).unwrap(),
        &|vsphere| assert!(vsphere.add_disk(vm, 1, None, now).is_ok()),
        &|vsphere| assert!(vsphere.create_snapshot(vm, "s", "", now).is_ok()),
        &|vsphere| vsphere.set_firmware(vm, "bios", now).unwrap(),
    ];
    for change in changes {
        act(change);
        assert!(version() > last, "{} after {last}", version());
        last = version();
    }
    act(&|vsphere| vsphere.set_custom_value(vm, "owner", "alice", now).unwrap());
    act(&|vsphere| vsphere.set_power(vm, PowerState::PoweredOff, now).unwrap());
    act(&|vsphere| vsphere.set_guest_ip(vm, Some("10.0.0.1"), None).unwrap());
    assert_eq!(version(), last);
}

#[test]
fn a_disk_upon_a_snapshot_says_which_file_it_stands_upon() {
    let lab = Lab::start();
    let cookie = lab.login();
    let vm = lab.machine("app-0");
    let now = SystemClock.now();
    let files = || {
        let body = lab.read(&cookie, ("VirtualMachine", &vm.to_string()), "config.hardware.device").body;
        body.split("<fileName>")
            .skip(1)
            .map(|one| one.split('<').next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let base = files().remove(0);
    let first = lab.with(|vsphere| vsphere.create_snapshot(vm, "a", "", now)).unwrap();
    lab.with(|vsphere| vsphere.create_snapshot(vm, "b", "", now)).unwrap();
    let stem = base.strip_suffix(".vmdk").unwrap();
    assert_eq!(files(), [format!("{stem}-000002.vmdk"), format!("{stem}-000001.vmdk"), base.clone()]);
    lab.with(|vsphere| vsphere.remove_snapshot(first, true, now)).unwrap();
    assert_eq!(files(), [base]);
}

#[test]
fn hidden_machines_leave_the_view_and_refuse_each_property_until_they_are_shown_again() {
    let lab = Lab::start();
    let cookie = lab.login();
    let collector = watch(&lab, &cookie);
    let this = format!("<_this type='PropertyCollector'>{collector}</_this>");
    let wait = || lab.call("WaitForUpdatesEx", &format!("{this}<version>1</version>"), Some(&cookie)).body;
    let hidden = lab.state.hide_every_second();
    assert_eq!(hidden.len(), 4, "of seven");
    let vm = hidden[0];
    let left = wait();
    assert_eq!(left.matches("<kind>leave</kind>").count(), 4, "{left}");

    let read = |path: &str| lab.read(&cookie, ("VirtualMachine", &vm.to_string()), path);
    let refused = read("config.hardware.numCPU</pathSet><pathSet>name");
    assert_eq!(refused.status, 200);
    let missing = format!(
        "{RESULT}/RetrievePropertiesExResponse/returnval/objects/missingSet/fault/fault:NoPermission/privilegeId"
    );
    assert!(shape(&refused.body).contains(&missing), "{}", refused.body);
    assert_eq!(refused.body.matches("<missingSet>").count(), 2);
    assert!(!refused.body.contains("<propSet>"));
    let power =
        lab.call("PowerOffVM_Task", &format!("<_this type='VirtualMachine'>{vm}</_this>"), Some(&cookie));
    assert!(power.status == 500 && power.body.contains("NoPermissionFault"), "{}", power.body);
    let uuid = lab.with(|vsphere| vsphere.vm(vm).unwrap().instance_uuid);
    let find = format!(
        "<_this type='SearchIndex'>SearchIndex</_this><uuid>{uuid}</uuid><vmSearch>true</vmSearch><instanceUuid>true</instanceUuid>"
    );
    assert!(!lab.call("FindByUuid", &find, Some(&cookie)).body.contains("returnval"));
    assert_eq!(types(&query(&lab, &cookie, &about(vm))).len(), 0);

    lab.state.hide([]);
    let back = wait();
    assert_eq!(back.matches("<kind>enter</kind>").count(), 4, "{back}");
    assert!(read("name").body.contains("<propSet>"));
    assert!(lab.call("FindByUuid", &find, Some(&cookie)).body.contains("returnval"));
}

#[test]
fn a_lost_version_is_refused_once_and_then_everything_is_told_anew() {
    let lab = Lab::start();
    let cookie = lab.login();
    let collector = watch(&lab, &cookie);
    let wait = |version: &str| {
        let inner = format!(
            "<_this type='PropertyCollector'>{collector}</_this><version>{version}</version><options><maxWaitSeconds>0</maxWaitSeconds></options>"
        );
        lab.call("WaitForUpdatesEx", &inner, Some(&cookie))
    };
    lab.state.lose_collector_versions();
    let refused = wait("1");
    assert_eq!(refused.status, 500);
    assert!(
        shape(&refused.body)
            .contains(&format!("{RESULT}/Fault/detail/InvalidCollectorVersionFault:InvalidCollectorVersion"))
    );
    let again = wait("");
    assert_eq!(again.body.matches("<kind>enter</kind>").count(), 12, "{}", again.body);
    assert!(!wait("2").body.contains("returnval"), "nothing is new");
}

#[test]
fn a_shifted_clock_shifts_what_is_told_and_what_is_asked() {
    let lab = Lab::start();
    let cookie = lab.login();
    let this = "<_this type='ServiceInstance'>ServiceInstance</_this>";
    let time = || -> jiff::Timestamp {
        text_at(&lab.call("CurrentTime", this, Some(&cookie)).body, "returnval").unwrap().parse().unwrap()
    };
    let ahead = || time().duration_since(SystemClock.now()).as_secs();
    assert!(ahead().abs() < 60);
    lab.state.shift_clock(3_600);
    assert!((3_540..=3_660).contains(&ahead()), "{}", ahead());
    let begun = time();
    lab.with(|vsphere| vsphere.set_power(lab_vm(vsphere), PowerState::PoweredOff, SystemClock.now()))
        .unwrap();
    let told = query(&lab, &cookie, &format!("<time><beginTime>{begun}</beginTime></time>"));
    assert_eq!(types(&told), ["VmStoppingEvent", "VmPoweredOffEvent"]);
    let created: jiff::Timestamp = text_at(&told, "createdTime").unwrap().parse().unwrap();
    assert!(created >= begun);
    let kinds =
        lab.with(|vsphere| vsphere.events().filter(|one| one.kind == EventKind::VmPoweredOff).count());
    assert_eq!(kinds, 1);
    lab.state.shift_clock(-30);
    assert!((-90..=0).contains(&ahead()), "{}", ahead());
}

fn lab_vm(vsphere: &Vsphere) -> Moid {
    vsphere.vms_by_name("app-0")[0].moid
}
