//! All hosts of an inventory, or those that changed lately. A list is a hope: hosts come and go while it is read, and
//! ids do not commit in order (CONTRACT.md, finding 4), so what was collected is held against the controller's own
//! count, and read again where the two disagree.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::time::sleep;

use super::client::Controller;
use super::errors::ReadError;
use super::inventory::{self, Host};
use super::paging::{PAGE_SIZE_MAX, ignored_filter};
use super::wire;

const HOSTS: &str = "hosts/";

/// How often a list is read before it is called incomplete.
const READINGS_MAX: u32 = 3;

/// Hosts of one listing whose variables are YAML and are read one by one: each costs a request.
pub const YAML_HOSTS_MAX: usize = 50;

/// The hosts of an inventory, as far as the controller told of them.
#[derive(Debug, Clone, PartialEq)]
pub struct HostListing {
    /// Each once, in order of the ids.
    pub hosts: Vec<Host>,
    /// Hosts that are there and whose variables are not known.
    pub unread: Vec<UnreadHost>,
    /// Whether `hosts` and `unread` are as many as the controller counted. When not, some may be missing, and some
    /// that are in it may be gone: nobody may be called gone by it. Even a complete one may miss a host that was saved
    /// while it was read.
    pub complete: bool,
    /// When the first page was answered, by the controller's clock, to the second (header `Date`); `None` without the
    /// header. A next `changed_since` must reach back further than this: `modified` is set before the commit
    /// (CONTRACT.md, finding 4).
    pub server_time: Option<Timestamp>,
}

/// A host whose variables are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadHost {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Changes with every save.
    pub modified: Timestamp,
    /// Why they are not known, in one line.
    pub why: String,
}

impl Controller {
    /// All hosts of an inventory, or those that were saved at or after `changed_since` (by the controller's clock, to
    /// the microsecond), in pages of 200 and at most 100 pages. Variables that somebody wrote as YAML cost one more
    /// request each, for at most [`YAML_HOSTS_MAX`] hosts; those beyond it are in [`HostListing::unread`].
    ///
    /// A host that was deleted is in no listing of what changed.
    ///
    /// # Errors
    /// [`ReadError::Contract`] when the controller ignored a filter (a row of another inventory, or older than was
    /// asked for) or the order, and the usual ones.
    pub async fn hosts(
        &self,
        inventory: i64,
        changed_since: Option<Timestamp>,
    ) -> Result<HostListing, ReadError> {
        // The controller keeps microseconds: finer bounds would call its honest rows too old.
        let since = changed_since.and_then(|at| Timestamp::from_microsecond(at.as_microsecond()).ok());
        let mut filters = vec![("inventory", inventory.to_string())];
        filters.extend(since.map(|since| ("modified__gte", since.to_string())));
        let mut seen: BTreeMap<i64, wire::HostRow> = BTreeMap::new();
        let mut server_time = None;
        let mut complete = false;
        for reading in 1..=READINGS_MAX {
            let read = self.rows::<wire::HostRow>(HOSTS, &filters, PAGE_SIZE_MAX, self.deadline()).await?;
            if read.rows.iter().any(|row| row.inventory != inventory) {
                return Err(ignored_filter(HOSTS, "inventory"));
            }
            if read.rows.iter().any(|row| since.is_some_and(|since| row.modified < since)) {
                return Err(ignored_filter(HOSTS, "modified__gte"));
            }
            // What changes from here on is not certain to be in it, so the first reading's time is the one that counts.
            server_time = if reading == 1 { read.date } else { server_time };
            let collected = u64::try_from(read.rows.len()).ok();
            complete = read.complete && (read.count.is_none() || read.count == collected);
            if complete {
                seen.clear();
            }
            seen.extend(read.rows.into_iter().map(|row| (row.id, row)));
            // Too many pages stay too many.
            if complete || !read.complete {
                break;
            }
            if reading < READINGS_MAX {
                sleep(self.jittered(reading)).await;
            }
        }
        let (hosts, unread) = self.with_variables(seen.into_values()).await?;
        Ok(HostListing { hosts, unread, complete, server_time })
    }

    /// Reads what is YAML. A host that is gone by then is left out.
    async fn with_variables(
        &self,
        rows: impl Iterator<Item = wire::HostRow>,
    ) -> Result<(Vec<Host>, Vec<UnreadHost>), ReadError> {
        let deadline = self.deadline();
        let (mut hosts, mut unread) = (Vec::new(), Vec::new());
        let mut asked = 0;
        for row in rows {
            if let Some(variables) = inventory::json_object(&row.variables) {
                hosts.push(inventory::host(row, variables));
                continue;
            }
            if asked >= YAML_HOSTS_MAX {
                let why = format!("its variables are YAML, and more than {YAML_HOSTS_MAX} hosts have such");
                unread.push(unread_host(row, why));
                continue;
            }
            asked += 1;
            let path = format!("{HOSTS}{}/variable_data/", row.id);
            match self.get::<Map<String, Value>>(&path, &[], deadline).await {
                Ok(variables) => hosts.push(inventory::host(row, variables)),
                Err(ReadError::NotFound { .. }) => {}
                Err(error @ (ReadError::Contract { .. } | ReadError::Forbidden { .. })) => {
                    unread.push(unread_host(row, error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((hosts, unread))
    }
}

fn unread_host(row: wire::HostRow, why: String) -> UnreadHost {
    UnreadHost { id: row.id, name: row.name, modified: row.modified, why }
}
