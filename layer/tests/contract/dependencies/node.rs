//! The AWS SDK for JavaScript, if there is a Node on this machine.

use serde_json::{Value, json};

use inoculate_layer::dynamo::item;

use super::sdk::{LATE_MS, Program, attempts, connections, create_table, errors, fault, script, stack, variables};
use crate::real_client::installed::{node_modules, sources};
use crate::real_client::{event, node};
use crate::support::leased::{ARN, lease, with};
use crate::support::process::Process;
use crate::support::scripted::now_ms;
use crate::support::{RuntimeApi, soon};

/// All but Kinesis, with which it speaks HTTP/2.
const ALL: &str = "dynamodb,lambda,sqs,sns,stepfunctions,eventbridge,secretsmanager,ssm,kms,s3,sts,cloudwatch";

/// A program of `node/`.
fn program(name: &str, arguments: &[&str]) -> Option<Program> {
    let mut command = vec!["node".into(), sources("node").join(name).into()];
    command.extend(arguments.iter().map(Into::into));
    Some(Program {
        command,
        environment: vec![("NODE_MODULES", node_modules()?.into())],
        services: ALL,
    })
}

#[tokio::test]
async fn every_call_gives_the_same_with_the_layer_and_without() {
    let Some(program) = program("calls.cjs", &[]) else {
        return;
    };
    let got = program.is_the_same().await;
    assert!(got.len() > 60, "{}", got.len());
    assert_eq!(got["dynamodb get"]["answer"]["Item"]["k"]["S"], "schlüssel \u{1f511}");
    assert_eq!(got["dynamodb 100 at once"]["answer"][99], "ä99");
    assert_eq!(got["another role"]["status"], 200);
    let large = &got["s3 get large"]["answer"]["Body"];
    assert_eq!(got["s3 get stream"]["answer"]["Body"], *large);
    assert_eq!(got["s3 presigned"]["answer"], json!([true, 200, large]));
    // Signatures are checked, in the header and in the query.
    let refused = &got["a wrong secret"]["error"]["name"];
    assert_eq!(refused, "InvalidSignatureException");
    assert_eq!(got["s3 presigned, changed"]["answer"], 403);
}

#[tokio::test]
async fn faults_arrive_as_the_errors_of_the_sdk() {
    let Some(program) = program("faults.cjs", &["errors"]) else {
        return;
    };
    let stack = stack().await;
    create_table(&stack, "table", &["k"]);
    let (got, _) = program.meets(&errors(), &variables(&stack)).await;
    // The name, whether it is of the class that the SDK exports under it, the status, and how often it was tried.
    let error = |name: &str, typed: bool, status: u16, attempts: u16| json!([name, typed, status, attempts]);
    let seen = |name: &str| {
        let told = &got[name]["error"];
        json!([told["name"], told["typed"], told["status"], told["attempts"]])
    };
    for (name, expected) in [
        (
            "dynamodb get",
            error("ProvisionedThroughputExceededException", true, 400, 2),
        ),
        ("dynamodb put", error("InternalServerError", true, 500, 2)),
        ("lambda invoke", error("TooManyRequestsException", true, 429, 2)),
        ("sqs send", error("QueueDoesNotExist", true, 400, 1)),
        ("sns publish", error("ThrottledException", true, 429, 2)),
        ("s3 get", error("SlowDown", false, 503, 2)),
        ("cloudwatch put", error("LimitExceededFault", true, 400, 1)),
    ] {
        assert_eq!(seen(name), expected, "{name}: {got}");
    }
    for name in ["s3 head", "stepfunctions start"] {
        let told = &got[name]["error"];
        assert_eq!(
            (&told["status"], &told["attempts"]),
            (&json!(503), &json!(2)),
            "{name}: {got}"
        );
    }
    let invoke = &got["lambda invoke"]["error"];
    assert_eq!(invoke["reason"], "ReservedFunctionConcurrentInvocationLimitExceeded");
    assert_eq!(invoke["message"], "Rate Exceeded.");
    let left = &got["dynamodb batch"]["answer"]["UnprocessedItems"]["table"];
    assert_eq!(
        (left.as_array().unwrap().len(), &got["dynamodb scan"]["answer"]["Count"]),
        (2, &json!(2)),
        "what it is told is true"
    );
    for name in ["sqs list", "kms list", "ssm list"] {
        assert_eq!(got[name]["status"], 200, "{name}: {got}");
    }
    assert_eq!(got["ssm elsewhere"]["error"]["code"], "ECONNRESET");
}

#[tokio::test]
async fn connections_break_as_it_knows_them() {
    let Some(program) = program("faults.cjs", &["connections"]) else {
        return;
    };
    let stack = stack().await;
    let (got, begun) = program.meets(&connections(), &variables(&stack)).await;
    for (name, code) in [
        ("refused", "ECONNRESET"),
        ("reset", "ECONNRESET"),
        ("truncated", "ECONNRESET"),
    ] {
        let told = &got[name]["error"];
        assert_eq!((&told["code"], &told["attempts"]), (&json!(code), &json!(2)), "{got}");
    }
    assert_eq!(got["hung"]["error"]["name"], "TimeoutError", "{got}");
    assert!(got["late"]["answer"]["Functions"].is_array(), "{got}");
    assert!(got["late"]["waited"].as_f64().unwrap() >= LATE_MS.into(), "{got}");
    assert_eq!(begun, 9, "four calls were tried twice");
}

/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>, and for the pauses
/// <https://github.com/smithy-lang/smithy-typescript/tree/main/packages/core/src/submodules/retry>
#[tokio::test]
async fn it_tries_as_often_as_its_documentation_says() {
    let Some(program) = program("retries.cjs", &[]) else {
        return;
    };
    let calls = attempts(&program).await;
    assert_eq!(calls.len(), 19);
    for call in &calls {
        let name = call["call"].as_str().unwrap();
        let expected = match (name, &call["most"]) {
            ("dynamodb condition", _) => 1,
            (_, Value::Null) => 3,
            (_, Value::Number(most)) => most.as_u64().unwrap(),
            // `AWS_MAX_ATTEMPTS`
            _ => 4,
        };
        assert_eq!(call["sent"].as_array().unwrap().len() as u64, expected, "{call}");
        assert_eq!(call["told"], expected, "{call}");
        // A part of the base, which is doubled each time.
        let base = if name.ends_with("throttled") || name == "s3 slow down" {
            1_000
        } else {
            50
        };
        let longest = base * ((1 << (expected - 1)) - 1);
        assert!(call["delay"].as_u64().unwrap() <= longest, "{call}");
    }
}

/// Writes an item of the table with the leases.
const PUT: &str = r#"
import boto3
import json
import sys

boto3.client("dynamodb").put_item(TableName="inoculate", Item=json.loads(sys.argv[1]))
print("{}")
"#;

/// The real binary, its lease in a true table, and the SDK in a function on Node's own client of the Runtime API.
#[tokio::test]
async fn its_calls_follow_a_lease() {
    let Some(client) = node::client("read") else { return };
    let (stack, api) = (stack().await, RuntimeApi::start([]).await);
    create_table(&stack, "inoculate", &["PK", "SK"]);
    create_table(&stack, "table", &["k"]);
    let put = |role: &str| {
        let code = "ProvisionedThroughputExceededException";
        let effect = json!({ "effect": "error", "code": code, "message": "too much" });
        let lease = lease(&json!([{ "fault": fault("dynamodb", &["GetItem"], effect) }]));
        let lease = with(with(lease, "role", role), "poll_ms", 200);
        let lease = with(lease, "expires_at_ms", now_ms() + 600_000);
        let lease = with(with(lease, "PK", format!("TARGET#{ARN}")), "SK", "LEASE");
        script(&stack, PUT, &[item::from_json(&lease).to_string()]);
    };
    let mut numbers = 0..;
    let mut until = async |expected: &Value| {
        soon(&expected.to_string(), async {
            for number in numbers.by_ref() {
                let id = format!("request-{number}");
                api.push(event(&id, &json!({})));
                if api.got(&format!("/{id}/response")).await.json() == *expected {
                    break;
                }
            }
        })
        .await;
    };
    let passed = json!({ "found": null, "attempts": 1 });
    let met = json!({ "error": "ProvisionedThroughputExceededException", "message": "too much", "attempts": 2 });

    let mut command = client.behind_us(api.address);
    command
        .envs(variables(&stack))
        .env("NODE_MODULES", node_modules().unwrap())
        .env("INOCULATE_TABLE", "inoculate")
        .env("INOCULATE_DEPENDENCIES", "dynamodb")
        .env("INOCULATE_POLL_MS", "100");
    let _function = Process::start(&mut command);
    until(&passed).await;
    put("fault");
    until(&met).await;
    put("released");
    until(&passed).await;
}
