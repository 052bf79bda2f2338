//! The whole thing on one machine: lab and bridge on free loopback ports, a journal in a temporary folder, and the
//! scenarios that `causeway demo`, the tests and the benches play on them.

mod play;
mod real;
mod rig;
mod scenario;

pub use play::{Ending, Listener, play};
pub use real::{RealEnding, allow_time, play_real, real_rig, real_tickets};
pub use rig::{Answer, Hands, LabOnly, Rig, RigOptions, Tools};
pub use scenario::{Expected, SCENARIOS, Scenario};
