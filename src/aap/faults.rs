//! Faults (filled in below).
