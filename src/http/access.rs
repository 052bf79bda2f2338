//! Who may come in: API tokens with a name each, and the secrets that controllers put into their notifications.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::config::Secret;
use crate::intake::signature::{Scheme, SharedSecrets, Verifier};
use crate::intake::source::{SourceConfig, Sources};
use crate::vm_request::catalog::Catalog;
use crate::vm_request::violation::Violation;

/// One `[[api_tokens]]` of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApiTokenConfig {
    /// The person or system behind it. It stands in the journal.
    pub name: String,
    pub secret: Secret,
    /// Whether it may approve and deny.
    #[serde(default)]
    pub may_approve: bool,
    /// The environments whose VMs it may see in the register, in lists of drift and in the inventory; empty: all, and
    /// VMs of no environment too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environments: Vec<String>,
}

/// How a controller's notifications prove themselves: part of its configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackConfig {
    /// The controller's name: `/hooks/aap/{controller}`.
    pub controller: String,
    /// `bearer` or `basic`: AWX signs nothing (MEASURED 29).
    pub scheme: Scheme,
    pub secrets: Vec<Secret>,
    /// The header with the token, e.g. `X-Causeway-Token`; without it `Authorization: Bearer …`.
    #[serde(default)]
    pub header: Option<String>,
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub name: String,
    pub may_approve: bool,
    /// Empty: all.
    pub environments: Vec<String>,
}

impl Person {
    /// Whether VMs of that environment may be seen.
    #[must_use]
    pub fn may_see(&self, environment: Option<&str>) -> bool {
        self.environments.is_empty()
            || environment.is_some_and(|environment| self.environments.iter().any(|name| name == environment))
    }
}

/// API tokens, ready to compare.
pub struct ApiTokens {
    secrets: SharedSecrets,
    people: Vec<Person>,
}

impl ApiTokens {
    /// Whose token `given` is.
    #[must_use]
    pub fn person(&self, given: &[u8]) -> Option<&Person> {
        self.people.get(self.secrets.position(given)?)
    }
}

/// Everything that decides who is let in and what can be asked for. Replaced as a whole when the configuration is
/// loaded anew, so that nobody sees half of it.
pub struct Access {
    pub catalog: Catalog,
    pub sources: Sources,
    pub tokens: ApiTokens,
    controllers: BTreeMap<String, Verifier>,
}

impl Access {
    /// Makes the configuration ready, or says everything that is wrong with it.
    ///
    /// # Errors
    /// Violations with pointers below `/sources`, `/api_tokens` and `/controllers`. The catalog is checked elsewhere.
    pub fn new(
        catalog: Catalog,
        sources: &[SourceConfig],
        tokens: &[ApiTokenConfig],
        callbacks: &[CallbackConfig],
    ) -> Result<Self, Vec<Violation>> {
        let mut found = Vec::new();
        let sources = Sources::new(sources).map_err(|violations| found.extend(violations)).ok();
        let tokens = api_tokens(tokens, &mut found);
        let controllers = controllers(callbacks, &mut found);
        match (sources, tokens) {
            (Some(sources), Some(tokens)) if found.is_empty() => {
                Ok(Self { catalog, sources, tokens, controllers })
            }
            _ => Err(found),
        }
    }

    /// What proves a notification of that controller.
    #[must_use]
    pub fn controller(&self, name: &str) -> Option<&Verifier> {
        self.controllers.get(name)
    }
}

fn api_tokens(configs: &[ApiTokenConfig], found: &mut Vec<Violation>) -> Option<ApiTokens> {
    for (index, config) in configs.iter().enumerate() {
        let at = format!("/api_tokens/{index}");
        if config.name.trim().is_empty() || config.name.chars().count() > 100 {
            let expected = "1 to 100 characters";
            found.push(Violation::new(format!("{at}/name"), "names nobody", expected));
        }
        if configs[..index].iter().any(|other| other.secret == config.secret) {
            let detail = "is the token of somebody else too";
            found.push(Violation::new(format!("{at}/secret"), detail, "a token of its own"));
        }
    }
    let secrets: Vec<Secret> = configs.iter().map(|config| config.secret.clone()).collect();
    match SharedSecrets::new(&secrets) {
        Ok(secrets) => {
            let person = |config: &ApiTokenConfig| Person {
                name: config.name.clone(),
                may_approve: config.may_approve,
                environments: config.environments.clone(),
            };
            Some(ApiTokens { secrets, people: configs.iter().map(person).collect() })
        }
        Err((index, why)) => {
            let at = format!("/api_tokens/{index}/secret");
            found.push(Violation::new(at, why.to_string(), "at least 16 random characters"));
            None
        }
    }
}

fn controllers(configs: &[CallbackConfig], found: &mut Vec<Violation>) -> BTreeMap<String, Verifier> {
    let mut verifiers = BTreeMap::new();
    for config in configs {
        let at = format!("/controllers/{}/callbacks", config.controller);
        if !matches!(config.scheme, Scheme::Bearer | Scheme::Basic) {
            let detail = "is nothing that a controller can do";
            found.push(Violation::new(format!("{at}/scheme"), detail, "`bearer` or `basic`"));
        }
        if config.secrets.is_empty() {
            found.push(Violation::new(format!("{at}/secrets"), "is empty", "at least one secret"));
        }
        match Verifier::new(config.scheme, &config.secrets, config.header.as_deref(), 0) {
            Ok(verifier) => {
                verifiers.insert(config.controller.clone(), verifier);
            }
            Err((index, why)) => {
                let at = format!("{at}/secrets/{index}");
                found.push(Violation::new(at, why.to_string(), "a secret that the scheme can use"));
            }
        }
    }
    verifiers
}
