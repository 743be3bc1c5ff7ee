//! What is to be written to the table, and when: one item at a time, and not too often.

use std::time::Duration;

use inoculate_core::names::RunId;
use serde_json::Value;

use crate::problems::Problems;
use crate::tally::Tallies;

/// The least time between two writes of an environment.
pub const WRITE_INTERVAL: Duration = Duration::from_secs(3);

/// How long what is written is kept, in milliseconds: as long as the records of a run.
const KEEP_MS: u64 = 120 * 24 * 3600 * 1000;

/// What is to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    /// What was seen.
    pub tallies: Tallies,
    /// What could not be done.
    pub problems: Problems,
    written_at: Option<Duration>,
    /// The last item was of problems, so that what was seen comes next.
    problems_were_last: bool,
    /// The last write was lost. The next one waits for an occasion.
    lost: bool,
}

/// Which item is being written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// What was seen: the number of the tally.
    Seen(u64),
    /// What could not be done for this run.
    Problems(RunId),
}

impl Outbox {
    /// Whether something is to be written, and worth waiting for.
    pub fn waits(&self) -> bool {
        !self.lost && self.is_unwritten()
    }

    /// Whether it is time to write. `steady` is the time on the steady clock.
    pub fn is_due(&self, steady: Duration) -> bool {
        let waited = |at| steady.saturating_sub(at) >= WRITE_INTERVAL;
        self.written_at.is_none_or(waited) && self.is_unwritten()
    }

    fn is_unwritten(&self) -> bool {
        self.tallies.is_unwritten() || self.problems.is_unwritten()
    }

    /// The next item to write. The two kinds take turns, so that neither keeps the other from being written.
    pub fn take(
        &mut self,
        function_arn: &str,
        environment: &str,
        now_ms: u64,
        steady: Duration,
    ) -> Option<(Written, Value)> {
        let problems_first = self.problems.is_unwritten() && !(self.problems_were_last && self.tallies.is_unwritten());
        self.problems_were_last = problems_first;
        let taken = if problems_first {
            let taken = self.problems.take(function_arn, environment, now_ms);
            taken.map(|(run, item)| (Written::Problems(run), item))
        } else {
            let taken = self.tallies.take(environment, now_ms);
            taken.map(|(number, item)| (Written::Seen(number), item))
        };
        if taken.is_some() {
            self.written_at = Some(steady);
        }
        taken
    }

    /// A write has ended.
    pub fn ended(&mut self, what: &Written, arrived: bool) {
        self.lost = !arrived;
        match what {
            _ if arrived => {}
            Written::Seen(number) => self.tallies.lost(*number),
            Written::Problems(run) => self.problems.lost(run),
        }
    }

    /// An occasion to try again what was lost.
    pub fn may_try_again(&mut self) {
        self.lost = false;
    }
}

/// When DynamoDB may delete an item, in seconds since 1970.
pub fn expires_at(now_ms: u64) -> u64 {
    now_ms.saturating_add(KEEP_MS) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:shop";

    #[test]
    fn what_is_lost_is_due_again_but_nothing_waits_for_it() {
        let (mut outbox, run) = (Outbox::default(), "r-1".parse().unwrap());
        assert!(!outbox.is_due(Duration::ZERO) && !outbox.waits());
        outbox.problems.add(&run, "a");
        assert!(outbox.is_due(Duration::ZERO) && outbox.waits());
        let (written, _) = outbox.take(ARN, "e1", 0, Duration::ZERO).unwrap();
        assert!(!outbox.waits());
        outbox.ended(&written, false);
        assert!(!outbox.waits() && !outbox.is_due(Duration::from_millis(2_999)));
        assert!(outbox.is_due(WRITE_INTERVAL));
        outbox.may_try_again();
        assert!(outbox.waits());
    }
}
