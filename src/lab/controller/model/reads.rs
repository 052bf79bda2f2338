//! Reading rows without HTTP: what the in-process simulation and the tests look at.

use serde_json::{Map, Value};

use super::Controller;
use super::rows::{Host, Id, Job, JobTemplate, WorkflowApproval, WorkflowJob, WorkflowJobTemplate};

impl Controller {
    /// A workflow job that can be seen.
    #[must_use]
    pub fn workflow_job(&self, id: Id) -> Option<&WorkflowJob> {
        self.rows.workflow_jobs.get(&id)
    }

    /// The workflow jobs with an id above `id`, in order. Ids do not commit in order (CONTRACT.md finding 4).
    pub fn workflow_jobs_after(&self, id: Id) -> impl Iterator<Item = &WorkflowJob> {
        self.rows.workflow_jobs.range(id.saturating_add(1)..).map(|(_, run)| run)
    }

    /// A job.
    #[must_use]
    pub fn job(&self, id: Id) -> Option<&Job> {
        self.rows.jobs.get(&id)
    }

    /// The child jobs of a workflow job, in order of their nodes.
    pub fn jobs_of(&self, workflow_job: Id) -> impl Iterator<Item = &Job> {
        self.nodes_of(workflow_job).filter_map(|node| self.rows.jobs.get(&node.job?))
    }

    /// The open approvals.
    pub fn open_approvals(&self) -> impl Iterator<Item = &WorkflowApproval> {
        self.rows.approvals.values().filter(|approval| !approval.status.is_terminal())
    }

    /// A host.
    #[must_use]
    pub fn host(&self, id: Id) -> Option<&Host> {
        self.rows.hosts.get(&id)
    }

    /// A workflow job template by its name.
    #[must_use]
    pub fn workflow_template_named(&self, name: &str) -> Option<&WorkflowJobTemplate> {
        self.rows.workflow_job_templates.values().find(|template| template.name == name)
    }

    /// A job template by its name.
    #[must_use]
    pub fn job_template_named(&self, name: &str) -> Option<&JobTemplate> {
        self.rows.job_templates.values().find(|template| template.name == name)
    }

    /// Keeps a run that has not started in `pending` until it is cancelled (fault `run_stuck_pending`).
    pub fn hold_pending(&mut self, id: Id) {
        let row = self.rows.workflow_jobs.get_mut(&id);
        if let Some(run) = row.or_else(|| self.rows.uncommitted.get_mut(&id)) {
            run.stuck = true;
        }
    }

    /// Lets a run that was held start.
    pub fn release_pending(&mut self, id: Id, now: jiff::Timestamp) {
        if let Some(run) = self.rows.workflow_jobs.get_mut(&id) {
            run.stuck = false;
        }
        self.schedule_pass(super::Pass::TaskManager, super::after(now, self.tempo.task_manager_ms));
    }

    /// Overwrites the end of a job, as a surviving runner does after the reaper (CONTRACT.md finding 8).
    pub fn flip_job_end(&mut self, id: Id, status: super::Status, artifacts: Map<String, Value>) {
        if let Some(job) = self.rows.jobs.get_mut(&id).filter(|job| job.status.is_terminal()) {
            job.status = status;
            job.artifacts = artifacts;
        }
    }
}
