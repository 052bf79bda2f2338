//! What is only kept and shown: projects, credential types, credentials, execution environments, approval templates.
//! Recordings: fixtures `project` and `credential_type`; the others are unproven.

use serde_json::{Value, json};

use super::super::super::model::Id;
use super::super::super::model::filed::{Cabinet, Filed, Holder};
use super::super::kind::Kind;
use super::super::roles::object_roles;
use super::{Show, object, time};

impl Show<'_> {
    pub(super) fn project(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.projects.get(&id)?;
        let below = [
            "teams",
            "playbooks",
            "update",
            "project_updates",
            "scm_inventory_sources",
            "schedules",
            "activity_stream",
            "notification_templates_started",
            "notification_templates_success",
            "notification_templates_error",
            "access_list",
            "object_roles",
            "copy",
        ];
        let admin = self.link(Kind::User, 1);
        let mut elsewhere = vec![
            (
                "named_url",
                self.named_url(Kind::Project, &[&row.name, self.organization_name(row.organization)]),
            ),
            ("created_by", admin.clone()),
            ("modified_by", admin),
            ("organization", self.link(Kind::Organization, row.organization)),
        ];
        let own = self.url(Kind::Project, id);
        elsewhere.push(("inventory_files", Some(format!("{own}inventories/"))));
        // A real one tells of its last update too (`last_job`, `last_update`); the lab's never runs one.
        let shown = json!({
            "related": self.related(Kind::Project, id, &below, &elsewhere),
            "summary_fields": {
                "organization": self.organization_summary(row.organization),
                "created_by": self.user_summary(1), "modified_by": self.user_summary(1),
                "object_roles": object_roles(Kind::Project, id),
                "user_capabilities": self.capabilities(&["edit", "delete", "start", "schedule", "copy"]),
            },
            "created": time(row.created), "modified": time(row.created), "name": row.name, "description": "",
            "local_path": format!("_{id}__project"), "scm_type": "", "scm_url": "", "scm_branch": "",
            "scm_refspec": "", "scm_clean": false, "scm_track_submodules": false,
            "scm_delete_on_update": false, "credential": null, "timeout": 0, "scm_revision": "",
            "last_job_run": null, "last_job_failed": false, "next_job_run": null, "status": "ok",
            "organization": row.organization, "scm_update_on_launch": false, "scm_update_cache_timeout": 0,
            "allow_override": false, "custom_virtualenv": null, "default_environment": null,
            "signature_validation_credential": null, "last_update_failed": false, "last_updated": null,
        });
        Some(self.object(Kind::Project, id, shown))
    }

    pub(super) fn project_summary(&self, id: Id) -> Value {
        let name = self.controller.rows.projects.get(&id).map_or("", |project| project.name.as_str());
        let settings = self.controller.settings(Holder::Template, id);
        let scm_type = settings.and_then(|settings| settings.get("scm_type")).cloned().unwrap_or(json!(""));
        json!({
            "id": id, "name": name, "description": "", "status": "ok", "scm_type": scm_type,
            "allow_override": false,
        })
    }

    pub(super) fn credential_type(&self, id: Id) -> Option<Value> {
        let row = self.controller.filed(Cabinet::CredentialTypes, id)?;
        let below = ["credentials", "activity_stream"];
        let admin = self.link(Kind::User, 1);
        let elsewhere = [
            ("named_url", self.named_url(Kind::CredentialType, &[row.text("name"), row.text("kind")])),
            ("created_by", admin.clone()),
            ("modified_by", admin),
        ];
        let mut shown = object(self.document(row, &["name", "description", "kind"], json!("")));
        shown.extend(object(self.document(row, &["namespace"], Value::Null)));
        shown.extend(object(self.document(row, &["managed"], json!(false))));
        shown.extend(object(self.document(row, &["inputs", "injectors"], json!({}))));
        shown.extend(object(json!({
            "related": self.related(Kind::CredentialType, id, &below, &elsewhere),
            "summary_fields": {
                "created_by": self.user_summary(1), "modified_by": self.user_summary(1),
                "user_capabilities": self.capabilities(&["edit", "delete"]),
            },
        })));
        Some(self.object(Kind::CredentialType, id, Value::Object(shown)))
    }

    pub(super) fn credential(&self, id: Id) -> Option<Value> {
        let row = self.controller.filed(Cabinet::Credentials, id)?;
        let credential_type = row.link("credential_type").unwrap_or(0);
        let types = self.controller.filed(Cabinet::CredentialTypes, credential_type);
        let organization = row.link("organization");
        let elsewhere = [
            ("credential_type", self.link(Kind::CredentialType, credential_type)),
            ("organization", organization.and_then(|id| self.link(Kind::Organization, id))),
        ];
        let mut shown = object(self.document(row, &["name", "description"], json!("")));
        shown.extend(object(json!({
            "related": self.related(Kind::Credential, id, &["access_list", "object_roles", "copy"], &elsewhere),
            "summary_fields": {
                "organization": organization.map(|id| self.organization_summary(id)),
                "credential_type": {"id": credential_type, "name": types.map_or("", |t| t.text("name"))},
                "object_roles": object_roles(Kind::Credential, id),
                "user_capabilities": self.capabilities(&["edit", "delete", "copy", "use"]),
            },
            "organization": organization, "credential_type": credential_type, "managed": false,
            "inputs": self.inputs(row, credential_type), "kind": types.map_or("", |t| t.text("namespace")),
            "cloud": types.is_some_and(|t| t.text("kind") == "cloud"), "kubernetes": false,
        })));
        Some(self.object(Kind::Credential, id, Value::Object(shown)))
    }

    /// Secrets are never shown (CONTRACT.md §11).
    fn inputs(&self, row: &Filed, credential_type: Id) -> Value {
        let secret = self.controller.secret_inputs(credential_type);
        let inputs = row.fields.get("inputs").and_then(Value::as_object);
        let shown = inputs.into_iter().flatten().map(|(key, value)| {
            let hidden = secret.contains(key) && value.as_str() != Some("");
            (key.clone(), if hidden { json!("$encrypted$") } else { value.clone() })
        });
        Value::Object(shown.collect())
    }

    /// The credentials that hang on an object.
    pub(super) fn credentials_summary(&self, holder: Holder, id: Id) -> Value {
        let of = self.controller.associated(holder, id, "credentials").into_iter();
        let rows = of.filter_map(|id| Some((id, self.controller.filed(Cabinet::Credentials, id)?)));
        let told = rows.map(|(id, row)| {
            let types =
                row.link("credential_type").and_then(|t| self.controller.filed(Cabinet::CredentialTypes, t));
            json!({
                "id": id, "name": row.text("name"), "description": row.text("description"),
                "kind": types.map_or("", |t| t.text("namespace")),
                "cloud": types.is_some_and(|t| t.text("kind") == "cloud"),
            })
        });
        Value::Array(told.collect())
    }

    pub(super) fn execution_environment(&self, id: Id) -> Option<Value> {
        let row = self.controller.filed(Cabinet::ExecutionEnvironments, id)?;
        let mut shown = object(self.document(row, &["name", "description", "image", "pull"], json!("")));
        shown.extend(object(self.document(row, &["organization", "credential"], Value::Null)));
        shown.extend(object(json!({
            "related": self.related(Kind::ExecutionEnvironment, id, &["activity_stream", "copy"], &[]),
            "summary_fields": {"user_capabilities": self.capabilities(&["edit", "delete", "copy"])},
            "managed": false,
        })));
        Some(self.object(Kind::ExecutionEnvironment, id, Value::Object(shown)))
    }

    pub(super) fn approval_template(&self, id: Id) -> Option<Value> {
        let row = self.controller.rows.approval_templates.get(&id)?;
        let shown = json!({
            "related": self.related(Kind::ApprovalTemplate, id, &["jobs"], &[]), "summary_fields": {},
            "name": row.name, "description": row.description, "timeout": row.timeout_secs,
        });
        Some(self.object(Kind::ApprovalTemplate, id, shown))
    }

    /// Fields of a document, each `missing` where it has none, and its times.
    fn document(&self, row: &Filed, keys: &[&str], missing: Value) -> Value {
        let mut shown = object(json!({"created": time(row.created), "modified": time(row.modified)}));
        for key in keys {
            shown.insert((*key).to_owned(), row.fields.get(*key).cloned().unwrap_or_else(|| missing.clone()));
        }
        Value::Object(shown)
    }

    /// `user_capabilities`: the administrator's are all true.
    fn capabilities(&self, names: &[&str]) -> Value {
        let may = self.is_superuser();
        Value::Object(names.iter().map(|name| ((*name).to_owned(), json!(may))).collect())
    }
}
