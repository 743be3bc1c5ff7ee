//! What the layer saw of two groups, judged by intervals that may be looked at all the time ([`crate::sequential`]).
//!
//! While the faults are there, the tolerance is a claim to be established: the whole interval within upholds, the whole
//! interval beyond deviates, anything between is inconclusive. Before and after, the steady state is what was always
//! there: it holds unless what was seen speaks against it.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{ALPHA, Finding, Limits, Reason, Verdict, rounded};
use crate::experiment::{LayerMeasure, Measure, Statistic, Tolerance};
use crate::layer::Stage;
use crate::names::FunctionName;
use crate::sequential::{Interval, proportion, quantile, rate};
use crate::sketch::{Counts, Seen};

/// The intervals that the verdict of one measure rests on: experimental group, control group, baseline.
const INTERVALS: f64 = 3.0;

/// What was estimated of one group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// How many requests it rests on.
    pub requests: u64,
    /// The value, in the unit of the statistic; absent when it cannot be had of these requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// Where the true value is.
    #[serde(flatten)]
    pub interval: Interval,
}

/// What a finding of groups rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// The function.
    pub function: FunctionName,
    /// The statistic, as it is written in an experiment.
    pub statistic: String,
    /// The window of the run.
    pub stage: Stage,
    /// The chance that an interval ever misses the truth.
    pub alpha: f64,
    /// Requests without the fault; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<Estimate>,
    /// Requests with the fault; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experimental: Option<Estimate>,
    /// All requests; absent when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all: Option<Estimate>,
}

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct GroupWindow<'a> {
    /// The window of the run.
    pub stage: Stage,
    /// What was seen of the function.
    pub seen: &'a Seen,
    /// How long it was looked at, for what is counted in a time.
    pub lasted: SignedDuration,
    /// How long it may take until a request that came is counted: as much of the time may lack its requests.
    pub lag: SignedDuration,
    /// How many measures of groups the experiment has: they share [`ALPHA`].
    pub measures: usize,
    /// What was estimated in the baseline; `None` in the baseline itself.
    pub baseline: Option<&'a Compared>,
}

/// Judges one measure of the layer. Never panics.
pub fn judge_groups(measure: &Measure, layer: &LayerMeasure, window: &GroupWindow<'_>) -> Finding {
    let compared = compare(layer, window);
    let subject = match (window.stage, layer.statistic) {
        (_, Statistic::RequestsPerSecond) => compared.all,
        (Stage::Injection, _) => compared.experimental,
        (Stage::Baseline, _) => compared.all,
        // Before and after, tolerances that compare the groups are looked at, too.
        (Stage::Recovery, _) if measure.tolerance.needs_control() => compared.experimental,
        (Stage::Recovery, _) => compared.all,
    };
    let checks = checks(&measure.tolerance, &compared, window);
    let (verdict, reason, limit) = decide(layer, subject, &checks, window, &compared);
    let nominal = |upper: bool| {
        let ends = checks
            .iter()
            .filter(|check| check.upper == upper)
            .filter_map(|check| check.limit);
        let ends = ends.map(|limit| {
            if upper {
                limit.low
            } else {
                limit.high.unwrap_or(limit.low)
            }
        });
        ends.reduce(if upper { f64::min } else { f64::max })
    };
    let mut finding = Finding {
        measure: measure.name.clone(),
        unit: Some(measure.unit.clone().unwrap_or_else(|| unit(layer.statistic).to_owned())),
        verdict,
        reason,
        sentence: String::new(),
        points: 0,
        expected_points: 0,
        outside: 0,
        median: subject.and_then(|subject| subject.value),
        lowest: None,
        highest: None,
        limits: Limits {
            low: nominal(false),
            high: nominal(true),
        },
        claims: vec![],
        values: vec![],
        groups: Some(compared),
    };
    finding.sentence = sentence(&finding, layer, subject, limit.as_deref(), window);
    finding
}

fn unit(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::ErrorRate | Statistic::Http5xxRate | Statistic::TimeoutRate => "percent",
        Statistic::RequestsPerSecond => "requests/s",
        Statistic::Percentile(_) => "ms",
    }
}

fn compare(layer: &LayerMeasure, window: &GroupWindow<'_>) -> Compared {
    let alpha = ALPHA / (window.measures.max(1) as f64 * INTERVALS);
    let mut all = window.seen.control.clone();
    all.merge(&window.seen.experimental);
    let of = |counts: &Counts| {
        let (value, interval) = estimate(layer.statistic, counts, window, alpha);
        (counts.requests > 0).then_some(Estimate {
            requests: counts.requests,
            value,
            interval,
        })
    };
    Compared {
        function: layer.function.clone(),
        statistic: layer.statistic.to_string(),
        stage: window.stage,
        alpha,
        control: of(&window.seen.control),
        experimental: of(&window.seen.experimental),
        all: of(&all),
    }
}

fn estimate(statistic: Statistic, counts: &Counts, window: &GroupWindow<'_>, alpha: f64) -> (Option<f64>, Interval) {
    let share = |hits: u64| {
        let percent = |share: f64| share * 100.0;
        let value = (counts.requests > 0).then(|| percent(hits as f64 / counts.requests as f64));
        (value, proportion(hits, counts.requests, alpha).map(percent))
    };
    match statistic {
        Statistic::ErrorRate => share(counts.errors),
        Statistic::Http5xxRate => share(counts.http_5xx),
        Statistic::TimeoutRate => share(counts.timeouts),
        Statistic::RequestsPerSecond => {
            let (secs, counted) = (window.lasted.as_secs_f64(), (window.lasted - window.lag).as_secs_f64());
            let value = (secs > 0.0).then(|| counts.requests as f64 / secs);
            let interval = Interval {
                low: rate(counts.requests, secs, alpha).low,
                high: rate(counts.requests, counted, alpha).high,
            };
            (value, interval)
        }
        Statistic::Percentile(percent) => {
            let share = f64::from(percent) / 100.0;
            (
                counts.durations.quantile(share),
                quantile(&counts.durations, share, alpha),
            )
        }
    }
}

/// One limit of a tolerance. What it relates to is itself known only within an interval.
struct Check {
    /// Whether it is the highest value, or the lowest.
    upper: bool,
    /// Where the limit is; `None` when there is nothing to relate to.
    limit: Option<Interval>,
    /// Where it is by what was seen, without its uncertainty.
    seen: Option<f64>,
    /// Whether it relates to the control group.
    against_control: bool,
    /// The limit in words.
    words: String,
}

fn checks(tolerance: &Tolerance, compared: &Compared, window: &GroupWindow<'_>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (upper, written, words) in [
        (true, tolerance.at_most, "at most {}"),
        (false, tolerance.at_least, "at least {}"),
    ] {
        checks.extend(written.map(|written| Check {
            upper,
            limit: Some(Interval::exactly(written)),
            seen: Some(written),
            against_control: false,
            words: words.replace("{}", &rounded(written)),
        }));
    }
    if window.stage != Stage::Baseline {
        checks.extend(relative_checks(tolerance, compared, window));
    }
    checks
}

/// Those that relate to the baseline, or to the control group.
fn relative_checks(tolerance: &Tolerance, compared: &Compared, window: &GroupWindow<'_>) -> Vec<Check> {
    let baseline = window.baseline.and_then(|baseline| baseline.all);
    let control = compared.control;
    let (rise, fall) = (tolerance.rise_at_most_percent, tolerance.fall_at_most_percent);
    let (margin, percent) = (tolerance.above_control_at_most, tolerance.above_control_at_most_percent);
    let scaled = |value: f64, percent: f64| value * (1.0 + percent / 100.0);
    let lowered = |value: f64, percent: f64| value * (1.0 - percent / 100.0);
    let added = |value: f64, margin: f64| value + margin;
    let (over, under) = ("percent above the baseline", "percent below the baseline");
    let (more, slower) = ("above the control group", "percent above the control group");
    type Change = fn(f64, f64) -> f64;
    type Relation<'a> = (bool, Option<f64>, Option<Estimate>, Change, &'a str);
    let relations: [Relation<'_>; 4] = [
        (true, rise, baseline, scaled, over),
        (false, fall, baseline, lowered, under),
        (true, margin, control, added, more),
        (true, percent, control, scaled, slower),
    ];
    let checks = relations
        .into_iter()
        .filter_map(|(upper, written, base, change, words)| {
            let written = written?;
            Some(Check {
                upper,
                limit: base.map(|base| base.interval.map(|value| change(value, written))),
                seen: base.and_then(|base| base.value).map(|value| change(value, written)),
                against_control: words.contains("control"),
                words: format!("at most {} {words}", rounded(written)),
            })
        });
    checks.collect()
}

/// The verdict, its reason, and in words the limit that it is about.
fn decide(
    layer: &LayerMeasure,
    subject: Option<Estimate>,
    checks: &[Check],
    window: &GroupWindow<'_>,
    compared: &Compared,
) -> (Verdict, Reason, Option<String>) {
    let inconclusive = |reason| (Verdict::Inconclusive, reason, None);
    let Some(subject) = subject else {
        return inconclusive(Reason::NoRequests);
    };
    if subject.requests < u64::from(layer.min_requests) {
        return inconclusive(Reason::TooFewRequests);
    }
    let compares = window.stage != Stage::Baseline && checks.iter().any(|check| check.against_control);
    let control = compared.control.map_or(0, |control| control.requests);
    if compares && (1..u64::from(layer.min_requests)).contains(&control) {
        return inconclusive(Reason::TooFewRequests);
    }
    let mut uncertain = None;
    for check in checks {
        let Some(limit) = check.limit else {
            return inconclusive(Reason::NoBaseline);
        };
        let words = || Some(check.words.clone());
        let (beyond, within) = if check.upper {
            (subject.interval.is_above(limit), subject.interval.is_at_most(limit))
        } else {
            (limit.is_above(subject.interval), limit.is_at_most(subject.interval))
        };
        if beyond {
            return (Verdict::Deviated, Reason::Beyond, words());
        }
        let holds = match window.stage {
            Stage::Injection => within,
            Stage::Baseline | Stage::Recovery => {
                subject.value.is_some_and(|value| !speaks_against(check, value, limit))
            }
        };
        if !holds {
            uncertain = uncertain.or(words());
        }
    }
    if uncertain.is_some() {
        return (Verdict::Inconclusive, Reason::Uncertain, uncertain);
    }
    if window.stage == Stage::Baseline && differ(compared) {
        return inconclusive(Reason::GroupsDiffer);
    }
    let words: Vec<&str> = checks.iter().map(|check| check.words.as_str()).collect();
    (
        Verdict::Upheld,
        Reason::Within,
        Some(words.join(" and ")).filter(|words| !words.is_empty()),
    )
}

/// Whether a value is on the wrong side of all that the limit may be; of what was seen of it, where that has no end.
fn speaks_against(check: &Check, value: f64, limit: Interval) -> bool {
    if check.upper {
        limit.high.or(check.seen).is_none_or(|high| value > high)
    } else {
        value < limit.low
    }
}

/// Whether the groups are established to be different. Only where a group has something to differ in.
fn differ(compared: &Compared) -> bool {
    let (Some(control), Some(experimental)) = (compared.control, compared.experimental) else {
        return false;
    };
    let comparable = compared.statistic != Statistic::RequestsPerSecond.to_string();
    let (one, other) = (control.interval, experimental.interval);
    comparable && (one.is_above(other) || other.is_above(one))
}

fn sentence(
    finding: &Finding,
    layer: &LayerMeasure,
    subject: Option<Estimate>,
    limit: Option<&str>,
    window: &GroupWindow<'_>,
) -> String {
    let unit = finding.unit.as_deref().unwrap_or_default();
    let Some(compared) = &finding.groups else {
        return String::new();
    };
    let said = |estimate: &Estimate| {
        let (value, requests) = (number(estimate.value), estimate.requests);
        match layer.statistic {
            Statistic::ErrorRate | Statistic::Http5xxRate | Statistic::TimeoutRate => {
                format!("{value} {unit} of {requests} requests")
            }
            Statistic::RequestsPerSecond => format!("{value} {unit} in {requests} requests"),
            Statistic::Percentile(_) => format!("{} {value} {unit} of {requests} requests", layer.statistic),
        }
    };
    let group = match window.stage {
        Stage::Injection if layer.statistic != Statistic::RequestsPerSecond => " of the experimental group",
        _ => "",
    };
    let control = match (&compared.control, window.stage) {
        (Some(control), Stage::Injection) if !group.is_empty() => format!(", {} of the control group", said(control)),
        (None, Stage::Injection) if !group.is_empty() => ", and no control group".to_owned(),
        _ => String::new(),
    };
    let function = &layer.function;
    let Some(subject) = subject else {
        return format!("the layer of {function} saw no request{group}; is it attached? `inoculate doctor {function}`");
    };
    if finding.reason == Reason::TooFewRequests {
        let (few, whose) = match compared.control {
            Some(control) if subject.requests >= u64::from(layer.min_requests) => {
                (control.requests, " of the control group")
            }
            _ => (subject.requests, group),
        };
        let needed = layer.min_requests;
        return format!("the layer of {function} saw {few} requests{whose}, {needed} are needed");
    }
    let range = match subject.interval.high {
        Some(high) => format!("between {} and {}", rounded(subject.interval.low), rounded(high)),
        None => format!("at least {}", rounded(subject.interval.low)),
    };
    let what = format!("{}{group} ({range}){control}", said(&subject));
    let limit = limit.unwrap_or("anything, as it is what the run will be compared with");
    match finding.reason {
        Reason::Beyond => format!("{what}; beyond the tolerance: {limit}"),
        Reason::Uncertain if window.stage == Stage::Injection => format!("{what}; too few to tell: {limit}"),
        Reason::Uncertain => format!("{what}; not within the tolerance: {limit}"),
        Reason::NoBaseline => format!("{what}; there is nothing to compare with"),
        Reason::GroupsDiffer => {
            let one = compared.control.as_ref().map(said).unwrap_or_default();
            let other = compared.experimental.as_ref().map(said).unwrap_or_default();
            format!("the groups differ although there is no fault: {one} without, {other} with")
        }
        _ => format!("{what}; tolerated: {limit}"),
    }
}

fn number(value: Option<f64>) -> String {
    value.map_or("?".to_owned(), rounded)
}
