//! Property paths: from a managed object and a path such as `config.extraConfig["key"].value` to a value. What
//! each type has is in the files beside this one.
//!
//! A property that the type has and that is not set is [`Val::Unset`]; one that it does not have is `None` and
//! becomes an `InvalidProperty` fault. Only what the lab models is known: a real vCenter knows more.

mod entity;
mod managers;
mod resources;
mod task;
mod vm;
mod vm_devices;
mod vm_snapshots;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

pub(super) use managers::service_content;

use super::session::{ContainerView, Session};
use super::value::{Ref, Val};
use crate::lab::vsphere::{Kind, Moid, Vm, Vsphere};

/// What properties are read from: the model at one instant, as one session sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene<'a> {
    pub(super) vsphere: &'a Vsphere,
    pub(super) session: Option<&'a Session>,
    pub(super) now: Timestamp,
    /// Whether unset enumerations are written as empty elements (vcenter.md A6).
    pub(super) blank_enums: bool,
    /// What nobody may see.
    pub(super) hidden: &'a BTreeSet<Moid>,
}

impl Scene<'_> {
    /// Whether `target` is there.
    pub(super) fn exists(&self, target: &Ref) -> bool {
        target.moid().map_or_else(|| self.has_manager(target), |moid| self.vsphere.exists(moid))
    }

    /// The value at `path`; `None` when the type has no such property.
    pub(super) fn path(&self, target: &Ref, path: &str) -> Option<Val> {
        self.reader(target).path(path)
    }

    /// Reads several paths of one object and builds each of its properties once.
    pub(super) fn reader<'a>(&'a self, target: &'a Ref) -> Reader<'a> {
        Reader { scene: self, target, built: BTreeMap::new() }
    }

    /// All properties that are set, in the type's order.
    pub(super) fn all(&self, target: &Ref) -> Vec<(String, Val)> {
        let value = |name: &&str| {
            let value = self.property(target, name).filter(|value| *value != Val::Unset)?;
            Some(((*name).to_owned(), value))
        };
        self.names(target).iter().filter_map(value).collect()
    }

    fn property(&self, target: &Ref, name: &str) -> Option<Val> {
        let Some(moid) = target.moid() else { return self.manager_property(target, name) };
        match moid.kind() {
            Kind::VirtualMachine => self.vm_property(moid, name),
            Kind::Task => self.task_property(moid, name),
            Kind::RootFolder | Kind::VmFolder | Kind::HostFolder => self.folder_property(moid, name),
            Kind::DatastoreFolder | Kind::NetworkFolder => self.folder_property(moid, name),
            Kind::Datacenter => self.datacenter_property(moid, name),
            Kind::Cluster => self.cluster_property(moid, name),
            Kind::Host => self.host_property(moid, name),
            Kind::ResourcePool => self.pool_property(moid, name),
            Kind::Datastore => self.datastore_property(moid, name),
            Kind::Network | Kind::PortGroup => self.network_property(moid, name),
        }
    }

    pub(super) fn names(&self, target: &Ref) -> Vec<&'static str> {
        let own: &[&str] = match target.moid().map(Moid::kind) {
            None => return self.manager_names(target),
            Some(Kind::Task) => return task::NAMES.to_vec(),
            Some(Kind::VirtualMachine) => &vm::NAMES,
            Some(Kind::RootFolder | Kind::VmFolder | Kind::HostFolder) => &entity::FOLDER_NAMES,
            Some(Kind::DatastoreFolder | Kind::NetworkFolder) => &entity::FOLDER_NAMES,
            Some(Kind::Datacenter) => &entity::DATACENTER_NAMES,
            Some(Kind::Cluster) => &resources::CLUSTER_NAMES,
            Some(Kind::Host) => &resources::HOST_NAMES,
            Some(Kind::ResourcePool) => &resources::POOL_NAMES,
            Some(Kind::Datastore) => &resources::DATASTORE_NAMES,
            Some(Kind::Network) => &resources::NETWORK_NAMES,
            Some(Kind::PortGroup) => &resources::PORT_GROUP_NAMES,
        };
        entity::NAMES.iter().chain(own).copied().collect()
    }

    /// What a view shows now.
    pub(super) fn view_members(&self, view: &ContainerView) -> Vec<Moid> {
        let Some(container) = view.container.moid() else { return Vec::new() };
        let mut found = BTreeSet::new();
        let mut open = vec![container];
        while let Some(at) = open.pop() {
            for child in self.inside(at) {
                if found.insert(child) && view.recursive {
                    open.push(child);
                }
            }
        }
        let fits = |moid: &Moid| {
            view.types.is_empty() || view.types.iter().any(|wanted| is_a(moid.kind().type_name(), wanted))
        };
        found.into_iter().filter(fits).collect()
    }

    /// The machines that the caller may see.
    pub(super) fn seen_vms(&self) -> impl Iterator<Item = &Vm> {
        self.vsphere.vms().filter(|vm| !self.hidden.contains(&vm.moid))
    }

    /// What `at` holds, without what the caller may not see.
    pub(super) fn seen_children(&self, at: Moid) -> Vec<Moid> {
        let mut children = self.vsphere.children_of(at);
        children.retain(|child| !self.hidden.contains(child));
        children
    }

    /// What a container holds: its children, its four folders, or the machines that run in it.
    fn inside(&self, at: Moid) -> Vec<Moid> {
        if matches!(at.kind(), Kind::ResourcePool | Kind::Host) {
            let runs_here = |vm: &&Vm| vm.resource_pool == Some(at) || vm.host == at;
            return self.seen_vms().filter(runs_here).map(|vm| vm.moid).collect();
        }
        self.seen_children(at)
    }
}

/// One object whose paths are being read.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    scene: &'a Scene<'a>,
    target: &'a Ref,
    built: BTreeMap<String, Option<Val>>,
}

impl Reader<'_> {
    /// As [`Scene::path`].
    pub(super) fn path(&mut self, path: &str) -> Option<Val> {
        let steps = steps(path)?;
        let (first, rest) = steps.split_first()?;
        if !self.built.contains_key(first.name) {
            let value = self.scene.property(self.target, first.name);
            self.built.insert(first.name.to_owned(), value);
        }
        let whole = self.built.get(first.name)?.as_ref()?;
        let start = pick(whole, first.key.as_ref())?;
        let found = rest.iter().try_fold(start, |value, step| {
            if let Val::Struct(one) = value {
                return pick(one.field(step.name)?, step.key.as_ref());
            }
            (*value == Val::Unset).then_some(value)
        });
        // A field declared `anyType` is asked for by its value.
        let found = found?;
        if let Val::Any(inner) = found { Some(inner.as_ref().clone()) } else { Some(found.clone()) }
    }
}

/// Whether an object of type `actual` is a `wanted`, itself or by inheritance.
pub(super) fn is_a(actual: &str, wanted: &str) -> bool {
    if actual == wanted {
        return true;
    }
    match wanted {
        "ManagedEntity" => matches!(
            actual,
            "Folder"
                | "Datacenter"
                | "ClusterComputeResource"
                | "HostSystem"
                | "ResourcePool"
                | "Datastore"
                | "Network"
                | "DistributedVirtualPortgroup"
                | "VirtualMachine"
        ),
        "ComputeResource" => actual == "ClusterComputeResource",
        "Network" => actual == "DistributedVirtualPortgroup",
        "ManagedObject" => true,
        _ => false,
    }
}

/// One step of a property path.
#[derive(Debug, PartialEq, Eq)]
struct Step<'a> {
    name: &'a str,
    key: Option<Key<'a>>,
}

/// What picks an element out of an array: its `key` field.
#[derive(Debug, PartialEq, Eq)]
enum Key<'a> {
    Text(&'a str),
    Number(i32),
}

/// The steps of a path; `None` when it is malformed. A dot inside a quoted key is part of the key.
fn steps(path: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        if name.is_empty() {
            return None;
        }
        let (key, after) = match after.strip_prefix('[') {
            None => (None, after),
            Some(inner) => {
                let (key, after) = key(inner)?;
                (Some(key), after)
            }
        };
        steps.push(Step { name, key });
        if after.is_empty() {
            return Some(steps);
        }
        rest = after.strip_prefix('.')?;
    }
}

/// The key at the start of `inner`, and what follows its bracket.
fn key(inner: &str) -> Option<(Key<'_>, &str)> {
    if let Some(quoted) = inner.strip_prefix('"') {
        let (text, after) = quoted.split_once("\"]")?;
        return Some((Key::Text(text), after));
    }
    let (number, after) = inner.split_once(']')?;
    Some((Key::Number(number.parse().ok()?), after))
}

/// The element of an array that has `key`; the value itself when there is no key.
fn pick<'a>(value: &'a Val, key: Option<&Key<'_>>) -> Option<&'a Val> {
    let Some(key) = key else { return Some(value) };
    let wanted = match key {
        Key::Text(text) => Val::text(*text),
        Key::Number(number) => Val::Int(*number),
    };
    if let Val::List(_, items) = value {
        let has_key = |item: &&Val| matches!(item, Val::Struct(one) if one.field("key") == Some(&wanted));
        return Some(items.iter().find(has_key).unwrap_or(&Val::Unset));
    }
    (*value == Val::Unset).then_some(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_dot_inside_a_quoted_key_belongs_to_the_key() {
        let found = steps("config.extraConfig[\"guestinfo.causeway.vm_uid\"].value").unwrap();
        assert_eq!(found[0], Step { name: "config", key: None });
        assert_eq!(found[1], Step { name: "extraConfig", key: Some(Key::Text("guestinfo.causeway.vm_uid")) });
        assert_eq!(found[2].name, "value");
        assert_eq!(steps("config.hardware.device[4000]").unwrap()[2].key, Some(Key::Number(4000)));
    }

    #[test]
    fn malformed_paths_are_no_paths() {
        for path in ["", ".", "a.", ".a", "a[", "a[\"x]", "a[x]", "a[1]b"] {
            assert!(steps(path).is_none(), "{path}");
        }
    }
}
