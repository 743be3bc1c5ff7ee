//! Control-plane settings of a Lambda function that a fault changes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which setting of a function. It says nothing of the value.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "setting", rename_all = "snake_case")]
pub enum Setting {
    /// The reserved concurrency of the function, all versions and aliases together.
    ReservedConcurrency,
    /// The timeout of the unpublished version.
    Timeout,
    /// The memory size of the unpublished version.
    Memory,
    /// Whether the mapping from this event source is enabled.
    EventSource {
        /// The ARN of the queue, stream or topic.
        source: String,
    },
}

/// A value of a [`Setting`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SettingValue {
    /// No concurrency is reserved: the function shares the account's pool.
    Unreserved,
    /// This many concurrent executions are reserved.
    Executions(u32),
    /// A timeout in seconds.
    Seconds(u32),
    /// A memory size in megabytes.
    Megabytes(u32),
    /// An event source mapping: on or off.
    Enabled(bool),
}

/// What was read of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The value that is set.
    pub value: SettingValue,
    /// Whether AWS is still carrying out an update of it. Until that is over it may not be changed again.
    pub updating: bool,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::ReservedConcurrency => f.write_str("reserved concurrency"),
            Setting::Timeout => f.write_str("timeout"),
            Setting::Memory => f.write_str("memory"),
            Setting::EventSource { source } => write!(f, "event source {source}"),
        }
    }
}

impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SettingValue::Unreserved => f.write_str("unreserved"),
            SettingValue::Executions(count) => write!(f, "{count}"),
            SettingValue::Seconds(secs) => write!(f, "{secs}s"),
            SettingValue::Megabytes(megabytes) => write!(f, "{megabytes} MB"),
            SettingValue::Enabled(true) => f.write_str("enabled"),
            SettingValue::Enabled(false) => f.write_str("disabled"),
        }
    }
}
