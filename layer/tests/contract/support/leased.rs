//! A function under a lease: a scripted DynamoDB, a controlled clock, and the agent of the layer between them.

use std::sync::Arc;
use std::time::Duration;

use inoculate_core::layer::Caps;
use inoculate_layer::agent::{Agent, Settings};
use inoculate_layer::clock::Clock;
use inoculate_layer::dynamo::connection::Endpoint;
use inoculate_layer::dynamo::credentials::{Credentials, Provider};
use inoculate_layer::dynamo::{Table, TableConfig};
use inoculate_layer::intercept::Interceptor;
use inoculate_layer::log::{Level, Log};
use inoculate_layer::proxy::Tools;
use serde_json::{Value, json};

use super::clock::ManualClock;
use super::dynamo::Dynamo;
use super::{Event, Running, Runtime, RuntimeApi, seen, start};

pub(crate) const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

/// When the clock starts.
pub(crate) const START_MS: u64 = 1_000_000_000;

/// A fault that the runtime cannot overlook.
pub(crate) fn skip() -> Value {
    json!([{ "fault": { "kind": "error", "error_type": "Injected", "message": "", "handler": "skip" } }])
}

/// A lease with which every request meets these faults, for a minute.
pub(crate) fn lease(faults: &Value) -> Value {
    json!({
        "schema_version": 1, "function": "shop", "function_arn": ARN, "run_id": "r-1", "fence": 1, "role": "fault",
        "stage": "injection", "salt": "s", "percent": 100, "expires_at_ms": START_MS + 60_000, "faults": faults,
    })
}

/// The same lease with another value.
pub(crate) fn with(mut lease: Value, name: &str, value: impl Into<Value>) -> Value {
    lease[name] = value.into();
    lease
}

pub(crate) struct Leased {
    pub(crate) api: RuntimeApi,
    pub(crate) dynamo: Dynamo,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) agent: Arc<Agent>,
    pub(crate) proxy: Running,
    pub(crate) runtime: Runtime,
    number: usize,
}

impl Leased {
    /// A function that has read this lease.
    pub(crate) async fn new(lease: &Value) -> Leased {
        Leased::capped(
            lease,
            Caps {
                disabled: false,
                max_percent: 100.0,
            },
        )
        .await
    }

    pub(crate) async fn capped(lease: &Value, caps: Caps) -> Leased {
        let (api, dynamo, clock) = (RuntimeApi::start([]).await, Dynamo::start().await, ManualClock::new());
        let config = TableConfig {
            table: "inoculate".into(),
            endpoint: Endpoint::parse(&format!("http://{}", dynamo.address)).unwrap(),
            region: "eu-west-1".into(),
        };
        let credentials = Provider::Fixed(Credentials {
            key_id: "AKID".into(),
            secret: "secret".into(),
            session_token: Some("token".into()),
        });
        let table = Table::new(config, credentials, clock.clone() as Arc<dyn Clock>);
        let settings = Settings {
            caps,
            read: Duration::from_millis(150),
            poll: Duration::from_secs(10),
        };
        let agent = Arc::new(Agent::new(settings, table, clock.clone(), Log::new(Level::Off)));
        let proxy = start(api.address, agent.clone(), Tools::default()).await;
        let runtime = Runtime::connect(proxy.address).await;
        let mut leased = Leased {
            api,
            dynamo,
            clock,
            agent,
            proxy,
            runtime,
            number: 0,
        };
        leased.put(lease);
        // The first invocation tells which function this is; nothing is known yet, so nothing happens to it.
        assert!(!leased.is_injected("{}").await);
        leased.readings(1).await;
        leased
    }

    /// Writes the lease.
    pub(crate) fn put(&self, lease: &Value) {
        self.dynamo.set(&format!("TARGET#{ARN}"), lease);
    }

    /// Waits until the lease was read this often.
    pub(crate) async fn readings(&self, count: u64) {
        seen(&format!("{count} readings"), || {
            (self.agent.readings() >= count).then_some(())
        })
        .await;
    }

    /// Writes the lease, and waits until it was read.
    pub(crate) async fn put_and_read(&mut self, lease: &Value) {
        self.put(lease);
        let before = self.agent.readings();
        self.clock.pass(1_000);
        self.agent.attention();
        self.readings(before + 1).await;
    }

    /// Puts an event in line, and returns its request id.
    pub(crate) fn push(&mut self, body: &str) -> String {
        self.number += 1;
        let id = format!("request-{}", self.number);
        let event = Event::new(&id, body.to_owned());
        self.api
            .push(event.with("lambda-runtime-invoked-function-arn", format!("{ARN}:live")));
        id
    }

    /// Sends an event, and returns whether it met the fault that skips the handler.
    pub(crate) async fn is_injected(&mut self, body: &str) -> bool {
        let id = self.push(body);
        let (api, error) = (self.api.clone(), format!("/{id}/error"));
        let passed = tokio::select! {
            _ = api.got(&error) => false,
            got = self.runtime.next() => {
                assert_eq!(got.body, body);
                true
            }
        };
        if passed {
            self.runtime.respond(&id, "{\"ok\":true}").await;
        } else {
            // The runtime would still wait for an event. A new one is simpler.
            self.runtime = Runtime::connect(self.proxy.address).await;
            api.until("the old runtime is gone", |api| {
                (api.connections().1 == 0).then_some(())
            })
            .await;
        }
        !passed
    }
}
