//! One request's turns, until it has nothing left to do: the loop that its task runs.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::driver::{Shared, Ticket, Waiting};
use super::perform::Scene;
use crate::journal::{Append, AppendError, journal_time};
use crate::vm_request::action::{Action, Outcome};
use crate::vm_request::conclude::conclude;
use crate::vm_request::next::{Attention, Next, next};
use crate::vm_request::state::State;
use crate::vm_request::{Event, RequestId, Summary};

/// First pause after a turn that brought nothing, doubled each time.
const BACKOFF_FIRST_MS: u64 = 200;
/// The longest such pause.
const BACKOFF_LONGEST_MS: u64 = 30_000;
/// A wake-up this soon after a reading is gathered with those that follow: a storm of callbacks reads no more often.
const NUDGE_GAP_MS: i64 = 250;
/// How often a fact is concluded anew because others were appended meanwhile.
const CONFLICTS_MAX: u32 = 50;

/// Why the turns of a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing is left to do until something new is known.
    AtRest,
    /// The bridge stops. The journal holds everything that is needed to go on.
    Stopped,
}

/// Runs turns until the request rests or the bridge stops.
pub(super) async fn live(shared: &Arc<Shared>, id: &RequestId, ticket: &Ticket) -> End {
    let Some(mut live) = Live::load(shared, id, ticket).await else {
        return if shared.is_stopping() { End::Stopped } else { End::AtRest };
    };
    loop {
        let now = shared.neighbours.clock.now();
        match next(&live.state, &live.attention, &shared.policy(), now) {
            Next::Rest => return End::AtRest,
            Next::WaitUntil(until, why) => {
                live.note(Some(until), why.name());
                if !live.wait_until(until).await {
                    return End::Stopped;
                }
            }
            Next::Do(action) => {
                live.note(None, action.name());
                if !live.turn(&action).await {
                    return End::Stopped;
                }
            }
        }
    }
}

struct Live<'a> {
    shared: &'a Arc<Shared>,
    ticket: &'a Ticket,
    state: State,
    attention: Attention,
    /// Turns in a row that brought nothing.
    misses: u32,
}

impl<'a> Live<'a> {
    async fn load(shared: &'a Arc<Shared>, id: &RequestId, ticket: &'a Ticket) -> Option<Self> {
        let state = load(shared, id).await?;
        Some(Self { shared, ticket, state, attention: Attention::default(), misses: 0 })
    }

    /// Says what the request is waiting for, for those who ask.
    fn note(&self, until: Option<Timestamp>, doing: &'static str) {
        self.shared.note(&self.state.id, |waiting| {
            waiting.until = until;
            waiting.doing = doing;
        });
    }

    /// Waits until the time comes, something wakes the request, or the bridge stops (false).
    async fn wait_until(&mut self, until: Timestamp) -> bool {
        let pause = until.duration_since(self.shared.neighbours.clock.now());
        let pause = Duration::try_from(pause).unwrap_or_default();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            () = self.ticket.woken() => self.reload().await && self.gather().await,
            () = self.shared.stopping() => false,
        }
    }

    /// Makes a reading due, though not sooner than [`NUDGE_GAP_MS`] after the last one; false when the bridge stops.
    async fn gather(&mut self) -> bool {
        let phase = self.state.phase;
        let gap = SignedDuration::from_millis(NUDGE_GAP_MS);
        let quiet_until = self.attention.last_read_at.and_then(|read| read.checked_add(gap).ok());
        while let Some(until) = quiet_until.filter(|_| self.state.phase == phase) {
            let rest = until.duration_since(self.shared.neighbours.clock.now());
            let Ok(rest) = Duration::try_from(rest) else { break };
            tokio::select! {
                () = tokio::time::sleep(rest) => break,
                () = self.ticket.woken() => {
                    if !self.reload().await {
                        return false;
                    }
                }
                () = self.shared.stopping() => return false,
            }
        }
        self.attention.nudged = true;
        true
    }

    /// One turn; false when the bridge stops.
    async fn turn(&mut self, action: &Action) -> bool {
        let Some(permit) = self.shared.permit(action).await else { return false };
        let outcome = match Scene::of(&self.shared.neighbours, &self.state) {
            Err(outcome) => outcome,
            Ok(scene) => match scene.prepare(action).await {
                Err(outcome) => outcome,
                Ok(prepared) => {
                    if let Some(intent) = action.intent() {
                        let Some(state) = self.write_intent(intent).await else {
                            return self.still_running();
                        };
                        self.state = state;
                    }
                    match Scene::of(&self.shared.neighbours, &self.state) {
                        Ok(scene) => scene.perform(action, prepared).await,
                        Err(outcome) => outcome,
                    }
                }
            },
        };
        drop(permit);
        self.conclude(action, outcome).await
    }

    /// Appends the intent. `None` when somebody else changed the request meanwhile: the turn is decided anew.
    async fn write_intent(&mut self, intent: Event) -> Option<State> {
        let mut changed = self.state.clone();
        let at = journal_time(self.shared.neighbours.clock.now());
        if let Err(illegal) = changed.apply(at, &intent) {
            tracing::error!(request = %self.state.id, %illegal, "an intent that the state does not allow");
            self.pause("journal", "the intent is not possible").await;
            return None;
        }
        match self.shared.journal.append(self.batch(at, vec![intent], &changed)).await {
            Ok(_) => Some(changed),
            Err(AppendError::Conflict { .. }) => {
                self.reload().await;
                None
            }
            Err(error) => {
                self.pause("journal", &error.to_string()).await;
                // The append may have been written all the same: what is durable decides.
                self.reload().await;
                None
            }
        }
    }

    /// Appends what the outcome means. An outcome is never dropped while the bridge runs: it may be the only one who
    /// knows of a run.
    async fn conclude(&mut self, action: &Action, outcome: Outcome) -> bool {
        for _ in 0..CONFLICTS_MAX {
            let at = journal_time(self.shared.neighbours.clock.now());
            let events = conclude(&self.state, action, outcome.clone(), &self.shared.policy(), at);
            if events.is_empty() {
                return self.no_news(&outcome, at).await;
            }
            let mut changed = self.state.clone();
            if let Some(illegal) = events.iter().find_map(|event| changed.apply(at, event).err()) {
                tracing::error!(request = %self.state.id, %illegal, action = action.name(), "a conclusion that the state does not allow");
                return self.pause("core", "a conclusion was not possible").await;
            }
            let run_over = events.iter().find_map(|event| match event {
                Event::RunJudged(judged) => Some(judged.workflow_job),
                _ => None,
            });
            match self.shared.journal.append(self.batch(at, events, &changed)).await {
                Ok(_) => {
                    self.state = changed;
                    if let (Some(workflow_job), Some(received)) = (run_over, self.state.received()) {
                        self.shared.run_over(&self.state.id, workflow_job, &received.spec.controller);
                    }
                    // A reading with news is a reading all the same: the next one is due at its own time.
                    let last_read_at = matches!(action, Action::ReadRun { .. }).then_some(at);
                    self.attention = Attention { last_read_at, nudged: false };
                    self.misses = 0;
                    self.shared.note(&self.state.id, |waiting| waiting.trouble = None);
                    return self.still_running();
                }
                Err(AppendError::Conflict { .. }) => {
                    if !self.reload().await {
                        return false;
                    }
                }
                Err(error) => {
                    if !self.pause("journal", &error.to_string()).await || !self.reload().await {
                        return false;
                    }
                }
            }
        }
        tracing::error!(request = %self.state.id, action = action.name(), "facts keep arriving faster than an outcome can be written");
        self.still_running()
    }

    /// A turn without news: a reading that found nothing new waits for its next time, one that failed backs off.
    async fn no_news(&mut self, outcome: &Outcome, at: Timestamp) -> bool {
        self.attention.nudged = false;
        match outcome {
            Outcome::Unavailable { neighbour, why } => self.pause(neighbour, why).await,
            Outcome::CloneStillRunning { task } => {
                self.pause("vcenter", &format!("{task} still clones this VM")).await
            }
            _ => {
                let unchanged_since = self.attention.last_read_at.replace(at);
                // A turn that neither brings news nor moves the next reading must not spin.
                if unchanged_since == Some(at) { self.pause("core", "no progress").await } else { true }
            }
        }
    }

    /// Backs off. A wake-up that changed the request cuts it short; one that did not (a callback) does not.
    async fn pause(&mut self, neighbour: &'static str, why: &str) -> bool {
        self.misses = self.misses.saturating_add(1);
        let pause = backoff(self.misses, rand::random::<u64>());
        if self.misses == 1 || self.misses.is_multiple_of(10) {
            tracing::warn!(request = %self.state.id, neighbour, why, tries = self.misses, "waiting for a neighbour");
        }
        let trouble = format!("{neighbour}: {why}");
        self.shared.note(&self.state.id, |waiting| waiting.trouble = Some(trouble));
        let phase = self.state.phase;
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return self.reload().await,
                () = self.ticket.woken() => {
                    if !self.reload().await {
                        return false;
                    }
                    if self.state.phase != phase {
                        return true;
                    }
                }
                () = self.shared.stopping() => return false,
            }
        }
    }

    async fn reload(&mut self) -> bool {
        let Some(state) = load(self.shared, &self.state.id).await else { return false };
        if state.phase != self.state.phase {
            self.misses = 0;
        }
        self.state = state;
        true
    }

    fn batch(&self, at: Timestamp, events: Vec<Event>, changed: &State) -> Append {
        Append {
            id: self.state.id.clone(),
            expected_seq: self.state.seq,
            at,
            events,
            summary: Summary::of(changed),
        }
    }

    fn still_running(&self) -> bool {
        !self.shared.is_stopping()
    }
}

/// Reads the request, again and again while the journal cannot be read; `None` when the bridge stops.
async fn load(shared: &Arc<Shared>, id: &RequestId) -> Option<State> {
    let mut tries = 0;
    loop {
        match shared.journal.load_state(id).await {
            Ok(Some(state)) => return Some(state),
            Ok(None) => {
                tracing::error!(request = %id, "the journal does not hold a request that was to be worked on");
                return None;
            }
            Err(error) => {
                tries += 1;
                tracing::error!(request = %id, %error, tries, "the journal cannot be read");
                shared.note(id, |waiting| waiting.trouble = Some(format!("journal: {error}")));
            }
        }
        tokio::select! {
            () = tokio::time::sleep(backoff(tries, rand::random())) => {}
            () = shared.stopping() => return None,
        }
    }
}

/// Exponential with full jitter on the upper half: `random` decides within it.
fn backoff(misses: u32, random: u64) -> Duration {
    let doubled =
        BACKOFF_FIRST_MS.saturating_mul(1u64.checked_shl(misses.saturating_sub(1)).unwrap_or(u64::MAX));
    let longest = doubled.min(BACKOFF_LONGEST_MS);
    Duration::from_millis(longest / 2 + random % (longest / 2 + 1))
}

impl Waiting {
    /// Nothing known yet.
    pub(super) const fn new() -> Self {
        Self { until: None, doing: "load", trouble: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_and_has_an_end() {
        let longest = |misses| backoff(misses, BACKOFF_LONGEST_MS / 2 - 1).as_millis();
        assert_eq!(backoff(1, 0).as_millis(), 100);
        assert!(backoff(1, u64::MAX).as_millis() <= 200);
        assert!(backoff(4, 0) > backoff(2, 0));
        assert!(longest(60) <= u128::from(BACKOFF_LONGEST_MS));
        assert!(longest(u32::MAX) <= u128::from(BACKOFF_LONGEST_MS));
    }
}
