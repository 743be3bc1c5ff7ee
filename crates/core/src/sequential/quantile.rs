//! Evidence about a quantile: the duration that a share of all requests does not exceed.

use super::share::Prior;
use super::{Interval, Share, enough};
use crate::sketch::{RELATIVE_ACCURACY, Sketch};

/// Durations, as evidence against each duration that the quantile of a `share` of requests might be.
///
/// If a duration is the true quantile, a request is at most as long with a probability of `share`. So how many were is
/// evidence against it, as for a [`Share`] (Howard and Ramdas 2022, <https://arxiv.org/abs/1906.09712>). With durations that
/// several requests have, the probability is at least `share`, and that of being shorter at most; any number between those
/// that were shorter and those that were at most as long will do, and the least evidence counts.
///
/// The durations are seen in stretches: what is below all buckets of the sketch, each bucket, and what is above. The evidence
/// is least where the quantile was seen, and grows from there to both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    share: f64,
    trials: u64,
    priors: [Prior; 2],
    /// Each bucket of durations that has requests: its middle in milliseconds, and how many requests were at most as long.
    /// Shortest first.
    buckets: Vec<(f64, u64)>,
    /// The number of requests that speaks least against anything.
    quiet: u64,
}

impl Ranks {
    /// `share` is from 0 to 1, both excluded; with anything else nothing is ever rejected.
    pub fn new(durations: &Sketch, share: f64) -> Ranks {
        let mut at_most = 0_u64;
        let buckets = durations.buckets().map(|(middle, count)| {
            at_most = at_most.saturating_add(count);
            (middle, at_most)
        });
        let buckets = buckets.collect();
        // The first from which on one more makes all likelihood ratios of the mixture larger: they are the same one's, as all
        // of its parts expect `share`. It is also the rank of `Sketch::quantile`.
        let rank = (share * at_most.saturating_sub(1) as f64).floor().max(0.0) as u64;
        Ranks {
            share,
            trials: at_most,
            priors: Prior::around(share),
            buckets,
            quiet: rank.saturating_add(1).min(at_most),
        }
    }

    /// The evidence against a duration, if so many requests were at most as long.
    fn against(&self, at_most: u64) -> f64 {
        if self.share > 0.0 && self.share < 1.0 {
            Share::with(at_most, self.trials, self.priors).against(self.share)
        } else {
            f64::NEG_INFINITY
        }
    }

    /// Where the quantile is, in milliseconds. Wider by the accuracy of the sketch.
    pub fn interval(&self, alpha: f64) -> Interval {
        let left = self.left(enough(alpha));
        Interval {
            low: left.first().map_or(0.0, |(first, _)| first.low),
            high: left.last().and_then(|(last, _)| last.high),
        }
    }

    /// The least evidence against any duration.
    pub(super) fn least(&self) -> f64 {
        self.against(self.quiet)
    }

    /// How many stretches there are.
    pub(super) fn stretches(&self) -> usize {
        self.buckets.len() + 2
    }

    /// The stretch with the least evidence.
    pub(super) fn quiet_stretch(&self) -> usize {
        1 + self.buckets.partition_point(|(_, at_most)| *at_most < self.quiet)
    }

    /// From where to where a stretch is.
    pub(super) fn stretch(&self, stretch: usize) -> Interval {
        let bucket = |index: usize| self.buckets.get(index).map(|(middle, _)| *middle);
        let before = stretch.checked_sub(1);
        Interval {
            low: match before.map(|index| bucket(index).ok_or(index)) {
                None => 0.0,
                Some(Ok(middle)) => lowest(middle),
                Some(Err(_)) => self.buckets.last().map_or(0.0, |(middle, _)| highest(*middle)),
            },
            high: match before {
                None => bucket(0).map(lowest),
                Some(index) => bucket(index).map(highest),
            },
        }
    }

    /// The evidence against the quantile being in a stretch.
    pub(super) fn evidence(&self, stretch: usize) -> f64 {
        let up_to = |buckets: Option<usize>| {
            let last = buckets.and_then(|buckets| self.buckets.get(buckets.checked_sub(1)?));
            last.map_or(0, |(_, at_most)| *at_most)
        };
        let shorter = up_to(stretch.checked_sub(1).map(|before| before.min(self.buckets.len())));
        let at_most = up_to(Some(stretch.min(self.buckets.len())));
        self.against(self.quiet.clamp(shorter, at_most))
    }

    /// The stretches with less evidence than this against them, each with the evidence, shortest first.
    pub(super) fn left(&self, evidence: f64) -> Vec<(Interval, f64)> {
        let quiet = self.quiet_stretch();
        let all = |stretch: usize| (self.stretch(stretch), self.evidence(stretch));
        let is_left = |(_, against): &(Interval, f64)| *against < evidence;
        let mut left: Vec<_> = (0..quiet).rev().map(all).take_while(is_left).collect();
        left.reverse();
        left.extend((quiet..self.stretches()).map(all).take_while(is_left));
        left
    }
}

/// The shortest duration that is counted in the bucket with this middle.
fn lowest(middle: f64) -> f64 {
    middle * (1.0 - RELATIVE_ACCURACY)
}

/// The longest.
fn highest(middle: f64) -> f64 {
    middle * (1.0 + RELATIVE_ACCURACY)
}
