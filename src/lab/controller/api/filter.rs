//! The list engine's first half: query parameters to conditions, conditions on rows, order
//! (CONTRACT.md §2 "Filters"; MEASURED 3, 4). Not modelled: `regex`, `host_filter`, `role_level`.

#![expect(clippy::wildcard_enum_match_arm, reason = "most pairs of types cannot be compared")]

use std::cmp::Ordering;

use jiff::Timestamp;
use serde_json::json;

use super::super::model::{Controller, Id, Refusal};
use super::fields::{Field, field};
use super::kind::Kind;

/// Parameters that are never filters: `?limit=x` returns every row (MEASURED 4).
const RESERVED: [&str; 13] = [
    "page",
    "page_size",
    "format",
    "order",
    "order_by",
    "search",
    "type",
    "host_filter",
    "count_disabled",
    "no_truncate",
    "limit",
    "validate",
    "start_line__gte",
];

const LOOKUPS: [&str; 14] = [
    "exact",
    "iexact",
    "contains",
    "icontains",
    "startswith",
    "istartswith",
    "endswith",
    "iendswith",
    "gt",
    "gte",
    "lt",
    "lte",
    "in",
    "isnull",
];

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    all: Vec<Condition>,
    any: Vec<Condition>,
    search: Vec<String>,
    types: Option<Vec<String>>,
    order: Vec<(bool, Vec<String>)>,
}

#[derive(Debug, Clone)]
struct Condition {
    negated: bool,
    path: Vec<String>,
    lookup: String,
    value: String,
}

impl Filter {
    /// Reads the query of a list of `kind`.
    ///
    /// # Errors
    /// 400 for unknown fields, empty `__in` and bad values; 403 for protected fields.
    pub fn parse(c: &Controller, kind: Kind, pairs: &[(String, String)]) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        for (key, value) in pairs {
            match key.as_str() {
                "search" => filter.search.extend(value.split_whitespace().map(str::to_lowercase)),
                "type" => filter.types = Some(value.split(',').map(str::to_owned).collect()),
                "order_by" | "order" => {
                    for part in value.split(',').filter(|part| !part.is_empty()) {
                        let (down, name) = part.strip_prefix('-').map_or((false, part), |name| (true, name));
                        let path: Vec<String> = name.split("__").map(str::to_owned).collect();
                        typed(c, kind, &path)?;
                        filter.order.push((down, path));
                    }
                }
                reserved if RESERVED.contains(&reserved) => {}
                _ => filter.add(c, kind, key, value)?,
            }
        }
        Ok(filter)
    }

    fn add(&mut self, c: &Controller, kind: Kind, key: &str, value: &str) -> Result<(), Refusal> {
        let mut rest = key;
        let (mut negated, mut or) = (false, false);
        loop {
            if let Some(tail) = rest.strip_prefix("not__") {
                (negated, rest) = (!negated, tail);
            } else if let Some(tail) = rest.strip_prefix("or__") {
                (or, rest) = (true, tail);
            } else if let Some(tail) = rest.strip_prefix("chain__") {
                rest = tail;
            } else {
                break;
            }
        }
        let mut path: Vec<String> = rest.trim_end_matches("__int").split("__").map(str::to_owned).collect();
        let known = |part: &String| LOOKUPS.contains(&part.as_str());
        let lookup = if path.len() > 1 { path.pop_if(|part| known(part)) } else { None };
        let lookup = lookup.unwrap_or_else(|| "exact".to_owned());
        let field = typed(c, kind, &path)?;
        check_value(&field, &lookup, value)?;
        let condition = Condition { negated, path, lookup, value: value.to_owned() };
        if or {
            self.any.push(condition)
        } else {
            self.all.push(condition)
        }
        Ok(())
    }

    /// The rows of `ids` that fit, in the order asked for, else by `default_order`, then by id.
    #[must_use]
    pub fn apply(&self, c: &Controller, kind: Kind, ids: Vec<Id>, default_order: &str) -> Vec<Id> {
        let mut ids: Vec<Id> = ids.into_iter().filter(|id| self.fits(c, kind, *id)).collect();
        let mut order = self.order.clone();
        order.push((false, vec![default_order.to_owned()]));
        ids.sort_by(|a, b| {
            let by = order.iter().map(|(down, path)| {
                let ordering = compare(&first(c, kind, *a, path), &first(c, kind, *b, path));
                if *down { ordering.reverse() } else { ordering }
            });
            by.into_iter().find(|o| *o != Ordering::Equal).unwrap_or_else(|| a.cmp(b))
        });
        ids
    }

    fn fits(&self, c: &Controller, kind: Kind, id: Id) -> bool {
        self.all.iter().all(|condition| condition.holds(c, kind, id))
            && (self.any.is_empty() || self.any.iter().any(|condition| condition.holds(c, kind, id)))
            && self.search.iter().all(|word| found_in(c, kind, id, word))
            && self.types.as_ref().is_none_or(|types| types.iter().any(|t| t == row_type(c, kind, id)))
    }
}

impl Condition {
    fn holds(&self, c: &Controller, kind: Kind, id: Id) -> bool {
        let values = values(c, kind, id, &self.path);
        let met = if self.lookup == "isnull" {
            let wanted = matches!(self.value.to_lowercase().as_str(), "1" | "true" | "yes");
            wanted == values.iter().all(is_null)
        } else {
            values.iter().any(|value| meets(value, &self.lookup, &self.value))
        };
        met != self.negated
    }
}

/// The type of the field at the end of `path`.
fn typed(c: &Controller, kind: Kind, path: &[String]) -> Result<Field, Refusal> {
    let mut at = kind;
    for (index, name) in path.iter().enumerate() {
        let unknown = || Refusal::detail(format!("{} has no field named '{name}'", at.model()));
        match field(c, at, None, name).ok_or_else(unknown)? {
            Field::Protected => {
                return Err(Refusal::Forbidden(format!("Filtering on {name} is not allowed.")));
            }
            Field::To(next, _) if index + 1 < path.len() => at = next,
            found if index + 1 == path.len() => return Ok(found),
            _ => return Err(unknown()),
        }
    }
    Err(Refusal::detail("empty filter"))
}

fn check_value(field: &Field, lookup: &str, value: &str) -> Result<(), Refusal> {
    if lookup == "in" && value.is_empty() {
        return Err(Refusal::detail("cannot provide empty value for __in"));
    }
    if lookup == "isnull" {
        return Ok(());
    }
    let parts: Vec<&str> = if lookup == "in" { value.split(',').collect() } else { vec![value] };
    for part in parts {
        let fault = match field {
            Field::Int(_) | Field::To(..) if part.parse::<u64>().is_err() => "must be an integer.",
            Field::Time(_) if part.parse::<Timestamp>().is_err() => "has an invalid date format.",
            Field::Bool(_) if !matches!(part.to_lowercase().as_str(), "true" | "false" | "1" | "0") => {
                "must be either True or False."
            }
            _ => continue,
        };
        return Err(Refusal::Invalid(json!({"detail": format!("[\"“{part}” value {fault}\"]")})));
    }
    Ok(())
}

/// Every value that `path` leads to from row `id`.
fn values(c: &Controller, kind: Kind, id: Id, path: &[String]) -> Vec<Field> {
    let Some((name, rest)) = path.split_first() else { return Vec::new() };
    match (field(c, kind, Some(id), name), rest.is_empty()) {
        (Some(Field::To(_, ids)), true) if ids.is_empty() => vec![Field::Int(None)],
        (Some(Field::To(_, ids)), true) => ids.into_iter().map(|id| Field::Int(Some(id))).collect(),
        (Some(Field::To(next, ids)), false) => {
            ids.into_iter().flat_map(|id| values(c, next, id, rest)).collect()
        }
        (Some(value), true) => vec![value],
        _ => Vec::new(),
    }
}

fn first(c: &Controller, kind: Kind, id: Id, path: &[String]) -> Field {
    values(c, kind, id, path).into_iter().next().unwrap_or(Field::Int(None))
}

fn is_null(field: &Field) -> bool {
    matches!(field, Field::Int(None) | Field::Text(None) | Field::Time(None) | Field::Bool(None))
}

/// Null sorts last when ascending, as in PostgreSQL.
fn compare(a: &Field, b: &Field) -> Ordering {
    let nulls = is_null(a).cmp(&is_null(b));
    let values = match (a, b) {
        (Field::Int(a), Field::Int(b)) => a.cmp(b),
        (Field::Text(a), Field::Text(b)) => a.cmp(b),
        (Field::Time(a), Field::Time(b)) => a.cmp(b),
        (Field::Bool(a), Field::Bool(b)) => a.cmp(b),
        _ => Ordering::Equal,
    };
    nulls.then(values)
}

fn meets(field: &Field, lookup: &str, wanted: &str) -> bool {
    if lookup == "in" {
        return wanted.split(',').any(|part| meets(field, "exact", part));
    }
    match field {
        Field::Int(Some(value)) => wanted.parse().is_ok_and(|wanted| ordered(lookup, value.cmp(&wanted))),
        Field::Time(Some(value)) => wanted.parse().is_ok_and(|wanted| ordered(lookup, value.cmp(&wanted))),
        Field::Bool(Some(value)) => *value == matches!(wanted.to_lowercase().as_str(), "true" | "1"),
        Field::Text(Some(value)) => text_meets(value, lookup, wanted),
        _ => false,
    }
}

fn ordered(lookup: &str, ordering: Ordering) -> bool {
    match lookup {
        "gt" => ordering.is_gt(),
        "gte" => ordering.is_ge(),
        "lt" => ordering.is_lt(),
        "lte" => ordering.is_le(),
        _ => ordering.is_eq(),
    }
}

fn text_meets(value: &str, lookup: &str, wanted: &str) -> bool {
    let (low_value, low_wanted) = (value.to_lowercase(), wanted.to_lowercase());
    match lookup {
        "exact" => value == wanted,
        "iexact" => low_value == low_wanted,
        "contains" => value.contains(wanted),
        "icontains" => low_value.contains(&low_wanted),
        "startswith" => value.starts_with(wanted),
        "istartswith" => low_value.starts_with(&low_wanted),
        "endswith" => value.ends_with(wanted),
        "iendswith" => low_value.ends_with(&low_wanted),
        other => ordered(other, value.cmp(wanted)),
    }
}

fn found_in(c: &Controller, kind: Kind, id: Id, word: &str) -> bool {
    ["name", "description", "username"].iter().any(|name| {
        matches!(field(c, kind, Some(id), name), Some(Field::Text(Some(text))) if text.to_lowercase().contains(word))
    })
}

/// The `type` of a row.
#[must_use]
pub fn row_type(c: &Controller, kind: Kind, id: Id) -> &'static str {
    match kind {
        Kind::Organization => "organization",
        Kind::Inventory => "inventory",
        Kind::Group => "group",
        Kind::Host => "host",
        Kind::Label => "label",
        Kind::Project => "project",
        Kind::JobTemplate => "job_template",
        Kind::WorkflowJobTemplate => "workflow_job_template",
        Kind::UnifiedJobTemplate if c.rows.job_templates.contains_key(&id) => "job_template",
        Kind::UnifiedJobTemplate => "workflow_job_template",
        Kind::TemplateNode => "workflow_job_template_node",
        Kind::WorkflowJob => "workflow_job",
        Kind::WorkflowNode => "workflow_job_node",
        Kind::Job => "job",
        Kind::UnifiedJob if c.rows.jobs.contains_key(&id) => "job",
        Kind::UnifiedJob => "workflow_job",
        Kind::Approval => "workflow_approval",
        Kind::NotificationTemplate => "notification_template",
        Kind::Notification => "notification",
        Kind::Token => "o_auth2_access_token",
        Kind::User => "user",
        Kind::JobEvent => "job_event",
        Kind::ExecutionEnvironment => "execution_environment",
        Kind::CredentialType => "credential_type",
        Kind::Credential => "credential",
        Kind::ApprovalTemplate => "workflow_approval_template",
        Kind::Role => "role",
        Kind::Instance => "instance",
    }
}
