//! A vCenter over HTTP: `POST /sdk` (also `/sdk/vimService`) speaks enough SOAP for a client that reads by the
//! property collector, and for `govc`, over the model in [`crate::lab::vsphere`].
//!
//! It shares no code with the client in `vcenter/`, so that a misunderstanding of the contract cannot agree with
//! itself; it was written from recorded exchanges with govmomi's vcsim and from what `govc` sends.
//!
//! # What proves the shape of each method
//! `tests/lab_vcenter.rs` replays the recordings in `tests/data/lab-vcenter/` and compares the answers.
//!
//! | method | recording |
//! |---|---|
//! | `RetrieveServiceContent` | 01 |
//! | `RetrievePropertiesEx` | 02 (without session), 06 (page), 21 (unknown property), 22 (unknown object) |
//! | `Login`, `Logout` | 03 (wrong password), 04, 31 |
//! | `CreateContainerView` | 05 |
//! | `ContinueRetrievePropertiesEx` | 07 |
//! | `CreatePropertyCollector`, `DestroyPropertyCollector` | 23, 29 |
//! | `CreateFilter` | 24 |
//! | `WaitForUpdatesEx` | 25 (first), 26 (truncated rest), 27, 28 (nothing), 66 to 72 (modify, enter, leave) |
//! | an unknown method | 30 |
//! | `QueryEvents` | 80 (cloned, power, suspended, reconfigured, migrated) |
//! | `snapshot`, `customValue`, `config.changeVersion`, `config.firmware`, `runtime.connectionState` | 81 |
//!
//! Proven by `govc` 0.46.3 only (it accepts the answers; no recording): `DestroyView`, `DestroyPropertyFilter`,
//! `FindByUuid`, `CloneVM_Task`, `PowerOnVM_Task`, `PowerOffVM_Task`, `Rename_Task`, `Destroy_Task`,
//! `ReconfigVM_Task`, `MoveIntoFolder_Task`, `CreateFolder`, `AddCustomFieldDef`, `SetField`, `ShutdownGuest`,
//! `MarkAsTemplate`, `MarkAsVirtualMachine`, `UnregisterVM`, `SuspendVM_Task`, `RelocateVM_Task`,
//! `CreateSnapshot_Task`, `RemoveSnapshot_Task`, `RemoveAllSnapshots_Task`, `CreateCollectorForEvents`,
//! `SetCollectorPageSize`, `DestroyCollector`, the `info` of a task, and the properties that it reads.
//!
//! Events that vcsim does not tell (`VmRenamedEvent`, `CustomFieldValueChangedEvent`, `TaskEvent`) and `VmRemovedEvent`
//! follow the vSphere Web Services API. As there, the move into a folder and a snapshot are told by a `TaskEvent`.
//!
//! Unproven: `RetrieveProperties`, `SessionIsActive`, `CurrentTime`, `CancelRetrievePropertiesEx`,
//! `CancelWaitForUpdates`, `FindAllByUuid`, `FindByInventoryPath`, `FindChild`, `FindByIp`, `FindByDnsName`,
//! `ReadNextEvents`, `RewindCollector`, `ResetVM_Task`, `RebootGuest`, the order of `QueryEvents` (vcsim answers
//! the newest first, the lab the oldest) and which of too many events are kept (here the newest), what somebody
//! without the right to see a machine is answered, `InvalidCollectorVersion`, keyed property paths,
//! `GET /sdk/vimServiceVersions.xml`, and the `NotAuthenticated` SOAP fault, which is what a real vCenter is expected
//! to answer (vcenter.md A6).
//!
//! Known to be missing, so that a client stumbles: `summary` of a resource pool (`govc pool.info`), `usageSummary`
//! of a cluster, list views (`govc tasks`, `govc events` of several objects), creating and registering a machine
//! (`CreateVM_Task`, `RegisterVM_Task`), reverting to a snapshot and a snapshot's own properties, renaming and removing
//! a custom field, the datastore browser, alarms, events of logins. A `VmReconfiguredEvent` does not say what changed.
//!
//! It deliberately has no REST, no tagging, no permissions, and no TLS of its own.

mod collector;
mod events;
mod fault;
mod methods;
mod operations;
mod properties;
mod search;
mod serve;
mod session;
mod switches;
mod updates;
mod value;
mod xml;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use serve::configure;
pub use switches::{Away, FaultSwitches};

use self::session::Sessions;
use crate::clock::SharedClock;
use crate::config::Secret;
use crate::lab::vsphere::{Moid, Vsphere};

/// How long a clone over SOAP takes unless told otherwise, in milliseconds.
const CLONE_MS: u64 = 200;

type Access = dyn Fn(&mut dyn FnMut(&mut Vsphere)) + Send + Sync;

/// Where the model is: by itself behind a mutex, or inside a larger world behind one.
#[derive(Clone)]
pub struct VsphereHandle {
    access: Arc<Access>,
}

impl VsphereHandle {
    /// A model of its own.
    #[must_use]
    pub fn new(vsphere: Arc<Mutex<Vsphere>>) -> Self {
        Self::inside(vsphere, |vsphere| vsphere)
    }

    /// The model that is a `part` of a world which others lock too. The lock is held for one call at a time and
    /// never while waiting.
    #[must_use]
    pub fn inside<W: Send + 'static>(world: Arc<Mutex<W>>, part: fn(&mut W) -> &mut Vsphere) -> Self {
        let access = move |act: &mut dyn FnMut(&mut Vsphere)| act(part(&mut lock(&world)));
        Self { access: Arc::new(access) }
    }

    /// Does `act` with the model while nobody else does.
    pub fn with<R>(&self, act: impl FnOnce(&mut Vsphere) -> R) -> R {
        let mut act = Some(act);
        let mut result = None;
        (self.access)(&mut |vsphere| result = act.take().map(|act| act(vsphere)));
        result.expect("access calls its argument exactly once")
    }
}

impl fmt::Debug for VsphereHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VsphereHandle")
    }
}

/// A vCenter that can be served: the model, who may log in, who has, and what is played on purpose. Clones are
/// handles to the same one.
#[derive(Debug, Clone)]
pub struct VcenterState {
    vsphere: VsphereHandle,
    clock: SharedClock,
    users: BTreeMap<String, Secret>,
    clone_ms: u64,
    sessions: Arc<Mutex<Sessions>>,
    faults: Arc<Mutex<FaultSwitches>>,
    calls: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl VcenterState {
    /// A vCenter where nobody can log in yet.
    #[must_use]
    pub fn new(vsphere: VsphereHandle, clock: SharedClock) -> Self {
        Self {
            vsphere,
            clock,
            users: BTreeMap::new(),
            clone_ms: CLONE_MS,
            sessions: Arc::default(),
            faults: Arc::default(),
            calls: Arc::default(),
        }
    }

    /// Lets `name` log in; `name@vsphere.local` is the same user.
    #[must_use]
    pub fn with_user(mut self, name: &str, password: Secret) -> Self {
        self.users.insert(name.to_owned(), password);
        self
    }

    /// How long clones that are begun over SOAP take.
    #[must_use]
    pub fn with_clone_ms(mut self, clone_ms: u64) -> Self {
        self.clone_ms = clone_ms;
        self
    }

    /// The model behind it.
    #[must_use]
    pub fn vsphere(&self) -> &VsphereHandle {
        &self.vsphere
    }

    /// What is played on purpose now.
    #[must_use]
    pub fn faults(&self) -> FaultSwitches {
        lock(&self.faults).clone()
    }

    /// Plays these faults from the next request on.
    pub fn set_faults(&self, faults: FaultSwitches) {
        *lock(&self.faults) = faults;
    }

    /// Ends all sessions, as a restart of vCenter does.
    pub fn end_sessions(&self) {
        lock(&self.sessions).close_all();
    }

    /// Lets every property collector forget its versions, as when its watcher fell too far behind: the next
    /// `WaitForUpdatesEx` that names one is answered with `InvalidCollectorVersion`, the one after it begins anew.
    pub fn lose_collector_versions(&self) {
        lock(&self.sessions).lose_versions();
    }

    /// Hides these machines from the next request on, as if the right to see them was lost; see
    /// [`FaultSwitches::hidden`]. Nothing hides nothing any more.
    pub fn hide(&self, vms: impl IntoIterator<Item = Moid>) {
        lock(&self.faults).hidden = Arc::new(vms.into_iter().collect());
    }

    /// Hides every second machine, templates left out, and says which.
    pub fn hide_every_second(&self) -> Vec<Moid> {
        let hidden: Vec<Moid> = self.vsphere.with(|vsphere| {
            vsphere.vms().filter(|vm| !vm.is_template).step_by(2).map(|vm| vm.moid).collect()
        });
        self.hide(hidden.iter().copied());
        hidden
    }

    /// Shifts the server's clock; see [`FaultSwitches::clock_shift_secs`].
    pub fn shift_clock(&self, secs: i64) {
        lock(&self.faults).clock_shift_secs = secs;
    }

    /// How many sessions are open: what a client that logs out leaves behind is zero.
    #[must_use]
    pub fn session_count(&self) -> usize {
        lock(&self.sessions).count()
    }

    /// How often each method was called.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<String, u64> {
        lock(&self.calls).clone()
    }
}

/// Locks; what a panicking holder left is used as it is, since every change is complete before a lock is given up.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
