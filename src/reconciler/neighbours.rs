//! The controllers and vCenters that turns speak to, with what is remembered of them for a short while.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::Timestamp;

use super::batch::RunBatch;
use super::breaker::Breaker;
use crate::aap::{Controller, Host, LaunchReadiness, ReadError};
use crate::clock::SharedClock;
use crate::vcenter::{InventoryNames, Vcenter, VcenterError};
use crate::vm_request::preflight::WorkflowFacts;

/// How long a template, its readiness, an inventory's id and a vCenter's names are remembered.
const REMEMBERED_SECS: i64 = 60;
/// How long a host that was just read may be merged into without reading it again. What somebody else writes in
/// between is lost, as between any reading and writing here (MEASURED 36): it is kept as short as it can be told.
const HOST_FRESH_SECS: i64 = 1;

/// Everything that turns speak to.
#[derive(Debug)]
pub struct Neighbours {
    /// Name of this bridge: `extra_vars.causeway_instance`.
    pub instance: String,
    pub controllers: BTreeMap<String, ControllerHandle>,
    pub vcenters: BTreeMap<String, VcenterHandle>,
    pub clock: SharedClock,
}

/// What a bridge uses on one controller.
#[derive(Debug, Clone)]
pub struct ControllerSetup {
    /// Name of the workflow job template.
    pub workflow: String,
    pub organization: Option<String>,
    pub claims_inventory: String,
    pub state_inventory: String,
}

/// A controller and what is remembered of it.
#[derive(Debug)]
pub struct ControllerHandle {
    pub client: Controller,
    pub setup: ControllerSetup,
    pub(super) batch: RunBatch,
    pub(super) breaker: Breaker,
    clock: SharedClock,
    workflow: Remembered<WorkflowTemplate>,
    claims_inventory: Remembered<i64>,
    state_inventory: Remembered<i64>,
    /// A run that was seen before: a healthy listing shows it.
    known_run: Mutex<Option<KnownRun>>,
    /// The host that was read last, by name.
    fresh_host: Mutex<BTreeMap<String, (Host, Timestamp)>>,
}

/// A run that a healthy listing has to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KnownRun {
    pub workflow_job: i64,
    pub created: Timestamp,
}

/// The workflow's template and whether it can be launched.
#[derive(Debug, Clone)]
pub(super) struct WorkflowTemplate {
    pub id: i64,
    pub readiness: LaunchReadiness,
}

/// A vCenter and what is remembered of it.
#[derive(Debug)]
pub struct VcenterHandle {
    pub client: Vcenter,
    clock: SharedClock,
    names: Remembered<InventoryNames>,
}

impl Neighbours {
    /// No neighbours yet.
    #[must_use]
    pub fn new(instance: impl Into<String>, clock: SharedClock) -> Self {
        Self { instance: instance.into(), controllers: BTreeMap::new(), vcenters: BTreeMap::new(), clock }
    }

    /// Adds a controller. Must be called within a tokio runtime: its batch reader is a task.
    pub fn add_controller(&mut self, name: impl Into<String>, client: Controller, setup: ControllerSetup) {
        let handle = ControllerHandle {
            batch: RunBatch::start(client.clone()),
            client,
            setup,
            breaker: Breaker::default(),
            clock: self.clock.clone(),
            workflow: Remembered::default(),
            claims_inventory: Remembered::default(),
            state_inventory: Remembered::default(),
            known_run: Mutex::default(),
            fresh_host: Mutex::default(),
        };
        self.controllers.insert(name.into(), handle);
    }

    /// How long every controller's launches are kept back after it would not take one.
    pub(super) fn keep_launches_back_secs(&self, secs: u64) {
        self.controllers.values().for_each(|controller| controller.breaker.set_open_secs(secs));
    }

    /// Adds a vCenter.
    pub fn add_vcenter(&mut self, name: impl Into<String>, client: Vcenter) {
        let handle = VcenterHandle { client, clock: self.clock.clone(), names: Remembered::default() };
        self.vcenters.insert(name.into(), handle);
    }
}

impl ControllerHandle {
    /// The workflow's template, remembered for a minute. `None` when the controller does not show it.
    pub(super) async fn workflow(&self) -> Result<Option<WorkflowTemplate>, ReadError> {
        let now = self.clock.now();
        if let Some(known) = self.workflow.get(now) {
            return Ok(Some(known));
        }
        self.workflow_now().await
    }

    /// The same, read now.
    pub(super) async fn workflow_now(&self) -> Result<Option<WorkflowTemplate>, ReadError> {
        let organization = self.setup.organization.as_deref();
        let Some(template) = self.client.workflow_job_template(&self.setup.workflow, organization).await?
        else {
            self.workflow.forget();
            return Ok(None);
        };
        let readiness = self.client.launch_readiness(template.id).await?;
        let found = WorkflowTemplate { id: template.id, readiness };
        self.workflow.set(found.clone(), self.clock.now());
        Ok(Some(found))
    }

    /// The id of the claims inventory.
    pub(super) async fn claims_inventory(&self) -> Result<Option<i64>, ReadError> {
        self.inventory(&self.claims_inventory, &self.setup.claims_inventory).await
    }

    /// The id of the state inventory.
    pub(super) async fn state_inventory(&self) -> Result<Option<i64>, ReadError> {
        self.inventory(&self.state_inventory, &self.setup.state_inventory).await
    }

    async fn inventory(&self, memory: &Remembered<i64>, name: &str) -> Result<Option<i64>, ReadError> {
        let now = self.clock.now();
        if let Some(id) = memory.get(now) {
            return Ok(Some(id));
        }
        let found = self.client.inventory(name, self.setup.organization.as_deref()).await?;
        if let Some(id) = found {
            memory.set(id, now);
        }
        Ok(found)
    }

    /// What the core's preflight asks of the controller.
    pub(super) async fn workflow_facts(&self) -> Result<WorkflowFacts, ReadError> {
        let mut facts = WorkflowFacts {
            name: self.setup.workflow.clone(),
            claims_inventory_visible: self.claims_inventory().await?.is_some(),
            state_inventory_visible: self.state_inventory().await?.is_some(),
            ..WorkflowFacts::default()
        };
        if let Some(template) = self.workflow().await? {
            let readiness = template.readiness;
            facts.is_visible = true;
            facts.asks_variables = readiness.asks_variables;
            facts.variables_needed = readiness.variables_needed_to_start;
            facts.broken_nodes = readiness.node_templates_missing;
            facts.broken_nodes.extend(readiness.node_prompts_rejected);
        }
        Ok(facts)
    }

    /// Drops what is remembered of the template and the inventories, after an answer that contradicts it.
    pub(super) fn forget(&self) {
        self.workflow.forget();
        self.claims_inventory.forget();
        self.state_inventory.forget();
    }

    pub(super) fn known_run(&self) -> Option<KnownRun> {
        *lock(&self.known_run)
    }

    pub(super) fn set_known_run(&self, known: Option<KnownRun>) {
        *lock(&self.known_run) = known;
    }

    /// Keeps a host that was just read.
    pub(super) fn remember_host(&self, host: Host) {
        let now = self.clock.now();
        let mut hosts = lock(&self.fresh_host);
        hosts.retain(|_, (_, at)| is_fresh(*at, now, HOST_FRESH_SECS));
        hosts.insert(host.name.clone(), (host, now));
    }

    /// Takes the host of that name, if it was read within the last seconds.
    pub(super) fn take_fresh_host(&self, name: &str) -> Option<Host> {
        let now = self.clock.now();
        let (host, at) = lock(&self.fresh_host).remove(name)?;
        is_fresh(at, now, HOST_FRESH_SECS).then_some(host)
    }
}

impl VcenterHandle {
    /// Drops what is remembered of its names.
    pub(super) fn forget(&self) {
        self.names.forget();
    }

    /// The names that the vCenter offers, remembered for a minute.
    pub(super) async fn names(&self) -> Result<InventoryNames, VcenterError> {
        let now = self.clock.now();
        if let Some(names) = self.names.get(now) {
            return Ok(names);
        }
        let names = self.client.inventory().await?;
        self.names.set(names.clone(), now);
        Ok(names)
    }
}

/// A value that is trusted for [`REMEMBERED_SECS`].
#[derive(Debug)]
struct Remembered<T>(Mutex<Option<(T, Timestamp)>>);

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Remembered<T> {
    fn get(&self, now: Timestamp) -> Option<T> {
        let held = lock(&self.0);
        let (value, at) = held.as_ref()?;
        is_fresh(*at, now, REMEMBERED_SECS).then(|| value.clone())
    }

    fn set(&self, value: T, now: Timestamp) {
        *lock(&self.0) = Some((value, now));
    }

    fn forget(&self) {
        *lock(&self.0) = None;
    }
}

fn is_fresh(at: Timestamp, now: Timestamp, secs: i64) -> bool {
    let age = now.duration_since(at).as_secs();
    (0..secs).contains(&age)
}

/// A poisoned lock guards plain values that are replaced whole: what it holds is still right.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
