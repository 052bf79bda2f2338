//! A model of the neighbours behind real HTTP.

pub mod vcenter;
pub mod vsphere;
