//! `causeway lab`: the neighbours alone, on this machine, until it is told to stop.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use serde_json::json;

use super::output::{BOLD, paint};
use super::{Output, serve};
use crate::bridge;
use crate::clock::{SharedClock, SystemClock};
use crate::demo::{Hands, LabOnly, RigOptions, Tools};
use crate::lab::controller::model::Tempo;
use crate::lab::faults::FaultPlan;
use crate::telemetry;

/// How to run the lab.
#[derive(Debug, clap::Args)]
pub struct LabArgs {
    /// Who does the work of the controller's jobs.
    #[arg(long, value_enum, default_value_t = ExecutorKind::Model)]
    executor: ExecutorKind,
    #[command(flatten)]
    tools: ToolsArgs,
    /// Where the bridge is, or will be: the controller's notifications go there.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    bridge: SocketAddr,
    /// Where the bridge that uses the written configuration keeps its journal.
    #[arg(long, value_name = "FILE", default_value = "causeway-lab.db")]
    journal: PathBuf,
    /// Write a bridge's configuration for this lab there: `causeway serve --config FILE` runs it.
    #[arg(long, value_name = "FILE")]
    write_config: Option<PathBuf>,
    /// What goes wrong, e.g. `callback_lost:500,slow:100` (names, and how often of a thousand).
    #[arg(long, default_value = "")]
    faults: String,
    /// As slow as a controller was measured to be, instead of as fast as the demo's.
    #[arg(long)]
    measured_tempo: bool,
    /// The lab's seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ExecutorKind {
    /// A model of the playbooks, in the lab's own vCenter: needs nothing installed.
    Model,
    /// The real playbooks by ansible-runner, in govmomi's vCenter simulator.
    Ansible,
}

/// Where the real playbooks and what runs them are.
#[derive(Debug, clap::Args)]
pub struct ToolsArgs {
    /// Where `tests/install-ansible` and `tests/install-vcsim` have put their programs.
    #[arg(long, value_name = "FOLDER", default_value = "target/test-tools")]
    tools: PathBuf,
    /// The content: the folder with the playbooks.
    #[arg(long, value_name = "FOLDER", default_value = "deploy/aap")]
    content: PathBuf,
}

impl ToolsArgs {
    pub(super) fn tools(&self) -> Tools {
        Tools { tools: self.tools.clone(), content: self.content.clone() }
    }
}

pub(super) fn run(args: &LabArgs, log: Option<&str>, output: &Output) -> anyhow::Result<ExitCode> {
    telemetry::start(log.unwrap_or("warn"), false)?;
    super::runtime()?.block_on(serve_lab(args, output))
}

async fn serve_lab(args: &LabArgs, output: &Output) -> anyhow::Result<ExitCode> {
    bridge::use_ring();
    let clock: SharedClock = Arc::new(SystemClock);
    let hands = match args.executor {
        ExecutorKind::Model => Hands::Model,
        ExecutorKind::Ansible => Hands::Ansible(args.tools.tools()),
    };
    let faults = FaultPlan::parse(&args.faults, args.seed)?;
    let options = RigOptions { faults, hands, ..RigOptions::quiet(args.seed) };
    let tempo = if args.measured_tempo { Tempo::measured() } else { Tempo::fast() };
    let lab = LabOnly::start(&options, tempo, args.bridge, &clock).await?;
    if let Some(file) = &args.write_config {
        let text = config(&lab, args);
        std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    tell(&lab, args, output);
    serve::stop_signal().await?;
    lab.stop().await;
    Ok(ExitCode::SUCCESS)
}

/// The demo's configuration with the values of this lab in the places of its variables.
fn config(lab: &LabOnly, args: &LabArgs) -> String {
    let journal = std::path::absolute(&args.journal).unwrap_or_else(|_| args.journal.clone());
    let mut text = LabOnly::CONFIG.to_owned();
    for (name, value) in lab.environment(&journal) {
        text = text.replace(&format!("{{ env = \"{name}\" }}"), &format!("{value:?}"));
    }
    if args.executor == ExecutorKind::Ansible || args.measured_tempo {
        // The demo's deadlines are for a model that takes milliseconds.
        text = text.replace("overall_deadline_secs = 12", "overall_deadline_secs = 1800");
        text = text.replace("verify_deadline_secs = 6", "verify_deadline_secs = 60");
    }
    text
}

fn tell(lab: &LabOnly, args: &LabArgs, output: &Output) {
    let controller = &lab.lab.controller_url;
    let document = json!({
        "controller": controller, "vcenter": lab.vcenter_url(), "bridge_token": lab.lab.token,
        "admin_token": lab.lab.admin_token, "notifications_to": args.bridge.to_string(),
        "api_token": LabOnly::API_TOKEN, "webhook_secret": LabOnly::WEBHOOK_SECRET, "config": args.write_config,
    });
    output.tell(&document, || {
        let mut text = format!(
            "{}\n  controller {controller}  (bridge's token {}, administrator's {})\n  vCenter    {}  (user lab, password lab-password)\n  notifications go to {}\n",
            paint("The lab runs", BOLD),
            lab.lab.token,
            lab.lab.admin_token,
            lab.vcenter_url(),
            args.bridge
        );
        if let Some(file) = &args.write_config {
            let token = LabOnly::API_TOKEN;
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\nA bridge for it:\n  causeway serve --config {}\n  CAUSEWAY_URL=http://{} CAUSEWAY_TOKEN={token} causeway request create request.json --watch\n",
                file.display(),
                args.bridge
            );
        }
        text + "\nInterrupt to end."
    });
}
