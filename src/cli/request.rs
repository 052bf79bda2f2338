//! `causeway request`: the API of a running bridge, from the command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{BAD, DIM, GOOD, WARN, paint};
use super::{Output, sign, story};
use crate::vm_request::Event;
use crate::vm_request::hold::OperatorAction;

/// How often `watch` asks.
const WATCH_INTERVAL_MS: u64 = 500;

/// Which bridge, and what to ask of it.
#[derive(Debug, clap::Args)]
pub struct RequestArgs {
    #[command(flatten)]
    bridge: super::api::BridgeArgs,
    #[command(subcommand)]
    command: RequestCommand,
}

#[derive(Debug, Subcommand)]
enum RequestCommand {
    /// Ask for a VM.
    Create {
        /// The VM request in JSON; `-` reads standard input.
        file: PathBuf,
        /// Sent again with the same key, the request is not doubled.
        #[arg(long)]
        idempotency_key: Option<String>,
        /// Watch it to its end.
        #[arg(long)]
        watch: bool,
    },
    /// List requests, the newest first.
    List {
        /// Only those in this phase.
        #[arg(long)]
        phase: Option<String>,
        #[arg(long, default_value_t = 25)]
        limit: u32,
        /// Go on where a list ended: what it named as the next cursor.
        #[arg(long)]
        cursor: Option<String>,
    },
    /// Show a request.
    Show { id: String },
    /// Follow a request to its end; exit code 1 unless it is done.
    Watch { id: String },
    /// Show what a person may do with a request now.
    Actions { id: String },
    /// Let a request go on that waits for approval; the token must be one that may approve.
    Approve(Act),
    /// Refuse a request that waits for approval; the token must be one that may approve.
    Deny(Act),
    /// Try a held request again, from the stage that failed.
    Retry(Act),
    /// Look again whether the VM of a held request is as it was asked for.
    Verify(Act),
    /// Cancel a request.
    Cancel(Act),
    /// End a held request as failed; what it left behind is named.
    GiveUp(Act),
}

/// What a person does with a request, and why.
#[derive(Debug, clap::Args)]
struct Act {
    id: String,
    /// It stands in the journal.
    #[arg(long, default_value = "")]
    comment: String,
}

pub(super) fn run(args: &RequestArgs, output: &Output) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let api = Api(super::api::Api::new(&args.bridge)?);
        match &args.command {
            RequestCommand::Create { file, idempotency_key, watch } => {
                let body = sign::read(file)?;
                let key = idempotency_key.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
                let created = api.send(Method::POST, "", Some(body), &[("Idempotency-Key", key)]).await?;
                show(&created, output);
                if *watch { api.watch(id_of(&created)?, output).await } else { Ok(ExitCode::SUCCESS) }
            }
            RequestCommand::List { phase, limit, cursor } => {
                api.list(phase.as_deref(), *limit, cursor.as_deref(), output).await
            }
            RequestCommand::Show { id } => {
                show(&api.get(id).await?, output);
                Ok(ExitCode::SUCCESS)
            }
            RequestCommand::Watch { id } => api.watch(id, output).await,
            RequestCommand::Actions { id } => {
                show(&api.send(Method::GET, &format!("{}/actions", plain(id)?), None, &[]).await?, output);
                Ok(ExitCode::SUCCESS)
            }
            RequestCommand::Approve(act) => api.act(OperatorAction::Approve, act, output).await,
            RequestCommand::Deny(act) => api.act(OperatorAction::Deny, act, output).await,
            RequestCommand::Retry(act) => api.act(OperatorAction::Retry, act, output).await,
            RequestCommand::Verify(act) => api.act(OperatorAction::Verify, act, output).await,
            RequestCommand::Cancel(act) => api.act(OperatorAction::Cancel, act, output).await,
            RequestCommand::GiveUp(act) => api.act(OperatorAction::GiveUp, act, output).await,
        }
    })
}

/// The requests of the bridge's API.
struct Api(super::api::Api);

impl Api {
    async fn get(&self, id: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, plain(id)?, None, &[]).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        headers: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        let path =
            if path.is_empty() || path.starts_with('?') { path.to_owned() } else { format!("/{path}") };
        self.0.send(method, &format!("/api/v1/vm-requests{path}"), body, headers).await
    }

    async fn act(&self, action: OperatorAction, act: &Act, output: &Output) -> anyhow::Result<ExitCode> {
        let body = json!({"comment": act.comment}).to_string().into_bytes();
        let path = format!("{}/actions/{}", plain(&act.id)?, action.name());
        show(&self.send(Method::POST, &path, Some(body), &[]).await?, output);
        Ok(ExitCode::SUCCESS)
    }

    async fn list(
        &self,
        phase: Option<&str>,
        limit: u32,
        cursor: Option<&str>,
        output: &Output,
    ) -> anyhow::Result<ExitCode> {
        let mut query = format!("?limit={limit}");
        if let Some(cursor) = cursor {
            query.push_str("&cursor=");
            query.push_str(plain(cursor)?);
        }
        if let Some(phase) = phase {
            query.push_str("&phase=");
            query.push_str(plain(phase)?);
        }
        let page = self.send(Method::GET, &query, None, &[]).await?;
        let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
        for item in &items {
            output.tell(item, || {
                let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
                format!(
                    "{}  {:<18} {:<16} {}",
                    text("id"),
                    phase_word(&text("phase"), item.get("hold").and_then(Value::as_str)),
                    text("vm_name"),
                    text("created_at")
                )
            });
        }
        if items.is_empty() {
            output.line(paint("no requests", DIM));
        }
        if let Some(next) = page.get("next_cursor").and_then(Value::as_str) {
            output.line(paint(format!("there are more: --cursor {next}"), DIM));
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn watch(&self, id: &str, output: &Output) -> anyhow::Result<ExitCode> {
        let id = plain(id)?;
        let mut told = 0;
        loop {
            // The phase before the events: what led to an end is told before the end.
            let request = self.get(id).await?;
            told = self.tell_after(id, told, output).await?;
            match request.get("phase").and_then(Value::as_str) {
                Some("done") => {
                    output.line(paint("done", GOOD));
                    return Ok(ExitCode::SUCCESS);
                }
                Some(phase @ ("failed" | "cancelled" | "held" | "awaiting_approval")) => {
                    output.line(paint(phase, WARN));
                    return Ok(ExitCode::FAILURE);
                }
                _ => tokio::time::sleep(Duration::from_millis(WATCH_INTERVAL_MS)).await,
            }
        }
    }

    /// Tells the request's events after `seq` and returns the last one's.
    async fn tell_after(&self, id: &str, seq: u64, output: &Output) -> anyhow::Result<u64> {
        let mut told = seq;
        loop {
            let path = format!("{id}/journal?after_seq={told}");
            let page = self.send(Method::GET, &path, None, &[]).await?;
            for row in page.get("items").and_then(Value::as_array).into_iter().flatten() {
                told = row.get("seq").and_then(Value::as_u64).unwrap_or(told).max(told);
                tell(row, output);
            }
            if page.get("next_after_seq").is_none_or(Value::is_null) {
                return Ok(told);
            }
        }
    }
}

fn tell(row: &Value, output: &Output) {
    output
        .tell(row, || event_of(row).map_or_else(|| row.to_string(), |event| story::lines(&event).join("\n")));
}

/// The event in a row of the journal; `None` for one that a newer bridge wrote.
fn event_of(row: &Value) -> Option<Event> {
    let kind = row.get("kind")?.as_str()?;
    let parts: Vec<&str> = kind.strip_suffix(".v1")?.split('.').collect();
    // A kind is an event's name in groups: `launch.sent` is launch_sent, `request.received` is received.
    let names = [parts.join("_"), (*parts.last()?).to_owned(), "surplus_runs".to_owned()];
    let read =
        |name: &String| serde_json::from_value::<Event>(json!({"event": name, "data": row.get("data")})).ok();
    names.iter().filter_map(read).find(|event| event.kind() == kind)
}

fn show(request: &Value, output: &Output) {
    super::api::show(request, output);
}

fn id_of(request: &Value) -> anyhow::Result<&str> {
    request.get("id").and_then(Value::as_str).context("the bridge named no id")
}

/// Refuses what would change the address that it is put into.
fn plain(part: &str) -> anyhow::Result<&str> {
    let is_plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_plain { Ok(part) } else { bail!("`{part}` is no id and no phase") }
}

fn phase_word(phase: &str, hold: Option<&str>) -> String {
    match (phase, hold) {
        ("done", _) => paint(phase, GOOD),
        ("held", Some(hold)) => paint(format!("held: {hold}"), BAD),
        _ => phase.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_of_every_group_are_told_as_events() {
        let rows = [
            json!({"kind": "request.deadline_passed.v1", "data": {"deadline_secs": 12}}),
            json!({"kind": "preflight.done.v1", "data": {"attempt_no": 1, "findings": []}}),
            json!({"kind": "launch.sent.v1", "data": {"attempt_no": 1}}),
            json!({"kind": "claim.holder_recorded.v1", "data": {"attempt_no": 1, "workflow_job": 7}}),
            json!({"kind": "claim.raised.v1", "data": {"attempt_no": 2}}),
            json!({"kind": "run.surplus.v1", "data": {"attempt_no": 1, "kept": 7, "surplus": [8]}}),
            json!({"kind": "run.vanished.v1", "data": {"workflow_job": 7}}),
            json!({"kind": "vm.not_as_asked.v1", "data": {"differences": []}}),
            json!({"kind": "host.mark_refused.v1", "data": {"why": "no"}}),
            json!({"kind": "cancel.sent.v1", "data": {"workflow_job": 7}}),
        ];
        for row in rows {
            assert_eq!(event_of(&row).unwrap().kind(), row["kind"].as_str().unwrap());
        }
        assert_eq!(event_of(&json!({"kind": "moon.rose.v7", "data": {}})), None);
    }

    #[test]
    fn what_would_change_the_address_is_no_id() {
        assert_eq!(plain("req_01").unwrap(), "req_01");
        for bad in ["", "../x", "a/b", "a?b", "a b"] {
            assert!(plain(bad).is_err(), "{bad}");
        }
    }
}
