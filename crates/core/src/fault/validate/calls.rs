//! What a fault of calls may say. All that is not certainly meant is refused.

use super::{MAX_TEXT_BYTES, is_delay, is_header_name, is_header_value};
use crate::fault::{CallEffect, Calls, known_status};
use crate::service::Service;

const MAX_NAMES: usize = 20;
const MAX_BYTES_PER_SECOND: u64 = 1_000_000_000;

/// The operations of which a part can be unprocessed.
const BATCHES: [&str; 2] = ["BatchWriteItem", "BatchGetItem"];

pub(super) fn check(calls: &Calls, effect: &CallEffect, need: &mut dyn FnMut(bool, &str)) {
    let aws = calls.service.is_some() || calls.region.is_some();
    let somewhere = aws || calls.host.is_some();
    need(somewhere, "dependency: calls need a service, a region or a host");
    need(
        !aws || calls.host.is_none(),
        "dependency: calls to a host have no service and no region",
    );
    let (operations, resources) = (&calls.operations, &calls.resources);
    let named = operations.is_empty() && resources.is_empty() || calls.service.is_some();
    need(named, "dependency: operations and resources need a service");
    let is_operation =
        |name: &String| (1..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let valid = operations.len() <= MAX_NAMES && operations.iter().all(is_operation);
    need(valid, "dependency: at most 20 operations, each a name like GetItem");
    let is_resource = |name: &String| (1..=256).contains(&name.len()) && is_header_value(name);
    let valid = resources.len() <= MAX_NAMES && resources.iter().all(is_resource);
    need(valid, "dependency: at most 20 resources, each a name");
    need(
        resources.is_empty() || calls.service != Some(Service::Sts) && calls.service != Some(Service::CloudWatch),
        "dependency: calls to this service are not about a resource",
    );
    let is_region = calls.region.as_deref().is_none_or(is_region);
    need(is_region, "dependency: region must be like eu-west-1");
    let percent = calls.percent;
    need(
        percent > 0.0 && percent <= 100.0,
        "dependency: percent must be above 0, and at most 100",
    );
    need(
        calls.host.is_none() || is_for_hosts(effect),
        "dependency: calls to a host can meet response, latency, refuse, reset, hang and bandwidth",
    );
    check_effect(calls, effect, need);
}

/// Whether an effect needs to know nothing of a service.
fn is_for_hosts(effect: &CallEffect) -> bool {
    match effect {
        CallEffect::Answer { .. }
        | CallEffect::Latency { .. }
        | CallEffect::Refuse {}
        | CallEffect::Reset {}
        | CallEffect::Hang {}
        | CallEffect::Bandwidth { .. } => true,
        CallEffect::Error { .. } | CallEffect::Truncate { .. } | CallEffect::Unprocessed {} => false,
    }
}

fn check_effect(calls: &Calls, effect: &CallEffect, need: &mut dyn FnMut(bool, &str)) {
    match effect {
        CallEffect::Error {
            code,
            message,
            status,
            reason,
        } => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
            let valid = (1..=128).contains(&code.len()) && code.bytes().all(allowed);
            need(valid, "dependency: code must be a name like ThrottlingException");
            need(
                is_text(message),
                "dependency: message must be at most 256 KB without control characters",
            );
            need(
                calls.service.is_some() || calls.host.is_some(),
                "dependency: an error needs a service, which has it",
            );
            let known = calls
                .service
                .is_some_and(|service| known_status(service, code).is_some());
            let valid = known || status.is_some() || calls.service.is_none();
            need(valid, "dependency: this error is not known; give its HTTP status, too");
            let valid = status.is_none_or(|status| (400..600).contains(&status));
            need(valid, "dependency: the status of an error must be 400 to 599");
            let valid = reason.is_none() || calls.service == Some(Service::Lambda);
            need(valid, "dependency: only errors of lambda have a reason");
            let reason = reason.as_deref().unwrap_or_default();
            let valid = reason.bytes().all(|byte| byte.is_ascii_alphanumeric()) && reason.len() <= 128;
            need(valid, "dependency: reason must be a name");
        }
        CallEffect::Answer { status, headers, body } => {
            need((200..600).contains(status), "dependency: status must be 200 to 599");
            let valid = |(name, value): (&String, &String)| is_header_name(name) && is_header_value(value);
            need(headers.iter().all(valid), "dependency: a header is not valid in HTTP");
            let framing = |name: &String| {
                ["content-length", "transfer-encoding", "connection"].contains(&name.to_ascii_lowercase().as_str())
            };
            need(
                !headers.keys().any(framing),
                "dependency: the length of an answer is not yours to say",
            );
            need(body.len() <= MAX_TEXT_BYTES, "dependency: body must be at most 256 KB");
        }
        CallEffect::Latency { delay } => {
            need(
                is_delay(delay),
                "dependency: a delay is at most 900,000 ms, and min_ms <= max_ms",
            );
        }
        CallEffect::Unprocessed {} => {
            let operations = &calls.operations;
            let valid = operations.iter().all(|name| BATCHES.contains(&name.as_str()));
            let valid = valid && calls.service == Some(Service::DynamoDb);
            need(
                valid,
                "dependency: only BatchWriteItem and BatchGetItem of dynamodb can be unprocessed",
            );
        }
        CallEffect::Bandwidth { bytes_per_second } => {
            need(
                (1..=MAX_BYTES_PER_SECOND).contains(bytes_per_second),
                "dependency: bytes_per_second must be 1 to 1,000,000,000",
            );
            need(
                calls.host.is_some(),
                "dependency: only calls to a host can have less bandwidth",
            );
        }
        CallEffect::Refuse {} | CallEffect::Reset {} | CallEffect::Hang {} | CallEffect::Truncate { .. } => {}
    }
}

/// A text that every protocol can carry: XML has no control characters.
fn is_text(text: &str) -> bool {
    text.len() <= MAX_TEXT_BYTES && !text.chars().any(char::is_control)
}

fn is_region(region: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (5..=32).contains(&region.len()) && region.contains('-') && region.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use crate::fault::FaultPlan;

    fn read(calls: &str, effect: &str) -> Result<FaultPlan, String> {
        let json = format!(r#"[{{"kind":"dependency","calls":{calls},"effect":{effect}}}]"#);
        serde_json::from_str(&json).map_err(|error| error.to_string())
    }

    #[test]
    fn every_effect_can_be_written_and_comes_back_as_it_was() {
        let dynamodb = r#"{"service":"dynamodb","operations":["BatchGetItem"],"resources":["orders"],"region":"eu-west-1","percent":12.5}"#;
        for (calls, effect) in [
            (
                dynamodb,
                r#"{"effect":"error","code":"ProvisionedThroughputExceededException"}"#,
            ),
            (
                dynamodb,
                r#"{"effect":"error","code":"NewError","message":"<ü>","status":418}"#,
            ),
            (
                r#"{"service":"lambda"}"#,
                r#"{"effect":"error","code":"TooManyRequestsException","reason":"CallerRateLimitExceeded"}"#,
            ),
            (r#"{"service":"s3"}"#, r#"{"effect":"error","code":"SlowDown"}"#),
            (
                r#"{"service":"sqs"}"#,
                r#"{"effect":"answer","status":503,"headers":{"retry-after":"1"},"body":"busy"}"#,
            ),
            (
                dynamodb,
                r#"{"effect":"latency","delay":{"distribution":"fixed","ms":1000}}"#,
            ),
            (r#"{"region":"us-east-1"}"#, r#"{"effect":"refuse"}"#),
            (r#"{"region":"us-east-1"}"#, r#"{"effect":"hang"}"#),
            (dynamodb, r#"{"effect":"reset"}"#),
            (dynamodb, r#"{"effect":"truncate","keep_bytes":3}"#),
            (dynamodb, r#"{"effect":"unprocessed"}"#),
            (
                r#"{"host":"*.example.com:8443","percent":50.0}"#,
                r#"{"effect":"bandwidth","bytes_per_second":1000}"#,
            ),
            (r#"{"host":"api.example.com"}"#, r#"{"effect":"reset"}"#),
            (r#"{"host":"api.example.com"}"#, r#"{"effect":"answer","status":503}"#),
        ] {
            let plan = read(calls, effect).unwrap();
            let expected = format!(r#"[{{"kind":"dependency","calls":{calls},"effect":{effect}}}]"#);
            assert_eq!(serde_json::to_string(&plan).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_certainly_meant_is_refused() {
        let one = r#"{"service":"dynamodb"}"#;
        for (calls, effect, reason) in [
            (
                "{}",
                r#"{"effect":"refuse"}"#,
                "calls need a service, a region or a host",
            ),
            (
                r#"{"host":"api.example.com","region":"eu-west-1"}"#,
                r#"{"effect":"refuse"}"#,
                "no service and no region",
            ),
            (
                r#"{"host":"api.example.com","operations":["GetItem"]}"#,
                r#"{"effect":"refuse"}"#,
                "need a service",
            ),
            (
                r#"{"host":"*"}"#,
                r#"{"effect":"refuse"}"#,
                "`*` is not a host like `api.example.com`",
            ),
            (
                r#"{"host":"api.example.com"}"#,
                r#"{"effect":"truncate","keep_bytes":1}"#,
                "calls to a host can meet",
            ),
            (
                r#"{"host":"api.example.com"}"#,
                r#"{"effect":"bandwidth","bytes_per_second":0}"#,
                "bytes_per_second must be",
            ),
            (
                one,
                r#"{"effect":"bandwidth","bytes_per_second":1}"#,
                "only calls to a host",
            ),
            (
                r#"{"service":"dynamo"}"#,
                r#"{"effect":"refuse"}"#,
                "unknown variant `dynamo`",
            ),
            (
                r#"{"service":"sqs","operation":"x"}"#,
                r#"{"effect":"refuse"}"#,
                "unknown field `operation`",
            ),
            (
                r#"{"region":"eu-west-1","operations":["GetItem"]}"#,
                r#"{"effect":"refuse"}"#,
                "need a service",
            ),
            (r#"{"region":"EU"}"#, r#"{"effect":"refuse"}"#, "region must be like"),
            (
                r#"{"service":"sqs","operations":["Get*"]}"#,
                r#"{"effect":"refuse"}"#,
                "a name like GetItem",
            ),
            (
                r#"{"service":"sqs","resources":[""]}"#,
                r#"{"effect":"refuse"}"#,
                "each a name",
            ),
            (
                r#"{"service":"sts","resources":["a"]}"#,
                r#"{"effect":"refuse"}"#,
                "not about a resource",
            ),
            (
                r#"{"service":"sqs","percent":0}"#,
                r#"{"effect":"refuse"}"#,
                "percent must be",
            ),
            (
                r#"{"service":"sqs","percent":101}"#,
                r#"{"effect":"refuse"}"#,
                "percent must be",
            ),
            (one, r#"{"effect":"refuse","percent":1}"#, "unknown field `percent`"),
            (
                one,
                r#"{"effect":"error","code":"Trottled"}"#,
                "this error is not known",
            ),
            (
                one,
                r#"{"effect":"error","code":"TooManyRequestsException"}"#,
                "this error is not known",
            ),
            (
                one,
                r#"{"effect":"error","code":"A b","status":400}"#,
                "code must be a name",
            ),
            (one, r#"{"effect":"error","code":"X","status":200}"#, "400 to 599"),
            (
                one,
                r#"{"effect":"error","code":"X","status":400,"reason":"Y"}"#,
                "only errors of lambda",
            ),
            (
                r#"{"region":"eu-west-1"}"#,
                r#"{"effect":"error","code":"X","status":400}"#,
                "needs a service",
            ),
            (
                r#"{"service":"s3"}"#,
                r#"{"effect":"error","code":"ThrottlingException"}"#,
                "not known",
            ),
            (one, r#"{"effect":"answer","status":199}"#, "200 to 599"),
            (
                one,
                r#"{"effect":"answer","status":200,"headers":{"Content-Length":"1"}}"#,
                "not yours",
            ),
            (
                one,
                r#"{"effect":"latency","delay":{"distribution":"fixed","ms":900001}}"#,
                "a delay is",
            ),
            (
                r#"{"service":"sqs"}"#,
                r#"{"effect":"unprocessed"}"#,
                "only BatchWriteItem",
            ),
            (
                r#"{"service":"dynamodb","operations":["GetItem"]}"#,
                r#"{"effect":"unprocessed"}"#,
                "only Batch",
            ),
        ] {
            let refused = read(calls, effect).unwrap_err();
            assert!(refused.contains(reason), "{calls} {effect}: {refused}");
        }
    }
}
