//! Whether a catalog makes sense by itself, told before any request meets it.

use std::collections::BTreeSet;

use super::{Catalog, Environment};
use crate::vm_request::violation::{Violation, token};

impl Catalog {
    /// Everything wrong with the catalog: names that point nowhere, and sizes and images that no request could use.
    /// `controllers` and `vcenters` are the configured names.
    #[must_use]
    pub fn violations(&self, controllers: &BTreeSet<String>, vcenters: &BTreeSet<String>) -> Vec<Violation> {
        let mut found = Vec::new();
        if self.environments.is_empty() {
            found.push(Violation::new("/catalog/environments", "no environment is defined", "at least one"));
        }
        for (name, environment) in &self.environments {
            let at = format!("/catalog/environments/{}", token(name));
            known(&mut found, &at, "controller", &environment.controller, controllers);
            known(&mut found, &at, "vcenter", &environment.vcenter, vcenters);
            self.environment_violations(&mut found, &at, name, environment);
        }
        self.image_violations(&mut found);
        for (name, size) in &self.sizes {
            if size.cpu == 0 || size.cpu > self.limits.cpu_max {
                let expected = format!("1 to {}", self.limits.cpu_max);
                found.push(Violation::new(
                    format!("/catalog/sizes/{}/cpu", token(name)),
                    "is out of the limits",
                    expected,
                ));
            }
            let is_usable = (4..=self.limits.memory_mib_max).contains(&size.memory_mib)
                && size.memory_mib.is_multiple_of(4);
            if !is_usable {
                let expected = format!("4 to {} MiB, a multiple of 4", self.limits.memory_mib_max);
                found.push(Violation::new(
                    format!("/catalog/sizes/{}/memory_mib", token(name)),
                    "is out of the limits",
                    expected,
                ));
            }
        }
        found
    }

    fn environment_violations(
        &self,
        found: &mut Vec<Violation>,
        at: &str,
        name: &str,
        environment: &Environment,
    ) {
        if !environment.networks.contains_key(&environment.default_network) {
            found.push(Violation::new(
                format!("{at}/default_network"),
                format!("`{}` is not one of the environment's networks", environment.default_network),
                list(environment.networks.keys()),
            ));
        }
        for (network_name, network) in &environment.networks {
            let at = format!("{at}/networks/{}", token(network_name));
            if let (Some(cidr), Some(gateway)) = (network.cidr, network.gateway)
                && !cidr.is_host(gateway)
            {
                found.push(Violation::new(
                    format!("{at}/gateway"),
                    format!("{gateway} is no host's address in {cidr}"),
                    format!("an address in {cidr}"),
                ));
            }
            if !network.dhcp && network.cidr.is_none() {
                found.push(Violation::new(
                    at,
                    "has neither `dhcp = true` nor a `cidr`: no VM on it could get an address",
                    "one of the two",
                ));
            }
        }
        let offered = |image: &super::Image| {
            image.environments.is_empty() || image.environments.iter().any(|env| env == name)
        };
        if !self.images.iter().any(offered) {
            found.push(Violation::new(at, "has no image", "an entry in catalog.images"));
        }
    }

    fn image_violations(&self, found: &mut Vec<Violation>) {
        let mut seen = BTreeSet::new();
        for (index, image) in self.images.iter().enumerate() {
            let at = format!("/catalog/images/{index}");
            if image.memory_mib_min > self.limits.memory_mib_max {
                found.push(Violation::new(
                    format!("{at}/memory_mib_min"),
                    "is more than any request may ask for",
                    format!("at most {} MiB", self.limits.memory_mib_max),
                ));
            }
            let environments: Vec<&String> = if image.environments.is_empty() {
                self.environments.keys().collect()
            } else {
                image.environments.iter().collect()
            };
            for environment in environments {
                if !self.environments.contains_key(environment) {
                    found.push(Violation::new(
                        format!("{at}/environments"),
                        format!("`{environment}` is no environment"),
                        list(self.environments.keys()),
                    ));
                }
                if !seen.insert((image.vm_os, image.vm_os_version.clone(), environment.clone())) {
                    found.push(Violation::new(
                        &at,
                        format!(
                            "{} {} stands twice for environment `{environment}`",
                            image.vm_os.name(),
                            image.vm_os_version
                        ),
                        "one template for each system, version and environment",
                    ));
                }
            }
        }
    }
}

fn known(found: &mut Vec<Violation>, at: &str, field: &str, name: &str, names: &BTreeSet<String>) {
    if !names.contains(name) {
        found.push(Violation::new(
            format!("{at}/{field}"),
            format!("no {field} is named `{name}`"),
            list(names.iter()),
        ));
    }
}

/// `a, b or c`: how the choices are named in a violation.
pub(super) fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    match names.as_slice() {
        [] => "none is defined".to_owned(),
        [one] => (*one).to_owned(),
        [head @ .., last] => format!("{} or {last}", head.join(", ")),
    }
}
