//! What checkout needs from outside, so that its logic can be tested without any of it.

use async_trait::async_trait;

use crate::error::{PaymentError, StoreError};
use crate::order::{Order, Status};
use crate::payments::{Approval, Charge};

/// The way to the payments service.
#[async_trait]
pub trait Payments: Send + Sync {
    /// Charges a customer; `Ok` means approved. Calling it twice for one order charges once.
    ///
    /// # Errors
    /// See [`PaymentError`].
    async fn charge(&self, charge: &Charge) -> Result<Approval, PaymentError>;
}

/// Where orders are kept.
#[async_trait]
pub trait Orders: Send + Sync {
    /// Writes an order down. The payment id is known only for a paid order.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be written.
    async fn put(&self, order: &Order, status: Status, payment_id: Option<&str>) -> Result<(), StoreError>;
}

impl From<&Order> for Charge {
    fn from(order: &Order) -> Self {
        Self {
            order_id: order.order_id.clone(),
            amount_cents: order.amount_cents,
        }
    }
}
