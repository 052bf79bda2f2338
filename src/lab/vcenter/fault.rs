//! Faults of the model as vSphere data objects: for the detail of a SOAP fault, for `missingSet` and for the
//! error of a task.

use super::value::{Ref, Val};
use crate::lab::vsphere::{Fault, power_state_name};

/// The fault's data object.
pub(super) fn to_val(fault: &Fault) -> Val {
    let power = |state| Val::Word("VirtualMachinePowerState", power_state_name(state).to_owned());
    let fields = match fault {
        Fault::DuplicateName { name, object } => {
            vec![("name", Val::text(name)), ("object", Val::moref(*object))]
        }
        Fault::ManagedObjectNotFound { type_name, moid } => {
            vec![("obj", Val::Ref(Ref::new(type_name, moid)))]
        }
        Fault::InvalidPowerState { existing, requested } => {
            vec![("requestedState", power(*requested)), ("existingState", power(*existing))]
        }
        Fault::InvalidArgument { property } => vec![("invalidProperty", Val::text(property))],
        Fault::InvalidName { name } => vec![("name", Val::text(name))],
        Fault::SystemError { reason } => vec![("reason", Val::text(reason))],
        Fault::NotAuthenticated { object } | Fault::NoPermission { object } => no_permission(object),
        Fault::NotFound { .. } | Fault::NotSupported | Fault::InvalidLogin => Vec::new(),
        Fault::InvalidCollectorVersion => Vec::new(),
        Fault::InvalidRequest { .. } | Fault::RequestCanceled => Vec::new(),
        Fault::InsufficientResourcesFault | Fault::NoDiskSpace { .. } => Vec::new(),
    };
    Val::one_of(fault.name(), fields)
}

/// `LocalizedMethodFault`.
pub(super) fn localized(fault: &Fault) -> Val {
    Val::of(
        "LocalizedMethodFault",
        vec![("fault", to_val(fault)), ("localizedMessage", Val::Text(fault.to_string()))],
    )
}

/// `MissingProperty` for a path that the type does not have (recording 21).
pub(super) fn invalid_property(path: &str) -> Val {
    missing(path, Val::one_of("InvalidProperty", vec![("name", Val::text(path))]))
}

/// `MissingProperty` as vcsim answers without a session (recording 02).
pub(super) fn not_authenticated_property(path: &str, object: &Ref) -> Val {
    let fields = vec![("object", Val::Ref(object.clone())), ("privilegeId", Val::text("System.Read"))];
    missing(path, Val::one_of("NotAuthenticated", fields))
}

/// `MissingProperty` of an object that the caller may not see.
pub(super) fn no_permission_property(path: &str, object: &Ref) -> Val {
    let fields = vec![("object", Val::Ref(object.clone())), ("privilegeId", Val::text("System.Read"))];
    missing(path, Val::one_of("NoPermission", fields))
}

/// `MissingObject`, for those who ask to have missing objects reported in the results.
pub(super) fn missing_objects(missing: &[Ref]) -> Val {
    Val::List("MissingObject", missing.iter().map(missing_object).collect())
}

fn missing_object(object: &Ref) -> Val {
    let fault = Fault::ManagedObjectNotFound { type_name: object.type_name.clone(), moid: object.id.clone() };
    Val::of("MissingObject", vec![("obj", Val::Ref(object.clone())), ("fault", localized(&fault))])
}

fn missing(path: &str, fault: Val) -> Val {
    let fault = Val::of("LocalizedMethodFault", vec![("fault", fault)]);
    Val::of("MissingProperty", vec![("path", Val::text(path)), ("fault", fault)])
}

/// `object` is written as `Type:id`.
fn no_permission(object: &str) -> Vec<(&'static str, Val)> {
    let (type_name, id) = object.split_once(':').unwrap_or(("Folder", object));
    vec![("object", Val::Ref(Ref::new(type_name, id))), ("privilegeId", Val::text("System.View"))]
}
