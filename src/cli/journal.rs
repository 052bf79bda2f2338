//! `causeway journal`: reads a journal's file, beside a bridge that runs on it too; rebuilds it while none does.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Subcommand;
use serde_json::json;

use super::output::{BAD, DIM, GOOD, paint};
use super::{Output, story};
use crate::clock::SystemClock;
use crate::journal::{Journal, JournalOptions, JournalView, Loaded, OpenError};
use crate::vm_request::RequestId;

/// Which journal, and what to do with it.
#[derive(Debug, clap::Args)]
pub struct JournalArgs {
    /// The journal's file.
    #[arg(long, env = "CAUSEWAY_JOURNAL", value_name = "FILE")]
    file: PathBuf,
    #[command(subcommand)]
    command: JournalCommand,
}

#[derive(Debug, Subcommand)]
enum JournalCommand {
    #[command(flatten)]
    Look(Look),
    /// Drop the projections and build them again from the events. No bridge may run.
    Rebuild,
}

/// What needs no more than reading.
#[derive(Debug, Subcommand)]
enum Look {
    /// Prove every hash chain, checkpoint and projection; exit code 1 when something is wrong. A bridge may run meanwhile.
    Verify,
    /// Tell the story of a request. A bridge may run meanwhile.
    Show { id: String },
}

pub(super) fn run(args: &JournalArgs, output: &Output) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(args.file.is_file(), "there is no journal at {}", args.file.display());
    let is_empty = std::fs::metadata(&args.file)?.len() == 0;
    anyhow::ensure!(!is_empty, "{} is empty: whatever it held is gone", args.file.display());
    let options = JournalOptions { path: args.file.clone(), ..JournalOptions::default() };
    super::runtime()?.block_on(async {
        let journal = match (Journal::open(options.clone(), Arc::new(SystemClock)), &args.command) {
            (Ok(journal), _) => journal,
            (Err(OpenError::InUse { .. }), JournalCommand::Look(wish)) => {
                return look(&JournalView::beside(&options)?, wish, output).await;
            }
            (Err(error), _) => return Err(error.into()),
        };
        let done = match &args.command {
            JournalCommand::Look(wish) => look(journal.view(), wish, output).await,
            JournalCommand::Rebuild => rebuild(&journal, output).await,
        };
        journal.close().await;
        done
    })
}

async fn look(view: &JournalView, wish: &Look, output: &Output) -> anyhow::Result<ExitCode> {
    match wish {
        Look::Verify => verify(view, output).await,
        Look::Show { id } => show(view, id, output).await,
    }
}

async fn verify(view: &JournalView, output: &Output) -> anyhow::Result<ExitCode> {
    let report = view.verify().await?;
    let faults: Vec<String> = report.faults.iter().map(ToString::to_string).collect();
    let head = report.head.as_ref().map(|head| hex(&head.hash));
    let document = json!({
        "sound": report.is_sound(), "requests": report.requests, "events": report.events,
        "checkpoints": report.checkpoints, "head": head, "faults": faults, "faults_total": report.faults_total,
    });
    output.tell(&document, || {
        let counted = format!(
            "{} requests, {} events, {} checkpoints",
            report.requests, report.events, report.checkpoints
        );
        let verdict = if report.is_sound() { paint("sound", GOOD) } else { paint("not sound", BAD) };
        let head = head.map_or(String::new(), |head| format!("\n{}", paint(format!("head {head}"), DIM)));
        let faults: String = faults.iter().map(|fault| format!("\n  {fault}")).collect();
        format!("{verdict}: {counted}{head}{faults}")
    });
    Ok(if report.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn show(view: &JournalView, id: &str, output: &Output) -> anyhow::Result<ExitCode> {
    let id: RequestId = id.parse().with_context(|| format!("`{id}`"))?;
    let Some(Loaded { state, events }) = view.load(&id).await? else {
        anyhow::bail!("the journal holds no request {id}");
    };
    for recorded in &events {
        let document = json!({
            "position": recorded.position, "seq": recorded.seq, "at": recorded.at, "type": recorded.kind,
            "hash": hex(&recorded.hash), "event": recorded.event,
        });
        output.tell(&document, || {
            let mut lines = story::lines(&recorded.event).into_iter();
            let first = lines.next().unwrap_or_default();
            let more: String = lines.map(|line| format!("\n{:28}{line}", "")).collect();
            format!("{} {first}{more}", paint(recorded.at.strftime("%Y-%m-%d %H:%M:%S%.3f UTC"), DIM))
        });
    }
    output.line(format!("{} is {}", state.id, state.phase.name()));
    Ok(ExitCode::SUCCESS)
}

async fn rebuild(journal: &Journal, output: &Output) -> anyhow::Result<ExitCode> {
    let report = journal.rebuild().await?;
    let document = json!({"requests": report.requests, "events": report.events});
    output.tell(&document, || format!("rebuilt {} requests from {} events", report.requests, report.events));
    Ok(ExitCode::SUCCESS)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
