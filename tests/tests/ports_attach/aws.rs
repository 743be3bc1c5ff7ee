//! The real adapter, on the local stack. One stack serves every test of this process and ends with it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use inoculate_aws::Aws;
use inoculate_core::attach::port::{Attachments, Trace};
use inoculate_core::layer::{Stage, problems_key, sketch_key};
use inoculate_core::names::{FunctionName, RunId};
use inoculate_stack::{REGION, Stack};
use inoculate_tests::contract::attach::{Fixture, NewFunction};
use serde_json::{Value, json};

const TABLE: &str = "inoculate-contract";

static SHARED: LazyLock<Shared> = LazyLock::new(Shared::start);
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// The stack, with a table in it.
struct Shared {
    stack: Stack,
    table_arn: String,
}

impl Shared {
    fn start() -> Self {
        let stack = Stack::start().unwrap_or_else(|error| panic!("{error}"));
        let table_arn = text(&call(&stack, "prepare", &json!({ "table": TABLE })));
        Shared { stack, table_arn }
    }
}

fn call(stack: &Stack, action: &str, arguments: &Value) -> Value {
    let answer = stack.python_script(include_str!("world.py"), &[action, &arguments.to_string()]);
    answer.unwrap_or_else(|error| panic!("{action} {arguments}: {error}\n{}", stack.log_tail(20)))
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// The port on the shared stack. Each test has clients of its own, since each has a runtime of its own.
pub(crate) struct OnStack(Arc<dyn Attachments>);

impl OnStack {
    pub(crate) async fn new() -> Self {
        let stack = &SHARED.stack;
        let env: BTreeMap<_, _> = stack.env().into_iter().collect();
        let [key, secret] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| env[name].clone());
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(stack.endpoint_url())
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new(key, secret, None, None, "local stack"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .load()
            .await;
        let aws = Aws::with(config).unwrap_or_else(|error| panic!("{error}"));
        OnStack(aws.attachments(TABLE))
    }
}

#[async_trait]
impl Fixture for OnStack {
    fn attachments(&self) -> &dyn Attachments {
        &*self.0
    }

    fn unique(&self, word: &str) -> String {
        format!("{word}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
    }

    async fn make_function(&self, new: &NewFunction) -> (String, String) {
        let variables: BTreeMap<_, _> = new.variables.iter().copied().collect();
        let made = call(
            &SHARED.stack,
            "function",
            &json!({ "name": new.name, "role": new.role, "tag": new.tag, "layers": new.layers, "variables": variables }),
        );
        (text(&made["arn"]), text(&made["role"]))
    }

    async fn publish_layer(&self, name: &str, architecture: &str) -> String {
        let arguments = json!({ "name": name, "architecture": architecture });
        text(&call(&SHARED.stack, "layer", &arguments))
    }

    async fn make_policy(&self, name: &str) -> String {
        let arguments = json!({ "name": name, "table_arn": SHARED.table_arn });
        text(&call(&SHARED.stack, "policy", &arguments))
    }

    fn table_arn(&self) -> String {
        SHARED.table_arn.clone()
    }

    async fn write_trace(&self, run: &str, function: &FunctionName, trace: &Trace) {
        let run: RunId = run.parse().expect("the name of a run");
        let (name, environment) = (function.as_str(), &trace.environment);
        let mut item = serde_json::to_value(trace).expect("a trace as JSON");
        // An item of problems has no counts, and an item with counts has no problems.
        let (pk, sk) = if trace.problems.is_empty() {
            remove(&mut item, &["problems"]);
            sketch_key(&run, name, environment, Stage::Injection)
        } else {
            remove(&mut item, &["writes", "lost_writes"]);
            problems_key(&run, name, environment)
        };
        item["PK"] = json!(pk);
        item["SK"] = json!(sk);
        call(&SHARED.stack, "put", &json!({ "table": TABLE, "item": item }));
    }
}

fn remove(item: &mut Value, names: &[&str]) {
    let item = item.as_object_mut().expect("an object");
    item.retain(|name, _| !names.contains(&name.as_str()));
}
