//! Metric series without groups.
//!
//! A limit in the unit of the measure is judged by whole data points: every point inside the tolerance upholds, more than half
//! outside deviates, and so do as many in a row as the measure asks for at all, so that an hour of calm does not hide the
//! outage after it. Anything between is inconclusive. Each point is itself an aggregate over many requests, and the limit a
//! promise about each of them, so there is nothing to estimate.
//!
//! A limit relative to the baseline is judged in the same way before and after the faults. While they are there it is a claim
//! about a difference between two noisy series, and is tested: [`relative`].

mod relative;

use super::{ALPHA, Claim, Finding, Limits, Point, Reason, Verdict, rounded};
use crate::experiment::{Measure, Tolerance};
use crate::layer::Stage;

/// The most points of a baseline that are kept to compare with: the newest. It bounds the size of what is stored of a run, and
/// more would add next to nothing.
const MOST_VALUES: usize = 1_000;

/// Where in a run the points of a series are, and what it takes to judge them there.
///
/// A series is looked at again and again while the faults are there, and each look at new points is another chance to be wrong.
/// So [`ALPHA`] is spent: each measure has an equal share of it; half of the share is for the one look that gives the verdict,
/// the other half is spread evenly over the looks before. By the union bound, all looks and all measures together are wrong no
/// more often than [`ALPHA`] says. A look that finds the same points as the one before costs nothing: it says the same. There
/// cannot be more looks with new points than there are points, so `looks` is how many periods the longest injection has.
#[derive(Debug, Clone, Copy)]
pub struct SeriesWindow<'a> {
    /// The window of the run.
    pub stage: Stage,
    /// How many whole periods it has: how many points there should be.
    pub expected_points: u32,
    /// What was found in the baseline; `None` in the baseline itself, and when it is missing.
    pub baseline: Option<&'a Finding>,
    /// How many measures the experiment has, of whatever kind: they share [`ALPHA`].
    pub measures: usize,
    /// How many looks with new points there may be while the faults are there.
    pub looks: u32,
    /// Whether this look gives the verdict.
    pub last: bool,
}

impl SeriesWindow<'_> {
    /// How often this look at one measure may be wrong.
    fn alpha(&self) -> f64 {
        let share = ALPHA / self.measures.max(1) as f64 / 2.0;
        if self.last {
            share
        } else {
            share / f64::from(self.looks.max(1))
        }
    }
}

/// Judges one measure by its points in a window.
///
/// Points that are not finite count as missing. The order of the points does not matter, their times do. In the baseline,
/// relative tolerances relate to its own median: it is not steady if it moves more than its tolerance. Never panics.
pub fn judge(measure: &Measure, points: &[Point], window: &SeriesWindow<'_>) -> Finding {
    let series = Series::of(points, window.expected_points);
    let median = match window.stage {
        Stage::Baseline => series.median(),
        Stage::Injection | Stage::Recovery => window.baseline.and_then(|baseline| baseline.median),
    };
    let limits = Limits::of(&measure.tolerance, median);
    let mut finding = Finding {
        measure: measure.name.clone(),
        unit: measure.unit.clone(),
        verdict: Verdict::Inconclusive,
        reason: Reason::NoData,
        sentence: String::new(),
        points: count(series.values.len()),
        expected_points: window.expected_points,
        outside: limits.map_or(0, |limits| series.outside(limits)),
        median: series.median(),
        lowest: series.sorted.first().copied(),
        highest: series.sorted.last().copied(),
        limits: limits.unwrap_or_default(),
        claims: vec![],
        values: vec![],
        groups: None,
    };
    if window.stage == Stage::Baseline && measure.tolerance.needs_baseline() {
        let older = series.values.len().saturating_sub(MOST_VALUES);
        finding.values = series.values[older..].to_vec();
    }
    let mut said = Vec::new();
    if window.stage == Stage::Injection && measure.tolerance.needs_baseline() {
        let absolute = Tolerance {
            at_most: measure.tolerance.at_most,
            at_least: measure.tolerance.at_least,
            ..Tolerance::default()
        };
        if absolute != Tolerance::default() {
            said.push(by_points(measure, &series, Limits::of(&absolute, None)));
        }
        for (of_limit, claim) in relative::judge(measure, &series, window) {
            said.push(of_limit);
            finding.claims.extend(claim);
        }
    } else {
        said.push(by_points(measure, &series, limits));
    }
    conclude(&mut finding, said);
    finding
}

/// What was found for one limit, or for several together.
struct Said {
    verdict: Verdict,
    reason: Reason,
    sentence: String,
}

/// Takes over the worst that was said. What is no worse than the rest is said together.
fn conclude(finding: &mut Finding, said: Vec<Said>) {
    let worst = said.iter().map(|said| said.verdict).max();
    let mut sentences: Vec<String> = Vec::new();
    for said in said.into_iter().filter(|said| Some(said.verdict) == worst) {
        if sentences.is_empty() {
            (finding.verdict, finding.reason) = (said.verdict, said.reason);
        }
        if !sentences.contains(&said.sentence) {
            sentences.push(said.sentence);
        }
    }
    finding.sentence = sentences.join("; and ");
    let missing = finding.expected_points.saturating_sub(finding.points);
    let says_it_itself = matches!(finding.reason, Reason::NoData | Reason::Gaps);
    if missing > 0 && !says_it_itself {
        finding.sentence += &format!("; {missing} of {} points are missing", finding.expected_points);
    }
}

/// The points that are there.
struct Series {
    /// From the oldest to the newest.
    values: Vec<f64>,
    /// From the lowest to the highest.
    sorted: Vec<f64>,
    /// How many there should be.
    expected: u32,
}

impl Series {
    fn of(points: &[Point], expected: u32) -> Series {
        let mut finite: Vec<&Point> = points.iter().filter(|point| point.value.is_finite()).collect();
        finite.sort_by_key(|point| point.at);
        let values: Vec<f64> = finite.iter().map(|point| point.value).collect();
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        Series {
            values,
            sorted,
            expected,
        }
    }

    fn present(&self) -> u32 {
        count(self.values.len())
    }

    fn median(&self) -> Option<f64> {
        let upper = *self.sorted.get(self.sorted.len() / 2)?;
        if self.sorted.len() % 2 == 1 {
            return Some(upper);
        }
        let lower = self.sorted.get(self.sorted.len() / 2 - 1)?;
        Some(lower / 2.0 + upper / 2.0)
    }

    fn outside(&self, limits: Limits) -> u32 {
        count(self.values.iter().filter(|value| !limits.contain(**value)).count())
    }

    /// The most points in a row that are outside. A missing point is not a calm one: it ends no row.
    fn longest_outside(&self, limits: Limits) -> u32 {
        let rows = self
            .values
            .chunk_by(|one, next| limits.contain(*one) == limits.contain(*next));
        let outside = rows.filter(|row| row.first().is_some_and(|value| !limits.contain(*value)));
        count(outside.map(<[f64]>::len).max().unwrap_or(0))
    }

    /// Why there are too few points for a verdict of any kind, if so.
    fn lacks(&self, min_points: u32) -> Option<Said> {
        let (points, expected) = (self.present(), self.expected);
        let (reason, sentence) = match points {
            0 => (
                Reason::NoData,
                format!("no data arrived, {expected} points were expected"),
            ),
            _ if points < min_points => (
                Reason::TooFewPoints,
                format!("{points} points arrived, {min_points} are needed"),
            ),
            _ => return None,
        };
        Some(inconclusive(reason, sentence))
    }

    /// That most of the points are missing, if so. Harm is harm also then, but calm is not known to be calm.
    fn gaps(&self) -> Option<Said> {
        let (points, expected) = (self.present(), self.expected);
        let sentence = format!("only {points} of {expected} points arrived");
        (u64::from(points) * 2 < u64::from(expected)).then(|| inconclusive(Reason::Gaps, sentence))
    }
}

fn inconclusive(reason: Reason, sentence: String) -> Said {
    Said {
        verdict: Verdict::Inconclusive,
        reason,
        sentence,
    }
}

fn no_baseline() -> Said {
    let sentence = "the tolerance is relative to the baseline, which is missing or not above zero";
    inconclusive(Reason::NoBaseline, sentence.to_owned())
}

/// Judges point by point. `limits` are `None` when there is nothing to relate to.
fn by_points(measure: &Measure, series: &Series, limits: Option<Limits>) -> Said {
    if let Some(lacking) = series.lacks(measure.min_points) {
        return lacking;
    }
    let Some(limits) = limits else {
        return series.gaps().unwrap_or_else(no_baseline);
    };
    let (points, outside) = (series.present(), series.outside(limits));
    let most = u64::from(outside) * 2 > u64::from(points);
    let sustained = series.longest_outside(limits) >= measure.min_points;
    let unit = measure.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let tolerance = limits.in_words(&unit);
    let median = series.median().map_or("?".to_owned(), rounded);
    let of_points = format!("{outside} of {points} points are outside {tolerance}");
    let (verdict, reason, words) = match (most, sustained) {
        (true, true) => (Verdict::Deviated, Reason::Beyond, of_points),
        (false, true) => {
            let row = format!("{of_points}, at least {} of them in a row", measure.min_points);
            (Verdict::Deviated, Reason::Sustained, row)
        }
        (_, false) => {
            if let Some(gaps) = series.gaps() {
                return gaps;
            }
            if outside == 0 {
                let all = format!("all {points} points are within {tolerance}");
                (Verdict::Upheld, Reason::Within, all)
            } else if most {
                (Verdict::Deviated, Reason::Beyond, of_points)
            } else {
                let mixed = format!("{of_points}, too few to call it a deviation");
                (Verdict::Inconclusive, Reason::Mixed, mixed)
            }
        }
    };
    Said {
        verdict,
        reason,
        sentence: format!("{words} (median {median}{unit})"),
    }
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

    fn in_words(self, unit: &str) -> String {
        match (self.low, self.high) {
            (Some(low), Some(high)) => format!("the tolerance of {} to {}{unit}", rounded(low), rounded(high)),
            (Some(low), None) => format!("the tolerance of at least {}{unit}", rounded(low)),
            (None, Some(high)) => format!("the tolerance of at most {}{unit}", rounded(high)),
            (None, None) => "its tolerance".to_owned(),
        }
    }
}

/// A percentage of nothing, or of something negative, says nothing.
fn usable(baseline_median: Option<f64>) -> Option<f64> {
    baseline_median.filter(|median| median.is_finite() && *median > 0.0)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
