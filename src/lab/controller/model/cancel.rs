//! Cancelling and deleting (CONTRACT.md §5; MEASURED 19, 21, 28).

use jiff::Timestamp;

use super::access::Caller;
use super::refusal::Refusal;
use super::rows::{Id, Scope};
use super::status::Status;
use super::{Controller, Due, NoticeEvent, Pass, after};

impl Controller {
    /// `POST workflow_jobs/N/cancel/`. A pending run is over at once and tells nobody; a running one stays
    /// `running` until its children are cancelled. Repeatable while it is active.
    ///
    /// # Errors
    /// 404, 403, and 405 for a superuser once the run has ended (403 for others).
    pub fn cancel_workflow_job(&mut self, caller: Caller, id: Id, now: Timestamp) -> Result<(), Refusal> {
        let run = self.rows.workflow_jobs.get(&id).ok_or(Refusal::NotFound("WorkflowJob"))?;
        let owner = run.created_by == caller.user && self.reads_workflow_job(caller.user, run);
        self.may_cancel(caller, owner, run.status)?;
        let was_pending = run.status == Status::Pending;
        if let Some(run) = self.rows.workflow_jobs.get_mut(&id) {
            run.canceled_on = run.canceled_on.or(Some(now));
            run.modified = now;
            if was_pending {
                run.status = Status::Canceled;
                run.finished = Some(now);
            }
        }
        if was_pending {
            self.schedule_pass(Pass::TaskManager, after(now, self.tempo.task_manager_ms));
        } else {
            self.schedule_pass(Pass::WorkflowManager, after(now, self.tempo.workflow_manager_ms));
        }
        Ok(())
    }

    /// `POST jobs/N/cancel/`.
    ///
    /// # Errors
    /// As for a workflow job.
    pub fn cancel_job(&mut self, caller: Caller, id: Id, now: Timestamp) -> Result<(), Refusal> {
        let job = self.rows.jobs.get(&id).ok_or(Refusal::NotFound("Job"))?;
        let owner = job.created_by == caller.user && self.reads_job(caller.user, job);
        self.may_cancel(caller, owner, job.status)?;
        self.ask_job_to_stop(id, now);
        Ok(())
    }

    fn may_cancel(&self, caller: Caller, owner: bool, status: Status) -> Result<(), Refusal> {
        let superuser = self.is_superuser(caller.user);
        if caller.scope == Scope::Read || !(superuser || owner) {
            return Err(Refusal::forbidden());
        }
        match (status.is_terminal(), superuser) {
            (false, _) => Ok(()),
            (true, true) => Err(Refusal::MethodNotAllowed("POST".to_owned())),
            (true, false) => Err(Refusal::forbidden()),
        }
    }

    /// What has not started is cancelled at once and without a callback; what runs takes a while.
    fn ask_job_to_stop(&mut self, id: Id, now: Timestamp) {
        let Some(job) = self.rows.jobs.get_mut(&id).filter(|job| job.canceled_on.is_none()) else { return };
        job.canceled_on = Some(now);
        job.modified = now;
        if job.status == Status::Running {
            self.schedule(after(now, self.tempo.job_cancel_ms), Due::JobCancelled(id));
            return;
        }
        job.status = Status::Canceled;
        job.finished = Some(now);
        job.event_processing_finished = true;
        self.schedule_pass(Pass::WorkflowManager, after(now, self.tempo.workflow_manager_ms));
    }

    /// A running job was stopped: what its playbook had done so far stays done, its artifacts are lost.
    pub(super) fn job_cancelled(&mut self, id: Id, now: Timestamp) {
        let Some(job) = self.rows.jobs.get_mut(&id).filter(|job| job.status == Status::Running) else {
            return;
        };
        job.status = Status::Canceled;
        job.finished = Some(now);
        job.event_processing_finished = true;
        self.notify_job(id, NoticeEvent::Error, now);
        self.schedule_pass(Pass::WorkflowManager, after(now, self.tempo.workflow_manager_ms));
    }

    /// Cancels the active children of a run; true once there are none.
    pub(super) fn cancel_children(&mut self, workflow_job: Id, now: Timestamp) -> bool {
        let children: Vec<Id> = self.nodes_of(workflow_job).filter_map(|node| node.job).collect();
        let mut none_left = true;
        for id in children {
            let Some(status) = self.unified_status(id).filter(|status| !status.is_terminal()) else {
                continue;
            };
            none_left = false;
            if let Some(approval) = self.rows.approvals.get_mut(&id) {
                approval.status = Status::Canceled;
                approval.canceled_on = Some(now);
                approval.finished = Some(now);
            } else if status != Status::Running || self.rows.jobs[&id].canceled_on.is_none() {
                self.ask_job_to_stop(id, now);
            }
        }
        if none_left {
            let ids = self.rows.nodes_by_run.get(&workflow_job).cloned().unwrap_or_default();
            for id in ids {
                if let Some(node) = self.rows.workflow_nodes.get_mut(&id).filter(|node| node.job.is_none()) {
                    node.do_not_run = true;
                }
            }
        }
        none_left
    }

    /// `DELETE jobs/N/` and `DELETE workflow_approvals/N/`.
    ///
    /// # Errors
    /// 404; 403 without the right, and while it is active.
    pub fn delete_unified_job(&mut self, caller: Caller, id: Id) -> Result<(), Refusal> {
        let status = self.unified_status(id).ok_or(Refusal::NotFound("Job"))?;
        if caller.scope == Scope::Read || !self.is_superuser(caller.user) {
            return Err(Refusal::forbidden());
        }
        if !status.is_terminal() {
            return Err(Refusal::Forbidden("Cannot delete running job resource.".to_owned()));
        }
        self.rows.jobs.remove(&id);
        self.rows.approvals.remove(&id);
        Ok(())
    }

    /// `DELETE workflow_jobs/N/`: its child jobs stay (MEASURED 21). No callback tells of it.
    ///
    /// # Errors
    /// 404; 403 without the right, and while it runs.
    pub fn delete_workflow_job(&mut self, caller: Caller, id: Id) -> Result<(), Refusal> {
        let run = self.rows.workflow_jobs.get(&id).ok_or(Refusal::NotFound("WorkflowJob"))?;
        if caller.scope == Scope::Read || !self.is_superuser(caller.user) {
            return Err(Refusal::forbidden());
        }
        if !run.status.is_terminal() {
            return Err(Refusal::Forbidden("Cannot delete running job resource.".to_owned()));
        }
        self.rows.workflow_jobs.remove(&id);
        for node in self.rows.nodes_by_run.remove(&id).into_iter().flatten() {
            self.rows.workflow_nodes.remove(&node);
        }
        for job in self.rows.jobs.values_mut() {
            let orphan = job.workflow_node.is_some_and(|node| !self.rows.workflow_nodes.contains_key(&node));
            if orphan {
                job.workflow_node = None;
            }
        }
        Ok(())
    }
}
