//! The pure core: what was asked, what is known, what to do next. No tokio, no IO, no clock, no randomness.
//!
//! [`event`] lists every fact; [`state`] folds facts into a [`State`] and is the state machine; [`next`](mod@next) says
//! what to do; [`conclude`](mod@conclude) says what an action's outcome means. A turn is: `next` → perform →
//! `conclude` → append. Recovery after a crash is the same turn with the same functions. [`watch`] is what becomes of
//! a VM after its request is done.

pub mod action;
pub mod artifact;
pub mod catalog;
pub mod conclude;
pub mod differences;
pub mod event;
pub mod extra_vars;
pub mod hold;
pub mod ids;
pub mod judge;
pub mod next;
pub mod policy;
pub mod preflight;
pub mod sighting;
pub mod spec;
pub mod stage;
pub mod state;
pub mod summary;
pub mod violation;
pub mod watch;

#[cfg(test)]
mod tests;

pub use event::Event;
pub use ids::RequestId;
pub use next::{Next, next};
pub use policy::Policy;
pub use state::{Phase, State};
pub use summary::Summary;
