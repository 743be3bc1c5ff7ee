//! What a customer sends to checkout and what comes back.

use serde::{Deserialize, Serialize};

use crate::error::ShopError;

/// The longest order id and customer name accepted, in bytes.
const MAX_TEXT_BYTES: usize = 128;

/// An order as it arrives at checkout: the event of the function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Chosen by the customer, unique for each order.
    pub order_id: String,
    /// The price in cents, more than zero.
    pub amount_cents: u64,
    /// Who buys.
    pub customer: String,
}

impl Order {
    /// Reads and validates the event of a checkout function.
    ///
    /// # Errors
    /// [`ShopError::InvalidOrder`] says which field is wrong and what would be right.
    pub fn from_event(event: serde_json::Value) -> Result<Self, ShopError> {
        let order: Self = serde_json::from_value(event).map_err(|error| ShopError::InvalidOrder(error.to_string()))?;
        check_text("order_id", &order.order_id)?;
        check_text("customer", &order.customer)?;
        if order.amount_cents == 0 {
            return Err(ShopError::InvalidOrder("amount_cents must be more than 0".to_owned()));
        }
        Ok(order)
    }
}

fn check_text(field: &str, text: &str) -> Result<(), ShopError> {
    if text.is_empty() || text.len() > MAX_TEXT_BYTES {
        return Err(ShopError::InvalidOrder(format!(
            "{field} must have 1 to {MAX_TEXT_BYTES} bytes"
        )));
    }
    Ok(())
}

/// Where an accepted order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The payment was approved.
    Paid,
    /// The order stands and the payment is to be captured later.
    PaymentPending,
}

impl Status {
    /// The word for it in answers and in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::PaymentPending => "payment_pending",
        }
    }
}

/// What checkout answers for an accepted order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The id of the order, as it was sent.
    pub order_id: String,
    /// Whether it is paid already.
    pub status: Status,
}

impl Receipt {
    /// The answer for `order`, which now has this status.
    pub fn new(order: &Order, status: Status) -> Self {
        Self {
            order_id: order.order_id.clone(),
            status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_good_order_is_read() {
        let event = json!({"order_id": "o-1", "amount_cents": 1999, "customer": "ada"});
        assert_eq!(Order::from_event(event).unwrap().amount_cents, 1999);
    }

    #[test]
    fn bad_orders_are_refused_with_the_field_named() {
        for (event, field) in [
            (
                json!({"order_id": "", "amount_cents": 1, "customer": "ada"}),
                "order_id",
            ),
            (
                json!({"order_id": "o-1", "amount_cents": 0, "customer": "ada"}),
                "amount_cents",
            ),
            (
                json!({"order_id": "o-1", "amount_cents": 1, "customer": "x".repeat(129)}),
                "customer",
            ),
            (json!({"order_id": "o-1", "amount_cents": 1}), "customer"),
            (
                json!({"order_id": "o-1", "amount_cents": 1, "customer": "ada", "coupon": 1}),
                "coupon",
            ),
        ] {
            let error = Order::from_event(event).unwrap_err();
            assert_eq!(error.name(), "InvalidOrder");
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn the_answer_has_the_words_of_the_contract() {
        for status in [Status::Paid, Status::PaymentPending] {
            let receipt = Receipt {
                order_id: "o-1".to_owned(),
                status,
            };
            assert_eq!(
                serde_json::to_value(receipt).unwrap(),
                json!({"order_id": "o-1", "status": status.as_str()})
            );
        }
    }
}
