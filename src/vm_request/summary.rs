//! One line about a request: what lists, filters and the driver need without folding its events. A projection:
//! it follows from [`State`] alone and can be rebuilt.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ids::RequestId;
use super::state::{Phase, State};
use super::watch::line::VmLine;

/// The projection of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub id: RequestId,
    pub phase: Phase,
    /// [`super::hold::Hold::name`] of a held request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    pub source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Name of the controller in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<String>,
    /// The last accepted run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_job: Option<i64>,
    pub attempt_no: u32,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Whether the reconciler has anything left to do or to watch for it.
    pub is_active: bool,
    /// [`super::spec::VmSpec::place_key`] while the request keeps others from the VM's name: from its arrival until
    /// it failed or was cancelled with nothing left behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place_key: Option<String>,
    /// The line about its VM, once there is one under watch (or was).
    #[serde(skip)]
    pub vm: Option<Box<VmLine>>,
}

impl Summary {
    /// The line about `state`.
    #[must_use]
    pub fn of(state: &State) -> Self {
        let received = state.received();
        let (source, ticket) = state.came_from();
        let released =
            matches!(state.phase, Phase::Failed | Phase::Cancelled) && state.left_behind.is_empty();
        Self {
            id: state.id.clone(),
            phase: state.phase,
            hold: state.hold.as_ref().map(|hold| hold.name().to_owned()),
            source: source.to_owned(),
            ticket: ticket.map(|ticket| ticket.id.clone()),
            vm_name: received.map(|received| received.spec.vm_name.clone()),
            environment: received.map(|received| received.spec.environment.clone()),
            controller: received.map(|received| received.spec.controller.clone()),
            workflow_job: state.run.as_ref().map(|run| run.workflow_job),
            attempt_no: state.attempt_no,
            created_at: state.created_at,
            updated_at: state.updated_at,
            is_active: state.is_active(),
            place_key: received.filter(|_| !released).and_then(|received| match &received.remedies {
                None => Some(received.spec.place_key()),
                // The VM's own request holds its place; one remediation at a time may be open.
                Some(_) => (!state.phase.is_over()).then(|| format!("remedy/{}", received.vm_uid)),
            }),
            vm: VmLine::of(state).map(Box::new),
        }
    }
}
