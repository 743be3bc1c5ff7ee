//! A scripted DynamoDB: one item to read, a record of what is written, and ways to fail.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use inoculate_layer::dynamo::item;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::seen;

/// How it behaves.
#[derive(Debug, Clone)]
pub(crate) enum Mood {
    Well,
    Hangs,
    Answers(u16, &'static str),
}

#[derive(Default)]
struct State {
    mood: Option<Mood>,
    items: BTreeMap<String, Value>,
    reads: usize,
    tried_writes: usize,
    written: Vec<Value>,
    authorizations: Vec<String>,
}

/// The scripted DynamoDB.
#[derive(Clone)]
pub(crate) struct Dynamo {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

/// The environment in which the layer uses a table at this address.
pub(crate) fn environment(address: SocketAddr) -> [(&'static str, String); 5] {
    [
        ("INOCULATE_TABLE", "inoculate".into()),
        ("AWS_REGION", "eu-west-1".into()),
        ("AWS_ENDPOINT_URL", format!("http://{address}")),
        ("AWS_ACCESS_KEY_ID", "AKID".into()),
        ("AWS_SECRET_ACCESS_KEY", "secret".into()),
    ]
}

impl Dynamo {
    pub(crate) async fn start() -> Dynamo {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dynamo = Dynamo {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        tokio::spawn(dynamo.clone().serve(listener));
        dynamo
    }

    /// The environment in which the layer uses it.
    pub(crate) fn environment(&self) -> [(&'static str, String); 5] {
        environment(self.address)
    }

    pub(crate) fn behave(&self, mood: Mood) {
        self.state.lock().unwrap().mood = Some(mood);
    }

    /// Puts the item of a partition there; `null` takes it away.
    pub(crate) fn set(&self, pk: &str, item: &Value) {
        let mut state = self.state.lock().unwrap();
        if item.is_null() {
            state.items.remove(pk);
        } else {
            state.items.insert(pk.to_owned(), item.clone());
        }
    }

    pub(crate) fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }

    pub(crate) fn tried_writes(&self) -> usize {
        self.state.lock().unwrap().tried_writes
    }

    pub(crate) fn written(&self) -> Vec<Value> {
        self.state.lock().unwrap().written.clone()
    }

    pub(crate) fn authorizations(&self) -> Vec<String> {
        self.state.lock().unwrap().authorizations.clone()
    }

    /// Waits for this many writes.
    pub(crate) async fn wrote(&self, count: usize) -> Vec<Value> {
        seen(&format!("{count} writes"), || {
            Some(self.written()).filter(|written| written.len() >= count)
        })
        .await
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let dynamo = self.clone();
            tokio::spawn(async move {
                let service = service_fn(|request| dynamo.answer(request));
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let (head, body) = request.into_parts();
        let input: Value = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap();
        let reads = head.headers["x-amz-target"] == "DynamoDB_20120810.GetItem";
        assert_eq!(input["TableName"], "inoculate");
        let mood = {
            let mut state = self.state.lock().unwrap();
            let authorization = head.headers["authorization"].to_str().unwrap().to_owned();
            state.authorizations.push(authorization);
            if reads {
                state.reads += 1;
            } else {
                state.tried_writes += 1;
            }
            state.mood.clone().unwrap_or(Mood::Well)
        };
        let (status, output) = match mood {
            Mood::Well => (200, self.well(reads, &input).to_string()),
            Mood::Hangs => std::future::pending().await,
            Mood::Answers(status, body) => (status, body.to_owned()),
        };
        let answer = Response::builder()
            .status(status)
            .header("content-type", "application/x-amz-json-1.0");
        Ok(answer.body(Full::new(output.into())).unwrap())
    }

    fn well(&self, reads: bool, input: &Value) -> Value {
        let mut state = self.state.lock().unwrap();
        if !reads {
            state.written.push(item::to_json(&input["Item"]).unwrap());
            return json!({});
        }
        assert_eq!(
            (&input["ConsistentRead"], &input["Key"]["SK"]["S"]),
            (&json!(true), &json!("LEASE"))
        );
        match state.items.get(input["Key"]["PK"]["S"].as_str().unwrap()) {
            Some(found) => json!({ "Item": item::from_json(found) }),
            None => json!({}),
        }
    }
}
