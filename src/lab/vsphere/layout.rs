//! What a new vSphere looks like: a plain description that [`super::Vsphere::new`] builds. Plain data, no
//! checks; building reports what does not fit.

/// The whole inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    pub datacenters: Vec<DatacenterLayout>,
}

/// One data centre with all that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatacenterLayout {
    pub name: String,
    pub clusters: Vec<ClusterLayout>,
    /// Paths below the `vm` folder, parts joined by `/`; parents are made as needed.
    pub folders: Vec<String>,
    pub datastores: Vec<DatastoreLayout>,
    pub networks: Vec<NetworkLayout>,
    pub templates: Vec<TemplateLayout>,
}

/// A cluster with its hosts; it has one root resource pool, `Resources`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLayout {
    pub name: String,
    /// Names of the ESXi hosts; at least one.
    pub hosts: Vec<String>,
}

/// A datastore that every host of the data centre sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatastoreLayout {
    pub name: String,
    pub capacity_gib: u64,
}

/// A port group that every host of the data centre sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkLayout {
    pub name: String,
    /// A distributed port group, else a standard one.
    pub distributed: bool,
}

/// A template to clone from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateLayout {
    pub name: String,
    /// Folder path below `vm`.
    pub folder: String,
    pub guest_id: String,
    pub guest_full_name: String,
    pub cpu: u32,
    pub memory_mib: u64,
    pub disk_gib: u64,
    pub datastore: String,
    pub network: String,
}

/// Name, guest id, guest name, GiB of the templates in the default layout.
const TEMPLATES: [(&str, &str, &str, u64); 5] = [
    ("win2019", "windows2019srv_64Guest", "Microsoft Windows Server 2019 (64-bit)", 60),
    ("win2022", "windows2019srvNext_64Guest", "Microsoft Windows Server 2022 (64-bit)", 60),
    ("suse15", "sles15_64Guest", "SUSE Linux Enterprise 15 (64-bit)", 40),
    ("rhel8", "rhel8_64Guest", "Red Hat Enterprise Linux 8 (64-bit)", 40),
    ("rhel9", "rhel9_64Guest", "Red Hat Enterprise Linux 9 (64-bit)", 40),
];

impl Default for Layout {
    /// `DC0` with cluster `C0` (two hosts), folders `prod`, `dev`, `templates`, datastores `prod-ds`, `dev-ds`,
    /// networks `VM Network` (standard), `prod-app`, `prod-db`, `dev-lan` (distributed), and the templates
    /// `win2019`, `win2022`, `suse15`, `rhel8`, `rhel9`.
    fn default() -> Self {
        let template = |(name, guest_id, full, disk_gib): (&str, &str, &str, u64)| TemplateLayout {
            name: name.to_owned(),
            folder: "templates".to_owned(),
            guest_id: guest_id.to_owned(),
            guest_full_name: full.to_owned(),
            cpu: 2,
            memory_mib: 4096,
            disk_gib,
            datastore: "prod-ds".to_owned(),
            network: "VM Network".to_owned(),
        };
        let network =
            |(name, distributed): (&str, bool)| NetworkLayout { name: name.to_owned(), distributed };
        let datastore = |name: &str| DatastoreLayout { name: name.to_owned(), capacity_gib: 16_384 };
        Self {
            datacenters: vec![DatacenterLayout {
                name: "DC0".to_owned(),
                clusters: vec![ClusterLayout {
                    name: "C0".to_owned(),
                    hosts: vec!["esx1.lab.example".to_owned(), "esx2.lab.example".to_owned()],
                }],
                folders: ["prod", "dev", "templates"].map(str::to_owned).to_vec(),
                datastores: ["prod-ds", "dev-ds"].map(datastore).to_vec(),
                networks: [("VM Network", false), ("prod-app", true), ("prod-db", true), ("dev-lan", true)]
                    .map(network)
                    .to_vec(),
                templates: TEMPLATES.map(template).to_vec(),
            }],
        }
    }
}
