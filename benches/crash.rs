//! Kills the real binary with SIGKILL again and again under load and checks that nothing was lost or launched twice.
//!
//! The experiment is that of `tests/crash.rs`, as long as one likes.

#![allow(clippy::print_stdout, reason = "figures are its output")]

#[path = "../tests/support/crash/mod.rs"]
mod crash;

use std::path::Path;

use anyhow::Context;
use clap::Parser;

use crash::Plan;

/// How much to do.
#[derive(Debug, Parser)]
struct Args {
    /// How often the bridge is killed.
    #[arg(long, default_value_t = 300)]
    kills: u32,
    /// How many tickets are sent meanwhile.
    #[arg(long, default_value_t = 900)]
    tickets: u32,
    /// Decides every moment; a failure names it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let Args { kills, tickets, seed, bench: _ } = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let plan = Plan { seed, kills, tickets };
    let done = runtime.block_on(crash::run(plan, Path::new(env!("CARGO_BIN_EXE_causeway"))));
    let report = done.with_context(|| format!("--seed {seed}"))?;
    let hit: String = report.hit.iter().map(|(place, kills)| format!(" killed_{place}={kills}")).collect();
    println!(
        "crash kills={} requests={} answers_2xx={} resent={} vms={} runs={} relaunched={} events={} secs={} seed={seed}{hit}",
        report.kills,
        report.requests,
        report.answers_2xx,
        report.resent,
        report.vms,
        report.runs,
        report.relaunched,
        report.events,
        report.secs,
    );
    Ok(())
}
