//! The sections of the configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::secret::Secret;
use crate::vm_request::Policy;
use crate::vm_request::catalog::Catalog;

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
    /// Who may use the API.
    #[serde(default)]
    pub tokens: Vec<TokenSection>,
    /// Who may send webhooks.
    #[serde(default)]
    pub sources: Vec<crate::intake::source::SourceConfig>,
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
}

impl Default for HttpSection {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 8080)), workers: 2 }
    }
}

/// Where the journal lies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalSection {
    pub path: PathBuf,
}

/// Somebody who may use the API.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenSection {
    /// Who it is: it stands in the journal beside everything done with the token.
    pub name: String,
    pub token: Secret,
    #[serde(default)]
    pub may_approve: bool,
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

/// How notifications prove where they come from: a header that the notification template sends, or basic
/// authentication. Several secrets are valid at a time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallbackSection {
    /// Name of the header; `Authorization` with `Bearer ` before the secret when it is not given.
    #[serde(default)]
    pub header: Option<String>,
    /// Name for basic authentication instead of a header.
    #[serde(default)]
    pub username: Option<String>,
    pub secrets: Vec<Secret>,
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
