//! What proxies add, measured in turns, and how much memory they hold.

use std::net::TcpStream;
use std::time::Instant;

use inoculate_figures::{Figure, at, sorted};

use crate::support::Started;

/// How many exchanges in a row go through the same proxy.
const TURN: usize = 50;

/// Makes exchanges over all connections in turns; an exchange gets the number of its connection, too. Returns the times of each,
/// sorted, in microseconds.
pub(crate) fn in_turns(
    connections: &mut [TcpStream],
    exchanges: usize,
    exchange: impl Fn(usize, &mut TcpStream, &mut Vec<u8>) -> bool,
) -> Vec<Vec<f64>> {
    let mut times = vec![Vec::with_capacity(exchanges); connections.len()];
    let mut buffer = Vec::new();
    for _ in 0..exchanges.div_ceil(TURN) {
        for (number, (connection, times)) in connections.iter_mut().zip(&mut times).enumerate() {
            // The first one after a pause meets a cold cache, which is not what is measured.
            assert!(exchange(number, connection, &mut buffer));
            for _ in 0..TURN {
                let start = Instant::now();
                assert!(exchange(number, connection, &mut buffer));
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    times.into_iter().map(sorted).collect()
}

/// Prints what each of these adds to the first of `times`.
pub(crate) fn print_added(names: &[&str], times: &[Vec<f64>]) {
    for (index, name) in names.iter().enumerate() {
        for (quantile, value) in [("p50", 0.5), ("p99", 0.99)] {
            let what = format!("added by {name}, {quantile}");
            Figure {
                what: what.as_str(),
                measured: at(&times[index + 1], value) - at(&times[0], value),
                unit: "us",
                reach: None,
            }
            .print();
        }
    }
}

/// The memory that a process holds, in MB.
pub(crate) fn resident_mb(started: &Started) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", started.process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}
