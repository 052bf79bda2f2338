//! The hashes that make a change of the past show.
//!
//! Each event carries the hash of the event before it in the same request (32 zero bytes for the first):
//!
//! ```text
//! digest = SHA-256( "causeway.event.v1\n"
//!                   u32 length of the request id, request id
//!                   u64 seq
//!                   i64 at, microseconds since 1970-01-01T00:00:00Z
//!                   u32 length of the kind, kind
//!                   u64 length of the body, body: the bytes of the stored JSON text )
//! hash   = SHA-256( "causeway.link.v1\n" previous hash, digest )
//! ```
//!
//! and a checkpoint covers the events between two positions, over all requests:
//!
//! ```text
//! checkpoint = SHA-256( "causeway.checkpoint.v1\n" previous checkpoint
//!                       the hash of each event after it, in order of position
//!                       u64 last position, i64 at )
//! ```
//!
//! Numbers are big-endian. The digest needs nothing that only the writer knows, so callers compute it. The chain
//! proves that nothing was changed, not who wrote it, and a cut at the end shows only to someone who noted an
//! earlier checkpoint elsewhere.

use sha2::{Digest, Sha256};

/// A SHA-256 value.
pub type Hash = [u8; 32];

/// What the first event of a request, and the first checkpoint, follow.
pub(super) const NOTHING_BEFORE: Hash = [0; 32];

/// The digest of one event's content.
pub(super) fn content_digest(request_id: &str, seq: u64, at_micros: i64, kind: &str, body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    let mut head = Vec::with_capacity(128);
    head.extend_from_slice(b"causeway.event.v1\n");
    head.extend_from_slice(&length_u32(request_id));
    head.extend_from_slice(request_id.as_bytes());
    head.extend_from_slice(&seq.to_be_bytes());
    head.extend_from_slice(&at_micros.to_be_bytes());
    head.extend_from_slice(&length_u32(kind));
    head.extend_from_slice(kind.as_bytes());
    head.extend_from_slice(&(body.len() as u64).to_be_bytes());
    hasher.update(&head);
    hasher.update(body);
    hasher.finalize().into()
}

/// The hash of an event with this content digest that follows `previous`.
pub(super) fn link(previous: &Hash, digest: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"causeway.link.v1\n");
    hasher.update(previous);
    hasher.update(digest);
    hasher.finalize().into()
}

fn length_u32(text: &str) -> [u8; 4] {
    u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// The checkpoint that is being gathered: what came since the last one.
#[derive(Debug, Clone)]
pub(super) struct OpenCheckpoint {
    hasher: Sha256,
    events: u64,
}

impl OpenCheckpoint {
    /// Nothing since the checkpoint `previous`.
    pub fn after(previous: &Hash) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"causeway.checkpoint.v1\n");
        hasher.update(previous);
        Self { hasher, events: 0 }
    }

    /// The next event in order of position.
    pub fn push(&mut self, hash: &Hash) {
        self.hasher.update(hash);
        self.events += 1;
    }

    /// Events since the last checkpoint.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The checkpoint at `position`.
    pub fn seal(&self, position: u64, at_micros: i64) -> Hash {
        let mut hasher = self.hasher.clone();
        hasher.update(position.to_be_bytes());
        hasher.update(at_micros.to_be_bytes());
        hasher.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(hash: &Hash) -> String {
        hash.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_encoding_stays_as_documented() {
        // Computed once with Python's hashlib from the text at the top of this file.
        let digest = content_digest("req_a", 1, -2, "k.v1", b"{}");
        assert_eq!(hex(&digest), "2d8e1bc099cf1e99cc8163f84d1983c4256de96b1ead8edaa9f4056fbb75ad4f");
        assert_eq!(
            hex(&link(&NOTHING_BEFORE, &digest)),
            "bf48942b5c76b2b1b863bcd99b0cbef69aa0585129e26fbbdc929da0744d4fda"
        );
        let mut open = OpenCheckpoint::after(&NOTHING_BEFORE);
        open.push(&digest);
        assert_eq!(hex(&open.seal(1, 5)), "7f365da34d327c2950c9e8cc1541ccd03a6f5414c2e96ad66af5e06726da5cf5");
    }

    #[test]
    fn moving_a_byte_between_fields_changes_the_digest() {
        let one = content_digest("req_a", 1, 0, "bc", b"d");
        assert_ne!(one, content_digest("req_ab", 1, 0, "c", b"d"));
        assert_ne!(one, content_digest("req_a", 1, 0, "b", b"cd"));
    }
}
