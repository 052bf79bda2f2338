//! Controller requests for each finished run, and for each poll tick of many open runs.
//!
//! The bridge's parts run here against the lab over real HTTP. Requests are counted where they arrive, by method and
//! path, and compared with what the client says it has sent.

#![allow(clippy::print_stdout, reason = "figures are its output")]

#[path = "support/machine.rs"]
mod machine;

use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use causeway::aap::Controller;
use causeway::bridge;
use causeway::clock::{SharedClock, SystemClock};
use causeway::config::Secret;
use causeway::demo::{LabOnly, RigOptions};
use causeway::http::{self, AppState, Server};
use causeway::intake::signature::sign_standard_webhooks;
use causeway::journal::{Journal, JournalOptions, PageQuery};
use causeway::lab::controller::model::Tempo;
use causeway::lab::faults::{Fault, FaultPlan, Rule};
use causeway::lab::world::Calls;
use causeway::reconciler::{Limits, Reconciler};
use causeway::vm_request::Phase;
use clap::Parser;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

const DONE_SECS_MAX: u64 = 300;

/// How much to do.
#[derive(Debug, Parser)]
struct Args {
    /// Runs that are finished.
    #[arg(long, default_value_t = 200)]
    runs: u32,
    /// Pause between two tickets, on average.
    #[arg(long, default_value_t = 100)]
    every_ms: u64,
    /// How many times slower than the fast lab, about 2 s a run, the controller works.
    #[arg(long, default_value_t = 1)]
    slower: i64,
    /// Runs that are open at the same time.
    #[arg(long, default_value_t = 1_000)]
    open: u32,
    /// Poll ticks over which those are watched.
    #[arg(long, default_value_t = 4)]
    ticks: u64,
    /// Show the requests by method and path.
    #[arg(long)]
    detail: bool,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (finished, open) = runtime.block_on(async {
        let finished = finished_runs(&args).await.context("finished runs")?;
        anyhow::Ok((finished, open_runs(&args).await.context("open runs")?))
    })?;
    println!(
        "calls runs={} per_finished_run={:.2} polling_of_it={:.2} open_runs={} per_tick={:.2} poll_interval_secs={} \
         counted_alike={} machine_load={}",
        args.runs,
        finished.per_one,
        finished.polling,
        args.open,
        open.per_one,
        open.poll_interval_secs,
        finished.counted_alike && open.counted_alike,
        machine::load_of_the_machine(),
    );
    Ok(())
}

/// What one part showed.
struct Figures {
    per_one: f64,
    /// The readings of runs and their nodes in it.
    polling: f64,
    poll_interval_secs: u64,
    counted_alike: bool,
}

/// Runs that begin one after the other and end well, with callbacks on.
async fn finished_runs(args: &Args) -> anyhow::Result<Figures> {
    let bench = Bench::start(FaultPlan::none(1), slower(args.slower)).await?;
    // The pace of the arrivals is part of what is measured: tickets come when they come, not by a beat.
    let mut dice = StdRng::seed_from_u64(1);
    let mut due = tokio::time::Instant::now();
    for n in 0..args.runs {
        due += Duration::from_millis(dice.random_range(0..=args.every_ms * 2));
        tokio::time::sleep_until(due).await;
        bench.send(n).await?;
    }
    bench.until(args.runs, Phase::Done).await?;
    // A host's mark is written after the request is done.
    bench.until_quiet().await?;
    let (calls, sent) = bench.counted();
    show(args, "finished runs", &calls);
    let figures = bench.figures(&calls, sent, f64::from(args.runs));
    bench.stop().await?;
    Ok(figures)
}

/// Runs that stay pending, so that all of them are polled.
async fn open_runs(args: &Args) -> anyhow::Result<Figures> {
    let always = Rule { per_mille: 1_000, times_max: u32::MAX };
    let bench = Bench::start(FaultPlan::none(1).with(Fault::RunStuckPending, always), Tempo::fast()).await?;
    for n in 0..args.open {
        bench.send(n).await?;
    }
    bench.until(args.open, Phase::Running).await?;
    // Launches and claims are over: from here on there are readings only.
    bench.until_quiet().await?;
    let (before, sent_before) = bench.counted();
    let mut ticks = tokio::time::interval(Duration::from_secs(bench.poll_interval_secs));
    ticks.tick().await; // the first is at once
    for _ in 0..args.ticks {
        ticks.tick().await;
    }
    let (after, sent_after) = bench.counted();
    let calls: Calls = after
        .into_iter()
        .map(|(name, count)| (name.clone(), count - before.get(&name).copied().unwrap_or_default()))
        .filter(|(_, count)| *count > 0)
        .collect();
    show(args, "open runs", &calls);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let figures = bench.figures(&calls, sent_after - sent_before, args.ticks as f64);
    bench.stop().await?;
    Ok(figures)
}

fn slower(times: i64) -> Tempo {
    let fast = Tempo::fast();
    Tempo {
        task_manager_ms: fast.task_manager_ms * times,
        workflow_manager_ms: fast.workflow_manager_ms * times,
        job_start_ms: fast.job_start_ms * times,
        event_lag_ms: fast.event_lag_ms * times,
        stage_ms: fast.stage_ms * times,
        clone_ms: fast.clone_ms * times,
        ..fast
    }
}

fn show(args: &Args, part: &str, calls: &Calls) {
    if args.detail {
        println!("{part}:");
        for (name, count) in calls {
            println!("  {count:6} {name}");
        }
    }
}

/// Lab and bridge, with the bridge's client of the controller at hand.
struct Bench {
    neighbours: LabOnly,
    server: Server,
    reconciler: Reconciler,
    journal: Journal,
    controller: Controller,
    address: String,
    http: reqwest::Client,
    clock: SharedClock,
    poll_interval_secs: u64,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn start(faults: FaultPlan, tempo: Tempo) -> anyhow::Result<Self> {
        bridge::use_ring();
        let clock: SharedClock = Arc::new(SystemClock);
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let options = RigOptions { faults, ..RigOptions::quiet(1) };
        let neighbours = LabOnly::start(&options, tempo, address, &clock).await?;
        let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
        let mut config = neighbours.config(&folder.path().join("journal.db"))?;
        // What a bridge does by default, not what a demo does.
        config.policy = causeway::vm_request::Policy::default();
        let access = bridge::access(&config)?;
        let clients = bridge::neighbours(&config, &clock)?;
        let controller = clients.controllers.get("lab").context("no controller")?.client.clone();
        let journal = Journal::open(JournalOptions::at(&config.journal.path), Arc::clone(&clock))?;
        let poll_interval_secs = config.policy.poll_interval_secs;
        let reconciler = Reconciler::start(
            journal.clone(),
            std::sync::Arc::new(clients),
            config.policy,
            Limits::default(),
        )
        .await?;
        let waker = reconciler.waker();
        let wake: http::Waker = Arc::new(move |id| waker.wake(id));
        let state = AppState::new(journal.clone(), access, Arc::clone(&clock), wake, config.http.limits);
        let server = http::start(listener, Arc::new(state), 1)?;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let address = format!("http://{address}/hooks/itsm");
        Ok(Self {
            neighbours,
            server,
            reconciler,
            journal,
            controller,
            address,
            http,
            clock,
            poll_interval_secs,
            _folder: folder,
        })
    }

    async fn send(&self, n: u32) -> anyhow::Result<()> {
        let body = json!({
            "vm_name": format!("calls{n:05}"), "environment": "prod", "vm_os": "redhat", "vm_os_version": "9",
            "size": "small", "ticket": {"id": format!("RITM{n:07}"), "item": "1"}, "requested_by": "j.doe",
        })
        .to_string();
        let secret = Secret::new(LabOnly::WEBHOOK_SECRET);
        let signed = sign_standard_webhooks(&secret, &format!("msg_{n}"), self.clock.now(), body.as_bytes())?;
        let mut call = self.http.post(&self.address).header("Content-Type", "application/json").body(body);
        for (name, value) in signed.pairs() {
            call = call.header(name, value);
        }
        let status = call.send().await?.status();
        ensure!(status == 202, "ticket {n} was answered {status}");
        Ok(())
    }

    /// Waits until `wanted` requests are in `phase`.
    async fn until(&self, wanted: u32, phase: Phase) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut position = self.journal.position();
        loop {
            let found = self.count(phase).await?;
            if found >= wanted as usize {
                return Ok(());
            }
            let left = Duration::from_secs(DONE_SECS_MAX).checked_sub(started.elapsed());
            let left = left.with_context(|| format!("{found} of {wanted} are {}", phase.name()))?;
            position.borrow_and_update();
            tokio::time::timeout(left, position.changed()).await??;
        }
    }

    async fn count(&self, phase: Phase) -> anyhow::Result<usize> {
        let mut query = PageQuery { phase: Some(phase), ..PageQuery::default() };
        let mut found = 0;
        loop {
            let page = self.journal.page(&query).await?;
            found += page.items.len();
            match page.next_cursor {
                Some(cursor) => query.cursor = Some(cursor),
                None => return Ok(found),
            }
        }
    }

    /// Waits until the journal has stood still for a poll interval and a half.
    async fn until_quiet(&self) -> anyhow::Result<()> {
        let still = Duration::from_millis(self.poll_interval_secs * 1_500);
        let mut position = self.journal.position();
        loop {
            position.borrow_and_update();
            match tokio::time::timeout(still, position.changed()).await {
                Ok(changed) => changed?,
                Err(_still) => return Ok(()),
            }
        }
    }

    /// What arrived at the lab, and how much the client says it has sent.
    fn counted(&self) -> (Calls, u64) {
        (self.neighbours.lab.calls(), self.controller.stats().requests)
    }

    fn figures(&self, calls: &Calls, sent: u64, divisor: f64) -> Figures {
        let polls = ["GET /api/v2/workflow_jobs/", "GET /api/v2/workflow_jobs/N/"];
        let polling: u64 = polls.iter().filter_map(|name| calls.get(*name)).sum();
        let arrived: u64 = calls.values().sum();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let each = |count: u64| count as f64 / divisor;
        Figures {
            per_one: each(arrived),
            polling: each(polling),
            poll_interval_secs: self.poll_interval_secs,
            counted_alike: arrived == sent,
        }
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.server.stop().await?;
        self.reconciler.stop().await;
        self.journal.close().await;
        self.neighbours.stop().await;
        Ok(())
    }
}
