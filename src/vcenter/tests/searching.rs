//! Looking for one VM, and for a clone that is still running, in answers that a simulator cannot be brought to give.

use super::*;

#[tokio::test]
async fn a_vm_destroyed_between_the_sweep_and_the_read_is_not_found() {
    for gone in [answer("RetrievePropertiesEx", ""), fault("ManagedObjectNotFound")] {
        let stub = Stub::start(move |method, request| match method {
            "RetrievePropertiesEx" if request.contains("<obj type=\"VirtualMachine\">") => gone.clone(),
            "RetrievePropertiesEx" if request.contains("<type>VirtualMachine</type>") => {
                let row = vm("vm-1", &[("name", "web01")]);
                answer("RetrievePropertiesEx", &format!("<returnval>{row}</returnval>"))
            }
            other => empty_vcenter(other),
        })
        .await;
        let found = client(&stub).find_vm(&VmQuery { name: Some("web01"), ..VmQuery::default() }).await;
        assert_eq!(found, Ok(vec![]));
    }
}

#[tokio::test]
async fn a_search_that_cannot_see_every_name_does_not_say_that_nothing_is_there() {
    let hidden = "<objects><obj type=\"VirtualMachine\">vm-2</obj><missingSet><path>name</path><fault>\
                  <fault xmlns:i=\"x\" i:type=\"NoPermission\"/></fault></missingSet></objects>";
    let stub = Stub::start(move |method, _| match method {
        "RetrievePropertiesEx" => {
            let row = vm("vm-1", &[("name", "web01")]);
            answer("RetrievePropertiesEx", &format!("<returnval>{row}{hidden}</returnval>"))
        }
        other => empty_vcenter(other),
    })
    .await;
    let vcenter = client(&stub);
    let error = vcenter.find_vm(&VmQuery { name: Some("web02"), ..VmQuery::default() }).await.unwrap_err();
    assert!(
        matches!(&error, VcenterError::Incomplete { unreadable: 1, example, .. } if example == "vm-2"),
        "{error}"
    );
    let listing = vcenter.vms().await.unwrap();
    assert_eq!(
        (listing.complete, listing.vms.len(), listing.unreadable[0].fault.as_str()),
        (false, 1, "NoPermission")
    );
}

#[tokio::test]
async fn a_key_that_answers_otherwise_than_the_list_is_never_trusted() {
    let entry = "<OptionValue><key>guestinfo.causeway.vm_uid</key><value>u-1</value></OptionValue>";
    let silent = format!("<returnval>{}</returnval>", vm("vm-1", &[("name", "web01")]));
    for keyed in [
        answer("RetrievePropertiesEx", &silent),
        answer("RetrievePropertiesEx", ""),
        fault("InvalidProperty"),
    ] {
        let stub = Stub::start(move |method, request| match method {
            "RetrievePropertiesEx" if request.contains("extraConfig[") => keyed.clone(),
            "RetrievePropertiesEx" => {
                let row = vm("vm-1", &[("name", "web01"), ("config.extraConfig", entry)]);
                answer("RetrievePropertiesEx", &format!("<returnval>{row}</returnval>"))
            }
            other => empty_vcenter(other),
        })
        .await;
        let vcenter = client(&stub);
        for _ in 0..3 {
            let found =
                vcenter.find_vm(&VmQuery { vm_uid: Some("U-1"), ..VmQuery::default() }).await.unwrap();
            assert_eq!(found.iter().map(|v| v.moid.as_str()).collect::<Vec<_>>(), ["vm-1"]);
        }
    }
}

#[tokio::test]
async fn a_vm_without_the_key_is_readable_however_the_server_says_so() {
    let entry = "<key>guestinfo.causeway.vm_uid</key><value>u-1</value>";
    let path = "config.extraConfig[&quot;guestinfo.causeway.vm_uid&quot;]";
    let missing = format!(
        "<missingSet><path>{path}</path><fault><fault xmlns:i=\"x\" i:type=\"InvalidProperty\"/></fault></missingSet></objects>"
    );
    let stub = Stub::start(move |method, request| {
        let list = format!("<OptionValue>{entry}</OptionValue>");
        let rows = if request.contains("extraConfig[") {
            vm("vm-1", &[("name", "web01"), (path, entry)])
                + &vm("vm-2", &[("name", "other")]).replace("</objects>", &missing)
        } else {
            vm("vm-1", &[("name", "web01"), ("config.extraConfig", &list)])
                + &vm("vm-2", &[("name", "other")])
        };
        match method {
            "RetrievePropertiesEx" => answer(method, &format!("<returnval>{rows}</returnval>")),
            other => empty_vcenter(other),
        }
    })
    .await;
    let vcenter = client(&stub);
    for _ in 0..2 {
        let listing = vcenter.vms().await.unwrap();
        let seen: Vec<_> = listing.vms.iter().map(|v| (v.name.as_str(), v.vm_uid.as_deref())).collect();
        assert_eq!(seen, [("web01", Some("u-1")), ("other", None)]);
        assert!(listing.complete && listing.unreadable.is_empty(), "{:?}", listing.unreadable);
    }
}

#[tokio::test]
async fn a_running_clone_is_named_by_the_event_of_its_chain() {
    let event = |chain: u32, name: &str| {
        format!(
            "<returnval><chainId>{chain}</chainId><createdTime>2026-11-21T08:00:01Z</createdTime><vm><vm type=\"VirtualMachine\">vm-9</vm></vm>\
             <destFolder><folder type=\"Folder\">g</folder></destFolder><destName>{name}</destName></returnval>"
        )
    };
    let events = event(7, "web07") + &event(8, "web08");
    let task = |id: u32, name: &str, state: &str, chain: u32| {
        format!(
            "<objects><obj type=\"Task\">task-{id}</obj><propSet><name>info</name><val><name>{name}</name><descriptionId/>\
             <entity type=\"VirtualMachine\">vm-9</entity><entityName>rhel9</entityName><state>{state}</state>\
             <queueTime>2026-11-21T08:00:00Z</queueTime><eventChainId>{chain}</eventChainId></val></propSet></objects>"
        )
    };
    let tasks = task(1, "CloneVM_Task", "running", 7)
        + &task(2, "CloneVM_Task", "success", 8)
        + &task(3, "PowerOnVM_Task", "running", 8)
        + &task(4, "CloneVM_Task", "queued", 99);
    let stub = Stub::start(move |method, request| match method {
        "QueryEvents" => answer(method, &events),
        "RetrievePropertiesEx" if request.contains("recentTask") => {
            let ids: String = (1..5).map(|n| format!("<r type=\"Task\">task-{n}</r>")).collect();
            let object = format!("<objects><obj type=\"TaskManager\">t</obj><propSet><name>recentTask</name><val>{ids}</val></propSet></objects>");
            answer(method, &format!("<returnval>{object}</returnval>"))
        }
        "RetrievePropertiesEx" if request.contains("task-1<") => answer(method, &format!("<returnval>{tasks}</returnval>")),
        other => empty_vcenter(other),
    })
    .await;
    let vcenter = client(&stub);
    let ids = async |name: &str| {
        let tasks = vcenter.clone_tasks_running(name, None).await.unwrap();
        tasks.into_iter().map(|t| (t.task, t.targets.len())).collect::<Vec<_>>()
    };
    // task-4 has not written its event yet: it may be anybody's.
    assert_eq!(ids("web07").await, [("task-1".to_owned(), 1), ("task-4".to_owned(), 0)]);
    assert_eq!(ids("web08").await, [("task-4".to_owned(), 0)]);
}
