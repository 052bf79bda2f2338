//! `causeway completions SHELL`.

use std::process::ExitCode;

use clap::CommandFactory;

/// Which shell.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    let mut command = super::Args::command();
    clap_complete::generate(args.shell, &mut command, "causeway", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
