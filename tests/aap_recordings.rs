//! The controller client against what a real controller answered. Every file in `tests/data/aap/` is one recorded
//! exchange (request and answer); a small server plays the answers back over HTTP, and checks that what the client
//! asks for is what was asked when the answer was recorded.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use causeway::aap::{
    ApprovalAnswer, Artifacts, CancelAnswer, Controller, ControllerConfig, GroupAdd, HostWrite, LaunchAnswer,
    LaunchBody, LaunchType, NotificationEvent, ReadError, RunStatus,
};
use causeway::clock::ManualClock;
use causeway::config::Secret;
use serde_json::{Map, Value, json};
use uuid::Uuid;

const TOKEN: &str = "rEc0rdedT0ken";
const FIXTURES: &str = "fixtures.json";

#[derive(Clone)]
struct Recording {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    request_body: Value,
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

fn data_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/aap")
}

fn read_json(file: &str) -> Value {
    let path = data_dir().join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn recording(name: &str) -> Recording {
    let exchange = read_json(&format!("{name}.json"));
    let answer = &exchange["response"];
    let headers = serde_json::from_value(answer["headers"].clone()).unwrap();
    recorded(&exchange["request"], &answer["status"], headers, &answer["body"])
}

/// One of the exchanges with another controller, which are all in one file and have their headers as an object.
fn fixture(name: &str) -> Recording {
    let exchange = read_json(FIXTURES)[name].clone();
    let headers: BTreeMap<String, String> = serde_json::from_value(exchange["headers"].clone()).unwrap();
    recorded(&exchange["request"], &exchange["status"], headers.into_iter().collect(), &exchange["body"])
}

fn recorded(request: &Value, status: &Value, headers: Vec<(String, String)>, body: &Value) -> Recording {
    let url = reqwest::Url::parse(&format!("http://x{}", request["path"].as_str().unwrap())).unwrap();
    Recording {
        method: request["method"].as_str().unwrap().to_owned(),
        path: url.path().to_owned(),
        query: url.query_pairs().into_owned().collect(),
        request_body: request["body"].clone(),
        status: u16::try_from(status.as_u64().unwrap()).unwrap(),
        headers,
        body: body.clone(),
    }
}

/// Names of all recordings that have a file of their own.
fn names() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(data_dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file != FIXTURES)
        .map(|file| file.trim_end_matches(".json").to_owned())
        .collect();
    names.sort();
    names
}

/// Names of the recordings whose method and path fit.
fn recordings(method: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut names = names();
    names.retain(|name| {
        let recording = recording(name);
        recording.method == method && fits(&recording.path)
    });
    assert!(!names.is_empty(), "no recording fits");
    names
}

#[derive(Debug, Clone)]
struct Seen {
    method: String,
    path: String,
    body: Value,
    headers: BTreeMap<String, String>,
}

#[derive(Default)]
struct Stage {
    answers: BTreeMap<(String, String), VecDeque<Recording>>,
    seen: Vec<Seen>,
}

/// The server. For one method and path it plays its recordings in order and repeats the last.
struct Replay {
    stage: Arc<Mutex<Stage>>,
    controller: Controller,
}

impl Replay {
    fn start(names: &[&str]) -> Self {
        let stage = Arc::new(Mutex::new(Stage::default()));
        let shared = web::Data::from(Arc::clone(&stage));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::PayloadConfig::new(8 << 20))
                .default_service(web::to(play))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let port = server.addrs()[0].port();
        actix_web::rt::spawn(server.run());
        let mut cfg = ControllerConfig::new("lab", format!("http://127.0.0.1:{port}"), Secret::new(TOKEN));
        cfg.call_deadline_secs = 20;
        cfg.read_attempts_max = 2;
        cfg.backoff_first_ms = 1;
        let clock = ManualClock::new("2026-11-20T20:44:00Z".parse().unwrap());
        let controller = Controller::with_seed(cfg, Arc::new(clock), 7).unwrap();
        let replay = Self { stage, controller };
        replay.play(recording("root_api"));
        for name in names {
            replay.play(recording(name));
        }
        replay
    }

    fn play(&self, recording: Recording) {
        let key = (recording.method.clone(), recording.path.clone());
        self.stage.lock().unwrap().answers.entry(key).or_default().push_back(recording);
    }

    /// Plays the rows of a recording at another path.
    fn play_at(&self, name: &str, path: &str) {
        self.play(Recording { path: path.to_owned(), query: Vec::new(), ..recording(name) });
    }

    fn seen(&self, method: &str) -> Vec<Seen> {
        self.stage.lock().unwrap().seen.iter().filter(|seen| seen.method == method).cloned().collect()
    }
}

async fn play(request: HttpRequest, body: web::Bytes, stage: web::Data<Mutex<Stage>>) -> HttpResponse {
    let key = (request.method().to_string(), request.path().to_owned());
    let mut stage = stage.lock().unwrap();
    stage.seen.push(Seen {
        method: key.0.clone(),
        path: key.1.clone(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
        headers: request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect(),
    });
    let Some(queue) = stage.answers.get_mut(&key) else {
        return HttpResponse::NotFound().content_type("text/html").body("<html>no such recording</html>");
    };
    let recording = if queue.len() > 1 { queue.pop_front() } else { queue.front().cloned() }.unwrap();
    if let Some(problem) = asked_otherwise(&recording, request.query_string()) {
        return HttpResponse::BadRequest().json(json!({ "detail": problem }));
    }
    let mut answer = HttpResponse::build(StatusCode::from_u16(recording.status).unwrap());
    for (name, value) in &recording.headers {
        if !["content-length", "transfer-encoding", "connection"].contains(&name.to_lowercase().as_str()) {
            answer.append_header((name.as_str(), value.as_str()));
        }
    }
    match recording.body {
        Value::String(text) => answer.body(text),
        Value::Null => answer.finish(),
        body @ (Value::Object(_) | Value::Array(_) | Value::Bool(_) | Value::Number(_)) => {
            answer.body(body.to_string())
        }
    }
}

/// Every filter of the recorded request must be in ours, exactly or as one of a list (`x=1` in `x__in=1,2`).
fn asked_otherwise(recording: &Recording, query: &str) -> Option<String> {
    let asked = reqwest::Url::parse(&format!("http://x/?{query}")).unwrap();
    let asked: Vec<(String, String)> = asked.query_pairs().into_owned().collect();
    for (key, value) in &recording.query {
        let found = ["page", "page_size", "order_by"].contains(&key.as_str())
            || asked.iter().any(|(k, v)| {
                (k == key && v == value)
                    || (*k == format!("{key}__in") && v.split(',').any(|one| one == value))
                    || (k == key && key.ends_with("__in") && sorted(v) == sorted(value))
            });
        if !found {
            return Some(format!("recorded with {key}={value}, asked with {query}"));
        }
    }
    None
}

fn sorted(list: &str) -> Vec<&str> {
    let mut items: Vec<&str> = list.split(',').collect();
    items.sort_unstable();
    items
}

/// The number after `prefix` in a recorded path.
fn id_after(path: &str, prefix: &str) -> i64 {
    path.split(prefix).nth(1).unwrap().split('/').next().unwrap().parse().unwrap()
}

fn launch_body(recorded: &Value) -> LaunchBody {
    LaunchBody {
        extra_vars: recorded["extra_vars"].as_object().cloned().unwrap_or_default(),
        limit: recorded["limit"].as_str().map(str::to_owned),
        inventory: recorded["inventory"].as_i64(),
        labels: recorded["labels"]
            .as_array()
            .map_or_else(Vec::new, |all| all.iter().filter_map(Value::as_i64).collect()),
        ..LaunchBody::default()
    }
}

async fn launch(name: &str) -> (LaunchAnswer, Replay) {
    let mut recorded = recording(name);
    if !recorded.path.ends_with('/') {
        recorded.path.push('/'); // one was recorded without the slash, which this client never leaves out
    }
    let (template, body) =
        (id_after(&recorded.path, "workflow_job_templates/"), launch_body(&recorded.request_body));
    let replay = Replay::start(&[]);
    replay.play(recorded);
    let answer = replay.controller.launch(template, &body, Uuid::from_u128(0xABCD)).await;
    assert_eq!(replay.seen("POST").len(), 1, "{name}: a launch is sent once");
    (answer, replay)
}

async fn violations(name: &str) -> Vec<(String, String, Option<String>)> {
    let answer = launch(name).await.0;
    let LaunchAnswer::Refused { violations } = answer else { panic!("{name}: {answer:?}") };
    violations.into_iter().map(|v| (v.field, v.message, v.variable)).collect()
}

#[actix_web::test]
async fn an_accepted_launch_is_known_from_its_201_alone() {
    let (answer, replay) = launch("launch_ok_201").await;
    assert_eq!(answer, LaunchAnswer::Accepted { workflow_job: 20, ignored_fields: vec![] });
    let seen = replay.seen("POST");
    assert_eq!(seen[0].path, "/api/v2/workflow_job_templates/19/launch/");
    assert_eq!(seen[0].body, recording("launch_ok_201").request_body, "sent exactly as recorded");
    assert_eq!(seen[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(seen[0].headers["accept"], "application/json");
    assert_eq!(seen[0].headers["content-type"], "application/json");
    assert_eq!(seen[0].headers["x-api-request-id"], "0000000000000000000000000000abcd");
    assert!(!replay.seen("GET")[0].headers.contains_key("authorization"), "GET /api/ needs no token");
}

#[actix_web::test]
async fn every_recorded_launch_of_a_workflow_is_understood_by_its_status() {
    let names = recordings("POST", |path| {
        path.starts_with("/api/v2/workflow_job_templates/") && path.trim_end_matches('/').ends_with("/launch")
    });
    assert!(names.len() >= 40, "{}", names.len());
    for name in names {
        let recorded = recording(&name);
        let (answer, _replay) = launch(&name).await;
        let right = match (&answer, recorded.status) {
            (LaunchAnswer::Accepted { workflow_job, ignored_fields }, 201) => {
                recorded.body["workflow_job"] == *workflow_job && ignored_fields.is_empty()
            }
            (LaunchAnswer::Refused { violations }, 400) => !violations.is_empty(),
            (LaunchAnswer::NotNow { status, detail, .. }, 401 | 403 | 404 | 415) => {
                *status == recorded.status && recorded.body["detail"] == detail.as_str()
            }
            (LaunchAnswer::Unknown { why }, 413 | 500 | 502) => why.contains(&recorded.status.to_string()),
            _ => false,
        };
        assert!(right, "{name}: {} -> {answer:?}", recorded.status);
    }
}

#[actix_web::test]
async fn survey_faults_name_each_variable() {
    let variables = |found: Vec<(String, String, Option<String>)>| -> Vec<String> {
        assert!(found.iter().all(|(field, ..)| field == "variables_needed_to_start"), "{found:?}");
        found.into_iter().filter_map(|(_, _, variable)| variable).collect()
    };
    assert_eq!(variables(violations("launch_empty_body_400").await), ["vm_name", "environment"]);
    assert_eq!(variables(violations("launch_survey_int_as_string_400").await), ["cpu"]);
    assert_eq!(variables(violations("launch_survey_out_of_range_400").await), ["vm_name", "cpu"]);
    assert_eq!(variables(violations("launch_survey_wrong_type_400").await), ["environment", "cpu"]);
    assert_eq!(variables(violations("launch_survey_empty_required_400").await), ["vm_name"]);
    let missing = violations("launch_missing_survey_var_400").await;
    assert!(missing.iter().all(|(_, message, _)| message.ends_with("value missing")), "{missing:?}");
}

#[actix_web::test]
async fn a_refused_limit_and_variables_that_are_not_prompted_for_are_named() {
    let found = violations("launch_extra_vars_not_prompted_wfjt_400").await;
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!(found[0].0, "extra_vars");
    assert!(
        found[0].1.starts_with("Variables vm_name, correlation_id are not allowed on launch."),
        "{found:?}"
    );
    assert_eq!(found[1].0, "limit");
    assert_eq!(found[1].1, "Field is not configured to prompt on launch.");
    let found = violations("launch_bad_label_400").await;
    assert_eq!(
        found,
        [("labels".to_owned(), "Invalid pk \"9999\" - object does not exist.".to_owned(), None)]
    );
}

#[actix_web::test]
async fn html_is_never_taken_for_the_controllers_word_and_is_quoted_in_one_short_line() {
    let LaunchAnswer::Unknown { why } = launch("launch_body_2MB_413").await.0 else { panic!() };
    assert_eq!(why, "HTTP 413 (text/html): 413 Request Entity Too Large 413 Request Entity Too Large nginx");
    let LaunchAnswer::Unknown { why } = launch("outage_db_down_launch").await.0 else { panic!() };
    assert_eq!(why, "HTTP 500 (text/html): Server Error (500) Server Error (500)");

    let replay = Replay::start(&["outage_uwsgi_down_502"]);
    let error = replay.controller.run(4).await.unwrap_err();
    assert_eq!(
        error,
        ReadError::Unavailable {
            why: "HTTP 502 (text/html): 502 Bad Gateway 502 Bad Gateway nginx".to_owned()
        }
    );
    let replay = Replay::start(&[]);
    replay.play_at("api_v2_unknown_404", "/api/v2/workflow_jobs/5/");
    let error = replay.controller.run(5).await.unwrap_err();
    assert!(
        matches!(&error, ReadError::Contract { path, why } if path == "/api/v2/workflow_jobs/5/" && why.contains("HTTP 404 (text/html)")),
        "an HTML 404 may be a proxy's: {error:?}"
    );
}

#[actix_web::test]
async fn a_body_that_a_usual_proxy_would_not_take_is_refused_before_it_is_sent() {
    let replay = Replay::start(&["launch_ok_201"]);
    let big = Map::from_iter([("blob".to_owned(), Value::String("x".repeat(1_100_000)))]);
    let body = LaunchBody { extra_vars: big, ..LaunchBody::default() };
    let answer = replay.controller.launch(19, &body, Uuid::nil()).await;
    assert!(
        matches!(&answer, LaunchAnswer::Refused { violations } if violations[0].field == "extra_vars"),
        "{answer:?}"
    );
    assert_eq!(replay.seen("POST").len(), 0);
}

#[actix_web::test]
async fn a_redirect_is_an_error_that_names_its_target_and_is_not_followed() {
    let replay = Replay::start(&["workflow_job_successful"]);
    replay.play_at("workflow_job_no_slash_get", "/api/v2/workflow_jobs/4/");
    let error = replay.controller.run(4).await.unwrap_err();
    let ReadError::Contract { why, .. } = &error else { panic!("{error:?}") };
    assert_eq!(why, "HTTP 301: redirect to /api/v2/workflow_jobs/4/, not followed");

    replay.play_at("cancel_no_slash_post", "/api/v2/workflow_jobs/4/cancel/");
    let answer = replay.controller.cancel(4).await;
    assert!(matches!(&answer, CancelAnswer::Unknown { why } if why.contains("301")), "{answer:?}");
    replay.play_at("hosts_no_slash_post", "/api/v2/hosts/");
    let answer = replay.controller.create_host(2, "vm-1", "", &Map::new()).await;
    assert!(matches!(&answer, HostWrite::Unknown { why } if why.contains("301")), "{answer:?}");
    assert_eq!(replay.seen("POST").len(), 2);
}

#[actix_web::test]
async fn discovery_finds_the_base_path_and_the_version_and_asks_for_the_path_once() {
    let replay = Replay::start(&["ping", "me"]);
    let found = replay.controller.discover().await.unwrap();
    assert_eq!((found.base_path.as_str(), found.version.as_str()), ("/api/v2/", "24.6.1"));
    assert_eq!(found.product_name.as_deref(), Some("AWX"));
    assert_eq!(found.active_node.as_deref(), Some("awx-lab"));
    assert_eq!(found.clock_ahead_secs, Some(20), "recorded at 20:44:20, our clock shows 20:44:00");
    let me = replay.controller.me().await.unwrap();
    assert_eq!(
        (me.id, me.username.as_str(), me.is_superuser, me.is_system_auditor),
        (1, "admin", true, false)
    );
    replay.controller.discover().await.unwrap();
    let paths: Vec<String> = replay.seen("GET").into_iter().map(|seen| seen.path).collect();
    assert_eq!(paths, ["/api/", "/api/v2/ping/", "/api/v2/me/", "/api/v2/ping/"]);

    let replay = Replay::start(&["me_alice"]);
    assert!(!replay.controller.me().await.unwrap().is_superuser);
    let replay = Replay::start(&["outage_db_down_ping"]);
    assert!(matches!(replay.controller.discover().await, Err(ReadError::Unavailable { .. })));
    let replay = Replay::start(&[]);
    replay.play_at("ping_no_slash", "/api/v2/ping/");
    assert!(matches!(replay.controller.discover().await, Err(ReadError::Contract { .. })));
}

#[actix_web::test]
async fn each_way_of_not_being_known_is_one_401_and_a_dead_database_is_not() {
    for name in ["auth_bad_token_401", "auth_none_401", "auth_token_scheme_401", "auth_bad_basic_401"] {
        let replay = Replay::start(&[name]);
        assert_eq!(replay.controller.me().await, Err(ReadError::Unauthorized), "{name}");
        assert_eq!(replay.seen("GET").len(), 2, "{name}: the API root, and one read that is not repeated");
    }
    let replay = Replay::start(&["outage_db_down_bad_token"]);
    assert!(matches!(replay.controller.me().await, Err(ReadError::Unavailable { .. })));
    assert_eq!(replay.seen("GET").len(), 3, "repeated once");
    let replay = Replay::start(&["outage_db_down_get"]);
    assert!(matches!(replay.controller.run(4).await, Err(ReadError::Unavailable { .. })));
}

#[actix_web::test]
async fn a_template_is_found_by_its_exact_name_and_not_seen_is_not_found() {
    let name = "VM Deployment Workflow";
    let replay = Replay::start(&["wfjt_list_name_exact"]);
    let template = replay.controller.workflow_job_template(name, None).await.unwrap().unwrap();
    assert_eq!((template.id, template.name.as_str()), (19, name));
    assert_eq!(template.organization.as_deref(), Some("VM Ops"));
    assert!(template.allow_simultaneous && template.survey_enabled);
    assert_eq!(template.may_start, Some(true));

    let replay = Replay::start(&["wfjt_list_bob_empty"]);
    assert_eq!(replay.controller.workflow_job_template(name, None).await, Ok(None));
    let replay = Replay::start(&["wfjt_list_name_none"]);
    assert_eq!(replay.controller.workflow_job_template("nope", None).await, Ok(None));

    let replay = Replay::start(&[]);
    replay.play_at("wfjt_list_icontains", "/api/v2/workflow_job_templates/");
    let error = replay.controller.workflow_job_template(name, None).await.unwrap_err();
    assert!(matches!(error, ReadError::Contract { .. }), "rows of other names: {error:?}");

    let replay = Replay::start(&[]);
    replay.play_at("wfjt_list_bad_filter_400", "/api/v2/workflow_job_templates/");
    let error = replay.controller.workflow_job_template(name, None).await.unwrap_err();
    assert!(error.to_string().contains("has no field named 'nosuchfield'"), "{error}");
}

#[actix_web::test]
async fn two_templates_of_one_name_are_an_error_that_says_so() {
    let mut twice = recording("wfjt_list_name_exact");
    let mut other = twice.body["results"][0].clone();
    other["id"] = json!(77);
    twice.body["results"].as_array_mut().unwrap().push(other);
    let replay = Replay::start(&[]);
    replay.play(twice);
    let error = replay.controller.workflow_job_template("VM Deployment Workflow", None).await.unwrap_err();
    assert!(matches!(error, ReadError::Ambiguous { count: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("name an organization"), "{error}");
}

#[actix_web::test]
async fn launch_readiness_tells_prompts_and_what_is_missing() {
    let replay = Replay::start(&["launch_get"]);
    let ready = replay.controller.launch_readiness(19).await.unwrap();
    assert_eq!((ready.template_id, ready.template_name.as_str()), (19, "VM Deployment Workflow"));
    assert!(ready.asks_variables && ready.asks_inventory && ready.asks_limit && ready.asks_labels);
    assert!(!ready.asks_scm_branch && !ready.asks_job_tags && !ready.asks_skip_tags);
    assert_eq!(ready.variables_needed_to_start, ["vm_name", "environment"]);
    assert!(ready.survey_enabled && !ready.can_start_without_user_input);
    assert!(ready.node_templates_missing.is_empty() && ready.node_prompts_rejected.is_empty());
    let replay = Replay::start(&["launch_get_alice"]);
    assert!(replay.controller.launch_readiness(19).await.unwrap().asks_variables);
    let replay = Replay::start(&["launch_get_nosurvey"]);
    assert!(!replay.controller.launch_readiness(20).await.unwrap().survey_enabled);
}

#[actix_web::test]
async fn template_nodes_tell_what_they_run_and_whether_it_may_be_read() {
    let replay = Replay::start(&["wfjt_workflow_nodes"]);
    let mut readable = recording("jobs_list_alice");
    readable.path = "/api/v2/job_templates/".to_owned();
    readable.query = vec![("id__in".to_owned(), "9,10,11,12,13".to_owned())];
    readable.body["results"] = json!([{"id": 9, "type": "job_template", "name": "vm_provision"}]);
    replay.play(readable);
    let nodes = replay.controller.template_nodes(19).await.unwrap();
    let identifiers: Vec<&str> = nodes.iter().map(|node| node.identifier.as_str()).collect();
    assert_eq!(
        identifiers,
        [
            "vm_provision",
            "network_configuration",
            "storage_configuration",
            "inventory_write",
            "error_handling"
        ]
    );
    assert_eq!(nodes[0].unified_job_template, Some(9));
    assert_eq!(nodes[0].template_type.as_deref(), Some("job"));
    let readable: Vec<Option<bool>> = nodes.iter().map(|node| node.readable).collect();
    assert_eq!(readable, [Some(true), Some(false), Some(false), Some(false), Some(false)]);
}

#[actix_web::test]
async fn notification_templates_are_listed_by_event_without_their_secret_headers() {
    let replay = Replay::start(&[]);
    for event in ["started", "error"] {
        let path = format!("/api/v2/workflow_job_templates/22/notification_templates_{event}/");
        replay.play_at("wfjob_by_template_status", &path); // an empty list
    }
    let mut ordered = recording("wfjt_notification_success_list"); // recorded by name; the client asks by id
    ordered.body["results"].as_array_mut().unwrap().reverse();
    replay.play(ordered);
    let found = replay.controller.notification_attachments(22).await.unwrap();
    let shown: Vec<(i64, &str, bool)> =
        found.iter().map(|one| (one.id, one.url.as_deref().unwrap(), one.has_custom_body)).collect();
    assert_eq!(
        shown,
        [(1, "http://127.0.0.1:9009/default", false), (8, "http://127.0.0.1:9009/custom", true)]
    );
    assert!(
        found.iter().all(|one| one.event == NotificationEvent::Success && one.notification_type == "webhook")
    );
    assert!(!format!("{found:?}").contains("s3cret"));
}

#[actix_web::test]
async fn every_recorded_workflow_job_is_read() {
    let is_detail = |path: &str| {
        path.starts_with("/api/v2/workflow_jobs/") && path.ends_with('/') && path.matches('/').count() == 5
    };
    for name in recordings("GET", is_detail) {
        let recorded = recording(&name);
        let replay = Replay::start(&[name.as_str()]);
        let id = id_after(&recorded.path, "workflow_jobs/");
        let answer = replay.controller.run(id).await;
        match recorded.status {
            200 => {
                let run = answer.unwrap().unwrap();
                assert_eq!(recorded.body["status"], run.status.as_str(), "{name}");
                assert!(!matches!(run.status, RunStatus::Other(_)), "{name}");
                assert_eq!(run.status.is_over(), run.finished.is_some(), "{name}");
                assert_eq!(recorded.body["failed"], run.failed, "{name}");
                assert_eq!(recorded.body["job_explanation"], run.job_explanation.as_str(), "{name}");
                let vars: Value =
                    serde_json::from_str(recorded.body["extra_vars"].as_str().unwrap()).unwrap();
                assert_eq!(vars, Value::Object(run.extra_vars), "{name}");
                assert!(!run.extra_vars_unreadable, "{name}");
            }
            403 => assert!(matches!(answer, Err(ReadError::Forbidden { .. })), "{name}: {answer:?}"),
            404 => assert_eq!(answer, Ok(None), "{name}"),
            500..=599 => assert!(matches!(answer, Err(ReadError::Unavailable { .. })), "{name}: {answer:?}"),
            status => panic!("{name}: {status}"),
        }
    }
}

#[actix_web::test]
async fn what_surprises_about_workflow_jobs_is_kept() {
    let read = async |name: &str, id| {
        let replay = Replay::start(&[name]);
        replay.controller.run(id).await.unwrap().unwrap()
    };
    let run = read("workflow_job_successful", 20).await;
    assert_eq!(run.extra_vars["root_password"], "$encrypted$", "extra_vars is JSON in a string");
    assert_eq!(run.extra_vars["nested"], json!({"x": [1, {"y": null}]}));
    assert_eq!((run.workflow_job_template, run.launch_type), (Some(19), LaunchType::Manual));
    let run = read("workflow_job_failed_handled", 32).await;
    assert_eq!((run.status, run.failed), (RunStatus::Successful, false), "with a failed node in it");
    let run = read("workflow_job_after_cancel_immediately", 37).await;
    assert_eq!(run.status, RunStatus::Running);
    assert!(run.canceled_on.is_some(), "asked for, not done");
    let run = read("workflow_job_canceled_pending", 71).await;
    assert_eq!((run.status, run.started, run.failed), (RunStatus::Canceled, None, true));
    let run = read("workflow_job_relaunched", 51).await;
    assert_eq!(run.launch_type, LaunchType::Relaunch);
    assert_eq!(
        run.extra_vars["correlation_id"],
        read("workflow_job_failed_unhandled", 33).await.extra_vars["correlation_id"]
    );
}

#[actix_web::test]
async fn runs_are_read_by_id_and_the_missing_ones_are_named() {
    let replay = Replay::start(&["wfjob_id_in"]);
    let read = replay.controller.runs(&[20, 999, 19]).await.unwrap();
    assert_eq!(read.runs.iter().map(|run| run.id).collect::<Vec<_>>(), [20]);
    assert_eq!(read.missing, [19, 999]);
    let replay = Replay::start(&[]);
    replay.play_at("wfjob_bad_id_in_400", "/api/v2/workflow_jobs/");
    assert!(matches!(replay.controller.runs(&[1]).await, Err(ReadError::Contract { .. })));
}

#[actix_web::test]
async fn rows_that_were_not_asked_for_are_an_error_because_a_reserved_word_is_ignored_in_silence() {
    // `?limit=localhost` gave every run there was.
    let replay = Replay::start(&[]);
    replay.play_at("wfjob_limit", "/api/v2/workflow_jobs/");
    let error = replay.controller.runs(&[2]).await.unwrap_err();
    assert!(error.to_string().contains("the filter was ignored"), "{error}");
    let since = "2026-11-20T20:00:00Z".parse().unwrap();
    let error = replay.controller.runs_created_since(999, since).await.unwrap_err();
    assert!(error.to_string().contains("the filter was ignored"), "{error}");
    let replay = Replay::start(&[]);
    replay.play_at("jobs_of_workflow", "/api/v2/jobs/");
    let error = replay.controller.jobs_of(&[999]).await.unwrap_err();
    assert!(error.to_string().contains("the filter was ignored"), "{error}");
}

#[actix_web::test]
async fn runs_of_a_template_since_an_instant_are_listed_with_their_variables() {
    let replay = Replay::start(&[]);
    let mut all = recording("wfjob_limit");
    all.query = vec![("workflow_job_template".to_owned(), "19".to_owned())];
    let rows = all.body["results"].as_array_mut().unwrap();
    rows.retain(|row| row["workflow_job_template"] == 19);
    let ids: Vec<i64> = rows.iter().filter_map(|row| row["id"].as_i64()).collect();
    assert!(ids.len() > 1, "{ids:?}");
    replay.play(all);
    let since = "2026-11-20T20:00:00Z".parse().unwrap();
    let listing = replay.controller.runs_created_since(19, since).await.unwrap();
    assert!(listing.complete);
    assert_eq!(listing.runs.iter().map(|run| run.id).collect::<Vec<_>>(), ids);
    assert!(listing.runs.iter().all(|run| run.extra_vars.contains_key("vm_name")), "{:?}", listing.runs);

    let later = "2026-11-20T21:00:00Z".parse().unwrap();
    let error = replay.controller.runs_created_since(19, later).await.unwrap_err();
    assert!(error.to_string().contains("the filter was ignored"), "{error}");

    let replay = Replay::start(&[]);
    replay.play_at("wfjob_by_template_status", "/api/v2/workflow_jobs/");
    let listing = replay.controller.runs_created_since(19, since).await.unwrap();
    assert!(listing.complete && listing.runs.is_empty());
}

#[actix_web::test]
async fn a_refused_filter_is_an_error_and_never_an_empty_list() {
    let since = "2026-11-20T20:00:00Z".parse().unwrap();
    for (name, expected) in [
        ("wfjob_extra_vars_icontains_403", "Forbidden"),
        ("wfjob_bad_order_400", "Contract"),
        ("page_beyond_404", "NotFound"),
    ] {
        let replay = Replay::start(&[]);
        replay.play_at(name, "/api/v2/workflow_jobs/");
        let error = replay.controller.runs_created_since(19, since).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{name}: {error:?}");
    }
    let replay = Replay::start(&[]);
    replay.play_at("jobs_extra_vars_icontains_403", "/api/v2/jobs/");
    assert!(matches!(replay.controller.jobs_of(&[20]).await, Err(ReadError::Forbidden { .. })));
}

#[actix_web::test]
async fn a_page_that_repeats_itself_ends_in_an_error_and_not_in_a_loop() {
    for name in ["page_next", "wfjob_created_gt"] {
        let replay = Replay::start(&[]);
        replay.play_at(name, "/api/v2/workflow_jobs/");
        let since = "2026-01-01T00:00:00Z".parse().unwrap();
        let error = replay.controller.runs_created_since(19, since).await.unwrap_err();
        assert!(error.to_string().contains("not in the order of their ids"), "{name}: {error}");
        let paths: Vec<String> = replay.seen("GET").into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, ["/api/", "/api/v2/workflow_jobs/", "/api/v2/workflow_jobs/"], "{name}");
    }
}

#[actix_web::test]
async fn nodes_show_which_step_did_what() {
    let is_nodes =
        |path: &str| path.ends_with("/workflow_nodes/") && path.starts_with("/api/v2/workflow_jobs/");
    let mut statuses = BTreeMap::new();
    for name in recordings("GET", is_nodes) {
        let recorded = recording(&name);
        let run = id_after(&recorded.path, "workflow_jobs/");
        let replay = Replay::start(&[]);
        replay.play_at(&name, "/api/v2/workflow_job_nodes/");
        let nodes = replay.controller.nodes(&[run]).await.unwrap();
        assert_eq!(nodes.len(), recorded.body["results"].as_array().unwrap().len(), "{name}");
        for (node, row) in nodes.iter().zip(recorded.body["results"].as_array().unwrap()) {
            assert_eq!(row["job"].as_i64(), node.job.as_ref().map(|job| job.id), "{name}");
            assert_eq!(row["identifier"], node.identifier.as_str());
            assert_eq!(node.workflow_job, run);
        }
        statuses.insert(name, nodes);
    }
    let shown = |name: &str| -> Vec<String> {
        let line = |node: &causeway::aap::RunNode| match &node.job {
            Some(job) => format!(
                "{} {} {}{}",
                node.identifier,
                job.kind,
                job.status.as_str(),
                if job.timed_out { " timed out" } else { "" }
            ),
            None => format!("{} {}", node.identifier, if node.do_not_run { "skipped" } else { "waiting" }),
        };
        statuses[name].iter().map(line).collect()
    };
    assert_eq!(
        shown("workflow_nodes_failed_handled"),
        [
            "vm_provision job successful",
            "network_configuration job failed",
            "storage_configuration skipped",
            "inventory_write skipped",
            "error_handling job successful"
        ]
    );
    assert_eq!(
        shown("workflow_nodes_waiting_for_approval"),
        [
            "vm_provision job successful",
            "network workflow_approval pending",
            "network_configuration waiting",
            "error_handling waiting"
        ]
    );
    assert_eq!(shown("workflow_nodes_project_missing")[0], "vm_provision job error");
    assert_eq!(shown("workflow_nodes_approval_timeout")[0], "gate workflow_approval failed timed out");
    assert_eq!(shown("workflow_nodes_canceled")[0], "sleeper job canceled");
}

#[actix_web::test]
async fn artifacts_of_a_whole_run_come_in_one_request() {
    let replay = Replay::start(&["jobs_of_workflow"]);
    let jobs = replay.controller.jobs_of(&[20]).await.unwrap();
    let names: Vec<(i64, &str)> = jobs.iter().map(|job| (job.id, job.name.as_str())).collect();
    assert_eq!(
        names,
        [
            (22, "vm_provision"),
            (25, "network_configuration"),
            (28, "storage_configuration"),
            (31, "inventory_write")
        ]
    );
    assert!(jobs.iter().all(|job| job.workflow_job == Some(20) && job.status == RunStatus::Successful));
    let Artifacts::Object(artifacts) = &jobs[0].artifacts else { panic!("{:?}", jobs[0].artifacts) };
    assert_eq!(artifacts["vm_provision"]["moid"], "vm-1042");
    assert_eq!(artifacts["vm_provision"]["nested"]["a"]["b"], json!([1, 2, {"c": true}]));
    let Artifacts::Object(artifacts) = &jobs[1].artifacts else { panic!() };
    assert!(!artifacts.contains_key("vm_provision"), "each job's own only");
    assert_eq!(replay.seen("GET").len(), 2);

    let replay = Replay::start(&["jobs_list_alice"]);
    assert_eq!(replay.controller.jobs_of(&[69]).await, Ok(vec![]), "not readable looks like none");
}

#[actix_web::test]
async fn every_recorded_job_is_read_and_403_is_not_404() {
    let is_detail = |path: &str| path.starts_with("/api/v2/jobs/") && path.matches('/').count() == 5;
    for name in recordings("GET", is_detail) {
        let recorded = recording(&name);
        let replay = Replay::start(&[name.as_str()]);
        let answer = replay.controller.job(id_after(&recorded.path, "jobs/")).await;
        match recorded.status {
            200 => {
                let job = answer.unwrap().unwrap();
                assert_eq!(recorded.body["status"], job.status.as_str(), "{name}");
                match (&recorded.body["artifacts"], &job.artifacts) {
                    (Value::Object(map), Artifacts::Object(read)) => assert_eq!(map, read, "{name}"),
                    (Value::Object(map), Artifacts::None) => assert!(map.is_empty(), "{name}"),
                    other => panic!("{name}: {other:?}"),
                }
            }
            403 => assert!(matches!(answer, Err(ReadError::Forbidden { .. })), "{name}: {answer:?}"),
            404 => assert_eq!(answer, Ok(None), "{name}"),
            status => panic!("{name}: {status}"),
        }
    }
    let replay = Replay::start(&[
        "job_after_wf_delete",
        "job_project_missing",
        "job_reaped",
        "job_always_always_fails",
    ]);
    let job = replay.controller.job(72).await.unwrap().unwrap();
    assert_eq!(job.workflow_job, None, "its summary is an empty object");
    let job = replay.controller.job(133).await.unwrap().unwrap();
    assert_eq!((job.status, job.workflow_job), (RunStatus::Error, None));
    assert!(job.result_traceback.unwrap().contains("FileNotFoundError"));
    let job = replay.controller.job(138).await.unwrap().unwrap();
    assert!(job.job_explanation.starts_with("Task was marked as running at system start up."));
    let job = replay.controller.job(40).await.unwrap().unwrap();
    assert_eq!(job.status, RunStatus::Failed);
    assert!(matches!(job.artifacts, Artifacts::Object(map) if map.contains_key("before_failure")));
}

#[actix_web::test]
async fn hidden_artifacts_are_told_from_none() {
    // No recording of the hidden form exists (it was read in the source, CONTRACT.md §7): one row is changed to it.
    let mut hidden = recording("jobs_of_workflow");
    hidden.body["results"][0]["artifacts"] = json!("$hidden due to Ansible no_log flag$");
    hidden.body["results"][1]["artifacts"] = json!({});
    let replay = Replay::start(&[]);
    replay.play(hidden);
    let jobs = replay.controller.jobs_of(&[20]).await.unwrap();
    assert_eq!((&jobs[0].artifacts, &jobs[1].artifacts), (&Artifacts::Hidden, &Artifacts::None));
}

#[actix_web::test]
async fn the_reason_of_a_failure_comes_from_its_events() {
    let replay = Replay::start(&["job_events_failed_runner"]);
    let reasons = replay.controller.failure_reasons(46).await.unwrap();
    assert_eq!(reasons.len(), 1);
    assert_eq!(reasons[0].msg, "VLAN 42 not found");
    assert_eq!((reasons[0].host.as_str(), reasons[0].task.as_str()), ("localhost", "ansible.builtin.fail"));
    assert_eq!(
        (reasons[0].play.as_deref(), reasons[0].role.as_deref()),
        (Some("network_configuration"), None)
    );
    assert!(!reasons[0].unreachable);
}

#[actix_web::test]
async fn cancel_is_requested_already_over_or_refused_and_a_refusal_is_looked_into() {
    for name in
        recordings("POST", |path| path.starts_with("/api/v2/workflow_jobs/") && path.ends_with("/cancel/"))
    {
        let recorded = recording(&name);
        if recorded.status == 202 {
            let replay = Replay::start(&[name.as_str()]);
            let id = id_after(&recorded.path, "workflow_jobs/");
            assert_eq!(replay.controller.cancel(id).await, CancelAnswer::Requested, "{name}");
            assert_eq!(replay.seen("POST").len(), 1);
        }
    }
    let replay = Replay::start(&["cancel_finished_405", "workflow_job_canceled"]);
    assert_eq!(replay.controller.cancel(37).await, CancelAnswer::AlreadyOver);
    // 403 for the account that may cancel it while it runs: the run is over.
    let replay = Replay::start(&["cancel_own_alice"]);
    replay.play_at("workflow_job_successful", "/api/v2/workflow_jobs/69/");
    assert_eq!(replay.controller.cancel(69).await, CancelAnswer::AlreadyOver);
    // 403 for an account that may not: the run goes on.
    let replay = Replay::start(&["cancel_bob_403", "workflow_job_after_cancel_immediately"]);
    let answer = replay.controller.cancel(37).await;
    assert!(matches!(&answer, CancelAnswer::Refused { status: 403, .. }), "{answer:?}");
    // 403, and the run may not be read either.
    let replay = Replay::start(&["cancel_bob_403"]);
    replay.play_at("workflow_job_bob_403", "/api/v2/workflow_jobs/37/");
    let answer = replay.controller.cancel(37).await;
    assert!(matches!(&answer, CancelAnswer::Unknown { why } if why.contains("403")), "{answer:?}");
}

#[actix_web::test]
async fn approvals_are_listed_approved_denied_and_decided_only_once() {
    let mut waiting = recording("workflow_approvals_list");
    waiting.body["results"].as_array_mut().unwrap().truncate(1);
    let replay = Replay::start(&[]);
    replay.play(waiting);
    let approvals = replay.controller.pending_approvals(58).await.unwrap();
    assert_eq!(approvals.len(), 1);
    assert_eq!((approvals[0].id, approvals[0].name.as_str()), (65, "Approve network"));
    assert!(approvals[0].may_decide && approvals[0].expires.is_none());
    let replay = Replay::start(&["workflow_approvals_list"]);
    let error = replay.controller.pending_approvals(58).await.unwrap_err();
    assert!(
        error.to_string().contains("the filter was ignored"),
        "the list holds another run's too: {error}"
    );

    let replay = Replay::start(&["approve_204", "approve_again_400", "approve_alice_403", "approve_bob_403"]);
    assert_eq!(replay.controller.approve(65).await, ApprovalAnswer::Decided);
    assert_eq!(replay.controller.approve(65).await, ApprovalAnswer::AlreadyDecided);
    assert!(matches!(replay.controller.approve(65).await, ApprovalAnswer::Refused { status: 403, .. }));
    assert!(matches!(replay.controller.approve(65).await, ApprovalAnswer::Refused { status: 403, .. }));
    let replay = Replay::start(&["deny_204", "deny_after_approve_400"]);
    assert_eq!(replay.controller.deny(66).await, ApprovalAnswer::Decided);
    assert_eq!(replay.controller.deny(65).await, ApprovalAnswer::AlreadyDecided);
}

#[actix_web::test]
async fn an_inventory_its_group_and_its_host_are_found() {
    let replay = Replay::start(&[
        "inventories_by_name",
        "groups_by_name",
        "hosts_by_name",
        "group_host_associate_204",
        "group_host_associate_again_204",
        "group_host_associate_unknown_400",
    ]);
    let aap = &replay.controller;
    assert_eq!(aap.inventory("VM Deployment State", None).await, Ok(Some(2)));
    let inventory = aap.inventory_ref("VM Deployment State", None).await.unwrap().unwrap();
    assert_eq!(
        (inventory.kind.as_str(), inventory.may_edit, inventory.pending_deletion),
        ("", Some(true), false)
    );
    assert_eq!(aap.group(2, "Deployed VMs").await, Ok(Some(1)));
    let host = aap.host(2, "vm-1.example.com").await.unwrap().unwrap();
    assert_eq!((host.id, host.inventory, host.instance_id.as_str()), (5, 2, ""));
    assert_eq!(host.variables["deployment"], json!({"state": "creating", "cid": "corr-1"}));
    assert_eq!(aap.group_add_host(1, 5).await, GroupAdd::Done);
    assert_eq!(aap.group_add_host(1, 5).await, GroupAdd::Done, "again");
    let answer = aap.group_add_host(1, 999_999).await;
    assert!(
        matches!(&answer, GroupAdd::Refused { violations } if violations[0].message == "Host matching query does not exist."),
        "{answer:?}"
    );
    let replay = Replay::start(&["hosts_bob_empty"]);
    assert_eq!(replay.controller.host(2, "vm-1.example.com").await, Ok(None));
}

#[actix_web::test]
async fn variables_written_as_yaml_are_read_as_json_from_the_controller() {
    let replay = Replay::start(&["host_get_after_yaml", "host_variable_data_get"]);
    let host = replay.controller.host_by_id(5).await.unwrap().unwrap();
    assert_eq!(Value::Object(host.variables), json!({"ansible_host": "10.0.0.7", "list": [1, 2]}));
    let replay = Replay::start(&["host_after_variable_data_patch"]);
    let host = replay.controller.host_by_id(5).await.unwrap().unwrap();
    assert_eq!(Value::Object(host.variables), json!({"b": 2, "deep": {"x": 9}}));
    assert_eq!(replay.seen("GET").len(), 2, "JSON costs no second request");
}

#[actix_web::test]
async fn a_list_of_hosts_is_read_as_it_was_recorded() {
    let replay = Replay::start(&[]);
    replay.play_at("hosts_by_name", "/api/v2/hosts/");
    let since = "2026-11-20T20:48:28.387676Z".parse().unwrap();
    let listing = replay.controller.hosts(2, Some(since)).await.unwrap();
    assert!(listing.complete && listing.unread.is_empty());
    assert_eq!(listing.server_time, Some("2026-11-20T20:48:29Z".parse().unwrap()));
    let [host] = listing.hosts.as_slice() else { panic!("{listing:?}") };
    assert_eq!((host.id, host.name.as_str(), host.modified), (5, "vm-1.example.com", since));
    assert_eq!(host.variables["moid"], "vm-1042");
    let later = "2026-11-20T20:48:28.387677Z".parse().unwrap();
    let answer = replay.controller.hosts(2, Some(later)).await;
    assert!(matches!(answer, Err(ReadError::Contract { .. })), "a row older than was asked for: {answer:?}");
    let answer = replay.controller.hosts(3, None).await;
    assert!(matches!(answer, Err(ReadError::Contract { .. })), "a row of another inventory: {answer:?}");

    let replay = Replay::start(&[]);
    replay.play_at("hosts_bob_empty", "/api/v2/hosts/");
    let listing = replay.controller.hosts(2, None).await.unwrap();
    assert!(listing.complete && listing.hosts.is_empty(), "who may read nothing sees nothing: {listing:?}");
}

#[actix_web::test]
async fn a_host_is_created_once_and_both_shapes_of_a_duplicate_are_told() {
    let create = async |replay: &Replay, name: &str| {
        let variables = json!({"ansible_host": "10.0.0.5", "moid": "vm-1042"});
        replay.controller.create_host(2, name, "uid-1", variables.as_object().unwrap()).await
    };
    let replay = Replay::start(&["host_create_201"]);
    let HostWrite::Created(host) = create(&replay, "vm-1.example.com").await else { panic!() };
    assert_eq!((host.id, host.name.as_str()), (5, "vm-1.example.com"));
    let sent = replay.seen("POST")[0].body.clone();
    assert_eq!(
        sent["variables"], r#"{"ansible_host":"10.0.0.5","moid":"vm-1042"}"#,
        "a string, not an object"
    );
    assert_eq!(
        (&sent["inventory"], &sent["instance_id"], &sent["enabled"]),
        (&json!(2), &json!("uid-1"), &json!(true))
    );

    let replay = Replay::start(&["host_create_duplicate_400"]);
    assert_eq!(create(&replay, "vm-1.example.com").await, HostWrite::AlreadyThere);
    let replay = Replay::start(&[]);
    let mut race = recording("host_rename_to_existing_400"); // the database's own words, as two racing inserts get them
    (race.method, race.path) = ("POST".to_owned(), "/api/v2/hosts/".to_owned());
    replay.play(race);
    assert_eq!(create(&replay, "vm-1.example.com").await, HostWrite::AlreadyThere);

    for (name, field) in [
        ("host_create_bad_vars_400", "variables"),
        ("host_create_vars_object_400", "variables"),
        ("host_create_no_inventory_400", "inventory"),
        ("host_create_unknown_inventory_400", "detail"),
    ] {
        let replay = Replay::start(&[name]);
        let answer = create(&replay, "x").await;
        assert!(
            matches!(&answer, HostWrite::Refused { violations } if violations[0].field == field),
            "{name}: {answer:?}"
        );
    }
    let replay = Replay::start(&["host_create_bob_403"]);
    assert!(matches!(create(&replay, "x").await, HostWrite::NotNow { status: 403, .. }));
    for name in ["host_create_alice_201", "host_create_odd_name"] {
        let replay = Replay::start(&[name]);
        assert!(
            matches!(create(&replay, "x").await, HostWrite::Created(host) if host.variables.is_empty()),
            "{name}"
        );
    }
}

#[actix_web::test]
async fn a_name_with_a_port_is_refused_here_because_the_controller_would_split_it() {
    let split = recording("host_create_name_with_port");
    assert_eq!(
        (&split.request_body["name"], &split.body["name"]),
        (&json!("vm-p.example.com:2222"), &json!("vm-p.example.com"))
    );
    let replay = Replay::start(&["host_create_name_with_port"]);
    let answer = replay.controller.create_host(2, "vm-p.example.com:2222", "", &Map::new()).await;
    assert!(
        matches!(&answer, HostWrite::Refused { violations } if violations[0].field == "name"),
        "{answer:?}"
    );
    assert_eq!(replay.seen("POST").len(), 0);
}

#[actix_web::test]
async fn variables_are_replaced_whole_and_what_the_controller_holds_comes_back() {
    let replay = Replay::start(&[
        "host_patch_variables_200",
        "host_patch_vars_object_400",
        "host_patch_inventory_403",
    ]);
    let variables = json!({"ansible_host": "10.0.0.6", "only": "this"});
    let aap = &replay.controller;
    let HostWrite::Written(host) = aap.replace_host_variables(5, variables.as_object().unwrap()).await else {
        panic!()
    };
    assert_eq!(Value::Object(host.variables), variables);
    let sent: Value =
        serde_json::from_str(replay.seen("PATCH")[0].body["variables"].as_str().unwrap()).unwrap();
    assert_eq!(sent, variables);
    assert!(matches!(aap.replace_host_variables(5, &Map::new()).await, HostWrite::Refused { .. }));
    assert!(matches!(
        aap.replace_host_variables(5, &Map::new()).await,
        HostWrite::NotNow { status: 403, .. }
    ));
    let replay = Replay::start(&["host_patch_yaml_200"]);
    let answer = replay.controller.replace_host_variables(5, &Map::new()).await;
    assert!(matches!(answer, HostWrite::Unknown { .. }), "somebody's YAML came back: {answer:?}");
}

#[actix_web::test]
async fn another_controllers_exchanges_are_understood_alike() {
    let replay = Replay::start(&[]);
    for name in [
        "ping",
        "me",
        "wfjt_launch_201",
        "wfjt_launch_400_unprompted",
        "wfjt_launch_get",
        "workflow_job_detail",
        "job_detail",
        "cancel_finished_405",
        "cancel_pending_202",
        "after_cancel_pending",
        "approval_again_400",
    ] {
        replay.play(fixture(name));
    }
    let aap = &replay.controller;
    assert_eq!(aap.discover().await.unwrap().active_node.as_deref(), Some("awx-1"));
    assert_eq!(aap.me().await.unwrap().id, 1);
    let ready = aap.launch_readiness(9).await.unwrap();
    assert!(ready.asks_variables && ready.asks_skip_tags && !ready.asks_limit);
    let body = LaunchBody {
        skip_tags: Some("FIX-1".to_owned()),
        ..launch_body(&json!({"extra_vars": {"req_id": "FIX-1"}}))
    };
    let accepted = LaunchAnswer::Accepted { workflow_job: 47, ignored_fields: vec![] };
    assert_eq!(aap.launch(9, &body, Uuid::nil()).await, accepted);
    assert_eq!(replay.seen("POST")[0].body, fixture("wfjt_launch_201").request_body);
    let answer = aap
        .launch(9, &LaunchBody { limit: Some("x".to_owned()), ..LaunchBody::default() }, Uuid::nil())
        .await;
    assert!(
        matches!(&answer, LaunchAnswer::Refused { violations } if violations[0].field == "limit"),
        "{answer:?}"
    );
    assert_eq!(aap.run(2).await.unwrap().unwrap().extra_vars["vm"]["name"], "x");
    assert_eq!(aap.run(47).await.unwrap().unwrap().status, RunStatus::Canceled);
    assert_eq!(aap.cancel(47).await, CancelAnswer::Requested);
    assert_eq!(aap.cancel(2).await, CancelAnswer::AlreadyOver);
    assert_eq!(aap.approve(12).await, ApprovalAnswer::AlreadyDecided);
    let artifacts =
        json!({"vm_id": 42, "ip": "1.2.3.4", "base": 99}).as_object().cloned().map(Artifacts::Object);
    assert_eq!(Some(aap.job(10).await.unwrap().unwrap().artifacts), artifacts);
}

#[actix_web::test]
async fn another_controllers_lists_are_understood_alike() {
    let replay = Replay::start(&[]);
    let play_at = |name: &str, path: &str| {
        replay.play(Recording { path: path.to_owned(), query: Vec::new(), ..fixture(name) });
    };
    for name in ["workflow_job_list_item", "job_list_item"] {
        replay.play(Recording { query: Vec::new(), ..fixture(name) });
    }
    play_at("workflow_nodes", "/api/v2/workflow_job_nodes/");
    play_at("wfjt_nodes", "/api/v2/workflow_job_templates/9/workflow_nodes/");
    play_at("jt_launch_201_ignored", "/api/v2/workflow_job_templates/7/launch/");
    play_at("extra_vars_filter_403", "/api/v2/workflow_approvals/");
    let aap = &replay.controller;
    assert_eq!(aap.runs(&[2, 3]).await.unwrap().missing, [3]);
    assert_eq!(aap.jobs_of(&[2]).await.unwrap()[0].workflow_job, Some(2));
    let nodes = aap.nodes(&[2]).await.unwrap();
    let shown: Vec<(&str, Option<i64>, bool)> = nodes
        .iter()
        .map(|node| (node.identifier.as_str(), node.job.as_ref().map(|job| job.id), node.do_not_run))
        .collect();
    let expected = [
        ("step1", Some(10), false),
        ("step2", Some(11), false),
        ("cleanup", None, true),
        ("approve", Some(12), false),
    ];
    assert_eq!(shown, expected);
    let answer = aap.launch(7, &LaunchBody::default(), Uuid::nil()).await;
    assert!(matches!(answer, LaunchAnswer::Unknown { .. }), "a job is no workflow job: {answer:?}");
    assert!(matches!(aap.pending_approvals(2).await, Err(ReadError::Forbidden { .. })));
    let error = aap.template_nodes(9).await.unwrap_err();
    assert!(
        matches!(error, ReadError::Contract { .. }),
        "the nodes were read, job_templates/ is not played: {error:?}"
    );
    assert!(replay.seen("GET").iter().any(|seen| seen.path == "/api/v2/job_templates/"));

    let replay = Replay::start(&[]);
    for (name, index) in [("vm-port", 0), ("vm-yaml", 1)] {
        let mut one = fixture("hosts");
        let mut row = one.body["results"][index].clone();
        row["name"] = json!(name);
        (one.body["results"], one.body["next"]) = (json!([row]), Value::Null);
        replay.play(one);
    }
    let inventory = fixture("hosts").body["results"][0]["inventory"].as_i64().unwrap();
    let host = replay.controller.host(inventory, "vm-port").await.unwrap().unwrap();
    assert_eq!(host.variables["ansible_ssh_port"], 2222);
    let error = replay.controller.host(inventory, "vm-yaml").await.unwrap_err();
    assert!(error.to_string().contains("/variable_data/"), "its YAML is asked for as JSON: {error}");
}

#[actix_web::test]
async fn no_recording_lies_unused() {
    let source = include_str!("aap_recordings.rs");
    let by_pattern = |recording: &Recording| {
        let path = recording.path.as_str();
        let depth = path.matches('/').count();
        match recording.method.as_str() {
            "GET" => {
                (path.starts_with("/api/v2/workflow_jobs/")
                    && (depth == 5 || path.ends_with("/workflow_nodes/")))
                    || (path.starts_with("/api/v2/jobs/") && depth == 5)
            }
            "POST" => {
                path.contains("/launch") || (path.contains("/workflow_jobs/") && path.ends_with("/cancel/"))
            }
            _ => false,
        }
    };
    for name in names() {
        let used = by_pattern(&recording(&name)) || source.contains(&format!("\"{name}\""));
        assert!(used, "{name} is used nowhere");
    }
}
