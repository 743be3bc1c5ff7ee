//! Requests through functions that have the layer: each second, as the clock of the world moves. The layer's own code decides
//! by the leases in this world, and what it saw is written as it would be.

use std::sync::Arc;

use inoculate_core::layer::{self, Caps, Decision, Material, Moment, ReadLease};
use inoculate_core::names::FunctionName;
use inoculate_core::seen::SketchRecord;
use inoculate_core::sketch::{Observation, Seen};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{State, World};

/// What a caller of a function gets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Answer {
    /// Whether it is an error.
    pub error: bool,
    /// How long the caller waits, in milliseconds.
    pub ms: f64,
}

/// How functions answer: by function, and whether a fault happened in it or further in.
type Behaviour = Arc<dyn Fn(&FunctionName, bool) -> Answer + Send + Sync>;

/// Requests that pass through functions with the layer.
#[derive(Clone)]
pub struct Traffic {
    /// Requests in a second. Each has an `order_id` of its own.
    pub per_second: u32,
    /// The functions that each request passes through, the innermost first.
    pub functions: Vec<FunctionName>,
    /// What they answer.
    pub answer: Behaviour,
}

impl World {
    /// Sends requests from now on.
    pub fn send(&self, traffic: Traffic) {
        *self.traffic.lock().expect("no test panics while it holds the lock") = Some(traffic);
    }

    /// Lets the time up to `until` pass. No lease changes in between.
    pub(super) fn pass(&self, until: Timestamp) {
        let traffic = self
            .traffic
            .lock()
            .expect("no test panics while it holds the lock")
            .clone();
        self.change(|state| {
            if let Some(traffic) = &traffic {
                let layers = state.layers(traffic);
                for second in state.now.as_second() + 1..=until.as_second() {
                    state.now = Timestamp::from_second(second).unwrap();
                    for request in 0..traffic.per_second {
                        state.serve(traffic, &layers, &format!("{second}-{request}"));
                    }
                }
            }
            state.now = until;
        });
    }
}

/// A function with the layer, and what its lease says.
struct Layer {
    function: FunctionName,
    arn: String,
    lease: Option<ReadLease>,
}

impl State {
    fn layers(&self, traffic: &Traffic) -> Vec<Layer> {
        let functions = traffic.functions.iter().filter_map(|name| {
            let arn = self.functions.get(name)?.arn.clone();
            let item = self.leases.get(&arn).map(|lease| serde_json::to_value(lease).unwrap());
            Some(Layer {
                function: name.clone(),
                lease: item.and_then(|item| layer::read(&item, &arn).ok()?),
                arn,
            })
        });
        functions.collect()
    }

    fn serve(&mut self, traffic: &Traffic, layers: &[Layer], order: &str) {
        let event = json!({ "order_id": order });
        let mut met = false;
        for layer in layers {
            let decision = layer.lease.as_ref().and_then(|lease| self.decide(lease, &event, order));
            let injected = decision.as_ref().is_some_and(|it| !it.faults.faults().is_empty());
            met |= injected;
            if injected {
                self.faults_met.push((self.now, layer.function.clone()));
            }
            let answer = (traffic.answer)(&layer.function, met);
            if let (Some(lease), Some(decision)) = (&layer.lease, decision) {
                let seen = Observation {
                    key: decision.key,
                    error: answer.error,
                    http_5xx: false,
                    timeout: false,
                    injected,
                    duration_ms: answer.ms,
                };
                self.write(&layer.arn, lease.lease(), &decision, &seen);
            }
        }
    }

    /// What the layer of a function decides about a request. It has just read its lease.
    fn decide(&self, lease: &ReadLease, event: &Value, order: &str) -> Option<Decision> {
        let now_ms = u64::try_from(self.now.as_millisecond()).unwrap();
        let at = Moment {
            now_ms,
            read_at_ms: now_ms,
            max_stale_ms: 2_000,
        };
        let caps = Caps {
            disabled: false,
            max_percent: 100.0,
        };
        let request = Material {
            event: Some(event),
            trace: None,
            request_id: order,
        };
        layer::decide(lease, &at, &caps, &request)
    }

    fn write(&mut self, arn: &str, lease: &layer::LayerLease, decision: &Decision, seen: &Observation) {
        let now_ms = u64::try_from(self.now.as_millisecond()).unwrap();
        let written = self.written.entry(lease.run_id.clone()).or_default();
        let mut records = written.sketches.iter_mut();
        let known = records.find(|record| record.function_arn == arn && record.stage == lease.stage);
        if let Some(record) = known {
            return record.seen.add(decision.group, seen);
        }
        let mut record = SketchRecord {
            function_arn: arn.to_owned(),
            environment: "e".to_owned(),
            stage: lease.stage,
            seen: Seen::default(),
            lost_writes: 0,
            since_ms: Some(now_ms),
        };
        record.seen.add(decision.group, seen);
        written.sketches.push(record);
    }
}
