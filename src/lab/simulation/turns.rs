//! One request's turns: decide, make the intent durable, call, conclude, append, as the real shell's `turn` does,
//! cut into steps at the times at which something else may come between.

use super::Sabotage;
use super::hands::{Hands, SILENCE, unavailable};
use super::invariants::Invariant;
use super::life::Life;
use super::record::{Doing, Loss};
use crate::vm_request::action::{Action, LaunchOutcome, Outcome};
use crate::vm_request::conclude::conclude;
use crate::vm_request::event::{Event, RunStatus};
use crate::vm_request::next::{Attention, Next, next};

/// First pause after a turn that brought nothing, doubled each time; and the longest.
const BACKOFF_MS: (u64, u64) = (200, 30_000);

impl Life {
    /// Lets the task of request `at` do what it is due to do.
    pub(super) fn step(&mut self, at: usize) {
        self.steps += 1;
        let Some(turn) = self.records.get_mut(at).and_then(|record| record.turn.as_mut()) else { return };
        match std::mem::replace(&mut turn.doing, Doing::Decide) {
            Doing::Decide | Doing::Wait => self.decide(at),
            Doing::Pause(_) => {
                self.records[at].reload();
                self.decide(at);
            }
            Doing::Send { action, answer_at, loss, dies } => {
                let (outcome, silent) = self.call(at, &action, loss);
                let patience = if silent { self.plan.call_deadline_ms } else { 0 };
                if dies && self.dice.chance(500) {
                    return self.crash(&format!("with {} done", action.name()));
                }
                self.schedule(at, Doing::Answer { action, outcome, dies }, 0);
                let due = self.after(patience).max(answer_at);
                self.turn_at(at, due);
            }
            Doing::Answer { action, outcome, dies } => {
                if dies {
                    return self.crash(&format!("before {} was concluded", action.name()));
                }
                self.conclude(at, &action, outcome);
            }
        }
    }

    fn decide(&mut self, at: usize) {
        let now = self.now;
        let record = &mut self.records[at];
        let Some(turn) = &mut record.turn else { return };
        match next(&turn.state, &turn.attention, &self.plan.policy, now) {
            Next::Rest if record.rung => record.start(now),
            Next::Rest => {
                record.turn = None;
                if record.durable.is_active() {
                    let phase = record.durable.phase.name();
                    self.broke(Invariant::Hung, || format!("{phase} is active and rests"));
                }
            }
            Next::WaitUntil(..) if record.rung => {
                record.rung = false;
                turn.attention.nudged = true;
                record.reload();
                self.schedule(at, Doing::Decide, 0);
            }
            Next::WaitUntil(until, _) => {
                self.schedule(at, Doing::Wait, 1);
                let until = until.max(self.after(1));
                self.turn_at(at, until);
            }
            Next::Do(action) => self.begin_action(at, action),
        }
    }

    fn begin_action(&mut self, at: usize, action: Action) {
        self.actions += 1;
        let dies = self.crashes < self.plan.crashes_max && self.dice.chance(self.plan.crash_per_mille);
        let point = if dies { self.dice.below(4) } else { 4 };
        if point == 0 {
            return self.crash(&format!("before {}", action.name()));
        }
        let latency = self.dice.ms(self.plan.latency_ms) + self.world.slowness_ms();
        if matches!(action, Action::Launch { .. })
            && let Some(Err(outcome)) = self.with_hands(at, |hands| hands.prepare_launch())
        {
            return self.schedule(at, Doing::Answer { action, outcome, dies: false }, latency);
        }
        if let Some(intent) = action.intent() {
            let record = &mut self.records[at];
            if record.reload() {
                // Somebody else appended meanwhile: the turn is decided anew.
                return self.schedule(at, Doing::Decide, 0);
            }
            self.append(at, intent, true);
        }
        if point == 1 {
            return self.crash(&format!("before {} was sent", action.name()));
        }
        self.tell(|| format!("#{at} {}", action.name()));
        let is_local = matches!(action, Action::IntendLaunch { .. } | Action::NoteDeadline);
        let (latency, loss) = if is_local { (0, Loss::Nothing) } else { (latency, self.draw_loss()) };
        let answer_at = self.after(latency);
        self.schedule(at, Doing::Send { action, answer_at, loss, dies }, latency / 2);
    }

    fn draw_loss(&mut self) -> Loss {
        match (self.dice.chance(self.plan.loss_per_mille), self.dice.chance(500)) {
            (false, _) => Loss::Nothing,
            (true, true) => Loss::Request,
            (true, false) => Loss::Answer,
        }
    }

    /// Makes the call; the outcome, and whether the client waits for an answer in vain.
    pub(super) fn call(&mut self, at: usize, action: &Action, loss: Loss) -> (Outcome, bool) {
        let lost = |action: &Action| match action {
            Action::Launch { .. } => {
                Outcome::Launched(LaunchOutcome::Unknown { why: "the connection broke".to_owned() })
            }
            _ => unavailable("network", "the connection broke"),
        };
        if loss == Loss::Request {
            return (lost(action), self.dice.chance(500));
        }
        if matches!(action, Action::Launch { .. }) {
            self.check_launch(at);
        }
        let attempt =
            uuid::Uuid::from_u128(u128::from(self.dice.roll()) << 64 | u128::from(self.dice.roll()));
        let Some(outcome) = self.with_hands(at, |hands| hands.perform(action, attempt)) else {
            return (lost(action), false);
        };
        if let (Action::FindRun { attempt_no }, Outcome::Listed(_)) = (action, &outcome) {
            self.records[at].looked_at.insert(*attempt_no, self.now);
        }
        self.check_claim();
        let silent = matches!(&outcome, Outcome::Launched(LaunchOutcome::Unknown { why }) if why == SILENCE);
        if loss == Loss::Answer {
            return (lost(action), self.dice.chance(500));
        }
        (outcome, silent && self.dice.chance(700))
    }

    fn with_hands<T>(&mut self, at: usize, act: impl FnOnce(&mut Hands<'_>) -> T) -> Option<T> {
        let record = self.records.get(at)?;
        let state = record.turn.as_ref().map_or(&record.durable, |turn| &turn.state);
        let mut hands = Hands {
            world: &mut self.world,
            memory: &mut self.memory,
            traces: &mut self.traces,
            received: state.received()?,
            vm_uid: &record.vm_uid,
            now: self.now,
            sabotage: self.sabotage,
            state,
        };
        Some(act(&mut hands))
    }

    fn conclude(&mut self, at: usize, action: &Action, outcome: Outcome) {
        let now = self.now;
        let record = &mut self.records[at];
        // A conflict: the outcome is concluded against the newest state.
        record.reload();
        let Some(turn) = &record.turn else { return };
        let told = self.telling.then(|| format!("#{at} {} → {outcome:?}", action.name()));
        let brings_nothing = match &outcome {
            Outcome::Unavailable { .. } | Outcome::CloneStillRunning { .. } => Some(true),
            _ => None,
        };
        let mut events = sabotaged(self.sabotage, &turn.state, action, &outcome, now);
        if events.is_empty() {
            events = conclude(&turn.state, action, outcome, &self.plan.policy, now);
        }
        if let Some(told) = told {
            self.tell(|| told);
        }
        if events.is_empty() {
            return self.no_news(at, brings_nothing.unwrap_or(false));
        }
        for event in events {
            self.append(at, event, true);
        }
        if let Some(turn) = &mut self.records[at].turn {
            turn.attention = Attention::default();
            turn.misses = 0;
        }
        self.schedule(at, Doing::Decide, 0);
    }

    fn no_news(&mut self, at: usize, failed: bool) {
        let now = self.now;
        let Some(turn) = &mut self.records[at].turn else { return };
        turn.attention.nudged = false;
        let unchanged = !failed && turn.attention.last_read_at.replace(now) == Some(now);
        if !(failed || unchanged) {
            return self.schedule(at, Doing::Decide, 0);
        }
        turn.misses = turn.misses.saturating_add(1);
        let doubled = BACKOFF_MS.0.saturating_mul(1u64 << turn.misses.saturating_sub(1).min(20));
        let longest = doubled.min(BACKOFF_MS.1);
        let phase = turn.state.phase;
        let pause = longest / 2 + self.dice.below(longest / 2 + 1);
        self.schedule(at, Doing::Pause(phase), i64::try_from(pause).unwrap_or_default());
    }

    /// Something may be new about request `at`.
    pub(super) fn ring(&mut self, at: usize) {
        if !self.is_up {
            return;
        }
        let now = self.now;
        let record = &mut self.records[at];
        let phase = record.durable.phase;
        match record.turn.as_mut() {
            None => record.start(now),
            Some(turn) => match turn.doing {
                Doing::Wait => {
                    turn.attention.nudged = true;
                    turn.doing = Doing::Decide;
                    turn.at = now;
                    record.reload();
                }
                Doing::Pause(began) if began == phase => {}
                Doing::Pause(_) => {
                    turn.at = now;
                }
                Doing::Decide | Doing::Send { .. } | Doing::Answer { .. } => record.rung = true,
            },
        }
    }
}

/// What a sabotaged bridge makes of an outcome; nothing for an honest one.
fn sabotaged(
    sabotage: Option<Sabotage>,
    state: &crate::vm_request::State,
    action: &Action,
    outcome: &Outcome,
    now: jiff::Timestamp,
) -> Vec<Event> {
    match (sabotage, action, outcome) {
        (
            Some(Sabotage::NoLook),
            Action::Launch { attempt_no },
            Outcome::Launched(LaunchOutcome::Unknown { why }),
        ) => {
            let attempt_no = *attempt_no;
            let missed = || Event::RunNotFound { attempt_no };
            vec![Event::LaunchUnknown { attempt_no, why: why.clone() }, missed(), missed()]
        }
        (Some(Sabotage::BelieveWorkflow), Action::ReadRun { .. }, Outcome::Run(reading))
            if reading.status == RunStatus::Successful =>
        {
            super::invariants::forged_end(state, RunStatus::Successful, now)
        }
        _ => Vec::new(),
    }
}
