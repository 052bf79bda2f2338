//! Hosts as somebody who watches an inventory reads them: the filters on `modified`, the order by id, and that every
//! save shows; on the wire, and through the bridge's own client.

use super::super::*;
use causeway::aap::{Controller as Client, ControllerConfig, HostMerge};
use causeway::config::Secret;
use causeway::lab::controller::model::hosts::HostFields;

async fn lab() -> (Lab, Arc<ManualClock>, Id) {
    let clock = Arc::new(ManualClock::new("2026-11-20T20:44:00.123456Z".parse().unwrap()));
    let lab = Lab::start(LabOptions::fast(11, clock.clone())).await.unwrap();
    let inventory = lab.world().content.state_inventory;
    (lab, clock, inventory)
}

fn client(lab: &Lab, clock: &Arc<ManualClock>) -> Client {
    let cfg = ControllerConfig::new("lab", lab.controller_url.clone(), Secret::new(&lab.token));
    Client::with_seed(cfg, clock.clone(), 7).unwrap()
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().timeout(Duration::from_secs(30)).build().unwrap()
}

fn make(lab: &Lab, inventory: Id, name: &str, variables: &str, now: Timestamp) -> Id {
    let mut world = lab.world();
    let admin = Caller { user: world.content.admin, scope: Scope::Write };
    let fields = HostFields {
        name: Some(name.to_owned()),
        variables: Some(variables.to_owned()),
        ..HostFields::default()
    };
    world.controller.create_host(admin, inventory, fields, now).unwrap()
}

fn ids_of(page: &Value) -> Vec<Id> {
    page["results"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modified_rises_with_each_save_and_lists_are_filtered_by_it() {
    let (lab, clock, inventory) = lab().await;
    let http = http();
    let (first, second) = (
        make(&lab, inventory, "zz", "{\"a\": 1}", clock.now()),
        make(&lab, inventory, "aa", "{}", clock.now()),
    );
    let list = async |query: &str| {
        let path = format!("/api/v2/hosts/?inventory={inventory}&{query}");
        ask(&http, &lab, &lab.token, Method::GET, &path, None).await
    };
    let all = list("order_by=id").await;
    let date = all.headers["date"].to_str().unwrap().to_owned();
    assert_eq!(date, "Fri, 20 Nov 2026 20:44:00 GMT", "by the lab's own clock");
    assert_eq!(ids_of(&all.json()), [first, second]);
    assert_eq!(ids_of(&list("order_by=-id").await.json()), [second, first]);
    assert_eq!(ids_of(&list("").await.json()), [second, first], "by name unless asked otherwise");
    let modified = |page: &Value| page["results"][0]["modified"].as_str().unwrap().to_owned();
    let before = modified(&list("order_by=id").await.json());
    assert_eq!(before, "2026-11-20T20:44:00.123456Z");
    assert_eq!(ids_of(&list(&format!("modified__gte={before}&order_by=id")).await.json()), [first, second]);
    assert!(ids_of(&list(&format!("modified__gt={before}")).await.json()).is_empty());

    // The clock stands still, and yet each save shows.
    for body in [json!({"variables": "{\"a\": 2}"}), json!({"variables": "{\"a\": 2}"})] {
        let path = format!("/api/v2/hosts/{first}/");
        assert_eq!(ask(&http, &lab, &lab.admin_token, Method::PATCH, &path, Some(&body)).await.status, 200);
    }
    let changed = list(&format!("modified__gt={before}")).await.json();
    assert_eq!(ids_of(&changed), [first]);
    assert_eq!(modified(&changed), "2026-11-20T20:44:00.123458Z");
    let path = format!("/api/v2/hosts/{second}/variable_data/");
    let replaced = ask(&http, &lab, &lab.admin_token, Method::PUT, &path, Some(&json!({"b": 1}))).await;
    assert_eq!(replaced.status, 200);
    assert_eq!(ids_of(&list(&format!("modified__gt={before}&order_by=id")).await.json()), [first, second]);
    let refused = list("modified__gte=yesterday").await;
    assert_eq!(refused.status, 400);
    lab.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_lists_what_is_there_and_what_somebody_else_changed() {
    let (lab, clock, inventory) = lab().await;
    let http = http();
    let known: Vec<Id> = (0..250)
        .map(|at| make(&lab, inventory, &format!("vm-{at:03}"), "{\"rev\": 1}", clock.now()))
        .collect();
    let yaml = make(&lab, inventory, "by-hand", "rev: 2\nlist: [1]\n", clock.now());
    let aap = client(&lab, &clock);
    let inventory_id = i64::try_from(inventory).unwrap();
    let all = aap.hosts(inventory_id, None).await.unwrap();
    assert!(all.complete && all.unread.is_empty());
    assert_eq!(all.hosts.len(), 251);
    assert_eq!(all.hosts.last().unwrap().variables["list"], json!([1]));
    let seen = all.server_time.unwrap();
    assert_eq!(seen, "2026-11-20T20:44:00Z".parse().unwrap());

    clock.advance(SignedDuration::from_secs(5));
    let next = clock.now();
    let nobody = aap.hosts(inventory_id, Some(next)).await.unwrap();
    assert!(nobody.complete && nobody.hosts.is_empty());
    let path = format!("/api/v2/hosts/{}/", known[200]);
    let theirs = json!({"variables": "{\"rev\": 1, \"theirs\": true}"});
    assert_eq!(ask(&http, &lab, &lab.admin_token, Method::PATCH, &path, Some(&theirs)).await.status, 200);
    let changed = aap.hosts(inventory_id, Some(next)).await.unwrap();
    assert_eq!(changed.hosts.len(), 1);
    let host = &changed.hosts[0];
    assert_eq!((u64::try_from(host.id), &host.variables["theirs"]), (Ok(known[200]), &json!(true)));

    let ours = json!({"causeway": {"rev": 3}, "causeway_drift": {}});
    let HostMerge::Merged(merged) = aap.merge_host_keys(host.id, ours.as_object().unwrap()).await else {
        panic!()
    };
    assert!(merged.modified > host.modified);
    let expected = json!({"rev": 1, "theirs": true, "causeway": {"rev": 3}, "causeway_drift": {}});
    assert_eq!(Value::Object(merged.variables), expected);
    let path = format!("/api/v2/hosts/{yaml}/");
    assert_eq!(ask(&http, &lab, &lab.admin_token, Method::DELETE, &path, None).await.status, 204);
    assert_eq!(aap.hosts(inventory_id, None).await.unwrap().hosts.len(), 250);
    lab.stop().await;
}
