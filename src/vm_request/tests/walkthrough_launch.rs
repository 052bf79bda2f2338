//! Lives in which the launch does not go as it should.

use super::Life;
use super::fixtures::{ALL_DONE, evidence, reading};
use super::person;
use super::walkthrough::RUN;
use crate::vm_request::action::{Action, LaunchOutcome, Listing, Match, Outcome};
use crate::vm_request::event::{Event, FoundBy, RunStatus};
use crate::vm_request::next::Why;
use crate::vm_request::state::{Phase, Progress};
use crate::vm_request::violation::Violation;

pub fn find(no: u32) -> Action {
    Action::FindRun { attempt_no: no }
}

pub fn listing(matches: &[(i64, RunStatus)], is_healthy: bool) -> Outcome {
    let matches =
        matches.iter().map(|(workflow_job, status)| Match { workflow_job: *workflow_job, status: *status });
    Outcome::Listed(Listing { matches: matches.collect(), is_healthy })
}

fn unknown() -> LaunchOutcome {
    LaunchOutcome::Unknown { why: "502 text/html".into() }
}

#[test]
fn a_refused_launch_is_held_with_the_fields_named_and_a_retry_takes_a_new_number() {
    let mut life = Life::begin(false);
    let violations = vec![Violation::new("/extra_vars", "not allowed on launch", "")];
    life.comes_to_its_claim(1).launches(1, LaunchOutcome::Refused { violations }).is_held("launch_refused");
    life.rests(Phase::Held).fact(Event::RetryAsked(person())).comes_to_its_run(2, RUN);
}

#[test]
fn a_launch_put_off_three_times_waits_twice_as_long_each_time_and_stays_one_attempt() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1);
    for wait in [10, 20, 40] {
        life.launches(1, LaunchOutcome::PutOff { status: 429, detail: "slow down".into() });
        let asked = life.now;
        life.waits(Why::PutOff);
        assert_eq!(life.now.duration_since(asked).as_secs(), wait);
    }
    life.launches(1, LaunchOutcome::Accepted { workflow_job: RUN }).records(1, RUN);
    assert_eq!(life.state.attempt_no, 1);
}

#[test]
fn a_lost_answer_is_looked_for_at_once_and_the_run_is_found() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, unknown()).idle_turn(&find(1), listing(&[], true));
    life.waits(Why::Look).turn(&find(1), listing(&[(RUN, RunStatus::Pending)], true));
    assert!(matches!(
        life.events.last().unwrap().1,
        Event::LaunchAccepted { workflow_job: RUN, found_by: FoundBy::Look, .. }
    ));
    life.records(1, RUN).run_ends(RUN, RunStatus::Successful, ALL_DONE).verifies();
}

#[test]
fn a_crash_right_after_the_launch_was_sent_leads_to_a_look_and_never_to_a_second_launch() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 }).crashes();
    life.turn(&find(1), listing(&[(RUN, RunStatus::Running)], false)).records(1, RUN);
}

#[test]
fn a_run_missing_in_two_healthy_listings_after_the_settle_time_is_lost_and_gets_a_new_number() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, unknown());
    let sent = life.now;
    life.idle_turn(&find(1), listing(&[], true));
    while life.now.duration_since(sent).as_secs() < 60 {
        life.waits(Why::Look);
        if life.now.duration_since(sent).as_secs() < 60 {
            life.idle_turn(&find(1), listing(&[], true));
        }
    }
    life.turn(&find(1), listing(&[], true));
    let first = life.now;
    life.waits(Why::Look);
    assert!(life.now.duration_since(first).as_secs() >= 10, "listings that count lie apart");
    life.turn(&find(1), listing(&[], true));
    assert_eq!(life.state.intent, None);
    life.comes_to_its_run(2, RUN);
}

#[test]
fn an_unhealthy_listing_counts_for_nothing_and_is_not_hammered() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, unknown()).passes(60);
    life.idle_turn(&find(1), listing(&[], false)).waits(Why::Look);
    life.turn(&find(1), listing(&[], true)).waits(Why::Look);
    for _ in 0..5 {
        life.idle_turn(&find(1), listing(&[], false)).waits(Why::Look);
    }
    let Progress::Sent { empty_listings, .. } = life.state.intent.as_ref().unwrap().progress else {
        panic!()
    };
    assert_eq!(empty_listings, 1);
}

#[test]
fn of_several_runs_of_one_attempt_the_lowest_live_one_is_kept_and_the_others_are_cancelled() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, unknown());
    let found = [(22, RunStatus::Pending), (20, RunStatus::Canceled), (21, RunStatus::Running)];
    life.turn(&find(1), listing(&found, true)).records(1, 21);
    life.turn(&Action::CancelRun { workflow_job: 22 }, Outcome::CancelSent);
    life.turn(&Action::CancelRun { workflow_job: 20 }, Outcome::RunMissing);
    life.run_ends(21, RunStatus::Successful, ALL_DONE).verifies();
}

#[test]
fn a_surplus_run_that_cannot_be_cancelled_does_not_keep_the_run_from_being_read() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, unknown());
    life.turn(&find(1), listing(&[(20, RunStatus::Pending), (21, RunStatus::Pending)], true)).records(1, 20);
    let away = Outcome::Unavailable { neighbour: "controller", why: "503".into() };
    life.idle_turn(&Action::CancelRun { workflow_job: 21 }, away).passes(6);
    life.turn(&Action::ReadRun { workflow_job: 20 }, reading(RunStatus::Successful));
    life.turn(&Action::Collect { workflow_job: 20 }, evidence(RunStatus::Successful, ALL_DONE)).verifies();
}

#[test]
fn a_claim_found_ahead_raises_the_number_above_it() {
    let mut life = Life::begin(false);
    life.turn(&Action::Preflight { attempt_no: 1 }, Outcome::Preflight { findings: vec![] });
    let stages = life.state.unfinished_stages();
    let intend = Action::IntendLaunch { attempt_no: 1, stages };
    life.turn(&intend, Outcome::Intend { attempt: uuid::Uuid::from_u128(1) });
    life.turn(&Action::WriteClaim { attempt_no: 1 }, Outcome::ClaimAhead { attempt_no: 6 });
    life.comes_to_its_run(7, RUN);
}

#[test]
fn a_claim_lost_after_the_launch_leaves_the_run_to_end_by_itself() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, LaunchOutcome::Accepted { workflow_job: RUN });
    let record = Action::RecordHolder { attempt_no: 1, workflow_job: RUN };
    life.turn(&record, Outcome::ClaimLost { attempt_no: 4 });
    let failed = [super::fixtures::Node::Failed; 5];
    life.run_ends(RUN, RunStatus::Failed, failed).is_held("stage_failed");
    life.fact(Event::RetryAsked(person())).comes_to_its_run(5, 21);
}

#[test]
fn a_claim_that_cannot_be_written_now_is_written_later_with_the_same_number() {
    let mut life = Life::begin(false);
    life.turn(&Action::Preflight { attempt_no: 1 }, Outcome::Preflight { findings: vec![] });
    let stages = life.state.unfinished_stages();
    let intend = Action::IntendLaunch { attempt_no: 1, stages };
    life.turn(&intend, Outcome::Intend { attempt: uuid::Uuid::from_u128(1) });
    let away = Outcome::Unavailable { neighbour: "controller", why: "timeout".into() };
    let write = Action::WriteClaim { attempt_no: 1 };
    life.idle_turn(&write, away).crashes().turn(&write, Outcome::ClaimWritten { claim_host: 9 });
}

#[test]
fn a_run_that_ends_before_its_claim_could_be_written_is_collected_all_the_same() {
    let mut life = Life::begin(false);
    life.comes_to_its_claim(1).launches(1, LaunchOutcome::Accepted { workflow_job: RUN });
    let record = Action::RecordHolder { attempt_no: 1, workflow_job: RUN };
    let away = Outcome::Unavailable { neighbour: "controller", why: "409".into() };
    life.idle_turn(&record, away).turn(&record, reading(RunStatus::Failed));
    life.does(&Action::Collect { workflow_job: RUN });
}
