//! The real binary under load, killed by SIGKILL again and again: what was answered 2xx is in the journal, and the lab
//! saw one accepted run for each request. `./bench crash` runs the same experiment for longer.

#![allow(clippy::unwrap_used)]

#[path = "support/crash/mod.rs"]
mod crash;

use std::path::Path;

use crash::Plan;

/// The seed, unless `CAUSEWAY_CRASH_SEED` gives another.
const SEED: u64 = 20_261_121;
const KILLS: u32 = 55;
const TICKETS: u32 = 160;

#[test]
fn a_bridge_killed_again_and_again_keeps_every_promise_and_launches_once() {
    let seed = std::env::var("CAUSEWAY_CRASH_SEED").map_or(SEED, |text| text.parse().unwrap());
    let plan = Plan { seed, kills: KILLS, tickets: TICKETS };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let done = runtime.block_on(crash::run(plan, Path::new(env!("CARGO_BIN_EXE_causeway"))));
    let report = done.unwrap_or_else(|error| panic!("CAUSEWAY_CRASH_SEED={seed}: {error:?}"));
    println!("CAUSEWAY_CRASH_SEED={seed}: {report:?}");
    assert_eq!((report.kills, report.requests), (KILLS, TICKETS as usize), "CAUSEWAY_CRASH_SEED={seed}");
    assert!(report.answers_2xx > report.requests, "CAUSEWAY_CRASH_SEED={seed}: no copy was sent");
    assert!(report.events > u64::from(TICKETS) * 10, "CAUSEWAY_CRASH_SEED={seed}: too short to be true");
    for place in ["sent", "running", "verifying"] {
        let hits = report.hit.get(place).copied().unwrap_or_default();
        assert!(hits > 0, "CAUSEWAY_CRASH_SEED={seed}: no kill fell into `{place}`: {report:?}");
    }
    assert!(
        report.resent > 0,
        "CAUSEWAY_CRASH_SEED={seed}: no sender was left without an answer: {report:?}"
    );
}
