//! The in-process simulation: 20,000 seeded lives over all mixes of faults, and the sabotages that it has to notice
//! (`causeway::lab::simulation` says what must hold and what is no failure).
//!
//! A failing seed prints its story. To play one life again, and see it whether it fails or not:
//! `CAUSEWAY_SIM_SEED=4711 cargo test --test simulation one_seed -- --nocapture`.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use causeway::lab::faults::Fault;
use causeway::lab::simulation::{Invariant, Options, Report, Sabotage, run_lives, tell_life};

/// Lives that `./test` plays.
const LIVES: u64 = 20_000;
/// Within so many lives every sabotage must be noticed.
const SABOTAGED_LIVES: u64 = 400;

fn play(seeds: std::ops::Range<u64>, options: Options) -> Report {
    const THREADS: u64 = 2;
    std::thread::scope(|scope| {
        let share = |thread| seeds.clone().filter(move |seed| seed % THREADS == thread);
        let players: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || run_lives(share(thread), options))).collect();
        players.into_iter().fold(Report::default(), |mut all, player| {
            all.add(player.join().unwrap());
            all
        })
    })
}

fn assert_unbroken(report: &Report) {
    let told: Vec<String> = report.failures.iter().take(1).map(ToString::to_string).collect();
    let others: Vec<String> =
        report.failures.iter().map(|f| format!("{}: {:?}: {}", f.seed, f.invariant, f.detail)).collect();
    assert!(report.failures.is_empty(), "{}\nall failures:\n{}", told.join("\n"), others.join("\n"));
}

#[test]
fn twenty_thousand_lives_hold_every_invariant() {
    let lives = std::env::var("CAUSEWAY_SIM_LIVES").ok().and_then(|text| text.parse().ok()).unwrap_or(LIVES);
    let began = std::time::Instant::now();
    let report = play(0..lives, Options { failures_max: 20, ..Options::default() });
    println!(
        "{} lives in {:?}: {:?}, {} crashes, {} actions, the longest {} virtual seconds, struck {:?}",
        report.lives,
        began.elapsed(),
        report.ended,
        report.crashes,
        report.actions,
        report.longest_secs,
        report.struck,
    );
    assert_unbroken(&report);
    // The lives are no use if nothing happens in them.
    for phase in ["done", "held", "cancelled", "failed"] {
        assert!(
            report.ended.get(phase).is_some_and(|count| count * 50 > report.lives),
            "{phase}: {report:?}"
        );
    }
    for (fault, name, _) in Fault::ALL {
        assert!(report.struck.contains_key(&fault), "{name} never struck");
    }
    assert!(report.crashes > report.lives / 10, "{} crashes", report.crashes);
}

#[test]
fn one_seed() {
    let named = std::env::var("CAUSEWAY_SIM_SEED").ok().and_then(|text| text.parse().ok());
    let (failure, story) = tell_life(named.unwrap_or(1), Options::default());
    if named.is_some() {
        println!("{}", story.join("\n"));
    }
    assert!(failure.is_none(), "{}", failure.unwrap());
}

#[test]
fn a_seed_tells_the_same_life_every_time() {
    for seed in [3, 77, 1_234] {
        assert_eq!(tell_life(seed, Options::default()), tell_life(seed, Options::default()));
    }
}

/// Every invariant that noticed the sabotage.
fn noticed(sabotage: Sabotage) -> Vec<Invariant> {
    let options = Options { sabotage: Some(sabotage), failures_max: 0 };
    let report = play(0..SABOTAGED_LIVES, options);
    let mut found: Vec<Invariant> = report.failures.iter().map(|failure| failure.invariant).collect();
    found.sort_unstable();
    found.dedup();
    println!("{sabotage:?}: {} of {} lives: {found:?}", report.failures.len(), report.lives);
    found
}

#[test]
fn a_bridge_that_does_not_look_before_it_launches_again_is_noticed() {
    assert!(noticed(Sabotage::NoLook).contains(&Invariant::BlindRelaunch));
}

#[test]
fn a_bridge_without_the_claim_is_noticed() {
    let found = noticed(Sabotage::NoClaim);
    assert!(found.contains(&Invariant::UnrecordedActed), "{found:?}");
}

#[test]
fn a_bridge_that_believes_callbacks_is_noticed() {
    assert!(noticed(Sabotage::BelieveCallback).contains(&Invariant::DoneNotShown));
}

#[test]
fn a_bridge_that_believes_the_workflows_status_is_noticed() {
    assert!(noticed(Sabotage::BelieveWorkflow).contains(&Invariant::DoneNotShown));
}

/// Found by a life in which a job was cancelled while its clone task ran on: the VM appeared after the request had ended
/// with nothing left behind.
#[test]
fn a_bridge_that_surveys_while_a_clone_still_runs_is_noticed() {
    let report = play(0..3_000, Options { sabotage: Some(Sabotage::HastySurvey), failures_max: 1 });
    assert!(report.failures.iter().any(|failure| failure.invariant == Invariant::AppearedLater));
}
