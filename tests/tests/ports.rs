//! One contract, two worlds: what is true of AWS is true of the world in memory, so that the fake cannot lie.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::sync::Arc;

use async_trait::async_trait;
use inoculate_core::experiment::Metric;
use inoculate_core::ports::Ports;
use inoculate_tests::build;
use inoculate_tests::contract::{self, Fixture, MadeFunction, NewFunction};
use inoculate_tests::memory::{FunctionState, Mapping, Sample, World, execution_arn};
use inoculate_tests::{every_rule, every_rule_beyond_the_local_stack};
use jiff::Timestamp;
use serde_json::Value;

#[path = "ports/aws.rs"]
mod aws_fixture;

use aws_fixture::OnStack;

struct Memory {
    world: Arc<World>,
    ports: Ports,
}

impl Memory {
    fn new() -> Self {
        let world = World::new();
        let ports = world.ports();
        Memory { world, ports }
    }
}

#[async_trait]
impl Fixture for Memory {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn unique(&self, word: &str) -> String {
        // Each test has a world of its own; within it, a count tells the functions apart.
        format!("{word}-{}", self.world.look(|state| state.functions.len()))
    }

    async fn make_function(&self, new: &NewFunction) -> MadeFunction {
        let mut function = FunctionState::new(new.name.as_str());
        function.tags = new
            .tag
            .map(|tag| ("inoculate".to_owned(), tag.to_owned()))
            .into_iter()
            .collect();
        let source = new.source.map(|source| {
            let mapping = Mapping {
                enabled: true,
                allowed: source.tag == Some("allow"),
            };
            let arn = format!("arn:aws:sqs:eu-west-1:123456789012:{}", new.name);
            function.sources.insert(arn.clone(), mapping);
            arn
        });
        let made = MadeFunction {
            name: new.name.clone(),
            arn: function.arn.clone(),
            source,
        };
        self.world.add_function(new.name.as_str(), function);
        made
    }

    async fn publish(&self, metric: &Metric, samples: &[(Timestamp, f64)]) {
        let samples = samples.iter().map(|(at, value)| Sample {
            metric: metric.clone(),
            at: *at,
            value: *value,
        });
        self.world.change(|state| state.samples.extend(samples));
    }

    async fn make_alarm(&self, name: &str, in_alarm: bool) {
        self.world.set_alarm(name, in_alarm);
    }

    async fn make_execution(&self, name: &str, running: bool) -> String {
        let id = build::name(name);
        self.world
            .set_execution(&id, if running { "RUNNING" } else { "ABORTED" });
        execution_arn(&id)
    }

    async fn write_as_layer(&self, items: &[Value]) {
        for item in items {
            let run = item["run_id"].as_str().expect("the name of a run");
            self.world.change(|state| {
                let written = state.written.entry(build::name(run)).or_default();
                let item = item.clone();
                if item["problems"].is_array() {
                    written.problems.push(serde_json::from_value(item).expect("a problem"));
                } else {
                    written.sketches.push(serde_json::from_value(item).expect("a sketch"));
                }
            });
        }
    }
}

mod memory {
    macro_rules! in_memory {
        ($($rule:ident)*) => {
            $(#[tokio::test]
            async fn $rule() {
                super::contract::$rule(&super::Memory::new()).await;
            })*
        };
    }

    super::every_rule!(in_memory);
    super::every_rule_beyond_the_local_stack!(in_memory);
}

mod aws {
    macro_rules! on_aws {
        ($($rule:ident)*) => {
            $(#[tokio::test]
            async fn $rule() {
                super::contract::$rule(&super::OnStack::new().await).await;
            })*
        };
    }

    super::every_rule!(on_aws);

    /// When this fails, the local stack has learnt metric maths: move the rule into `every_rule!`.
    #[tokio::test]
    #[should_panic(expected = "Expressions not implemented")]
    async fn the_local_stack_lacks_metric_maths() {
        super::contract::metrics_are_combined_by_an_expression(&super::OnStack::new().await).await;
    }
}
