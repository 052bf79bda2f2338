//! The property collector: which properties of which objects, page by page.
//!
//! Each page is handed to the caller as it arrives, so that ten thousand VMs never stand in memory as
//! XML. Objects that vanish between listing and reading are left out
//! (`reportMissingObjectsInResults`); properties that cannot be read are named, never fatal.

use super::errors::VcenterError;
use super::session::Channel;
use super::soap::{MoRef, Reply, fault_kind};
use super::xml::{Element, escaped};

/// More pages than this are not read: at 100 objects each that is 500,000 objects.
const PAGES_MAX: usize = 5_000;

/// The fault that says that an object does not exist.
pub(super) const GONE: &str = "ManagedObjectNotFound";

/// Which properties of which type. A type stands for its subtypes too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'w> {
    pub kind: &'w str,
    pub paths: &'w [&'w str],
}

/// One object of an answer.
#[derive(Debug)]
pub(super) struct Object<'p, 'a> {
    pub reference: MoRef,
    properties: Vec<(&'p str, &'p Element<'a>)>,
    /// What could not be read, and why: property path and fault type.
    pub missing: Vec<(&'p str, String)>,
    /// vCenter says in place of a property that this very object is not found.
    pub says_gone: bool,
}

/// What a page brings.
#[derive(Debug)]
pub(super) enum Found<'o, 'p, 'a> {
    Object(&'o Object<'p, 'a>),
    /// An object that was named and could not be read at all, and the fault's type.
    Missing(MoRef, String),
}

/// Takes what the pages bring.
type Each<'e> = &'e mut (dyn FnMut(Found<'_, '_, '_>) + Send);

impl<'p, 'a> Object<'p, 'a> {
    /// The value of a property; `None` when it is unset or could not be read.
    pub fn value(&self, path: &str) -> Option<&'p Element<'a>> {
        self.properties.iter().find(|(name, _)| *name == path).map(|(_, value)| *value)
    }

    /// The text of a simple property.
    pub fn text(&self, path: &str) -> Option<&'p str> {
        self.value(path).and_then(|value| value.filled())
    }

    pub fn reference_at(&self, path: &str) -> Option<MoRef> {
        self.value(path).and_then(MoRef::read)
    }

    /// The references in an `ArrayOfManagedObjectReference`.
    pub fn references_at(&self, path: &str) -> Vec<MoRef> {
        self.value(path).map(|v| v.children.iter().filter_map(MoRef::read).collect()).unwrap_or_default()
    }
}

impl Channel {
    /// Reads `wanted` of every object of `kinds` below the root folder. `each` is called once per object.
    pub async fn sweep(
        &self,
        kinds: &[&str],
        wanted: &[Wanted<'_>],
        each: &mut (dyn FnMut(&Object<'_, '_>) + Send),
    ) -> Result<(), VcenterError> {
        let view = self.create_view(kinds).await?;
        let outcome = self.retrieve(&view_objects(&view), wanted, &mut only_objects(each)).await;
        // A view lives as long as its session and costs the server memory. When this fails the read
        // is still good.
        let destroyed = self.call("DestroyView", &view, "").await.and_then(|reply| reply.open(|_| Ok(())));
        if let Err(error) = destroyed {
            tracing::debug!(vcenter = %self.vcenter(), %error, "a container view was left behind");
        }
        outcome
    }

    /// Reads `wanted` of exactly these objects; those that are gone are left out.
    pub async fn read_objects(
        &self,
        objects: &[MoRef],
        wanted: &[Wanted<'_>],
        each: &mut (dyn FnMut(&Object<'_, '_>) + Send),
    ) -> Result<(), VcenterError> {
        let page = usize::try_from(self.shared.page_objects_max).unwrap_or(usize::MAX);
        for chunk in objects.chunks(page.max(1)) {
            let set: String =
                chunk.iter().map(|o| format!("<objectSet>{}</objectSet>", o.element("obj"))).collect();
            let outcome = self.retrieve(&set, wanted, &mut only_objects(each)).await;
            match outcome {
                // A server that does not know reportMissingObjectsInResults: ask for each alone.
                Err(error) if error.is_fault(GONE) && chunk.len() > 1 => {
                    for object in chunk {
                        let alone = format!("<objectSet>{}</objectSet>", object.element("obj"));
                        gone_is_fine(self.retrieve(&alone, wanted, &mut only_objects(each)).await)?;
                    }
                }
                other => gone_is_fine(other)?,
            }
        }
        Ok(())
    }

    /// Reads `wanted` of exactly these objects in one request. What is missing is told where the server tells it.
    pub async fn read_named(
        &self,
        objects: &[MoRef],
        wanted: &[Wanted<'_>],
        each: Each<'_>,
    ) -> Result<(), VcenterError> {
        let set: String =
            objects.iter().map(|o| format!("<objectSet>{}</objectSet>", o.element("obj"))).collect();
        self.retrieve(&set, wanted, each).await
    }

    /// Reads `wanted` of one object in the way that makes every server say when it is gone, and returns whether it
    /// said so of exactly this object.
    pub async fn is_gone(
        &self,
        object: &MoRef,
        wanted: &[Wanted<'_>],
        each: Each<'_>,
    ) -> Result<bool, VcenterError> {
        let sets: String = wanted.iter().map(prop_set).collect();
        let arguments =
            format!("<specSet>{sets}<objectSet>{}</objectSet></specSet><options/>", object.element("obj"));
        let collector = &self.live.service.property_collector;
        let reply = self.call("RetrievePropertiesEx", collector, &arguments).await?;
        if reply.fault_names(object, GONE) {
            return Ok(true);
        }
        self.read_page(&reply, each).map(|_| false)
    }

    /// A view of all objects of `kinds` below the root folder. It lives until it is destroyed or the session ends.
    pub async fn create_view(&self, kinds: &[&str]) -> Result<MoRef, VcenterError> {
        let service = &self.live.service;
        let types: String = kinds.iter().map(|k| format!("<type>{}</type>", escaped(k))).collect();
        let arguments =
            format!("{}{types}<recursive>true</recursive>", service.root_folder.element("container"));
        self.make("CreateContainerView", &service.view_manager, &arguments).await
    }

    /// A call that answers with a reference to what it made.
    pub async fn make(
        &self,
        method: &'static str,
        this: &MoRef,
        arguments: &str,
    ) -> Result<MoRef, VcenterError> {
        let reply = self.call(method, this, arguments).await?;
        reply.open(|answer| {
            answer
                .child("returnval")
                .and_then(MoRef::read)
                .ok_or_else(|| reply.not_understood("no reference to what was made".to_owned()))
        })
    }

    async fn retrieve(
        &self,
        objects: &str,
        wanted: &[Wanted<'_>],
        each: Each<'_>,
    ) -> Result<(), VcenterError> {
        let collector = &self.live.service.property_collector;
        let arguments = format!(
            "<specSet>{}{objects}<reportMissingObjectsInResults>true</reportMissingObjectsInResults></specSet>\
             <options><maxObjects>{}</maxObjects></options>",
            wanted.iter().map(prop_set).collect::<String>(),
            self.shared.page_objects_max
        );
        let mut reply = self.call("RetrievePropertiesEx", collector, &arguments).await?;
        for _ in 0..PAGES_MAX {
            let Some(token) = self.read_page(&reply, each)? else { return Ok(()) };
            let arguments = format!("<token>{}</token>", escaped(&token));
            reply = self.call("ContinueRetrievePropertiesEx", collector, &arguments).await?;
        }
        Err(reply.not_understood(format!("more than {PAGES_MAX} pages")))
    }

    /// Hands each object of a page to `each` and returns the token of the next page.
    fn read_page(&self, reply: &Reply, each: Each<'_>) -> Result<Option<String>, VcenterError> {
        reply.open(|answer| {
            let Some(result) = answer.child("returnval") else { return Ok(None) };
            for element in result.children_named("objects") {
                let object = read_object(element)
                    .ok_or_else(|| reply.not_understood("an object without its id".to_owned()))?;
                if object.missing.iter().any(|(_, fault)| fault == "NotAuthenticated") {
                    return Err(self.not_authenticated());
                }
                each(Found::Object(&object));
            }
            for missing in result.children_named("missingObjects") {
                if let Some(reference) = missing.child("obj").and_then(MoRef::read) {
                    let fault = inner_fault(missing);
                    each(Found::Missing(reference, fault.map_or_else(|| "Fault".to_owned(), fault_kind)));
                }
            }
            Ok(result.text_of("token").map(str::to_owned))
        })
    }
}

fn only_objects<'e>(
    each: &'e mut (dyn FnMut(&Object<'_, '_>) + Send),
) -> impl FnMut(Found<'_, '_, '_>) + Send + 'e {
    |found| {
        if let Found::Object(object) = found {
            each(object);
        }
    }
}

/// The fault inside a `LocalizedMethodFault` called `fault`.
pub(super) fn inner_fault<'p, 'a>(holder: &'p Element<'a>) -> Option<&'p Element<'a>> {
    holder.child("fault").and_then(|localized| localized.child("fault"))
}

fn gone_is_fine(outcome: Result<(), VcenterError>) -> Result<(), VcenterError> {
    match outcome {
        Err(error) if error.is_fault(GONE) => Ok(()),
        other => other,
    }
}

/// The part of a filter that selects the objects of a view.
pub(super) fn view_objects(view: &MoRef) -> String {
    format!(
        "<objectSet>{}<skip>true</skip><selectSet xsi:type=\"TraversalSpec\"><name>view</name>\
         <type>ContainerView</type><path>view</path><skip>false</skip></selectSet></objectSet>",
        view.element("obj")
    )
}

/// The part of a filter that selects the properties.
pub(super) fn prop_set(wanted: &Wanted<'_>) -> String {
    let paths: String = wanted.paths.iter().map(|p| format!("<pathSet>{}</pathSet>", escaped(p))).collect();
    format!("<propSet><type>{}</type>{paths}</propSet>", escaped(wanted.kind))
}

/// One `<objects>` element.
pub(super) fn read_object<'p, 'a>(element: &'p Element<'a>) -> Option<Object<'p, 'a>> {
    let mut object = Object {
        reference: element.child("obj").and_then(MoRef::read)?,
        properties: vec![],
        missing: vec![],
        says_gone: false,
    };
    for set in element.children_named("propSet") {
        // An unset property may also come as a name without a value (recorded: a page after the first).
        if let (Some(name), Some(value)) = (set.text_of("name"), set.child("val")) {
            object.properties.push((name, value));
        }
    }
    for set in element.children_named("missingSet") {
        let fault = inner_fault(set);
        let kind = fault.map_or_else(|| "Fault".to_owned(), fault_kind);
        let named = fault.and_then(|fault| fault.child("obj")).and_then(MoRef::read);
        object.says_gone |= kind == GONE && named.is_some_and(|named| named.id == object.reference.id);
        object.missing.push((set.text_of("path").unwrap_or_default(), kind));
    }
    Some(object)
}
