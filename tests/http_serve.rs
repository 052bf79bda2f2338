//! Stopping: what was begun is finished, and nothing is begun any more.

#![allow(clippy::unwrap_used)]

mod http_support;

use std::time::Duration;

use http_support::{Bridge, PORTAL_TOKEN, Request, lean};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_under_way_when_the_bridge_stops_is_taken_and_answered() {
    let bridge = Bridge::start();
    let address = bridge.server.address();
    let body = lean("web01", "test");
    let head = format!(
        "POST /hooks/portal HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {PORTAL_TOKEN}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut part = [0; 4_096];
    assert!(idle.read(&mut part).await.unwrap() > 0);
    let mut under_way = TcpStream::connect(address).await.unwrap();
    under_way.write_all(head.as_bytes()).await.unwrap();
    under_way.write_all(&body.as_bytes()[..10]).await.unwrap();
    // The head was read once another request on the same worker was answered after it; two workers take turns.
    for _ in 0..4 {
        assert_eq!(bridge.send(Request::new("GET", "/livez")).await.status, 200);
    }
    let Bridge { server, state, .. } = bridge;
    let stopping = tokio::spawn(server.stop());
    let draining = async {
        while !state.is_draining() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), draining).await.unwrap();
    under_way.write_all(&body.as_bytes()[10..]).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("\r\n\r\n") {
        let length = under_way.read(&mut part).await.unwrap();
        assert!(length > 0, "the connection was closed without an answer: {answer}");
        answer.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    drop(under_way);
    let begun = std::time::Instant::now();
    tokio::time::timeout(Duration::from_secs(25), stopping).await.unwrap().unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "an idle connection does not hold the bridge up");
    assert!(TcpStream::connect(address).await.is_err());
    let page = state.journal.page(&causeway::journal::PageQuery::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
}
