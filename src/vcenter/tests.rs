//! The client against recorded exchanges, and against answers that a simulator cannot be brought to give.

#![allow(clippy::unwrap_used)]

mod log;
mod reading;
mod searching;
mod watching;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::stub::{Answer, Stub, answer, empty_vcenter, fault, recorded};
use super::*;
use crate::clock::{ManualClock, SystemClock};

const PASSWORD: &str = "p<a>ss&\"w'ord";

fn config(url: &str) -> VcenterConfig {
    VcenterConfig {
        name: "vc1".to_owned(),
        url: url.to_owned(),
        username: "lab".to_owned(),
        password: Secret::new(PASSWORD),
        ca_file: None,
        call_deadline_secs: 10,
        page_objects_max: 2,
        read_attempts_max: 2,
        body_bytes_max: 1024 * 1024,
    }
}

fn client(stub: &Stub) -> Vcenter {
    Vcenter::new(config(&stub.url), Arc::new(SystemClock)).unwrap()
}

fn vm(moid: &str, properties: &[(&str, &str)]) -> String {
    let set = |(name, val): &(&str, &str)| format!("<propSet><name>{name}</name><val>{val}</val></propSet>");
    let sets: String = properties.iter().map(set).collect();
    format!("<objects><obj type=\"VirtualMachine\">{moid}</obj>{sets}</objects>")
}

/// What a full read sees when the property collector answers with these recordings.
async fn replayed(
    first: &'static str,
    next: Option<&'static str>,
) -> (Result<VmListing, VcenterError>, Stub) {
    let mut pages = 0;
    let stub = Stub::start(move |method, _| {
        // The recording ends before the last page; an answer without objects and token is the last.
        pages = if method == "RetrievePropertiesEx" { 0 } else { pages + 1 };
        match (method, next) {
            ("RetrievePropertiesEx", _) => recorded(first),
            ("ContinueRetrievePropertiesEx", Some(next)) if pages == 1 => recorded(next),
            (other, _) => empty_vcenter(other),
        }
    })
    .await;
    (client(&stub).vms().await, stub)
}

#[tokio::test]
async fn recorded_pages_are_read_as_vms() {
    let (listing, _) = replayed(
        "vcsim-soap/06-RetrievePropertiesEx-page.txt",
        Some("vcsim-soap/07-ContinueRetrievePropertiesEx.txt"),
    )
    .await;
    let listing = listing.unwrap();
    let names: Vec<_> = listing.vms.iter().map(|v| v.name.as_str()).collect();
    assert_eq!(names, ["DC0_H0_VM0", "DC0_H0_VM1", "DC0_H0_VM2", "DC0_H0_VM3"]);
    let first = &listing.vms[0];
    assert_eq!(first.instance_uuid.as_deref(), Some("b170c191-7587-5f8e-9a15-08c6a0a11ca5"));
    assert_eq!(first.bios_uuid.as_deref(), Some("63d40cc5-9cba-5cc1-884a-f7f19070ecea"));
    assert_eq!((first.cpu, first.memory_mib, first.is_template), (Some(1), Some(32), false));
    assert_eq!(first.power, Some(crate::vm_request::sighting::PowerState::PoweredOn));
    assert_eq!((first.ip_address.as_deref(), listing.complete), (None, true));

    let (apt, _) = replayed("vcsim-apt-soap/06-RetrievePropertiesEx-page.txt", None).await;
    let apt = apt.unwrap();
    assert_eq!((apt.vms.len(), apt.complete), (12, true));
    assert!(apt.vms.iter().all(|v| v.instance_uuid.is_some() && v.cpu == Some(1)));
}

#[tokio::test]
async fn recorded_unknown_properties_are_listed_and_not_fatal() {
    let files = [
        "vcsim-soap/21-RetrievePropertiesEx-badprop.txt",
        "vcsim-apt-soap/07-RetrievePropertiesEx-badprop.txt",
    ];
    for file in files {
        let (listing, _) = replayed(file, None).await;
        let listing = listing.unwrap();
        assert!(!listing.vms.is_empty() && listing.complete, "{file}");
        assert_eq!(listing.unreadable.len(), listing.vms.len());
        let first = &listing.unreadable[0];
        assert_eq!((first.property.as_str(), first.fault.as_str()), ("nosuch", "InvalidProperty"));
    }
}

#[tokio::test]
async fn recorded_faults_keep_their_type() {
    for file in [
        "vcsim-soap/22-RetrievePropertiesEx-notfound.txt",
        "vcsim-apt-soap/08-RetrievePropertiesEx-notfound.txt",
    ] {
        let error = replayed(file, None).await.0.unwrap_err();
        assert!(error.is_fault("ManagedObjectNotFound"), "{error}");
    }
    for file in ["vcsim-soap/30-unknown-method.txt", "vcsim-apt-soap/16-unknown-method.txt"] {
        let error = replayed(file, None).await.0.unwrap_err();
        assert!(error.is_fault("InvalidRequest"), "{error}");
        assert!(error.to_string().contains("NoSuchMethod"), "the message is unescaped: {error}");
    }
}

#[tokio::test]
async fn a_recorded_session_that_is_not_authenticated_leads_to_one_more_login() {
    for folder in ["vcsim-soap", "vcsim-apt-soap"] {
        let file: &'static str = if folder == "vcsim-soap" {
            "vcsim-soap/02-RetrievePropertiesEx-noauth.txt"
        } else {
            "vcsim-apt-soap/02-RetrievePropertiesEx-noauth.txt"
        };
        let (outcome, stub) = replayed(file, None).await;
        assert_eq!(outcome, Err(VcenterError::NotAuthenticated { vcenter: "vc1".to_owned() }));
        assert_eq!(stub.count("Login"), 2);
    }
}

#[tokio::test]
async fn both_shapes_of_a_lost_session_are_healed() {
    let missing = "<returnval><objects><obj type=\"Folder\">g</obj><missingSet><path>name</path><fault><fault xmlns:i=\"x\" \
                   i:type=\"NotAuthenticated\"/></fault></missingSet></objects></returnval>";
    for lost in [fault("NotAuthenticated"), answer("RetrievePropertiesEx", missing)] {
        let mut first = Some(lost);
        let stub = Stub::start(move |method, _| match method {
            "RetrievePropertiesEx" => first.take().unwrap_or_else(|| empty_vcenter("RetrievePropertiesEx")),
            other => empty_vcenter(other),
        })
        .await;
        let vcenter = client(&stub);
        assert!(vcenter.vms().await.unwrap().vms.is_empty());
        assert_eq!((vcenter.stats().logins, vcenter.stats().retries), (2, 0));
        assert_eq!(stub.count("CreateContainerView"), stub.count("DestroyView"), "no view is left behind");
    }
}

#[tokio::test]
async fn a_refused_login_is_not_repeated_before_its_time() {
    for file in ["vcsim-soap/03-Login-bad.txt", "vcsim-apt-soap/03-Login-bad.txt"] {
        let stub = Stub::start(move |method, _| match method {
            "Login" => recorded(file),
            other => empty_vcenter(other),
        })
        .await;
        let clock = Arc::new(ManualClock::new("2026-11-21T08:00:00Z".parse::<Timestamp>().unwrap()));
        let vcenter = Vcenter::new(config(&stub.url), clock.clone()).unwrap();
        let refused = vcenter.vms().await.unwrap_err();
        assert!(matches!(refused, VcenterError::LoginRefused { .. }), "{refused}");
        vcenter.logout().await;
        clock.advance(SignedDuration::from_secs(session::LOGIN_PAUSE_SECS - 1));
        assert_eq!(vcenter.vms().await, Err(refused.clone()));
        assert_eq!(stub.count("Login"), 1);
        clock.advance(SignedDuration::from_secs(1));
        assert_ne!(vcenter.vms().await, Err(refused), "a new pause begins");
        assert_eq!(stub.count("Login"), 2);
    }
}

#[tokio::test]
async fn what_is_sent_is_escaped_and_what_is_shown_has_no_password() {
    let stub = Stub::start(|method, request| match method {
        "Login" => {
            assert!(request.contains("<password>p&lt;a&gt;ss&amp;&quot;w&apos;ord</password>"), "{request}");
            assert!(request.contains("SOAPAction: urn:vim25/") || request.contains("soapaction: urn:vim25/"), "{request}");
            // A server that repeats what it was sent.
            let body = "<e:Envelope xmlns:e=\"x\"><e:Body><e:Fault><faultstring>no: p&lt;a&gt;ss&amp;&quot;w'ord</faultstring>\
                        <detail><InvalidLocaleFault/></detail></e:Fault></e:Body></e:Envelope>";
            Answer::Body(500, body.to_owned())
        }
        other => empty_vcenter(other),
    })
    .await;
    let vcenter = client(&stub);
    let error = vcenter.vms().await.unwrap_err();
    assert!(error.is_fault("InvalidLocale"), "{error}");
    let shown = format!("{error} {error:?} {vcenter:?} {:?}", config(&stub.url));
    assert!(!shown.contains(PASSWORD) && !shown.contains("w'ord"), "{shown}");
}

#[tokio::test]
async fn the_session_cookie_is_sent_back_and_logout_ends_it() {
    let stub = Stub::start(|method, request| {
        let cookie = "vmware_soap_session=01610584-fd26-4f81-bda3-a78394b3b19f";
        let sent = request.lines().any(|l| l.to_ascii_lowercase() == format!("cookie: {cookie}"));
        assert_eq!(sent, !matches!(method, "RetrieveServiceContent" | "Login"), "{request}");
        match method {
            "Logout" => recorded("vcsim-soap/31-Logout.txt"),
            other => empty_vcenter(other),
        }
    })
    .await;
    let vcenter = client(&stub);
    vcenter.logout().await;
    assert_eq!(stub.count("Logout"), 0, "nothing to end yet");
    vcenter.vms().await.unwrap();
    vcenter.logout().await;
    vcenter.logout().await;
    assert_eq!(stub.count("Logout"), 1);
}

#[tokio::test]
async fn a_transient_failure_is_tried_again_and_any_other_is_not() {
    let cases = [
        (Answer::Body(503, "<html>busy</html>".to_owned()), 2),
        (Answer::Hangup, 2),
        (Answer::Body(302, String::new()), 1),
        (Answer::Body(404, "<html></html>".to_owned()), 1),
        (Answer::Body(200, "<html><p>a portal</html>".to_owned()), 1),
        (fault("NoPermission"), 1),
    ];
    for (given, tries) in cases {
        let shown = format!("{given:?}");
        let stub = Stub::start(move |method, _| match method {
            "CreateContainerView" => given.clone(),
            other => empty_vcenter(other),
        })
        .await;
        let vcenter = client(&stub);
        vcenter.vms().await.unwrap_err();
        assert_eq!(stub.count("CreateContainerView"), tries, "{shown}");
        assert_eq!(vcenter.stats().retries, tries as u64 - 1, "{shown}");
    }
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_a_flood_at_the_limit() {
    let stub = Stub::start(|method, _| match method {
        "CreateContainerView" => Answer::Silence,
        other => empty_vcenter(other),
    })
    .await;
    let patient = VcenterConfig { call_deadline_secs: 1, read_attempts_max: 1, ..config(&stub.url) };
    let error = Vcenter::new(patient, Arc::new(SystemClock)).unwrap().vms().await.unwrap_err();
    assert!(matches!(error, VcenterError::DeadlineExceeded { deadline_secs: 1, .. }), "{error}");

    let stub = Stub::start(|_, _| Answer::Body(200, "x".repeat(5_000))).await;
    let small = VcenterConfig { body_bytes_max: 4_999, ..config(&stub.url) };
    let error = Vcenter::new(small, Arc::new(SystemClock)).unwrap().about().await.unwrap_err();
    assert!(matches!(error, VcenterError::BodyTooLarge { limit_bytes: 4_999, .. }), "{error}");
}

#[test]
fn an_unusable_configuration_is_refused_by_field() {
    let refused = |change: &dyn Fn(&mut VcenterConfig)| {
        let mut cfg = config("https://vc.example.org");
        change(&mut cfg);
        Vcenter::new(cfg, Arc::new(SystemClock)).err().map(|e| e.to_string()).unwrap_or_default()
    };
    assert_eq!(refused(&|_| {}), "");
    assert!(refused(&|c| c.url = "vc.example.org".into()).contains("no address"));
    assert!(refused(&|c| c.url = "ftp://vc.example.org".into()).contains("no address"));
    assert!(refused(&|c| c.url = "http://vc.example.org/sdk".into()).contains("in the clear"));
    assert!(!refused(&|c| c.url = "https://u:hunter2@vc.example.org".into()).contains("hunter2"));
    assert!(refused(&|c| c.url = "https://u:hunter2@vc.example.org".into()).contains("credentials"));
    assert!(refused(&|c| c.password = Secret::new("a\u{1}b")).contains("password"));
    assert!(refused(&|c| c.username = String::new()).contains("username"));
    assert!(refused(&|c| c.page_objects_max = 0).contains("page_objects_max"));
    assert!(refused(&|c| c.ca_file = Some("no/such/file.pem".into())).contains("no/such/file.pem"));
    assert_eq!(refused(&|c| c.url = "http://[::1]:8989".into()), "");
}
