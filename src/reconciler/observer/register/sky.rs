//! The VMs of one vCenter as last seen, found by managed object, identity and instance UUID.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use crate::vm_request::sighting::VmSighting;
use crate::vm_request::watch::blame::Causes;
use crate::vm_request::watch::compare::Desired;

/// The VMs of one vCenter.
#[derive(Debug, Default)]
pub(super) struct Sky {
    pub vms: HashMap<String, Seen>,
    pub by_uid: HashMap<String, BTreeSet<String>>,
    pub by_instance: HashMap<String, BTreeSet<String>>,
    pub causes: HashMap<String, Causes>,
    /// Whether it was read whole since the start and answers now.
    pub is_clear: bool,
}

#[derive(Debug)]
pub(super) struct Seen {
    pub vm: VmSighting,
    /// Under which the register lists it.
    pub row: String,
    /// When it was read last, changed or not.
    pub read_at: Timestamp,
}

impl Sky {
    /// The VMs with the identity or the instance UUID of a request's VM.
    pub fn bearing(&self, desired: &Desired) -> Vec<VmSighting> {
        let of = |index: &HashMap<String, BTreeSet<String>>, key: &Option<String>| {
            key.as_ref().and_then(|key| index.get(&key.to_ascii_lowercase())).cloned().unwrap_or_default()
        };
        let mut moids = of(&self.by_uid, &desired.vm_uid);
        moids.extend(of(&self.by_instance, &desired.baseline.instance_uuid));
        moids.iter().filter_map(|moid| self.vms.get(moid)).map(|seen| seen.vm.clone()).collect()
    }

    pub fn keep(&mut self, vm: VmSighting, row: String) {
        if let Some(uid) = &vm.vm_uid {
            self.by_uid.entry(uid.to_ascii_lowercase()).or_default().insert(vm.moid.clone());
        }
        if let Some(instance) = &vm.instance_uuid {
            self.by_instance.entry(instance.to_ascii_lowercase()).or_default().insert(vm.moid.clone());
        }
        let read_at = vm.seen_at;
        self.vms.insert(vm.moid.clone(), Seen { vm, row, read_at });
    }

    pub fn forget(&mut self, moid: &str) -> Option<Seen> {
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
