//! How often intervals miss the truth, when they are looked at again and again while there are more and more requests.

use fastrand::Rng;
use inoculate_core::sequential::{Bounds, Change, Interval, Ranks, Share, contrast, contrast_quantiles, rate};
use inoculate_core::sketch::Sketch;

use crate::simulate::{Draws, Durations, Shape, hits, repeat};

/// An interval of a kind, its truth, and what it is made of.
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    of: Of,
}

#[derive(Clone, Copy)]
enum Of {
    /// The share of requests that fail.
    Share(f64),
    /// How many come in the time in which one request does.
    Rate(f64),
    /// A percentile of durations.
    Percentile(usize, Shape),
    /// From one share to another.
    Shares(f64, f64, Change),
    /// From a percentile to that of durations that are a quarter longer.
    Percentiles(usize, Shape, Change),
}

/// How many requests there are at the first and at the last look, in each group.
const REQUESTS: (f64, f64) = (50.0, 10_000.0);

const LONGER: f64 = 1.25;

impl Kind {
    pub(crate) const ALL: [Kind; 18] = [
        kind("share, 0.1%", Of::Share(0.001)),
        kind("share, 1%", Of::Share(0.01)),
        kind("share, 30%", Of::Share(0.3)),
        kind("rate, high", Of::Rate(1.0)),
        kind("rate, low", Of::Rate(0.01)),
        kind("p50, lognormal", Of::Percentile(50, Shape::Lognormal)),
        kind("p99, lognormal", Of::Percentile(99, Shape::Lognormal)),
        kind("p99, heavy tail", Of::Percentile(99, Shape::HeavyTail)),
        kind("p50, discrete", Of::Percentile(50, Shape::Discrete)),
        kind("p99, discrete", Of::Percentile(99, Shape::Discrete)),
        kind("difference of 1% and 3%", Of::Shares(0.01, 0.03, Change::Difference)),
        kind("difference of 30% and 20%", Of::Shares(0.3, 0.2, Change::Difference)),
        kind("1% to 3% in percent", Of::Shares(0.01, 0.03, Change::Percent)),
        kind("10% to 5% in percent", Of::Shares(0.1, 0.05, Change::Percent)),
        kind(
            "difference of p50, lognormal",
            Of::Percentiles(50, Shape::Lognormal, Change::Difference),
        ),
        kind(
            "difference of p99, bimodal",
            Of::Percentiles(99, Shape::Bimodal, Change::Difference),
        ),
        kind(
            "p99 in percent, lognormal",
            Of::Percentiles(99, Shape::Lognormal, Change::Percent),
        ),
        kind(
            "p99 in percent, discrete",
            Of::Percentiles(99, Shape::Discrete, Change::Percent),
        ),
    ];

    /// In how many runs an interval of the level misses the truth at some look.
    pub(crate) fn missed(&self, times: usize, looks: usize, alpha: f64) -> usize {
        let runs: Vec<bool> = match self.of {
            Of::Share(truth) => self.runs(times, looks, |counted: &mut u64, random, come| {
                *counted += hits(random, come.new, truth);
                misses(Share::new(*counted, come.all).interval(alpha), truth)
            }),
            Of::Rate(truth) => {
                let draws = Draws::poisson(truth);
                self.runs(times, looks, |counted: &mut u64, random, come| {
                    *counted += (0..come.new).map(|_| draws.draw(random)).sum::<u64>();
                    misses(rate(*counted, come.all as f64, alpha), truth)
                })
            }
            Of::Shares(base, other, change) => {
                let truth = change.of(base, other).unwrap();
                self.runs(times, looks, |counted: &mut [u64; 2], random, come| {
                    for (counted, share) in counted.iter_mut().zip([base, other]) {
                        *counted += hits(random, come.new, share);
                    }
                    let [base, other] = counted.map(|counted| Share::new(counted, come.all));
                    misses_change(contrast(&base, &other, change, alpha), truth)
                })
            }
            Of::Percentile(percent, shape) => {
                let durations = Durations::new(shape, 1.0);
                let (truth, share) = (durations.percentile(percent), percent as f64 / 100.0);
                self.runs(times, looks, |counted: &mut Sketch, random, come| {
                    add(counted, &durations, random, come);
                    misses(Ranks::new(counted, share).interval(alpha), truth)
                })
            }
            Of::Percentiles(percent, shape, change) => {
                let durations = [1.0, LONGER].map(|factor| Durations::new(shape, factor));
                let [base, other] = [&durations[0], &durations[1]].map(|durations| durations.percentile(percent));
                let (truth, share) = (change.of(base, other).unwrap(), percent as f64 / 100.0);
                self.runs(times, looks, |counted: &mut [Sketch; 2], random, come| {
                    for (counted, durations) in counted.iter_mut().zip(&durations) {
                        add(counted, durations, random, come);
                    }
                    let [base, other] = [&counted[0], &counted[1]].map(|counted| Ranks::new(counted, share));
                    misses_change(contrast_quantiles(&base, &other, change, alpha), truth)
                })
            }
        };
        runs.iter().filter(|missed| **missed).count()
    }

    fn runs<T: Default>(
        &self,
        times: usize,
        looks: usize,
        misses: impl Fn(&mut T, &mut Rng, Come) -> bool + Sync,
    ) -> Vec<bool> {
        repeat(self.name, times, |random, _| {
            let (mut counted, mut all) = (T::default(), 0);
            (0..looks).any(|look| {
                let part = look as f64 / (looks - 1) as f64;
                let until = (REQUESTS.0 * (REQUESTS.1 / REQUESTS.0).powf(part)).round() as u64;
                let new = until - all;
                all = until;
                misses(&mut counted, random, Come { new, all })
            })
        })
    }
}

const fn kind(name: &'static str, of: Of) -> Kind {
    Kind { name, of }
}

/// How many requests came to each group: since the look before, and in all.
#[derive(Clone, Copy)]
struct Come {
    new: u64,
    all: u64,
}

fn add(counted: &mut Sketch, durations: &Durations, random: &mut Rng, come: Come) {
    (0..come.new).for_each(|_| counted.add(durations.draw(random)));
}

fn misses(interval: Interval, truth: f64) -> bool {
    interval.low > truth || interval.high.is_some_and(|high| high < truth)
}

fn misses_change(bounds: Bounds, truth: f64) -> bool {
    bounds.low.is_some_and(|low| low > truth) || bounds.high.is_some_and(|high| high < truth)
}
