//! Faults of calls by a lease.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::scene::{dynamodb, start};
use crate::support::leased::{Leased, lease, with};
use crate::support::{RuntimeApi, dynamo, soon};

fn throttled(service: &str) -> Value {
    let effect = json!({ "effect": "error", "code": "ThrottlingException" });
    let fault = json!({ "kind": "dependency", "calls": { "service": service }, "effect": effect });
    json!([{ "fault": fault, "match": [{ "test": "exists", "field": "/slow" }] }])
}

/// A function under the lease, and the address of its DynamoDB.
async fn scene() -> (Leased, SocketAddr) {
    let (leased, service) = (
        Leased::new(&lease(&throttled("dynamodb"))).await,
        RuntimeApi::start([]).await,
    );
    let variables = start(&leased.proxy.proxy, "dynamodb", &dynamo::environment(service.address)).await;
    let url = &variables["AWS_ENDPOINT_URL_DYNAMODB"];
    let address = url.strip_prefix("http://").unwrap().parse().unwrap();
    (leased, address)
}

async fn status(address: SocketAddr) -> u16 {
    dynamodb(address, "GetItem", "{}", None)
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn calls_fail_until_the_lease_is_released() {
    let (mut leased, address) = scene().await;
    let id = leased.push(r#"{"fast":1}"#);
    leased.runtime.next().await;
    assert_eq!(status(address).await, 202, "the event does not match");
    leased.runtime.respond(&id, "{}").await;

    let id = leased.push(r#"{"slow":1}"#);
    leased.runtime.next().await;
    assert_eq!((status(address).await, status(address).await), (400, 400));
    let released = with(lease(&throttled("dynamodb")), "role", "released");
    leased.put_and_read(&released).await;
    assert_eq!(status(address).await, 202, "in the same invocation");
    leased.runtime.respond(&id, "{}").await;
}

#[tokio::test]
async fn calls_fail_until_the_lease_is_too_old() {
    let (mut leased, address) = scene().await;
    let id = leased.push(r#"{"slow":1}"#);
    leased.runtime.next().await;
    assert_eq!(status(address).await, 400);
    leased.dynamo.behave(dynamo::Mood::Hangs);
    leased.clock.pass(2_001);
    soon("the end of the fault", async { while status(address).await != 202 {} }).await;
    leased.runtime.respond(&id, "{}").await;
}

#[tokio::test]
async fn a_run_is_told_of_calls_that_do_not_pass_through_the_layer() {
    let mut leased = Leased::new(&lease(&throttled("sqs"))).await;
    let environment = dynamo::environment(([127, 0, 0, 1], 9).into());
    start(&leased.proxy.proxy, "dynamodb", &environment).await;
    let id = leased.push(r#"{"slow":1}"#);
    leased.runtime.next().await;
    leased.runtime.respond(&id, "{}").await;
    let expected =
        "the fault dependency cannot begin: calls to sqs do not pass through the layer: see INOCULATE_DEPENDENCIES";
    let written = crate::support::seen("the problem", || {
        leased.clock.pass(1_000);
        let written = leased.dynamo.written();
        written.into_iter().find(|item| item.get("problems").is_some())
    })
    .await;
    assert_eq!(written["problems"], json!([expected]));
}
