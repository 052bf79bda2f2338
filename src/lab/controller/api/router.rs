//! From a path to what it names: prefix, slash, sign-in, method, body, row; then on to the reads and writes.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::super::super::world::World;
use super::super::model::access::Caller;
use super::super::model::{Controller, Id, Refusal};
use super::kind::Kind;
use super::message::{BODY_BYTES_MAX, Reply, Request, URL_BYTES_MAX};
use super::{lists, options, roots, writes};

/// Which controller this is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ApiMode {
    /// AWX 23.5.1's texts where they differ (CONTRACT.md §13).
    pub v23: bool,
    /// Behind a platform gateway: everything under `/api/controller/v2/` too, and URLs say so.
    pub gateway: bool,
}

/// One request on its way to its row.
pub(super) struct Call<'a> {
    pub request: &'a Request,
    pub mode: ApiMode,
    /// `/api/v2/`, or the gateway's.
    pub prefix: &'static str,
    pub caller: Caller,
    pub now: Timestamp,
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route<'a> {
    List(Kind),
    Detail(Kind, Id),
    Below(Kind, Id, &'a str),
}

/// Answers one request at `now`, after letting the world come up to it.
pub fn handle(world: &mut World, mode: ApiMode, request: &Request, now: Timestamp) -> Reply {
    world.tick(now);
    if request.path.len() + request.query.len() > URL_BYTES_MAX {
        return Reply::proxy(414);
    }
    if request.body.len() > BODY_BYTES_MAX {
        return Reply::proxy(413);
    }
    let delay_ms = u64::try_from(world.slowness_ms()).unwrap_or(0);
    let mut reply = answer(world, mode, request, now).unwrap_or_else(|r| Reply::refused(&r, mode.v23));
    let is_json = reply.headers.iter().any(|(name, value)| *name == "Content-Type" && value.contains("json"));
    let told = reply.headers.iter().any(|(name, _)| *name == "Allow");
    if let (true, false, Some(allow)) = (is_json, told, allow_of(mode, &request.path)) {
        reply.headers.push(("Allow", allow));
    }
    reply.delay_ms = delay_ms;
    if request.method == "HEAD" {
        reply.body.clear();
    }
    reply
}

fn answer(world: &mut World, mode: ApiMode, request: &Request, now: Timestamp) -> Result<Reply, Refusal> {
    let Some((prefix, rest)) = split_prefix(mode, &request.path) else {
        return Ok(roots::outside(mode, request));
    };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    if !request.path.ends_with('/') && !answers_without_slash(mode, &parts) {
        return Ok(Reply::moved(request));
    }
    if parts == ["ping"] {
        return roots::ping(request, now);
    }
    // The version's root needs no sign-in either: the awx command reads it before it shows its token.
    if parts.is_empty() {
        return roots::version_root(prefix, request);
    }
    let caller = sign_in(world, request, now)?;
    let call = Call { request, mode, prefix, caller, now };
    if let Some(reply) = roots::answer(world, &call, &parts) {
        return reply;
    }
    let route = find_route(world, &call, &parts)?;
    let Some(route) = route else { return Ok(Reply::unknown_path(mode.v23)) };
    let Some(allowed) = options::methods(route) else { return Ok(Reply::unknown_path(mode.v23)) };
    if request.method == "OPTIONS" {
        return Ok(options::metadata(route, allowed).with("Allow", options::allow(allowed)));
    }
    if !allowed.contains(&request.method.as_str()) && request.method != "HEAD" {
        return Err(Refusal::MethodNotAllowed(request.method.clone()));
    }
    let reply = match request.method.as_str() {
        "GET" | "HEAD" => lists::read(world, &call, route),
        _ => parse_body(request).and_then(|body| match body {
            Ok(body) => writes::write(world, &call, route, &body),
            Err(reply) => Ok(reply),
        }),
    };
    Ok(reply?.with("Allow", options::allow(allowed)).with("X-API-Product-Version", version(mode).to_owned()))
}

/// What the path takes, whether its row exists or not: refusals carry `Allow` too.
fn allow_of(mode: ApiMode, path: &str) -> Option<String> {
    let parts: Vec<&str> = split_prefix(mode, path)?.1.split('/').filter(|part| !part.is_empty()).collect();
    if matches!(parts.as_slice(), [] | ["me" | "ping"]) {
        return Some("GET, HEAD, OPTIONS".to_owned());
    }
    let kind = Kind::from_path(parts.first()?)?;
    let route = match parts.as_slice() {
        [_] => Route::List(kind),
        [_, _] => Route::Detail(kind, 0),
        [_, _, below] => Route::Below(kind, 0, below),
        _ => return None,
    };
    options::methods(route).map(options::allow)
}

/// The version the controller says it is.
pub(super) fn version(mode: ApiMode) -> &'static str {
    if mode.v23 { "23.5.1" } else { "24.6.1" }
}

fn split_prefix(mode: ApiMode, path: &str) -> Option<(&'static str, &str)> {
    let gateway = mode.gateway.then(|| path.strip_prefix("/api/controller/v2/")).flatten();
    let plain = || path.strip_prefix("/api/v2/").map(|rest| ("/api/v2/", rest));
    gateway.map(|rest| ("/api/controller/v2/", rest)).or_else(plain)
}

/// 24.x finds rows of resources with named URLs without the slash (CONTRACT.md §2).
fn answers_without_slash(mode: ApiMode, parts: &[&str]) -> bool {
    let kind = parts.first().and_then(|part| Kind::from_path(part));
    !mode.v23 && parts.len() > 1 && kind.is_some_and(Kind::has_named_url)
}

fn sign_in(world: &World, request: &Request, now: Timestamp) -> Result<Caller, Refusal> {
    let header = request.header("authorization").ok_or(Refusal::Unauthenticated)?;
    if let Some(secret) = header.strip_prefix("Bearer ") {
        return world.bearer(secret.trim(), now);
    }
    let encoded = header.strip_prefix("Basic ").ok_or(Refusal::Unauthenticated)?;
    let decoded = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, encoded.trim());
    let text =
        decoded.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(Refusal::Unauthenticated)?;
    let (user, password) = text.split_once(':').ok_or(Refusal::Unauthenticated)?;
    world.controller.basic(user, password)
}

fn find_route<'a>(world: &World, call: &Call<'_>, parts: &[&'a str]) -> Result<Option<Route<'a>>, Refusal> {
    let Some(kind) = parts.first().and_then(|part| Kind::from_path(part)) else { return Ok(None) };
    let row = |text: &str| match text.parse::<Id>() {
        Ok(id) => Ok(Some(id)),
        Err(_) if text.contains("++") || kind == Kind::User => named(world, call, kind, text).map(Some),
        Err(_) => Ok(None),
    };
    Ok(match parts {
        [_] => Some(Route::List(kind)),
        [_, id] => row(id)?.map(|id| Route::Detail(kind, id)),
        [_, id, below] => row(id)?.map(|id| Route::Below(kind, id, below)),
        _ => None,
    })
}

/// A named URL: `<name>++<organization>`, for a host or a group `<name>++<inventory>++<organization>`. What may not be
/// read is not found (CONTRACT.md §1).
fn named(world: &World, call: &Call<'_>, kind: Kind, text: &str) -> Result<Id, Refusal> {
    let mut parts = text.split("++");
    let name = parts.next().unwrap_or_default();
    let c = &world.controller;
    let called = |id: &Id| match super::fields::field(
        c,
        kind,
        Some(*id),
        if kind == Kind::User { "username" } else { "name" },
    ) {
        Some(super::fields::Field::Text(Some(text))) => text == name,
        _ => false,
    };
    let owners: Vec<&str> = parts.collect();
    let owned = |id: &Id| owners.is_empty() || owner_names(c, kind, *id) == owners;
    let id = kind.ids(c).into_iter().find(|id| called(id) && owned(id));
    id.filter(|id| kind.readable(c, call.caller, *id)).ok_or(Refusal::NotFound(kind.model()))
}

/// The names that stand after a row's own in its named URL.
fn owner_names(c: &Controller, kind: Kind, id: Id) -> Vec<&str> {
    let owner = |name: &str| match super::fields::field(c, kind, Some(id), name) {
        Some(super::fields::Field::To(_, ids)) => ids.first().copied(),
        _ => None,
    };
    let inventory = owner("inventory").filter(|_| matches!(kind, Kind::Host | Kind::Group));
    let inventory = inventory.and_then(|id| c.rows.inventories.get(&id));
    let organization = inventory.map(|row| row.organization).or_else(|| owner("organization"));
    let organization = organization.and_then(|id| c.rows.organizations.get(&id));
    inventory
        .map(|row| row.name.as_str())
        .into_iter()
        .chain(organization.map(|row| row.name.as_str()))
        .collect()
}

/// The body of a write: an object, or nothing. `Ok(Err(reply))` is an answer of the parser itself.
type Parsed = Result<Map<String, Value>, Reply>;

fn parse_body(request: &Request) -> Result<Parsed, Refusal> {
    if request.body.is_empty() {
        return Ok(Ok(Map::new()));
    }
    let media = request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
    if media.trim() != "application/json" {
        let text = "You did not use correct Content-Type in your HTTP request. If you are using our REST API, the \
                    Content-Type must be application/json";
        return Ok(Err(Reply::json(415, &json!({ "detail": text }))));
    }
    match serde_json::from_slice(&request.body) {
        Ok(Value::Object(map)) => Ok(Ok(map)),
        Ok(_) => Err(Refusal::detail("JSON parse error - not a JSON object")),
        Err(error) => {
            Err(Refusal::detail(format!("JSON parse error - {error}\nPossible cause: trailing comma.")))
        }
    }
}

/// Whether the caller may see the row that a path names.
///
/// # Errors
/// 404 when it is not there, 403 when it may not be read.
pub(super) fn visible(world: &World, call: &Call<'_>, kind: Kind, id: Id) -> Result<(), Refusal> {
    if !kind.exists(&world.controller, id) {
        return Err(Refusal::NotFound(kind.model()));
    }
    if kind.readable(&world.controller, call.caller, id) { Ok(()) } else { Err(Refusal::forbidden()) }
}
