//! An invocation under way that makes calls, in the process of the test.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hyper::{Request, Response};
use inoculate_core::service::Service;
use inoculate_layer::config::Config;
use inoculate_layer::dependencies;
use inoculate_layer::proxy::Proxy;

use super::caller::{AT_SECS, How, KEY, SECRET, call, signed};
use crate::support::RuntimeApi;
use crate::support::scene::Scene;

/// An invocation with faults, and the addresses of its services.
pub(crate) struct Calling {
    pub(crate) scene: Scene,
    /// The service behind all of them.
    pub(crate) service: RuntimeApi,
    pub(crate) variables: BTreeMap<String, String>,
}

/// Starts the dependencies of a proxy, in this environment.
pub(crate) async fn start(proxy: &Arc<Proxy>, names: &str, environment: &[(&str, String)]) -> BTreeMap<String, String> {
    let get = |name: &str| {
        let all = [("INOCULATE_TABLE", "inoculate"), ("INOCULATE_DEPENDENCIES", names)];
        let own = all
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| OsString::from(value));
        own.or_else(|| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into())
        })
    };
    let (config, mistakes) = Config::read(get);
    assert_eq!(mistakes, []);
    let variables = dependencies::start(proxy, &config, get).await;
    variables.into_iter().collect()
}

impl Calling {
    /// An invocation `r` that meets these faults and is under way.
    pub(crate) async fn new(faults: &str) -> Calling {
        let (mut scene, service) = (Scene::new(faults).await, RuntimeApi::start([]).await);
        let environment = crate::support::dynamo::environment(service.address);
        let variables = start(&scene.proxy.proxy, "dynamodb,lambda,s3,sqs", &environment).await;
        assert_eq!(scene.runtime.next().await.request_id, "r");
        Calling {
            scene,
            service,
            variables,
        }
    }

    pub(crate) fn address(&self, service: Service) -> SocketAddr {
        let url = &self.variables[&service.endpoint_variable()];
        url.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// Calls an operation of DynamoDB.
    pub(crate) async fn dynamodb(&self, operation: &str, body: &str) -> Result<Response<Bytes>, hyper::Error> {
        dynamodb(self.address(Service::DynamoDb), operation, body, None).await
    }

    /// Calls an operation of DynamoDB with a tracing header.
    pub(crate) async fn traced(&self, trace: Option<&str>) -> u16 {
        let address = self.address(Service::DynamoDb);
        let answer = dynamodb(address, "GetItem", r#"{"TableName":"orders"}"#, trace).await;
        answer.unwrap().status().as_u16()
    }

    /// How many calls the service has seen.
    pub(crate) fn seen(&self) -> usize {
        self.service.recorded().len()
    }
}

/// Calls an operation of DynamoDB.
pub(crate) async fn dynamodb(
    address: SocketAddr,
    operation: &str,
    body: &str,
    trace: Option<&str>,
) -> Result<Response<Bytes>, hyper::Error> {
    let mut request = Request::post("/")
        .header("host", address.to_string())
        .header("x-amz-target", format!("DynamoDB_20120810.{operation}"))
        .header("content-type", "application/x-amz-json-1.0");
    if let Some(trace) = trace {
        request = request.header("x-amzn-trace-id", trace);
    }
    let request = signed(
        request.body(body.to_owned().into()).unwrap(),
        SECRET,
        How::Plain,
        AT_SECS,
    );
    assert!(request.headers()["authorization"].to_str().unwrap().contains(KEY));
    call(address, request).await
}
