//! The client of an automation controller (AWX, or the controller of AAP): launches workflow job templates, finds
//! runs again, reads what became of them, keeps the claims and the bridge's own keys in the inventory.
//!
//! Three rules shape it, and each has a measured reason (MEASURED.md, CONTRACT.md):
//!
//! * **A read may be repeated, a write never is.** A launch is not idempotent and a proxy may answer 502 after the
//!   run was created, so every write is one attempt whose answer says exactly what is known: done, refused (nothing
//!   happened), not now (nothing happened, somebody must act), or unknown (look before you repeat).
//! * **Only the controller's own JSON is believed.** An HTML 404 or 403 may come from a proxy; it proves nothing
//!   about a run. A redirect is never followed: a followed 301 turns a POST into a GET.
//! * **A filter is a hope, a row is checked.** Reserved words (`limit`) make the controller ignore a filter without
//!   a word, so rows that do not match what was asked are an error here, never a result.
//!
//! Deliberately absent: decisions. Nothing here knows what a VM request is, retries a launch, or settles an unknown
//! answer; that is the reconciler's work. Notifications are not read here either (see the module `http`). Lists are paged by
//! windows of ids and never by `next` links, so the client never goes where an answer points it.
//! Calls go straight to the controller: proxies named in the environment are not used.

mod answer;
mod approvals;
mod client;
mod config;
mod discovery;
mod errors;
mod host_merge;
mod hosts;
mod inventory;
mod jobs;
mod launch;
mod notifications;
mod paging;
mod runs;
mod stats;
mod templates;
mod wire;

pub use approvals::{Approval, ApprovalAnswer};
pub use client::Controller;
pub use config::{ControllerConfig, SetupError};
pub use discovery::{Discovery, Me};
pub use errors::{Backoff, ErrorClass, ErrorKind, ReadError, Severity, Violation};
pub use host_merge::HostMerge;
pub use hosts::{HostListing, UnreadHost, YAML_HOSTS_MAX};
pub use inventory::{GroupAdd, Host, HostWrite, InventoryRef};
pub use jobs::{Artifacts, FailureReason, JobReport};
pub use launch::{LAUNCH_BODY_BYTES_MAX, LaunchAnswer, LaunchBody};
pub use notifications::{NotificationAttachment, NotificationEvent};
pub use runs::{CancelAnswer, LaunchType, NodeJob, Run, RunListing, RunNode, RunStatus, RunsRead};
pub use stats::{CallOutcome, CallStats};
pub use templates::{LaunchReadiness, TemplateNode, TemplateRef};

#[cfg(test)]
mod faults;
