//! What keeps a run from starting. Asks the world through the ports and changes nothing in it.
//!
//! Used by the `Open` step, which refuses, and by `inoculate plan`, which tells. All reasons are found at once.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Code, Result};
use crate::experiment::Experiment;
use crate::lease::Availability;
use crate::names::{FunctionName, RunId};
use crate::ports::{Function, Ports};
use crate::setting::{Reading, Setting, SettingValue};
use crate::sizing::{self, Traffic};

/// Why a run may not start, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// The setting already has the value that the fault would set, so the run could not tell its own change.
    NoChange,
    /// Another run holds the function.
    Leased,
    /// An alarm of the experiment does not exist.
    AlarmMissing,
    /// An alarm of the experiment is in ALARM already, so it could never stop the run.
    AlarmFiring,
    /// There is so little traffic that whatever happens could not be told.
    TooLittleTraffic,
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

/// What the preflight found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Preflight {
    /// Why the run may not start; empty when it may.
    pub refusals: Vec<Refusal>,
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
}

impl Preflight {
    fn refuse(&mut self, guard: Guard, detail: impl Into<String>) {
        self.refusals.push(Refusal {
            guard,
            detail: detail.into(),
        });
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
/// Only when the world cannot be asked; a "no" is a [`Refusal`], not an error.
pub async fn check(ports: &Ports, experiment: &Experiment, run_id: &RunId) -> Result<Preflight> {
    let mut found = Preflight::default();
    if let Some(halt) = ports.library.halt().await? {
        let detail = format!(
            "halted since {}: {}; `inoculate resume` lifts it",
            halt.since, halt.reason
        );
        found.refuse(Guard::Halted, detail);
    }
    for function in experiment.functions() {
        check_function(ports, function, run_id, &mut found).await?;
    }
    check_settings(ports, experiment, &mut found).await?;
    check_alarms(ports, &experiment.guards.alarms, &mut found).await?;
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

async fn check_function(ports: &Ports, name: &FunctionName, run_id: &RunId, found: &mut Preflight) -> Result<()> {
    let Some(function) = ports.targets.describe(name).await? else {
        let detail = format!("there is no function {name} in this account and region");
        found.refuse(Guard::TargetMissing, detail);
        return Ok(());
    };
    if !function.allowed {
        let detail =
            format!("function {name} does not allow experiments; its owner allows them with the tag inoculate=allow");
        found.refuse(Guard::NotAllowed, detail);
    }
    if !function.ready {
        let detail = format!("function {name} is not active or is being updated; try again when it is");
        found.refuse(Guard::NotReady, detail);
    }
    if let Some(lease) = ports.leases.read(&function.arn).await?
        && lease.availability(run_id, ports.clock.now()) == Availability::Held
    {
        found.refuse(Guard::Leased, leased(name, &lease.run_id));
    }
    found.functions.push(function);
    Ok(())
}

/// The words for a function that another run holds.
pub fn leased(function: &FunctionName, holder: &RunId) -> String {
    format!("function {function} belongs to run {holder}; wait for it, or end it with `inoculate abort {holder}`")
}

/// A mapping has tags of its own, and IAM asks for them: said here, before anything is injected.
async fn check_consent(ports: &Ports, function: &FunctionName, setting: &Setting, found: &mut Preflight) -> Result<()> {
    if let Some(arn) = ports.targets.untagged(function, setting).await? {
        let detail = format!(
            "the {setting} of {function} does not allow experiments; tag the event source mapping itself: \
             aws lambda tag-resource --resource {arn} --tags inoculate=allow"
        );
        found.refuse(Guard::NotAllowed, detail);
    }
    Ok(())
}

async fn check_settings(ports: &Ports, experiment: &Experiment, found: &mut Preflight) -> Result<()> {
    for fault in &experiment.faults {
        let function = fault.function();
        if !found.functions.iter().any(|known| &known.name == function) {
            continue;
        }
        let Some((setting, to)) = fault.setting() else { continue };
        let now = match ports.targets.read(function, &setting).await {
            Ok(Reading { value, .. }) => value,
            Err(error) if error.code == Code::TargetNotFound => {
                found.refuse(Guard::TargetMissing, error.to_string());
                continue;
            }
            Err(error) => return Err(error),
        };
        check_consent(ports, function, &setting, found).await?;
        if now == to {
            let detail = format!("the {setting} of {function} is {now} already, so the fault would change nothing");
            found.refuse(Guard::NoChange, detail);
        }
        found.settings.push(CurrentSetting {
            function: function.clone(),
            setting,
            now,
            to,
        });
    }
    Ok(())
}

async fn check_alarms(ports: &Ports, names: &[String], found: &mut Preflight) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let states = ports.alarms.states(names).await?;
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
