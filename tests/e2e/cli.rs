//! The command line as a person or a script meets it: the binary itself, its words, its JSON and its exit codes.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::live;
use causeway::vm_request::state::Phase;
use serde_json::{Value, json};

/// What came of a command.
#[derive(Debug)]
struct Ran {
    code: i32,
    out: String,
    err: String,
}

impl Ran {
    /// One JSON document a line, as `--json` promises.
    fn documents(&self) -> Vec<Value> {
        let read = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}\n{self:?}"))
        };
        self.out.lines().map(read).collect()
    }
}

/// Runs the binary in an environment without any of its variables but `more`.
fn run_with(arguments: &[&str], input: &[u8], more: &[(&str, String)]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["CONFIG", "JOURNAL", "LOG", "SECRET", "TOKEN", "URL"] {
        command.env_remove(format!("CAUSEWAY_{name}"));
    }
    command.envs(more.iter().map(|(name, value)| (*name, value)));
    let mut child = command.spawn().expect("the binary starts");
    // A command that does not read its input closes it early, which is its right.
    let _unread = child.stdin.take().expect("a pipe").write_all(input);
    let output = child.wait_with_output().expect("the binary ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ran {
        code: output.status.code().expect("an exit code"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

fn run(arguments: &[&str]) -> Ran {
    run_with(arguments, b"", &[])
}

fn data(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path).display().to_string()
}

// ---- help, completions, usage ----

#[test]
fn every_command_explains_itself() {
    let help = run(&["--help"]);
    assert_eq!(help.code, 0);
    let commands = [
        "demo",
        "lab",
        "serve",
        "request",
        "vm",
        "drift",
        "reconcile",
        "inventory",
        "journal",
        "doctor",
        "validate",
        "sign",
        "completions",
    ];
    for command in commands {
        assert!(help.out.contains(command), "{command} is not in the help");
        let own = run(&[command, "--help"]);
        assert_eq!((own.code, own.err.as_str()), (0, ""), "{command}");
        assert!(own.out.contains("Usage: causeway"), "{}", own.out);
        assert!(own.out.contains("--json"), "every command takes --json: {}", own.out);
    }
    for (command, below) in [
        ("request", ["create", "list", "show", "watch", "cancel"].as_slice()),
        ("journal", ["verify", "show", "rebuild"].as_slice()),
    ] {
        for sub in below {
            let own = run_with(&[command, sub, "--help"], b"", &[]);
            assert_eq!(own.code, 0, "{command} {sub}: {}", own.err);
        }
    }
    assert!(run(&["--version"]).out.starts_with("causeway 0."));
}

#[test]
fn help_never_shows_a_secret_of_the_environment() {
    let secret = "s3cr3t-in-the-environment";
    let more = [("CAUSEWAY_TOKEN", secret.to_owned()), ("CAUSEWAY_SECRET", secret.to_owned())];
    for command in [["request", "--help"], ["sign", "--help"]] {
        assert!(!run_with(&command, b"", &more).out.contains(secret));
    }
}

#[test]
fn each_shell_gets_its_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = run(&["completions", shell]);
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("journal") && ran.out.contains("doctor"), "{shell}: {}", ran.out);
    }
    let bash = run(&["completions", "bash"]).out;
    let checked = Command::new("bash").args(["-n", "/dev/stdin"]).stdin(Stdio::piped()).spawn();
    let mut checked = checked.expect("bash is there");
    checked.stdin.take().expect("a pipe").write_all(bash.as_bytes()).expect("written");
    assert!(checked.wait().expect("bash ends").success(), "bash cannot read its completions");
    assert_eq!(run(&["completions", "tcsh"]).code, 2);
}

#[test]
fn a_wrong_command_line_is_exit_code_2_and_says_what_would_be_right() {
    for arguments in
        [&[][..], &["nonsense"], &["journal", "verify"], &["sign", "--secret", "x"], &["demo", "--seed", "x"]]
    {
        let ran = run(arguments);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.err.contains("Usage:") || ran.err.contains("--help"), "{arguments:?}: {}", ran.err);
    }
    let token = run(&["request", "list"]);
    assert_eq!(token.code, 2);
    assert!(token.err.contains("--token"), "{}", token.err);
}

// ---- validate ----

#[test]
fn validate_tells_good_from_bad_with_every_violation() {
    for example in ["schemas/examples/vm-request.lean.json", "schemas/examples/vm-request.full.json"] {
        let ran = run(&["validate", &data(example)]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{example}: {}", ran.out);
        assert!(ran.out.starts_with("valid"), "{}", ran.out);
    }
    let bad = br#"{"vm_name": "web_01", "environment": "prod", "vm_os": "redhat", "vm_os_version": 9, "vm_cpu": "4"}"#;
    let ran = run_with(&["validate", "-"], bad, &[]);
    assert_eq!(ran.code, 1);
    for pointer in ["/vm_name", "/vm_os_version", "/vm_cpu"] {
        assert!(ran.out.contains(pointer), "{pointer}: {}", ran.out);
    }
    let ran = run_with(&["--json", "validate", "-"], bad, &[]);
    let documents = ran.documents();
    assert_eq!((ran.code, documents.len()), (1, 1));
    assert_eq!(documents[0]["valid"], false);
    let errors = documents[0]["errors"].as_array().expect("errors");
    assert!(errors.len() >= 3 && errors.iter().all(|error| error["pointer"].is_string()), "{errors:?}");
}

#[test]
fn validate_names_a_file_that_is_not_there_and_a_text_that_is_no_json() {
    let ran = run(&["validate", "no/such.json"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("cannot read no/such.json"), "{}", ran.err);
    let ran = run_with(&["validate", "-"], b"{\"vm_name\": ", &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("not valid"), "{}", ran.out);
    let ran = run_with(&["validate", "-", "--json"], b"", &[]);
    assert_eq!((ran.code, ran.documents()[0]["valid"].clone()), (1, json!(false)));
}

#[test]
fn a_body_beyond_the_limit_is_refused_and_not_cut() {
    let mut body = br#"{"vm_name": "web01", "environment": "prod", "vm_os": "redhat", "vm_os_version": "9", "size": "small"}"#.to_vec();
    body.resize(17 * 1024 * 1024, b' ');
    let ran = run_with(
        &["sign", "-"],
        &body,
        &[("CAUSEWAY_SECRET", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned())],
    );
    assert_eq!(ran.code, 1, "signed what was cut: {}", ran.out);
    assert!(ran.err.contains("16 MiB"), "{}", ran.err);
}

#[test]
fn validate_with_a_configuration_shows_the_whole_vm_or_what_the_catalog_lacks() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = demo_config_of_its_own(folder.path());
    let lean = live::lean("web01").to_string();
    let ran = run_with(&["--json", "validate", "-", "--config", &config], lean.as_bytes(), &[]);
    let document = ran.documents().remove(0);
    assert_eq!((ran.code, document["valid"].clone()), (0, json!(true)), "{document}");
    assert_eq!(document["spec"]["cpu"], 2, "{document}");
    let mut elsewhere = live::lean("web01");
    elsewhere["environment"] = json!("moon");
    elsewhere["size"] = json!("huge");
    let ran = run_with(&["validate", "-", "-c", &config], elsewhere.to_string().as_bytes(), &[]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("/environment") && ran.out.contains("prod"), "what there is: {}", ran.out);
    let ran = run_with(&["validate", "-", "-c", "no/such.toml"], lean.as_bytes(), &[]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("no/such.toml"), "{}", ran.err);
}

/// The demo's configuration with its references filled in.
fn demo_config_of_its_own(folder: &Path) -> String {
    let mut text = std::fs::read_to_string(live::demo_config()).expect("the demo's configuration");
    for (name, value) in [
        ("DEMO_LISTEN", "127.0.0.1:0"),
        ("DEMO_JOURNAL", "journal.db"),
        ("DEMO_API_TOKEN", "a-token-of-the-tests"),
        ("DEMO_WEBHOOK_SECRET", "whsec_czNjcjN0LW9mLXRoZS13ZWJob29rLTAwMDE="),
        ("DEMO_CONTROLLER_TOKEN", "token"),
        ("DEMO_CONTROLLER", "http://127.0.0.1:1"),
        ("DEMO_CALLBACK_TOKEN", "a-callback-token-of-the-tests"),
        ("DEMO_VCENTER_PASSWORD", "password"),
        ("DEMO_VCENTER", "http://127.0.0.1:1/sdk"),
    ] {
        text = text.replace(&format!("{{ env = \"{name}\" }}"), &format!("\"{value}\""));
    }
    let path = folder.join("causeway.toml");
    std::fs::write(&path, text).expect("the configuration");
    path.display().to_string()
}

// ---- sign ----

#[test]
fn sign_gives_the_published_vectors() {
    let text = std::fs::read_to_string(data("tests/data/itsm/test-vectors.json")).expect("the vectors");
    let vectors: Vec<Value> = serde_json::from_str(&text).expect("JSON");
    assert!(vectors.len() >= 4);
    for vector in &vectors {
        let field = |name: &str| vector[name].as_str().unwrap_or_default();
        let secret = [("CAUSEWAY_SECRET", field("secret").to_owned())];
        let timestamp = vector["timestamp"].to_string();
        let (arguments, header) = if field("scheme") == "standard-webhooks" {
            let id = field("id");
            (vec!["--json", "sign", "-", "--id", id, "--timestamp", &timestamp], "webhook-signature")
        } else {
            (vec!["--json", "sign", "-", "--scheme", "hub-signature256"], "X-Hub-Signature-256")
        };
        let ran = run_with(&arguments, field("body").as_bytes(), &secret);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{vector}");
        assert_eq!(ran.documents()[0][header], vector["value"], "{vector}");
    }
}

#[test]
fn sign_prints_headers_or_options_that_a_shell_hands_to_curl_unchanged() {
    let secret = [("CAUSEWAY_SECRET", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD".to_owned())];
    let plain = run_with(&["sign", "-", "--id", "msg_1", "--timestamp", "1649367553"], b"{}", &secret);
    assert_eq!(plain.out.lines().count(), 3, "{}", plain.out);
    let ran =
        run_with(&["sign", "-", "--curl", "--id", "msg_1", "--timestamp", "1649367553"], b"{}", &secret);
    assert_eq!(ran.code, 0);
    let script = format!("printf '%s\\n' {}", ran.out.trim());
    let echoed = Command::new("sh").args(["-c", &script]).output().expect("a shell");
    let told = String::from_utf8(echoed.stdout).expect("UTF-8");
    let headers: Vec<&str> = told.lines().filter(|line| *line != "-H").collect();
    assert_eq!(headers, plain.out.lines().collect::<Vec<_>>());
    let odd = run_with(&["sign", "-", "--curl", "--id", "x'; echo got in; '"], b"{}", &secret);
    let echoed = Command::new("sh").args(["-c", &format!("printf '%s\\n' {}", odd.out.trim())]).output();
    let told = String::from_utf8(echoed.expect("a shell").stdout).expect("UTF-8");
    assert!(told.contains("webhook-id: x'; echo got in; '"), "{told}");
}

#[test]
fn sign_refuses_secrets_that_the_scheme_cannot_use_without_showing_them() {
    let ran = run_with(&["sign", "-"], b"{}", &[("CAUSEWAY_SECRET", "whsec_not*base64*at*all".to_owned())]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    assert!(!ran.err.contains("not*base64") && ran.err.contains("error:"), "{}", ran.err);
    let ran = run_with(
        &["sign", "-", "--json"],
        b"{}",
        &[("CAUSEWAY_SECRET", "whsec_not*base64*at*all".to_owned())],
    );
    assert_eq!(ran.code, 1);
    assert!(ran.documents()[0]["error"].is_string(), "{}", ran.out);
}

// ---- demo ----

#[test]
fn the_demo_lists_its_scenarios_and_knows_no_other() {
    let ran = run(&["--json", "demo", "--list-scenarios"]);
    let names: Vec<Value> = ran.documents().iter().map(|document| document["name"].clone()).collect();
    let known: Vec<&str> = causeway::demo::SCENARIOS.iter().map(|scenario| scenario.name).collect();
    assert_eq!((ran.code, Value::from(names)), (0, json!(known)));
    assert_eq!(run(&["demo", "--list-scenarios"]).out.lines().count(), known.len());
    let ran = run(&["demo", "--scenario", "nonsense"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("nonsense") && ran.err.contains("--list-scenarios"), "{}", ran.err);
}

#[test]
fn the_demo_tells_a_story_to_people_and_documents_to_programs() {
    let people = run(&["demo"]);
    assert_eq!((people.code, people.err.as_str()), (0, ""), "{}", people.out);
    for part in
        ["received web01", "attempt 1 decided", "accepted as workflow job", "verified:", "hash chain sound"]
    {
        assert!(people.out.contains(part), "{part}: {}", people.out);
    }
    let programs = run(&["demo", "--json", "--scenario", "cancel"]);
    assert_eq!(programs.code, 0, "{}", programs.out);
    let documents = programs.documents();
    let last = documents.last().expect("an ending");
    assert_eq!((last["phase"].clone(), last["vms"].clone()), (json!("cancelled"), json!(0)), "{last}");
}

// ---- request ----

/// Runs a command against a rig, on a thread of its own: the rig goes on meanwhile.
async fn call(rig: &causeway::demo::Rig, arguments: &[&str], input: &str) -> Ran {
    let more = [("CAUSEWAY_URL", rig.url()), ("CAUSEWAY_TOKEN", rig.api_token().to_owned())];
    call_with(arguments, input, more.to_vec()).await
}

async fn call_with(arguments: &[&str], input: &str, more: Vec<(&'static str, String)>) -> Ran {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let input = input.to_owned();
    let ran = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run_with(&arguments, input.as_bytes(), &more)
    });
    ran.await.expect("no panic")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_created_watched_listed_and_shown() {
    let rig = live::rig(1, "").await;
    let body = live::lean("cli01").to_string();
    let ran = call(&rig, &["--json", "request", "create", "-", "--idempotency-key", "k1"], &body).await;
    assert_eq!((ran.code, ran.documents().len()), (0, 1), "{ran:?}");
    let id = ran.documents()[0]["id"].as_str().expect("an id").to_owned();

    let watched = call(&rig, &["--json", "request", "watch", &id], "").await;
    assert_eq!(watched.code, 0, "{watched:?}");
    let kinds: Vec<String> =
        watched.documents().iter().map(|row| row["kind"].as_str().unwrap_or_default().to_owned()).collect();
    let parsed = id.parse().expect("an id");
    let journal: Vec<String> =
        live::events(&rig, &parsed).await.iter().map(|recorded| recorded.kind.to_string()).collect();
    assert!(journal.starts_with(&kinds), "each event once and in order: {kinds:?} of {journal:?}");
    assert!(kinds.iter().any(|kind| kind == "vm.verified.v1"), "{kinds:?}");

    let again = call(&rig, &["--json", "request", "create", "-", "--idempotency-key", "k1"], &body).await;
    assert_eq!(again.documents()[0]["id"], id.as_str(), "the same key is the same request");
    let told = call(&rig, &["request", "watch", &id], "").await;
    assert_eq!(told.code, 0);
    assert!(told.out.contains("received cli01") && told.out.trim_end().ends_with("done"), "{}", told.out);
    assert!(!told.out.contains("specversion"), "a story, no JSON: {}", told.out);

    let shown = call(&rig, &["--json", "request", "show", &id], "").await;
    assert_eq!((shown.code, shown.documents()[0]["phase"].clone()), (0, json!("done")), "{shown:?}");
    let listed = call(&rig, &["--json", "request", "list", "--phase", "done"], "").await;
    assert_eq!(listed.documents().len(), 1, "{listed:?}");
    let listed = call(&rig, &["request", "list"], "").await;
    assert!(listed.out.contains(&id) && listed.out.contains("cli01"), "{}", listed.out);
    let none = call(&rig, &["request", "list", "--phase", "failed"], "").await;
    assert_eq!((none.code, none.out.trim()), (0, "no requests"));
    let none = call(&rig, &["--json", "request", "list", "--phase", "failed"], "").await;
    assert_eq!((none.code, none.out.as_str()), (0, ""));
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_cancelled_and_watching_it_says_so_by_exit_code() {
    let rig = live::rig(1, "run_stuck_pending").await;
    let body = live::lean("cli02").to_string();
    let ran = call(&rig, &["--json", "request", "create", "-"], &body).await;
    let id = ran.documents()[0]["id"].as_str().expect("an id").to_owned();
    let parsed = id.parse().expect("an id");
    live::until_phase(&rig, &parsed, Phase::Running).await;
    let ran = call(&rig, &["--json", "request", "cancel", &id, "--comment", "no longer needed"], "").await;
    assert_eq!((ran.code, ran.documents()[0]["phase"].clone()), (0, json!("cancelling")), "{ran:?}");
    let watched = call(&rig, &["request", "watch", &id], "").await;
    assert_eq!(watched.code, 1);
    assert!(watched.out.contains("no longer needed") && watched.out.contains("cancelled"), "{}", watched.out);
    let again = call(&rig, &["request", "cancel", &id], "").await;
    assert_eq!((again.code, again.out.as_str()), (1, ""));
    assert!(again.err.contains("not possible in phase cancelled"), "{}", again.err);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_person_is_seen_to_by_its_actions() {
    let rig = live::rig(1, "node_failed_in_successful_workflow").await;
    let id = live::ask(&rig, &live::lean("cli03")).await;
    live::until_phase(&rig, &id, Phase::Held).await;
    let id = id.to_string();
    let possible = call(&rig, &["request", "actions", &id], "").await;
    assert!(possible.code == 0 && possible.out.contains("give_up"), "{possible:?}");
    let not_now = call(&rig, &["request", "approve", &id], "").await;
    assert!(not_now.code == 1 && not_now.err.contains("possible now: retry"), "{not_now:?}");
    let retried = call(&rig, &["request", "retry", &id, "--comment", "the disk is mended"], "").await;
    assert_eq!(retried.code, 0, "{retried:?}");
    let watched = call(&rig, &["request", "watch", &id], "").await;
    assert!(watched.code == 0 && watched.out.contains("the disk is mended"), "{watched:?}");

    // The environment wants a person's approval.
    for (name, action, ending) in [("cli04", "approve", 0), ("cli05", "deny", 1)] {
        let mut body = live::lean(name);
        body["environment"] = json!("critical");
        let id = live::ask(&rig, &body).await.to_string();
        let acted = call(&rig, &["request", action, &id], "").await;
        assert_eq!(acted.code, 0, "{acted:?}");
        let watched = call(&rig, &["request", "watch", &id], "").await;
        assert_eq!(watched.code, ending, "{action}: {watched:?}");
    }

    let first = call(&rig, &["request", "list", "--limit", "1"], "").await;
    let cursor = first.out.split("--cursor ").nth(1).expect("there are more").trim().to_owned();
    let next = call(&rig, &["--json", "request", "list", "--limit", "1", "--cursor", &cursor], "").await;
    assert_eq!(next.documents()[0]["vm_name"], "cli04", "{next:?}");
    let bad = call(&rig, &["request", "list", "--cursor", "a&phase=held"], "").await;
    assert_eq!(bad.code, 1, "{bad:?}");
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bridge_refuses_is_told_with_every_violation() {
    let rig = live::rig(1, "").await;
    let bad = json!({"vm_name": "web_01", "environment": "moon", "vm_os": "redhat", "vm_os_version": 9});
    let ran = call(&rig, &["request", "create", "-"], &bad.to_string()).await;
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("/vm_name") && ran.err.contains("/vm_os_version"), "{}", ran.err);
    let ran = call(&rig, &["--json", "request", "create", "-"], &bad.to_string()).await;
    assert_eq!((ran.code, ran.documents().len()), (1, 1), "{ran:?}");
    let ran = call(&rig, &["request", "show", "req_01k9000000000000000000000x"], "").await;
    assert_eq!(ran.code, 1, "{ran:?}");
    let ran = call(&rig, &["request", "show", "../../livez"], "").await;
    assert!(ran.code == 1 && ran.err.contains("no id"), "{ran:?}");
    let ran = call(&rig, &["request", "list", "--phase", "asleep"], "").await;
    assert!(ran.code == 1 && ran.err.contains("awaiting_approval"), "the phases there are: {ran:?}");
    let ran = call_with(
        &["request", "list"],
        "",
        vec![("CAUSEWAY_URL", rig.url()), ("CAUSEWAY_TOKEN", "wr0ng-t0ken-of-nobody".to_owned())],
    )
    .await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("token") && !ran.err.contains("wr0ng-t0ken"), "{}", ran.err);
    let url = rig.url();
    rig.stop().await;
    let gone = vec![("CAUSEWAY_URL", url.clone()), ("CAUSEWAY_TOKEN", "some-token-of-somebody".to_owned())];
    let ran = call_with(&["request", "list"], "", gone).await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no answer from") && ran.err.contains(&url), "{}", ran.err);
}

// ---- journal ----

/// The journal of a rig on which one request ended well, copied away, and the request's id.
async fn a_journal(folder: &Path) -> (PathBuf, String) {
    let mut rig = live::rig(1, "").await;
    let id = live::ask(&rig, &live::lean("jrn01")).await;
    live::until(&rig, &id, "marked", |state| !state.is_active()).await;
    let running = rig.journal_path();
    let path = running.display().to_string();
    // The bridge runs on it: it is read from beside, and not rebuilt.
    let beside = call_with(&["journal", "--file", &path, "verify"], "", Vec::new()).await;
    assert!(beside.code == 0 && beside.out.starts_with("sound: 1 requests"), "{beside:?}");
    let beside = call_with(&["journal", "--file", &path, "show", id.as_str()], "", Vec::new()).await;
    assert!(beside.code == 0 && beside.out.trim_end().ends_with("is done"), "{beside:?}");
    let busy = call_with(&["journal", "--file", &path, "rebuild"], "", Vec::new()).await;
    assert_eq!(busy.code, 1, "a bridge runs on it: {busy:?}");
    assert!(busy.err.contains("in use by another bridge"), "{}", busy.err);
    rig.restart_bridge().await.expect("the bridge starts again on the same journal");
    rig.journal().expect("the bridge runs").verify().await.expect("verified");
    let copy = folder.join("journal.db");
    let mut connection = rusqlite::Connection::open(&running).expect("the journal's file");
    let transaction = connection.transaction().expect("a transaction");
    transaction.query_row("SELECT count(*) FROM events", [], |row| row.get::<_, i64>(0)).expect("events");
    drop(transaction);
    connection.execute("VACUUM INTO ?1", [copy.display().to_string()]).expect("a copy");
    drop(connection);
    rig.stop().await;
    (copy, id.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_is_proved_shown_and_rebuilt_and_damage_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, id) = a_journal(folder.path()).await;
    let file = path.display().to_string();
    let journal = |more: &[&str]| run(&[&["journal", "--file", &file], more].concat());

    let verified = journal(&["verify"]);
    assert_eq!((verified.code, verified.err.as_str()), (0, ""), "{}", verified.out);
    assert!(verified.out.starts_with("sound: 1 requests"), "{}", verified.out);
    let document = journal(&["verify", "--json"]).documents().remove(0);
    assert_eq!((document["sound"].clone(), document["faults_total"].clone()), (json!(true), json!(0)));

    let shown = journal(&["show", &id]);
    assert_eq!(shown.code, 0);
    assert!(
        shown.out.contains("received jrn01") && shown.out.trim_end().ends_with("is done"),
        "{}",
        shown.out
    );
    let rows = journal(&["show", &id, "--json"]).documents();
    let seqs: Vec<u64> = rows.iter().filter_map(|row| row["seq"].as_u64()).collect();
    assert_eq!(seqs, (1..=rows.len() as u64).collect::<Vec<_>>());
    assert!(rows.iter().all(|row| row["hash"].as_str().is_some_and(|hash| hash.len() == 64)));

    let rebuilt = journal(&["rebuild"]);
    assert!(rebuilt.code == 0 && rebuilt.out.contains("rebuilt 1 requests"), "{rebuilt:?}");
    let stranger = journal(&["show", "req_01k90000000000000000000000"]);
    assert_eq!(stranger.code, 1);
    assert!(stranger.err.contains("holds no request"), "{}", stranger.err);
    let nonsense = journal(&["show", "nonsense"]);
    assert!(nonsense.code == 1 && nonsense.err.contains("nonsense"), "{}", nonsense.err);
    let missing = run(&["journal", "--file", "no/such.db", "verify"]);
    assert!(
        missing.code == 1 && missing.err.contains("there is no journal at no/such.db"),
        "{}",
        missing.err
    );
    assert!(!Path::new("no/such.db").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_journal_is_named_for_what_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, id) = a_journal(folder.path()).await;
    let file = path.display().to_string();
    let changed = rusqlite::Connection::open(&path).expect("the journal's file");
    changed.execute_batch("PRAGMA writable_schema = ON").expect("set");
    let triggers: Vec<String> = {
        let mut query =
            changed.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").expect("a query");
        let names = query.query_map([], |row| row.get(0)).expect("rows");
        names.collect::<Result<_, _>>().expect("names")
    };
    for trigger in triggers {
        changed.execute(&format!("DROP TRIGGER {trigger}"), []).expect("dropped");
    }
    let rows = changed
        .execute("UPDATE events SET at = at + 1 WHERE seq = 3 AND request_id = ?1", [&id])
        .expect("changed");
    assert_eq!(rows, 1);
    drop(changed);
    let ran = run(&["journal", "--file", &file, "verify"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("not sound") && ran.out.contains(&id), "which request: {}", ran.out);
    let document = run(&["--json", "journal", "--file", &file, "verify"]).documents().remove(0);
    assert_eq!(document["sound"], false);
    assert!(document["faults"].as_array().is_some_and(|faults| !faults.is_empty()), "{document}");

    std::fs::write(&path, b"this is no journal at all, but it is long enough to be looked at as one")
        .expect("written");
    let ran = run(&["journal", "--file", &file, "verify"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{ran:?}");
    assert!(ran.err.contains(&file), "{}", ran.err);
}

// ---- serve ----

#[test]
fn serve_says_why_it_does_not_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let ran = run(&["serve", "--config", "no/such.toml"]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no/such.toml"), "{}", ran.err);
    let config = demo_config_of_its_own(folder.path());
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let text = text
        .replace("\"127.0.0.1:0\"", &format!("\"{address}\""))
        .replace("\"journal.db\"", &format!("\"{}\"", folder.path().join("journal.db").display()));
    std::fs::write(&config, text).expect("the configuration");
    let ran = run(&["serve", "--config", &config]);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains(&format!("cannot listen on {address}")), "{}", ran.err);
}
