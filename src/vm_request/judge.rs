//! The verdict of each stage of a run that is over, from its node, its job and its artifact. What the workflow's own
//! status says is not asked: a `successful` workflow may hold failed nodes (MEASURED 14).

use std::collections::BTreeMap;

use super::action::{Evidence, JobArtifacts, JobEvidence, NodeEvidence};
use super::artifact::{self, ArtifactProblem, TaskStatus};
use super::event::RunStatus;
use super::ids::RequestId;
use super::stage::{Reason, Stage, StageRecord, Verdict};
use super::state::Run;

/// The verdict of every stage that the run has a node for, and of every stage that it was wanted for.
#[must_use]
pub fn stages(id: &RequestId, run: &Run, evidence: &Evidence) -> BTreeMap<Stage, StageRecord> {
    let mut records = BTreeMap::new();
    for node in &evidence.nodes {
        // An error handler that had no error to handle says nothing.
        let is_idle_handler = |stage| stage == Stage::ErrorHandling && node.job.is_none();
        if let Some(stage) = Stage::from_name(&node.identifier).filter(|stage| !is_idle_handler(*stage)) {
            records.insert(stage, node_verdict(id, run, stage, node));
        }
    }
    for stage in &run.wanted {
        records.entry(*stage).or_insert_with(|| {
            let note = format!("the workflow has no node named {stage}");
            record(run, Verdict::Unknown, Some(Reason::NodeMissing), None, &note)
        });
    }
    records
}

fn node_verdict(id: &RequestId, run: &Run, stage: Stage, node: &NodeEvidence) -> StageRecord {
    let Some(job) = &node.job else {
        return record(run, Verdict::Unknown, Some(Reason::NotRun), None, "");
    };
    let reason = match job.status {
        RunStatus::Successful => return artifact_verdict(id, run, stage, job),
        RunStatus::Failed if was_reaped(job) => Reason::JobError,
        RunStatus::Failed => Reason::JobFailed,
        RunStatus::Error => Reason::JobError,
        RunStatus::Canceled => Reason::JobCanceled,
        RunStatus::New
        | RunStatus::Pending
        | RunStatus::Waiting
        | RunStatus::Running
        | RunStatus::Unheard => {
            return record(run, Verdict::Unknown, Some(Reason::JobUnfinished), Some(job.id), "");
        }
    };
    let note = if job.failure.is_empty() { &job.explanation } else { &job.failure };
    record(run, Verdict::Failed, Some(reason), Some(job.id), note)
}

/// CONTRACT.md §5: the reaper's and the restart's texts.
fn was_reaped(job: &JobEvidence) -> bool {
    job.explanation.contains("so it has been marked as failed")
        || job.explanation.contains("Task was marked as running at system start up")
}

fn artifact_verdict(id: &RequestId, run: &Run, stage: Stage, job: &JobEvidence) -> StageRecord {
    let unknown = |reason, note: &str| record(run, Verdict::Unknown, Some(reason), Some(job.id), note);
    let artifacts = match &job.artifacts {
        JobArtifacts::Unreadable => return unknown(Reason::JobUnreadable, "the bridge may not read the job"),
        JobArtifacts::Hidden => return unknown(Reason::ArtifactHidden, "no_log hides the artifacts"),
        JobArtifacts::Object(map) => map,
    };
    match artifact::parse(id, stage, artifacts) {
        Ok(output) => match output.task.status {
            TaskStatus::Successful => record(run, Verdict::Done, None, Some(job.id), ""),
            TaskStatus::Skipped => record(run, Verdict::Skipped, None, Some(job.id), ""),
            TaskStatus::Failed | TaskStatus::Running => {
                let note = "the artifact does not say that the stage succeeded, although its job did";
                record(run, Verdict::Failed, Some(Reason::ArtifactContradicts), Some(job.id), note)
            }
        },
        Err(ArtifactProblem::Missing { key }) => {
            unknown(Reason::ArtifactMissing, &format!("no artifact named {key}"))
        }
        Err(ArtifactProblem::Foreign { note }) => unknown(Reason::ArtifactForeign, &note),
        Err(ArtifactProblem::Invalid { violations }) => {
            let shown: Vec<String> = violations.iter().take(3).map(ToString::to_string).collect();
            unknown(Reason::ArtifactInvalid, &shown.join("; "))
        }
        Err(ArtifactProblem::Secret { pointer }) => {
            unknown(Reason::ArtifactHasSecret, &format!("{pointer} is named like a secret"))
        }
    }
}

fn record(run: &Run, verdict: Verdict, reason: Option<Reason>, job: Option<i64>, note: &str) -> StageRecord {
    let note = note.chars().take(StageRecord::NOTE_CHARS_MAX).collect();
    StageRecord { verdict, reason, job, attempt_no: run.attempt_no, note }
}
