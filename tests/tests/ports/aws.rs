//! The real adapters, on the local stack. One stack serves every test of this process and ends with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use inoculate_aws::{Aws, Names};
use inoculate_core::experiment::Metric;
use inoculate_core::ports::Ports;
use inoculate_core::schedule::Schedules;
use inoculate_stack::{REGION, Stack, workspace_root};
use inoculate_tests::contract::{Fixture, MadeFunction, NewFunction};
use jiff::Timestamp;
use serde_json::{Value, json};

const TABLE: &str = "inoculate-contract";

static SHARED: LazyLock<Shared> = LazyLock::new(Shared::start);
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The stack, with a table and a topic in it.
struct Shared {
    stack: Stack,
    topic_arn: String,
}

impl Shared {
    fn start() -> Self {
        let stack = Stack::start().unwrap_or_else(|error| panic!("{error}"));
        let template = workspace_root().join("infra/template.yaml");
        let arguments = json!({ "name": TABLE, "template": template });
        let topic = call(&stack, "prepare", &arguments);
        let topic_arn = topic.as_str().expect("the ARN of a topic").to_owned();
        Shared { stack, topic_arn }
    }
}

fn call(stack: &Stack, action: &str, arguments: &Value) -> Value {
    let answer = stack.python_script(include_str!("world.py"), &[action, &arguments.to_string()]);
    answer.unwrap_or_else(|error| panic!("{action} {arguments}: {error}\n{}", stack.log_tail(20)))
}

/// An alarm as CloudWatch has it.
pub(crate) fn described(alarm: &str) -> Value {
    call(&SHARED.stack, "described", &json!({ "name": alarm }))
}

/// The topic that alarms of runs publish to.
pub(crate) fn topic_arn() -> &'static str {
    &SHARED.topic_arn
}

/// The ports on the shared stack. Each test has clients of its own, since each has a runtime of its own.
pub(crate) struct OnStack {
    ports: Ports,
    schedules: Arc<dyn Schedules>,
}

impl OnStack {
    pub(crate) async fn new() -> Self {
        let shared = &*SHARED;
        let env: BTreeMap<_, _> = shared.stack.env().into_iter().collect();
        let [key, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| env[name].clone());
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(shared.stack.endpoint_url())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(key, secret, None, None, "local stack"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await;
        let names = Names {
            table: TABLE.to_owned(),
            notices_topic_arn: Some(shared.topic_arn.clone()),
            event_bus: Some("default".to_owned()),
            abort_topic_arn: Some(shared.topic_arn.clone()),
        };
        let aws = Aws::with(config).unwrap_or_else(|error| panic!("{error}"));
        let stack = aws.stack(TABLE).await.unwrap_or_else(|error| panic!("{error}"));
        OnStack {
            ports: aws.ports_with_executions(&names),
            schedules: stack.schedules,
        }
    }
}

#[async_trait]
impl Fixture for OnStack {
    fn ports(&self) -> &Ports {
        &self.ports
    }

    fn schedules(&self) -> &dyn Schedules {
        &*self.schedules
    }

    fn unique(&self, word: &str) -> String {
        format!("{word}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    async fn make_function(&self, new: &NewFunction) -> MadeFunction {
        let source = new.source.map(|source| json!({ "tag": source.tag }));
        let arguments = json!({ "name": new.name, "tag": new.tag, "source": source });
        let made = call(&SHARED.stack, "function", &arguments);
        MadeFunction {
            name: new.name.clone(),
            arn: made["arn"].as_str().expect("the ARN of a function").to_owned(),
            source: made["source"].as_str().map(str::to_owned),
        }
    }

    async fn publish(&self, metric: &Metric, samples: &[(Timestamp, f64)]) {
        let samples: Vec<_> = samples.iter().map(|(at, value)| (at.as_second(), value)).collect();
        call(
            &SHARED.stack,
            "publish",
            &json!({ "metric": metric, "samples": samples }),
        );
    }

    async fn write_as_layer(&self, items: &[Value]) {
        call(&SHARED.stack, "put", &json!({ "table": TABLE, "items": items }));
    }

    async fn listen(&self, listener: &str) {
        let arguments = json!({ "listener": listener, "topic": SHARED.topic_arn });
        call(&SHARED.stack, "listen", &arguments);
    }

    async fn heard(&self, listener: &str) -> Vec<Value> {
        let heard = call(&SHARED.stack, "heard", &json!({ "listener": listener }));
        heard.as_array().expect("a list").clone()
    }

    async fn make_execution(&self, name: &str, running: bool) -> String {
        let arguments = json!({ "name": name, "running": running });
        let arn = call(&SHARED.stack, "execution", &arguments);
        arn.as_str().expect("the ARN of an execution").to_owned()
    }

    async fn make_alarm(&self, name: &str, in_alarm: bool) {
        call(&SHARED.stack, "alarm", &json!({ "name": name, "in_alarm": in_alarm }));
    }

    async fn set_alarm(&self, name: &str, in_alarm: bool) {
        call(
            &SHARED.stack,
            "set_alarm",
            &json!({ "name": name, "in_alarm": in_alarm }),
        );
    }
}
