//! What the events of an attempt do, from the written claim to the accepted run.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::super::event::{Event, RunStatus};
use super::super::hold::Hold;
use super::apply::{Step, ensure};
use super::{EMPTY_LISTINGS_UNTIL_LOST, Phase, Progress, Run, State};

impl State {
    pub(super) fn attempt_advanced(&mut self, at: Timestamp, event: &Event) -> Step {
        if let (Event::ClaimFoundAhead { attempt_no, found_attempt_no }, None) = (event, &self.intent) {
            return self.claim_lost(*attempt_no, *found_attempt_no);
        }
        let phase = self.phase;
        let intent = self.intent.as_mut().ok_or("no attempt is under way")?;
        let of_attempt = |no: u32| ensure(no == intent.attempt_no, "it is about another attempt");
        match event {
            Event::ClaimWritten { attempt_no, claim_host } => {
                of_attempt(*attempt_no)?;
                ensure(intent.progress == Progress::Intended, "the claim was written before")?;
                intent.progress = Progress::ClaimWritten;
                self.claim_host = Some(*claim_host);
            }
            Event::ClaimFoundAhead { attempt_no, found_attempt_no } => {
                of_attempt(*attempt_no)?;
                ensure(intent.progress == Progress::Intended, "the claim was written before")?;
                ensure(*found_attempt_no >= *attempt_no, "the claim is not ahead")?;
                self.attempt_no = self.attempt_no.max(*found_attempt_no);
                self.intent = None;
            }
            Event::LaunchSent { attempt_no } => {
                of_attempt(*attempt_no)?;
                ensure(phase == Phase::Launching, "nothing may be launched now")?;
                let put_off_times = match intent.progress {
                    Progress::ClaimWritten => 0,
                    Progress::PutOff { times, .. } => times,
                    Progress::Intended | Progress::Sent { .. } => {
                        return Err("its claim must stand first, once");
                    }
                };
                intent.progress =
                    Progress::Sent { at, empty_listings: 0, last_listing_at: None, put_off_times };
                self.launched_at.get_or_insert(at);
            }
            Event::LaunchAccepted { attempt_no, workflow_job, .. } => {
                of_attempt(*attempt_no)?;
                self.accepted(at, *workflow_job)?;
            }
            Event::LaunchRefused { attempt_no, violations } => {
                of_attempt(*attempt_no)?;
                ensure(intent.progress.is_sent(), "nothing was sent")?;
                self.intent = None;
                if self.phase != Phase::Cancelling {
                    self.hold(Hold::LaunchRefused { violations: violations.clone() });
                }
            }
            Event::LaunchPutOff { attempt_no, .. } => {
                of_attempt(*attempt_no)?;
                let Progress::Sent { put_off_times, .. } = intent.progress else {
                    return Err("nothing was sent");
                };
                intent.progress = Progress::PutOff { at, times: put_off_times.saturating_add(1) };
                self.launched_at = None;
            }
            Event::LaunchUnknown { attempt_no, .. } => {
                of_attempt(*attempt_no)?;
                ensure(intent.progress.is_sent(), "nothing was sent")?;
            }
            Event::RunNotFound { attempt_no } => {
                of_attempt(*attempt_no)?;
                self.run_not_found(at)?;
            }
            _ => return Err("it is not about an attempt"),
        }
        Ok(())
    }

    /// The claim went to somebody else after the launch: the run will stop by itself and is only watched.
    fn claim_lost(&mut self, attempt_no: u32, found_attempt_no: u32) -> Step {
        ensure(self.followed_run().is_some(), "no attempt is under way")?;
        let run = self.run.as_mut().ok_or("no run is known")?;
        ensure(run.attempt_no == attempt_no, "it is about another attempt")?;
        ensure(!run.holder_recorded && !run.claim_lost, "the claim was settled before")?;
        run.claim_lost = true;
        self.attempt_no = self.attempt_no.max(found_attempt_no);
        Ok(())
    }

    fn accepted(&mut self, at: Timestamp, workflow_job: i64) -> Step {
        let sent = self.intent.as_ref().is_some_and(|intent| intent.progress.is_sent());
        ensure(sent, "nothing was sent")?;
        let Some(intent) = self.intent.take() else { return Err("no attempt is under way") };
        self.run = Some(Run {
            workflow_job,
            attempt_no: intent.attempt_no,
            attempt: intent.attempt,
            wanted: intent.stages,
            accepted_at: at,
            holder_recorded: false,
            claim_lost: false,
            status: RunStatus::Pending,
            stages: BTreeMap::new(),
            explanation: String::new(),
            judged: false,
            vanished: false,
            surplus: Vec::new(),
        });
        if self.phase == Phase::Launching {
            self.phase = Phase::Running;
        }
        Ok(())
    }

    fn run_not_found(&mut self, at: Timestamp) -> Step {
        let Some(intent) = self.intent.as_mut() else { return Err("no attempt is under way") };
        let Progress::Sent { empty_listings, last_listing_at, .. } = &mut intent.progress else {
            return Err("nothing was sent");
        };
        *empty_listings += 1;
        *last_listing_at = Some(at);
        if *empty_listings >= EMPTY_LISTINGS_UNTIL_LOST {
            self.intent = None;
        }
        Ok(())
    }
}
