//! Stages of a deployment and what can be said of one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A stage of the workflow. The same word names the node's `identifier`, the playbook, the tag and the
/// `task_name` of its artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    VmProvision,
    NetworkConfiguration,
    StorageConfiguration,
    OsConfiguration,
    InventoryWrite,
    Validation,
    ErrorHandling,
}

impl Stage {
    /// The stages of a deployment, in the order in which the workflow runs them.
    pub const DEPLOYMENT: [Self; 5] = [
        Self::VmProvision,
        Self::NetworkConfiguration,
        Self::StorageConfiguration,
        Self::InventoryWrite,
        Self::Validation,
    ];

    /// Every stage that a node may be named after.
    pub const ALL: [Self; 7] = [
        Self::VmProvision,
        Self::NetworkConfiguration,
        Self::StorageConfiguration,
        Self::OsConfiguration,
        Self::InventoryWrite,
        Self::Validation,
        Self::ErrorHandling,
    ];

    /// The stage's one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VmProvision => "vm_provision",
            Self::NetworkConfiguration => "network_configuration",
            Self::StorageConfiguration => "storage_configuration",
            Self::OsConfiguration => "os_configuration",
            Self::InventoryWrite => "inventory_write",
            Self::Validation => "validation",
            Self::ErrorHandling => "error_handling",
        }
    }

    /// The stage of that name, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.name() == name)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What can be said of a stage once its run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its job succeeded and its artifact says so too.
    Done,
    /// It reported that it had nothing to do.
    Skipped,
    /// Its job failed, or its artifact says that it did.
    Failed,
    /// The evidence is missing or contradicts itself.
    Unknown,
}

/// Why a verdict is not `done`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Ansible failed a task (job status `failed`).
    JobFailed,
    /// The controller could not run the job (job status `error`, or a reaped job).
    JobError,
    /// Somebody or something cancelled the job.
    JobCanceled,
    /// The job is not over although its workflow is.
    JobUnfinished,
    /// The graph went another way: `do_not_run`, or never spawned.
    NotRun,
    /// The workflow has no node of that name.
    NodeMissing,
    /// The job succeeded and left no artifact of ours.
    ArtifactMissing,
    /// The controller hides the artifacts (`no_log`).
    ArtifactHidden,
    /// The artifact does not satisfy `schemas/artifact.v2.schema.json`.
    ArtifactInvalid,
    /// The artifact belongs to another execution or another stage.
    ArtifactForeign,
    /// The artifact's status contradicts the job's.
    ArtifactContradicts,
    /// The artifact carries a value under a name that means a secret.
    ArtifactHasSecret,
    /// The bridge may not read the job (CONTRACT.md finding 11).
    JobUnreadable,
}

/// What is known of one stage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageRecord {
    pub verdict: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The job that ran it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<i64>,
    /// The attempt in which it got this verdict.
    pub attempt_no: u32,
    /// The failed task and its message, or what is wrong with the artifact. No secret, at most
    /// [`StageRecord::NOTE_CHARS_MAX`] characters.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

impl StageRecord {
    /// The longest note that is kept.
    pub const NOTE_CHARS_MAX: usize = 600;

    /// Whether the stage need not run again.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.verdict, Verdict::Done | Verdict::Skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_one_name_everywhere() {
        for stage in Stage::ALL {
            assert_eq!(Stage::from_name(stage.name()), Some(stage));
            assert_eq!(serde_json::to_value(stage).unwrap(), serde_json::json!(stage.name()));
        }
    }
}
