//! HTTP: routes, cookie, status, and the waiting of `WaitForUpdatesEx`.

use std::time::Duration;

use actix_web::http::header::{COOKIE, ContentType, RETRY_AFTER, SET_COOKIE};
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use futures_util::stream;
use jiff::SignedDuration;
use tokio::time::{Instant, sleep};

use super::fault::to_val;
use super::methods::{Desk, Reply};
use super::switches::Away;
use super::xml::{Element, read_method, write_answer, write_fault};
use super::{VcenterState, lock};
use crate::lab::vsphere::Fault;

/// The cookie that carries a session's key (recording 04).
const SESSION_COOKIE: &str = "vmware_soap_session";
/// The largest request, in bytes.
const REQUEST_BYTES_MAX: usize = 4 << 20;
/// `WaitForUpdatesEx` looks this often whether something has changed, in milliseconds.
const LOOK_EVERY_MS: u64 = 20;
/// `WaitForUpdatesEx` waits no longer than this, in seconds, whatever it is asked.
const WAIT_SECS_MAX: u64 = 300;
/// Methods that are counted by name; further names count as `other`.
const COUNTED_MAX: usize = 200;

/// Versions that a client may read without a session.
const VERSIONS: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<namespaces version=\"1.0\"><namespace>\
    <name>urn:vim25</name><version>8.0.2.0</version><priorVersions><version>8.0.1.0</version>\
    <version>8.0.0.0</version><version>7.0.0.0</version></priorVersions></namespace></namespaces>\n";

/// Routes for an application that serves `state`.
pub fn configure(state: VcenterState) -> impl FnOnce(&mut ServiceConfig) {
    move |service| {
        service
            .app_data(Data::new(state))
            .route("/sdk", web::post().to(sdk))
            .route("/sdk/", web::post().to(sdk))
            .route("/sdk/vimService", web::post().to(sdk))
            .route("/sdk/vimServiceVersions.xml", web::get().to(versions));
    }
}

async fn versions() -> HttpResponse {
    HttpResponse::Ok().content_type(ContentType::xml()).body(VERSIONS)
}

async fn sdk(state: Data<VcenterState>, request: HttpRequest, payload: web::Payload) -> HttpResponse {
    let faults = state.faults();
    if faults.slow_ms > 0 {
        sleep(Duration::from_millis(faults.slow_ms)).await;
    }
    if faults.away == Away::Unavailable {
        return HttpResponse::ServiceUnavailable()
            .insert_header((RETRY_AFTER, "1"))
            .body("no healthy upstream");
    }
    let body = match payload.to_bytes_limited(REQUEST_BYTES_MAX).await {
        Ok(Ok(body)) => body,
        Ok(Err(error)) => return HttpResponse::from_error(error),
        Err(_) => return HttpResponse::PayloadTooLarge().finish(),
    };
    let cookie = session_key(&request);
    let text = std::str::from_utf8(&body).map_err(|error| error.to_string());
    let response = match text.and_then(read_method) {
        Ok(method) => answer(&state, &method, cookie.as_deref()).await,
        Err(reason) => refusal(&Fault::InvalidRequest { reason }),
    };
    match faults.away {
        Away::AnswerLost => broken(),
        Away::No | Away::Unavailable => response,
    }
}

/// The session key in the request's cookies; real vCenters quote it, and clients send it back as they got it.
fn session_key(request: &HttpRequest) -> Option<String> {
    let headers = request.headers().get_all(COOKIE).filter_map(|value| value.to_str().ok());
    let mut pairs =
        headers.flat_map(|header| header.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let found = pairs.find(|(name, _)| *name == SESSION_COOKIE);
    found.map(|(_, value)| value.trim_matches('"').to_owned())
}

/// Performs the method, waiting where it waits, and writes the answer.
async fn answer(state: &VcenterState, method: &Element, cookie: Option<&str>) -> HttpResponse {
    count(state, &method.name);
    let began = Instant::now();
    loop {
        let shift = SignedDuration::from_secs(state.faults().clock_shift_secs);
        match state.perform(method, cookie) {
            Err(fault) => return refusal(&fault),
            Ok(Reply::Answer(value)) => {
                let value = if shift.is_zero() { value } else { value.map(|value| value.later(shift)) };
                return soap(HttpResponse::Ok(), write_answer(&method.name, value.as_ref()));
            }
            Ok(Reply::LoggedIn(value, key)) => {
                let mut response = HttpResponse::Ok();
                response.insert_header((SET_COOKIE, format!("{SESSION_COOKIE}={key}; Path=/; HttpOnly")));
                return soap(response, write_answer(&method.name, Some(&value.later(shift))));
            }
            Ok(Reply::Wait { max_secs }) => {
                let wait = Duration::from_secs(max_secs.unwrap_or(WAIT_SECS_MAX).min(WAIT_SECS_MAX));
                if began.elapsed() >= wait {
                    return soap(HttpResponse::Ok(), write_answer(&method.name, None));
                }
                sleep(Duration::from_millis(LOOK_EVERY_MS)).await;
            }
        }
    }
}

impl VcenterState {
    /// One call against the model; both locks are held for its duration, the model's first.
    fn perform(&self, method: &Element, cookie: Option<&str>) -> Result<Reply, Fault> {
        let faults = self.faults();
        self.vsphere.with(|vsphere| {
            let mut sessions = lock(&self.sessions);
            let mut desk = Desk {
                vsphere,
                sessions: &mut sessions,
                users: &self.users,
                faults: &faults,
                cookie,
                clone_ms: self.clone_ms,
                now: self.clock.now(),
            };
            desk.perform(method)
        })
    }
}

fn count(state: &VcenterState, method: &str) {
    let mut calls = lock(&state.calls);
    let known = calls.contains_key(method) || calls.len() < COUNTED_MAX;
    *calls.entry(if known { method } else { "other" }.to_owned()).or_default() += 1;
}

fn refusal(fault: &Fault) -> HttpResponse {
    let text = fault.to_string();
    soap(HttpResponse::InternalServerError(), write_fault(&text, &to_val(fault)))
}

fn soap(mut response: HttpResponseBuilder, written: std::io::Result<Vec<u8>>) -> HttpResponse {
    match written {
        Ok(bytes) => response.content_type("text/xml; charset=utf-8").body(bytes),
        Err(error) => HttpResponse::InternalServerError().body(error.to_string()),
    }
}

/// An answer that begins and breaks.
fn broken() -> HttpResponse {
    let parts: [Result<Bytes, std::io::Error>; 2] = [
        Ok(Bytes::from_static(b"<?xml version=\"1.0\"")),
        Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "played on purpose")),
    ];
    HttpResponse::Ok().content_type("text/xml; charset=utf-8").streaming(stream::iter(parts))
}
