//! What is asked of a VM under watch.

use std::collections::BTreeMap;

use crate::vm_request::ids::RequestId;
use crate::vm_request::sighting::VmSighting;
use crate::vm_request::spec::{Address, VmSpec};
use crate::vm_request::state::{Origin, State};

/// What is asked of a VM under watch: what was seen when it was verified or adopted, what a person accepted since,
/// and what the request says beyond that.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    pub request: RequestId,
    /// The identity that the bridge gave; an adopted VM may have none.
    pub vm_uid: Option<String>,
    pub environment: Option<String>,
    pub vcenter: String,
    pub controller: Option<String>,
    /// The VM's host in the state inventory.
    pub host_name: Option<String>,
    /// The VM as it was verified or adopted.
    pub baseline: VmSighting,
    /// What the request asked for; an adopted VM was not asked for.
    pub spec: Option<VmSpec>,
    pub accepted: BTreeMap<String, String>,
    /// Runs whose id may stand in the host as `execution_id`.
    pub execution_ids: Vec<RequestId>,
}

impl Desired {
    /// What `state` asks; `None` for a request whose VM is not under watch.
    #[must_use]
    pub fn of(state: &State) -> Option<Self> {
        if !state.is_watched() {
            return None;
        }
        let baseline = state.vm.clone()?;
        let mut execution_ids = vec![state.id.clone()];
        execution_ids.extend(state.watch.remediations.iter().cloned());
        let accepted = state.watch.accepted.clone();
        let request = state.id.clone();
        Some(match &state.origin {
            Origin::Received(received) => Self {
                request,
                vm_uid: Some(received.vm_uid.to_string()),
                environment: Some(received.spec.environment.clone()),
                vcenter: received.spec.vcenter.clone(),
                controller: Some(received.spec.controller.clone()),
                host_name: Some(received.spec.host_name()),
                baseline,
                spec: Some(received.spec.clone()),
                accepted,
                execution_ids,
            },
            Origin::Adopted(adopted) => Self {
                request,
                vm_uid: baseline.vm_uid.clone(),
                environment: adopted.environment.clone(),
                vcenter: adopted.vcenter.clone(),
                controller: adopted.controller.clone(),
                host_name: adopted.host_name.clone(),
                baseline,
                spec: None,
                accepted,
                execution_ids,
            },
            Origin::Rejected(_) => return None,
        })
    }

    /// The address that the first adapter was given; `None` where DHCP gives one.
    pub(super) fn address(&self) -> Option<String> {
        match &self.spec.as_ref()?.nics.first()?.address {
            Address::Static { ip, .. } => Some(ip.to_string()),
            Address::Dhcp => None,
        }
    }
}
