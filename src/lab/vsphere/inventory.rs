//! The containers of the inventory (folders, data centres, clusters, hosts, pools, datastores, networks) and
//! how names and paths lead to them. Virtual machines live in `vm.rs`.

use super::fault::Fault;
use super::ids::{Kind, Moid};
use super::{Vm, Vsphere};

/// A folder of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder {
    pub moid: Moid,
    pub name: String,
    /// `None` for the root folder; a data centre for its four own folders.
    pub parent: Option<Moid>,
}

/// A data centre and its four folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Datacenter {
    pub moid: Moid,
    pub name: String,
    pub parent: Moid,
    pub vm_folder: Moid,
    pub host_folder: Moid,
    pub datastore_folder: Moid,
    pub network_folder: Moid,
}

/// A cluster with its root resource pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    pub moid: Moid,
    pub name: String,
    pub parent: Moid,
    pub datacenter: Moid,
    pub hosts: Vec<Moid>,
    pub resource_pool: Moid,
}

/// A host, resource pool, datastore or port group: what they are is said by the kind of their id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    pub moid: Moid,
    pub name: String,
    pub parent: Moid,
    pub datacenter: Moid,
    /// Datastores only, else 0.
    pub capacity_gib: u64,
}

impl Vsphere {
    /// The root folder.
    #[must_use]
    pub fn root_folder(&self) -> Moid {
        self.root
    }

    /// All data centres, oldest first.
    pub fn datacenters(&self) -> impl Iterator<Item = &Datacenter> {
        self.datacenters.values()
    }

    /// All folders, by kind and age.
    pub fn folders(&self) -> impl Iterator<Item = &Folder> {
        self.folders.values()
    }

    /// All clusters, oldest first.
    pub fn clusters(&self) -> impl Iterator<Item = &Cluster> {
        self.clusters.values()
    }

    /// All hosts, pools, datastores and port groups, by kind and age.
    pub fn resources(&self) -> impl Iterator<Item = &Resource> {
        self.resources.values()
    }

    /// The data centre `moid`.
    #[must_use]
    pub fn datacenter(&self, moid: Moid) -> Option<&Datacenter> {
        self.datacenters.get(&moid)
    }

    /// The folder `moid`.
    #[must_use]
    pub fn folder(&self, moid: Moid) -> Option<&Folder> {
        self.folders.get(&moid)
    }

    /// The cluster `moid`.
    #[must_use]
    pub fn cluster(&self, moid: Moid) -> Option<&Cluster> {
        self.clusters.get(&moid)
    }

    /// The host, pool, datastore or port group `moid`.
    #[must_use]
    pub fn resource(&self, moid: Moid) -> Option<&Resource> {
        self.resources.get(&moid)
    }

    /// Whether `moid` names something that exists.
    #[must_use]
    pub fn exists(&self, moid: Moid) -> bool {
        self.name_of(moid).is_some() || self.tasks.contains_key(&moid)
    }

    /// The name of any inventory object (not of a task).
    #[must_use]
    pub fn name_of(&self, moid: Moid) -> Option<&str> {
        let folder = || self.folders.get(&moid).map(|folder| folder.name.as_str());
        let datacenter = || self.datacenters.get(&moid).map(|datacenter| datacenter.name.as_str());
        let cluster = || self.clusters.get(&moid).map(|cluster| cluster.name.as_str());
        let resource = || self.resources.get(&moid).map(|resource| resource.name.as_str());
        let vm = || self.vms.get(&moid).map(|vm| vm.name.as_str());
        vm().or_else(folder).or_else(datacenter).or_else(cluster).or_else(resource)
    }

    /// The parent in the inventory tree; `None` for the root folder and for tasks.
    #[must_use]
    pub fn parent_of(&self, moid: Moid) -> Option<Moid> {
        let folder = || self.folders.get(&moid).and_then(|folder| folder.parent);
        let datacenter = || self.datacenters.get(&moid).map(|datacenter| datacenter.parent);
        let cluster = || self.clusters.get(&moid).map(|cluster| cluster.parent);
        let resource = || self.resources.get(&moid).map(|resource| resource.parent);
        let vm = || self.vms.get(&moid).map(|vm| vm.parent);
        vm().or_else(folder).or_else(datacenter).or_else(cluster).or_else(resource)
    }

    /// What `moid` holds directly in the inventory tree, by kind and age.
    #[must_use]
    pub fn children_of(&self, moid: Moid) -> Vec<Moid> {
        let vms = self.by_name.range((moid, String::new())..).take_while(|(key, _)| key.0 == moid);
        let mut found: Vec<Moid> = self.containers_of(moid).chain(vms.map(|(_, vm)| *vm)).collect();
        found.sort_unstable();
        found
    }

    /// The child of `parent` called `name`.
    #[must_use]
    pub fn find_child(&self, parent: Moid, name: &str) -> Option<Moid> {
        let vm = self.by_name.get(&(parent, name.to_owned())).copied();
        vm.or_else(|| self.containers_of(parent).find(|child| self.name_of(*child) == Some(name)))
    }

    /// The object at an inventory path such as `DC0/vm/prod/web-01` (`FindByInventoryPath`); a leading `/`
    /// is allowed, the empty path is the root folder.
    #[must_use]
    pub fn find_by_inventory_path(&self, path: &str) -> Option<Moid> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.into_iter().try_fold(self.root, |at, name| self.find_child(at, name))
    }

    /// The data centre that holds `moid`, or is it.
    #[must_use]
    pub fn datacenter_of(&self, moid: Moid) -> Option<&Datacenter> {
        let mut at = Some(moid);
        while let Some(here) = at {
            if let Some(datacenter) = self.datacenters.get(&here) {
                return Some(datacenter);
            }
            at = self.parent_of(here);
        }
        None
    }

    /// The folder path of a VM below its data centre's `vm` folder, parts joined by `/`; empty for the root.
    #[must_use]
    pub fn folder_path(&self, vm: &Vm) -> String {
        let mut parts = Vec::new();
        let mut at = Some(vm.parent);
        while let Some(folder) = at.and_then(|moid| self.folders.get(&moid)) {
            if folder.parent.is_none_or(|parent| parent.kind() == Kind::Datacenter) {
                break;
            }
            parts.push(folder.name.as_str());
            at = folder.parent;
        }
        parts.reverse();
        parts.join("/")
    }

    /// The data centre called `name`.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn datacenter_by_name(&self, name: &str) -> Result<&Datacenter, Fault> {
        let mut all = self.datacenters.values();
        all.find(|one| one.name == name).ok_or_else(|| Fault::not_found("data centre", name))
    }

    /// The VM folder at `path` below the `vm` folder of `datacenter`; the empty path is that folder itself.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn vm_folder_by_path(&self, datacenter: &Datacenter, path: &str) -> Result<Moid, Fault> {
        let parts = path.split('/').filter(|part| !part.is_empty());
        let found = parts.into_iter().try_fold(datacenter.vm_folder, |at, name| self.find_child(at, name));
        let is_folder = |moid: &Moid| moid.kind() == Kind::VmFolder;
        found.filter(is_folder).ok_or_else(|| Fault::not_found("folder", path))
    }

    /// The cluster called `name` in `datacenter`.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn cluster_by_name(&self, datacenter: Moid, name: &str) -> Result<&Cluster, Fault> {
        let mut all = self.clusters.values();
        all.find(|one| one.datacenter == datacenter && one.name == name)
            .ok_or_else(|| Fault::not_found("cluster", name))
    }

    /// The datastore called `name` in `datacenter`.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn datastore_by_name(&self, datacenter: Moid, name: &str) -> Result<Moid, Fault> {
        self.resource_by_name(datacenter, &[Kind::Datastore], "datastore", name)
    }

    /// The standard or distributed port group called `name` in `datacenter`.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn network_by_name(&self, datacenter: Moid, name: &str) -> Result<Moid, Fault> {
        self.resource_by_name(datacenter, &[Kind::Network, Kind::PortGroup], "network", name)
    }

    /// The children of `moid` that are no virtual machines.
    fn containers_of(&self, moid: Moid) -> impl Iterator<Item = Moid> {
        let folders =
            self.folders.values().filter(move |folder| folder.parent == Some(moid)).map(|one| one.moid);
        let datacenters = self.datacenters.values().filter(move |one| one.parent == moid).map(|one| one.moid);
        let clusters = self.clusters.values().filter(move |one| one.parent == moid).map(|one| one.moid);
        let resources = self.resources.values().filter(move |one| one.parent == moid).map(|one| one.moid);
        folders.chain(datacenters).chain(clusters).chain(resources)
    }

    fn resource_by_name(
        &self,
        datacenter: Moid,
        kinds: &[Kind],
        word: &str,
        name: &str,
    ) -> Result<Moid, Fault> {
        let fits = |one: &&Resource| {
            one.datacenter == datacenter && one.name == name && kinds.contains(&one.moid.kind())
        };
        let found = self.resources.values().find(fits).map(|one| one.moid);
        found.ok_or_else(|| Fault::not_found(word, name))
    }
}
