//! What the judge's evidence is worth, and what it costs: `cargo bench -p inoculate-core --bench judge`.
//!
//! It prints times and asserts none. It fails when there are clearly more false alarms, or intervals that miss the truth, than
//! `alpha` allows: so many that chance would have it in one case of ten thousand. What is simulated is the same every time.
//!
//! It has the parts `speed`, `calibration`, `coverage` and `power`; those named as arguments, or all.
//!
//! `INOCULATE_BENCH_REPETITIONS` is the number of runs of each case of the calibration, 10,000 by default; the other parts have
//! fewer in proportion.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may stop, and prints"
)]

mod calibration;
mod coverage;
mod power;
mod print;
mod rivals;
mod simulate;
mod speed;

use std::process::ExitCode;

use inoculate_core::judge::ALPHA;
use inoculate_figures::{Figure, setting};

use calibration::{Errors, Found, at_least, durations};
use coverage::Kind;
use print::{percent, table};
use simulate::Shape;

/// How often a run is looked at.
const LOOKS: usize = 1_000;

fn main() -> ExitCode {
    let asked: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with('-')).collect();
    let is_asked = |part: &str| asked.is_empty() || asked.iter().any(|one| one == part);
    // First, as it also looks at the memory.
    if is_asked("speed") {
        speed::print();
    }
    let times = setting("INOCULATE_BENCH_REPETITIONS", 10_000);
    let is_calibrated = !is_asked("calibration") || calibrated(times);
    let is_covered = !is_asked("coverage") || covered(times / 5);
    if is_asked("power") {
        power::print(times / 10);
    }
    if is_calibrated && is_covered {
        ExitCode::SUCCESS
    } else {
        println!("\nThere are more false alarms than {}% allows.", 100.0 * ALPHA);
        ExitCode::FAILURE
    }
}

/// Whether no case has clearly more false alarms than it may.
fn calibrated(times: usize) -> bool {
    println!(
        "\nnothing that the tolerance forbids is there, {times} runs with {LOOKS} looks each; in how many of them the judge"
    );
    println!(
        "says `deviated`, or its interval ever misses the truth on any side; and in how many the usual test does, if it is"
    );
    println!(
        "looked at every time, or once at the end (two-sided at 5%, of which only rises count; of two or one proportions"
    );
    println!("for errors, Mann-Whitney over all requests for durations, in every fifth run):\n");
    let errors: Vec<Found> = Errors::ALL.iter().map(|case| case.run(times, LOOKS)).collect();
    show(&errors, "errors");
    let shapes = Shape::ALL.into_iter();
    let found: Vec<Found> = shapes
        .flat_map(|shape| [10, 1].map(|experimental| durations(shape, experimental, times, LOOKS)))
        .flatten()
        .collect();
    println!();
    show(&found, "durations");
    let exceeds = |found: &Found| {
        let (deviated, missed) = (found.count(|run| run.deviated), found.count(|run| run.missed));
        is_too_much(deviated.max(missed), found.runs.len())
    };
    !errors.iter().chain(&found).any(exceeds)
}

/// Whether so many of all are clearly more than [`ALPHA`] allows.
fn is_too_much(count: usize, of: usize) -> bool {
    at_least(count, of, ALPHA) < 1e-4
}

fn show(all: &[Found], of: &str) {
    let is_errors = of == "errors";
    let part = |count: usize, found: &Found| percent(count, found.runs.len());
    let rows: Vec<_> = all
        .iter()
        .map(|found| {
            let rivals = found.rivals();
            let said = |count: usize| (!rivals.is_empty()).then(|| percent(count, rivals.len()));
            let missed = part(found.count(|run| run.missed), found);
            vec![
                found.name.clone(),
                format!("{}%", 100.0 * ALPHA),
                part(found.count(|run| run.deviated), found),
                if is_errors { missed } else { String::new() },
                said(rivals.iter().filter(|rival| rival.ever).count()).unwrap_or_default(),
                said(rivals.iter().filter(|rival| rival.at_end).count()).unwrap_or_default(),
            ]
        })
        .collect();
    table(&[of, "at most", "deviated", "missed", "usual test", "once"], &rows);
    let worst = |parts: Vec<f64>| parts.into_iter().fold(0.0, f64::max);
    let judge = all
        .iter()
        .map(|found| found.count(|run| run.deviated) as f64 / found.runs.len() as f64);
    let rival = all.iter().map(|found| {
        let rivals = found.rivals();
        rivals.iter().filter(|rival| rival.ever).count() as f64 / rivals.len().max(1) as f64
    });
    for (what, part, reach) in [
        (
            "false `deviated` in 1,000 looks, worst case of",
            worst(judge.collect()),
            Some(100.0 * ALPHA),
        ),
        (
            "the same with the usual test at every look,",
            worst(rival.collect()),
            None,
        ),
    ] {
        let what = format!("{what} {of}");
        let figure = Figure {
            what: what.as_str(),
            measured: 100.0 * part,
            unit: "%",
            reach,
        };
        figure.write();
    }
}

/// Whether no kind of interval clearly misses the truth more often than it may.
fn covered(times: usize) -> bool {
    const LOOKS: usize = 60;
    println!(
        "\nin how many of {times} runs an interval ever misses the truth, in {LOOKS} looks from 50 to 10,000 requests:\n"
    );
    let missed: Vec<usize> = Kind::ALL.iter().map(|kind| kind.missed(times, LOOKS, ALPHA)).collect();
    let rows: Vec<_> = Kind::ALL
        .iter()
        .zip(&missed)
        .map(|(kind, missed)| {
            vec![
                kind.name.to_owned(),
                format!("{}%", 100.0 * ALPHA),
                percent(*missed, times),
            ]
        })
        .collect();
    table(&["interval", "at most", "missed"], &rows);
    let worst = missed.iter().max().copied().unwrap_or(0);
    let figure = Figure {
        what: "intervals that ever miss the truth in 60 looks, worst kind",
        measured: 100.0 * worst as f64 / times.max(1) as f64,
        unit: "%",
        reach: Some(100.0 * ALPHA),
    };
    figure.write();
    !missed.iter().any(|missed| is_too_much(*missed, times))
}
