//! From `main` to a handler: the start of every step, written once.

use std::future::Future;

use inoculate_aws::connect::{self, Names};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::ports::Ports;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Step, environment};

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

/// Runs a step as a Lambda function: reads the environment once, connects once, then handles events until the
/// environment is shut down.
///
/// # Errors
/// When the environment is not complete, or the Runtime API cannot be reached.
pub async fn serve<Input, Output, Handler, Handling>(handler: Handler) -> Result<(), StartError>
where
    Input: DeserializeOwned,
    Output: Serialize,
    Handler: Fn(Step, Input) -> Handling,
    Handling: Future<Output = Result<Output>>,
{
    serve_on(async |names: Names| connect::ports(&names).await, handler).await
}

/// The same for the step that asks how executions stand.
///
/// # Errors
/// As [`serve`].
pub async fn serve_with_executions<Input, Output, Handler, Handling>(handler: Handler) -> Result<(), StartError>
where
    Input: DeserializeOwned,
    Output: Serialize,
    Handler: Fn(Step, Input) -> Handling,
    Handling: Future<Output = Result<Output>>,
{
    serve_on(
        async |names: Names| connect::ports_with_executions(&names).await,
        handler,
    )
    .await
}

async fn serve_on<Input, Output, Handler, Handling>(
    connect: impl AsyncFnOnce(Names) -> Result<Ports>,
    handler: Handler,
) -> Result<(), StartError>
where
    Input: DeserializeOwned,
    Output: Serialize,
    Handler: Fn(Step, Input) -> Handling,
    Handling: Future<Output = Result<Output>>,
{
    start_logs();
    let table = std::env::var(environment::TABLE)
        .map_err(|_| StartError(format!("the environment variable {} is not set", environment::TABLE)))?;
    let notices_topic_arn = std::env::var(environment::NOTICES_TOPIC)
        .ok()
        .filter(|arn| !arn.is_empty());
    let names = Names {
        table,
        notices_topic_arn,
    };
    let ports = connect(names).await.map_err(|error| StartError(error.to_string()))?;
    let handler = &handler;
    let service = service_fn(|event: LambdaEvent<Value>| {
        let step = Step {
            ports: ports.clone(),
            attempt: event.context.request_id.clone(),
        };
        async move { handle(handler, step, event.payload).await.map_err(StepError) }
    });
    lambda_runtime::run(service)
        .await
        .map_err(|error| StartError(error.to_string()))
}

async fn handle<Input, Output, Handler, Handling>(handler: &Handler, step: Step, payload: Value) -> Result<Value>
where
    Input: DeserializeOwned,
    Output: Serialize,
    Handler: Fn(Step, Input) -> Handling,
    Handling: Future<Output = Result<Output>>,
{
    let run_id = payload.get("run_id").and_then(Value::as_str).unwrap_or("-").to_owned();
    let outcome = async {
        let input = serde_json::from_value(payload)
            .map_err(|error| Error::new(Code::Internal, format!("the input of the step cannot be read: {error}")))?;
        let output = handler(step, input).await?;
        serde_json::to_value(output).map_err(|error| Error::internal(format!("the output cannot be written: {error}")))
    };
    let outcome = outcome.await;
    match &outcome {
        Ok(output) => tracing::info!(
            run_id,
            next = output.get("next").and_then(|next| next.as_str()),
            "step done"
        ),
        Err(error) => tracing::error!(run_id, code = error.code.name(), %error, "step failed"),
    }
    outcome
}

fn start_logs() {
    let filter = tracing_subscriber::EnvFilter::try_from_env(environment::LOG)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_env_filter(filter)
        .init();
}
