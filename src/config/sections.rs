//! The sections of the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::secret::Secret;
use crate::http::Limits;
use crate::http::access::{ApiTokenConfig, CallbackConfig};
use crate::intake::signature::Scheme;
use crate::intake::source::SourceConfig;
use crate::vm_request::Policy;
use crate::vm_request::catalog::Catalog;
use crate::vm_request::watch::policy::WatchPolicy;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of this bridge: `causeway_instance` in the `extra_vars` of its launches.
    pub instance: String,
    #[serde(default)]
    pub http: HttpSection,
    pub journal: JournalSection,
    #[serde(default)]
    pub policy: Policy,
    #[serde(default)]
    pub watch: WatchPolicy,
    /// Who may use the API.
    #[serde(default)]
    pub api_tokens: Vec<ApiTokenConfig>,
    /// Who may send webhooks.
    #[serde(default)]
    pub sources: Vec<SourceConfig>,
    pub controllers: Vec<ControllerSection>,
    pub vcenters: Vec<VcenterSection>,
    pub catalog: Catalog,
}

/// Where the bridge listens.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpSection {
    pub listen: SocketAddr,
    /// Threads that serve HTTP.
    pub workers: usize,
    pub limits: Limits,
}

impl Default for HttpSection {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), workers: 2, limits: Limits::default() }
    }
}

/// Where the journal lies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalSection {
    pub path: PathBuf,
}

/// A controller and what the bridge uses on it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerSection {
    pub name: String,
    /// Scheme, host and port; the API's path is discovered.
    pub base_url: String,
    pub token: Secret,
    #[serde(default)]
    pub organization: Option<String>,
    #[serde(default = "default_workflow")]
    pub workflow: String,
    #[serde(default = "default_claims_inventory")]
    pub claims_inventory: String,
    #[serde(default = "default_state_inventory")]
    pub state_inventory: String,
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    #[serde(default = "default_call_deadline_secs")]
    pub call_deadline_secs: u64,
    /// How the controller's notifications prove where they come from. Without it they are refused.
    #[serde(default)]
    pub callback: Option<CallbackSection>,
}

/// How a controller's notifications prove where they come from. AWX signs nothing, so it is a secret that the
/// notification template sends along (MEASURED 29).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackSection {
    /// `bearer` or `basic`.
    pub scheme: Scheme,
    /// Each of them is enough.
    pub secrets: Vec<Secret>,
    /// The header with the token, where it is not `Authorization: Bearer …`.
    #[serde(default)]
    pub header: Option<String>,
}

/// A vCenter.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VcenterSection {
    pub name: String,
    pub url: String,
    pub username: String,
    pub password: Secret,
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    #[serde(default = "default_call_deadline_secs")]
    pub call_deadline_secs: u64,
}

fn default_workflow() -> String {
    "VM Deployment Workflow".to_owned()
}

fn default_claims_inventory() -> String {
    "Causeway Claims".to_owned()
}

fn default_state_inventory() -> String {
    "VM Deployment State".to_owned()
}

const fn default_call_deadline_secs() -> u64 {
    30
}

impl Config {
    /// How each controller's notifications prove where they come from.
    #[must_use]
    pub fn callbacks(&self) -> Vec<CallbackConfig> {
        let of = |section: &ControllerSection| {
            let callback = section.callback.clone()?;
            Some(CallbackConfig {
                controller: section.name.clone(),
                scheme: callback.scheme,
                secrets: callback.secrets,
                header: callback.header,
            })
        };
        self.controllers.iter().filter_map(of).collect()
    }
}
