//! The lab behind real HTTP: an actix-web server on a free loopback port, a task that lets the world go on
//! with the clock, and one that delivers the callbacks, each once and never again (CONTRACT.md §8).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{DATE, HeaderName, HeaderValue};
use actix_web::web::{Bytes, Data, PayloadConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use jiff::Timestamp;
use thiserror::Error;
use tokio::task::JoinHandle;

use super::super::super::vsphere;
use super::super::super::world::{World, WorldOptions};
use super::super::model::content::{ADMIN_TOKEN, BRIDGE_TOKEN};
use super::super::model::{Id, Notice};
use super::message::percent_decode;
use super::{ApiMode, Reply, Request, handle};
use crate::clock::SharedClock;

/// How often the world is brought up to the clock, in real milliseconds.
const TICK_MS: u64 = 5;
/// Requests above this are cut by the server itself; the model's own limit is lower.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
/// A receiver that hangs holds nobody up for longer than this; the real controller has no limit at all.
const CALLBACK_SECS_MAX: u64 = 60;

/// How to start a lab.
#[derive(Debug, Clone)]
pub struct LabOptions {
    pub world: WorldOptions,
    pub mode: ApiMode,
    pub clock: SharedClock,
    /// Port of the controller; 0 takes a free one.
    pub controller_port: u16,
}

impl LabOptions {
    /// A fast world on a free port.
    #[must_use]
    pub fn fast(seed: u64, clock: SharedClock) -> Self {
        Self { world: WorldOptions::fast(seed), mode: ApiMode::default(), clock, controller_port: 0 }
    }
}

/// Why a lab could not start.
#[derive(Debug, Error)]
pub enum LabError {
    #[error("the lab cannot listen on the loopback interface")]
    Listen(#[source] std::io::Error),
    #[error("the lab's vSphere does not hold together")]
    Layout(#[source] vsphere::Fault),
    #[error("the lab cannot make an HTTP client for its callbacks")]
    Client(#[source] reqwest::Error),
}

/// A running lab.
#[derive(Debug)]
pub struct Lab {
    /// `http://127.0.0.1:PORT`.
    pub controller_url: String,
    /// The bridge's token.
    pub token: String,
    /// The administrator's token.
    pub admin_token: String,
    world: Arc<Mutex<World>>,
    clock: SharedClock,
    calls: Arc<Mutex<Calls>>,
    server: actix_web::dev::ServerHandle,
    tasks: Vec<JoinHandle<()>>,
}

/// Requests that reached the controller, whatever it answered, by method and path. A number in a path is shown as `N`:
/// `GET /api/v2/workflow_jobs/N/`.
pub type Calls = BTreeMap<String, u64>;

struct Shared {
    world: Arc<Mutex<World>>,
    clock: SharedClock,
    mode: ApiMode,
    calls: Arc<Mutex<Calls>>,
}

impl Lab {
    /// Starts the server and its tasks on the present tokio runtime.
    ///
    /// # Errors
    /// When the port is taken, or the layout does not hold together.
    #[expect(
        clippy::unused_async,
        reason = "callers need a runtime, which only an async caller is sure to have"
    )]
    pub async fn start(options: LabOptions) -> Result<Self, LabError> {
        let world = World::new(options.world, options.clock.now()).map_err(LabError::Layout)?;
        let world = Arc::new(Mutex::new(world));
        let calls = Arc::<Mutex<Calls>>::default();
        let shared = Data::new(Shared {
            world: Arc::clone(&world),
            clock: Arc::clone(&options.clock),
            mode: options.mode,
            calls: Arc::clone(&calls),
        });
        let app = move || {
            App::new()
                .app_data(shared.clone())
                .app_data(PayloadConfig::new(BODY_BYTES_MAX))
                .default_service(actix_web::web::to(serve))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(1);
        let address = SocketAddr::from(([127, 0, 0, 1], options.controller_port));
        let server = server.bind(address).map_err(LabError::Listen)?;
        let port = server.addrs().first().map_or(0, SocketAddr::port);
        let server = server.run();
        let handle = server.handle();
        let run = tokio::spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the lab's controller stopped");
            }
        });
        let client = client()?;
        let ticker = tokio::spawn(keep_going(Arc::clone(&world), Arc::clone(&options.clock), client));
        Ok(Self {
            controller_url: format!("http://127.0.0.1:{port}"),
            token: BRIDGE_TOKEN.to_owned(),
            admin_token: ADMIN_TOKEN.to_owned(),
            world,
            clock: options.clock,
            calls,
            server: handle,
            tasks: vec![run, ticker],
        })
    }

    /// The world, brought up to the clock. Hold it shortly: everything else waits.
    pub fn world(&self) -> MutexGuard<'_, World> {
        let mut world = lock(&self.world);
        world.tick(self.clock.now());
        world
    }

    /// The world itself, for whatever else plays in it (the vCenter front).
    #[must_use]
    pub fn shared_world(&self) -> Arc<Mutex<World>> {
        Arc::clone(&self.world)
    }

    /// What was asked of the controller since it was started.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The runs that were accepted for a request, by their ids.
    #[must_use]
    pub fn runs_of(&self, execution_id: &str) -> Vec<Id> {
        self.world().runs_of(execution_id).iter().map(|run| run.id).collect()
    }

    /// Stops server and tasks; open connections are closed.
    pub async fn stop(self) {
        self.server.stop(false).await;
        for task in self.tasks {
            task.abort();
        }
    }
}

/// A panic in a test's hands must not take the lab with it: the world is a value, whole after every step.
fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

fn client() -> Result<reqwest::Client, LabError> {
    // Fails when somebody else has installed a provider already, which serves as well.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::trace!("a TLS provider is installed already");
    }
    reqwest::Client::builder()
        .user_agent("AWX 24.6.1 (open)")
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(CALLBACK_SECS_MAX))
        .build()
        .map_err(LabError::Client)
}

async fn serve(request: HttpRequest, body: Bytes) -> HttpResponse {
    let Some(shared) = request.app_data::<Data<Shared>>() else {
        return HttpResponse::InternalServerError().finish();
    };
    let headers = request.headers().iter();
    let asked = Request {
        method: request.method().as_str().to_owned(),
        path: percent_decode(&request.path().replace('+', "%2B")),
        query: request.query_string().to_owned(),
        headers: headers
            .filter_map(|(name, value)| Some((name.as_str().to_lowercase(), value.to_str().ok()?.to_owned())))
            .collect(),
        body: body.to_vec(),
    };
    count(&shared.calls, &asked);
    let now = shared.clock.now();
    let reply = handle(&mut lock(&shared.world), shared.mode, &asked, now);
    if reply.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(reply.delay_ms)).await;
    }
    let request_id = asked.header("x-api-request-id").filter(|id| is_uuid(id)).map(str::to_owned);
    respond(reply, request_id, now)
}

fn count(calls: &Mutex<Calls>, asked: &Request) {
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> =
        asked.path.split('/').map(|part| if is_number(part) { "N" } else { part }).collect();
    let name = format!("{} {}", asked.method, parts.join("/"));
    *calls.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
}

fn is_uuid(text: &str) -> bool {
    uuid::Uuid::parse_str(text).is_ok()
}

/// An id that the caller gave is echoed, any other is replaced (CONTRACT.md §2 "Headers").
/// `Date` is by the world's clock, as everything else is.
fn respond(reply: Reply, request_id: Option<String>, now: Timestamp) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut builder = HttpResponse::build(status);
    for (name, value) in reply.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&value)) {
            builder.insert_header((name, value));
        }
    }
    let id = request_id.unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
    builder.insert_header((DATE, now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
    builder.insert_header(("X-API-Request-Id", id));
    builder.insert_header(("X-API-Product-Name", "AWX"));
    builder.insert_header(("X-API-Node", "lab"));
    if reply.lost {
        // A body that breaks before its first byte: the connection closes without an answer.
        let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        return builder.streaming(futures_util::stream::once(async move { Err::<Bytes, _>(broken) }));
    }
    builder.body(reply.body)
}

/// Brings the world up to the clock again and again and sends what falls due.
async fn keep_going(world: Arc<Mutex<World>>, clock: SharedClock, client: reqwest::Client) {
    let mut beat = tokio::time::interval(Duration::from_millis(TICK_MS));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        let due = {
            let mut world = lock(&world);
            let now = clock.now();
            world.tick(now);
            world.take_callbacks(now)
        };
        for notice in due {
            tokio::spawn(deliver(Arc::clone(&world), client.clone(), notice));
        }
    }
}

/// One attempt. Sending tasks know nothing of each other, so order is not kept (MEASURED 26).
async fn deliver(world: Arc<Mutex<World>>, client: reqwest::Client, notice: Notice) {
    let mut request = match notice.http_method.as_str() {
        "PUT" => client.put(&notice.url),
        _ => client.post(&notice.url),
    };
    request = request.json(&notice.body);
    for (name, value) in &notice.headers {
        request = request.header(name, value);
    }
    if let Some((user, password)) = &notice.basic {
        request = request.basic_auth(user, Some(password));
    }
    let outcome = request.send().await;
    let mut world = lock(&world);
    match outcome {
        Ok(answer) if answer.status().as_u16() < 400 => {
            world.controller.notice_delivered(notice.notification, answer.status().as_u16());
        }
        Ok(answer) => {
            let error = format!("Error sending webhook notification: {}", answer.status().as_u16());
            world.controller.notice_failed(notice.notification, &error);
        }
        Err(error) => world.controller.notice_failed(notice.notification, &error.to_string()),
    }
}
