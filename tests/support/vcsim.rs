//! govmomi's vCenter simulator and command line client for tests: started on a free port, killed on drop.

use std::io::{BufRead, BufReader};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long the simulator may take to listen. With a few VMs it takes about 0.2 s.
const START_DEADLINE_SECS: u64 = 60;

pub const USERNAME: &str = "lab";
pub const PASSWORD: &str = "s3cret&<tag>\"";

/// The path of a tool that `tests/install-vcsim` installs.
///
/// # Panics
/// When it is not there; a test that needs it must not pass without it.
pub fn tool(name: &str) -> PathBuf {
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/test-tools/bin");
    let folder = std::env::var_os("CAUSEWAY_TEST_TOOLS").map_or_else(default, PathBuf::from);
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: run tests/install-vcsim (needs Go), or set CAUSEWAY_TEST_TOOLS to the directory with vcsim and govc",
        path.display()
    );
    path
}

/// Where a vCenter is and who may log in.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// e.g. `http://127.0.0.1:40123/sdk`.
    pub url: String,
    pub username: String,
    pub password: String,
}

impl Endpoint {
    /// Runs govc against it and returns what it prints.
    ///
    /// # Panics
    /// When govc fails.
    pub fn govc(&self, arguments: &[&str]) -> String {
        let output = Command::new(tool("govc"))
            .args(arguments)
            .env("GOVC_URL", &self.url)
            .env("GOVC_USERNAME", &self.username)
            .env("GOVC_PASSWORD", &self.password)
            .env("GOVC_INSECURE", "1")
            .env("GOVC_PERSIST_SESSION", "false")
            .stdin(Stdio::null())
            .output()
            .expect("govc starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "govc {arguments:?}: {err}{out}");
        out.trim_end_matches('\n').to_owned()
    }

    /// Runs govc with JSON output.
    ///
    /// # Panics
    /// When govc fails or prints no JSON.
    pub fn govc_json(&self, arguments: &[&str]) -> Value {
        let text = self.govc(arguments);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("govc {arguments:?}: {e}: {text}"))
    }
}

/// A running simulator.
#[derive(Debug)]
pub struct Vcsim {
    child: Child,
    /// Held open: the simulator stops when it closes, even if this process is killed.
    _stdin: Option<ChildStdin>,
    /// The files of its datastores.
    _folder: TempDir,
    pub endpoint: Endpoint,
}

impl Vcsim {
    /// Starts it with exactly these arguments besides address and credentials.
    ///
    /// # Panics
    /// When it is not installed or does not listen in time.
    pub fn start_with(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the simulator");
        let mut child = Command::new(tool("vcsim"))
            .env("TMPDIR", folder.path())
            .args(["-l", "127.0.0.1:0", "-exit-with-stdin", "-username", USERNAME, "-password", PASSWORD])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("vcsim starts");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take().expect("stdout is piped"));
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            tell.send(read.map(|_| line.trim().to_owned())).unwrap_or_default();
        });
        let deadline = Duration::from_secs(START_DEADLINE_SECS);
        let url = told.recv_timeout(deadline).expect("vcsim prints its address in time").expect("readable");
        let vcsim = Self {
            child,
            _stdin: stdin,
            _folder: folder,
            endpoint: Endpoint { url, username: USERNAME.to_owned(), password: PASSWORD.to_owned() },
        };
        let address =
            vcsim.endpoint.url.trim_end_matches("/sdk").split_once("://").map(|(_, a)| a.to_owned());
        let address =
            address.as_deref().unwrap_or_default().to_socket_addrs().ok().and_then(|mut a| a.next());
        let address = address.unwrap_or_else(|| panic!("vcsim printed {:?}", vcsim.endpoint.url));
        TcpStream::connect_timeout(&address, deadline).expect("vcsim takes connections");
        vcsim
    }
}

impl Drop for Vcsim {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
