//! Node's `aws-lambda-ric`, if there is a Node on this machine.

use inoculate_layer::intercept::Delivered;
use inoculate_layer::proxy::Tools;
use serde_json::{Value, json};

use super::installed::{node, sources};
use super::{Client, cases, event, events, follows_a_lease, is_untouched};
use crate::support::api::Recorded;
use crate::support::{Event, RuntimeApi, Scripted, start};

/// `handler` is a function of `handler.mjs`.
pub(crate) fn client(handler: &str) -> Option<Client> {
    let program = node()?.to_str().unwrap();
    Some(Client {
        command: vec!["node".into(), program.into(), format!("handler.{handler}")],
        directory: sources("node"),
    })
}

#[tokio::test]
async fn it_is_untouched() {
    if let Some(client) = client("handle") {
        is_untouched(&client, events).await;
    }
}

#[tokio::test]
async fn it_meets_every_fault() {
    if let Some(client) = client("handle") {
        cases::meets_every_fault(&client).await;
    }
}

#[tokio::test]
async fn it_is_killed_before_its_event() {
    if let Some(client) = client("handle") {
        cases::is_killed_before_its_event(&client).await;
    }
}

#[tokio::test]
async fn it_follows_a_lease() {
    if let Some(client) = client("handle") {
        follows_a_lease(&client).await;
    }
}

/// Events that are answered with a stream: plain, with a head, empty, large, and failed in the middle.
fn streams() -> Vec<Event> {
    let head = json!({ "statusCode": 201, "headers": { "x-a": "b" } });
    let bodies = [
        json!({ "texts": ["first ", "ä", " third"] }),
        json!({ "texts": ["with a head"], "head": head }),
        json!({ "texts": [] }),
        json!({ "texts": ["0123456789abcdef".repeat(64 * 1024), "end"] }),
        json!({ "texts": ["half"], "fail": "in the middle" }),
        json!({ "texts": ["after all"] }),
    ];
    let events = bodies.iter().enumerate();
    events
        .map(|(number, body)| event(&format!("stream-{number}"), body))
        .collect()
}

#[tokio::test]
async fn its_streams_are_untouched() {
    if let Some(client) = client("stream") {
        is_untouched(&client, streams).await;
    }
}

#[tokio::test]
async fn its_streams_meet_faults() {
    let Some(client) = client("stream") else { return };
    let plans = [
        (
            "short",
            r#"[{"kind":"corruption","how":{"mode":"truncate","keep_bytes":7}}]"#,
        ),
        (
            "late",
            r#"[{"kind":"latency","delay":{"distribution":"fixed","ms":20},"at":"after"}]"#,
        ),
        (
            "busy",
            r#"[{"kind":"response","status":503,"body":"busy","handler":"run"}]"#,
        ),
        (
            "failed",
            r#"[{"kind":"error","error_type":"Shop.Down","message":"m","handler":"run"}]"#,
        ),
        ("twice", r#"[{"kind":"duplicate","answer":"second"}]"#),
        ("broken", "[]"),
    ];
    let body = |id: &str| -> Value {
        match id {
            "busy" => json!({ "texts": ["one ", "two"], "head": { "statusCode": 200 } }),
            "broken" => json!({ "texts": ["half"], "fail": "in the middle" }),
            _ => json!({ "texts": ["one ", "two ", "three"] }),
        }
    };
    let api = RuntimeApi::start(plans.iter().map(|(id, _)| event(id, &body(id)))).await;
    let interceptor = Scripted::new(plans);
    let proxy = start(api.address, interceptor.clone(), Tools::default()).await;
    let _function = client.start(proxy.address);

    let streamed = |got: &Recorded| {
        assert_eq!(got.header("lambda-runtime-function-response-mode"), Some("streaming"));
        assert_eq!(got.header("transfer-encoding"), Some("chunked"));
    };
    for (id, text) in [
        ("short", "one two"),
        ("late", "one two three"),
        ("busy", "{\"statusCode\":503,\"headers\":{}}\0\0\0\0\0\0\0\0busy"),
        ("twice", "one two three"),
        ("broken", "half"),
    ] {
        let got = api.got(&format!("{id}/response")).await;
        streamed(&got);
        assert_eq!(got.body, text, "{id}");
    }
    let failed = api.got("failed/error").await;
    assert_eq!(
        (failed.header("transfer-encoding"), &failed.json()["errorType"]),
        (None, &json!("Shop.Down"))
    );
    for (id, plan) in plans {
        let expected = match id {
            "failed" => Delivered::Error("Shop.Down".into()),
            "broken" => Delivered::Error("Error".into()),
            _ => Delivered::Response,
        };
        let outcome = interceptor.outcome(id).await;
        assert_eq!(outcome.delivered, expected, "{id}");
        assert_eq!(outcome.injected.len(), usize::from(plan != "[]"), "{id}");
    }
}
