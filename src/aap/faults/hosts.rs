//! Listings of hosts while hosts come and go, under ignored filters, and with variables that are YAML.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::{HostListing, ReadError, YAML_HOSTS_MAX};
use super::{Reply, Request, Server};

fn row(id: i64, inventory: i64, modified: &str, variables: &str) -> Value {
    json!({"id": id, "name": format!("vm-{id}"), "inventory": inventory, "instance_id": "",
        "variables": variables, "modified": modified})
}

const MODIFIED: &str = "2026-11-20T20:48:28.387668Z";

/// A controller's list over `ids`, with its own count.
fn list(request: &Request, ids: impl IntoIterator<Item = i64>, variables: &str) -> Reply {
    assert_eq!(
        (request.path.as_str(), request.query("order_by"), request.query("inventory")),
        ("/api/v2/hosts/", Some("id"), Some("2"))
    );
    assert_eq!(request.query("page_size"), Some("200"));
    let after: i64 = request.query("id__gt").map_or(0, |id| id.parse().unwrap());
    let rows: Vec<i64> = ids.into_iter().filter(|id| *id > after).collect();
    let next = (rows.len() > 200).then_some("/api/v2/hosts/?page=2");
    let results: Vec<Value> = rows.iter().take(200).map(|id| row(*id, 2, MODIFIED, variables)).collect();
    let body = json!({"count": rows.len(), "next": next, "previous": null, "results": results});
    let date = "Date: Fri, 20 Nov 2026 20:48:29 GMT\r\n";
    Reply::With(200, date, "application/json", body.to_string())
}

fn ids(listing: &HostListing) -> Vec<i64> {
    listing.hosts.iter().map(|host| host.id).collect()
}

fn since(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn an_inventory_is_read_by_windows_and_tells_the_controllers_time() {
    let server = Server::start(|request| list(request, 1..=450, "{\"a\": 1}")).await;
    let listing = server.client().hosts(2, since("2026-11-20T20:00:00.000000999Z")).await.unwrap();
    assert_eq!(ids(&listing), (1..=450).collect::<Vec<_>>());
    assert!(listing.complete && listing.unread.is_empty());
    assert_eq!(listing.server_time, since("2026-11-20T20:48:29Z"));
    assert_eq!(listing.hosts[7].variables["a"], 1);
    let seen = server.seen();
    let windows: Vec<Option<&str>> = seen.iter().map(|request| request.query("id__gt")).collect();
    assert_eq!(windows, [None, Some("200"), Some("400")]);
    assert!(seen.iter().all(|request| request.query("modified__gte") == Some("2026-11-20T20:00:00Z")));

    let server = Server::start(|request| list(request, 1..=3, "")).await;
    assert_eq!(ids(&server.client().hosts(2, None).await.unwrap()), [1, 2, 3]);
    assert_eq!(server.seen()[0].query("modified__gte"), None);
}

#[tokio::test]
async fn a_bound_that_is_finer_than_the_controllers_own_does_not_make_its_rows_too_old() {
    let server = Server::start(|request| list(request, 1..=1, "")).await;
    let listing = server.client().hosts(2, since("2026-11-20T20:48:28.387668999Z")).await.unwrap();
    assert_eq!(ids(&listing), [1]);
}

#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_read_again_until_count_and_rows_agree() {
    let mut asked = 0;
    // After the first page one host of the second is deleted and another one is made.
    let server = Server::start(move |request| {
        asked += 1;
        let gone: i64 = if asked == 1 { 0 } else { 300 };
        list(request, (1..=400).filter(move |id| *id != gone), "")
    })
    .await;
    let listing = server.client().hosts(2, None).await.unwrap();
    assert!(listing.complete);
    assert_eq!((listing.hosts.len(), ids(&listing).contains(&300)), (399, false));
    assert_eq!(server.seen().len(), 4, "two readings of two pages");
}

#[tokio::test]
async fn a_count_that_never_agrees_is_given_up_after_three_readings_and_each_host_comes_once() {
    let mut asked = 0;
    let server = Server::start(move |request| {
        asked += 1;
        let page: Vec<Value> = [1, 1 + asked].iter().map(|id| row(*id, 2, MODIFIED, "")).collect();
        assert_eq!(request.query("id__gt"), None);
        Reply::Json(200, json!({"count": 9, "next": null, "results": page}))
    })
    .await;
    let listing = server.client().hosts(2, None).await.unwrap();
    assert!(!listing.complete);
    assert_eq!((ids(&listing), listing.server_time), (vec![1, 2, 3, 4], None));
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_list_without_end_is_incomplete_and_is_not_read_again() {
    let mut next = 0;
    let server = Server::start(move |_| {
        next += 1;
        Reply::Json(200, json!({"count": 7, "next": "/more/", "results": [row(next, 2, MODIFIED, "")]}))
    })
    .await;
    let listing = server.client().hosts(2, None).await.unwrap();
    assert!(!listing.complete);
    assert_eq!(server.seen().len(), super::super::paging::PAGES_MAX);
}

#[tokio::test]
async fn an_ignored_filter_is_an_error_and_no_listing() {
    for (inventory, modified) in [(3, MODIFIED), (2, "2026-11-20T19:59:59.999999Z")] {
        let server = Server::start(move |_| {
            let rows = [row(1, 2, MODIFIED, ""), row(2, inventory, modified, "")];
            Reply::Json(200, json!({"count": 2, "next": null, "results": rows}))
        })
        .await;
        let answer = server.client().hosts(2, since("2026-11-20T20:00:00Z")).await;
        assert!(matches!(answer, Err(ReadError::Contract { .. })), "{answer:?}");
    }
    let server = Server::start(|_| {
        let rows = [row(2, 2, MODIFIED, ""), row(1, 2, MODIFIED, "")];
        Reply::Json(200, json!({"count": 2, "next": null, "results": rows}))
    })
    .await;
    let answer = server.client().hosts(2, None).await;
    assert!(matches!(answer, Err(ReadError::Contract { .. })), "the order was ignored: {answer:?}");
}

#[tokio::test]
async fn yaml_costs_a_request_for_so_many_hosts_and_the_rest_are_named() {
    let hosts_max = i64::try_from(YAML_HOSTS_MAX).unwrap();
    let server = Server::start(move |request| match request.path.as_str() {
        "/api/v2/hosts/" => list(request, 1..=hosts_max + 2, "a: 1\nb: [2]\n"),
        "/api/v2/hosts/3/variable_data/" => {
            Reply::Json(404, json!({"detail": "No Host matches the given query."}))
        }
        "/api/v2/hosts/4/variable_data/" => Reply::Json(200, json!([1])),
        _ => Reply::Json(200, json!({"a": 1, "b": [2]})),
    })
    .await;
    let listing = server.client().hosts(2, None).await.unwrap();
    assert!(listing.complete);
    assert_eq!(listing.hosts[0].variables["b"], json!([2]));
    assert!(!ids(&listing).contains(&3), "it is gone by now");
    let unread: Vec<(i64, &str)> = listing.unread.iter().map(|host| (host.id, host.name.as_str())).collect();
    let (first, second) = (format!("vm-{}", hosts_max + 1), format!("vm-{}", hosts_max + 2));
    assert_eq!(unread, [(4, "vm-4"), (hosts_max + 1, first.as_str()), (hosts_max + 2, second.as_str())]);
    assert_eq!(server.seen().len(), 1 + YAML_HOSTS_MAX);
}

#[tokio::test]
async fn a_listing_that_breaks_off_is_an_error() {
    let server = Server::start(|request| {
        if request.query("id__gt").is_some() {
            return Reply::Raw(String::new());
        }
        list(request, 1..=400, "")
    })
    .await;
    let answer = server.client().hosts(2, None).await;
    assert!(matches!(answer, Err(ReadError::Unavailable { .. })), "{answer:?}");
}
