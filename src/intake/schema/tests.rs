//! The schema's words, tried on what is right and on what is wrong.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::*;

const LEAN: &str = include_str!("../../../schemas/examples/vm-request.lean.json");
const FULL: &str = include_str!("../../../schemas/examples/vm-request.full.json");

fn with(field: &str, value: Value) -> Value {
    let mut asked: Value = serde_json::from_str(LEAN).unwrap();
    asked.as_object_mut().unwrap().insert(field.to_owned(), value);
    asked
}

#[test]
fn the_examples_are_requests() {
    for example in [LEAN, FULL] {
        let asked: Value = serde_json::from_str(example).unwrap();
        let request = read(&asked).unwrap();
        assert_eq!(serde_json::to_value(request).unwrap(), asked, "nothing is lost or added");
    }
}

#[test]
fn everything_wrong_is_told_at_once_with_what_would_be_right() {
    let asked = json!({
        "vm_name": "-web-", "vm_os": "redhad", "vm_os_version": 9, "vm_cpus": 4, "vm_cpu": "4", "vm_memory": 7,
        "vm_ip_address": "10.1.2.300", "vm_dns": ["10.0.0.1", "x"], "vm_nic": [{ "nic_type": "e1001" }],
        "vm_disk": [{ "disk_name": "a b", "disk_size": 0 }], "disk_name": "data", "passwrd": "hunter2",
        "description": null, "ticket": { "id": true, "url": "ftp://x" },
    });
    let found = read(&asked).unwrap_err();
    let text = found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(text);
    assert!(!text.contains("hunter2") && !text.contains("10.1.2.300"));
}

#[test]
fn numbers_are_numbers_and_booleans_are_booleans() {
    for (field, value) in [
        ("vm_cpu", json!("4")),
        ("vm_cpu", json!(4.5)),
        ("vm_cpu", json!(true)),
        ("vm_cpu", json!(1e30)),
        ("vm_cpu", json!(-1)),
        ("vm_os_version", json!(9)),
        ("vm_memory", json!(null)),
    ] {
        let found = read(&with(field, value.clone())).unwrap_err();
        assert_eq!(found.len(), 1, "{value}: {found:?}");
        assert_eq!(found[0].pointer, format!("/{field}"), "{value}");
        assert!(!found[0].expected.is_empty());
    }
}

#[test]
fn formats_are_asserted() {
    for (address, fits) in
        [("10.0.0.1", true), ("fe80::1", true), ("10.0.0.01", false), ("10.0.0.0/24", false), ("", false)]
    {
        assert_eq!(read(&with("vm_ip_address", json!(address))).is_ok(), fits, "{address}");
    }
}

#[test]
fn what_is_no_object_is_one_violation() {
    for value in [json!([]), json!("x"), json!(null), json!(7)] {
        let found = read(&value).unwrap_err();
        assert_eq!((found.len(), found[0].pointer.as_str()), (1, ""), "{found:?}");
    }
}

#[test]
fn a_flood_of_violations_is_cut() {
    let asked: Value =
        (0..5_000).map(|index| (format!("junk_{index}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
    let found = read(&asked).unwrap_err();
    assert_eq!(found.len(), VIOLATIONS_MAX + 1);
    assert!(found.last().unwrap().detail.starts_with("and "));
}
