//! A load generator that costs little: HTTP/1.1 over kept connections, requests signed and written out beforehand.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use causeway::clock::{Clock, SystemClock};
use causeway::config::Secret;
use causeway::demo::LabOnly;
use causeway::intake::signature::sign_standard_webhooks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What one round showed.
#[derive(Debug, Default)]
pub struct Round {
    pub per_sec: f64,
    /// How long each answer took, in microseconds, sorted.
    pub latencies_us: Vec<u32>,
}

/// The ticket number `n` of a series.
pub fn ticket(series: char, n: u64) -> String {
    format!(
        r#"{{"vm_name":"{series}{n:09}","environment":"prod","vm_os":"redhat","vm_os_version":"9","size":"small","ticket":{{"id":"RITM{series}{n:09}","item":"1"}},"requested_by":"j.doe"}}"#
    )
}

/// Requests number `from` and on, ready to be sent.
pub fn prepare(from: u64, count: u64) -> anyhow::Result<Vec<Box<[u8]>>> {
    let secret = Secret::new(LabOnly::WEBHOOK_SECRET);
    let now = SystemClock.now();
    let request = |n: u64| {
        let body = ticket('b', n);
        let signed = sign_standard_webhooks(&secret, &format!("msg_{n}"), now, body.as_bytes())?;
        let headers: String =
            signed.pairs().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let text = format!(
            "POST /hooks/itsm HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        Ok(text.into_bytes().into_boxed_slice())
    };
    (from..from + count).map(request).collect()
}

/// Sends `requests` over `connections`, each as fast as its answers come.
pub async fn run(address: &str, connections: usize, requests: Vec<Box<[u8]>>) -> anyhow::Result<Round> {
    let count = requests.len();
    let requests = Arc::new(requests);
    let next = Arc::new(AtomicUsize::new(0));
    let mut streams = Vec::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for stream in streams {
        tasks.spawn(send_all(stream, Arc::clone(&requests), Arc::clone(&next)));
    }
    let mut latencies_us = Vec::with_capacity(count);
    while let Some(sent) = tasks.join_next().await {
        latencies_us.extend(sent??);
    }
    let secs = started.elapsed().as_secs_f64();
    latencies_us.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let per_sec = count as f64 / secs;
    Ok(Round { per_sec, latencies_us })
}

async fn send_all(
    mut stream: TcpStream,
    requests: Arc<Vec<Box<[u8]>>>,
    next: Arc<AtomicUsize>,
) -> anyhow::Result<Vec<u32>> {
    let mut latencies = Vec::new();
    let mut buffer = Vec::with_capacity(4_096);
    while let Some(request) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
        let sent = Instant::now();
        stream.write_all(request).await?;
        read_answer(&mut stream, &mut buffer).await?;
        latencies.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(latencies)
}

/// Reads one whole answer, which has to be 202.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    const BYTES_MAX: usize = 64 * 1_024;
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await?;
        ensure!(read > 0 && buffer.len() < BYTES_MAX, "the answer broke off");
        let Some(head) = buffer.windows(4).position(|end| end == b"\r\n\r\n") else { continue };
        let text = std::str::from_utf8(&buffer[..head])?;
        let length = text.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        let whole = head + 4 + length.context("an answer without a length")?;
        if buffer.len() < whole {
            continue;
        }
        if !text.starts_with("HTTP/1.1 202") {
            bail!("answered {}", String::from_utf8_lossy(buffer));
        }
        return Ok(());
    }
}
