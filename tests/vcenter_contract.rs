//! What Causeway's vCenter client sees, against what govmomi's `govc` sees of the same vCenter.
//!
//! [`contract`] only reads, so it can be pointed at any vCenter; the tests below it need govmomi's simulator
//! because they change things with govc. Both tools come from `tests/install-vcsim`.

#[path = "support/vcsim.rs"]
mod vcsim;
#[path = "vcenter_contract/watching.rs"]
mod watching;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use causeway::clock::{Clock, SharedClock, SystemClock};
use causeway::config::Secret;
use causeway::lab::vcenter_front::VcenterFront;
use causeway::lab::vsphere::{self, CloneSpec, VM_UID_KEY, Vsphere};
use causeway::lab::world::{World, WorldOptions};
use causeway::vcenter::{Vcenter, VcenterConfig, VcenterError, VmQuery};
use causeway::vm_request::sighting::{PowerState, VmSighting};
use serde_json::{Value, json};
use vcsim::{Endpoint, Vcsim};

/// The client under test reads it without TLS, where TLS is not the point.
const PLAIN: &str = "-tls=false";

/// Longest wait for a condition in these tests.
const DEADLINE: Duration = Duration::from_secs(30);

const UID_1: &str = "6f1c2f0e-5d0b-5c0f-9a3e-0123456789ab";
const UID_2: &str = "7a1c2f0e-5d0b-5c0f-9a3e-0123456789ab";
const ODD_NAME: &str = "a&b<c>\"é";

fn config(endpoint: &Endpoint) -> VcenterConfig {
    VcenterConfig {
        name: "vc1".to_owned(),
        url: endpoint.url.clone(),
        username: endpoint.username.clone(),
        password: Secret::new(&endpoint.password),
        ca_file: None,
        call_deadline_secs: 30,
        page_objects_max: 100,
        read_attempts_max: 3,
        body_bytes_max: 64 * 1024 * 1024,
    }
}

fn connect(cfg: VcenterConfig) -> Vcenter {
    Vcenter::new(cfg, Arc::new(SystemClock)).expect("a usable configuration")
}

fn client(endpoint: &Endpoint) -> Vcenter {
    connect(config(endpoint))
}

/// Everything that holds of any vCenter with some VMs in it, without changing it.
async fn contract(endpoint: &Endpoint) {
    let vcenter = client(endpoint);
    about_is_what_govc_sees(endpoint, &vcenter).await;
    let listing = vcenter.vms().await.expect("a full read");
    assert!(listing.complete && listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    let foreign = Foreign::of(endpoint).vms();
    assert!(foreign.len() >= 2, "the contract needs VMs to compare");
    assert_eq!(listing.vms.len(), foreign.len());
    for (seen, wanted) in listing.vms.iter().zip(&foreign) {
        assert_eq!(&comparable(seen), wanted);
    }
    // The first read of a session may go about vm_uid in another way than the later ones.
    let again = vcenter.vms().await.expect("a second read");
    assert!(again.complete && again.unreadable.is_empty(), "{:?}", again.unreadable);
    assert_eq!(again.vms.iter().map(comparable).collect::<Vec<_>>(), foreign);
    inventory_holds_every_place(&vcenter, &listing.vms).await;
    for page_objects_max in [1, 3] {
        let paged = connect(VcenterConfig { page_objects_max, ..config(endpoint) });
        let seen = paged.vms().await.expect("a paged read").vms;
        assert_eq!(seen.iter().map(comparable).collect::<Vec<_>>(), foreign, "pages of {page_objects_max}");
        assert!(paged.stats().calls > vcenter.stats().calls / 2 + 2, "{:?}", paged.stats());
        paged.logout().await;
    }
    for vm in &listing.vms {
        every_identity_finds(&vcenter, vm, &listing.vms).await;
    }
    read_by_id_is_what_the_listing_shows(&vcenter, &listing.vms).await;
    nothing_fits_an_unknown_vm(&vcenter).await;
    a_wrong_password_is_sent_once(endpoint).await;
    assert_eq!(vcenter.clone_tasks_running("no-such-vm", None).await, Ok(vec![]));
    assert_eq!(vcenter.stats().logins, 1);
    vcenter.logout().await;
    vcenter.vms().await.expect("a read after the logout logs in again");
    assert_eq!(vcenter.stats().logins, 2);
    vcenter.logout().await;
}

async fn about_is_what_govc_sees(endpoint: &Endpoint, vcenter: &Vcenter) {
    let about = vcenter.about().await.expect("about");
    assert_eq!(vcenter.stats().logins, 0, "about needs no login");
    let foreign = &endpoint.govc_json(&["about", "-json"])["about"];
    assert_eq!(json!(about.name), foreign["name"]);
    assert_eq!(json!(about.version), foreign["version"]);
    assert_eq!(json!(about.build), foreign["build"]);
    assert_eq!(json!(about.api_version), foreign["apiVersion"]);
    assert_eq!(json!(about.api_type), foreign["apiType"]);
    assert_eq!(json!(about.instance_uuid), foreign["instanceUuid"]);
}

async fn inventory_holds_every_place(vcenter: &Vcenter, vms: &[VmSighting]) {
    let inventory = vcenter.inventory().await.expect("the inventory");
    for vm in vms {
        let at =
            |dc: &&causeway::vcenter::DatacenterNames| Some(dc.name.as_str()) == vm.datacenter.as_deref();
        let dc = inventory.datacenters.iter().find(at).unwrap_or_else(|| panic!("{vm:?} is nowhere"));
        assert!(vm.folder.is_empty() || dc.vm_folders.contains(&vm.folder), "{} in {dc:?}", vm.folder);
        assert!(vm.datastores.iter().all(|d| dc.datastores.contains(d)), "{vm:?} in {dc:?}");
        assert!(vm.nics.iter().flat_map(|n| &n.network).all(|n| dc.networks.contains(n)), "{vm:?} in {dc:?}");
        let compute = vm.cluster.as_ref().expect("a VM runs somewhere");
        assert!(
            dc.clusters.contains(compute) || dc.standalone_hosts.contains(compute),
            "{compute} in {dc:?}"
        );
        let listed = dc.templates.iter().any(|t| t.name == vm.name && t.folder == vm.folder);
        assert_eq!(listed, vm.is_template, "{vm:?}");
    }
}

async fn every_identity_finds(vcenter: &Vcenter, vm: &VmSighting, all: &[VmSighting]) {
    let find = async |query: VmQuery<'_>| {
        let found = vcenter.find_vm(&query).await.expect("a search");
        found.iter().map(comparable).collect::<Vec<_>>()
    };
    let fits =
        |fit: &dyn Fn(&VmSighting) -> bool| all.iter().filter(|v| fit(v)).map(comparable).collect::<Vec<_>>();
    let only = vec![comparable(vm)];
    assert_eq!(find(VmQuery { moid: Some(&vm.moid), ..VmQuery::default() }).await, only);
    let uuid = vm.instance_uuid.as_deref().map(str::to_ascii_uppercase);
    assert_eq!(find(VmQuery { instance_uuid: uuid.as_deref(), ..VmQuery::default() }).await, only);
    let place = VmQuery {
        name: Some(&vm.name),
        folder: Some(&vm.folder),
        datacenter: vm.datacenter.as_deref(),
        ..VmQuery::default()
    };
    assert_eq!(find(place).await, only);
    let anywhere = VmQuery { name: Some(&vm.name), ..VmQuery::default() };
    assert_eq!(find(anywhere).await, fits(&|v| v.name == vm.name));
    if let Some(address) = &vm.ip_address {
        let address = [address.parse().expect("an address")];
        let query = VmQuery { ip_addresses: &address, ..VmQuery::default() };
        assert_eq!(find(query).await, fits(&|v| v.ip_address == vm.ip_address));
    }
    if vm.vm_uid.is_some() {
        let query = VmQuery { vm_uid: vm.vm_uid.as_deref(), ..VmQuery::default() };
        assert_eq!(find(query).await, fits(&|v| v.vm_uid == vm.vm_uid));
    }
}

/// Whole pages and single VMs, beside one that never was.
async fn read_by_id_is_what_the_listing_shows(vcenter: &Vcenter, all: &[VmSighting]) {
    let mut ids: Vec<String> = all.iter().map(|vm| vm.moid.clone()).collect();
    ids.push("vm-424242".to_owned());
    let reading = vcenter.read_vms(&ids).await.expect("a reading");
    let plain = |vms: &[VmSighting]| vms.iter().map(comparable).collect::<Vec<_>>();
    assert_eq!(plain(&reading.vms), plain(all));
    assert_eq!((reading.gone, reading.unreadable), (vec!["vm-424242".to_owned()], vec![]));
}

async fn nothing_fits_an_unknown_vm(vcenter: &Vcenter) {
    let unknown = VmQuery {
        vm_uid: Some("00000000-0000-5000-8000-000000000000"),
        instance_uuid: Some("00000000-0000-5000-8000-000000000001"),
        moid: Some("vm-424242"),
        name: Some("no-such-vm"),
        ip_addresses: &[std::net::Ipv4Addr::new(203, 0, 113, 254).into()],
        ..VmQuery::default()
    };
    assert_eq!(vcenter.find_vm(&unknown).await, Ok(vec![]));
    assert_eq!(vcenter.find_vm(&VmQuery::default()).await, Ok(vec![]));
}

async fn a_wrong_password_is_sent_once(endpoint: &Endpoint) {
    let wrong = "wr0ng-pass-w0rd";
    let vcenter = connect(VcenterConfig { password: Secret::new(wrong), ..config(endpoint) });
    let refused = vcenter.vms().await.expect_err("a wrong password");
    assert!(matches!(refused, VcenterError::LoginRefused { .. }), "{refused:?}");
    let calls = vcenter.stats().calls;
    vcenter.logout().await;
    for _ in 0..3 {
        let again = vcenter.find_vm(&VmQuery { name: Some("x"), ..VmQuery::default() }).await;
        assert_eq!(again, Err(refused.clone()));
    }
    assert_eq!(vcenter.stats().calls, calls, "nothing is sent after a refusal");
    let shown = format!("{refused} {refused:?} {vcenter:?}");
    assert!(!shown.contains(wrong), "{shown}");
}

/// A sighting as plain values, without the instant at which it was seen.
fn comparable(vm: &VmSighting) -> Value {
    let mut value = serde_json::to_value(vm).expect("a sighting serialises");
    value.as_object_mut().expect("an object").remove("seen_at");
    value
}

/// The same facts as govc tells them.
struct Foreign<'e> {
    endpoint: &'e Endpoint,
    /// Names of the custom attributes by key.
    fields: BTreeMap<i64, String>,
}

impl<'e> Foreign<'e> {
    fn of(endpoint: &'e Endpoint) -> Self {
        let manager = "CustomFieldsManager:CustomFieldsManager";
        let list = endpoint.govc_json(&["object.collect", "-json", manager, "field"]);
        let definitions = list[0]["val"]["_value"].as_array().cloned().unwrap_or_default();
        let plain = |d: &Value| Some((d["key"].as_i64()?, d["name"].as_str()?.to_owned()));
        Self { endpoint, fields: definitions.iter().filter_map(plain).collect() }
    }

    fn vms(&self) -> Vec<Value> {
        let references = self.endpoint.govc(&["find", "-i", "/", "-type", "m"]);
        let mut vms: Vec<Value> = references.lines().map(|reference| self.vm(reference)).collect();
        vms.sort_by(|a, b| a["moid"].as_str().cmp(&b["moid"].as_str()));
        vms
    }

    fn vm(&self, reference: &str) -> Value {
        let properties = self.properties(reference);
        let get = |path: &str| properties.get(path).cloned().unwrap_or(Value::Null);
        let path = self.path(reference);
        let types = self.adapter_types(&path);
        let name = get("name").as_str().unwrap_or_default().to_owned();
        let (datacenter, below) = path.split_once("/vm/").expect("a VM lies below vm");
        let host = get("runtime.host")["value"].as_str().map(|id| format!("HostSystem:{id}"));
        let host_path = host.map(|host| self.path(&host)).unwrap_or_default();
        let mut host_parts = host_path.rsplit('/').map(str::to_owned);
        let devices = get("config.hardware.device")["_value"].as_array().cloned().unwrap_or_default();
        let uid = get("config.extraConfig")["_value"].as_array().cloned().unwrap_or_default();
        let uid = uid.iter().find(|e| e["key"] == "guestinfo.causeway.vm_uid").map(|e| e["value"].clone());
        let mut stores: Vec<String> = (get("datastore")["_value"].as_array().into_iter().flatten())
            .map(|d| self.name("Datastore", d["value"].as_str().unwrap_or_default()))
            .collect();
        stores.sort();
        let mut told = json!({
            "moid": reference.split_once(':').map(|(_, id)| id),
            "instance_uuid": get("config.instanceUuid"),
            "bios_uuid": get("config.uuid"),
            "vm_uid": uid,
            "name": name,
            "is_template": get("config.template"),
            "folder": below.strip_suffix(&name).map(|f| f.trim_end_matches('/')),
            "datacenter": datacenter.rsplit('/').next(),
            "host": host_parts.next(),
            "cluster": host_parts.next(),
            "cpu": get("config.hardware.numCPU"),
            "memory_mib": get("config.hardware.memoryMB"),
            "power": get("runtime.powerState"),
            "datastores": stores,
            "nics": by_key(devices.iter().filter(|d| d.get("macAddress").is_some()).map(|d| self.nic(d, &types))),
            "disks": by_key(devices.iter().filter(|d| d.get("capacityInKB").is_some()).map(disk)),
            "ip_address": get("guest.ipAddress").as_str().filter(|s| !s.is_empty()),
            "guest_hostname": get("guest.hostName").as_str().filter(|s| !s.is_empty()),
        });
        let custom: serde_json::Map<String, Value> = (get("customValue")["_value"]
            .as_array()
            .into_iter()
            .flatten())
        .filter(|entry| entry["value"].as_str().is_some_and(|value| !value.is_empty()))
        .filter_map(|entry| Some((self.fields.get(&entry["key"].as_i64()?)?.clone(), entry["value"].clone())))
        .collect();
        let mut snapshots = Vec::new();
        snapshot_names(&get("snapshot")["rootSnapshotList"], &mut snapshots);
        // What a sighting leaves out when it is empty.
        for (name, value, is_told) in [
            ("firmware", get("config.firmware"), get("config.firmware").is_string()),
            ("connection", get("runtime.connectionState"), get("runtime.connectionState").is_string()),
            ("custom_values", Value::Object(custom.clone()), !custom.is_empty()),
            ("snapshots", json!(snapshots), !snapshots.is_empty()),
        ] {
            if is_told {
                told[name] = value;
            }
        }
        told
    }

    fn nic(&self, device: &Value, types: &BTreeMap<i64, String>) -> Value {
        let group = device["backing"]["port"]["portgroupKey"].as_str();
        let network = group.map(|key| self.name("DistributedVirtualPortgroup", key));
        json!({
            "key": device["key"],
            "label": device["deviceInfo"]["label"],
            "nic_type": device["key"].as_i64().and_then(|key| types.get(&key)),
            "network": network.or_else(|| device["backing"]["deviceName"].as_str().map(str::to_owned)),
            "mac": device["macAddress"],
            "connected": device["connectable"]["connected"],
        })
    }

    /// Adapter types by device key, which object.collect does not print.
    fn adapter_types(&self, path: &str) -> BTreeMap<i64, String> {
        let found = self.endpoint.govc_json(&["device.info", "-json", "-vm", path, "ethernet-*"]);
        let devices = found["devices"].as_array().cloned().unwrap_or_default();
        let plain =
            |d: &Value| Some((d["key"].as_i64()?, d["type"].as_str()?.replace("Virtual", "").to_lowercase()));
        devices.iter().filter_map(plain).collect()
    }

    fn properties(&self, reference: &str) -> BTreeMap<String, Value> {
        let wanted = [
            "name",
            "config.instanceUuid",
            "config.uuid",
            "config.template",
            "config.hardware.numCPU",
            "config.hardware.memoryMB",
            "config.hardware.device",
            "config.extraConfig",
            "runtime.powerState",
            "runtime.host",
            "datastore",
            "guest.ipAddress",
            "guest.hostName",
            "config.firmware",
            "runtime.connectionState",
            "snapshot",
            "customValue",
        ];
        let list = self.endpoint.govc_json(&[&["object.collect", "-json", reference], &wanted[..]].concat());
        let list = list.as_array().cloned().unwrap_or_default();
        list.into_iter()
            .map(|p| (p["name"].as_str().unwrap_or_default().to_owned(), p["val"].clone()))
            .collect()
    }

    fn path(&self, reference: &str) -> String {
        self.endpoint.govc(&["ls", "-L", reference])
    }

    fn name(&self, kind: &str, id: &str) -> String {
        self.endpoint.govc(&["object.collect", "-s", &format!("{kind}:{id}"), "name"])
    }
}

fn by_key(devices: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut devices: Vec<Value> = devices.collect();
    devices.sort_by_key(|d| d["key"].as_i64());
    devices
}

/// Names of a snapshot tree as JSON, each before those that were taken after it.
fn snapshot_names(list: &Value, names: &mut Vec<Value>) {
    for taken in list.as_array().into_iter().flatten() {
        names.push(taken["name"].clone());
        snapshot_names(&taken["childSnapshotList"], names);
    }
}

fn disk(device: &Value) -> Value {
    let chain =
        std::iter::successors(Some(&device["backing"]), |one| Some(&one["parent"]).filter(|p| p.is_object()));
    json!({
        "key": device["key"],
        "label": device["deviceInfo"]["label"],
        "capacity_mib": device["capacityInBytes"].as_u64().map(|bytes| bytes / 1024 / 1024),
        "thin": device["backing"]["thinProvisioned"],
        "file": device["backing"]["fileName"],
        "base_file": chain.last().map(|first| first["fileName"].clone()),
    })
}

// ── against the lab's vCenter, seeded through its model ──

/// Machines of every kind that Causeway meets, as [`seeded`] makes them with govc.
fn seed(vsphere: &mut Vsphere) -> Result<(), vsphere::Fault> {
    let now = SystemClock.now();
    let clone = |name: &str, folder: &str, uid: Option<&str>| CloneSpec {
        name: name.to_owned(),
        template: "rhel9".to_owned(),
        datacenter: "DC0".to_owned(),
        cluster: "C0".to_owned(),
        folder: folder.to_owned(),
        cpu: Some(4),
        memory_mib: Some(2_048),
        network: Some("prod-app".to_owned()),
        extra_config: uid.map(|uid| (VM_UID_KEY.to_owned(), uid.to_owned())).into_iter().collect(),
        ..CloneSpec::default()
    };
    let dc0 = vsphere.datacenter_by_name("DC0")?.clone();
    vsphere.make_vm_folder(&dc0, "prod/blue")?;
    for (name, folder, uid) in [
        ("web01", "", Some(UID_1)),
        ("plain", "prod", Some(UID_2)),
        ("web02", "prod/blue", None),
        ("off01", "dev", None),
    ] {
        vsphere.begin_clone(clone(name, folder, uid), jiff::SignedDuration::ZERO, now)?;
    }
    vsphere.tick(now);
    let moid = |vsphere: &Vsphere, name: &str| vsphere.vms_by_name(name)[0].moid;
    let (web01, plain) = (moid(vsphere, "web01"), moid(vsphere, "plain"));
    let network = vsphere.network_by_name(dc0.moid, "prod-db")?;
    vsphere.add_nic(web01, network, now)?;
    vsphere.add_disk(web01, 3, None, now)?;
    vsphere.set_power(web01, vsphere::PowerState::PoweredOn, now)?;
    vsphere.set_guest_ip(web01, Some("10.20.30.40"), Some("web01.example.org"))?;
    vsphere.rename(plain, ODD_NAME, now)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_sees_of_the_lab_what_govc_sees() {
    let clock: SharedClock = Arc::new(SystemClock);
    let mut world = World::new(WorldOptions::fast(1), clock.now()).expect("a world");
    seed(&mut world.vsphere).expect("machines");
    let front = VcenterFront::start(Arc::new(std::sync::Mutex::new(world)), clock).expect("a vCenter");
    causeway::bridge::use_ring();
    let password = front.password().to_owned();
    let endpoint = Endpoint { url: front.url.clone(), username: "lab".to_owned(), password };
    contract(&endpoint).await;
    watching::changes_in_the_lab_are_told(&endpoint).await;
    assert_eq!(front.state.session_count(), 0, "a session was left open");
    front.stop().await;
}

// ── below: against govmomi's simulator only ──

const SOURCE: &str = "/DC0/vm/DC0_C0_RP0_VM0";

/// Clones `SOURCE` into DC0's root folder and gives the clone an identity.
fn clone_vm(endpoint: &Endpoint, name: &str, more: &[&str], uid: Option<&str>) {
    let place = ["-dc", "DC0", "-pool", "/DC0/host/DC0_C0/Resources", "-ds", "LocalDS_0", "-on=false"];
    endpoint.govc(&[&["vm.clone", "-vm", SOURCE], &place[..], more, &[name]].concat());
    if let Some(uid) = uid {
        let entry = format!("guestinfo.causeway.vm_uid={uid}");
        endpoint.govc(&["vm.change", "-vm", &format!("/DC0/vm/{name}"), "-e", &entry]);
    }
}

/// A vCenter with two data centres and VMs of every kind that Causeway meets.
fn seeded(arguments: &[&str]) -> Vcsim {
    let size = ["-dc", "2", "-cluster", "1", "-host", "2", "-vm", "2", "-folder", "1", "-pg", "2"];
    let vcsim = Vcsim::start_with(&[&[PLAIN], &size[..], arguments].concat());
    let vc = &vcsim.endpoint;
    clone_vm(vc, "web01", &["-c", "4", "-m", "2048"], Some(UID_1));
    vc.govc(&[
        "vm.network.add",
        "-dc",
        "DC0",
        "-vm",
        "web01",
        "-net",
        "DC0_DVPG1",
        "-net.adapter",
        "vmxnet3",
    ]);
    vc.govc(&["vm.network.add", "-dc", "DC0", "-vm", "web01", "-net", "VM Network", "-net.adapter", "e1000"]);
    vc.govc(&[
        "vm.disk.create",
        "-dc",
        "DC0",
        "-vm",
        "web01",
        "-name",
        "web01/data",
        "-ds",
        "LocalDS_0",
        "-size",
        "3G",
    ]);
    vc.govc(&["vm.change", "-dc", "DC0", "-vm", "web01", "-e", "SET.guest.ipAddress=10.20.30.40"]);
    vc.govc(&["vm.change", "-dc", "DC0", "-vm", "web01", "-e", "SET.guest.hostName=web01.example.org"]);
    vc.govc(&["vm.power", "-dc", "DC0", "-on", "web01"]);
    vc.govc(&["fields.add", "owner"]);
    vc.govc(&["fields.set", "-dc", "DC0", "owner", "alice", "/DC0/vm/web01"]);
    vc.govc(&["snapshot.create", "-dc", "DC0", "-vm", "web01", "clean"]);
    vc.govc(&["snapshot.create", "-dc", "DC0", "-vm", "web01", "init"]);
    clone_vm(vc, "plain", &[], Some(UID_2));
    vc.govc(&["object.rename", "/DC0/vm/plain", ODD_NAME]);
    vc.govc(&["folder.create", "/DC0/vm/prod", "/DC0/vm/prod/blue"]);
    clone_vm(vc, "web02", &["-folder", "/DC0/vm/prod/blue"], None);
    clone_vm(vc, "rhel9", &["-folder", "/DC0/vm/prod"], None);
    vc.govc(&["vm.markastemplate", "/DC0/vm/prod/rhel9"]);
    vcsim
}

#[tokio::test]
async fn the_client_sees_what_govc_sees() {
    let vcsim = seeded(&[]);
    contract(&vcsim.endpoint).await;
}

#[tokio::test]
async fn blank_enums_change_nothing() {
    let vcsim = seeded(&["-repair=false"]);
    contract(&vcsim.endpoint).await;
}

#[tokio::test]
async fn the_seeded_vms_are_seen_as_they_were_made() {
    let vcsim = seeded(&[]);
    let vcenter = client(&vcsim.endpoint);
    let by_uid = VmQuery { vm_uid: Some(UID_1), ..VmQuery::default() };
    let found = vcenter.find_vm(&by_uid).await.expect("a search");
    let [web01] = &found[..] else { panic!("{found:?}") };
    assert_eq!(
        (web01.name.as_str(), web01.folder.as_str(), web01.cpu, web01.memory_mib),
        ("web01", "", Some(4), Some(2048))
    );
    assert_eq!(web01.power, Some(PowerState::PoweredOn));
    assert_eq!(web01.ip_address.as_deref(), Some("10.20.30.40"));
    assert_eq!(web01.guest_hostname.as_deref(), Some("web01.example.org"));
    assert_eq!((web01.datacenter.as_deref(), web01.cluster.as_deref()), (Some("DC0"), Some("DC0_C0")));
    let nics: Vec<_> = web01.nics.iter().map(|n| (n.nic_type.as_str(), n.network.as_deref())).collect();
    assert!(nics.contains(&("vmxnet3", Some("DC0_DVPG1"))), "{nics:?}");
    assert!(nics.contains(&("e1000", Some("VM Network"))), "{nics:?}");
    assert!(web01.disks.iter().any(|d| d.capacity_mib == 3072), "{:?}", web01.disks);
    assert_eq!(web01.snapshots, ["clean", "init"]);
    assert_eq!(web01.custom_values, BTreeMap::from([("owner".to_owned(), "alice".to_owned())]));
    assert_eq!(web01.connection.as_deref(), Some("connected"));
    let odd =
        vcenter.find_vm(&VmQuery { name: Some(ODD_NAME), ..VmQuery::default() }).await.expect("a search");
    assert_eq!(odd.iter().map(|v| v.vm_uid.as_deref()).collect::<Vec<_>>(), [Some(UID_2)]);
    let inventory = vcenter.inventory().await.expect("the inventory");
    let names: Vec<_> = inventory.datacenters.iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["DC0", "DC1"]);
    let dc0 = &inventory.datacenters[0];
    assert!(dc0.vm_folders.contains("prod/blue") && dc0.clusters.contains("DC0_C0"), "{dc0:?}");
    assert_eq!(
        dc0.templates.iter().map(|t| (t.name.as_str(), t.folder.as_str())).collect::<Vec<_>>(),
        [("rhel9", "prod")]
    );
}

#[tokio::test]
async fn a_taken_name_and_a_copied_identity_are_both_shown() {
    let vcsim = seeded(&[]);
    let vc = &vcsim.endpoint;
    let vcenter = client(vc);
    let wanted =
        VmQuery { vm_uid: Some(UID_1), name: Some("web02"), folder: Some("prod/blue"), ..VmQuery::default() };
    let found = vcenter.find_vm(&wanted).await.expect("a search");
    let seen: Vec<_> = found.iter().map(|v| (v.name.as_str(), v.vm_uid.as_deref())).collect();
    assert_eq!(seen, [("web01", Some(UID_1)), ("web02", None)], "a stranger has the name");
    let elsewhere = VmQuery { folder: Some("prod"), ..wanted };
    assert_eq!(
        vcenter.find_vm(&elsewhere).await.expect("a search").len(),
        1,
        "a name holds in its folder only"
    );

    clone_vm(vc, "copy", &[], Some(UID_1));
    let wanted = VmQuery { vm_uid: Some(UID_1), ..VmQuery::default() };
    let found = vcenter.find_vm(&wanted).await.expect("a search");
    let seen: Vec<_> = found.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(seen, ["web01", "copy"], "two VMs bear one identity");

    vc.govc(&["vm.change", "-vm", "/DC0/vm/copy", "-e", "guestinfo.causeway.vm_uid="]);
    let found = vcenter.find_vm(&wanted).await.expect("a search");
    assert_eq!(found.len(), 1, "a cleared key is no identity: {found:?}");
}

#[tokio::test]
async fn a_destroyed_vm_is_gone_from_every_read() {
    let vcsim = seeded(&[]);
    let vcenter = client(&vcsim.endpoint);
    let before = vcenter.vms().await.expect("a read").vms;
    let web01 = before.iter().find(|v| v.name == "web01").expect("web01").clone();
    vcsim.endpoint.govc(&["vm.destroy", "-dc", "DC0", "web01"]);
    let wanted =
        VmQuery { vm_uid: Some(UID_1), moid: Some(&web01.moid), name: Some("web01"), ..VmQuery::default() };
    assert_eq!(vcenter.find_vm(&wanted).await, Ok(vec![]));
    let after = vcenter.vms().await.expect("a read");
    assert!(after.complete, "{:?}", after.unreadable);
    assert_eq!(after.vms.len(), before.len() - 1);
}

#[tokio::test]
async fn vms_that_come_and_go_during_reads_never_fail_them() {
    let vcsim = Vcsim::start_with(&[PLAIN, "-dc", "1", "-vm", "10"]);
    let vc = vcsim.endpoint.clone();
    let vcenter = connect(VcenterConfig { page_objects_max: 2, read_attempts_max: 1, ..config(&vc) });
    let destroying = std::thread::spawn(move || {
        for n in 0..10 {
            vc.govc(&["vm.destroy", "-dc", "DC0", &format!("DC0_C0_RP0_VM{n}")]);
        }
    });
    let mut reads = 0;
    while !destroying.is_finished() || reads < 3 {
        let listing = vcenter.vms().await.expect("a read beside deletions");
        assert!(listing.complete && listing.vms.len() >= 10, "{listing:?}");
        reads += 1;
    }
    destroying.join().expect("all destroyed");
    assert_eq!(vcenter.vms().await.expect("a read").vms.len(), 10);
}

#[tokio::test]
async fn a_terminated_session_is_replaced_without_the_caller_noticing() {
    let vcsim = Vcsim::start_with(&[PLAIN, "-vm", "1"]);
    let vcenter = client(&vcsim.endpoint);
    let before = vcenter.vms().await.expect("a read").vms.len();
    for round in 1..=2_u64 {
        let sessions = vcsim.endpoint.govc_json(&["session.ls", "-json"]);
        let own = sessions["sessionList"].as_array().into_iter().flatten();
        let own: Vec<_> =
            own.filter(|s| s["userAgent"].as_str().is_some_and(|a| a.starts_with("causeway/"))).collect();
        assert_eq!(own.len(), 1, "one session per client: {sessions}");
        vcsim.endpoint.govc(&["session.rm", own[0]["key"].as_str().expect("a key")]);
        assert_eq!(vcenter.vms().await.expect("a read after the session was ended").vms.len(), before);
        assert_eq!(vcenter.stats().logins, 1 + round);
    }
    vcenter.logout().await;
    let left = vcsim.endpoint.govc(&["session.ls", "-json"]);
    assert!(!left.contains("causeway/"), "{left}");
}

#[tokio::test]
async fn a_key_of_extra_config_is_read_alone_once_it_has_proved_itself() {
    let vcsim = seeded(&[]);
    let vcenter = client(&vcsim.endpoint);
    for n in 0..40 {
        let entry = format!("guestinfo.filler{n}={}", "x".repeat(200));
        vcsim.endpoint.govc(&["vm.change", "-dc", "DC0", "-vm", "web01", "-e", &entry]);
    }
    let wanted = VmQuery { name: Some("no-such-vm"), ..VmQuery::default() };
    let mut sizes = Vec::new();
    for _ in 0..2 {
        let before = vcenter.stats().received_bytes;
        vcenter.find_vm(&wanted).await.expect("a search");
        sizes.push(vcenter.stats().received_bytes - before);
    }
    assert!(sizes[1] + 8_000 < sizes[0], "the second search reads one key, not the list: {sizes:?}");
    let by_uid = VmQuery { vm_uid: Some(UID_2), ..VmQuery::default() };
    assert_eq!(vcenter.find_vm(&by_uid).await.expect("a search").len(), 1);
}

#[tokio::test]
async fn a_clone_is_seen_while_it_runs_and_no_longer_after() {
    let vcsim = Vcsim::start_with(&[PLAIN, "-dc", "2", "-vm", "1", "-task-delay", "CloneVm:4000"]);
    let vcenter = client(&vcsim.endpoint);
    assert_eq!(vcenter.clone_tasks_running("web09", None).await, Ok(vec![]));
    let vc = vcsim.endpoint.clone();
    let cloning = std::thread::spawn(move || clone_vm(&vc, "web09", &[], None));
    let start = Instant::now();
    let seen = loop {
        let seen = vcenter.clone_tasks_running("web09", Some("DC0")).await.expect("the tasks");
        if !seen.is_empty() {
            break seen;
        }
        assert!(start.elapsed() < DEADLINE && !cloning.is_finished(), "the clone never showed");
        tokio::task::yield_now().await;
    };
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert_eq!(seen[0].targets.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["web09"]);
    assert_eq!(vcenter.clone_tasks_running("web10", None).await, Ok(vec![]), "another name is not meant");
    assert_eq!(vcenter.clone_tasks_running("web09", Some("DC1")).await, Ok(vec![]), "it goes to DC0");
    cloning.join().expect("cloned");
    assert_eq!(vcenter.clone_tasks_running("web09", None).await, Ok(vec![]));
    assert_eq!(
        vcenter
            .find_vm(&VmQuery { name: Some("web09"), ..VmQuery::default() })
            .await
            .expect("a search")
            .len(),
        1
    );
}

#[tokio::test]
async fn one_login_serves_many_callers() {
    let vcsim = Vcsim::start_with(&[PLAIN, "-vm", "1"]);
    let vcenter = client(&vcsim.endpoint);
    let mut reads = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (listing, search, clones, names) =
            (vcenter.clone(), vcenter.clone(), vcenter.clone(), vcenter.clone());
        reads.spawn(async move { listing.vms().await.map(|_| ()) });
        reads.spawn(async move {
            let name = "DC0_C0_RP0_VM0".to_owned();
            search.find_vm(&VmQuery { name: Some(&name), ..VmQuery::default() }).await.map(|_| ())
        });
        reads.spawn(async move { clones.clone_tasks_running("x", None).await.map(|_| ()) });
        reads.spawn(async move { names.inventory().await.map(|_| ()) });
    }
    while let Some(read) = reads.join_next().await {
        read.expect("no panic").expect("a read");
    }
    assert_eq!(vcenter.stats().logins, 1);
}

#[tokio::test]
async fn tls_needs_the_authority_that_signed_the_certificate() {
    let data =
        |name: &str| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/vcenter/tls").join(name);
    let (cert, key) =
        (data("server.pem").display().to_string(), data("server-key.pem").display().to_string());
    let vcsim = Vcsim::start_with(&["-vm", "1", "-tlscert", &cert, "-tlskey", &key]);
    let trusting = connect(VcenterConfig { ca_file: Some(data("ca.pem")), ..config(&vcsim.endpoint) });
    assert!(!trusting.vms().await.expect("a read over TLS").vms.is_empty());
    let wary = connect(VcenterConfig { read_attempts_max: 1, ..config(&vcsim.endpoint) });
    let refused = wary.vms().await.expect_err("an unknown authority");
    assert!(
        matches!(&refused, VcenterError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{refused:?}"
    );
}
