//! What the layer saw of a function, per group: counts, and a sketch of durations. Everything adds up, in any order.
//!
//! The sketch is a DDSketch without collapsing: the counts of buckets whose bounds grow by a constant factor. So two
//! sketches merge by adding counts, and the order of merging cannot be seen in the result. (The crate
//! `sketches-ddsketch` collapses buckets, keeps a floating sum, and writes every empty bucket.)
//!
//! Masson, Rim, Lee 2019: DDSketch, a fast and fully-mergeable quantile sketch with relative-error guarantees.
//! <https://arxiv.org/abs/1908.10693>

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::calls::CallsByName;
use crate::groups::{Group, KeyKind};

/// How far a quantile may be from the true one, as a part of it.
pub const RELATIVE_ACCURACY: f64 = 0.01;

/// The same for durations that are counted roughly.
pub const ROUGH_ACCURACY: f64 = 0.06;

/// How many buckets become one where durations are counted roughly: the one in the middle of them.
const ROUGH: i32 = 5;

/// The factor between the bounds of a bucket.
const GAMMA: f64 = (1.0 + RELATIVE_ACCURACY) / (1.0 - RELATIVE_ACCURACY);

/// The shortest and the longest duration that are told apart, in milliseconds. What is shorter or longer counts as
/// these: a microsecond, and almost three hours.
const RANGE_MS: (f64, f64) = (0.001, 10_000_000.0);

/// Durations, counted in buckets. Written as text: `-3:2 1:5` is two in bucket -3 and five in the one after it (each
/// bucket is written as the distance to the one before).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sketch {
    /// The first bucket that has durations; 0 if none has.
    first: i32,
    /// How many each bucket has, from the first to the last that has any. The buckets of a function are close to each other, so
    /// few are empty, and thousands of sketches are added up in milliseconds.
    counts: Vec<u64>,
}

/// A text that is not a sketch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a sketch of durations")]
pub struct SketchError;

impl Sketch {
    /// Counts a duration in milliseconds. What is no number counts as the longest: it must not look like a fast one.
    pub fn add(&mut self, ms: f64) {
        let ms = if ms.is_nan() { RANGE_MS.1 } else { ms };
        self.count_in(bucket(ms), 1);
    }

    /// Counts a duration in milliseconds in one of the few buckets that are apart by [`ROUGH`]: the sketch is shorter, and its
    /// quantiles are within [`ROUGH_ACCURACY`].
    pub fn add_roughly(&mut self, ms: f64) {
        let ms = if ms.is_nan() { RANGE_MS.1 } else { ms };
        let bucket = bucket(ms);
        self.count_in(bucket - bucket.rem_euclid(ROUGH) + ROUGH / 2, 1);
    }

    /// Adds what another sketch has counted.
    pub fn merge(&mut self, other: &Sketch) {
        if other.counts.is_empty() {
            return;
        }
        let sums = self.reach(other.first, other.counts.len());
        for (sum, count) in sums.iter_mut().zip(&other.counts) {
            *sum = sum.saturating_add(*count);
        }
    }

    /// The sketch with so many durations in each of these buckets.
    fn of(counts: impl Iterator<Item = (i32, u64)>) -> Sketch {
        let mut sketch = Sketch::default();
        for (bucket, count) in counts {
            sketch.count_in(bucket, count);
        }
        sketch
    }

    fn count_in(&mut self, bucket: i32, count: u64) {
        if count > 0 {
            for sum in self.reach(bucket, 1) {
                *sum = sum.saturating_add(count);
            }
        }
    }

    /// The counts of so many buckets from the first of them on. What is counted in their ends must not be nothing.
    fn reach(&mut self, first: i32, many: usize) -> &mut [u64] {
        if self.counts.is_empty() {
            self.first = first;
        }
        let before = usize::try_from(self.first.saturating_sub(first)).unwrap_or(0);
        if before > 0 {
            self.counts.splice(..0, std::iter::repeat_n(0, before));
            self.first = first;
        }
        let start = usize::try_from(first.saturating_sub(self.first)).unwrap_or(0);
        let end = start.saturating_add(many);
        if end > self.counts.len() {
            self.counts.resize(end, 0);
        }
        &mut self.counts[start..end]
    }

    fn counted_in(&self, bucket: i32) -> u64 {
        let index = usize::try_from(bucket.saturating_sub(self.first)).ok();
        index.and_then(|index| self.counts.get(index)).copied().unwrap_or(0)
    }

    /// The buckets that have durations, and how many, shortest first.
    fn counted(&self) -> impl Iterator<Item = (i32, u64)> {
        (self.first..)
            .zip(&self.counts)
            .map(|(bucket, count)| (bucket, *count))
            .filter(|(_, count)| *count > 0)
    }

    /// The same durations, `factor` times as many.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Sketch {
        Sketch::of(self.counted().map(|(bucket, count)| (bucket, times(count, factor))))
    }

    /// So many durations, of which the share `of` says is at most as long as each length of time, as exactly as whole numbers
    /// allow.
    pub(crate) fn distributed(count: u64, of: impl Fn(f64) -> f64) -> Sketch {
        let mut before = 0;
        let counts = shares(of).map(|(bucket, up_to, _)| {
            let up_to = times(count, up_to).clamp(before, count);
            let counted = up_to - before;
            before = up_to;
            (bucket, counted)
        });
        Sketch::of(counts)
    }

    /// So many durations, drawn from what `of` says as in [`Sketch::distributed`]: `draw` says how many of a number have
    /// something that each has with a probability.
    pub(crate) fn drawn(count: u64, of: impl Fn(f64) -> f64, mut draw: impl FnMut(u64, f64) -> u64) -> Sketch {
        let mut left = count;
        let counts = shares(of)
            .filter(|(_, _, share)| *share > 0.0)
            .map(|(bucket, _, share)| {
                let counted = if left > 0 { draw(left, share).min(left) } else { 0 };
                left -= counted;
                (bucket, counted)
            });
        Sketch::of(counts)
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The duration in milliseconds that a share of all durations does not exceed: 0.5 is the median. Within
    /// [`RELATIVE_ACCURACY`] of the one at rank `floor(share * (count - 1))`. `None` if nothing was counted.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        let share = if share.is_nan() { 1.0 } else { share.clamp(0.0, 1.0) };
        let rank = (share * self.count().checked_sub(1)? as f64).floor() as u64;
        let mut seen = 0_u64;
        let found = self.counts.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen > rank
        });
        let last = self.counts.len().saturating_sub(1);
        let at = i32::try_from(found.unwrap_or(last)).unwrap_or(0);
        Some(middle(self.first.saturating_add(at)))
    }

    /// The buckets: the duration in the middle of each, in milliseconds, and its count, shortest first.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, u64)> {
        self.counted().map(|(bucket, count)| (middle(bucket), count))
    }
}

/// Each bucket, the share of all durations up to its end, and how many of those that are in no bucket before are in it.
fn shares(of: impl Fn(f64) -> f64) -> impl Iterator<Item = (i32, f64, f64)> {
    let (first, last) = (bucket(RANGE_MS.0), bucket(RANGE_MS.1));
    let mut before = 0.0;
    (first..=last).map(move |bucket| {
        let up_to = if bucket == last { 1.0 } else { of(GAMMA.powi(bucket)) };
        let up_to = f64::clamp(up_to, before, 1.0);
        let share = if before < 1.0 {
            (up_to - before) / (1.0 - before)
        } else {
            0.0
        };
        before = up_to;
        (bucket, up_to, share)
    })
}

/// `factor` times as many, rounded.
fn times(count: u64, factor: f64) -> u64 {
    (count as f64 * factor).round() as u64
}

/// The bucket of a duration: the least power of [`GAMMA`] that is not less.
fn bucket(ms: f64) -> i32 {
    (ms.clamp(RANGE_MS.0, RANGE_MS.1).ln() / GAMMA.ln()).ceil() as i32
}

/// The value that is equally far from both bounds of a bucket, in proportion.
fn middle(bucket: i32) -> f64 {
    static MIDDLES: LazyLock<(i32, Vec<f64>)> = LazyLock::new(|| {
        let (first, last) = (self::bucket(RANGE_MS.0), self::bucket(RANGE_MS.1));
        let middle = |bucket| 2.0 * GAMMA.powi(bucket) / (GAMMA + 1.0);
        (first, (first..=last).map(middle).collect())
    });
    let (first, middles) = &*MIDDLES;
    let index = usize::try_from(bucket.saturating_sub(*first)).unwrap_or(0);
    middles.get(index).copied().unwrap_or(RANGE_MS.1)
}

impl From<Sketch> for String {
    fn from(sketch: Sketch) -> String {
        let mut before = 0;
        let step = |(bucket, count): (i32, u64)| {
            let step = format!("{}:{count}", bucket - before);
            before = bucket;
            step
        };
        sketch.counted().map(step).collect::<Vec<_>>().join(" ")
    }
}

impl TryFrom<String> for Sketch {
    type Error = SketchError;

    fn try_from(text: String) -> Result<Sketch, SketchError> {
        let known = bucket(RANGE_MS.0)..=bucket(RANGE_MS.1);
        let (mut sketch, mut before) = (Sketch::default(), 0_i32);
        for step in text.split_ascii_whitespace() {
            let (distance, count) = step.split_once(':').ok_or(SketchError)?;
            let distance: i32 = distance.parse().map_err(|_| SketchError)?;
            let count: u64 = count.parse().map_err(|_| SketchError)?;
            before = before
                .checked_add(distance)
                .filter(|at| known.contains(at))
                .ok_or(SketchError)?;
            if count == 0 || sketch.counted_in(before) > 0 {
                return Err(SketchError);
            }
            sketch.count_in(before, count);
        }
        Ok(sketch)
    }
}

/// What happened to one request, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// How the request was told apart.
    pub key: KeyKind,
    /// The caller got no answer of the function: an error, a timeout, a crash, an answer that the platform refused.
    pub error: bool,
    /// The answer is an HTTP response with a status from 500 to 599.
    pub http_5xx: bool,
    /// There was no answer before the deadline.
    pub timeout: bool,
    /// It met a fault.
    pub injected: bool,
    /// What the caller waited for, in milliseconds.
    pub duration_ms: f64,
}

/// What was seen of one group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Requests, however they ended.
    pub requests: u64,
    /// Those without an answer of the function, timeouts included.
    pub errors: u64,
    /// Those answered with an HTTP status from 500 to 599.
    pub http_5xx: u64,
    /// Those without an answer before the deadline.
    pub timeouts: u64,
    /// Those that met a fault.
    pub injected: u64,
    /// Those told apart by a field of the event.
    pub by_field: u64,
    /// Those told apart by the root of the trace.
    pub by_trace_root: u64,
    /// Those told apart by the request id, which is another one in every function.
    pub by_request_id: u64,
    /// How long callers waited.
    pub durations: Sketch,
    /// The calls that the requests made to other services, as far as they passed through the layer.
    #[serde(skip_serializing_if = "CallsByName::is_empty")]
    pub calls: CallsByName,
}

impl Counts {
    /// Counts one request.
    pub fn add(&mut self, seen: &Observation) {
        let (field, root, id) = (KeyKind::Field, KeyKind::TraceRoot, KeyKind::RequestId);
        for (count, counts) in [
            (&mut self.requests, true),
            (&mut self.errors, seen.error),
            (&mut self.http_5xx, seen.http_5xx),
            (&mut self.timeouts, seen.timeout),
            (&mut self.injected, seen.injected),
            (&mut self.by_field, seen.key == field),
            (&mut self.by_trace_root, seen.key == root),
            (&mut self.by_request_id, seen.key == id),
        ] {
            *count = count.saturating_add(u64::from(counts));
        }
        self.durations.add(seen.duration_ms);
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Counts) {
        for (count, more) in [
            (&mut self.requests, other.requests),
            (&mut self.errors, other.errors),
            (&mut self.http_5xx, other.http_5xx),
            (&mut self.timeouts, other.timeouts),
            (&mut self.injected, other.injected),
            (&mut self.by_field, other.by_field),
            (&mut self.by_trace_root, other.by_trace_root),
            (&mut self.by_request_id, other.by_request_id),
        ] {
            *count = count.saturating_add(more);
        }
        self.durations.merge(&other.durations);
        self.calls.merge(&other.calls);
    }

    /// The same requests, `factor` times as many: what would be counted if all went on alike. Without their calls, which
    /// nothing is judged by.
    #[must_use]
    pub fn scaled(&self, factor: f64) -> Counts {
        let times = |count: u64| times(count, factor);
        Counts {
            requests: times(self.requests),
            errors: times(self.errors),
            http_5xx: times(self.http_5xx),
            timeouts: times(self.timeouts),
            injected: times(self.injected),
            by_field: times(self.by_field),
            by_trace_root: times(self.by_trace_root),
            by_request_id: times(self.by_request_id),
            durations: self.durations.scaled(factor),
            calls: CallsByName::default(),
        }
    }
}

/// What was seen of both groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// Requests without the fault.
    pub control: Counts,
    /// Requests with the fault.
    pub experimental: Counts,
}

impl Seen {
    /// Counts one request.
    pub fn add(&mut self, group: Group, seen: &Observation) {
        self.of(group).add(seen);
    }

    /// Counts the calls that a request made.
    pub fn add_calls(&mut self, group: Group, made: &CallsByName, seen: &Observation) {
        self.of(group).calls.add_request(made, seen.error || seen.http_5xx);
    }

    fn of(&mut self, group: Group) -> &mut Counts {
        match group {
            Group::Control => &mut self.control,
            Group::Experimental => &mut self.experimental,
        }
    }

    /// Adds what was seen elsewhere.
    pub fn merge(&mut self, other: &Seen) {
        self.control.merge(&other.control);
        self.experimental.merge(&other.experimental);
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn sketch(durations: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        durations.iter().for_each(|ms| sketch.add(*ms));
        sketch
    }

    fn merged(one: &Seen, other: &Seen) -> Seen {
        let mut sum = one.clone();
        sum.merge(other);
        sum
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        let request = (any::<[bool; 5]>(), any::<f64>(), 0..3_u8);
        vec(request, 0..30).prop_map(|requests| {
            let mut seen = Seen::default();
            for ([group, error, http_5xx, timeout, injected], duration_ms, key) in requests {
                let group = if group { Group::Control } else { Group::Experimental };
                let key = [KeyKind::Field, KeyKind::TraceRoot, KeyKind::RequestId][usize::from(key)];
                seen.add(
                    group,
                    &Observation {
                        key,
                        error,
                        http_5xx,
                        timeout,
                        injected,
                        duration_ms,
                    },
                );
            }
            seen
        })
    }

    proptest! {
        #[test]
        fn the_order_of_merging_cannot_be_seen(a in any_seen(), b in any_seen(), c in any_seen()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &Seen::default()), a);
        }

        #[test]
        fn merging_is_as_if_all_had_been_seen_at_once(a in vec(0.0..1e6, 0..50), b in vec(0.0..1e6, 0..50)) {
            let mut sum = sketch(&a);
            sum.merge(&sketch(&b));
            prop_assert_eq!(sum, sketch(&[a, b].concat()));
        }

        #[test]
        fn a_quantile_is_within_one_percent(mut durations in vec(0.001..1e7_f64, 1..200), share in 0.0..=1.0_f64) {
            let estimate = sketch(&durations).quantile(share).unwrap();
            durations.sort_by(f64::total_cmp);
            let truth = durations[(share * (durations.len() - 1) as f64).floor() as usize];
            prop_assert!((estimate - truth).abs() <= RELATIVE_ACCURACY * truth * (1.0 + 1e-9), "{estimate} {truth}");
        }

        #[test]
        fn nothing_that_is_added_panics(durations in vec(any::<f64>(), 0..50), share in any::<f64>()) {
            let sketch = sketch(&durations);
            prop_assert_eq!(sketch.count(), durations.len() as u64);
            prop_assert_eq!(sketch.quantile(share).is_some(), !durations.is_empty());
        }

        #[test]
        fn what_is_written_can_be_read(seen in any_seen()) {
            let text = serde_json::to_string(&seen).unwrap();
            prop_assert_eq!(serde_json::from_str::<Seen>(&text).unwrap(), seen);
        }

        #[test]
        fn no_text_panics(text in "[-0-9: ]{0,40}|.{0,40}") {
            if let Ok(sketch) = Sketch::try_from(text) {
                sketch.quantile(0.5);
            }
        }
    }

    #[test]
    fn it_is_written_in_a_few_kilobytes() {
        // Every bucket from a tenth of a millisecond to fifteen minutes: more than any function has.
        let everything: Vec<f64> = (0..10_000)
            .map(|n| 0.1 * 1.0016_f64.powi(n))
            .take_while(|ms| *ms < 900_000.0)
            .collect();
        let text = String::from(sketch(&everything));
        assert!(text.len() < 5 * 1024, "{}", text.len());
        let usual: Vec<f64> = (0..10_000).map(|n| 20.0 + f64::from(n % 500)).collect();
        let text = String::from(sketch(&usual));
        assert!(text.len() < 1536, "{}", text.len());
    }

    #[test]
    fn the_written_form_never_changes() {
        assert_eq!(
            String::from(sketch(&[1.0, 1.0, 1.03, 250.0, -5.0, f64::INFINITY])),
            "-345:1 345:2 2:1 275:1 529:1"
        );
        assert_eq!(String::from(Sketch::default()), "");
        for wrong in ["1", "1:", ":1", "1:0", "1:1 0:1", "2000:1", "2147483647:1 1:1", "1:-1"] {
            assert_eq!(Sketch::try_from(wrong.to_owned()), Err(SketchError), "{wrong}");
        }
    }
}
