//! Looking for things: `SearchIndex`, and events.

use jiff::Timestamp;
use uuid::Uuid;

use super::methods::{Desk, Reply, bad};
use super::value::{Ref, Val};
use super::xml::Element;
use crate::lab::vsphere::{Event, Fault, Vm};

/// Events that one query answers, unless it wants fewer. The newest are kept (vSphere caps it the same way).
const EVENTS_MAX: usize = 1000;

impl Desk<'_> {
    /// Performs `method` when it is one of the searching ones.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(super) fn search(&self, method: &Element) -> Result<Option<Reply>, Fault> {
        let found = match method.name.as_str() {
            "FindByUuid" => self.find_by_uuid(method)?.map(Ref::from),
            "FindAllByUuid" => {
                let found = self.find_by_uuid(method)?.into_iter();
                return Ok(Some(Reply::Answer(Some(Val::refs(found)))));
            }
            "FindByInventoryPath" => {
                let path = method.text_of("inventoryPath").unwrap_or_default();
                self.vsphere.find_by_inventory_path(path).map(Ref::from)
            }
            "FindChild" => {
                let parent =
                    method.ref_of("entity").and_then(|one| one.moid()).ok_or_else(|| bad("entity"))?;
                self.vsphere.find_child(parent, method.text_of("name").unwrap_or_default()).map(Ref::from)
            }
            "FindByIp" => {
                let ip = method.text_of("ip");
                self.vsphere.vms().find(|vm| vm.reported_ip() == ip && ip.is_some()).map(vm_ref)
            }
            "FindByDnsName" => {
                let name = method.text_of("dnsName");
                self.vsphere.vms().find(|vm| vm.reported_hostname() == name && name.is_some()).map(vm_ref)
            }
            "QueryEvents" => return self.query_events(method).map(Some),
            _ => return Ok(None),
        };
        Ok(Some(Reply::Answer(found.map(Val::Ref))))
    }

    fn find_by_uuid(&self, method: &Element) -> Result<Option<crate::lab::vsphere::Moid>, Fault> {
        let uuid = method.text_of("uuid").unwrap_or_default();
        let uuid = Uuid::parse_str(uuid).map_err(|_| bad("uuid"))?;
        if !method.flag_of("vmSearch") {
            return Ok(None);
        }
        Ok(self.vsphere.vm_by_uuid(uuid, method.flag_of("instanceUuid")).map(|vm| vm.moid))
    }

    fn query_events(&self, method: &Element) -> Result<Reply, Fault> {
        let filter = method.child("filter").ok_or_else(|| bad("filter"))?;
        let types: Vec<&str> = filter.all("eventTypeId").map(|one| one.text.trim()).collect();
        let entity = filter.child("entity").and_then(|one| one.ref_of("entity"));
        let entity = entity.and_then(|one| one.moid()).filter(|moid| self.vsphere.vm(*moid).is_some());
        let begin = filter.child("time").and_then(|time| time.text_of("beginTime"));
        let begin: Option<Timestamp> =
            begin.map(str::parse).transpose().map_err(|_| bad("filter.time.beginTime"))?;
        let events_max = filter.number_of("maxCount").unwrap_or(EVENTS_MAX).min(EVENTS_MAX);
        let fits = |event: &&Event| {
            let type_name = event.kind.type_name();
            let of_type = types.is_empty() || types.iter().any(|one| one.ends_with(type_name));
            let of_entity = entity.is_none_or(|moid| event.vm == moid || event.source == Some(moid));
            of_type && of_entity && begin.is_none_or(|begin| event.created_at >= begin)
        };
        let mut newest: Vec<Val> =
            self.vsphere.events().filter(fits).map(|event| self.event(event)).collect();
        let surplus = newest.len().saturating_sub(events_max);
        newest.drain(..surplus);
        Ok(Reply::Answer(Some(Val::List("Event", newest))))
    }

    fn event(&self, event: &Event) -> Val {
        let argument = |type_name, name: &str, moid| {
            Val::of(type_name, vec![("name", Val::text(name)), ("vm", Val::moref(moid))])
        };
        let source = event.source.map(|moid| {
            let name = self.vsphere.name_of(moid).unwrap_or_default();
            argument("VmEventArgument", name, moid)
        });
        Val::one_of(
            event.kind.type_name(),
            vec![
                ("key", Val::int(event.key)),
                ("chainId", Val::int(event.task.map_or(event.key, |task| task.number()))),
                ("createdTime", Val::Time(event.created_at)),
                ("userName", Val::text(&event.user)),
                ("vm", argument("VmEventArgument", &event.vm_name, event.vm)),
                ("fullFormattedMessage", Val::text(&event.message)),
                ("template", Val::Bool(false)),
                ("sourceVm", source.unwrap_or(Val::Unset)),
            ],
        )
    }
}

fn vm_ref(vm: &Vm) -> Ref {
    vm.moid.into()
}
