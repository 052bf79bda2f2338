//! Routes, extractors, problems.
