//! What the layer costs: `cargo bench -p inoculate-layer --bench idle`.
//!
//! One runtime and one machine around it talk to each other directly and through one proxy after the other, in turns
//! within one run, so that a busy moment disturbs all of them alike.
//!
//! `INOCULATE_BENCH_INVOCATIONS` is the number of invocations through each proxy, 10,000 by default.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may stop, prints, and reads the real clock"
)]

#[path = "support/extension.rs"]
mod extension;
#[path = "support/measure.rs"]
mod measure;
#[path = "support/rivals.rs"]
mod rivals;
mod support;

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use inoculate_figures::{Figure, at, millis, print_times, setting, sorted};
use serde_json::json;

use measure::{in_turns, print_added, resident_mb};
use support::machine::{Machine, lease};
use support::wire::{answer, connect, invoke};
use support::{LAYER, Started, free_address};

/// How often a process is started.
const STARTS: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "rival") {
        return rivals::run(&arguments[at + 1], arguments[at + 2].parse().unwrap());
    }
    let invocations = setting("INOCULATE_BENCH_INVOCATIONS", 10_000);
    let idle = Machine::start(200);
    let layer = extension::start(idle.address);
    added_time(&idle, &layer, invocations);
    memory(&layer, connect(layer.address), invocations);
    throughput();
    start_up(&idle);
}

/// What each proxy adds to an invocation: one `next`, one `response`.
fn added_time(idle: &Machine, layer: &Started, invocations: usize) {
    let (watching, matching) = (Machine::start(200), Machine::start(200));
    watching.with(|state| state.lease = lease("observe", &json!([])));
    // Reads every event, and finds that it is not meant.
    let never = json!({ "test": "equals", "field": "/customer", "value": "nobody" });
    let fault = json!({ "kind": "response", "status": 503, "handler": "run" });
    matching.with(|state| state.lease = lease("fault", &json!([{ "match": [never], "fault": fault }])));
    let (watching, matching) = (extension::start(watching.address), extension::start(matching.address));
    let (copy, other) = (
        rivals::start("copy", idle.address),
        rivals::start("crate", idle.address),
    );
    let proxies = [
        ("byte-copying TCP proxy", copy.address),
        ("layer, idle", layer.address),
        ("layer, active lease", watching.address),
        ("layer, active lease that reads events", matching.address),
        ("aws-lambda-runtime-proxy 0.3", other.address),
    ];
    let addresses = std::iter::once(idle.address).chain(proxies.map(|(_, address)| address));
    let mut connections: Vec<_> = addresses.map(connect).collect();
    // The first invocation tells the layer which function it is, and then it reads the lease.
    through(&mut connections, 1, 200);
    std::thread::sleep(Duration::from_millis(300));

    println!("added to one invocation, over {invocations} each, in turns, 200-byte event and answer:");
    let times = through(&mut connections, invocations, 200);
    print_times("no proxy: the whole invocation", &times[0], "us", [None; 2]);
    print_added(&proxies.map(|(name, _)| name), &times);
    let added = |index: usize| at(&times[index], 0.5) - at(&times[0], 0.5);
    let what = "added by the idle layer against the byte-copying proxy, p50";
    Figure {
        what,
        measured: added(2) / added(1),
        unit: "x",
        reach: Some(2.0),
    }
    .print();
}

/// Runs invocations with answers of this size through all connections in turns. Returns the times of each, sorted, in microseconds.
fn through(connections: &mut [TcpStream], invocations: usize, answer_bytes: usize) -> Vec<Vec<f64>> {
    let answer = answer(answer_bytes);
    in_turns(connections, invocations, |_, connection, buffer| {
        invoke(connection, &answer, buffer)
    })
}

/// The memory of an idle layer, and whether it grows.
fn memory(layer: &Started, mut connection: TcpStream, invocations: usize) {
    println!("memory of the layer:");
    let before = resident_mb(layer);
    let what = format!("resident memory, idle, after {invocations} invocations");
    Figure {
        what: what.as_str(),
        measured: before,
        unit: "MB",
        reach: Some(8.0),
    }
    .print();
    let mut buffer = Vec::new();
    assert!((0..invocations).all(|_| invoke(&mut connection, &answer(200), &mut buffer)));
    let what = format!("resident memory, idle, more after {invocations} further ones");
    Figure {
        what: what.as_str(),
        measured: resident_mb(layer) - before,
        unit: "MB",
        reach: None,
    }
    .print();
    // Nobody speaks TLS there, but all that the layer needs for it is made.
    let machine = Machine::start(200);
    let (address, table) = (free_address(), format!("https://localhost:{}", machine.address.port()));
    let secure = extension::listening(&mut extension::command(machine.address, address, &table), address);
    let mut connection = connect(secure.address);
    assert!((0..invocations).all(|_| invoke(&mut connection, &answer(200), &mut buffer)));
    let what = "resident memory, idle, with what TLS to the table needs";
    Figure {
        what,
        measured: resident_mb(&secure),
        unit: "MB",
        reach: Some(8.0),
    }
    .print();
}

fn throughput() {
    let megabyte = 1_000_000;
    let machine = Machine::start(megabyte);
    let (layer, copy) = (
        extension::start(machine.address),
        rivals::start("copy", machine.address),
    );
    let mut connections = [machine.address, copy.address, layer.address].map(connect);
    println!("1 MB events and 1 MB answers, both ways counted (median):");
    let times = through(&mut connections, 500, megabyte);
    for (name, times) in ["no proxy", "byte-copying TCP proxy", "layer, idle"].iter().zip(&times) {
        let what = format!("throughput, {name}");
        Figure {
            what: what.as_str(),
            measured: 2.0 * 1e6 / at(times, 0.5),
            unit: "MB/s",
            reach: None,
        }
        .print();
    }
    let what = "resident memory, idle, after 1 MB payloads";
    Figure {
        what,
        measured: resident_mb(&layer),
        unit: "MB",
        reach: Some(8.0),
    }
    .print();
}

/// How much later a process starts behind the layer.
fn start_up(machine: &Machine) {
    println!("added start-up, over {STARTS} starts:");
    let wrapper = Path::new(env!("CARGO_MANIFEST_DIR")).join("inoculate-exec");
    let opt = tempfile::tempdir().unwrap();
    std::fs::create_dir(opt.path().join("extensions")).unwrap();
    std::os::unix::fs::symlink(LAYER, opt.path().join("extensions/inoculate-layer")).unwrap();
    std::fs::copy(wrapper, opt.path().join("inoculate-exec")).unwrap();

    let (mut direct, mut exec, mut extended) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..STARTS {
        direct.push(run(
            Command::new("true").env("AWS_LAMBDA_RUNTIME_API", machine.address.to_string())
        ));
        let mut behind = Command::new(LAYER);
        behind.args(["exec", "--", "true"]);
        exec.push(run(behind.env("AWS_LAMBDA_RUNTIME_API", machine.address.to_string())));
        // Lambda starts the runtime, here through the wrapper, when the extension is ready.
        let (started, ready, port) = start_extension(machine);
        let mut wrapped = Command::new(opt.path().join("inoculate-exec"));
        wrapped.arg("true").env("INOCULATE_PORT", port.to_string());
        extended.push(ready + run(wrapped.env("AWS_LAMBDA_RUNTIME_API", machine.address.to_string())));
        drop(started);
    }
    let usual = at(&sorted(direct), 0.5);
    let added = |times: Vec<f64>| sorted(times.iter().map(|time| time - usual).collect());
    print_times(
        "added start-up: behind exec (start and end)",
        &added(exec),
        "ms",
        [Some(5.0); 2],
    );
    print_times(
        "added start-up: extension and exec wrapper",
        &added(extended),
        "ms",
        [Some(5.0); 2],
    );
}

/// Runs a command to its end. Returns how long that took, in milliseconds.
fn run(command: &mut Command) -> f64 {
    let start = Instant::now();
    assert!(command.status().unwrap().success());
    millis(start.elapsed())
}

/// Starts the extension. Returns also how long it took to be ready, in milliseconds, and its port.
fn start_extension(machine: &Machine) -> (Started, f64, u16) {
    let (address, table): (SocketAddr, _) = (free_address(), format!("http://{}", machine.address));
    machine.with(|state| state.extension_ready = None);
    let start = Instant::now();
    let process = extension::command(machine.address, address, &table).spawn().unwrap();
    let ready = loop {
        if let Some(ready) = machine.with(|state| state.extension_ready) {
            break ready;
        }
        std::thread::sleep(Duration::from_micros(50));
    };
    (Started { process, address }, millis(ready - start), address.port())
}
