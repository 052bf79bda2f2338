//! One line about a VM under watch: what lists and filters need. A projection: it follows from [`State`] alone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::compare::{Desired, DriftVerdict, FieldDrift};
use super::{Blame, Finding, Handled, Watch};
use crate::vm_request::ids::RequestId;
use crate::vm_request::state::State;

/// The projection of one VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmLine {
    /// The request that made or adopted it.
    pub request: RequestId,
    pub vm_uid: Option<String>,
    pub instance_uuid: Option<String>,
    /// As it was when it was verified or adopted.
    pub moid: String,
    pub vm_name: String,
    pub vcenter: String,
    pub controller: Option<String>,
    pub environment: Option<String>,
    pub host_name: Option<String>,
    /// The operating system's family, where the request names one.
    pub os: Option<String>,
    /// The gravest verdict of the open findings.
    pub verdict: Option<DriftVerdict>,
    pub is_paused: bool,
    pub lease_expires_at: Option<Timestamp>,
    pub findings: Vec<FindingLine>,
}

/// An open finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingLine {
    #[serde(flatten)]
    pub drift: FieldDrift,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    pub opened_at: Timestamp,
    pub flaps: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handled: Option<Handled>,
}

impl VmLine {
    /// The line about the VM of `state`; `None` when none is under watch.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        state.vm.as_ref()?;
        let desired = Desired::of(state)?;
        Some(Self::new(desired, &state.watch))
    }

    fn new(desired: Desired, watch: &Watch) -> Self {
        Self {
            request: desired.request,
            vm_uid: desired.vm_uid,
            instance_uuid: desired.baseline.instance_uuid,
            moid: desired.baseline.moid,
            vm_name: desired.baseline.name,
            vcenter: desired.vcenter,
            controller: desired.controller,
            environment: desired.environment,
            host_name: desired.host_name,
            os: desired.spec.map(|spec| spec.os.name().to_owned()),
            verdict: watch.verdict(),
            is_paused: watch.paused.is_some(),
            lease_expires_at: watch.lease.as_ref().map(|lease| lease.expires_at),
            findings: watch.open.values().map(FindingLine::of).collect(),
        }
    }
}

impl FindingLine {
    fn of(finding: &Finding) -> Self {
        Self {
            drift: finding.drift.clone(),
            blame: finding.blame.clone(),
            opened_at: finding.opened_at,
            flaps: finding.flaps,
            handled: finding.handled.clone(),
        }
    }
}
