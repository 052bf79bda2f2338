//! Which vCenter event made a difference. Kinds as vSphere spells them; where a change makes no event of its own
//! (a folder, a snapshot), the task that did it tells by its name.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::compare::FieldDrift;
use super::{Blame, VM_FIELD};

/// Events of one VM that are remembered.
const EVENTS_MAX: usize = 20;
/// What is older than the newest event by more than this explains nothing.
const MEMORY_SECS: i64 = 86_400;

/// An event of a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// It rises.
    pub key: i64,
    /// Where the event is of a task: the task's name, e.g. `vm.createSnapshot` or `Folder.moveInto`.
    pub task: Option<String>,
    pub blame: Blame,
}

/// What happened to one VM lately, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Causes(VecDeque<Cause>);

impl Causes {
    /// Adds an event, unless it is known.
    pub fn add(&mut self, cause: Cause) {
        if self.0.iter().any(|known| known.key == cause.key) {
            return;
        }
        self.0.push_back(cause);
        while self.0.len() > EVENTS_MAX {
            self.0.pop_front();
        }
    }

    /// The last event that can have made `drift`.
    #[must_use]
    pub fn of(&self, drift: &FieldDrift) -> Option<Blame> {
        let newest = self.0.back()?.blame.at;
        let fits = |cause: &&Cause| {
            newest.duration_since(cause.blame.at) <= SignedDuration::from_secs(MEMORY_SECS)
                && explains(&cause.blame.event, cause.task.as_deref(), &drift.field)
        };
        self.0.iter().rev().find(fits).map(|cause| cause.blame.clone())
    }

    /// Whether vCenter said that the VM was taken away, and when, by its own clock.
    #[must_use]
    pub fn removal(&self) -> Option<Timestamp> {
        let last = self
            .0
            .iter()
            .rev()
            .find(|cause| is_removal(&cause.blame.event) || is_arrival(&cause.blame.event))?;
        is_removal(&last.blame.event).then_some(last.blame.at)
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn is_removal(event: &str) -> bool {
    event == "VmRemovedEvent"
}

fn is_arrival(event: &str) -> bool {
    matches!(
        event,
        "VmCreatedEvent" | "VmClonedEvent" | "VmDeployedEvent" | "VmRegisteredEvent" | "VmDiscoveredEvent"
    )
}

fn explains(event: &str, task: Option<&str>, field: &str) -> bool {
    let task = task.unwrap_or_default().to_ascii_lowercase();
    let by_task = |words: &[&str]| words.iter().any(|word| task.contains(word));
    match field.split(['[', '.']).next().unwrap_or_default() {
        VM_FIELD => is_removal(event) || by_task(&["destroy", "unregister"]),
        "power" => {
            let kinds = [
                "VmPoweredOn",
                "VmPoweredOff",
                "VmSuspended",
                "VmResuming",
                "VmGuestShutdown",
                "DrsVmPoweredOn",
            ];
            kinds.iter().any(|kind| event.starts_with(kind))
                || by_task(&["power", "shutdownguest", "suspend"])
        }
        "name" => event.starts_with("VmRenamed") || by_task(&["rename"]),
        "folder" | "datacenter" => {
            event.starts_with("VmMigrated") || by_task(&["moveinto", "moveto", "relocate"])
        }
        "cluster" | "host_system" | "datastores" => {
            let kinds = ["VmMigrated", "DrsVmMigrated", "VmRelocated", "VmFailover", "VmPoweringOnWithFixed"];
            kinds.iter().any(|kind| event.starts_with(kind)) || by_task(&["migrate", "relocate"])
        }
        "snapshots" => event.contains("Snapshot") || by_task(&["snapshot"]),
        "custom_values" => {
            event.starts_with("CustomFieldValueChanged") || by_task(&["setfield", "setcustomvalue"])
        }
        "cpu" | "memory_mib" | "firmware" | "nics" | "networks" | "disks" | "vm_uid" => {
            event.starts_with("VmReconfigured") || by_task(&["reconfigure"])
        }
        "template" => event.starts_with("VmUpgrad") || by_task(&["markastemplate", "markasvirtualmachine"]),
        "instance_uuid" | "moid" | "bios_uuid" => is_arrival(event) || event.starts_with("VmInstanceUuid"),
        _ => false,
    }
}
