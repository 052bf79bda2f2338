//! Accepted signed webhooks a second, each on disk before its answer, beside what machine and disk could do at most.
//!
//! Interleaved rounds, each with a server process of its own and a fresh journal: the bridge's server, the same without
//! a journal, the same with one transaction a request, and the disk's own `fdatasync`. Then the bridge's server on an
//! empty journal and on a filled one. The load generator runs on the same machine and takes its share of it.

#![allow(clippy::print_stdout, reason = "figures are its output")]

#[path = "support/client.rs"]
mod client;
#[path = "support/disk.rs"]
mod disk;
#[path = "support/figures.rs"]
mod figures;
#[path = "support/machine.rs"]
mod machine;
#[path = "support/server.rs"]
mod server;

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;

use client::Round;
use server::{Kind, ServerProcess};

/// Requests that are sent before a round is measured; their rate says how many a round has.
const WARM_UP: u64 = 2_000;
const WARM_UP_SINGLE: u64 = 300;
const FDATASYNC_SAMPLES: usize = 400;

/// How much to do.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds of each kind.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// About how long a round is measured.
    #[arg(long, default_value_t = 5.0)]
    secs: f64,
    /// Connections, each with one request under way.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests in the filled journal; 0 leaves that part out.
    #[arg(long, default_value_t = 1_000_000)]
    load: u64,
    /// Serve instead: how this program starts its servers.
    #[arg(long, hide = true)]
    serve: Option<Kind>,
    #[arg(long, hide = true)]
    path: Option<PathBuf>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(kind) = args.serve {
        return server::serve(kind, args.path.as_deref().context("--path is missing")?);
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut bench = Bench { args, folder: folder.path().to_owned(), sent: 0, files: 0 };
    let plain = bench.plain()?;
    let filled = bench.filled()?;
    println!("{}", closing_line(&bench.args, plain, filled));
    Ok(())
}

/// A benchmark under way.
struct Bench {
    args: Args,
    folder: PathBuf,
    /// Requests that were sent so far: no two have the same number.
    sent: u64,
    files: u32,
}

/// Figures of the first part.
#[derive(Debug, Default)]
struct Plain {
    journal: Vec<f64>,
    single: Vec<f64>,
    none: Vec<f64>,
    latencies_us: Vec<u32>,
    fdatasync_us: Vec<u32>,
    idle_mib: u64,
    peak_mib: u64,
}

/// Figures of the second part.
#[derive(Debug, Default)]
struct Filled {
    empty: Vec<f64>,
    filled: Vec<f64>,
    peak_mib: u64,
}

/// One round and the memory of its server.
struct Measured {
    round: Round,
    idle_mib: u64,
    peak_mib: u64,
}

impl Bench {
    fn plain(&mut self) -> anyhow::Result<Plain> {
        let mut plain = Plain::default();
        for round in 1..=self.args.rounds {
            plain.fdatasync_us.extend(disk::fdatasync_us(&self.folder, FDATASYNC_SAMPLES)?);
            let without = self.round_on_fresh(Kind::None)?;
            let journal = self.round_on_fresh(Kind::Journal)?;
            let single = self.round_on_fresh(Kind::Single)?;
            println!(
                "round {round}: journal {:.0}/s, without {:.0}/s, one a transaction {:.0}/s",
                journal.round.per_sec, without.round.per_sec, single.round.per_sec
            );
            plain.none.push(without.round.per_sec);
            plain.single.push(single.round.per_sec);
            plain.journal.push(journal.round.per_sec);
            plain.latencies_us.extend(journal.round.latencies_us);
            plain.idle_mib = plain.idle_mib.max(journal.idle_mib);
            plain.peak_mib = plain.peak_mib.max(journal.peak_mib);
        }
        plain.fdatasync_us.extend(disk::fdatasync_us(&self.folder, FDATASYNC_SAMPLES)?);
        plain.latencies_us.sort_unstable();
        plain.fdatasync_us.sort_unstable();
        Ok(plain)
    }

    fn filled(&mut self) -> anyhow::Result<Filled> {
        let mut seen = Filled::default();
        if self.args.load == 0 {
            return Ok(seen);
        }
        let path = self.folder.join("filled.db");
        server::load(&path, self.args.load)?;
        for round in 1..=self.args.rounds {
            let empty = self.round_on_fresh(Kind::Journal)?;
            let filled = self.round(Kind::Journal, &path)?;
            println!(
                "round {round}: empty {:.0}/s, filled {:.0}/s",
                empty.round.per_sec, filled.round.per_sec
            );
            seen.empty.push(empty.round.per_sec);
            seen.filled.push(filled.round.per_sec);
            seen.peak_mib = seen.peak_mib.max(filled.peak_mib);
        }
        Ok(seen)
    }

    fn round_on_fresh(&mut self, kind: Kind) -> anyhow::Result<Measured> {
        self.files += 1;
        let folder = self.folder.join(format!("journal-{}", self.files));
        std::fs::create_dir(&folder)?;
        let measured = self.round(kind, &folder.join("journal.db"))?;
        std::fs::remove_dir_all(folder)?;
        Ok(measured)
    }

    fn round(&mut self, kind: Kind, path: &Path) -> anyhow::Result<Measured> {
        let server = ServerProcess::start(kind, path)?;
        let idle_mib = server.memory_mib("VmRSS");
        // One thread: the generator takes what it needs of one core and leaves the rest to the server.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let connections = self.args.connections;
        let warm_up = if kind == Kind::Single { WARM_UP_SINGLE } else { WARM_UP };
        let warm = runtime.block_on(client::run(&server.address, connections, self.prepare(warm_up)?))?;
        let count = (warm.per_sec * self.args.secs).max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count")]
        let requests = self.prepare(count as u64)?;
        let round = runtime.block_on(client::run(&server.address, connections, requests))?;
        let peak_mib = server.memory_mib("VmHWM");
        server.stop()?;
        Ok(Measured { round, idle_mib, peak_mib })
    }

    fn prepare(&mut self, count: u64) -> anyhow::Result<Vec<Box<[u8]>>> {
        let from = self.sent;
        self.sent += count;
        client::prepare(from, count)
    }
}

fn closing_line(args: &Args, plain: Plain, filled: Filled) -> String {
    let fdatasync = |share| f64::from(figures::percentile(&plain.fdatasync_us, share));
    let latency = |share| f64::from(figures::percentile(&plain.latencies_us, share));
    let (p50, p99) = (latency(0.5), latency(0.99));
    let (disk_p50, disk_p99) = (fdatasync(0.5), fdatasync(0.99));
    let journal = figures::median(plain.journal);
    let none = figures::median(plain.none);
    let single = figures::median(plain.single);
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let of_disk = args.connections as f64 * 1e6 / (2.0 * disk_p50);
    let bound = none.min(of_disk);
    let empty = figures::median(filled.empty);
    let full = figures::median(filled.filled);
    format!(
        "intake connections={} accepted_per_sec={journal:.0} no_journal_per_sec={none:.0} \
         one_per_request_per_sec={single:.0} disk_bound_per_sec={of_disk:.0} ratio_to_bound={:.2} \
         ratio_to_one_per_request={:.1} p50_ms={:.2} p99_ms={:.2} fdatasync_p50_us={disk_p50:.0} \
         fdatasync_p99_us={disk_p99:.0} p99_to_disk_p99={:.1} rss_idle_mib={} rss_peak_mib={} filled_requests={} \
         filled_per_sec={full:.0} empty_per_sec={empty:.0} ratio_filled_to_empty={:.2} rss_filled_peak_mib={} \
         machine_load={}",
        args.connections,
        journal / bound,
        journal / single,
        p50 / 1e3,
        p99 / 1e3,
        p99 / disk_p99,
        plain.idle_mib,
        plain.peak_mib,
        args.load,
        full / empty,
        filled.peak_mib,
        machine::load_of_the_machine(),
    )
}
