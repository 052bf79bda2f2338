//! The claim: the host in the claims inventory that says which run may act. Written by the bridge alone, one request
//! at a time per VM; each answer is compared with what was sent.

use serde_json::{Map, Value, json};

use super::{Outcome, Scene, collect, unread, unwritten};
use crate::aap::{Host, HostWrite};

/// More attempts than any VM will ever see.
const ATTEMPT_NO_MAX: u32 = 1_000_000;

/// Writes `attempt_no`, with no holder. A claim of the same VM name with this number or a higher one is not touched.
pub(super) async fn write(scene: &Scene<'_>, attempt_no: u32) -> Outcome {
    let claim = claim(scene, attempt_no, None);
    match put(scene, &claim, attempt_no).await {
        Put::Done(host) => Outcome::ClaimWritten { claim_host: host.id },
        Put::Ahead(found) => Outcome::ClaimAhead { attempt_no: found },
        Put::Not(outcome) => outcome,
    }
}

/// Writes the run into the claim of its attempt: only now can the run change anything. When that cannot be done, the
/// run is read instead: one that is over needs no claim any more.
pub(super) async fn record_holder(scene: &Scene<'_>, attempt_no: u32, workflow_job: i64) -> Outcome {
    let claim = claim(scene, attempt_no, Some(workflow_job));
    let outcome = match write_holder(scene, &claim, attempt_no).await {
        Put::Done(_) => return Outcome::HolderRecorded,
        Put::Ahead(found) => return Outcome::ClaimLost { attempt_no: found },
        Put::Not(outcome) => outcome,
    };
    match collect::read(scene, workflow_job).await {
        Outcome::Run(reading) if reading.status.is_terminal() => Outcome::Run(reading),
        Outcome::RunMissing => Outcome::RunMissing,
        _ => outcome,
    }
}

async fn write_holder(scene: &Scene<'_>, claim: &Map<String, Value>, attempt_no: u32) -> Put {
    let written = match scene.state.claim_host {
        Some(host) => scene.controller.client.replace_host_variables(host, claim).await,
        None => HostWrite::Gone,
    };
    match written {
        // Somebody deleted the claim's host: it is made anew, for the run waits for it. The attempt's own number
        // without a holder may be written over, a higher one may not.
        HostWrite::Gone => put(scene, claim, attempt_no.saturating_add(1)).await,
        written => replaced(written, claim),
    }
}

/// Raises the number with no holder, above whatever stands there.
pub(super) async fn raise(scene: &Scene<'_>, attempt_no: u32) -> Outcome {
    const STEPS_MAX: u32 = 3;
    let mut attempt_no = attempt_no;
    for _ in 0..STEPS_MAX {
        match put(scene, &claim(scene, attempt_no, None), attempt_no).await {
            Put::Done(_) => return Outcome::ClaimRaised { attempt_no },
            Put::Ahead(found) => attempt_no = found.saturating_add(1),
            Put::Not(outcome) => return outcome,
        }
    }
    unwritten("the claim's number does not settle")
}

enum Put {
    Done(Box<Host>),
    /// A claim with this number stands there already.
    Ahead(u32),
    Not(Outcome),
}

/// Writes `claim` over nothing or over a lower number than `below`.
async fn put(scene: &Scene<'_>, claim: &Map<String, Value>, below: u32) -> Put {
    let inventory = match scene.controller.claims_inventory().await {
        Ok(Some(inventory)) => inventory,
        Ok(None) => return Put::Not(unwritten("the controller does not show the claims inventory")),
        Err(error) => return Put::Not(unread(&error)),
    };
    let name = scene.received.spec.host_name();
    let client = &scene.controller.client;
    if scene.state.claim_host.is_none() {
        let vm_uid = scene.received.vm_uid.to_string();
        let created = client.create_host(inventory, &name, &vm_uid, claim).await;
        if created != HostWrite::AlreadyThere {
            return replaced(created, claim);
        }
    }
    let host = match client.host(inventory, &name).await {
        Ok(Some(host)) => host,
        Ok(None) => {
            let vm_uid = scene.received.vm_uid.to_string();
            return replaced(client.create_host(inventory, &name, &vm_uid, claim).await, claim);
        }
        Err(error) => return Put::Not(unread(&error)),
    };
    if host.variables == *claim {
        return Put::Done(Box::new(host));
    }
    match held_number(&host) {
        Some(found) if found >= below => Put::Ahead(found),
        _ => replaced(client.replace_host_variables(host.id, claim).await, claim),
    }
}

/// The number that the claim stands at. One beyond [`ATTEMPT_NO_MAX`] is nobody's attempt: it counts as unreadable and
/// is written over, or no attempt could ever rise above it.
fn held_number(host: &Host) -> Option<u32> {
    let number = host.variables.get("attempt_no").and_then(Value::as_u64)?;
    u32::try_from(number).ok().filter(|number| *number <= ATTEMPT_NO_MAX)
}

fn replaced(write: HostWrite, claim: &Map<String, Value>) -> Put {
    match write {
        HostWrite::Created(host) | HostWrite::Written(host) if host.variables == *claim => {
            Put::Done(Box::new(host))
        }
        HostWrite::Created(_) | HostWrite::Written(_) => {
            Put::Not(unwritten("the claim reads differently from what was written"))
        }
        HostWrite::AlreadyThere => Put::Not(unwritten("the claim appeared while it was being written")),
        HostWrite::Gone => Put::Not(unwritten("the claim's host is gone")),
        HostWrite::Busy { detail } => {
            Put::Not(unwritten(format!("the claims inventory is in use: {detail}")))
        }
        HostWrite::Refused { violations } => {
            let said: Vec<String> =
                violations.iter().map(|v| format!("{}: {}", v.field, v.message)).collect();
            Put::Not(unwritten(format!("the claim was refused: {}", said.join("; "))))
        }
        HostWrite::NotNow { status, detail, .. } => Put::Not(unwritten(format!("{status}: {detail}"))),
        HostWrite::Unknown { why } => Put::Not(unwritten(why)),
    }
}

/// `schemas/claim.v1.schema.json`.
fn claim(scene: &Scene<'_>, attempt_no: u32, workflow_job: Option<i64>) -> Map<String, Value> {
    let fields = [
        ("vm_uid", json!(scene.received.vm_uid)),
        ("attempt_no", json!(attempt_no)),
        ("execution_id", json!(scene.state.id)),
        ("workflow_job", json!(workflow_job)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
