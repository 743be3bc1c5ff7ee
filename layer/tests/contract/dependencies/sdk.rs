//! Programs with an AWS SDK against the local stack, which checks every signature, with the layer and without.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use inoculate_stack::Stack;
use serde_json::{Map, Value, json};
use tokio::process::Command;

use super::scene::start as dependencies;
use crate::support::process::{environment, exec};
use crate::support::scene::Scene;
use crate::support::{RuntimeApi, dynamo};

/// How long a list of calls may take. Longer than anything else, since it is many of them.
const PATIENCE: Duration = Duration::from_secs(180);

/// The local stack, started beside the tests.
pub(super) async fn stack() -> Stack {
    let started = tokio::task::spawn_blocking(Stack::start).await.unwrap();
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// The credentials of a role that may do everything. Signatures of the root are not checked there, but those of a role
/// are.
pub(super) fn role(stack: &Stack) -> BTreeMap<String, String> {
    serde_json::from_value(script(stack, include_str!("../python/role.py"), &[])).unwrap()
}

/// What a script prints that uses the stack as its root.
pub(super) fn script(stack: &Stack, code: &str, arguments: &[String]) -> Value {
    let printed = stack.python_script(code, arguments);
    printed.unwrap_or_else(|error| panic!("{error}\n{}", stack.log_tail(20)))
}

/// Makes a table with these keys, of texts.
pub(super) fn create_table(stack: &Stack, name: &str, keys: &[&str]) {
    let code = r#"
import boto3
import sys

name, *keys = sys.argv[1:]
boto3.client("dynamodb").create_table(
    TableName=name,
    BillingMode="PAY_PER_REQUEST",
    KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ["HASH", "RANGE"])],
    AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
)
print("{}")
"#;
    let arguments: Vec<String> = [&[name], keys].concat().into_iter().map(str::to_owned).collect();
    script(stack, code, &arguments);
}

/// The environment in which programs use the stack as a role that may do everything.
pub(super) fn variables(stack: &Stack) -> Vec<(&'static str, String)> {
    let mut keys = role(stack);
    let mut variables: Vec<_> = stack
        .env()
        .into_iter()
        .map(|(name, root)| (name, keys.remove(name).unwrap_or(root)))
        .collect();
    variables.push(("AWS_SESSION_TOKEN", keys.remove("AWS_SESSION_TOKEN").unwrap()));
    variables.push(("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".to_owned()));
    variables
}

/// What a program prints, and what is in its log.
pub(super) async fn printed(mut command: Command) -> (Value, String) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    (serde_json::from_slice(&output.stdout).unwrap(), errors)
}

/// A program that makes calls, and prints as JSON what came of them.
pub(super) struct Program {
    pub(super) command: Vec<OsString>,
    pub(super) environment: Vec<(&'static str, OsString)>,
    /// The services that it calls through the layer.
    pub(super) services: &'static str,
}

impl Program {
    fn direct(&self) -> Command {
        let mut command = Command::new(&self.command[0]);
        environment(&mut command, None);
        command.args(&self.command[1..]);
        command
    }

    /// Runs a command of this program to its end, and returns what it prints, and its log.
    async fn output<'a>(
        &'a self,
        mut command: Command,
        variables: impl IntoIterator<Item = (&'a str, &'a String)>,
    ) -> (Value, String) {
        for name in Stack::ENV_REMOVED {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().cloned()).envs(variables);
        printed(command).await
    }

    /// Makes its calls without the layer, and behind the real binary: the same must come of each. Returns that.
    pub(super) async fn is_the_same(&self) -> Map<String, Value> {
        let (here, there, api) = (stack().await, stack().await, RuntimeApi::start([]).await);
        let (known_here, known_there) = (variables(&here), variables(&there));
        let command: Vec<&str> = self.command.iter().map(|part| part.to_str().unwrap()).collect();
        let mut through = exec(Some(api.address), &command);
        through
            .env("INOCULATE_TABLE", "inoculate")
            .env("INOCULATE_DEPENDENCIES", self.services);
        let ((direct, _), (through, log)) = tokio::join!(
            self.output(self.direct(), known_here.iter().map(|(name, value)| (*name, value))),
            self.output(through, known_there.iter().map(|(name, value)| (*name, value)))
        );
        // The local stack also takes a call with the signature of its caller, so the layer has to say that it made its own.
        assert!(!log.contains("a key that the layer does not know"), "{log}");
        for (name, endpoint) in through["endpoints"].as_object().unwrap() {
            let endpoint = endpoint.as_str().unwrap();
            assert!(
                endpoint.starts_with("http://127.0.0.1:") && endpoint != there.endpoint_url(),
                "{name} does not pass through the layer: {endpoint}"
            );
            assert_eq!(direct["endpoints"][name], here.endpoint_url());
        }
        let (expected, got) = (
            direct["results"].as_object().unwrap(),
            through["results"].as_object().unwrap(),
        );
        for (name, expected) in expected {
            assert_eq!(got.get(name), Some(expected), "{name}");
        }
        assert_eq!(got.len(), expected.len());
        got.clone()
    }

    /// Makes its calls during an invocation with these faults. Returns what came of them, and how often a fault began.
    pub(super) async fn meets(&self, faults: &Value, variables: &[(&'static str, String)]) -> (Value, usize) {
        let mut scene = Scene::new(&faults.to_string()).await;
        let through = dependencies(&scene.proxy.proxy, self.services, variables).await;
        assert_eq!(scene.runtime.next().await.request_id, "r");
        let known = variables.iter().map(|(name, value)| (*name, value));
        let through = through.iter().map(|(name, value)| (name.as_str(), value));
        let (got, _) = self.output(self.direct(), known.chain(through)).await;
        let begun = scene
            .interceptor
            .told("the faults", |told| Some(told.injecting.len()))
            .await;
        (got, begun)
    }
}

/// A fault of the calls of these operations of a service; of any if there are none.
pub(super) fn fault(service: &str, operations: &[&str], effect: Value) -> Value {
    let calls = json!({ "service": service, "operations": operations });
    json!({ "kind": "dependency", "calls": calls, "effect": effect })
}

/// The same with an error.
fn error(service: &str, operations: &[&str], code: &str) -> Value {
    fault(service, operations, json!({ "effect": "error", "code": code }))
}

/// What the calls of `faults.py` and `faults.cjs` meet that are about errors.
pub(super) fn errors() -> Value {
    let throttled = json!({
        "effect": "error", "code": "TooManyRequestsException", "message": "Rate Exceeded.",
        "reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    });
    let of = |service: &str, resource: &str, effect: Value| {
        let calls = json!({ "service": service, "resources": [resource] });
        json!({ "kind": "dependency", "calls": calls, "effect": effect })
    };
    let code = |code: &str| json!({ "effect": "error", "code": code });
    json!([
        error("dynamodb", &["GetItem"], "ProvisionedThroughputExceededException"),
        error("dynamodb", &["PutItem"], "InternalServerError"),
        of("dynamodb", "table", json!({ "effect": "unprocessed" })),
        of("lambda", "pay", throttled),
        of("sqs", "q", code("AWS.SimpleQueueService.NonExistentQueue")),
        of("sns", "topic", code("Throttled")),
        error("s3", &[], "SlowDown"),
        error("cloudwatch", &["PutMetricData"], "LimitExceeded"),
        fault("stepfunctions", &[], json!({ "effect": "answer", "status": 503, "body": "busy" })),
        { "kind": "dependency", "calls": { "region": "us-east-1" }, "effect": { "effect": "refuse" } },
    ])
}

/// How late the call is that is late.
pub(super) const LATE_MS: u32 = 300;

/// What the calls of `faults.py` and `faults.cjs` meet that are about connections.
pub(super) fn connections() -> Value {
    let late = json!({ "effect": "latency", "delay": { "distribution": "fixed", "ms": LATE_MS } });
    json!([
        fault("ssm", &[], json!({ "effect": "refuse" })),
        fault("kms", &[], json!({ "effect": "reset" })),
        fault("secretsmanager", &[], json!({ "effect": "truncate", "keep_bytes": 5 })),
        fault("eventbridge", &[], json!({ "effect": "hang" })),
        fault("lambda", &[], late),
    ])
}

/// What the calls of `retries.py` and `retries.cjs` meet.
fn retried() -> Value {
    json!([
        error("dynamodb", &["GetItem"], "ProvisionedThroughputExceededException"),
        error("dynamodb", &["PutItem"], "InternalServerError"),
        fault("dynamodb", &["DescribeTable"], json!({ "effect": "refuse" })),
        error("dynamodb", &["DeleteItem"], "ConditionalCheckFailedException"),
        error("lambda", &["Invoke"], "TooManyRequestsException"),
        error("s3", &["GetObject"], "SlowDown"),
    ])
}

/// Runs a program that calls and is refused again and again. Returns what it says of each call. Every attempt must have
/// reached the layer, and been numbered.
pub(super) async fn attempts(program: &Program) -> Vec<Value> {
    // Nobody answers there, and no attempt gets that far.
    let mut variables = dynamo::environment(([127, 0, 0, 1], 9).into()).to_vec();
    variables.push(("AWS_DEFAULT_REGION", "eu-west-1".to_owned()));
    let (got, begun) = program.meets(&retried(), &variables).await;
    let calls = got.as_array().unwrap().clone();
    let mut all = 0;
    for call in &calls {
        let sent = call["sent"].as_array().unwrap();
        all += sent.len();
        for (number, header) in sent.iter().enumerate() {
            let expected = format!("attempt={}", number + 1);
            let mut fields = header.as_str().unwrap().split("; ");
            assert!(fields.any(|field| field == expected), "{call}");
        }
        let told = &call["told"];
        assert!(told.is_null() || *told == sent.len(), "{call}");
    }
    assert_eq!(begun, all);
    calls
}
