//! The command line: one file per command. Only this folder prints.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what a command line does")]

mod api;
mod completions;
mod demo;
mod doctor;
mod drift;
mod inventory;
mod journal;
mod lab;
mod output;
mod reconcile;
mod request;
mod serve;
mod sign;
mod story;
mod validate;
mod vm;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use output::Output;

/// Carries VM requests between tickets, AAP and vCenter, and keeps the record.
#[derive(Debug, Parser)]
#[command(name = "causeway", version, propagate_version = true, max_term_width = 110)]
pub struct Args {
    /// Print JSON, one document a line, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to log to standard error: a level, or directives such as `causeway=debug,actix=warn`.
    #[arg(long, global = true, env = "CAUSEWAY_LOG", value_name = "FILTER")]
    pub log: Option<String>,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a signed ticket become a VM, with a lab for neighbours and nothing else installed.
    Demo(demo::DemoArgs),
    /// Run the lab alone, a controller and a vCenter on this machine, for a bridge or for other clients.
    Lab(lab::LabArgs),
    /// Run the bridge.
    Serve(serve::ServeArgs),
    /// Ask a running bridge for VMs, and look at what became of them.
    Request(request::RequestArgs),
    /// List VMs with what was asked of them and what is there; adopt, pause and lend them.
    Vm(vm::VmArgs),
    /// List what differs between what was asked, the inventory and vCenter; accept, repair or ignore it.
    Drift(drift::DriftArgs),
    /// Look at all VMs once, from beside the bridge, and say what would be done. Nothing is changed.
    Reconcile(reconcile::ReconcileArgs),
    /// Print the VMs under watch as Ansible's dynamic inventory.
    Inventory(inventory::InventoryArgs),
    /// Read a journal's file: prove it, show a request, rebuild the projections.
    Journal(journal::JournalArgs),
    /// Examine a configuration against the neighbours that it names: all findings, each with its remedy.
    Doctor(doctor::DoctorArgs),
    /// Check a VM request, alone or against a configuration's catalog.
    Validate(validate::ValidateArgs),
    /// Sign a body as a webhook sender would, and print the headers.
    Sign(sign::SignArgs),
    /// Print the completions of a shell.
    Completions(completions::CompletionsArgs),
}

/// Where a configuration is.
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigArg {
    /// The configuration.
    #[arg(
        long,
        short,
        env = "CAUSEWAY_CONFIG",
        value_name = "FILE",
        default_value = "/etc/causeway/causeway.toml"
    )]
    pub config: PathBuf,
}

/// Runs the command and gives the exit code: 0 done, 1 failed, 2 the command line was wrong (clap's own).
#[must_use]
pub fn run(args: Args) -> ExitCode {
    let output = Output::new(args.json);
    let done = match args.command {
        Command::Demo(command) => demo::run(&command, args.log.as_deref(), &output),
        Command::Lab(command) => lab::run(&command, args.log.as_deref(), &output),
        Command::Serve(command) => serve::run(&command, args.log.as_deref()),
        Command::Request(command) => request::run(&command, &output),
        Command::Vm(command) => vm::run(&command, &output),
        Command::Drift(command) => drift::run(&command, &output),
        Command::Reconcile(command) => reconcile::run(&command, &output),
        Command::Inventory(command) => inventory::run(&command, &output),
        Command::Journal(command) => journal::run(&command, &output),
        Command::Doctor(command) => doctor::run(&command, &output),
        Command::Validate(command) => validate::run(&command, &output),
        Command::Sign(command) => sign::run(&command, &output),
        Command::Completions(command) => completions::run(&command),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            output.error(&error);
            ExitCode::FAILURE
        }
    }
}

/// A runtime for a command.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
