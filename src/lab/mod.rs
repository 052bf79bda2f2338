//! A model of the neighbours behind real HTTP.

pub mod controller;
