//! What stands in the way of an attempt, judged from what controller and vCenter showed. All findings at once, each
//! with what mends it (C1).

use std::collections::BTreeSet;

use super::extra_vars::unsent;
use super::hold::Finding;
use super::sighting::VmSighting;
use super::spec::{Address, VmSpec};

/// What the shell found out before an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PreflightFacts {
    /// Every VM with the wanted name in the wanted folder, with the request's `vm_uid`, or with an address that is asked for.
    pub vms: Vec<VmSighting>,
    pub inventory: InventoryFacts,
    pub workflow: WorkflowFacts,
}

/// The names that the VM's data centre offers. `None` when the data centre does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InventoryFacts {
    pub datacenter: Option<DatacenterFacts>,
    /// Every data centre, for the remedy.
    pub datacenters: BTreeSet<String>,
}

/// The names in one data centre.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatacenterFacts {
    pub clusters: BTreeSet<String>,
    pub datastores: BTreeSet<String>,
    pub networks: BTreeSet<String>,
    /// Folder paths below the `vm` folder.
    pub folders: BTreeSet<String>,
    pub templates: BTreeSet<String>,
}

/// What the controller says of the workflow template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkflowFacts {
    pub name: String,
    /// Whether it was found (a name that is not found may be a right that is missing: MEASURED 8).
    pub is_visible: bool,
    pub asks_variables: bool,
    pub variables_needed: Vec<String>,
    /// Names or ids of nodes whose template is gone or whose prompts are rejected.
    pub broken_nodes: Vec<String>,
    pub claims_inventory_visible: bool,
    pub state_inventory_visible: bool,
}

/// Everything that stands in the way of building `spec` for the request whose VM identity is `vm_uid`.
/// `attempted` tells whether an earlier attempt may have built something.
#[must_use]
pub fn findings(spec: &VmSpec, vm_uid: &str, attempted: bool, facts: &PreflightFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    identity_findings(&mut found, spec, vm_uid, attempted, &facts.vms);
    address_findings(&mut found, spec, vm_uid, &facts.vms);
    inventory_findings(&mut found, spec, &facts.inventory);
    workflow_findings(&mut found, &facts.workflow);
    found
}

fn identity_findings(
    found: &mut Vec<Finding>,
    spec: &VmSpec,
    vm_uid: &str,
    attempted: bool,
    vms: &[VmSighting],
) {
    let ours: Vec<&VmSighting> = vms.iter().filter(|vm| vm.vm_uid.as_deref() == Some(vm_uid)).collect();
    if ours.len() > 1 {
        let names: Vec<String> = ours.iter().map(|vm| format!("{} ({})", vm.name, vm.moid)).collect();
        found.push(finding(
            "identity_conflict",
            format!("vm_uid {vm_uid}"),
            format!("{} VMs carry it: {}", ours.len(), names.join(", ")),
            "remove guestinfo.causeway.vm_uid from the copies, then retry",
        ));
    }
    for vm in vms {
        let in_place = vm.name.eq_ignore_ascii_case(&spec.vm_name)
            && vm.folder == spec.folder
            && vm.datacenter.as_ref().is_none_or(|datacenter| *datacenter == spec.datacenter);
        let is_ours = vm.vm_uid.as_deref() == Some(vm_uid);
        // A clone that broke off before its identity was written is adopted by the playbook: it can only come from
        // an earlier attempt of this request.
        let half_made = attempted && vm.vm_uid.is_none();
        if in_place && !is_ours && !half_made {
            found.push(finding(
                "name_taken",
                format!("VM {} in folder {}", spec.vm_name, spec.folder),
                format!("{} exists and is not this request's", vm.moid),
                "choose another vm_name, or remove or rename the VM, then retry",
            ));
        }
    }
}

/// A guest in the same data centre and on the same network has an address that is asked for. Elsewhere the same address may
/// be in use rightly.
fn address_findings(found: &mut Vec<Finding>, spec: &VmSpec, vm_uid: &str, vms: &[VmSighting]) {
    let others = vms.iter().filter(|vm| vm.vm_uid.as_deref() != Some(vm_uid));
    for vm in others {
        let Some(seen) = vm.guest_address() else { continue };
        let is_here = vm.datacenter.as_ref().is_none_or(|datacenter| *datacenter == spec.datacenter);
        let asked = spec.nics.iter().enumerate().find(|(_, nic)| {
            matches!(nic.address, Address::Static { ip, .. } if ip == seen)
                && vm.nics.iter().any(|there| there.network.as_ref() == Some(&nic.network))
        });
        if let Some((index, nic)) = asked.filter(|_| is_here) {
            found.push(finding(
                "address_taken",
                format!("adapter {} on {}", index + 1, nic.network),
                format!("{} ({}) has {seen}", vm.name, vm.moid),
                "ask for another address, or take it away from that VM, then retry",
            ));
        }
    }
}

fn inventory_findings(found: &mut Vec<Finding>, spec: &VmSpec, facts: &InventoryFacts) {
    let Some(names) = &facts.datacenter else {
        found.push(missing("datacenter", &spec.datacenter, &facts.datacenters));
        return;
    };
    let mut must_exist = |kind: &str, name: &str, there: &BTreeSet<String>| {
        if !there.contains(name) {
            found.push(missing(kind, name, there));
        }
    };
    must_exist("cluster", &spec.cluster, &names.clusters);
    must_exist("datastore", &spec.datastore, &names.datastores);
    must_exist("folder", &spec.folder, &names.folders);
    must_exist("template", &spec.template, &names.templates);
    let networks: BTreeSet<&String> = spec.nics.iter().map(|nic| &nic.network).collect();
    for network in networks {
        must_exist("network", network, &names.networks);
    }
}

fn workflow_findings(found: &mut Vec<Finding>, workflow: &WorkflowFacts) {
    let subject = format!("workflow template {}", workflow.name);
    if !workflow.is_visible {
        found.push(finding(
            "workflow_missing",
            subject,
            "the controller does not show it to the bridge",
            "create it, or give the bridge's account Execute on it",
        ));
        return;
    }
    if !workflow.asks_variables {
        found.push(finding(
            "workflow_does_not_prompt",
            subject.clone(),
            "it does not prompt for variables on launch",
            "set ask_variables_on_launch on the template",
        ));
    }
    for node in &workflow.broken_nodes {
        found.push(finding(
            "workflow_node_broken",
            subject.clone(),
            format!("node {node} has no usable template"),
            "repair the node's template and its prompts",
        ));
    }
    for variable in unsent(&workflow.variables_needed) {
        found.push(finding(
            "workflow_needs_variable",
            subject.clone(),
            format!("its survey requires `{variable}`, which the bridge does not send"),
            "make the question optional, or give it a default",
        ));
    }
    for (visible, which) in
        [(workflow.claims_inventory_visible, "claims"), (workflow.state_inventory_visible, "state")]
    {
        if !visible {
            found.push(finding(
                "inventory_missing",
                format!("{which} inventory"),
                "the controller does not show it to the bridge",
                "create it, or give the bridge's account Admin on it",
            ));
        }
    }
}

fn missing(kind: &str, name: &str, there: &BTreeSet<String>) -> Finding {
    const SHOWN_MAX: usize = 8;
    let shown: Vec<&str> = there.iter().take(SHOWN_MAX).map(String::as_str).collect();
    let more = if there.len() > SHOWN_MAX { ", …" } else { "" };
    finding(
        &format!("{kind}_missing"),
        format!("{kind} {name}"),
        "vCenter does not show it",
        format!("create it, or name one that exists: {}{more}", shown.join(", ")),
    )
}

fn finding(
    code: &str,
    subject: impl Into<String>,
    detail: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding { code: code.to_owned(), subject: subject.into(), detail: detail.into(), remedy: remedy.into() }
}
