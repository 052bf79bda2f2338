//! Following changes, in answers that a simulator cannot be brought to give.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::*;

/// Longest wait for a condition in these tests.
const DEADLINE: Duration = Duration::from_secs(10);

/// An `ObjectUpdate` with these values.
fn update(kind: &str, moid: &str, values: &[(&str, &str)]) -> String {
    let change = |(name, value): &(&str, &str)| {
        format!("<changeSet><name>{name}</name><op>assign</op><val>{value}</val></changeSet>")
    };
    let changes: String = values.iter().map(change).collect();
    format!("<objectSet><kind>{kind}</kind><obj type=\"VirtualMachine\">{moid}</obj>{changes}</objectSet>")
}

/// A page of an `UpdateSet`.
fn page(version: &str, updates: &[String], truncated: bool) -> Answer {
    let more = if truncated { "<truncated>true</truncated>" } else { "" };
    let set = format!(
        "<returnval><version>{version}</version><filterSet><filter type=\"PropertyFilter\">f</filter>{}</filterSet>{more}</returnval>",
        updates.concat()
    );
    answer("WaitForUpdatesEx", &set)
}

fn nothing() -> Answer {
    answer("WaitForUpdatesEx", "")
}

fn watched_vcenter(method: &str) -> Answer {
    let made = |kind: &str| answer(method, &format!("<returnval type=\"{kind}\">own-{kind}</returnval>"));
    match method {
        "CreatePropertyCollector" => made("PropertyCollector"),
        "CreateFilter" => made("PropertyFilter"),
        other => empty_vcenter(other),
    }
}

/// A vCenter whose waits answer `answers` one after the other, then nothing.
async fn stub_of(answers: Vec<Answer>) -> Stub {
    let mut answers = answers.into_iter();
    Stub::start(move |method, _| match method {
        "WaitForUpdatesEx" => answers.next().unwrap_or_else(nothing),
        other => watched_vcenter(other),
    })
    .await
}

fn ids(moids: &[&str]) -> BTreeSet<String> {
    moids.iter().map(|moid| (*moid).to_owned()).collect()
}

fn hints(touched: &[&str], left: &[&str]) -> Changes {
    Changes { restarted: false, touched: ids(touched), left: ids(left) }
}

fn begun() -> Changes {
    Changes { restarted: true, ..Changes::default() }
}

async fn gone_in_time(stub: &Stub, method: &str, count: usize) {
    let start = Instant::now();
    while stub.count(method) < count {
        assert!(start.elapsed() < DEADLINE, "{method} was not asked for: {:?}", stub.asked.lock().unwrap());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_first_set_is_drained_page_by_page_and_means_read_everything() {
    let versions = Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = Arc::clone(&versions);
    let stub = Stub::start(move |method, request| {
        if method != "WaitForUpdatesEx" {
            return watched_vcenter(method);
        }
        let between = |from: &str, to: &str| {
            let rest = request.split_once(from).unwrap().1;
            rest.split_once(to).unwrap().0.to_owned()
        };
        let version = between("<version>", "</version>");
        let secs = between("<maxWaitSeconds>", "</maxWaitSeconds>");
        seen.lock().unwrap().push((version.clone(), secs));
        match version.as_str() {
            "" => page("1", &[update("enter", "vm-1", &[("name", "a")])], true),
            "1" => page("2", &[update("enter", "vm-2", &[("name", "b")])], true),
            "2" => page("3", &[update("enter", "vm-3", &[("name", "c")])], false),
            _ => nothing(),
        }
    })
    .await;
    let vcenter = client(&stub);
    let mut watcher = vcenter.watch();
    assert_eq!(vcenter.stats().calls, 0, "it sends nothing before it is asked");
    assert_eq!(watcher.next(3).await, Ok(begun()));
    assert_eq!(watcher.next(3).await, Ok(hints(&[], &[])));
    assert_eq!(watcher.next(600).await, Ok(hints(&[], &[])));
    let expected = [("", "0"), ("1", "0"), ("2", "0"), ("3", "3"), ("3", "6")];
    let expected = expected.map(|(version, secs)| (version.to_owned(), secs.to_owned()));
    assert_eq!(*versions.lock().unwrap(), expected, "a wait stays below the deadline of 10 s");
    watcher.close().await;
    assert_eq!((stub.count("DestroyPropertyCollector"), stub.count("DestroyView")), (1, 1));
}

#[tokio::test]
async fn a_repeated_enter_is_no_news_and_a_modification_always_is() {
    let same = |kind: &str, moid: &str| update(kind, moid, &[("name", moid), ("parent", "g")]);
    let turned = update("enter", "vm-1", &[("parent", "g"), ("name", "vm-1")]);
    let stub = stub_of(vec![
        page("1", &[same("enter", "vm-1"), same("enter", "vm-2")], false),
        page("2", &[turned, same("enter", "vm-2"), same("enter", "vm-3")], false),
        page("3", &[same("modify", "vm-1")], true),
        page("4", &[update("enter", "vm-2", &[("name", "other")]), update("leave", "vm-3", &[])], false),
        page("5", &[same("enter", "vm-1"), same("enter", "vm-3")], false),
        page("6", &[same("enter", "vm-1"), update("leave", "vm-1", &[])], false),
    ])
    .await;
    let mut watcher = client(&stub).watch();
    assert_eq!(watcher.next(1).await, Ok(begun()));
    assert_eq!(watcher.next(1).await, Ok(hints(&["vm-3"], &[])), "the order of the values is no matter");
    assert_eq!(watcher.next(1).await, Ok(hints(&["vm-1", "vm-2"], &["vm-3"])), "both pages of one answer");
    assert_eq!(watcher.next(1).await, Ok(hints(&["vm-1", "vm-3"], &[])), "only a part of vm-1 was known");
    assert_eq!(watcher.next(1).await, Ok(hints(&[], &["vm-1"])));
    assert_eq!(watcher.next(1).await, Ok(hints(&[], &[])));
}

#[tokio::test]
async fn whatever_may_have_lost_an_answer_begins_the_watch_anew() {
    let cases = [
        (fault("NotAuthenticated"), 2),
        (fault("InvalidCollectorVersion"), 1),
        (fault("ManagedObjectNotFound"), 1),
        (Answer::Hangup, 1),
    ];
    for (failed, logins) in cases {
        let shown = format!("{failed:?}");
        let stub = stub_of(vec![page("1", &[], false), failed, page("1", &[], false), nothing()]).await;
        let vcenter = client(&stub);
        let mut watcher = vcenter.watch();
        assert_eq!(watcher.next(1).await, Ok(begun()), "{shown}");
        assert_eq!(watcher.next(1).await, Ok(begun()), "{shown}");
        assert_eq!(watcher.next(1).await, Ok(hints(&[], &[])), "{shown}");
        assert_eq!(vcenter.stats().logins, logins, "{shown}");
        let destroyed = if logins == 1 { 1 } else { 0 };
        assert_eq!(stub.count("DestroyPropertyCollector"), destroyed, "{shown}: it ended with its session");
        watcher.close().await;
        assert_eq!(stub.count("DestroyPropertyCollector"), destroyed + 1, "{shown}");
        assert_eq!(stub.count("DestroyView"), destroyed + 1, "{shown}");
    }
}

#[tokio::test]
async fn a_failure_is_reported_once_and_the_next_call_begins_anew() {
    let stub = stub_of(vec![page("1", &[], false), fault("RequestCanceled"), page("1", &[], false)]).await;
    let vcenter = client(&stub);
    let mut watcher = vcenter.watch();
    assert_eq!(watcher.next(1).await, Ok(begun()));
    let error = watcher.next(1).await.unwrap_err();
    assert!(error.is_fault("RequestCanceled"), "{error}");
    assert_eq!(watcher.next(1).await, Ok(begun()));
    vcenter.logout().await;
    assert_eq!(watcher.next(1).await, Ok(begun()), "the session is another");
    assert_eq!((vcenter.stats().logins, stub.count("DestroyPropertyCollector")), (2, 1));
}

#[tokio::test]
async fn a_wait_that_is_dropped_half_way_begins_anew_and_leaves_nothing_behind() {
    let stub = stub_of(vec![page("1", &[], false), Answer::Silence, page("1", &[], false)]).await;
    let mut watcher = client(&stub).watch();
    assert_eq!(watcher.next(1).await, Ok(begun()));
    let dropped = tokio::select! {
        answered = watcher.next(1) => Some(answered),
        () = gone_in_time(&stub, "WaitForUpdatesEx", 2) => None,
    };
    assert_eq!(dropped, None);
    assert_eq!(watcher.next(1).await, Ok(begun()));
    assert_eq!(stub.count("DestroyPropertyCollector"), 1);
    drop(watcher);
    gone_in_time(&stub, "DestroyPropertyCollector", 2).await;
    gone_in_time(&stub, "DestroyView", 2).await;
}

#[tokio::test]
async fn a_collector_is_not_left_behind_when_its_filter_is_refused() {
    let stub = Stub::start(|method, _| match method {
        "CreateFilter" => fault("NoPermission"),
        other => watched_vcenter(other),
    })
    .await;
    let mut watcher = client(&stub).watch();
    for _ in 0..2 {
        assert!(watcher.next(1).await.unwrap_err().is_fault("NoPermission"));
    }
    watcher.close().await;
    assert_eq!(stub.count("CreatePropertyCollector"), 2);
    assert_eq!((stub.count("DestroyPropertyCollector"), stub.count("DestroyView")), (2, 2));
}

#[tokio::test]
async fn a_property_that_the_server_does_not_know_is_not_watched() {
    let filters = Arc::new(std::sync::Mutex::new(Vec::new()));
    let made = Arc::clone(&filters);
    let mut waits = 0;
    let stub = Stub::start(move |method, request| match method {
        "CreateFilter" if request.contains("<pathSet>customValue</pathSet>") => fault("InvalidProperty"),
        "CreateFilter" => {
            made.lock().unwrap().push(request.matches("<pathSet>").count());
            assert!(request.contains("<partialUpdates>false</partialUpdates>"), "{request}");
            watched_vcenter(method)
        }
        "WaitForUpdatesEx" => {
            waits += 1;
            if waits == 2 { fault("InvalidCollectorVersion") } else { page("1", &[], false) }
        }
        other => watched_vcenter(other),
    })
    .await;
    let mut watcher = client(&stub).watch();
    assert_eq!(watcher.next(1).await, Ok(begun()));
    assert_eq!(stub.count("DestroyPropertyFilter"), 14, "what was tried is taken away");
    assert_eq!(filters.lock().unwrap().last(), Some(&14));
    assert_eq!(watcher.next(1).await, Ok(begun()));
    assert_eq!(filters.lock().unwrap().len(), 14 + 1 + 1, "it is remembered");
}

#[tokio::test]
async fn a_refused_login_is_reported_and_not_hammered() {
    let stub = Stub::start(|method, _| match method {
        "Login" => fault("InvalidLogin"),
        other => watched_vcenter(other),
    })
    .await;
    let mut watcher = client(&stub).watch();
    for _ in 0..3 {
        let refused = watcher.next(1).await.unwrap_err();
        assert!(matches!(refused, VcenterError::LoginRefused { .. }), "{refused}");
    }
    assert_eq!(stub.count("Login"), 1);
}

#[tokio::test]
async fn a_set_without_version_and_a_hidden_loss_of_the_session_are_seen() {
    let lost = "<returnval><version>2</version><filterSet><objectSet><kind>modify</kind><obj type=\"VirtualMachine\">vm-1</obj>\
                <missingSet><path>name</path><fault><fault xmlns:i=\"x\" i:type=\"NotAuthenticated\"/></fault></missingSet>\
                </objectSet></filterSet></returnval>";
    let stub = stub_of(vec![
        page("1", &[], false),
        answer("WaitForUpdatesEx", lost),
        page("1", &[], false),
        answer("WaitForUpdatesEx", "<returnval/>"),
    ])
    .await;
    let vcenter = client(&stub);
    let mut watcher = vcenter.watch();
    assert_eq!(watcher.next(1).await, Ok(begun()));
    assert_eq!(watcher.next(1).await, Ok(begun()));
    assert_eq!(vcenter.stats().logins, 2);
    let odd = watcher.next(1).await.unwrap_err();
    assert!(matches!(odd, VcenterError::NotUnderstood { .. }), "{odd}");
}
