//! Launching: what a template asks, what a body may say, and the row that comes of it
//! (CONTRACT.md §3; MEASURED 1–10). A workflow job template refuses what it does not prompt for; a job
//! template ignores it and says so.

#![expect(clippy::wildcard_enum_match_arm, reason = "only numbers and texts have their own words")]

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::access::Caller;
use super::refusal::Refusal;
use super::rows::{
    AskOnLaunch, Id, Job, Prompts, Scope, TemplateNode, WorkflowJob, WorkflowJobNode, WorkflowJobTemplate,
};
use super::status::{LaunchType, Status};
use super::survey::Survey;
use super::variables::parse_extra_vars;
use super::{Controller, Due, Pass, Table, after};

/// The body of a launch, as posted. Unknown fields are dropped without a word.
pub type LaunchBody = Map<String, Value>;

/// A workflow job that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkflowLaunch {
    pub workflow_job: Id,
    /// When its transaction commits; until then nobody sees it.
    pub commits_at: Timestamp,
}

/// A job that was accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct JobLaunch {
    pub job: Id,
    /// What was sent but is not prompted for.
    pub ignored_fields: Map<String, Value>,
}

impl Controller {
    /// `POST workflow_job_templates/N/launch/`. The row commits at `commits_at`, which is `now` unless
    /// something holds the transaction up; its id is taken at once (CONTRACT.md finding 3, 4).
    ///
    /// # Errors
    /// 404, 403, or 400 with the fields named; then there is no run.
    pub fn launch_workflow(
        &mut self,
        caller: Caller,
        template: Id,
        body: &LaunchBody,
        now: Timestamp,
        commits_at: Timestamp,
    ) -> Result<WorkflowLaunch, Refusal> {
        let row = self.rows.workflow_job_templates.get(&template);
        let row = row.ok_or(Refusal::NotFound("WorkflowJobTemplate"))?.clone();
        if caller.scope == Scope::Read || !self.starts_workflow_template(caller.user, template) {
            return Err(Refusal::forbidden());
        }
        let (prompts, labels) =
            self.checked_prompts(caller, (row.ask, &asked_variables(row.survey_on())), body)?;
        let sent = workflow_variables(&row, body)?;
        let mut extra_vars = row.extra_vars.clone();
        let survey = row.survey_on();
        if let Some(survey) = survey {
            extra_vars.extend(survey.defaults(&sent));
        }
        extra_vars.extend(sent);
        let passwords = survey.map(Survey::passwords).unwrap_or_default();
        let job = WorkflowJob {
            id: self.next_id(Table::UnifiedJob),
            name: row.name.clone(),
            organization: row.organization,
            workflow_job_template: Some(template),
            created: now,
            modified: now,
            created_by: caller.user,
            launch_type: LaunchType::Manual,
            status: Status::Pending,
            started: None,
            finished: None,
            canceled_on: None,
            job_explanation: String::new(),
            extra_vars,
            survey_passwords: passwords,
            allow_simultaneous: row.allow_simultaneous,
            prompts,
            labels,
            stuck: false,
        };
        Ok(self.insert_workflow_job(job, now, commits_at))
    }

    pub(super) fn insert_workflow_job(
        &mut self,
        job: WorkflowJob,
        now: Timestamp,
        commits_at: Timestamp,
    ) -> WorkflowLaunch {
        let id = job.id;
        self.copy_nodes(id, job.workflow_job_template, now);
        self.rows.uncommitted.insert(id, job);
        if commits_at <= now {
            self.commit(id, now);
            return WorkflowLaunch { workflow_job: id, commits_at: now };
        }
        self.schedule(commits_at, Due::Commit(id));
        WorkflowLaunch { workflow_job: id, commits_at }
    }

    /// The transaction of a launch ends: the run can be seen and the task manager is told.
    pub(super) fn commit(&mut self, id: Id, now: Timestamp) {
        if let Some(job) = self.rows.uncommitted.remove(&id) {
            self.rows.workflow_jobs.insert(id, job);
            self.committed.push(id);
            self.schedule_pass(Pass::TaskManager, after(now, self.tempo.task_manager_ms));
        }
    }

    /// Node rows exist from the launch on; editing the template later does not change them
    /// (CONTRACT.md §6).
    fn copy_nodes(&mut self, workflow_job: Id, template: Option<Id>, now: Timestamp) {
        let of_template = |node: &&TemplateNode| Some(node.workflow_job_template) == template;
        let templates: Vec<TemplateNode> =
            self.rows.template_nodes.values().filter(of_template).cloned().collect();
        let ids: std::collections::BTreeMap<Id, Id> =
            templates.iter().map(|node| (node.id, self.next_id(Table::WorkflowNode))).collect();
        let mapped = |set: &BTreeSet<Id>| set.iter().filter_map(|id| ids.get(id).copied()).collect();
        for node in templates {
            let row = WorkflowJobNode {
                id: ids[&node.id],
                workflow_job,
                unified_job_template: node.unified_job_template,
                job: None,
                identifier: node.identifier,
                extra_data: node.extra_data,
                edges: super::rows::Edges {
                    success: mapped(&node.edges.success),
                    failure: mapped(&node.edges.failure),
                    always: mapped(&node.edges.always),
                },
                all_parents_must_converge: node.all_parents_must_converge,
                do_not_run: false,
                ancestor_artifacts: Map::new(),
                created: now,
                modified: now,
            };
            self.rows.nodes_by_run.entry(workflow_job).or_default().push(row.id);
            self.rows.workflow_nodes.insert(row.id, row);
        }
    }

    /// The prompts of a workflow launch: 400 for what is not prompted, for unknown ids; 403 for labels that
    /// the caller cannot read.
    fn checked_prompts(
        &self,
        caller: Caller,
        (ask, asked): (AskOnLaunch, &BTreeSet<String>),
        body: &LaunchBody,
    ) -> Result<(Prompts, BTreeSet<Id>), Refusal> {
        let mut faults = not_prompted(ask, body);
        if !ask.variables {
            // Reported together with the other fields (launch_extra_vars_not_prompted_wfjt_400).
            // Alone, they are judged together with the survey.
            let sent = parse_extra_vars(body.get("extra_vars")).unwrap_or_default();
            if let Some((key, message)) = rejected_variables(&sent, asked).filter(|_| !faults.is_empty()) {
                faults.insert(key, message);
            }
        }
        let inventory = body.get("inventory").or_else(|| body.get("inventory_id"));
        let inventory = match inventory.filter(|v| !v.is_null()).map(|v| (v, v.as_u64())) {
            Some((given, id)) => match id.filter(|id| self.rows.inventories.contains_key(id)) {
                Some(id) => Some(id),
                None => {
                    faults.insert("inventory".into(), json!([invalid_pk(given)]));
                    None
                }
            },
            None => None,
        };
        let mut labels = BTreeSet::new();
        for given in body.get("labels").and_then(Value::as_array).into_iter().flatten() {
            match given.as_u64().filter(|id| self.rows.labels.contains_key(id)) {
                Some(id) => labels.insert(id),
                None => faults.insert("labels".into(), json!([invalid_pk(given)])).is_none(),
            };
        }
        if !faults.is_empty() {
            return Err(Refusal::Invalid(Value::Object(faults)));
        }
        let readable = |id: &Id| self.reads_organization(caller.user, self.rows.labels[id].organization);
        if !labels.iter().all(readable) || inventory.is_some_and(|id| !self.reads_inventory(caller.user, id))
        {
            return Err(Refusal::forbidden());
        }
        Ok((prompts(inventory, body), labels))
    }

    /// `POST job_templates/N/launch/`.
    ///
    /// # Errors
    /// 404, 403, or 400 for variables that cannot be read.
    pub fn launch_job(
        &mut self,
        caller: Caller,
        template: Id,
        body: &LaunchBody,
        now: Timestamp,
    ) -> Result<JobLaunch, Refusal> {
        let row = self.rows.job_templates.get(&template).ok_or(Refusal::NotFound("JobTemplate"))?.clone();
        if caller.scope == Scope::Read || !self.starts_job_template(caller.user, template) {
            return Err(Refusal::forbidden());
        }
        let sent = parse_extra_vars(body.get("extra_vars")).map_err(|e| Refusal::field("extra_vars", e))?;
        let mut ignored_fields: Map<String, Value> = not_prompted(row.ask, body)
            .into_iter()
            .map(|(key, _)| (key.clone(), body.get(&key).cloned().unwrap_or(Value::Null)))
            .collect();
        for never_prompted in ["verbosity", "job_type", "diff_mode", "forks", "timeout", "job_slice_count"] {
            if let Some(value) = body.get(never_prompted) {
                ignored_fields.insert(never_prompted.to_owned(), value.clone());
            }
        }
        let mut extra_vars = row.extra_vars.clone();
        let survey = row.survey_on();
        answers_pass(survey, &sent)?;
        extra_vars.extend(survey.map(|survey| survey.defaults(&sent)).unwrap_or_default());
        let asked = asked_variables(survey);
        let (taken, ignored): (Map<_, _>, Map<_, _>) =
            sent.into_iter().partition(|(name, _)| row.ask.variables || asked.contains(name));
        extra_vars.extend(taken);
        if !ignored.is_empty() {
            ignored_fields.insert("extra_vars".to_owned(), Value::Object(ignored));
        }
        let kept: LaunchBody = body
            .iter()
            .filter(|(k, _)| !ignored_fields.contains_key(*k))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let inventory = kept.get("inventory").and_then(Value::as_u64);
        let origin =
            JobOrigin { launch_type: LaunchType::Manual, workflow_node: None, created_by: caller.user };
        let mut job =
            self.new_job(template, extra_vars, origin, now).ok_or(Refusal::NotFound("JobTemplate"))?;
        job.prompts = prompts(inventory, &kept);
        job.survey_passwords = survey.map(Survey::passwords).unwrap_or_default();
        let id = job.id;
        self.rows.jobs.insert(id, job);
        self.schedule_pass(Pass::TaskManager, after(now, self.tempo.task_manager_ms));
        Ok(JobLaunch { job: id, ignored_fields })
    }

    /// A pending job of `template`; `None` when the template is gone.
    pub(super) fn new_job(
        &mut self,
        template: Id,
        extra_vars: Map<String, Value>,
        origin: JobOrigin,
        now: Timestamp,
    ) -> Option<Job> {
        let row = self.rows.job_templates.get(&template)?.clone();
        Some(Job {
            id: self.next_id(Table::UnifiedJob),
            name: row.name,
            organization: row.organization,
            job_template: Some(template),
            inventory: row.inventory,
            project: row.project,
            playbook: row.playbook,
            created: now,
            modified: now,
            created_by: origin.created_by,
            launch_type: origin.launch_type,
            status: Status::Pending,
            started: None,
            finished: None,
            canceled_on: None,
            job_explanation: String::new(),
            extra_vars,
            survey_passwords: BTreeSet::new(),
            prompts: Prompts::default(),
            artifacts: Map::new(),
            event_processing_finished: false,
            events: Vec::new(),
            recap: None,
            workflow_node: origin.workflow_node,
        })
    }
}

/// Where a job comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct JobOrigin {
    pub launch_type: LaunchType,
    pub workflow_node: Option<Id>,
    pub created_by: Id,
}

/// Variables of a workflow launch: survey answers always, others only where the template asks for them.
fn workflow_variables(row: &WorkflowJobTemplate, body: &LaunchBody) -> Result<Map<String, Value>, Refusal> {
    let sent = parse_extra_vars(body.get("extra_vars")).map_err(|e| Refusal::field("extra_vars", e))?;
    answers_pass(row.survey_on(), &sent)?;
    if !row.ask.variables
        && let Some((key, message)) = rejected_variables(&sent, &asked_variables(row.survey_on()))
    {
        return Err(Refusal::Invalid(json!({ key: message })));
    }
    Ok(sent)
}

/// Refuses answers that an enabled survey does not take, all of them at once.
fn answers_pass(survey: Option<&Survey>, sent: &Map<String, Value>) -> Result<(), Refusal> {
    let faults = survey.map(|survey| survey.faults(sent)).unwrap_or_default();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Refusal::Invalid(json!({"variables_needed_to_start": faults})))
}

/// The variables that an enabled survey asks for.
fn asked_variables(survey: Option<&Survey>) -> BTreeSet<String> {
    survey.into_iter().flat_map(|s| s.questions.iter().map(|q| q.variable.clone())).collect()
}

fn rejected_variables(sent: &Map<String, Value>, asked: &BTreeSet<String>) -> Option<(String, Value)> {
    let rejected: Vec<&str> = sent.keys().filter(|k| !asked.contains(*k)).map(String::as_str).collect();
    (!rejected.is_empty()).then(|| {
        let message = format!(
            "Variables {} are not allowed on launch. Check the Prompt on Launch setting on the Workflow Job \
             Template to include Extra Variables.",
            rejected.join(", ")
        );
        ("extra_vars".to_owned(), json!([message]))
    })
}

/// The fields that were sent with a value but are not prompted for.
fn not_prompted(ask: AskOnLaunch, body: &LaunchBody) -> Map<String, Value> {
    let fields = [
        ("inventory", ask.inventory),
        ("limit", ask.limit),
        ("scm_branch", ask.scm_branch),
        ("labels", ask.labels),
        ("job_tags", ask.tags),
        ("skip_tags", ask.skip_tags),
    ];
    let empty = |value: &Value| value.is_null() || *value == json!("") || *value == json!([]);
    let refused = fields.iter().filter(|(name, asked)| !asked && body.get(*name).is_some_and(|v| !empty(v)));
    refused
        .map(|(name, _)| ((*name).to_owned(), json!(["Field is not configured to prompt on launch."])))
        .collect()
}

fn prompts(inventory: Option<Id>, body: &LaunchBody) -> Prompts {
    let text = |key: &str| body.get(key).and_then(Value::as_str).filter(|t| !t.is_empty()).map(str::to_owned);
    Prompts {
        inventory,
        limit: text("limit"),
        scm_branch: text("scm_branch"),
        job_tags: text("job_tags"),
        skip_tags: text("skip_tags"),
    }
}

fn invalid_pk(given: &Value) -> String {
    match given {
        Value::Number(_) => format!("Invalid pk \"{given}\" - object does not exist."),
        Value::String(_) => "Incorrect type. Expected pk value, received str.".to_owned(),
        _ => "Incorrect type. Expected pk value, received dict.".to_owned(),
    }
}
