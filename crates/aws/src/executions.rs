//! Executions of the state machine.

use async_trait::async_trait;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::ExecutionStatus;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::MAX_EXPERIMENT_BYTES;
use inoculate_core::names::RunId;
use inoculate_core::ports::{ExecutionState, ExecutionStates, Executions};

use crate::error::Service;

/// The error name of an execution that somebody stopped.
const STOPPED: &str = "Aborted";
/// The most characters of the cause of a stop.
///
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html>
const LONGEST_CAUSE: usize = 32_768;

/// Executions of one state machine.
#[derive(Debug, Clone)]
pub(crate) struct StepFunctionsExecutions {
    client: Client,
    state_machine_arn: String,
    service: Service,
}

impl StepFunctionsExecutions {
    pub(crate) fn new(client: Client, state_machine_arn: String, service: Service) -> Self {
        StepFunctionsExecutions {
            client,
            state_machine_arn,
            service,
        }
    }

    /// Whether the execution of this name is this very one. Step Functions answers a replay itself; the emulator does
    /// not. An execution that is over does not count: its old verdict must not pass for a new one.
    async fn is_running_with(&self, run_id: &RunId, input: &str) -> Result<bool> {
        let request = self
            .client
            .describe_execution()
            .execution_arn(self.execution_arn(run_id));
        let found = request.send().await;
        let found = found.map_err(|error| self.service.error(reading(run_id), error))?;
        Ok(is_running(&found.status) && found.input.is_some_and(|found| found == input))
    }

    fn execution_arn(&self, run_id: &RunId) -> String {
        let prefix = self.state_machine_arn.replacen(":stateMachine:", ":execution:", 1);
        format!("{prefix}:{run_id}")
    }
}

#[async_trait]
impl Executions for StepFunctionsExecutions {
    async fn start(&self, run_id: &RunId, input: &serde_json::Value) -> Result<String> {
        let input = input.to_string();
        if input.len() > MAX_EXPERIMENT_BYTES {
            let message = format!("the input of run {run_id} is {} bytes of JSON", input.len());
            let help = format!("Step Functions takes {MAX_EXPERIMENT_BYTES}; save the experiment and start it by name");
            return Err(Error::new(Code::InvalidExperiment, message).help(help));
        }
        let request = self.client.start_execution().state_machine_arn(&self.state_machine_arn);
        match request.name(run_id.as_str()).input(&input).send().await {
            Ok(answer) => Ok(answer.execution_arn),
            Err(error) if exists(&error) && self.is_running_with(run_id, &input).await? => {
                Ok(self.execution_arn(run_id))
            }
            Err(error) => {
                let doing = format_args!("starting run {run_id} of {}", self.state_machine_arn);
                Err(self.service.error(doing, error))
            }
        }
    }

    async fn state(&self, run_id: &RunId) -> Result<Option<ExecutionState>> {
        let arn = self.execution_arn(run_id);
        describe(&self.client, &self.service, &arn, &reading(run_id)).await
    }

    async fn stop(&self, run_id: &RunId, cause: &str) -> Result<()> {
        let cause: String = cause.chars().take(LONGEST_CAUSE).collect();
        let request = self.client.stop_execution().execution_arn(self.execution_arn(run_id));
        let answer = request.error(STOPPED).cause(cause).send().await;
        answer.map_err(|error| self.service.error(format_args!("stopping run {run_id}"), error))?;
        Ok(())
    }
}

/// Executions of any state machine, by their ARNs.
#[derive(Debug, Clone)]
pub(crate) struct ExecutionsByArn {
    client: Client,
    service: Service,
}

impl ExecutionsByArn {
    pub(crate) fn new(client: Client, service: Service) -> Self {
        ExecutionsByArn { client, service }
    }
}

#[async_trait]
impl ExecutionStates for ExecutionsByArn {
    async fn state_of(&self, execution_arn: &str) -> Result<Option<ExecutionState>> {
        let doing = format!("reading the execution {execution_arn}");
        describe(&self.client, &self.service, execution_arn, &doing).await
    }
}

/// How an execution stands; `None` when there is none.
async fn describe(client: &Client, service: &Service, arn: &str, doing: &str) -> Result<Option<ExecutionState>> {
    let found = match client.describe_execution().execution_arn(arn).send().await {
        Ok(found) => found,
        Err(error) if error.code() == Some("ExecutionDoesNotExist") => return Ok(None),
        Err(error) => return Err(service.error(doing, error)),
    };
    let status = &found.status;
    Ok(Some(ExecutionState {
        running: is_running(status),
        status: status.as_str().to_owned(),
        arn: found.execution_arn,
        error: found.error,
        cause: found.cause,
    }))
}

fn reading(run_id: &RunId) -> String {
    format!("reading the execution of run {run_id}")
}

fn exists(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some("ExecutionAlreadyExists")
}

fn is_running(status: &ExecutionStatus) -> bool {
    matches!(status, ExecutionStatus::Running | ExecutionStatus::PendingRedrive)
}
