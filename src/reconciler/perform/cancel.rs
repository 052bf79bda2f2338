//! Ends a run, and sees what is left of a request that is being cancelled.

use super::preflight::clone_on_its_way;
use super::{Outcome, Scene, unseen, unwritten};
use crate::aap::CancelAnswer;
use crate::vcenter::VmQuery;
use crate::vm_request::hold::LeftBehind;

pub(super) async fn cancel(scene: &Scene<'_>, workflow_job: i64) -> Outcome {
    match scene.controller.client.cancel(workflow_job).await {
        CancelAnswer::Requested => Outcome::CancelSent,
        CancelAnswer::AlreadyOver => Outcome::CancelTooLate,
        CancelAnswer::Refused { status, detail } => {
            // The run is watched to its end all the same, and the claim keeps it from building any more.
            tracing::error!(workflow_job, status, detail, "the controller will not cancel the run");
            Outcome::CancelTooLate
        }
        CancelAnswer::Unknown { why } => unwritten(why),
    }
}

pub(super) async fn survey(scene: &Scene<'_>) -> Outcome {
    let spec = &scene.received.spec;
    let vm_uid = scene.received.vm_uid.to_string();
    if scene.state.attempt_no == 0 {
        // Nothing was ever launched, so nothing of this request can be there.
        return Outcome::Surveyed { left_behind: Vec::new() };
    }
    // A clone that was begun before the run was cancelled is still on its way, and would appear after the last look.
    if let Some(outcome) = clone_on_its_way(scene).await {
        return outcome;
    }
    let query = VmQuery {
        vm_uid: Some(&vm_uid),
        name: Some(&spec.vm_name),
        folder: Some(&spec.folder),
        datacenter: Some(&spec.datacenter),
        ..VmQuery::default()
    };
    match scene.vcenter.client.find_vm(&query).await {
        Ok(vms) => {
            let left_behind = vms
                .into_iter()
                .filter(|vm| vm.vm_uid.as_deref().is_none_or(|uid| uid == vm_uid))
                .map(|vm| LeftBehind {
                    ours: vm.vm_uid.as_deref() == Some(vm_uid.as_str()),
                    moid: vm.moid,
                    name: vm.name,
                    folder: vm.folder,
                })
                .collect();
            Outcome::Surveyed { left_behind }
        }
        Err(error) => unseen(&error),
    }
}
