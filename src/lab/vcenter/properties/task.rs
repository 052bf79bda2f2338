//! Tasks: `info`.

use super::Scene;
use crate::lab::vcenter::fault::localized;
use crate::lab::vcenter::value::Val;
use crate::lab::vsphere::{Moid, Task};

pub(super) const NAMES: [&str; 1] = ["info"];

impl Scene<'_> {
    pub(super) fn task_property(&self, moid: Moid, name: &str) -> Option<Val> {
        let task = self.vsphere.task(moid)?;
        match name {
            "info" => Some(self.task_info(task)),
            "value" | "availableField" => Some(Val::List("CustomFieldValue", Vec::new())),
            _ => None,
        }
    }

    /// `TaskInfo`.
    pub(in crate::lab::vcenter) fn task_info(&self, task: &Task) -> Val {
        let description = |text: &str| {
            let fields = vec![("key", Val::text(&task.description_id)), ("message", Val::text(text))];
            Val::of("LocalizableMessage", fields)
        };
        let name = task.description_id.rsplit('.').next().unwrap_or_default();
        let clone_name = if name == "clone" { "CloneVM_Task".to_owned() } else { format!("{name}_Task") };
        Val::of(
            "TaskInfo",
            vec![
                ("key", Val::Text(task.moid.to_string())),
                ("task", Val::moref(task.moid)),
                ("description", Val::maybe(task.description.as_deref(), description)),
                ("name", Val::Text(clone_name)),
                ("descriptionId", Val::text(&task.description_id)),
                ("entity", Val::moref(task.entity)),
                ("entityName", Val::text(&task.entity_name)),
                ("state", Val::Word("TaskInfoState", task.state.as_str().to_owned())),
                ("cancelled", Val::Bool(false)),
                ("cancelable", Val::Bool(false)),
                ("error", Val::maybe(task.error.as_ref(), localized)),
                ("result", Val::maybe(task.result, |moid| Val::any(Val::moref(moid)))),
                ("progress", Val::maybe(task.progress(self.now), Val::int)),
                ("reason", Val::one_of("TaskReasonUser", vec![("userName", Val::text(&task.user))])),
                ("queueTime", Val::Time(task.queued_at)),
                ("startTime", Val::maybe(task.started_at, Val::Time)),
                ("completeTime", Val::maybe(task.completed_at, Val::Time)),
                ("eventChainId", Val::int(task.moid.number())),
            ],
        )
    }
}
