//! What the layer saw of the calls that requests made to other services, per group: counts, and a sketch of durations.
//! Everything adds up, in any order.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::sketch::Sketch;

/// How many dependencies are told apart: in what one environment writes of a group, and in the record of a run for a
/// function. The calls to all others are counted together.
pub const MAX_DEPENDENCIES: usize = 12;

/// The name of all others together.
pub const OTHERS: &str = "other";

/// The longest name of a dependency, in bytes. What has a longer one is among the others.
pub const MAX_NAME: usize = 64;

/// The shortest and the longest duration of a call that are told apart, in milliseconds: a tenth of one, and the longest
/// that a function can run.
const RANGE_MS: (f64, f64) = (0.1, 900_000.0);

/// One call, as far as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CallSeen {
    /// It is not the first attempt: the code of the function has sent the same call before.
    pub retry: bool,
    /// It got no answer, or one with a status of 400 or more, or one that broke off.
    pub failed: bool,
    /// It failed because there were too many.
    pub throttled: bool,
    /// It met a fault.
    pub injected: bool,
    /// From the beginning of the call to the end of its answer, or to when one of the two sides gave it up, in
    /// milliseconds.
    pub duration_ms: f64,
}

/// What came of the calls of one group to one dependency. Written without what is zero: there is one for each dependency
/// in every item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallCounts {
    /// Calls, each attempt by itself.
    #[serde(skip_serializing_if = "is_zero")]
    pub calls: u64,
    /// Those that failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Those that failed because there were too many.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled: u64,
    /// Those that were not the first attempt.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// Those that met a fault.
    #[serde(skip_serializing_if = "is_zero")]
    pub injected: u64,
    /// Requests that made such calls.
    #[serde(skip_serializing_if = "is_zero")]
    pub callers: u64,
    /// Requests of which at least one such call failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed_callers: u64,
    /// Of these, those that failed themselves: their callers got no answer of the function, or an HTTP status from 500
    /// to 599.
    #[serde(skip_serializing_if = "is_zero")]
    pub noticed: u64,
    /// How long the calls took.
    #[serde(skip_serializing_if = "is_empty")]
    pub durations: Sketch,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

fn is_empty(sketch: &Sketch) -> bool {
    *sketch == Sketch::default()
}

impl CallCounts {
    /// Counts one call.
    pub fn add(&mut self, seen: &CallSeen) {
        for (count, counts) in [
            (&mut self.calls, true),
            (&mut self.failed, seen.failed),
            (&mut self.throttled, seen.throttled),
            (&mut self.retries, seen.retry),
            (&mut self.injected, seen.injected),
        ] {
            *count = count.saturating_add(u64::from(counts));
        }
        self.durations
            .add_roughly(seen.duration_ms.clamp(RANGE_MS.0, RANGE_MS.1));
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &CallCounts) {
        for (count, more) in [
            (&mut self.calls, other.calls),
            (&mut self.failed, other.failed),
            (&mut self.throttled, other.throttled),
            (&mut self.retries, other.retries),
            (&mut self.injected, other.injected),
            (&mut self.callers, other.callers),
            (&mut self.failed_callers, other.failed_callers),
            (&mut self.noticed, other.noticed),
        ] {
            *count = count.saturating_add(more);
        }
        self.durations.merge(&other.durations);
    }

    /// Counts the request that made all of these calls. `noticed`: it failed itself.
    fn count_caller(&mut self, noticed: bool) {
        let failed = u64::from(self.failed > 0);
        (self.callers, self.failed_callers) = (1, failed);
        self.noticed = if noticed { failed } else { 0 };
    }
}

/// What came of calls, by the name of the dependency: a service of AWS and its operation, like `dynamodb GetItem`; the
/// service alone, if the operation is not known; a host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallsByName(BTreeMap<String, CallCounts>);

impl CallsByName {
    /// Whether there were no calls.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counts of a dependency, if there were calls to it.
    pub fn get(&self, name: &str) -> Option<&CallCounts> {
        self.0.get(name)
    }

    /// The dependencies in the order of their names, and the counts of each.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &CallCounts)> {
        self.0.iter().map(|(name, counts)| (name.as_str(), counts))
    }

    /// Counts one call. Of the names, only the first [`MAX_DEPENDENCIES`] are told apart.
    pub fn add(&mut self, name: &str, seen: &CallSeen) {
        self.limited(name).add(seen);
    }

    /// Adds the calls of one request. Of the names, only the first [`MAX_DEPENDENCIES`] are told apart. `noticed`: the
    /// request failed itself.
    pub fn add_request(&mut self, made: &CallsByName, noticed: bool) {
        let mut here: BTreeMap<&str, CallCounts> = BTreeMap::new();
        for (name, counts) in made.iter() {
            // One request counts once, also if two of its dependencies are among the others.
            let name = self.place(name);
            self.0.entry(name.to_owned()).or_default();
            here.entry(name).or_default().merge(counts);
        }
        for (name, mut counts) in here {
            counts.count_caller(noticed);
            self.limited(name).merge(&counts);
        }
    }

    /// Adds what was counted elsewhere, under all of its names.
    pub fn merge(&mut self, other: &CallsByName) {
        for (name, counts) in other.iter() {
            match self.0.get_mut(name) {
                Some(known) => known.merge(counts),
                None => drop(self.0.insert(name.to_owned(), counts.clone())),
            }
        }
    }

    /// The same calls, of which only those for which `keep` says yes have their names. A request that called several of the
    /// others is counted for each.
    #[must_use]
    pub fn kept(&self, keep: impl Fn(&str) -> bool) -> CallsByName {
        let mut kept = CallsByName::default();
        for (name, counts) in self.iter() {
            let name = if keep(name) { name } else { OTHERS };
            kept.0.entry(name.to_owned()).or_default().merge(counts);
        }
        kept
    }

    /// The name under which the calls to a dependency are counted here.
    fn place<'a>(&self, name: &'a str) -> &'a str {
        let named = self.0.len() - usize::from(self.0.contains_key(OTHERS));
        let fits = self.0.contains_key(name) || named < MAX_DEPENDENCIES && name.len() <= MAX_NAME;
        if fits { name } else { OTHERS }
    }

    fn limited(&mut self, name: &str) -> &mut CallCounts {
        let name = self.place(name);
        self.0.entry(name.to_owned()).or_default()
    }
}

/// What came of the calls of one group to one dependency, as the record of a run keeps it. Written without what is zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CallsSummary {
    /// Calls, each attempt by itself.
    pub calls: u64,
    /// Those that failed: no answer, one with a status of 400 or more, or one that broke off.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: u64,
    /// Those that failed because there were too many.
    #[serde(skip_serializing_if = "is_zero")]
    pub throttled: u64,
    /// Those that were not the first attempt.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u64,
    /// Those that met a fault.
    #[serde(skip_serializing_if = "is_zero")]
    pub injected: u64,
    /// Requests that made such calls.
    #[serde(skip_serializing_if = "is_zero")]
    pub callers: u64,
    /// Requests of which at least one such call failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub failed_callers: u64,
    /// Of these, those that failed themselves.
    #[serde(skip_serializing_if = "is_zero")]
    pub noticed: u64,
    /// Half of the calls took at most this long, in milliseconds.
    pub p50: Option<f64>,
    /// 99 of 100 calls took at most this long, in milliseconds.
    pub p99: Option<f64>,
}

impl From<&CallCounts> for CallsSummary {
    fn from(counts: &CallCounts) -> CallsSummary {
        CallsSummary {
            calls: counts.calls,
            failed: counts.failed,
            throttled: counts.throttled,
            retries: counts.retries,
            injected: counts.injected,
            callers: counts.callers,
            failed_callers: counts.failed_callers,
            noticed: counts.noticed,
            p50: counts.durations.quantile(0.5),
            p99: counts.durations.quantile(0.99),
        }
    }
}

/// The names of the [`MAX_DEPENDENCIES`] dependencies with the most calls of both groups together.
pub(crate) fn most_called(control: &CallsByName, experimental: &CallsByName) -> Vec<String> {
    let mut both = control.clone();
    both.merge(experimental);
    let mut names: Vec<(&str, u64)> = both.iter().map(|(name, counts)| (name, counts.calls)).collect();
    names.retain(|(name, _)| *name != OTHERS && name.len() <= MAX_NAME);
    names.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
    names.truncate(MAX_DEPENDENCIES);
    names.into_iter().map(|(name, _)| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::seen::GroupSummary;
    use crate::sketch::{Counts, ROUGH_ACCURACY};

    /// The calls of one request, each with its dependency, and whether the request failed.
    type Request = (Vec<(usize, CallSeen)>, bool);

    fn any_request() -> impl Strategy<Value = Request> {
        let call =
            (any::<[bool; 4]>(), any::<f64>()).prop_map(|([retry, failed, throttled, injected], duration_ms)| {
                CallSeen {
                    retry,
                    failed,
                    throttled,
                    injected,
                    duration_ms,
                }
            });
        (vec((0..20_usize, call), 0..6), any::<bool>())
    }

    fn made(calls: &[(usize, CallSeen)]) -> CallsByName {
        let mut made = CallsByName::default();
        calls
            .iter()
            .for_each(|(number, seen)| made.add(&format!("d{number}"), seen));
        made
    }

    fn counted(requests: &[Request]) -> CallsByName {
        let mut all = CallsByName::default();
        requests
            .iter()
            .for_each(|(calls, noticed)| all.add_request(&made(calls), *noticed));
        all
    }

    fn merged(one: &CallsByName, other: &CallsByName) -> CallsByName {
        let mut sum = one.clone();
        sum.merge(other);
        sum
    }

    fn sum(all: &CallsByName, of: fn(&CallCounts) -> u64) -> u64 {
        all.iter().map(|(_, counts)| of(counts)).sum()
    }

    proptest! {
        #[test]
        fn the_order_of_merging_cannot_be_seen(all in vec(vec(any_request(), 0..10), 3)) {
            let [a, b, c] = [counted(&all[0]), counted(&all[1]), counted(&all[2])];
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
            prop_assert_eq!(merged(&a, &CallsByName::default()), a);
        }

        #[test]
        fn every_call_and_every_caller_is_counted_whatever_it_is_called(requests in vec(any_request(), 0..30)) {
            let all = counted(&requests);
            let calls = || requests.iter().flat_map(|(calls, _)| calls);
            prop_assert!(all.iter().count() <= MAX_DEPENDENCIES + 1);
            prop_assert_eq!(sum(&all, |of| of.calls), calls().count() as u64);
            prop_assert_eq!(sum(&all, |of| of.failed), calls().filter(|(_, seen)| seen.failed).count() as u64);
            prop_assert_eq!(sum(&all, |of| of.retries), calls().filter(|(_, seen)| seen.retry).count() as u64);
            prop_assert_eq!(sum(&all, |of| of.durations.count()), calls().count() as u64);
            for (_, of) in all.iter() {
                prop_assert!(of.noticed <= of.failed_callers && of.failed_callers <= of.callers && of.callers <= of.calls);
                prop_assert!(of.callers <= requests.len() as u64);
            }
        }

        #[test]
        fn a_quantile_is_within_six_percent(mut durations in vec(RANGE_MS.0..RANGE_MS.1, 1..200), share in 0.0..=1.0_f64) {
            let mut counts = CallCounts::default();
            durations.iter().for_each(|ms| counts.add(&CallSeen { duration_ms: *ms, ..CallSeen::default() }));
            let estimate = counts.durations.quantile(share).unwrap();
            durations.sort_by(f64::total_cmp);
            let truth = durations[(share * (durations.len() - 1) as f64).floor() as usize];
            prop_assert!((estimate - truth).abs() <= ROUGH_ACCURACY * truth, "{estimate} {truth}");
        }

        #[test]
        fn what_is_written_can_be_read(requests in vec(any_request(), 0..10)) {
            let all = counted(&requests);
            let text = serde_json::to_string(&all).unwrap();
            prop_assert_eq!(serde_json::from_str::<CallsByName>(&text).unwrap(), all);
        }

        #[test]
        fn names_that_are_not_kept_are_counted_together(requests in vec(any_request(), 0..30)) {
            let all = counted(&requests);
            let kept = all.kept(|name| name == "d1");
            prop_assert!(kept.iter().all(|(name, _)| ["d1", OTHERS].contains(&name)));
            prop_assert_eq!(kept.get("d1"), all.get("d1"));
            prop_assert_eq!(sum(&kept, |of| of.calls), sum(&all, |of| of.calls));
        }
    }

    #[test]
    fn a_request_counts_once_for_a_dependency_and_notices_only_what_failed() {
        let (well, failed) = (
            CallSeen::default(),
            CallSeen {
                failed: true,
                ..CallSeen::default()
            },
        );
        let mut all = CallsByName::default();
        all.add_request(&made(&[(1, failed), (1, failed), (1, well), (2, well)]), true);
        all.add_request(&made(&[(1, failed), (1, well)]), false);
        all.add_request(&made(&[(1, well)]), true);
        let of = |name: &str| {
            let counts = all.get(name).unwrap();
            (
                counts.calls,
                counts.failed,
                counts.callers,
                counts.failed_callers,
                counts.noticed,
            )
        };
        assert_eq!((of("d1"), of("d2")), ((6, 3, 3, 2, 1), (1, 0, 1, 0, 0)));
    }

    #[test]
    fn two_of_the_others_are_one_caller() {
        let mut all = CallsByName::default();
        let many: Vec<_> = (0..MAX_DEPENDENCIES + 2)
            .map(|number| (number, CallSeen::default()))
            .collect();
        all.add_request(&made(&many[..MAX_DEPENDENCIES]), false);
        all.add_request(&made(&many), false);
        let long = "x".repeat(MAX_NAME + 1);
        all.add(&long, &CallSeen::default());
        let others = all.get(OTHERS).unwrap();
        assert_eq!((others.calls, others.callers, all.get(&long)), (3, 1, None));
        assert_eq!(all.get("d0").unwrap().callers, 2);
    }

    #[test]
    fn the_most_called_keep_their_names() {
        let many = |number: usize, calls: usize| vec![(number, CallSeen::default()); calls];
        let mut control = CallsByName::default();
        for number in 0..20 {
            control.merge(&made(&many(number, 1)));
        }
        let experimental = merged(&made(&many(19, 3)), &made(&many(18, 2)));
        let names = most_called(&control, &experimental);
        assert_eq!(
            (names.len(), &names[..2]),
            (MAX_DEPENDENCIES, &["d19".to_owned(), "d18".to_owned()][..])
        );
    }

    /// All that one environment can write of calls: both groups, every dependency, and every duration there is.
    #[test]
    fn the_most_that_is_written_is_far_below_the_limit_of_an_item() {
        let mut group = CallsByName::default();
        for number in 0..=MAX_DEPENDENCIES {
            let name = format!("{number:0>64}");
            let durations = (0..4000)
                .map(|step| RANGE_MS.0 * 1.01_f64.powi(step))
                .take_while(|ms| *ms <= RANGE_MS.1);
            for duration_ms in durations.flat_map(|ms| [ms; 50]) {
                let (retry, failed, throttled, injected) = (true, true, true, true);
                group.add(
                    &name,
                    &CallSeen {
                        retry,
                        failed,
                        throttled,
                        injected,
                        duration_ms,
                    },
                );
            }
        }
        let both = 2 * serde_json::to_string(&group).unwrap().len();
        assert!(both < 36 * 1024, "{both}");
    }

    #[test]
    fn what_was_written_without_calls_is_read_and_written_as_before() {
        let before = r#"{"requests":1,"errors":0,"http_5xx":0,"timeouts":0,"injected":0,"p50":null,"p99":null}"#;
        let summary: GroupSummary = serde_json::from_str(before).unwrap();
        assert_eq!(serde_json::to_string(&summary).unwrap(), before);
        let counts = serde_json::to_value(serde_json::from_str::<Counts>(r#"{"requests":1}"#).unwrap()).unwrap();
        assert_eq!((&counts["requests"], counts.get("calls")), (&1.into(), None));
    }

    #[test]
    fn little_is_written_of_little() {
        let mut group = CallsByName::default();
        group.add(
            "dynamodb GetItem",
            &CallSeen {
                duration_ms: 12.0,
                ..CallSeen::default()
            },
        );
        assert_eq!(
            serde_json::to_string(&group).unwrap(),
            r#"{"dynamodb GetItem":{"calls":1,"durations":"127:1"}}"#
        );
        // A thousand calls to each of three dependencies, from 5 to 50 ms, and some of them failed.
        let mut group = CallsByName::default();
        for number in 0..3000_u32 {
            let seen = CallSeen {
                failed: number.is_multiple_of(7),
                injected: number.is_multiple_of(7),
                duration_ms: 5.0 + f64::from(number % 450) / 10.0,
                ..CallSeen::default()
            };
            group.add_request(&made(&[(number as usize % 3, seen)]), false);
        }
        let both = 2 * serde_json::to_string(&group).unwrap().len();
        assert!(both < 2048, "{both}");
    }
}
