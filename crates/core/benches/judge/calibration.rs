//! How often a run without any effect is called one with an effect, when it is looked at again and again.

use inoculate_core::experiment::Measure;
use inoculate_core::judge::{ALPHA, Compared, Estimate, GroupWindow, Verdict, judge_groups};
use inoculate_core::layer::Stage;
use inoculate_core::sequential::{Change, Interval, Ranks, Share, evidence_against, evidence_against_quantiles};
use inoculate_core::sketch::{Counts, Seen, Sketch};
use jiff::SignedDuration;
use serde_json::{Value, json};
use statrs::distribution::{Binomial, DiscreteCDF};

use crate::rivals::{mann_whitney, one_proportion, significant, two_proportions};
use crate::simulate::{Draws, Durations, Shape, repeat};

/// Fewer requests in a group are not judged, neither by the judge nor by what it is compared with: `min_requests`.
const FEWEST: u64 = 30;

/// How many requests a baseline has, where there is one.
const BASELINE: u64 = 6_000;

/// What happened in one run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Run {
    /// The judge said `deviated` at some look.
    pub(crate) deviated: bool,
    /// The interval did not hold the truth at some look, on either side.
    pub(crate) missed: bool,
    /// What the usual test said, where it was asked.
    pub(crate) rival: Option<Rival>,
}

/// What the usual test said of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rival {
    /// That there is a difference, at some look.
    pub(crate) ever: bool,
    /// The same at the last look.
    pub(crate) at_end: bool,
}

impl Rival {
    fn look(&mut self, says: bool) {
        self.ever |= says;
        self.at_end = says;
    }
}

/// All runs of a case.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) runs: Vec<Run>,
}

impl Found {
    pub(crate) fn count(&self, which: impl Fn(&Run) -> bool) -> usize {
        self.runs.iter().filter(|run| which(run)).count()
    }

    /// The runs in which the usual test was asked.
    pub(crate) fn rivals(&self) -> Vec<Rival> {
        self.runs.iter().filter_map(|run| run.rival).collect()
    }
}

/// How likely it is that at least so many of all have something that each has with a probability of `alpha`.
pub(crate) fn at_least(count: usize, of: usize, alpha: f64) -> f64 {
    let all = Binomial::new(alpha, of as u64).unwrap();
    count.checked_sub(1).map_or(1.0, |fewer| all.sf(fewer as u64))
}

/// How much likelier, as a logarithm, what was seen is if it is itself the truth than if `truth` is. No mixture of likelihoods is
/// larger than the largest, so this is the most evidence that there can be. Most looks need no more than that.
fn surprise((hits, requests): (u64, u64), truth: f64) -> f64 {
    let part = |count: u64, truth: f64| match count {
        0 => 0.0,
        _ => count as f64 * (count as f64 / requests as f64 / truth).ln(),
    };
    part(hits, truth) + part(requests - hits, 1.0 - truth)
}

/// What is known from before.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Before {
    Nothing,
    /// A baseline in which this share of requests failed.
    Baseline(f64),
}

/// When other shares fail than at first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// In the second half of the run.
    SecondHalf,
    /// Before one look in a hundred, whichever.
    Bursts,
}

/// Requests that fail or not. Nothing that the tolerance forbids is so: it allows exactly what is true.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errors {
    pub(crate) name: &'static str,
    /// How many requests of the control group come between two looks; none: the tolerance is about one group alone.
    pub(crate) control: u64,
    pub(crate) experimental: u64,
    /// The shares that fail.
    pub(crate) truth: (f64, f64),
    /// The shares that fail at other times.
    pub(crate) later: (f64, f64),
    pub(crate) when: When,
    /// What the limit is in.
    pub(crate) change: Change,
    pub(crate) before: Before,
}

impl Errors {
    /// Two groups without a difference, 100 requests between two looks.
    const fn null(name: &'static str, truth: f64, experimental: u64, before: Before) -> Errors {
        Errors {
            name,
            control: 100 - experimental,
            experimental,
            truth: (truth, truth),
            later: (truth, truth),
            when: When::SecondHalf,
            change: Change::Difference,
            before,
        }
    }

    /// One group that fails as often as it may, 50 requests between two looks.
    const fn alone(name: &'static str, truth: f64, before: Before) -> Errors {
        let mut errors = Errors::null(name, truth, 50, before);
        errors.control = 0;
        errors
    }

    pub(crate) const ALL: [Errors; 29] = [
        Errors::null("errors 0.1%", 0.001, 50, Before::Nothing),
        Errors::null("errors 1%", 0.01, 50, Before::Nothing),
        Errors::null("errors 10%", 0.1, 50, Before::Nothing),
        Errors::null("errors 0.1%, 5% of requests", 0.001, 5, Before::Nothing),
        Errors::null("errors 1%, 5% of requests", 0.01, 5, Before::Nothing),
        Errors::null("errors 10%, 5% of requests", 0.1, 5, Before::Nothing),
        Errors::null("errors 0.1%, after a baseline", 0.001, 50, Before::Baseline(0.001)),
        Errors::null("errors 1%, after a baseline", 0.01, 50, Before::Baseline(0.01)),
        Errors::null("errors 10%, after a baseline", 0.1, 50, Before::Baseline(0.1)),
        Errors::null(
            "errors 0.1%, after a baseline, 5% of requests",
            0.001,
            5,
            Before::Baseline(0.001),
        ),
        Errors::null(
            "errors 1%, after a baseline, 5% of requests",
            0.01,
            5,
            Before::Baseline(0.01),
        ),
        Errors::null(
            "errors 10%, after a baseline, 5% of requests",
            0.1,
            5,
            Before::Baseline(0.1),
        ),
        Errors::null("errors 0.1%, after one of 1%", 0.001, 50, Before::Baseline(0.01)),
        Errors::null("errors 1%, after one of 0.1%", 0.01, 50, Before::Baseline(0.001)),
        Errors::null("errors 10%, after one of 1%", 0.1, 50, Before::Baseline(0.01)),
        Errors::null("errors 1%, after one of 10%", 0.01, 50, Before::Baseline(0.1)),
        Errors::null(
            "errors 1%, after one of 0.1%, 5% of requests",
            0.01,
            5,
            Before::Baseline(0.001),
        ),
        Errors {
            later: (0.03, 0.03),
            ..Errors::null("errors 1%, 3% in the second half", 0.01, 50, Before::Nothing)
        },
        Errors {
            later: (0.01, 0.01),
            ..Errors::null("errors 10%, 1% in the second half", 0.1, 50, Before::Nothing)
        },
        Errors {
            later: (0.03, 0.03),
            ..Errors::null(
                "errors 1%, 3% in the second half, 5% of requests",
                0.01,
                5,
                Before::Baseline(0.01),
            )
        },
        Errors {
            later: (0.5, 0.5),
            when: When::Bursts,
            ..Errors::null("errors 0.1%, 50% in bursts", 0.001, 50, Before::Nothing)
        },
        Errors {
            later: (0.5, 0.5),
            when: When::Bursts,
            ..Errors::null("errors 0.1%, 50% in bursts, 5% of requests", 0.001, 5, Before::Nothing)
        },
        Errors {
            truth: (0.01, 0.015),
            later: (0.01, 0.015),
            ..Errors::null(
                "errors 1% and 1.5%, 0.5 points allowed",
                0.0,
                50,
                Before::Baseline(0.01),
            )
        },
        Errors {
            truth: (0.01, 0.02),
            later: (0.01, 0.02),
            change: Change::Percent,
            ..Errors::null("errors 1% and 2%, 100 percent allowed", 0.0, 50, Before::Baseline(0.01))
        },
        Errors::alone("errors 0.1%, at most 0.1% allowed", 0.001, Before::Nothing),
        Errors::alone("errors 1%, at most 1% allowed", 0.01, Before::Nothing),
        Errors::alone("errors 10%, at most 10% allowed", 0.1, Before::Nothing),
        Errors::alone(
            "errors 1%, at most 1% allowed, after a baseline",
            0.01,
            Before::Baseline(0.01),
        ),
        Errors::alone(
            "errors 1%, at most 1% allowed, after one of 0.1%",
            0.01,
            Before::Baseline(0.001),
        ),
    ];

    /// What the tolerance allows, as the judge counts it: a share, a difference of shares, or percent.
    fn limit(&self) -> f64 {
        let (base, other) = self.truth;
        if self.control == 0 {
            return other;
        }
        match self.change {
            Change::Difference => other - base,
            Change::Percent => (100.0 * (other / base - 1.0)).round(),
        }
    }

    /// The tolerance as it is written.
    fn tolerance(&self) -> Value {
        match self.change {
            _ if self.control == 0 => json!({ "at_most": 100.0 * self.limit() }),
            Change::Difference => json!({ "above_control_at_most": 100.0 * self.limit() }),
            Change::Percent => json!({ "above_control_at_most_percent": self.limit() }),
        }
    }

    pub(crate) fn run(&self, times: usize, looks: usize) -> Found {
        let draws = [
            (self.control, self.truth.0, self.later.0),
            (self.experimental, self.truth.1, self.later.1),
        ]
        .map(|(requests, truth, later)| [truth, later].map(|share| Draws::binomial(requests, share)));
        let baseline = match self.before {
            Before::Nothing => None,
            Before::Baseline(share) => Some(Draws::binomial(BASELINE, share)),
        };
        let asked = Asked::new("error_rate", &self.tolerance());
        let runs = repeat(self.name, times, |random, number| {
            let before = baseline.as_ref().map(|draws| (draws.draw(random), BASELINE));
            let (mut control, mut experimental) = ((0, 0), (0, 0));
            let mut run = Run {
                rival: (self.control == 0 || self.limit() == 0.0).then(Rival::default),
                ..Run::default()
            };
            for look in 0..looks {
                let which = usize::from(match self.when {
                    When::SecondHalf => look >= looks / 2,
                    When::Bursts => random.u8(..100) == 0,
                });
                control = (control.0 + draws[0][which].draw(random), control.1 + self.control);
                experimental = (
                    experimental.0 + draws[1][which].draw(random),
                    experimental.1 + self.experimental,
                );
                if experimental.1 < FEWEST || (self.control > 0 && control.1 < FEWEST) {
                    continue;
                }
                let (missed, deviated) = self.look(before, control, experimental);
                run.missed |= missed;
                let is_first = deviated && !run.deviated;
                run.deviated |= deviated;
                // The judge itself says the same: looked up where it matters, and at some other looks.
                if is_first || (number * looks + look).is_multiple_of(9_973) {
                    let seen = [control, experimental].map(|(errors, requests)| Counts {
                        requests,
                        errors,
                        ..Counts::default()
                    });
                    asked.must_say(deviated, seen, before);
                }
                if let Some(rival) = &mut run.rival {
                    rival.look(self.rival(control, experimental));
                }
            }
            run
        });
        Found {
            name: self.name.to_owned(),
            runs,
        }
    }

    /// Whether the interval misses the truth, and whether it is all above the limit.
    fn look(&self, before: Option<(u64, u64)>, control: (u64, u64), experimental: (u64, u64)) -> (bool, bool) {
        // The evidence against what is allowed is at most that against any two shares which are allowed, and that at most this.
        let truths = match self.limit() {
            0.0 => [(control.0 + experimental.0) as f64 / (control.1 + experimental.1) as f64; 2],
            _ => [self.truth.0, self.truth.1],
        };
        if surprise(control, truths[0]) + surprise(experimental, truths[1]) < -ALPHA.ln() {
            return (false, false);
        }
        let share = |(hits, requests), after: fn(u64, u64, (u64, u64)) -> Share| match before {
            Some(before) => after(hits, requests, before),
            None => Share::new(hits, requests),
        };
        let (limit, other) = (self.limit(), share(experimental, Share::after));
        let (evidence, seen) = if self.control == 0 {
            (other.against(limit), Some(other.seen()))
        } else {
            let base = share(control, Share::unchanged);
            let evidence = evidence_against(&base, &other, self.change, limit);
            (evidence, self.change.of(base.seen(), other.seen()))
        };
        // Without a rate of the control group there is no percentage that was seen. All that are left are above any then.
        let missed = evidence >= -ALPHA.ln();
        (missed, missed && seen.is_none_or(|seen| seen > limit))
    }

    /// The test of two proportions, or of one.
    fn rival(&self, control: (u64, u64), experimental: (u64, u64)) -> bool {
        let deviations = match self.control {
            0 => one_proportion(experimental, self.truth.1),
            _ => two_proportions(control, experimental),
        };
        deviations > significant(0.05)
    }
}

/// Durations without a difference between the groups, 20 between two looks. The usual test is asked in every fifth run.
pub(crate) fn durations(shape: Shape, experimental: u64, times: usize, looks: usize) -> [Found; 2] {
    const PERCENTILES: [usize; 2] = [50, 99];
    let groups = match experimental {
        10 => "",
        _ => ", 5% of requests",
    };
    let asked = PERCENTILES.map(|percent| Asked::new(&format!("p{percent}"), &json!({ "above_control_at_most": 0 })));
    let all = Durations::new(shape, 1.0);
    let truths = PERCENTILES.map(|percent| all.percentile(percent));
    let runs = repeat(&format!("{}{groups}", shape.name()), times, |random, number| {
        let mut seen = [Counts::default(), Counts::default()];
        // The usual test takes longer than all else together.
        let asks_rival = number.is_multiple_of(5);
        let mut runs = [Run {
            rival: asks_rival.then(Rival::default),
            ..Run::default()
        }; 2];
        // How many were at most as long as the true percentile, of each group.
        let mut at_most = [[0, 0], [0, 0]];
        for look in 0..looks {
            for (group, requests) in [20 - experimental, experimental].into_iter().enumerate() {
                seen[group].requests += requests;
                for _ in 0..requests {
                    let ms = all.draw(random);
                    seen[group].durations.add(ms);
                    for (counts, truth) in at_most.iter_mut().zip(truths) {
                        counts[group] += u64::from(ms <= truth);
                    }
                }
            }
            if seen.iter().any(|counts| counts.requests < FEWEST) {
                continue;
            }
            let [control, experimental] = [&seen[0].durations, &seen[1].durations];
            let rival = asks_rival && mann_whitney(control, experimental) > significant(0.05);
            for (which, run) in runs.iter_mut().enumerate() {
                let share = PERCENTILES[which] as f64 / 100.0;
                // As above: no evidence is larger than that against the true percentile of both.
                let most: f64 = [0, 1]
                    .map(|group| surprise((at_most[which][group], seen[group].requests), share))
                    .iter()
                    .sum();
                let deviated = !run.deviated && most >= -ALPHA.ln() && is_higher(control, experimental, share);
                if let Some(said) = &mut run.rival {
                    said.look(rival);
                }
                if deviated || (!run.deviated && (number * looks + look).is_multiple_of(99_991)) {
                    asked[which].must_say(deviated, seen.clone(), None);
                }
                run.deviated |= deviated;
            }
        }
        runs
    });
    [0, 1].map(|which| Found {
        name: format!("p{} {}{groups}", PERCENTILES[which], shape.name()),
        runs: runs.iter().map(|runs| runs[which]).collect(),
    })
}

/// Whether a quantile is established to be higher than that of the control group.
fn is_higher(control: &Sketch, experimental: &Sketch, share: f64) -> bool {
    let [control, experimental] = [control, experimental].map(|durations| Ranks::new(durations, share));
    evidence_against_quantiles(&control, &experimental, Change::Difference, 0.0) >= -ALPHA.ln()
}

/// The judge itself, asked about one measure.
struct Asked(Measure);

impl Asked {
    fn new(statistic: &str, tolerance: &Value) -> Asked {
        let layer = json!({ "function": "checkout", "statistic": statistic, "min_requests": FEWEST });
        let measure = json!({ "name": "m", "layer": layer, "tolerance": tolerance });
        Asked(serde_json::from_value(measure).unwrap())
    }

    fn must_say(&self, deviated: bool, seen: [Counts; 2], before: Option<(u64, u64)>) {
        let layer = self.0.layer.as_ref().unwrap();
        let baseline = before.map(|(hits, requests)| Compared {
            function: layer.function.clone(),
            statistic: layer.statistic.to_string(),
            stage: Stage::Baseline,
            alpha: ALPHA / 2.0,
            control: None,
            experimental: None,
            all: Some(Estimate {
                requests,
                value: Some(100.0 * hits as f64 / requests as f64),
                interval: Interval { low: 0.0, high: None },
            }),
        });
        let [control, experimental] = seen;
        let window = GroupWindow {
            stage: Stage::Injection,
            seen: &Seen { control, experimental },
            lasted: SignedDuration::from_secs(600),
            lag: SignedDuration::ZERO,
            measures: 1,
            percent: 50.0,
            baseline: baseline.as_ref(),
        };
        let finding = judge_groups(&self.0, layer, &window);
        assert_eq!(
            finding.verdict == Verdict::Deviated,
            deviated,
            "the judge says otherwise: {}",
            finding.sentence
        );
    }
}
