//! Pages, tails, what is active, and runs.

use super::*;
use crate::vm_request::Phase;

async fn all_pages(journal: &Journal, query: PageQuery) -> Vec<RequestId> {
    let mut query = query;
    let mut ids = Vec::new();
    loop {
        let page = journal.page(&query).await.unwrap();
        ids.extend(page.items.into_iter().map(|line| line.id));
        match page.next_cursor {
            Some(cursor) => query.cursor = Some(cursor),
            None => return ids,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_hold_every_request_once_newest_first() {
    let bench = Bench::new();
    let journal = bench.open();
    for n in 1..=23 {
        journal.admit(bench.admission(n)).await.unwrap();
    }
    let newest_first: Vec<RequestId> = (1..=23).rev().map(id).collect();
    for limit in [1, 5, 22, 23, 24, 0, 10_000] {
        assert_eq!(all_pages(&journal, PageQuery { limit, ..PageQuery::default() }).await, newest_first);
    }
    let query = PageQuery { limit: 5, ..PageQuery::default() };
    let first = journal.page(&query).await.unwrap();
    journal.admit(bench.admission(24)).await.unwrap();
    let second = journal.page(&PageQuery { cursor: first.next_cursor, ..query }).await.unwrap();
    assert_eq!(second.items[0].id, id(18), "a newcomer does not shift the pages after it");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_are_joined_and_text_is_taken_literally() {
    let bench = Bench::new();
    let journal = bench.open();
    for n in 1..=12 {
        journal.admit(bench.admission(n)).await.unwrap();
    }
    let odd = Admission { events: vec![received("db%_\\", "OPS-1")], ..bench.admission(13) };
    journal.admit(odd).await.unwrap();
    append_to(&journal, &id(2), bench.now(), cancelling(1)).await;
    let found = |query: PageQuery| all_pages(&journal, query);
    let none = PageQuery::default;
    let text = |text: &str| PageQuery { text: Some(text.to_owned()), ..PageQuery::default() };
    let ids = |numbers: &[u128]| numbers.iter().copied().map(id).collect::<Vec<_>>();
    assert_eq!(found(PageQuery { phase: Some(Phase::Cancelled), ..none() }).await, ids(&[2]));
    assert_eq!(found(PageQuery { vm_name: Some("vm-3".into()), ..none() }).await, ids(&[3]));
    assert_eq!(found(PageQuery { ticket: Some("RITM4".into()), ..none() }).await, ids(&[4]));
    assert_eq!(found(PageQuery { environment: Some("test".into()), ..none() }).await, ids(&[]));
    assert_eq!(found(PageQuery { source: Some("servicenow".into()), ..none() }).await.len(), 13);
    let both = PageQuery { vm_name: Some("vm-2".into()), phase: Some(Phase::Received), ..none() };
    assert_eq!(found(both).await, ids(&[]));
    assert_eq!(found(text("VM-1")).await, ids(&[12, 11, 10, 1]));
    assert_eq!(found(text("%_\\")).await, ids(&[13]));
    assert_eq!(found(text("ops")).await, ids(&[13]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_somebody_else_is_refused() {
    let bench = Bench::new();
    let journal = bench.open();
    for cursor in ["", "nonsense", "cmVxXw", "🦀"] {
        let query = PageQuery { cursor: Some(cursor.to_owned()), ..PageQuery::default() };
        assert_eq!(journal.page(&query).await, Err(ReadError::BadCursor), "{cursor}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tail_follows_commits_and_the_position_announces_them() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut position = journal.position();
    assert_eq!(*position.borrow_and_update(), 0);
    journal.admit(bench.admission(1)).await.unwrap();
    journal.admit(bench.admission(2)).await.unwrap();
    append_to(&journal, &id(1), bench.now(), vec![callback()]).await;
    assert!(position.has_changed().unwrap());
    assert_eq!(*position.borrow_and_update(), 3);
    let places = |events: Vec<Recorded>| -> Vec<(u64, RequestId, u64)> {
        events.into_iter().map(|event| (event.position, event.request_id, event.seq)).collect()
    };
    let all = [(1, id(1), 1), (2, id(2), 1), (3, id(1), 2)];
    assert_eq!(places(journal.tail(0, 10).await.unwrap()), all);
    assert_eq!(places(journal.tail(1, 1).await.unwrap()), all[1..2]);
    assert_eq!(places(journal.tail(3, 10).await.unwrap()), []);
    journal.close().await;
    assert_eq!(*bench.open().position().borrow(), 3, "positions go on after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_has_something_left_to_do_is_active() {
    let bench = Bench::new();
    let journal = bench.open();
    for n in 1..=5 {
        journal.admit(bench.admission(n)).await.unwrap();
    }
    append_to(&journal, &id(2), bench.now(), cancelling(1)).await;
    journal.admit(Admission { events: vec![rejected()], ..bench.admission(6) }).await.unwrap();
    assert_eq!(journal.active(None, 3).await.unwrap(), [id(1), id(3), id(4)]);
    assert_eq!(journal.active(Some(id(4)), 3).await.unwrap(), [id(5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_found_by_its_run() {
    use crate::vm_request::event::{FoundBy, LaunchIntended};
    use crate::vm_request::stage::Stage;
    let bench = Bench::new();
    let journal = bench.open();
    journal.admit(bench.admission(1)).await.unwrap();
    let intended =
        LaunchIntended { attempt_no: 1, attempt: id(1).vm_uid(), stages: Stage::DEPLOYMENT.to_vec() };
    let events = vec![
        Event::PreflightDone { attempt_no: 1, findings: Vec::new() },
        Event::LaunchIntended(intended),
        Event::ClaimWritten { attempt_no: 1, claim_host: 9 },
        Event::LaunchSent { attempt_no: 1 },
        Event::LaunchAccepted { attempt_no: 1, workflow_job: 4711, found_by: FoundBy::Answer },
    ];
    append_to(&journal, &id(1), bench.now(), events).await;
    assert_eq!(journal.find_by_run("main", 4711).await.unwrap(), Some(id(1)));
    assert_eq!(journal.find_by_run("other", 4711).await.unwrap(), None);
    assert_eq!(journal.find_by_run("main", 4712).await.unwrap(), None);
    assert_sound(&journal).await;
}
