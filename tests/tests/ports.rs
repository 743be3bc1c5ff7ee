//! One contract, two worlds: what is true of AWS is true of the world in memory, so that the fake cannot lie.

#![expect(clippy::expect_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::sync::Arc;

use async_trait::async_trait;
use inoculate_core::experiment::Metric;
use inoculate_core::notice::{Notice, SOURCE};
use inoculate_core::ports::Ports;
use inoculate_core::schedule::Schedules;
use inoculate_tests::build;
use inoculate_tests::contract::{self, Fixture, MadeFunction, NewFunction};
use inoculate_tests::memory::{FunctionState, Mapping, Sample, State, World, execution_arn};
use inoculate_tests::{every_rule, every_rule_beyond_the_local_stack};
use jiff::Timestamp;
use serde_json::{Value, json};

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

    fn schedules(&self) -> &dyn Schedules {
        &*self.world
    }

    fn unique(&self, word: &str) -> String {
        // Each test has a world of its own; within it, a count tells functions and schedules apart.
        let count = |state: &State| state.functions.len() + state.schedules.len();
        format!("{word}-{}", self.world.look(count))
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

    async fn set_alarm(&self, name: &str, in_alarm: bool) {
        self.world.set_alarm(name, in_alarm);
    }

    async fn make_execution(&self, name: &str, running: bool) -> String {
        let id = build::name(name);
        self.world
            .set_execution(&id, if running { "RUNNING" } else { "ABORTED" });
        execution_arn(&id)
    }

    async fn listen(&self, _: &str) {}

    async fn heard(&self, _: &str) -> Vec<Value> {
        let both = |notice: &Notice| {
            let message = json!({ "Subject": notice.subject(), "Message": notice.body() });
            let event = json!({
                "source": SOURCE, "detail-type": notice.detail_type(), "resources": notice.resources,
                "detail": serde_json::from_str::<Value>(&notice.detail()).expect("JSON"),
            });
            [message, event]
        };
        self.world.look(|state| state.notices.iter().flat_map(both).collect())
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
    use serde_json::json;

    use super::Fixture;

    macro_rules! on_aws {
        ($($rule:ident)*) => {
            $(#[tokio::test]
            async fn $rule() {
                super::contract::$rule(&super::OnStack::new().await).await;
            })*
        };
    }

    super::every_rule!(on_aws);

    /// The emulator keeps what it was sent, so this is what people would see in the console.
    #[tokio::test]
    async fn an_alarm_is_made_as_it_was_written() {
        let stack = super::OnStack::new().await;
        let run = stack.unique("described");
        let [first, second] = &super::contract::alarms_of(&stack, &run)[..] else {
            panic!("not two alarms")
        };
        for alarm in [first, second] {
            stack.ports().alarms.make(alarm).await.expect("an alarm");
        }
        let found = super::aws_fixture::described(&first.name);
        for (field, value) in [
            ("Namespace", json!("Shop")),
            ("MetricName", json!("Never")),
            ("Dimensions", json!([{ "Name": "Service", "Value": run }])),
            ("Statistic", json!("Sum")),
            ("Period", json!(60)),
            ("EvaluationPeriods", json!(1)),
            ("DatapointsToAlarm", json!(1)),
            ("Threshold", json!(5.0)),
            ("ComparisonOperator", json!("GreaterThanThreshold")),
            ("TreatMissingData", json!("notBreaching")),
            ("AlarmActions", json!([super::aws_fixture::topic_arn()])),
            ("AlarmDescription", json!(first.description)),
        ] {
            assert_eq!(found[field], value, "{field}");
        }
        let found = super::aws_fixture::described(&second.name);
        for (field, value) in [
            ("Period", json!(10)),
            ("EvaluationPeriods", json!(3)),
            ("DatapointsToAlarm", json!(2)),
            ("Threshold", json!(0.5)),
            ("ComparisonOperator", json!("LessThanThreshold")),
            ("TreatMissingData", json!("breaching")),
        ] {
            assert_eq!(found[field], value, "{field}");
        }
    }

    /// When this fails, the local stack has learnt metric maths: move the rule into `every_rule!`.
    #[tokio::test]
    #[should_panic(expected = "Expressions not implemented")]
    async fn the_local_stack_lacks_metric_maths() {
        super::contract::metrics_are_combined_by_an_expression(&super::OnStack::new().await).await;
    }
}
