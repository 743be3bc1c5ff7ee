//! How many of `n` requests have an outcome, in a run that is lucky or not.

use statrs::distribution::{ContinuousCDF, Normal};

/// How far off a run is that one in five exceeds, in standard deviations: the 80th percentile of the normal distribution.
pub(super) const UNKIND: f64 = 0.841_621_233_572_914_4;

/// Above this variance, counts are as good as normally distributed. Below it, the chance of none is a float.
const MANY: f64 = 100.0;

/// What chance does to counts.
#[derive(Debug)]
pub(super) enum Chance<'a> {
    /// It makes a value look higher by so many standard deviations.
    Luck(f64),
    /// Anything, as often as it really does.
    Random(&'a mut Random),
}

impl Chance<'_> {
    /// As many runs as this, from 0 to 1, have no higher value.
    pub(super) fn level(&mut self) -> f64 {
        match self {
            Chance::Luck(luck) => Normal::standard().cdf(*luck),
            Chance::Random(random) => random.next(),
        }
    }
}

/// Numbers that look random and are the same every time (SplitMix64): what is said of an experiment does not change.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    /// From 0 to 1, both excluded.
    pub(super) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }
}

/// The quantile of the normal distribution for a share of all, from 0 to 1, both excluded.
pub(super) fn deviations(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share.clamp(1e-12, 1.0 - 1e-12))
}

/// How many of `trials` have an outcome that each has with a probability of `share`: the least number that is not exceeded in
/// as many runs as `level` says.
pub(super) fn hits(trials: u64, share: f64, level: f64) -> u64 {
    let (n, share) = (trials as f64, share.clamp(0.0, 1.0));
    if share > 0.5 {
        return trials - hits(trials, 1.0 - share, 1.0 - level);
    }
    let (mean, variance) = (n * share, n * share * (1.0 - share));
    if variance > MANY {
        return normal(mean, variance, level).min(trials);
    }
    let odds = share / (1.0 - share);
    let none = (n * (-share).ln_1p()).exp();
    counted(none, level, |k, chance| chance * (n - k) / (k + 1.0) * odds, trials)
}

/// How many come of which `mean` come on average, independently of each other.
pub(super) fn arrivals(mean: f64, level: f64) -> u64 {
    if mean > MANY {
        return normal(mean, mean, level);
    }
    counted((-mean).exp(), level, |k, chance| chance * mean / (k + 1.0), u64::MAX)
}

fn normal(mean: f64, variance: f64, level: f64) -> u64 {
    (mean + deviations(level) * variance.sqrt()).round().max(0.0) as u64
}

/// The least count that is not exceeded in as many runs as `level` says, from the chance of 0 and of each next one.
fn counted(none: f64, level: f64, next: impl Fn(f64, f64) -> f64, most: u64) -> u64 {
    let (mut count, mut chance, mut sum) = (0, none, none);
    // What is left out by rounding is never reached: the chances vanish.
    while sum < level && count < most && chance > 0.0 {
        chance = next(count as f64, chance);
        count += 1;
        sum += chance;
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_quantiles() {
        // As scipy.stats.binom.ppf and poisson.ppf have them.
        for (trials, share, level, expected) in [
            (100, 0.0, 0.8, 0),
            (100, 1.0, 0.2, 100),
            (100, 0.001, 0.8, 0),
            (100, 0.01, 0.8, 2),
            (100, 0.01, 0.2, 0),
            (30, 0.99, 0.2, 29),
            (30, 0.5, 0.5, 15),
            (1_000_000, 0.5, 0.8, 500_421),
        ] {
            assert_eq!(hits(trials, share, level), expected, "{trials} {share} {level}");
        }
        assert_eq!((arrivals(4.0, 0.8), arrivals(4.0, 0.2), arrivals(0.0, 0.5)), (6, 2, 0));
        assert_eq!(arrivals(10_000.0, 0.8), 10_084);
        let level = Chance::Luck(UNKIND).level();
        assert!((level - 0.8).abs() < 1e-9, "{level}");
    }

    #[test]
    fn no_number_of_trials_is_off() {
        for share in [0.01, 0.1, 0.5, 0.9] {
            for trials in (0..3_000_u32).step_by(7) {
                let (mean, half) = (f64::from(trials) * share, hits(u64::from(trials), share, 0.5));
                assert!((half as f64 - mean).abs() <= 1.0, "{half} of {trials} with {share}");
            }
        }
        assert!((0..1_000_u32).all(|mean| arrivals(f64::from(mean), 0.5).abs_diff(u64::from(mean)) <= 1));
    }

    proptest! {
        #[test]
        fn better_luck_is_never_fewer(trials in 0..2_000_000_u64, share in 0.0..=1.0_f64, level in 0.001..0.9_f64, more in 0.0..0.09_f64) {
            let (few, many) = (hits(trials, share, level), hits(trials, share, level + more));
            prop_assert!(few <= many && many <= trials);
            // Around a mean of everything, within what is possible.
            let off = (few as f64 - trials as f64 * share).abs();
            prop_assert!(off <= 4.0 * (trials as f64 * share * (1.0 - share)).sqrt() + 3.0);
        }
    }
}
