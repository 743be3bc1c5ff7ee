//! Evidence about a rate: how many requests there are in a unit of time.

use statrs::function::gamma::ln_gamma;

use super::{Interval, boundary, enough};

/// The parameters of the prior of a rate: Jeffreys', and a time so short that no rate up to some thousand is far from it.
const PRIOR: (f64, f64) = (0.5, 0.001);

/// How many of something there are in a unit of time, when `count` came in `time` units.
///
/// The assumption: they come independently of each other (Poisson). Traffic that comes in bursts is less certain than this.
pub fn rate(count: u64, time: f64, alpha: f64) -> Interval {
    if !(time.is_finite() && time > 0.0) {
        return Interval { low: 0.0, high: None };
    }
    let count = count as f64;
    let (shape, scale) = PRIOR;
    let mixture =
        ln_gamma(shape + count) - ln_gamma(shape) + shape * scale.ln() - (shape + count) * (scale + time).ln();
    let rejected = |rate: f64| {
        let log = if count == 0.0 { 0.0 } else { count * rate.ln() };
        mixture - log + rate * time >= enough(alpha)
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
