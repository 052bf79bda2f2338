//! The lab's vCenter against what was recorded and against a foreign client: the requests of the recordings in
//! `tests/data/lab-vcenter/` are sent again and the answers' shapes compared, and `govc` does its work.
//!
//! A shape is the set of paths through an answer: local names, the type each value says, the kind of object each
//! reference names, and for a property also its name. Ids, values and how often something repeats may differ.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer};
use causeway::clock::{Clock, SystemClock};
use causeway::config::Secret;
use causeway::lab::vcenter::{Away, FaultSwitches, VcenterState, VsphereHandle, configure};
use causeway::lab::vsphere::{CloneSpec, Layout, Moid, PowerState, VM_UID_KEY, Vsphere};
use jiff::SignedDuration;
use quick_xml::Reader;
use quick_xml::events::Event;

mod lab_vcenter {
    mod watching;
}

// ---- the lab under test -------------------------------------------------------------------------------------

/// A served vCenter with seven running machines beside its templates; stops when dropped.
struct Lab {
    state: VcenterState,
    port: u16,
    stop: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
    http: reqwest::Client,
}

struct Answer {
    status: u16,
    cookie: Option<String>,
    body: String,
}

impl Lab {
    fn start() -> Self {
        let mut layout = Layout::default();
        // The recorded inventory has distributed port groups only.
        layout.datacenters[0].networks.iter_mut().for_each(|network| network.distributed = true);
        let mut vsphere = Vsphere::new(&layout, 1).unwrap();
        let now = SystemClock.now();
        for at in 0..7 {
            vsphere.begin_clone(clone_spec(&format!("app-{at}")), SignedDuration::ZERO, now).unwrap();
        }
        vsphere.tick(now);
        let handle = VsphereHandle::new(Arc::new(Mutex::new(vsphere)));
        let state = VcenterState::new(handle, Arc::new(SystemClock))
            .with_user("lab", Secret::new("secret"))
            .with_clone_ms(50);
        let (port, stop, thread) = serve(state.clone());
        // Plain HTTP only, but the client will not be built without a provider.
        let _installed_before = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
        Self { state, port, stop, thread: Some(thread), runtime, http }
    }

    fn with<R>(&self, act: impl FnOnce(&mut Vsphere) -> R) -> R {
        self.state.vsphere().with(act)
    }

    fn machine(&self, name: &str) -> Moid {
        self.with(|vsphere| vsphere.vms_by_name(name)[0].moid)
    }

    /// Sends an envelope; `Err` when the connection broke.
    fn post(&self, body: &str, cookie: Option<&str>) -> Result<Answer, reqwest::Error> {
        self.runtime.block_on(async {
            let mut request = self.http.post(format!("http://127.0.0.1:{}/sdk", self.port));
            request = request.header("Content-Type", "text/xml; charset=\"utf-8\"");
            request = request.header("SOAPAction", "urn:vim25/8.0.3.0").body(body.to_owned());
            if let Some(cookie) = cookie {
                request = request.header("Cookie", format!("vmware_soap_session={cookie}"));
            }
            let response = request.send().await?;
            let status = response.status().as_u16();
            let cookie = response.headers().get("set-cookie").map(|value| value.to_str().unwrap().to_owned());
            let body = response.text().await?;
            Ok(Answer { status, cookie, body })
        })
    }

    /// Calls a method with what stands in it as XML.
    fn call(&self, method: &str, inner: &str, cookie: Option<&str>) -> Answer {
        let body = format!(
            "<E:Envelope xmlns:E='e' xmlns:xsi='i'><E:Body><{method} xmlns='urn:vim25'>{inner}</{method}></E:Body></E:Envelope>"
        );
        self.post(&body, cookie).unwrap()
    }

    /// Logs in and returns the cookie's value.
    fn login(&self) -> String {
        let this = "<_this type='SessionManager'>SessionManager</_this>";
        let answer =
            self.call("Login", &format!("{this}<userName>lab</userName><password>secret</password>"), None);
        assert_eq!(answer.status, 200, "{}", answer.body);
        text_at(&answer.body, "key").unwrap()
    }

    /// Reads properties of one object; `Some(text)` per path that is set.
    fn read(&self, cookie: &str, object: (&str, &str), path: &str) -> Answer {
        let inner = format!(
            "<_this type='PropertyCollector'>propertyCollector</_this><specSet><propSet><type>{kind}</type>\
             <pathSet>{path}</pathSet></propSet><objectSet><obj type='{kind}'>{id}</obj></objectSet></specSet><options/>",
            kind = object.0,
            id = object.1,
            path = path.replace('"', "&quot;"),
        );
        self.call("RetrievePropertiesEx", &inner, Some(cookie))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let stopping = self.stop.stop(false);
        self.runtime.block_on(stopping);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn serve(state: VcenterState) -> (u16, actix_web::dev::ServerHandle, JoinHandle<()>) {
    let (tell, told) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let app = move || App::new().configure(configure(state.clone()));
            let server = HttpServer::new(app).workers(1).disable_signals().bind(("127.0.0.1", 0)).unwrap();
            let port = server.addrs()[0].port();
            let server = server.run();
            tell.send((port, server.handle())).unwrap();
            server.await.unwrap();
        });
    });
    let (port, stop) = told.recv_timeout(Duration::from_secs(10)).unwrap();
    (port, stop, thread)
}

fn clone_spec(name: &str) -> CloneSpec {
    CloneSpec {
        name: name.to_owned(),
        template: "rhel9".to_owned(),
        datacenter: "DC0".to_owned(),
        cluster: "C0".to_owned(),
        folder: "prod".to_owned(),
        network: Some("prod-app".to_owned()),
        power_on: true,
        ..CloneSpec::default()
    }
}

// ---- shapes -------------------------------------------------------------------------------------------------

#[derive(Debug, Default)]
struct Node {
    label: String,
    name: String,
    text: String,
    children: Vec<Node>,
}

fn parse(xml: &str) -> Node {
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Node::default()];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => open.push(node(&start)),
            Event::Empty(start) => {
                let child = node(&start);
                open.last_mut().unwrap().children.push(child);
            }
            Event::End(_) => {
                let child = open.pop().unwrap();
                open.last_mut().unwrap().children.push(child);
            }
            Event::Text(text) => open.last_mut().unwrap().text.push_str(&text.xml10_content()),
            Event::GeneralRef(_) => open.last_mut().unwrap().text.push('?'),
            Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Eof => return open.pop().unwrap(),
        }
    }
}

/// An element with its name and what it says of its type, whatever prefixes it uses.
fn node(start: &quick_xml::events::BytesStart<'_>) -> Node {
    let name = start.local_name().into_inner().to_owned();
    let mut label = name.clone();
    for attribute in start.attributes() {
        let attribute = attribute.unwrap();
        if attribute.key.local_name().into_inner() == "type" {
            let sign = if attribute.key.prefix().is_some() { ':' } else { '@' };
            label.push(sign);
            label.push_str(attribute.value.rsplit(':').next().unwrap());
        }
    }
    // Attributes come in any order.
    let mut parts: Vec<&str> = label.split_inclusive(['@', ':']).collect();
    if parts.len() == 3 && label.find('@') > label.find(':') {
        parts.swap(1, 2);
        let (colon, at) = (label.find(':').unwrap(), label.find('@').unwrap());
        label = format!("{}{}{}", &label[..colon], &label[at..], &label[colon..at]);
    }
    Node { label, name, ..Node::default() }
}

fn shape(xml: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for child in &parse(xml).children {
        walk(child, "", &mut paths);
    }
    paths
}

fn walk(node: &Node, above: &str, paths: &mut BTreeSet<String>) {
    let mut path = format!("{above}/{}", node.label);
    if matches!(node.name.as_str(), "propSet" | "changeSet") {
        let name = node.children.iter().find(|child| child.name == "name");
        path.push_str(&format!("[{}]", name.map(|name| name.text.as_str()).unwrap_or_default()));
    }
    if node.name == "objectSet" {
        let kind = node.children.iter().find(|child| child.name == "kind").unwrap();
        path.push_str(&format!("[{}]", kind.text));
    }
    paths.insert(path.clone());
    node.children.iter().for_each(|child| walk(child, &path, paths));
}

fn text_at(xml: &str, name: &str) -> Option<String> {
    let mut open = vec![parse(xml)];
    while let Some(node) = open.pop() {
        if node.name == name {
            return Some(node.text.trim().to_owned());
        }
        open.extend(node.children.into_iter().rev());
    }
    None
}

// ---- recordings ---------------------------------------------------------------------------------------------

struct Recording {
    request: String,
    cookie: Option<String>,
    answer: Answer,
}

fn recording(name: &str) -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lab-vcenter").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (sent, received) = text.split_once("\n=== ").unwrap();
    let (sent_head, request) = sent.split_once("\n\n").unwrap();
    let (received_head, body) = received.split_once("\n\n").unwrap();
    let header = |head: &str, name: &str| {
        head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    };
    let session = header(sent_head, "Cookie: vmware_soap_session=");
    let answer = Answer {
        status: received_head[..3].parse().unwrap(),
        cookie: header(received_head, "Set-Cookie:"),
        body: body.to_owned(),
    };
    Recording { request: request.trim().to_owned(), cookie: session, answer }
}

/// Ids of the recording and what they are called here.
#[derive(Default)]
struct Names(BTreeMap<String, String>);

impl Names {
    fn learn(&mut self, recorded: &str, ours: &str) {
        for element in ["key", "token", "returnval"] {
            // Anything shorter is no id but a word that may stand anywhere.
            let theirs = text_at(recorded, element).filter(|theirs| theirs.len() >= 16);
            if let (Some(theirs), Some(ours)) = (theirs, text_at(ours, element)) {
                self.0.insert(theirs, ours);
            }
        }
    }

    /// Longest first, as an id may be part of another.
    fn translate(&self, text: &str) -> String {
        let mut known: Vec<_> = self.0.iter().collect();
        known.sort_by_key(|(theirs, _)| std::cmp::Reverse(theirs.len()));
        known.into_iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs, ours))
    }
}

/// Sends a recorded request again and compares the answers; `allowed` lists every difference, as `-path` (only
/// recorded) or `+path` (only ours) where `*` at the end stands for the rest. An entry that is not needed fails.
fn replay(lab: &Lab, names: &mut Names, file: &str, allowed: &[&str]) {
    let recorded = recording(file);
    // Recorded waits of several seconds prove nothing more than one second does.
    let mut request = names.translate(&recorded.request);
    for secs in ["3", "4", "5"] {
        let asked = format!("<maxWaitSeconds>{secs}</maxWaitSeconds>");
        request = request.replace(&asked, "<maxWaitSeconds>1</maxWaitSeconds>");
    }
    let cookie = recorded.cookie.as_deref().map(|cookie| names.translate(cookie));
    let ours = lab.post(&request, cookie.as_deref()).unwrap();
    assert_eq!(ours.status, recorded.answer.status, "{file}: {}", ours.body);
    assert_eq!(ours.cookie.is_some(), recorded.answer.cookie.is_some(), "{file}: cookie");
    names.learn(&recorded.answer.body, &ours.body);
    let (theirs, mine) = (shape(&recorded.answer.body), shape(&ours.body));
    let lost = theirs.difference(&mine).map(|path| format!("-{path}"));
    let extra = mine.difference(&theirs).map(|path| format!("+{path}"));
    let found: Vec<String> = lost.chain(extra).collect();
    let covers =
        |rule: &str, one: &str| rule.strip_suffix('*').map_or(rule == one, |start| one.starts_with(start));
    let differences: Vec<&String> =
        found.iter().filter(|one| !allowed.iter().any(|rule| covers(rule, one))).collect();
    assert!(differences.is_empty(), "{file} differs:\n{differences:#?}\n{}", ours.body);
    let stale: Vec<_> = allowed.iter().filter(|rule| !found.iter().any(|one| covers(rule, one))).collect();
    assert!(stale.is_empty(), "{file}: allowed and not needed: {stale:#?}");
}

const RESULT: &str = "/Envelope/Body";

#[test]
fn a_recorded_session_of_reading_and_watching_gets_answers_of_the_same_shape() {
    let lab = Lab::start();
    let mut names = Names::default();
    let mut again = |file: &str, allowed: &[&str]| replay(&lab, &mut names, file, allowed);
    again("head/01-RetrieveServiceContent.txt", &[]);
    lab.state.set_faults(FaultSwitches { missing_set_without_session: true, ..FaultSwitches::default() });
    again("head/02-RetrievePropertiesEx-noauth.txt", &[]);
    lab.state.set_faults(FaultSwitches::default());
    again("head/03-Login-bad.txt", &[]);
    again("head/04-Login.txt", &[]);
    again("head/05-CreateContainerView.txt", &[]);
    again("head/06-RetrievePropertiesEx-page.txt", &[]);
    // vcsim names a property that is unset and gives no value; vCenter leaves it away (vcenter.md A3).
    let unset =
        format!("-{RESULT}/ContinueRetrievePropertiesExResponse/returnval/objects/propSet[guest.ipAddress]*");
    again("head/07-ContinueRetrievePropertiesEx.txt", &[&unset]);
    again("head/21-RetrievePropertiesEx-badprop.txt", &[]);
    again("head/22-RetrievePropertiesEx-notfound.txt", &[]);
    again("head/23-CreatePropertyCollector.txt", &[]);
    again("head/24-CreateFilter.txt", &[]);
    again("head/25-WaitForUpdatesEx-initial.txt", &[]);
    again("head/26-WaitForUpdatesEx-nochange.txt", &[]);
    again("head/27-WaitForUpdatesEx-change.txt", &[]);
    again("head/28-WaitForUpdatesEx-badversion.txt", &[]);
    again("head/29-DestroyPropertyCollector.txt", &[]);
    again("head/30-unknown-method.txt", &[]);
    again("head/31-Logout.txt", &[]);
    assert_eq!(lab.state.session_count(), 0);
}

#[test]
fn recorded_changes_are_told_in_the_same_shape() {
    let lab = Lab::start();
    let mut names = Names::default();
    let first = recording("apt/66-WaitForUpdatesEx-poweroff.txt");
    let theirs = text_at(&first.request, "_this").unwrap();
    let cookie = lab.login();
    let collector = watch(&lab, &cookie);
    names.0.insert(theirs, collector);
    names.0.insert(first.cookie.unwrap(), cookie);
    let vm = lab.machine("app-3");
    let now = SystemClock.now();
    let device = format!("{RESULT}/WaitForUpdatesExResponse/returnval/filterSet/objectSet");

    lab.with(|vsphere| vsphere.set_power(vm, PowerState::PoweredOff, now)).unwrap();
    replay(&lab, &mut names, "apt/66-WaitForUpdatesEx-poweroff.txt", &[]);
    lab.with(|vsphere| vsphere.set_cpu(vm, 4, now)).unwrap();
    // The lab's machines have other devices than vcsim's, and a change of one number is told as that number too.
    let changed = [
        format!("-{device}[modify]/changeSet[config.hardware]/val:VirtualHardware/device*"),
        format!("+{device}[modify]/changeSet[config.hardware]/val:VirtualHardware/device*"),
        format!("+{device}[modify]/changeSet[config.hardware.numCPU]*"),
    ];
    replay(&lab, &mut names, "apt/67-WaitForUpdatesEx-cpu.txt", &changed.each_ref().map(String::as_str));
    lab.with(|vsphere| vsphere.rename(vm, "renamed", now)).unwrap();
    replay(&lab, &mut names, "apt/69-WaitForUpdatesEx-rename.txt", &[]);
    lab.with(|vsphere| {
        vsphere.begin_clone(clone_spec("new"), SignedDuration::ZERO, now).unwrap();
    });
    // vcsim tells a new machine piece by piece; the lab tells it whole.
    let entered = [
        format!("-{device}[modify]*"),
        format!("-{device}[enter]/changeSet[config.hardware]/val:VirtualHardware/device*"),
        format!("+{device}[enter]/changeSet[config.hardware]/val:VirtualHardware/device*"),
    ];
    replay(&lab, &mut names, "apt/70-WaitForUpdatesEx-clone.txt", &entered.each_ref().map(String::as_str));
    replay(&lab, &mut names, "apt/71-WaitForUpdatesEx-clone-b.txt", &[]);
    lab.with(|vsphere| vsphere.destroy(vm, now)).unwrap();
    replay(&lab, &mut names, "apt/72-WaitForUpdatesEx-destroy.txt", &[]);
}

/// A collector that watches what the recordings watched, with its first answer taken; returns its id.
fn watch(lab: &Lab, cookie: &str) -> String {
    let view = "<_this type='ViewManager'>ViewManager</_this><container type='Folder'>group-d1</container>\
        <type>VirtualMachine</type><recursive>true</recursive>";
    let view = text_at(&lab.call("CreateContainerView", view, Some(cookie)).body, "returnval").unwrap();
    let this = "<_this type='PropertyCollector'>propertyCollector</_this>";
    let made = lab.call("CreatePropertyCollector", this, Some(cookie));
    let collector = text_at(&made.body, "returnval").unwrap();
    let this = format!("<_this type='PropertyCollector'>{collector}</_this>");
    let filter = format!(
        "{this}<spec><propSet><type>VirtualMachine</type><pathSet>name</pathSet><pathSet>runtime.powerState</pathSet>\
         <pathSet>customValue</pathSet><pathSet>config.hardware.numCPU</pathSet><pathSet>config.hardware</pathSet>\
         </propSet><objectSet><obj type='ContainerView'>{view}</obj><skip>true</skip><selectSet xsi:type='TraversalSpec'>\
         <name>view</name><type>ContainerView</type><path>view</path></selectSet></objectSet></spec>\
         <partialUpdates>true</partialUpdates>"
    );
    assert_eq!(lab.call("CreateFilter", &filter, Some(cookie)).status, 200);
    let first = lab.call("WaitForUpdatesEx", &format!("{this}<version></version>"), Some(cookie));
    assert!(first.body.contains("<kind>enter</kind>"), "{}", first.body);
    collector
}

// ---- what no recording shows --------------------------------------------------------------------------------

#[test]
fn without_a_session_a_fault_says_so_unless_vcsim_is_played() {
    let lab = Lab::start();
    let answer = lab.read("no-such-session", ("Folder", "group-d1"), "name");
    assert_eq!(answer.status, 500);
    assert!(
        shape(&answer.body).contains("/Envelope/Body/Fault/detail/NotAuthenticatedFault:NotAuthenticated")
    );
    let cookie = lab.login();
    assert_eq!(lab.read(&cookie, ("Folder", "group-d1"), "name").status, 200);
    lab.state.end_sessions();
    assert_eq!(lab.read(&cookie, ("Folder", "group-d1"), "name").status, 500);
}

#[test]
fn an_extra_config_key_with_dots_is_read_alone() {
    let lab = Lab::start();
    let cookie = lab.login();
    let vm = lab.machine("app-0");
    lab.with(|vsphere| vsphere.set_extra_config(vm, VM_UID_KEY, "<u&1>", SystemClock.now())).unwrap();
    let moid = vm.to_string();
    let path = format!("config.extraConfig[\"{VM_UID_KEY}\"]");
    let answer = lab.read(&cookie, ("VirtualMachine", &moid), &path);
    let prefix = format!("{RESULT}/RetrievePropertiesExResponse/returnval/objects/propSet[");
    assert!(
        shape(&answer.body)
            .iter()
            .any(|one| one.starts_with(&prefix) && one.ends_with("val:OptionValue/value:string")),
        "{}",
        answer.body
    );
    let value = lab.read(&cookie, ("VirtualMachine", &moid), &format!("{path}.value"));
    assert!(value.body.contains("&lt;u&amp;1&gt;"), "{}", value.body);
    let absent = lab.read(&cookie, ("VirtualMachine", &moid), "config.extraConfig[\"no.such\"]");
    assert!(!absent.body.contains("propSet") && !absent.body.contains("missingSet"), "{}", absent.body);
    let unknown = lab.read(&cookie, ("VirtualMachine", &moid), "config.nosuch");
    assert!(unknown.body.contains("InvalidProperty"), "{}", unknown.body);
}

#[test]
fn pages_hold_every_machine_once_whatever_the_caller_asks_for() {
    let lab = Lab::start();
    let cookie = lab.login();
    let view = "<_this type='ViewManager'>ViewManager</_this><container type='Folder'>group-d1</container>\
        <type>VirtualMachine</type><recursive>true</recursive>";
    let view = text_at(&lab.call("CreateContainerView", view, Some(&cookie)).body, "returnval").unwrap();
    lab.state.set_faults(FaultSwitches { page_max: 5, ..FaultSwitches::default() });
    let this = "<_this type='PropertyCollector'>propertyCollector</_this>";
    let first = format!(
        "{this}<specSet><propSet><type>VirtualMachine</type><pathSet>name</pathSet></propSet><objectSet>\
         <obj type='ContainerView'>{view}</obj><skip>true</skip><selectSet xsi:type='TraversalSpec'><path>view</path>\
         <type>ContainerView</type></selectSet></objectSet></specSet><options><maxObjects>100</maxObjects></options>"
    );
    let mut answer = lab.call("RetrievePropertiesEx", &first, Some(&cookie));
    let mut seen = Vec::new();
    let mut sizes = Vec::new();
    loop {
        let page: Vec<String> =
            answer.body.split("<obj type=\"VirtualMachine\">").skip(1).map(str::to_owned).collect();
        sizes.push(page.len());
        seen.extend(page.iter().map(|one| one.split('<').next().unwrap().to_owned()));
        let Some(token) = text_at(&answer.body, "token") else { break };
        let next = format!("{this}<token>{token}</token>");
        answer = lab.call("ContinueRetrievePropertiesEx", &next, Some(&cookie));
        let again = lab.call("ContinueRetrievePropertiesEx", &next, Some(&cookie));
        assert!(again.body.contains("InvalidArgumentFault"), "a token is good once: {}", again.body);
    }
    assert_eq!(sizes, [5, 5, 2]);
    let all: Vec<String> = lab.with(|vsphere| vsphere.vms().map(|vm| vm.moid.to_string()).collect());
    assert_eq!(seen, all);
}

#[test]
fn a_clone_that_runs_is_found_among_the_recent_tasks() {
    let lab = Lab::start();
    let cookie = lab.login();
    let hour = SignedDuration::from_hours(1);
    let slow = lab.with(|vsphere| vsphere.begin_clone(clone_spec("slow"), hour, SystemClock.now())).unwrap();
    let inner = "<_this type='PropertyCollector'>propertyCollector</_this><specSet><propSet><type>Task</type>\
        <pathSet>info.state</pathSet><pathSet>info.descriptionId</pathSet></propSet><objectSet>\
        <obj type='TaskManager'>TaskManager</obj><skip>true</skip><selectSet xsi:type='TraversalSpec'>\
        <type>TaskManager</type><path>recentTask</path><skip>false</skip></selectSet></objectSet></specSet>";
    let answer = lab.call("RetrieveProperties", inner, Some(&cookie));
    let objects: Vec<&str> = answer.body.split("<returnval>").skip(1).collect();
    assert_eq!(objects.len(), 8, "seven that ended lately and the one that runs");
    let running: Vec<&&str> = objects.iter().filter(|one| one.contains(">running<")).collect();
    assert_eq!(running.len(), 1);
    assert!(running[0].contains(&format!(">{slow}<")) && running[0].contains("VirtualMachine.clone"));
}

#[test]
fn a_model_inside_a_larger_world_is_served_too() {
    struct World {
        vsphere: Vsphere,
        other: u32,
    }
    let world = Arc::new(Mutex::new(World { vsphere: Vsphere::with_default_layout(1), other: 1 }));
    let handle = VsphereHandle::inside(world.clone(), |world| &mut world.vsphere);
    let made =
        handle.with(|vsphere| vsphere.begin_clone(clone_spec("a"), SignedDuration::ZERO, SystemClock.now()));
    let mut world = world.lock().unwrap();
    world.other += 1;
    assert!(world.vsphere.task(made.unwrap()).is_some());
}

#[test]
fn the_faults_play_what_their_names_say() {
    let lab = Lab::start();
    let cookie = lab.login();
    let play = |faults: FaultSwitches| lab.state.set_faults(faults);
    let read = |path: &str| lab.read(&cookie, ("VirtualMachine", &lab.machine("app-0").to_string()), path);

    play(FaultSwitches { blank_enums: true, ..FaultSwitches::default() });
    assert!(read("runtime").body.contains("<faultToleranceState></faultToleranceState>"));
    play(FaultSwitches { away: Away::Unavailable, ..FaultSwitches::default() });
    assert_eq!(read("name").status, 503);
    play(FaultSwitches { slow_ms: 300, ..FaultSwitches::default() });
    let began = Instant::now();
    assert_eq!(read("name").status, 200);
    assert!(began.elapsed() >= Duration::from_millis(300));

    let vm = lab.machine("app-0");
    play(FaultSwitches { away: Away::AnswerLost, ..FaultSwitches::default() });
    let body = format!(
        "<Envelope><Body><PowerOffVM_Task><_this type='VirtualMachine'>{vm}</_this></PowerOffVM_Task></Body></Envelope>"
    );
    assert!(lab.post(&body, Some(&cookie)).is_err());
    play(FaultSwitches::default());
    assert!(!read("runtime").body.contains("faultToleranceState"));
    assert_eq!(lab.with(|vsphere| vsphere.vm(vm).unwrap().power), PowerState::PoweredOff);
}

#[test]
fn nonsense_is_answered_with_a_fault() {
    let lab = Lab::start();
    for body in
        ["", "<a/>", "<Envelope><Body/></Envelope>", "<Envelope><Body><Login/></Body></Envelope>", "\u{1}<"]
    {
        let answer = lab.post(body, None).unwrap();
        assert_eq!(answer.status, 500, "{body}");
        assert!(answer.body.contains("InvalidRequestFault"), "{body}: {}", answer.body);
    }
}

// ---- a foreign client ---------------------------------------------------------------------------------------

/// Runs govc against the lab.
fn govc(lab: &Lab, home: &Path, arguments: &[&str]) -> Output {
    let tools = std::env::var_os("CAUSEWAY_TEST_TOOLS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/bin"), PathBuf::from);
    let govc = tools.join("govc");
    assert!(
        govc.is_file(),
        "{} is missing: run tests/install-vcsim, or set CAUSEWAY_TEST_TOOLS",
        govc.display()
    );
    // A client that waits for ever must not take the test with it.
    Command::new("timeout")
        .arg("60")
        .arg(govc)
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("GOVC_URL", format!("http://lab:secret@127.0.0.1:{}/sdk", lab.port))
        .env("GOVC_PERSIST_SESSION", "false")
        .env("GOVC_DATACENTER", "DC0")
        .output()
        .unwrap()
}

fn govc_ok(lab: &Lab, home: &Path, arguments: &[&str]) -> String {
    let output = govc(lab, home, arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "govc {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn govc_reads_what_the_model_holds() {
    let (lab, home) = (Lab::start(), tempfile::tempdir().unwrap());
    let run = |arguments: &[&str]| govc_ok(&lab, home.path(), arguments);
    let vm = lab.machine("app-2");
    lab.with(|vsphere| {
        vsphere.set_guest_ip(vm, Some("10.20.30.40"), Some("app-2.example")).unwrap();
        vsphere.set_extra_config(vm, VM_UID_KEY, "u-2", SystemClock.now()).unwrap();
    });

    assert!(run(&["about"]).contains("VirtualCenter"));
    let listed = run(&["ls", "/DC0/vm/prod"]);
    assert_eq!(listed.lines().count(), 7, "{listed}");
    assert!(run(&["ls", "/DC0/network"]).contains("/DC0/network/prod-db"));
    let found = run(&["find", "/", "-type", "m"]);
    assert_eq!(found.lines().count(), 12, "{found}");
    assert_eq!(run(&["find", "/DC0", "-type", "m", "-name", "app-2"]).trim(), "/DC0/vm/prod/app-2");
    assert!(run(&["find", "/DC0/host"]).contains("esx1.lab.example"));

    let info: serde_json::Value = serde_json::from_str(&run(&["vm.info", "-json", "app-2"])).unwrap();
    let machine = &info["virtualMachines"][0];
    let model = lab.with(|vsphere| vsphere.vm(vm).unwrap().clone());
    assert_eq!(machine["config"]["instanceUuid"], model.instance_uuid.to_string());
    assert_eq!(machine["config"]["uuid"], model.bios_uuid.to_string());
    assert_eq!(machine["config"]["hardware"]["memoryMB"], model.memory_mib);
    assert_eq!(machine["config"]["extraConfig"][0]["value"], "u-2");
    assert_eq!(machine["guest"]["ipAddress"], "10.20.30.40");
    assert_eq!(machine["runtime"]["powerState"], "poweredOn");
    let devices = machine["config"]["hardware"]["device"].as_array().unwrap();
    let mac = devices.iter().find_map(|device| device["macAddress"].as_str());
    assert_eq!(mac, Some(model.nics[0].mac.as_str()));
    let text = run(&["vm.info", "app-2"]);
    assert!(text.contains("10.20.30.40") && text.contains("esx"), "{text}");
    let by_uuid = run(&["vm.info", "-vm.uuid", &model.bios_uuid.to_string()]);
    assert!(by_uuid.contains("app-2"), "{by_uuid}");

    let collected =
        run(&["object.collect", "-json", &format!("VirtualMachine:{vm}"), "name", "config.hardware.numCPU"]);
    let collected: serde_json::Value = serde_json::from_str(&collected).unwrap();
    let names: Vec<&str> =
        collected.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["config.hardware.numCPU", "name"]);
    assert_eq!(lab.state.session_count(), 0, "govc logs out");
    assert_called(&lab, &["DestroyView", "FindByUuid"]);
}

#[test]
fn govc_keeps_house() {
    let (lab, home) = (Lab::start(), tempfile::tempdir().unwrap());
    let run = |arguments: &[&str]| govc_ok(&lab, home.path(), arguments);
    let vm = lab.machine("app-1");
    lab.with(|vsphere| vsphere.set_guest_ip(vm, Some("10.0.0.9"), Some("app-1.example"))).unwrap();

    run(&["folder.create", "/DC0/vm/prod/web"]);
    run(&["object.mv", "/DC0/vm/prod/app-1", "/DC0/vm/prod/web"]);
    run(&["fields.add", "owner"]);
    run(&["fields.set", "owner", "alice", "/DC0/vm/prod/web/app-1"]);
    assert!(run(&["fields.info", "/DC0/vm/prod/web/app-1"]).contains("alice"));
    assert_eq!(run(&["vm.ip", "app-1"]).trim(), "10.0.0.9");
    run(&["vm.power", "-s", "app-1"]);
    run(&["vm.markastemplate", "app-1"]);
    assert!(lab.with(|vsphere| vsphere.vm(vm).unwrap().is_template));
    run(&["vm.markasvm", "-pool", "Resources", "app-1"]);
    run(&["vm.disk.create", "-vm", "app-1", "-name", "app-1/data", "-size", "10G", "-ds", "dev-ds"]);
    assert!(run(&["datastore.info", "prod-ds"]).contains("VMFS"));
    assert!(run(&["tree", "/DC0"]).contains("esx2.lab.example"));
    assert!(run(&["device.info", "-vm", "app-1"]).contains("disk-1000-1"));

    let machine = lab.with(|vsphere| vsphere.vm(vm).unwrap().clone());
    assert_eq!(lab.with(|vsphere| vsphere.folder_path(&machine)), "prod/web");
    assert_eq!(machine.custom_values["owner"], "alice");
    assert_eq!((machine.power, machine.is_template), (PowerState::PoweredOff, false));
    assert_eq!(machine.disks[1].capacity_gib, 10);
    let used = [
        "AddCustomFieldDef",
        "CreateFolder",
        "MarkAsTemplate",
        "MarkAsVirtualMachine",
        "MoveIntoFolder_Task",
        "SetField",
        "ShutdownGuest",
    ];
    assert_called(&lab, &used);
}

/// What the module's documentation says that govc proves.
fn assert_called(lab: &Lab, methods: &[&str]) {
    let calls = lab.state.calls();
    let silent: Vec<_> = methods.iter().filter(|method| !calls.contains_key(**method)).collect();
    assert!(silent.is_empty(), "not called: {silent:?}");
}

#[test]
fn govc_changes_what_the_model_holds() {
    let (lab, home) = (Lab::start(), tempfile::tempdir().unwrap());
    let run = |arguments: &[&str]| govc_ok(&lab, home.path(), arguments);
    let vm = lab.machine("app-1");
    let model = |vm: Moid| lab.with(|vsphere| vsphere.vm(vm).cloned());

    run(&["vm.power", "-off", "app-1"]);
    assert_eq!(model(vm).unwrap().power, PowerState::PoweredOff);
    run(&["vm.change", "-vm", "app-1", "-c", "8", "-m", "8192", "-e", "guestinfo.causeway.vm_uid=u-1"]);
    let changed = model(vm).unwrap();
    assert_eq!((changed.cpu, changed.memory_mib, changed.vm_uid()), (8, 8192, Some("u-1")));
    run(&["object.rename", "/DC0/vm/prod/app-1", "web-1"]);
    assert_eq!(model(vm).unwrap().name, "web-1");
    run(&["vm.power", "-on", "web-1"]);
    let twice = govc(&lab, home.path(), &["vm.power", "-on", "web-1"]);
    assert!(!twice.status.success(), "a second power on is a fault");

    let clone = [
        "vm.clone",
        "-vm",
        "rhel9",
        "-folder",
        "/DC0/vm/dev",
        "-ds",
        "dev-ds",
        "-pool",
        "/DC0/host/C0/Resources",
        "-net",
        "prod-db",
        "-force",
        "-on=false",
        "cloned",
    ];
    run(&clone);
    let cloned = model(lab.machine("cloned")).unwrap();
    let path = lab.with(|vsphere| vsphere.folder_path(&cloned));
    let network = lab.with(|vsphere| vsphere.name_of(cloned.nics[0].network).map(str::to_owned));
    assert_eq!((path.as_str(), network.as_deref()), ("dev", Some("prod-db")));
    let again = govc(&lab, home.path(), &clone);
    assert!(String::from_utf8_lossy(&again.stderr).contains("already exists"), "{again:?}");

    run(&["vm.network.add", "-vm", "cloned", "-net", "prod-app", "-net.adapter", "vmxnet3"]);
    assert_eq!(model(cloned.moid).unwrap().nics.len(), 2);
    run(&["vm.destroy", "cloned"]);
    assert_eq!(model(cloned.moid), None);
    let used = [
        "CloneVM_Task",
        "DestroyPropertyFilter",
        "Destroy_Task",
        "PowerOffVM_Task",
        "PowerOnVM_Task",
        "ReconfigVM_Task",
        "Rename_Task",
    ];
    assert_called(&lab, &used);
}
