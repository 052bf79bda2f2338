//! Job events: enough of them that a client finds the reason of a failure where the real controller keeps
//! it, in `runner_on_failed` → `event_data.res.msg` (MEASURED 16), and the artifacts in
//! `playbook_on_stats`. Every line of the lab's stdout belongs to one event.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::rows::{Id, JobEvent};
use super::{Controller, Table};

impl Controller {
    pub(super) fn record_events(&mut self, id: Id, failure: Option<&(String, String)>, now: Timestamp) {
        let Some(job) = self.rows.jobs.get(&id) else { return };
        let play = job.playbook.trim_end_matches(".yml").to_owned();
        let recap = job.recap.unwrap_or_default();
        let mut script: Vec<Line> = vec![
            Line::plain("playbook_on_start", "", ""),
            Line::plain("playbook_on_play_start", "", &format!("PLAY [{play}] {}", "*".repeat(40))),
        ];
        for number in 0..recap.ok {
            let task = format!("{play} : step {}", number + 1);
            let mut line = Line::plain("runner_on_ok", &task, "ok: [localhost]");
            line.changed = number < recap.changed;
            script.push(line);
        }
        if let Some((task, message)) = failure {
            let shown =
                format!("fatal: [localhost]: FAILED! => {{\"changed\": false, \"msg\": \"{message}\"}}");
            let mut line = Line::plain("runner_on_failed", task, &shown);
            line.failed = true;
            line.res.insert("msg".to_owned(), json!(message));
            script.push(line);
        }
        let sums = format!("localhost : ok={} changed={} failed={}", recap.ok, recap.changed, recap.failures);
        script.push(Line::plain("playbook_on_stats", "", &format!("PLAY RECAP {}\n{sums}", "*".repeat(40))));
        let events = self.numbered(script, now);
        if let Some(job) = self.rows.jobs.get_mut(&id) {
            job.events = events;
        }
    }

    fn numbered(&mut self, script: Vec<Line>, now: Timestamp) -> Vec<JobEvent> {
        let mut next_line = 0;
        let mut events = Vec::with_capacity(script.len());
        for (counter, line) in (1..).zip(script) {
            let lines = u32::try_from(line.stdout.lines().count()).unwrap_or(u32::MAX);
            let start_line = next_line;
            next_line += lines;
            events.push(JobEvent {
                id: self.next_id(Table::JobEvent),
                counter,
                event: line.event,
                task: line.task,
                failed: line.failed,
                changed: line.changed,
                res: line.res,
                stdout: line.stdout,
                start_line,
                end_line: next_line,
                created: now,
            });
        }
        events
    }
}

struct Line {
    event: String,
    task: String,
    failed: bool,
    changed: bool,
    res: Map<String, Value>,
    stdout: String,
}

impl Line {
    fn plain(event: &str, task: &str, stdout: &str) -> Self {
        let res = json!({"changed": false, "_ansible_no_log": false});
        Self {
            event: event.to_owned(),
            task: task.to_owned(),
            failed: false,
            changed: false,
            res: res.as_object().cloned().unwrap_or_default(),
            stdout: stdout.to_owned(),
        }
    }
}
