//! Reading VMs by their ids, in the several ways in which servers tell that one is not there.

use super::*;

fn missing(moid: &str, path: &str, fault: &str) -> String {
    format!(
        "<objects><obj type=\"VirtualMachine\">{moid}</obj><missingSet><path>{path}</path><fault><fault xmlns:i=\"x\" \
         i:type=\"{fault}\"/></fault></missingSet></objects>"
    )
}

fn missing_object(moid: &str, fault: &str) -> String {
    format!(
        "<missingObjects><obj type=\"VirtualMachine\">{moid}</obj><fault><fault xmlns:i=\"x\" i:type=\"{fault}\"/>\
         </fault></missingObjects>"
    )
}

fn not_found(moid: &str) -> Answer {
    let body = format!(
        "<e:Envelope xmlns:e=\"x\"><e:Body><e:Fault><faultstring>gone</faultstring><detail><ManagedObjectNotFoundFault>\
         <obj type=\"VirtualMachine\">{moid}</obj></ManagedObjectNotFoundFault></detail></e:Fault></e:Body></e:Envelope>"
    );
    Answer::Body(500, body)
}

/// A vCenter that answers about VMs what `common` says to a request for several and `alone` to one for a single one.
async fn reading(
    ids: &[&str],
    mut common: impl FnMut() -> Answer + Send + 'static,
    mut alone: impl FnMut(&str) -> Answer + Send + 'static,
) -> Result<VmReading, VcenterError> {
    let stub = Stub::start(move |method, request| {
        if method != "RetrievePropertiesEx" || !request.contains("<obj type=\"VirtualMachine\">") {
            return empty_vcenter(method);
        }
        if request.contains("reportMissingObjectsInResults") {
            return common();
        }
        let (_, rest) = request.split_once("<obj type=\"VirtualMachine\">").unwrap();
        alone(rest.split('<').next().unwrap())
    })
    .await;
    let config = VcenterConfig { page_objects_max: 100, ..config(&stub.url) };
    let vcenter = Vcenter::new(config, Arc::new(SystemClock)).unwrap();
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    vcenter.read_vms(&ids).await
}

fn result(parts: &[String]) -> Answer {
    answer("RetrievePropertiesEx", &format!("<returnval>{}</returnval>", parts.concat()))
}

fn faults(reading: &VmReading) -> Vec<(&str, &str, &str)> {
    reading.unreadable.iter().map(|u| (u.moid.as_str(), u.property.as_str(), u.fault.as_str())).collect()
}

#[tokio::test]
async fn a_lost_right_is_never_taken_for_a_vm_that_is_gone() {
    let common = || {
        result(&[
            vm("vm-1", &[("name", "web01")]),
            missing("vm-2", "name", "NoPermission"),
            missing("vm-3", "config.uuid", "NoPermission")
                .replace("<missingSet>", "<propSet><name>name</name><val>web03</val></propSet><missingSet>"),
            missing_object("vm-4", "ManagedObjectNotFound"),
            missing_object("vm-5", "NoPermission"),
        ])
    };
    let ids = ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5", "vm-5"];
    let seen = reading(&ids, common, |moid| panic!("{moid} was settled")).await.unwrap();
    assert_eq!(seen.vms.iter().map(|v| v.moid.as_str()).collect::<Vec<_>>(), ["vm-1"]);
    assert_eq!(seen.gone, ["vm-4"]);
    assert_eq!(
        faults(&seen),
        [
            ("vm-2", "name", "NoPermission"),
            ("vm-3", "config.uuid", "NoPermission"),
            ("vm-5", "name", "NoPermission")
        ]
    );
}

#[tokio::test]
async fn what_is_passed_over_is_asked_for_alone_and_only_its_own_fault_counts() {
    let alone = |moid: &str| match moid {
        "vm-2" => not_found("vm-2"),
        "vm-3" => not_found("vm-99"),
        "vm-4" => fault("ManagedObjectNotFound"),
        "vm-5" => fault("NoPermission"),
        "vm-6" => answer("RetrievePropertiesEx", ""),
        "vm-7" => result(&[missing("vm-7", "name", "ManagedObjectNotFound")]),
        other => result(&[vm(other, &[("name", "late")])]),
    };
    let ids = ["vm-1", "vm-2", "vm-3", "vm-4", "vm-5", "vm-6", "vm-7", "vm-8"];
    let common = || result(&[vm("vm-1", &[("name", "web01")]), vm("vm-77", &[("name", "unasked")])]);
    let seen = reading(&ids, common, alone).await.unwrap();
    assert_eq!(seen.vms.iter().map(|v| v.moid.as_str()).collect::<Vec<_>>(), ["vm-1", "vm-8"]);
    assert_eq!(seen.gone, ["vm-2"]);
    assert_eq!(
        faults(&seen),
        [
            ("vm-3", "name", "ManagedObjectNotFound"),
            ("vm-4", "name", "ManagedObjectNotFound"),
            ("vm-5", "name", "NoPermission"),
            ("vm-6", "name", "NotTold"),
            ("vm-7", "name", "ManagedObjectNotFound"),
        ]
    );
}

#[tokio::test]
async fn one_that_spoils_the_request_for_all_spoils_nothing() {
    for spoilt in [not_found("vm-2"), fault("NoPermission")] {
        let alone = |moid: &str| match moid {
            "vm-2" => not_found("vm-2"),
            other => result(&[vm(other, &[("name", "web")])]),
        };
        let seen = reading(&["vm-1", "vm-2"], move || spoilt.clone(), alone).await.unwrap();
        assert_eq!((seen.vms.len(), seen.gone.as_slice()), (1, &["vm-2".to_owned()][..]));
        assert!(seen.unreadable.is_empty(), "{:?}", seen.unreadable);
    }
}

#[tokio::test]
async fn a_vm_that_vanishes_while_it_is_read_is_asked_for_again() {
    let half = || {
        let named = missing("vm-1", "config.uuid", "ManagedObjectNotFound");
        result(&[named.replace("/></fault>", "><obj type=\"VirtualMachine\">vm-1</obj></fault></fault>")])
    };
    let seen = reading(&["vm-1"], half, |_| not_found("vm-1")).await.unwrap();
    assert_eq!(seen.gone, ["vm-1"]);
    let seen = reading(&["vm-1"], half, move |_| half()).await.unwrap();
    assert_eq!(seen.gone, ["vm-1"], "it says so of itself");
}

#[tokio::test]
async fn a_failure_of_another_kind_fails_the_reading_and_an_unknown_property_does_not() {
    let error = reading(&["vm-1"], || fault("RuntimeFault"), |_| fault("RuntimeFault")).await.unwrap_err();
    assert!(error.is_fault("RuntimeFault"), "{error}");
    let old = || {
        let unknown = missing("vm-1", "config.firmware", "InvalidProperty");
        result(&[
            unknown.replace("<missingSet>", "<propSet><name>name</name><val>a</val></propSet><missingSet>")
        ])
    };
    let seen = reading(&["vm-1"], old, |_| fault("RuntimeFault")).await.unwrap();
    assert_eq!((seen.vms.len(), seen.unreadable.len()), (1, 0));
    let none = reading(&[], || fault("RuntimeFault"), |_| fault("RuntimeFault")).await.unwrap();
    assert!(none.vms.is_empty() && none.gone.is_empty() && none.unreadable.is_empty());
}
