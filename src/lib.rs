//! Causeway carries VM requests between ITSM tickets, Event-Driven Ansible, an AAP controller and
//! vCenter, and keeps a journal from which anyone can tell what was asked, what was done, what is
//! there now, and why.
//!
//! Five sentences hold the whole design:
//!
//! 1. A VM request *is* its journal: folding the journal gives its state, one pure function says
//!    what to do next, and the reconciler does that one thing and writes down what came of it.
//! 2. Webhooks, callbacks, timers, operators and restarts never act; at most they append a fact,
//!    then wake the reconciler.
//! 3. Before anything that cannot be repeated leaves the house its intent is durable, and after a
//!    crash, a timeout or a lost answer the same code looks before it repeats.
//! 4. Neighbours are read, not believed: nothing is *done* until vCenter shows it.
//! 5. What the bridge cannot decide it holds for a person, with the cause named and only the valid
//!    actions offered.
//!
//! Reading order: [`vm_request`] (the pure core), [`journal`], [`reconciler`], then the neighbours
//! [`aap`] and [`vcenter`], then what lets people and machines in: [`intake`], [`http`], [`cli`].
//! [`lab`] is a model of the neighbours behind real HTTP. `docs/ARCHITECTURE.md` walks one request
//! through all of them.

pub mod vm_request;

pub mod clock;
pub mod config;
pub mod telemetry;

pub mod intake;
pub mod journal;

pub mod aap;
pub mod vcenter;

pub mod reconciler;

pub mod bridge;
pub mod cli;
pub mod demo;
pub mod doctor;
pub mod http;

pub mod lab;
