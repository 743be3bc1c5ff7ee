//! What the layer adds to a call to AWS: `cargo bench -p inoculate-layer --bench dependencies`.
//!
//! A function and a table talk to each other directly and through one proxy after the other, in turns within one run, so that
//! a busy moment disturbs all of them alike. The table answers at once and is all in one process, as it is the time that is
//! added that counts: the local stack takes milliseconds for a call, in which that would be lost.
//!
//! `INOCULATE_BENCH_CALLS` is the number of calls through each proxy, 10,000 by default.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may stop, prints, and reads the real clock"
)]

#[path = "support/measure.rs"]
mod measure;
#[path = "support/rivals.rs"]
mod rivals;
mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use inoculate_figures::{Figure, at, print_times, setting};
use serde_json::json;

use measure::{in_turns, print_added, resident_mb};
use support::machine::{Machine, lease};
use support::wire::{NEXT, answer, connect, exchange, invoke, read_message};
use support::{LAYER, Started, environment};

/// How many connections the function has at once, in the measurement of memory.
const CONNECTIONS: usize = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "rival") {
        return rivals::run(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    let machine = Machine::start(200);
    let idle = Behind::start(&machine);
    added_time(&machine, &idle, setting("INOCULATE_BENCH_CALLS", 10_000));
    memory(&idle);
}

/// The layer around a function that does nothing by itself: this program plays it.
struct Behind {
    /// The layer, and where it takes calls to DynamoDB.
    layer: Started,
    /// Where it takes the place of the Runtime API.
    api: SocketAddr,
}

impl Behind {
    fn start(machine: &Machine) -> Behind {
        let print = "echo ${AWS_ENDPOINT_URL_DYNAMODB#http://} $AWS_LAMBDA_RUNTIME_API; exec sleep 1000000";
        let mut command = Command::new(LAYER);
        command.args(["exec", "--", "sh", "-c", print]);
        environment(&mut command, machine.address, &format!("http://{}", machine.address));
        command.env("INOCULATE_DEPENDENCIES", "dynamodb");
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let (address, api) = line.trim().split_once(' ').unwrap();
        Behind {
            layer: Started {
                process,
                address: address.parse().unwrap(),
            },
            api: api.parse().unwrap(),
        }
    }

    /// Begins an invocation that goes on under the lease of the machine. Returns the connection of its runtime.
    fn invoked(&self) -> TcpStream {
        let (mut runtime, mut buffer) = (connect(self.api), Vec::new());
        // The first invocation tells the layer which function it is, and then it reads the lease.
        assert!(invoke(&mut runtime, &answer(200), &mut buffer));
        std::thread::sleep(Duration::from_millis(300));
        assert!(exchange(&mut runtime, NEXT, &mut buffer));
        runtime
    }
}

/// What each proxy adds to reading an item.
fn added_time(machine: &Machine, idle: &Behind, calls: usize) {
    let (watching, matching) = (Machine::start(200), Machine::start(200));
    watching.with(|state| state.lease = lease("observe", &json!([])));
    // Reads every call, and finds that it is not meant.
    let others = json!({ "service": "dynamodb", "operations": ["PutItem"], "resources": ["orders"] });
    let fault = json!({ "kind": "dependency", "calls": others, "effect": { "effect": "hang" } });
    matching.with(|state| state.lease = lease("fault", &json!([{ "fault": fault }])));
    let (watching, matching) = (Behind::start(&watching), Behind::start(&matching));
    let _under_way = [watching.invoked(), matching.invoked()];
    let copy = rivals::start("copy", machine.address);
    let names = [
        "byte-copying TCP proxy",
        "layer, idle",
        "layer, active lease",
        "layer, active lease with faults for other calls",
    ];
    let addresses = [
        machine.address,
        copy.address,
        idle.layer.address,
        watching.layer.address,
        matching.layer.address,
    ];
    let mut connections = addresses.map(connect);
    let requests = addresses.map(get_item);
    let call = |number: usize, connection: &mut TcpStream, buffer: &mut Vec<u8>| {
        exchange(connection, &requests[number], buffer)
    };
    // Each layer makes its key of this day.
    in_turns(&mut connections, 1, call);
    println!("added to one GetItem, over {calls} each, in turns:");
    let times = in_turns(&mut connections, calls, call);
    print_times("no proxy: the whole GetItem", &times[0], "us", [None; 2]);
    print_added(&names, &times);
    let added = |index: usize| at(&times[index], 0.5) - at(&times[0], 0.5);
    Figure {
        what: "added by the idle layer against the byte-copying proxy, p50",
        measured: added(2) / added(1),
        unit: "x",
        reach: None,
    }
    .print();
}

/// The memory of a layer with many connections of its function.
fn memory(idle: &Behind) {
    println!("memory of the layer:");
    let print = |what: &str, reach| {
        Figure {
            what,
            measured: resident_mb(&idle.layer),
            unit: "MB",
            reach,
        }
        .print();
    };
    print("resident memory, idle, with one connection", Some(8.0));
    let (request, mut buffer) = (get_item(idle.layer.address), Vec::new());
    let mut connections: Vec<_> = (0..CONNECTIONS).map(|_| connect(idle.layer.address)).collect();
    for _ in 0..10 {
        // All of them are under way at once.
        for connection in &mut connections {
            connection.write_all(&request).unwrap();
        }
        for connection in &mut connections {
            assert!(read_message(connection, &mut buffer).is_some());
        }
    }
    let what = format!("resident memory, idle, with {CONNECTIONS} connections");
    print(&what, None);
}

/// A request to DynamoDB at this address, as an SDK makes and signs it.
fn get_item(address: SocketAddr) -> Vec<u8> {
    let body = br#"{"TableName":"orders","Key":{"k":{"S":"8476a536-e9f4-11e8-9739-2dfe598c3fcd"}}}"#;
    let mut headers = vec![
        ("host".to_owned(), address.to_string()),
        ("content-type".to_owned(), "application/x-amz-json-1.0".to_owned()),
        ("x-amz-target".to_owned(), "DynamoDB_20120810.GetItem".to_owned()),
    ];
    let identity = Credentials::new("id", "secret", None, None, "bench").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("dynamodb")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .unwrap()
        .into();
    let known = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let signable =
        SignableRequest::new("POST", format!("http://{address}/"), known, SignableBody::Bytes(body)).unwrap();
    let (signed, _) = sign(signable, &parameters).unwrap().into_parts();
    headers.extend(
        signed
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    headers.push((
        "x-amzn-trace-id".to_owned(),
        "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700".to_owned(),
    ));
    headers.push(("content-length".to_owned(), body.len().to_string()));
    let headers: String = headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    [format!("POST / HTTP/1.1\r\n{headers}\r\n").as_bytes(), body].concat()
}
