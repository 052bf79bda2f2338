//! A simulator with the lab's layout, the lab's controller, and playbooks that run against both.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use causeway::clock::{SharedClock, SystemClock};
use causeway::demo::{LabOnly, RigOptions};
use causeway::lab::controller::model::Tempo;
use jsonschema::Validator;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::vcsim::Vcsim;

/// The request that the tests' variables belong to.
pub const EXECUTION_ID: &str = "req_01m7yhx300000000000000001a";
/// Its VM.
pub const VM_UID: &str = "7352aab3-93b2-55c4-8be7-36a818d2bdca";

/// The root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The content's folder.
pub fn content() -> PathBuf {
    root().join("deploy/aap")
}

/// A program of the environment that `tests/install-ansible` has made.
pub fn program(environment: &str, name: &str) -> PathBuf {
    let path = root().join("target/test-tools").join(environment).join("bin").join(name);
    assert!(path.is_file(), "{} is missing: run tests/install-ansible", path.display());
    path
}

/// The environment that runs the content: `ansible`, or the one that `CAUSEWAY_TEST_ANSIBLE` names.
fn environment_of_ansible() -> String {
    std::env::var("CAUSEWAY_TEST_ANSIBLE").unwrap_or_else(|_| "ansible".to_owned())
}

/// Neighbours of one test.
pub struct Bench {
    pub vcsim: Vcsim,
    pub lab: LabOnly,
    runtime: Runtime,
    folder: TempDir,
}

/// How a run of a playbook ended.
#[derive(Debug)]
pub struct Ran {
    pub succeeded: bool,
    pub changed: u64,
    /// What `set_stats` left.
    pub artifacts: Map<String, Value>,
    /// The tasks that failed, with their messages.
    pub failures: Vec<String>,
    /// Everything that was printed.
    pub output: String,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let layout = root().join("src/demo/layout.json");
        let record = folder.path().join("requests.jsonl");
        let vcsim = Vcsim::start_with(&[
            "-layout",
            layout.to_str().unwrap(),
            "-guest-dhcp",
            "10.10.99.0/24",
            "-record",
            record.to_str().unwrap(),
        ]);
        causeway::bridge::use_ring();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let clock: SharedClock = Arc::new(SystemClock);
        let options = RigOptions { callbacks: false, ..RigOptions::quiet(1) };
        let nobody = ([127, 0, 0, 1], 9).into();
        let lab = runtime.block_on(LabOnly::start(&options, Tempo::fast(), nobody, &clock)).unwrap();
        Self { vcsim, lab, runtime, folder }
    }

    /// Runs `playbooks/NAME.yml` with `vars` as extra variables, with a controller at hand.
    pub fn run(&self, playbook: &str, vars: &Value) -> Ran {
        self.run_with(playbook, vars, &[])
    }

    /// The same with more variables in the environment; an empty one is taken away.
    pub fn run_with(&self, playbook: &str, vars: &Value, environment: &[(&str, &str)]) -> Ran {
        self.run_as(playbook, vars, environment, &[])
    }

    /// The same with more arguments.
    pub fn run_as(
        &self,
        playbook: &str,
        vars: &Value,
        environment: &[(&str, &str)],
        arguments: &[&str],
    ) -> Ran {
        let file = tempfile::NamedTempFile::new_in(self.folder.path()).unwrap();
        std::fs::write(file.path(), vars.to_string()).unwrap();
        let address = self.vcsim.endpoint.url.trim_start_matches("https://").trim_end_matches("/sdk");
        let (host, port) = address.rsplit_once(':').unwrap();
        let bin = program(&environment_of_ansible(), "ansible-playbook");
        let mut command = Command::new(&bin);
        command
            .current_dir(content())
            .arg(format!("playbooks/{playbook}.yml"))
            .arg("--extra-vars")
            .arg(format!("@{}", file.path().display()))
            .args(arguments)
            .env("ANSIBLE_CONFIG", content().join("ansible.cfg"))
            .env("ANSIBLE_HOME", self.folder.path())
            .env("ANSIBLE_STDOUT_CALLBACK", "ansible.posix.json")
            .env("ANSIBLE_SHOW_CUSTOM_STATS", "1")
            .env("VMWARE_HOST", host)
            .env("VMWARE_PORT", port)
            .env("VMWARE_USER", &self.vcsim.endpoint.username)
            .env("VMWARE_PASSWORD", &self.vcsim.endpoint.password)
            .env("VMWARE_VALIDATE_CERTS", "false")
            .env("CONTROLLER_HOST", &self.lab.lab.controller_url)
            .env("CONTROLLER_OAUTH_TOKEN", &self.lab.lab.admin_token)
            .stdin(Stdio::null());
        for (name, value) in environment {
            if value.is_empty() {
                command.env_remove(name)
            } else {
                command.env(name, value)
            };
        }
        let output = command.output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
        let start = printed.find('{').unwrap_or_else(|| panic!("{playbook}: {printed}{complaints}"));
        let document: Value = serde_json::Deserializer::from_str(&printed[start..])
            .into_iter::<Value>()
            .next()
            .unwrap_or_else(|| panic!("{playbook}: {printed}{complaints}"))
            .unwrap_or_else(|error| panic!("{playbook}: {error}: {printed}{complaints}"));
        Ran {
            succeeded: output.status.success(),
            changed: document.pointer("/stats/localhost/changed").and_then(Value::as_u64).unwrap_or(0),
            failures: failures(&document),
            artifacts: document
                .pointer("/global_custom_stats")
                .and_then(Value::as_object)
                .cloned()
                .unwrap_or_default(),
            output: printed + &complaints,
        }
    }

    /// Runs it and wants it to succeed.
    pub fn passes(&self, playbook: &str, vars: &Value) -> Ran {
        let ran = self.run(playbook, vars);
        assert!(ran.succeeded, "{playbook} failed: {:#?}", ran.failures);
        ran
    }

    /// Runs it and wants it to fail.
    pub fn fails(&self, playbook: &str, vars: &Value) -> Ran {
        let ran = self.run(playbook, vars);
        assert!(!ran.succeeded, "{playbook} succeeded, and should not have");
        ran
    }

    /// Runs it twice: the second run changes nothing.
    pub fn passes_twice(&self, playbook: &str, vars: &Value) -> Ran {
        let first = self.passes(playbook, vars);
        let second = self.passes(playbook, vars);
        assert_eq!(second.changed, 0, "the second run of {playbook} changed something: {}", second.output);
        first
    }

    /// What the state inventory says of the VM.
    pub fn host_variables(&self, host: &str) -> Option<Map<String, Value>> {
        self.lab.lab.world().state_of(host)
    }

    /// Makes the VM of `launch()` with one adapter and no data disk, running and marked as ours, without a playbook: for tests that
    /// are about what comes after it.
    pub fn make_vm(&self) {
        const VM: &str = "/DC0/vm/prod/web01";
        let govc = |arguments: &[&str]| self.vcsim.endpoint.govc(arguments);
        let template = ["vm.clone", "-vm", "/DC0/vm/templates/rhel9", "-folder", "/DC0/vm/prod", "-on=false"];
        let like = [
            "-ds",
            "prod-ds",
            "-net",
            "prod-app",
            "-net.adapter",
            "vmxnet3",
            "-c",
            "2",
            "-m",
            "4096",
            "web01",
        ];
        govc(&[template.as_slice(), like.as_slice()].concat());
        govc(&["vm.change", "-vm", VM, "-e", &format!("guestinfo.causeway.vm_uid={VM_UID}")]);
        govc(&["vm.power", "-on", VM]);
    }

    /// Writes a claim as the bridge does.
    pub fn write_claim(&self, host: &str, claim: &Value) {
        let inventory = self.lab.lab.world().content.claims_inventory;
        let url = format!("{}/api/v2/inventories/{inventory}/hosts/", self.lab.lab.controller_url);
        let body = json!({"name": host, "variables": claim.to_string()});
        let token = self.lab.lab.admin_token.clone();
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        let answer = self
            .runtime
            .block_on(async { client.post(url).bearer_auth(token).json(&body).send().await })
            .unwrap();
        assert_eq!(answer.status().as_u16(), 201);
    }

    /// The SOAP requests of `method` that reached the simulator.
    pub fn requests(&self, method: &str) -> Vec<String> {
        self.recorded(|seen| seen == method)
    }

    fn recorded(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let text = self.record();
        let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["method"].as_str().is_some_and(&is_wanted))
            .map(|line| line["body"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Every request so far, as it was recorded.
    pub fn record(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("requests.jsonl")).unwrap_or_default()
    }

    /// How many requests so far change something.
    pub fn changes(&self) -> usize {
        self.changing().len()
    }

    /// The requests so far that change something, in their order.
    pub fn changing(&self) -> Vec<String> {
        const CHANGING: [&str; 10] = [
            "CloneVM_Task",
            "ReconfigVM_Task",
            "PowerOnVM_Task",
            "PowerOffVM_Task",
            "Destroy_Task",
            "CreateSnapshot_Task",
            "RemoveSnapshot_Task",
            "RevertToSnapshot_Task",
            "MarkAsTemplate",
            "CreateFolder",
        ];
        self.recorded(|method| CHANGING.contains(&method))
    }

    /// The names of the VMs in a folder below the data centre's, sorted.
    pub fn vms_in(&self, folder: &str) -> Vec<String> {
        let listed =
            self.vcsim.endpoint.govc(&["find", &format!("/DC0/vm/{folder}"), "-type", "m", "-maxdepth", "1"]);
        let mut names: Vec<String> =
            listed.lines().filter_map(|line| line.rsplit('/').next()).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// A VM as govc sees it.
    pub fn vm(&self, path: &str) -> Value {
        let seen = self.vcsim.endpoint.govc_json(&["vm.info", "-json", "-e", &format!("/DC0/vm/{path}")]);
        seen["virtualMachines"][0].clone()
    }
}

impl Ran {
    /// The artifact of a stage, checked against its schema.
    pub fn artifact(&self, stage: &str) -> Value {
        let key = format!("output_{EXECUTION_ID}_{stage}");
        let artifact =
            self.artifacts.get(&key).unwrap_or_else(|| panic!("no {key} among {:?}", self.artifacts.keys()));
        conforms("artifact.v2", artifact);
        conforms("execution-summary.v2", &self.artifacts["execution_summary"]);
        artifact.clone()
    }
}

/// The failed tasks in what the callback `json` printed.
fn failures(document: &Value) -> Vec<String> {
    let all = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let tasks = all(document, "plays").into_iter().flat_map(|play| all(&play, "tasks"));
    let failed = tasks.filter(|task| task["hosts"]["localhost"]["failed"] == true);
    failed.map(|task| format!("{}: {}", task["task"]["name"], task["hosts"]["localhost"]["msg"])).collect()
}

/// Wants `document` to be what the schema of that name says.
pub fn conforms(schema: &str, document: &Value) {
    let text = std::fs::read_to_string(root().join(format!("schemas/{schema}.schema.json"))).unwrap();
    let validator: Validator = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "not a {schema}: {wrong:?}\n{document:#}");
}

/// The variables of a launch, without a bridge's claim: two adapters, two data disks.
pub fn launch() -> Value {
    json!({
        "execution_id": EXECUTION_ID, "vm_uid": VM_UID, "vm_name": "web01", "vm_host_name": "web01",
        "vm_environment": "prod", "vm_vcenter": "lab", "vm_os": "redhat", "vm_os_version": "9", "vm_template": "rhel9",
        "vm_cpu": 2, "vm_memory": 4096, "vm_datacenter": "DC0", "vm_cluster": "C0", "vm_folder": "prod",
        "vm_datastore": "prod-ds", "vm_network": "prod-app", "vm_ip_address": "10.10.20.17",
        "vm_netmask": "255.255.255.0", "vm_gateway": "10.10.20.1", "vm_dns": ["10.10.0.53"],
        "vm_nic": [
            {"network_name": "prod-app", "nic_type": "vmxnet3", "ip_address": "10.10.20.17", "prefix": 24,
             "netmask": "255.255.255.0", "gateway": "10.10.20.1"},
            {"network_name": "prod-db", "nic_type": "vmxnet3"},
        ],
        "vm_disk": [
            {"disk_name": "data", "disk_size": 50, "disk_type": "thin"},
            {"disk_name": "log", "disk_size": 20, "disk_type": "thin"},
        ],
        "retry_delay": 0,
    })
}

/// `vars` with some of them replaced.
pub fn with(mut vars: Value, changes: Value) -> Value {
    if let (Value::Object(vars), Value::Object(changes)) = (&mut vars, changes) {
        vars.extend(changes);
    }
    vars
}
