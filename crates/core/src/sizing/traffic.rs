//! What is known of the traffic of a function without a fault.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, Measure, Metric, Tolerance};
use crate::judge::{Point, Window};
use crate::names::{FunctionName, MeasureName};
use crate::ports::Measured;
use crate::seen::SeenSummary;
use crate::span::Span;

/// How far CloudWatch is asked back.
const BACK: SignedDuration = SignedDuration::from_hours(3);

/// How late its metrics of Lambda are.
const LATE: SignedDuration = SignedDuration::from_mins(2);

/// The length of a point.
const PERIOD: Span = Span::from_secs(300);

/// Where what is known of traffic comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// CloudWatch's own metrics of Lambda, over the last three hours. They count all versions and aliases, and durations
    /// without what the layer adds.
    CloudWatch,
    /// What the layer saw in the baseline of the run.
    Baseline,
}

/// What is known of the traffic of a function without a fault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Traffic {
    /// The function.
    pub function: FunctionName,
    /// Where this comes from.
    pub source: Source,
    /// How many requests this rests on.
    pub requests: u64,
    /// Requests in a second on average; above 0.
    pub per_second: f64,
    /// Requests in a second in the busiest five minutes.
    pub busiest_per_second: f64,
    /// Whether there were requests in at least half of the time, so that there will be such during a run.
    pub is_continuous: bool,
    /// Percent of requests that got no answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_percent: Option<f64>,
    /// Percent of requests that were answered with an HTTP status from 500 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_5xx_percent: Option<f64>,
    /// Percent of requests that got no answer before the deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_percent: Option<f64>,
    /// Half of the requests took at most this long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_ms: Option<f64>,
    /// 99 of 100 took at most this long, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_ms: Option<f64>,
}

/// The time that CloudWatch is asked about.
pub fn looked_at(now: Timestamp) -> Window {
    let before = |time| now.saturating_sub(time).unwrap_or(Timestamp::MIN);
    Window {
        from: before(BACK + LATE),
        until: before(LATE),
    }
    .whole_periods(PERIOD)
}

/// What is asked of CloudWatch about one function, in this order.
const ASKED: [(&str, &str); 4] = [
    ("Invocations", "Sum"),
    ("Errors", "Sum"),
    ("Duration", "p50"),
    ("Duration", "p99"),
];

/// The metrics of each function that is measured by its layer. None for an experiment without such measures.
pub fn questions(experiment: &Experiment) -> Vec<Measure> {
    let asked = functions(experiment)
        .into_iter()
        .flat_map(|(function, name)| ASKED.map(|(metric, statistic)| question(function, name, metric, statistic)));
    asked.collect()
}

/// Each function that is measured by its layer, with the first measure of it.
fn functions(experiment: &Experiment) -> Vec<(&FunctionName, &MeasureName)> {
    let mut functions: Vec<(&FunctionName, &MeasureName)> = vec![];
    for measure in &experiment.steady_state {
        let function = measure.layer.as_ref().map(|layer| &layer.function);
        if let Some(function) = function.filter(|function| functions.iter().all(|(known, _)| known != function)) {
            functions.push((function, &measure.name));
        }
    }
    functions
}

fn question(function: &FunctionName, name: &MeasureName, metric: &str, statistic: &str) -> Measure {
    Measure {
        name: name.clone(),
        unit: None,
        layer: None,
        period: PERIOD,
        metric: Some(Metric {
            namespace: "AWS/Lambda".to_owned(),
            name: metric.to_owned(),
            dimensions: BTreeMap::from([("FunctionName".to_owned(), function.to_string())]),
            statistic: statistic.to_owned(),
        }),
        metrics: BTreeMap::new(),
        expression: None,
        tolerance: Tolerance::default(),
        min_points: 0,
    }
}

/// What the answers to [`questions`] say, in the same order. A function without a point is left out: nothing is known of it.
pub fn answers(experiment: &Experiment, series: &[Vec<Point>], asked: Window) -> Vec<Traffic> {
    let functions = functions(experiment).into_iter().zip(series.chunks(ASKED.len()));
    functions
        .filter_map(|((function, _), series)| Traffic::told(function, series, asked))
        .collect()
}

impl Traffic {
    fn told(function: &FunctionName, series: &[Vec<Point>], asked: Window) -> Option<Traffic> {
        let [invocations, errors, p50, p99] = series else {
            return None;
        };
        let counted: Vec<&Point> = invocations.iter().filter(|point| point.value > 0.0).collect();
        let (first, last) = (counted.first()?.at, counted.last()?.at);
        let period = f64::from(PERIOD.secs());
        let lasted = last.duration_since(first).as_secs_f64() + period;
        let requests: f64 = counted.iter().map(|point| point.value).sum();
        let failed: f64 = errors.iter().map(|point| point.value).sum();
        let busiest = counted.iter().map(|point| point.value).fold(0.0, f64::max);
        let known = Traffic {
            function: function.clone(),
            source: Source::CloudWatch,
            requests: requests as u64,
            per_second: requests / lasted,
            busiest_per_second: busiest / period,
            is_continuous: 2 * counted.len() >= asked.periods(PERIOD) as usize,
            error_percent: Some((100.0 * failed / requests).clamp(0.0, 100.0)),
            http_5xx_percent: None,
            timeout_percent: None,
            p50_ms: median(p50),
            p99_ms: median(p99),
        };
        (known.per_second.is_finite() && known.error_percent.is_some_and(f64::is_finite)).then_some(known)
    }

    /// What the layer saw in the baseline; `None` if it saw nothing.
    pub(super) fn seen(seen: &SeenSummary, baseline: &Measured) -> Option<Traffic> {
        let requests = seen.requests();
        let since = seen
            .since_ms
            .and_then(|ms| Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok());
        let lasted = baseline.at.duration_since(since.unwrap_or(baseline.window.from));
        let per_second = requests as f64 / lasted.as_secs_f64().max(1.0);
        let percent = |one: u64, other: u64| Some(100.0 * one.saturating_add(other) as f64 / requests as f64);
        let (one, other) = (&seen.control, &seen.experimental);
        // There is no fault yet: the larger group knows its percentiles better.
        let larger = if one.requests >= other.requests { one } else { other };
        (requests > 0).then(|| Traffic {
            function: seen.function.clone(),
            source: Source::Baseline,
            requests,
            per_second,
            busiest_per_second: per_second,
            is_continuous: true,
            error_percent: percent(one.errors, other.errors),
            http_5xx_percent: percent(one.http_5xx, other.http_5xx),
            timeout_percent: percent(one.timeouts, other.timeouts),
            p50_ms: larger.p50,
            p99_ms: larger.p99,
        })
    }
}

/// The median of the points that are above zero.
fn median(points: &[Point]) -> Option<f64> {
    let values = points.iter().map(|point| point.value);
    let mut values: Vec<f64> = values.filter(|value| value.is_finite() && *value > 0.0).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
