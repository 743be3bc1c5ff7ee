//! One execution of an experiment: its phases, the transitions between them, and its journal.
//!
//! Every change of a run is one [`Event`]. [`Run::after`] is the only place that says which event may follow in
//! which phase; storage adds that an event is written exactly once ([`crate::ports::Runs::commit`]).

mod filter;

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Code, Error, Result};
use crate::judge::Verdict;
use crate::names::{FunctionName, RunId};
use crate::undo::UndoState;

pub use filter::RunFilter;

/// The layout of the records of a run. Readers accept later ones and ignore what they do not know.
pub const SCHEMA_VERSION: u32 = 1;

/// Where a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Recorded; the baseline window is running.
    Opened,
    /// The steady state held in the baseline.
    Steady,
    /// Faults are being put in place; some may be there.
    Injecting,
    /// Every fault is in place and was read back.
    Injected,
    /// Faults are being taken away.
    RollingBack,
    /// Nothing of the run is left in any target.
    RolledBack,
    /// The verdict is given; the record does not change any more.
    Closed,
}

/// How a run stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not over yet.
    Running,
    /// Ran as planned, whatever the verdict.
    Completed,
    /// Did not start to inject, for a reason that it names.
    Refused,
    /// Ended early by a person, an alarm, the kill switch or a window that closed.
    Aborted,
    /// A step failed for good.
    Failed,
    /// A setting could not be put back: a person is needed.
    RollbackFailed,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 6] = [
        Status::Running,
        Status::Completed,
        Status::Refused,
        Status::Aborted,
        Status::Failed,
        Status::RollbackFailed,
    ];

    /// The name in output, keys and error names.
    pub fn name(self) -> &'static str {
        match self {
            Status::Running => "running",
            Status::Completed => "completed",
            Status::Refused => "refused",
            Status::Aborted => "aborted",
            Status::Failed => "failed",
            Status::RollbackFailed => "rollback_failed",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a run ended, as a stable name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The injection lasted as long as planned.
    WindowOver,
    /// A measure left its tolerance.
    Harm,
    /// Every measure is established as upheld, and the experiment says that this is enough.
    Established,
    /// The experiment is not valid.
    InvalidExperiment,
    /// A guard of the preflight said no.
    Preflight,
    /// The steady state did not hold in the baseline, or could not be measured: each finding of the baseline says which.
    NotSteady,
    /// The layer of a function saw no request in the baseline.
    Unseen,
    /// The groups of one function are not those of another, which the baseline showed.
    GroupsUnrelated,
    /// There is so little traffic, as the baseline showed, that whatever happens could not be told.
    TooLittleTraffic,
    /// As many runs were under way already as the deployment allows.
    TooManyRuns,
    /// No time window of the run was open any more.
    WindowClosed,
    /// A schedule started it, and the start came too late.
    StaleStart,
    /// An alarm of the experiment went to ALARM.
    Alarm,
    /// A person or a program asked for it.
    Operator,
    /// The kill switch stands.
    Halted,
    /// The execution was stopped, timed out or failed outside of its steps.
    ExecutionEnded,
    /// The run took longer than its experiment allows, and its execution did nothing about it.
    OverTime,
    /// A step failed for good.
    StepFailed,
    /// In a word of a later version.
    #[serde(other)]
    Unknown,
}

/// The end of a run: what it makes of the status, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ending {
    /// How the run ends, once everything is rolled back.
    pub status: Status,
    /// Why, as a stable name.
    pub cause: Cause,
    /// Why, in words.
    pub detail: String,
}

/// A function that a run may touch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetFunction {
    /// Its name.
    pub name: FunctionName,
    /// Its ARN, without version or alias: the key of its lease.
    pub arn: String,
}

/// The record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The layout of this record.
    pub schema_version: u32,
    /// The name of the execution.
    pub id: RunId,
    /// The name of the experiment.
    pub experiment: String,
    /// The fingerprint of the experiment.
    pub digest: String,
    /// The execution, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_arn: Option<String>,
    /// The functions that it may touch.
    #[serde(default)]
    pub functions: Vec<TargetFunction>,
    /// When the time windows close that it was opened in: it injects nothing from then on, and what it injected ends. `None`
    /// when they do not within a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closes_at: Option<Timestamp>,
    /// What could not be checked before it began, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unchecked: Vec<String>,
    /// Where it is.
    pub phase: Phase,
    /// The number of the last journal entry; rises by one with every event.
    pub version: u64,
    /// How often the system was looked at while the faults were there.
    #[serde(default)]
    pub rounds: u32,
    /// How it stands.
    pub status: Status,
    /// What was found, once the run is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Why it ended, from the moment the rollback begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ending: Option<Ending>,
    /// When it was recorded.
    pub opened_at: Timestamp,
    /// From when on a fault may have been there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injecting_at: Option<Timestamp>,
    /// When every fault was in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub injected_at: Option<Timestamp>,
    /// When the rollback began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_at: Option<Timestamp>,
    /// When nothing was left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back_at: Option<Timestamp>,
    /// When the record was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
}

/// What happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run was recorded.
    Opened {
        /// The name of the experiment.
        experiment: String,
    },
    /// The baseline was measured and the steady state held.
    BaselineHeld,
    /// From here on a fault may be in a target.
    InjectionBegan,
    /// A fault was written down, before it is put in place.
    FaultIntended {
        /// The number of the undo record.
        undo: u32,
        /// What is about to change, in words.
        what: String,
    },
    /// A fault was put in place and read back.
    FaultApplied {
        /// The number of the undo record.
        undo: u32,
    },
    /// Every fault is in place.
    Injected,
    /// The system was looked at.
    Observed {
        /// The number of the round, from 1.
        round: u32,
        /// What was seen, in words.
        seen: String,
    },
    /// The rollback began.
    RollbackBegan {
        /// Why.
        ending: Ending,
    },
    /// A setting is about to be put back.
    UndoBegan {
        /// The number of the undo record.
        undo: u32,
    },
    /// A setting was put back, or found not to need it.
    UndoSettled {
        /// The number of the undo record.
        undo: u32,
        /// How.
        #[serde(flatten)]
        state: UndoState,
    },
    /// A setting could not be put back. The rollback goes on trying.
    RollbackFailed {
        /// What failed, in words.
        detail: String,
    },
    /// Nothing of the run is left in any target.
    RolledBack,
    /// The record was closed.
    Closed {
        /// How the run ended.
        status: Status,
        /// What was found.
        verdict: Verdict,
    },
}

impl Event {
    /// Tells this event from another of the same name: 16 hex digits over all that it says.
    pub fn fingerprint(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(&text)
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The name of the event in the journal.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Opened { .. } => "opened",
            Event::BaselineHeld => "baseline_held",
            Event::InjectionBegan => "injection_began",
            Event::FaultIntended { .. } => "fault_intended",
            Event::FaultApplied { .. } => "fault_applied",
            Event::Injected => "injected",
            Event::Observed { .. } => "observed",
            Event::RollbackBegan { .. } => "rollback_began",
            Event::UndoBegan { .. } => "undo_began",
            Event::UndoSettled { .. } => "undo_settled",
            Event::RollbackFailed { .. } => "rollback_failed",
            Event::RolledBack => "rolled_back",
            Event::Closed { .. } => "closed",
        }
    }
}

/// An entry of the append-only journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JournalEntry {
    /// Its number, from 1, without gaps: the version of the run after it.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// Names the attempt that wrote it, so that a replay is recognised.
    pub token: String,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What is known of a run when it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRun {
    /// The name of the execution.
    pub id: RunId,
    /// The name of the experiment.
    pub experiment: String,
    /// The fingerprint of the experiment.
    pub digest: String,
    /// The execution, when there is one.
    pub execution_arn: Option<String>,
    /// The functions that it may touch.
    pub functions: Vec<TargetFunction>,
}

impl Run {
    /// The record of a new run, and the first entry of its journal.
    pub fn open(new: NewRun, token: String, at: Timestamp) -> (Run, JournalEntry) {
        let event = Event::Opened {
            experiment: new.experiment.clone(),
        };
        let run = Run {
            schema_version: SCHEMA_VERSION,
            id: new.id,
            experiment: new.experiment,
            digest: new.digest,
            execution_arn: new.execution_arn,
            functions: new.functions,
            closes_at: None,
            unchecked: Vec::new(),
            phase: Phase::Opened,
            version: 1,
            rounds: 0,
            status: Status::Running,
            verdict: None,
            ending: None,
            opened_at: at,
            injecting_at: None,
            injected_at: None,
            rollback_at: None,
            rolled_back_at: None,
            closed_at: None,
        };
        (
            run,
            JournalEntry {
                number: 1,
                at,
                token,
                event,
            },
        )
    }

    /// The record after an event.
    ///
    /// # Errors
    /// [`Code::Conflict`] when the event cannot happen in this phase. Nothing is changed then.
    pub fn after(&self, event: &Event, at: Timestamp) -> Result<Run> {
        let mut next = self.clone();
        next.version += 1;
        next.phase = match (self.phase, event) {
            (Phase::Opened, Event::BaselineHeld) => Phase::Steady,
            (Phase::Steady, Event::InjectionBegan) => {
                next.injecting_at = Some(at);
                Phase::Injecting
            }
            (Phase::Injecting, Event::FaultIntended { .. } | Event::FaultApplied { .. }) => Phase::Injecting,
            (Phase::Injecting, Event::Injected) => {
                next.injected_at = Some(at);
                Phase::Injected
            }
            (Phase::Injected, Event::Observed { round, .. }) => {
                next.rounds = *round;
                Phase::Injected
            }
            (Phase::Opened | Phase::Steady | Phase::Injecting | Phase::Injected, Event::RollbackBegan { ending }) => {
                next.ending = Some(ending.clone());
                next.rollback_at = Some(at);
                Phase::RollingBack
            }
            (Phase::RollingBack, Event::UndoBegan { .. } | Event::UndoSettled { .. }) => Phase::RollingBack,
            (Phase::RollingBack, Event::RollbackFailed { .. }) => {
                next.status = Status::RollbackFailed;
                Phase::RollingBack
            }
            (Phase::RollingBack, Event::RolledBack) => {
                next.rolled_back_at = Some(at);
                next.recover_from_failed_rollback();
                Phase::RolledBack
            }
            (Phase::RolledBack, Event::Closed { status, verdict }) => {
                next.closed_at = Some(at);
                next.verdict = Some(*verdict);
                next.status = *status;
                Phase::Closed
            }
            (
                Phase::Opened
                | Phase::Steady
                | Phase::Injecting
                | Phase::Injected
                | Phase::RollingBack
                | Phase::RolledBack
                | Phase::Closed,
                _,
            ) => {
                let message = format!(
                    "run {} is {:?}, so it cannot record `{}`",
                    self.id,
                    self.phase,
                    event.name()
                );
                return Err(Error::new(Code::Conflict, message));
            }
        };
        Ok(next)
    }

    /// A rollback that failed first and succeeded later does not end as if nothing had been.
    fn recover_from_failed_rollback(&mut self) {
        if self.status == Status::RollbackFailed {
            self.status = Status::Running;
            if let Some(ending) = &mut self.ending {
                ending.status = Status::Failed;
                ending.detail = format!("{}; the rollback failed at first and succeeded later", ending.detail);
            }
        }
    }

    /// Whether a fault of this run may be in a target.
    pub fn may_have_faults(&self) -> bool {
        matches!(self.phase, Phase::Injecting | Phase::Injected | Phase::RollingBack)
    }

    /// Whether faults may still be added: false from the moment the rollback begins.
    pub fn may_inject(&self) -> bool {
        matches!(self.phase, Phase::Steady | Phase::Injecting)
    }
}

#[cfg(test)]
mod tests;
