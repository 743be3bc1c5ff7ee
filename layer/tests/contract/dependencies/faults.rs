//! Calls that go wrong on purpose.

use bytes::Bytes;
use hyper::{Request, Response};
use inoculate_core::service::Service;
use inoculate_layer::faults::FaultKind;
use inoculate_layer::proxy::Tools;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::caller::{How, call, is_valid};
use super::scene::{Calling, start};
use crate::support::scene::Scene;
use crate::support::{Event, Runtime, RuntimeApi, Scripted, soon};

const GET: &str = r#"{"TableName":"orders"}"#;
const THROTTLED: &str = r#"{"effect":"error","code":"ProvisionedThroughputExceededException"}"#;

/// A plan of one fault.
fn fault(calls: &str, effect: &str) -> String {
    format!(r#"[{{"kind":"dependency","calls":{calls},"effect":{effect}}}]"#)
}

fn json_of(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

#[tokio::test]
async fn a_call_of_an_invocation_with_the_fault_fails_and_no_other() {
    let mut calling = Calling::new(&fault(r#"{"service":"dynamodb"}"#, THROTTLED)).await;
    for _ in 0..2 {
        let answer = calling.dynamodb("GetItem", GET).await.unwrap();
        assert_eq!(answer.status(), 400);
        let kind = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        assert_eq!(
            json_of(&answer),
            json!({ "__type": kind, "message": "injected by Inoculate" })
        );
    }
    assert_eq!(calling.seen(), 0, "the service does not see it");
    let lambda = calling.address(Service::Lambda);
    let request = Request::post("/2015-03-31/functions/f/invocations")
        .header("host", "x")
        .body("{}".into())
        .unwrap();
    assert_eq!(call(lambda, request).await.unwrap().status(), 202);
    calling.scene.runtime.respond("r", "{}").await;
    let outcome = calling.scene.interceptor.outcome("r").await;
    assert_eq!(outcome.injected, [FaultKind::Dependency], "noted once");
    assert_eq!(
        calling.dynamodb("GetItem", GET).await.unwrap().status(),
        202,
        "after the invocation"
    );
    calling.scene.other_passes().await;
    let begun = calling
        .scene
        .interceptor
        .told("all", |told| Some(told.injecting.clone()))
        .await;
    assert_eq!(
        begun,
        [
            ("r".to_owned(), FaultKind::Dependency),
            ("r".to_owned(), FaultKind::Dependency)
        ]
    );
}

#[tokio::test]
async fn only_the_calls_that_are_meant_fail() {
    for (calls, operation, body, fails) in [
        (
            r#"{"service":"dynamodb","operations":["GetItem"],"resources":["orders"],"region":"eu-west-1"}"#,
            "GetItem",
            GET,
            true,
        ),
        (
            r#"{"service":"dynamodb","operations":["GetItem"]}"#,
            "PutItem",
            GET,
            false,
        ),
        (r#"{"service":"dynamodb","resources":["stock"]}"#, "GetItem", GET, false),
        (
            r#"{"service":"dynamodb","resources":["orders"]}"#,
            "GetItem",
            "no JSON",
            false,
        ),
        (r#"{"service":"dynamodb","region":"eu-west-2"}"#, "GetItem", GET, false),
        (r#"{"service":"lambda"}"#, "GetItem", GET, false),
        (r#"{"service":"dynamodb","percent":0.000001}"#, "GetItem", GET, false),
    ] {
        let effect = if calls.contains("lambda") {
            r#"{"effect":"refuse"}"#
        } else {
            THROTTLED
        };
        let calling = Calling::new(&fault(calls, effect)).await;
        let answer = calling.dynamodb(operation, body).await.unwrap();
        assert_eq!(answer.status().as_u16(), if fails { 400 } else { 202 }, "{calls}");
        assert_eq!(calling.seen(), usize::from(!fails), "{calls}");
        if !fails {
            let recorded = calling.service.recorded().remove(0);
            assert!(
                recorded.body == body && is_valid(&recorded, "POST", How::Plain),
                "{recorded:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_region_is_lost() {
    for effect in ["refuse", "hang"] {
        let calling = Calling::new(&fault(
            r#"{"region":"eu-west-1"}"#,
            &format!(r#"{{"effect":"{effect}"}}"#),
        ))
        .await;
        if effect == "refuse" {
            assert!(calling.dynamodb("GetItem", GET).await.is_err());
        } else {
            let hangs = calling.dynamodb("GetItem", GET);
            tokio::select! {
                answer = hangs => panic!("{answer:?}"),
                () = calling.scene.interceptor.injecting(FaultKind::Dependency) => {}
            }
        }
        assert_eq!(calling.seen(), 0);
    }
}

#[tokio::test]
async fn any_answer_can_be_given() {
    let effect = r#"{"effect":"answer","status":503,"headers":{"retry-after":"7"},"body":"büsy"}"#;
    let calling = Calling::new(&fault(r#"{"service":"dynamodb"}"#, effect)).await;
    let answer = calling.dynamodb("GetItem", &"x".repeat(1_000_000)).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), answer.body().as_ref()),
        (503, "büsy".as_bytes())
    );
    assert_eq!(answer.headers()["retry-after"], "7");
}

#[tokio::test]
async fn faults_that_wait_end_with_the_release() {
    let slow = r#"{"effect":"latency","delay":{"distribution":"fixed","ms":600000}}"#;
    for effect in [slow, r#"{"effect":"hang"}"#] {
        let calling = Calling::new(&fault(r#"{"service":"dynamodb"}"#, effect)).await;
        let interceptor = calling.scene.interceptor.clone();
        let release = async {
            interceptor.injecting(FaultKind::Dependency).await;
            assert_eq!(calling.seen(), 0);
            interceptor.release();
        };
        let (answer, ()) = tokio::join!(calling.dynamodb("GetItem", GET), release);
        assert_eq!(answer.unwrap().status(), 202);
        // No other begins.
        assert_eq!(calling.dynamodb("GetItem", GET).await.unwrap().status(), 202);
        assert_eq!(interceptor.told("all", |told| Some(told.injecting.len())).await, 1);
    }
}

#[tokio::test]
async fn a_delay_comes_before_what_follows() {
    let plan = format!(
        r#"[{{"kind":"dependency","calls":{{"service":"dynamodb"}},"effect":{{"effect":"latency","delay":{{"distribution":"fixed","ms":1}}}}}},
            {{"kind":"dependency","calls":{{"service":"dynamodb"}},"effect":{THROTTLED}}}]"#
    );
    let calling = Calling::new(&plan).await;
    assert_eq!(calling.dynamodb("GetItem", GET).await.unwrap().status(), 400);
    assert_eq!(
        calling
            .scene
            .interceptor
            .told("all", |told| Some(told.injecting.len()))
            .await,
        2
    );
}

#[tokio::test]
async fn nobody_waits_beyond_the_deadline() {
    let scene = Scene::of(
        Event::new("r", "{}").due_in_ms(300),
        &fault(r#"{"service":"dynamodb"}"#, r#"{"effect":"hang"}"#),
        Tools::default(),
    )
    .await;
    let service = RuntimeApi::start([]).await;
    let variables = start(
        &scene.proxy.proxy,
        "dynamodb",
        &crate::support::dynamo::environment(service.address),
    )
    .await;
    let mut calling = Calling {
        scene,
        service,
        variables,
    };
    calling.scene.runtime.next().await;
    assert!(calling.dynamodb("GetItem", GET).await.is_err());
    assert_eq!(calling.seen(), 0);
}

/// Sends an unsigned call on a bare socket, and returns all that comes, and how it ends.
async fn raw(calling: &Calling) -> (String, bool) {
    let mut stream = TcpStream::connect(calling.address(Service::DynamoDb)).await.unwrap();
    stream
        .write_all(b"POST /raw HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}")
        .await
        .unwrap();
    let mut got = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        match soon("bytes", stream.read(&mut buffer)).await {
            Ok(0) => return (String::from_utf8(got).unwrap(), false),
            Ok(count) => got.extend(&buffer[..count]),
            Err(_) => return (String::from_utf8(got).unwrap(), true),
        }
    }
}

#[tokio::test]
async fn connections_break_as_they_should() {
    for (effect, seen, body, is_reset) in [
        (r#"{"effect":"refuse"}"#, 0, None, true),
        (r#"{"effect":"reset"}"#, 1, Some("01234"), true),
        (r#"{"effect":"truncate","keep_bytes":3}"#, 1, Some("012"), false),
        (r#"{"effect":"truncate","keep_bytes":0}"#, 1, Some(""), false),
    ] {
        let calling = Calling::new(&fault(r#"{"service":"dynamodb"}"#, effect)).await;
        calling.service.can("/raw", Response::new("0123456789".into()));
        let (got, reset) = raw(&calling).await;
        assert_eq!((calling.seen(), reset), (seen, is_reset), "{effect}: {got}");
        match body {
            // What was sent before a reset may be lost with it.
            Some(body) if !got.is_empty() || !is_reset => {
                assert!(
                    got.starts_with("HTTP/1.1 200 OK\r\n") && got.contains("content-length: 10"),
                    "{got}"
                );
                assert!(got.ends_with(&format!("\r\n\r\n{body}")), "{effect}: {got}");
            }
            _ => assert_eq!(got, ""),
        }
    }
}

#[tokio::test]
async fn a_part_of_a_batch_is_not_processed() {
    let calling = Calling::new(&fault(r#"{"service":"dynamodb"}"#, r#"{"effect":"unprocessed"}"#)).await;
    let answer = Response::builder()
        .header("x-amz-crc32", "1")
        .body(r#"{"UnprocessedItems":{}}"#.into())
        .unwrap();
    calling.service.can("/", answer);
    let answer = calling
        .dynamodb("BatchWriteItem", r#"{"RequestItems":{"orders":[1,2,3]}}"#)
        .await
        .unwrap();
    assert_eq!(json_of(&answer), json!({ "UnprocessedItems": { "orders": [3] } }));
    assert!(!answer.headers().contains_key("x-amz-crc32"));
    let recorded = calling.service.recorded().remove(0);
    assert_eq!(recorded.json(), json!({ "RequestItems": { "orders": [1, 2] } }));
    assert!(is_valid(&recorded, "POST", How::Plain), "{recorded:?}");
    // What is no batch, or one that has no half, passes.
    for (operation, body) in [
        ("GetItem", GET),
        ("BatchWriteItem", r#"{"RequestItems":{"orders":[1]}}"#),
    ] {
        let answer = calling.dynamodb(operation, body).await.unwrap();
        assert_eq!(answer.body(), r#"{"UnprocessedItems":{}}"#);
        assert_eq!(calling.service.recorded().last().unwrap().body, body);
    }
    assert_eq!(
        calling
            .scene
            .interceptor
            .told("all", |told| Some(told.injecting.len()))
            .await,
        1
    );
    // An answer that is none: the caller must not take the rest for done.
    let odd = Calling::new(&fault(r#"{"service":"dynamodb"}"#, r#"{"effect":"unprocessed"}"#)).await;
    odd.service.can("/", Response::new("<html>".into()));
    assert!(
        odd.dynamodb("BatchWriteItem", r#"{"RequestItems":{"orders":[1,2]}}"#)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_trace_says_whose_call_it_is() {
    let plan = fault(r#"{"service":"dynamodb"}"#, THROTTLED);
    let root = |number: u8| format!("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e7{number:02}");
    let trace = |number: u8| format!("{};Parent=9a9197af755a6419;Sampled=1", root(number));
    let events =
        [1, 2].map(|number| Event::new(&format!("r{number}"), "{}").with("lambda-runtime-trace-id", trace(number)));
    let (api, service) = (RuntimeApi::start(events).await, RuntimeApi::start([]).await);
    let interceptor = Scripted::new([("r1", plan.as_str()), ("r2", "[]")]);
    let proxy = crate::support::start(api.address, interceptor.clone(), Tools::default()).await;
    let runtime = Runtime::connect(proxy.address).await;
    let scene = Scene {
        api,
        interceptor,
        proxy,
        runtime,
    };
    let variables = start(
        &scene.proxy.proxy,
        "dynamodb",
        &crate::support::dynamo::environment(service.address),
    )
    .await;
    let mut calling = Calling {
        scene,
        service,
        variables,
    };
    let mut second = Runtime::connect(calling.scene.proxy.address).await;
    assert_eq!(calling.scene.runtime.next().await.request_id, "r1");
    assert_eq!(calling.traced(None).await, 400, "there is only one");
    assert_eq!(calling.traced(Some(&root(1))).await, 400);
    assert_eq!(calling.traced(Some(&root(9))).await, 202, "of somebody else");
    assert_eq!(second.next().await.request_id, "r2");
    assert_eq!(calling.traced(None).await, 202, "it is not certain whose it is");
    assert_eq!(calling.traced(Some(&root(1))).await, 400);
    assert_eq!(calling.traced(Some(&trace(2))).await, 202, "of the other one");
}
