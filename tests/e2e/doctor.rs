//! The doctor against labs that are wrong in one way or in several: every fault is named by its code, with a remedy, and
//! a healthy lab gives none. It changes nothing, so one healthy lab serves those faults that lie in the configuration.

use std::process::Command;
use std::sync::Arc;

use crate::live;
use causeway::clock::{Clock, SharedClock, SystemClock};
use causeway::config::{Config, Secret};
use causeway::demo::Rig;
use causeway::doctor::{Report, examine};
use causeway::lab::controller::model::NoticeEvent;
use causeway::lab::controller::model::access::Role;
use causeway::lab::controller::model::content::{ADMIN_TOKEN, STAGES};
use causeway::lab::controller::model::rows::Scope;
use causeway::lab::controller::model::survey::Survey;
use causeway::lab::world::World;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

fn clock() -> SharedClock {
    Arc::new(SystemClock)
}

async fn examined(rig: &Rig, config: &Config) -> Report {
    let url = rig.url();
    let report = examine(config, Some(&url), &clock()).await.expect("an examination");
    for finding in report.findings.iter().chain(&report.warnings) {
        assert!(!finding.remedy.is_empty() && !finding.subject.is_empty(), "{finding:?}");
        let said = format!("{finding:?}");
        for secret in ["lab-bridge-token", "lab-admin-token", rig.vcenter.password(), "wr0ng-s3cr3t"] {
            assert!(!said.contains(secret), "a secret is shown: {said}");
        }
    }
    report
}

fn codes(report: &Report) -> Vec<&str> {
    let mut codes: Vec<&str> = report.findings.iter().map(|finding| finding.code.as_str()).collect();
    codes.sort_unstable();
    codes
}

/// A healthy lab whose bridge may see the notification templates; by default it may not (CONTRACT.md §8.5).
async fn healthy() -> Rig {
    let rig = live::rig_unwatched(1, "").await;
    let content = rig.lab.world().content;
    rig.lab.world().controller.grant(content.bridge, Role::NotificationAdmin, content.organization);
    rig
}

/// The codes that a healthy lab gets after `world` and `config` were changed.
async fn codes_after(world: impl FnOnce(&mut World), config: impl FnOnce(&mut Config)) -> Vec<String> {
    let rig = healthy().await;
    world(&mut rig.lab.world());
    let mut changed = rig.config().clone();
    config(&mut changed);
    let report = examined(&rig, &changed).await;
    rig.stop().await;
    codes(&report).into_iter().map(str::to_owned).collect()
}

fn same(_: &mut World) {}

fn as_it_was(_: &mut Config) {}

#[tokio::test]
async fn a_healthy_lab_gives_no_finding_and_is_not_changed() {
    let rig = healthy().await;
    let report = examined(&rig, rig.config()).await;
    assert_eq!((&report.findings, &report.warnings), (&vec![], &vec![]));
    assert!(report.well.len() >= 8, "what is well is told too: {:?}", report.well);
    let again = examined(&rig, rig.config()).await;
    assert_eq!(again, report);
    assert_eq!(rig.lab.world().controller.workflow_jobs_after(0).count(), 0);
    assert_eq!(rig.vcenter.state.session_count(), 0, "a session was left open in vCenter");
    rig.stop().await;
}

// ---- the controller ----

#[tokio::test]
async fn a_controller_that_does_not_answer() {
    let config = |config: &mut Config| {
        config.controllers[0].base_url = closed_port();
        config.controllers[0].call_deadline_secs = 2;
    };
    assert_eq!(codes_after(same, config).await, ["controller_unreachable"]);
}

#[tokio::test]
async fn something_that_answers_and_is_no_controller() {
    let rig = healthy().await;
    let mut config = rig.config().clone();
    config.controllers[0].base_url = rig.url();
    assert_eq!(codes(&examined(&rig, &config).await), ["controller_unreachable"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_wrong_token() {
    let config = |config: &mut Config| config.controllers[0].token = Secret::new("wr0ng-s3cr3t");
    assert_eq!(codes_after(same, config).await, ["token_refused"]);
}

#[tokio::test]
async fn a_token_that_may_only_read() {
    let world = |world: &mut World| {
        let bridge = world.content.bridge;
        world.controller.add_token(bridge, "read", Scope::Read, Some("read-only"), Timestamp::UNIX_EPOCH);
    };
    let config = |config: &mut Config| config.controllers[0].token = Secret::new("read-only");
    assert_eq!(codes_after(world, config).await, ["token_read_only"]);
}

#[tokio::test]
async fn a_token_that_may_do_everything_is_a_warning() {
    let rig = healthy().await;
    let mut config = rig.config().clone();
    config.controllers[0].token = Secret::new(ADMIN_TOKEN);
    let report = examined(&rig, &config).await;
    assert_eq!(codes(&report), Vec::<&str>::new());
    let warned: Vec<&str> = report.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(warned, ["superuser"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_workflow_of_another_name() {
    let config = |config: &mut Config| config.controllers[0].workflow = "VM Deplyment Workflow".to_owned();
    assert_eq!(codes_after(same, config).await, ["workflow_missing"]);
}

#[tokio::test]
async fn another_organization_hides_workflow_and_inventories() {
    let config = |config: &mut Config| config.controllers[0].organization = Some("Default".to_owned());
    let wanted = ["claims_inventory_missing", "state_inventory_missing", "workflow_missing"];
    assert_eq!(codes_after(same, config).await, wanted);
}

#[tokio::test]
async fn an_account_that_may_not_execute_the_workflow() {
    let world = |world: &mut World| {
        let (bridge, workflow) = (world.content.bridge, world.content.workflow);
        world.controller.ungrant(bridge, Role::WorkflowExecute, workflow);
        world.controller.grant(bridge, Role::WorkflowRead, workflow);
    };
    let found = codes_after(world, as_it_was).await;
    assert!(found.contains(&"workflow_not_executable".to_owned()), "{found:?}");
}

#[tokio::test]
async fn a_workflow_that_does_not_prompt_or_runs_one_at_a_time() {
    let world = |world: &mut World| {
        let workflow = world.content.workflow;
        world.controller.edit_workflow_job_template(workflow, |row| {
            row.ask.variables = false;
            row.allow_simultaneous = false;
        });
    };
    assert_eq!(
        codes_after(world, as_it_was).await,
        ["workflow_does_not_prompt", "workflow_not_simultaneous"]
    );
}

#[tokio::test]
async fn a_survey_that_wants_a_variable_that_the_bridge_does_not_send() {
    let question = json!({
        "name": "", "description": "", "spec": [{
            "question_name": "Cost centre", "question_description": "", "required": true, "type": "text",
            "variable": "cost_centre", "min": 0, "max": 20, "default": "", "choices": "", "new_question": true,
        }],
    });
    let survey = Survey::parse(question.as_object().expect("an object")).expect("a survey");
    let rig = healthy().await;
    let workflow = rig.lab.world().content.workflow;
    rig.lab.world().controller.edit_workflow_job_template(workflow, |row| {
        row.survey = Some(survey);
        row.survey_enabled = true;
    });
    let report = examined(&rig, rig.config()).await;
    assert_eq!(codes(&report), ["workflow_needs_variable"]);
    assert!(report.findings[0].detail.contains("cost_centre"), "{:?}", report.findings);
    rig.stop().await;
}

#[tokio::test]
async fn a_workflow_whose_nodes_lack_a_stages_identifier() {
    let rig = healthy().await;
    {
        let mut world = rig.lab.world();
        let content = world.content;
        let now = Timestamp::UNIX_EPOCH;
        let workflow =
            world.controller.add_workflow_job_template(content.organization, "Half a Workflow", now);
        for ((stage, _), template) in STAGES.iter().zip(content.job_templates).skip(1) {
            let identifier = if *stage == "validation" { "check" } else { stage };
            world.controller.add_node(workflow, template, identifier, now).expect("a node");
        }
        world.controller.grant(content.bridge, Role::WorkflowExecute, workflow);
        let webhook = content.notification_template.expect("a notification template");
        world.controller.attach_notification(workflow, NoticeEvent::Success, webhook);
        world.controller.attach_notification(workflow, NoticeEvent::Error, webhook);
    }
    let mut config = rig.config().clone();
    config.controllers[0].workflow = "Half a Workflow".to_owned();
    let report = examined(&rig, &config).await;
    assert_eq!(codes(&report), ["workflow_stage_missing", "workflow_stage_missing"]);
    let said: String = report.findings.iter().map(|finding| finding.detail.clone()).collect();
    assert!(said.contains("`vm_provision`") && said.contains("`validation`"), "{said}");
    rig.stop().await;
}

#[tokio::test]
async fn a_job_template_that_is_gone_or_may_not_be_read() {
    let unreadable = |world: &mut World| {
        let (bridge, template) = (world.content.bridge, world.content.job_templates[1]);
        world.controller.ungrant(bridge, Role::JobTemplateRead, template);
    };
    assert_eq!(codes_after(unreadable, as_it_was).await, ["job_template_unreadable"]);
    let gone = |world: &mut World| {
        let template = world.content.job_templates[1];
        world.controller.delete_template(template);
    };
    assert_eq!(codes_after(gone, as_it_was).await, ["workflow_node_broken"]);
}

#[tokio::test]
async fn inventories_that_are_missing_or_may_not_be_written() {
    let config = |config: &mut Config| config.controllers[0].claims_inventory = "Claims".to_owned();
    assert_eq!(codes_after(same, config).await, ["claims_inventory_missing"]);
    let hidden = |world: &mut World| {
        let (bridge, inventory) = (world.content.bridge, world.content.claims_inventory);
        world.controller.ungrant(bridge, Role::InventoryAdmin, inventory);
    };
    assert_eq!(codes_after(hidden, as_it_was).await, ["claims_inventory_missing"]);
    let read_only = |world: &mut World| {
        let (bridge, inventory) = (world.content.bridge, world.content.state_inventory);
        world.controller.ungrant(bridge, Role::InventoryAdmin, inventory);
        world.controller.grant(bridge, Role::InventoryRead, inventory);
    };
    assert_eq!(codes_after(read_only, as_it_was).await, ["state_inventory_read_only"]);
}

#[tokio::test]
async fn a_controller_whose_clock_is_wrong() {
    #[derive(Debug)]
    struct Slow;
    impl Clock for Slow {
        fn now(&self) -> Timestamp {
            let behind = SystemClock.now().checked_sub(SignedDuration::from_mins(10));
            behind.expect("a time")
        }
    }
    let rig = healthy().await;
    let slow: SharedClock = Arc::new(Slow);
    let report = examine(rig.config(), Some(&rig.url()), &slow).await.expect("an examination");
    assert_eq!(codes(&report), ["clock_skew"]);
    rig.stop().await;
}

// ---- notifications ----

#[tokio::test]
async fn a_notification_template_that_is_not_attached_or_leads_elsewhere() {
    let detached = |world: &mut World| {
        let (workflow, webhook) = (world.content.workflow, world.content.notification_template);
        let webhook = webhook.expect("a notification template");
        world.controller.detach_notification(workflow, NoticeEvent::Error, webhook);
    };
    assert_eq!(codes_after(detached, as_it_was).await, ["notification_missing"]);

    let rig = healthy().await;
    let report = examine(rig.config(), Some("https://another-bridge.example.com"), &clock()).await;
    assert_eq!(codes(&report.expect("an examination")), ["notification_missing", "notification_missing"]);
    // Not knowing its own address, the doctor compares the path alone.
    let report = examine(rig.config(), None, &clock()).await.expect("an examination");
    assert_eq!(codes(&report), Vec::<&str>::new());
    let mut renamed = rig.config().clone();
    renamed.controllers[0].name = "ab".to_owned();
    renamed.catalog.environments.values_mut().for_each(|each| each.controller = "ab".to_owned());
    let report = examine(&renamed, None, &clock()).await.expect("an examination");
    assert_eq!(codes(&report), ["notification_missing", "notification_missing"]);
    rig.stop().await;
}

#[tokio::test]
async fn notification_templates_that_cannot_be_seen_are_a_warning() {
    let rig = live::rig(1, "").await;
    let report = examined(&rig, rig.config()).await;
    assert_eq!(codes(&report), Vec::<&str>::new());
    let warned: Vec<&str> = report.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(warned, ["notification_unseen"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_notification_template_with_a_body_of_its_own() {
    let rig = healthy().await;
    {
        let mut world = rig.lab.world();
        let content = world.content;
        let url = format!("{}/hooks/aap/lab", rig.url());
        let now = Timestamp::UNIX_EPOCH;
        let mut row = causeway::lab::controller::model::Controller::webhook_template(
            content.organization,
            "custom",
            &url,
            &[],
            now,
        );
        row.messages = Some(json!({"success": {"message": "", "body": "{{ job.id }}"}}));
        let custom = world.controller.add_notification_template(row).expect("a free name");
        let plain = content.notification_template.expect("a notification template");
        world.controller.detach_notification(content.workflow, NoticeEvent::Success, plain);
        world.controller.attach_notification(content.workflow, NoticeEvent::Success, custom);
    }
    assert_eq!(codes(&examined(&rig, rig.config()).await), ["notification_custom_body"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_configuration_that_would_refuse_the_notifications() {
    let config = |config: &mut Config| config.controllers[0].callback = None;
    assert_eq!(codes_after(same, config).await, ["callback_not_configured"]);
}

// ---- vCenter ----

#[tokio::test]
async fn a_vcenter_that_does_not_answer() {
    let config = |config: &mut Config| {
        config.vcenters[0].url = format!("{}/sdk", closed_port());
        config.vcenters[0].call_deadline_secs = 2;
    };
    assert_eq!(codes_after(same, config).await, ["vcenter_unreachable"]);
}

#[tokio::test]
async fn a_wrong_password() {
    let config = |config: &mut Config| config.vcenters[0].password = Secret::new("wr0ng-s3cr3t");
    assert_eq!(codes_after(same, config).await, ["vcenter_login_refused"]);
}

#[tokio::test]
async fn names_of_the_catalog_that_vcenter_does_not_show() {
    let rig = healthy().await;
    let mut config = rig.config().clone();
    config.catalog.environments.retain(|name, _| name == "prod");
    let prod = config.catalog.environments.get_mut("prod").expect("the environment");
    prod.cluster = "C9".to_owned();
    prod.folder = "no/such".to_owned();
    prod.datastore = "no-ds".to_owned();
    let network = prod.networks.values().next().expect("a network").clone();
    prod.networks.insert("no-net".to_owned(), network);
    config.catalog.images[0].template = "no-template".to_owned();
    let report = examined(&rig, &config).await;
    let wanted =
        ["cluster_missing", "datastore_missing", "folder_missing", "network_missing", "template_missing"];
    assert_eq!(codes(&report), wanted);
    let image = report.findings.iter().find(|finding| finding.code == "template_missing").expect("named");
    assert!(image.remedy.contains("rhel9"), "the remedy names what there is: {image:?}");
    let mut config = rig.config().clone();
    config.catalog.environments.retain(|name, _| name == "dev");
    config.catalog.environments.get_mut("dev").expect("the environment").datacenter = "DC9".to_owned();
    assert_eq!(codes(&examined(&rig, &config).await), ["datacenter_missing"]);
    rig.stop().await;
}

#[tokio::test]
async fn a_template_that_was_made_a_vm() {
    let world = |world: &mut World| {
        let template = world.vsphere.vms_by_name("rhel9")[0].moid;
        world.vsphere.set_template(template, false).expect("changed");
    };
    let found = codes_after(world, as_it_was).await;
    assert_eq!(found, ["template_missing"; 3], "once for each environment");
}

// ---- the configuration itself ----

#[tokio::test]
async fn a_secret_with_which_the_bridge_would_not_start() {
    let config = |config: &mut Config| {
        config.sources[0].secrets = vec![Secret::new("whsec_wr0ng-s3cr3t")];
        config.api_tokens[0].secret = Secret::new("");
    };
    assert_eq!(codes_after(same, config).await, ["entrance_broken", "entrance_broken"]);
}

#[tokio::test]
async fn neighbours_that_no_environment_uses_are_a_warning() {
    let rig = healthy().await;
    let mut config = rig.config().clone();
    let mut second = config.vcenters[0].clone();
    second.name = "spare".to_owned();
    config.vcenters.push(second);
    let report = examined(&rig, &config).await;
    assert_eq!(codes(&report), Vec::<&str>::new());
    assert_eq!(report.warnings.iter().map(|each| each.code.as_str()).collect::<Vec<_>>(), ["unused"]);
    rig.stop().await;
}

#[tokio::test]
async fn faults_on_both_sides_are_all_listed_at_once() {
    let world = |world: &mut World| {
        let content = world.content;
        world.controller.edit_workflow_job_template(content.workflow, |row| row.ask.variables = false);
        world.controller.ungrant(content.bridge, Role::JobTemplateRead, content.job_templates[0]);
        world.controller.ungrant(content.bridge, Role::InventoryAdmin, content.claims_inventory);
    };
    let config = |config: &mut Config| {
        config.controllers[0].callback = None;
        config.controllers[0].state_inventory = "No State".to_owned();
        config.catalog.environments.retain(|name, _| name == "prod");
        config.catalog.environments.get_mut("prod").expect("the environment").folder = "no".to_owned();
        config.catalog.images[0].template = "no-template".to_owned();
    };
    let wanted = [
        "callback_not_configured",
        "claims_inventory_missing",
        "folder_missing",
        "job_template_unreadable",
        "state_inventory_missing",
        "template_missing",
        "workflow_does_not_prompt",
    ];
    assert_eq!(codes_after(world, config).await, wanted);
}

// ---- through the binary ----

/// `causeway doctor` on the rig's configuration with some variables replaced: exit code, output, errors.
async fn doctor(rig: &Rig, more: &[&str], changed: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.arg("doctor").arg("--config").arg(live::demo_config()).args(more).env_remove("CAUSEWAY_CONFIG");
    for (name, value) in live::environment(rig) {
        command.env(name, value);
    }
    command.envs(changed.iter().copied());
    let ran = tokio::task::spawn_blocking(move || command.output()).await.expect("no panic");
    let ran = ran.expect("the binary runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (ran.status.code().expect("an exit code"), text(ran.stdout), text(ran.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_tells_what_is_well_and_what_is_not_by_words_and_exit_code() {
    let rig = healthy().await;
    let url = rig.url();
    let (code, out, err) = doctor(&rig, &["--public-url", &url], &[]).await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("nothing to mend") && !out.contains('\u{1b}'), "{out}");

    let (code, out, _) = doctor(&rig, &[], &[("DEMO_VCENTER_PASSWORD", "wr0ng-s3cr3t")]).await;
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("vcenter_login_refused") && out.contains("1 to mend"), "{out}");

    let wrong = [("DEMO_VCENTER_PASSWORD", "wr0ng-s3cr3t"), ("DEMO_CONTROLLER_TOKEN", "wr0ng-s3cr3t")];
    let (code, out, _) = doctor(&rig, &["--json"], &wrong).await;
    assert_eq!((code, out.lines().count()), (1, 1), "{out}");
    let document: Value = serde_json::from_str(&out).expect("one JSON document");
    let findings = document["findings"].as_array().expect("findings");
    let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert_eq!(codes, ["token_refused", "vcenter_login_refused"]);
    assert!(
        findings.iter().all(|finding| finding["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()))
    );

    let (code, out, err) = doctor(&rig, &[], &[("DEMO_CONTROLLER_TOKEN", "")]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(
        err.contains("/controllers/0/token") && err.contains("DEMO_CONTROLLER_TOKEN is not set"),
        "{err}"
    );
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_when_a_client_cannot_even_be_set_up() {
    let rig = healthy().await;
    let (code, _, err) =
        doctor(&rig, &[], &[("DEMO_CONTROLLER", "https://u:wr0ng-s3cr3t@aap.example.com")]).await;
    assert_eq!(code, 1);
    assert!(
        err.contains("base_url must not hold a user or password") && !err.contains("wr0ng-s3cr3t"),
        "{err}"
    );
    rig.stop().await;
}

/// An address at which nobody listens.
fn closed_port() -> String {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}
