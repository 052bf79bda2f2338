//! `/api/v1/vms`: the register. What was asked of each VM, what vCenter and the inventory were last seen to show, and
//! what differs; VMs that no request made stand in it too.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::access::Person;
use super::extract::{Caller, Query, state};
use super::problem::{Kind, Problem};
use super::routes::{VMS_HREF, request_href, vm_href};
use super::state::AppState;
use crate::journal::{PAGE_MAX, RegisterQuery, RegisterRow};
use crate::vm_request::State;
use crate::vm_request::watch::DriftVerdict;
use crate::vm_request::watch::action::VmAction;

const PAGE_DEFAULT: usize = 50;

/// `GET`: a page, in the order of ids.
pub(super) async fn list(request: HttpRequest, caller: Caller) -> Result<HttpResponse, Problem> {
    const KNOWN: [&str; 9] =
        ["vcenter", "environment", "managed", "gone", "verdict", "text", "expired", "cursor", "limit"];
    let state = state(&request)?;
    let mut query = Query::of(&request, &KNOWN)?;
    let verdicts = DriftVerdict::ALL.map(DriftVerdict::name).join(", ");
    let verdict = query.parsed("verdict", &format!("in_sync, {verdicts}"), |text| match text {
        "in_sync" => Some(None),
        name => DriftVerdict::from_name(name).map(Some),
    })?;
    let mut flag = |name: &str| query.parsed(name, "true or false", |text| text.parse::<bool>().ok());
    let (managed, gone, expired) = (flag("managed")?, flag("gone")?, flag("expired")?);
    let in_range = |text: &str| text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    let limit = query.parsed("limit", &format!("1 to {PAGE_MAX}"), in_range)?.unwrap_or(PAGE_DEFAULT);
    let mut wanted = RegisterQuery {
        vcenter: query.text("vcenter"),
        environment: query.text("environment"),
        // Only a VM of a request has a verdict or a lease.
        managed: managed.or((verdict.is_some() || expired.is_some()).then_some(true)),
        gone,
        text: query.text("text"),
        after: query.text("cursor"),
        limit: PAGE_MAX,
    };
    let now = state.clock.now();
    let fits = |row: &RegisterRow| {
        let line = row.line.as_ref();
        let is_expired = line.and_then(|line| line.lease_expires_at).is_some_and(|at| at <= now);
        may_see(&caller.0, row)
            && verdict.is_none_or(|verdict| line.is_some_and(|line| line.verdict == verdict))
            && expired.is_none_or(|expired| expired == is_expired)
    };
    let mut items = Vec::new();
    let next = loop {
        let rows = state.journal.view().register(&wanted).await?;
        let is_last = rows.len() < PAGE_MAX;
        for row in rows {
            if items.len() == limit {
                break;
            }
            wanted.after = Some(row.seen.id.clone());
            if fits(&row) {
                items.push(line(&row));
            }
        }
        if items.len() == limit || is_last {
            break wanted.after.filter(|_| items.len() == limit);
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next_cursor": next })))
}

/// `GET …/{vm}`: a VM by its id in the register or by its request.
pub(super) async fn get(request: HttpRequest, caller: Caller) -> Result<HttpResponse, Problem> {
    Query::of(&request, &[])?;
    let state = state(&request)?;
    let row = row(state, &request, &caller.0).await?;
    Ok(HttpResponse::Ok().json(whole(state, &row).await?))
}

/// The row that the address names, if the caller may see it.
pub(super) async fn row(
    state: &AppState,
    request: &HttpRequest,
    caller: &Person,
) -> Result<RegisterRow, Problem> {
    let id = request.match_info().get("vm").unwrap_or_default();
    let found = state.journal.view().register_one(id).await?;
    found.filter(|row| may_see(caller, row)).ok_or_else(no_such_vm)
}

pub(super) fn no_such_vm() -> Problem {
    Problem::new(Kind::NotFound, "There is no such VM in the register.")
}

fn may_see(caller: &Person, row: &RegisterRow) -> bool {
    caller.may_see(row.line.as_ref().and_then(|line| line.environment.as_deref()))
}

/// What a list tells of a VM.
fn line(row: &RegisterRow) -> Value {
    let (seen, line) = (&row.seen, row.line.as_ref());
    json!({
        "id": seen.id,
        "href": vm_href(&seen.id),
        "name": seen.vm.name,
        "vcenter": seen.vcenter,
        "moid": seen.vm.moid,
        "environment": line.and_then(|line| line.environment.as_deref()),
        "power": seen.vm.power,
        "is_template": seen.vm.is_template,
        "ip_address": seen.vm.ip_address,
        "managed": line.is_some(),
        "verdict": verdict(row),
        "findings": line.map_or(0, |line| line.findings.len()),
        "paused": line.is_some_and(|line| line.is_paused),
        "lease_expires_at": line.and_then(|line| line.lease_expires_at),
        "request": line.map(|line| request_href(&line.request)),
        "seen_at": seen.vm.seen_at,
        "gone_at": seen.gone_at,
    })
}

fn verdict(row: &RegisterRow) -> &'static str {
    match &row.line {
        None => "unmanaged",
        Some(line) => line.verdict.map_or("in_sync", DriftVerdict::name),
    }
}

/// Everything about a VM: asked, inventory and vCenter beside each other.
pub(super) async fn whole(state: &AppState, row: &RegisterRow) -> Result<Value, Problem> {
    let mut shown = line(row);
    let request = row.line.as_ref().map(|line| &line.request);
    let known: Option<State> = match request {
        Some(id) => state.journal.load_state(id).await?,
        None => None,
    };
    let host = match request {
        Some(id) => state.journal.view().host_of(id).await?,
        None => None,
    };
    let known = known.as_ref();
    shown["vcenter_shows"] = json!(row.seen.vm);
    shown["asked"] = json!({
        "spec": known.and_then(State::received).map(|received| &received.spec),
        "baseline": known.and_then(|known| known.vm.as_ref()),
        "accepted": known.map(|known| &known.watch.accepted),
    });
    shown["inventory_says"] = json!(host.as_ref().map(|host| json!({
        "controller": host.controller,
        "host": host.name,
        "host_id": host.host_id,
        "seen_at": host.seen_at,
        "variables": host.variables,
    })));
    shown["findings"] = json!(row.line.as_ref().map(|line| &line.findings));
    shown["ignored"] = json!(known.map(|known| &known.watch.ignored));
    shown["pause"] = json!(known.and_then(|known| known.watch.paused.as_ref()));
    shown["lease"] = json!(known.and_then(|known| known.watch.lease.as_ref()));
    let remediations =
        known.map(|known| known.watch.remediations.iter().map(request_href).collect::<Vec<_>>());
    shown["remediations"] = json!(remediations);
    let possible = known.map_or_else(|| vec![VmAction::Adopt], VmAction::possible);
    shown["actions"] = possible.into_iter().map(|action| action_of(&row.seen.id, action)).collect();
    shown["links"] = json!({
        "self": vm_href(&row.seen.id),
        "history": request.map(|id| format!("{}/journal", request_href(id))),
    });
    Ok(shown)
}

fn action_of(id: &str, action: VmAction) -> Value {
    let named = |wanted: bool| {
        let names = action.takes().iter().filter(move |(_, needed)| *needed || !wanted);
        names.map(|(name, _)| *name).collect::<Vec<_>>()
    };
    json!({
        "name": action.name(),
        "method": "POST",
        "href": format!("{VMS_HREF}/{id}/actions/{}", action.name()),
        "input": { "takes": named(false), "needs": named(true) },
    })
}
