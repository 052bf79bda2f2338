//! The one HTTP client: where requests are built, sent, limited, counted and logged. Everything above it speaks in
//! paths relative to the API's base and in [`Answer`]s.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::{StdRng, SysRng};
use rand::{RngExt, SeedableRng};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::answer::{Answer, Lost};
use super::config::{self, ControllerConfig, SetupError};
use super::errors::ReadError;
use super::stats::{CallOutcome, CallStats, Counter};
use crate::clock::SharedClock;

/// A call of many requests may take this many times the deadline of one.
const BATCH_DEADLINES: u32 = 4;

/// A client of one controller. Clones are cheap and share connections, counts and the discovered base path.
#[derive(Clone)]
pub struct Controller {
    inner: Arc<Inner>,
}

struct Inner {
    cfg: ControllerConfig,
    origin: String,
    http: Client,
    clock: SharedClock,
    bearer: HeaderValue,
    base_path: tokio::sync::Mutex<Option<Arc<str>>>,
    rng: Mutex<StdRng>,
    counter: Counter,
}

impl fmt::Debug for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Controller")
            .field("name", &self.inner.cfg.name)
            .field("origin", &self.inner.origin)
            .finish_non_exhaustive()
    }
}

/// Until when a call may go on: each request has its own limit, the call as a whole another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    each: Duration,
    end: Instant,
}

impl Deadline {
    /// The end of a request that starts at `start`.
    fn of_request(&self, start: Instant) -> Instant {
        (start + self.each).min(self.end)
    }
}

/// One request, before it is given its base path and its deadline.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    /// Absolute path, ending in `/`.
    pub(super) path: String,
    pub(super) query: &'a [(&'a str, String)],
    pub(super) body: Option<Vec<u8>>,
    pub(super) request_id: Uuid,
    /// `GET /api/` and `ping/` need no token, and are asked before it is certain who answers.
    pub(super) with_token: bool,
}

impl Controller {
    /// Makes a client. Nothing is sent before the first call.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn new(cfg: ControllerConfig, clock: SharedClock) -> Result<Self, SetupError> {
        let rng = StdRng::try_from_rng(&mut SysRng).map_err(|error| SetupError::Machine {
            name: cfg.name.clone(),
            why: format!("no randomness: {error}"),
        })?;
        Self::with_rng(cfg, clock, rng)
    }

    /// The same with a fixed seed for pauses and request ids, for tests that must repeat exactly.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn with_seed(cfg: ControllerConfig, clock: SharedClock, seed: u64) -> Result<Self, SetupError> {
        Self::with_rng(cfg, clock, StdRng::seed_from_u64(seed))
    }

    fn with_rng(cfg: ControllerConfig, clock: SharedClock, rng: StdRng) -> Result<Self, SetupError> {
        let origin = config::origin(&cfg)?;
        let http = config::http_client(&cfg, &origin)?;
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", cfg.token.expose()))
            .map_err(|_| SetupError::Token { name: cfg.name.clone(), why: "cannot stand in a header" })?;
        bearer.set_sensitive(true);
        let inner = Inner {
            cfg,
            origin,
            http,
            clock,
            bearer,
            base_path: tokio::sync::Mutex::new(None),
            rng: Mutex::new(rng),
            counter: Counter::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The controller's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.cfg.name
    }

    /// Requests sent so far, by method and outcome.
    #[must_use]
    pub fn stats(&self) -> CallStats {
        self.inner.counter.read()
    }

    pub(super) fn config(&self) -> &ControllerConfig {
        &self.inner.cfg
    }

    pub(super) fn clock(&self) -> &SharedClock {
        &self.inner.clock
    }

    pub(super) fn base_path_cell(&self) -> &tokio::sync::Mutex<Option<Arc<str>>> {
        &self.inner.base_path
    }

    /// A deadline for a call that starts now.
    pub(super) fn deadline(&self) -> Deadline {
        let each = Duration::from_secs(self.inner.cfg.call_deadline_secs);
        Deadline { each, end: Instant::now() + each * BATCH_DEADLINES }
    }

    /// A new id for `X-API-Request-Id`.
    pub(super) fn request_id(&self) -> Uuid {
        let mut rng = self.inner.rng.lock().unwrap_or_else(PoisonError::into_inner);
        uuid::Builder::from_random_bytes(rng.random()).into_uuid()
    }

    /// Reads `path` (relative to the base, ending in `/`), as often as it takes within its limits.
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        deadline: Deadline,
    ) -> Result<T, ReadError> {
        self.get_answered(path, query, deadline).await.map(|(value, _)| value)
    }

    /// The same; the answer's headers come along.
    pub(super) async fn get_answered<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
        deadline: Deadline,
    ) -> Result<(T, Answer), ReadError> {
        let base = self.base_path(deadline).await?;
        let result = self.get_absolute(format!("{base}{path}"), query, true, deadline).await;
        if matches!(result, Err(ReadError::Contract { .. })) {
            // The API may have moved (an upgrade puts it behind a gateway): look for it again next time.
            self.forget_base_path(&base).await;
        }
        result
    }

    /// The same for an absolute path.
    pub(super) async fn get_absolute<T: DeserializeOwned>(
        &self,
        path: String,
        query: &[(&str, String)],
        with_token: bool,
        deadline: Deadline,
    ) -> Result<(T, Answer), ReadError> {
        let until = deadline.of_request(Instant::now());
        let mut call =
            Call { method: Method::GET, path, query, body: None, request_id: self.request_id(), with_token };
        let mut attempt = 1;
        loop {
            let error = match self.attempt(&call, attempt, until).await {
                Ok(answer) => match answer.read::<T>(&call.path) {
                    Ok(value) => return Ok((value, answer)),
                    Err(error) => error,
                },
                Err(lost) => lost.as_read_error(&call.path),
            };
            let Some(pause) = self.pause_after(&error, attempt, until) else { return Err(error) };
            sleep(pause).await;
            attempt += 1;
            call.request_id = self.request_id();
        }
    }

    /// Sends a write exactly once. `Err` means that its effect is not known (or, when it says so, that nothing was
    /// sent because the API's base path could not be found).
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        body: Option<&(impl Serialize + Sync)>,
        request_id: Uuid,
    ) -> Result<Answer, Lost> {
        let body = match body.map(serde_json::to_vec).transpose() {
            Ok(body) => body,
            Err(error) => {
                return Err(Lost::not_sent(&format!("the body cannot be written as JSON: {error}")));
            }
        };
        let deadline = self.deadline();
        let base = self.base_path(deadline).await.map_err(|error| Lost::not_sent(&error.to_string()))?;
        let call =
            Call { method, path: format!("{base}{path}"), query: &[], body, request_id, with_token: true };
        self.attempt(&call, 1, deadline.of_request(Instant::now())).await
    }

    /// How long to wait before the read is tried again, or `None` when it is not.
    fn pause_after(&self, error: &ReadError, attempt: u32, until: Instant) -> Option<Duration> {
        if attempt >= self.inner.cfg.read_attempts_max || !error.class().retryable {
            return None;
        }
        let mut pause = self.jittered(attempt);
        if let ReadError::Throttled { retry_after_secs: Some(secs) } = error {
            pause = pause.max(Duration::from_secs(*secs));
        }
        (Instant::now() + pause < until).then_some(pause)
    }

    /// Full jitter: anything between nothing and the bound that doubles with each attempt.
    pub(super) fn jittered(&self, attempt: u32) -> Duration {
        let cfg = &self.inner.cfg;
        let doubled = cfg.backoff_first_ms.saturating_mul(1 << attempt.saturating_sub(1).min(20));
        let bound = doubled.min(cfg.backoff_longest_ms);
        let mut rng = self.inner.rng.lock().unwrap_or_else(PoisonError::into_inner);
        Duration::from_millis(rng.random_range(0..=bound))
    }

    /// One request, one answer, counted and logged.
    async fn attempt(&self, call: &Call<'_>, attempt: u32, until: Instant) -> Result<Answer, Lost> {
        let started = Instant::now();
        let result = match timeout_at(until, self.exchange(call)).await {
            Ok(result) => result,
            Err(_) => Err(Lost::timed_out(started.elapsed())),
        };
        let outcome = match &result {
            Ok(answer) => CallOutcome::of_status(answer.status),
            Err(lost) => lost.outcome,
        };
        self.inner.counter.count(method_name(&call.method), outcome);
        tracing::debug!(
            controller = %self.inner.cfg.name,
            method = %call.method,
            path = %call.path,
            status = result.as_ref().map_or(0, |answer| answer.status),
            outcome = outcome.as_str(),
            duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            attempt,
            api_request_id = %call.request_id.simple(),
            "controller call"
        );
        result
    }

    async fn exchange(&self, call: &Call<'_>) -> Result<Answer, Lost> {
        let url = Url::parse(&format!("{}{}", self.inner.origin, call.path))
            .map_err(|_| Lost::not_sent("the path does not make a URL"))?;
        let mut request = self
            .inner
            .http
            .request(call.method.clone(), url)
            .query(call.query)
            .header(ACCEPT, "application/json")
            .header("X-API-Request-Id", call.request_id.simple().to_string());
        if call.with_token {
            request = request.header(AUTHORIZATION, self.inner.bearer.clone());
        }
        if let Some(body) = &call.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        let mut response = request.send().await.map_err(Lost::broken)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Lost::broken)? {
            if body.len() + chunk.len() > self.inner.cfg.body_bytes_max {
                return Err(Lost::too_large(self.inner.cfg.body_bytes_max));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::new(
            response.status().as_u16(),
            response.headers(),
            body,
            &self.inner.cfg.token,
            self.inner.clock.now(),
        ))
    }
}

/// The methods that this client uses, as a metric's label.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

/// An error and its causes in one line: the outer text alone ("error sending request") explains nothing.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::clock::SystemClock;
    use crate::config::Secret;

    fn client(seed: u64) -> Controller {
        let mut cfg = ControllerConfig::new("lab", "http://127.0.0.1:1", Secret::new("t"));
        (cfg.backoff_first_ms, cfg.backoff_longest_ms, cfg.call_deadline_secs) = (100, 1_000, 10);
        Controller::with_seed(cfg, Arc::new(SystemClock), seed).unwrap()
    }

    #[test]
    fn pauses_have_full_jitter_under_a_bound_that_doubles_up_to_the_longest() {
        let client = client(1);
        for (attempt, bound_ms) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1_000), (40, 1_000)] {
            let pauses: Vec<u128> = (0..200).map(|_| client.jittered(attempt).as_millis()).collect();
            let (least, most) = (*pauses.iter().min().unwrap(), *pauses.iter().max().unwrap());
            assert!(
                most <= bound_ms && most > bound_ms * 8 / 10 && least < bound_ms / 5,
                "{attempt}: {least} {most}"
            );
        }
    }

    #[test]
    fn one_seed_is_one_sequence_of_pauses_and_request_ids() {
        let sequence = |client: Controller| {
            (0..5).map(|n| (client.jittered(n), client.request_id())).collect::<Vec<_>>()
        };
        assert_eq!(sequence(client(7)), sequence(client(7)));
        assert_ne!(sequence(client(7)), sequence(client(8)));
        assert_eq!(client(7).request_id().get_version_num(), 4);
    }

    #[test]
    fn a_call_of_many_requests_ends_after_four_deadlines_and_each_request_after_one() {
        let deadline = client(1).deadline();
        let start = deadline.end - Duration::from_secs(40);
        let end_of_request_after =
            |secs| (deadline.of_request(start + Duration::from_secs(secs)) - start).as_secs();
        assert_eq!([0, 25, 35, 50].map(end_of_request_after), [10, 35, 40, 40]);
    }
}
