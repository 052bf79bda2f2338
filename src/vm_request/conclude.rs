//! What an action's outcome means: the facts to append. Pure, and told against the newest state, because facts may
//! have arrived while the action was under way.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::action::{Action, Evidence, LaunchOutcome, Listing, Outcome, RunReading};
use super::event::{Event, FoundBy, LaunchIntended, RunJudged, RunSeen, Verified};
use super::judge;
use super::next::{after, is_overdue};
use super::policy::Policy;
use super::state::{Phase, Progress, Run, State};

/// The facts that `outcome` of `action` adds to `state`, in order; none when it brought no news or came too late to
/// matter. `action` is what was decided before it was performed; `state` may have moved on since.
#[must_use]
pub fn conclude(
    state: &State,
    action: &Action,
    outcome: Outcome,
    policy: &Policy,
    now: Timestamp,
) -> Vec<Event> {
    match (action, outcome) {
        (_, Outcome::Unavailable { .. } | Outcome::CloneStillRunning { .. }) => Vec::new(),
        (Action::Preflight { attempt_no }, Outcome::Preflight { findings }) => {
            let wanted = matches!(state.phase, Phase::Received | Phase::Launching)
                && state.intent.is_none()
                && *attempt_no == state.next_attempt_no();
            one_if(wanted, || Event::PreflightDone { attempt_no: *attempt_no, findings })
        }
        (Action::IntendLaunch { attempt_no, stages }, Outcome::Intend { attempt }) => {
            let wanted = state.phase == Phase::Launching
                && state.intent.is_none()
                && !state.has_live_run()
                && state.preflight_for == *attempt_no
                && *attempt_no == state.next_attempt_no();
            one_if(wanted, || {
                let stages = stages.clone();
                Event::LaunchIntended(LaunchIntended { attempt_no: *attempt_no, attempt, stages })
            })
        }
        (Action::WriteClaim { attempt_no }, outcome) => claimed(state, *attempt_no, outcome),
        (Action::Launch { attempt_no }, Outcome::Launched(outcome)) => {
            one_if(is_sent(state, *attempt_no), || launched(*attempt_no, outcome))
        }
        (Action::FindRun { attempt_no }, Outcome::Listed(listing)) => {
            if is_sent(state, *attempt_no) {
                listed(state, *attempt_no, &listing, policy, now)
            } else {
                Vec::new()
            }
        }
        (Action::RecordHolder { attempt_no, workflow_job }, outcome) => {
            holder(state, *attempt_no, *workflow_job, outcome)
        }
        (Action::ReadRun { workflow_job }, outcome) => read(state, *workflow_job, outcome),
        (Action::Collect { workflow_job }, outcome) => collected(state, *workflow_job, outcome),
        (Action::Verify, outcome) => verified(state, outcome, policy, now),
        (Action::MarkHost, outcome) => marked(state, outcome),
        (Action::NoteDeadline, Outcome::Noted) => one_if(is_overdue(state, policy, now), || {
            Event::DeadlinePassed { deadline_secs: policy.overall_deadline_secs }
        }),
        // A claim that is ahead already is as good as raised: nothing of this request passes it.
        (
            Action::RaiseClaim { .. },
            Outcome::ClaimRaised { attempt_no } | Outcome::ClaimAhead { attempt_no },
        ) => {
            let wanted = state.phase == Phase::Cancelling && attempt_no > state.attempt_no;
            one_if(wanted, || Event::ClaimRaised { attempt_no })
        }
        (Action::CancelRun { workflow_job }, outcome) => cancel_answered(state, *workflow_job, &outcome),
        (Action::Survey, Outcome::Surveyed { left_behind }) => {
            one_if(state.may_end_cancelled(), || Event::Cancelled { left_behind })
        }
        _ => Vec::new(),
    }
}

fn is_sent(state: &State, attempt_no: u32) -> bool {
    let same = |intent: &&super::state::Intent| intent.attempt_no == attempt_no;
    state.intent.as_ref().filter(same).is_some_and(|intent| intent.progress.is_sent())
}

fn claimed(state: &State, attempt_no: u32, outcome: Outcome) -> Vec<Event> {
    let intended = |intent: &super::state::Intent| {
        intent.attempt_no == attempt_no && intent.progress == Progress::Intended
    };
    if !state.intent.as_ref().is_some_and(intended) {
        return Vec::new();
    }
    match outcome {
        Outcome::ClaimWritten { claim_host } => vec![Event::ClaimWritten { attempt_no, claim_host }],
        Outcome::ClaimAhead { attempt_no: found } if found >= attempt_no => {
            vec![Event::ClaimFoundAhead { attempt_no, found_attempt_no: found }]
        }
        _ => Vec::new(),
    }
}

fn launched(attempt_no: u32, outcome: LaunchOutcome) -> Event {
    match outcome {
        LaunchOutcome::Accepted { workflow_job } => {
            Event::LaunchAccepted { attempt_no, workflow_job, found_by: FoundBy::Answer }
        }
        LaunchOutcome::Refused { violations } => Event::LaunchRefused { attempt_no, violations },
        LaunchOutcome::PutOff { status, detail } => Event::LaunchPutOff { attempt_no, status, detail },
        LaunchOutcome::Unknown { why } => Event::LaunchUnknown { attempt_no, why },
    }
}

/// Found: the lowest live id is kept (else the lowest), the others are surplus. Not found: evidence only when the
/// listing was healthy and the settle time was over before it.
fn listed(state: &State, attempt_no: u32, listing: &Listing, policy: &Policy, now: Timestamp) -> Vec<Event> {
    let lowest = |live: bool| {
        let fits = listing.matches.iter().filter(|found| !live || !found.status.is_terminal());
        fits.map(|found| found.workflow_job).min()
    };
    if let Some(kept) = lowest(true).or_else(|| lowest(false)) {
        let accepted = Event::LaunchAccepted { attempt_no, workflow_job: kept, found_by: FoundBy::Look };
        let others = listing.matches.iter().filter(|found| found.workflow_job != kept);
        let surplus: Vec<i64> = others.map(|found| found.workflow_job).collect();
        return match surplus.is_empty() {
            true => vec![accepted],
            false => vec![accepted, Event::SurplusRuns { attempt_no, kept, surplus }],
        };
    }
    let sent_at = state.intent.as_ref().and_then(|intent| match intent.progress {
        Progress::Sent { at, last_listing_at, .. } => Some((at, last_listing_at)),
        Progress::Intended | Progress::ClaimWritten | Progress::PutOff { .. } => None,
    });
    let counts = sent_at.is_some_and(|(at, listed)| {
        let gap_over = listed.is_none_or(|listed| now >= after(listed, policy.relist_gap_secs));
        now >= after(at, policy.settle_secs) && gap_over
    });
    one_if(counts && listing.is_healthy, || Event::RunNotFound { attempt_no })
}

fn holder(state: &State, attempt_no: u32, workflow_job: i64, outcome: Outcome) -> Vec<Event> {
    if matches!(outcome, Outcome::Run(_) | Outcome::RunMissing) {
        return read(state, workflow_job, outcome);
    }
    let undecided = |run: &&Run| {
        let same = run.attempt_no == attempt_no && run.workflow_job == workflow_job;
        same && !run.holder_recorded && !run.claim_lost
    };
    if state.followed_run().filter(undecided).is_none() {
        return Vec::new();
    }
    match outcome {
        Outcome::HolderRecorded => vec![Event::HolderRecorded { attempt_no, workflow_job }],
        Outcome::ClaimLost { attempt_no: found } if state.intent.is_none() => {
            vec![Event::ClaimFoundAhead { attempt_no, found_attempt_no: found }]
        }
        _ => Vec::new(),
    }
}

fn cancel_answered(state: &State, workflow_job: i64, outcome: &Outcome) -> Vec<Event> {
    let is_surplus = state.run.as_ref().is_some_and(|run| run.surplus.contains(&workflow_job));
    match outcome {
        Outcome::CancelSent | Outcome::CancelTooLate => {
            let wanted = state.phase == Phase::Cancelling || is_surplus;
            one_if(wanted, || Event::CancelSent { workflow_job })
        }
        Outcome::RunMissing if is_surplus => vec![Event::CancelSent { workflow_job }],
        Outcome::RunMissing => missing(state, workflow_job),
        _ => Vec::new(),
    }
}

/// The controller shows no such run: it vanished, unless that is known.
fn missing(state: &State, workflow_job: i64) -> Vec<Event> {
    let wanted = state.followed_run().is_some_and(|run| run.workflow_job == workflow_job && !run.vanished);
    one_if(wanted, || Event::RunVanished { workflow_job })
}

fn read(state: &State, workflow_job: i64, outcome: Outcome) -> Vec<Event> {
    let Some(run) = state.followed_run().filter(|run| run.workflow_job == workflow_job) else {
        return Vec::new();
    };
    match outcome {
        Outcome::RunMissing => missing(state, workflow_job),
        Outcome::Run(reading) => one_if(is_news(run, &reading), || {
            let RunReading { status, stages, explanation } = reading;
            Event::RunSeen(RunSeen { workflow_job, status, stages, explanation })
        }),
        _ => Vec::new(),
    }
}

fn is_news(run: &Run, reading: &RunReading) -> bool {
    run.vanished
        || run.status != reading.status
        || run.explanation != reading.explanation
        || reading.stages.iter().any(|(stage, status)| run.stages.get(stage) != Some(status))
}

fn collected(state: &State, workflow_job: i64, outcome: Outcome) -> Vec<Event> {
    let Some(run) = state.followed_run().filter(|run| run.workflow_job == workflow_job) else {
        return Vec::new();
    };
    match outcome {
        Outcome::RunMissing => missing(state, workflow_job),
        Outcome::Evidence(evidence) if evidence.status.is_terminal() => {
            let stages = judge::stages(&state.id, run, &evidence);
            let Evidence { status, explanation, .. } = evidence;
            let attempt_no = run.attempt_no;
            vec![Event::RunJudged(RunJudged { workflow_job, attempt_no, status, stages, explanation })]
        }
        // Not over after all: back to reading it, or the same collection would be tried for ever.
        Outcome::Evidence(evidence) => {
            let Evidence { status, explanation, .. } = evidence;
            let seen = RunSeen { workflow_job, status, stages: BTreeMap::new(), explanation };
            one_if(run.status != status, || Event::RunSeen(seen))
        }
        _ => Vec::new(),
    }
}

fn verified(state: &State, outcome: Outcome, policy: &Policy, now: Timestamp) -> Vec<Event> {
    if state.phase != Phase::Verifying {
        return Vec::new();
    }
    match outcome {
        Outcome::AsAsked { vm, host } => vec![Event::Verified(Box::new(Verified { vm: *vm, host, at: now }))],
        Outcome::Differs { differences } => {
            let since = state.verifying_since.unwrap_or(state.updated_at);
            one_if(now >= after(since, policy.verify_deadline_secs), || Event::NotAsAsked { differences })
        }
        _ => Vec::new(),
    }
}

fn marked(state: &State, outcome: Outcome) -> Vec<Event> {
    let wanted = state.phase == Phase::Done && state.host_mark == super::state::HostMark::Missing;
    match outcome {
        Outcome::HostMarked { host } => one_if(wanted, || Event::HostMarked { host }),
        Outcome::HostMarkRefused { why } => one_if(wanted, || Event::HostMarkRefused { why }),
        _ => Vec::new(),
    }
}

fn one_if(wanted: bool, event: impl FnOnce() -> Event) -> Vec<Event> {
    if wanted { vec![event()] } else { Vec::new() }
}
