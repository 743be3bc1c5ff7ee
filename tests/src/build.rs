//! Valid things, to be altered in the one respect that a test is about.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use inoculate_core::experiment::{Experiment, Measure, Metric};
use inoculate_core::judge::{Point, SeriesWindow, Verdict, Window, judge};
use inoculate_core::layer::Stage;
use inoculate_core::ports::{Change, Evaluation, Grounds, Measured};
use inoculate_core::read::experiment_from_value;
use inoculate_core::run::{Cause, Ending, Event, JournalEntry, NewRun, Run, Status, TargetFunction};
use inoculate_core::setting::{Setting, SettingValue};
use inoculate_core::undo::{UndoRecord, UndoState};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::memory::{Answer, At, FunctionState, Traffic, World};

/// The function that experiments throttle.
pub const PAYMENTS: &str = "shop-payments";
/// The function that they look at.
pub const CHECKOUT: &str = "shop-checkout";

/// Any validated name from its text: `build::name("shop-payments")`.
pub fn name<T: FromStr<Err: fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// A second since 1970.
pub fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// The window from one second since 1970 to another.
pub fn window(from: i64, until: i64) -> Window {
    Window {
        from: second(from),
        until: second(until),
    }
}

/// A valid experiment as JSON: [`PAYMENTS`] is throttled, at most 1 percent of the orders at [`CHECKOUT`] may fail.
pub fn experiment_value() -> Value {
    let metric = |name: &str| json!({ "namespace": "Shop", "name": name, "statistic": "Sum", "dimensions": { "Service": CHECKOUT } });
    json!({
        "name": "payments-throttled",
        "hypothesis": "Customers can still place orders when payments is throttled.",
        "blast_radius": { "functions": [PAYMENTS], "percent": 100, "longest": "30s" },
        "windows": { "baseline": "30s", "round": "5s", "recovery": "25s" },
        "faults": [{ "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 }],
        "steady_state": [{
            "name": "failed-orders",
            "unit": "percent",
            "period": "5s",
            "metrics": { "placed": metric("OrdersPlaced"), "failed": metric("OrdersFailed") },
            "expression": "100 * failed / placed",
            "tolerance": { "at_most": 1 },
        }],
    })
}

/// A valid experiment of the layer as JSON: half of the orders find [`PAYMENTS`] a second slower, and at most 10 percent of
/// them may fail at [`CHECKOUT`].
pub fn layered_experiment_value() -> Value {
    json!({
        "name": "payments-slow",
        "hypothesis": "Customers can still place orders when payments is slow.",
        "blast_radius": { "functions": [PAYMENTS], "percent": 50, "key": "/order_id", "longest": "30s" },
        "windows": { "baseline": "30s", "round": "5s", "recovery": "25s" },
        "faults": [{ "kind": "latency", "function": PAYMENTS, "delay": "1s" }],
        "steady_state": [{
            "name": "failed-orders",
            "layer": { "function": CHECKOUT, "statistic": "error_rate" },
            "tolerance": { "at_most": 10 },
        }],
    })
}

/// The guards of an experiment as JSON: two alarms that the run makes for itself.
pub fn alarms_of_its_own() -> Value {
    let failed = metric("OrdersFailed", CHECKOUT, "Sum");
    json!({ "abort_when": [
        { "metric": failed, "period": "10s", "above": 5, "points": "2 of 3" },
        { "metric": metric("OrdersPlaced", CHECKOUT, "Sum"), "period": "10s", "below": 1 },
    ] })
}

/// The shop with the layer in both functions, and ten orders in a second. If it is fragile, an order fails whose payment
/// met a fault.
pub fn layered_shop(fragile: bool) -> Arc<World> {
    let world = if fragile { shop() } else { hardened_shop() };
    world.send(Traffic {
        per_second: 10,
        functions: vec![name(PAYMENTS), name(CHECKOUT)],
        answer: Arc::new(move |function, met| Answer {
            error: fragile && met && function.as_str() == CHECKOUT,
            ms: if met { 1020.0 } else { 20.0 },
        }),
    });
    world
}

/// The experiment of [`experiment_value`].
pub fn experiment() -> Experiment {
    experiment_with(|_| {})
}

/// The experiment of [`experiment_value`] after a change: `|value| value["windows"]["baseline"] = json!("5m")`.
/// Fails the test when it is not valid any more.
pub fn experiment_with(change: impl FnOnce(&mut Value)) -> Experiment {
    let mut value = experiment_value();
    change(&mut value);
    experiment_from_value(&value).unwrap_or_else(|problems| panic!("not a valid experiment: {problems:#?}"))
}

/// A world with [`PAYMENTS`] and [`CHECKOUT`] in it, as the naive shop behaves: ten orders in each period, and while
/// payments is throttled all of them fail.
pub fn shop() -> Arc<World> {
    shop_in_which(|at| {
        if at.function(PAYMENTS).concurrency == Some(0) {
            10.0
        } else {
            0.0
        }
    })
}

/// The same shop, hardened: no order fails whatever happens to payments.
pub fn hardened_shop() -> Arc<World> {
    shop_in_which(|_| 0.0)
}

/// A world with [`PAYMENTS`] and [`CHECKOUT`] in it, and ten orders in each period of which so many fail.
pub fn shop_in_which(failed: impl Fn(&At<'_>) -> f64 + Send + Sync + 'static) -> Arc<World> {
    let world = World::new();
    for name in [PAYMENTS, CHECKOUT] {
        world.add_function(name, FunctionState::new(name));
    }
    world.measure(
        move |metric, at| match (metric.namespace.as_str(), metric.name.as_str()) {
            ("Shop", "OrdersPlaced") => Some(10.0),
            ("Shop", "OrdersFailed") => Some(failed(at)),
            _ => None,
        },
    );
    world
}

/// The record of a new run of [`experiment`] and the first entry of its journal.
pub fn run(id: &str) -> (Run, JournalEntry) {
    run_at(id, second(1_000_000))
}

/// As [`run`], recorded at this time.
pub fn run_at(id: &str, at: Timestamp) -> (Run, JournalEntry) {
    let experiment = experiment();
    let new = NewRun {
        id: name(id),
        experiment: experiment.name.to_string(),
        digest: experiment.digest(),
        execution_arn: None,
        functions: vec![TargetFunction {
            name: name(PAYMENTS),
            arn: FunctionState::new(PAYMENTS).arn,
        }],
    };
    Run::open(new, format!("{id}-opened"), at)
}

/// The change that an event makes of a run, a second after the last one that the run knows of.
pub fn change(run: &Run, event: Event) -> Change {
    let at = run.opened_at + jiff::SignedDuration::from_secs(i64::try_from(run.version).unwrap());
    let next = run.after(&event, at).unwrap();
    let token = format!("{}-{}", run.id, event.name());
    let entry = JournalEntry {
        number: next.version,
        at,
        token,
        event,
    };
    Change {
        run: next,
        from: run.phase,
        entry,
        undo: Vec::new(),
        result: None,
    }
}

/// A run that ended as planned.
pub fn ending() -> Ending {
    Ending {
        status: Status::Completed,
        cause: Cause::WindowOver,
        detail: "the time is over".to_owned(),
    }
}

/// An undo record: [`PAYMENTS`] had nothing reserved and gets no executions.
pub fn undo(number: u32, state: UndoState) -> UndoRecord {
    UndoRecord {
        number,
        function: name(PAYMENTS),
        setting: Setting::ReservedConcurrency,
        before: SettingValue::Unreserved,
        set: SettingValue::Executions(0),
        state,
        at: second(1_000_000),
    }
}

/// What was measured when these were the values of the measure of [`experiment`].
pub fn measured(values: &[f64]) -> Measured {
    let measure = &experiment().steady_state[0];
    let points: Vec<Point> = (0..)
        .zip(values)
        .map(|(place, value)| Point {
            at: second(5 * place),
            value: *value,
        })
        .collect();
    let expected = u32::try_from(points.len()).unwrap();
    let in_baseline = SeriesWindow {
        stage: Stage::Baseline,
        expected_points: expected,
        baseline: None,
        measures: 1,
        looks: 1,
        last: false,
    };
    Measured {
        at: second(1_000_000),
        window: window(0, 5 * i64::from(expected)),
        findings: vec![judge(measure, &points, &in_baseline)],
        seen: vec![],
    }
}

/// A verdict on nothing.
pub fn evaluation(verdict: Verdict) -> Evaluation {
    Evaluation {
        at: second(1_000_000),
        verdict,
        grounds: Grounds::Measures,
        because: "a test says so".to_owned(),
        during: Some(measured(&[0.0, 0.0, 0.0])),
        recovery: None,
        recovered: None,
    }
}

/// A metric in the namespace `Shop` with one dimension.
pub fn metric(metric: &str, service: &str, statistic: &str) -> Metric {
    serde_json::from_value(json!({
        "namespace": "Shop", "name": metric, "statistic": statistic, "dimensions": { "Service": service }
    }))
    .unwrap()
}

/// A measure of one metric; no limit matters to who reads its points.
pub fn measure(period: &str, metric: &Metric) -> Measure {
    serde_json::from_value(json!({
        "name": "measured", "period": period, "metric": metric, "tolerance": { "at_most": 1 }
    }))
    .unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn in_the_naive_shop_orders_fail_just_while_payments_is_throttled() {
        for (world, failing) in [(shop(), 100.0), (hardened_shop(), 0.0)] {
            let ports = world.ports();
            let from = ports.clock.now();
            let payments = name(PAYMENTS);
            let (free, throttled) = (SettingValue::Unreserved, SettingValue::Executions(0));
            for (from, to) in [(free, throttled), (throttled, free)] {
                world.advance(10);
                let set = ports
                    .targets
                    .replace(&payments, &Setting::ReservedConcurrency, from, to);
                set.await.unwrap();
            }
            world.advance(10);
            let window = Window {
                from,
                until: ports.clock.now(),
            };
            let series = ports.metrics.series(&experiment().steady_state, window).await.unwrap();
            let values: Vec<f64> = series[0].iter().map(|point| point.value).collect();
            assert_eq!(values, [0.0, 0.0, failing, failing, 0.0, 0.0]);
        }
    }
}
