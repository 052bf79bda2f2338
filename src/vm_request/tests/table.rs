//! Which event is legal in which state: the whole table as a snapshot, so that a change of it is seen.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use uuid::Uuid;

use super::fixtures::{ALL_DONE, Node, id, received, start, vm};
use super::walkthrough::{RUN, difference, finding};
use super::walkthrough_launch::{find, listing};
use super::{Life, person};
use crate::vm_request::action::{Action, LaunchOutcome, Outcome};
use crate::vm_request::event::{
    CallbackKind, CallbackSeen, Event, FoundBy, LaunchIntended, Rejected, RunJudged, RunSeen, RunStatus,
    Verified,
};
use crate::vm_request::next::Why;
use crate::vm_request::stage::Stage;
use crate::vm_request::state::{Phase, State};

/// A state and what it is called in the table.
type Named = (&'static str, State);

/// One state of each phase, and of each way to stand in it that matters.
fn states() -> Vec<Named> {
    [before_a_run(), after_a_run(), held(), cancelling(), over()].concat()
}

fn life(build: impl FnOnce(&mut Life)) -> State {
    let mut life = Life::begin(false);
    build(&mut life);
    life.state
}

fn before_a_run() -> Vec<Named> {
    vec![
        ("awaiting_approval", Life::begin(true).state),
        ("received", Life::begin(false).state),
        (
            "preflighted",
            life(|l| {
                l.turn(&Action::Preflight { attempt_no: 1 }, Outcome::Preflight { findings: vec![] });
            }),
        ),
        (
            "intended",
            life(|l| {
                l.turn(&Action::Preflight { attempt_no: 1 }, Outcome::Preflight { findings: vec![] });
                let intend = Action::IntendLaunch { attempt_no: 1, stages: l.state.unfinished_stages() };
                l.turn(&intend, Outcome::Intend { attempt: Uuid::nil() });
            }),
        ),
        (
            "claimed",
            life(|l| {
                l.comes_to_its_claim(1);
            }),
        ),
        (
            "put_off",
            life(|l| {
                l.comes_to_its_claim(1)
                    .launches(1, LaunchOutcome::PutOff { status: 429, detail: String::new() });
            }),
        ),
        (
            "sent",
            life(|l| {
                l.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 });
            }),
        ),
    ]
}

fn after_a_run() -> Vec<Named> {
    vec![
        (
            "accepted",
            life(|l| {
                l.comes_to_its_claim(1).launches(1, LaunchOutcome::Accepted { workflow_job: RUN });
            }),
        ),
        (
            "running",
            life(|l| {
                l.comes_to_its_run(1, RUN);
            }),
        ),
        (
            "verifying",
            life(|l| {
                l.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Successful, ALL_DONE);
            }),
        ),
        (
            "done",
            life(|l| {
                l.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Successful, ALL_DONE).verifies();
            }),
        ),
    ]
}

fn held() -> Vec<Named> {
    let failed = [Node::Done, Node::Failed, Node::NotRun, Node::NotRun, Node::NotRun];
    vec![
        (
            "held_preflight",
            life(|l| {
                l.turn(
                    &Action::Preflight { attempt_no: 1 },
                    Outcome::Preflight { findings: vec![finding()] },
                );
            }),
        ),
        (
            "held_stage_failed",
            life(|l| {
                l.comes_to_its_run(1, RUN).run_ends(RUN, RunStatus::Failed, failed);
            }),
        ),
        (
            "held_vanished",
            life(|l| {
                l.comes_to_its_run(1, RUN).waits(Why::Poll);
                l.turn(&Action::ReadRun { workflow_job: RUN }, Outcome::RunMissing);
            }),
        ),
        (
            "held_overdue_sent",
            life(|l| {
                l.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 }).passes(1800);
                l.turn(&Action::NoteDeadline, Outcome::Noted);
            }),
        ),
        (
            "held_overdue_running",
            life(|l| {
                l.comes_to_its_run(1, RUN).passes(1800).turn(&Action::NoteDeadline, Outcome::Noted);
            }),
        ),
        (
            "held_overdue_claimed",
            life(|l| {
                l.loses_its_first_attempt().comes_to_its_claim(2).passes(1800);
                l.turn(&Action::NoteDeadline, Outcome::Noted);
            }),
        ),
    ]
}

fn cancelling() -> Vec<Named> {
    vec![
        (
            "cancelling_early",
            life(|l| {
                l.fact(Event::CancelAsked(person()));
            }),
        ),
        (
            "cancelling_sent",
            life(|l| {
                l.comes_to_its_claim(1)
                    .does(&Action::Launch { attempt_no: 1 })
                    .fact(Event::CancelAsked(person()));
            }),
        ),
        (
            "cancelling_running",
            life(|l| {
                l.comes_to_its_run(1, RUN).fact(Event::CancelAsked(person()));
            }),
        ),
        (
            "cancelling_raised",
            life(|l| {
                l.comes_to_its_claim(1).fact(Event::CancelAsked(person()));
                l.turn(&Action::RaiseClaim { attempt_no: 2 }, Outcome::ClaimRaised { attempt_no: 2 });
            }),
        ),
        (
            "cancelling_surplus",
            life(|l| {
                l.comes_to_its_claim(1).does(&Action::Launch { attempt_no: 1 });
                l.turn(&find(1), listing(&[(RUN, RunStatus::Running), (21, RunStatus::Running)], true));
                l.fact(Event::CancelAsked(person()));
            }),
        ),
    ]
}

fn over() -> Vec<Named> {
    let rejected = Event::Rejected(Rejected {
        source: "api".into(),
        ticket: None,
        body_sha256: "00".into(),
        violations: vec![],
    });
    vec![
        (
            "cancelled",
            life(|l| {
                l.fact(Event::CancelAsked(person()));
                l.turn(&Action::Survey, Outcome::Surveyed { left_behind: vec![] });
            }),
        ),
        ("failed", State::begin(id(), start(), &rejected).unwrap()),
    ]
}

/// One event of each kind, about attempt 1, run 20 and attempt 2 where one is to come.
fn events() -> Vec<Event> {
    let attempt_no = 1;
    let judged = RunJudged {
        workflow_job: RUN,
        attempt_no,
        status: RunStatus::Successful,
        stages: BTreeMap::new(),
        explanation: String::new(),
    };
    let seen = RunSeen {
        workflow_job: RUN,
        status: RunStatus::Running,
        stages: BTreeMap::new(),
        explanation: String::new(),
    };
    let callback = CallbackSeen {
        controller: "aap".into(),
        job: RUN,
        kind: CallbackKind::WorkflowJob,
        status: RunStatus::Running,
        template: String::new(),
    };
    let intended = LaunchIntended { attempt_no, attempt: Uuid::nil(), stages: Stage::DEPLOYMENT.to_vec() };
    vec![
        Event::Received(Box::new(received(false))),
        Event::Approved(person()),
        Event::Denied(person()),
        Event::PreflightDone { attempt_no, findings: vec![] },
        Event::LaunchIntended(intended),
        Event::ClaimWritten { attempt_no, claim_host: 9 },
        Event::ClaimFoundAhead { attempt_no, found_attempt_no: 4 },
        Event::LaunchSent { attempt_no },
        Event::LaunchAccepted { attempt_no, workflow_job: RUN, found_by: FoundBy::Answer },
        Event::LaunchRefused { attempt_no, violations: vec![] },
        Event::LaunchPutOff { attempt_no, status: 429, detail: String::new() },
        Event::LaunchUnknown { attempt_no, why: String::new() },
        Event::RunNotFound { attempt_no },
        Event::HolderRecorded { attempt_no, workflow_job: RUN },
        Event::SurplusRuns { attempt_no, kept: RUN, surplus: vec![21] },
        Event::RunSeen(seen),
        Event::RunJudged(judged),
        Event::RunVanished { workflow_job: RUN },
        Event::CallbackSeen(callback),
        Event::Verified(Box::new(Verified { vm: vm(), host: 31, at: start() })),
        Event::NotAsAsked { differences: vec![difference()] },
        Event::HostMarked { host: 31 },
        Event::HostMarkRefused { why: String::new() },
        Event::DeadlinePassed { deadline_secs: 1800 },
        Event::RetryAsked(person()),
        Event::VerifyAsked(person()),
        Event::GivenUp(person()),
        Event::CancelAsked(person()),
        Event::ClaimRaised { attempt_no: 3 },
        Event::CancelSent { workflow_job: 21 },
        Event::Cancelled { left_behind: vec![] },
    ]
}

#[test]
fn each_event_is_legal_in_these_states_only_and_an_illegal_one_changes_nothing() {
    let mut table = String::new();
    let states = states();
    for event in events() {
        let mut legal = Vec::new();
        for (name, state) in &states {
            let mut after = state.clone();
            match after.apply(start(), &event) {
                Ok(()) => legal.push(format!("{name} -> {}", after.phase.name())),
                Err(error) => {
                    assert_eq!(&after, state, "{} changed {name}", event.kind());
                    assert_eq!((error.event, error.phase), (event.kind(), state.phase.name()));
                }
            }
        }
        writeln!(table, "{}\n  {}", event.kind(), legal.join("\n  ")).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[test]
fn the_table_has_a_state_of_every_phase() {
    let states = states();
    for phase in Phase::ALL {
        assert!(states.iter().any(|(_, state)| state.phase == phase), "{phase:?}");
    }
}

#[test]
fn every_event_reads_back_as_it_was_written() {
    for event in events() {
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
    }
}
