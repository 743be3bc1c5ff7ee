//! What an injected answer looks like on the wire.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::json;

use super::Fault;
use crate::intercept::Delivered;

/// The content type of a streamed answer that begins with status and headers.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming>
pub const HTTP_INTEGRATION: &str = "application/vnd.awslambda.http-integration-response";

/// The content type of a failure.
pub const ERROR_CONTENT_TYPE: &str = "application/vnd.aws.lambda.error+json";

/// An answer in place of the handler's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The error type of a failure. `None` for a response.
    pub error_type: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The answer that a fault gives, if it gives one. `streamed` is whether it takes the place of a streamed HTTP
    /// response, which has another form.
    pub fn of(fault: &Fault, streamed: bool) -> Option<Answer> {
        match fault {
            Fault::Error {
                error_type, message, ..
            } => Some(Answer {
                error_type: Some(error_type.clone()),
                body: error(error_type, message),
            }),
            Fault::Response {
                status, headers, body, ..
            } => {
                let form = if streamed { streamed_response } else { response };
                Some(Answer {
                    error_type: None,
                    body: form(*status, headers, body),
                })
            }
            _ => None,
        }
    }

    /// The last part of the path that it is posted to.
    pub fn route(&self) -> &'static str {
        if self.error_type.is_some() { "error" } else { "response" }
    }

    /// What the caller gets.
    pub fn delivered(&self) -> Delivered {
        self.error_type.clone().map_or(Delivered::Response, Delivered::Error)
    }
}

/// The body of a failure, as runtimes post it.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-invokeerror>
fn error(error_type: &str, message: &str) -> Bytes {
    json!({ "errorType": error_type, "errorMessage": message, "stackTrace": [] })
        .to_string()
        .into()
}

/// An HTTP response in one piece.
///
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>
fn response(status: u16, headers: &BTreeMap<String, String>, body: &str) -> Bytes {
    let whole = json!({ "statusCode": status, "headers": headers, "body": body, "isBase64Encoded": false });
    whole.to_string().into()
}

/// An HTTP response for a streamed answer: status and headers, eight zero bytes, then the body.
fn streamed_response(status: u16, headers: &BTreeMap<String, String>, body: &str) -> Bytes {
    let mut whole = json!({ "statusCode": status, "headers": headers })
        .to_string()
        .into_bytes();
    whole.extend([0; 8]);
    whole.extend(body.bytes());
    whole.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_have_the_form_that_the_platform_reads() {
        let headers = BTreeMap::from([("retry-after".to_owned(), "1".to_owned())]);
        assert_eq!(
            error("A", "b"),
            r#"{"errorType":"A","errorMessage":"b","stackTrace":[]}"#
        );
        assert_eq!(
            response(503, &headers, "busy"),
            r#"{"statusCode":503,"headers":{"retry-after":"1"},"body":"busy","isBase64Encoded":false}"#
        );
        assert_eq!(
            streamed_response(503, &headers, "busy"),
            "{\"statusCode\":503,\"headers\":{\"retry-after\":\"1\"}}\0\0\0\0\0\0\0\0busy"
        );
    }
}
