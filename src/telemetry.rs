//! Tracing set-up and the names of log fields.
