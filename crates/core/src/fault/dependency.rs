//! Faults of the calls that an invocation makes: which calls, and what comes of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Delay;
use crate::host::HostPattern;
use crate::service::Service;

/// The calls that meet a fault: all that fit everything said here. Calls to AWS have a service or a region, all others a
/// host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// To this service. None: to any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Of one of these operations, like `GetItem`. None: of any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub operations: Vec<String>,
    /// About one of these: tables, functions, queues, topics, buckets, by name. None: about any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub resources: Vec<String>,
    /// In this region. None: in any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// To this host, or all of these. For calls over HTTP that do not pass through the layer as calls to a service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostPattern>,
    /// So many percent of them, above 0; all when left out. Each call is decided by itself, so a retry may succeed.
    #[serde(default = "all", skip_serializing_if = "is_all")]
    #[schemars(range(min = 0, max = 100))]
    pub percent: f64,
}

/// What comes of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case", deny_unknown_fields)]
pub enum CallEffect {
    /// The service answers with one of its errors, in its own form. It does not see the call.
    Error {
        /// The code, like `ThrottlingException`.
        code: String,
        /// The message.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
        /// The HTTP status, for a code that [`known_status`] does not know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<u16>,
        /// Why Lambda throttles, like `ReservedFunctionConcurrentInvocationLimitExceeded`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The service answers with this. It does not see the call.
    Answer {
        /// The HTTP status: 200 to 599.
        status: u16,
        /// The HTTP headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        body: String,
    },
    /// The call takes longer. It is made after the delay.
    Latency {
        /// How much longer.
        delay: Delay,
    },
    /// The connection is reset before anything is answered. The service does not see the call.
    Refuse {},
    /// The service does what it is asked for, and the connection is reset in the middle of its answer.
    Reset {},
    /// No answer, until the caller gives up. The service does not see the call.
    Hang {},
    /// The service does what it is asked for, and the connection ends after so many bytes of the body of its answer.
    Truncate {
        /// How many bytes arrive.
        keep_bytes: u64,
    },
    /// DynamoDB does the first half of a batch, and says that the rest is unprocessed. A batch of one is done.
    Unprocessed {},
    /// What is sent and what comes back is slow, each by itself and on each connection. Only for calls to a host.
    Bandwidth {
        /// How many bytes a second.
        bytes_per_second: u64,
    },
}

/// One call, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The service.
    pub service: Service,
    /// The operation.
    pub operation: Option<String>,
    /// What it is about.
    pub resources: Vec<String>,
    /// The region.
    pub region: Option<String>,
}

impl Calls {
    /// Whether a call is one of these, apart from [`Calls::percent`]. What is not known of a call fits nothing.
    pub fn include(&self, call: &Call) -> bool {
        let one_of =
            |wanted: &[String], found: &[String]| wanted.is_empty() || found.iter().any(|found| wanted.contains(found));
        self.may_include(call.service, call.region.as_deref())
            && one_of(&self.operations, call.operation.as_slice())
            && one_of(&self.resources, &call.resources)
    }

    /// Whether a call to this service in this region may be one of these.
    pub fn may_include(&self, service: Service, region: Option<&str>) -> bool {
        self.host.is_none()
            && self.service.is_none_or(|wanted| wanted == service)
            && self.region.as_deref().is_none_or(|wanted| region == Some(wanted))
    }

    /// Whether a call to this host is one of these, apart from [`Calls::percent`].
    pub fn include_host(&self, host: &str, port: u16) -> bool {
        self.host.as_ref().is_some_and(|wanted| wanted.includes(host, port))
    }
}

fn all() -> f64 {
    100.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_all(percent: &f64) -> bool {
    *percent == all()
}

/// The HTTP status of an error of a service. `None` if it is not known here.
///
/// Source: the errors of each API, for example
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html>,
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
pub fn known_status(service: Service, code: &str) -> Option<u16> {
    let own = errors(service).iter().find(|(known, _)| *known == code);
    let any = COMMON
        .iter()
        .find(|(known, _)| *known == code && service != Service::S3);
    own.or(any).map(|(_, status)| *status)
}

/// Errors of every service but S3.
///
/// Source: <https://docs.aws.amazon.com/awssupport/latest/APIReference/CommonErrors.html>
const COMMON: &[(&str, u16)] = &[
    ("AccessDeniedException", 400),
    ("ExpiredTokenException", 403),
    ("InternalFailure", 500),
    ("RequestExpired", 400),
    ("ServiceUnavailable", 503),
    ("ThrottlingException", 400),
    ("UnrecognizedClientException", 400),
];

fn errors(service: Service) -> &'static [(&'static str, u16)] {
    match service {
        Service::DynamoDb => &[
            ("ConditionalCheckFailedException", 400),
            ("InternalServerError", 500),
            ("ItemCollectionSizeLimitExceededException", 400),
            ("LimitExceededException", 400),
            ("ProvisionedThroughputExceededException", 400),
            ("RequestLimitExceeded", 400),
            ("ResourceNotFoundException", 400),
            ("TransactionConflictException", 400),
            ("TransactionInProgressException", 400),
        ],
        Service::Lambda => &[
            ("EC2ThrottledException", 502),
            ("ENILimitReachedException", 502),
            ("KMSAccessDeniedException", 502),
            ("RequestTooLargeException", 413),
            ("ResourceConflictException", 409),
            ("ResourceNotFoundException", 404),
            ("ResourceNotReadyException", 502),
            ("ServiceException", 500),
            ("SnapStartTimeoutException", 408),
            ("TooManyRequestsException", 429),
        ],
        Service::Sqs => &[
            ("AWS.SimpleQueueService.NonExistentQueue", 400),
            ("InternalError", 500),
            ("KmsThrottled", 400),
            ("OverLimit", 400),
            ("RequestThrottled", 400),
        ],
        Service::Sns => &[
            ("AuthorizationError", 403),
            ("EndpointDisabled", 400),
            ("InternalError", 500),
            ("KMSThrottling", 400),
            ("NotFound", 404),
            ("Throttled", 429),
            ("Throttling", 400),
        ],
        Service::StepFunctions => &[
            ("ExecutionAlreadyExists", 400),
            ("ExecutionLimitExceeded", 400),
            ("StateMachineDoesNotExist", 400),
        ],
        Service::EventBridge => &[
            ("ConcurrentModificationException", 400),
            ("InternalException", 500),
            ("ResourceNotFoundException", 400),
        ],
        Service::SecretsManager => &[
            ("DecryptionFailure", 400),
            ("InternalServiceError", 500),
            ("LimitExceededException", 400),
            ("ResourceNotFoundException", 400),
        ],
        Service::Ssm => &[
            ("InternalServerError", 500),
            ("ParameterNotFound", 400),
            ("TooManyUpdates", 400),
        ],
        Service::Kinesis => &[
            ("ExpiredIteratorException", 400),
            ("InternalFailureException", 500),
            ("KMSThrottlingException", 400),
            ("LimitExceededException", 400),
            ("ProvisionedThroughputExceededException", 400),
            ("ResourceNotFoundException", 400),
        ],
        Service::Kms => &[
            ("DependencyTimeoutException", 503),
            ("DisabledException", 409),
            ("KMSInternalException", 500),
            ("KMSInvalidStateException", 409),
            ("KeyUnavailableException", 500),
            ("LimitExceededException", 400),
            ("NotFoundException", 400),
        ],
        Service::S3 => &[
            ("AccessDenied", 403),
            ("InternalError", 500),
            ("NoSuchBucket", 404),
            ("NoSuchKey", 404),
            ("OperationAborted", 409),
            ("RequestTimeout", 400),
            ("ServiceUnavailable", 503),
            ("SlowDown", 503),
        ],
        Service::Sts => &[
            ("ExpiredToken", 400),
            ("IDPCommunicationError", 400),
            ("RegionDisabledException", 403),
            ("Throttling", 400),
        ],
        Service::CloudWatch => &[
            ("InternalServiceError", 500),
            ("LimitExceeded", 400),
            ("LimitExceededException", 400),
            ("Throttling", 400),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(json: &str) -> Calls {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_call_fits_only_if_all_of_it_does() {
        let call = Call {
            service: Service::DynamoDb,
            operation: Some("GetItem".into()),
            resources: vec!["orders".into(), "stock".into()],
            region: Some("eu-west-1".into()),
        };
        let unknown = Call {
            operation: None,
            resources: vec![],
            region: None,
            ..call.clone()
        };
        for (json, fits, unknown_fits) in [
            (r#"{"service":"dynamodb"}"#, true, true),
            (r#"{"service":"sqs"}"#, false, false),
            (r#"{"region":"eu-west-1"}"#, true, false),
            (r#"{"region":"eu-west-2"}"#, false, false),
            (
                r#"{"service":"dynamodb","operations":["PutItem","GetItem"]}"#,
                true,
                false,
            ),
            (r#"{"service":"dynamodb","operations":["PutItem"]}"#, false, false),
            (r#"{"host":"*.amazonaws.com"}"#, false, false),
            (r#"{"service":"dynamodb","resources":["stock"]}"#, true, false),
            (r#"{"service":"dynamodb","resources":["stoc"]}"#, false, false),
            (
                r#"{"service":"dynamodb","operations":["GetItem"],"resources":["other"]}"#,
                false,
                false,
            ),
        ] {
            assert_eq!(calls(json).include(&call), fits, "{json}");
            assert_eq!(calls(json).include(&unknown), unknown_fits, "{json}");
        }
    }
}
