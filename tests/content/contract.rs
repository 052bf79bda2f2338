//! One contract: the schemas' examples, and each of them with a member less, are judged alike from Rust and from Ansible;
//! and the content understands the launch that is among them.

use serde_json::{Map, Value, json};

use super::bench::{Bench, root, with};

struct Document {
    schema: String,
    name: String,
    document: Value,
}

fn file_names(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

fn read(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// Every example, whole and with each of its members left out.
fn documents() -> Vec<Document> {
    let schemas = file_names("schemas", ".schema.json");
    let mut documents = Vec::new();
    for example in file_names("schemas/examples", ".json") {
        let kind = example.split('.').next().unwrap();
        let schema = schemas.iter().find(|name| name.starts_with(&format!("{kind}.v"))).unwrap();
        let whole: Map<String, Value> =
            read(&format!("schemas/examples/{example}")).as_object().unwrap().clone();
        for left_out in whole.keys() {
            let mut document = whole.clone();
            document.remove(left_out);
            let name = format!("{example} without {left_out}");
            documents.push(Document { schema: schema.clone(), name, document: Value::Object(document) });
        }
        documents.push(Document { schema: schema.clone(), name: example, document: Value::Object(whole) });
    }
    documents
}

fn judged_by_rust(document: &Document) -> bool {
    let schema = read(&format!("schemas/{}", document.schema));
    jsonschema::validator_for(&schema).unwrap().is_valid(&document.document)
}

#[test]
fn rust_and_ansible_judge_the_same_examples_alike() {
    let documents = documents();
    let ours: Vec<bool> = documents.iter().map(judged_by_rust).collect();
    assert!(ours.iter().any(|fits| *fits) && ours.iter().any(|fits| !*fits), "there are both kinds");
    let listed: Vec<Value> = documents
        .iter()
        .map(|each| json!({"schema": each.schema, "name": each.name, "document": each.document}))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Value::Array(listed).to_string()).unwrap();
    let launch = read("schemas/examples/extra-vars.json");
    let bench = Bench::new();
    let asked = json!({"contract_file": file.path(), "contract_schemas": root().join("schemas")});
    let ran = bench.passes("../../../tests/data/content/contract", &with(launch.clone(), asked));
    let theirs = ran.artifacts["contract_verdicts"].as_array().unwrap();
    assert_eq!(theirs.len(), ours.len());
    for (document, (ours, theirs)) in documents.iter().zip(ours.iter().zip(theirs)) {
        assert_eq!(&json!(ours), theirs, "{}", document.name);
    }

    let spec = &ran.artifacts["contract_spec"];
    for same in
        ["vm_name", "vm_os", "vm_os_version", "vm_template", "vm_datacenter", "vm_cluster", "vm_folder"]
    {
        assert_eq!(spec[same], launch[same], "{same}");
    }
    assert_eq!((&spec["vm_cpu"], &spec["vm_memory"]), (&launch["vm_cpu"], &launch["vm_memory"]));
    assert_eq!(spec["nics"][0]["ip_address"], launch["vm_nic"][0]["ip_address"]);
    assert_eq!(spec["disks"][0]["disk_size"], launch["vm_disk"][0]["disk_size"]);
}
