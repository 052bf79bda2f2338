//! The whole chain with nothing but the scheduler modelled: signed tickets, the bridge, the controller's API, the real
//! playbooks by ansible-runner, govmomi's vCenter simulator, artifacts, notifications, verification and inventory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Map, Value, json};

use super::play::Listener;
use super::rig::{Hands, Rig, RigOptions, Tools};
use crate::config::Config;
use crate::vm_request::RequestId;
use crate::vm_request::state::{Phase, State};

/// Real playbooks take seconds a stage, and two run at once.
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
#[must_use]
pub fn real_tickets() -> Vec<Value> {
    let ticket = |number: u32, name: &str, environment: &str, os: (&str, &str), more: Value| {
        let mut body = json!({
            "vm_name": name, "environment": environment, "vm_os": os.0, "vm_os_version": os.1, "size": "small",
            "ticket": {"id": format!("RITM{number:07}"), "item": "1"}, "requested_by": "j.doe",
        });
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        body
    };
    let disk =
        |name: &str, size: u64, kind: &str| json!({"disk_name": name, "disk_size": size, "disk_type": kind});
    let nic = |network: &str| json!({"network_name": network});
    vec![
        ticket(
            1,
            "win19prod",
            "prod",
            ("windows", "2019"),
            json!({"vm_ip_address": "10.10.20.19", "vm_nic": [nic("prod-db")], "vm_disk": [disk("data", 60, "thin")]}),
        ),
        ticket(
            2,
            "win22dev",
            "dev",
            ("windows", "2022"),
            json!({"size": "medium", "vm_nic": [nic("dev-lan")], "vm_disk": [disk("data", 50, "thick")]}),
        ),
        ticket(
            3,
            "suse15prod",
            "prod",
            ("suse", "15"),
            json!({
                "vm_ip_address": "10.10.20.15",
                "vm_nic": [{"network_name": "prod-db", "ip_address": "10.10.30.15"}],
                "vm_disk": [disk("data", 20, "thin"), disk("log", 10, "thin")],
            }),
        ),
        ticket(
            4,
            "suse15dev",
            "dev",
            ("suse", "15"),
            json!({"vm_disk": [disk("data", 20, "thin"), disk("swap", 8, "eagerzeroedthick")]}),
        ),
        ticket(
            5,
            "rhel8prod",
            "prod",
            ("redhat", "8"),
            json!({"vm_network": "prod-db", "vm_nic": [nic("prod-app")], "vm_disk": [disk("pg", 100, "thin")]}),
        ),
        ticket(
            6,
            "rhel9dev",
            "dev",
            ("redhat", "9"),
            json!({"vm_cpu": 3, "vm_memory": 6144, "size": null, "vm_nic": [{"network_name": "dev-lan", "nic_type": "e1000e"}]}),
        ),
        ticket(
            7,
            "rhel9prod",
            "prod",
            ("redhat", "9"),
            json!({
                "vm_ip_address": "10.10.20.9",
                "vm_nic": [nic("prod-db"), nic("prod-app")],
                "vm_disk": [disk("data", 50, "thin"), disk("log", 20, "thin"), disk("backup", 200, "thick")],
            }),
        ),
    ]
    .into_iter()
    .map(without_nulls)
    .collect()
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

fn without_nulls(mut ticket: Value) -> Value {
    if let Value::Object(fields) = &mut ticket {
        fields.retain(|_, value| !value.is_null());
    }
    ticket
}
