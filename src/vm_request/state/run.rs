//! What the events of a run do, and where its verdicts lead.

use jiff::Timestamp;

use super::super::event::{Event, RunJudged, RunSeen, RunStatus};
use super::super::hold::Hold;
use super::super::stage::{Reason, Stage, StageRecord, Verdict};
use super::apply::{Step, ensure};
use super::{Phase, Run, State};

impl State {
    pub(super) fn run_advanced(&mut self, at: Timestamp, event: &Event) -> Step {
        ensure(self.followed_run().is_some(), "no run is followed")?;
        let run = self.run.as_mut().ok_or("no run is known")?;
        match event {
            Event::HolderRecorded { attempt_no, workflow_job } => {
                ensure(run.attempt_no == *attempt_no && run.workflow_job == *workflow_job, "another run")?;
                run.holder_recorded = true;
            }
            Event::SurplusRuns { kept, surplus, .. } => {
                ensure(run.workflow_job == *kept, "another run is kept")?;
                run.surplus.extend(surplus.iter().filter(|id| *id != kept));
            }
            Event::RunSeen(seen) => {
                Self::run_seen(run, seen)?;
                if matches!(self.hold, Some(Hold::RunVanished { .. })) {
                    self.hold = None;
                    self.phase = Phase::Running;
                }
            }
            Event::RunVanished { workflow_job } => {
                ensure(
                    run.workflow_job == *workflow_job && !run.vanished,
                    "another run, or one that vanished before",
                )?;
                run.vanished = true;
                if self.phase != Phase::Cancelling {
                    self.hold(Hold::RunVanished { workflow_job: *workflow_job });
                }
            }
            Event::RunJudged(judged) => {
                ensure(run.workflow_job == judged.workflow_job, "another run")?;
                ensure(judged.status.is_terminal(), "the run is not over")?;
                run.status = judged.status;
                run.judged = true;
                self.judged(at, judged);
            }
            _ => return Err("it is not about a run"),
        }
        Ok(())
    }

    fn run_seen(run: &mut Run, seen: &RunSeen) -> Step {
        ensure(run.workflow_job == seen.workflow_job, "another run")?;
        run.status = seen.status;
        run.stages.extend(seen.stages.iter().map(|(stage, status)| (*stage, *status)));
        run.explanation.clone_from(&seen.explanation);
        run.vanished = false;
        Ok(())
    }

    fn judged(&mut self, at: Timestamp, judged: &RunJudged) {
        for (stage, record) in &judged.stages {
            let keeps_older = self.stages.get(stage).is_some_and(StageRecord::is_finished)
                && !matches!(record.verdict, Verdict::Done | Verdict::Failed);
            if !keeps_older {
                self.stages.insert(*stage, record.clone());
            }
        }
        if self.phase == Phase::Cancelling {
            return;
        }
        match self.first_obstacle() {
            None => {
                self.hold = None;
                self.phase = Phase::Verifying;
                self.verifying_since = Some(at);
            }
            Some(_) if judged.status == RunStatus::Canceled => {
                self.hold(Hold::RunCanceled { workflow_job: judged.workflow_job });
            }
            Some((stage, record)) => {
                let (reason, note) = record.map_or((Some(Reason::NotRun), String::new()), |found| {
                    (found.reason, found.note.clone())
                });
                self.hold(Hold::StageFailed { stage, reason, note });
            }
        }
    }

    /// The first stage that stands in the way of verification. A stage whose job succeeded and whose artifact is
    /// missing or unreadable does not: vCenter and the inventory are the evidence, and they are read next.
    fn first_obstacle(&self) -> Option<(Stage, Option<&StageRecord>)> {
        Stage::DEPLOYMENT.into_iter().find_map(|stage| match self.stages.get(&stage) {
            Some(record) if record.is_finished() || lacks_only_its_artifact(record) => None,
            record => Some((stage, record)),
        })
    }
}

/// Whether the only thing wrong with a stage is that its artifact cannot be used.
const fn lacks_only_its_artifact(record: &StageRecord) -> bool {
    matches!(
        record.reason,
        Some(
            Reason::ArtifactMissing
                | Reason::ArtifactHidden
                | Reason::ArtifactInvalid
                | Reason::ArtifactForeign
                | Reason::ArtifactHasSecret
                | Reason::JobUnreadable
        )
    ) && matches!(record.verdict, Verdict::Unknown)
}
