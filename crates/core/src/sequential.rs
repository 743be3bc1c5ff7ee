//! Intervals that may be looked at all the time: at every look, however often, they all hold the truth together with the
//! probability `1 - alpha`. So a run may stop when they say enough, without a larger chance of a false alarm.
//!
//! Each is the set of values that a mixture of likelihood ratios does not reject (Robbins' method of mixtures; Howard,
//! Ramdas, McAuliffe, Sekhon 2021, <https://arxiv.org/abs/1810.08240>). If a value is the truth, the ratio is a
//! non-negative martingale with mean 1, and by Ville's inequality it ever reaches `1 / alpha` with a probability of at
//! most `alpha`.
//!
//! The assumption: whether a request fails (or is slow) does not depend on the requests before. Requests that fail
//! together count as more evidence than they are.

use serde::{Deserialize, Serialize};
use statrs::function::beta::ln_beta;
use statrs::function::gamma::ln_gamma;

use crate::sketch::{RELATIVE_ACCURACY, Sketch};

/// The parameter of the priors (Jeffreys): it decides where intervals are narrow, not whether they are right.
const PRIOR: f64 = 0.5;

/// The other parameter of the prior of a rate. Small, so that no rate up to some thousand is far from it.
const PRIOR_TIME: f64 = 0.001;

/// How often a bound is halved: to the last bits of a float.
const HALVINGS: u32 = 60;

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

/// The share of requests with an outcome that `hits` of `trials` had: from 0 to 1.
///
/// `alpha` is from 0 to 1, both excluded; anything else gives everything. `hits` over `trials` count as `trials`.
pub fn proportion(hits: u64, trials: u64, alpha: f64) -> Interval {
    let everything = Interval {
        low: 0.0,
        high: Some(1.0),
    };
    if trials == 0 || !(alpha > 0.0 && alpha < 1.0) {
        return everything;
    }
    let against = Against::new(hits, trials);
    let rejected = |share| against.rejects(share, alpha);
    let seen = hits.min(trials) as f64 / trials as f64;
    Interval {
        low: boundary(seen, 0.0, rejected),
        high: Some(boundary(seen, 1.0, rejected)),
    }
}

/// What was counted, as evidence against a share.
struct Against {
    hits: f64,
    misses: f64,
    mixture: f64,
}

impl Against {
    fn new(hits: u64, trials: u64) -> Against {
        let (hits, misses) = (hits.min(trials) as f64, trials.saturating_sub(hits) as f64);
        Against {
            hits,
            misses,
            mixture: ln_beta(PRIOR + hits, PRIOR + misses) - ln_beta(PRIOR, PRIOR),
        }
    }

    /// Whether a share of `share` is rejected at the level `alpha`.
    fn rejects(&self, share: f64, alpha: f64) -> bool {
        let log = |count: f64, share: f64| if count == 0.0 { 0.0 } else { count * share.ln() };
        self.mixture - log(self.hits, share) - log(self.misses, 1.0 - share) >= -alpha.ln()
    }
}

/// How many of something there are in a unit of time, when `count` came in `time` units.
///
/// The assumption: they come independently of each other (Poisson). Traffic that comes in bursts is less certain than this.
pub fn rate(count: u64, time: f64, alpha: f64) -> Interval {
    if !(time.is_finite() && time > 0.0 && alpha > 0.0 && alpha < 1.0) {
        return Interval { low: 0.0, high: None };
    }
    let count = count as f64;
    let mixture = ln_gamma(PRIOR + count) - ln_gamma(PRIOR) + PRIOR * PRIOR_TIME.ln()
        - (PRIOR + count) * (PRIOR_TIME + time).ln();
    let rejected = |rate: f64| {
        let log = if count == 0.0 { 0.0 } else { count * rate.ln() };
        mixture - log + rate * time >= -alpha.ln()
    };
    let seen = count / time;
    // Twice as much, again and again, until it is too much.
    let far = std::iter::successors(Some((seen + 1.0 / time) * 2.0), |far| Some(far * 2.0));
    let far = far.take(100).find(|far| rejected(*far));
    Interval {
        low: boundary(seen, 0.0, rejected),
        high: far.map(|far| boundary(seen, far, rejected)),
    }
}

/// The duration in milliseconds that a `share` of all requests does not exceed.
///
/// The true one is the duration at which the share of requests up to it is `share`: it is within the durations for which
/// [`proportion`] does not reject that. Wider by the accuracy of the sketch.
pub fn quantile(durations: &Sketch, share: f64, alpha: f64) -> Interval {
    let trials = durations.count();
    let mut interval = Interval { low: 0.0, high: None };
    // Whether a duration is found that is not rejected: below all that were seen, to begin with.
    let mut found_low = !Against::new(0, trials).rejects(share, alpha);
    let mut seen = 0_u64;
    for (middle, count) in durations.buckets() {
        seen = seen.saturating_add(count);
        let is_more = seen as f64 / trials as f64 > share;
        let rejected = Against::new(seen, trials).rejects(share, alpha);
        if !found_low && (is_more || !rejected) {
            interval.low = middle * (1.0 - RELATIVE_ACCURACY);
            found_low = true;
        }
        if is_more && rejected {
            interval.high = Some(middle * (1.0 + RELATIVE_ACCURACY));
            break;
        }
    }
    interval
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
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers that look random and are the same every time (SplitMix64), from 0 up to and without 1.
    fn random(seed: u64) -> impl FnMut() -> f64 {
        let mut state = seed;
        move || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
        }
    }

    /// How many of `runs` runs have an interval without the truth at any of their looks.
    fn ever_wrong(runs: u64, looks: usize, mut is_wrong: impl FnMut(&mut dyn FnMut() -> f64, usize) -> bool) -> usize {
        (0..runs)
            .filter(|run| {
                let mut random = random(*run);
                (0..looks).any(|look| is_wrong(&mut random, look))
            })
            .count()
    }

    #[test]
    fn a_share_is_missed_by_few_runs_although_each_is_looked_at_two_hundred_times() {
        for (truth, alpha) in [(0.01, 0.05), (0.3, 0.05), (0.5, 0.2)] {
            let mut hits = 0;
            let wrong = ever_wrong(400, 200, |random, look| {
                hits = if look == 0 { 0 } else { hits };
                hits += (0..10).filter(|_| random() < truth).count() as u64;
                // The same as that the interval does not hold the truth, without looking for its ends.
                Against::new(hits, 10 * (look as u64 + 1)).rejects(truth, alpha)
            });
            assert!(
                wrong as f64 <= 400.0 * alpha * 1.3,
                "{truth}: {wrong} of 400 at alpha {alpha}"
            );
        }
    }

    #[test]
    fn a_quantile_is_missed_by_few_runs_although_each_is_looked_at_fifty_times() {
        // Exponential durations with mean 100 ms: the quantile of a share is -100 ln(1 - share).
        for share in [0.5, 0.9, 0.99] {
            let truth = -100.0 * f64::ln(1.0 - share);
            let mut durations = Sketch::default();
            let wrong = ever_wrong(200, 50, |random, look| {
                if look == 0 {
                    durations = Sketch::default();
                }
                (0..10).for_each(|_| durations.add(-100.0 * (1.0 - random()).ln()));
                let interval = quantile(&durations, share, 0.05);
                interval.low > truth || interval.high.is_some_and(|high| high < truth)
            });
            assert!(wrong <= 13, "p{share}: {wrong} of 200");
        }
    }

    #[test]
    fn more_of_the_same_narrows_an_interval() {
        let width = |interval: Interval| interval.high.unwrap() - interval.low;
        for factor in [1, 10, 100, 1000] {
            assert!(
                width(proportion(2 * factor, 40 * factor, 0.05)) > width(proportion(20 * factor, 400 * factor, 0.05))
            );
            let (few, many) = (rate(30 * factor, 10.0, 0.05), rate(300 * factor, 100.0, 0.05));
            assert!(width(few) > width(many));
        }
    }

    #[test]
    fn known_values() {
        // 0 of n: the upper bound p solves ln B(1/2, n + 1/2) - ln B(1/2, 1/2) - n ln(1 - p) = ln 20.
        let upper = proportion(0, 100, 0.05).high.unwrap();
        let ratio = ln_beta(0.5, 100.5) - ln_beta(0.5, 0.5) - 100.0 * (1.0 - upper).ln();
        assert!(
            (ratio - 20_f64.ln()).abs() < 1e-9 && (0.05..0.07).contains(&upper),
            "{upper}"
        );
        assert_eq!(proportion(0, 100, 0.05).low, 0.0);
        assert_eq!(proportion(100, 100, 0.05).high, Some(1.0));
        assert_eq!(proportion(0, 0, 0.05), proportion(5, 10, 0.0));
        assert_eq!(rate(0, 0.0, 0.05).high, None);
        let mut same = Sketch::default();
        (0..100).for_each(|_| same.add(20.0));
        let interval = quantile(&same, 0.75, 0.05);
        let high = interval.high.unwrap();
        assert!(
            (19.0..20.0).contains(&interval.low) && (20.0..21.0).contains(&high),
            "{interval:?}"
        );
        assert_eq!(
            quantile(&Sketch::default(), 0.5, 0.05),
            Interval { low: 0.0, high: None }
        );
    }

    proptest! {
        #[test]
        fn a_share_is_between_its_bounds(hits in 0..2000_u64, more in 0..2000_u64, alpha in 0.0001..0.5_f64) {
            let trials = hits + more;
            let interval = proportion(hits, trials, alpha);
            let seen = if trials == 0 { 0.5 } else { hits as f64 / trials as f64 };
            prop_assert!(0.0 <= interval.low && interval.low <= seen);
            prop_assert!(seen <= interval.high.unwrap() && interval.high.unwrap() <= 1.0);
            let other = proportion(more, trials, alpha);
            prop_assert!((interval.low - (1.0 - other.high.unwrap())).abs() < 1e-9, "hits and misses mirror each other");
        }

        #[test]
        fn nothing_panics(hits in any::<u64>(), trials in any::<u64>(), time in any::<f64>(), alpha in any::<f64>(), durations in proptest::collection::vec(any::<f64>(), 0..20), share in any::<f64>()) {
            let mut sketch = Sketch::default();
            durations.iter().for_each(|ms| sketch.add(*ms));
            proportion(hits, trials, alpha);
            rate(hits, time, alpha);
            quantile(&sketch, share, alpha);
        }

        #[test]
        fn a_rate_is_between_its_bounds(count in 0..100_000_u64, time in 0.001..1e6_f64, alpha in 0.0001..0.5_f64) {
            let interval = rate(count, time, alpha);
            prop_assert!(interval.low <= count as f64 / time);
            prop_assert!(interval.high.unwrap() >= count as f64 / time);
        }

        #[test]
        fn the_quantile_that_was_seen_is_between_its_bounds(durations in proptest::collection::vec(0.1..1e5_f64, 1..300), share in 0.5..0.99_f64) {
            let mut sketch = Sketch::default();
            durations.iter().for_each(|ms| sketch.add(*ms));
            let interval = quantile(&sketch, share, 0.05);
            let seen = sketch.quantile(share).unwrap();
            prop_assert!(interval.low <= seen && interval.high.is_none_or(|high| high >= seen), "{seen} {interval:?}");
        }
    }
}
