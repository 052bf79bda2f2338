//! Turns: load, decide, perform, append.
