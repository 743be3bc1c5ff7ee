//! Which environment a run is in, and whether runs may start there.
//!
//! The experiment may say it, and the tag `environment` of a function does. Neither can take back what the other says: a
//! contradiction is refused, and production is production when any of them says so.

use super::{Guard, Preflight};
use crate::deployment::Limits;
use crate::experiment::Experiment;
use crate::names::FunctionName;

/// The tag by which a function says its environment. Upper and lower case mean the same.
const TAG: &str = "environment";

/// The names of production. Upper and lower case mean the same.
const PRODUCTION: [&str; 2] = ["production", "prod"];

/// Whether each function of the blast radius carries the tags that the experiment asks for.
pub(super) fn check_tags(experiment: &Experiment, found: &mut Preflight) {
    let radius = &experiment.blast_radius;
    let mut missing = Vec::new();
    for function in found
        .functions
        .iter()
        .filter(|known| radius.functions.contains(&known.name))
    {
        for (key, value) in &radius.tags {
            let instead = match function.tags.get(key) {
                Some(tag) if tag == value => continue,
                Some(tag) => format!("its tag {key} is {tag:?}"),
                None => format!("it has no tag {key}"),
            };
            missing.push(format!(
                "function {} is not {key}={value}, as blast_radius.tags asks: {instead}",
                function.name
            ));
        }
    }
    for detail in missing {
        found.refuse(Guard::TagMissing, detail);
    }
}

/// Whether the experiment and its functions are of one environment, in which runs may start. Returns whether it is production.
pub(super) fn check(experiment: &Experiment, limits: Option<&Limits>, found: &mut Preflight) -> bool {
    let said = experiment.environment.as_ref().map(|name| name.as_str().to_owned());
    let tagged = tagged(found);
    let differing: Vec<&(FunctionName, String)> = match said.as_ref().or(tagged.first().map(|(_, name)| name)) {
        Some(one) => tagged.iter().filter(|(_, other)| !is_same(one, other)).collect(),
        None => Vec::new(),
    };
    match (&said, differing.is_empty()) {
        (_, true) => {}
        (Some(said), false) => {
            for (function, other) in &differing {
                let detail = format!("the experiment is for {said}, and the tag {TAG} of {function} says {other:?}");
                found.refuse(Guard::EnvironmentDiffers, detail);
            }
        }
        (None, false) => {
            let all: Vec<String> = tagged
                .iter()
                .map(|(function, name)| format!("{function} {name:?}"))
                .collect();
            let detail = format!(
                "the functions are of different environments, and a run stays in one: {}",
                all.join(", ")
            );
            found.refuse(Guard::EnvironmentDiffers, detail);
        }
    }
    let names = || said.iter().chain(tagged.iter().map(|(_, name)| name));
    check_allowed(names().next(), said.is_some(), limits, found);
    names().any(|name| PRODUCTION.iter().any(|production| is_same(name, production)))
}

fn check_allowed(name: Option<&String>, by_experiment: bool, limits: Option<&Limits>, found: &mut Preflight) {
    let Some(limits) = limits else {
        found.not_checked(Guard::EnvironmentNotAllowed, super::limits::UNKNOWN);
        return;
    };
    let allowed: Vec<&str> = limits.environments.iter().map(|name| name.as_str()).collect();
    let only = format!(
        "this deployment allows only {} (AllowedEnvironments)",
        allowed.join(", ")
    );
    match name {
        Some(name) if allowed.is_empty() || allowed.iter().any(|known| is_same(name, known)) => {
            let by = if by_experiment {
                "as the experiment says"
            } else {
                "as the tags of the functions say"
            };
            found.pass(Guard::EnvironmentNotAllowed, format!("{name}, {by}"));
        }
        Some(name) => found.refuse(
            Guard::EnvironmentNotAllowed,
            format!("the environment is {name}, and {only}"),
        ),
        None if allowed.is_empty() => found.pass(Guard::EnvironmentNotAllowed, "none is said, and any is allowed"),
        None => {
            let detail = format!(
                "neither the experiment nor a tag {TAG} of its functions says the environment, and {only}; write `environment`"
            );
            found.refuse(Guard::EnvironmentNotAllowed, detail);
        }
    }
}

/// What the functions say, each with its name. An empty tag says nothing.
fn tagged(found: &Preflight) -> Vec<(FunctionName, String)> {
    let all = found.functions.iter().flat_map(|function| {
        let tags = function.tags.iter().filter(|(key, _)| is_same(key, TAG));
        tags.map(|(_, value)| (function.name.clone(), value.trim().to_owned()))
    });
    all.filter(|(_, value)| !value.is_empty()).collect()
}

fn is_same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}
