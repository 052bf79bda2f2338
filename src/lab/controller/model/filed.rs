//! What the controller only keeps and shows, and nothing in the lab depends on: credential types, credentials and
//! execution environments as documents; settings of other rows that the model does not read; which rows hang on
//! which. Content as code writes all of it (CONTRACT.md §11).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::access::Role;
use super::refusal::Refusal;
use super::rows::Id;
use super::{Controller, Table};

/// A table of documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cabinet {
    CredentialTypes,
    Credentials,
    ExecutionEnvironments,
}

/// A document.
#[derive(Debug, Clone)]
pub struct Filed {
    pub id: Id,
    pub fields: Map<String, Value>,
    pub created: Timestamp,
    pub modified: Timestamp,
}

impl Filed {
    /// A text of it; empty when it has none of that name.
    #[must_use]
    pub fn text(&self, key: &str) -> &str {
        self.fields.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number of a row it refers to.
    #[must_use]
    pub fn link(&self, key: &str) -> Option<Id> {
        self.fields.get(key).and_then(Value::as_u64)
    }
}

/// Whose settings, associations and roles: tables whose rows share a sequence are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    Organization,
    Inventory,
    Group,
    /// Projects, job templates and workflow job templates.
    Template,
    TemplateNode,
    Credential,
    User,
}

impl Holder {
    const ALL: [Self; 7] = [
        Self::Organization,
        Self::Inventory,
        Self::Group,
        Self::Template,
        Self::TemplateNode,
        Self::Credential,
        Self::User,
    ];

    /// Its place in the numbers of roles.
    fn code(self) -> u64 {
        (0..).zip(Self::ALL).find(|(_, holder)| *holder == self).map_or(0, |(code, _)| code)
    }
}

/// A credential type that every controller has.
struct ManagedType {
    name: &'static str,
    kind: &'static str,
    namespace: &'static str,
    plain: &'static [&'static str],
    secret: &'static [&'static str],
}

const MANAGED_TYPES: [ManagedType; 5] = [
    ManagedType {
        name: "Machine",
        kind: "ssh",
        namespace: "ssh",
        plain: &["username", "become_method", "become_username"],
        secret: &["password", "ssh_key_data", "ssh_key_unlock", "become_password"],
    },
    ManagedType {
        name: "Source Control",
        kind: "scm",
        namespace: "scm",
        plain: &["username"],
        secret: &["password", "ssh_key_data", "ssh_key_unlock"],
    },
    ManagedType {
        name: "Vault",
        kind: "vault",
        namespace: "vault",
        plain: &["vault_id"],
        secret: &["vault_password"],
    },
    ManagedType {
        name: "VMware vCenter",
        kind: "cloud",
        namespace: "vmware",
        plain: &["host", "username"],
        secret: &["password"],
    },
    ManagedType {
        name: "Red Hat Ansible Automation Platform",
        kind: "cloud",
        namespace: "controller",
        plain: &["host", "username", "verify_ssl"],
        secret: &["password", "oauth_token"],
    },
];

/// The numbers of an object's roles follow its own (20 are enough for any).
const ROLES_PER_OBJECT: u64 = 20;
/// Objects of one kind that have roles of their own.
const OBJECTS_MAX: u64 = 10_000_000;

impl Controller {
    /// Files the credential types that every controller comes with.
    pub(super) fn file_managed_types(&mut self, now: Timestamp) {
        for managed in MANAGED_TYPES {
            let plain = managed.plain.iter().map(|id| json!({"id": id, "type": "string", "label": id}));
            let secret = managed.secret.iter();
            let secret = secret.map(|id| json!({"id": id, "type": "string", "label": id, "secret": true}));
            let fields: Vec<Value> = plain.chain(secret).collect();
            let document = json!({
                "name": managed.name, "description": "", "kind": managed.kind,
                "namespace": managed.namespace, "managed": true, "inputs": {"fields": fields},
                "injectors": {},
            });
            self.file(Cabinet::CredentialTypes, document.as_object().cloned().unwrap_or_default(), now);
        }
    }

    /// Files a document.
    pub fn file(&mut self, cabinet: Cabinet, fields: Map<String, Value>, now: Timestamp) -> Id {
        let id = self.next_id(match cabinet {
            Cabinet::CredentialTypes => Table::CredentialType,
            Cabinet::Credentials => Table::Credential,
            Cabinet::ExecutionEnvironments => Table::ExecutionEnvironment,
        });
        self.rows
            .filed
            .entry(cabinet)
            .or_default()
            .insert(id, Filed { id, fields, created: now, modified: now });
        id
    }

    /// A document.
    #[must_use]
    pub fn filed(&self, cabinet: Cabinet, id: Id) -> Option<&Filed> {
        self.rows.filed.get(&cabinet)?.get(&id)
    }

    /// The numbers of a table's documents.
    #[must_use]
    pub fn filed_ids(&self, cabinet: Cabinet) -> Vec<Id> {
        self.rows.filed.get(&cabinet).map(|all| all.keys().copied().collect()).unwrap_or_default()
    }

    /// Changes the fields that `body` names.
    pub fn refile(&mut self, cabinet: Cabinet, id: Id, body: &Map<String, Value>, now: Timestamp) {
        if let Some(row) = self.rows.filed.get_mut(&cabinet).and_then(|all| all.get_mut(&id)) {
            row.fields.extend(body.clone());
            row.modified = now;
        }
    }

    /// Keeps settings of a row that the model does not read; null leaves one as it is.
    pub fn keep_settings(&mut self, holder: Holder, id: Id, mut settings: Map<String, Value>) {
        settings.retain(|_, value| !value.is_null());
        self.rows.settings.entry((holder, id)).or_default().extend(settings);
    }

    /// Those settings.
    #[must_use]
    pub fn settings(&self, holder: Holder, id: Id) -> Option<&Map<String, Value>> {
        self.rows.settings.get(&(holder, id))
    }

    /// Hangs `row` on a list of an object, or takes it off; idempotent.
    pub fn associate(&mut self, (holder, id, list): (Holder, Id, &str), row: Id, hangs: bool) {
        let rows = self.rows.associations.entry((holder, id, list.to_owned())).or_default();
        if hangs {
            rows.insert(row)
        } else {
            rows.remove(&row)
        };
    }

    /// What hangs on a list of an object.
    #[must_use]
    pub fn associated(&self, holder: Holder, id: Id, list: &str) -> Vec<Id> {
        let rows = self.rows.associations.get(&(holder, id, list.to_owned()));
        rows.map(|rows| rows.iter().copied().collect()).unwrap_or_default()
    }

    /// The number of an object's role: `index` is its place among the object's roles.
    #[must_use]
    pub fn role_number(holder: Holder, id: Id, index: u64) -> Id {
        (holder.code() * OBJECTS_MAX + id) * ROLES_PER_OBJECT + index
    }

    /// The object of a role, and the role's place among the object's roles.
    #[must_use]
    pub fn role_object(number: Id) -> Option<(Holder, Id, usize)> {
        let object = number / ROLES_PER_OBJECT;
        let holder = Holder::ALL.into_iter().find(|holder| holder.code() == object / OBJECTS_MAX)?;
        Some((holder, object % OBJECTS_MAX, usize::try_from(number % ROLES_PER_OBJECT).ok()?))
    }

    /// Who holds a role: `modelled` where the lab's rules know it, else by what was written down.
    #[must_use]
    pub fn role_users(&self, number: Id, modelled: Option<Role>) -> Vec<Id> {
        let object = Self::role_object(number).map(|(_, id, _)| id);
        let holds = |user: &Id| match (modelled, object) {
            (Some(role), Some(object)) => self.has_grant(*user, role, object),
            _ => self.rows.assignments.contains(&(number, *user)),
        };
        self.rows.users.keys().copied().filter(holds).collect()
    }

    /// Gives a role to a user, or takes it away; idempotent.
    ///
    /// # Errors
    /// 400 for an unknown user.
    pub fn assign_role(
        &mut self,
        (number, modelled): (Id, Option<Role>),
        user: Id,
        held: bool,
    ) -> Result<(), Refusal> {
        if !self.rows.users.contains_key(&user) {
            return Err(Refusal::Invalid(json!({"msg": "User not found."})));
        }
        let object = Self::role_object(number).map(|(_, id, _)| id);
        match (modelled, object, held) {
            (Some(role), Some(object), true) => self.grant(user, role, object),
            (Some(role), Some(object), false) => self.ungrant(user, role, object),
            (_, _, true) => {
                self.rows.assignments.insert((number, user));
            }
            (_, _, false) => {
                self.rows.assignments.remove(&(number, user));
            }
        }
        Ok(())
    }

    /// The secret fields of a credential type.
    #[must_use]
    pub fn secret_inputs(&self, credential_type: Id) -> BTreeSet<String> {
        let fields = self.filed(Cabinet::CredentialTypes, credential_type);
        let fields = fields.and_then(|row| row.fields.get("inputs")?.get("fields")?.as_array());
        let secret = fields.into_iter().flatten().filter(|field| field["secret"] == true);
        secret.filter_map(|field| field["id"].as_str().map(str::to_owned)).collect()
    }
}
