//! Lives of requests, told from the first event to the last.

use uuid::Uuid;

use super::fixtures::{ALL_DONE, Node, as_asked, evidence, reading};
use super::{Life, person};
use crate::vm_request::action::{Action, LaunchOutcome, Outcome};
use crate::vm_request::event::{Event, RunStatus};
use crate::vm_request::hold::{Difference, Finding, OperatorAction, Side};
use crate::vm_request::next::{Next, Why};
use crate::vm_request::stage::{Reason, Stage, Verdict};
use crate::vm_request::state::{HostMark, Phase, State};

pub const RUN: i64 = 20;

impl Life {
    /// Preflight, intent and claim of attempt `no`, all well.
    pub fn comes_to_its_claim(&mut self, no: u32) -> &mut Self {
        let stages = self.state.unfinished_stages();
        self.turn(&Action::Preflight { attempt_no: no }, Outcome::Preflight { findings: vec![] })
            .turn(
                &Action::IntendLaunch { attempt_no: no, stages },
                Outcome::Intend { attempt: Uuid::from_u128(u128::from(no)) },
            )
            .turn(&Action::WriteClaim { attempt_no: no }, Outcome::ClaimWritten { claim_host: 9 })
    }

    /// Everything up to the accepted run `run` of attempt `no`, recorded as the claim's holder.
    pub fn comes_to_its_run(&mut self, no: u32, run: i64) -> &mut Self {
        self.comes_to_its_claim(no)
            .launches(no, LaunchOutcome::Accepted { workflow_job: run })
            .records(no, run)
    }

    pub fn launches(&mut self, no: u32, outcome: LaunchOutcome) -> &mut Self {
        self.turn(&Action::Launch { attempt_no: no }, Outcome::Launched(outcome))
    }

    pub fn records(&mut self, no: u32, run: i64) -> &mut Self {
        self.turn(&Action::RecordHolder { attempt_no: no, workflow_job: run }, Outcome::HolderRecorded)
    }

    /// The run is read as over and its nodes look like this.
    pub fn run_ends(&mut self, run: i64, status: RunStatus, looks: [Node; 5]) -> &mut Self {
        if matches!(self.next(), Next::WaitUntil(..)) {
            self.waits(Why::Poll);
        }
        self.turn(&Action::ReadRun { workflow_job: run }, reading(status))
            .turn(&Action::Collect { workflow_job: run }, evidence(status, looks))
    }

    pub fn verifies(&mut self) -> &mut Self {
        self.turn(&Action::Verify, as_asked()).turn(&Action::MarkHost, Outcome::HostMarked { host: 31 })
    }
}

pub fn finding() -> Finding {
    Finding {
        code: "name_taken".into(),
        subject: "VM web01".into(),
        detail: "vm-1 exists".into(),
        remedy: "choose another".into(),
    }
}

pub fn difference() -> Difference {
    Difference { side: Side::Vcenter, field: "cpu".into(), asked: "2".into(), seen: "1".into() }
}

/// A whole life with a failure in the middle: its events are replayed by several tests.
pub fn a_life_with_a_failed_stage() -> Life {
    let mut life = Life::begin(true);
    life.rests(Phase::AwaitingApproval).fact(Event::Approved(person())).comes_to_its_run(1, RUN);
    let looks = [Node::Done, Node::Failed, Node::NotRun, Node::NotRun, Node::NotRun];
    life.run_ends(RUN, RunStatus::Failed, looks).is_held("stage_failed").rests(Phase::Held);
    life.fact(Event::RetryAsked(person())).comes_to_its_run(2, 21);
    let looks = [Node::Skipped, Node::Done, Node::Done, Node::Done, Node::Done];
    life.run_ends(21, RunStatus::Successful, looks).verifies().rests(Phase::Done);
    life
}

#[test]
fn a_request_becomes_a_verified_vm() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN)
        .waits(Why::Poll)
        .turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Running))
        .idle_turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Running))
        .run_ends(RUN, RunStatus::Successful, ALL_DONE);
    assert_eq!(life.state.phase, Phase::Verifying);
    life.verifies().rests(Phase::Done);
    assert_eq!(life.state.host_mark, HostMark::Written);
    assert_eq!(life.state.operator_actions(), []);
    let kinds: Vec<&str> = life.events.iter().map(|(_, event)| event.kind()).collect();
    assert_eq!(
        kinds,
        [
            "request.received.v1",
            "preflight.done.v1",
            "launch.intended.v1",
            "claim.written.v1",
            "launch.sent.v1",
            "launch.accepted.v1",
            "claim.holder_recorded.v1",
            "run.seen.v1",
            "run.seen.v1",
            "run.judged.v1",
            "vm.verified.v1",
            "host.marked.v1",
        ]
    );
}

#[test]
fn a_person_approves_and_only_then_something_is_done() {
    let mut life = Life::begin(true);
    life.rests(Phase::AwaitingApproval).passes(86_400).rests(Phase::AwaitingApproval);
    assert_eq!(
        life.state.operator_actions(),
        [OperatorAction::Approve, OperatorAction::Deny, OperatorAction::Cancel]
    );
    life.fact(Event::Approved(person())).does(&Action::Preflight { attempt_no: 1 });
}

#[test]
fn a_person_denies_and_nothing_ever_happens() {
    let mut life = Life::begin(true);
    life.fact(Event::Denied(person())).rests(Phase::Failed).passes(86_400).rests(Phase::Failed);
    assert_eq!(life.state.operator_actions(), []);
}

#[test]
fn preflight_findings_hold_the_request_until_somebody_mends_them_and_retries() {
    let mut life = Life::begin(false);
    life.turn(&Action::Preflight { attempt_no: 1 }, Outcome::Preflight { findings: vec![finding()] })
        .is_held("preflight")
        .rests(Phase::Held);
    assert_eq!(
        life.state.operator_actions(),
        [OperatorAction::Retry, OperatorAction::Cancel, OperatorAction::GiveUp],
        "nothing was built: there is nothing to verify"
    );
    life.fact(Event::RetryAsked(person())).comes_to_its_run(1, RUN);
}

#[test]
fn a_neighbour_that_is_away_and_a_clone_still_running_only_delay_the_preflight() {
    let mut life = Life::begin(false);
    let away = Outcome::Unavailable { neighbour: "vcenter", why: "refused".into() };
    let clone = Outcome::CloneStillRunning { task: "task-7".into() };
    let preflight = Action::Preflight { attempt_no: 1 };
    life.idle_turn(&preflight, away).idle_turn(&preflight, clone).does(&preflight);
}

#[test]
fn a_failed_stage_is_held_and_a_retry_runs_only_what_is_unfinished() {
    let life = a_life_with_a_failed_stage();
    let intended: Vec<&Vec<Stage>> = life
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            Event::LaunchIntended(intended) => Some(&intended.stages),
            _ => None,
        })
        .collect();
    assert_eq!(intended, [&Stage::DEPLOYMENT.to_vec(), &Stage::DEPLOYMENT[1..].to_vec()]);
    let first = &life.state.stages[&Stage::VmProvision];
    assert_eq!((first.verdict, first.attempt_no), (Verdict::Done, 1), "skipped in attempt 2, done in 1");
}

#[test]
fn a_successful_workflow_over_a_failed_node_is_held() {
    let mut life = Life::begin(false);
    let looks = [Node::Done, Node::Done, Node::Failed, Node::NotRun, Node::NotRun];
    life.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Successful, looks).is_held("stage_failed");
    let record = &life.state.stages[&Stage::StorageConfiguration];
    assert_eq!((record.verdict, record.reason), (Verdict::Failed, Some(Reason::JobFailed)));
    assert_eq!(record.note, "no such network");
}

#[test]
fn a_failed_workflow_whose_stages_are_all_done_is_verified_all_the_same() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Failed, ALL_DONE).verifies().rests(Phase::Done);
}

#[test]
fn missing_artifacts_leave_the_word_to_vcenter() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Successful, [Node::NoArtifact; 5]);
    assert_eq!(life.state.stages[&Stage::Validation].verdict, Verdict::Unknown);
    life.verifies().rests(Phase::Done);
}

#[test]
fn a_vm_that_never_looks_as_asked_is_held_and_a_retry_runs_every_stage_again() {
    let mut life = Life::begin(false);
    let differs = || Outcome::Differs { differences: vec![difference()] };
    life.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Successful, ALL_DONE);
    life.idle_turn(&Action::Verify, differs()).waits(Why::Verify).passes(300);
    life.turn(&Action::Verify, differs()).is_held("not_as_asked").rests(Phase::Held);
    life.fact(Event::RetryAsked(person()));
    assert_eq!(life.state.unfinished_stages(), Stage::DEPLOYMENT, "an empty list would run nothing");
    life.comes_to_its_run(2, 21);
}

#[test]
fn what_was_repaired_by_hand_is_looked_at_again() {
    let mut life = Life::begin(false);
    let looks = [Node::Done, Node::Failed, Node::NotRun, Node::NotRun, Node::NotRun];
    life.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Failed, looks).is_held("stage_failed");
    assert!(life.state.allows(OperatorAction::Verify));
    life.passes(7_200).fact(Event::VerifyAsked(person()));
    life.idle_turn(&Action::Verify, Outcome::Differs { differences: vec![difference()] });
    life.waits(Why::Verify).verifies().rests(Phase::Done);
}

#[test]
fn a_host_that_may_not_be_marked_does_not_keep_the_request_open() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN)
        .run_ends(RUN, RunStatus::Successful, ALL_DONE)
        .turn(&Action::Verify, as_asked());
    assert!(life.state.is_active());
    life.turn(&Action::MarkHost, Outcome::HostMarkRefused { why: "403".into() }).rests(Phase::Done);
}

#[test]
fn a_crash_at_any_point_leaves_the_same_state_and_one_thing_to_do() {
    let life = a_life_with_a_failed_stage();
    let mut state = State::begin(life.state.id.clone(), life.events[0].0, &life.events[0].1).unwrap();
    for count in 1..=life.events.len() {
        if count > 1 {
            let (at, event) = &life.events[count - 1];
            state.apply(*at, event).unwrap();
        }
        let prefix = life.events[..count].iter().map(|(at, event)| (*at, event));
        assert_eq!(State::replay(&life.state.id, prefix).unwrap(), state, "after {count} events");
        assert_eq!(state.seq, count as u64);
        let again =
            Life { state: state.clone(), events: life.events[..count].to_vec(), ..Life::begin(false) };
        let now = life.events[count - 1].0;
        let next = crate::vm_request::next(&again.state, &again.attention, &again.policy, now);
        assert_eq!(state.is_active(), next != Next::Rest, "after {count} events: {next:?}");
        if matches!(life.events[count - 1].1, Event::LaunchSent { .. }) {
            assert!(
                matches!(next, Next::Do(Action::FindRun { .. })),
                "a sent launch is looked for: {next:?}"
            );
        }
    }
}
