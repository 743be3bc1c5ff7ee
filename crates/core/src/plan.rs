//! What a run would touch, for how long, and what it would cost.

use serde::{Deserialize, Serialize};

use crate::experiment::{AbortAlarm, Experiment};
use crate::layer::SKETCH_SHARDS;
use crate::names::FunctionName;
use crate::setting::{Setting, SettingValue};
use crate::sizing;

/// A setting that a run would change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Touch {
    /// The function.
    pub function: FunctionName,
    /// The setting.
    #[serde(flatten)]
    pub setting: Setting,
    /// The value that the run would set.
    pub to: SettingValue,
    /// What that means, in words.
    pub effect: String,
}

/// A fault that the layer would inject into invocations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Injection {
    /// The function.
    pub function: FunctionName,
    /// The kind of the fault.
    pub kind: String,
    /// What that means, in words.
    pub effect: String,
}

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What it would change.
    pub touches: Vec<Touch>,
    /// What the layer would inject.
    #[serde(default)]
    pub injections: Vec<Injection>,
    /// The functions that the layer would only watch.
    #[serde(default)]
    pub watches: Vec<FunctionName>,
    /// The alarms that it would make for itself, in words. Each ends the run when it goes to ALARM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alarms: Vec<String>,
    /// Percent of requests that would meet the faults.
    pub percent: f64,
    /// How requests are told apart: the field of the event that the experiment names, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How long the baseline is measured, in seconds.
    pub baseline_secs: u32,
    /// How long the faults are there at most, in seconds.
    pub injection_secs: u32,
    /// How long the system has to recover, in seconds.
    pub recovery_secs: u32,
    /// How often the system is looked at.
    pub rounds: u32,
    /// What it would cost.
    pub cost: Cost,
}

/// What a run uses, and its price in US dollars.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Cost {
    /// State transitions of Step Functions.
    pub transitions: f64,
    /// Requests to Lambda.
    pub requests: f64,
    /// Lambda time in gigabyte-seconds.
    pub gigabyte_secs: f64,
    /// DynamoDB write units.
    pub write_units: f64,
    /// DynamoDB read units.
    pub read_units: f64,
    /// Metrics asked for from CloudWatch.
    pub metrics: f64,
    /// Hours of the alarms that the run makes for itself. One that CloudWatch looks at every ten seconds counts three times.
    #[serde(default)]
    pub alarm_hours: f64,
    /// All of it in US dollars.
    pub usd: f64,
}

/// List prices in US dollars, us-east-1, x86_64, without any free tier.
///
/// Sources: the pricing pages of AWS Step Functions (standard), Lambda, DynamoDB (on demand) and CloudWatch
/// (GetMetricData; alarms with one metric). To make, list and delete alarms costs nothing, and an alarm costs by the hour:
/// <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/cloudwatch_billing.html>.
pub mod price {
    /// One state transition.
    pub const TRANSITION: f64 = 0.025 / 1_000.0;
    /// One Lambda request.
    pub const REQUEST: f64 = 0.20 / 1_000_000.0;
    /// One gigabyte-second of Lambda.
    pub const GIGABYTE_SEC: f64 = 0.000_016_666_7;
    /// One DynamoDB write unit.
    pub const WRITE_UNIT: f64 = 0.625 / 1_000_000.0;
    /// One DynamoDB read unit.
    pub const READ_UNIT: f64 = 0.125 / 1_000_000.0;
    /// One metric in GetMetricData.
    pub const METRIC: f64 = 0.01 / 1_000.0;
    /// One hour of one alarm of standard resolution: ten cents for a month of 30 days.
    pub const ALARM_HOUR: f64 = 0.10 / (30.0 * 24.0);
    /// How many times as much an alarm of high resolution costs: thirty cents a month.
    pub const HIGH_RESOLUTION: f64 = 3.0;
}

impl Cost {
    /// The same use with its price worked out.
    #[must_use]
    pub fn priced(mut self) -> Cost {
        self.usd = self.transitions * price::TRANSITION
            + self.requests * price::REQUEST
            + self.gigabyte_secs * price::GIGABYTE_SEC
            + self.write_units * price::WRITE_UNIT
            + self.read_units * price::READ_UNIT
            + self.metrics * price::METRIC
            + self.alarm_hours * price::ALARM_HOUR;
        self
    }
}

impl Plan {
    /// The plan of an experiment. Pure: it says what would be set, not what is set now.
    pub fn of(experiment: &Experiment) -> Plan {
        let touches = experiment.faults.iter().filter_map(|fault| {
            let (setting, to) = fault.setting()?;
            Some(Touch {
                function: fault.function().clone(),
                setting,
                to,
                effect: fault.describe(),
            })
        });
        let injections = experiment.faults.iter().filter(|fault| fault.is_of_invocations());
        let injections = injections.map(|fault| Injection {
            function: fault.function().clone(),
            kind: fault.kind().to_owned(),
            effect: fault.describe(),
        });
        let touched = &experiment.blast_radius.functions;
        let watches = experiment
            .functions()
            .into_iter()
            .filter(|name| !touched.contains(name));
        let injection_secs = experiment.blast_radius.longest.secs();
        let delay = experiment.windows.delay_secs();
        let rounds = injection_secs.div_ceil(experiment.windows.round.secs());
        Plan {
            touches: touches.collect(),
            injections: injections.collect(),
            watches: watches.cloned().collect(),
            alarms: experiment.guards.abort_when.iter().map(ToString::to_string).collect(),
            percent: experiment.blast_radius.percent,
            key: experiment.blast_radius.key.clone(),
            baseline_secs: experiment.windows.baseline.secs() + delay,
            injection_secs,
            recovery_secs: experiment.windows.recovery.secs() + delay,
            rounds,
            cost: cost(experiment, rounds),
        }
    }
}

/// What a run of this many rounds uses. `cargo xtask bench` prints what one really used beside it.
fn cost(experiment: &Experiment, rounds: u32) -> Cost {
    const STEP_GIGABYTE_SECS: f64 = 0.25 * 0.15;
    let rounds = f64::from(rounds);
    let settings = experiment
        .faults
        .iter()
        .filter(|fault| !fault.is_of_invocations())
        .count() as f64;
    let functions = experiment.functions().len() as f64;
    let from_cloudwatch = experiment.steady_state.iter().filter(|measure| measure.layer.is_none());
    let metrics: f64 = from_cloudwatch.map(|m| m.metrics.len().max(1) as f64).sum();
    // Thirteen states outside of the rounds, three in each round, a few for settling and retries.
    let transitions = 16.0 + 3.0 * rounds;
    let requests = 6.0 + rounds;
    // What the layer saw is in many partitions, each asked for in every look; what it reads and writes itself comes on top,
    // and depends on the traffic.
    let partitions = if experiment.uses_layer() {
        f64::from(SKETCH_SHARDS)
    } else {
        0.0
    };
    Cost {
        transitions,
        requests,
        gigabyte_secs: requests * STEP_GIGABYTE_SECS,
        // Fitted to what `cargo xtask bench` counts. A transaction costs double.
        write_units: 43.0 + 28.0 * settings + 7.0 * rounds + functions * (3.0 + rounds),
        read_units: 15.0 + 5.0 * functions + rounds * (4.0 + 2.0 * functions) + partitions * 0.5 * (rounds + 3.0),
        // What the traffic was before the run is asked once.
        metrics: metrics * (3.0 + rounds) + sizing::questions(experiment).len() as f64,
        alarm_hours: alarm_hours(experiment),
        usd: 0.0,
    }
    .priced()
}

/// The alarms are there while the faults are. Each begun hour counts.
fn alarm_hours(experiment: &Experiment) -> f64 {
    let hours = f64::from(experiment.blast_radius.longest.secs().div_ceil(3600));
    let add = |sum: f64, alarm: &AbortAlarm| match alarm.is_high_resolution() {
        true => sum + price::HIGH_RESOLUTION,
        false => sum + 1.0,
    };
    hours * experiment.guards.abort_when.iter().fold(0.0, add)
}
