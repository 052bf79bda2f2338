//! Tests of the journal as a whole, against real files.

#![allow(clippy::unwrap_used)]

mod admitting;
mod appending;
mod model;
mod opening;
mod reading;
mod storage;
mod tampering;
mod watching;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::vm_request::Event;
use crate::vm_request::event::{ByPerson, CallbackKind, CallbackSeen, Received, Rejected, RunStatus};
use crate::vm_request::spec::{Address, NicSpec, NicType, OsFamily, Ticket, VmSpec};

const START: &str = "2026-11-21T08:00:00.123456789Z";

/// A directory with one journal file and a clock.
struct Bench {
    folder: TempDir,
    clock: Arc<ManualClock>,
}

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(START.parse().unwrap()));
        Self { folder: tempfile::tempdir().unwrap(), clock }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("causeway.db")
    }

    fn options(&self) -> JournalOptions {
        JournalOptions { checkpoint_every_events: 5, ..JournalOptions::at(self.path()) }
    }

    fn open(&self) -> Journal {
        self.open_with(self.options())
    }

    fn open_with(&self, options: JournalOptions) -> Journal {
        Journal::open(options, self.clock.clone()).unwrap()
    }

    fn refused(&self) -> OpenError {
        Journal::open(self.options(), self.clock.clone()).unwrap_err()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn pass(&self, secs: i64) -> Timestamp {
        self.clock.advance(SignedDuration::from_secs(secs))
    }

    /// The `n`-th request, named after its number, without keys.
    fn admission(&self, n: u128) -> Admission {
        let events = vec![received(&format!("vm-{n}"), &format!("RITM{n}"))];
        Admission { id: id(n), at: self.now(), events, keys: AdmissionKeys::default() }
    }

    /// The file as a stranger with SQLite would open it.
    fn tamper(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(self.path()).unwrap();
        connection
            .execute_batch(
                "PRAGMA foreign_keys = OFF;
                 DROP TRIGGER events_are_never_changed; DROP TRIGGER events_are_never_deleted;
                 DROP TRIGGER checkpoints_are_never_changed; DROP TRIGGER checkpoints_are_never_deleted;",
            )
            .unwrap();
        connection
    }
}

fn id(n: u128) -> RequestId {
    // Ids of one test differ in time too, so that their order is that of their numbers.
    let at: Timestamp = START.parse().unwrap();
    RequestId::from_parts(at + SignedDuration::from_millis(i64::try_from(n).unwrap()), n)
}

fn received(vm_name: &str, ticket: &str) -> Event {
    let spec = VmSpec {
        vm_name: vm_name.to_owned(),
        environment: "prod".to_owned(),
        controller: "main".to_owned(),
        vcenter: "vc1".to_owned(),
        os: OsFamily::Redhat,
        os_version: "9".to_owned(),
        template: "rhel9".to_owned(),
        size: None,
        cpu: 2,
        memory_mib: 4_096,
        datacenter: "dc1".to_owned(),
        cluster: "c1".to_owned(),
        folder: "prod/app".to_owned(),
        datastore: "ds1".to_owned(),
        nics: vec![NicSpec { network: "app".to_owned(), nic_type: NicType::Vmxnet3, address: Address::Dhcp }],
        disks: Vec::new(),
        dns: Vec::new(),
        domain: None,
        expects_address: true,
        description: None,
    };
    Event::Received(Box::new(Received {
        source: "servicenow".to_owned(),
        ticket: Some(Ticket { id: ticket.to_owned(), item: None, url: None }),
        requested_by: "jo".to_owned(),
        asked: json!({"vm_name": vm_name, "environment": "prod"}),
        spec,
        vm_uid: id(0).vm_uid(),
        approval_required: false,
        traceparent: None,
        remedies: None,
    }))
}

fn rejected() -> Event {
    Event::Rejected(Rejected {
        source: "servicenow".to_owned(),
        ticket: None,
        body_sha256: "00".repeat(32),
        violations: Vec::new(),
    })
}

/// An event that is possible in every phase.
fn callback() -> Event {
    Event::CallbackSeen(CallbackSeen {
        controller: "main".to_owned(),
        job: 7,
        kind: CallbackKind::WorkflowJob,
        status: RunStatus::Running,
        template: String::new(),
    })
}

fn by_person() -> ByPerson {
    ByPerson { by: "jo".to_owned(), comment: String::new() }
}

/// The events that end a request which never ran, and free its place.
fn cancelling(attempt_no: u32) -> Vec<Event> {
    vec![
        Event::CancelAsked(by_person()),
        Event::ClaimRaised { attempt_no },
        Event::Cancelled { left_behind: Vec::new() },
    ]
}

async fn append_to(journal: &Journal, id: &RequestId, at: Timestamp, events: Vec<Event>) -> Appended {
    let state = journal.load_state(id).await.unwrap().unwrap();
    let (append, _) = Append::following(&state, at, events).unwrap();
    journal.append(append).await.unwrap()
}

/// Starts `call` and returns it once it waits for the writer.
async fn queued<'f, T: std::fmt::Debug>(
    call: impl Future<Output = T> + Send + 'f,
) -> Pin<Box<dyn Future<Output = T> + Send + 'f>> {
    let mut call: Pin<Box<dyn Future<Output = T> + Send + 'f>> = Box::pin(call);
    std::future::poll_fn(|context| {
        let answer = call.as_mut().poll(context);
        assert!(answer.is_pending(), "it did not wait: {answer:?}");
        Poll::Ready(())
    })
    .await;
    call
}

/// Keeps the writer from writing. It waits a few seconds for the end of this.
fn block(bench: &Bench) -> rusqlite::Connection {
    let blocker = rusqlite::Connection::open(bench.path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    blocker
}

/// Waits until `holds`, for ten seconds at most.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(10), "waited in vain until {what}");
        tokio::task::yield_now().await;
    }
}

async fn assert_sound(journal: &Journal) -> VerifyReport {
    let report = journal.verify().await.unwrap();
    assert!(report.is_sound(), "{:?}", report.faults);
    report
}
