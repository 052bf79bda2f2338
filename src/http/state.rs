//! What every handler shares.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access::Access;
use super::counters::Counters;
use crate::clock::SharedClock;
use crate::journal::Journal;
use crate::vm_request::RequestId;

/// Says that there may be news about a request. It carries no news itself and never blocks.
pub type Waker = Arc<dyn Fn(&RequestId) + Send + Sync>;

/// What goes wrong with a request now, as this process knows it: a neighbour that is away, a controller that takes no
/// launches. It is in no event, for it is over when the next turn succeeds.
pub type Trouble = Arc<dyn Fn(&RequestId) -> Option<String> + Send + Sync>;

/// Calls that the bridge made since it started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeighbourCalls {
    /// Kind and name, e.g. `controller aap`.
    pub neighbour: String,
    /// How they ended, in a word.
    pub outcome: &'static str,
    pub count: u64,
}

/// Tells the calls made to every neighbour.
pub type CallsMade = Arc<dyn Fn() -> Vec<NeighbourCalls> + Send + Sync>;

/// What handlers may ask of the watch over VMs.
#[derive(Clone)]
pub struct WatchView {
    /// How it stands, in JSON.
    pub status: Arc<dyn Fn() -> Value + Send + Sync>,
    /// Ends a mass change; false when the watch could not be told.
    pub end_mass_change: Arc<dyn Fn() -> bool + Send + Sync>,
}

/// 80 random bits for a request's id.
pub type Dice = Arc<dyn Fn() -> u128 + Send + Sync>;

/// Limits of the HTTP surface. Part of the configuration (`[http]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Body of a request to the API or of a webhook.
    pub body_bytes_max: usize,
    /// Body of a controller's notification, which carries extra vars and hosts.
    pub callback_body_bytes_max: usize,
    /// How long a body may take to arrive.
    pub body_read_secs: u64,
    pub header_count_max: usize,
    /// Names and values of all headers together.
    pub header_bytes_max: usize,
    pub query_bytes_max: usize,
    /// Notifications that are journalled for one request; later ones are counted, and still wake.
    pub callbacks_per_request_max: u32,
    /// How often an append is tried again because somebody else appended first.
    pub append_tries_max: u32,
    /// How long an idle connection is kept.
    pub keep_alive_secs: u64,
    /// How long open requests may take to end when the bridge stops.
    pub drain_secs: u64,
    /// Open connections, over all workers.
    pub connections_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes_max: 256 * 1_024,
            callback_body_bytes_max: 4 * 1_024 * 1_024,
            body_read_secs: 10,
            header_count_max: 64,
            header_bytes_max: 16 * 1_024,
            query_bytes_max: 2_048,
            callbacks_per_request_max: 100,
            append_tries_max: 8,
            keep_alive_secs: 60,
            drain_secs: 20,
            connections_max: 20_000,
        }
    }
}

/// A value that is read often and replaced as a whole now and then.
#[derive(Debug)]
pub struct Shared<T>(RwLock<Arc<T>>);

impl<T> Shared<T> {
    /// Holds `value` first.
    pub fn new(value: T) -> Self {
        Self(RwLock::new(Arc::new(value)))
    }

    /// The value as it is now. It stays as it is for whoever holds it.
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the value.
    pub fn replace(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(value);
    }
}

/// What every handler shares.
pub struct AppState {
    pub journal: Journal,
    pub access: Shared<Access>,
    pub clock: SharedClock,
    pub dice: Dice,
    pub waker: Waker,
    pub trouble: Trouble,
    pub calls_made: CallsMade,
    /// `None`: VMs are not watched.
    pub watch: Option<WatchView>,
    pub limits: Limits,
    pub counters: Counters,
    is_draining: AtomicBool,
}

impl AppState {
    /// A state that is ready to serve.
    pub fn new(journal: Journal, access: Access, clock: SharedClock, waker: Waker, limits: Limits) -> Self {
        Self {
            journal,
            access: Shared::new(access),
            clock,
            dice: Arc::new(|| u128::from(rand::random::<u64>()) << 16 | u128::from(rand::random::<u16>())),
            waker,
            trouble: Arc::new(|_| None),
            calls_made: Arc::new(Vec::new),
            watch: None,
            limits,
            counters: Counters::default(),
            is_draining: AtomicBool::new(false),
        }
    }

    /// The same, with somebody who knows what goes wrong.
    #[must_use]
    pub fn with_trouble(mut self, trouble: Trouble) -> Self {
        self.trouble = trouble;
        self
    }

    /// The same, with the watch over VMs.
    #[must_use]
    pub fn with_watch(mut self, watch: Option<WatchView>) -> Self {
        self.watch = watch;
        self
    }

    /// The same, with somebody who counts the calls to neighbours.
    #[must_use]
    pub fn with_calls_made(mut self, calls_made: CallsMade) -> Self {
        self.calls_made = calls_made;
        self
    }

    /// From now on `/readyz` says that no new work should be sent here.
    pub fn begin_to_drain(&self) {
        self.is_draining.store(true, Ordering::Relaxed);
    }

    /// Whether the bridge is about to stop.
    pub fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Relaxed)
    }
}
