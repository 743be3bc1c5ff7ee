//! What a command needs of AWS.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::tls;
use inoculate_aws::Aws;
use inoculate_aws::functions::StepFunction;
use inoculate_core::error::{Error, Result};
use inoculate_core::names::RunId;
use inoculate_core::ports::{Executions, Ports};
use inoculate_core::run::Ending;
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
}

/// The function that rolls back. Anyone may call it at any time, as often as they like.
#[async_trait]
pub trait RollbackFunction: Send + Sync {
    /// Rolls a run back as far as one call gets. A run that is not ending yet ends with `ending`.
    async fn call(&self, run_id: &RunId, ending: &Ending) -> Result<RollbackAnswer>;
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

/// How long a connection may take to open.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one attempt of a call may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long a call may take with all its attempts.
const OPERATION: Duration = Duration::from_secs(25);

impl Connection {
    /// Connects to the stack that the options name, with the usual configuration of AWS for what they leave open.
    ///
    /// # Errors
    /// [`inoculate_core::error::Code::NoCredentials`] when there are none or no region is set, and whatever else AWS
    /// answers when it is asked whose credentials they are. Whether the stack is there shows at the first use.
    pub async fn open(global: &Global) -> Result<Connection> {
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let http = aws_smithy_http_client::Builder::new().tls_provider(ring).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION);
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http.clone())
            .timeout_config(timeouts.build());
        if let Some(region) = &global.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &global.profile {
            loader = loader.profile_name(profile);
        }
        let mut config = loader.load().await;
        if let Some(profile) = &global.profile {
            let client = ProviderConfig::without_region().with_http_client(http);
            config = with_credentials_of(profile, config, client);
        }
        let stack = Aws::with(config)?.stack(&global.stack).await;
        let stack = stack.map_err(|error| match &global.profile {
            Some(profile) => error.context(format!("profile `{profile}`")),
            None => error,
        })?;
        Ok(Connection {
            ports: stack.ports,
            executions: stack.executions,
            rollback: Arc::new(LambdaRollback(stack.rollback)),
        })
    }
}

/// A profile that is asked for wins over credentials in the environment, as with the AWS CLI. The default chain would
/// take those of the environment, and reach another account than the one that was named.
fn with_credentials_of(profile: &str, config: SdkConfig, client: ProviderConfig) -> SdkConfig {
    let client = client.with_region(config.region().cloned());
    let credentials = ProfileFileCredentialsProvider::builder().configure(&client);
    let credentials = SharedCredentialsProvider::new(credentials.profile_name(profile).build());
    config.into_builder().credentials_provider(credentials).build()
}

/// The rollback function of a deployed stack.
struct LambdaRollback(StepFunction);

#[async_trait]
impl RollbackFunction for LambdaRollback {
    async fn call(&self, run_id: &RunId, ending: &Ending) -> Result<RollbackAnswer> {
        let answer = self.0.invoke(&json!({ "run_id": run_id, "ending": ending })).await?;
        serde_json::from_value(answer)
            .map_err(|error| Error::internal(format!("the answer of {} cannot be read: {error}", self.0.name())))
    }
}
