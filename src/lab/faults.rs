//! What can go wrong, by name and seed. A plan says which faults strike how often; the world model asks it at
//! the places where they happen, so that the HTTP front and the in-process simulation suffer the same ones.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A fault. The sources are sections of CONTRACT.md and numbers of MEASURED.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The launch commits, its answer never arrives (§3.6a).
    AnswerLostAfterCommit,
    /// The launch commits, a proxy answers 502 in HTML (§3.6c, `outage_uwsgi_down_502`).
    BadGatewayAfterAccept,
    /// No answer within the client's patience; the transaction commits long after (§3.6d).
    LateCommit,
    /// Every answer takes a while (MEASURED "Latency", 8 parallel launchers).
    Slow,
    /// While a run is under way the bridge's token is unknown for a time (§1).
    UnauthorizedMidRun,
    /// A callback is sent to nobody (§8.4: crash between commit and send; MEASURED 27).
    CallbackLost,
    /// A callback arrives twice (§8.4: reaper and stats wrap-up).
    CallbackDoubled,
    /// A callback arrives after later ones (MEASURED 26).
    CallbackReordered,
    /// A second callback tells the opposite end (finding 8: `failed`, then `successful`).
    CallbackContradictory,
    /// A stage fails; its failure path ends well and so does the workflow (MEASURED 14).
    NodeFailedInSuccessfulWorkflow,
    /// A job ends successful with empty artifacts (§7: lost event, crash; awx#12750).
    ArtifactsMissing,
    /// vCenter does not answer for a time: jobs that need it fail.
    VcenterAway,
    /// A proxy sends the launch a second time: two runs with one body (MEASURED 2).
    DoubleRun,
    /// Somebody relaunches a finished run by hand: same variables, whole graph (§5).
    HandRelaunch,
    /// A finished run is deleted (§5: cleanup jobs; MEASURED 21).
    RunDeleted,
    /// A run stays pending until it is cancelled (MEASURED 10).
    RunStuckPending,
}

impl Fault {
    /// All of them, with their names and what they do, in one line each.
    pub const ALL: [(Self, &'static str, &'static str); 16] = [
        (Self::AnswerLostAfterCommit, "answer_lost_after_commit", "the launch commits, its answer is lost"),
        (Self::BadGatewayAfterAccept, "bad_gateway_after_accept", "the launch commits, a proxy answers 502"),
        (Self::LateCommit, "late_commit", "no answer, and the run starts long after the client gave up"),
        (Self::Slow, "slow", "every answer takes a while"),
        (Self::UnauthorizedMidRun, "unauthorized_mid_run", "the token is refused while a run is under way"),
        (Self::CallbackLost, "callback_lost", "a callback never arrives"),
        (Self::CallbackDoubled, "callback_doubled", "a callback arrives twice"),
        (Self::CallbackReordered, "callback_reordered", "a callback arrives after later ones"),
        (Self::CallbackContradictory, "callback_contradictory", "a second callback tells the opposite"),
        (
            Self::NodeFailedInSuccessfulWorkflow,
            "node_failed_in_successful_workflow",
            "a stage fails and the workflow ends successful",
        ),
        (Self::ArtifactsMissing, "artifacts_missing", "a stage ends successful without artifacts"),
        (Self::VcenterAway, "vcenter_away", "vCenter does not answer for a time"),
        (Self::DoubleRun, "double_run", "a proxy sends the launch twice"),
        (Self::HandRelaunch, "hand_relaunch", "somebody relaunches a finished run by hand"),
        (Self::RunDeleted, "run_deleted", "a finished run is deleted"),
        (Self::RunStuckPending, "run_stuck_pending", "a run stays pending until it is cancelled"),
    ];

    /// The fault's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(fault, _, _)| *fault == self).map_or("", |(_, name, _)| name)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Chance at each occasion, in thousandths.
    pub per_mille: u16,
    /// It strikes no more than this often.
    pub times_max: u32,
}

impl Rule {
    /// At the first occasion, then never again.
    pub const ONCE: Self = Self { per_mille: 1_000, times_max: 1 };
}

/// A text that names no fault, or says badly how often it strikes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FaultTextError {
    #[error("unknown fault `{0}`")]
    Unknown(String),
    #[error("`{0}` is not NAME, NAME:PER_MILLE or NAME:PER_MILLExTIMES")]
    Rule(String),
}

impl FromStr for Fault {
    type Err = FaultTextError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(fault, _, _)| *fault);
        known.ok_or_else(|| FaultTextError::Unknown(text.to_owned()))
    }
}

/// Which faults strike, decided by one seed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultPlan {
    dice: u64,
    rules: BTreeMap<Fault, Rule>,
    struck: BTreeMap<Fault, u32>,
}

impl FaultPlan {
    /// A plan without faults.
    #[must_use]
    pub fn none(seed: u64) -> Self {
        Self { dice: seed, ..Self::default() }
    }

    /// The same plan with one fault more.
    #[must_use]
    pub fn with(mut self, fault: Fault, rule: Rule) -> Self {
        self.rules.insert(fault, rule);
        self
    }

    /// Reads `name`, `name:per_mille` or `name:per_millextimes`, separated by commas. A bare name strikes
    /// once, at the first occasion.
    ///
    /// # Errors
    /// The part that cannot be read.
    pub fn parse(text: &str, seed: u64) -> Result<Self, FaultTextError> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.into_iter().try_fold(Self::none(seed), |plan, part| {
            let (name, rule) = part.split_once(':').map_or((part, None), |(name, rule)| (name, Some(rule)));
            let bad = || FaultTextError::Rule(part.to_owned());
            let rule = match rule {
                None => Rule::ONCE,
                Some(rule) => {
                    let (chance, times) = rule.split_once('x').unwrap_or((rule, ""));
                    let times_max = if times.is_empty() { Ok(u32::MAX) } else { times.parse() };
                    let per_mille = chance.parse().map_err(|_| bad())?;
                    Rule { per_mille, times_max: times_max.map_err(|_| bad())? }
                }
            };
            Ok(plan.with(name.parse()?, rule))
        })
    }

    /// Whether `fault` is part of the plan at all.
    #[must_use]
    pub fn has(&self, fault: Fault) -> bool {
        self.rules.contains_key(&fault)
    }

    /// Asked at an occasion for `fault`: whether it strikes now. Counts when it does.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let Some(rule) = self.rules.get(&fault).copied() else { return false };
        let chance = self.roll() % 1_000 < u64::from(rule.per_mille);
        let count = self.struck.entry(fault).or_insert(0);
        if !chance || *count >= rule.times_max {
            return false;
        }
        *count += 1;
        true
    }

    /// How often each fault has struck.
    #[must_use]
    pub fn struck(&self) -> &BTreeMap<Fault, u32> {
        &self.struck
    }

    /// A number below `bound` from the plan's seeded sequence (SplitMix64).
    pub fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.roll() % bound }
    }

    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_is_read_back_as_its_fault() {
        for (fault, name, _) in Fault::ALL {
            assert_eq!(name.parse::<Fault>().unwrap(), fault);
            assert_eq!(fault.to_string(), name);
        }
        assert_eq!("nope".parse::<Fault>(), Err(FaultTextError::Unknown("nope".to_owned())));
    }

    #[test]
    fn a_bare_name_strikes_once_and_a_rule_as_often_as_it_says() {
        let mut plan = FaultPlan::parse("slow, double_run:1000x2", 1).unwrap();
        let count = |plan: &mut FaultPlan, fault| (0..10).filter(|_| plan.strikes(fault)).count();
        assert_eq!(count(&mut plan, Fault::Slow), 1);
        assert_eq!(count(&mut plan, Fault::DoubleRun), 2);
        assert_eq!(count(&mut plan, Fault::LateCommit), 0);
        assert!(FaultPlan::parse("slow:often", 1).is_err());
    }

    #[test]
    fn the_seed_decides_and_the_chance_holds() {
        let draw = |seed| {
            let mut plan = FaultPlan::parse("slow:250", seed).unwrap();
            (0..2_000).map(|_| plan.strikes(Fault::Slow)).collect::<Vec<bool>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let hits = draw(7).iter().filter(|hit| **hit).count();
        assert!((400..600).contains(&hits), "{hits} of 2000 at 250 per mille");
    }
}
