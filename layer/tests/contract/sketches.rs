//! What was seen arrives in the table.

use std::time::Duration;

use inoculate_core::sketch::Seen;
use inoculate_layer::intercept::Interceptor;
use serde_json::{Value, json};

use crate::support::dynamo::Mood;
use crate::support::leased::{ARN, Leased, lease, skip, with};
use crate::support::{Runtime, seen, soon};

fn counted(item: &Value) -> Seen {
    serde_json::from_value(json!({ "control": item["control"], "experimental": item["experimental"] })).unwrap()
}

#[tokio::test]
async fn both_groups_arrive_and_add_up() {
    let faults = json!([{ "fault": { "kind": "response", "status": 503, "handler": "run" } }]);
    let mut leased = Leased::new(&with(lease(&faults), "percent", 50)).await;
    for _ in 0..40 {
        let id = leased.push("{}");
        leased.runtime.next().await;
        leased.runtime.respond(&id, "1").await;
    }
    leased.agent.shutdown(Duration::from_secs(5)).await;
    let written = leased.dynamo.written();
    let item = written.last().unwrap();
    let (sum, mut all) = (counted(item), Seen::default());
    all.merge(&sum);
    assert_eq!(sum.control.requests + sum.experimental.requests, 40);
    assert_eq!(sum.control.durations.count() + sum.experimental.durations.count(), 40);
    assert_eq!(sum.experimental.requests, sum.experimental.injected);
    assert_eq!(sum.experimental.requests, sum.experimental.http_5xx);
    assert_eq!(
        (sum.control.injected, sum.control.http_5xx, sum.control.errors),
        (0, 0, 0)
    );
    assert_eq!(sum.control.by_request_id, sum.control.requests);
    let environment = item["environment"].as_str().unwrap();
    assert_eq!(item["SK"], format!("shop#{environment}#injection"));
    assert!(item["PK"].as_str().unwrap().starts_with("RUN#r-1#SKETCH#"));
    assert_eq!(
        (&item["function_arn"], &item["fence"], &item["schema_version"]),
        (&json!(ARN), &json!(1), &json!(1))
    );
    assert!(item["expires_at"].as_u64() > Some(1_000_000));
    // Cumulative: each one holds all before.
    let totals: Vec<u64> = written.iter().map(|item| counted(item).control.requests).collect();
    assert!(totals.is_sorted(), "{totals:?}");
}

#[tokio::test]
async fn who_was_woken_up_by_the_release_is_not_counted() {
    let sleep = json!([{ "fault": { "kind": "hang", "handler": "skip" } }]);
    let mut leased = Leased::new(&lease(&sleep)).await;
    let id = leased.push("{}");
    let agent = leased.agent.clone();
    let fresh = Runtime::connect(leased.proxy.address).await;
    let mut runtime = std::mem::replace(&mut leased.runtime, fresh);
    let woken = tokio::spawn(async move {
        let event = runtime.next().await;
        runtime.respond(&event.request_id, "1").await;
        event.request_id
    });
    seen("the event is held", || (agent.watched() == 1).then_some(())).await;
    // It is decided; the fault begins at once.
    tokio::time::sleep(Duration::from_millis(50)).await;
    leased.put(&with(lease(&sleep), "role", "released"));
    leased.clock.pass(1_000);
    assert_eq!(soon("the event", woken).await.unwrap(), id);
    leased.agent.shutdown(Duration::from_secs(5)).await;
    assert_eq!(leased.dynamo.written(), Vec::<Value>::new());
}

#[tokio::test]
async fn failures_are_counted() {
    let mut leased = Leased::new(&lease(&skip())).await;
    assert!(leased.is_injected("{}").await);
    let item = leased.dynamo.wrote(1).await.remove(0);
    let seen = counted(&item).experimental;
    assert_eq!((seen.requests, seen.errors, seen.injected, seen.timeouts), (1, 1, 1, 0));
}

#[tokio::test]
async fn there_is_one_write_per_interval() {
    let mut leased = Leased::new(&with(lease(&json!([])), "percent", 0)).await;
    for _ in 0..10 {
        assert!(!leased.is_injected("{}").await);
    }
    leased.dynamo.wrote(1).await;
    for _ in 0..5 {
        assert!(!leased.is_injected("{}").await);
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(leased.dynamo.written().len(), 1);
    leased.clock.pass(2_999);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(leased.dynamo.written().len(), 1);
    leased.clock.pass(1);
    let written = leased.dynamo.wrote(2).await;
    assert_eq!(counted(&written[1]).control.requests, 15);
}

#[tokio::test]
async fn a_lost_write_is_counted_and_made_up_for() {
    let mut leased = Leased::new(&lease(&json!([]))).await;
    leased.dynamo.behave(Mood::Answers(
        400,
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}"#,
    ));
    assert!(!leased.is_injected("{}").await);
    seen("a write that is refused", || {
        (leased.dynamo.tried_writes() == 1).then_some(())
    })
    .await;
    leased.dynamo.behave(Mood::Well);
    leased.clock.pass(3_000);
    leased.agent.attention();
    leased.readings(2).await;
    assert!(!leased.is_injected("{}").await);
    let item = leased.dynamo.wrote(1).await.remove(0);
    assert_eq!((&item["lost_writes"], &item["writes"]), (&json!(1), &json!(2)));
    assert_eq!(counted(&item).experimental.requests, 2);
}

#[tokio::test]
async fn each_stage_is_an_item_of_its_own() {
    let observe = with(lease(&json!([])), "role", "observe");
    let mut leased = Leased::new(&with(observe.clone(), "stage", "baseline")).await;
    assert!(!leased.is_injected("{}").await);
    leased.put_and_read(&lease(&skip())).await;
    assert!(leased.is_injected("{}").await);
    leased.agent.shutdown(Duration::from_secs(5)).await;
    let keys: Vec<String> = leased
        .dynamo
        .written()
        .iter()
        .map(|item| item["stage"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(keys, ["baseline", "injection"]);
}

#[tokio::test]
async fn an_extension_finishes_beside_an_invocation_what_was_begun() {
    let mut leased = Leased::new(&with(lease(&json!([])), "percent", 0)).await;
    let id = leased.push("{}");
    leased.runtime.next().await;
    let deadline = crate::support::scripted::now_ms() + 900_000;
    let agent = leased.agent.clone();
    let settled = tokio::spawn(async move { agent.settle(Some(ARN), deadline).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    leased.runtime.respond(&id, "1").await;
    crate::support::soon("it settles", settled).await.unwrap();
    assert_eq!(leased.dynamo.written().len(), 1);
}
