//! The claim: the host in the claims inventory that says which run may act. Written by the bridge alone, one request
//! at a time per VM; each answer is compared with what was sent.

use serde_json::{Map, Value, json};

use super::{Outcome, Scene, unread, unwritten};
use crate::aap::{Host, HostWrite};

/// Writes `attempt_no`, with no holder. A claim of the same VM name with this number or a higher one is not touched.
pub(super) async fn write(scene: &Scene<'_>, attempt_no: u32) -> Outcome {
    let claim = claim(scene, attempt_no, None);
    match put(scene, &claim, attempt_no).await {
        Put::Done(host) => Outcome::ClaimWritten { claim_host: host.id },
        Put::Ahead(found) => Outcome::ClaimAhead { attempt_no: found },
        Put::Not(outcome) => outcome,
    }
}

/// Writes the run into the claim of its attempt: only now can the run change anything. A host that somebody deleted
/// meanwhile is made anew: the run waits for its claim, and nothing else would ever give it one.
pub(super) async fn record_holder(scene: &Scene<'_>, attempt_no: u32, workflow_job: i64) -> Outcome {
    let claim = claim(scene, attempt_no, Some(workflow_job));
    let Some(host) = scene.state.claim_host else {
        return unwritten("the request has no claim");
    };
    let put = match scene.controller.client.replace_host_variables(host, &claim).await {
        HostWrite::Gone => put(scene, &claim, attempt_no.saturating_add(1)).await,
        written => replaced(written, &claim),
    };
    match put {
        Put::Done(_) => Outcome::HolderRecorded,
        Put::Not(outcome) => outcome,
        Put::Ahead(found) => Outcome::ClaimLost { attempt_no: found },
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

fn held_number(host: &Host) -> Option<u32> {
    host.variables.get("attempt_no").and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
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
