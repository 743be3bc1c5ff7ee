//! What a run would touch, for how long, and what it would cost.

use serde::{Deserialize, Serialize};

use crate::experiment::Experiment;
use crate::names::FunctionName;
use crate::setting::{Setting, SettingValue};

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

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// What it would change.
    pub touches: Vec<Touch>,
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
    /// All of it in US dollars.
    pub usd: f64,
}

/// List prices in US dollars, us-east-1, x86_64, without any free tier.
///
/// Sources: the pricing pages of AWS Step Functions (standard), Lambda, DynamoDB (on demand) and CloudWatch
/// (GetMetricData).
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
            + self.metrics * price::METRIC;
        self
    }
}

impl Plan {
    /// The plan of an experiment. Pure: it says what would be set, not what is set now.
    pub fn of(experiment: &Experiment) -> Plan {
        let touches = experiment.faults.iter().map(|fault| {
            let (setting, to) = Setting::of(fault);
            Touch {
                function: fault.function().clone(),
                setting,
                to,
                effect: fault.describe(),
            }
        });
        let injection_secs = experiment.blast_radius.longest.secs();
        let delay = experiment.windows.delay_secs();
        let rounds = injection_secs.div_ceil(experiment.windows.round.secs());
        Plan {
            touches: touches.collect(),
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
    let faults = experiment.faults.len() as f64;
    let functions = experiment.blast_radius.functions.len() as f64;
    let metrics: f64 = experiment
        .steady_state
        .iter()
        .map(|m| m.metrics.len().max(1) as f64)
        .sum();
    // Thirteen states outside of the rounds, three in each round, a few for settling and retries.
    let transitions = 16.0 + 3.0 * rounds;
    let requests = 6.0 + rounds;
    // A transaction costs double: record, journal entry and what goes with them, and the index beside the record.
    let change = 6.0;
    Cost {
        transitions,
        requests,
        gigabyte_secs: requests * STEP_GIGABYTE_SECS,
        write_units: change * (7.0 + rounds + 3.0 * faults) + functions * (3.0 + rounds),
        read_units: (requests * 6.0) + rounds * functions,
        metrics: metrics * (3.0 + rounds),
        usd: 0.0,
    }
    .priced()
}
