//! The probes of `chaosaws.cloudwatch.probes` that become measures, or alarms that guard a run.
//!
//! Source: `chaosaws/cloudwatch/probes.py` of chaostoolkit-aws 0.35; a test compares the functions and their arguments.

use std::collections::BTreeMap;

use inoculate_core::experiment::{Metric, Tolerance};
use inoculate_core::span::Span;
use serde_json::{Value, json};

use super::activity::{Arguments, Known, provided};
use super::parts::whole;
use super::tolerance;
use super::variables::Variables;

/// Where the probes are.
pub(super) const MODULE: &str = "chaosaws.cloudwatch.probes";

/// What a probe of the steady state says.
#[derive(Debug)]
pub(super) enum Meant {
    /// A metric stays within limits.
    Measure(Measured),
    /// An alarm is not in ALARM.
    Alarm { name: String, notes: Vec<String> },
}

/// A measure that was made of a probe.
#[derive(Debug)]
pub(super) struct Measured {
    /// The measure, without its name.
    pub(super) measure: Value,
    pub(super) period: Span,
    /// How late its metric may be, in seconds.
    pub(super) delay: u32,
    pub(super) notes: Vec<String>,
}

/// What becomes of a probe.
#[derive(Clone, Copy)]
pub(super) enum Meaning {
    /// One value of a metric; the function says over which time.
    Metric(fn(&Arguments, &str) -> Result<u32, String>),
    Alarm,
}

/// Every probe there is.
#[rustfmt::skip]
pub(super) const PROBES: &[Known<Meaning>] = &[
    Known { func: "get_alarm_state_value", arguments: &["alarm_name"], meaning: Meaning::Alarm },
    Known { func: "get_metric_statistics", arguments: &["namespace", "metric_name", "dimension_name", "dimension_value", "dimensions", "duration", "offset", "statistic", "extended_statistic", "unit"], meaning: Meaning::Metric(whole_duration) },
    Known { func: "get_metric_data", arguments: &["namespace", "metric_name", "dimension_name", "dimension_value", "dimensions", "statistic", "duration", "period", "offset", "unit"], meaning: Meaning::Metric(periods) },
];

/// What a probe of the steady state says.
///
/// # Errors
/// Why Inoculate cannot say it.
pub(super) fn meant(activity: &Value, variables: &Variables) -> Result<Meant, String> {
    let known = provided(activity, MODULE, PROBES)?;
    let arguments = Arguments::of(activity, known.arguments, variables)?;
    let Some(written) = activity.get("tolerance") else {
        return Err("it has no tolerance, so nothing is judged by it; with one it could be measured".to_owned());
    };
    let tolerance = variables.substituted(written)?;
    match known.meaning {
        Meaning::Alarm => alarm(&arguments, &tolerance),
        Meaning::Metric(over) => measure(&arguments, over, tolerance::limits(&tolerance)?),
    }
}

fn alarm(arguments: &Arguments, tolerance: &Value) -> Result<Meant, String> {
    let name = arguments.text("alarm_name")?.to_owned();
    let accepts = |state: &str| tolerance::accepts(tolerance, state);
    if accepts("ALARM")? {
        return Err("its tolerance accepts ALARM, and an alarm that guards a run ends it".to_owned());
    }
    if !accepts("OK")? {
        return Err("its tolerance does not accept OK".to_owned());
    }
    let mut notes = vec!["a run does not start while it is in ALARM, and is aborted when it goes there".to_owned()];
    if !accepts("INSUFFICIENT_DATA")? {
        notes.push("INSUFFICIENT_DATA does not count as a failure, as it does to Chaos Toolkit".to_owned());
    }
    Ok(Meant::Alarm { name, notes })
}

/// `get_metric_statistics` asks for one point that is as long as `duration`.
fn whole_duration(arguments: &Arguments, _: &str) -> Result<u32, String> {
    arguments.whole("duration", Some(60.0))
}

/// `get_metric_data` asks for points of `period` over `duration`, adds up sums, and takes the mean, lowest or highest otherwise.
fn periods(arguments: &Arguments, statistic: &str) -> Result<u32, String> {
    match statistic {
        "Sum" => arguments.whole("duration", Some(300.0)),
        _ => arguments.whole("period", Some(60.0)),
    }
}

fn measure(
    arguments: &Arguments,
    over: fn(&Arguments, &str) -> Result<u32, String>,
    tolerance: Tolerance,
) -> Result<Meant, String> {
    let statistic = match (arguments.get("statistic"), arguments.get("extended_statistic")) {
        (Some(_), _) => arguments.text("statistic")?,
        (None, Some(_)) => arguments.text("extended_statistic")?,
        (None, None) => return Err("`statistic` is missing".to_owned()),
    };
    let metric = Metric {
        namespace: arguments.text("namespace")?.to_owned(),
        name: arguments.text("metric_name")?.to_owned(),
        dimensions: dimensions(arguments)?,
        statistic: statistic.to_owned(),
    };
    let (period, notes) = period(&metric, over(arguments, statistic)?, &tolerance);
    let mut measure = json!({ "period": period, "metric": metric, "tolerance": written(&tolerance) });
    if arguments.get("unit").is_some() {
        measure["unit"] = unit(arguments.text("unit")?).into();
    }
    let late = if is_of_aws(&metric) { 120 } else { 0 };
    Ok(Meant::Measure(Measured {
        measure,
        period,
        delay: arguments.whole("offset", Some(0.0))?.max(late),
        notes,
    }))
}

/// The limits as people write them.
fn written(tolerance: &Tolerance) -> Value {
    let limits = [("at_least", tolerance.at_least), ("at_most", tolerance.at_most)];
    let limits = limits
        .into_iter()
        .filter_map(|(name, limit)| Some((name.to_owned(), whole(limit?))));
    Value::Object(limits.collect())
}

/// The metrics of AWS itself have one point a minute, and are minutes late.
fn is_of_aws(metric: &Metric) -> bool {
    metric.namespace.starts_with("AWS/")
}

/// How long a point is, and in what that differs from the time that the probe looks at.
///
/// A sum depends on how long it is over, unless it is 0. Everything else is looked at minute by minute, since a verdict
/// needs several points.
fn period(metric: &Metric, over: u32, tolerance: &Tolerance) -> (Span, Vec<String>) {
    let adds_up = matches!(metric.statistic.as_str(), "Sum" | "SampleCount");
    let is_nothing = (tolerance.at_least, tolerance.at_most) == (Some(0.0), Some(0.0));
    let wanted = if adds_up && !is_nothing { over } else { over.min(60) };
    let least = if is_of_aws(metric) { 60 } else { 1 };
    let short = [1, 5, 10, 20, 30].into_iter().find(|secs| *secs >= wanted.max(least));
    let period = Span::from_secs(short.unwrap_or(wanted.max(least).div_ceil(60).saturating_mul(60)));
    let note = (period.secs() != over).then(|| {
        let over = Span::from_secs(over);
        format!("Chaos Toolkit looks at one value over {over}; here every value over {period} counts")
    });
    (period, note.into_iter().collect())
}

fn dimensions(arguments: &Arguments) -> Result<BTreeMap<String, String>, String> {
    let Some(written) = arguments.get("dimensions") else {
        let name = arguments.text("dimension_name")?.to_owned();
        return Ok(BTreeMap::from([(name, arguments.text("dimension_value")?.to_owned())]));
    };
    let pair = |item: &Value| {
        let text = |field: &str| item.get(field)?.as_str().map(str::to_owned);
        text("Name").zip(text("Value"))
    };
    let pairs = written.as_array().into_iter().flatten().map(pair);
    let pairs: Option<BTreeMap<String, String>> = pairs.collect();
    pairs
        .filter(|pairs| !pairs.is_empty())
        .ok_or_else(|| "`dimensions` is not a list of `Name` and `Value`".to_owned())
}

/// A unit of CloudWatch as people write it.
fn unit(written: &str) -> String {
    match written {
        "Milliseconds" => "ms".to_owned(),
        "Microseconds" => "us".to_owned(),
        "Seconds" => "s".to_owned(),
        other => other.to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period_of(namespace: &str, statistic: &str, over: u32, most: f64) -> (String, bool) {
        let metric = Metric {
            namespace: namespace.into(),
            name: "Errors".into(),
            dimensions: BTreeMap::new(),
            statistic: statistic.into(),
        };
        let tolerance = Tolerance {
            at_least: Some(0.0),
            at_most: Some(most),
            ..Tolerance::default()
        };
        let (period, notes) = period(&metric, over, &tolerance);
        (period.to_string(), !notes.is_empty())
    }

    #[test]
    fn a_point_is_as_long_as_the_limit_needs_it() {
        for (namespace, statistic, over, most, expected, differs) in [
            ("AWS/Lambda", "Average", 60, 9.0, "1m", false),
            ("AWS/Lambda", "Average", 900, 9.0, "1m", true),
            ("AWS/Lambda", "Average", 10, 9.0, "1m", true),
            ("AWS/Lambda", "Sum", 900, 0.0, "1m", true),
            ("AWS/Lambda", "Sum", 900, 9.0, "15m", false),
            ("AWS/Lambda", "SampleCount", 90, 9.0, "2m", true),
            ("Shop", "Average", 10, 9.0, "10s", false),
            ("Shop", "p99", 7, 9.0, "10s", true),
            ("Shop", "Sum", 45, 9.0, "1m", true),
            ("Shop", "Sum", 0, 9.0, "1s", true),
        ] {
            let found = period_of(namespace, statistic, over, most);
            assert_eq!(
                found,
                (expected.to_owned(), differs),
                "{namespace} {statistic} {over} {most}"
            );
        }
    }
}
