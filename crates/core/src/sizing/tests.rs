//! The numbers of requests, held against runs with random requests. Fixed seeds.

use serde_json::{Value, json};

use super::chance::Random;
use super::*;
use crate::judge::{GroupWindow, Verdict, compared, verdicts};
use crate::layer::Stage;
use crate::sketch::{Counts, Seen};
use jiff::SignedDuration;

fn experiment(percent: f64, statistic: &str, tolerance: &Value) -> Experiment {
    let value = json!({
        "name": "e", "hypothesis": "h",
        "blast_radius": { "functions": ["payments"], "percent": percent, "longest": "5m" },
        "windows": { "baseline": "1m", "recovery": "1m" },
        "faults": [{ "kind": "latency", "function": "payments", "delay": "1s" }],
        "steady_state": [{ "name": "m", "layer": { "function": "payments", "statistic": statistic }, "tolerance": tolerance }],
    });
    serde_json::from_value(value).unwrap()
}

fn traffic(per_second: f64, error_percent: f64) -> Traffic {
    Traffic {
        function: "payments".parse().unwrap(),
        source: Source::CloudWatch,
        requests: (per_second * 10_800.0) as u64,
        per_second,
        busiest_per_second: per_second,
        is_continuous: true,
        error_percent: Some(error_percent),
        http_5xx_percent: None,
        timeout_percent: None,
        p50_ms: Some(100.0),
        p99_ms: Some(400.0),
    }
}

/// What is true in a simulation: the share of requests that fail, or the median and the 99th percentile of their durations.
#[derive(Debug, Clone, Copy)]
enum World {
    Fails(f64),
    Takes(f64, f64),
}

impl World {
    fn request(self, random: &mut Random, counts: &mut Counts) {
        counts.requests += 1;
        match self {
            World::Fails(share) => counts.errors += u64::from(random.next() < share),
            World::Takes(p50, p99) => {
                // Box and Muller.
                let normal = (-2.0 * (1.0 - random.next()).ln()).sqrt() * (std::f64::consts::TAU * random.next()).cos();
                counts
                    .durations
                    .add(p50 * ((p99 / p50).ln() / 2.326_347_874 * normal).exp());
            }
        }
    }
}

const RUNS: u64 = 200;

/// In how many of [`RUNS`] runs of so many requests the judge says this, when this is true before and with the fault.
fn said(experiment: &Experiment, all: u64, verdict: Verdict, before: World, with: World) -> u64 {
    let measure = &experiment.steady_state[0];
    let layer = measure.layer.as_ref().unwrap();
    let percent = experiment.blast_radius.percent;
    let told = (0..RUNS).filter(|run| {
        let mut random = Random::new(1_000_000 + run * 7_919 + all);
        let window = |seen, stage, baseline| GroupWindow {
            stage,
            seen,
            lasted: SignedDuration::from_secs(i64::try_from(all / 10).unwrap()),
            lag: SignedDuration::from_secs(6),
            measures: 1,
            percent,
            baseline,
        };
        let mut seen = Seen::default();
        (0..600).for_each(|_| before.request(&mut random, &mut seen.control));
        let baseline = compared(measure, layer, &window(&seen, Stage::Baseline, None));
        let mut seen = Seen::default();
        for _ in 0..all {
            if random.next() * 100.0 < percent {
                with.request(&mut random, &mut seen.experimental);
            } else {
                before.request(&mut random, &mut seen.control);
            }
        }
        verdicts(measure, layer, &window(&seen, Stage::Injection, Some(&baseline))).0 == verdict
    });
    told.count() as u64
}

/// The truths as [`Sizing`] reckons with them, and the simulation: with the number of requests that it says the judge tells
/// in four runs of five, up to what 200 runs can show, and with a quarter of it in far fewer.
fn holds(percent: f64, statistic: &str, tolerance: &Value, before: World, beyond: World) {
    let experiment = experiment(percent, statistic, tolerance);
    let mut known = traffic(10.0, 0.0);
    match before {
        World::Fails(share) => known.error_percent = Some(100.0 * share),
        World::Takes(p50, p99) => (known.p50_ms, known.p99_ms) = (Some(p50), Some(p99)),
    }
    let sizing = Sizing::of(&experiment, &[known]);
    let limit = &sizing.measures[0].limits[0];
    for (need, verdict, with) in [
        (&limit.upheld, Verdict::Upheld, before),
        (&limit.deviated, Verdict::Deviated, beyond),
    ] {
        let case = format!("{percent} {statistic} {tolerance} {verdict}: {need:?}");
        let Need::With { requests, .. } = need else {
            panic!("{case}")
        };
        let told = said(&experiment, requests.all, verdict, before, with);
        let with_a_quarter = said(&experiment, requests.all / 4, verdict, before, with);
        assert!(told * 100 >= 75 * RUNS, "{case}: {told} of {RUNS}");
        assert!(
            (told - with_a_quarter) * 100 >= 20 * RUNS,
            "{case}: {told}, and {with_a_quarter} with a quarter"
        );
    }
}

#[test]
fn four_runs_in_five_tell_the_shares() {
    let control = |limit| json!({ "above_control_at_most": limit });
    let percent = json!({ "above_control_at_most_percent": 100 });
    let rise = json!({ "rise_at_most_percent": 300 });
    let fails = World::Fails;
    holds(50.0, "error_rate", &control(5), fails(0.01), fails(0.11));
    holds(50.0, "error_rate", &control(3), fails(0.0), fails(0.06));
    holds(10.0, "error_rate", &control(5), fails(0.02), fails(0.12));
    holds(50.0, "error_rate", &percent, fails(0.05), fails(0.15));
    holds(20.0, "error_rate", &json!({ "at_most": 5 }), fails(0.01), fails(0.09));
    holds(50.0, "error_rate", &rise, fails(0.1), fails(0.7));
}

#[test]
fn four_runs_in_five_tell_the_percentiles() {
    let before = World::Takes(100.0, 400.0);
    let longer = |factor: f64| World::Takes(100.0 * factor, 400.0 * factor);
    let control = json!({ "above_control_at_most": 200 });
    let percent = json!({ "above_control_at_most_percent": 50 });
    // The 99th percentile is 400, so twice a margin of 200 above it is twice as long.
    holds(50.0, "p99", &control, before, longer(2.0));
    holds(10.0, "p90", &percent, before, longer(2.0));
    holds(50.0, "p99", &json!({ "at_most": 600 }), before, longer(2.0));
    holds(50.0, "p50", &json!({ "rise_at_most_percent": 50 }), before, longer(2.0));
}
