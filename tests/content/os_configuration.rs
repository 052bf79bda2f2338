//! Inside the guest, which here is the machine that tests: for real where that changes nothing but a folder of the test, else
//! as a trial. `ssh` and `realm` are stand-ins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::bench::{Bench, Ran, launch, program, with};

const STAGE: &str = "os_configuration";
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHc5mG8gtcvdkSDfd0KqaxVxe9dTdmy1MN6dI6Lz0YdF ops";
const JOIN: &str = "J0in-s3cret-of-the-domain";
const CHRONY: &str = "pool 2.rhel.pool.ntp.org iburst\ndriftfile /var/lib/chrony/drift\n";

/// Runs what it is told here, and writes down how often and for whom. The call whose number stands in `lost` gets no answer.
const SSH: &str = r#"#!/bin/sh
case " $* " in *" -O "*) exit 255 ;; esac
echo "$*" | tr '\n' ' ' >>FOLDER/calls
echo >>FOLDER/calls
if [ "$(wc -l <FOLDER/calls)" = "$(cat FOLDER/lost 2>/dev/null)" ]; then
    echo "ssh: connect to host: No route to host" >&2
    exit 255
fi
for command; do :; done
exec sh -c "$command"
"#;

/// Joins a domain once, and refuses one that is called `refused.example.com`, telling too much.
const REALM: &str = r#"#!/bin/sh
if [ "$1" = list ]; then
    cat FOLDER/joined 2>/dev/null
    exit 0
fi
echo "$*" >FOLDER/arguments
cat >FOLDER/input
for domain; do :; done
if [ "$domain" = refused.example.com ]; then
    echo "realm: cannot join with $(cat FOLDER/input)" >&2
    exit 1
fi
echo "$domain" >FOLDER/joined
"#;

/// A simulator with the VM, and a folder that stands for what is in its guest.
struct Guest {
    bench: Bench,
    folder: TempDir,
}

impl Guest {
    fn new() -> Self {
        let guest = Self { bench: Bench::new(), folder: tempfile::tempdir().unwrap() };
        guest.bench.make_vm();
        for (name, text) in [("stand-in", SSH), ("realm", REALM)] {
            let file = guest.at(name);
            fs::write(&file, text.replace("FOLDER", guest.folder.path().to_str().unwrap())).unwrap();
            fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(guest.at("chrony.conf"), CHRONY).unwrap();
        guest
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    /// The variables of a run that touches nothing but the folder.
    fn asking(&self, config: Value, more: Value) -> Value {
        let vars = json!({
            "os_config": config,
            "os_wait_secs": 5,
            "ansible_ssh_executable": self.at("stand-in"),
            "ansible_pipelining": true,
            "os_configuration_becomes": false,
            "os_configuration_python": program("ansible", "python3"),
            "os_configuration_os_family": "",
            "os_configuration_time_packages": [],
            "os_configuration_time_files": [self.at("chrony.conf"), self.at("pool.conf")],
            "os_configuration_time_service": "",
            "os_configuration_authorized_keys_file": self.at("keys/%u"),
            "os_configuration_sudoers_path": self.folder.path(),
            "os_configuration_domain_packages": [],
        });
        with(with(lean(), vars), more)
    }

    fn run_as(&self, vars: &Value, verbosity: &str, arguments: &[&str]) -> Ran {
        let path = format!("{}:{}", self.folder.path().display(), std::env::var("PATH").unwrap());
        let environment = [
            ("PATH", path.as_str()),
            ("CAUSEWAY_DOMAIN_JOIN_USER", "joiner"),
            ("CAUSEWAY_DOMAIN_JOIN_PASSWORD", JOIN),
            ("ANSIBLE_VERBOSITY", verbosity),
        ];
        self.bench.run_as(STAGE, vars, &environment, arguments)
    }

    fn passes(&self, vars: &Value) -> Ran {
        let ran = self.run_as(vars, "0", &[]);
        assert!(ran.succeeded, "it failed: {:#?}", ran.failures);
        ran
    }

    fn fails(&self, vars: &Value) -> Ran {
        let ran = self.run_as(vars, "0", &[]);
        assert!(!ran.succeeded, "it succeeded, and should not have");
        ran
    }
}

/// The variables of a small VM: one adapter, no data disk.
fn lean() -> Value {
    with(launch(), json!({"vm_nic": [{"network_name": "prod-app", "nic_type": "vmxnet3"}], "vm_disk": []}))
}

/// Who runs the tests: a user that is there already.
fn user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn error(ran: &Ran) -> String {
    ran.artifact(STAGE)["data"]["error"].as_str().unwrap_or_default().to_owned()
}

fn says_nothing(ran: &Ran, secret: &str) {
    let artifacts = Value::Object(ran.artifacts.clone()).to_string();
    for text in [&ran.output, &artifacts] {
        let found = text.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "a secret is told: {:.300}", found.unwrap_or_default());
    }
}

#[test]
fn the_guest_gets_what_is_asked_for_once() {
    let guest = Guest::new();
    let user = user();
    let config = json!({
        "ntp_servers": ["ntp1.example.com", "10.10.0.53"],
        "users": [{"name": user, "ssh_keys": [KEY], "is_admin": true}],
        "domain": {"name": "corp.example.com", "ou": "OU=Servers,DC=corp,DC=example,DC=com"},
    });
    let vars = guest.asking(config, json!({}));

    // A run that is for other stages leaves the guest alone.
    let skipped = guest.passes(&with(vars.clone(), json!({"causeway_stages": ["vm_provision"]})));
    assert_eq!(skipped.artifact(STAGE)["task"]["status"], "skipped");
    assert_eq!(guest.read("calls"), "");

    let told = guest.passes(&vars).artifact(STAGE);
    assert_eq!((&told["data"]["vm_name"], &told["data"]["changed"]), (&json!("web01"), &json!(true)));
    assert_eq!(told["data"]["os_config"]["users"], json!([{"name": user, "ssh_keys": 1, "is_admin": true}]));
    let address = guest.bench.vm("prod/web01")["guest"]["ipAddress"].as_str().unwrap_or_default().to_owned();
    assert!(
        guest.read("calls").contains(&format!(" {address} ")),
        "it went elsewhere: {}",
        guest.read("calls")
    );
    let chrony = guest.read("chrony.conf");
    for line in [
        "# pool 2.rhel.pool.ntp.org iburst",
        "driftfile /var/lib/chrony/drift",
        "server ntp1.example.com iburst",
        "server 10.10.0.53 iburst",
    ] {
        assert!(chrony.lines().any(|seen| seen == line), "no {line} in {chrony}");
    }
    assert_eq!(guest.read(&format!("keys/{user}")).trim(), KEY);
    assert!(guest.read(&format!("causeway-{user}")).contains("NOPASSWD"));
    assert_eq!(guest.read("joined").trim(), "corp.example.com");
    assert!(
        guest.read("arguments").contains("--user=joiner --computer-ou=OU=Servers,DC=corp,DC=example,DC=com")
    );
    assert!(!guest.read("arguments").contains(JOIN), "arguments are there for everybody to see");
    assert_eq!(guest.read("input").trim(), JOIN);

    let again = guest.passes(&vars);
    assert_eq!((again.changed, &again.artifact(STAGE)["data"]["changed"]), (0, &json!(false)));

    let refused =
        with(vars, json!({"os_config": {"domain": {"name": "refused.example.com"}}, "max_retries": 0}));
    let ran = guest.run_as(&refused, "4", &[]);
    // As verbose as this the output has more than one document: what it says is looked for in all of it.
    assert!(
        !ran.succeeded && ran.output.contains("realm join: realm: cannot join with ****"),
        "{}",
        ran.output
    );
    says_nothing(&ran, JOIN);
}

#[test]
fn a_trial_tells_what_would_change_and_changes_nothing() {
    let guest = Guest::new();
    let config = json!({
        "hostname": "web01.prod.example.com",
        "timezone": "Africa/Nairobi",
        "users": [{"name": "causeway-nobody", "groups": ["causeway-none"], "ssh_keys": [KEY], "is_admin": false}],
    });
    let vars = guest.asking(config, json!({"os_configuration_connection": "local"}));
    let before: Vec<_> =
        ["/etc/passwd", "/etc/group", "/etc/hostname", "/etc/localtime"].map(read_link).into();
    let ran = guest.run_as(&vars, "0", &["--check"]);
    assert!(ran.succeeded, "{:#?}", ran.failures);
    assert_eq!(ran.artifact(STAGE)["data"]["changed"], true);
    // The name, the zone, the group, the user, the folder of the keys, the key; no sudoers file to take away.
    assert_eq!(ran.changed, 6, "{}", ran.output);
    let after: Vec<_> =
        ["/etc/passwd", "/etc/group", "/etc/hostname", "/etc/localtime"].map(read_link).into();
    assert_eq!(before, after);
    assert!(!guest.at("keys").exists());
}

fn read_link(path: &str) -> (Option<PathBuf>, Vec<u8>) {
    (fs::read_link(Path::new(path)).ok(), fs::read(path).unwrap_or_default())
}

#[test]
fn everything_that_is_wrong_is_found_before_the_guest_is_touched() {
    let guest = Guest::new();
    let config = json!({
        "hostname": "bad_name", "timezone": 7, "ntp_servers": "ntp1", "packages": ["vim", "http://192.0.2.1/y.rpm"],
        "services": [{"name": "x", "state": "gone"}], "colour": 1, "domain": {"name": "corp"},
        "users": ["ops", {"name": "Root User", "groups": "wheel", "ssh_keys": ["rubbish"], "is_admin": "yes"}, {"name": "a"}, {"name": "a"}],
    });
    let ran = guest.fails(&guest.asking(config, json!({"os_configuration_connection": "telnet"})));
    let findings = ran.artifact(STAGE)["data"]["findings"].as_array().cloned().unwrap_or_default();
    let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    for code in [
        "hostname_invalid",
        "timezone_invalid",
        "os_config_no_list",
        "package_invalid",
        "service_invalid",
        "os_config_unknown",
        "domain_invalid",
        "user_invalid",
        "user_name_invalid",
        "user_groups_invalid",
        "ssh_key_invalid",
        "is_admin_invalid",
        "user_name_twice",
        "os_connection_unknown",
    ] {
        assert!(codes.contains(&code), "no {code}: {codes:?}");
    }
    assert_eq!(codes.len(), 14, "{codes:?}");

    // For Windows: a name that is too long, keys, and nobody who may join it. The VM is off.
    guest.bench.vcsim.endpoint.govc(&["vm.power", "-off", "/DC0/vm/prod/web01"]);
    let windows = json!({
        "hostname": "a-name-of-sixteen", "domain": {"name": "corp.example.com"}, "timezone": "W. Europe Standard Time",
        "users": [{"name": "Ops.User", "ssh_keys": [KEY], "password": "an0ther-s3cret"}],
    });
    let vars = guest.asking(windows, json!({"vm_os": "windows"}));
    let ran = guest.bench.run_with(STAGE, &vars, &[("ANSIBLE_VERBOSITY", "4")]);
    let findings = ran.artifact(STAGE)["data"]["findings"].as_array().cloned().unwrap_or_default();
    let codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    assert_eq!(
        codes,
        [
            "os_config_has_secret",
            "hostname_invalid",
            "domain_credential_missing",
            "user_unknown_field",
            "ssh_keys_not_here",
            "vm_not_running"
        ]
    );
    says_nothing(&ran, "an0ther-s3cret");
    assert_eq!(guest.read("calls"), "");
}

#[test]
fn a_guest_that_is_away_or_another_is_told_and_one_that_falls_away_is_waited_for() {
    let guest = Guest::new();
    let config = json!({"ntp_servers": ["ntp1.example.com"]});
    let away = json!({
        "ansible_ssh_executable": "ssh", "os_configuration_address": "127.0.0.1", "os_configuration_port": 9, "os_wait_secs": 2,
    });
    let ran = guest.fails(&guest.asking(config.clone(), away));
    let artifact = ran.artifact(STAGE);
    assert!(
        error(&ran).starts_with("guest_unreachable: 127.0.0.1 has not let us in by ssh within 2 seconds"),
        "{artifact:#}"
    );
    assert_eq!(artifact["task"]["retry_count"], 0, "no retry mends it");
    let host = guest.bench.host_variables("web01").unwrap();
    assert_eq!((&host["vm_state"], &host["last_task"]), (&json!("failed"), &json!(STAGE)));

    let another = json!({"os_configuration_os_family": "Plan9"});
    let ran = guest.fails(&guest.asking(config.clone(), another));
    assert!(error(&ran).starts_with("guest_mismatch: "), "{:?}", ran.failures);
    assert_eq!(guest.read("chrony.conf"), CHRONY);

    // It has answered twice, and told what it is.
    let calls = guest.read("calls").lines().count();
    fs::write(guest.at("lost"), (calls + 4).to_string()).unwrap();
    let ran = guest.passes(&guest.asking(config, json!({})));
    assert_eq!(ran.artifact(STAGE)["task"]["retry_count"], 1, "{}", guest.read("calls"));
    assert!(guest.read("chrony.conf").contains("server ntp1.example.com iburst"));
}
