//! The calls of a watched invocation to other services, counted while they are under way.
//!
//! Nothing of this happens unless an invocation is watched: [`Flights::maker`](crate::flight::Flights::maker) says which
//! one makes a call, and that is one atomic read while there is none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use inoculate_core::calls::{CallSeen, CallsByName};

/// The calls of one invocation.
#[derive(Debug, Clone, Default)]
pub struct Calls(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    ended: CallsByName,
    under_way: HashMap<u64, UnderWay>,
    begun: u64,
    /// The invocation is over. What comes of its calls from now on is not its business.
    over: bool,
}

#[derive(Debug)]
struct UnderWay {
    name: String,
    seen: CallSeen,
    begun: Instant,
}

/// One call under way. It is counted once: when it is said to have ended, when this is dropped, or when the invocation
/// ends, whichever comes first. Until something is said of its answer it has failed.
#[derive(Debug)]
pub struct Counted {
    calls: Calls,
    number: u64,
}

impl Calls {
    /// A call begins, to the dependency of this name. `retry`: the same call was sent before.
    pub fn begin(&self, name: String, retry: bool) -> Counted {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        if !state.over {
            let seen = CallSeen {
                retry,
                failed: true,
                ..CallSeen::default()
            };
            let begun = Instant::now();
            state.under_way.insert(number, UnderWay { name, seen, begun });
        }
        drop(state);
        Counted {
            calls: self.clone(),
            number,
        }
    }

    /// The invocation is over: what came of its calls. Those that are under way end now, as they stand.
    pub fn finish(&self) -> CallsByName {
        let mut state = self.state();
        state.over = true;
        for (_, call) in std::mem::take(&mut state.under_way) {
            state.end(call);
        }
        std::mem::take(&mut state.ended)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&mut self, mut call: UnderWay) {
        call.seen.duration_ms = call.begun.elapsed().as_secs_f64() * 1000.0;
        self.ended.add(&call.name, &call.seen);
    }
}

impl Counted {
    /// The call meets a fault.
    pub fn injected(&self) {
        self.change(|seen| seen.injected = true);
    }

    /// Its answer has begun, and says whether it failed.
    pub fn answered(&self, failed: bool) {
        self.change(|seen| seen.failed = failed);
    }

    /// It failed because there were too many.
    pub fn throttled(&self) {
        self.change(|seen| (seen.failed, seen.throttled) = (true, true));
    }

    /// Its answer ended too early, and not because its caller had enough of it.
    pub fn broke_off(&self) {
        self.change(|seen| seen.failed = true);
        self.end();
    }

    /// It is over. Idempotent.
    pub fn end(&self) {
        let mut state = self.calls.state();
        if let Some(call) = state.under_way.remove(&self.number) {
            state.end(call);
        }
    }

    fn change(&self, change: impl FnOnce(&mut CallSeen)) {
        if let Some(call) = self.calls.state().under_way.get_mut(&self.number) {
            change(&mut call.seen);
        }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use inoculate_core::calls::CallCounts;

    use super::*;

    fn of(calls: &CallsByName, name: &str) -> (u64, u64, u64, u64, u64) {
        let CallCounts {
            calls,
            failed,
            throttled,
            retries,
            injected,
            ..
        } = calls.get(name).cloned().unwrap_or_default();
        (calls, failed, throttled, retries, injected)
    }

    #[test]
    fn each_call_is_counted_once_however_it_ends() {
        let calls = Calls::default();
        let begin = |name: &str, retry| calls.begin(name.to_owned(), retry);
        let well = begin("a", false);
        well.answered(false);
        well.end();
        well.broke_off();
        drop(well);
        drop(begin("a", true));
        let throttled = begin("a", true);
        throttled.injected();
        throttled.throttled();
        let broken = begin("b", false);
        broken.answered(false);
        broken.broke_off();
        let (unread, waits) = (begin("b", false), begin("b", false));
        unread.answered(false);
        let made = calls.finish();
        assert_eq!((of(&made, "a"), of(&made, "b")), ((3, 2, 1, 2, 1), (3, 2, 0, 0, 0)));
        assert_eq!(made.get("a").unwrap().durations.count(), 3);
        // After the end of the invocation.
        drop((throttled, unread, waits, begin("c", false)));
        assert_eq!(calls.finish(), CallsByName::default());
    }
}
