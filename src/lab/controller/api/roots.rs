//! What is about the controller as a whole: the roots, `ping`, `config`, `me`. Recordings: `root_api`,
//! `root_api_v2`, `ping`, `config`, `me`.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::super::world::World;
use super::super::model::Refusal;
use super::kind::Kind;
use super::message::{Reply, Request};
use super::page::page;
use super::render::Show;
use super::router::{ApiMode, Call, version};

/// The links of the version's root, by key; a `-` takes the key itself as the path.
const LINKS: [(&str, &str); 51] = [
    ("ping", "-"),
    ("instances", "-"),
    ("instance_groups", "-"),
    ("receptor_addresses", "-"),
    ("config", "-"),
    ("settings", "-"),
    ("me", "-"),
    ("dashboard", "-"),
    ("organizations", "-"),
    ("users", "-"),
    ("execution_environments", "-"),
    ("projects", "-"),
    ("project_updates", "-"),
    ("teams", "-"),
    ("credentials", "-"),
    ("credential_types", "-"),
    ("credential_input_sources", "-"),
    ("applications", "-"),
    ("tokens", "-"),
    ("metrics", "-"),
    ("inventory", "inventories"),
    ("constructed_inventory", "constructed_inventories"),
    ("inventory_sources", "-"),
    ("inventory_updates", "-"),
    ("groups", "-"),
    ("hosts", "-"),
    ("host_metrics", "-"),
    ("host_metric_summary_monthly", "-"),
    ("job_templates", "-"),
    ("jobs", "-"),
    ("ad_hoc_commands", "-"),
    ("system_job_templates", "-"),
    ("system_jobs", "-"),
    ("schedules", "-"),
    ("roles", "-"),
    ("notification_templates", "-"),
    ("notifications", "-"),
    ("labels", "-"),
    ("unified_job_templates", "-"),
    ("unified_jobs", "-"),
    ("activity_stream", "-"),
    ("workflow_job_templates", "-"),
    ("workflow_jobs", "-"),
    ("workflow_approvals", "-"),
    ("workflow_job_template_nodes", "-"),
    ("workflow_job_nodes", "-"),
    ("mesh_visualizer", "-"),
    ("bulk", "-"),
    ("analytics", "-"),
    ("service_index", "service-index"),
    ("role_definitions", "-"),
];

/// Paths outside a version: the API's own roots, and what is not there.
pub(super) fn outside(mode: ApiMode, request: &Request) -> Reply {
    let path = request.path.as_str();
    let known = matches!(path, "/api" | "/api/" | "/api/v2")
        || (mode.gateway && matches!(path, "/api/controller" | "/api/controller/" | "/api/controller/v2"));
    if !known {
        return Reply::unknown_path(mode.v23);
    }
    if !path.ends_with('/') {
        return Reply::moved(request);
    }
    if !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
        return Reply::refused(&Refusal::MethodNotAllowed(request.method.clone()), mode.v23);
    }
    let allow = |reply: Reply| reply.with("Allow", "GET, HEAD, OPTIONS".to_owned());
    let root = |prefix: &str| {
        json!({
            "description": "AWX REST API", "current_version": prefix, "available_versions": {"v2": prefix},
            "custom_logo": "", "custom_login_info": "", "login_redirect_override": "",
        })
    };
    match (path, mode.gateway) {
        // The gateway's own root knows no version of the controller.
        ("/api/", true) => allow(Reply::json(
            200,
            &json!({
                "description": "AAP gateway REST API",
                "apis": {"gateway": "/api/gateway/", "controller": "/api/controller/"},
            }),
        )),
        // With a prefix the root omits `oauth2` (CONTRACT.md §13).
        (_, true) => allow(Reply::json(200, &root("/api/controller/v2/"))),
        (_, false) => {
            let mut body = root("/api/v2/");
            body["oauth2"] = json!("/api/o/");
            allow(Reply::json(200, &body))
        }
    }
}

/// `ping/` needs no sign-in.
pub(super) fn ping(request: &Request, now: Timestamp) -> Result<Reply, Refusal> {
    if !matches!(request.method.as_str(), "GET" | "HEAD") {
        return Err(Refusal::MethodNotAllowed(request.method.clone()));
    }
    let group = |name: &str| json!({"name": name, "capacity": 220, "instances": ["lab"]});
    let instance = json!({"node": "lab", "node_type": "hybrid", "uuid": "00000000-0000-0000-0000-000000000000",
        "heartbeat": super::render::time(now), "capacity": 220, "version": "24.6.1"});
    let body = json!({"ha": false, "version": "24.6.1", "active_node": "lab",
        "install_uuid": "00000000-0000-4000-8000-00000000c4fe", "instances": [instance],
        "instance_groups": [group("controlplane"), group("default")]});
    Ok(Reply::json(200, &body).with("Allow", "GET, HEAD, OPTIONS".to_owned()))
}

/// The links to everything.
pub(super) fn version_root(prefix: &str, request: &Request) -> Result<Reply, Refusal> {
    if !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
        return Err(Refusal::MethodNotAllowed(request.method.clone()));
    }
    Ok(Reply::json(200, &links(prefix)).with("Allow", "GET, HEAD, OPTIONS".to_owned()))
}

/// `config/` and `me/`; `None` for everything else.
pub(super) fn answer(world: &World, call: &Call<'_>, parts: &[&str]) -> Option<Result<Reply, Refusal>> {
    let reply = match parts {
        ["config"] => Reply::json(200, &config(world, call)),
        ["me"] => {
            let show = Show {
                controller: &world.controller,
                prefix: call.prefix,
                caller: call.caller,
                now: call.now,
                detail: false,
            };
            let path = format!("{}me/", call.prefix);
            page(&path, &[], &[call.caller.user], |id| show.row(Kind::User, id))
        }
        _ => return None,
    };
    let allow = if parts == ["config"] { "GET, POST, DELETE, HEAD, OPTIONS" } else { "GET, HEAD, OPTIONS" };
    if !matches!(call.request.method.as_str(), "GET" | "HEAD" | "OPTIONS") {
        return Some(Err(Refusal::MethodNotAllowed(call.request.method.clone())));
    }
    Some(Ok(reply.with("Allow", allow.to_owned())))
}

fn links(prefix: &str) -> Value {
    let link = |(key, path): &(&str, &str)| {
        let path = if *path == "-" { key } else { path };
        ((*key).to_owned(), json!(format!("{prefix}{path}/")))
    };
    let mut map: Map<String, Value> = LINKS.iter().map(link).collect();
    for key in ["role_user_assignments", "role_team_assignments"] {
        map.insert(key.to_owned(), json!(format!("{prefix}{key}/")));
    }
    Value::Object(map)
}

fn config(world: &World, call: &Call<'_>) -> Value {
    let mut body = json!({
        "time_zone": "UTC", "version": version(call.mode), "eula": "", "analytics_status": "off",
        "license_info": {"license_type": "open", "valid_key": true, "subscription_name": "OPEN",
            "product_name": "AWX"},
        "analytics_collectors": {}, "become_methods": [["sudo", "Sudo"], ["su", "Su"]],
    });
    if world.controller.is_superuser(call.caller.user) {
        body["project_base_dir"] = json!("/var/lib/awx/projects/");
        body["project_local_paths"] = json!([]);
        body["custom_virtualenvs"] = json!([]);
    }
    body
}
