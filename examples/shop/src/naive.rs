//! Checkout as many teams write it: everything works as long as `payments` and the table do.
//!
//! It waits for both as long as the SDK does, which is for ever, and any failure of theirs is a failure of the order. The
//! only protection is the SDK's default retry: three attempts with seconds of backoff in between, which makes the customer
//! wait longer for the same error. It knows one region only.

use crate::error::ShopError;
use crate::order::{Order, Receipt, Status};
use crate::ports::{Orders, Payments};

/// Charges the customer, writes the order down, answers `paid`.
///
/// # Errors
/// [`ShopError::Payment`] if the charge failed in any way, [`ShopError::OrderNotStored`] if the table did.
pub async fn place(order: &Order, payments: &dyn Payments, orders: &dyn Orders) -> Result<Receipt, ShopError> {
    let approval = payments.charge(&order.into()).await?;
    orders.put(order, Status::Paid, Some(&approval.payment_id)).await?;
    Ok(Receipt::new(order, Status::Paid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::PaymentError;
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
    async fn any_failure_of_payments_fails_the_order() {
        for (error, name) in [
            (PaymentError::Throttled, "PaymentThrottled"),
            (PaymentError::TimedOut, "PaymentTimedOut"),
            (PaymentError::Unavailable(503), "PaymentUnavailable"),
            (PaymentError::Failed("boom".to_owned()), "PaymentFailed"),
            (PaymentError::Declined, "PaymentDeclined"),
        ] {
            let orders = FakeOrders::default();
            let failed = place(&order(), &FakePayments::failing(error), &orders)
                .await
                .unwrap_err();
            assert_eq!(failed.name(), name);
            assert!(orders.written().is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_table_that_fails_fails_the_order() {
        let failed = place(&order(), &FakePayments::approving(), &FakeOrders::failing())
            .await
            .unwrap_err();
        assert_eq!(failed.name(), "OrderNotStored");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_payments_makes_the_customer_wait() {
        let (slow, started) = (Duration::from_secs(30), Instant::now());
        let receipt = place(&order(), &FakePayments::slow(slow), &FakeOrders::default())
            .await
            .unwrap();
        assert_eq!((receipt.status, started.elapsed()), (Status::Paid, slow));
    }
}
