//! What has to be true after the experiment, seen four ways: over HTTP, by the command line, in the journal, in the lab.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use causeway::demo::LabOnly;
use causeway::journal::{Journal, JournalOptions, Loaded};
use causeway::vm_request::state::Progress;
use causeway::vm_request::{Phase, RequestId, State};
use jiff::Timestamp;
use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::Value;

use super::bridge::Bridge;
use super::senders::{Heard, ticket_id, vm_name};
use super::{Report, Scene, within};

/// How often the bridge is asked whether everything is over.
const ASK_MS: u64 = 100;
/// Stories that the command line is asked for.
const SHOWN: usize = 12;

/// Waits until every request is over and nothing happens in the lab by itself any more, so that late runs had their
/// chance to do harm.
pub async fn until_everything_is_over(
    scene: &Scene,
    bridge: &mut Bridge,
    secs_max: u64,
) -> anyhow::Result<()> {
    let mut open = Vec::new();
    let ended = within(secs_max, "every request is over", async {
        let mut beat = tokio::time::interval(Duration::from_millis(ASK_MS));
        loop {
            beat.tick().await;
            bridge.check_alive()?;
            let is_open = |line: &Value| {
                let phase = line["phase"].as_str().and_then(Phase::from_name);
                !phase.is_some_and(Phase::is_over)
            };
            open = lines(scene).await?.into_iter().filter(is_open).collect();
            if open.is_empty() && scene.neighbours.lab.world().next_due().is_none() {
                return anyhow::Ok(());
            }
        }
    })
    .await;
    ended.with_context(|| format!("still open: {open:?}"))?
}

/// Every ticket stands in the list once, as the request that its sender was told of. Gives the ids by ticket.
pub async fn over_http(scene: &Scene, heard: &Heard) -> anyhow::Result<BTreeMap<u32, String>> {
    let tickets = 1..=scene.plan.tickets;
    let mut by_ticket: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines(scene).await? {
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        by_ticket.entry(text("ticket")).or_default().push(text("id"));
    }
    ensure!(by_ticket.len() == scene.plan.tickets as usize, "{} tickets are known", by_ticket.len());
    let mut ids = BTreeMap::new();
    for n in tickets {
        let told: BTreeSet<&String> = heard.ids.get(&n).into_iter().flatten().collect();
        let known: BTreeSet<&String> = by_ticket.get(&ticket_id(n)).into_iter().flatten().collect();
        ensure!(told.len() == 1, "the sender of ticket {n} was told of {told:?}");
        ensure!(known == told, "ticket {n} is {known:?}, its sender was told of {told:?}");
        ensure!(by_ticket[&ticket_id(n)].len() == 1, "ticket {n} stands in the list twice");
        ids.extend(told.into_iter().map(|id| (n, id.clone())));
    }
    for (n, id) in &ids {
        let request = get(scene, &format!("/api/v1/vm-requests/{id}")).await?;
        ensure!(request["vm"]["vm_name"] == vm_name(*n), "{id} is not ticket {n}: {request}");
    }
    Ok(ids)
}

/// `causeway journal verify` finds nothing, and `causeway journal show` tells each story from its beginning.
pub fn by_command(scene: &Scene, ids: &BTreeMap<u32, String>, dice: &mut StdRng) -> anyhow::Result<()> {
    let verified = journal_command(scene, &["verify"])?;
    let report = verified.first().context("verify says nothing")?;
    ensure!(report["sound"] == Value::Bool(true), "the journal is not sound: {report}");
    ensure!(report["requests"] == scene.plan.tickets, "{report}");
    for _ in 0..SHOWN {
        let n = dice.random_range(1..=scene.plan.tickets);
        let id = ids.get(&n).context("a ticket without an id")?;
        let story = journal_command(scene, &["show", id])?;
        let kinds: Vec<&str> = story.iter().filter_map(|line| line["type"].as_str()).collect();
        ensure!(kinds.first().is_some_and(|kind| kind.contains("received")), "{id}: {kinds:?}");
        ensure!(story.iter().zip(1..).all(|(line, seq)| line["seq"] == seq), "{id}: {kinds:?}");
    }
    Ok(())
}

/// Every request is done, with one VM and one run, and the journal holds it once.
pub async fn in_the_lab_and_the_journal(
    scene: &Scene,
    heard: &Heard,
    killed_at: &[Timestamp],
) -> anyhow::Result<Report> {
    let journal = Journal::open(JournalOptions::at(scene.journal()), Arc::clone(&scene.clock))?;
    let events = *journal.position().borrow();
    let mut report = Report {
        kills: scene.plan.kills,
        answers_2xx: heard.ids.values().map(Vec::len).sum(),
        resent: heard.resent,
        requests: heard.ids.len(),
        events,
        vms: 0,
        runs: 0,
        relaunched: 0,
        hit: BTreeMap::new(),
        secs: 0,
    };
    let mut hits: BTreeMap<&'static str, BTreeSet<usize>> = BTreeMap::new();
    for (n, ids) in &heard.ids {
        let id: RequestId = ids.first().context("no id")?.parse()?;
        let loaded =
            journal.load(&id).await?.with_context(|| format!("{id} was answered 2xx and is gone"))?;
        let one = one_request(scene, &loaded).with_context(|| format!("ticket {n}, request {id}"))?;
        report.vms += one.vms;
        report.runs += one.runs;
        report.relaunched += usize::from(loaded.state.attempt_no > 1);
        for (kill, at) in killed_at.iter().enumerate() {
            if let Some(place) = place_at(&loaded, *at)? {
                hits.entry(place).or_default().insert(kill);
            }
        }
    }
    report.hit = hits.into_iter().map(|(place, kills)| (place, kills.len())).collect();
    journal.close().await;
    Ok(report)
}

struct One {
    vms: usize,
    runs: usize,
}

fn one_request(scene: &Scene, loaded: &Loaded) -> anyhow::Result<One> {
    let state = &loaded.state;
    let told =
        || loaded.events.iter().map(|event| format!("{} {}", event.at, event.kind)).collect::<Vec<_>>();
    ensure!(state.phase == Phase::Done, "{:?} {:?}: {:#?}", state.phase, state.hold, told());
    let world = scene.neighbours.lab.world();
    let vms = world.vsphere.clones_of_uid(&state.id.vm_uid().to_string());
    ensure!(vms == 1, "{vms} VMs were created: {:#?}", told());
    let runs: Vec<u64> = world.runs_of(state.id.as_str()).iter().map(|run| run.id).collect();
    ensure!(runs.len() == 1, "the lab saw the runs {runs:?}: {:#?}", told());
    let accepted = state.run.as_ref().and_then(|run| u64::try_from(run.workflow_job).ok());
    ensure!(accepted == runs.first().copied(), "the journal says run {accepted:?}, the lab {runs:?}");
    Ok(One { vms, runs: runs.len() })
}

/// Where the request stood at `at`, by what was durable then; `None` when it was not there, or over.
fn place_at(loaded: &Loaded, at: Timestamp) -> anyhow::Result<Option<&'static str>> {
    let before = loaded.events.iter().filter(|event| event.at <= at).map(|event| (event.at, &event.event));
    let before: Vec<_> = before.collect();
    if before.is_empty() {
        return Ok(None);
    }
    let state = State::replay(&loaded.state.id, before)?;
    let progress = state.intent.as_ref().map(|intent| &intent.progress);
    Ok(match (state.phase, progress) {
        (phase, _) if phase.is_over() => None,
        (Phase::Launching, Some(Progress::Intended)) => Some("intended"),
        (Phase::Launching, Some(Progress::ClaimWritten)) => Some("claimed"),
        (Phase::Launching, Some(Progress::Sent { .. })) => Some("sent"),
        (Phase::Running, _) if state.run.as_ref().is_some_and(|run| !run.holder_recorded) => Some("accepted"),
        (Phase::Running, _) if state.run.as_ref().is_some_and(|run| run.status.is_terminal()) => {
            Some("judging")
        }
        (phase, _) => Some(phase.name()),
    })
}

fn journal_command(scene: &Scene, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
    let output = Command::new(&scene.binary)
        .args(["--json", "journal", "--file"])
        .arg(scene.journal())
        .args(arguments)
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "causeway journal {arguments:?}: {said} {complained}");
    let documents = said.lines().filter(|line| line.starts_with('{')).map(serde_json::from_str);
    Ok(documents.collect::<Result<_, _>>()?)
}

/// Every line of the API's list.
async fn lines(scene: &Scene) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    let mut next = Some("/api/v1/vm-requests?limit=200".to_owned());
    while let Some(path) = next {
        let page = get(scene, &path).await?;
        all.extend(page["items"].as_array().context("a page without items")?.iter().cloned());
        next = page["links"]["next"].as_str().map(str::to_owned);
    }
    Ok(all)
}

async fn get(scene: &Scene, path: &str) -> anyhow::Result<Value> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let call = http.get(format!("{}{path}", scene.url())).bearer_auth(LabOnly::API_TOKEN);
    let answer = call.send().await?;
    ensure!(answer.status() == 200, "GET {path}: {}", answer.status());
    Ok(serde_json::from_slice(&answer.bytes().await?)?)
}
