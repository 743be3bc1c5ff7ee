//! Everything that is recorded of one run.

use crate::error::{Code, Error, Result};
use crate::experiment::Experiment;
use crate::names::RunId;
use crate::ports::{Ports, Results};
use crate::run::{JournalEntry, Run};
use crate::undo::UndoRecord;
use serde::{Deserialize, Serialize};

/// Everything that is recorded of one run. This is the JSON of `show` and `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetails {
    /// The record.
    pub run: Run,
    /// The experiment; absent when it could not be read.
    pub experiment: Option<Experiment>,
    /// What was changed in the targets, and whether it is back.
    pub faults: Vec<UndoRecord>,
    /// What was measured, and the verdict.
    pub results: Results,
    /// What happened and when.
    pub journal: Vec<JournalEntry>,
}

impl RunDetails {
    /// Reads all of it; `None` when there is no record of this run.
    ///
    /// # Errors
    /// Whatever the table answers.
    pub async fn find(ports: &Ports, id: &RunId) -> Result<Option<RunDetails>> {
        // The record first: what is read after it is at least as new.
        let Some(run) = ports.runs.load(id).await? else {
            return Ok(None);
        };
        Ok(Some(RunDetails {
            experiment: ports.runs.experiment(id).await?,
            faults: ports.runs.undo_records(id).await?,
            results: ports.runs.results(id).await?,
            journal: ports.runs.journal(id).await?,
            run,
        }))
    }

    /// Reads all of it.
    ///
    /// # Errors
    /// [`Code::RunNotFound`] when there is no record of this run.
    pub async fn load(ports: &Ports, id: &RunId) -> Result<RunDetails> {
        Self::find(ports, id).await?.ok_or_else(|| not_found(id))
    }
}

/// There is no record of this run.
pub fn not_found(id: &RunId) -> Error {
    Error::new(Code::RunNotFound, format!("there is no run `{id}`"))
        .help("`inoculate list` shows the latest runs; check --stack, --region and --profile too")
}
