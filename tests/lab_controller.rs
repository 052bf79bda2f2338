//! The lab's controller against what was recorded on a real one, and against a foreign client: the requests of
//! the recordings in `tests/data/lab-controller/` are sent again over HTTP and the answers compared, and the
//! `awx` command does its work. What the lab leaves out on purpose is listed in [`ALLOWED`] and [`OPEN`].

#![allow(clippy::unwrap_used)]
#![expect(clippy::wildcard_enum_match_arm, reason = "a JSON value that is none of these is sent as it is")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use causeway::clock::{Clock, ManualClock, SystemClock};
use causeway::lab::controller::api::ApiMode;
use causeway::lab::controller::model::access::{Caller, Role};
use causeway::lab::controller::model::content::{ADMIN_TOKEN, Callback, Content, WORKFLOW};
use causeway::lab::controller::model::filed::Cabinet;
use causeway::lab::controller::model::rows::{AskOnLaunch, Scope};
use causeway::lab::controller::model::setup::EdgeKind;
use causeway::lab::controller::model::survey::Survey;
use causeway::lab::controller::model::{Controller, Id, Notice, Refusal, Status, WorkflowLaunch};
use causeway::lab::faults::FaultPlan;
use causeway::lab::world::{Delivery, Lab, LabOptions, World, WorldOptions};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Map, Value, json};

mod lab_controller {
    mod hosts;
}

// ---- recordings ---------------------------------------------------------------------------------------------

/// Keys whose contents belong to the one who wrote them: any shape is right.
const OPEN: [&str; 9] = [
    "artifacts",
    "extra_data",
    "job_env",
    "host_status_counts",
    "headers",
    "messages",
    "analytics_collectors",
    "event_data",
    "body",
];

/// Keys that only one side has: path of the object, key, why.
const ALLOWED: [(&str, &str, &str); 4] = [
    ("fixture_project.related", "last_job", "the lab's projects are never updated"),
    ("fixture_project.related", "last_update", "the same"),
    ("fixture_project.summary_fields", "last_job", "the same"),
    ("fixture_project.summary_fields", "last_update", "the same"),
];

/// Refusals whose words the lab does not take from Python's parsers; only their keys are compared.
const OTHER_WORDS: [&str; 5] = [
    // Names the inventory's number.
    "host_rename_to_existing_400",
    "host_create_bad_vars_400",
    "launch_extra_vars_bad_string_400",
    "launch_malformed_json_400",
    "launch_extra_vars_not_prompted_wfjt_400",
];

/// Routes where the real controller takes methods that the lab does not.
const FEWER_METHODS: [&str; 5] =
    ["inventory_detail", "fixture_organization", "fixture_project", "fixture_credential_type", "host_groups"];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/lab-controller").join(format!("{name}.json"))
}

fn recording(name: &str) -> Value {
    let text = std::fs::read_to_string(data(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// What differs between two bodies, in shape.
fn differences(at: &str, recorded: &Value, lab: &Value, found: &mut Vec<String>) {
    match (recorded, lab) {
        (Value::Null, _) | (_, Value::Null) => {}
        (Value::Object(recorded), Value::Object(lab)) => {
            for key in recorded.keys().filter(|key| !lab.contains_key(*key)) {
                note(at, key, "is missing", found);
            }
            for key in lab.keys().filter(|key| !recorded.contains_key(*key)) {
                note(at, key, "is not in the recording", found);
            }
            for (key, value) in recorded {
                if let (Some(other), false) = (lab.get(key), OPEN.contains(&key.as_str())) {
                    differences(&format!("{at}.{key}"), value, other, found);
                }
            }
        }
        (Value::Array(recorded), Value::Array(lab)) => {
            for row in lab {
                // A row's keys depend on its state: the recorded row that is most like it is the measure.
                let against = recorded.iter().map(|other| {
                    let mut found = Vec::new();
                    differences(&format!("{at}[]"), other, row, &mut found);
                    found
                });
                found.extend(against.min_by_key(Vec::len).unwrap_or_default());
            }
        }
        (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_)) => {}
        _ => found.push(format!("{at}: {recorded} is not of the type of {lab}")),
    }
}

fn note(at: &str, key: &str, what: &str, found: &mut Vec<String>) {
    if !ALLOWED.iter().any(|(path, name, _)| at.ends_with(path) && *name == key) {
        found.push(format!("{at}: `{key}` {what}"));
    }
}

// ---- a lab that stands where the recorded controller stood --------------------------------------------------

/// A lab whose rows play the recorded ones: recorded number → lab's number, per resource.
struct Stage {
    lab: Lab,
    clock: Arc<ManualClock>,
    http: reqwest::Client,
    numbers: BTreeMap<(String, u64), Id>,
    faults: Vec<String>,
    compared: usize,
}

/// Prompts and survey of the recorded workflow.
fn ask_as_recorded(c: &mut Controller, workflow: Id) {
    let ask =
        AskOnLaunch { variables: true, inventory: true, limit: true, labels: true, ..AskOnLaunch::default() };
    let survey =
        Survey::parse(recording("wfjt_survey_spec")["response"]["body"].as_object().unwrap()).unwrap();
    c.edit_workflow_job_template(workflow, |row| {
        row.ask = ask;
        row.survey = Some(survey);
        row.survey_enabled = true;
    });
}

/// The recorded controller's workflows, each with the number it has there.
fn workflows(c: &mut Controller, content: &Content, now: Timestamp) -> Vec<(u64, Id)> {
    let mut workflows = vec![(19, content.workflow)];
    for (number, name) in [
        (20, "VM Deployment Handled"),
        (21, "VM Deployment Unhandled"),
        (22, "VM Approval Workflow"),
        (26, "VM Unprompted Workflow"),
        (27, "VM Sleeper Workflow"),
        (28, "VM Serial Workflow"),
    ] {
        workflows.push((number, c.add_workflow_job_template(content.organization, name, now)));
    }
    let of = |number: u64| workflows.iter().find(|(n, _)| *n == number).unwrap().1;
    c.edit_workflow_job_template(of(26), |row| row.ask.variables = false);
    c.edit_workflow_job_template(of(28), |row| row.allow_simultaneous = false);
    let [provision, network, .., handler] = content.job_templates;
    fill(c, of(20), [Some(provision), Some(network), Some(handler)], now);
    fill(c, of(21), [Some(provision), Some(network), None], now);
    fill(c, of(27), [Some(provision), None, None], now);
    fill(c, of(28), [Some(provision), None, None], now);
    let gate = c.add_approval_node(of(22), ("gate", "Approve network"), 0, now).unwrap();
    let after = c.add_node(of(22), provision, "after", now).unwrap();
    c.add_edge(gate, EdgeKind::Success, after).unwrap();
    workflows
}

impl Stage {
    async fn open() -> Self {
        let clock = Arc::new(ManualClock::new("2026-11-21T08:00:00Z".parse().unwrap()));
        let mut options = LabOptions::fast(1, clock.clone());
        // Nobody listens there: callbacks fail and are recorded as failed.
        let headers = vec![("X-Token".to_owned(), "s".to_owned())];
        options.world.callback = Some(Callback { url: "http://127.0.0.1:9/hook".to_owned(), headers });
        let lab = Lab::start(options).await.unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut stage = Self { lab, clock, http, numbers: BTreeMap::new(), faults: vec![], compared: 0 };
        stage.set_up();
        stage
    }

    fn number(&mut self, resource: &str, recorded: u64, lab: Id) {
        self.numbers.insert((resource.to_owned(), recorded), lab);
    }

    fn set_up(&mut self) {
        let now = self.clock.now();
        let mut world = self.lab.world();
        let content = world.content;
        let c = &mut world.controller;
        let alice = c.add_user("alice", "lab", false, now);
        let bob = c.add_user("bob", "lab", false, now);
        for (user, secret, scope) in [
            (alice, "alice", Scope::Write),
            (bob, "bob", Scope::Write),
            (content.admin, "admin_read", Scope::Read),
        ] {
            c.add_token(user, "lab", scope, Some(secret), now);
        }
        let vars = json!({"vm_template": "rhel9", "vm_datacenter": "DC0", "vm_cluster": "C0", "vm_folder": "prod",
                          "vm_network": "prod-app", "vm_cpu": 2, "vm_memory": 4096});
        for template in content.job_templates {
            c.edit_job_template(template, |row| row.extra_vars = vars.as_object().unwrap().clone());
        }
        ask_as_recorded(c, content.workflow);
        let workflows = workflows(c, &content, now);
        let provision = content.job_templates[0];
        let unprompted = c.add_job_template(
            content.organization,
            (content.state_inventory, 10),
            ("VM Unprompted Job", "vm_provision.yml"),
            now,
        );
        c.edit_job_template(unprompted, |row| row.ask = AskOnLaunch::default());
        for (_, workflow) in &workflows {
            c.grant(alice, Role::WorkflowExecute, *workflow);
        }
        let other = c.add_inventory(content.organization, "Empty Inventory", now);
        c.grant(alice, Role::InventoryAdmin, other);
        let label = c.add_label("corr-L1", content.organization, content.admin, now).unwrap();
        let hook = content.notification_template.unwrap();
        for (_, workflow) in &workflows {
            c.attach_notification(*workflow, causeway::lab::controller::model::NoticeEvent::Success, hook);
        }
        let project = c.add_project(content.organization, "Proj", now);
        let posted = recording("fixture_credential_type")["response"]["body"].as_object().unwrap().clone();
        let credential_type = c.file(Cabinet::CredentialTypes, posted, now);
        drop(world);
        for (number, id) in workflows {
            self.number("workflow_job_templates", number, id);
        }
        let rows = [
            ("job_templates", 9, provision),
            ("job_templates", 7, provision),
            ("job_templates", 17, unprompted),
            ("organizations", 2, content.organization),
            ("inventories", 2, content.state_inventory),
            ("inventories", 1, other),
            ("inventories", 3, content.claims_inventory),
            ("groups", 1, content.deployed_group),
            ("labels", 1, label),
            ("users", 1, content.admin),
            ("projects", 6, project),
            ("credential_types", 2, credential_type),
            ("notification_templates", 1, hook),
            ("notification_templates", 8, hook),
        ];
        for (resource, recorded, id) in rows {
            self.number(resource, recorded, id);
        }
    }

    /// Moves the clock in small steps until `done`, a minute of model time at most.
    fn play(&self, what: &str, done: impl Fn(&Controller) -> bool) {
        for _ in 0..6_000 {
            if done(&self.lab.world().controller) {
                return;
            }
            self.clock.advance(SignedDuration::from_millis(10));
        }
        panic!("{what} did not happen within a minute of the lab's time");
    }

    fn status(&self, run: Id) -> Status {
        self.lab.world().controller.workflow_job(run).unwrap().status
    }

    fn play_to_end(&self, run: Id) -> Status {
        self.play("the end of a run", |c| c.workflow_job(run).unwrap().status.is_terminal());
        self.status(run)
    }

    fn jobs_of(&self, run: Id) -> Vec<Id> {
        self.lab.world().controller.jobs_of(run).map(|job| job.id).collect()
    }

    /// Sends a recorded request again, with the lab's numbers, and compares the answers.
    async fn compare(&mut self, names: &[&str]) -> Value {
        let mut last = Value::Null;
        for name in names {
            last = self.compare_one(name).await;
        }
        last
    }

    async fn compare_one(&mut self, name: &str) -> Value {
        let recorded = recording(name);
        let answer = self.send(name, &recorded["request"]).await;
        self.compared += 1;
        let mut found = Vec::new();
        let expected = &recorded["response"];
        if expected["status"] != json!(answer.status) {
            found
                .push(format!("status {} instead of {}: {}", answer.status, expected["status"], answer.text));
        }
        for (header, exact) in [("www-authenticate", true), ("allow", true), ("location", false)] {
            let wanted = header_of(expected, header);
            let got = answer.headers.get(header).and_then(|value| value.to_str().ok());
            let same = if exact { wanted == got } else { wanted.is_some() == got.is_some() };
            let may_differ = header == "allow" && (wanted.is_none() || FEWER_METHODS.contains(&name));
            if !same && !may_differ {
                found.push(format!("{header} is {got:?} instead of {wanted:?}"));
            }
        }
        let is_html = |kind: Option<&str>| kind.is_some_and(|kind| kind.starts_with("text/html"));
        let got = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
        if is_html(header_of(expected, "content-type")) != is_html(got) {
            found.push(format!("the answer's type is {got:?}"));
        }
        let body: Value = serde_json::from_str(&answer.text).unwrap_or_else(|_| json!(answer.text));
        let refused = answer.status >= 400 && !is_html(got);
        if refused && !OTHER_WORDS.contains(&name) && body != expected["body"] {
            found.push(format!("{body} instead of {}", expected["body"]));
        } else if !(name.ends_with("_406") || expected["body"].is_string()) {
            differences(name, &expected["body"], &body, &mut found);
        }
        self.faults.extend(found.into_iter().map(|fault| format!("{name}: {fault}")));
        body
    }

    async fn send(&self, name: &str, request: &Value) -> Answer {
        let path = self.lab_path(request["path"].as_str().unwrap());
        let method = Method::from_bytes(request["method"].as_str().unwrap().as_bytes()).unwrap();
        let mut sent = self.http.request(method, format!("{}{path}", self.lab.controller_url));
        for (key, value) in request["headers"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap();
            let value = if key == "Authorization" { authorization(value) } else { value.to_owned() };
            sent = sent.header(key, value);
        }
        if request["headers"].is_null() || name.starts_with("fixture_") {
            sent = sent.header("Authorization", format!("Bearer {ADMIN_TOKEN}"));
        }
        sent = match &request["body"] {
            Value::Null => sent,
            Value::String(text) if text.starts_with("<2 MB") => sent.body("x".repeat(2_000_000)),
            Value::String(text) => sent.body(text.clone()),
            Value::Object(body) => sent.body(json!(self.lab_body(&path, body)).to_string()),
            other => sent.body(other.to_string()),
        };
        Answer::read(sent.send().await.unwrap()).await
    }

    /// The recorded path with the lab's numbers and names.
    fn lab_path(&self, recorded: &str) -> String {
        let (path, query) = recorded.split_once('?').unwrap_or((recorded, ""));
        let mut parts: Vec<String> = path.split('/').map(str::to_owned).collect();
        for at in 1..parts.len() {
            let key = parts[at].parse().ok().map(|number| (parts[at - 1].clone(), number));
            if let Some(id) = key.and_then(|key| self.numbers.get(&key)) {
                parts[at] = id.to_string();
            }
        }
        let pairs: Vec<String> = query.split('&').map(|pair| self.lab_pair(path, pair)).collect();
        let path = parts.join("/").replace("VM%20Ops", "Causeway%20Lab");
        if query.is_empty() { path } else { format!("{path}?{}", pairs.join("&")) }
    }

    fn lab_pair(&self, path: &str, pair: &str) -> String {
        let Some((key, value)) = pair.split_once('=') else { return pair.to_owned() };
        let resource = match key {
            "inventory" => "inventories",
            "unified_job_node__workflow_job" => "workflow_jobs",
            "workflow_job_template" | "unified_job_template" => "workflow_job_templates",
            _ if path.ends_with("workflow_jobs/") || path.ends_with("unified_jobs/") => "workflow_jobs",
            _ => return pair.to_owned(),
        };
        let mapped = value.split(',').map(|part| {
            // `unified_jobs/` lists both kinds.
            let known = |number| {
                let of = |resource: &str| self.numbers.get(&(resource.to_owned(), number));
                of(resource).or_else(|| of("jobs"))
            };
            let id = part.parse().ok().and_then(known);
            id.map_or_else(|| part.to_owned(), u64::to_string)
        });
        let value: Vec<String> =
            if matches!(key, "page" | "page_size") { vec![value.to_owned()] } else { mapped.collect() };
        format!("{key}={}", value.join(","))
    }

    fn lab_body(&self, path: &str, body: &Map<String, Value>) -> Map<String, Value> {
        let mut body = body.clone();
        let below = if path.contains("/groups/") { "hosts" } else { "notification_templates" };
        for (key, resource) in
            [("inventory", "inventories"), ("organization", "organizations"), ("id", below)]
        {
            let id = body
                .get(key)
                .and_then(Value::as_u64)
                .and_then(|n| self.numbers.get(&(resource.to_owned(), n)));
            if let Some(id) = id {
                body.insert(key.to_owned(), json!(id));
            }
        }
        body
    }

    /// A request of the test's own, as the administrator.
    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        ask(&self.http, &self.lab, ADMIN_TOKEN, method, path, body).await
    }

    /// Launches a workflow and returns the run's number.
    async fn launch(&self, recorded_template: u64, token: &str, vars: &Value) -> Id {
        let template = self.numbers[&("workflow_job_templates".to_owned(), recorded_template)];
        let path = format!("/api/v2/workflow_job_templates/{template}/launch/");
        let body = json!({ "extra_vars": vars });
        let answer = ask(&self.http, &self.lab, token, Method::POST, &path, Some(&body)).await;
        assert_eq!(answer.status, 201, "{}", answer.text);
        answer.json()["workflow_job"].as_u64().unwrap()
    }

    /// Puts a claim without a holder, so that a run with attempt 1 waits for it.
    fn claim(&self, host: &str, workflow_job: Option<Id>) {
        let mut world = self.lab.world();
        write_claim(&mut world, host, workflow_job, self.clock.now());
    }
}

fn write_claim(world: &mut World, host: &str, workflow_job: Option<Id>, now: Timestamp) {
    use causeway::lab::controller::model::hosts::HostFields;
    let caller = Caller { user: world.content.admin, scope: Scope::Write };
    let claim =
        json!({"vm_uid": "u", "attempt_no": 1, "execution_id": "req_1", "workflow_job": workflow_job});
    let inventory = world.content.claims_inventory;
    let fields = HostFields {
        name: Some(host.to_owned()),
        variables: Some(claim.to_string()),
        ..HostFields::default()
    };
    match world.controller.host_id(inventory, host) {
        Some(id) => world.controller.edit_host(caller, id, fields, now).unwrap(),
        None => {
            world.controller.create_host(caller, inventory, fields, now).unwrap();
        }
    }
}

/// A chain of two with a handler for either's failure; what is not given is left out.
fn fill(c: &mut Controller, workflow: Id, [first, second, handler]: [Option<Id>; 3], now: Timestamp) {
    let named = [("vm_provision", first), ("network_configuration", second), ("error_handling", handler)];
    let nodes: Vec<Option<Id>> =
        named.into_iter().map(|(name, id)| Some(c.add_node(workflow, id?, name, now).unwrap())).collect();
    if let (Some(a), Some(b)) = (nodes[0], nodes[1]) {
        c.add_edge(a, EdgeKind::Success, b).unwrap();
    }
    for node in [nodes[0], nodes[1]].into_iter().flatten() {
        if let Some(handler) = nodes[2] {
            c.add_edge(node, EdgeKind::Failure, handler).unwrap();
        }
    }
}

fn authorization(recorded: &str) -> String {
    match recorded {
        "Bearer <token of admin_token>" => format!("Bearer {ADMIN_TOKEN}"),
        // "admin:lab" in base64.
        "Basic <admin>" => "Basic YWRtaW46bGFi".to_owned(),
        other => other.replace("<token of ", "").replace(['<', '>'], ""),
    }
}

fn header_of<'v>(response: &'v Value, name: &str) -> Option<&'v str> {
    let headers = response["headers"].as_array().into_iter().flatten();
    headers
        .filter(|pair| pair[0].as_str().unwrap().eq_ignore_ascii_case(name))
        .find_map(|pair| pair[1].as_str())
}

struct Answer {
    status: u16,
    headers: reqwest::header::HeaderMap,
    text: String,
}

impl Answer {
    async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, text: response.text().await.unwrap() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

async fn ask(
    http: &reqwest::Client,
    lab: &Lab,
    token: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let mut request = http.request(method, format!("{}{path}", lab.controller_url)).bearer_auth(token);
    if let Some(body) = body {
        request = request.json(body);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recorded_exchange_has_its_shape_in_the_lab() {
    let mut stage = Stage::open().await;
    stage.compare(&ROOTS_AND_ERRORS).await;
    inventory_exchanges(&mut stage).await;
    run_exchanges(&mut stage).await;
    failed_run_exchanges(&mut stage).await;
    cancel_exchanges(&mut stage).await;
    approval_exchanges(&mut stage).await;
    stage.compare(&LISTS).await;
    notification_exchanges(&mut stage).await;
    let compared = stage.compared;
    let faults = std::mem::take(&mut stage.faults);
    stage.lab.stop().await;
    assert!(
        faults.is_empty(),
        "{} differences in {compared} exchanges:\n{}",
        faults.len(),
        faults.join("\n")
    );
    let recordings = std::fs::read_dir(data("x").parent().unwrap()).unwrap();
    let recordings = recordings.filter(|entry| entry.as_ref().unwrap().path().extension().is_some()).count();
    assert!(compared >= recordings, "{compared} of {recordings} recordings were compared");
}

const ROOTS_AND_ERRORS: [&str; 42] = [
    "root_api",
    "root_api_v2",
    "ping",
    "ping_no_slash",
    "config",
    "config_alice",
    "me",
    "me_alice",
    "auth_none_401",
    "auth_bad_token_401",
    "auth_bad_basic_401",
    "auth_token_scheme_401",
    "token_readonly_post_403",
    "token_create_personal_201",
    "token_create_tokens_endpoint_201",
    "token_list",
    "token_create_bad_password_401",
    "api_v2_unknown_404",
    "launch_missing_survey_var_400",
    "launch_survey_wrong_type_400",
    "launch_survey_out_of_range_400",
    "launch_survey_int_as_string_400",
    "launch_empty_body_400",
    "launch_bad_label_400",
    "launch_bad_inventory_400",
    "launch_extra_vars_not_prompted_wfjt_400",
    "launch_extra_vars_list_400",
    "launch_extra_vars_bad_string_400",
    "launch_json_array_400",
    "launch_malformed_json_400",
    "launch_wrong_content_type_415",
    "launch_method_put_405",
    "launch_unknown_template_404",
    "launch_no_permission_403",
    "launch_body_2MB_413",
    "launch_with_label_alice",
    "launch_options",
    "launch_jt_get",
    "wfjt_list_name_none",
    "wfjt_list_bad_filter_400",
    "wfjt_list_bob_empty",
    "fixture_wfjt_nodes",
];

async fn inventory_exchanges(stage: &mut Stage) {
    let made = stage.compare(&["host_create_201"]).await;
    stage.number("hosts", 5, made["id"].as_u64().unwrap());
    let other = json!({"name": "alice-host", "inventory": stage.numbers[&("inventories".to_owned(), 2)]});
    assert_eq!(stage.ask(Method::POST, "/api/v2/hosts/", Some(&other)).await.status, 201);
    stage
        .compare(&[
            "host_create_duplicate_400",
            "host_create_vars_object_400",
            "host_create_bad_vars_400",
            "host_create_no_inventory_400",
            "host_create_unknown_inventory_400",
            "host_create_bob_403",
            "host_create_name_with_port",
            "group_host_associate_204",
            "group_host_associate_again_204",
            "group_host_associate_unknown_400",
            "host_create_via_group_201",
            "group_hosts_list",
            "host_groups",
            "host_all_groups",
            "hosts_by_name",
            "hosts_variables_icontains",
            "host_patch_variables_200",
            "host_patch_inventory_403",
            "host_patch_vars_object_400",
            "host_patch_yaml_200",
            "host_get_after_yaml",
            "host_variable_data_get",
            "host_variable_data_put_200",
            "host_variable_data_patch_200",
            "host_variable_data_put_list_400",
            "host_put_missing_fields_400",
            "host_rename_to_existing_400",
            "hosts_no_slash_post",
            "group_variable_data",
            "groups_by_name",
            "inventories_by_name",
            "inventory_detail",
            "fixture_organization",
            "fixture_project",
            "fixture_credential_type",
            "group_host_disassociate_204",
        ])
        .await;
    let left = stage.ask(Method::GET, "/api/v2/groups/1/hosts/", None).await.json();
    assert_eq!(left["count"], 1, "the host left its group");
    let gone = stage.compare(&["host_create_via_inventory_201"]).await;
    stage.number("hosts", 6, gone["id"].as_u64().unwrap());
    stage.compare(&["host_delete_204", "host_delete_again_404"]).await;
    stage.compare(&["labels_by_name", "label_create_201", "label_duplicate_400", "label_create_alice"]).await;
}

async fn run_exchanges(stage: &mut Stage) {
    let launched = stage.compare(&["launch_ok_201"]).await;
    let run = launched["workflow_job"].as_u64().unwrap();
    assert_eq!(launched["id"], launched["workflow_job"]);
    for number in [20, 4, 2] {
        stage.number("workflow_jobs", number, run);
    }
    stage.compare(&["workflow_job_pending"]).await;
    stage.play("a running node", |c| c.jobs_of(run).any(|job| job.status == Status::Running));
    stage.compare(&["workflow_job_running", "workflow_nodes_running", "unified_jobs_running"]).await;
    stage.compare(&["wfjob_by_template_status", "workflow_job_delete_while_running_403"]).await;
    assert_eq!(stage.play_to_end(run), Status::Successful);
    stage.play("the events", |c| c.jobs_of(run).all(|job| job.event_processing_finished));
    let jobs = stage.jobs_of(run);
    stage.number("jobs", 22, jobs[0]);
    stage
        .compare(&[
            "workflow_job_successful",
            "workflow_nodes_successful",
            "workflow_job_labels",
            "workflow_job_notifications",
            "workflow_job_404",
            "workflow_job_bob_403",
            "workflow_job_alice",
            "workflow_job_patch_405",
            "workflow_job_no_slash_get",
            "cancel_no_slash_post",
            "wfjob_head",
            "job_detail_vm_provision",
            "jobs_of_workflow",
            "job_404",
            "job_alice",
            "job_events_page",
            "job_events_set_stats",
            "job_stdout_json",
            "job_stdout_txt_accept_json_406",
            "job_notifications",
            "jobs_extra_vars_icontains_403",
            "wfjt_list_name_exact",
            "wfjt_list_icontains",
            "wfjt_list_search",
            "wfjt_detail",
            "wfjt_named_url",
            "launch_get",
            "launch_get_nosurvey",
            "wfjt_survey_spec",
            "wfjt_workflow_nodes",
            "wfjt_workflow_jobs_sub",
            "wfjt_notification_success_list",
            "wfjt_notification_attach_again_204",
            "fixture_jt_detail",
            "launch_no_trailing_slash",
            "launch_jt_ignored_fields_201",
        ])
        .await;
}

async fn failed_run_exchanges(stage: &mut Stage) {
    let wrong = json!({"vm_name": "vm-f", "vm_template": "nope"});
    let handled = stage.launch(20, ADMIN_TOKEN, &wrong).await;
    assert_eq!(stage.play_to_end(handled), Status::Successful, "a handled failure ends well (MEASURED 14)");
    stage.number("workflow_jobs", 32, handled);
    stage.number("jobs", 44, stage.jobs_of(handled)[0]);
    let unhandled = stage.launch(21, ADMIN_TOKEN, &wrong).await;
    assert_eq!(stage.play_to_end(unhandled), Status::Failed);
    stage.number("workflow_jobs", 33, unhandled);
    stage.number("jobs", 46, stage.jobs_of(unhandled)[0]);
    stage
        .compare(&[
            "workflow_job_failed_handled",
            "workflow_nodes_failed_handled",
            "workflow_job_failed_unhandled",
            "job_failed_handled_network_configuration",
            "job_events_failed_runner",
            "relaunch_get_wf",
        ])
        .await;
    let again = stage.compare(&["relaunch_wf_201"]).await["id"].as_u64().unwrap();
    stage.number("workflow_jobs", 51, again);
    stage.compare(&["relaunch_running_wf", "wfjob_launch_type"]).await;
    stage.play_to_end(again);
}

async fn cancel_exchanges(stage: &mut Stage) {
    stage.claim("vm-s", None);
    let waits = json!({"vm_name": "vm-s", "causeway_attempt_no": 1});
    let run = stage.launch(27, ADMIN_TOKEN, &waits).await;
    stage.number("workflow_jobs", 37, run);
    stage.play("a waiting playbook", |c| c.jobs_of(run).any(|job| job.status == Status::Running));
    stage.number("jobs", 43, stage.jobs_of(run)[0]);
    stage.compare(&["cancel_get", "cancel_bob_403", "cancel_running_202", "cancel_again"]).await;
    assert_eq!(stage.status(run), Status::Running, "a running workflow is cancelled later");
    assert_eq!(stage.play_to_end(run), Status::Canceled);
    stage
        .compare(&[
            "cancel_get_finished",
            "cancel_finished_405",
            "cancel_job_finished_405",
            "workflow_job_canceled",
            "workflow_nodes_canceled",
            "job_canceled",
        ])
        .await;
    let own = stage.launch(27, "alice", &json!({"vm_name": "vm-al"})).await;
    stage.number("workflow_jobs", 69, own);
    stage.play_to_end(own);
    stage.number("jobs", 72, stage.jobs_of(own)[0]);
    stage
        .compare(&[
            "cancel_own_alice",
            "workflow_nodes_alice",
            "job_of_own_workflow_alice",
            "jobs_list_alice",
        ])
        .await;
    stage.compare(&["workflow_job_delete_204"]).await;
    let pending = stage.launch(28, ADMIN_TOKEN, &json!({"vm_name": "vm-p"})).await;
    stage.number("workflow_jobs", 71, pending);
    stage.compare(&["cancel_pending_wf", "workflow_job_canceled_pending"]).await;
}

async fn approval_exchanges(stage: &mut Stage) {
    let open = |c: &Controller| c.open_approvals().map(|approval| approval.id).next();
    for number in [65, 66] {
        let run = stage.launch(22, ADMIN_TOKEN, &json!({"vm_name": "vm-g"})).await;
        stage.play("an open approval", |c| open(c).is_some());
        let approval = open(&stage.lab.world().controller).unwrap();
        stage.number("workflow_approvals", number, approval);
        stage.number("workflow_jobs", 58, run);
        if number == 65 {
            let before = [
                "workflow_approvals_list",
                "workflow_approval_detail_pending",
                "approve_get",
                "workflow_nodes_waiting_for_approval",
                "approve_alice_403",
                "approve_204",
                "approve_again_400",
                "deny_after_approve_400",
                "workflow_approval_detail_approved",
            ];
            stage.compare(&before).await;
            assert_eq!(stage.play_to_end(run), Status::Successful);
        } else {
            stage.compare(&["deny_204", "workflow_approval_detail_denied"]).await;
            assert_eq!(stage.play_to_end(run), Status::Failed);
        }
    }
}

const LISTS: [&str; 24] = [
    "unified_jobs_id_in",
    "unified_jobs_labels",
    "unified_jobs_extra_vars_filter_400",
    "wfjob_id_in",
    "wfjob_id_gt",
    "wfjob_created_gt",
    "wfjob_by_ujt",
    "wfjob_labels_name",
    "wfjob_labels_name_in",
    "wfjob_char_prompts",
    "wfjob_limit",
    "wfjob_limit_exact",
    "wfjob_limit_icontains",
    "wfjob_not",
    "wfjob_or",
    "wfjob_search",
    "wfjob_extra_vars_icontains_403",
    "wfjob_extra_vars_contains_403",
    "wfjob_fields_select",
    "wfjob_bad_id_in_400",
    "wfjob_bad_order_400",
    "page_next",
    "page_size_0",
    "page_beyond_404",
];

async fn notification_exchanges(stage: &mut Stage) {
    let tested = stage.compare(&["notification_template_test_202"]).await;
    stage.number("notifications", 207, tested["notification"].as_u64().unwrap());
    stage
        .compare(&[
            "notification_detail_test",
            "notification_template_detail",
            "notification_templates_list",
            "notifications_list",
            "notification_template_create_headers_not_object",
            "notification_template_create_missing_url",
        ])
        .await;
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        stage.clock.advance(SignedDuration::from_millis(50));
        let failed = stage.ask(Method::GET, "/api/v2/notifications/?status=failed", None).await.json();
        if failed["count"].as_u64().unwrap() > 0 {
            break;
        }
        assert!(Instant::now() < deadline, "no callback failed although nobody listens");
        tokio::task::yield_now().await;
    }
    stage.compare(&["notifications_failed"]).await;
    proxy_exchange(stage).await;
}

/// The recorded 502 is the proxy's; the lab gives it after a launch, when it is told to.
async fn proxy_exchange(stage: &mut Stage) {
    stage.lab.world().faults = FaultPlan::parse("bad_gateway_after_accept", 1).unwrap();
    let template = stage.numbers[&("workflow_job_templates".to_owned(), 20)];
    let path = format!("/api/v2/workflow_job_templates/{template}/launch/");
    let answer = stage.ask(Method::POST, &path, Some(&json!({}))).await;
    let expected = recording("outage_uwsgi_down_502");
    assert_eq!(json!(answer.status), expected["response"]["status"]);
    assert_eq!(json!(answer.text), expected["response"]["body"]);
    stage.compared += 1;
}

// ---- a foreign client ---------------------------------------------------------------------------------------

fn awx() -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/test-tools");
    let place = std::env::var_os("CAUSEWAY_TEST_TOOLS").map_or(target, PathBuf::from);
    let awx = place.join("awxkit/bin/awx");
    assert!(awx.exists(), "the awx command is missing at {}: run tests/install-awxkit", awx.display());
    awx
}

fn run_awx(lab: &Lab, arguments: &[&str]) -> Value {
    let output = Command::new(awx())
        .args(arguments)
        .env("CONTROLLER_HOST", &lab.controller_url)
        .env("CONTROLLER_OAUTH_TOKEN", &lab.admin_token)
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "awx {arguments:?} failed:\n{out}\n{err}");
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("awx {arguments:?}: {error}:\n{out}\n{err}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_awx_command_lists_launches_waits_and_reads_the_nodes() {
    let lab = Lab::start(LabOptions::fast(2, Arc::new(SystemClock))).await.unwrap();
    let vars = vm_vars("web01", "req_awx").to_string();
    tokio::task::block_in_place(|| {
        let listed = run_awx(&lab, &["workflow_job_templates", "list", "-f", "json"]);
        assert_eq!(listed["results"][0]["name"], WORKFLOW);
        let launch =
            ["workflow_job_templates", "launch", WORKFLOW, "--extra_vars", &vars, "--wait", "-f", "json"];
        let run = run_awx(&lab, &launch);
        assert_eq!(run["status"], "successful", "{run}");
        let id = run["id"].to_string();
        let nodes = run_awx(&lab, &["workflow_job_nodes", "list", "--workflow_job", &id, "-f", "json"]);
        let told = |node: &Value| {
            let status = node["summary_fields"]["job"]["status"].as_str().unwrap_or("none").to_owned();
            (node["identifier"].as_str().unwrap().to_owned(), status)
        };
        let told: BTreeMap<String, String> = nodes["results"].as_array().unwrap().iter().map(told).collect();
        assert_eq!(told.len(), 6);
        assert_eq!(told["validation"], "successful");
        assert_eq!(told["error_handling"], "none");
    });
    assert_eq!(lab.world().vsphere.vms_by_name("web01").len(), 1);
    lab.stop().await;
}

// ---- the playbooks' contract --------------------------------------------------------------------------------

const UID: &str = "f45e1d8c-05e0-5a34-8d70-0d7d6e4bbd52";

fn vm_vars(name: &str, execution_id: &str) -> Value {
    json!({
        "execution_id": execution_id, "vm_uid": UID, "vm_name": name, "vm_host_name": name, "vm_vcenter": "vc1",
        "vm_environment": "prod", "vm_os": "redhat", "vm_os_version": "9", "vm_template": "rhel9", "vm_cpu": 4,
        "vm_memory": 8192, "vm_datacenter": "DC0", "vm_cluster": "C0", "vm_folder": "prod",
        "vm_datastore": "prod-ds", "vm_network": "prod-app", "vm_dns": [],
        "vm_nic": [{"network_name": "prod-app", "nic_type": "vmxnet3", "ip_address": "10.10.20.17"},
                   {"network_name": "prod-db", "nic_type": "vmxnet3"}],
        "vm_disk": [{"disk_name": "data", "disk_size": 200, "disk_type": "thin"}],
    })
}

fn schema(name: &str) -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(format!("{name}.schema.json"));
    let text = std::fs::read_to_string(path).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn must_fit(schema: &jsonschema::Validator, what: &str, value: &Value) {
    let faults: Vec<String> =
        schema.iter_errors(value).map(|e| format!("{e} at {}", e.instance_path())).collect();
    assert!(faults.is_empty(), "{what} does not fit its schema: {faults:?}\n{value:#}");
}

/// A world without HTTP, driven from one due time to the next.
fn quiet_world(faults: &str, seed: u64) -> (World, Timestamp) {
    let now: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    let mut options = WorldOptions::fast(seed);
    options.faults = FaultPlan::parse(faults, seed).unwrap();
    let headers = vec![("X-Token".to_owned(), "s".to_owned())];
    options.callback = Some(Callback { url: "http://bridge/hooks/aap/lab".to_owned(), headers });
    (World::new(options, now).unwrap(), now)
}

fn bridge(world: &World) -> Caller {
    Caller { user: world.content.bridge, scope: Scope::Write }
}

/// Lets everything happen that happens by itself, and returns the callbacks in the order of their arrival.
fn settle(world: &mut World, now: &mut Timestamp) -> Vec<Notice> {
    let mut callbacks = Vec::new();
    for _ in 0..100_000 {
        let Some(at) = world.next_due() else { return callbacks };
        *now = at.max(*now);
        world.tick(*now);
        callbacks.extend(world.take_callbacks(*now));
    }
    panic!("the world never came to rest");
}

fn launch(world: &mut World, vars: &Value, now: Timestamp) -> Delivery<Result<WorkflowLaunch, Refusal>> {
    let body = json!({ "extra_vars": vars });
    let (caller, template) = (bridge(world), world.content.workflow);
    world.post_launch(caller, template, body.as_object().unwrap(), now)
}

#[test]
fn artifacts_and_host_variables_fit_the_schemas() {
    let (mut world, mut now) = quiet_world("", 3);
    launch(&mut world, &vm_vars("web01", "req_1"), now);
    settle(&mut world, &mut now);
    let (artifact, summary) = (schema("artifact.v2"), schema("execution-summary.v2"));
    let run = world.runs_of("req_1")[0].id;
    let jobs: Vec<_> = world.controller.jobs_of(run).cloned().collect();
    assert_eq!(jobs.len(), 5);
    for job in &jobs {
        let stage = causeway::lab::controller::model::rows::playbook_name(&job.playbook);
        must_fit(&artifact, stage, &job.artifacts[&format!("output_req_1_{stage}")]);
        must_fit(&summary, stage, &job.artifacts["execution_summary"]);
        assert!(job.artifacts.contains_key("call_chain_id"));
    }
    let state = Value::Object(world.state_of("web01").unwrap());
    must_fit(&schema("host-variables.v1"), "the host", &state);
    assert_eq!(state["networks"][1]["network_name"], "prod-db");
    assert_eq!(state["disks"][0]["disk_size"], 200);
    let vm = world.vsphere.vms_by_uid(UID)[0];
    assert_eq!((vm.cpu, vm.memory_mib, vm.nics.len(), vm.disks.len()), (4, 8192, 2, 2));
    assert_eq!(vm.reported_ip(), Some("10.10.20.17"));
}

#[test]
fn a_failed_stage_ends_in_a_successful_workflow_and_a_host_that_says_why() {
    let (mut world, mut now) = quiet_world("", 4);
    let mut vars = vm_vars("web01", "req_1");
    vars["vm_nic"][1]["network_name"] = json!("nowhere");
    launch(&mut world, &vars, now);
    settle(&mut world, &mut now);
    let run = world.runs_of("req_1")[0];
    assert_eq!(run.status, Status::Successful);
    let state = Value::Object(world.state_of("web01").unwrap());
    must_fit(&schema("host-variables.v1"), "the host", &state);
    assert_eq!(state["network_configuration_state"], "failed");
    assert!(state["vm_error"].as_str().unwrap().contains("nowhere"), "{state}");
}

#[test]
fn a_run_without_its_claim_builds_nothing_and_leaves_the_winners_host_alone() {
    for claim in [None, Some(None), Some(Some(999))] {
        let (mut world, mut now) = quiet_world("", 5);
        if let Some(holder) = claim {
            write_claim(&mut world, "web01", holder, now);
        }
        let mut vars = vm_vars("web01", "req_1");
        vars["causeway_attempt_no"] = json!(1);
        launch(&mut world, &vars, now);
        settle(&mut world, &mut now);
        assert_eq!(world.runs_of("req_1")[0].status, Status::Failed, "claim {claim:?}");
        assert_eq!(world.vsphere.clones_of_uid(UID), 0, "claim {claim:?}");
        assert_eq!(world.state_of("web01"), None, "claim {claim:?}");
    }
}

#[test]
fn stages_that_are_not_listed_are_skipped_at_once() {
    let (mut world, mut now) = quiet_world("", 6);
    let mut vars = vm_vars("web01", "req_1");
    launch(&mut world, &vars, now);
    settle(&mut world, &mut now);
    vars["causeway_stages"] = json!(["inventory_write"]);
    vars["execution_id"] = json!("req_2");
    launch(&mut world, &vars, now);
    settle(&mut world, &mut now);
    let run = world.runs_of("req_2")[0].id;
    let said: Vec<String> = world
        .controller
        .jobs_of(run)
        .map(|job| job.artifacts["execution_summary"]["status"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(said, ["skipped", "skipped", "skipped", "successful", "skipped"]);
    assert_eq!(world.vsphere.clones_of_uid(UID), 1);
    assert_eq!(
        world.state_of("web01").unwrap()["disks"][0]["disk_size"],
        200,
        "a skipped stage keeps what was"
    );
}

/// The bridge's half of the fence in ten lines: the first run that is seen with the attempt gets the claim.
fn live_one_life(faults: &str, seed: u64) -> World {
    let (mut world, mut now) = quiet_world(faults, seed);
    write_claim(&mut world, "web01", None, now);
    let mut vars = vm_vars("web01", "req_1");
    vars["causeway_attempt_no"] = json!(1);
    launch(&mut world, &vars, now);
    for _ in 0..100_000 {
        let seen = world.runs_of("req_1").first().map(|run| run.id);
        let claimed = world
            .controller
            .host_variables(world.controller.host_id(world.content.claims_inventory, "web01").unwrap())
            .unwrap();
        if let (Some(run), true) = (seen, claimed["workflow_job"].is_null()) {
            write_claim(&mut world, "web01", Some(run), now);
        }
        let Some(at) = world.next_due() else { break };
        now = at.max(now);
        world.tick(now);
        world.take_callbacks(now);
    }
    world
}

#[test]
fn late_doubled_and_hand_relaunched_runs_build_one_vm() {
    let mixes = [
        "late_commit",
        "double_run",
        "hand_relaunch",
        "double_run,hand_relaunch:500x3",
        "late_commit:500,double_run:500,hand_relaunch:500x2,run_deleted:300",
    ];
    let mut runs = 0;
    for mix in mixes {
        for seed in 0..40 {
            let world = live_one_life(mix, seed);
            assert_eq!(world.vsphere.clones_of_uid(UID), 1, "{mix} with seed {seed}");
            runs += world.runs_by_execution().values().map(Vec::len).sum::<usize>();
        }
    }
    assert!(runs > 200, "the faults must have made more runs than launches, but there are {runs}");
}

#[test]
fn a_run_that_commits_after_its_attempt_was_given_up_builds_nothing() {
    for seed in 0..20 {
        let (mut world, mut now) = quiet_world("late_commit", seed);
        let mut vars = vm_vars("web01", "req_1");
        vars["causeway_attempt_no"] = json!(1);
        write_claim(&mut world, "web01", None, now);
        assert_eq!(launch(&mut world, &vars, now), Delivery::Lost);
        // The bridge gave up: the number rises, as it does for a cancel.
        let host = world.controller.host_id(world.content.claims_inventory, "web01").unwrap();
        let claim = json!({"vm_uid": UID, "attempt_no": 2, "execution_id": "req_1", "workflow_job": null});
        let admin = Caller { user: world.content.admin, scope: Scope::Write };
        world.controller.replace_variables(admin, host, claim.as_object().unwrap(), now).unwrap();
        settle(&mut world, &mut now);
        assert_eq!(world.runs_of("req_1").len(), 1, "the run did start");
        assert_eq!((world.vsphere.clones_of_uid(UID), world.state_of("web01")), (0, None), "seed {seed}");
    }
}

#[test]
fn every_fault_of_the_launch_shows_as_what_it_is() {
    let delivered = |faults: &str| {
        let (mut world, now) = quiet_world(faults, 7);
        let delivery = launch(&mut world, &vm_vars("web01", "req_1"), now);
        (delivery, world, now)
    };
    assert!(matches!(delivered("").0, Delivery::Answered(Ok(_))));
    for (faults, expected) in
        [("answer_lost_after_commit", Delivery::Lost), ("bad_gateway_after_accept", Delivery::BadGateway)]
    {
        let (delivery, world, _) = delivered(faults);
        assert_eq!((delivery, world.runs_of("req_1").len()), (expected, 1), "{faults}");
    }
    let (delivery, mut world, mut now) = delivered("late_commit");
    assert_eq!((delivery, world.runs_of("req_1").len()), (Delivery::Lost, 0));
    settle(&mut world, &mut now);
    assert_eq!(world.runs_of("req_1")[0].status, Status::Successful);
    let (_, mut world, mut now) = delivered("run_stuck_pending");
    settle(&mut world, &mut now);
    assert_eq!(world.runs_of("req_1")[0].status, Status::Pending);
}

#[test]
fn callbacks_are_stock_bodies_and_the_faults_bend_only_them() {
    let ends = |faults: &str| {
        let (mut world, mut now) = quiet_world(faults, 8);
        launch(&mut world, &vm_vars("web01", "req_1"), now);
        settle(&mut world, &mut now)
    };
    let plain = ends("");
    // One workflow and five jobs, each started and ended.
    assert_eq!(plain.len(), 12);
    for (name, url, status) in [
        ("default_workflow_job_running", "workflow", "running"),
        ("default_workflow_job_successful", "workflow", "successful"),
        ("default_job_running", "playbook", "running"),
        ("default_job_successful", "playbook", "successful"),
    ] {
        let body = &recording(&format!("notifications/{name}"))["body_json"];
        let ours = plain
            .iter()
            .map(|notice| &notice.body)
            .find(|body| body["url"].as_str().unwrap().contains(url) && body["status"] == status);
        let mut found = Vec::new();
        differences(name, body, ours.unwrap(), &mut found);
        assert!(found.is_empty(), "{found:?}");
    }
    assert_eq!(ends("callback_lost").len(), 11);
    assert_eq!(ends("callback_doubled").len(), 13);
    let contradictory = ends("callback_contradictory");
    let of = |notice: &&Notice| notice.unified_job == contradictory.last().unwrap().unified_job;
    assert_eq!(contradictory.len(), 13);
    assert!(contradictory.iter().filter(of).any(|notice| notice.body["status"] == "failed"));
    let order = |notices: &[Notice]| notices.iter().map(|notice| notice.notification).collect::<Vec<Id>>();
    assert_ne!(order(&ends("callback_reordered")), order(&plain));
}

#[test]
fn a_cancelled_pending_run_tells_nobody_and_a_running_one_tells_later() {
    let (mut world, mut now) = quiet_world("", 9);
    launch(&mut world, &vm_vars("web01", "req_1"), now);
    let run = world.runs_of("req_1")[0].id;
    let caller = bridge(&world);
    world.controller.cancel_workflow_job(caller, run, now).unwrap();
    assert!(settle(&mut world, &mut now).is_empty());
    assert_eq!(world.runs_of("req_1")[0].status, Status::Canceled);
    let refused = world.controller.cancel_workflow_job(caller, run, now);
    assert_eq!(refused, Err(Refusal::forbidden()), "405 is for superusers (MEASURED 19)");
    launch(&mut world, &vm_vars("web02", "req_2"), now);
    let run = world.runs_of("req_2")[0].id;
    while world.controller.jobs_of(run).all(|job| job.status != Status::Running) {
        now = world.next_due().unwrap();
        world.tick(now);
        world.take_callbacks(now);
    }
    world.controller.cancel_workflow_job(caller, run, now).unwrap();
    assert_eq!(world.controller.workflow_job(run).unwrap().status, Status::Running);
    let told = settle(&mut world, &mut now);
    let last = told.iter().rev().find(|notice| notice.unified_job == Some(run)).unwrap();
    assert_eq!(last.body["status"], "canceled");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_is_a_broken_connection_and_the_gateway_has_its_own_prefix() {
    let mut options = LabOptions::fast(10, Arc::new(SystemClock));
    options.mode = ApiMode { gateway: true, v23: false };
    options.world.faults = FaultPlan::parse("answer_lost_after_commit", 1).unwrap();
    let lab = Lab::start(options).await.unwrap();
    let http = reqwest::Client::builder().timeout(std::time::Duration::from_secs(30)).build().unwrap();
    let root = ask(&http, &lab, &lab.token, Method::GET, "/api/controller/", None).await.json();
    assert_eq!(root["current_version"], "/api/controller/v2/");
    let template = lab.world().content.workflow;
    let path = format!("/api/controller/v2/workflow_job_templates/{template}/launch/");
    let request = http.post(format!("{}{path}", lab.controller_url)).bearer_auth(&lab.token).json(&json!({}));
    assert!(request.try_clone().unwrap().send().await.is_err(), "no answer may arrive");
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 201);
    assert!(answer.headers["location"].to_str().unwrap().starts_with("/api/controller/v2/workflow_jobs/"));
    let all =
        ask(&http, &lab, &lab.token, Method::GET, "/api/controller/v2/workflow_jobs/", None).await.json();
    assert_eq!(all["count"], 2, "the lost launch was committed");
    lab.world().controller.revoke_token("lab-bridge-token");
    let refused = ask(&http, &lab, &lab.token, Method::GET, "/api/controller/v2/me/", None).await;
    assert_eq!(refused.status, 401);
    lab.stop().await;
}
