//! The pure part of the watch: tables of verdicts and responses, and the life of a finding.

#![allow(clippy::unwrap_used)]

mod comparing;
mod judging;
mod responding;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::compare::{Desired, DriftVerdict, FieldDrift};
use crate::vm_request::event::Verified;
use crate::vm_request::sighting::VmSighting;
use crate::vm_request::state::{Phase, State};
use crate::vm_request::tests::fixtures;

/// A request whose VM was verified as [`fixtures::vm`] shows it.
fn done() -> State {
    let received = crate::vm_request::Event::Received(Box::new(fixtures::received(false)));
    let mut state = State::begin(fixtures::id(), fixtures::start(), &received).unwrap();
    state.phase = Phase::Verifying;
    let verified = Verified { vm: fixtures::vm(), host: 31, at: fixtures::start() };
    state.apply(fixtures::start(), &crate::vm_request::Event::Verified(Box::new(verified))).unwrap();
    state
}

fn desired() -> Desired {
    Desired::of(&done()).unwrap()
}

/// The host's variables as the playbooks leave them.
fn host(desired: &Desired) -> Map<String, Value> {
    let vm = &desired.baseline;
    let networks: Vec<Value> = vm.nics.iter().map(|nic| json!({ "network_name": nic.network })).collect();
    let variables = json!({
        "vm_name": vm.name, "vm_id": vm.instance_uuid, "vm_bios_uuid": vm.bios_uuid, "vm_moid": vm.moid,
        "vm_uid": desired.vm_uid, "vm_state": "ready", "ip_address": vm.ip_address, "networks": networks,
        "os_type": desired.spec.as_ref().map(|spec| spec.os.name()), "execution_id": desired.request,
        "causeway": { "request": desired.request },
    });
    variables.as_object().unwrap().clone()
}

fn after(secs: i64) -> Timestamp {
    fixtures::start() + SignedDuration::from_secs(secs)
}

fn drift(field: &str, verdict: DriftVerdict) -> FieldDrift {
    let side = |text: &str| Some(text.to_owned());
    FieldDrift { field: field.to_owned(), verdict, asked: side("2"), inventory: None, vcenter: side("8") }
}

fn changed(change: impl FnOnce(&mut VmSighting)) -> VmSighting {
    let mut vm = fixtures::vm();
    change(&mut vm);
    vm
}
