//! Whoever changes the past is found; the projection can be lost.

use super::*;

/// Three requests of three events each, closed; positions 1 to 9, checkpoints at 5 and 9.
async fn filled(bench: &Bench) {
    let journal = bench.open();
    for n in 1..=3 {
        journal.admit(bench.admission(n)).await.unwrap();
    }
    for _ in 0..2 {
        for n in 1..=3 {
            append_to(&journal, &id(n), bench.pass(1), vec![callback()]).await;
        }
    }
    assert_sound(&journal).await;
    journal.close().await;
}

async fn faults_after(statements: &str) -> Vec<Fault> {
    let bench = Bench::new();
    filled(&bench).await;
    bench.tamper().execute_batch(statements).unwrap();
    let report = bench.open().verify().await.unwrap();
    assert_eq!(report.faults_total, report.faults.len() as u64);
    report.faults
}

fn of_request(n: u128, seq: u64, position: u64, kind: FaultKind) -> Fault {
    Fault { request_id: Some(id(n).as_str().to_owned()), seq: Some(seq), position: Some(position), kind }
}

fn of_line(n: u128, kind: FaultKind) -> Fault {
    Fault { request_id: Some(id(n).as_str().to_owned()), seq: None, position: None, kind }
}

fn of_position(position: u64, kind: FaultKind) -> Fault {
    Fault { request_id: None, seq: None, position: Some(position), kind }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_triggers_refuse_what_a_careless_hand_does() {
    let bench = Bench::new();
    filled(&bench).await;
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    for statement in [
        "UPDATE events SET body = '{}'",
        "DELETE FROM events WHERE position = 9",
        "UPDATE checkpoints SET at = 0",
        "DELETE FROM checkpoints",
    ] {
        let refused = connection.execute_batch(statement).unwrap_err().to_string();
        assert!(refused.contains("are never"), "{statement}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_body_time_or_kind_is_found() {
    for edit in [
        "body = replace(body, '\"job\":7', '\"job\":8')",
        "body = body || ' '",
        "at = at + 1",
        "kind = 'callback.seen.v2'",
    ] {
        let faults = faults_after(&format!("UPDATE events SET {edit} WHERE position = 5")).await;
        assert_eq!(faults, [of_request(2, 2, 5, FaultKind::Hash)], "{edit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_given_to_another_request_is_found() {
    let taken = format!("UPDATE events SET request_id = '{}', seq = 4 WHERE position = 9", id(1));
    let faults = faults_after(&taken).await;
    assert!(faults.contains(&of_request(1, 4, 9, FaultKind::Hash)), "{faults:?}");
    assert!(
        faults.contains(&of_line(3, FaultKind::LineDiffers { columns: vec!["updated_at", "head"] })),
        "{faults:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_another_order_are_found() {
    let swap = "UPDATE events SET seq = 99 WHERE position = 4;
                UPDATE events SET seq = 2 WHERE position = 7;
                UPDATE events SET seq = 3 WHERE position = 4;";
    assert_eq!(faults_after(swap).await, [of_request(1, 2, 7, FaultKind::Hash)]);
    let swap = "UPDATE events SET position = 99 WHERE position = 1;
                UPDATE events SET position = 1 WHERE position = 2;
                UPDATE events SET position = 2 WHERE position = 99;";
    assert_eq!(faults_after(swap).await, [of_position(5, FaultKind::Checkpoint)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_event_is_found_wherever_it_stood() {
    let faults = faults_after("DELETE FROM events WHERE position = 4").await;
    assert!(faults.contains(&of_request(1, 3, 7, FaultKind::SeqGap { expected: 2 })), "{faults:?}");
    assert!(faults.contains(&of_position(5, FaultKind::PositionGap { expected: 4 })), "{faults:?}");
    assert!(faults.contains(&of_position(5, FaultKind::Checkpoint)), "{faults:?}");
    let faults = faults_after("DELETE FROM events WHERE position = 9").await;
    assert!(faults.contains(&of_position(9, FaultKind::Checkpoint)), "{faults:?}");
    assert!(
        faults.contains(&of_line(3, FaultKind::LineDiffers { columns: vec!["updated_at", "head"] })),
        "{faults:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_request_that_vanished_is_found() {
    let gone = id(2);
    let delete = format!("DELETE FROM events WHERE request_id = '{gone}'");
    let faults = faults_after(&delete).await;
    assert!(faults.contains(&of_line(2, FaultKind::LineWithoutEvents)), "{faults:?}");
    let faults = faults_after(&format!("{delete}; DELETE FROM requests WHERE id = '{gone}'")).await;
    assert!(faults.contains(&of_position(3, FaultKind::PositionGap { expected: 2 })), "{faults:?}");
    assert!(faults.contains(&of_position(5, FaultKind::Checkpoint)), "{faults:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_hash_is_found_at_the_event_and_in_the_checkpoint() {
    let faults = faults_after(
        "UPDATE events SET hash = (SELECT hash FROM events WHERE position = 1) WHERE position = 5",
    )
    .await;
    assert_eq!(faults, [of_request(2, 2, 5, FaultKind::Hash), of_position(5, FaultKind::Checkpoint)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forger_who_hashes_anew_is_caught_by_the_checkpoint() {
    let bench = Bench::new();
    filled(&bench).await;
    let connection = bench.tamper();
    let last: (u64, i64, Hash) = connection
        .query_row(
            "SELECT 3, at, (SELECT hash FROM events WHERE position = 5) FROM events WHERE position = 8",
            [],
            |row| Ok((3, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    let body = serde_json::to_string(&callback()).unwrap().replace(":7,", ":8,");
    let digest = chain::content_digest(id(2).as_str(), last.0, last.1, "callback.seen.v1", body.as_bytes());
    let hash = chain::link(&last.2, &digest);
    connection.execute("UPDATE events SET body = ?1, hash = ?2 WHERE position = 8", (&body, hash)).unwrap();
    connection.execute("UPDATE requests SET head_hash = ?1 WHERE id = ?2", (hash, id(2).as_str())).unwrap();
    let faults = bench.open().verify().await.unwrap().faults;
    assert_eq!(faults, [of_position(9, FaultKind::Checkpoint)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_checkpoint_is_found() {
    assert_eq!(
        faults_after("UPDATE checkpoints SET at = at + 1 WHERE position = 5").await,
        [of_position(5, FaultKind::Checkpoint)]
    );
    assert_eq!(
        faults_after("DELETE FROM checkpoints WHERE position = 5").await,
        [of_position(9, FaultKind::Checkpoint)]
    );
    assert_eq!(
        faults_after("INSERT INTO checkpoints SELECT 12, at, hash FROM checkpoints WHERE position = 9").await,
        [of_position(12, FaultKind::Checkpoint)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_projection_is_found_column_by_column() {
    let edits = [
        ("phase = 'done'", "phase"),
        ("hold = 'overdue'", "hold"),
        ("source = 'x'", "source"),
        ("ticket = 'x'", "ticket"),
        ("vm_name = 'x'", "vm_name"),
        ("environment = 'x'", "environment"),
        ("controller = 'x'", "controller"),
        ("workflow_job = 1", "workflow_job"),
        ("attempt_no = 9", "attempt_no"),
        ("created_at = 0", "created_at"),
        ("updated_at = 0", "updated_at"),
        ("is_active = 0", "is_active"),
        ("place_key = NULL", "place_key"),
        ("head_seq = 2", "head"),
        ("head_hash = zeroblob(32)", "head"),
    ];
    let bench = Bench::new();
    filled(&bench).await;
    let journal = bench.open();
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    for (edit, column) in edits {
        connection.execute(&format!("UPDATE requests SET {edit} WHERE id = ?1"), [id(2).as_str()]).unwrap();
        let faults = journal.verify().await.unwrap().faults;
        assert_eq!(faults, [of_line(2, FaultKind::LineDiffers { columns: vec![column] })], "{edit}");
        journal.rebuild().await.unwrap();
    }
    connection.execute("DELETE FROM requests WHERE id = ?1", [id(2).as_str()]).unwrap();
    assert_eq!(journal.verify().await.unwrap().faults, [of_line(2, FaultKind::LineMissing)]);
    connection.execute("UPDATE requests SET phase = 'nonsense' WHERE id = ?1", [id(3).as_str()]).unwrap();
    assert_eq!(journal.verify().await.unwrap().faults_total, 2);
}

fn lines(bench: &Bench) -> Vec<Vec<rusqlite::types::Value>> {
    let connection = open::read_connection(&bench.path()).unwrap();
    let mut statement = connection.prepare("SELECT * FROM requests ORDER BY id").unwrap();
    let columns = statement.column_count();
    let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_restores_the_projection_exactly() {
    let bench = Bench::new();
    filled(&bench).await;
    let before = lines(&bench);
    let journal = bench.open();
    let connection = rusqlite::Connection::open(bench.path()).unwrap();
    connection.execute_batch("UPDATE requests SET phase = 'done', place_key = NULL; DELETE FROM requests WHERE vm_name = 'vm-2'").unwrap();
    assert_ne!(lines(&bench), before);
    assert_eq!(journal.rebuild().await.unwrap(), RebuildReport { requests: 3, events: 9 });
    assert_eq!(lines(&bench), before);
    assert_sound(&journal).await;
    append_to(&journal, &id(2), bench.now(), vec![callback()]).await;
    assert_sound(&journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_projection_is_made_again_at_the_start() {
    let bench = Bench::new();
    filled(&bench).await;
    let before = lines(&bench);
    rusqlite::Connection::open(bench.path()).unwrap().execute_batch("DROP TABLE requests").unwrap();
    let journal = bench.open();
    assert_eq!(lines(&bench), before);
    assert_sound(&journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_that_meets_a_bad_event_changes_nothing() {
    let bench = Bench::new();
    filled(&bench).await;
    bench
        .tamper()
        .execute_batch("UPDATE events SET body = '{\"event\":\"nonsense\"}' WHERE position = 8")
        .unwrap();
    let before = lines(&bench);
    let journal = bench.open();
    let refused = journal.rebuild().await.unwrap_err();
    assert!(matches!(refused, RebuildError::BadEvent { position: 8, seq: 3, .. }), "{refused:?}");
    assert_eq!(lines(&bench), before);
    assert!(matches!(journal.load(&id(2)).await, Err(ReadError::Unreadable { position: 8, .. })));
    assert_eq!(
        journal.admit(bench.admission(4)).await,
        Ok(Admitted::New { position: 10 }),
        "the rest goes on"
    );
}
