//! Errors as a service writes them, so that the SDK of the caller sees its own typed error.
//!
//! Source: <https://smithy.io/2.0/aws/protocols/index.html>

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::http::response::Builder;
use hyper::{Method, Response};
use inoculate_core::service::{Protocol, Service};
use serde_json::json;

use super::call::{Form, SMITHY};

/// What an error says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    /// The service that fails.
    pub service: Service,
    /// The code.
    pub code: &'a str,
    /// The message.
    pub message: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// Why Lambda throttles.
    pub reason: Option<&'a str>,
}

/// The header that tells SDKs the code that a service had before it had JSON or CBOR.
///
/// Source: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html#aws-protocols-awsquerycompatible-trait>
const QUERY_ERROR: &str = "x-amzn-query-error";

impl Failure<'_> {
    /// The answer with this error. `None` if it cannot be written, which valid faults can.
    pub fn answer(&self, form: Form, method: &Method) -> Option<Response<Bytes>> {
        let id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let answer = Response::builder().status(self.status).header("x-amzn-requestid", &id);
        let (answer, body) = match form {
            Form::Cbor => self.cbor(answer),
            Form::Aws(Protocol::AwsJson(version)) => self.aws_json(answer, version),
            Form::Aws(Protocol::RestJson) => self.rest_json(answer),
            Form::Aws(Protocol::AwsQuery) => (xml(answer, "text/xml"), self.query_xml(&id)),
            Form::Aws(Protocol::RestXml) => {
                let answer = answer.header("x-amz-request-id", &id).header("x-amz-id-2", &id);
                (xml(answer, "application/xml"), self.s3_xml(&id))
            }
        };
        // An answer to HEAD has none.
        let body = if *method == Method::HEAD { Vec::new() } else { body };
        answer.body(body.into()).ok()
    }

    fn aws_json(&self, answer: Builder, version: &str) -> (Builder, Vec<u8>) {
        let body = json!({ "__type": self.shape(), "message": self.message }).to_string();
        let answer = answer.header(CONTENT_TYPE, format!("application/x-amz-json-{version}"));
        (self.with_query_error(answer), body.into())
    }

    fn rest_json(&self, answer: Builder) -> (Builder, Vec<u8>) {
        let kind = if self.status < 500 { "User" } else { "Service" };
        let mut body = json!({ "Type": kind, "message": self.message });
        if let Some(reason) = self.reason {
            body["Reason"] = reason.into();
        }
        let answer = answer
            .header(CONTENT_TYPE, "application/json")
            .header("x-amzn-errortype", self.code);
        (answer, body.to_string().into())
    }

    fn cbor(&self, answer: Builder) -> (Builder, Vec<u8>) {
        // A map of two pairs.
        let mut body = vec![0xa2];
        for text in ["__type", &self.shape(), "message", self.message] {
            cbor_text(&mut body, text);
        }
        let answer = answer
            .header(CONTENT_TYPE, "application/cbor")
            .header(SMITHY, "rpc-v2-cbor");
        (self.with_query_error(answer), body)
    }

    fn query_xml(&self, id: &str) -> Vec<u8> {
        let (code, message) = (escaped(self.code), escaped(self.message));
        let kind = self.side();
        format!(
            "<ErrorResponse><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>{id}</RequestId></ErrorResponse>"
        )
        .into()
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#RESTErrorResponses>
    fn s3_xml(&self, id: &str) -> Vec<u8> {
        let (code, message) = (escaped(self.code), escaped(self.message));
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
             <RequestId>{id}</RequestId><HostId>{id}</HostId></Error>"
        )
        .into()
    }

    fn with_query_error(&self, answer: Builder) -> Builder {
        if ![Service::Sqs, Service::CloudWatch].contains(&self.service) {
            return answer;
        }
        let value = HeaderValue::from_str(&format!("{};{}", self.code, self.side()));
        match value {
            Ok(value) => answer.header(QUERY_ERROR, value),
            Err(_) => answer,
        }
    }

    /// Whose fault it is.
    fn side(&self) -> &'static str {
        if self.status < 500 { "Sender" } else { "Receiver" }
    }

    /// The name of the error in the model of the service, which is not always its code.
    fn shape(&self) -> String {
        match (self.service, self.code) {
            (Service::DynamoDb, "ThrottlingException") => {
                "com.amazon.coral.availability#ThrottlingException".to_owned()
            }
            (Service::DynamoDb, code) => format!("com.amazonaws.dynamodb.v20120810#{code}"),
            (Service::Sqs, "AWS.SimpleQueueService.NonExistentQueue") => {
                "com.amazonaws.sqs#QueueDoesNotExist".to_owned()
            }
            (Service::Sqs, code) => format!("com.amazonaws.sqs#{code}"),
            (Service::CloudWatch, "LimitExceeded") => "com.amazonaws.cloudwatch#LimitExceededFault".to_owned(),
            (Service::CloudWatch, "InternalServiceError") => "com.amazonaws.cloudwatch#InternalServiceFault".to_owned(),
            (Service::CloudWatch, code) => format!("com.amazonaws.cloudwatch#{code}"),
            (_, code) => code.to_owned(),
        }
    }
}

fn xml(answer: Builder, kind: &str) -> Builder {
    answer.header(CONTENT_TYPE, kind)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Writes a text: <https://www.rfc-editor.org/rfc/rfc8949#section-3>
fn cbor_text(into: &mut Vec<u8>, text: &str) {
    const TEXT: u8 = 3 << 5;
    let length = text.len();
    match (u8::try_from(length), u16::try_from(length), u32::try_from(length)) {
        (Ok(short), _, _) if short < 24 => into.push(TEXT | short),
        (Ok(byte), _, _) => into.extend([TEXT | 24, byte]),
        (_, Ok(two), _) => {
            into.push(TEXT | 25);
            into.extend(two.to_be_bytes());
        }
        (_, _, four) => {
            into.push(TEXT | 26);
            into.extend(four.unwrap_or(u32::MAX).to_be_bytes());
        }
    }
    into.extend(text.bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &str = "too much <ü> & more";

    fn answer(service: Service, form: Form, code: &str, status: u16) -> Response<Bytes> {
        let failure = Failure {
            service,
            code,
            message: MESSAGE,
            status,
            reason: Some("CallerRateLimitExceeded").filter(|_| service == Service::Lambda),
        };
        failure.answer(form, &Method::POST).unwrap()
    }

    fn text(answer: &Response<Bytes>) -> &str {
        std::str::from_utf8(answer.body()).unwrap()
    }

    #[test]
    fn json_has_its_type_in_the_body() {
        let json = Form::Aws(Protocol::AwsJson("1.0"));
        let throttled = answer(Service::DynamoDb, json, "ProvisionedThroughputExceededException", 400);
        assert_eq!(
            text(&throttled),
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"too much <ü> & more"}"#
        );
        assert_eq!(
            (throttled.status().as_u16(), &throttled.headers()[CONTENT_TYPE]),
            (400, &HeaderValue::from_static("application/x-amz-json-1.0"))
        );
        assert!(!throttled.headers().contains_key(QUERY_ERROR));
        let missing = answer(Service::Sqs, json, "AWS.SimpleQueueService.NonExistentQueue", 400);
        assert!(text(&missing).contains("sqs#QueueDoesNotExist"));
        assert_eq!(
            missing.headers()[QUERY_ERROR],
            "AWS.SimpleQueueService.NonExistentQueue;Sender"
        );
    }

    #[test]
    fn rest_has_its_type_in_a_header() {
        let throttled = answer(
            Service::Lambda,
            Form::Aws(Protocol::RestJson),
            "TooManyRequestsException",
            429,
        );
        assert_eq!(throttled.headers()["x-amzn-errortype"], "TooManyRequestsException");
        assert_eq!(
            text(&throttled),
            r#"{"Type":"User","message":"too much <ü> & more","Reason":"CallerRateLimitExceeded"}"#
        );
    }

    #[test]
    fn xml_is_escaped() {
        let sns = answer(Service::Sns, Form::Aws(Protocol::AwsQuery), "Throttled", 429);
        assert!(
            text(&sns).starts_with("<ErrorResponse><Error><Type>Sender</Type><Code>Throttled</Code><Message>too much &lt;ü&gt; &amp; more</Message>"),
        );
        let slow = answer(Service::S3, Form::Aws(Protocol::RestXml), "SlowDown", 503);
        assert!(text(&slow).contains("<Error><Code>SlowDown</Code><Message>too much &lt;ü&gt; &amp; more</Message>"));
        let failure = Failure {
            service: Service::S3,
            code: "SlowDown",
            message: "",
            status: 503,
            reason: None,
        };
        let head = failure.answer(Form::Aws(Protocol::RestXml), &Method::HEAD).unwrap();
        assert!(head.body().is_empty());
    }

    #[test]
    fn cbor_is_a_map_of_two_texts() {
        let fault = answer(Service::CloudWatch, Form::Cbor, "LimitExceeded", 400);
        assert_eq!(
            (&fault.headers()[SMITHY], &fault.headers()[QUERY_ERROR]),
            (
                &HeaderValue::from_static("rpc-v2-cbor"),
                &HeaderValue::from_static("LimitExceeded;Sender")
            )
        );
        let mut expected = vec![0xa2, 0x66];
        expected.extend(b"__type\x78\x2bcom.amazonaws.cloudwatch#LimitExceededFault\x67message\x74");
        expected.extend(MESSAGE.bytes());
        assert_eq!(fault.body(), &expected);
        for (length, begins) in [
            (23, &[0x77][..]),
            (24, &[0x78, 24]),
            (256, &[0x79, 1, 0]),
            (65_536, &[0x7a, 0, 1, 0, 0]),
        ] {
            let mut written = Vec::new();
            cbor_text(&mut written, &"a".repeat(length));
            assert!(written.starts_with(begins) && written.len() == begins.len() + length);
        }
    }
}
