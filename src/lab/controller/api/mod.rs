//! REST face.
