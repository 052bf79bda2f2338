//! `causeway inventory`: the VMs under watch as an inventory script of Ansible's.

use std::process::ExitCode;

use super::Output;
use super::api::{Api, BridgeArgs};

/// Which bridge, and what to print: what Ansible asks of an inventory script.
#[derive(Debug, clap::Args)]
pub struct InventoryArgs {
    #[command(flatten)]
    bridge: BridgeArgs,
    /// Print all hosts and groups.
    #[arg(long, required_unless_present = "host")]
    list: bool,
    /// Print the variables of one host.
    #[arg(long, conflicts_with = "list", value_name = "NAME")]
    host: Option<String>,
    /// Only this environment.
    #[arg(long)]
    environment: Option<String>,
}

pub(super) fn run(args: &InventoryArgs, output: &Output) -> anyhow::Result<ExitCode> {
    super::runtime()?.block_on(async {
        let api = Api::new(&args.bridge)?;
        let given = [("host", &args.host), ("environment", &args.environment)];
        let query: Vec<_> =
            given.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))).collect();
        let document = api.get("/inventory", &query).await?;
        // Ansible reads it: JSON, whoever asks.
        output.document(&document)?;
        Ok(ExitCode::SUCCESS)
    })
}
