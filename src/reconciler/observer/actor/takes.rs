//! What the actor takes from the eyes into the register.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Actor, later, secs};
use crate::reconciler::observer::eyes::SawHosts;
use crate::reconciler::observer::register::{Absence, Reading};
use crate::vcenter::{VmEvent, VmListing, VmReading};
use crate::vm_request::RequestId;
use crate::vm_request::watch::Blame;
use crate::vm_request::watch::blame::Cause;

impl Actor {
    pub(super) fn swept(
        &mut self,
        vcenter: &str,
        listing: VmListing,
        events: Vec<VmEvent>,
    ) -> BTreeSet<RequestId> {
        self.remember(vcenter, events);
        let (read_at, is_complete) = (listing.read_at, listing.complete);
        let mut present: BTreeSet<String> = listing.unreadable.into_iter().map(|one| one.moid).collect();
        for vm in listing.vms {
            present.insert(vm.moid.clone());
            self.register.see(vcenter, vm);
        }
        self.register.set_clear(vcenter, true);
        let mut doubtful = Vec::new();
        for moid in self.register.moids(vcenter).into_iter().filter(|moid| !present.contains(moid)) {
            // What a list leaves out may only be hidden: it is asked for by its id.
            doubtful.push(moid);
        }
        let watched: BTreeSet<RequestId> = self.register.watched_in(vcenter).into_iter().collect();
        for request in watched.iter().filter(|request| !self.register.is_seen(request)) {
            doubtful.extend(self.register.watched(request).map(|watched| watched.moid.clone()));
        }
        self.ask(vcenter, doubtful);
        if is_complete {
            self.register.forget_causes(vcenter);
        }
        let seen = self.register.seen_in(vcenter);
        self.board.change(|status| {
            let eye = status.vcenters.entry(vcenter.to_owned()).or_default();
            (eye.seen, eye.last_sweep_at, eye.last_seen_at, eye.trouble) =
                (seen, Some(read_at), Some(read_at), None);
        });
        watched
    }

    pub(super) fn looked(
        &mut self,
        vcenter: &str,
        reading: VmReading,
        events: Vec<VmEvent>,
    ) -> BTreeSet<RequestId> {
        self.remember(vcenter, events);
        let mut touched = BTreeSet::new();
        for vm in reading.vms {
            touched.extend(self.register.see(vcenter, vm));
        }
        for moid in &reading.gone {
            let Some(request) = self.register.lose(vcenter, moid) else { continue };
            if !self.register.is_seen(&request) {
                self.absent(&request, vcenter, moid, reading.read_at);
            }
            touched.insert(request);
        }
        let seen = self.register.seen_in(vcenter);
        self.board.change(|status| {
            let eye = status.vcenters.entry(vcenter.to_owned()).or_default();
            (eye.seen, eye.last_seen_at, eye.trouble) = (seen, Some(reading.read_at), None);
        });
        touched
    }

    /// vCenter knows the VM's managed object no more: certain at once if an event tells so, else with the second look.
    pub(super) fn absent(&mut self, request: &RequestId, vcenter: &str, moid: &str, now: Timestamp) {
        let removed = self.register.causes(vcenter, moid).removal().is_some();
        let confirm = secs(self.policy.missing_confirm_secs);
        let Some(watched) = self.register.watched_mut(request) else { return };
        let before = watched.absence.unwrap_or(Absence { since: now, looks: 0, is_certain: false });
        let looks = before.looks.saturating_add(1);
        let is_due = looks >= 2 && now >= later(before.since, confirm);
        let absence = Absence { looks, is_certain: before.is_certain || removed || is_due, ..before };
        watched.absence = Some(absence);
        if absence.is_certain && !before.is_certain {
            self.register.write_gone(request, now);
        } else if !absence.is_certain {
            self.look_again(request, later(before.since, confirm));
        }
    }

    pub(super) fn remember(&mut self, vcenter: &str, events: Vec<VmEvent>) {
        for event in events {
            let VmEvent { key, kind, at, user, moid, message, task, .. } = event;
            let blame = Blame { event: kind, at, user, message };
            self.register.causes(vcenter, &moid).add(Cause { key, task, blame });
        }
    }

    pub(super) fn saw_hosts(&mut self, controller: String, saw: SawHosts) -> BTreeSet<RequestId> {
        let (listing, is_whole, began_at) = match saw {
            SawHosts::Some { listing, is_whole, began_at } => (listing, is_whole, began_at),
            SawHosts::Nothing { why } => {
                self.register.inventory_lost(&controller);
                self.board
                    .change(|status| status.controllers.entry(controller).or_default().trouble = Some(why));
                return BTreeSet::new();
            }
        };
        let now = self.now();
        let hosts = listing.hosts.into_iter().map(|host| (host.name, host.id, host.variables)).collect();
        let kept = listing.unread.into_iter().map(|host| host.name).collect();
        let reading = if is_whole { Reading::Whole } else { Reading::Changed };
        let touched = self.register.see_hosts(&controller, hosts, &kept, reading, began_at);
        let seen = self.register.hosts_in(&controller);
        self.board.change(|status| {
            let eye = status.controllers.entry(controller).or_default();
            (eye.seen, eye.last_seen_at, eye.trouble) = (seen, Some(now), None);
            if is_whole {
                eye.last_sweep_at = Some(now);
            }
        });
        touched
    }
}
