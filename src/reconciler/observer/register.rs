//! Every VM and every host as last seen, every VM under watch, and which belongs to which. In memory, filled by looks.
//!
//! A VM belongs to the request whose `vm_uid` it carries; one that carries none, to the request whose VM had its
//! instance UUID. A name ties nothing: it is a label. So a VM stays the same through a rename, a move, vMotion and a
//! registration anew, and a copy that carries the identity along is seen as a second one.

mod hosts;
mod sky;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub(super) use hosts::Reading;
use jiff::Timestamp;
use serde_json::{Map, Value};
use sky::{Seen, Sky};

use crate::journal::{JournalView, ReadError, SeenVm, Sightings, TAIL_MAX};
use crate::vm_request::sighting::VmSighting;
use crate::vm_request::watch::Watch;
use crate::vm_request::watch::blame::Causes;
use crate::vm_request::watch::compare::{Desired, HostSide, VmSide};
use crate::vm_request::watch::judge::Memory;
use crate::vm_request::{RequestId, State};

/// A controller and the name of a host in its state inventory.
type HostKey = (String, String);

/// The whole.
#[derive(Debug, Default)]
pub(super) struct Register {
    vcenters: BTreeMap<String, Sky>,
    hosts: BTreeMap<HostKey, Host>,
    /// Controllers whose hosts were read whole, and when the last reading of any kind was begun.
    inventories_known: BTreeMap<String, Timestamp>,
    watched: BTreeMap<RequestId, Watched>,
    by_uid: HashMap<String, RequestId>,
    by_instance: HashMap<(String, String), RequestId>,
    by_host: HashMap<HostKey, RequestId>,
    /// What is to be written of it.
    pub news: Sightings,
}

#[derive(Debug)]
struct Host {
    id: i64,
    variables: Map<String, Value>,
    seen_at: Timestamp,
}

/// A VM under watch.
#[derive(Debug)]
pub(super) struct Watched {
    pub desired: Desired,
    pub watch: Watch,
    /// The request's, when this was read from it.
    pub seq: u64,
    pub memory: Memory,
    /// The managed object under which it was last seen.
    pub moid: String,
    pub absence: Option<Absence>,
    /// Hands are on it; whether they are to make a request.
    pub mending: Option<Mending>,
}

/// What hands do with a VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mending {
    Inventory,
    Request,
}

/// vCenter does not know the VM.
#[derive(Debug, Clone, Copy)]
pub(super) struct Absence {
    pub since: Timestamp,
    pub looks: u32,
    pub is_certain: bool,
}

impl Register {
    /// Everything that the journal has under watch; nothing is seen yet.
    pub async fn load(journal: &JournalView) -> Result<Self, ReadError> {
        let mut register = Self::default();
        let mut after = None;
        loop {
            let lines = journal.vms(after.clone(), false, TAIL_MAX).await?;
            for line in &lines {
                if let Some(loaded) = journal.load(&line.request).await? {
                    register.learn(&loaded.state);
                }
            }
            match lines.last() {
                Some(last) if lines.len() == TAIL_MAX => after = Some(last.request.clone()),
                _ => return Ok(register),
            }
        }
    }

    /// Takes over what a request says now; true when its VM is under watch.
    pub fn learn(&mut self, state: &State) -> bool {
        let Some(desired) = Desired::of(state) else {
            self.unwatch(&state.id);
            return false;
        };
        if let Some(watched) = self.watched.get_mut(&state.id) {
            (watched.desired, watched.watch, watched.seq) = (desired, state.watch.clone(), state.seq);
            return true;
        }
        self.index(&desired);
        let watched = Watched {
            moid: desired.baseline.moid.clone(),
            desired: desired.clone(),
            watch: state.watch.clone(),
            seq: state.seq,
            memory: Memory::default(),
            absence: None,
            mending: None,
        };
        self.watched.insert(state.id.clone(), watched);
        self.retie(&desired);
        true
    }

    fn index(&mut self, desired: &Desired) {
        let request = &desired.request;
        if let Some(uid) = &desired.vm_uid {
            self.by_uid.insert(uid.to_ascii_lowercase(), request.clone());
        }
        if let Some(instance) = &desired.baseline.instance_uuid {
            let key = (desired.vcenter.clone(), instance.to_ascii_lowercase());
            self.by_instance.insert(key, request.clone());
        }
        if let (Some(controller), Some(host)) = (&desired.controller, &desired.host_name) {
            self.by_host.insert((controller.clone(), host.clone()), request.clone());
        }
    }

    fn unwatch(&mut self, request: &RequestId) {
        let Some(watched) = self.watched.remove(request) else { return };
        self.by_uid.retain(|_, tied| tied != request);
        self.by_instance.retain(|_, tied| tied != request);
        self.news.vms_dropped.push(own_row(&watched.desired));
        self.retie(&watched.desired);
        self.by_host.retain(|_, tied| tied != request);
    }

    /// Writes the rows of a request's VMs and host anew: what they belong to has changed.
    fn retie(&mut self, desired: &Desired) {
        if let Some(sky) = self.vcenters.get(&desired.vcenter) {
            for vm in sky.bearing(desired) {
                self.write_vm(&desired.vcenter, vm);
            }
        }
        let host = desired.controller.clone().zip(desired.host_name.clone());
        host.into_iter().for_each(|key| self.write_host(&key));
    }

    fn vm(&self, vcenter: &str, moid: &str) -> Option<&Seen> {
        self.vcenters.get(vcenter)?.vms.get(moid)
    }

    /// A VM was seen; the request that it belongs to.
    pub fn see(&mut self, vcenter: &str, mut vm: VmSighting) -> Option<RequestId> {
        let (request, moid, read_at) = (self.owner(vcenter, &vm), vm.moid.clone(), vm.seen_at);
        let is_news = self.vm(vcenter, &moid).is_none_or(|before| {
            let seen_at = std::mem::replace(&mut vm.seen_at, before.vm.seen_at);
            let is_news = before.vm != vm || before.row != self.row_of(vcenter, &vm);
            vm.seen_at = seen_at;
            is_news
        });
        if is_news {
            self.write_vm(vcenter, vm);
        } else if let Some(seen) = self.vcenters.get_mut(vcenter).and_then(|sky| sky.vms.get_mut(&moid)) {
            seen.read_at = read_at;
        }
        if let Some(watched) = request.as_ref().and_then(|request| self.watched.get(request)) {
            let bearers = self.candidates(watched);
            let is_replaced = !bearers.contains(&watched.moid);
            if let Some(watched) = request.as_ref().and_then(|request| self.watched.get_mut(request)) {
                watched.absence = None;
                if is_replaced {
                    watched.moid = moid;
                }
            }
        }
        request
    }

    fn write_vm(&mut self, vcenter: &str, vm: VmSighting) {
        let request = self.owner(vcenter, &vm);
        let row = self.row_of(vcenter, &vm);
        let sky = self.vcenters.entry(vcenter.to_owned()).or_default();
        if let Some(before) = sky.forget(&vm.moid).filter(|before| before.row != row) {
            self.news.vms_dropped.push(before.row);
        }
        sky.keep(vm.clone(), row.clone());
        self.news.vms.push(SeenVm { id: row, vcenter: vcenter.to_owned(), request, vm, gone_at: None });
    }

    /// The request that a VM belongs to.
    fn owner(&self, vcenter: &str, vm: &VmSighting) -> Option<RequestId> {
        let by_uid = vm.vm_uid.as_ref().map(|uid| self.by_uid.get(&uid.to_ascii_lowercase()));
        let found = match by_uid {
            Some(found) => found?,
            None => {
                let instance = vm.instance_uuid.as_ref()?.to_ascii_lowercase();
                self.by_instance.get(&(vcenter.to_owned(), instance))?
            }
        };
        let is_here = self.watched.get(found).is_some_and(|watched| watched.desired.vcenter == vcenter);
        is_here.then(|| found.clone())
    }

    /// The id under which the register lists a VM. A second one with the same identity gets one of its own.
    fn row_of(&self, vcenter: &str, vm: &VmSighting) -> String {
        let Some(watched) = self.owner(vcenter, vm).and_then(|owner| self.watched.get(&owner)) else {
            return format!("{vcenter}.{}", vm.moid);
        };
        let bearers = self.candidates(watched);
        let first = bearers.iter().find(|moid| **moid == watched.moid).or(bearers.first());
        match first {
            Some(first) if *first != vm.moid => format!("{vcenter}.{}", vm.moid),
            _ => own_row(&watched.desired),
        }
    }

    /// The managed objects that may be the VM: those with its identity, else the one with its instance UUID.
    fn candidates(&self, watched: &Watched) -> Vec<String> {
        let Some(sky) = self.vcenters.get(&watched.desired.vcenter) else { return Vec::new() };
        let of = |index: &HashMap<String, BTreeSet<String>>, key: &Option<String>| -> Vec<String> {
            let found = key.as_ref().and_then(|key| index.get(&key.to_ascii_lowercase()));
            found.into_iter().flatten().cloned().collect()
        };
        let by_uid = of(&sky.by_uid, &watched.desired.vm_uid);
        if !by_uid.is_empty() {
            return by_uid;
        }
        let unmarked = |moid: &String| sky.vms.get(moid).is_some_and(|seen| seen.vm.vm_uid.is_none());
        of(&sky.by_instance, &watched.desired.baseline.instance_uuid).into_iter().filter(unmarked).collect()
    }

    /// vCenter does not know that managed object (any more); the request whose VM it was.
    pub fn lose(&mut self, vcenter: &str, moid: &str) -> Option<RequestId> {
        let sky = self.vcenters.get_mut(vcenter)?;
        let owner = match sky.forget(moid) {
            Some(lost) => {
                let owner = self.owner(vcenter, &lost.vm);
                // The row of a VM under watch stays, whatever vCenter has.
                if !owner.as_ref().is_some_and(|owner| self.is_own_row(owner, &lost.row)) {
                    self.news.vms_dropped.push(lost.row);
                }
                owner
            }
            None => None,
        };
        owner.or_else(|| {
            let last_here = |watched: &&Watched| watched.desired.vcenter == vcenter && watched.moid == moid;
            self.watched.values().find(last_here).map(|watched| watched.desired.request.clone())
        })
    }

    fn is_own_row(&self, request: &RequestId, row: &str) -> bool {
        self.watched.get(request).is_some_and(|watched| own_row(&watched.desired) == row)
    }

    /// Notes that the VM is certainly gone.
    pub fn write_gone(&mut self, request: &RequestId, now: Timestamp) {
        let Some(watched) = self.watched.get(request) else { return };
        let mut vm = watched.desired.baseline.clone();
        vm.moid.clone_from(&watched.moid);
        self.news.vms.push(SeenVm {
            id: own_row(&watched.desired),
            vcenter: watched.desired.vcenter.clone(),
            request: Some(request.clone()),
            vm,
            gone_at: Some(now),
        });
    }

    /// Whether the vCenter was read whole and answers.
    pub fn set_clear(&mut self, vcenter: &str, is_clear: bool) {
        self.vcenters.entry(vcenter.to_owned()).or_default().is_clear = is_clear;
    }

    /// The managed objects that were seen there last.
    pub fn moids(&self, vcenter: &str) -> Vec<String> {
        self.vcenters.get(vcenter).map(|sky| sky.vms.keys().cloned().collect()).unwrap_or_default()
    }

    /// What happened to a managed object.
    pub fn causes(&mut self, vcenter: &str, moid: &str) -> &mut Causes {
        self.vcenters.entry(vcenter.to_owned()).or_default().causes.entry(moid.to_owned()).or_default()
    }

    /// Drops what happened to managed objects that are neither there nor those of VMs under watch.
    pub fn forget_causes(&mut self, vcenter: &str) {
        let watched: BTreeSet<&String> = self.watched.values().map(|watched| &watched.moid).collect();
        if let Some(sky) = self.vcenters.get_mut(vcenter) {
            let Sky { vms, causes, .. } = sky;
            causes.retain(|moid, _| vms.contains_key(moid) || watched.contains(moid));
        }
    }

    /// The requests whose VMs are to be in that vCenter.
    pub fn watched_in(&self, vcenter: &str) -> Vec<RequestId> {
        let here = self.watched.values().filter(|watched| watched.desired.vcenter == vcenter);
        here.map(|watched| watched.desired.request.clone()).collect()
    }

    pub fn watched(&self, request: &RequestId) -> Option<&Watched> {
        self.watched.get(request)
    }

    pub fn watched_mut(&mut self, request: &RequestId) -> Option<&mut Watched> {
        self.watched.get_mut(request)
    }

    /// How many VMs are under watch.
    pub fn len(&self) -> usize {
        self.watched.len()
    }

    pub fn all(&self) -> impl Iterator<Item = &Watched> {
        self.watched.values()
    }

    /// How many VMs and hosts a neighbour was last seen to have.
    pub fn seen_in(&self, vcenter: &str) -> usize {
        self.vcenters.get(vcenter).map_or(0, |sky| sky.vms.len())
    }

    pub fn hosts_in(&self, controller: &str) -> usize {
        self.hosts.keys().filter(|key| key.0 == controller).count()
    }

    /// Whether the VM is seen under exactly one managed object.
    pub fn is_seen(&self, request: &RequestId) -> bool {
        self.watched.get(request).is_some_and(|watched| self.candidates(watched).len() == 1)
    }

    /// The VM as it was seen last, when it is seen once.
    pub fn seen(&self, watched: &Watched) -> Option<&VmSighting> {
        let [moid] = self.candidates(watched).try_into().ok()?;
        self.vm(&watched.desired.vcenter, &moid).map(|seen| &seen.vm)
    }

    /// Hands the three sides of a VM to `with`.
    pub fn sides<T>(
        &self,
        watched: &Watched,
        with: impl FnOnce(VmSide<'_>, HostSide<'_>, Option<&Causes>) -> T,
    ) -> T {
        let desired = &watched.desired;
        let moids = self.candidates(watched);
        let sky = self.vcenters.get(&desired.vcenter).filter(|sky| sky.is_clear);
        let vm = match (sky, moids.as_slice()) {
            (None, _) => VmSide::Unknown,
            // What was read while the VM was still being built says nothing of what it is.
            (Some(sky), [moid]) => match sky.vms.get(moid) {
                Some(seen) if seen.read_at >= desired.baseline.seen_at => VmSide::Seen(&seen.vm),
                _ => VmSide::Unknown,
            },
            (Some(_), []) if watched.absence.is_some_and(|absence| absence.is_certain) => VmSide::Gone,
            (Some(_), []) => VmSide::Unknown,
            (Some(_), several) => VmSide::Several(several),
        };
        let host = match (&desired.controller, &desired.host_name) {
            // A reading from before the VM was verified knows nothing of what was written for it.
            (Some(controller), Some(name))
                if self
                    .inventories_known
                    .get(controller)
                    .is_some_and(|at| *at >= desired.baseline.seen_at) =>
            {
                let host = self.hosts.get(&(controller.clone(), name.clone()));
                host.map_or(HostSide::None, |host| HostSide::Seen(&host.variables))
            }
            _ => HostSide::Unknown,
        };
        let causes = self.vcenters.get(&desired.vcenter).and_then(|sky| sky.causes.get(&watched.moid));
        with(vm, host, causes)
    }
}

/// The id under which the register lists the VM of a request.
fn own_row(desired: &Desired) -> String {
    let baseline = &desired.baseline;
    let known = desired.vm_uid.clone().or_else(|| baseline.instance_uuid.clone());
    known.unwrap_or_else(|| format!("{}.{}", desired.vcenter, baseline.moid))
}
