//! `/inventory`: the VMs under watch in Ansible's dynamic-inventory JSON, as far as the caller may see them (E2).
//!
//! Groups: `environment_NAME`, `os_FAMILY`, `power_STATE`, `vcenter_NAME`, `tag_NAME_VALUE` out of custom attributes, and
//! `drifted`. What is no letter, digit or underscore in a group's name becomes an underscore, as Ansible wants it.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::access::Person;
use super::extract::{Caller, Query, state};
use super::problem::{Kind, Problem};
use super::state::AppState;
use crate::journal::{PAGE_MAX, RegisterQuery, RegisterRow};
use crate::vm_request::watch::DriftVerdict;
use crate::vm_request::watch::line::VmLine;

/// The most hosts in one inventory.
const HOSTS_MAX: usize = 100_000;

/// `GET`: all hosts, or the variables of the one in `host`.
pub(super) async fn get(request: HttpRequest, caller: Caller) -> Result<HttpResponse, Problem> {
    let state = state(&request)?;
    let mut query = Query::of(&request, &["host", "environment"])?;
    let (host, environment) = (query.text("host"), query.text("environment"));
    let hosts = hosts(state, &caller.0, environment).await?;
    let Some(host) = host else { return Ok(HttpResponse::Ok().json(inventory(&hosts))) };
    match hosts.get(&host) {
        Some((row, line)) => Ok(HttpResponse::Ok().json(variables(row, line))),
        None => Err(Problem::new(Kind::NotFound, "There is no such host in your inventory.")),
    }
}

type Hosts = BTreeMap<String, (RegisterRow, VmLine)>;

async fn hosts(state: &AppState, caller: &Person, environment: Option<String>) -> Result<Hosts, Problem> {
    let mut query = RegisterQuery {
        environment,
        managed: Some(true),
        gone: Some(false),
        limit: PAGE_MAX,
        ..RegisterQuery::default()
    };
    let mut hosts = Hosts::new();
    loop {
        let rows = state.journal.view().register(&query).await?;
        let is_last = rows.len() < PAGE_MAX;
        query.after = rows.last().map(|row| row.seen.id.clone());
        for mut row in rows {
            let Some(line) = row.line.take() else { continue };
            if row.seen.vm.is_template || !caller.may_see(line.environment.as_deref()) {
                continue;
            }
            let name = line.host_name.clone().unwrap_or_else(|| row.seen.vm.name.to_lowercase());
            // Two VMs of one name are told apart by where they are.
            let name = if hosts.contains_key(&name) { format!("{name}.{}", row.seen.id) } else { name };
            hosts.insert(name, (row, line));
        }
        if hosts.len() > HOSTS_MAX {
            let detail = format!("More than {HOSTS_MAX} hosts; ask for one environment.");
            return Err(Problem::new(Kind::InvalidQuery, detail));
        }
        if is_last {
            return Ok(hosts);
        }
    }
}

fn inventory(hosts: &Hosts) -> Value {
    let mut groups: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    let mut host_variables = serde_json::Map::new();
    for (name, (row, line)) in hosts {
        for group in groups_of(row, line) {
            groups.entry(group).or_default().insert(name);
        }
        host_variables.insert(name.clone(), variables(row, line));
    }
    let mut whole = serde_json::Map::new();
    let children: Vec<&String> = groups.keys().collect();
    whole
        .insert("all".to_owned(), json!({ "hosts": hosts.keys().collect::<Vec<_>>(), "children": children }));
    whole.insert("_meta".to_owned(), json!({ "hostvars": host_variables }));
    for (group, members) in &groups {
        whole.insert(group.clone(), json!({ "hosts": members }));
    }
    Value::Object(whole)
}

fn groups_of(row: &RegisterRow, line: &VmLine) -> Vec<String> {
    let mut groups = vec![group(&["vcenter", &line.vcenter])];
    groups.extend(line.environment.as_ref().map(|name| group(&["environment", name])));
    groups.extend(line.os.as_ref().map(|family| group(&["os", family])));
    groups.extend(row.seen.vm.power.map(|power| group(&["power", power.name()])));
    groups.extend(row.seen.vm.custom_values.iter().map(|(name, value)| group(&["tag", name, value])));
    if line.verdict.is_some() {
        groups.push("drifted".to_owned());
    }
    groups
}

fn group(parts: &[&str]) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' };
    parts.join("_").chars().map(plain).collect()
}

fn variables(row: &RegisterRow, line: &VmLine) -> Value {
    let vm = &row.seen.vm;
    let mut variables = json!({
        "vm_name": vm.name,
        "vm_id": vm.instance_uuid,
        "vm_uid": line.vm_uid,
        "vm_moid": vm.moid,
        "vm_cpu": vm.cpu,
        "vm_memory": vm.memory_mib,
        "vm_power": vm.power,
        "vm_folder": vm.folder,
        "vm_tags": vm.custom_values,
        "os_type": line.os,
        "environment_name": line.environment,
        "vcenter": line.vcenter,
        "datacenter": vm.datacenter,
        "ip_address": vm.ip_address,
        "causeway_request": line.request,
        "causeway_verdict": line.verdict.map_or("in_sync", DriftVerdict::name),
    });
    if let Some(address) = &vm.ip_address {
        variables["ansible_host"] = json!(address);
    }
    variables
}
