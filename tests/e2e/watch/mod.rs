//! VMs under watch: what changes behind the bridge's back is found, told rightly, and mended as the policy says.

mod attacks;
mod commands;
mod inventory;
mod lab;
mod vcsim;
