//! The records of runs. Every change is one transaction: the record, its journal entry, and what goes with them.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use inoculate_core::error::{Code, Error, Result};
use inoculate_core::experiment::Experiment;
use inoculate_core::names::RunId;
use inoculate_core::ports::{Change, CommitError, Measured, Results, RunResult, Runs};
use inoculate_core::run::{JournalEntry, Phase, Run, RunFilter};
use inoculate_core::undo::UndoRecord;
use serde::{Deserialize, Serialize};

use crate::keys::{self, Key};
use crate::library::StoredExperiment;
use crate::table::{Item, Table, attribute, item, number, read, text};

/// How long to wait before a transaction that met another one is tried again; after the last, it is given up.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(200),
];

/// The records of runs in the table.
#[derive(Debug, Clone)]
pub(crate) struct DynamoRuns {
    table: Table,
}

/// What came of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// Everything is written.
    Written,
    /// A condition did not hold; nothing is written.
    Refused,
}

/// Why DynamoDB cancelled a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cancelled {
    /// A condition did not hold.
    Condition,
    /// It met another transaction or a limit: the same one may succeed in a moment.
    Contention,
}

/// The part of a journal entry that tells a replay.
#[derive(Debug, Deserialize)]
struct Written {
    token: String,
}

impl DynamoRuns {
    pub(crate) fn new(table: Table) -> Self {
        DynamoRuns { table }
    }

    /// Writes everything or nothing. Waits and tries again, a few times, when it meets another transaction.
    async fn transact(&self, writes: Vec<Put>, what: &str) -> Result<Outcome> {
        let writes: Vec<_> = writes
            .into_iter()
            .map(|put| TransactWriteItem::builder().put(put).build())
            .collect();
        for pause in PAUSES.map(Some).into_iter().chain([None]) {
            let request = self.table.client.transact_write_items();
            let Err(error) = request.set_transact_items(Some(writes.clone())).send().await else {
                return Ok(Outcome::Written);
            };
            match (error.as_service_error().and_then(cancelled), pause) {
                (Some(Cancelled::Condition), _) => return Ok(Outcome::Refused),
                (Some(Cancelled::Contention), Some(pause)) => tokio::time::sleep(pause).await,
                (Some(Cancelled::Contention), None) => break,
                (None, _) => return Err(self.table.service.error(self.table.doing("writing", what), error)),
            }
        }
        let message = format!("{}: other writers were in the way", self.table.doing("writing", what));
        Err(Error::new(Code::Throttled, message))
    }

    /// After a refusal: fine if this very change is written already, a conflict otherwise.
    async fn accept_replay(&self, id: &RunId, entry: &JournalEntry, expected: u64) -> Result<(), CommitError> {
        let key = Key::event(id, entry.number);
        let written: Option<Written> = self.table.get(&key, &format!("the journal of run {id}")).await?;
        if written.is_some_and(|written| written.token == entry.token) {
            return Ok(());
        }
        let found = self.load(id).await?;
        Err(CommitError::Conflict {
            expected,
            found: found.as_ref().map(|run| run.version),
            phase: found.map(|run| run.phase),
        })
    }

    /// Writes an item that belongs to `run` and is deleted with it.
    fn put<T: Serialize>(&self, run: &Run, key: &Key, value: &T, condition: Condition) -> Result<Put> {
        let mut item = item(key, value)?;
        item.insert(keys::EXPIRES_AT.to_owned(), number(keys::run_expiry(run.opened_at)));
        condition.put(&self.table.name, item)
    }

    /// Writes the record itself, which is also in the list of runs, and in that of the open ones until it is closed.
    fn put_run(&self, run: &Run, condition: Condition) -> Result<Put> {
        let mut item = item(&Key::run(&run.id), run)?;
        item.insert(keys::EXPIRES_AT.to_owned(), number(keys::run_expiry(run.opened_at)));
        item.insert(keys::LIST_PK.to_owned(), text(keys::LIST_ALL));
        item.insert(
            keys::LIST_SK.to_owned(),
            text(keys::list_sort_key(run.opened_at, &run.id)),
        );
        if run.phase != Phase::Closed {
            item.insert(keys::OPEN_PK.to_owned(), text(keys::OPEN_ALL));
        }
        condition.put(&self.table.name, item)
    }

    /// Everything that a change writes.
    fn writes(&self, change: &Change) -> Result<Vec<Put>> {
        let Change {
            run,
            from,
            entry,
            undo,
            result,
        } = change;
        let expected = Condition::At {
            phase: attribute(from)?,
            version: number(expected_version(change)),
        };
        let mut writes = vec![
            self.put_run(run, expected)?,
            self.put(run, &Key::event(&run.id, entry.number), entry, Condition::Absent)?,
        ];
        for record in undo {
            writes.push(self.put(run, &Key::undo(&run.id, record.number), record, Condition::None)?);
        }
        if let Some(result) = result {
            writes.push(self.put(run, &Key::result(&run.id, result), result, Condition::None)?);
        }
        Ok(writes)
    }

    /// A query of all that is in the one partition of an index.
    fn listed(&self, index: &str, pk: &str, partition: &str) -> QueryFluentBuilder {
        let query = self.table.client.query().table_name(&self.table.name).index_name(index);
        query
            .key_condition_expression("#pk = :all")
            .expression_attribute_names("#pk", pk)
            .expression_attribute_values(":all", text(partition))
    }

    async fn result(&self, key: &Key, id: &RunId) -> Result<Option<RunResult>> {
        self.table.get(key, &format!("the results of run {id}")).await
    }
}

/// The version that the record must have before a change.
fn expected_version(change: &Change) -> u64 {
    change.run.version.saturating_sub(1)
}

/// What must hold for an item to be written.
enum Condition {
    /// Nothing.
    None,
    /// There is no such item.
    Absent,
    /// The record is in this phase and at this version.
    At {
        phase: aws_sdk_dynamodb::types::AttributeValue,
        version: aws_sdk_dynamodb::types::AttributeValue,
    },
}

impl Condition {
    fn put(self, table: &str, item: Item) -> Result<Put> {
        let put = Put::builder().table_name(table).set_item(Some(item));
        let put = match self {
            Condition::None => put,
            Condition::Absent => put
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", keys::PK),
            Condition::At { phase, version } => put
                .condition_expression("#phase = :phase AND #version = :version")
                .expression_attribute_names("#phase", keys::PHASE)
                .expression_attribute_names("#version", keys::VERSION)
                .expression_attribute_values(":phase", phase)
                .expression_attribute_values(":version", version),
        };
        put.build()
            .map_err(|error| Error::internal(format!("cannot build a write: {error}")))
    }
}

/// Why a transaction was cancelled; `None` for any other error.
///
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>
fn cancelled(error: &TransactWriteItemsError) -> Option<Cancelled> {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        return None;
    };
    let has = |wanted: &[&str]| {
        let mut codes = cancelled
            .cancellation_reasons()
            .iter()
            .filter_map(|reason| reason.code());
        codes.any(|code| wanted.contains(&code))
    };
    if has(&["ConditionalCheckFailed"]) {
        Some(Cancelled::Condition)
    } else if has(&[
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    ]) {
        Some(Cancelled::Contention)
    } else {
        None
    }
}

#[async_trait]
impl Runs for DynamoRuns {
    async fn create(
        &self,
        run: &Run,
        entry: &JournalEntry,
        experiment: Option<&Experiment>,
    ) -> Result<(), CommitError> {
        let mut writes = vec![
            self.put_run(run, Condition::Absent)?,
            self.put(run, &Key::event(&run.id, entry.number), entry, Condition::Absent)?,
        ];
        if let Some(experiment) = experiment {
            let stored = StoredExperiment::of(experiment)?;
            writes.push(self.put(run, &Key::run_experiment(&run.id), &stored, Condition::Absent)?);
        }
        match self.transact(writes, &format!("the record of run {}", run.id)).await? {
            Outcome::Written => Ok(()),
            Outcome::Refused => self.accept_replay(&run.id, entry, 0).await,
        }
    }

    async fn load(&self, id: &RunId) -> Result<Option<Run>> {
        self.table.get(&Key::run(id), &format!("the record of run {id}")).await
    }

    async fn experiment(&self, id: &RunId) -> Result<Option<Experiment>> {
        let what = format!("the experiment of run {id}");
        let stored: Option<StoredExperiment> = self.table.get(&Key::run_experiment(id), &what).await?;
        stored.map(|stored| stored.parse(&what)).transpose()
    }

    async fn commit(&self, change: &Change) -> Result<(), CommitError> {
        let id = &change.run.id;
        let what = format!("`{}` to the record of run {id}", change.entry.event.name());
        match self.transact(self.writes(change)?, &what).await? {
            Outcome::Written => Ok(()),
            Outcome::Refused => self.accept_replay(id, &change.entry, expected_version(change)).await,
        }
    }

    async fn undo_records(&self, id: &RunId) -> Result<Vec<UndoRecord>> {
        let what = format!("the undo records of run {id}");
        self.table.all(&keys::run_partition(id), keys::UNDOS, &what).await
    }

    async fn journal(&self, id: &RunId) -> Result<Vec<JournalEntry>> {
        let what = format!("the journal of run {id}");
        self.table.all(&keys::run_partition(id), keys::EVENTS, &what).await
    }

    async fn baseline(&self, id: &RunId) -> Result<Option<Measured>> {
        match self.result(&Key::baseline(id), id).await? {
            Some(RunResult::Baseline(measured)) => Ok(Some(measured)),
            Some(_) => Err(Error::internal(format!("the baseline of run {id} is another result"))),
            None => Ok(None),
        }
    }

    async fn results(&self, id: &RunId) -> Result<Results> {
        let what = format!("the observations of run {id}");
        let mut found = self
            .table
            .all(&keys::run_partition(id), keys::OBSERVATIONS, &what)
            .await?;
        found.extend(self.result(&Key::baseline(id), id).await?);
        found.extend(self.result(&Key::verdict(id), id).await?);
        let mut results = Results::default();
        for result in found {
            match result {
                RunResult::Baseline(measured) => results.baseline = Some(measured),
                RunResult::Observation { measured, .. } => results.observations.push(measured),
                RunResult::Verdict(evaluation) => results.evaluation = Some(evaluation),
            }
        }
        Ok(results)
    }

    async fn find(&self, filter: &RunFilter, limit: u32) -> Result<Vec<Run>> {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if limit == 0 {
            return Ok(Vec::new());
        }
        let what = "the list of runs";
        let query = self.listed(keys::RUNS_INDEX, keys::LIST_PK, keys::LIST_ALL);
        let mut query = query.scan_index_forward(false);
        if *filter == RunFilter::default() {
            // Nothing is read that is not shown.
            query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX));
        }
        let mut items = query.into_paginator().items().send();
        let mut runs = Vec::new();
        while runs.len() < limit
            && let Some(item) = items.next().await
        {
            let item = item.map_err(|error| self.table.service.error(self.table.doing("reading", what), error))?;
            let run: Run = read(item, what)?;
            if filter.is_past(&run) {
                break;
            }
            if filter.admits(&run) {
                runs.push(run);
            }
        }
        Ok(runs)
    }

    async fn open(&self) -> Result<Vec<RunId>> {
        let query = self.listed(keys::OPEN_INDEX, keys::OPEN_PK, keys::OPEN_ALL);
        let mut items = query.into_paginator().items().send();
        let mut runs = Vec::new();
        while let Some(item) = items.next().await {
            let doing = || self.table.doing("reading", "the list of open runs");
            let item = item.map_err(|error| self.table.service.error(doing(), error))?;
            let partition = item.get(keys::PK).and_then(|pk| pk.as_s().ok());
            runs.extend(partition.and_then(|pk| keys::run_of_partition(pk)));
        }
        Ok(runs)
    }
}

#[cfg(test)]
mod tests;
