//! Every notification recorded from a controller is understood, or known to say nothing.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;

use causeway::intake::callback::{Callback, Useless};
use causeway::vm_request::event::{CallbackKind, RunStatus};
use serde_json::Value;

fn recordings() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/notifications");
    let entries = std::fs::read_dir(folder).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        (name, serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap())
    };
    entries.map(read).collect()
}

#[test]
fn every_recorded_notification_is_understood_as_its_name_says() {
    let recordings = recordings();
    assert_eq!(recordings.len(), 37);
    for (name, recording) in &recordings {
        let raw = recording["body_raw"].as_str().unwrap();
        // Two recordings had a traceback shortened in the raw text, which is no JSON since.
        let is_shortened = serde_json::from_str::<Value>(raw).is_err();
        assert_eq!(is_shortened, name.ends_with("_job_error"), "{name}");
        let whole = recording["body_json"].to_string();
        let raw = if is_shortened { whole.as_str() } else { raw };
        let read = Callback::read(raw.as_bytes());
        if name.contains("approval") {
            assert_eq!(read, Err(Useless::Approval), "{name}");
            continue;
        }
        if name == "nonjson_template_empty_object" {
            assert_eq!(read, Err(Useless::Empty), "{name}");
            continue;
        }
        let callback = read.unwrap();
        let body = &recording["body_json"];
        let field = |field: &str| body.get(field).unwrap_or(&body["metadata"][field]).clone();
        assert_eq!(callback.job, field("id").as_i64().unwrap(), "{name}");
        assert_eq!(callback.status.name(), field("status").as_str().unwrap(), "{name}");
        assert_ne!(callback.status, RunStatus::Unheard, "{name}");
        assert_eq!(callback.template, field("name").as_str().unwrap(), "{name}");
        let is_workflow = raw.contains("/jobs/workflow/");
        assert_eq!(callback.kind == CallbackKind::WorkflowJob, is_workflow, "{name}");
    }
}
