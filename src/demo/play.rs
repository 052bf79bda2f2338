//! Plays a scenario on a rig and says how it ended.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::rig::{Answer, Rig};
use super::scenario::{Scenario, TicketKind};
use crate::journal::Recorded;
use crate::lab::vsphere::CloneSpec;
use crate::vm_request::hold::OperatorAction;
use crate::vm_request::state::{Phase, State};
use crate::vm_request::{Event, RequestId};

/// A scenario that takes longer than this hangs.
const SCENARIO_SECS_MAX: u64 = 90;
/// How long the lab gets to become quiet, so that a late run has its chance to do harm.
const AFTERMATH_SECS_MAX: u64 = 20;

/// Hears of each event as it becomes durable, and of what the operator does.
pub trait Listener {
    /// An event of the request.
    fn event(&mut self, recorded: &Recorded);
    /// The operator acts.
    fn operator(&mut self, action: OperatorAction);
}

/// How a scenario ended.
#[derive(Debug, Clone)]
pub struct Ending {
    pub id: RequestId,
    pub state: State,
    /// The answer to the ticket.
    pub answer: Answer,
    /// VMs that were ever created for the request.
    pub vms: usize,
    /// Runs of the request that the lab accepted.
    pub runs: usize,
    /// The VM's host variables, where there are any.
    pub host_variables: Option<Map<String, Value>>,
}

/// Plays `scenario`: sends the ticket, follows the request, acts as the operator does, and waits until the lab is
/// quiet.
///
/// # Errors
/// When the scenario does not end in time, or not as its story says.
pub async fn play(rig: &mut Rig, scenario: &Scenario, listener: &mut dyn Listener) -> anyhow::Result<Ending> {
    if scenario.ticket == TicketKind::NameTaken {
        make_foreign_vm(rig)?;
    }
    let answer = rig.send_ticket(&format!("msg_{}", scenario.name), &scenario.ticket()).await?;
    let wanted = if scenario.ticket == TicketKind::Invalid { 422 } else { 202 };
    ensure!(answer.status == wanted, "the ticket was answered {}: {}", answer.status, answer.body);
    let limit = Duration::from_secs(SCENARIO_SECS_MAX);
    let followed = tokio::time::timeout(limit, follow(rig, scenario, listener));
    let state = followed.await.with_context(|| format!("not over after {SCENARIO_SECS_MAX} s"))??;
    let quiet = tokio::time::timeout(Duration::from_secs(AFTERMATH_SECS_MAX), until_quiet(rig));
    quiet.await.context("the lab did not become quiet")?;
    let ending = ending(rig, state, answer);
    judge(scenario, &ending)?;
    Ok(ending)
}

async fn follow(rig: &mut Rig, scenario: &Scenario, listener: &mut dyn Listener) -> anyhow::Result<State> {
    let mut told = 0;
    let mut steps = scenario.at_hold.iter().copied();
    let (mut accepted, mut sent) = (false, false);
    loop {
        let mut position = rig.journal()?.position();
        for recorded in rig.journal()?.tail(told, 500).await? {
            told = recorded.position;
            listener.event(&recorded);
            accepted |= matches!(recorded.event, Event::LaunchAccepted { .. });
            sent |= matches!(recorded.event, Event::LaunchSent { .. });
        }
        let id = only_request(rig).await?;
        let state = rig.journal()?.load_state(&id).await?.context("the request is gone")?;
        if scenario.restart_after_send && std::mem::take(&mut sent) && !accepted {
            rig.restart_bridge().await?;
            continue;
        }
        if let Some(action) = scenario.at_accept.filter(|_| std::mem::take(&mut accepted)) {
            listener.operator(action);
            operate(rig, &id, action).await?;
            continue;
        }
        let is_at_rest = !state.is_active() || state.phase == Phase::Held;
        if is_at_rest && state.seq == events_of(rig, &id).await? {
            let Some(action) = steps.next().filter(|_| !state.phase.is_over()) else { return Ok(state) };
            listener.operator(action);
            operate(rig, &id, action).await?;
            continue;
        }
        if *position.borrow_and_update() == told {
            position.changed().await.context("the journal was closed")?;
        }
    }
}

async fn only_request(rig: &Rig) -> anyhow::Result<RequestId> {
    let first = rig.journal()?.tail(0, 1).await?;
    first.into_iter().next().map(|recorded| recorded.request_id).context("the journal is empty")
}

async fn events_of(rig: &Rig, id: &RequestId) -> anyhow::Result<u64> {
    let loaded = rig.journal()?.load(id).await?.context("the request is gone")?;
    Ok(loaded.state.seq)
}

async fn operate(rig: &Rig, id: &RequestId, action: OperatorAction) -> anyhow::Result<()> {
    let path = format!("/api/v1/vm-requests/{id}/actions/{}", action.name());
    let answer = rig.api(Method::POST, &path, Some(&json!({"comment": "as the scenario says"}))).await?;
    ensure!((200..300).contains(&answer.status), "{}: {} {}", action.name(), answer.status, answer.body);
    Ok(())
}

/// Waits until nothing happens in the lab by itself any more.
async fn until_quiet(rig: &Rig) {
    /// How often the lab is asked.
    const ASK_MS: u64 = 20;
    while rig.lab.world().next_due().is_some() {
        tokio::time::sleep(Duration::from_millis(ASK_MS)).await;
    }
}

fn make_foreign_vm(rig: &Rig) -> anyhow::Result<()> {
    let spec = CloneSpec {
        name: "taken01".to_owned(),
        template: "rhel9".to_owned(),
        datacenter: "DC0".to_owned(),
        cluster: "C0".to_owned(),
        folder: "prod".to_owned(),
        ..CloneSpec::default()
    };
    let mut world = rig.lab.world();
    let now = jiff::Timestamp::UNIX_EPOCH;
    let begun = world.vsphere.begin_clone(spec, jiff::SignedDuration::ZERO, now);
    begun.map_err(|fault| anyhow::anyhow!("the foreign VM could not be made: {fault}"))?;
    world.vsphere.tick(now);
    Ok(())
}

fn ending(rig: &Rig, state: State, answer: Answer) -> Ending {
    let world = rig.lab.world();
    let uid = state.id.vm_uid().to_string();
    Ending {
        vms: world.vsphere.clones_of_uid(&uid),
        runs: world.runs_of(state.id.as_str()).len(),
        host_variables: state.received().and_then(|received| world.state_of(&received.spec.host_name())),
        id: state.id.clone(),
        state,
        answer,
    }
}

fn judge(scenario: &Scenario, ending: &Ending) -> anyhow::Result<()> {
    let expected = scenario.expected;
    let phase = ending.state.phase;
    if phase != expected.phase {
        bail!(
            "it ended {} ({:?}), the story says {}",
            phase.name(),
            ending.state.hold,
            expected.phase.name()
        );
    }
    ensure!(ending.vms == expected.vms, "{} VMs were created, the story says {}", ending.vms, expected.vms);
    let attempts = ending.state.attempt_no;
    ensure!(attempts == expected.attempts, "{attempts} attempts, the story says {}", expected.attempts);
    Ok(())
}
