//! From `main` to a handler: the start of every step, written once.

use std::future::Future;
use std::process::ExitCode;

use inoculate_aws::connect::{Aws, Names, Options};
use inoculate_core::deployment::Deployment;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::ports::Ports;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::Instrument;

use crate::{Step, environment, log};

/// Why a step could not be started.
#[derive(Debug)]
pub struct StartError(String);

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StartError {}

/// An error of a step, as the Lambda runtime reports it: the code is the error name that the state machine matches.
struct StepError(Error);

impl std::fmt::Debug for StepError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(&self.0, f)
    }
}

impl From<StepError> for Diagnostic {
    fn from(StepError(error): StepError) -> Diagnostic {
        Diagnostic {
            error_type: error.code.name().to_owned(),
            error_message: error.to_string(),
        }
    }
}

/// What the deployment says of every run, from the environment.
///
/// # Errors
/// When a variable is missing or cannot be understood: without its caps, the step does not start.
pub fn deployment() -> Result<Deployment, StartError> {
    Deployment::read(|variable| std::env::var(variable).ok()).map_err(StartError)
}

/// Runs a program whose outcome this is. Why it could not start is a line of the log like any other.
pub async fn run(program: impl Future<Output = Result<(), StartError>>) -> ExitCode {
    log::start();
    match program.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the step cannot start");
            ExitCode::FAILURE
        }
    }
}

/// Serves a step as a Lambda function, on the ports that it needs: reads the environment once, connects once, then handles
/// events until the environment is shut down.
///
/// # Errors
/// When the environment is not complete, or the Runtime API cannot be reached.
pub async fn serve<Input, Output, Handler, Handling>(
    ports: fn(&Aws, &Names) -> Ports,
    handler: Handler,
) -> Result<(), StartError>
where
    Input: DeserializeOwned,
    Output: Serialize,
    Handler: Fn(Step, Input) -> Handling,
    Handling: Future<Output = Result<Output>>,
{
    let table = std::env::var(environment::TABLE)
        .map_err(|_| StartError(format!("the environment variable {} is not set", environment::TABLE)))?;
    let set = |variable| std::env::var(variable).ok().filter(|value| !value.is_empty());
    let names = Names {
        table,
        notices_topic_arn: set(environment::NOTICES_TOPIC),
        event_bus: set(environment::EVENT_BUS),
        abort_topic_arn: set(environment::ABORT_TOPIC),
    };
    let aws = Aws::load(&Options::default()).await;
    let ports = ports(&aws.map_err(|error| StartError(error.to_string()))?, &names);
    let handler = &handler;
    let service = service_fn(|event: LambdaEvent<Value>| {
        let step = Step {
            ports: ports.clone(),
            attempt: event.context.request_id.clone(),
        };
        async move {
            handle(|input| handler(step, input), event.payload)
                .await
                .map_err(StepError)
        }
    });
    lambda_runtime::run(service)
        .await
        .map_err(|error| StartError(error.to_string()))
}

async fn handle<Input, Output, Handling>(handler: impl FnOnce(Input) -> Handling, payload: Value) -> Result<Value>
where
    Input: DeserializeOwned,
    Output: Serialize,
    Handling: Future<Output = Result<Output>>,
{
    // A handler never sees one that is no name of a run, but the line about it is written all the same.
    let run_id = payload.get("run_id").and_then(Value::as_str).unwrap_or("-").to_owned();
    let outcome = async {
        let input = serde_json::from_value(payload)
            .map_err(|error| Error::new(Code::Internal, format!("the input of the step cannot be read: {error}")))?;
        let output = handler(input).await?;
        serde_json::to_value(output).map_err(|error| Error::internal(format!("the output cannot be written: {error}")))
    };
    let about = log::about(&run_id);
    let outcome = outcome.instrument(about.clone()).await;
    about.in_scope(|| match &outcome {
        Ok(output) => tracing::info!(next = output.get("next").and_then(|next| next.as_str()), "step done"),
        Err(error) => tracing::error!(code = error.code.name(), %error, "step failed"),
    });
    outcome
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;
    use crate::log::tests::Written;

    /// A handler never sees such a run id, but the line about it is written before anything is checked.
    #[test]
    fn words_of_others_cannot_forge_a_line_or_a_field() {
        let hostile = [
            "r\n{\"level\":\"ERROR\",\"message\":\"rollback_failed\"}",
            "r\",\"message\":\"rollback_failed\",\"x\":\"",
            "r\r\u{85}\u{2028}\u{1b}[2J\u{0}\\",
            "rollback_failed",
        ];
        for words in hostile {
            let text = Written::during(Level::INFO, || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let refuse = |_: Value| async { Err::<Value, _>(Error::new(Code::Internal, words)) };
                let payload = serde_json::json!({ "run_id": words });
                runtime.block_on(handle(refuse, payload)).unwrap_err();
            });
            assert_eq!(text.lines().count(), 1, "{text}");
            let line: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(
                (&line["message"], &line["level"]),
                (&"step failed".into(), &"ERROR".into()),
                "{text}"
            );
            assert_eq!(
                (&line["run_id"], &line["code"]),
                (&words.into(), &"Internal".into()),
                "{text}"
            );
            let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
            let known = ["timestamp", "level", "message", "run_id", "code", "error", "target"];
            assert!(fields.iter().all(|field| known.contains(&field.as_str())), "{text}");
        }
    }
}
