//! Publishing: each playbook becomes a tagged repository of its own that Ansible accepts.

use std::path::Path;
use std::process::{Command, Output};

use super::bench::{content, program};

fn publish(arguments: &[&str]) -> Output {
    let mut publish = Command::new(content().join("publish"));
    // Whoever publishes has an identity; a test's machine may have none.
    for who in ["AUTHOR", "COMMITTER"] {
        publish.env(format!("GIT_{who}_NAME"), "tests").env(format!("GIT_{who}_EMAIL"), "tests@example.com");
    }
    publish.args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn accepts(folder: &Path, playbook: &str) {
    let mut check = Command::new(program("ansible", "ansible-playbook"));
    check.current_dir(folder).env("ANSIBLE_CONFIG", folder.join("ansible.cfg"));
    let checked = check.args(["--syntax-check", playbook]).output().unwrap();
    assert!(checked.status.success(), "{}", text(&checked));
}

/// A role that is only found while a playbook runs is missed by the check of its syntax.
fn has_its_roles(place: &Path) {
    let readme = std::fs::read_to_string(place.join("README.md")).unwrap();
    let line = readme.lines().find_map(|line| line.strip_prefix("| roles | ")).expect("it names its roles");
    for role in line.trim_end_matches(" |").split_whitespace() {
        assert!(place.join("roles").join(role).is_dir(), "{} lacks {role}", place.display());
    }
}

#[test]
fn each_playbook_stands_by_itself_and_a_version_is_published_once() {
    let list = text(&publish(&["--list"]));
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 7, "{list}");
    for name in names {
        let place = folder.path().join(name);
        let done = publish(&[name, place.to_str().unwrap()]);
        assert!(done.status.success(), "{}", text(&done));
        accepts(&place, &format!("playbooks/{name}.yml"));
        has_its_roles(&place);
        for file in ["README.md", "CHANGELOG.md", "VERSION", "LICENSE", "collections/requirements.yml"] {
            assert!(place.join(file).is_file(), "{name} is published without {file}");
        }
        let again = publish(&[name, place.to_str().unwrap()]);
        assert!(!again.status.success() && text(&again).contains("is published already"), "{}", text(&again));
    }
}

#[test]
fn an_unknown_playbook_is_refused_with_the_names_of_those_there_are() {
    let refused = publish(&["nothing", "/nowhere"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused).contains("vm_provision"), "{}", text(&refused));
}
