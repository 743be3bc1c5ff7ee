//! What can go wrong in the shop. The names are stable: callers see them as the `errorType` of a function error.

use lambda_runtime::Diagnostic;

/// Why a call of `payments` gave no approval.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PaymentError {
    /// `payments` looked at the charge and said no. Trying again would not help.
    #[error("the payment was declined")]
    Declined,
    /// Lambda refused to start `payments` because it is at its concurrency limit.
    #[error("payments is throttled")]
    Throttled,
    /// No answer in time.
    #[error("payments did not answer in time")]
    TimedOut,
    /// It answered with an HTTP status from 500 to 599. To Lambda that is an answer like any other.
    #[error("payments answered with the HTTP status {0}")]
    Unavailable(u16),
    /// Anything else: a function error, a lost connection, an answer that makes no sense.
    #[error("payments failed: {0}")]
    Failed(String),
}

/// An order could not be written to the table; the text says why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StoreError(pub String);

/// Why a function of the shop failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShopError {
    /// The customer sent something that is not an order.
    #[error("invalid order: {0}")]
    InvalidOrder(String),
    /// `payments` was called with something that is not a charge.
    #[error("invalid charge: {0}")]
    InvalidCharge(String),
    /// The order failed because its payment did.
    #[error(transparent)]
    Payment(#[from] PaymentError),
    /// The order could not be written down.
    #[error("the order was not stored: {0}")]
    OrderNotStored(#[from] StoreError),
}

impl ShopError {
    /// The stable name of this error.
    pub fn name(&self) -> &'static str {
        match self {
            Self::InvalidOrder(_) => "InvalidOrder",
            Self::InvalidCharge(_) => "InvalidCharge",
            Self::Payment(PaymentError::Declined) => "PaymentDeclined",
            Self::Payment(PaymentError::Throttled) => "PaymentThrottled",
            Self::Payment(PaymentError::TimedOut) => "PaymentTimedOut",
            Self::Payment(PaymentError::Unavailable(_)) => "PaymentUnavailable",
            Self::Payment(PaymentError::Failed(_)) => "PaymentFailed",
            Self::OrderNotStored(_) => "OrderNotStored",
        }
    }
}

impl From<ShopError> for Diagnostic {
    fn from(error: ShopError) -> Self {
        Self {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        }
    }
}
