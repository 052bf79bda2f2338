//! The inventory tree by name: where an object hangs, and what a catalog may name.
//!
//! Names are given as people see them: vCenter writes `/`, `\` and `%` inside a name as `%2f`, `%5c`
//! and `%25`, and they are turned back here. In folder paths the parts stay as vCenter writes them,
//! because there a `/` separates. Opaque networks (NSX before vSphere 8) are not resolved for adapters.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::errors::VcenterError;
use super::properties::Wanted;
use super::session::Channel;
use super::soap::MoRef;

/// Kinds that the tree is made of.
const TREE_KINDS: [&str; 6] =
    ["Datacenter", "Folder", "ComputeResource", "HostSystem", "Datastore", "Network"];

/// Parents above parents: a longer chain is taken for a loop.
const ANCESTORS_MAX: usize = 64;

/// What one vCenter offers, by name. Everything is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct InventoryNames {
    pub datacenters: Vec<DatacenterNames>,
}

/// What one data centre offers, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DatacenterNames {
    pub name: String,
    pub clusters: BTreeSet<String>,
    /// Compute resources that are one ESXi host each.
    pub standalone_hosts: BTreeSet<String>,
    pub datastores: BTreeSet<String>,
    /// Standard networks and distributed port groups, uplink groups included.
    pub networks: BTreeSet<String>,
    /// Paths below the `vm` folder, without the root itself.
    pub vm_folders: BTreeSet<String>,
    pub templates: BTreeSet<TemplateName>,
}

/// A VM template and where it lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TemplateName {
    pub name: String,
    /// Path below the `vm` folder; empty for the root.
    pub folder: String,
}

/// Names and parents of everything but VMs.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// Names of the custom attributes by their keys, once they were asked for.
    pub custom_fields: BTreeMap<String, String>,
}

#[derive(Debug)]
struct Node {
    kind: String,
    /// As vCenter writes it.
    name: String,
    parent: Option<String>,
}

impl Tree {
    pub async fn read(channel: &Channel) -> Result<Self, VcenterError> {
        let mut tree = Self::default();
        let wanted = [Wanted { kind: "ManagedEntity", paths: &["name", "parent"] }];
        channel
            .sweep(&TREE_KINDS, &wanted, &mut |object| {
                tree.add(
                    &object.reference,
                    object.text("name").unwrap_or_default(),
                    object.reference_at("parent").map(|parent| parent.id),
                );
            })
            .await?;
        Ok(tree)
    }

    /// The tree, and what the custom attributes are called: what it takes to make a sighting of a VM.
    pub async fn read_with_fields(channel: &Channel) -> Result<Self, VcenterError> {
        let mut tree = Self::read(channel).await?;
        tree.custom_fields = custom_fields(channel).await?;
        Ok(tree)
    }

    /// Only what `wanted` hangs in, level by level up to the root, and the custom attributes. For a few VMs that is a
    /// few calls, where the whole tree of a large vCenter is dozens of pages.
    pub async fn around(channel: &Channel, wanted: BTreeSet<MoRef>) -> Result<Self, VcenterError> {
        let mut tree = Self::default();
        let mut next = wanted;
        let properties = [Wanted { kind: "ManagedEntity", paths: &["name", "parent"] }];
        for _ in 0..ANCESTORS_MAX {
            if next.is_empty() {
                break;
            }
            let asked: Vec<MoRef> = next.into_iter().collect();
            let mut parents = BTreeSet::new();
            channel
                .read_objects(&asked, &properties, &mut |object| {
                    let parent = object.reference_at("parent");
                    parents.extend(parent.clone());
                    let name = object.text("name").unwrap_or_default();
                    tree.add(&object.reference, name, parent.map(|parent| parent.id));
                })
                .await?;
            next = parents.into_iter().filter(|parent| !tree.nodes.contains_key(&parent.id)).collect();
        }
        tree.custom_fields = custom_fields(channel).await?;
        Ok(tree)
    }

    pub fn add(&mut self, reference: &MoRef, name: &str, parent: Option<String>) {
        let node = Node { kind: reference.kind.clone(), name: name.to_owned(), parent };
        self.nodes.insert(reference.id.clone(), node);
    }

    /// The name of an object as people see it.
    pub fn name(&self, id: &str) -> Option<String> {
        self.nodes.get(id).map(|node| unescaped(&node.name)).filter(|name| !name.is_empty())
    }

    /// The node itself and everything above it, nearest first.
    fn lineage<'t>(&'t self, id: &'t str) -> impl Iterator<Item = (&'t str, &'t Node)> {
        let first = self.nodes.get_key_value(id);
        std::iter::successors(first, |(_, node)| self.nodes.get_key_value(node.parent.as_deref()?))
            .map(|(id, node)| (id.as_str(), node))
            .take(ANCESTORS_MAX)
    }

    /// Name of the data centre that an object belongs to.
    pub fn datacenter(&self, id: &str) -> Option<String> {
        self.lineage(id).find(|(_, n)| n.kind == "Datacenter").map(|(_, n)| unescaped(&n.name))
    }

    /// Name of the cluster or stand-alone compute resource that a host belongs to.
    pub fn cluster(&self, host: &str) -> Option<String> {
        self.lineage(host).find(|(_, n)| is_compute(&n.kind)).map(|(_, n)| unescaped(&n.name))
    }

    /// Path of a VM folder below the root of its kind (`vm`), which itself is the empty path.
    pub fn folder_path(&self, folder: &str) -> String {
        let mut parts: Vec<&str> = self
            .lineage(folder)
            .take_while(|(_, node)| node.kind == "Folder" && !self.is_root_of_a_kind(node))
            .map(|(_, node)| node.name.as_str())
            .collect();
        parts.reverse();
        parts.join("/")
    }

    /// The folders `vm`, `host`, `datastore` and `network` hang directly below a data centre.
    fn is_root_of_a_kind(&self, node: &Node) -> bool {
        let parent = node.parent.as_deref().and_then(|id| self.nodes.get(id));
        node.kind == "Folder" && parent.is_some_and(|p| p.kind == "Datacenter")
    }

    /// Whether a folder lies below (and is not) the `vm` folder of its data centre.
    fn is_vm_folder(&self, id: &str) -> bool {
        let mut folders = self.lineage(id).take_while(|(_, n)| n.kind == "Folder");
        let root = folders.find(|(_, n)| self.is_root_of_a_kind(n));
        root.is_some_and(|(root_id, root)| root_id != id && root.name == "vm")
    }
}

/// Names of the custom attributes by key. A server without them has none, and neither has one that does not show them
/// to this user.
async fn custom_fields(channel: &Channel) -> Result<BTreeMap<String, String>, VcenterError> {
    let Some(manager) = channel.live.service.custom_fields_manager.clone() else {
        return Ok(BTreeMap::new());
    };
    let mut fields = BTreeMap::new();
    let wanted = [Wanted { kind: "CustomFieldsManager", paths: &["field"] }];
    channel
        .read_objects(&[manager], &wanted, &mut |object| {
            for (path, fault) in &object.missing {
                tracing::warn!(vcenter = %channel.vcenter(), path, %fault, "custom attributes stay without names");
            }
            let definitions = object.value("field").into_iter().flat_map(|list| list.children.iter());
            fields.extend(definitions.filter_map(|definition| {
                Some((definition.text_of("key")?.to_owned(), definition.text_of("name")?.to_owned()))
            }));
        })
        .await?;
    Ok(fields)
}

fn is_compute(kind: &str) -> bool {
    matches!(kind, "ComputeResource" | "ClusterComputeResource")
}

/// A name as people see it: `%2f`, `%5c` and `%25` turned back.
pub(super) fn unescaped(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        plain.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).map(str::to_ascii_lowercase);
        let character = match code.as_deref() {
            Some("2f") => Some('/'),
            Some("5c") => Some('\\'),
            Some("25") => Some('%'),
            Some(_) | None => None,
        };
        plain.push(character.unwrap_or('%'));
        rest = &rest[at + if character.is_some() { 3 } else { 1 }..];
    }
    plain.push_str(rest);
    plain
}

/// Reads [`InventoryNames`].
pub(super) async fn read_names(channel: Channel) -> Result<InventoryNames, VcenterError> {
    let tree = Tree::read(&channel).await?;
    let mut templates: Vec<(MoRef, String)> = Vec::new();
    let wanted = [Wanted { kind: "VirtualMachine", paths: &["name", "parent", "config.template"] }];
    channel
        .sweep(&["VirtualMachine"], &wanted, &mut |object| {
            let (parent, name) = (object.reference_at("parent"), object.text("name"));
            if let (Some("true" | "1"), Some(parent), Some(name)) =
                (object.text("config.template"), parent, name)
            {
                templates.push((parent, name.to_owned()));
            }
        })
        .await?;
    Ok(names(&tree, &templates))
}

fn names(tree: &Tree, templates: &[(MoRef, String)]) -> InventoryNames {
    let mut by_id: BTreeMap<&str, DatacenterNames> = BTreeMap::new();
    for (id, node) in &tree.nodes {
        let Some((datacenter, found)) = tree.lineage(id).find(|(_, n)| n.kind == "Datacenter") else {
            continue;
        };
        let names = by_id.entry(datacenter).or_default();
        names.name = unescaped(&found.name);
        let name = unescaped(&node.name);
        match node.kind.as_str() {
            "ClusterComputeResource" => names.clusters.insert(name),
            "ComputeResource" => names.standalone_hosts.insert(name),
            "Datastore" => names.datastores.insert(name),
            "Network" | "DistributedVirtualPortgroup" | "OpaqueNetwork" => names.networks.insert(name),
            "Folder" if tree.is_vm_folder(id) => names.vm_folders.insert(tree.folder_path(id)),
            _ => false,
        };
    }
    for (parent, name) in templates {
        let Some((datacenter, _)) = tree.lineage(&parent.id).find(|(_, n)| n.kind == "Datacenter") else {
            continue;
        };
        let template = TemplateName { name: unescaped(name), folder: tree.folder_path(&parent.id) };
        by_id.entry(datacenter).or_default().templates.insert(template);
    }
    let mut datacenters: Vec<DatacenterNames> = by_id.into_values().collect();
    datacenters.sort_by(|a, b| a.name.cmp(&b.name));
    InventoryNames { datacenters }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> Tree {
        let mut tree = Tree::default();
        for (kind, id, name, parent) in [
            ("Folder", "group-d1", "Datacenters", None),
            ("Folder", "group-d2", "F0", Some("group-d1")),
            ("Datacenter", "dc-1", "DC1", Some("group-d2")),
            ("Folder", "group-v1", "vm", Some("dc-1")),
            ("Folder", "group-v2", "Prod%2fWeb", Some("group-v1")),
            ("Folder", "group-v3", "blue", Some("group-v2")),
            ("Folder", "group-h1", "host", Some("dc-1")),
            ("ClusterComputeResource", "domain-c1", "C0", Some("group-h1")),
            ("HostSystem", "host-1", "esx1", Some("domain-c1")),
            ("Folder", "loop-1", "a", Some("loop-2")),
            ("Folder", "loop-2", "b", Some("loop-1")),
        ] {
            tree.add(&MoRef::new(kind, id), name, parent.map(str::to_owned));
        }
        tree
    }

    #[test]
    fn a_folder_path_starts_below_the_vm_folder_and_keeps_escaped_slashes() {
        assert_eq!(tree().folder_path("group-v1"), "");
        assert_eq!(tree().folder_path("group-v3"), "Prod%2fWeb/blue");
        assert_eq!(tree().folder_path("nowhere"), "");
    }

    #[test]
    fn hosts_and_folders_know_their_data_centre_and_cluster() {
        assert_eq!(tree().datacenter("group-v3").as_deref(), Some("DC1"));
        assert_eq!(tree().datacenter("host-1").as_deref(), Some("DC1"));
        assert_eq!(tree().cluster("host-1").as_deref(), Some("C0"));
        assert_eq!(tree().datacenter("group-d2"), None);
    }

    #[test]
    fn a_loop_of_parents_ends() {
        assert_eq!(tree().datacenter("loop-1"), None);
        assert_eq!(tree().folder_path("loop-1").split('/').count(), ANCESTORS_MAX);
    }

    #[test]
    fn names_are_turned_back_from_their_escaped_form() {
        assert_eq!(unescaped("VLAN 10%2f20"), "VLAN 10/20");
        assert_eq!(unescaped("a%5Cb%25c"), "a\\b%c");
        assert_eq!(unescaped("100%"), "100%");
        assert_eq!(unescaped("%é%2"), "%é%2");
    }

    #[test]
    fn names_are_grouped_by_data_centre() {
        let found = names(&tree(), &[(MoRef::new("Folder", "group-v3"), "rhel9".to_owned())]);
        assert_eq!(found.datacenters.len(), 1);
        let dc = &found.datacenters[0];
        assert_eq!(dc.name, "DC1");
        assert_eq!(dc.clusters, BTreeSet::from(["C0".to_owned()]));
        assert_eq!(dc.vm_folders, BTreeSet::from(["Prod%2fWeb".to_owned(), "Prod%2fWeb/blue".to_owned()]));
        let template = TemplateName { name: "rhel9".to_owned(), folder: "Prod%2fWeb/blue".to_owned() };
        assert_eq!(dc.templates, BTreeSet::from([template]));
    }
}
