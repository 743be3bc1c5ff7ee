//! The sample shop on the local stack, with the programs as people use them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what it found by panicking"
)]

#[path = "shop/demo.rs"]
mod demo;
#[path = "shop/getting_started.rs"]
mod getting_started;
#[path = "shop/weaknesses.rs"]
mod weaknesses;

use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use inoculate_stack::{Deployment, Guarded, Stack, dev_binaries, workspace_root};
use serde_json::{Value, json};

const NAIVE: &str = "shop-checkout-naive";
const HARDENED: &str = "shop-checkout-hardened";
const PAYMENTS: &str = "shop-payments";
const ORDERS: &str = "shop-orders";
/// The region of the replica of the orders, by default of the template.
const STANDBY_REGION: &str = "eu-central-1";

/// Orders per second.
const RATE: &str = "4";

/// One test after the other: together their shops are too much for two processors.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Inoculate and the shop, with the replica of the orders that the local stack does not make.
fn open() -> Stack {
    let stack = Stack::start().unwrap_or_else(|error| panic!("{error}"));
    for (name, template) in [
        ("inoculate", "infra/template.yaml"),
        ("shop", "examples/shop/template.yaml"),
    ] {
        let deployment = Deployment::new(name, workspace_root().join(template));
        stack.deploy(&deployment).unwrap_or_else(|error| panic!("{error}"));
    }
    world(&stack, "replica", &json!({ "table": ORDERS, "region": STANDBY_REGION }));
    // Nobody waits ten seconds here until the layer sees that there is a lease.
    world(
        &stack,
        "configure",
        &json!({ "functions": [PAYMENTS, NAIVE, HARDENED], "more": { "INOCULATE_POLL_MS": "500" } }),
    );
    stack
}

fn world(stack: &Stack, action: &str, arguments: &Value) {
    let script = include_str!("layer/world.py");
    let answer = stack.call(script, action, arguments);
    answer.unwrap_or_else(|error| panic!("{action} {arguments}: {error}\n{}", stack.log_tail(20)));
}

fn inoculate(stack: &Stack, arguments: &[&str]) -> Output {
    let mut command = Command::new(dev_binaries().join("inoculate"));
    stack.reached_by(command.args(arguments)).output().unwrap()
}

/// Customers of a checkout, for so long.
fn traffic(stack: &Stack, checkout: &str, time: &str) -> Guarded {
    let mut command = Guarded::command(stack.python(), dev_binaries().join("shop-traffic"));
    stack.reached_by(command.args(["--function", checkout, "--rate", RATE, "--for", time]));
    Guarded::spawn(command).unwrap_or_else(|error| panic!("{error}"))
}
