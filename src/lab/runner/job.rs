//! One run of `ansible-runner`: its private data folder as the controller lays it out, the process, and how it ended.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Map, Value, json};
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::super::controller::model::{Id, JobEnd, RunningJob, Status};
use super::super::world::World;
use super::{RunnerOptions, reports};

/// How long a run that was told to stop may take before it is killed, in seconds.
const STOP_SECS_MAX: u64 = 10;
/// What ansible-runner says on standard error goes there.
const COMPLAINTS: &str = "stderr";

/// A job of the controller, with what its run is given.
pub(super) struct Ticket {
    job: RunningJob,
    /// The state inventory, as the controller hands a job template's inventory to Ansible.
    inventory: Value,
}

impl Ticket {
    /// The running job `id`; `None` when it does not run any more.
    pub fn of(world: &World, id: Id) -> Option<Self> {
        let job = world.controller.running_job(id)?;
        Some(Self { job, inventory: inventory(world) })
    }

    pub const fn id(&self) -> Id {
        self.job.id
    }
}

/// The hosts of the state inventory in its group, with their variables.
fn inventory(world: &World) -> Value {
    let hosts = world.controller.hosts_of(world.content.state_inventory);
    let hosts: Map<String, Value> = hosts.map(|(name, variables)| (name, Value::Object(variables))).collect();
    let names: Map<String, Value> = hosts.keys().map(|name| (name.clone(), json!({}))).collect();
    json!({"all": {"hosts": hosts, "children": {"deployed_vms": {"hosts": names}}}})
}

/// A run that has its slot.
pub(super) struct Run {
    pub ticket: Ticket,
    pub options: Arc<RunnerOptions>,
    /// Below it each run has a folder of its own.
    pub folder: PathBuf,
}

impl Run {
    /// Runs the playbook to its end. `None` when the controller stopped the job meanwhile.
    pub async fn until_over(&self, mut stopped: oneshot::Receiver<()>) -> Option<JobEnd> {
        // The job may have been cancelled while it waited for a slot.
        if stopped.try_recv() == Err(oneshot::error::TryRecvError::Closed) {
            return None;
        }
        let folder = self.folder.join(self.ticket.id().to_string());
        let child = self.lay_out(&folder).and_then(|()| self.spawn(&folder));
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return Some(could_not_run(&error.to_string())),
        };
        tokio::select! {
            ended = child.wait() => Some(self.end(&folder, ended)),
            _ = &mut stopped => {
                stop(&mut child).await;
                None
            }
        }
    }

    fn ident(&self) -> String {
        format!("job-{}", self.ticket.id())
    }

    /// ansible-runner's private data folder: `env/extravars`, `env/settings`, `inventory/hosts.json`.
    fn lay_out(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder.join("env"))?;
        std::fs::create_dir_all(folder.join("inventory"))?;
        let write = |name: &str, value: &Value| std::fs::write(folder.join(name), value.to_string());
        write("env/extravars", &Value::Object(self.extra_vars()))?;
        write("env/settings", &json!({"suppress_ansible_output": true}))?;
        write("inventory/hosts.json", &self.ticket.inventory)
    }

    /// The job's variables and those that the controller adds by itself (under both of its prefixes).
    fn extra_vars(&self) -> Map<String, Value> {
        let job = &self.ticket.job;
        let mut vars = job.extra_vars.clone();
        for prefix in ["awx", "tower"] {
            vars.insert(format!("{prefix}_job_id"), json!(job.id));
            vars.insert(format!("{prefix}_job_launch_type"), json!("workflow"));
            if let Some(run) = job.workflow_job {
                vars.insert(format!("{prefix}_workflow_job_id"), json!(run));
            }
        }
        vars
    }

    fn spawn(&self, folder: &Path) -> std::io::Result<Child> {
        let options = &self.options;
        // The controller runs its programs from the environment's own `bin`.
        let inherited = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{inherited}", options.programs.display());
        Command::new(options.programs.join("ansible-runner"))
            .arg("run")
            .arg(folder)
            .args(["--ident", &self.ident(), "--playbook", &self.ticket.job.playbook])
            .arg("--project-dir")
            .arg(&options.content)
            .arg("--inventory")
            .arg(folder.join("inventory/hosts.json"))
            .env("PATH", path)
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_RETRY_FILES_ENABLED", "0")
            .env("ANSIBLE_CONFIG", options.content.join("ansible.cfg"))
            .envs(options.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join(COMPLAINTS))?)
            .kill_on_drop(true)
            .spawn()
    }

    fn end(&self, folder: &Path, ended: std::io::Result<ExitStatus>) -> JobEnd {
        let code = match ended {
            Ok(status) => status.code(),
            Err(error) => return could_not_run(&error.to_string()),
        };
        match reports::read(&folder.join("artifacts").join(self.ident())) {
            Ok(reports) if !reports.is_empty() => {
                let status = if code == Some(0) { Status::Successful } else { Status::Failed };
                reports::end(status, reports)
            }
            Ok(_) | Err(_) => {
                let said = std::fs::read_to_string(folder.join(COMPLAINTS)).unwrap_or_default();
                let last = said.lines().last().unwrap_or("it said nothing");
                could_not_run(&format!("ansible-runner ended with {code:?} and reported nothing: {last}"))
            }
        }
    }
}

/// A run that the controller itself could not get going (status `error`).
fn could_not_run(why: &str) -> JobEnd {
    tracing::warn!(why, "the lab could not run a playbook");
    JobEnd { failure: Some(("run".to_owned(), why.to_owned())), ..JobEnd::bare(Status::Error) }
}

/// ansible-runner passes a SIGTERM on to Ansible; one that does not end is killed.
async fn stop(child: &mut Child) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, Signal::TERM)
    {
        tracing::debug!(%error, "the run was over already");
    }
    let limit = std::time::Duration::from_secs(STOP_SECS_MAX);
    if tokio::time::timeout(limit, child.wait()).await.is_err()
        && let Err(error) = child.kill().await
    {
        tracing::warn!(%error, "a run could not be stopped");
    }
}
