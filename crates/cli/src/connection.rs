//! What a command needs of AWS.

use std::sync::Arc;

use async_trait::async_trait;
use inoculate_aws::functions::StepFunction;
use inoculate_aws::{Aws, Options};
use inoculate_core::attach::port::Attachments;
use inoculate_core::deployment::Deployment;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::names::RunId;
use inoculate_core::ports::{Executions, Ports};
use inoculate_core::run::Ending;
use inoculate_core::schedule::Schedules;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::args::Global;

/// What a command needs of AWS.
#[derive(Clone)]
pub struct Connection {
    /// The table, the targets, the metrics and the clock.
    pub ports: Ports,
    /// The executions of the state machine.
    pub executions: Arc<dyn Executions>,
    /// The function that rolls back.
    pub rollback: Arc<dyn RollbackFunction>,
    /// The function that opens runs, as far as it says what the deployment allows.
    pub baseline: Arc<dyn BaselineFunction>,
    /// The schedules that start runs.
    pub schedules: Arc<dyn Schedules>,
    /// Functions, layers and roles, for adding the layer and taking it away.
    pub attachments: Arc<dyn Attachments>,
}

/// The function that rolls back. Anyone may call it at any time, as often as they like.
#[async_trait]
pub trait RollbackFunction: Send + Sync {
    /// Rolls a run back as far as one call gets. A run that is not ending yet ends with `ending`.
    async fn call(&self, run_id: &RunId, ending: &Ending) -> Result<RollbackAnswer>;

    /// The same for a run whose execution is over: nobody else will close its record, so this does.
    async fn close(&self, run_id: &RunId, ending: &Ending) -> Result<RollbackAnswer>;
}

/// The function that opens runs. It is not called, only asked how it is configured.
#[async_trait]
pub trait BaselineFunction: Send + Sync {
    /// What the deployment says of every run.
    ///
    /// # Errors
    /// When its configuration cannot be read, or has not what it should: then nothing is known of the caps.
    async fn deployment(&self) -> Result<Deployment>;
}

/// What the rollback function is called with.
pub(crate) fn rollback_event(run_id: &RunId, ending: &Ending, execution_over: bool) -> serde_json::Value {
    json!({ "run_id": run_id, "ending": ending, "execution_over": execution_over })
}

/// What the rollback function says.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RollbackAnswer {
    /// Whether nothing of the run is left in any target.
    pub settled: bool,
    /// How the run stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What is still to be put back.
    #[serde(default)]
    pub pending: Vec<String>,
    /// Why it is not settled, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Connection {
    /// Connects to the stack that the options name, with the usual configuration of AWS for what they leave open.
    ///
    /// # Errors
    /// [`inoculate_core::error::Code::NoCredentials`] when there are none or no region is set, and whatever else AWS
    /// answers when it is asked whose credentials they are. Whether the stack is there shows at the first use.
    pub async fn open(global: &Global) -> Result<Connection> {
        let options = Options {
            region: global.region.clone(),
            profile: global.profile.clone(),
        };
        let aws = Aws::load(&options).await?;
        let attachments = aws.attachments(&global.stack);
        let stack = aws.stack(&global.stack).await;
        let stack = stack.map_err(|error| match &global.profile {
            Some(profile) => error.context(format!("profile `{profile}`")),
            None => error,
        })?;
        Ok(Connection {
            ports: stack.ports,
            executions: stack.executions,
            schedules: stack.schedules,
            rollback: Arc::new(LambdaRollback(stack.rollback)),
            baseline: Arc::new(LambdaBaseline(stack.baseline)),
            attachments,
        })
    }
}

/// The rollback function of a deployed stack.
struct LambdaRollback(StepFunction);

#[async_trait]
impl RollbackFunction for LambdaRollback {
    async fn call(&self, run_id: &RunId, ending: &Ending) -> Result<RollbackAnswer> {
        self.invoke(&rollback_event(run_id, ending, false)).await
    }

    async fn close(&self, run_id: &RunId, ending: &Ending) -> Result<RollbackAnswer> {
        self.invoke(&rollback_event(run_id, ending, true)).await
    }
}

/// The baseline function of a deployed stack.
struct LambdaBaseline(StepFunction);

#[async_trait]
impl BaselineFunction for LambdaBaseline {
    async fn deployment(&self) -> Result<Deployment> {
        let variables = self.0.environment().await?;
        Deployment::read(|name| variables.get(name).cloned()).map_err(|reason| {
            let message = format!(
                "the function {} is not configured as this command knows it: {reason}",
                self.0.name()
            );
            Error::new(Code::StackMissing, message).help("is the stack of the same version as this command?")
        })
    }
}

impl LambdaRollback {
    async fn invoke(&self, event: &serde_json::Value) -> Result<RollbackAnswer> {
        let answer = self.0.invoke(event).await?;
        serde_json::from_value(answer)
            .map_err(|error| Error::internal(format!("the answer of {} cannot be read: {error}", self.0.name())))
    }
}
