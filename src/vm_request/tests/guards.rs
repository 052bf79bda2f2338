//! News that comes too late, and events that cannot be: neither moves a request.

use super::fixtures::{ALL_DONE, Node, as_asked, evidence, reading};
use super::walkthrough::RUN;
use super::walkthrough_launch::{find, listing};
use super::{Life, person};
use crate::vm_request::action::{Action, LaunchOutcome, Outcome};
use crate::vm_request::event::{Event, RunStatus};
use crate::vm_request::next::{Next, Why};
use crate::vm_request::policy::Policy;
use crate::vm_request::state::Phase;

/// A run that vanished, and then a person decided.
fn vanished_and(decision: Event) -> Life {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).waits(Why::Poll);
    life.turn(&Action::ReadRun { workflow_job: RUN }, Outcome::RunMissing).fact(decision);
    life
}

#[test]
fn late_news_of_a_run_does_not_raise_a_request_from_the_dead() {
    for decision in [Event::GivenUp(person()), Event::RetryAsked(person()), Event::VerifyAsked(person())] {
        let mut life = vanished_and(decision);
        let before = life.state.clone();
        let collect = Action::Collect { workflow_job: RUN };
        for (action, outcome) in [
            (Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Running)),
            (Action::ReadRun { workflow_job: RUN }, Outcome::RunMissing),
            (collect.clone(), evidence(RunStatus::Successful, ALL_DONE)),
            (collect, Outcome::RunMissing),
            (Action::RecordHolder { attempt_no: 1, workflow_job: RUN }, Outcome::HolderRecorded),
            (Action::RecordHolder { attempt_no: 1, workflow_job: RUN }, Outcome::ClaimLost { attempt_no: 9 }),
            (
                Action::Launch { attempt_no: 1 },
                Outcome::Launched(LaunchOutcome::Accepted { workflow_job: 99 }),
            ),
            (find(1), listing(&[(99, RunStatus::Running)], true)),
            (find(1), listing(&[], true)),
            (Action::NoteDeadline, Outcome::Noted),
            (Action::Survey, Outcome::Surveyed { left_behind: vec![] }),
            (Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 2 }),
            (Action::MarkHost, Outcome::HostMarked { host: 1 }),
        ] {
            assert_eq!(life.comes(&action, outcome), Vec::new(), "{action:?} in {:?}", life.state.phase);
        }
        assert_eq!(life.state, before);
    }
}

#[test]
fn a_verification_that_comes_after_the_cancellation_does_not_make_it_done() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Successful, ALL_DONE).does(&Action::Verify);
    life.fact(Event::CancelAsked(person()));
    assert_eq!(life.comes(&Action::Verify, as_asked()), Vec::new());
    assert_eq!(life.state.phase, Phase::Cancelling);
}

#[test]
fn an_answer_that_comes_after_the_cancellation_is_kept_so_that_the_run_can_be_stopped() {
    let mut life = Life::begin(false);
    let launch = Action::Launch { attempt_no: 1 };
    life.comes_to_its_claim(1).does(&launch).fact(Event::CancelAsked(person()));
    assert_eq!(
        life.comes(&launch, Outcome::Launched(LaunchOutcome::Accepted { workflow_job: RUN })).len(),
        1
    );
    life.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 2 });
    life.does(&Action::CancelRun { workflow_job: RUN });
}

#[test]
fn a_request_cannot_end_as_cancelled_while_a_run_may_exist_or_the_claim_is_not_raised() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).fact(Event::CancelAsked(person()));
    let ended = Event::Cancelled { left_behind: vec![] };
    assert!(life.state.apply(life.now, &ended).is_err());
    life.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 2 });
    assert!(life.state.apply(life.now, &ended).is_err());
    assert_eq!(life.comes(&Action::Survey, Outcome::Surveyed { left_behind: vec![] }), Vec::new());
}

#[test]
fn nobody_is_launched_in_a_request_that_is_being_cancelled() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).fact(Event::CancelAsked(person()));
    assert!(life.state.apply(life.now, &Event::LaunchSent { attempt_no: 1 }).is_err());
}

#[test]
fn a_late_claim_never_lowers_the_number() {
    let mut life = Life::begin(false);
    life.turn(&Action::Preflight { attempt_no: 1 }, Outcome::Preflight { findings: vec![] });
    let intend = Action::IntendLaunch { attempt_no: 1, stages: life.state.unfinished_stages() };
    life.turn(&intend, Outcome::Intend { attempt: uuid::Uuid::from_u128(1) });
    life.fact(Event::CancelAsked(person()));
    life.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 8 });
    life.comes(&Action::WriteClaim { attempt_no: 1 }, Outcome::ClaimAhead { attempt_no: 3 });
    assert_eq!(life.state.attempt_no, 8);
}

#[test]
fn a_deadline_that_moved_meanwhile_is_not_noted() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN);
    assert_eq!(life.comes(&Action::NoteDeadline, Outcome::Noted), Vec::new());
}

#[test]
fn older_done_verdicts_survive_a_resumed_attempt_unless_it_says_failed() {
    let resumed = |second: Node| {
        let mut life = Life::begin(false);
        let looks = [Node::Done, Node::Failed, Node::NotRun, Node::NotRun, Node::NotRun];
        life.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Failed, looks);
        life.fact(Event::RetryAsked(person())).comes_to_its_run(2, 21);
        life.run_ends(21, RunStatus::Successful, [second, Node::Done, Node::Done, Node::Done, Node::Done]);
        life.state.phase
    };
    for harmless in [Node::Skipped, Node::Done, Node::NotRun, Node::NoArtifact] {
        assert_eq!(resumed(harmless), Phase::Verifying, "{harmless:?}");
    }
    assert_eq!(resumed(Node::Failed), Phase::Held);
}

#[test]
fn a_callback_makes_a_reading_due_and_nothing_else() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN);
    assert!(matches!(life.next(), Next::WaitUntil(_, Why::Poll)));
    life.attention.nudged = true;
    life.idle_turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Pending));
    assert!(matches!(life.next(), Next::WaitUntil(_, Why::Poll)), "once");
}

#[test]
fn open_runs_are_due_at_the_same_instants_so_that_one_request_reads_many() {
    let due = |accepted_after: i64| {
        let mut life = Life::begin(false);
        life.passes(accepted_after).comes_to_its_run(1, RUN);
        let Next::WaitUntil(until, Why::Poll) = life.next() else { panic!() };
        until.as_second()
    };
    assert_eq!(due(1), due(4));
    assert_eq!(due(1) % 5, 0);
}

#[test]
fn the_wait_for_a_launch_put_off_is_bounded_however_often() {
    let mut life = Life::begin(false);
    life.policy = Policy { overall_deadline_secs: u64::MAX, ..Policy::default() };
    life.comes_to_its_claim(1);
    for _ in 0..80 {
        life.launches(1, LaunchOutcome::PutOff { status: 403, detail: String::new() });
        let asked = life.now;
        life.waits(Why::PutOff);
        assert!(life.now.duration_since(asked).as_secs() <= 600);
    }
}

#[test]
fn the_highest_number_there_is_does_not_overflow() {
    let mut life = Life::begin(false);
    life.turn(&Action::Preflight { attempt_no: 1 }, Outcome::Preflight { findings: vec![] });
    let intend = Action::IntendLaunch { attempt_no: 1, stages: life.state.unfinished_stages() };
    life.turn(&intend, Outcome::Intend { attempt: uuid::Uuid::from_u128(1) });
    life.turn(&Action::WriteClaim { attempt_no: 1 }, Outcome::ClaimAhead { attempt_no: u32::MAX });
    life.does(&Action::Preflight { attempt_no: u32::MAX });
}
