//! `causeway serve`: the bridge, until it is told to stop.

use std::process::ExitCode;
use std::sync::Arc;

use super::ConfigArg;
use crate::bridge::Bridge;
use crate::clock::SystemClock;
use crate::{config, telemetry};

/// How to run the bridge.
#[derive(Debug, clap::Args)]
pub struct ServeArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Log one JSON document a line.
    #[arg(long)]
    log_json: bool,
}

pub(super) fn run(args: &ServeArgs, log: Option<&str>) -> anyhow::Result<ExitCode> {
    telemetry::start(log.unwrap_or("info"), args.log_json)?;
    let loaded = config::load(&args.config.config)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    super::runtime()?.block_on(async {
        let bridge = Bridge::start(loaded.config, Arc::new(SystemClock)).await?;
        tracing::info!(address = %bridge.address(), "listening");
        stop_signal().await?;
        tracing::info!("stopping");
        bridge.stop().await;
        Ok(ExitCode::SUCCESS)
    })
}

/// Ends at SIGTERM or an interrupt from the terminal.
pub(super) async fn stop_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        interrupted = tokio::signal::ctrl_c() => interrupted,
    }
}
