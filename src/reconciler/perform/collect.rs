//! Reads a run: its status while it is under way, and everything that tells how its stages went when it is over.

use std::collections::BTreeMap;

use super::super::neighbours::KnownRun;
use super::{Outcome, Scene, unread};
use crate::aap::{Artifacts, FailureReason, JobReport, NodeJob, RunNode};
use crate::vm_request::action::{Evidence, JobArtifacts, JobEvidence, NodeEvidence};
use crate::vm_request::event::RunStatus;

pub(super) async fn read(scene: &Scene<'_>, workflow_job: i64) -> Outcome {
    match scene.controller.batch.read(workflow_job).await {
        Ok(Some(reading)) => {
            if let Some(run) = &scene.state.run {
                let known = KnownRun { workflow_job, created: run.accepted_at };
                scene.controller.set_known_run(Some(known));
            }
            Outcome::Run(reading)
        }
        Ok(None) => Outcome::RunMissing,
        Err(error) => unread(&error),
    }
}

pub(super) async fn collect(scene: &Scene<'_>, workflow_job: i64) -> Outcome {
    let client = &scene.controller.client;
    let Some(run) = &scene.state.run else { return Outcome::RunMissing };
    let nodes = match client.nodes(&[workflow_job]).await {
        Ok(nodes) => nodes,
        Err(error) => return unread(&error),
    };
    let jobs = match client.jobs_of(&[workflow_job]).await {
        Ok(jobs) => jobs.into_iter().map(|job| (job.id, job)).collect::<BTreeMap<i64, JobReport>>(),
        Err(error) => return unread(&error),
    };
    let mut evidence =
        Evidence { status: run.status, explanation: run.explanation.clone(), nodes: Vec::new() };
    for node in nodes {
        match node_evidence(scene, node, &jobs).await {
            Ok(node) => evidence.nodes.push(node),
            Err(outcome) => return outcome,
        }
    }
    Outcome::Evidence(evidence)
}

async fn node_evidence(
    scene: &Scene<'_>,
    node: RunNode,
    jobs: &BTreeMap<i64, JobReport>,
) -> Result<NodeEvidence, Outcome> {
    let job = match node.job {
        Some(job) => Some(job_evidence(scene, &job, jobs.get(&job.id)).await?),
        None => None,
    };
    Ok(NodeEvidence { identifier: node.identifier, do_not_run: node.do_not_run, job })
}

async fn job_evidence(
    scene: &Scene<'_>,
    job: &NodeJob,
    report: Option<&JobReport>,
) -> Result<JobEvidence, Outcome> {
    // A node shows its job's status even to those who may not read the job (MEASURED 17).
    let status = RunStatus::from_name(report.map_or(job.status.as_str(), |report| report.status.as_str()));
    let artifacts = match report.map(|report| &report.artifacts) {
        None => JobArtifacts::Unreadable,
        Some(Artifacts::Hidden) => JobArtifacts::Hidden,
        Some(Artifacts::None) => JobArtifacts::Object(serde_json::Map::new()),
        Some(Artifacts::Object(map)) => JobArtifacts::Object(map.clone()),
    };
    let failure = match (status, report) {
        (RunStatus::Failed | RunStatus::Error, Some(_)) => {
            let reasons = scene.controller.client.failure_reasons(job.id).await;
            told(&reasons.map_err(|error| unread(&error))?)
        }
        _ => String::new(),
    };
    let explanation = report.map(|report| report.job_explanation.clone()).unwrap_or_default();
    Ok(JobEvidence { id: job.id, status, artifacts, failure, explanation })
}

/// The last failure is what stopped the play; those before it were rescued or ignored.
fn told(reasons: &[FailureReason]) -> String {
    reasons.last().map_or_else(String::new, |reason| format!("{}: {}", reason.task, reason.msg))
}
