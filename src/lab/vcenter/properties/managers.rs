//! What is no inventory object: the service instance, the managers, views, the distributed switch.

use super::Scene;
use crate::lab::vcenter::events::event_description;
use crate::lab::vcenter::value::{Ref, Val};
use crate::lab::vsphere::Vsphere;

/// The build that the lab says it is; chosen so that clients that look at the version take it for 8.0.
const VERSION: &str = "8.0.2";
const API_VERSION: &str = "8.0.2.0";
const BUILD: &str = "22385739";

/// The managers that `ServiceContent` names: field, type, id. Those whose methods the lab does not serve are
/// named all the same, as clients expect them to be there.
const MANAGERS: [(&str, &str, &str); 41] = [
    ("propertyCollector", "PropertyCollector", "propertyCollector"),
    ("viewManager", "ViewManager", "ViewManager"),
    ("setting", "OptionManager", "VpxSettings"),
    ("userDirectory", "UserDirectory", "UserDirectory"),
    ("sessionManager", "SessionManager", "SessionManager"),
    ("authorizationManager", "AuthorizationManager", "AuthorizationManager"),
    ("serviceManager", "ServiceManager", "ServiceMgr"),
    ("perfManager", "PerformanceManager", "PerfMgr"),
    ("scheduledTaskManager", "ScheduledTaskManager", "ScheduledTaskManager"),
    ("alarmManager", "AlarmManager", "AlarmManager"),
    ("eventManager", "EventManager", "EventManager"),
    ("taskManager", "TaskManager", "TaskManager"),
    ("extensionManager", "ExtensionManager", "ExtensionManager"),
    ("customizationSpecManager", "CustomizationSpecManager", "CustomizationSpecManager"),
    ("customFieldsManager", "CustomFieldsManager", "CustomFieldsManager"),
    ("diagnosticManager", "DiagnosticManager", "DiagMgr"),
    ("licenseManager", "LicenseManager", "LicenseManager"),
    ("searchIndex", "SearchIndex", "SearchIndex"),
    ("fileManager", "FileManager", "FileManager"),
    ("datastoreNamespaceManager", "DatastoreNamespaceManager", "DatastoreNamespaceManager"),
    ("virtualDiskManager", "VirtualDiskManager", "virtualDiskManager"),
    ("snmpSystem", "HostSnmpSystem", "SnmpSystem"),
    ("vmProvisioningChecker", "VirtualMachineProvisioningChecker", "ProvChecker"),
    ("vmCompatibilityChecker", "VirtualMachineCompatibilityChecker", "CompatChecker"),
    ("ovfManager", "OvfManager", "OvfManager"),
    ("ipPoolManager", "IpPoolManager", "IpPoolManager"),
    ("dvSwitchManager", "DistributedVirtualSwitchManager", "DVSManager"),
    ("hostProfileManager", "HostProfileManager", "HostProfileManager"),
    ("clusterProfileManager", "ClusterProfileManager", "ClusterProfileManager"),
    ("complianceManager", "ProfileComplianceManager", "MoComplianceManager"),
    ("localizationManager", "LocalizationManager", "LocalizationManager"),
    ("storageResourceManager", "StorageResourceManager", "StorageResourceManager"),
    ("guestOperationsManager", "GuestOperationsManager", "guestOperationsManager"),
    ("overheadMemoryManager", "OverheadMemoryManager", "OverheadMemoryManager"),
    ("certificateManager", "CertificateManager", "certificateManager"),
    ("ioFilterManager", "IoFilterManager", "IoFilterManager"),
    ("vStorageObjectManager", "VcenterVStorageObjectManager", "VStorageObjectManager"),
    ("hostSpecManager", "HostSpecificationManager", "HostSpecManager"),
    ("cryptoManager", "CryptoManagerKmip", "CryptoManager"),
    ("healthUpdateManager", "HealthUpdateManager", "HealthUpdateManager"),
    ("tenantManager", "TenantTenantManager", "TenantManager"),
];

/// Fields that the recorded service content has beside [`MANAGERS`].
const CLUSTER_MANAGERS: [(&str, &str, &str); 2] = [
    ("failoverClusterConfigurator", "FailoverClusterConfigurator", "FailoverClusterConfigurator"),
    ("failoverClusterManager", "FailoverClusterManager", "FailoverClusterManager"),
];

/// `ServiceContent`, in the order of the recording.
pub(in crate::lab::vcenter) fn service_content(vsphere: &Vsphere) -> Val {
    let manager = |row: &(&'static str, &str, &str)| (row.0, Val::Ref(Ref::new(row.1, row.2)));
    let (first, rest) = MANAGERS.split_at(2);
    let (middle, tenants) = rest.split_at(rest.len() - 1);
    let mut fields = vec![("rootFolder", Val::moref(vsphere.root_folder()))];
    fields.extend(first.iter().map(manager));
    fields.push(("about", about(vsphere)));
    fields.extend(middle.iter().chain(&CLUSTER_MANAGERS).chain(tenants).map(manager));
    Val::of("ServiceContent", fields)
}

fn about(vsphere: &Vsphere) -> Val {
    let texts = [
        ("name", "VMware vCenter Server".to_owned()),
        ("fullName", format!("VMware vCenter Server {VERSION} build-{BUILD} (Causeway lab)")),
        ("vendor", "VMware, Inc.".to_owned()),
        ("version", VERSION.to_owned()),
        ("build", BUILD.to_owned()),
        ("localeVersion", "INTL".to_owned()),
        ("localeBuild", "000".to_owned()),
        ("osType", "linux-x64".to_owned()),
        ("productLineId", "vpx".to_owned()),
        ("apiType", "VirtualCenter".to_owned()),
        ("apiVersion", API_VERSION.to_owned()),
        ("instanceUuid", vsphere.instance_uuid().to_string()),
        ("licenseProductName", "VMware VirtualCenter Server".to_owned()),
        ("licenseProductVersion", "8.0".to_owned()),
    ];
    Val::of("AboutInfo", texts.into_iter().map(|(name, text)| (name, Val::Text(text))).collect())
}

impl Scene<'_> {
    pub(super) fn has_manager(&self, target: &Ref) -> bool {
        let is_named = |row: &(&str, &str, &str)| row.1 == target.type_name && row.2 == target.id;
        match target.type_name.as_str() {
            "ServiceInstance" => target.id == "ServiceInstance",
            "ContainerView" => self.session.is_some_and(|one| one.views.contains_key(&target.id)),
            "EventHistoryCollector" => {
                self.session.is_some_and(|one| one.event_collectors.contains_key(&target.id))
            }
            "DistributedVirtualSwitch" => *target == self.switch(),
            _ => MANAGERS.iter().chain(&CLUSTER_MANAGERS).any(is_named),
        }
    }

    pub(super) fn manager_names(&self, target: &Ref) -> Vec<&'static str> {
        match target.type_name.as_str() {
            "ServiceInstance" => vec!["serverClock", "content"],
            "SessionManager" => vec!["currentSession", "sessionList"],
            "TaskManager" => vec!["recentTask", "maxCollector"],
            "ContainerView" => vec!["view", "container", "type", "recursive"],
            "CustomFieldsManager" => vec!["field"],
            "EventHistoryCollector" => vec!["latestPage"],
            "EventManager" => vec!["description", "latestEvent", "maxCollector"],
            "DistributedVirtualSwitch" => vec!["uuid", "name"],
            _ => Vec::new(),
        }
    }

    pub(super) fn manager_property(&self, target: &Ref, name: &str) -> Option<Val> {
        let session = || Val::maybe(self.session, super::Session::to_val);
        let view = || self.session.and_then(|one| one.views.get(&target.id));
        Some(match (target.type_name.as_str(), name) {
            ("ServiceInstance", "content") => service_content(self.vsphere),
            ("ServiceInstance", "serverClock") => Val::Time(self.now),
            ("SessionManager", "currentSession") => session(),
            ("SessionManager", "sessionList") => {
                Val::List("UserSession", self.session.map(super::Session::to_val).into_iter().collect())
            }
            ("TaskManager", "recentTask") => self.recent_tasks(None),
            ("TaskManager" | "EventManager", "maxCollector") => Val::Int(32),
            ("EventManager", "description") => event_description(),
            ("EventManager", "latestEvent") => self.latest_event(),
            ("EventHistoryCollector", "latestPage") => {
                self.latest_page(self.session?.event_collectors.get(&target.id)?)
            }
            ("ContainerView", "view") => Val::refs(self.view_members(view()?)),
            ("ContainerView", "container") => Val::Ref(view()?.container.clone()),
            ("ContainerView", "recursive") => Val::Bool(view()?.recursive),
            ("ContainerView", "type") => Val::List("string", view()?.types.iter().map(Val::text).collect()),
            ("CustomFieldsManager", "field") => self.custom_field_defs(),
            ("DistributedVirtualSwitch", "uuid") => Val::Text(self.switch_uuid()),
            ("DistributedVirtualSwitch", "name") => Val::text("lab-dvs"),
            _ => return None,
        })
    }

    /// The custom attributes that are defined.
    pub(super) fn custom_field_defs(&self) -> Val {
        let def = |(key, name): (usize, &String)| {
            let fields = vec![
                ("key", Val::int(key)),
                ("name", Val::text(name)),
                ("type", Val::text("string")),
                ("managedObjectType", Val::text("VirtualMachine")),
            ];
            Val::of("CustomFieldDef", fields)
        };
        let defs = self.vsphere.custom_fields().iter().enumerate().map(def);
        Val::List("CustomFieldDef", defs.collect())
    }
}
