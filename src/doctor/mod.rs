//! Examines a configuration against the neighbours that it names, before any request meets them: everything that is
//! wrong at once, each with what mends it. It changes nothing.

mod callbacks;
mod controller;
mod vcenter;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::bridge::{self, StartError};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::vm_request::hold::Finding;

/// What the examination found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What was looked at and is well, a sentence each.
    pub well: Vec<String>,
    /// What keeps requests from ending well. The doctor's exit code tells whether there is any.
    pub findings: Vec<Finding>,
    /// What works and should be otherwise.
    pub warnings: Vec<Finding>,
}

impl Report {
    fn well(&mut self, sentence: impl Into<String>) {
        self.well.push(sentence.into());
    }

    fn find(
        &mut self,
        code: &str,
        subject: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.findings.push(finding(code, subject, detail, remedy));
    }

    fn warn(
        &mut self,
        code: &str,
        subject: impl Into<String>,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.warnings.push(finding(code, subject, detail, remedy));
    }
}

fn finding(
    code: &str,
    subject: impl Into<String>,
    detail: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    Finding { code: code.to_owned(), subject: subject.into(), detail: detail.into(), remedy: remedy.into() }
}

/// Examines everything that `config` names. `public_url` is where the controllers reach this bridge, for comparing
/// their notification templates with it.
///
/// # Errors
/// [`StartError`] when a client cannot even be set up.
pub async fn examine(
    config: &Config,
    public_url: Option<&str>,
    clock: &SharedClock,
) -> Result<Report, StartError> {
    let neighbours = bridge::neighbours(config, clock)?;
    let mut report = Report::default();
    entrances(&mut report, config)?;
    for section in &config.controllers {
        if let Some(handle) = neighbours.controllers.get(&section.name) {
            controller::examine(&mut report, section, &handle.client, public_url).await;
        }
    }
    for section in &config.vcenters {
        if let Some(handle) = neighbours.vcenters.get(&section.name) {
            vcenter::examine(&mut report, section, &handle.client, &config.catalog).await;
            handle.client.logout().await;
        }
    }
    unused(&mut report, config);
    Ok(report)
}

/// Whether the bridge would start at all with these sources, tokens and callbacks.
fn entrances(report: &mut Report, config: &Config) -> Result<(), StartError> {
    let wrong = match bridge::access(config) {
        Ok(_) => return Ok(()),
        Err(StartError::Access(wrong)) => wrong,
        Err(other) => return Err(other),
    };
    for sentence in wrong {
        let remedy = "mend this secret in the configuration: the bridge does not start with it";
        report.find("entrance_broken", "who is let in", sentence, remedy);
    }
    Ok(())
}

/// Controllers and vCenters that no environment uses: harmless, and often a slip.
fn unused(report: &mut Report, config: &Config) {
    let environments = || config.catalog.environments.values();
    let controllers: BTreeSet<&String> = environments().map(|each| &each.controller).collect();
    let vcenters: BTreeSet<&String> = environments().map(|each| &each.vcenter).collect();
    let named =
        config.controllers.iter().map(|each| ("controller", &each.name, controllers.contains(&each.name)));
    let named = named
        .chain(config.vcenters.iter().map(|each| ("vCenter", &each.name, vcenters.contains(&each.name))));
    for (kind, name, _) in named.filter(|(_, _, is_used)| !is_used) {
        report.warn(
            "unused",
            format!("{kind} {name}"),
            "no environment of the catalog uses it",
            "name it in an environment, or take it out",
        );
    }
}
