//! What the sweep does about a run that is not closed yet.
//!
//! A run is looked after by its execution. The sweep looks after those that have none any more, and ends those that take
//! longer than their experiment allows. Pure: `functions/rollback` finds out how things stand, and does what is decided here.

use jiff::{SignedDuration, Timestamp};

use crate::experiment::{Experiment, MAX_RUN};
use crate::ports::{ExecutionState, Halt};
use crate::run::{Cause, Ending, Phase, Run, Status};

/// How long after its recording a run is left alone if its execution cannot be found: Step Functions may not show a new
/// one at once.
pub const YOUNG: SignedDuration = SignedDuration::from_secs(60);

/// How much longer than planned each part of a run may take. As long as its leases outlast a window.
pub const OVERTIME: SignedDuration = SignedDuration::from_secs(120);

/// How long an execution may run: the timeout of the state machine. A test holds the two equal.
pub const LONGEST_EXECUTION: SignedDuration = SignedDuration::from_hours(8);

/// What is known of the execution of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Execution {
    /// Step Functions has it, running or ended.
    Found(ExecutionState),
    /// There is none.
    Gone,
    /// Step Functions could not be asked.
    Unknown,
}

/// How things stand around a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight<'a> {
    /// The time.
    pub now: Timestamp,
    /// Its execution.
    pub execution: Execution,
    /// Its experiment; `None` when it has none, or it cannot be read.
    pub experiment: Option<&'a Experiment>,
    /// The kill switch, while it stands.
    pub halt: Option<&'a Halt>,
}

/// What is to be done about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Care {
    /// Nothing: its execution is at work, or it is too early to tell.
    LeaveAlone,
    /// Put everything back, and leave the verdict to its execution. A run that is ending already keeps its ending.
    RollBack(Ending),
    /// Put everything back and close the record, since nobody else will.
    Close(Ending),
}

/// Decides what the sweep does about a run. A run whose execution is at work, and in time, is left alone.
pub fn care(run: &Run, sight: &Sight<'_>) -> Care {
    if run.phase == Phase::Closed {
        return Care::LeaveAlone;
    }
    if let Some(ending) = abandoned(run, sight) {
        return Care::Close(ending);
    }
    if run.phase >= Phase::RolledBack {
        return Care::LeaveAlone;
    }
    if let Some(halt) = sight.halt {
        let detail = format!("halted: {}", halt.reason);
        return Care::RollBack(ending(Status::Aborted, Cause::Halted, detail));
    }
    // What a sweep began, a sweep goes on with.
    if let Some(ending) = run.ending.as_ref().filter(|ending| ending.cause == Cause::OverTime) {
        return Care::RollBack(ending.clone());
    }
    let due = due(run, sight.experiment);
    if sight.now >= due + OVERTIME {
        let detail = format!("over time: {} was due at {due:.0} (found by the sweep)", awaited(run));
        return Care::RollBack(ending(Status::Failed, Cause::OverTime, detail));
    }
    Care::LeaveAlone
}

/// Why nobody will see to the end of a run; `None` while its execution may.
fn abandoned(run: &Run, sight: &Sight<'_>) -> Option<Ending> {
    let age = sight.now.duration_since(run.opened_at);
    match &sight.execution {
        Execution::Found(state) if state.running => None,
        Execution::Found(state) => {
            let why = state.cause.as_deref().or(state.error.as_deref());
            let detail = format!(
                "the execution ended with {}: {} (found by the sweep)",
                state.status,
                why.unwrap_or("no cause given")
            );
            Some(ending(ended_with(&state.status), Cause::ExecutionEnded, detail))
        }
        Execution::Gone if age >= YOUNG => {
            let detail = "its execution does not exist (found by the sweep)".to_owned();
            Some(ending(Status::Failed, Cause::ExecutionEnded, detail))
        }
        // Without an answer, age tells: no execution outlives the timeout of the state machine.
        Execution::Unknown if age >= LONGEST_EXECUTION + OVERTIME => {
            let detail = "over time: no execution takes that long (found by the sweep)".to_owned();
            Some(ending(Status::Failed, Cause::OverTime, detail))
        }
        Execution::Gone | Execution::Unknown => None,
    }
}

/// How a run ends whose execution ended outside of its steps, by the status of Step Functions.
pub fn ended_with(status: &str) -> Status {
    if status == "ABORTED" {
        Status::Aborted
    } else {
        Status::Failed
    }
}

/// When the part of the run that is under way is over as planned, in a run that is not rolled back yet.
fn due(run: &Run, experiment: Option<&Experiment>) -> Timestamp {
    let Some(experiment) = experiment else {
        return run.opened_at + MAX_RUN.signed();
    };
    match (run.rollback_at, run.injecting_at) {
        (Some(rollback), _) => rollback,
        (None, Some(injecting)) => {
            let planned = injecting + experiment.blast_radius.longest.signed();
            run.closes_at.map_or(planned, |closes| planned.min(closes))
        }
        (None, None) => {
            let windows = &experiment.windows;
            let delay = SignedDuration::from_secs(i64::from(windows.delay_secs()));
            run.opened_at + windows.baseline.signed() + delay
        }
    }
}

fn awaited(run: &Run) -> &'static str {
    match (run.rollback_at, run.injecting_at) {
        (Some(_), _) => "the end of the rollback",
        (None, Some(_)) => "the end of the injection",
        (None, None) => "the end of the baseline",
    }
}

fn ending(status: Status, cause: Cause, detail: String) -> Ending {
    Ending { status, cause, detail }
}

#[cfg(test)]
mod tests;
