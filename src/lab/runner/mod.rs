//! Runs the real playbooks for the lab's jobs: each job of the controller becomes one run of `ansible-runner`, the program
//! with which the real controller runs its jobs, so that artifacts and failures arrive by the way they take there.
//!
//! Only the scheduler is a model then: which job runs when is decided by [`super::controller`], what a job does is done
//! by the content, against whatever vCenter its environment names.

mod job;
mod reports;
mod simulator;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tempfile::TempDir;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;

use super::controller::model::Id;
use super::world::World;
use crate::clock::SharedClock;

pub use simulator::{Simulator, SimulatorError};

/// How often the controller is asked which jobs run.
const LOOK_MS: u64 = 50;
/// How long the runs that are told to end may take, in seconds; each is killed before ([`job`]).
const STOP_SECS_MAX: u64 = 15;

/// What the runs need.
#[derive(Debug, Clone)]
pub struct RunnerOptions {
    /// The folder with `ansible-runner` and `ansible-playbook`.
    pub programs: PathBuf,
    /// The content: the folder that is the project's root on a controller.
    pub content: PathBuf,
    /// What the credentials of the job templates inject.
    pub environment: Vec<(String, String)>,
    /// Jobs that run at once; the others wait, as they do on a controller whose capacity is used up.
    pub jobs_max: usize,
}

/// Why the playbooks cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    #[error(
        "{} is missing: tests/install-ansible installs it, or --tools names the folder where it is", .0.display()
    )]
    ProgramMissing(PathBuf),
    #[error("there is no content at {}: --content names the folder with the playbooks", .0.display())]
    ContentMissing(PathBuf),
    #[error("there is no folder for the runs")]
    Folder(#[source] std::io::Error),
}

/// The task that runs them.
#[derive(Debug)]
pub struct Runner {
    task: JoinHandle<()>,
    slots: Arc<Semaphore>,
    jobs_max: usize,
    _folder: TempDir,
}

impl Runner {
    /// Begins to run the jobs of `world`'s controller, which must have been opened with [`super::world::Plays::Outside`].
    ///
    /// # Errors
    /// When a program or the content is not there.
    pub fn start(
        world: Arc<Mutex<World>>,
        clock: SharedClock,
        options: RunnerOptions,
    ) -> Result<Self, RunnerError> {
        for name in ["ansible-runner", "ansible-playbook"] {
            let program = options.programs.join(name);
            if !program.is_file() {
                return Err(RunnerError::ProgramMissing(program));
            }
        }
        if !options.content.join("playbooks").is_dir() {
            return Err(RunnerError::ContentMissing(options.content));
        }
        let folder =
            tempfile::Builder::new().prefix("causeway-jobs-").tempdir().map_err(RunnerError::Folder)?;
        let root = folder.path().to_owned();
        let jobs_max = options.jobs_max;
        let slots = Arc::new(Semaphore::new(jobs_max));
        let task = tokio::spawn(run_jobs(world, clock, Arc::clone(&slots), Arc::new(options), root));
        Ok(Self { task, slots, jobs_max, _folder: folder })
    }

    /// Stops looking for jobs, tells those that run to end, and waits until they have.
    pub async fn stop(self) {
        self.task.abort();
        let all = u32::try_from(self.jobs_max).unwrap_or(u32::MAX);
        let limit = Duration::from_secs(STOP_SECS_MAX);
        if tokio::time::timeout(limit, self.slots.acquire_many(all)).await.is_err() {
            tracing::warn!("a playbook still runs");
        }
    }
}

/// Looks which jobs run, begins those that are new and stops those that the controller no longer runs.
async fn run_jobs(
    world: Arc<Mutex<World>>,
    clock: SharedClock,
    slots: Arc<Semaphore>,
    options: Arc<RunnerOptions>,
    root: PathBuf,
) {
    let mut under_way: BTreeMap<Id, oneshot::Sender<()>> = BTreeMap::new();
    let mut beat = tokio::time::interval(Duration::from_millis(LOOK_MS));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let begun: Vec<job::Ticket> = {
            let world = lock(&world);
            let running = world.controller.running_job_ids();
            // Dropping the sender of a job that no longer runs tells its run to stop.
            under_way.retain(|id, _| running.contains(id));
            let new = running.into_iter().filter(|id| !under_way.contains_key(id));
            new.filter_map(|id| job::Ticket::of(&world, id)).collect()
        };
        for ticket in begun {
            let (stop, stopped) = oneshot::channel();
            under_way.insert(ticket.id(), stop);
            let run = job::Run { ticket, options: Arc::clone(&options), folder: root.clone() };
            tokio::spawn(run_one(Arc::clone(&world), Arc::clone(&clock), Arc::clone(&slots), run, stopped));
        }
    }
}

async fn run_one(
    world: Arc<Mutex<World>>,
    clock: SharedClock,
    slots: Arc<Semaphore>,
    run: job::Run,
    stopped: oneshot::Receiver<()>,
) {
    let Ok(_slot) = slots.acquire().await else { return };
    let id = run.ticket.id();
    if let Some(end) = run.until_over(stopped).await {
        let mut world = lock(&world);
        let now = clock.now();
        world.tick(now);
        world.controller.finish_job(id, end, now);
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}
