//! [`State::apply`]: one table of what each event does, and in which phases it is possible.

use jiff::Timestamp;

use super::super::event::{ByPerson, Event, LaunchIntended, Received};
use super::super::hold::{Finding, Hold};
use super::super::ids::RequestId;
use super::super::watch::Watch;
use super::{Cancel, HostMark, IllegalEvent, Intent, Origin, Phase, Progress, State};

/// What a step may find wrong; [`State::apply`] adds the event and the phase.
pub(super) type Step = Result<(), &'static str>;

impl State {
    /// The state after the first event of a request.
    ///
    /// # Errors
    /// [`IllegalEvent`] when `event` is not a beginning.
    pub fn begin(id: RequestId, at: Timestamp, event: &Event) -> Result<Self, IllegalEvent> {
        let (phase, origin) = match event {
            Event::Received(received) => (first_phase(received), Origin::Received(received.clone())),
            Event::Rejected(rejected) => (Phase::Failed, Origin::Rejected(rejected.clone())),
            Event::Adopted(adopted) => (Phase::Done, Origin::Adopted(adopted.clone())),
            other => {
                let why = "a request begins with received, rejected or adopted";
                return Err(IllegalEvent { event: other.kind(), phase: "none", why });
            }
        };
        // Nothing of an adopted VM is the bridge's own: its host is not marked.
        let (vm, host_mark) = match event {
            Event::Adopted(adopted) => (Some(adopted.vm.clone()), HostMark::Refused),
            _ => (None, HostMark::Missing),
        };
        Ok(Self {
            id,
            seq: 1,
            phase,
            origin,
            created_at: at,
            updated_at: at,
            launched_at: None,
            attempt_no: 0,
            preflight_for: 0,
            intent: None,
            run: None,
            stages: std::collections::BTreeMap::new(),
            verifying_since: None,
            hold: None,
            cancel: None,
            claim_host: None,
            vm,
            host: None,
            host_mark,
            callbacks: 0,
            left_behind: Vec::new(),
            watch: Watch::default(),
        })
    }

    /// Applies one event. The only function that changes a state.
    ///
    /// # Errors
    /// [`IllegalEvent`] when the event cannot follow; the state is unchanged then.
    pub fn apply(&mut self, at: Timestamp, event: &Event) -> Result<(), IllegalEvent> {
        let phase = self.phase;
        self.step(at, event).map_err(|why| IllegalEvent { event: event.kind(), phase: phase.name(), why })?;
        self.seq += 1;
        self.updated_at = at;
        Ok(())
    }

    fn step(&mut self, at: Timestamp, event: &Event) -> Step {
        match event {
            Event::Received(_) | Event::Rejected(_) | Event::Adopted(_) => {
                Err("only the first event says so")
            }
            Event::Approved(_) | Event::Denied(_) => self.decided(event),
            Event::PreflightDone { attempt_no, findings } => self.preflight_done(*attempt_no, findings),
            Event::LaunchIntended(intended) => self.intended(at, intended),
            Event::ClaimWritten { .. }
            | Event::ClaimFoundAhead { .. }
            | Event::LaunchSent { .. }
            | Event::LaunchAccepted { .. }
            | Event::LaunchRefused { .. }
            | Event::LaunchPutOff { .. }
            | Event::LaunchUnknown { .. }
            | Event::RunNotFound { .. } => self.attempt_advanced(at, event),
            Event::HolderRecorded { .. }
            | Event::SurplusRuns { .. }
            | Event::RunSeen(_)
            | Event::RunJudged(_)
            | Event::RunVanished { .. } => self.run_advanced(at, event),
            Event::CallbackSeen(_) => {
                self.callbacks = self.callbacks.saturating_add(1);
                Ok(())
            }
            Event::Verified(_)
            | Event::NotAsAsked { .. }
            | Event::HostMarked { .. }
            | Event::HostMarkRefused { .. } => self.verified(event),
            Event::DeadlinePassed { deadline_secs } => self.deadline_passed(*deadline_secs),
            Event::RetryAsked(_) | Event::VerifyAsked(_) | Event::GivenUp(_) => self.held_on(at, event),
            Event::CancelAsked(by) => self.cancel_asked(by),
            Event::ClaimRaised { .. } | Event::CancelSent { .. } | Event::Cancelled { .. } => {
                self.cancelling(at, event)
            }
            Event::DriftFound(_)
            | Event::DriftCleared { .. }
            | Event::DriftAccepted(_)
            | Event::DriftIgnored(_)
            | Event::DriftRepairAsked { .. }
            | Event::DriftHandled { .. }
            | Event::WatchPaused(_)
            | Event::WatchResumed(_)
            | Event::LeaseSet(_) => {
                ensure(self.is_watched(), "its VM is not under watch")?;
                self.watch.apply(at, event)
            }
        }
    }

    fn decided(&mut self, event: &Event) -> Step {
        ensure(self.phase == Phase::AwaitingApproval, "it does not wait for approval")?;
        self.phase = if matches!(event, Event::Approved(_)) { Phase::Received } else { Phase::Failed };
        Ok(())
    }

    fn preflight_done(&mut self, attempt_no: u32, findings: &[Finding]) -> Step {
        ensure(matches!(self.phase, Phase::Received | Phase::Launching), "nothing is about to be launched")?;
        ensure(self.intent.is_none(), "an attempt is under way")?;
        ensure(attempt_no == self.next_attempt_no(), "the preflight is for another attempt")?;
        if findings.is_empty() {
            self.preflight_for = attempt_no;
            self.phase = Phase::Launching;
        } else {
            self.hold(Hold::Preflight { findings: findings.to_vec() });
        }
        Ok(())
    }

    fn intended(&mut self, at: Timestamp, intended: &LaunchIntended) -> Step {
        ensure(self.phase == Phase::Launching, "nothing is about to be launched")?;
        ensure(!self.has_live_run() && self.intent.is_none(), "a run or an attempt is under way")?;
        ensure(intended.attempt_no == self.next_attempt_no(), "the attempt number must rise by one")?;
        ensure(self.preflight_for == intended.attempt_no, "its preflight is missing")?;
        self.attempt_no = intended.attempt_no;
        self.intent = Some(Intent {
            attempt_no: intended.attempt_no,
            attempt: intended.attempt,
            stages: intended.stages.clone(),
            intended_at: at,
            progress: Progress::Intended,
        });
        Ok(())
    }

    fn verified(&mut self, event: &Event) -> Step {
        match event {
            Event::Verified(verified) => {
                ensure(self.phase == Phase::Verifying, "it is not being verified")?;
                self.vm = Some(verified.vm.clone());
                self.host = Some(verified.host);
                self.hold = None;
                self.phase = Phase::Done;
            }
            Event::NotAsAsked { differences } => {
                ensure(self.phase == Phase::Verifying, "it is not being verified")?;
                self.hold(Hold::NotAsAsked { differences: differences.clone() });
            }
            Event::HostMarked { .. } => {
                ensure(self.phase == Phase::Done, "only a verified VM's host is marked")?;
                self.host_mark = HostMark::Written;
            }
            Event::HostMarkRefused { .. } => {
                ensure(self.phase == Phase::Done, "only a verified VM's host is marked")?;
                self.host_mark = HostMark::Refused;
            }
            _ => return Err("it is not about a verification"),
        }
        Ok(())
    }

    fn deadline_passed(&mut self, deadline_secs: u64) -> Step {
        let counted = matches!(self.phase, Phase::Launching | Phase::Running);
        ensure(counted, "no deadline counts in this phase")?;
        self.hold(Hold::Overdue { deadline_secs });
        Ok(())
    }

    fn held_on(&mut self, at: Timestamp, event: &Event) -> Step {
        ensure(self.phase == Phase::Held, "it is not held")?;
        ensure(!self.has_live_run(), "a run is still under way")?;
        let nothing_built = matches!(event, Event::VerifyAsked(_)) && self.run.is_none();
        ensure(!nothing_built, "nothing was built yet")?;
        self.intent = None;
        let hold = self.hold.take();
        match event {
            Event::RetryAsked(_) => {
                if matches!(hold, Some(Hold::NotAsAsked { .. })) {
                    // vCenter contradicts the verdicts: with them kept, the next attempt would have nothing to run.
                    self.stages.clear();
                }
                self.launched_at = None;
                self.phase = Phase::Launching;
            }
            Event::VerifyAsked(_) => {
                self.verifying_since = Some(at);
                self.phase = Phase::Verifying;
            }
            _ => self.phase = Phase::Failed,
        }
        Ok(())
    }

    fn cancel_asked(&mut self, by: &ByPerson) -> Step {
        ensure(!self.phase.is_over() && self.phase != Phase::Cancelling, "it is over, or being cancelled")?;
        self.phase = Phase::Cancelling;
        self.hold = None;
        self.cancel = Some(Cancel { by: by.by.clone(), ..Cancel::default() });
        Ok(())
    }

    fn cancelling(&mut self, at: Timestamp, event: &Event) -> Step {
        if let (Event::CancelSent { workflow_job }, Some(run)) = (event, self.run.as_mut())
            && run.surplus.contains(workflow_job)
        {
            run.surplus.retain(|id| id != workflow_job);
            return Ok(());
        }
        ensure(self.phase == Phase::Cancelling, "it is not being cancelled")?;
        let may_end = self.may_end_cancelled();
        let cancel = self.cancel.as_mut().ok_or("nobody asked for it")?;
        match event {
            Event::ClaimRaised { attempt_no } => {
                ensure(*attempt_no > self.attempt_no, "the number must rise")?;
                self.attempt_no = *attempt_no;
                cancel.claim_raised = true;
            }
            Event::CancelSent { workflow_job } => cancel.sent = Some((*workflow_job, at)),
            Event::Cancelled { left_behind } => {
                ensure(may_end, "a run may still change something")?;
                self.left_behind.clone_from(left_behind);
                self.intent = None;
                self.phase = Phase::Cancelled;
            }
            _ => return Err("it is not about a cancellation"),
        }
        Ok(())
    }

    pub(super) fn hold(&mut self, hold: Hold) {
        self.hold = Some(hold);
        self.phase = Phase::Held;
    }
}

fn first_phase(received: &Received) -> Phase {
    if received.approval_required { Phase::AwaitingApproval } else { Phase::Received }
}

/// An illegal step unless `holds`.
pub(super) const fn ensure(holds: bool, why: &'static str) -> Step {
    if holds { Ok(()) } else { Err(why) }
}
