//! A bridge and its neighbours on free loopback ports, and the calls that a sender and an operator make.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use reqwest::{Client, Method};
use serde_json::Value;
use tempfile::TempDir;

use crate::bridge::{self, Bridge};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{self, Config, Secret};
use crate::intake::signature::sign_standard_webhooks;
use crate::journal::Journal;
use crate::lab::controller::model::Tempo;
use crate::lab::controller::model::content::Callback;
use crate::lab::faults::FaultPlan;
use crate::lab::runner::{Runner, RunnerOptions, Simulator};
use crate::lab::vcenter_front::VcenterFront;
use crate::lab::world::{Lab, LabOptions, Plays};
use crate::vm_request::violation::Violation;

const CONFIG: &str = include_str!("lab.toml");
/// What the simulator lays out: the same names as in the configuration.
const LAYOUT: &str = include_str!("layout.json");
const WEBHOOK_SECRET: &str = "whsec_ZGVtby1zZWNyZXQtb2YtdGhlLWxhYi1vbmx5LTAwMDE=";
const API_TOKEN: &str = "demo-api-token-of-the-lab";
const CALLBACK_TOKEN: &str = "demo-callback-token-of-the-lab";

/// How to set a rig up.
#[derive(Debug, Clone)]
pub struct RigOptions {
    pub seed: u64,
    pub faults: FaultPlan,
    /// Whether the controller sends notifications.
    pub callbacks: bool,
    pub hands: Hands,
}

/// Who does the work of the controller's jobs.
#[derive(Debug, Clone)]
pub enum Hands {
    /// A model of the playbooks, in the lab's own vCenter: needs nothing installed.
    Model,
    /// The real playbooks by ansible-runner, in govmomi's simulator.
    Ansible(Tools),
}

/// Where the real playbooks and what runs them are.
#[derive(Debug, Clone)]
pub struct Tools {
    /// What `tests/install-ansible` and `tests/install-vcsim` fill.
    pub tools: PathBuf,
    /// The content's folder.
    pub content: PathBuf,
}

impl RigOptions {
    /// A rig on which nothing goes wrong.
    #[must_use]
    pub fn quiet(seed: u64) -> Self {
        Self { seed, faults: FaultPlan::none(seed), callbacks: true, hands: Hands::Model }
    }
}

/// A lab and a bridge that speak over real HTTP.
#[derive(Debug)]
pub struct Rig {
    pub lab: Lab,
    pub vcenter: VcenterFront,
    real: Option<Real>,
    bridge: Option<Bridge>,
    config: Config,
    address: SocketAddr,
    http: Client,
    clock: SharedClock,
    _folder: TempDir,
}

/// An answer of the bridge.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Rig {
    /// Starts lab and bridge.
    ///
    /// # Errors
    /// When a port, the folder or the bridge is not to be had.
    pub async fn start(options: RigOptions) -> anyhow::Result<Self> {
        Self::start_with(options, |_| ()).await
    }

    /// The same with a configuration that `edit` has changed before the bridge starts with it.
    ///
    /// # Errors
    /// When a port, the folder or the bridge is not to be had.
    pub async fn start_with(options: RigOptions, edit: impl FnOnce(&mut Config)) -> anyhow::Result<Self> {
        bridge::use_ring();
        let clock: SharedClock = Arc::new(SystemClock);
        let folder = tempfile::Builder::new().prefix("causeway-demo-").tempdir()?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free loopback port")?;
        let address = listener.local_addr()?;
        let neighbours = LabOnly::start(&options, Tempo::fast(), address, &clock).await?;
        let mut config = neighbours.config(&folder.path().join("journal.db"))?;
        let LabOnly { lab, vcenter, real, .. } = neighbours;
        edit(&mut config);
        let bridge = Bridge::start_on(listener, config.clone(), Arc::clone(&clock)).await?;
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { lab, vcenter, real, bridge: Some(bridge), config, address, http, clock, _folder: folder })
    }

    /// Where the vCenter that the bridge reads is.
    #[must_use]
    pub fn vcenter_url(&self) -> &str {
        self.real.as_ref().map_or(&self.vcenter.url, |real| &real.simulator.plain_url)
    }

    /// Where the bridge listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The operator's API token.
    #[must_use]
    pub const fn api_token(&self) -> &'static str {
        API_TOKEN
    }

    /// The secret with which tickets are signed.
    #[must_use]
    pub const fn webhook_secret(&self) -> &'static str {
        WEBHOOK_SECRET
    }

    /// The bridge's configuration.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// Where the journal lies.
    #[must_use]
    pub fn journal_path(&self) -> PathBuf {
        self.config.journal.path.clone()
    }

    /// The journal of the running bridge.
    ///
    /// # Errors
    /// When the bridge does not run.
    pub fn journal(&self) -> anyhow::Result<&Journal> {
        self.bridge.as_ref().map(Bridge::journal).context("the bridge does not run")
    }

    /// Sends a signed ticket as delivery `id`, as an ITSM system does.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn send_ticket(&self, id: &str, ticket: &Value) -> anyhow::Result<Answer> {
        let body = ticket.to_string().into_bytes();
        let secret = Secret::new(WEBHOOK_SECRET);
        let signed = sign_standard_webhooks(&secret, id, self.clock.now(), &body)?;
        let mut call = self.http.post(format!("{}/hooks/itsm", self.url())).body(body);
        for (name, value) in signed.pairs() {
            call = call.header(name, value);
        }
        answer(call.header("Content-Type", "application/json")).await
    }

    /// Calls the API as the operator.
    ///
    /// # Errors
    /// When no answer came.
    pub async fn api(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let call = self.http.request(method, format!("{}{path}", self.url())).bearer_auth(API_TOKEN);
        answer(match body {
            Some(body) => call.json(body),
            None => call,
        })
        .await
    }

    /// Stops the bridge and starts it again on the same journal and port.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_bridge(&mut self) -> anyhow::Result<()> {
        if let Some(bridge) = self.bridge.take() {
            bridge.stop().await;
        }
        let listener = TcpListener::bind(self.address)?;
        self.bridge = Some(Bridge::start_on(listener, self.config.clone(), Arc::clone(&self.clock)).await?);
        Ok(())
    }

    /// Stops everything.
    pub async fn stop(mut self) {
        if let Some(bridge) = self.bridge.take() {
            bridge.stop().await;
        }
        if let Some(real) = self.real {
            real.runner.stop().await;
        }
        self.vcenter.stop().await;
        self.lab.stop().await;
    }
}

/// What does the work where [`Hands::Ansible`] do it.
#[derive(Debug)]
struct Real {
    simulator: Simulator,
    runner: Runner,
}

impl Real {
    /// Runs of playbooks at once, on a small machine: each waits for vCenter a third of its time.
    const JOBS_MAX: usize = 3;

    async fn start(lab: &Lab, tools: &Tools, clock: &SharedClock) -> anyhow::Result<Self> {
        let simulator = Simulator::start(&tools.tools.join("bin/vcsim"), LAYOUT).await?;
        let mut environment = simulator.environment();
        environment.push(("CONTROLLER_HOST".to_owned(), lab.controller_url.clone()));
        environment.push(("CONTROLLER_OAUTH_TOKEN".to_owned(), lab.admin_token.clone()));
        let options = RunnerOptions {
            // A run works in the content's folder.
            programs: std::path::absolute(tools.tools.join("ansible/bin"))?,
            content: std::path::absolute(&tools.content)?,
            environment,
            jobs_max: Self::JOBS_MAX,
        };
        let runner = Runner::start(lab.shared_world(), Arc::clone(clock), options)?;
        Ok(Self { simulator, runner })
    }
}

/// The neighbours alone, for a bridge that somebody else starts: a process of its own, or parts of one.
#[derive(Debug)]
pub struct LabOnly {
    pub lab: Lab,
    pub vcenter: VcenterFront,
    real: Option<Real>,
    bridge: SocketAddr,
}

impl LabOnly {
    /// The bridge's configuration file. It refers to the variables of [`LabOnly::environment`].
    pub const CONFIG: &str = CONFIG;
    /// The operator's API token.
    pub const API_TOKEN: &str = API_TOKEN;
    /// The secret with which tickets are signed.
    pub const WEBHOOK_SECRET: &str = WEBHOOK_SECRET;

    /// Starts a lab that works at `tempo` and sends its notifications to a bridge at `bridge`, which need not be there.
    ///
    /// # Errors
    /// When a port is not to be had.
    pub async fn start(
        options: &RigOptions,
        tempo: Tempo,
        bridge: SocketAddr,
        clock: &SharedClock,
    ) -> anyhow::Result<Self> {
        let mut lab = LabOptions::fast(options.seed, Arc::clone(clock));
        lab.world.tempo = tempo;
        lab.world.faults = options.faults.clone();
        lab.world.callback = options.callbacks.then(|| Callback {
            url: format!("http://{bridge}/hooks/aap/lab"),
            headers: vec![("Authorization".to_owned(), format!("Bearer {CALLBACK_TOKEN}"))],
        });
        if matches!(options.hands, Hands::Ansible(_)) {
            lab.world.plays = Plays::Outside;
        }
        let lab = Lab::start(lab).await?;
        let vcenter = VcenterFront::start(lab.shared_world(), Arc::clone(clock))?;
        let real = match &options.hands {
            Hands::Model => None,
            Hands::Ansible(tools) => Some(Real::start(&lab, tools, clock).await?),
        };
        Ok(Self { lab, vcenter, real, bridge })
    }

    /// Where the vCenter that a bridge is to read is.
    #[must_use]
    pub fn vcenter_url(&self) -> &str {
        self.real.as_ref().map_or(&self.vcenter.url, |real| &real.simulator.plain_url)
    }

    /// The variables that [`LabOnly::CONFIG`] refers to, for a bridge with its journal at `journal`.
    #[must_use]
    pub fn environment(&self, journal: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("DEMO_LISTEN", self.bridge.to_string()),
            ("DEMO_JOURNAL", journal.display().to_string()),
            ("DEMO_API_TOKEN", API_TOKEN.to_owned()),
            ("DEMO_WEBHOOK_SECRET", WEBHOOK_SECRET.to_owned()),
            ("DEMO_CONTROLLER", self.lab.controller_url.clone()),
            ("DEMO_CONTROLLER_TOKEN", self.lab.token.clone()),
            ("DEMO_CALLBACK_TOKEN", CALLBACK_TOKEN.to_owned()),
            ("DEMO_VCENTER", self.vcenter_url().to_owned()),
            ("DEMO_VCENTER_PASSWORD", self.vcenter.password().to_owned()),
        ]
    }

    /// The configuration as a bridge reads it.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub fn config(&self, journal: &Path) -> anyhow::Result<Config> {
        let environment = self.environment(journal);
        let value =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, to)| to.clone());
        let loaded = config::parse(CONFIG, Path::new("."), &value).map_err(|found| {
            anyhow::anyhow!(found.iter().map(Violation::to_string).collect::<Vec<_>>().join("; "))
        })?;
        Ok(loaded.config)
    }

    /// Stops everything.
    pub async fn stop(self) {
        if let Some(real) = self.real {
            real.runner.stop().await;
        }
        self.vcenter.stop().await;
        self.lab.stop().await;
    }
}

async fn answer(call: reqwest::RequestBuilder) -> anyhow::Result<Answer> {
    let answer = call.send().await?;
    let status = answer.status().as_u16();
    let body = answer.bytes().await?;
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    Ok(Answer { status, body })
}
