//! Against govmomi's simulator: govc changes VMs behind the bridge's back.

use std::time::{Duration, Instant};

use causeway::clock::{Clock, SystemClock};
use causeway::config::Secret;
use causeway::demo::Rig;
use causeway::journal::{Admission, AdmissionKeys, Admitted, RegisterQuery};
use causeway::vcenter::{Vcenter, VcenterConfig};
use causeway::vm_request::watch::{Adopted, DriftVerdict};
use causeway::vm_request::{Event, RequestId, State};

use super::lab::eager;
use crate::live::{events, options, until, until_answer};
use crate::vcsim::{Endpoint, Vcsim};

/// What is announced is to be found within this time; the machine may be busy, so that it is only said, and twenty times it is too long.
const SOON: Duration = Duration::from_secs(2);

/// A rig whose vCenter is the simulator, with one VM of it under watch.
struct Scene {
    simulator: Vcsim,
    rig: Rig,
    vm: String,
    id: RequestId,
}

impl Scene {
    async fn start(seed: u64, vm: &str) -> Self {
        let simulator =
            Vcsim::start_with(&["-tls=false", "-dc", "1", "-cluster", "1", "-host", "2", "-vm", "3"]);
        let endpoint = &simulator.endpoint;
        let (url, username, password) =
            (endpoint.url.clone(), endpoint.username.clone(), endpoint.password.clone());
        let rig = Rig::start_with(options(seed, ""), |config| {
            config.watch = eager(Vec::new());
            let vcenter = &mut config.vcenters[0];
            (vcenter.url, vcenter.username, vcenter.password) = (url, username, Secret::new(password));
        });
        let rig = rig.await.expect("a rig starts");
        let id = adopt(&rig, endpoint, vm).await;
        Self { simulator, rig, vm: vm.to_owned(), id }
    }

    fn govc(&self, arguments: &[&str]) {
        self.simulator.endpoint.govc(arguments);
    }

    async fn until_verdict(&self, field: &str, verdict: DriftVerdict) -> State {
        let since = Instant::now();
        let state = until(&self.rig, &self.id, &format!("{field} is {}", verdict.name()), |state| {
            state.watch.open.get(field).is_some_and(|finding| finding.drift.verdict == verdict)
        })
        .await;
        let took = since.elapsed();
        assert!(took < SOON * 20, "{field} was found after {took:?}");
        state
    }

    /// Two more sweeps bring nothing new.
    async fn assert_settled(&self) {
        let before = events(&self.rig, &self.id).await.len();
        for _ in 0..2 {
            let last = self.swept_at().await;
            until_answer("a further sweep", async || self.swept_at().await, |at| *at > last).await;
        }
        let now = events(&self.rig, &self.id).await;
        assert_eq!(now.len(), before, "{:?}", &now[before..]);
    }

    async fn swept_at(&self) -> String {
        let answer = self.rig.api(reqwest::Method::GET, "/api/v1/watch", None).await.expect("an answer");
        answer.body["status"]["vcenters"]
            .as_object()
            .and_then(|all| all.values().next())
            .map_or_else(String::new, |eye| eye["last_sweep_at"].as_str().unwrap_or_default().to_owned())
    }

    async fn stop(self) {
        self.rig.stop().await;
    }
}

/// Puts a VM of the simulator under watch, as it is.
async fn adopt(rig: &Rig, endpoint: &Endpoint, name: &str) -> RequestId {
    let config = VcenterConfig {
        name: "other".to_owned(),
        url: endpoint.url.clone(),
        username: endpoint.username.clone(),
        password: Secret::new(&endpoint.password),
        ca_file: None,
        call_deadline_secs: 30,
        page_objects_max: 100,
        read_attempts_max: 3,
        body_bytes_max: 64 * 1024 * 1024,
    };
    let client = Vcenter::new(config, std::sync::Arc::new(SystemClock)).expect("a usable configuration");
    let listing = client.vms().await.expect("a full read");
    let vm =
        listing.vms.into_iter().find(|vm| vm.name == name).unwrap_or_else(|| panic!("there is no {name}"));
    let adopted = Adopted {
        by: "a test".to_owned(),
        comment: String::new(),
        vcenter: rig.config().vcenters[0].name.clone(),
        environment: None,
        controller: None,
        host_name: None,
        vm,
    };
    let now = SystemClock.now();
    let id = RequestId::from_parts(now, 7);
    let events = vec![Event::Adopted(Box::new(adopted))];
    let admission = Admission { id: id.clone(), at: now, events, keys: AdmissionKeys::default() };
    let journal = rig.journal().expect("the bridge runs");
    assert!(matches!(journal.admit(admission).await, Ok(Admitted::New { .. })));
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn what_govc_changes_is_found_told_rightly_blamed_and_told_once() {
    let scene = Scene::start(81, "DC0_C0_RP0_VM0").await;
    let vm = scene.vm.clone();
    scene.assert_settled().await;
    let changed = DriftVerdict::VcenterChanged;

    scene.govc(&["vm.power", "-off", &vm]);
    let state = scene.until_verdict("power", changed).await;
    let blame = state.watch.open["power"].blame.clone().expect("events tell of power");
    assert_eq!(
        (blame.event.as_str(), blame.user.as_str()),
        ("VmPoweredOffEvent", scene.simulator.endpoint.username.as_str())
    );

    scene.govc(&["vm.change", "-vm", &vm, "-c", "4", "-m", "8192"]);
    let state = scene.until_verdict("cpu", changed).await;
    let foreign = &scene.simulator.endpoint.govc_json(&["vm.info", "-json", &vm])["virtualMachines"][0];
    assert_eq!(
        state.watch.open["cpu"].drift.vcenter,
        Some(foreign["config"]["hardware"]["numCPU"].to_string())
    );
    let state = scene.until_verdict("memory_mib", changed).await;
    let blame = state.watch.open["memory_mib"].blame.clone().expect("events tell of a reconfiguration");
    assert_eq!(blame.event, "VmReconfiguredEvent");

    scene.govc(&["vm.network.add", "-vm", &vm, "-net", "VM Network"]);
    until(&scene.rig, &scene.id, "an adapter came", |state| {
        state.watch.open.keys().any(|field| field.starts_with("nics[") && field.ends_with(']'))
    })
    .await;
    scene.govc(&["vm.disk.create", "-vm", &vm, "-name", &format!("{vm}/data"), "-size", "1G"]);
    until(&scene.rig, &scene.id, "a disk came", |state| {
        state.watch.open.keys().any(|field| field.starts_with("disks[") && field.ends_with(']'))
    })
    .await;
    scene.govc(&["snapshot.create", "-vm", &vm, "before"]);
    scene.until_verdict("snapshots", changed).await;
    scene.govc(&["fields.add", "-type", "VirtualMachine", "tier"]);
    scene.govc(&["fields.set", "tier", "web", &format!("/DC0/vm/{vm}")]);
    scene.until_verdict("custom_values[tier]", changed).await;
    scene.govc(&["folder.create", "/DC0/vm/elsewhere"]);
    scene.govc(&["object.mv", &format!("/DC0/vm/{vm}"), "/DC0/vm/elsewhere"]);
    scene.until_verdict("folder", changed).await;
    scene.govc(&["object.rename", &format!("/DC0/vm/elsewhere/{vm}"), "renamed"]);
    let state = scene.until_verdict("name", changed).await;
    assert_eq!(state.watch.open["name"].drift.vcenter.as_deref(), Some("renamed"));
    scene.assert_settled().await;

    let told = events(&scene.rig, &scene.id).await;
    let found = |field: &str| {
        told.iter()
            .filter(|one| matches!(&one.event, Event::DriftFound(found) if found.drift.field == field))
            .count()
    };
    for field in ["power", "cpu", "memory_mib", "snapshots", "custom_values[tier]", "folder", "name"] {
        assert_eq!(found(field), 1, "{field}");
    }
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unregistered_vm_is_missing_at_once_because_an_event_tells() {
    let scene = Scene::start(82, "DC0_C0_RP0_VM1").await;
    let vm = scene.vm.clone();
    scene.assert_settled().await;
    scene.govc(&["vm.power", "-off", &vm]);
    scene.govc(&["vm.unregister", &vm]);
    let state = scene.until_verdict("vm", DriftVerdict::Missing).await;
    let blame = state.watch.open["vm"].blame.clone().expect("events tell of a removal");
    assert_eq!(blame.event, "VmRemovedEvent");
    let journal = scene.rig.journal().expect("the bridge runs");
    let row = journal.view().register_one(scene.id.as_str()).await.expect("the journal can be read");
    assert!(row.is_some_and(|row| row.seen.gone_at.is_some()), "the register says that it is gone");
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vm_that_nobody_asked_for_stands_in_the_register_until_it_is_gone() {
    let scene = Scene::start(83, "DC0_C0_RP0_VM2").await;
    let journal = scene.rig.journal().expect("the bridge runs").clone();
    let listed = |name: &'static str| {
        let journal = journal.clone();
        async move {
            let query = RegisterQuery { text: Some(name.to_owned()), limit: 10, ..RegisterQuery::default() };
            journal.view().register(&query).await.expect("the journal can be read")
        }
    };
    scene.govc(&[
        "vm.clone",
        "-vm",
        &scene.vm,
        "-on=false",
        "-pool",
        "/DC0/host/DC0_C0/Resources",
        "stranger",
    ]);
    let rows =
        until_answer("the new VM is listed", async || listed("stranger").await, |rows| !rows.is_empty())
            .await;
    assert!(rows[0].line.is_none(), "no request has it");
    scene.govc(&["vm.destroy", "stranger"]);
    until_answer("the VM that is gone is not listed", async || listed("stranger").await, Vec::is_empty).await;
    scene.stop().await;
}
