//! A vCenter: reachable, password, and every name that the catalog uses on it.

use std::collections::BTreeSet;

use super::Report;
use crate::config::VcenterSection;
use crate::vcenter::{DatacenterNames, Vcenter, VcenterError};
use crate::vm_request::catalog::{Catalog, Environment};

pub(super) async fn examine(
    report: &mut Report,
    section: &VcenterSection,
    client: &Vcenter,
    catalog: &Catalog,
) {
    let subject = format!("vCenter {}", section.name);
    match client.about().await {
        Ok(about) => report.well(format!("{subject} answers: {} {}", about.full_name, about.api_version)),
        Err(error) => {
            let remedy = "check url, the network, and ca_file where its certificate is not a public one";
            return report.find("vcenter_unreachable", subject, error.to_string(), remedy);
        }
    }
    let names = match client.inventory().await {
        Ok(names) => names,
        Err(VcenterError::LoginRefused { username, .. }) => {
            let detail = format!("it refuses the login of {username}");
            let remedy = "check username and password; repeated wrong ones lock the account";
            return report.find("vcenter_login_refused", subject, detail, remedy);
        }
        Err(error) => {
            let remedy = "give the account read-only rights from the root of the inventory";
            return report.find("vcenter_unreadable", subject, error.to_string(), remedy);
        }
    };
    for (name, environment) in catalog.environments.iter().filter(|(_, each)| each.vcenter == section.name) {
        let found = names.datacenters.iter().find(|found| found.name == environment.datacenter);
        let Some(datacenter) = found else {
            let there: BTreeSet<String> = names.datacenters.iter().map(|each| each.name.clone()).collect();
            missing(report, name, "datacenter", &environment.datacenter, &there);
            continue;
        };
        examine_environment(report, name, environment, datacenter, catalog);
    }
}

fn examine_environment(
    report: &mut Report,
    name: &str,
    environment: &Environment,
    datacenter: &DatacenterNames,
    catalog: &Catalog,
) {
    let before = report.findings.len();
    let clusters = datacenter.clusters.union(&datacenter.standalone_hosts).cloned().collect();
    let templates = datacenter.templates.iter().map(|template| template.name.clone()).collect();
    let mut check = |kind: &str, wanted: &String, there: &BTreeSet<String>| {
        if !there.contains(wanted) {
            missing(report, name, kind, wanted, there);
        }
    };
    check("cluster", &environment.cluster, &clusters);
    for datastore in std::iter::once(&environment.datastore).chain(&environment.datastores) {
        check("datastore", datastore, &datacenter.datastores);
    }
    for folder in std::iter::once(&environment.folder).chain(&environment.folders) {
        check("folder", folder, &datacenter.vm_folders);
    }
    for network in environment.networks.keys() {
        check("network", network, &datacenter.networks);
    }
    let name = name.to_owned();
    for image in &catalog.images {
        if image.environments.is_empty() || image.environments.contains(&name) {
            check("template", &image.template, &templates);
        }
    }
    if report.findings.len() == before {
        report.well(format!("environment {name}: everything that it names is there"));
    }
}

fn missing(report: &mut Report, environment: &str, kind: &str, name: &str, there: &BTreeSet<String>) {
    const SHOWN_MAX: usize = 8;
    let shown: Vec<&str> = there.iter().take(SHOWN_MAX).map(String::as_str).collect();
    report.find(
        &format!("{kind}_missing"),
        format!("{kind} {name} of environment {environment}"),
        "vCenter does not show it",
        format!("create it, or correct the catalog; there are: {}", shown.join(", ")),
    );
}
