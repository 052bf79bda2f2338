//! The vCenter client: what is there, asked of vCenter itself.
//!
//! SOAP by hand over reqwest and quick-xml: about ten methods, on every vCenter 8.0, without the eight
//! gigabytes of compiler memory that a generated client takes. It only reads: what is built in vCenter is
//! built by playbooks.
//!
//! Reading order: [`Vcenter`] here; `session` (login, re-login, patience), `soap` (one exchange) and `xml`;
//! `properties` (the property collector, page by page); `vms`, `row` and `devices` (wire to
//! [`VmSighting`]); `reading` (a few VMs by their ids); `inventory` (names and places); `tasks` (running clones);
//! `updates` (which VMs changed) and `events` (what happened to them, and who did it).
//!
//! What it promises: every call has a deadline and every answer a size limit; a page that is lost makes
//! the whole read begin again; absent values, empty enums and objects that vanish while they are read are
//! ordinary; a lost session is replaced once; a wrong password is sent once, then not again for a quarter of
//! an hour. A read that is dropped half way leaves a container view behind until the session ends.
//!
//! Changes are followed as hints only: vCenter says which VMs are worth a look, and what is true is read then. It does
//! not tell everything, so whoever follows changes reads everything from time to time as well. A [`Watcher`] that is
//! dropped takes its collector away.
//!
//! What it deliberately does not do: change anything in the inventory, keep what it read, or speak the JSON API.

mod devices;
mod errors;
mod events;
mod inventory;
mod properties;
mod reading;
mod row;
mod session;
mod soap;
mod tasks;
mod updates;
mod vms;
mod xml;

#[cfg(test)]
mod stub;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Mutex;

pub use errors::{SetupError, VcenterError};
pub use events::{EVENTS_MAX, EventCursor, VmEvent, VmEvents};
pub use inventory::{DatacenterNames, InventoryNames, TemplateName};
pub use reading::VmReading;
pub use soap::CallStats;
pub use tasks::{CloneTarget, CloneTask, CloneTaskState};
pub use updates::{Changes, Watcher};
pub use vms::{Unreadable, VmListing, VmQuery};

use crate::clock::SharedClock;
use crate::config::Secret;
use crate::vm_request::sighting::VmSighting;
use session::{Shared, State};
use soap::{Counters, Transport};

/// Where a vCenter is and how patient to be with it.
#[derive(Debug, Clone)]
pub struct VcenterConfig {
    /// The name that the catalog and errors use.
    pub name: String,
    /// `https://HOST/sdk`; a missing path means `/sdk`. Plain `http` only for loopback addresses.
    pub url: String,
    /// e.g. `causeway@vsphere.local`.
    pub username: String,
    pub password: Secret,
    /// PEM file with further certificate authorities to trust, beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Deadline of one call, the whole answer included. Usual: 30.
    pub call_deadline_secs: u64,
    /// Objects per page of the property collector. Usual: 100.
    pub page_objects_max: u32,
    /// How often a read is tried in all when the failure is transient. Usual: 3.
    pub read_attempts_max: u32,
    /// Longest answer of one call. Usual: 64 MiB.
    pub body_bytes_max: usize,
}

/// What a vCenter says of itself, without a login (`about` of the service content).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct About {
    pub name: String,
    pub full_name: String,
    /// Product version, e.g. `8.0.2`.
    pub version: String,
    pub build: String,
    /// `VirtualCenter`, or `HostAgent` for a single ESXi host.
    pub api_type: String,
    /// e.g. `8.0.2.0`.
    pub api_version: String,
    pub instance_uuid: Option<String>,
}

/// A client of one vCenter. Clones share one session.
#[derive(Debug, Clone)]
pub struct Vcenter {
    shared: Arc<Shared>,
}

impl Vcenter {
    /// Checks the configuration and prepares the client. Reads `ca_file`; sends nothing.
    ///
    /// # Errors
    /// [`SetupError`] names the field that cannot be used.
    pub fn new(cfg: VcenterConfig, clock: SharedClock) -> Result<Self, SetupError> {
        let url = sdk_url(&cfg)?;
        check_credentials(&cfg)?;
        check_limits(&cfg)?;
        let http = http_client(&cfg)?;
        let transport = Transport {
            http,
            url,
            vcenter: cfg.name,
            call_deadline_secs: cfg.call_deadline_secs,
            body_bytes_max: cfg.body_bytes_max,
            counters: Arc::new(Counters::default()),
        };
        let shared = Shared {
            transport,
            username: cfg.username,
            password: cfg.password,
            clock,
            read_attempts_max: cfg.read_attempts_max,
            page_objects_max: cfg.page_objects_max,
            state: Mutex::new(State::LoggedOut),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Name, version and identity of the vCenter. Needs no login.
    ///
    /// # Errors
    /// [`VcenterError`], after `read_attempts_max` tries when transient.
    pub async fn about(&self) -> Result<About, VcenterError> {
        self.shared.about().await
    }

    /// Everything a catalog may name: data centres with their clusters, datastores, networks, folders
    /// and templates. For preflight and `doctor`.
    ///
    /// # Errors
    /// [`VcenterError`], after `read_attempts_max` tries when transient.
    pub async fn inventory(&self) -> Result<InventoryNames, VcenterError> {
        self.shared.read(inventory::read_names).await
    }

    /// One full read of all VMs and templates, paged. A VM that cannot be read is listed as such and
    /// never fails the whole.
    ///
    /// # Errors
    /// [`VcenterError`], after `read_attempts_max` tries when transient.
    pub async fn vms(&self) -> Result<VmListing, VcenterError> {
        self.shared.read(vms::read_all).await
    }

    /// Exactly the VMs with these managed object ids, each read whole. An id that is named twice counts once; none
    /// sends nothing but a login.
    ///
    /// # Errors
    /// [`VcenterError`], after `read_attempts_max` tries when transient. A VM that is gone or hidden is no error.
    pub async fn read_vms(&self, moids: &[String]) -> Result<VmReading, VcenterError> {
        let wanted: std::collections::BTreeSet<String> = moids.iter().cloned().collect();
        self.shared.read(|channel| reading::read_these(channel, wanted.clone())).await
    }

    /// Every VM that any identity in `wanted` fits, each once, in the order of their ids: empty when
    /// there is none, two when a name is taken or an identity is borne twice.
    ///
    /// # Errors
    /// [`VcenterError::Incomplete`] when the search could not see every VM; any other [`VcenterError`].
    pub async fn find_vm(&self, wanted: &VmQuery<'_>) -> Result<Vec<VmSighting>, VcenterError> {
        let wanted = vms::Search::from(wanted);
        self.shared.read(|channel| vms::find(channel, wanted.clone())).await
    }

    /// Events that name a VM, since `since`; without it, an empty list and where the log stands now by the server's own
    /// clock. A server without an event log has none.
    ///
    /// # Errors
    /// [`VcenterError`], after `read_attempts_max` tries when transient.
    pub async fn vm_events(&self, since: Option<&EventCursor>) -> Result<VmEvents, VcenterError> {
        let since = since.copied();
        self.shared.read(|channel| events::read_events(channel, since)).await
    }

    /// What follows changes within this client's session. Sends nothing yet.
    #[must_use]
    pub fn watch(&self) -> Watcher {
        Watcher::new(Arc::clone(&self.shared))
    }

    /// Clone tasks queued or running whose target is called `name`, or whose target vCenter does not
    /// tell ([`CloneTask::targets`] empty). `datacenter` leaves out those known to go elsewhere.
    ///
    /// # Errors
    /// [`VcenterError`], after `read_attempts_max` tries when transient.
    pub async fn clone_tasks_running(
        &self,
        name: &str,
        datacenter: Option<&str>,
    ) -> Result<Vec<CloneTask>, VcenterError> {
        let running = self.shared.read(tasks::running_clones).await?;
        Ok(running.into_iter().filter(|task| task.may_create(name, datacenter)).collect())
    }

    /// Ends the session. The next read logs in again.
    pub async fn logout(&self) {
        self.shared.logout().await;
    }

    /// What was counted since the client was made, clones included.
    #[must_use]
    pub fn stats(&self) -> CallStats {
        self.shared.transport.counters.read()
    }
}

fn sdk_url(cfg: &VcenterConfig) -> Result<reqwest::Url, SetupError> {
    let unusable = || SetupError::Url { vcenter: cfg.name.clone(), url: cfg.url.clone() };
    let mut url = reqwest::Url::parse(&cfg.url).map_err(|_| unusable())?;
    // An address with user:password in it would end up in logs.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetupError::Url {
            vcenter: cfg.name.clone(),
            url: "(address with credentials)".to_owned(),
        });
    }
    let host = url.host_str().ok_or_else(unusable)?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(host) => {}
        "http" => return Err(SetupError::PlainHttp { vcenter: cfg.name.clone(), url: cfg.url.clone() }),
        _ => return Err(unusable()),
    }
    if url.path() == "/" {
        url.set_path("/sdk");
    }
    Ok(url)
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn check_credentials(cfg: &VcenterConfig) -> Result<(), SetupError> {
    for (field, value) in [("username", cfg.username.as_str()), ("password", cfg.password.expose())] {
        if value.is_empty() || !value.chars().all(xml::is_xml_char) {
            return Err(SetupError::Credentials { vcenter: cfg.name.clone(), field });
        }
    }
    Ok(())
}

fn check_limits(cfg: &VcenterConfig) -> Result<(), SetupError> {
    let limits = [
        ("call_deadline_secs", cfg.call_deadline_secs == 0),
        ("page_objects_max", cfg.page_objects_max == 0),
        ("read_attempts_max", cfg.read_attempts_max == 0),
        ("body_bytes_max", cfg.body_bytes_max == 0),
    ];
    match limits.into_iter().find(|(_, is_zero)| *is_zero) {
        Some((field, _)) => Err(SetupError::Limit { vcenter: cfg.name.clone(), field }),
        None => Ok(()),
    }
}

fn http_client(cfg: &VcenterConfig) -> Result<reqwest::Client, SetupError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Err means that another thread was faster, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = reqwest::Client::builder()
        // Redirects would turn the POST into a GET; a proxy has no business between bridge and vCenter.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("causeway/", env!("CARGO_PKG_VERSION")));
    if let Some(path) = &cfg.ca_file {
        let unusable = |reason: String| SetupError::CaFile {
            vcenter: cfg.name.clone(),
            path: path.display().to_string(),
            reason,
        };
        let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
        let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|e| unusable(e.to_string()))?;
        if authorities.is_empty() {
            return Err(unusable("no certificate in it".to_owned()));
        }
        builder = builder.tls_certs_merge(authorities);
    }
    builder.build().map_err(|e| SetupError::Client { vcenter: cfg.name.clone(), reason: e.to_string() })
}
