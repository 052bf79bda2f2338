//! The composition root: opens the journal, builds the clients, starts and stops everything in order.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::aap::{Controller, ControllerConfig};
use crate::clock::SharedClock;
use crate::config::Config;
use crate::http::access::Access;
use crate::http::{self, AppState, NeighbourCalls, Server};
use crate::journal::{Journal, JournalOptions, JournalView};
use crate::reconciler::{ControllerSetup, Limits, Neighbours, Observer, Reconciler, RunOver, plan};
pub use crate::reconciler::{Plan, PlanItem};
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
    Listen { address: SocketAddr, error: std::io::Error },
    #[error("the configuration lets nobody in:\n  {}", .0.join("\n  "))]
    Access(Vec<String>),
}

/// A running bridge.
#[derive(Debug)]
pub struct Bridge {
    server: Server,
    journal: Journal,
    reconciler: Reconciler,
    observer: Option<Observer>,
}

impl Bridge {
    /// Starts everything and listens where the configuration says.
    ///
    /// # Errors
    /// [`StartError`] names what could not be started. Nothing runs then.
    pub async fn start(config: Config, clock: SharedClock) -> Result<Self, StartError> {
        let address = config.http.listen;
        let listener = TcpListener::bind(address).map_err(|error| StartError::Listen { address, error })?;
        Self::start_on(listener, config, clock).await
    }

    /// The same on a listener that was bound before: journal, clients, reconciler, and last what lets others in.
    ///
    /// # Errors
    /// [`StartError`] names what could not be started. Nothing runs then.
    pub async fn start_on(
        listener: TcpListener,
        config: Config,
        clock: SharedClock,
    ) -> Result<Self, StartError> {
        let access = access(&config)?;
        let neighbours = Arc::new(neighbours(&config, &clock)?);
        let calls_made = calls_made(&neighbours);
        let options = JournalOptions { path: config.journal.path.clone(), ..JournalOptions::default() };
        let journal = Journal::open(options, clock.clone())?;
        let policy = config.policy.clone();
        let reconciler =
            Reconciler::start(journal.clone(), Arc::clone(&neighbours), policy, Limits::default()).await?;
        let observer = match config.watch.enabled {
            true => {
                let (policy, waker) = (config.watch.clone(), reconciler.waker());
                Some(Observer::start(journal.clone(), neighbours, policy, waker).await?)
            }
            false => None,
        };
        let (waker, knows) = (reconciler.waker(), reconciler.waker());
        let wake: http::Waker = Arc::new(move |id| waker.wake(id));
        let trouble: http::Trouble =
            Arc::new(move |id| knows.waiting(id).and_then(|waiting| waiting.trouble));
        let state = Arc::new(
            AppState::new(journal.clone(), access, clock, wake, config.http.limits.clone())
                .with_trouble(trouble)
                .with_watch(observer.as_ref().map(watch_view))
                .with_calls_made(calls_made),
        );
        reconciler.on_run_over(count_callbacks(&config, &state));
        let address = config.http.listen;
        let server = http::start(listener, state, config.http.workers)
            .map_err(|error| StartError::Listen { address, error })?;
        Ok(Self { server, journal, reconciler, observer })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The journal, for those who read along.
    #[must_use]
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Stops in reverse order: nobody is let in any more, actions under way end, the journal is closed.
    pub async fn stop(self) {
        if let Err(error) = self.server.stop().await {
            tracing::warn!(%error, "the server did not end as it should");
        }
        if let Some(observer) = self.observer {
            observer.stop().await;
        }
        self.reconciler.stop().await;
        self.journal.close().await;
    }
}

/// What handlers may ask of the watch.
fn watch_view(observer: &Observer) -> http::WatchView {
    let (asked, told) = (observer.handle(), observer.handle());
    http::WatchView {
        status: Arc::new(move || serde_json::json!(asked.status())),
        end_mass_change: Arc::new(move || told.end_mass_change()),
    }
}

/// What the clients count, for the metrics.
fn calls_made(neighbours: &Neighbours) -> http::CallsMade {
    let controllers: Vec<_> = neighbours
        .controllers
        .iter()
        .map(|(name, handle)| (format!("controller {name}"), handle.client.clone()))
        .collect();
    let vcenters: Vec<_> = neighbours
        .vcenters
        .iter()
        .map(|(name, handle)| (format!("vcenter {name}"), handle.client.clone()))
        .collect();
    Arc::new(move || {
        let mut made = Vec::new();
        for (neighbour, client) in &controllers {
            let mut by_outcome = BTreeMap::<_, u64>::new();
            for ((_, outcome), count) in client.stats().by_method {
                *by_outcome.entry(outcome.as_str()).or_default() += count;
            }
            let calls = by_outcome.into_iter();
            made.extend(calls.map(|(outcome, count)| NeighbourCalls {
                neighbour: neighbour.clone(),
                outcome,
                count,
            }));
        }
        for (neighbour, client) in &vcenters {
            let stats = client.stats();
            let answered = stats.calls.saturating_sub(stats.failed);
            for (outcome, count) in [("success", answered), ("failed", stats.failed)] {
                made.push(NeighbourCalls { neighbour: neighbour.clone(), outcome, count });
            }
        }
        made
    })
}

/// Counts the notifications that each run is to send, where its controller is configured to send any.
fn count_callbacks(config: &Config, state: &Arc<AppState>) -> RunOver {
    let senders = config.controllers.iter().filter(|section| section.callback.is_some());
    let templates: BTreeMap<String, String> =
        senders.map(|section| (section.name.clone(), section.workflow.clone())).collect();
    let state = Arc::clone(state);
    Arc::new(move |id, workflow_job, controller| {
        if let Some(template) = templates.get(controller) {
            http::run_over(&state, id.clone(), workflow_job, template.clone());
        }
    })
}

/// Reads every neighbour once, beside a bridge that may run, and says what its watch would do. Nothing is changed.
///
/// # Errors
/// [`StartError`] when the journal or a client cannot be opened. A neighbour that cannot be read is named in the plan.
pub async fn plan_once(config: &Config, clock: &SharedClock) -> Result<Plan, StartError> {
    let neighbours = neighbours(config, clock)?;
    let options = JournalOptions { path: config.journal.path.clone(), ..JournalOptions::default() };
    let journal = JournalView::beside(&options)?;
    let made = plan(&journal, &neighbours, &config.watch, clock.now()).await;
    for vcenter in neighbours.vcenters.values() {
        vcenter.client.logout().await;
    }
    Ok(made?)
}

/// Who is let in by `config`.
///
/// # Errors
/// [`StartError::Access`] with everything wrong with sources, tokens and callbacks.
pub fn access(config: &Config) -> Result<Access, StartError> {
    Access::new(config.catalog.clone(), &config.sources, &config.api_tokens, &config.callbacks())
        .map_err(|violations| StartError::Access(violations.iter().map(ToString::to_string).collect()))
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
