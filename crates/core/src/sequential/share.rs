//! Evidence about a share: how many of all requests have an outcome.

use std::sync::LazyLock;

use statrs::function::beta::ln_beta;

use super::{Interval, boundary, enough};

/// What is thought of a share before anything is seen: a beta distribution, as a part of a mixture. Priors decide where
/// evidence comes early and intervals are narrow. They cannot make them wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Prior {
    hits: f64,
    misses: f64,
    /// The logarithm of its weight, less that of the beta function of its parameters.
    scale: f64,
}

impl Prior {
    /// As if so many hits and misses had been seen. The weights of a mixture add up to 1.
    pub(super) fn new(weight: f64, hits: f64, misses: f64) -> Prior {
        Prior {
            hits,
            misses,
            scale: weight.ln() - ln_beta(hits, misses),
        }
    }

    /// Two for a share that is thought to be about `share`, one wider and one narrower. Between them, evidence comes early
    /// from about a hundred requests to some hundred thousand.
    pub(super) fn around(share: f64) -> [Prior; 2] {
        let share = if share > 0.0 && share < 1.0 { share } else { 0.5 };
        [64.0, 512.0].map(|known| Prior::new(0.5, known * share, known * (1.0 - share)))
    }

    /// The same with another weight: so many times this one.
    fn times(self, weight: f64) -> Prior {
        Prior {
            scale: self.scale + weight.ln(),
            ..self
        }
    }

    /// The logarithm of how likely what was seen is, averaged over the distribution, times its weight.
    fn of(&self, hits: f64, misses: f64) -> f64 {
        self.scale + ln_beta(self.hits + hits, self.misses + misses)
    }
}

/// When nothing is known: most of it low shares, as errors are rare where somebody runs an experiment; some of it any share
/// (Jeffreys), and a little high ones.
static NOTHING_KNOWN: LazyLock<[Prior; 3]> = LazyLock::new(|| {
    [
        Prior::new(0.7, 0.5, 10.0),
        Prior::new(0.25, 0.5, 0.5),
        Prior::new(0.05, 10.0, 0.5),
    ]
});

/// When something was seen before: the weight of that, and the rest for that it is not so any more.
fn knowing(before: (u64, u64), weight: f64) -> impl Iterator<Item = Prior> {
    let (hits, misses) = (before.0.min(before.1) as f64, before.1.saturating_sub(before.0) as f64);
    let others = NOTHING_KNOWN.iter().map(move |prior| prior.times(1.0 - weight));
    others.chain([Prior::new(weight, 0.5 + hits, 0.5 + misses)])
}

/// `hits` of `trials` requests had an outcome: evidence against each share of requests that might be the true one.
///
/// The evidence is that of a mixture, one part of which knows nothing. Another is what was seen before, in the baseline, where
/// there is one: while nothing changes, little evidence is lost to the search for the true share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    hits: f64,
    misses: f64,
    /// The logarithm of the mixture of likelihoods.
    mixture: f64,
}

impl Share {
    /// `hits` over `trials` count as `trials`.
    pub fn new(hits: u64, trials: u64) -> Share {
        Share::with(hits, trials, NOTHING_KNOWN.iter().copied())
    }

    /// As [`Share::new`], knowing what was seen before: `hits` and `trials` of other requests. For requests that may have
    /// changed since then: those with a fault.
    pub fn after(hits: u64, trials: u64, before: (u64, u64)) -> Share {
        Share::with(hits, trials, knowing(before, 0.25))
    }

    /// As [`Share::after`], for requests that have no reason to have changed: the control group.
    pub fn unchanged(hits: u64, trials: u64, before: (u64, u64)) -> Share {
        Share::with(hits, trials, knowing(before, 0.75))
    }

    /// As [`Share::new`], for a share that is thought to be about `share`, between 0 and 1.
    pub fn around(hits: u64, trials: u64, share: f64) -> Share {
        Share::with(hits, trials, Prior::around(share))
    }

    /// With a mixture of distributions as the prior.
    pub(super) fn with(hits: u64, trials: u64, priors: impl IntoIterator<Item = Prior>) -> Share {
        let (hits, misses) = (hits.min(trials) as f64, trials.saturating_sub(hits) as f64);
        // Added up from the largest so far: the parts are too small for numbers that are no logarithms.
        let (mut largest, mut sum) = (f64::NEG_INFINITY, 0.0);
        for part in priors.into_iter().map(|prior| prior.of(hits, misses)) {
            if part > largest {
                sum = sum * (largest - part).exp() + 1.0;
                largest = part;
            } else {
                sum += (part - largest).exp();
            }
        }
        Share {
            hits,
            misses,
            mixture: largest + sum.ln(),
        }
    }

    /// The evidence against a share of `share`, from 0 to 1. Convex.
    pub fn against(&self, share: f64) -> f64 {
        let log = |count: f64, share: f64| if count == 0.0 { 0.0 } else { count * share.max(0.0).ln() };
        self.mixture - log(self.hits, share) - log(self.misses, 1.0 - share)
    }

    /// How fast the evidence grows with the share.
    pub(super) fn slope(&self, share: f64) -> f64 {
        let part = |count: f64, share: f64| if count == 0.0 { 0.0 } else { count / share.max(0.0) };
        part(self.misses, 1.0 - share) - part(self.hits, share)
    }

    /// The share that was seen; one half if nothing was.
    pub fn seen(&self) -> f64 {
        let trials = self.hits + self.misses;
        if trials > 0.0 { self.hits / trials } else { 0.5 }
    }

    /// Where the share is: from 0 to 1. An `alpha` that is not between 0 and 1 gives everything.
    pub fn interval(&self, alpha: f64) -> Interval {
        let evidence = enough(alpha);
        let rejected = |share: f64| self.against(share) >= evidence;
        Interval {
            low: boundary(self.seen(), 0.0, rejected),
            high: Some(boundary(self.seen(), 1.0, rejected)),
        }
    }
}
