//! Hosts under other writers: lost updates, races, locks, lost answers.

use serde_json::{Map, Value, json};

use super::super::{HostMerge, HostWrite};
use super::{Reply, Request, Server};

fn host_row(variables: &str) -> Value {
    json!({"id": 5, "name": "vm-1", "inventory": 2, "instance_id": "u", "variables": variables,
        "modified": "2026-11-20T20:48:28.387668Z"})
}

/// What becomes of a write.
enum Fate {
    Kept,
    /// Another writer saves the row it read before.
    RolledBack,
    /// Written, but the answer is lost.
    AnswerLost,
    /// 409.
    Busy,
}

/// One host in memory; `fate` is asked for each write, counted from 1.
fn host_with<F: Fn(u32) -> Fate + Send + 'static>(
    variables: &Value,
    fate: F,
) -> impl FnMut(&Request) -> Reply + Send + use<F> {
    let mut held = variables.to_string();
    let mut writes = 0;
    move |request| {
        if request.method == "GET" {
            return Reply::Json(200, host_row(&held));
        }
        writes += 1;
        let new = request.body["variables"].as_str().unwrap().to_owned();
        match fate(writes) {
            Fate::Kept => held = new.clone(),
            Fate::RolledBack => {}
            Fate::AnswerLost => {
                held = new;
                return Reply::Raw(String::new());
            }
            Fate::Busy => {
                return Reply::Json(409, json!({"error": "Resource is being used by running jobs."}));
            }
        }
        Reply::Json(200, host_row(&new))
    }
}

fn before() -> Value {
    json!({"ansible_host": "192.0.2.7", "causeway": {"rev": 1}, "list": [1, 2]})
}

#[tokio::test]
async fn a_merge_sets_one_key_keeps_the_others_and_is_read_back() {
    let server = Server::start(host_with(&before(), |_| Fate::Kept)).await;
    let HostMerge::Merged(host) = server.client().merge_host_key(5, "causeway", &json!({"rev": 2})).await
    else {
        panic!()
    };
    let expected = json!({"ansible_host": "192.0.2.7", "causeway": {"rev": 2}, "list": [1, 2]});
    assert_eq!(Value::Object(host.variables), expected);
    let methods: Vec<String> = server.seen().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["GET", "PATCH", "GET"]);
}

#[tokio::test]
async fn a_merge_of_what_is_there_writes_nothing() {
    let server = Server::start(host_with(&before(), |_| Fate::Kept)).await;
    let answer = server.client().merge_host_key(5, "causeway", &json!({"rev": 1})).await;
    assert!(matches!(answer, HostMerge::Unchanged(_)), "{answer:?}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_merge_that_another_writer_undid_is_written_again_and_given_up_after_three_rounds() {
    let server =
        Server::start(host_with(&before(), |write| if write == 1 { Fate::RolledBack } else { Fate::Kept }))
            .await;
    let answer = server.client().merge_host_key(5, "causeway", &json!({"rev": 2})).await;
    assert!(matches!(answer, HostMerge::Merged(_)), "{answer:?}");
    let server = Server::start(host_with(&before(), |_| Fate::RolledBack)).await;
    let answer = server.client().merge_host_key(5, "causeway", &json!({"rev": 2})).await;
    assert_eq!(answer, HostMerge::Contended { rounds: 3 });
    let writes = server.seen().iter().filter(|request| request.method == "PATCH").count();
    assert_eq!(writes, 3);
}

#[tokio::test]
async fn a_merge_whose_answer_was_lost_is_settled_by_reading() {
    let server = Server::start(host_with(&before(), |_| Fate::AnswerLost)).await;
    let answer = server.client().merge_host_key(5, "causeway", &json!({"rev": 2})).await;
    assert!(matches!(answer, HostMerge::Merged(_)), "{answer:?}");
    let methods: Vec<String> = server.seen().into_iter().map(|request| request.method).collect();
    assert_eq!(methods, ["GET", "PATCH", "GET"], "written once");
}

#[tokio::test]
async fn a_locked_host_a_missing_host_and_a_lost_answer_are_told_apart() {
    let server = Server::start(host_with(&before(), |_| Fate::Busy)).await;
    let client = server.client();
    let busy = HostWrite::Busy { detail: "Resource is being used by running jobs.".to_owned() };
    assert_eq!(client.replace_host_variables(5, &Map::new()).await, busy);
    assert_eq!(client.merge_host_key(5, "k", &json!(1)).await, HostMerge::NotWritten(busy));

    let server =
        Server::start(|_| Reply::Json(404, json!({"detail": "No Host matches the given query."}))).await;
    let client = server.client();
    assert_eq!(client.replace_host_variables(5, &Map::new()).await, HostWrite::Gone);
    assert_eq!(client.merge_host_key(5, "k", &json!(1)).await, HostMerge::Gone);
    assert_eq!(client.host_by_id(5).await, Ok(None));

    let server = Server::start(|_| Reply::Raw(String::new())).await;
    let client = server.client();
    assert!(matches!(client.replace_host_variables(5, &Map::new()).await, HostWrite::Unknown { .. }));
    assert!(matches!(client.create_host(2, "vm-1", "u", &Map::new()).await, HostWrite::Unknown { .. }));
    assert_eq!(server.seen().len(), 2, "writes are sent once");
    assert!(matches!(client.merge_host_key(5, "k", &json!(1)).await, HostMerge::Unreadable(_)));
}

#[tokio::test]
async fn a_duplicate_is_told_in_the_words_of_the_check_and_of_the_database_and_in_no_others() {
    let create = async |body: Value| {
        let server = Server::start(move |_| Reply::Json(400, body.clone())).await;
        server.client().create_host(2, "vm-1", "u", &Map::new()).await
    };
    let check = json!({"__all__": ["Host with this Name and Inventory already exists."]});
    assert_eq!(create(check).await, HostWrite::AlreadyThere);
    let race = json!({"detail": "duplicate key value violates unique constraint \"main_host_name_inventory_id_45aecd68_uniq\"\nDETAIL:  Key (name, inventory_id)=(vm-1, 2) already exists."});
    assert_eq!(create(race).await, HostWrite::AlreadyThere);
    for other in [
        json!({"__all__": ["A Group with that name already exists."]}),
        json!({"detail": "duplicate key value violates unique constraint \"main_group_name\""}),
    ] {
        let answer = create(other).await;
        assert!(matches!(answer, HostWrite::Refused { .. }), "{answer:?}");
    }
}

#[tokio::test]
async fn names_are_looked_up_in_the_configured_organization_unless_the_call_names_one() {
    let server = Server::start(|_| Reply::Json(200, json!({"next": null, "results": []}))).await;
    let client = server.client_with(|cfg| cfg.organization = Some("VM Ops".to_owned()));
    assert_eq!(client.inventory("I", None).await, Ok(None));
    assert_eq!(client.inventory("I", Some("Other & Co")).await, Ok(None));
    assert_eq!(client.workflow_job_template("W", None).await, Ok(None));
    let asked: Vec<(String, String)> = server
        .seen()
        .iter()
        .map(|request| {
            (
                request.query("name").unwrap().to_owned(),
                request.query("organization__name").unwrap().to_owned(),
            )
        })
        .collect();
    let pairs: Vec<(&str, &str)> = asked.iter().map(|(name, org)| (name.as_str(), org.as_str())).collect();
    assert_eq!(pairs, [("I", "VM Ops"), ("I", "Other & Co"), ("W", "VM Ops")]);
}

/// One host whose other writer holds on to what it read at the start: for each of our first `restores` writes it saves
/// that again, whole, with its own counter moved on. What is held is seen by the test too.
fn restored(
    restores: u32,
    held: std::sync::Arc<std::sync::Mutex<Value>>,
) -> impl FnMut(&Request) -> Reply + Send {
    let old = held.lock().unwrap().clone();
    let mut writes = 0;
    move |request| {
        let mut held = held.lock().unwrap();
        if request.method == "GET" {
            return match request.path.as_str() {
                "/api/v2/hosts/" => {
                    let rows = [host_row(&held.to_string())];
                    Reply::Json(200, json!({"count": 1, "next": null, "results": rows}))
                }
                _ => Reply::Json(200, host_row(&held.to_string())),
            };
        }
        writes += 1;
        let new: Value = serde_json::from_str(request.body["variables"].as_str().unwrap()).unwrap();
        *held = new.clone();
        if writes <= restores {
            *held = old.clone();
            held["theirs"] = json!({"saves": writes});
        }
        Reply::Json(200, host_row(&new.to_string()))
    }
}

fn patches(server: &Server) -> usize {
    server.seen().iter().filter(|request| request.method == "PATCH").count()
}

#[tokio::test]
async fn keys_converge_once_a_writer_that_restores_old_rows_stops_and_its_own_keys_survive() {
    let start = json!({"ansible_host": "192.0.2.7", "theirs": {"saves": 0}, "causeway": {"rev": 1}});
    let ours = json!({"causeway": {"rev": 2}, "causeway_drift": {"fields": ["cpu"]}});
    let ours = ours.as_object().unwrap();
    for restores in 0..8_u32 {
        let held = std::sync::Arc::new(std::sync::Mutex::new(start.clone()));
        let server = Server::start(restored(restores, held.clone())).await;
        let client = server.client();
        let mut calls = 0;
        loop {
            calls += 1;
            assert!(calls <= 4, "{restores}: no end");
            match client.merge_host_keys(5, ours).await {
                HostMerge::Contended { rounds } => assert_eq!(rounds, 3),
                HostMerge::Merged(host) => {
                    assert_eq!(host.variables["causeway"], json!({"rev": 2}));
                    break;
                }
                other => panic!("{restores}: {other:?}"),
            }
        }
        assert_eq!(calls, restores / 3 + 1, "{restores}: contended while it lasts");
        assert_eq!(
            patches(&server),
            usize::try_from(restores + 1).unwrap(),
            "one write more than were undone"
        );
        let expected = json!({"ansible_host": "192.0.2.7", "theirs": {"saves": restores},
            "causeway": {"rev": 2}, "causeway_drift": {"fields": ["cpu"]}});
        assert_eq!(*held.lock().unwrap(), expected, "{restores}");
        let listing = client.hosts(2, None).await.unwrap();
        assert_eq!(Value::Object(listing.hosts[0].variables.clone()), expected, "the list says the same");
        assert!(matches!(client.merge_host_keys(5, ours).await, HostMerge::Unchanged(_)));
    }
}

#[tokio::test]
async fn several_keys_are_one_write_no_keys_are_none_and_a_lock_ends_the_merge() {
    let server = Server::start(host_with(&before(), |_| Fate::Kept)).await;
    let client = server.client();
    let keys = json!({"causeway": {"rev": 2}, "causeway_other": null});
    let HostMerge::Merged(host) = client.merge_host_keys(5, keys.as_object().unwrap()).await else {
        panic!()
    };
    let expected =
        json!({"ansible_host": "192.0.2.7", "causeway": {"rev": 2}, "causeway_other": null, "list": [1, 2]});
    assert_eq!(Value::Object(host.variables), expected);
    assert_eq!(patches(&server), 1);
    assert!(matches!(client.merge_host_keys(5, &Map::new()).await, HostMerge::Unchanged(_)));
    assert_eq!(patches(&server), 1);

    let server = Server::start(host_with(&before(), |_| Fate::Busy)).await;
    let busy = HostWrite::Busy { detail: "Resource is being used by running jobs.".to_owned() };
    let answer = server.client().merge_host_keys(5, keys.as_object().unwrap()).await;
    assert_eq!(answer, HostMerge::NotWritten(busy));
    assert_eq!(patches(&server), 1, "and none after it");
}
