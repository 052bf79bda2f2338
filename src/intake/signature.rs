//! Whether a body comes from who it says: four schemes over the raw bytes, several valid secrets at a time, compared
//! in constant time. Nothing here reads a clock or echoes what was sent.
//!
//! | scheme | headers | what is signed | encoding |
//! |---|---|---|---|
//! | `standard_webhooks` | `webhook-id`, `webhook-timestamp`, `webhook-signature` | `{id}.{timestamp}.{body}` | `v1,` base64, space-separated |
//! | `hub_signature_256` | `X-Hub-Signature-256`, else `X-Hub-Signature` | the body | hex or base64, with or without `sha256=` |
//! | `bearer` | `Authorization: Bearer`, or a header of its own | nothing | – |
//! | `basic` | `Authorization: Basic` | nothing | – |
//!
//! Hex is accepted in both cases: senders differ, and the comparison is over the decoded bytes.

mod hub;
mod shared;
mod standard;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::Secret;

pub use hub::sign_hub_256;
pub use shared::{SharedSecrets, basic_credentials, bearer_token};
pub use standard::{SignedHeaders, sign_standard_webhooks};

/// How a source proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// <https://www.standardwebhooks.com>: the only one that also protects time and delivery id.
    StandardWebhooks,
    /// HMAC-SHA256 over the body, as GitHub, Jira, EDA and ServiceNow scripts send it.
    #[serde(rename = "hub_signature_256")]
    HubSignature256,
    /// A shared token.
    Bearer,
    /// A user and a password; the secret reads `user:password`.
    Basic,
}

/// A header as it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header<'a> {
    Missing,
    /// The raw bytes, which need not be text.
    One(&'a [u8]),
    /// It stands more than once, so nobody can say which is meant.
    Many,
}

/// Where headers are looked up; names are lower case.
pub trait Headers {
    /// The header of that name.
    fn header(&self, name: &str) -> Header<'_>;
}

/// Why a body was not taken for its source's. For counters and logs only: a stranger learns none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SignatureError {
    #[error("a header that the scheme needs is missing")]
    Missing,
    #[error("a header that the scheme needs stands twice")]
    Twice,
    #[error("a header that the scheme needs cannot be read")]
    Unreadable,
    #[error("the timestamp is outside the tolerance")]
    OutsideTolerance,
    #[error("no secret fits")]
    Mismatch,
}

impl SignatureError {
    /// The reason in one word, for counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Twice => "twice",
            Self::Unreadable => "unreadable",
            Self::OutsideTolerance => "outside_tolerance",
            Self::Mismatch => "mismatch",
        }
    }
}

/// A secret that its scheme cannot use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("is empty")]
    Empty,
    #[error("is not base64, with or without `whsec_` before it")]
    NotBase64,
    #[error("has fewer than 24 or more than 64 bytes once decoded")]
    Length,
    #[error("is not `user:password`")]
    NotUserAndPassword,
}

/// A source's secrets, made ready once.
#[derive(Clone)]
pub struct Verifier(Keys);

#[derive(Clone)]
enum Keys {
    Standard { keys: standard::Keys, tolerance_secs: u64 },
    Hub { keys: hub::Keys, header: Option<String> },
    Bearer { secrets: SharedSecrets, header: Option<String> },
    Basic(SharedSecrets),
}

/// What a verified delivery says about itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proof {
    /// The sender's id of the delivery, where the scheme signs one.
    pub delivery_id: Option<String>,
}

impl Verifier {
    /// The verifier of `scheme` with `secrets`, each of which is enough. `header` replaces the scheme's own
    /// (`hub_signature_256`, `bearer`); `tolerance_secs` counts for `standard_webhooks`.
    ///
    /// # Errors
    /// The index of the first secret that the scheme cannot use, and why.
    pub fn new(
        scheme: Scheme,
        secrets: &[Secret],
        header: Option<&str>,
        tolerance_secs: u64,
    ) -> Result<Self, (usize, KeyError)> {
        let header = header.map(str::to_ascii_lowercase);
        Ok(Self(match scheme {
            Scheme::StandardWebhooks => {
                Keys::Standard { keys: standard::Keys::new(secrets)?, tolerance_secs }
            }
            Scheme::HubSignature256 => Keys::Hub { keys: hub::Keys::new(secrets)?, header },
            Scheme::Bearer => Keys::Bearer { secrets: SharedSecrets::new(secrets)?, header },
            Scheme::Basic => Keys::Basic(SharedSecrets::user_and_password(secrets)?),
        }))
    }

    /// Whether `body` with `headers` comes from somebody who knows one of the secrets.
    ///
    /// # Errors
    /// [`SignatureError`], for counters; to the sender they are all the same.
    pub fn verify(
        &self,
        headers: &impl Headers,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Proof, SignatureError> {
        match &self.0 {
            Keys::Standard { keys, tolerance_secs } => {
                let delivery_id = keys.verify(headers, body, now, *tolerance_secs)?;
                Ok(Proof { delivery_id: Some(delivery_id.to_owned()) })
            }
            Keys::Hub { keys, header } => keys.verify(headers, header.as_deref(), body),
            Keys::Bearer { secrets, header } => {
                let given = match header {
                    Some(name) => only(headers, name)?,
                    None => bearer_token(headers)?,
                };
                secrets.check(given)
            }
            Keys::Basic(secrets) => secrets.check(&basic_credentials(headers)?),
        }
    }
}

/// The one header of that name.
fn only<'h>(headers: &'h impl Headers, name: &str) -> Result<&'h [u8], SignatureError> {
    match headers.header(name) {
        Header::One(value) => Ok(value),
        Header::Missing => Err(SignatureError::Missing),
        Header::Many => Err(SignatureError::Twice),
    }
}

#[cfg(test)]
mod tests;
