//! The bridge as a process of its own.

use std::fs::OpenOptions;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use super::{Scene, within};

/// A start that takes longer than this hangs.
const READY_SECS_MAX: u64 = 30;
/// How often a condition is looked at.
const LOOK_MS: u64 = 2;

/// A running bridge. It is killed when it goes out of scope.
pub struct Bridge {
    child: Child,
}

impl Bridge {
    /// Starts `causeway serve` with the scene's configuration.
    pub fn start(scene: &Scene) -> anyhow::Result<Self> {
        let folder = scene.folder.path();
        let log = OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
        let child = Command::new(&scene.binary)
            .args(["--log", "warn", "serve", "--config"])
            .arg(folder.join("causeway.toml"))
            .envs(scene.neighbours.environment(&scene.journal()))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("the binary does not start")?;
        Ok(Self { child })
    }

    /// Returns when `/readyz` answers 200.
    pub async fn until_ready(&mut self, scene: &Scene) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        let address = format!("{}/readyz", scene.url());
        within(READY_SECS_MAX, "the bridge is ready", async {
            let mut beat = tokio::time::interval(Duration::from_millis(LOOK_MS));
            loop {
                beat.tick().await;
                self.check_alive()?;
                match http.get(&address).send().await {
                    Ok(answer) if answer.status() == 200 => return Ok(()),
                    Ok(_) | Err(_) => {}
                }
            }
        })
        .await?
    }

    /// Lets the process live until `is_time` says so, at most for `longest`. This is the experiment itself, no way of
    /// waiting for something: whatever the bridge is doing then, it is killed.
    pub async fn live(&mut self, longest: Duration, mut is_time: impl FnMut() -> bool) -> anyhow::Result<()> {
        let over = tokio::time::Instant::now() + longest;
        let mut beat = tokio::time::interval(Duration::from_millis(LOOK_MS));
        while tokio::time::Instant::now() < over && !is_time() {
            self.check_alive()?;
            tokio::select! {
                _ = beat.tick() => {}
                () = tokio::time::sleep_until(over) => {}
            }
        }
        Ok(())
    }

    /// Fails when the process has ended by itself.
    pub fn check_alive(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "the bridge ended by itself: {ended:?}");
        Ok(())
    }

    /// SIGKILL.
    pub fn kill(mut self) -> anyhow::Result<()> {
        self.check_alive()?;
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // Gone already, or killed here: either way nothing is left running.
        let _gone = self.child.kill();
        let _status = self.child.wait();
    }
}
