//! What might be true of a function: without the fault, and as far beyond a limit as that is within it.

use statrs::distribution::{ContinuousCDF, Normal};

use super::chance::deviations;
use super::traffic::Traffic;
use crate::experiment::Statistic;
use crate::judge::Relation;

/// Durations of which the logarithm is normally distributed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct LogNormal {
    /// The logarithm of the median, which is in milliseconds.
    pub(super) mu: f64,
    /// The standard deviation of the logarithm.
    pub(super) sigma: f64,
}

/// The least spread: durations are never all the same.
const LEAST_SIGMA: f64 = 0.02;

impl LogNormal {
    /// The one with this median and 99th percentile, in milliseconds.
    pub(super) fn through(p50: f64, p99: f64) -> Option<LogNormal> {
        let sigma = (p99 / p50).ln() / deviations(0.99);
        let fits = p50 > 0.0 && p50.is_finite() && sigma.is_finite();
        fits.then(|| LogNormal {
            mu: p50.ln(),
            sigma: sigma.max(LEAST_SIGMA),
        })
    }

    /// The share of durations that are at most as long, in milliseconds.
    pub(super) fn share(self, at_most: f64) -> f64 {
        match (at_most.ln() - self.mu) / self.sigma {
            // Less than one in a billion is beyond.
            low if low < -6.0 => 0.0,
            high if high > 6.0 => 1.0,
            deviations => Normal::standard().cdf(deviations),
        }
    }

    fn quantile(self, percent: u8) -> f64 {
        (self.mu + self.sigma * deviations(f64::from(percent) / 100.0)).exp()
    }
}

/// What is true of a function, for one statistic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Truth {
    /// Each request has the outcome with this probability.
    Share(f64),
    /// How long requests take.
    Durations(LogNormal),
    /// Requests in a second.
    Rate(f64),
}

/// What is assumed of a share that is not known, in percent of requests.
const ASSUMED_PERCENT: f64 = 0.1;

impl Truth {
    /// What was seen without the fault.
    pub(super) fn seen(statistic: Statistic, traffic: &Traffic) -> Option<Truth> {
        let share = |percent: Option<f64>| Some(Truth::Share(percent? / 100.0));
        match statistic {
            Statistic::ErrorRate => share(traffic.error_percent),
            Statistic::Http5xxRate => share(traffic.http_5xx_percent),
            Statistic::TimeoutRate => share(traffic.timeout_percent),
            Statistic::RequestsPerSecond => Some(Truth::Rate(traffic.per_second)),
            Statistic::Percentile(_) => LogNormal::through(traffic.p50_ms?, traffic.p99_ms?).map(Truth::Durations),
        }
    }

    /// What may be assumed for a limit that was not seen: of shares that so few requests have the outcome that it says little.
    pub(super) fn assumed(statistic: Statistic, relation: Relation, limit: f64) -> Option<Truth> {
        let is_share = matches!(
            statistic,
            Statistic::ErrorRate | Statistic::Http5xxRate | Statistic::TimeoutRate
        );
        let is_in_points = matches!(relation, Relation::AtMost | Relation::AboveControl);
        (is_share && is_in_points).then(|| Truth::Share(ASSUMED_PERCENT.min(limit / 10.0).max(0.0) / 100.0))
    }

    /// The value of a statistic, in its unit.
    pub(super) fn value(self, statistic: Statistic) -> f64 {
        match (self, statistic) {
            (Truth::Share(share), _) => share * 100.0,
            (Truth::Durations(durations), Statistic::Percentile(percent)) => durations.quantile(percent),
            (Truth::Durations(durations), _) => durations.quantile(50),
            (Truth::Rate(rate), _) => rate,
        }
    }

    /// The same with another value: each duration longer in the same proportion.
    pub(super) fn moved(self, statistic: Statistic, to: f64) -> Truth {
        match self {
            Truth::Share(_) => Truth::Share(to / 100.0),
            Truth::Durations(durations) => Truth::Durations(LogNormal {
                mu: durations.mu + (to / self.value(statistic)).ln(),
                ..durations
            }),
            Truth::Rate(_) => Truth::Rate(to),
        }
    }

    /// How uncertain an estimate of the value is with one request: variance times the number of requests. Only its
    /// proportion to that of another group counts.
    pub(super) fn variance(self, statistic: Statistic) -> f64 {
        match self {
            Truth::Share(share) => share * (1.0 - share) * 1e4,
            // That of a quantile is 1 / (density there)^2, which is proportional to the value and to sigma.
            Truth::Durations(durations) => (self.value(statistic) * durations.sigma).powi(2),
            Truth::Rate(rate) => rate * rate,
        }
    }

    /// The highest value that there is.
    fn ceiling(self) -> f64 {
        match self {
            Truth::Share(_) => 100.0,
            _ => f64::INFINITY,
        }
    }
}

/// Which truths a limit is tested with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Aims {
    /// Why it can never be upheld, if so. Otherwise the baseline itself is the truth.
    pub(super) upheld: Result<(), String>,
    /// The value beyond the limit, or why there is none.
    pub(super) deviated: Result<f64, String>,
}

/// Which values a limit is tested with, when the value is `base` without the fault.
pub(super) fn aims(relation: Relation, limit: f64, truth: Truth, base: f64) -> Aims {
    let both = |why: &str| Aims {
        upheld: Err(why.to_owned()),
        deviated: Err(why.to_owned()),
    };
    let is_lower = matches!(relation, Relation::AtLeast | Relation::FallFromBaseline);
    let at = match relation {
        Relation::AtMost | Relation::AtLeast => limit,
        Relation::AboveControl => base + limit,
        Relation::FallFromBaseline => base * (1.0 - limit / 100.0),
        Relation::RiseFromBaseline | Relation::AboveControlPercent => base * (1.0 + limit / 100.0),
    };
    let is_in_percent = !matches!(relation, Relation::AtMost | Relation::AtLeast | Relation::AboveControl);
    if is_in_percent && base <= 0.0 {
        return both("it is 0 without the fault, and nothing is a percentage of nothing; write a limit in its unit");
    }
    let room = if is_lower { base - at } else { at - base };
    if room < 0.0 {
        return both("it is beyond the tolerance without the fault already");
    }
    if room == 0.0 {
        return both("a margin of 0 can never be upheld, whatever comes; allow a little");
    }
    let deviated = if is_lower {
        (at > 0.0)
            .then(|| (at - room).max(at / 2.0))
            .ok_or_else(|| "nothing is below it, so it can never deviate".to_owned())
    } else {
        (at < truth.ceiling())
            .then(|| (at + room).min(at / 2.0 + truth.ceiling() / 2.0))
            .ok_or_else(|| "nothing is above it, so it can never deviate".to_owned())
    };
    Aims {
        upheld: Ok(()),
        deviated,
    }
}
