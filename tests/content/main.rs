//! The content that the controller runs, by running it: real ansible-core and real modules against govmomi's simulator,
//! and the lab's controller for claims and inventory. `./test content` installs what it needs.

#![allow(clippy::unwrap_used)]

mod bench;
mod chain;
mod clones;
mod contract;
mod controller_objects;
mod day2;
mod failures;
mod image;
mod inventory;
mod lifecycle;
mod lint;
mod os_configuration;
mod preflight;
mod publish;
mod requests;
mod resume;
mod secrets;
mod stages;
#[path = "../support/vcsim.rs"]
mod vcsim;
