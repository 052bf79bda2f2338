//! Virtual machines: from the property collector's values to [`VmSighting`], all of them or those that
//! a search fits.
//!
//! How `vm_uid` is found. It lies in `config.extraConfig`, a list that is long on a real vCenter. The
//! property collector can be asked for one entry by key (`config.extraConfig["…"]`, which answers an
//! `OptionValue`); govmomi's simulator 0.46.3 and later serve this (0.37.3 does not), and vm-operator
//! relies on it against vCenter, but the reference does not promise it. So it is not assumed: the first sweep
//! of each session reads the whole list, then asks one VM both ways, and only when the answers agree
//! do later sweeps of that session use the key ([`UidPath`]). What a search returns is always read again with
//! the whole list.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;

use super::errors::VcenterError;
use super::inventory::Tree;
use super::properties::{Object, Wanted};
use super::row::{DETAIL, EXTRA_CONFIG, Row, UidPath, keyed_path};
use super::session::Channel;
use super::soap::MoRef;
use crate::vm_request::sighting::VmSighting;

/// All VMs of one vCenter at about one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VmListing {
    /// When the last page arrived.
    pub read_at: Timestamp,
    /// In the order of their managed object ids.
    pub vms: Vec<VmSighting>,
    /// What could not be read, VM by VM.
    pub unreadable: Vec<Unreadable>,
    /// True when the name of every VM could be read: only then does a VM that is not in `vms` not exist
    /// (as far as this user may see).
    pub complete: bool,
}

/// A property of a VM that vCenter would not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// Managed object id, e.g. `vm-199`.
    pub moid: String,
    /// Path of the property, e.g. `config.uuid`.
    pub property: String,
    /// Type of the fault, e.g. `NoPermission`.
    pub fault: String,
}

/// Which VMs to find. A VM fits when any of the identities does; `folder` and `datacenter` narrow
/// `name` only, because the other identities hold wherever the VM is.
#[derive(Debug, Clone, Copy, Default)]
pub struct VmQuery<'q> {
    /// The identity that the bridge gave.
    pub vm_uid: Option<&'q str>,
    pub instance_uuid: Option<&'q str>,
    /// Managed object id. It is given anew when a VM is registered again.
    pub moid: Option<&'q str>,
    /// Exact name.
    pub name: Option<&'q str>,
    /// Path below the `vm` folder; empty for the root.
    pub folder: Option<&'q str>,
    pub datacenter: Option<&'q str>,
    /// Addresses of which VMware Tools report one as the guest's first.
    pub ip_addresses: &'q [IpAddr],
}

/// A [`VmQuery`] that owns its words.
#[derive(Debug, Clone)]
pub(super) struct Search {
    vm_uid: Option<String>,
    instance_uuid: Option<String>,
    moid: Option<String>,
    name: Option<String>,
    folder: Option<String>,
    datacenter: Option<String>,
    ip_addresses: Vec<IpAddr>,
}

impl From<&VmQuery<'_>> for Search {
    fn from(query: &VmQuery<'_>) -> Self {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Self {
            vm_uid: owned(query.vm_uid),
            instance_uuid: owned(query.instance_uuid),
            moid: owned(query.moid),
            name: owned(query.name),
            folder: owned(query.folder),
            datacenter: owned(query.datacenter),
            ip_addresses: query.ip_addresses.to_vec(),
        }
    }
}

impl Search {
    /// Whether `seen` fits as far as a row without its place tells.
    fn may_fit(&self, seen: &Row) -> bool {
        self.fits_identity(&seen.reference.id, seen.instance_uuid.as_deref(), seen.vm_uid.as_deref())
            || self.fits_address(seen.ip_address.as_deref().and_then(|text| text.trim().parse().ok()))
            || self.name.as_deref().is_some_and(|name| seen.name.as_deref() == Some(name))
    }

    fn fits(&self, seen: &VmSighting) -> bool {
        let in_place = self.folder.as_deref().is_none_or(|folder| seen.folder == folder)
            && self.datacenter.as_deref().is_none_or(|dc| seen.datacenter.as_deref() == Some(dc));
        self.fits_identity(&seen.moid, seen.instance_uuid.as_deref(), seen.vm_uid.as_deref())
            || self.fits_address(seen.guest_address())
            || (in_place && self.name.as_deref() == Some(&seen.name))
    }

    fn fits_address(&self, seen: Option<IpAddr>) -> bool {
        seen.is_some_and(|seen| self.ip_addresses.contains(&seen))
    }

    /// What a sweep has to read to tell which VMs may fit.
    fn paths(&self) -> Vec<&'static str> {
        let mut paths = vec!["name", "config.instanceUuid"];
        if !self.ip_addresses.is_empty() {
            paths.push("guest.ipAddress");
        }
        paths
    }

    fn fits_identity(&self, moid: &str, instance_uuid: Option<&str>, vm_uid: Option<&str>) -> bool {
        self.moid.as_deref() == Some(moid)
            || same_uuid(self.instance_uuid.as_deref(), instance_uuid)
            || same_uuid(self.vm_uid.as_deref(), vm_uid)
    }
}

fn same_uuid(wanted: Option<&str>, seen: Option<&str>) -> bool {
    matches!((wanted, seen), (Some(wanted), Some(seen)) if wanted.eq_ignore_ascii_case(seen.trim()))
}

/// Reads every VM whole.
pub(super) async fn read_all(channel: Channel) -> Result<VmListing, VcenterError> {
    let tree = Tree::read_with_fields(&channel).await?;
    let swept = sweep(&channel, &DETAIL).await?;
    let mut vms: Vec<VmSighting> = swept.rows.into_iter().filter_map(|row| row.sighting(&tree)).collect();
    vms.sort_by(|a, b| a.moid.cmp(&b.moid));
    Ok(VmListing {
        read_at: channel.shared.clock.now(),
        vms,
        complete: swept.nameless.is_empty(),
        unreadable: swept.unreadable,
    })
}

/// Reads the VMs that `wanted` fits: a sweep of names and identities, then the few candidates whole.
pub(super) async fn find(channel: Channel, wanted: Search) -> Result<Vec<VmSighting>, VcenterError> {
    let swept = sweep(&channel, &wanted.paths()).await?;
    if let Some(example) = swept.nameless.first() {
        return Err(VcenterError::Incomplete {
            vcenter: channel.vcenter().to_owned(),
            unreadable: swept.nameless.len(),
            example: example.clone(),
        });
    }
    let candidates: Vec<MoRef> =
        swept.rows.into_iter().filter(|row| wanted.may_fit(row)).map(|row| row.reference).collect();
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let tree = Tree::read_with_fields(&channel).await?;
    let mut found = read_whole(&channel, &candidates, &tree).await?;
    found.retain(|seen| wanted.fits(seen));
    found.sort_by(|a, b| a.moid.cmp(&b.moid));
    Ok(found)
}

/// What a sweep over all VMs brought.
#[derive(Debug, Default)]
struct Swept {
    rows: Vec<Row>,
    unreadable: Vec<Unreadable>,
    /// Ids of VMs that are there but would not tell their name.
    nameless: Vec<String>,
}

impl Swept {
    fn add(&mut self, object: &Object<'_, '_>, seen_at: Timestamp) {
        let moid = &object.reference.id;
        for (path, fault) in &object.missing {
            // How a server may say that the list has no such entry: most VMs are not ours.
            if *path == UidPath::Keyed.property() && fault == "InvalidProperty" {
                continue;
            }
            self.unreadable.push(Unreadable {
                moid: moid.clone(),
                property: (*path).to_owned(),
                fault: fault.clone(),
            });
        }
        let row = Row::read(object, seen_at);
        if row.name.is_some() {
            self.rows.push(row);
        } else if !object.missing.iter().any(|(_, fault)| fault == "ManagedObjectNotFound") {
            self.nameless.push(moid.clone());
        }
    }
}

/// Reads `paths` and `vm_uid` of every VM, and finds out how to do that when the session does not know.
async fn sweep(channel: &Channel, paths: &[&str]) -> Result<Swept, VcenterError> {
    let uid_path = channel.uid_path();
    let mut swept = sweep_by(channel, paths, uid_path).await;
    if matches!(&swept, Err(error) if uid_path == UidPath::Keyed && error.is_fault("InvalidProperty")) {
        channel.set_uid_path(UidPath::Whole);
        swept = sweep_by(channel, paths, UidPath::Whole).await;
    }
    let swept = swept?;
    if uid_path == UidPath::Unknown {
        let sample = swept.rows.iter().find_map(|row| Some((&row.reference, row.sample.as_ref()?)));
        if let Some((vm, (key, value))) = sample {
            let answers = keyed_path_answers(channel, vm, key, value).await?;
            channel.set_uid_path(if answers { UidPath::Keyed } else { UidPath::Whole });
        }
    }
    Ok(swept)
}

async fn sweep_by(channel: &Channel, paths: &[&str], uid_path: UidPath) -> Result<Swept, VcenterError> {
    let mut all: Vec<&str> = paths.to_vec();
    all.push(uid_path.property());
    let wanted = [Wanted { kind: "VirtualMachine", paths: &all }];
    let mut swept = Swept::default();
    let clock = &channel.shared.clock;
    channel.sweep(&["VirtualMachine"], &wanted, &mut |object| swept.add(object, clock.now())).await?;
    Ok(swept)
}

/// Asks one VM for an entry that it has and for one that no VM has.
async fn keyed_path_answers(
    channel: &Channel,
    vm: &MoRef,
    key: &str,
    value: &str,
) -> Result<bool, VcenterError> {
    let (present, absent) = (keyed_path(key), keyed_path("guestinfo.causeway.no_such_key"));
    let wanted = [Wanted { kind: "VirtualMachine", paths: &[&present, &absent] }];
    let mut agrees = false;
    let outcome = channel
        .read_objects(std::slice::from_ref(vm), &wanted, &mut |object| {
            let seen = object.value(&present).and_then(|entry| entry.text_of("value"));
            let invented = object.value(&absent).and_then(|entry| entry.text_of("value"));
            agrees = seen == Some(value) && invented.is_none();
        })
        .await;
    match outcome {
        Ok(()) => Ok(agrees),
        // It is an answer, too: this vCenter does not know such paths.
        Err(VcenterError::Fault { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn read_whole(channel: &Channel, vms: &[MoRef], tree: &Tree) -> Result<Vec<VmSighting>, VcenterError> {
    let mut all = DETAIL.to_vec();
    all.push(EXTRA_CONFIG);
    let wanted = [Wanted { kind: "VirtualMachine", paths: &all }];
    let clock = &channel.shared.clock;
    let mut found = Vec::new();
    channel
        .read_objects(vms, &wanted, &mut |object| {
            found.extend(Row::read(object, clock.now()).sighting(tree));
        })
        .await?;
    Ok(found)
}
