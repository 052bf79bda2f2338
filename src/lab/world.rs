//! The lab's world: one controller, one vCenter, the playbooks between them, and what goes wrong. Pure: time
//! is an argument, the seed decides. The HTTP front and the in-process simulation both play this one.
//!
//! [`Lab`] puts it behind real HTTP.

mod options;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::controller::model::access::Caller;
use super::controller::model::rows::{Scope, WorkflowJob};
use super::controller::model::{
    Content, Controller, ControllerSetup, Id, LaunchBody, Notice, Refusal, Status, Tempo, WorkflowLaunch,
};
use super::executor::{Executor, Stagehands};
use super::faults::{Fault, FaultPlan};
use super::vsphere::{self, Vsphere};

pub use super::controller::api::server::{Calls, Lab, LabError, LabOptions};
pub use options::{FaultSpans, Plays, WorldOptions};

/// What reaches the client of a request that the controller has dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery<T> {
    /// The controller's own answer.
    Answered(T),
    /// Nothing: the connection breaks, or stays silent beyond any patience.
    Lost,
    /// 502 in HTML, from the proxy in front.
    BadGateway,
}

/// One controller and one vCenter, and what happens between and to them.
#[derive(Debug, Clone)]
pub struct World {
    pub controller: Controller,
    pub vsphere: Vsphere,
    pub content: Content,
    pub faults: FaultPlan,
    spans: FaultSpans,
    plays: Plays,
    executor: Executor,
    now: Timestamp,
    errands: BTreeMap<(Timestamp, u64), Errand>,
    outbox: BTreeMap<(Timestamp, u64), Notice>,
    entries: u64,
    open_runs: BTreeMap<Id, Status>,
    refused_tokens_until: Option<Timestamp>,
    vcenter_away_until: Option<Timestamp>,
}

/// Something that somebody, or a proxy, does later.
#[derive(Debug, Clone)]
enum Errand {
    Replay { caller: Caller, template: Id, body: LaunchBody },
    Relaunch(Id),
    Delete(Id),
}

impl World {
    /// Makes a world.
    ///
    /// # Errors
    /// vSphere's fault for a layout that does not hold together.
    pub fn new(options: WorldOptions, now: Timestamp) -> Result<Self, vsphere::Fault> {
        let setup = ControllerSetup { tempo: options.tempo, seed: options.seed, callback: options.callback };
        let (controller, content) = Controller::open(&setup, now);
        Ok(Self {
            controller,
            vsphere: Vsphere::new(&options.layout, options.seed)?,
            content,
            faults: options.faults,
            spans: options.spans,
            plays: options.plays,
            executor: Executor::default(),
            now,
            errands: BTreeMap::new(),
            outbox: BTreeMap::new(),
            entries: 0,
            open_runs: BTreeMap::new(),
            refused_tokens_until: None,
            vcenter_away_until: None,
        })
    }

    /// Lets everything happen that is due by `now`, each at its own time. Going backward does nothing.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some(at) = self.next_event().filter(|at| *at <= now) {
            self.now = self.now.max(at);
            self.happen(at);
        }
        self.now = self.now.max(now);
    }

    fn happen(&mut self, at: Timestamp) {
        self.controller.tick(at);
        self.vsphere.tick(at);
        while let Some(entry) = self.errands.first_entry().filter(|entry| entry.key().0 <= at) {
            let errand = entry.remove();
            self.run_errand(errand, at);
        }
        let vcenter_away = self.vcenter_is_away(at);
        if self.plays == Plays::Modelled {
            let mut hands = Stagehands {
                controller: &mut self.controller,
                vsphere: &mut self.vsphere,
                content: &self.content,
                faults: &mut self.faults,
                vcenter_away,
            };
            self.executor.advance(&mut hands, at);
        }
        self.observe_runs(at);
        self.queue_notices();
    }

    fn next_event(&self) -> Option<Timestamp> {
        let errand = self.errands.keys().next().map(|(at, _)| *at);
        let all = [self.controller.next_due(), self.vsphere.next_due(), self.executor.next_due(), errand];
        all.into_iter().flatten().min()
    }

    /// When something next happens by itself, a callback falling due included; `None` while all is quiet. A
    /// callback stays due until [`World::take_callbacks`] takes it.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let callback = self.outbox.keys().next().map(|(at, _)| *at);
        self.next_event().into_iter().chain(callback).min()
    }

    /// The callbacks that are due by `now`, in the order they arrive in; faults have been at work on them.
    pub fn take_callbacks(&mut self, now: Timestamp) -> Vec<Notice> {
        self.queue_notices();
        let mut due = Vec::new();
        while let Some(entry) = self.outbox.first_entry().filter(|entry| entry.key().0 <= now) {
            due.push(entry.remove());
        }
        due
    }

    fn queue_notices(&mut self) {
        for notice in self.controller.take_notices() {
            if self.faults.strikes(Fault::CallbackLost) {
                continue;
            }
            let late = notice.due.checked_add(Tempo::span(self.spans.callback_late_ms)).unwrap_or(notice.due);
            let is_end = notice.body.get("finished").is_some_and(|at| !at.is_null());
            if is_end && self.faults.strikes(Fault::CallbackContradictory) {
                let body = Controller::contradicting_body(&notice.body);
                self.post(late, Notice { due: late, body, ..notice.clone() });
            }
            if self.faults.strikes(Fault::CallbackDoubled) {
                self.post(notice.due, notice.clone());
            }
            let due = if self.faults.strikes(Fault::CallbackReordered) { late } else { notice.due };
            self.post(due, Notice { due, ..notice });
        }
    }

    fn post(&mut self, at: Timestamp, notice: Notice) {
        self.entries += 1;
        self.outbox.insert((at, self.entries), notice);
    }

    fn later(&mut self, at: Timestamp, ms: i64, errand: Errand) {
        self.entries += 1;
        let at = at.checked_add(Tempo::span(ms)).unwrap_or(Timestamp::MAX);
        self.errands.insert((at, self.entries), errand);
    }

    /// Notices which runs appeared, began and ended, and lets the faults act that wait for it.
    fn observe_runs(&mut self, at: Timestamp) {
        for id in self.controller.take_committed() {
            self.open_runs.insert(id, Status::Pending);
        }
        let changes: Vec<(Id, Status, Option<Status>)> = self
            .open_runs
            .iter()
            .map(|(id, before)| (*id, *before, self.controller.workflow_job(*id).map(|run| run.status)))
            .filter(|(_, before, after)| Some(*before) != *after)
            .collect();
        for (id, _, after) in changes {
            match after {
                Some(status) if !status.is_terminal() => {
                    self.open_runs.insert(id, status);
                    if status == Status::Running {
                        self.run_began(at);
                    }
                }
                Some(_) => {
                    self.open_runs.remove(&id);
                    self.run_ended(id, at);
                }
                None => {
                    self.open_runs.remove(&id);
                }
            }
        }
    }

    fn run_began(&mut self, at: Timestamp) {
        let after = |ms| at.checked_add(Tempo::span(ms)).ok();
        if self.faults.strikes(Fault::UnauthorizedMidRun) {
            self.refused_tokens_until = after(self.spans.unauthorized_ms);
        }
        if self.faults.strikes(Fault::VcenterAway) {
            self.vcenter_away_until = after(self.spans.vcenter_away_ms);
        }
    }

    fn run_ended(&mut self, id: Id, at: Timestamp) {
        if self.faults.strikes(Fault::HandRelaunch) {
            self.later(at, self.spans.hand_ms, Errand::Relaunch(id));
        }
        if self.faults.strikes(Fault::RunDeleted) {
            self.later(at, self.spans.hand_ms, Errand::Delete(id));
        }
    }

    /// An errand that the controller refuses (the run is gone, the template was deleted) comes to nothing:
    /// whoever ran it sees an error page and the world goes on.
    fn run_errand(&mut self, errand: Errand, at: Timestamp) {
        let admin = Caller { user: self.content.admin, scope: Scope::Write };
        let refused = match errand {
            Errand::Replay { caller, template, body } => {
                self.controller.launch_workflow(caller, template, &body, at, at).err()
            }
            Errand::Relaunch(id) => self.controller.relaunch_workflow_job(admin, id, at).err(),
            Errand::Delete(id) => self.controller.delete_workflow_job(admin, id).err(),
        };
        if let Some(refusal) = refused {
            tracing::debug!(%refusal, "the lab's errand came to nothing");
        }
    }

    /// Who holds a bearer token, unless the lab refuses all but the administrator's for a while.
    ///
    /// # Errors
    /// [`Refusal::Unauthenticated`].
    pub fn bearer(&self, secret: &str, now: Timestamp) -> Result<Caller, Refusal> {
        let caller = self.controller.bearer(secret, now)?;
        let refused = self.refused_tokens_until.is_some_and(|until| now < until);
        if refused && caller.user != self.content.admin { Err(Refusal::Unauthenticated) } else { Ok(caller) }
    }

    /// Whether vCenter answers nobody at `now`.
    #[must_use]
    pub fn vcenter_is_away(&self, now: Timestamp) -> bool {
        self.vcenter_away_until.is_some_and(|until| now < until)
    }

    /// Lets vCenter be silent until `until`, or answer again (`None`).
    pub fn set_vcenter_away(&mut self, until: Option<Timestamp>) {
        self.vcenter_away_until = until;
    }

    /// Refuses every token but the administrator's until `until`, or no more (`None`).
    pub fn refuse_tokens(&mut self, until: Option<Timestamp>) {
        self.refused_tokens_until = until;
    }

    /// How long the present answer is to be held back, in milliseconds; 0 unless `slow` strikes.
    pub fn slowness_ms(&mut self) -> i64 {
        if self.faults.strikes(Fault::Slow) { self.spans.slow_ms } else { 0 }
    }

    /// `POST workflow_job_templates/N/launch/`, with what the plan lets go wrong on the way.
    pub fn post_launch(
        &mut self,
        caller: Caller,
        template: Id,
        body: &LaunchBody,
        now: Timestamp,
    ) -> Delivery<Result<WorkflowLaunch, Refusal>> {
        self.tick(now);
        let late = self.faults.strikes(Fault::LateCommit);
        let commits_at = if late {
            now.checked_add(Tempo::span(self.spans.late_commit_ms)).unwrap_or(Timestamp::MAX)
        } else {
            now
        };
        let launched = self.controller.launch_workflow(caller, template, body, now, commits_at);
        let Ok(launch) = launched else { return Delivery::Answered(launched) };
        if self.faults.strikes(Fault::RunStuckPending) {
            self.controller.hold_pending(launch.workflow_job);
        }
        if self.faults.strikes(Fault::DoubleRun) {
            let errand = Errand::Replay { caller, template, body: body.clone() };
            self.later(now, self.spans.replay_ms, errand);
        }
        if late || self.faults.strikes(Fault::AnswerLostAfterCommit) {
            return Delivery::Lost;
        }
        if self.faults.strikes(Fault::BadGatewayAfterAccept) {
            return Delivery::BadGateway;
        }
        Delivery::Answered(Ok(launch))
    }

    /// The runs that may change something now, their claim being settled, each with the stage it is at.
    pub fn acting_runs(&self) -> impl Iterator<Item = (Id, &str)> {
        self.executor.acting()
    }

    /// Every run that was ever visible and still is, by the `execution_id` it carries, in order of the ids.
    #[must_use]
    pub fn runs_by_execution(&self) -> BTreeMap<String, Vec<Id>> {
        let mut runs: BTreeMap<String, Vec<Id>> = BTreeMap::new();
        for run in self.controller.workflow_jobs_after(0) {
            let execution = run.extra_vars.get("execution_id").and_then(Value::as_str);
            runs.entry(execution.unwrap_or_default().to_owned()).or_default().push(run.id);
        }
        runs
    }

    /// How many VMs were ever created for each identity that runs carry, destroyed ones included.
    #[must_use]
    pub fn vms_by_uid(&self) -> BTreeMap<String, usize> {
        let uids: BTreeSet<String> = self
            .controller
            .workflow_jobs_after(0)
            .filter_map(|run| run.extra_vars.get("vm_uid").and_then(Value::as_str).map(str::to_owned))
            .collect();
        uids.into_iter().map(|uid| (uid.clone(), self.vsphere.clones_of_uid(&uid))).collect()
    }

    /// The runs of one request.
    #[must_use]
    pub fn runs_of(&self, execution_id: &str) -> Vec<&WorkflowJob> {
        let of = |run: &&WorkflowJob| run.extra_vars.get("execution_id") == Some(&Value::from(execution_id));
        self.controller.workflow_jobs_after(0).filter(of).collect()
    }

    /// A VM's variables in the state inventory.
    #[must_use]
    pub fn state_of(&self, host_name: &str) -> Option<Map<String, Value>> {
        let host = self.controller.host_id(self.content.state_inventory, host_name)?;
        self.controller.host_variables(host)
    }
}
