//! Reads and checks the configuration.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use super::sections::Config;
use super::{read, references};
use crate::intake::source::Sources;
use crate::vm_request::violation::Violation;

/// A configuration that can be used, with what is worth knowing about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// What works and should be otherwise.
    pub warnings: Vec<String>,
}

/// A configuration that cannot be used, with everything wrong with it.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// The file, where there is one.
    pub path: PathBuf,
    pub violations: Vec<Violation>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration {} cannot be used:", self.path.display())?;
        for violation in &self.violations {
            write!(f, "\n  {violation}")?;
        }
        Ok(())
    }
}

/// Reads the configuration at `path`, with references into the process's environment.
///
/// # Errors
/// [`ConfigError`] with everything wrong with it.
pub fn load(path: &Path) -> Result<Loaded, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError {
        path: path.to_owned(),
        violations: vec![Violation::new("", format!("cannot be read: {error}"), "a TOML file")],
    })?;
    let base = path.parent().unwrap_or_else(|| Path::new("."));
    parse(&text, base, &|name| std::env::var(name).ok())
        .map_err(|violations| ConfigError { path: path.to_owned(), violations })
}

/// The same for a text; relative files are taken from `base`, variables from `env`.
///
/// # Errors
/// Everything wrong with it.
pub fn parse(
    text: &str,
    base: &Path,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Loaded, Vec<Violation>> {
    // The error's own text would show the line, which may hold a secret.
    let mut value: toml::Value = toml::from_str(text).map_err(|error| {
        let line =
            error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        vec![Violation::new("", format!("line {line} is not TOML: {}", error.message()), "TOML 1.0")]
    })?;
    let mut found = Vec::new();
    let mut warnings = plain_secrets(&value, "");
    let brought_in = references::resolve(&mut value, base, env, &mut found);
    if !found.is_empty() {
        return Err(found);
    }
    let config = read::read(value, &brought_in)?;
    let violations = violations(&config);
    if !violations.is_empty() {
        return Err(violations);
    }
    warnings.extend(short_tokens(&config));
    Ok(Loaded { config, warnings })
}

/// Everything that the types alone do not rule out.
fn violations(config: &Config) -> Vec<Violation> {
    let mut found = Vec::new();
    if config.instance.is_empty() || config.instance.len() > 64 {
        found.push(Violation::new("/instance", "is empty or too long", "1 to 64 characters"));
    }
    if config.http.workers == 0 {
        found.push(Violation::new("/http/workers", "is 0", "at least 1"));
    }
    for (field, secs) in [
        ("overall_deadline_secs", config.policy.overall_deadline_secs),
        ("poll_interval_secs", config.policy.poll_interval_secs),
        ("relist_gap_secs", config.policy.relist_gap_secs),
        ("look_interval_secs", config.policy.look_interval_secs),
        ("put_off_first_secs", config.policy.put_off_first_secs),
        ("verify_interval_secs", config.policy.verify_interval_secs),
        ("watch_interval_secs", config.policy.watch_interval_secs),
        ("cancel_resend_secs", config.policy.cancel_resend_secs),
    ] {
        if secs == 0 {
            found.push(Violation::new(format!("/policy/{field}"), "is 0", "at least 1 second"));
        }
    }
    found.extend(watch_violations(config));
    let controllers = names(&mut found, "/controllers", config.controllers.iter().map(|each| &each.name));
    let vcenters = names(&mut found, "/vcenters", config.vcenters.iter().map(|each| &each.name));
    let people = config.api_tokens.iter().map(|each| &each.name).enumerate();
    let people: Vec<(usize, &String)> = people.collect();
    for (index, name) in &people {
        if people[..*index].iter().any(|(_, other)| other == name) {
            let at = format!("/api_tokens/{index}/name");
            found.push(Violation::new(
                at,
                "stands twice",
                "a name of its own: the journal tells people by it",
            ));
        }
    }
    found.extend(Sources::new(&config.sources).err().unwrap_or_default());
    found.extend(config.catalog.violations(&controllers, &vcenters));
    found
}

fn watch_violations(config: &Config) -> Vec<Violation> {
    let watch = &config.watch;
    let secs = [
        ("sweep_secs", watch.sweep_secs),
        ("inventory_poll_secs", watch.inventory_poll_secs),
        ("inventory_sweep_secs", watch.inventory_sweep_secs),
        ("confirm_secs", watch.confirm_secs),
        ("missing_confirm_secs", watch.missing_confirm_secs),
    ];
    let zero = secs.into_iter().filter(|(_, secs)| *secs == 0);
    let mut found: Vec<Violation> = zero
        .map(|(field, _)| Violation::new(format!("/watch/{field}"), "is 0", "at least 1 second"))
        .collect();
    let known = config.catalog.environments.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    let mut environments = |at: String, named: &[String]| {
        for (index, name) in named.iter().enumerate() {
            if !config.catalog.environments.contains_key(name) {
                let what = format!("no environment is called `{name}`");
                found.push(Violation::new(format!("{at}/environments/{index}"), what, known.clone()));
            }
        }
    };
    for (index, rule) in watch.rules.iter().enumerate() {
        environments(format!("/watch/rules/{index}"), &rule.environments);
    }
    for (index, window) in watch.windows.iter().enumerate() {
        environments(format!("/watch/windows/{index}"), &window.environments);
    }
    for (index, token) in config.api_tokens.iter().enumerate() {
        environments(format!("/api_tokens/{index}"), &token.environments);
    }
    for (index, name) in watch.stopped_vcenters.iter().enumerate() {
        if !config.vcenters.iter().any(|vcenter| vcenter.name == *name) {
            let what = format!("no vCenter is called `{name}`");
            found.push(Violation::new(
                format!("/watch/stopped_vcenters/{index}"),
                what,
                "a name in /vcenters",
            ));
        }
    }
    found
}

fn names<'a>(
    found: &mut Vec<Violation>,
    at: &str,
    given: impl Iterator<Item = &'a String>,
) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (index, name) in given.enumerate() {
        let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if name.is_empty() || !plain {
            let expected = "letters, digits, `-`, `_` and `.`";
            found.push(Violation::new(format!("{at}/{index}/name"), "is no plain name", expected));
        }
        if !names.insert(name.clone()) {
            found.push(Violation::new(format!("{at}/{index}/name"), "stands twice", "a name of its own"));
        }
    }
    names
}

/// Tokens that could be guessed.
fn short_tokens(config: &Config) -> Vec<String> {
    const TOKEN_CHARS_MIN: usize = 16;
    let mut warnings = Vec::new();
    for (index, token) in config.api_tokens.iter().enumerate() {
        if token.secret.expose().chars().count() < TOKEN_CHARS_MIN {
            let at = format!("/api_tokens/{index}/secret");
            warnings.push(format!("{at} has fewer than {TOKEN_CHARS_MIN} characters: take random ones"));
        }
    }
    warnings
}

/// Secrets that stand in the file itself.
fn plain_secrets(value: &toml::Value, at: &str) -> Vec<String> {
    const SECRET_FIELDS: [&str; 4] = ["token", "password", "secret", "secrets"];
    let Some(table) = value.as_table() else {
        let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let inner = items.iter().enumerate();
        return inner.flat_map(|(index, item)| plain_secrets(item, &format!("{at}/{index}"))).collect();
    };
    let mut warnings = Vec::new();
    for (name, inner) in table {
        let at = format!("{at}/{name}");
        let is_plain = match inner {
            toml::Value::String(_) => true,
            toml::Value::Array(items) => items.iter().any(toml::Value::is_str),
            _ => false,
        };
        if SECRET_FIELDS.contains(&name.as_str()) && is_plain {
            warnings.push(format!(
                "{at} stands in the file itself: {{ file = \"…\" }} or {{ env = \"…\" }} keeps it out"
            ));
        } else {
            warnings.extend(plain_secrets(inner, &at));
        }
    }
    warnings
}
