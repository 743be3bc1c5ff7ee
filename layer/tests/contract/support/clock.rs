//! A clock that moves when the test says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use inoculate_layer::clock::Clock;

/// A wall clock and a steady clock, which start at a million seconds and at zero.
#[derive(Debug)]
pub(crate) struct ManualClock {
    wall_ms: AtomicU64,
    steady_ms: AtomicU64,
}

impl ManualClock {
    pub(crate) fn new() -> Arc<ManualClock> {
        Arc::new(ManualClock {
            wall_ms: AtomicU64::new(1_000_000_000),
            steady_ms: AtomicU64::new(0),
        })
    }

    /// Time passes.
    pub(crate) fn pass(&self, ms: u64) {
        self.steady_ms.fetch_add(ms, Ordering::SeqCst);
        self.wall_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// The wall clock jumps. So it does when the environment was frozen.
    pub(crate) fn jump(&self, ms: i64) {
        self.wall_ms.fetch_add(ms.cast_unsigned(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn steady(&self) -> Duration {
        Duration::from_millis(self.steady_ms.load(Ordering::SeqCst))
    }
}
