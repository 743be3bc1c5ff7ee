//! The judge, point by point: what it says of which points, and what must be true of whatever it is given. How a series is
//! compared with its baseline while the faults are there is in `judging_series.rs`.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use inoculate_core::experiment::Measure;
use inoculate_core::judge::{Finding, Point, Reason, SeriesWindow, Verdict, Window, judge, overall, rounded};
use inoculate_core::layer::Stage;
use inoculate_core::span::Span;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn measure(tolerance: Value) -> Measure {
    serde_json::from_value(json!({ "name": "failures", "unit": "percent", "tolerance": tolerance })).unwrap()
}

fn points(values: &[f64]) -> Vec<Point> {
    let at = |index: usize| Timestamp::from_second(60 * index as i64).unwrap();
    values
        .iter()
        .enumerate()
        .map(|(index, value)| Point {
            at: at(index),
            value: *value,
        })
        .collect()
}

/// Judged after the faults, where limits that relate to the baseline are limits for points as well.
fn judged(tolerance: Value, baseline: Option<f64>, values: &[f64], expected: u32) -> Finding {
    let mut before = judge(&measure(json!({ "at_most": 1 })), &[], &window(Stage::Baseline, 0));
    before.median = baseline;
    let window = SeriesWindow {
        baseline: Some(&before),
        ..window(Stage::Recovery, expected)
    };
    judge(&measure(tolerance), &points(values), &window)
}

fn window(stage: Stage, expected_points: u32) -> SeriesWindow<'static> {
    SeriesWindow {
        stage,
        expected_points,
        baseline: None,
        measures: 1,
        looks: 1,
        last: false,
    }
}

/// A name, the tolerance, the median of the baseline, the points, and how many there should be.
type Case = (&'static str, Value, Option<f64>, Vec<f64>, u32);

#[test]
fn what_is_said() {
    let most = || json!({ "at_most": 1 });
    let rise = || json!({ "rise_at_most_percent": 50 });
    let nan = f64::NAN;
    let table: Vec<Case> = vec![
        ("all inside", most(), None, vec![0.0, 0.5, 1.0], 3),
        ("on the limit is inside", most(), None, vec![1.0; 3], 3),
        ("all outside", most(), None, vec![80.0, 90.0, 100.0], 3),
        ("more than half outside", most(), None, vec![0.0, 50.0, 60.0], 3),
        ("just half outside", most(), None, vec![0.0, 0.0, 50.0, 60.0], 4),
        ("one outside", most(), None, vec![0.0, 0.0, 0.0, 1.01], 4),
        ("no points", most(), None, vec![], 6),
        (
            "nothing but what is not a number",
            most(),
            None,
            vec![nan, f64::INFINITY, nan],
            3,
        ),
        ("too few points", most(), None, vec![0.0, 0.0], 2),
        (
            "too few once what is not a number is left out",
            most(),
            None,
            vec![0.0, 0.0, nan],
            3,
        ),
        ("more than half missing", most(), None, vec![0.0; 3], 7),
        ("just half missing", most(), None, vec![0.0; 3], 6),
        ("too low", json!({ "at_least": 10 }), None, vec![3.0, 4.0, 5.0], 3),
        (
            "between",
            json!({ "at_least": 10, "at_most": 20 }),
            None,
            vec![12.0, 13.0, 14.0],
            3,
        ),
        ("risen within", rise(), Some(100.0), vec![140.0, 150.0, 110.0], 3),
        ("risen beyond", rise(), Some(100.0), vec![151.0, 152.0, 153.0], 3),
        (
            "fallen beyond",
            json!({ "fall_at_most_percent": 10 }),
            Some(100.0),
            vec![80.0; 3],
            3,
        ),
        ("relative, and no baseline", rise(), None, vec![1.0; 3], 3),
        ("relative to nothing", rise(), Some(0.0), vec![0.0; 3], 3),
        ("relative to less than nothing", rise(), Some(-5.0), vec![-5.0; 3], 3),
        (
            "the stricter of two limits counts",
            json!({ "at_most": 120, "rise_at_most_percent": 50 }),
            Some(100.0),
            vec![130.0; 3],
            3,
        ),
    ];
    let mut said = String::new();
    for (name, tolerance, baseline, values, expected) in table {
        let finding = judged(tolerance, baseline, &values, expected);
        said += &format!(
            "{name}: {} ({:?})\n    {}\n",
            finding.verdict, finding.reason, finding.sentence
        );
    }
    insta::assert_snapshot!(said);
}

#[test]
fn the_whole_is_as_good_as_its_worst_measure() {
    let of = |value: f64| judged(json!({ "at_most": 1 }), None, &[value; 3], 3);
    let (upheld, deviated, inconclusive) = (of(0.0), of(2.0), of(f64::NAN));
    for (findings, verdict) in [
        (vec![], Verdict::Inconclusive),
        (vec![&upheld], Verdict::Upheld),
        (vec![&upheld, &upheld], Verdict::Upheld),
        (vec![&upheld, &inconclusive], Verdict::Inconclusive),
        (vec![&inconclusive, &deviated, &upheld], Verdict::Deviated),
    ] {
        assert_eq!(overall(findings.iter().copied()), verdict);
    }
}

#[test]
fn the_median_is_the_middle_or_between_the_two_in_the_middle() {
    for (values, median) in [
        (vec![3.0, 1.0, 2.0], 2.0),
        (vec![4.0, 1.0, 3.0, 2.0], 2.5),
        (vec![7.0; 5], 7.0),
    ] {
        assert_eq!(
            judged(json!({ "at_most": 9 }), None, &values, 3).median,
            Some(median),
            "{values:?}"
        );
    }
    let huge = judged(json!({ "at_most": 9 }), None, &[f64::MAX; 4], 4);
    assert_eq!(huge.median, Some(f64::MAX), "the mean of two must not overflow");
}

#[test]
fn an_hour_of_calm_does_not_hide_the_outage_after_it() {
    let calm_then_outage = |outage: usize| [vec![0.0; 60], vec![9.0; outage]].concat();
    for (outage, reason) in [
        (0, Reason::Within),
        (2, Reason::Mixed),
        (3, Reason::Sustained),
        (61, Reason::Beyond),
    ] {
        let values = calm_then_outage(outage);
        let finding = judged(json!({ "at_most": 1 }), None, &values, values.len() as u32);
        assert_eq!(finding.reason, reason, "{outage}: {finding:?}");
    }
    let scattered = [[9.0, 9.0, 0.0]; 5].concat();
    assert_eq!(
        judged(json!({ "at_most": 1 }), None, &scattered, 15).reason,
        Reason::Beyond
    );
    let flicker = [[9.0, 0.0, 0.0]; 5].concat();
    assert_eq!(
        judged(json!({ "at_most": 1 }), None, &flicker, 15).reason,
        Reason::Mixed
    );
}

#[test]
fn harm_is_harm_also_when_points_are_missing() {
    let finding = judged(json!({ "at_most": 1 }), None, &[9.0, f64::NAN, 9.0, 9.0], 100);
    assert_eq!((finding.verdict, finding.reason), (Verdict::Deviated, Reason::Beyond));
}

#[test]
fn in_the_baseline_a_series_relates_to_its_own_median_and_its_points_are_kept() {
    let judged = |tolerance: Value, values: &[f64]| {
        let window = window(Stage::Baseline, values.len() as u32);
        judge(&measure(tolerance), &points(values), &window)
    };
    let rise = || json!({ "rise_at_most_percent": 10 });
    let steady = judged(rise(), &[100.0, f64::NAN, 109.0, 50.0]);
    assert_eq!((steady.verdict, steady.median), (Verdict::Upheld, Some(100.0)));
    assert_eq!(steady.values, [100.0, 109.0, 50.0], "in the order of time");
    let moving = judged(rise(), &[100.0, 120.0, 90.0]);
    assert_eq!((moving.verdict, moving.reason), (Verdict::Inconclusive, Reason::Mixed));

    let long: Vec<f64> = (0..1_500).map(f64::from).collect();
    assert_eq!(judged(rise(), &long).values, long[500..], "the newest are kept");
    let unrelated = judged(json!({ "at_most": 9000 }), &long);
    assert!(unrelated.values.is_empty(), "nothing is compared with them");
}

#[test]
fn numbers_for_people() {
    for (value, text) in [
        (0.0, "0"),
        (-0.0, "0"),
        (-1e-9, "0"),
        (1.0, "1"),
        (0.5, "0.5"),
        (33.333333, "33.33"),
        (100.0, "100"),
        (1500.0, "1500"),
        (1234.567, "1235"),
        (123_456.7, "123457"),
        (0.012_345, "0.01235"),
        (-2.5, "-2.5"),
    ] {
        assert_eq!(rounded(value), text, "{value:?}");
    }
}

#[test]
fn windows_are_cut_to_whole_periods() {
    let time = |second: i64, nanosecond| Timestamp::new(second, nanosecond).unwrap();
    for (from, until, period, expected) in [
        ((0, 0), (60, 0), 60, Some((0, 60))),
        ((1, 0), (120, 0), 60, Some((60, 120))),
        ((0, 1), (120, 0), 60, Some((60, 120))),
        ((0, 0), (119, 999_999_999), 60, Some((0, 60))),
        ((59, 999_999_999), (61, 0), 60, None),
        ((1, 0), (119, 0), 60, None),
        ((3, 0), (33, 0), 5, Some((5, 30))),
        ((10, 0), (10, 0), 5, None),
        ((20, 0), (10, 0), 5, None),
    ] {
        let window = Window {
            from: time(from.0, from.1),
            until: time(until.0, until.1),
        };
        let whole = window.whole_periods(Span::from_secs(period));
        match expected {
            Some((from, until)) => assert_eq!((whole.from, whole.until), (time(from, 0), time(until, 0)), "{window:?}"),
            None => assert!(whole.is_empty(), "{window:?} gave {whole:?}"),
        }
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![4 => -10.0..10.0f64, 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

fn any_tolerance() -> impl Strategy<Value = Value> {
    let limit = || prop::option::of(-20.0..20.0f64);
    let percent = || prop::option::of(0.0..200.0f64);
    (limit(), limit(), percent(), percent()).prop_map(|(most, least, rise, fall)| {
        json!({ "at_most": most, "at_least": least, "rise_at_most_percent": rise, "fall_at_most_percent": fall })
    })
}

fn any_baseline() -> impl Strategy<Value = Option<f64>> {
    prop::option::of(any_value())
}

proptest! {
    #[test]
    fn whatever_the_points_a_finding_is_consistent(
        tolerance in any_tolerance(),
        baseline in any_baseline(),
        values in prop::collection::vec(any_value(), 0..30),
        expected in any::<u32>(),
    ) {
        let finite = values.iter().filter(|value| value.is_finite()).count() as u32;
        let finding = judged(tolerance, baseline, &values, expected);
        prop_assert_eq!(finding.points, finite, "what is not finite is missing");
        prop_assert!(finding.outside <= finding.points);
        prop_assert_eq!(finding.verdict == Verdict::Upheld, finding.reason == Reason::Within);
        let deviated = matches!(finding.reason, Reason::Beyond | Reason::Sustained);
        prop_assert_eq!(finding.verdict == Verdict::Deviated, deviated);
        prop_assert!(finding.verdict != Verdict::Upheld || finding.outside == 0);
        prop_assert!(finding.verdict != Verdict::Upheld || u64::from(finite) * 2 >= u64::from(expected), "upheld on missing data");
        prop_assert!(finding.verdict == Verdict::Inconclusive || finite >= 3, "a verdict on too few points");
        prop_assert!(!finding.sentence.is_empty() && !finding.sentence.contains("NaN"));
        prop_assert!(finding.lowest <= finding.median && finding.median <= finding.highest);
        let stored = serde_json::to_value(&finding).unwrap();
        prop_assert_eq!(serde_json::from_value::<Finding>(stored).unwrap().verdict, finding.verdict);
    }

    #[test]
    fn points_that_are_all_inside_uphold(most in -10.0..10.0f64, depths in prop::collection::vec(0.0..5.0f64, 3..20)) {
        let values: Vec<f64> = depths.iter().map(|depth| most - depth).collect();
        let finding = judged(json!({ "at_most": most }), None, &values, values.len() as u32);
        prop_assert_eq!(finding.verdict, Verdict::Upheld);
    }

    #[test]
    fn a_point_that_goes_outside_never_improves_the_verdict(
        values in prop::collection::vec(0.0..10.0f64, 1..20),
        expected in 0u32..30,
        moved in any::<prop::sample::Index>(),
    ) {
        let tolerance = || json!({ "at_most": 5, "rise_at_most_percent": 20 });
        let before = judged(tolerance(), Some(4.0), &values, expected);
        let mut worse = values.clone();
        let index = moved.index(worse.len());
        worse[index] = 100.0;
        let after = judged(tolerance(), Some(4.0), &worse, expected);
        prop_assert!(after.verdict >= before.verdict, "{before:?} became {after:?}");
    }

    #[test]
    fn points_that_go_missing_never_uphold_what_was_not(
        values in prop::collection::vec(0.0..10.0f64, 3..20),
        keep in 0usize..20,
    ) {
        let expected = values.len() as u32;
        let all_missing_but = judged(json!({ "at_most": 5 }), None, &values[..keep.min(values.len())], expected);
        if all_missing_but.verdict == Verdict::Upheld {
            prop_assert!(keep * 2 >= values.len());
        }
    }

    #[test]
    fn a_relative_tolerance_needs_a_baseline_above_zero(
        baseline in any_baseline(),
        percent in 0.0..100.0f64,
        falls in any::<bool>(),
        value in -10.0..10.0f64,
    ) {
        let tolerance = if falls { json!({ "fall_at_most_percent": percent }) } else { json!({ "rise_at_most_percent": percent }) };
        let finding = judged(tolerance, baseline, &[value; 4], 4);
        let usable = baseline.is_some_and(|median| median.is_finite() && median > 0.0);
        prop_assert_eq!(finding.reason == Reason::NoBaseline, !usable, "{:?}", finding);
        prop_assert!(usable || finding.verdict == Verdict::Inconclusive);
    }

    #[test]
    fn the_order_in_which_points_come_does_not_matter(
        stage in prop::sample::select(vec![Stage::Baseline, Stage::Injection, Stage::Recovery]),
        shuffled in prop::collection::vec(any_value(), 0..20).prop_flat_map(|values| Just(points(&values)).prop_shuffle()),
        tolerance in any_tolerance(),
    ) {
        let mut sorted = shuffled.clone();
        sorted.sort_by_key(|point| point.at);
        let measure = measure(tolerance);
        let before = judge(&measure, &points(&[1.0, 2.0, 3.0, 2.0, 1.0]), &window(Stage::Baseline, 5));
        let window = SeriesWindow { baseline: Some(&before), ..window(stage, sorted.len() as u32) };
        prop_assert_eq!(judge(&measure, &shuffled, &window), judge(&measure, &sorted, &window));
    }

    #[test]
    fn whole_periods_never_extend_a_window_and_are_aligned(
        from in 0i64..4_000_000_000,
        nanoseconds in (0i32..1_000_000_000, 0i32..1_000_000_000),
        length in 0i64..100_000,
        period in 1u32..4_000,
    ) {
        let window = Window {
            from: Timestamp::new(from, nanoseconds.0).unwrap(),
            until: Timestamp::new(from + length, nanoseconds.1).unwrap(),
        };
        let span = Span::from_secs(period);
        let whole = window.whole_periods(span);
        if whole.is_empty() {
            prop_assert!(window.until.as_second() - window.from.as_second() <= 2 * i64::from(period));
            prop_assert_eq!(whole.periods(span), 0);
        } else {
            prop_assert!(window.from <= whole.from && whole.until <= window.until, "{whole:?}");
            for end in [whole.from, whole.until] {
                prop_assert_eq!(end.subsec_nanosecond(), 0);
                prop_assert_eq!(end.as_second() % i64::from(period), 0);
            }
            prop_assert!(whole.periods(span) >= 1 && whole.periods(span) <= window.periods(span));
            prop_assert_eq!(whole.whole_periods(span), whole);
        }
    }
}
