//! Tests of the core as a whole: stories, a random driver, and the table of events and phases. [`Life`] plays the
//! reconciler for one request with answers that the test gives.

mod evidence;
pub mod fixtures;
mod guards;
mod random;
mod table;
mod walkthrough;
mod walkthrough_ends;
mod walkthrough_launch;
mod world;

use jiff::{SignedDuration, Timestamp};

use super::action::{Action, Outcome};
use super::conclude::conclude;
use super::event::{ByPerson, Event};
use super::hold::Hold;
use super::next::{Attention, Next, Why, next};
use super::policy::Policy;
use super::state::{Phase, State};
use fixtures::{id, received, start};

/// One request with everything that was written down about it.
struct Life {
    events: Vec<(Timestamp, Event)>,
    state: State,
    attention: Attention,
    policy: Policy,
    now: Timestamp,
}

impl Life {
    fn begin(approval: bool) -> Self {
        let event = Event::Received(Box::new(received(approval)));
        let state = State::begin(id(), start(), &event).unwrap();
        let events = vec![(start(), event)];
        let policy = Policy { settle_secs: 60, ..Policy::default() };
        Self { events, state, attention: Attention::default(), policy, now: start() }
    }

    fn next(&self) -> Next {
        next(&self.state, &self.attention, &self.policy, self.now)
    }

    /// Writes a fact down.
    fn fact(&mut self, event: Event) -> &mut Self {
        self.state.apply(self.now, &event).unwrap();
        self.events.push((self.now, event));
        self
    }

    /// The next thing to do is `action`; its intent is written down, as before it is performed.
    fn does(&mut self, action: &Action) -> &mut Self {
        assert_eq!(self.next(), Next::Do(action.clone()), "in {:?}", self.state.phase);
        if let Some(intent) = action.intent() {
            self.fact(intent);
        }
        self
    }

    /// What comes of `action`, as events; a reading without news is remembered.
    fn comes(&mut self, action: &Action, outcome: Outcome) -> Vec<Event> {
        let events = conclude(&self.state, action, outcome, &self.policy, self.now);
        for event in &events {
            self.fact(event.clone());
        }
        self.attention.nudged = false;
        if events.is_empty() {
            self.attention.last_read_at = Some(self.now);
        }
        events
    }

    /// The next thing to do is `action`, and this comes of it: news.
    fn turn(&mut self, action: &Action, outcome: Outcome) -> &mut Self {
        self.does(action);
        let events = self.comes(action, outcome);
        assert!(!events.is_empty(), "{action:?} brought no news");
        self
    }

    /// The next thing to do is `action`, and nothing comes of it.
    fn idle_turn(&mut self, action: &Action, outcome: Outcome) -> &mut Self {
        self.does(action);
        assert_eq!(self.comes(action, outcome), Vec::new());
        self
    }

    /// It waits for this reason, and the time comes.
    fn waits(&mut self, why: Why) -> &mut Self {
        let Next::WaitUntil(until, because) = self.next() else { panic!("does not wait: {:?}", self.next()) };
        assert_eq!(because, why);
        assert!(until > self.now, "waits for the past");
        self.now = until;
        self
    }

    fn passes(&mut self, secs: i64) -> &mut Self {
        self.now = self.now.checked_add(SignedDuration::from_secs(secs)).unwrap();
        self
    }

    fn rests(&mut self, phase: Phase) -> &mut Self {
        assert_eq!((self.state.phase, self.next()), (phase, Next::Rest));
        assert!(!self.state.is_active());
        self
    }

    fn is_held(&mut self, hold: &str) -> &mut Self {
        let cause = self.state.hold.as_ref().map(Hold::name);
        assert_eq!((self.state.phase, cause), (Phase::Held, Some(hold)));
        self
    }

    /// The process died and came back: what it remembered is lost, what it wrote down is not.
    fn crashes(&mut self) -> &mut Self {
        let events = self.events.iter().map(|(at, event)| (*at, event));
        let rebuilt = State::replay(&self.state.id, events).unwrap();
        assert_eq!(rebuilt, self.state);
        self.attention = Attention::default();
        self
    }
}

fn person() -> ByPerson {
    ByPerson { by: "ops".into(), comment: String::new() }
}
