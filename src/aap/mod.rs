//! Controller client.
