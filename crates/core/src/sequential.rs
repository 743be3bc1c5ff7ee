//! Evidence that may be looked at all the time.
//!
//! What was counted becomes evidence against each value that the truth might be: the logarithm of a mixture of likelihood
//! ratios (Robbins' method of mixtures; Howard, Ramdas, McAuliffe, Sekhon 2021, <https://arxiv.org/abs/1810.08240>). If a
//! value is the truth, the ratio is a non-negative martingale with mean 1, and by Ville's inequality it ever reaches
//! `1 / alpha` with a probability of at most `alpha`. The values with less evidence against them are the interval: at every
//! look, however often, all intervals together hold the truth with the probability `1 - alpha`. So a run may stop when they
//! say enough, without a larger chance of a false alarm.
//!
//! Evidence of independent groups adds up: the sum against a pair of values is evidence against that pair, so
//! [`contrast`](contrast::contrast) finds all differences that are left.
//!
//! Everything is a function of the counts so far, not of how they came in: a look that is repeated, or an order of merging,
//! changes nothing.
//!
//! The assumption: whether a request fails (or is slow) does not depend on the requests before. Requests that fail
//! together count as more evidence than they are. `docs/judge.md` has all of it in words.

mod contrast;
mod quantile;
mod rate;
mod share;

use serde::{Deserialize, Serialize};

pub use contrast::{Bounds, Change, contrast, contrast_quantiles, evidence_against, evidence_against_quantiles};
pub use quantile::Ranks;
pub use rate::rate;
pub use share::Share;

/// How often a bound is halved: to the last bits of a float.
const HALVINGS: u32 = 60;

/// How much evidence rejects a value at a level; never reached for a level that is none.
fn enough(alpha: f64) -> f64 {
    if alpha > 0.0 && alpha < 1.0 {
        -alpha.ln()
    } else {
        f64::INFINITY
    }
}

/// From where to where a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The lowest value.
    pub low: f64,
    /// The highest value; `None` when nothing is known of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
}

impl Interval {
    /// A value that is known.
    pub fn exactly(value: f64) -> Interval {
        Interval {
            low: value,
            high: Some(value),
        }
    }

    /// Each end changed. The change must keep their order.
    #[must_use]
    pub fn map(self, change: impl Fn(f64) -> f64) -> Interval {
        Interval {
            low: change(self.low),
            high: self.high.map(change),
        }
    }

    /// Whether all of it is above all of the other.
    pub fn is_above(self, other: Interval) -> bool {
        other.high.is_some_and(|high| self.low > high)
    }

    /// Whether none of it is above any of the other.
    pub fn is_at_most(self, other: Interval) -> bool {
        self.high.is_some_and(|high| high <= other.low)
    }
}

/// Where values become rejected on the way from one that is not to `end`. `end` itself when none is.
fn boundary(seen: f64, end: f64, rejected: impl Fn(f64) -> bool) -> f64 {
    if seen == end || !rejected(end) {
        return end;
    }
    let (mut inside, mut outside) = (seen, end);
    for _ in 0..HALVINGS {
        let middle = inside / 2.0 + outside / 2.0;
        if rejected(middle) {
            outside = middle;
        } else {
            inside = middle;
        }
    }
    // The rejected side: the interval must not be too narrow.
    outside
}

#[cfg(test)]
mod tests;
