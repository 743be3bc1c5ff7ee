//! What is known of the lease, and for how long that counts.
//!
//! Time is the stricter of two clocks. The wall clock counts the time in which the environment was frozen, but may
//! jump back; a steady clock never does, but may stand still. So now is whichever is later: what the wall clock says,
//! or the time of the last reading plus what the steady clock has counted since.

use std::sync::Arc;
use std::time::Duration;

use inoculate_core::layer::{Moment, ReadLease};
use tokio::sync::watch;

use crate::clock::Clock;

/// How old the lease may be for a fault to happen.
pub const MAX_STALE: Duration = Duration::from_secs(2);

/// How often the lease is read while a run is active, unless it says otherwise.
const ACTIVE_POLL: Duration = Duration::from_secs(1);

/// How often a lease may ask to be read, in milliseconds.
const POLL_HINTS: std::ops::RangeInclusive<u64> = 200..=60_000;

/// What to do about the lease for the next invocation.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// There is no run, as far as is known.
    Idle,
    /// There was one when the lease was last read, but that is too long ago.
    Stale(Arc<ReadLease>),
    /// There is one.
    Active(Arc<ReadLease>),
}

/// What was last read.
pub struct Known {
    lease: Option<Arc<ReadLease>>,
    /// When the last successful reading began: on the wall clock, in milliseconds since 1970, and on the steady one.
    read_at: (u64, Duration),
    /// When the last reading began on the steady and the wall clock, whatever came of it.
    tried_at: Option<(u64, Duration)>,
    /// Ends the faults of the lease.
    release: watch::Sender<bool>,
    /// A reading that an invocation waited for was in vain. No other waits until there is news.
    gave_up: bool,
    idle_poll: Duration,
}

impl Known {
    /// Nothing yet. `idle_poll` is how often the lease is read while there is no run.
    pub fn new(idle_poll: Duration) -> Known {
        Known {
            lease: None,
            read_at: (0, Duration::ZERO),
            tried_at: None,
            release: watch::Sender::new(true),
            gave_up: false,
            idle_poll,
        }
    }

    /// The time that counts now.
    pub fn moment(&self, clock: &dyn Clock) -> Moment {
        let (read_at_ms, steady) = self.read_at;
        let since = clock.steady().saturating_sub(steady);
        Moment {
            now_ms: clock.now_ms().max(read_at_ms.saturating_add(millis(since))),
            read_at_ms,
            max_stale_ms: millis(MAX_STALE),
        }
    }

    /// Where things stand.
    pub fn standing(&self, clock: &dyn Clock) -> Standing {
        let Some(lease) = &self.lease else {
            return Standing::Idle;
        };
        let at = self.moment(clock);
        if lease.is_valid(&at) {
            Standing::Active(Arc::clone(lease))
        } else if at.now_ms < lease.lease().expires_at_ms && !self.gave_up {
            Standing::Stale(Arc::clone(lease))
        } else {
            Standing::Idle
        }
    }

    /// Whether it is time to read again. A wall clock that jumps, either way, makes it so.
    pub fn is_due(&self, clock: &dyn Clock) -> bool {
        let Some((wall, steady)) = self.tried_at else {
            return true;
        };
        let since = clock.steady().saturating_sub(steady);
        let interval = match &self.lease {
            Some(lease) if self.moment(clock).now_ms < lease.lease().expires_at_ms => {
                let hint = lease.lease().poll_ms;
                hint.map_or(ACTIVE_POLL, |ms| {
                    Duration::from_millis(ms.clamp(*POLL_HINTS.start(), *POLL_HINTS.end()))
                })
            }
            _ => self.idle_poll,
        };
        since.max(Duration::from_millis(clock.now_ms().abs_diff(wall))) >= interval
    }

    /// A reading begins. Returns what [`Known::learn`] needs to be told.
    pub fn begin(&mut self, clock: &dyn Clock) -> (u64, Duration) {
        let now = (clock.now_ms(), clock.steady());
        self.tried_at = Some(now);
        now
    }

    /// A reading that began at `read_at` found this.
    pub fn learn(&mut self, read_at: (u64, Duration), lease: Option<ReadLease>) {
        let same = matches!((&self.lease, &lease), (Some(known), Some(read)) if known.allows_the_same(read));
        if !same {
            self.release.send_replace(true);
            self.release = watch::Sender::new(false);
        }
        self.lease = lease.map(Arc::new);
        // Not earlier than the steady clock says: a lease that was seen to have expired does not come back.
        let since = read_at.1.saturating_sub(self.read_at.1);
        self.read_at = (read_at.0.max(self.read_at.0.saturating_add(millis(since))), read_at.1);
        self.gave_up = false;
    }

    /// Ends the faults if the lease does not count any more.
    pub fn expire(&mut self, clock: &dyn Clock) {
        if !matches!(self.standing(clock), Standing::Active(_)) {
            self.release.send_replace(true);
        }
    }

    /// What tells faults that begin now that they have to end. Faults that were ended stay so: a lease that counts
    /// again gets a new one.
    pub fn release(&mut self) -> watch::Receiver<bool> {
        if *self.release.borrow() {
            self.release = watch::Sender::new(false);
        }
        self.release.subscribe()
    }

    /// An invocation waited for a reading in vain.
    pub fn give_up(&mut self) {
        self.gave_up = true;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
