//! Clone tasks that are queued or running, and what they will call their VM.
//!
//! A clone's `TaskInfo` names the source, not the target. The target's name stands in the event that
//! opens the task's chain (`VmBeingClonedEvent.destName`), so both are read. Where a task tells no chain
//! (govmomi's simulator leaves `eventChainId` zero), every clone event of the same source since shortly
//! before the task was queued is taken for possible. A chain without such an event yet, and events that
//! this user may not read, leave the target unknown. Tasks of other kinds (deployments from a content
//! library or an OVF) are not clone tasks and are not looked at.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::errors::VcenterError;
use super::inventory::{Tree, unescaped};
use super::properties::{Object, Wanted};
use super::session::Channel;
use super::soap::MoRef;
use super::xml::Element;

/// An event may be written this long before its task is queued.
const EVENT_BEFORE_TASK_SECS: i64 = 300;

/// A clone that vCenter has not finished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CloneTask {
    /// Managed object id of the task, e.g. `task-1234`.
    pub task: String,
    pub state: CloneTaskState,
    /// Managed object id of the VM or template that is cloned.
    pub source_moid: Option<String>,
    /// Its name, as the task tells it.
    pub source_name: Option<String>,
    pub queued_at: Option<Timestamp>,
    pub started_at: Option<Timestamp>,
    /// Who asked, e.g. `VSPHERE.LOCAL\causeway`.
    pub user: Option<String>,
    pub progress_percent: Option<u8>,
    /// What the new VM may be called and where it goes: one when vCenter tells, several when it cannot
    /// be told which of some concurrent clones it is, none when vCenter does not tell.
    pub targets: Vec<CloneTarget>,
}

/// Where a clone goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CloneTarget {
    pub name: String,
    pub datacenter: Option<String>,
    /// Path below the `vm` folder.
    pub folder: Option<String>,
}

/// States of a task that is not finished, as vSphere spells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CloneTaskState {
    Queued,
    Running,
}

impl CloneTask {
    /// Whether this task may create a VM `name` in `datacenter`: true unless vCenter tells otherwise.
    #[must_use]
    pub fn may_create(&self, name: &str, datacenter: Option<&str>) -> bool {
        let elsewhere = |target: &CloneTarget| matches!((datacenter, target.datacenter.as_deref()), (Some(wanted), Some(seen)) if wanted != seen);
        self.targets.is_empty() || self.targets.iter().any(|t| t.name == name && !elsewhere(t))
    }
}

/// A running clone and what joins it to its event.
#[derive(Debug)]
struct Running {
    task: CloneTask,
    event_chain_id: i64,
}

/// A `VmBeingClonedEvent`.
#[derive(Debug)]
struct CloneEvent {
    chain_id: i64,
    created_at: Option<Timestamp>,
    source: Option<String>,
    dest_name: String,
    dest_folder: Option<String>,
}

/// Reads all clone tasks that are queued or running.
pub(super) async fn running_clones(channel: Channel) -> Result<Vec<CloneTask>, VcenterError> {
    let manager = channel.live.service.task_manager.clone().ok_or_else(|| VcenterError::NotUnderstood {
        vcenter: channel.vcenter().to_owned(),
        method: "RetrieveServiceContent".to_owned(),
        what: "no task manager".to_owned(),
    })?;
    let mut recent: Vec<MoRef> = Vec::new();
    let wanted = [Wanted { kind: "TaskManager", paths: &["recentTask"] }];
    channel
        .read_objects(&[manager], &wanted, &mut |object| recent = object.references_at("recentTask"))
        .await?;

    let mut running: Vec<Running> = Vec::new();
    let wanted = [Wanted { kind: "Task", paths: &["info"] }];
    channel.read_objects(&recent, &wanted, &mut |object| running.extend(read_task(object))).await?;
    if running.is_empty() {
        return Ok(Vec::new());
    }
    let events = clone_events(&channel, &running).await?;
    let tree = Tree::read(&channel).await?;
    Ok(running.into_iter().map(|clone| with_targets(clone, &events, &tree)).collect())
}

/// `None` for a task of another kind or one that is over.
fn read_task(object: &Object<'_, '_>) -> Option<Running> {
    let info = object.value("info")?;
    let state = match info.text_of("state") {
        Some("queued") => CloneTaskState::Queued,
        Some("running") => CloneTaskState::Running,
        Some(_) | None => return None,
    };
    if !is_clone(info) {
        return None;
    }
    let user = info.child("reason").and_then(|reason| reason.text_of("userName"));
    let task = CloneTask {
        task: object.reference.id.clone(),
        state,
        source_moid: info.text_of("entity").map(str::to_owned),
        source_name: info.text_of("entityName").map(unescaped),
        queued_at: timestamp(info, "queueTime"),
        started_at: timestamp(info, "startTime"),
        user: user.map(str::to_owned),
        progress_percent: info.text_of("progress").and_then(|p| p.parse().ok()),
        targets: Vec::new(),
    };
    Some(Running { task, event_chain_id: number(info, "eventChainId") })
}

/// vCenter writes `CloneVM_Task` and `VirtualMachine.clone`; govmomi's simulator `CloneVm` and
/// `VirtualMachine.cloneVm`. Either field may be blank.
fn is_clone(info: &Element<'_>) -> bool {
    let name = info.text_of("name").unwrap_or_default().to_ascii_lowercase();
    let description = info.text_of("descriptionId").unwrap_or_default().to_ascii_lowercase();
    name.strip_suffix("_task").unwrap_or(&name) == "clonevm"
        || matches!(description.as_str(), "virtualmachine.clone" | "virtualmachine.clonevm")
}

fn timestamp(element: &Element<'_>, name: &str) -> Option<Timestamp> {
    element.text_of(name).and_then(|text| text.parse().ok())
}

fn number(element: &Element<'_>, name: &str) -> i64 {
    element.text_of(name).and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// The clone events since the first of these tasks was queued, by the server's own clock.
async fn clone_events(channel: &Channel, running: &[Running]) -> Result<Vec<CloneEvent>, VcenterError> {
    let Some(manager) = &channel.live.service.event_manager else { return Ok(Vec::new()) };
    let first = running.iter().filter_map(|r| r.task.queued_at).min();
    let since = first.and_then(|t| t.checked_sub(SignedDuration::from_secs(EVENT_BEFORE_TASK_SECS)).ok());
    let time = since.map(|t| format!("<time><beginTime>{t}</beginTime></time>")).unwrap_or_default();
    // Servers and clients write the type with and without its package.
    let types: String = ["VmBeingClonedEvent", "vim.event.VmBeingClonedEvent"]
        .iter()
        .map(|kind| format!("<eventTypeId>{kind}</eventTypeId>"))
        .collect();
    let arguments = format!("<filter>{time}{types}</filter>");
    let reply = channel.call("QueryEvents", manager, &arguments).await?;
    let read = reply.open(|answer| Ok(answer.children_named("returnval").filter_map(read_event).collect()));
    match read {
        Err(error @ VcenterError::Fault { .. }) => {
            tracing::warn!(vcenter = %channel.vcenter(), %error, "the targets of running clones stay unknown");
            Ok(Vec::new())
        }
        other => other,
    }
}

fn read_event(event: &Element<'_>) -> Option<CloneEvent> {
    let inner =
        |holder: &str, name: &str| event.child(holder).and_then(|h| h.text_of(name)).map(str::to_owned);
    Some(CloneEvent {
        chain_id: number(event, "chainId"),
        created_at: timestamp(event, "createdTime"),
        source: inner("vm", "vm"),
        dest_name: unescaped(event.text_of("destName")?),
        dest_folder: inner("destFolder", "folder"),
    })
}

fn with_targets(clone: Running, events: &[CloneEvent], tree: &Tree) -> CloneTask {
    let mut task = clone.task;
    let since =
        task.queued_at.and_then(|t| t.checked_sub(SignedDuration::from_secs(EVENT_BEFORE_TASK_SECS)).ok());
    let is_its_own = |event: &&CloneEvent| match clone.event_chain_id {
        0 => event.source == task.source_moid && (event.created_at.is_none() || event.created_at >= since),
        chain => event.chain_id == chain,
    };
    let targets: BTreeSet<CloneTarget> = events
        .iter()
        .filter(is_its_own)
        .map(|event| {
            let folder = event.dest_folder.as_deref();
            CloneTarget {
                name: event.dest_name.clone(),
                datacenter: folder.and_then(|id| tree.datacenter(id)),
                folder: folder.map(|id| tree.folder_path(id)),
            }
        })
        .collect();
    task.targets = targets.into_iter().collect();
    task
}
