//! Random admissions and appends against a tiny model in memory.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// One step of a random life.
#[derive(Debug, Clone)]
enum Step {
    Admit {
        name: u8,
        delivery: Option<u8>,
        ticket: Option<u8>,
        digest: Option<u8>,
        idempotency: Option<(u8, u8)>,
    },
    Append {
        of: usize,
        behind: u64,
        cancels: bool,
    },
    Pass {
        secs: i64,
    },
    Restart,
    Rebuild,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || proptest::option::of(0..6_u8);
    let admit = (0..12_u8, key(), key(), key(), proptest::option::of((0..4_u8, 0..2_u8))).prop_map(
        |(name, delivery, ticket, digest, idempotency)| Step::Admit {
            name,
            delivery,
            ticket,
            digest,
            idempotency,
        },
    );
    let append = (0..20_usize, prop_oneof![9 => Just(0_u64), 1 => Just(1)], any::<bool>())
        .prop_map(|(of, behind, cancels)| Step::Append { of, behind, cancels });
    prop_oneof![
        10 => admit,
        8 => append,
        2 => (1..400_i64).prop_map(|secs| Step::Pass { secs }),
        1 => Just(Step::Restart),
        1 => Just(Step::Rebuild),
    ]
}

/// What the journal should know.
#[derive(Default)]
struct Model {
    states: Vec<State>,
    /// Key → request, what it compares, until when.
    keys: BTreeMap<String, (usize, u8, Option<Timestamp>)>,
    events: u64,
}

impl Model {
    fn live(&self, key: &str, now: Timestamp) -> Option<(usize, u8)> {
        let (n, body, until) = self.keys.get(key)?;
        until.is_none_or(|until| until > now).then_some((*n, *body))
    }

    fn place_holder(&self, place_key: &str) -> Option<usize> {
        self.states.iter().position(|state| Summary::of(state).place_key.as_deref() == Some(place_key))
    }
}

/// The keys of a step in the order in which they are asked: text, by what, body, window.
fn keys_of(step: &Step) -> Vec<(String, SeenBy, u8, Option<i64>)> {
    let Step::Admit { delivery, ticket, digest, idempotency, .. } = step else { return Vec::new() };
    let week = Some(7 * 24 * 3_600);
    [
        idempotency.map(|(key, body)| (format!("i{key}"), SeenBy::Idempotency, body, week)),
        delivery.map(|key| (format!("d{key}"), SeenBy::Delivery, 0, week)),
        ticket.map(|key| (format!("t{key}"), SeenBy::RequestKey, 0, None)),
        digest.map(|key| (format!("b{key}"), SeenBy::BodyDigest, 0, Some(300))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn admission_keys(step: &Step) -> AdmissionKeys {
    let Step::Admit { delivery, ticket, digest, idempotency, .. } = step else {
        return AdmissionKeys::default();
    };
    AdmissionKeys {
        delivery: delivery.map(|key| ("s".to_owned(), key.to_string())),
        body_digest: digest.map(|key| ("s".to_owned(), key.to_string())),
        request_key: ticket.map(|key| key.to_string()),
        idempotency: idempotency.map(|(key, body)| IdempotencyKey {
            caller: "c".to_owned(),
            key: key.to_string(),
            body_sha256: body.to_string(),
        }),
    }
}

fn expected(model: &mut Model, step: &Step, name: u8, now: Timestamp) -> Admitted {
    let keys = keys_of(step);
    for (key, by, body, _) in &keys {
        match model.live(key, now) {
            Some((n, held)) if held != *body => return Admitted::IdempotencyConflict { id: id(n as u128) },
            Some((n, _)) => return Admitted::Seen { id: id(n as u128), by: *by },
            None => {}
        }
    }
    let place_key = format!("main/n{name}");
    if let Some(n) = model.place_holder(&place_key) {
        return Admitted::PlaceTaken { id: id(n as u128), place_key };
    }
    let n = model.states.len();
    let event = received(&format!("n{name}"), "RITM");
    model.states.push(State::begin(id(n as u128), now, &event).unwrap());
    for (key, _, body, window) in keys {
        let until = window.map(|secs| now + SignedDuration::from_secs(secs));
        model.keys.insert(key, (n, body, until));
    }
    model.events += 1;
    Admitted::New { position: model.events }
}

async fn append(journal: &Journal, model: &mut Model, now: Timestamp, of: usize, behind: u64, cancels: bool) {
    let Some(state) = model.states.get_mut(of) else { return };
    let events = if cancels && state.phase == crate::vm_request::Phase::Received {
        cancelling(1)
    } else {
        vec![callback(), callback()]
    };
    let count = events.len() as u64;
    let (mut append, after) = Append::following(state, now, events).unwrap();
    append.expected_seq -= behind;
    let answer = journal.append(append).await;
    if behind > 0 {
        assert_eq!(answer, Err(AppendError::Conflict { head_seq: state.seq }));
        return;
    }
    model.events += count;
    assert_eq!(answer, Ok(Appended { head_seq: after.seq, position: model.events }));
    *state = after;
}

async fn live(steps: Vec<Step>) {
    let bench = Bench::new();
    let mut journal = bench.open();
    let mut model = Model::default();
    for step in &steps {
        let now = journal_time(bench.now());
        match step {
            Step::Admit { name, .. } => {
                let n = model.states.len() as u128;
                let events = vec![received(&format!("n{name}"), "RITM")];
                let admission = Admission { id: id(n), at: now, events, keys: admission_keys(step) };
                let wanted = expected(&mut model, step, *name, now);
                assert_eq!(journal.admit(admission).await, Ok(wanted), "{step:?}");
            }
            Step::Append { of, behind, cancels } => {
                append(&journal, &mut model, now, *of, *behind, *cancels).await
            }
            Step::Pass { secs } => {
                bench.pass(*secs);
            }
            Step::Restart => {
                journal.close().await;
                journal = bench.open();
            }
            Step::Rebuild => {
                let report = journal.rebuild().await.unwrap();
                assert_eq!(
                    report,
                    RebuildReport { requests: model.states.len() as u64, events: model.events }
                );
            }
        }
    }
    let report = assert_sound(&journal).await;
    assert_eq!((report.requests, report.events), (model.states.len() as u64, model.events));
    for state in &model.states {
        assert_eq!(journal.load_state(&state.id).await.unwrap().as_ref(), Some(state));
        assert_eq!(journal.summary(&state.id).await.unwrap(), Some(Summary::of(state)));
    }
    let active: Vec<RequestId> =
        model.states.iter().filter(|state| state.is_active()).map(|state| state.id.clone()).collect();
    assert_eq!(journal.active(None, 1_000).await.unwrap(), active);
    journal.close().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_journal_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(live(steps));
    }
}
