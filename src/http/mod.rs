//! What the world may ask of the bridge over HTTP. Handlers never call out and never act: at most they append a fact
//! and wake whoever acts on facts.
//!
//! [`routes`] is the table of everything there is; [`problem`] the only place that makes error documents; `extract`
//! what every handler may rely on (who asks, a bounded body, known query parameters); `guard` limits that hold for
//! every request; `admit` the one way into the journal for new requests. `docs/HTTP.md` shows each of them with curl.

pub mod access;
mod actions;
mod admit;
mod callback_watch;
mod callbacks;
pub mod counters;
mod drift;
mod extract;
mod guard;
mod history;
mod hooks;
mod inventory;
mod ops;
pub mod problem;
mod resource;
pub mod routes;
mod serve;
pub mod state;
mod vm_actions;
mod vm_requests;
mod vms;

pub use callback_watch::run_over;
pub use serve::{Server, serve, start};
pub use state::{AppState, CallsMade, Limits, NeighbourCalls, Trouble, Waker, WatchView};
