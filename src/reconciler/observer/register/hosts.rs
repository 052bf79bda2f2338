//! The hosts of state inventories, and whose VMs' they are.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Host, HostKey, Register};
use crate::journal::SeenHost;
use crate::vm_request::RequestId;
use crate::vm_request::watch::compare::host_side;

/// How much of an inventory was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::reconciler::observer) enum Reading {
    Whole,
    /// Everything that changed since the reading before.
    Changed,
    /// One host, which says nothing of the others.
    Single,
}

impl Register {
    /// Hosts were read from `began_at` on; of those in `unread` the variables are not known. The requests that they belong
    /// to.
    pub fn see_hosts(
        &mut self,
        controller: &str,
        hosts: Vec<(String, i64, Map<String, Value>)>,
        unread: &BTreeSet<String>,
        reading: Reading,
        began_at: Timestamp,
    ) -> BTreeSet<RequestId> {
        let mut touched = BTreeSet::new();
        let names: BTreeSet<String> = hosts.iter().map(|(name, ..)| name.clone()).collect();
        for (name, id, variables) in hosts {
            let variables = host_side(variables);
            let key = (controller.to_owned(), name);
            touched.extend(self.by_host.get(&key).cloned());
            if self.hosts.get(&key).is_none_or(|host| host.id != id || host.variables != variables) {
                self.hosts.insert(key.clone(), Host { id, variables, seen_at: began_at });
                self.write_host(&key);
            }
        }
        let known = self.inventories_known.get_mut(controller);
        if let Some(known) = known.filter(|_| reading != Reading::Single) {
            *known = began_at;
        }
        if reading == Reading::Whole {
            let is_there = |name: &String| names.contains(name) || unread.contains(name);
            let is_lost = |key: &&HostKey| key.0 == controller && !is_there(&key.1);
            let lost: Vec<HostKey> = self.hosts.keys().filter(is_lost).cloned().collect();
            for key in lost {
                touched.extend(self.by_host.get(&key).cloned());
                self.hosts.remove(&key);
                self.news.hosts_dropped.push(key);
            }
            if !self.inventories_known.contains_key(controller) {
                self.inventories_known.insert(controller.to_owned(), began_at);
                touched.extend(
                    self.by_host.iter().filter(|(key, _)| key.0 == controller).map(|(_, tied)| tied.clone()),
                );
            }
        }
        touched
    }

    pub(super) fn write_host(&mut self, key: &HostKey) {
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
}
