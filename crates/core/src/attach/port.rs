//! The outside world that attaching needs. `inoculate-aws` has it for real, the tests have it in memory.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::configuration::{Configuration, LayerVersion};
use super::merge::Change;
use super::record::Record;
use crate::error::Result;
use crate::names::{FunctionName, RunId};
pub use crate::permissions::Simulated;

/// What came of an update.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Updated {
    /// Lambda has accepted it; it is not yet carried out.
    Accepted,
    /// The function is of another revision by now. Nothing was changed.
    Stale,
    /// Lambda does not accept this configuration. Nothing was changed.
    Refused {
        /// Why, in the words of Lambda, without the values of variables.
        said: String,
    },
}

/// A function that shares a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleUser {
    /// Its name.
    pub name: String,
    /// Its ARN, without version or alias.
    pub arn: String,
    /// The ARNs of its layer versions.
    pub layers: Vec<String>,
    /// The table that its environment names for the layer.
    pub table: Option<String>,
}

/// What one environment of a function wrote of a run: an item of the layer, as far as it tells that the layer is there.
/// An item of problems has no count of writes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// The environment.
    pub environment: String,
    /// When, in milliseconds since 1970.
    pub written_at_ms: i64,
    /// How often it wrote.
    pub writes: u64,
    /// How many of these are not known to have arrived.
    pub lost_writes: u64,
    /// What it refused or could not do, in words.
    pub problems: Vec<String>,
}

/// Functions, roles and layers as far as attaching needs them, and the records of what was there before.
#[async_trait]
pub trait Attachments: Send + Sync {
    /// A function; `None` when there is none of this name.
    ///
    /// # Errors
    /// [`crate::error::Code::AccessDenied`] also when its variables cannot be read, as when they are encrypted with a
    /// key that may not be used: an update would wipe them out.
    async fn read(&self, function: &FunctionName) -> Result<Option<Configuration>>;

    /// Changes a function of exactly this revision. What the change leaves out stays as it is.
    ///
    /// # Errors
    /// [`crate::error::Code::TargetBusy`] while an earlier update is under way.
    async fn update(&self, function: &FunctionName, revision: &str, change: &Change) -> Result<Updated>;

    /// The versions of a layer, newest first; empty when there is none of this name.
    async fn layer_versions(&self, layer: &str) -> Result<Vec<LayerVersion>>;

    /// The ARNs of the managed policies of a role, by the ARN of the role.
    ///
    /// # Errors
    /// [`crate::error::Code::TargetNotFound`] when there is no such role.
    async fn role_policies(&self, role: &str) -> Result<Vec<String>>;

    /// Attaches a managed policy to a role. Idempotent.
    ///
    /// # Errors
    /// [`crate::error::Code::StackMissing`] when there is no such policy or role.
    async fn attach_policy(&self, role: &str, policy: &str) -> Result<()>;

    /// Detaches a managed policy from a role. Idempotent, also when the role is gone.
    async fn detach_policy(&self, role: &str, policy: &str) -> Result<()>;

    /// What IAM says of a role: whether it may do all of these with a resource.
    async fn may(&self, role: &str, actions: &[&str], resource: &str) -> Result<Simulated>;

    /// The functions of this account and region that have a role.
    async fn functions_with_role(&self, role: &str) -> Result<Vec<RoleUser>>;

    /// What attaching recorded of a function. Read consistently.
    async fn record(&self, function_arn: &str) -> Result<Option<Record>>;

    /// Writes a record, if the one that is there has the version before; the first has version 1.
    ///
    /// # Errors
    /// [`crate::error::Code::Conflict`] when somebody else wrote it in between.
    async fn save_record(&self, record: &Record) -> Result<()>;

    /// Deletes a record of this version. One that is gone already is deleted.
    ///
    /// # Errors
    /// [`crate::error::Code::Conflict`] when somebody else wrote it in between.
    async fn delete_record(&self, record: &Record) -> Result<()>;

    /// What the environments of a function wrote of a run, in no order.
    async fn traces(&self, run: &RunId, function: &FunctionName) -> Result<Vec<Trace>>;
}
