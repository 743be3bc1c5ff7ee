//! The metrics about runs: what the lines of a whole run say, and that CloudWatch can read each of them.
#![expect(clippy::unwrap_used, reason = "a test says what it found by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use inoculate_core::emf::{self, Metric};
use inoculate_core::run::Status;
use inoculate_tests::machine::Machine;
use inoculate_tests::{World, build};
use serde_json::{Value, json};

const UNITS: [&str; 27] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
];

/// The schema of the specification.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>
fn schema() -> Value {
    let word = json!({ "type": "string", "minLength": 1, "maxLength": 1024 });
    json!({
        "type": "object",
        "required": ["_aws"],
        "properties": { "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "additionalProperties": false,
            "properties": {
                "Timestamp": { "type": "integer", "minimum": 0 },
                "CloudWatchMetrics": { "type": "array", "minItems": 1, "items": {
                    "type": "object",
                    "required": ["Namespace", "Dimensions", "Metrics"],
                    "additionalProperties": false,
                    "properties": {
                        "Namespace": word,
                        "Dimensions": { "type": "array", "minItems": 1, "items": {
                            "type": "array", "minItems": 0, "maxItems": 30,
                            "items": { "type": "string", "minLength": 1, "maxLength": 250 }
                        } },
                        "Metrics": { "type": "array", "minItems": 1, "maxItems": 100, "items": {
                            "type": "object",
                            "required": ["Name"],
                            "additionalProperties": false,
                            "properties": {
                                "Name": word,
                                "Unit": { "enum": UNITS },
                                "StorageResolution": { "enum": [1, 60] }
                            }
                        } }
                    }
                } }
            }
        } }
    })
}

/// What CloudWatch makes of a line, as the specification says: metric and dimensions, with the value.
fn points(line: &Value) -> Vec<(String, BTreeMap<String, String>, f64)> {
    let mut points = Vec::new();
    for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
        assert_eq!(directive["Namespace"], emf::NAMESPACE);
        for metric in directive["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            let value = line[name].as_f64().unwrap();
            assert!(value.is_finite() && value >= 0.0, "{line}");
            for set in directive["Dimensions"].as_array().unwrap() {
                let dimension = |name: &Value| {
                    let name = name.as_str().unwrap();
                    (name.to_owned(), line[name].as_str().unwrap().to_owned())
                };
                let dimensions = set.as_array().unwrap().iter().map(dimension).collect();
                points.push((name.to_owned(), dimensions, value));
            }
        }
    }
    points
}

/// The lines of a run, each of them checked.
async fn lines(world: &Arc<World>, experiment: &Value) -> (Option<Status>, Vec<Value>) {
    let status = Machine::new(world, world.ports(), build::name("run"))
        .execute(experiment)
        .await;
    let lines = world.look(|state| state.telemetry.clone());
    let schema = jsonschema::validator_for(&schema()).unwrap();
    for line in &lines {
        assert!(schema.is_valid(line), "{line:#}");
        assert!(line.to_string().len() < 256 * 1024);
        assert_eq!((&line["run_id"], &line["Stack"]), (&json!("run"), &json!("inoculate")));
    }
    (status, lines)
}

fn values(lines: &[Value], metric: Metric, dimensions: &[(&str, &str)]) -> Vec<f64> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let wanted: BTreeMap<String, String> = dimensions.iter().map(owned).collect();
    let all = lines.iter().flat_map(points);
    all.filter(|(name, dimensions, _)| *name == metric.name && *dimensions == wanted)
        .map(|(_, _, value)| value)
        .collect()
}

#[tokio::test]
async fn a_run_with_the_layer_tells_of_its_groups_in_each_round_and_of_its_end() {
    let world = build::layered_shop(true);
    let experiment = build::layered_experiment_value();
    let (status, lines) = lines(&world, &experiment).await;
    assert_eq!(status, Some(Status::Completed));
    let recorded = world.run(&build::name("run"));
    let rounds = usize::try_from(recorded.run.rounds).unwrap();
    assert!(rounds > 0);
    let name = experiment["name"].as_str().unwrap();
    let of_group = |metric, group| {
        values(
            &lines,
            metric,
            &[("Stack", "inoculate"), ("Experiment", name), ("Group", group)],
        )
    };
    for (group, is_experimental) in [("control", false), ("experimental", true)] {
        let sizes = of_group(emf::GROUP_SIZE, group);
        let seen = recorded.observations.values().map(|measured| {
            let seen = measured.seen.iter();
            let group = seen.map(|seen| {
                if is_experimental {
                    &seen.experimental
                } else {
                    &seen.control
                }
            });
            group.fold((0, 0), |sum, group| (sum.0 + group.requests, sum.1 + group.errors))
        });
        let seen: Vec<(u64, u64)> = seen.collect();
        assert_eq!(
            sizes,
            seen.iter().map(|seen| seen.0 as f64).collect::<Vec<_>>(),
            "{group}"
        );
        let rates = seen.iter().filter(|seen| seen.0 > 0);
        let rates: Vec<f64> = rates.map(|seen| 100.0 * seen.1 as f64 / seen.0 as f64).collect();
        assert_eq!(of_group(emf::ERROR_RATE, group), rates, "{group}");
    }
    let of_experiment = [("Stack", "inoculate"), ("Experiment", name)];
    let injected = values(&lines, emf::INJECTED_REQUESTS, &of_experiment);
    assert_eq!(injected.len(), rounds);
    assert!(injected.is_sorted() && injected.last() > Some(&0.0), "{injected:?}");

    let run = &recorded.run;
    let verdict = run.verdict.unwrap().to_string();
    assert_eq!(
        values(&lines, emf::RUNS, &[("Stack", "inoculate"), ("Status", "completed")]),
        [1.0]
    );
    assert_eq!(
        values(&lines, emf::VERDICTS, &[("Stack", "inoculate"), ("Verdict", &verdict)]),
        [1.0]
    );
    let both = [of_experiment.as_slice(), &[("Verdict", &verdict)]].concat();
    assert_eq!(values(&lines, emf::VERDICTS, &both), [1.0]);
    let secs = run.closed_at.unwrap().duration_since(run.opened_at).as_secs() as f64;
    assert_eq!(values(&lines, emf::RUN_DURATION, &of_experiment), [secs]);
    let rollback = run.rolled_back_at.unwrap().duration_since(run.rollback_at.unwrap());
    assert_eq!(
        values(&lines, emf::ROLLBACK_DURATION, &[("Stack", "inoculate")]),
        [rollback.as_millis() as f64]
    );
}

/// What is written is what is declared, and what is declared is written: the dashboard relies on it.
#[tokio::test]
async fn every_metric_is_written_as_it_is_declared() {
    let (_, lines) = lines(&build::layered_shop(true), &build::layered_experiment_value()).await;
    let mut written = BTreeSet::new();
    for line in &lines {
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            written.insert((directive["Metrics"][0].to_string(), directive["Dimensions"].to_string()));
        }
    }
    let declared = emf::ALL.map(|metric| {
        let named = json!({ "Name": metric.name, "Unit": metric.unit });
        (named.to_string(), json!(metric.dimensions).to_string())
    });
    assert_eq!(written, declared.into());
}

/// Each new value of a dimension is another metric that is paid for.
#[test]
fn no_dimension_names_a_run() {
    for metric in emf::ALL {
        for dimension in metric.dimensions.iter().flat_map(|set| set.iter()) {
            let few = ["Stack", "Experiment", "Status", "Verdict", "Group"];
            assert!(few.contains(dimension), "{}: {dimension}", metric.name);
        }
    }
}

/// A run that was refused has no verdict that says anything, and rolled nothing back.
#[tokio::test]
async fn a_refused_run_counts_as_a_run_and_as_no_verdict() {
    let mut invalid = build::experiment_value();
    invalid["blast_radius"]["percent"] = json!(500);
    for experiment in [json!("never-saved"), invalid] {
        let (status, lines) = lines(&build::shop(), &experiment).await;
        assert_eq!(status, Some(Status::Refused));
        let [line] = &lines[..] else {
            panic!("not one line: {lines:?}")
        };
        let names: BTreeSet<String> = points(line).into_iter().map(|(name, _, _)| name).collect();
        assert_eq!(names, ["RunDuration", "Runs"].map(str::to_owned).into());
        assert_eq!(
            values(&lines, emf::RUNS, &[("Stack", "inoculate"), ("Status", "refused")]),
            [1.0]
        );
    }
}

/// Steps that are run again count nothing twice.
#[tokio::test]
async fn a_step_that_is_run_again_counts_once() {
    let world = build::shop();
    let mut machine = Machine::new(&world, world.ports(), build::name("run"));
    machine.twice = true;
    assert_eq!(
        machine.execute(&build::experiment_value()).await,
        Some(Status::Completed)
    );
    let lines = world.look(|state| state.telemetry.clone());
    assert_eq!(
        values(&lines, emf::RUNS, &[("Stack", "inoculate"), ("Status", "completed")]),
        [1.0]
    );
}
