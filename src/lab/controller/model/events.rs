//! Job events: enough of them that a client finds the reason of a failure where the real controller keeps
//! it, in `runner_on_failed` → `event_data.res.msg` (MEASURED 16), and the artifacts in
//! `playbook_on_stats`. Every line of the lab's stdout belongs to one event.

use jiff::Timestamp;
use serde_json::json;

use super::passes::Reported;
use super::rows::{Id, Job, JobEvent, playbook_name};
use super::{Controller, Table};

impl Controller {
    /// Stores what a run reported; of a run that was only modelled, what it would have reported.
    pub(super) fn record_events(
        &mut self,
        id: Id,
        failure: Option<&(String, String)>,
        reported: Vec<Reported>,
        now: Timestamp,
    ) {
        let Some(job) = self.rows.jobs.get(&id) else { return };
        let script = if reported.is_empty() { made_up(job, failure) } else { reported };
        let events = self.numbered(script, now);
        if let Some(job) = self.rows.jobs.get_mut(&id) {
            job.events = events;
        }
    }

    fn numbered(&mut self, script: Vec<Reported>, now: Timestamp) -> Vec<JobEvent> {
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

/// The events of a modelled run.
fn made_up(job: &Job, failure: Option<&(String, String)>) -> Vec<Reported> {
    let play = playbook_name(&job.playbook);
    let recap = job.recap.unwrap_or_default();
    let mut script = vec![
        plain("playbook_on_start", "", ""),
        plain("playbook_on_play_start", "", &format!("PLAY [{play}] {}", "*".repeat(40))),
    ];
    for number in 0..recap.ok {
        let task = format!("{play} : step {}", number + 1);
        let mut line = plain("runner_on_ok", &task, "ok: [localhost]");
        line.changed = number < recap.changed;
        script.push(line);
    }
    if let Some((task, message)) = failure {
        let shown = format!("fatal: [localhost]: FAILED! => {{\"changed\": false, \"msg\": \"{message}\"}}");
        let mut line = plain("runner_on_failed", task, &shown);
        line.failed = true;
        line.res.insert("msg".to_owned(), json!(message));
        script.push(line);
    }
    let sums = format!("localhost : ok={} changed={} failed={}", recap.ok, recap.changed, recap.failures);
    script.push(plain("playbook_on_stats", "", &format!("PLAY RECAP {}\n{sums}", "*".repeat(40))));
    script
}

fn plain(event: &str, task: &str, stdout: &str) -> Reported {
    let res = json!({"changed": false, "_ansible_no_log": false});
    Reported {
        event: event.to_owned(),
        task: task.to_owned(),
        failed: false,
        changed: false,
        res: res.as_object().cloned().unwrap_or_default(),
        stdout: stdout.to_owned(),
    }
}
