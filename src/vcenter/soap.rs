//! SOAP as vSphere speaks it: envelope, fault, and one HTTP exchange with a deadline and a body cap.
//!
//! Knows nothing of sessions; cookies are handed in and out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, COOKIE, HeaderMap, SET_COOKIE};

use super::errors::VcenterError;
use super::xml::{Element, escaped};

/// The API version of vSphere 8.0 as it was released; later servers go on serving it. What is read here is
/// older than that, so nothing is lost by not asking for the newest.
const SOAP_ACTION: &str = "urn:vim25/8.0.0.1";

/// Reference to a managed object: its type and id, e.g. `VirtualMachine` and `vm-199`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MoRef {
    pub kind: String,
    pub id: String,
}

impl MoRef {
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }

    /// From an element such as `<val type="Folder">group-2</val>`; `None` when it names nothing.
    pub fn read(element: &Element<'_>) -> Option<Self> {
        Some(Self::new(element.object_type.as_deref()?, element.filled()?))
    }

    /// As an element called `tag`.
    pub fn element(&self, tag: &str) -> String {
        format!("<{tag} type=\"{}\">{}</{tag}>", escaped(&self.kind), escaped(&self.id))
    }
}

/// What was counted since the client was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallStats {
    /// SOAP calls sent.
    pub calls: u64,
    /// Calls without a usable answer: no connection, deadline, status, fault.
    pub failed: u64,
    /// Logins that succeeded.
    pub logins: u64,
    /// Reads begun again after a transient failure.
    pub retries: u64,
    /// Bytes of answers read.
    pub received_bytes: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub calls: AtomicU64,
    pub failed: AtomicU64,
    pub logins: AtomicU64,
    pub retries: AtomicU64,
    pub received_bytes: AtomicU64,
}

impl Counters {
    pub fn read(&self) -> CallStats {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        CallStats {
            calls: get(&self.calls),
            failed: get(&self.failed),
            logins: get(&self.logins),
            retries: get(&self.retries),
            received_bytes: get(&self.received_bytes),
        }
    }
}

/// Where and how calls are sent.
#[derive(Debug)]
pub(super) struct Transport {
    pub http: reqwest::Client,
    pub url: reqwest::Url,
    /// The vCenter's name in the configuration, for errors.
    pub vcenter: String,
    pub call_deadline_secs: u64,
    pub body_bytes_max: usize,
    pub counters: Arc<Counters>,
}

/// The raw answer of one call.
#[derive(Debug)]
pub(super) struct Reply {
    pub vcenter: String,
    pub method: &'static str,
    pub status: u16,
    pub text: String,
    /// `name=value` of each cookie that the answer sets.
    pub cookies: Vec<String>,
}

impl Transport {
    /// Sends `method` on `this` with the XML of its other arguments and reads the whole answer.
    pub async fn call(
        &self,
        method: &'static str,
        this: &MoRef,
        arguments: &str,
        cookie: Option<&str>,
    ) -> Result<Reply, VcenterError> {
        self.counters.calls.fetch_add(1, Ordering::Relaxed);
        let deadline = Duration::from_secs(self.call_deadline_secs);
        let exchange = self.exchange(method, envelope(method, this, arguments), cookie);
        let reply = match tokio::time::timeout(deadline, exchange).await {
            Ok(reply) => reply,
            Err(_) => Err(VcenterError::DeadlineExceeded {
                vcenter: self.vcenter.clone(),
                method: method.to_owned(),
                deadline_secs: self.call_deadline_secs,
            }),
        };
        if reply.as_ref().map_or(true, |r| r.status != 200) {
            self.counters.failed.fetch_add(1, Ordering::Relaxed);
        }
        reply
    }

    async fn exchange(
        &self,
        method: &'static str,
        body: String,
        cookie: Option<&str>,
    ) -> Result<Reply, VcenterError> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "text/xml; charset=\"utf-8\"")
            .header("SOAPAction", SOAP_ACTION)
            .body(body);
        if let Some(cookie) = cookie {
            request = request.header(COOKIE, cookie);
        }
        let mut response = request.send().await.map_err(|e| self.unreachable(method, &e))?;
        let status = response.status().as_u16();
        let cookies = cookies_of(response.headers());
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(method, &e))? {
            if bytes.len() + chunk.len() > self.body_bytes_max {
                return Err(VcenterError::BodyTooLarge {
                    vcenter: self.vcenter.clone(),
                    method: method.to_owned(),
                    limit_bytes: self.body_bytes_max,
                });
            }
            bytes.extend_from_slice(&chunk);
        }
        self.counters.received_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        tracing::debug!(vcenter = %self.vcenter, method, status, bytes = bytes.len(), "vCenter answered");
        let text = String::from_utf8(bytes).map_err(|_| VcenterError::NotUnderstood {
            vcenter: self.vcenter.clone(),
            method: method.to_owned(),
            what: "not UTF-8".to_owned(),
        })?;
        Ok(Reply { vcenter: self.vcenter.clone(), method, status, text, cookies })
    }

    /// The chain of causes, because "error sending request" alone helps nobody.
    fn unreachable(&self, method: &str, error: &reqwest::Error) -> VcenterError {
        let mut reason = String::new();
        let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(error);
        while let Some(e) = cause {
            let said = e.to_string();
            if !reason.contains(&said) {
                reason = if reason.is_empty() { said } else { format!("{reason}: {said}") };
            }
            cause = e.source();
        }
        if reason.is_empty() {
            reason = if error.is_connect() { "no connection" } else { "the exchange broke" }.to_owned();
        }
        VcenterError::Unreachable { vcenter: self.vcenter.clone(), method: method.to_owned(), reason }
    }
}

impl Reply {
    /// Parses the answer and hands `read` the `<…Response>` element, or returns the fault.
    pub fn open<T>(
        &self,
        read: impl FnOnce(&Element<'_>) -> Result<T, VcenterError>,
    ) -> Result<T, VcenterError> {
        let root = match Element::parse(&self.text) {
            Ok(root) => root,
            Err(_) if self.status != 200 => return Err(self.status_only()),
            Err(e) => return Err(self.not_understood(e.to_string())),
        };
        let Some(answer) = root.child("Body").and_then(|body| body.children.first()) else {
            return Err(if self.status == 200 {
                self.not_understood("no SOAP body".to_owned())
            } else {
                self.status_only()
            });
        };
        if answer.name == "Fault" {
            return Err(self.fault(answer));
        }
        if self.status != 200 {
            return Err(self.status_only());
        }
        if answer.name.strip_suffix("Response") != Some(self.method) {
            return Err(self.not_understood(format!("an element {}", answer.name)));
        }
        read(answer)
    }

    pub fn not_understood(&self, what: String) -> VcenterError {
        VcenterError::NotUnderstood { vcenter: self.vcenter.clone(), method: self.method.to_owned(), what }
    }

    /// Whether this is a fault of this type that names this very object.
    pub fn fault_names(&self, object: &MoRef, kind: &str) -> bool {
        let Ok(root) = Element::parse(&self.text) else { return false };
        let detail = root.child("Body").and_then(|b| b.child("Fault")).and_then(|f| f.child("detail"));
        let fault = detail.and_then(|detail| detail.children.first());
        fault.is_some_and(|fault| {
            fault_kind(fault) == kind && fault.text_of("obj") == Some(object.id.as_str())
        })
    }

    fn status_only(&self) -> VcenterError {
        VcenterError::UnexpectedStatus {
            vcenter: self.vcenter.clone(),
            method: self.method.to_owned(),
            status: self.status,
        }
    }

    fn fault(&self, fault: &Element<'_>) -> VcenterError {
        let detail = fault.child("detail").and_then(|d| d.children.first());
        let kind = detail.map_or_else(|| "Fault".to_owned(), fault_kind);
        if kind == "NotAuthenticated" {
            return VcenterError::NotAuthenticated { vcenter: self.vcenter.clone() };
        }
        VcenterError::Fault {
            vcenter: self.vcenter.clone(),
            method: self.method.to_owned(),
            kind,
            message: fault.text_of("faultstring").unwrap_or("no message").to_owned(),
        }
    }
}

/// The type of a fault: `xsi:type` where it is given, else the element's name without `Fault`.
pub(super) fn fault_kind(fault: &Element<'_>) -> String {
    match &fault.xsi_type {
        Some(kind) => kind.clone().into_owned(),
        None => fault.name.strip_suffix("Fault").unwrap_or(fault.name).to_owned(),
    }
}

fn cookies_of(headers: &HeaderMap) -> Vec<String> {
    let first = |text: &str| text.split(';').next().map(|pair| pair.trim().to_owned());
    headers.get_all(SET_COOKIE).iter().filter_map(|v| v.to_str().ok().and_then(first)).collect()
}

fn envelope(method: &str, this: &MoRef, arguments: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><soapenv:Body>\
         <{method} xmlns=\"urn:vim25\">{}{arguments}</{method}></soapenv:Body></soapenv:Envelope>",
        this.element("_this")
    )
}
