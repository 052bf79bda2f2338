//! `/api/v1/vms/{vm}/actions/{action}`: what a person does with a VM. Doing is to write down who wants what; the watch
//! reads along.

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::Person;
use super::actions::COMMENT_CHARS_MAX;
use super::extract::{Caller, JsonBody, Query, state};
use super::problem::{Kind, Problem};
use super::routes::{request_href, vm_href};
use super::state::AppState;
use super::vms;
use crate::intake::json;
use crate::intake::pointer::child;
use crate::journal::{Admission, AdmissionKeys, Admitted, Append, AppendError, RegisterQuery, RegisterRow};
use crate::vm_request::violation::Violation;
use crate::vm_request::watch::Adopted;
use crate::vm_request::watch::action::{VmAction, VmActionInput};
use crate::vm_request::{Event, RequestId};

/// The most VMs that are adopted at once.
const ADOPTIONS_MAX: usize = 500;
/// The longest name in a body, in characters.
const NAME_CHARS_MAX: usize = 256;

/// `POST …/{action}`.
pub(super) async fn act(
    request: HttpRequest,
    caller: Caller,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    Query::of(&request, &[])?;
    let action = request.match_info().get("action").and_then(VmAction::from_name).ok_or_else(|| {
        let names = VmAction::ALL.map(VmAction::name).join(", ");
        Problem::new(Kind::NotFound, format!("There is no such action; there are {names}."))
    })?;
    let row = vms::row(state, &request, &caller.0).await?;
    let input = input(&body.0, action, &caller.0)?;
    match (action, &row.line) {
        (VmAction::Adopt, None) => {
            let id = adopt(state, &caller.0, &row, &input).await?;
            tracing::info!(vm = %row.seen.id, request.id = %id, by = caller.0.name, "a person adopted a VM");
            let body = json!({ "request": request_href(&id), "href": vm_href(id.as_str()) });
            return Ok(HttpResponse::Created().json(body));
        }
        (VmAction::Adopt, Some(_)) => return Err(not_valid("A request has it already.")),
        (_, Some(line)) => perform(state, &line.request, action, input).await?,
        (_, None) => return Err(not_valid("No request has it; adopt it first.")),
    }
    tracing::info!(vm = %row.seen.id, action = action.name(), by = caller.0.name, "a person acted on a VM");
    let row = state.journal.view().register_one(&row.seen.id).await?.ok_or_else(vms::no_such_vm)?;
    Ok(HttpResponse::Ok().json(vms::whole(state, &row).await?))
}

/// `POST /api/v1/vms/adopt`: everything that a selector fits, first as a trial.
pub(super) async fn adopt_many(
    request: HttpRequest,
    caller: Caller,
    body: JsonBody,
) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    Query::of(&request, &[])?;
    let fields = Fields::read(&body.0)?;
    let known = ["vcenter", "folder", "text", "environment", "comment", "dry_run"];
    let mut found = fields.unknown(&known);
    let texts = ["vcenter", "folder", "text", "environment"]
        .map(|name| fields.text(name, NAME_CHARS_MAX, &mut found));
    let [vcenter, folder, text, environment] = texts;
    let comment = fields.text("comment", COMMENT_CHARS_MAX, &mut found).unwrap_or_default();
    let dry_run = fields.flag("dry_run", &mut found).unwrap_or(true);
    if vcenter.is_none() {
        found.push(Violation::new("/vcenter", "is missing", "the name of a vCenter in the configuration"));
    }
    if !found.is_empty() {
        return Err(Problem::invalid(found));
    }
    let input = VmActionInput { by: caller.0.name.clone(), comment, environment, ..VmActionInput::default() };
    check_environment(state, &caller.0, &input)?;
    let mut query = RegisterQuery {
        vcenter,
        text,
        managed: Some(false),
        gone: Some(false),
        limit: 200,
        ..RegisterQuery::default()
    };
    let mut rows: Vec<RegisterRow> = Vec::new();
    loop {
        let page = state.journal.view().register(&query).await?;
        query.after = page.last().map(|row| row.seen.id.clone());
        let is_last = page.len() < query.limit;
        let fits = |row: &RegisterRow| {
            let here = folder.as_ref().is_none_or(|folder| row.seen.vm.folder == *folder);
            here && !row.seen.vm.is_template
        };
        rows.extend(page.into_iter().filter(fits));
        if is_last || rows.len() > ADOPTIONS_MAX {
            break;
        }
    }
    if rows.len() > ADOPTIONS_MAX {
        let what = format!("fits more than {ADOPTIONS_MAX} VMs");
        return Err(Problem::invalid(vec![Violation::new("", what, "a narrower selector: folder, text")]));
    }
    let mut items = Vec::new();
    for row in &rows {
        let id = if dry_run { None } else { Some(adopt(state, &caller.0, row, &input).await?) };
        items.push(json!({ "id": row.seen.id, "name": row.seen.vm.name, "folder": row.seen.vm.folder, "request": id }));
    }
    Ok(HttpResponse::Ok().json(json!({ "dry_run": dry_run, "items": items })))
}

/// `POST /api/v1/watch/actions/end_mass_change`.
pub(super) async fn end_mass_change(request: HttpRequest, caller: Caller) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    Query::of(&request, &[])?;
    if !caller.0.may_approve {
        let detail = format!("The token of {} may not end a mass change.", caller.0.name);
        return Err(Problem::new(Kind::NotAllowed, detail));
    }
    let watch = state.watch.as_ref().filter(|watch| (watch.end_mass_change)());
    let Some(watch) = watch else {
        return Err(
            Problem::new(Kind::Unavailable, "The watch does not run, or is busy. Try again.").retry_after(1)
        );
    };
    tracing::warn!(by = caller.0.name, "a person ended the mass change: repairs and remediations go on");
    Ok(HttpResponse::Accepted().json((watch.status)()))
}

async fn perform(
    state: &AppState,
    id: &RequestId,
    action: VmAction,
    input: VmActionInput,
) -> Result<(), Problem> {
    let mut tries = 0;
    loop {
        tries += 1;
        let known = state.journal.load_state(id).await?.ok_or_else(vms::no_such_vm)?;
        let event = action.event(&known, input.clone()).map_err(|why| {
            let names: Vec<&str> = VmAction::possible(&known).into_iter().map(VmAction::name).collect();
            not_valid(&format!("{} is not possible: {why}.", action.name()))
                .with("valid_actions", json!(names))
        })?;
        let (append, _) = Append::following(&known, state.clock.now().max(known.updated_at), vec![event])
            .map_err(|illegal| not_valid(&illegal.to_string()))?;
        match state.journal.append(append).await {
            Ok(_) => return Ok(()),
            Err(AppendError::Conflict { .. }) if tries < state.limits.append_tries_max => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Puts a VM under watch as it was last seen. Doing it again is harmless.
async fn adopt(
    state: &AppState,
    caller: &Person,
    row: &RegisterRow,
    input: &VmActionInput,
) -> Result<RequestId, Problem> {
    check_environment(state, caller, input)?;
    let seen = &row.seen;
    let access = state.access.get();
    let environment = input.environment.as_ref().and_then(|name| access.catalog.environments.get(name));
    if let Some(environment) = environment.filter(|environment| environment.vcenter != seen.vcenter) {
        let what = format!("is an environment of {}; the VM is in {}", environment.vcenter, seen.vcenter);
        return Err(Problem::invalid(vec![Violation::new("/environment", what, "one of the VM's vCenter")]));
    }
    let host_name = environment.map(|environment| match &environment.domain {
        Some(domain) => format!("{}.{domain}", seen.vm.name).to_lowercase(),
        None => seen.vm.name.to_lowercase(),
    });
    let adopted = Adopted {
        by: input.by.clone(),
        comment: input.comment.clone(),
        vcenter: seen.vcenter.clone(),
        environment: input.environment.clone(),
        controller: environment.map(|environment| environment.controller.clone()),
        host_name,
        vm: seen.vm.clone(),
    };
    let now = state.clock.now();
    let identity = seen.vm.instance_uuid.as_ref().unwrap_or(&seen.vm.moid);
    let key = json!(["adoption", seen.vcenter, identity]).to_string();
    let admission = Admission {
        id: RequestId::from_parts(now, (state.dice)()),
        at: now,
        events: vec![Event::Adopted(Box::new(adopted))],
        keys: AdmissionKeys { request_key: Some(key), ..AdmissionKeys::default() },
    };
    let id = admission.id.clone();
    match state.journal.admit(admission).await? {
        Admitted::New { .. } => Ok(id),
        Admitted::Seen { id, .. }
        | Admitted::IdempotencyConflict { id }
        | Admitted::PlaceTaken { id, .. } => Ok(id),
    }
}

/// A caller who may see some environments only adopts into one of them.
fn check_environment(state: &AppState, caller: &Person, input: &VmActionInput) -> Result<(), Problem> {
    let access = state.access.get();
    let known = access.catalog.environments.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let is_known =
        input.environment.as_ref().is_none_or(|name| access.catalog.environments.contains_key(name));
    if is_known && caller.may_see(input.environment.as_deref()) {
        return Ok(());
    }
    let what = if input.environment.is_some() { "is no environment of yours" } else { "is missing" };
    Err(Problem::invalid(vec![Violation::new("/environment", what, format!("one of {known}"))]))
}

fn not_valid(detail: &str) -> Problem {
    Problem::new(Kind::ActionNotValid, detail)
}

/// The fields of a body.
struct Fields(serde_json::Map<String, Value>);

impl Fields {
    fn read(body: &Bytes) -> Result<Self, Problem> {
        match json::parse(body).map_err(|violation| Problem::invalid(vec![violation]))? {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(Problem::invalid(vec![Violation::new("", "is no object", "an object, e.g. {}")])),
        }
    }

    fn unknown(&self, known: &[&str]) -> Vec<Violation> {
        let strange = self.0.keys().filter(|name| !known.contains(&name.as_str()));
        strange
            .map(|name| Violation::new(child("", name), "is not a known field", known.join(", ")))
            .collect()
    }

    fn text(&self, name: &str, chars_max: usize, found: &mut Vec<Violation>) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) if text.chars().count() <= chars_max => Some(text.clone()),
            _ => {
                let expected = format!("a string of at most {chars_max} characters");
                found.push(Violation::new(child("", name), "is no such text", expected));
                None
            }
        }
    }

    fn flag(&self, name: &str, found: &mut Vec<Violation>) -> Option<bool> {
        match self.0.get(name)? {
            Value::Bool(flag) => Some(*flag),
            _ => {
                found.push(Violation::new(child("", name), "is no boolean", "true or false"));
                None
            }
        }
    }
}

/// What the body says, as far as the action takes it.
fn input(body: &Bytes, action: VmAction, person: &Person) -> Result<VmActionInput, Problem> {
    let fields = Fields::read(body)?;
    let takes = action.takes();
    let known: Vec<&str> = takes.iter().map(|(name, _)| *name).chain(["comment"]).collect();
    let mut found = fields.unknown(&known);
    for (name, _) in takes.iter().filter(|(name, needed)| *needed && !fields.0.contains_key(*name)) {
        found.push(Violation::new(child("", name), "is missing", format!("`{}` needs it", action.name())));
    }
    let until =
        fields.text("until", NAME_CHARS_MAX, &mut found).and_then(|text| match text.parse::<Timestamp>() {
            Ok(at) => Some(at),
            Err(_) => {
                found.push(Violation::new("/until", "is no time", "RFC 3339, e.g. 2026-12-31T22:00:00Z"));
                None
            }
        });
    let input = VmActionInput {
        by: person.name.clone(),
        comment: fields.text("comment", COMMENT_CHARS_MAX, &mut found).unwrap_or_default(),
        field: fields.text("field", NAME_CHARS_MAX, &mut found),
        environment: fields.text("environment", NAME_CHARS_MAX, &mut found),
        until,
    };
    if found.is_empty() { Ok(input) } else { Err(Problem::invalid(found)) }
}
