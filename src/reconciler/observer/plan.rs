//! What the watch would do now, from one look at everything. Nothing is written, here or anywhere else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::register::{Absence, Reading, Register, Watched};
use crate::journal::{JournalView, ReadError};
use crate::reconciler::neighbours::Neighbours;
use crate::vm_request::RequestId;
use crate::vm_request::stage::Stage;
use crate::vm_request::watch::compare::{DriftVerdict, FieldDrift, compare};
use crate::vm_request::watch::policy::{Response, WatchPolicy};
use crate::vm_request::watch::remedy;

/// What would be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// VMs under watch that were compared.
    pub compared: usize,
    /// In the order of names, then fields. It holds no time, so that two plans of one state are the same text.
    pub items: Vec<PlanItem>,
    /// Neighbours that could not be read, and why: their VMs are not compared.
    pub unread: BTreeMap<String, String>,
}

/// One difference and what would be done about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PlanItem {
    pub vm_name: String,
    pub field: String,
    pub verdict: DriftVerdict,
    pub asked: Option<String>,
    pub inventory: Option<String>,
    pub vcenter: Option<String>,
    /// `ignore`, `report`, `repair_inventory`, `propose` or `remediate`.
    pub would: Response,
    /// How: the host, or the stages that would be run.
    pub how: Option<String>,
    /// Why it would not be done now.
    pub but: Option<String>,
    pub environment: Option<String>,
    pub request: RequestId,
}

/// Reads every vCenter and inventory once and says what would be done.
///
/// # Errors
/// [`ReadError`] when the journal cannot be read. A neighbour that cannot be read is named in the plan.
pub async fn plan(
    journal: &JournalView,
    neighbours: &Neighbours,
    policy: &WatchPolicy,
    now: Timestamp,
) -> Result<Plan, ReadError> {
    let mut register = Register::load(journal).await?;
    let mut plan = Plan::default();
    for (name, handle) in &neighbours.vcenters {
        match handle.client.vms().await {
            Ok(listing) => {
                for vm in listing.vms {
                    register.see(name, vm);
                }
                register.set_clear(name, true);
            }
            Err(error) => {
                plan.unread.insert(format!("vcenter {name}"), error.to_string());
                continue;
            }
        }
        let unseen: Vec<RequestId> =
            register.watched_in(name).into_iter().filter(|request| !register.is_seen(request)).collect();
        let moids: BTreeMap<String, RequestId> = unseen
            .into_iter()
            .filter_map(|request| Some((register.watched(&request)?.moid.clone(), request)))
            .collect();
        let wanted: Vec<String> = moids.keys().cloned().collect();
        if let Ok(reading) = handle.client.read_vms(&wanted).await {
            for request in reading.gone.iter().filter_map(|moid| moids.get(moid)) {
                if let Some(watched) = register.watched_mut(request) {
                    watched.absence = Some(Absence { since: now, looks: 1, is_certain: true });
                }
            }
        }
    }
    for (name, handle) in &neighbours.controllers {
        let read = async {
            let began_at = neighbours.clock.now();
            let inventory = handle.state_inventory().await.map_err(|error| error.to_string())?;
            let inventory = inventory.ok_or("the controller does not show the state inventory")?;
            let listing = handle.client.hosts(inventory, None).await.map_err(|error| error.to_string())?;
            Ok::<_, String>((listing, began_at))
        };
        match read.await {
            Ok((listing, began_at)) => {
                let hosts =
                    listing.hosts.into_iter().map(|host| (host.name, host.id, host.variables)).collect();
                let unread: BTreeSet<String> = listing.unread.into_iter().map(|host| host.name).collect();
                let reading = if listing.complete { Reading::Whole } else { Reading::Changed };
                register.see_hosts(name, hosts, &unread, reading, began_at);
            }
            Err(why) => drop(plan.unread.insert(format!("controller {name}"), why)),
        }
    }
    for watched in register.all() {
        let compared = register.sides(watched, |vm, host, _| compare(&watched.desired, vm, host));
        plan.compared += usize::from(compared.vcenter_known);
        plan.items.extend(compared.drifts.into_iter().map(|drift| item(watched, drift, policy, now)));
    }
    plan.items.sort();
    Ok(plan)
}

fn item(watched: &Watched, drift: FieldDrift, policy: &WatchPolicy, now: Timestamp) -> PlanItem {
    let desired = &watched.desired;
    let environment = desired.environment.as_deref();
    let ignored = watched.watch.ignores(&drift.field, now);
    let would = if ignored { Response::Ignore } else { policy.response(environment, &drift) };
    let (how, unable) = match would {
        Response::Ignore | Response::Report => (None, None),
        Response::RepairInventory if remedy::is_mended_by_inventory(&drift) => {
            (desired.host_name.as_ref().map(|host| format!("host {host}")), None)
        }
        Response::RepairInventory => (None, Some("nothing brings it back by itself")),
        Response::Propose | Response::Remediate => {
            match remedy::stages(&[&drift]).filter(|_| desired.spec.is_some()) {
                Some(stages) => {
                    let names: Vec<&str> = stages.into_iter().map(Stage::name).collect();
                    (Some(format!("stages {}", names.join(", "))), None)
                }
                None => (None, Some("nothing brings it back by itself")),
            }
        }
    };
    let acts = !matches!(would, Response::Ignore | Response::Report);
    let starts_run = matches!(would, Response::Propose | Response::Remediate);
    let but = match () {
        () if !acts => None,
        () if unable.is_some() => unable,
        () if policy.is_stopped(&desired.vcenter) => Some("the stop switch is set"),
        () if watched.watch.is_paused(now) => Some("the VM's watch is paused"),
        () if starts_run && !policy.is_window_open(environment, now) => Some("no maintenance window is open"),
        () => None,
    };
    PlanItem {
        vm_name: desired.baseline.name.clone(),
        field: drift.field,
        verdict: drift.verdict,
        asked: drift.asked,
        inventory: drift.inventory,
        vcenter: drift.vcenter,
        would,
        how,
        but: but.map(str::to_owned),
        environment: desired.environment.clone(),
        request: desired.request.clone(),
    }
}
