//! Managed object ids: what kind of object one names, and how vSphere spells it. Nothing here knows what an
//! object holds.

use std::fmt;

/// What a managed object id names. One kind has one prefix; several kinds share a vSphere type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The root folder and folders that hold data centres.
    RootFolder,
    Datacenter,
    VmFolder,
    HostFolder,
    DatastoreFolder,
    NetworkFolder,
    Cluster,
    Host,
    ResourcePool,
    Datastore,
    /// A standard port group.
    Network,
    /// A distributed port group.
    PortGroup,
    VirtualMachine,
    Task,
}

/// Every kind with the prefix of its ids and its vSphere type.
const KINDS: [(Kind, &str, &str); 14] = [
    (Kind::RootFolder, "group-d", "Folder"),
    (Kind::Datacenter, "datacenter-", "Datacenter"),
    (Kind::VmFolder, "group-v", "Folder"),
    (Kind::HostFolder, "group-h", "Folder"),
    (Kind::DatastoreFolder, "group-s", "Folder"),
    (Kind::NetworkFolder, "group-n", "Folder"),
    (Kind::Cluster, "domain-c", "ClusterComputeResource"),
    (Kind::Host, "host-", "HostSystem"),
    (Kind::ResourcePool, "resgroup-", "ResourcePool"),
    (Kind::Datastore, "datastore-", "Datastore"),
    (Kind::Network, "network-", "Network"),
    (Kind::PortGroup, "dvportgroup-", "DistributedVirtualPortgroup"),
    (Kind::VirtualMachine, "vm-", "VirtualMachine"),
    (Kind::Task, "task-", "Task"),
];

impl Kind {
    fn row(self) -> (Kind, &'static str, &'static str) {
        KINDS.into_iter().find(|row| row.0 == self).unwrap_or(KINDS[0])
    }

    /// The vSphere type, e.g. `VirtualMachine`; all folders are `Folder`.
    #[must_use]
    pub fn type_name(self) -> &'static str {
        self.row().2
    }

    /// Whether this is one of the folder kinds.
    #[must_use]
    pub fn is_folder(self) -> bool {
        self.type_name() == "Folder"
    }
}

/// A managed object id such as `vm-199`. Ids order by kind, then by age (a later object has a larger number),
/// and are never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moid {
    kind: Kind,
    number: u64,
}

impl Moid {
    pub(super) fn new(kind: Kind, number: u64) -> Self {
        Self { kind, number }
    }

    /// What it names.
    #[must_use]
    pub fn kind(self) -> Kind {
        self.kind
    }

    /// The number behind the prefix.
    #[must_use]
    pub fn number(self) -> u64 {
        self.number
    }

    /// The id that `text` spells; `None` when its prefix is unknown or no canonical number follows.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        KINDS.into_iter().find_map(|(kind, prefix, _)| {
            let digits = text.strip_prefix(prefix)?;
            let number = digits.parse().ok()?;
            (Self { kind, number }.to_string() == text).then_some(Self { kind, number })
        })
    }
}

impl fmt::Display for Moid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.row().1, self.number)
    }
}

impl fmt::Debug for Moid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
