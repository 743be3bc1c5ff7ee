//! The environment of a step. Every name is here; the template sets them, and a test holds the two equal.

/// The name of the table. Required.
pub const TABLE: &str = "INOCULATE_TABLE";
/// The topic for notices. Without it nobody is told.
pub const NOTICES_TOPIC: &str = "INOCULATE_NOTICES_TOPIC_ARN";
/// The level of the logs, as `tracing` filters write it; `info` by default.
pub const LOG: &str = "INOCULATE_LOG";

/// All of them.
pub const ALL: [&str; 3] = [TABLE, NOTICES_TOPIC, LOG];
