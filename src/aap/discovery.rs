//! Where the API is and what answers there. `/api/v2/` up to AAP 2.4 and in AWX, `/api/controller/v2/` behind the
//! gateway of AAP 2.5 (CONTRACT.md §13): the base is read from the API root, never assumed.

use std::sync::Arc;

use super::client::{Controller, Deadline};
use super::errors::ReadError;
use super::wire;

/// The roots to ask, in this order; the first that names a `current_version` wins.
const ROOTS: [&str; 2] = ["/api/", "/api/controller/"];

/// What was found at the controller's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Where the API begins, e.g. `/api/v2/`.
    pub base_path: String,
    /// The controller's version, e.g. `24.6.1` (AWX) or `4.5.0` (AAP).
    pub version: String,
    /// `AWX` or `Red Hat Ansible Automation Platform`, when the answer says so.
    pub product_name: Option<String>,
    /// The node that answered.
    pub active_node: Option<String>,
    /// The controller's clock minus ours, in seconds, to the second; `None` when it sent no date.
    /// `created` of a run is the controller's clock.
    pub clock_ahead_secs: Option<i64>,
}

/// The account behind the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Me {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub username: String,
    /// Whether it may do everything (a bridge's account should not).
    pub is_superuser: bool,
    /// Whether it may read everything.
    pub is_system_auditor: bool,
}

impl Controller {
    /// Finds the API (remembered) and asks it who it is (asked each time). Needs no token.
    ///
    /// # Errors
    /// When nothing at the address is a controller's API, or it does not answer.
    pub async fn discover(&self) -> Result<Discovery, ReadError> {
        let deadline = self.deadline();
        let base = self.base_path(deadline).await?;
        let path = format!("{base}ping/");
        let (ping, answer) = self.get_absolute::<wire::Ping>(path, &[], false, deadline).await?;
        let now = self.clock().now();
        Ok(Discovery {
            base_path: base.to_string(),
            version: ping.version,
            product_name: answer.product_name(),
            active_node: ping.active_node,
            clock_ahead_secs: answer.date.map(|date| date.as_second() - now.as_second()),
        })
    }

    /// The account that the token belongs to.
    ///
    /// # Errors
    /// [`ReadError::Unauthorized`] when the token is not accepted, and the usual ones.
    pub async fn me(&self) -> Result<Me, ReadError> {
        let page: wire::Page<wire::User> = self.get("me/", &[], self.deadline()).await?;
        let [user] = <[wire::User; 1]>::try_from(page.results).map_err(|users| ReadError::Contract {
            path: "me/".to_owned(),
            why: format!("{} users instead of one", users.len()),
        })?;
        Ok(Me {
            id: user.id,
            username: user.username,
            is_superuser: user.is_superuser,
            is_system_auditor: user.is_system_auditor,
        })
    }

    /// The API's base path, found on the first call and remembered.
    pub(super) async fn base_path(&self, deadline: Deadline) -> Result<Arc<str>, ReadError> {
        // Held across the search on purpose: a burst of first calls asks once.
        let mut known = self.base_path_cell().lock().await;
        if let Some(base) = &*known {
            return Ok(Arc::clone(base));
        }
        let found: Arc<str> = self.find_base_path(deadline).await?.into();
        tracing::info!(controller = %self.name(), base_path = %found, "found the controller's API");
        *known = Some(Arc::clone(&found));
        Ok(found)
    }

    /// Forgets the base path if it is still `stale`.
    pub(super) async fn forget_base_path(&self, stale: &str) {
        let mut known = self.base_path_cell().lock().await;
        if known.as_deref() == Some(stale) {
            *known = None;
        }
    }

    async fn find_base_path(&self, deadline: Deadline) -> Result<String, ReadError> {
        let mut findings = Vec::new();
        for root in ROOTS {
            match self.get_absolute::<wire::ApiRoot>(root.to_owned(), &[], false, deadline).await {
                Ok((wire::ApiRoot { current_version: Some(base) }, _)) if is_base_path(&base) => {
                    return Ok(base);
                }
                Ok((wire::ApiRoot { current_version: Some(_) }, _)) => {
                    findings.push(format!("{root} names a current_version that is no path of this server"));
                }
                Ok((wire::ApiRoot { current_version: None }, _)) => {
                    findings.push(format!("{root} names no current_version"));
                }
                // A server that does not answer at all will not answer at the other root either.
                Err(error @ (ReadError::Unavailable { .. } | ReadError::Throttled { .. })) => {
                    return Err(error);
                }
                Err(
                    error @ (ReadError::Unauthorized
                    | ReadError::Forbidden { .. }
                    | ReadError::NotFound { .. }
                    | ReadError::Ambiguous { .. }
                    | ReadError::Contract { .. }),
                ) => findings.push(error.to_string()),
            }
        }
        let why = format!("no controller API found: {}", findings.join("; "));
        Err(ReadError::Contract { path: ROOTS[0].to_owned(), why })
    }
}

/// A plain absolute path that ends in a slash: what a server says must not send the token elsewhere.
fn is_base_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    text.starts_with('/')
        && text.ends_with('/')
        && text.len() <= 200
        && text.chars().all(plain)
        && !text.contains("//")
        && !text.contains("..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_a_plain_path_of_the_same_server() {
        for good in ["/api/v2/", "/api/controller/v2/"] {
            assert!(is_base_path(good), "{good}");
        }
        for bad in [
            "",
            "api/v2/",
            "/api/v2",
            "//evil.example/v2/",
            "https://evil.example/",
            "/a/../b/",
            "/a?b/",
            "/a b/",
        ] {
            assert!(!is_base_path(bad), "{bad}");
        }
    }
}
