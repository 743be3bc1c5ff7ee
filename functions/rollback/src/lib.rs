//! The fourth step: put everything back. Idempotent; callable by anyone, at any time.
//!
//! Called by the state machine, by the event of a stopped execution, by the abort topic and by a person. Whoever
//! comes first begins the rollback; everybody goes on with it until nothing is left.

mod trigger;

use std::time::Duration;

use inoculate_core::error::{Code, Error, Result};
use inoculate_core::judge::Verdict;
use inoculate_core::names::RunId;
use inoculate_core::ports::{Evaluation, RunResult};
use inoculate_core::run::{Ending, Event, Phase, Run, Status};
use inoculate_core::undo::{Injector, UndoRecord};
use inoculate_step::record::With;
use inoculate_step::restore::Restored;
use inoculate_step::{Next, Step};
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use trigger::Trigger;

/// How often a rollback starts over because somebody else wrote to the record at the same time.
const TRIES: u32 = 8;

/// How long a rollback without a state machine waits: longer than [`IN_FLIGHT`](inoculate_core::undo::IN_FLIGHT), and
/// shorter than its function may run.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(100);
/// How long it waits between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// What the caller does with the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The run; `-` when the call was not about one.
    pub run_id: String,
    /// What comes next.
    pub next: Next,
    /// Whether nothing of the run is left in any target.
    pub settled: bool,
    /// How the run ends.
    pub status: Status,
    /// What is not settled yet, in words.
    pub pending: Vec<String>,
    /// Why the run ends, in words.
    pub detail: String,
    /// How long the system has to recover before the verdict; 0 when nothing was injected.
    pub recovery_secs: u32,
}

/// Rolls back what the event is about.
///
/// # Errors
/// [`Code::RollbackFailed`] when a setting could not be put back (the others are), or what the table answers.
pub async fn handle(step: Step, event: Value) -> Result<Output> {
    match Trigger::read(&event)? {
        Trigger::Run {
            run_id,
            ending,
            injector,
        } => roll_back(&step, &run_id, &ending, injector).await,
        Trigger::ExecutionEnded { run_id, ending } => {
            let output = roll_back_and_wait(&step, &run_id, &ending).await?;
            close_without_verdict(&step, &run_id, output).await
        }
        Trigger::Alarm { alarm, ending } => {
            let mut last = nothing("-", &ending);
            for run_id in guarded_by(&step, &alarm).await? {
                last = roll_back(&step, &run_id, &ending, Injector::MayBeRunning).await?;
            }
            Ok(last)
        }
    }
}

/// Around an ended execution there is no state machine that could wait for AWS, so this waits itself. What takes even
/// longer is left to Lambda's retries of the event.
async fn roll_back_and_wait(step: &Step, run_id: &RunId, ending: &Ending) -> Result<Output> {
    let until = step.ports.clock.now() + PATIENCE;
    loop {
        let output = roll_back(step, run_id, ending, Injector::MayBeRunning).await?;
        if output.settled || step.ports.clock.now() >= until {
            return Ok(output);
        }
        step.ports.clock.sleep(PAUSE).await;
    }
}

async fn roll_back(step: &Step, run_id: &RunId, ending: &Ending, injector: Injector) -> Result<Output> {
    for _ in 0..TRIES {
        match attempt(step, run_id, ending, injector).await {
            Err(error) if error.code == Code::Conflict => {
                tracing::info!(%run_id, %error, "somebody else is at this run too; looking again");
            }
            outcome => return outcome,
        }
    }
    Err(Error::new(
        Code::Conflict,
        format!("run {run_id} kept changing during the rollback"),
    ))
}

async fn attempt(step: &Step, run_id: &RunId, ending: &Ending, injector: Injector) -> Result<Output> {
    let Some(run) = step.ports.runs.load(run_id).await? else {
        return Ok(nothing(run_id.as_str(), ending));
    };
    match run.phase {
        Phase::Closed => Ok(output(&run, Next::End, vec![], 0)),
        Phase::RolledBack => Ok(output(&run, Next::Evaluate, vec![], recovery_secs(step, &run).await?)),
        Phase::RollingBack => settle(step, run, injector).await,
        Phase::Opened | Phase::Steady | Phase::Injecting | Phase::Injected => {
            let began = Event::RollbackBegan { ending: ending.clone() };
            let run = step.add(&run, began, With::default()).await?;
            settle(step, run, injector).await
        }
    }
}

/// Settles every undo record, gives the leases back, and records that nothing is left.
async fn settle(step: &Step, mut run: Run, injector: Injector) -> Result<Output> {
    let mut pending = Vec::new();
    let mut failed = Vec::new();
    for record in step.ports.runs.undo_records(&run.id).await? {
        if record.state.is_settled() {
            continue;
        }
        match step.restore(&record, injector).await {
            Ok(Restored::Settled(state)) => {
                let event = Event::UndoSettled {
                    undo: record.number,
                    state,
                };
                let record = UndoRecord {
                    state,
                    at: step.ports.clock.now(),
                    ..record
                };
                run = step
                    .add(
                        &run,
                        event,
                        With {
                            undo: vec![record],
                            result: None,
                        },
                    )
                    .await?;
            }
            Ok(Restored::Pending) => pending.push(format!("{} of {}", record.setting, record.function)),
            Err(error) => failed.push((record, error)),
        }
    }
    if !failed.is_empty() {
        return Err(report_failure(step, run, &failed).await?);
    }
    if !pending.is_empty() {
        return Ok(output(&run, Next::Settle, pending, 0));
    }
    for function in &run.functions {
        step.ports.leases.release(&function.arn, &run.id).await?;
    }
    let run = step.add(&run, Event::RolledBack, With::default()).await?;
    let recovery_secs = recovery_secs(step, &run).await?;
    Ok(output(&run, Next::Evaluate, vec![], recovery_secs))
}

/// Records and announces that a setting could not be put back, with the commands to do it by hand.
async fn report_failure(step: &Step, run: Run, failed: &[(UndoRecord, Error)]) -> Result<Error> {
    let lines = failed.iter().map(|(record, error)| {
        format!(
            "the {} of {} could not be put back to {}: {error}",
            record.setting, record.function, record.before
        )
    });
    let detail = lines.collect::<Vec<_>>().join("; ");
    let commands = failed
        .iter()
        .map(|(record, _)| record.by_hand())
        .collect::<Vec<_>>()
        .join("\n");
    if run.status != Status::RollbackFailed {
        step.add(&run, Event::RollbackFailed { detail: detail.clone() }, With::default())
            .await?;
        let body = format!(
            "Run {} left a change behind: {detail}\n\nTo put it back by hand:\n{commands}\n",
            run.id
        );
        if let Err(error) = step.ports.notices.publish("Inoculate could not roll back", &body).await {
            tracing::warn!(run_id = %run.id, %error, "nobody could be told");
        }
    }
    Ok(Error::new(Code::RollbackFailed, detail).help(format!("put it back by hand: {commands}")))
}

/// When the execution is over, nobody will evaluate the run any more: what is known is that it ended early.
async fn close_without_verdict(step: &Step, run_id: &RunId, rolled_back: Output) -> Result<Output> {
    if !rolled_back.settled {
        let message = format!(
            "run {run_id}: AWS is still carrying out {}",
            rolled_back.pending.join(", ")
        );
        return Err(Error::new(Code::TargetBusy, message));
    }
    let Some(run) = step.ports.runs.load(run_id).await? else {
        return Ok(rolled_back);
    };
    if run.phase != Phase::RolledBack {
        return Ok(rolled_back);
    }
    let because = "the execution ended before the verdict".to_owned();
    let at = step.ports.clock.now();
    let verdict = Verdict::Inconclusive;
    let evaluation = Evaluation {
        at,
        verdict,
        because,
        during: None,
        recovery: None,
        recovered: None,
    };
    let with = With {
        undo: vec![],
        result: Some(RunResult::Verdict(evaluation)),
    };
    // A run that was completed but never judged is not complete.
    let ending = run.ending.as_ref().map_or(Status::Failed, |ending| ending.status);
    let status = if ending == Status::Completed {
        Status::Failed
    } else {
        ending
    };
    let run = step.add(&run, Event::Closed { status, verdict }, with).await?;
    Ok(output(&run, Next::End, vec![], 0))
}

/// The runs that are under way and name this alarm.
async fn guarded_by(step: &Step, alarm: &str) -> Result<Vec<RunId>> {
    const LATEST: u32 = 100;
    let mut guarded = Vec::new();
    for run in step.ports.runs.list(LATEST).await? {
        if run.phase >= Phase::RolledBack {
            continue;
        }
        let experiment = step.ports.runs.experiment(&run.id).await?;
        if experiment.is_some_and(|experiment| experiment.guards.alarms.iter().any(|name| name == alarm)) {
            guarded.push(run.id);
        }
    }
    Ok(guarded)
}

/// Nothing was injected when there is nothing to recover from.
async fn recovery_secs(step: &Step, run: &Run) -> Result<u32> {
    if run.injected_at.is_none() {
        return Ok(0);
    }
    let windows = step.experiment(&run.id).await?.windows;
    Ok(windows.recovery.secs() + windows.delay_secs())
}

fn output(run: &Run, next: Next, pending: Vec<String>, recovery_secs: u32) -> Output {
    let ending = run.ending.as_ref();
    Output {
        run_id: run.id.to_string(),
        next,
        settled: run.phase >= Phase::RolledBack,
        status: ending.map_or(run.status, |ending| ending.status),
        pending,
        detail: ending.map(|ending| ending.detail.clone()).unwrap_or_default(),
        recovery_secs,
    }
}

/// There is no record, and without a record nothing was ever injected.
fn nothing(run_id: &str, ending: &Ending) -> Output {
    Output {
        run_id: run_id.to_owned(),
        next: Next::End,
        settled: true,
        status: ending.status,
        pending: vec![],
        detail: ending.detail.clone(),
        recovery_secs: 0,
    }
}
