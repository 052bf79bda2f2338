//! For whoever runs the bridge: is it alive, is it ready, what did it count, what does it offer. Without a token, so
//! that probes need none; nothing here names a request.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;

use super::extract::state;
use super::problem::{Kind, Problem};
use crate::intake::schema::VM_REQUEST_SCHEMA;

/// The description of this surface. A test holds it against [`super::routes::TABLE`].
pub const OPENAPI: &str = include_str!("openapi.json");

/// The schemas that are served, by name.
const SCHEMAS: [(&str, &str); 6] = [
    ("vm-request.v1.schema.json", VM_REQUEST_SCHEMA),
    ("extra-vars.v1.schema.json", include_str!("../../schemas/extra-vars.v1.schema.json")),
    ("artifact.v2.schema.json", include_str!("../../schemas/artifact.v2.schema.json")),
    ("execution-summary.v2.schema.json", include_str!("../../schemas/execution-summary.v2.schema.json")),
    ("host-variables.v1.schema.json", include_str!("../../schemas/host-variables.v1.schema.json")),
    ("claim.v1.schema.json", include_str!("../../schemas/claim.v1.schema.json")),
];

/// `GET /livez`: the process answers.
pub(super) async fn livez() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "alive" }))
}

/// `GET /readyz`: the journal can be read and the bridge is not about to stop.
pub(super) async fn readyz(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    if state.is_draining() {
        let detail = "The bridge is about to stop; send nothing new here.";
        return Err(Problem::new(Kind::Unavailable, detail).retry_after(5));
    }
    state.journal.active(None, 1).await?;
    Ok(HttpResponse::Ok().json(json!({ "status": "ready" })))
}

/// `GET /metrics`: Prometheus' text format.
pub(super) async fn metrics(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    // A journal that cannot be read is what its other figures tell: they must come all the same.
    let open = state.journal.open_by_phase().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "open requests could not be counted");
        Vec::new()
    });
    let mut text = state.counters.text(&state.journal.stats(), &open, &(state.calls_made)());
    if let Some(watch) = &state.watch {
        let status = (watch.status)();
        let count = |name: &str| status.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default();
        let is_stopped = status.get("mass_change_since").is_some_and(|since| !since.is_null());
        for (name, value) in [
            ("causeway_vms_watched", count("watched")),
            ("causeway_findings_open", count("findings")),
            ("causeway_mass_change", u64::from(is_stopped)),
        ] {
            text.push_str(&format!("# TYPE {name} gauge\n{name} {value}\n"));
        }
    }
    let content_type = (header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8");
    Ok(HttpResponse::Ok().insert_header(content_type).body(text))
}

/// `GET /openapi.json`.
pub(super) async fn openapi() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(OPENAPI)
}

/// `GET /schemas/{name}`.
pub(super) async fn schema(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let name = request.match_info().get("name").unwrap_or_default();
    let found = SCHEMAS.iter().find(|(known, _)| *known == name);
    let Some((_, text)) = found else {
        let names = SCHEMAS.map(|(name, _)| name).join(", ");
        return Err(Problem::new(Kind::NotFound, format!("There is no such schema; there are {names}.")));
    };
    Ok(HttpResponse::Ok().content_type("application/schema+json").body(*text))
}
