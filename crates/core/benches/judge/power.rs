//! How long it takes to find an effect: by the judge, and by what is looked at once a minute.

use fastrand::Rng;
use inoculate_core::judge::ALPHA;
use inoculate_core::ranks::{Alternative, RankTest};
use inoculate_core::sequential::{Change, Ranks, Share, evidence_against, evidence_against_quantiles};
use inoculate_core::sketch::Sketch;

use inoculate_figures::{Figure, at, sorted};

use crate::print::{percent, table};
use crate::simulate::{Draws, Durations, Shape, hits, repeat};

/// How many seconds a run is looked at for.
const LONGEST: usize = 7_200;

/// For how many seconds it is looked at every second. After that, every ten seconds, as a run does that says nothing of it.
const OFTEN: usize = 300;

/// How many seconds its baseline has.
const BASELINE: u64 = 120;

/// For how many seconds it is counted how often others find what is not there.
const HOUR: usize = 3_600;

/// Fewer requests in a group are not judged.
const FEWEST: u64 = 30;

/// What happens to requests with the fault.
#[derive(Debug, Clone, Copy)]
enum What {
    /// The share that fails without it and with it, and by how much it may rise.
    Errors { from: f64, to: f64, allowed: f64 },
    /// How many times as long they take, and by how many percent p99 may rise.
    Slower { times: f64, allowed: f64 },
}

const EFFECTS: [(&str, What); 8] = [
    ("errors 1% to 5%, 0.5 points allowed", errors(0.01, 0.05, 0.005)),
    ("errors 1% to 2%, none allowed", errors(0.01, 0.02, 0.0)),
    ("errors 1% to 2%, 0.5 points allowed", errors(0.01, 0.02, 0.005)),
    ("errors 0% to 1%, none allowed", errors(0.0, 0.01, 0.0)),
    ("errors 0% to 1%, 0.5 points allowed", errors(0.0, 0.01, 0.005)),
    ("p99 +100%, 10 percent allowed", slower(2.0, 10.0)),
    ("p99 +20%, none allowed", slower(1.2, 0.0)),
    ("p99 +20%, 10 percent allowed", slower(1.2, 10.0)),
];

const fn errors(from: f64, to: f64, allowed: f64) -> What {
    What::Errors { from, to, allowed }
}

const fn slower(times: f64, allowed: f64) -> What {
    What::Slower { times, allowed }
}

/// Who comes: requests in a second, and the share of them that meets the fault.
#[derive(Debug, Clone, Copy)]
struct Traffic {
    per_second: u64,
    share: f64,
}

/// The second in which something was found, by each; infinite if it was not.
#[derive(Debug, Clone, Copy)]
struct Found {
    judge: f64,
    /// One-minute points of the experimental group above what is allowed, three in a row.
    alarm: f64,
    /// One-minute points of both groups, at least five.
    points: f64,
}

const NEVER: Found = Found {
    judge: f64::INFINITY,
    alarm: f64::INFINITY,
    points: f64::INFINITY,
};

/// A run, second by second.
trait World {
    /// Counts a second in which so many requests came to each group.
    fn second(&mut self, requests: [u64; 2], random: &mut Rng);

    /// Whether the judge would say `deviated`.
    fn deviated(&self) -> bool;

    /// The values of both groups in the minute that is over. A new one begins.
    fn minute(&mut self) -> [f64; 2];

    /// Above which value of the experimental group an alarm would be set: it is given the true value of the control group.
    fn threshold(&self) -> f64;
}

fn run(
    mut world: impl World,
    traffic: &Draws,
    per_second: u64,
    longest: usize,
    judges: bool,
    random: &mut Rng,
) -> Found {
    let mut found = Found {
        judge: if judges { f64::INFINITY } else { 0.0 },
        ..NEVER
    };
    let mut requests = [0, 0];
    let mut points = [vec![], vec![]];
    for second in 1..=longest {
        let experimental = traffic.draw(random);
        let come = [per_second - experimental, experimental];
        world.second(come, random);
        requests = [requests[0] + come[0], requests[1] + come[1]];
        let now = second as f64;
        let is_look = second <= OFTEN || second.is_multiple_of(10);
        let judge = is_look && found.judge.is_infinite() && requests.iter().all(|requests| *requests >= FEWEST);
        if judge && world.deviated() {
            found.judge = now;
        }
        if second.is_multiple_of(60) {
            let values = world.minute();
            for (points, value) in points.iter_mut().zip(values) {
                points.push(value);
            }
            if found.alarm.is_infinite() && rings(&points[1], 3, world.threshold()) {
                found.alarm = now;
            }
            if found.points.is_infinite() && points_are_higher(&points[0], &points[1]) {
                found.points = now;
            }
        }
        if [found.judge, found.alarm, found.points]
            .iter()
            .all(|found| found.is_finite())
        {
            break;
        }
    }
    found
}

/// Requests that fail or not.
struct Failing {
    shares: [f64; 2],
    allowed: f64,
    before: (u64, u64),
    /// Hits and requests of both groups.
    all: [(u64, u64); 2],
    minute: [(u64, u64); 2],
}

impl World for Failing {
    fn second(&mut self, requests: [u64; 2], random: &mut Rng) {
        for (group, requests) in requests.into_iter().enumerate() {
            let hits = hits(random, requests, self.shares[group]);
            for counted in [&mut self.all[group], &mut self.minute[group]] {
                *counted = (counted.0 + hits, counted.1 + requests);
            }
        }
    }

    fn deviated(&self) -> bool {
        let [base, other] = self.all;
        if other.0 as f64 / other.1 as f64 - base.0 as f64 / base.1 as f64 <= self.allowed {
            return false;
        }
        let base = Share::unchanged(base.0, base.1, self.before);
        let other = Share::after(other.0, other.1, self.before);
        evidence_against(&base, &other, Change::Difference, self.allowed) >= -ALPHA.ln()
    }

    fn minute(&mut self) -> [f64; 2] {
        std::mem::take(&mut self.minute).map(|(hits, requests)| hits as f64 / requests as f64)
    }

    fn threshold(&self) -> f64 {
        self.shares[0] + self.allowed
    }
}

/// Requests that take a time.
struct Slow<'a> {
    durations: [&'a Durations; 2],
    allowed: f64,
    all: [Sketch; 2],
    minute: [Sketch; 2],
}

const P99: f64 = 0.99;

impl World for Slow<'_> {
    fn second(&mut self, requests: [u64; 2], random: &mut Rng) {
        for (group, requests) in requests.into_iter().enumerate() {
            for _ in 0..requests {
                let ms = self.durations[group].draw(random);
                self.all[group].add(ms);
                self.minute[group].add(ms);
            }
        }
    }

    fn deviated(&self) -> bool {
        let [base, other] = &self.all;
        let seen = [base, other].map(|durations| durations.quantile(P99).unwrap());
        seen[1] > seen[0] * (1.0 + self.allowed / 100.0) && {
            let [base, other] = [base, other].map(|durations| Ranks::new(durations, P99));
            evidence_against_quantiles(&base, &other, Change::Percent, self.allowed) >= -ALPHA.ln()
        }
    }

    fn minute(&mut self) -> [f64; 2] {
        std::mem::take(&mut self.minute).map(|minute| minute.quantile(P99).unwrap_or(f64::NAN))
    }

    fn threshold(&self) -> f64 {
        self.durations[0].percentile(99) * (1.0 + self.allowed / 100.0)
    }
}

/// Runs with an effect, and runs of an hour without, in which the judge is not asked: [`crate::calibration`] does that.
fn found(name: &str, what: What, traffic: Traffic, times: usize) -> [Vec<Found>; 2] {
    let Traffic { per_second, share } = traffic;
    let come = Draws::binomial(per_second, share);
    let fast = Durations::new(Shape::Lognormal, 1.0);
    [true, false].map(|is_there| {
        let longest = if is_there { LONGEST } else { HOUR };
        let name = format!("{name} {per_second} {share} {is_there}");
        match what {
            What::Errors { from, to, allowed } => repeat(&name, times, |random, _| {
                let baseline = BASELINE * per_second;
                let world = Failing {
                    shares: [from, if is_there { to } else { from }],
                    allowed,
                    before: (hits(random, baseline, from), baseline),
                    all: [(0, 0); 2],
                    minute: [(0, 0); 2],
                };
                run(world, &come, per_second, longest, is_there, random)
            }),
            What::Slower { times: factor, allowed } => {
                let slow = Durations::new(Shape::Lognormal, factor);
                let times = if is_there { times / 4 } else { times / 20 };
                repeat(&name, times.max(1), |random, _| {
                    let world = Slow {
                        durations: [&fast, if is_there { &slow } else { &fast }],
                        allowed,
                        all: Default::default(),
                        minute: Default::default(),
                    };
                    run(world, &come, per_second, longest, is_there, random)
                })
            }
        }
    })
}

pub(crate) fn print(times: usize) {
    println!(
        "\nhow long it takes to find an effect, looked at every second, after a baseline of two minutes ({times} runs,"
    );
    println!(
        "a quarter of that for durations). Compared with one-minute points: an alarm on three in a row, and Mann-Whitney"
    );
    println!("over at least five; the share of runs in which these find something in an hour without any effect:");
    for share in [0.5, 0.05] {
        for (name, what) in EFFECTS {
            println!();
            let rows: Vec<_> = [10, 100, 1000]
                .map(|per_second| row(name, what, Traffic { per_second, share }, times))
                .into();
            let name = format!("{name}, {}% of requests", 100.0 * share);
            table(
                &[
                    &name,
                    "judge p50",
                    "p90",
                    "alarm p50",
                    "p90",
                    "false",
                    "5 points p50",
                    "p90",
                    "false",
                ],
                &rows,
            );
        }
    }
}

fn row(name: &str, what: What, traffic: Traffic, times: usize) -> Vec<String> {
    let [there, not_there] = found(name, what, traffic, times);
    let times = |of: fn(&Found) -> f64| sorted(there.iter().map(of).collect());
    let wrong = |of: fn(&Found) -> f64| {
        let wrong = not_there.iter().filter(|found| of(found).is_finite()).count();
        percent(wrong, not_there.len())
    };
    let said = |times: &[f64]| [0.5, 0.9].map(|quantile| seconds(at(times, quantile)));
    let judge = times(|found| found.judge);
    if traffic.per_second == 100 && traffic.share == 0.5 {
        let what = format!("{name}, 100 requests/s, 50/50, found after");
        for (which, quantile) in [("p50", 0.5), ("p90", 0.9)] {
            let what = format!("{what}, {which}");
            let figure = Figure {
                what: what.as_str(),
                measured: at(&judge, quantile),
                unit: "s",
                reach: None,
            };
            if figure.measured.is_finite() {
                figure.write();
            }
        }
    }
    let mut row = vec![format!("{} requests/s", traffic.per_second)];
    row.extend(said(&judge));
    row.extend(said(&times(|found| found.alarm)));
    row.push(wrong(|found| found.alarm));
    row.extend(said(&times(|found| found.points)));
    row.push(wrong(|found| found.points));
    row
}

fn seconds(seconds: f64) -> String {
    if seconds.is_infinite() {
        "> 2 h".to_owned()
    } else if seconds < 120.0 {
        format!("{seconds:.0} s")
    } else {
        format!("{:.1} min", seconds / 60.0)
    }
}

/// Mann-Whitney over a few points, as in canary analysis: at least five on each side, at a level of two percent.
fn points_are_higher(base: &[f64], other: &[f64]) -> bool {
    const FEWEST: usize = 5;
    let enough = base.len() >= FEWEST && other.len() >= FEWEST;
    let likely = RankTest::new(other, base).p_value(Alternative::Greater);
    enough && likely.is_some_and(|likely| likely <= 0.01)
}

/// An alarm: as many of the latest points as are asked for are above a threshold.
fn rings(points: &[f64], asked: usize, threshold: f64) -> bool {
    points.len() >= asked && points.iter().rev().take(asked).all(|point| *point > threshold)
}
