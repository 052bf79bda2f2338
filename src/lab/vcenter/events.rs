//! `EventManager` and its collectors: which events a filter selects, and how one is told. Shapes: what vcsim answers
//! for the events that it knows, the vSphere Web Services API for the rest.
//!
//! Of a filter the entity, the time, the types and the greatest count are heeded, nothing else.

use jiff::{SignedDuration, Timestamp};

use super::fault::localized;
use super::methods::{Desk, Reply, answer, bad, not_found};
use super::properties::Scene;
use super::session::hold;
use super::value::{Ref, Val};
use super::xml::Element;
use crate::lab::vsphere::{Event, EventDetail, EventKind, Fault, Moid, Vsphere};

/// Events that one answer holds, unless fewer are wanted. The newest are kept.
const EVENTS_MAX: usize = 1000;
/// Events in a collector's latest page until its size is set (vSphere's own).
const LATEST_PAGE: usize = 10;

/// `EventFilterSpec`, as far as it is heeded.
#[derive(Debug, Clone)]
pub(super) struct EventFilter {
    types: Vec<String>,
    entity: Option<(Ref, Recursion)>,
    begin: Option<Timestamp>,
    end: Option<Timestamp>,
    events_max: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recursion {
    Own,
    Children,
    All,
}

/// An `EventHistoryCollector`.
#[derive(Debug, Clone)]
pub(super) struct EventCollector {
    filter: EventFilter,
    page: usize,
    /// Where `ReadNextEvents` goes on.
    next_key: u64,
}

impl EventFilter {
    /// `ahead` is how far the server's clock goes before the true one.
    fn parse(filter: &Element, ahead: SignedDuration) -> Result<Self, Fault> {
        let entity = filter.child("entity").map(|one| {
            let recursion = match one.text_of("recursion") {
                Some("all") => Recursion::All,
                Some("children") => Recursion::Children,
                _ => Recursion::Own,
            };
            one.ref_of("entity").map(|entity| (entity, recursion)).ok_or_else(|| bad("filter.entity.entity"))
        });
        let time = |name: &str, property: &str| {
            let text = filter.child("time").and_then(|time| time.text_of(name));
            let parsed: Option<Timestamp> = text.map(str::parse).transpose().map_err(|_| bad(property))?;
            parsed.map(|at| at.checked_sub(ahead).map_err(|_| bad(property))).transpose()
        };
        Ok(Self {
            types: filter.all("eventTypeId").map(|one| one.text.trim().to_owned()).collect(),
            entity: entity.transpose()?,
            begin: time("beginTime", "filter.time.beginTime")?,
            end: time("endTime", "filter.time.endTime")?,
            events_max: filter.number_of("maxCount").unwrap_or(EVENTS_MAX).min(EVENTS_MAX),
        })
    }

    fn fits(&self, vsphere: &Vsphere, event: &Event) -> bool {
        let type_name = event.kind.type_name();
        let is_type = |one: &String| one.rsplit('.').next() == Some(type_name);
        (self.types.is_empty() || self.types.iter().any(is_type))
            && self.begin.is_none_or(|begin| event.created_at >= begin)
            && self.end.is_none_or(|end| event.created_at <= end)
            && self
                .entity
                .as_ref()
                .is_none_or(|(entity, recursion)| about(vsphere, event, entity, *recursion))
    }
}

/// Whether `event` is about `entity`, or about a machine in it.
fn about(vsphere: &Vsphere, event: &Event, entity: &Ref, recursion: Recursion) -> bool {
    let Some(moid) = entity.moid() else { return false };
    let source = matches!(event.detail, EventDetail::Cloned { source, .. } if source == moid);
    if event.vm == moid || source {
        return true;
    }
    let Some(place) = event.place.filter(|_| recursion != Recursion::Own) else { return false };
    let mut folders = std::iter::successors(Some(place.folder), |at| vsphere.parent_of(*at));
    match recursion {
        Recursion::Own => false,
        Recursion::Children => place.folder == moid,
        Recursion::All => folders.any(|at| at == moid) || place.host == moid || place.cluster == moid,
    }
}

impl Desk<'_> {
    /// Performs `method` when it is one of the event manager's or of a collector's.
    ///
    /// # Errors
    /// `InvalidArgument`, `ManagedObjectNotFound`.
    pub(super) fn events(&mut self, method: &Element, this: &Ref) -> Result<Option<Reply>, Fault> {
        let ahead = SignedDuration::from_secs(self.faults.clock_shift_secs);
        let filter = || EventFilter::parse(method.child("filter").ok_or_else(|| bad("filter"))?, ahead);
        let reply = match method.name.as_str() {
            "QueryEvents" => answer(self.scene().events_of(&filter()?)),
            "CreateCollectorForEvents" => {
                let collector = EventCollector { filter: filter()?, page: LATEST_PAGE, next_key: 0 };
                let session = self.session(this)?;
                let id = session.new_id();
                hold(&mut session.event_collectors, id.clone(), collector)?;
                answer(Val::Ref(Ref::new("EventHistoryCollector", &id)))
            }
            "SetCollectorPageSize" => {
                let page = method.number_of("maxCount").filter(|page| (1..=EVENTS_MAX).contains(page));
                self.event_collector(this)?.page = page.ok_or_else(|| bad("maxCount"))?;
                Ok(Reply::Answer(None))
            }
            "ReadNextEvents" => self.read_next_events(method, this),
            "RewindCollector" => {
                self.event_collector(this)?.next_key = 0;
                Ok(Reply::Answer(None))
            }
            "DestroyCollector" => {
                let gone = self.session(this)?.event_collectors.remove(&this.id);
                gone.map(|_| Reply::Answer(None)).ok_or_else(|| not_found(this))
            }
            _ => return Ok(None),
        };
        reply.map(Some)
    }

    fn event_collector(&mut self, this: &Ref) -> Result<&mut EventCollector, Fault> {
        self.session(this)?.event_collectors.get_mut(&this.id).ok_or_else(|| not_found(this))
    }

    fn read_next_events(&mut self, method: &Element, this: &Ref) -> Result<Reply, Fault> {
        let collector = self.event_collector(this)?.clone();
        let count = method.number_of("maxCount").unwrap_or(EVENTS_MAX).min(EVENTS_MAX);
        let scene = self.scene();
        let fits = |event: &&Event| {
            event.key >= collector.next_key && scene.sees(event) && collector.filter.fits(self.vsphere, event)
        };
        let page: Vec<&Event> = self.vsphere.events().filter(fits).take(count).collect();
        let next_key = page.last().map_or(collector.next_key, |event| event.key + 1);
        let told = page.into_iter().map(|event| scene.event(event)).collect();
        self.event_collector(this)?.next_key = next_key;
        answer(Val::List("Event", told))
    }
}

impl Scene<'_> {
    /// The newest events that fit, oldest of them first.
    fn events_of(&self, filter: &EventFilter) -> Val {
        let mut newest = self.newest(filter, filter.events_max);
        newest.reverse();
        Val::List("Event", newest)
    }

    /// A collector's `latestPage`: newest first.
    pub(super) fn latest_page(&self, collector: &EventCollector) -> Val {
        Val::List("Event", self.newest(&collector.filter, collector.page))
    }

    /// `EventManager.latestEvent`.
    pub(super) fn latest_event(&self) -> Val {
        Val::maybe(self.vsphere.events().rev().find(|event| self.sees(event)), |event| self.event(event))
    }

    fn newest(&self, filter: &EventFilter, count: usize) -> Vec<Val> {
        let fits = |event: &&Event| self.sees(event) && filter.fits(self.vsphere, event);
        self.vsphere.events().rev().filter(fits).take(count).map(|event| self.event(event)).collect()
    }

    fn sees(&self, event: &Event) -> bool {
        !self.hidden.contains(&event.vm)
    }

    fn event(&self, event: &Event) -> Val {
        let of_place = |pick: fn(&crate::lab::vsphere::Place) -> Moid| event.place.as_ref().map(pick);
        let datacenter = event.place.and_then(|place| self.vsphere.datacenter_of(place.folder));
        let of = |moid, type_name, field| Val::maybe(moid, |moid| self.argument(type_name, field, moid));
        let (host, store) = (of_place(|place| place.host), of_place(|place| place.datastore));
        let vm = argument("VmEventArgument", "vm", &event.vm_name, event.vm);
        let mut fields = vec![
            ("key", Val::int(event.key)),
            ("chainId", Val::int(event.task.map_or(event.key, |task| task.number()))),
            ("createdTime", Val::Time(event.created_at)),
            ("userName", Val::text(&event.user)),
            ("datacenter", of(datacenter.map(|one| one.moid), "DatacenterEventArgument", "datacenter")),
            (
                "computeResource",
                of(of_place(|place| place.cluster), "ComputeResourceEventArgument", "computeResource"),
            ),
            ("host", of(host, "HostEventArgument", "host")),
            ("vm", vm),
            ("ds", of(store, "DatastoreEventArgument", "datastore")),
            ("fullFormattedMessage", Val::text(&event.message)),
        ];
        if !matches!(event.kind, EventKind::CustomFieldValueChanged | EventKind::Task) {
            fields.push(("template", Val::Bool(event.is_template)));
        }
        fields.extend(self.event_detail(event));
        Val::one_of(event.kind.type_name(), fields)
    }

    /// What the types of events have beside what all have.
    fn event_detail(&self, event: &Event) -> Vec<(&'static str, Val)> {
        let host = |moid| self.argument("HostEventArgument", "host", moid);
        match &event.detail {
            EventDetail::None if event.kind == EventKind::VmReconfigured => {
                vec![("configSpec", Val::of("VirtualMachineConfigSpec", Vec::new()))]
            }
            EventDetail::None => Vec::new(),
            EventDetail::Renamed { old, new } => {
                vec![("oldName", Val::text(old)), ("newName", Val::text(new))]
            }
            EventDetail::Migrated { host: source, datastore } => {
                let store = self.argument("DatastoreEventArgument", "datastore", *datastore);
                // What moves from host to host stays in its data centre.
                let datacenter = self.vsphere.datacenter_of(*source).map(|one| one.moid);
                let datacenter = Val::maybe(datacenter, |moid| {
                    self.argument("DatacenterEventArgument", "datacenter", moid)
                });
                vec![
                    ("sourceHost", host(*source)),
                    ("sourceDatacenter", datacenter),
                    ("sourceDatastore", store),
                ]
            }
            EventDetail::Cloning { folder, host: to, name, fault } => vec![
                ("destFolder", self.argument("FolderEventArgument", "folder", *folder)),
                ("destName", Val::text(name)),
                ("destHost", Val::maybe(*to, host)),
                ("reason", Val::maybe(fault.as_ref(), localized)),
            ],
            EventDetail::Cloned { source, source_name } => {
                vec![("sourceVm", argument("VmEventArgument", "vm", source_name, *source))]
            }
            EventDetail::CustomField { key, name, value } => vec![
                ("entity", argument("ManagedEntityEventArgument", "entity", &event.vm_name, event.vm)),
                ("fieldKey", Val::int(*key)),
                ("name", Val::text(name)),
                ("value", Val::text(value)),
            ],
            EventDetail::Task { .. } => {
                let task = event.task.and_then(|task| self.vsphere.task(task));
                vec![("info", Val::maybe(task, |task| self.task_info(task)))]
            }
        }
    }

    /// An object as an event names it, under its name of now.
    fn argument(&self, type_name: &'static str, field: &'static str, moid: Moid) -> Val {
        argument(type_name, field, self.vsphere.name_of(moid).unwrap_or_default(), moid)
    }
}

/// `EventDescription`: the events that the lab tells. Its texts have no formats of their own.
pub(super) fn event_description() -> Val {
    let detail = |kind: &EventKind| {
        let category = if *kind == EventKind::VmCloneFailed { "error" } else { "info" };
        let formats =
            ["formatOnDatacenter", "formatOnComputeResource", "formatOnHost", "formatOnVm", "fullFormat"];
        let mut fields = vec![
            ("key", Val::text(kind.type_name())),
            ("description", Val::text(kind.type_name())),
            ("category", Val::text(category)),
        ];
        fields.extend(formats.map(|format| (format, Val::text(""))));
        Val::of("EventDescriptionEventDetail", fields)
    };
    let details = EventKind::ALL.iter().map(detail).collect();
    Val::of("EventDescription", vec![("eventInfo", Val::List("EventDescriptionEventDetail", details))])
}

fn argument(type_name: &'static str, field: &'static str, name: &str, moid: Moid) -> Val {
    Val::of(type_name, vec![("name", Val::text(name)), (field, Val::moref(moid))])
}
