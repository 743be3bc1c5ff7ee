//! What a person writes: an experiment.
//!
//! These types are the format. The JSON Schema is generated from them (`docs/experiment.schema.json`), and reading
//! a file ([`crate::read`]) checks it against that same schema, so that the two cannot drift apart.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::names::{ExperimentName, FunctionName, MeasureName};
use crate::span::Span;

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
    /// Percent of requests that meet the fault. Control-plane faults cannot choose requests: they need 100,
    /// written out so that nobody is surprised.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub percent: f64,
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

/// One injected failure.
///
/// All kinds of this version are control-plane faults: they change a setting of the function, so they meet every
/// request, and they are judged against the baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// Caps the concurrent executions of a function; callers over the cap are throttled, all of them when it is 0.
    ReservedConcurrency {
        /// The function whose invocations are throttled.
        function: FunctionName,
        /// Executions that may run at the same time. 0 throttles every invocation.
        #[schemars(range(min = 0, max = 10_000))]
        executions: u32,
    },
    /// Shortens the time after which Lambda stops the function.
    Timeout {
        /// The function that times out.
        function: FunctionName,
        /// The new timeout, from 1s to 15m.
        timeout: Span,
    },
    /// Gives the function less memory, and with it less CPU.
    Memory {
        /// The function that runs short.
        function: FunctionName,
        /// The new memory size in megabytes.
        #[schemars(range(min = 128, max = 10_240))]
        memory_mb: u32,
    },
    /// Switches an event source mapping off: the function gets no more events from it. The mapping must carry the tag
    /// `inoculate` with the value `allow` itself; the tag of its function does not count for it.
    EventSourceDisabled {
        /// The function that gets no more events.
        function: FunctionName,
        /// The ARN of the queue, stream or topic that feeds the function, like
        /// `arn:aws:sqs:eu-west-1:123456789012:orders`.
        #[schemars(regex(pattern = r"^arn:[A-Za-z0-9:/._*-]{8,500}$"))]
        source: String,
    },
}

impl Fault {
    /// The function that this fault touches.
    pub fn function(&self) -> &FunctionName {
        match self {
            Fault::ReservedConcurrency { function, .. }
            | Fault::Timeout { function, .. }
            | Fault::Memory { function, .. }
            | Fault::EventSourceDisabled { function, .. } => function,
        }
    }

    /// The kind as it is written in an experiment.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::ReservedConcurrency { .. } => "reserved_concurrency",
            Fault::Timeout { .. } => "timeout",
            Fault::Memory { .. } => "memory",
            Fault::EventSourceDisabled { .. } => "event_source_disabled",
        }
    }

    /// What happens, in words.
    pub fn describe(&self) -> String {
        match self {
            Fault::ReservedConcurrency {
                function,
                executions: 0,
            } => format!("every invocation of {function} is throttled"),
            Fault::ReservedConcurrency { function, executions } => {
                format!("invocations of {function} over {executions} at a time are throttled")
            }
            Fault::Timeout { function, timeout } => format!("{function} is stopped after {timeout}"),
            Fault::Memory { function, memory_mb } => format!("{function} runs with {memory_mb} MB of memory"),
            Fault::EventSourceDisabled { function, source } => format!("{function} gets no events from {source}"),
        }
    }
}

/// One measure of the steady state: where its numbers come from, and how far they may move.
///
/// The numbers are one CloudWatch metric (`metric`) or metric maths over several (`metrics` and `expression`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The name in progress, results and reports.
    pub name: MeasureName,
    /// The unit, for people: `percent`, `ms`, `orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub unit: Option<String>,
    /// The length of one data point: 1s, 5s, 10s, 20s, 30s or whole minutes. Below a minute only for
    /// high-resolution metrics.
    #[serde(default = "Measure::default_period")]
    pub period: Span,
    /// One CloudWatch metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// Several CloudWatch metrics by id, for `expression`. An id starts with a lower-case letter.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 20))]
    pub metrics: BTreeMap<String, Metric>,
    /// CloudWatch metric maths over the ids of `metrics`, like `100 * failed / placed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    pub expression: Option<String>,
    /// How far the values may move.
    pub tolerance: Tolerance,
    /// Fewer points than this in a window cannot support a verdict.
    #[serde(default = "Measure::default_min_points")]
    #[schemars(range(min = 3, max = 1000))]
    pub min_points: u32,
}

impl Measure {
    fn default_period() -> Span {
        Span::from_secs(60)
    }

    fn default_min_points() -> u32 {
        3
    }
}

/// One CloudWatch metric with the statistic to take of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// The namespace, like `AWS/Lambda`.
    #[schemars(length(min = 1, max = 255))]
    pub namespace: String,
    /// The name of the metric, like `Errors`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// The dimensions, all of them, as CloudWatch matches them exactly.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 30))]
    pub dimensions: BTreeMap<String, String>,
    /// The statistic: `Sum`, `Average`, `Minimum`, `Maximum`, `SampleCount`, a percentile like `p99`, a trimmed mean
    /// like `tm90`, or a range like `PR(:300)`.
    #[schemars(regex(pattern = STATISTIC_PATTERN))]
    pub statistic: String,
}

/// The statistics that CloudWatch knows.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Statistics-definitions.html>
pub const STATISTIC_PATTERN: &str = "^(Sum|Average|Minimum|Maximum|SampleCount|IQM|(p|tm|wm|tc|ts)([0-9]{1,2}([.][0-9]{1,10})?|100)|(PR|TM|WM|TC|TS)[(][0-9.%]*:[0-9.%]*[)])$";

/// How far a measure may move. Each limit that is written must hold.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("minProperties" = 1))]
pub struct Tolerance {
    /// The highest value, in the unit of the measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<f64>,
    /// The lowest value, in the unit of the measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<f64>,
    /// The highest rise over the median of the baseline, in percent of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub rise_at_most_percent: Option<f64>,
    /// The deepest fall under the median of the baseline, in percent of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub fall_at_most_percent: Option<f64>,
}

/// What ends a run early, and keeps it from starting.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Guards {
    /// CloudWatch alarms, by name. A run does not start while one is in ALARM and is aborted when one goes there.
    #[serde(default)]
    #[schemars(length(max = 20), inner(length(min = 1, max = 255)))]
    pub alarms: Vec<String>,
}

impl Guards {
    fn is_empty(&self) -> bool {
        self.alarms.is_empty()
    }
}

impl Experiment {
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
