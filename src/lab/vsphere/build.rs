//! Building a vSphere from a layout, and the ids, UUIDs and addresses that follow from the seed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use uuid::Uuid;

use super::ids::{Kind, Moid};
use super::inventory::{Cluster, Datacenter, Folder, Resource};
use super::layout::{DatacenterLayout, Layout, TemplateLayout};
use super::vm::{Disk, Nic, PowerState, Vm};
use super::{Fault, Vsphere};

impl Vsphere {
    /// Builds what `layout` describes. The same `layout` and `seed` give the same ids and UUIDs.
    ///
    /// # Errors
    /// `NotFound` when a template names a folder, datastore or network that the layout does not have or
    /// stands in a data centre without cluster and host; `DuplicateName` for two objects of one name in one
    /// place; `InvalidName`.
    pub fn new(layout: &Layout, seed: u64) -> Result<Self, Fault> {
        let root = Moid::new(Kind::RootFolder, 1);
        let mut vsphere = Self {
            namespace: Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("causeway-lab:vcenter:{seed}").as_bytes()),
            next_number: 2,
            next_event: 1,
            root,
            folders: BTreeMap::new(),
            datacenters: BTreeMap::new(),
            clusters: BTreeMap::new(),
            resources: BTreeMap::new(),
            vms: BTreeMap::new(),
            by_name: BTreeMap::new(),
            tasks: BTreeMap::new(),
            open_tasks: BTreeSet::new(),
            plans: BTreeMap::new(),
            events: VecDeque::new(),
            created_for: BTreeMap::new(),
            custom_fields: Vec::new(),
            actor: None,
            held_back: None,
        };
        vsphere.folders.insert(root, Folder { moid: root, name: "Datacenters".to_owned(), parent: None });
        for datacenter in &layout.datacenters {
            vsphere.build_datacenter(datacenter)?;
        }
        Ok(vsphere)
    }

    /// The default layout, built from `seed`.
    #[must_use]
    pub fn with_default_layout(seed: u64) -> Self {
        Self::new(&Layout::default(), seed).expect("the default layout names only what it holds itself")
    }

    /// Makes a VM folder and whatever parents it lacks, and returns it; one that exists is returned as it is.
    ///
    /// # Errors
    /// `DuplicateName` when a VM has the name of a part; `InvalidName`.
    pub fn make_vm_folder(&mut self, datacenter: &Datacenter, path: &str) -> Result<Moid, Fault> {
        let mut at = datacenter.vm_folder;
        for part in path.split('/').filter(|part| !part.is_empty()) {
            at = match self.find_child(at, part) {
                Some(found) if found.kind() == Kind::VmFolder => found,
                Some(object) => return Err(Fault::DuplicateName { name: part.to_owned(), object }),
                None => self.make_folder(Kind::VmFolder, part, at)?,
            };
        }
        Ok(at)
    }

    /// Makes a VM folder called `name` in the VM folder `parent`.
    ///
    /// # Errors
    /// `ManagedObjectNotFound`, `NotSupported` when `parent` is no VM folder, `DuplicateName`, `InvalidName`.
    pub fn create_vm_folder(&mut self, parent: Moid, name: &str) -> Result<Moid, Fault> {
        if !self.exists(parent) {
            return Err(Fault::gone(parent));
        }
        if parent.kind() != Kind::VmFolder {
            return Err(Fault::NotSupported);
        }
        self.make_folder(Kind::VmFolder, name, parent)
    }

    pub(super) fn next_moid(&mut self, kind: Kind) -> Moid {
        let number = self.next_number;
        self.next_number += 1;
        Moid::new(kind, number)
    }

    pub(super) fn derived_uuid(&self, what: &str, moid: Moid) -> Uuid {
        Uuid::new_v5(&self.namespace, format!("{what}/{moid}").as_bytes())
    }

    /// An address in VMware's range for generated ones (00:50:56:80 to :bf).
    pub(super) fn derived_mac(&self, vm: Moid, key: i32) -> String {
        let id = self.derived_uuid(&format!("mac/{key}"), vm);
        let bytes = id.as_bytes();
        format!("00:50:56:{:02x}:{:02x}:{:02x}", 0x80 | (bytes[0] & 0x3f), bytes[1], bytes[2])
    }

    pub(super) fn disk_file(&self, datastore: Moid, vm_name: &str, at: usize) -> String {
        let store = self.name_of(datastore).unwrap_or_default();
        let suffix = if at == 0 { String::new() } else { format!("_{at}") };
        format!("[{store}] {vm_name}/{vm_name}{suffix}.vmdk")
    }

    #[expect(clippy::unused_self, reason = "placement belongs to the vSphere, whatever it looks at today")]
    pub(super) fn pick_host(&self, hosts: &[Moid], vm: Moid) -> Option<Moid> {
        let count = u64::try_from(hosts.len()).ok().filter(|count| *count > 0)?;
        hosts.get(usize::try_from(vm.number() % count).ok()?).copied()
    }

    fn make_folder(&mut self, kind: Kind, name: &str, parent: Moid) -> Result<Moid, Fault> {
        self.check_name(parent, name)?;
        let moid = self.next_moid(kind);
        self.folders.insert(moid, Folder { moid, name: name.to_owned(), parent: Some(parent) });
        Ok(moid)
    }

    fn build_datacenter(&mut self, layout: &DatacenterLayout) -> Result<(), Fault> {
        self.check_name(self.root, &layout.name)?;
        let moid = self.next_moid(Kind::Datacenter);
        let datacenter = Datacenter {
            moid,
            name: layout.name.clone(),
            parent: self.root,
            vm_folder: self.make_folder(Kind::VmFolder, "vm", moid)?,
            host_folder: self.make_folder(Kind::HostFolder, "host", moid)?,
            datastore_folder: self.make_folder(Kind::DatastoreFolder, "datastore", moid)?,
            network_folder: self.make_folder(Kind::NetworkFolder, "network", moid)?,
        };
        self.datacenters.insert(moid, datacenter.clone());
        for cluster in &layout.clusters {
            self.build_cluster(&datacenter, &cluster.name, &cluster.hosts)?;
        }
        for store in &layout.datastores {
            let place = (datacenter.datastore_folder, moid);
            self.make_resource(Kind::Datastore, &store.name, place, store.capacity_gib)?;
        }
        for network in &layout.networks {
            let kind = if network.distributed { Kind::PortGroup } else { Kind::Network };
            self.make_resource(kind, &network.name, (datacenter.network_folder, moid), 0)?;
        }
        for folder in &layout.folders {
            self.make_vm_folder(&datacenter, folder)?;
        }
        layout.templates.iter().try_for_each(|template| self.build_template(&datacenter, template))
    }

    fn build_cluster(&mut self, datacenter: &Datacenter, name: &str, hosts: &[String]) -> Result<(), Fault> {
        self.check_name(datacenter.host_folder, name)?;
        let moid = self.next_moid(Kind::Cluster);
        let place = (moid, datacenter.moid);
        let resource_pool = self.make_resource(Kind::ResourcePool, "Resources", place, 0)?;
        let hosts: Result<Vec<Moid>, Fault> =
            hosts.iter().map(|host| self.make_resource(Kind::Host, host, place, 0)).collect();
        let cluster = Cluster {
            moid,
            name: name.to_owned(),
            parent: datacenter.host_folder,
            datacenter: datacenter.moid,
            hosts: hosts?,
            resource_pool,
        };
        self.clusters.insert(moid, cluster);
        Ok(())
    }

    /// `place` is the parent and the data centre.
    fn make_resource(
        &mut self,
        kind: Kind,
        name: &str,
        place: (Moid, Moid),
        capacity_gib: u64,
    ) -> Result<Moid, Fault> {
        self.check_name(place.0, name)?;
        let moid = self.next_moid(kind);
        let (parent, datacenter) = place;
        self.resources
            .insert(moid, Resource { moid, name: name.to_owned(), parent, datacenter, capacity_gib });
        Ok(moid)
    }

    fn build_template(&mut self, datacenter: &Datacenter, layout: &TemplateLayout) -> Result<(), Fault> {
        let parent = self.vm_folder_by_path(datacenter, &layout.folder)?;
        self.check_name(parent, &layout.name)?;
        let datastore = self.datastore_by_name(datacenter.moid, &layout.datastore)?;
        let network = self.network_by_name(datacenter.moid, &layout.network)?;
        let cluster = self.clusters.values().find(|one| one.datacenter == datacenter.moid);
        let (cluster, host) = cluster
            .and_then(|one| Some((one.moid, *one.hosts.first()?)))
            .ok_or_else(|| Fault::not_found("host for template", &layout.name))?;
        let moid = self.next_moid(Kind::VirtualMachine);
        let vm = Vm {
            moid,
            name: layout.name.clone(),
            instance_uuid: self.derived_uuid("instance", moid),
            bios_uuid: self.derived_uuid("bios", moid),
            is_template: true,
            parent,
            resource_pool: None,
            host,
            cluster,
            datastore,
            guest_id: layout.guest_id.clone(),
            guest_full_name: layout.guest_full_name.clone(),
            annotation: String::new(),
            cpu: layout.cpu,
            memory_mib: layout.memory_mib,
            power: PowerState::PoweredOff,
            nics: vec![Nic {
                key: 4000,
                label: "Network adapter 1".to_owned(),
                mac: self.derived_mac(moid, 4000),
                network,
                connected: true,
            }],
            disks: vec![Disk {
                key: 2000,
                label: "Hard disk 1".to_owned(),
                capacity_gib: layout.disk_gib,
                datastore,
                file: self.disk_file(datastore, &layout.name, 0),
                unit_number: 0,
                thin: true,
            }],
            extra_config: BTreeMap::new(),
            custom_values: BTreeMap::new(),
            guest_ip: None,
            guest_hostname: None,
            created_at: Timestamp::UNIX_EPOCH,
            created_by_task: None,
            boot_time: None,
            firmware: "efi".to_owned(),
            config_changed_at: Timestamp::UNIX_EPOCH,
            snapshots: Vec::new(),
            current_snapshot: None,
        };
        self.by_name.insert((parent, vm.name.clone()), moid);
        self.vms.insert(moid, vm);
        Ok(())
    }
}
