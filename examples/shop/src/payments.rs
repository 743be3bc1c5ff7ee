//! The payments service: approves charges. It stands for a payment provider and moves no money.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ShopError;

/// How long a charge takes, as if a provider had been asked.
const PROVIDER_TIME: Duration = Duration::from_millis(20);

/// What checkout asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// The order this pays for. One order is paid at most once.
    pub order_id: String,
    /// How much, in cents.
    pub amount_cents: u64,
}

/// What payments answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Whether the charge was accepted.
    pub approved: bool,
    /// The id of the payment: always the same for the same order.
    pub payment_id: String,
}

/// Approves a charge, in about 20 ms; a charge of nothing is declined.
///
/// Idempotent: the payment id is a function of the order id, so a repeated or retried charge is the same payment.
pub async fn approve(charge: &Charge) -> Approval {
    tokio::time::sleep(PROVIDER_TIME).await;
    Approval {
        approved: charge.amount_cents > 0,
        payment_id: payment_id(&charge.order_id),
    }
}

/// Handles one event of the function `shop-payments`.
///
/// # Errors
/// [`ShopError::InvalidCharge`] if the event is not a [`Charge`].
pub async fn handle(event: serde_json::Value) -> Result<Approval, ShopError> {
    let charge = serde_json::from_value(event).map_err(|error| ShopError::InvalidCharge(error.to_string()))?;
    Ok(approve(&charge).await)
}

fn payment_id(order_id: &str) -> String {
    let digest = Sha256::digest(order_id.as_bytes());
    let hex: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("pay-{hex}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_same_order_is_the_same_payment() {
        let charge = |id: &str| Charge {
            order_id: id.to_owned(),
            amount_cents: 500,
        };
        let first = approve(&charge("o-1")).await;
        assert!(first.approved);
        assert_eq!(first, approve(&charge("o-1")).await);
        assert_ne!(first.payment_id, approve(&charge("o-2")).await.payment_id);
    }

    #[tokio::test(start_paused = true)]
    async fn a_charge_of_nothing_is_declined_and_nonsense_is_an_error() {
        let free = serde_json::json!({"order_id": "o-1", "amount_cents": 0});
        assert!(!handle(free).await.unwrap().approved);
        assert_eq!(handle(serde_json::json!([])).await.unwrap_err().name(), "InvalidCharge");
    }
}
