//! `causeway validate`: a VM request against the schema and, with a configuration, against its catalog.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use super::output::{BAD, GOOD, paint};
use super::{Output, sign};
use crate::config;
use crate::intake::draft::Draft;
use crate::vm_request::violation::Violation;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct ValidateArgs {
    /// A VM request in JSON; `-` reads standard input.
    file: PathBuf,
    /// Check it against this configuration's catalog too, and show the whole VM that it resolves to.
    #[arg(long, short, env = "CAUSEWAY_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn run(args: &ValidateArgs, output: &Output) -> anyhow::Result<ExitCode> {
    let body = sign::read(&args.file)?;
    let asked = match Draft::of_caller(&body, "validate").content {
        Ok(asked) => asked,
        Err(violations) => return Ok(wrong(&violations, output)),
    };
    let Some(path) = &args.config else {
        output.tell(&json!({"valid": true}), || format!("{}: the schema accepts it", paint("valid", GOOD)));
        return Ok(ExitCode::SUCCESS);
    };
    match config::load(path)?.config.catalog.resolve(&asked.request) {
        Ok(spec) => {
            let shown = serde_json::to_string_pretty(&spec)?;
            let document = json!({"valid": true, "spec": spec});
            output.tell(&document, || format!("{}: it resolves to\n{shown}", paint("valid", GOOD)));
            Ok(ExitCode::SUCCESS)
        }
        Err(violations) => Ok(wrong(&violations, output)),
    }
}

fn wrong(violations: &[Violation], output: &Output) -> ExitCode {
    output.tell(&json!({"valid": false, "errors": violations}), || {
        let lines: String = violations.iter().map(|violation| format!("\n  {violation}")).collect();
        format!("{}:{lines}", paint("not valid", BAD))
    });
    ExitCode::FAILURE
}
