//! Input of every kind: what is accepted, what is refused, and that nothing breaks the reader.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use inoculate_core::experiment::{Experiment, MAX_EXPERIMENT_BYTES};
use inoculate_core::read::{as_error, experiment_from_text, experiment_from_value};
use proptest::prelude::*;
use serde_json::{Value, json};

/// An experiment in which every field of the format is written.
fn full() -> Value {
    let metric = |name: &str| {
        json!({
            "namespace": "Shop", "name": name, "statistic": "Sum", "dimensions": { "Service": "checkout" }
        })
    };
    json!({
        "$schema": "../../docs/experiment.schema.json",
        "name": "everything",
        "hypothesis": "Nothing happens.",
        "blast_radius": { "functions": ["payments", "worker"], "percent": 100, "longest": "5m" },
        "windows": { "baseline": "5m", "round": "10s", "recovery": "5m", "metrics_delay": "1m" },
        "faults": [
            { "kind": "reserved_concurrency", "function": "payments", "executions": 0 },
            { "kind": "timeout", "function": "payments", "timeout": "1s" },
            { "kind": "memory", "function": "payments", "memory_mb": 128 },
            { "kind": "event_source_disabled", "function": "worker", "source": "arn:aws:sqs:eu-west-1:123456789012:orders" },
        ],
        "steady_state": [
            {
                "name": "failures", "unit": "percent", "period": "5s", "min_points": 3,
                "metrics": { "placed": metric("OrdersPlaced"), "failed": metric("OrdersFailed") },
                "expression": "100 * failed / placed",
                "tolerance": { "at_most": 1.5, "at_least": 0, "rise_at_most_percent": 50, "fall_at_most_percent": 50 },
            },
            { "name": "latency", "metric": metric("CheckoutLatency"), "tolerance": { "at_most": 1500 } },
        ],
        "guards": { "alarms": ["shop-on-fire"], "stop_on": "never", "stop_when": "established" },
    })
}

/// Every pointer into a value, the root left out.
fn pointers(value: &Value) -> Vec<String> {
    fn walk(at: &str, value: &Value, found: &mut Vec<String>) {
        let steps: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), field)).collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (index.to_string(), item))
                .collect(),
            _ => Vec::new(),
        };
        for (step, inner) in steps {
            let at = format!("{at}/{step}");
            found.push(at.clone());
            walk(&at, inner, found);
        }
    }
    let mut found = Vec::new();
    walk("", value, &mut found);
    found
}

fn without(value: &Value, pointer: &str) -> Value {
    let mut value = value.clone();
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    match value.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.shift_remove(field)),
        Value::Array(items) => drop(items.remove(field.parse().unwrap())),
        _ => unreachable!(),
    }
    value
}

/// Reads a value in every way there is; they must agree. Returns what was read.
fn read_in_every_way(value: &Value) -> Option<Experiment> {
    let read = experiment_from_value(value).ok();
    let digest = read.as_ref().map(Experiment::digest);
    for text in [value.to_string(), serde_json::to_string_pretty(value).unwrap()] {
        let as_text = experiment_from_text(&text).ok().map(|experiment| experiment.digest());
        assert_eq!(as_text, digest, "as text:\n{text}");
        let parsed: Value = serde_json::from_str(&text).unwrap();
        let through_json = experiment_from_value(&parsed)
            .ok()
            .map(|experiment| experiment.digest());
        assert_eq!(through_json, digest, "through JSON:\n{text}");
    }
    read
}

/// What is true of everything that is accepted.
fn assert_sound(experiment: &Experiment) {
    let written = serde_json::to_value(experiment).unwrap();
    assert!(
        jsonschema::is_valid(&Experiment::json_schema(), &written),
        "against the schema: {written}"
    );
    let again = experiment_from_value(&written).unwrap();
    assert_eq!(&again, experiment);
    assert_eq!(again.digest(), experiment.digest());
}

#[test]
fn an_experiment_with_every_field_is_accepted() {
    assert_sound(&read_in_every_way(&full()).unwrap());
}

#[test]
fn only_these_may_be_left_out() {
    let full = full();
    let optional: Vec<String> = pointers(&full)
        .into_iter()
        .filter(|pointer| experiment_from_value(&without(&full, pointer)).is_ok())
        .collect();
    let expected = [
        "/$schema",
        "/windows/round",
        "/windows/metrics_delay",
        "/faults/0",
        "/faults/1",
        "/faults/2",
        "/steady_state/0",
        "/steady_state/0/unit",
        "/steady_state/0/period",
        "/steady_state/0/min_points",
        "/steady_state/0/metrics/placed/dimensions",
        "/steady_state/0/metrics/placed/dimensions/Service",
        "/steady_state/0/metrics/failed/dimensions",
        "/steady_state/0/metrics/failed/dimensions/Service",
        "/steady_state/0/tolerance/at_most",
        "/steady_state/0/tolerance/at_least",
        "/steady_state/0/tolerance/rise_at_most_percent",
        "/steady_state/0/tolerance/fall_at_most_percent",
        "/steady_state/1",
        "/steady_state/1/metric/dimensions",
        "/steady_state/1/metric/dimensions/Service",
        "/guards",
        "/guards/alarms",
        "/guards/alarms/0",
        "/guards/stop_on",
        "/guards/stop_when",
    ];
    assert_eq!(optional, expected);
}

#[test]
fn nothing_may_be_left_without_a_value() {
    for pointer in pointers(&full()) {
        let mut value = full();
        *value.pointer_mut(&pointer).unwrap() = Value::Null;
        assert!(experiment_from_value(&value).is_err(), "{pointer}: null was accepted");
    }
}

#[test]
fn numbers_that_json_takes_for_equal_are_equal() {
    let mut value = full();
    value["faults"][2]["memory_mb"] = json!(128.0);
    value["blast_radius"]["percent"] = json!(1e2);
    assert_eq!(
        read_in_every_way(&value).unwrap().digest(),
        experiment_from_value(&full()).unwrap().digest()
    );
}

#[test]
fn text_in_quotes_stays_text() {
    let text = full()
        .to_string()
        .replace("everything", "2024")
        .replace("\"OrdersPlaced\"", "\"null\"");
    let experiment = experiment_from_text(&text).unwrap();
    assert_eq!(experiment.name.as_str(), "2024");
    assert_eq!(experiment.steady_state[0].metrics["placed"].name, "null");
}

#[test]
fn json_may_be_written_as_json_allows() {
    let plain = serde_json::to_string_pretty(&full()).unwrap();
    let digest = experiment_from_text(&plain).unwrap().digest();
    let variants = [
        ("a byte order mark", format!("\u{feff}{plain}")),
        ("Windows line ends", plain.replace('\n', "\r\n")),
        ("tabs", plain.replace("  ", "\t")),
        (
            "escapes",
            plain
                .replace("Nothing", "\\u004eothing")
                .replace("../../docs", "..\\/..\\/docs"),
        ),
        ("a colon without a space", plain.replace("\": ", "\":")),
        ("a space before the colon", plain.replace("\": ", "\" : ")),
    ];
    for (name, text) in variants {
        match experiment_from_text(&text) {
            Ok(experiment) => assert_eq!(experiment.digest(), digest, "{name}"),
            Err(problems) => panic!("{name}: {problems:#?}"),
        }
    }
    let wide = plain.replace("Nothing", "\\ud83d\\udc89 Nothing");
    assert_eq!(experiment_from_text(&wide).unwrap().hypothesis, "💉 Nothing happens.");
}

#[test]
fn what_is_not_an_experiment_is_told_so() {
    for (text, message) in [
        ("", "the file is empty"),
        ("# only a comment\n", "the file is empty"),
        ("---\n", "the file is empty"),
        ("just words", "this is not an experiment"),
        ("[1, 2]", "this is not an experiment"),
        ("42", "this is not an experiment"),
    ] {
        let problems = experiment_from_text(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text:?}: {problems:?}");
        assert_eq!(problems[0].message, message, "{text:?}");
        assert!(problems[0].place.is_some() && problems[0].help.is_some(), "{text:?}");
    }
}

#[test]
fn too_much_text_is_refused_before_it_is_read() {
    let text = format!("# {}\n{}", "x".repeat(MAX_EXPERIMENT_BYTES), full());
    let problems = experiment_from_text(&text).unwrap_err();
    assert_eq!(problems.len(), 1);
    insta::assert_snapshot!(as_error(&problems));
}

#[test]
fn a_value_that_is_too_large_for_step_functions_is_refused() {
    let mut value = full();
    value["hypothesis"] = Value::String("x".repeat(MAX_EXPERIMENT_BYTES));
    let problems = experiment_from_value(&value).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].message.contains("bytes"), "{problems:?}");
}

#[test]
fn nesting_cannot_exhaust_the_stack() {
    let stairs: String = (0..700).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    let most = MAX_EXPERIMENT_BYTES / 2 - 100;
    let texts = [
        "[".repeat(most),
        "{a: ".repeat(most / 4),
        "[{a: ".repeat(most / 5),
        "- ".repeat(most),
        "? ".repeat(most),
        format!("name: {}", "- ".repeat(most - 10)),
        format!("name:\n  {}", "- ".repeat(most - 10)),
        format!("name: {}", "[".repeat(40)),
        "{".repeat(most),
        stairs,
    ];
    let reader = std::thread::Builder::new().stack_size(256 * 1024).spawn(move || {
        for text in texts {
            let problems = experiment_from_text(&text).unwrap_err();
            assert!(!problems.is_empty() && problems[0].place.is_some());
        }
    });
    reader.unwrap().join().unwrap();
}

#[test]
fn a_deep_value_is_refused() {
    let mut deep = json!(1);
    for _ in 0..1_000 {
        deep = json!([deep]);
    }
    let mut value = full();
    value["faults"] = deep;
    let problems = experiment_from_value(&value).unwrap_err();
    insta::assert_snapshot!(as_error(&problems));
}

#[test]
fn problems_go_into_one_error_where_there_is_no_file() {
    let mut value = full();
    value["blast_radius"]["percent"] = json!(150);
    value["faults"][0]["kind"] = json!("timeuot");
    let error = as_error(&experiment_from_value(&value).unwrap_err());
    insta::assert_snapshot!(error);
}

/// Any JSON, with names that the format knows among others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec!["30s", "payments", "timeout", "p99", "0s", "30 parsecs"]).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "name",
        "kind",
        "faults",
        "windows",
        "baseline",
        "percent",
        "tolerance",
        "metric",
        "metrics",
        "~/",
        "",
    ]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|fields| Value::Object(
                fields.into_iter().map(|(name, value)| (name.into(), value)).collect()
            )),
        ]
    })
}

/// The full experiment with its numbers and lengths of time drawn, valid or not.
fn drawn() -> impl Strategy<Value = Value> {
    let span = || {
        prop_oneof![
            (1u32..2000).prop_map(|n| format!("{n}s")),
            (1u32..400).prop_map(|n| format!("{n}m"))
        ]
    };
    let limit = || prop::num::f64::NORMAL | prop::num::f64::ZERO;
    (
        span(),
        span(),
        span(),
        span(),
        limit(),
        limit(),
        0u32..20_000,
        0u32..1500,
    )
        .prop_map(|(baseline, longest, round, recovery, most, rise, memory, points)| {
            let mut value = full();
            value["windows"]["baseline"] = json!(baseline);
            value["windows"]["round"] = json!(round);
            value["windows"]["recovery"] = json!(recovery);
            value["blast_radius"]["longest"] = json!(longest);
            value["steady_state"][1]["tolerance"] = json!({ "at_most": most, "rise_at_most_percent": rise.abs() });
            value["faults"][2]["memory_mb"] = json!(memory);
            value["steady_state"][0]["min_points"] = json!(points.min(5));
            value
        })
}

fn known_names() -> Vec<String> {
    let names = pointers(&full())
        .into_iter()
        .filter_map(|pointer| Some(pointer.rsplit_once('/')?.1.to_owned()));
    names.collect()
}

proptest! {
    #[test]
    fn no_text_breaks_the_reader(text in ".{0,200}") {
        prop_assert!(experiment_from_text(&text).is_err());
    }

    #[test]
    fn no_text_that_looks_like_yaml_breaks_the_reader(text in r#"[-:?\[\]{}&*!|>'"%@#,~ \n\t\r.a-c0-9]{0,80}"#) {
        prop_assert!(experiment_from_text(&text).is_err());
    }

    #[test]
    fn no_slip_of_the_hand_breaks_the_reader(at in any::<prop::sample::Index>(), length in 0usize..8, with in r#"[-:?\[\]{}&*!|>'"%# \n\ta-c0-9\\]{0,4}"#) {
        let mut letters: Vec<char> = serde_json::to_string_pretty(&full()).unwrap().chars().collect();
        let from = at.index(letters.len());
        let until = (from + length).min(letters.len());
        letters.splice(from..until, with.chars());
        let text: String = letters.into_iter().collect();
        match experiment_from_text(&text) {
            Ok(experiment) => assert_sound(&experiment),
            Err(problems) => prop_assert!(problems.iter().all(|problem| problem.place.is_some()), "{problems:?}\n{text}"),
        }
    }

    #[test]
    fn no_value_breaks_the_reader(value in any_json()) {
        prop_assert!(experiment_from_value(&value).is_err());
    }

    #[test]
    fn no_value_anywhere_in_an_experiment_breaks_the_reader(at in any::<prop::sample::Index>(), with in any_json()) {
        let mut value = full();
        let pointers = pointers(&value);
        *value.pointer_mut(&pointers[at.index(pointers.len())]).unwrap() = with;
        if let Ok(experiment) = experiment_from_value(&value) {
            assert_sound(&experiment);
        }
    }

    #[test]
    fn what_is_accepted_is_accepted_again_however_it_is_written(value in drawn()) {
        if let Some(experiment) = read_in_every_way(&value) {
            assert_sound(&experiment);
        }
    }

    #[test]
    fn no_unknown_field_is_accepted_anywhere(at in any::<prop::sample::Index>(), name in "[a-zA-Z_$.-]{1,16}", with in any_json()) {
        prop_assume!(!known_names().contains(&name));
        let mut value = full();
        let groups: Vec<String> = std::iter::once(String::new()).chain(pointers(&value)).filter(|pointer| {
            // The names of dimensions are free.
            value.pointer(pointer).unwrap().is_object() && !pointer.ends_with("/dimensions")
        }).collect();
        let group = &groups[at.index(groups.len())];
        value.pointer_mut(group).unwrap()[&name] = with;
        let problems = experiment_from_value(&value).expect_err("accepted");
        let inside = format!("{group}/{name}");
        prop_assert!(problems.iter().any(|problem| problem.pointer.starts_with(&inside)), "{problems:?}");
    }
}

/// So that what was started before the field existed is known again.
#[test]
fn a_default_that_is_written_out_changes_no_digest() {
    let read = |guards: Value| {
        let mut value = full();
        value["guards"] = guards;
        experiment_from_value(&value).unwrap()
    };
    let written = read(json!({ "alarms": ["shop-on-fire"], "stop_on": "harm" }));
    let left_out = read(json!({ "alarms": ["shop-on-fire"] }));
    assert_eq!(written, left_out);
    assert_eq!(written.digest(), left_out.digest());
    assert!(!serde_json::to_string(&written).unwrap().contains("stop_"));
    assert_ne!(
        written.digest(),
        read(json!({ "alarms": ["shop-on-fire"], "stop_on": "never" })).digest()
    );
}
