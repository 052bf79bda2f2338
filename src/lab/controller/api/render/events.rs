//! Job events. Recordings: `job_events_*`.

use serde_json::{Value, json};

use super::super::super::model::Id;
use super::super::super::model::rows::{JobEvent, playbook_name};
use super::super::kind::Kind;
use super::{Show, object, time};

impl Show<'_> {
    /// One row of `jobs/N/job_events/`.
    #[must_use]
    pub fn job_event(&self, job: Id, event: &JobEvent) -> Value {
        let row = self.controller.rows.jobs.get(&job);
        let playbook = row.map_or("", |row| row.playbook.as_str());
        let play = playbook_name(playbook);
        let on_host = event.event.starts_with("runner_");
        let mut summary = row.and_then(|_| self.job_summary(job)).unwrap_or_default();
        summary["job_template_id"] = json!(row.and_then(|row| row.job_template));
        summary["job_template_name"] = json!(row.map(|row| row.name.clone()));
        let mut data = object(json!({"playbook": playbook, "play": play, "task": event.task}));
        if on_host {
            data.extend(object(json!({"host": "localhost", "res": event.res, "task_action": "lab"})));
        }
        if event.event == "playbook_on_stats" {
            data.insert("artifact_data".to_owned(), json!(row.map(|row| row.artifacts.clone())));
        }
        let own = format!("{}job_events/{}/", self.prefix, event.id);
        json!({
            "id": event.id, "type": "job_event", "url": own,
            "related": {"job": self.url(Kind::Job, job), "children": format!("{own}children/")},
            "summary_fields": {"job": summary, "role": {}}, "created": time(event.created),
            "modified": time(event.created), "job": job, "event": event.event, "counter": event.counter,
            "event_display": event_display(&event.event), "event_data": data,
            "event_level": if on_host { 3 } else { 1 }, "failed": event.failed, "changed": event.changed,
            "uuid": format!("{:08x}-0000-4000-8000-{job:012x}", event.id), "parent_uuid": "", "host": null,
            "host_name": if on_host { "localhost" } else { "" }, "playbook": playbook,
            "play": if event.event == "playbook_on_stats" { "" } else { play }, "task": event.task,
            "role": "", "stdout": event.stdout, "start_line": event.start_line,
            "end_line": event.end_line, "verbosity": 0,
        })
    }
}

fn event_display(event: &str) -> &'static str {
    match event {
        "playbook_on_start" => "Playbook Started",
        "playbook_on_play_start" => "Play Started",
        "runner_on_ok" => "Host OK",
        "runner_on_failed" => "Host Failed",
        "playbook_on_stats" => "Playbook Complete",
        _ => "Verbose",
    }
}
