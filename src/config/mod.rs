//! Configuration: one TOML file, read once at start and checked as a whole. Every finding is told at once, with the
//! place in the file. A secret may stand in the file, in a file of its own or in the environment:
//!
//! ```toml
//! token = { file = "/run/secrets/aap-token" }
//! password = { env = "VCENTER_PASSWORD" }
//! ```
//!
//! Deliberately absent: defaults for anything that decides where a VM is built.

mod load;
mod read;
mod references;
mod secret;
mod sections;

pub use load::{ConfigError, Loaded, load, parse};
pub use secret::Secret;
pub use sections::{CallbackSection, Config, ControllerSection, HttpSection, JournalSection, VcenterSection};
