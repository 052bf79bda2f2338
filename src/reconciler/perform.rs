//! Performs one action against the neighbours. Each file holds the actions of one concern; none decides anything.

mod cancel;
mod claim;
mod collect;
mod launch;
mod look;
mod preflight;
mod verify;

use super::neighbours::{ControllerHandle, Neighbours, VcenterHandle};
use crate::aap::ReadError;
use crate::vcenter::VcenterError;
use crate::vm_request::action::{Action, Outcome};
use crate::vm_request::event::Received;
use crate::vm_request::state::State;

pub(super) use launch::Prepared;

/// What an action needs of the request and of the neighbours that the request names.
pub(super) struct Scene<'a> {
    pub neighbours: &'a Neighbours,
    pub state: &'a State,
    pub received: &'a Received,
    pub controller: &'a ControllerHandle,
    pub vcenter: &'a VcenterHandle,
}

impl<'a> Scene<'a> {
    /// The scene of a request, or why there is none: its controller or vCenter is no longer configured.
    pub fn of(neighbours: &'a Neighbours, state: &'a State) -> Result<Self, Outcome> {
        let gone = |neighbour, why| Err(Outcome::Unavailable { neighbour, why });
        let Some(received) = state.received() else {
            return gone("journal", "a rejected request has nothing to do".to_owned());
        };
        let spec = &received.spec;
        let Some(controller) = neighbours.controllers.get(&spec.controller) else {
            return gone("controller", format!("no controller is named {}", spec.controller));
        };
        let Some(vcenter) = neighbours.vcenters.get(&spec.vcenter) else {
            return gone("vcenter", format!("no vCenter is named {}", spec.vcenter));
        };
        Ok(Self { neighbours, state, received, controller, vcenter })
    }

    /// Readies what must not fail once the action's intent is durable.
    pub async fn prepare(&self, action: &Action) -> Result<Prepared, Outcome> {
        match action {
            Action::Launch { .. } => launch::prepare(self).await,
            _ => Ok(Prepared::default()),
        }
    }

    /// Performs `action`.
    pub async fn perform(&self, action: &Action, prepared: Prepared) -> Outcome {
        match action {
            Action::Preflight { attempt_no } => preflight::preflight(self, *attempt_no).await,
            Action::IntendLaunch { .. } => Outcome::Intend { attempt: uuid::Uuid::new_v4() },
            Action::WriteClaim { attempt_no } => claim::write(self, *attempt_no).await,
            Action::Launch { .. } => launch::launch(self, prepared).await,
            Action::FindRun { .. } => look::find_run(self).await,
            Action::RecordHolder { attempt_no, workflow_job } => {
                claim::record_holder(self, *attempt_no, *workflow_job).await
            }
            Action::ReadRun { workflow_job } => collect::read(self, *workflow_job).await,
            Action::Collect { workflow_job } => collect::collect(self, *workflow_job).await,
            Action::Verify => verify::verify(self).await,
            Action::MarkHost => verify::mark(self).await,
            Action::NoteDeadline => Outcome::Noted,
            Action::RaiseClaim { attempt_no } => claim::raise(self, *attempt_no).await,
            Action::CancelRun { workflow_job } => cancel::cancel(self, *workflow_job).await,
            Action::Survey => cancel::survey(self).await,
        }
    }
}

/// A read that brought nothing.
fn unread(error: &ReadError) -> Outcome {
    Outcome::Unavailable { neighbour: "controller", why: error.to_string() }
}

/// A reading of vCenter that brought nothing.
fn unseen(error: &VcenterError) -> Outcome {
    Outcome::Unavailable { neighbour: "vcenter", why: error.to_string() }
}

/// A write that was not taken.
fn unwritten(why: impl Into<String>) -> Outcome {
    Outcome::Unavailable { neighbour: "controller", why: why.into() }
}
