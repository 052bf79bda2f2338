//! A VM's phases: built once, restored after that, and shut down whatever happens in between.

use std::net::TcpListener;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::bench::{Bench, EXECUTION_ID, Ran, launch, with};

const VM: &str = "/DC0/vm/prod/web01";

/// The files of the phases, and the trace that their tasks leave.
struct Phases {
    folder: TempDir,
}

impl Phases {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn trace_path(&self) -> String {
        self.path().join("trace").display().to_string()
    }

    /// A phase whose one task writes `word`, and the guest's name, to the trace; then come `more` tasks.
    fn write(&self, file: &str, word: &str, more: &str) {
        let path = self.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let trace = self.trace_path();
        let task = format!(
            "- name: Leave a trace\n  ansible.builtin.shell: echo {word} {{{{ guest_lifecycle_guest }}}} >> {trace}\n"
        );
        std::fs::write(path, format!("---\n{task}{more}")).unwrap();
    }

    /// The words of the trace since the last time.
    fn trace(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.trace_path()).unwrap_or_default();
        std::fs::write(self.trace_path(), "").unwrap();
        text.lines().map(|line| line.strip_suffix(" web01").unwrap_or("nobody's").to_owned()).collect()
    }

    /// The variables of a lifecycle of revision 1.
    fn vars(&self, changes: Value) -> Value {
        let lean = with(
            launch(),
            json!({"vm_nic": [{"network_name": "prod-app", "nic_type": "vmxnet3"}], "vm_disk": [],
                   "project_id": "shop", "revision": "1", "vm_connection": "local",
                   "phases_lookup_dir_path": self.path().display().to_string()}),
        );
        with(lean, changes)
    }
}

/// Name and outcome of each phase that was not skipped.
fn outcomes(ran: &Ran) -> Vec<(String, String)> {
    let phases = ran.artifact("lifecycle")["data"]["phases"].as_array().cloned().unwrap();
    assert_eq!(phases.len(), 10, "each phase is told of");
    let text = |phase: &Value, key: &str| phase[key].as_str().unwrap().to_owned();
    let all = phases.iter().map(|phase| (text(phase, "name"), text(phase, "outcome")));
    all.filter(|(_, outcome)| outcome != "skipped").collect()
}

fn of(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, outcome)| ((*name).to_owned(), (*outcome).to_owned())).collect()
}

fn codes(ran: &Ran) -> Vec<String> {
    let findings = ran.artifact("lifecycle")["data"]["findings"].as_array().cloned().unwrap_or_default();
    findings.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

/// The names of the VM's snapshots, as govc sees them.
fn snapshots(bench: &Bench) -> Vec<String> {
    let tree = bench.vcsim.endpoint.govc(&["snapshot.tree", "-vm", VM]);
    let mut names: Vec<String> = tree.lines().map(|line| line.trim().to_owned()).collect();
    names.retain(|name| name != "." && !name.is_empty());
    names.sort();
    names
}

fn power(bench: &Bench) -> String {
    bench.vm("prod/web01")["runtime"]["powerState"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_vm_is_built_once_then_restored_and_built_anew_for_a_new_revision() {
    let (bench, phases) = (Bench::new(), Phases::new());
    for phase in ["dependencies", "init", "main", "terminate"] {
        phases.write(&format!("{phase}.yml"), phase, "");
    }
    let vars = phases.vars(json!({"vm_is_ephemeral": true}));
    bench.make_vm();
    // Marked as one that may be wiped. And the simulator runs no guest; this lets it say that VMware Tools run.
    let marks = ["guestinfo.causeway.ephemeral=true", "SET.guest.toolsRunningStatus=guestToolsRunning"];
    for mark in marks {
        bench.vcsim.endpoint.govc(&["vm.change", "-vm", VM, "-e", mark]);
    }

    let first = bench.passes("lifecycle", &vars);
    assert_eq!(phases.trace(), ["dependencies", "init", "main", "terminate"]);
    let built = [
        ("create clean", "done"),
        ("dependencies", "done"),
        ("init", "done"),
        ("create init", "done"),
        ("main", "done"),
        ("terminate", "done"),
        ("shutdown", "done"),
    ];
    assert_eq!(outcomes(&first), of(&[&[("startup", "done")], &built[..]].concat()));
    assert_eq!(snapshots(&bench), ["shop.1.init", "shop.clean"]);
    assert_eq!(bench.requests("RevertToSnapshot_Task").len(), 0);
    // The guest was asked, and not cut off.
    assert_eq!((bench.requests("ShutdownGuest").len(), bench.requests("PowerOffVM_Task").len()), (1, 0));
    assert_eq!(power(&bench), "poweredOff");

    // That this execution has reverted before is no reason to leave what main did since.
    let mark = format!("guestinfo.causeway.reverted={EXECUTION_ID} shop.1.init");
    bench.vcsim.endpoint.govc(&["vm.change", "-vm", VM, "-e", &mark]);
    let second = bench.passes("lifecycle", &vars);
    assert_eq!(phases.trace(), ["main", "terminate"]);
    let restored = [
        ("startup", "done"),
        ("restore init", "restored"),
        ("main", "done"),
        ("terminate", "done"),
        ("shutdown", "done"),
    ];
    assert_eq!(outcomes(&second), of(&restored));
    assert_eq!(second.artifact("lifecycle")["data"]["restored"], "shop.1.init");
    assert_eq!(bench.requests("RevertToSnapshot_Task").len(), 1);
    assert_eq!(bench.requests("CreateSnapshot_Task").len(), 2);

    let third = bench.passes("lifecycle", &with(vars, json!({"revision": "2"})));
    assert_eq!(phases.trace(), ["dependencies", "init", "main", "terminate"]);
    let anew = [&[("startup", "done"), ("restore clean", "restored")], &built[1..]].concat();
    assert_eq!(outcomes(&third), of(&anew));
    assert_eq!(third.artifact("lifecycle")["data"]["restored"], "shop.clean");
    assert_eq!(snapshots(&bench), ["shop.2.init", "shop.clean"]);
    let reverts = bench.requests("RevertToSnapshot_Task");
    assert!(reverts.len() == 2 && reverts[0] != reverts[1], "{reverts:?}");
}

#[test]
fn everything_that_is_wrong_is_found_at_once_and_nothing_is_wiped() {
    let (bench, phases) = (Bench::new(), Phases::new());
    phases.write("main.yml", "main", "");
    bench.make_vm();
    let changes = bench.changes();

    // Everything that is wrong, the VM's missing mark among it, at once.
    let wrong = json!({
        "vm_is_ephemeral": true, "project_id": "a.b", "revision": 1.5, "allowed_phases": ["restore init", "lunch"],
        "phases_lookup_dir_path": "/nowhere", "vm_connection": "telnet", "connection_timeout": 0, "retry_count": "3",
        "retry_delay": 301, "wait_until_reachable": "yes", "wait_until_port_reachable": 70000,
    });
    let mut found = codes(&bench.fails("lifecycle", &phases.vars(wrong)));
    found.sort();
    let all = [
        "connection_timeout_invalid",
        "phase_unknown",
        "phases_lookup_dir_missing",
        "project_id_invalid",
        "retry_count_invalid",
        "retry_delay_invalid",
        "revision_invalid",
        "vm_connection_invalid",
        "vm_not_ephemeral",
        "wait_until_port_reachable_invalid",
        "wait_until_reachable_invalid",
    ];
    assert_eq!(found, all);
    // Nothing else is wrong here: not asked for as ephemeral.
    let refused = bench.fails("lifecycle", &phases.vars(json!({})));
    assert_eq!((codes(&refused), refused.changed), (vec!["vm_not_ephemeral".to_owned()], 0));
    assert_eq!((bench.changes(), phases.trace()), (changes, Vec::new()));
}

#[test]
fn what_failed_first_is_told_and_terminate_and_shutdown_come_all_the_same() {
    let (bench, phases) = (Bench::new(), Phases::new());
    bench.make_vm();
    // The most specific file of each phase; one that is not allowed is left alone. Main fails, and so do the two that come after it.
    let fail =
        |word: &str| format!("- name: Break off\n  ansible.builtin.fail:\n    msg: {word} broke off\n");
    phases.write("vms/web01/main.yml", "main-of-vm", &fail("main"));
    phases.write("redhat/9/main.yml", "main-of-version", "");
    phases.write("main.yml", "main", "");
    phases.write("redhat/9/terminate.yml", "terminate-of-version", &fail("terminate"));
    phases.write("redhat/terminate.yml", "terminate-of-family", "");
    phases.write("redhat/shutdown.yml", "shutdown-of-family", &fail("shutdown"));
    phases.write("windows/shutdown.yml", "shutdown-of-windows", "");
    phases.write("shutdown.yml", "shutdown", "");
    phases.write("init.yml", "init", "");
    let guest = TcpListener::bind("127.0.0.1:0").unwrap();
    let some = phases.vars(json!({
        "allowed_phases": ["startup", "main", "terminate", "shutdown"], "vm_connection_host": "127.0.0.1",
        "wait_until_port_reachable": guest.local_addr().unwrap().port(),
    }));
    let failed = bench.fails("lifecycle", &some);
    assert_eq!(phases.trace(), ["main-of-vm", "terminate-of-version", "shutdown-of-family"]);
    guest.set_nonblocking(true).unwrap();
    assert!(guest.accept().is_ok(), "nobody waited for the guest's port");
    let artifact = failed.artifact("lifecycle");
    assert_eq!(artifact["task"]["status"], "failed");
    assert_eq!(artifact["data"]["error"], "main broke off");
    assert_eq!(artifact["data"]["failed_task"], "Break off");
    assert_eq!(artifact["context"]["call_chain"], "lifecycle->guest_lifecycle->main");
    let ended = [("startup", "done"), ("main", "failed"), ("terminate", "failed"), ("shutdown", "failed")];
    assert_eq!(outcomes(&failed), of(&ended));
    assert_eq!((power(&bench), snapshots(&bench)), ("poweredOff".to_owned(), Vec::new()));
    assert_eq!(bench.host_variables("web01"), None, "a phase that failed makes no failed VM");

    // A guest that goes away takes the play's host with it.
    let away = "- name: Go away\n  ansible.builtin.ping:\n  vars: {ansible_remote_tmp: /dev/null/nowhere}\n";
    let after = "- name: Come back\n  ansible.builtin.include_tasks: ../../init.yml\n";
    phases.write("vms/web01/main.yml", "main-of-vm", &format!("{away}{after}"));
    phases.write("vms/web01/terminate.yml", "terminate-of-vm", "");
    phases.write("vms/web01/shutdown.yml", "shutdown-of-vm", "");
    let lost = bench.fails("lifecycle", &with(some, json!({"wait_until_port_reachable": null})));
    assert_eq!(phases.trace(), ["main-of-vm", "terminate-of-vm", "shutdown-of-vm"]);
    let error = lost.artifact("lifecycle")["data"]["error"].as_str().unwrap().to_owned();
    assert!(error.starts_with("guest_lost: "), "{error}");
    let ended = [("startup", "done"), ("main", "failed"), ("terminate", "done"), ("shutdown", "done")];
    assert_eq!((outcomes(&lost), power(&bench)), (of(&ended), "poweredOff".to_owned()));
}
