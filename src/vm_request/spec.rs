//! What was asked: the request as its sender wrote it ([`VmRequest`]) and the whole VM that it resolves to
//! ([`VmSpec`], made by [`super::catalog::Catalog::resolve`]).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A VM request as its sender wrote it, after `schemas/vm-request.v1.schema.json` accepted it.
/// Everything beyond name, environment and operating system may be left to the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VmRequest {
    pub vm_name: String,
    pub environment: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_os: Option<OsFamily>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_os_version: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole::some")]
    pub vm_cpu: Option<u32>,
    /// MiB.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole::some")]
    pub vm_memory: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_folder: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_datastore: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_ip_address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vm_gateway: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vm_dns: Vec<IpAddr>,
    /// Further adapters, after the one on `vm_network`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vm_nic: Vec<NicRequest>,
    /// Data disks beside the template's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vm_disk: Vec<DiskRequest>,
    /// One further adapter: the variables of the network stage run by itself (A4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_name: Option<String>,
    /// Adapter type of every adapter that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nic_type: Option<NicType>,
    /// One further disk: the variables of the storage stage run by itself (A4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_name: Option<String>,
    /// GiB.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "whole::some")]
    pub disk_size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_type: Option<DiskType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<Ticket>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
}

/// JSON Schema calls `4.0` and `4e0` integers (2020-12, §6.1.1 of its validation part), and the schema decides what a
/// number is: what it accepts must be understood.
mod whole {
    use serde::{Deserialize, Deserializer, de::Error};
    use serde_json::Number;

    pub(super) fn one<'de, T: TryFrom<u64>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let number = Number::deserialize(deserializer)?;
        let value = number.as_u64().or_else(|| exact(number.as_f64()?));
        let fits = value.and_then(|value| T::try_from(value).ok());
        fits.ok_or_else(|| D::Error::custom("expected a whole number that is not negative"))
    }

    pub(super) fn some<'de, T: TryFrom<u64>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        one(deserializer).map(Some)
    }

    /// Whole numbers up to 2^53, which a double holds exactly.
    fn exact(value: f64) -> Option<u64> {
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        let fits = value.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&value);
        fits.then_some(value as u64)
    }
}

/// Where the request comes from in the ITSM system. Source, `id` and `item` together are the request's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// E.g. `RITM0010023` or `OPS-17`.
    pub id: String,
    /// The line of the ticket, where one ticket asks for several VMs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// A page for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

/// A further adapter as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NicRequest {
    pub network_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nic_type: Option<NicType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address: Option<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<IpAddr>,
}

/// A data disk as asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskRequest {
    pub disk_name: String,
    /// GiB.
    #[serde(deserialize_with = "whole::one")]
    pub disk_size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_type: Option<DiskType>,
}

/// The family of a guest operating system; also the content's tag (A6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OsFamily {
    Windows,
    Suse,
    Redhat,
}

impl OsFamily {
    /// The family's one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windows => "windows",
            Self::Suse => "suse",
            Self::Redhat => "redhat",
        }
    }

    /// The longest host name that the family accepts, in characters (NetBIOS for Windows, a DNS label else).
    #[must_use]
    pub const fn name_chars_max(self) -> usize {
        match self {
            Self::Windows => 15,
            Self::Suse | Self::Redhat => 63,
        }
    }
}

/// Adapter type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NicType {
    #[default]
    Vmxnet3,
    E1000,
    E1000e,
}

impl NicType {
    /// The word that Ansible's modules and [`super::sighting::NicSighting::nic_type`] use.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vmxnet3 => "vmxnet3",
            Self::E1000 => "e1000",
            Self::E1000e => "e1000e",
        }
    }
}

/// Provisioning of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DiskType {
    #[default]
    Thin,
    Thick,
    EagerZeroedThick,
}

/// The whole VM: what the workflow is told to build and what verification looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmSpec {
    pub vm_name: String,
    pub environment: String,
    /// Name of the controller in the configuration.
    pub controller: String,
    /// Name of the vCenter in the configuration.
    pub vcenter: String,
    pub os: OsFamily,
    pub os_version: String,
    pub template: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    pub cpu: u32,
    pub memory_mib: u64,
    pub datacenter: String,
    pub cluster: String,
    pub folder: String,
    pub datastore: String,
    /// Adapters in device order; the first is the primary one.
    pub nics: Vec<NicSpec>,
    /// Data disks beside the template's own.
    #[serde(default)]
    pub disks: Vec<DiskSpec>,
    #[serde(default)]
    pub dns: Vec<IpAddr>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Whether verification waits for an address that the guest reports.
    pub expects_address: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl VmSpec {
    /// The name of the VM's host in the state inventory and in the claims inventory: the FQDN where the
    /// environment has a domain, lower case.
    #[must_use]
    pub fn host_name(&self) -> String {
        match &self.domain {
            Some(domain) => format!("{}.{}", self.vm_name, domain).to_lowercase(),
            None => self.vm_name.to_lowercase(),
        }
    }

    /// The static addresses that are asked for.
    #[must_use]
    pub fn static_addresses(&self) -> Vec<IpAddr> {
        let asked = self.nics.iter().filter_map(|nic| match nic.address {
            Address::Static { ip, .. } => Some(ip),
            Address::Dhcp => None,
        });
        asked.collect()
    }

    /// What two live requests may not share: the VM's host in the inventories of one controller, which holds its
    /// claim. It is stricter than the VM's place in vCenter, where the name may stand once in each folder.
    #[must_use]
    pub fn place_key(&self) -> String {
        format!("{}/{}", self.controller.to_lowercase(), self.host_name())
    }
}

/// An adapter of the whole VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NicSpec {
    pub network: String,
    pub nic_type: NicType,
    pub address: Address,
}

/// How an adapter gets its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Address {
    Dhcp,
    Static {
        ip: IpAddr,
        /// Prefix length in bits.
        prefix: u8,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gateway: Option<IpAddr>,
    },
}

/// A data disk of the whole VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskSpec {
    pub name: String,
    pub size_gib: u64,
    pub disk_type: DiskType,
}
