//! Kayenta's published examples: where its rules and ours both apply, they agree.
//!
//! Kayenta calls a canary high when the interval of the shift, at the level of its judge (98 percent) or of its tests (95),
//! lies above a part of the estimate itself (a quarter, or a tenth); low the other way round; and else it passes. Rules of the
//! judge beside that (effect sizes, critical metrics, scores) have nothing to agree with here.
//!
//! Where they differ, on purpose:
//! - What is not established passes there, and is inconclusive here. Identical series pass there however short they are; here
//!   only when they are enough, and as close to each other as is tolerated.
//! - Any difference that is established is high or low there. Here it must be beyond the tolerance of the measure.
//! - A series without points may be taken for zeros and pass there. Here it never upholds.
//! - The interval there is normal, with its ends interpolated between differences that occur. Among many ties that finds
//!   shifts of some hundred-thousandths, and calls them high. Here the shift is 0 then.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod data;

use data::*;
use inoculate_core::experiment::Measure;
use inoculate_core::judge::{Finding, Point, Reason, SeriesWindow, Verdict, judge};
use inoculate_core::layer::Stage;
use inoculate_core::ranks::{Alternative, RankTest};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What Kayenta calls a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Class {
    High,
    Low,
    Pass,
}

/// Kayenta's rule, with the interval of this crate.
fn class(canary: &[f64], baseline: &[f64], confidence: f64, tolerance: f64) -> Class {
    let Some(shift) = RankTest::new(canary, baseline).interval(1.0 - confidence) else {
        return Class::Pass;
    };
    let margin = tolerance * shift.estimate.abs();
    match () {
        () if shift.low > margin => Class::High,
        () if shift.high < -margin => Class::Low,
        () => Class::Pass,
    }
}

/// A name, the canary, the baseline, what Kayenta says, and at which confidence and tolerance.
type Example = (&'static str, &'static [f64], &'static [f64], Class, (f64, f64));

/// "Mann-Whitney ..." in Kayenta's suite. Where it asks for one direction only, for the class in that direction.
const EXAMPLES: [Example; 15] = [
    ("Pass Metric", &PASS, &CONTROL, Class::Pass, TEST),
    ("High Metric", &HIGH, &CONTROL, Class::High, TEST),
    ("Low Metric", &PASS, &HIGH_CONTROL, Class::Low, TEST),
    (
        "CLES Effect Size: High",
        &CLES_HIGH,
        &CLES_HIGH_CONTROL,
        Class::High,
        (0.98, 0.2),
    ),
    (
        "CLES Effect Size: Low",
        &CLES_LOW,
        &CLES_LOW_CONTROL,
        Class::Low,
        (0.98, 0.2),
    ),
    (
        "Mean Ratio Effect Size: High",
        &[20.0, 22.0, 21.0, 25.0, 30.0],
        &[1.0, 2.2, 1.1, 2.5, 3.0],
        Class::High,
        TEST,
    ),
    (
        "Critical Effect Size: Critical Low",
        &[2.0, 2.0, 2.0, 2.0, 3.0],
        &[10.0, 20.2, 10.1, 20.5, 30.0],
        Class::Low,
        TEST,
    ),
    ("Tied Observations", &[1.0; 3], &[1.0; 2], Class::Pass, TEST),
    (
        "Identical Populations",
        &[1.0, 2.0, 3.0, 4.0, 5.0],
        &[5.0, 4.0, 3.0, 2.0, 1.0],
        Class::Pass,
        TEST,
    ),
    (
        "Leading Zero Identical Population",
        &[0.0, 1.0, 1.0, 1.0, 1.0],
        &[1.0; 5],
        Class::Pass,
        TEST,
    ),
    (
        "Majority Tied Observations",
        &[1.0, 1.0, 1.0, 1.0, 10.0],
        &[1.0; 5],
        Class::Pass,
        TEST,
    ),
    ("Tied Ranks", &[10.0; 5], &[1.0; 5], Class::High, TEST),
    ("Tied Ranks With Zeros", &[10.0; 5], &[0.0; 5], Class::High, TEST),
    (
        "Zero Mean: High Metric with Effect Size",
        &[54.9, 54.5, 55.1, 55.6, 57.4],
        &[0.0; 5],
        Class::High,
        TEST,
    ),
    (
        "Zero Mean: Low Metric with Effect Size",
        &[0.0; 5],
        &[54.9, 54.5, 55.1, 55.6, 57.4],
        Class::Low,
        TEST,
    ),
];

/// What Kayenta's tests ask for, and what its judge does.
const TEST: (f64, f64) = (0.95, 0.1);
const JUDGE: (f64, f64) = (0.98, 0.25);

#[test]
fn examples_are_classified_as_published() {
    for (name, canary, baseline, published, (confidence, tolerance)) in EXAMPLES {
        assert_eq!(class(canary, baseline, confidence, tolerance), published, "{name}");
        let (confidence, tolerance) = JUDGE;
        assert_eq!(
            class(canary, baseline, confidence, tolerance),
            published,
            "{name}, as the judge"
        );
    }
}

#[test]
fn the_interval_is_the_published_one() {
    // "returns expected values": no ties, so it is exact there as well (in R, which it came from).
    let shift = RankTest::new(&[10.0, 20.0, 30.0, 40.0], &[1.0, 2.0, 3.0, 4.0])
        .interval(0.05)
        .unwrap();
    assert_eq!((shift.low, shift.estimate, shift.high), (6.0, 22.5, 39.0));
    let p = RankTest::new(&[10.0, 20.0, 30.0, 40.0], &[1.0, 2.0, 3.0, 4.0]).p_value(Alternative::TwoSided);
    assert!((p.unwrap() - 0.028_571_428_571_428_57).abs() < 1e-15);

    // "Tie out with R Version": the ends are interpolated there, to about 0.0001.
    let ties = [
        (
            &R_CANARY[..],
            &R_CONTROL[..],
            0.05,
            (-0.500_002_5, -0.499_939_4, -0.000_034_9),
        ),
        (
            &R_LARGE_CANARY,
            &R_LARGE_CONTROL,
            0.02,
            (-0.499_917_3, -0.000_034_5, -0.000_006_9),
        ),
    ];
    for (canary, control, alpha, published) in ties {
        let shift = RankTest::new(canary, control).interval(alpha).unwrap();
        for (found, published) in [
            (shift.low, published.0),
            (shift.estimate, published.1),
            (shift.high, published.2),
        ] {
            assert!((found - published).abs() < 1e-4, "{shift:?}, published {published:?}");
        }
    }
}

fn measure(tolerance: Value) -> Measure {
    serde_json::from_value(json!({ "name": "m", "tolerance": tolerance })).unwrap()
}

/// The verdict of this judge, as the only look at the only measure: at 97.5 percent.
fn judged(tolerance: Value, canary: &[f64], baseline: &[f64]) -> Finding {
    let points = |values: &[f64]| -> Vec<Point> {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let points = (0..).zip(values);
        points
            .map(|(second, value)| Point {
                at: at(second),
                value: *value,
            })
            .collect()
    };
    let window = |stage, values: &[f64], baseline| SeriesWindow {
        stage,
        expected_points: values.len() as u32,
        baseline,
        measures: 1,
        looks: 1,
        last: true,
    };
    let measure = measure(tolerance);
    let before = judge(&measure, &points(baseline), &window(Stage::Baseline, baseline, None));
    judge(
        &measure,
        &points(canary),
        &window(Stage::Injection, canary, Some(&before)),
    )
}

#[test]
fn what_is_high_deviates_from_a_limit_that_it_is_beyond_and_what_passes_never_does() {
    for (name, canary, baseline, published, _) in EXAMPLES {
        let rise = judged(json!({ "rise_at_most_percent": 10 }), canary, baseline);
        let fall = judged(json!({ "fall_at_most_percent": 5 }), canary, baseline);
        if baseline.iter().sum::<f64>() == 0.0 {
            assert_eq!(
                (rise.reason, fall.reason),
                (Reason::NoBaseline, Reason::NoBaseline),
                "{name}"
            );
            continue;
        }
        assert_eq!(
            rise.verdict == Verdict::Deviated,
            published == Class::High,
            "{name}: {}",
            rise.sentence
        );
        assert_eq!(
            fall.verdict == Verdict::Deviated,
            published == Class::Low,
            "{name}: {}",
            fall.sentence
        );
    }
}

#[test]
fn a_difference_that_is_tolerated_is_high_there_and_upheld_here() {
    assert_eq!(class(&CLES_LOW, &CLES_LOW_CONTROL, 0.98, 0.25), Class::Low);
    let finding = judged(json!({ "fall_at_most_percent": 50 }), &CLES_LOW, &CLES_LOW_CONTROL);
    assert_eq!(finding.verdict, Verdict::Upheld, "{}", finding.sentence);
}

#[test]
fn no_data_is_a_reason_of_its_own() {
    let nothing = judged(json!({ "rise_at_most_percent": 10 }), &[], &[1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!(
        (nothing.verdict, nothing.reason),
        (Verdict::Inconclusive, Reason::NoData)
    );
    let no_baseline = judged(json!({ "rise_at_most_percent": 10 }), &[1.0, 2.0, 3.0, 4.0, 5.0], &[]);
    assert_eq!(
        (no_baseline.verdict, no_baseline.reason),
        (Verdict::Inconclusive, Reason::NoBaseline)
    );
}

#[test]
fn identical_series_pass_once_they_are_enough() {
    let tolerance = || json!({ "rise_at_most_percent": 10 });
    let few = judged(tolerance(), &[1.0; 3], &[1.0; 4]);
    assert_eq!((few.verdict, few.reason), (Verdict::Inconclusive, Reason::TooFewPoints));
    assert_eq!(judged(tolerance(), &[1.0; 5], &[1.0; 5]).verdict, Verdict::Upheld);
    // Five points that differ by more than is tolerated say nothing, although the five before were the same.
    let spread = [1.0, 2.0, 3.0, 4.0, 5.0];
    assert_eq!(judged(tolerance(), &spread, &spread).reason, Reason::Uncertain);
}

#[test]
fn shifts_that_are_artefacts_of_ties_are_no_shifts() {
    // As in "High Metric (Large Input)": mostly zeros, and of the others more in the canary. Kayenta says high, for an interval
    // from 0.000035 to 0.000020. That values tend to be higher is true; by how much, as a shift, is 0.
    let series = |others: usize| [vec![0.0; 200 - others], vec![1.5; others]].concat();
    let test = RankTest::new(&series(60), &series(20));
    assert!(test.p_value(Alternative::Greater).unwrap() < 1e-5);
    let shift = test.interval(0.02).unwrap();
    assert_eq!((shift.low, shift.estimate, shift.high), (0.0, 0.0, 0.0));
}
