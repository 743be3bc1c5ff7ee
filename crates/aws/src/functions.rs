//! Calling a function of Inoculate, as the command does to roll back.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use inoculate_core::error::{Code, Error, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::error::Service;

/// How long an answer may take: longer than the timeout of every function in the template, so that a call that Lambda is
/// still carrying out is not given up. A rollback that is called directly waits for nothing and answers in seconds.
const LONGEST_ANSWER: Duration = Duration::from_secs(130);
/// How long a call may take with all its attempts: one long answer, after attempts that were refused at once.
const LONGEST_CALL: Duration = Duration::from_secs(150);

/// One of the five functions.
#[derive(Debug, Clone)]
pub struct StepFunction {
    client: Client,
    name: String,
    service: Service,
}

/// How a function says that it failed.
///
/// <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-invokeerror>
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_message: String,
}

impl StepFunction {
    pub(crate) fn new(client: Client, name: String, service: Service) -> Self {
        StepFunction { client, name, service }
    }

    /// The name of the function.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The environment variables of the function, as they are configured.
    ///
    /// # Errors
    /// [`Code::StackMissing`] when there is no such function; [`Code::AccessDenied`] also when the variables cannot be read, as
    /// when they are encrypted with a key that may not be used.
    pub async fn environment(&self) -> Result<HashMap<String, String>> {
        let doing = format!("reading the environment of the function {}", self.name);
        let request = self.client.get_function_configuration().function_name(&self.name);
        let answer = request
            .send()
            .await
            .map_err(|error| self.service.error(&doing, error))?;
        let Some(environment) = answer.environment else {
            return Ok(HashMap::new());
        };
        if let Some(error) = environment.error() {
            let (code, text) = (
                error.error_code().unwrap_or_default(),
                error.message().unwrap_or_default(),
            );
            return Err(self
                .service
                .advised(Code::AccessDenied, format!("{doing}: {code}: {text}")));
        }
        Ok(environment.variables.unwrap_or_default())
    }

    /// Calls the function and waits for its answer, at most 150 seconds. Tried again when it cannot be reached or is
    /// throttled, so call only what is idempotent. Whoever drops the future gives up the wait, not the work.
    ///
    /// # Errors
    /// The error of the function itself, when its `errorType` is the name of a [`Code`]; [`Code::Internal`] for any
    /// other failure of the function; [`Code::StackMissing`] when there is no such function.
    pub async fn invoke(&self, input: &Value) -> Result<Value> {
        let doing = format!("calling the function {}", self.name);
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(LONGEST_ANSWER)
            .operation_timeout(LONGEST_CALL)
            .build();
        let request = self
            .client
            .invoke()
            .function_name(&self.name)
            .payload(Blob::new(input.to_string()));
        let request = request
            .customize()
            .config_override(Builder::new().timeout_config(timeouts));
        let answer = request
            .send()
            .await
            .map_err(|error| self.service.error(&doing, error))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        match answer.function_error {
            Some(kind) => Err(failure(&self.name, &kind, &payload)),
            None => {
                parse(&payload).map_err(|error| Error::internal(format!("{doing}: its answer is not JSON: {error}")))
            }
        }
    }
}

fn parse(payload: &[u8]) -> serde_json::Result<Value> {
    if payload.is_empty() {
        Ok(Value::Null)
    } else {
        serde_json::from_slice(payload)
    }
}

/// The error of a function, with the code that it names.
fn failure(function: &str, kind: &str, payload: &[u8]) -> Error {
    let help = format!("the log group /aws/lambda/{function} has more");
    let Ok(failure) = serde_json::from_slice::<Failure>(payload) else {
        let text = String::from_utf8_lossy(payload);
        return Error::internal(format!("the function {function} failed: {kind}: {text}")).help(help);
    };
    let Failure {
        error_type,
        error_message,
    } = failure;
    match Code::ALL.into_iter().find(|code| code.name() == error_type) {
        Some(code) => Error::new(code, error_message),
        None => Error::internal(format!("the function {function} failed: {error_type}: {error_message}")).help(help),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_outlasts_every_function() {
        let template = include_str!("../../../infra/template.yaml");
        let timeouts = template
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Timeout: "));
        let longest = timeouts.map(|secs| secs.parse().unwrap()).max().unwrap();
        assert!(LONGEST_ANSWER > Duration::from_secs(longest), "{longest} seconds");
        assert!(LONGEST_CALL > LONGEST_ANSWER);
    }

    #[test]
    fn a_function_that_fails_with_one_of_our_codes_keeps_it() {
        let payload = json!({ "errorType": "RollbackFailed", "errorMessage": "payments: denied" }).to_string();
        let error = failure("s-rollback", "Unhandled", payload.as_bytes());
        assert_eq!(error, Error::new(Code::RollbackFailed, "payments: denied"));
    }

    #[test]
    fn any_other_failure_is_a_defect_that_names_its_type() {
        for (payload, text) in [
            (
                r#"{"errorType":"Sandbox.Timedout","errorMessage":"timed out"}"#,
                "Sandbox.Timedout: timed out",
            ),
            (r#"{"errorMessage":"timed out"}"#, "timed out"),
            ("<html>", "<html>"),
        ] {
            let error = failure("s-rollback", "Unhandled", payload.as_bytes());
            assert_eq!(error.code, Code::Internal);
            assert!(error.message.contains(text), "{error}");
        }
    }
}
