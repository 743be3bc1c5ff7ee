//! The outside world in the words of this crate. `inoculate-aws` has it for real, the tests have it in memory.
//!
//! One contract suite runs against both (`tests/tests/ports.rs`), so that the fake cannot lie.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::experiment::{Experiment, Measure};
use crate::judge::{Finding, Point, Verdict, Window};
use crate::layer::Stage;
use crate::lease::{Lease, Terms};
use crate::names::{ExperimentName, FunctionName, RunId};
use crate::notice::Notice;
use crate::passing::Passing;
use crate::permissions::{Deed, Simulated};
use crate::run::{JournalEntry, Phase, Run, RunFilter};
use crate::run_alarms::{MadeAlarm, NewAlarm};
use crate::seen::{SeenSummary, Written};
use crate::setting::{Reading, Setting, SettingValue};
use crate::undo::UndoRecord;

/// Everything a step needs of the world.
#[derive(Clone)]
pub struct Ports {
    /// The name of the stack that these belong to: the names of the alarms of its runs begin with it.
    pub stack: String,
    /// The records of runs.
    pub runs: Arc<dyn Runs>,
    /// The leases on functions.
    pub leases: Arc<dyn Leases>,
    /// Saved experiments and the kill switch.
    pub library: Arc<dyn Library>,
    /// The functions that experiments touch.
    pub targets: Arc<dyn Targets>,
    /// Metric series.
    pub metrics: Arc<dyn Metrics>,
    /// What the layers saw.
    pub sketches: Arc<dyn Sketches>,
    /// Alarms.
    pub alarms: Arc<dyn Alarms>,
    /// People who want to know.
    pub notices: Arc<dyn Notices>,
    /// The metrics about runs.
    pub telemetry: Arc<dyn Telemetry>,
    /// What the roles of the steps may do. `None` in the steps that never ask, for the same reason as the next.
    pub permissions: Option<Arc<dyn Permissions>>,
    /// How executions stand. `None` in the steps that never ask: the client of Step Functions would only make them bigger.
    pub executions: Option<Arc<dyn ExecutionStates>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// The time, from outside.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Lets time pass. Only for a rollback that has no state machine around it; see `docs/decisions/0004`.
    async fn sleep(&self, time: Duration);
}

/// The metrics about runs. Nothing depends on them.
pub trait Telemetry: Send + Sync {
    /// Writes one line of [`crate::emf`]. What cannot be written is lost.
    fn write(&self, line: &serde_json::Value);
}

/// One change of the record of a run: the event, and what is stored with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The record after the change.
    pub run: Run,
    /// The phase that the record must have before the change. Its version must be one less than after.
    pub from: Phase,
    /// The entry of the journal.
    pub entry: JournalEntry,
    /// Undo records to write in the same transaction.
    pub undo: Vec<UndoRecord>,
    /// A result to write in the same transaction.
    pub result: Option<RunResult>,
}

/// What a step found, stored with the event that tells of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum RunResult {
    /// The steady state before anything was touched.
    Baseline(Measured),
    /// One round of looking at the system while the faults were there.
    Observation {
        /// The number of the round, from 1.
        round: u32,
        /// What was seen.
        #[serde(flatten)]
        measured: Measured,
    },
    /// The verdict.
    Verdict(Evaluation),
}

/// What was measured in a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// When it was measured.
    pub at: Timestamp,
    /// The window that was asked for.
    pub window: Window,
    /// What was found for each measure.
    pub findings: Vec<Finding>,
    /// What the layer saw of each function of the run; empty when the run does without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub seen: Vec<SeenSummary>,
}

/// The verdict with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// When it was given.
    pub at: Timestamp,
    /// What was found.
    pub verdict: Verdict,
    /// Why, as a stable name.
    #[serde(default)]
    pub grounds: Grounds,
    /// Why, in words.
    pub because: String,
    /// The measures while the faults were there; absent when nothing was injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub during: Option<Measured>,
    /// The measures after the rollback; absent when nothing was injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Measured>,
    /// Whether the steady state came back; absent when nothing was injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered: Option<Verdict>,
}

impl Evaluation {
    /// The verdict on a run of which nothing is known that could be judged.
    pub fn without_evidence(at: Timestamp, grounds: Grounds, because: String) -> Evaluation {
        Evaluation {
            at,
            verdict: Verdict::Inconclusive,
            grounds,
            because,
            during: None,
            recovery: None,
            recovered: None,
        }
    }
}

/// What the verdict of a run rests on, as a stable name. Each but the first makes it inconclusive, whatever was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grounds {
    /// The worst measure decided; its finding says why.
    Measures,
    /// No request met the faults, or too few did.
    NeverFired,
    /// Requests are not told apart by the same thing where the fault is and where it is judged.
    GroupsUnrelated,
    /// Somebody else changed what the run had set.
    ChangedByOthers,
    /// The faults were never all in place.
    PartlyInjected,
    /// Nothing was injected; the ending of the run says why.
    NotInjected,
    /// The execution was over before anybody could judge.
    NotJudged,
    /// Not recorded, or in a word of a later version.
    #[default]
    #[serde(other)]
    Unknown,
}

/// What the steps of a run found.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Results {
    /// The baseline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Measured>,
    /// The rounds, in order.
    pub observations: Vec<Measured>,
    /// The verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<Evaluation>,
}

/// Why a change was not written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CommitError {
    /// The record is not as the change expects it. Read it again and decide anew.
    #[error("the run is at version {found:?} in phase {phase:?}, not at {expected}")]
    Conflict {
        /// The version that the change expects.
        expected: u64,
        /// The version of the record; `None` when there is no record.
        found: Option<u64>,
        /// The phase of the record.
        phase: Option<Phase>,
    },
    /// The table did not answer as it should.
    #[error(transparent)]
    Failed(#[from] Error),
}

/// The records of runs.
#[async_trait]
pub trait Runs: Send + Sync {
    /// Records a new run with its experiment and the first entry of its journal, in one transaction.
    ///
    /// A replay with the same token succeeds. A run of this name that another token recorded is a conflict.
    /// `experiment` is `None` when it could not be read.
    async fn create(&self, run: &Run, entry: &JournalEntry, experiment: Option<&Experiment>)
    -> Result<(), CommitError>;

    /// The record of a run.
    async fn load(&self, id: &RunId) -> Result<Option<Run>>;

    /// The experiment that a run was recorded with.
    async fn experiment(&self, id: &RunId) -> Result<Option<Experiment>>;

    /// Writes a change in one transaction, if the record is as the change expects it.
    ///
    /// A replay (an entry of this number with this token is there) succeeds and changes nothing.
    async fn commit(&self, change: &Change) -> Result<(), CommitError>;

    /// The undo records of a run, by number. Read consistently.
    async fn undo_records(&self, id: &RunId) -> Result<Vec<UndoRecord>>;

    /// The journal of a run, by number.
    async fn journal(&self, id: &RunId) -> Result<Vec<JournalEntry>>;

    /// The baseline of a run alone: every look needs it, and none needs the looks before.
    async fn baseline(&self, id: &RunId) -> Result<Option<Measured>>;

    /// What the steps of a run found.
    async fn results(&self, id: &RunId) -> Result<Results>;

    /// The latest runs, newest first. May miss a run of the last second.
    async fn list(&self, limit: u32) -> Result<Vec<Run>> {
        self.find(&RunFilter::default(), limit).await
    }

    /// The latest of the runs that a filter admits, at most so many of them, newest first. May miss a run of the last second.
    async fn find(&self, filter: &RunFilter, limit: u32) -> Result<Vec<Run>>;

    /// The runs that are not closed, oldest first. May miss a run of the last second, and name one that was closed in it.
    ///
    /// Costs next to nothing while there is none. A run that was left open by a version before there was this list is not
    /// in it until something is written about it.
    async fn open(&self) -> Result<Vec<RunId>>;
}

/// What came of taking a lease.
#[derive(Debug, Clone, PartialEq)]
pub enum Taken {
    /// The run holds it, with this fence number.
    Yes {
        /// The fence number.
        fence: u64,
    },
    /// Somebody else holds it, or held it until it ran out.
    No {
        /// The lease that was found.
        found: Lease,
    },
}

/// What to take a lease with.
#[derive(Debug, Clone, PartialEq)]
pub struct LeaseRequest {
    /// The function.
    pub function: FunctionName,
    /// Its ARN, without version or alias.
    pub function_arn: String,
    /// The run.
    pub run_id: RunId,
    /// When the lease ends, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// The expired lease to take over, as it was found; `None` takes only a free one. A lease that is not exactly this
    /// one any more, as when its holder renewed it in between, is not taken over.
    pub take_over: Option<Lease>,
    /// What it says to the layer; `None` when the run does without.
    pub terms: Option<Terms>,
}

/// The leases on functions. Every write has a condition on the holder, so a late writer changes nothing.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease in the role `observe`. Taking what the run holds already succeeds and renews it.
    async fn take(&self, request: &LeaseRequest) -> Result<Taken>;

    /// Changes what a lease that the run holds says, if it is still as it was read: role, expiry, terms.
    ///
    /// So whoever read it before somebody else changed it changes nothing: a fault cannot come back after a rollback.
    /// Idempotent: what is written already is written.
    ///
    /// # Errors
    /// [`crate::error::Code::LeaseHeld`] when it is not as it was read, or given back, or another run's.
    async fn renew(&self, found: &Lease, to: &Lease) -> Result<()>;

    /// Gives the lease back. Idempotent: giving back what the run does not hold changes nothing.
    async fn release(&self, function_arn: &str, run_id: &RunId) -> Result<()>;

    /// The lease of a function. Read consistently.
    async fn read(&self, function_arn: &str) -> Result<Option<Lease>>;
}

/// The kill switch, while it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Halt {
    /// Why nothing may run.
    pub reason: String,
    /// Since when.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
}

/// Saved experiments and the kill switch.
#[async_trait]
pub trait Library: Send + Sync {
    /// A saved experiment as it was written. It is validated when it is used, not when it is read.
    async fn experiment(&self, name: &ExperimentName) -> Result<Option<serde_json::Value>>;

    /// Saves an experiment under its name; an older one of this name is replaced.
    async fn save_experiment(&self, experiment: &Experiment) -> Result<()>;

    /// The kill switch. Read consistently.
    async fn halt(&self) -> Result<Option<Halt>>;

    /// Sets or lifts the kill switch.
    async fn set_halt(&self, halt: Option<&Halt>) -> Result<()>;
}

/// What is known of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Its name.
    pub name: FunctionName,
    /// Its ARN, without version or alias.
    pub arn: String,
    /// Whether it can be invoked and updated: active, with no update under way.
    pub ready: bool,
    /// Whether its owner allows experiments: the tag `inoculate` has the value `allow`.
    pub allowed: bool,
    /// All of its tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Which of its calls pass through the layer; `None` when its configuration does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<Passing>,
}

/// What is known of the mapping from an event source to a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Its ARN.
    pub arn: String,
    /// Whether its owner allows experiments: the mapping itself has the tag `inoculate` with the value `allow`. The tags of its
    /// function are not its own.
    pub allowed: bool,
}

/// The functions that experiments touch.
#[async_trait]
pub trait Targets: Send + Sync {
    /// A function; `None` when there is none of this name.
    async fn describe(&self, function: &FunctionName) -> Result<Option<Function>>;

    /// The value of a setting.
    async fn read(&self, function: &FunctionName, setting: &Setting) -> Result<Reading>;

    /// The one mapping from an event source to a function. Asked before a run, never while something is put back: it needs a
    /// permission that the rollback has not.
    ///
    /// # Errors
    /// [`crate::error::Code::TargetNotFound`] when there is none, [`crate::error::Code::InvalidExperiment`] when there are more.
    async fn mapping(&self, function: &FunctionName, source: &str) -> Result<Mapping>;

    /// Sets `to` if the setting still has the value `from`; does nothing when it has the value `to` already.
    /// Returns when AWS has accepted it, not when it is carried out.
    ///
    /// # Errors
    /// [`crate::error::Code::Conflict`] when it has any other value, which is left as it is;
    /// [`crate::error::Code::TargetBusy`] while an earlier update is under way.
    async fn replace(
        &self,
        function: &FunctionName,
        setting: &Setting,
        from: SettingValue,
        to: SettingValue,
    ) -> Result<()>;
}

/// Metric series.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// The points of each measure in a window, in the order of `measures`, oldest first.
    ///
    /// Each measure gets the whole periods of the window only; periods without data have no point.
    async fn series(&self, measures: &[Measure], window: Window) -> Result<Vec<Vec<Point>>>;
}

/// What the layers wrote.
#[async_trait]
pub trait Sketches: Send + Sync {
    /// What the layers of all functions saw in one stage of a run, and what they could not do in any. Items that are not
    /// understood are left out and said as a problem of their function.
    async fn written(&self, run_id: &RunId, stage: Stage) -> Result<Written>;
}

/// The state of an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlarmState {
    /// Its name.
    pub name: String,
    /// Whether it is in ALARM.
    pub in_alarm: bool,
    /// Why, in CloudWatch's words.
    pub reason: String,
}

/// Alarms.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// The states of the alarms of these names; an alarm that does not exist is left out.
    async fn states(&self, names: &[String]) -> Result<Vec<AlarmState>>;

    /// Makes an alarm that tells the abort topic of this stack when it goes to ALARM. Idempotent: one of this name is replaced
    /// and keeps its state.
    ///
    /// # Errors
    /// [`crate::error::Code::InvalidExperiment`] when CloudWatch does not take it.
    async fn make(&self, alarm: &NewAlarm) -> Result<()>;

    /// Deletes the alarms of these names. Idempotent: what is not there is deleted.
    async fn delete(&self, names: &[String]) -> Result<()>;

    /// The alarms whose names begin so and that tell the abort topic of this stack. Alarms that only have such a name are
    /// left out: they are somebody else's.
    async fn made(&self, prefix: &str) -> Result<Vec<MadeAlarm>>;
}

/// People who want to know.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Tells whoever listens: people by a message, programs by an event. What fails for the one is still sent to the other.
    ///
    /// Not idempotent: told again, it arrives again, with the same [`Notice::id`]. A failure must never stop a run.
    async fn publish(&self, notice: &Notice) -> Result<()>;
}

/// What the roles of the steps may do.
#[async_trait]
pub trait Permissions: Send + Sync {
    /// What IAM says: whether the role of this ARN may do all of it. Nothing is done.
    ///
    /// What IAM does not look at is not known: policies of the resource, and policies of the organization that have conditions.
    async fn may(&self, role: &str, deed: &Deed) -> Result<Simulated>;
}

/// How an execution stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionState {
    /// The ARN.
    pub arn: String,
    /// Whether it is still running.
    pub running: bool,
    /// The status in the words of Step Functions.
    pub status: String,
    /// The error name, when it ended with one.
    pub error: Option<String>,
    /// The cause in words, when it ended with one.
    pub cause: Option<String>,
}

/// How executions stand, for a step that knows them by the records of their runs.
#[async_trait]
pub trait ExecutionStates: Send + Sync {
    /// How the execution of this ARN stands; `None` when there is none. May miss one of the last seconds.
    async fn state_of(&self, execution_arn: &str) -> Result<Option<ExecutionState>>;
}

/// The executions of the state machine. Only the command line starts and stops them, so they are not in [`Ports`].
#[async_trait]
pub trait Executions: Send + Sync {
    /// Starts one and returns its ARN. Idempotent for the same name and input.
    async fn start(&self, run_id: &RunId, input: &serde_json::Value) -> Result<String>;

    /// How one stands; `None` when there is none of this name.
    async fn state(&self, run_id: &RunId) -> Result<Option<ExecutionState>>;

    /// Stops one. Idempotent: one that has ended stays as it is.
    async fn stop(&self, run_id: &RunId, cause: &str) -> Result<()>;
}
