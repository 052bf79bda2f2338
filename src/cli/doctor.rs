//! `causeway doctor`: examines a configuration against the neighbours that it names.

use std::process::ExitCode;
use std::sync::Arc;

use serde_json::json;

use super::output::{BAD, DIM, GOOD, WARN, paint};
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
    let document = json!({
        "well": report.well, "findings": report.findings, "warnings": report.warnings,
        "configuration_warnings": loaded.warnings,
    });
    output.tell(&document, || {
        let mut lines: Vec<String> =
            report.well.iter().map(|sentence| format!("{} {sentence}", paint("ok", GOOD))).collect();
        lines.extend(loaded.warnings.iter().map(|warning| format!("{} {warning}", paint("warning", WARN))));
        let told = report.warnings.iter().map(|warning| (warning, WARN));
        for (finding, style) in told.chain(report.findings.iter().map(|finding| (finding, BAD))) {
            lines.push(format!("{} {}: {}", paint(&finding.code, style), finding.subject, finding.detail));
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
