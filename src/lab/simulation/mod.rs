//! Thousands of seeded lives of VM requests: the pure core plays against the world's model in one process and in
//! virtual time, while neighbours fail, the bridge dies and an operator interferes.
//!
//! A life is one bridge with one to three requests. What it appended is durable; its states, what it remembers of its
//! neighbours and what it is doing are lost when it dies. It dies before an intent is durable, between intent and
//! call, between call and conclusion, and with other requests' calls on their way; it stays down for a while, during
//! which callbacks are lost, and then folds every request's events anew. The performer ([`hands`]) makes the same
//! calls as the real shell; it speaks to the model instead of HTTP.
//!
//! # What must hold ([`Invariant`])
//! In every life, whatever goes wrong:
//! 1. `BuiltTwice`: never more than one VM is created for a request. `TwoActed`: two runs of a request never have the
//!    right to change something at the same time. `UnrecordedActed`: a run that was never written into the claim
//!    never gets that far.
//! 2. `Lost`: every admitted request ends as done, failed, cancelled, or held with a cause and something that an
//!    operator can do.
//! 3. `Hung`: it gets there within bounded virtual time and steps; what is active never rests, and a restart takes up
//!    whatever has something to do.
//! 4. `DoneNotShown`: whenever a request becomes done, an independent look at vCenter's model shows what was asked.
//! 5. `AppearedLater`: once all is quiet, a cancelled request's VM is what its last event says, and nothing appeared
//!    for a given-up request after that.
//! 6. `NotCalm`: where nothing goes wrong and nobody interferes, a request is done with one run.
//! 7. `ClaimWentBack`: the numbers in the claims only rise, and a claim that has a holder keeps it until then.
//! 8. `ReplayDiffers`: folding the durable events gives the state that was worked with, also after a trip through
//!    JSON.
//! 9. `BlindRelaunch`: no attempt is launched while an earlier one's run was there to be seen at the last look for
//!    it, or if nobody looked.
//! 10. `Illegal`: the core never concludes an event that its state refuses, and what is over stays over.
//!
//! # What is no failure
//! A request that is held and left so by its operator. A run that loses its claim and ends as failed. A second run
//! where the first one's transaction committed after the last look. A VM left behind by a cancelled request, if it is
//! named. A name that is taken by what an earlier request left. A request that is overdue and under watch while its
//! run never ends. Callbacks that never come.
//!
//! # What is left out
//! Writes to the claim that land after their client gave them up, VMs that somebody destroys or marks by hand,
//! a controller or vCenter restored from a backup, several bridges, and a journal that cannot be written.

mod claims;
mod dice;
mod hands;
mod invariants;
mod life;
mod operator;
mod plan;
mod record;
mod sights;
mod turns;

use std::collections::BTreeMap;
use std::fmt;

use crate::lab::faults::Fault;

pub use invariants::Invariant;
use life::{Ended, Life};

/// A bridge that breaks a rule on purpose, to see that the simulation notices. Never in production code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// A launch without an answer is taken for one that never was: the next attempt follows at once.
    NoLook,
    /// Launches carry no attempt number, so that the role `claim` lets every run pass.
    NoClaim,
    /// A workflow's callback decides how the request ended.
    BelieveCallback,
    /// A workflow that says `successful` is done, without a look at its nodes or at vCenter.
    BelieveWorkflow,
    /// A cancelled request is surveyed at once, also while vCenter still clones its VM.
    HastySurvey,
}

/// How lives are played.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    pub sabotage: Option<Sabotage>,
    /// Stop after so many failures; 0 plays all lives.
    pub failures_max: usize,
}

/// What became of some lives.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub lives: u64,
    /// Requests by the phase they ended in.
    pub ended: BTreeMap<&'static str, u64>,
    /// How often each fault struck.
    pub struck: BTreeMap<Fault, u64>,
    pub crashes: u64,
    /// Actions of the core that were begun.
    pub actions: u64,
    /// The longest life in virtual seconds.
    pub longest_secs: i64,
    pub failures: Vec<Failure>,
}

/// A life in which something did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub seed: u64,
    pub invariant: Invariant,
    pub detail: String,
    /// What happened, line by line with times.
    pub story: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}: {:?}: {}", self.seed, self.invariant, self.detail)?;
        self.story.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

impl Report {
    /// Adds what became of other lives.
    pub fn add(&mut self, other: Self) {
        self.lives += other.lives;
        self.crashes += other.crashes;
        self.actions += other.actions;
        self.longest_secs = self.longest_secs.max(other.longest_secs);
        for (phase, count) in other.ended {
            *self.ended.entry(phase).or_default() += count;
        }
        for (fault, count) in other.struck {
            *self.struck.entry(fault).or_default() += count;
        }
        self.failures.extend(other.failures);
    }

    fn count(&mut self, ended: &Ended) {
        self.lives += 1;
        self.crashes += u64::from(ended.crashes);
        self.actions += ended.actions;
        self.longest_secs = self.longest_secs.max(ended.lasted_secs);
        for phase in &ended.phases {
            *self.ended.entry(phase.name()).or_default() += 1;
        }
        for (fault, count) in &ended.struck {
            *self.struck.entry(*fault).or_default() += u64::from(*count);
        }
    }
}

/// Plays the lives of `seeds`, one after another.
#[must_use]
pub fn run_lives(seeds: impl IntoIterator<Item = u64>, options: Options) -> Report {
    let mut report = Report::default();
    let stage = life::Stage::set();
    for seed in seeds {
        let ended = Life::begin(&stage, seed, options.sabotage, false).play();
        report.count(&ended);
        if ended.broken.is_some() {
            report.failures.extend(run_life(&stage, seed, options.sabotage));
            if report.failures.len() == options.failures_max {
                break;
            }
        }
    }
    report
}

/// Plays one life and tells it, also when nothing broke.
#[must_use]
pub fn tell_life(seed: u64, options: Options) -> (Option<Failure>, Vec<String>) {
    let ended = Life::begin(&life::Stage::set(), seed, options.sabotage, true).play();
    let story = ended.story.clone();
    (failure(seed, ended), story)
}

/// The same life again, this time told.
fn run_life(stage: &life::Stage, seed: u64, sabotage: Option<Sabotage>) -> Option<Failure> {
    failure(seed, Life::begin(stage, seed, sabotage, true).play())
}

fn failure(seed: u64, ended: Ended) -> Option<Failure> {
    let (invariant, detail) = ended.broken?;
    Some(Failure { seed, invariant, detail, story: ended.story })
}
