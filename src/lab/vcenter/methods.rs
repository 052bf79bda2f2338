//! The methods: from a request's element to an answer. Those of the property collector and the session are here;
//! what changes machines is in `operations.rs`, what looks for them in `search.rs`.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::collector::FilterSpec;
use super::properties::{Scene, service_content};
use super::session::{Collector, ContainerView, Filter, Pages, Session, Sessions, hold};
use super::switches::FaultSwitches;
use super::updates;
use super::value::{Ref, Val};
use super::xml::Element;
use crate::config::Secret;
use crate::lab::vsphere::{Fault, Vsphere};

/// The collector that every session has without asking.
const DEFAULT_COLLECTOR: &str = "propertyCollector";

/// What a method came to.
#[derive(Debug)]
pub(super) enum Reply {
    /// The answer's `returnval`, if it has one.
    Answer(Option<Val>),
    /// The same, and a cookie with the session's key.
    LoggedIn(Val, String),
    /// Nothing has changed yet: ask again until so many seconds have passed, then answer nothing.
    Wait { max_secs: Option<u64> },
}

/// Everything that one call works with.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) vsphere: &'a mut Vsphere,
    pub(super) sessions: &'a mut Sessions,
    pub(super) users: &'a std::collections::BTreeMap<String, Secret>,
    pub(super) faults: &'a FaultSwitches,
    /// The key that the caller's cookie carries.
    pub(super) cookie: Option<&'a str>,
    pub(super) clone_ms: u64,
    pub(super) now: Timestamp,
}

impl Desk<'_> {
    /// Performs one method.
    ///
    /// # Errors
    /// The fault that the caller gets.
    pub(super) fn perform(&mut self, method: &Element) -> Result<Reply, Fault> {
        self.vsphere.tick(self.now);
        if let Some(session) = self.cookie.and_then(|key| self.sessions.get_mut(key)) {
            session.last_active = self.now;
            session.calls += 1;
        }
        let this = method.ref_of("_this").ok_or_else(|| invalid_request("_this is missing"))?;
        match method.name.as_str() {
            "RetrieveServiceContent" => return answer(service_content(self.vsphere)),
            "CurrentTime" => return answer(Val::Time(self.now)),
            "Login" => return self.login(method),
            "RetrieveProperties" | "RetrievePropertiesEx" => return self.retrieve(method),
            _ => {}
        }
        self.session(&this)?;
        match method.name.as_str() {
            "Logout" => self.logout(),
            "SessionIsActive" => {
                let key = method.text_of("sessionID").unwrap_or_default();
                let user = method.text_of("userName").unwrap_or_default();
                answer(Val::Bool(self.sessions.get(key).is_some_and(|session| session.user == user)))
            }
            "CreateContainerView" => self.create_view(method),
            "DestroyView" => self.destroy_view(&this),
            "ContinueRetrievePropertiesEx" => self.continue_retrieve(method, &this),
            "CancelRetrievePropertiesEx" => {
                let token = method.text_of("token").unwrap_or_default().to_owned();
                self.session(&this)?.pages.remove(&token).ok_or_else(|| bad("token"))?;
                Ok(Reply::Answer(None))
            }
            "CreatePropertyCollector" => self.create_collector(&this),
            "DestroyPropertyCollector" => {
                let gone = self.session(&this)?.collectors.remove(&this.id);
                gone.map(|_| Reply::Answer(None)).ok_or_else(|| not_found(&this))
            }
            "CreateFilter" => self.create_filter(method, &this),
            "DestroyPropertyFilter" => {
                let mut collectors = self.session(&this)?.collectors.values_mut();
                let gone = collectors.find_map(|one| one.filters.remove(&this.id));
                gone.map(|_| Reply::Answer(None)).ok_or_else(|| not_found(&this))
            }
            "WaitForUpdatesEx" => self.wait_for_updates(method, &this),
            "CancelWaitForUpdates" => Ok(Reply::Answer(None)),
            _ => {
                if let Some(reply) = self.search(method)? {
                    return Ok(reply);
                }
                if let Some(reply) = self.events(method, &this)? {
                    return Ok(reply);
                }
                let user = self.user();
                self.vsphere.act_as(Some(&user));
                let done = self.operate(method, &this);
                self.vsphere.act_as(None);
                done
            }
        }
    }

    /// The caller's session.
    pub(super) fn session(&mut self, this: &Ref) -> Result<&mut Session, Fault> {
        let session = self.cookie.and_then(|key| self.sessions.get_mut(key));
        session.ok_or_else(|| Fault::NotAuthenticated { object: format!("{}:{}", this.type_name, this.id) })
    }

    /// The user of the caller's session.
    pub(super) fn user(&self) -> String {
        let session = self.cookie.and_then(|key| self.sessions.get(key));
        session.map(|session| session.user.clone()).unwrap_or_default()
    }

    pub(super) fn scene(&self) -> Scene<'_> {
        Scene {
            vsphere: self.vsphere,
            session: self.cookie.and_then(|key| self.sessions.get(key)),
            now: self.now,
            blank_enums: self.faults.blank_enums,
            hidden: &self.faults.hidden,
        }
    }

    /// Recordings 03 and 04. A user of the domain `vsphere.local` may leave it away or write it.
    fn login(&mut self, method: &Element) -> Result<Reply, Fault> {
        let name = method.text_of("userName").unwrap_or_default();
        let bare = name.strip_suffix("@vsphere.local").unwrap_or(name);
        let password = method.child("password").map(|one| one.text.as_str()).unwrap_or_default();
        let known = self.users.get(name).or_else(|| self.users.get(bare));
        if known.is_none_or(|secret| secret.expose() != password) {
            return Err(Fault::InvalidLogin);
        }
        let session = self.sessions.open(self.vsphere.instance_uuid(), name, self.now);
        session.calls = 1;
        Ok(Reply::LoggedIn(session.to_val(), session.key.clone()))
    }

    /// Recording 31.
    fn logout(&mut self) -> Result<Reply, Fault> {
        if let Some(key) = self.cookie {
            self.sessions.close(key);
        }
        Ok(Reply::Answer(None))
    }

    /// Recording 05.
    fn create_view(&mut self, method: &Element) -> Result<Reply, Fault> {
        let container = method.ref_of("container").ok_or_else(|| bad("container"))?;
        if container.moid().is_none_or(|moid| !self.vsphere.exists(moid)) {
            return Err(not_found(&container));
        }
        let types = method.all("type").map(|one| one.text.trim().to_owned()).collect();
        let view = ContainerView { types, recursive: method.flag_of("recursive"), container };
        let session = self.session(&Ref::new("ViewManager", "ViewManager"))?;
        let id = session.new_id();
        hold(&mut session.views, id.clone(), view)?;
        answer(Val::Ref(Ref::new("ContainerView", &id)))
    }

    fn destroy_view(&mut self, this: &Ref) -> Result<Reply, Fault> {
        let gone = self.session(this)?.views.remove(&this.id);
        gone.map(|_| Reply::Answer(None)).ok_or_else(|| not_found(this))
    }

    /// Recordings 02, 06, 21, 22.
    fn retrieve(&mut self, method: &Element) -> Result<Reply, Fault> {
        let specs: Vec<FilterSpec> = method.all("specSet").map(FilterSpec::parse).collect();
        let scene = self.scene();
        let mut objects = VecDeque::new();
        let mut missing = Vec::new();
        for spec in &specs {
            let open_to_all =
                |one: &Ref| matches!(one.type_name.as_str(), "ServiceInstance" | "SessionManager");
            let refused = spec.starts().find(|one| scene.session.is_none() && !open_to_all(one));
            if let Some(object) = refused {
                if !self.faults.missing_set_without_session {
                    let object = format!("{}:{}", object.type_name, object.id);
                    return Err(Fault::NotAuthenticated { object });
                }
                objects.extend(spec.starts().map(|one| scene.refused_content(spec, one).to_val()));
                continue;
            }
            let selected = scene.select(spec)?;
            objects.extend(selected.objects.iter().map(|one| scene.content(spec, one).to_val()));
            missing.extend(selected.missing);
        }
        if method.name == "RetrieveProperties" {
            return answer(Val::List("ObjectContent", objects.into()));
        }
        let options = method.child("options");
        let asked = options.and_then(|one| one.number_of("maxObjects")).filter(|max: &usize| *max > 0);
        let objects_max = asked.unwrap_or(self.faults.page_max).min(self.faults.page_max).max(1);
        if objects.is_empty() && missing.is_empty() {
            return Ok(Reply::Answer(None));
        }
        let missing = super::fault::missing_objects(&missing);
        let result = self.page(Pages { rest: objects, objects_max }, Some(missing))?;
        answer(result)
    }

    /// Recording 07.
    fn continue_retrieve(&mut self, method: &Element, this: &Ref) -> Result<Reply, Fault> {
        let token = method.text_of("token").unwrap_or_default().to_owned();
        let pages = self.session(this)?.pages.remove(&token).ok_or_else(|| bad("token"))?;
        let result = self.page(pages, None)?;
        answer(result)
    }

    /// The next page as a `RetrieveResult`; what remains is kept under a new token.
    fn page(&mut self, mut pages: Pages, missing: Option<Val>) -> Result<Val, Fault> {
        let count = pages.rest.len().min(pages.objects_max);
        let first: Vec<Val> = pages.rest.drain(..count).collect();
        let mut token = Val::Unset;
        if !pages.rest.is_empty() {
            let session = self.session(&Ref::new("PropertyCollector", DEFAULT_COLLECTOR))?;
            let id = session.new_uuid();
            hold(&mut session.pages, id.clone(), pages)?;
            token = Val::Text(id);
        }
        let fields = vec![
            ("token", token),
            ("objects", Val::List("ObjectContent", first)),
            ("missingObjects", missing.unwrap_or(Val::Unset)),
        ];
        Ok(Val::of("RetrieveResult", fields))
    }

    /// Recording 23.
    fn create_collector(&mut self, this: &Ref) -> Result<Reply, Fault> {
        let session = self.session(this)?;
        let id = session.new_id();
        hold(&mut session.collectors, id.clone(), Collector::default())?;
        answer(Val::Ref(Ref::new("PropertyCollector", &id)))
    }

    /// Recording 24.
    fn create_filter(&mut self, method: &Element, this: &Ref) -> Result<Reply, Fault> {
        let spec = FilterSpec::parse(method.child("spec").ok_or_else(|| bad("spec"))?);
        self.scene().select(&spec)?;
        let session = self.session(this)?;
        let id = session.new_id();
        if this.id == DEFAULT_COLLECTOR {
            session.collectors.entry(DEFAULT_COLLECTOR.to_owned()).or_default();
        }
        let collector = session.collectors.get_mut(&this.id).ok_or_else(|| not_found(this))?;
        hold(&mut collector.filters, id.clone(), Filter { spec, told: std::collections::BTreeMap::new() })?;
        answer(Val::Ref(Ref::new("PropertyFilter", &id)))
    }

    /// Recordings 25 to 28. As vcsim does, a version that was never given out is taken for the last one.
    fn wait_for_updates(&mut self, method: &Element, this: &Ref) -> Result<Reply, Fault> {
        let session = self.session(this)?;
        let taken = session.collectors.remove(&this.id);
        let mut collector = match taken {
            Some(collector) => collector,
            None if this.id == DEFAULT_COLLECTOR => Collector::default(),
            None => return Err(not_found(this)),
        };
        let begins = method.text_of("version").unwrap_or_default().is_empty();
        if std::mem::take(&mut collector.is_lost) && !begins {
            self.session(this)?.collectors.insert(this.id.clone(), collector);
            return Err(Fault::InvalidCollectorVersion);
        }
        if begins && collector.version > 0 {
            collector.filters.values_mut().for_each(|filter| filter.told.clear());
        }
        let options = method.child("options");
        let objects_max = options.and_then(|one| one.number_of("maxObjectUpdates"));
        let pending = updates::pending(&self.scene(), &mut collector, objects_max);
        self.session(this)?.collectors.insert(this.id.clone(), collector);
        let max_secs = options.and_then(|one| one.number_of("maxWaitSeconds"));
        Ok(pending?.map_or(Reply::Wait { max_secs }, |updates| Reply::Answer(Some(updates))))
    }
}

pub(super) fn answer(value: Val) -> Result<Reply, Fault> {
    Ok(Reply::Answer(Some(value)))
}

pub(super) fn bad(property: &str) -> Fault {
    Fault::InvalidArgument { property: property.to_owned() }
}

pub(super) fn not_found(object: &Ref) -> Fault {
    Fault::ManagedObjectNotFound { type_name: object.type_name.clone(), moid: object.id.clone() }
}

pub(super) fn invalid_request(reason: &str) -> Fault {
    Fault::InvalidRequest { reason: reason.to_owned() }
}
