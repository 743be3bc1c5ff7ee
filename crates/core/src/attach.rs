//! Adding the layer to a function and taking it away again, so that the function is exactly what it was.
//!
//! | look in | for |
//! |---|---|
//! | [`configuration`] | what is known of a function, and which parts of it are ours |
//! | [`merge`] | pure: what there is and what should be there in, the new configuration or a reason out |
//! | [`record`] | what was there before, written down before anything is changed |
//! | [`refusal`] | why nothing was changed, and what a person can do |
//! | [`port`] | the outside world that all this needs |
//! | [`attaching`], [`detaching`] | the order of the calls |
//! | [`doctor`] | whether the layer could do its work in a function |
//!
//! Only three things are ever ours: layers named `STACK-layer`, two variables, and the managed policy `STACK-layer`. A third
//! variable, the list of the services whose calls pass through the layer, is added to.

pub mod attaching;
pub mod configuration;
pub mod detaching;
pub mod doctor;
pub mod merge;
pub mod port;
pub mod record;
pub mod refusal;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;

use crate::error::{Code, Error, Result};
use crate::names::FunctionName;
use crate::ports::{Clock, Leases, Runs};
use crate::span::Span;
use configuration::{Configuration, State};
use port::Attachments;
use refusal::Refusal;

/// How often a function is looked at again that somebody else changed at the same moment.
const TRIES: u32 = 5;

/// How long to wait between two looks at an update that is under way.
const PAUSE: Duration = Duration::from_secs(1);

/// What attaching, detaching and looking need of the world.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The name of the stack.
    pub stack: &'a str,
    /// The options with which a command reaches this stack again, like ` --stack chaos`; empty when it needs none.
    pub options: &'a str,
    /// Functions, roles, layers and records.
    pub attachments: &'a dyn Attachments,
    /// The leases on functions.
    pub leases: &'a dyn Leases,
    /// The records of runs.
    pub runs: &'a dyn Runs,
    /// The time.
    pub clock: &'a dyn Clock,
}

impl Access<'_> {
    /// A command for a person to type that reaches the same stack.
    fn command(&self, command: &str) -> String {
        format!("inoculate {command}{}", self.options)
    }
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Say what would change.
    DryRun,
    /// Change it, and wait this long until Lambda has carried it out.
    Change(Span),
}

/// One thing that is added, changed or taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Step {
    /// A version of our layer.
    Layer {
        /// What is there before.
        from: Option<String>,
        /// What is there afterwards.
        to: Option<String>,
    },
    /// One of our variables.
    Variable {
        /// Its name.
        name: String,
        /// Its value before.
        from: Option<String>,
        /// Its value afterwards.
        to: Option<String>,
    },
    /// Our managed policy.
    Policy {
        /// The ARN of the role.
        role: String,
        /// The ARN of the policy.
        policy: String,
        /// Whether the role has it afterwards.
        attached: bool,
    },
}

/// Something that a person should know, and what to copy for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Note {
    /// In words.
    pub detail: String,
    /// Lines to copy as they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

impl Note {
    fn new(detail: impl Into<String>) -> Note {
        Note {
            detail: detail.into(),
            lines: Vec::new(),
        }
    }

    fn line(mut self, line: String) -> Note {
        self.lines.push(line);
        self
    }
}

/// What came of it for one function. A "no" is no error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// These steps were taken, and Lambda has carried them out.
    Changed {
        /// What was changed.
        steps: Vec<Step>,
        /// What stays though one could think otherwise, and why.
        left: Vec<Note>,
    },
    /// These steps would be taken.
    WouldChange {
        /// What would be changed.
        steps: Vec<Step>,
        /// What would stay though one could think otherwise, and why.
        left: Vec<Note>,
    },
    /// Everything is as it should be already.
    Unchanged {
        /// What stays though one could think otherwise, and why.
        left: Vec<Note>,
    },
    /// Nothing was changed, for these reasons.
    Refused {
        /// All of them.
        refusals: Vec<Refusal>,
    },
    /// Nothing was changed: where the layer has to go, only a person can put it.
    ByHand {
        /// What to do.
        refusals: Vec<Refusal>,
    },
}

impl Outcome {
    /// Nothing was changed, for these reasons: by hand only if nothing else stands in the way.
    fn refused(refusals: Vec<Refusal>) -> Outcome {
        if refusals.iter().all(|refusal| refusal.reason.is_by_hand()) {
            Outcome::ByHand { refusals }
        } else {
            Outcome::Refused { refusals }
        }
    }
}

/// The configuration of a function that must be there.
async fn existing(access: &Access<'_>, function: &FunctionName) -> Result<Configuration> {
    access.attachments.read(function).await?.ok_or_else(|| {
        Error::new(
            Code::TargetNotFound,
            format!("there is no function {function} in this account and region"),
        )
        .help("check the name, --region and --profile")
    })
}

/// Whether a function can be changed now.
fn ensure_changeable(function: &FunctionName, now: &Configuration) -> Result<()> {
    let why = match &now.state {
        State::Ready | State::UpdateFailed { .. } => return Ok(()),
        State::Updating => "an update of it is under way".to_owned(),
        State::NotActive { state } => format!("it is {state}"),
    };
    let help = "try again in a moment; a function that was idle for weeks wakes up when it is invoked";
    Err(Error::new(Code::TargetBusy, format!("{function} cannot be changed now: {why}")).help(help))
}

/// Waits until Lambda has carried out an update.
async fn carried_out(access: &Access<'_>, function: &FunctionName, longest: Span) -> Result<()> {
    let begin = access.clock.now();
    loop {
        match existing(access, function).await?.state {
            State::Ready => return Ok(()),
            State::Updating => {}
            State::UpdateFailed { reason } | State::NotActive { state: reason } => {
                let message = format!("Lambda could not carry out the update of {function}: {reason}");
                let doctor = access.command(&format!("doctor {function}"));
                let help = format!("repair the cause, then repeat this; `{doctor}` says how it is");
                return Err(Error::new(Code::Unavailable, message).help(help));
            }
        }
        if access.clock.now().duration_since(begin) >= longest.signed() {
            let message = format!("the update of {function} is accepted, but still under way after {longest}");
            return Err(Error::new(Code::TargetBusy, message).help("repeat this in a moment: what is done stays done"));
        }
        access.clock.sleep(PAUSE).await;
    }
}

/// The error when somebody else changes a function again and again.
fn contended(function: &FunctionName) -> Error {
    let message = format!("{function} was changed by somebody else {TRIES} times while it was to be changed here");
    Error::new(Code::Conflict, message).help("is a deployment under way? try again when it is over")
}
