//! The catalog: what an environment offers, and [`Catalog::resolve`], which makes a whole
//! [`VmSpec`](super::spec::VmSpec) of a lean [`VmRequest`](super::spec::VmRequest) or says everything that is wrong
//! with it.

mod addresses;
mod check;
mod resolve;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

pub use addresses::Cidr;

use super::spec::{DiskType, NicType, OsFamily};

/// Environments, images and sizes, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalog {
    #[serde(default)]
    pub environments: BTreeMap<String, Environment>,
    #[serde(default)]
    pub images: Vec<Image>,
    #[serde(default)]
    pub sizes: BTreeMap<String, Size>,
    #[serde(default)]
    pub limits: Limits,
}

/// A place where VMs may be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// Name of a configured controller.
    pub controller: String,
    /// Name of a configured vCenter.
    pub vcenter: String,
    pub datacenter: String,
    pub cluster: String,
    /// Default folder below the data centre's `vm` folder.
    pub folder: String,
    /// Further folders that a request may name. The default folder is always allowed.
    #[serde(default)]
    pub folders: Vec<String>,
    /// Default datastore.
    pub datastore: String,
    /// Further datastores that a request may name.
    #[serde(default)]
    pub datastores: Vec<String>,
    /// Networks that a request may name.
    pub networks: BTreeMap<String, Network>,
    /// The network of a request that names none.
    pub default_network: String,
    #[serde(default)]
    pub dns: Vec<IpAddr>,
    /// DNS domain: with it the host's name is `vm_name.domain`.
    #[serde(default)]
    pub domain: Option<String>,
    /// Whether a person has to approve each request.
    #[serde(default)]
    pub approval: bool,
    /// Whether verification waits for an address that the guest reports.
    #[serde(default = "yes")]
    pub expects_address: bool,
}

/// A network of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The addresses on it, e.g. `10.20.30.0/24`. Without it no static address can be asked for.
    #[serde(default)]
    pub cidr: Option<Cidr>,
    #[serde(default)]
    pub gateway: Option<IpAddr>,
    /// Replaces the environment's servers.
    #[serde(default)]
    pub dns: Vec<IpAddr>,
    /// Whether addresses are handed out on it.
    #[serde(default)]
    pub dhcp: bool,
}

/// An operating system image: a template in vCenter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    pub vm_os: OsFamily,
    pub vm_os_version: String,
    pub template: String,
    /// Environments that have it; empty means all.
    #[serde(default)]
    pub environments: Vec<String>,
    /// What the guest needs at least, in MiB.
    #[serde(default)]
    pub memory_mib_min: u64,
}

/// A size (flavour).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub cpu: u32,
    pub memory_mib: u64,
}

/// What no request may exceed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    pub cpu_max: u32,
    pub memory_mib_max: u64,
    pub disks_max: usize,
    pub disk_gib_max: u64,
    pub nics_max: usize,
    pub nic_type: NicType,
    pub disk_type: DiskType,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_max: 64,
            memory_mib_max: 1_048_576,
            disks_max: 16,
            disk_gib_max: 16_384,
            nics_max: 8,
            nic_type: NicType::default(),
            disk_type: DiskType::default(),
        }
    }
}

const fn yes() -> bool {
    true
}
