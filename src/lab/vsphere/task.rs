//! Tasks: what vSphere is doing. A task ends exactly once. What it says it did is in `event.rs`.

use jiff::{SignedDuration, Timestamp};

use super::Vsphere;
use super::fault::Fault;
use super::ids::{Kind, Moid};

/// Finished tasks beyond this many are forgotten, oldest first. A real vCenter forgets sooner.
const TASKS_MAX: usize = 20_000;

/// `TaskInfoState`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskState {
    Queued,
    Running,
    Success,
    Error,
}

impl TaskState {
    /// As vSphere spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "success",
            Self::Error => "error",
        }
    }

    /// Whether it will not change any more.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Success | Self::Error)
    }
}

/// A task (`TaskInfo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub moid: Moid,
    /// E.g. `VirtualMachine.clone`.
    pub description_id: String,
    /// Free text of the caller (`TaskInfo.description`).
    pub description: Option<String>,
    /// What it works on: the template, for a clone.
    pub entity: Moid,
    pub entity_name: String,
    /// The name that a clone will have; `None` for other tasks.
    pub target_name: Option<String>,
    pub user: String,
    pub state: TaskState,
    /// Why it ended as [`TaskState::Error`].
    pub error: Option<Fault>,
    /// What it made.
    pub result: Option<Moid>,
    pub queued_at: Timestamp,
    pub started_at: Option<Timestamp>,
    /// When it is to end; [`Vsphere::tick`] ends it then.
    pub due_at: Timestamp,
    pub completed_at: Option<Timestamp>,
}

impl Task {
    /// Percent done at `now`; `None` unless it runs.
    #[must_use]
    pub fn progress(&self, now: Timestamp) -> Option<u8> {
        let started = self.started_at.filter(|_| self.state == TaskState::Running)?;
        let whole_ms = self.due_at.duration_since(started).as_millis().max(1);
        let done_ms = now.duration_since(started).as_millis().clamp(0, whole_ms);
        u8::try_from(done_ms * 99 / whole_ms).ok()
    }
}

/// What a new task or event is about.
#[derive(Debug, Clone)]
pub(super) struct About<'a> {
    pub(super) entity: Moid,
    pub(super) user: &'a str,
    pub(super) now: Timestamp,
}

impl Vsphere {
    /// The task `moid`.
    #[must_use]
    pub fn task(&self, moid: Moid) -> Option<&Task> {
        self.tasks.get(&moid)
    }

    /// All tasks that are remembered, oldest first.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// Starts what is queued, ends what is due at `now`, and returns what ended, in the order it was due.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Moid> {
        let open: Vec<Moid> = self.open_tasks.iter().copied().collect();
        let mut due = Vec::new();
        for moid in open {
            let Some(task) = self.tasks.get_mut(&moid) else { continue };
            if task.state == TaskState::Queued && task.queued_at <= now {
                task.state = TaskState::Running;
                task.started_at = Some(task.queued_at);
            }
            if task.state == TaskState::Running && task.due_at <= now {
                due.push((task.due_at, moid));
            }
        }
        due.sort_unstable();
        for (at, moid) in &due {
            let outcome = self.perform_clone(*moid, *at);
            self.finish(*moid, outcome, *at);
        }
        due.into_iter().map(|(_, moid)| moid).collect()
    }

    /// When the next task is due; `None` when nothing runs.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.open_tasks.iter().filter_map(|moid| self.tasks.get(moid)).map(|task| task.due_at).min()
    }

    /// Ends an open task with `fault` at `now`; nothing is made. For faults that are played on purpose.
    ///
    /// # Errors
    /// `ManagedObjectNotFound` for an unknown task, `InvalidArgument` for one that has ended.
    pub fn fail_task(&mut self, moid: Moid, fault: Fault, now: Timestamp) -> Result<(), Fault> {
        let task = self.tasks.get(&moid).ok_or_else(|| Fault::gone(moid))?;
        if task.state.is_final() {
            return Err(Fault::InvalidArgument { property: "task".to_owned() });
        }
        self.finish(moid, Err(fault), now);
        Ok(())
    }

    /// Puts the end of an open task off (or forward) to `due_at`. For faults that are played on purpose.
    ///
    /// # Errors
    /// As for [`Vsphere::fail_task`].
    pub fn reschedule_task(&mut self, moid: Moid, due_at: Timestamp) -> Result<(), Fault> {
        let task = self.tasks.get_mut(&moid).ok_or_else(|| Fault::gone(moid))?;
        if task.state.is_final() {
            return Err(Fault::InvalidArgument { property: "task".to_owned() });
        }
        task.due_at = due_at;
        Ok(())
    }

    pub(super) fn queue_task(
        &mut self,
        description_id: &str,
        about: &About<'_>,
        duration: SignedDuration,
    ) -> Moid {
        let moid = self.next_moid(Kind::Task);
        let due_at = about.now.checked_add(duration).unwrap_or(Timestamp::MAX);
        let task = Task {
            moid,
            description_id: description_id.to_owned(),
            description: None,
            entity: about.entity,
            entity_name: self.name_of(about.entity).unwrap_or_default().to_owned(),
            target_name: None,
            user: about.user.to_owned(),
            state: TaskState::Queued,
            error: None,
            result: None,
            queued_at: about.now,
            started_at: None,
            due_at: due_at.max(about.now),
            completed_at: None,
        };
        self.tasks.insert(moid, task);
        self.open_tasks.insert(moid);
        self.forget_old_tasks();
        moid
    }

    /// Records a task that began and ended at once, with this outcome.
    pub fn record_task(
        &mut self,
        description_id: &str,
        entity: Moid,
        user: &str,
        outcome: Result<Option<Moid>, Fault>,
        now: Timestamp,
    ) -> Moid {
        let moid = self.queue_task(description_id, &About { entity, user, now }, SignedDuration::ZERO);
        self.finish(moid, outcome, now);
        moid
    }

    pub(super) fn finish(&mut self, moid: Moid, outcome: Result<Option<Moid>, Fault>, at: Timestamp) {
        self.open_tasks.remove(&moid);
        self.plans.remove(&moid);
        let Some(task) = self.tasks.get_mut(&moid).filter(|task| !task.state.is_final()) else { return };
        task.started_at = task.started_at.or(Some(task.queued_at));
        task.completed_at = Some(at);
        match outcome {
            Ok(result) => {
                task.state = TaskState::Success;
                task.result = result;
            }
            Err(fault) => {
                task.state = TaskState::Error;
                task.error = Some(fault);
            }
        }
    }

    fn forget_old_tasks(&mut self) {
        if self.tasks.len() > TASKS_MAX {
            let oldest = self.tasks.values().find(|task| task.state.is_final()).map(|task| task.moid);
            if let Some(moid) = oldest {
                self.tasks.remove(&moid);
            }
        }
    }
}
