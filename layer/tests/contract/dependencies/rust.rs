//! The AWS SDK for Rust against the local stack, through the layer.

use std::collections::BTreeMap;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_cloudwatch::operation::put_metric_data::PutMetricDataError;
use aws_sdk_cloudwatch::types::MetricDatum;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};
use aws_smithy_http_client::tls;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use inoculate_stack::{REGION, Stack};

use super::scene::start;
use super::sdk::{role, stack};
use crate::support::scene::Scene;

/// A plan: reads of DynamoDB are throttled, CloudWatch fails.
const FAULTS: &str = r#"[
    {"kind":"dependency","calls":{"service":"dynamodb","operations":["GetItem"],"resources":["orders"]},
     "effect":{"effect":"error","code":"ProvisionedThroughputExceededException","message":"too much"}},
    {"kind":"dependency","calls":{"service":"cloudwatch","operations":["PutMetricData"]},
     "effect":{"effect":"error","code":"InternalServiceError"}}
]"#;

/// A configuration that leads to this endpoint.
fn config(stack_role: &BTreeMap<String, String>, endpoint: &str) -> SdkConfig {
    let key = |name: &str| stack_role[name].clone();
    let token = Some(key("AWS_SESSION_TOKEN"));
    let credentials = Credentials::new(
        key("AWS_ACCESS_KEY_ID"),
        key("AWS_SECRET_ACCESS_KEY"),
        token,
        None,
        "test",
    );
    let ring = tls::Provider::Rustls(CryptoMode::Ring);
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .retry_config(RetryConfig::standard().with_max_attempts(2))
        .http_client(aws_smithy_http_client::Builder::new().tls_provider(ring).build_https())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(endpoint)
        .build()
}

fn environment(stack: &Stack, role: &BTreeMap<String, String>) -> Vec<(&'static str, String)> {
    let role_of = |name: &str, root: String| role.get(name).cloned().unwrap_or(root);
    let mut variables: Vec<_> = stack
        .env()
        .into_iter()
        .map(|(name, root)| (name, role_of(name, root)))
        .collect();
    variables.push(("AWS_SESSION_TOKEN", role["AWS_SESSION_TOKEN"].clone()));
    variables
}

#[tokio::test]
async fn calls_pass_and_faults_are_typed_errors() {
    let (stack, mut scene) = (stack().await, Scene::new(FAULTS).await);
    let role = role(&stack);
    let variables = start(&scene.proxy.proxy, "dynamodb,cloudwatch", &environment(&stack, &role)).await;
    let through = |variable: &str| config(&role, &variables[variable]);
    let dynamodb = aws_sdk_dynamodb::Client::new(&through("AWS_ENDPOINT_URL_DYNAMODB"));
    let cloudwatch = aws_sdk_cloudwatch::Client::new(&through("AWS_ENDPOINT_URL_CLOUDWATCH"));

    let attribute = AttributeDefinition::builder()
        .attribute_name("k")
        .attribute_type(ScalarAttributeType::S);
    let key = KeySchemaElement::builder().attribute_name("k").key_type(KeyType::Hash);
    let create = dynamodb
        .create_table()
        .table_name("orders")
        .billing_mode(BillingMode::PayPerRequest);
    let create = create
        .attribute_definitions(attribute.build().unwrap())
        .key_schema(key.build().unwrap());
    create.send().await.unwrap();
    let key = AttributeValue::S("schlüssel".to_owned());
    let large = AttributeValue::S("ö".repeat(199_000));
    dynamodb
        .put_item()
        .table_name("orders")
        .item("k", key.clone())
        .item("v", large.clone())
        .send()
        .await
        .unwrap();
    let get = || dynamodb.get_item().table_name("orders").key("k", key.clone()).send();
    assert_eq!(get().await.unwrap().item.unwrap()["v"], large);
    let datum = MetricDatum::builder().metric_name("m").value(1.5).build();
    let put = || {
        cloudwatch
            .put_metric_data()
            .namespace("n")
            .metric_data(datum.clone())
            .send()
    };
    put().await.unwrap();

    assert_eq!(scene.runtime.next().await.request_id, "r");
    let failed = get().await.unwrap_err().into_service_error();
    assert!(
        matches!(failed, GetItemError::ProvisionedThroughputExceededException(_)),
        "{failed:?}"
    );
    assert_eq!(failed.meta().message(), Some("too much"));
    let failed = put().await.unwrap_err().into_service_error();
    assert!(
        matches!(failed, PutMetricDataError::InternalServiceFault(_)),
        "{failed:?}"
    );
    let begun = scene
        .interceptor
        .told("the faults", |told| Some(told.injecting.len()))
        .await;
    assert_eq!(begun, 4, "each call was tried twice");

    scene.runtime.respond("r", "{}").await;
    assert_eq!(get().await.unwrap().item.unwrap()["k"], key);
    put().await.unwrap();
}
