//! Lives that somebody or something cuts short: cancelled, overdue, vanished, given up.

use super::fixtures::{ALL_DONE, Node, evidence, reading};
use super::walkthrough::{RUN, difference, finding};
use super::walkthrough_launch::{find, listing};
use super::{Life, person};
use crate::vm_request::action::{Action, LaunchOutcome, Outcome};
use crate::vm_request::event::{Event, RunStatus};
use crate::vm_request::hold::{LeftBehind, OperatorAction};
use crate::vm_request::next::Why;
use crate::vm_request::state::Phase;

fn surveyed() -> Outcome {
    Outcome::Surveyed { left_behind: vec![] }
}

impl Life {
    /// The claim is raised to `no`, nothing is left to stop, and the request ends.
    fn ends_cancelled(&mut self, no: u32) {
        self.turn(&Action::RaiseClaim { attempt_no: no }, Outcome::ClaimRaised { attempt_no: no })
            .turn(&Action::Survey, surveyed())
            .rests(Phase::Cancelled);
        assert_eq!(self.state.operator_actions(), []);
    }

    /// The launch of attempt 1 goes unanswered, and two listings do not hold its run.
    pub(super) fn loses_its_first_attempt(&mut self) -> &mut Self {
        self.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 }).passes(300);
        self.turn(&find(1), listing(&[], true)).waits(Why::Look).turn(&find(1), listing(&[], true))
    }

    fn is_overdue(&mut self) -> &mut Self {
        self.passes(1_800).turn(&Action::NoteDeadline, Outcome::Noted).is_held("overdue")
    }
}

#[test]
fn a_request_cancelled_before_anything_left_the_house_ends_at_once() {
    for approval in [false, true] {
        let mut life = Life::begin(approval);
        life.fact(Event::CancelAsked(person())).turn(&Action::Survey, surveyed()).rests(Phase::Cancelled);
    }
}

#[test]
fn a_request_cancelled_in_a_hold_without_an_attempt_ends_at_once() {
    let mut life = Life::begin(false);
    life.turn(&Action::Preflight { attempt_no: 1 }, Outcome::Preflight { findings: vec![finding()] });
    life.fact(Event::CancelAsked(person())).turn(&Action::Survey, surveyed()).rests(Phase::Cancelled);
}

#[test]
fn a_request_cancelled_after_its_claim_was_written_raises_the_claim_first() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).fact(Event::CancelAsked(person())).ends_cancelled(2);
}

#[test]
fn a_request_cancelled_while_its_launch_is_put_off_is_never_launched_again() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, LaunchOutcome::PutOff { status: 429, detail: String::new() });
    life.fact(Event::CancelAsked(person())).passes(600).ends_cancelled(2);
}

#[test]
fn a_request_cancelled_while_its_launch_is_unknown_waits_until_the_run_is_found_or_lost() {
    let sent = || {
        let mut life = Life::begin(false);
        life.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 }).fact(Event::CancelAsked(person()));
        life.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 2 });
        life
    };
    let mut found = sent();
    found.turn(&find(1), listing(&[(RUN, RunStatus::Pending)], true));
    found.turn(&Action::CancelRun { workflow_job: RUN }, Outcome::CancelSent).passes(11);
    found.turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Canceled));
    found.turn(&Action::Collect { workflow_job: RUN }, evidence(RunStatus::Canceled, [Node::NotRun; 5]));
    found.turn(&Action::Survey, surveyed()).rests(Phase::Cancelled);

    let mut lost = sent();
    lost.passes(60).turn(&find(1), listing(&[], true)).waits(Why::Look).turn(&find(1), listing(&[], true));
    lost.turn(&Action::Survey, surveyed()).rests(Phase::Cancelled);
}

#[test]
fn a_running_request_is_cancelled_asked_again_and_its_vm_is_named() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).fact(Event::CancelAsked(person()));
    life.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 2 });
    let cancel = Action::CancelRun { workflow_job: RUN };
    life.turn(&cancel, Outcome::CancelSent);
    for _ in 0..5 {
        life.waits(Why::Cancel);
        life.comes(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Pending));
    }
    life.passes(60).turn(&cancel, Outcome::CancelTooLate).passes(11);
    life.turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Successful));
    life.turn(&Action::Collect { workflow_job: RUN }, evidence(RunStatus::Successful, ALL_DONE));
    assert_eq!(life.state.phase, Phase::Cancelling, "the run was faster; the wish to end it stands");
    let left =
        LeftBehind { moid: "vm-199".into(), name: "web01".into(), folder: "prod/app".into(), ours: true };
    life.turn(&Action::Survey, Outcome::Surveyed { left_behind: vec![left.clone()] }).rests(Phase::Cancelled);
    assert_eq!(life.state.left_behind, [left]);
}

#[test]
fn a_cancelled_run_that_the_controller_no_longer_shows_does_not_keep_the_request() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).fact(Event::CancelAsked(person()));
    life.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 2 });
    life.turn(&Action::CancelRun { workflow_job: RUN }, Outcome::RunMissing);
    life.turn(&Action::Survey, surveyed()).rests(Phase::Cancelled);
}

#[test]
fn a_claim_that_is_ahead_of_the_cancellation_is_as_good_as_raised() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).fact(Event::CancelAsked(person()));
    life.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimAhead { attempt_no: 9 });
    life.turn(&Action::Survey, surveyed()).rests(Phase::Cancelled);
}

#[test]
fn surplus_runs_are_cancelled_with_the_request() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 }).fact(Event::CancelAsked(person()));
    life.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 2 });
    life.turn(&find(1), listing(&[(20, RunStatus::Pending), (21, RunStatus::Pending)], true));
    life.turn(&Action::CancelRun { workflow_job: 20 }, Outcome::CancelSent);
    life.turn(&Action::CancelRun { workflow_job: 21 }, Outcome::CancelSent);
    life.passes(11).turn(&Action::ReadRun { workflow_job: 20 }, reading(RunStatus::Canceled));
    life.turn(&Action::Collect { workflow_job: 20 }, evidence(RunStatus::Canceled, [Node::NotRun; 5]));
    life.turn(&Action::Survey, surveyed()).rests(Phase::Cancelled);
}

#[test]
fn a_request_is_cancelled_out_of_verifying_and_out_of_every_hold_that_follows_a_run() {
    let mut verifying = Life::begin(false);
    verifying.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Successful, ALL_DONE);
    verifying.fact(Event::CancelAsked(person())).ends_cancelled(2);

    let mut differs = Life::begin(false);
    differs.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Successful, ALL_DONE).passes(300);
    differs
        .turn(&Action::Verify, Outcome::Differs { differences: vec![difference()] })
        .is_held("not_as_asked");
    differs.fact(Event::CancelAsked(person())).ends_cancelled(2);

    let mut vanished = Life::begin(false);
    vanished.comes_to_its_run(1, RUN).waits(Why::Poll);
    vanished.turn(&Action::ReadRun { workflow_job: RUN }, Outcome::RunMissing).is_held("run_vanished");
    vanished.fact(Event::CancelAsked(person())).ends_cancelled(2);

    let mut canceled = Life::begin(false);
    canceled.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Canceled, [Node::NotRun; 5]);
    canceled.is_held("run_canceled").fact(Event::CancelAsked(person())).ends_cancelled(2);
}

#[test]
fn an_overdue_request_whose_launch_is_unknown_is_still_looked_for_and_ends_well() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 }).is_overdue();
    assert!(life.state.is_active());
    assert_eq!(life.state.operator_actions(), [OperatorAction::Cancel], "a run may exist: no retry");
    life.crashes().turn(&find(1), listing(&[(RUN, RunStatus::Running)], true));
    life.is_held("overdue").records(1, RUN).waits(Why::Poll);
    life.turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Successful));
    assert!(life.state.is_active(), "over, but its verdicts are still to be collected");
    assert_eq!(life.state.operator_actions(), [OperatorAction::Cancel]);
    life.turn(&Action::Collect { workflow_job: RUN }, evidence(RunStatus::Successful, ALL_DONE));
    life.verifies().rests(Phase::Done);
}

#[test]
fn an_overdue_request_whose_run_was_lost_rests_until_somebody_retries() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 }).is_overdue();
    life.turn(&find(1), listing(&[], true)).waits(Why::Look).turn(&find(1), listing(&[], true));
    life.is_held("overdue").rests(Phase::Held).fact(Event::RetryAsked(person())).comes_to_its_run(2, RUN);
}

#[test]
fn waiting_for_neighbours_makes_nobody_overdue() {
    let mut life = Life::begin(false);
    life.passes(86_400).does(&Action::Preflight { attempt_no: 1 });
    life.comes_to_its_claim(1).passes(86_400);
    let put_off = LaunchOutcome::PutOff { status: 401, detail: "the token expired".into() };
    life.launches(1, put_off).passes(86_400);
    life.launches(1, LaunchOutcome::Accepted { workflow_job: RUN }).records(1, RUN).is_overdue();
}

#[test]
fn an_overdue_attempt_that_was_never_sent_is_never_sent() {
    let mut life = Life::begin(false);
    life.loses_its_first_attempt().comes_to_its_claim(2).is_overdue().rests(Phase::Held);
    let error = life.state.apply(life.now, &Event::LaunchSent { attempt_no: 2 }).unwrap_err();
    assert_eq!(error.why, "nothing may be launched now");
    life.fact(Event::RetryAsked(person())).comes_to_its_run(3, RUN);
}

#[test]
fn a_vanished_run_is_held_and_a_retry_takes_a_new_number() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).waits(Why::Poll);
    life.turn(&Action::ReadRun { workflow_job: RUN }, Outcome::RunMissing).is_held("run_vanished");
    life.rests(Phase::Held).fact(Event::RetryAsked(person())).comes_to_its_run(2, 21);
}

#[test]
fn a_run_that_vanishes_between_its_end_and_its_collection_is_held() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).waits(Why::Poll);
    life.turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Failed));
    life.turn(&Action::Collect { workflow_job: RUN }, Outcome::RunMissing).is_held("run_vanished");
    life.rests(Phase::Held);
}

#[test]
fn a_run_that_is_not_over_after_all_is_read_again() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).waits(Why::Poll);
    life.turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Failed));
    let collect = Action::Collect { workflow_job: RUN };
    life.turn(&collect, evidence(RunStatus::Running, [Node::NotRun; 5])).passes(6);
    life.turn(&Action::ReadRun { workflow_job: RUN }, reading(RunStatus::Successful));
    life.turn(&collect, evidence(RunStatus::Successful, ALL_DONE)).verifies();
}

#[test]
fn a_vanished_run_that_is_seen_again_is_running_again() {
    let mut life = Life::begin(false);
    life.comes_to_its_run(1, RUN).waits(Why::Poll);
    let read = Action::ReadRun { workflow_job: RUN };
    life.turn(&read, Outcome::RunMissing).is_held("run_vanished");
    assert_eq!(life.comes(&read, reading(RunStatus::Running)).len(), 1);
    assert_eq!((life.state.phase, &life.state.hold), (Phase::Running, &None));
    life.run_ends(RUN, RunStatus::Successful, ALL_DONE).verifies();
}

#[test]
fn a_request_given_up_stays_given_up() {
    let mut life = Life::begin(false);
    let looks = [Node::Done, Node::Failed, Node::NotRun, Node::NotRun, Node::NotRun];
    life.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Failed, looks).fact(Event::GivenUp(person()));
    life.rests(Phase::Failed).passes(86_400).rests(Phase::Failed);
}
