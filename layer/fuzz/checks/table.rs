//! Any bytes as an answer of DynamoDB to the reading of a lease.
//!
//! The first byte says what the others are: an odd one, the body of a proper answer; an even one, all that comes.
//! Only a valid lease gives faults, and the next lease is read.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use inoculate_core::layer::{Caps, read};
use inoculate_layer::agent::{Agent, Settings};
use inoculate_layer::clock::Clock;
use inoculate_layer::dynamo::connection::Endpoint;
use inoculate_layer::dynamo::credentials::{Credentials, Provider};
use inoculate_layer::dynamo::{Table, TableConfig, item};
use inoculate_layer::intercept::{Decision, Interceptor, Invocation};
use inoculate_layer::log::{Level, Log};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

/// Longer than any reading lasts that is not at its limit, on any machine.
const PATIENCE: Duration = Duration::from_secs(30);

thread_local! {
    static LISTENER: TcpListener = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        listener
    };
}

/// A clock that moves by hand.
#[derive(Default)]
struct Hand(AtomicU64);

impl Clock for Hand {
    fn now_ms(&self) -> u64 {
        1_000_000_000 + self.0.load(Ordering::Relaxed)
    }

    fn steady(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

pub(crate) fn check(bytes: &[u8]) {
    let Some((kind, rest)) = bytes.split_first() else {
        return;
    };
    let is_body = kind % 2 == 1;
    let answer = if is_body { with_head(rest) } else { rest.to_vec() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let listener = LISTENER.with(TcpListener::try_clone).expect("a listener");
    let faults = runtime.block_on(async {
        match tokio::time::timeout(PATIENCE, reads(listener, answer)).await {
            Ok(faults) => faults,
            Err(_) => panic!("a reading does not end"),
        }
    });
    if is_body && faults > 0 {
        let lease = serde_json::from_slice::<Value>(rest).ok();
        let lease = lease
            .and_then(|output| item::to_json(output.get("Item")?))
            .and_then(|item| read(&item, ARN).ok()?);
        assert!(lease.is_some_and(|lease| faults <= lease.lease().faults.len()));
    }
}

fn with_head(body: &[u8]) -> Vec<u8> {
    [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
        body,
    ]
    .concat()
}

/// Lets an agent read this answer, and then a proper lease. Returns how many faults came of the first.
async fn reads(listener: TcpListener, answer: Vec<u8>) -> usize {
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    let address = listener.local_addr().expect("an address");
    let answers = Arc::new(Mutex::new(answer));
    tokio::spawn(serve(listener, Arc::clone(&answers)));
    let clock = Arc::new(Hand::default());
    let agent = agent(address, Arc::clone(&clock));

    assert!(decide(&agent).await.is_none(), "nothing is known yet");
    readings(&agent, 1).await;
    let faults = decide(&agent)
        .await
        .map_or(0, |decision| decision.faults.faults().len());

    let lease = json!({
        "schema_version": 1, "function_arn": ARN, "run_id": "r-1", "fence": u64::MAX, "role": "fault",
        "stage": "injection", "salt": "s", "percent": 100, "expires_at_ms": u64::MAX,
        "faults": [{ "fault": { "kind": "hang", "handler": "run" } }],
    });
    let body = json!({ "Item": item::from_json(&lease) }).to_string();
    *answers.lock().expect("a lock") = with_head(body.as_bytes());
    // Longer than any poll interval, so what is under way is too old.
    clock.0.fetch_add(61_000, Ordering::Relaxed);
    let before = agent.readings();
    agent.attention();
    readings(&agent, before + 1).await;
    // What was under way before may have been answered before.
    clock.0.fetch_add(61_000, Ordering::Relaxed);
    agent.attention();
    readings(&agent, before + 2).await;
    let decision = decide(&agent).await.expect("the next lease is read");
    assert_eq!(decision.faults.faults().len(), 1);
    faults
}

async fn readings(agent: &Agent, count: u64) {
    while agent.readings() < count {
        tokio::task::yield_now().await;
    }
}

async fn decide(agent: &Agent) -> Option<Decision> {
    let invocation = Invocation {
        request_id: "r".into(),
        invocation_id: None,
        deadline_ms: None,
        trace_id: None,
        function_arn: Some(ARN.into()),
    };
    agent
        .decide(&invocation, Some(&Bytes::from_static(br#"{"a":1}"#)))
        .await
}

fn agent(address: SocketAddr, clock: Arc<Hand>) -> Agent {
    let config = TableConfig {
        table: "inoculate".into(),
        endpoint: Endpoint::parse(&format!("http://{address}")).expect("a URL"),
        region: "eu-west-1".into(),
    };
    let credentials = Provider::Fixed(Credentials {
        key_id: "AKID".into(),
        secret: "secret".into(),
        session_token: None,
    });
    let settings = Settings {
        caps: Caps {
            disabled: false,
            max_percent: 100.0,
        },
        read: Duration::ZERO,
        poll: Duration::from_secs(10),
    };
    let table = Table::new(config, credentials, Arc::clone(&clock) as Arc<dyn Clock>);
    Agent::new(settings, table, clock, Log::new(Level::Off))
}

/// Answers the first request of every connection, and closes it.
async fn serve(listener: tokio::net::TcpListener, answers: Arc<Mutex<Vec<u8>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let answers = Arc::clone(&answers);
        tokio::spawn(async move {
            let mut request = Vec::new();
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {
                    continue;
                }
                return;
            }
            let answer = answers.lock().expect("a lock").clone();
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut request).await;
        });
    }
}
