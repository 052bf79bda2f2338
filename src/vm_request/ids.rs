//! Identities: of a request, and of the VM that a request creates.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use ulid::Ulid;
use uuid::Uuid;

/// The constant namespace of [`RequestId::vm_uid`]. It never changes: VMs in vCenter carry what came of it.
const VM_UID_NAMESPACE: Uuid = Uuid::from_u128(0x6c0f_5a2e_9a41_5d0b_8c1e_3f7d_2b94_e0a7);

/// The id of a VM request: `req_` and a lower-case ULID, so that it sorts by time and is an identifier,
/// as the keys of `set_stats` must be (CONTRACT.md §7). It is also the `execution_id` of the artifacts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RequestId(String);

/// Text that is not a request id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a request id: expected `req_` and 26 lower-case letters and digits of a ULID")]
pub struct NotARequestId;

impl RequestId {
    /// The id made of `ulid`.
    #[must_use]
    pub fn from_ulid(ulid: Ulid) -> Self {
        Self(format!("req_{}", ulid.to_string().to_lowercase()))
    }

    /// The id made of a time and 80 random bits.
    #[must_use]
    pub fn from_parts(at: jiff::Timestamp, random: u128) -> Self {
        let millis = u64::try_from(at.as_millisecond()).unwrap_or_default();
        Self::from_ulid(Ulid::from_parts(millis, random))
    }

    /// The time that it carries, to the millisecond.
    #[must_use]
    pub fn made_at(&self) -> jiff::Timestamp {
        let ulid = self.0.strip_prefix("req_").and_then(|body| Ulid::from_string(&body.to_uppercase()).ok());
        let millis = ulid.and_then(|ulid| i64::try_from(ulid.timestamp_ms()).ok());
        millis.and_then(|millis| jiff::Timestamp::from_millisecond(millis).ok()).unwrap_or_default()
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity of the VM that this request creates. It stands in the VM's `extraConfig` under
    /// `guestinfo.causeway.vm_uid`, and follows from the request's id alone, so that it is known before the VM is.
    #[must_use]
    pub fn vm_uid(&self) -> Uuid {
        Uuid::new_v5(&VM_UID_NAMESPACE, self.0.as_bytes())
    }
}

impl FromStr for RequestId {
    type Err = NotARequestId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let body = text.strip_prefix("req_").ok_or(NotARequestId)?;
        let lower = body.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
        if !lower || Ulid::from_string(&body.to_uppercase()).is_err() {
            return Err(NotARequestId);
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_its_vm_uid_is_constant() {
        let id = RequestId::from_parts("2026-11-21T08:00:00Z".parse().unwrap(), 42);
        assert_eq!(id.as_str().parse(), Ok(id.clone()));
        assert_eq!(id.as_str(), "req_01m7yhx300000000000000001a");
        assert_eq!(id.vm_uid().to_string(), "7352aab3-93b2-55c4-8be7-36a818d2bdca");
    }

    #[test]
    fn other_text_is_no_id() {
        for text in
            ["", "req_", "01kagj6ts0000000000000001a", "req_01KAGJ6TS0000000000000001A", "req_../../etc"]
        {
            assert_eq!(text.parse::<RequestId>(), Err(NotARequestId), "{text}");
        }
    }
}
