//! A disk that is full, a log that is written back, checkpoints.

use super::*;

fn large(bench: &Bench, n: u128) -> Admission {
    let Event::Received(mut received) = received(&format!("vm-{n}"), "RITM") else { panic!("not received") };
    received.asked = json!("x".repeat(2_000_000));
    Admission { events: vec![Event::Received(received)], ..bench.admission(n) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_fails_what_it_cannot_hold_and_the_writer_goes_on() {
    let bench = Bench::new();
    let journal = bench.open_with(JournalOptions { file_bytes_max: Some(1_000_000), ..bench.options() });
    journal.admit(bench.admission(1)).await.unwrap();
    let refused = journal.admit(large(&bench, 2)).await;
    assert!(matches!(&refused, Err(AdmitError::Storage(error)) if error.is_full), "{refused:?}");
    assert_eq!(journal.load(&id(2)).await.unwrap(), None);
    assert_eq!(journal.admit(bench.admission(3)).await, Ok(Admitted::New { position: 2 }));
    let state = journal.load_state(&id(1)).await.unwrap().unwrap();
    let (append, _) = Append::following(&state, bench.now(), vec![callback()]).unwrap();
    assert_eq!(journal.append(append).await, Ok(Appended { head_seq: 2, position: 3 }));
    assert_eq!(journal.stats().storage_failures, 1);
    assert_eq!(assert_sound(&journal).await.requests, 2);
    journal.close().await;
    assert!(matches!(bench.open().admit(large(&bench, 2)).await, Ok(Admitted::New { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_written_back_while_writing_goes_on_and_emptied_by_close() {
    let bench = Bench::new();
    let journal = bench.open_with(JournalOptions { wal_write_back_bytes: 256 * 1024, ..bench.options() });
    let log = bench.folder.path().join("causeway.db-wal");
    let mut n = 0;
    while journal.stats().write_backs < 3 {
        n += 1;
        assert!(n < 20_000, "the log was never written back");
        journal.admit(bench.admission(n)).await.unwrap();
    }
    let size = std::fs::metadata(&log).unwrap().len();
    assert!(size < 8 * 1024 * 1024, "the log has {size} bytes");
    assert_sound(&journal).await;
    journal.close().await;
    assert_eq!(std::fs::metadata(&log).map_or(0, |log| log.len()), 0);
    assert_eq!(std::fs::read(bench.folder.path().join("causeway.db.lock")).unwrap(), b"");
    assert_eq!(assert_sound(&bench.open()).await.requests, u64::try_from(n).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_cover_everything_after_a_close_and_go_on_after_a_restart() {
    let bench = Bench::new();
    let journal = bench.open();
    for n in 1..=12 {
        journal.admit(bench.admission(n)).await.unwrap();
    }
    assert_eq!(assert_sound(&journal).await.head.map(|head| head.position), Some(10));
    journal.close().await;
    let journal = bench.open();
    let report = assert_sound(&journal).await;
    assert_eq!((report.checkpoints, report.head.map(|head| head.position)), (3, Some(12)));
    for n in 13..=17 {
        journal.admit(bench.admission(n)).await.unwrap();
    }
    assert_eq!(assert_sound(&journal).await.head.map(|head| head.position), Some(17));
}
