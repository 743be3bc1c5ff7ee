//! The ports of `inoculate-core` on AWS.
//!
//! [`connect`] is where everything starts: it loads the configuration once and hands out the
//! [`Ports`](inoculate_core::ports::Ports). One file per concern:
//!
//! | look in | for |
//! |---|---|
//! | [`connect`] | start-up of the five functions and of the command: configuration, timeouts, names |
//! | [`keys`] | every key, index and attribute name of the table, and nothing else knows one |
//! | `table` | items in and out of DynamoDB |
//! | `runs`, `leases`, `library` | the records of runs, the leases, saved experiments and the kill switch |
//! | `sketches` | what the layers wrote |
//! | `targets` | Lambda functions and their settings |
//! | `metrics`, `alarms` | CloudWatch |
//! | `notices`, `events` | people and programs that want to know: SNS and EventBridge |
//! | `telemetry` | the metrics about runs: lines that CloudWatch reads in the log |
//! | `executions`, [`functions`] | the state machine, and calling one of our own functions |
//! | `permissions` (a feature) | what IAM says that roles may do |
//! | `schedules` (a feature) | schedules of EventBridge Scheduler, for `inoculate schedule` |
//! | `attach` (a feature) | functions, layers and roles, for `inoculate attach` and `detach` |
//! | [`clock`] | the only place that reads the time |
//! | `error` | from any error of the SDK to one of ours |
//!
//! Nothing here waits for the world to change: an adapter says how it is (`updating`, `TargetBusy`), and the state
//! machine decides when to look again.

mod alarms;
#[cfg(feature = "attach")]
mod attach;
pub mod clock;
pub mod connect;
mod error;
mod events;
mod executions;
pub mod functions;
pub mod keys;
mod leases;
mod library;
mod metrics;
mod notices;
#[cfg(feature = "iam")]
mod permissions;
mod query;
mod runs;
#[cfg(feature = "schedules")]
mod schedules;
mod sketches;
mod table;
mod targets;
mod telemetry;
#[cfg(test)]
mod testing;

pub use connect::{Aws, Names, Options, Stack};
