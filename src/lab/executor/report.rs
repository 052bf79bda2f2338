//! What a play leaves behind: the standard artifacts of A11, by the semantics of `set_stats` (a failed play
//! keeps what it set before it failed).

#![expect(clippy::wildcard_enum_match_arm, reason = "only an object has fields")]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::super::controller::model::RunningJob;
use super::variables::Variables;

/// How a play ended and what it has to tell.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Report {
    pub outcome: &'static str,
    pub failure: Option<String>,
    pub changed: bool,
    pub data: Map<String, Value>,
    pub aap_state: Map<String, Value>,
    /// False for a run that lost its claim: it writes nothing anywhere.
    pub leaves_artifact: bool,
}

impl Report {
    pub fn done(changed: bool, data: Value, aap_state: Value) -> Self {
        Self {
            outcome: "successful",
            failure: None,
            changed,
            data: object(data),
            aap_state: object(aap_state),
            leaves_artifact: true,
        }
    }

    pub fn skipped() -> Self {
        Self { outcome: "skipped", ..Self::done(false, json!({}), json!({})) }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            outcome: "failed",
            data: object(json!({"error": message})),
            failure: Some(message),
            ..Self::done(false, json!({}), json!({"vm_state": "failed"}))
        }
    }

    pub fn lost(why: &str) -> Self {
        let failed = Self::failed(format!("claim lost: {why}; nothing was changed"));
        Self { leaves_artifact: false, ..failed }
    }

    /// The artifacts of the job, one standard artifact among them.
    pub fn artifacts(
        &self,
        stage: &str,
        job: &RunningJob,
        variables: &Variables,
        now: Timestamp,
    ) -> Map<String, Value> {
        if !self.leaves_artifact {
            return Map::new();
        }
        let execution_id = variables.execution_id(job.id);
        let stack = call_stack(stage);
        let chain = stack.join("->");
        let seconds = seconds(now.duration_since(job.started));
        let text = |key: &str| variables.text(key).unwrap_or_default();
        let artifact = json!({
            "metadata": {
                "version": "2.0", "format": "ansible-aap-standardized",
                "generated_at": time(now), "execution_id": execution_id,
            },
            "context": {
                "tower_job_id": job.id, "parent_job_id": job.workflow_job,
                "call_chain": chain, "inventory_hostname": "localhost",
            },
            "task": {
                "name": stage, "status": self.outcome, "start_time": time(job.started),
                "end_time": time(now), "duration": seconds, "retry_count": 0,
            },
            "data": self.data,
            "infrastructure": {
                "vcenter": text("vm_vcenter"), "datacenter": text("vm_datacenter"),
                "cluster": text("vm_cluster"),
            },
            "aap_state": self.aap_state,
        });
        let summary = json!({
            "execution_id": execution_id, "tower_job_id": job.id, "playbook": stage,
            "status": self.outcome, "start_time": time(job.started), "end_time": time(now),
            "duration": seconds, "call_chain": chain, "aap_state": self.aap_state,
        });
        object(json!({
            format!("output_{execution_id}_{stage}"): artifact,
            "execution_summary": summary,
            "call_stack": stack,
            "call_chain_id": chain,
            "call_depth": stack.len(),
        }))
    }
}

/// The names on the call stack of a stage: its playbook, then the role that does it (A8, A9).
pub(super) fn call_stack(stage: &str) -> Vec<&str> {
    let role = match stage {
        "vm_provision" => Some("vmware_vcenter80_vm"),
        "network_configuration" => Some("vmware_vcenter80_network"),
        "storage_configuration" => Some("vmware_vcenter80_disk"),
        "inventory_write" | "error_handling" => Some("vmware_vcenter80_inventory"),
        _ => None,
    };
    std::iter::once(stage).chain(role).collect()
}

pub(super) fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

fn seconds(span: SignedDuration) -> f64 {
    span.as_secs_f64().max(0.0)
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
