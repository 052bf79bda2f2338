//! The table of everything the bridge answers to. What does not stand here does not exist.

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError, Route};

use super::problem::{Kind, Problem};
use super::{actions, callbacks, drift, history, hooks, inventory, ops, vm_actions, vm_requests, vms};
use crate::vm_request::RequestId;
use crate::vm_request::hold::OperatorAction;

/// Where requests are listed and made.
pub const LIST_HREF: &str = "/api/v1/vm-requests";

/// Where the register of VMs is.
pub const VMS_HREF: &str = "/api/v1/vms";

/// One address, with its methods.
pub struct Entry {
    pub path: &'static str,
    /// Name of the operation, for counters.
    pub name: &'static str,
    pub methods: &'static [Method],
}

/// One method of an address.
pub struct Method {
    pub name: &'static str,
    route: fn() -> Route,
}

const fn get(route: fn() -> Route) -> Method {
    Method { name: "GET", route }
}

const fn post(route: fn() -> Route) -> Method {
    Method { name: "POST", route }
}

const fn put(route: fn() -> Route) -> Method {
    Method { name: "PUT", route }
}

/// Every address. `/hooks/aap/…` has one part more than `/hooks/{source}`, so the two never meet.
pub const TABLE: &[Entry] = &[
    Entry {
        path: LIST_HREF,
        name: "vm_requests",
        methods: &[get(|| web::get().to(vm_requests::list)), post(|| web::post().to(vm_requests::create))],
    },
    Entry {
        path: "/api/v1/vm-requests/{id}",
        name: "vm_request",
        methods: &[get(|| web::get().to(vm_requests::get))],
    },
    Entry {
        path: "/api/v1/vm-requests/{id}/events",
        name: "events",
        methods: &[get(|| web::get().to(history::events))],
    },
    Entry {
        path: "/api/v1/vm-requests/{id}/journal",
        name: "journal",
        methods: &[get(|| web::get().to(history::journal))],
    },
    Entry {
        path: "/api/v1/vm-requests/{id}/evidence",
        name: "evidence",
        methods: &[get(|| web::get().to(history::evidence))],
    },
    Entry {
        path: "/api/v1/vm-requests/{id}/actions",
        name: "actions",
        methods: &[get(|| web::get().to(actions::list))],
    },
    Entry {
        path: "/api/v1/vm-requests/{id}/actions/{action}",
        name: "act",
        methods: &[post(|| web::post().to(actions::act))],
    },
    Entry { path: VMS_HREF, name: "vms", methods: &[get(|| web::get().to(vms::list))] },
    Entry {
        path: "/api/v1/vms/adopt",
        name: "adopt_vms",
        methods: &[post(|| web::post().to(vm_actions::adopt_many))],
    },
    Entry { path: "/api/v1/vms/{vm}", name: "vm", methods: &[get(|| web::get().to(vms::get))] },
    Entry {
        path: "/api/v1/vms/{vm}/actions/{action}",
        name: "act_on_vm",
        methods: &[post(|| web::post().to(vm_actions::act))],
    },
    Entry { path: "/api/v1/drift", name: "drift", methods: &[get(|| web::get().to(drift::list))] },
    Entry {
        path: "/api/v1/left-overs",
        name: "left_overs",
        methods: &[get(|| web::get().to(drift::left_overs))],
    },
    Entry { path: "/api/v1/watch", name: "watch", methods: &[get(|| web::get().to(drift::watch))] },
    Entry {
        path: "/api/v1/watch/actions/end_mass_change",
        name: "end_mass_change",
        methods: &[post(|| web::post().to(vm_actions::end_mass_change))],
    },
    Entry { path: "/inventory", name: "inventory", methods: &[get(|| web::get().to(inventory::get))] },
    Entry { path: "/hooks/{source}", name: "hook", methods: &[post(|| web::post().to(hooks::receive))] },
    Entry {
        // A notification template may be set to PUT (CONTRACT.md §8.1).
        path: "/hooks/aap/{controller}",
        name: "callback",
        methods: &[post(|| web::post().to(callbacks::receive)), put(|| web::put().to(callbacks::receive))],
    },
    Entry { path: "/livez", name: "livez", methods: &[get(|| web::get().to(ops::livez))] },
    Entry { path: "/readyz", name: "readyz", methods: &[get(|| web::get().to(ops::readyz))] },
    Entry { path: "/metrics", name: "metrics", methods: &[get(|| web::get().to(ops::metrics))] },
    Entry { path: "/openapi.json", name: "openapi", methods: &[get(|| web::get().to(ops::openapi))] },
    Entry { path: "/schemas/{name}", name: "schema", methods: &[get(|| web::get().to(ops::schema))] },
];

/// Where the request stands.
#[must_use]
pub fn request_href(id: &RequestId) -> String {
    format!("{LIST_HREF}/{id}")
}

/// Where the VM stands in the register.
#[must_use]
pub fn vm_href(id: &str) -> String {
    format!("{VMS_HREF}/{id}")
}

/// Where the action is done.
#[must_use]
pub fn action_href(id: &RequestId, action: OperatorAction) -> String {
    format!("{LIST_HREF}/{id}/actions/{}", action.name())
}

/// Sets up every route of the table.
pub fn configure(config: &mut ServiceConfig) {
    for entry in TABLE {
        let mut resource = web::resource(entry.path).name(entry.name);
        for method in entry.methods {
            resource = resource.route((method.route)());
        }
        config.service(resource.default_service(web::to(wrong_method)));
    }
    config.default_service(web::to(nothing_here));
}

async fn wrong_method(request: HttpRequest) -> HttpResponse {
    let entry = TABLE.iter().find(|entry| Some(entry.name) == request.match_name());
    let names: Vec<&str> =
        entry.map_or_else(Vec::new, |entry| entry.methods.iter().map(|m| m.name).collect());
    let allow = names.join(", ");
    Problem::new(Kind::MethodNotAllowed, format!("This address takes {allow}."))
        .with_header(header::ALLOW, allow)
        .error_response()
}

async fn nothing_here() -> HttpResponse {
    Problem::new(Kind::NotFound, "This address does not exist; /openapi.json lists those that do.")
        .error_response()
}
