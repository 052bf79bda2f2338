//! Which methods a route takes, and what `OPTIONS` tells of it. The `awx` command builds its arguments from
//! the latter (recording: `launch_options`; the others are unproven beyond their keys).

#![expect(clippy::wildcard_enum_match_arm, reason = "most kinds have the plain set of fields")]

use serde_json::{Map, Value, json};

use super::kind::Kind;
use super::message::Reply;
use super::router::Route;

const READ: &[&str] = &["GET"];
const READ_CREATE: &[&str] = &["GET", "POST"];
const READ_DELETE: &[&str] = &["GET", "DELETE"];
const READ_EDIT: &[&str] = &["GET", "PUT", "PATCH"];
const READ_EDIT_DELETE: &[&str] = &["GET", "PUT", "PATCH", "DELETE"];

/// The methods of a route; `None` when there is no such route.
pub(super) fn methods(route: Route<'_>) -> Option<&'static [&'static str]> {
    match route {
        Route::List(Kind::Organization | Kind::Inventory | Kind::Group | Kind::Host | Kind::Label) => {
            Some(READ_CREATE)
        }
        Route::List(Kind::JobTemplate | Kind::WorkflowJobTemplate | Kind::TemplateNode) => Some(READ_CREATE),
        Route::List(Kind::NotificationTemplate | Kind::Token | Kind::User | Kind::Project) => {
            Some(READ_CREATE)
        }
        Route::List(Kind::CredentialType | Kind::Credential | Kind::ExecutionEnvironment) => {
            Some(READ_CREATE)
        }
        Route::List(Kind::JobEvent | Kind::Role | Kind::ApprovalTemplate) => None,
        Route::List(_) => Some(READ),
        Route::Detail(Kind::Host | Kind::NotificationTemplate, _) => Some(READ_EDIT_DELETE),
        Route::Detail(Kind::WorkflowJobTemplate | Kind::JobTemplate | Kind::TemplateNode, _) => {
            Some(READ_EDIT_DELETE)
        }
        Route::Detail(
            Kind::Organization
            | Kind::Inventory
            | Kind::Group
            | Kind::Project
            | Kind::User
            | Kind::CredentialType
            | Kind::Credential
            | Kind::ExecutionEnvironment
            | Kind::ApprovalTemplate,
            _,
        ) => Some(READ_EDIT),
        Route::Detail(Kind::WorkflowJob | Kind::Job | Kind::Approval | Kind::Token, _) => Some(READ_DELETE),
        Route::Detail(
            Kind::UnifiedJob | Kind::UnifiedJobTemplate | Kind::JobEvent | Kind::Instance | Kind::Role,
            _,
        ) => None,
        Route::Detail(_, _) => Some(READ),
        Route::Below(kind, _, name) => below(kind, name),
    }
}

fn below(kind: Kind, name: &str) -> Option<&'static [&'static str]> {
    match (kind, name) {
        (Kind::WorkflowJobTemplate | Kind::JobTemplate, "launch") => Some(READ_CREATE),
        (Kind::WorkflowJobTemplate | Kind::JobTemplate, "survey_spec") => Some(&["GET", "POST", "DELETE"]),
        (Kind::WorkflowJobTemplate, "workflow_nodes") => Some(READ_CREATE),
        (Kind::WorkflowJobTemplate, "workflow_jobs") | (Kind::JobTemplate, "jobs") => Some(READ),
        (kind, name) if associates(kind, name).is_some() => Some(READ_CREATE),
        (Kind::TemplateNode, "create_approval_template") => Some(&["POST"]),
        (Kind::Role, "users") => Some(READ_CREATE),
        (Kind::User, "roles") => Some(&["POST"]),
        (Kind::WorkflowJobTemplate | Kind::JobTemplate, name)
            if name.starts_with("notification_templates_") =>
        {
            Some(READ_CREATE)
        }
        (Kind::TemplateNode, "success_nodes" | "failure_nodes" | "always_nodes") => Some(READ_CREATE),
        (Kind::WorkflowJob, "cancel" | "relaunch") => Some(READ_CREATE),
        (Kind::WorkflowJob, "workflow_nodes" | "notifications" | "labels") => Some(READ),
        (Kind::Job, "cancel") => Some(READ_CREATE),
        (Kind::Job, "job_events" | "stdout" | "notifications" | "labels" | "relaunch") => Some(READ),
        (Kind::Approval, "approve" | "deny") => Some(READ_CREATE),
        (Kind::Inventory, "hosts" | "groups") | (Kind::Group, "hosts") => Some(READ_CREATE),
        (Kind::Host | Kind::Group, "variable_data") => Some(&["GET", "PUT", "PATCH"]),
        (Kind::Host, "groups" | "all_groups") => Some(READ),
        (Kind::NotificationTemplate, "test") => Some(&["POST"]),
        (Kind::NotificationTemplate, "notifications") => Some(READ),
        (Kind::User, "personal_tokens" | "tokens") => Some(READ_CREATE),
        _ => None,
    }
}

/// The rows that may hang on a list of an object that the model has no rows of its own for.
pub(super) fn associates(kind: Kind, name: &str) -> Option<Kind> {
    match (kind, name) {
        (Kind::JobTemplate | Kind::TemplateNode, "credentials")
        | (Kind::Organization, "galaxy_credentials") => Some(Kind::Credential),
        (Kind::JobTemplate | Kind::WorkflowJobTemplate | Kind::TemplateNode, "labels") => Some(Kind::Label),
        _ => None,
    }
}

/// The `Allow` header.
pub(super) fn allow(methods: &[&str]) -> String {
    let mut all: Vec<&str> = methods.to_vec();
    if all.contains(&"GET") {
        all.push("HEAD");
    }
    all.push("OPTIONS");
    all.join(", ")
}

/// The answer of `OPTIONS`.
pub(super) fn metadata(route: Route<'_>, methods: &[&str]) -> Reply {
    let (get, post) = match route {
        Route::Below(Kind::WorkflowJobTemplate | Kind::JobTemplate, _, "launch") => {
            (launch_get(), launch_post())
        }
        _ => (list_get(), list_post()),
    };
    let mut actions = Map::new();
    if methods.contains(&"GET") {
        actions.insert("GET".to_owned(), get);
    }
    if methods.contains(&"POST") {
        actions.insert("POST".to_owned(), post);
    }
    let mut body = json!({
        "name": "Lab", "description": "", "renders": ["application/json", "text/html"],
        "parses": ["application/json"], "actions": actions,
    });
    if let Route::Below(Kind::WorkflowJobTemplate, _, "launch") = route {
        body["types"] = json!(["workflow_job_template"]);
        body["object_roles"] = json!(["admin_role", "execute_role", "read_role", "approval_role"]);
    }
    Reply::json(200, &body)
}

fn fields(list: &[(&str, &str)], extra: &Value) -> Value {
    let field = |(name, kind): &(&str, &str)| {
        let mut words = name.replace('_', " ");
        if let Some(first) = words.get_mut(0..1) {
            first.make_ascii_uppercase();
        }
        let mut field = json!({"type": kind, "hidden": false, "label": words, "filterable": true});
        if let (Some(map), Some(extra)) = (field.as_object_mut(), extra.as_object()) {
            map.extend(extra.clone());
        }
        ((*name).to_owned(), field)
    };
    Value::Object(list.iter().map(field).collect())
}

fn launch_post() -> Value {
    let list = [
        ("extra_vars", "json"),
        ("inventory", "id"),
        ("limit", "string"),
        ("scm_branch", "string"),
        ("labels", "field"),
        ("skip_tags", "string"),
        ("job_tags", "string"),
    ];
    fields(&list, &json!({"required": false, "write_only": true}))
}

fn launch_get() -> Value {
    let list = [
        ("ask_inventory_on_launch", "boolean"),
        ("ask_limit_on_launch", "boolean"),
        ("ask_scm_branch_on_launch", "boolean"),
        ("can_start_without_user_input", "boolean"),
        ("defaults", "field"),
        ("survey_enabled", "boolean"),
        ("variables_needed_to_start", "field"),
        ("node_templates_missing", "field"),
        ("node_prompts_rejected", "field"),
        ("workflow_job_template_data", "field"),
        ("ask_variables_on_launch", "boolean"),
        ("ask_labels_on_launch", "boolean"),
        ("ask_skip_tags_on_launch", "boolean"),
        ("ask_tags_on_launch", "boolean"),
    ];
    fields(&list, &json!({}))
}

fn list_get() -> Value {
    fields(
        &[
            ("id", "integer"),
            ("workflow_job", "id"),
            ("name", "string"),
            ("status", "string"),
            ("created", "datetime"),
        ],
        &json!({}),
    )
}

fn list_post() -> Value {
    let list = [("name", "string"), ("description", "string"), ("organization", "id"), ("inventory", "id")];
    fields(&list, &json!({"required": false}))
}
