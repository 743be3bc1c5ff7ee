//! boto3 against the local stack, which checks every signature, with the layer and without.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use inoculate_stack::Stack;
use serde_json::{Value, json};
use tokio::process::Command;

use super::scene::start as dependencies;
use crate::real_client::installed::sources;
use crate::support::RuntimeApi;
use crate::support::process::{environment, exec};
use crate::support::scene::Scene;

const ALL: &str = "dynamodb,lambda,sqs,sns,stepfunctions,eventbridge,secretsmanager,ssm,kinesis,kms,s3,sts,cloudwatch";

/// The local stack, started beside the tests.
pub(super) async fn stack() -> Stack {
    let started = tokio::task::spawn_blocking(Stack::start).await.unwrap();
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// The environment of a program that uses the local stack as a role that may do everything. Signatures of the root are
/// not checked there, but those of a role are.
fn uses(command: &mut Command, stack: &Stack) {
    for name in Stack::ENV_REMOVED {
        command.env_remove(name);
    }
    command.envs(stack.env());
    let keys: BTreeMap<String, String> = role(stack);
    command.envs(keys);
}

/// The credentials of a role that may do everything.
pub(super) fn role(stack: &Stack) -> BTreeMap<String, String> {
    let made = stack.python_script(include_str!("../python/role.py"), &[""; 0]);
    let made = made.unwrap_or_else(|error| panic!("{error}\n{}", stack.log_tail(20)));
    serde_json::from_value(made).unwrap()
}

/// How long a list of calls may take. Longer than anything else, since it is many of them.
const PATIENCE: Duration = Duration::from_secs(180);

/// What a list of calls prints.
async fn calls(mut command: Command, stack: &Stack) -> Value {
    uses(&mut command, stack);
    output(command, stack).await
}

/// What a program prints.
async fn output(command: Command, stack: &Stack) -> Value {
    printed(command, stack).await.0
}

/// What a program prints, and what is in its log.
pub(super) async fn printed(mut command: Command, stack: &Stack) -> (Value, String) {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.unwrap().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", stack.log_tail(30));
    (serde_json::from_slice(&output.stdout).unwrap(), errors.into_owned())
}

#[tokio::test]
async fn every_call_gives_the_same_with_the_layer_and_without() {
    let (here, there, api) = (stack().await, stack().await, RuntimeApi::start([]).await);
    let python = here.python().python();
    let (python, script) = (python.to_str().unwrap(), sources("python/calls.py"));
    let mut direct = Command::new(python);
    environment(&mut direct, None);
    direct.arg(&script);
    let mut through = exec(Some(api.address), &[python, script.to_str().unwrap()]);
    through
        .env("INOCULATE_TABLE", "inoculate")
        .env("INOCULATE_DEPENDENCIES", ALL);
    for command in [&mut direct, &mut through] {
        command.env("AWS_DISABLE_HOST_PREFIX_INJECTION", "true");
    }
    let (direct, through) = tokio::join!(calls(direct, &here), calls(through, &there));
    for (name, endpoint) in through["endpoints"].as_object().unwrap() {
        assert_ne!(
            *endpoint,
            there.endpoint_url(),
            "{name} does not pass through the layer"
        );
        assert_eq!(direct["endpoints"][name], here.endpoint_url());
    }
    let (expected, got) = (
        direct["results"].as_object().unwrap(),
        through["results"].as_object().unwrap(),
    );
    assert!(expected.len() > 50, "{}", expected.len());
    for (name, expected) in expected {
        assert_eq!(&got[name], expected, "{name}");
    }
    assert_eq!(got.len(), expected.len());
    assert_eq!(got["dynamodb get"]["answer"]["Item"]["k"]["S"], "schlüssel \u{1f511}");
    assert_eq!(got["another role"]["status"], 200);
    let refused = &got["a wrong secret"]["error"]["Code"];
    assert_eq!(refused, "InvalidSignatureException", "signatures are checked");
}

/// The faults of `faults.py`.
fn faults() -> Value {
    let fault = |calls: Value, effect: Value| json!({ "kind": "dependency", "calls": calls, "effect": effect });
    let error = |service: &str, operations: &[&str], code: &str| {
        fault(
            json!({ "service": service, "operations": operations }),
            json!({ "effect": "error", "code": code }),
        )
    };
    let throttled = json!({
        "effect": "error", "code": "TooManyRequestsException", "message": "Rate Exceeded.",
        "reason": "ReservedFunctionConcurrentInvocationLimitExceeded",
    });
    json!([
        error("dynamodb", &["GetItem"], "ProvisionedThroughputExceededException"),
        error("dynamodb", &["PutItem"], "InternalServerError"),
        fault(
            json!({ "service": "dynamodb", "resources": ["table"] }),
            json!({ "effect": "unprocessed" })
        ),
        fault(
            json!({ "service": "lambda", "operations": ["Invoke"], "resources": ["pay"] }),
            throttled
        ),
        fault(
            json!({ "service": "sqs", "resources": ["q"] }),
            json!({ "effect": "error", "code": "AWS.SimpleQueueService.NonExistentQueue" })
        ),
        fault(
            json!({ "service": "sns", "operations": ["Publish"], "resources": ["topic"] }),
            json!({ "effect": "error", "code": "Throttled" })
        ),
        error("s3", &[], "SlowDown"),
        error("cloudwatch", &["PutMetricData"], "LimitExceeded"),
        fault(
            json!({ "service": "stepfunctions" }),
            json!({ "effect": "answer", "status": 503, "body": "busy" })
        ),
        fault(json!({ "region": "us-east-1" }), json!({ "effect": "refuse" })),
    ])
}

#[tokio::test]
async fn faults_arrive_as_the_errors_of_the_sdk() {
    let (stack, mut scene) = (stack().await, Scene::new(&faults().to_string()).await);
    let mut python = Command::new(stack.python().python());
    environment(&mut python, None);
    python.arg(sources("python/faults.py")).arg(stack.endpoint_url());
    let keys = role(&stack);
    let known: Vec<(&str, String)> = stack
        .env()
        .into_iter()
        .filter(|(name, _)| !keys.contains_key(*name))
        .chain(keys.iter().map(|(name, value)| (name.as_str(), value.clone())))
        .chain([("AWS_DISABLE_HOST_PREFIX_INJECTION", "true".to_owned())])
        .collect();
    let variables = dependencies(&scene.proxy.proxy, ALL, &known).await;
    assert_eq!(scene.runtime.next().await.request_id, "r");
    python
        .envs(known.iter().map(|(name, value)| (*name, value)))
        .envs(&variables);
    let got = output(python, &stack).await;
    let error = |class: &str, code: &str, status: u16, retries: u16| json!([class, code, status, retries]);
    let seen = |name: &str| {
        let result = &got[name];
        json!([result["class"], result["code"], result["status"], result["retries"]])
    };
    let throughput = "ProvisionedThroughputExceededException";
    for (name, expected) in [
        ("dynamodb get", error(throughput, throughput, 400, 1)),
        (
            "dynamodb put",
            error("InternalServerError", "InternalServerError", 500, 1),
        ),
        (
            "lambda invoke",
            error("TooManyRequestsException", "TooManyRequestsException", 429, 1),
        ),
        (
            "sqs send",
            error("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue", 400, 0),
        ),
        ("sns publish", error("ThrottledException", "Throttled", 429, 0)),
        ("s3 get", error("ClientError", "SlowDown", 503, 1)),
        ("s3 head", error("ClientError", "503", 503, 1)),
        ("cloudwatch put", error("LimitExceededFault", "LimitExceeded", 400, 0)),
        ("stepfunctions start", error("ClientError", "503", 503, 1)),
    ] {
        assert_eq!(seen(name), expected, "{name}: {got}");
    }
    assert_eq!(
        got["lambda invoke"]["reason"],
        "ReservedFunctionConcurrentInvocationLimitExceeded"
    );
    assert_eq!(got["lambda invoke"]["message"], "Rate Exceeded.");
    let left = got["dynamodb batch"]["answer"]["UnprocessedItems"]["table"]
        .as_array()
        .unwrap();
    assert_eq!(
        (left.len(), &got["dynamodb scan"]["answer"]["Count"]),
        (2, &json!(2)),
        "what it is told is true"
    );
    assert!(got["sqs list"]["answer"].is_object(), "{got}");
    for name in ["kms list", "secretsmanager list", "ssm list"] {
        assert!(got[name]["answer"].is_object(), "{name}: {got}");
    }
    let lost = got["ssm elsewhere"]["class"].as_str().unwrap();
    assert!(
        ["ConnectionClosedError", "EndpointConnectionError", "HTTPClientError"].contains(&lost),
        "{lost}"
    );
}
