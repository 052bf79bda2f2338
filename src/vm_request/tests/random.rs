//! Random lives in a small world: answers lost, processes dying, people and callbacks between any two steps. Whatever
//! happens, the rules below hold; and once the world behaves, the request comes to its end.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::world::{Tape, World};
use super::{Life, person};
use crate::vm_request::action::{Action, Outcome};
use crate::vm_request::conclude::conclude;
use crate::vm_request::event::{CallbackKind, CallbackSeen, Event, RunStatus};
use crate::vm_request::hold::OperatorAction;
use crate::vm_request::next::Next;
use crate::vm_request::state::{Phase, State};

/// The longest wait that the policy knows.
const LONGEST_WAIT_SECS: i64 = 600;
/// No life needs more turns than this once its world behaves.
const TURNS_MAX: usize = 3_000;

struct Driver {
    life: Life,
    world: World,
    tape: Tape,
}

impl Driver {
    fn new(approval: bool, tape: Vec<u8>) -> Self {
        let world = World::default();
        Self { life: Life::begin(approval), world, tape: Tape::new(tape) }
    }

    /// Appends a fact and checks the rules that hold between facts.
    fn fact(&mut self, event: Event) {
        let before = self.life.state.clone();
        let mut after = before.clone();
        if let Err(error) = after.apply(self.life.now, &event) {
            assert_eq!(after, before, "an illegal event changed the state");
            panic!("{error}: {event:?}\n{:#?}", self.life.events);
        }
        assert!(after.attempt_no >= before.attempt_no, "the number fell");
        let known = |wanted: &dyn Fn(&Event) -> bool| self.life.events.iter().any(|(_, event)| wanted(event));
        match &event {
            Event::LaunchSent { attempt_no: no } => {
                assert!(
                    known(
                        &|event| matches!(event, Event::ClaimWritten { attempt_no, .. } if attempt_no == no)
                    ),
                    "sent without a claim"
                );
                assert!(!before.has_live_run(), "sent while a run may be live");
            }
            Event::LaunchAccepted { attempt_no: no, .. } => assert!(
                !known(
                    &|event| matches!(event, Event::LaunchAccepted { attempt_no, .. } if attempt_no == no)
                ),
                "two runs accepted for one attempt"
            ),
            _ => {}
        }
        if after.phase == Phase::Done && before.phase != Phase::Done {
            assert!(matches!(event, Event::Verified(_)), "done through {}", event.kind());
        }
        assert!(
            !before.phase.is_over() || after.phase == before.phase,
            "rose from {:?} to {:?}",
            before.phase,
            after.phase
        );
        self.life.state = after;
        self.life.events.push((self.life.now, event));
    }

    /// Something from outside, at any moment.
    fn outside(&mut self) {
        let allowed = |action| self.life.state.allows(action);
        let event = match self.tape.choose(24) {
            1..=3 => self.life.state.run.as_ref().map(|run| {
                Event::CallbackSeen(CallbackSeen {
                    controller: "aap".into(),
                    job: run.workflow_job,
                    kind: CallbackKind::WorkflowJob,
                    status: RunStatus::Successful,
                    template: String::new(),
                })
            }),
            4 if allowed(OperatorAction::Cancel) => Some(Event::CancelAsked(person())),
            5 if allowed(OperatorAction::GiveUp) => Some(Event::GivenUp(person())),
            6 | 7 if allowed(OperatorAction::Verify) => Some(Event::VerifyAsked(person())),
            8 if allowed(OperatorAction::Deny) => Some(Event::Denied(person())),
            9..=13 => self.person_goes_on(),
            14 => {
                // The claim is taken over by somebody else.
                let found = self.world.claim.map_or(0, |(no, _)| no);
                self.world.claim = Some((found + 3, None));
                None
            }
            _ => None,
        };
        if let Some(event) = event {
            self.life.attention.nudged |= matches!(event, Event::CallbackSeen(_));
            self.fact(event);
        }
    }

    fn person_goes_on(&self) -> Option<Event> {
        let allows = |action| self.life.state.allows(action);
        match () {
            () if allows(OperatorAction::Approve) => Some(Event::Approved(person())),
            () if allows(OperatorAction::Retry) => Some(Event::RetryAsked(person())),
            () => None,
        }
    }

    fn passes(&mut self, secs: i64) {
        self.life.passes(secs);
        self.world.live_on(self.life.now, &mut self.tape);
    }

    fn turn(&mut self) {
        self.outside();
        if self.tape.choose(12) == 1 {
            self.life.crashes();
        }
        if self.tape.choose(40) == 1 {
            self.passes(1_800);
        }
        let next = self.life.next();
        assert_eq!(self.life.state.is_active(), next != Next::Rest, "{next:?} in {:#?}", self.life.state);
        match next {
            Next::Rest => self.passes(5),
            Next::WaitUntil(until, why) => {
                let wait = until.duration_since(self.life.now);
                assert!(wait > SignedDuration::ZERO, "waits for the past: {why:?}");
                assert!(wait.as_secs() <= LONGEST_WAIT_SECS, "waits {wait:?} for {why:?}");
                let waits = if self.tape.choose(3) == 1 { 1 } else { wait.as_secs().max(1) };
                self.passes(waits);
            }
            Next::Do(action) => self.act(&action),
        }
    }

    fn act(&mut self, action: &Action) {
        if let Some(intent) = action.intent() {
            self.fact(intent);
        }
        if self.tape.choose(12) == 1 {
            self.life.crashes();
            return;
        }
        let outcome = self.world.perform(&self.life.state, action, self.life.now, &mut self.tape);
        let took = self.tape.choose(40);
        self.passes(i64::from(took));
        if self.tape.choose(12) == 1 {
            self.life.crashes();
            return;
        }
        let seq = self.life.state.seq;
        self.outside();
        let is_idle = matches!(outcome, Outcome::Unavailable { .. } | Outcome::CloneStillRunning { .. });
        let state = &self.life.state;
        let events = conclude(state, action, outcome, &self.life.policy, self.life.now);
        self.life.attention.nudged = false;
        if events.is_empty() {
            self.life.attention.last_read_at = Some(self.life.now);
            if is_idle {
                self.passes(3);
            } else if self.life.state.seq == seq {
                let again = self.life.next();
                assert_ne!(again, Next::Do(action.clone()), "the same again at once: {:#?}", self.life.state);
            }
        }
        for event in events {
            self.fact(event);
        }
    }

    /// The world behaves from now on, and a person presses what there is to press.
    fn comes_to_its_end(&mut self) {
        for _ in 0..TURNS_MAX {
            if self.life.state.phase.is_over() && !self.life.state.is_active() {
                return;
            }
            if !self.life.state.is_active()
                && let Some(event) = self.person_goes_on()
            {
                self.fact(event);
            }
            self.turn();
        }
        panic!("it never ends: {:#?}\n{:#?}", self.life.state, self.world);
    }
}

fn lives(approval: bool, tape: Vec<u8>) -> Driver {
    let mut driver = Driver::new(approval, tape);
    while !driver.tape.is_over() {
        driver.turn();
    }
    driver.comes_to_its_end();
    let events = driver.life.events.iter().map(|(at, event)| (*at, event));
    assert_eq!(State::replay(&driver.life.state.id, events).unwrap(), driver.life.state);
    driver
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_rules_hold_and_the_request_ends(
        approval: bool,
        tape in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        lives(approval, tape);
    }
}

#[test]
fn a_life_in_a_world_that_behaves_is_done_after_one_run() {
    let driver = lives(false, Vec::new());
    assert_eq!((driver.life.state.phase, driver.world.runs.len()), (Phase::Done, 1));
}

/// The random driver is worth something only if it gets everywhere.
#[test]
fn random_lives_reach_every_phase_and_every_kind_of_event() {
    let mut kinds = BTreeSet::new();
    let mut bytes: u64 = 0x9e37_79b9_7f4a_7c15;
    for life in 0..600 {
        let tape = (0..300).map(|_| {
            bytes ^= bytes << 13;
            bytes ^= bytes >> 7;
            bytes ^= bytes << 17;
            bytes.to_be_bytes()[3]
        });
        let driver = lives(life % 3 == 0, tape.collect());
        kinds.extend(driver.life.events.iter().map(|(_, event)| event.kind()));
    }
    let missing = ["request.rejected.v1"];
    assert_eq!(kinds.len(), 32 - missing.len(), "{kinds:#?}");
}
