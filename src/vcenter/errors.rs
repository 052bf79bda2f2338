//! What can go wrong between the bridge and a vCenter, sorted by what the caller may do about it.
//!
//! `Display` names the call and the reason and never carries a secret: what vCenter says to a refused
//! login is dropped, because it may repeat what was sent.

use jiff::Timestamp;

/// Why a [`Vcenter`](super::Vcenter) could not be set up. Found before anything is sent.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address is not an `http` or `https` URL with a host.
    #[error("vCenter {vcenter}: {url:?} is no address of a vCenter, expected https://HOST/sdk")]
    Url { vcenter: String, url: String },
    /// A password would travel in the clear to another machine.
    #[error("vCenter {vcenter}: {url:?} sends the password in the clear; plain http is for loopback only")]
    PlainHttp { vcenter: String, url: String },
    /// User name or password is empty or holds a character that XML 1.0 cannot carry.
    #[error("vCenter {vcenter}: the {field} is empty or has a character that XML cannot carry")]
    Credentials { vcenter: String, field: &'static str },
    /// A limit is zero.
    #[error("vCenter {vcenter}: {field} has to be at least 1")]
    Limit { vcenter: String, field: &'static str },
    /// The file with the certificate authority cannot be used.
    #[error("vCenter {vcenter}: ca_file {path}: {reason}")]
    CaFile { vcenter: String, path: String, reason: String },
    /// The HTTP client could not be built.
    #[error("vCenter {vcenter}: no HTTP client: {reason}")]
    Client { vcenter: String, reason: String },
}

/// Why vCenter did not answer a question.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VcenterError {
    /// The user name or password is wrong (`InvalidLogin`). No further login is tried before
    /// `next_try_at`, because repeated wrong passwords lock the account.
    #[error("{vcenter} refused the login of {username}; the next try is at {next_try_at}")]
    LoginRefused { vcenter: String, username: String, next_try_at: Timestamp },
    /// The session was not accepted although the login before it was.
    #[error("{vcenter} does not accept the session it gave")]
    NotAuthenticated { vcenter: String },
    /// No connection, or it broke, or the certificate is not trusted.
    #[error("{vcenter} cannot be reached ({method}): {reason}")]
    Unreachable { vcenter: String, method: String, reason: String },
    /// No whole answer within the deadline of one call.
    #[error("{vcenter} did not answer {method} within {deadline_secs} s")]
    DeadlineExceeded { vcenter: String, method: String, deadline_secs: u64 },
    /// The answer is longer than `body_bytes_max`.
    #[error("{vcenter} answered {method} with more than {limit_bytes} bytes")]
    BodyTooLarge { vcenter: String, method: String, limit_bytes: usize },
    /// An HTTP status without a SOAP fault: a proxy, a redirect, a vCenter that is starting.
    #[error("{vcenter} answered {method} with HTTP {status}")]
    UnexpectedStatus { vcenter: String, method: String, status: u16 },
    /// A SOAP fault; `kind` is its type as vSphere spells it, e.g. `NoPermission`.
    #[error("{vcenter} answered {method} with {kind}: {message}")]
    Fault { vcenter: String, method: String, kind: String, message: String },
    /// The answer is not the XML that the method is documented to give.
    #[error("{vcenter} answered {method} with something else: {what}")]
    NotUnderstood { vcenter: String, method: String, what: String },
    /// The names of some VMs could not be read, so a search cannot say that a VM is not there.
    #[error("{vcenter} hides {unreadable} VMs ({example}); a search would be incomplete")]
    Incomplete { vcenter: String, unreadable: usize, example: String },
}

impl VcenterError {
    /// Whether the same read may well succeed a moment later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::DeadlineExceeded { .. } => true,
            Self::UnexpectedStatus { status, .. } => matches!(status, 408 | 429 | 502 | 503 | 504),
            Self::LoginRefused { .. }
            | Self::NotAuthenticated { .. }
            | Self::BodyTooLarge { .. }
            | Self::Fault { .. }
            | Self::NotUnderstood { .. }
            | Self::Incomplete { .. } => false,
        }
    }

    /// Whether it is a SOAP fault of this type (`ManagedObjectNotFound`, …).
    #[must_use]
    pub fn is_fault(&self, wanted: &str) -> bool {
        matches!(self, Self::Fault { kind, .. } if kind == wanted)
    }
}
