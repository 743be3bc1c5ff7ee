//! Stand-ins for the outside of checkout, for tests only.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::{PaymentError, StoreError};
use crate::order::{Order, Status};
use crate::payments::{Approval, Charge};
use crate::ports::{Orders, Payments};

/// A valid order.
pub(crate) fn order() -> Order {
    Order {
        order_id: "o-1".to_owned(),
        amount_cents: 1999,
        customer: "ada".to_owned(),
    }
}

/// A payments service that always does the same.
pub(crate) struct FakePayments {
    delay: Duration,
    error: Option<PaymentError>,
}

impl FakePayments {
    pub(crate) fn approving() -> Self {
        Self {
            delay: Duration::ZERO,
            error: None,
        }
    }

    pub(crate) fn failing(error: PaymentError) -> Self {
        Self {
            delay: Duration::ZERO,
            error: Some(error),
        }
    }

    pub(crate) fn slow(delay: Duration) -> Self {
        Self { delay, error: None }
    }
}

#[async_trait]
impl Payments for FakePayments {
    async fn charge(&self, _: &Charge) -> Result<Approval, PaymentError> {
        tokio::time::sleep(self.delay).await;
        match &self.error {
            Some(error) => Err(error.clone()),
            None => Ok(Approval {
                approved: true,
                payment_id: "pay-1".to_owned(),
            }),
        }
    }
}

/// An order as it was written: id, status, payment id.
pub(crate) type Written = (String, Status, Option<String>);

/// A table that remembers what was written, fails, or never answers.
#[derive(Default)]
pub(crate) struct FakeOrders {
    written: Mutex<Vec<Written>>,
    fails: bool,
    hangs: bool,
}

impl FakeOrders {
    pub(crate) fn failing() -> Self {
        Self {
            fails: true,
            ..Self::default()
        }
    }

    pub(crate) fn hanging() -> Self {
        Self {
            hangs: true,
            ..Self::default()
        }
    }

    pub(crate) fn written(&self) -> Vec<Written> {
        self.written.lock().unwrap().clone()
    }
}

#[async_trait]
impl Orders for FakeOrders {
    async fn put(&self, order: &Order, status: Status, payment_id: Option<&str>) -> Result<(), StoreError> {
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.fails {
            return Err(StoreError("no table".to_owned()));
        }
        let row = (order.order_id.clone(), status, payment_id.map(str::to_owned));
        self.written.lock().unwrap().push(row);
        Ok(())
    }
}
