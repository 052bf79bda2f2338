//! The whole bridge against the lab over real HTTP, and the binary as people and scripts meet it. One test program, so
//! that what the parts share stands once.

#[path = "../support/vcsim.rs"]
mod vcsim;

mod cli;
mod doctor;
mod lab;
mod live;
mod proxy;
mod reconciler;
mod scenarios;
mod watch;
