//! `causeway drift`: what differs between what was asked, the inventory and vCenter, and what to do about it.

use std::process::ExitCode;

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Output;
use super::api::{Api, BridgeArgs, show};
use super::vm::{act, list, resolve, verdict_word};
use crate::vm_request::watch::action::VmAction;

/// Which bridge, and what to ask of it.
#[derive(Debug, clap::Args)]
pub struct DriftArgs {
    #[command(flatten)]
    bridge: BridgeArgs,
    #[command(subcommand)]
    command: DriftCommand,
}

#[derive(Debug, Subcommand)]
enum DriftCommand {
    /// List open findings.
    List {
        #[arg(long)]
        environment: Option<String>,
        #[arg(long)]
        vcenter: Option<String>,
        #[arg(long)]
        verdict: Option<String>,
        #[arg(long)]
        field: Option<String>,
    },
    /// Show a VM with its findings.
    Show { vm: String },
    /// Take what vCenter shows for what is asked from now on.
    Accept(OnField),
    /// Bring the field back to what was asked, now.
    Repair(OnField),
    /// Do not look at the field.
    Ignore {
        #[command(flatten)]
        field: OnField,
        /// Until then (RFC 3339); else for good.
        #[arg(long)]
        until: Option<String>,
    },
    /// List what belongs to nobody: VMs without a request, hosts without a VM, requests whose VM is gone.
    LeftOvers,
    /// Show how the watch stands.
    Status,
    /// Go on repairing and remediating after many VMs changed at once; the token must be one that may approve.
    EndMassChange,
}

/// A field of a VM.
#[derive(Debug, clap::Args)]
struct OnField {
    /// Its id, its request, or its name where only one has it.
    vm: String,
    /// As the finding names it, e.g. `cpu` or `nics[4001]`.
    field: String,
    /// It stands in the journal.
    #[arg(long, default_value = "")]
    comment: String,
}

pub(super) fn run(args: &DriftArgs, output: &Output) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let api = Api::new(&args.bridge)?;
        let on = |on: &OnField| json!({ "field": on.field, "comment": on.comment });
        match &args.command {
            DriftCommand::List { environment, vcenter, verdict, field } => {
                let given = [
                    ("environment", environment),
                    ("vcenter", vcenter),
                    ("verdict", verdict),
                    ("field", field),
                ];
                let query: Vec<_> =
                    given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
                list(&api, "/api/v1/drift", &query, output, finding_line, "nothing differs").await
            }
            DriftCommand::Show { vm } => {
                let id = resolve(&api, vm).await?;
                show(&api.get(&format!("/api/v1/vms/{id}"), &[]).await?, output);
                Ok(ExitCode::SUCCESS)
            }
            DriftCommand::Accept(field) => act(&api, &field.vm, VmAction::Accept, on(field), output).await,
            DriftCommand::Repair(field) => {
                act(
                    &api,
                    &field.vm,
                    VmAction::Repair,
                    json!({ "field": field.field, "comment": field.comment }),
                    output,
                )
                .await
            }
            DriftCommand::Ignore { field, until } => {
                let mut input = on(field);
                input["until"] = json!(until);
                act(&api, &field.vm, VmAction::Ignore, input, output).await
            }
            DriftCommand::LeftOvers => {
                list(&api, "/api/v1/left-overs", &[], output, left_over_line, "nothing is left over").await
            }
            DriftCommand::Status => {
                show(&api.get("/api/v1/watch", &[]).await?, output);
                Ok(ExitCode::SUCCESS)
            }
            DriftCommand::EndMassChange => {
                let body = Some(b"{}".to_vec());
                let path = "/api/v1/watch/actions/end_mass_change";
                show(&api.send(Method::POST, path, body, &[]).await?, output);
                Ok(ExitCode::SUCCESS)
            }
        }
    })
}

/// A finding: the VM, the field, and the three sides.
fn finding_line(finding: &Value) -> String {
    let text = |pointer: &str| finding.pointer(pointer).and_then(Value::as_str);
    let side = |name: &str, pointer: &str| text(pointer).map(|value| format!("{name} {value}"));
    let sides = [side("asked", "/asked"), side("inventory", "/inventory"), side("vCenter", "/vcenter")];
    let blame =
        text("/blame/user").map(|user| format!("by {user}, {}", text("/blame/at").unwrap_or_default()));
    let told: Vec<String> = sides.into_iter().flatten().chain(blame).collect();
    format!(
        "{:<24} {:<24} {:<16} {}",
        text("/vm/name").unwrap_or("-"),
        text("/field").unwrap_or("-"),
        verdict_word(text("/verdict").unwrap_or("-")),
        told.join("; "),
    )
}

fn left_over_line(item: &Value) -> String {
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or("-");
    let place = item.get("vcenter").or_else(|| item.get("controller")).and_then(Value::as_str).unwrap_or("-");
    format!("{:<26} {:<24} {:<16} {}", text("kind"), text("name"), place, text("id"))
}
