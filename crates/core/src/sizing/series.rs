//! How many points a metric series needs.
//!
//! How far its points scatter is not known before a run. So this says only when there are too few for the judge to say anything
//! at all: it is shown as many points as there will be, and asked.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Prospect, words};
use crate::experiment::{Experiment, Measure};
use crate::judge::{Point, SeriesWindow, judge};
use crate::layer::Stage;
use crate::span::Span;

/// How many points a metric series has and needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PointSize {
    /// How many whole periods the baseline has at least.
    pub in_baseline: u32,
    /// How many the injection has at least.
    pub in_injection: u32,
    /// How many the injection must have before anything could be said; absent when no number would do with this baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u32>,
}

/// What a series needs, whether it will have it, and what to say if not.
pub(super) fn size(experiment: &Experiment, measure: &Measure) -> (PointSize, Prospect, Option<String>) {
    // A window rarely starts where a period does, and only whole periods count.
    let whole = |span: Span| (span.secs() / measure.period.secs().max(1)).saturating_sub(1);
    let in_baseline = whole(experiment.windows.baseline);
    let in_injection = whole(experiment.blast_radius.longest);
    let needed = if measure.tolerance.needs_baseline() {
        needed(experiment, measure, in_baseline, in_injection)
    } else {
        Some(measure.min_points)
    };
    let points = PointSize {
        in_baseline,
        in_injection,
        needed,
    };
    let prospect = match needed {
        Some(needed) if in_injection < needed => Prospect::TooShort,
        None => Prospect::Never,
        // How far the points scatter is not known.
        Some(_) => Prospect::Unknown,
    };
    let warning = match prospect {
        Prospect::TooShort | Prospect::Never => Some(words::of_series(experiment, measure, points)),
        _ => None,
    };
    (points, prospect, warning)
}

/// The fewest points that can be told from those of the baseline at all.
fn needed(experiment: &Experiment, measure: &Measure, in_baseline: u32, in_injection: u32) -> Option<u32> {
    let window = |stage, expected_points| SeriesWindow {
        stage,
        expected_points,
        baseline: None,
        measures: experiment.steady_state.len(),
        looks: experiment.blast_radius.longest.secs() / measure.period.secs().max(1),
        last: true,
    };
    let baseline = judge(measure, &points(in_baseline), &window(Stage::Baseline, in_baseline));
    let present = in_injection.min(1);
    let during = SeriesWindow {
        baseline: Some(&baseline),
        ..window(Stage::Injection, present)
    };
    let found = judge(measure, &points(present), &during);
    let more = found.claims.iter().map(|claim| claim.needed);
    let more: Option<Vec<u64>> = more.collect();
    let most = more?.into_iter().max()?;
    u32::try_from(most)
        .ok()
        .map(|more| (present + more).max(measure.min_points))
}

/// Points that are near each other, and all different.
fn points(count: u32) -> Vec<Point> {
    let points = (0..count).map(|place| Point {
        at: Timestamp::UNIX_EPOCH + SignedDuration::from_secs(i64::from(place)),
        value: 100.0 + f64::from(place) / 1e6,
    });
    points.collect()
}
