//! What a person writes: an experiment.
//!
//! These types are the format. The JSON Schema is generated from them (`docs/experiment.schema.json`), and reading
//! a file ([`crate::read`]) checks it against that same schema, so that the two cannot drift apart.

mod alarm;
mod dependency;
mod fault;
mod guards;
mod measure;
mod time_window;

use std::collections::BTreeMap;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::names::{EnvironmentName, ExperimentName, FunctionName};
use crate::span::{Millis, Span};

pub use alarm::{AbortAlarm, BadPoints, Limit, MAX_ABORT_ALARMS, MissingData};
pub use dependency::DependencyEffect;
pub use fault::{Condition, Distribution, Fault};
pub use guards::{Guards, StopOn, StopWhen};
pub use measure::{LayerMeasure, Measure, Metric, STATISTIC_PATTERN, Statistic, Tolerance};
pub use time_window::{Day, TimeOfDay, TimeWindow};

/// The largest experiment that may be started, in bytes of JSON: the payload limit of Step Functions.
///
/// Source: <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
pub const MAX_EXPERIMENT_BYTES: usize = 256 * 1024;

/// The longest run, all windows together: the state machine times out later than this.
pub const MAX_RUN: Span = Span::from_secs(6 * 3600);

/// The most observation rounds: a Step Functions execution may have 25,000 history events, and a round takes about ten.
pub const MAX_ROUNDS: u32 = 1_000;

/// A chaos experiment: a hypothesis about a steady state, the faults that put it to the test, and their limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Inoculate experiment")]
pub struct Experiment {
    /// Where the schema of this file is, for editors. Has no effect on a run.
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// A short name for lists and reports.
    pub name: ExperimentName,
    /// What should stay true while the faults are there, in one sentence.
    #[schemars(length(min = 1, max = 1000))]
    pub hypothesis: String,
    /// The environment that it is for. A function whose tag `environment` says another one is refused. Without it, what the
    /// functions say counts. In `production` (or `prod`) runs start on weekdays from 9 to 17 only, unless `guards` says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<EnvironmentName>,
    /// How far the experiment may reach.
    pub blast_radius: BlastRadius,
    /// How long each part of a run takes.
    pub windows: Windows,
    /// What goes wrong.
    #[schemars(length(min = 1, max = 20))]
    pub faults: Vec<Fault>,
    /// What is normal for the system, and how far it may move.
    #[schemars(length(min = 1, max = 20))]
    pub steady_state: Vec<Measure>,
    /// What ends a run early.
    #[serde(default, skip_serializing_if = "Guards::is_empty")]
    pub guards: Guards,
}

/// How far an experiment may reach. Nothing outside it is ever touched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BlastRadius {
    /// The Lambda functions that faults may touch. Every fault must name one of them, and each must carry the tag
    /// `inoculate` with the value `allow`.
    #[schemars(length(min = 1, max = 20))]
    pub functions: Vec<FunctionName>,
    /// Tags that each of these functions must carry, with exactly these values: `team: payments`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 50))]
    pub tags: BTreeMap<String, String>,
    /// Percent of requests that meet the fault. They are the experimental group, the others the control group; with 100
    /// there is no control group. Faults that change a setting of the function cannot choose requests: they need 100, written
    /// out so that nobody is surprised.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percent: f64,
    /// The field of the event that requests are told apart by, as a JSON pointer like `/order/id`: requests with the same
    /// value are in the same group, in every function of the run. Without it, and where the event has no such field, it is
    /// the root of the tracing header, then the request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = "^/"))]
    pub key: Option<String>,
    /// The longest time that the faults are there.
    pub longest: Span,
}

/// How long the parts of a run take, beside the injection itself (`blast_radius.longest`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// How long the steady state is measured before anything is touched.
    pub baseline: Span,
    /// How often the system is looked at while the faults are there.
    #[serde(default = "Windows::default_round")]
    pub round: Span,
    /// How long the system has to recover before the verdict is given.
    pub recovery: Span,
    /// How late the metrics arrive. Baseline and verdict wait this much longer. CloudWatch's own Lambda metrics
    /// can be minutes late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics_delay: Option<Span>,
}

impl Windows {
    fn default_round() -> Span {
        Span::from_secs(10)
    }

    /// How late the metrics arrive, in seconds.
    pub fn delay_secs(&self) -> u32 {
        self.metrics_delay.map_or(0, Span::secs)
    }
}

impl Experiment {
    /// The functions of a run: those that faults may touch, then those that are only watched by the layer.
    pub fn functions(&self) -> Vec<&FunctionName> {
        let mut functions: Vec<&FunctionName> = self.blast_radius.functions.iter().collect();
        for measure in self.layer_measures() {
            if !functions.contains(&&measure.function) {
                functions.push(&measure.function);
            }
        }
        functions
    }

    /// What is measured by the layer.
    pub fn layer_measures(&self) -> impl Iterator<Item = &LayerMeasure> {
        self.steady_state.iter().filter_map(|measure| measure.layer.as_ref())
    }

    /// Whether a run needs the layer in its functions: to inject, or to see.
    pub fn uses_layer(&self) -> bool {
        self.faults.iter().any(Fault::is_of_invocations) || self.layer_measures().next().is_some()
    }

    /// Whether there are requests without the fault to compare with.
    pub fn has_control_group(&self) -> bool {
        self.blast_radius.percent < 100.0
    }

    /// How long it may take until a request that came is counted: until the layer writes, and is read; and as long as faults
    /// keep it waiting, or requests take at the longest, in milliseconds.
    pub fn lag(&self, longest_ms: f64) -> SignedDuration {
        const WRITTEN: SignedDuration = SignedDuration::from_secs(5);
        let waits = self.faults.iter().map(|fault| match fault {
            Fault::Latency { delay, jitter, .. } => delay.millis() + jitter.map_or(0, Millis::millis),
            _ => 0,
        });
        let longest = waits.max().unwrap_or(0).max(longest_ms.ceil() as u64);
        WRITTEN.saturating_add(SignedDuration::from_millis(i64::try_from(longest).unwrap_or(i64::MAX)))
    }

    /// A fingerprint of what the experiment says, in hex: the same text with other white space has the same one.
    pub fn digest(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The JSON Schema of the format, generated from these types. `docs/experiment.schema.json` is a copy of it.
    pub fn json_schema() -> serde_json::Value {
        crate::schema::of_experiments()
    }
}
