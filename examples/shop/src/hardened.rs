//! Checkout built to live through a failing `payments`.
//!
//! - **Timeouts**: each attempt and the whole call are bounded ([`CallPolicy`]), far below the function's own timeout.
//! - **Retries**: few, with exponential backoff and jitter, on the SDK client; safe because charging is idempotent.
//! - **Fallback**: if there is still no answer, the order is accepted as `payment_pending` and written down, so that
//!   the payment can be captured later. The customer is served; only a declined payment fails the order.

use crate::error::{PaymentError, ShopError, StoreError};
use crate::order::{Order, Receipt, Status};
use crate::policy::CallPolicy;
use crate::ports::{Orders, Payments};

/// Charges the customer within the budget, or else accepts the order with its payment pending.
///
/// # Errors
/// [`PaymentError::Declined`] if `payments` said no; [`ShopError::OrderNotStored`] if the table failed, since an order
/// that is not written down is lost.
pub async fn place(order: &Order, payments: &dyn Payments, orders: &dyn Orders) -> Result<Receipt, ShopError> {
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

/// Writes the order down within the budget and makes the answer.
async fn store(
    order: &Order,
    status: Status,
    payment_id: Option<&str>,
    orders: &dyn Orders,
) -> Result<Receipt, ShopError> {
    let put = orders.put(order, status, payment_id);
    match tokio::time::timeout(CallPolicy::ORDERS.budget, put).await {
        Ok(stored) => stored?,
        Err(_elapsed) => return Err(StoreError("the table did not answer in time".to_owned()).into()),
    }
    Ok(Receipt::new(order, status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::{FakeOrders, FakePayments, order};
    use std::time::Duration;
    use tokio::time::Instant;

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
    async fn a_lost_table_fails_the_order_in_bounded_time() {
        let broken = FakeOrders::failing();
        let error = place(&order(), &FakePayments::approving(), &broken).await.unwrap_err();
        assert_eq!(error.name(), "OrderNotStored");

        let started = Instant::now();
        let error = place(&order(), &FakePayments::approving(), &FakeOrders::hanging())
            .await
            .unwrap_err();
        assert_eq!(error.name(), "OrderNotStored");
        assert!(
            started.elapsed() <= CallPolicy::ORDERS.budget + Duration::from_millis(2),
            "{:?}",
            started.elapsed()
        );
    }
}
