//! `causeway sign`: what a sender of webhooks does, for trying a source by hand.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;
use serde_json::{Map, Value};

use super::Output;
use crate::clock::{Clock, SystemClock};
use crate::config::Secret;
use crate::intake::signature::{sign_hub_256, sign_standard_webhooks};

/// What to sign, and how.
#[derive(Debug, clap::Args)]
pub struct SignArgs {
    /// The body, byte for byte as it will be sent; `-` reads standard input.
    body: PathBuf,
    #[arg(long, value_enum, default_value = "standard-webhooks")]
    scheme: SignScheme,
    /// The secret, in the environment so that no process list shows it.
    #[arg(long, env = "CAUSEWAY_SECRET", hide_env_values = true)]
    secret: String,
    /// The delivery's id; a fresh one when it is not given.
    #[arg(long)]
    id: Option<String>,
    /// Seconds since the epoch; now when it is not given.
    #[arg(long)]
    timestamp: Option<i64>,
    /// Print `-H` options for curl.
    #[arg(long)]
    curl: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SignScheme {
    #[value(alias = "standard_webhooks")]
    StandardWebhooks,
    #[value(name = "hub-signature-256", aliases = ["hub_signature_256", "hub-signature256"])]
    HubSignature256,
}

pub(super) fn run(args: &SignArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let body = read(&args.body)?;
    let secret = Secret::new(args.secret.as_str());
    let headers: Vec<(&str, String)> = match args.scheme {
        SignScheme::StandardWebhooks => {
            let at = match args.timestamp {
                Some(secs) => jiff::Timestamp::from_second(secs)?,
                None => SystemClock.now(),
            };
            let id = args.id.clone().unwrap_or_else(|| format!("msg_{}", uuid::Uuid::new_v4().simple()));
            sign_standard_webhooks(&secret, &id, at, &body)?.pairs().into()
        }
        SignScheme::HubSignature256 => vec![("X-Hub-Signature-256", sign_hub_256(&secret, &body)?)],
    };
    let document: Map<String, Value> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str()))).collect();
    output.tell(&Value::Object(document), || {
        let lines = headers.iter().map(|(name, value)| match args.curl {
            // Within single quotes only the quote itself means anything to a shell.
            true => format!("-H '{name}: {}'", value.replace('\'', r"'\''")),
            false => format!("{name}: {value}"),
        });
        lines.collect::<Vec<_>>().join(if args.curl { " " } else { "\n" })
    });
    Ok(ExitCode::SUCCESS)
}

/// The bytes of a file, or of standard input for `-`.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    /// Far above what the bridge takes.
    const BODY_MIB_MAX: u64 = 16;
    const BODY_BYTES_MAX: u64 = BODY_MIB_MAX * 1024 * 1024;
    let mut body = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(BODY_BYTES_MAX + 1).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(BODY_BYTES_MAX + 1).read_to_end(&mut body))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    anyhow::ensure!(
        body.len() as u64 <= BODY_BYTES_MAX,
        "{} has more than {BODY_MIB_MAX} MiB",
        path.display()
    );
    Ok(body)
}
