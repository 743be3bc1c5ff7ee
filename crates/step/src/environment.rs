//! The environment of a step. Every name is here; the template sets them, and a test holds the two equal.

/// The name of the table. Required.
pub const TABLE: &str = "INOCULATE_TABLE";
/// The topic for notices. Without it no person is told.
pub const NOTICES_TOPIC: &str = "INOCULATE_NOTICES_TOPIC_ARN";
/// The name of the event bus for notices. Without it no program is told.
pub const EVENT_BUS: &str = "INOCULATE_EVENT_BUS";
/// The topic that alarms end runs through. Without it a run that is to make alarms of its own fails before its faults.
pub const ABORT_TOPIC: &str = "INOCULATE_ABORT_TOPIC_ARN";
/// The level of the logs, as `tracing` filters write it; `info` by default.
pub const LOG: &str = "INOCULATE_LOG";

/// All of them.
pub const ALL: [&str; 5] = [TABLE, NOTICES_TOPIC, EVENT_BUS, ABORT_TOPIC, LOG];

/// Those of the baseline step beside: what the deployment says of every run.
pub use inoculate_core::deployment::variable as deployment;
