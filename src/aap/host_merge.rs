//! The bridge's own keys in a host's variables: read, merge, write the whole, read back, compare, a bounded number of
//! times. The controller offers no condition on a write, so this narrows the window for lost updates and notices when
//! ours was lost; it cannot notice that it undid somebody else's. Callers write one host at a time and only while no
//! run is active on it (DESIGN.md, "who writes what in AAP").

use serde_json::{Map, Value};
use tokio::time::sleep;

use super::client::Controller;
use super::errors::ReadError;
use super::inventory::{Host, HostWrite};

/// Rounds of read, write and read back before it is given up.
const ROUNDS_MAX: u32 = 3;

/// What came of a merge.
#[derive(Debug, Clone, PartialEq)]
pub enum HostMerge {
    /// The keys had these values already; nothing was written.
    Unchanged(Host),
    /// The keys were written and read back.
    Merged(Host),
    /// It was written in each round and never read back: somebody else keeps writing this host.
    Contended {
        /// How many rounds were tried.
        rounds: u32,
    },
    /// The host is not there (any more).
    Gone,
    /// The controller did not take the write.
    NotWritten(HostWrite),
    /// The host could not be read, before the write or after it.
    Unreadable(ReadError),
}

impl Controller {
    /// Sets `key` of a host's variables to `value` and leaves every other key as it was read.
    pub async fn merge_host_key(&self, host_id: i64, key: &str, value: &Value) -> HostMerge {
        self.merge_host_keys(host_id, &Map::from_iter([(key.to_owned(), value.clone())])).await
    }

    /// Sets all of `keys` in a host's variables, in one write, and leaves every other key as it was read. At most
    /// three writes are sent; a write that did not take place is not sent again. No keys, no write.
    pub async fn merge_host_keys(&self, host_id: i64, keys: &Map<String, Value>) -> HostMerge {
        let mut wrote = false;
        for round in 1..=ROUNDS_MAX + 1 {
            let host = match self.host_by_id(host_id).await {
                Ok(Some(host)) => host,
                Ok(None) => return HostMerge::Gone,
                Err(error) => return HostMerge::Unreadable(error),
            };
            if keys.iter().all(|(key, value)| host.variables.get(key) == Some(value)) {
                return if wrote { HostMerge::Merged(host) } else { HostMerge::Unchanged(host) };
            }
            if round > ROUNDS_MAX {
                break;
            }
            if wrote {
                sleep(self.jittered(round)).await;
            }
            wrote = true;
            let mut variables = host.variables;
            variables.extend(keys.clone());
            match self.replace_host_variables(host_id, &variables).await {
                // Whatever the answer says, the next reading decides.
                HostWrite::Written(_) | HostWrite::Unknown { .. } => {}
                HostWrite::Gone => return HostMerge::Gone,
                refused @ (HostWrite::Created(_)
                | HostWrite::AlreadyThere
                | HostWrite::Busy { .. }
                | HostWrite::Refused { .. }
                | HostWrite::NotNow { .. }) => return HostMerge::NotWritten(refused),
            }
        }
        HostMerge::Contended { rounds: ROUNDS_MAX }
    }
}
