//! Clusters, hosts, resource pools, datastores and port groups. Capacities are constants: the lab models no load.

use super::Scene;
use super::entity::green;
use crate::lab::vcenter::value::{Ref, Val};
use crate::lab::vsphere::{Kind, Moid, Vm};

pub(super) const CLUSTER_NAMES: [&str; 5] = ["resourcePool", "host", "datastore", "network", "summary"];
pub(super) const HOST_NAMES: [&str; 5] = ["runtime", "summary", "vm", "datastore", "network"];
pub(super) const POOL_NAMES: [&str; 4] = ["owner", "resourcePool", "vm", "summary"];
pub(super) const DATASTORE_NAMES: [&str; 6] = ["info", "summary", "host", "vm", "browser", "capability"];
pub(super) const NETWORK_NAMES: [&str; 3] = ["summary", "host", "vm"];
pub(super) const PORT_GROUP_NAMES: [&str; 6] = ["summary", "host", "vm", "key", "config", "portKeys"];

const HOST_MEMORY_BYTES: i64 = 512 << 30;
const HOST_CORES: i32 = 32;
const CORE_MHZ: i32 = 2400;
const GIB: u64 = 1 << 30;

impl Scene<'_> {
    pub(super) fn cluster_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let cluster = self.vsphere.cluster(moid)?;
        Some(match name {
            "resourcePool" => Val::moref(cluster.resource_pool),
            "host" => Val::refs(cluster.hosts.iter().copied()),
            "datastore" => Val::refs(self.datastores_in(cluster.datacenter)),
            "network" => Val::refs(self.networks_in(cluster.datacenter)),
            "summary" => {
                let hosts = i32::try_from(cluster.hosts.len()).unwrap_or(i32::MAX);
                Val::one_of(
                    "ClusterComputeResourceSummary",
                    vec![
                        ("totalCpu", Val::Int(hosts * HOST_CORES * CORE_MHZ)),
                        ("totalMemory", Val::Long(i64::from(hosts) * HOST_MEMORY_BYTES)),
                        ("numCpuCores", Val::Int(hosts * HOST_CORES)),
                        ("numCpuThreads", Val::Int(hosts * HOST_CORES * 2)),
                        ("effectiveCpu", Val::Int(hosts * HOST_CORES * CORE_MHZ)),
                        ("effectiveMemory", Val::Long(i64::from(hosts) * (HOST_MEMORY_BYTES >> 20))),
                        ("numHosts", Val::Int(hosts)),
                        ("numEffectiveHosts", Val::Int(hosts)),
                        ("overallStatus", green()),
                        ("currentFailoverLevel", Val::Int(0)),
                        ("numVmotions", Val::Int(0)),
                    ],
                )
            }
            "environmentBrowser" | "configurationEx" | "configuration" => Val::Unset,
            other => return self.entity_property(moid, other),
        })
    }

    pub(super) fn host_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let host = self.vsphere.resource(moid)?;
        let runtime = || {
            let fields = vec![
                ("connectionState", Val::Word("HostSystemConnectionState", "connected".to_owned())),
                ("powerState", Val::Word("HostSystemPowerState", "poweredOn".to_owned())),
                ("inMaintenanceMode", Val::Bool(false)),
            ];
            Val::of("HostRuntimeInfo", fields)
        };
        Some(match name {
            "runtime" => runtime(),
            "vm" => self.vms_where(|vm| vm.host == moid),
            "datastore" => Val::refs(self.datastores_in(host.datacenter)),
            "network" => Val::refs(self.networks_in(host.datacenter)),
            "summary" => Val::of(
                "HostListSummary",
                vec![
                    ("host", Val::moref(moid)),
                    ("runtime", runtime()),
                    ("config", host_config(&host.name)),
                    ("quickStats", Val::of("HostListSummaryQuickStats", Vec::new())),
                    ("overallStatus", green()),
                    ("rebootRequired", Val::Bool(false)),
                ],
            ),
            "hardware" | "config" | "capability" => Val::Unset,
            other => return self.entity_property(moid, other),
        })
    }

    pub(super) fn pool_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let pool = self.vsphere.resource(moid)?;
        Some(match name {
            "owner" => Val::moref(pool.parent),
            "resourcePool" => Val::refs([]),
            "vm" => self.vms_where(|vm| vm.resource_pool == Some(moid)),
            "summary" | "runtime" | "config" => Val::Unset,
            other => return self.entity_property(moid, other),
        })
    }

    pub(super) fn datastore_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let store = self.vsphere.resource(moid)?;
        let used_gib: u64 = self.disks_on(moid);
        let capacity = store.capacity_gib.saturating_mul(GIB);
        let free = store.capacity_gib.saturating_sub(used_gib).saturating_mul(GIB);
        let url = || Val::Text(format!("ds:///vmfs/volumes/{moid}/"));
        Some(match name {
            "summary" => Val::of(
                "DatastoreSummary",
                vec![
                    ("datastore", Val::moref(moid)),
                    ("name", Val::text(&store.name)),
                    ("url", url()),
                    ("capacity", Val::long(capacity)),
                    ("freeSpace", Val::long(free)),
                    ("accessible", Val::Bool(true)),
                    ("multipleHostAccess", Val::Bool(true)),
                    ("type", Val::text("VMFS")),
                    ("maintenanceMode", Val::text("normal")),
                ],
            ),
            "info" => Val::one_of(
                "VmfsDatastoreInfo",
                vec![
                    ("name", Val::text(&store.name)),
                    ("url", url()),
                    ("freeSpace", Val::long(free)),
                    ("maxFileSize", Val::Long(62 << 40)),
                ],
            ),
            "vm" => self.vms_where(|vm| uses_datastore(vm, moid)),
            "host" => Val::List("DatastoreHostMount", Vec::new()),
            "browser" => Val::Ref(Ref::new("HostDatastoreBrowser", &format!("datastoreBrowser-{moid}"))),
            "capability" => Val::Unset,
            other => return self.entity_property(moid, other),
        })
    }

    pub(super) fn network_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let network = self.vsphere.resource(moid)?;
        let is_port_group = moid.kind() == Kind::PortGroup;
        Some(match name {
            "summary" => Val::one_of(
                "NetworkSummary",
                vec![
                    ("network", Val::moref(moid)),
                    ("name", Val::text(&network.name)),
                    ("accessible", Val::Bool(true)),
                    ("ipPoolName", Val::text("")),
                ],
            ),
            "host" => {
                let clusters = self.vsphere.clusters().filter(|one| one.datacenter == network.datacenter);
                Val::refs(clusters.flat_map(|one| one.hosts.iter().copied()))
            }
            "vm" => self.vms_where(|vm| vm.nics.iter().any(|nic| nic.network == moid)),
            "key" if is_port_group => Val::Text(moid.to_string()),
            "portKeys" if is_port_group => Val::List("string", Vec::new()),
            "config" if is_port_group => Val::of(
                "DVPortgroupConfigInfo",
                vec![
                    ("key", Val::Text(moid.to_string())),
                    ("name", Val::text(&network.name)),
                    ("numPorts", Val::Int(128)),
                    ("distributedVirtualSwitch", Val::Ref(self.switch())),
                    ("type", Val::text("earlyBinding")),
                    ("uplink", Val::Bool(false)),
                ],
            ),
            other => return self.entity_property(moid, other),
        })
    }

    pub(super) fn vms_where(&self, fits: impl Fn(&Vm) -> bool) -> Val {
        Val::refs(self.seen_vms().filter(|vm| fits(vm)).map(|vm| vm.moid))
    }

    fn disks_on(&self, datastore: Moid) -> u64 {
        let disks = self.vsphere.vms().flat_map(|vm| &vm.disks).filter(|disk| disk.datastore == datastore);
        disks.map(|disk| disk.capacity_gib).sum()
    }
}

pub(super) fn uses_datastore(vm: &Vm, datastore: Moid) -> bool {
    vm.datastore == datastore || vm.disks.iter().any(|disk| disk.datastore == datastore)
}

fn host_config(name: &str) -> Val {
    Val::of(
        "HostConfigSummary",
        vec![
            ("name", Val::text(name)),
            ("port", Val::Int(443)),
            ("vmotionEnabled", Val::Bool(true)),
            ("faultToleranceEnabled", Val::Bool(false)),
        ],
    )
}
