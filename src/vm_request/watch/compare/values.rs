//! The values of fields as text, so that three sides of different kinds compare alike.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::vm_request::sighting::{DiskSighting, NicSighting, PowerState};

/// What a side says of a field; `None`: nothing.
pub(super) type Text<'t> = Option<Cow<'t, str>>;

/// Whether both sides say something, and not the same.
pub(super) fn differ(asked: &Text<'_>, seen: &Text<'_>) -> bool {
    matches!((asked, seen), (Some(asked), Some(seen)) if asked != seen)
}

pub(super) fn text(value: &str) -> Text<'_> {
    Some(Cow::Borrowed(value))
}

pub(super) fn plain(value: &Option<String>) -> Text<'_> {
    value.as_deref().map(Cow::Borrowed)
}

pub(super) fn owned(value: Text<'_>) -> Option<String> {
    value.map(Cow::into_owned)
}

pub(super) fn number<T: ToString>(value: Option<T>) -> Text<'static> {
    value.map(|value| Cow::Owned(value.to_string()))
}

#[allow(clippy::unnecessary_wraps, reason = "one of several that make a side")]
pub(super) fn flag(value: bool) -> Text<'static> {
    Some(Cow::Borrowed(if value { "true" } else { "false" }))
}

pub(super) fn joined(values: &[String]) -> Text<'_> {
    match values {
        [] => None,
        [one] => Some(Cow::Borrowed(one)),
        several => Some(Cow::Owned(several.join(", "))),
    }
}

/// Like [`joined`], where an empty list says something.
pub(super) fn listed(values: &[String]) -> Text<'_> {
    joined(values).or(Some(Cow::Borrowed("none")))
}

pub(super) fn power(state: Option<PowerState>) -> Text<'static> {
    Some(Cow::Borrowed(state?.name()))
}

/// The power state that `vm_state` stands for, where it stands for one.
pub(super) fn power_told(host: &Map<String, Value>) -> Text<'static> {
    match host.get("vm_state").and_then(Value::as_str)? {
        "powered_off" => Some(Cow::Borrowed("poweredOff")),
        "created" | "configured" | "ready" => Some(Cow::Borrowed("poweredOn")),
        _ => None,
    }
}

pub(super) fn networks_told(host: &Map<String, Value>) -> Text<'static> {
    let networks = host.get("networks")?.as_array()?;
    let names: Option<Vec<&str>> =
        networks.iter().map(|network| network.get("network_name").and_then(Value::as_str)).collect();
    Some(Cow::Owned(names?.join(", ")))
}

pub(super) fn nic_told(nic: &NicSighting) -> String {
    format!("{} on {}", nic.nic_type, nic.network.as_deref().unwrap_or("no network"))
}

pub(super) fn disk_told(disk: &DiskSighting) -> String {
    format!("{} MiB, {}", disk.capacity_mib, disk.base_file.as_deref().unwrap_or("no file"))
}

/// An address in the one spelling of its kind; other text as it is.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    match text.trim().parse::<std::net::IpAddr>() {
        Ok(address) => Cow::Owned(address.to_string()),
        Err(_) => Cow::Borrowed(text.trim()),
    }
}
