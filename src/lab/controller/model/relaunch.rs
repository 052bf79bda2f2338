//! Relaunching: the whole graph from its start, with the same variables, whatever is sent
//! (CONTRACT.md §5; MEASURED 20).

use jiff::Timestamp;

use super::access::Caller;
use super::refusal::Refusal;
use super::rows::{Id, Scope};
use super::status::{LaunchType, Status};
use super::{Controller, Table};

impl Controller {
    /// `POST workflow_jobs/N/relaunch/`.
    ///
    /// # Errors
    /// 404; 403 without the right, for a deleted template, and while the run is active.
    pub fn relaunch_workflow_job(&mut self, caller: Caller, id: Id, now: Timestamp) -> Result<Id, Refusal> {
        let run = self.rows.workflow_jobs.get(&id).ok_or(Refusal::NotFound("WorkflowJob"))?;
        let template = run.workflow_job_template.filter(|t| self.starts_workflow_template(caller.user, *t));
        if caller.scope == Scope::Read || template.is_none() || !run.status.is_terminal() {
            return Err(Refusal::forbidden());
        }
        let mut again = run.clone();
        again.id = self.next_id(Table::UnifiedJob);
        again.created = now;
        again.modified = now;
        again.created_by = caller.user;
        again.launch_type = LaunchType::Relaunch;
        again.status = Status::Pending;
        again.started = None;
        again.finished = None;
        again.canceled_on = None;
        again.job_explanation = String::new();
        again.stuck = false;
        Ok(self.insert_workflow_job(again, now, now).workflow_job)
    }
}
