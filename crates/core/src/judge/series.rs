//! Metric series without groups, judged by their whole data points: every point inside the tolerance upholds, more
//! than half outside deviates, and so do as many in a row as the measure asks for at all, so that an hour of calm does
//! not hide the outage after it. Anything between is inconclusive.

use super::{Finding, Limits, Point, Reason, Verdict, rounded};
use crate::experiment::{Measure, Tolerance};

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
        claims: vec![],
        values: vec![],
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
        Reason::NoRequests
        | Reason::TooFewRequests
        | Reason::Uncertain
        | Reason::GroupsDiffer
        | Reason::SampleRatio => String::new(),
    }
}
