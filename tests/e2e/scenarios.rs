//! Every scenario of the demo, each on a lab and a bridge of its own, judged beyond what its story says: what the
//! controller saw, what vCenter holds, what stands in the inventories, and what the journal proves.

use crate::live;
use causeway::demo::{Ending, Listener, Rig, SCENARIOS, Scenario, play};
use causeway::journal::Recorded;
use causeway::lab::controller::model::Status;
use causeway::vm_request::hold::OperatorAction;
use causeway::vm_request::stage::Stage;
use causeway::vm_request::state::Phase;
use serde_json::Value;

/// Hears nothing.
struct Deaf;

impl Listener for Deaf {
    fn event(&mut self, _: &Recorded) {}
    fn operator(&mut self, _: OperatorAction) {}
}

/// One test for each scenario; [`every_scenario_has_a_test`] compares the names with the list.
macro_rules! scenarios {
    ($($name:ident => $more:expr;)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let more: fn(&Rig, &Ending) = $more;
                played(stringify!($name), more).await;
            }
        )*

        #[test]
        fn every_scenario_has_a_test() {
            let tested = [$(stringify!($name)),*];
            let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
            assert_eq!(tested.as_slice(), known, "the list in this file and demo::SCENARIOS differ");
        }
    };
}

scenarios! {
    happy => one_run;
    answer_lost => one_run;
    bad_gateway => one_run;
    late_commit => |rig, ending| losers_changed_nothing(rig, ending, 2);
    double_run => |rig, ending| losers_changed_nothing(rig, ending, 2);
    hand_relaunch => |rig, ending| losers_changed_nothing(rig, ending, 2);
    slow => one_run;
    callback_lost => one_run;
    callback_doubled => one_run;
    callback_reordered => one_run;
    callback_contradictory => one_run;
    unauthorized_mid_run => one_run;
    node_failed => resumed;
    artifacts_missing => one_run;
    vcenter_away => resumed;
    stuck_pending => nothing_was_built;
    cancel => nothing_was_built;
    restart => one_run;
    approval => one_run;
    name_taken => nothing_was_launched;
    invalid => nothing_was_launched;
}

async fn played(name: &str, more: fn(&Rig, &Ending)) {
    let scenario = Scenario::named(name).expect("a scenario of that name");
    let mut rig = live::rig(1, scenario.faults).await;
    let ending = match play(&mut rig, scenario, &mut Deaf).await {
        Ok(ending) => ending,
        Err(error) => panic!("{name}: {error:#}"),
    };
    let verified = rig.journal().expect("the bridge runs").verify().await.expect("a journal");
    assert!(verified.is_sound(), "{:?}", verified.faults);
    what_the_controller_saw_fits_the_schemas(&rig, &ending);
    if ending.state.phase == Phase::Done {
        what_is_done_is_there(&rig, &ending);
    }
    more(&rig, &ending);
    let vcenter = rig.vcenter.state.clone();
    rig.stop().await;
    assert_eq!(vcenter.session_count(), 0, "a session was left open in vCenter");
}

fn what_the_controller_saw_fits_the_schemas(rig: &Rig, ending: &Ending) {
    let world = rig.lab.world();
    for run in world.runs_of(ending.id.as_str()) {
        live::assert_fits("extra-vars.v1.schema.json", &Value::Object(run.extra_vars.clone()));
    }
    drop(world);
    let Some(received) = ending.state.received() else { return };
    let claim = live::claim(rig, &received.spec.host_name());
    assert_eq!(claim.is_some(), ending.state.attempt_no > 0, "a claim stands where an attempt was made");
    if let Some(claim) = claim {
        assert_eq!(claim["attempt_no"], ending.state.attempt_no, "{claim:?}");
        assert_eq!(claim["execution_id"], ending.id.as_str());
        let holder = if ending.state.phase == Phase::Done {
            Value::from(ending.state.run.as_ref().expect("a run").workflow_job)
        } else {
            Value::Null
        };
        assert_eq!(claim["workflow_job"], holder, "{claim:?}");
        live::assert_fits("claim.v1.schema.json", &Value::Object(claim));
    }
}

fn what_is_done_is_there(rig: &Rig, ending: &Ending) {
    let spec = &ending.state.received().expect("a request that is done was received").spec;
    live::assert_built_once(rig, &ending.id, &spec.vm_name);
    let variables = ending.host_variables.clone().expect("host variables");
    let ended = ["created", "configured", "ready"];
    assert!(ended.iter().any(|word| variables["vm_state"] == *word), "{variables:?}");
    assert_eq!(variables["causeway"]["request"], ending.id.as_str(), "the bridge's own key");
    assert_eq!(variables["causeway"]["attempt_no"], ending.state.attempt_no);
    live::assert_fits("host-variables.v1.schema.json", &Value::Object(variables));
}

fn one_run(rig: &Rig, ending: &Ending) {
    let runs = rig.lab.runs_of(ending.id.as_str());
    assert_eq!(runs.len(), 1, "the controller saw one run: {runs:?}");
}

/// The runs besides the holder ended at the claim: one job each, that failed, and no VM more.
fn losers_changed_nothing(rig: &Rig, ending: &Ending, runs_expected: usize) {
    let holder = ending.state.run.as_ref().expect("a run").workflow_job;
    let world = rig.lab.world();
    let runs = world.runs_of(ending.id.as_str());
    assert_eq!(runs.len(), runs_expected, "{runs:?}");
    for run in runs.iter().filter(|run| i64::try_from(run.id) != Ok(holder)) {
        assert!(run.status.is_terminal(), "run {} still is {:?}", run.id, run.status);
        for job in world.controller.jobs_of(run.id) {
            assert_ne!(
                job.status,
                Status::Successful,
                "a job of the loser {} did something: {job:?}",
                run.id
            );
        }
    }
    assert_ne!(ending.host_variables.as_ref().expect("host variables")["vm_state"], "failed");
}

/// The second run was told of the unfinished stages alone, in order.
fn resumed(rig: &Rig, ending: &Ending) {
    let world = rig.lab.world();
    let runs = world.runs_of(ending.id.as_str());
    let stages: Vec<Vec<String>> = runs
        .iter()
        .map(|run| serde_json::from_value(run.extra_vars["causeway_stages"].clone()).expect("stages"))
        .collect();
    let all: Vec<String> = Stage::DEPLOYMENT.iter().map(|stage| stage.name().to_owned()).collect();
    assert_eq!(stages.len(), 2, "{stages:?}");
    assert_eq!(stages[0], all);
    assert!(stages[1].len() <= all.len() && all.ends_with(&stages[1]), "{stages:?}");
    let first = i64::try_from(runs[0].id).expect("a small id");
    let finished_at_first: Vec<&str> = (ending.state.stages.iter())
        .filter(|(_, record)| record.attempt_no == 1 && record.is_finished())
        .map(|(stage, _)| stage.name())
        .collect();
    assert!(
        !stages[1].iter().any(|stage| finished_at_first.contains(&stage.as_str())),
        "{first}: {stages:?}"
    );
}

fn nothing_was_built(rig: &Rig, ending: &Ending) {
    assert_eq!(live::vms_of(rig, &ending.id), 0);
    assert!(ending.state.left_behind.is_empty(), "{:?}", ending.state.left_behind);
    let world = rig.lab.world();
    for run in world.runs_of(ending.id.as_str()) {
        assert!(run.status.is_terminal(), "run {} still is {:?}", run.id, run.status);
    }
}

fn nothing_was_launched(rig: &Rig, ending: &Ending) {
    assert_eq!(rig.lab.runs_of(ending.id.as_str()), Vec::<u64>::new());
    assert!(!ending.answer.body.is_null());
}
