//! The controller without its HTTP: rows, rules and tempo. No IO, no clock, no randomness of its own: every
//! call takes the time, the seed is given, and all collections are ordered, so equal calls give equal worlds.
//!
//! Deliberately left out: projects' updates, schedules, ad hoc commands, slicing, bulk launches, webhooks
//! receivers, teams and role definitions. Credentials, credential types and execution environments are kept and
//! shown, and nothing depends on them. Custom notification messages are stored and shown, but the stock bodies are
//! what is sent.

pub mod access;
pub mod approvals;
pub mod bodies;
pub mod cancel;
pub mod content;
pub mod events;
pub mod filed;
pub mod graph;
pub mod hosts;
pub mod launch;
pub mod notices;
pub mod passes;
pub mod reads;
pub mod refusal;
pub mod relaunch;
pub mod rows;
pub mod setup;
pub mod status;
pub mod survey;
pub mod tempo;
pub mod variables;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

pub use content::{Content, ControllerSetup};
pub use launch::{JobLaunch, LaunchBody, WorkflowLaunch};
pub use notices::{Notice, NoticeEvent};
pub use passes::{JobEnd, Reported, RunningJob};
pub use refusal::Refusal;
pub use rows::Id;
pub use status::{LaunchType, Status};
pub use tempo::Tempo;

use access::Grant;
use filed::{Cabinet, Filed, Holder};
use rows::{
    ApprovalTemplate, Group, Host, Inventory, Job, JobTemplate, Label, Notification, NotificationTemplate,
    Organization, Project, TemplateNode, Token, User, WorkflowApproval, WorkflowJob, WorkflowJobNode,
    WorkflowJobTemplate,
};

/// The whole controller.
#[derive(Debug, Clone)]
pub struct Controller {
    tempo: Tempo,
    dice: u64,
    sequences: BTreeMap<Table, Id>,
    agenda: BTreeMap<(Timestamp, u64), Due>,
    agenda_count: u64,
    passes_due: BTreeMap<Pass, Timestamp>,
    pub(in crate::lab) rows: Rows,
    notices: Vec<Notice>,
    committed: Vec<Id>,
}

/// Every table.
#[derive(Debug, Clone, Default)]
pub(in crate::lab) struct Rows {
    pub users: BTreeMap<Id, User>,
    pub tokens: BTreeMap<Id, Token>,
    pub grants: BTreeSet<Grant>,
    pub organizations: BTreeMap<Id, Organization>,
    pub inventories: BTreeMap<Id, Inventory>,
    pub groups: BTreeMap<Id, Group>,
    pub hosts: BTreeMap<Id, Host>,
    pub labels: BTreeMap<Id, Label>,
    pub projects: BTreeMap<Id, Project>,
    pub job_templates: BTreeMap<Id, JobTemplate>,
    pub workflow_job_templates: BTreeMap<Id, WorkflowJobTemplate>,
    pub approval_templates: BTreeMap<Id, ApprovalTemplate>,
    pub template_nodes: BTreeMap<Id, TemplateNode>,
    pub workflow_jobs: BTreeMap<Id, WorkflowJob>,
    /// Launches whose transaction has not committed: their ids are taken, nobody sees them.
    pub uncommitted: BTreeMap<Id, WorkflowJob>,
    pub workflow_nodes: BTreeMap<Id, WorkflowJobNode>,
    /// The nodes of each workflow job: an index over `workflow_nodes`.
    pub nodes_by_run: BTreeMap<Id, Vec<Id>>,
    pub jobs: BTreeMap<Id, Job>,
    pub approvals: BTreeMap<Id, WorkflowApproval>,
    pub notification_templates: BTreeMap<Id, NotificationTemplate>,
    pub notifications: BTreeMap<Id, Notification>,
    pub filed: BTreeMap<Cabinet, BTreeMap<Id, Filed>>,
    /// What was set of a row that the model does not read.
    pub settings: BTreeMap<(Holder, Id), Map<String, Value>>,
    /// The rows that hang on a list of an object, by the list's name.
    pub associations: BTreeMap<(Holder, Id, String), BTreeSet<Id>>,
    /// Roles that the lab's rules do not know: number of the role, user.
    pub assignments: BTreeSet<(Id, Id)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Table {
    User,
    Token,
    Organization,
    Inventory,
    Group,
    Host,
    Label,
    UnifiedJobTemplate,
    TemplateNode,
    UnifiedJob,
    WorkflowNode,
    JobEvent,
    NotificationTemplate,
    Notification,
    CredentialType,
    Credential,
    ExecutionEnvironment,
}

/// Something that happens inside the controller at a known time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Pass(Pass),
    Commit(Id),
    JobStarts(Id),
    JobCancelled(Id),
    EventsProcessed(Id),
    ApprovalExpires(Id),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    TaskManager,
    WorkflowManager,
}

impl Controller {
    /// An empty controller, without a single user.
    #[must_use]
    pub fn empty(tempo: Tempo, seed: u64) -> Self {
        Self {
            tempo,
            dice: seed,
            sequences: BTreeMap::new(),
            agenda: BTreeMap::new(),
            agenda_count: 0,
            passes_due: BTreeMap::new(),
            rows: Rows::default(),
            notices: Vec::new(),
            committed: Vec::new(),
        }
    }

    /// How fast it is.
    #[must_use]
    pub fn tempo(&self) -> Tempo {
        self.tempo
    }

    /// When something next happens by itself; `None` while nothing is under way.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.agenda.keys().next().map(|(at, _)| *at)
    }

    /// Lets everything happen that is due by `now`, each at its own time.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some(entry) = self.agenda.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                return;
            }
            let due = entry.remove();
            self.happen(due, at);
        }
    }

    fn happen(&mut self, due: Due, at: Timestamp) {
        match due {
            Due::Pass(pass) => {
                if self.passes_due.get(&pass) != Some(&at) {
                    return;
                }
                self.passes_due.remove(&pass);
                match pass {
                    Pass::TaskManager => self.task_manager_pass(at),
                    Pass::WorkflowManager => self.workflow_manager_pass(at),
                }
            }
            Due::Commit(id) => self.commit(id, at),
            Due::JobStarts(id) => self.start_job(id, at),
            Due::JobCancelled(id) => self.job_cancelled(id, at),
            Due::EventsProcessed(id) => self.events_processed(id),
            Due::ApprovalExpires(id) => self.expire_approval(id, at),
        }
    }

    fn schedule(&mut self, at: Timestamp, due: Due) {
        self.agenda_count += 1;
        self.agenda.insert((at, self.agenda_count), due);
    }

    /// Asks for a pass at `at`; an earlier one that is already due serves as well.
    fn schedule_pass(&mut self, pass: Pass, at: Timestamp) {
        if self.passes_due.get(&pass).is_some_and(|due| *due <= at) {
            return;
        }
        self.passes_due.insert(pass, at);
        self.schedule(at, Due::Pass(pass));
    }

    fn next_id(&mut self, table: Table) -> Id {
        let next = self.sequences.entry(table).or_insert(0);
        *next += 1;
        *next
    }

    /// A number from the seeded sequence (SplitMix64).
    fn roll(&mut self) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// The callbacks that have become due by state changes since the last call, oldest first. Whoever takes
    /// them delivers them, and says how it went with [`Controller::notice_delivered`] or
    /// [`Controller::notice_failed`].
    pub fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    /// The workflow jobs that have become visible since the last call.
    pub fn take_committed(&mut self) -> Vec<Id> {
        std::mem::take(&mut self.committed)
    }
}

/// `at` plus `ms` milliseconds, at most the end of time.
fn after(at: Timestamp, ms: i64) -> Timestamp {
    at.checked_add(Tempo::span(ms)).unwrap_or(Timestamp::MAX)
}
