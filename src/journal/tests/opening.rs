//! Who may open a file, and which files are left alone.

use std::fs;
use std::path::Path;

use super::*;

/// Everything that could be lost: the digests of the file and of its log.
fn bytes_of(path: &Path) -> (Hash, Option<Hash>) {
    use sha2::{Digest, Sha256};
    let log = PathBuf::from(format!("{}-wal", path.display()));
    (Sha256::digest(fs::read(path).unwrap()).into(), fs::read(log).ok().map(|log| Sha256::digest(log).into()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_bridge_is_refused_and_told_who_has_the_file() {
    let bench = Bench::new();
    let journal = bench.open();
    let refused = bench.refused();
    let message = refused.to_string();
    assert!(
        matches!(refused, OpenError::InUse { pid: Some(pid), .. } if pid == std::process::id()),
        "{refused:?}"
    );
    assert!(message.contains("in use by another bridge"), "{message}");
    assert!(message.contains(&std::process::id().to_string()), "{message}");
    journal.close().await;
    bench.open();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_was_dropped_without_close_lets_the_next_one_in() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.admit(bench.admission(1)).await.unwrap();
    drop(journal);
    until("the writer ended", || Journal::open(bench.options(), bench.clock.clone()).is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_later_version_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.admit(bench.admission(1)).await.unwrap();
    journal.close().await;
    rusqlite::Connection::open(bench.path()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let before = bytes_of(&bench.path());
    let refused = bench.refused();
    assert!(matches!(refused, OpenError::Newer { found: 99, known: 2, .. }), "{refused:?}");
    assert!(refused.to_string().contains("use a newer causeway"), "{refused}");
    assert_eq!(bytes_of(&bench.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_kind_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    let other = rusqlite::Connection::open(bench.path()).unwrap();
    other.execute_batch("CREATE TABLE recipes (name TEXT); PRAGMA application_id = 7").unwrap();
    drop(other);
    let before = bytes_of(&bench.path());
    let refused = bench.refused();
    assert!(matches!(refused, OpenError::Foreign { application_id: 7, .. }), "{refused:?}");
    assert_eq!(bytes_of(&bench.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    fs::write(bench.path(), "dear diary, ".repeat(1_000)).unwrap();
    let before = bytes_of(&bench.path());
    let refused = bench.refused();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    assert_eq!(bytes_of(&bench.path()), before);
}

/// A journal whose bridge died, with a log beside it: a copy taken while it was open.
async fn abandoned(bench: &Bench, requests: u128) {
    let home = Bench::new();
    let journal = home.open();
    for n in 1..=requests {
        journal.admit(home.admission(n)).await.unwrap();
    }
    for name in ["causeway.db", "causeway.db-wal", "causeway.db.lock"] {
        fs::copy(home.folder.path().join(name), bench.folder.path().join(name)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_bridge_left_in_its_log_is_read_by_the_next_one() {
    let bench = Bench::new();
    abandoned(&bench, 30).await;
    let journal = bench.open();
    assert_eq!(assert_sound(&journal).await.requests, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    abandoned(&bench, 200).await;
    let journal = bench.open();
    journal.close().await;
    // Damage in the middle of a page, which SQLite does not meet when it opens the file.
    let mut bytes = fs::read(bench.path()).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    fs::write(bench.path(), &bytes).unwrap();
    fs::write(bench.folder.path().join("causeway.db.lock"), "4711").unwrap();
    let before = bytes_of(&bench.path());
    let refused = bench.refused();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    assert!(refused.to_string().contains("left as it was"), "{refused}");
    assert_eq!(bytes_of(&bench.path()), before);
    let again = bench.refused();
    assert!(matches!(again, OpenError::Damaged { .. }), "the second start looks as closely: {again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_damaged_file_keeps_its_log() {
    let bench = Bench::new();
    abandoned(&bench, 5).await;
    let mut bytes = fs::read(bench.path()).unwrap();
    bytes.truncate(bytes.len() / 2);
    bytes[..16].fill(0);
    fs::write(bench.path(), &bytes).unwrap();
    let log = bench.folder.path().join("causeway.db-wal");
    let mut damaged_log = fs::read(&log).unwrap();
    damaged_log[..32].fill(0xff);
    fs::write(&log, &damaged_log).unwrap();
    let before = bytes_of(&bench.path());
    let refused = bench.refused();
    assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
    assert_eq!(bytes_of(&bench.path()), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_would_starve_intake_are_refused() {
    let bench = Bench::new();
    let options = JournalOptions { reconciler_queue_max: 8, batch_max: 8, ..bench.options() };
    let refused = Journal::open(options, bench.clock.clone()).unwrap_err();
    assert!(matches!(refused, OpenError::Option { option: "reconciler_queue_max", .. }), "{refused:?}");
    assert!(!bench.path().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_of_the_first_release_opens_and_is_sound() {
    let bench = Bench::new();
    bench.open().close().await;
    let sample = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/journal/0001_sample.sql");
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    connection.execute_batch(&fs::read_to_string(sample).unwrap()).unwrap();
    connection.execute_batch("DROP TABLE requests").unwrap();
    drop(connection);
    let journal = bench.open();
    let report = assert_sound(&journal).await;
    assert!(report.requests >= 3 && report.checkpoints >= 1, "{report:?}");
}
