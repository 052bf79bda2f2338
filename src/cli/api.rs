//! The API of a running bridge, as the commands that use it see it.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, Method, Url};
use serde_json::Value;

use super::Output;

/// How long one call may take.
const CALL_SECS_MAX: u64 = 30;

/// Which bridge, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct BridgeArgs {
    /// Address of the bridge.
    #[arg(long, env = "CAUSEWAY_URL", default_value = "http://127.0.0.1:8080")]
    url: Url,
    /// An API token, in the environment so that no process list shows it.
    #[arg(long, env = "CAUSEWAY_TOKEN", hide_env_values = true)]
    token: String,
}

/// The bridge's API as one caller sees it.
pub(super) struct Api {
    http: Client,
    url: Url,
    token: String,
}

impl Api {
    pub fn new(bridge: &BridgeArgs) -> anyhow::Result<Self> {
        crate::bridge::use_ring();
        let deadline = Duration::from_secs(CALL_SECS_MAX);
        let http = Client::builder().timeout(deadline).redirect(reqwest::redirect::Policy::none()).build()?;
        Ok(Self { http, url: bridge.url.clone(), token: bridge.token.clone() })
    }

    /// One call; the document of a good answer, the problem of another as an error.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        headers: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        self.call(self.url.join(path)?, method, body, headers).await
    }

    /// The same with a query.
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut url = self.url.join(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.call(url, Method::GET, None, &[]).await
    }

    async fn call(
        &self,
        url: Url,
        method: Method,
        body: Option<Vec<u8>>,
        headers: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        let mut call = self.http.request(method, url).bearer_auth(&self.token);
        for (name, value) in headers {
            call = call.header(*name, value);
        }
        if let Some(body) = body {
            call = call.header("Content-Type", "application/json").body(body);
        }
        let answer = call.send().await.with_context(|| format!("no answer from {}", self.url))?;
        let status = answer.status();
        let document: Value = answer.json().await.with_context(|| format!("{status}, and no JSON"))?;
        if status.is_success() { Ok(document) } else { bail!(problem(&document)) }
    }
}

/// Prints a document whole.
pub(super) fn show(document: &Value, output: &Output) {
    output.tell(document, || serde_json::to_string_pretty(document).unwrap_or_default());
}

/// A problem document as a sentence and its list.
fn problem(document: &Value) -> String {
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let mut lines = vec![format!("{}: {}", text("title"), text("detail"))];
    for error in document.get("errors").and_then(Value::as_array).into_iter().flatten() {
        let part = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        lines.push(format!("  {} {} (expected {})", part("pointer"), part("detail"), part("expected")));
    }
    lines.join("\n")
}
