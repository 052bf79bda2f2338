//! What the jobs' playbooks do, in model time: one file a stage. Each stage that changes something looks at
//! the claim first; whatever a stage did before it failed or was stopped stays done. How a play reports is
//! in [`report`], the claim's rule in [`claim`].
//!
//! It deliberately knows neither templates nor graphs: the controller says which jobs run, this says how
//! they end.

mod claim;
mod inventory;
mod network;
mod provision;
mod report;
mod storage;
mod validation;
mod variables;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::controller::model::access::Caller;
use super::controller::model::rows::{Recap, Scope, playbook_name};
use super::controller::model::{Content, Controller, Id, JobEnd, RunningJob, Status, Tempo};
use super::faults::{Fault, FaultPlan};
use super::vsphere::{Moid, Vsphere};
use claim::Claim;
use report::Report;
use variables::Variables;

/// The neighbours a playbook talks to.
pub(super) struct Stagehands<'a> {
    pub controller: &'a mut Controller,
    pub vsphere: &'a mut Vsphere,
    pub content: &'a Content,
    pub faults: &'a mut FaultPlan,
    /// Whether vCenter answers nobody now.
    pub vcenter_away: bool,
}

/// Runs the playbooks of the controller's running jobs.
#[derive(Debug, Clone, Default)]
pub struct Executor {
    plays: BTreeMap<Id, Play>,
}

/// One playbook's run.
#[derive(Debug, Clone)]
struct Play {
    job: Arc<RunningJob>,
    stage: String,
    variables: Arc<Variables>,
    step: Step,
    due: Timestamp,
    /// Why it is to fail without having done anything, when a fault says so.
    doomed: Option<String>,
}

/// How far a play has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Looking at the claim.
    Claim,
    /// About to do what the stage is for.
    Work,
    /// A clone task of ours is running in vCenter.
    Cloning(Moid),
    /// The clone is there and not yet marked with its identity.
    Marking(Moid),
}

/// What a stage says when it has been given its turn.
enum Turn {
    /// Come back at this step after so many milliseconds.
    Again(Step, i64),
    /// It is over.
    Over(Report),
}

/// The scene of one turn.
struct Scene<'a, 'b> {
    hands: &'a mut Stagehands<'b>,
    variables: &'a Variables,
    job: &'a RunningJob,
    tempo: Tempo,
    now: Timestamp,
}

impl Executor {
    /// Lets every play that is due by `now` take its turn; plays of new jobs begin, those of stopped jobs
    /// are dropped.
    pub(super) fn advance(&mut self, hands: &mut Stagehands<'_>, now: Timestamp) {
        let running = hands.controller.running_job_ids();
        self.plays.retain(|id, _| running.contains(id));
        for id in running {
            if let (false, Some(job)) = (self.plays.contains_key(&id), hands.controller.running_job(id)) {
                self.plays.insert(id, Play::begin(job, hands));
            }
        }
        let due: Vec<Id> = self.plays.iter().filter(|(_, play)| play.due <= now).map(|(id, _)| *id).collect();
        for id in due {
            let Some(play) = self.plays.get_mut(&id) else { continue };
            if let Some(report) = play.turn(hands, now) {
                let end = play.end(&report, hands, now);
                self.plays.remove(&id);
                hands.controller.finish_job(id, end, now);
            }
        }
    }

    /// When the next play wants its turn.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.plays.values().map(|play| play.due).min()
    }

    /// The workflow jobs whose plays are past the claim, with the stage: they may change something now. Jobs run by
    /// hand are left out.
    pub fn acting(&self) -> impl Iterator<Item = (Id, &str)> {
        let acting = self.plays.values().filter(|play| play.step != Step::Claim);
        acting.filter_map(|play| Some((play.job.workflow_job?, play.stage.as_str())))
    }

    /// Whether the play of `job` has begun.
    #[must_use]
    pub fn plays(&self, job: Id) -> bool {
        self.plays.contains_key(&job)
    }
}

impl Play {
    fn begin(job: RunningJob, hands: &mut Stagehands<'_>) -> Self {
        let stage = playbook_name(&job.playbook).to_owned();
        let variables = Arc::new(Variables::new(job.extra_vars.clone()));
        let victim = stage != "error_handling" && variables.wants_stage(&stage);
        let doomed = (victim && hands.faults.strikes(Fault::NodeFailedInSuccessfulWorkflow))
            .then(|| format!("{stage} failed: the lab was told to let it fail"));
        Self { due: job.started, stage, variables, step: Step::Claim, doomed, job: Arc::new(job) }
    }

    fn turn(&mut self, hands: &mut Stagehands<'_>, now: Timestamp) -> Option<Report> {
        let tempo = hands.controller.tempo();
        let job = Arc::clone(&self.job);
        let variables = Arc::clone(&self.variables);
        let mut scene = Scene { hands, variables: &variables, job: &job, tempo, now };
        let turn = match self.step {
            Step::Claim => self.claim_turn(&mut scene),
            step @ (Step::Work | Step::Cloning(_) | Step::Marking(_)) => match self.doomed.take() {
                Some(message) => Turn::Over(Report::failed(message)),
                None => scene.work(&self.stage, step),
            },
        };
        match turn {
            Turn::Again(step, ms) => {
                self.step = step;
                // At least a millisecond, or the model's time would stand still.
                self.due = now.checked_add(Tempo::span(ms.max(1))).unwrap_or(Timestamp::MAX);
                None
            }
            Turn::Over(report) => Some(report),
        }
    }

    fn claim_turn(&self, scene: &mut Scene<'_, '_>) -> Turn {
        if self.stage != "error_handling" && !self.variables.wants_stage(&self.stage) {
            return Turn::Over(Report::skipped());
        }
        match scene.read_claim() {
            Claim::Held => Turn::Again(Step::Work, scene.tempo.stage_ms),
            Claim::NotYet if self.stage != "error_handling" && self.may_still_wait(scene) => {
                Turn::Again(Step::Claim, scene.tempo.claim_poll_ms)
            }
            Claim::NotYet => Turn::Over(Report::lost("the bridge never recorded this run as its holder")),
            Claim::Lost(why) => Turn::Over(Report::lost(&why)),
        }
    }

    fn may_still_wait(&self, scene: &Scene<'_, '_>) -> bool {
        scene.now.duration_since(self.job.started) < Tempo::span(scene.tempo.claim_wait_ms)
    }

    fn end(&self, report: &Report, hands: &mut Stagehands<'_>, now: Timestamp) -> JobEnd {
        let status = if report.failure.is_some() { Status::Failed } else { Status::Successful };
        let lose = status == Status::Successful
            && self.stage != "error_handling"
            && self.variables.wants_stage(&self.stage)
            && hands.faults.strikes(Fault::ArtifactsMissing);
        let artifacts = report.artifacts(&self.stage, &self.job, &self.variables, now);
        let failures = u32::from(report.failure.is_some());
        JobEnd {
            status,
            artifacts: if lose { serde_json::Map::new() } else { artifacts },
            failure: report.failure.clone().map(|message| (format!("{} : stop", self.stage), message)),
            recap: Recap { ok: 3, changed: u32::from(report.changed), failures, skipped: 0 },
            script: Vec::new(),
        }
    }
}

impl Scene<'_, '_> {
    fn work(&mut self, stage: &str, step: Step) -> Turn {
        let needs_vcenter = !matches!(stage, "inventory_write" | "error_handling");
        if needs_vcenter && self.hands.vcenter_away {
            let vcenter = self.variables.text("vm_vcenter").unwrap_or("vCenter");
            return Turn::Over(Report::failed(format!(
                "Unknown error while connecting to {vcenter}: timed out"
            )));
        }
        match stage {
            "vm_provision" => self.provision(step),
            "network_configuration" => Turn::Over(self.configure_network()),
            "storage_configuration" => Turn::Over(self.configure_storage()),
            "inventory_write" => Turn::Over(self.write_inventory()),
            "validation" => Turn::Over(self.validate()),
            "error_handling" => Turn::Over(self.handle_error()),
            other => Turn::Over(Report::failed(format!("the lab has no playbook {other}.yml"))),
        }
    }

    /// The inventory of that name in the job's organization.
    fn inventory(&self, name: &str) -> Option<Id> {
        let organization = self.hands.controller.organization_of_job(self.job.id)?;
        self.hands.controller.inventory_id(organization, name)
    }

    /// Playbooks write to the inventory with a credential that may.
    fn automation(&self) -> Caller {
        Caller { user: self.hands.content.admin, scope: Scope::Write }
    }
}
