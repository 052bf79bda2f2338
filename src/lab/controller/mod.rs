//! The lab's automation controller: an AAP/AWX controller that real clients take for one.
//!
//! [`model`] is pure: rows, rules and tempo, with the time as an argument. [`api`] is its REST face,
//! again a pure function from request to answer, with a thin HTTP server in front.
//! Neither knows anything of the bridge's own controller client.

pub mod api;
pub mod model;
