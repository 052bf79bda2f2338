//! Stages `inventory_write` and `error_handling`: find or create the VM's host, put it into its group and
//! write the variables of A12 from the artifacts of this run. Keys of others are left as they are;
//! histories keep the last 20 entries.

use serde_json::{Map, Value, json};

use super::super::controller::model::content::{DEPLOYED_GROUP, STATE_INVENTORY};
use super::super::controller::model::hosts::HostFields;
use super::super::controller::model::variables::python_json_object;
use super::super::controller::model::{Id, Refusal};
use super::Scene;
use super::report::{Report, call_stack, object, time};

/// Entries kept in `task_history` and `output_history` (DESIGN.md, "who writes what in AAP").
const HISTORY_MAX: usize = 20;

/// The stages whose artifacts are looked at, in their order.
const REPORTING: [&str; 5] =
    ["vm_provision", "network_configuration", "storage_configuration", "inventory_write", "validation"];

impl Scene<'_, '_> {
    pub(super) fn write_inventory(&mut self) -> Report {
        let old = self.old_variables();
        let mut new = old.clone();
        self.write_common(&mut new, "inventory_write", "inventory_write", "successful");
        let provisioned = self.data_of("vm_provision");
        for key in ["vm_id", "vm_moid", "vm_bios_uuid"] {
            if let Some(value) = provisioned.get(key) {
                new.insert(key.to_owned(), value.clone());
            }
        }
        new.insert("vm_state".to_owned(), json!("created"));
        new.insert("ip_address".to_owned(), json!(self.first_address()));
        self.write_times(&mut new, &provisioned);
        new.insert("networks".to_owned(), self.networks_told(&old));
        new.insert("disks".to_owned(), self.disks_told());
        new.insert("os_type".to_owned(), json!(self.variables.text("vm_os").unwrap_or("redhat")));
        for stale in ["vm_error", "failed_at"] {
            new.remove(stale);
        }
        for stage in ["network_configuration", "storage_configuration"] {
            new.remove(&format!("{stage}_error"));
            new.insert(format!("{stage}_state"), json!(self.outcome_of(stage)));
        }
        let host = match self.save(&new) {
            Ok(host) => host,
            Err(refusal) => return Report::failed(format!("cannot write the host: {refusal}")),
        };
        let data = json!({"vm_name": self.variables.vm_name(), "host_id": host,
                          "host_name": self.variables.host_name(), "changed": true});
        Report::done(true, data, without_histories(&new))
    }

    pub(super) fn handle_error(&mut self) -> Report {
        let mut new = self.old_variables();
        let failed = REPORTING.into_iter().find(|stage| self.outcome_of(stage) == "failed");
        let last_task = failed.unwrap_or("vm_provision");
        let error = self.error_of(last_task);
        self.write_common(&mut new, "error_handling", last_task, "failed");
        let provisioned = self.data_of("vm_provision");
        for key in ["vm_id", "vm_moid", "vm_bios_uuid"] {
            let known = provisioned.get(key).or(new.get(key)).cloned();
            new.insert(key.to_owned(), known.unwrap_or(Value::Null));
        }
        new.insert("vm_state".to_owned(), json!("failed"));
        new.insert("vm_error".to_owned(), json!(error));
        new.insert("failed_at".to_owned(), json!(time(self.now)));
        for stage in ["network_configuration", "storage_configuration"] {
            new.insert(format!("{stage}_state"), json!(self.outcome_of(stage)));
            if failed == Some(stage) {
                new.insert(format!("{stage}_error"), json!(error));
            }
        }
        match self.save(&new) {
            Ok(host) => {
                let data = json!({"failed_stage": failed, "error": error, "host_id": host, "changed": true});
                Report::done(true, data, without_histories(&new))
            }
            Err(refusal) => Report::failed(format!("cannot write the host: {refusal}")),
        }
    }

    fn write_common(&self, new: &mut Map<String, Value>, stage: &str, last_task: &str, last_status: &str) {
        let execution_id = self.variables.execution_id(self.job.id);
        let stack = call_stack(stage);
        let now = time(self.now);
        let fixed = json!({
            "vm_name": self.variables.vm_name(),
            "vm_uid": self.variables.text("vm_uid"),
            "execution_id": execution_id,
            "tower_job_id": self.job.id,
            "call_stack": stack,
            "call_chain_id": stack.join("->"),
            "call_depth": stack.len(),
            "last_updated": now,
            "last_task": last_task,
            "last_task_status": last_status,
            "last_task_time": now,
        });
        new.extend(object(fixed));
        let mut tasks = history(new, "task_history");
        let mut outputs = history(new, "output_history");
        for earlier in REPORTING {
            let Some(artifact) = self.variables.artifact(&execution_id, earlier) else { continue };
            tasks.push(json!({
                "task": earlier,
                "status": artifact["task"]["status"],
                "time": artifact["task"]["end_time"],
                "tower_job_id": artifact["context"]["tower_job_id"],
            }));
            let mut output = object(artifact.clone());
            output.remove("aap_state");
            outputs.push(Value::Object(output));
        }
        if stage == "inventory_write" {
            tasks.push(
                json!({"task": stage, "status": last_status, "time": now, "tower_job_id": self.job.id}),
            );
        }
        new.insert("task_history".to_owned(), last(tasks));
        new.insert("output_history".to_owned(), last(outputs));
    }

    fn write_times(&self, new: &mut Map<String, Value>, provisioned: &Map<String, Value>) {
        let execution_id = self.variables.execution_id(self.job.id);
        let artifact = self.variables.artifact(&execution_id, "vm_provision");
        let started = artifact.map(|artifact| artifact["task"]["start_time"].clone());
        let now = || json!(time(self.now));
        new.entry("creation_started").or_insert_with(|| started.unwrap_or_else(now));
        let created = provisioned.get("created_at").cloned();
        new.entry("created_at").or_insert_with(|| created.unwrap_or_else(now));
    }

    fn artifact_of(&self, stage: &str) -> Option<&Value> {
        self.variables.artifact(&self.variables.execution_id(self.job.id), stage)
    }

    fn data_of(&self, stage: &str) -> Map<String, Value> {
        let told =
            self.artifact_of(stage).map(|artifact| object(artifact["data"].clone())).unwrap_or_default();
        let found = (stage == "vm_provision" && !told.contains_key("vm_id") && !self.hands.vcenter_away)
            .then(|| self.own_vm().ok().map(super::provision::identity_of))
            .flatten();
        found.map(object).unwrap_or(told)
    }

    fn outcome_of(&self, stage: &str) -> String {
        let status = self.artifact_of(stage).and_then(|artifact| artifact["task"]["status"].as_str());
        status.unwrap_or("unknown").to_owned()
    }

    fn error_of(&self, stage: &str) -> String {
        let error = self.artifact_of(stage).and_then(|artifact| artifact["data"]["error"].as_str());
        error.unwrap_or("a stage failed without a report").to_owned()
    }

    /// What the network stage told, else what vCenter shows, else what the host had.
    fn networks_told(&self, old: &Map<String, Value>) -> Value {
        let told = self.data_of("network_configuration").get("networks").cloned();
        let shown = || self.own_vm().ok().map(|vm| self.networks(vm.moid));
        told.or_else(shown).or_else(|| old.get("networks").cloned()).unwrap_or_else(|| json!([]))
    }

    /// What the storage stage told, else what was asked for: validation compares it with vCenter.
    fn disks_told(&self) -> Value {
        let told = self.data_of("storage_configuration").get("disks").cloned();
        told.unwrap_or_else(|| self.disks())
    }

    /// What the guest reports, else the static address that was asked for.
    fn first_address(&self) -> Option<String> {
        let reported = self.own_vm().ok().and_then(|vm| vm.guest_ip.clone());
        reported.or_else(|| self.variables.nics().first().and_then(|nic| nic.ip_address.clone()))
    }

    fn old_variables(&self) -> Map<String, Value> {
        let inventory = self.inventory(STATE_INVENTORY);
        let host = inventory.and_then(|id| self.hands.controller.host_id(id, &self.variables.host_name()));
        host.and_then(|id| self.hands.controller.host_variables(id)).unwrap_or_default()
    }

    fn save(&mut self, variables: &Map<String, Value>) -> Result<Id, Refusal> {
        let caller = self.automation();
        let name = self.variables.host_name();
        let inventory = self.inventory(STATE_INVENTORY).ok_or(Refusal::NotFound("Inventory"))?;
        let group =
            self.hands.controller.group_id(inventory, DEPLOYED_GROUP).ok_or(Refusal::NotFound("Group"))?;
        let fields = HostFields {
            instance_id: self.variables.text("vm_uid").map(str::to_owned),
            variables: Some(python_json_object(variables)),
            ..HostFields::default()
        };
        let controller = &mut self.hands.controller;
        let host = match controller.host_id(inventory, &name) {
            Some(host) => {
                controller.edit_host(caller, host, fields, self.now)?;
                host
            }
            None => {
                let fields = HostFields { name: Some(name), ..fields };
                controller.create_host(caller, inventory, fields, self.now)?
            }
        };
        controller.associate_host(caller, group, host, true)?;
        Ok(host)
    }
}

fn history(variables: &Map<String, Value>, key: &str) -> Vec<Value> {
    variables.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

fn last(mut entries: Vec<Value>) -> Value {
    entries.drain(..entries.len().saturating_sub(HISTORY_MAX));
    Value::Array(entries)
}

fn without_histories(variables: &Map<String, Value>) -> Value {
    let mut state = variables.clone();
    for key in ["task_history", "output_history", "causeway"] {
        state.remove(key);
    }
    Value::Object(state)
}
