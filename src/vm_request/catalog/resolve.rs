//! From a lean request to the whole VM.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::check::list;
use super::{Catalog, Environment, Image, Network};
use crate::vm_request::spec::{Address, DiskSpec, NicSpec, NicType, OsFamily, VmRequest, VmSpec};
use crate::vm_request::violation::Violation;

impl Catalog {
    /// Makes a whole [`VmSpec`] of a request, or says everything that is wrong with it.
    ///
    /// # Errors
    /// Every violation at once, each with a JSON pointer into the request.
    pub fn resolve(&self, request: &VmRequest) -> Result<VmSpec, Vec<Violation>> {
        let mut found = Vec::new();
        let Some(environment) = self.environments.get(&request.environment) else {
            let detail = format!("`{}` is not an environment of the catalog", request.environment);
            found.push(Violation::new("/environment", detail, list(self.environments.keys())));
            // What can be told without the environment is told as well.
            self.compute(request, None, &mut found);
            self.disks(request, &mut found);
            if let Some(os) = request.vm_os {
                check_name(request, os, &mut found);
            }
            return Err(found);
        };
        let image = self.image(request, &mut found);
        let (cpu, memory_mib) = self.compute(request, image, &mut found);
        let folder = choice(
            &mut found,
            "/vm_folder",
            request.vm_folder.as_ref(),
            &environment.folder,
            &environment.folders,
        );
        let datastore = choice(
            &mut found,
            "/vm_datastore",
            request.vm_datastore.as_ref(),
            &environment.datastore,
            &environment.datastores,
        );
        let nics = self.nics(request, environment, &mut found);
        let disks = self.disks(request, &mut found);
        if let Some(image) = image {
            check_name(request, image.vm_os, &mut found);
        }
        let (Some(image), true) = (image, found.is_empty()) else { return Err(found) };
        Ok(VmSpec {
            vm_name: request.vm_name.clone(),
            environment: request.environment.clone(),
            controller: environment.controller.clone(),
            vcenter: environment.vcenter.clone(),
            os: image.vm_os,
            os_version: image.vm_os_version.clone(),
            template: image.template.clone(),
            size: request.size.clone(),
            cpu,
            memory_mib,
            datacenter: environment.datacenter.clone(),
            cluster: environment.cluster.clone(),
            folder,
            datastore,
            dns: dns(request, environment, nics.first()),
            nics,
            disks,
            domain: environment.domain.clone(),
            expects_address: environment.expects_address,
            description: request.description.clone(),
        })
    }

    /// The image named by system and version, by template, or by all three where they agree.
    fn image(&self, request: &VmRequest, found: &mut Vec<Violation>) -> Option<&Image> {
        let offered = |image: &&Image| {
            image.environments.is_empty() || image.environments.contains(&request.environment)
        };
        let offered: Vec<&Image> = self.images.iter().filter(offered).collect();
        let fits = |image: &&&Image| {
            request.vm_os.is_none_or(|os| os == image.vm_os)
                && request.vm_os_version.as_ref().is_none_or(|version| *version == image.vm_os_version)
                && request.vm_template.as_ref().is_none_or(|template| *template == image.template)
        };
        if request.vm_template.is_none() {
            let missing = |field: &str, expected: String| {
                Violation::new(field, "is required unless vm_template names the image", expected)
            };
            if request.vm_os.is_none() {
                let names: BTreeSet<String> =
                    offered.iter().map(|image| image.vm_os.name().to_owned()).collect();
                found.push(missing("/vm_os", list(names.iter())));
            }
            if request.vm_os_version.is_none() {
                found.push(missing("/vm_os_version", versions(&offered, request.vm_os)));
            }
            if request.vm_os.is_none() || request.vm_os_version.is_none() {
                return None;
            }
        }
        let image = offered.iter().find(fits).copied();
        if image.is_none() {
            found.push(self.no_image(request, &offered));
        }
        image
    }

    fn no_image(&self, request: &VmRequest, offered: &[&Image]) -> Violation {
        let Some(template) = &request.vm_template else {
            let os = request.vm_os.map_or("", OsFamily::name);
            let version = request.vm_os_version.as_deref().unwrap_or_default();
            let detail = format!("there is no image of {os} {version} in {}", request.environment);
            return Violation::new("/vm_os_version", detail, versions(offered, request.vm_os));
        };
        match offered.iter().find(|image| image.template == *template) {
            Some(image) => Violation::new(
                "/vm_template",
                format!(
                    "`{template}` is {} {}, not what was asked for",
                    image.vm_os.name(),
                    image.vm_os_version
                ),
                "a vm_os and vm_os_version that agree with it, or none",
            ),
            None => {
                let names: BTreeSet<String> = offered.iter().map(|image| image.template.clone()).collect();
                let detail = format!("`{template}` is not an image of {}", request.environment);
                Violation::new("/vm_template", detail, list(names.iter()))
            }
        }
    }

    fn compute(&self, request: &VmRequest, image: Option<&Image>, found: &mut Vec<Violation>) -> (u32, u64) {
        let size = request.size.as_ref().and_then(|name| self.sizes.get(name));
        if let (Some(name), None) = (&request.size, size) {
            found.push(Violation::new("/size", format!("`{name}` is not a size"), list(self.sizes.keys())));
        }
        if request.size.is_none() {
            for (field, given) in
                [("/vm_cpu", request.vm_cpu.is_some()), ("/vm_memory", request.vm_memory.is_some())]
            {
                if !given {
                    let expected = format!("a number, or a size: {}", list(self.sizes.keys()));
                    found.push(Violation::new(field, "is required unless size is given", expected));
                }
            }
        }
        if let Some(size) = size {
            let contradicts = |given: Option<u64>, of_size: u64| given.is_some_and(|given| given != of_size);
            if contradicts(request.vm_cpu.map(u64::from), u64::from(size.cpu)) {
                found.push(Violation::new("/vm_cpu", "contradicts size", format!("{} or none", size.cpu)));
            }
            if contradicts(request.vm_memory, size.memory_mib) {
                let expected = format!("{} or none", size.memory_mib);
                found.push(Violation::new("/vm_memory", "contradicts size", expected));
            }
        }
        let cpu = request.vm_cpu.or(size.map(|size| size.cpu)).unwrap_or_default();
        let memory_mib = request.vm_memory.or(size.map(|size| size.memory_mib)).unwrap_or_default();
        if cpu > self.limits.cpu_max {
            found.push(Violation::new(
                "/vm_cpu",
                "is over the limit",
                format!("at most {}", self.limits.cpu_max),
            ));
        }
        if memory_mib > self.limits.memory_mib_max {
            let expected = format!("at most {} MiB", self.limits.memory_mib_max);
            found.push(Violation::new("/vm_memory", "is over the limit", expected));
        }
        let least = image.map_or(0, |image| image.memory_mib_min);
        if memory_mib != 0 && memory_mib < least {
            let field = if request.vm_memory.is_some() { "/vm_memory" } else { "/size" };
            found.push(Violation::new(field, "is too little for the image", format!("at least {least} MiB")));
        }
        (cpu, memory_mib)
    }

    fn nics(
        &self,
        request: &VmRequest,
        environment: &Environment,
        found: &mut Vec<Violation>,
    ) -> Vec<NicSpec> {
        let nic_type = request.nic_type.unwrap_or(self.limits.nic_type);
        let first_network = request.vm_network.as_ref().unwrap_or(&environment.default_network);
        let mut wanted = vec![Wanted {
            at: String::new(),
            network_field: "/vm_network",
            ip_field: "/vm_ip_address",
            gateway_field: "/vm_gateway",
            network: first_network,
            nic_type,
            ip: request.vm_ip_address,
            gateway: request.vm_gateway,
        }];
        wanted.extend(request.vm_nic.iter().enumerate().map(|(index, nic)| Wanted {
            at: format!("/vm_nic/{index}"),
            network_field: "/network_name",
            ip_field: "/ip_address",
            gateway_field: "/gateway",
            network: &nic.network_name,
            nic_type: nic.nic_type.unwrap_or(nic_type),
            ip: nic.ip_address,
            gateway: nic.gateway,
        }));
        wanted.extend(request.network_name.as_ref().map(|network| Wanted {
            at: String::new(),
            network_field: "/network_name",
            ip_field: "",
            gateway_field: "",
            network,
            nic_type,
            ip: None,
            gateway: None,
        }));
        if wanted.len() > self.limits.nics_max {
            let expected = format!("at most {} adapters in all", self.limits.nics_max);
            found.push(Violation::new(
                "/vm_nic",
                format!("{} adapters are asked for", wanted.len()),
                expected,
            ));
        }
        let mut taken = BTreeSet::new();
        wanted
            .into_iter()
            .filter_map(|nic| {
                if let Some(ip) = nic.ip
                    && !taken.insert(ip)
                {
                    let at = format!("{}{}", nic.at, nic.ip_field);
                    found.push(Violation::new(at, format!("{ip} is asked for twice"), "a free address"));
                }
                nic.resolve(environment, found)
            })
            .collect()
    }

    fn disks(&self, request: &VmRequest, found: &mut Vec<Violation>) -> Vec<DiskSpec> {
        let default_type = request.disk_type.unwrap_or(self.limits.disk_type);
        let mut disks: Vec<(String, DiskSpec)> = Vec::new();
        for (index, disk) in request.vm_disk.iter().enumerate() {
            let disk_type = disk.disk_type.unwrap_or(default_type);
            let spec = DiskSpec { name: disk.disk_name.clone(), size_gib: disk.disk_size, disk_type };
            disks.push((format!("/vm_disk/{index}"), spec));
        }
        if let (Some(name), Some(size_gib)) = (&request.disk_name, request.disk_size) {
            disks.push((String::new(), DiskSpec { name: name.clone(), size_gib, disk_type: default_type }));
        }
        if disks.len() > self.limits.disks_max {
            let expected = format!("at most {}", self.limits.disks_max);
            found.push(Violation::new("/vm_disk", format!("{} disks are asked for", disks.len()), expected));
        }
        let mut names = BTreeSet::new();
        for (at, disk) in &disks {
            if !names.insert(disk.name.to_lowercase()) {
                let detail = format!("`{}` is the name of two disks", disk.name);
                found.push(Violation::new(format!("{at}/disk_name"), detail, "a name of its own"));
            }
            if disk.size_gib > self.limits.disk_gib_max {
                let expected = format!("at most {} GiB", self.limits.disk_gib_max);
                found.push(Violation::new(format!("{at}/disk_size"), "is over the limit", expected));
            }
        }
        disks.into_iter().map(|(_, disk)| disk).collect()
    }
}

/// An adapter as asked for, with the places to name when it is wrong.
struct Wanted<'a> {
    at: String,
    network_field: &'static str,
    ip_field: &'static str,
    gateway_field: &'static str,
    network: &'a String,
    nic_type: NicType,
    ip: Option<IpAddr>,
    gateway: Option<IpAddr>,
}

impl Wanted<'_> {
    fn resolve(&self, environment: &Environment, found: &mut Vec<Violation>) -> Option<NicSpec> {
        let Some(network) = environment.networks.get(self.network) else {
            let at = format!("{}{}", self.at, self.network_field);
            let detail = format!("`{}` is not a network of the environment", self.network);
            found.push(Violation::new(at, detail, list(environment.networks.keys())));
            return None;
        };
        let address = self.address(network, found)?;
        Some(NicSpec { network: self.network.clone(), nic_type: self.nic_type, address })
    }

    fn address(&self, network: &Network, found: &mut Vec<Violation>) -> Option<Address> {
        let Some(ip) = self.ip else {
            if self.gateway.is_some() {
                let at = format!("{}{}", self.at, self.gateway_field);
                found.push(Violation::new(
                    at,
                    "stands without a static address",
                    "an address beside it, or none",
                ));
                return None;
            }
            if !network.dhcp {
                let (field, wanted) = if self.ip_field.is_empty() {
                    (self.network_field, "another network, or vm_nic with an ip_address")
                } else {
                    (self.ip_field, "a static address")
                };
                let at = format!("{}{field}", self.at);
                found.push(Violation::new(
                    at,
                    format!("network `{}` hands out no addresses", self.network),
                    wanted,
                ));
                return None;
            }
            return Some(Address::Dhcp);
        };
        let at = format!("{}{}", self.at, self.ip_field);
        let Some(cidr) = network.cidr else {
            let detail = format!("the catalog knows no addresses of network `{}`", self.network);
            found.push(Violation::new(at, detail, "no static address"));
            return None;
        };
        let gateway = self.gateway.or(network.gateway);
        if !cidr.is_host(ip) || Some(ip) == gateway {
            let detail = format!("{ip} cannot be a VM's address on network `{}`", self.network);
            found.push(Violation::new(at, detail, format!("a host's address in {cidr}, not the gateway's")));
            return None;
        }
        if let Some(gateway) = self.gateway
            && !cidr.is_host(gateway)
        {
            let at = format!("{}{}", self.at, self.gateway_field);
            let detail = format!("{gateway} does not lie on network `{}`", self.network);
            found.push(Violation::new(at, detail, format!("an address in {cidr}")));
            return None;
        }
        Some(Address::Static { ip, prefix: cidr.prefix(), gateway })
    }
}

fn choice(
    found: &mut Vec<Violation>,
    at: &str,
    asked: Option<&String>,
    default: &String,
    others: &[String],
) -> String {
    let Some(asked) = asked else { return default.clone() };
    if asked != default && !others.contains(asked) {
        let names: BTreeSet<String> = others.iter().chain([default]).cloned().collect();
        found.push(Violation::new(at, format!("`{asked}` is not open to requests"), list(names.iter())));
    }
    asked.clone()
}

fn check_name(request: &VmRequest, os: OsFamily, found: &mut Vec<Violation>) {
    let length = request.vm_name.chars().count();
    if length > os.name_chars_max() {
        let expected = format!("at most {} characters for {}", os.name_chars_max(), os.name());
        found.push(Violation::new("/vm_name", format!("has {length} characters"), expected));
    }
    if os == OsFamily::Windows && request.vm_name.bytes().all(|byte| byte.is_ascii_digit()) {
        found.push(Violation::new("/vm_name", "has digits only", "at least one letter for windows"));
    }
}

fn dns(request: &VmRequest, environment: &Environment, first: Option<&NicSpec>) -> Vec<IpAddr> {
    if !request.vm_dns.is_empty() {
        return request.vm_dns.clone();
    }
    let network = first.and_then(|nic| environment.networks.get(&nic.network));
    match network {
        Some(network) if !network.dns.is_empty() => network.dns.clone(),
        _ => environment.dns.clone(),
    }
}

fn versions(offered: &[&Image], os: Option<OsFamily>) -> String {
    let fits = offered.iter().filter(|image| os.is_none_or(|os| os == image.vm_os));
    let names: BTreeSet<String> =
        fits.map(|image| format!("{} {}", image.vm_os.name(), image.vm_os_version)).collect();
    list(names.iter())
}
