//! REST face.
pub mod server;
