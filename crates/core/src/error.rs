//! One error type for the ports and the steps, with a stable code per cause.
//!
//! The code is the wire contract: it is the error name that the state machine matches in `Retry` and `Catch`,
//! and what the command line maps to an exit code. The message is for a person.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why something failed, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Code {
    /// The experiment cannot be understood or asks for something that is not allowed.
    InvalidExperiment,
    /// No experiment is saved under this name.
    ExperimentNotFound,
    /// There is no schedule of this name.
    ScheduleNotFound,
    /// There is no record of this run.
    RunNotFound,
    /// The record of the run, or a setting, changed in the meantime; read it again and decide anew.
    Conflict,
    /// There is no such Lambda function, event source or alarm.
    TargetNotFound,
    /// The table is not there: the stack is not deployed, or in another account or region.
    TableMissing,
    /// The state machine or a function of Inoculate is not there.
    StackMissing,
    /// No AWS credentials were found, or they are no longer valid.
    NoCredentials,
    /// The credentials may not do this.
    AccessDenied,
    /// AWS asked us to slow down.
    Throttled,
    /// AWS could not be reached, timed out, or answered with a server error.
    Unavailable,
    /// The target is being changed right now; try again in a moment.
    TargetBusy,
    /// Another run holds a lease on the function.
    LeaseHeld,
    /// A setting could not be put back.
    RollbackFailed,
    /// A defect in Inoculate, or data that it did not write.
    Internal,
}

impl Code {
    /// Every code, for documentation and contract tests.
    pub const ALL: [Code; 16] = [
        Code::InvalidExperiment,
        Code::ExperimentNotFound,
        Code::ScheduleNotFound,
        Code::RunNotFound,
        Code::Conflict,
        Code::TargetNotFound,
        Code::TableMissing,
        Code::StackMissing,
        Code::NoCredentials,
        Code::AccessDenied,
        Code::Throttled,
        Code::Unavailable,
        Code::TargetBusy,
        Code::LeaseHeld,
        Code::RollbackFailed,
        Code::Internal,
    ];

    /// The stable name, as it appears in `ErrorEquals` and in `--json` output.
    pub fn name(self) -> &'static str {
        match self {
            Code::InvalidExperiment => "InvalidExperiment",
            Code::ExperimentNotFound => "ExperimentNotFound",
            Code::ScheduleNotFound => "ScheduleNotFound",
            Code::RunNotFound => "RunNotFound",
            Code::Conflict => "Conflict",
            Code::TargetNotFound => "TargetNotFound",
            Code::TableMissing => "TableMissing",
            Code::StackMissing => "StackMissing",
            Code::NoCredentials => "NoCredentials",
            Code::AccessDenied => "AccessDenied",
            Code::Throttled => "Throttled",
            Code::Unavailable => "Unavailable",
            Code::TargetBusy => "TargetBusy",
            Code::LeaseHeld => "LeaseHeld",
            Code::RollbackFailed => "RollbackFailed",
            Code::Internal => "Internal",
        }
    }

    /// Whether the same call may succeed in a moment, with nothing changed by a person.
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Code::Throttled | Code::Unavailable | Code::TargetBusy | Code::Conflict
        )
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A failure with what a person needs: what failed, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())]
pub struct Error {
    /// The stable cause.
    pub code: Code,
    /// What failed and where, as a lower-case fragment.
    pub message: String,
    /// What to do about it, when there is something to do.
    pub help: Option<String>,
}

impl Error {
    /// An error without advice.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error {
            code,
            message: message.into(),
            help: None,
        }
    }

    /// A defect: something that cannot happen unless Inoculate is wrong.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Code::Internal, message)
    }

    /// The same error with advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same error, saying what was being done when it happened.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

/// What fallible operations of this project return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
