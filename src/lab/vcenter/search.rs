//! Looking for things: `SearchIndex`. What is hidden is not found.

use uuid::Uuid;

use super::methods::{Desk, Reply, bad};
use super::value::{Ref, Val};
use super::xml::Element;
use crate::lab::vsphere::{Fault, Moid, Vm};

impl Desk<'_> {
    /// Performs `method` when it is one of the searching ones.
    ///
    /// # Errors
    /// `InvalidArgument`.
    pub(super) fn search(&self, method: &Element) -> Result<Option<Reply>, Fault> {
        let found = match method.name.as_str() {
            "FindByUuid" => self.find_by_uuid(method)?.map(Ref::from),
            "FindAllByUuid" => {
                let found = self.find_by_uuid(method)?.filter(|moid| !self.hides(*moid)).into_iter();
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
            _ => return Ok(None),
        };
        let found = found.filter(|one| one.moid().is_none_or(|moid| !self.hides(moid)));
        Ok(Some(Reply::Answer(found.map(Val::Ref))))
    }

    /// Whether the caller has lost the right to see this machine.
    pub(super) fn hides(&self, moid: Moid) -> bool {
        self.faults.hidden.contains(&moid)
    }

    fn find_by_uuid(&self, method: &Element) -> Result<Option<Moid>, Fault> {
        let uuid = method.text_of("uuid").unwrap_or_default();
        let uuid = Uuid::parse_str(uuid).map_err(|_| bad("uuid"))?;
        if !method.flag_of("vmSearch") {
            return Ok(None);
        }
        Ok(self.vsphere.vm_by_uuid(uuid, method.flag_of("instanceUuid")).map(|vm| vm.moid))
    }
}

fn vm_ref(vm: &Vm) -> Ref {
    vm.moid.into()
}
