//! One request, one VM, and answers of the neighbours about them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::vm_request::action::{Evidence, JobArtifacts, JobEvidence, NodeEvidence, Outcome, RunReading};
use crate::vm_request::artifact;
use crate::vm_request::event::{Received, RunStatus};
use crate::vm_request::ids::RequestId;
use crate::vm_request::sighting::{DiskSighting, NicSighting, PowerState, VmSighting};
use crate::vm_request::spec::{Address, DiskSpec, DiskType, NicSpec, NicType, OsFamily, VmSpec};
use crate::vm_request::stage::Stage;

pub fn id() -> RequestId {
    "req_01m7yhx300000000000000001a".parse().unwrap()
}

pub fn start() -> Timestamp {
    "2026-11-21T08:00:00Z".parse().unwrap()
}

pub fn spec() -> VmSpec {
    VmSpec {
        vm_name: "web01".into(),
        environment: "prod".into(),
        controller: "aap".into(),
        vcenter: "vc1".into(),
        os: OsFamily::Redhat,
        os_version: "9".into(),
        template: "rhel9".into(),
        size: Some("small".into()),
        cpu: 2,
        memory_mib: 4096,
        datacenter: "DC0".into(),
        cluster: "C0".into(),
        folder: "prod/app".into(),
        datastore: "ds1".into(),
        nics: vec![NicSpec {
            network: "prod-app".into(),
            nic_type: NicType::Vmxnet3,
            address: Address::Static {
                ip: "10.10.20.17".parse().unwrap(),
                prefix: 24,
                gateway: Some("10.10.20.1".parse().unwrap()),
            },
        }],
        disks: vec![DiskSpec { name: "data".into(), size_gib: 200, disk_type: DiskType::Thin }],
        dns: vec!["10.10.0.53".parse().unwrap()],
        domain: Some("example.com".into()),
        expects_address: true,
        description: None,
    }
}

pub fn received(approval_required: bool) -> Received {
    Received {
        source: "api".into(),
        ticket: None,
        requested_by: "j.doe".into(),
        asked: json!({"vm_name": "web01"}),
        spec: spec(),
        vm_uid: id().vm_uid(),
        approval_required,
        traceparent: None,
        remedies: None,
    }
}

/// The VM just as [`spec`] asks for it.
pub fn vm() -> VmSighting {
    let disk = |key: i32, capacity_mib: u64| DiskSighting {
        key,
        label: format!("Hard disk {}", key - 1999),
        capacity_mib,
        thin: Some(true),
        file: None,
        base_file: None,
    };
    VmSighting {
        seen_at: start(),
        moid: "vm-199".into(),
        instance_uuid: Some("50114ad5-2a4f-4e53-b1d6-4c0a6dd0a9a1".into()),
        bios_uuid: Some("42114ad5-2a4f-4e53-b1d6-4c0a6dd0a9a1".into()),
        vm_uid: Some(id().vm_uid().to_string()),
        name: "web01".into(),
        is_template: false,
        folder: "prod/app".into(),
        datacenter: Some("DC0".into()),
        cluster: Some("C0".into()),
        host: Some("esx1".into()),
        cpu: Some(2),
        memory_mib: Some(4096),
        power: Some(PowerState::PoweredOn),
        datastores: vec!["ds1".into()],
        nics: vec![NicSighting {
            key: 4000,
            label: "Network adapter 1".into(),
            nic_type: "vmxnet3".into(),
            network: Some("prod-app".into()),
            mac: Some("00:50:56:00:00:01".into()),
            connected: Some(true),
        }],
        disks: vec![disk(2000, 40 * 1024), disk(2001, 200 * 1024)],
        ip_address: Some("10.10.20.17".into()),
        guest_hostname: Some("web01".into()),
        firmware: Some("bios".into()),
        connection: Some("connected".into()),
        snapshots: Vec::new(),
        custom_values: std::collections::BTreeMap::new(),
    }
}

pub fn as_asked() -> Outcome {
    Outcome::AsAsked { vm: Box::new(vm()), host: 31 }
}

pub fn reading(status: RunStatus) -> Outcome {
    Outcome::Run(RunReading { status, stages: BTreeMap::new(), explanation: String::new() })
}

/// How a node of a finished run looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    Done,
    Skipped,
    Failed,
    NotRun,
    NoArtifact,
}

pub fn artifacts_of(stage: Stage, status: &str) -> Map<String, Value> {
    let text = include_str!("../../../schemas/examples/artifact.vm_provision.json");
    let mut value: Value = serde_json::from_str(text).unwrap();
    value["task"]["name"] = stage.name().into();
    value["task"]["status"] = status.into();
    Map::from_iter([(artifact::key(&id(), stage), value)])
}

pub fn node(stage: Stage, looks: Node) -> NodeEvidence {
    let (status, artifacts) = match looks {
        Node::Done => (RunStatus::Successful, artifacts_of(stage, "successful")),
        Node::Skipped => (RunStatus::Successful, artifacts_of(stage, "skipped")),
        Node::NoArtifact => (RunStatus::Successful, Map::new()),
        Node::Failed => (RunStatus::Failed, artifacts_of(stage, "failed")),
        Node::NotRun => {
            return NodeEvidence { identifier: stage.name().into(), do_not_run: true, job: None };
        }
    };
    let failure = if status == RunStatus::Failed { "no such network" } else { "" };
    let job = JobEvidence {
        id: 100,
        status,
        artifacts: JobArtifacts::Object(artifacts),
        failure: failure.into(),
        explanation: String::new(),
    };
    NodeEvidence { identifier: stage.name().into(), do_not_run: false, job: Some(job) }
}

/// The evidence of a run whose five nodes look like this.
pub fn evidence(status: RunStatus, looks: [Node; 5]) -> Outcome {
    let nodes = Stage::DEPLOYMENT.into_iter().zip(looks).map(|(stage, looks)| node(stage, looks)).collect();
    Outcome::Evidence(Evidence { status, explanation: String::new(), nodes })
}

pub const ALL_DONE: [Node; 5] = [Node::Done; 5];
