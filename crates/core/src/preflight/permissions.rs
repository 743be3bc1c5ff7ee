//! A dry run of what the roles of the steps must be allowed.
//!
//! IAM simulates it; what it cannot say keeps nothing from starting, but is said.

use super::{Guard, Preflight};
use crate::deployment::Roles;
use crate::experiment::Experiment;
use crate::names::RunId;
use crate::permissions::{Deed, Simulated, StepRole, Wanted, deeds};
use crate::ports::Ports;
use crate::run_alarms::names_of_run;

pub(super) async fn check(
    ports: &Ports,
    (experiment, run_id): (&Experiment, &RunId),
    roles: Option<&Roles>,
    found: &mut Preflight,
) {
    let alarms = names_of_run(&ports.stack, run_id, experiment);
    let deeds = needed(found, alarms.first());
    if deeds.is_empty() {
        return;
    }
    let (Some(roles), Some(permissions)) = (roles, &ports.permissions) else {
        found.not_checked(Guard::PermissionMissing, "which roles the steps have is not known");
        return;
    };
    let mut depends = Vec::new();
    let before = found.refusals.len();
    for deed in &deeds {
        let role = match deed.role {
            StepRole::Inject => &roles.inject,
            StepRole::Rollback => &roles.rollback,
        };
        match permissions.may(role, deed).await {
            Ok(Simulated::Allowed) => {}
            Ok(Simulated::Denied { actions }) => {
                found.refuse(Guard::PermissionMissing, missing(deed, role, &actions));
            }
            Ok(Simulated::Depends { on }) => depends.extend(on),
            Err(error) => {
                // Asked again for the next one it would answer the same, and take as long.
                let detail = format!("what the roles may do could not be asked: {error}");
                found.not_checked(Guard::PermissionMissing, detail);
                return;
            }
        }
    }
    depends.sort();
    depends.dedup();
    if !depends.is_empty() {
        let detail = format!(
            "the simulation of IAM cannot tell what the roles may do: it depends on {}",
            depends.join(", ")
        );
        found.not_checked(Guard::PermissionMissing, detail);
    } else if found.refusals.len() == before {
        let detail = "IAM says that the roles may do it, and undo it";
        found.pass(Guard::PermissionMissing, detail);
    }
}

/// Only what its owner allows: without the tag nothing is permitted, and that was said already. One alarm stands for all: their
/// names differ in a number.
fn needed(found: &Preflight, alarm: Option<&String>) -> Vec<Deed> {
    let mut wanted = Vec::new();
    for current in &found.settings {
        let mut allowed = found.functions.iter().filter(|function| function.allowed);
        let Some(function) = allowed.find(|function| function.name == current.function) else {
            continue;
        };
        wanted.push(Wanted {
            function_arn: &function.arn,
            tags: &function.tags,
            mapping_arn: current.mapping_arn.as_deref(),
            setting: &current.setting,
            now: current.now,
            to: current.to,
        });
    }
    // In the account and region of the functions.
    let home = found.functions.first().and_then(|function| {
        let mut parts = function.arn.split(':');
        Some((parts.nth(1)?, parts.nth(1)?, parts.next()?))
    });
    let alarm_arn = alarm.zip(home).map(|(name, (partition, region, account))| {
        format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}")
    });
    deeds(&wanted, alarm_arn)
}

fn missing(deed: &Deed, role: &str, actions: &[String]) -> String {
    let (step, means) = match deed.role {
        StepRole::Inject => ("inject", "the faults could not be put in place"),
        StepRole::Rollback => ("rollback", "what was done could not be undone"),
    };
    format!(
        "the role of the step {step} may not {} on {}, so {means}; give the role {role} this permission, or take away what denies \
         it",
        actions.join(", "),
        deed.resource
    )
}
