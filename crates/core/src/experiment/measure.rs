//! Where the numbers of a measure come from, and how far they may move.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::names::{FunctionName, MeasureName};
use crate::span::Span;

/// One measure of the steady state: where its numbers come from, and how far they may move.
///
/// The numbers are what the layer saw of a function (`layer`), one CloudWatch metric (`metric`), or metric maths over
/// several (`metrics` and `expression`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The name in progress, results and reports.
    pub name: MeasureName,
    /// The unit, for people: `percent`, `ms`, `orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub unit: Option<String>,
    /// What the layer saw of a function, for each group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<LayerMeasure>,
    /// The length of one data point: 1s, 5s, 10s, 20s, 30s or whole minutes. Below a minute only for
    /// high-resolution metrics. Not for `layer`.
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
    /// Fewer points than this in a window cannot support a verdict. Not for `layer`.
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

/// What the layer saw of a function. The function belongs to the run: nothing is injected into it unless it is in
/// `blast_radius.functions`, but it must carry the tag `inoculate` with the value `allow`, and the layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LayerMeasure {
    /// The function.
    pub function: FunctionName,
    /// What is measured: `error_rate`, `http_5xx_rate`, `timeout_rate` (percent of requests), `requests_per_second` (of both
    /// groups), or a percentile of the time that callers waited, `p50` to `p99` (ms).
    pub statistic: Statistic,
    /// Fewer requests than this in a group cannot support a verdict.
    #[serde(default = "LayerMeasure::default_min_requests")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub min_requests: u32,
}

impl LayerMeasure {
    fn default_min_requests() -> u32 {
        30
    }
}

/// What is counted of the requests that the layer saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Statistic {
    /// Percent of requests that got no answer of the function: errors, timeouts, crashes.
    ErrorRate,
    /// Percent of requests that were answered with an HTTP status from 500 to 599.
    Http5xxRate,
    /// Percent of requests that got no answer before the deadline.
    TimeoutRate,
    /// Requests in a second, of both groups together: the group of a request is chosen before anything happens to it.
    RequestsPerSecond,
    /// The time in milliseconds that this percentage of the callers did not wait longer than, from 50 to 99.
    Percentile(u8),
}

/// The written form of a [`Statistic`].
const LAYER_STATISTIC_PATTERN: &str = "^(error_rate|http_5xx_rate|timeout_rate|requests_per_second|p[5-9][0-9])$";

/// What is wrong with a text that should be a [`Statistic`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not error_rate, http_5xx_rate, timeout_rate, requests_per_second or p50 to p99")]
pub struct StatisticError(String);

impl TryFrom<String> for Statistic {
    type Error = StatisticError;

    fn try_from(text: String) -> Result<Self, StatisticError> {
        let percentile = |digits: &str| (digits.len() == 2).then(|| digits.parse().ok()).flatten();
        match text.as_str() {
            "error_rate" => Ok(Statistic::ErrorRate),
            "http_5xx_rate" => Ok(Statistic::Http5xxRate),
            "timeout_rate" => Ok(Statistic::TimeoutRate),
            "requests_per_second" => Ok(Statistic::RequestsPerSecond),
            _ => match text.strip_prefix('p').and_then(percentile) {
                Some(percent @ 50..=99) => Ok(Statistic::Percentile(percent)),
                _ => Err(StatisticError(text)),
            },
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Statistic::ErrorRate => f.write_str("error_rate"),
            Statistic::Http5xxRate => f.write_str("http_5xx_rate"),
            Statistic::TimeoutRate => f.write_str("timeout_rate"),
            Statistic::RequestsPerSecond => f.write_str("requests_per_second"),
            Statistic::Percentile(percent) => write!(f, "p{percent}"),
        }
    }
}

impl From<Statistic> for String {
    fn from(statistic: Statistic) -> String {
        statistic.to_string()
    }
}

impl JsonSchema for Statistic {
    fn schema_name() -> Cow<'static, str> {
        "Statistic".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": LAYER_STATISTIC_PATTERN,
            "description": "`error_rate`, `http_5xx_rate`, `timeout_rate`, `requests_per_second` or `p50` to `p99`",
        })
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
    /// The highest rise over the baseline, in percent of it: of its median, or of what the layer saw in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub rise_at_most_percent: Option<f64>,
    /// The deepest fall under the baseline, in percent of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub fall_at_most_percent: Option<f64>,
    /// How much higher the experimental group may be than the control group, in the unit of the measure: percentage points
    /// or milliseconds. Only for `layer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub above_control_at_most: Option<f64>,
    /// How much higher the experimental group may be than the control group, in percent of the control group. Only for
    /// `layer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub above_control_at_most_percent: Option<f64>,
}

impl Tolerance {
    /// Whether it compares with the control group.
    pub fn needs_control(&self) -> bool {
        self.above_control_at_most.is_some() || self.above_control_at_most_percent.is_some()
    }

    /// Whether it relates to the baseline.
    pub fn needs_baseline(&self) -> bool {
        self.rise_at_most_percent.is_some() || self.fall_at_most_percent.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statistic_is_read_as_it_is_written() {
        let read = |text: &str| Statistic::try_from(text.to_owned());
        for text in [
            "error_rate",
            "http_5xx_rate",
            "timeout_rate",
            "requests_per_second",
            "p50",
            "p75",
            "p99",
        ] {
            assert_eq!(String::from(read(text).unwrap()), text);
        }
        for text in ["", "p", "p5", "p49", "p100", "p+9", "p9.9", "P99", "errors"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
