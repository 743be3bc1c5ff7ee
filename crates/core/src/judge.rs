//! What was measured and its tolerance in, verdict and reason out. Nothing is fetched here.
//!
//! `docs/judge.md` says in words what is done and why. [`groups`](judge_groups) judges what the layer saw of two groups,
//! [`series`](judge) metrics without groups. Missing data is a reason, never a pass.

mod groups;
mod series;

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::MeasureName;
use crate::span::Span;

pub use groups::{Compared, Estimate, GroupWindow, judge_groups};
pub(crate) use groups::{compared, limits, roughly, verdicts};
pub use series::{SeriesWindow, judge};

/// The chance that a run says `deviated` of any measure although nothing deviates; and the same for `upheld`. All looks and
/// all measures of the run share it.
pub const ALPHA: f64 = 0.05;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
    /// The experimental group has more or fewer requests than it should have.
    SampleRatio,
    /// In a word of a later version.
    #[serde(other)]
    Unknown,
}

/// What a limit of a tolerance is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// The value itself, which must not be higher.
    AtMost,
    /// The value itself, which must not be lower.
    AtLeast,
    /// The rise over the baseline, in percent of it.
    RiseFromBaseline,
    /// The fall under the baseline, in percent of it.
    FallFromBaseline,
    /// The difference to the control group, in the unit of the measure.
    AboveControl,
    /// The difference to the control group, in percent of it.
    AboveControlPercent,
}

/// One limit of a tolerance, and what was found for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// What the limit is about.
    pub relation: Relation,
    /// The limit as it is written.
    pub limit: f64,
    /// What was estimated, in what the limit is written in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<f64>,
    /// The lowest value that the data do not reject; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// The highest value that the data do not reject; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The chance that the interval ever misses the truth.
    pub alpha: f64,
    /// What that says of the limit.
    pub verdict: Verdict,
    /// For an inconclusive one: about how many more requests (or points) would tell, if they are like those that were seen;
    /// absent when no number of them would, or nobody can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needed: Option<u64>,
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
    /// What was found for each limit of the tolerance, where it was tested.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// For a metric series in the baseline: its points, for what is compared with them later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
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

/// The verdict of a whole: as good as its worst measure; inconclusive when nothing was measured.
pub fn overall<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Verdict {
    findings
        .into_iter()
        .map(|finding| finding.verdict)
        .max()
        .unwrap_or(Verdict::Inconclusive)
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
