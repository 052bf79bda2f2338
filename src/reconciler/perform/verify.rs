//! Looks at vCenter and the inventory, and leaves the bridge's mark on a verified host.

use serde_json::{Map, Value, json};

use super::{Outcome, Scene, unread, unseen, unwritten};
use crate::aap::{Host, HostMerge, HostWrite};
use crate::vcenter::VmQuery;
use crate::vm_request::differences::{HostFacts, VerificationFacts, differences};

/// The bridge's own key in the host variables.
const OWN_KEY: &str = "causeway";

pub(super) async fn verify(scene: &Scene<'_>) -> Outcome {
    let spec = &scene.received.spec;
    let vm_uid = scene.received.vm_uid.to_string();
    let query = VmQuery { vm_uid: Some(&vm_uid), ..VmQuery::default() };
    let mut vms = match scene.vcenter.client.find_vm(&query).await {
        Ok(vms) => vms,
        Err(error) => return unseen(&error),
    };
    vms.retain(|vm| vm.vm_uid.as_deref() == Some(vm_uid.as_str()));
    let host = match state_host(scene).await {
        Ok(host) => host,
        Err(outcome) => return outcome,
    };
    let host_facts = host.as_ref().map(|host| HostFacts { id: host.id, variables: host.variables.clone() });
    let facts = VerificationFacts { vms, host: host_facts };
    let found = differences(spec, &vm_uid, scene.state.id.as_str(), &facts);
    match (found.is_empty(), facts.vms.into_iter().next(), host) {
        (true, Some(vm), Some(host)) => {
            let id = host.id;
            scene.controller.remember_host(host);
            Outcome::AsAsked { vm: Box::new(vm), host: id }
        }
        _ => Outcome::Differs { differences: found },
    }
}

async fn state_host(scene: &Scene<'_>) -> Result<Option<Host>, Outcome> {
    let inventory = match scene.controller.state_inventory().await {
        Ok(Some(inventory)) => inventory,
        Ok(None) => return Err(unwritten("the controller does not show the state inventory")),
        Err(error) => return Err(unread(&error)),
    };
    let name = scene.received.spec.host_name();
    scene.controller.client.host(inventory, &name).await.map_err(|error| unread(&error))
}

/// Writes the bridge's own key. A host that was read a moment ago is merged into as it was read, which saves a
/// request; whenever the answer differs from what was sent, the whole read–merge–write–read runs.
pub(super) async fn mark(scene: &Scene<'_>) -> Outcome {
    let Some(host_id) = scene.state.host else { return unwritten("no host was verified") };
    let value = own_value(scene);
    let client = &scene.controller.client;
    if let Some(host) = scene.controller.take_fresh_host(&scene.received.spec.host_name())
        && host.id == host_id
    {
        let mut variables = host.variables;
        variables.insert(OWN_KEY.to_owned(), value.clone());
        if is_written(client.replace_host_variables(host_id, &variables).await, &variables) {
            return Outcome::HostMarked { host: host_id };
        }
    }
    match client.merge_host_key(host_id, OWN_KEY, &value).await {
        HostMerge::Unchanged(host) | HostMerge::Merged(host) => Outcome::HostMarked { host: host.id },
        HostMerge::Gone => Outcome::HostMarkRefused { why: "the host is gone".to_owned() },
        HostMerge::NotWritten(HostWrite::Refused { violations }) => {
            let said: Vec<String> = violations.into_iter().map(|v| v.message).collect();
            Outcome::HostMarkRefused { why: said.join("; ") }
        }
        HostMerge::NotWritten(HostWrite::NotNow { status: 403, detail, .. }) => {
            Outcome::HostMarkRefused { why: detail }
        }
        HostMerge::NotWritten(_) => unwritten("the host's variables were not written"),
        HostMerge::Contended { rounds } => {
            unwritten(format!("somebody else keeps writing the host ({rounds} rounds)"))
        }
        HostMerge::Unreadable(error) => unread(&error),
    }
}

fn is_written(write: HostWrite, variables: &Map<String, Value>) -> bool {
    matches!(write, HostWrite::Written(host) if host.variables == *variables)
}

fn own_value(scene: &Scene<'_>) -> Value {
    json!({
        "request": scene.state.id,
        "instance": scene.neighbours.instance,
        "vm_uid": scene.received.vm_uid,
        "attempt_no": scene.state.attempt_no,
        "verified_at": scene.state.updated_at,
    })
}
