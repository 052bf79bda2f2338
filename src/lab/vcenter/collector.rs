//! The property collector's reading half: filter specs, which objects they select, what is answered of each.
//! Shapes: recordings 06, 07, 21, 22.

use std::collections::{BTreeMap, BTreeSet};

use super::fault;
use super::properties::{Scene, is_a};
use super::value::{Ref, Val};
use super::xml::Element;
use crate::lab::vsphere::Fault;

/// `PropertyFilterSpec`.
#[derive(Debug, Clone)]
pub(super) struct FilterSpec {
    properties: Vec<PropertySpec>,
    objects: Vec<ObjectSpec>,
    report_missing: bool,
}

#[derive(Debug, Clone)]
struct PropertySpec {
    type_name: String,
    all: bool,
    paths: Vec<String>,
}

#[derive(Debug, Clone)]
struct ObjectSpec {
    object: Ref,
    skip: bool,
    select: Vec<Selection>,
}

#[derive(Debug, Clone)]
enum Selection {
    Traversal(Traversal),
    /// The name of a traversal that stands elsewhere in the same filter.
    Named(String),
}

#[derive(Debug, Clone)]
struct Traversal {
    /// Its place among the traversals of the filter: tells two of them apart.
    number: usize,
    name: Option<String>,
    type_name: String,
    path: String,
    skip: bool,
    select: Vec<Selection>,
}

/// What is known of one object.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) object: Ref,
    pub(super) set: Vec<(String, Val)>,
    pub(super) missing: Vec<Val>,
}

impl Content {
    /// `ObjectContent`.
    pub(super) fn to_val(&self) -> Val {
        let property = |(name, value): &(String, Val)| {
            let fields = vec![("name", Val::text(name)), ("val", Val::any(value.clone()))];
            Val::of("DynamicProperty", fields)
        };
        Val::of(
            "ObjectContent",
            vec![
                ("obj", Val::Ref(self.object.clone())),
                ("propSet", Val::List("DynamicProperty", self.set.iter().map(property).collect())),
                ("missingSet", Val::List("MissingProperty", self.missing.clone())),
            ],
        )
    }
}

/// What a filter selects: the objects that are there, and the named ones that are not.
#[derive(Debug, Default)]
pub(super) struct Selected {
    pub(super) objects: Vec<Ref>,
    pub(super) missing: Vec<Ref>,
}

impl FilterSpec {
    /// Reads `spec` or `specSet`.
    pub(super) fn parse(element: &Element) -> Self {
        let mut count = 0;
        let property = |one: &Element| PropertySpec {
            type_name: one.text_of("type").unwrap_or_default().to_owned(),
            all: one.flag_of("all"),
            paths: one.all("pathSet").map(|path| path.text.trim().to_owned()).collect(),
        };
        Self {
            properties: element.all("propSet").map(property).collect(),
            objects: element
                .all("objectSet")
                .map(|one| ObjectSpec {
                    object: one.ref_of("obj").unwrap_or_else(|| Ref::new("", "")),
                    skip: one.flag_of("skip"),
                    select: selections(one, &mut count),
                })
                .collect(),
            report_missing: element.flag_of("reportMissingObjectsInResults"),
        }
    }

    /// The objects that the filter starts from.
    pub(super) fn starts(&self) -> impl Iterator<Item = &Ref> {
        self.objects.iter().map(|one| &one.object)
    }

    /// Every path that is asked of `object`, for answers that refuse them all.
    fn paths_for<'a>(&'a self, object: &'a Ref) -> impl Iterator<Item = &'a str> {
        let fits = |one: &&PropertySpec| is_a(&object.type_name, &one.type_name);
        self.properties.iter().filter(fits).flat_map(|one| one.paths.iter().map(String::as_str))
    }

    fn named(&self) -> BTreeMap<&str, &Traversal> {
        let mut named = BTreeMap::new();
        let mut open: Vec<&Selection> = self.objects.iter().flat_map(|one| &one.select).collect();
        while let Some(selection) = open.pop() {
            if let Selection::Traversal(traversal) = selection {
                open.extend(&traversal.select);
                if let Some(name) = &traversal.name {
                    named.insert(name.as_str(), traversal);
                }
            }
        }
        named
    }
}

fn selections(element: &Element, count: &mut usize) -> Vec<Selection> {
    let read = |one: &Element| {
        let name = one.text_of("name").filter(|name| !name.is_empty()).map(str::to_owned);
        if one.child("path").is_none() {
            return Selection::Named(name.unwrap_or_default());
        }
        *count += 1;
        Selection::Traversal(Traversal {
            number: *count,
            name,
            type_name: one.text_of("type").unwrap_or_default().to_owned(),
            path: one.text_of("path").unwrap_or_default().to_owned(),
            skip: one.flag_of("skip"),
            select: selections(one, count),
        })
    };
    element.all("selectSet").map(read).collect()
}

impl Scene<'_> {
    /// What `spec` selects, each object once.
    ///
    /// # Errors
    /// `ManagedObjectNotFound` for a start that is not there, unless missing objects are to be reported;
    /// `InvalidArgument` for a traversal that is named and not defined.
    pub(super) fn select(&self, spec: &FilterSpec) -> Result<Selected, Fault> {
        let mut walk = Walk { scene: self, named: spec.named(), seen: BTreeSet::new(), found: Vec::new() };
        let mut missing = Vec::new();
        for start in &spec.objects {
            if !self.exists(&start.object) {
                if !spec.report_missing {
                    let (type_name, moid) = (start.object.type_name.clone(), start.object.id.clone());
                    return Err(Fault::ManagedObjectNotFound { type_name, moid });
                }
                missing.push(start.object.clone());
                continue;
            }
            if !start.skip {
                walk.found.push(start.object.clone());
            }
            walk.from(&start.object, &start.select)?;
        }
        let mut once = BTreeSet::new();
        let wanted = |one: &Ref| spec.properties.iter().any(|spec| is_a(&one.type_name, &spec.type_name));
        let objects = walk.found.into_iter().filter(|one| wanted(one) && once.insert(one.clone())).collect();
        Ok(Selected { objects, missing })
    }

    /// What `spec` asks of `object`.
    pub(super) fn content(&self, spec: &FilterSpec, object: &Ref) -> Content {
        let mut content = Content { object: object.clone(), set: Vec::new(), missing: Vec::new() };
        let mut asked = BTreeSet::new();
        let mut reader = self.reader(object);
        if object.moid().is_some_and(|moid| self.hidden.contains(&moid)) {
            let refuse = |path: &str| fault::no_permission_property(path, object);
            content.missing = self.asked_of(spec, object).into_iter().map(refuse).collect();
            return content;
        }
        for one in spec.properties.iter().filter(|one| is_a(&object.type_name, &one.type_name)) {
            if one.all {
                content
                    .set
                    .extend(self.all(object).into_iter().filter(|field| asked.insert(field.0.clone())));
            }
            for path in &one.paths {
                if !asked.insert(path.clone()) {
                    continue;
                }
                match reader.path(path) {
                    Some(Val::Unset) => {}
                    Some(value) => content.set.push((path.clone(), value)),
                    None => content.missing.push(fault::invalid_property(path)),
                }
            }
        }
        content
    }

    /// Every path that `spec` asks of `object`.
    fn asked_of<'a>(&self, spec: &'a FilterSpec, object: &'a Ref) -> Vec<&'a str> {
        let all = spec.properties.iter().any(|one| one.all && is_a(&object.type_name, &one.type_name));
        let all = if all { self.names(object) } else { Vec::new() };
        spec.paths_for(object).chain(all).collect()
    }

    /// What vcsim answers for a start of `spec` without a session (recording 02).
    pub(super) fn refused_content(&self, spec: &FilterSpec, object: &Ref) -> Content {
        let refuse = |path: &str| fault::not_authenticated_property(path, object);
        let missing = spec.paths_for(object).map(refuse).collect();
        Content { object: object.clone(), set: Vec::new(), missing }
    }
}

/// A walk along traversals; `seen` ends the circles that named traversals may make.
struct Walk<'a> {
    scene: &'a Scene<'a>,
    named: BTreeMap<&'a str, &'a Traversal>,
    seen: BTreeSet<(Ref, usize)>,
    found: Vec<Ref>,
}

impl<'a> Walk<'a> {
    fn from(&mut self, object: &Ref, select: &'a [Selection]) -> Result<(), Fault> {
        for selection in select {
            let traversal = match selection {
                Selection::Traversal(traversal) => traversal,
                Selection::Named(name) => self
                    .named
                    .get(name.as_str())
                    .copied()
                    .ok_or_else(|| Fault::InvalidArgument { property: "selectSet.name".to_owned() })?,
            };
            if !is_a(&object.type_name, &traversal.type_name) {
                continue;
            }
            let next = self.scene.path(object, &traversal.path).map(Val::into_refs).unwrap_or_default();
            for one in next {
                if !self.seen.insert((one.clone(), traversal.number)) {
                    continue;
                }
                if !traversal.skip {
                    self.found.push(one.clone());
                }
                self.from(&one, &traversal.select)?;
            }
        }
        Ok(())
    }
}
