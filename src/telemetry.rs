//! Tracing set-up and the names of log fields.
//!
//! A message is readable by itself; fields are named after the entity they are about (`request`, `workflow_job`,
//! `controller`), numbers carry their unit (`took_ms`). An error is logged once, where it is handled. Bodies, headers,
//! tokens and query strings are never logged.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The log could not be started.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error(
        "{0:?} is no log filter: a level (error, warn, info, debug, trace) or directives such as causeway=debug"
    )]
    Filter(String),
    #[error("the log was started before")]
    Twice,
}

/// Starts the log on standard error: what `filter` lets through, as text or one JSON document a line.
///
/// # Errors
/// [`TelemetryError`] when the filter cannot be read, or a log runs already.
pub fn start(filter: &str, json: bool) -> Result<(), TelemetryError> {
    let refused = || TelemetryError::Filter(filter.to_owned());
    if filter.split(',').any(is_stray_word) {
        return Err(refused());
    }
    let parsed = EnvFilter::try_new(filter).map_err(|_| refused())?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(parsed)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = if json { builder.json().try_init() } else { builder.try_init() };
    started.map_err(|_| TelemetryError::Twice)
}

/// A word that is no level would be taken for a target with everything of it, and nothing else logged: a slip like
/// `inof` would silence the log.
fn is_stray_word(directive: &str) -> bool {
    let word = directive.trim();
    !word.contains(['=', '[']) && word.parse::<LevelFilter>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_level_are_refused() {
        for stray in ["inof", "causeway", "info,debg"] {
            assert!(stray.split(',').any(is_stray_word), "{stray}");
        }
        for good in ["info", "WARN", "off", "causeway=debug,actix=warn", "info,causeway::journal=trace"] {
            assert!(!good.split(',').any(is_stray_word), "{good}");
        }
    }
}
