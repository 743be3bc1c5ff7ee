//! Counting what customers experience.

use std::fmt;
use std::time::Duration;

use crate::order::Status;

/// How one order ended for its customer; a failure with its reason.
pub type Outcome = Result<Status, String>;

/// What the customers of one function experienced.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Orders sent, answered or not.
    pub sent: u64,
    /// Orders that were paid.
    pub paid: u64,
    /// Orders accepted with their payment pending.
    pub pending: u64,
    /// Orders that failed.
    pub failed: u64,
    /// Orders that were due but not sent, since too many were still waiting for an answer.
    pub unsent: u64,
    /// Why the last failed order failed.
    pub last_failure: Option<String>,
    latencies: Vec<Duration>,
}

impl Tally {
    /// Counts one answer and how long the customer waited for it.
    pub fn record(&mut self, outcome: Outcome, latency: Duration) {
        self.latencies.push(latency);
        match outcome {
            Ok(Status::Paid) => self.paid += 1,
            Ok(Status::PaymentPending) => self.pending += 1,
            Err(reason) => {
                self.failed += 1;
                self.last_failure = Some(reason);
            }
        }
    }

    /// The latency that `percent` of the answers did not exceed (nearest rank), failed ones included; `None` without
    /// answers.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            paid,
            pending,
            failed,
            ..
        } = self;
        write!(f, "sent {sent}  paid {paid}  pending {pending}  failed {failed}")?;
        if self.unsent > 0 {
            write!(f, "  unsent {}", self.unsent)?;
        }
        if let (Some(p50), Some(p99)) = (self.percentile(50), self.percentile(99)) {
            write!(f, "  p50 {} ms  p99 {} ms", p50.as_millis(), p99.as_millis())?;
        }
        if let Some(reason) = &self.last_failure {
            write!(f, "  last failure: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let mut tally = Tally::default();
        assert_eq!(tally.percentile(99), None);
        for n in (1..=200).rev() {
            tally.record(Ok(Status::Paid), Duration::from_millis(n));
        }
        for (percent, millis) in [(0, 1), (50, 100), (99, 198), (100, 200)] {
            assert_eq!(tally.percentile(percent), Some(Duration::from_millis(millis)));
        }
    }

    #[test]
    fn the_summary_is_one_line() {
        let mut tally = Tally {
            sent: 4,
            ..Tally::default()
        };
        assert_eq!(tally.to_string(), "sent 4  paid 0  pending 0  failed 0");
        tally.record(Ok(Status::Paid), Duration::from_millis(20));
        tally.record(Ok(Status::PaymentPending), Duration::from_millis(30));
        tally.record(Err("PaymentFailed".to_owned()), Duration::from_millis(40));
        let line = "sent 4  paid 1  pending 1  failed 1  p50 30 ms  p99 40 ms  last failure: PaymentFailed";
        assert_eq!(tally.to_string(), line);
    }
}
