//! How fast a lease takes effect: `cargo bench -p inoculate-layer --bench lease`.
//!
//! The real binary stands between a runtime that asks for one event after the other and a Runtime API that always has
//! one. A scripted DynamoDB has the lease. Printed is how long it takes from a lease that is written to the first
//! request that meets the fault, and from one that is released to the last.
//!
//! `INOCULATE_BENCH_ROUNDS` is the number of rounds, 20 by default; each takes about six seconds.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may stop, prints, and reads the real clock"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

/// Between two events: 200 in a second.
const PACE: Duration = Duration::from_millis(5);

/// How long to watch after a change. More than the two seconds that it may take.
const WATCH: Duration = Duration::from_millis(3_000);

/// What the two scripted services and the benchmark share.
#[derive(Default)]
struct Scene {
    role: &'static str,
    fence: u64,
    /// When answers went out that were the fault.
    injected: Vec<Instant>,
}

type Shared = Arc<Mutex<Scene>>;

fn main() {
    let rounds = std::env::var("INOCULATE_BENCH_ROUNDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let scene = Shared::default();
    scene.lock().unwrap().role = "observe";
    let (api, table) = (serve(&scene, runtime_api), serve(&scene, dynamo));
    let (mut layer, address) = start_layer(api, table);
    std::thread::spawn(move || invoke_for_ever(address));
    std::thread::sleep(Duration::from_secs(2));
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for _ in 0..rounds.unwrap_or(20) {
        let written = change(&scene, "fault");
        std::thread::sleep(Duration::from_millis(2_000 + fastrand::u64(..1_000)));
        // A fault that did not happen in that time is no figure, and ends the benchmark.
        let happened = *scene.lock().unwrap().injected.first().unwrap();
        first.push(millis(happened - written));
        let released = change(&scene, "released");
        std::thread::sleep(WATCH);
        // None after the release is as good as it gets: zero.
        let ended = scene.lock().unwrap().injected.last().copied().unwrap_or(released);
        last.push(millis(ended - released));
        change(&scene, "observe");
        std::thread::sleep(Duration::from_millis(1_200));
    }
    println!("under 200 requests a second, the function read about once a second (reach: 2 s at p99):");
    print(
        "lease turned from observe to fault until the first injected",
        &mut first,
    );
    print("lease released until the last injected", &mut last);
    layer.kill().unwrap();
    layer.wait().unwrap();
}

/// Writes the lease, and forgets what happened before.
fn change(scene: &Shared, role: &'static str) -> Instant {
    let mut scene = scene.lock().unwrap();
    scene.role = role;
    scene.fence += 1;
    scene.injected.clear();
    Instant::now()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn print(what: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    let at = |quantile: f64| times[((times.len() - 1) as f64 * quantile).round() as usize];
    println!(
        "  {what:62} p50 {:6.0} ms   p99 {:6.0} ms   longest {:6.0} ms   ({} rounds)",
        at(0.5),
        at(0.99),
        at(1.0),
        times.len()
    );
}

fn start_layer(api: SocketAddr, table: SocketAddr) -> (Child, SocketAddr) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let layer = Command::new(env!("CARGO_BIN_EXE_inoculate-layer"))
        .env("AWS_LAMBDA_RUNTIME_API", api.to_string())
        .env("INOCULATE_PORT", address.port().to_string())
        .env("INOCULATE_TABLE", "inoculate")
        .env("INOCULATE_LOG", "error")
        // Only so that a round begins soon after the one before was released.
        .env("INOCULATE_POLL_MS", "1000")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{table}"))
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .spawn()
        .unwrap();
    while TcpStream::connect(address).is_err() {
        std::thread::sleep(Duration::from_millis(1));
    }
    (layer, address)
}

/// The runtime.
fn invoke_for_ever(proxy: SocketAddr) {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream.set_nodelay(true).unwrap();
    loop {
        std::thread::sleep(PACE);
        for request in [
            "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: x\r\n\r\n",
            "POST /2018-06-01/runtime/invocation/r/response HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}",
        ] {
            if stream.write_all(request.as_bytes()).is_err() || read_message(&mut stream).is_none() {
                return;
            }
        }
    }
}

/// A server that answers each request by what it is.
fn serve(scene: &Shared, answer: fn(&Shared, &str) -> Option<String>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let scene = Arc::clone(scene);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, scene) = (stream.unwrap(), Arc::clone(&scene));
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || {
                while let Some(request) = read_message(&mut stream) {
                    if let Some(answer) = answer(&scene, &request)
                        && stream.write_all(answer.as_bytes()).is_err()
                    {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn runtime_api(scene: &Shared, request: &str) -> Option<String> {
    let body = "{\"customer\":1}";
    if request.starts_with("GET /2018") {
        return Some(format!(
            "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: r\r\nLambda-Runtime-Deadline-Ms: 4102444800000\r\n\
             Lambda-Runtime-Invoked-Function-Arn: {ARN}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
    if request.contains("\"statusCode\":503") {
        scene.lock().unwrap().injected.push(Instant::now());
    }
    let accepted = "HTTP/1.1 202 Accepted\r\nLambda-Extension-Identifier: i\r\nContent-Length: 0\r\n\r\n";
    (!request.contains("/extension/event/next")).then(|| accepted.to_owned())
}

fn dynamo(scene: &Shared, request: &str) -> Option<String> {
    let (role, fence) = {
        let scene = scene.lock().unwrap();
        (scene.role, scene.fence)
    };
    let stage = if role == "fault" { "injection" } else { "baseline" };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let fault = r#"{"M":{"kind":{"S":"response"},"status":{"N":"503"},"handler":{"S":"run"}}}"#;
    let item = format!(
        r#"{{"Item":{{"schema_version":{{"N":"1"}},"function_arn":{{"S":"{ARN}"}},"run_id":{{"S":"r"}},"salt":{{"S":"s"}},
        "fence":{{"N":"{fence}"}},"role":{{"S":"{role}"}},"stage":{{"S":"{stage}"}},"percent":{{"N":"100"}},
        "expires_at_ms":{{"N":"{}"}},"faults":{{"L":[{{"M":{{"fault":{fault}}}}}]}}}}}}"#,
        now + 60_000
    );
    let body = if request.contains("GetItem") {
        item.as_str()
    } else {
        "{}"
    };
    Some(format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

/// Reads one message whole. `None` at the end of the connection.
fn read_message(stream: &mut TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let head = head.to_lowercase();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            return Some(text.into_owned());
        }
    }
}
