//! Whether a run will have enough data to tell: what is said before it, and what is refused.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

use inoculate_core::experiment::Experiment;
use inoculate_core::judge::Point;
use inoculate_core::read::experiment_from_value;
use inoculate_core::sizing::{Need, Prospect, Sizing, Source, Traffic, answers, looked_at, never_tells, questions};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// An experiment with one measure of the layer in `checkout`, after a change.
fn experiment(statistic: &str, tolerance: Value, change: impl FnOnce(&mut Value)) -> Experiment {
    let mut value = json!({
        "name": "e", "hypothesis": "h",
        "blast_radius": { "functions": ["payments"], "percent": 50, "key": "/order_id", "longest": "5m" },
        "windows": { "baseline": "1m", "recovery": "1m" },
        "faults": [{ "kind": "latency", "function": "payments", "delay": "1s" }],
        "steady_state": [{
            "name": "m", "layer": { "function": "checkout", "statistic": statistic }, "tolerance": tolerance,
        }],
    });
    change(&mut value);
    experiment_from_value(&value).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn as_it_is(_: &mut Value) {}

/// Checkout, with so many requests in a second of which one in two hundred fails.
fn traffic(per_second: f64) -> Traffic {
    Traffic {
        function: "checkout".parse().unwrap(),
        source: Source::CloudWatch,
        requests: (per_second * 10_800.0) as u64,
        per_second,
        busiest_per_second: per_second,
        is_continuous: true,
        error_percent: Some(0.5),
        http_5xx_percent: None,
        timeout_percent: None,
        p50_ms: Some(100.0),
        p99_ms: Some(400.0),
    }
}

fn sized(experiment: &Experiment, per_second: f64) -> Sizing {
    Sizing::of(experiment, &[traffic(per_second)])
}

fn requests(need: &Need) -> u64 {
    match need {
        Need::With { requests, .. } => requests.all,
        other => panic!("{other:?}"),
    }
}

fn why(need: &Need) -> &str {
    match need {
        Need::Never { why } | Need::Unknown { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_people_read() {
    let margin = || json!({ "above_control_at_most": 1 });
    let said = |experiment: &Experiment, per_second| {
        let sizing = sized(experiment, per_second);
        let warnings: Vec<&str> = sizing.warnings().collect();
        assert!(!warnings.is_empty());
        warnings.join("\n")
    };
    let shorter = |value: &mut Value| value["blast_radius"]["percent"] = json!(10);
    let all = |value: &mut Value| value["blast_radius"]["percent"] = json!(100);
    let none = |value: &mut Value| value["blast_radius"]["percent"] = json!(0);
    let lines = [
        said(&experiment("error_rate", margin(), as_it_is), 3.2),
        said(&experiment("error_rate", margin(), shorter), 3.2),
        said(&experiment("error_rate", margin(), shorter), 0.1),
        said(&experiment("http_5xx_rate", margin(), as_it_is), 1.0),
        said(
            &experiment("error_rate", json!({ "rise_at_most_percent": 50 }), all),
            3.2,
        ),
        said(&experiment("p99", json!({ "at_most": 401 }), as_it_is), 3.2),
        said(&experiment("p99", json!({ "at_most": 300 }), as_it_is), 3.2),
        said(
            &experiment("error_rate", json!({ "above_control_at_most": 0 }), as_it_is),
            3.2,
        ),
        said(&experiment("error_rate", margin(), none), 3.2),
        said(
            &experiment("requests_per_second", json!({ "fall_at_most_percent": 20 }), as_it_is),
            3.2,
        ),
        said(&experiment("timeout_rate", json!({ "at_most": 100 }), as_it_is), 3.2),
    ];
    insta::assert_snapshot!(lines.join("\n\n"));
}

#[test]
fn what_is_enough_follows_traffic_percent_and_length() {
    let with = |percent: f64, longest: &str| {
        experiment("error_rate", json!({ "above_control_at_most": 5 }), |value| {
            value["blast_radius"]["percent"] = json!(percent);
            value["blast_radius"]["longest"] = json!(longest);
        })
    };
    for (percent, longest, per_second, prospect) in [
        (50.0, "5m", 10.0, Prospect::Enough),
        (50.0, "5m", 2.0, Prospect::TooShort),
        (50.0, "30m", 2.0, Prospect::Enough),
        (5.0, "5m", 10.0, Prospect::TooShort),
        (0.0, "5m", 10.0, Prospect::Never),
    ] {
        let sizing = sized(&with(percent, longest), per_second);
        let measure = &sizing.measures[0];
        assert_eq!(
            measure.prospect, prospect,
            "{percent} {longest} {per_second}: {measure:#?}"
        );
        assert_eq!(measure.warnings.is_empty(), prospect == Prospect::Enough);
    }
    let needs = |tolerance: Value| {
        requests(&sized(&experiment("error_rate", tolerance, as_it_is), 10.0).measures[0].limits[0].needed)
    };
    let (narrow, wide) = (
        needs(json!({ "above_control_at_most": 2 })),
        needs(json!({ "above_control_at_most": 8 })),
    );
    assert!(narrow > 2 * wide, "{narrow} {wide}");
}

#[test]
fn both_ways_are_told_and_the_larger_number_counts() {
    let sizing = sized(&experiment("error_rate", json!({ "at_most": 5 }), as_it_is), 10.0);
    let limit = &sizing.measures[0].limits[0];
    let (upheld, deviated) = (requests(&limit.upheld), requests(&limit.deviated));
    assert_eq!(requests(&limit.needed), upheld.max(deviated));
    assert_eq!((limit.base, limit.assumed), (Some(0.5), false));
    // At least as many as the measure asks for.
    let asked = experiment("error_rate", json!({ "at_most": 50 }), |value| {
        value["steady_state"][0]["layer"]["min_requests"] = json!(500);
    });
    let needed = requests(&sized(&asked, 10.0).measures[0].limits[0].needed);
    assert!((1_000..1_100).contains(&needed), "{needed}");
}

#[test]
fn more_measures_and_more_limits_need_more_requests() {
    let needs = |change: fn(&mut Value)| {
        let experiment = experiment("error_rate", json!({ "at_most": 5 }), change);
        requests(&sized(&experiment, 10.0).measures[0].limits[0].needed)
    };
    let alone = needs(as_it_is);
    let limits = needs(|value| value["steady_state"][0]["tolerance"]["above_control_at_most"] = json!(5));
    let measures = needs(|value| {
        let mut more = value["steady_state"][0].clone();
        more["name"] = json!("other");
        value["steady_state"].as_array_mut().unwrap().push(more);
    });
    assert!(limits > alone && measures > alone, "{alone} {limits} {measures}");
}

#[test]
fn what_is_not_known_is_said_or_assumed() {
    let limit = |statistic: &str, tolerance: Value, traffic: &[Traffic]| {
        let experiment = experiment(statistic, tolerance, as_it_is);
        let sizing = Sizing::of(&experiment, traffic);
        let prospect = sizing.measures[0].prospect;
        (sizing.measures[0].limits[0].clone(), prospect)
    };
    let margin = || json!({ "above_control_at_most": 2 });
    let (offline, prospect) = limit("error_rate", margin(), &[]);
    assert_eq!(
        (offline.assumed, offline.base, prospect),
        (true, Some(0.1), Prospect::Unknown)
    );
    assert!(matches!(offline.needed, Need::With { secs: None, .. }), "{offline:?}");
    let (small, _) = limit("http_5xx_rate", json!({ "at_most": 0.5 }), &[traffic(10.0)]);
    assert_eq!((small.assumed, small.base), (true, Some(0.05)));
    for (statistic, tolerance, traffic) in [
        ("p99", json!({ "at_most": 1000 }), &[][..]),
        ("requests_per_second", json!({ "fall_at_most_percent": 30 }), &[][..]),
        ("error_rate", json!({ "above_control_at_most_percent": 30 }), &[][..]),
        (
            "http_5xx_rate",
            json!({ "rise_at_most_percent": 30 }),
            &[traffic(10.0)][..],
        ),
    ] {
        let (limit, prospect) = limit(statistic, tolerance, traffic);
        assert_eq!((limit.base, prospect), (None, Prospect::Unknown), "{statistic}");
        assert!(why(&limit.needed).contains("not known"), "{limit:?}");
    }
}

#[test]
fn what_no_number_of_requests_tells_has_a_reason() {
    for (statistic, tolerance, upheld, deviated) in [
        (
            "error_rate",
            json!({ "above_control_at_most": 0 }),
            "margin of 0",
            "margin of 0",
        ),
        (
            "p99",
            json!({ "rise_at_most_percent": 0 }),
            "margin of 0",
            "margin of 0",
        ),
        ("error_rate", json!({ "at_most": 0.1 }), "already", "already"),
        ("error_rate", json!({ "at_most": 100 }), "", "nothing is above it"),
        (
            "requests_per_second",
            json!({ "fall_at_most_percent": 100 }),
            "",
            "nothing is below it",
        ),
        ("p99", json!({ "above_control_at_most": 0.001 }), "billion", "billion"),
    ] {
        let sizing = sized(&experiment(statistic, tolerance.clone(), as_it_is), 10.0);
        let limit = &sizing.measures[0].limits[0];
        for (need, expected) in [(&limit.upheld, upheld), (&limit.deviated, deviated)] {
            match (need, expected) {
                (Need::With { .. }, "") => {}
                (Need::Never { why }, expected) if !expected.is_empty() => {
                    assert!(why.contains(expected), "{statistic} {tolerance}: {why}");
                }
                _ => panic!("{statistic} {tolerance}: {need:?}"),
            }
        }
        assert_eq!(sizing.measures[0].prospect, Prospect::Never, "{statistic} {tolerance}");
    }
    let mut nothing_fails = traffic(10.0);
    nothing_fails.error_percent = Some(0.0);
    let percent = experiment("error_rate", json!({ "above_control_at_most_percent": 50 }), as_it_is);
    let sizing = Sizing::of(&percent, &[nothing_fails]);
    assert!(why(&sizing.measures[0].limits[0].needed).contains("percentage of nothing"));
}

/// Points of a metric at the times that are asked about, five minutes apart.
fn points(window: inoculate_core::judge::Window, value: impl Fn(i64) -> Option<f64>) -> Vec<Point> {
    let count = window.until.duration_since(window.from).as_secs() / 300;
    let points = (0..count).filter_map(|place| {
        Some(Point {
            at: window.from + SignedDuration::from_secs(300 * place),
            value: value(place)?,
        })
    });
    points.collect()
}

#[test]
fn traffic_is_what_cloudwatch_says_of_each_function_once() {
    let experiment = experiment("error_rate", json!({ "at_most": 5 }), |value| {
        let mut more = value["steady_state"][0].clone();
        more["name"] = json!("other");
        let mut third = more.clone();
        third["name"] = json!("third");
        third["layer"]["function"] = json!("payments");
        value["steady_state"].as_array_mut().unwrap().extend([more, third]);
    });
    let asked = questions(&experiment);
    let functions = asked.iter().map(|measure| measure.metric.as_ref().unwrap());
    let functions: Vec<(&str, &str)> = functions
        .map(|metric| (metric.dimensions["FunctionName"].as_str(), metric.statistic.as_str()))
        .collect();
    let of = |function| ["Sum", "Sum", "p50", "p99"].map(|statistic| (function, statistic));
    assert_eq!(functions, [of("checkout"), of("payments")].concat());

    let now: Timestamp = "2026-03-14T12:01:30Z".parse().unwrap();
    let window = looked_at(now);
    assert_eq!(window.until.to_string(), "2026-03-14T11:55:00Z");
    assert_eq!(window.until.duration_since(window.from).as_secs(), 10_500);
    let series = [
        points(window, |place| Some(if place == 7 { 900.0 } else { 300.0 })),
        points(window, |place| Some(if place == 7 { 111.0 } else { 0.0 })),
        points(window, |place| Some(80.0 + place as f64)),
        points(window, |_| Some(400.0)),
        vec![],
        vec![],
        vec![],
        vec![],
    ];
    let known = answers(&experiment, &series, window);
    assert_eq!(known.len(), 1, "of payments nothing is known");
    let checkout = &known[0];
    assert_eq!((checkout.function.as_str(), checkout.requests), ("checkout", 11_100));
    assert!((checkout.per_second - 11_100.0 / 10_500.0).abs() < 1e-9);
    assert_eq!((checkout.busiest_per_second, checkout.is_continuous), (3.0, true));
    assert!((checkout.error_percent.unwrap() - 1.0).abs() < 1e-9);
    assert_eq!((checkout.p50_ms, checkout.p99_ms), (Some(97.0), Some(400.0)));

    // A load test of ten minutes an hour ago: no traffic to reckon with.
    let burst = points(window, |place| (20..22).contains(&place).then_some(3_000.0));
    let series = [burst, vec![], vec![], vec![]];
    let known = answers(&experiment, &series, window);
    assert_eq!((known[0].per_second, known[0].is_continuous), (10.0, false));
    assert!(answers(&experiment, &[], window).is_empty());
}

#[test]
fn only_what_could_never_tell_is_refused() {
    let margin = || json!({ "above_control_at_most": 1 });
    let refused = |experiment: &Experiment, per_second: f64| never_tells(experiment, &[traffic(per_second)]);
    let usual = experiment("error_rate", margin(), as_it_is);
    // 30 requests in a group are asked for: 60 in five minutes, or half of that if twice as many may come. So few could not
    // uphold a point; but could deviate, if all of them failed.
    let reasons = refused(&usual, 0.05);
    assert_eq!(reasons.len(), 2);
    insta::assert_snapshot!(reasons.join("\n"));
    assert!(refused(&usual, 0.3).is_empty());
    // Too short for anything but the worst is a warning.
    assert_eq!(sized(&usual, 0.3).measures[0].prospect, Prospect::TooShort);
    // A baseline that is too short for `min_requests` refuses, as it would after it.
    let short = experiment("error_rate", margin(), |value| {
        value["windows"]["baseline"] = json!("15s")
    });
    assert!(refused(&short, 0.5).len() == 1 && refused(&short, 2.0).is_empty());
    // Nobody knows what comes: a busier hour, or traffic that is not there all the time.
    let mut busy = traffic(0.05);
    busy.busiest_per_second = 5.0;
    assert!(never_tells(&usual, &[busy]).is_empty());
    let mut rare = traffic(0.05);
    rare.is_continuous = false;
    assert!(never_tells(&usual, &[rare]).is_empty());
    assert!(never_tells(&usual, &[]).is_empty());
    // A rehearsal without faults is meant to tell nothing.
    let none = experiment("error_rate", margin(), |value| {
        value["blast_radius"]["percent"] = json!(0)
    });
    assert!(refused(&none, 0.05).is_empty());
}

#[test]
fn every_statistic_can_be_told_with_enough_traffic() {
    for (statistic, tolerance) in [
        ("p99", json!({ "at_most": 3000 })),
        ("p50", json!({ "above_control_at_most_percent": 10 })),
        ("p90", json!({ "at_least": 1 })),
        ("timeout_rate", json!({ "rise_at_most_percent": 10 })),
        ("requests_per_second", json!({ "fall_at_most_percent": 40 })),
        ("error_rate", json!({ "at_most": 0 })),
    ] {
        let experiment = experiment(statistic, tolerance.clone(), as_it_is);
        let refused = never_tells(&experiment, &[traffic(10.0)]);
        assert!(refused.is_empty(), "{statistic} {tolerance}: {refused:?}");
    }
}

#[test]
fn a_series_that_has_too_few_points_is_told() {
    let experiment = |period: &str, baseline: &str, longest: &str, tolerance: Value| {
        let value = json!({
            "name": "e", "hypothesis": "h",
            "blast_radius": { "functions": ["payments"], "percent": 100, "longest": longest },
            "windows": { "baseline": baseline, "round": "5s", "recovery": "10m" },
            "faults": [{ "kind": "timeout", "function": "payments", "timeout": "1s" }],
            "steady_state": [{
                "name": "m", "period": period, "tolerance": tolerance,
                "metric": { "namespace": "Shop", "name": "Orders", "statistic": "Sum" },
            }],
        });
        experiment_from_value(&value).unwrap_or_else(|problems| panic!("{problems:#?}"))
    };
    let rise = || json!({ "rise_at_most_percent": 50 });
    let size = |experiment: &Experiment| Sizing::of(experiment, &[]).measures[0].clone();
    let short = size(&experiment("1m", "4m", "4m", rise()));
    assert_eq!(short.prospect, Prospect::TooShort);
    insta::assert_snapshot!(short.warnings.join("\n"));
    let long = size(&experiment("1m", "10m", "10m", rise()));
    assert_eq!((long.prospect, long.warnings.len()), (Prospect::Unknown, 0));
    let absolute = size(&experiment("1m", "4m", "4m", json!({ "at_most": 5 })));
    assert_eq!(absolute.points.unwrap().needed, Some(3));
    assert_eq!(absolute.warnings.len(), 0);
}
