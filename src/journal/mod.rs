//! The only module that names rusqlite: every request is its journal.
