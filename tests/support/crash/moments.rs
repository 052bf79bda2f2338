//! When the bridge is killed. Seeded; the mix is chosen so that kills fall into every part of a request's life.

use std::time::Duration;

use rand::RngExt as _;
use rand::rngs::StdRng;

use super::Scene;
use super::bridge::Bridge;

/// A launch that does not come within this time is not waited for any longer.
const LAUNCH_MS_MAX: u64 = 1_000;

/// A moment to kill, in milliseconds after something.
#[derive(Debug, Clone, Copy)]
pub enum Moment {
    /// After the process was started: while it opens the journal, replays, listens.
    Start(u64),
    /// After it said that it is ready: intake, reading, verifying, whatever comes.
    Ready(u64),
    /// After the lab has taken a launch: before, while and after its answer arrives and is written down.
    Launch(u64),
}

impl Moment {
    /// Draws one.
    pub fn draw(dice: &mut StdRng) -> Self {
        match dice.random_range(0..10) {
            0 | 1 => Self::Start(dice.random_range(0..150)),
            2..=6 => Self::Ready(dice.random_range(0..900)),
            _ => Self::Launch(dice.random_range(0..25)),
        }
    }
}

/// Lets the bridge live until the moment has come.
pub async fn live_until(scene: &Scene, bridge: &mut Bridge, moment: Moment) -> anyhow::Result<()> {
    let never = || false;
    match moment {
        Moment::Start(ms) => bridge.live(Duration::from_millis(ms), never).await,
        Moment::Ready(ms) => {
            bridge.until_ready(scene).await?;
            bridge.live(Duration::from_millis(ms), never).await
        }
        Moment::Launch(ms) => {
            bridge.until_ready(scene).await?;
            let runs = || scene.neighbours.lab.world().controller.workflow_jobs_after(0).count();
            let before = runs();
            bridge.live(Duration::from_millis(LAUNCH_MS_MAX), || runs() > before).await?;
            bridge.live(Duration::from_millis(ms), never).await
        }
    }
}
