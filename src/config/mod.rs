//! Configuration: one struct per concern.

mod secret;

pub use secret::Secret;
