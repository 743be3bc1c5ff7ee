//! What the experiments of this test are, what others do to functions, and the names of everything.

use inoculate_tests::build::{self, CHECKOUT, PAYMENTS};
use inoculate_tests::memory::FunctionState;
use serde_json::{Value, json};

use super::op::{Deploy, Faults};
use super::reference::LONGEST;

pub(crate) const FUNCTIONS: [&str; 2] = [PAYMENTS, CHECKOUT];
pub(crate) const SOURCE: &str = "arn:aws:sqs:eu-west-1:123456789012:orders";
pub(crate) const ALARM: &str = "unhappy";

pub(crate) fn set(function: &mut FunctionState, what: Deploy) {
    match what {
        Deploy::Timeout(place) => function.timeout_secs = [3, 7, 20][place],
        Deploy::Memory(place) => function.memory_mb = [256, 512, 1024][place],
        Deploy::Concurrency(place) => function.concurrency = [None, Some(5), Some(50)][place],
        Deploy::SourceOn => function.sources.values_mut().for_each(|mapping| mapping.enabled = true),
        Deploy::Delete | Deploy::MakeAnew => {}
    }
}

pub(crate) fn experiment(faults: Faults) -> Value {
    let timeout = |function: &str| json!({ "kind": "timeout", "function": function, "timeout": "1s" });
    let slow = |function: &str| json!({ "kind": "latency", "function": function, "delay": "1s" });
    let (functions, faults) = match faults {
        Faults::Settings => (
            json!([PAYMENTS]),
            json!([
                { "kind": "reserved_concurrency", "function": PAYMENTS, "executions": 0 },
                timeout(PAYMENTS),
                { "kind": "memory", "function": PAYMENTS, "memory_mb": 128 },
                { "kind": "event_source_disabled", "function": PAYMENTS, "source": SOURCE },
            ]),
        ),
        Faults::Layer => (json!([PAYMENTS]), json!([slow(PAYMENTS)])),
        Faults::Both => (json!([CHECKOUT, PAYMENTS]), json!([slow(CHECKOUT), timeout(PAYMENTS)])),
        Faults::Other => (json!([CHECKOUT]), json!([timeout(CHECKOUT)])),
    };
    let mut value = build::experiment_value();
    value["blast_radius"]["functions"] = functions;
    value["blast_radius"]["longest"] = json!(format!("{}s", LONGEST.as_secs()));
    value["guards"] = json!({ "alarms": [ALARM] });
    value["faults"] = faults;
    value
}
