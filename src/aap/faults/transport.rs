//! What happens between the client and the controller: no connection, cut and slow answers, repetition, redirects,
//! sizes, secrets.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use super::super::stats::CallOutcome;
use super::super::{Controller, LaunchAnswer, LaunchBody, ReadError};
use super::{Reply, Server, TOKEN, client_of};

const RUN: &str = r#"{"id": 4, "name": "w", "workflow_job_template": 9, "launch_type": "manual", "status": "running",
    "created": "2026-11-20T20:44:23.854024Z", "extra_vars": "{}"}"#;

fn ok_run() -> Reply {
    Reply::With(200, "", "application/json", RUN.to_owned())
}

async fn launch(client: &Controller) -> LaunchAnswer {
    client.launch(19, &LaunchBody::default(), Uuid::from_u128(1)).await
}

fn why(answer: LaunchAnswer) -> String {
    let LaunchAnswer::Unknown { why } = answer else { panic!("{answer:?}") };
    why
}

#[tokio::test]
async fn a_refused_connection_is_unavailable_for_a_read_and_unknown_for_a_launch() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = client_of(&origin, |_| {});
    let error = client.run(4).await.unwrap_err();
    assert!(matches!(&error, ReadError::Unavailable { why } if why.contains("refused")), "{error:?}");
    assert_eq!(client.stats().by_method[&("GET", CallOutcome::Broken)], 4, "as often as configured");
    let why = why(launch(&client).await);
    assert!(why.starts_with("not sent: "), "nothing left, and it says so: {why}");
    assert_eq!(client.stats().by_method.get(&("POST", CallOutcome::Broken)), None);
}

#[tokio::test]
async fn a_connection_refused_after_discovery_is_unknown_for_a_launch() {
    let server =
        Server::start_bare(|_| Reply::Json(200, json!({"current_version": "/api/v2/", "version": "1"})))
            .await;
    let client = server.client();
    client.discover().await.unwrap();
    // The same client, at an address where nobody listens any more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = client_of(&format!("http://{}", listener.local_addr().unwrap()), |_| {});
    drop(listener);
    *gone.base_path_cell().lock().await = Some("/api/v2/".into());
    assert!(why(launch(&gone).await).contains("refused"));
    assert_eq!(gone.stats().by_method[&("POST", CallOutcome::Broken)], 1, "once");
}

#[tokio::test]
async fn an_answer_cut_after_its_headers_or_inside_its_body_is_unknown_and_not_repeated() {
    let cuts = [
        String::new(),
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n".to_owned(),
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{\"workflow_job\": 20, ".to_owned(),
    ];
    for cut in cuts {
        let answer = cut.clone();
        let server = Server::start(move |_| Reply::Raw(answer.clone())).await;
        let client = server.client();
        why(launch(&client).await);
        assert_eq!(server.seen().len(), 1, "{cut:?}");
        let error = client.run(4).await.unwrap_err();
        assert!(matches!(error, ReadError::Unavailable { .. }), "{cut:?}: {error:?}");
        assert_eq!(server.seen().len(), 5, "{cut:?}: a read is tried four times");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_costs_the_deadline_and_no_more() {
    let server = Server::start(|_| Reply::Hang).await;
    let client = server.client_with(|cfg| cfg.call_deadline_secs = 1);
    let started = Instant::now();
    let answer = why(launch(&client).await);
    assert!(answer.starts_with("no whole answer within 1."), "{answer}");
    assert!(matches!(client.run(4).await, Err(ReadError::Unavailable { .. })));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert_eq!(server.seen().len(), 2, "no time was left for a second try");
    assert_eq!(client.stats().by_method[&("POST", CallOutcome::TimedOut)], 1);
    assert_eq!(client.stats().by_method[&("GET", CallOutcome::TimedOut)], 1);
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_off_at_the_deadline_too() {
    // Headers at once, a body that never ends: the connection stays open because the server waits for a byte.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            super::receive(&mut stream).await.unwrap();
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{";
            tokio::io::AsyncWriteExt::write_all(&mut stream, head).await.unwrap();
            open.push(stream);
        }
    });
    let client = client_of(&origin, |cfg| cfg.call_deadline_secs = 1);
    let error = client.discover().await.unwrap_err();
    assert!(
        matches!(&error, ReadError::Unavailable { why } if why.starts_with("no whole answer")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_read_is_repeated_through_a_bad_moment_and_a_launch_is_not() {
    let mut count = 0;
    let server = Server::start(move |request| {
        count += 1;
        if request.method == "POST" || count < 3 {
            return Reply::With(502, "", "text/html", "<html>bad gateway</html>".to_owned());
        }
        ok_run()
    })
    .await;
    let client = server.client();
    assert_eq!(client.run(4).await.unwrap().unwrap().id, 4);
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    let ids: std::collections::BTreeSet<&str> =
        seen.iter().filter_map(|r| r.header("x-api-request-id")).collect();
    assert_eq!(ids.len(), 3, "each attempt has its own id: {ids:?}");
    assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())), "{ids:?}");
    assert!(why(launch(&client).await).contains("502"));
    assert_eq!(server.seen().len(), 4);
    let stats = client.stats();
    assert_eq!(stats.requests, 5, "the API root, three reads, one launch");
    assert_eq!(stats.by_method[&("GET", CallOutcome::ServerError)], 2);
    assert_eq!(stats.by_method[&("GET", CallOutcome::Success)], 2);
    assert_eq!(stats.by_method[&("POST", CallOutcome::ServerError)], 1);
}

#[tokio::test]
async fn what_would_not_change_is_not_asked_again() {
    for status in [400, 401, 403, 404, 405] {
        let server = Server::start(move |_| Reply::Json(status, json!({"detail": "no"}))).await;
        let answer = server.client().run(4).await;
        assert_eq!(server.seen().len(), 1, "{status}: {answer:?}");
    }
}

#[tokio::test]
async fn a_throttled_read_waits_as_told_when_its_deadline_allows_and_tells_how_long_when_not() {
    let mut count = 0;
    let server = Server::start(move |_| {
        count += 1;
        if count == 1 {
            Reply::With(429, "Retry-After: 0\r\n", "application/json", "{}".to_owned())
        } else {
            ok_run()
        }
    })
    .await;
    assert!(server.client().run(4).await.unwrap().is_some());
    let server = Server::start(|_| {
        Reply::With(429, "Retry-After: 3600\r\n", "application/json", r#"{"detail": "slow down"}"#.to_owned())
    })
    .await;
    let client = server.client();
    assert_eq!(client.run(4).await, Err(ReadError::Throttled { retry_after_secs: Some(3600) }));
    assert_eq!(server.seen().len(), 1);
    assert_eq!(
        launch(&client).await,
        LaunchAnswer::NotNow { status: 429, detail: "slow down".to_owned(), retry_after_secs: Some(3600) }
    );
}

#[tokio::test]
async fn no_redirect_is_followed_by_any_method() {
    for status in [301, 302, 303, 307, 308] {
        let server = Server::start(move |request| match request.path.as_str() {
            "/elsewhere/" => ok_run(),
            _ => Reply::With(status, "Location: /elsewhere/?token=x\r\n", "text/html", String::new()),
        })
        .await;
        let client = server.client();
        let error = client.run(4).await.unwrap_err();
        assert_eq!(
            error,
            ReadError::Contract {
                path: "/api/v2/workflow_jobs/4/".to_owned(),
                why: format!("HTTP {status}: redirect to /elsewhere/, not followed")
            }
        );
        assert!(why(launch(&client).await).contains("redirect to /elsewhere/"));
        assert!(server.seen().iter().all(|request| request.path != "/elsewhere/"), "{status}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_given_up_whether_it_says_its_size_or_not() {
    let big = "x".repeat(5_000);
    let sized = format!(
        "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{big}"
    );
    let unsized_ =
        format!("HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{big}");
    for raw in [sized, unsized_] {
        let server = Server::start(move |_| Reply::Raw(raw.clone())).await;
        let client = server.client_with(|cfg| cfg.body_bytes_max = 1_000);
        let error = client.run(4).await.unwrap_err();
        assert!(
            matches!(&error, ReadError::Contract { why, .. } if why.contains("larger than 1000 bytes")),
            "{error:?}"
        );
        assert!(why(launch(&client).await).contains("larger than 1000 bytes"));
        assert_eq!(server.seen().len(), 2, "neither is repeated");
        assert_eq!(client.stats().by_method[&("GET", CallOutcome::TooLarge)], 1);
    }
}

#[tokio::test]
async fn only_a_201_that_can_be_read_is_an_accepted_launch() {
    let body = json!({"workflow_job": 20, "ignored_fields": {"limit": "x"}, "id": 20});
    let server = Server::start(move |_| Reply::Json(201, body.clone())).await;
    let expected = LaunchAnswer::Accepted { workflow_job: 20, ignored_fields: vec!["limit".to_owned()] };
    assert_eq!(launch(&server.client()).await, expected);
    let answers: [fn() -> Reply; 5] = [
        || Reply::Json(200, json!({"workflow_job": 20})),
        || Reply::Json(201, json!({"job": 39, "ignored_fields": {}})), // a job template's answer
        || Reply::With(201, "", "text/html", "<html>welcome</html>".to_owned()),
        || Reply::With(201, "", "application/json", "{\"workflow_job\": ".to_owned()),
        || Reply::With(202, "", "application/json", String::new()),
    ];
    for answer in answers {
        let server = Server::start(move |_| answer()).await;
        why(launch(&server.client()).await);
    }
}

#[tokio::test]
async fn the_same_status_counts_only_in_the_controllers_own_json() {
    for status in [401, 403, 404, 405, 409, 415, 429] {
        let json = Server::start(move |_| Reply::Json(status, json!({"detail": "no"}))).await;
        let answer = launch(&json.client()).await;
        assert_eq!(answer, LaunchAnswer::NotNow { status, detail: "no".to_owned(), retry_after_secs: None });
        let html =
            Server::start(move |_| Reply::With(status, "", "text/html", "<html>no</html>".to_owned())).await;
        assert!(why(launch(&html.client()).await).contains(&status.to_string()));
    }
    let server = Server::start(|_| Reply::With(400, "", "text/html", "<html>no</html>".to_owned())).await;
    why(launch(&server.client()).await);
    // JSON in the body of something else, and JSON that is no object, are not the controller's either.
    for (content_type, body) in [("text/plain", r#"{"detail": "blocked"}"#), ("application/json", "[]")] {
        let server = Server::start(move |_| Reply::With(403, "", content_type, body.to_owned())).await;
        why(launch(&server.client()).await);
        assert!(matches!(server.client().run(4).await, Err(ReadError::Contract { .. })), "{content_type}");
    }
    for (status, kind) in [(401, "401"), (403, "403"), (404, "404")] {
        let server =
            Server::start(move |_| Reply::With(status, "", "text/html", "<p>proxy".to_owned())).await;
        let error = server.client().run(4).await.unwrap_err();
        assert!(matches!(&error, ReadError::Contract { why, .. } if why.contains(kind)), "{error:?}");
    }
}

#[tokio::test]
async fn the_api_is_found_behind_a_gateway_and_found_again_when_it_moves() {
    let moved = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = std::sync::Arc::clone(&moved);
    let server = Server::start_bare(move |request| {
        let behind_gateway = flag.load(std::sync::atomic::Ordering::SeqCst);
        match (behind_gateway, request.path.as_str()) {
            (false, "/api/") => Reply::Json(200, json!({"current_version": "/api/v2/"})),
            (true, "/api/") => Reply::Json(200, json!({"description": "gateway", "apis": {}})),
            (true, "/api/controller/") => Reply::Json(200, json!({"current_version": "/api/controller/v2/"})),
            (false, "/api/v2/workflow_jobs/4/") | (true, "/api/controller/v2/workflow_jobs/4/") => ok_run(),
            _ => Reply::With(404, "", "text/html", "<h1>Not Found</h1>".to_owned()),
        }
    })
    .await;
    let client = server.client();
    assert!(client.run(4).await.unwrap().is_some());
    moved.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(client.run(4).await, Err(ReadError::Contract { .. })), "the old place is gone");
    assert!(client.run(4).await.unwrap().is_some(), "and the new one is found by itself");
    assert!(server.client().run(4).await.unwrap().is_some());
}

#[tokio::test]
async fn a_current_version_that_leads_elsewhere_is_not_believed() {
    for evil in ["//evil.example/v2/", "https://evil.example/api/v2/", "/api/v2", "/a/../b/"] {
        let server = Server::start_bare(move |_| Reply::Json(200, json!({"current_version": evil}))).await;
        let error = server.client().me().await.unwrap_err();
        assert!(
            matches!(&error, ReadError::Contract { why, .. } if why.contains("no controller API found")),
            "{error:?}"
        );
        assert!(server.seen().iter().all(|request| request.header("authorization").is_none()));
    }
}

#[tokio::test]
async fn a_burst_of_first_calls_looks_for_the_api_once() {
    let server = Server::start(|_| ok_run()).await;
    let client = server.client();
    let calls = (0..20).map(|_| {
        let client = client.clone();
        async move { client.run(4).await.unwrap().unwrap().id }
    });
    assert_eq!(futures_util::future::join_all(calls).await, vec![4; 20]);
    let roots = server.seen.lock().unwrap().iter().filter(|request| request.path == "/api/").count();
    assert_eq!(roots, 1);
}

#[tokio::test]
async fn the_token_is_in_no_debug_text_and_no_error_even_when_the_server_echoes_it() {
    let server = Server::start(|request| {
        let echo = format!("you sent {:?}", request.header("authorization"));
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/api/v2/workflow_jobs/1/") => Reply::Json(400, json!({"detail": echo})),
            ("GET", "/api/v2/workflow_jobs/2/") => Reply::With(500, "", "text/html", format!("<p>{echo}")),
            ("GET", "/api/v2/workflow_jobs/3/") => {
                Reply::With(301, "Location: /s3cretT0ken/\r\n", "text/html", String::new())
            }
            ("GET", "/api/v2/workflow_jobs/4/") => Reply::With(200, "", "text/html", echo),
            ("GET", "/api/v2/workflow_jobs/5/") => Reply::Json(200, json!({"id": TOKEN})),
            // Where an excerpt ends in the middle of the token.
            ("GET", "/api/v2/workflow_jobs/6/") => {
                Reply::With(500, "", "text/html", format!("{}{TOKEN}", "x".repeat(114)))
            }
            ("GET", "/api/v2/workflow_jobs/7/") => {
                Reply::Json(400, json!({"detail": format!("{}{TOKEN}", "x".repeat(494))}))
            }
            ("POST", _) => Reply::Json(400, json!({"extra_vars": [echo]})),
            _ => Reply::Json(404, json!({})),
        }
    })
    .await;
    let client = server.client();
    let mut texts = vec![format!("{client:?} {:?}", client.config())];
    for id in 1..=7 {
        let error = client.run(id).await.unwrap_err();
        texts.push(format!("{error} {error:?}"));
    }
    texts.push(format!("{:?}", launch(&client).await));
    let sent = server
        .seen()
        .iter()
        .filter(|request| request.header("authorization") == Some("Bearer s3cretT0ken"))
        .count();
    assert_eq!(sent, 14, "it was sent each time, four times where the answer was a 500");
    for text in texts {
        assert!(!text.contains(&TOKEN[..5]), "{text}");
    }
}

#[tokio::test]
async fn a_short_token_garbles_neither_answers_nor_errors() {
    let server = Server::start(|request| match request.path.as_str() {
        "/api/v2/workflow_jobs/4/" => ok_run(),
        _ => Reply::Json(400, json!({"detail": "that is not it"})),
    })
    .await;
    let client = server.client_with(|cfg| cfg.token = crate::config::Secret::new("t"));
    assert!(client.run(4).await.unwrap().is_some());
    assert!(client.run(5).await.unwrap_err().to_string().ends_with("HTTP 400: that is not it"));
}
