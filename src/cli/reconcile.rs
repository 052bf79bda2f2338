//! `causeway reconcile --once --plan`: what the watch would do now, told from beside the bridge.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::output::{DIM, GOOD, WARN, paint};
use super::vm::verdict_word;
use super::{ConfigArg, Output};
use crate::bridge::{PlanItem, plan_once};
use crate::clock::{SharedClock, SystemClock};

/// Which bridge's configuration.
#[derive(Debug, clap::Args)]
pub struct ReconcileArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Look once; a running bridge looks all the time.
    #[arg(long, required = true)]
    once: bool,
    /// Change nothing and say what would be done.
    #[arg(long, required = true)]
    plan: bool,
}

pub(super) fn run(args: &ReconcileArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let loaded = crate::config::load(&args.config.config)?;
    let config = loaded.config;
    super::runtime()?.block_on(async {
        let clock: SharedClock = Arc::new(SystemClock);
        let found = plan_once(&config, &clock).await?;
        output.tell(&json!(found), || {
            let mut lines: Vec<String> = found.items.iter().map(line).collect();
            lines.extend(
                found.unread.iter().map(|(name, why)| paint(format!("{name} was not read: {why}"), WARN)),
            );
            let told = format!(
                "{} VMs compared, {} differences; nothing was changed",
                found.compared,
                found.items.len()
            );
            lines.push(if found.items.is_empty() && found.unread.is_empty() {
                paint(told, GOOD)
            } else {
                told
            });
            lines.join("\n")
        });
        Ok(if found.unread.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

fn line(item: &PlanItem) -> String {
    let side = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!("{name} {value}"));
    let sides =
        [side("asked", &item.asked), side("inventory", &item.inventory), side("vCenter", &item.vcenter)];
    let sides: Vec<String> = sides.into_iter().flatten().collect();
    let how = item.how.as_ref().map(|how| format!(": {how}")).unwrap_or_default();
    let but = item.but.as_ref().map(|why| paint(format!(", but {why}"), DIM)).unwrap_or_default();
    format!(
        "{:<24} {:<24} {:<16} {}\n{:>25}would {}{how}{but}",
        item.vm_name,
        item.field,
        verdict_word(item.verdict.name()),
        sides.join("; "),
        "",
        item.would.name(),
    )
}
