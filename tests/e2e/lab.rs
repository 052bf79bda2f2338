//! `causeway lab` as a client meets it: the neighbours alone, with a configuration for a bridge.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

fn causeway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in ["CONFIG", "LOG", "TOKEN", "URL"] {
        command.env_remove(format!("CAUSEWAY_{name}"));
    }
    command
}

/// A lab that is killed when it goes out of scope.
struct Lab(Child);

impl Drop for Lab {
    fn drop(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_lab_serves_a_bridge_that_doctor_finds_nothing_wrong_with_and_ends_when_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("lab.toml");
    let config = config.to_str().unwrap();
    let journal = folder.path().join("lab.db");
    let journal = journal.to_str().unwrap();
    let mut lab =
        Lab(causeway(&["--json", "lab", "--write-config", config, "--journal", journal]).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(lab.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    for field in ["controller", "vcenter", "bridge_token", "admin_token", "api_token", "webhook_secret"] {
        assert!(told[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {told}");
    }
    let examined = causeway(&["doctor", "--config", config]).output().unwrap();
    let said = String::from_utf8_lossy(&examined.stdout);
    assert!(examined.status.success(), "{said}{}", String::from_utf8_lossy(&examined.stderr));

    let pid = Pid::from_raw(i32::try_from(lab.0.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert_eq!(lab.0.wait().unwrap().code(), Some(0), "a lab that is told to end has done nothing wrong");
}

#[test]
fn a_lab_without_its_tools_says_which_one_is_missing_and_where_it_comes_from() {
    let nowhere = tempfile::tempdir().unwrap();
    let nowhere = nowhere.path().to_str().unwrap();
    for arguments in [
        ["lab", "--executor", "ansible", "--tools", nowhere].as_slice(),
        &["demo", "--real", "--tools", nowhere],
    ] {
        let refused = causeway(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains("vcsim") && said.contains("tests/install-vcsim"), "{said}");
    }
}
