//! The records of runs.

use async_trait::async_trait;
use inoculate_core::error::{Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::ports::{Change, CommitError, Measured, Results, RunResult, Runs};
use inoculate_core::run::{JournalEntry, Phase, Run, RunFilter};
use inoculate_core::undo::UndoRecord;

use super::{RunState, World};

#[async_trait]
impl Runs for World {
    async fn create(
        &self,
        run: &Run,
        entry: &JournalEntry,
        experiment: Option<&Experiment>,
    ) -> Result<(), CommitError> {
        self.change(|state| {
            if let Some(found) = state.runs.get(&run.id) {
                return replay_or_conflict(Some(found), entry, 0);
            }
            numbered_in_order(run, entry)?;
            let recorded = RunState {
                run: run.clone(),
                experiment: experiment.cloned(),
                journal: vec![entry.clone()],
                undo: Default::default(),
                baseline: None,
                observations: Default::default(),
                evaluation: None,
            };
            state.runs.insert(run.id.clone(), recorded);
            Ok(())
        })
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>> {
        Ok(self.look(|state| state.runs.get(id).map(|found| found.run.clone())))
    }

    async fn experiment(&self, id: &RunId) -> Result<Option<Experiment>> {
        Ok(self.look(|state| state.runs.get(id)?.experiment.clone()))
    }

    async fn commit(&self, change: &Change) -> Result<(), CommitError> {
        self.change(|state| {
            let expected = change.run.version.saturating_sub(1);
            let found = state.runs.get_mut(&change.run.id);
            match found {
                Some(found) if found.run.version == expected && found.run.phase == change.from => {
                    numbered_in_order(&change.run, &change.entry)?;
                    found.write(change);
                    Ok(())
                }
                found => replay_or_conflict(found.as_deref(), &change.entry, expected),
            }
        })
    }

    async fn undo_records(&self, id: &RunId) -> Result<Vec<UndoRecord>> {
        let records = |found: &RunState| found.undo.values().cloned().collect();
        Ok(self.look(|state| state.runs.get(id).map(records).unwrap_or_default()))
    }

    async fn journal(&self, id: &RunId) -> Result<Vec<JournalEntry>> {
        Ok(self.look(|state| {
            state
                .runs
                .get(id)
                .map(|found| found.journal.clone())
                .unwrap_or_default()
        }))
    }

    async fn baseline(&self, id: &RunId) -> Result<Option<Measured>> {
        Ok(self.look(|state| state.runs.get(id).and_then(|found| found.baseline.clone())))
    }

    async fn results(&self, id: &RunId) -> Result<Results> {
        Ok(self.look(|state| state.runs.get(id).map(RunState::results).unwrap_or_default()))
    }

    async fn find(&self, filter: &RunFilter, limit: u32) -> Result<Vec<Run>> {
        let mut runs: Vec<Run> = self.look(|state| state.runs.values().map(|found| found.run.clone()).collect());
        runs.retain(|run| filter.admits(run));
        runs.sort_by_key(|run| std::cmp::Reverse((run.opened_at, run.id.clone())));
        runs.truncate(usize::try_from(limit).unwrap());
        Ok(runs)
    }

    async fn open(&self) -> Result<Vec<RunId>> {
        let mut runs: Vec<Run> = self.look(|state| state.runs.values().map(|found| found.run.clone()).collect());
        runs.retain(|run| run.phase != Phase::Closed);
        runs.sort_by_key(|run| (run.opened_at, run.id.clone()));
        Ok(runs.into_iter().map(|run| run.id).collect())
    }
}

impl RunState {
    /// What the steps of the run found.
    pub fn results(&self) -> Results {
        Results {
            baseline: self.baseline.clone(),
            observations: self.observations.values().cloned().collect(),
            evaluation: self.evaluation.clone(),
        }
    }

    fn write(&mut self, change: &Change) {
        self.run = change.run.clone();
        self.journal.push(change.entry.clone());
        self.undo
            .extend(change.undo.iter().map(|record| (record.number, record.clone())));
        match change.result.clone() {
            None => {}
            Some(RunResult::Baseline(measured)) => self.baseline = Some(measured),
            Some(RunResult::Observation { round, measured }) => drop(self.observations.insert(round, measured)),
            Some(RunResult::Verdict(evaluation)) => self.evaluation = Some(evaluation),
        }
    }
}

fn replay_or_conflict(found: Option<&RunState>, entry: &JournalEntry, expected: u64) -> Result<(), CommitError> {
    let mut written = found.into_iter().flat_map(|found| &found.journal);
    if written.any(|written| written.number == entry.number && written.token == entry.token) {
        return Ok(());
    }
    Err(CommitError::Conflict {
        expected,
        found: found.map(|found| found.run.version),
        phase: found.map(|found| found.run.phase),
    })
}

/// The table would not notice an entry whose number is not the version of the record; a test must.
fn numbered_in_order(run: &Run, entry: &JournalEntry) -> Result<()> {
    if entry.number == run.version {
        return Ok(());
    }
    let message = format!(
        "entry {} of run {} would be at version {}",
        entry.number, run.id, run.version
    );
    Err(Error::internal(message))
}
