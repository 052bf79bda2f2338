//! Performs the core's actions against the world's model: the same calls in the same order as the real shell's
//! `reconciler::perform`, with the controller's refusals read as its client reads them. What the process remembers
//! of its neighbours is [`Memory`]; a crash loses it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::Sabotage;
use super::claims;
use super::sights;
use crate::lab::controller::model::access::Caller;
use crate::lab::controller::model::content::BRIDGE_TOKEN;
use crate::lab::controller::model::rows::{Job, WorkflowJob};
use crate::lab::controller::model::{Id, LaunchBody, LaunchType, Refusal, Status};
use crate::lab::world::{Delivery, World};
use crate::vm_request::action::{
    Action, Evidence, JobArtifacts, JobEvidence, LaunchOutcome, Listing, Match, NodeEvidence, Outcome,
    RunReading,
};
use crate::vm_request::differences::{HostFacts, VerificationFacts, differences};
use crate::vm_request::event::{Received, RunStatus};
use crate::vm_request::extra_vars::extra_vars;
use crate::vm_request::hold::LeftBehind;
use crate::vm_request::preflight::{PreflightFacts, WorkflowFacts, findings};
use crate::vm_request::stage::Stage;
use crate::vm_request::state::State;
use crate::vm_request::violation::Violation;

/// How long launches are kept back after the controller would not take one.
const BREAKER_SECS: i64 = 30;
/// How far a listing reaches back beyond the intent.
const OVERLAP_SECS: i64 = 300;
/// A known run older than this is asked for by its id.
const KNOWN_RUN_LISTED_SECS: i64 = 3_600;
/// How long a host that was just read may be merged into without reading it again.
const HOST_FRESH_SECS: i64 = 5;

/// What the process remembers of its neighbours.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    pub breaker_until: Option<Timestamp>,
    known_run: Option<(Id, Timestamp)>,
    fresh_hosts: BTreeMap<String, (Id, Map<String, Value>, Timestamp)>,
}

/// What became visible of the bridge's acts, for the invariants.
#[derive(Debug, Clone, Default)]
pub(super) struct Traces {
    /// Runs that were written into a claim.
    pub holders: BTreeSet<Id>,
    /// Claims that went back: what stood there and what was written over it.
    pub claim_went_back: Option<String>,
}

/// One action's scene.
pub(super) struct Hands<'a> {
    pub world: &'a mut World,
    pub memory: &'a mut Memory,
    pub traces: &'a mut Traces,
    pub state: &'a State,
    pub received: &'a Received,
    pub vm_uid: &'a str,
    pub now: Timestamp,
    pub sabotage: Option<Sabotage>,
}

/// A launch whose answer never came.
pub(super) const SILENCE: &str = "no whole answer";

impl Hands<'_> {
    pub fn perform(&mut self, action: &Action, attempt: uuid::Uuid) -> Outcome {
        let done = match action {
            Action::Preflight { attempt_no } => self.preflight(*attempt_no),
            Action::IntendLaunch { .. } => Ok(Outcome::Intend { attempt }),
            Action::WriteClaim { attempt_no } => self.write_claim(*attempt_no),
            Action::Launch { .. } => Ok(self.launch()),
            Action::FindRun { .. } => self.find_run(),
            Action::RecordHolder { attempt_no, workflow_job } => {
                self.record_holder(*attempt_no, *workflow_job)
            }
            Action::ReadRun { workflow_job } => self.read_run(*workflow_job),
            Action::Collect { workflow_job } => self.collect(*workflow_job),
            Action::Verify => self.verify(),
            Action::MarkHost => self.mark_host(),
            Action::NoteDeadline => Ok(Outcome::Noted),
            Action::RaiseClaim { attempt_no } => self.raise_claim(*attempt_no),
            Action::CancelRun { workflow_job } => self.cancel_run(*workflow_job),
            Action::Survey => self.survey(),
        };
        done.unwrap_or_else(|outcome| outcome)
    }

    /// The bridge's own account, unless its token is refused just now.
    pub fn caller(&self) -> Result<Caller, Outcome> {
        self.world
            .bearer(BRIDGE_TOKEN, self.now)
            .map_err(|refusal| unavailable("controller", refusal.to_string()))
    }

    fn vcenter(&self) -> Result<(), Outcome> {
        if self.world.vcenter_is_away(self.now) { Err(unavailable("vcenter", "no answer")) } else { Ok(()) }
    }

    fn preflight(&mut self, attempt_no: u32) -> Result<Outcome, Outcome> {
        let spec = &self.received.spec;
        let is_repeated = attempt_no > 1;
        self.vcenter()?;
        let vsphere = &self.world.vsphere;
        if let Some(task) = sights::running_clone(vsphere, &spec.vm_name).filter(|_| is_repeated) {
            return Ok(Outcome::CloneStillRunning { task });
        }
        let vms = sights::find(vsphere, is_repeated.then_some(self.vm_uid), Some(spec), self.now);
        let inventory = sights::inventory(vsphere, &spec.datacenter);
        self.caller()?;
        let workflow = WorkflowFacts {
            name: "VM Deployment Workflow".to_owned(),
            is_visible: true,
            asks_variables: true,
            claims_inventory_visible: true,
            state_inventory_visible: true,
            ..WorkflowFacts::default()
        };
        let facts = PreflightFacts { vms, inventory, workflow };
        Ok(Outcome::Preflight { findings: findings(spec, self.vm_uid, is_repeated, &facts) })
    }

    fn write_claim(&mut self, attempt_no: u32) -> Result<Outcome, Outcome> {
        Ok(match self.put_claim(attempt_no)? {
            claims::Put::Done(host) => Outcome::ClaimWritten { claim_host: signed(host) },
            claims::Put::Ahead(found) => Outcome::ClaimAhead { attempt_no: found },
        })
    }

    fn raise_claim(&mut self, attempt_no: u32) -> Result<Outcome, Outcome> {
        let mut attempt_no = attempt_no;
        for _ in 0..3 {
            match self.put_claim(attempt_no)? {
                claims::Put::Done(_) => return Ok(Outcome::ClaimRaised { attempt_no }),
                claims::Put::Ahead(found) => attempt_no = found.saturating_add(1),
            }
        }
        Err(unavailable("controller", "the claim's number does not settle"))
    }

    /// What must not fail once the intent is durable: the breaker is closed and the template is seen.
    pub fn prepare_launch(&self) -> Result<(), Outcome> {
        if self.memory.breaker_until.is_some_and(|until| until > self.now) {
            return Err(unavailable("controller", "launches wait"));
        }
        self.caller().map(|_| ())
    }

    fn launch(&mut self) -> Outcome {
        let vars = self.state.intent.as_ref().and_then(|intent| extra_vars(self.state, intent, "sim"));
        let Some(mut vars) = vars else { return unavailable("controller", "there is no attempt") };
        if self.sabotage == Some(Sabotage::NoClaim) {
            vars.remove("causeway_attempt_no");
        }
        let caller = match self.world.bearer(BRIDGE_TOKEN, self.now) {
            Ok(caller) => caller,
            Err(refusal) => return Outcome::Launched(self.launch_refused(&refusal)),
        };
        let body: LaunchBody = [("extra_vars".to_owned(), Value::Object(vars))].into_iter().collect();
        let workflow = self.world.content.workflow;
        Outcome::Launched(match self.world.post_launch(caller, workflow, &body, self.now) {
            Delivery::Answered(Ok(launch)) => {
                self.memory.breaker_until = None;
                LaunchOutcome::Accepted { workflow_job: signed(launch.workflow_job) }
            }
            Delivery::Answered(Err(refusal)) => self.launch_refused(&refusal),
            Delivery::Lost => LaunchOutcome::Unknown { why: SILENCE.to_owned() },
            Delivery::BadGateway => LaunchOutcome::Unknown { why: "HTTP 502 (text/html)".to_owned() },
        })
    }

    fn launch_refused(&mut self, refusal: &Refusal) -> LaunchOutcome {
        let status = match refusal {
            Refusal::Invalid(_) => {
                let violations = vec![Violation::new("/", refusal.to_string(), "")];
                return LaunchOutcome::Refused { violations };
            }
            Refusal::Unauthenticated => 401,
            Refusal::Forbidden(_) => 403,
            Refusal::NotFound(_) => 404,
            Refusal::MethodNotAllowed(_) => 405,
            Refusal::Conflict(_) => 409,
        };
        self.memory.breaker_until = Some(later(self.now, BREAKER_SECS));
        LaunchOutcome::PutOff { status, detail: refusal.to_string() }
    }

    fn find_run(&mut self) -> Result<Outcome, Outcome> {
        self.caller()?;
        let Some(intent) = &self.state.intent else {
            return Ok(Outcome::Listed(Listing { matches: Vec::new(), is_healthy: false }));
        };
        let since = later(intent.intended_at, -OVERLAP_SECS);
        let known = self.memory.known_run;
        let listed_known = known.filter(|(_, created)| *created >= later(since, -KNOWN_RUN_LISTED_SECS));
        let from = listed_known.map_or(since, |(_, created)| created.min(since));
        let workflow = Some(self.world.content.workflow);
        let runs: Vec<&WorkflowJob> = self
            .world
            .controller
            .workflow_jobs_after(0)
            .filter(|run| run.workflow_job_template == workflow && run.created >= from)
            .collect();
        let attempt = intent.attempt.to_string();
        let carries = |run: &&&WorkflowJob| {
            let found = run.extra_vars.get("causeway_attempt").and_then(Value::as_str);
            found == Some(attempt.as_str()) && run.launch_type != LaunchType::Relaunch
        };
        let matched =
            |run: &&WorkflowJob| Match { workflow_job: signed(run.id), status: run_status(run.status) };
        let matches = runs.iter().filter(carries).map(matched).collect();
        let is_healthy = match (known, listed_known) {
            (None, _) => true,
            (Some(_), Some((id, _))) => runs.iter().any(|run| run.id == id),
            (Some((id, _)), None) => self.world.controller.workflow_job(id).is_some(),
        };
        if !is_healthy {
            self.memory.known_run = None;
        }
        Ok(Outcome::Listed(Listing { matches, is_healthy }))
    }

    fn read_run(&mut self, workflow_job: i64) -> Result<Outcome, Outcome> {
        self.caller()?;
        let controller = &self.world.controller;
        let Some(run) = controller.workflow_job(unsigned(workflow_job)) else {
            return Ok(Outcome::RunMissing);
        };
        let mut stages = BTreeMap::new();
        if !run.status.is_terminal() {
            for node in controller.nodes_of(run.id) {
                let job = node.job.and_then(|job| controller.unified_status(job));
                if let (Some(stage), Some(status)) = (Stage::from_name(&node.identifier), job) {
                    stages.insert(stage, run_status(status));
                }
            }
        }
        let status = run_status(run.status);
        let explanation = run.job_explanation.clone();
        if let Some(run) = &self.state.run {
            self.memory.known_run = Some((unsigned(workflow_job), run.accepted_at));
        }
        Ok(Outcome::Run(RunReading { status, stages, explanation }))
    }

    fn collect(&self, workflow_job: i64) -> Result<Outcome, Outcome> {
        self.caller()?;
        let Some(run) = &self.state.run else { return Ok(Outcome::RunMissing) };
        let controller = &self.world.controller;
        let node = |node: &crate::lab::controller::model::rows::WorkflowJobNode| NodeEvidence {
            identifier: node.identifier.clone(),
            do_not_run: node.do_not_run,
            job: node.job.and_then(|job| controller.job(job)).map(job_evidence),
        };
        let nodes = controller.nodes_of(unsigned(workflow_job)).map(node).collect();
        Ok(Outcome::Evidence(Evidence { status: run.status, explanation: run.explanation.clone(), nodes }))
    }

    fn verify(&mut self) -> Result<Outcome, Outcome> {
        self.vcenter()?;
        let vms = sights::find(&self.world.vsphere, Some(self.vm_uid), None, self.now);
        self.caller()?;
        let spec = &self.received.spec;
        let (controller, content) = (&self.world.controller, &self.world.content);
        let id = controller.host_id(content.state_inventory, &spec.host_name());
        let host =
            id.and_then(|id| Some(HostFacts { id: signed(id), variables: controller.host_variables(id)? }));
        let facts = VerificationFacts { vms, host };
        let found = differences(spec, self.vm_uid, self.state.id.as_str(), &facts);
        match (found.is_empty(), facts.vms.into_iter().next(), facts.host) {
            (true, Some(vm), Some(host)) => {
                let fresh = (unsigned(host.id), host.variables, self.now);
                self.memory.fresh_hosts.insert(spec.host_name(), fresh);
                Ok(Outcome::AsAsked { vm: Box::new(vm), host: host.id })
            }
            _ => Ok(Outcome::Differs { differences: found }),
        }
    }

    fn mark_host(&mut self) -> Result<Outcome, Outcome> {
        let caller = self.caller()?;
        let Some(host) = self.state.host.map(unsigned) else {
            return Err(unavailable("journal", "no host was verified"));
        };
        let fresh = self.memory.fresh_hosts.remove(&self.received.spec.host_name());
        let fresh = fresh.filter(|(id, _, at)| *id == host && *at > later(self.now, -HOST_FRESH_SECS));
        let read = fresh.map(|(_, variables, _)| variables);
        let Some(mut variables) = read.or_else(|| self.world.controller.host_variables(host)) else {
            return Ok(Outcome::HostMarkRefused { why: "the host is gone".to_owned() });
        };
        let attempt_no = self.state.attempt_no;
        variables.insert("causeway".to_owned(), json!({"request": self.state.id, "attempt_no": attempt_no}));
        match self.world.controller.replace_variables(caller, host, &variables, self.now) {
            Ok(()) => Ok(Outcome::HostMarked { host: signed(host) }),
            Err(refusal) => Err(unavailable("controller", refusal.to_string())),
        }
    }

    fn cancel_run(&mut self, workflow_job: i64) -> Result<Outcome, Outcome> {
        let caller = self.caller()?;
        let id = unsigned(workflow_job);
        match self.world.controller.cancel_workflow_job(caller, id, self.now) {
            Ok(()) => Ok(Outcome::CancelSent),
            Err(Refusal::NotFound(_)) => Ok(Outcome::CancelTooLate),
            Err(refusal) => match self.world.controller.workflow_job(id) {
                // The client reads the run after a 403 or 405: one that is over needs no cancelling.
                Some(run) if run.status.is_terminal() => Ok(Outcome::CancelTooLate),
                Some(_) | None => Err(unavailable("controller", refusal.to_string())),
            },
        }
    }

    fn survey(&self) -> Result<Outcome, Outcome> {
        if self.state.attempt_no == 0 {
            return Ok(Outcome::Surveyed { left_behind: Vec::new() });
        }
        self.vcenter()?;
        // A cancelled job does not stop its clone task: what it makes is left behind as well.
        let clone = sights::running_clone(&self.world.vsphere, &self.received.spec.vm_name);
        if let Some(task) = clone.filter(|_| self.sabotage != Some(Sabotage::HastySurvey)) {
            return Ok(Outcome::CloneStillRunning { task });
        }
        let vms = sights::find(&self.world.vsphere, Some(self.vm_uid), Some(&self.received.spec), self.now);
        let left_behind = vms
            .into_iter()
            .filter(|vm| vm.vm_uid.as_deref().is_none_or(|uid| uid == self.vm_uid))
            .map(|vm| LeftBehind {
                ours: vm.vm_uid.as_deref() == Some(self.vm_uid),
                moid: vm.moid,
                name: vm.name,
                folder: vm.folder,
            })
            .collect();
        Ok(Outcome::Surveyed { left_behind })
    }
}

fn job_evidence(job: &Job) -> JobEvidence {
    let status = run_status(job.status);
    let failed = job.events.iter().rfind(|event| event.event == "runner_on_failed");
    let told = failed.map(|event| {
        format!("{}: {}", event.task, event.res.get("msg").and_then(Value::as_str).unwrap_or_default())
    });
    JobEvidence {
        id: signed(job.id),
        status,
        artifacts: JobArtifacts::Object(job.artifacts.clone()),
        failure: told.unwrap_or_default(),
        explanation: job.job_explanation.clone(),
    }
}

/// A turn that brought nothing.
pub(super) fn unavailable(neighbour: &'static str, why: impl Into<String>) -> Outcome {
    Outcome::Unavailable { neighbour, why: why.into() }
}

pub(super) const fn run_status(status: Status) -> RunStatus {
    match status {
        Status::Pending => RunStatus::Pending,
        Status::Waiting => RunStatus::Waiting,
        Status::Running => RunStatus::Running,
        Status::Successful => RunStatus::Successful,
        Status::Failed => RunStatus::Failed,
        Status::Error => RunStatus::Error,
        Status::Canceled => RunStatus::Canceled,
    }
}

fn later(at: Timestamp, secs: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(secs)).unwrap_or(at)
}

pub(super) fn signed(id: Id) -> i64 {
    i64::try_from(id).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(id: i64) -> Id {
    Id::try_from(id).unwrap_or_default()
}
