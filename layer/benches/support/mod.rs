//! What the benchmarks share: figures, the real binary as a process, and a machine around it.
//!
//! One address is everything that the layer talks to: a Runtime API that always has an event, an Extensions API that
//! has none, and a table with one lease. All are as simple and fast as can be, a thread for each connection.

pub(crate) mod machine;
pub(crate) mod wire;

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::time::Duration;

use serde_json::json;

/// The binary, in the build of the benchmark.
pub(crate) const LAYER: &str = env!("CARGO_BIN_EXE_inoculate-layer");

/// A figure that was measured.
pub(crate) struct Figure<'a> {
    pub(crate) what: &'a str,
    pub(crate) measured: f64,
    pub(crate) unit: &'a str,
    /// What it should be at most, if there is such a thing.
    pub(crate) reach: Option<f64>,
}

impl Figure<'_> {
    /// Prints the figure, and appends it to the file that `INOCULATE_BENCH_FIGURES` names, which is how
    /// `cargo xtask bench layer` makes a table of them.
    pub(crate) fn print(&self) {
        let Figure {
            what,
            measured,
            unit,
            reach,
        } = self;
        let aim = reach.map(|reach| format!("(reach: {reach} {unit})"));
        println!("  {what:66} {measured:9.2} {unit:4} {}", aim.unwrap_or_default());
        if let Some(path) = std::env::var_os("INOCULATE_BENCH_FIGURES") {
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)
                .unwrap();
            let line = json!({ "what": what, "measured": measured, "unit": unit, "reach": reach });
            writeln!(file, "{line}").unwrap();
        }
    }
}

/// Prints the median and the 99th percentile of times, both in `unit`, and what each should be.
pub(crate) fn print_times(what: &str, sorted: &[f64], unit: &str, reach: [Option<f64>; 2]) {
    let [median, last] = reach;
    for (name, quantile, reach) in [("p50", 0.5, median), ("p99", 0.99, last)] {
        let what = format!("{what}, {name}");
        let measured = at(sorted, quantile);
        Figure {
            what: &what,
            measured,
            unit,
            reach,
        }
        .print();
    }
}

/// The value at a quantile of sorted values.
pub(crate) fn at(sorted: &[f64], quantile: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * quantile).round() as usize]
}

pub(crate) fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A number from the environment.
pub(crate) fn setting(name: &str, default: usize) -> usize {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    set.unwrap_or(default)
}

/// A proxy in a process of its own. Killed when dropped.
pub(crate) struct Started {
    pub(crate) process: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Started {
    /// Starts the layer before this machine.
    pub(crate) fn layer(machine: SocketAddr) -> Started {
        let (address, table) = (free_address(), format!("http://{machine}"));
        Started::listening(&mut extension(machine, address, &table), address)
    }

    /// Starts a program, and waits until it listens at `address`.
    pub(crate) fn listening(command: &mut Command, address: SocketAddr) -> Started {
        let process = command.spawn().unwrap();
        let started = Started { process, address };
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
        started
    }
}

/// The command that starts the layer as an extension that listens at `address`: the one mode in which its own process
/// can be looked at.
pub(crate) fn extension(machine: SocketAddr, address: SocketAddr, table: &str) -> Command {
    let mut command = Command::new(LAYER);
    command
        .env("AWS_LAMBDA_RUNTIME_API", machine.to_string())
        .env("INOCULATE_PORT", address.port().to_string())
        .env("INOCULATE_TABLE", "inoculate")
        .env("INOCULATE_LOG", "off")
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_ENDPOINT_URL", table)
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    command
}

pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
