//! An open-loop load generator: orders arrive at a constant rate whatever happened to the ones before.
//!
//! A closed loop (send, wait, send) slows down together with a slow shop and so hides its slowness. Real customers
//! do not wait for each other, and neither does this.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::order::Order;
use crate::tally::{Outcome, Tally};

/// How often the summary is reported while traffic runs.
const REPORT_EVERY: Duration = Duration::from_secs(5);

/// Sends one order. The real one invokes a Lambda function.
#[async_trait]
pub trait Shop: Send + Sync {
    /// Places `order` at `function` once, without retries, and says how it went.
    async fn place(&self, function: &str, order: &Order) -> Outcome;
}

/// How much traffic to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// The checkout functions; each gets the whole rate.
    pub functions: Vec<String>,
    /// Orders per second for each function, more than zero.
    pub rate: f64,
    /// For how long to send.
    pub duration: Duration,
    /// How many orders may wait for an answer at once, over all functions; others that are due are not sent.
    pub max_in_flight: usize,
    /// How long to wait at the end for answers that are still missing. Those that never come are counted as failed.
    pub patience: Duration,
}

/// What happened so far: each function in the order of [`Load::functions`].
pub type Tallies = Vec<(String, Tally)>;

/// One answered order: the index of its function, how it ended, how long it took.
type Answer = (usize, Outcome, Duration);

/// Sends traffic until the duration is over or `stop` completes, then returns the final counts.
///
/// `report` is called every five seconds with the counts so far.
pub async fn run(
    load: Load,
    shop: Arc<dyn Shop>,
    stop: impl Future<Output = ()>,
    report: impl Fn(&Tallies),
) -> Tallies {
    let end = Instant::now() + load.duration;
    let mut arrivals = interval(Duration::from_secs_f64(1.0 / load.rate));
    arrivals.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut reports = interval(REPORT_EVERY);
    reports.reset();
    let mut traffic = Traffic::new(load, shop);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = sleep_until(end) => break,
            due = arrivals.tick() => traffic.send(due),
            Some(Ok(answer)) = traffic.waiting.join_next() => traffic.record(answer),
            _ = reports.tick() => report(&traffic.tallies),
        }
    }
    traffic.finish().await
}

/// The state of a running load.
struct Traffic {
    load: Load,
    shop: Arc<dyn Shop>,
    ids: OrderIds,
    waiting: JoinSet<Answer>,
    tallies: Tallies,
}

impl Traffic {
    fn new(load: Load, shop: Arc<dyn Shop>) -> Self {
        let tallies = load
            .functions
            .iter()
            .map(|name| (name.clone(), Tally::default()))
            .collect();
        Self {
            load,
            shop,
            ids: OrderIds::new(),
            waiting: JoinSet::new(),
            tallies,
        }
    }

    /// Sends one order to each function. Latency counts from `due`, when the customer arrived, so that a late start
    /// of this generator is not hidden either.
    fn send(&mut self, due: Instant) {
        for (index, (function, tally)) in self.tallies.iter_mut().enumerate() {
            if self.waiting.len() >= self.load.max_in_flight {
                tally.unsent += 1;
                continue;
            }
            tally.sent += 1;
            let (shop, function, order) = (Arc::clone(&self.shop), function.clone(), self.ids.next_order());
            self.waiting.spawn(async move {
                let outcome = shop.place(&function, &order).await;
                (index, outcome, due.elapsed())
            });
        }
    }

    fn record(&mut self, (index, outcome, latency): Answer) {
        if let Some((_, tally)) = self.tallies.get_mut(index) {
            tally.record(outcome, latency);
        }
    }

    /// Waits for the answers that are still missing, no longer than the patience of the load.
    async fn finish(mut self) -> Tallies {
        let deadline = Instant::now() + self.load.patience;
        while let Ok(Some(joined)) = tokio::time::timeout_at(deadline, self.waiting.join_next()).await {
            if let Ok(answer) = joined {
                self.record(answer);
            }
        }
        let patience = self.load.patience;
        for (_, tally) in &mut self.tallies {
            for _ in (tally.paid + tally.pending + tally.failed)..tally.sent {
                tally.record(Err("no answer before the end".to_owned()), patience);
            }
        }
        self.tallies
    }
}

/// Makes orders whose ids are unique, also across runs of this program.
#[derive(Debug)]
pub struct OrderIds {
    run: u64,
    count: u64,
}

impl OrderIds {
    /// Starts a new series. `RandomState` is seeded by the operating system, which makes it a random number here.
    pub fn new() -> Self {
        Self {
            run: RandomState::new().hash_one("order ids"),
            count: 0,
        }
    }

    /// The next order, with a new id and a price and customer that vary.
    pub fn next_order(&mut self) -> Order {
        self.count += 1;
        Order {
            order_id: format!("{:016x}-{}", self.run, self.count),
            amount_cents: 500 + self.count % 9500,
            customer: format!("customer-{}", self.count % 1000),
        }
    }
}

impl Default for OrderIds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Status;
    use std::collections::HashSet;

    /// Answers after a delay.
    struct SlowShop(Duration);

    #[async_trait]
    impl Shop for SlowShop {
        async fn place(&self, function: &str, _: &Order) -> Outcome {
            tokio::time::sleep(self.0).await;
            if function == "broken" {
                Err("broken".to_owned())
            } else {
                Ok(Status::Paid)
            }
        }
    }

    fn load(functions: &[&str]) -> Load {
        Load {
            functions: functions.iter().map(|&name| name.to_owned()).collect(),
            rate: 10.0,
            duration: Duration::from_secs(10),
            max_in_flight: 1000,
            patience: Duration::from_secs(30),
        }
    }

    async fn drive(load: Load, answer_after: Duration, stop: impl Future<Output = ()>) -> Tallies {
        run(load, Arc::new(SlowShop(answer_after)), stop, |_| {}).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_shop_does_not_slow_arrivals_down() {
        for answer_after in [Duration::from_millis(1), Duration::from_secs(20)] {
            let tallies = drive(load(&["fine", "broken"]), answer_after, std::future::pending()).await;
            let [(_, fine), (_, broken)] = &tallies[..] else {
                panic!("two functions, two tallies")
            };
            assert_eq!((fine.sent, fine.paid, fine.failed), (100, 100, 0));
            assert_eq!((broken.sent, broken.paid, broken.failed), (100, 0, 100));
            assert!(fine.percentile(50) >= Some(answer_after));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn in_flight_orders_are_bounded() {
        let bounded = Load {
            max_in_flight: 5,
            ..load(&["fine"])
        };
        let tallies = drive(bounded, Duration::from_secs(20), std::future::pending()).await;
        assert_eq!((tallies[0].1.sent, tallies[0].1.unsent), (5, 95));
    }

    #[tokio::test(start_paused = true)]
    async fn it_stops_when_told_and_counts_lost_answers_as_failed() {
        let started = Instant::now();
        let stop = tokio::time::sleep(Duration::from_millis(950));
        let impatient = Load {
            patience: Duration::from_secs(1),
            ..load(&["fine"])
        };
        let tallies = drive(impatient, Duration::from_secs(3600), stop).await;
        assert_eq!((tallies[0].1.sent, tallies[0].1.failed), (10, 10));
        assert!(started.elapsed() < Duration::from_secs(3));
    }

    #[test]
    fn order_ids_are_unique_within_and_across_runs() {
        let (mut one, mut two) = (OrderIds::new(), OrderIds::new());
        let ids: HashSet<_> = (0..5000)
            .flat_map(|_| [one.next_order().order_id, two.next_order().order_id])
            .collect();
        assert_eq!(ids.len(), 10_000);
    }

    #[test]
    fn generated_orders_are_valid() {
        let mut ids = OrderIds::new();
        for _ in 0..20_000 {
            let event = serde_json::to_value(ids.next_order()).unwrap();
            assert!(Order::from_event(event).is_ok());
        }
    }
}
