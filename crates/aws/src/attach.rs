//! Functions, layers and roles as far as the layer is added to functions and taken away again. One file per service.
//!
//! The values of environment variables are secrets of others. They go from Lambda to Lambda and nowhere else: not into
//! an error, not into the table.

mod functions;
mod records;
mod roles;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use inoculate_core::attach::configuration::{Configuration, LayerVersion};
use inoculate_core::attach::merge::Change;
use inoculate_core::attach::port::{Attachments, RoleUser, Simulated, Trace, Updated};
use inoculate_core::attach::record::Record;
use inoculate_core::error::Result;
use inoculate_core::names::{FunctionName, RunId};

use crate::error::Service;
use crate::table::Table;

/// Lambda, IAM and the table.
#[derive(Debug, Clone)]
pub(crate) struct AwsAttachments {
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) table: Table,
    /// Explains errors of Lambda.
    pub(crate) targets: Service,
    /// Explains errors of IAM.
    pub(crate) roles: Service,
}

#[async_trait]
impl Attachments for AwsAttachments {
    async fn read(&self, function: &FunctionName) -> Result<Option<Configuration>> {
        self.configuration(function).await
    }

    async fn update(&self, function: &FunctionName, revision: &str, change: &Change) -> Result<Updated> {
        self.change(function, revision, change).await
    }

    async fn layer_versions(&self, layer: &str) -> Result<Vec<LayerVersion>> {
        self.versions(layer).await
    }

    async fn role_policies(&self, role: &str) -> Result<Vec<String>> {
        self.policies(role).await
    }

    async fn attach_policy(&self, role: &str, policy: &str) -> Result<()> {
        self.give(role, policy).await
    }

    async fn detach_policy(&self, role: &str, policy: &str) -> Result<()> {
        self.take(role, policy).await
    }

    async fn may(&self, role: &str, actions: &[&str], resource: &str) -> Result<Simulated> {
        self.simulate(role, actions, resource).await
    }

    async fn functions_with_role(&self, role: &str) -> Result<Vec<RoleUser>> {
        self.users(role).await
    }

    async fn record(&self, function_arn: &str) -> Result<Option<Record>> {
        self.load(function_arn).await
    }

    async fn save_record(&self, record: &Record) -> Result<()> {
        self.save(record).await
    }

    async fn delete_record(&self, record: &Record) -> Result<()> {
        self.delete(record).await
    }

    async fn traces(&self, run: &RunId, function: &FunctionName) -> Result<Vec<Trace>> {
        self.heard(run, function).await
    }
}
