//! What is counted of a call to AWS: its name, whether it is a retry, and what its answer says.

use std::sync::Arc;

use hyper::Response;
use hyper::body::{Body, Bytes, Frame};
use hyper::header::HeaderMap;
use hyper::http::request::Parts;
use inoculate_core::service::Service;

use super::body::{BodyError, Passing};
use super::call;
use crate::calls::{Calls, Counted};

/// The codes of errors that say that there are too many calls, by how they begin.
///
/// Source: <https://github.com/boto/botocore/blob/develop/botocore/retries/standard.py>, which all SDKs agree with.
const TOO_MANY: [&str; 11] = [
    "BandwidthLimitExceeded",
    "EC2Throttl",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceeded",
    "RequestLimitExceeded",
    "RequestThrottl",
    "SlowDown",
    "Throttl",
    "TooManyRequests",
    "TransactionInProgress",
];

/// Headers with the code of an error.
const CODES: [&str; 2] = ["x-amzn-errortype", "x-amzn-query-error"];

/// What comes before the code in the body of an error: of JSON and CBOR, and of XML.
const BEFORE_CODE: [&[u8]; 2] = [b"__type", b"<Code>"];

/// How much of the first part of an error is looked at, and how much after what comes before the code.
const LOOK: (usize, usize) = (1024, 96);

/// The longest name of an operation that is told apart.
const LONGEST: usize = 48;

/// Begins to count a call with this head.
pub(super) fn begin(calls: &Calls, service: Service, head: &Parts) -> Counted {
    calls.begin(name(service, head), is_retry(&head.headers))
}

/// The service, and the operation if the head tells: of a form, only the body does.
fn name(service: Service, head: &Parts) -> String {
    let service_name = service.name();
    let operation = call::operation_in_head(service, head);
    // It comes from a request, and is shown to people.
    let is_name = |name: &String| name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    match operation.filter(is_name) {
        Some(operation) if !operation.is_empty() => format!("{service_name} {operation}"),
        _ => service_name.to_owned(),
    }
}

/// Whether the SDK has sent this call before: `amz-sdk-request: attempt=2; max=3`.
///
/// Source: <https://github.com/boto/botocore/blob/develop/botocore/handlers.py>, `add_retry_headers`.
fn is_retry(headers: &HeaderMap) -> bool {
    let value = headers.get("amz-sdk-request").and_then(|value| value.to_str().ok());
    let attempt = value.and_then(|value| {
        let mut fields = value.split(';').map(str::trim);
        fields.find_map(|field| field.strip_prefix("attempt=")?.parse::<u32>().ok())
    });
    attempt.is_some_and(|attempt| attempt > 1)
}

/// Counts what the head of an answer says, and then its body as it passes.
pub(super) fn watched(counted: Arc<Counted>, answer: Response<Passing>) -> Response<Passing> {
    let (status, headers) = (answer.status().as_u16(), answer.headers());
    let failed = status >= 400;
    counted.answered(failed);
    let code = || CODES.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    let throttled = failed && (status == 429 || code().is_some_and(is_too_many));
    if throttled {
        counted.throttled();
    }
    let watch = Watch {
        counted,
        looks: failed && !throttled,
    };
    answer.map(|body| Passing::Watched(Box::new(body), watch))
}

/// Counts a body that passes.
#[derive(Debug)]
pub struct Watch {
    counted: Arc<Counted>,
    /// The code of an error may be in what comes next.
    looks: bool,
}

impl Watch {
    /// This comes next of the body.
    pub(super) fn passes(&mut self, frame: Option<&Result<Frame<Bytes>, BodyError>>, body: &Passing) {
        match frame {
            Some(Err(_)) => return self.counted.broke_off(),
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref()
                    && std::mem::take(&mut self.looks)
                    && says_too_many(data)
                {
                    self.counted.throttled();
                }
            }
            None => self.counted.end(),
        }
        // Of a body whose length is known, nobody asks for more.
        if body.is_end_stream() {
            self.counted.end();
        }
    }
}

/// Whether the beginning of the body of an error has a code that says that there are too many calls.
fn says_too_many(data: &[u8]) -> bool {
    let data = &data[..data.len().min(LOOK.0)];
    BEFORE_CODE.into_iter().any(|before| {
        let place = data.windows(before.len()).position(|window| window == before);
        place.is_some_and(|place| {
            let after = &data[place + before.len()..];
            let after = &after[..after.len().min(LOOK.1)];
            is_too_many(&String::from_utf8_lossy(after))
        })
    })
}

/// Whether one of the words of a text is such a code. It may have the name of a service before it.
fn is_too_many(text: &str) -> bool {
    let mut words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.any(|word| TOO_MANY.iter().any(|code| word.starts_with(code)))
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let request = Request::builder().method(method).uri(uri);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_call_is_named_by_its_service_and_operation() {
        let target = |value: &'static str| [("x-amz-target", value)];
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let invoke = "/2015-03-31/functions/pay/invocations";
        for (service, head, expected) in [
            (
                Service::DynamoDb,
                head("POST", "/", &target("DynamoDB_20120810.GetItem")),
                "dynamodb GetItem",
            ),
            (
                Service::DynamoDb,
                head("POST", "/", &target("DynamoDB_20120810.Get\"Item")),
                "dynamodb",
            ),
            (
                Service::DynamoDb,
                head("POST", "/", &target("DynamoDB_20120810.")),
                "dynamodb",
            ),
            (Service::DynamoDb, head("GET", "/", &[]), "dynamodb"),
            (Service::Lambda, head("POST", invoke, &[]), "lambda Invoke"),
            (Service::S3, head("GET", "/bucket/key", &[]), "s3 GetObject"),
            (Service::Sns, head("POST", "/", &form), "sns"),
            (Service::Sns, head("GET", "/?Action=Publish", &form), "sns Publish"),
        ] {
            assert_eq!(name(service, &head), expected);
        }
        let long = "a".repeat(LONGEST + 1);
        assert_eq!(
            name(Service::Ssm, &head("POST", "/", &[("x-amz-target", &long)])),
            "ssm"
        );
    }

    #[test]
    fn a_retry_is_what_the_sdk_says() {
        for (value, expected) in [
            ("attempt=1", false),
            ("attempt=1; max=3", false),
            ("attempt=2; max=3", true),
            ("ttl=20260101T000000Z; attempt=3; max=3", true),
            ("max=3", false),
            ("attempt=many", false),
        ] {
            let headers = head("GET", "/", &[("amz-sdk-request", value)]).headers;
            assert_eq!(is_retry(&headers), expected, "{value}");
        }
        assert!(!is_retry(&HeaderMap::new()));
    }

    #[test]
    fn errors_say_when_there_were_too_many() {
        for (body, expected) in [
            (
                &br#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}"#[..],
                true,
            ),
            (br#"{"message":"x","__type":"ThrottlingException"}"#, true),
            (b"<Error><Code>SlowDown</Code><Message>less</Message></Error>", true),
            (
                b"\xa2\x66__type\x78\x29com.amazonaws.sqs#RequestThrottled\x67message\x60",
                true,
            ),
            (br#"{"__type":"ResourceNotFoundException"}"#, false),
            (br#"{"message":"SlowDown"}"#, false),
            (b"<Error><Code>NoSuchKey</Code></Error>", false),
            (b"", false),
        ] {
            assert_eq!(says_too_many(body), expected, "{}", String::from_utf8_lossy(body));
        }
    }
}
