//! Whatever is missing or broken on the side of the layer, and whatever the function does: it is seen as without the
//! layer. Each time this is the real binary before a real client.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Response;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::real_client::{Sent, event, rust, sent};
use crate::support::dynamo::{self, Dynamo, Mood};
use crate::support::leased::{ARN, lease, skip, with};
use crate::support::process::{Process, exec, kill};
use crate::support::scripted::now_ms;
use crate::support::{Event, RuntimeApi, seen, soon};

/// More than the Runtime API takes.
const TOO_MANY_MEGABYTES: u64 = 6;

/// What a function does that goes on.
fn events() -> Vec<Event> {
    let bodies = [
        json!({ "n": 1 }),
        json!({ "fail": "on purpose" }),
        json!({ "does": { "what": "stream", "texts": ["one ", "two"] } }),
        json!({ "does": { "what": "fill", "megabytes": TOO_MANY_MEGABYTES } }),
        json!({ "n": 2 }),
    ];
    numbered(&bodies)
}

fn numbered(bodies: &[Value]) -> Vec<Event> {
    let events = bodies.iter().enumerate();
    events
        .map(|(number, body)| event(&format!("request-{number}"), body))
        .collect()
}

/// A Runtime API with these events, which refuses the answer that is too large as Lambda does.
async fn api(events: Vec<Event>) -> RuntimeApi {
    let api = RuntimeApi::start(events).await;
    let refusal = r#"{"errorMessage":"Exceeded maximum allowed payload size","errorType":"RequestEntityTooLarge"}"#;
    let refusal = Response::builder().status(413).body(Bytes::from(refusal)).unwrap();
    api.can("/2018-06-01/runtime/invocation/request-3/response", refusal);
    api
}

/// A process of the function behind `exec`, whose log goes to a file.
pub(crate) struct Behind {
    pub(crate) api: RuntimeApi,
    process: tokio::process::Child,
    pub(crate) log: tempfile::NamedTempFile,
}

impl Behind {
    pub(crate) async fn start(events: Vec<Event>, environment: &[(&str, String)]) -> Behind {
        let (api, log) = (api(events).await, tempfile::NamedTempFile::new().unwrap());
        let mut command = rust::client().behind_us(api.address);
        let environment = environment.iter().map(|(name, value)| (name, value.as_str()));
        let command = command.envs(environment).kill_on_drop(true);
        let command = command.stdout(Stdio::null()).stderr(log.reopen().unwrap());
        let process = command.spawn().unwrap();
        Behind { api, process, log }
    }

    /// What the layer has logged so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log.path()).unwrap();
        let ours = text
            .lines()
            .filter(|line| line.contains("\"source\":\"inoculate-layer\""));
        ours.map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The one line that the layer logs.
    async fn one_line(&self) -> Value {
        seen("a log line", || (!self.log().is_empty()).then_some(())).await;
        // A second line would come with the next reading at the latest, which the poll interval puts off.
        tokio::time::sleep(Duration::from_millis(100)).await;
        let mut lines = self.log();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines.remove(0)
    }
}

/// What the function sends without the layer.
async fn without_us(events: Vec<Event>) -> (Vec<Sent>, Vec<Sent>) {
    let count = events.len();
    let direct = api(events).await;
    let _function = rust::client().start(direct.address);
    sent(&direct, count).await
}

type Environment = Vec<(&'static str, String)>;

/// What is wrong with the table or the way to it, and how the log line says so.
fn troubles(dynamo: SocketAddr, closed: SocketAddr, garbage: SocketAddr) -> Vec<(Mood, Environment, &'static str)> {
    let without = |name: &str| {
        let all = dynamo::environment(dynamo).into_iter();
        all.filter(|(known, _)| *known != name).collect::<Vec<_>>()
    };
    let with = |name: &'static str, value: &str| {
        let mut changed = without(name);
        changed.push((name, value.to_owned()));
        changed
    };
    let all = |address| dynamo::environment(address).to_vec();
    let name =
        |name: &str| -> &'static str { format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{name}"}}"#).leak() };
    let well = |environment, reason| (Mood::Well, environment, reason);
    let answers = |status, body, reason| (Mood::Answers(status, body), all(dynamo), reason);
    let mut nowhere = without("AWS_ENDPOINT_URL");
    nowhere.retain(|(name, _)| *name != "AWS_REGION");
    nowhere.push(("AWS_REGION", "no where".into()));
    vec![
        well(without("INOCULATE_TABLE"), "INOCULATE_TABLE is not set"),
        well(without("AWS_REGION"), "AWS_REGION is not set"),
        well(nowhere, "AWS_REGION is not a URL"),
        well(
            without("AWS_ACCESS_KEY_ID"),
            "there are no credentials in the environment",
        ),
        well(
            without("AWS_SECRET_ACCESS_KEY"),
            "there are no credentials in the environment",
        ),
        well(
            with("AWS_ENDPOINT_URL", "dynamodb:8000"),
            "AWS_ENDPOINT_URL is not a URL of http or https",
        ),
        well(with("AWS_ENDPOINT_URL", "http://dynamodb.invalid"), "dynamodb.invalid"),
        well(
            with("AWS_ENDPOINT_URL", &format!("https://{dynamo}")),
            "cannot speak TLS with ",
        ),
        well(all(closed), "cannot connect to "),
        well(all(garbage), "gave no answer"),
        (Mood::Hangs, all(dynamo), "did not answer in time"),
        answers(500, "oh", "status 500: unnamed"),
        // What the wrong region has to say.
        answers(
            400,
            name("ResourceNotFoundException"),
            "status 400: ResourceNotFoundException",
        ),
        answers(
            400,
            name("InvalidSignatureException"),
            "status 400: InvalidSignatureException",
        ),
        answers(400, name("AccessDeniedException"), "status 400: AccessDeniedException"),
        answers(
            400,
            name("ProvisionedThroughputExceededException"),
            "status 400: ProvisionedThroughputExceededException",
        ),
        answers(200, "<html>", "the answer of DynamoDB is not understood"),
        answers(200, r#"{"Item":{"x":1}}"#, "the answer of DynamoDB is not understood"),
        answers(
            200,
            r#"{"Item":{"x":{"S":"y"}}}"#,
            "it is not understood: schema_version",
        ),
    ]
}

/// Somebody who answers everything with what is not HTTP.
fn talker() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, b"220 smtp ready\r\n").await;
        }
    });
    address
}

/// Where nobody listens.
fn closed() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn whatever_is_missing_the_answers_are_the_same() {
    let expected = without_us(events()).await;
    assert_eq!(expected.0[3].body.len() as u64, TOO_MANY_MEGABYTES * 1024 * 1024 + 2);
    let dynamo = Dynamo::start().await;
    for (mood, environment, reason) in troubles(dynamo.address, closed(), talker()) {
        dynamo.behave(mood);
        let start = Instant::now();
        let behind = Behind::start(events(), &environment).await;
        let found = soon(reason, sent(&behind.api, events().len())).await;
        let took = start.elapsed();
        assert!(found == expected, "{reason}: {:?}", behind.api.paths());
        let line = behind.one_line().await;
        assert!(line["reason"].as_str().unwrap().contains(reason), "{reason}: {line}");
        // Nothing waits for the table: far less than five readings' limits, on any machine.
        assert!(took < Duration::from_secs(10), "{reason}: {took:?}");
    }
}

#[tokio::test]
async fn however_the_function_ends_it_is_seen_as_without_us() {
    let dynamo = Dynamo::start().await;
    let healthy = dynamo.environment();
    let nothing: &[(&str, String)] = &[];
    for (what, code, signal) in [
        ("exit", Some(3), None),
        ("crash", None, Some(9)),
        ("hang", None, Some(9)),
    ] {
        let events = || {
            numbered(&[
                json!({ "n": 1 }),
                json!({ "does": { "what": what } }),
                json!({ "n": 2 }),
            ])
        };
        // Lambda kills everything when a function does not answer.
        let end = async |api: &RuntimeApi, process: &mut tokio::process::Child| {
            let expected = sent(api, 1).await;
            if what == "hang" {
                kill(process.id().unwrap().try_into().unwrap(), Signal::KILL);
            }
            let status = soon(what, process.wait()).await.unwrap();
            assert_eq!((status.code(), status.signal()), (code, signal), "{what}");
            assert_eq!(api.paths().len(), 3, "nothing more was sent: {:?}", api.paths());
            expected
        };
        let direct = api(events()).await;
        let mut function = rust::client().start(direct.address);
        let expected = end(&direct, &mut function).await;
        for (mood, environment, reason) in [
            (Mood::Well, nothing, "INOCULATE_TABLE is not set"),
            (Mood::Well, &healthy, "nothing"),
            (Mood::Hangs, &healthy, "did not answer in time"),
            (Mood::Answers(500, "oh"), &healthy, "status 500: unnamed"),
        ] {
            dynamo.behave(mood.clone());
            let mut behind = Behind::start(events(), environment).await;
            let found = end(&behind.api, &mut behind.process).await;
            assert_eq!(found, expected, "{what}, {mood:?}");
            let log = behind.log();
            // What is wrong with the table may not be known yet.
            let least = usize::from(environment.is_empty());
            assert!((least..=1).contains(&log.len()), "{what}, {mood:?}: {log:?}");
            if let Some(line) = log.first() {
                assert!(
                    line["reason"].as_str().unwrap().contains(reason),
                    "{what}, {mood:?}: {line}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_table_that_hangs_in_the_middle_of_a_run_ends_the_faults() {
    let dynamo = Dynamo::start().await;
    let long = with(lease(&skip()), "expires_at_ms", now_ms() + 600_000);
    dynamo.set(&format!("TARGET#{ARN}"), &with(long, "poll_ms", 200));
    let behind = Behind::start(Vec::new(), &dynamo.environment()).await;
    let mut number = 0;
    let mut is_injected = async || {
        number += 1;
        behind.api.push(event(&format!("request-{number}"), &json!({ "n": 1 })));
        let id = format!("/request-{number}/");
        let answer = |api: &RuntimeApi| api.paths().into_iter().find(|path| path.contains(&id));
        behind.api.until("an answer", answer).await.ends_with("/error")
    };
    soon("a fault", async { while !is_injected().await {} }).await;
    dynamo.behave(Mood::Hangs);
    soon("no fault", async { while is_injected().await {} }).await;
    for _ in 0..20 {
        assert!(!is_injected().await);
    }
    let failures = || {
        let mut log = behind.log();
        log.retain(|line| line["level"] == "error");
        log
    };
    seen("a log line", || (!failures().is_empty()).then_some(())).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    // One for the lease, one for what could not be written.
    let reasons: Vec<Value> = failures().iter().map(|line| line["message"].clone()).collect();
    let known = [
        "the lease cannot be read; everything passes",
        "what was seen cannot be written",
    ];
    assert!(
        reasons.len() <= 2 && reasons.iter().all(|reason| known.contains(&reason.as_str().unwrap())),
        "{reasons:?}"
    );
    dynamo.behave(Mood::Well);
    soon("a fault again", async { while !is_injected().await {} }).await;
}

#[tokio::test]
async fn a_table_that_hangs_does_not_hold_up_the_end() {
    let dynamo = Dynamo::start().await;
    dynamo.behave(Mood::Hangs);
    let api = RuntimeApi::start([]).await;
    let mut command = exec(Some(api.address), &["true"]);
    let start = Instant::now();
    let ended = Process::start(command.envs(dynamo.environment())).end().await;
    assert_eq!((ended.status.code(), ended.log.len()), (Some(0), 0));
    assert!(start.elapsed() < Duration::from_secs(5));
}
