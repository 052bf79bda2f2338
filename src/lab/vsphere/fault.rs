//! What vSphere answers when it will not do something, under vSphere's own names. A fault is a value: it is
//! the answer of a call or the end of a task, never a panic.

use super::ids::Moid;
use super::vm::{PowerState, power_state_name};

/// A vSphere fault (vSphere Web Services API, "Faults"). [`Fault::name`] is the type on the wire.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("The name '{name}' already exists.")]
    DuplicateName { name: String, object: Moid },
    /// `what` names the kind and the name that was looked for.
    #[error("{what} was not found.")]
    NotFound { what: String },
    #[error("The object has already been deleted or has not been completely created")]
    ManagedObjectNotFound { type_name: String, moid: String },
    #[error("The attempted operation cannot be performed in the current state ({}).", power_state_name(*existing))]
    InvalidPowerState { existing: PowerState, requested: PowerState },
    #[error("A specified parameter was not correct: {property}")]
    InvalidArgument { property: String },
    #[error("The name '{name}' is invalid.")]
    InvalidName { name: String },
    #[error("The operation is not supported on the object.")]
    NotSupported,
    #[error("Cannot complete login due to an incorrect user name or password.")]
    InvalidLogin,
    #[error("The session is not authenticated.")]
    NotAuthenticated { object: String },
    /// `object` is written as `Type:id`.
    #[error("Permission to perform this operation was denied.")]
    NoPermission { object: String },
    /// The version that a watcher named is not known to its collector (any more).
    #[error("The version is not valid for this property collector.")]
    InvalidCollectorVersion,
    #[error("{reason}")]
    InvalidRequest { reason: String },
    #[error("A general system error occurred: {reason}")]
    SystemError { reason: String },
    #[error("The task was canceled by a user.")]
    RequestCanceled,
    #[error("The operation cannot be allowed at the current time: host resources are exhausted.")]
    InsufficientResourcesFault,
    #[error("Insufficient disk space on datastore '{datastore}'.")]
    NoDiskSpace { datastore: String },
}

impl Fault {
    /// The fault's type as vSphere names it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::DuplicateName { .. } => "DuplicateName",
            Self::NotFound { .. } => "NotFound",
            Self::ManagedObjectNotFound { .. } => "ManagedObjectNotFound",
            Self::InvalidPowerState { .. } => "InvalidPowerState",
            Self::InvalidArgument { .. } => "InvalidArgument",
            Self::InvalidName { .. } => "InvalidName",
            Self::NotSupported => "NotSupported",
            Self::InvalidLogin => "InvalidLogin",
            Self::NotAuthenticated { .. } => "NotAuthenticated",
            Self::NoPermission { .. } => "NoPermission",
            Self::InvalidCollectorVersion => "InvalidCollectorVersion",
            Self::InvalidRequest { .. } => "InvalidRequest",
            Self::SystemError { .. } => "SystemError",
            Self::RequestCanceled => "RequestCanceled",
            Self::InsufficientResourcesFault => "InsufficientResourcesFault",
            Self::NoDiskSpace { .. } => "NoDiskSpace",
        }
    }

    /// The fault for an id that names nothing.
    #[must_use]
    pub fn gone(moid: Moid) -> Self {
        Self::ManagedObjectNotFound { type_name: moid.kind().type_name().to_owned(), moid: moid.to_string() }
    }

    pub(super) fn not_found(kind: &str, name: &str) -> Self {
        Self::NotFound { what: format!("{kind} '{name}'") }
    }
}
