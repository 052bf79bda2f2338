//! Approval steps: a person says yes or no, once, or time says no (CONTRACT.md §6; MEASURED 34).

use jiff::Timestamp;
use serde_json::json;

use super::access::{Caller, Role};
use super::bodies::ApprovalWord;
use super::refusal::Refusal;
use super::rows::{Id, Scope, WorkflowApproval, WorkflowJob};
use super::status::Status;
use super::{Controller, Pass, after};

impl Controller {
    /// `POST workflow_approvals/N/approve/` (`yes`) or `…/deny/`.
    ///
    /// # Errors
    /// 404; 403 without the approval role; 400 once it was decided.
    pub fn decide_approval(
        &mut self,
        caller: Caller,
        id: Id,
        yes: bool,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let approval = self.rows.approvals.get(&id).ok_or(Refusal::NotFound("WorkflowApproval"))?;
        if caller.scope == Scope::Read || !self.may_approve(caller.user, approval) {
            return Err(Refusal::forbidden());
        }
        if approval.status != Status::Pending {
            let message = "This workflow step has already been approved or denied.";
            return Err(Refusal::Invalid(json!({"error": message})));
        }
        let status = if yes { Status::Successful } else { Status::Failed };
        self.settle_approval(id, status, now, |approval| approval.approved_or_denied_by = Some(caller.user));
        self.notify_approval(id, if yes { ApprovalWord::Approved } else { ApprovalWord::Denied }, now);
        Ok(())
    }

    /// Whether `user` may decide it.
    pub(in crate::lab) fn may_approve(&self, user: Id, approval: &WorkflowApproval) -> bool {
        let template = self.run_of_approval(approval).and_then(|run| run.workflow_job_template);
        template.is_some_and(|template| self.holds(user, &[Role::WorkflowApprove], template))
            || self.is_superuser(user)
    }

    /// The workflow job that waits for it.
    pub(in crate::lab) fn run_of_approval(&self, approval: &WorkflowApproval) -> Option<&WorkflowJob> {
        let node = self.rows.workflow_nodes.get(&approval.workflow_node)?;
        self.rows.workflow_jobs.get(&node.workflow_job)
    }

    pub(super) fn expire_approval(&mut self, id: Id, now: Timestamp) {
        let open = self.rows.approvals.get(&id).filter(|approval| approval.status == Status::Pending);
        let Some(approval) = open else { return };
        let template = self.rows.approval_templates.get(&approval.approval_template);
        let timeout_secs = template.map_or(0, |template| template.timeout_secs);
        let explanation =
            format!("The approval node {} ({id}) has expired after {timeout_secs} seconds.", approval.name);
        self.settle_approval(id, Status::Failed, now, |approval| {
            approval.timed_out = true;
            approval.job_explanation = explanation;
        });
        self.notify_approval(id, ApprovalWord::TimedOut, now);
    }

    fn settle_approval(
        &mut self,
        id: Id,
        status: Status,
        now: Timestamp,
        edit: impl FnOnce(&mut WorkflowApproval),
    ) {
        if let Some(approval) = self.rows.approvals.get_mut(&id) {
            approval.status = status;
            approval.finished = Some(now);
            approval.modified = now;
            edit(approval);
        }
        self.schedule_pass(Pass::WorkflowManager, after(now, self.tempo.workflow_manager_ms));
    }
}
