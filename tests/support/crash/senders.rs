//! Senders that do as ITSM systems do: they sign a delivery, send it, and send it again under the same id until an
//! answer comes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use causeway::clock::SharedClock;
use causeway::config::Secret;
use causeway::demo::LabOnly;
use causeway::intake::signature::sign_standard_webhooks;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Scene;

const SENDERS: u64 = 6;
/// How long a sender waits for an answer.
const ANSWER_MS_MAX: u64 = 3_000;
/// How long a sender waits before it sends again.
const AGAIN_MS: u64 = 15;
/// How often a delivery that was answered is sent once more all the same.
const COPY_PER_CENT: u32 = 20;

/// What the senders heard.
#[derive(Debug, Default)]
pub struct Heard {
    /// The ids in the answers 2xx to each ticket.
    pub ids: BTreeMap<u32, Vec<String>>,
    /// Deliveries that were sent again because no answer came.
    pub resent: usize,
}

/// Senders at work.
pub struct Senders {
    released: watch::Sender<u32>,
    tasks: JoinSet<anyhow::Result<()>>,
    heard: Arc<Mutex<Heard>>,
}

/// What they share.
struct Desk {
    next: AtomicU32,
    tickets: u32,
    address: String,
    http: reqwest::Client,
    clock: SharedClock,
    heard: Arc<Mutex<Heard>>,
}

/// The name of the VM that ticket `n` asks for.
pub fn vm_name(n: u32) -> String {
    format!("crash{n:05}")
}

/// The id of ticket `n`.
pub fn ticket_id(n: u32) -> String {
    format!("RITM{n:07}")
}

impl Senders {
    /// Starts them; nothing is sent before it is released.
    pub fn start(scene: &Scene) -> anyhow::Result<Self> {
        let heard = Arc::<Mutex<Heard>>::default();
        let http = reqwest::Client::builder().timeout(Duration::from_millis(ANSWER_MS_MAX)).build()?;
        let desk = Arc::new(Desk {
            next: AtomicU32::new(1),
            tickets: scene.plan.tickets,
            address: format!("{}/hooks/itsm", scene.url()),
            http,
            clock: Arc::clone(&scene.clock),
            heard: Arc::clone(&heard),
        });
        let released = watch::Sender::new(0);
        let mut tasks = JoinSet::new();
        for sender in 0..SENDERS {
            let dice = StdRng::seed_from_u64(scene.plan.seed.rotate_left(17) ^ sender);
            tasks.spawn(send_all(Arc::clone(&desk), released.subscribe(), dice));
        }
        Ok(Self { released, tasks, heard })
    }

    /// Tickets up to number `up_to` may be sent.
    pub fn release(&self, up_to: u32) {
        self.released.send_replace(up_to);
    }

    /// Returns when every ticket was answered.
    pub async fn finish(mut self) -> anyhow::Result<Heard> {
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

async fn send_all(
    desk: Arc<Desk>,
    mut released: watch::Receiver<u32>,
    mut dice: StdRng,
) -> anyhow::Result<()> {
    loop {
        let n = desk.next.fetch_add(1, Ordering::Relaxed);
        if n > desk.tickets {
            return Ok(());
        }
        released.wait_for(|up_to| n <= *up_to).await?;
        let first = desk.deliver(n).await.with_context(|| format!("ticket {n}"))?;
        ensure!(matches!(first, 200 | 202), "ticket {n} was answered {first}");
        if dice.random_range(0..100) < COPY_PER_CENT {
            let copy = desk.deliver(n).await.with_context(|| format!("a copy of ticket {n}"))?;
            ensure!(copy == 200, "a copy of ticket {n} was answered {copy}");
        }
    }
}

impl Desk {
    /// Sends ticket `n` until an answer comes, and gives its status.
    async fn deliver(&self, n: u32) -> anyhow::Result<u16> {
        let body = ticket(n).to_string();
        let mut beat = tokio::time::interval(Duration::from_millis(AGAIN_MS));
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beat.tick().await;
            let Ok((status, answer)) = self.send(n, &body).await else {
                self.heard.lock().unwrap_or_else(PoisonError::into_inner).resent += 1;
                continue;
            };
            match status {
                200..=299 => {
                    let id = answer["id"].as_str().context("an answer without an id")?.to_owned();
                    let mut heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
                    heard.ids.entry(n).or_default().push(id);
                    return Ok(status);
                }
                503 => {}
                _ => bail!("answered {status}: {answer}"),
            }
        }
    }

    async fn send(&self, n: u32, body: &str) -> anyhow::Result<(u16, Value)> {
        let secret = Secret::new(LabOnly::WEBHOOK_SECRET);
        let signed = sign_standard_webhooks(&secret, &format!("msg_{n}"), self.clock.now(), body.as_bytes())?;
        let mut call = self.http.post(&self.address).header("Content-Type", "application/json");
        for (name, value) in signed.pairs() {
            call = call.header(name, value);
        }
        let answer = call.body(body.to_owned()).send().await?;
        let status = answer.status().as_u16();
        // An answer that is cut off is none.
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body)?))
    }
}

fn ticket(n: u32) -> Value {
    let environment = if n.is_multiple_of(2) { "prod" } else { "dev" };
    json!({
        "vm_name": vm_name(n), "environment": environment, "vm_os": "redhat", "vm_os_version": "9", "size": "small",
        "ticket": {"id": ticket_id(n), "item": "1"}, "requested_by": "j.doe",
    })
}
