//! Who may speak and what they said: signature schemes, strict JSON, the request's schema, and the step from a body
//! to the first event of a request. No IO, no clock, no journal: [`crate::http`] brings bytes and writes events.
//!
//! Reading order: [`source`] (who may send), [`signature`] (whether it was they), [`json`] and [`schema`] (whether
//! it is a VM request), [`draft`] (what will be journalled), [`callback`] (what a controller's notification says).

pub mod callback;
pub mod draft;
pub mod json;
pub mod pointer;
pub mod rate;
pub mod schema;
pub mod signature;
pub mod source;
