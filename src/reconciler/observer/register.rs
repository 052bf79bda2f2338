//! Every VM and every host as last seen, every VM under watch, and which belongs to which. In memory, filled by looks.
//!
//! A VM belongs to the request whose `vm_uid` it carries; one that carries none, to the request whose VM had its
//! instance UUID. A name ties nothing: it is a label. So a VM stays the same through a rename, a move, vMotion and a
//! registration anew, and a copy that carries the identity along is seen as a second one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::journal::{JournalView, ReadError, SeenHost, SeenVm, Sightings, TAIL_MAX};
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
    /// Controllers whose hosts were read whole.
    inventories_known: BTreeSet<String>,
    watched: BTreeMap<RequestId, Watched>,
    by_uid: HashMap<String, RequestId>,
    by_instance: HashMap<(String, String), RequestId>,
    by_host: HashMap<HostKey, RequestId>,
    /// What is to be written of it.
    pub news: Sightings,
}

/// The VMs of one vCenter.
#[derive(Debug, Default)]
struct Sky {
    vms: HashMap<String, Seen>,
    by_uid: HashMap<String, BTreeSet<String>>,
    by_instance: HashMap<String, BTreeSet<String>>,
    causes: HashMap<String, Causes>,
    /// Whether it was read whole since the start and answers now.
    is_clear: bool,
}

#[derive(Debug)]
struct Seen {
    vm: VmSighting,
    /// Under which the register lists it.
    row: String,
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
    /// Hands are on it.
    pub is_mending: bool,
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
            is_mending: false,
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
        let (request, moid) = (self.owner(vcenter, &vm), vm.moid.clone());
        let is_news = self.vm(vcenter, &moid).is_none_or(|before| {
            let seen_at = std::mem::replace(&mut vm.seen_at, before.vm.seen_at);
            let is_news = before.vm != vm || before.row != self.row_of(vcenter, &vm);
            vm.seen_at = seen_at;
            is_news
        });
        if is_news {
            self.write_vm(vcenter, vm);
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

    /// Hosts were read: some, or, when `is_whole`, all there are, of which `unread` did not tell their variables. The
    /// requests that they belong to.
    pub fn see_hosts(
        &mut self,
        controller: &str,
        hosts: Vec<(String, i64, Map<String, Value>)>,
        unread: &BTreeSet<String>,
        is_whole: bool,
        at: Timestamp,
    ) -> BTreeSet<RequestId> {
        let mut touched = BTreeSet::new();
        let names: BTreeSet<String> = hosts.iter().map(|(name, ..)| name.clone()).collect();
        for (name, id, variables) in hosts {
            let key = (controller.to_owned(), name);
            touched.extend(self.by_host.get(&key).cloned());
            if self.hosts.get(&key).is_none_or(|host| host.id != id || host.variables != variables) {
                self.hosts.insert(key.clone(), Host { id, variables, seen_at: at });
                self.write_host(&key);
            }
        }
        if is_whole {
            let is_there = |name: &String| names.contains(name) || unread.contains(name);
            let is_lost = |key: &&HostKey| key.0 == controller && !is_there(&key.1);
            let lost: Vec<HostKey> = self.hosts.keys().filter(is_lost).cloned().collect();
            for key in lost {
                touched.extend(self.by_host.get(&key).cloned());
                self.hosts.remove(&key);
                self.news.hosts_dropped.push(key);
            }
            if self.inventories_known.insert(controller.to_owned()) {
                touched.extend(
                    self.by_host.iter().filter(|(key, _)| key.0 == controller).map(|(_, tied)| tied.clone()),
                );
            }
        }
        touched
    }

    fn write_host(&mut self, key: &HostKey) {
        let Some(host) = self.hosts.get(key) else { return };
        self.news.hosts.push(SeenHost {
            controller: key.0.clone(),
            name: key.1.clone(),
            host_id: host.id,
            request: self.by_host.get(key).cloned(),
            seen_at: host.seen_at,
            variables: host.variables.clone(),
        });
    }

    /// The inventory cannot be read now.
    pub fn inventory_lost(&mut self, controller: &str) {
        self.inventories_known.remove(controller);
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
            (Some(sky), [moid]) => sky.vms.get(moid).map_or(VmSide::Unknown, |seen| VmSide::Seen(&seen.vm)),
            (Some(_), []) if watched.absence.is_some_and(|absence| absence.is_certain) => VmSide::Gone,
            (Some(_), []) => VmSide::Unknown,
            (Some(_), several) => VmSide::Several(several),
        };
        let host = match (&desired.controller, &desired.host_name) {
            (Some(controller), Some(name)) if self.inventories_known.contains(controller) => {
                let host = self.hosts.get(&(controller.clone(), name.clone()));
                host.map_or(HostSide::None, |host| HostSide::Seen(&host.variables))
            }
            _ => HostSide::Unknown,
        };
        let causes = self.vcenters.get(&desired.vcenter).and_then(|sky| sky.causes.get(&watched.moid));
        with(vm, host, causes)
    }
}

impl Sky {
    /// The VMs with the identity or the instance UUID of a request's VM.
    fn bearing(&self, desired: &Desired) -> Vec<VmSighting> {
        let of = |index: &HashMap<String, BTreeSet<String>>, key: &Option<String>| {
            key.as_ref().and_then(|key| index.get(&key.to_ascii_lowercase())).cloned().unwrap_or_default()
        };
        let mut moids = of(&self.by_uid, &desired.vm_uid);
        moids.extend(of(&self.by_instance, &desired.baseline.instance_uuid));
        moids.iter().filter_map(|moid| self.vms.get(moid)).map(|seen| seen.vm.clone()).collect()
    }

    fn keep(&mut self, vm: VmSighting, row: String) {
        if let Some(uid) = &vm.vm_uid {
            self.by_uid.entry(uid.to_ascii_lowercase()).or_default().insert(vm.moid.clone());
        }
        if let Some(instance) = &vm.instance_uuid {
            self.by_instance.entry(instance.to_ascii_lowercase()).or_default().insert(vm.moid.clone());
        }
        self.vms.insert(vm.moid.clone(), Seen { vm, row });
    }

    fn forget(&mut self, moid: &str) -> Option<Seen> {
        let seen = self.vms.remove(moid)?;
        let drop_from = |index: &mut HashMap<String, BTreeSet<String>>, key: &Option<String>| {
            let Some(key) = key.as_ref().map(|key| key.to_ascii_lowercase()) else { return };
            if let Some(moids) = index.get_mut(&key) {
                moids.remove(moid);
                if moids.is_empty() {
                    index.remove(&key);
                }
            }
        };
        drop_from(&mut self.by_uid, &seen.vm.vm_uid);
        drop_from(&mut self.by_instance, &seen.vm.instance_uuid);
        Some(seen)
    }
}

/// The id under which the register lists the VM of a request.
fn own_row(desired: &Desired) -> String {
    let baseline = &desired.baseline;
    let known = desired.vm_uid.clone().or_else(|| baseline.instance_uuid.clone());
    known.unwrap_or_else(|| format!("{}.{}", desired.vcenter, baseline.moid))
}
