//! Events: what vSphere says it did, and who did it. Their keys rise, the oldest are forgotten.
//!
//! Like a real vCenter, moving into a folder and taking a snapshot have no event of their own: they are told as the
//! end of a task ([`EventKind::Task`]), and only where a task was recorded. Not told: logins, guests, alarms.

use jiff::Timestamp;

use super::fault::Fault;
use super::ids::Moid;
use super::task::About;
use super::{LAB_USER, Vsphere};

/// Events beyond this many are forgotten, oldest first.
const EVENTS_MAX: usize = 50_000;

/// The events that the model tells, under vSphere's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    VmBeingCloned,
    VmCloned,
    VmCloneFailed,
    VmStarting,
    VmPoweredOn,
    VmStopping,
    VmPoweredOff,
    VmSuspending,
    VmSuspended,
    VmReconfigured,
    VmRenamed,
    VmMigrated,
    VmRemoved,
    CustomFieldValueChanged,
    Task,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::VmBeingCloned,
        Self::VmCloned,
        Self::VmCloneFailed,
        Self::VmStarting,
        Self::VmPoweredOn,
        Self::VmStopping,
        Self::VmPoweredOff,
        Self::VmSuspending,
        Self::VmSuspended,
        Self::VmReconfigured,
        Self::VmRenamed,
        Self::VmMigrated,
        Self::VmRemoved,
        Self::CustomFieldValueChanged,
        Self::Task,
    ];

    /// The type on the wire.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        match self {
            Self::VmBeingCloned => "VmBeingClonedEvent",
            Self::VmCloned => "VmClonedEvent",
            Self::VmCloneFailed => "VmCloneFailedEvent",
            Self::VmStarting => "VmStartingEvent",
            Self::VmPoweredOn => "VmPoweredOnEvent",
            Self::VmStopping => "VmStoppingEvent",
            Self::VmPoweredOff => "VmPoweredOffEvent",
            Self::VmSuspending => "VmSuspendingEvent",
            Self::VmSuspended => "VmSuspendedEvent",
            Self::VmReconfigured => "VmReconfiguredEvent",
            Self::VmRenamed => "VmRenamedEvent",
            Self::VmMigrated => "VmMigratedEvent",
            Self::VmRemoved => "VmRemovedEvent",
            Self::CustomFieldValueChanged => "CustomFieldValueChangedEvent",
            Self::Task => "TaskEvent",
        }
    }
}

/// Where the VM of an event stood when it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its VM folder.
    pub folder: Moid,
    pub cluster: Moid,
    pub host: Moid,
    pub datastore: Moid,
}

/// What an event says beside what all of them say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventDetail {
    None,
    Renamed {
        old: String,
        new: String,
    },
    /// Where it was before.
    Migrated {
        host: Moid,
        datastore: Moid,
    },
    /// Where a clone is to stand, and why it does not come to that.
    Cloning {
        folder: Moid,
        host: Option<Moid>,
        name: String,
        fault: Option<Fault>,
    },
    Cloned {
        source: Moid,
        source_name: String,
    },
    CustomField {
        key: usize,
        name: String,
        value: String,
    },
    /// The task that ended, by what it did.
    Task {
        what: String,
    },
}

/// One event (`Event`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Rises by one per event.
    pub key: u64,
    pub kind: EventKind,
    pub created_at: Timestamp,
    pub user: String,
    /// The VM that it is about: the new one, for [`EventKind::VmCloned`].
    pub vm: Moid,
    /// Its name when the event happened: after a renaming, the new one.
    pub vm_name: String,
    pub is_template: bool,
    /// `None` when the VM was gone already.
    pub place: Option<Place>,
    pub task: Option<Moid>,
    pub detail: EventDetail,
    pub message: String,
}

impl Vsphere {
    /// The events that are remembered, oldest first.
    pub fn events(&self) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter()
    }

    /// Names the user in the events of what follows; `None` is the lab's own.
    pub fn act_as(&mut self, user: Option<&str>) {
        self.actor = user.map(str::to_owned);
    }

    /// Tells the end of `task` as an event about `vm`, for what has no event of its own.
    pub fn tell_task(&mut self, task: Moid, vm: Moid, now: Timestamp) {
        let what = self.task(task).map(|task| task.description_id.clone()).unwrap_or_default();
        if let Some(event) = self.tell_of(vm, now, EventKind::Task, EventDetail::Task { what }) {
            event.task = Some(task);
        }
    }

    /// From here to [`Vsphere::end_reconfiguration`] changes of a configuration are told as one event.
    pub fn begin_reconfiguration(&mut self) {
        self.held_back = Some(false);
    }

    /// Tells one event about `vm` when anything changed since [`Vsphere::begin_reconfiguration`].
    pub fn end_reconfiguration(&mut self, vm: Moid, now: Timestamp) {
        if self.held_back.take() == Some(true) {
            self.tell_reconfigured(vm, now);
        }
    }

    pub(super) fn tell_reconfigured(&mut self, vm: Moid, now: Timestamp) {
        if let Some(changed) = &mut self.held_back {
            *changed = true;
        } else {
            self.tell_of(vm, now, EventKind::VmReconfigured, EventDetail::None);
        }
    }

    /// Tells an event about `vm` in the name of whoever acts; `None` when there is no such VM.
    pub(super) fn tell_of(
        &mut self,
        vm: Moid,
        now: Timestamp,
        kind: EventKind,
        detail: EventDetail,
    ) -> Option<&mut Event> {
        self.vms.get(&vm)?;
        let user = self.actor.clone().unwrap_or_else(|| LAB_USER.to_owned());
        Some(self.tell(kind, &About { entity: vm, user: &user, now }, detail))
    }

    pub(super) fn tell(&mut self, kind: EventKind, about: &About<'_>, detail: EventDetail) -> &mut Event {
        let key = self.next_event;
        self.next_event += 1;
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
        }
        let vm = self.vms.get(&about.entity);
        let place = vm.map(|vm| Place {
            folder: vm.parent,
            cluster: vm.cluster,
            host: vm.host,
            datastore: vm.datastore,
        });
        let mut event = Event {
            key,
            kind,
            created_at: about.now,
            user: about.user.to_owned(),
            vm: about.entity,
            vm_name: vm.map(|vm| vm.name.clone()).unwrap_or_default(),
            is_template: vm.is_some_and(|vm| vm.is_template),
            place,
            task: None,
            detail,
            message: String::new(),
        };
        event.message = self.message(&event);
        self.events.push_back(event);
        let last = self.events.len() - 1;
        &mut self.events[last]
    }

    /// `fullFormattedMessage`, worded as vSphere words it.
    fn message(&self, event: &Event) -> String {
        let name = |moid: Moid| self.name_of(moid).unwrap_or_default();
        let vm = &event.vm_name;
        let host = event.place.map(|place| name(place.host)).unwrap_or_default();
        let datacenter = event.place.and_then(|place| self.datacenter_of(place.folder));
        let datacenter = datacenter.map(|one| one.name.as_str()).unwrap_or_default();
        let here = format!("{vm} on {host} in {datacenter}");
        match (event.kind, &event.detail) {
            (EventKind::VmStarting, _) => format!("{vm} on host {host} in {datacenter} is starting"),
            (EventKind::VmPoweredOn, _) => format!("{here} is powered on"),
            (EventKind::VmStopping, _) => format!("{vm} on host {host} in {datacenter} is stopping"),
            (EventKind::VmPoweredOff, _) => format!("{here} is powered off"),
            (EventKind::VmSuspending, _) => format!("{here} is being suspended"),
            (EventKind::VmSuspended, _) => format!("{here} is suspended"),
            (EventKind::VmReconfigured, _) => format!("Reconfigured {here}"),
            (EventKind::VmRemoved, _) => format!("Removed {vm} on {host} from {datacenter}"),
            (_, EventDetail::Renamed { old, new }) => {
                format!("Renamed {vm} from {old} to {new} in {datacenter}")
            }
            (_, EventDetail::Migrated { host: old_host, datastore }) => {
                let store = event.place.map(|place| name(place.datastore)).unwrap_or_default();
                let from = format!("{}, {}", name(*old_host), name(*datastore));
                format!("Migration of virtual machine {vm} from {from} to {host}, {store} completed")
            }
            (_, EventDetail::Cloning { name: to, fault: None, .. }) => {
                format!("Cloning {here} to {to}")
            }
            (_, EventDetail::Cloning { name: to, fault: Some(fault), .. }) => {
                format!("Failed to clone {vm} to {to}: {fault}")
            }
            (_, EventDetail::Cloned { source_name, .. }) => format!("Clone of {source_name} completed"),
            (_, EventDetail::CustomField { name, value, .. }) => {
                format!("Changed custom field {name} on {vm} in {datacenter} to {value}")
            }
            (_, EventDetail::Task { what }) => format!("Task: {what}"),
            (kind, EventDetail::None) => kind.type_name().to_owned(),
        }
    }
}
