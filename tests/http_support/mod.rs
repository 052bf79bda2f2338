//! A bridge's HTTP surface on a free port with a journal of its own, and a client that sends exactly what it is told.

#![allow(clippy::unwrap_used, dead_code)]

pub mod doc;
pub mod vms;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use causeway::clock::{Clock, ManualClock, SharedClock};
use causeway::config::Secret;
use causeway::http::access::{Access, ApiTokenConfig, CallbackConfig};
use causeway::http::{AppState, Limits, Server, WatchView, start};
use causeway::intake::source::SourceConfig;
use causeway::journal::{Journal, JournalOptions};
use causeway::vm_request::RequestId;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub const TOKEN: &str = "token-of-ci-0123456789";
pub const APPROVER: &str = "token-of-j-doe-0123456789";
/// Of a team that sees the environment `test` alone.
pub const TEAM: &str = "token-of-team-a-0123456789";
pub const PORTAL_TOKEN: &str = "token-of-portal-0123456789";
pub const CALLBACK_TOKEN: &str = "token-of-aap-prod-0123456789";
pub const SIGNING_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
pub const HUB_SECRET: &str = "hub-secret-0123456789";

/// Everything that no answer and no log may hold.
pub const SECRETS: [&str; 7] =
    [TOKEN, APPROVER, TEAM, PORTAL_TOKEN, CALLBACK_TOKEN, "C2FVsBQIhrscChlQIMV", HUB_SECRET];

const CATALOG: &str = r#"
[sizes]
small = { cpu = 2, memory_mib = 4096 }
large = { cpu = 8, memory_mib = 32768 }

[[images]]
vm_os = "redhat"
vm_os_version = "9"
template = "rhel9"

[[images]]
vm_os = "suse"
vm_os_version = "15"
template = "sles15"

[environments.prod]
controller = "aap-prod"
vcenter = "vc-prod"
datacenter = "DC0"
cluster = "C0"
folder = "prod"
datastore = "ds-prod"
default_network = "app"
approval = true
networks = { app = { dhcp = true } }

[environments.test]
controller = "aap-prod"
vcenter = "vc-prod"
datacenter = "DC0"
cluster = "C0"
folder = "test"
datastore = "ds-test"
default_network = "app"
networks = { app = { dhcp = true } }
"#;

const SOURCES: &str = r#"
[[sources]]
name = "portal"
scheme = "bearer"
secrets = ["token-of-portal-0123456789"]
rate_per_sec = 100000
rate_burst = 100000

[[sources]]
name = "slow"
scheme = "bearer"
secrets = ["token-of-portal-0123456789"]
rate_per_sec = 1
rate_burst = 1

[[sources]]
name = "eda"
scheme = "standard_webhooks"
secrets = ["whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"]
rate_per_sec = 100000
rate_burst = 100000

[[sources]]
name = "servicenow"
scheme = "hub_signature_256"
secrets = ["hub-secret-0123456789"]
payload_pointer = "/variables"
ticket_id_pointer = "/number"
"#;

#[derive(serde::Deserialize)]
struct SourcesFile {
    sources: Vec<SourceConfig>,
}

/// A bridge's surface under test.
pub struct Bridge {
    pub state: Arc<AppState>,
    pub clock: Arc<ManualClock>,
    pub woken: Arc<Mutex<Vec<RequestId>>>,
    pub server: Server,
    pub folder: tempfile::TempDir,
    /// Whether the watch can be told something.
    pub answers: Arc<AtomicBool>,
}

impl Bridge {
    pub fn start() -> Self {
        Self::with(Limits::default(), |options| options)
    }

    pub fn with(limits: Limits, options: impl FnOnce(JournalOptions) -> JournalOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new("2026-11-21T08:00:00Z".parse().unwrap()));
        let shared: SharedClock = clock.clone();
        let options = options(JournalOptions::at(folder.path().join("causeway.db")));
        let journal = Journal::open(options, shared.clone()).unwrap();
        let woken = Arc::new(Mutex::new(Vec::new()));
        let waker = {
            let woken = woken.clone();
            Arc::new(move |id: &RequestId| woken.lock().unwrap().push(id.clone()))
        };
        let answers = Arc::new(AtomicBool::new(true));
        let told = answers.clone();
        let watch = WatchView {
            status: Arc::new(|| serde_json::json!({ "watched": 1, "findings": 1 })),
            end_mass_change: Arc::new(move || told.load(Ordering::Relaxed)),
        };
        let state = AppState::new(journal, access(), shared, waker, limits).with_watch(Some(watch));
        let state = Arc::new(state);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = start(listener, state.clone(), 2).unwrap();
        Self { state, clock, woken, server, folder, answers }
    }

    pub async fn send(&self, request: Request) -> Answer {
        request.send(self.server.address()).await
    }

    /// Puts VMs into the register.
    pub async fn seed_vms(&self) {
        vms::seed(&self.state.journal, self.clock.now()).await;
    }

    /// A request through the API, which has to be new.
    pub async fn make(&self, vm_name: &str, environment: &str, key: Option<&str>) -> RequestId {
        let mut request = Request::api("POST", "/api/v1/vm-requests").json(&lean(vm_name, environment));
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = self.send(request).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().parse().unwrap()
    }
}

pub fn lean(vm_name: &str, environment: &str) -> String {
    format!(
        r#"{{"vm_name":"{vm_name}","environment":"{environment}","vm_os":"redhat","vm_os_version":"9","size":"small"}}"#
    )
}

pub fn access() -> Access {
    let sources: SourcesFile = toml::from_str(SOURCES).unwrap();
    let token = |name: &str, secret: &str, may_approve, environments: &[&str]| ApiTokenConfig {
        name: name.to_owned(),
        secret: Secret::new(secret),
        may_approve,
        environments: environments.iter().map(|name| (*name).to_owned()).collect(),
    };
    let tokens = [
        token("ci", TOKEN, false, &[]),
        token("j.doe", APPROVER, true, &[]),
        token("team-a", TEAM, false, &["test"]),
    ];
    let callbacks = [CallbackConfig {
        controller: "aap-prod".to_owned(),
        scheme: causeway::intake::signature::Scheme::Bearer,
        secrets: vec![Secret::new(CALLBACK_TOKEN)],
        header: Some("X-Causeway-Token".to_owned()),
    }];
    Access::new(toml::from_str(CATALOG).unwrap(), &sources.sources, &tokens, &callbacks).ok().unwrap()
}

/// A request, byte for byte.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub body: Option<Vec<u8>>,
    /// Sends only half of the body and leaves the connection open.
    pub is_half: bool,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, headers: Vec::new(), body: None, is_half: false }
    }

    pub fn api(method: &str, target: &str) -> Self {
        Self::new(method, target).header("Authorization", format!("Bearer {TOKEN}"))
    }

    pub fn approver(method: &str, target: &str) -> Self {
        Self::new(method, target).header("Authorization", format!("Bearer {APPROVER}"))
    }

    pub fn hook(source: &str, body: &str) -> Self {
        let request = Self::new("POST", &format!("/hooks/{source}")).json(body);
        request.header("Authorization", format!("Bearer {PORTAL_TOKEN}"))
    }

    pub fn callback(body: &str) -> Self {
        Self::new("POST", "/hooks/aap/aap-prod").header("X-Causeway-Token", CALLBACK_TOKEN).json(body)
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    pub fn json(mut self, body: &str) -> Self {
        self.body = Some(body.as_bytes().to_vec());
        self.header("Content-Type", "application/json")
    }

    pub async fn send(&self, address: std::net::SocketAddr) -> Answer {
        let mut head =
            format!("{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n", self.method, self.target)
                .into_bytes();
        for (name, value) in &self.headers {
            head.extend(name.as_bytes());
            head.extend(b": ");
            head.extend(value);
            head.extend(b"\r\n");
        }
        if let Some(body) = &self.body {
            head.extend(format!("Content-Length: {}\r\n", body.len()).as_bytes());
        }
        head.extend(b"\r\n");
        let body = self.body.as_deref().unwrap_or_default();
        head.extend(if self.is_half { &body[..body.len() / 2] } else { body });
        let mut stream = TcpStream::connect(address).await.unwrap();
        let exchange = async {
            // A server that refuses early may close before it read everything; what it answered counts.
            let _ = stream.write_all(&head).await;
            let mut bytes = Vec::new();
            let mut part = [0; 16_384];
            while let Ok(length) = stream.read(&mut part).await {
                if length == 0 || is_whole(&bytes) {
                    break;
                }
                bytes.extend(&part[..length]);
                if is_whole(&bytes) {
                    break;
                }
            }
            bytes
        };
        let bytes = tokio::time::timeout(Duration::from_secs(30), exchange).await.unwrap();
        Answer::read(&bytes)
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| bytes.len() >= end + 4 + length.parse::<usize>().unwrap())
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let pair = |line: &str| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_ascii_lowercase(), value.to_owned())
        };
        Self { status, headers: lines.map(pair).collect(), body: bytes[end + 4..].to_vec() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The last part of the problem's type.
    pub fn problem(&self) -> String {
        let kind = self.json()["type"].as_str().unwrap().to_owned();
        kind.strip_prefix("https://causeway.dev/problems/").unwrap().to_owned()
    }
}
