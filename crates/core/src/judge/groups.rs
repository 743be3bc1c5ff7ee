//! What the layer saw of two groups, judged by evidence that may be looked at all the time ([`crate::sequential`]).
//!
//! While the faults are there, each limit of a tolerance is a claim to be established: the whole interval within upholds,
//! the whole interval beyond deviates, anything between is inconclusive. Before and after, the steady state is what was
//! always there: it holds unless what was seen speaks against it.

mod claims;
mod ratio;
mod words;

pub(crate) use claims::limits;
pub(crate) use words::roughly;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use super::{ALPHA, Claim, Finding, Limits, Reason, Relation, Verdict};
use crate::experiment::{LayerMeasure, Measure, Statistic};
use crate::layer::Stage;
use crate::names::FunctionName;
use crate::sequential::{Interval, Ranks, Share, rate};
use crate::sketch::{Counts, Seen};

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
    /// The chance that one of the intervals here ever misses the truth.
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
    /// How many measures the experiment has: they share [`ALPHA`].
    pub measures: usize,
    /// Percent of requests that belong to the experimental group.
    pub percent: f64,
    /// What was estimated in the baseline; `None` in the baseline itself.
    pub baseline: Option<&'a Compared>,
}

/// Judges one measure of the layer. Never panics.
pub fn judge_groups(measure: &Measure, layer: &LayerMeasure, window: &GroupWindow<'_>) -> Finding {
    judging(measure, layer, window, true, |judging, limits, claims| {
        let (verdict, reason) = judging.decide(limits, &claims);
        let mut finding = Finding {
            measure: measure.name.clone(),
            unit: Some(measure.unit.clone().unwrap_or_else(|| unit(layer.statistic).to_owned())),
            verdict,
            reason,
            sentence: String::new(),
            points: 0,
            expected_points: 0,
            outside: 0,
            median: judging.subject.and_then(|subject| subject.value),
            lowest: None,
            highest: None,
            limits: judging.nominal(limits),
            claims,
            values: vec![],
            groups: None,
        };
        finding.sentence = judging.sentence(&finding, limits);
        finding.groups = Some(judging.compared.clone());
        finding
    })
}

/// What [`judge_groups`] says, without its words and without how many more requests would tell, which take most of its time:
/// of the measure, and of each limit that is looked at.
pub(crate) fn verdicts(
    measure: &Measure,
    layer: &LayerMeasure,
    window: &GroupWindow<'_>,
) -> (Verdict, Reason, Vec<Claim>) {
    judging(measure, layer, window, false, |judging, limits, claims| {
        let (verdict, reason) = judging.decide(limits, &claims);
        (verdict, reason, claims)
    })
}

/// What is estimated of the groups, to relate to later.
pub(crate) fn compared(measure: &Measure, layer: &LayerMeasure, window: &GroupWindow<'_>) -> Compared {
    let limits = limits(&measure.tolerance);
    compare(layer, window, window.alpha(limits.len()) / 2.0)
}

impl GroupWindow<'_> {
    /// The chance that one of so many limits of a measure is ever judged wrongly.
    fn alpha(&self, limits: usize) -> f64 {
        ALPHA / (self.measures.max(1) * limits.max(1)) as f64
    }
}

/// Looks at the limits of a measure. `says_more` is whether to search how many more requests would tell.
fn judging<T>(
    measure: &Measure,
    layer: &LayerMeasure,
    window: &GroupWindow<'_>,
    says_more: bool,
    then: impl FnOnce(&Judging<'_>, &[(Relation, f64)], Vec<Claim>) -> T,
) -> T {
    let limits = limits(&measure.tolerance);
    let alpha = window.alpha(limits.len());
    // What a claim about a baseline rests on two intervals for, each with half of the claim's share.
    let compared = compare(layer, window, alpha / 2.0);
    let (subject, counts) = subject(measure, layer, &compared, window);
    let judging = Judging {
        layer,
        window,
        compared: &compared,
        subject,
        counts: &counts,
        alpha,
        says_more,
    };
    let claims = limits
        .iter()
        .filter_map(|(relation, limit)| judging.claim(*relation, *limit));
    let claims = claims.collect();
    then(&judging, &limits, claims)
}

/// One measure on its way to a verdict.
struct Judging<'a> {
    layer: &'a LayerMeasure,
    window: &'a GroupWindow<'a>,
    compared: &'a Compared,
    /// What the tolerance is about.
    subject: Option<Estimate>,
    counts: &'a Counts,
    /// The chance that one claim is ever wrong.
    alpha: f64,
    /// Whether to search how many more requests would tell.
    says_more: bool,
}

impl Judging<'_> {
    fn decide(&self, limits: &[(Relation, f64)], claims: &[Claim]) -> (Verdict, Reason) {
        let inconclusive = |reason| (Verdict::Inconclusive, reason);
        let Some(subject) = self.subject else {
            return inconclusive(Reason::NoRequests);
        };
        let fewest = u64::from(self.layer.min_requests);
        let compares = self.tested(limits).any(|(relation, _)| relation.is_about_control());
        let control = self.compared.control.map_or(0, |control| control.requests);
        if subject.requests < fewest || (compares && (1..fewest).contains(&control)) {
            return inconclusive(Reason::TooFewRequests);
        }
        if claims.iter().any(|claim| claim.verdict == Verdict::Deviated) {
            return (Verdict::Deviated, Reason::Beyond);
        }
        if claims.len() < self.tested(limits).count() {
            return inconclusive(Reason::NoBaseline);
        }
        if claims.iter().any(|claim| claim.verdict == Verdict::Inconclusive) {
            return inconclusive(Reason::Uncertain);
        }
        // Groups that lost requests, or have some twice, can hide harm. They cannot make it up: they were alike before the
        // fault, or it would not be there.
        if ratio::is_off(self.layer.statistic, self.window) {
            return inconclusive(Reason::SampleRatio);
        }
        if self.window.stage == Stage::Baseline && self.groups_differ() {
            return inconclusive(Reason::GroupsDiffer);
        }
        (Verdict::Upheld, Reason::Within)
    }

    /// The limits that can be looked at in this window: what relates to the baseline or the control group waits for a fault.
    fn tested(&self, limits: &[(Relation, f64)]) -> impl Iterator<Item = (Relation, f64)> {
        let absolute = self.window.stage == Stage::Baseline;
        limits
            .iter()
            .copied()
            .filter(move |(relation, _)| !absolute || relation.is_absolute())
    }
}

fn unit(statistic: Statistic) -> &'static str {
    match statistic {
        Statistic::ErrorRate | Statistic::Http5xxRate | Statistic::TimeoutRate => "percent",
        Statistic::RequestsPerSecond => "requests/s",
        Statistic::Percentile(_) => "ms",
    }
}

/// What a tolerance is about, with what was counted of it.
fn subject(
    measure: &Measure,
    layer: &LayerMeasure,
    compared: &Compared,
    window: &GroupWindow<'_>,
) -> (Option<Estimate>, Counts) {
    let experimental = match window.stage {
        _ if layer.statistic == Statistic::RequestsPerSecond => false,
        Stage::Injection => true,
        Stage::Baseline => false,
        // After the faults, tolerances that compare the groups are looked at, too.
        Stage::Recovery => measure.tolerance.needs_control(),
    };
    if experimental {
        (compared.experimental, window.seen.experimental.clone())
    } else {
        let mut all = window.seen.control.clone();
        all.merge(&window.seen.experimental);
        (compared.all, all)
    }
}

fn compare(layer: &LayerMeasure, window: &GroupWindow<'_>, alpha: f64) -> Compared {
    let mut all = window.seen.control.clone();
    all.merge(&window.seen.experimental);
    let of = |counts: &Counts| {
        (counts.requests > 0).then(|| {
            let (value, interval) = estimate(layer.statistic, counts, window, alpha);
            Estimate {
                requests: counts.requests,
                value,
                interval,
            }
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

/// How many requests had the outcome that a statistic counts; `None` for one that counts no outcome.
fn hits(statistic: Statistic, counts: &Counts) -> Option<u64> {
    match statistic {
        Statistic::ErrorRate => Some(counts.errors),
        Statistic::Http5xxRate => Some(counts.http_5xx),
        Statistic::TimeoutRate => Some(counts.timeouts),
        Statistic::RequestsPerSecond | Statistic::Percentile(_) => None,
    }
}

/// The value of a statistic and where it is, in its unit.
fn estimate(statistic: Statistic, counts: &Counts, window: &GroupWindow<'_>, alpha: f64) -> (Option<f64>, Interval) {
    if let Some(hits) = hits(statistic, counts) {
        let share = Share::new(hits, counts.requests);
        let percent = |share: f64| share * 100.0;
        return (Some(percent(share.seen())), share.interval(alpha).map(percent));
    }
    match statistic {
        Statistic::Percentile(percent) => {
            let share = f64::from(percent) / 100.0;
            let interval = Ranks::new(&counts.durations, share).interval(alpha);
            (counts.durations.quantile(share), interval)
        }
        _ => {
            let (secs, counted) = (window.lasted.as_secs_f64(), (window.lasted - window.lag).as_secs_f64());
            let value = (secs > 0.0).then(|| counts.requests as f64 / secs);
            let interval = Interval {
                low: rate(counts.requests, secs, alpha).low,
                high: rate(counts.requests, counted, alpha).high,
            };
            (value, interval)
        }
    }
}
