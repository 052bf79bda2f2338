//! `/api/v1/drift`: open findings over all VMs; `/api/v1/left-overs`: what belongs to nobody; `/api/v1/watch`: how the
//! watch stands.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::extract::{Caller, Query, state};
use super::problem::{Kind, Problem};
use super::routes::{request_href, vm_href};
use crate::journal::{PAGE_MAX, RegisterQuery};
use crate::vm_request::RequestId;
use crate::vm_request::watch::DriftVerdict;
use crate::vm_request::watch::line::{FindingLine, VmLine};

/// `GET /api/v1/drift`: findings, VM by VM in the order of their requests.
pub(super) async fn list(request: HttpRequest, caller: Caller) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    let mut query = Query::of(&request, &["verdict", "environment", "vcenter", "field", "cursor", "limit"])?;
    let verdicts = DriftVerdict::ALL.map(DriftVerdict::name).join(", ");
    let verdict = query.parsed("verdict", &verdicts, DriftVerdict::from_name)?;
    let (environment, vcenter, field) =
        (query.text("environment"), query.text("vcenter"), query.text("field"));
    let in_range = |text: &str| text.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
    let limit = query.parsed("limit", &format!("VMs, 1 to {PAGE_MAX}"), in_range)?.unwrap_or(PAGE_MAX);
    let mut after =
        query.parsed("cursor", "`next_cursor` of the page before", |text| text.parse::<RequestId>().ok())?;
    let same = |wanted: &Option<String>, seen: Option<&str>| {
        wanted.as_deref().is_none_or(|wanted| Some(wanted) == seen)
    };
    let fits = |line: &VmLine| {
        let is_seen = caller.0.may_see(line.environment.as_deref());
        is_seen && same(&environment, line.environment.as_deref()) && same(&vcenter, Some(&line.vcenter))
    };
    let wanted = |finding: &&FindingLine| {
        verdict.is_none_or(|verdict| verdict == finding.drift.verdict)
            && same(&field, Some(&finding.drift.field))
    };
    let mut items = Vec::new();
    let mut vms = 0;
    let next = loop {
        let lines = state.journal.view().vms(after.clone(), true, PAGE_MAX).await?;
        let is_last = lines.len() < PAGE_MAX;
        for line in lines {
            if vms == limit {
                break;
            }
            after = Some(line.request.clone());
            let found: Vec<Value> = line
                .findings
                .iter()
                .filter(|_| fits(&line))
                .filter(wanted)
                .map(|found| item(&line, found))
                .collect();
            vms += usize::from(!found.is_empty());
            items.extend(found);
        }
        if vms == limit || is_last {
            break after.filter(|_| vms == limit);
        }
    };
    Ok(HttpResponse::Ok().json(json!({ "items": items, "next_cursor": next })))
}

fn item(line: &VmLine, finding: &FindingLine) -> Value {
    let mut item = json!(finding);
    item["vm"] = json!({
        "id": line.request,
        "href": vm_href(line.request.as_str()),
        "name": line.vm_name,
        "environment": line.environment,
        "vcenter": line.vcenter,
        "request": request_href(&line.request),
        "paused": line.is_paused,
    });
    item
}

/// `GET /api/v1/left-overs`: VMs of the register that no request has, and hosts of a state inventory without a VM.
pub(super) async fn left_overs(request: HttpRequest, caller: Caller) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    Query::of(&request, &[])?;
    if !caller.0.may_see(None) {
        let detail = "Left-overs are of no environment: a token for some environments does not see them.";
        return Err(Problem::new(Kind::NotAllowed, detail));
    }
    let now = state.clock.now();
    let age = |at: jiff::Timestamp| now.duration_since(at).as_secs().max(0);
    let view = state.journal.view();
    let unmanaged = RegisterQuery {
        managed: Some(false),
        gone: Some(false),
        limit: PAGE_MAX,
        ..RegisterQuery::default()
    };
    // A VM with an identity of ours that no request has: a half-made clone, a copy, a restored backup.
    let vms: Vec<Value> = view
        .register(&unmanaged)
        .await?
        .into_iter()
        .filter(|row| !row.seen.vm.is_template)
        .map(|row| {
            json!({
                "kind": if row.seen.vm.vm_uid.is_some() { "vm_with_foreign_identity" } else { "vm_without_request" },
                "id": row.seen.id, "href": vm_href(&row.seen.id), "name": row.seen.vm.name,
                "vcenter": row.seen.vcenter, "vm_uid": row.seen.vm.vm_uid,
                "seen_at": row.seen.vm.seen_at, "unchanged_secs": age(row.seen.vm.seen_at),
            })
        })
        .collect();
    let hosts: Vec<Value> = view
        .hosts(None, true, PAGE_MAX)
        .await?
        .into_iter()
        .map(|host| {
            json!({
                "kind": "host_without_vm", "controller": host.controller, "name": host.name, "host_id": host.host_id,
                "execution_id": host.variables.get("execution_id"), "vm_state": host.variables.get("vm_state"),
                "seen_at": host.seen_at, "unchanged_secs": age(host.seen_at),
            })
        })
        .collect();
    let missing = RegisterQuery { gone: Some(true), limit: PAGE_MAX, ..RegisterQuery::default() };
    let gone: Vec<Value> = view
        .register(&missing)
        .await?
        .into_iter()
        .map(|row| {
            json!({
                "kind": "request_without_vm", "id": row.seen.id, "href": vm_href(&row.seen.id),
                "name": row.seen.vm.name, "gone_at": row.seen.gone_at,
                "age_secs": row.seen.gone_at.map(age),
                "request": row.seen.request.as_ref().map(request_href),
            })
        })
        .collect();
    let is_cut = [vms.len(), hosts.len(), gone.len()].contains(&PAGE_MAX);
    let items: Vec<Value> = vms.into_iter().chain(hosts).chain(gone).collect();
    Ok(HttpResponse::Ok().json(json!({ "items": items, "is_cut": is_cut })))
}

/// `GET /api/v1/watch`.
pub(super) async fn watch(request: HttpRequest, _: Caller) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    Query::of(&request, &[])?;
    let status = state.watch.as_ref().map(|watch| (watch.status)());
    Ok(HttpResponse::Ok().json(json!({ "enabled": status.is_some(), "status": status })))
}
