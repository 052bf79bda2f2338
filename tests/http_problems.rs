//! `docs/HTTP.md` and `/openapi.json` say what the bridge does: every example is run, every answer produced.

#![allow(clippy::unwrap_used)]

mod http_support;

use std::collections::BTreeSet;
use std::sync::Arc;

use causeway::http::Limits;
use causeway::http::problem::Kind;
use causeway::http::routes::TABLE;
use causeway::vm_request::RequestId;
use http_support::doc::{self, Example};
use http_support::vms::{STRAY, VM};
use http_support::{APPROVER, Answer, Bridge, CALLBACK_TOKEN, PORTAL_TOKEN, Request, TEAM, TOKEN, lean};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../docs/HTTP.md");

/// Method, address as in the table, status.
type Produced = BTreeSet<(String, String, u16)>;

fn variables(request: &RequestId) -> Vec<(&'static str, String)> {
    vec![
        ("TOKEN", TOKEN.to_owned()),
        ("APPROVER", APPROVER.to_owned()),
        ("PORTAL_TOKEN", PORTAL_TOKEN.to_owned()),
        ("CALLBACK_TOKEN", CALLBACK_TOKEN.to_owned()),
        ("REQUEST", request.to_string()),
        ("TEAM", TEAM.to_owned()),
        ("VM", VM.to_owned()),
        ("STRAY", STRAY.to_owned()),
        ("LONG", "x".repeat(3_000)),
    ]
}

/// The address of the table that `target` is.
fn template(target: &str) -> Option<&'static str> {
    let path = target.split('?').next().unwrap();
    let fits = |pattern: &str| {
        let (left, right) = (pattern.split('/'), path.split('/'));
        left.clone().count() == right.clone().count()
            && left.zip(right).all(|(part, given)| part.starts_with('{') || part == given)
    };
    TABLE.iter().map(|entry| entry.path).find(|pattern| fits(pattern))
}

async fn run(example: &Example, produced: &mut Produced) {
    let limits = match example.setup.as_str() {
        "half-body" => Limits { body_read_secs: 1, ..Limits::default() },
        _ => Limits::default(),
    };
    let is_full = example.setup == "queue-full";
    let bridge = Arc::new(Bridge::with(limits, |mut options| {
        if is_full {
            options.intake_queue_max = 1;
        }
        options
    }));
    let first = bridge.make("web01", "prod", Some("order-4711")).await;
    bridge.seed_vms().await;
    let request = doc::request(&example.curl, &variables(&first));
    let answer = match example.setup.as_str() {
        "" | "half-body" => bridge.send(request.clone()).await,
        "second" => {
            bridge.send(request.clone()).await;
            bridge.send(request.clone()).await
        }
        "queue-full" => until_full(&bridge, &request).await,
        "closed-journal" => {
            bridge.state.journal.clone().close().await;
            bridge.send(request.clone()).await
        }
        "draining" => {
            bridge.state.begin_to_drain();
            bridge.send(request.clone()).await
        }
        other => panic!("no setup is called {other}"),
    };
    doc::compare(example, &answer);
    note(&request, &answer, produced);
}

fn note(request: &Request, answer: &Answer, produced: &mut Produced) {
    if let Some(path) = template(&request.target) {
        produced.insert((request.method.clone(), path.to_owned(), answer.status));
    }
}

/// Others keep the queue of one place occupied until `request` finds it full.
async fn until_full(bridge: &Arc<Bridge>, request: &Request) -> Answer {
    let crowd: Vec<_> = (0..16)
        .map(|index| {
            let bridge = bridge.clone();
            tokio::spawn(async move {
                for round in 0.. {
                    let body = lean(&format!("crowd-{index}-{round}"), "test");
                    bridge.send(Request::hook("portal", &body)).await;
                }
            })
        })
        .collect();
    let full = async {
        loop {
            let answer = bridge.send(request.clone()).await;
            if answer.status == 503 {
                return answer;
            }
        }
    };
    let answer = tokio::time::timeout(std::time::Duration::from_secs(60), full).await.unwrap();
    crowd.iter().for_each(tokio::task::JoinHandle::abort);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_is_answered_as_documented_and_every_documented_status_is_produced() {
    let examples = doc::examples(DOCUMENT);
    let mut produced = Produced::new();
    for example in &examples {
        run(example, &mut produced).await;
    }
    let headings: BTreeSet<String> = DOCUMENT
        .lines()
        .filter_map(|line| {
            line.strip_prefix("### ")?.split_once(" · ").map(|(name, status)| format!("{name} {status}"))
        })
        .collect();
    let kinds: BTreeSet<String> =
        Kind::ALL.iter().map(|kind| format!("{} {}", kind.name(), kind.status().as_u16())).collect();
    assert_eq!(headings, kinds, "each kind of problem has its heading");
    let shown: BTreeSet<&str> = examples
        .iter()
        .filter_map(|example| example.body.as_ref()?["type"].as_str()?.rsplit('/').next())
        .collect();
    let silent: Vec<&str> =
        Kind::ALL.iter().map(|kind| kind.name()).filter(|name| !shown.contains(name)).collect();
    assert_eq!(silent, ["internal"], "each kind but the impossible has an example");

    rest_of_the_statuses(&mut produced).await;
    // 405, 414, 431 and 500 are said of every operation at once.
    produced.retain(|(method, _, status)| ![405, 414, 431].contains(status) && method != "DELETE");
    assert_eq!(produced, documented());
}

fn documented() -> Produced {
    let document: Value = serde_json::from_str(causeway_openapi()).unwrap();
    let mut found = Produced::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for status in operation["responses"].as_object().unwrap().keys() {
                found.insert((method.to_uppercase(), path.clone(), status.parse().unwrap()));
            }
        }
    }
    found
}

const fn causeway_openapi() -> &'static str {
    include_str!("../src/http/openapi.json")
}

#[test]
fn every_route_stands_in_openapi_and_nothing_else_does() {
    let described: BTreeSet<(String, String)> =
        documented().into_iter().map(|(method, path, _)| (method, path)).collect();
    let routed: BTreeSet<(String, String)> = TABLE
        .iter()
        .flat_map(|entry| entry.methods.iter().map(|method| (method.name.to_owned(), entry.path.to_owned())))
        .collect();
    assert_eq!(described, routed);
}

/// Each status of each operation that the document has no example of.
async fn rest_of_the_statuses(produced: &mut Produced) {
    let open = Bridge::with(
        Limits { body_read_secs: 1, callback_body_bytes_max: 1_000, ..Limits::default() },
        |o| o,
    );
    let closed = Bridge::start();
    let known = open.make("web01", "prod", Some("k")).await;
    let gone = closed.make("web01", "prod", None).await;
    open.seed_vms().await;
    closed.answers.store(false, std::sync::atomic::Ordering::Relaxed);
    closed.state.journal.clone().close().await;
    let list = "/api/v1/vm-requests".to_owned();
    let unknown = "req_01m7yhx300000000000000001a";

    let mut requests = vec![
        (true, Request::api("POST", &list).json(&lean("web01", "prod")).header("Idempotency-Key", "k")),
        (true, Request::api("GET", &list)),
        (false, Request::api("GET", &list)),
        (false, Request::api("POST", &list).json(&lean("web09", "prod"))),
        (true, Request::new("POST", &list).json("{}")),
        (true, Request::hook("portal", &lean("web07", "test"))),
        (true, Request::hook("portal", &lean("web07", "test"))),
        (true, Request::hook("portal", "{}").header("X-GitHub-Delivery", "a b")),
        (true, Request::new("PUT", "/hooks/aap/aap-prod").json("{}")),
        (
            true,
            Request::new("PUT", "/hooks/aap/aap-prod").json("{}").header("X-Causeway-Token", CALLBACK_TOKEN),
        ),
        (true, Request::new("GET", "/livez")),
        (true, Request::new("GET", "/readyz")),
        (true, Request::new("GET", "/metrics")),
        (true, Request::new("GET", "/openapi.json")),
        (true, Request::new("GET", "/schemas/vm-request.v1.schema.json")),
        (true, Request::new("GET", "/schemas/none")),
    ];
    for part in ["", "/events", "/journal", "/evidence", "/actions"] {
        let at = |id: &str| format!("{list}/{id}{part}");
        requests.push((true, Request::api("GET", &at(known.as_str()))));
        requests.push((true, Request::api("GET", &at(unknown))));
        requests.push((true, Request::api("GET", &format!("{}?x=1", at(known.as_str())))));
        requests.push((true, Request::new("GET", &at(known.as_str()))));
        requests.push((false, Request::api("GET", &at(gone.as_str()))));
    }
    let cancel = |id: &RequestId| format!("{list}/{id}/actions/cancel");
    requests.push((true, Request::new("POST", &cancel(&known)).json("{}")));
    requests.push((true, Request::api("POST", &cancel(&known)).json(r#"{"comment":7}"#)));
    requests.push((true, Request::api("POST", &format!("{}?x=1", cancel(&known))).json("{}")));
    requests.push((false, Request::api("POST", &cancel(&gone)).json("{}")));
    requests.extend(about_vms());
    let about = r#"{"id":7,"url":"https://aap/jobs/workflow/7","status":"failed","name":"t"}"#;
    for method in ["POST", "PUT"] {
        let callback = Request { method: method.to_owned(), ..Request::callback(about) };
        requests.push((false, callback));
    }
    for (is_open, request) in requests {
        let answer =
            if is_open { open.send(request.clone()).await } else { closed.send(request.clone()).await };
        note(&request, &answer, produced);
    }
    bodies_too_large_too_slow_or_unlabelled(&open, &list, &cancel(&known), produced).await;
}

/// What is asked of the register of VMs and of the watch, well and badly; of the bridge that is open, or of the other.
fn about_vms() -> Vec<(bool, Request)> {
    let vm = format!("/api/v1/vms/{VM}");
    let (adopt, end) = ("/api/v1/vms/adopt", "/api/v1/watch/actions/end_mass_change");
    let pause = format!("{vm}/actions/pause");
    let mut requests = Vec::new();
    for path in ["/api/v1/vms", "/api/v1/drift", "/api/v1/left-overs", "/inventory", vm.as_str()] {
        requests.push((true, Request::api("GET", path)));
        requests.push((true, Request::api("GET", &format!("{path}?x=1"))));
        requests.push((true, Request::new("GET", path)));
        requests.push((false, Request::api("GET", path)));
    }
    let team = |method: &str, path: &str| {
        Request::new(method, path).header("Authorization", format!("Bearer {TEAM}"))
    };
    requests.push((true, team("GET", "/api/v1/left-overs")));
    requests.push((true, team("GET", &vm)));
    for query in ["", "?x=1"] {
        requests.push((true, Request::api("GET", &format!("/api/v1/watch{query}"))));
        requests.push((true, Request::approver("POST", &format!("{end}{query}"))));
        requests
            .push((true, Request::api("POST", &format!("{adopt}{query}")).json(r#"{"vcenter":"vc-prod"}"#)));
        requests.push((true, Request::api("POST", &format!("{pause}{query}")).json("{}")));
    }
    requests.push((true, Request::new("GET", "/api/v1/watch")));
    requests.push((true, Request::new("POST", end)));
    requests.push((true, Request::api("POST", end)));
    requests.push((false, Request::approver("POST", end)));
    for path in [adopt, pause.as_str()] {
        requests.push((true, Request::new("POST", path).json("{}")));
        requests.push((true, Request::api("POST", path).json(r#"{"colour":"red"}"#)));
        requests.push((false, Request::api("POST", path).json(r#"{"vcenter":"vc-prod"}"#)));
    }
    requests.push((true, Request::api("POST", "/api/v1/vms/none/actions/pause").json("{}")));
    requests.push((true, Request::api("POST", &format!("{vm}/actions/adopt")).json("{}")));
    requests.push((true, Request::api("POST", &format!("/api/v1/vms/{STRAY}/actions/adopt")).json("{}")));
    requests.push((true, Request::api("GET", "/inventory?host=nobody")));
    requests
}

/// Each address that takes a body, with one that is too large, one that never ends, and one of no stated type.
async fn bodies_too_large_too_slow_or_unlabelled(
    open: &Bridge,
    list: &str,
    cancel: &str,
    produced: &mut Produced,
) {
    let pause = format!("/api/v1/vms/{VM}/actions/pause");
    let takers = [
        Request::api("POST", "/api/v1/vms/adopt").json(""),
        Request::api("POST", &pause).json(""),
        Request::api("POST", list).json(""),
        Request::api("POST", cancel).json(""),
        Request::hook("portal", ""),
        Request::callback(""),
        Request { method: "PUT".to_owned(), ..Request::callback("") },
    ];
    for taker in takers {
        let large = Request { body: Some(vec![b' '; 300_000]), ..taker.clone() };
        let slow = Request { body: Some(vec![b' '; 500]), is_half: true, ..taker.clone() };
        let form: Vec<_> = taker.headers.iter().filter(|(name, _)| name != "Content-Type").cloned().collect();
        let form = Request { headers: form, ..taker.clone() };
        for request in [large, slow, form] {
            let answer = open.send(request.clone()).await;
            note(&request, &answer, produced);
        }
    }
}
