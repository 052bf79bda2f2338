//! Inventories, hosts and groups. Host variables travel as a string and are always replaced whole; there is no
//! condition on a write (no ETag), so the caller compares what came back (CONTRACT.md §9). A claim is such a host:
//! created where it is missing, its variables replaced where it is there.
//!
//! Inventories and groups are found, never created: they are the operator's.

use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Map, Value};

use super::answer::{Answer, WriteFailure};
use super::client::Controller;
use super::errors::{ReadError, Violation};
use super::paging::ignored_filter;
use super::wire;

/// An inventory, as far as it matters whether the bridge can keep hosts in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InventoryRef {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Empty for an ordinary one; `smart` and `constructed` ones take no hosts.
    pub kind: String,
    /// Somebody deleted it and the controller has not finished.
    pub pending_deletion: bool,
    /// Whether this account may write hosts (it needs the admin role); `None` when the controller does not say.
    pub may_edit: Option<bool>,
}

/// A host of an inventory.
#[derive(Debug, Clone, PartialEq)]
pub struct Host {
    /// Its id.
    pub id: i64,
    /// The inventory it is in; that never changes (MEASURED 36).
    pub inventory: i64,
    /// Its name, unique in its inventory.
    pub name: String,
    /// Free text that the bridge uses for the VM's identity; not unique.
    pub instance_id: String,
    /// Its own variables, without those of its groups.
    pub variables: Map<String, Value>,
    /// Changes with every save: a detector of other writers, not a lock.
    pub modified: Timestamp,
}

/// What is known after a host was written once.
#[derive(Debug, Clone, PartialEq)]
pub enum HostWrite {
    /// The host was made; what the controller made of it.
    Created(Host),
    /// The variables were replaced; what the controller holds now, to be compared.
    Written(Host),
    /// A host of that name is in the inventory already; nothing was changed.
    AlreadyThere,
    /// The host is not there (any more); nothing was changed.
    Gone,
    /// 409: the inventory is in use by a running job; nothing was changed.
    Busy {
        /// The controller's sentence.
        detail: String,
    },
    /// 400: nothing was changed.
    Refused {
        /// Every fault that was named.
        violations: Vec<Violation>,
    },
    /// 401, 403, 405, 415, 429: nothing was changed.
    NotNow {
        /// The HTTP status.
        status: u16,
        /// The controller's sentence.
        detail: String,
        /// Seconds to wait, when the answer said so.
        retry_after_secs: Option<u64>,
    },
    /// It may have been written: read it.
    Unknown {
        /// What happened, in one line.
        why: String,
    },
}

/// What is known after a host was put into a group. Doing it again is harmless (MEASURED 38).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupAdd {
    /// It is in the group.
    Done,
    /// Host or group is not there, or the two are not of one inventory.
    Refused {
        /// Every fault that was named.
        violations: Vec<Violation>,
    },
    /// Not done; somebody or time must change that.
    NotNow {
        /// The HTTP status.
        status: u16,
        /// The controller's sentence.
        detail: String,
        /// Seconds to wait, when the answer said so.
        retry_after_secs: Option<u64>,
    },
    /// Not known; it may be done again.
    Unknown {
        /// What happened, in one line.
        why: String,
    },
}

impl Controller {
    /// The id of the inventory of exactly this name, in `organization` or else in the configured one.
    ///
    /// # Errors
    /// [`ReadError::Ambiguous`] when several organizations have one of that name, and the usual ones.
    pub async fn inventory(&self, name: &str, organization: Option<&str>) -> Result<Option<i64>, ReadError> {
        Ok(self.inventory_ref(name, organization).await?.map(|inventory| inventory.id))
    }

    /// The same with what a preflight wants to know of it.
    ///
    /// # Errors
    /// [`ReadError::Ambiguous`] when several organizations have one of that name, and the usual ones.
    pub async fn inventory_ref(
        &self,
        name: &str,
        organization: Option<&str>,
    ) -> Result<Option<InventoryRef>, ReadError> {
        let filters = self.in_organization(organization);
        let row: Option<wire::InventoryRow> =
            self.one_named("inventories/", name, &filters, |row: &wire::InventoryRow| &row.name).await?;
        Ok(row.map(|row| InventoryRef {
            id: row.id,
            name: row.name,
            kind: row.kind,
            pending_deletion: row.pending_deletion,
            may_edit: row.summary_fields.user_capabilities.and_then(|may| may.edit),
        }))
    }

    /// The id of the group of exactly this name in an inventory.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn group(&self, inventory: i64, name: &str) -> Result<Option<i64>, ReadError> {
        let filters = [("inventory", inventory.to_string())];
        let row = self.one_named("groups/", name, &filters, |row: &wire::NamedRow| &row.name).await?;
        Ok(row.map(|row| row.id))
    }

    /// Puts a host into a group: one attempt.
    pub async fn group_add_host(&self, group: i64, host: i64) -> GroupAdd {
        let path = format!("groups/{group}/hosts/");
        match self.write(Method::POST, &path, Some(&wire::HostRef { id: host }), self.request_id()).await {
            Ok(answer) if answer.status == 204 => GroupAdd::Done,
            Ok(answer) => match answer.write_failure() {
                WriteFailure::Refused { violations } => GroupAdd::Refused { violations },
                WriteFailure::NotNow { status, detail, retry_after_secs } => {
                    GroupAdd::NotNow { status, detail, retry_after_secs }
                }
                WriteFailure::Unknown { why } => GroupAdd::Unknown { why },
            },
            Err(lost) => GroupAdd::Unknown { why: lost.why },
        }
    }

    /// The host of exactly this name in an inventory. Variables that somebody wrote as YAML cost a second request,
    /// in which the controller turns them into JSON.
    ///
    /// # Errors
    /// The usual ones.
    pub async fn host(&self, inventory: i64, name: &str) -> Result<Option<Host>, ReadError> {
        let filters = [("inventory", inventory.to_string())];
        let row: Option<wire::HostRow> =
            self.one_named("hosts/", name, &filters, |row: &wire::HostRow| &row.name).await?;
        let Some(row) = row else { return Ok(None) };
        if row.inventory != inventory {
            return Err(ignored_filter("hosts/", "inventory"));
        }
        self.host_of_row(row).await.map(Some)
    }

    /// The host of this id; `None` when the controller knows none.
    ///
    /// # Errors
    /// [`ReadError::Forbidden`] when it may not be read, and the usual ones.
    pub async fn host_by_id(&self, id: i64) -> Result<Option<Host>, ReadError> {
        match self.get::<wire::HostRow>(&format!("hosts/{id}/"), &[], self.deadline()).await {
            Ok(row) => self.host_of_row(row).await.map(Some),
            Err(ReadError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the token and its account may write at all: a host without a name is sent, which a writer is refused
    /// for the missing fields (400) and everybody else for the missing right (403). Nothing is made.
    ///
    /// # Errors
    /// [`ReadError::Unauthorized`] for a token that is not accepted, [`ReadError::Unavailable`] for every other answer.
    pub async fn may_write(&self) -> Result<bool, ReadError> {
        let nothing = serde_json::json!({});
        let answer = self
            .write(Method::POST, "hosts/", Some(&nothing), self.request_id())
            .await
            .map_err(|lost| ReadError::Unavailable { why: lost.why })?;
        match answer.write_failure() {
            WriteFailure::Refused { .. } => Ok(true),
            WriteFailure::NotNow { status: 403, .. } => Ok(false),
            WriteFailure::NotNow { status: 401, .. } => Err(ReadError::Unauthorized),
            _ => Err(ReadError::Unavailable { why: answer.describe() }),
        }
    }

    /// Makes a host: one attempt. The name is unique in its inventory, so of two that try, one is told
    /// [`HostWrite::AlreadyThere`].
    pub async fn create_host(
        &self,
        inventory: i64,
        name: &str,
        instance_id: &str,
        variables: &Map<String, Value>,
    ) -> HostWrite {
        if would_be_split(name) {
            let message = "the controller would take the part after the colon for a port".to_owned();
            let violation = Violation { field: "name".to_owned(), message, variable: None };
            return HostWrite::Refused { violations: vec![violation] };
        }
        let body =
            wire::NewHost { name, inventory, enabled: true, instance_id, variables: as_text(variables) };
        match self.write(Method::POST, "hosts/", Some(&body), self.request_id()).await {
            Ok(answer) if answer.status == 201 => written(&answer).map_or_else(unknown, HostWrite::Created),
            Ok(answer) => not_written(&answer),
            Err(lost) => unknown(lost.why),
        }
    }

    /// Replaces all variables of a host: one attempt. The controller saves the whole row, so a change that
    /// somebody else makes to any field at the same time may undo it: compare what comes back, and read again later.
    pub async fn replace_host_variables(&self, host_id: i64, variables: &Map<String, Value>) -> HostWrite {
        let body = wire::HostVariables { variables: as_text(variables) };
        let path = format!("hosts/{host_id}/");
        match self.write(Method::PATCH, &path, Some(&body), self.request_id()).await {
            Ok(answer) if answer.status == 200 => written(&answer).map_or_else(unknown, HostWrite::Written),
            Ok(answer) => not_written(&answer),
            Err(lost) => unknown(lost.why),
        }
    }

    async fn host_of_row(&self, row: wire::HostRow) -> Result<Host, ReadError> {
        let variables = match json_object(&row.variables) {
            Some(variables) => variables,
            None => self.get(&format!("hosts/{}/variable_data/", row.id), &[], self.deadline()).await?,
        };
        Ok(host(row, variables))
    }
}

/// A string of the controller's that should hold a JSON object; empty is an empty object. `None`: it is YAML.
pub(super) fn json_object(text: &str) -> Option<Map<String, Value>> {
    if text.trim().is_empty() {
        return Some(Map::new());
    }
    serde_json::from_str(text).ok()
}

fn as_text(variables: &Map<String, Value>) -> String {
    Value::Object(variables.clone()).to_string()
}

pub(super) fn host(row: wire::HostRow, variables: Map<String, Value>) -> Host {
    Host {
        id: row.id,
        inventory: row.inventory,
        name: row.name,
        instance_id: row.instance_id,
        variables,
        modified: row.modified,
    }
}

fn written(answer: &Answer) -> Result<Host, String> {
    let row: wire::HostRow = answer.decode()?;
    let variables =
        json_object(&row.variables).ok_or("the variables that came back are no JSON".to_owned())?;
    Ok(host(row, variables))
}

fn unknown(why: String) -> HostWrite {
    HostWrite::Unknown { why }
}

fn not_written(answer: &Answer) -> HostWrite {
    match answer.write_failure() {
        WriteFailure::Refused { violations } if violations.iter().any(is_duplicate) => {
            HostWrite::AlreadyThere
        }
        WriteFailure::Refused { violations } => HostWrite::Refused { violations },
        WriteFailure::NotNow { status: 404, .. } => HostWrite::Gone,
        WriteFailure::NotNow { status: 409, detail, .. } => HostWrite::Busy { detail },
        WriteFailure::NotNow { status, detail, retry_after_secs } => {
            HostWrite::NotNow { status, detail, retry_after_secs }
        }
        WriteFailure::Unknown { why } => HostWrite::Unknown { why },
    }
}

/// Two shapes: the check before the insert, and the database's own when two inserts race (CONTRACT.md §2, §9).
fn is_duplicate(violation: &Violation) -> bool {
    match violation.field.as_str() {
        "__all__" => {
            violation.message.starts_with("Host with this") && violation.message.contains("already exists")
        }
        "detail" => {
            violation.message.contains("duplicate key value violates unique constraint \"main_host_name")
        }
        _ => false,
    }
}

/// `name:2222` becomes a host `name` with `ansible_ssh_port` in its variables (MEASURED 37).
fn would_be_split(name: &str) -> bool {
    name.split_once(':')
        .is_some_and(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
}
