//! All that the layer talks to.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use inoculate_layer::dynamo::item;
use serde_json::{Value, json};

use super::wire::{Message, read_message};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

/// The status of the fault in [`lease`].
const INJECTED: &[u8] = b"\"statusCode\":503";

const ACCEPTED: &[u8] =
    b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nLambda-Extension-Identifier: i\r\n\
    Content-Length: 16\r\n\r\n{\"status\":\"OK\"}\n";

/// What the machine knows and sees.
#[derive(Default)]
pub(crate) struct State {
    /// The attributes of the lease. Null: there is none.
    pub(crate) lease: Value,
    /// When answers came that were injected.
    pub(crate) injected: Vec<Instant>,
    /// When an extension last asked for its next event.
    pub(crate) extension_ready: Option<Instant>,
}

/// The machine.
#[derive(Clone)]
pub(crate) struct Machine {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Machine {
    /// Starts one whose events have this many bytes.
    pub(crate) fn start(event_bytes: usize) -> Machine {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let machine = Machine {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let (serving, event): (Machine, Arc<[u8]>) = (machine.clone(), event(event_bytes).into());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, machine, event) = (stream.unwrap(), serving.clone(), Arc::clone(&event));
                stream.set_nodelay(true).unwrap();
                std::thread::spawn(move || {
                    let mut buffer = Vec::new();
                    while let Some(message) = read_message(&mut stream, &mut buffer) {
                        if !machine.answer(&message, &event, |answer| stream.write_all(answer).is_ok()) {
                            return;
                        }
                    }
                });
            }
        });
        machine
    }

    /// Looks at or changes what it knows.
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }

    /// Answers a request, unless it is one that waits for ever.
    fn answer(&self, request: &Message<'_>, event: &[u8], mut send: impl FnMut(&[u8]) -> bool) -> bool {
        if request.is("GET /2018") {
            return send(event);
        }
        if request.is("GET /2020") {
            self.with(|state| state.extension_ready = Some(Instant::now()));
            return true;
        }
        if !request.is("POST / ") {
            if request.body.len() < 100 && request.body.windows(INJECTED.len()).any(|part| part == INJECTED) {
                self.with(|state| state.injected.push(Instant::now()));
            }
            return send(ACCEPTED);
        }
        let found = if request.has("GetItem") {
            self.found()
        } else {
            json!({})
        }
        .to_string();
        send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{found}", found.len()).as_bytes())
    }

    /// The lease, which never ends by itself.
    fn found(&self) -> Value {
        let mut lease = self.with(|state| state.lease.clone());
        if lease.is_null() {
            return json!({});
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        lease["expires_at_ms"] = json!(u64::try_from(now).unwrap() + 60_000);
        json!({ "Item": item::from_json(&lease) })
    }
}

/// A lease for everybody with this role and these faults.
pub(crate) fn lease(role: &str, faults: &Value) -> Value {
    let stage = if role == "fault" { "injection" } else { "baseline" };
    json!({
        "schema_version": 1, "function_arn": ARN, "run_id": "r", "salt": "s", "fence": 1, "role": role,
        "stage": stage, "percent": 100, "faults": faults,
    })
}

fn event(bytes: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         Lambda-Runtime-Deadline-Ms: 4102444800000\r\nLambda-Runtime-Invoked-Function-Arn: {ARN}\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\
         Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: {bytes}\r\n\r\n"
    );
    let filler = bytes.saturating_sub(r#"{"customer":""}"#.len());
    let body = format!(r#"{{"customer":"{}"}}"#, "1".repeat(filler));
    [head.into_bytes(), body.into_bytes()].concat()
}
