//! HMAC-SHA256 over the body in one header: GitHub, Jira, EDA's event streams, ServiceNow scripts.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Header, Headers, KeyError, Proof, SignatureError};
use crate::config::Secret;

const HEADERS: [&str; 2] = ["x-hub-signature-256", "x-hub-signature"];

/// Keys with their first block already hashed. The key is the secret's own bytes.
#[derive(Clone)]
pub(super) struct Keys(Vec<Hmac<Sha256>>);

/// The value of `X-Hub-Signature-256` for `body`.
///
/// # Errors
/// [`KeyError`] when the secret is empty.
pub fn sign_hub_256(secret: &Secret, body: &[u8]) -> Result<String, KeyError> {
    let mut mac = key(secret)?;
    mac.update(body);
    let mut value = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        value.push(char::from(b"0123456789abcdef"[usize::from(byte >> 4)]));
        value.push(char::from(b"0123456789abcdef"[usize::from(byte & 15)]));
    }
    Ok(value)
}

impl Keys {
    pub fn new(secrets: &[Secret]) -> Result<Self, (usize, KeyError)> {
        let keys = secrets.iter().enumerate().map(|(index, secret)| key(secret).map_err(|why| (index, why)));
        keys.collect::<Result<_, _>>().map(Self)
    }

    pub fn verify(
        &self,
        headers: &impl Headers,
        header: Option<&str>,
        body: &[u8],
    ) -> Result<Proof, SignatureError> {
        let given = decode(find(headers, header)?).ok_or(SignatureError::Unreadable)?;
        let mut fits = false;
        for key in &self.0 {
            let mut mac = key.clone();
            mac.update(body);
            fits |= mac.verify_slice(&given).is_ok();
        }
        if fits { Ok(Proof::default()) } else { Err(SignatureError::Mismatch) }
    }
}

/// GitHub also sends `X-Hub-Signature`, with SHA-1; so the name with the digest in it goes first.
fn find<'h>(headers: &'h impl Headers, configured: Option<&str>) -> Result<&'h [u8], SignatureError> {
    if let Some(name) = configured {
        return super::only(headers, name);
    }
    for name in HEADERS {
        match headers.header(name) {
            Header::One(value) => return Ok(value),
            Header::Many => return Err(SignatureError::Twice),
            Header::Missing => {}
        }
    }
    Err(SignatureError::Missing)
}

fn key(secret: &Secret) -> Result<Hmac<Sha256>, KeyError> {
    if secret.is_empty() {
        return Err(KeyError::Empty);
    }
    Hmac::new_from_slice(secret.expose().as_bytes()).map_err(|_| KeyError::Length)
}

fn decode(value: &[u8]) -> Option<[u8; 32]> {
    let value = value.strip_prefix(b"sha256=").unwrap_or(value);
    let mut bytes = [0; 33];
    match value.len() {
        64 => {
            for (byte, pair) in bytes.iter_mut().zip(value.chunks_exact(2)) {
                let high = char::from(pair[0]).to_digit(16)?;
                let low = char::from(pair[1]).to_digit(16)?;
                *byte = u8::try_from(high * 16 + low).ok()?;
            }
            bytes[..32].try_into().ok()
        }
        44 => {
            let length = STANDARD.decode_slice(value, &mut bytes).ok()?;
            bytes[..length].try_into().ok()
        }
        _ => None,
    }
}
