//! Turns: load the request, ask the core what is next, make the intent durable, perform, conclude, append.
//!
//! ```text
//!   wake, timer, start ──▶ turn: State ──next()──▶ Action ──intent──▶ journal
//!                                                    │
//!                                                 perform()  ── controller, vCenter
//!                                                    │
//!                                      Outcome ──conclude()──▶ events ──▶ journal ──▶ next turn
//! ```
//!
//! A wake-up carries no news: it only makes the request read the world again. There is one task for each request that
//! still has something to do ([`driver`]), so that operations on one request are serial; readings of runs are gathered
//! over all tasks ([`batch`]). Nothing here decides: decisions are in [`crate::vm_request`]. Nothing here believes a
//! callback: it is not even told of one.

mod batch;
mod breaker;
mod driver;
mod neighbours;
mod observer;
mod perform;
mod turn;

pub use driver::{Limits, Reconciler, RunOver, Waiting, Waker};
pub use neighbours::{ControllerHandle, ControllerSetup, Neighbours};
pub use observer::{EyeStatus, Observer, Plan, PlanItem, WatchHandle, WatchStatus, plan};
