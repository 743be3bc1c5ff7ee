//! What keeps a run from starting. Asks the world through the ports and changes nothing in it.
//!
//! Used by the `Open` step, which refuses, and by `inoculate plan`, which tells. All reasons are found at once.

mod calls;
mod environment;
mod hours;
mod limits;
mod permissions;
pub mod runs;
mod settings;
mod targets;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::deployment::Deployment;
use crate::error::{Code, Result};
use crate::experiment::Experiment;
use crate::names::{FunctionName, RunId};
use crate::ports::{Function, Ports};
use crate::setting::{Setting, SettingValue};
use crate::sizing::{self, Traffic};

pub use targets::leased;

/// Why a run may not start, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// The kill switch stands.
    Halted,
    /// There is no such function or event source mapping.
    TargetMissing,
    /// The owner of the function, or of the event source mapping, does not allow experiments.
    NotAllowed,
    /// The function is not active, or is being updated.
    NotReady,
    /// Another run holds the function.
    Leased,
    /// A function of the blast radius lacks a tag that the experiment asks for.
    TagMissing,
    /// A function is of another environment than the experiment, or than the other functions.
    EnvironmentDiffers,
    /// The deployment does not allow runs in this environment, or it is not known which one it is.
    EnvironmentNotAllowed,
    /// The experiment asks for a larger percent of requests than the deployment allows.
    PercentOverLimit,
    /// The experiment asks for a longer injection than the deployment allows.
    DurationOverLimit,
    /// No time window is open, or none long enough for the baseline.
    OutsideWindow,
    /// As many runs are under way as the deployment allows.
    TooManyRuns,
    /// The setting already has the value that the fault would set, so the run could not tell its own change.
    NoChange,
    /// The calls that a fault is about do not pass through the layer of their function, so they could not meet it.
    CallsNotPassing,
    /// An alarm of the experiment does not exist.
    AlarmMissing,
    /// An alarm of the experiment is in ALARM already, so it could never stop the run.
    AlarmFiring,
    /// A role of Inoculate lacks a permission.
    PermissionMissing,
    /// There is so little traffic that whatever happens could not be told.
    TooLittleTraffic,
}

impl Guard {
    /// Every guard.
    pub const ALL: [Guard; 18] = [
        Guard::Halted,
        Guard::TargetMissing,
        Guard::NotAllowed,
        Guard::NotReady,
        Guard::Leased,
        Guard::TagMissing,
        Guard::EnvironmentDiffers,
        Guard::EnvironmentNotAllowed,
        Guard::PercentOverLimit,
        Guard::DurationOverLimit,
        Guard::OutsideWindow,
        Guard::TooManyRuns,
        Guard::NoChange,
        Guard::CallsNotPassing,
        Guard::AlarmMissing,
        Guard::AlarmFiring,
        Guard::PermissionMissing,
        Guard::TooLittleTraffic,
    ];

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Guard::Halted => "halted",
            Guard::TargetMissing => "target_missing",
            Guard::NotAllowed => "not_allowed",
            Guard::NotReady => "not_ready",
            Guard::Leased => "leased",
            Guard::TagMissing => "tag_missing",
            Guard::EnvironmentDiffers => "environment_differs",
            Guard::EnvironmentNotAllowed => "environment_not_allowed",
            Guard::PercentOverLimit => "percent_over_limit",
            Guard::DurationOverLimit => "duration_over_limit",
            Guard::OutsideWindow => "outside_window",
            Guard::TooManyRuns => "too_many_runs",
            Guard::NoChange => "no_change",
            Guard::CallsNotPassing => "calls_not_passing",
            Guard::AlarmMissing => "alarm_missing",
            Guard::AlarmFiring => "alarm_firing",
            Guard::PermissionMissing => "permission_missing",
            Guard::TooLittleTraffic => "too_little_traffic",
        }
    }
}

/// One reason why a run may not start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason as a stable name.
    pub guard: Guard,
    /// The reason in words, with what to do.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

/// What a guard that does not refuse found, or why it could not look.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The guard.
    pub guard: Guard,
    /// What it found, in words.
    pub detail: String,
}

/// What the preflight found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Preflight {
    /// Why the run may not start; empty when it may.
    pub refusals: Vec<Refusal>,
    /// What was looked at and keeps nothing from starting, as far as it is worth saying.
    #[serde(default)]
    pub passed: Vec<Note>,
    /// What could not be looked at. It keeps nothing from starting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<Note>,
    /// When the time windows close, and the run would be ended; `None` when they do not within a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Timestamp>,
    /// The functions of the blast radius that exist.
    pub functions: Vec<Function>,
    /// The settings as they are now, one for each fault whose target exists.
    pub settings: Vec<CurrentSetting>,
    /// What CloudWatch knows of the traffic of the functions that are measured by their layer. One that is not here has had no
    /// requests that CloudWatch knows of, or CloudWatch could not be asked.
    #[serde(default)]
    pub traffic: Vec<Traffic>,
    /// Why CloudWatch could not be asked about traffic, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic_problem: Option<String>,
}

/// A setting that a fault would change, as it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CurrentSetting {
    /// The function.
    pub function: FunctionName,
    /// The setting.
    #[serde(flatten)]
    pub setting: Setting,
    /// Its value now.
    pub now: SettingValue,
    /// The value that the fault would set.
    pub to: SettingValue,
    /// The ARN of the event source mapping that would be switched off, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping_arn: Option<String>,
}

/// Who asks whether a run may start.
#[derive(Debug, Clone, Copy)]
pub struct Asking<'a> {
    /// The run.
    pub run_id: &'a RunId,
    /// What the deployment says of every run; `None` when it is not known, and its guards cannot look.
    pub deployment: Option<&'a Deployment>,
}

impl Preflight {
    fn refuse(&mut self, guard: Guard, detail: impl Into<String>) {
        self.refusals.push(Refusal {
            guard,
            detail: detail.into(),
        });
    }

    fn pass(&mut self, guard: Guard, detail: impl Into<String>) {
        self.passed.push(Note {
            guard,
            detail: detail.into(),
        });
    }

    fn not_checked(&mut self, guard: Guard, detail: impl Into<String>) {
        self.unchecked.push(Note {
            guard,
            detail: detail.into(),
        });
    }

    /// The answer of the world. That it may not be asked is a reason not to start, and no answer.
    fn answered<T>(&mut self, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.code == Code::AccessDenied => {
                self.refuse(Guard::PermissionMissing, error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// All reasons in one line.
    pub fn reasons(&self) -> String {
        self.refusals
            .iter()
            .map(Refusal::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Looks at everything that could keep a run of this experiment from starting.
///
/// # Errors
/// Only when the world cannot be asked; a "no" is a [`Refusal`], not an error, and so is that it may not be asked.
pub async fn check(ports: &Ports, experiment: &Experiment, asking: Asking<'_>) -> Result<Preflight> {
    let mut found = Preflight::default();
    let halt = found.answered(ports.library.halt().await)?;
    if let Some(halt) = halt.flatten() {
        let detail = format!(
            "halted since {}: {}; `inoculate resume` lifts it",
            halt.since, halt.reason
        );
        found.refuse(Guard::Halted, detail);
    }
    for function in experiment.functions() {
        targets::check(ports, function, asking.run_id, &mut found).await?;
    }
    let limits = asking.deployment.map(|deployment| &deployment.limits);
    environment::check_tags(experiment, &mut found);
    let is_production = environment::check(experiment, limits, &mut found);
    limits::check(experiment, limits, &mut found);
    hours::check(experiment, is_production, limits, ports.clock.now(), &mut found);
    runs::check(ports, asking.run_id, limits, &mut found).await?;
    settings::check(ports, experiment, &mut found).await?;
    calls::check(experiment, &mut found);
    check_alarms(ports, &experiment.guards.alarms, &mut found).await?;
    let roles = asking.deployment.and_then(|deployment| deployment.roles.as_ref());
    permissions::check(ports, (experiment, asking.run_id), roles, &mut found).await;
    check_traffic(ports, experiment, &mut found).await;
    Ok(found)
}

/// Refuses only what could never tell. Traffic that is not known keeps nothing from starting, and so does a CloudWatch that does
/// not answer: the run measures its traffic itself, in its baseline.
async fn check_traffic(ports: &Ports, experiment: &Experiment, found: &mut Preflight) {
    let questions = sizing::questions(experiment);
    if questions.is_empty() {
        return;
    }
    let window = sizing::looked_at(ports.clock.now());
    let series = match ports.metrics.series(&questions, window).await {
        Ok(series) => series,
        Err(error) => {
            found.traffic_problem = Some(error.to_string());
            return;
        }
    };
    found.traffic = sizing::answers(experiment, &series, window);
    for reason in sizing::never_tells(experiment, &found.traffic) {
        found.refuse(Guard::TooLittleTraffic, reason);
    }
}

async fn check_alarms(ports: &Ports, names: &[String], found: &mut Preflight) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let Some(states) = found.answered(ports.alarms.states(names).await)? else {
        return Ok(());
    };
    for name in names {
        match states.iter().find(|state| &state.name == name) {
            None => found.refuse(
                Guard::AlarmMissing,
                format!("there is no alarm {name:?} in this account and region"),
            ),
            Some(state) if state.in_alarm => {
                let detail = format!("alarm {name:?} is in ALARM already: {}", state.reason);
                found.refuse(Guard::AlarmFiring, detail);
            }
            Some(_) => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_those_in_the_record_and_in_the_documentation() {
        let docs = include_str!("../../../docs/safety.md");
        for guard in Guard::ALL {
            assert_eq!(serde_json::to_value(guard).unwrap(), guard.name());
            assert!(docs.contains(&format!("| `{}` |", guard.name())), "{}", guard.name());
        }
        let mut once = Guard::ALL.to_vec();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), Guard::ALL.len());
    }
}
