//! What is new, what was seen, and in which order that is asked.

use futures_util::future::join_all;

use super::*;

fn delivery(id: &str) -> AdmissionKeys {
    AdmissionKeys { delivery: Some(("servicenow".to_owned(), id.to_owned())), ..AdmissionKeys::default() }
}

fn request_key(key: &str) -> AdmissionKeys {
    AdmissionKeys { request_key: Some(key.to_owned()), ..AdmissionKeys::default() }
}

fn idempotency(caller: &str, body: &str) -> AdmissionKeys {
    let key =
        IdempotencyKey { caller: caller.to_owned(), key: "key-1".to_owned(), body_sha256: body.to_owned() };
    AdmissionKeys { idempotency: Some(key), ..AdmissionKeys::default() }
}

fn body_digest(digest: &str) -> AdmissionKeys {
    AdmissionKeys {
        body_digest: Some(("servicenow".to_owned(), digest.to_owned())),
        ..AdmissionKeys::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_admitted_request_is_there_with_its_state_and_its_line() {
    let bench = Bench::new();
    let journal = bench.open();
    assert_eq!(journal.admit(bench.admission(1)).await, Ok(Admitted::New { position: 1 }));
    let loaded = journal.load(&id(1)).await.unwrap().unwrap();
    assert_eq!(loaded.events.len(), 1);
    assert_eq!(loaded.events[0].kind, "request.received.v1");
    assert_eq!(loaded.events[0].at, journal_time(bench.now()));
    assert_eq!(journal.summary(&id(1)).await.unwrap(), Some(Summary::of(&loaded.state)));
    assert_eq!(journal.load(&id(2)).await.unwrap(), None);
    assert_sound(&journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_concurrent_deliveries_with_one_id_one_is_new_and_one_is_seen() {
    let bench = Bench::new();
    let journal = bench.open();
    for round in 0..20_u128 {
        let (first, second) = (round * 2 + 1, round * 2 + 2);
        let keys = delivery(&format!("msg_{round}"));
        let one = Admission { keys: keys.clone(), ..bench.admission(first) };
        let other = Admission { keys, ..bench.admission(second) };
        let (one, other) = tokio::join!(journal.admit(one), journal.admit(other));
        let seen = |n| Admitted::Seen { id: id(n), by: SeenBy::Delivery };
        match (one.unwrap(), other.unwrap()) {
            (Admitted::New { .. }, answer) => assert_eq!(answer, seen(first)),
            (answer, Admitted::New { .. }) => assert_eq!(answer, seen(second)),
            answers => panic!("neither is new: {answers:?}"),
        }
    }
    assert_eq!(assert_sound(&journal).await.requests, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_concurrent_copies_of_a_ticket_become_one_request() {
    let bench = Bench::new();
    let journal = bench.open();
    let tasks = (1..=100).map(|n| {
        let journal = journal.clone();
        let mut keys = delivery(&format!("msg_{n}"));
        keys.request_key = Some("servicenow/RITM1/".to_owned());
        let admission = Admission { keys, ..bench.admission(n) };
        tokio::spawn(async move { journal.admit(admission).await.unwrap() })
    });
    let answers: Vec<Admitted> = join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    let new = answers.iter().filter(|answer| matches!(answer, Admitted::New { .. })).count();
    let seen = answers
        .iter()
        .filter(|answer| matches!(answer, Admitted::Seen { by: SeenBy::RequestKey, .. }))
        .count();
    assert_eq!((new, seen), (1, 99));
    assert_eq!(assert_sound(&journal).await.requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idempotency_key_answers_the_same_body_and_refuses_another() {
    let bench = Bench::new();
    let journal = bench.open();
    let ask =
        |n, caller, body| journal.admit(Admission { keys: idempotency(caller, body), ..bench.admission(n) });
    assert_eq!(ask(1, "token-a", "aa").await, Ok(Admitted::New { position: 1 }));
    assert_eq!(ask(2, "token-a", "aa").await, Ok(Admitted::Seen { id: id(1), by: SeenBy::Idempotency }));
    assert_eq!(ask(3, "token-a", "bb").await, Ok(Admitted::IdempotencyConflict { id: id(1) }));
    assert_eq!(ask(4, "token-b", "bb").await, Ok(Admitted::New { position: 2 }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_remembered_for_five_minutes_and_a_delivery_for_longer() {
    let bench = Bench::new();
    let journal = bench.open();
    let ask = |n, keys| journal.admit(Admission { keys, ..bench.admission(n) });
    assert_eq!(ask(1, body_digest("aa")).await, Ok(Admitted::New { position: 1 }));
    assert_eq!(ask(2, delivery("msg_1")).await, Ok(Admitted::New { position: 2 }));
    bench.pass(299);
    assert_eq!(ask(3, body_digest("aa")).await, Ok(Admitted::Seen { id: id(1), by: SeenBy::BodyDigest }));
    bench.pass(1);
    assert_eq!(ask(4, body_digest("aa")).await, Ok(Admitted::New { position: 3 }));
    assert_eq!(ask(5, body_digest("aa")).await, Ok(Admitted::Seen { id: id(4), by: SeenBy::BodyDigest }));
    assert_eq!(ask(6, delivery("msg_1")).await, Ok(Admitted::Seen { id: id(2), by: SeenBy::Delivery }));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_whose_time_is_over_are_dropped_in_small_steps() {
    let bench = Bench::new();
    let journal = bench.open_with(JournalOptions { keys_purge_step_max: 2, ..bench.options() });
    for n in 1..=5 {
        let keys = body_digest(&format!("{n:02}"));
        journal.admit(Admission { keys, ..bench.admission(n) }).await.unwrap();
    }
    let tickets = Admission { keys: request_key("servicenow/RITM6/"), ..bench.admission(6) };
    journal.admit(tickets).await.unwrap();
    bench.pass(301);
    let left = || -> i64 {
        let connection = open::read_connection(&bench.path()).unwrap();
        connection.query_row("SELECT count(*) FROM keys", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(left(), 6);
    let mut counts = Vec::new();
    for n in 11..=14 {
        bench.pass(2);
        journal.admit(bench.admission(n)).await.unwrap();
        counts.push(left());
    }
    assert!(counts.windows(2).all(|pair| pair[0] - pair[1] <= 2), "{counts:?}");
    assert_eq!(counts.last(), Some(&1), "the ticket's key alone has no end: {counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_in_order_and_the_place_last() {
    let bench = Bench::new();
    let journal = bench.open();
    let ask = |n, keys| journal.admit(Admission { keys, ..bench.admission(n) });
    ask(1, idempotency("token", "aa")).await.unwrap();
    ask(2, delivery("msg_2")).await.unwrap();
    ask(3, request_key("t3")).await.unwrap();
    ask(4, body_digest("d4")).await.unwrap();
    let mut keys = AdmissionKeys {
        idempotency: idempotency("token", "aa").idempotency,
        delivery: delivery("msg_2").delivery,
        request_key: request_key("t3").request_key,
        body_digest: body_digest("d4").body_digest,
    };
    let ask_for_place_5 = |keys: &AdmissionKeys| {
        let events = vec![received("vm-1", "RITM9")];
        journal.admit(Admission { keys: keys.clone(), events, ..bench.admission(9) })
    };
    let seen = |n, by| Ok(Admitted::Seen { id: id(n), by });
    assert_eq!(ask_for_place_5(&keys).await, seen(1, SeenBy::Idempotency));
    keys.idempotency = None;
    assert_eq!(ask_for_place_5(&keys).await, seen(2, SeenBy::Delivery));
    keys.delivery = None;
    assert_eq!(ask_for_place_5(&keys).await, seen(3, SeenBy::RequestKey));
    keys.request_key = None;
    assert_eq!(ask_for_place_5(&keys).await, seen(4, SeenBy::BodyDigest));
    keys.body_digest = None;
    let place_key = "main/vm-1".to_owned();
    assert_eq!(ask_for_place_5(&keys).await, Ok(Admitted::PlaceTaken { id: id(1), place_key }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_free_again_once_its_request_was_cancelled() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.admit(bench.admission(1)).await.unwrap();
    let again = Admission { events: vec![received("VM-1", "RITM2")], ..bench.admission(2) };
    let place_key = "main/vm-1".to_owned();
    assert_eq!(journal.admit(again.clone()).await, Ok(Admitted::PlaceTaken { id: id(1), place_key }));
    append_to(&journal, &id(1), bench.now(), cancelling(1)).await;
    assert_eq!(journal.admit(again).await, Ok(Admitted::New { position: 5 }));
    assert_sound(&journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_request_is_journalled_and_does_not_stand_in_the_way_of_the_mended_one() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut keys = delivery("msg_1");
    keys.request_key = Some("t1".to_owned());
    let broken = Admission { events: vec![rejected()], keys, ..bench.admission(1) };
    assert_eq!(journal.admit(broken).await, Ok(Admitted::New { position: 1 }));
    let mended = Admission { keys: request_key("t1"), ..bench.admission(2) };
    assert_eq!(journal.admit(mended).await, Ok(Admitted::New { position: 2 }));
    assert_eq!(journal.summary(&id(1)).await.unwrap().unwrap().phase, crate::vm_request::Phase::Failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_make_no_request_are_refused_before_the_queue() {
    let bench = Bench::new();
    let journal = bench.open();
    for events in [vec![], vec![callback()], vec![rejected(), received("vm-1", "RITM1")]] {
        let refused = journal.admit(Admission { events, ..bench.admission(1) }).await;
        assert!(matches!(refused, Err(AdmitError::Illegal(_))), "{refused:?}");
    }
    assert_eq!(journal.stats().commits, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_is_taken_fails_alone_and_the_rest_of_its_batch_goes_on() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.admit(bench.admission(1)).await.unwrap();
    let taken = Admission { events: vec![received("other", "RITM77")], ..bench.admission(1) };
    let blocker = block(&bench);
    // The writer takes the first and waits for the blocker; the next three form one batch.
    let first = queued(journal.admit(bench.admission(2))).await;
    until("the writer holds the first", || journal.stats().intake_queue == 0).await;
    let before = queued(journal.admit(bench.admission(3))).await;
    let taken = queued(journal.admit(taken)).await;
    let after = queued(journal.admit(bench.admission(4))).await;
    blocker.execute_batch("ROLLBACK").unwrap();
    assert_eq!(first.await, Ok(Admitted::New { position: 2 }));
    assert_eq!(before.await, Ok(Admitted::New { position: 3 }));
    assert_eq!(taken.await, Err(AdmitError::IdTaken));
    assert_eq!(after.await, Ok(Admitted::New { position: 4 }));
    assert_eq!(assert_sound(&journal).await.requests, 4);
}
