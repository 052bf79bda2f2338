//! VMs under watch: what changes behind the bridge's back is found, told rightly, and mended as the policy says.
//!
//! [`lab`] plays the lab's controller and vCenter, [`vcsim`] govmomi's simulator, in which govc changes things.

#[path = "../e2e/live.rs"]
#[allow(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
mod live;

mod lab;
