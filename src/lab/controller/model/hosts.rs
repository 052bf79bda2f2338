//! Hosts and their variables: a string, replaced whole, by whoever writes last (CONTRACT.md §9;
//! MEASURED 35–38).

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::refusal::Refusal;
use super::rows::{Host, Id, Scope};
use super::variables::{parse_text, python_json_object};
use super::{Controller, Table};

/// What a create or edit may set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostFields {
    pub name: Option<String>,
    pub description: Option<String>,
    pub enabled: Option<bool>,
    pub instance_id: Option<String>,
    pub variables: Option<String>,
}

impl HostFields {
    /// Reads a request's body; unknown fields are dropped.
    ///
    /// # Errors
    /// 400 for variables that are no string or no mapping, and for wrong types.
    pub fn parse(body: &Map<String, Value>) -> Result<Self, Refusal> {
        let text = |key: &str| match body.get(key) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(String::new())),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                Err(Refusal::field(key, "Not a valid string."))
            }
        };
        let variables = text("variables")?;
        if let Some(variables) = &variables {
            parse_text(variables).map_err(|message| Refusal::field("variables", message))?;
        }
        let enabled = match body.get("enabled") {
            None => None,
            Some(Value::Bool(enabled)) => Some(*enabled),
            Some(_) => return Err(Refusal::field("enabled", "Must be a valid boolean.")),
        };
        Ok(Self {
            name: text("name")?,
            description: text("description")?,
            enabled,
            instance_id: text("instance_id")?,
            variables,
        })
    }
}

impl Controller {
    /// Creates a host.
    ///
    /// # Errors
    /// 400 for an unknown inventory, no name, or a name taken by a host or group; 403 without the right.
    pub fn create_host(
        &mut self,
        caller: Caller,
        inventory: Id,
        fields: HostFields,
        now: Timestamp,
    ) -> Result<Id, Refusal> {
        if !self.rows.inventories.contains_key(&inventory) {
            return Err(Refusal::detail("Inventory matching query does not exist."));
        }
        self.may_write(caller, inventory)?;
        let required = || Refusal::field("name", "This field is required.");
        let name = fields.name.filter(|name| !name.is_empty()).ok_or_else(required)?;
        let (name, variables) = split_port(&name, fields.variables.unwrap_or_default());
        if self.host_id(inventory, &name).is_some() {
            return Err(Refusal::all("Host with this Name and Inventory already exists."));
        }
        if self.rows.groups.values().any(|group| group.inventory == inventory && group.name == name) {
            return Err(Refusal::field("name", "A Group with that name already exists."));
        }
        let id = self.next_id(Table::Host);
        let host = Host {
            id,
            name,
            description: fields.description.unwrap_or_default(),
            inventory,
            enabled: fields.enabled.unwrap_or(true),
            instance_id: fields.instance_id.unwrap_or_default(),
            variables,
            created: now,
            modified: saved_at(now, None),
            created_by: Some(caller.user),
            modified_by: Some(caller.user),
        };
        self.rows.hosts.insert(id, host);
        Ok(id)
    }

    /// Edits a host; `variables` replaces all of them.
    ///
    /// # Errors
    /// 404, 403, and 400 (with the database's own text) when the new name is taken.
    pub fn edit_host(
        &mut self,
        caller: Caller,
        id: Id,
        fields: HostFields,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let host = self.rows.hosts.get(&id).ok_or(Refusal::NotFound("Host"))?;
        let inventory = host.inventory;
        self.may_write(caller, inventory)?;
        if let Some(name) = fields.name.as_deref()
            && self.host_id(inventory, name).is_some_and(|other| other != id)
        {
            return Err(Refusal::detail(format!(
                "duplicate key value violates unique constraint \
                     \"main_host_name_inventory_id_45aecd68_uniq\"\nDETAIL:  Key (name, inventory_id)=({name}, \
                     {inventory}) already exists."
            )));
        }
        let Some(host) = self.rows.hosts.get_mut(&id) else { return Err(Refusal::NotFound("Host")) };
        host.name = fields.name.unwrap_or_else(|| host.name.clone());
        host.description = fields.description.unwrap_or_else(|| host.description.clone());
        host.enabled = fields.enabled.unwrap_or(host.enabled);
        host.instance_id = fields.instance_id.unwrap_or_else(|| host.instance_id.clone());
        host.variables = fields.variables.unwrap_or_else(|| host.variables.clone());
        host.modified = saved_at(now, Some(host.modified));
        host.modified_by = Some(caller.user);
        Ok(())
    }

    /// `PUT` and `PATCH` of `variable_data/`: both replace everything (MEASURED 35).
    ///
    /// # Errors
    /// 404 and 403.
    pub fn replace_variables(
        &mut self,
        caller: Caller,
        id: Id,
        variables: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let text = python_json_object(variables);
        self.edit_host(caller, id, HostFields { variables: Some(text), ..HostFields::default() }, now)
    }

    /// Deletes a host; it leaves its groups.
    ///
    /// # Errors
    /// 404; 403; 409 while a job of its inventory is active.
    pub fn delete_host(&mut self, caller: Caller, id: Id) -> Result<(), Refusal> {
        let inventory = self.rows.hosts.get(&id).ok_or(Refusal::NotFound("Host"))?.inventory;
        self.may_write(caller, inventory)?;
        let jobs = self.rows.jobs.values();
        let active: Vec<Value> = jobs
            .filter(|job| job.inventory == Some(inventory) && !job.status.is_terminal())
            .map(|job| json!({"id": job.id, "type": "job"}))
            .collect();
        if !active.is_empty() {
            let error = "Resource is being used by running jobs.";
            return Err(Refusal::Conflict(json!({"error": error, "active_jobs": active})));
        }
        self.rows.hosts.remove(&id);
        for group in self.rows.groups.values_mut() {
            group.hosts.remove(&id);
        }
        Ok(())
    }

    /// Puts a host into a group, or takes it out; idempotent.
    ///
    /// # Errors
    /// 404 for an unknown group; 403; 400 for an unknown host.
    pub fn associate_host(
        &mut self,
        caller: Caller,
        group: Id,
        host: Id,
        member: bool,
    ) -> Result<(), Refusal> {
        let inventory = self.rows.groups.get(&group).ok_or(Refusal::NotFound("Group"))?.inventory;
        self.may_write(caller, inventory)?;
        if !self.rows.hosts.contains_key(&host) {
            return Err(Refusal::detail("Host matching query does not exist."));
        }
        if let Some(row) = self.rows.groups.get_mut(&group) {
            if member {
                row.hosts.insert(host)
            } else {
                row.hosts.remove(&host)
            };
        }
        Ok(())
    }

    /// The inventory of that name in an organization.
    #[must_use]
    pub fn inventory_id(&self, organization: Id, name: &str) -> Option<Id> {
        let mut rows = self.rows.inventories.values();
        rows.find(|row| row.organization == organization && row.name == name).map(|row| row.id)
    }

    /// The group of that name in an inventory.
    #[must_use]
    pub fn group_id(&self, inventory: Id, name: &str) -> Option<Id> {
        let mut rows = self.rows.groups.values();
        rows.find(|row| row.inventory == inventory && row.name == name).map(|row| row.id)
    }

    /// The organization that a job belongs to.
    #[must_use]
    pub fn organization_of_job(&self, job: Id) -> Option<Id> {
        self.rows.jobs.get(&job).map(|job| job.organization)
    }

    /// The host of that exact name in an inventory.
    #[must_use]
    pub fn host_id(&self, inventory: Id, name: &str) -> Option<Id> {
        let mut hosts = self.rows.hosts.values();
        hosts.find(|host| host.inventory == inventory && host.name == name).map(|host| host.id)
    }

    /// A host's variables, parsed; `None` for an unknown host or for text that is no mapping.
    #[must_use]
    pub fn host_variables(&self, id: Id) -> Option<Map<String, Value>> {
        self.rows.hosts.get(&id).and_then(|host| parse_text(&host.variables).ok())
    }

    /// The hosts of an inventory with their variables, in order of their ids; text that is no mapping counts as none.
    pub fn hosts_of(&self, inventory: Id) -> impl Iterator<Item = (String, Map<String, Value>)> {
        let hosts = self.rows.hosts.values().filter(move |host| host.inventory == inventory);
        hosts.map(|host| (host.name.clone(), parse_text(&host.variables).unwrap_or_default()))
    }

    fn may_write(&self, caller: Caller, inventory: Id) -> Result<(), Refusal> {
        let allowed = caller.scope == Scope::Write && self.writes_inventory(caller.user, inventory);
        if allowed { Ok(()) } else { Err(Refusal::forbidden()) }
    }
}

/// `modified` of a row that is saved at `now`: to the microsecond, as the database keeps it, and later than before.
fn saved_at(now: Timestamp, before: Option<Timestamp>) -> Timestamp {
    let after = before.and_then(|before| before.as_microsecond().checked_add(1)).unwrap_or(i64::MIN);
    Timestamp::from_microsecond(now.as_microsecond().max(after)).unwrap_or(now)
}

/// `name:2222` becomes `name` and a variable (MEASURED 37); an IPv6 address stays whole.
fn split_port(name: &str, variables: String) -> (String, String) {
    let port = name.split_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    let Some((host, port)) = port else { return (name.to_owned(), variables) };
    let mut map = parse_text(&variables).unwrap_or_default();
    map.insert("ansible_ssh_port".to_owned(), json!(port));
    (host.to_owned(), python_json_object(&map))
}
