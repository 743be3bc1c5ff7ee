//! Faults that let time pass.

use std::time::{Duration, Instant};

use crate::faults::Fault;
use crate::faults::delay::sample;
use crate::flight::Flight;

/// How late Tokio's timer may be.
const TIMER_ERROR: Duration = Duration::from_millis(3);

/// How long after the deadline an answer is passed on that was held until then: late on every clock.
const PAST_DEADLINE: Duration = Duration::from_millis(50);

/// How the wait of a fault ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// It was as long as it should be.
    Over,
    /// The faults had to end.
    Released,
    /// The function timed out meanwhile.
    Deadline,
}

/// Waits as long as a latency fault says, or as a timeout fault until the deadline of the invocation; never beyond
/// that. Without a deadline to wait for, a timeout fault does not wait.
pub(crate) async fn wait(flight: &mut Flight, fault: &Fault) -> Wait {
    let delay = match fault {
        Fault::Latency { delay, .. } => Some(sample(delay, fastrand::f64)),
        _ => None,
    };
    let (longest, ending) = match (delay, flight.left()) {
        (Some(delay), Some(deadline)) if delay < deadline => (delay, Wait::Over),
        (Some(delay), None) => (delay, Wait::Over),
        (_, Some(deadline)) => (deadline, Wait::Deadline),
        (None, None) => (Duration::ZERO, Wait::Over),
    };
    tokio::select! {
        () = sleep(longest) => ending,
        () = flight.decision.release.over() => {
            flight.cut_short = true;
            Wait::Released
        }
    }
}

/// Waits like [`wait`], and when that ends at the deadline a little longer, so that the answer is certainly late.
pub(crate) async fn wait_until_late(flight: &mut Flight, fault: &Fault) {
    if wait(flight, fault).await == Wait::Deadline {
        tokio::time::sleep(PAST_DEADLINE).await;
    }
}

/// Sleeps to well within a millisecond. Tokio's timer has steps of one and may be two late, so a thread sleeps the
/// rest. That costs no processor time, of which a small function has little.
async fn sleep(longest: Duration) {
    let end = Instant::now() + longest;
    if let Some(most) = longest.checked_sub(TIMER_ERROR) {
        tokio::time::sleep(most).await;
    }
    let rest = move || std::thread::sleep(end.saturating_duration_since(Instant::now()));
    // An error means that the process is about to end.
    let _ = tokio::task::spawn_blocking(rest).await;
}
