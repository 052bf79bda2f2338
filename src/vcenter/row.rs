//! One VM: from the property collector's values to a [`VmSighting`].
//!
//! Nothing here fails. A value that is absent, empty or odd is `None` in the sighting.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::devices::{Nic, read_disk, read_nic};
use super::inventory::{Tree, unescaped};
use super::properties::Object;
use super::soap::MoRef;
use super::xml::Element;
use crate::vm_request::sighting::{DiskSighting, PowerState, VmSighting};

/// The `extraConfig` key that holds the bridge's identity of a VM.
const UID_KEY: &str = "guestinfo.causeway.vm_uid";
const UID_PATH: &str = "config.extraConfig[\"guestinfo.causeway.vm_uid\"]";
/// The whole list.
pub(super) const EXTRA_CONFIG: &str = "config.extraConfig";

/// Everything of a sighting except `vm_uid`. The devices are most of `config.hardware`; the rest of it
/// is not asked for.
pub(super) const DETAIL: [&str; 17] = [
    "name",
    "parent",
    "config.instanceUuid",
    "config.uuid",
    "config.template",
    "config.firmware",
    "config.hardware.numCPU",
    "config.hardware.memoryMB",
    "config.hardware.device",
    "runtime.powerState",
    "runtime.host",
    "runtime.connectionState",
    "datastore",
    "guest.ipAddress",
    "guest.hostName",
    "snapshot",
    "customValue",
];

/// How sweeps of a session read `vm_uid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UidPath {
    /// Not found out yet: the whole list, then the test.
    Unknown,
    /// By key.
    Keyed,
    /// The key was tried and did not answer as the list did.
    Whole,
}

impl UidPath {
    pub fn property(self) -> &'static str {
        match self {
            Self::Keyed => UID_PATH,
            Self::Unknown | Self::Whole => EXTRA_CONFIG,
        }
    }
}

/// The property path of one `extraConfig` entry.
pub(super) fn keyed_path(key: &str) -> String {
    format!("{EXTRA_CONFIG}[\"{key}\"]")
}

/// A VM as the wire tells it: places and networks still as references.
#[derive(Debug)]
pub(super) struct Row {
    pub reference: MoRef,
    seen_at: Timestamp,
    /// As people see it.
    pub name: Option<String>,
    parent: Option<MoRef>,
    host: Option<MoRef>,
    pub instance_uuid: Option<String>,
    bios_uuid: Option<String>,
    pub vm_uid: Option<String>,
    /// Some `extraConfig` entry to test [`UidPath::Keyed`] with, when the whole list was read.
    pub sample: Option<(String, String)>,
    is_template: bool,
    cpu: Option<u32>,
    memory_mib: Option<u64>,
    power: Option<PowerState>,
    datastores: Vec<MoRef>,
    nics: Vec<Nic>,
    disks: Vec<DiskSighting>,
    pub ip_address: Option<String>,
    guest_hostname: Option<String>,
    firmware: Option<String>,
    connection: Option<String>,
    snapshots: Vec<String>,
    /// Values by the key of their custom attribute.
    custom_values: Vec<(String, String)>,
}

impl Row {
    pub fn read(object: &Object<'_, '_>, seen_at: Timestamp) -> Self {
        let owned = |path: &str| object.text(path).map(str::to_owned);
        let devices = object.value("config.hardware.device");
        let devices = || devices.into_iter().flat_map(|list| list.children.iter());
        let mut nics: Vec<Nic> = devices().filter_map(read_nic).collect();
        let mut disks: Vec<DiskSighting> = devices().filter_map(read_disk).collect();
        nics.sort_by_key(|nic| nic.key);
        disks.sort_by_key(|disk| disk.key);
        let entries = object.value(EXTRA_CONFIG);
        Self {
            reference: object.reference.clone(),
            seen_at,
            name: object.text("name").map(unescaped),
            parent: object.reference_at("parent"),
            host: object.reference_at("runtime.host"),
            instance_uuid: owned("config.instanceUuid"),
            bios_uuid: owned("config.uuid"),
            vm_uid: vm_uid(object),
            sample: entries.and_then(sample),
            is_template: matches!(object.text("config.template"), Some("true" | "1")),
            cpu: object.text("config.hardware.numCPU").and_then(|n| n.parse().ok()),
            memory_mib: object.text("config.hardware.memoryMB").and_then(|n| n.parse().ok()),
            power: object.text("runtime.powerState").and_then(power),
            datastores: object.references_at("datastore"),
            nics,
            disks,
            ip_address: owned("guest.ipAddress"),
            guest_hostname: owned("guest.hostName"),
            firmware: owned("config.firmware"),
            connection: owned("runtime.connectionState"),
            snapshots: object.value("snapshot").map(snapshots).unwrap_or_default(),
            custom_values: object.value("customValue").map(custom_values).unwrap_or_default(),
        }
    }

    /// The objects whose names and places [`Row::sighting`] will ask for.
    pub fn places(&self) -> impl Iterator<Item = MoRef> {
        let places = self.parent.iter().chain(&self.host).chain(&self.datastores).cloned();
        places.chain(self.nics.iter().filter_map(Nic::place))
    }

    /// With names instead of references; `None` for a VM that did not tell its name.
    pub fn sighting(self, tree: &Tree) -> Option<VmSighting> {
        let host = self.host.as_ref().map(|host| host.id.as_str());
        let folder = self.parent.as_ref().map(|parent| parent.id.as_str());
        let mut datastores: Vec<String> = self.datastores.iter().filter_map(|d| tree.name(&d.id)).collect();
        datastores.sort();
        datastores.dedup();
        let custom_values: BTreeMap<String, String> = (self.custom_values.into_iter())
            .filter_map(|(key, value)| Some((tree.custom_fields.get(&key)?.clone(), value)))
            .collect();
        Some(VmSighting {
            seen_at: self.seen_at,
            moid: self.reference.id,
            instance_uuid: self.instance_uuid,
            bios_uuid: self.bios_uuid,
            vm_uid: self.vm_uid,
            name: self.name?,
            is_template: self.is_template,
            folder: folder.map(|id| tree.folder_path(id)).unwrap_or_default(),
            // A VM in a vApp has no parent folder, but it has a host.
            datacenter: folder.or(host).and_then(|id| tree.datacenter(id)),
            cluster: host.and_then(|id| tree.cluster(id)),
            host: host.and_then(|id| tree.name(id)),
            cpu: self.cpu,
            memory_mib: self.memory_mib,
            power: self.power,
            datastores,
            nics: self.nics.into_iter().map(|nic| nic.sighting(tree)).collect(),
            disks: self.disks,
            ip_address: self.ip_address,
            guest_hostname: self.guest_hostname,
            firmware: self.firmware,
            connection: self.connection,
            snapshots: self.snapshots,
            custom_values,
        })
    }
}

/// From the one entry or from the whole list, whichever was asked for. An empty value is none: that is
/// how a key is taken away from a VM.
fn vm_uid(object: &Object<'_, '_>) -> Option<String> {
    let entry = object.value(UID_PATH).or_else(|| {
        let list = object.value(EXTRA_CONFIG)?;
        list.children.iter().find(|entry| entry.text_of("key") == Some(UID_KEY))
    })?;
    entry.text_of("value").map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Names of a `VirtualMachineSnapshotInfo`, each before those that were taken after it. The parser bounds the depth.
fn snapshots(info: &Element<'_>) -> Vec<String> {
    fn add(taken: &Element<'_>, names: &mut Vec<String>) {
        names.extend(taken.text_of("name").map(unescaped));
        taken.children_named("childSnapshotList").for_each(|later| add(later, names));
    }
    let mut names = Vec::new();
    info.children_named("rootSnapshotList").for_each(|first| add(first, &mut names));
    names
}

/// Keys and values of an `ArrayOfCustomFieldValue`. An empty value is how an attribute is taken away.
fn custom_values(list: &Element<'_>) -> Vec<(String, String)> {
    let entry = |e: &Element<'_>| Some((e.text_of("key")?.to_owned(), e.text_of("value")?.to_owned()));
    list.children.iter().filter_map(entry).collect()
}

/// Any entry whose key can stand between quotes and whose value is not empty.
fn sample(list: &Element<'_>) -> Option<(String, String)> {
    let plain =
        |key: &&str| key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':'));
    list.children.iter().find_map(|entry| {
        let key = entry.text_of("key").filter(plain)?;
        Some((key.to_owned(), entry.text_of("value")?.to_owned()))
    })
}

fn power(text: &str) -> Option<PowerState> {
    match text {
        "poweredOn" => Some(PowerState::PoweredOn),
        "poweredOff" => Some(PowerState::PoweredOff),
        "suspended" => Some(PowerState::Suspended),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::properties::read_object;
    use super::*;

    fn sighting(properties: &str, tree: &Tree) -> VmSighting {
        let text = format!(
            "<objects><obj type=\"VirtualMachine\">vm-1</obj><propSet><name>name</name><val>a</val></propSet>{properties}</objects>"
        );
        let element = Element::parse(&text).unwrap();
        Row::read(&read_object(&element).unwrap(), Timestamp::UNIX_EPOCH).sighting(tree).unwrap()
    }

    #[test]
    fn snapshots_are_named_each_before_those_taken_after_it() {
        let seen = sighting(
            "<propSet><name>snapshot</name><val><currentSnapshot>s-3</currentSnapshot>\
             <rootSnapshotList><name>clean</name><childSnapshotList><name>init</name>\
             <childSnapshotList><name>a%2fb</name></childSnapshotList></childSnapshotList>\
             <childSnapshotList><name>other</name></childSnapshotList></rootSnapshotList>\
             <rootSnapshotList><name>second</name></rootSnapshotList></val></propSet>",
            &Tree::default(),
        );
        assert_eq!(seen.snapshots, ["clean", "init", "a/b", "other", "second"]);
        assert!(sighting("", &Tree::default()).snapshots.is_empty());
    }

    #[test]
    fn custom_values_have_the_names_of_their_attributes_and_empty_ones_are_none() {
        let entry = |key: u8, value: &str| {
            format!("<CustomFieldValue><key>{key}</key><value>{value}</value></CustomFieldValue>")
        };
        let list = [entry(1, "alice"), entry(2, ""), entry(3, "unnamed")].concat();
        let properties = format!("<propSet><name>customValue</name><val>{list}</val></propSet>");
        let mut tree = Tree::default();
        tree.custom_fields =
            [("1", "owner"), ("2", "purpose")].map(|(k, n)| (k.to_owned(), n.to_owned())).into();
        let expected = BTreeMap::from([("owner".to_owned(), "alice".to_owned())]);
        assert_eq!(sighting(&properties, &tree).custom_values, expected);
        assert!(sighting(&properties, &Tree::default()).custom_values.is_empty());
    }

    #[test]
    fn firmware_and_connection_are_told_and_a_blank_one_is_none() {
        let seen = sighting(
            "<propSet><name>config.firmware</name><val>efi</val></propSet>\
             <propSet><name>runtime.connectionState</name><val></val></propSet>",
            &Tree::default(),
        );
        assert_eq!((seen.firmware.as_deref(), seen.connection), (Some("efi"), None));
    }
}
