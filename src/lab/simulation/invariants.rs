//! What must hold; see the list in the module above.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::life::Life;
use super::sights;
use crate::lab::controller::model::{Id, LaunchType};
use crate::vm_request::event::{Event, RunJudged, RunStatus, Verified};
use crate::vm_request::next::{Attention, Next, next};
use crate::vm_request::sighting::VmSighting;
use crate::vm_request::stage::{StageRecord, Verdict};
use crate::vm_request::{Phase, State};

/// A rule that a life must not break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    BuiltTwice,
    TwoActed,
    UnrecordedActed,
    Lost,
    Hung,
    DoneNotShown,
    AppearedLater,
    NotCalm,
    ClaimWentBack,
    ReplayDiffers,
    BlindRelaunch,
    Illegal,
}

impl Life {
    /// After each instant: which runs appeared, who may act, how many VMs there are.
    pub(super) fn look_at_runs(&mut self) {
        let mut acting: BTreeMap<&str, Id> = BTreeMap::new();
        let mut found = None;
        for (run, stage) in self.world.acting_runs() {
            if !self.traces.holders.contains(&run) {
                let told = format!("run {run} is at {stage} and stands in no claim");
                found = found.or(Some((Invariant::UnrecordedActed, told)));
            }
            let row = self.world.controller.workflow_job(run);
            let execution = row.and_then(|row| row.extra_vars.get("execution_id")).and_then(Value::as_str);
            let other = acting.insert(execution.unwrap_or_default(), run);
            if let Some(other) = other.filter(|other| *other != run) {
                let told = format!("runs {other} and {run} may both change something");
                found = found.or(Some((Invariant::TwoActed, told)));
            }
        }
        for record in &self.records {
            let built = self.world.vsphere.clones_of_uid(&record.vm_uid);
            if built > 1 {
                found = Some((Invariant::BuiltTwice, format!("{built} VMs were created for {}", record.id)));
            }
        }
        for run in self.world.controller.workflow_jobs_after(0) {
            self.appeared.entry(run.id).or_insert(self.now);
        }
        if let Some((invariant, told)) = found {
            self.broke(invariant, || told);
        }
    }

    /// Before a launch: no run of an attempt that was given up as lost was there to be seen.
    pub(super) fn check_launch(&mut self, at: usize) {
        let record = &self.records[at];
        let (mut lost, mut sent_at) = (Vec::new(), BTreeMap::new());
        for (when, event) in &record.events {
            match event {
                Event::LaunchIntended(intended) => lost.push((intended.attempt_no, intended.attempt)),
                Event::LaunchSent { attempt_no } => {
                    sent_at.insert(*attempt_no, *when);
                }
                Event::LaunchAccepted { attempt_no, .. } => lost.retain(|(number, _)| number != attempt_no),
                _ => {}
            }
        }
        let current = record.durable.attempt_no;
        for (number, attempt) in lost.into_iter().filter(|(number, _)| *number != current) {
            let Some(sent) = sent_at.get(&number) else { continue };
            let looked = record.looked_at.get(&number).filter(|looked| *looked > sent);
            let attempt = attempt.to_string();
            let seen = self.world.controller.workflow_jobs_after(0).find(|run| {
                let appeared = self.appeared.get(&run.id).copied().unwrap_or(self.now);
                let is_attempt =
                    run.extra_vars.get("causeway_attempt").and_then(Value::as_str) == Some(&attempt);
                is_attempt
                    && run.launch_type != LaunchType::Relaunch
                    && looked.is_none_or(|looked| appeared < *looked)
            });
            if let Some(run) = seen.map(|run| run.id) {
                return self
                    .broke(Invariant::BlindRelaunch, || format!("run {run} of attempt {number} was there"));
            }
        }
    }

    pub(super) fn check_claim(&mut self) {
        if let Some(told) = self.traces.claim_went_back.take() {
            self.broke(Invariant::ClaimWentBack, || told);
        }
    }

    /// When a request ends: what is there.
    pub(super) fn note_end(&mut self, at: usize) {
        let record = &self.records[at];
        let phase = record.durable.phase;
        let built = sights::built_for(&self.world.vsphere, &record.vm_uid);
        let missing = (phase == Phase::Done)
            .then(|| sights::not_shown(&self.world.vsphere, &record.plan.spec, &record.vm_uid))
            .flatten();
        self.records[at].ended = Some((phase, built));
        if let Some(field) = missing {
            self.broke(Invariant::DoneNotShown, || format!("done, and vCenter does not show it: {field}"));
        }
    }

    pub(super) fn check_replay(&mut self, at: usize) {
        let record = &self.records[at];
        match record.replayed() {
            Ok(state) if state == record.durable => {}
            Ok(_) => self.broke(Invariant::ReplayDiffers, || "the fold differs from the state".to_owned()),
            Err(illegal) => self.broke(Invariant::ReplayDiffers, || illegal.to_string()),
        }
    }

    /// A request that no restart takes up has nothing to do.
    pub(super) fn check_rest(&mut self, at: usize) {
        let record = &self.records[at];
        let next = next(&record.durable, &Attention::default(), &self.plan.policy, self.now);
        if next != Next::Rest {
            let phase = record.durable.phase.name();
            self.broke(Invariant::Hung, || format!("{phase} is not active and has to do: {next:?}"));
        }
    }

    /// At the end of a life, when all is quiet.
    pub(super) fn check_end(&mut self) {
        for at in 0..self.records.len() {
            self.check_replay(at);
            if self.steps.is_multiple_of(8) {
                self.check_json(at);
            }
            if self.records[at].turn.is_none() {
                self.check_rest(at);
            }
            self.check_ended(at);
        }
        if self.plan.is_calm() {
            self.check_calm();
        }
    }

    fn check_json(&mut self, at: usize) {
        let record = &self.records[at];
        let again = record.events.iter().map(|(at, event)| {
            let text = serde_json::to_string(event).ok()?;
            Some((*at, serde_json::from_str::<Event>(&text).ok()?))
        });
        let again: Option<Vec<(Timestamp, Event)>> = again.collect();
        if again.as_ref() != Some(&record.events) {
            self.broke(Invariant::ReplayDiffers, || "an event changes on its way through JSON".to_owned());
        }
    }

    fn check_ended(&mut self, at: usize) {
        let record = &self.records[at];
        let state = &record.durable;
        let built = sights::built_for(&self.world.vsphere, &record.vm_uid);
        let broken = match state.phase {
            Phase::Held if state.hold.is_none() => Some((Invariant::Lost, "held without a cause".to_owned())),
            Phase::Held if state.operator_actions().is_empty() => {
                Some((Invariant::Lost, "held, and nobody can do anything".to_owned()))
            }
            Phase::Cancelled => {
                let named = state.left_behind.iter().map(|vm| vm.moid.clone()).collect();
                let strangers = built.symmetric_difference(&named).next().is_some();
                let differs = strangers && !built.is_subset(&named);
                differs.then(|| {
                    (Invariant::AppearedLater, format!("left behind {named:?}, there are {built:?}"))
                })
            }
            Phase::Failed => {
                let then = record.ended.as_ref().map(|(_, then)| then.clone()).unwrap_or_default();
                (then != built)
                    .then(|| (Invariant::AppearedLater, format!("at its end {then:?}, later {built:?}")))
            }
            Phase::Held | Phase::Done => None,
            Phase::Received
            | Phase::AwaitingApproval
            | Phase::Launching
            | Phase::Running
            | Phase::Verifying
            | Phase::Cancelling => Some((Invariant::Lost, format!("it ended as {}", state.phase.name()))),
        };
        if let Some((invariant, told)) = broken {
            self.broke(invariant, || told);
        }
    }

    fn check_calm(&mut self) {
        for at in 0..self.records.len() {
            let record = &self.records[at];
            let runs = self.world.runs_of(record.id.as_str()).len();
            if record.durable.phase != Phase::Done || runs != 1 {
                let told =
                    format!("{} with {runs} runs: {:?}", record.durable.phase.name(), record.durable.hold);
                self.broke(Invariant::NotCalm, || told);
            }
        }
    }
}

/// The events of a bridge that takes a status for the truth (the sabotages).
pub(super) fn forged_end(state: &State, status: RunStatus, now: Timestamp) -> Vec<Event> {
    let Some(run) = state.run.as_ref().filter(|_| state.phase == Phase::Running) else { return Vec::new() };
    let verdict = if status == RunStatus::Successful { Verdict::Done } else { Verdict::Failed };
    let record =
        StageRecord { verdict, reason: None, job: None, attempt_no: run.attempt_no, note: String::new() };
    let stages = run.wanted.iter().map(|stage| (*stage, record.clone())).collect();
    let (workflow_job, attempt_no) = (run.workflow_job, run.attempt_no);
    let explanation = String::new();
    let judged = Event::RunJudged(RunJudged { workflow_job, attempt_no, status, stages, explanation });
    if status != RunStatus::Successful {
        return vec![judged];
    }
    let name = state.received().map(|received| received.spec.vm_name.clone()).unwrap_or_default();
    let vm = VmSighting {
        seen_at: now,
        moid: "vm-0".to_owned(),
        instance_uuid: None,
        bios_uuid: None,
        vm_uid: None,
        name,
        is_template: false,
        folder: String::new(),
        datacenter: None,
        cluster: None,
        host: None,
        cpu: None,
        memory_mib: None,
        power: None,
        datastores: Vec::new(),
        nics: Vec::new(),
        disks: Vec::new(),
        ip_address: None,
        guest_hostname: None,
        firmware: None,
        connection: None,
        snapshots: Vec::new(),
        custom_values: std::collections::BTreeMap::new(),
    };
    vec![judged, Event::Verified(Box::new(Verified { vm, host: 1, at: now }))]
}
