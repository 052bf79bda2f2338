//! A play's variables, read as the playbooks read them: absent means a default, never an error.

use serde_json::{Map, Value};

/// The extra variables of a job.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variables(Map<String, Value>);

/// One adapter of `vm_nic`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NicWanted {
    pub network_name: String,
    pub nic_type: String,
    pub ip_address: Option<String>,
}

/// One disk of `vm_disk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DiskWanted {
    pub disk_name: String,
    pub disk_size_gib: u64,
    pub disk_type: String,
}

impl Variables {
    pub fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).filter(|value| !value.is_null())
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    pub fn number(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(|value| value.as_u64().or_else(|| value.as_str()?.parse().ok()))
    }

    pub fn vm_name(&self) -> &str {
        self.text("vm_name").unwrap_or_default()
    }

    /// Name of the VM's host in both inventories: given, or the VM's name with its domain, lower case.
    pub fn host_name(&self) -> String {
        match (self.text("vm_host_name"), self.text("vm_domain")) {
            (Some(name), _) => name.to_owned(),
            (None, Some(domain)) => format!("{}.{domain}", self.vm_name()).to_lowercase(),
            (None, None) => self.vm_name().to_lowercase(),
        }
    }

    /// The id under which the artifacts are filed; made up for a job run by hand.
    pub fn execution_id(&self, job: u64) -> String {
        self.text("execution_id").map_or_else(|| format!("manual_{job}"), str::to_owned)
    }

    /// Whether `causeway_stages` lists the stage; without the list, every stage is wanted.
    pub fn wants_stage(&self, stage: &str) -> bool {
        let listed = self.get("causeway_stages").and_then(Value::as_array);
        listed.is_none_or(|stages| stages.iter().any(|listed| listed.as_str() == Some(stage)))
    }

    /// `vm_nic`, or the one adapter that `vm_network` asks for.
    pub fn nics(&self) -> Vec<NicWanted> {
        let text = |item: &Value, key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
        let listed = self.get("vm_nic").and_then(Value::as_array).into_iter().flatten();
        let mut nics: Vec<NicWanted> = listed
            .filter_map(|item| {
                Some(NicWanted {
                    network_name: text(item, "network_name")?,
                    nic_type: text(item, "nic_type").unwrap_or_else(|| "vmxnet3".to_owned()),
                    ip_address: text(item, "ip_address"),
                })
            })
            .collect();
        if let (true, Some(network)) = (nics.is_empty(), self.text("vm_network")) {
            nics.push(NicWanted {
                network_name: network.to_owned(),
                nic_type: "vmxnet3".to_owned(),
                ip_address: None,
            });
        }
        if let Some(first) = nics.first_mut() {
            first.ip_address = first.ip_address.take().or(self.text("vm_ip_address").map(str::to_owned));
        }
        nics
    }

    /// `vm_disk`: the data disks beside the template's own.
    pub fn disks(&self) -> Vec<DiskWanted> {
        let listed = self.get("vm_disk").and_then(Value::as_array).into_iter().flatten();
        listed
            .filter_map(|item| {
                let text = |key: &str| item.get(key).and_then(Value::as_str).map(str::to_owned);
                Some(DiskWanted {
                    disk_name: text("disk_name").unwrap_or_default(),
                    disk_size_gib: item.get("disk_size").and_then(Value::as_u64)?,
                    disk_type: text("disk_type").unwrap_or_else(|| "thin".to_owned()),
                })
            })
            .collect()
    }

    /// The artifact that an earlier stage of this run left, if it came through.
    pub fn artifact(&self, execution_id: &str, stage: &str) -> Option<&Value> {
        self.get(&format!("output_{execution_id}_{stage}"))
    }
}
