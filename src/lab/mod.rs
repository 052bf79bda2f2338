//! A model of the neighbours behind real HTTP.

pub mod controller;
pub mod executor;
pub mod faults;
pub mod runner;
pub mod simulation;
pub mod vcenter;
pub mod vcenter_front;
pub mod vsphere;
pub mod world;
