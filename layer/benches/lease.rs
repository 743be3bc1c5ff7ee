//! How fast a lease takes effect, and how true to its time a latency fault is:
//! `cargo bench -p inoculate-layer --bench lease`.
//!
//! The real binary stands between a runtime that asks for one event after the other and a machine that always has one,
//! and has the lease.
//!
//! `INOCULATE_BENCH_ROUNDS` is the number of leases that are written and released, 30 by default; each takes about
//! seven seconds. `INOCULATE_BENCH_DELAYS` is the number of latency faults, 1,000 by default. 0 leaves that part out.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark may stop, prints, and reads the real clock"
)]

#[path = "support/extension.rs"]
mod extension;
mod support;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use inoculate_figures::{at, millis, print_times, setting, sorted};
use serde_json::json;

use support::free_address;
use support::machine::{Machine, lease};
use support::wire::{NEXT, answer, connect, exchange, invoke};

/// Between two events: 200 in a second.
const PACE: Duration = Duration::from_millis(5);

/// How long to watch after a change. More than the two seconds that it may take.
const WATCH: Duration = Duration::from_millis(3_000);

/// The delay of the latency fault.
const DELAY: Duration = Duration::from_millis(20);

fn main() {
    accuracy(setting("INOCULATE_BENCH_DELAYS", 1_000));
    effect(setting("INOCULATE_BENCH_ROUNDS", 30));
}

/// From a lease that allows faults to the first, and from one that is released to the last.
fn effect(rounds: usize) {
    if rounds == 0 {
        return;
    }
    let machine = Machine::start(200);
    let faults = json!([{ "fault": { "kind": "response", "status": 503, "handler": "run" } }]);
    let change = |role: &str, fence: usize| {
        machine.with(|state| {
            state.lease = lease(role, &faults);
            state.lease["fence"] = json!(fence);
            state.injected.clear();
            Instant::now()
        })
    };
    change("observe", 0);
    let (proxy, table) = (free_address(), format!("http://{}", machine.address));
    let mut command = extension::command(machine.address, proxy, &table);
    // Only so that a round begins soon after the one before was released.
    let _layer = extension::listening(command.env("INOCULATE_POLL_MS", "1000"), proxy);
    std::thread::spawn(move || invoke_for_ever(proxy));
    std::thread::sleep(Duration::from_secs(2));
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for round in 1..=rounds {
        let written = change("fault", round);
        std::thread::sleep(Duration::from_millis(2_000 + fastrand::u64(..1_000)));
        // A fault that did not happen in that time is no figure, and ends the benchmark.
        let happened = machine.with(|state| state.injected.first().copied()).unwrap();
        first.push(millis(happened - written));
        let released = change("released", round);
        std::thread::sleep(WATCH);
        // None after the release is as good as it gets: zero.
        let ended = machine.with(|state| state.injected.last().copied()).unwrap_or(released);
        last.push(millis(ended - released));
        change("observe", round);
        std::thread::sleep(Duration::from_millis(1_200));
    }
    println!("under 200 requests a second, the lease read once a second, {rounds} rounds:");
    let (first, last) = (sorted(first), sorted(last));
    print_times(
        "lease turned from observe to fault until the first injected",
        &first,
        "ms",
        [None, Some(2_000.0)],
    );
    print_times(
        "lease released until the last injected",
        &last,
        "ms",
        [None, Some(2_000.0)],
    );
}

/// The runtime.
fn invoke_for_ever(proxy: SocketAddr) {
    let (mut connection, mut buffer) = (connect(proxy), Vec::new());
    while invoke(&mut connection, &answer(2), &mut buffer) {
        std::thread::sleep(PACE);
    }
}

/// How late latency faults are, beside what plain sleeps can do on this machine at the same time.
fn accuracy(delays: usize) {
    if delays == 0 {
        return;
    }
    let (slow, usual) = (Machine::start(200), Machine::start(200));
    let delay = json!({ "distribution": "fixed", "ms": u64::try_from(DELAY.as_millis()).unwrap() });
    let faults = json!([{ "fault": { "kind": "latency", "delay": delay, "at": "before" } }]);
    slow.with(|state| state.lease = lease("fault", &faults));
    usual.with(|state| state.lease = lease("fault", &json!([])));
    let layers = [&slow, &usual].map(|machine| extension::start(machine.address));
    let mut connections = layers.each_ref().map(|layer| connect(layer.address));
    let (answer, mut buffer) = (answer(200), Vec::new());
    // Only until the event is there, which is what the fault delays: with the answer, it would be twice the noise.
    let mut timed = |index: usize| {
        let start = Instant::now();
        assert!(exchange(&mut connections[index], NEXT, &mut buffer));
        let took = millis(start.elapsed());
        assert!(exchange(&mut connections[index], &answer, &mut buffer));
        took
    };
    // The first invocation tells the layer which function it is, and then it reads the lease.
    while timed(0) + timed(1) < millis(DELAY) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut times = [(); 4].map(|()| Vec::with_capacity(delays));
    for _ in 0..delays {
        times[0].push(timed(1));
        times[1].push(timed(0) - millis(DELAY));
        times[2].push(late(|| tokio.block_on(async { tokio::time::sleep(DELAY).await })));
        times[3].push(late(|| std::thread::sleep(DELAY)));
    }
    let [usual, fault, tokio, thread] = times.map(sorted);
    let usually = at(&usual, 0.5);
    let against_usual = |times: Vec<f64>| -> Vec<f64> { times.iter().map(|time| time - usually).collect() };
    println!("later than asked for, over {delays} each, in turns:");
    print_times(
        "late: a latency fault of 20 ms",
        &against_usual(fault),
        "ms",
        [None, Some(2.0)],
    );
    print_times(
        "late: an event without a fault, against its median",
        &against_usual(usual),
        "ms",
        [None; 2],
    );
    print_times("late: a plain tokio::time::sleep", &tokio, "ms", [None; 2]);
    print_times("late: a plain std::thread::sleep", &thread, "ms", [None; 2]);
}

fn late(sleep: impl FnOnce()) -> f64 {
    let start = Instant::now();
    sleep();
    millis(start.elapsed()) - millis(DELAY)
}
