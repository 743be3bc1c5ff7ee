//! The dashboard: that CloudWatch can read it, and that it shows what is written, under the very names and dimensions.

use std::collections::{BTreeMap, BTreeSet};

use inoculate_core::emf;
use inoculate_tests::template::{inoculate, list, text};
use serde_json::{Value, json};

/// Namespace, name, and the names of the dimensions.
type Series = (String, String, BTreeSet<String>);

/// What AWS writes about the parts of the stack, and the one dimension of each.
///
/// Sources: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>,
/// <https://docs.aws.amazon.com/step-functions/latest/dg/procedure-cw-metrics.html>,
/// <https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html>,
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>,
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html>
const OF_AWS: [(&str, &[&str], &str); 5] = [
    ("AWS/Lambda", &["Errors", "Duration", "Throttles"], "FunctionName"),
    (
        "AWS/States",
        &[
            "ExecutionsStarted",
            "ExecutionsSucceeded",
            "ExecutionsFailed",
            "ExecutionsAborted",
            "ExecutionsTimedOut",
            "ExecutionThrottled",
        ],
        "StateMachineArn",
    ),
    ("AWS/Scheduler", &["InvocationDroppedCount"], "ScheduleGroup"),
    ("AWS/SQS", &["ApproximateNumberOfMessagesVisible"], "QueueName"),
    (
        "AWS/DynamoDB",
        &[
            "ReadThrottleEvents",
            "WriteThrottleEvents",
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
        ],
        "TableName",
    ),
];

/// The structure of a dashboard, as far as this one uses it.
///
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>
fn schema() -> Value {
    let words = json!({ "type": "string", "minLength": 1 });
    let rendering = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "label": words, "stat": words, "expression": { "type": "string", "minLength": 1, "maxLength": 1024 }
        }
    });
    let metric = json!({
        "type": "object",
        "required": ["title", "region", "metrics", "view", "stacked"],
        "additionalProperties": false,
        "properties": {
            "title": words, "region": words, "stat": words, "stacked": { "type": "boolean" },
            "view": { "enum": ["timeSeries", "singleValue", "gauge", "bar", "pie", "table"] },
            "period": { "type": "integer", "multipleOf": 60, "minimum": 60 },
            "metrics": { "type": "array", "minItems": 1, "maxItems": 500, "items": {
                "type": "array", "minItems": 1, "items": { "anyOf": [words, rendering] }
            } },
            "yAxis": {
                "type": "object",
                "additionalProperties": false,
                "properties": { "left": {
                    "type": "object",
                    "additionalProperties": false,
                    "properties": {
                        "min": { "type": "number" }, "max": { "type": "number" }, "label": words,
                        "showUnits": { "type": "boolean" }
                    }
                } }
            }
        }
    });
    let text = json!({
        "type": "object", "required": ["markdown"], "additionalProperties": false, "properties": { "markdown": words }
    });
    let alarm = json!({
        "type": "object",
        "required": ["alarms"],
        "additionalProperties": false,
        "properties": { "title": words, "alarms": { "type": "array", "minItems": 1, "maxItems": 100, "items": words } }
    });
    let widget = |kind: &str, properties: Value| {
        json!({
            "type": "object",
            "required": ["type", "x", "y", "width", "height", "properties"],
            "additionalProperties": false,
            "properties": {
                "type": { "const": kind },
                "x": { "type": "integer", "minimum": 0, "maximum": 23 },
                "y": { "type": "integer", "minimum": 0 },
                "width": { "type": "integer", "minimum": 1, "maximum": 24 },
                "height": { "type": "integer", "minimum": 1, "maximum": 1000 },
                "properties": properties
            }
        })
    };
    json!({
        "type": "object",
        "required": ["widgets"],
        "additionalProperties": false,
        "properties": { "widgets": { "type": "array", "minItems": 1, "maxItems": 500, "items": {
            "anyOf": [widget("metric", metric), widget("text", text), widget("alarm", alarm)]
        } } }
    })
}

/// The body as CloudFormation writes it, but for the references, which stay.
fn body() -> Value {
    let body = text(&inoculate().properties("Dashboard")["DashboardBody"]);
    serde_json::from_str(&body.replace("${!", "${")).unwrap()
}

fn widgets(body: &Value) -> &Vec<Value> {
    body["widgets"].as_array().unwrap()
}

/// Every row of every graph, with the statistic that holds for it.
fn rows(body: &Value) -> Vec<(&Vec<Value>, String)> {
    let graphs = widgets(body).iter().filter(|widget| widget["type"] == "metric");
    let rows = graphs.flat_map(|graph| {
        let rows = graph["properties"]["metrics"].as_array().unwrap().iter();
        rows.map(|row| {
            let row = row.as_array().unwrap();
            let own = row.last().and_then(|last| last["stat"].as_str());
            let stat = own.or(graph["properties"]["stat"].as_str());
            (row, stat.unwrap_or("of a search").to_owned())
        })
    });
    rows.collect()
}

fn series(namespace: &str, name: &str, dimensions: impl IntoIterator<Item = impl Into<String>>) -> Series {
    let dimensions = dimensions.into_iter().map(Into::into).collect();
    (namespace.to_owned(), name.to_owned(), dimensions)
}

/// What a row shows.
fn shown(row: &[Value]) -> Series {
    if let Some(expression) = row[0]["expression"].as_str() {
        return searched(expression);
    }
    let words: Vec<&str> = row.iter().filter_map(Value::as_str).collect();
    let [namespace, name, dimensions @ ..] = &words[..] else {
        panic!("no metric: {row:?}")
    };
    assert_eq!(dimensions.len() % 2, 0, "{row:?}");
    series(namespace, name, dimensions.iter().step_by(2).copied())
}

/// `SEARCH('{Namespace,Dimension,...} MetricName="..." Stack="..."', 'Statistic', period)`
fn searched(expression: &str) -> Series {
    let within = expression.strip_prefix("SEARCH('{").unwrap();
    let (schema, rest) = within.split_once("} MetricName=\"").unwrap();
    let (name, rest) = rest.split_once("\" Stack=\"${AWS::StackName}\"', '").unwrap();
    let (statistic, period) = rest.strip_suffix(')').unwrap().split_once("', ").unwrap();
    assert!(["Sum", "Maximum"].contains(&statistic), "{expression}");
    assert_eq!(period.parse::<u32>().unwrap() % 60, 0, "{expression}");
    let mut schema = schema.split(',');
    let namespace = schema.next().unwrap();
    series(namespace, name, schema)
}

/// What is written: by the functions, by AWS, and by the metric filters of the template.
fn written() -> BTreeSet<Series> {
    let mut written = BTreeSet::new();
    for metric in emf::ALL {
        let sets = metric.dimensions.iter();
        written.extend(sets.map(|set| series(emf::NAMESPACE, metric.name, set.iter().copied())));
    }
    for (namespace, names, dimension) in OF_AWS {
        written.extend(names.iter().map(|name| series(namespace, name, [dimension])));
    }
    for (_, filter) in inoculate().all("AWS::Logs::MetricFilter") {
        for made in list(&filter["MetricTransformations"]) {
            assert!(made["Dimensions"].is_null());
            let namespace = text(&made["MetricNamespace"]);
            written.insert(series(&namespace, made["MetricName"].as_str().unwrap(), [""; 0]));
        }
    }
    written
}

#[test]
fn it_is_a_dashboard_and_the_schema_would_notice() {
    let schema = jsonschema::validator_for(&schema()).unwrap();
    let good = body();
    let errors: Vec<String> = schema.iter_errors(&good).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    for change in [
        |body: &mut Value| body["widgets"][2]["properties"]["metrcis"] = json!([]),
        |body: &mut Value| body["widgets"][2]["width"] = json!(25),
        |body: &mut Value| body["widgets"][2]["properties"]["metrics"] = json!([]),
        |body: &mut Value| body["widgets"][1]["properties"]["alarms"] = json!([1]),
    ] {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(!schema.is_valid(&bad));
    }
}

#[test]
fn its_widgets_lie_side_by_side() {
    let body = body();
    let mut taken = BTreeMap::new();
    for widget in widgets(&body) {
        let [x, y, width, height] = ["x", "y", "width", "height"].map(|key| widget[key].as_u64().unwrap());
        assert!(x + width <= 24, "{widget}");
        for cell in (x..x + width).flat_map(|x| (y..y + height).map(move |y| (x, y))) {
            assert_eq!(taken.insert(cell, widget), None, "{widget}");
        }
    }
    // Nor is there a hole in it.
    let rows = taken.keys().map(|(_, y)| y).max().unwrap() + 1;
    assert_eq!(u64::try_from(taken.len()).unwrap(), 24 * rows);
}

/// A metric that nobody writes would be an empty graph, which looks like good news.
#[test]
fn it_shows_what_is_written_and_all_that_we_write() {
    let body = body();
    let shown: BTreeSet<Series> = rows(&body).into_iter().map(|(row, _)| shown(row)).collect();
    let written = written();
    assert_eq!(
        shown.difference(&written).collect::<Vec<_>>(),
        [] as [&Series; 0],
        "nobody writes it"
    );
    let ours = written
        .iter()
        .filter(|(namespace, _, _)| namespace.starts_with(emf::NAMESPACE));
    assert_eq!(
        ours.filter(|ours| !shown.contains(*ours)).collect::<Vec<_>>(),
        [] as [&Series; 0],
        "not shown"
    );
}

/// Of the parts of the stack, each that there is, and no other.
#[test]
fn it_shows_every_part_of_the_stack() {
    let body = body();
    let mut parts: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (row, statistic) in rows(&body) {
        let words: Vec<&str> = row.iter().filter_map(Value::as_str).collect();
        if let [namespace, name, _, part] = words[..] {
            let key = (namespace.to_owned(), name.to_owned());
            parts.entry(key).or_default().insert(part.to_owned());
            let expected = match name {
                "Duration" | "ApproximateNumberOfMessagesVisible" => &["Maximum"][..],
                "RollbackDuration" => &["p50", "Maximum"],
                _ => &["Sum"],
            };
            assert!(expected.contains(&statistic.as_str()), "{name} {statistic}");
        }
    }
    let of = |namespace: &str, name: &str| &parts[&(namespace.to_owned(), name.to_owned())];
    let functions: BTreeSet<String> = inoculate()
        .functions()
        .iter()
        .map(|name| format!("${{{name}}}"))
        .collect();
    for name in ["Errors", "Duration", "Throttles"] {
        assert_eq!(of("AWS/Lambda", name), &functions, "{name}");
    }
    let groups = inoculate()
        .all("AWS::Scheduler::ScheduleGroup")
        .map(|(name, _)| format!("${{{name}}}"));
    assert_eq!(of("AWS/Scheduler", "InvocationDroppedCount"), &groups.collect());
    assert_eq!(
        of("AWS/States", "ExecutionsFailed"),
        &["${Experiment}".to_owned()].into()
    );
    assert_eq!(
        of("AWS/DynamoDB", "WriteThrottleEvents"),
        &["${Table}".to_owned()].into()
    );
    assert_eq!(
        of(emf::NAMESPACE, "RollbackDuration"),
        &["${AWS::StackName}".to_owned()].into()
    );

    let alarms = inoculate()
        .all("AWS::CloudWatch::Alarm")
        .map(|(name, _)| format!("${{{name}.Arn}}"));
    let shown = widgets(&body).iter().filter(|widget| widget["type"] == "alarm");
    let shown = shown.flat_map(|widget| list(&widget["properties"]["alarms"]));
    assert_eq!(shown.map(text).collect::<BTreeSet<_>>(), alarms.collect());
}
