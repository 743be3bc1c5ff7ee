//! The AWS SDK for Rust.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudwatch::types::MetricDatum;
use aws_sdk_dynamodb::config::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, PutRequest, ScalarAttributeType,
    WriteRequest,
};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_lambda::operation::invoke::InvokeError;
use aws_smithy_http_client::tls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use inoculate_stack::REGION;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::scene::start;
use super::sdk::{LATE_MS, connections, errors, fault, stack, variables};
use crate::support::RuntimeApi;
use crate::support::scene::Scene;

const ALL: &str = "dynamodb,lambda,sns,stepfunctions,eventbridge,cloudwatch";

/// The clients, all with the same configuration but for their endpoints.
struct Clients {
    cloudwatch: aws_sdk_cloudwatch::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    lambda: aws_sdk_lambda::Client,
    sfn: aws_sdk_sfn::Client,
    sns: aws_sdk_sns::Client,
}

impl Clients {
    /// Clients with these credentials, whose endpoints are in the variables of their services, if there are such.
    fn new(known: &[(&'static str, String)], through: &BTreeMap<String, String>, retries: RetryConfig) -> Clients {
        Clients::with(known, through, |config| {
            config.into_builder().retry_config(retries.clone()).build()
        })
    }

    fn with(
        known: &[(&'static str, String)],
        through: &BTreeMap<String, String>,
        change: impl Fn(SdkConfig) -> SdkConfig,
    ) -> Clients {
        let key = |name: &str| {
            let found = known.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.clone())
        };
        let credentials = Credentials::new(
            key("AWS_ACCESS_KEY_ID").unwrap(),
            key("AWS_SECRET_ACCESS_KEY").unwrap(),
            key("AWS_SESSION_TOKEN"),
            None,
            "test",
        );
        let ring = tls::Provider::Rustls(CryptoMode::Ring);
        let config = |service: &str| -> SdkConfig {
            let endpoint = through.get(&format!("AWS_ENDPOINT_URL_{service}")).cloned();
            let config = SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new(REGION))
                .http_client(
                    aws_smithy_http_client::Builder::new()
                        .tls_provider(ring.clone())
                        .build_https(),
                )
                .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
                .endpoint_url(endpoint.or_else(|| key("AWS_ENDPOINT_URL")).unwrap());
            change(config.build())
        };
        Clients {
            cloudwatch: aws_sdk_cloudwatch::Client::new(&config("CLOUDWATCH")),
            dynamodb: aws_sdk_dynamodb::Client::new(&config("DYNAMODB")),
            eventbridge: aws_sdk_eventbridge::Client::new(&config("EVENTBRIDGE")),
            lambda: aws_sdk_lambda::Client::new(&config("LAMBDA")),
            sfn: aws_sdk_sfn::Client::new(&config("SFN")),
            sns: aws_sdk_sns::Client::new(&config("SNS")),
        }
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

async fn create_table(dynamodb: &aws_sdk_dynamodb::Client) {
    let attribute = AttributeDefinition::builder()
        .attribute_name("k")
        .attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("k").key_type(KeyType::Hash);
    dynamodb
        .create_table()
        .table_name("table")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(key.build().unwrap())
        .send()
        .await
        .unwrap();
}

/// What came of a call, without what differs from one time to the next.
fn outcome<T: Debug, E: ProvideErrorMetadata + Debug>(result: Result<T, SdkError<E>>) -> String {
    match result {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!(
            "{:?} {:?} {:?}",
            error.raw_response().map(|raw| raw.status()),
            error.code(),
            error.message()
        ),
    }
}

/// Makes a list of calls, and returns what came of each.
async fn calls(clients: &Clients) -> Vec<(&'static str, String)> {
    let (mut all, dynamodb) = (Vec::new(), &clients.dynamodb);
    create_table(dynamodb).await;
    let put = |key: &str| dynamodb.put_item().table_name("table").item("k", text(key));
    let get = |key: &str| dynamodb.get_item().table_name("table").key("k", text(key)).send();
    let (key, large) = ("schlüssel \u{1f511}", text(&"ö".repeat(199_000)));
    all.push(("put", outcome(put(key).send().await.map(|_| ()))));
    all.push(("get", outcome(get(key).await.map(|answer| answer.item))));
    let put_large = put("large").item("v", large.clone()).send().await;
    all.push(("put 400 KB", outcome(put_large.map(|_| ()))));
    let got = get("large").await.map(|answer| answer.item.unwrap()["v"] == large);
    all.push(("get 400 KB", outcome(got)));
    let condition = put(key).condition_expression("attribute_not_exists(k)").send().await;
    all.push(("condition", outcome(condition.map(|_| ()))));
    let none = dynamodb.get_item().table_name("none").key("k", text(key)).send().await;
    all.push(("no table", outcome(none.map(|_| ()))));
    let write = |number: usize| {
        let put = PutRequest::builder().item("k", text(&format!("b{number:02}")));
        WriteRequest::builder().put_request(put.build().unwrap()).build()
    };
    let batch = dynamodb
        .batch_write_item()
        .request_items("table", (0..25).map(write).collect())
        .send()
        .await;
    all.push(("batch", outcome(batch.map(|answer| answer.unprocessed_items))));
    let (mut pages, mut keys, mut count) = (
        dynamodb.scan().table_name("table").limit(7).into_paginator().send(),
        Vec::new(),
        0,
    );
    while let Some(page) = pages.next().await {
        count += 1;
        let items = page.unwrap().items.unwrap_or_default();
        keys.extend(items.iter().map(|item| item["k"].as_s().unwrap().clone()));
    }
    keys.sort();
    all.push(("pages", format!("{count} {keys:?}")));
    all.push(("100 at once", at_once(dynamodb).await));
    all.extend(others(clients).await);
    all
}

/// A hundred writes and reads at once.
async fn at_once(dynamodb: &aws_sdk_dynamodb::Client) -> String {
    let mut tasks = JoinSet::new();
    for number in 0..100 {
        let (dynamodb, key) = (dynamodb.clone(), text(&format!("ä{number:02}")));
        tasks.spawn(async move {
            let put = dynamodb
                .put_item()
                .table_name("table")
                .item("k", key.clone())
                .item("v", key.clone());
            put.send().await.unwrap();
            let get = dynamodb
                .get_item()
                .table_name("table")
                .key("k", key)
                .consistent_read(true);
            get.send().await.unwrap().item.unwrap()["v"].as_s().unwrap().clone()
        });
    }
    let mut found = tasks.join_all().await;
    found.sort();
    found.join(" ")
}

async fn others(clients: &Clients) -> Vec<(&'static str, String)> {
    let mut all = Vec::new();
    let none = clients.lambda.invoke().function_name("none").send().await;
    all.push(("lambda none", outcome(none.map(|_| ()))));
    let listed = clients.lambda.list_functions().send().await;
    all.push(("lambda list", outcome(listed.map(|answer| answer.functions))));
    let topic = clients
        .sns
        .create_topic()
        .name("topic")
        .send()
        .await
        .unwrap()
        .topic_arn
        .unwrap();
    let publish = |topic: &str| {
        clients
            .sns
            .publish()
            .topic_arn(topic)
            .message("nächricht <&> \u{1f4e8}")
            .subject("a & b")
            .send()
    };
    all.push((
        "sns publish",
        outcome(publish(&topic).await.map(|answer| answer.message_id.is_some())),
    ));
    all.push(("sns none", outcome(publish(&format!("{topic}x")).await.map(|_| ()))));
    let machine = "arn:aws:states:eu-west-1:000000000000:stateMachine:none";
    let none = clients.sfn.start_execution().state_machine_arn(machine).send().await;
    all.push(("sfn none", outcome(none.map(|_| ()))));
    let listed = clients.sfn.list_state_machines().send().await;
    all.push(("sfn list", outcome(listed.map(|answer| answer.state_machines))));
    let entry = PutEventsRequestEntry::builder()
        .source("s")
        .detail_type("d")
        .detail("{}")
        .build();
    let put = clients.eventbridge.put_events().entries(entry).send().await;
    all.push(("events put", outcome(put.map(|answer| answer.failed_entry_count))));
    let datum = MetricDatum::builder().metric_name("m").value(1.5).build();
    let put = clients
        .cloudwatch
        .put_metric_data()
        .namespace("n")
        .metric_data(datum)
        .send()
        .await;
    all.push(("cloudwatch put", outcome(put.map(|_| ()))));
    let listed = clients.cloudwatch.list_metrics().namespace("n").send().await;
    all.push(("cloudwatch list", outcome(listed.map(|answer| answer.metrics))));
    all
}

#[tokio::test]
async fn every_call_gives_the_same_with_the_layer_and_without() {
    let (here, there, scene) = (stack().await, stack().await, Scene::new("[]").await);
    let known = [variables(&here), variables(&there)];
    let through = start(&scene.proxy.proxy, ALL, &known[1]).await;
    assert_eq!(through.len(), ALL.split(',').count());
    let retries = RetryConfig::standard();
    let direct = Clients::new(&known[0], &BTreeMap::new(), retries.clone());
    let behind = Clients::new(&known[1], &through, retries);
    let (expected, got) = tokio::join!(calls(&direct), calls(&behind));
    for (expected, got) in expected.iter().zip(&got) {
        assert_eq!(expected, got);
    }
    assert_eq!(expected.len(), got.len());
    assert!(
        got[8].1.starts_with("ä00 ä01 ") && got[8].1.ends_with(" ä99"),
        "{}",
        got[8].1
    );
    assert_eq!(got[3].1, "true");
    // Signatures are checked there.
    let mut wrong = known[1].clone();
    wrong.retain(|(name, _)| *name != "AWS_SECRET_ACCESS_KEY");
    wrong.push(("AWS_SECRET_ACCESS_KEY", "x".to_owned()));
    let wrong = Clients::new(&wrong, &through, RetryConfig::standard());
    let refused = wrong.dynamodb.list_tables().send().await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidSignatureException"));
}

#[tokio::test]
async fn faults_arrive_as_the_errors_of_the_sdk() {
    let (stack, mut scene) = (stack().await, Scene::new(&errors().to_string()).await);
    let known = variables(&stack);
    let through = start(&scene.proxy.proxy, ALL, &known).await;
    let clients = Clients::new(&known, &through, RetryConfig::standard().with_max_attempts(2));
    create_table(&clients.dynamodb).await;
    let get = || {
        clients
            .dynamodb
            .get_item()
            .table_name("table")
            .key("k", text("x"))
            .send()
    };
    let put = || {
        clients
            .dynamodb
            .put_item()
            .table_name("table")
            .item("k", text("x"))
            .send()
    };
    put().await.unwrap();
    assert_eq!(scene.runtime.next().await.request_id, "r");

    let error = get().await.unwrap_err().into_service_error();
    assert!(
        matches!(error, GetItemError::ProvisionedThroughputExceededException(_)),
        "{error:?}"
    );
    let error = put().await.unwrap_err().into_service_error();
    assert!(matches!(error, PutItemError::InternalServerError(_)), "{error:?}");
    let error = clients
        .lambda
        .invoke()
        .function_name("pay")
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let InvokeError::TooManyRequestsException(throttled) = error else {
        panic!("{error:?}")
    };
    let reason = throttled.reason().map(|reason| reason.as_str());
    assert_eq!(reason, Some("ReservedFunctionConcurrentInvocationLimitExceeded"));
    assert_eq!(throttled.message(), Some("Rate Exceeded."));
    let topic = "arn:aws:sns:eu-west-1:000000000000:topic";
    // The Rust SDK has no types for these two.
    let publish = clients.sns.publish().topic_arn(topic).message("x").send().await;
    assert_eq!(publish.unwrap_err().code(), Some("Throttled"));
    let datum = MetricDatum::builder().metric_name("m").value(1.5).build();
    let put_metric = clients
        .cloudwatch
        .put_metric_data()
        .namespace("n")
        .metric_data(datum)
        .send()
        .await;
    assert_eq!(put_metric.unwrap_err().code(), Some("LimitExceeded"));
    let busy = clients.sfn.list_state_machines().send().await.unwrap_err();
    assert_eq!(busy.raw_response().unwrap().status().as_u16(), 503);

    scene.runtime.respond("r", "{}").await;
    assert_eq!(get().await.unwrap().item.unwrap()["k"], text("x"));
}

#[tokio::test]
async fn connections_break_as_it_knows_them() {
    let mut faults = connections();
    let all = faults.as_array_mut().unwrap();
    all.retain(|fault| ["eventbridge", "lambda"].contains(&fault["calls"]["service"].as_str().unwrap()));
    all.push(fault("sns", &[], json!({ "effect": "refuse" })));
    all.push(fault("cloudwatch", &[], json!({ "effect": "reset" })));
    all.push(fault("dynamodb", &[], json!({ "effect": "truncate", "keep_bytes": 5 })));
    let (stack, mut scene) = (stack().await, Scene::new(&faults.to_string()).await);
    let known = variables(&stack);
    let through = start(&scene.proxy.proxy, ALL, &known).await;
    assert_eq!(scene.runtime.next().await.request_id, "r");
    let impatient = aws_config::timeout::TimeoutConfig::builder()
        .operation_timeout(Duration::from_millis(500))
        .build();
    let clients = Clients::new(&known, &through, RetryConfig::standard().with_max_attempts(2));
    let hasty = Clients::with(&known, &through, |config| {
        config.into_builder().timeout_config(impatient.clone()).build()
    });

    let refused = clients.sns.list_topics().send().await.unwrap_err();
    assert!(matches!(refused, SdkError::DispatchFailure(_)), "{refused:?}");
    let reset = clients.cloudwatch.list_metrics().send().await.unwrap_err();
    assert!(
        matches!(reset, SdkError::DispatchFailure(_) | SdkError::ResponseError(_)),
        "{reset:?}"
    );
    let truncated = clients.dynamodb.list_tables().send().await.unwrap_err();
    assert!(matches!(truncated, SdkError::ResponseError(_)), "{truncated:?}");
    let hung = hasty.eventbridge.list_event_buses().send().await.unwrap_err();
    assert!(matches!(hung, SdkError::TimeoutError(_)), "{hung:?}");
    let start = std::time::Instant::now();
    clients.lambda.list_functions().send().await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(LATE_MS.into()));
}

#[tokio::test]
async fn a_service_that_is_gone_is_gone_with_the_layer_too() {
    let scene = Scene::new("[]").await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let known = crate::support::dynamo::environment(listener.local_addr().unwrap()).to_vec();
    drop(listener);
    let through = start(&scene.proxy.proxy, "dynamodb", &known).await;
    let retries = RetryConfig::standard().with_max_attempts(2);
    for through in [BTreeMap::new(), through] {
        let clients = Clients::new(&known, &through, retries.clone());
        let gone = clients.dynamodb.list_tables().send().await.unwrap_err();
        assert!(matches!(gone, SdkError::DispatchFailure(_)), "{gone:?}");
    }
}

/// Notes pauses and does not make them. What is longer is a timeout, and is left as it is.
#[derive(Debug, Clone, Default)]
struct Noted(Arc<Mutex<Vec<Duration>>>);

impl AsyncSleep for Noted {
    fn sleep(&self, duration: Duration) -> Sleep {
        // The time to connect in.
        if duration >= Duration::from_millis(3_100) {
            return Sleep::new(tokio::time::sleep(duration));
        }
        self.0.lock().unwrap().push(duration);
        Sleep::new(std::future::ready(()))
    }
}

/// Source: <https://docs.aws.amazon.com/sdk-for-rust/latest/dg/retries.html>
#[tokio::test]
async fn it_tries_as_often_as_its_documentation_says() {
    let error =
        |operation: &str, code: &str| fault("dynamodb", &[operation], json!({ "effect": "error", "code": code }));
    let faults: Value = json!([
        error("GetItem", "ProvisionedThroughputExceededException"),
        error("PutItem", "InternalServerError"),
        error("DeleteItem", "ConditionalCheckFailedException"),
        fault("dynamodb", &["ListTables"], json!({ "effect": "refuse" })),
    ]);
    let (mut scene, service) = (Scene::new(&faults.to_string()).await, RuntimeApi::start([]).await);
    let known = crate::support::dynamo::environment(service.address).to_vec();
    let through = start(&scene.proxy.proxy, "dynamodb", &known).await;
    assert_eq!(scene.runtime.next().await.request_id, "r");
    for (most, expected) in [(None, 3), (Some(1), 1), (Some(2), 2)] {
        let pauses = Noted::default();
        let clients = Clients::with(&known, &through, |config| {
            let retries = RetryConfig::standard();
            let retries = most.map_or(retries.clone(), |most| retries.with_max_attempts(most));
            let config = config
                .into_builder()
                .retry_config(retries)
                .sleep_impl(SharedAsyncSleep::new(pauses.clone()));
            // It would look at the clock all the time.
            config
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .build()
        });
        let begun = async || {
            scene
                .interceptor
                .told("the faults", |told| Some(told.injecting.len()))
                .await
        };
        let table = &clients.dynamodb;
        for operation in ["GetItem", "PutItem", "ListTables", "DeleteItem"] {
            let before = begun().await;
            let failed = match operation {
                "GetItem" => table
                    .get_item()
                    .table_name("table")
                    .key("k", text("x"))
                    .send()
                    .await
                    .is_err(),
                "PutItem" => table
                    .put_item()
                    .table_name("table")
                    .item("k", text("x"))
                    .send()
                    .await
                    .is_err(),
                "ListTables" => table.list_tables().send().await.is_err(),
                _ => table
                    .delete_item()
                    .table_name("table")
                    .key("k", text("x"))
                    .send()
                    .await
                    .is_err(),
            };
            assert!(failed, "{operation}");
            let expected = if operation == "DeleteItem" { 1 } else { expected };
            assert_eq!(begun().await - before, expected, "{operation} with {most:?}");
            let pauses = std::mem::take(&mut *pauses.0.lock().unwrap());
            assert_eq!(pauses.len(), expected - 1, "{operation}: {pauses:?}");
            // A part of a second, which is doubled each time.
            for (number, pause) in (0..).zip(pauses) {
                assert!(pause <= Duration::from_secs(1 << number), "{operation}: {pause:?}");
            }
        }
    }
    assert_eq!(service.recorded().len(), 0);
}
