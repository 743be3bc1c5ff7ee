//! Checkout built to live through a failing `payments`, a failing table and the loss of its region.
//!
//! - **Timeouts**: each attempt and the whole call are bounded ([`CallPolicy`]), far below the function's own timeout.
//! - **Retries**: few, with exponential backoff and jitter, on the SDK client; safe because charging is idempotent, and so is
//!   writing an order under its id.
//! - **Error handling and fallback**: if there is no approval, whatever came instead, the order is accepted as
//!   `payment_pending` and written down, so that the payment can be captured later. The customer is served; only a declined
//!   payment fails the order.
//! - **Failover**: if the table of this region does not take the order, its replica in another region does.

use std::time::Duration;

use crate::error::{PaymentError, ShopError, StoreError};
use crate::order::{Order, Receipt, Status};
use crate::policy::CallPolicy;
use crate::ports::{Orders, Payments};

/// Where orders are written down: first at home, and in the other region if that fails.
pub struct Regions<'a> {
    /// The table in the region of this function.
    pub home: &'a dyn Orders,
    /// Its replica in another region.
    pub standby: &'a dyn Orders,
}

/// Charges the customer within the budget, or else accepts the order with its payment pending.
///
/// # Errors
/// [`PaymentError::Declined`] if `payments` said no; [`ShopError::OrderNotStored`] if the table failed in both regions, since
/// an order that is not written down is lost.
pub async fn place(order: &Order, payments: &dyn Payments, orders: Regions<'_>) -> Result<Receipt, ShopError> {
    match charge_within_budget(order, payments).await {
        Ok(payment_id) => store(order, Status::Paid, Some(&payment_id), orders).await,
        Err(PaymentError::Declined) => Err(PaymentError::Declined.into()),
        Err(reason) => {
            tracing::warn!(order_id = order.order_id, %reason, "payment pending");
            store(order, Status::PaymentPending, None, orders).await
        }
    }
}

/// Charges and returns the payment id, or gives up when the budget is used up.
async fn charge_within_budget(order: &Order, payments: &dyn Payments) -> Result<String, PaymentError> {
    let charge = order.into();
    match tokio::time::timeout(CallPolicy::PAYMENTS.budget, payments.charge(&charge)).await {
        Ok(answer) => answer.map(|approval| approval.payment_id),
        Err(_elapsed) => Err(PaymentError::TimedOut),
    }
}

/// Writes the order down, in the other region if need be, and makes the answer.
async fn store(
    order: &Order,
    status: Status,
    payment_id: Option<&str>,
    orders: Regions<'_>,
) -> Result<Receipt, ShopError> {
    let at_home = orders.home.put(order, status, payment_id);
    if let Err(reason) = within(CallPolicy::ORDERS.budget, at_home).await {
        tracing::warn!(order_id = order.order_id, %reason, "written down in the other region");
        let elsewhere = orders.standby.put(order, status, payment_id);
        within(CallPolicy::STANDBY.budget, elsewhere).await?;
    }
    Ok(Receipt::new(order, status))
}

/// What comes of writing an order down, or that it took too long.
async fn within(budget: Duration, put: impl Future<Output = Result<(), StoreError>>) -> Result<(), StoreError> {
    let late = |_elapsed| StoreError("the table did not answer in time".to_owned());
    tokio::time::timeout(budget, put).await.map_err(late)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{FakeOrders, FakePayments, order};
    use tokio::time::Instant;

    /// Places an order with a table at home, and a replica that takes everything.
    async fn place(order: &Order, payments: &dyn Payments, home: &dyn Orders) -> Result<Receipt, ShopError> {
        let standby = &FakeOrders::default();
        super::place(order, payments, Regions { home, standby }).await
    }

    #[tokio::test(start_paused = true)]
    async fn approved_is_paid() {
        let orders = FakeOrders::default();
        let receipt = place(&order(), &FakePayments::approving(), &orders).await.unwrap();
        assert_eq!(receipt.status, Status::Paid);
        assert_eq!(
            orders.written(),
            [("o-1".to_owned(), Status::Paid, Some("pay-1".to_owned()))]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn throttled_failing_and_timed_out_are_pending() {
        for error in [
            PaymentError::Throttled,
            PaymentError::TimedOut,
            PaymentError::Unavailable(503),
            PaymentError::Failed("boom".to_owned()),
        ] {
            let orders = FakeOrders::default();
            let receipt = place(&order(), &FakePayments::failing(error), &orders).await.unwrap();
            assert_eq!(receipt.status, Status::PaymentPending);
            assert_eq!(orders.written(), [("o-1".to_owned(), Status::PaymentPending, None)]);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn slow_is_pending_within_the_budget() {
        let started = Instant::now();
        let payments = FakePayments::slow(Duration::from_secs(1));
        let receipt = place(&order(), &payments, &FakeOrders::default()).await.unwrap();
        assert_eq!(receipt.status, Status::PaymentPending);
        assert!(
            started.elapsed() <= CallPolicy::PAYMENTS.budget + Duration::from_millis(2),
            "{:?}",
            started.elapsed()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn declined_fails_and_nothing_is_written() {
        let orders = FakeOrders::default();
        let error = place(&order(), &FakePayments::failing(PaymentError::Declined), &orders)
            .await
            .unwrap_err();
        assert_eq!(error.name(), "PaymentDeclined");
        assert!(orders.written().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_written_at_home_is_not_written_elsewhere() {
        let (home, standby) = (FakeOrders::default(), FakeOrders::default());
        let regions = Regions {
            home: &home,
            standby: &standby,
        };
        super::place(&order(), &FakePayments::approving(), regions)
            .await
            .unwrap();
        assert_eq!((home.written().len(), standby.written().len()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_home_does_not_take_is_written_in_the_other_region() {
        for home in [FakeOrders::failing(), FakeOrders::hanging()] {
            let (started, standby) = (Instant::now(), FakeOrders::default());
            let regions = Regions {
                home: &home,
                standby: &standby,
            };
            let receipt = super::place(&order(), &FakePayments::approving(), regions)
                .await
                .unwrap();
            assert_eq!(receipt.status, Status::Paid);
            assert_eq!(
                standby.written(),
                [("o-1".to_owned(), Status::Paid, Some("pay-1".to_owned()))]
            );
            let longest = CallPolicy::ORDERS.budget + Duration::from_millis(2);
            assert!(started.elapsed() <= longest, "{:?}", started.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_is_lost_in_both_regions_fails_the_order_in_bounded_time() {
        for lost in [FakeOrders::failing(), FakeOrders::hanging()] {
            let started = Instant::now();
            let regions = Regions {
                home: &lost,
                standby: &lost,
            };
            let error = super::place(&order(), &FakePayments::approving(), regions)
                .await
                .unwrap_err();
            assert_eq!(error.name(), "OrderNotStored");
            let longest = CallPolicy::ORDERS.budget + CallPolicy::STANDBY.budget + Duration::from_millis(4);
            assert!(started.elapsed() <= longest, "{:?}", started.elapsed());
        }
    }
}
