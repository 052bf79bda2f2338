//! Which of a host's variables are looked at.

use serde_json::{Map, Value};

/// The host variables (A12) that are looked at. Others are neither kept nor shown: they are somebody else's, and may
/// be secrets.
pub const HOST_KEYS: [&str; 16] = [
    "vm_name",
    "vm_id",
    "vm_moid",
    "vm_bios_uuid",
    "vm_uid",
    "vm_state",
    "ip_address",
    "created_at",
    "execution_id",
    "tower_job_id",
    "last_updated",
    "last_task",
    "last_task_status",
    "networks",
    "disks",
    "os_type",
];

/// The variables of a host as far as they are looked at.
#[must_use]
pub fn host_side(variables: Map<String, Value>) -> Map<String, Value> {
    variables.into_iter().filter(|(key, _)| HOST_KEYS.contains(&key.as_str())).collect()
}
