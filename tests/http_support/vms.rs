//! VMs of a register: one under watch with a finding, one that no request made.

use causeway::journal::{Admission, AdmissionKeys, Append, Journal, SeenHost, SeenVm, Sightings};
use causeway::vm_request::sighting::{NicSighting, PowerState, VmSighting};
use causeway::vm_request::watch::{Adopted, Blame, DriftFound, DriftVerdict, FieldDrift};
use causeway::vm_request::{Event, RequestId};
use jiff::Timestamp;
use serde_json::json;

/// Of the VM under watch, in the register.
pub const VM: &str = "6f1c2f0e-5d0b-5c0f-9a3e-0123456789ab";
/// Of the one that no request made.
pub const STRAY: &str = "vc-prod.vm-77";
/// The request of the VM under watch.
pub const VM_REQUEST: &str = "req_01m7yhx300000000000000009z";

pub fn sighting(name: &str, moid: &str, at: Timestamp) -> VmSighting {
    VmSighting {
        seen_at: at,
        moid: moid.to_owned(),
        instance_uuid: Some(format!("50114ad5-2a4f-4e53-b1d6-{:0>12}", &moid[3..])),
        bios_uuid: None,
        vm_uid: None,
        name: name.to_owned(),
        is_template: false,
        folder: "prod".to_owned(),
        datacenter: Some("DC0".to_owned()),
        cluster: Some("C0".to_owned()),
        host: Some("esx1".to_owned()),
        cpu: Some(2),
        memory_mib: Some(4_096),
        power: Some(PowerState::PoweredOn),
        datastores: vec!["ds-prod".to_owned()],
        nics: vec![NicSighting {
            key: 4_000,
            label: "Network adapter 1".to_owned(),
            nic_type: "vmxnet3".to_owned(),
            network: Some("app".to_owned()),
            mac: None,
            connected: Some(true),
        }],
        disks: Vec::new(),
        ip_address: Some("10.10.20.17".to_owned()),
        guest_hostname: None,
        firmware: Some("efi".to_owned()),
        connection: Some("connected".to_owned()),
        snapshots: Vec::new(),
        custom_values: [("tier".to_owned(), "web 1".to_owned())].into(),
    }
}

/// Fills the register.
pub async fn seed(journal: &Journal, at: Timestamp) {
    let mut vm = sighting("db01", "vm-42", at);
    vm.vm_uid = Some(VM.to_owned());
    let id: RequestId = VM_REQUEST.parse().unwrap();
    let adopted = Event::Adopted(Box::new(Adopted {
        by: "j.doe".to_owned(),
        comment: String::new(),
        vcenter: "vc-prod".to_owned(),
        environment: Some("prod".to_owned()),
        controller: Some("aap-prod".to_owned()),
        host_name: Some("db01".to_owned()),
        vm: vm.clone(),
    }));
    let keys = AdmissionKeys::default();
    journal.admit(Admission { id: id.clone(), at, events: vec![adopted], keys }).await.unwrap();
    let state = journal.load_state(&id).await.unwrap().unwrap();
    let found = Event::DriftFound(DriftFound {
        drift: FieldDrift {
            field: "cpu".to_owned(),
            verdict: DriftVerdict::VcenterChanged,
            asked: Some("2".to_owned()),
            inventory: None,
            vcenter: Some("8".to_owned()),
        },
        blame: Some(Blame {
            event: "VmReconfiguredEvent".to_owned(),
            at,
            user: "VSPHERE.LOCAL\\night-shift".to_owned(),
            message: String::new(),
        }),
        came_back: false,
    });
    journal.append(Append::following(&state, at, vec![found]).unwrap().0).await.unwrap();
    vm.cpu = Some(8);
    let seen = |id: &str, request: Option<RequestId>, vm: VmSighting| SeenVm {
        id: id.to_owned(),
        vcenter: "vc-prod".to_owned(),
        request,
        vm,
        gone_at: None,
    };
    let host = |name: &str, host_id: i64, request: Option<RequestId>| SeenHost {
        controller: "aap-prod".to_owned(),
        name: name.to_owned(),
        host_id,
        request,
        seen_at: at,
        variables: json!({ "vm_name": name, "vm_state": "ready" }).as_object().unwrap().clone(),
    };
    let sightings = Sightings {
        vms: vec![seen(VM, Some(id.clone()), vm), seen(STRAY, None, sighting("old01", "vm-77", at))],
        hosts: vec![host("db01", 7, Some(id)), host("gone01", 8, None)],
        ..Sightings::default()
    };
    journal.see(sightings).await.unwrap();
}
