//! What came of running an experiment, for whoever is told of it: a person, a CI server, a scorecard.

use std::path::PathBuf;

use inoculate_core::error::Error;
use inoculate_core::judge::{Finding, Verdict};
use inoculate_core::names::{ExperimentName, RunId};
use inoculate_core::plan::Plan;
use inoculate_core::ports::ExecutionState;
use inoculate_core::run::Status;

use crate::exit::Exit;
use crate::render::text::secs_between;
use inoculate_core::details::RunDetails;

/// What came of running one experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The experiment.
    pub experiment: ExperimentName,
    /// The file that it is written in; absent for a saved one.
    pub file: Option<PathBuf>,
    /// The run, if one was to be started.
    pub run_id: Option<RunId>,
    /// How that ended.
    pub end: Ended,
}

/// How the running of an experiment ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ended {
    /// The record of the run is closed.
    Closed(Box<RunDetails>),
    /// The execution is over, but nobody closed the record, or there is none.
    LeftOpen(ExecutionState, Option<Box<RunDetails>>),
    /// It could not be started, or not be followed; the run may go on.
    Error(Error),
    /// Nobody waited for the end. The run goes on.
    Interrupted,
    /// It was not started, for this reason.
    NotStarted(String),
}

impl Ended {
    /// Everything that is recorded of the run.
    pub fn details(&self) -> Option<&RunDetails> {
        match self {
            Ended::Closed(details) | Ended::LeftOpen(_, Some(details)) => Some(details),
            _ => None,
        }
    }

    /// What the process exits with for this one.
    pub fn exit(&self) -> Exit {
        match self {
            Ended::Closed(details) => Exit::of_run(&details.run).unwrap_or(Exit::Failed),
            Ended::LeftOpen(_, Some(details)) if details.run.status == Status::RollbackFailed => Exit::RollbackFailed,
            Ended::LeftOpen(execution, _) => Exit::of_execution(execution),
            Ended::Error(error) => Exit::of_code(error.code),
            Ended::Interrupted => Exit::Interrupted,
            Ended::NotStarted(_) => Exit::Refused,
        }
    }

    /// Why, in words; for a run with a verdict, its evidence.
    pub fn because(&self) -> String {
        match self {
            Ended::Closed(details) => because(details),
            Ended::LeftOpen(execution, details) => {
                let why = execution.cause.as_ref().or(execution.error.as_ref());
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                let record = match details {
                    Some(_) => "the record of the run is not closed",
                    None => "there is no record of the run",
                };
                format!("the execution ended with {}, but {record}{why}", execution.status)
            }
            Ended::Error(error) => error.message.clone(),
            Ended::Interrupted => "nobody waited for the end; the run goes on".to_owned(),
            Ended::NotStarted(why) => why.clone(),
        }
    }
}

impl Outcome {
    /// Everything that is recorded of the run.
    pub fn details(&self) -> Option<&RunDetails> {
        self.end.details()
    }

    /// What the process exits with for this one.
    pub fn exit(&self) -> Exit {
        self.end.exit()
    }

    /// Why, in words; for a run with a verdict, its evidence.
    pub fn because(&self) -> String {
        self.end.because()
    }

    /// In a word or two: the verdict of a completed run, else the status.
    pub fn word(&self) -> &'static str {
        match (&self.end, self.exit()) {
            (Ended::Error(_), _) => "error",
            (Ended::NotStarted(_), _) => "not started",
            (_, Exit::Upheld) => "upheld",
            (_, Exit::Deviated) => "deviated",
            (_, Exit::Inconclusive) => "inconclusive",
            (_, Exit::Refused) => Status::Refused.name(),
            (_, Exit::Aborted) => Status::Aborted.name(),
            (_, Exit::RollbackFailed) => Status::RollbackFailed.name(),
            (_, Exit::Interrupted) => "goes on",
            _ => Status::Failed.name(),
        }
    }

    /// What was found while the faults were there; nothing where nothing was injected.
    pub fn findings(&self) -> &[Finding] {
        let Some(details) = self.details() else { return &[] };
        let evaluation = details.results.evaluation.as_ref();
        let during = evaluation.and_then(|evaluation| evaluation.during.as_ref());
        let during = during.or(details.results.observations.last());
        during.map_or(&[], |during| &during.findings)
    }

    /// How long the run took, in seconds.
    pub fn secs(&self) -> Option<i64> {
        let run = &self.details()?.run;
        Some(secs_between(run.opened_at, run.closed_at?))
    }

    /// What the run costs at list price, in US dollars, as planned.
    pub fn usd(&self) -> Option<f64> {
        let experiment = self.details()?.experiment.as_ref()?;
        Some(Plan::of(experiment).cost.usd)
    }
}

fn because(details: &RunDetails) -> String {
    let evaluation = details.results.evaluation.as_ref();
    let ending = details.run.ending.as_ref().map(|ending| ending.detail.as_str());
    let verdict = evaluation.map(|evaluation| evaluation.because.as_str());
    let because = match details.run.status {
        Status::Completed | Status::Running => verdict.or(ending),
        // What ended it is why, whatever was measured until then.
        Status::Refused | Status::Aborted | Status::Failed | Status::RollbackFailed => ending.or(verdict),
    };
    let because = because.unwrap_or("nothing was recorded of why").to_owned();
    match evaluation.and_then(|evaluation| evaluation.recovered) {
        Some(Verdict::Deviated) => format!("{because}; afterwards the steady state did NOT come back"),
        _ => because,
    }
}

#[cfg(test)]
mod tests;
