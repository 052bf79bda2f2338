//! The two managers. A task manager pass takes up what is pending; a workflow manager pass looks at every
//! running workflow job and commits all its changes together (CONTRACT.md §5 "Tempo").

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::graph::{End, GraphNode, NO_ERROR_PATH, Standing, decide};
use super::launch::JobOrigin;
use super::rows::{Id, Recap, WorkflowApproval, WorkflowJobNode};
use super::status::{LaunchType, Status};
use super::{Controller, Due, NoticeEvent, Pass, Table, after};

/// A job that is running: what its playbook is given.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningJob {
    pub id: Id,
    pub playbook: String,
    /// `awx_workflow_job_id`, an automatic variable of every child job.
    pub workflow_job: Option<Id>,
    /// `launch_type` of the workflow job is not known to a playbook; its variables are.
    pub extra_vars: Map<String, Value>,
    pub started: Timestamp,
}

/// How a playbook's run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct JobEnd {
    pub status: Status,
    /// What `set_stats` left, by its semantics: also what was set before a failure (MEASURED 12).
    pub artifacts: Map<String, Value>,
    /// The task that failed and its `res.msg`.
    pub failure: Option<(String, String)>,
    pub recap: Recap,
    /// What the run reported; empty where nothing but the model ran, which makes it up.
    pub script: Vec<Reported>,
}

impl JobEnd {
    /// An end of which nothing but the status is known.
    #[must_use]
    pub fn bare(status: Status) -> Self {
        Self { status, artifacts: Map::new(), failure: None, recap: Recap::default(), script: Vec::new() }
    }
}

/// One event as a playbook's run reports it; it is numbered when it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// `runner_on_ok`, `runner_on_failed`, `playbook_on_stats`, …
    pub event: String,
    pub task: String,
    pub failed: bool,
    pub changed: bool,
    pub res: Map<String, Value>,
    pub stdout: String,
}

impl Controller {
    /// The numbers of the jobs that are running, in order.
    #[must_use]
    pub fn running_job_ids(&self) -> BTreeSet<Id> {
        self.rows.jobs.values().filter(|job| job.status == Status::Running).map(|job| job.id).collect()
    }

    /// What the playbook of a running job is given; `None` when it does not run.
    #[must_use]
    pub fn running_job(&self, id: Id) -> Option<RunningJob> {
        let job = self.rows.jobs.get(&id).filter(|job| job.status == Status::Running)?;
        let node = job.workflow_node.and_then(|id| self.rows.workflow_nodes.get(&id));
        Some(RunningJob {
            id: job.id,
            playbook: job.playbook.clone(),
            workflow_job: node.map(|node| node.workflow_job),
            extra_vars: job.extra_vars.clone(),
            started: job.started?,
        })
    }

    /// A running job's playbook has ended. Status and artifacts become visible together (CONTRACT.md §7);
    /// nothing happens when the job no longer runs.
    pub fn finish_job(&mut self, id: Id, end: JobEnd, now: Timestamp) {
        let Some(job) = self.rows.jobs.get_mut(&id).filter(|job| job.status == Status::Running) else {
            return;
        };
        job.status = end.status;
        job.finished = Some(now);
        job.artifacts = end.artifacts;
        job.recap = Some(end.recap);
        self.record_events(id, end.failure.as_ref(), end.script, now);
        let event = if end.status == Status::Successful { NoticeEvent::Success } else { NoticeEvent::Error };
        self.notify_job(id, event, now);
        self.schedule(after(now, self.tempo.event_lag_ms), Due::EventsProcessed(id));
        self.schedule_pass(Pass::WorkflowManager, after(now, self.tempo.workflow_manager_ms));
    }

    pub(super) fn events_processed(&mut self, id: Id) {
        if let Some(job) = self.rows.jobs.get_mut(&id) {
            job.event_processing_finished = true;
        }
    }

    pub(super) fn task_manager_pass(&mut self, now: Timestamp) {
        let mut blocked = false;
        let pending = |status: Status| status == Status::Pending;
        let runs: Vec<Id> =
            self.rows.workflow_jobs.values().filter(|r| pending(r.status)).map(|r| r.id).collect();
        for id in runs {
            if self.rows.workflow_jobs[&id].stuck {
                continue;
            }
            match self.blocker(id) {
                Some(other) => {
                    blocked = true;
                    self.explain_blocked(id, other, now);
                }
                None => self.start_workflow_job(id, now),
            }
        }
        let jobs: Vec<Id> = self.rows.jobs.values().filter(|j| pending(j.status)).map(|j| j.id).collect();
        for id in jobs {
            if let Some(job) = self.rows.jobs.get_mut(&id) {
                job.status = Status::Waiting;
                job.modified = now;
            }
            self.schedule(after(now, self.tempo.job_start_ms), Due::JobStarts(id));
        }
        if blocked {
            self.schedule_pass(Pass::TaskManager, after(now, self.tempo.explain_pending_ms / 3));
        }
    }

    /// The active run that a run without `allow_simultaneous` has to wait for (CONTRACT.md §3.5).
    fn blocker(&self, id: Id) -> Option<Id> {
        let run = &self.rows.workflow_jobs[&id];
        let rival = |other: &&super::rows::WorkflowJob| {
            other.id < id
                && other.workflow_job_template == run.workflow_job_template
                && !other.status.is_terminal()
        };
        if run.allow_simultaneous {
            return None;
        }
        self.rows.workflow_jobs.values().find(rival).map(|other| other.id)
    }

    fn explain_blocked(&mut self, id: Id, other: Id, now: Timestamp) {
        let patience = super::Tempo::span(self.tempo.explain_pending_ms);
        if let Some(run) = self.rows.workflow_jobs.get_mut(&id)
            && now.duration_since(run.created) >= patience
        {
            run.job_explanation = format!("waiting for workflowjob-{other} to finish");
        }
    }

    fn start_workflow_job(&mut self, id: Id, now: Timestamp) {
        if let Some(run) = self.rows.workflow_jobs.get_mut(&id) {
            run.status = Status::Running;
            run.job_explanation = String::new();
            run.modified = now;
        }
        // The callback's body is rendered before `started` is set (MEASURED 25).
        self.notify_workflow_job(id, NoticeEvent::Started, now);
        if let Some(run) = self.rows.workflow_jobs.get_mut(&id) {
            run.started = Some(now);
        }
        self.schedule_pass(Pass::WorkflowManager, after(now, self.tempo.workflow_manager_ms));
    }

    pub(super) fn start_job(&mut self, id: Id, now: Timestamp) {
        let Some(job) = self.rows.jobs.get_mut(&id).filter(|job| job.status == Status::Waiting) else {
            return;
        };
        job.status = Status::Running;
        job.started = Some(now);
        self.notify_job(id, NoticeEvent::Started, now);
    }

    pub(super) fn workflow_manager_pass(&mut self, now: Timestamp) {
        let running = |run: &&super::rows::WorkflowJob| run.status == Status::Running;
        let runs: Vec<Id> = self.rows.workflow_jobs.values().filter(running).map(|run| run.id).collect();
        for id in runs {
            let cancelling = self.rows.workflow_jobs[&id].canceled_on.is_some();
            if cancelling && self.cancel_children(id, now) {
                self.end_workflow_job(id, Status::Canceled, "", now);
                continue;
            }
            self.advance(id, cancelling, now);
        }
    }

    /// One pass over one graph. While the run is being cancelled only the children of what was cancelled a
    /// moment ago are still spawned, which the next pass cancels (CONTRACT.md §5, quirk).
    fn advance(&mut self, id: Id, cancelling: bool, now: Timestamp) {
        let decision = decide(&self.graph(id));
        if !cancelling {
            for node in decision.skip {
                if let Some(row) = self.rows.workflow_nodes.get_mut(&node) {
                    row.do_not_run = true;
                    row.modified = now;
                }
            }
        }
        let spawned = !decision.spawn.is_empty();
        for node in decision.spawn {
            self.spawn(id, node, now);
        }
        match decision.end.filter(|_| !cancelling) {
            Some(End::Successful) => self.end_workflow_job(id, Status::Successful, "", now),
            Some(End::Failed) => self.end_workflow_job(id, Status::Failed, NO_ERROR_PATH, now),
            None if spawned => {
                self.schedule_pass(Pass::TaskManager, after(now, self.tempo.task_manager_ms));
            }
            None => {}
        }
        if cancelling {
            self.schedule_pass(Pass::WorkflowManager, after(now, self.tempo.workflow_manager_ms));
        }
    }

    fn graph(&self, id: Id) -> BTreeMap<Id, GraphNode> {
        let nodes = self.nodes_of(id);
        let known = |node: &WorkflowJobNode| {
            node.unified_job_template.is_some_and(|template| self.unified_template(template).is_some())
        };
        let node = |node: &WorkflowJobNode| GraphNode {
            standing: match node.job.and_then(|job| self.unified_status(job)) {
                Some(status) => Standing::Job(status),
                None if node.do_not_run => Standing::DoNotRun,
                None if node.job.is_none() && known(node) => Standing::Open,
                None => Standing::TemplateMissing,
            },
            edges: node.edges.clone(),
            all_parents_must_converge: node.all_parents_must_converge,
        };
        nodes.map(|row| (row.id, node(row))).collect()
    }

    /// The nodes of a workflow job, in order of their ids.
    pub fn nodes_of(&self, workflow_job: Id) -> impl Iterator<Item = &WorkflowJobNode> {
        let ids = self.rows.nodes_by_run.get(&workflow_job).into_iter().flatten();
        ids.filter_map(|id| self.rows.workflow_nodes.get(id))
    }

    /// The status of any unified job.
    #[must_use]
    pub fn unified_status(&self, id: Id) -> Option<Status> {
        let job = self.rows.jobs.get(&id).map(|job| job.status);
        let run = || self.rows.workflow_jobs.get(&id).map(|run| run.status);
        let approval = || self.rows.approvals.get(&id).map(|approval| approval.status);
        job.or_else(run).or_else(approval)
    }

    fn spawn(&mut self, workflow_job: Id, node_id: Id, now: Timestamp) {
        let artifacts = self.inherited_artifacts(workflow_job, node_id);
        let node = self.rows.workflow_nodes[&node_id].clone();
        let run = self.rows.workflow_jobs[&workflow_job].clone();
        let Some(template) = node.unified_job_template else { return };
        let spawned = if self.rows.approval_templates.contains_key(&template) {
            self.open_approval(template, node_id, run.created_by, now)
        } else {
            // Precedence: node data, then artifacts, and the workflow's own variables win
            // (CONTRACT.md §7, MEASURED 12).
            let mut extra_vars =
                self.rows.job_templates.get(&template).map(|t| t.extra_vars.clone()).unwrap_or_default();
            extra_vars.extend(node.extra_data.clone());
            extra_vars.extend(artifacts.clone());
            extra_vars.extend(run.extra_vars.clone());
            let origin = JobOrigin {
                launch_type: LaunchType::Workflow,
                workflow_node: Some(node_id),
                created_by: run.created_by,
            };
            let Some(mut job) = self.new_job(template, extra_vars, origin, now) else { return };
            job.survey_passwords = run.survey_passwords;
            let id = job.id;
            self.rows.jobs.insert(id, job);
            id
        };
        if let Some(row) = self.rows.workflow_nodes.get_mut(&node_id) {
            row.job = Some(spawned);
            row.ancestor_artifacts = artifacts;
            row.modified = now;
        }
    }

    /// What the parents of a node reported, in order of their ids, inherited included; failed parents too.
    fn inherited_artifacts(&self, workflow_job: Id, node: Id) -> Map<String, Value> {
        let leads = |parent: &&WorkflowJobNode| {
            let edges = &parent.edges;
            edges.success.contains(&node) || edges.failure.contains(&node) || edges.always.contains(&node)
        };
        let mut artifacts = Map::new();
        for parent in self.nodes_of(workflow_job).filter(leads) {
            artifacts.extend(parent.ancestor_artifacts.clone());
            if let Some(job) = parent.job.and_then(|id| self.rows.jobs.get(&id)) {
                artifacts.extend(job.artifacts.clone());
            }
        }
        artifacts
    }

    fn open_approval(&mut self, template: Id, node: Id, created_by: Id, now: Timestamp) -> Id {
        let row = self.rows.approval_templates[&template].clone();
        let id = self.next_id(Table::UnifiedJob);
        let expires = (row.timeout_secs > 0).then(|| after(now, i64::from(row.timeout_secs) * 1_000));
        let approval = WorkflowApproval {
            id,
            name: row.name,
            description: row.description,
            approval_template: template,
            created: now,
            modified: now,
            created_by,
            status: Status::Pending,
            finished: None,
            canceled_on: None,
            job_explanation: String::new(),
            timed_out: false,
            expires,
            approved_or_denied_by: None,
            workflow_node: node,
        };
        self.rows.approvals.insert(id, approval);
        if let Some(at) = expires {
            self.schedule(at, Due::ApprovalExpires(id));
        }
        self.notify_approval(id, super::bodies::ApprovalWord::NeedsReview, now);
        id
    }

    pub(super) fn end_workflow_job(&mut self, id: Id, status: Status, explanation: &str, now: Timestamp) {
        if let Some(run) = self.rows.workflow_jobs.get_mut(&id) {
            run.status = status;
            run.finished = Some(now);
            explanation.clone_into(&mut run.job_explanation);
        }
        let event = if status == Status::Successful { NoticeEvent::Success } else { NoticeEvent::Error };
        self.notify_workflow_job(id, event, now);
        self.schedule_pass(Pass::TaskManager, after(now, self.tempo.task_manager_ms));
    }
}
