//! A proxy between the bridge and the lab's controller: it counts what passes, and a test may answer in the
//! controller's place or do something just before or after.

use std::sync::{Arc, Mutex, PoisonError};

use actix_web::http::{Method, StatusCode};
use actix_web::web::{Bytes, Data};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use serde_json::Value;

/// When a rule is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Before the request goes on to the controller.
    Before,
    /// When the controller has answered with this status, before the bridge hears of it.
    After(u16),
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Pass,
    /// This answer instead.
    Answer(u16, Value),
}

/// A request, as `METHOD /path?query`.
pub type Seen = String;
type Rule = Box<dyn FnMut(&Seen, When) -> Verdict + Send>;

/// A running proxy. It ends with the test's runtime.
#[derive(Clone)]
pub struct Proxy {
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    target: String,
    client: reqwest::Client,
    seen: Mutex<Vec<Seen>>,
    rule: Mutex<Option<Rule>>,
}

impl Proxy {
    /// Starts one in front of `target`. Must be called within a tokio runtime.
    pub fn start(target: &str) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let shared = Arc::new(Shared {
            target: target.to_owned(),
            client: client.build().expect("a client"),
            seen: Mutex::default(),
            rule: Mutex::default(),
        });
        let data = Data::from(Arc::clone(&shared));
        let app = move || {
            let limit = actix_web::web::PayloadConfig::new(8 * 1024 * 1024);
            App::new().app_data(data.clone()).app_data(limit).default_service(actix_web::web::to(forward))
        };
        let server = HttpServer::new(app).workers(1).disable_signals().shutdown_timeout(0);
        let server = server.bind(("127.0.0.1", 0)).expect("a port");
        let url = format!("http://{}", server.addrs()[0]);
        tokio::spawn(server.run());
        Self { url, shared }
    }

    /// Asks `rule` about every request from now on.
    pub fn set(&self, rule: impl FnMut(&Seen, When) -> Verdict + Send + 'static) {
        *lock(&self.shared.rule) = Some(Box::new(rule));
    }

    /// How many requests passed or were answered here that `is` holds of.
    pub fn count(&self, is: impl Fn(&str) -> bool) -> usize {
        lock(&self.shared.seen).iter().filter(|seen| is(seen)).count()
    }

    /// Forgets what was counted.
    pub fn forget(&self) {
        lock(&self.shared.seen).clear();
    }
}

/// Whether it is a launch of the workflow.
pub fn is_launch(seen: &str) -> bool {
    seen.starts_with("POST ") && seen.ends_with("/launch/")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn asked(shared: &Shared, seen: &Seen, when: When) -> Verdict {
    lock(&shared.rule).as_mut().map_or(Verdict::Pass, |rule| rule(seen, when))
}

async fn forward(request: HttpRequest, body: Bytes, shared: Data<Shared>) -> HttpResponse {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let seen = format!("{} {path}", request.method());
    lock(&shared.seen).push(seen.clone());
    if let Verdict::Answer(status, body) = asked(&shared, &seen, When::Before) {
        return answer(status, &body);
    }
    let method: Method = request.method().clone();
    let method = reqwest::Method::from_bytes(method.as_str().as_bytes()).expect("a method");
    let mut call = shared.client.request(method, format!("{}{path}", shared.target)).body(body);
    for (name, value) in request.headers() {
        if !matches!(name.as_str(), "host" | "content-length" | "connection") {
            call = call.header(name.as_str(), value.as_bytes());
        }
    }
    let Ok(came) = call.send().await else { return broken() };
    let status = came.status().as_u16();
    let headers = came.headers().clone();
    let Ok(bytes) = came.bytes().await else { return broken() };
    if let Verdict::Answer(status, body) = asked(&shared, &seen, When::After(status)) {
        return answer(status, &body);
    }
    let mut builder = HttpResponse::build(StatusCode::from_u16(status).expect("a status"));
    for (name, value) in &headers {
        if !matches!(name.as_str(), "content-length" | "connection" | "transfer-encoding") {
            builder.append_header((name.as_str(), value.as_bytes()));
        }
    }
    builder.body(bytes)
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).expect("a status")).json(body)
}

/// The connection closes without an answer, as the controller's did.
fn broken() -> HttpResponse {
    let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    HttpResponse::Ok().streaming(futures_util::stream::once(async move { Err::<Bytes, _>(error) }))
}
