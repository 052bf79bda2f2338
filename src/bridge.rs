//! The composition root: opens the journal, builds the clients, starts and stops everything in order.

use crate::aap::{Controller, ControllerConfig};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::journal::{Journal, JournalOptions};
use crate::reconciler::{ControllerSetup, Limits, Neighbours, Reconciler};
use crate::vcenter::{Vcenter, VcenterConfig};

/// Why the bridge did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Journal(#[from] crate::journal::OpenError),
    #[error(transparent)]
    JournalRead(#[from] crate::journal::ReadError),
    #[error(transparent)]
    Controller(#[from] crate::aap::SetupError),
    #[error(transparent)]
    Vcenter(#[from] crate::vcenter::SetupError),
    #[error("cannot listen on {address}: {error}")]
    Listen { address: std::net::SocketAddr, error: std::io::Error },
}

/// A running bridge.
pub struct Bridge {
    address: std::net::SocketAddr,
    journal: Journal,
    reconciler: Reconciler,
}

impl Bridge {
    /// Starts everything: journal, clients, reconciler, and last what lets others in.
    ///
    /// # Errors
    /// [`StartError`] names what could not be started. Nothing runs then.
    pub async fn start(config: Config, clock: SharedClock) -> Result<Self, StartError> {
        let neighbours = neighbours(&config, &clock)?;
        let journal = Journal::open(
            JournalOptions { path: config.journal.path.clone(), ..JournalOptions::default() },
            clock.clone(),
        )?;
        let reconciler =
            Reconciler::start(journal.clone(), neighbours, config.policy.clone(), Limits::default()).await?;
        Ok(Self { address: config.http.listen, journal, reconciler })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// Stops in reverse order: nobody is let in any more, actions under way end, the journal is closed.
    pub async fn stop(self) {
        self.reconciler.stop().await;
        self.journal.close().await;
    }
}

/// Makes ring the process's provider of cryptography. Harmless when it was made so before.
pub fn use_ring() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been quicker: then there is a provider all the same.
        let _already = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The clients of everything that `config` names. Must be called within a tokio runtime.
///
/// # Errors
/// [`StartError`] when a client cannot be set up. Nothing was sent.
pub fn neighbours(config: &Config, clock: &SharedClock) -> Result<Neighbours, StartError> {
    use_ring();
    let mut neighbours = Neighbours::new(config.instance.clone(), clock.clone());
    for section in &config.controllers {
        let mut client = ControllerConfig::new(&section.name, &section.base_url, section.token.clone());
        client.organization.clone_from(&section.organization);
        client.ca_file.clone_from(&section.ca_file);
        client.call_deadline_secs = section.call_deadline_secs;
        let setup = ControllerSetup {
            workflow: section.workflow.clone(),
            organization: section.organization.clone(),
            claims_inventory: section.claims_inventory.clone(),
            state_inventory: section.state_inventory.clone(),
        };
        neighbours.add_controller(&section.name, Controller::new(client, clock.clone())?, setup);
    }
    for section in &config.vcenters {
        let client = Vcenter::new(
            VcenterConfig {
                name: section.name.clone(),
                url: section.url.clone(),
                username: section.username.clone(),
                password: section.password.clone(),
                ca_file: section.ca_file.clone(),
                call_deadline_secs: section.call_deadline_secs,
                page_objects_max: 100,
                read_attempts_max: 3,
                body_bytes_max: 64 * 1024 * 1024,
            },
            clock.clone(),
        )?;
        neighbours.add_vcenter(&section.name, client);
    }
    Ok(neighbours)
}
