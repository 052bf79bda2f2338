//! Lists and batches: shortened pages, many ids, cancel answers that need a second look.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::{CancelAnswer, ReadError};
use super::{Reply, Request, Server};

fn run_row(id: i64) -> Value {
    json!({"id": id, "name": "w", "workflow_job_template": 9, "launch_type": "manual", "status": "running",
        "created": "2026-11-20T20:44:23Z", "extra_vars": format!("{{\"n\": {id}}}")})
}

/// A controller's list over `ids` that gives at most `page_max` rows a page.
fn list(request: &Request, ids: &[i64], page_max: usize) -> Reply {
    let after: i64 = request.query("id__gt").map_or(0, |id| id.parse().unwrap());
    let wanted: Option<BTreeSet<i64>> =
        request.query("id__in").map(|list| list.split(',').map(|id| id.parse().unwrap()).collect());
    let size = request.query("page_size").unwrap().parse::<usize>().unwrap().min(page_max);
    assert_eq!(request.query("order_by"), Some("id"));
    let rows: Vec<i64> = ids
        .iter()
        .copied()
        .filter(|id| *id > after && wanted.as_ref().is_none_or(|wanted| wanted.contains(id)))
        .collect();
    let next = (rows.len() > size).then_some("https://evil.example/api/v2/workflow_jobs/?page=2");
    let results: Vec<Value> = rows.iter().take(size).map(|id| run_row(*id)).collect();
    Reply::Json(200, json!({"count": rows.len(), "next": next, "previous": null, "results": results}))
}

#[tokio::test]
async fn a_list_is_read_to_its_end_even_when_the_controller_shortens_the_pages() {
    let server = Server::start(|request| list(request, &(1..=10).collect::<Vec<_>>(), 3)).await;
    let since = "2026-11-20T20:00:00Z".parse().unwrap();
    let listing = server.client().runs_created_since(9, since).await.unwrap();
    assert!(listing.complete);
    assert_eq!(listing.runs.iter().map(|run| run.id).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
    assert_eq!(listing.runs[6].extra_vars["n"], 7);
    let seen = server.seen();
    assert_eq!(seen.len(), 4);
    let windows: Vec<Option<&str>> = seen.iter().map(|request| request.query("id__gt")).collect();
    assert_eq!(windows, [None, Some("3"), Some("6"), Some("9")]);
    assert!(seen.iter().all(|request| request.query("created__gte") == Some("2026-11-20T20:00:00Z")));
    assert!(seen.iter().all(|request| request.path.ends_with('/')));
}

#[tokio::test]
async fn a_list_without_end_is_given_up_and_called_incomplete() {
    let mut next = 0;
    let server = Server::start(move |_| {
        next += 1;
        Reply::Json(200, json!({"next": "/more/", "results": [run_row(next)]}))
    })
    .await;
    let since = "2026-11-20T20:00:00Z".parse().unwrap();
    let listing = server.client().runs_created_since(9, since).await.unwrap();
    assert!(!listing.complete);
    assert_eq!(listing.runs.len(), super::super::paging::PAGES_MAX);
}

#[tokio::test]
async fn one_failed_page_fails_the_listing() {
    let server = Server::start(|request| match request.query("id__gt") {
        None => list(request, &[1, 2, 3, 4], 3),
        Some(_) => Reply::Json(403, json!({"detail": "no"})),
    })
    .await;
    let since = "2026-11-20T20:00:00Z".parse().unwrap();
    let answer = server.client().runs_created_since(9, since).await;
    assert!(matches!(answer, Err(ReadError::Forbidden { .. })), "{answer:?}");
}

#[tokio::test]
async fn four_hundred_and_fifty_runs_are_three_requests_and_each_is_short_enough_for_a_proxy() {
    let ids: Vec<i64> = (1..=450).map(|n| 1_000_000 + n).collect();
    let there: Vec<i64> = ids.iter().copied().filter(|id| id % 100 != 0).collect();
    let server = Server::start({
        let there = there.clone();
        move |request| list(request, &there, 200)
    })
    .await;
    let mut asked: Vec<i64> = ids.iter().rev().copied().collect();
    asked.push(ids[0]); // once is enough
    let read = server.client().runs(&asked).await.unwrap();
    assert_eq!(read.runs.iter().map(|run| run.id).collect::<Vec<_>>(), there);
    assert_eq!(read.missing, [1_000_100, 1_000_200, 1_000_300, 1_000_400]);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|request| request.query("id__in").unwrap().len() < 4_000));
}

#[tokio::test]
async fn no_ids_are_no_request() {
    let server = Server::start(|_| Reply::Json(500, json!({}))).await;
    let client = server.client();
    let read = client.runs(&[]).await.unwrap();
    assert!(read.runs.is_empty() && read.missing.is_empty());
    assert_eq!(client.nodes(&[]).await, Ok(vec![]));
    assert_eq!(client.jobs_of(&[]).await, Ok(vec![]));
    assert_eq!(client.stats().requests, 0);
}

#[tokio::test]
async fn rows_that_lack_what_is_needed_break_the_contract_and_name_the_field() {
    let server = Server::start(|_| {
        Reply::Json(200, json!({"next": null, "results": [{"id": 4, "name": "secret name"}]}))
    })
    .await;
    let error = server.client().runs(&[4]).await.unwrap_err();
    let ReadError::Contract { why, .. } = &error else { panic!("{error:?}") };
    assert!(why.contains("(no ") && !why.contains("secret name"), "{why}");
}

#[tokio::test]
async fn a_status_that_is_not_known_counts_as_not_over_and_other_variables_than_json_are_marked() {
    let server = Server::start(|_| {
        let mut row = run_row(4);
        row["status"] = json!("hibernating");
        row["launch_type"] = json!("webhook");
        row["extra_vars"] = json!("---\nvm_name: a\n");
        Reply::Json(200, row)
    })
    .await;
    let run = server.client().run(4).await.unwrap().unwrap();
    assert_eq!(run.status.as_str(), "hibernating");
    assert!(!run.status.is_over());
    assert_eq!(run.launch_type, super::super::LaunchType::Other("webhook".to_owned()));
    assert!(run.extra_vars_unreadable && run.extra_vars.is_empty());
}

#[tokio::test]
async fn a_cancel_is_sent_once_and_what_it_did_not_settle_is_said() {
    let server = Server::start(|_| Reply::With(502, "", "text/html", "<p>bad gateway".to_owned())).await;
    let answer = server.client().cancel(4).await;
    assert!(matches!(&answer, CancelAnswer::Unknown { why } if why.contains("502")), "{answer:?}");
    assert_eq!(server.seen().len(), 1);

    let server = Server::start(|request| match request.method.as_str() {
        "POST" => Reply::Json(405, json!({"detail": "Method \"POST\" not allowed."})),
        _ => Reply::Json(200, run_row(4)),
    })
    .await;
    let answer = server.client().cancel(4).await;
    assert!(
        matches!(answer, CancelAnswer::Refused { status: 405, .. }),
        "405, and still running: {answer:?}"
    );

    let server =
        Server::start(|_| Reply::Json(404, json!({"detail": "No WorkflowJob matches the given query."})))
            .await;
    assert!(matches!(server.client().cancel(4).await, CancelAnswer::Refused { status: 404, .. }));
}

#[tokio::test]
async fn failures_that_the_playbook_ignores_are_no_reasons_and_the_last_ones_are_kept_in_order() {
    let server = Server::start(|request| {
        assert_eq!(request.query("order_by"), Some("-counter"));
        let event = |host: &str, event: &str, ignore: Option<bool>| {
            json!({"event": event, "host_name": host,
                "event_data": {"task": "t", "role": "claim", "ignore_errors": ignore, "res": {"msg": format!("on {host}")}}})
        };
        let results = json!([
            event("last", "runner_on_failed", None),
            event("middle", "runner_on_failed", Some(true)),
            event("first", "runner_on_unreachable", Some(false)),
        ]);
        Reply::Json(200, json!({"next": "/more/", "results": results}))
    })
    .await;
    let reasons = server.client().failure_reasons(46).await.unwrap();
    let shown: Vec<(&str, &str, bool)> =
        reasons.iter().map(|r| (r.host.as_str(), r.msg.as_str(), r.unreachable)).collect();
    assert_eq!(shown, [("first", "on first", true), ("last", "on last", false)]);
    assert_eq!(reasons[0].role.as_deref(), Some("claim"));
    assert_eq!(server.seen().len(), 1);
}
