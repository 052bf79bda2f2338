//! The pure core: what was asked, what is known, what to do next. No tokio, no IO, no clock, no randomness.

pub mod sighting;
