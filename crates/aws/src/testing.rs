//! A scripted HTTP side for unit tests: answers from a list, requests kept for inspection.
//!
//! ```ignore
//! let http = Script::new([(200, "{}"), (400, r#"{"__type":"ThrottlingException"}"#)]);
//! let ports = http.ports();
//! // ... call a port, then look at http.requests()
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use inoculate_core::ports::Ports;
use serde_json::{Value, json};

use crate::connect::{Aws, Names};
use crate::table::Item;

/// A request as it was sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// The operation, as `x-amz-target` names it; method and path where there is none.
    pub(crate) operation: String,
    /// The body.
    pub(crate) body: String,
}

/// Statuses and bodies, next one first.
type Answers = VecDeque<(u16, Vec<u8>)>;

/// Answers in the order in which they are given; nothing is ever sent anywhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<Answers>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Script {
    /// Answers with these statuses and bodies.
    pub(crate) fn new<const N: usize>(answers: [(u16, &str); N]) -> Self {
        Script::of_bytes(answers.map(|(status, body)| (status, body.as_bytes().to_vec())))
    }

    /// The same, for answers that are no text.
    pub(crate) fn of_bytes<const N: usize>(answers: [(u16, Vec<u8>); N]) -> Self {
        Script {
            answers: Arc::new(Mutex::new(answers.into())),
            sent: Arc::default(),
        }
    }

    /// The configuration that leads here. Nothing is retried by the SDK.
    pub(crate) fn config(&self) -> SdkConfig {
        let credentials = Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .http_client(self.clone())
            .build()
    }

    /// The names of a stack that tells nobody.
    pub(crate) fn names(&self) -> Names {
        Names {
            table: "inoculate".into(),
            notices_topic_arn: None,
            event_bus: None,
            abort_topic_arn: Some("arn:aws:sns:eu-west-1:123456789012:inoculate-abort".into()),
        }
    }

    /// The ports that lead here.
    pub(crate) fn ports(&self) -> Ports {
        Aws::with(self.config()).unwrap().ports(&self.names())
    }

    /// What was sent so far.
    pub(crate) fn requests(&self) -> Vec<Sent> {
        self.sent.lock().unwrap().clone()
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = match request.headers().get("x-amz-target") {
            Some(target) => target.to_owned(),
            None => format!("{} {}", request.method(), request.uri()),
        };
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        self.sent.lock().unwrap().push(Sent { operation, body });
        let (status, body) = self
            .answers
            .lock()
            .unwrap()
            .pop_front()
            .expect("one request more than answers");
        let response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl HttpClient for Script {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The body with which DynamoDB answers GetItem.
pub(crate) fn answer_with(item: &Item) -> String {
    let attributes: serde_json::Map<_, _> = item.iter().map(|(name, value)| (name.clone(), wire(value))).collect();
    json!({ "Item": attributes }).to_string()
}

fn wire(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(wire).collect::<Vec<_>>() }),
        other => panic!("not needed so far: {other:?}"),
    }
}
