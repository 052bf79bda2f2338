//! The one task that compares: takes what eyes saw, keeps the register, and writes findings and sightings down.

mod takes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

use super::eyes::Saw;
use super::hands::{Order, Outcome};
use super::register::{Mending, Reading, Register};
use super::status::Board;
use super::writing::{self, Written};
use super::{Input, stopped};
use crate::journal::Journal;
use crate::reconciler::neighbours::Neighbours;
use crate::vm_request::watch::DriftVerdict;
use crate::vm_request::watch::blame::Causes;
use crate::vm_request::watch::compare::compare;
use crate::vm_request::watch::judge::{Circumstances, Judgement, Mend, judge};
use crate::vm_request::watch::mass::Mass;
use crate::vm_request::watch::policy::WatchPolicy;
use crate::vm_request::{RequestId, State};

/// Requests that are written at the same time.
const WRITES_MAX: usize = 32;
/// How often a VM is judged anew because its request moved on meanwhile.
const ROUNDS_MAX: usize = 3;
/// When what could not be done is tried again.
const AGAIN_SECS: u64 = 10;
/// An hour, for the budget of remediations.
const HOUR: SignedDuration = SignedDuration::from_secs(3_600);

/// The actor.
#[derive(Debug)]
pub(super) struct Actor {
    journal: Journal,
    neighbours: Arc<Neighbours>,
    policy: Arc<WatchPolicy>,
    register: Register,
    board: Arc<Board>,
    looks: BTreeMap<String, mpsc::Sender<Vec<String>>>,
    mends: mpsc::Sender<Order>,
    mass: Mass,
    /// When which VM is looked at again.
    agenda: BTreeMap<Timestamp, BTreeSet<RequestId>>,
    /// When remediations of the last hour were begun.
    spent: VecDeque<Timestamp>,
}

impl Actor {
    pub fn new(
        journal: Journal,
        neighbours: Arc<Neighbours>,
        policy: Arc<WatchPolicy>,
        register: Register,
        board: Arc<Board>,
        looks: BTreeMap<String, mpsc::Sender<Vec<String>>>,
        mends: mpsc::Sender<Order>,
    ) -> Self {
        let mut mass = Mass::default();
        let mut spent = VecDeque::new();
        for watched in register.all() {
            let grave = watched.watch.open.values().filter(|finding| is_grave(finding.drift.verdict));
            // A mass change outlives a restart.
            grave.for_each(|finding| mass.note(&watched.desired.request, finding.opened_at));
            spent.extend(watched.watch.remediations.iter().map(RequestId::made_at));
        }
        spent.make_contiguous().sort();
        let agenda = BTreeMap::new();
        Self { journal, neighbours, policy, register, board, looks, mends, mass, agenda, spent }
    }

    /// Runs until the watch stops.
    pub async fn run(mut self, mut inputs: mpsc::Receiver<Input>, mut stopping: watch::Receiver<bool>) {
        self.mass.wake(self.register.len(), &self.policy, self.now());
        self.show();
        loop {
            let due = self.agenda.keys().next().copied();
            let rest = due.map_or(Duration::from_secs(AGAIN_SECS), |at| until(self.now(), at));
            let touched = tokio::select! {
                () = stopped(&mut stopping) => return,
                input = inputs.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => return,
                },
                () = tokio::time::sleep(rest) => self.look_at_due(),
            };
            self.record(touched).await;
            self.write_sightings().await;
            self.show();
        }
    }

    fn now(&self) -> Timestamp {
        self.neighbours.clock.now()
    }

    /// Takes an input; the requests whose VMs are to be judged.
    async fn take(&mut self, input: Input) -> BTreeSet<RequestId> {
        match input {
            Input::Eye { vcenter, saw: Saw::All { listing, events } } => {
                self.swept(&vcenter, listing, events)
            }
            Input::Eye { vcenter, saw: Saw::Some { reading, events } } => {
                self.looked(&vcenter, reading, events)
            }
            Input::Eye { vcenter, saw: Saw::Nothing { why } } => {
                self.register.set_clear(&vcenter, false);
                self.board.change(|status| status.vcenters.entry(vcenter).or_default().trouble = Some(why));
                BTreeSet::new()
            }
            Input::Hosts { controller, saw } => self.saw_hosts(controller, saw),
            Input::News(requests) => self.learn(requests).await,
            Input::Mended { request, outcome } => {
                let was = self.register.watched_mut(&request).and_then(|watched| watched.mending.take());
                if was == Some(Mending::Request) && matches!(outcome, Outcome::Later) {
                    self.spent.pop_back(); // none was made
                }
                if let Outcome::HostRead { controller, host, began_at } = outcome {
                    let host = vec![(host.name, host.id, host.variables)];
                    return self.register.see_hosts(
                        &controller,
                        host,
                        &BTreeSet::new(),
                        Reading::Single,
                        began_at,
                    );
                }
                if matches!(outcome, Outcome::Later) {
                    self.look_again(
                        &request,
                        self.now() + SignedDuration::from_secs(AGAIN_SECS.cast_signed()),
                    );
                    return BTreeSet::new();
                }
                self.look_at(&request);
                BTreeSet::new()
            }
            Input::EndMassChange => {
                self.mass.end();
                self.register.all().map(|watched| watched.desired.request.clone()).collect()
            }
        }
    }

    /// Reads what requests say now. One whose VM was not under watch before is looked at.
    async fn learn(&mut self, requests: Vec<RequestId>) -> BTreeSet<RequestId> {
        let mut touched = BTreeSet::new();
        for request in requests {
            let state = match self.journal.load_state(&request).await {
                Ok(Some(state)) => state,
                Ok(None) => continue,
                Err(error) => {
                    tracing::warn!(%request, %error, "a request with news was not read");
                    continue;
                }
            };
            let is_new = self.register.watched(&request).is_none();
            let is_known = self.register.watched(&request).is_some_and(|watched| watched.seq == state.seq);
            if !is_known && self.register.learn(&state) {
                if is_new {
                    self.look_at(&request);
                }
                touched.insert(request);
            }
        }
        touched
    }

    /// Judges these VMs, writes down what follows, and has mended what is to be mended.
    async fn record(&mut self, mut touched: BTreeSet<RequestId>) {
        for _ in 0..ROUNDS_MAX {
            if touched.is_empty() {
                return;
            }
            let now = self.now();
            let mut facts = Vec::new();
            for request in std::mem::take(&mut touched) {
                let Some(judgement) = self.judged(&request, now) else { continue };
                if let Some(at) = judgement.look_again_at {
                    self.look_again(&request, at);
                }
                let seq = self.register.watched(&request).map_or(0, |watched| watched.seq);
                let events = writing::events_of(&judgement);
                if events.is_empty() {
                    self.mend(&request, judgement.mend, now);
                } else {
                    facts.push((request, seq, events, judgement.mend));
                }
            }
            let journal = &self.journal;
            let writes = facts.into_iter().map(|(request, seq, events, mend)| async move {
                (writing::write(journal, &request, seq, events, now).await, request, mend)
            });
            let written: Vec<_> =
                futures_util::stream::iter(writes).buffer_unordered(WRITES_MAX).collect().await;
            for (written, request, mend) in written {
                match written {
                    Written::Done(state) => {
                        self.register.learn(&state);
                        self.weigh(&state);
                        self.mend(&request, mend, now);
                    }
                    Written::MovedOn(Some(state)) => {
                        if self.register.learn(&state) {
                            touched.insert(request);
                        }
                    }
                    Written::MovedOn(None) => {}
                    Written::Failed => self.look_again(&request, later(now, secs(AGAIN_SECS))),
                }
            }
        }
        let again = later(self.now(), secs(AGAIN_SECS));
        touched.iter().for_each(|request| self.look_again(request, again));
    }

    fn judged(&mut self, request: &RequestId, now: Timestamp) -> Option<Judgement> {
        let total = self.register.len();
        let mass = self.mass.since(total, &self.policy, now).map(|_| "many VMs changed at once");
        while self.spent.front().is_some_and(|at| now.duration_since(*at) > HOUR) {
            self.spent.pop_front();
        }
        let mut memory = std::mem::take(&mut self.register.watched_mut(request)?.memory);
        let watched = self.register.watched(request)?;
        let is_stopped = self.policy.is_stopped(&watched.desired.vcenter);
        let around = Circumstances {
            policy: &self.policy,
            now,
            stopped: mass.or(is_stopped.then_some("the stop switch is set")),
            is_budget_spent: self.spent.len() >= self.policy.remediations_per_hour_max as usize,
        };
        let judgement = self.register.sides(watched, |vm, host, causes| {
            let compared = compare(&watched.desired, vm, host);
            let blame = |drift: &_| causes.and_then(|causes: &Causes| causes.of(drift));
            judge(&watched.watch, &watched.desired, &mut memory, compared, &around, &blame)
        });
        if let Some(why) = judgement.kept_back {
            tracing::info!(%request, why, "a finding is not mended now");
        }
        self.register.watched_mut(request)?.memory = memory;
        Some(judgement)
    }

    /// Keeps the count of VMs that changed lately.
    fn weigh(&mut self, state: &State) {
        if state.watch.verdict().is_some_and(is_grave) {
            self.mass.note(&state.id, self.now());
        } else {
            self.mass.forget(&state.id);
        }
    }

    fn mend(&mut self, request: &RequestId, mends: Vec<Mend>, now: Timestamp) {
        for mend in mends {
            let Some(order) = self.order(request, mend) else { continue };
            let is_remediation = matches!(order.mend, Mend::Request { .. });
            if self.mends.try_send(order).is_err() {
                self.look_again(request, later(now, secs(AGAIN_SECS)));
                continue;
            }
            if is_remediation {
                self.spent.push_back(now);
            }
            if let Some(watched) = self.register.watched_mut(request) {
                watched.mending = Some(if is_remediation { Mending::Request } else { Mending::Inventory });
            }
        }
    }

    fn order(&self, request: &RequestId, mend: Mend) -> Option<Order> {
        let watched = self.register.watched(request).filter(|watched| watched.mending.is_none())?;
        let vm = self.register.seen(watched).cloned();
        let (desired, watch) = (watched.desired.clone(), watched.watch.clone());
        Some(Order { request: request.clone(), desired: Box::new(desired), watch: Box::new(watch), vm, mend })
    }

    /// VMs whose time has come are looked at again; the look leads to a judgement.
    fn look_at_due(&mut self) -> BTreeSet<RequestId> {
        let now = self.now();
        let mut due = BTreeSet::new();
        while let Some(entry) = self.agenda.first_entry().filter(|entry| *entry.key() <= now) {
            due.extend(entry.remove());
        }
        due.iter().for_each(|request| self.look_at(request));
        BTreeSet::new()
    }

    fn look_at(&mut self, request: &RequestId) {
        let Some(watched) = self.register.watched(request) else { return };
        let (vcenter, moid) = (watched.desired.vcenter.clone(), watched.moid.clone());
        if !self.ask(&vcenter, vec![moid]) {
            self.look_again(request, later(self.now(), secs(AGAIN_SECS)));
        }
    }

    fn look_again(&mut self, request: &RequestId, at: Timestamp) {
        self.agenda.entry(at).or_default().insert(request.clone());
    }

    /// Has managed objects read; false when the eye has too much to do. The next sweep sees them in any case.
    fn ask(&self, vcenter: &str, moids: Vec<String>) -> bool {
        moids.is_empty() || self.looks.get(vcenter).is_some_and(|looks| looks.try_send(moids).is_ok())
    }

    async fn write_sightings(&mut self) {
        let news = std::mem::take(&mut self.register.news);
        for part in writing::parts(news) {
            if let Err(error) = self.journal.see(part).await {
                tracing::warn!(%error, "sightings were not written; the register shows older ones");
            }
        }
    }

    fn show(&mut self) {
        let (watched, now) = (self.register.len(), self.now());
        let findings = self.register.all().map(|watched| watched.watch.open.len()).sum();
        let since = self.mass.since(watched, &self.policy, now);
        self.board.change(|status| {
            (status.watched, status.findings, status.mass_change_since) = (watched, findings, since);
        });
    }
}

const fn is_grave(verdict: DriftVerdict) -> bool {
    matches!(verdict, DriftVerdict::VcenterChanged | DriftVerdict::Unknown | DriftVerdict::Missing)
}

fn secs(secs: u64) -> SignedDuration {
    SignedDuration::from_secs(i64::try_from(secs).unwrap_or(i64::MAX))
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}
