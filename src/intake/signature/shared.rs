//! Secrets that are sent as they are: tokens, and users with passwords.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::{Headers, KeyError, Proof, SignatureError, only};
use crate::config::Secret;

/// The SHA-256 of each secret. Comparing digests takes the same time whatever was sent, length included.
#[derive(Clone)]
pub struct SharedSecrets(Vec<[u8; 32]>);

impl SharedSecrets {
    /// Secrets of which each is enough.
    ///
    /// # Errors
    /// The index of the first empty one.
    pub fn new(secrets: &[Secret]) -> Result<Self, (usize, KeyError)> {
        let digests = secrets.iter().enumerate().map(|(index, secret)| {
            if secret.is_empty() { Err((index, KeyError::Empty)) } else { Ok(digest(secret.expose())) }
        });
        digests.collect::<Result<_, _>>().map(Self)
    }

    /// Secrets that read `user:password`.
    ///
    /// # Errors
    /// The index of the first that does not.
    pub fn user_and_password(secrets: &[Secret]) -> Result<Self, (usize, KeyError)> {
        let without = |secret: &Secret| !secret.expose().contains(':');
        if let Some(index) = secrets.iter().position(without) {
            return Err((index, KeyError::NotUserAndPassword));
        }
        Self::new(secrets)
    }

    /// Whether `given` is one of them.
    ///
    /// # Errors
    /// [`SignatureError::Mismatch`] when it is not.
    pub fn check(&self, given: &[u8]) -> Result<Proof, SignatureError> {
        if self.position(given).is_some() { Ok(Proof::default()) } else { Err(SignatureError::Mismatch) }
    }

    /// Which one `given` is. All of them are compared, whichever fits.
    #[must_use]
    pub fn position(&self, given: &[u8]) -> Option<usize> {
        let given: [u8; 32] = Sha256::digest(given).into();
        let mut found = None;
        for (index, secret) in self.0.iter().enumerate() {
            let fits: Choice = secret.ct_eq(&given);
            if bool::from(fits) {
                found = Some(index);
            }
        }
        found
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750).
///
/// # Errors
/// [`SignatureError`] when there is none.
pub fn bearer_token(headers: &impl Headers) -> Result<&[u8], SignatureError> {
    credentials(headers, b"bearer ")
}

/// `user:password` out of `Authorization: Basic …` (RFC 7617).
///
/// # Errors
/// [`SignatureError`] when there is none.
pub fn basic_credentials(headers: &impl Headers) -> Result<Vec<u8>, SignatureError> {
    STANDARD.decode(credentials(headers, b"basic ")?).map_err(|_| SignatureError::Unreadable)
}

/// What follows the scheme's name, which is written in any case.
fn credentials<'h>(headers: &'h impl Headers, scheme: &[u8]) -> Result<&'h [u8], SignatureError> {
    let value = only(headers, "authorization")?;
    match value.split_at_checked(scheme.len()) {
        Some((name, rest)) if name.eq_ignore_ascii_case(scheme) => Ok(rest.trim_ascii()),
        _ => Err(SignatureError::Missing),
    }
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}
