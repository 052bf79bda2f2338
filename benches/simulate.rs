//! `./bench simulate [LIVES [FIRST_SEED]]`: 1,000,000 seeded lives (`causeway::lab::simulation`), on two threads. Prints one
//! closing line; exit code 1 when a life broke an invariant, with the story of the first.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;
use std::time::Instant;

use causeway::lab::simulation::{Options, Report, run_lives};

/// Lives when no number is given.
const LIVES: u64 = 1_000_000;
const THREADS: u64 = 2;
/// A thread stops after so many failures.
const FAILURES_MAX: usize = 20;

fn main() -> ExitCode {
    // Cargo hands `--bench` to every bench.
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let lives = numbers.next().unwrap_or(LIVES);
    let first = numbers.next().unwrap_or(0);
    let began = Instant::now();
    let report = play(first, lives);
    let secs = began.elapsed().as_secs_f64();
    if let Some(failure) = report.failures.first() {
        eprintln!("{failure}");
        for other in &report.failures {
            eprintln!("seed {}: {:?}: {}", other.seed, other.invariant, other.detail);
        }
    }
    let rate = report.lives as f64 / secs;
    println!(
        "simulate: {} lives, {rate:.0} lives/s, {secs:.0} s, {} crashes, {} actions, ended {:?}, failures {}",
        report.lives,
        report.crashes,
        report.actions,
        report.ended,
        report.failures.len(),
    );
    if report.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn play(first: u64, lives: u64) -> Report {
    let options = Options { failures_max: FAILURES_MAX, ..Options::default() };
    std::thread::scope(|scope| {
        let share = |thread| (first..first + lives).filter(move |seed| seed % THREADS == thread);
        let players: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || run_lives(share(thread), options))).collect();
        let mut all = Report::default();
        for player in players {
            all.add(player.join().expect("a life that panics is a fault of the simulation"));
        }
        all
    })
}
