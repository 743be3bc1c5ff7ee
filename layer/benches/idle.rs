//! What the layer costs: `cargo bench -p inoculate-layer`.
//!
//! One runtime and one Runtime API, both as simple and fast as can be, talk to each other directly and through one
//! proxy after the other, in turns within one run, so that a busy machine disturbs all of them alike. Printed are the
//! times that each proxy adds to an invocation (one `next`, one `response`) against no proxy.
//!
//! `INOCULATE_BENCH_INVOCATIONS` is the number of invocations through each, 10,000 by default.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark may stop, and prints"
)]

use std::convert::Infallible;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use inoculate_layer::config::Config;
use inoculate_layer::faults::{Fault, FaultKind, FaultPlan};
use inoculate_layer::intercept::{Attention, Decision, Interceptor, Invocation, Outcome, Release};
use inoculate_layer::log::{Level, Log};
use inoculate_layer::proxy::{Proxy, Tools};
use tokio::sync::watch;

const LAYER: &str = env!("CARGO_BIN_EXE_inoculate-layer");

/// How many invocations in a row go through the same proxy.
const TURN: usize = 50;

/// The delay of the latency fault whose accuracy is measured.
const FAULT_MS: u64 = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().position(|argument| argument == "child") {
        Some(at) => child(&arguments[at + 1], arguments[at + 2].parse().unwrap()),
        None => measure(),
    }
}

fn measure() {
    let invocations = std::env::var("INOCULATE_BENCH_INVOCATIONS")
        .ok()
        .and_then(|text| text.parse().ok());
    let invocations = invocations.unwrap_or(10_000);
    let api = serve_runtime_api(200);
    let layer = start_layer(api);
    let proxies = [
        ("byte-copying TCP proxy", start_child("copy", api)),
        ("inoculate-layer, idle", layer),
        ("inoculate-layer, watching (no fault)", start_child("watch", api)),
        ("aws-lambda-runtime-proxy 0.3", start_child("crate", api)),
    ];
    println!("added to one invocation, over {invocations} invocations each, 200-byte event and answer:");
    let answer = answer(200);
    let mut connections: Vec<_> = proxies.iter().map(|(_, proxy)| connect(proxy.address)).collect();
    connections.insert(0, connect(api));
    let times = in_turns(&mut connections, invocations, &answer);
    let direct = &times[0];
    println!(
        "  {:38} p50 {:7.1} us   p99 {:7.1} us",
        "(no proxy, the whole)",
        at(direct, 0.5),
        at(direct, 0.99)
    );
    for ((name, _), times) in proxies.iter().zip(&times[1..]) {
        let (p50, p99) = (at(times, 0.5) - at(direct, 0.5), at(times, 0.99) - at(direct, 0.99));
        println!("  {name:38} p50 {p50:+7.1} us   p99 {p99:+7.1} us");
    }
    let added = |index: usize| at(&times[index], 0.5) - at(direct, 0.5);
    println!(
        "  idle layer against byte-copying proxy, p50: {:.2}x (reach: 2x)",
        added(2) / added(1)
    );
    println!(
        "resident memory of the layer after {invocations} invocations: {:.1} MB (reach: 8 MB)",
        resident_mb(&proxies[1].1)
    );
    throughput();
    start_up(api);
    fault_accuracy(api);
}

/// Runs invocations through all connections in turns. Returns the times of each, sorted, in microseconds.
fn in_turns(connections: &mut [TcpStream], invocations: usize, answer: &[u8]) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(invocations); connections.len()];
    let mut buffer = vec![0; 64 * 1024];
    for _ in 0..invocations.div_ceil(TURN) {
        for (connection, times) in connections.iter_mut().zip(&mut times) {
            // The first one after a pause meets a cold cache, which is not what is measured.
            invoke(connection, answer, &mut buffer);
            for _ in 0..TURN {
                let start = Instant::now();
                invoke(connection, answer, &mut buffer);
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    times
}

/// The value at a quantile of sorted values.
fn at(sorted: &[f64], quantile: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * quantile).round() as usize]
}

fn throughput() {
    let megabyte = 1_000_000;
    let api = serve_runtime_api(megabyte);
    let through = start_layer(api);
    let copy = start_child("copy", api);
    let answer = answer(megabyte);
    let mut connections = [connect(api), connect(copy.address), connect(through.address)];
    let times = in_turns(&mut connections, 500, &answer);
    println!("throughput of 1 MB events and 1 MB answers (median):");
    for (name, times) in ["no proxy", "byte-copying TCP proxy", "inoculate-layer, idle"]
        .iter()
        .zip(&times)
    {
        println!("  {name:38} {:7.0} MB/s", 2.0 * 1e6 / at(times, 0.5));
    }
    println!(
        "resident memory of the layer after 1 MB payloads: {:.1} MB",
        resident_mb(&through)
    );
}

/// How much later a process starts behind the layer.
fn start_up(api: SocketAddr) {
    let run = |command: &mut Command| {
        let start = Instant::now();
        assert!(
            command
                .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
                .status()
                .unwrap()
                .success()
        );
        start.elapsed().as_secs_f64() * 1e3
    };
    let (mut direct, mut behind) = (Vec::new(), Vec::new());
    for _ in 0..200 {
        direct.push(run(&mut Command::new("true")));
        behind.push(run(Command::new(LAYER).args(["exec", "--", "true"])));
    }
    direct.sort_by(f64::total_cmp);
    behind.sort_by(f64::total_cmp);
    let added = |quantile| at(&behind, quantile) - at(&direct, quantile);
    println!(
        "added start-up (and end) of a process: p50 {:.2} ms, p99 {:.2} ms (reach: 5 ms)",
        added(0.5),
        added(0.99)
    );
}

/// How far a latency fault is from what it should be, beside what a plain sleep can do on this machine.
fn fault_accuracy(api: SocketAddr) {
    let (slow, watch) = (start_child("latency", api), start_child("watch", api));
    let mut connections = [connect(watch.address), connect(slow.address)];
    let times = in_turns(&mut connections, 500, &answer(200));
    let usual = at(&times[0], 0.5);
    let late: Vec<f64> = times[1]
        .iter()
        .map(|time| (time - usual) / 1e3 - FAULT_MS as f64)
        .collect();
    let sleep = |_| {
        let start = Instant::now();
        std::thread::sleep(Duration::from_millis(FAULT_MS));
        start.elapsed().as_secs_f64() * 1e3 - FAULT_MS as f64
    };
    let mut plain: Vec<f64> = (0..500).map(sleep).collect();
    plain.sort_by(f64::total_cmp);
    println!("late by, of {FAULT_MS} ms (reach: 2 ms at p99):");
    for (name, late) in [("a latency fault", late), ("a plain sleep", plain)] {
        println!(
            "  {name:38} p50 {:.2} ms   p95 {:.2} ms   p99 {:.2} ms",
            at(&late, 0.5),
            at(&late, 0.95),
            at(&late, 0.99)
        );
    }
}

/// A proxy in a process of its own.
struct Started {
    process: Child,
    address: SocketAddr,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn resident_mb(started: &Started) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", started.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Starts the real binary, as an extension: that is the one mode in which its own process can be looked at.
fn start_layer(api: SocketAddr) -> Started {
    let port = free_port();
    let process = Command::new(LAYER)
        .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
        .env("INOCULATE_PORT", port.to_string())
        .env("INOCULATE_TABLE", "inoculate")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL", format!("http://{api}"))
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .spawn()
        .unwrap();
    let started = Started {
        process,
        address: SocketAddr::from(([127, 0, 0, 1], port)),
    };
    while TcpStream::connect(started.address).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    started
}

/// Starts this program as one of the proxies of [`child`].
fn start_child(kind: &str, api: SocketAddr) -> Started {
    let mut process = Command::new(std::env::current_exe().unwrap())
        .args(["child", kind, &api.to_string()])
        .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    Started {
        process,
        address: line.trim().parse().unwrap(),
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The proxies to compare with, each on one thread.
fn child(kind: &str, api: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match kind {
            "copy" => copy_proxy(api).await,
            "crate" => {
                let port = free_port();
                let server = aws_lambda_runtime_proxy::MockLambdaRuntimeApiServer::bind(port)
                    .await
                    .unwrap();
                println!("127.0.0.1:{port}");
                server.passthrough().await;
            }
            "watch" => layer_with(api, "[]").await,
            _ => {
                let delay = format!(r#"{{"distribution":"fixed","ms":{FAULT_MS}}}"#);
                layer_with(api, &format!(r#"[{{"kind":"latency","delay":{delay},"at":"before"}}]"#)).await
            }
        }
    });
}

async fn copy_proxy(api: SocketAddr) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (mut down, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut up = tokio::net::TcpStream::connect(api).await.unwrap();
            down.set_nodelay(true).unwrap();
            up.set_nodelay(true).unwrap();
            let _ = tokio::io::copy_bidirectional(&mut down, &mut up).await;
        });
    }
}

/// The layer with an interceptor that gives every invocation this plan.
async fn layer_with(api: SocketAddr, plan: &str) {
    let (config, _) = Config::read(|name| (name == "AWS_LAMBDA_RUNTIME_API").then(|| api.to_string().into()));
    let (sender, released) = watch::channel(false);
    let always = Always {
        plan: serde_json::from_str(plan).unwrap(),
        released,
        _sender: sender,
    };
    let api = config.runtime_api.unwrap();
    let proxy = Proxy::new(&api, Arc::new(always), Tools::default(), Log::new(Level::Off)).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    let never: Infallible = Arc::new(proxy).serve(listener).await;
    match never {}
}

struct Always {
    plan: FaultPlan,
    released: watch::Receiver<bool>,
    _sender: watch::Sender<bool>,
}

#[async_trait]
impl Interceptor for Always {
    fn attention(&self) -> Attention {
        Attention::Headers
    }

    async fn decide(&self, _: &Invocation, _: Option<&Bytes>) -> Option<Decision> {
        let release = Release::new(self.released.clone());
        Some(Decision {
            faults: self.plan.clone(),
            release,
            see_answer_bytes: 0,
            mark: 0,
        })
    }

    fn injecting(&self, _: &Invocation, _: &Decision, _: &Fault) {}

    fn not_injected(&self, _: &Invocation, _: FaultKind, _: &str) {}

    fn finished(&self, _: Outcome) {}

    async fn shutdown(&self, _: Duration) {}
}

/// One invocation, as a runtime with one connection does it.
fn invoke(connection: &mut TcpStream, answer: &[u8], buffer: &mut Vec<u8>) {
    connection
        .write_all(
            b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:9001\r\nUser-Agent: bench\r\n\r\n",
        )
        .unwrap();
    read_message(connection, buffer).unwrap();
    connection.write_all(answer).unwrap();
    read_message(connection, buffer).unwrap();
}

fn answer(bytes: usize) -> Vec<u8> {
    let head = format!(
        "POST /2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/response HTTP/1.1\r\n\
         Host: 127.0.0.1:9001\r\nUser-Agent: bench\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n"
    );
    [head.into_bytes(), vec![b'1'; bytes]].concat()
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Reads one message, and returns the bytes of its first line. `None` at the end of the connection.
fn read_message(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut filled = 0;
    let head = loop {
        if filled == buffer.len() {
            buffer.resize(filled * 2, 0);
        }
        let count = stream.read(&mut buffer[filled..]).ok().filter(|count| *count > 0)?;
        filled += count;
        if let Some(end) = buffer[..filled].windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&buffer[..head]).to_lowercase();
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    let first = text.lines().next()?.as_bytes().to_vec();
    let mut left = (head + length).saturating_sub(filled);
    while left > 0 {
        let room = buffer.len().min(left);
        let count = stream.read(&mut buffer[..room]).ok().filter(|count| *count > 0)?;
        left -= count;
    }
    Some(first)
}

/// A Runtime API that always has an event of this many bytes, and takes every answer. Registers extensions, too, and is
/// a table without a lease.
fn serve_runtime_api(bytes: usize) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
         Lambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
         Lambda-Runtime-Deadline-Ms: 4102444800000\r\n\
         Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:eu-west-1:123456789012:function:shop\r\n\
         Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=1\r\n\
         Date: Mon, 01 Jan 2024 00:00:00 GMT\r\nContent-Length: {bytes}\r\n\r\n"
    );
    let event: Arc<[u8]> = [head.into_bytes(), vec![b'1'; bytes]].concat().into();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let event = Arc::clone(&event);
            std::thread::spawn(move || converse(stream.unwrap(), &event));
        }
    });
    address
}

fn converse(mut stream: TcpStream, event: &[u8]) {
    stream.set_nodelay(true).unwrap();
    let mut buffer = vec![0; 64 * 1024];
    while let Some(first) = read_message(&mut stream, &mut buffer) {
        let answer: &[u8] = match first.as_slice() {
            // An extension waits for its next event as long as it lives.
            extension if extension.starts_with(b"get /2020") => continue,
            table if table.starts_with(b"post / ") => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
            next if next.starts_with(b"get") => event,
            _ => b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nLambda-Extension-Identifier: i\r\nContent-Length: 16\r\n\r\n{\"status\":\"OK\"}\n",
        };
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}
