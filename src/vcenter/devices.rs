//! Network adapters and disks out of `config.hardware.device`.

use super::inventory::Tree;
use super::soap::MoRef;
use super::xml::Element;
use crate::vm_request::sighting::{DiskSighting, NicSighting};

/// vSphere makes no chain of more than 32 snapshots; a longer one is read up to here.
const BACKINGS_MAX: usize = 64;

/// A network adapter whose network is still a reference.
#[derive(Debug)]
pub(super) struct Nic {
    pub key: i32,
    label: String,
    nic_type: String,
    backing: Backing,
    mac: Option<String>,
    connected: Option<bool>,
}

/// What an adapter is plugged into.
#[derive(Debug)]
enum Backing {
    /// A distributed port group by its key, which is its managed object id.
    Portgroup(String),
    /// A standard network: its id where the server tells it, and the name it had when it was connected.
    Network {
        id: Option<MoRef>,
        name: Option<String>,
    },
    Other,
}

impl Nic {
    /// The object whose name [`Nic::sighting`] will ask for.
    pub fn place(&self) -> Option<MoRef> {
        match &self.backing {
            Backing::Portgroup(id) => Some(MoRef::new("DistributedVirtualPortgroup", id)),
            Backing::Network { id, .. } => id.clone(),
            Backing::Other => None,
        }
    }

    pub fn sighting(self, tree: &Tree) -> NicSighting {
        let network = match self.backing {
            Backing::Portgroup(id) => tree.name(&id),
            Backing::Network { id, name } => id.and_then(|network| tree.name(&network.id)).or(name),
            Backing::Other => None,
        };
        NicSighting {
            key: self.key,
            label: self.label,
            nic_type: self.nic_type,
            network,
            mac: self.mac,
            connected: self.connected,
        }
    }
}

/// `None` for a device that is no network adapter. All adapters, and nothing else, have an address type
/// (`VirtualEthernetCard.addressType`).
pub(super) fn read_nic(device: &Element<'_>) -> Option<Nic> {
    device.child("addressType").or_else(|| device.child("macAddress"))?;
    let kind = device.xsi_type.as_deref().unwrap_or_default();
    let flag = |e: &Element<'_>, name: &str| match e.text_of(name) {
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        Some(_) | None => None,
    };
    Some(Nic {
        key: device.text_of("key")?.parse().ok()?,
        label: label(device),
        nic_type: kind.strip_prefix("Virtual").unwrap_or(kind).to_ascii_lowercase(),
        backing: device.child("backing").map_or(Backing::Other, read_backing),
        mac: device.text_of("macAddress").map(str::to_ascii_lowercase),
        connected: device.child("connectable").and_then(|c| flag(c, "connected")),
    })
}

fn read_backing(backing: &Element<'_>) -> Backing {
    if let Some(key) = backing.child("port").and_then(|port| port.text_of("portgroupKey")) {
        return Backing::Portgroup(key.to_owned());
    }
    match (backing.child("network").and_then(MoRef::read), backing.text_of("deviceName")) {
        (None, None) => Backing::Other,
        (id, name) => Backing::Network { id, name: name.map(str::to_owned) },
    }
}

/// `None` for a device that is no virtual disk.
pub(super) fn read_disk(device: &Element<'_>) -> Option<DiskSighting> {
    if device.xsi_type.as_deref() != Some("VirtualDisk") {
        return None;
    }
    let number = |name: &str| device.text_of(name).and_then(|n| n.parse::<u64>().ok());
    let backing = device.child("backing");
    Some(DiskSighting {
        key: device.text_of("key")?.parse().ok()?,
        label: label(device),
        // capacityInKB is the older of the two and loses what is below one KiB.
        capacity_mib: match number("capacityInBytes") {
            Some(bytes) => bytes / (1024 * 1024),
            None => number("capacityInKB")? / 1024,
        },
        thin: backing.and_then(|b| b.text_of("thinProvisioned")).map(|t| matches!(t, "true" | "1")),
        file: backing.and_then(|b| b.text_of("fileName")).map(str::to_owned),
        base_file: backing.and_then(base_file),
    })
}

/// The file at the end of the chain of parents, which snapshots make longer.
fn base_file(backing: &Element<'_>) -> Option<String> {
    let chain = std::iter::successors(Some(backing), |one| one.child("parent"));
    chain.take(BACKINGS_MAX).last()?.text_of("fileName").map(str::to_owned)
}

fn label(device: &Element<'_>) -> String {
    device.child("deviceInfo").and_then(|info| info.text_of("label")).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_adapter_on_a_standard_network_takes_the_name_the_network_has_now() {
        let text = r#"<d x:type="v:VirtualVmxnet3"><key>4000</key><deviceInfo><label>Network adapter 1</label></deviceInfo>
            <backing x:type="VirtualEthernetCardNetworkBackingInfo"><deviceName>old</deviceName><network type="Network">network-7</network></backing>
            <connectable><connected>true</connected></connectable><addressType>assigned</addressType><macAddress>00:50:56:AB:00:01</macAddress></d>"#;
        let device = Element::parse(text).unwrap();
        let mut tree = Tree::default();
        tree.add(&MoRef::new("Network", "network-7"), "new", None);
        let nic = read_nic(&device).unwrap().sighting(&tree);
        assert_eq!((nic.nic_type.as_str(), nic.network.as_deref()), ("vmxnet3", Some("new")));
        assert_eq!((nic.mac.as_deref(), nic.connected), (Some("00:50:56:ab:00:01"), Some(true)));
        let unknown = read_nic(&device).unwrap().sighting(&Tree::default());
        assert_eq!(unknown.network.as_deref(), Some("old"));
    }

    #[test]
    fn a_disk_without_bytes_is_measured_in_kib_and_rounded_down() {
        let text = r#"<d x:type="VirtualDisk"><key>2000</key><capacityInKB>2047</capacityInKB></d>"#;
        let disk = read_disk(&Element::parse(text).unwrap()).unwrap();
        assert_eq!((disk.capacity_mib, disk.thin, disk.file), (1, None, None));
    }

    #[test]
    fn a_disk_with_snapshots_tells_the_file_that_it_began_with() {
        let disk = |chain: &str| {
            let text = format!(
                "<d x:type=\"VirtualDisk\"><key>2000</key><capacityInKB>1024</capacityInKB>{chain}</d>"
            );
            read_disk(&Element::parse(&text).unwrap()).unwrap()
        };
        let seen = disk(
            "<backing><fileName>[ds] a/a-2.vmdk</fileName><parent><fileName>[ds] a/a-1.vmdk</fileName>\
             <parent><fileName>[ds] a/a.vmdk</fileName></parent></parent></backing>",
        );
        assert_eq!(seen.file.as_deref(), Some("[ds] a/a-2.vmdk"));
        assert_eq!(seen.base_file.as_deref(), Some("[ds] a/a.vmdk"));
        let plain = disk("<backing><fileName>[ds] a/a.vmdk</fileName></backing>");
        assert_eq!(plain.base_file, plain.file);
        assert_eq!(disk("").base_file, None);
    }

    #[test]
    fn other_devices_are_neither() {
        let text = r#"<d x:type="VirtualCdrom"><key>3000</key><connectable><connected>true</connected></connectable></d>"#;
        let device = Element::parse(text).unwrap();
        assert!(read_nic(&device).is_none() && read_disk(&device).is_none());
    }
}
