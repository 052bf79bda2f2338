//! Gathers what the core's preflight judges.

use super::{Outcome, Scene, unread, unseen};
use crate::vcenter::{CloneTask, InventoryNames, VmQuery};
use crate::vm_request::preflight::{DatacenterFacts, InventoryFacts, PreflightFacts, findings};
use crate::vm_request::spec::VmSpec;

pub(super) async fn preflight(scene: &Scene<'_>, attempt_no: u32) -> Outcome {
    let spec = &scene.received.spec;
    let vm_uid = scene.received.vm_uid.to_string();
    let is_repeated = attempt_no > 1;
    // An earlier attempt may have left a clone on its way. The first attempt cannot have.
    if is_repeated && let Some(outcome) = clone_on_its_way(scene).await {
        return outcome;
    }
    let query = VmQuery {
        vm_uid: is_repeated.then_some(vm_uid.as_str()),
        name: Some(&spec.vm_name),
        folder: Some(&spec.folder),
        datacenter: Some(&spec.datacenter),
        ip_addresses: &spec.static_addresses(),
        ..VmQuery::default()
    };
    let vms = match scene.vcenter.client.find_vm(&query).await {
        Ok(vms) => vms,
        Err(error) => return unseen(&error),
    };
    let inventory = match scene.vcenter.names().await {
        Ok(names) => inventory_facts(names, spec),
        Err(error) => return unseen(&error),
    };
    let workflow = match scene.controller.workflow_facts().await {
        Ok(facts) => facts,
        Err(error) => return unread(&error),
    };
    let facts = PreflightFacts { vms, inventory, workflow };
    let findings = findings(spec, &vm_uid, is_repeated, &facts);
    if !findings.is_empty() {
        // What was just mended must be seen at the next try.
        scene.controller.forget();
        scene.vcenter.forget();
    }
    Outcome::Preflight { findings }
}

/// What to answer while a clone of this VM may still be running in vCenter, or cannot be told; `None` when there is
/// none.
pub(super) async fn clone_on_its_way(scene: &Scene<'_>) -> Option<Outcome> {
    let spec = &scene.received.spec;
    match scene.vcenter.client.clone_tasks_running(&spec.vm_name, Some(&spec.datacenter)).await {
        Ok(tasks) => {
            let ours = tasks.into_iter().find(|task| may_be_ours(task, spec))?;
            Some(Outcome::CloneStillRunning { task: ours.task })
        }
        Err(error) => Some(unseen(&error)),
    }
}

fn may_be_ours(task: &CloneTask, spec: &VmSpec) -> bool {
    task.targets.is_empty()
        || task.targets.iter().any(|target| {
            target.name == spec.vm_name && target.folder.as_ref().is_none_or(|folder| *folder == spec.folder)
        })
}

fn inventory_facts(names: InventoryNames, spec: &VmSpec) -> InventoryFacts {
    let datacenters = names.datacenters.iter().map(|datacenter| datacenter.name.clone()).collect();
    let datacenter = names.datacenters.into_iter().find(|found| found.name == spec.datacenter);
    let datacenter = datacenter.map(|found| DatacenterFacts {
        clusters: found.clusters.into_iter().chain(found.standalone_hosts).collect(),
        datastores: found.datastores,
        networks: found.networks,
        folders: found.vm_folders,
        templates: found.templates.into_iter().map(|template| template.name).collect(),
    });
    InventoryFacts { datacenter, datacenters }
}
