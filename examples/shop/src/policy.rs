//! How the hardened checkout calls others: how often, how long, how far apart. All of it adds up to a known bound.

use std::time::Duration;

use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::config::timeout::TimeoutConfig;

/// The bounds of one call, retries included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPolicy {
    /// How many attempts there are at most, the first one included.
    pub attempts: u32,
    /// How long one attempt may take.
    pub attempt_timeout: Duration,
    /// The longest pause before the second attempt. It doubles for each attempt after that.
    ///
    /// Keep it at 50 ms: the SDK takes this number for throttling only and has 50 ms fixed for every other error.
    pub first_backoff: Duration,
    /// No pause is longer than this.
    pub longest_backoff: Duration,
    /// How long the whole call may take, whatever the other numbers say.
    pub budget: Duration,
}

impl CallPolicy {
    /// For charging: `payments` takes 20 ms, so an attempt has more than ten times that, which covers a cold start.
    pub const PAYMENTS: Self = Self {
        attempts: 3,
        attempt_timeout: Duration::from_millis(250),
        first_backoff: Duration::from_millis(50),
        longest_backoff: Duration::from_millis(100),
        budget: Duration::from_millis(600),
    };

    /// For writing an order down. An order that is not written is lost, so it has the time that the function can spare,
    /// enough for a table or an environment that has only just started.
    pub const ORDERS: Self = Self {
        attempts: 4,
        attempt_timeout: Duration::from_millis(1000),
        first_backoff: Duration::from_millis(50),
        longest_backoff: Duration::from_millis(100),
        budget: Duration::from_millis(2000),
    };

    /// For writing it down in the other region, once the first has failed.
    pub const STANDBY: Self = Self {
        attempts: 2,
        attempt_timeout: Duration::from_millis(500),
        first_backoff: Duration::from_millis(50),
        longest_backoff: Duration::from_millis(100),
        budget: Duration::from_millis(1000),
    };

    /// The longest pause before attempt `n`, counted from 1; there is none before the first.
    ///
    /// The SDK takes a random part of it ("full jitter"), so that many callers do not come back at the same moment.
    pub fn backoff_before(&self, n: u32) -> Duration {
        if n < 2 {
            return Duration::ZERO;
        }
        let doubled = 2_u32.saturating_pow(n - 2);
        self.first_backoff.saturating_mul(doubled).min(self.longest_backoff)
    }

    /// The longest a call can take: every attempt times out and every pause is the longest, within the budget.
    pub fn worst_case(&self) -> Duration {
        let attempts = self.attempt_timeout.saturating_mul(self.attempts);
        let pauses: Duration = (1..=self.attempts).map(|n| self.backoff_before(n)).sum();
        attempts.saturating_add(pauses).min(self.budget)
    }

    /// The retries for the configuration of an SDK client.
    ///
    /// The SDK's standard mode also has a quota: a client whose retries keep failing stops retrying until calls
    /// succeed again, so a long outage is not made worse by retries.
    pub fn retries(&self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.attempts)
            .with_initial_backoff(self.first_backoff)
            .with_max_backoff(self.longest_backoff)
    }

    /// The time-outs for the configuration of an SDK client. The budget is kept by [`crate::hardened`], around the call.
    pub fn timeouts(&self) -> TimeoutConfig {
        TimeoutConfig::builder()
            .connect_timeout(self.attempt_timeout)
            .operation_attempt_timeout(self.attempt_timeout)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::PUBLISH_TIMEOUT;

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<_> = (1..=5).map(|n| CallPolicy::PAYMENTS.backoff_before(n)).collect();
        assert_eq!(pauses, [0, 50, 100, 100, 100].map(millis));
        assert_eq!(CallPolicy::PAYMENTS.backoff_before(u32::MAX), millis(100));
    }

    #[test]
    fn the_worst_case_is_the_sum_within_the_budget() {
        let wide = CallPolicy {
            budget: millis(10_000),
            ..CallPolicy::PAYMENTS
        };
        assert_eq!(wide.worst_case(), millis(3 * 250 + 50 + 100));
        assert_eq!(CallPolicy::PAYMENTS.worst_case(), millis(600));
        let single = CallPolicy { attempts: 1, ..wide };
        assert_eq!(single.worst_case(), millis(250));
    }

    #[test]
    fn a_throttled_call_has_all_its_attempts_within_the_budget() {
        // A throttled attempt is answered at once, so only the pauses count.
        let policy = CallPolicy::PAYMENTS;
        let pauses: Duration = (1..=policy.attempts).map(|n| policy.backoff_before(n)).sum();
        assert!(pauses < policy.budget / 2);
    }

    #[test]
    fn a_slow_attempt_leaves_time_for_a_second_one() {
        let policy = CallPolicy::PAYMENTS;
        assert!(policy.attempt_timeout * 2 + policy.backoff_before(2) < policy.budget);
    }

    #[test]
    fn an_order_ends_far_below_the_function_timeout() {
        // `Timeout: 8` in template.yaml.
        let calls = [CallPolicy::PAYMENTS, CallPolicy::ORDERS, CallPolicy::STANDBY];
        let total = calls.iter().map(CallPolicy::worst_case).sum::<Duration>() + PUBLISH_TIMEOUT;
        assert!(total * 2 < Duration::from_secs(8), "{total:?}");
    }

    #[test]
    fn the_sdk_client_gets_these_numbers() {
        let policy = CallPolicy::PAYMENTS;
        assert_eq!(policy.retries().max_attempts(), policy.attempts);
        assert_eq!(policy.retries().initial_backoff(), policy.first_backoff);
        assert_eq!(policy.retries().max_backoff(), policy.longest_backoff);
        assert_eq!(
            policy.timeouts().operation_attempt_timeout(),
            Some(policy.attempt_timeout)
        );
    }
}
