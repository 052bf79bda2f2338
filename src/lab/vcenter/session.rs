//! Sessions and what belongs to one: views, property collectors with their filters, event collectors, pages not
//! fetched yet.
//! All of it ends with the session, as in vCenter.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use uuid::Uuid;

use super::collector::FilterSpec;
use super::events::EventCollector;
use super::value::{Ref, Val};
use crate::lab::vsphere::Fault;

/// Sessions that may be open at once; the one idle longest gives way.
const SESSIONS_MAX: usize = 200;
/// Views, collectors, filters and page tokens that one session may hold of each.
const HELD_MAX: usize = 500;

/// The sessions that are open.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: BTreeMap<String, Session>,
    opened: u64,
}

impl Sessions {
    /// Opens a session; `namespace` makes its key this vCenter's own.
    pub(super) fn open(&mut self, namespace: Uuid, user: &str, now: Timestamp) -> &mut Session {
        if self.open.len() >= SESSIONS_MAX {
            let idle = self.open.values().min_by_key(|one| one.last_active).map(|one| one.key.clone());
            idle.and_then(|key| self.open.remove(&key));
        }
        self.opened += 1;
        let key = Uuid::new_v5(&namespace, format!("session/{}", self.opened).as_bytes()).to_string();
        let session = Session {
            key: key.clone(),
            user: user.to_owned(),
            login_time: now,
            last_active: now,
            calls: 0,
            made: 0,
            views: BTreeMap::new(),
            collectors: BTreeMap::new(),
            pages: BTreeMap::new(),
            event_collectors: BTreeMap::new(),
        };
        self.open.entry(key).or_insert(session)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Session> {
        self.open.get_mut(key)
    }

    pub(super) fn get(&self, key: &str) -> Option<&Session> {
        self.open.get(key)
    }

    pub(super) fn close(&mut self, key: &str) -> bool {
        self.open.remove(key).is_some()
    }

    pub(super) fn close_all(&mut self) {
        self.open.clear();
    }

    /// Lets every collector forget which versions it gave out.
    pub(super) fn lose_versions(&mut self) {
        let collectors = self.open.values_mut().flat_map(|session| session.collectors.values_mut());
        collectors.for_each(|collector| collector.is_lost = true);
    }

    pub(super) fn count(&self) -> usize {
        self.open.len()
    }
}

/// One session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) key: String,
    pub(super) user: String,
    pub(super) login_time: Timestamp,
    pub(super) last_active: Timestamp,
    pub(super) calls: i64,
    made: u64,
    pub(super) views: BTreeMap<String, ContainerView>,
    pub(super) collectors: BTreeMap<String, Collector>,
    pub(super) pages: BTreeMap<String, Pages>,
    pub(super) event_collectors: BTreeMap<String, EventCollector>,
}

/// A live list of all objects of some types below a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ContainerView {
    pub(super) container: Ref,
    /// Empty: all types.
    pub(super) types: Vec<String>,
    pub(super) recursive: bool,
}

/// A property collector with its filters, by id.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) filters: BTreeMap<String, Filter>,
    pub(super) version: u64,
    /// Its versions were lost: the next one that it is asked for is answered with a fault.
    pub(super) is_lost: bool,
}

/// A filter and what its owner has been told.
#[derive(Debug)]
pub(super) struct Filter {
    pub(super) spec: FilterSpec,
    pub(super) told: BTreeMap<Ref, BTreeMap<String, Val>>,
}

/// What remains of an answer that was cut into pages.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) rest: VecDeque<Val>,
    pub(super) objects_max: usize,
}

impl Session {
    /// A new id that belongs to this session, as vCenter and vcsim write them.
    pub(super) fn new_id(&mut self) -> String {
        let id = self.new_uuid();
        format!("session[{}]{id}", self.key)
    }

    /// A new UUID that belongs to this session.
    pub(super) fn new_uuid(&mut self) -> String {
        self.made += 1;
        let namespace = Uuid::parse_str(&self.key).unwrap_or_default();
        Uuid::new_v5(&namespace, self.made.to_string().as_bytes()).to_string()
    }

    /// `UserSession`.
    pub(super) fn to_val(&self) -> Val {
        Val::of(
            "UserSession",
            vec![
                ("key", Val::text(&self.key)),
                ("userName", Val::text(&self.user)),
                ("fullName", Val::text(&self.user)),
                ("loginTime", Val::Time(self.login_time)),
                ("lastActiveTime", Val::Time(self.last_active)),
                ("locale", Val::text("en_US")),
                ("messageLocale", Val::text("en_US")),
                ("extensionSession", Val::Bool(false)),
                ("ipAddress", Val::text("127.0.0.1")),
                ("userAgent", Val::text("")),
                ("callCount", Val::Long(self.calls)),
            ],
        )
    }
}

/// Puts one more into what a session holds.
///
/// # Errors
/// `SystemError` when the session holds too many already.
pub(super) fn hold<T>(held: &mut BTreeMap<String, T>, id: String, value: T) -> Result<(), Fault> {
    if held.len() >= HELD_MAX {
        return Err(Fault::SystemError { reason: "the session holds too many objects".to_owned() });
    }
    held.insert(id, value);
    Ok(())
}
