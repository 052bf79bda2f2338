//! Mends what the actor was told to mend: writes a host's variables, or makes a request that runs the workflow. One
//! mend at a time, and only while no run of ours is active on the VM.

use std::sync::Arc;

use jiff::Timestamp;
use rand::TryRng;
use rand::rngs::SysRng;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};

use super::{Input, stopped};
use crate::aap::{Host, HostMerge, HostWrite};
use crate::journal::{Admission, AdmissionKeys, Admitted, Append, AppendError, Journal, SeenBy};
use crate::reconciler::driver::Waker;
use crate::reconciler::neighbours::Neighbours;
use crate::vm_request::event::Received;
use crate::vm_request::sighting::VmSighting;
use crate::vm_request::watch::compare::Desired;
use crate::vm_request::watch::judge::Mend;
use crate::vm_request::watch::{Handled, Remedies, Watch, remedy};
use crate::vm_request::{Event, RequestId};

/// Source of the requests that mend.
pub const REMEDIATION_SOURCE: &str = "drift";
/// Who asks for them.
const REQUESTED_BY: &str = "causeway";
/// How often a fact is written anew because the request moved on meanwhile.
const ROUNDS_MAX: usize = 3;

/// A VM to mend.
#[derive(Debug)]
pub(super) struct Order {
    pub request: RequestId,
    pub desired: Box<Desired>,
    pub watch: Box<Watch>,
    /// As it was seen last.
    pub vm: Option<VmSighting>,
    pub mend: Mend,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The journal says what was done.
    Told,
    /// The same, and the host was read back: what the eye saw of it before is old.
    HostRead { controller: String, host: Box<Host>, began_at: Timestamp },
    /// Not now: a run is active, or a neighbour is away.
    Later,
}

/// The hands.
#[derive(Debug)]
pub(super) struct Hands {
    journal: Journal,
    neighbours: Arc<Neighbours>,
    waker: Waker,
    inputs: mpsc::Sender<Input>,
    stopping: watch::Receiver<bool>,
}

impl Hands {
    pub const fn new(
        journal: Journal,
        neighbours: Arc<Neighbours>,
        waker: Waker,
        inputs: mpsc::Sender<Input>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self { journal, neighbours, waker, inputs, stopping }
    }

    /// Mends until the watch stops. A mend that was begun is ended first.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        loop {
            let order = tokio::select! {
                () = stopped(&mut self.stopping) => return,
                order = orders.recv() => order,
            };
            let Some(order) = order else { return };
            let outcome = self.mend(&order).await;
            let told = Input::Mended { request: order.request, outcome };
            tokio::select! {
                () = stopped(&mut self.stopping) => return,
                sent = self.inputs.send(told) => if sent.is_err() { return },
            }
        }
    }

    async fn mend(&self, order: &Order) -> Outcome {
        if self.is_run_active(&order.watch).await {
            return Outcome::Later;
        }
        match &order.mend {
            Mend::Inventory { fields } => self.repair(order, fields).await,
            Mend::Request { fields, approval_required } => {
                self.remediate(order, fields, *approval_required).await
            }
            Mend::Nothing { .. } => Outcome::Told,
        }
    }

    /// Whether a remediation of the VM is under way. Not known counts as yes.
    async fn is_run_active(&self, watch: &Watch) -> bool {
        for id in &watch.remediations {
            match self.journal.summary(id).await {
                Ok(Some(summary)) if !summary.phase.is_over() => return true,
                Ok(_) => {}
                Err(_) => return true,
            }
        }
        false
    }

    async fn repair(&self, order: &Order, fields: &[String]) -> Outcome {
        let desired = &order.desired;
        let controller = desired.controller.as_ref().and_then(|name| self.neighbours.controllers.get(name));
        let (Some(controller), Some(host_name), Some(vm)) = (controller, &desired.host_name, &order.vm)
        else {
            return Outcome::Later;
        };
        let Ok(Some(inventory)) = controller.state_inventory().await else { return Outcome::Later };
        let host = match controller.client.host(inventory, host_name).await {
            Ok(Some(host)) => host,
            Ok(None) | Err(_) => return Outcome::Later,
        };
        let keys: Map<String, Value> = remedy::host_variables(desired, vm, &host.variables, fields);
        let refused = |why: String| Handled::Refused { why };
        let began_at = self.neighbours.clock.now();
        let how = match controller.client.merge_host_keys(host.id, &keys).await {
            HostMerge::Unchanged(host) | HostMerge::Merged(host) => {
                let how = Handled::InventoryWritten { host: host.id, times: self.times(order, fields) };
                let controller = desired.controller.clone().unwrap_or_default();
                return match self.tell(&order.request, fields, &how).await {
                    Outcome::Told => Outcome::HostRead { controller, host: Box::new(host), began_at },
                    later => later,
                };
            }
            HostMerge::Contended { rounds } => {
                refused(format!("somebody else keeps writing the host ({rounds} rounds)"))
            }
            HostMerge::NotWritten(HostWrite::Refused { violations }) => {
                let said: Vec<String> = violations.into_iter().map(|violation| violation.message).collect();
                refused(said.join("; "))
            }
            HostMerge::NotWritten(HostWrite::NotNow { status: 403, detail, .. }) => refused(detail),
            // 409: a job uses the inventory. Away, gone, not answered: it is read again.
            HostMerge::NotWritten(_) | HostMerge::Gone | HostMerge::Unreadable(_) => return Outcome::Later,
        };
        self.tell(&order.request, fields, &how).await
    }

    /// How often the inventory was repaired for these findings, this time included.
    fn times(&self, order: &Order, fields: &[String]) -> u32 {
        let times = |field: &String| match order.watch.open.get(field)?.handled.as_ref()? {
            Handled::InventoryWritten { times, .. } => Some(*times),
            Handled::Request { .. } | Handled::Refused { .. } => None,
        };
        fields.iter().filter_map(times).max().unwrap_or(0).saturating_add(1)
    }

    async fn remediate(&self, order: &Order, fields: &[String], approval_required: bool) -> Outcome {
        let desired = &order.desired;
        let findings: Vec<_> = fields.iter().filter_map(|field| order.watch.open.get(field)).collect();
        let drifts: Vec<_> = findings.iter().map(|finding| &finding.drift).collect();
        let uid = desired.vm_uid.as_ref().and_then(|uid| uid.parse().ok());
        let (Some(spec), Some(stages), Some(vm_uid)) = (remedy::spec(desired), remedy::stages(&drifts), uid)
        else {
            let how = Handled::Refused { why: "no stage of the workflow brings it back".to_owned() };
            return self.tell(&order.request, fields, &how).await;
        };
        let now = self.neighbours.clock.now();
        let Ok(random) = SysRng.try_next_u64() else { return Outcome::Later };
        let id = RequestId::from_parts(now, u128::from(random));
        let remedies = Remedies { request: order.request.clone(), fields: fields.to_vec(), stages };
        let received = Received {
            source: REMEDIATION_SOURCE.to_owned(),
            ticket: None,
            requested_by: REQUESTED_BY.to_owned(),
            asked: json!({ "remedies": remedies }),
            spec,
            vm_uid,
            approval_required,
            traceparent: None,
            remedies: Some(remedies),
        };
        // One remediation until it is noted, whatever happens in between; asked for again after that, another.
        let opened =
            findings.iter().map(|finding| finding.opened_at.as_microsecond()).max().unwrap_or_default();
        let noted = order.watch.remediations.len();
        let key = json!([REMEDIATION_SOURCE, order.request, fields, opened, noted]).to_string();
        let keys = AdmissionKeys { request_key: Some(key), ..AdmissionKeys::default() };
        let events = vec![Event::Received(Box::new(received))];
        let id = match self.journal.admit(Admission { id: id.clone(), at: now, events, keys }).await {
            Ok(Admitted::New { .. }) => id,
            Ok(Admitted::Seen { id, by: SeenBy::RequestKey }) => id,
            Ok(other) => {
                tracing::info!(request = %order.request, ?other, "a remediation waits");
                return Outcome::Later;
            }
            Err(error) => {
                tracing::warn!(request = %order.request, %error, "a remediation was not journalled");
                return Outcome::Later;
            }
        };
        let told =
            self.tell(&order.request, fields, &Handled::Request { id: id.clone(), approval_required }).await;
        self.waker.wake(&id);
        told
    }

    /// Notes in the journal of the VM's request what was begun.
    async fn tell(&self, request: &RequestId, fields: &[String], how: &Handled) -> Outcome {
        for _ in 0..ROUNDS_MAX {
            let Ok(Some(state)) = self.journal.load_state(request).await else { return Outcome::Later };
            let now = self.neighbours.clock.now().max(state.updated_at);
            let event = Event::DriftHandled { fields: fields.to_vec(), how: how.clone() };
            let Ok((append, _)) = Append::following(&state, now, vec![event]) else { return Outcome::Told };
            match self.journal.append(append).await {
                Ok(_) => return Outcome::Told,
                Err(AppendError::Conflict { .. }) => {}
                Err(error) => {
                    tracing::warn!(%request, %error, "what was mended was not journalled");
                    return Outcome::Later;
                }
            }
        }
        Outcome::Later
    }
}
