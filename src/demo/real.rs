//! The whole chain with nothing but the scheduler modelled: signed tickets, the bridge, the controller's API, the real
//! playbooks by ansible-runner, govmomi's vCenter simulator, artifacts, notifications, verification and inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Map, Value};

use super::play::Listener;
use super::rig::{Hands, Rig, RigOptions, Tools};
use crate::config::Config;
use crate::vm_request::RequestId;
use crate::vm_request::state::{Phase, State};

/// Real playbooks take seconds a stage, and a few run at once.
const SECS_MAX: u64 = 1_200;

/// How a ticket ended.
#[derive(Debug, Clone)]
pub struct RealEnding {
    pub id: RequestId,
    pub vm_name: String,
    pub state: State,
    /// Runs of the request that the controller accepted.
    pub runs: usize,
    /// The VM's host variables, where there are any.
    pub host_variables: Option<Map<String, Value>>,
}

impl RealEnding {
    /// Whether the bridge verified it: vCenter and the inventory show what was asked, and one run did it.
    #[must_use]
    pub fn is_verified(&self) -> bool {
        self.state.phase == Phase::Done && self.state.vm.is_some() && self.runs == 1
    }
}

/// Every operating system of the catalog, both environments, several adapters and disks.
///
/// # Errors
/// When the embedded tickets are not JSON; a test reads them.
pub fn real_tickets() -> anyhow::Result<Vec<Value>> {
    Ok(serde_json::from_str(include_str!("tickets.json"))?)
}

/// A rig whose jobs are real playbooks, with deadlines that fit them.
///
/// # Errors
/// When something is not installed, or does not start.
pub async fn real_rig(seed: u64, tools: Tools) -> anyhow::Result<Rig> {
    let options = RigOptions { hands: Hands::Ansible(tools), ..RigOptions::quiet(seed) };
    Rig::start_with(options, allow_time).await
}

/// The demo's deadlines are for a model that takes milliseconds.
pub fn allow_time(config: &mut Config) {
    config.policy.overall_deadline_secs = SECS_MAX;
    config.policy.poll_interval_secs = 2;
    config.policy.verify_deadline_secs = 30;
}

/// Sends `tickets`, all at once, and follows their requests until each is at rest.
///
/// # Errors
/// When a ticket is not accepted, or not all are at rest in time.
pub async fn play_real(
    rig: &Rig,
    tickets: &[Value],
    listener: &mut dyn Listener,
) -> anyhow::Result<Vec<RealEnding>> {
    for (number, ticket) in (1..).zip(tickets) {
        let answer = rig.send_ticket(&format!("msg_real_{number}"), ticket).await?;
        ensure!(answer.status == 202, "ticket {number} was answered {}: {}", answer.status, answer.body);
    }
    let limit = Duration::from_secs(SECS_MAX);
    let states = tokio::time::timeout(limit, follow(rig, tickets.len(), listener)).await;
    let states = states.with_context(|| format!("not all at rest after {SECS_MAX} s"))??;
    let world = rig.lab.world();
    let ending = |(id, state): (RequestId, State)| {
        let spec = state.received().map(|received| &received.spec);
        RealEnding {
            vm_name: spec.map(|spec| spec.vm_name.clone()).unwrap_or_default(),
            runs: world.runs_of(id.as_str()).len(),
            host_variables: spec.and_then(|spec| world.state_of(&spec.host_name())),
            id,
            state,
        }
    };
    Ok(states.into_iter().map(ending).collect())
}

async fn follow(
    rig: &Rig,
    wanted: usize,
    listener: &mut dyn Listener,
) -> anyhow::Result<BTreeMap<RequestId, State>> {
    let mut told = 0;
    let mut states: BTreeMap<RequestId, State> = BTreeMap::new();
    let mut position = rig.journal()?.position();
    loop {
        position.borrow_and_update();
        let mut touched = BTreeSet::new();
        loop {
            let news = rig.journal()?.tail(told, 500).await?;
            if news.is_empty() {
                break;
            }
            for recorded in news {
                told = recorded.position;
                listener.event(&recorded);
                touched.insert(recorded.request_id);
            }
        }
        for id in touched {
            let state = rig.journal()?.load_state(&id).await?.context("a request is gone")?;
            states.insert(id, state);
        }
        if states.len() == wanted && states.values().all(|state| !state.is_active()) {
            return Ok(states);
        }
        position.changed().await.context("the journal was closed")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tickets_ask_for_every_system_in_both_environments() {
        let tickets = real_tickets().unwrap();
        let asked = |field: &str| -> BTreeSet<String> {
            tickets.iter().map(|ticket| ticket[field].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!((tickets.len(), asked("vm_name").len()), (7, 7));
        assert!(asked("vm_os").iter().eq(["redhat", "suse", "windows"]));
        assert!(asked("environment").iter().eq(["dev", "prod"]));
    }
}
