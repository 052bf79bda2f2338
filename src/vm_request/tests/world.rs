//! A tiny reference world for the random driver: one claim, the runs of one request, one VM. It is no lab: it knows
//! nothing of HTTP and answers in the core's own words. Its runs keep the rule of the playbooks: only the run that
//! the claim names as holder, with the claim's number, changes anything.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::fixtures::{Node, as_asked, node, reading};
use super::walkthrough::{difference, finding};
use crate::vm_request::action::{Action, Evidence, LaunchOutcome, Listing, Match, Outcome};
use crate::vm_request::event::RunStatus;
use crate::vm_request::stage::Stage;
use crate::vm_request::state::State;
use crate::vm_request::violation::Violation;

/// Random choices out of a tape of bytes. When it is used up every choice is the benign one.
pub struct Tape {
    bytes: Vec<u8>,
    at: usize,
}

impl Tape {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn is_over(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// 0 (all is well) about every other time, else one of `1..of`.
    pub fn choose(&mut self, of: u8) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        if byte < 120 { 0 } else { byte % of }
    }
}

#[derive(Debug)]
pub struct WorldRun {
    pub id: i64,
    attempt: Uuid,
    attempt_no: u32,
    wanted: Vec<Stage>,
    created: Timestamp,
    shown_from: Timestamp,
    pub status: RunStatus,
    looks: Vec<(Stage, Node)>,
    cancel_asked: bool,
    deleted: bool,
}

#[derive(Debug, Default)]
pub struct World {
    pub claim: Option<(u32, Option<i64>)>,
    pub runs: Vec<WorldRun>,
    pub built: BTreeSet<Stage>,
}

fn away() -> Outcome {
    Outcome::Unavailable { neighbour: "controller", why: "503".into() }
}

impl World {
    /// What `action` does and what comes back of it; the two may disagree.
    pub fn perform(&mut self, state: &State, action: &Action, now: Timestamp, tape: &mut Tape) -> Outcome {
        match action {
            Action::Preflight { .. } => match tape.choose(5) {
                1 => away(),
                2 => Outcome::CloneStillRunning { task: "task-1".into() },
                3 => Outcome::Preflight { findings: vec![finding()] },
                _ => Outcome::Preflight { findings: vec![] },
            },
            Action::IntendLaunch { attempt_no, .. } => {
                Outcome::Intend { attempt: Uuid::from_u128(u128::from(*attempt_no)) }
            }
            Action::WriteClaim { attempt_no } => self.write_claim(*attempt_no, tape),
            Action::Launch { .. } => self.launch(state, now, tape),
            Action::FindRun { .. } => self.find(state, now, tape),
            Action::RecordHolder { attempt_no, workflow_job } => {
                self.record(*attempt_no, *workflow_job, tape)
            }
            Action::ReadRun { workflow_job } => self.read(*workflow_job, tape),
            Action::Collect { workflow_job } => self.collect(*workflow_job, tape),
            Action::Verify => match tape.choose(4) {
                1 => away(),
                2 => Outcome::Differs { differences: vec![difference()] },
                _ if self.built.len() == Stage::DEPLOYMENT.len() => as_asked(),
                _ => Outcome::Differs { differences: vec![difference()] },
            },
            Action::MarkHost => match tape.choose(3) {
                1 => away(),
                2 => Outcome::HostMarkRefused { why: "403".into() },
                _ => Outcome::HostMarked { host: 31 },
            },
            Action::NoteDeadline => Outcome::Noted,
            Action::RaiseClaim { attempt_no } => {
                let fault = tape.choose(4);
                if fault == 1 {
                    return away();
                }
                let found = self.claim.map_or(0, |(no, _)| no);
                let raised = (found + 1).max(*attempt_no);
                self.claim = Some((raised, None));
                if fault == 2 { away() } else { Outcome::ClaimRaised { attempt_no: raised } }
            }
            Action::CancelRun { workflow_job } => self.cancel(*workflow_job, tape),
            Action::Survey if tape.choose(2) == 1 => away(),
            Action::Survey => Outcome::Surveyed { left_behind: vec![] },
        }
    }

    fn write_claim(&mut self, attempt_no: u32, tape: &mut Tape) -> Outcome {
        let fault = tape.choose(5);
        if fault == 3 {
            // Somebody else, or an earlier request for the same name.
            let found = self.claim.map_or(0, |(no, _)| no);
            self.claim = Some((found.max(attempt_no) + 2, None));
        }
        match self.claim {
            _ if fault == 1 => away(),
            Some((found, holder)) if found > attempt_no || (found == attempt_no && holder.is_some()) => {
                Outcome::ClaimAhead { attempt_no: found }
            }
            _ => {
                self.claim = Some((attempt_no, None));
                if fault == 2 { away() } else { Outcome::ClaimWritten { claim_host: 9 } }
            }
        }
    }

    fn launch(&mut self, state: &State, now: Timestamp, tape: &mut Tape) -> Outcome {
        let lost = || Outcome::Launched(LaunchOutcome::Unknown { why: "timeout".into() });
        match tape.choose(9) {
            1 => lost(),
            2 => {
                self.create(state, now, 0);
                lost()
            }
            3 => Outcome::Launched(LaunchOutcome::Refused { violations: vec![Violation::new("", "no", "")] }),
            4 => Outcome::Launched(LaunchOutcome::PutOff { status: 429, detail: String::new() }),
            5 => {
                // Parked in a queue somewhere: it starts long after everybody stopped looking.
                self.create(state, now, 400);
                lost()
            }
            6 => {
                self.create(state, now, 0);
                self.create(state, now, 7);
                lost()
            }
            7 => {
                self.create(state, now, 0);
                away()
            }
            _ => Outcome::Launched(LaunchOutcome::Accepted { workflow_job: self.create(state, now, 0) }),
        }
    }

    fn create(&mut self, state: &State, now: Timestamp, late_secs: i64) -> i64 {
        let intent = state.intent.as_ref().unwrap();
        let id = 20 + i64::try_from(self.runs.len()).unwrap();
        let shown_from = now.checked_add(SignedDuration::from_secs(late_secs)).unwrap();
        self.runs.push(WorldRun {
            id,
            attempt: intent.attempt,
            attempt_no: intent.attempt_no,
            wanted: intent.stages.clone(),
            created: shown_from,
            shown_from,
            status: RunStatus::Pending,
            looks: Vec::new(),
            cancel_asked: false,
            deleted: false,
        });
        id
    }

    fn find(&self, state: &State, now: Timestamp, tape: &mut Tape) -> Outcome {
        let attempt = state.intent.as_ref().map(|intent| intent.attempt);
        let shown = self.runs.iter().filter(|run| run.shown_from <= now && !run.deleted);
        let ours = shown.filter(|run| Some(run.attempt) == attempt);
        let matches: Vec<Match> =
            ours.map(|run| Match { workflow_job: run.id, status: run.status }).collect();
        match tape.choose(4) {
            1 => away(),
            2 => Outcome::Listed(Listing { matches: vec![], is_healthy: false }),
            _ => Outcome::Listed(Listing { matches, is_healthy: true }),
        }
    }

    fn record(&mut self, attempt_no: u32, workflow_job: i64, tape: &mut Tape) -> Outcome {
        match (tape.choose(4), self.claim) {
            (1, _) => away(),
            (fault, Some((no, _))) if no == attempt_no => {
                self.claim = Some((no, Some(workflow_job)));
                if fault == 2 { away() } else { Outcome::HolderRecorded }
            }
            (_, claim) => Outcome::ClaimLost { attempt_no: claim.map_or(0, |(no, _)| no) },
        }
    }

    fn run(&mut self, id: i64) -> Option<&mut WorldRun> {
        self.runs.iter_mut().find(|run| run.id == id && !run.deleted)
    }

    fn read(&mut self, id: i64, tape: &mut Tape) -> Outcome {
        let fault = tape.choose(8);
        match self.run(id) {
            _ if fault == 1 => away(),
            _ if fault == 2 => Outcome::RunMissing,
            Some(run) => {
                run.deleted = fault == 3;
                reading(run.status)
            }
            None => Outcome::RunMissing,
        }
    }

    fn collect(&mut self, id: i64, tape: &mut Tape) -> Outcome {
        let fault = tape.choose(5);
        let Some(run) = self.run(id).filter(|_| fault != 2) else { return Outcome::RunMissing };
        let status = if fault == 3 { RunStatus::Running } else { run.status };
        let nodes = run.looks.iter().map(|(stage, looks)| node(*stage, *looks)).collect();
        if fault == 1 {
            away()
        } else {
            Outcome::Evidence(Evidence { status, explanation: String::new(), nodes })
        }
    }

    fn cancel(&mut self, id: i64, tape: &mut Tape) -> Outcome {
        let fault = tape.choose(5);
        let Some(run) = self.run(id).filter(|_| fault != 2) else { return Outcome::RunMissing };
        if fault == 1 {
            return away();
        }
        if run.status.is_terminal() {
            return Outcome::CancelTooLate;
        }
        run.cancel_asked = fault != 3;
        Outcome::CancelSent
    }

    /// Time passes for the runs.
    pub fn live_on(&mut self, now: Timestamp, tape: &mut Tape) {
        for run in &mut self.runs {
            if run.status.is_terminal() || run.shown_from > now {
                continue;
            }
            if run.cancel_asked {
                run.end(RunStatus::Canceled, Node::NotRun);
                continue;
            }
            let waited = now.duration_since(run.created).as_secs();
            match self.claim {
                Some((no, Some(holder))) if no == run.attempt_no && holder == run.id => {
                    run.works(&mut self.built, tape);
                }
                Some((no, None)) if no == run.attempt_no && waited < 300 => run.status = RunStatus::Running,
                _ => run.end(RunStatus::Failed, Node::Failed),
            }
        }
    }
}

impl WorldRun {
    fn end(&mut self, status: RunStatus, first: Node) {
        let mut looks = first;
        for stage in Stage::DEPLOYMENT.into_iter().skip(self.looks.len()) {
            self.looks.push((stage, looks));
            looks = Node::NotRun;
        }
        self.status = status;
    }

    /// Its next stage.
    fn works(&mut self, built: &mut BTreeSet<Stage>, tape: &mut Tape) {
        self.status = RunStatus::Running;
        let stage = Stage::DEPLOYMENT[self.looks.len()];
        match (self.wanted.contains(&stage), tape.choose(6)) {
            (_, 1) => return self.end(RunStatus::Failed, Node::Failed),
            (_, 2) => return self.end(RunStatus::Successful, Node::Failed),
            (_, 3) => return self.end(RunStatus::Canceled, Node::NotRun),
            (false, _) => self.looks.push((stage, Node::Skipped)),
            (true, fault) => {
                built.insert(stage);
                self.looks.push((stage, if fault == 4 { Node::NoArtifact } else { Node::Done }));
            }
        }
        if self.looks.len() == Stage::DEPLOYMENT.len() {
            self.status = RunStatus::Successful;
        }
    }
}
