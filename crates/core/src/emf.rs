//! The metrics that Inoculate writes about its own runs, as lines of the embedded metric format of CloudWatch.
//!
//! A function prints a line, and CloudWatch makes metrics of it. So nothing waits for it, no permission is needed, and whoever
//! wonders about a point finds the run in the log: its id is in the line, and never a dimension, for each new value of a
//! dimension is another metric that is paid for. The dashboard in `infra/template.yaml` shows every one of these.
//!
//! Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>

use jiff::SignedDuration;
use serde_json::{Map, Value, json};

use crate::ports::{Change, Measured, RunResult};
use crate::run::{Event, Run, Status};
use crate::seen::GroupSummary;

/// The namespace of all of them.
pub const NAMESPACE: &str = "Inoculate";

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its unit, as CloudWatch has it.
    pub unit: &'static str,
    /// The sets of dimensions that it is written with.
    pub dimensions: &'static [&'static [&'static str]],
}

/// A run that is over: 1 each. The status is one of [`Status`].
pub const RUNS: Metric = Metric {
    name: "Runs",
    unit: "Count",
    dimensions: &[&["Stack", "Status"]],
};
/// A completed run: 1 each. The verdict of a run that ended otherwise says nothing.
pub const VERDICTS: Metric = Metric {
    name: "Verdicts",
    unit: "Count",
    dimensions: &[&["Stack", "Verdict"], &["Stack", "Experiment", "Verdict"]],
};
/// How long a run took, from its opening to its end.
pub const RUN_DURATION: Metric = Metric {
    name: "RunDuration",
    unit: "Seconds",
    dimensions: &[&["Stack", "Experiment"]],
};
/// How long a rollback took in which something may have had to be put back, from its beginning until nothing was left.
pub const ROLLBACK_DURATION: Metric = Metric {
    name: "RollbackDuration",
    unit: "Milliseconds",
    dimensions: &[&["Stack"]],
};
/// How many requests have met a fault in a run so far, all functions together. Once a round, where the layer takes part.
pub const INJECTED_REQUESTS: Metric = Metric {
    name: "InjectedRequests",
    unit: "Count",
    dimensions: &[&["Stack", "Experiment"]],
};
/// How many requests a group has had so far while the faults were there, all functions together. Once a round, where the layer
/// takes part.
pub const GROUP_SIZE: Metric = Metric {
    name: "GroupSize",
    unit: "Count",
    dimensions: &[&["Stack", "Experiment", "Group"]],
};
/// How many of these had no answer, timeouts included.
pub const ERROR_RATE: Metric = Metric {
    name: "ErrorRate",
    unit: "Percent",
    dimensions: &[&["Stack", "Experiment", "Group"]],
};

/// All of them.
pub const ALL: [Metric; 7] = [
    RUNS,
    VERDICTS,
    RUN_DURATION,
    ROLLBACK_DURATION,
    INJECTED_REQUESTS,
    GROUP_SIZE,
    ERROR_RATE,
];

/// The lines that tell of a change of the record of a run in this stack; none for most.
pub fn of_change(stack: &str, change: &Change) -> Vec<Value> {
    let about = |values: Vec<(Metric, f64)>, more: &[(&str, &str)]| {
        let mut dimensions = vec![("Stack", stack), ("Experiment", change.run.experiment.as_str())];
        dimensions.extend_from_slice(more);
        line(change, &dimensions, &values)
    };
    match (&change.entry.event, &change.result) {
        (Event::Observed { .. }, Some(RunResult::Observation { measured, .. })) if !measured.seen.is_empty() => {
            let (control, experimental) = groups(measured);
            let injected = (INJECTED_REQUESTS, experimental.injected as f64);
            vec![
                about(of_group(&control), &[("Group", "control")]),
                about(
                    [of_group(&experimental), vec![injected]].concat(),
                    &[("Group", "experimental")],
                ),
            ]
        }
        (Event::Closed { status, verdict }, _) => {
            let verdict = verdict.to_string();
            vec![about(
                of_end(&change.run, *status),
                &[("Status", status.name()), ("Verdict", &verdict)],
            )]
        }
        _ => vec![],
    }
}

/// Both groups, all functions together.
fn groups(measured: &Measured) -> (GroupSummary, GroupSummary) {
    let mut sums = (GroupSummary::default(), GroupSummary::default());
    for seen in &measured.seen {
        for (sum, group) in [(&mut sums.0, &seen.control), (&mut sums.1, &seen.experimental)] {
            sum.requests = sum.requests.saturating_add(group.requests);
            sum.errors = sum.errors.saturating_add(group.errors);
            sum.injected = sum.injected.saturating_add(group.injected);
        }
    }
    sums
}

/// A group without requests has no error rate.
fn of_group(group: &GroupSummary) -> Vec<(Metric, f64)> {
    let mut values = vec![(GROUP_SIZE, group.requests as f64)];
    if group.requests > 0 {
        values.push((ERROR_RATE, 100.0 * group.errors as f64 / group.requests as f64));
    }
    values
}

fn of_end(run: &Run, status: Status) -> Vec<(Metric, f64)> {
    let mut values = vec![(RUNS, 1.0)];
    if status == Status::Completed {
        values.push((VERDICTS, 1.0));
    }
    if let Some(closed_at) = run.closed_at {
        values.push((RUN_DURATION, millis(closed_at.duration_since(run.opened_at)) / 1000.0));
    }
    if let (Some(_), Some(began), Some(gone)) = (run.injecting_at, run.rollback_at, run.rolled_back_at) {
        values.push((ROLLBACK_DURATION, millis(gone.duration_since(began))));
    }
    values
}

fn millis(time: SignedDuration) -> f64 {
    time.as_millis() as f64
}

/// One line: what CloudWatch is to make of it, then dimensions, values, and what helps to find the run.
fn line(change: &Change, dimensions: &[(&str, &str)], values: &[(Metric, f64)]) -> Value {
    let directives = values.iter().map(|(metric, _)| {
        json!({
            "Namespace": NAMESPACE,
            "Dimensions": metric.dimensions,
            "Metrics": [{ "Name": metric.name, "Unit": metric.unit }],
        })
    });
    let mut line = Map::new();
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": change.entry.at.as_millisecond(),
            "CloudWatchMetrics": directives.collect::<Vec<_>>(),
        }),
    );
    line.insert("level".to_owned(), json!("INFO"));
    line.insert("message".to_owned(), json!("metrics"));
    line.insert("run_id".to_owned(), json!(change.run.id));
    line.insert("number".to_owned(), json!(change.entry.number));
    line.extend(
        dimensions
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value))),
    );
    line.extend(
        values
            .iter()
            .map(|(metric, value)| (metric.name.to_owned(), json!(value))),
    );
    Value::Object(line)
}
