//! Everything that only reads: lists with their filters and pages, rows, and what hangs below a row.

use serde_json::{Value, json};

use super::super::super::world::World;
use super::super::model::rows::Job;
use super::super::model::variables::parse_text;
use super::super::model::{Id, NoticeEvent, Refusal};
use super::filter::Filter;
use super::kind::Kind;
use super::message::Reply;
use super::options::associates;
use super::page::page;
use super::render::Show;
use super::roles;
use super::router::{Call, Route, visible};

impl<'a> Call<'_> {
    pub(super) fn show(&self, world: &'a World, detail: bool) -> Show<'a>
    where
        Self: 'a,
    {
        Show {
            controller: &world.controller,
            prefix: self.prefix,
            caller: self.caller,
            now: self.now,
            detail,
        }
    }
}

/// Answers GET.
pub(super) fn read(world: &World, call: &Call<'_>, route: Route<'_>) -> Result<Reply, Refusal> {
    match route {
        Route::List(kind) => {
            let ids = kind.ids(&world.controller).into_iter();
            let ids = ids.filter(|id| kind.readable(&world.controller, call.caller, *id)).collect();
            list(world, call, kind, ids)
        }
        Route::Detail(kind, id) => {
            visible(world, call, kind, id)?;
            Ok(Reply::json(200, &call.show(world, true).row(kind, id)))
        }
        Route::Below(kind, id, name) => below(world, call, kind, id, name),
    }
}

/// A page of those of `ids` that the query asks for.
fn list(world: &World, call: &Call<'_>, kind: Kind, ids: Vec<Id>) -> Result<Reply, Refusal> {
    let pairs = call.request.pairs();
    let filter = Filter::parse(&world.controller, kind, &pairs)?;
    let default_order = if kind == Kind::Host { "name" } else { "id" };
    let rows = filter.apply(&world.controller, kind, ids, default_order);
    let show = call.show(world, false);
    Ok(page(&call.request.path, &pairs, &rows, |id| show.row(kind, id)))
}

fn below(world: &World, call: &Call<'_>, kind: Kind, id: Id, name: &str) -> Result<Reply, Refusal> {
    let rows = &world.controller.rows;
    if kind == Kind::WorkflowJobTemplate && name == "launch" {
        let row = rows.workflow_job_templates.get(&id).ok_or(Refusal::NotFound(kind.model()))?;
        if !world.controller.starts_workflow_template(call.caller.user, id) {
            return Err(Refusal::forbidden());
        }
        return Ok(Reply::json(200, &call.show(world, true).workflow_launch_facts(row)));
    }
    visible(world, call, kind, id)?;
    if let Some((listed, ids)) = children(world, kind, id, name) {
        // Nodes are readable with their run; jobs are not (MEASURED 17).
        let may =
            |row: &Id| listed == Kind::WorkflowNode || listed.readable(&world.controller, call.caller, *row);
        return list(world, call, listed, ids.into_iter().filter(may).collect());
    }
    let reply = match (kind, name) {
        (Kind::JobTemplate, "launch") => {
            let row = rows.job_templates.get(&id).ok_or(Refusal::NotFound(kind.model()))?;
            Reply::json(200, &call.show(world, true).job_launch_facts(row))
        }
        (Kind::WorkflowJobTemplate | Kind::JobTemplate, "survey_spec") => {
            let survey = world.controller.survey(id);
            Reply::json(200, &survey.map_or(json!({}), |survey| survey.to_json()))
        }
        (Kind::WorkflowJob, "cancel") => {
            let run = rows.workflow_jobs.get(&id).ok_or(Refusal::NotFound(kind.model()))?;
            Reply::json(
                200,
                &json!({"can_cancel": !run.status.is_terminal(), "job_explanation": run.job_explanation}),
            )
        }
        (Kind::Job, "cancel") => {
            let job = rows.jobs.get(&id).ok_or(Refusal::NotFound(kind.model()))?;
            Reply::json(
                200,
                &json!({"can_cancel": !job.status.is_terminal(), "job_explanation": job.job_explanation}),
            )
        }
        (Kind::Approval, _) => Reply::json(200, &json!({"job_explanation": ""})),
        (Kind::Host, "variable_data") => variables(rows.hosts.get(&id).map(|host| host.variables.as_str())),
        (Kind::Group, "variable_data") => {
            variables(rows.groups.get(&id).map(|group| group.variables.as_str()))
        }
        (Kind::Job, "job_events") => job_events(world, call, rows.jobs.get(&id)),
        (Kind::Job, "stdout") => stdout(call, rows.jobs.get(&id)),
        _ => Reply::json(200, &json!({})),
    };
    Ok(reply)
}

/// The lists below a row: their kind and rows.
fn children(world: &World, kind: Kind, id: Id, name: &str) -> Option<(Kind, Vec<Id>)> {
    let c = &world.controller;
    let rows = &c.rows;
    if let (Some(listed), Some(holder)) = (associates(kind, name), kind.holder()) {
        return Some((listed, c.associated(holder, id, name)));
    }
    let notifications = |job: Id| {
        let of = rows.notifications.values().filter(|n| n.unified_job == Some(job));
        of.map(|n| n.id).collect::<Vec<Id>>()
    };
    Some(match (kind, name) {
        (Kind::WorkflowJob, "workflow_nodes") => {
            (Kind::WorkflowNode, rows.nodes_by_run.get(&id).cloned().unwrap_or_default())
        }
        (Kind::WorkflowJob, "notifications") => {
            let approvals =
                c.nodes_of(id).filter_map(|n| n.job).filter(|job| rows.approvals.contains_key(job));
            let mut all = notifications(id);
            all.extend(approvals.flat_map(notifications));
            all.sort_unstable();
            (Kind::Notification, all)
        }
        (Kind::WorkflowJob, "labels") => {
            let labels = rows.workflow_jobs.get(&id).map(|run| run.labels.iter().copied().collect());
            (Kind::Label, labels.unwrap_or_default())
        }
        (Kind::Role, "users") => (Kind::User, roles::users(c, id)?),
        (Kind::Job, "labels") => (Kind::Label, Vec::new()),
        (Kind::WorkflowJobTemplate, "workflow_nodes") => {
            let of = rows.template_nodes.values().filter(|node| node.workflow_job_template == id);
            (Kind::TemplateNode, of.map(|node| node.id).collect())
        }
        (Kind::WorkflowJobTemplate, "workflow_jobs") => {
            let of = rows.workflow_jobs.values().filter(|run| run.workflow_job_template == Some(id));
            (Kind::WorkflowJob, of.map(|run| run.id).collect())
        }
        (Kind::JobTemplate, "jobs") => {
            (Kind::Job, rows.jobs.values().filter(|j| j.job_template == Some(id)).map(|j| j.id).collect())
        }
        (Kind::TemplateNode, _) => {
            let edges = &rows.template_nodes.get(&id)?.edges;
            let set = match name {
                "success_nodes" => &edges.success,
                "failure_nodes" => &edges.failure,
                _ => &edges.always,
            };
            (Kind::TemplateNode, set.iter().copied().collect())
        }
        (Kind::WorkflowJobTemplate | Kind::JobTemplate, name) => {
            let event = notice_event(name)?;
            let workflow = rows.workflow_job_templates.get(&id).map(|t| &t.notification_templates);
            let attached =
                workflow.or_else(|| rows.job_templates.get(&id).map(|t| &t.notification_templates))?;
            let ids = attached.get(&event).map(|ids| ids.iter().copied().collect()).unwrap_or_default();
            (Kind::NotificationTemplate, ids)
        }
        (Kind::Job, "notifications") => (Kind::Notification, notifications(id)),
        _ => return inventory_children(world, kind, id, name),
    })
}

/// The same for inventories, templates of notifications and people.
fn inventory_children(world: &World, kind: Kind, id: Id, name: &str) -> Option<(Kind, Vec<Id>)> {
    let rows = &world.controller.rows;
    Some(match (kind, name) {
        (Kind::Inventory, "hosts") => {
            (Kind::Host, rows.hosts.values().filter(|h| h.inventory == id).map(|h| h.id).collect())
        }
        (Kind::Inventory, "groups") => {
            (Kind::Group, rows.groups.values().filter(|g| g.inventory == id).map(|g| g.id).collect())
        }
        (Kind::Group, "hosts") => (Kind::Host, rows.groups.get(&id)?.hosts.iter().copied().collect()),
        (Kind::Host, "groups" | "all_groups") => {
            let of = rows.groups.values().filter(|group| group.hosts.contains(&id));
            (Kind::Group, of.map(|group| group.id).collect())
        }
        (Kind::NotificationTemplate, "notifications") => {
            let of = rows.notifications.values().filter(|n| n.notification_template == id);
            (Kind::Notification, of.map(|n| n.id).collect())
        }
        (Kind::User, _) => {
            (Kind::Token, rows.tokens.values().filter(|t| t.user == id).map(|t| t.id).collect())
        }
        _ => return None,
    })
}

/// The event of `notification_templates_…`.
pub(super) fn notice_event(name: &str) -> Option<NoticeEvent> {
    let event = name.strip_prefix("notification_templates_")?;
    NoticeEvent::ALL.into_iter().find(|known| known.as_str() == event)
}

fn variables(text: Option<&str>) -> Reply {
    Reply::json(200, &Value::Object(parse_text(text.unwrap_or_default()).unwrap_or_default()))
}

/// Filters of events: `event`, `event__in`, `failed`, `start_line__gte`, `counter__gt`.
fn job_events(world: &World, call: &Call<'_>, job: Option<&Job>) -> Reply {
    let pairs = call.request.pairs();
    let get = |key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    let number = |key: &str| get(key).and_then(|value| value.parse::<u32>().ok());
    let Some(job) = job else { return Reply::json(200, &json!({})) };
    let wanted: Option<Vec<&str>> = get("event").or(get("event__in")).map(|v| v.split(',').collect());
    let events: Vec<&super::super::model::rows::JobEvent> = job
        .events
        .iter()
        .filter(|event| wanted.as_ref().is_none_or(|names| names.contains(&event.event.as_str())))
        .filter(|event| get("failed").is_none_or(|v| event.failed == matches!(v, "true" | "True" | "1")))
        .filter(|event| number("start_line__gte").is_none_or(|line| event.start_line >= line))
        .filter(|event| number("counter__gt").is_none_or(|counter| event.counter > counter))
        .collect();
    let show = call.show(world, false);
    page(&call.request.path, &pairs, &events, |event| show.job_event(job.id, event))
        .with("X-UI-Max-Events", "4000".to_owned())
}

fn stdout(call: &Call<'_>, job: Option<&Job>) -> Reply {
    let lines: Vec<&str> = job.iter().flat_map(|job| job.events.iter().map(|e| e.stdout.as_str())).collect();
    let content = lines.join("\n");
    let pairs = call.request.pairs();
    let format = pairs.iter().find(|(key, _)| key == "format").map_or("json", |(_, value)| value.as_str());
    if format == "json" {
        let end = content.lines().count();
        let range = json!({"start": 0, "end": end, "absolute_end": end});
        return Reply::json(200, &json!({"range": range, "content": content}));
    }
    // Text asked for by a client that accepts JSON only: an HTML page (MEASURED 18).
    let accept = call.request.header("accept").unwrap_or("*/*");
    if !accept.contains("*/*") && !accept.contains("text/") {
        return Reply::html(406, "<!DOCTYPE html>\n<html><body>Job Stdout</body></html>\n".to_owned());
    }
    Reply {
        headers: vec![("Content-Type", "text/plain; charset=utf-8".to_owned())],
        ..Reply::html(200, content)
    }
}
