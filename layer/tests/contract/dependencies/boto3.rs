//! boto3.

use inoculate_stack::PythonEnv;
use serde_json::{Value, json};

use super::sdk::{LATE_MS, Program, attempts, connections, create_table, errors, stack, variables};
use crate::real_client::installed::sources;

const ALL: &str = "dynamodb,lambda,sqs,sns,stepfunctions,eventbridge,secretsmanager,ssm,kinesis,kms,s3,sts,cloudwatch";

/// A program of `python/`.
fn program(name: &str, arguments: &[&str]) -> Program {
    let python = PythonEnv::for_stack().unwrap().python().as_os_str().to_owned();
    let mut command = vec![python, sources("python").join(name).into()];
    command.extend(arguments.iter().map(Into::into));
    Program {
        command,
        environment: Vec::new(),
        services: ALL,
    }
}

#[tokio::test]
async fn every_call_gives_the_same_with_the_layer_and_without() {
    let got = program("calls.py", &[]).is_the_same().await;
    assert!(got.len() > 50, "{}", got.len());
    assert_eq!(got["dynamodb get"]["answer"]["Item"]["k"]["S"], "schlüssel \u{1f511}");
    assert_eq!(got["another role"]["status"], 200);
    assert!(
        got["kinesis subscribe"]["answer"].is_array(),
        "{}",
        got["kinesis subscribe"]
    );
    let refused = &got["a wrong secret"]["error"]["Code"];
    assert_eq!(refused, "InvalidSignatureException", "signatures are checked");
    for name in ["another body", "another operation"] {
        assert_eq!(got[name]["error"]["Code"], "InvalidSignatureException", "{name}");
    }
    assert_eq!(got["what was meant"]["answer"], "table");
    let large = &got["s3 get large"]["answer"]["Body"];
    assert_eq!(got["presigned"]["answer"], json!([true, 200, large]));
    assert_eq!(got["presigned, changed"]["answer"], json!([403]));
}

#[tokio::test]
async fn faults_arrive_as_the_errors_of_the_sdk() {
    let stack = stack().await;
    create_table(&stack, "table", &["k"]);
    let (got, _) = program("faults.py", &["errors"])
        .meets(&errors(), &variables(&stack))
        .await;
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
    for name in ["sqs list", "kms list", "secretsmanager list", "ssm list"] {
        assert!(got[name]["answer"].is_object(), "{name}: {got}");
    }
    assert_eq!(got["ssm elsewhere"]["class"], "ConnectionClosedError");
}

#[tokio::test]
async fn connections_break_as_it_knows_them() {
    let stack = stack().await;
    let (got, begun) = program("faults.py", &["connections"])
        .meets(&connections(), &variables(&stack))
        .await;
    for (name, class) in [
        ("refused", "ConnectionClosedError"),
        ("reset", "ConnectionClosedError"),
        ("truncated", "ConnectionClosedError"),
        ("hung", "ReadTimeoutError"),
    ] {
        assert_eq!(got[name]["class"], class, "{name}: {got}");
    }
    assert!(got["late"]["answer"]["Functions"].is_array(), "{got}");
    assert!(got["late"]["waited"].as_f64().unwrap() >= LATE_MS.into(), "{got}");
    assert_eq!(begun, 8, "three calls were tried twice");
}

/// Source: <https://docs.aws.amazon.com/boto3/latest/guide/retries.html>,
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>, and for the pauses of the legacy mode
/// <https://github.com/boto/botocore/blob/develop/botocore/data/_retry.json>
#[tokio::test]
async fn it_tries_as_often_as_its_documentation_says() {
    for new in [false, true] {
        let mut program = program("retries.py", &[]);
        program
            .environment
            .push(("AWS_NEW_RETRIES_2026", new.to_string().into()));
        let calls = attempts(&program).await;
        assert_eq!(calls.len(), 18);
        for call in &calls {
            let (name, pauses) = (call["call"].as_str().unwrap(), call["pauses"].as_array().unwrap());
            let legacy = call["mode"] == "legacy";
            let expected = match (name, call["most"].as_u64()) {
                ("dynamodb condition", _) => 1,
                (_, Some(most)) => most,
                (_, None) => default_attempts(legacy, new, name.starts_with("dynamodb")),
            };
            assert_eq!(call["sent"].as_array().unwrap().len() as u64, expected, "{call}");
            assert_eq!(pauses.len() as u64, expected - 1, "{call}");
            // Doubled each time, and then a part of it by chance, but for one that has no chance in it.
            let base = pause_secs(legacy, new, name);
            for (number, pause) in pauses.iter().filter_map(Value::as_f64).enumerate() {
                let longest = base * f64::from(1 << number);
                if legacy && name.starts_with("dynamodb") {
                    assert!((pause - longest).abs() < 1e-9, "{call}");
                } else {
                    assert!((0.0..=longest.min(20.0)).contains(&pause), "{call}");
                }
            }
        }
    }
}

fn default_attempts(legacy: bool, new: bool, of_dynamodb: bool) -> u64 {
    match (legacy, new, of_dynamodb) {
        (true, _, true) => 10,
        (true, _, false) => 5,
        (false, true, true) => 4,
        (false, ..) => 3,
    }
}

/// The longest first pause.
fn pause_secs(legacy: bool, new: bool, name: &str) -> f64 {
    match (legacy, new, name) {
        (true, _, name) if name.starts_with("dynamodb") => 0.05,
        (false, true, "dynamodb failed" | "dynamodb refused") => 0.025,
        _ => 1.0,
    }
}
