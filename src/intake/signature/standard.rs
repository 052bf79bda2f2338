//! Standard Webhooks: HMAC-SHA256 over `{id}.{timestamp}.{body}`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use super::{Headers, KeyError, SignatureError, only};
use crate::config::Secret;

/// The longest delivery id that is taken.
const ID_BYTES_MAX: usize = 256;
/// Signatures that are looked at; a sender sends one per secret it rotates.
const SIGNATURES_MAX: usize = 8;
/// Lengths of a key, from the specification.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Keys with their first block already hashed.
#[derive(Clone)]
pub(super) struct Keys(Vec<Hmac<Sha256>>);

/// The three headers of a signed delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    pub id: String,
    /// Seconds since the epoch.
    pub timestamp: i64,
    pub signature: String,
}

impl SignedHeaders {
    /// Names and values.
    #[must_use]
    pub fn pairs(&self) -> [(&'static str, String); 3] {
        [
            ("webhook-id", self.id.clone()),
            ("webhook-timestamp", self.timestamp.to_string()),
            ("webhook-signature", self.signature.clone()),
        ]
    }
}

/// Signs `body` as delivery `id` of the time `at`.
///
/// # Errors
/// [`KeyError`] when the secret is none.
pub fn sign_standard_webhooks(
    secret: &Secret,
    id: &str,
    at: Timestamp,
    body: &[u8],
) -> Result<SignedHeaders, KeyError> {
    let timestamp = at.as_second();
    let mac = digest(key(secret)?, id.as_bytes(), timestamp.to_string().as_bytes(), body);
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    Ok(SignedHeaders { id: id.to_owned(), timestamp, signature })
}

impl Keys {
    pub fn new(secrets: &[Secret]) -> Result<Self, (usize, KeyError)> {
        let keys = secrets.iter().enumerate().map(|(index, secret)| key(secret).map_err(|why| (index, why)));
        keys.collect::<Result<_, _>>().map(Self)
    }

    /// The delivery's id.
    pub fn verify<'h>(
        &self,
        headers: &'h impl Headers,
        body: &[u8],
        now: Timestamp,
        tolerance_secs: u64,
    ) -> Result<&'h str, SignatureError> {
        let id = text(only(headers, "webhook-id")?)?;
        let sent_at = text(only(headers, "webhook-timestamp")?)?;
        let signatures = text(only(headers, "webhook-signature")?)?;
        if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SignatureError::Unreadable);
        }
        let seconds = seconds(sent_at)?;
        if now.as_second().abs_diff(seconds) > tolerance_secs {
            return Err(SignatureError::OutsideTolerance);
        }
        let given: Vec<[u8; 32]> = signatures.split(' ').take(SIGNATURES_MAX).filter_map(signature).collect();
        let mut fits = false;
        for key in &self.0 {
            let mac = digest(key.clone(), id.as_bytes(), sent_at.as_bytes(), body);
            for signature in &given {
                fits |= mac.clone().verify_slice(signature).is_ok();
            }
        }
        if fits { Ok(id) } else { Err(SignatureError::Mismatch) }
    }
}

fn key(secret: &Secret) -> Result<Hmac<Sha256>, KeyError> {
    if secret.is_empty() {
        return Err(KeyError::Empty);
    }
    let encoded = secret.expose().strip_prefix("whsec_").unwrap_or(secret.expose());
    let bytes = STANDARD.decode(encoded).map_err(|_| KeyError::NotBase64)?;
    if !KEY_BYTES.contains(&bytes.len()) {
        return Err(KeyError::Length);
    }
    Hmac::new_from_slice(&bytes).map_err(|_| KeyError::Length)
}

fn digest(mut mac: Hmac<Sha256>, id: &[u8], timestamp: &[u8], body: &[u8]) -> Hmac<Sha256> {
    mac.update(id);
    mac.update(b".");
    mac.update(timestamp);
    mac.update(b".");
    mac.update(body);
    mac
}

/// A `v1` signature of the list; other versions (`v1a` is ed25519) are passed over.
fn signature(entry: &str) -> Option<[u8; 32]> {
    let encoded = entry.strip_prefix("v1,")?;
    let mut bytes = [0; 33]; // one more than fits, so that a longer one is seen
    let length = STANDARD.decode_slice(encoded, &mut bytes).ok()?;
    bytes[..length].try_into().ok()
}

fn seconds(text: &str) -> Result<i64, SignatureError> {
    let digits = !text.is_empty() && text.len() <= 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits {
        return Err(SignatureError::Unreadable);
    }
    text.parse().map_err(|_| SignatureError::Unreadable)
}

fn text(value: &[u8]) -> Result<&str, SignatureError> {
    std::str::from_utf8(value).ok().filter(|text| text.is_ascii()).ok_or(SignatureError::Unreadable)
}
