//! How to make a world: its tempo, its layout, what goes wrong in it and for how long.

use super::super::controller::model::Tempo;
use super::super::controller::model::content::Callback;
use super::super::faults::FaultPlan;
use super::super::vsphere;

/// How to make a world.
#[derive(Debug, Clone)]
pub struct WorldOptions {
    pub tempo: Tempo,
    pub seed: u64,
    pub layout: vsphere::Layout,
    /// Where the controller's callbacks go; `None` attaches no notification template.
    pub callback: Option<Callback>,
    pub faults: FaultPlan,
    pub spans: FaultSpans,
    pub plays: Plays,
}

/// Who runs the playbooks of the controller's jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plays {
    /// The world itself, by the model in [`crate::lab::executor`], against its own vSphere.
    Modelled,
    /// Somebody outside, who takes the running jobs and says how they end ([`crate::lab::runner`]).
    Outside,
}

/// How long the faults that take time last, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FaultSpans {
    /// From a launch to the commit of one that nobody waits for any more (`late_commit`).
    pub late_commit_ms: i64,
    /// From a launch to its second copy (`double_run`).
    pub replay_ms: i64,
    /// What each answer takes (`slow`).
    pub slow_ms: i64,
    /// How long the token is refused (`unauthorized_mid_run`).
    pub unauthorized_ms: i64,
    /// How long vCenter is silent (`vcenter_away`).
    pub vcenter_away_ms: i64,
    /// How much later a callback comes (`callback_reordered`, `callback_contradictory`).
    pub callback_late_ms: i64,
    /// From a run's end to what somebody does with it (`hand_relaunch`, `run_deleted`).
    pub hand_ms: i64,
}

impl FaultSpans {
    /// Spans that fit [`Tempo::fast`] and a bridge with `settle_secs = 2`.
    #[must_use]
    pub fn fast() -> Self {
        Self {
            late_commit_ms: 3_500,
            replay_ms: 40,
            slow_ms: 300,
            unauthorized_ms: 1_500,
            vcenter_away_ms: 1_500,
            callback_late_ms: 800,
            hand_ms: 200,
        }
    }

    /// Spans that fit [`Tempo::measured`] and a bridge with `settle_secs = 300`.
    #[must_use]
    pub fn measured() -> Self {
        Self {
            late_commit_ms: 420_000,
            replay_ms: 1_500,
            slow_ms: 2_600,
            unauthorized_ms: 120_000,
            vcenter_away_ms: 60_000,
            callback_late_ms: 8_600,
            hand_ms: 30_000,
        }
    }
}

impl WorldOptions {
    /// The default world: fast, without faults and callbacks.
    #[must_use]
    pub fn fast(seed: u64) -> Self {
        Self {
            tempo: Tempo::fast(),
            seed,
            layout: vsphere::Layout::default(),
            callback: None,
            faults: FaultPlan::none(seed),
            spans: FaultSpans::fast(),
            plays: Plays::Modelled,
        }
    }
}
