//! How many requests a verdict needs, how long that takes at the traffic that there is, and whether a run is long enough.
//!
//! Nothing is computed by a formula of its own: `n` requests are made up, the judge itself ([`crate::judge`]) is asked what it
//! would say of them, and `n` is searched until four runs in five tell, both ways:
//! - if nothing changes, the limit is `upheld`;
//! - if the truth is as far beyond the limit as the baseline is within it, it is `deviated`.
//!
//! A run looks in every round and may tell earlier, so these are numbers of a run that is unlucky until then.
//!
//! What is known of the traffic comes from CloudWatch before a run ([`Traffic`]), and from the run itself once its baseline is
//! over. How durations are distributed is known from their p50 and p99 only: a lognormal distribution through both. What shares
//! are not known are assumed, and said to be.

mod case;
mod chance;
mod fabricate;
mod never;
mod search;
mod series;
mod traffic;
mod truth;
mod words;

use serde::{Deserialize, Serialize};

use crate::experiment::{Experiment, LayerMeasure, Measure};
use crate::judge::{Compared, Relation, limits};
use crate::names::MeasureName;
use crate::ports::Measured;
use case::Case;
pub use series::PointSize;
pub use traffic::{Source, Traffic, answers, looked_at, questions};
pub use words::about;

/// How many runs in a hundred tell with the numbers that are given.
pub const POWER_PERCENT: u32 = 80;

/// How much more traffic than was seen counts as possible before a run is refused.
pub const DOUBT: f64 = 2.0;

/// How many requests each measure needs, and whether they will come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sizing {
    /// How many runs in a hundred tell with the numbers that are given.
    pub power_percent: u32,
    /// What is known of the traffic of the functions that are measured.
    pub traffic: Vec<Traffic>,
    /// Each measure of the steady state, in its order.
    pub measures: Vec<MeasureSize>,
}

/// Whether a measure will have enough data to be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prospect {
    /// Four runs in five tell.
    Enough,
    /// The injection is too short for that.
    TooShort,
    /// No number of requests would tell, at least not both ways.
    Never,
    /// Too little is known to say.
    Unknown,
}

/// What a measure needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MeasureSize {
    /// The measure.
    pub measure: MeasureName,
    /// Whether it will have that.
    pub prospect: Prospect,
    /// For a measure of the layer: how many requests will come while the faults are there, if the traffic is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Requests>,
    /// For a measure of the layer: what each limit of its tolerance needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitSize>,
    /// For a metric series: how many points it has and needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub points: Option<PointSize>,
    /// What a person should know before the run, in words, with what to do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What one limit of a tolerance needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LimitSize {
    /// What the limit is about.
    pub relation: Relation,
    /// The limit as it is written.
    pub limit: f64,
    /// The value without the fault that was reckoned with, in the unit of the measure; absent when it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<f64>,
    /// Whether that value is a guess.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub assumed: bool,
    /// To say `upheld` when nothing changes.
    pub upheld: Need,
    /// To say `deviated` when the truth is as far beyond the limit as the baseline is within it.
    pub deviated: Need,
    /// To say either: the larger of both.
    pub needed: Need,
}

/// What it takes to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tells", rename_all = "snake_case")]
pub enum Need {
    /// So many requests while the faults are there.
    With {
        /// How many.
        #[serde(flatten)]
        requests: Requests,
        /// How long they take to come, in seconds; absent when the traffic is not known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        secs: Option<u64>,
    },
    /// Nothing does.
    Never {
        /// Why, in words.
        why: String,
    },
    /// Nobody knows yet.
    Unknown {
        /// Why, in words.
        why: String,
    },
}

/// Numbers of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// Of the function.
    pub all: u64,
    /// Of these, in the experimental group.
    pub experimental: u64,
}

impl Need {
    /// What both need.
    fn and(&self, other: &Need) -> Need {
        match (self, other) {
            (never @ Need::Never { .. }, _) | (_, never @ Need::Never { .. }) => never.clone(),
            (unknown @ Need::Unknown { .. }, _) | (_, unknown @ Need::Unknown { .. }) => unknown.clone(),
            (Need::With { requests: one, .. }, Need::With { requests: two, .. }) => {
                if one.all < two.all {
                    other.clone()
                } else {
                    self.clone()
                }
            }
        }
    }
}

impl Sizing {
    /// What is known of an experiment before it runs. Without an entry in `traffic`, a function's traffic is not known.
    pub fn of(experiment: &Experiment, traffic: &[Traffic]) -> Sizing {
        let measures = experiment.steady_state.iter().map(|measure| match &measure.layer {
            Some(layer) => of_layer(experiment, measure, layer, traffic),
            None => of_series(experiment, measure),
        });
        Sizing {
            power_percent: POWER_PERCENT,
            traffic: traffic.to_vec(),
            measures: measures.collect(),
        }
    }

    /// All that a person should know before the run.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.measures
            .iter()
            .flat_map(|measure| &measure.warnings)
            .map(String::as_str)
    }
}

fn of_series(experiment: &Experiment, measure: &Measure) -> MeasureSize {
    let (points, prospect, warning) = series::size(experiment, measure);
    MeasureSize {
        measure: measure.name.clone(),
        prospect,
        expected: None,
        limits: vec![],
        points: Some(points),
        warnings: warning.into_iter().collect(),
    }
}

fn of_layer(experiment: &Experiment, measure: &Measure, layer: &LayerMeasure, traffic: &[Traffic]) -> MeasureSize {
    let traffic = traffic.iter().find(|traffic| traffic.function == layer.function);
    let case = Case::new(experiment, measure, layer, traffic);
    let limits: Vec<LimitSize> = limits(&measure.tolerance)
        .into_iter()
        .map(|(relation, limit)| case.limit(relation, limit))
        .collect();
    let expected = case.expected(1.0);
    let prospects = limits.iter().map(|limit| limit.prospect(expected));
    MeasureSize {
        measure: measure.name.clone(),
        prospect: worst(prospects),
        warnings: words::warnings(&case, &limits),
        expected,
        limits,
        points: None,
    }
}

impl LimitSize {
    /// Whether what is needed will come, when so many requests are expected.
    pub fn prospect(&self, expected: Option<Requests>) -> Prospect {
        match (&self.needed, expected) {
            (Need::With { requests, .. }, Some(expected)) if requests.all <= expected.all => Prospect::Enough,
            (Need::With { .. }, Some(_)) => Prospect::TooShort,
            (Need::Never { .. }, _) => Prospect::Never,
            _ => Prospect::Unknown,
        }
    }
}

fn worst(prospects: impl Iterator<Item = Prospect>) -> Prospect {
    let order = [Prospect::Enough, Prospect::Unknown, Prospect::TooShort, Prospect::Never];
    let rank = |prospect: &Prospect| order.iter().position(|other| other == prospect);
    prospects.max_by_key(rank).unwrap_or(Prospect::Unknown)
}

/// The measures that could never be judged with the traffic that CloudWatch knows, each in words with what to do: even if
/// twice as many requests came as in the busiest five minutes, and whatever they met. Says nothing of a function whose traffic
/// comes and goes.
pub fn never_tells(experiment: &Experiment, traffic: &[Traffic]) -> Vec<String> {
    let known: Vec<Traffic> = traffic
        .iter()
        .filter(|traffic| traffic.is_continuous)
        .cloned()
        .collect();
    of_measures(experiment, &known, |_| None)
}

/// As [`never_tells`], with the traffic that the baseline of the run had.
pub fn never_tells_after(experiment: &Experiment, baseline: &Measured) -> Vec<String> {
    let traffic: Vec<Traffic> = baseline
        .seen
        .iter()
        .filter_map(|seen| Traffic::seen(seen, baseline))
        .collect();
    of_measures(experiment, &traffic, |measure| {
        let finding = baseline.findings.iter().find(|finding| finding.measure == measure.name);
        finding?.groups.as_ref()
    })
}

fn of_measures<'a>(
    experiment: &Experiment,
    traffic: &[Traffic],
    baseline: impl Fn(&Measure) -> Option<&'a Compared>,
) -> Vec<String> {
    let measures = experiment
        .steady_state
        .iter()
        .filter_map(|measure| Some((measure, measure.layer.as_ref()?)));
    let never = measures.flat_map(|(measure, layer)| {
        let traffic = traffic.iter().find(|traffic| traffic.function == layer.function);
        let case = Case::new(experiment, measure, layer, traffic).after(baseline(measure));
        let too_few = case.never_tells();
        let refusals = traffic.map(|traffic| {
            too_few
                .into_iter()
                .map(|too_few| words::refusal(&case, traffic, too_few))
        });
        refusals.into_iter().flatten().collect::<Vec<_>>()
    });
    never.collect()
}

#[cfg(test)]
mod tests;
