//! What comes of the calls that an invocation makes.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::fault::{Distribution, varied};
use crate::fault::{CallEffect, Calls};
use crate::span::Millis;

/// What comes of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DependencyEffect {
    /// The service answers with one of its errors, in its own form, so that the SDK sees its typed error and retries as it
    /// does. The service itself does not see the call.
    Error {
        /// The code, like `ProvisionedThroughputExceededException`.
        #[schemars(length(min = 1, max = 128))]
        code: String,
        /// The message.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schemars(length(max = 1000))]
        message: String,
        /// The HTTP status, for a code that Inoculate does not know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(range(min = 400, max = 599))]
        status: Option<u16>,
        /// Why Lambda throttles, like `ReservedFunctionConcurrentInvocationLimitExceeded`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(length(min = 1, max = 128))]
        reason: Option<String>,
    },
    /// The service answers with this, without seeing the call. Of calls to a host only those without TLS: nobody else can
    /// answer one that is encrypted.
    Response {
        /// The HTTP status.
        #[schemars(range(min = 200, max = 599))]
        status: u16,
        /// The HTTP headers.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        headers: BTreeMap<String, String>,
        /// The body.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        #[schemars(length(max = 10_000))]
        body: String,
    },
    /// The call takes longer, and is made after that.
    Latency {
        /// How much longer: at most 15m.
        delay: Millis,
        /// How far the delay varies: at most as much as the delay itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        jitter: Option<Millis>,
        /// How it varies: `uniform` is any delay from `delay - jitter` to `delay + jitter`, `normal` has the standard
        /// deviation `jitter`.
        #[serde(default)]
        distribution: Distribution,
    },
    /// The connection is reset before there is an answer. The service does not see the call.
    Refuse {},
    /// The service does what it is asked for, and the connection is reset in the middle of its answer.
    Reset {},
    /// There is no answer until the caller gives up. The service does not see the call.
    Hang {},
    /// The service does what it is asked for, and its answer ends too early.
    Truncation {
        /// How many bytes of its body arrive.
        #[schemars(range(min = 0, max = 10_000_000))]
        keep_bytes: u32,
    },
    /// DynamoDB does the first half of a batch, and says that the rest is unprocessed. A batch of one item is done. Only
    /// for `BatchWriteItem` and `BatchGetItem`.
    Unprocessed {},
    /// What is sent and what comes back is slow. Only for calls to a host.
    Bandwidth {
        /// How many bytes a second, in each direction and on each connection.
        #[schemars(range(min = 1, max = 1_000_000_000))]
        bytes_per_second: u32,
    },
}

impl DependencyEffect {
    /// What a lease says of it to the layer.
    pub(super) fn for_lease(&self) -> CallEffect {
        match self.clone() {
            DependencyEffect::Error {
                code,
                message,
                status,
                reason,
            } => CallEffect::Error {
                code,
                message,
                status,
                reason,
            },
            DependencyEffect::Response { status, headers, body } => CallEffect::Answer { status, headers, body },
            DependencyEffect::Latency {
                delay,
                jitter,
                distribution,
            } => CallEffect::Latency {
                delay: varied(delay, jitter, distribution),
            },
            DependencyEffect::Refuse {} => CallEffect::Refuse {},
            DependencyEffect::Reset {} => CallEffect::Reset {},
            DependencyEffect::Hang {} => CallEffect::Hang {},
            DependencyEffect::Truncation { keep_bytes } => CallEffect::Truncate {
                keep_bytes: u64::from(keep_bytes),
            },
            DependencyEffect::Unprocessed {} => CallEffect::Unprocessed {},
            DependencyEffect::Bandwidth { bytes_per_second } => CallEffect::Bandwidth {
                bytes_per_second: u64::from(bytes_per_second),
            },
        }
    }

    /// What happens to these calls, in words.
    pub(super) fn describe(&self, calls: &Calls) -> String {
        let calls = words(calls);
        match self {
            DependencyEffect::Error { code, .. } => format!("{calls} fail with {code}"),
            DependencyEffect::Response { status, .. } => format!("{calls} are answered with HTTP status {status}"),
            DependencyEffect::Latency {
                delay, jitter: None, ..
            } => format!("{calls} take {delay} longer"),
            DependencyEffect::Latency {
                delay,
                jitter: Some(jitter),
                ..
            } => format!("{calls} take {delay} longer, give or take {jitter}"),
            DependencyEffect::Refuse {} => format!("{calls} find nobody"),
            DependencyEffect::Reset {} => format!("{calls} break off in the middle of their answers"),
            DependencyEffect::Hang {} => format!("{calls} get no answer"),
            DependencyEffect::Truncation { keep_bytes } => format!("{calls} get answers of at most {keep_bytes} bytes"),
            DependencyEffect::Unprocessed {} => format!("{calls} have half of their batches done"),
            DependencyEffect::Bandwidth { bytes_per_second } => {
                format!("{calls} go at {bytes_per_second} bytes a second")
            }
        }
    }
}

/// Which calls, in words: `calls to dynamodb (GetItem; orders) in eu-west-1`.
fn words(calls: &Calls) -> String {
    let mut words = String::new();
    if calls.percent < 100.0 {
        words = format!("{} percent of the ", calls.percent);
    }
    words.push_str("calls");
    if let Some(service) = calls.service {
        words.push_str(&format!(" to {}", service.name()));
    }
    if let Some(host) = &calls.host {
        words.push_str(&format!(" to {host}"));
    }
    let which = [calls.operations.join(", "), calls.resources.join(", ")];
    let which: Vec<String> = which.into_iter().filter(|text| !text.is_empty()).collect();
    if !which.is_empty() {
        words.push_str(&format!(" ({})", which.join("; ")));
    }
    if let Some(region) = &calls.region {
        words.push_str(&format!(" in {region}"));
    }
    words
}

#[cfg(test)]
mod tests {
    use crate::experiment::Fault;

    fn read(calls: &str, effect: &str) -> Fault {
        let json = format!(r#"{{"kind":"dependency","function":"shop","calls":{calls},"effect":{effect}}}"#);
        let fault: Fault = serde_json::from_str(&json).unwrap();
        assert_eq!(
            serde_json::from_str::<Fault>(&serde_json::to_string(&fault).unwrap()).unwrap(),
            fault
        );
        fault
    }

    #[test]
    fn a_fault_says_the_same_to_people_and_to_the_layer() {
        let all = r#"{"service":"dynamodb","operations":["GetItem","Query"],"resources":["orders"],"region":"eu-west-1","percent":50}"#;
        for (calls, effect, words, said) in [
            (
                all,
                r#"{"kind":"error","code":"RequestLimitExceeded"}"#,
                "in invocations of shop, 50 percent of the calls to dynamodb (GetItem, Query; orders) in eu-west-1 fail with RequestLimitExceeded",
                r#"{"effect":"error","code":"RequestLimitExceeded"}"#,
            ),
            (
                r#"{"region":"us-east-1"}"#,
                r#"{"kind":"refuse"}"#,
                "in invocations of shop, calls in us-east-1 find nobody",
                r#"{"effect":"refuse"}"#,
            ),
            (
                r#"{"service":"s3"}"#,
                r#"{"kind":"latency","delay":"2s","jitter":"500ms"}"#,
                "in invocations of shop, calls to s3 take 2s longer, give or take 500ms",
                r#"{"effect":"latency","delay":{"distribution":"uniform","min_ms":1500,"max_ms":2500}}"#,
            ),
            (
                r#"{"service":"sqs"}"#,
                r#"{"kind":"response","status":503}"#,
                "in invocations of shop, calls to sqs are answered with HTTP status 503",
                r#"{"effect":"answer","status":503}"#,
            ),
            (
                r#"{"service":"dynamodb"}"#,
                r#"{"kind":"unprocessed"}"#,
                "in invocations of shop, calls to dynamodb have half of their batches done",
                r#"{"effect":"unprocessed"}"#,
            ),
            (
                r#"{"host":"*.example.com:8443","percent":50}"#,
                r#"{"kind":"bandwidth","bytes_per_second":1000}"#,
                "in invocations of shop, 50 percent of the calls to *.example.com:8443 go at 1000 bytes a second",
                r#"{"effect":"bandwidth","bytes_per_second":1000}"#,
            ),
        ] {
            let fault = read(calls, effect);
            assert_eq!(fault.describe(), words);
            let lease = serde_json::to_value(fault.for_lease().unwrap().unwrap()).unwrap();
            assert_eq!(
                lease["fault"]["effect"],
                serde_json::from_str::<serde_json::Value>(said).unwrap()
            );
            assert_eq!(lease["fault"]["kind"], "dependency");
        }
    }
}
