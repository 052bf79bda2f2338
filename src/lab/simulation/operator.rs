//! The operator: cancels, approves, retries, looks again, gives up, and sometimes relaunches a run by hand.

use super::invariants::Invariant;
use super::life::Life;
use super::plan::AtLast;
use super::record::operator;
use crate::lab::controller::model::access::Caller;
use crate::lab::controller::model::rows::Scope;
use crate::vm_request::Phase;
use crate::vm_request::event::Event;
use crate::vm_request::hold::OperatorAction;

impl Life {
    /// Does what is due for request `at`.
    pub(super) fn operate(&mut self, at: usize) {
        let now = self.now;
        let is_due = |when: Option<jiff::Timestamp>| when.is_some_and(|when| when <= now);
        if is_due(self.records[at].relaunch_at) {
            self.records[at].relaunch_at = None;
            self.relaunch(at);
        }
        if !self.is_up {
            // Nobody answers: the operator comes again later.
            let later = self.after(700);
            let record = &mut self.records[at];
            for when in [&mut record.cancel_at, &mut record.operator_at] {
                if is_due(*when) {
                    *when = Some(later);
                }
            }
            return;
        }
        if is_due(self.records[at].cancel_at) {
            self.records[at].cancel_at = None;
            self.act(at, OperatorAction::Cancel);
        }
        if is_due(self.records[at].operator_at) {
            self.records[at].operator_at = None;
            self.react(at);
        }
    }

    fn react(&mut self, at: usize) {
        let record = &self.records[at];
        let allowed = record.durable.operator_actions();
        let can = |action: OperatorAction| allowed.contains(&action);
        if can(OperatorAction::Approve) {
            let denies = self.dice.chance(150);
            return self.act(at, if denies { OperatorAction::Deny } else { OperatorAction::Approve });
        }
        if record.durable.phase != Phase::Held {
            return;
        }
        if record.tries < record.plan.operator.tries_max && can(OperatorAction::Retry) {
            self.records[at].tries += 1;
            let looks = can(OperatorAction::Verify) && self.dice.chance(400);
            return self.act(at, if looks { OperatorAction::Verify } else { OperatorAction::Retry });
        }
        match record.plan.operator.at_last {
            AtLast::Leave => {}
            AtLast::GiveUp if can(OperatorAction::GiveUp) => self.act(at, OperatorAction::GiveUp),
            AtLast::GiveUp | AtLast::Cancel => self.act(at, OperatorAction::Cancel),
        }
    }

    fn act(&mut self, at: usize, action: OperatorAction) {
        if !self.records[at].durable.allows(action) {
            return;
        }
        self.tell(|| format!("#{at} operator: {}", action.name()));
        let by = operator();
        let event = match action {
            OperatorAction::Approve => Event::Approved(by),
            OperatorAction::Deny => Event::Denied(by),
            OperatorAction::Retry => Event::RetryAsked(by),
            OperatorAction::Verify => Event::VerifyAsked(by),
            OperatorAction::Cancel => Event::CancelAsked(by),
            OperatorAction::GiveUp => Event::GivenUp(by),
        };
        self.append(at, event, false);
        self.ring(at);
    }

    /// Somebody presses "relaunch" on the newest finished run of the request.
    fn relaunch(&mut self, at: usize) {
        let execution = self.records[at].id.to_string();
        let runs = self.world.runs_of(&execution);
        let Some(run) = runs.iter().rfind(|run| run.status.is_terminal()).map(|run| run.id) else { return };
        let admin = Caller { user: self.world.content.admin, scope: Scope::Write };
        let relaunched = self.world.controller.relaunch_workflow_job(admin, run, self.now);
        self.tell(|| format!("#{at} run {run} is relaunched by hand: {relaunched:?}"));
    }

    /// Called after every event: what the operator and the invariants make of it.
    pub(super) fn minded(&mut self, at: usize, before: Phase) {
        let phase = self.records[at].durable.phase;
        if before.is_over() && phase != before {
            let (was, is) = (before.name(), phase.name());
            self.broke(Invariant::Illegal, || format!("{was} was over and became {is}"));
        }
        let is_new = phase != before;
        if phase == Phase::AwaitingApproval || (phase == Phase::Held && is_new) {
            let reaction = self.dice.ms(self.records[at].plan.operator.reaction_ms);
            self.records[at].operator_at = Some(self.after(reaction));
        }
        if is_new && phase.is_over() {
            self.note_end(at);
            self.make_room(at);
        }
    }
}
