//! A series compared with its baseline while the faults are there: what is said, and how often it is wrong.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use inoculate_core::experiment::Measure;
use inoculate_core::judge::{ALPHA, Claim, Finding, Point, Reason, Relation, SeriesWindow, Verdict, judge};
use inoculate_core::layer::Stage;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn measure(tolerance: Value) -> Measure {
    serde_json::from_value(json!({ "name": "wait", "unit": "ms", "tolerance": tolerance })).unwrap()
}

fn points(values: &[f64]) -> Vec<Point> {
    let at = |minute: i64| Timestamp::from_second(60 * minute).unwrap();
    let points = (0..).zip(values);
    points
        .map(|(minute, value)| Point {
            at: at(minute),
            value: *value,
        })
        .collect()
}

/// The points of the baseline as they are stored in its finding.
fn baseline(tolerance: &Value, values: &[f64]) -> Finding {
    let window = SeriesWindow {
        stage: Stage::Baseline,
        ..verdict_on(values.len())
    };
    judge(&measure(tolerance.clone()), &points(values), &window)
}

/// The look that gives the verdict on the only measure, without a baseline.
fn verdict_on(points: usize) -> SeriesWindow<'static> {
    SeriesWindow {
        stage: Stage::Injection,
        expected_points: points as u32,
        baseline: None,
        measures: 1,
        looks: 60,
        last: true,
    }
}

/// The verdict on these points.
fn judged(tolerance: Value, before: &[f64], during: &[f64], expected: usize) -> Finding {
    let before = baseline(&tolerance, before);
    let window = SeriesWindow {
        baseline: Some(&before),
        ..verdict_on(expected)
    };
    judge(&measure(tolerance), &points(during), &window)
}

fn rise(percent: f64) -> Value {
    json!({ "rise_at_most_percent": percent })
}

fn fall(percent: f64) -> Value {
    json!({ "fall_at_most_percent": percent })
}

/// Around 200, never the same twice.
fn around_200(count: usize) -> Vec<f64> {
    let steps = (0..count).map(|place| (place * 7919 % 101) as f64 / 10.0);
    steps.map(|step| 195.0 + step).collect()
}

fn times(factor: f64, values: Vec<f64>) -> Vec<f64> {
    values.into_iter().map(|value| value * factor).collect()
}

/// A name, the tolerance, the points before and during, and how many there should be during.
type Case = (&'static str, Value, Vec<f64>, Vec<f64>, usize);

#[test]
fn what_is_said() {
    let steady = || around_200(12);
    let calm_then_outage = [around_200(40), times(4.0, around_200(8))].concat();
    let with_gaps = |values: Vec<f64>| [values, vec![f64::NAN; 3]].concat();
    let wide: Vec<f64> = (0..12).map(|place| 150.0 + 10.0 * f64::from(place)).collect();
    let table: Vec<Case> = vec![
        ("no different", rise(10.0), steady(), around_200(13), 13),
        (
            "risen as far as is tolerated",
            rise(10.0),
            vec![200.0; 6],
            vec![220.0; 6],
            6,
        ),
        ("risen beyond", rise(10.0), steady(), times(1.3, around_200(13)), 13),
        (
            "fallen, where a rise matters",
            rise(10.0),
            steady(),
            times(0.7, around_200(13)),
            13,
        ),
        ("fallen beyond", fall(10.0), steady(), times(0.7, around_200(13)), 13),
        (
            "risen, where a fall matters",
            fall(10.0),
            steady(),
            times(1.3, around_200(13)),
            13,
        ),
        ("uncertain", rise(10.0), wide.clone(), times(1.02, wide.clone()), 12),
        (
            "on the limit",
            rise(10.0),
            wide.clone(),
            wide.iter().map(|value| value + 20.5).collect(),
            12,
        ),
        ("identical", rise(0.0), vec![200.0; 6], vec![200.0; 6], 6),
        ("a few missing", rise(10.0), steady(), with_gaps(around_200(13)), 16),
        ("most missing", rise(10.0), steady(), around_200(13), 30),
        (
            "harm although most are missing",
            rise(10.0),
            steady(),
            times(1.3, around_200(13)),
            30,
        ),
        ("nothing arrived", rise(10.0), steady(), vec![f64::INFINITY; 3], 9),
        (
            "fewer than the measure asks for",
            rise(10.0),
            steady(),
            vec![900.0; 2],
            2,
        ),
        ("fewer than can tell", rise(10.0), around_200(4), vec![900.0; 3], 3),
        ("an outage after calm", rise(50.0), steady(), calm_then_outage, 48),
        ("nothing in the baseline", rise(10.0), vec![], steady(), 12),
        ("a baseline of nothing", rise(10.0), vec![0.0; 6], steady(), 12),
        (
            "within both limits",
            json!({ "at_most": 300, "rise_at_most_percent": 50 }),
            steady(),
            around_200(13),
            13,
        ),
        (
            "within the one, beyond the other",
            json!({ "at_most": 800, "rise_at_most_percent": 50 }),
            steady(),
            times(2.0, around_200(13)),
            13,
        ),
        (
            "mixed in the one, uncertain in the other",
            json!({ "at_most": 255, "rise_at_most_percent": 10 }),
            wide.clone(),
            wide.clone(),
            13,
        ),
        (
            "both ways",
            json!({ "rise_at_most_percent": 10, "fall_at_most_percent": 10 }),
            steady(),
            times(1.3, around_200(13)),
            13,
        ),
    ];
    let mut said = String::new();
    for (name, tolerance, before, during, expected) in table {
        let finding = judged(tolerance, &before, &during, expected);
        said += &format!(
            "{name}: {} ({:?})\n    {}\n",
            finding.verdict, finding.reason, finding.sentence
        );
    }
    insta::assert_snapshot!(said);
}

/// The only claim of a finding.
fn claim(finding: &Finding) -> &Claim {
    assert_eq!(finding.claims.len(), 1, "{finding:#?}");
    &finding.claims[0]
}

#[test]
fn a_claim_is_in_percent_of_the_median_of_the_baseline_and_positive_towards_its_limit() {
    let before = [200.0; 12];
    for (tolerance, relation, effect) in [
        (rise(10.0), Relation::RiseFromBaseline, 30.0),
        (fall(10.0), Relation::FallFromBaseline, -30.0),
    ] {
        let finding = judged(tolerance, &before, &[260.0; 12], 12);
        let claim = claim(&finding);
        assert_eq!((claim.relation, claim.limit), (relation, 10.0));
        for value in [claim.effect, claim.low, claim.high] {
            assert!((value.unwrap() - effect).abs() < 1e-9, "{claim:?}");
        }
        assert_eq!(claim.alpha, ALPHA / 2.0);
        assert_eq!(claim.needed, None);
    }
}

#[test]
fn alpha_is_shared_by_measures_looks_and_limits() {
    let both = json!({ "rise_at_most_percent": 10, "fall_at_most_percent": 10 });
    for (tolerance, measures, looks, last, alpha) in [
        (rise(10.0), 1, 60, true, 0.025),
        (rise(10.0), 5, 60, true, 0.005),
        (rise(10.0), 1, 50, false, 0.0005),
        (rise(10.0), 1, 0, false, 0.025),
        (both, 1, 60, true, 0.0125),
    ] {
        let values = around_200(30);
        let before = baseline(&tolerance, &values);
        let window = SeriesWindow {
            baseline: Some(&before),
            measures,
            looks,
            last,
            ..verdict_on(30)
        };
        let finding = judge(&measure(tolerance), &points(&values), &window);
        for claim in &finding.claims {
            assert!((claim.alpha - alpha).abs() < 1e-12, "{claim:?}");
        }
        assert!(!finding.claims.is_empty());
    }
}

#[test]
fn limits_in_the_unit_of_the_measure_are_not_tested() {
    let finding = judged(json!({ "at_most": 300 }), &around_200(12), &around_200(13), 13);
    assert_eq!((finding.verdict, finding.claims.len()), (Verdict::Upheld, 0));
}

#[test]
fn a_finding_of_the_worst_limit_is_the_finding() {
    let tolerance = json!({ "at_most": 250, "rise_at_most_percent": 1000 });
    let finding = judged(tolerance, &around_200(12), &times(2.0, around_200(13)), 13);
    assert_eq!((finding.verdict, finding.reason), (Verdict::Deviated, Reason::Beyond));
    assert_eq!(claim(&finding).verdict, Verdict::Upheld);
    assert_eq!((finding.outside, finding.limits.high), (13, Some(250.0)));
}

#[test]
fn what_is_needed_is_enough() {
    let told = |before: usize, during: usize| {
        let finding = judged(rise(10.0), &around_200(before), &times(2.0, around_200(during)), during);
        (finding.reason, claim(&finding).needed, finding.verdict)
    };
    for before in [3, 4, 6, 12, 30] {
        let (reason, needed, _) = told(before, 2);
        assert_eq!(reason, Reason::TooFewPoints);
        let needed = 2 + needed.unwrap() as usize;
        assert_eq!(told(before, needed).2, Verdict::Deviated, "{before} before, {needed}");
        if needed > 3 {
            let (reason, more, _) = told(before, needed - 1);
            assert_eq!((reason, more), (Reason::TooFewPoints, Some(1)), "{before} before");
        }
    }
}

#[test]
fn what_is_needed_to_be_certain_is_about_enough() {
    let wide = |count: usize| -> Vec<f64> {
        (0..count)
            .map(|place| 150.0 + 110.0 * (place as f64 + 0.5) / count as f64)
            .collect()
    };
    let few = judged(rise(10.0), &wide(12), &wide(12), 12);
    assert_eq!(few.reason, Reason::Uncertain, "{}", few.sentence);
    let more = 12 + claim(&few).needed.unwrap() as usize;
    let many = judged(rise(10.0), &wide(more * 5 / 4), &wide(more * 5 / 4), more * 5 / 4);
    assert_eq!(many.verdict, Verdict::Upheld, "{}", many.sentence);
    let half = judged(rise(10.0), &wide(more / 2), &wide(more / 2), more / 2);
    assert_eq!(half.reason, Reason::Uncertain, "{}", half.sentence);
}

/// SplitMix64, from 0 up to and without 1.
fn random(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A value of a metric from a source of random numbers.
type Draw = fn(&mut dyn FnMut() -> f64) -> f64;

fn normal(random: &mut dyn FnMut() -> f64) -> f64 {
    let (radius, angle) = ((-2.0 * (1.0 - random()).ln()).sqrt(), random());
    radius * (std::f64::consts::TAU * angle).cos()
}

/// Durations, with a long tail.
fn lognormal(random: &mut dyn FnMut() -> f64) -> f64 {
    200.0 * (0.4 * normal(random)).exp()
}

/// Counts: few different values, many ties.
fn small_counts(random: &mut dyn FnMut() -> f64) -> f64 {
    (0..6).filter(|_| random() < 0.5).count() as f64 + 1.0
}

/// How many of 300 runs, each with a baseline of so many points and looked at after each of 20 more, ever got this verdict.
fn runs_with(verdict: Verdict, before: usize, margin: f64, draw: Draw, change: fn(f64) -> f64) -> usize {
    let tolerance = rise(margin);
    let measure = measure(tolerance.clone());
    let is_one = |run: &u64| {
        let mut random = random(*run);
        let mut drawn = |count: usize| -> Vec<f64> { (0..count).map(|_| draw(&mut random)).collect() };
        let before = baseline(&tolerance, &drawn(before));
        let during: Vec<f64> = drawn(20).into_iter().map(change).collect();
        let during = points(&during);
        (1..=21).any(|look| {
            let window = SeriesWindow {
                baseline: Some(&before),
                looks: 20,
                last: look > 20,
                ..verdict_on(look.min(20))
            };
            judge(&measure, &during[..look.min(20)], &window).verdict == verdict
        })
    };
    (0..300).filter(is_one).count()
}

/// As many of 300 as there may be, when each is one with this probability and three standard deviations are allowed.
fn at_most(probability: f64) -> usize {
    (300.0 * probability + 3.0 * (300.0 * probability * (1.0 - probability)).sqrt()) as usize
}

#[test]
fn without_a_difference_few_runs_deviate_although_each_is_looked_at_twenty_times() {
    for before in [6, 30] {
        for draw in [lognormal as Draw, small_counts, |random| random()] {
            // With a margin of 0 a run deviates as soon as any rise is established.
            let wrong = runs_with(Verdict::Deviated, before, 0.0, draw, |value| value);
            assert!(wrong <= at_most(ALPHA), "{wrong} of 300 with {before} points before");
        }
    }
}

#[test]
fn with_a_rise_as_far_as_is_tolerated_few_runs_uphold() {
    for before in [6, 30] {
        // The median of the lognormal values is 200.
        let wrong = runs_with(Verdict::Upheld, before, 25.0, lognormal, |value| value + 50.0);
        assert!(wrong <= at_most(ALPHA), "{wrong} of 300 with {before} points before");
    }
}

#[test]
fn a_rise_that_matters_is_found() {
    for (before, found) in [(6, 220), (20, 290)] {
        let deviated = runs_with(Verdict::Deviated, before, 10.0, lognormal, |value| value * 2.0);
        assert!(deviated >= found, "only {deviated} of 300 with {before} points before");
    }
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![6 => 0.0..300.0f64, 2 => (0u8..4).prop_map(f64::from), 1 => any::<f64>(), 1 => Just(f64::NAN)]
}

fn any_values() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(any_value(), 0..25)
}

/// A limit in percent, and which way.
fn any_relative() -> impl Strategy<Value = Value> {
    (0.0..100.0f64, 0..3).prop_map(|(percent, which)| match which {
        0 => rise(percent),
        1 => fall(percent),
        _ => json!({ "rise_at_most_percent": percent, "fall_at_most_percent": percent, "at_most": 200 }),
    })
}

proptest! {
    #[test]
    fn whatever_the_points_a_finding_is_consistent(
        tolerance in any_relative(),
        before in any_values(),
        during in any_values(),
        expected in 0usize..40,
        (measures, looks, last) in (0usize..10, any::<u32>(), any::<bool>()),
    ) {
        let before = baseline(&tolerance, &before);
        let window = SeriesWindow { baseline: Some(&before), measures, looks, last, ..verdict_on(expected) };
        let finding = judge(&measure(tolerance), &points(&during), &window);
        let present = during.iter().filter(|value| value.is_finite()).count();
        prop_assert!(finding.verdict == Verdict::Inconclusive || present >= 3, "a verdict on too few points");
        prop_assert!(finding.verdict != Verdict::Upheld || present * 2 >= expected, "upheld on missing data");
        for claim in &finding.claims {
            prop_assert!(claim.verdict <= finding.verdict, "{:?} is better than its claim", finding);
            prop_assert!(claim.low <= claim.effect && claim.effect <= claim.high, "{:?}", claim);
            let said = [claim.low, claim.effect, claim.high];
            prop_assert!(said.iter().flatten().all(|value| value.is_finite()));
            prop_assert!(said.iter().all(Option::is_some) || said.iter().all(Option::is_none));
            prop_assert!(claim.verdict == Verdict::Inconclusive || claim.effect.is_some() && claim.needed.is_none());
        }
        prop_assert!(finding.verdict != Verdict::Upheld || finding.claims.iter().all(|claim| claim.verdict == Verdict::Upheld));
        prop_assert!(!finding.sentence.is_empty() && !finding.sentence.contains("NaN") && !finding.sentence.contains("inf"));
        let stored = serde_json::to_value(&finding).unwrap();
        prop_assert_eq!(serde_json::from_value::<Finding>(stored).unwrap(), finding);
    }

    #[test]
    fn more_of_the_same_never_makes_an_established_verdict_inconclusive(
        tolerance in any_relative(),
        before in prop::collection::vec(1.0..300.0f64, 3..20),
        during in prop::collection::vec(1.0..300.0f64, 3..20),
        factor in 0.5..3.0f64,
        copies in 2usize..6,
    ) {
        let during = times(factor, during);
        let once = judged(tolerance.clone(), &before, &during, during.len());
        let many = during.repeat(copies);
        let again = judged(tolerance, &before.repeat(copies), &many, many.len());
        if once.verdict != Verdict::Inconclusive {
            prop_assert!(again.verdict != Verdict::Inconclusive, "{} became {}", once.sentence, again.sentence);
        }
    }

    #[test]
    fn another_unit_does_not_change_the_verdict(
        tolerance in prop_oneof![(0.0..100.0f64).prop_map(rise), (0.0..100.0f64).prop_map(fall)],
        before in prop::collection::vec(1.0..300.0f64, 3..20),
        during in prop::collection::vec(1.0..300.0f64, 3..20),
        exponent in -20i32..20,
    ) {
        let unit = 2f64.powi(exponent);
        let once = judged(tolerance.clone(), &before, &during, during.len());
        let scaled = judged(tolerance, &times(unit, before), &times(unit, during), 0);
        prop_assert_eq!(once.verdict, scaled.verdict);
        prop_assert_eq!(once.claims, scaled.claims);
    }

    #[test]
    fn a_higher_point_never_improves_what_must_not_rise(
        before in prop::collection::vec(1.0..300.0f64, 3..20),
        during in prop::collection::vec(1.0..300.0f64, 3..20),
        moved in any::<prop::sample::Index>(),
        by in 0.0..1000.0f64,
    ) {
        let was = judged(rise(20.0), &before, &during, during.len());
        let mut worse = during.clone();
        worse[moved.index(during.len())] += by;
        let is = judged(rise(20.0), &before, &worse, worse.len());
        prop_assert!(is.verdict >= was.verdict, "{} became {}", was.sentence, is.sentence);
    }

    #[test]
    fn a_finding_without_a_usable_baseline_is_inconclusive(
        tolerance in any_relative(),
        before in prop_oneof![Just(vec![]), Just(vec![0.0; 5]), Just(vec![-4.0; 5])],
        during in prop::collection::vec(1.0..100.0f64, 3..20),
    ) {
        let finding = judged(tolerance, &before, &during, during.len());
        prop_assert_eq!((finding.verdict, finding.reason), (Verdict::Inconclusive, Reason::NoBaseline));
    }
}
