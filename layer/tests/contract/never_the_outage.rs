//! Whatever is missing or broken on the side of the layer, the function answers as without it.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::Command;

use crate::real_client::{FUNCTION, event, function_process, lambda, this_program};
use crate::support::dynamo::{Dynamo, Mood};
use crate::support::process::exec;
use crate::support::{RuntimeApi, seen, soon};

const EVENTS: usize = 5;

/// A Runtime API with some events, one of which the function fails.
async fn api() -> RuntimeApi {
    let body = |number| {
        if number == 1 {
            json!({ "fail": "on purpose" })
        } else {
            json!({ "n": number })
        }
    };
    RuntimeApi::start((0..EVENTS).map(|number| event(&format!("request-{number}"), &body(number)))).await
}

/// All answers, as they came: path, body, and the headers that are the function's.
async fn answers(api: &RuntimeApi) -> Vec<(String, Vec<u8>, Option<String>)> {
    let all = |api: &RuntimeApi| {
        let answers = api
            .recorded()
            .into_iter()
            .filter(|recorded| !recorded.path.ends_with("/next"));
        let answers: Vec<_> = answers
            .map(|answer| {
                let error = answer.header("lambda-runtime-function-error-type").map(str::to_owned);
                (answer.path.clone(), answer.body.to_vec(), error)
            })
            .collect();
        (answers.len() == EVENTS).then_some(answers)
    };
    api.until("all answers", all).await
}

/// Runs the function behind `exec` with this environment. Returns its answers, how long they took, and the one log
/// line of the layer.
async fn behind_us(environment: &[(&str, &str)]) -> (Vec<(String, Vec<u8>, Option<String>)>, Duration, Value) {
    let api = api().await;
    let program = this_program();
    let command: Vec<&str> = [program.as_str()].into_iter().chain(FUNCTION).collect();
    let mut process: Command = exec(Some(api.address), &command);
    let log = tempfile::NamedTempFile::new().unwrap();
    let lambda = lambda(&mut process)
        .envs(environment.iter().copied())
        .kill_on_drop(true);
    let start = Instant::now();
    let _process = lambda
        .stdout(Stdio::null())
        .stderr(log.reopen().unwrap())
        .spawn()
        .unwrap();
    let answers = answers(&api).await;
    let took = start.elapsed();
    let ours = || -> Vec<Value> {
        let text = std::fs::read_to_string(log.path()).unwrap();
        let ours = text
            .lines()
            .filter(|line| line.contains("\"source\":\"inoculate-layer\""));
        ours.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    seen("a log line", || (!ours().is_empty()).then_some(())).await;
    // A second line would come with the next reading at the latest, which the poll interval puts off.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let lines = ours();
    assert_eq!(lines.len(), 1, "{lines:?}");
    (answers, took, lines[0].clone())
}

fn table(address: SocketAddr) -> Vec<(&'static str, String)> {
    vec![
        ("INOCULATE_TABLE", "inoculate".into()),
        ("AWS_REGION", "eu-west-1".into()),
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ACCESS_KEY_ID", "AKID".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
    ]
}

#[tokio::test]
async fn whatever_is_missing_the_answers_are_the_same() {
    let direct = api().await;
    let _function = function_process(direct.address);
    let expected = answers(&direct).await;

    let dynamo = Dynamo::start().await;
    let throttled = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}"#;
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"no"}"#;
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let without = |name: &str| {
        let all = table(dynamo.address).into_iter();
        all.filter(|(known, _)| *known != name).collect::<Vec<_>>()
    };
    let mut wrong_url = table(closed);
    wrong_url[2].1 = "dynamodb:8000".into();
    for (mood, environment, reason) in [
        (Mood::Well, without("INOCULATE_TABLE"), "INOCULATE_TABLE is not set"),
        (Mood::Well, without("AWS_REGION"), "AWS_REGION is not set"),
        (
            Mood::Well,
            without("AWS_SECRET_ACCESS_KEY"),
            "there are no credentials in the environment",
        ),
        (Mood::Well, wrong_url, "AWS_ENDPOINT_URL is not a URL of http or https"),
        (Mood::Well, table(closed), "cannot connect to "),
        (Mood::Hangs, table(dynamo.address), "did not answer in time"),
        (Mood::Answers(500, "oh"), table(dynamo.address), "status 500: unnamed"),
        (
            Mood::Answers(400, throttled),
            table(dynamo.address),
            "status 400: ProvisionedThroughputExceededException",
        ),
        (
            Mood::Answers(400, denied),
            table(dynamo.address),
            "status 400: AccessDeniedException",
        ),
        (
            Mood::Answers(200, "<html>"),
            table(dynamo.address),
            "the answer of DynamoDB is not understood",
        ),
        (
            Mood::Answers(200, r#"{"Item":{"x":1}}"#),
            table(dynamo.address),
            "the answer of DynamoDB is not understood",
        ),
        (
            Mood::Answers(200, r#"{"Item":{"x":{"S":"y"}}}"#),
            table(dynamo.address),
            "it is not understood: schema_version",
        ),
    ] {
        dynamo.behave(mood.clone());
        let environment: Vec<(&str, &str)> = environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let (answers, took, log) = soon("the function", behind_us(&environment)).await;
        assert_eq!(answers, expected, "{reason}");
        assert!(log["reason"].as_str().unwrap().contains(reason), "{reason}: {log}");
        // Nothing waits for the table: far less than five readings' limits, on any machine.
        assert!(took < Duration::from_secs(10), "{reason}: {took:?}");
    }
}

#[tokio::test]
async fn a_table_that_hangs_does_not_hold_up_the_end() {
    let dynamo = Dynamo::start().await;
    dynamo.behave(Mood::Hangs);
    let api = RuntimeApi::start([]).await;
    let mut command = exec(Some(api.address), &["true"]);
    let start = Instant::now();
    let ended = crate::support::process::Process::start(command.envs(table(dynamo.address)))
        .end()
        .await;
    assert_eq!((ended.status.code(), ended.log.len()), (Some(0), 0));
    assert!(start.elapsed() < Duration::from_secs(5));
}
