//! govmomi's vCenter simulator as a process beside the lab, for the modules of the real playbooks: they speak TLS and far
//! more of vSphere than the lab's own vCenter serves.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// The one user: public and worthless outside the lab.
const USER: &str = "lab";
const PASSWORD: &str = "lab-password";
/// It lays out its templates first.
const START_SECS_MAX: u64 = 30;

/// Why there is no simulator.
#[derive(Debug, thiserror::Error)]
pub enum SimulatorError {
    #[error(
        "{} is missing: tests/install-vcsim builds it (needs Go), or --tools names the folder where it is",
        .0.display()
    )]
    Missing(PathBuf),
    #[error("the vCenter simulator does not start")]
    Start(#[source] std::io::Error),
    #[error("the vCenter simulator told no address within {START_SECS_MAX} s")]
    Silent,
}

/// A simulator that runs; dropped, it ends.
#[derive(Debug)]
pub struct Simulator {
    /// For clients that want TLS, e.g. `https://127.0.0.1:40123/sdk`; the certificate is its own.
    pub url: String,
    /// The same without TLS.
    pub plain_url: String,
    _folder: TempDir,
    _child: Child,
    /// Held open: the simulator ends with it, even if this process is killed.
    _stdin: Option<ChildStdin>,
}

impl Simulator {
    /// Starts `program` with what `layout` lays out (JSON, as the program's own documentation says).
    ///
    /// # Errors
    /// [`SimulatorError`].
    pub async fn start(program: &Path, layout: &str) -> Result<Self, SimulatorError> {
        if !program.is_file() {
            return Err(SimulatorError::Missing(program.to_owned()));
        }
        let folder = tempfile::tempdir().map_err(SimulatorError::Start)?;
        let file = folder.path().join("layout.json");
        std::fs::write(&file, layout).map_err(SimulatorError::Start)?;
        let mut child = Command::new(program)
            .args(["-l", "127.0.0.1:0", "-plain", "127.0.0.1:0", "-exit-with-stdin", "-layout"])
            .arg(&file)
            // The files of its datastores.
            .env("TMPDIR", folder.path())
            .args(["-guest-dhcp", "10.10.99.0/24", "-username", USER, "-password", PASSWORD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(SimulatorError::Start)?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or(SimulatorError::Silent)?;
        let limit = Duration::from_secs(START_SECS_MAX);
        let told =
            tokio::time::timeout(limit, addresses(stdout)).await.map_err(|_| SimulatorError::Silent)?;
        let (url, plain_url) = told.map_err(SimulatorError::Start)?.ok_or(SimulatorError::Silent)?;
        Ok(Self { url, plain_url, _folder: folder, _child: child, _stdin: stdin })
    }

    /// The one user.
    #[must_use]
    pub const fn user(&self) -> &'static str {
        USER
    }

    /// The user's password.
    #[must_use]
    pub const fn password(&self) -> &'static str {
        PASSWORD
    }

    /// What the controller's credential type "VMware vCenter" injects, for this vCenter.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let address = self.url.trim_start_matches("https://").trim_end_matches("/sdk");
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "443"));
        let pairs = [
            ("VMWARE_HOST", host),
            ("VMWARE_PORT", port),
            ("VMWARE_USER", USER),
            ("VMWARE_PASSWORD", PASSWORD),
            ("VMWARE_VALIDATE_CERTS", "false"),
        ];
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }
}

/// The first two lines: the address with TLS and the one without.
async fn addresses(stdout: ChildStdout) -> std::io::Result<Option<(String, String)>> {
    let mut lines = BufReader::new(stdout).lines();
    let (Some(url), Some(plain)) = (lines.next_line().await?, lines.next_line().await?) else {
        return Ok(None);
    };
    Ok(Some((url.trim().to_owned(), plain.trim().to_owned())))
}
