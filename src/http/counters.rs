//! Counters and their text for Prometheus. Small on purpose: a family has one label that comes from outside and one
//! that is a word of ours, and the number of its series is bounded.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use super::state::NeighbourCalls;
use crate::journal::JournalStats;
use crate::vm_request::Phase;

/// The most values of a label that comes from outside; further ones count as [`OTHER`].
const LABELS_MAX: usize = 200;
const OTHER: &str = "(other)";

/// Everything the HTTP surface counts.
#[derive(Debug, Default)]
pub struct Counters {
    /// Deliveries and API calls by source and outcome.
    pub intake: Family,
    /// Notifications by template: `expected`, `seen`, `late`, `never`.
    pub callbacks: Family,
    /// Notifications that were not about a request, by controller and reason.
    pub callbacks_unused: Family,
    /// Operators' actions by name and outcome.
    pub actions: Family,
    /// Answers by operation and class of status.
    pub answers: Family,
}

/// Counters of one name.
#[derive(Debug, Default)]
pub struct Family(Mutex<BTreeMap<String, BTreeMap<&'static str, u64>>>);

impl Family {
    /// Counts one.
    pub fn add(&self, label: &str, word: &'static str) {
        let mut series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // No allocation once the series is there: this is on the path of every delivery.
        if let Some(words) = series.get_mut(label) {
            *words.entry(word).or_default() += 1;
            return;
        }
        let label = if series.len() < LABELS_MAX { label } else { OTHER };
        *series.entry(label.to_owned()).or_default().entry(word).or_default() += 1;
    }

    /// The count.
    #[must_use]
    pub fn get(&self, label: &str, word: &str) -> u64 {
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        series.get(label).and_then(|words| words.get(word)).copied().unwrap_or_default()
    }

    fn write(&self, text: &mut String, head: &Head<'_>) {
        head.write(text, "counter");
        let series = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (label, words) in series.iter() {
            for (word, count) in words {
                let (name, [first, second], label) = (head.name, head.labels, escape(label));
                let _ = writeln!(text, "{name}{{{first}=\"{label}\",{second}=\"{word}\"}} {count}");
            }
        }
    }
}

struct Head<'a> {
    name: &'a str,
    help: &'a str,
    labels: [&'a str; 2],
}

impl Head<'_> {
    fn write(&self, text: &mut String, kind: &str) {
        let _ = writeln!(text, "# HELP {} {}\n# TYPE {} {kind}", self.name, self.help, self.name);
    }
}

impl Counters {
    /// A run was accepted whose template sends notifications: one is expected.
    pub fn callback_expected(&self, template: &str) {
        self.callbacks.add(template, "expected");
    }

    /// A run was over for long and its notification never came.
    pub fn callback_never(&self, template: &str) {
        self.callbacks.add(template, "never");
    }

    /// Everything, in Prometheus' text format.
    #[must_use]
    pub fn text(&self, journal: &JournalStats, open: &[(Phase, u64)], calls: &[NeighbourCalls]) -> String {
        let mut text = String::with_capacity(4_096);
        let families = [
            (&self.intake, "causeway_intake_total", "Deliveries and API calls.", ["source", "outcome"]),
            (&self.callbacks, "causeway_callbacks_total", "Notifications of runs.", ["template", "what"]),
            (
                &self.callbacks_unused,
                "causeway_callbacks_unused_total",
                "Notifications that were about no request.",
                ["controller", "reason"],
            ),
            (&self.actions, "causeway_actions_total", "Operators' actions.", ["action", "outcome"]),
            (&self.answers, "causeway_http_answers_total", "HTTP answers.", ["operation", "status"]),
        ];
        for (family, name, help, labels) in families {
            family.write(&mut text, &Head { name, help, labels });
        }
        requests_text(&mut text, open);
        calls_text(&mut text, calls);
        journal_text(&mut text, journal);
        text
    }
}

fn requests_text(text: &mut String, open: &[(Phase, u64)]) {
    let name = "causeway_requests_open";
    Head { name, help: "Requests that are not at their end, by phase.", labels: ["", ""] }
        .write(text, "gauge");
    for (phase, count) in open {
        let _ = writeln!(text, "{name}{{phase=\"{}\"}} {count}", phase.name());
    }
}

fn calls_text(text: &mut String, calls: &[NeighbourCalls]) {
    let name = "causeway_neighbour_calls_total";
    Head { name, help: "Calls to controllers and vCenters.", labels: ["", ""] }.write(text, "counter");
    for NeighbourCalls { neighbour, outcome, count } in calls {
        let neighbour = escape(neighbour);
        let _ = writeln!(text, "{name}{{neighbour=\"{neighbour}\",outcome=\"{outcome}\"}} {count}");
    }
}

fn journal_text(text: &mut String, stats: &JournalStats) {
    let rows = [
        ("causeway_journal_commits_total", "counter", "Durable transactions.", stats.commits),
        ("causeway_journal_events_total", "counter", "Durable events.", stats.events),
        (
            "causeway_journal_storage_failures_total",
            "counter",
            "Refused transactions.",
            stats.storage_failures,
        ),
        ("causeway_journal_write_backs_total", "counter", "Write-backs of the log.", stats.write_backs),
        ("causeway_journal_intake_queue", "gauge", "Admissions that wait.", stats.intake_queue as u64),
        ("causeway_journal_reconciler_queue", "gauge", "Appends that wait.", stats.reconciler_queue as u64),
        ("causeway_journal_last_commit_micros", "gauge", "The last commit.", stats.last_commit_micros),
        (
            "causeway_journal_longest_commit_micros",
            "gauge",
            "The longest commit.",
            stats.longest_commit_micros,
        ),
        ("causeway_journal_position", "gauge", "Position of the last event.", stats.position),
    ];
    for (name, kind, help, value) in rows {
        Head { name, help, labels: ["", ""] }.write(text, kind);
        let _ = writeln!(text, "{name} {value}");
    }
}

fn escape(label: &str) -> String {
    label.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_counted_escaped_and_bounded() {
        let counters = Counters::default();
        counters.callbacks.add("VM \"Deployment\"\n", "seen");
        counters.callbacks.add("VM \"Deployment\"\n", "seen");
        for index in 0..LABELS_MAX * 2 {
            counters.intake.add(&format!("source {index}"), "new");
        }
        let stats = JournalStats { position: 7, ..JournalStats::default() };
        let calls = NeighbourCalls { neighbour: "vcenter \"a\"".to_owned(), outcome: "failed", count: 3 };
        let text = counters.text(&stats, &[(Phase::Held, 2)], &[calls]);
        assert!(text.contains("causeway_requests_open{phase=\"held\"} 2\n"), "{text}");
        assert!(text.contains(r#"{neighbour="vcenter \"a\"",outcome="failed"} 3"#), "{text}");
        assert!(
            text.contains(r#"causeway_callbacks_total{template="VM \"Deployment\"\n",what="seen"} 2"#),
            "{text}"
        );
        assert!(text.contains("causeway_journal_position 7\n"));
        assert_eq!(counters.intake.get(OTHER, "new"), LABELS_MAX as u64);
    }
}
