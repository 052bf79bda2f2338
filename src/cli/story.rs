//! A journal as a story: one line for each event, readable by itself.

use anstyle::Style;

use super::output::{BAD, BOLD, DIM, GOOD, WARN, paint};
use crate::vm_request::Event;
use crate::vm_request::event::{FoundBy, RunSeen};
use crate::vm_request::hold::Difference;
use crate::vm_request::stage::{StageRecord, Verdict};
use crate::vm_request::watch::Handled;

/// The line, and lines below it where there is more to say.
pub(super) fn lines(event: &Event) -> Vec<String> {
    let (style, head, more) = told(event);
    let mut lines = vec![paint(head, style)];
    lines.extend(more.into_iter().map(|line| format!("  {line}")));
    lines
}

type Told = (Style, String, Vec<String>);

fn told(event: &Event) -> Told {
    match event {
        Event::Received(received) => {
            let ticket =
                received.ticket.as_ref().map_or(String::new(), |ticket| format!(", ticket {}", ticket.id));
            let spec = &received.spec;
            let what = format!(
                "{} CPU, {} MiB, {} {} in {} ({})",
                spec.cpu,
                spec.memory_mib,
                spec.os.name(),
                spec.os_version,
                spec.environment,
                spec.template
            );
            let head = format!("received {} from {}{ticket}", spec.vm_name, received.source);
            (BOLD, head, vec![what, format!("vm_uid {}", received.vm_uid)])
        }
        Event::Rejected(rejected) => {
            let wrong = rejected.violations.iter().map(ToString::to_string).collect();
            (BAD, format!("rejected a request from {}", rejected.source), wrong)
        }
        Event::Approved(by) => (GOOD, format!("approved by {}", by.by), comment(&by.comment)),
        Event::Denied(by) => (BAD, format!("denied by {}", by.by), comment(&by.comment)),
        Event::PreflightDone { findings, .. } if findings.is_empty() => {
            (Style::new(), "preflight: nothing stands in the way".to_owned(), Vec::new())
        }
        Event::PreflightDone { findings, .. } => {
            let found =
                findings.iter().map(|f| format!("{}: {} ({})", f.subject, f.detail, f.remedy)).collect();
            (BAD, "preflight found something in the way: held".to_owned(), found)
        }
        _ => told_of_attempt(event),
    }
}

fn told_of_attempt(event: &Event) -> Told {
    let plain = |text: String| (Style::new(), text, Vec::new());
    match event {
        Event::LaunchIntended(intended) => {
            let stages: Vec<&str> = intended.stages.iter().map(|stage| stage.name()).collect();
            let head = format!("attempt {} decided", intended.attempt_no);
            (Style::new(), head, vec![format!("stages {}", stages.join(", "))])
        }
        Event::ClaimWritten { attempt_no, claim_host } => {
            plain(format!("claim {claim_host} names attempt {attempt_no}, and no holder yet"))
        }
        Event::ClaimFoundAhead { found_attempt_no, .. } => (
            WARN,
            format!("the claim already stood at {found_attempt_no}: a higher number is needed"),
            Vec::new(),
        ),
        Event::LaunchSent { attempt_no } => plain(format!("launch of attempt {attempt_no} sent")),
        Event::LaunchAccepted { workflow_job, found_by: FoundBy::Answer, .. } => {
            plain(format!("accepted as workflow job {workflow_job}"))
        }
        Event::LaunchAccepted { workflow_job, found_by: FoundBy::Look, .. } => {
            (GOOD, format!("workflow job {workflow_job} found: the launch had gone through"), Vec::new())
        }
        Event::LaunchRefused { violations, .. } => {
            let said = violations.iter().map(ToString::to_string).collect();
            (BAD, "the controller refused the launch: held".to_owned(), said)
        }
        Event::LaunchPutOff { status, detail, .. } => {
            (WARN, format!("the controller takes no launch now ({status})"), vec![detail.clone()])
        }
        Event::LaunchUnknown { why, .. } => {
            (WARN, "the answer was lost: nobody knows whether a run exists".to_owned(), vec![why.clone()])
        }
        Event::RunNotFound { .. } => {
            (WARN, "a complete, healthy listing holds no run of this attempt".to_owned(), Vec::new())
        }
        Event::HolderRecorded { workflow_job, .. } => {
            plain(format!("the claim names workflow job {workflow_job}: it alone may act"))
        }
        Event::SurplusRuns { kept, surplus, .. } => (
            BAD,
            format!("more than one run of this attempt: {kept} stays, {surplus:?} are cancelled"),
            Vec::new(),
        ),
        Event::RunSeen(seen) => seen_run(seen),
        Event::RunJudged(judged) => {
            let verdicts =
                judged.stages.iter().map(|(stage, record)| verdict(stage.name(), record)).collect();
            let head =
                format!("workflow job {} is over, it says {}", judged.workflow_job, judged.status.name());
            (Style::new(), head, verdicts)
        }
        Event::RunVanished { workflow_job } => {
            (BAD, format!("the controller no longer shows workflow job {workflow_job}: held"), Vec::new())
        }
        _ => told_of_end(event),
    }
}

fn told_of_end(event: &Event) -> Told {
    match event {
        Event::CallbackSeen(seen) => {
            (DIM, format!("callback: {:?} {} is {}", seen.kind, seen.job, seen.status.name()), Vec::new())
        }
        Event::Verified(verified) => {
            let vm = &verified.vm;
            let address = vm.ip_address.as_deref().unwrap_or("no address");
            let what = format!("{} ({}), {address}, host {}", vm.name, vm.moid, verified.host);
            (GOOD, "verified: vCenter and the inventory show what was asked".to_owned(), vec![what])
        }
        Event::NotAsAsked { differences } => {
            (BAD, "not as asked: held".to_owned(), differences.iter().map(difference).collect())
        }
        Event::HostMarked { host } => (DIM, format!("host {host} carries the bridge's mark"), Vec::new()),
        Event::HostMarkRefused { why } => {
            (WARN, "the host could not be marked".to_owned(), vec![why.clone()])
        }
        Event::DeadlinePassed { deadline_secs } => {
            (BAD, format!("overdue after {deadline_secs} s: held, and still watched"), Vec::new())
        }
        Event::RetryAsked(by) => {
            (BOLD, format!("{} wants the unfinished stages run again", by.by), comment(&by.comment))
        }
        Event::VerifyAsked(by) => (BOLD, format!("{} wants it looked at again", by.by), comment(&by.comment)),
        Event::GivenUp(by) => (BAD, format!("given up by {}", by.by), comment(&by.comment)),
        Event::CancelAsked(by) => (BOLD, format!("{} wants it cancelled", by.by), comment(&by.comment)),
        Event::ClaimRaised { attempt_no } => (
            Style::new(),
            format!("claim raised to {attempt_no}: whatever still starts, builds nothing"),
            Vec::new(),
        ),
        Event::CancelSent { workflow_job } => {
            (Style::new(), format!("workflow job {workflow_job} asked to stop"), Vec::new())
        }
        Event::Cancelled { left_behind } if left_behind.is_empty() => {
            (WARN, "cancelled: nothing is left behind".to_owned(), Vec::new())
        }
        Event::Cancelled { left_behind } => {
            let left =
                left_behind.iter().map(|vm| format!("{} ({}) in {}", vm.name, vm.moid, vm.folder)).collect();
            (WARN, "cancelled: this is left in vCenter".to_owned(), left)
        }
        _ => told_of_watch(event),
    }
}

fn told_of_watch(event: &Event) -> Told {
    match event {
        Event::Adopted(adopted) => {
            let head = format!("{} was put under watch by {}", adopted.vm.name, adopted.by);
            (BOLD, head, comment(&adopted.comment))
        }
        Event::DriftFound(found) => {
            let drift = &found.drift;
            let side =
                |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
            let sides = [
                side("asked", &drift.asked),
                side("inventory", &drift.inventory),
                side("vCenter", &drift.vcenter),
            ];
            let mut more = vec![sides.into_iter().flatten().collect::<Vec<_>>().join("; ")];
            more.extend(
                found
                    .blame
                    .as_ref()
                    .map(|blame| format!("{} by {} at {}", blame.event, blame.user, blame.at)),
            );
            (BAD, format!("{}: {}", drift.field, drift.verdict.name()), more)
        }
        Event::DriftCleared { fields } => {
            (GOOD, format!("as it should be again: {}", fields.join(", ")), Vec::new())
        }
        Event::DriftAccepted(accepted) => {
            let value = accepted.value.as_deref().unwrap_or("anything");
            let head = format!("{} accepted {value} for {}", accepted.by, accepted.field);
            (BOLD, head, comment(&accepted.comment))
        }
        Event::DriftIgnored(ignored) => {
            let until = ignored.until.map_or_else(String::new, |until| format!(" until {until}"));
            let head = format!("{} wants {} left alone{until}", ignored.by, ignored.field);
            (BOLD, head, comment(&ignored.comment))
        }
        Event::DriftRepairAsked { field, by } => {
            (BOLD, format!("{by} wants {field} brought back"), Vec::new())
        }
        Event::DriftHandled { fields, how } => handled(&fields.join(", "), how),
        Event::WatchPaused(pause) => (
            WARN,
            format!("{} paused the watch: nothing is mended by itself", pause.by),
            comment(&pause.comment),
        ),
        Event::WatchResumed(by) => (BOLD, format!("{} resumed the watch", by.by), comment(&by.comment)),
        Event::LeaseSet(lease) => {
            (BOLD, format!("lent until {} by {}", lease.expires_at, lease.by), Vec::new())
        }
        other => (Style::new(), other.kind().to_owned(), Vec::new()),
    }
}

fn handled(fields: &str, how: &Handled) -> Told {
    match how {
        Handled::InventoryWritten { host, .. } => {
            (GOOD, format!("host {host} was set to what vCenter shows: {fields}"), Vec::new())
        }
        Handled::Request { id, approval_required: true } => {
            (BOLD, format!("{id} proposes to bring back {fields}"), Vec::new())
        }
        Handled::Request { id, .. } => (BOLD, format!("{id} brings back {fields}"), Vec::new()),
        Handled::Refused { why } => (WARN, format!("{fields}: a person has to"), vec![why.clone()]),
    }
}

fn seen_run(seen: &RunSeen) -> Told {
    let stages: Vec<String> =
        seen.stages.iter().map(|(stage, status)| format!("{stage} {}", status.name())).collect();
    let more = [stages.join(", "), seen.explanation.clone()];
    let more = more.into_iter().filter(|line| !line.is_empty()).collect();
    (Style::new(), format!("workflow job {} is {}", seen.workflow_job, seen.status.name()), more)
}

fn verdict(stage: &str, record: &StageRecord) -> String {
    let (word, style) = match record.verdict {
        Verdict::Done => ("done", GOOD),
        Verdict::Skipped => ("skipped", DIM),
        Verdict::Failed => ("failed", BAD),
        Verdict::Unknown => ("unknown", WARN),
    };
    let reason = record.reason.map_or(String::new(), |reason| format!(" ({reason:?})"));
    let note = if record.note.is_empty() { String::new() } else { format!(": {}", record.note) };
    format!("{stage:<22} {}{reason}{note}", paint(word, style))
}

fn difference(difference: &Difference) -> String {
    format!(
        "{:?} {}: asked {}, seen {}",
        difference.side, difference.field, difference.asked, difference.seen
    )
}

/// A person's words on one line: what a terminal would act on is shown instead.
fn comment(comment: &str) -> Vec<String> {
    let shown: String = comment
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<char>>() } else { vec![c] })
        .collect();
    if shown.is_empty() { Vec::new() } else { vec![format!("“{shown}”")] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_cannot_forge_a_line_of_the_story() {
        assert_eq!(comment("ok\u{1b}[2J\nverified: all fine"), ["“ok\\u{1b}[2J\\nverified: all fine”"]);
        assert_eq!(comment(""), Vec::<String>::new());
    }
}
