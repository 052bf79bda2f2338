//! `expected_seq`, the two lanes, and callers that go away.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn events_are_appended_in_order_and_fold_to_what_the_caller_folded() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.admit(bench.admission(1)).await.unwrap();
    let state = journal.load_state(&id(1)).await.unwrap().unwrap();
    bench.pass(3);
    let (append, after) = Append::following(&state, bench.now(), cancelling(1)).unwrap();
    assert_eq!(journal.append(append).await, Ok(Appended { head_seq: 4, position: 4 }));
    let loaded = journal.load(&id(1)).await.unwrap().unwrap();
    assert_eq!(loaded.state, after);
    assert_eq!(loaded.events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(journal.summary(&id(1)).await.unwrap().unwrap(), Summary::of(&after));
    assert_sound(&journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_from_an_old_state_is_a_conflict_and_writes_nothing() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.admit(bench.admission(1)).await.unwrap();
    let old = journal.load_state(&id(1)).await.unwrap().unwrap();
    let (append, _) = Append::following(&old, bench.now(), vec![callback()]).unwrap();
    let (one, other) = tokio::join!(journal.append(append.clone()), journal.append(append));
    let answers = [one, other];
    assert!(answers.contains(&Ok(Appended { head_seq: 2, position: 2 })), "{answers:?}");
    assert!(answers.contains(&Err(AppendError::Conflict { head_seq: 2 })), "{answers:?}");
    assert_eq!(assert_sound(&journal).await.events, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_to_nothing_is_refused() {
    let bench = Bench::new();
    let journal = bench.open();
    let state = State::begin(id(1), bench.now(), &received("vm-1", "RITM1")).unwrap();
    let (append, _) = Append::following(&state, bench.now(), vec![callback()]).unwrap();
    assert_eq!(journal.append(append).await, Err(AppendError::NoSuchRequest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_intake_queue_refuses_while_the_reconciler_goes_through() {
    let bench = Bench::new();
    let journal = bench.open_with(JournalOptions { intake_queue_max: 2, ..bench.options() });
    journal.admit(bench.admission(1)).await.unwrap();
    let state = journal.load_state(&id(1)).await.unwrap().unwrap();
    let blocker = block(&bench);
    let taken = queued(journal.admit(bench.admission(2))).await;
    until("the writer holds the first", || journal.stats().intake_queue == 0).await;
    let waiting =
        [queued(journal.admit(bench.admission(3))).await, queued(journal.admit(bench.admission(4))).await];
    let refused = journal.admit(bench.admission(5)).await;
    assert!(matches!(refused, Err(AdmitError::Full { retry_after_secs: 1..=30 })), "{refused:?}");
    let (append, _) = Append::following(&state, bench.now(), vec![callback()]).unwrap();
    let appended = queued(journal.append(append)).await;
    blocker.execute_batch("ROLLBACK").unwrap();
    let appended = appended.await.unwrap();
    taken.await.unwrap();
    for answer in waiting {
        let Admitted::New { position } = answer.await.unwrap() else { panic!("not new") };
        assert!(position > appended.position, "the reconciler's write goes before those that waited longer");
    }
    assert_sound(&journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_does_not_stop_the_write() {
    let bench = Bench::new();
    let journal = bench.open();
    let blocker = block(&bench);
    drop(queued(journal.admit(bench.admission(1))).await);
    blocker.execute_batch("ROLLBACK").unwrap();
    let mut position = journal.position();
    position.wait_for(|position| *position == 1).await.unwrap();
    assert!(journal.load(&id(1)).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_journal_says_so_and_what_was_taken_is_written() {
    let bench = Bench::new();
    let journal = bench.open();
    let clone = journal.clone();
    let waiting: Vec<_> = (1..=50)
        .map(|n| {
            let (journal, admission) = (journal.clone(), bench.admission(n));
            tokio::spawn(async move { (n, journal.admit(admission).await) })
        })
        .collect();
    journal.close().await;
    let mut written = Vec::new();
    for answer in waiting {
        match answer.await.unwrap() {
            (n, Ok(Admitted::New { .. })) => written.push(n),
            (_, Err(AdmitError::Closed)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(clone.admit(bench.admission(99)).await, Err(AdmitError::Closed));
    assert_eq!(clone.load(&id(1)).await, Err(ReadError::Closed));
    assert_eq!(clone.rebuild().await, Err(RebuildError::Closed));
    let reopened = bench.open();
    for n in &written {
        assert!(reopened.load(&id(*n)).await.unwrap().is_some(), "{n} was told to be new");
    }
    assert_eq!(assert_sound(&reopened).await.requests, written.len() as u64);
}
