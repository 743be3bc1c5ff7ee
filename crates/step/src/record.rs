//! Loading a run, and adding an event to it.

use inoculate_core::emf;
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::ports::{Change, CommitError, RunResult};
use inoculate_core::run::{Event, JournalEntry, Run};
use inoculate_core::undo::UndoRecord;

use crate::Step;

/// What is stored with an event, in the same transaction.
#[derive(Default)]
pub struct With {
    /// Undo records.
    pub undo: Vec<UndoRecord>,
    /// A result.
    pub result: Option<RunResult>,
}

impl Step {
    /// The record of a run.
    ///
    /// # Errors
    /// [`Code::RunNotFound`], or what the table answers.
    pub async fn run(&self, id: &RunId) -> Result<Run> {
        let run = self.ports.runs.load(id).await?;
        run.ok_or_else(|| Error::new(Code::RunNotFound, format!("there is no run {id}")))
    }

    /// The experiment that a run was recorded with.
    ///
    /// # Errors
    /// [`Code::Internal`] when a run without one gets this far, or what the table answers.
    pub async fn experiment(&self, id: &RunId) -> Result<Experiment> {
        let experiment = self.ports.runs.experiment(id).await?;
        experiment.ok_or_else(|| Error::internal(format!("run {id} has no experiment")))
    }

    /// Adds an event to a run. Returns the record after it.
    ///
    /// # Errors
    /// [`Code::Conflict`] when the run has moved on or the event cannot happen in its phase; nothing is written then.
    pub async fn add(&self, run: &Run, event: Event, with: With) -> Result<Run> {
        let at = self.ports.clock.now();
        let next = run.after(&event, at)?;
        let token = self.token(&event, next.version);
        let entry = JournalEntry {
            number: next.version,
            at,
            token,
            event,
        };
        let change = Change {
            run: next,
            from: run.phase,
            entry,
            undo: with.undo,
            result: with.result,
        };
        self.ports
            .runs
            .commit(&change)
            .await
            .map_err(|error| conflict(&run.id, error))?;
        tracing::info!(run_id = %run.id, event = change.entry.event.name(), number = change.entry.number, "recorded");
        for line in emf::of_change(&self.ports.stack, &change) {
            self.ports.telemetry.write(&line);
        }
        Ok(change.run)
    }

    /// Names an entry of the journal by the attempt that writes it and by what it says, so that a replay of the same
    /// write is recognised, and another write of the same attempt is not taken for one.
    pub fn token(&self, event: &Event, number: u64) -> String {
        format!("{}/{number}/{}/{}", self.attempt, event.name(), event.fingerprint())
    }
}

/// A failed commit as an error that the state machine can match.
pub fn conflict(id: &RunId, error: CommitError) -> Error {
    match error {
        CommitError::Failed(error) => error,
        conflict @ CommitError::Conflict { .. } => Error::new(Code::Conflict, format!("run {id}: {conflict}")),
    }
}
