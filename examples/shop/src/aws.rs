//! The real services behind the ports: Lambda for `payments`, DynamoDB for orders, and the configuration of clients.

use async_trait::async_trait;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::error::SdkError;
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::Blob;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use serde::Deserialize;

use crate::error::{PaymentError, StoreError};
use crate::order::{Order, Status};
use crate::payments::{Approval, Charge};
use crate::policy::CallPolicy;
use crate::ports::{Orders, Payments};

/// Loads the usual AWS configuration (environment, profile, `AWS_ENDPOINT_URL`), with an HTTP client whose TLS is
/// rustls on `ring`; plain `http` endpoints work too.
pub async fn sdk_config() -> SdkConfig {
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .load()
        .await
}

/// An error with its causes in one line: `dispatch failure: connection refused`.
///
/// The `Display` of an SDK error says the outermost kind only, and its `Debug` fills a screen.
pub fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The payments service as a Lambda function.
#[derive(Debug, Clone)]
pub struct LambdaPayments {
    client: aws_sdk_lambda::Client,
    function: String,
}

impl LambdaPayments {
    /// Calls `function` (a name or an ARN). Without a policy the SDK's defaults hold: three attempts, no timeout for
    /// an answer.
    pub fn new(config: &SdkConfig, function: String, policy: Option<CallPolicy>) -> Self {
        let mut builder = aws_sdk_lambda::config::Builder::from(config);
        if let Some(policy) = policy {
            builder = builder.retry_config(policy.retries()).timeout_config(policy.timeouts());
        }
        Self {
            client: aws_sdk_lambda::Client::from_conf(builder.build()),
            function,
        }
    }
}

#[async_trait]
impl Payments for LambdaPayments {
    async fn charge(&self, charge: &Charge) -> Result<Approval, PaymentError> {
        let event = serde_json::to_vec(charge).map_err(|error| PaymentError::Failed(error.to_string()))?;
        let call = self
            .client
            .invoke()
            .function_name(&self.function)
            .payload(Blob::new(event));
        read_answer(&call.send().await.map_err(failed_call)?)
    }
}

/// Sorts a failed invocation into the errors of the port.
fn failed_call(error: SdkError<InvokeError>) -> PaymentError {
    match &error {
        SdkError::TimeoutError(_) => PaymentError::TimedOut,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => PaymentError::TimedOut,
        SdkError::ServiceError(service) if service.err().is_too_many_requests_exception() => PaymentError::Throttled,
        _ => PaymentError::Failed(describe(&error)),
    }
}

/// The status in an answer of the form that API Gateway and function URLs understand.
#[derive(Deserialize)]
struct HttpAnswer {
    #[serde(rename = "statusCode")]
    status: u16,
}

/// Reads the answer of `payments`; a function error is a failure, and so is an HTTP status that says one.
fn read_answer(output: &InvokeOutput) -> Result<Approval, PaymentError> {
    let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
    if let Some(kind) = output.function_error() {
        return Err(PaymentError::Failed(format!(
            "{kind}: {}",
            String::from_utf8_lossy(payload)
        )));
    }
    if let Ok(HttpAnswer {
        status: status @ 500..=599,
    }) = serde_json::from_slice(payload)
    {
        return Err(PaymentError::Unavailable(status));
    }
    let approval: Approval = serde_json::from_slice(payload)
        .map_err(|error| PaymentError::Failed(format!("its answer is not an approval: {error}")))?;
    if approval.approved {
        Ok(approval)
    } else {
        Err(PaymentError::Declined)
    }
}

/// The orders table, in one region.
#[derive(Debug, Clone)]
pub struct OrdersTable {
    client: aws_sdk_dynamodb::Client,
    table: String,
    service: String,
}

impl OrdersTable {
    /// Writes to `table` in the region of `config`, naming `service` (the function) as the writer. The policy is as in
    /// [`LambdaPayments::new`].
    pub fn new(config: &SdkConfig, table: String, service: String, policy: Option<CallPolicy>) -> Self {
        let mut builder = aws_sdk_dynamodb::config::Builder::from(config);
        if let Some(policy) = policy {
            builder = builder.retry_config(policy.retries()).timeout_config(policy.timeouts());
        }
        Self {
            client: aws_sdk_dynamodb::Client::from_conf(builder.build()),
            table,
            service,
        }
    }
}

#[async_trait]
impl Orders for OrdersTable {
    async fn put(&self, order: &Order, status: Status, payment_id: Option<&str>) -> Result<(), StoreError> {
        let mut put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("order_id", AttributeValue::S(order.order_id.clone()))
            .item("amount_cents", AttributeValue::N(order.amount_cents.to_string()))
            .item("customer", AttributeValue::S(order.customer.clone()))
            .item("service", AttributeValue::S(self.service.clone()))
            .item("status", AttributeValue::S(status.as_str().to_owned()));
        if let Some(id) = payment_id {
            put = put.item("payment_id", AttributeValue::S(id.to_owned()));
        }
        put.send().await.map_err(|error| StoreError(describe(&error)))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str, function_error: Option<&str>) -> Result<Approval, PaymentError> {
        let output = InvokeOutput::builder()
            .payload(Blob::new(payload))
            .set_function_error(function_error.map(str::to_owned))
            .build();
        read_answer(&output)
    }

    #[test]
    fn an_approval_is_read_and_everything_else_is_a_failure() {
        let approval = answer(r#"{"approved": true, "payment_id": "pay-1"}"#, None).unwrap();
        assert_eq!(approval.payment_id, "pay-1");
        let declined = answer(r#"{"approved": false, "payment_id": "pay-1"}"#, None);
        assert_eq!(declined, Err(PaymentError::Declined));
        let unavailable = answer(r#"{"statusCode": 503, "body": ""}"#, None);
        assert_eq!(unavailable, Err(PaymentError::Unavailable(503)));
        for (payload, kind) in [
            (r#"{"statusCode": 404}"#, None),
            ("{\"appr", None),
            ("", None),
            (r#"{"errorType": "Boom"}"#, Some("Unhandled")),
        ] {
            assert!(
                matches!(answer(payload, kind), Err(PaymentError::Failed(_))),
                "{payload}"
            );
        }
    }

    #[test]
    fn a_timed_out_call_is_told_apart() {
        let error = SdkError::timeout_error("no answer");
        assert_eq!(failed_call(error), PaymentError::TimedOut);
    }
}
