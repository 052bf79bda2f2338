//! A process that dies by SIGKILL in the middle of admissions loses nothing that it acknowledged.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use causeway::clock::{Clock, SystemClock};
use causeway::journal::{Admission, AdmissionKeys, Admitted, Journal, JournalOptions};
use causeway::vm_request::event::Rejected;
use causeway::vm_request::{Event, RequestId};

const CHILD_JOURNAL: &str = "CAUSEWAY_TEST_KILLED_JOURNAL";
const CHILD_ROUND: &str = "CAUSEWAY_TEST_KILLED_ROUND";
const ROUNDS: u64 = 8;
const CALLERS: u64 = 16;

fn open(path: &Path) -> Journal {
    // A small log and close checkpoints, so that kills also hit while they are written.
    let options = JournalOptions {
        wal_write_back_bytes: 128 * 1024,
        checkpoint_every_events: 50,
        ..JournalOptions::at(path)
    };
    Journal::open(options, Arc::new(SystemClock)).unwrap()
}

fn admission(round: u64, caller: u64, n: u64) -> Admission {
    let at = SystemClock.now();
    let random = u128::from(round) << 72 | u128::from(caller) << 64 | u128::from(n);
    let event = Event::Rejected(Rejected {
        source: "test".to_owned(),
        ticket: None,
        body_sha256: "0".repeat(64),
        violations: Vec::new(),
    });
    let delivery = Some(("test".to_owned(), format!("{round}-{caller}-{n}")));
    let keys = AdmissionKeys { delivery, ..AdmissionKeys::default() };
    Admission { id: RequestId::from_parts(at, random), at, events: vec![event], keys }
}

/// Runs in the child: admits until it is killed and prints each id after its acknowledgement.
fn admit_for_ever(path: &Path, round: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let journal = open(path);
        let tasks: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let journal = journal.clone();
                tokio::spawn(async move {
                    for n in 0.. {
                        let admission = admission(round, caller, n);
                        let id = admission.id.clone();
                        let admitted = journal.admit(admission).await.unwrap();
                        assert!(matches!(admitted, Admitted::New { .. }), "{admitted:?}");
                        // One write a line: a kill cuts none in two.
                        std::io::stdout().lock().write_all(format!("\nack {id}\n").as_bytes()).unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Starts the child, kills it after `acknowledgements`, and returns every id that it acknowledged.
fn run_and_kill(path: &Path, round: u64, acknowledgements: usize) -> Vec<RequestId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "acknowledged_requests_survive_sigkill", "--nocapture"])
        .env(CHILD_JOURNAL, path)
        .env(CHILD_ROUND, round.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || -> Option<RequestId> {
        loop {
            let line = lines.next()?.unwrap();
            if let Some(id) = line.strip_prefix("ack ").and_then(|id| id.parse().ok()) {
                return Some(id);
            }
        }
    };
    let mut acknowledged = Vec::new();
    while acknowledged.len() < acknowledgements {
        acknowledged.push(next().expect("the child ended by itself"));
    }
    child.kill().unwrap();
    while let Some(id) = next() {
        acknowledged.push(id);
    }
    child.wait().unwrap();
    acknowledged
}

#[test]
fn acknowledged_requests_survive_sigkill() {
    if let Some(path) = std::env::var_os(CHILD_JOURNAL) {
        let round = std::env::var(CHILD_ROUND).unwrap().parse().unwrap();
        admit_for_ever(Path::new(&path), round);
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("causeway.db");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut acknowledged = Vec::new();
    for round in 0..ROUNDS {
        let wanted = usize::try_from(7 + round * round * 23).unwrap();
        acknowledged.extend(run_and_kill(&path, round, wanted));
        runtime.block_on(async {
            let journal = open(&path);
            let report = journal.verify().await.unwrap();
            assert!(report.is_sound(), "round {round}: {:?}", report.faults);
            for id in &acknowledged {
                assert!(journal.summary(id).await.unwrap().is_some(), "round {round}: {id} was acknowledged");
            }
            // What was written and not acknowledged may be there: at most what was under way at each kill.
            let under_way = report.requests - acknowledged.len() as u64;
            assert!(under_way <= (round + 1) * CALLERS, "{under_way}");
            journal.close().await;
        });
    }
}
