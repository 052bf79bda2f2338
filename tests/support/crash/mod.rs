//! The crash experiment: the real binary as a process of its own between senders and a lab, killed by SIGKILL at
//! seeded moments and started again, and what has to be true afterwards. The test and the benchmark both run it.
//!
//! It does not read the journal while the experiment goes on: opening the file would change what the next start finds.

mod bridge;
mod judge;
mod moments;
mod senders;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use causeway::clock::{SharedClock, SystemClock};
use causeway::demo::{LabOnly, RigOptions};
use causeway::lab::controller::model::Tempo;
use causeway::lab::faults::{Fault, FaultPlan, Rule};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tempfile::TempDir;

use bridge::Bridge;
use moments::Moment;
use senders::Senders;

/// The share of the lab's answers that are held back, in thousandths: launches among them, so that kills fall between a
/// launch and its answer.
const SLOW_PER_MILLE: u16 = 120;
/// How long everything may take to finish after the last kill.
const FINISH_SECS_MAX: u64 = 120;

/// What to do.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    /// How often the bridge is killed.
    pub kills: u32,
    /// How many tickets are sent meanwhile.
    pub tickets: u32,
}

/// What happened.
#[derive(Debug, Clone)]
pub struct Report {
    pub kills: u32,
    /// Answers 2xx, copies included.
    pub answers_2xx: usize,
    /// Deliveries that were sent again because no answer came.
    pub resent: usize,
    pub requests: usize,
    pub events: u64,
    pub vms: usize,
    pub runs: usize,
    /// Requests that needed more than one attempt: their first launch never reached the controller.
    pub relaunched: usize,
    /// In how many kills at least one request stood there, by where it stood.
    pub hit: BTreeMap<&'static str, usize>,
    pub secs: u64,
}

/// The place and the parts of one experiment.
struct Scene {
    plan: Plan,
    binary: PathBuf,
    neighbours: LabOnly,
    address: SocketAddr,
    clock: SharedClock,
    folder: TempDir,
}

impl Scene {
    async fn set_up(plan: Plan, binary: &Path) -> anyhow::Result<Self> {
        causeway::bridge::use_ring();
        let clock: SharedClock = Arc::new(SystemClock);
        let address = free_address(plan.seed)?;
        let slow = Rule { per_mille: SLOW_PER_MILLE, times_max: u32::MAX };
        let faults = FaultPlan::none(plan.seed).with(Fault::Slow, slow);
        let options = RigOptions { faults, ..RigOptions::quiet(plan.seed) };
        // A run waits for its claim longer than the longest row of short lives of the bridge.
        let tempo = Tempo { claim_wait_ms: 60_000, ..Tempo::fast() };
        let neighbours = LabOnly::start(&options, tempo, address, &clock).await?;
        let folder = tempfile::Builder::new().prefix("causeway-crash-").tempdir()?;
        std::fs::write(folder.path().join("causeway.toml"), patient_config()?)?;
        Ok(Self { plan, binary: binary.to_owned(), neighbours, address, clock, folder })
    }

    fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.db")
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The end of what the bridges logged.
    fn log_tail(&self) -> String {
        const LINES: usize = 40;
        let text = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LINES)..].join("\n")
    }
}

/// Runs the experiment and checks everything that has to be true after it.
///
/// # Errors
/// What was not true, with the end of the bridge's log.
pub async fn run(plan: Plan, binary: &Path) -> anyhow::Result<Report> {
    let scene = Scene::set_up(plan, binary).await?;
    let played = play(&scene).await.with_context(|| format!("the bridge's log ends:\n{}", scene.log_tail()));
    scene.neighbours.stop().await;
    played
}

async fn play(scene: &Scene) -> anyhow::Result<Report> {
    let started = Instant::now();
    let plan = scene.plan;
    let mut dice = StdRng::seed_from_u64(plan.seed);
    let senders = Senders::start(scene)?;
    let mut killed_at = Vec::new();
    for kill in 1..=plan.kills {
        let moment = Moment::draw(&mut dice);
        senders.release(released(plan, kill, &mut dice));
        let mut bridge = Bridge::start(scene)?;
        let lived = moments::live_until(scene, &mut bridge, moment).await;
        lived.with_context(|| format!("before kill {kill} ({moment:?})"))?;
        killed_at.push(scene.clock.now());
        bridge.kill()?;
    }
    senders.release(plan.tickets);
    let mut bridge = Bridge::start(scene)?;
    bridge.until_ready(scene).await?;
    let heard = within(FINISH_SECS_MAX, "the senders got their answers", senders.finish()).await??;
    judge::until_everything_is_over(scene, &mut bridge, FINISH_SECS_MAX).await?;
    let over_http = judge::over_http(scene, &heard).await?;
    bridge.kill()?;
    judge::by_command(scene, &over_http, &mut dice)?;
    let mut report = judge::in_the_lab_and_the_journal(scene, &heard, &killed_at).await?;
    report.secs = started.elapsed().as_secs();
    Ok(report)
}

/// How many tickets may be on their way by kill number `kill`: a few more each time.
fn released(plan: Plan, kill: u32, dice: &mut StdRng) -> u32 {
    let even = u64::from(plan.tickets) * u64::from(kill) / u64::from(plan.kills.max(1));
    let even = u32::try_from(even).unwrap_or(plan.tickets);
    even.saturating_add(dice.random_range(0..3)).min(plan.tickets)
}

/// The demo's configuration with more patience: a request that lives through many kills is late, not overdue.
fn patient_config() -> anyhow::Result<String> {
    let mut config: toml::Table = LabOnly::CONFIG.parse()?;
    let policy = config.get_mut("policy").and_then(toml::Value::as_table_mut).context("no policy")?;
    policy.insert("overall_deadline_secs".to_owned(), toml::Value::Integer(900));
    policy.insert("verify_deadline_secs".to_owned(), toml::Value::Integer(120));
    Ok(config.to_string())
}

/// A free port below those that the system gives to outgoing connections: nobody else may have it while no bridge runs.
fn free_address(seed: u64) -> anyhow::Result<SocketAddr> {
    const TRIES: u32 = 200;
    let mut dice = StdRng::seed_from_u64(seed ^ u64::from(std::process::id()));
    for _ in 0..TRIES {
        let address = SocketAddr::from(([127, 0, 0, 1], dice.random_range(20_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no free loopback port after {TRIES} tries")
}

/// What `work` gives, unless it takes too long.
async fn within<T>(secs_max: u64, what: &str, work: impl Future<Output = T>) -> anyhow::Result<T> {
    let done = tokio::time::timeout(Duration::from_secs(secs_max), work).await;
    done.with_context(|| format!("not within {secs_max} s: {what}"))
}
