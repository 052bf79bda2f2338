//! Virtual machines that are named by their ids, read whole: what a hint or an earlier read made worth a look.
//!
//! Three answers are kept apart, because what follows from them differs: the VM as it is, that it does not exist, and
//! that this user may not see it just now. Only a fault that names exactly this VM says that it does not exist. Servers
//! differ in how they tell it (in a list beside the others, by a fault for all, not at all), so whatever is not settled
//! by the common request is asked for alone.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use super::errors::VcenterError;
use super::inventory::Tree;
use super::properties::{Found, GONE, Object, Wanted};
use super::row::{DETAIL, Row, UidPath};
use super::session::Channel;
use super::soap::MoRef;
use super::vms::Unreadable;
use crate::vm_request::sighting::VmSighting;

/// Stands for a fault where vCenter gave neither a value nor a fault.
const NOT_TOLD: &str = "NotTold";

/// What became of VMs that were asked for by their ids. Each of them is in exactly one of the three lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VmReading {
    /// When the last answer arrived.
    pub read_at: Timestamp,
    /// Those that could be read whole, in the order of their managed object ids.
    pub vms: Vec<VmSighting>,
    /// Ids of those of which vCenter says that they do not exist (`ManagedObjectNotFound`), sorted.
    pub gone: Vec<String>,
    /// Those that may exist and cannot be read whole, property by property, e.g. because a right was lost
    /// (`NoPermission`). The fault is `NotTold` where vCenter answered nothing about a VM.
    pub unreadable: Vec<Unreadable>,
}

/// What one answer says of one VM.
#[derive(Debug)]
enum Verdict {
    Whole(Box<Row>),
    Gone,
    Unreadable(Vec<Unreadable>),
}

/// Reads the VMs with these ids.
pub(super) async fn read_these(channel: Channel, moids: BTreeSet<String>) -> Result<VmReading, VcenterError> {
    let mut verdicts = verdicts(&channel, &moids, channel.uid_path()).await;
    if matches!(&verdicts, Err(error) if error.is_fault("InvalidProperty"))
        && channel.uid_path() == UidPath::Keyed
    {
        channel.set_uid_path(UidPath::Whole);
        verdicts = self::verdicts(&channel, &moids, UidPath::Whole).await;
    }
    let verdicts = verdicts?;
    let whole = verdicts.values().filter_map(|verdict| match verdict {
        Verdict::Whole(row) => Some(row),
        Verdict::Gone | Verdict::Unreadable(_) => None,
    });
    let places: BTreeSet<MoRef> = whole.flat_map(|row| row.places()).collect();
    let tree = if places.is_empty() { Tree::default() } else { Tree::around(&channel, places).await? };
    let mut reading = VmReading {
        read_at: channel.shared.clock.now(),
        vms: Vec::new(),
        gone: Vec::new(),
        unreadable: Vec::new(),
    };
    for (moid, verdict) in verdicts {
        match verdict {
            Verdict::Whole(row) => reading.vms.extend(row.sighting(&tree)),
            Verdict::Gone => reading.gone.push(moid),
            Verdict::Unreadable(properties) => reading.unreadable.extend(properties),
        }
    }
    Ok(reading)
}

/// One verdict for each of `moids`.
async fn verdicts(
    channel: &Channel,
    moids: &BTreeSet<String>,
    uid_path: UidPath,
) -> Result<BTreeMap<String, Verdict>, VcenterError> {
    let mut paths = DETAIL.to_vec();
    paths.push(uid_path.property());
    let wanted = [Wanted { kind: "VirtualMachine", paths: &paths }];
    let page = usize::try_from(channel.shared.page_objects_max).unwrap_or(usize::MAX);
    let clock = &channel.shared.clock;
    let mut verdicts = BTreeMap::new();
    let references: Vec<MoRef> = moids.iter().map(|moid| MoRef::new("VirtualMachine", moid)).collect();
    for chunk in references.chunks(page.max(1)) {
        let outcome = channel
            .read_named(chunk, &wanted, &mut |found| match found {
                // An object that vanished while it was read is asked for again, alone.
                Found::Object(object) if object.missing.iter().any(|(_, fault)| fault == GONE) => {}
                Found::Object(object) => {
                    verdicts.insert(object.reference.id.clone(), judged(object, clock.now()));
                }
                Found::Missing(vm, fault) if fault == GONE => {
                    verdicts.insert(vm.id, Verdict::Gone);
                }
                Found::Missing(vm, fault) => {
                    verdicts.insert(vm.id.clone(), unreadable(&vm.id, &fault));
                }
            })
            .await;
        match outcome {
            Ok(()) => {}
            // One of them spoils the request for all.
            Err(error) if error.is_fault(GONE) || error.is_fault("NoPermission") => {}
            Err(error) => return Err(error),
        }
        for vm in chunk {
            if !verdicts.contains_key(&vm.id) {
                verdicts.insert(vm.id.clone(), alone(channel, vm, &wanted).await?);
            }
        }
    }
    verdicts.retain(|moid, _| moids.contains(moid));
    Ok(verdicts)
}

/// The verdict on one VM that an answer about several did not settle.
async fn alone(channel: &Channel, vm: &MoRef, wanted: &[Wanted<'_>]) -> Result<Verdict, VcenterError> {
    let now = channel.shared.clock.now();
    let mut verdict = None;
    let gone = channel
        .is_gone(vm, wanted, &mut |found| match found {
            Found::Object(object) if object.reference.id != vm.id => {}
            Found::Object(object) if object.says_gone => verdict = Some(Verdict::Gone),
            Found::Object(object) => verdict = Some(judged(object, now)),
            Found::Missing(missing, fault) if missing.id == vm.id => {
                verdict = Some(if fault == GONE { Verdict::Gone } else { unreadable(&vm.id, &fault) });
            }
            Found::Missing(..) => {}
        })
        .await;
    match gone {
        Ok(true) => Ok(Verdict::Gone),
        Ok(false) => Ok(verdict.unwrap_or_else(|| unreadable(&vm.id, NOT_TOLD))),
        Err(VcenterError::Fault { kind, .. }) if kind == GONE || kind == "NoPermission" => {
            Ok(unreadable(&vm.id, &kind))
        }
        Err(error) => Err(error),
    }
}

/// A VM as an answer shows it: whole, unless a value is withheld. A property that this server does not know
/// (`InvalidProperty`) is unset.
fn judged(object: &Object<'_, '_>, seen_at: Timestamp) -> Verdict {
    let moid = &object.reference.id;
    let withheld: Vec<Unreadable> = (object.missing.iter())
        .filter(|(path, fault)| fault != "InvalidProperty" || *path == "name")
        .map(|(path, fault)| Unreadable {
            moid: moid.clone(),
            property: (*path).to_owned(),
            fault: fault.clone(),
        })
        .collect();
    if !withheld.is_empty() {
        return Verdict::Unreadable(withheld);
    }
    let row = Row::read(object, seen_at);
    if row.name.is_none() { unreadable(moid, NOT_TOLD) } else { Verdict::Whole(Box::new(row)) }
}

fn unreadable(moid: &str, fault: &str) -> Verdict {
    let name = Unreadable { moid: moid.to_owned(), property: "name".to_owned(), fault: fault.to_owned() };
    Verdict::Unreadable(vec![name])
}
