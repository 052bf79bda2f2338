//! Reading the event log: where it begins, what is left out, and what is lost.

use super::*;

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// An event about `vm-1`, written `key` seconds after eight.
fn event(key: i64) -> String {
    event_of(key, "VmPoweredOnEvent", "<vm><name>a%2fb</name><vm type=\"VirtualMachine\">vm-1</vm></vm>")
}

fn event_of(key: i64, kind: &str, more: &str) -> String {
    let at = at(key);
    format!(
        "<returnval xmlns:i=\"x\" i:type=\"{kind}\"><key>{key}</key><chainId>7</chainId><createdTime>{at}</createdTime>\
         <userName>LAB\\ann</userName>{more}<fullFormattedMessage>it is {key}</fullFormattedMessage></returnval>"
    )
}

fn at(key: i64) -> Timestamp {
    time("2026-11-21T08:00:00Z").checked_add(SignedDuration::from_secs(key)).unwrap()
}

fn cursor(key: i64) -> EventCursor {
    EventCursor { key, at: at(key) }
}

/// A vCenter with these events that gives at most `cap` in one answer, the newest first.
async fn logging(events: Vec<(i64, String)>, cap: usize) -> Stub {
    Stub::start(move |method, request| {
        let bound = |tag: &str| {
            let rest = request.split_once(&format!("<{tag}>"))?.1;
            rest.split('<').next()?.parse::<Timestamp>().ok()
        };
        match method {
            "CurrentTime" => answer(method, &format!("<returnval>{}</returnval>", at(20))),
            "QueryEvents" => {
                let (begin, end) = (bound("beginTime").unwrap(), bound("endTime").unwrap_or(Timestamp::MAX));
                let fits = |(key, _): &&(i64, String)| (begin..=end).contains(&at(*key));
                let page: String =
                    events.iter().rev().filter(fits).take(cap).map(|(_, e)| e.as_str()).collect();
                answer(method, &page)
            }
            other => empty_vcenter(other),
        }
    })
    .await
}

fn keys(seen: &VmEvents) -> Vec<i64> {
    seen.events.iter().map(|event| event.key).collect()
}

#[tokio::test]
async fn the_log_begins_now_by_the_servers_clock() {
    let stub = logging((1..=18).map(|key| (key, event(key))).collect(), 1_000).await;
    let clock = Arc::new(ManualClock::new(time("1999-01-01T00:00:00Z")));
    let vcenter = Vcenter::new(config(&stub.url), clock).unwrap();
    let start = vcenter.vm_events(None).await.unwrap();
    assert_eq!((start.events.len(), start.truncated), (0, false));
    assert_eq!(start.cursor, EventCursor { key: 18, at: at(20) });
    let again = vcenter.vm_events(Some(&start.cursor)).await.unwrap();
    assert_eq!(again, start, "nothing happened since");
}

#[tokio::test]
async fn events_are_told_once_oldest_first_with_who_and_what() {
    let task = "<vm><name>a</name><vm type=\"VirtualMachine\">vm-1</vm></vm>\
                <info><name>ReconfigVM_Task</name><descriptionId>VirtualMachine.reconfigure</descriptionId></info>";
    let extended = "<eventTypeId>com.vmware.vc.X</eventTypeId><objectId>vm-2</objectId>\
                    <objectType>VirtualMachine</objectType><objectName>b</objectName>";
    let host = "<host><name>esx1</name><host type=\"HostSystem\">host-1</host></host>";
    let long = event(9).replace("it is 9", &"é".repeat(600));
    let stub = logging(
        vec![
            (5, event(5)),
            (6, event(6)),
            (7, event_of(7, "TaskEvent", task)),
            (8, event_of(8, "EventEx", extended)),
            (9, long),
            (10, event_of(10, "HostConnectedEvent", host)),
        ],
        1_000,
    )
    .await;
    let vcenter = client(&stub);
    let seen = vcenter.vm_events(Some(&cursor(5))).await.unwrap();
    assert_eq!((keys(&seen), seen.truncated), (vec![6, 7, 8, 9], false));
    assert_eq!(seen.cursor, cursor(10), "an event of a host is no news but moves the cursor");
    let first = &seen.events[0];
    assert_eq!((first.kind.as_str(), first.user.as_str(), first.at), ("VmPoweredOnEvent", "LAB\\ann", at(6)));
    assert_eq!((first.moid.as_str(), first.vm_name.as_deref()), ("vm-1", Some("a/b")));
    assert_eq!((first.message.as_str(), first.chain_id, first.task.as_deref()), ("it is 6", Some(7), None));
    assert_eq!(seen.events[1].task.as_deref(), Some("VirtualMachine.reconfigure"));
    let extended = &seen.events[2];
    assert_eq!((extended.kind.as_str(), extended.moid.as_str()), ("com.vmware.vc.X", "vm-2"));
    assert_eq!(seen.events[3].message.chars().count(), 500);
    assert_eq!(stub.count("QueryEvents"), 1, "the first answer reached back to what is known");
}

#[tokio::test]
async fn a_server_that_gives_little_is_asked_until_the_known_is_reached() {
    let stub = logging((1..=30).map(|key| (key, event(key))).collect(), 4).await;
    let vcenter = client(&stub);
    let seen = vcenter.vm_events(Some(&cursor(12))).await.unwrap();
    assert_eq!((keys(&seen), seen.truncated), ((13..=30).collect(), false));
    let seen = vcenter.vm_events(Some(&EventCursor { key: 0, at: at(26) })).await.unwrap();
    assert_eq!((keys(&seen), seen.truncated), ((16..=30).collect(), false), "nothing is known before it");
    let many = logging((1..=200).map(|key| (key, event(key))).collect(), 4).await;
    let seen = client(&many).vm_events(Some(&cursor(1))).await.unwrap();
    assert!(seen.truncated && keys(&seen).last() == Some(&200), "{:?}", keys(&seen));
    assert_eq!(many.count("QueryEvents"), 20);
}

#[tokio::test]
async fn a_flood_gives_the_newest_and_says_that_there_was_more() {
    let stub = logging((1..=1_500).map(|key| (key, event(key))).collect(), 1_000).await;
    let cfg = VcenterConfig { body_bytes_max: 8 * 1024 * 1024, ..config(&stub.url) };
    let seen = Vcenter::new(cfg, Arc::new(SystemClock)).unwrap().vm_events(Some(&cursor(1))).await.unwrap();
    assert_eq!((keys(&seen), seen.truncated), ((501..=1_500).collect(), true));
    assert_eq!(seen.cursor, cursor(1_500));
}

#[tokio::test]
async fn a_server_without_a_log_has_no_events() {
    let stub = Stub::start(|method, _| match (method, empty_vcenter(method)) {
        ("RetrieveServiceContent", Answer::Body(status, body)) => {
            Answer::Body(status, body.replace("eventManager", "noManager"))
        }
        ("RetrieveServiceContent", Answer::Cookie(status, body, cookie)) => {
            Answer::Cookie(status, body.replace("eventManager", "noManager"), cookie)
        }
        ("CurrentTime", _) => answer(method, &format!("<returnval>{}</returnval>", at(20))),
        (_, other) => other,
    })
    .await;
    let vcenter = client(&stub);
    let start = vcenter.vm_events(None).await.unwrap();
    assert_eq!(start.cursor, EventCursor { key: 0, at: at(20) });
    assert_eq!(vcenter.vm_events(Some(&cursor(3))).await.unwrap().cursor, cursor(3));
    assert_eq!(stub.count("QueryEvents"), 0);
}
