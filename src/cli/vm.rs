//! `causeway vm`: the register of VMs, and what a person does with one.

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::Output;
use super::api::{Api, BridgeArgs, show};
use super::output::{BAD, DIM, GOOD, WARN, paint};
use crate::vm_request::watch::action::VmAction;

/// The longest list that is read, in pages.
const PAGES_MAX: usize = 1_000;

/// Which bridge, and what to ask of it.
#[derive(Debug, clap::Args)]
pub struct VmArgs {
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(subcommand)]
    command: VmCommand,
}

#[derive(Debug, Subcommand)]
enum VmCommand {
    /// List VMs: under watch or not, with what differs.
    List {
        #[arg(long)]
        environment: Option<String>,
        #[arg(long)]
        vcenter: Option<String>,
        /// `in_sync`, or a verdict such as `vcenter_changed` or `missing`.
        #[arg(long)]
        verdict: Option<String>,
        /// Only those that a request has (`true`), or that none has (`false`).
        #[arg(long)]
        managed: Option<bool>,
        /// Only those whose lease is over.
        #[arg(long)]
        expired: bool,
        /// Part of the name or the id.
        #[arg(long)]
        text: Option<String>,
    },
    /// Show a VM: what was asked, what the inventory says, what vCenter shows.
    Show {
        /// Its id, its request, or its name where only one has it.
        vm: String,
    },
    /// Put VMs under watch that no request made, as they are now.
    Adopt {
        /// One VM; without it, everything that the selector fits.
        vm: Option<String>,
        /// The environment whose rules hold for it.
        #[arg(long)]
        environment: Option<String>,
        /// The vCenter of the selector.
        #[arg(long, conflicts_with = "vm")]
        vcenter: Option<String>,
        /// Only VMs in this folder.
        #[arg(long, conflicts_with = "vm")]
        folder: Option<String>,
        /// Only VMs with this in their name or id.
        #[arg(long, conflicts_with = "vm")]
        text: Option<String>,
        /// Do it; without this a selector only lists what it fits.
        #[arg(long, conflicts_with = "vm")]
        yes: bool,
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Mend nothing of this VM by itself.
    Pause {
        vm: String,
        /// Until then (RFC 3339); else until it is resumed.
        #[arg(long)]
        until: Option<String>,
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Go on mending.
    Resume {
        vm: String,
        #[arg(long, default_value = "")]
        comment: String,
    },
    /// Lend a VM until a time, or renew its lease.
    Lease {
        vm: String,
        /// RFC 3339, e.g. 2027-03-31T22:00:00Z.
        #[arg(long)]
        until: String,
    },
}

pub(super) fn run(args: &VmArgs, output: &Output) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let api = Api::new(&args.bridge)?;
        match &args.command {
            VmCommand::List { environment, vcenter, verdict, managed, expired, text } => {
                let managed = managed.map(|managed| managed.to_string());
                let mut query = Vec::new();
                let given = [
                    ("environment", environment),
                    ("vcenter", vcenter),
                    ("verdict", verdict),
                    ("managed", &managed),
                    ("text", text),
                ];
                query.extend(given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
                if *expired {
                    query.push(("expired", "true"));
                }
                list(&api, "/api/v1/vms", &query, output, vm_line, "no VMs").await
            }
            VmCommand::Show { vm } => {
                let id = resolve(&api, vm).await?;
                show(&api.get(&format!("/api/v1/vms/{id}"), &[]).await?, output);
                Ok(ExitCode::SUCCESS)
            }
            VmCommand::Adopt { vm: Some(vm), environment, comment, .. } => {
                let input = json!({ "environment": environment, "comment": comment });
                act(&api, vm, VmAction::Adopt, input, output).await
            }
            VmCommand::Adopt { vm: None, environment, vcenter, folder, text, yes, comment } => {
                let Some(vcenter) = vcenter else {
                    bail!("name a VM, or a selector that begins with --vcenter")
                };
                let body = given(json!({
                    "vcenter": vcenter, "folder": folder, "text": text, "environment": environment,
                    "comment": comment, "dry_run": !yes,
                }));
                let body = body.to_string().into_bytes();
                show(&api.send(Method::POST, "/api/v1/vms/adopt", Some(body), &[]).await?, output);
                Ok(ExitCode::SUCCESS)
            }
            VmCommand::Pause { vm, until, comment } => {
                act(&api, vm, VmAction::Pause, json!({ "until": until, "comment": comment }), output).await
            }
            VmCommand::Resume { vm, comment } => {
                act(&api, vm, VmAction::Resume, json!({ "comment": comment }), output).await
            }
            VmCommand::Lease { vm, until } => {
                act(&api, vm, VmAction::Lease, json!({ "until": until }), output).await
            }
        }
    })
}

/// Does something with a VM and shows it.
pub(super) async fn act(
    api: &Api,
    vm: &str,
    action: VmAction,
    input: Value,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let id = resolve(api, vm).await?;
    let path = format!("/api/v1/vms/{id}/actions/{}", action.name());
    let body = given(input).to_string().into_bytes();
    show(&api.send(Method::POST, &path, Some(body), &[]).await?, output);
    Ok(ExitCode::SUCCESS)
}

/// Without what was not given.
fn given(input: Value) -> Value {
    let Value::Object(fields) = input else { return input };
    let said = fields.into_iter().filter(|(_, value)| !value.is_null() && value.as_str() != Some(""));
    Value::Object(said.collect::<Map<_, _>>())
}

/// The id that stands for `vm` in the register: itself, or that of the one VM of this name.
pub(super) async fn resolve(api: &Api, vm: &str) -> anyhow::Result<String> {
    let is_plain =
        !vm.is_empty() && vm.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if !is_plain {
        bail!("`{vm}` is no id and no plain name of a VM; `causeway vm list --text …` tells ids");
    }
    let page = api.get("/api/v1/vms", &[("text", vm), ("limit", "200")]).await?;
    let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    let ids: Vec<&str> = items
        .iter()
        .filter(|item| item.get("name").and_then(Value::as_str) == Some(vm))
        .filter_map(|item| item.get("id")?.as_str())
        .collect();
    match ids.as_slice() {
        [] => Ok(vm.to_owned()),
        [id] => Ok((*id).to_owned()),
        several => bail!("{} VMs are called {vm}; take an id: {}", several.len(), several.join(", ")),
    }
}

/// Reads a list page by page and tells each item.
pub(super) async fn list(
    api: &Api,
    path: &str,
    query: &[(&str, &str)],
    output: &Output,
    line: fn(&Value) -> String,
    nothing: &str,
) -> anyhow::Result<ExitCode> {
    let mut cursor: Option<String> = None;
    let mut is_empty = true;
    for _ in 0..PAGES_MAX {
        let mut asked = query.to_vec();
        asked.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
        let page = api.get(path, &asked).await?;
        let items = page.get("items").and_then(Value::as_array).context("the bridge answered no list")?;
        is_empty &= items.is_empty();
        items.iter().for_each(|item| output.tell(item, || line(item)));
        cursor = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if is_empty {
        output.line(paint(nothing, DIM));
    }
    Ok(ExitCode::SUCCESS)
}

fn vm_line(vm: &Value) -> String {
    let text = |name: &str| vm.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
    format!(
        "{:<38} {:<24} {:<12} {:<12} {}",
        text("id"),
        text("name"),
        text("environment"),
        text("power"),
        verdict_word(&text("verdict")),
    )
}

/// A verdict in its colour.
pub(super) fn verdict_word(verdict: &str) -> String {
    match verdict {
        "in_sync" => paint(verdict, GOOD),
        "unmanaged" | "benign_move" => paint(verdict, DIM),
        "missing" | "unknown" | "vcenter_changed" => paint(verdict, BAD),
        other => paint(other, WARN),
    }
}
