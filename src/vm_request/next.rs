//! What to do next for a request: one pure function of its state, of what this process remembers of its last
//! tries, and of the time.

use jiff::{SignedDuration, Timestamp};

use super::action::Action;
use super::hold::Hold;
use super::policy::Policy;
use super::state::{Cancel, HostMark, Intent, Phase, Progress, Run, State};

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Do this now.
    Do(Action),
    /// Nothing before this time, unless something wakes the request.
    WaitUntil(Timestamp, Why),
    /// Nothing until something new is known.
    Rest,
}

/// Why a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The next reading of its run.
    Poll,
    /// The next look for a run whose launch went unanswered.
    Look,
    /// The controller would not take the launch.
    PutOff,
    /// The next comparison with vCenter and the inventory.
    Verify,
    /// The cancelled run to end.
    Cancel,
}

impl Why {
    /// The reason's one name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Look => "look",
            Self::PutOff => "put_off",
            Self::Verify => "verify",
            Self::Cancel => "cancel",
        }
    }
}

/// What this process remembers of a request and the journal does not hold. Losing it (a restart) costs one read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attention {
    /// When run, listing or verification were last read without news.
    pub last_read_at: Option<Timestamp>,
    /// Something said that there may be news: read now.
    pub nudged: bool,
}

/// Says what to do next.
#[must_use]
pub fn next(state: &State, attention: &Attention, policy: &Policy, now: Timestamp) -> Next {
    if is_overdue(state, policy, now) {
        return Next::Do(Action::NoteDeadline);
    }
    match state.phase {
        Phase::AwaitingApproval | Phase::Cancelled | Phase::Failed => Next::Rest,
        Phase::Received | Phase::Launching => launching(state, attention, policy, now),
        Phase::Running => {
            let every = policy.poll_interval_secs;
            state.run.as_ref().map_or(Next::Rest, |run| follow(run, attention, every, now))
        }
        Phase::Verifying => verifying(state, attention, policy, now),
        Phase::Done if state.host_mark == HostMark::Missing => Next::Do(Action::MarkHost),
        Phase::Done => Next::Rest,
        Phase::Held => held(state, attention, policy, now),
        Phase::Cancelling => cancelling(state, attention, policy, now),
    }
}

pub(super) fn is_overdue(state: &State, policy: &Policy, now: Timestamp) -> bool {
    let counted = matches!(state.phase, Phase::Launching | Phase::Running);
    counted && state.launched_at.is_some_and(|at| now >= after(at, policy.overall_deadline_secs))
}

fn launching(state: &State, attention: &Attention, policy: &Policy, now: Timestamp) -> Next {
    let attempt_no = state.next_attempt_no();
    match &state.intent {
        None if state.preflight_for < attempt_no => Next::Do(Action::Preflight { attempt_no }),
        None => Next::Do(Action::IntendLaunch { attempt_no, stages: state.unfinished_stages() }),
        Some(intent) => advance(intent, attention, policy, now),
    }
}

fn advance(intent: &Intent, attention: &Attention, policy: &Policy, now: Timestamp) -> Next {
    let attempt_no = intent.attempt_no;
    match intent.progress {
        Progress::Intended => Next::Do(Action::WriteClaim { attempt_no }),
        Progress::ClaimWritten => Next::Do(Action::Launch { attempt_no }),
        Progress::PutOff { at, times } => {
            let due = after(at, put_off_secs(policy, times));
            if now >= due {
                Next::Do(Action::Launch { attempt_no })
            } else {
                Next::WaitUntil(due, Why::PutOff)
            }
        }
        Progress::Sent { at, last_listing_at, .. } => {
            let due = look_due(at, last_listing_at, attention, policy);
            if now >= due || attention.nudged {
                Next::Do(Action::FindRun { attempt_no })
            } else {
                Next::WaitUntil(due, Why::Look)
            }
        }
    }
}

/// The first look is at once; looks without news follow at intervals; what counts as evidence of absence comes after
/// the settle time, at least a gap apart.
fn look_due(
    sent_at: Timestamp,
    last_listing_at: Option<Timestamp>,
    attention: &Attention,
    policy: &Policy,
) -> Timestamp {
    let settled = after(sent_at, policy.settle_secs);
    match (last_listing_at, attention.last_read_at) {
        (Some(listed), read) => {
            // A listing after the first that counted may have failed or been unhealthy: it is repeated, not hammered.
            let tried = read.map_or(listed, |read| after(read, policy.look_interval_secs));
            after(listed, policy.relist_gap_secs).max(settled).max(tried)
        }
        (None, Some(read)) => {
            let step = after(read, policy.look_interval_secs);
            if read < settled { step.min(settled) } else { step }
        }
        (None, None) => sent_at,
    }
}

fn put_off_secs(policy: &Policy, times: u32) -> u64 {
    let doubled = 1u64.checked_shl(times.saturating_sub(1)).unwrap_or(u64::MAX);
    policy.put_off_first_secs.saturating_mul(doubled).min(policy.put_off_longest_secs)
}

/// Records the run in the claim, reads it when it is due, and cancels surplus runs in between: they are harmless, so
/// that one that cannot be cancelled may not keep the run from being read.
fn follow(run: &Run, attention: &Attention, interval_secs: u64, now: Timestamp) -> Next {
    if !run.holder_recorded && !run.claim_lost && !run.status.is_terminal() {
        return Next::Do(Action::RecordHolder { attempt_no: run.attempt_no, workflow_job: run.workflow_job });
    }
    or_surplus(run, watch(run, attention, interval_secs, Why::Poll, now))
}

/// The cancellation of a surplus run, where there is one and nothing else is to be done.
fn or_surplus(run: &Run, next: Next) -> Next {
    match (next, run.surplus.first()) {
        (Next::WaitUntil(..) | Next::Rest, Some(surplus)) => {
            Next::Do(Action::CancelRun { workflow_job: *surplus })
        }
        (next, _) => next,
    }
}

/// Reads a run that is under way when it is due, and collects one that is over.
fn watch(run: &Run, attention: &Attention, interval_secs: u64, why: Why, now: Timestamp) -> Next {
    let workflow_job = run.workflow_job;
    if run.status.is_terminal() {
        return if run.judged { Next::Rest } else { Next::Do(Action::Collect { workflow_job }) };
    }
    let due = next_tick(attention.last_read_at.unwrap_or(run.accepted_at), interval_secs);
    if now >= due || attention.nudged {
        Next::Do(Action::ReadRun { workflow_job })
    } else {
        Next::WaitUntil(due, why)
    }
}

/// The next multiple of `interval_secs` after `last`. Every open run is due at the same instants, so that one request
/// reads up to 200 of them.
fn next_tick(last: Timestamp, interval_secs: u64) -> Timestamp {
    let step = i64::try_from(interval_secs.max(1)).unwrap_or(i64::MAX);
    let ticks = last.as_second().div_euclid(step);
    Timestamp::from_second(ticks.saturating_add(1).saturating_mul(step)).unwrap_or(Timestamp::MAX)
}

fn verifying(state: &State, attention: &Attention, policy: &Policy, now: Timestamp) -> Next {
    match attention.last_read_at {
        Some(read) if !attention.nudged => {
            let due = after(read, policy.verify_interval_secs);
            if now >= due { Next::Do(Action::Verify) } else { Next::WaitUntil(due, Why::Verify) }
        }
        _ if state.received().is_some() => Next::Do(Action::Verify),
        _ => Next::Rest,
    }
}

fn held(state: &State, attention: &Attention, policy: &Policy, now: Timestamp) -> Next {
    if !matches!(state.hold, Some(Hold::Overdue { .. })) {
        return Next::Rest;
    }
    if let Some(intent) = state.intent.as_ref().filter(|intent| intent.progress.is_sent()) {
        return advance(intent, attention, policy, now);
    }
    match &state.run {
        Some(run) if run.is_live() => follow(run, attention, policy.watch_interval_secs, now),
        _ => Next::Rest,
    }
}

fn cancelling(state: &State, attention: &Attention, policy: &Policy, now: Timestamp) -> Next {
    let Some(cancel) = &state.cancel else { return Next::Rest };
    if state.attempt_no == 0 {
        return Next::Do(Action::Survey);
    }
    if !cancel.claim_raised {
        return Next::Do(Action::RaiseClaim { attempt_no: state.next_attempt_no() });
    }
    if let Some(intent) = state.intent.as_ref().filter(|intent| intent.progress.is_sent()) {
        return advance(intent, attention, policy, now);
    }
    let Some(run) = &state.run else { return Next::Do(Action::Survey) };
    if run.is_live() {
        return or_surplus(run, cancel_run(run, cancel, attention, policy, now));
    }
    match run.surplus.first() {
        Some(surplus) => Next::Do(Action::CancelRun { workflow_job: *surplus }),
        None => Next::Do(Action::Survey),
    }
}

fn cancel_run(run: &Run, cancel: &Cancel, attention: &Attention, policy: &Policy, now: Timestamp) -> Next {
    let workflow_job = run.workflow_job;
    let resend = match cancel.sent {
        Some((sent_to, at)) => sent_to != workflow_job || now >= after(at, policy.cancel_resend_secs),
        None => true,
    };
    if !run.status.is_terminal() && resend {
        return Next::Do(Action::CancelRun { workflow_job });
    }
    watch(run, attention, policy.watch_interval_secs, Why::Cancel, now)
}

/// `secs` seconds after `at`.
pub(super) fn after(at: Timestamp, secs: u64) -> Timestamp {
    let secs = i64::try_from(secs).unwrap_or(i64::MAX);
    at.checked_add(SignedDuration::from_secs(secs)).unwrap_or(Timestamp::MAX)
}
