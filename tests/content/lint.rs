//! ansible-lint's production profile, yamllint, the syntax of every playbook, argument specs of every role.

use std::path::PathBuf;
use std::process::Command;

use super::bench::{content, program, root};

/// The files of a folder of the content with that ending, sorted.
pub fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(content().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == ending))
        .collect();
    found.sort();
    assert!(!found.is_empty(), "there is nothing in {folder}");
    found
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{out}{err}");
}

/// Where the collections of the environment that runs the content are.
fn collections() -> PathBuf {
    let lib = root().join("target/test-tools/ansible/lib");
    let python = std::fs::read_dir(lib).unwrap().next().unwrap().unwrap().path();
    python.join("site-packages")
}

#[test]
fn ansible_lint_has_no_finding() {
    let bin = program("ansible-lint", "ansible-lint");
    let path = format!("{}:{}", bin.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut lint = Command::new(&bin);
    lint.current_dir(content()).env("PATH", path).env("ANSIBLE_COLLECTIONS_PATH", collections());
    run(lint.args(["--offline", "--strict", "--profile", "production", "--nocolor"]));
}

#[test]
fn yamllint_has_no_finding() {
    let bin = program("ansible-lint", "yamllint");
    run(Command::new(bin).current_dir(content()).args(["--strict", "."]));
}

#[test]
fn every_playbook_is_understood() {
    let bin = program("ansible", "ansible-playbook");
    let mut check = Command::new(bin);
    check.current_dir(content()).env("ANSIBLE_CONFIG", content().join("ansible.cfg")).arg("--syntax-check");
    check.arg("controller/setup.yml");
    run(check.args(files("playbooks", "yml")).args(files("playbooks/shell", "yml")));
}

/// The image of the controller would else run other modules than the tests do.
#[test]
fn the_execution_environment_has_the_collections_that_the_tests_run() {
    let wanted = std::fs::read_to_string(content().join("execution-environment/requirements.yml")).unwrap();
    let names = wanted.lines().filter_map(|line| line.trim().strip_prefix("- name: "));
    let versions = wanted.lines().filter_map(|line| line.trim().strip_prefix("version: "));
    let pinned: Vec<(&str, &str)> = names.zip(versions).collect();
    assert!(pinned.len() >= 2, "{wanted}");
    for (name, version) in pinned {
        let folder = collections().join("ansible_collections").join(name.replace('.', "/"));
        let text = std::fs::read_to_string(folder.join("MANIFEST.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(manifest["collection_info"]["version"], version, "{name}");
    }
}

/// Ansible templates the tags of tasks and blocks, and takes those of a play as they stand: `--skip-tags prod` would skip
/// nothing.
#[test]
fn no_play_has_tags_that_nobody_fills_in() {
    for playbook in files("playbooks", "yml") {
        let text = std::fs::read_to_string(&playbook).unwrap();
        let bad = text.lines().find(|line| line.starts_with("  tags:") && line.contains("{{"));
        assert_eq!(bad, None, "{}", playbook.display());
        assert!(
            text.contains("vm_environment | default"),
            "{} has no tag for its environment",
            playbook.display()
        );
    }
}

#[test]
fn every_role_says_what_it_takes() {
    for role in std::fs::read_dir(content().join("roles")).unwrap() {
        let role = role.unwrap().path();
        for file in ["meta/argument_specs.yml", "meta/main.yml", "README.md"] {
            assert!(role.join(file).is_file(), "{} has no {file}", role.display());
        }
    }
}

#[test]
fn every_playbook_can_be_published() {
    for playbook in files("playbooks", "yml") {
        for file in ["README.md", "CHANGELOG.md", "VERSION"] {
            assert!(playbook.with_extension("").join(file).is_file(), "{} has no {file}", playbook.display());
        }
    }
}

#[test]
fn no_python_of_our_own() {
    let mut folders = vec![content()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                assert!(path.extension().is_none_or(|extension| extension != "py"), "{}", path.display());
            }
        }
    }
}
