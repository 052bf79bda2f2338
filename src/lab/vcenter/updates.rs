//! The property collector's watching half: what has changed since its owner was last told. Shapes: recordings
//! 24 to 29 and 66 to 73.
//!
//! Unlike vcsim, every change of a watched property is told, custom values included (vcenter.md A5 lists what
//! vcsim swallows); like a real vCenter, an object enters once.

use std::collections::{BTreeMap, BTreeSet};

use super::properties::Scene;
use super::session::{Collector, Filter};
use super::value::{Ref, Val};
use crate::lab::vsphere::Fault;

/// Objects told in one answer unless the caller wants fewer.
const OBJECTS_MAX: usize = 10_000;

/// What is new for the owner of `collector`, as an `UpdateSet`; `None` when nothing is. What is returned counts
/// as told. `objects_max` cuts the answer, which then says that it is truncated.
///
/// # Errors
/// As for selecting.
pub(super) fn pending(
    scene: &Scene<'_>,
    collector: &mut Collector,
    objects_max: Option<usize>,
) -> Result<Option<Val>, Fault> {
    let mut room = objects_max.filter(|max| *max > 0).unwrap_or(OBJECTS_MAX);
    let mut sets = Vec::new();
    let mut truncated = false;
    for (id, filter) in &mut collector.filters {
        let (updates, more) = filter_updates(scene, filter, room)?;
        room -= updates.len();
        truncated |= more;
        if !updates.is_empty() {
            let fields = vec![
                ("filter", Val::Ref(Ref::new("PropertyFilter", id))),
                ("objectSet", Val::List("ObjectUpdate", updates)),
            ];
            sets.push(Val::of("PropertyFilterUpdate", fields));
        }
    }
    if sets.is_empty() {
        return Ok(None);
    }
    collector.version += 1;
    let fields = vec![
        ("version", Val::Text(collector.version.to_string())),
        ("filterSet", Val::List("PropertyFilterUpdate", sets)),
        ("truncated", Val::maybe(Some(true).filter(|_| truncated), Val::Bool)),
    ];
    Ok(Some(Val::of("UpdateSet", fields)))
}

/// The updates of one filter, at most `room`, and whether there are more.
fn filter_updates(scene: &Scene<'_>, filter: &mut Filter, room: usize) -> Result<(Vec<Val>, bool), Fault> {
    let selected = match scene.select(&filter.spec) {
        Ok(selected) => selected.objects,
        // The object that was watched is gone: it leaves.
        Err(Fault::ManagedObjectNotFound { .. }) if !filter.told.is_empty() => Vec::new(),
        Err(fault) => return Err(fault),
    };
    let mut updates = Vec::new();
    let here: BTreeSet<&Ref> = selected.iter().collect();
    let gone: Vec<Ref> = filter.told.keys().filter(|one| !here.contains(one)).cloned().collect();
    for object in gone {
        if updates.len() >= room {
            return Ok((updates, true));
        }
        filter.told.remove(&object);
        updates.push(update("leave", &object, Vec::new(), Vec::new()));
    }
    for object in &selected {
        let content = scene.content(&filter.spec, object);
        let now: BTreeMap<String, Val> = content.set.into_iter().collect();
        let before = filter.told.get(object);
        let kind = if before.is_none() { "enter" } else { "modify" };
        let changes = changes(before, &now);
        if before.is_some() && changes.is_empty() {
            continue;
        }
        if updates.len() >= room {
            return Ok((updates, true));
        }
        updates.push(update(kind, object, changes, content.missing));
        filter.told.insert(object.clone(), now);
    }
    Ok((updates, false))
}

fn changes(before: Option<&BTreeMap<String, Val>>, now: &BTreeMap<String, Val>) -> Vec<Val> {
    let change = |name: &str, value: Option<&Val>| {
        let fields = vec![
            ("name", Val::text(name)),
            ("op", Val::Word("PropertyChangeOp", "assign".to_owned())),
            ("val", Val::maybe(value, |value| Val::any(value.clone()))),
        ];
        Val::of("PropertyChange", fields)
    };
    let changed = now.iter().filter(|(name, value)| before.and_then(|old| old.get(*name)) != Some(value));
    let unset = before.into_iter().flatten().filter(|(name, _)| !now.contains_key(*name));
    let changed = changed.map(|(name, value)| change(name, Some(value)));
    changed.chain(unset.map(|(name, _)| change(name, None))).collect()
}

fn update(kind: &str, object: &Ref, changes: Vec<Val>, missing: Vec<Val>) -> Val {
    Val::of(
        "ObjectUpdate",
        vec![
            ("kind", Val::Word("ObjectUpdateKind", kind.to_owned())),
            ("obj", Val::Ref(object.clone())),
            ("changeSet", Val::List("PropertyChange", changes)),
            ("missingSet", Val::List("MissingProperty", missing)),
        ],
    )
}
