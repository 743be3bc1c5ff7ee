//! How long it takes to judge what thousands of environments wrote, and how much memory.

use std::hint::black_box;
use std::time::Instant;

use fastrand::Rng;
use inoculate_core::experiment::Measure;
use inoculate_core::groups::{Group, KeyKind};
use inoculate_core::judge::{Finding, GroupWindow, judge_groups};
use inoculate_core::layer::Stage;
use inoculate_core::seen::{SketchRecord, Written};
use inoculate_core::sketch::{Observation, Seen};
use jiff::SignedDuration;
use serde_json::{Value, json};
use statrs::distribution::{ContinuousCDF, Normal};

use inoculate_figures::{Figure, at, sorted};

const ENVIRONMENTS: usize = 5_000;

/// How many requests each of them saw.
const REQUESTS: usize = 200;

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:123456789012:function:checkout";

/// Measures whose limits are just where no number of requests tells: with the search for how many would, they take longest.
fn measures() -> Vec<Measure> {
    let measure = |(statistic, tolerance): (&str, Value)| {
        let layer = json!({ "function": "checkout", "statistic": statistic });
        let name = statistic.replace('_', "-");
        serde_json::from_value(json!({ "name": name, "layer": layer, "tolerance": tolerance })).unwrap()
    };
    let measures = [
        ("error_rate", json!({ "above_control_at_most": 0 })),
        ("http_5xx_rate", json!({ "above_control_at_most_percent": 0 })),
        ("timeout_rate", json!({ "at_most": 5, "above_control_at_most": 0 })),
        ("requests_per_second", json!({ "at_least": 1 })),
        ("p50", json!({ "above_control_at_most_percent": 0 })),
        ("p75", json!({ "above_control_at_most_percent": 0 })),
        ("p90", json!({ "above_control_at_most_percent": 0 })),
        ("p95", json!({ "above_control_at_most_percent": 0 })),
        ("p98", json!({ "above_control_at_most": 0 })),
        ("p99", json!({ "above_control_at_most": 0, "at_most": 500 })),
    ];
    measures.map(measure).into()
}

/// What the environments wrote: half of the requests with a fault that does nothing, one in a hundred fails, and durations of
/// which a hundredth is longer than 160 ms.
fn written() -> Written {
    let mut random = Rng::with_seed(1);
    let durations: Vec<f64> = (0..4096)
        .map(|number| 50.0 * (0.5 * Normal::standard().inverse_cdf((f64::from(number) + 0.5) / 4096.0)).exp())
        .collect();
    let sketches = (0..ENVIRONMENTS).map(|number| {
        let mut seen = Seen::default();
        for _ in 0..REQUESTS {
            let group = [Group::Control, Group::Experimental][usize::from(random.bool())];
            let observation = Observation {
                key: KeyKind::Field,
                error: random.u8(..) < 3,
                http_5xx: random.u8(..) < 3,
                timeout: random.u8(..) < 3,
                injected: group == Group::Experimental,
                duration_ms: durations[random.usize(..durations.len())],
            };
            seen.add(group, &observation);
        }
        SketchRecord {
            function_arn: FUNCTION.to_owned(),
            environment: number.to_string(),
            stage: Stage::Injection,
            seen,
            lost_writes: 0,
            since_ms: Some(1_700_000_000_000),
        }
    });
    Written {
        sketches: sketches.collect(),
        problems: vec![],
    }
}

/// Everything that is done with what was written: added up once, judged for each measure.
fn judged(written: &Written, measures: &[Measure], after_adding: impl FnOnce()) -> Vec<Finding> {
    let seen = written.of(FUNCTION).seen;
    after_adding();
    let judge = |measure: &Measure| {
        let window = GroupWindow {
            stage: Stage::Injection,
            seen: &seen,
            lasted: SignedDuration::from_secs(600),
            lag: SignedDuration::from_secs(5),
            measures: measures.len(),
            percent: 50.0,
            baseline: None,
        };
        judge_groups(measure, measure.layer.as_ref().unwrap(), &window)
    };
    measures.iter().map(judge).collect()
}

/// Comes first: the memory is that of the whole process.
pub(crate) fn print() {
    let (written, measures) = (written(), measures());
    let (mut adding, mut all) = (vec![], vec![]);
    for _ in 0..100 {
        let start = Instant::now();
        let findings = judged(&written, &measures, || adding.push(start.elapsed().as_secs_f64() * 1e3));
        all.push(start.elapsed().as_secs_f64() * 1e3);
        black_box(findings);
    }
    let (adding, all) = (sorted(adding), sorted(all));
    println!("{ENVIRONMENTS} environments with {REQUESTS} requests each, 10 measures, 100 times:");
    let print = |what: &str, measured, unit, reach| {
        Figure {
            what,
            measured,
            unit,
            reach,
        }
        .print();
    };
    print("adding up 5,000 environments, p50", at(&adding, 0.5), "ms", None);
    print(
        "adding up and judging 10 measures, p50",
        at(&all, 0.5),
        "ms",
        Some(100.0),
    );
    print(
        "adding up and judging 10 measures, p99",
        at(&all, 0.99),
        "ms",
        Some(100.0),
    );
    if let Some(peak) = peak_memory() {
        print("most memory, with what was written", peak, "MB", Some(256.0));
    }
}

/// The most memory that the process had so far, in MB.
fn peak_memory() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}
