//! What the five steps share: their start as a Lambda function, and the way they change the record of a run.
//!
//! | look in | for |
//! |---|---|
//! | [`serve`] | from `main` to a handler: configuration, clients, logs, errors with stable names |
//! | [`environment`] | the environment variables of a step |
//! | [`record`] | loading a run and adding an event to it |
//! | [`measure`] | the measures of an experiment in a window, judged |
//! | [`restore`] | putting back what a run changed |

pub mod environment;
pub mod measure;
pub mod record;
pub mod restore;
mod serve;

use inoculate_core::names::RunId;
use inoculate_core::ports::Ports;
use inoculate_core::run::{Cause, Ending, Status};
use serde::{Deserialize, Serialize};

pub use serve::{StartError, serve};

/// What a step is run with.
#[derive(Clone)]
pub struct Step {
    /// The outside world.
    pub ports: Ports,
    /// Names this attempt: the id of the Lambda request. A retry by the platform is another attempt.
    pub attempt: String,
}

/// The input of the steps that need nothing but the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInput {
    /// The run.
    pub run_id: RunId,
}

/// What the state machine does next. The only thing that its choices look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Let the baseline window pass, then measure it.
    Measure,
    /// Put the faults in place.
    Inject,
    /// AWS is still carrying out a change: wait a moment and run the same step again.
    Settle,
    /// Let a round pass, then look at the system.
    Observe,
    /// Roll everything back.
    Rollback,
    /// Let the system recover, then give the verdict.
    Evaluate,
    /// The run is over.
    End,
}

/// An ending of a step that decides to roll back.
pub fn ending(status: Status, cause: Cause, detail: impl Into<String>) -> Option<Ending> {
    Some(Ending {
        status,
        cause,
        detail: detail.into(),
    })
}
