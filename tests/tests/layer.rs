//! The shop behind the layer, on the local stack: templates, roles and binaries as they are. The leases are written by
//! hand, as `docs/layer.md` has them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

#[path = "layer/bootstrap.rs"]
mod bootstrap;

use std::process::Command;

use inoculate_core::groups::Group;
use inoculate_core::sketch::{Counts, Seen};
use inoculate_stack::{Deployment, Guarded, Stack, dev_binaries, workspace_root};
use inoculate_tests::eventually;
use serde_json::{Value, json};

const RUN: &str = "behind-the-layer";
const PAYMENTS: &str = "shop-payments";
const CHECKOUT: &str = "shop-checkout-naive";

/// How long the fault keeps payments waiting, in milliseconds.
const DELAY_MS: f64 = 1000.0;

/// How many requests of each group are enough.
const ENOUGH: u64 = 4;

/// The local stack with Inoculate and the shop in it.
struct Shop {
    stack: Stack,
    layer: String,
    payments: String,
    checkout: String,
}

impl Shop {
    fn open() -> Shop {
        let stack = Stack::start().unwrap_or_else(|error| panic!("{error}"));
        let deploy = |name: &str, template: &str| {
            let deployment = Deployment::new(name, workspace_root().join(template));
            stack.deploy(&deployment).unwrap_or_else(|error| panic!("{error}"))
        };
        let inoculate = deploy("inoculate", "infra/template.yaml");
        deploy("shop", "examples/shop/template.yaml");
        let mut shop = Shop {
            layer: inoculate["LayerArn"].clone(),
            stack,
            payments: String::new(),
            checkout: String::new(),
        };
        // Nobody waits ten seconds here until the layer sees that there is a lease. It sees how checkout calls payments.
        let more = json!({ "INOCULATE_POLL_MS": "200", "INOCULATE_DEPENDENCIES": "lambda" });
        let arns = shop.world("configure", &json!({ "functions": [PAYMENTS, CHECKOUT], "more": more }));
        [shop.payments, shop.checkout] = [0, 1].map(|place| arns[place].as_str().unwrap().to_owned());
        shop
    }

    /// Does something to the world; see `world.py`.
    fn world(&self, action: &str, arguments: &Value) -> Value {
        let script = include_str!("layer/world.py");
        let answer = self.stack.call(script, action, arguments);
        answer.unwrap_or_else(|error| panic!("{action} {arguments}: {error}\n{}", self.stack.log_tail(20)))
    }

    /// Customers who place orders until they are dropped.
    fn customers(&self) -> Guarded {
        let mut command = Guarded::command(self.stack.python(), self.stack.python().python());
        let arguments = json!({ "function": CHECKOUT, "count": 3 }).to_string();
        command
            .args(["-c", include_str!("layer/world.py"), "customers", &arguments])
            .envs(self.stack.env());
        Guarded::spawn(command).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Gives a function to the run.
    fn lease(&self, function_arn: &str, role: &str, stage: &str, faults: &Value) {
        let attributes = json!({
            "schema_version": 1, "function_arn": function_arn, "run_id": RUN, "fence": 1,
            "role": role, "stage": stage, "salt": "a salt", "percent": 50, "key": "/order_id",
            "faults": faults, "poll_ms": 200,
        });
        self.world("lease", &json!({ "attributes": attributes }));
    }

    /// What the layers of all environments of a function saw in a stage.
    fn seen(&self, function_arn: &str, stage: &str) -> Seen {
        let mut seen = Seen::default();
        let items = self.world("sketches", &json!({ "run_id": RUN }));
        let items = items.as_array().unwrap().iter();
        for item in items.filter(|item| item["function_arn"] == function_arn && item["stage"] == stage) {
            let group = |name: &str| serde_json::from_value::<Counts>(whole_numbers(&item[name])).unwrap();
            seen.control.merge(&group("control"));
            seen.experimental.merge(&group("experimental"));
        }
        seen
    }

    /// Waits until enough was seen in a stage.
    async fn saw(&self, function_arn: &str, stage: &str, enough: impl Fn(&Seen) -> bool) -> Seen {
        let ask = || async { Some(self.seen(function_arn, stage)).filter(&enough) };
        eventually(&format!("{function_arn} saw enough in stage {stage}"), ask).await
    }
}

/// DynamoDB has one kind of number.
fn whole_numbers(counts: &Value) -> Value {
    match counts {
        Value::Number(number) => json!(number.as_f64().unwrap() as u64),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), whole_numbers(value)))
            .collect(),
        other => other.clone(),
    }
}

fn group(seen: &Seen, group: Group) -> &Counts {
    match group {
        Group::Control => &seen.control,
        Group::Experimental => &seen.experimental,
    }
}

fn enough_of_both(seen: &Seen) -> bool {
    [Group::Control, Group::Experimental]
        .into_iter()
        .all(|of| group(seen, of).requests >= ENOUGH)
}

/// How many requests took as long as the fault, within the accuracy of a sketch.
fn slow(counts: &Counts) -> u64 {
    let slow = counts.durations.buckets().filter(|(ms, _)| *ms >= DELAY_MS * 0.98);
    slow.map(|(_, count)| count).sum()
}

/// In both functions requests are told apart by the order, and none of them failed.
fn assert_by_order_and_well(seen: &Seen) {
    for of in [Group::Control, Group::Experimental] {
        let counts = group(seen, of);
        assert_eq!((counts.by_field, counts.errors), (counts.requests, 0), "{seen:?}");
    }
}

#[tokio::test]
async fn a_lease_slows_half_of_the_orders_and_nothing_else() {
    let shop = Shop::open();
    let none = json!([]);
    for function in [&shop.payments, &shop.checkout] {
        shop.lease(function, "observe", "baseline", &none);
    }
    let customers = shop.customers();
    for function in [&shop.payments, &shop.checkout] {
        let seen = shop.saw(function, "baseline", enough_of_both).await;
        assert_by_order_and_well(&seen);
        assert_eq!((seen.control.injected, seen.experimental.injected), (0, 0), "{seen:?}");
    }

    let slower = json!([{ "fault": {
        "kind": "latency", "delay": { "distribution": "fixed", "ms": DELAY_MS as u64 }, "at": "before"
    } }]);
    shop.lease(&shop.payments, "fault", "injection", &slower);
    let injected = |seen: &Seen| enough_of_both(seen) && seen.experimental.injected >= ENOUGH;
    let seen = shop.saw(&shop.payments, "injection", injected).await;
    assert_by_order_and_well(&seen);
    assert_eq!(seen.control.injected, 0, "{seen:?}");
    assert!(slow(&seen.experimental) >= seen.experimental.injected, "{seen:?}");

    // Checkout has no fault of its own: what is slow there waits for payments, and is the same half of the orders.
    shop.lease(&shop.checkout, "observe", "injection", &none);
    let waits = |seen: &Seen| {
        let median = |of| group(seen, of).durations.quantile(0.5);
        enough_of_both(seen)
            && slow(&seen.experimental) >= ENOUGH
            && median(Group::Control) < median(Group::Experimental)
    };
    let seen = shop.saw(&shop.checkout, "injection", waits).await;
    assert_by_order_and_well(&seen);
    assert_eq!((seen.control.injected, seen.experimental.injected), (0, 0), "{seen:?}");

    let told = || async {
        let lines = shop.world("log", &json!({ "function": PAYMENTS, "text": "a fault begins" }));
        lines.get(0).cloned()
    };
    let line = eventually("the log says that a fault begins", told).await;
    let line: Value = serde_json::from_str(line.as_str().unwrap()).unwrap();
    let said = ["source", "run_id", "fault", "group"].map(|name| line[name].as_str().unwrap());
    assert_eq!(said, ["inoculate-layer", RUN, "latency", "experimental"]);
    drop(customers);
}

/// The record of a run says what came of the calls of checkout: each request made one, and those of the experimental group
/// waited for payments.
fn assert_calls_are_told(during: &Value) {
    let mut functions = during["seen"].as_array().unwrap().iter();
    let checkout = functions.find(|seen| seen["function"] == CHECKOUT).unwrap();
    let [control, experimental] = ["control", "experimental"].map(|group| {
        let calls = checkout[group]["calls"].as_object().unwrap();
        assert_eq!(calls.keys().collect::<Vec<_>>(), ["lambda Invoke"], "{checkout:#}");
        let told = &calls["lambda Invoke"];
        assert_eq!(told["callers"], checkout[group]["requests"], "{checkout:#}");
        assert_eq!(
            (&told["failed"], &told["injected"]),
            (&Value::Null, &Value::Null),
            "{checkout:#}"
        );
        told["p50"].as_f64().unwrap()
    });
    assert!(control < experimental && experimental > DELAY_MS * 0.94, "{checkout:#}");
}

/// A whole run: the state machine, the steps with their roles, the layer in the functions, and the command that tells.
#[tokio::test]
async fn a_run_slows_half_of_the_orders_and_tells_what_both_halves_experienced() {
    let shop = Shop::open();
    let customers = shop.customers();
    let experiment = json!({
        "name": "slow", "hypothesis": "Nobody waits for payments.",
        "blast_radius": { "functions": [PAYMENTS], "percent": 50, "key": "/order_id", "longest": "40s" },
        "windows": { "baseline": "15s", "round": "2s", "recovery": "10s" },
        "faults": [{ "kind": "latency", "function": PAYMENTS, "delay": "1s" }],
        "steady_state": [{
            "name": "waiting",
            "layer": { "function": CHECKOUT, "statistic": "p50", "min_requests": 10 },
            "tolerance": { "above_control_at_most": 300 },
        }],
    });
    let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    std::fs::write(file.path(), experiment.to_string()).unwrap();
    let mut command = Command::new(dev_binaries().join("inoculate"));
    let command = shop.stack.reached_by(command.args(["run", "--json"]).arg(file.path()));
    let output = command.output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}\n{}", shop.stack.log_tail(20)));
    assert_eq!(output.status.code(), Some(1), "deviated: {told:#}");

    let results = &told["results"];
    let [baseline, during, recovery] = [
        &results["baseline"],
        &results["evaluation"]["during"],
        &results["evaluation"]["recovery"],
    ];
    for (measured, stage) in [(baseline, "baseline"), (during, "injection"), (recovery, "recovery")] {
        for seen in measured["seen"].as_array().unwrap() {
            assert_eq!(
                (&seen["stage"], &seen["problems"]),
                (&json!(stage), &json!([])),
                "{seen:#}"
            );
            assert!(seen["keys"]["field"].as_u64() > Some(0), "{seen:#}");
            let injected = |group: &str| seen[group]["injected"].as_u64().unwrap();
            let met = stage == "injection" && seen["function"] == PAYMENTS;
            assert_eq!(
                (injected("control"), injected("experimental") > 0),
                (0, met),
                "{seen:#}"
            );
        }
    }
    assert_calls_are_told(during);
    let finding = &during["findings"][0];
    assert_eq!(
        (&finding["verdict"], &finding["reason"]),
        (&json!("deviated"), &json!("beyond"))
    );
    // What the verdict says: the whole interval of the difference is over the margin.
    let claim = &finding["claims"][0];
    assert!(claim["low"].as_f64() > claim["limit"].as_f64(), "{finding:#}");
    assert_eq!(told["run"]["status"], "completed");
    for function in [&shop.payments, &shop.checkout] {
        assert_eq!(shop.world("role", &json!({ "function_arn": function })), "released");
    }
    drop(customers);
}

#[test]
fn the_layer_is_published_with_its_programs() {
    let shop = Shop::open();
    let files = shop.world("published", &json!({ "layer": shop.layer }));
    let program = "0o100755";
    assert_eq!(
        files,
        json!({ "extensions/inoculate-layer": program, "inoculate-exec": program })
    );
}

/// The policy is what lets the layer read, and the shop does not need it.
#[tokio::test]
async fn without_the_policy_the_shop_goes_on() {
    let shop = Shop::open();
    for role in ["PaymentsRole", "CheckoutRole"] {
        shop.world("revoke", &json!({ "role": role, "policy": "inoculate-layer" }));
    }
    shop.lease(&shop.payments, "observe", "baseline", &json!([]));
    let told = || async {
        let order = shop.world("order", &json!({ "function": CHECKOUT, "order_id": "o-1" }));
        assert_eq!(order, json!({ "order_id": "o-1", "status": "paid" }));
        let lines = shop.world("log", &json!({ "function": PAYMENTS, "text": "inoculate-layer" }));
        let mut lines = lines.as_array().unwrap().iter().filter_map(Value::as_str);
        lines.any(|line| line.contains("AccessDenied")).then_some(())
    };
    eventually("the log says why there is no experiment", told).await;
}
