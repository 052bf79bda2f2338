//! A model of the neighbours behind real HTTP.

pub mod controller;
pub mod vcenter;
pub mod vsphere;
