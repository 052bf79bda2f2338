//! The lines about VMs under watch, and what was last seen of VMs and hosts.

use serde_json::json;

use super::*;
use crate::journal::{RegisterQuery, SeenHost, SeenVm, Sightings};
use crate::vm_request::sighting::VmSighting;
use crate::vm_request::watch::{Adopted, DriftAccepted, DriftFound, DriftVerdict, FieldDrift};

fn sighting(name: &str, moid: &str) -> VmSighting {
    let value = json!({
        "seen_at": START, "moid": moid, "instance_uuid": null, "bios_uuid": null, "vm_uid": null, "name": name,
        "is_template": false, "folder": "prod", "datacenter": "dc1", "cluster": null, "host": null, "cpu": 2,
        "memory_mib": 4096, "power": "poweredOn", "datastores": [], "nics": [], "disks": [], "ip_address": null,
        "guest_hostname": null,
    });
    serde_json::from_value(value).unwrap()
}

fn adopted(name: &str) -> Event {
    Event::Adopted(Box::new(Adopted {
        by: "jo".to_owned(),
        comment: String::new(),
        vcenter: "vc1".to_owned(),
        environment: Some("prod".to_owned()),
        controller: Some("main".to_owned()),
        host_name: Some(name.to_owned()),
        vm: sighting(name, "vm-7"),
    }))
}

fn found(field: &str, verdict: DriftVerdict) -> Event {
    let drift = FieldDrift {
        field: field.to_owned(),
        verdict,
        asked: Some("2".to_owned()),
        inventory: None,
        vcenter: Some("8".to_owned()),
    };
    Event::DriftFound(DriftFound { drift, blame: None, came_back: false })
}

async fn append(bench: &Bench, journal: &Journal, n: u128, events: Vec<Event>) {
    let state = journal.load_state(&id(n)).await.unwrap().unwrap();
    journal.append(Append::following(&state, bench.pass(1), events).unwrap().0).await.unwrap();
}

async fn adopt(bench: &Bench, journal: &Journal, n: u128) {
    let admission = Admission { events: vec![adopted(&format!("db{n}"))], ..bench.admission(n) };
    assert!(matches!(journal.admit(admission).await.unwrap(), Admitted::New { .. }));
}

#[tokio::test]
async fn the_line_about_a_vm_follows_its_findings_and_ends_with_its_watch() {
    let bench = Bench::new();
    let journal = bench.open();
    adopt(&bench, &journal, 1).await;
    adopt(&bench, &journal, 2).await;
    append(&bench, &journal, 1, vec![found("cpu", DriftVerdict::VcenterChanged)]).await;
    let drifted = journal.view().vms(None, true, 10).await.unwrap();
    assert_eq!(drifted.len(), 1);
    assert_eq!((drifted[0].request.clone(), drifted[0].verdict), (id(1), Some(DriftVerdict::VcenterChanged)));
    assert_eq!(drifted[0].findings[0].drift.field, "cpu");

    append(&bench, &journal, 2, vec![found("vm", DriftVerdict::Missing)]).await;
    let accepted =
        DriftAccepted { field: "vm".to_owned(), value: None, by: "jo".to_owned(), comment: String::new() };
    append(&bench, &journal, 2, vec![Event::DriftAccepted(accepted)]).await;
    let all: Vec<_> = journal.view().vms(None, false, 10).await.unwrap();
    assert_eq!(all.iter().map(|line| line.request.clone()).collect::<Vec<_>>(), [id(1)], "its watch is over");

    assert!(journal.verify().await.unwrap().is_sound());
    journal.rebuild().await.unwrap();
    assert_eq!(journal.view().vms(None, false, 10).await.unwrap(), all);
    assert!(journal.verify().await.unwrap().is_sound());
    journal.close().await;
}

#[tokio::test]
async fn a_line_about_a_vm_that_was_changed_by_hand_is_named() {
    let bench = Bench::new();
    let journal = bench.open();
    adopt(&bench, &journal, 1).await;
    append(&bench, &journal, 1, vec![found("cpu", DriftVerdict::VcenterChanged)]).await;
    journal.close().await;
    let changed = bench
        .tamper()
        .execute("UPDATE vms SET body = replace(body, '\"vcenter\":\"8\"', '\"vcenter\":\"2\"')", []);
    assert_eq!(changed.unwrap(), 1);
    let journal = bench.open();
    let report = journal.verify().await.unwrap();
    assert_eq!(report.faults_total, 1, "{:?}", report.faults);
    assert!(report.faults[0].to_string().contains("vm"), "{}", report.faults[0]);
    journal.close().await;
}

fn seen(id: &str, request: Option<RequestId>, vm: VmSighting) -> SeenVm {
    SeenVm { id: id.to_owned(), vcenter: "vc1".to_owned(), request, vm, gone_at: None }
}

async fn ids(journal: &Journal, query: RegisterQuery) -> Vec<String> {
    let rows = journal.view().register(&RegisterQuery { limit: 10, ..query }).await.unwrap();
    rows.into_iter().map(|row| row.seen.id).collect()
}

#[tokio::test]
async fn sightings_are_replaced_in_place_listed_and_dropped() {
    let bench = Bench::new();
    let journal = bench.open();
    adopt(&bench, &journal, 1).await;
    let variables = json!({"vm_name": "db1"}).as_object().unwrap().clone();
    let host = SeenHost {
        controller: "main".to_owned(),
        name: "db1".to_owned(),
        host_id: 3,
        request: Some(id(1)),
        seen_at: bench.now(),
        variables,
    };
    let stray = SeenHost { name: "old".to_owned(), request: None, ..host.clone() };
    let vms = vec![seen("a", Some(id(1)), sighting("db1", "vm-7")), seen("b", None, sighting("x_9", "vm-9"))];
    let hosts = vec![host.clone(), stray.clone()];
    journal.see(Sightings { vms, hosts, ..Sightings::default() }).await.unwrap();

    let all = RegisterQuery::default();
    assert_eq!(ids(&journal, all.clone()).await, ["a", "b"]);
    assert_eq!(ids(&journal, RegisterQuery { managed: Some(true), ..all.clone() }).await, ["a"]);
    assert_eq!(ids(&journal, RegisterQuery { managed: Some(false), ..all.clone() }).await, ["b"]);
    assert_eq!(
        ids(&journal, RegisterQuery { environment: Some("prod".to_owned()), ..all.clone() }).await,
        ["a"]
    );
    assert_eq!(ids(&journal, RegisterQuery { text: Some("X_".to_owned()), ..all.clone() }).await, ["b"]);
    assert_eq!(ids(&journal, RegisterQuery { after: Some("a".to_owned()), ..all.clone() }).await, ["b"]);
    assert_eq!(journal.view().vms_counted().await.unwrap(), (2, 1, 0));
    let by_request = journal.view().register_one(id(1).as_str()).await.unwrap().unwrap();
    assert_eq!((by_request.seen.id.as_str(), by_request.line.is_some()), ("a", true));
    assert_eq!(journal.view().host_of(&id(1)).await.unwrap(), Some(host));
    assert_eq!(journal.view().hosts(None, true, 10).await.unwrap(), [stray]);

    let gone = SeenVm { gone_at: Some(bench.now()), ..seen("a", Some(id(1)), sighting("db1", "vm-7")) };
    let news = Sightings {
        vms: vec![gone],
        vms_dropped: vec!["b".to_owned()],
        hosts_dropped: vec![("main".to_owned(), "old".to_owned())],
        ..Sightings::default()
    };
    journal.see(news).await.unwrap();
    journal.rebuild().await.unwrap();
    assert_eq!(
        ids(&journal, RegisterQuery { gone: Some(true), ..all }).await,
        ["a"],
        "a rebuild leaves sightings alone"
    );
    assert_eq!(journal.view().hosts(None, true, 10).await.unwrap(), []);
    journal.close().await;
}
