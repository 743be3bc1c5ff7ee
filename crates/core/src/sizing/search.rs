//! The search for how many requests tell: the judge is asked what it would say of so many.
//!
//! First of requests that are as unkind as one run in five at least: all at once, smooth, and so quick to search. Real requests
//! are less smooth than that, the more so where there are few. So the number that is found is held against runs with random
//! requests, and raised until it tells in as many of them as it should.

use super::chance::{Chance, Random, UNKIND, hits};
use super::fabricate::{arriving, counts};
use super::truth::Truth;
use super::{Case, Need, POWER_PERCENT};
use crate::judge::{Reason, Relation, Verdict, compared, verdicts};
use crate::layer::Stage;
use crate::sketch::Seen;

/// The most requests that are tried.
const MOST: u64 = 1_000_000_000;

/// How exact the number of requests is, as a part of it.
const EXACT: f64 = 0.02;

/// How many runs with random requests a number is held against.
const RUNS: u64 = 200;

/// How much the number of requests is raised while it tells in too few of these, and how often: to four times as many. If
/// these do not tell, it is not for lack of requests.
const MORE: f64 = 1.08;
const TIMES: usize = 19;

/// What should be established.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    Upheld,
    Deviated,
}

/// What a limit is tested with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Test {
    pub(super) relation: Relation,
    pub(super) aim: Aim,
    /// What is true without the fault.
    pub(super) base: Truth,
    /// What is true with the fault.
    pub(super) with: Truth,
}

impl Test {
    fn is_lower(&self) -> bool {
        matches!(self.relation, Relation::AtLeast | Relation::FallFromBaseline)
    }
}

/// What chance does in one run.
enum Dice<'r> {
    /// It is unkind to the subject, and to what it is compared with, by so many standard deviations.
    Unkind { subject: f64, base: f64 },
    /// Whatever it does.
    Random(&'r mut Random),
}

impl Dice<'_> {
    fn of_subject(&mut self) -> Chance<'_> {
        match self {
            Dice::Unkind { subject, .. } => Chance::Luck(*subject),
            Dice::Random(random) => Chance::Random(random),
        }
    }

    /// Of requests without the fault: whether the subject is compared with them.
    fn of_base(&mut self, is_compared: bool) -> Chance<'_> {
        match self {
            Dice::Unkind { base, .. } => Chance::Luck(if is_compared { *base } else { 0.0 }),
            Dice::Random(random) => Chance::Random(random),
        }
    }
}

impl Case<'_> {
    /// The least number of requests with which the judge says what is true, in as many runs as [`POWER_PERCENT`] says.
    pub(super) fn needed(&self, test: &Test) -> Need {
        let Some(fewest) = self.fewest(test.relation) else {
            let why = "0 percent of requests meet the fault, so there is nothing to judge";
            return Need::Never { why: why.to_owned() };
        };
        let unkindly = self.smallest(fewest, |all| {
            let (subject, base) = self.luck(test, all);
            self.tells(test, all, &mut Dice::Unkind { subject, base })
        });
        let raised = std::iter::successors(unkindly, |all| Some((*all as f64 * MORE).ceil() as u64));
        let found = raised.take(TIMES).find(|all| self.tells_often(test, *all));
        let Some(all) = found else {
            return Need::Never {
                why: self.hopeless(test),
            };
        };
        let secs = self
            .traffic
            .map(|traffic| (all as f64 / traffic.per_second).ceil() as u64);
        Need::With {
            requests: self.requests(all),
            secs,
        }
    }

    /// The smallest number from `fewest` on with which it tells: by doubling, then by halving what is between.
    fn smallest(&self, fewest: u64, tells: impl Fn(u64) -> bool) -> Option<u64> {
        let mut too_few = fewest;
        let mut enough = fewest;
        while !tells(enough) {
            too_few = enough;
            enough = enough.checked_mul(2).filter(|all| *all <= MOST)?;
        }
        while enough - too_few > 1 && (enough - too_few) as f64 > EXACT * enough as f64 {
            let middle = too_few + (enough - too_few) / 2;
            if tells(middle) {
                enough = middle;
            } else {
                too_few = middle;
            }
        }
        Some(enough)
    }

    fn hopeless(&self, test: &Test) -> String {
        if test.relation.is_about_baseline() {
            let baseline = self.experiment.windows.baseline;
            format!(
                "a baseline of {baseline} brings too few requests to relate to; make windows.baseline longer, or the margin \
                 wider"
            )
        } else if matches!(test.base, Truth::Durations(_)) {
            "not even a billion requests would tell, as durations are counted to a percent; make the margin wider"
                .to_owned()
        } else {
            "not even a billion requests would tell; make the margin wider".to_owned()
        }
    }

    /// The fewest requests of the function with which there are `min_requests` in each group that counts.
    fn fewest(&self, relation: Relation) -> Option<u64> {
        let min = f64::from(self.layer.min_requests);
        let percent = self.experiment.blast_radius.percent / 100.0;
        let smallest = match relation {
            _ if self.is_about_traffic() => 1.0,
            _ if relation.is_about_control() => percent.min(1.0 - percent),
            _ => percent,
        };
        (smallest > 0.0).then(|| (min / smallest).ceil() as u64)
    }

    /// Whether as many runs of so many requests tell as should.
    fn tells_often(&self, test: &Test, all: u64) -> bool {
        let silent = RUNS - RUNS * u64::from(POWER_PERCENT) / 100;
        let runs = (0..RUNS).filter(|run| !self.tells(test, all, &mut Dice::Random(&mut Random::new(*run))));
        // One more than may be silent decides it.
        runs.take(usize::try_from(silent + 1).unwrap_or(usize::MAX)).count() as u64 <= silent
    }

    /// Whether the judge says what is true of so many requests.
    fn tells(&self, test: &Test, all: u64, dice: &mut Dice<'_>) -> bool {
        let lasted = self.lasted(all);
        // What counts of the baseline is what is related to it, and how many requests had the outcome.
        let needs_baseline = test.relation.is_about_baseline() || matches!(test.base, Truth::Share(_));
        let before = (needs_baseline && self.baseline.is_none()).then(|| {
            let chance = dice.of_base(test.relation.is_about_baseline());
            let seen = self.baseline_seen(test.base, self.in_baseline(all), chance);
            compared(self.measure, self.layer, &self.baseline_window(&seen))
        });
        let seen = self.seen(test, all, dice);
        let window = self.window(&seen, lasted, Stage::Injection, self.baseline.or(before.as_ref()));
        let (_, reason, claims) = verdicts(self.measure, self.layer, &window);
        let aimed = match test.aim {
            Aim::Upheld => Verdict::Upheld,
            Aim::Deviated => Verdict::Deviated,
        };
        // What other limits of the measure say does not count.
        let mut claims = claims.iter();
        let is_said = claims.any(|claim| claim.relation == test.relation && claim.verdict == aimed);
        is_said && !matches!(reason, Reason::TooFewRequests | Reason::SampleRatio)
    }

    /// What is seen of so many requests while the faults are there.
    fn seen(&self, test: &Test, all: u64, dice: &mut Dice<'_>) -> Seen {
        let statistic = self.layer.statistic;
        if self.is_about_traffic() {
            let mean = test.with.value(statistic) * self.lasted(all).as_secs_f64();
            return self.split(arriving(mean, dice.of_subject()));
        }
        let experimental = match dice {
            Dice::Unkind { .. } => self.requests(all).experimental,
            Dice::Random(random) => hits(all, self.experiment.blast_radius.percent / 100.0, random.next()),
        };
        let is_compared = test.relation.is_about_control();
        Seen {
            control: counts(
                statistic,
                test.base,
                all - experimental.min(all),
                dice.of_base(is_compared),
            ),
            experimental: counts(statistic, test.with, experimental, dice.of_subject()),
        }
    }

    /// How unkind chance is to the subject, and to what it is compared with: together as much as one run in five exceeds. Each
    /// is off by as much as it adds to the uncertainty of the effect.
    fn luck(&self, test: &Test, all: u64) -> (f64, f64) {
        let sign = if test.is_lower() == (test.aim == Aim::Deviated) {
            1.0
        } else {
            -1.0
        };
        let requests = self.requests(all);
        let (subject, base) = if test.relation.is_about_control() {
            (requests.experimental, all.saturating_sub(requests.experimental))
        } else if test.relation.is_about_baseline() && self.baseline.is_none() {
            let subject = if self.is_about_traffic() {
                all
            } else {
                requests.experimental
            };
            (subject, self.in_baseline(all) as u64)
        } else {
            return (sign * UNKIND, 0.0);
        };
        let statistic = self.layer.statistic;
        let variance = |truth: Truth, requests: u64| {
            // Of a change in percent, what counts is how uncertain each is as a part of itself.
            let scale = match test.relation {
                Relation::AboveControl => 1.0,
                _ => truth.value(statistic).powi(2).max(f64::MIN_POSITIVE),
            };
            truth.variance(statistic) / scale / requests.max(1) as f64
        };
        let (of_subject, of_base) = (variance(test.with, subject), variance(test.base, base));
        let sum = of_subject + of_base;
        let part = |variance: f64| {
            if sum > 0.0 {
                sign * UNKIND * (variance / sum).sqrt()
            } else {
                0.0
            }
        };
        (part(of_subject), -part(of_base))
    }
}
