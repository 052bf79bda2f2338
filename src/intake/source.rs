//! Sources: who may send requests by webhook, how they prove it, and where in their bodies things stand.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::pointer::is_pointer;
use super::rate::TokenBucket;
use super::signature::{Scheme, Verifier};
use crate::config::Secret;
use crate::vm_request::violation::Violation;

/// Names that a source may not have: `/hooks/aap/…` is the controllers', `api` the source of direct callers.
const RESERVED: [&str; 2] = ["aap", "api"];

/// One `[[sources]]` of the configuration.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceConfig {
    /// The last part of its address: `/hooks/{name}`.
    pub name: String,
    pub scheme: Scheme,
    /// Each of them is enough, so that a sender can change over without a gap. `whsec_…` for `standard_webhooks`,
    /// any text for `hub_signature_256` and `bearer`, `user:password` for `basic`.
    pub secrets: Vec<Secret>,
    /// How far `webhook-timestamp` may be off, both ways.
    #[serde(default = "default_tolerance_secs")]
    pub tolerance_secs: u64,
    /// The header with the signature or token, where it is not the scheme's own.
    #[serde(default)]
    pub signature_header: Option<String>,
    /// The header with the sender's id of the delivery, where the scheme has none. Without it the usual ones are
    /// looked for (`X-Atlassian-Webhook-Identifier`, `X-GitHub-Delivery`).
    #[serde(default)]
    pub delivery_id_header: Option<String>,
    /// Where in the body the id of the delivery stands; goes before headers, since the body is signed.
    #[serde(default)]
    pub delivery_id_pointer: Option<String>,
    /// Where in the body the VM request stands; empty: the body is the request.
    #[serde(default)]
    pub payload_pointer: String,
    /// Where in the body the ticket's id stands, where the request itself names no ticket.
    #[serde(default)]
    pub ticket_id_pointer: Option<String>,
    #[serde(default)]
    pub ticket_item_pointer: Option<String>,
    #[serde(default)]
    pub ticket_url_pointer: Option<String>,
    #[serde(default)]
    pub requested_by_pointer: Option<String>,
    /// Signed deliveries in a second, on the long run.
    #[serde(default = "default_rate_per_sec")]
    pub rate_per_sec: u32,
    /// Signed deliveries at once.
    #[serde(default = "default_rate_burst")]
    pub rate_burst: u32,
}

const fn default_tolerance_secs() -> u64 {
    300
}

const fn default_rate_per_sec() -> u32 {
    100
}

const fn default_rate_burst() -> u32 {
    200
}

/// A source ready for use.
pub struct Source {
    pub config: SourceConfig,
    pub verifier: Verifier,
    pub bucket: TokenBucket,
}

/// Every source, by name.
pub struct Sources {
    by_name: BTreeMap<String, Source>,
    stand_in: Source,
}

impl Sources {
    /// Sources of `configs`, or everything that is wrong with them.
    ///
    /// # Errors
    /// Violations with pointers below `/sources`.
    pub fn new(configs: &[SourceConfig]) -> Result<Self, Vec<Violation>> {
        let mut found = Vec::new();
        let mut by_name = BTreeMap::new();
        for (index, config) in configs.iter().enumerate() {
            let at = format!("/sources/{index}");
            config.check(&at, &mut found);
            if by_name.contains_key(&config.name) {
                let detail = "is the name of two sources";
                found.push(Violation::new(format!("{at}/name"), detail, "a name of its own"));
            }
            if let Some(source) = Source::new(config.clone(), &at, &mut found) {
                by_name.insert(config.name.clone(), source);
            }
        }
        let stand_in = Source::new(stand_in(), "", &mut found);
        match (stand_in, found.is_empty()) {
            (Some(stand_in), true) => Ok(Self { by_name, stand_in }),
            _ => Err(found),
        }
    }

    /// The source of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.by_name.get(name)
    }

    /// A source whose secret nobody knows: what is sent to a name that is none is verified against it, so that the
    /// time that an answer takes tells little about which names exist.
    #[must_use]
    pub fn stand_in(&self) -> &Source {
        &self.stand_in
    }
}

impl Source {
    fn new(config: SourceConfig, at: &str, found: &mut Vec<Violation>) -> Option<Self> {
        let header = config.signature_header.as_deref();
        match Verifier::new(config.scheme, &config.secrets, header, config.tolerance_secs) {
            Ok(verifier) => {
                let bucket = TokenBucket::new(config.rate_per_sec, config.rate_burst);
                Some(Self { config, verifier, bucket })
            }
            Err((index, why)) => {
                let expected = "a secret that the scheme can use";
                found.push(Violation::new(format!("{at}/secrets/{index}"), why.to_string(), expected));
                None
            }
        }
    }
}

impl SourceConfig {
    fn check(&self, at: &str, found: &mut Vec<Violation>) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        if self.name.is_empty() || self.name.len() > 64 || !self.name.bytes().all(plain) {
            let expected = "1 to 64 of a-z, 0-9, `-` and `_`";
            found.push(Violation::new(format!("{at}/name"), "cannot stand in an address", expected));
        }
        if RESERVED.contains(&self.name.as_str()) {
            found.push(Violation::new(format!("{at}/name"), "is reserved", "another name"));
        }
        if self.secrets.is_empty() {
            found.push(Violation::new(format!("{at}/secrets"), "is empty", "at least one secret"));
        }
        if self.rate_per_sec == 0 {
            found.push(Violation::new(format!("{at}/rate_per_sec"), "lets nothing through", "at least 1"));
        }
        let pointers = [
            ("payload_pointer", Some(&self.payload_pointer)),
            ("delivery_id_pointer", self.delivery_id_pointer.as_ref()),
            ("ticket_id_pointer", self.ticket_id_pointer.as_ref()),
            ("ticket_item_pointer", self.ticket_item_pointer.as_ref()),
            ("ticket_url_pointer", self.ticket_url_pointer.as_ref()),
            ("requested_by_pointer", self.requested_by_pointer.as_ref()),
        ];
        for (field, pointer) in pointers {
            if pointer.is_some_and(|pointer| !is_pointer(pointer)) {
                let expected = "a JSON pointer (RFC 6901), e.g. /variables";
                found.push(Violation::new(format!("{at}/{field}"), "is no JSON pointer", expected));
            }
        }
    }
}

/// The configuration behind [`Sources::stand_in`]. A secret that stands in the code proves nothing, which is why
/// a delivery that fits it is refused all the same.
fn stand_in() -> SourceConfig {
    SourceConfig {
        name: String::new(),
        scheme: Scheme::HubSignature256,
        secrets: vec![Secret::new("nobody")],
        tolerance_secs: default_tolerance_secs(),
        signature_header: None,
        delivery_id_header: None,
        delivery_id_pointer: None,
        payload_pointer: String::new(),
        ticket_id_pointer: None,
        ticket_item_pointer: None,
        ticket_url_pointer: None,
        requested_by_pointer: None,
        rate_per_sec: default_rate_per_sec(),
        rate_burst: default_rate_burst(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn everything_wrong_with_the_sources_is_told_at_once_and_no_secret_with_it() {
        let mut bad = stand_in();
        bad.name = "aap".to_owned();
        bad.secrets = vec![];
        bad.payload_pointer = "variables".to_owned();
        let mut weak = stand_in();
        weak.name = "snow".to_owned();
        weak.scheme = Scheme::StandardWebhooks;
        weak.secrets = vec![Secret::new("hunter2!")];
        let twice = SourceConfig { name: "jira".to_owned(), ..stand_in() };
        let found = Sources::new(&[bad, weak, twice.clone(), twice]).err().unwrap();
        let places: Vec<&str> = found.iter().map(|violation| violation.pointer.as_str()).collect();
        assert_eq!(
            places,
            [
                "/sources/0/name",
                "/sources/0/secrets",
                "/sources/0/payload_pointer",
                "/sources/1/secrets/0",
                "/sources/3/name"
            ]
        );
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn a_source_reads_from_toml_and_hides_its_secrets() {
        let text = "name = 'servicenow'\nscheme = 'hub_signature_256'\nsecrets = ['hunter2']\n\
                    payload_pointer = '/variables'\nticket_id_pointer = '/number'";
        let config: SourceConfig = toml::from_str(text).unwrap();
        assert_eq!(config.tolerance_secs, 300);
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(toml::from_str::<SourceConfig>(&format!("{text}\nsecert = 'x'")).is_err());
    }
}
