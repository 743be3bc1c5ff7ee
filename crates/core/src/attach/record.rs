//! What was there before. Written down before anything is changed, so that taking away can put it back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The layout of [`Record`].
pub const SCHEMA_VERSION: u32 = 1;

/// What `attach` added to one function. What is not in it was there before, or was never added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The layout of this record.
    pub schema_version: u32,
    /// The ARN of the function, without version or alias.
    pub function_arn: String,
    /// Rises by one with every writing, so that of two writers one notices.
    pub version: u64,
    /// When it was last written.
    pub at: Timestamp,
    /// The layer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Added>,
    /// The variables, by name. Only ours.
    #[serde(default)]
    pub variables: BTreeMap<String, Added>,
    /// The ARNs of the roles that got the policy by it. More than one when the function was given another role since.
    #[serde(default)]
    pub roles: BTreeSet<String>,
}

/// One thing that was set, and what was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Added {
    /// What was set.
    pub set: String,
    /// What was there before; absent when nothing was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

impl Record {
    /// The first record of a function, with nothing in it.
    pub fn new(function_arn: &str) -> Record {
        Record {
            schema_version: SCHEMA_VERSION,
            function_arn: function_arn.to_owned(),
            version: 0,
            at: Timestamp::UNIX_EPOCH,
            layer: None,
            variables: BTreeMap::new(),
            roles: BTreeSet::new(),
        }
    }

    /// The record as it is written next.
    #[must_use]
    pub fn next(mut self, at: Timestamp) -> Record {
        self.version = self.version.saturating_add(1);
        self.at = at;
        self
    }
}
