//! Counts as they would be of so many requests.

use statrs::distribution::{ContinuousCDF, Normal};

use super::chance::{Chance, arrivals, deviations, hits};
use super::truth::{LogNormal, Truth};
use crate::experiment::Statistic;
use crate::sketch::{Counts, Sketch};

/// What is counted of `requests` when this is true.
pub(super) fn counts(statistic: Statistic, truth: Truth, requests: u64, mut chance: Chance<'_>) -> Counts {
    let mut counts = coming(requests);
    match truth {
        Truth::Share(share) => count_hits(statistic, &mut counts, hits(requests, share, chance.level())),
        Truth::Durations(durations) => {
            counts.durations = match chance {
                Chance::Luck(luck) => sketch(statistic, durations, requests, luck),
                Chance::Random(random) => Sketch::drawn(
                    requests,
                    |at_most| durations.share(at_most),
                    |left, share| hits(left, share, random.next()),
                ),
            }
        }
        Truth::Rate(_) => {}
    }
    counts
}

/// Requests of which nothing counts but that they came.
pub(super) fn coming(requests: u64) -> Counts {
    Counts {
        requests,
        ..Counts::default()
    }
}

/// How many requests come of which `mean` are expected.
pub(super) fn arriving(mean: f64, mut chance: Chance<'_>) -> u64 {
    arrivals(mean, chance.level())
}

/// The extreme outcome: every request fails and takes for ever, or none fails and none takes any time.
pub(super) fn extreme(statistic: Statistic, requests: u64, is_worst: bool) -> Counts {
    let mut counts = coming(requests);
    count_hits(statistic, &mut counts, if is_worst { requests } else { 0 });
    let ms = if is_worst { f64::INFINITY } else { 0.0 };
    counts.durations = Sketch::distributed(requests, |at_most| f64::from(u8::from(at_most >= ms)));
    counts
}

fn count_hits(statistic: Statistic, counts: &mut Counts, hits: u64) {
    match statistic {
        Statistic::ErrorRate => counts.errors = hits,
        Statistic::Http5xxRate => counts.http_5xx = hits,
        Statistic::TimeoutRate => counts.timeouts = hits,
        Statistic::RequestsPerSecond | Statistic::Percentile(_) => {}
    }
}

/// Durations of which more or fewer are below the true percentile than should be; the others are moved in proportion, which is
/// what is expected of them then.
fn sketch(statistic: Statistic, durations: LogNormal, requests: u64, luck: f64) -> Sketch {
    let share = match statistic {
        Statistic::Percentile(percent) => f64::from(percent) / 100.0,
        _ => 0.5,
    };
    let quantile = (durations.mu + durations.sigma * deviations(share)).exp();
    let level = Normal::standard().cdf(-luck);
    let below = hits(requests, share, level) as f64 / requests.max(1) as f64;
    Sketch::distributed(requests, |at_most| {
        if at_most <= quantile {
            durations.share(at_most) * below / share
        } else {
            1.0 - (1.0 - durations.share(at_most)) * (1.0 - below) / (1.0 - share)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::chance::Random;
    use super::*;

    const P99: Statistic = Statistic::Percentile(99);

    fn quantile(share: f64, chance: Chance<'_>) -> f64 {
        let truth = LogNormal::through(100.0, 400.0).map(Truth::Durations).unwrap();
        let counts = counts(P99, truth, 10_000, chance);
        assert_eq!(counts.durations.count(), 10_000);
        counts.durations.quantile(share).unwrap()
    }

    #[test]
    fn durations_have_their_percentiles_and_luck_moves_them() {
        let (median, p99) = (|chance| quantile(0.5, chance), |chance| quantile(0.99, chance));
        assert!((median(Chance::Luck(0.0)) / 100.0 - 1.0).abs() < 0.02);
        assert!((p99(Chance::Luck(0.0)) / 400.0 - 1.0).abs() < 0.03);
        assert!(p99(Chance::Luck(1.0)) > 405.0 && p99(Chance::Luck(-1.0)) < 395.0);
        // What is far from the percentile hardly moves.
        assert!((median(Chance::Luck(1.0)) / 100.0 - 1.0).abs() < 0.02);
        for seed in 0..20 {
            let (mut one, mut other) = (Random::new(seed), Random::new(seed));
            assert!((quantile(0.5, Chance::Random(&mut one)) / 100.0 - 1.0).abs() < 0.05);
            assert!((quantile(0.99, Chance::Random(&mut other)) / 400.0 - 1.0).abs() < 0.15);
        }
    }

    #[test]
    fn the_extremes_are_the_worst_and_the_best_that_can_happen() {
        let worst = extreme(Statistic::ErrorRate, 50, true);
        assert_eq!((worst.requests, worst.errors, worst.durations.count()), (50, 50, 50));
        assert!(worst.durations.quantile(0.0) > Some(1e6));
        let best = extreme(Statistic::ErrorRate, 50, false);
        assert_eq!((best.requests, best.errors), (50, 0));
        assert!(best.durations.quantile(1.0) < Some(0.01));
    }
}
