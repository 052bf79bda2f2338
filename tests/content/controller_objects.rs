//! The controller's objects as code, by the real collection against the lab's controller: made, left alone by a second run,
//! mended after a change by hand, and good for a bridge to work with.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use causeway::clock::{SharedClock, SystemClock};
use causeway::demo::{Listener, Rig, RigOptions, play_real, real_tickets};
use causeway::doctor::examine;
use causeway::journal::Recorded;
use causeway::vm_request::hold::OperatorAction;
use reqwest::Method;
use serde_json::{Value, json};

use super::bench::{content, program};

/// What the bridge's account and its callback are in the lab.
const BRIDGE_USER: &str = "bridge";
const CALLBACK_TOKEN: &str = "demo-callback-token-of-the-lab";
const SECRETS: [(&str, &str); 4] = [
    ("CAUSEWAY_VCENTER_PASSWORD", "s3cret-of-vcenter"),
    ("CAUSEWAY_CONTENT_PASSWORD", "s3cret-of-the-content"),
    ("CAUSEWAY_ADMIN_PASSWORD", "s3cret-of-the-guests"),
    ("CAUSEWAY_CALLBACK_TOKEN", CALLBACK_TOKEN),
];

/// A lab and a bridge that works for the organization which the playbook makes.
struct Site {
    runtime: tokio::runtime::Runtime,
    rig: Option<Rig>,
}

/// Nobody watches.
struct Silent;

impl Listener for Silent {
    fn event(&mut self, _: &Recorded) {}
    fn operator(&mut self, _: OperatorAction) {}
}

struct Run {
    succeeded: bool,
    changed: u64,
    output: String,
}

impl Site {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let rig = Rig::start_with(RigOptions::quiet(1), |config| {
            config.controllers[0].organization = Some("Platform".to_owned());
            config.policy.overall_deadline_secs = 120;
        });
        let rig = runtime.block_on(rig).unwrap();
        Self { runtime, rig: Some(rig) }
    }

    fn rig(&self) -> &Rig {
        self.rig.as_ref().unwrap()
    }

    fn settings(&self) -> Value {
        json!({
            "controller_project_url": "https://git.example.com/causeway-content.git",
            "controller_vcenter_host": "vc1.example.com", "controller_vcenter_username": "causeway@vsphere.local",
            "controller_execution_environment_image": "registry.example.com/causeway-ee:1.0",
            "controller_bridge_url": self.rig().url(), "controller_bridge_user": BRIDGE_USER,
            "controller_bridge_controller_name": "lab",
        })
    }

    fn set_up(&self, settings: &Value) -> Run {
        self.set_up_with(settings, &SECRETS)
    }

    fn set_up_with(&self, settings: &Value, environment: &[(&str, &str)]) -> Run {
        let folder: PathBuf = content().join("controller");
        let home = tempfile::tempdir().unwrap();
        let output = Command::new(program("ansible", "ansible-playbook"))
            .current_dir(folder)
            .args(["setup.yml", "-vvvv", "--extra-vars", &settings.to_string()])
            .env("ANSIBLE_HOME", home.path())
            .env("CONTROLLER_HOST", &self.rig().lab.controller_url)
            .env("CONTROLLER_OAUTH_TOKEN", &self.rig().lab.admin_token)
            .env("CONTROLLER_VERIFY_SSL", "false")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let output =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let recap = output.lines().rev().find(|line| line.contains("changed=")).unwrap_or_default();
        let count = |name: &str| {
            let found = recap.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
            found.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name}: {output}"))
        };
        Run { succeeded: count("failed") == 0, changed: count("changed"), output }
    }

    fn passes(&self, settings: &Value) -> Run {
        let run = self.set_up(settings);
        assert!(run.succeeded, "{}", run.output);
        run
    }

    /// Calls the controller's API as its administrator.
    fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let rig = self.rig();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let url = format!("{}/api/v2/{path}", rig.lab.controller_url);
        let mut request = client.request(method, url).bearer_auth(&rig.lab.admin_token);
        if let Some(body) = body {
            request = request.json(body);
        }
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap().error_for_status().unwrap();
            let text = answer.text().await.unwrap();
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
        })
    }

    fn get(&self, path: &str) -> Value {
        self.call(Method::GET, path, None)
    }

    /// The one row of a list that a query finds.
    fn one(&self, query: &str) -> Value {
        let found = self.get(query);
        assert_eq!(found["count"], 1, "{query}: {found:#}");
        found["results"][0].clone()
    }

    fn workflow(&self) -> Value {
        let organization = self.one("organizations/?name=Platform")["id"].clone();
        self.one(&format!("workflow_job_templates/?name=VM Deployment Workflow&organization={organization}"))
    }

    fn node(&self, identifier: &str) -> Value {
        let workflow = self.workflow()["id"].clone();
        self.one(&format!(
            "workflow_job_template_nodes/?identifier={identifier}&workflow_job_template={workflow}"
        ))
    }

    /// What the doctor finds, with the bridge's own token.
    fn findings(&self) -> Vec<String> {
        let clock: SharedClock = Arc::new(SystemClock);
        let url = self.rig().url();
        let report = self.runtime.block_on(examine(self.rig().config(), Some(&url), &clock)).unwrap();
        report.findings.iter().map(|finding| format!("{}: {}", finding.code, finding.detail)).collect()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(rig) = self.rig.take() {
            self.runtime.block_on(rig.stop());
        }
    }
}

#[test]
fn the_objects_are_made_once_mended_after_a_change_by_hand_and_carry_a_ticket() {
    let site = Site::new();
    let settings = site.settings();
    assert!(site.findings().iter().any(|finding| finding.starts_with("workflow_missing")));
    let first = site.passes(&settings);
    assert!(first.changed > 10, "{}", first.changed);
    assert_eq!(site.findings(), Vec::<String>::new());
    a_ticket_comes_through(&site);
    somebody_meddles(&site);

    // One run mends and draws the approval; the next finds nothing to do.
    let with_approval = super::bench::with(settings, json!({"controller_workflow_approval": true}));
    let mended = site.passes(&with_approval);
    assert!(mended.changed > 0);
    assert_eq!(site.findings(), Vec::<String>::new());
    let id = |identifier: &str| site.node(identifier)["id"].clone();
    assert_eq!(site.node("vm_provision")["success_nodes"], json!([id("network_configuration")]));
    assert_eq!(site.node("approval")["success_nodes"], json!([id("vm_provision")]));
    assert_eq!(site.workflow()["survey_enabled"], true);
    every_playbook_has_its_job_template(&site);
    let again = site.passes(&with_approval);
    assert_eq!(again.changed, 0, "{}", again.output);
    for run in [&first, &mended, &again] {
        for (name, secret) in SECRETS {
            assert!(!run.output.contains(secret), "{name} is told");
        }
    }
}

fn every_playbook_has_its_job_template(site: &Site) {
    let organization = site.one("organizations/?name=Platform")["id"].clone();
    let templates = site.get(&format!("job_templates/?organization={organization}&page_size=200"));
    let run: Vec<&str> =
        templates["results"].as_array().unwrap().iter().filter_map(|row| row["playbook"].as_str()).collect();
    for playbook in super::lint::files("playbooks", "yml") {
        let name = format!("playbooks/{}", playbook.file_name().unwrap().to_str().unwrap());
        let templates = run.iter().filter(|playbook| **playbook == name).count();
        assert_eq!(
            templates, 2,
            "one that the workflow or a program runs, and one that asks a person: {name}"
        );
    }
    let stage = site.one(&format!("job_templates/?name=VM Provisioning Job&organization={organization}"));
    assert_eq!(stage["survey_enabled"], false, "a run's variables are held against no question's type");
    let told: Value = serde_json::from_str(stage["extra_vars"].as_str().unwrap()).unwrap();
    assert_eq!(told["claim_inventory"], "Causeway Claims");
    assert_eq!(told["vmware_vcenter80_inventory_name"], "VM Deployment State");
    let by_hand = site.one("job_templates/?name=vm_snapshot by hand");
    assert_eq!(by_hand["survey_enabled"], true);
    let survey = site.get(&format!("job_templates/{}/survey_spec/", by_hand["id"]));
    let asked: Vec<&str> =
        survey["spec"].as_array().unwrap().iter().filter_map(|row| row["variable"].as_str()).collect();
    assert!(asked.contains(&"vm_snapshot_action") && asked.contains(&"vm_name"), "{asked:?}");
    let host = site.one("hosts/?name=localhost");
    assert!(host["variables"].as_str().unwrap().contains("{{ ansible_playbook_python }}"), "{host:#}");
}

/// The bridge, with the roles that it was given and nothing else, builds a VM by these objects.
fn a_ticket_comes_through(site: &Site) {
    let tickets = real_tickets().unwrap();
    let mut nobody = Silent;
    let play = play_real(site.rig(), &tickets[..1], &mut nobody);
    let endings = site.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(60), play).await });
    let endings = endings.expect("in time").unwrap();
    let state = &endings[0].state;
    assert!(endings[0].is_verified(), "{:?} {:?} {:?}", state.phase, state.hold, state.run);
    let runs = site.get(&format!("workflow_job_templates/{}/workflow_jobs/", site.workflow()["id"]));
    assert_eq!((&runs["count"], &runs["results"][0]["status"]), (&json!(1), &json!("successful")));
    let told = site.get(&format!("workflow_jobs/{}/notifications/", runs["results"][0]["id"]));
    assert!(told["count"].as_u64().is_some_and(|count| count >= 2), "started and success are told: {told:#}");
}

/// What happens to a controller over the months.
fn somebody_meddles(site: &Site) {
    let (provision, network) = (site.node("vm_provision"), site.node("network_configuration"));
    let edges = format!("workflow_job_template_nodes/{}/success_nodes/", provision["id"]);
    site.call(Method::POST, &edges, Some(&json!({"id": network["id"], "disassociate": true})));
    let workflow = format!("workflow_job_templates/{}/", site.workflow()["id"]);
    site.call(
        Method::PATCH,
        &workflow,
        Some(&json!({"ask_variables_on_launch": false, "survey_enabled": false})),
    );
    let template = format!("job_templates/{}/", provision["unified_job_template"]);
    site.call(
        Method::PATCH,
        &template,
        Some(&json!({"playbook": "playbooks/other.yml", "allow_simultaneous": false})),
    );
    let role = site.workflow()["summary_fields"]["object_roles"]["execute_role"]["id"].clone();
    let user = site.one(&format!("users/?username={BRIDGE_USER}"))["id"].clone();
    let roles = format!("roles/{role}/users/");
    site.call(Method::POST, &roles, Some(&json!({"id": user, "disassociate": true})));
    assert!(!site.findings().is_empty(), "the doctor notices");
}

#[test]
fn settings_that_are_wrong_are_told_at_once_and_nothing_is_made() {
    let site = Site::new();
    let run = site
        .set_up_with(&json!({"controller_bridge_url": "causeway"}), &[("CAUSEWAY_CALLBACK_TOKEN", "short")]);
    assert!(!run.succeeded);
    for named in [
        "controller_project_url",
        "controller_vcenter_host",
        "controller_vcenter_username",
        "CAUSEWAY_VCENTER_PASSWORD",
        "CAUSEWAY_CONTENT_PASSWORD",
        "controller_bridge_url is no address",
        "CAUSEWAY_CALLBACK_TOKEN",
    ] {
        assert!(run.output.contains(named), "{named}: {}", run.output);
    }
    assert_eq!(site.get("organizations/?name=Platform")["count"], 0);
}
