//! `causeway doctor`: examines a configuration against the neighbours that it names.

use std::process::ExitCode;
use std::sync::Arc;

use super::output::{BAD, DIM, GOOD, paint};
use super::{ConfigArg, Output};
use crate::clock::{SharedClock, SystemClock};
use crate::{config, doctor};

/// Which configuration.
#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Where the controllers reach this bridge, e.g. `https://causeway.example.com`.
    #[arg(long)]
    public_url: Option<String>,
}

pub(super) fn run(args: &DoctorArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let loaded = config::load(&args.config.config)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let examined = doctor::examine(&loaded.config, args.public_url.as_deref(), &clock);
    let report = super::runtime()?.block_on(examined)?;
    let document = serde_json::to_value(&report)?;
    output.tell(&document, || {
        let mut lines: Vec<String> =
            report.well.iter().map(|sentence| format!("{} {sentence}", paint("ok", GOOD))).collect();
        for warning in &loaded.warnings {
            lines.push(paint(warning, DIM));
        }
        for finding in &report.findings {
            lines.push(format!("{} {}: {}", paint(&finding.code, BAD), finding.subject, finding.detail));
            lines.push(format!("   {}", paint(&finding.remedy, DIM)));
        }
        lines.push(match report.findings.len() {
            0 => paint("nothing to mend", GOOD),
            count => paint(format!("{count} to mend"), BAD),
        });
        lines.join("\n")
    });
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
