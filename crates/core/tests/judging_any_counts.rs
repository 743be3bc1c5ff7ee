//! What must hold of the judge of groups whatever was counted.

#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use inoculate_core::experiment::Measure;
use inoculate_core::judge::{Compared, Finding, GroupWindow, Reason, Relation, Verdict, judge_groups};
use inoculate_core::layer::Stage;
use inoculate_core::sequential::{Change, Ranks, Share, contrast, contrast_quantiles};
use inoculate_core::sketch::{Counts, Seen, Sketch};
use jiff::SignedDuration;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

fn counts(requests: u64, errors: u64, durations: &[f64]) -> Counts {
    let mut sketch = Sketch::default();
    durations.iter().for_each(|ms| sketch.add(*ms));
    Counts {
        requests,
        errors,
        durations: sketch,
        ..Counts::default()
    }
}

fn judge(statistic: &str, tolerance: &Value, stage: Stage, seen: &Seen, baseline: Option<&Compared>) -> Finding {
    let layer = json!({ "function": "checkout", "statistic": statistic, "min_requests": 1 });
    let measure: Measure =
        serde_json::from_value(json!({ "name": "m", "layer": layer, "tolerance": tolerance })).unwrap();
    let (control, experimental) = (seen.control.requests as f64, seen.experimental.requests as f64);
    let window = GroupWindow {
        stage,
        seen,
        lasted: SignedDuration::from_secs(60),
        lag: SignedDuration::ZERO,
        measures: 1,
        percent: 100.0 * experimental / (control + experimental).max(1.0),
        baseline,
    };
    judge_groups(&measure, measure.layer.as_ref().unwrap(), &window)
}

/// Every limit that there is.
fn everything() -> Value {
    json!({
        "at_most": 50, "at_least": 0.5, "rise_at_most_percent": 20, "fall_at_most_percent": 20,
        "above_control_at_most": 1, "above_control_at_most_percent": 10
    })
}

fn any_stage() -> impl Strategy<Value = Stage> {
    prop_oneof![Just(Stage::Baseline), Just(Stage::Injection), Just(Stage::Recovery)]
}

fn any_statistic() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        Just("error_rate"),
        Just("timeout_rate"),
        Just("requests_per_second"),
        Just("p50"),
        Just("p99")
    ]
}

proptest! {
    #[test]
    fn nothing_that_was_counted_panics(
        statistic in any_statistic(), stage in any_stage(), has_baseline: bool,
        numbers in any::<[u64; 4]>(), few in any::<[u8; 4]>(), take_few: bool,
        durations in vec(any::<f64>(), 0..20), others in vec(any::<f64>(), 0..20),
    ) {
        // Counters that do not fit together, as when one was lost or went backwards: more errors than requests, durations
        // without requests.
        let [a, b, c, d] = if take_few { few.map(u64::from) } else { numbers };
        let seen = Seen { control: counts(a, b, &durations), experimental: counts(c, d, &others) };
        let before = judge(statistic, &json!({ "at_most": 5 }), Stage::Baseline, &seen, None);
        let baseline = before.groups.as_ref().filter(|_| has_baseline);
        let finding = judge(statistic, &everything(), stage, &seen, baseline);
        prop_assert!(!finding.sentence.is_empty());
        // It can be written and read again.
        let text = serde_json::to_string(&finding).unwrap();
        serde_json::from_str::<Finding>(&text).unwrap();
    }

    #[test]
    fn groups_that_change_places_flip_signs(
        one in (1..3000_u64, 0.0..1.0_f64), other in (1..3000_u64, 0.0..1.0_f64), alpha in 0.001..0.2_f64,
    ) {
        let share = |(requests, part): (u64, f64)| Share::new((requests as f64 * part) as u64, requests);
        let forth = contrast(&share(one), &share(other), Change::Difference, alpha);
        let back = contrast(&share(other), &share(one), Change::Difference, alpha);
        prop_assert!((forth.low.unwrap() + back.high.unwrap()).abs() < 1e-6, "{forth:?} {back:?}");
        prop_assert!((forth.high.unwrap() + back.low.unwrap()).abs() < 1e-6, "{forth:?} {back:?}");
    }

    #[test]
    fn quantiles_that_change_places_flip_signs(
        one in vec(1.0..1000.0_f64, 1..200), other in vec(1.0..1000.0_f64, 1..200), share in 0.5..0.99_f64,
    ) {
        let ranks = |durations: &[f64]| Ranks::new(&counts(0, 0, durations).durations, share);
        let forth = contrast_quantiles(&ranks(&one), &ranks(&other), Change::Difference, 0.05);
        let back = contrast_quantiles(&ranks(&other), &ranks(&one), Change::Difference, 0.05);
        prop_assert_eq!(forth.low, back.high.map(|high| -high));
        prop_assert_eq!(forth.high, back.low.map(|low| -low));
    }

    #[test]
    fn an_effect_is_between_its_bounds(
        one in (1..3000_u64, 0.0..1.0_f64), other in (1..3000_u64, 0.0..1.0_f64),
    ) {
        let share = |(requests, part): (u64, f64)| Share::after((requests as f64 * part) as u64, requests, (3, 100));
        let (one, other) = (share(one), share(other));
        for change in [Change::Difference, Change::Percent] {
            let bounds = contrast(&one, &other, change, 0.05);
            let Some(effect) = change.of(one.seen(), other.seen()) else { continue };
            prop_assert!(bounds.low.is_none_or(|low| low <= effect), "{change:?} {effect} {bounds:?}");
            prop_assert!(bounds.high.is_none_or(|high| effect <= high), "{change:?} {effect} {bounds:?}");
        }
    }

    #[test]
    fn more_of_the_same_takes_no_verdict_back(
        control in (30..500_u64, 0.0..0.3_f64), experimental in (30..500_u64, 0.0..0.6_f64), factor in 2..20_u32,
        statistic in prop_oneof![Just("error_rate"), Just("p75")],
        tolerance in prop_oneof![
            Just(json!({ "at_most": 20 })), Just(json!({ "above_control_at_most": 10 })),
            Just(json!({ "above_control_at_most_percent": 50 })),
        ],
    ) {
        let group = |(requests, part): (u64, f64), slow: f64| {
            let durations: Vec<f64> = (0..requests).map(|n| slow + (n % 13) as f64).collect();
            counts(requests, (requests as f64 * part) as u64, &durations)
        };
        let seen = Seen { control: group(control, 10.0), experimental: group(experimental, 10.0 + 40.0 * experimental.1) };
        let times = |factor: f64| Seen {
            control: seen.control.scaled(factor),
            experimental: seen.experimental.scaled(factor),
        };
        let (few, many) = (
            judge(statistic, &tolerance, Stage::Injection, &seen, None),
            judge(statistic, &tolerance, Stage::Injection, &times(f64::from(factor)), None),
        );
        if few.verdict != Verdict::Inconclusive {
            prop_assert_eq!(few.verdict, many.verdict, "{} -> {}", few.sentence, many.sentence);
        }
    }

    #[test]
    fn the_order_of_environments_cannot_be_seen(
        environments in vec((0..50_u64, vec(1.0..1000.0_f64, 0..10)), 1..8), order in any::<u64>(),
    ) {
        let one: Vec<Seen> = environments
            .iter()
            .map(|(requests, durations)| Seen {
                control: counts(*requests, requests / 3, durations),
                experimental: counts(requests * 2, *requests, durations),
            })
            .collect();
        let mut other = one.clone();
        let turn = order as usize % other.len();
        other.rotate_left(turn);
        let sum = |all: &[Seen]| {
            let mut sum = Seen::default();
            all.iter().for_each(|seen| sum.merge(seen));
            sum
        };
        for statistic in ["error_rate", "p90"] {
            let finding = |all: &[Seen]| judge(statistic, &everything(), Stage::Injection, &sum(all), None);
            prop_assert_eq!(finding(&one), finding(&other));
        }
    }
}

#[test]
fn as_many_more_requests_as_it_says_tell() {
    for (statistic, tolerance, control, experimental) in [
        ("error_rate", json!({ "above_control_at_most": 1 }), (500, 5), (500, 5)),
        ("error_rate", json!({ "above_control_at_most": 1 }), (500, 5), (500, 20)),
        ("error_rate", json!({ "at_most": 2 }), (0, 0), (200, 1)),
        (
            "error_rate",
            json!({ "above_control_at_most_percent": 50 }),
            (900, 30),
            (100, 4),
        ),
    ] {
        let none: &[f64] = &[];
        let seen = Seen {
            control: counts(control.0, control.1, none),
            experimental: counts(experimental.0, experimental.1, none),
        };
        let finding = judge(statistic, &tolerance, Stage::Injection, &seen, None);
        assert_eq!(
            (finding.verdict, finding.reason),
            (Verdict::Inconclusive, Reason::Uncertain),
            "{tolerance}"
        );
        let total = match finding.claims[0].relation {
            Relation::AtMost => experimental.0,
            _ => control.0 + experimental.0,
        };
        let needed = finding.claims[0].needed.unwrap();
        let scaled = |more: f64| {
            let factor = 1.0 + more * needed as f64 / total as f64;
            let seen = Seen {
                control: seen.control.scaled(factor),
                experimental: seen.experimental.scaled(factor),
            };
            judge(statistic, &tolerance, Stage::Injection, &seen, None).verdict
        };
        assert_ne!(scaled(1.1), Verdict::Inconclusive, "{tolerance}: {needed}");
        assert_eq!(scaled(0.7), Verdict::Inconclusive, "{tolerance}: {needed}");
    }
}

#[test]
fn what_is_exactly_at_the_limit_can_never_be_told() {
    let seen = Seen {
        control: counts(1000, 10, &[]),
        experimental: counts(1000, 20, &[]),
    };
    let finding = judge(
        "error_rate",
        &json!({ "above_control_at_most": 1 }),
        Stage::Injection,
        &seen,
        None,
    );
    assert_eq!(finding.claims[0].needed, None, "{}", finding.sentence);
    assert!(
        finding.sentence.contains("no number of requests"),
        "{}",
        finding.sentence
    );
}

#[test]
fn groups_of_the_wrong_size_hide_harm_but_make_none_up() {
    let layer = json!({ "function": "checkout", "statistic": "error_rate" });
    let measure: Measure =
        serde_json::from_value(json!({ "name": "m", "layer": layer, "tolerance": { "at_most": 20 } })).unwrap();
    let judged = |stage, control: u64, experimental: u64, errors: u64, lag| {
        let seen = Seen {
            control: counts(control, 0, &[]),
            experimental: counts(experimental, errors, &[]),
        };
        let window = GroupWindow {
            stage,
            seen: &seen,
            lasted: SignedDuration::from_secs(60),
            lag: SignedDuration::from_secs(lag),
            measures: 1,
            percent: 50.0,
            baseline: None,
        };
        let finding = judge_groups(&measure, measure.layer.as_ref().unwrap(), &window);
        (finding.verdict, finding.reason)
    };
    let (fine, off) = (
        (Verdict::Upheld, Reason::Within),
        (Verdict::Inconclusive, Reason::SampleRatio),
    );
    for (stage, control, experimental, errors, lag, found) in [
        (Stage::Injection, 1000, 1000, 0, 0, fine),
        (Stage::Injection, 1000, 900, 0, 0, fine),
        (Stage::Injection, 1000, 600, 0, 0, off),
        (Stage::Injection, 600, 1000, 0, 0, off),
        (Stage::Baseline, 600, 1000, 0, 0, off),
        // As many as are missing may be under way; but none can be there too early.
        (Stage::Injection, 1000, 600, 0, 30, fine),
        (Stage::Injection, 600, 1000, 0, 30, off),
        (Stage::Injection, 1000, 100, 0, 30, off),
        (Stage::Injection, 1000, 600, 0, 90, fine),
        (Stage::Injection, 1000, 600, 500, 0, (Verdict::Deviated, Reason::Beyond)),
    ] {
        let case = format!("{stage:?} {control} {experimental} {errors} {lag}");
        assert_eq!(judged(stage, control, experimental, errors, lag), found, "{case}");
    }
}
