//! How often the judge is wrong, in small and with fixed seeds. `cargo xtask bench judge` has it at full size, with the same
//! code.
//!
//! Each case would be allowed as many false alarms as one in a hundred judges would have whose chance of them is just
//! [`ALPHA`].

#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

#[path = "../benches/judge/calibration.rs"]
mod calibration;
#[path = "../benches/judge/coverage.rs"]
mod coverage;
#[path = "../benches/judge/rivals.rs"]
mod rivals;
#[path = "../benches/judge/simulate.rs"]
mod simulate;

use calibration::{Errors, Found, at_least, durations};
use coverage::Kind;
use inoculate_core::judge::ALPHA;
use simulate::Shape;

fn must_be_calibrated(found: &Found) {
    let runs = found.runs.len();
    let (deviated, missed) = (found.count(|run| run.deviated), found.count(|run| run.missed));
    assert!(
        at_least(deviated.max(missed), runs, ALPHA) > 0.01,
        "{}: deviated in {deviated}, missed the truth in {missed} of {runs} runs",
        found.name
    );
}

/// In how many of the runs of all cases the usual test finds something that is not there.
fn must_be_many(found: &[Found]) {
    let said: Vec<_> = found.iter().flat_map(Found::rivals).collect();
    let (ever, at_end) = (
        said.iter().filter(|rival| rival.ever).count(),
        said.iter().filter(|rival| rival.at_end).count(),
    );
    // So these cases can find a test that may not be looked at all the time.
    assert!(at_least(ever, said.len(), ALPHA) < 1e-6, "{ever} of {}", said.len());
    assert!(at_least(at_end, said.len(), ALPHA) > 0.01, "{at_end} of {}", said.len());
}

#[test]
fn errors_that_are_as_allowed_seldom_deviate_at_any_look() {
    let found: Vec<Found> = Errors::ALL.iter().map(|case| case.run(200, 150)).collect();
    found.iter().for_each(must_be_calibrated);
    must_be_many(&found);
}

#[test]
fn durations_without_a_difference_seldom_deviate_at_any_look() {
    let cases = Shape::ALL.into_iter().flat_map(|shape| [(shape, 10), (shape, 1)]);
    let found: Vec<Found> = cases.flat_map(|(shape, few)| durations(shape, few, 100, 80)).collect();
    found.iter().for_each(must_be_calibrated);
}

#[test]
fn every_kind_of_interval_seldom_misses_the_truth_at_any_look() {
    for kind in Kind::ALL {
        let missed = kind.missed(200, 20, 2.0 * ALPHA);
        assert!(
            at_least(missed, 200, 2.0 * ALPHA) > 0.01,
            "{}: missed in {missed} of 200 runs",
            kind.name
        );
    }
}
