//! The usual tests. They are given the benefit of the doubt: only rises count as alarms.

use inoculate_core::sketch::Sketch;
use statrs::distribution::{ContinuousCDF, Normal};

/// Hits and requests of a group.
pub(crate) type Counted = (u64, u64);

/// How many standard deviations the difference between two shares must have at a level, both sides together.
pub(crate) fn significant(level: f64) -> f64 {
    Normal::standard().inverse_cdf(1.0 - level / 2.0)
}

/// The test of two proportions, pooled: how many standard deviations the second is above the first.
pub(crate) fn two_proportions(base: Counted, other: Counted) -> f64 {
    let (n, m) = (base.1 as f64, other.1 as f64);
    let pooled = (base.0 + other.0) as f64 / (n + m);
    let deviation = (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt();
    positive(other.0 as f64 / m - base.0 as f64 / n, deviation)
}

/// The test of one proportion: how many standard deviations it is above a limit.
pub(crate) fn one_proportion(counted: Counted, limit: f64) -> f64 {
    let requests = counted.1 as f64;
    positive(
        counted.0 as f64 / requests - limit,
        (limit * (1.0 - limit) / requests).sqrt(),
    )
}

/// Mann-Whitney over all requests: how many standard deviations the rank sum of the second is above what is expected. The
/// durations of one bucket of the sketches are tied.
pub(crate) fn mann_whitney(base: &Sketch, other: &Sketch) -> f64 {
    let (mut ones, mut twos) = (base.buckets().peekable(), other.buckets().peekable());
    let (mut n, mut m, mut u, mut ties) = (0.0, 0.0, 0.0, 0.0);
    loop {
        let at = match (ones.peek(), twos.peek()) {
            (Some(one), Some(two)) => one.0.min(two.0),
            (Some(one), None) => one.0,
            (None, Some(two)) => two.0,
            (None, None) => break,
        };
        let one = ones.next_if(|(middle, _)| *middle <= at).map_or(0, |(_, count)| count) as f64;
        let two = twos.next_if(|(middle, _)| *middle <= at).map_or(0, |(_, count)| count) as f64;
        u += two * (n + one / 2.0);
        n += one;
        m += two;
        ties += (one + two).powi(3) - (one + two);
    }
    let all = n + m;
    let variance = n * m / 12.0 * (all + 1.0 - ties / (all * (all - 1.0)));
    positive(u - n * m / 2.0, variance.sqrt())
}

fn positive(difference: f64, deviation: f64) -> f64 {
    if deviation > 0.0 { difference / deviation } else { 0.0 }
}
