//! What a controller client is made from, checked before the first byte is sent, and the HTTP client made of it.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Certificate, Client, Url, redirect};
use thiserror::Error;

use crate::config::Secret;

/// Idle connections are given up before a server gives them up on us (nginx: 75 s, many others: 5 s), so that a launch
/// is not written into a connection that is just being closed.
const IDLE_CONNECTION_SECS: u64 = 4;
/// A host that does not answer the connect at all is given up sooner than a slow answer.
const CONNECT_SECS_MAX: u64 = 5;

/// One controller and how to speak to it.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// The name that the catalog, logs and metrics use.
    pub name: String,
    /// Scheme, host and port only, e.g. `https://aap.example.com`; the path of the API is discovered.
    pub base_url: String,
    /// A personal access token with scope `write`.
    pub token: Secret,
    /// The organization in which names are looked up when a call names none.
    pub organization: Option<String>,
    /// A PEM file with roots to trust besides the platform's.
    pub ca_file: Option<PathBuf>,
    /// Seconds that one request may take, its repetitions included; a call of many requests may take four times that.
    pub call_deadline_secs: u64,
    /// How often a read is sent at most. Writes are sent once.
    pub read_attempts_max: u32,
    /// Upper bound of the first pause between two attempts of a read, in milliseconds; it doubles with each attempt.
    pub backoff_first_ms: u64,
    /// The pause never grows beyond this, in milliseconds.
    pub backoff_longest_ms: u64,
    /// The largest answer body that is read, in bytes.
    pub body_bytes_max: usize,
}

impl ControllerConfig {
    /// A configuration with the limits that suit a controller behind its usual proxy: 30 s a call, 4 attempts of a
    /// read, pauses from 200 ms to 5 s, answers of up to 16 MiB.
    #[must_use]
    pub fn new(name: impl Into<String>, base_url: impl Into<String>, token: Secret) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            token,
            organization: None,
            ca_file: None,
            call_deadline_secs: 30,
            read_attempts_max: 4,
            backoff_first_ms: 200,
            backoff_longest_ms: 5_000,
            body_bytes_max: 16 * 1024 * 1024,
        }
    }
}

/// The configuration cannot work.
#[derive(Debug, Error)]
pub enum SetupError {
    /// `base_url` is not scheme, host and port of an HTTP server. The text is not repeated: it may hold a password.
    #[error("controller {name}: base_url {why}")]
    BaseUrl {
        /// Which controller.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No token, or one that cannot stand in a header.
    #[error("controller {name}: the token {why}")]
    Token {
        /// Which controller.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A limit of zero.
    #[error("controller {name}: {field} must be at least 1")]
    Limit {
        /// Which controller.
        name: String,
        /// Which limit.
        field: &'static str,
    },
    /// `ca_file` cannot be read or holds no certificate.
    #[error("controller {name}: ca_file {path}: {why}")]
    CaFile {
        /// Which controller.
        name: String,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The TLS or random source of the machine does not work.
    #[error("controller {name}: {why}")]
    Machine {
        /// Which controller.
        name: String,
        /// What does not work.
        why: String,
    },
}

/// Checks the limits and returns `scheme://host[:port]` without a trailing slash.
pub(super) fn origin(cfg: &ControllerConfig) -> Result<String, SetupError> {
    let bad = |why| SetupError::BaseUrl { name: cfg.name.clone(), why };
    let url = Url::parse(&cfg.base_url).map_err(|_| bad("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("must start with https:// or http://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not hold a user or password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("must end after host and port; the path of the API is discovered"));
    }
    let limits = [
        ("call_deadline_secs", cfg.call_deadline_secs),
        ("read_attempts_max", u64::from(cfg.read_attempts_max)),
        ("backoff_first_ms", cfg.backoff_first_ms),
        ("backoff_longest_ms", cfg.backoff_longest_ms),
        ("body_bytes_max", cfg.body_bytes_max as u64),
    ];
    if let Some((field, _)) = limits.into_iter().find(|(_, value)| *value == 0) {
        return Err(SetupError::Limit { name: cfg.name.clone(), field });
    }
    let token = cfg.token.expose();
    let bad = |why| SetupError::Token { name: cfg.name.clone(), why };
    if token.is_empty() {
        return Err(bad("is empty"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(bad("holds a character that no token has (a space or a line end?)"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// The HTTP client: no redirects, no repetition of its own, no proxy, the `ring` provider for TLS.
pub(super) fn http_client(cfg: &ControllerConfig, origin: &str) -> Result<Client, SetupError> {
    let machine = |why: String| SetupError::Machine { name: cfg.name.clone(), why };
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .user_agent(concat!("causeway/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(Duration::from_secs(cfg.call_deadline_secs.min(CONNECT_SECS_MAX)))
        .pool_idle_timeout(Duration::from_secs(IDLE_CONNECTION_SECS));
    install_ring_once();
    if origin.starts_with("http://") {
        // Plain HTTP (the lab): do not ask the machine for roots it may not have.
        builder = builder.tls_certs_only([]);
    }
    if let Some(path) = &cfg.ca_file {
        let bad = |why| SetupError::CaFile { name: cfg.name.clone(), path: path.clone(), why };
        let pem = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        let roots = Certificate::from_pem_bundle(&pem).map_err(|error| bad(error.to_string()))?;
        if roots.is_empty() {
            return Err(bad("holds no certificate".to_owned()));
        }
        builder = builder.tls_certs_merge(roots);
    }
    builder.build().map_err(|error| machine(super::client::chain(&error)))
}

/// reqwest is built without a TLS provider of its own and takes the process's.
fn install_ring_once() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error only says that another thread was faster, with a provider just as good.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(base_url: &str) -> ControllerConfig {
        ControllerConfig::new("prod", base_url, Secret::new("t0ken"))
    }

    #[test]
    fn a_base_url_is_scheme_host_and_port_and_is_never_repeated_in_an_error() {
        assert_eq!(origin(&config("https://aap.example.com")).unwrap(), "https://aap.example.com");
        assert_eq!(origin(&config("http://127.0.0.1:8052/")).unwrap(), "http://127.0.0.1:8052");
        for bad in [
            "aap.example.com",
            "ftp://aap.example.com",
            "https://user:hunter2@aap.example.com",
            "https://aap.example.com/api/v2/",
            "https://aap.example.com/?x=hunter2",
        ] {
            let error = origin(&config(bad)).unwrap_err();
            assert!(matches!(error, SetupError::BaseUrl { .. }), "{bad}: {error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn an_empty_or_broken_token_and_a_limit_of_zero_are_refused_before_anything_is_sent() {
        let mut cfg = config("https://a");
        cfg.token = Secret::default();
        assert!(matches!(origin(&cfg), Err(SetupError::Token { .. })));
        cfg.token = Secret::new("abc\n");
        assert!(matches!(origin(&cfg), Err(SetupError::Token { .. })));
        cfg.token = Secret::new("abc");
        cfg.read_attempts_max = 0;
        assert!(matches!(origin(&cfg), Err(SetupError::Limit { field: "read_attempts_max", .. })));
    }

    #[test]
    fn a_ca_file_must_exist_and_hold_a_certificate() {
        let mut cfg = config("https://aap.example.com");
        cfg.ca_file = Some(PathBuf::from("no/such/file.pem"));
        assert!(matches!(http_client(&cfg, "https://aap.example.com"), Err(SetupError::CaFile { .. })));
        let empty = tempfile::NamedTempFile::new().unwrap();
        cfg.ca_file = Some(empty.path().to_path_buf());
        let error = http_client(&cfg, "https://aap.example.com").unwrap_err();
        assert!(error.to_string().contains("no certificate"), "{error}");
    }
}
