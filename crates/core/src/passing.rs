//! Which calls of a function pass through the layer, by its environment variables. The layer goes by it when it starts, and
//! `doctor` and the preflight of a run before that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::fault::Calls;
use crate::host::HostPattern;
use crate::service::Service;

/// The variable with the services and hosts whose calls pass through the layer, like `dynamodb,api.example.com`.
pub const DEPENDENCIES: &str = "INOCULATE_DEPENDENCIES";

/// All variables that lead to a proxy.
pub const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The variables that keep calls away from a proxy.
pub const NO_PROXIES: [&str; 2] = ["NO_PROXY", "no_proxy"];

/// Why nothing passes in a function that no experiment reaches.
pub const NO_TABLE: &str = "INOCULATE_TABLE is not set, so no experiment ever reaches this function";

/// Which calls of a function pass through the layer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Passing {
    /// The services whose calls pass.
    pub services: BTreeSet<Service>,
    /// The services that are named in vain, each with the reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub in_vain: BTreeMap<Service, String>,
    /// The hosts whose calls pass.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub hosts: BTreeSet<HostPattern>,
    /// Why hosts are named in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hosts_in_vain: Option<String>,
    /// What is named and neither a service nor a host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown: Vec<String>,
}

impl Passing {
    /// What the configuration of a function says: its runtime, as Lambda calls it, and its variables, read through `get`.
    pub fn read<'a>(runtime: &str, get: impl Fn(&str) -> Option<&'a str>) -> Passing {
        let Named {
            services,
            hosts,
            unknown,
        } = named(get(DEPENDENCIES).unwrap_or_default());
        let text = |name: &str| get(name).map(str::to_owned);
        let mut passing = Passing {
            unknown,
            ..Passing::default()
        };
        match hosts_excuse(text) {
            None => passing.hosts = hosts,
            Some(reason) if !hosts.is_empty() => passing.hosts_in_vain = Some(reason),
            Some(_) => {}
        }
        let is_node = runtime.starts_with("nodejs");
        for service in services {
            match excuse(service, is_node, text) {
                None => drop(passing.services.insert(service)),
                Some(reason) => drop(passing.in_vain.insert(service, reason)),
            }
        }
        passing
    }

    /// Why none of these calls can meet a fault, in words that follow the name of a function.
    pub fn obstacle(&self, calls: &Calls) -> Option<String> {
        if let Some(host) = &calls.host {
            return self.obstacle_of_host(host);
        }
        let Some(service) = calls.service else {
            let none = self.services.is_empty();
            return none.then(|| format!("has no service in {DEPENDENCIES} whose calls pass through the layer"));
        };
        if self.services.contains(&service) {
            return None;
        }
        let name = service.name();
        Some(match self.in_vain.get(&service) {
            Some(reason) => format!("names {name} in {DEPENDENCIES} in vain: {reason}"),
            None => format!("does not name {name} in {DEPENDENCIES}, so its calls to it do not pass through the layer"),
        })
    }

    fn obstacle_of_host(&self, host: &HostPattern) -> Option<String> {
        if self.hosts.iter().any(|named| named.overlaps(host)) {
            return None;
        }
        Some(match &self.hosts_in_vain {
            Some(reason) => format!("names hosts in {DEPENDENCIES} in vain: {reason}"),
            None => format!("does not name {host} in {DEPENDENCIES}, so its calls to it do not pass through the layer"),
        })
    }
}

/// What a function depends on: a service of AWS, or hosts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// A service of AWS.
    Service(Service),
    /// Hosts that are not AWS, or are called by other means than an SDK.
    Host(HostPattern),
}

/// A text names neither a service nor a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a service nor a host")]
pub struct DependencyError(String);

impl FromStr for Dependency {
    type Err = DependencyError;

    fn from_str(text: &str) -> Result<Dependency, DependencyError> {
        let service = Service::named(text).map(Dependency::Service);
        let found = service.or_else(|| text.parse().ok().map(Dependency::Host));
        found.ok_or_else(|| DependencyError(text.to_owned()))
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dependency::Service(service) => f.write_str(service.name()),
            Dependency::Host(host) => host.fmt(f),
        }
    }
}

/// What a list of dependencies names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// The services, each once.
    pub services: BTreeSet<Service>,
    /// The hosts, each once.
    pub hosts: BTreeSet<HostPattern>,
    /// What is neither, in the order of the list.
    pub unknown: Vec<String>,
}

/// What a list like `dynamodb,api.example.com` names.
pub fn named(list: &str) -> Named {
    let mut found = Named::default();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match name.parse() {
            Ok(Dependency::Service(service)) => drop(found.services.insert(service)),
            Ok(Dependency::Host(host)) => drop(found.hosts.insert(host)),
            Err(_) => found.unknown.push(name.to_owned()),
        }
    }
    found
}

/// A list with these in it: those that are missing are added at its end. What is there stays as it is.
pub fn with(list: &str, dependencies: &[Dependency]) -> String {
    let mut list = list.to_owned();
    for dependency in dependencies {
        let named = named(&list);
        let is_there = match dependency {
            Dependency::Service(service) => named.services.contains(service),
            Dependency::Host(host) => named.hosts.contains(host),
        };
        if is_there {
            continue;
        }
        if !list.trim().is_empty() && !list.trim_end().ends_with(',') {
            list.push(',');
        }
        list.push_str(&dependency.to_string());
    }
    list
}

/// Why the SDK for JavaScript cannot call this service through the layer, if the function runs on Node.
///
/// Source: <https://github.com/aws/aws-sdk-js-v3/issues/7146>
pub fn foreign(service: Service, is_node: bool) -> Option<&'static str> {
    match service {
        Service::Kinesis if is_node => Some("the SDK for JavaScript speaks HTTP/2 with it"),
        Service::StepFunctions if is_node => {
            Some("the SDK for JavaScript puts `sync-` before the host whatever the environment says")
        }
        _ => None,
    }
}

/// Why the calls to hosts should not pass through the layer. Variables are read through `get`.
pub fn hosts_excuse(get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name: &&str| get(name).is_some_and(|value| !value.is_empty());
    if !set(&"INOCULATE_TABLE") {
        return Some(NO_TABLE.to_owned());
    }
    proxy_excuse(get)
}

/// Why a process should not be led to a proxy of the layer: its owner has decided about proxies. Variables are read through
/// `get`.
pub fn proxy_excuse(get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name: &&str| get(name).is_some_and(|value| !value.is_empty());
    if let Some(name) = PROXIES.iter().find(|name| set(name)) {
        return Some(format!("{name} is set, and the calls stay with that proxy"));
    }
    let none = |name: &&str| get(name).is_some_and(|value| value.trim() == "*");
    let name = NO_PROXIES.iter().find(|name| none(name))?;
    Some(format!("{name} keeps every call from a proxy"))
}

/// Why the calls to a service should not pass through the layer: it could not do with them what the SDK would do, or the
/// SDK would not make them at all. Variables are read through `get`.
pub fn excuse(service: Service, is_node: bool, get: impl Fn(&str) -> Option<String>) -> Option<String> {
    let set = |name: &&str| get(name).is_some_and(|value| !value.is_empty());
    let on = |name: &&str| get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !set(&"INOCULATE_TABLE") {
        return Some(NO_TABLE.to_owned());
    }
    // SDKs refuse to combine these with another endpoint.
    // Source: <https://github.com/boto/botocore/tree/develop/botocore/data>, the endpoint rule sets.
    if let Some(name) = ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"]
        .iter()
        .find(|name| on(name))
    {
        return Some(format!(
            "{name} is set, which SDKs do not combine with an endpoint of its own"
        ));
    }
    // The layer does not go through proxies, nor trust who is in this file, and SDKs may send calls to this machine to a
    // proxy.
    if let Some(name) = PROXIES.iter().chain(&["AWS_CA_BUNDLE"]).find(|name| set(name)) {
        return Some(format!("{name} is set, which the layer cannot follow"));
    }
    if let Some(reason) = foreign(service, is_node) {
        return Some(reason.to_owned());
    }
    // SDKs put `sync-` before the host, where there is none to be found.
    // Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-host-prefix.html>
    let prefixes = "AWS_DISABLE_HOST_PREFIX_INJECTION";
    if service == Service::StepFunctions && !on(&prefixes) {
        return Some(format!(
            "{prefixes} is not true, so StartSyncExecution would not get here"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(runtime: &str, pairs: &[(&str, &'static str)]) -> Passing {
        Passing::read(runtime, |name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| *value)
        })
    }

    fn obstacle(passing: &Passing, calls: &str) -> Option<String> {
        passing.obstacle(&serde_json::from_str(calls).unwrap())
    }

    #[test]
    fn what_is_named_passes() {
        let table = ("INOCULATE_TABLE", "inoculate");
        let passing = read("python3.13", &[table, (DEPENDENCIES, " lambda, dynamodb,lambda,sqss")]);
        assert_eq!(passing.services, [Service::DynamoDb, Service::Lambda].into());
        assert_eq!(
            (passing.in_vain.len(), passing.unknown.as_slice()),
            (0, ["sqss".to_owned()].as_slice())
        );
        assert_eq!(obstacle(&passing, r#"{"service":"lambda"}"#), None);
        assert_eq!(obstacle(&passing, r#"{"region":"eu-west-1"}"#), None);
        let sqs = obstacle(&passing, r#"{"service":"sqs"}"#).unwrap();
        assert!(sqs.starts_with("does not name sqs in INOCULATE_DEPENDENCIES"), "{sqs}");
    }

    #[test]
    fn what_is_not_sound_is_named_in_vain() {
        let table = ("INOCULATE_TABLE", "inoculate");
        for (runtime, variables, service, reason) in [
            (
                "python3.13",
                vec![(DEPENDENCIES, "sqs")],
                "sqs",
                "INOCULATE_TABLE is not set",
            ),
            (
                "python3.13",
                vec![table, (DEPENDENCIES, "sqs"), ("AWS_USE_FIPS_ENDPOINT", "TRUE")],
                "sqs",
                "AWS_USE_FIPS_ENDPOINT is set",
            ),
            (
                "python3.13",
                vec![table, (DEPENDENCIES, "sqs"), ("https_proxy", "http://proxy:3128")],
                "sqs",
                "https_proxy is set",
            ),
            (
                "python3.13",
                vec![table, (DEPENDENCIES, "sqs"), ("AWS_CA_BUNDLE", "/ca.pem")],
                "sqs",
                "AWS_CA_BUNDLE is set",
            ),
            (
                "nodejs22.x",
                vec![table, (DEPENDENCIES, "kinesis")],
                "kinesis",
                "HTTP/2",
            ),
            (
                "nodejs22.x",
                vec![
                    table,
                    (DEPENDENCIES, "stepfunctions"),
                    ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"),
                ],
                "stepfunctions",
                "`sync-`",
            ),
            (
                "python3.13",
                vec![table, (DEPENDENCIES, "stepfunctions")],
                "stepfunctions",
                "AWS_DISABLE_HOST_PREFIX_INJECTION is not true",
            ),
        ] {
            let passing = read(runtime, &variables);
            assert!(passing.services.is_empty(), "{service}: {reason}");
            let said = obstacle(&passing, &format!(r#"{{"service":"{service}"}}"#)).unwrap();
            assert!(said.contains(reason), "{said}");
            assert!(obstacle(&passing, r#"{"region":"eu-west-1"}"#).is_some());
        }
        let kinesis = read("python3.13", &[table, (DEPENDENCIES, "kinesis")]);
        assert!(kinesis.services.contains(&Service::Kinesis));
    }

    #[test]
    fn hosts_pass_unless_the_owner_has_decided_about_proxies() {
        let named = [("INOCULATE_TABLE", "inoculate"), (DEPENDENCIES, "sqs,*.example.com")];
        let passing = read("python3.13", &named);
        assert_eq!(obstacle(&passing, r#"{"host":"api.example.com"}"#), None);
        let other = obstacle(&passing, r#"{"host":"example.org"}"#).unwrap();
        assert!(other.starts_with("does not name example.org in"), "{other}");
        for (name, value) in [("https_proxy", "http://proxy:3128"), ("NO_PROXY", " * ")] {
            let passing = read("python3.13", &[named[0], named[1], (name, value)]);
            let said = obstacle(&passing, r#"{"host":"api.example.com"}"#).unwrap();
            assert!(said.contains("in vain") && said.contains(name), "{said}");
        }
        let without_table = read("python3.13", &[named[1]]);
        assert!(
            obstacle(&without_table, r#"{"host":"api.example.com"}"#)
                .unwrap()
                .contains(NO_TABLE)
        );
    }

    #[test]
    fn dependencies_are_added_to_a_list_and_nothing_is_taken_from_it() {
        for (before, added, after) in [
            ("", &["sqs", "sns"][..], "sqs,sns"),
            ("sns", &["sqs", "sns"], "sns,sqs"),
            ("sns, other,", &["sqs"], "sns, other,sqs"),
            ("sqs", &["sqs"], "sqs"),
            (
                "sqs",
                &["*.example.com", "sqs", "payments:80"],
                "sqs,*.example.com,payments:80",
            ),
            ("a.example.com", &["a.example.com"], "a.example.com"),
            ("x", &[], "x"),
        ] {
            let added: Vec<Dependency> = added.iter().map(|name| name.parse().unwrap()).collect();
            assert_eq!(with(before, &added), after);
        }
    }
}
