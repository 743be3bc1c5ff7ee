//! From any error of the AWS SDK to one of ours: a stable code, what failed, and what to do about it.

use std::error::Error as StdError;
use std::fmt::Display;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use inoculate_core::error::{Code, Error};

/// Which service an error comes from. The same AWS code means another thing in another service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// DynamoDB: our table.
    Table,
    /// Lambda: functions under test.
    Targets,
    /// Lambda: functions of Inoculate.
    Functions,
    /// CloudWatch.
    CloudWatch,
    /// Step Functions: our state machine.
    StateMachine,
    /// SNS: our topic.
    Topic,
    /// EventBridge: the bus that our events are put on.
    Bus,
    /// EventBridge Scheduler: the schedules of our group.
    #[cfg(feature = "schedules")]
    Schedules,
    /// STS: who we are.
    Identity,
}

/// What an adapter knows of the service that it calls, to explain its errors.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// Which one.
    pub(crate) kind: Kind,
    /// The endpoint, when it is not the one of AWS.
    pub(crate) endpoint: Option<String>,
}

impl Service {
    /// The error of a call, saying what was being done (`reading run x`).
    pub(crate) fn error<E>(&self, doing: impl Display, error: SdkError<E, HttpResponse>) -> Error
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        if let SdkError::ServiceError(refusal) = &error {
            let (aws_code, message) = (refusal.err().code(), refusal.err().message());
            return self.refused(doing, aws_code, message, refusal.raw().status().as_u16());
        }
        if let Some(credentials) = causes(&error).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
            // The SDK lists every place it looked at, a line each; the first line says it.
            let why = innermost(credentials);
            let why = why.lines().next().unwrap_or_default().trim_end_matches(" Attempted:");
            let message = format!("{doing}: no usable AWS credentials: {}", why.trim_end_matches('.'));
            return self.advised(Code::NoCredentials, message);
        }
        match &error {
            SdkError::ConstructionFailure(_) => {
                Error::internal(format!("{doing}: the request cannot be built: {}", innermost(&error)))
            }
            SdkError::TimeoutError(_) => self.unreachable(doing, "no answer in time"),
            _ => self.unreachable(doing, &innermost(&error)),
        }
    }

    /// The error of a call that the service refused with a code of its own.
    pub(crate) fn refused(
        &self,
        doing: impl Display,
        aws_code: Option<&str>,
        message: Option<&str>,
        status: u16,
    ) -> Error {
        let name = aws_code.map_or_else(|| format!("HTTP status {status}"), str::to_owned);
        let message = match message {
            Some(text) if !text.is_empty() => format!("{doing}: {name}: {text}"),
            _ => format!("{doing}: {name}"),
        };
        self.advised(classify(self.kind, aws_code.unwrap_or_default(), status), message)
    }

    /// The error of a call that got no answer.
    fn unreachable(&self, doing: impl Display, why: &str) -> Error {
        let help = match &self.endpoint {
            Some(endpoint) => format!("is anything listening at {endpoint}? the setting is AWS_ENDPOINT_URL"),
            None => "is the network up, and is the region right?".to_owned(),
        };
        Error::new(Code::Unavailable, format!("{doing}: AWS cannot be reached: {why}")).help(help)
    }

    /// An error with the advice that belongs to its code.
    pub(crate) fn advised(&self, code: Code, message: String) -> Error {
        let error = Error::new(code, message);
        match advice(self.kind, code) {
            Some(help) => error.help(help),
            None => error,
        }
    }
}

/// The code of an error that a service answered with.
///
/// Names come from the API references; the ones that all services share from
/// <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html#CommonErrors>.
fn classify(kind: Kind, aws_code: &str, status: u16) -> Code {
    match (kind, aws_code) {
        (
            _,
            "ExpiredToken"
            | "ExpiredTokenException"
            | "UnrecognizedClientException"
            | "InvalidClientTokenId"
            | "InvalidAccessKeyId"
            | "MissingAuthenticationToken"
            | "MissingAuthenticationTokenException"
            | "IncompleteSignature"
            | "IncompleteSignatureException"
            | "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "RequestExpired",
        ) => Code::NoCredentials,
        (_, "NotAuthorized" | "AuthorizationError" | "AuthorizationErrorException" | "OptInRequired") => {
            Code::AccessDenied
        }
        (_, denied) if denied.to_ascii_lowercase().contains("accessdenied") => Code::AccessDenied,
        (
            _,
            "TooManyRequestsException"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
            | "ExecutionLimitExceeded"
            | "TransactionInProgressException"
            | "TransactionConflictException"
            | "ReplicatedWriteConflictException"
            | "SlowDown",
        ) => Code::Throttled,
        (_, throttled) if throttled.to_ascii_lowercase().contains("throttl") => Code::Throttled,
        (Kind::Table, "ResourceNotFoundException") => Code::TableMissing,
        (Kind::Targets | Kind::CloudWatch, "ResourceNotFoundException" | "ResourceNotFound") => Code::TargetNotFound,
        (
            Kind::Functions | Kind::StateMachine | Kind::Topic | Kind::Bus,
            "ResourceNotFoundException"
            | "StateMachineDoesNotExist"
            | "StateMachineDeleting"
            | "NotFound"
            | "NotFoundException",
        ) => Code::StackMissing,
        #[cfg(feature = "schedules")]
        (Kind::Schedules, "ResourceNotFoundException") => Code::StackMissing,
        #[cfg(feature = "schedules")]
        (Kind::Schedules, "ConflictException") => Code::Conflict,
        #[cfg(feature = "schedules")]
        (Kind::Schedules, "ValidationException" | "ServiceQuotaExceededException") => Code::InvalidExperiment,
        (Kind::StateMachine, "ExecutionDoesNotExist") => Code::RunNotFound,
        (Kind::StateMachine, "ExecutionAlreadyExists") => Code::Conflict,
        (
            Kind::Targets | Kind::Functions,
            "ResourceConflictException"
            | "PreconditionFailedException"
            | "ResourceInUseException"
            | "ResourceNotReadyException",
        ) => Code::TargetBusy,
        (
            Kind::Targets | Kind::CloudWatch | Kind::StateMachine,
            "InvalidParameterValueException"
            | "InvalidParameterValue"
            | "InvalidParameterCombination"
            | "InvalidExecutionInput"
            | "ValidationError"
            | "ValidationException",
        ) => Code::InvalidExperiment,
        _ => by_status(status),
    }
}

/// The code of an answer that says nothing but its HTTP status.
fn by_status(status: u16) -> Code {
    match status {
        401 | 403 => Code::AccessDenied,
        429 => Code::Throttled,
        500.. => Code::Unavailable,
        _ => Code::Internal,
    }
}

/// What to do about an error, when there is something to do.
fn advice(kind: Kind, code: Code) -> Option<&'static str> {
    match (code, kind) {
        (Code::NoCredentials, _) => Some(
            "set AWS_PROFILE or log in again; `aws sts get-caller-identity` shows who you are (a wrong system clock also \
             breaks signatures)",
        ),
        (Code::AccessDenied, Kind::Targets) => Some(
            "give the role the permission that is named; a change also needs the tag inoculate=allow on the function (on its \
             event source mapping too) and a name that fits TargetFunctionPattern",
        ),
        (Code::AccessDenied, _) => Some("give the role or user the permission that is named"),
        (Code::TableMissing | Code::StackMissing, _) => {
            Some("is the stack deployed in this account and region? INOCULATE_STACK is its name")
        }
        (Code::TargetNotFound, _) => Some("is the name right, and is it in this account and region?"),
        (Code::TargetBusy, _) => Some("an update is under way; try again in a moment"),
        (Code::Conflict, Kind::StateMachine) => Some("a run of this name was started before; choose another name"),
        _ => None,
    }
}

/// An error and everything that caused it, outermost first.
fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

/// The text of the first cause, which says the most.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    causes(error).last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_codes_become_ours() {
        use Kind::*;
        for (kind, aws_code, status, expected) in [
            (Table, "ResourceNotFoundException", 400, Code::TableMissing),
            (Targets, "ResourceNotFoundException", 404, Code::TargetNotFound),
            (Functions, "ResourceNotFoundException", 404, Code::StackMissing),
            (StateMachine, "StateMachineDoesNotExist", 400, Code::StackMissing),
            (StateMachine, "ExecutionDoesNotExist", 400, Code::RunNotFound),
            (StateMachine, "ExecutionAlreadyExists", 400, Code::Conflict),
            (Topic, "NotFound", 404, Code::StackMissing),
            (Targets, "ResourceConflictException", 409, Code::TargetBusy),
            (Targets, "PreconditionFailedException", 412, Code::TargetBusy),
            (Targets, "ResourceInUseException", 400, Code::TargetBusy),
            (Targets, "InvalidParameterValueException", 400, Code::InvalidExperiment),
            (CloudWatch, "ValidationError", 400, Code::InvalidExperiment),
            (Table, "ValidationException", 400, Code::Internal),
            (Table, "AccessDeniedException", 400, Code::AccessDenied),
            (CloudWatch, "AccessDenied", 403, Code::AccessDenied),
            (Topic, "AuthorizationError", 403, Code::AccessDenied),
            (Targets, "KMSAccessDeniedException", 502, Code::AccessDenied),
            (Table, "UnrecognizedClientException", 400, Code::NoCredentials),
            (Table, "ExpiredTokenException", 400, Code::NoCredentials),
            (Identity, "InvalidClientTokenId", 403, Code::NoCredentials),
            (Identity, "SignatureDoesNotMatch", 403, Code::NoCredentials),
            (Targets, "InvalidSignatureException", 403, Code::NoCredentials),
            (Table, "ProvisionedThroughputExceededException", 400, Code::Throttled),
            (Targets, "TooManyRequestsException", 429, Code::Throttled),
            (CloudWatch, "Throttling", 400, Code::Throttled),
            (CloudWatch, "ThrottlingException", 400, Code::Throttled),
            (Functions, "EC2ThrottledException", 502, Code::Throttled),
            (Table, "InternalServerError", 500, Code::Unavailable),
            (Targets, "ServiceException", 500, Code::Unavailable),
            (Table, "", 503, Code::Unavailable),
            (Table, "", 403, Code::AccessDenied),
            (Table, "", 404, Code::Internal),
        ] {
            assert_eq!(
                classify(kind, aws_code, status),
                expected,
                "{kind:?} {aws_code} {status}"
            );
        }
    }

    #[test]
    fn an_error_says_what_failed_and_what_to_do() {
        let service = Service {
            kind: Kind::Table,
            endpoint: None,
        };
        let doing = "reading the record of run r (table inoculate)";
        let error = service.refused(doing, Some("ResourceNotFoundException"), Some("Table not found"), 400);
        assert_eq!(
            error.to_string(),
            "reading the record of run r (table inoculate): ResourceNotFoundException: Table not found; is the stack \
             deployed in this account and region? INOCULATE_STACK is its name"
        );
        let error = service.refused(doing, None, None, 502);
        assert_eq!(error.message, format!("{doing}: HTTP status 502"));
    }
}
