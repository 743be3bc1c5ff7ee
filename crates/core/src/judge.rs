//! Points and tolerances in, verdict and reason out. Nothing is fetched here.
//!
//! A metric series without groups is judged by its whole data points: every point inside the tolerance upholds, more
//! than half outside deviates, and so do as many in a row as the measure asks for at all, so that an hour of calm does
//! not hide the outage after it. Anything between is inconclusive. Missing data is a reason, never a pass.

mod groups;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::experiment::{Measure, Tolerance};
use crate::names::MeasureName;
use crate::span::Span;

pub use groups::{ALPHA, Compared, Estimate, GroupWindow, judge_groups};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The steady state held.
    Upheld,
    /// The data cannot tell.
    Inconclusive,
    /// The steady state did not hold.
    Deviated,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Upheld => "upheld",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Deviated => "deviated",
        })
    }
}

/// One data point: the start of its period and the value of the statistic over it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The start of the period.
    pub at: Timestamp,
    /// The value; not always finite when it comes from metric maths.
    pub value: f64,
}

/// A stretch of time, from its start up to and without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The start.
    pub from: Timestamp,
    /// The end.
    pub until: Timestamp,
}

impl Window {
    /// The part that consists of whole periods; empty when there is none. A period at the edge mixes two windows.
    #[must_use]
    pub fn whole_periods(self, period: Span) -> Window {
        let period = i64::from(period.secs());
        let from = self.from.as_second() + i64::from(self.from.subsec_nanosecond() > 0);
        let from = from.div_euclid(period) * period + if from.rem_euclid(period) > 0 { period } else { 0 };
        let until = self.until.as_second().div_euclid(period) * period;
        let at = |second| Timestamp::from_second(second).unwrap_or(self.from);
        Window {
            from: at(from),
            until: at(until.max(from)),
        }
    }

    /// How many whole periods fit between the two ends.
    pub fn periods(self, period: Span) -> u32 {
        let secs = self.until.duration_since(self.from).as_secs();
        u32::try_from(secs / i64::from(period.secs())).unwrap_or(0)
    }

    /// Whether the window has no length.
    pub fn is_empty(self) -> bool {
        self.until <= self.from
    }
}

/// Why a verdict is what it is, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Every point is inside the tolerance.
    Within,
    /// More than half of the points are outside.
    Beyond,
    /// As many points in a row are outside as the measure asks for at all, however calm the others are.
    Sustained,
    /// Some points are outside, but not more than half.
    Mixed,
    /// There is not one point.
    NoData,
    /// There are fewer points than the measure asks for.
    TooFewPoints,
    /// More than half of the points that should be there are missing.
    Gaps,
    /// The tolerance is relative and the baseline is missing or zero.
    NoBaseline,
    /// The layer saw no request.
    NoRequests,
    /// The layer saw fewer requests than the measure asks for.
    TooFewRequests,
    /// The interval reaches over the tolerance: more requests would tell.
    Uncertain,
    /// The groups differ although there is no fault.
    GroupsDiffer,
}

/// What was found for one measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The measure.
    pub measure: MeasureName,
    /// Its unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What was found.
    pub verdict: Verdict,
    /// Why.
    pub reason: Reason,
    /// Why, in one sentence.
    pub sentence: String,
    /// How many points there are.
    pub points: u32,
    /// How many there should be.
    pub expected_points: u32,
    /// How many are outside the tolerance.
    pub outside: u32,
    /// The median of the points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// The lowest point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lowest: Option<f64>,
    /// The highest point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub highest: Option<f64>,
    /// The limits that were applied.
    pub limits: Limits,
    /// For a measure of the layer: what was estimated of the groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Compared>,
}

/// A tolerance in the unit of the measure, with the baseline worked in.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// The lowest value inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The highest value inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl Limits {
    /// The limits of a tolerance; `None` when it is relative and there is no baseline to relate to.
    fn of(tolerance: &Tolerance, baseline_median: Option<f64>) -> Option<Limits> {
        let mut limits = Limits {
            low: tolerance.at_least,
            high: tolerance.at_most,
        };
        if let Some(percent) = tolerance.rise_at_most_percent {
            let high = usable(baseline_median)? * (1.0 + percent / 100.0);
            limits.high = Some(limits.high.map_or(high, |limit| limit.min(high)));
        }
        if let Some(percent) = tolerance.fall_at_most_percent {
            let low = usable(baseline_median)? * (1.0 - percent / 100.0);
            limits.low = Some(limits.low.map_or(low, |limit| limit.max(low)));
        }
        Some(limits)
    }

    fn contain(self, value: f64) -> bool {
        self.low.is_none_or(|low| value >= low) && self.high.is_none_or(|high| value <= high)
    }
}

/// A percentage of nothing, or of something negative, says nothing.
fn usable(baseline_median: Option<f64>) -> Option<f64> {
    baseline_median.filter(|median| median.is_finite() && *median > 0.0)
}

/// Judges one measure by its points in a window of `expected_points` whole periods.
///
/// `baseline_median` is the median of the measure in the baseline, for relative tolerances. Points that are not
/// finite count as missing. Never panics.
pub fn judge(measure: &Measure, baseline_median: Option<f64>, points: &[Point], expected_points: u32) -> Finding {
    let mut values: Vec<f64> = points
        .iter()
        .map(|point| point.value)
        .filter(|value| value.is_finite())
        .collect();
    values.sort_by(f64::total_cmp);
    let present = u32::try_from(values.len()).unwrap_or(u32::MAX);
    let limits = Limits::of(&measure.tolerance, baseline_median);
    let outside = limits.map_or(0, |limits| {
        values.iter().filter(|value| !limits.contain(**value)).count()
    });
    let outside = u32::try_from(outside).unwrap_or(u32::MAX);
    let in_a_row = limits.map_or(0, |limits| longest_outside(points, limits));

    let (verdict, reason) = if present == 0 {
        (Verdict::Inconclusive, Reason::NoData)
    } else if present < measure.min_points {
        (Verdict::Inconclusive, Reason::TooFewPoints)
    } else if in_a_row >= measure.min_points {
        let most = u64::from(outside) * 2 > u64::from(present);
        (Verdict::Deviated, if most { Reason::Beyond } else { Reason::Sustained })
    } else if u64::from(present) * 2 < u64::from(expected_points) {
        (Verdict::Inconclusive, Reason::Gaps)
    } else if limits.is_none() {
        (Verdict::Inconclusive, Reason::NoBaseline)
    } else if outside == 0 {
        (Verdict::Upheld, Reason::Within)
    } else if u64::from(outside) * 2 > u64::from(present) {
        (Verdict::Deviated, Reason::Beyond)
    } else {
        (Verdict::Inconclusive, Reason::Mixed)
    };

    let mut finding = Finding {
        measure: measure.name.clone(),
        unit: measure.unit.clone(),
        verdict,
        reason,
        sentence: String::new(),
        points: present,
        expected_points,
        outside,
        median: median(&values),
        lowest: values.first().copied(),
        highest: values.last().copied(),
        limits: limits.unwrap_or_default(),
        groups: None,
    };
    finding.sentence = sentence(&finding, measure.min_points);
    finding
}

/// The most points in a row that are outside. Points that are not finite are missing, not calm: they end no row.
fn longest_outside(points: &[Point], limits: Limits) -> u32 {
    let mut longest = 0;
    let mut row = 0;
    for point in points.iter().filter(|point| point.value.is_finite()) {
        row = if limits.contain(point.value) { 0 } else { row + 1 };
        longest = longest.max(row);
    }
    longest
}

/// The verdict of a whole: as good as its worst measure; inconclusive when nothing was measured.
pub fn overall<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Verdict {
    findings
        .into_iter()
        .map(|finding| finding.verdict)
        .max()
        .unwrap_or(Verdict::Inconclusive)
}

fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = sorted.get(sorted.len() / 2 - 1)?;
    Some(lower / 2.0 + upper / 2.0)
}

fn sentence(finding: &Finding, min_points: u32) -> String {
    let Finding {
        points,
        expected_points,
        outside,
        ..
    } = finding;
    let unit = finding.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let number = |value: Option<f64>| value.map_or("?".to_owned(), rounded);
    let median = number(finding.median);
    let tolerance = match (finding.limits.low, finding.limits.high) {
        (Some(low), Some(high)) => format!("the tolerance of {} to {}{unit}", rounded(low), rounded(high)),
        (Some(low), None) => format!("the tolerance of at least {}{unit}", rounded(low)),
        (None, Some(high)) => format!("the tolerance of at most {}{unit}", rounded(high)),
        (None, None) => "its tolerance".to_owned(),
    };
    match finding.reason {
        Reason::Within => format!("all {points} points are within {tolerance} (median {median}{unit})"),
        Reason::Beyond => format!("{outside} of {points} points are outside {tolerance} (median {median}{unit})"),
        Reason::Sustained => format!(
            "{outside} of {points} points are outside {tolerance}, at least {min_points} of them in a row \
             (median {median}{unit})"
        ),
        Reason::Mixed => format!(
            "{outside} of {points} points are outside {tolerance}, too few to call it a deviation (median {median}{unit})"
        ),
        Reason::NoData => format!("no data arrived, {expected_points} points were expected"),
        Reason::TooFewPoints => format!("{points} points arrived, {min_points} are needed"),
        Reason::Gaps => format!("only {points} of {expected_points} points arrived"),
        Reason::NoBaseline => {
            "the tolerance is relative to the baseline, which is missing or not above zero".to_owned()
        }
        // Reasons of groups, which have sentences of their own.
        Reason::NoRequests | Reason::TooFewRequests | Reason::Uncertain | Reason::GroupsDiffer => String::new(),
    }
}

/// A number for people: about four significant digits, at most six decimals, and whole numbers in full.
pub fn rounded(value: f64) -> String {
    let digits = if value == 0.0 {
        0
    } else {
        (3 - value.abs().log10().floor() as i32).clamp(0, 6)
    };
    let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}
